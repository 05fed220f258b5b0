//! docs/policy-language.md is manual and test at once: each of its TOML blocks is read.

mod complete;

use complete::completed;
use policy::parse;

const MANUAL: &str = include_str!("../../../docs/policy-language.md");

#[test]
fn every_block_is_what_it_says() {
    let mut blocks = 0;
    for (line, mark, block) in blocks_of(MANUAL) {
        blocks += 1;
        let expected = mark.strip_prefix("toml").map(|mark| mark.strip_prefix(",error="));
        let Some(expected) = expected else { panic!("line {line}: `{mark}` is no kind of block") };
        let text = match expected {
            // What an error block lacks may be its error.
            Some(_) => completed(&block),
            None => with_unit(completed(&block)),
        };
        let found: Vec<_> = parse(&text).diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect();
        match expected {
            Some(code) => assert!(found.contains(&code), "line {line}: expected {code}, found {found:?}"),
            None => assert!(found.is_empty(), "line {line}: found {found:?} in\n{text}"),
        }
    }
    assert!(blocks >= 20, "{blocks} blocks");
}

/// Examples of stops and pyramids need not repeat what N is.
fn with_unit(text: String) -> String {
    let needs_unit = (text.contains("[stop]") || text.contains("[pyramid]")) && !text.contains("[unit]");
    if needs_unit { text + "\n[unit]\nn = \"atr(20, 1d)\"\n" } else { text }
}

/// The fenced blocks of a Markdown text: line of the fence, what stands behind it, content.
fn blocks_of(markdown: &str) -> Vec<(usize, String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(mark), None) => open = Some((index + 1, mark.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, _, block))) => block.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    blocks
}
