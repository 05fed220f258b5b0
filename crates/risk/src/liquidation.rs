//! How far an account is from being liquidated: the price at which a position is, exactly; the boundaries of any account over price or
//! volatility; how likely they are touched; how leverage changes; how long it takes to get out.

mod boundaries;
mod exit;
mod touch;

pub use boundaries::{Boundaries, BoundariesError, Boundary, Search, boundaries};
pub use exit::{ExitError, Exposed, LeverageRatio, time_to_exit};
pub use touch::{Drift, Path, TouchError};

use crate::{Size, TierTable};
use market::Position;
use units::math::sqrt;
use units::{Cash, Contract, Notional, Price, Qty, Rate};

/// The price at which equity meets maintenance margin, while all else in the account stands still: a long is
/// liquidated at it and under, a short at it and over. `other_equity` is the account's equity without this position's
/// profit and without what its other positions need as maintenance margin.
///
/// Exact to the last unit of a price, rounded to the side that liquidates earlier. `None`: no price liquidates it
/// (flat, a long that the account could pay in full, or an inverse short whose coin is all there: a synthetic dollar).
/// [`Price::MAX`] for a long, [`Price::ZERO`] for a short: every price does.
///
/// *Why the tiers need no search.* Maintenance margin is convex in notional: the largest of the tiers' lines
/// `n r_k − d_k`. So `equity − maintenance` is the smallest of as many lines. In a linear contract they are
/// `other − cost + q p − |q| p r_k + d_k` in the price p, each rising with p for a long (r ≤ 1) and falling for a short;
/// it is at least zero where all of them are: for a long from the largest of the tiers' roots on, for a short up to the
/// smallest. In an inverse one they are lines in the coin value v = |q| ÷ p, in which a long is short: its v may grow up
/// to the smallest root, a short's v may fall to the largest, and the price follows from v, which is a whole number of
/// units.
///
/// Where rates grow with the coins, those of a linear position stay what they are at every price, and the lines are straight; those of an
/// inverse one are parabolas. Either root is looked for around where they have it, by the margin itself, to the same last unit.
/// An inverse short so large that half of it would be asked for (9,900 coins at Deribit) is liquidated by falling prices as well, and a
/// linear long of which more than the whole would be (19,800 BTC) by rising ones: see [`liquidation_beyond`].
#[must_use]
pub fn liquidation_price(
    contract: Contract,
    position: Position,
    other_equity: Cash,
    table: &TierTable,
) -> Option<Price> {
    let base = other_equity.raw() - position.cost.raw();
    if table.growth() != Rate::ZERO {
        return match (contract, position.qty.raw()) {
            (_, 0) => None,
            (Contract::Linear, _) => grown_price(position.qty, base, table),
            (Contract::Inverse, qty) if qty > 0 => Some(price_over(qty, grown_coin(-1, base, table))),
            (Contract::Inverse, qty) => price_up_to(qty.unsigned_abs(), grown_coin(1, base, table)),
        }
        .map(Price::from_raw);
    }
    let lines = table
        .tiers()
        .iter()
        .zip(table.deductions())
        .map(|(tier, deduction)| (tier.maintenance, base + deduction.raw()));
    match (contract, position.qty.raw()) {
        (_, 0) => None,
        (Contract::Linear, qty) if qty > 0 => {
            Some(lines.map(|(rate, money)| long_root(qty, rate, money)).max()?).filter(|price| *price > 0)
        }
        (Contract::Linear, qty) => Some(lines.map(|(rate, money)| short_root(qty.unsigned_abs(), rate, money)).min()?)
            .filter(|price| *price < i64::MAX),
        (Contract::Inverse, qty) if qty > 0 => Some(price_over(qty, lines.map(most_coin).min()?)),
        (Contract::Inverse, qty) => price_up_to(qty.unsigned_abs(), lines.map(least_coin).max()?),
    }
    .map(Price::from_raw)
}

/// The price on the other side that liquidates too, where rates grow with the coins. Arguments are those of [`liquidation_price`]. A linear
/// long so large that more than all of its value is asked for is liquidated at it and over, an inverse short of which half would be at it
/// and under.
///
/// Exact to the last unit of a price as the other is. `None`: no price there liquidates, or every price does.
#[must_use]
pub fn liquidation_beyond(
    contract: Contract,
    position: Position,
    other_equity: Cash,
    table: &TierTable,
) -> Option<Price> {
    const MOST: i128 = i64::MAX as i128;
    let (base, qty) = (other_equity.raw() - position.cost.raw(), position.qty);
    let (rate, growth) = (table.tiers()[0].maintenance.approximate(), table.growth().approximate());
    if growth == 0.0 {
        return None;
    }
    let found = match contract {
        Contract::Linear => {
            let coins = qty.approximate();
            let over = rate + growth * coins - 1.0;
            if coins <= 0.0 || over <= 0.0 || base < 0 {
                return None;
            }
            let guess = (base as f64 / Cash::ONE as f64 / (coins * over) * Price::ONE as f64) as i128;
            let last = last_where(guess, MOST, |price| lives_at(price, qty, base, table));
            (0..MOST).contains(&last).then_some(last as i64)?
        }
        Contract::Inverse => {
            let unit = Cash::ONE as f64;
            // From there on more coin leaves less.
            let top = (0.5 * (1.0 - rate) / growth * unit) as i128;
            if qty.raw() >= 0 || coin_left(1, top, base, table) < 0 {
                return None;
            }
            let half = 0.5 * (1.0 - rate) / growth;
            let root = half + sqrt(half * half + base as f64 / unit / growth);
            // A coin value that no price makes is over the largest by far.
            let most = top.saturating_mul(1_000_000).max((root * unit * 2.0) as i128);
            let last =
                last_where((root * unit) as i128, most, |coin| coin <= top || coin_left(1, coin, base, table) >= 0);
            price_over(qty.raw(), last)
        }
    };
    (0 < found && found < i64::MAX).then(|| Price::from_raw(found))
}

/// The largest whole coin value v with `money − v (1 + rate) ≥ 0`; negative if there is none.
fn most_coin((rate, money): (Rate, i128)) -> i128 {
    let owed = i128::from(Rate::ONE + rate.raw());
    if money < 0 { -1 } else { scaled_part(money, owed).map_or(i128::MAX, |(root, _)| root) }
}

/// The least whole coin value v ≥ 0 with `money + v (1 − rate) ≥ 0`; the largest number if there is none.
fn least_coin((rate, money): (Rate, i128)) -> i128 {
    let kept = i128::from(Rate::ONE - rate.raw());
    if money >= 0 {
        return 0;
    }
    let root = money.checked_neg().and_then(|missing| scaled_part(missing, kept));
    root.map_or(i128::MAX, |(root, rest)| root.saturating_add(i128::from(rest)))
}

/// As [`long_root`] and [`short_root`] of all tiers, where the rates grow with the coins.
fn grown_price(qty: Qty, money: i128, table: &TierTable) -> Option<i64> {
    const MOST: i128 = i64::MAX as i128;
    let lives = |price: i128| lives_at(price, qty, money, table);
    let coins = qty.abs().approximate();
    let rate = table.tiers()[0].maintenance.approximate() + table.growth().approximate() * coins;
    let sides = if qty.raw() > 0 { 1.0 - rate } else { 1.0 + rate };
    // Of a first tier, which is what the venues have whose rates grow; `as` saturates.
    let guess = (money.unsigned_abs() as f64 / Cash::ONE as f64 / (coins * sides) * Price::ONE as f64) as i128;
    if qty.raw() < 0 {
        let last = last_where(guess, MOST, lives).max(0);
        return (last < MOST).then_some(last as i64);
    }
    if money >= 0 {
        return None;
    }
    Some((last_where(guess, MOST, |price| !lives(price)) + 1).min(MOST) as i64)
}

/// Whether a linear position is not liquidated at a raw price.
fn lives_at(price: i128, qty: Qty, money: i128, table: &TierTable) -> bool {
    let price = Price::from_raw(price as i64);
    let needed = table.maintenance_margin(Size::at(Contract::Linear, price, qty));
    money.checked_add((price * qty).raw()).is_some_and(|equity| equity >= needed.raw())
}

/// What an inverse position whose value is owed (−1) or had (1) leaves over its maintenance margin, in raw units of coin.
fn coin_left(sign: i128, coin: i128, money: i128, table: &TierTable) -> i128 {
    let needed = table.maintenance_margin(Size::of(Contract::Inverse, Qty::ZERO, Notional::from_raw(coin))).raw();
    money.checked_add(sign * coin).map_or(-1, |equity| equity - needed)
}

/// As [`most_coin`] and [`least_coin`], where the rates grow with the coins, in raw units: of an inverse position whose value is owed (−1)
/// or had (1).
fn grown_coin(sign: i128, money: i128, table: &TierTable) -> i128 {
    let left = |coin: i128| coin_left(sign, coin, money, table);
    let (rate, growth) = (table.tiers()[0].maintenance.approximate(), table.growth().approximate());
    let unit = Cash::ONE as f64;
    let owed = money.unsigned_abs() as f64 / unit;
    if sign < 0 {
        if money < 0 {
            return -1;
        }
        // owed = v (1 + rate) + growth v²
        let root = 2.0 * owed / ((1.0 + rate) + sqrt((1.0 + rate) * (1.0 + rate) + 4.0 * growth * owed));
        return last_where((root * unit) as i128, money, |coin| left(coin) >= 0);
    }
    if money >= 0 {
        return 0;
    }
    // Up to there more coin leaves more.
    let top = (0.5 * (1.0 - rate) / growth * unit) as i128;
    if left(top) < 0 {
        return i128::MAX;
    }
    let under = ((1.0 - rate) * (1.0 - rate) - 4.0 * growth * owed).max(0.0);
    let root = 2.0 * owed / ((1.0 - rate) + sqrt(under));
    last_where((root * unit) as i128, top, |coin| left(coin) < 0) + 1
}

/// The last whole number from 0 to `most` of which something holds that holds up to some number and not beyond it; −1 if of none. Looked
/// for outward from a guess, then by halves.
fn last_where(guess: i128, most: i128, holds: impl Fn(i128) -> bool) -> i128 {
    let (mut low, mut high, mut step) = (-1, most + 1, 1);
    let guess = guess.clamp(0, most);
    if holds(guess) {
        low = guess;
        while low + step < high {
            if !holds(low + step) {
                high = low + step;
                break;
            }
            (low, step) = (low + step, step * 8);
        }
    } else {
        high = guess;
        while high - step > low {
            if holds(high - step) {
                low = high - step;
                break;
            }
            (high, step) = (high - step, step * 8);
        }
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        *(if holds(middle) { &mut low } else { &mut high }) = middle;
    }
    low
}

/// `money × 1e12 ÷ rate` toward zero for money ≥ 0, and whether something was left over. `None` beyond the range.
fn scaled_part(money: i128, rate: i128) -> Option<(i128, bool)> {
    let one = i128::from(Rate::ONE);
    let (whole, rest) = (money.checked_div(rate)?, money.checked_rem(rate)?);
    let part = rest * one;
    Some((whole.checked_mul(one)?.checked_add(part / rate)?, part % rate > 0))
}

/// Raw coin at a raw price of one.
fn coin_at_one(qty: u64) -> i128 {
    i128::from(qty) * 10_i128.pow(Notional::SCALE)
}

/// The least price at which `qty ÷ price`, toward zero, is at most `coin`; the largest price if there is none.
fn price_over(qty: i64, coin: i128) -> i64 {
    if coin < 0 {
        return i64::MAX;
    }
    let price = coin_at_one(qty.unsigned_abs()) / coin.saturating_add(1) + 1;
    i64::try_from(price).unwrap_or(i64::MAX)
}

/// The largest price at which `qty ÷ price`, toward zero, is at least `coin`, zero if there is none; `None`: every price.
fn price_up_to(qty: u64, coin: i128) -> Option<i64> {
    i64::try_from(coin_at_one(qty).checked_div(coin)?).ok().filter(|price| *price < i64::MAX)
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
    use Contract::{Inverse, Linear};
    use units::{Notional, Qty};

    /// Of one of its perpetuals in BTC.
    fn deribit(contract: Contract) -> TierTable {
        let (symbol, settle) = match contract {
            Linear => ("deribit:BTC_USDC-PERPETUAL", "USDC"),
            Inverse => ("deribit:BTC-PERPETUAL", "BTC"),
        };
        crate::venues::tiers_of(symbol, contract, ("BTC".parse().unwrap(), settle.parse().unwrap()))
    }

    fn position(contract: Contract, qty: &str, entry: &str) -> Position {
        let (qty, entry): (Qty, Price) = (qty.parse().unwrap(), entry.parse().unwrap());
        Position { qty, cost: contract.value(entry, qty) }
    }

    fn flat_table(maintenance: &str) -> TierTable {
        let maintenance: Rate = maintenance.parse().unwrap();
        TierTable::new(vec![Tier { floor: Notional::ZERO, initial: maintenance, maintenance }]).unwrap()
    }

    fn solvent(contract: Contract, position: Position, other: Cash, table: &TierTable, price: i64) -> bool {
        let price = Price::from_raw(price);
        let needed = table.maintenance_margin(Size::at(contract, price, position.qty));
        other + position.profit(contract, price) >= needed
    }

    /// Brute force: on both sides of the reported price the account is what it should be, and the smallest or largest
    /// solvent price found by bisection over all prices is the same.
    fn check(contract: Contract, position: Position, other: Cash, table: &TierTable) -> Option<Price> {
        let long = position.qty.raw() > 0;
        let (mut dead, mut alive) = if long { (0, i64::MAX) } else { (i64::MAX, 0) };
        let found = liquidation_price(contract, position, other, table);
        let solvent = |price| solvent(contract, position, other, table, price);
        if long && solvent(1) {
            assert!(found.is_none_or(|price| price.raw() == 1), "{position:?} {other} {found:?}");
            return found;
        }
        // At a price of zero an inverse contract has no value; the least price is the best for its short.
        if !solvent(if contract == Inverse { alive.max(1) } else { alive }) {
            assert_eq!(found.map(Price::raw), Some(alive), "{position:?} {other}");
            return found;
        }
        while (i128::from(dead) - i128::from(alive)).abs() > 1 {
            let middle = alive + (dead - alive) / 2;
            *(if solvent(middle) { &mut alive } else { &mut dead }) = middle;
        }
        // A short that is solvent at every price but the very last that can be written has none that matters.
        assert_eq!(found.map(Price::raw), (alive < i64::MAX - 1).then_some(alive), "{position:?} {other}");
        found
    }

    #[test]
    fn by_hand() {
        let table = flat_table("0.05");
        let at = |qty, entry, other: &str| {
            let found = check(Linear, position(Linear, qty, entry), other.parse().unwrap(), &table);
            found.map(|price| price.to_string())
        };
        assert_eq!(at("1", "100", "10").as_deref(), Some("94.73684211"), "90 / 0.95, up");
        assert_eq!(at("-1", "100", "10").as_deref(), Some("104.76190476"), "110 / 1.05, down");
        assert_eq!(at("1", "100", "100"), None, "paid in full");
        assert_eq!(at("1", "100", "101"), None);
        assert_eq!(liquidation_price(Linear, Position::default(), Cash::MAX, &table), None, "flat");
        assert_eq!(at("-1", "100", "-100").as_deref(), Some("0"), "a short beyond saving");
        let rate_one = flat_table("1");
        assert_eq!(liquidation_price(Linear, position(Linear, "1", "100"), Cash::ZERO, &rate_one), Some(Price::MAX));
        assert_eq!(liquidation_price(Linear, position(Linear, "-0.00000001", "100"), Cash::MAX.scale(4), &table), None);
    }

    #[test]
    fn inverse_by_hand() {
        let table = flat_table("0.01");
        let at = |qty, entry, other: &str| {
            let found = check(Inverse, position(Inverse, qty, entry), other.parse().unwrap(), &table);
            found.map(|price| price.to_string())
        };
        // 10,000 USD long at 10,000 is 1 BTC; 0.1 BTC of equity: 1.01 x 10,000 / 1.1.
        assert_eq!(at("10000", "10000", "0.1").as_deref(), Some("9181.81818182"));
        assert_eq!(at("10000", "10000", "1").as_deref(), Some("5050"), "a long with all its coin still owes dollars");
        assert_eq!(at("-10000", "10000", "0.1").as_deref(), Some("10999.99999999"), "0.99 x 10,000 / 0.9, down");
        assert_eq!(at("-10000", "10000", "1"), None, "a synthetic dollar");
        assert_eq!(at("-10000", "10000", "2"), None);
        assert_eq!(at("10000", "10000", "-2").as_deref(), Some("92233720368.54775807"), "a long beyond saving");
        assert_eq!(liquidation_price(Inverse, Position::default(), Cash::ZERO, &table), None, "flat");
        let rate_one = flat_table("1");
        let short = position(Inverse, "-10000", "10000");
        assert_eq!(liquidation_price(Inverse, short, Cash::ZERO, &rate_one), Some(Price::ZERO));
    }

    /// Random inverse positions against the bisection, in tiers whose floors are in coin.
    #[test]
    fn inverse_is_the_root_in_every_tier() {
        let tiers =
            [("0", "0.02", "0.01"), ("10", "0.025", "0.0125"), ("100", "0.05", "0.025"), ("1000", "0.2", "0.1")];
        let tier = |(floor, initial, maintenance): (&str, &str, &str)| Tier {
            floor: floor.parse().unwrap(),
            initial: initial.parse().unwrap(),
            maintenance: maintenance.parse().unwrap(),
        };
        let table = TierTable::new(tiers.map(tier).to_vec()).unwrap();
        let (mut seed, mut met, mut none) = (13_u64, vec![0; table.tiers().len()], 0);
        let mut random = |range: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % range
        };
        for _ in 0..20_000 {
            let size = 10_i64.pow(random(6) as u32 + 9) * (random(99) as i64 + 1) * 10;
            let qty = Qty::from_raw(if random(2) == 0 { size } else { -size });
            let entry = Price::from_raw(random(12_000_000) as i64 * 1_000_000 + 1_000_000_000);
            let here = Position { qty, cost: Inverse.value(entry, qty) };
            let leverage = random(60) as i128 + 1;
            let coin = Inverse.exposure(entry, qty).raw().abs();
            let other = Cash::from_raw(coin * 10 / (leverage * 10 - 5) + i128::from(random(1_000_000)));
            let Some(price) = check(Inverse, here, other, &table) else {
                none += 1;
                continue;
            };
            let tier = table.tiers().iter().rposition(|tier| tier.floor <= Inverse.exposure(price, qty).abs());
            met[tier.unwrap()] += 1;
        }
        assert!(none > 50 && met.iter().all(|count| *count > 50), "coverage: none {none}, by tier {met:?}");
    }

    /// Deribit's rates: with every price that is told the account lives on its one side and not on the other, by the margin itself; and
    /// 100 coins short with 20 coins of equity meet 1.5 % of what 80 + 0.01 v + 0.00005 v² = v makes. 25 coins for USDC need 1.125 % at
    /// every price: bought at 100,000 with 500,000 of equity they meet 2,000,000 ÷ (25 × 0.98875), sold so 3,000,000 ÷ (25 × 1.01125).
    #[test]
    fn where_rates_grow_the_price_is_exact() {
        let tables = [deribit(Linear), deribit(Inverse)];
        let of_25 = |qty| {
            let here = position(Linear, qty, "100000");
            liquidation_price(Linear, here, "500000".parse().unwrap(), &tables[0]).unwrap().to_string()
        };
        assert_eq!([of_25("25"), of_25("-25")], ["80910.24020228", "118665.0185414"]);
        let table = &tables[1];
        let hundred = liquidation_price(Inverse, position(Inverse, "-1000000", "10000"), "20".parse().unwrap(), table);
        let root = (0.99 - f64::sqrt(0.99 * 0.99 - 4.0 * 0.00005 * 80.0)) / (2.0 * 0.00005);
        assert!((hundred.unwrap().approximate() - 1_000_000.0 / root).abs() < 1e-6, "{hundred:?} for {root}");
        let mut seed = 31_u64;
        let mut random = |range: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % range
        };
        let (mut met, mut none) = ([0; 4], 0);
        for round in 0..8_000 {
            let contract = if round % 2 == 0 { Inverse } else { Linear };
            let table = &tables[usize::from(contract == Inverse)];
            // Up to 4,000 coins, for which a fifth more is asked.
            let coins = (random(4_000) + 1) as i64;
            let entry = Price::from_raw(random(12_000_000) as i64 * 1_000_000 + 100_000_000_000);
            let size = match contract {
                Inverse => (entry.approximate() * coins as f64) as i64 * 100_000_000,
                Linear => coins * 100_000_000 - random(100_000_000) as i64,
            };
            let qty = Qty::from_raw(if random(2) == 0 { size } else { -size });
            let here = Position { qty, cost: contract.value(entry, qty) };
            let value = contract.exposure(entry, qty).raw().abs();
            let other = Cash::from_raw(value * 10 / (random(60) as i128 * 10 + 5) + i128::from(random(1_000_000)));
            let Some(price) = liquidation_price(contract, here, other, table) else {
                none += 1;
                continue;
            };
            let alive = |price: i64| solvent(contract, here, other, table, price);
            let inward = if qty.raw() > 0 { 1 } else { -1 };
            if price != Price::ZERO && price != Price::MAX {
                assert!(alive(price.raw()) && !alive(price.raw() - inward), "{contract:?} {here:?} {other} {price}");
                met[usize::from(contract == Inverse) * 2 + usize::from(qty.raw() > 0)] += 1;
            }
        }
        assert!(none > 50 && met.iter().all(|count| *count > 500), "{none} none, {met:?}");
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
        let table =
            crate::venues::tiers_of("binance:BTCUSDT-PERP", Linear, ("BTC".parse().unwrap(), "USDT".parse().unwrap()));
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
            let Some(price) = check(Linear, here, other, &table) else {
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
        let table = TierTable::generic();
        let largest = Position { qty: Qty::MAX, cost: Price::MAX * Qty::MAX };
        assert!(liquidation_price(Linear, largest, Cash::from_raw(i128::MAX / 4), &table).is_some());
        let short = Position { qty: -Qty::MAX, cost: -(Price::MAX * Qty::MAX) };
        assert!(liquidation_price(Linear, short, Cash::ZERO, &table).is_some());
        for qty in [Qty::MAX, -Qty::MAX] {
            for cash in [Cash::from_raw(i128::MAX / 4), Cash::from_raw(i128::MIN / 4), Cash::ZERO] {
                let dear = Position { qty, cost: Inverse.value(Price::from_raw(1), qty) };
                let _price = liquidation_price(Inverse, dear, cash, &table);
            }
        }
    }

    /// Where rates grow with the coins the other side liquidates too. Roots by hand: of `other + q p − cost = |q| p (1 % + 0.005 % |q|)`,
    /// and in coin of `other − cost + v = v (1 % + 0.005 % v)`.
    #[test]
    fn very_large_positions_are_liquidated_on_both_sides() {
        let table = |symbol: &str, contract, settle: &str| {
            crate::venues::tiers_of(symbol, contract, ("BTC".parse().unwrap(), settle.parse().unwrap()))
        };
        let linear = table("deribit:BTC_USDC-PERPETUAL", Linear, "USDC");
        let beyond = |table: &TierTable, contract, qty: &str, cost: &str, other: &str| {
            let position = Position { qty: qty.parse().unwrap(), cost: cost.parse().unwrap() };
            liquidation_beyond(contract, position, other.parse().unwrap(), table).map(Price::approximate)
        };
        // Of 30,000 coins that cost 50,000 each 151 % is asked for.
        let found = beyond(&linear, Linear, "30000", "1500000000", "4500000000").unwrap();
        assert!((found - 3e9 / (30_000.0 * 0.51)).abs() < 1e-6, "{found}");
        assert_eq!(beyond(&linear, Linear, "19000", "950000000", "4500000000"), None, "under the whole");
        assert_eq!(
            beyond(&linear, Linear, "-30000", "-1500000000", "4500000000"),
            None,
            "a short loses by rising prices alone"
        );
        assert_eq!(beyond(&linear, Linear, "30000", "1500000000", "1000000000"), None, "no price keeps it");
        // An inverse short of 600 million at 60,000 is 10,000 coins; with 5,500 coins beside.
        let inverse = table("deribit:BTC-PERPETUAL", Inverse, "BTC");
        let found = beyond(&inverse, Inverse, "-600000000", "10000", "5500").unwrap();
        let base = 5_500.0 - 10_000.0;
        let coins = (0.99 + (0.99_f64 * 0.99 + 4.0 * 0.00005 * base).sqrt()) / (2.0 * 0.00005);
        assert!((found / (600_000_000.0 / coins) - 1.0).abs() < 1e-9, "{found} {}", 600_000_000.0 / coins);
        assert_eq!(beyond(&inverse, Inverse, "-600000000", "10000", "5000"), None, "no price keeps it");
        assert_eq!(
            beyond(&inverse, Inverse, "600000000", "-10000", "5500"),
            None,
            "a long loses by falling prices alone"
        );
        let generic = TierTable::generic();
        assert_eq!(beyond(&generic, Linear, "30000", "1500000000", "4500000000"), None, "rates that do not grow");
    }
}
