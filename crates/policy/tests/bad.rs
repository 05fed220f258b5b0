//! Every way to get a policy wrong, and what trimtab says to it: `tests/bad/NAME.toml` is the text, `NAME.txt` the
//! answer. `UPDATE=1 cargo test -p trimtab-policy --test bad` writes the answers anew; read them before you commit them.

#![expect(clippy::disallowed_methods, reason = "golden files are read and, on request, written")]
#![allow(clippy::unwrap_used, reason = "a missing golden file should fail the test")]

mod complete;

use complete::completed;
use policy::{Code, Diagnostic, Parsed, parse};
use std::path::{Path, PathBuf};

#[test]
fn answers_are_as_recorded() {
    let update = std::env::var("UPDATE").is_ok();
    let mut wrong = Vec::new();
    let cases = cases();
    for path in &cases {
        let text = std::fs::read_to_string(path).unwrap();
        let file = path.file_name().unwrap().to_str().unwrap();
        let found = answer(file, &text, &parse(&text));
        let golden = path.with_extension("txt");
        if update {
            std::fs::write(&golden, &found).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != found {
            wrong.push(format!("{}\n{found}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 accepts these answers:\n\n{}", wrong.join("\n"));
    assert!(cases.len() >= 40, "{} cases", cases.len());
}

#[test]
fn every_code_has_a_case() {
    let texts: Vec<_> = cases().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let found: Vec<_> =
        texts.iter().flat_map(|text| parse(text).diagnostics).map(|diagnostic| diagnostic.code).collect();
    let missing: Vec<_> = Code::all().iter().filter(|code| !found.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// The explanations' own examples: what is called wrong yields the code, what is called right does not.
#[test]
fn explanations_tell_the_truth() {
    // A whole policy is missing there, or a string too long to print.
    let not_shown = [Code::MissingSection, Code::TooLarge];
    for code in Code::all().iter().filter(|code| !not_shown.contains(code)) {
        let (_, examples) = code.explanation().split_once("\nwrong\n").unwrap();
        let (wrong, right) = examples.split_once("\nright\n").unwrap();
        let codes = |example: &str| -> Vec<Code> {
            parse(&completed(&unindented(example))).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
        };
        assert!(codes(wrong).contains(code), "{code} wrong: {:?}", codes(wrong));
        assert!(!codes(right).contains(code), "{code} right: {:?}", codes(right));
    }
}

fn unindented(example: &str) -> String {
    example.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect()
}

fn answer(file: &str, text: &str, parsed: &Parsed) -> String {
    let shown = |diagnostic: &Diagnostic| diagnostic.render_plain(file, text) + "\n";
    let findings: String = parsed.diagnostics.iter().map(shown).collect();
    format!("{findings}{} rules, {} errors, {} warnings\n", parsed.rules, parsed.errors(), parsed.warnings())
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    cases
}
