//! Policy text to a checked [`Policy`], with every finding at once.
//!
//! TOML is read by the `toml` crate's recovering parser and lowered by hand: `syntax` words its errors, `reader` and
//! `fields` take typed values out of tables, `value` reads what stands inside strings, one file per group of sections
//! builds the parts, and `check` tests what only several sections together can show.

mod always;
mod check;
pub(crate) mod expression;
mod feasible;
mod fields;
pub(crate) mod guards;
mod head;
pub(crate) mod hedges;
mod limits;
mod modes;
pub(crate) mod objectives;
mod parameters;
mod portfolio;
mod reader;
mod scale;
pub(crate) mod schema;
mod signal;
mod size;
mod structure;
mod syntax;
#[cfg(test)]
mod tests;
pub(crate) mod typed;
pub(crate) mod value;

use crate::RiskFact;
use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Severity};
use crate::spec::{
    AccountTerms, Adoption, Allocation, Backtest, Caps, FactLimit, Floor, Guards, Hedge, Ladder, Modes, Policy,
    Pyramid, Signal, Size, Stop, Streak, Structure, Trade, UnitSource,
};
pub use head::name_fault;
use reader::{Doc, Reader};
use schema::Language;
use std::ops::Range;
use toml::de::DeTable;
use typed::Currencies;
use units::Ratio;

/// The longest policy text that is read.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// The longest string in a policy.
pub const STRING_CHARACTERS_MAX: usize = 256;
/// Findings shown at most.
pub const DIAGNOSTICS_MAX: usize = 100;

/// What a policy text says, as far as it can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The policy, if there is no error.
    pub policy: Option<Policy>,
    /// All findings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Rules that the text declares, with errors or without.
    pub rules: usize,
    /// Facts of risk that the text reads, each with its place: what venues and stresses there are, is known elsewhere.
    pub risk_facts: Vec<(RiskFact, Range<usize>)>,
}

impl Parsed {
    /// Findings that forbid the policy's use.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }

    /// Adds errors that were found elsewhere: the policy cannot be used then.
    pub fn add(&mut self, errors: Vec<Diagnostic>) {
        self.diagnostics.extend(errors);
        self.diagnostics = in_order(std::mem::take(&mut self.diagnostics), &schema::POLICY);
        if self.errors() > 0 {
            self.policy = None;
        }
    }

    /// Findings that do not.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }
}

/// Reads a policy. Never fails half way: all errors come at once, each with its place, its reason and a remedy.
///
/// ```
/// let parsed = policy::parse("policy = 1\nname = \"x\"\ninstrument = \"binance:BTCUSDT-PERP\"\n[size]\nkind = \"fixed\"\n");
/// let codes: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect();
/// assert_eq!(codes, ["P023", "P006"]);
/// assert_eq!(parsed.policy, None);
/// ```
#[must_use]
pub fn parse(text: &str) -> Parsed {
    if text.len() > TEXT_BYTES_MAX {
        return Parsed {
            policy: None,
            diagnostics: vec![too_long(text, &schema::POLICY)],
            rules: 0,
            risk_facts: Vec::new(),
        };
    }
    let (mut root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(text, &schema::POLICY);
    syntax::report(&mut reader, &errors);
    parameters::put_in(&mut reader, root.get_mut());
    let doc = reader.sections(root.get_ref());
    let draft = Draft::read(&mut reader, &doc);
    check::across(&mut reader, &doc, &draft);
    parameters::tell_unused(&mut reader);

    let risk_facts = std::mem::take(&mut reader.risk_facts);
    let diagnostics = in_order(reader.into_diagnostics(), &schema::POLICY);
    let policy = if diagnostics.iter().any(Diagnostic::is_error) { None } else { draft.finish() };
    Parsed { policy, diagnostics, rules: rules(&doc), risk_facts }
}

/// The parts of a policy that could be read. An absent part and a broken one look the same; a broken one has been reported.
struct Draft {
    name: Option<String>,
    /// Empty if they could not be read.
    instruments: Vec<String>,
    structure: Option<Structure>,
    capital: Ratio,
    allocation: Allocation,
    accounts: Vec<AccountTerms>,
    signal: Option<Signal>,
    unit: Option<UnitSource>,
    size: Option<Size>,
    pyramid: Option<Pyramid>,
    stop: Option<Stop>,
    ladder: Option<Ladder>,
    /// Those of the ladder that could be read, with or without the rest of it.
    rungs: scale::RungsRead,
    streak: Option<Streak>,
    caps: Caps,
    /// Each with the place of what it limits.
    floor: Option<Floor>,
    limits: Vec<(FactLimit, Range<usize>)>,
    hedges: Vec<Hedge>,
    trade: Trade,
    modes: Modes,
    guards: Guards,
    backtest: Backtest,
    adopt: Vec<Adoption>,
}

impl Draft {
    fn read<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Self {
        head::version(reader, doc, "policy");
        let name = head::name(reader, doc);
        let structure = structure::structure(reader, doc);
        let instruments = match doc.section("structure") {
            Some(_) => structure::instruments(reader, doc, structure.as_ref(), name.as_deref()),
            None => head::instruments(reader, doc),
        };
        let accounts = portfolio::accounts(reader, doc);
        // What an order in the base currency is checked against; several instruments have no common one.
        let symbol = match &instruments[..] {
            [only] => Some(only.as_str()),
            _ => None,
        };
        let currencies = Currencies::of(&instruments, &accounts);
        let (ladder, rungs) = scale::ladder(reader, doc, &instruments, currencies);
        let hedges = hedges::hedges(reader, doc, (structure.as_ref(), name.as_deref()), &instruments, currencies);
        Self {
            name,
            signal: signal::signal(reader, doc, currencies),
            unit: signal::unit(reader, doc),
            size: size::size(reader, doc, &instruments, currencies),
            pyramid: scale::pyramid(reader, doc, currencies),
            stop: scale::stop(reader, doc, currencies),
            ladder,
            rungs,
            streak: scale::streak(reader, doc),
            caps: limits::caps(reader, doc, currencies),
            floor: limits::floor(reader, doc),
            limits: limits::limits(reader, doc, currencies),
            hedges,
            trade: limits::trade(reader, doc, &instruments, symbol),
            modes: modes::modes(reader, doc, currencies),
            guards: guards::guards(reader, doc, &instruments),
            backtest: head::backtest(reader, doc, &instruments, &accounts),
            adopt: portfolio::adopt(reader, doc, &instruments),
            accounts,
            capital: head::capital(reader, doc),
            allocation: head::allocation(reader, doc),
            instruments,
            structure,
        }
    }

    fn finish(self) -> Option<Policy> {
        Some(Policy {
            name: self.name?,
            instruments: Some(self.instruments).filter(|instruments| !instruments.is_empty())?,
            structure: self.structure,
            capital: self.capital,
            allocation: self.allocation,
            accounts: self.accounts,
            signal: self.signal?,
            unit: self.unit,
            size: self.size?,
            pyramid: self.pyramid,
            stop: self.stop,
            ladder: self.ladder,
            streak: self.streak,
            caps: self.caps,
            floor: self.floor,
            limits: self.limits.into_iter().map(|(limit, _)| limit).collect(),
            hedges: self.hedges,
            trade: self.trade,
            modes: self.modes,
            guards: self.guards,
            backtest: self.backtest,
            adopt: self.adopt,
        })
    }
}

/// What the text declares: signal, size, each technique, each cap, each limit, each hedge, each guard, each condition, and the trim that
/// every policy ends with.
fn rules(doc: &Doc<'_, '_>) -> usize {
    let sections = ["signal", "size", "pyramid", "ladder", "streak", "stop", "floor"];
    let caps = ["leverage", "drawdown", "daily_loss", "weekly_loss", "open_risk", "liquidation_distance"];
    let volume = ["participation", "exit_time"];
    let guards = ["price_collar", "max_order", "max_orders", "blackout"];
    let modes = ["reduce_only", "hold", "flatten", "stale_after"];
    let conditions = ["signal", "pyramid"].into_iter().filter(|section| doc.has(section, "when")).count();
    let declared = sections.into_iter().filter(|name| doc.section(name).is_some()).count()
        + caps.into_iter().chain(volume).filter(|key| doc.has("caps", key)).count()
        + modes.into_iter().filter(|key| doc.has("modes", key)).count()
        + guards.into_iter().filter(|key| doc.has("guards", key)).count()
        + conditions
        + doc.list("limits").count()
        + doc.list("hedges").count();
    if declared > 0 { declared + 1 } else { 0 }
}

fn in_order(mut diagnostics: Vec<Diagnostic>, language: &Language) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end, diagnostic.code));
    if diagnostics.len() > DIAGNOSTICS_MAX {
        let more = diagnostics.len() - DIAGNOSTICS_MAX;
        diagnostics.truncate(DIAGNOSTICS_MAX + 1);
        if let Some(last) = diagnostics.last_mut() {
            last.code = Code::TooLarge;
            last.severity = Severity::Error;
            last.message = format!("{more} more findings are not shown");
            last.label = "the first of them".to_owned();
            last.help = Some(format!("is this file a {}?", language.text));
        }
    }
    diagnostics
}

fn too_long(text: &str, language: &Language) -> Diagnostic {
    Diagnostic {
        code: Code::TooLarge,
        severity: Severity::Error,
        span: 0..0,
        message: format!("the text has {} bytes", text.len()),
        label: format!("a {} has at most {TEXT_BYTES_MAX} bytes (1 MiB)", language.text),
        help: Some(format!("is this file a {}?", language.text)),
        also: None,
    }
}
