//! Every way to get a policy wrong, and what trimtab says to it: `tests/bad/NAME.toml` is the text, `NAME.txt` the
//! answer; `tests/objectives` has the same of objectives. `UPDATE=1 cargo test -p trimtab-policy --test bad` writes the answers
//! anew; read them before you commit them.

#![expect(clippy::disallowed_methods, reason = "golden files are read and, on request, written")]
#![allow(clippy::unwrap_used, reason = "a missing golden file should fail the test")]

mod complete;

use complete::completed;
use policy::keys::{Place, Section, sections};
use policy::{Code, Diagnostic, parse};
use std::path::{Path, PathBuf};

#[test]
fn answers_are_as_recorded() {
    are_as_recorded(&cases("bad"), 40, |file, text| {
        let parsed = parse(text);
        let count = format!("{} rules, {} errors, {} warnings\n", parsed.rules, parsed.errors(), parsed.warnings());
        shown(file, text, &parsed.diagnostics) + &count
    });
}

#[test]
fn answers_to_objectives_are_as_recorded() {
    are_as_recorded(&cases("objectives"), 20, |file, text| {
        let read = policy::objectives::parse(text);
        assert_eq!(read.objectives, None, "{file}");
        shown(file, text, &read.diagnostics)
    });
}

fn are_as_recorded(cases: &[PathBuf], least: usize, answer: impl Fn(&str, &str) -> String) {
    let update = std::env::var("UPDATE").is_ok();
    let mut wrong = Vec::new();
    for path in cases {
        let text = std::fs::read_to_string(path).unwrap();
        let file = path.file_name().unwrap().to_str().unwrap();
        let found = answer(file, &text);
        let golden = path.with_extension("txt");
        if update {
            std::fs::write(&golden, &found).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != found {
            wrong.push(format!("{}\n{found}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 accepts these answers:\n\n{}", wrong.join("\n"));
    assert!(cases.len() >= least, "{} cases", cases.len());
}

/// Found where a policy of several files is put together, which is the command line's (`crates/cli/src/whole.rs`): one text has none.
const OF_FILES: [Code; 4] = [Code::IncludeRead, Code::IncludeCycle, Code::IncludeLimits, Code::IncludeForm];

#[test]
fn every_code_has_a_case() {
    let texts = |folder| cases(folder).into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    let policies = texts("bad").flat_map(|text| parse(&text).diagnostics);
    let objectives = texts("objectives").flat_map(|text| policy::objectives::parse(&text).diagnostics);
    let found: Vec<_> = policies.chain(objectives).map(|diagnostic| diagnostic.code).collect();
    let missing: Vec<_> = Code::all().iter().filter(|code| !found.contains(code) && !OF_FILES.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// The explanations' own examples: what is called wrong yields the code, what is called right does not.
#[test]
fn explanations_tell_the_truth() {
    // A whole policy is missing there, or a string too long to print.
    let not_shown = [Code::MissingSection, Code::TooLarge];
    for code in Code::all().iter().filter(|code| !not_shown.contains(code) && !OF_FILES.contains(code)) {
        let (_, examples) = code.explanation().split_once("\nwrong\n").unwrap();
        let (wrong, right) = examples.split_once("\nright\n").unwrap();
        let codes = |example: &str| -> Vec<Code> {
            let example = unindented(example);
            let found = match OF_OBJECTIVES.contains(code) {
                true => policy::objectives::parse(&wanted(&example)).diagnostics,
                false => parse(&completed(&example)).diagnostics,
            };
            found.iter().map(|diagnostic| diagnostic.code).collect()
        };
        assert!(codes(wrong).contains(code), "{code} wrong: {:?}", codes(wrong));
        assert!(!codes(right).contains(code), "{code} right: {:?}", codes(right));
    }
}

/// Codes that only objectives have.
const OF_OBJECTIVES: [Code; 3] = [Code::Contradiction, Code::Evidence, Code::Style];

/// Objectives with what an example leaves out.
fn wanted(example: &str) -> String {
    let defaults = [
        ("objectives", "1"),
        ("name", "\"x\""),
        ("instrument", "\"binance:BTCUSDT-PERP\""),
        ("style", "\"trend\""),
        ("horizon", "\"365d\""),
        ("worst_drawdown", "\"20%\""),
        ("probability", "\"5%\""),
    ];
    let has = |key: &str| example.lines().any(|line| line.starts_with(&format!("{key} =")));
    let is_absent = |key: &str| !(has(key) || key == "instrument" && has("chain"));
    let added = defaults.iter().filter(|(key, _)| is_absent(key)).map(|(key, value)| format!("{key} = {value}\n"));
    added.collect::<String>() + example
}

fn unindented(example: &str) -> String {
    example.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect()
}

fn shown(file: &str, text: &str, found: &[Diagnostic]) -> String {
    found.iter().map(|diagnostic| diagnostic.render_plain(file, text) + "\n").collect()
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    cases.sort();
    cases
}

/// Values that no key takes: a word, a number far out of any range, a list, and a quantity of a unit that there is not.
const NO_VALUES: [&str; 4] = ["\"soon!\"", "-1e15", "[[true]]", "\"3 apples\""];

/// A policy with one key that holds one of these, in its place.
fn broken(section: &Section, key: &str, value: &str) -> String {
    let (name, head) = (section.name, "policy = 1\nname = \"x\"\ninstrument = \"binance:BTCUSDT-PERP\"\n");
    let of = match section.place {
        Place::Root => format!("{key} = {value}\n"),
        Place::Section => format!("[{name}]\n{key} = {value}\n"),
        Place::List => format!("[[{name}]]\n{key} = {value}\n"),
        Place::Inline => {
            let (section, list) = name.split_once('.').unwrap();
            format!("[{section}]\n{list} = [{{ {key} = {value} }}]\n")
        }
    };
    let head: String = head
        .lines()
        .filter(|line| section.place != Place::Root || !line.starts_with(key))
        .map(|line| format!("{line}\n"))
        .collect();
    completed(&(if section.place == Place::Root { of + &head } else { head + &of }))
}

/// Every key, with every value that is none of its: what stands there is named, and why it will not do. `every-key.txt` has the answers.
#[test]
fn no_key_takes_what_is_no_value() {
    let (mut told, mut taken, mut count) = (String::new(), Vec::new(), 0);
    for section in sections() {
        for key in section.keys {
            for value in NO_VALUES {
                count += 1;
                let text = broken(&section, key, value);
                let place = text.find(&format!("{key} = {value}")).unwrap() + key.len() + 3;
                let found = parse(&text).diagnostics;
                let own = found.iter().find(|found| {
                    found.is_error() && found.span.start >= place && found.span.end <= place + value.len()
                });
                let Some(own) = own else {
                    taken.push(format!("{}.{key} = {value}", section.name));
                    continue;
                };
                assert!(own.help.is_some() && !own.label.is_empty(), "{own:?}");
                let help = own.help.as_deref().unwrap_or_default();
                told.push_str(&format!(
                    "{}.{key} = {value}\n  {}: {}: {}; {help}\n",
                    section.name, own.code, own.message, own.label
                ));
            }
        }
    }
    assert!(count >= 400, "{count}");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad/every-key.txt");
    told.push_str(&format!("taken, or told elsewhere:\n  {}\n", taken.join("\n  ")));
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(&golden, &told).unwrap();
    }
    assert!(std::fs::read_to_string(&golden).unwrap_or_default() == told, "UPDATE=1 accepts these answers:\n\n{told}");
}
