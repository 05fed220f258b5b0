//! The built-in rules, in the order in which they compose (SEMANTICS, Composition).

mod allocation;
mod collateral;
mod drawdown_cap;
mod floor;
mod guards;
mod hedge;
mod ladder;
mod leverage_cap;
mod limit;
mod loss_limit;
mod modes;
mod number;
mod open_risk;
mod participation;
mod pyramid;
mod restore;
mod signal;
mod size;
mod stop;
mod streak;
mod trim;
mod when;

pub(crate) use allocation::AllocationRule;
pub(crate) use drawdown_cap::DrawdownCap;
pub(crate) use floor::FloorCap;
pub(crate) use guards::{BlackoutRule, CollarRule, MaxOrderRule, OrderRateRule};
pub use hedge::Turn;
pub(crate) use hedge::{HedgeRule, HedgeTrim};
pub(crate) use ladder::LadderRule;
pub(crate) use leverage_cap::{LeverageCap, ReckonedLeverageCap};
pub(crate) use limit::LimitRule;
pub(crate) use loss_limit::LossLimit;
pub(crate) use modes::{ModeRule, StaleRule};
pub(crate) use number::Number;
pub(crate) use open_risk::OpenRiskCap;
pub(crate) use participation::{ExitTimeCap, ParticipationCap};
pub(crate) use pyramid::PyramidRule;
pub(crate) use restore::RestoreRule;
pub(crate) use signal::SignalRule;
pub(crate) use size::{SizeRule, SizeTerms, Sizing};
pub(crate) use stop::StopRule;
pub use stop::initial_stop;
pub(crate) use streak::StreakRule;
pub use streak::wins_after;
pub(crate) use trim::TrimRule;
pub(crate) use when::{Gates, WhenRule};

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

/// What one unit stands for, in the settlement currency: what sizes and leverage are multiples of. Of a structure of options
/// that is not its price.
#[inline]
fn exposure_price(facts: &Facts, price: Price) -> Price {
    facts.get(facts::EXPOSURE_PRICE).unwrap_or(price)
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
    dust.and_then(|dust| dust.at(contract(facts), exposure_price(facts, price), Round::AwayFromZero))
        .unwrap_or_default()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use crate::rule::{Add, Because, Target};
    use crate::spec::{Reentry, Resize, Sides, SizeKind};
    use units::{Ratio, Timestamp};

    fn qty(text: &str) -> Qty {
        text.parse().unwrap()
    }

    fn ratio(value: f64) -> Ratio {
        Ratio::new(value).unwrap()
    }

    /// Ten coins of equity, and a structure at 0.05 of which one unit stands for one coin.
    fn structure(signal: f64) -> Facts {
        let mut facts = Facts::new(0);
        facts.set_now(Timestamp::from_nanos(1));
        facts.set(facts::EQUITY, "10".parse().unwrap());
        facts.set(facts::PRICE, "0.05".parse().unwrap());
        facts.set(facts::EXPOSURE_PRICE, "1".parse().unwrap());
        facts.set(facts::SIGNAL, ratio(signal));
        facts.set(facts::UNIT, "0.01".parse().unwrap());
        facts.set(facts::LOT, qty("0.1"));
        facts.set(facts::MIN_QTY, qty("0.1"));
        facts
    }

    fn sized(facts: &Facts, kind: SizeKind) -> Qty {
        let signal = SignalRule { sides: Sides::Both, reentry: Reentry::NewSignal, sign_only: false };
        let terms = SizeTerms { resize: Resize::Continuous, needs_unit: false, stop_units: 2.0, first_share: 1.0 };
        let size = SizeRule::new(Sizing::compile(&kind, &|_| None).unwrap(), terms);
        let mut because = Because::default();
        let proposed = signal.evaluate(facts, Target::default(), &mut because).target;
        size.evaluate(facts, proposed, &mut because).target.qty
    }

    /// A covered call of 1.0 on ten coins is ten calls, not the two hundred that their price would buy.
    #[test]
    fn a_structure_is_sized_by_what_it_stands_for() {
        let facts = structure(-1.0);
        assert_eq!(sized(&facts, SizeKind::FixedFraction { fraction: ratio(1.0).into() }), qty("-10"));
        assert_eq!(sized(&facts, SizeKind::FixedNotional { notional: "3".parse().unwrap() }), qty("-3"));
        // A hundredth of ten coins over two units of 0.01: five.
        assert_eq!(sized(&facts, SizeKind::RiskPerTrade { risk: ratio(0.01).into() }), qty("-5"));
        let mut perpetual = facts.clone();
        perpetual.put(facts::EXPOSURE_PRICE, None);
        assert_eq!(sized(&perpetual, SizeKind::FixedFraction { fraction: ratio(1.0).into() }), qty("-200"));
        assert_eq!(
            sized(&perpetual, SizeKind::RiskPerTrade { risk: ratio(0.01).into() }),
            qty("-5"),
            "a loss is a loss"
        );
    }

    /// Vega of −620 beside it and 40 for each: ten units bring it to −220, of which a band of 100 is wide enough or is not.
    #[test]
    fn a_structure_brings_a_greek_to_its_level() {
        let at = |signal: f64, held: &str, beside: f64, level: f64| {
            let mut facts = structure(signal);
            facts.set(facts::POSITION, qty(held));
            facts.set(facts::GREEK_BESIDE, ratio(beside));
            facts.set(facts::GREEK_EACH, ratio(40.0));
            let (greek, band, strategies) = (crate::spec::TargetGreek::Vega, ratio(100.0), Vec::new());
            sized(&facts, SizeKind::GreekTarget { greek, level: ratio(level), band, strategies })
        };
        assert_eq!(at(1.0, "0", -620.0, -220.0), qty("10"));
        // What is held counts: −320 is just in the band, and −324 is not.
        assert_eq!(at(1.0, "7.5", -620.0, -220.0), qty("7.5"));
        assert_eq!(at(1.0, "7.4", -620.0, -220.0), qty("10"));
        // Sold down as far as it is too much; never to the other side of its signal.
        assert_eq!(at(1.0, "10", -320.0, -220.0), qty("2.5"));
        assert_eq!(at(1.0, "10", 0.0, -220.0), qty("0"));
        assert_eq!(at(-1.0, "0", 0.0, -220.0), qty("-5.5"));
        assert_eq!(at(1.0, "0", -100.0, 0.0), qty("0"), "no further than its band");
        // What is not known sizes no entry, and leaves what is held.
        let mut unknown = structure(1.0);
        let kind =
            |greek| SizeKind::GreekTarget { greek, level: ratio(0.0), band: ratio(1e-4), strategies: Vec::new() };
        assert_eq!(sized(&unknown, kind(crate::spec::TargetGreek::Gamma)), qty("0"));
        unknown.set(facts::POSITION, qty("3"));
        assert_eq!(sized(&unknown, kind(crate::spec::TargetGreek::Gamma)), qty("3"));
    }

    #[test]
    fn leverage_counts_what_a_structure_stands_for_at_every_price_of_it() {
        let limit = |level: f64| LeverageCap { limit: Limit { limit: ratio(level), restore: ratio(level) } };
        let facts = structure(-1.0);
        let mut because = Because::default();
        let wanted = Target { base: qty("-30"), qty: qty("-30") };
        assert_eq!(limit(2.0).evaluate(&facts, wanted, &mut because).target.qty, qty("-20"));
        assert_eq!(limit(3.0).evaluate(&facts, wanted, &mut because).target.qty, qty("-30"));
        // An add of five where 2.2 carries twenty-two: two of it, at whatever price.
        let mut because = Because::default();
        let at = "0.04".parse().unwrap();
        let (qty_of, rest) = (qty("-5"), Qty::ZERO);
        let add = Add { trigger: at, at, limit: None, chase: None, qty: qty_of, whole: qty_of, rest, unit: 2 };
        because.set_add(Some(add));
        let held = Target { base: qty("-25"), qty: qty("-20") };
        let mut facts = facts;
        facts.set(facts::POSITION, qty("-20"));
        assert_eq!(limit(2.2).evaluate(&facts, held, &mut because).target.qty, qty("-20"));
        assert_eq!(because.add(), Some(Add { qty: qty("-2"), ..add }));
    }
}
