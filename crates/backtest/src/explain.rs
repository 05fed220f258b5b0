//! `explain`: the plan in force at an instant, why, and what came of it.

use crate::record::Keep;
use crate::records::{FillRow, OrderRow, PlanRow, PositionRow};
use crate::run::{Run, Variant, What, single, stamp};
use crate::{Error, Progress, TapeStamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::{Cash, Price, Qty, Round, StrategyId, Timestamp};

/// The decision in force at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The instant asked for: the state after all inputs with receipt time at or before it.
    pub at: Timestamp,
    /// The policy's name.
    pub strategy: String,
    /// Symbol.
    pub instrument: String,
    /// How many other strategies and instruments the run has.
    pub others: usize,
    /// The plan in force; `None`: nothing was decided yet.
    pub plan: Option<PlanView>,
    /// Plans of the same receipt time before it: a bar's fills are decided on one by one.
    pub before: Vec<PlanView>,
    /// What it was replaced by.
    pub replaced: Option<(u64, Timestamp)>,
    /// Orders that the plan sent, with their fills up to the instant.
    pub orders: Vec<OrderView>,
    /// The state at the instant.
    pub state: StateView,
    /// The rules evaluated at the instant itself, if the tapes are still what the run was made from.
    pub now: Option<Vec<StepView>>,
    /// The equity that they saw, in what the instrument settles in.
    pub now_equity: Option<Cash>,
}

/// A recorded plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanView {
    /// Its number.
    pub plan: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Price at the decision.
    pub price: Price,
    /// Equity at the decision.
    pub equity: Cash,
    /// Signed position at the decision.
    pub position: Qty,
    /// Signed quantity wanted.
    pub target: Qty,
    /// What each rule made of the target.
    pub steps: Vec<StepView>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    /// The rule.
    pub rule: String,
    /// kept, set, cut, refused, held, unmet.
    pub outcome: String,
    /// Signed quantity before.
    pub before: Qty,
    /// Signed quantity after.
    pub after: Qty,
    /// Why.
    pub because: String,
}

/// An order of the plan, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderView {
    /// As sent, or as last amended.
    pub order: OrderRow,
    /// Its fills up to the instant.
    pub fills: Vec<FillRow>,
    /// Its last news up to the instant.
    pub state: String,
}

/// The state at an instant, from the last bar at or before it.
#[derive(Debug, Clone, PartialEq)]
pub struct StateView {
    /// That bar's close.
    pub time: Timestamp,
    /// Mark.
    pub price: Price,
    /// Equity.
    pub equity: Cash,
    /// Signed position.
    pub position: Qty,
    /// Signed position value over equity.
    pub exposure: f64,
    /// What a unit of a structure of options stands for, in what it settles in. `None`: anything else stands for its price.
    pub unit: Option<Price>,
    /// Under the highest equity.
    pub drawdown: f64,
    /// The stop in force.
    pub stop: Option<Price>,
    /// The twin's signed position.
    pub twin_position: Qty,
    /// The twin's equity.
    pub twin_equity: Cash,
    /// Orders resting at the venue then.
    pub resting: Vec<OrderRow>,
}

impl Run {
    /// The strategies in their instruments that an `explain` can be about: policy and symbol, in the order of the run.
    #[must_use]
    pub fn traders(&self) -> Vec<(&str, &str)> {
        let mut traders = Vec::new();
        for strategy in &self.strategies {
            let policy = &strategy.policy;
            traders.extend(policy.traded().map(|symbol| (policy.name.as_str(), symbol)));
        }
        traders
    }

    /// The plan in force at an instant, why, and what came of it: of the strategy and in the instrument asked for; of those left
    /// open, the one that was decided on last.
    pub fn explain(
        &self,
        at: Timestamp,
        strategy: Option<&str>,
        instrument: Option<&str>,
    ) -> Result<Explanation, Error> {
        let (index, name, symbol) = self.explained_trader(at, strategy, instrument)?;
        let until = self.tables.plans.partition_point(|row| row.time <= at);
        let own = |row: &&PlanRow| row.strategy == name && row.instrument == symbol;
        let past: Vec<PlanRow> = self.tables.plans[..until].iter().filter(own).cloned().collect();
        let future = self.tables.plans[until..].iter().find(own);
        let mut recent = plan_views(same_time_as_last(&past));
        let plan = recent.pop();
        let now = self.evaluated(at, StrategyId(index as u32));
        Ok(Explanation {
            at,
            strategy: name.to_owned(),
            instrument: symbol.to_owned(),
            others: self.traders().len() - 1,
            before: recent,
            replaced: future.map(|row| (row.plan, row.time)),
            orders: plan.as_ref().map_or_else(Vec::new, |plan| self.orders_of(plan.plan, at)),
            plan,
            state: self.state(at, name, symbol),
            now_equity: now.as_ref().map(|(_, equity)| *equity),
            now: now.map(|(steps, _)| steps),
        })
    }

    /// Whom an explanation of an instant is about: its place among [`Self::traders`], policy and symbol.
    pub(crate) fn explained_trader<'a>(
        &'a self,
        at: Timestamp,
        strategy: Option<&str>,
        instrument: Option<&str>,
    ) -> Result<(usize, &'a str, &'a str), Error> {
        let rows = &self.tables.equity;
        let outside = |first, last| Error::OutsideRun { at, first, last };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Err(outside(at, at));
        };
        if at < first.time || at > last.time {
            return Err(outside(first.time, last.time));
        }
        let asked = |name: &str, symbol: &str| {
            strategy.is_none_or(|asked| asked == name) && instrument.is_none_or(|asked| asked == symbol)
        };
        let traders = self.traders();
        let fit: Vec<usize> = (0..traders.len()).filter(|index| asked(traders[*index].0, traders[*index].1)).collect();
        let Some(default) = fit.first() else {
            let known: Vec<String> = traders.iter().map(|(name, symbol)| format!("`{name}` in `{symbol}`")).collect();
            return Err(Error::Setup(format!(
                "the run has no such strategy and instrument; it has {}",
                known.join(", ")
            )));
        };
        let until = self.tables.plans.partition_point(|row| row.time <= at);
        let latest = self.tables.plans[..until].iter().rev().find(|row| asked(&row.strategy, &row.instrument));
        let (name, symbol) = latest.map_or(traders[*default], |row| (&*row.strategy, &*row.instrument));
        let index = traders.iter().position(|trader| *trader == (name, symbol)).unwrap_or(*default);
        Ok((index, name, symbol))
    }

    /// What the last rows at or before an instant tell.
    fn state(&self, at: Timestamp, strategy: &str, instrument: &str) -> StateView {
        let equity = &self.tables.equity[self.tables.equity.partition_point(|row| row.time <= at) - 1];
        let until = self.tables.positions.partition_point(|row| row.time <= at);
        let own = |row: &&PositionRow| &*row.strategy == strategy && &*row.instrument == instrument;
        let position = self.tables.positions[..until].iter().rev().find(own);
        StateView {
            time: position.map_or(equity.time, |row| row.time),
            price: position.map_or(Price::ZERO, |row| row.mark),
            equity: equity.equity,
            position: position.map_or(Qty::ZERO, |row| row.position),
            exposure: position.map_or(0.0, |row| row.exposure),
            unit: self.unit(until, strategy, instrument),
            drawdown: equity.drawdown,
            stop: position.and_then(|row| row.stop),
            twin_position: position.map_or(Qty::ZERO, |row| row.twin_position),
            twin_equity: equity.twin_equity,
            resting: self.resting(at, strategy, instrument),
        }
    }

    /// What a unit of a structure stands for: a coin, or the forward of its options, as the last row tells in which any were held.
    fn unit(&self, until: usize, strategy: &str, instrument: &str) -> Option<Price> {
        let known = self.record.instruments.iter().find(|known| known.symbol == instrument)?;
        if known.kind != "structure" {
            return None;
        }
        if known.base == known.settle {
            return Some(Price::from_raw(Price::ONE));
        }
        let held = |row: &&PositionRow| {
            &*row.strategy == strategy && &*row.instrument == instrument && !row.position.is_zero()
        };
        let (before, after) = self.tables.positions.split_at(until);
        let row = before.iter().rev().find(held).or_else(|| after.iter().find(held))?;
        let equity =
            &self.tables.equity[self.tables.equity.partition_point(|total| total.time <= row.time).checked_sub(1)?];
        let each = row.exposure * equity.equity.approximate() / row.position.approximate();
        Price::from_estimate(each, Round::Nearest)
    }

    /// A tape that is no longer what the run was made from.
    pub(crate) fn changed_tape(&self) -> Option<&TapeStamp> {
        self.record.tapes.iter().find(|stored| stamp(&stored.path).map_or(true, |now| now.hash != stored.hash))
    }

    /// Replays to the instant and evaluates the rules there, without adopting anything.
    fn evaluated(&self, at: Timestamp, strategy: StrategyId) -> Option<(Vec<StepView>, Cash)> {
        if self.changed_tape().is_some() {
            return None;
        }
        let tapes: Vec<PathBuf> = self.record.tapes.iter().map(|tape| tape.path.clone()).collect();
        let mut quietly = |_: Progress| ControlFlow::Continue(());
        let (policies, variant, keep) = (&self.policies(), Variant::Scaled, Keep::Equity);
        let mut pass = single(What { policies, variant, keep, until: at }, &tapes, &mut quietly).ok()?;
        let plan = pass.engine.preview(strategy);
        let step = |(at, step): (usize, &policy::Step)| StepView {
            rule: pass.engine.rule_name(strategy, step.rule).to_owned(),
            outcome: step.outcome.name().to_owned(),
            before: step.before,
            after: step.after,
            because: plan.because(at),
        };
        let told = |(series, refusal): &(units::SeriesId, engine::RiskRefusal)| StepView {
            rule: pass.engine.rule_name(strategy, engine::ENGINE_RULE).to_owned(),
            outcome: policy::Outcome::Kept.name().to_owned(),
            before: plan.position,
            after: plan.position,
            because: crate::record::unknown(&pass.catalogue.series[series.index()], refusal),
        };
        Some((plan.steps.iter().enumerate().map(step).chain(plan.unknown.iter().map(told)).collect(), plan.equity))
    }

    fn orders_of(&self, plan: u64, at: Timestamp) -> Vec<OrderView> {
        let mut views: BTreeMap<&str, OrderView> = BTreeMap::new();
        for row in self.tables.orders.iter().filter(|row| row.plan == plan && row.time <= at) {
            let fresh = || OrderView { order: row.clone(), fills: Vec::new(), state: String::new() };
            let view = views.entry(&row.order).or_insert_with(fresh);
            if row.event == "amend" {
                view.order = row.clone();
            }
            view.state = row.event.to_string();
        }
        for fill in self.tables.fills.iter().filter(|fill| fill.plan == plan && fill.time <= at) {
            if let Some(view) = views.get_mut(fill.order.as_str()) {
                view.fills.push(fill.clone());
            }
        }
        views.into_values().collect()
    }

    pub(crate) fn resting(&self, at: Timestamp, strategy: &str, instrument: &str) -> Vec<OrderRow> {
        self.open_orders(at, |row| row.strategy == strategy && row.instrument == instrument)
    }

    /// Orders of legs that a structure has sent and that have not ended; where the venue has taken one, it is told as `accepted`: it waits
    /// for a quote.
    pub(crate) fn legs_sent(&self, at: Timestamp, strategy: &str, structure: &str) -> Vec<OrderRow> {
        // A leg says of which structure it is by its plan.
        let own = |row: &&PlanRow| row.strategy == strategy && row.instrument == structure;
        let plans: BTreeSet<u64> = self.tables.plans.iter().filter(own).map(|row| row.plan).collect();
        self.open_orders(at, |row| row.strategy == strategy && row.instrument != structure && plans.contains(&row.plan))
    }

    fn open_orders(&self, at: Timestamp, own: impl Fn(&OrderRow) -> bool) -> Vec<OrderRow> {
        let mut resting: BTreeMap<&str, OrderRow> = BTreeMap::new();
        for row in self.tables.orders.iter().take_while(|row| row.time <= at).filter(|row| own(row)) {
            match row.event.as_str() {
                "place" | "amend" => drop(resting.insert(&row.order, row.clone())),
                "accepted" => {
                    if let Some(order) = resting.get_mut(row.order.as_str()) {
                        order.event = row.event.clone();
                    }
                }
                "cancelled" | "rejected" => drop(resting.remove(row.order.as_str())),
                "filled" => {
                    let left = resting.get_mut(row.order.as_str()).map(|order| {
                        order.quantity -= row.quantity;
                        order.quantity
                    });
                    if left.is_some_and(|left| left.raw() <= 0) {
                        resting.remove(row.order.as_str());
                    }
                }
                _ => {}
            }
        }
        resting.into_values().collect()
    }
}

fn same_time_as_last(rows: &[PlanRow]) -> &[PlanRow] {
    let Some(last) = rows.last() else { return rows };
    &rows[rows.partition_point(|row| row.time < last.time)..]
}

fn plan_views(rows: &[PlanRow]) -> Vec<PlanView> {
    let view = |rows: &[PlanRow]| {
        let first = rows.first()?;
        let step = |row: &PlanRow| StepView {
            rule: row.rule.to_string(),
            outcome: row.outcome.to_string(),
            before: row.before,
            after: row.after,
            because: row.because.clone(),
        };
        Some(PlanView {
            plan: first.plan,
            time: first.time,
            price: first.price,
            equity: first.equity,
            position: first.position,
            target: first.target,
            steps: rows.iter().map(step).collect(),
        })
    };
    rows.chunk_by(|a, b| a.plan == b.plan).filter_map(view).collect()
}
