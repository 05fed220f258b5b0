//! The price at which a position is liquidated.

use crate::TierTable;
use market::Position;
use units::{Cash, Price, Rate};

/// The price at which equity meets maintenance margin, while all else in the account stands still: a long is
/// liquidated at it and under, a short at it and over. `other_equity` is the account's equity without this position's
/// profit and without what its other positions need as maintenance margin.
///
/// Exact to the last unit of a price, rounded to the side that liquidates earlier. `None`: no price liquidates it
/// (flat, or a long that the account could pay in full). [`Price::MAX`] for a long, [`Price::ZERO`] for a short: every
/// price does.
///
/// *Why the tiers need no search.* Maintenance margin is convex in notional: the largest of the tiers' lines
/// `|q| p r_k − d_k`. So `equity(p) − maintenance(p)` is the smallest of `other − cost + q p − |q| p r_k + d_k`, each
/// of which rises with p for a long (r ≤ 1) and falls for a short. It is at least zero where all of them are: for a
/// long from the largest of the tiers' roots on, for a short up to the smallest.
#[must_use]
pub fn liquidation_price(position: Position, other_equity: Cash, table: &TierTable) -> Option<Price> {
    let base = other_equity.raw() - position.cost.raw();
    let lines = table
        .tiers()
        .iter()
        .zip(table.deductions())
        .map(|(tier, deduction)| (tier.maintenance, base + deduction.raw()));
    match position.qty.raw() {
        0 => None,
        qty if qty > 0 => {
            Some(lines.map(|(rate, money)| long_root(qty, rate, money)).max()?).filter(|price| *price > 0)
        }
        qty => Some(lines.map(|(rate, money)| short_root(qty.unsigned_abs(), rate, money)).min()?)
            .filter(|price| *price < i64::MAX),
    }
    .map(Price::from_raw)
}

/// The least price p ≥ 0 with `money + qty p (1 − rate) ≥ 0`.
fn long_root(qty: i64, rate: Rate, money: i128) -> i64 {
    if money >= 0 {
        return 0;
    }
    let kept = (Rate::ONE - rate.raw()) as u128;
    match scaled_quotient(money.unsigned_abs(), qty.unsigned_abs().into(), kept) {
        Some((root, rest)) => saturated(root).saturating_add(i64::from(rest)),
        None => i64::MAX,
    }
}

/// The largest price p ≥ 0 with `money − qty p (1 + rate) ≥ 0`; zero if there is none.
fn short_root(qty: u64, rate: Rate, money: i128) -> i64 {
    if money <= 0 {
        return 0;
    }
    let owed = (Rate::ONE + rate.raw()) as u128;
    scaled_quotient(money.unsigned_abs(), qty.into(), owed).map_or(i64::MAX, |(root, _)| saturated(root))
}

fn saturated(root: u128) -> i64 {
    i64::try_from(root).unwrap_or(i64::MAX)
}

/// `money × 1e12 ÷ (qty × rate)` toward zero, and whether something was left over. `None` beyond any price, or over zero.
///
/// Long division by six digits at a time: the divisor is under 2^63 × 2e12 < 2e31, so a remainder times 1e6 fits.
fn scaled_quotient(money: u128, qty: u128, rate: u128) -> Option<(u128, bool)> {
    const DIGITS: u128 = 1_000_000;
    let divisor = qty * rate;
    if divisor == 0 {
        return None;
    }
    let (mut quotient, mut rest) = (money / divisor, money % divisor);
    for _ in 0..2 {
        let next = rest * DIGITS;
        quotient = quotient.checked_mul(DIGITS)?.checked_add(next / divisor)?;
        rest = next % divisor;
    }
    Some((quotient, rest > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tier;
    use units::{Notional, Qty};

    fn position(qty: &str, entry: &str) -> Position {
        let (qty, entry): (Qty, Price) = (qty.parse().unwrap(), entry.parse().unwrap());
        Position { qty, cost: entry * qty }
    }

    fn flat_table(maintenance: &str) -> TierTable {
        let maintenance: Rate = maintenance.parse().unwrap();
        TierTable::new(vec![Tier { floor: Notional::ZERO, initial: maintenance, maintenance }]).unwrap()
    }

    fn solvent(position: Position, other: Cash, table: &TierTable, price: i64) -> bool {
        let price = Price::from_raw(price);
        other + position.profit(price) >= table.maintenance_margin(price * position.qty)
    }

    /// Brute force: on both sides of the reported price the account is what it should be, and the smallest or largest
    /// solvent price found by bisection over all prices is the same.
    fn check(position: Position, other: Cash, table: &TierTable) -> Option<Price> {
        let long = position.qty.raw() > 0;
        let (mut dead, mut alive) = if long { (0, i64::MAX) } else { (i64::MAX, 0) };
        let found = liquidation_price(position, other, table);
        if long && solvent(position, other, table, 1) {
            assert!(found.is_none_or(|price| price.raw() == 1), "{position:?} {other} {found:?}");
            return found;
        }
        if !solvent(position, other, table, alive) {
            assert_eq!(found.map(Price::raw), Some(alive), "{position:?} {other}");
            return found;
        }
        while (i128::from(dead) - i128::from(alive)).abs() > 1 {
            let middle = alive + (dead - alive) / 2;
            *(if solvent(position, other, table, middle) { &mut alive } else { &mut dead }) = middle;
        }
        assert_eq!(found.map(Price::raw), (alive < i64::MAX).then_some(alive), "{position:?} {other}");
        found
    }

    #[test]
    fn by_hand() {
        let table = flat_table("0.05");
        let at = |qty, entry, other: &str| {
            let found = check(position(qty, entry), other.parse().unwrap(), &table);
            found.map(|price| price.to_string())
        };
        assert_eq!(at("1", "100", "10").as_deref(), Some("94.73684211"), "90 / 0.95, up");
        assert_eq!(at("-1", "100", "10").as_deref(), Some("104.76190476"), "110 / 1.05, down");
        assert_eq!(at("1", "100", "100"), None, "paid in full");
        assert_eq!(at("1", "100", "101"), None);
        assert_eq!(liquidation_price(Position::default(), Cash::MAX, &table), None, "flat");
        assert_eq!(at("-1", "100", "-100").as_deref(), Some("0"), "a short beyond saving");
        let rate_one = flat_table("1");
        assert_eq!(liquidation_price(position("1", "100"), Cash::ZERO, &rate_one), Some(Price::MAX));
        assert_eq!(liquidation_price(position("-0.00000001", "100"), Cash::MAX.scale(4), &table), None);
    }

    trait Scale {
        fn scale(self, by: i128) -> Self;
    }

    impl Scale for Cash {
        fn scale(self, by: i128) -> Self {
            Self::from_raw(self.raw() / by)
        }
    }

    /// Random positions of all sizes against the bisection; asserts that every tier and both `None`s were met.
    #[test]
    fn is_the_root_in_every_tier() {
        let table = TierTable::for_symbol("binance:BTCUSDT-PERP");
        let (mut seed, mut met, mut none) = (11_u64, vec![0; table.tiers().len()], 0);
        let mut random = |range: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % range
        };
        for _ in 0..20_000 {
            let size = 10_i64.pow(random(8) as u32) * (random(99) as i64 + 1) * 100_000;
            let qty = Qty::from_raw(if random(2) == 0 { size } else { -size });
            let entry = Price::from_raw(random(15_000_000) as i64 * 1_000_000 + 1);
            let here = Position { qty, cost: entry * qty };
            let leverage = random(120) as i128 + 1;
            let other =
                Cash::from_raw((entry * qty).raw().abs() * 10 / (leverage * 10 - 5) + i128::from(random(1_000_000)));
            let Some(price) = check(here, other, &table) else {
                none += 1;
                continue;
            };
            let tier = table.tiers().iter().rposition(|tier| tier.floor <= (price * qty).abs());
            met[tier.unwrap()] += 1;
        }
        assert!(none > 50 && met.iter().all(|count| *count > 50), "coverage: none {none}, by tier {met:?}");
    }

    #[test]
    fn extremes_do_not_overflow() {
        let table = TierTable::for_symbol("generic");
        let largest = Position { qty: Qty::MAX, cost: Price::MAX * Qty::MAX };
        assert!(liquidation_price(largest, Cash::from_raw(i128::MAX / 4), &table).is_some());
        let short = Position { qty: -Qty::MAX, cost: -(Price::MAX * Qty::MAX) };
        assert!(liquidation_price(short, Cash::ZERO, &table).is_some());
    }
}
