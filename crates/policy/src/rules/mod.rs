//! The built-in rules, in the order in which they compose (SEMANTICS, Composition).

mod collateral;
mod drawdown_cap;
mod guards;
mod ladder;
mod leverage_cap;
mod loss_limit;
mod open_risk;
mod pyramid;
mod signal;
mod size;
mod stop;
mod streak;
mod trim;

pub(crate) use drawdown_cap::DrawdownCap;
pub(crate) use guards::{BlackoutRule, CollarRule, MaxOrderRule, OrderRateRule};
pub(crate) use ladder::LadderRule;
pub(crate) use leverage_cap::LeverageCap;
pub(crate) use loss_limit::LossLimit;
pub(crate) use open_risk::OpenRiskCap;
pub(crate) use pyramid::PyramidRule;
pub(crate) use signal::SignalRule;
pub(crate) use size::SizeRule;
pub(crate) use stop::StopRule;
pub use stop::initial_stop;
pub(crate) use streak::StreakRule;
pub(crate) use trim::TrimRule;

use crate::facts::{self, Fact, Facts};
use crate::rule::Rule;
use crate::spec::{DrawdownLevel, Limit, OrderSize};
use units::{Cash, Contract, Price, Qty, Round};

/// The drawdown cap as a rule of its own, for programs of one's own rules.
#[must_use]
pub fn drawdown_cap(levels: Vec<DrawdownLevel>) -> Box<dyn Rule> {
    Box::new(DrawdownCap::new(levels, None))
}

/// The leverage cap as a rule of its own, for programs of one's own rules.
#[must_use]
pub fn leverage_cap(limit: Limit) -> Box<dyn Rule> {
    Box::new(LeverageCap { limit })
}

/// How value follows price.
#[inline]
fn contract(facts: &Facts) -> Contract {
    facts.get(facts::CONTRACT).unwrap_or_default()
}

/// The signed quantity held; zero before the first fill.
#[inline]
fn position(facts: &Facts) -> Qty {
    facts.get(facts::POSITION).unwrap_or(Qty::ZERO)
}

/// A price at a distance from an anchor, in the direction of a position's profit (`forward`) or loss.
fn away(anchor: Price, distance: f64, held: Qty, forward: bool) -> Option<Price> {
    let up = (held.signum() > 0) == forward;
    let distance = Price::from_estimate(distance, Round::Nearest)?;
    let price = if up { anchor + distance } else { anchor - distance };
    (price.raw() > 0).then_some(price)
}

/// Whether a proposal is larger than what is held, or on another side.
fn increases(proposed: Qty, held: Qty) -> bool {
    !proposed.is_zero() && (proposed.abs() > held.abs() || !same_side(proposed, held))
}

/// What is less than a dust threshold at a price.
fn dust_at(facts: &Facts, dust: Option<OrderSize>, price: Price) -> Qty {
    let dust = dust.and_then(|dust| in_quote(facts, dust, facts::DUST));
    dust.and_then(|dust| dust.at(contract(facts), price, Round::AwayFromZero)).unwrap_or_default()
}

/// A size whose value in another currency was translated. `None`: it is not known yet.
fn in_quote(facts: &Facts, size: OrderSize, translated: Fact<Cash>) -> Option<OrderSize> {
    match size {
        OrderSize::Worth(..) => facts.get(translated).map(OrderSize::Quote),
        size => Some(size),
    }
}

/// Whether two quantities are on the same side; flat is on no side.
fn same_side(a: Qty, b: Qty) -> bool {
    a.signum() * b.signum() > 0
}
