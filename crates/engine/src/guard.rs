//! The protective stop must lie inside the liquidation price by a margin, else the size is cut until it does.

use policy::facts::{self, FactId, Facts};
use policy::{Add, Arg, Because, Rule, Target, Verdict};
use risk::TierTable;
use units::{Cash, Price, Qty, Ratio, Round};

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
        let (Some(equity), Some(price), Some(lot)) =
            (facts.get(facts::EQUITY), facts.get(facts::PRICE), facts.get(facts::LOT))
        else {
            return Verdict::keep(proposed);
        };
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        let side = if proposed.qty.is_zero() { held } else { proposed.qty };
        let Some((stop, guarded)) = self.guarded_price(facts, price, side) else {
            return Verdict::keep(proposed);
        };
        let contract = facts.get(facts::CONTRACT).unwrap_or_default();
        let survives = |qty: Qty, entry: Price, equity: Cash| {
            let there = equity + contract.profit(qty, entry, guarded);
            there >= self.tiers.maintenance_margin(contract.exposure(guarded, qty))
        };
        let add = because.add().filter(|add| {
            let Add { trigger, qty, .. } = *add;
            // Up to the trigger the held part has moved equity already.
            let there = equity + contract.profit(held, price, trigger);
            let fits = survives(held + qty, trigger, there);
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
}

impl LiquidationGuard {
    /// The stop, and the price beyond it that must not be liquidated yet.
    fn guarded_price(&self, facts: &Facts, price: Price, side: Qty) -> Option<(Price, Price)> {
        let planned = || {
            let distance = self.initial_stop?.get() * facts.get(facts::UNIT)?.approximate();
            policy::initial_stop(price, distance, side, facts.get(facts::TICK)?)
        };
        let stop = facts.get(facts::STOP).or_else(planned).unwrap_or(price);
        let beyond = if side.signum() >= 0 { 1.0 - self.distance.get() } else { 1.0 + self.distance.get() };
        let guarded = Price::from_estimate(stop.approximate() * beyond, Round::TowardZero)?;
        (guarded.raw() > 0).then_some((stop, guarded))
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
