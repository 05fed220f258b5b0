//! One value of a policy's text changed, everything else left as it was written: what a sweep does a hundred times.

use crate::diagnostic::quoted;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Why a value could not be put into a text. A value of the wrong kind can: the parser says so, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// The path is empty, or has an empty part.
    Path(String),
    /// The text is no TOML.
    Text,
    /// The path goes on behind something that holds no keys.
    NoTable {
        /// The whole path.
        path: String,
        /// The part that is no section and no list.
        part: String,
    },
    /// A list has fewer entries.
    NoEntry {
        /// The whole path.
        path: String,
        /// The entry asked for, from 0.
        entry: String,
    },
    /// What is there is a section, not a value.
    Section(String),
    /// What is there is a list of sections, `[[accounts]]`: it stands in several places of the text, and no value in one.
    Sections {
        /// The whole path.
        path: String,
        /// A key that the first of them has.
        key: String,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{} is no path to a value: write `section.key`", quoted(path)),
            Self::Section(path) => {
                write!(f, "{} is a section: name a key in it, as `{path}.key`", quoted(path))
            }
            Self::Sections { path, key } => write!(
                f,
                "`{path}` is a list of tables, each under its own `[[{path}]]`, which no value replaces: name a key of one of them, \
                 as `{path}.0.{key}`, or change the list in the file"
            ),
            Self::Text => write!(f, "the policy's text cannot be read as TOML"),
            Self::NoTable { path, part } => write!(f, "{}: {} holds a value, no keys", quoted(path), quoted(part)),
            Self::NoEntry { path, entry } => write!(f, "{}: the list has no entry {}", quoted(path), quoted(entry)),
        }
    }
}

impl std::error::Error for SetError {}

/// The text with the value at `path` replaced, or added where there is none. `path` is `section.key`, or
/// `section.list.0.key` for an entry of a list, or the name of a declared parameter alone. What is not a TOML value by
/// itself, such as `40%`, is put in quotes.
///
/// ```
/// let text = "[size]\nkind = \"fixed_fraction\"\nfraction = 1.0   # of equity\n";
/// let changed = policy::edit::set(text, "size.fraction", "0.5").unwrap();
/// assert_eq!(changed, "[size]\nkind = \"fixed_fraction\"\nfraction = 0.5   # of equity\n");
/// let added = policy::edit::set(&changed, "trade.buffer", "10%").unwrap();
/// assert!(added.ends_with("\n[trade]\nbuffer = \"10%\"\n"));
/// ```
pub fn set(text: &str, path: &str, value: &str) -> Result<String, SetError> {
    let parts: Vec<&str> = path.split('.').collect();
    let is_name =
        |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if !parts.iter().all(is_name) {
        return Err(SetError::Path(path.to_owned()));
    }
    let root = DeTable::parse(text).map_err(|_| SetError::Text)?;
    if let [name] = parts[..]
        && let Some(path) = parameter(root.get_ref(), name)
    {
        return set(text, &path, value);
    }
    let literal = literal(value);
    let mut table = root.get_ref();
    let mut header = None;
    let mut found: Option<&Spanned<DeValue<'_>>> = None;
    for (at, part) in parts.iter().enumerate() {
        let next = match found.map(|value| value.get_ref()) {
            None => table.get(*part),
            Some(DeValue::Table(inner)) => {
                (table, header) = (inner, found.map(Spanned::span));
                inner.get(*part)
            }
            Some(DeValue::Array(list)) => {
                let entry = part.parse::<usize>().ok().and_then(|entry| list.get(entry));
                let missing = || SetError::NoEntry { path: path.to_owned(), entry: (*part).to_owned() };
                Some(entry.ok_or_else(missing)?)
            }
            Some(_) => {
                let part = parts[at.saturating_sub(1)].to_owned();
                return Err(SetError::NoTable { path: path.to_owned(), part });
            }
        };
        let Some(next) = next else {
            // A section that is there only as the parent of another, as in `[[backtest.flows]]`, has no header of its own.
            let is_implied = header.clone().is_some_and(|header| !text[header].starts_with(['[', '{']));
            let (missing, header) = if is_implied { (&parts[..], None) } else { (&parts[at..], header) };
            return Ok(insert(text, missing, header, &literal));
        };
        found = Some(next);
    }
    if let Some(section) = found.filter(|found| matches!(found.get_ref(), DeValue::Table(_)))
        && text[section.span()].starts_with('[')
    {
        return Err(SetError::Section(path.to_owned()));
    }
    if let Some(DeValue::Array(list)) = found.map(Spanned::get_ref)
        && let Some((first, DeValue::Table(keys))) = list.first().map(|first| (first.span(), first.get_ref()))
        && text[first].starts_with('[')
    {
        let key = keys.keys().next().map_or("key", |key| key.get_ref()).to_owned();
        return Err(SetError::Sections { path: path.to_owned(), key });
    }
    match found.map(Spanned::span) {
        Some(span) => Ok(format!("{}{literal}{}", &text[..span.start], &text[span.end..])),
        None => Err(SetError::Path(path.to_owned())),
    }
}

/// Where the value of a declared parameter of this name stands. `None`: there is none, or the name is a key of the policy itself.
fn parameter(root: &DeTable<'_>, name: &str) -> Option<String> {
    let DeValue::Table(parameters) = root.get("parameters")?.get_ref() else { return None };
    let value = parameters.get(name).filter(|_| !root.contains_key(name))?;
    Some(match value.get_ref() {
        DeValue::Table(_) => format!("parameters.{name}.value"),
        _ => format!("parameters.{name}"),
    })
}

/// Adds a key under its section's header, or with a section of its own at the end.
fn insert(text: &str, parts: &[&str], header: Option<std::ops::Range<usize>>, literal: &str) -> String {
    match (parts, header) {
        ([key], Some(header)) if text[header.clone()].starts_with('[') => {
            let end = text[header.end..].find('\n').map_or(text.len(), |at| header.end + at);
            format!("{}\n{key} = {literal}{}", &text[..end], &text[end..])
        }
        ([key], Some(header)) => {
            // An inline table: before its closing brace.
            let inside = text[..header.end.saturating_sub(1)].trim_end();
            let comma = if inside.ends_with('{') { "" } else { "," };
            format!("{inside}{comma} {key} = {literal} {}", &text[header.end.saturating_sub(1)..])
        }
        ([key], None) => format!("{key} = {literal}\n{text}"),
        (parts, _) => {
            let (key, sections) = parts.split_last().map_or(("", parts), |(key, sections)| (*key, sections));
            let gap = if text.ends_with('\n') { "" } else { "\n" };
            format!("{text}{gap}\n[{}]\n{key} = {literal}\n", sections.join("."))
        }
    }
}

/// A value as TOML: itself if it is one, else a string.
fn literal(value: &str) -> String {
    let value = value.trim();
    let alone = format!("x = {value}");
    let is_value = DeTable::parse(&alone).is_ok_and(|table| {
        let one = table.get_ref().len() == 1;
        one && table.get_ref().values().all(|value| !matches!(value.get_ref(), DeValue::Datetime(_)))
    });
    if is_value { value.to_owned() } else { quoted_string(value) }
}

/// A TOML string on one line, whatever is in it.
fn quoted_string(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            control if control.is_control() => text.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => text.push(other),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "policy = 1\n[size] # how much\nkind = \"x\"\ntarget = \"60%\" # a year\n\
                        [caps]\ndrawdown = [{ at = \"10%\", factor = 0.5 }, { at = \"20%\", factor = 0 }]\n";

    #[track_caller]
    fn check(path: &str, value: &str, expected: &str) {
        let changed = set(TEXT, path, value).unwrap();
        assert!(changed.contains(expected), "{changed}");
        assert!(DeTable::parse(&changed).is_ok(), "{changed}");
    }

    #[test]
    fn a_value_is_replaced_and_its_surroundings_stay() {
        check("size.target", "40%", "target = \"40%\" # a year\n");
        check("size.target", "'40%'", "target = '40%' # a year\n");
        check("size.target", "2.5", "target = 2.5 # a year\n");
        check("caps.drawdown.1.at", "25%", "{ at = \"25%\", factor = 0 }]");
        check("policy", "2", "policy = 2\n[size]");
        check("caps.drawdown", "[]", "drawdown = []\n");
    }

    #[test]
    fn a_parameter_is_set_by_its_name() {
        let text = "policy = 1\n[parameters]\nrisk = \"1%\"\nunits = { value = 4, most = 8 } # how many\npolicy = 3\n";
        for (path, value, expected) in [
            ("risk", "2%", "risk = \"2%\"\n"),
            ("units", "6", "units = { value = 6, most = 8 } # how many\n"),
            ("parameters.units.most", "9", "most = 9 }"),
            ("policy", "2", "policy = 2\n[parameters]"),
        ] {
            assert!(set(text, path, value).unwrap().contains(expected), "{path}");
        }
    }

    #[test]
    fn an_absent_value_is_added_where_it_belongs() {
        check("size.floor", "30%", "[size] # how much\nfloor = \"30%\"\nkind");
        check("stop.initial", "2N", "\n[stop]\ninitial = \"2N\"\n");
        check("caps.drawdown.0.restore", "5%", "{ at = \"10%\", factor = 0.5, restore = \"5%\" }");
        check("name", "a \"b\"", "name = \"a \\\"b\\\"\"\npolicy = 1");
        assert_eq!(set(TEXT, "size", "5"), Err(SetError::Section("size".to_owned())));
        let twice = set(&set(TEXT, "stop.initial", "2N").unwrap(), "stop.trail", "6N").unwrap();
        assert!(twice.ends_with("[stop]\ntrail = \"6N\"\ninitial = \"2N\"\n"), "{twice}");
    }

    /// Entries of `[[accounts]]` and its like go by their place.
    #[test]
    fn a_value_in_a_list_of_sections_is_set() {
        let text = "name = 'x'\n[[accounts]]\nvenue = 'a'\n[[accounts]]\nvenue = 'b' # second\n[[backtest.flows]]\nat = '2022'\n";
        for (path, value, expected) in [
            ("accounts.1.venue", "c", "venue = \"c\" # second\n"),
            ("accounts.0.numeraire", "USD", "[[accounts]]\nnumeraire = \"USD\"\nvenue = 'a'\n"),
            ("backtest.flows.0.at", "2023-01-01", "at = \"2023-01-01\"\n"),
            ("backtest.flows.0.deposit", "1 USDT", "[[backtest.flows]]\ndeposit = \"1 USDT\"\nat"),
            ("backtest.latency", "1s", "latency = \"1s\"\n"),
        ] {
            let changed = set(text, path, value).unwrap();
            assert!(changed.contains(expected), "{path}: {changed}");
            assert!(DeTable::parse(&changed).is_ok(), "{path}: {changed}");
        }
        for (path, key) in [("accounts", "venue"), ("backtest.flows", "at")] {
            let refused = SetError::Sections { path: path.to_owned(), key: key.to_owned() };
            assert_eq!(set(text, path, "[]"), Err(refused));
        }
        assert_eq!(set(text, "accounts.0", "[]"), Err(SetError::Section("accounts.0".to_owned())));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", "size.", ".target", "size..target", "size target"] {
            assert_eq!(set(TEXT, path, "1"), Err(SetError::Path(path.to_owned())));
        }
        assert!(matches!(set(TEXT, "size.target.x", "1"), Err(SetError::NoTable { .. })));
        assert!(matches!(set(TEXT, "caps.drawdown.2.at", "1"), Err(SetError::NoEntry { .. })));
        assert_eq!(set("[size", "size.target", "1"), Err(SetError::Text));
        // A value cannot smuggle a second key in.
        assert!(!set(TEXT, "size.target", "1\nkind = 2").unwrap().contains("\nkind = 2"));
    }
}
