//! `audit`: what a run folder must hold to be true, recomputed from its tables, its policy and the tapes (docs/audit.md).
//!
//! Its own, simple code: no engine, no exchange, no rule runs here. What it shares with them are types, and the policy's parser.

mod campaign;
mod figures;
mod files;
mod finding;
mod garch;
mod gross;
mod hedges;
mod ledger;
mod live;
mod losses;
mod plans;
mod record;
mod seat;
mod sentences;
mod streaks;
mod structures;
mod value_at_risk;
mod walk;

pub use figures::{CapWorst, Disposition, Overrides, TimeIn, TriggerCount};
pub use finding::{CheckCount, Finding};

use crate::records::FillRow;
use crate::run::Run;
use crate::{Error, Progress, folder};
use finding::{At, Found};
use policy::spec::Trigger;
use std::ops::ControlFlow;
use std::path::Path;
use units::{Contract, Notional, Price};

/// What an audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// What does not hold, in the order in which it was found; of each check the first few.
    pub findings: Vec<Finding>,
    /// How often each check was made, and how often it failed.
    pub checks: Vec<CheckCount>,
    /// What of this run could not be checked, in sentences.
    pub unchecked: Vec<String>,
    /// Triggers that the market crossed, and what became of them.
    pub triggers: TriggerCount,
    /// Orders that no plan of the policy made.
    pub overrides: Overrides,
    /// How gains and losses were realised.
    pub disposition: Disposition,
    /// Shares of the run's time.
    pub time: Vec<TimeIn>,
    /// Each cap at its worst.
    pub caps: Vec<CapWorst>,
    /// Bars read from the tapes.
    pub bars: u64,
    /// Bars within which orders waited on both sides of the open, or came on the way, so that the order of the extremes could matter.
    pub ambiguous_bars: u64,
    /// Series that policies read and that stopped before the end, as the run tells them.
    pub stopped_series: Vec<String>,
}

impl Audit {
    /// A folder of which so much was altered that nothing else can be told.
    fn of_files(found: Found, unchecked: &str) -> Self {
        let (findings, checks) = found.told();
        Self {
            findings,
            checks,
            unchecked: vec![unchecked.to_owned()],
            triggers: TriggerCount::default(),
            overrides: Overrides::default(),
            disposition: Disposition::default(),
            time: Vec::new(),
            caps: Vec::new(),
            bars: 0,
            ambiguous_bars: 0,
            stopped_series: Vec::new(),
        }
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|check| check.failed == 0)
    }

    /// Checks that failed, all their failures counted.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.checks.iter().map(|check| check.failed).sum()
    }
}

/// Audits a run folder: its files against their hashes, then its tables against each other, the policy and the tapes.
pub fn audit(path: &Path, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Audit, Error> {
    let mut found = Found::default();
    match files::check(path, &mut found) {
        Ok(()) => {}
        Err(Error::NotARun { path: file, why }) if folder::is_damaged(path) => {
            found
                .ensure("files", false, At::file("run.json"), || format!("`{}` cannot be read: {why}", file.display()));
            return Ok(Audit::of_files(found, "everything but the record: it cannot be read"));
        }
        Err(error) => return Err(error),
    }
    match folder::open(path) {
        Ok(run) => check(&run, found, progress),
        // What was altered and cannot even be read is the finding, not a failure.
        Err(Error::NotARun { .. } | Error::Policy(_)) if !found.is_clean() => {
            Ok(Audit::of_files(found, "everything but the files: they cannot be read"))
        }
        Err(error) => Err(error),
    }
}

fn check(run: &Run, mut found: Found, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Audit, Error> {
    in_range(run)?;
    plans::check(run, &mut found);
    sentences::check(run, &mut found);
    ledger::check(run, &mut found);
    hedges::check(run, &mut found);
    streaks::check(run, &mut found);
    let walked = match walk::walk(run, &mut found, progress) {
        Ok(walked) => walked,
        // As with tables: what was altered and cannot even be read is the finding.
        Err(Error::Tape(error)) if !found.is_clean() => {
            found.ensure("files", false, At::file("tapes"), || error.to_string());
            return Ok(Audit::of_files(found, "what the tapes tell: they cannot be read"));
        }
        Err(error) => return Err(error),
    };
    losses::check(run, (&walked.marks, &walked.hours, &walked.prices), &mut found);
    let triggers = figures::triggers(run, walked.crossed, walked.unexplained);
    record::check(run, &walked, &mut found);
    let (findings, checks) = found.told();
    Ok(Audit {
        findings,
        checks,
        unchecked: unchecked(run),
        triggers,
        overrides: walked.overrides,
        disposition: walked.disposition,
        time: figures::times(run),
        caps: figures::caps(run, walked.leverage),
        bars: walked.bars,
        ambiguous_bars: walked.ambiguous,
        stopped_series: run.record.stopped_series.clone(),
    })
}

/// Numbers that no market has, and whose sums would not fit, are no run.
fn in_range(run: &Run) -> Result<(), Error> {
    let tables = &run.tables;
    let most = i64::MAX / 4;
    let prices = tables.fills.iter().flat_map(|fill| [fill.price, fill.reference]);
    let prices = prices.chain(tables.orders.iter().flat_map(|order| [order.price, order.trigger]).flatten());
    let prices = prices.chain(tables.campaigns.iter().filter_map(|row| row.unit_n));
    // A roll moves these of a structure by the difference of two prices, under zero after a gain.
    let anchors = tables.positions.iter().filter_map(|row| row.stop);
    // One that brings money is worth less than nothing.
    let anchors = anchors.chain(tables.positions.iter().map(|row| row.mark));
    let anchors = anchors.chain(tables.campaigns.iter().flat_map(|row| [Some(row.entry), row.initial_stop]).flatten());
    let is_price = |price: Price| (0..most).contains(&price.raw());
    let traded = tables.fills.iter().map(|fill| fill.quantity);
    let ordered = tables.orders.iter().map(|order| order.quantity);
    let planned = tables.plans.iter().flat_map(|step| [step.before, step.after, step.position, step.target]);
    let other = traded.chain(ordered).chain(planned).chain(tables.positions.iter().map(|row| row.position));
    let hedged = tables.hedges.iter().flat_map(|row| [row.delta, row.gross, row.position, row.on_the_way]);
    let other = other.chain(hedged);
    let other =
        other.chain(tables.options.iter().map(|row| row.position)).chain(tables.funding.iter().map(|row| row.position));
    let cash = i128::MAX / 4 / (tables.fills.len() + tables.funding.len() + tables.flows.len() + 4) as i128;
    let money = tables.fills.iter().map(|fill| fill.fee).chain(tables.funding.iter().map(|paid| paid.amount));
    let money = money.chain(tables.flows.iter().map(|flow| flow.amount));
    let money = money.chain(tables.equity.iter().flat_map(|row| [row.equity, row.cash, row.paid_in]));
    // So many values of these can be added up.
    let is_inverse = |symbol: &str| {
        run.record.instruments.iter().any(|known| known.symbol == symbol && known.contract() == Contract::Inverse)
    };
    let is_value = |fill: &FillRow| {
        let (price, quantity) = (i128::from(fill.price.raw()), i128::from(fill.quantity.raw()));
        let worth = match is_inverse(&fill.instrument) {
            true => (quantity * 10_i128.pow(Notional::SCALE)).checked_div(price).unwrap_or(0),
            false => price * quantity,
        };
        worth.abs() < 1 << 96
    };
    let fits = prices.into_iter().all(is_price)
        && tables.fills.iter().all(is_value)
        && anchors.into_iter().all(|price| price.raw().saturating_abs() < most)
        && other.into_iter().all(|quantity| quantity.raw().saturating_abs() < most)
        && money.into_iter().all(|amount| amount.raw().saturating_abs() < cash);
    if fits { Ok(()) } else { Err(Error::Setup("the run's tables hold numbers that no market has".to_owned())) }
}

/// What of a run the audit cannot tell, in sentences.
fn unchecked(run: &Run) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |applies: bool, sentence: &str| {
        if applies {
            told.push(sentence.to_owned());
        }
    };
    tell(
        structures::leaves_some_out(run),
        "structures of options beside others that the same policy trades: their campaigns, stops, rungs and adds",
    );
    tell(
        structures::has_unknown_triggers(run),
        "rungs of structures that wait for a volatility or a condition: whether they were reached",
    );
    tell(
        !seat::has_one_currency(run),
        "equity: the run has several currencies, which are translated at marks on the way",
    );
    tell(
        seat::shares_instruments(run),
        "quantities of orders and stops of strategies that share an instrument: bounds only",
    );
    let has_losses = !run.tables.losses.is_empty();
    let is_drawn = run.tables.losses.iter().any(|row| !value_at_risk::is_plain(row));
    tell(
        has_losses && (is_drawn || !losses::is_linear(run)),
        "value at risk and expected shortfall that are drawn, or of more than linear contracts in one currency: no table has their \
         scenarios; only how they stand to each other is checked",
    );
    tell(
        has_losses,
        "what strategies have in value at risk and expected shortfall: that their parts add up to the account's is checked",
    );
    tell(
        has_losses && !losses::can_recompute(run),
        "what of losses came: several currencies, positions taken over, shared instruments or options are translated and marked on the way",
    );
    let mut reckoned: Vec<String> = Vec::new();
    for (section, key, _) in run.policies().iter().flat_map(|policy| policy.settings()) {
        let name = format!("`{section}.{key}`");
        if !reckoned.contains(&name) {
            reckoned.push(name);
        }
    }
    tell(!reckoned.is_empty(), &format!("numbers that an expression gives: {}", reckoned.join(", ")));
    let watches = |policy: &policy::Policy| policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Synthetic);
    let is_sampled = run.record.configuration.get("rows").is_some_and(|rows| rows != "each bar");
    tell(
        is_sampled && run.policies().iter().any(watches),
        "whether watched stops were crossed: the run does not keep a row for each bar",
    );
    told
}
