//! What to give up where a limit on what may be lost is breached: of all positions under the limit those that cost least for what giving
//! them up brings ([`risk::reduction`]).
//!
//! Strategies of an account that state the same such limits stand under them together; what else the account holds stays as it is. A hedge
//! follows what it hedges: its profits are counted with that, and what unwinding it costs too. What is chosen depends on positions and
//! prices of now alone, so that it is no state: each strategy is told its part before it decides, and after fills it is chosen anew.

use super::leverage::{Exposed, exposed};
use super::scaled::{Lost, Scaled};
use super::stress::{equity_of, equity_of_all};
use super::{AccountRisk, RiskRefusal};
use crate::ENGINE_RULE;
use crate::engine::Engine;
use crate::scope::Scope;
use market::Currency;
use policy::facts::{self, Code};
use policy::{Arg, Reduction, Reductions, RiskFact, STEPS_MAX, TailFact};
use risk::reduction::{Cost, Figure, Limit, Outcome, Plan, Position, Sample, Solver};
use risk::venues::Absent;
use units::{Cash, Contract, InstrumentId, Price, Qty, Ratio, Round};

/// Giving up what nobody charges for is no reason to give up all of it at once.
const CHEAPEST: f64 = 1e-6;

/// What was chosen last, and memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Reducer {
    solver: Solver,
    /// By which strategy's limits and coin, in which input, after how many changes of positions: of what is only supposed it is the same
    /// for all strategies of an input.
    of: Option<(usize, Currency, u64, u64)>,
    kept: Vec<Kept>,
    members: Vec<usize>,
    positions: Vec<Position>,
    samples: Vec<(TailFact, Columns)>,
}

/// A figure of what is kept.
type Evaluate<'a> = Box<dyn Fn(&[f64]) -> f64 + 'a>;

/// Profits by scenario: of each member, one behind the other, and of all else.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) scenarios: usize,
    pub(super) profits: Vec<f64>,
    pub(super) rest: Vec<f64>,
}

/// What becomes of a strategy's position.
#[derive(Debug, Clone, Copy)]
struct Kept {
    scope: usize,
    /// Signed.
    qty: Qty,
    given_up: Qty,
    /// How much of the breach a basis point of equity spent here closes, at the book as it is.
    relief: f64,
    /// The best of the others that are not given up in full, and whether a part of it is given up too.
    instead: Option<(Code, f64, bool)>,
    /// What all of it costs, and by how much that may at most be too much.
    cost: (Cash, Cash),
    /// Whether that is known.
    is_bounded: bool,
    /// How much of the breach is left, where no reduction closes it.
    missed: Option<f64>,
}

impl Engine {
    /// Tells a strategy what it keeps, while a limit of its own that cuts what is cheapest is breached.
    pub(crate) fn choose_kept(&mut self, index: usize) {
        if self.scopes[index].reductions.is_none() {
            return;
        }
        // What nothing fills is not weighed against others: all of its kind shrink alike.
        if self.silent_since(index).is_some() {
            return self.scopes[index].facts.put(facts::KEPT, None);
        }
        let Some(mut risk) = self.risk.take() else { return };
        self.tell_kept(&mut risk, index);
        self.risk = Some(risk);
    }

    fn tell_kept(&mut self, risk: &mut AccountRisk, index: usize) {
        let scope = &self.scopes[index];
        let Some(terms) = &scope.reductions else { return };
        let value = |limit: &Reduction| scope.facts.get(facts::series(limit.series)).map(Ratio::get);
        let is_breached = terms.limits.iter().any(|limit| value(limit).is_some_and(|value| limit.is_breached(value)));
        // Of what is only supposed nobody knows the scenarios: all shrink alike.
        let is_supposed = terms.limits.iter().any(|limit| self.supposed(limit.series).is_some());
        let kept = if is_breached && !is_supposed { risk.kept(self, index).ok() } else { None };
        self.scopes[index].facts.put(facts::KEPT, kept.map(|kept| kept.qty));
    }
}

impl AccountRisk {
    /// What becomes of a strategy's position.
    fn kept(&mut self, engine: &Engine, scope: usize) -> Result<Kept, RiskRefusal> {
        let mut reducer = std::mem::take(&mut self.reducer);
        let solved = reducer.solve(self, engine, scope);
        self.reducer = reducer;
        solved?;
        let found = self.reducer.kept.iter().find(|kept| kept.scope == scope);
        found.copied().ok_or(RiskRefusal::Absent(Absent::Part))
    }

    /// What was chosen, for the plan that is made of it.
    pub(super) fn note_kept(&self, scope: &mut Scope, at: usize) {
        let Some(kept) = self.reducer.kept.iter().find(|kept| kept.scope == at) else { return };
        if scope.facts.get(facts::KEPT).is_none() || scope.because.steps().len() + 2 > STEPS_MAX {
            return;
        }
        let held = scope.position;
        let relief = Arg::Percent(kept.relief);
        let (cost, gap) = (Arg::Cash(kept.cost.0), Arg::Cash(kept.cost.1));
        let mut note = |template, args| scope.because.note(ENGINE_RULE, held, held, template, args);
        match (kept.given_up.is_zero(), kept.instead) {
            // What brings more for its cost goes first, until what is next brings as much.
            (false, Some((coin, other, goes_too))) => note(
                match (goes_too, kept.relief >= other) {
                    (true, _) if (kept.relief - other).abs() <= 1e-3 * other.abs() => {
                        "gives up {}: {} of the breach for each bp of equity it costs, beside {} with {}, of which a part goes too"
                    }
                    (true, true) => {
                        "gives up {}: {} of the breach for each bp of equity it costs, before {} with {}, of which a part goes too"
                    }
                    (true, false) => {
                        "gives up {}: {} of the breach for each bp of equity it costs, behind {} with {}, of which a part goes too"
                    }
                    (false, true) => {
                        "gives up {}: {} of the breach for each bp of equity it costs, preferred to {} with {}"
                    }
                    (false, false) => {
                        "gives up {}: {} of the breach for each bp of equity it costs; {}, which had {}, stays once the rest has gone"
                    }
                },
                [Arg::Qty(kept.given_up), relief, Arg::Name(coin), Arg::Percent(other)],
            ),
            (false, None) => note(
                "gives up {}: {} of the breach for each bp of equity it costs, and nothing else is left to give up",
                [Arg::Qty(kept.given_up), relief, Arg::None, Arg::None],
            ),
            (true, _) if kept.relief < 0.0 => note(
                "keeps all of it: without it the others risk more, {} of the breach for each bp of equity",
                [Arg::Percent(-kept.relief), Arg::None, Arg::None, Arg::None],
            ),
            (true, Some((coin, other, _))) => note(
                "keeps all of it: {} of the breach for each bp of equity that giving it up costs, {} with {}",
                [relief, Arg::Name(coin), Arg::Percent(other), Arg::None],
            ),
            (true, None) => {}
        }
        match kept.missed {
            Some(missed) => note(
                "no reduction gets back to the restore level: {} of the breach are left, at a cost of {}",
                [Arg::Percent(missed), cost, Arg::None, Arg::None],
            ),
            // Of what is no sum over scenarios or positions nothing bounds the least cost from below.
            None if kept.is_bounded => note(
                "the reduction costs {} in all, at most {} more than the least that does it",
                [cost, gap, Arg::None, Arg::None],
            ),
            None => note("the reduction costs {} in all", [cost, Arg::None, Arg::None, Arg::None]),
        }
    }
}

impl Reducer {
    /// Chooses for all strategies that stand under the same limits, once for an input and the positions in it.
    fn solve(&mut self, risk: &mut AccountRisk, engine: &Engine, scope: usize) -> Result<(), RiskRefusal> {
        let own = &engine.scopes[scope];
        let Some(terms) = &own.reductions else { return Ok(()) };
        let account = own.account.index();
        self.members.clear();
        // Of other policies the same levels count, whatever each takes costs for: those of the first are reckoned with.
        let states_them = |other: &Scope| other.reductions.as_ref().is_some_and(|of| of.limits == terms.limits);
        let trades = |other: &Scope| engine.silent_since(other.id.index()).is_none();
        let is_member = |other: &Scope| other.account == own.account && states_them(other) && trades(other);
        self.members.extend((0..engine.scopes.len()).filter(|at| is_member(&engine.scopes[*at])));
        let Some(terms) = &engine.scopes[self.members[0]].reductions else { return Ok(()) };
        // How far a liquidation is depends on whose coin moves.
        let asks =
            if terms.limits.iter().any(|limit| limit.of == RiskFact::Distance) { scope } else { self.members[0] };
        let base = engine.catalogue.instruments[engine.scopes[asks].instrument.index()].base;
        let of = Some((self.members[0], base, engine.inputs, engine.books[account].changed()));
        if self.of == of {
            return Ok(());
        }
        (self.of, self.samples) = (None, Vec::new());
        self.kept.clear();
        let equity = equity_of(engine, account)?.approximate();
        for limit in &terms.limits {
            let RiskFact::Tail(of) = limit.of else { continue };
            let fact = sample_of(of);
            if !self.samples.iter().any(|(known, _)| *known == fact) {
                let columns = risk.columns(engine, of, &self.members)?;
                self.samples.push((fact, columns));
            }
        }
        self.positions.clear();
        self.positions.extend(self.members.iter().map(|member| position(engine, *member, terms)));
        let held: Vec<f64> = self.positions.iter().map(|position| position.held).collect();
        // Margins and distances are computed anew for whatever may be kept.
        let mut given = Vec::new();
        for limit in &terms.limits {
            given.push(match &limit.of {
                RiskFact::Margin { venue, portfolio: false, .. } => {
                    Some(Scaled::of(risk, engine, &self.members, venue)?)
                }
                RiskFact::Distance => {
                    let venue = risk.held[account].venue.clone();
                    Some(Scaled::of(risk, engine, &self.members, &venue)?)
                }
                _ => None,
            });
        }
        let mut geared = Vec::new();
        for limit in &terms.limits {
            geared.push(match &limit.of {
                RiskFact::Leverage => exposed(engine, &self.members, &held)?,
                _ => Exposed::default(),
            });
        }
        let mut lost = Vec::new();
        for limit in &terms.limits {
            lost.push(match &limit.of {
                RiskFact::Stress { name } => risk.lost(engine, name, &self.members, &held)?,
                _ => Lost::default(),
            });
        }
        let evaluated: Vec<Option<Evaluate<'_>>> = given
            .iter()
            .zip(&terms.limits)
            .map(|(scaled, limit)| {
                let (scaled, held) = (scaled.as_ref()?, &held);
                let is_distance = limit.of == RiskFact::Distance;
                Some(Box::new(move |kept: &[f64]| match is_distance {
                    true => scaled.nearness(engine, base, held, kept),
                    false => scaled.ratio(held, kept),
                }) as Evaluate<'_>)
            })
            .collect();
        let mut limits: Vec<Limit<'_>> = Vec::new();
        for (at, limit) in terms.limits.iter().enumerate() {
            let (figure, limit, restore) = match (&limit.of, &evaluated[at]) {
                (RiskFact::Tail(of), _) => {
                    let fact = sample_of(*of);
                    let sample = self.samples.iter().position(|(known, _)| *known == fact).unwrap_or_default();
                    let confidence = of.confidence();
                    let figure = match of.is_shortfall {
                        true => Figure::ExpectedShortfall { sample, confidence },
                        false => Figure::ValueAtRisk { sample, confidence },
                    };
                    (figure, limit.limit * equity, limit.restore * equity)
                }
                (RiskFact::Distance, Some(nearness)) => {
                    (Figure::Given(nearness), 1.0 / limit.limit, 1.0 / limit.restore)
                }
                (RiskFact::Leverage, None) => {
                    let Exposed { weights, rest } = &geared[at];
                    (Figure::Linear { weights, rest: *rest }, limit.limit * equity, limit.restore * equity)
                }
                (_, Some(ratio)) => (Figure::Given(ratio), limit.limit, limit.restore),
                (RiskFact::Stress { .. }, None) => {
                    let whole = equity_of_all(engine)?.approximate();
                    let Lost { weights, rest } = &lost[at];
                    (Figure::Linear { weights, rest: *rest }, limit.limit * whole, limit.restore * whole)
                }
                // A margin of a whole portfolio: all shrink alike.
                _ => return Err(RiskRefusal::Absent(Absent::Part)),
            };
            limits.push(Limit { figure, limit, restore });
        }
        let samples: Vec<Sample<'_>> = self
            .samples
            .iter()
            .map(|(_, columns)| Sample { profits: &columns.profits, rest: &columns.rest, scenarios: columns.scenarios })
            .collect();
        let Ok(plan) = self.solver.solve(&self.positions, &samples, &limits) else {
            return Err(RiskRefusal::Absent(Absent::NotFinite));
        };
        for ((limit, level), of) in limits.iter().zip(&plan.levels).zip(&terms.limits) {
            let told = own.facts.get(facts::series(of.series)).map_or(0.0, Ratio::get);
            // What the plan starts from is what the rule was told.
            let scale = if of.of == RiskFact::Distance {
                1.0 / told / level.before
            } else {
                told * limit.limit / of.limit / level.before
            };
            debug_assert!(
                (scale - 1.0).abs() < 1e-6 || level.before.abs() < 1e-12,
                "{:?}: {told} and {level:?}",
                of.of
            );
        }
        let kept = (0..self.members.len()).map(|at| kept(engine, &self.members, plan, at, equity));
        self.kept.extend(kept);
        self.of = of;
        Ok(())
    }
}

/// What facts have scenarios in common.
fn sample_of(fact: TailFact) -> TailFact {
    TailFact { is_shortfall: false, confidence: 0, ..fact }
}

fn kept(engine: &Engine, members: &[usize], plan: &Plan, at: usize, equity: f64) -> Kept {
    let (scope, cut) = (members[at], plan.cuts[at]);
    let own = &engine.scopes[scope];
    let amount = |amount: f64| Qty::from_estimate(amount, Round::Nearest).unwrap_or_default();
    let held = own.position;
    let rest = if cut.amount == 0.0 { held.abs() } else { amount(cut.kept).min(held.abs()) };
    let money = |money: f64| Cash::from_estimate(money, Round::Nearest).unwrap_or_default();
    let leading = plan.leading.map(|leading| plan.levels[leading]).unwrap_or_default();
    // From money and the unit of the figure to what is told.
    let breach = (leading.before - leading.target).max(f64::MIN_POSITIVE);
    let closed = |relief: f64| relief * equity * 1e-4 / breach;
    let instead = cut.instead.map(|other| {
        let base = engine.catalogue.instruments[engine.scopes[members[other]].instrument.index()].base;
        (Code::new(base.as_str()), closed(plan.cuts[other].relief_before), plan.cuts[other].amount > 0.0)
    });
    Kept {
        scope,
        qty: if held.signum() < 0 { -rest } else { rest },
        given_up: held.abs() - rest,
        relief: closed(cut.relief_before),
        instead,
        cost: (money(plan.cost), money(plan.gap())),
        is_bounded: plan.bound > 0.0,
        missed: (plan.outcome == Outcome::Missed).then_some(leading.missed / breach),
    }
}

/// What a strategy holds, and what a unit of it costs to give up.
fn position(engine: &Engine, scope: usize, terms: &Reductions) -> Position {
    let own = &engine.scopes[scope];
    let (lot, fewest) = (own.facts.get(facts::LOT), own.facts.get(facts::MIN_QTY));
    let held = own.position.abs().approximate();
    let spread = match own.desk {
        Some(desk) if held > 0.0 => {
            let lines = engine.structures.desks[desk as usize].lines.iter().filter(|line| line.settled.is_none());
            let costs = lines.map(|line| option_cost(engine, line.instrument, line.held, terms.option_fee));
            costs.sum::<f64>() / held
        }
        _ => worth(engine, scope) * terms.cost,
    };
    let hedge = if held > 0.0 { unwinding(engine, scope, terms.cost) / held } else { 0.0 };
    let least = worth(engine, scope) * CHEAPEST;
    // Of options the sizes are quoted.
    let impact = if own.desk.is_some() { 0.0 } else { terms.impact * worth(engine, scope) * worth(engine, scope) };
    Position {
        held,
        lot: lot.map_or(1.0, Qty::approximate),
        fewest: fewest.map_or(0.0, Qty::approximate),
        cost: Cost { half_spread: spread.max(least), hedge, impact, ..Cost::default() },
    }
}

/// What one unit of an instrument stands for in dollars.
fn worth(engine: &Engine, scope: usize) -> f64 {
    let own = &engine.scopes[scope];
    match engine.catalogue.instruments[own.instrument.index()].kind.contract() {
        Contract::Inverse => 1.0,
        Contract::Linear => own.facts.get(facts::PRICE).map_or(0.0, Price::approximate),
    }
}

/// What trading an option away costs in dollars: half of its spread, or all that is asked where nobody bids, and the fee.
fn option_cost(engine: &Engine, option: InstrumentId, held: Qty, fee: f64) -> f64 {
    let chains = &engine.structures.chains;
    let of = &engine.catalogue.instruments[option.index()];
    let (Some(quoted), Some((_, forward))) = (chains.option(option), chains.expiry(option)) else { return 0.0 };
    let forward = forward.map_or(0.0, Price::approximate);
    let [bid, ask] = [quoted.quote.bid(), quoted.quote.ask()].map(|price| price.map_or(0.0, Price::approximate));
    let half = if bid > 0.0 && ask > bid { (ask - bid) / 2.0 } else { ask.max(bid) };
    let worth = if of.settle == of.base { forward } else { 1.0 };
    held.abs().approximate() * (half * worth + fee * forward)
}

/// What it costs to unwind the part of hedges that is a strategy's own.
fn unwinding(engine: &Engine, scope: usize, cost: f64) -> f64 {
    let Some(greeks) = &engine.greeks else { return 0.0 };
    let id = engine.scopes[scope].id;
    let hedges = greeks.hedges().filter(|(_, of)| of.contains(&id));
    hedges
        .map(|(hedge, of)| {
            let hedge = hedge as usize;
            if let Some(desk) = engine.scopes[hedge].desk {
                let lines = engine.structures.desks[desk as usize].lines.iter();
                let all: f64 = lines.map(|line| option_cost(engine, line.instrument, line.held, cost)).sum();
                return all / of.len() as f64;
            }
            let held = engine.scopes[hedge].position.abs().approximate() * worth(engine, hedge);
            held * cost / of.len() as f64
        })
        .sum()
}
