//! A policy's text in the form that all of them have: spaces, indents, blank lines and the column of comments; never what it says.
//!
//! Lines are laid out one by one, so that comments stay where their author put them. What was laid out is read again and compared:
//! a text that would say anything else is not given out.

use std::fmt;
use toml::Table;

/// Comments behind values stand at this column, counted from 0, or three spaces behind the longest line of their block.
const COMMENT_COLUMN: usize = 26;
/// One level of a list that goes over several lines.
const INDENT: &str = "    ";

/// Why a text cannot be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatError {
    /// It is no TOML.
    Text,
    /// A string goes over several lines.
    Lines,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "it cannot be read as TOML",
            Self::Lines => "a string in it goes over several lines, and no value of a policy does",
        })
    }
}

impl std::error::Error for FormatError {}

/// The text laid out anew. What it says stays the same, value by value; what stands in quotes is not touched.
///
/// ```
/// let text = "policy=1\n\n\n[ size ]\n  kind='fixed_fraction' # of equity\nfraction   =  1.0#all\n";
/// assert_eq!(
///     policy::format(text).unwrap(),
///     "policy = 1\n\n[size]\nkind = \"fixed_fraction\"   # of equity\nfraction = 1.0            # all\n"
/// );
/// ```
///
/// # Errors
/// What is no TOML, or has strings over several lines.
pub fn format(text: &str) -> Result<String, FormatError> {
    let before: Table = text.parse().map_err(|_| FormatError::Text)?;
    if text.contains("\"\"\"") || text.contains("'''") {
        return Err(FormatError::Lines);
    }
    let mut layout = Layout::default();
    for line in text.lines() {
        layout.line(line);
    }
    let formatted = layout.finish();
    match formatted.parse::<Table>() {
        Ok(after) if after == before => Ok(formatted),
        _ => Err(FormatError::Text),
    }
}

#[derive(Default)]
struct Layout {
    done: String,
    /// Lines that stand under each other without a blank one or a header between: their comments are aligned.
    block: Vec<Line>,
    /// Brackets open before the next line.
    depth: usize,
    /// A blank line stood before the next one.
    is_apart: bool,
}

struct Line {
    code: String,
    comment: Option<String>,
    /// A remark that goes on from the line above.
    goes_on: bool,
}

impl Layout {
    fn line(&mut self, line: &str) {
        let (code, comment) = split(line);
        if code.is_empty() && comment.is_none() {
            self.is_apart = self.depth == 0;
            return;
        }
        let is_header = self.depth == 0 && code.starts_with('[');
        // A remark right above a header belongs to it.
        if is_header {
            let kept =
                self.block.iter().rposition(|line| !line.code.is_empty() || line.goes_on).map_or(0, |last| last + 1);
            let above = if self.is_apart { Vec::new() } else { self.block.split_off(kept) };
            self.end_block();
            self.blank();
            self.block = above;
        } else if self.is_apart {
            self.end_block();
            // None behind a header.
            if !self.ends_with_header() {
                self.blank();
            }
        }
        self.is_apart = false;
        let code = if is_header { header(code) } else { spaced(code) };
        let (closing, change) = brackets(if is_header { "" } else { &code });
        let depth = self.depth.saturating_sub(closing);
        self.depth = self.depth.saturating_add_signed(change);
        let code = if code.is_empty() { code } else { INDENT.repeat(depth) + &code };
        let comment = comment.map(|comment| if code.is_empty() { INDENT.repeat(depth) + &comment } else { comment });
        let is_indented = self.depth == 0 && line.starts_with([' ', '\t']) && code.is_empty();
        let goes_on = is_indented
            && self
                .block
                .last()
                .is_some_and(|above| above.comment.is_some() && (above.goes_on || !above.code.is_empty()));
        self.block.push(Line { code, comment, goes_on });
        if is_header {
            self.end_block();
        }
    }

    fn ends_with_header(&self) -> bool {
        self.done.trim_end().lines().next_back().is_some_and(|line| line.starts_with('['))
    }

    fn blank(&mut self) {
        if !self.done.is_empty() && !self.done.ends_with("\n\n") {
            self.done.push('\n');
        }
    }

    fn end_block(&mut self) {
        let commented = self.block.iter().filter(|line| line.comment.is_some());
        let longest = commented.map(|line| line.code.chars().count()).max().unwrap_or(0);
        let column = COMMENT_COLUMN.max(longest + 3);
        for line in self.block.drain(..) {
            self.done.push_str(&line.code);
            if let Some(comment) = line.comment {
                let gap = match line.code.chars().count() {
                    0 if !line.goes_on => 0,
                    written => column - written,
                };
                self.done.push_str(&" ".repeat(gap));
                self.done.push_str(&comment);
            }
            self.done.push('\n');
        }
    }

    fn finish(mut self) -> String {
        self.end_block();
        self.done
    }
}

/// A line's code and its comment, both without space around them.
fn split(line: &str) -> (&str, Option<String>) {
    let at = outside_quotes(line).find(|(_, character)| *character == '#').map(|(at, _)| at);
    let Some(at) = at else { return (line.trim(), None) };
    let said = line[at + 1..].trim_end();
    let gap = if said.is_empty() || said.starts_with([' ', '!', '#', ':']) { "" } else { " " };
    (line[..at].trim(), Some(format!("#{gap}{said}")))
}

/// The characters that stand in no string, with their places.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut is_escaped) = (None, false);
    text.char_indices().filter(move |(_, character)| match quote {
        None => {
            quote = Some(*character).filter(|character| matches!(character, '"' | '\''));
            quote.is_none()
        }
        Some(open) => {
            let ends = *character == open && !is_escaped;
            is_escaped = open == '"' && *character == '\\' && !is_escaped;
            if ends {
                quote = None;
            }
            false
        }
    })
}

/// `[ size ]` without the space inside.
fn header(code: &str) -> String {
    if code.contains(['"', '\'']) {
        code.to_owned()
    } else {
        code.chars().filter(|character| !character.is_whitespace()).collect()
    }
}

/// How many brackets a line begins with closing, before anything else, and what it leaves open.
fn brackets(code: &str) -> (usize, isize) {
    let mut open = 0_isize;
    for (_, character) in outside_quotes(code) {
        match character {
            '[' | '{' => open += 1,
            ']' | '}' => open -= 1,
            _ => {}
        }
    }
    let begins = code.chars().filter(|character| !matches!(character, ' ' | ','));
    (begins.take_while(|character| matches!(character, ']' | '}')).count(), open)
}

/// One space around `=`, behind commas and inside braces; none inside brackets. Single quotes become double ones where nothing inside
/// needs them.
fn spaced(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let inside = outside_quotes(rest).next().map_or(rest.len(), |(at, _)| at);
            let end = string_end(rest).unwrap_or(inside);
            let text = &rest[..end];
            match first == '\'' && !text.contains(['"', '\\']) && text.len() >= 2 {
                true => out.push_str(&format!("\"{}\"", &text[1..text.len() - 1])),
                false => out.push_str(text),
            }
            rest = &rest[end..];
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match first {
            ' ' | '\t' => {
                if !out.is_empty() && !out.ends_with([' ', '[']) {
                    out.push(' ');
                }
            }
            '=' => {
                trim(&mut out);
                out.push_str(" = ");
            }
            ',' => {
                trim(&mut out);
                out.push_str(", ");
            }
            '{' => out.push_str("{ "),
            '}' => {
                trim(&mut out);
                out.push_str(if out.ends_with('{') { "}" } else { " }" });
            }
            ']' => {
                trim(&mut out);
                out.push(']');
            }
            other => out.push(other),
        }
    }
    trim(&mut out);
    out
}

fn trim(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}

/// Where the string ends that a text begins with.
fn string_end(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !is_escaped {
            return Some(at + 1);
        }
        is_escaped = quote == '"' && character == '\\' && !is_escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_indented_and_remarks_stay() {
        let text = "\n\n# What it is.\npolicy = 1\n\n# Limits.\n[caps]   # hard\n\nleverage=2.5#at most\ndrawdown=[\n\
                    {at=\"10%\",restore='5%',factor=0.5},# first\n  \
                    {  at = \"20%\" , restore = \"10%\", factor = 0.0 }\n   ]\n# the end\n\n\n\
                    [trade]\nbuffer = \"1 # 0%\"\n[[limits]]\nof = '\"x'\n";
        let expected = "# What it is.\npolicy = 1\n\n# Limits.\n[caps]                    # hard\n\
                        leverage = 2.5                                      # at most\ndrawdown = [\n    \
                        { at = \"10%\", restore = \"5%\", factor = 0.5 },   # first\n    \
                        { at = \"20%\", restore = \"10%\", factor = 0.0 }\n]\n# the end\n\n\
                        [trade]\nbuffer = \"1 # 0%\"\n\n[[limits]]\nof = '\"x'\n";
        let formatted = format(text).unwrap();
        assert_eq!(formatted, expected);
        assert_eq!(format(&formatted).unwrap(), formatted);
    }

    /// A row that closes the list behind its own values is a row of the list.
    #[test]
    fn a_row_behind_a_remark_stays_in_its_list() {
        let text = "a = [ { b = 1 }, # half\n# inner\n{ b = 2 }, { b = 3 } ]\nc = [\n1,\n2 ]\nd = [[\n3\n], [4]]\n";
        let expected = "a = [{ b = 1 },           # half\n    # inner\n    { b = 2 }, { b = 3 }]\nc = [\n    1,\n    2]\nd = [[\n        \
                        3\n    ], [4]]\n";
        let formatted = format(text).unwrap();
        assert_eq!(formatted, expected);
        assert_eq!(format(&formatted).unwrap(), formatted);
    }

    #[test]
    fn what_cannot_be_laid_out_is_refused() {
        assert_eq!(format("[size"), Err(FormatError::Text));
        assert_eq!(format("a = \"\"\"\n  b\n\"\"\"\n"), Err(FormatError::Lines));
    }

    proptest! {
        /// A policy's text with its spaces and lines spoiled reads as the same policy, and comes out as the text that was not.
        #[test]
        fn any_policy_is_laid_out_alike(policy in crate::testing::policies(), seed in any::<u64>()) {
            let text = crate::to_toml(&policy);
            let formatted = format(&text).unwrap();
            prop_assert_eq!(&format(&formatted).unwrap(), &formatted);
            let mut seed = seed;
            let mut random = |most: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) % most
            };
            let mut spoiled = String::new();
            for line in text.lines() {
                spoiled.push_str(&" ".repeat(random(4) as usize));
                let quiet: Vec<usize> = outside_quotes(line).map(|(at, _)| at).collect();
                for (at, character) in line.char_indices() {
                    let is_joint = quiet.contains(&at) && matches!(character, '=' | ',' | '{' | '}') && !line.starts_with('[');
                    let gap = if is_joint { " ".repeat(random(3) as usize) } else { String::new() };
                    spoiled.push_str(&format!("{gap}{character}{gap}"));
                }
                spoiled.push_str(if random(3) == 0 && !line.is_empty() { " \t\n" } else { "\n" });
            }
            prop_assert_eq!(format(&spoiled).unwrap(), formatted);
        }
    }
}
