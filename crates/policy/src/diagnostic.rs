//! What is wrong with a policy text, where, and what to do about it.

use crate::codes::Code;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::ops::Range;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// The policy can be used; it probably does not mean what was meant.
    Warning,
}

/// One finding in a policy text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The bytes of the text that it is about.
    pub span: Range<usize>,
    /// What happened: lower case, no full stop, input in backticks.
    pub message: String,
    /// Why, said at the place itself.
    pub label: String,
    /// The one thing to do.
    pub help: Option<String>,
    /// Another place that it is about, and what is said there.
    pub also: Option<(Range<usize>, String)>,
}

impl Diagnostic {
    /// Whether the policy cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// As a person reads it, without colour and without a line end after the last line.
    #[must_use]
    pub fn render_plain(&self, file: &str, text: &str) -> String {
        self.render(file, text, Renderer::plain())
    }

    /// The same with ANSI colours, for a terminal.
    #[must_use]
    pub fn render_styled(&self, file: &str, text: &str) -> String {
        self.render(file, text, Renderer::styled())
    }

    fn render(&self, file: &str, text: &str, renderer: Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let place = AnnotationKind::Primary.span(self.span.clone()).label(self.label.as_str());
        let mut snippet = Snippet::source(text).path(file).annotation(place);
        if let Some((span, label)) = &self.also {
            snippet = snippet.annotation(AnnotationKind::Context.span(span.clone()).label(label.as_str()));
        }
        let mut group = level.primary_title(self.message.as_str()).id(self.code.name()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        // The gutter's empty lines are left out: a policy with ten findings should still fit on a screen.
        let full = renderer.render(&[group]);
        full.lines().filter(|line| !is_empty_gutter(line)).map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

fn is_empty_gutter(line: &str) -> bool {
    let mut visible = String::new();
    let mut rest = line;
    while let Some(start) = rest.find("\x1b[") {
        visible.push_str(&rest[..start]);
        rest = rest[start..].split_once('m').map_or("", |(_, behind)| behind);
    }
    visible.push_str(rest);
    visible.trim() == "|"
}

/// A piece of the input as messages quote it: in backticks, shortened, control characters made visible.
pub(crate) fn quoted(input: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    let mut start: String = input.chars().take(CHARACTERS_MAX).collect();
    if start.len() < input.len() {
        start.push('…');
    }
    format!("`{}`", printable(start))
}

/// A text with its control characters made visible.
pub(crate) fn printable(text: String) -> String {
    if !text.contains(is_unseen) {
        return text;
    }
    let shown = |character: char| match is_unseen(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Whether a character shows nothing and may change how others are shown: controls, what turns the direction of writing, what has no width.
pub(crate) fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The nearest of some names, if one is near enough to have been meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two names: insert, delete, replace, swap of neighbours (optimal string alignment). Case is ignored.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().take(64).collect();
    let right: Vec<char> = right.to_lowercase().chars().take(64).collect();
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                let best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
                if swapped { best.min(rows[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["leverage", "leverage_restore", "drawdown"];
        assert_eq!(nearest("levrage", known), Some("leverage"));
        assert_eq!(nearest("Leverage", known), Some("leverage"));
        assert_eq!(nearest("drawdwon", known), Some("drawdown"));
        assert_eq!(nearest("entry", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quoted("2R"), "`2R`");
        assert_eq!(quoted("\x1b[31m"), "`\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 43);
    }

    #[test]
    fn colour_changes_no_word() {
        let diagnostic = Diagnostic {
            code: Code::LadderOversold,
            severity: Severity::Error,
            span: 4..9,
            message: "message".to_owned(),
            label: "label".to_owned(),
            help: Some("help".to_owned()),
            also: None,
        };
        let plain = diagnostic.render_plain("a.toml", "x = [1,2]\n");
        assert_eq!(plain, "error[P014]: message\n --> a.toml:1:5\n1 | x = [1,2]\n  |     ^^^^^ label\n  = help: help");
        let styled = diagnostic.render_styled("a.toml", "x = [1,2]\n");
        assert!(styled.contains("\x1b["));
        assert_eq!(styled.lines().count(), plain.lines().count());
    }
}
