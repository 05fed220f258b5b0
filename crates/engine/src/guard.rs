//! The protective stop must lie inside the liquidation price by a margin, else the size is cut until it does.

use policy::facts::{self, FactId, Facts};
use policy::{Add, Arg, Because, Region, Rule, Target, Verdict};
use risk::{Size, TierTable};
use units::{Cash, Price, Qty, Ratio, Round, Timestamp};

/// Cuts the position until equity still covers the venue's maintenance margin at a price beyond the stop by `distance`.
/// Without a stop it guards that distance from the present price.
///
/// It lives here and not among the policy's rules because margin lives in `risk` and `policy` knows no venue.
#[derive(Debug, Clone)]
pub struct LiquidationGuard {
    /// The venue's tiers for the instrument.
    pub tiers: TierTable,
    /// Share of the price.
    pub distance: Ratio,
    /// Distance of the initial stop in N, for positions not open yet.
    pub initial_stop: Option<Ratio>,
}

const READS: &[FactId] = &[
    facts::EQUITY.id(),
    facts::MARGIN_EQUITY.id(),
    facts::BESIDE.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::STOP.id(),
    facts::UNIT.id(),
    facts::LOT.id(),
    facts::TICK.id(),
    facts::CONTRACT.id(),
];

impl Rule for LiquidationGuard {
    fn name(&self) -> &'static str {
        "liquidation_distance"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (Some(equity), Some(price), Some(lot)) = (
            facts.get(facts::MARGIN_EQUITY).or_else(|| facts.get(facts::EQUITY)),
            facts.get(facts::PRICE),
            facts.get(facts::LOT),
        ) else {
            return Verdict::keep(proposed);
        };
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        let side = if proposed.qty.is_zero() { held } else { proposed.qty };
        let Some((stop, guarded)) = self.guarded_price(facts, price, side) else {
            return Verdict::keep(proposed);
        };
        let contract = facts.get(facts::CONTRACT).unwrap_or_default();
        // The venue liquidates the account's net: what other strategies hold beside it falls with it.
        let beside = facts.get(facts::BESIDE).unwrap_or(Qty::ZERO);
        let beside = if side.signum() < 0 { -beside } else { beside };
        let survives = |qty: Qty, entry: Price, equity: Cash| {
            let there = equity + contract.profit(qty + beside, entry, guarded);
            there >= self.tiers.maintenance_margin(Size::at(contract, guarded, qty + beside))
        };
        let add = because.add().filter(|add| {
            let Add { at, qty, .. } = *add;
            // Up to there the held part has moved equity already.
            let there = equity + contract.profit(held + beside, price, at);
            let fits = survives(held + qty, at, there);
            if !fits {
                because.refused_add(
                    *add,
                    "unit {} refused: the venue would liquidate before {} beyond the stop {}",
                    [Arg::Count(add.unit), Arg::Percent(self.distance.get()), Arg::Price(stop)],
                );
            }
            fits
        });
        because.set_add(add);
        let whole = proposed.qty;
        if whole.is_zero() || survives(whole, price, equity) {
            let shrinks = whole.signum() == held.signum() && whole.abs() < held.abs();
            if shrinks && !survives(held, price, equity) {
                because.cannot_wait();
            }
            return Verdict::keep(proposed);
        }
        let kept =
            largest(whole.abs(), lot, |qty| survives(if whole.signum() < 0 { -qty } else { qty }, price, equity));
        because.say(
            "the stop {} must lie {} inside the liquidation price: cut to {}",
            [Arg::Price(stop), Arg::Percent(self.distance.get()), Arg::Qty(kept)],
        );
        Verdict::cut(Target { qty: if whole.signum() < 0 { -kept } else { kept }, ..proposed })
    }

    /// While all that is held and wanted survives beyond the stop in force, or beyond the price where the policy has none: price and equity
    /// may each take a part of what is over the maintenance margin there.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        region.rest();
        let (held, add) = (facts.get(facts::POSITION).unwrap_or(Qty::ZERO), because.add());
        if held.is_zero() && proposed.qty.is_zero() && add.is_none() {
            region.free(&READS_WHEN_HELD);
            return true;
        }
        self.quiet_with(facts, (held, proposed.qty), add, region).is_some()
    }
}

/// What it looks at only where something is held or wanted.
const READS_WHEN_HELD: [FactId; 6] = [
    facts::EQUITY.id(),
    facts::MARGIN_EQUITY.id(),
    facts::BESIDE.id(),
    facts::PRICE.id(),
    facts::STOP.id(),
    facts::UNIT.id(),
];

impl LiquidationGuard {
    /// The part of [`Rule::quiet`] for a position, and an add that rests. `None`: nothing is stated.
    fn quiet_with(
        &self,
        facts: &Facts,
        (held, whole): (Qty, Qty),
        add: Option<Add>,
        region: &mut Region,
    ) -> Option<()> {
        let price = facts.get(facts::PRICE)?;
        // A stop that is only planned moves with more than the price, and beyond the price an add has no one way to move.
        if facts.get(facts::STOP).is_none() && (self.initial_stop.is_some() || add.is_some()) {
            return None;
        }
        let told = if facts.get(facts::MARGIN_EQUITY).is_some() { facts::MARGIN_EQUITY } else { facts::EQUITY };
        let equity = facts.get(told)?;
        let side = if whole.is_zero() { held } else { whole };
        let contract = facts.get(facts::CONTRACT).unwrap_or_default();
        let beside = facts.get(facts::BESIDE).unwrap_or(Qty::ZERO);
        let beside = if side.signum() < 0 { -beside } else { beside };
        let left = |qty: Qty, entry: Price, equity: Cash, guarded: Price| {
            let margin = self.tiers.maintenance_margin(Size::at(contract, guarded, qty + beside));
            equity + contract.profit(qty + beside, entry, guarded) - margin
        };
        let shrinks = whole.signum() == held.signum() && whole.abs() < held.abs();
        // The least of what has to be left: each rises with equity, and moves one way with the price.
        let spare = |equity: Cash, price: Price| {
            let (_, guarded) = self.guarded_price(facts, price, side)?;
            let whole = (!whole.is_zero()).then(|| left(whole, price, equity, guarded));
            let held_too = shrinks.then(|| left(held, price, equity, guarded));
            let added = add.map(|Add { at, qty, .. }| {
                left(held + qty, at, equity + contract.profit(held + beside, price, at), guarded)
            });
            [whole, held_too, added].into_iter().flatten().min()
        };
        let now = spare(equity, price)?;
        let part = now.approximate() / 4.0;
        let largest = Qty::from_raw(held.abs().max(whole.abs()).raw().saturating_add(beside.abs().raw()));
        let exposed = contract.approximate_exposure(price, largest) / price.approximate();
        let most = price.approximate() / 2.0;
        let width = if exposed > 0.0 { (part / exposed).min(most) } else { most };
        let width = Price::from_estimate(width, Round::TowardZero)?;
        let worst = equity - Cash::from_estimate(part, Round::TowardZero)?;
        let ends = [price - width, price + width];
        if !ends.iter().all(|end| end.raw() > 0 && spare(worst, *end).is_some_and(|spare| spare.signum() >= 0)) {
            return None;
        }
        region.free(&[facts::EQUITY.id(), facts::UNIT.id()]);
        region.within(told.id(), worst.raw(), i128::MAX);
        region.within(facts::PRICE.id(), ends[0].raw().into(), ends[1].raw().into());
        Some(())
    }

    /// The stop, and the price beyond it that must not be liquidated yet.
    fn guarded_price(&self, facts: &Facts, price: Price, side: Qty) -> Option<(Price, Price)> {
        let planned = || {
            let distance = self.initial_stop?.get() * facts.get(facts::UNIT)?.approximate();
            policy::initial_stop(price, distance, side, facts.get(facts::TICK)?, false)
        };
        let stop = facts.get(facts::STOP).or_else(planned).unwrap_or(price);
        let beyond = if side.signum() >= 0 { 1.0 - self.distance.get() } else { 1.0 + self.distance.get() };
        let guarded = Price::from_estimate(stop.approximate() * beyond, Round::TowardZero)?;
        (guarded.raw() > 0).then_some((stop, guarded))
    }
}

/// Spot is paid in full and cannot be sold short.
#[derive(Debug, Clone, Copy)]
pub struct SpotRule;

impl Rule for SpotRule {
    fn name(&self) -> &'static str {
        "spot"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[facts::FUNDS.id(), facts::PRICE.id(), facts::POSITION.id(), facts::LOT.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        if proposed.qty.signum() < 0 {
            because.say("spot: nothing can be sold that is not held, so {} becomes flat", [Arg::Qty(proposed.qty)]);
            return Verdict::cut(Target { qty: Qty::ZERO, ..proposed });
        }
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        let (Some(funds), Some(price), Some(lot)) =
            (facts.get(facts::FUNDS), facts.get(facts::PRICE), facts.get(facts::LOT))
        else {
            return Verdict::keep(proposed);
        };
        // Fees, spread and a moving price take their part of what is paid with.
        let pays = |share: f64| {
            let paid = Cash::from_estimate(funds.approximate() * share, Round::TowardZero)?;
            paid.notional().qty_at(price, Round::TowardZero)
        };
        let most = held + pays(1.0 - RESERVE).unwrap_or(Qty::ZERO).max(Qty::ZERO).to_lot(lot, Round::TowardZero);
        let add = because.add().map(|add| {
            let free = (most - held.max(proposed.qty)).max(Qty::ZERO);
            Add { qty: add.qty.min(free.to_lot(lot, Round::TowardZero)), ..add }
        });
        because.set_add(add.filter(|add| !add.qty.is_zero()));
        if proposed.qty <= most || proposed.qty <= held {
            return Verdict::keep(proposed);
        }
        because.say("spot is paid in full: {} of cash buy up to {}", [Arg::Cash(funds), Arg::Qty(most)]);
        Verdict::cut(Target { qty: most, ..proposed })
    }

    /// While nothing more is bought and no add rests, money and price do not matter.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        region.rest();
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        let buys = proposed.qty.signum() >= 0 && (because.add().is_some() || proposed.qty > held);
        let are_known = [facts::FUNDS.id(), facts::PRICE.id()].into_iter().all(|fact| facts.raw(fact).is_some());
        if !buys && are_known {
            region.within(facts::FUNDS.id(), i128::MIN, i128::MAX);
            region.within(facts::PRICE.id(), i128::MIN, i128::MAX);
        }
        !buys && are_known
    }
}

/// What of the cash a purchase leaves for fees, spread and a price that moves until it is carried out.
pub(crate) const RESERVE: f64 = 0.01;

/// Nothing is held or opened beyond a contract's expiry.
#[derive(Debug, Clone, Copy)]
pub struct ExpiryRule {
    /// When it is settled.
    pub expiry: Timestamp,
}

impl Rule for ExpiryRule {
    fn name(&self) -> &'static str {
        "expiry"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[facts::NOW.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        if facts.now() < self.expiry {
            return Verdict::keep(proposed);
        }
        because.set_add(None);
        if proposed.qty.is_zero() {
            return Verdict::keep(proposed);
        }
        because.say("the contract expired at {}", [Arg::Time(self.expiry)]);
        Verdict::cut(Target { qty: Qty::ZERO, ..proposed })
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        if facts.now() < self.expiry {
            region.within(facts::NOW.id(), i128::MIN, self.expiry.nanos().into());
        } else {
            region.free(&[facts::NOW.id()]);
        }
        true
    }
}

/// The largest whole number of lots up to `most` that fits; fitting never returns once lost.
fn largest(most: Qty, lot: Qty, fits: impl Fn(Qty) -> bool) -> Qty {
    let (mut low, mut high) = (0, most.raw() / lot.raw());
    while low < high {
        let middle = low + (high - low + 1) / 2;
        if fits(Qty::from_raw(middle * lot.raw())) { low = middle } else { high = middle - 1 }
    }
    Qty::from_raw(low * lot.raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::Contract;

    /// 10 % beyond 100,000 there are 1,000,000 − 10,000 q left of q coins bought, and Deribit wants 90,000 q (1 % + 0.005 % q); of a short
    /// 110,000 q (1 % + 0.005 % q).
    #[test]
    fn rates_that_grow_with_the_coins_cut_sooner() {
        let tiers = risk::venues::tiers_of(
            "deribit:BTC_USDC-PERPETUAL",
            Contract::Linear,
            ("BTC".parse().unwrap(), "USDC".parse().unwrap()),
        );
        let guard = LiquidationGuard { tiers, distance: Ratio::new(0.1).unwrap(), initial_stop: None };
        let mut facts = Facts::new(0);
        facts.set_now("2025-10-10".parse().unwrap());
        facts.set(facts::EQUITY, "1000000".parse().unwrap());
        facts.set(facts::PRICE, "100000".parse().unwrap());
        facts.set(facts::LOT, "0.001".parse().unwrap());
        for (asked, guarded) in [("200", 90_000.0), ("-200", 110_000.0)] {
            let asked: Qty = asked.parse().unwrap();
            let mut because = Because::default();
            because.begin(0, asked);
            let kept = guard.evaluate(&facts, Target { base: asked, qty: asked }, &mut because).target.qty;
            let (square, line) = (guarded * 0.00005, guarded * 0.01 + 10_000.0);
            let root = (f64::sqrt(line * line + 4.0 * square * 1_000_000.0) - line) / (2.0 * square);
            let lots = (root * 1_000.0).floor() as i64 * 100_000;
            assert_eq!(kept.raw(), lots * asked.signum(), "{root}");
        }
    }
}
