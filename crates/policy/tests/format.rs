//! What the project itself gives out is laid out as `trimtab fmt` does it.
#![expect(clippy::disallowed_methods, reason = "the examples are read")]
#![allow(clippy::unwrap_used, reason = "a missing file should fail the test")]

use std::path::Path;

#[test]
fn the_examples_are_laid_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("crates/cli/templates/policy.toml")];
    for entry in std::fs::read_dir(root.join("examples")).unwrap() {
        files.extend(Some(entry.unwrap().path()).filter(|path| path.extension().is_some_and(|is| is == "toml")));
    }
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(policy::format(&text).unwrap() == text, "{}: run `trimtab fmt` on it", file.display());
    }
}

/// A remark under a remark stays under it, others begin their line.
#[test]
fn a_remark_that_goes_on_stays_in_its_column() {
    let text = "a = 1     # one\n          # and more\n# alone\nb = \"22222222222222222222222222\" # two\n";
    let expected = "a = 1                              # one\n                                   # and more\n# alone\n\
                    b = \"22222222222222222222222222\"   # two\n";
    assert_eq!(policy::format(text).unwrap(), expected);
    let above = policy::format("a = 1 # one\n  # and more\n[b]\nc = 1\n").unwrap();
    assert_eq!(policy::format(&above).unwrap(), above);
}
