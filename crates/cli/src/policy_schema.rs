//! The JSON Schema of policies: which keys there are comes from the parser, what they mean from the manual.

use policy::keys::{Place, Section, is_nested, sections, words};
use serde_json::{Map, Value, json};

const MANUAL: &str = include_str!("../../../docs/policy-language.md");

/// What the manual's tables say of a key.
struct Row<'a> {
    section: String,
    key: &'a str,
    kind: &'a str,
    unit: &'a str,
    default: &'a str,
    meaning: &'a str,
}

/// The schema as text, with a line break at its end.
pub(crate) fn schema() -> String {
    let rows = rows();
    let all: Vec<Section> = sections().collect();
    let Some(root) = all.iter().find(|section| section.place == Place::Root) else { return String::new() };
    let mut properties = keys(root, &rows, &all);
    for section in all.iter().filter(|section| !is_nested(section.name)) {
        let table = table(section, &rows, &all);
        match section.place {
            Place::Section => properties.insert(section.name.to_owned(), table),
            Place::List => properties.insert(section.name.to_owned(), json!({ "type": "array", "items": table })),
            Place::Root | Place::Inline => None,
        };
    }
    properties.insert("parameters".to_owned(), parameters());
    let include = json!({
        "type": "array",
        "items": { "type": "string" },
        "description": "Other files whose sections are brought in, relative to this one.",
    });
    properties.insert("include".to_owned(), include);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "trimtab policy",
        "description": "How a position may grow and shrink. `trimtab check` tells more than a schema can.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "required": required(root, &rows),
    });
    format!("{schema:#}\n")
}

fn table(section: &Section, rows: &[Row<'_>], all: &[Section]) -> Value {
    json!({
        "type": "object",
        "properties": keys(section, rows, all),
        "additionalProperties": false,
        "required": required(section, rows),
    })
}

fn row_of<'r>(section: &Section, key: &str, rows: &'r [Row<'r>]) -> Option<&'r Row<'r>> {
    rows.iter().find(|row| row.section == section.name && row.key == key)
}

fn required(section: &Section, rows: &[Row<'_>]) -> Vec<&'static str> {
    let is_required = |key: &&&str| {
        row_of(section, key, rows).is_some_and(|row| matches!(row.default, "required" | "required in each"))
    };
    section.keys.iter().filter(is_required).copied().collect()
}

fn keys(section: &Section, rows: &[Row<'_>], all: &[Section]) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in section.keys {
        let path = format!("{}.{key}", section.name);
        let row = row_of(section, key, rows);
        let mut value = match (all.iter().find(|inner| inner.name == path), words(section.name, key)) {
            (Some(inner), _) => json!({ "type": "array", "items": table(inner, rows, all) }),
            // Any value may be a parameter.
            (None, Some(words)) => json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": "^\\$" }] }),
            (None, None) => json!({ "type": types(row.map_or("", |row| row.kind)) }),
        };
        if let (Some(row), Some(value)) = (row, value.as_object_mut()) {
            value.insert("description".to_owned(), Value::String(description(row)));
        }
        properties.insert((*key).to_owned(), value);
    }
    properties
}

/// The JSON types of what the manual calls a kind of value; every one may be a text, for its unit or for a parameter.
fn types(kind: &str) -> &'static [&'static str] {
    match kind {
        "count" => &["integer", "string"],
        "switch" => &["boolean", "string"],
        "text" | "word" | "time" => &["string"],
        _ if kind.starts_with("list") => &["array", "string"],
        _ if kind.ends_with("or a list of them") => &["string", "array", "number"],
        _ => &["number", "string"],
    }
}

/// Meaning, unit and default in a sentence each, without the manual's marks.
fn description(row: &Row<'_>) -> String {
    let mut text = String::new();
    for (before, said) in [("", row.meaning), ("Unit: ", row.unit), ("Default: ", row.default)] {
        if !matches!(said, "" | "–") {
            let said = plain(said);
            let end = if said.ends_with('.') { "" } else { "." };
            let gap = if text.is_empty() { "" } else { " " };
            text.push_str(&format!("{gap}{before}{said}{end}"));
        }
    }
    text
}

/// `[words](link)` as `words`.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let open = rest[..at].rfind('[').unwrap_or(at);
        let end = rest[at..].find(')').map_or(rest.len(), |end| at + end + 1);
        out.push_str(&rest[..open]);
        out.push_str(rest.get(open + 1..at).unwrap_or_default());
        rest = &rest[end..];
    }
    out + rest
}

fn parameters() -> Value {
    let value = json!({ "type": ["number", "string", "boolean", "array"] });
    let bound = json!({ "type": ["number", "string"] });
    let table = json!({
        "type": "object",
        "properties": { "value": value, "least": bound, "most": bound, "about": { "type": "string" } },
        "required": ["value"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "description": "Values that have a name: `$name` stands for one wherever it is meant.",
        "additionalProperties": { "anyOf": [value, table] },
    })
}

/// The rows of the manual's tables of keys.
fn rows() -> Vec<Row<'static>> {
    let mut rows = Vec::new();
    let mut section = None;
    for line in MANUAL.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let name = title.trim_matches(|mark| matches!(mark, '`' | '[' | ']'));
            section = match title {
                "Before the first section" => Some(""),
                _ if title.starts_with("`[") => Some(name),
                _ => None,
            };
        }
        let Some(of) = section else { continue };
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [keys, kind, unit, default, meaning] = cells[..] else { continue };
        for key in keys
            .split(", ")
            .flat_map(|key| key.split(" or "))
            .filter_map(|key| key.strip_prefix('`')?.strip_suffix('`'))
        {
            let (section, key) = match key.rsplit_once('.') {
                Some((list, key)) => (format!("{of}.{list}"), key),
                None => (of.to_owned(), key),
            };
            rows.push(Row { section, key, kind, unit, default, meaning });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key that the parser takes has its row in the manual, and the manual has no others.
    #[test]
    fn the_manual_has_every_key() {
        let rows = rows();
        // In sentences, not in a table.
        let told = ["structure.legs", "accounts"];
        for section in sections().filter(|section| !told.contains(&section.name)) {
            for key in section.keys {
                assert!(
                    row_of(&section, key, &rows).is_some(),
                    "{}.{key} has no row in docs/policy-language.md",
                    section.name
                );
            }
        }
        for row in &rows {
            let known = sections().any(|section| section.name == row.section && section.keys.contains(&row.key));
            assert!(known, "{}.{} is in docs/policy-language.md and no key", row.section, row.key);
        }
    }
}
