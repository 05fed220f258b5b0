//! Counts what libtest reports, line by line.

use std::collections::BTreeSet;

/// Passed, failed and skipped, and what was skipped or failed by name.
///
/// A test that cannot run here (no shared data, no Python) prints `skipped: NAME: REASON` and returns. libtest counts it
/// as passed and swallows the line; run with `--show-output`, libtest prints what passing tests said behind the
/// headline `successes:`, and such a test is moved from passed to skipped.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// `NAME: REASON`.
    pub(crate) skips: BTreeSet<String>,
    /// Names of what failed.
    pub(crate) failures: BTreeSet<String>,
    in_successes: bool,
    /// The test whose output is being read has said so already.
    said_skipped: bool,
    /// Tests of the current binary that did.
    moved: usize,
}

impl Tally {
    /// A check of our own that passed.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    /// A check of our own that failed.
    pub(crate) fn fail(&mut self, name: &str) {
        self.failed += 1;
        self.failures.insert(name.to_owned());
    }

    /// A check of our own that could not run here.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        self.skipped += 1;
        self.skips.insert(format!("{name}: {reason}"));
    }

    /// Takes in a line of libtest's output. Returns whether a person wants to see it.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.in_successes = false;
            self.passed += count(counts, "passed").saturating_sub(std::mem::take(&mut self.moved));
            self.failed += count(counts, "failed");
            self.skipped += count(counts, "ignored");
            return true;
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        if self.in_successes {
            if line.starts_with("---- ") && line.ends_with(" ----") {
                self.said_skipped = false;
            } else if let Some(skip) = line.strip_prefix("skipped: ") {
                self.skips.insert(skip.to_owned());
                if !std::mem::replace(&mut self.said_skipped, true) {
                    // The `test result:` line, which counts it as passed, comes later.
                    self.moved += 1;
                    self.skipped += 1;
                }
            }
            return false;
        }
        if let Some((name, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            if outcome == "FAILED" {
                self.failures.insert(name.to_owned());
            } else if let Some(reason) = outcome.strip_prefix("ignored") {
                self.skips.insert(format!("{name}: ignored{reason}"));
            }
        }
        true
    }

    /// The last line of `cargo xtask test`, in the form that readers of CI logs count by.
    pub(crate) fn closing(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The number before a word: `ok. 12 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> usize {
    let mut before = "";
    for token in counts.split_whitespace() {
        if token.trim_end_matches(';') == word {
            return before.parse().unwrap_or(0);
        }
        before = token;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Tally, String) {
        let mut tally = Tally::default();
        let shown: Vec<&str> = text.lines().filter(|line| tally.line(line)).collect();
        let shown = shown.join("\n");
        (tally, shown)
    }

    #[test]
    fn sums_over_all_test_binaries() {
        let (tally, _) = read(
            "test a ... ok\ntest result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             test b ... FAILED\ntest c ... ignored, slow\n\
             test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        assert_eq!(tally.closing(), "15 passed, 1 failed, 1 skipped");
        assert_eq!(tally.failures, BTreeSet::from(["b".to_owned()]));
        assert_eq!(tally.skips, BTreeSet::from(["c: ignored, slow".to_owned()]));
    }

    #[test]
    fn a_test_that_says_so_is_skipped_once_and_not_passed() {
        let (tally, shown) = read(
            "running 3 tests\ntest a ... ok\ntest b ... ok\ntest c ... FAILED\n\nsuccesses:\n\n---- a stdout ----\n\
             skipped: a: shared data absent\nskipped: a: python absent\n\n---- b stdout ----\nchatter\n\nsuccesses:\n    a\n    b\n\n\
             failures:\n\n---- c stdout ----\nskipped: c: not in a failure\n\nfailures:\n    c\n\n\
             test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        assert_eq!(tally.closing(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(tally.skips.len(), 2);
        assert!(!shown.contains("chatter") && shown.contains("---- c stdout ----"), "{shown}");
    }
}
