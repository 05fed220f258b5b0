//! The TOML parser's errors in the words of a policy.

use super::reader::Reader;
use crate::codes::Code;
use crate::diagnostic::quoted;
use std::ops::Range;

/// Reports one error a line: what follows on the same line is nearly always a consequence.
pub(super) fn report(reader: &mut Reader<'_>, errors: &[toml::de::Error]) {
    let text = reader.text();
    let mut found: Vec<_> = errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    if found.len() > ERRORS_MAX {
        found.sort_by_key(|(span, _)| span.start);
        found.truncate(ERRORS_MAX);
        reader.tear();
    }
    let with_line = |(span, message): (Range<usize>, _)| {
        let span = reader.within_text(span);
        (line_at(text, span.start), span, message)
    };
    let mut found: Vec<(Range<usize>, Range<usize>, &str)> = found.into_iter().map(with_line).collect();
    // An unquoted value explains whatever else is wrong on its line.
    found.sort_by_key(|(line, span, message)| (line.start, !message.starts_with(UNQUOTED), span.start));
    for errors_of_line in found.chunk_by(|(left, ..), (right, ..)| left == right) {
        // The parser recovers a lone value without quotes; it can be read on as if it had them.
        let is_recovered =
            matches!(errors_of_line, [(_, span, message)] if message.starts_with(UNQUOTED) && !span.is_empty());
        let mut is_reported = false;
        for (line, span, message) in errors_of_line {
            if *message == DUPLICATE {
                report_duplicate(reader, span.clone());
                continue;
            }
            if !is_recovered {
                reader.add_broken(span.clone());
            }
            if !message.starts_with(UNQUOTED) {
                reader.tear();
            }
            if !is_reported {
                report_one(reader, line.clone(), span.clone(), message);
            }
            is_reported = true;
        }
    }
}

/// Errors looked at; a text with more is no policy, and one line of a million errors must not take a minute.
const ERRORS_MAX: usize = 1_000;
const UNQUOTED: &str = "string values must be quoted";
const DUPLICATE: &str = "duplicate key";

fn report_duplicate(reader: &mut Reader<'_>, span: Range<usize>) {
    let key = quoted(&reader.text()[span.clone()]);
    reader.error(Code::Duplicate, span, format!("{key} is set twice"), "set here again", "keep one of the two");
}

fn report_one(reader: &mut Reader<'_>, line: Range<usize>, span: Range<usize>, message: &str) {
    let text = reader.text();
    let is = |start: &str| message.starts_with(start);
    let (span, label, help) = if is(UNQUOTED) && text[span.clone()].trim().is_empty() {
        (span, "there is no value", "write `key = value`".to_owned())
    } else if is(UNQUOTED) {
        let value = unquoted(text, &line, span);
        let help = match &text[value.clone()] {
            short if short.len() <= 60 && !short.contains(['"', '`']) => format!("write `\"{short}\"`"),
            _ => "put the whole value in quotes".to_owned(),
        };
        (value, "what is not a plain number stands in quotes", help)
    } else if is("key with no value") {
        (
            content(text, line),
            "there is no `=` and no value",
            "write `key = value`, or `[name]` for a section".to_owned(),
        )
    } else if is("extra `=`") {
        (span, "there is one `=` too many", "write `key = value`".to_owned())
    } else if is("unclosed table") {
        (content(text, line), "the section's name is not closed", "write `[name]`".to_owned())
    } else if is("unclosed array") {
        (span, "a list is not closed before here", "close the list with `]`".to_owned())
    } else if is("missing comma") && content(text, line.clone()).start == span.start && text[line.clone()].contains('=')
    {
        (span, "the list before this is not closed", "close the list with `]`".to_owned())
    } else if is("missing comma") {
        let help = "separate entries by commas, and close the list or table that they belong to".to_owned();
        (span, "a comma is missing before this", help)
    } else if is("unclosed inline table") {
        (span, "a table is not closed before here", "close the table with `}`".to_owned())
    } else if is("invalid basic string") || is("invalid literal string") {
        let help = "close the string with the quote that opened it, on the same line".to_owned();
        (span, "the string is not closed", help)
    } else if is("invalid boolean") {
        (span, "not a switch", "write `true` or `false`, in lower case".to_owned())
    } else if is("unexpected key or value") {
        let rest = span.start..content(text, line).end.max(span.start);
        (rest, "the line was complete before this", "one `key = value` a line; a comment begins with `#`".to_owned())
    } else {
        let help = format!("a {} is lines of `key = value` under `[section]` headers", reader.language().text);
        (span, message, help)
    };
    reader.error(Code::Syntax, span, "this is not TOML", label, help);
}

/// The whole of a value that is written without quotes, up to the line's end or a comment if it stands alone on its line.
fn unquoted(text: &str, line: &Range<usize>, span: Range<usize>) -> Range<usize> {
    let before = &text[line.start..span.start];
    let alone = !before.contains(['[', '{']) && before.trim_end().ends_with('=');
    if alone && span.end <= line.end { span.start..content(text, span.start..line.end).end } else { span }
}

/// A line without the space and the comment around it.
fn content(text: &str, line: Range<usize>) -> Range<usize> {
    let raw = &text[line.clone()];
    let raw = raw.find('#').map_or(raw, |comment| &raw[..comment]);
    let start = line.start + (raw.len() - raw.trim_start().len());
    start..start + raw.trim().len()
}

/// The line around a place, without its end.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    start..text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}
