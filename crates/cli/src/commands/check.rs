//! `trimtab check`.

use super::Outcome;
use crate::args::{Check, Set};
use crate::failure::Failure;
use crate::files;
use crate::policy_schema;
use crate::terminal::Terminal;
use crate::whole::{Whole, shown};
use policy::{Code, Diagnostic, Parsed};
use serde::Serialize;
use std::path::Path;
use units::show::{self, Style};

pub(super) fn run(args: &Check, terminal: &Terminal) -> Result<Outcome, Failure> {
    if args.schema {
        terminal.stream(|out| out.write_all(policy_schema::schema().as_bytes()));
        return Ok(Outcome::Done);
    }
    match (&args.explain, &args.policy) {
        (Some(code), _) => explain(code, terminal),
        (None, Some(path)) => check(path, &args.set, terminal),
        (None, None) => Err(Failure::input("no policy was named").hint("`trimtab check POLICY`")),
    }
}

fn explain(name: &str, terminal: &Terminal) -> Result<Outcome, Failure> {
    let Some(code) = Code::find(name) else {
        let known: Vec<&str> = Code::all().iter().map(|code| code.name()).collect();
        let (first, last) = (known.first().unwrap_or(&""), known.last().unwrap_or(&""));
        return Err(Failure::input(format_args!("there is no code `{name}`"))
            .hint(format_args!("codes look like `P014`; they run from {first} to {last}")));
    };
    terminal.product(format_args!("{code}: {}\n\n{}", code.title(), code.explanation()));
    terminal.json("code", &CodeLine { code: code.name(), title: code.title(), explanation: code.explanation() });
    Ok(Outcome::Done)
}

fn check(path: &Path, set: &Set, terminal: &Terminal) -> Result<Outcome, Failure> {
    let whole = read_with(path, set)?;
    if let Some(fault) = &whole.fault {
        finding(&fault.file, &fault.text, &fault.diagnostic, terminal, Place::Result);
        let diagnostics = vec![fault.diagnostic.clone()];
        let parsed = Parsed { policy: None, diagnostics, rules: 0, risk_facts: Vec::new() };
        summary(path, &parsed, terminal);
        return Ok(Outcome::Refused);
    }
    let parsed = ::backtest::parse(&whole.text);
    findings(&whole, &parsed.diagnostics, terminal, Place::Result);
    summary(path, &parsed, terminal);
    if let Some(policy) = &parsed.policy {
        terminal.detail(format_args!("\nas trimtab reads it:\n\n{}", policy::to_toml(policy).trim_end()));
    }
    Ok(if parsed.policy.is_some() { Outcome::Done } else { Outcome::Refused })
}

/// A policy with all that it includes, and with values put into it.
fn read_with(path: &Path, set: &Set) -> Result<Whole, Failure> {
    let mut whole = Whole::read(path)?;
    if whole.fault.is_some() {
        return Ok(whole);
    }
    for (at, (key, value)) in set.values.iter().enumerate() {
        if let Some((_, other)) = set.values[..at].iter().find(|(known, _)| known == key) {
            let message = format_args!("`--set {key}` is given twice, as `{other}` and as `{value}`");
            return Err(Failure::input(message).hint("give each key once"));
        }
        whole.set(key, value).map_err(|error| Failure::input(format_args!("`--set {key}={value}`: {error}")))?;
    }
    Ok(whole)
}

/// The text of a policy that may run; `None` if it has errors, which have then been shown, as warnings are.
pub(super) fn accepted(path: &Path, set: &Set, terminal: &Terminal) -> Result<Option<String>, Failure> {
    let whole = read_with(path, set)?;
    if let Some(fault) = &whole.fault {
        finding(&fault.file, &fault.text, &fault.diagnostic, terminal, Place::Note);
        terminal.note(format_args!("{} has {}: nothing was run", shown(path), counted(1, "error")));
        return Ok(None);
    }
    let parsed = ::backtest::parse(&whole.text);
    findings(&whole, &parsed.diagnostics, terminal, Place::Note);
    if parsed.policy.is_none() {
        terminal.note(format_args!("{} has {}: nothing was run", shown(path), counted(parsed.errors(), "error")));
        return Ok(None);
    }
    Ok(Some(whole.text))
}

/// Where findings belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// They are what was asked for: stdout.
    Result,
    /// They stand in the way of something else: stderr.
    Note,
}

/// Shows what was found in a policy, each finding at its place in the text.
pub(super) fn findings(whole: &Whole, found: &[Diagnostic], terminal: &Terminal, place: Place) {
    for diagnostic in found {
        let (file, text, span) = whole.place(&diagnostic.span);
        // What two places contradict each other in is one file; or one of them was put in, and is shown alone.
        let also = diagnostic.also.as_ref().map(|(span, said)| (whole.place(span), said.clone()));
        let also = also.filter(|((of, of_text, _), _)| (*of, *of_text) == (file, text));
        let also = also.map(|((.., span), said)| (span, said));
        finding(file, text, &Diagnostic { span, also, ..diagnostic.clone() }, terminal, place);
    }
}

/// One of them, in the text of its file.
fn finding(file: &str, text: &str, diagnostic: &Diagnostic, terminal: &Terminal, place: Place) {
    terminal.json("diagnostic", &Finding::new(file, text, diagnostic));
    if terminal.is_quiet() && !diagnostic.is_error() {
        return;
    }
    let shown = diagnostic.render_styled(file, text);
    match place {
        Place::Result => terminal.product(shown),
        Place::Note => terminal.finding(shown),
    }
}

/// The line under the findings.
pub(super) fn summary(path: &Path, parsed: &Parsed, terminal: &Terminal) {
    let (errors, warnings) = (parsed.errors(), parsed.warnings());
    let line = format!(
        "checked {}   {}   {}   {}",
        files::name(Path::new(&shown(path))),
        counted(parsed.rules, "rule"),
        counted(errors, "error"),
        counted(warnings, "warning")
    );
    let worst = parsed.diagnostics.iter().find(|diagnostic| diagnostic.is_error()).or(parsed.diagnostics.first());
    let more = worst.map(|first| format!("(trimtab check --explain {})", first.code));
    terminal.result(match more {
        Some(more) => {
            // To the right edge, or three spaces on where it does not fit.
            let room = terminal.width().saturating_sub(line.chars().count()).max(more.len() + 3);
            format!("{line}{more:>room$}")
        }
        None => line,
    });
    let policy = parsed.policy.as_ref();
    terminal.json(
        "check",
        &Summary {
            file: &shown(path),
            name: policy.map(|policy| policy.name.as_str()),
            instruments: policy.map_or(&[], |policy| &policy.instruments),
            rules: parsed.rules,
            errors,
            warnings,
        },
    );
}

/// `1 error`, `3 errors`.
pub(super) fn counted(count: usize, one: &str) -> String {
    format!("{} {one}{}", show::count(count as u64, Style::Terminal), if count == 1 { "" } else { "s" })
}

#[derive(Serialize)]
struct CodeLine<'a> {
    code: &'a str,
    title: &'a str,
    explanation: &'a str,
}

#[derive(Serialize)]
struct Summary<'a> {
    file: &'a str,
    name: Option<&'a str>,
    instruments: &'a [String],
    rules: usize,
    errors: usize,
    warnings: usize,
}

#[derive(Serialize)]
struct Finding<'a> {
    file: &'a str,
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    label: &'a str,
    help: Option<&'a str>,
    /// Bytes of the text.
    start: usize,
    end: usize,
    /// Counted from 1; columns in characters.
    line: usize,
    column: usize,
    /// Another place that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    also: Option<Second<'a>>,
}

#[derive(Serialize)]
struct Second<'a> {
    label: &'a str,
    start: usize,
    end: usize,
    line: usize,
    column: usize,
}

/// Line and column of a byte, counted from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

impl<'a> Finding<'a> {
    fn new(file: &'a str, text: &str, diagnostic: &'a Diagnostic) -> Self {
        let (line, column) = position(text, diagnostic.span.start);
        let second = |(span, label): &'a (std::ops::Range<usize>, String)| {
            let (line, column) = position(text, span.start);
            Second { label, start: span.start, end: span.end, line, column }
        };
        Self {
            file,
            code: diagnostic.code.name(),
            severity: if diagnostic.is_error() { "error" } else { "warning" },
            message: &diagnostic.message,
            label: &diagnostic.label,
            help: diagnostic.help.as_deref(),
            start: diagnostic.span.start,
            end: diagnostic.span.end,
            line,
            column,
            also: diagnostic.also.as_ref().map(second),
        }
    }
}
