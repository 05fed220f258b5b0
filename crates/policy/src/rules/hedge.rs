//! A hedge: one instrument is traded so that delta stays in a band around its target.
//!
//! Two rules: where delta is to be, before the caps; and rounding to the smaller residual, behind them. Delta of what is hedged comes
//! as a fact; what the hedge itself adds is reckoned from its position and the last price. Of options that a hedge buys the delta of one
//! unit is a fact too, and the width of the band, because neither follows from their price.

use super::{contract, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Outcome, Rule, Target, Verdict};
use crate::spec::{Band, Hedge, HedgeTo};
use units::{Cash, Contract, Price, Qty, Round};

/// Who brings back a delta that has left its band, where a hedge compares costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// This instrument.
    Own,
    /// Another instrument of the hedge.
    Other,
    /// What is hedged is given up in part.
    GivenUp,
}

impl Turn {
    /// As the fact has it.
    #[must_use]
    pub fn code(self) -> u32 {
        self as u32
    }
}

/// Proposes what brings delta back: to the target or to the nearer edge of the band. Inside the band it holds what it holds.
pub(crate) struct HedgeRule {
    pub(crate) hedge: Hedge,
    /// Of trading, as a share of value.
    pub(crate) cost: f64,
    /// What it trades are options, which are bought and sold again.
    pub(crate) buys_options: bool,
}

/// Rounds to the lot with the smaller residual, toward zero where a cap binds, and tells what is left beyond the band.
pub(crate) struct HedgeTrim {
    pub(crate) hedge: Hedge,
    /// Of trading, as a share of value.
    pub(crate) cost: f64,
    /// What it trades are options.
    pub(crate) buys_options: bool,
}

const READS: &[FactId] = &[
    facts::HEDGED.id(),
    facts::HEDGED_GROSS.id(),
    facts::HEDGED_GAMMA.id(),
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::ON_THE_WAY.id(),
    facts::CONTRACT.id(),
    facts::COIN.id(),
    facts::HEDGE_TURN.id(),
];

/// Of options.
const OPTION_READS: &[FactId] = &[
    facts::HEDGED.id(),
    facts::HEDGED_GROSS.id(),
    facts::HEDGE_UNIT.id(),
    facts::HEDGE_WIDTH.id(),
    facts::POSITION.id(),
    facts::ON_THE_WAY.id(),
    facts::COIN.id(),
    facts::HEDGE_TURN.id(),
];

const OPTION_TRIM_READS: &[FactId] = &[
    facts::HEDGED.id(),
    facts::HEDGED_GROSS.id(),
    facts::HEDGE_UNIT.id(),
    facts::HEDGE_WIDTH.id(),
    facts::POSITION.id(),
    facts::ON_THE_WAY.id(),
    facts::COIN.id(),
    facts::LOT.id(),
    facts::MIN_QTY.id(),
];

const TRIM_READS: &[FactId] = &[
    facts::HEDGED.id(),
    facts::HEDGED_GROSS.id(),
    facts::HEDGED_GAMMA.id(),
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::ON_THE_WAY.id(),
    facts::CONTRACT.id(),
    facts::COIN.id(),
    facts::LOT.id(),
    facts::MIN_QTY.id(),
];

/// Delta as a hedge sees it, in coins.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Of what is hedged.
    delta: f64,
    /// How far from the target it may be.
    band: f64,
    target: f64,
    contract: Contract,
    price: f64,
    /// Of options: coins of delta that a unit stands for.
    each: Option<f64>,
}

/// Options of less delta a unit bring none back.
const LEAST_UNIT: f64 = 1e-3;

impl Seen {
    /// `None`: delta or the hedge's price is not known, or what an option stands for.
    fn of((hedge, cost, buys_options): (&Hedge, f64, bool), facts: &Facts) -> Option<Self> {
        let delta = facts.get(facts::HEDGED)?.approximate();
        facts.get(facts::HEDGED_GROSS)?;
        let target = hedge.target.approximate();
        if buys_options {
            let each = Some(facts.get(facts::HEDGE_UNIT)?.get());
            let band = facts.get(facts::HEDGE_WIDTH)?.approximate();
            return Some(Self { delta, band, target, contract: Contract::Linear, price: 1.0, each });
        }
        let price = facts.get(facts::PRICE).filter(|price| price.raw() > 0)?.approximate();
        let band = hedge.band.width(cost, facts)?;
        Some(Self { delta, band, target, contract: contract(facts), price, each: None })
    }

    /// Coins that a quantity of the hedge stands for.
    fn coins(&self, qty: Qty) -> f64 {
        match (self.each, self.contract) {
            (Some(each), _) => qty.approximate() * each,
            (None, Contract::Linear) => qty.approximate(),
            (None, Contract::Inverse) => qty.approximate() / self.price,
        }
    }

    /// Delta less its target with a quantity of the hedge held.
    fn off(&self, qty: Qty) -> f64 {
        self.delta + self.coins(qty) - self.target
    }

    /// The quantity with which delta is so far from its target.
    fn quantity(&self, off: f64) -> Option<Qty> {
        let coins = self.target + off - self.delta;
        if let Some(each) = self.each {
            let units = Some(coins / each).filter(|_| each.abs() >= LEAST_UNIT)?;
            // None is sold that is not held.
            return Qty::from_estimate(units.max(0.0), Round::Nearest);
        }
        let each = if self.contract == Contract::Inverse { self.price } else { 1.0 };
        Qty::from_estimate(coins * each, Round::Nearest)
    }
}

/// What is held once what was ordered is there: an order on its way is not sent again, nor countered because delta is not there yet.
fn to_be_held(facts: &Facts) -> Qty {
    position(facts) + facts.get(facts::ON_THE_WAY).unwrap_or_default()
}

fn coins(facts: &Facts, coins: f64) -> Arg {
    let shown = Cash::from_estimate(coins, Round::Nearest).unwrap_or_default();
    Arg::Coins(shown, facts.get(facts::COIN).unwrap_or_default())
}

impl Rule for HedgeRule {
    fn name(&self) -> &'static str {
        "delta_hedge"
    }

    fn reads(&self) -> &[FactId] {
        if self.buys_options { OPTION_READS } else { READS }
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, because: &mut Because) -> Verdict {
        let held = to_be_held(facts);
        let stays = Target { base: held, qty: held };
        let Some(seen) = Seen::of((&self.hedge, self.cost, self.buys_options), facts) else {
            let is_flat = self.buys_options && held.is_zero() && facts.get(facts::HEDGED).is_some();
            match is_flat {
                true => because.say("no option is known that it could buy now", []),
                false => because.say("holds {}: the delta of what it hedges is not known now", [Arg::Qty(held)]),
            }
            let outcome = if held.is_zero() { Outcome::Set } else { Outcome::Held };
            return Verdict { target: stays, outcome };
        };
        if facts.get(facts::HEDGED_GROSS).is_some_and(Qty::is_zero) {
            because.say("nothing is held that it hedges", []);
            return Verdict::set(Target::default());
        }
        let off = seen.off(held);
        let numbers = [seen.target + off, seen.band, seen.target].map(|number| coins(facts, number));
        if off.abs() <= seen.band {
            because.say("delta {} is within {} of {}", numbers);
            return Verdict::set(stays);
        }
        let instead = match facts.get(facts::HEDGE_TURN) {
            Some(turn) if turn == Turn::Other.code() => {
                Some("delta {} is more than {} from {}: another instrument costs less")
            }
            Some(turn) if turn == Turn::GivenUp.code() => {
                Some("delta {} is more than {} from {}: giving up what is hedged costs less")
            }
            _ => None,
        };
        if let Some(sentence) = instead {
            because.say(sentence, numbers);
            return Verdict { target: stays, outcome: Outcome::Held };
        }
        let left = match self.hedge.to {
            HedgeTo::Target => 0.0,
            HedgeTo::Edge => seen.band.copysign(off),
        };
        let Some(wanted) = seen.quantity(left) else {
            because.say("delta {} is more than {} from {}: no quantity is that large", numbers);
            return Verdict { target: stays, outcome: Outcome::Unmet };
        };
        because.say("delta {} is more than {} from {}", numbers);
        Verdict::set(Target { base: wanted, qty: wanted })
    }

    /// Inside the band: what is left to its edges is shared by all that moves delta.
    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        // What options do is decided each time: their delta moves with all that they are priced by.
        if self.buys_options {
            return false;
        }
        let held = to_be_held(facts);
        let Some(seen) = Seen::of((&self.hedge, self.cost, self.buys_options), facts) else {
            // Until delta is known nothing else counts; without a price there is nothing to state.
            if facts.raw(facts::HEDGED.id()).is_none() {
                region.free(&[
                    facts::PRICE.id(),
                    facts::HEDGED_GROSS.id(),
                    facts::HEDGED_GAMMA.id(),
                    facts::EQUITY.id(),
                    facts::HEDGE_TURN.id(),
                ]);
                return true;
            }
            return false;
        };
        // Inside the band it is nobody's turn.
        region.free(&[facts::HEDGE_TURN.id()]);
        if !self.bounds_width(facts, region) {
            return false;
        }
        let (Some(delta), Some(gross), Some(price)) =
            (facts.get(facts::HEDGED), facts.get(facts::HEDGED_GROSS), facts.get(facts::PRICE))
        else {
            return false;
        };
        if gross.is_zero() {
            region.within(facts::PRICE.id(), 0, i128::MAX);
            region.within(facts::HEDGED.id(), i128::MIN, i128::MAX);
            return true;
        }
        let off = seen.off(held);
        let seen = if self.is_optimal() { Seen { band: seen.band * NARROWED, ..seen } } else { seen };
        let is_share = matches!(self.hedge.band, Band::OfGross(_));
        let moves_with_price = seen.contract == Contract::Inverse && !held.is_zero();
        let parts = 1.0 + f64::from(u8::from(is_share)) + f64::from(u8::from(moves_with_price));
        // How far down and up delta may go, and how far any of the others.
        let (down, up) = ((seen.band + off) / parts, (seen.band - off) / parts);
        let each = down.min(up);
        if each <= 0.0 {
            return false;
        }
        let raw = |coins: f64| Qty::from_estimate(coins, Round::TowardZero).map(|qty| i128::from(qty.raw()));
        let (Some(down), Some(up)) = (raw(down), raw(up)) else { return false };
        let delta = i128::from(delta.raw());
        region.within(facts::HEDGED.id(), delta - down, delta + up);
        if let Band::OfGross(share) = self.hedge.band {
            let Some(less) = raw(each / share.get()) else { return false };
            // Zero is another answer.
            region.within(facts::HEDGED_GROSS.id(), (i128::from(gross.raw()) - less).max(0), i128::MAX);
        } else {
            region.within(facts::HEDGED_GROSS.id(), 0, i128::MAX);
        }
        if moves_with_price {
            let own = seen.coins(held).abs();
            let price_at = |coins: f64| Price::from_estimate(held.abs().approximate() / coins, Round::Nearest);
            let low = price_at(own + each).map_or(i128::from(price.raw()) - 1, |low| i128::from(low.raw()) + 1);
            let high = match own - each {
                rest if rest > 0.0 => price_at(rest).map_or(i128::MAX, |high| i128::from(high.raw()) - 1),
                _ => i128::MAX,
            };
            region.within(facts::PRICE.id(), low, high);
        } else {
            region.within(facts::PRICE.id(), 0, i128::MAX);
        }
        true
    }
}

/// What is left of an optimal band while its gamma, price and equity each keep to nine tenths of what they are or more: the cube root of
/// 0.9⁴, an inverse contract's equity counted by its price.
const NARROWED: f64 = 0.868;

impl HedgeRule {
    fn is_optimal(&self) -> bool {
        matches!(self.hedge.band, Band::WhalleyWilmott { .. })
    }

    /// States what an optimal band follows from, up to where it is [`NARROWED`]. Where it is none, none of that matters.
    fn bounds_width(&self, facts: &Facts, region: &mut Region) -> bool {
        if !self.is_optimal() {
            region.free(&[facts::HEDGED_GAMMA.id(), facts::EQUITY.id()]);
            return true;
        }
        let known = (facts.get(facts::HEDGED_GAMMA), facts.get(facts::EQUITY), facts.get(facts::PRICE));
        let (Some(gamma), Some(equity), Some(price)) = known else { return false };
        region.within_ratio(facts::HEDGED_GAMMA.id(), gamma.get() * 0.95, None);
        region.within(facts::EQUITY.id(), equity.raw() - equity.raw() / 10, i128::MAX);
        region.within(facts::PRICE.id(), i128::from(price.raw() - price.raw() / 10), i128::MAX);
        true
    }
}

impl Rule for HedgeTrim {
    fn name(&self) -> &'static str {
        "trim"
    }

    fn reads(&self) -> &[FactId] {
        if self.buys_options { OPTION_TRIM_READS } else { TRIM_READS }
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (held, asked) = (to_be_held(facts), proposed.qty);
        let (Some(lot), Some(least), Some(seen)) = (
            facts.get(facts::LOT),
            facts.get(facts::MIN_QTY),
            Seen::of((&self.hedge, self.cost, self.buys_options), facts),
        ) else {
            return Verdict::keep(proposed);
        };
        // Nothing is hedged: all goes. Nothing is to be done: nothing is rounded.
        if proposed == Target::default() || (asked == held && !because.was_cut()) {
            return Verdict::keep(proposed);
        }
        let is_cut = because.is_urgent();
        let near = asked.to_lot(lot, Round::TowardZero);
        // A position under the smallest order cannot be held.
        let near = if near.abs() < least { Qty::ZERO } else { near };
        let far = asked.to_lot(lot, Round::AwayFromZero);
        let far = if far.abs() < least { if far.signum() < 0 { -least } else { least } } else { far };
        let is_nearer = |one: Qty, other: Qty| {
            let (of, than) = (seen.off(one).abs(), seen.off(other).abs());
            // Of two that leave as much, the smaller trade.
            of < than || (of == than && (one - held).abs() < (other - held).abs())
        };
        // A cap bears no more than was asked.
        let rounded = if !is_cut && !asked.is_zero() && is_nearer(far, near) { far } else { near };
        let change = (rounded - held).abs();
        let off = seen.off(rounded);
        let left = coins(facts, seen.target + off);
        if change < least && !rounded.is_zero() && (!is_cut || change.is_zero()) {
            because.say("change {} is under the smallest order {}", [Arg::Qty(change), Arg::Qty(least)]);
            return Verdict { target: Target { qty: held, ..proposed }, outcome: Outcome::Held };
        }
        let target = Target { qty: rounded, ..proposed };
        // Rounding may leave the band by half a lot, or by what no order is small enough for.
        let spare = seen.coins(lot.max(least)).abs() / 2.0 + 1e-8;
        if is_cut && off.abs() > seen.band + spare {
            let numbers = [left, coins(facts, off.abs() - seen.band), Arg::Qty(rounded)];
            because.say(
                "a limit bears a hedge of {}: delta {} is left, {} beyond the band",
                [numbers[2], numbers[0], numbers[1]],
            );
            return Verdict { target, outcome: Outcome::Unmet };
        }
        if same_side(rounded, held) || held.is_zero() || rounded.is_zero() {
            because.say("to the smaller residual, lot {}: delta {} is left", [Arg::Qty(lot), left]);
        } else {
            because.say("to the smaller residual, lot {}: closed first, then {}", [Arg::Qty(lot), Arg::Qty(rounded)]);
        }
        Verdict::set(target)
    }

    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        if self.buys_options {
            return false;
        }
        let is_known = Seen::of((&self.hedge, self.cost, self.buys_options), facts).is_some();
        let rests = proposed.qty == to_be_held(facts) && !because.is_urgent();
        if rests {
            region.free(&[facts::PRICE.id(), facts::HEDGED.id(), facts::HEDGED_GROSS.id()]);
            region.free(&[facts::HEDGED_GAMMA.id(), facts::EQUITY.id()]);
        }
        rests && (is_known || facts.raw(facts::HEDGED.id()).is_none())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use units::{Ratio, Timestamp};

    fn hedge(band: Band, to: HedgeTo) -> Hedge {
        let (instrument, target) = ("deribit:BTC-PERPETUAL".to_owned(), "0.5".parse().unwrap());
        Hedge { instrument, strategies: Vec::new(), target, band, to, choice: None }
    }

    /// Ten basis points, as an optimal band counts them.
    const COST: f64 = 0.001;

    fn facts(contract: Contract, delta: i64, gross: i64, price: i64, held: i64, lot: i64) -> Facts {
        let mut facts = Facts::new(0);
        facts.set_now(Timestamp::from_nanos(1));
        facts.set(facts::CONTRACT, contract);
        facts.set(facts::HEDGED, Qty::from_raw(delta));
        facts.set(facts::HEDGED_GROSS, Qty::from_raw(gross));
        facts.set(facts::PRICE, Price::from_raw(price * Price::ONE));
        facts.set(facts::POSITION, Qty::from_raw(held * lot));
        facts.set(facts::LOT, Qty::from_raw(lot));
        facts.set(facts::MIN_QTY, Qty::from_raw(lot));
        facts
    }

    fn decide(rules: &[Box<dyn Rule>], facts: &Facts) -> Target {
        let mut because = Because::default();
        because.clear();
        crate::evaluate(rules, facts, &mut because)
    }

    fn rules(hedge: &Hedge) -> Vec<Box<dyn Rule>> {
        vec![
            Box::new(HedgeRule { hedge: hedge.clone(), cost: COST, buys_options: false }),
            Box::new(HedgeTrim { hedge: hedge.clone(), cost: COST, buys_options: false }),
        ]
    }

    /// Against a search over all quantities of the grid: inside the band nothing moves; beyond it, of all lots, what is held leaves delta
    /// nearest to the target, or is the smallest change that leaves it inside the band. What a region passes over decides the same.
    #[test]
    fn it_is_the_best_of_all_lots() {
        let mut seed = 11_u64;
        let mut random = |most: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % most as u64) as i64
        };
        let (mut inside, mut moved, mut passed) = (0, 0, 0);
        for _ in 0..4_000 {
            let contract = if random(2) == 0 { Contract::Linear } else { Contract::Inverse };
            // Lots of 0.1 coins, and of 10 dollars at 90 to 110 dollars a coin.
            let lot = if contract == Contract::Linear { Qty::ONE / 10 } else { 10 * Qty::ONE };
            let to = if random(2) == 0 { HedgeTo::Edge } else { HedgeTo::Target };
            let gross = 1 + random(3 * Qty::ONE);
            let band = match random(3) {
                0 => Band::Coins(Qty::from_raw(Qty::ONE / 5 + random(Qty::ONE))),
                1 => Band::OfGross(Ratio::new((20 + random(80)) as f64 / 100.0).unwrap()),
                _ => Band::WhalleyWilmott { risk_aversion: Ratio::new(1.0 + random(20) as f64).unwrap() },
            };
            let hedge = hedge(band, to);
            let rules = rules(&hedge);
            let (delta, price, held) = (random(6 * Qty::ONE) - 3 * Qty::ONE, 90 + random(20), random(40) - 20);
            let mut known = facts(contract, delta, gross, price, held, lot);
            // A thousandth to a tenth of a coin for a dollar, and 100,000 dollars or 1,000 coins.
            let (gamma, equity) =
                ((1 + random(100)) as f64 / 1_000.0, 1_000 * if contract == Contract::Linear { 100 } else { 1 });
            known.set(facts::HEDGED_GAMMA, Ratio::new(gamma).unwrap());
            known.set(facts::EQUITY, Cash::from_raw(i128::from(equity) * Cash::ONE));
            let width = match band {
                Band::Coins(coins) => coins.approximate(),
                Band::OfGross(share) => share.get() * Qty::from_raw(gross).approximate(),
                // The first-order condition of the expected utility: 2 λ w³ = 3 k S Γ².
                Band::WhalleyWilmott { risk_aversion } => {
                    let dollars = if contract == Contract::Linear { 1e5 } else { 1e3 * price as f64 };
                    let cost = 3.0 * COST * price as f64 * gamma * gamma;
                    units::math::exp(units::math::ln(cost / (2.0 * risk_aversion.get() / dollars)) / 3.0)
                }
            };
            let off = |lots: i64, known: &Facts| {
                let (qty, price) =
                    (Qty::from_raw(lots * lot).approximate(), known.get(facts::PRICE).unwrap().approximate());
                let own = if contract == Contract::Linear { qty } else { qty / price };
                known.get(facts::HEDGED).unwrap().approximate() + own - 0.5
            };
            let target = decide(&rules, &known).qty.raw();
            assert_eq!(target % lot, 0);
            let found = target / lot;
            if off(held, &known).abs() <= width {
                assert_eq!(found, held);
                inside += 1;
            } else {
                moved += 1;
                let all = || -80..=80_i64;
                let nearest = all().map(|lots| off(lots, &known).abs()).fold(f64::INFINITY, f64::min);
                let ends_inside = all().any(|lots| off(lots, &known).abs() <= width);
                if to == HedgeTo::Target || !ends_inside {
                    let half = if contract == Contract::Linear { 0.05 } else { 5.0 / price as f64 };
                    assert!(off(found, &known).abs() <= nearest.max(half) + 1e-7, "{found}");
                } else {
                    let least =
                        all().filter(|lots| off(*lots, &known).abs() <= width + 1e-8).map(|lots| (lots - held).abs());
                    assert_eq!((found - held).abs(), least.min().unwrap(), "{held} to {found}");
                }
            }
            // Inside the region of a decision that changes nothing, so does every other.
            let (mut region, mut because) = (Region::default(), Because::default());
            let settled = crate::evaluate_asking(&rules, &known, &mut because, &mut region);
            if settled.qty != Qty::from_raw(held * lot) || !region.is_known() {
                continue;
            }
            region.put_in_force(&mut known);
            for _ in 0..20 {
                let scale = [1_000, 1_000_000, Qty::ONE / 20, Qty::ONE / 3][random(4) as usize];
                known.set(facts::HEDGED, Qty::from_raw(delta + random(2 * scale) - scale));
                known.set(facts::HEDGED_GROSS, Qty::from_raw((gross + random(2 * scale) - scale).max(0)));
                known.set(facts::PRICE, Price::from_raw(price * Price::ONE + random(2 * scale) - scale));
                known.set(facts::HEDGED_GAMMA, Ratio::new(gamma * (0.9 + random(200) as f64 / 1_000.0)).unwrap());
                let moved = i128::from(equity * (850 + random(300))) * Cash::ONE / 1_000;
                known.set(facts::EQUITY, Cash::from_raw(moved));
                if region.holds(&known) {
                    passed += 1;
                    assert_eq!(decide(&rules, &known), settled);
                }
            }
        }
        assert!(inside > 500 && moved > 1_000 && passed > 2_000, "{inside} {moved} {passed}");
    }

    #[test]
    fn without_anything_to_hedge_it_goes() {
        let rules = rules(&hedge(Band::Coins("0.2".parse().unwrap()), HedgeTo::Edge));
        let known = facts(Contract::Linear, 0, 0, 100, 3, Qty::ONE / 10);
        assert_eq!(decide(&rules, &known).qty, Qty::ZERO, "whatever the target");
        let mut unknown = known.clone();
        unknown.put(facts::HEDGED, None);
        assert_eq!(decide(&rules, &unknown).qty, "0.3".parse().unwrap(), "and stays while that is not known");
    }
}
