//! The project file: TOML, found in the working folder or above it. What is wrong with it is told at its place, all at once.

use super::{DEFINITIONS, Definition, Origin, Takes, nearest};
use crate::failure::Failure;
use crate::files;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The project file's name.
pub(crate) const FILE: &str = "trimtab.toml";
/// A file of ten settings is smaller.
const BYTES_MAX: usize = 64 << 10;

/// One thing that is wrong, at its place.
#[derive(Debug)]
pub(crate) struct Finding {
    path: PathBuf,
    text: String,
    span: Range<usize>,
    /// What happened.
    pub(crate) message: String,
    /// Why, said at the place itself.
    pub(crate) label: String,
    /// The one thing to do.
    pub(crate) help: String,
}

impl Finding {
    /// As a policy's findings are shown, in colours.
    pub(crate) fn render(&self) -> String {
        let file = self.path.display().to_string();
        let place = AnnotationKind::Primary.span(self.span.clone()).label(self.label.as_str());
        let group = Level::ERROR
            .primary_title(self.message.as_str())
            .element(Snippet::source(self.text.as_str()).path(file.as_str()).annotation(place))
            .element(Level::HELP.message(self.help.as_str()));
        let full = Renderer::styled().render(&[group]);
        let is_empty = |line: &str| anstream::adapter::strip_str(line).to_string().trim() == "|";
        full.lines().filter(|line| !is_empty(line)).map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// `trimtab.toml:3`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.path.display(), line(&self.text, self.span.start))
    }
}

/// A value as it stands in the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) words: Vec<String>,
    pub(super) span: Range<usize>,
}

/// What a project file says.
#[derive(Debug)]
pub(super) struct ProjectFile {
    pub(super) path: Option<PathBuf>,
    pub(super) entries: BTreeMap<&'static str, Entry>,
    text: String,
}

impl ProjectFile {
    /// Where there is none.
    pub(super) fn none() -> Self {
        Self { path: None, entries: BTreeMap::new(), text: String::new() }
    }

    /// Reads it; what is wrong is found beside what can be used.
    pub(super) fn read(path: &Path) -> Result<(Self, Vec<Finding>), Failure> {
        Ok(Self::parse(path, files::read_text(path, BYTES_MAX, "settings file")?))
    }

    fn parse(path: &Path, text: String) -> (Self, Vec<Finding>) {
        let mut file = Self { path: Some(path.to_owned()), entries: BTreeMap::new(), text: text.clone() };
        let mut findings = Vec::new();
        let (table, errors) = DeTable::parse_recoverable(&text);
        if let Some(error) = errors.first() {
            // What follows the first error is mostly its consequence.
            let help = "settings are lines of `key = value`, text in quotes; `trimtab config` lists them".to_owned();
            let (message, label) = ("this is not TOML".to_owned(), error.message().to_owned());
            findings.push(file.finding(error.span().unwrap_or_default(), message, label, help));
        } else {
            file.take("", table.get_ref(), &mut findings);
        }
        (file, findings)
    }

    fn take(&mut self, section: &str, table: &DeTable<'_>, findings: &mut Vec<Finding>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = format!("{section}{}", key.get_ref());
            let inside = format!("{name}.");
            if let Some(definition) = DEFINITIONS.iter().find(|definition| definition.key == name) {
                match words(definition, value) {
                    Ok(words) => {
                        self.entries.insert(definition.key, Entry { words, span: value.span() });
                    }
                    Err((span, label)) => {
                        let message = format!("`{name}` is {}", kind(definition.takes));
                        let help = format!("write `{}`", example(definition));
                        findings.push(self.finding(span, message, label, help));
                    }
                }
            } else if DEFINITIONS.iter().any(|definition| definition.key.starts_with(&inside)) {
                if let DeValue::Table(table) = value.get_ref() {
                    self.take(&inside, table, findings);
                } else {
                    let label = "not a section".to_owned();
                    let help = format!("write a line `[{name}]` and its settings below it");
                    findings.push(self.finding(value.span(), format!("`{name}` is a section"), label, help));
                }
            } else {
                let message = format!("there is no setting `{}`", name.replace(char::is_control, "\u{fffd}"));
                findings.push(self.finding(key.span(), message, "not a setting".to_owned(), suggestion(&name)));
            }
        }
    }

    /// The folder that relative paths in the file count from.
    pub(super) fn base(&self) -> PathBuf {
        self.path.as_deref().and_then(Path::parent).map_or_else(PathBuf::new, Path::to_owned)
    }

    pub(super) fn origin(&self, entry: &Entry) -> Origin {
        Origin::File { path: self.path.clone().unwrap_or_default(), line: line(&self.text, entry.span.start) }
    }

    pub(super) fn finding(&self, span: Range<usize>, message: String, label: String, help: String) -> Finding {
        let (path, text) = (self.path.clone().unwrap_or_default(), self.text.clone());
        Finding { span: within(&text, span), path, text, message, label, help }
    }
}

/// The words of a value of the right type, else the place and what stands there instead.
fn words(definition: &Definition, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, (Range<usize>, String)> {
    let wrong = |value: &Spanned<DeValue<'_>>| Err((value.span(), format!("this is {}", found(value.get_ref()))));
    match (definition.takes, value.get_ref()) {
        (Takes::Word | Takes::Path, DeValue::String(text)) => Ok(vec![text.to_string()]),
        (Takes::Switch, DeValue::Boolean(switch)) => Ok(vec![switch.to_string()]),
        (Takes::Number, DeValue::Integer(integer)) if integer.radix() == 10 => Ok(vec![integer.as_str().to_owned()]),
        (Takes::Paths, DeValue::Array(list)) => {
            let mut all = Vec::new();
            for entry in list.iter() {
                match entry.get_ref() {
                    DeValue::String(text) => all.push(text.to_string()),
                    _ => return wrong(entry),
                }
            }
            Ok(all)
        }
        _ => wrong(value),
    }
}

fn kind(takes: Takes) -> &'static str {
    match takes {
        Takes::Word => "a word in quotes",
        Takes::Switch => "a switch",
        Takes::Number => "a whole number without quotes",
        Takes::Path => "a folder's name in quotes",
        Takes::Paths => "a list of files' names in quotes",
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a switch",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn example(definition: &Definition) -> String {
    let value = match (definition.key, definition.takes) {
        ("log.level", _) => "\"info\"",
        ("log.format", _) => "\"json\"",
        ("verbosity", _) => "\"verbose\"",
        ("color" | "progress", _) | (_, Takes::Word) => "\"never\"",
        (_, Takes::Switch) => "true",
        ("width", _) => "100",
        (_, Takes::Number) => "2",
        (_, Takes::Path) => "\"runs\"",
        (_, Takes::Paths) => "[\"btc.tape\", \"funding.tape\"]",
    };
    format!("{} = {value}", last_of(definition.key))
}

/// What an unknown key may have been meant to be.
fn suggestion(name: &str) -> String {
    let keys = || DEFINITIONS.iter().map(|definition| definition.key);
    if let Some(near) = nearest(name, keys()) {
        return format!("did you mean `{near}`?");
    }
    match keys().find(|key| nearest(last_of(name), [last_of(key)]).is_some()) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("settings are {}", keys().collect::<Vec<_>>().join(", ")),
    }
}

fn last_of(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// A place in the text, whatever the parser says of its end.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = boundary(span.start);
    start..boundary(span.end).max(start)
}

/// Counted from 1.
fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that a text sets, and its findings as they are shown.
    fn read(text: &str) -> (Vec<&'static str>, Vec<String>) {
        let (file, findings) = ProjectFile::parse(Path::new("trimtab.toml"), text.to_owned());
        let shown = findings.iter().map(|found| anstream::adapter::strip_str(&found.render()).to_string()).collect();
        (file.entries.into_keys().collect(), shown)
    }

    #[test]
    fn a_file_that_ends_early_is_told_at_a_place() {
        let whole = "color = \"never\"\ntapes = [\"ä.tape\", 'b.tape']\n[log]\nlevel = \"info\" # ⚑\n";
        assert_eq!(read(whole), (vec!["color", "log.level", "tapes"], Vec::new()));
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            for torn in [whole[..end].to_owned(), format!("{}\u{feff}ä", &whole[..end]), whole[end..].to_owned()] {
                for shown in read(&torn).1 {
                    assert!(shown.contains(" --> trimtab.toml:") && shown.contains("= help: "), "{torn:?}: {shown}");
                }
            }
        }
    }

    #[test]
    fn what_a_key_may_have_meant() {
        let help = |text: &str| read(text).1.join("\n").rsplit("help: ").next().unwrap_or_default().to_owned();
        assert_eq!(help("thread = 2"), "did you mean `threads`?");
        assert_eq!(help("level = \"info\""), "did you mean `log.level`?");
        assert_eq!(help("[log]\nlevle = \"info\""), "did you mean `log.level`?");
        assert_eq!(help("log = \"info\""), "write a line `[log]` and its settings below it");
        assert!(help("theme = 1").starts_with("settings are color, json, "));
        assert_eq!(help("tapes = [\"a\", 1]"), "write `tapes = [\"btc.tape\", \"funding.tape\"]`");
        assert_eq!(help("width = 0x64"), "write `width = 100`");
    }
}
