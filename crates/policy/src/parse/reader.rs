//! Sections, and the list of findings that grows while they are read.

use super::parameters::Parameter;
use super::schema::{self, Language};
use crate::RiskFact;
use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Severity, nearest, printable, quoted};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One fee tier as it is written.
const FEE_TIER_EXAMPLE: &str = "{ volume = \"0 USDT\", taker = \"5bp\", maker = \"2bp\" }";

/// One leg of a structure as it is written.
const ALTERNATIVE_EXAMPLE: &str = "{ instrument = \"binance:BTCUSDT-PERP\", cost = \"6bp\" }";
const LEG_EXAMPLE: &str = "{ right = \"call\", delta = 0.25, days = 30 }";

/// The text being read and what was found in it.
pub(super) struct Reader<'t> {
    text: &'t str,
    language: &'static Language,
    broken: Vec<Range<usize>>,
    torn: bool,
    diagnostics: Vec<Diagnostic>,
    /// Facts of risk that were read, each with its place.
    pub(super) risk_facts: Vec<(RiskFact, Range<usize>)>,
    /// Values that the text declares by name.
    pub(super) parameters: Vec<Parameter<'t>>,
}

/// All sections of a text; the keys before the first one are the section `""`.
pub(super) struct Doc<'a, 't> {
    sections: Vec<Section<'a, 't>>,
    /// Entries of `[[accounts]]` and its like.
    entries: Vec<Section<'a, 't>>,
}

/// One table of keys.
pub(super) struct Section<'a, 't> {
    /// Its name as messages have it: `size`, `caps.drawdown`.
    pub(super) name: &'static str,
    /// Its header, or the whole of an inline table.
    pub(super) header: Range<usize>,
    pub(super) table: &'a DeTable<'t>,
    /// Keys that it may have.
    known: &'static [&'static str],
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, language: &'static Language) -> Self {
        Self {
            text,
            language,
            broken: Vec::new(),
            torn: false,
            diagnostics: Vec::new(),
            risk_facts: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// Whether something was found at this very place.
    pub(super) fn is_told(&self, place: &Range<usize>) -> bool {
        self.diagnostics.iter().any(|told| told.span == *place)
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn language(&self) -> &'static Language {
        self.language
    }

    /// Records a finding that forbids the policy's use.
    pub(super) fn error(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, code, span, message.into(), label.into(), help.into());
    }

    /// The same of two places that do not go together.
    pub(super) fn pair(
        &mut self,
        code: Code,
        span: Range<usize>,
        (other, said): (Range<usize>, &str),
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.error(code, span, message, label, help);
        let other = self.within_text(other);
        if let Some(last) = self.diagnostics.last_mut() {
            last.also = Some((other, said.to_owned()));
        }
    }

    /// Records a finding that does not.
    pub(super) fn warn(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, code, span, message.into(), label.into(), help.into());
    }

    fn push(
        &mut self,
        severity: Severity,
        code: Code,
        span: Range<usize>,
        message: String,
        label: String,
        help: String,
    ) {
        let span = self.within_text(span);
        let help = (!help.is_empty()).then_some(help);
        // Pieces of the text are quoted in all three; none may reach a terminal as a control sequence.
        let (message, label, help) = (printable(message), printable(label), help.map(printable));
        self.diagnostics.push(Diagnostic { code, severity, span, message, label, help, also: None });
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// A span moved outward to whole characters of the text.
    pub(super) fn within_text(&self, span: Range<usize>) -> Range<usize> {
        let is_boundary = |at: &usize| self.text.is_char_boundary(*at);
        let start = (0..=span.start.min(self.text.len())).rev().find(is_boundary).unwrap_or(0);
        start..(span.end.max(start)..self.text.len()).find(is_boundary).unwrap_or(self.text.len())
    }

    /// Marks a place that the TOML parser has complained about.
    pub(super) fn add_broken(&mut self, span: Range<usize>) {
        self.broken.push(span);
    }

    /// Whether a value has been complained about already.
    pub(super) fn is_broken(&self, span: &Range<usize>) -> bool {
        // Where no value could be read at all, the TOML parser puts a zero at the text's start.
        *span == (0..0) || self.broken.iter().any(|broken| broken.start <= span.end && span.start <= broken.end)
    }

    /// The text has lost its structure: what is missing or misplaced may be a consequence, and is not reported.
    pub(super) fn tear(&mut self) {
        self.torn = true;
    }

    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }

    /// A table of keys.
    pub(super) fn section<'a>(
        &self,
        name: &'static str,
        header: Range<usize>,
        table: &'a DeTable<'t>,
    ) -> Section<'a, 't> {
        Section { name, header, table, known: self.language.keys_of(name) }
    }

    /// Splits a text into its sections and reports what is none, what is misplaced, and what is absent.
    pub(super) fn sections<'a>(&mut self, root: &'a DeTable<'t>) -> Doc<'a, 't> {
        let mut sections = vec![self.section("", 0..0, root)];
        let mut entries = Vec::new();
        for (key, value) in root {
            if let Some((name, _)) = self.language.lists.iter().find(|(name, _)| name == key.get_ref()) {
                entries.extend(self.tables(name, key.span(), value, schema::entries_max(name)));
                continue;
            }
            let known = self.language.sections.iter().find(|(name, _)| name == key.get_ref());
            match (known, value.get_ref()) {
                (Some((name, _)), DeValue::Table(table)) => {
                    let section = self.section(name, value.span(), table);
                    self.refuse_unknown_keys(&section);
                    sections.push(section);
                }
                (Some((name, _)), other) if !self.is_broken(&value.span()) => {
                    let label = format!("this is {}", type_name(other));
                    let help = format!("write `[{name}]` once, and its keys under it");
                    self.error(Code::WrongType, key.span(), format!("`{name}` is a section"), label, help);
                }
                (Some(_), _) => {}
                (None, DeValue::Table(_) | DeValue::Array(_))
                    if !self.language.root.contains(&key.get_ref().as_ref()) =>
                {
                    self.unknown_section(key.get_ref(), key.span());
                }
                (None, _) => self.refuse_unknown_key("", key.get_ref(), key.span()),
            }
        }
        for (name, example) in self.language.required {
            if !self.torn && !root.contains_key(*name) {
                let message = format!("there is no `[{name}]` section");
                let help = format!("add `[{name}]`, for example with `{example}`");
                self.error(Code::MissingSection, self.text.len()..self.text.len(), message, "ends without it", help);
            }
        }
        Doc { sections, entries }
    }

    /// The tables of a list, each with its keys checked. `place` is where a list that is none is pointed at.
    pub(super) fn tables<'a>(
        &mut self,
        name: &'static str,
        place: Range<usize>,
        value: &'a Spanned<DeValue<'t>>,
        most: usize,
    ) -> Vec<Section<'a, 't>> {
        if self.is_broken(&value.span()) {
            return Vec::new();
        }
        let help = match name {
            schema::FEE_TIERS => format!("write a list of `{FEE_TIER_EXAMPLE}`"),
            schema::LEGS => format!("write a list of `{LEG_EXAMPLE}`"),
            schema::ALTERNATIVES => format!("write a list of `{ALTERNATIVE_EXAMPLE}`"),
            _ => format!("write `{}` before the keys of each", self.language.header_of(name)),
        };
        let DeValue::Array(list) = value.get_ref() else {
            let label = format!("this is {}", type_name(value.get_ref()));
            self.error(Code::WrongType, place, format!("`{name}` is a list of tables"), label, help);
            return Vec::new();
        };
        if !(1..=most).contains(&list.len()) {
            let label = format!("has {} entries", list.len());
            let help = match name {
                _ if !list.is_empty() => "leave some out".to_owned(),
                // A structure is its legs.
                schema::LEGS => help,
                _ => "leave it out".to_owned(),
            };
            self.error(Code::OutOfRange, place, format!("`{name}` takes from 1 to {most} entries"), label, help);
            return Vec::new();
        }
        let mut tables = Vec::new();
        for entry in list.iter().filter(|entry| !self.is_broken(&entry.span())).collect::<Vec<_>>() {
            match entry.get_ref() {
                DeValue::Table(table) => {
                    let section = self.section(name, entry.span(), table);
                    self.refuse_unknown_keys(&section);
                    tables.push(section);
                }
                other => {
                    let label = format!("this is {}", type_name(other));
                    self.error(
                        Code::WrongType,
                        entry.span(),
                        format!("`{name}` is a list of tables"),
                        label,
                        help.clone(),
                    );
                }
            }
        }
        tables
    }

    fn unknown_section(&mut self, name: &str, span: Range<usize>) {
        if self.torn {
            return;
        }
        let lists = self.language.lists.iter().filter(|(name, _)| !name.contains('.'));
        let names = || {
            self.language
                .sections
                .iter()
                .chain(lists.clone())
                .map(|(name, _)| *name)
                .chain(self.language.others.iter().copied())
        };
        let help = match (nearest(name, names()), self.language.section_with(name)) {
            (Some(near), _) => format!("did you mean `{}`?", self.language.header_of(near)),
            (None, Some(section)) => format!("`{name}` is a key of `{section}`"),
            (None, None) => format!("the sections are {}", list(names())),
        };
        self.error(
            Code::UnknownSection,
            span,
            format!("there is no section {}", quoted(name)),
            "unknown section",
            help,
        );
    }

    /// Reports every key of a section that it does not have.
    pub(super) fn refuse_unknown_keys(&mut self, section: &Section<'_, 't>) {
        for key in section.table.keys() {
            self.refuse_unknown_key(section.name, key.get_ref(), key.span());
        }
    }

    fn refuse_unknown_key(&mut self, section: &str, key: &str, span: Range<usize>) {
        let known = self.language.keys_of(section);
        if known.contains(&key) || self.is_broken(&span) || (self.torn && section.is_empty()) {
            return;
        }
        if section.is_empty() && key == "include" && self.language.text == schema::POLICY.text {
            let help = "have `trimtab` read the file itself, or write the sections here";
            self.error(Code::UnknownKey, span, "nothing is included in a text alone", "names other files", help);
            return;
        }
        // `--set` writes a parameter without its section.
        if section.is_empty()
            && nearest(key, known.iter().copied()).is_none()
            && let Some(near) = nearest(key, self.parameters.iter().map(Parameter::name)).map(str::to_owned)
        {
            let (message, help) =
                (format!("there is no key or parameter {}", quoted(key)), format!("did you mean `{near}`?"));
            self.error(Code::UnknownKey, span, message, "unknown", help);
            return;
        }
        let elsewhere = self.language.section_with(key);
        let help = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.language.root.contains(&key) => format!("`{key}` stands at the top, before the first section"),
            None => match elsewhere {
                Some(other) => format!("`{key}` is a key of `{other}`"),
                None => format!("the keys here are {}", list(known.iter().copied())),
            },
        };
        let place = if section.is_empty() { "before the first section".to_owned() } else { format!("in `{section}`") };
        self.error(Code::UnknownKey, span, format!("there is no key {} {place}", quoted(key)), "unknown key", help);
    }

    /// Reports each of some keys that is absent and not merely misspelt.
    pub(super) fn require(&mut self, section: &Section<'_, 't>, keys: &[(&str, &str)]) {
        for (key, example) in keys {
            if self.torn || section.has(key) || section.has_misspelt(key) {
                continue;
            }
            let help = format!("add for example `{key} = {example}`");
            self.error(Code::MissingKey, section.header.clone(), missing(section.name, key), "it has no default", help);
        }
    }
}

impl<'a, 't> Doc<'a, 't> {
    pub(super) fn section(&self, name: &str) -> Option<&Section<'a, 't>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The entries of a list of sections, in the order of the text.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &Section<'a, 't>> {
        self.entries.iter().filter(move |entry| entry.name == name)
    }

    pub(super) fn has(&self, section: &str, key: &str) -> bool {
        self.section(section).is_some_and(|section| section.has(key))
    }

    /// Where a value stands; the section's header if it has none.
    pub(super) fn place(&self, section: &str, key: &str) -> Range<usize> {
        self.section(section).map_or(0..0, |section| section.place(key))
    }
}

impl<'a, 't> Section<'a, 't> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn has_misspelt(&self, wanted: &str) -> bool {
        let known = self.known;
        let unknown = self.table.keys().map(|key| key.get_ref().as_ref()).filter(|key| !known.contains(key));
        unknown.into_iter().any(|key| nearest(key, known.iter().copied()) == Some(wanted))
    }

    /// Where a key's name stands.
    pub(super) fn key_place(&self, key: &str) -> Range<usize> {
        self.table.get_key_value(key).map_or(self.header.clone(), |(name, _)| name.span())
    }

    /// Where a key's value stands.
    pub(super) fn place(&self, key: &str) -> Range<usize> {
        self.get(key).map_or(self.header.clone(), Spanned::span)
    }

    /// A key as messages name it: `size.target`.
    pub(super) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

fn missing(section: &str, key: &str) -> String {
    if section.is_empty() { format!("`{key}` is missing") } else { format!("`{key}` is missing in `{section}`") }
}

/// Names as a sentence lists them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A TOML type with its article.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a switch",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
