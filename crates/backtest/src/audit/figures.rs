//! What an audit tells beside what it finds: triggers, overrides by hand, how gains and losses were realised, time, caps.

use super::live::For;
use super::plans::{MARKET, mode_of};
use crate::records::{FillRow, PlanRow};
use crate::run::Run;
use policy::spec::LeverageLimit;
use std::collections::{BTreeMap, BTreeSet};
use units::{Duration, Timestamp};

/// Triggers that the market crossed: each is acted on, or refused with a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TriggerCount {
    /// Fills of stops, rungs and adds; of structures as plans tell them.
    pub acted: u64,
    /// Steps of plans that refused, by rule.
    pub refused: BTreeMap<String, u64>,
    /// Levels of resting orders that a bar crossed.
    pub crossed_resting: u64,
    /// Crossed, and nothing tells what became of it.
    pub unexplained: u64,
}

impl TriggerCount {
    /// Refused in all.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Crossed in all.
    #[must_use]
    pub fn crossed(&self) -> u64 {
        self.acted + self.refusals() + self.unexplained
    }
}

/// Orders that no plan made: somebody's own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Overrides {
    /// Fills of them.
    pub fills: u64,
    /// Of them: took something off while it was worth more than it had cost on average.
    pub winners_cut: u64,
    /// Of them: added to what was worth less.
    pub losers_fed: u64,
    /// Exits of the policy that were taken back or moved away by hand.
    pub losers_held: u64,
    /// What they cost against keeping to the plan, in R: each quantity from its own price to where its campaign closed.
    pub cost_r: f64,
}

/// How gains and losses were realised: T. Odean, Are Investors Reluctant to Realize Their Losses?, Journal of Finance 53 (1998).
/// Whenever something is sold, what is sold counts as a realised gain or loss by its average entry price, and what stays held,
/// of the same position and of others, as a paper gain or loss at its mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disposition {
    /// Exits and partial exits at a gain.
    pub realised_gains: u64,
    /// At a loss.
    pub realised_losses: u64,
    /// Positions that stayed at a gain meanwhile.
    pub paper_gains: u64,
    /// At a loss.
    pub paper_losses: u64,
}

impl Disposition {
    /// Proportion of gains realised. `None`: there was none to realise.
    #[must_use]
    pub fn pgr(&self) -> Option<f64> {
        proportion(self.realised_gains, self.paper_gains)
    }

    /// Proportion of losses realised.
    #[must_use]
    pub fn plr(&self) -> Option<f64> {
        proportion(self.realised_losses, self.paper_losses)
    }

    /// PGR − PLR: over zero, winners were cut sooner than losers.
    #[must_use]
    pub fn effect(&self) -> Option<f64> {
        Some(self.pgr()? - self.plr()?)
    }
}

fn proportion(realised: u64, paper: u64) -> Option<f64> {
    let all = realised + paper;
    (all > 0).then(|| realised as f64 / all as f64)
}

/// A share of the run's time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeIn {
    /// held, flat, blackout, a mode, the name of a cap that binds, or the name of one that keeps the strategy flat.
    pub mode: String,
    /// How long.
    pub lasted: Duration,
    /// Of the run.
    pub share: f64,
}

/// A cap at its worst.
#[derive(Debug, Clone, PartialEq)]
pub struct CapWorst {
    /// leverage (of one position), account leverage (of all positions of the account), drawdown, daily loss, weekly loss.
    pub cap: String,
    /// The policy.
    pub strategy: String,
    /// × equity, or a share of it.
    pub worst: f64,
    /// In the same unit.
    pub limit: f64,
    /// When.
    pub at: Option<Timestamp>,
}

/// Refusals by rule.
pub(super) fn refused(run: &Run) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for step in run.tables.plans.iter().filter(|step| &*step.outcome == "refused") {
        *counts.entry(step.rule.to_string()).or_default() += 1;
    }
    counts
}

/// Steps of plans that could not meet a cap, and those at which it was not known what a limit limits.
pub(super) fn unmet(run: &Run) -> (u64, u64) {
    let unmet = run.tables.plans.iter().filter(|step| &*step.outcome == "unmet");
    let is_unknown = |step: &&PlanRow| &*step.rule == "limit" && step.because.contains(": what it limits is not known");
    let unknown = unmet.clone().filter(is_unknown).count() as u64;
    (unmet.count() as u64 - unknown, unknown)
}

/// Fills of stops, rungs and adds: of structures as plans tell them, not each leg's.
pub(super) fn acted(run: &Run) -> u64 {
    let policies = run.policies();
    let policy = |strategy: &str| policies.iter().find(|policy| policy.name == *strategy);
    // The record names what strategies trade: structures, and none of their options.
    let known: BTreeSet<&str> = run.record.instruments.iter().map(|of| &*of.symbol).collect();
    let is_leg = |fill: &FillRow| {
        !known.contains(&*fill.instrument) && policy(&fill.strategy).is_some_and(|own| own.trades_options())
    };
    let fills = run.tables.fills.iter().filter(|fill| For::of(&fill.purpose).is_trigger() && !is_leg(fill));
    let is_told = |step: &&PlanRow| {
        let is_structure = || policy(&step.strategy).is_some_and(|own| own.structure_in(&step.instrument).is_some());
        let purpose = || super::structures::filled(&step.because).map(|(purpose, ..)| purpose);
        &*step.rule == MARKET && is_structure() && purpose().is_some_and(|purpose| For::of(&purpose).is_trigger())
    };
    (fills.count() + run.tables.plans.iter().filter(is_told).count()) as u64
}

pub(super) fn triggers(run: &Run, crossed_resting: u64, unexplained: u64) -> TriggerCount {
    TriggerCount { acted: acted(run), refused: refused(run), crossed_resting, unexplained }
}

/// Modes from the mildest to the one that closes everything.
fn rank(mode: &str) -> usize {
    ["reduce-only", "hold", "flatten"].iter().position(|known| *known == mode).unwrap_or_default()
}

/// Time by what held, from row to row.
pub(super) fn times(run: &Run) -> Vec<TimeIn> {
    let (equity, positions) = (&run.tables.equity, &run.tables.positions);
    let policies = run.policies();
    let windows: Vec<_> = policies.iter().flat_map(|policy| policy.guards.blackout.iter().copied()).collect();
    let (mut seen, mut lasted) = (0, BTreeMap::<String, i64>::new());
    let mut now: BTreeMap<(&str, &str), (bool, &str)> = BTreeMap::new();
    for (row, next) in equity.iter().zip(equity.iter().skip(1)) {
        while let Some(position) = positions.get(seen).filter(|position| position.time <= row.time) {
            let key = (position.strategy.as_str(), position.instrument.as_str());
            now.insert(key, (!position.position.is_zero(), position.cap.as_str()));
            seen += 1;
        }
        let span = next.time.since(row.time).nanos();
        let mut add = |mode: String| *lasted.entry(mode).or_default() += span;
        let is_held = now.values().any(|(held, _)| *held);
        add(if is_held { "held" } else { "flat" }.to_owned());
        let mut caps: Vec<&str> = now.values().map(|(_, cap)| *cap).filter(|cap| !cap.is_empty()).collect();
        caps.sort_unstable();
        caps.dedup();
        for cap in caps {
            add(if is_held { format!("{cap} binds") } else { format!("flat by {cap}") });
        }
        if windows.iter().any(|window| window.end(row.time).is_some()) {
            add("blackout".to_owned());
        }
    }
    in_modes(run, &mut lasted);
    let whole = equity.first().zip(equity.last()).map_or(0, |(first, last)| last.time.since(first.time).nanos());
    let told = |(mode, nanos): (String, i64)| TimeIn {
        mode,
        lasted: Duration::from_nanos(nanos),
        share: if whole > 0 { nanos as f64 / whole as f64 } else { 0.0 },
    };
    let mut told: Vec<TimeIn> = lasted.into_iter().map(told).collect();
    told.sort_by_key(|time| (time.mode != "held", time.mode != "flat", -time.lasted.nanos()));
    told
}

/// How long modes were in force: from plan to plan, because each change of mode is one. One may begin and end between two rows.
fn in_modes(run: &Run, lasted: &mut BTreeMap<String, i64>) {
    let (Some(first), Some(last)) = (run.tables.equity.first(), run.tables.equity.last()) else { return };
    let mut modes: BTreeMap<(&str, &str), Option<&str>> = BTreeMap::new();
    let mut since = first.time;
    let ends = std::iter::once((last.time, None));
    let changes = run.tables.plans.chunk_by(|a, b| a.plan == b.plan).map(|plan| (plan[0].time, Some(plan)));
    for (time, plan) in changes.chain(ends) {
        let until = time.max(first.time).min(last.time);
        // Of several strategies and modes the one that closes most.
        if let Some(mode) = modes.values().flatten().max_by_key(|mode| rank(mode)) {
            *lasted.entry(format!("mode {mode}")).or_default() += until.since(since).nanos();
        }
        since = until;
        if let Some(plan) = plan {
            let worst = plan.iter().filter_map(mode_of).max_by_key(|mode| rank(mode));
            modes.insert((plan[0].strategy.as_str(), plan[0].instrument.as_str()), worst);
        }
    }
}

/// Each declared cap at its worst. `leverage` is the worst of each strategy, from its plans and rows.
pub(super) fn caps(run: &Run, leverage: Vec<(f64, Option<Timestamp>)>) -> Vec<CapWorst> {
    let mut told = Vec::new();
    for (at, policy) in run.policies().iter().enumerate() {
        let mut tell = |cap: &str, (worst, at): (f64, Option<Timestamp>), limit: f64| {
            told.push(CapWorst { cap: cap.to_owned(), strategy: policy.name.clone(), worst, limit, at });
        };
        // What a structure stands for is told by the legs that it holds.
        let declared = policy.caps.leverage.as_ref().and_then(LeverageLimit::declared);
        if let Some(limit) = declared.filter(|_| !policy.trades_options()) {
            tell("leverage", leverage.get(at).copied().unwrap_or_default(), limit.limit.get());
            if let Some((worst, at)) = super::gross::worst(run, policy) {
                tell("account leverage", (worst, Some(at)), limit.limit.get());
            }
        }
        if let Some(last) = policy.caps.drawdown.last() {
            let worst = run.tables.equity.iter().max_by(|a, b| a.drawdown.total_cmp(&b.drawdown));
            tell("drawdown", worst.map_or((0.0, None), |row| (row.drawdown, Some(row.time))), last.at.get());
        }
        let week = Duration::from_nanos(7 * Duration::DAY.nanos());
        if let Some(limit) = policy.caps.daily_loss {
            tell("daily loss", worst_loss(run, Duration::DAY, Duration::ZERO), limit.get());
        }
        if let Some(limit) = policy.caps.weekly_loss {
            // The first Monday since 1970 was its fifth day.
            tell("weekly loss", worst_loss(run, week, Duration::from_nanos(4 * Duration::DAY.nanos())), limit.get());
        }
    }
    told
}

/// The largest loss of a period from its first row on, as a share of the equity there; money moved is no loss.
fn worst_loss(run: &Run, period: Duration, shift: Duration) -> (f64, Option<Timestamp>) {
    let begin_of = |time: Timestamp| (time - shift).floor(period) + shift;
    let (mut start, mut worst) = (None::<(Timestamp, f64)>, (0.0, None));
    let mut before = None;
    for row in &run.tables.equity {
        let (begin, net) = (begin_of(row.time), (row.equity - row.paid_in).approximate());
        let paid = row.paid_in.approximate();
        if start.is_none_or(|(since, _)| since != begin) {
            // What happens over the boundary is of the new period; a row at the boundary is its beginning.
            let from = if row.time == begin { net } else { before.unwrap_or(net) };
            start = Some((begin, from));
        }
        if let Some((_, from)) = start
            && from + paid > 0.0
        {
            let lost = (from - net) / (from + paid);
            if lost > worst.0 {
                worst = (lost, Some(row.time));
            }
        }
        before = Some(net);
    }
    worst
}
