//! Leverage tiers: what margin a position of a size needs.

use market::Account;
use std::fmt;
use units::{Cash, Contract, Notional, Price, Qty, Rate, Ratio, Round};

/// How large a position is, with its sign: by its value in what it settles in, and by its coins. Of an inverse contract both are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    value: Notional,
    coins: Notional,
}

impl Size {
    /// Of a quantity at a price.
    #[must_use]
    #[inline]
    pub fn at(contract: Contract, price: Price, qty: Qty) -> Self {
        Self::of(contract, qty, contract.exposure(price, qty))
    }

    /// Of a quantity whose [exposure](Contract::exposure) is known.
    #[must_use]
    #[inline]
    pub fn of(contract: Contract, qty: Qty, exposure: Notional) -> Self {
        let coins = match contract {
            Contract::Linear => Price::from_raw(Price::ONE) * qty,
            Contract::Inverse => exposure,
        };
        Self { value: exposure, coins }
    }

    /// Of what an account holds of an instrument, at its mark.
    #[must_use]
    #[inline]
    pub fn held(account: &Account, instrument: usize) -> Self {
        let qty = account.position(instrument).qty;
        Self::of(account.contract(instrument), qty, account.exposure(instrument))
    }

    /// In the currency of settlement.
    #[must_use]
    pub fn value(self) -> Notional {
        self.value
    }

    /// `value × (rate + growth × coins)` without signs, rounded up at 1e-16 and nowhere before: so it rises with each unit, and by less
    /// than the unit where the rates are under one half. `None` beyond the range.
    pub(crate) fn grown(self, (rate, growth): (Rate, Rate)) -> Option<Cash> {
        const UNIT: i128 = 10_i128.pow(Notional::SCALE);
        const CUT: i128 = Rate::ONE as i128;
        let up = |value: i128, by: i128| Some(value.checked_add(by - 1)? / by);
        // At 1e-28, in parts, so that each product fits where the margin does.
        let more = self.coins.raw().abs().checked_mul(i128::from(growth.raw()))?;
        let rate = (i128::from(rate.raw()) * UNIT).checked_add(more)?;
        let (value, whole, rest) = (self.value.raw().abs(), rate / CUT, rate % CUT);
        let rest = rest.checked_mul(value / CUT)?.checked_add(up(rest * (value % CUT), CUT)?)?;
        let under = up(whole.checked_mul(value % UNIT)?.checked_add(rest)?, UNIT)?;
        whole.checked_mul(value / UNIT)?.checked_add(under).map(Cash::from_raw)
    }
}

/// One tier: applies to positions whose notional is at or over its floor (and under the next tier's).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// Smallest notional of the tier, in the settlement currency: coin for an inverse contract.
    pub floor: Notional,
    /// Initial margin rate: one over the tier's largest leverage.
    pub initial: Rate,
    /// Maintenance margin rate.
    pub maintenance: Rate,
}

/// Leverage tiers of one instrument, checked.
///
/// Maintenance margin is `notional × rate − deduction`, the deduction chosen so that it is continuous at each floor
/// (`deduction_n = deduction_{n−1} + floor_n × (rate_n − rate_{n−1})`, which is what Binance publishes as `cum`).
/// As rates do not fall, it is convex: the largest of the tiers' straight lines, whatever the notional. Where the venue's rates grow with
/// each coin of the position, as Deribit's do, every rate is raised by `growth × coins`, so `notional × growth × coins` comes on top. Of an
/// inverse contract that is the square of its coins, convex still. A linear one has the same coins at every price: the table of a quantity
/// is this one with its rates raised, and as straight in the price.
///
/// ```
/// use risk::Size;
/// use units::Contract::Linear;
/// let tiers = |symbol, settle: &str| risk::venues::tiers_of(symbol, Linear, ("BTC".parse().unwrap(), settle.parse().unwrap()));
/// let size = |price: &str, qty: &str| Size::at(Linear, price.parse().unwrap(), qty.parse().unwrap());
/// let table = tiers("binance:BTCUSDT-PERP", "USDT");
/// assert_eq!(table.maintenance_margin(size("70000", "10")).to_string(), "3600"); // 700,000 × 0.65 % − 950
/// assert_eq!(table.max_leverage(size("70000", "10")).get().round(), 75.0);
/// let table = tiers("deribit:BTC_USDC-PERPETUAL", "USDC");
/// assert_eq!(table.maintenance_margin(size("100000", "-25")).to_string(), "28125"); // 2,500,000 × (1 % + 25 × 0.005 %)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierTable {
    tiers: Vec<Tier>,
    deductions: Vec<Cash>,
    /// Maintenance rates in 1/1024, up.
    shares: Vec<i128>,
    /// What each coin of a position adds to every rate.
    growth: Rate,
    /// What each 2⁵⁰ of raw coins adds to a share, in 2⁻²⁰, up.
    grown_shares: i128,
}

/// Bits of raw coins in the steps by which a bound grows.
const STEP_BITS: u32 = 50;
/// Bits behind a share of 1/1024 in what a step adds to it.
const SHARE_BITS: u32 = 20;
/// The most that a margin comes to where rates grow: more than any account bears.
const BEYOND: Cash = Cash::from_raw(i128::MAX >> 10);
/// Raw coins, a hundred million, over which it is that, whatever they are worth: nobody has them.
const LARGEST: i128 = 1 << 80;

/// Why a list is no tier table. Rows count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TierError {
    /// There is no tier.
    Empty,
    /// The first tier does not begin at zero.
    FirstFloor {
        /// Where it begins.
        floor: Notional,
    },
    /// A tier's floor is not over the one before.
    Floor {
        /// The row.
        row: usize,
    },
    /// A floor with more than four decimal places, which would make deductions inexact.
    FloorTooFine {
        /// The row.
        row: usize,
    },
    /// A rate that is not over zero and at most one.
    Rate {
        /// The row.
        row: usize,
        /// The rate.
        rate: Rate,
    },
    /// A rate under the one of a smaller tier.
    FallingRate {
        /// The row.
        row: usize,
        /// The rate.
        rate: Rate,
    },
    /// A maintenance rate over the initial rate: a position would be liquidated as it opens.
    MaintenanceOverInitial {
        /// The row.
        row: usize,
    },
    /// A line of a tier file that is not `floor,initial,maintenance`.
    Line {
        /// The line of the file, from 1.
        line: usize,
    },
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a tier table needs at least one tier"),
            Self::FirstFloor { floor } => write!(f, "the first tier begins at `{floor}`, not at zero"),
            Self::Floor { row } => write!(f, "the floor of tier {row} is not over the one before"),
            Self::FloorTooFine { row } => write!(f, "the floor of tier {row} has more than four decimal places"),
            Self::Rate { row, rate } => write!(f, "the rate `{rate}` of tier {row} is not over 0 and at most 1"),
            Self::FallingRate { row, rate } => {
                write!(f, "the rate `{rate}` of tier {row} is under that of a smaller tier")
            }
            Self::MaintenanceOverInitial { row } => {
                write!(f, "the maintenance rate of tier {row} is over its initial rate")
            }
            Self::Line { line } => write!(f, "line {line} is not `notional_floor,initial_rate,maintenance_rate`"),
        }
    }
}

impl std::error::Error for TierError {}

impl TierTable {
    /// Checks the tiers and derives the deductions.
    pub fn new(tiers: Vec<Tier>) -> Result<Self, TierError> {
        let first = tiers.first().ok_or(TierError::Empty)?;
        if !first.floor.is_zero() {
            return Err(TierError::FirstFloor { floor: first.floor });
        }
        for (index, tier) in tiers.iter().enumerate() {
            check_tier(index + 1, tier, index.checked_sub(1).map(|before| &tiers[before]))?;
        }
        let mut deductions = vec![Cash::ZERO; tiers.len()];
        for (index, pair) in tiers.windows(2).enumerate() {
            let step = pair[1].maintenance - pair[0].maintenance;
            // Exact: a floor of at most four decimal places is a multiple of 1e12 raw units, and a rate counts 1e-12.
            let jump = part(pair[1].floor, step, Round::TowardZero);
            deductions[index + 1] = deductions[index] + jump;
        }
        let share = |tier: &Tier| {
            (i128::from(tier.maintenance.raw()) * 1024 + i128::from(Rate::ONE - 1)) / i128::from(Rate::ONE)
        };
        let shares = tiers.iter().map(share).collect();
        Ok(Self { tiers, deductions, shares, growth: Rate::ZERO, grown_shares: 0 })
    }

    /// The same rates, to which each coin of a position adds `growth`. `None` for one that is under 0 or over a thousandth.
    #[must_use]
    pub fn growing(self, growth: Rate) -> Option<Self> {
        if !(0..=Rate::ONE / 1_000).contains(&growth.raw()) {
            return None;
        }
        // growth ÷ 1e12 × 2^50 ÷ 1e16 × 1024 × 2^20, up.
        let one = i128::from(Rate::ONE) * 10_i128.pow(Notional::SCALE);
        let grown_shares = ((i128::from(growth.raw()) << (STEP_BITS + SHARE_BITS + 10)) + one - 1) / one;
        Some(Self { growth, grown_shares, ..self })
    }

    /// Reads a tier file: `#` lines are comments, one header line, then `notional_floor,initial_rate,maintenance_rate`.
    pub fn parse(text: &str) -> Result<Self, TierError> {
        let rows = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let tiers = rows.skip(1).map(|(index, line)| parse_tier(line).ok_or(TierError::Line { line: index + 1 }));
        Self::new(tiers.collect::<Result<_, _>>()?)
    }

    /// A table of no venue: 20x, 2.5 % maintenance, less for large positions. Where nothing is known of a contract.
    #[must_use]
    pub fn generic() -> Self {
        Self::parse(include_str!("../data/generic.csv"))
            .expect("the table that comes with the crate is read by its tests")
    }

    /// No margin at all: for what is paid in full, or margined by other rules.
    #[must_use]
    pub fn none() -> Self {
        let tier = Tier { floor: Notional::ZERO, initial: Rate::ZERO, maintenance: Rate::ZERO };
        let (growth, grown_shares) = (Rate::ZERO, 0);
        Self { tiers: vec![tier], deductions: vec![Cash::ZERO], shares: vec![0], growth, grown_shares }
    }

    /// The checked tiers, smallest first.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// What each tier's straight line lies under `notional × rate`, by tier.
    #[must_use]
    pub fn deductions(&self) -> &[Cash] {
        &self.deductions
    }

    /// What each coin of a position adds to every rate.
    #[must_use]
    pub fn growth(&self) -> Rate {
        self.growth
    }

    /// Equity needed to open or add to a position of this size (its sign does not matter), rounded up at 1e-16.
    #[must_use]
    pub fn initial_margin(&self, size: Size) -> Cash {
        self.needed(size, self.tiers[self.tier_of(size.value)].initial)
    }

    /// Equity under which a position of this size (its sign does not matter) is liquidated, rounded up at 1e-16.
    #[must_use]
    pub fn maintenance_margin(&self, size: Size) -> Cash {
        let at = self.tier_of(size.value);
        self.needed(size, self.tiers[at].maintenance) - self.deductions[at]
    }

    fn needed(&self, size: Size, rate: Rate) -> Cash {
        if self.growth == Rate::ZERO {
            return part(size.value.abs(), rate, Round::AwayFromZero);
        }
        let is_known = size.coins.abs().raw() <= LARGEST;
        let needed = is_known.then(|| size.grown((rate, self.growth))).flatten();
        needed.map_or(BEYOND, |needed| needed.min(BEYOND))
    }

    /// No less than the maintenance margin of a position of this size, and not much more: found without a division, for
    /// whoever mostly finds that there is more than enough.
    #[must_use]
    #[inline]
    pub fn maintenance_bound(&self, size: Size) -> Cash {
        if size.value.is_zero() {
            return Cash::ZERO;
        }
        let raw = size.value.abs().raw();
        let share = self.shares[self.tier_of(size.value)];
        if self.grown_shares == 0 {
            return Cash::from_raw(((raw >> 10) + 1) * share);
        }
        let coins = size.coins.abs().raw();
        if coins > LARGEST {
            return BEYOND;
        }
        let grown = ((((coins >> STEP_BITS) + 1) * self.grown_shares) >> SHARE_BITS) + 1;
        ((raw >> 10) + 1).checked_mul(share + grown).map_or(BEYOND, |bound| Cash::from_raw(bound).min(BEYOND))
    }

    /// The largest leverage at which a position of this size can be opened.
    #[must_use]
    pub fn max_leverage(&self, size: Size) -> Ratio {
        let grown = self.growth.approximate() * size.coins.abs().approximate();
        // A checked rate is over zero, so one over it is finite.
        Ratio::new(1.0 / (self.tiers[self.tier_of(size.value)].initial.approximate() + grown)).unwrap_or_default()
    }

    /// Maintenance margin as an estimate of what [`Self::maintenance_margin`] rounds, of a value and coins that need not be on any grid.
    #[must_use]
    pub fn maintenance_estimate(&self, value: f64, coins: f64) -> f64 {
        let (value, grown) = (value.abs(), self.growth.approximate() * coins.abs());
        // Convex: the largest of the tiers' lines.
        let tiers = self.tiers.iter().zip(&self.deductions);
        let lines = tiers.map(|(tier, less)| value * (tier.maintenance.approximate() + grown) - less.approximate());
        lines.fold(0.0, f64::max)
    }

    fn tier_of(&self, value: Notional) -> usize {
        let value = value.abs();
        self.tiers.iter().rposition(|tier| tier.floor <= value).unwrap_or(0)
    }
}

fn check_tier(row: usize, tier: &Tier, before: Option<&Tier>) -> Result<(), TierError> {
    const FLOOR_STEP: i128 = 10_i128.pow(Notional::SCALE - 4);
    if tier.floor.raw() % FLOOR_STEP != 0 {
        return Err(TierError::FloorTooFine { row });
    }
    for rate in [tier.initial, tier.maintenance] {
        if !(1..=Rate::ONE).contains(&rate.raw()) {
            return Err(TierError::Rate { row, rate });
        }
    }
    if tier.maintenance > tier.initial {
        return Err(TierError::MaintenanceOverInitial { row });
    }
    let Some(before) = before else { return Ok(()) };
    if tier.floor <= before.floor {
        return Err(TierError::Floor { row });
    }
    for (rate, smaller) in [(tier.initial, before.initial), (tier.maintenance, before.maintenance)] {
        if rate < smaller {
            return Err(TierError::FallingRate { row, rate });
        }
    }
    Ok(())
}

fn parse_tier(line: &str) -> Option<Tier> {
    let mut fields = line.split(',').map(str::trim);
    let mut field = || fields.next();
    let floor = field()?.parse().ok()?;
    let (initial, maintenance) = (field()?.parse().ok()?, field()?.parse().ok()?);
    field().is_none().then_some(Tier { floor, initial, maintenance })
}

/// A part of a notional, at a rate of at most one.
fn part(notional: Notional, rate: Rate, round: Round) -> Cash {
    notional.at_rate(rate, round).expect("a rate of at most one never leaves the range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::tiers_of;
    use units::Contract;

    fn tier(floor: &str, initial: &str, maintenance: &str) -> Tier {
        parse_tier(&format!("{floor},{initial},{maintenance}")).unwrap()
    }

    fn binance() -> TierTable {
        tiers_of("binance:BTCUSDT-PERP", Contract::Linear, ("BTC".parse().unwrap(), "USDT".parse().unwrap()))
    }

    fn deribit() -> TierTable {
        tiers_of("deribit:BTC_USDC-PERPETUAL", Contract::Linear, ("BTC".parse().unwrap(), "USDC".parse().unwrap()))
    }

    /// Of so much, and as many coins.
    fn size(value: Notional) -> Size {
        Size::of(Contract::Inverse, Qty::ZERO, value)
    }

    fn notional(text: &str) -> Notional {
        text.parse().unwrap()
    }

    /// The deductions are derived; the venue publishes its own (`cum`), and both must agree to the last unit.
    #[test]
    fn derived_deductions_are_the_published_ones() {
        let table = binance();
        let published = [
            0,
            50,
            950,
            11_450,
            131_450,
            481_450,
            2_981_450,
            14_481_450,
            26_481_450,
            41_481_450,
            121_481_450,
            421_481_450,
        ];
        let whole = |cash: &Cash| cash.raw() / Cash::ONE;
        assert!(table.deductions().iter().all(|cash| cash.raw() % Cash::ONE == 0));
        assert_eq!(table.deductions().iter().map(whole).collect::<Vec<_>>(), published);
    }

    /// Over random notionals of all sizes, and at the floors and both ends; the coins are as many, or so many that rates double.
    #[test]
    fn the_bound_is_never_under_the_margin_and_close_to_it() {
        let mut seed = 17_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for table in [binance(), deribit(), TierTable::generic()] {
            let ends = [0, 1, -1, 1_023, 1_024, 1_i128 << 126, -(1_i128 << 126)];
            let floors = table.tiers().iter().flat_map(|tier| [tier.floor.raw() - 1, tier.floor.raw()]);
            let any = (0..50_000).map(|_| i128::from(random()) << (random() % 95)).collect::<Vec<_>>();
            for raw in ends.into_iter().chain(floors).chain(any) {
                let notional = Notional::from_raw(raw);
                for size in [size(notional), Size::of(Contract::Linear, Qty::from_raw(raw as i64 >> 22), notional)] {
                    let (bound, margin) = (table.maintenance_bound(size), table.maintenance_margin(size));
                    assert!(bound >= margin, "{bound} under {margin} for {size:?}");
                    let tier = table.tier_of(notional);
                    let over = bound - margin - table.deductions()[tier];
                    let within = if table.growth() == Rate::ZERO {
                        raw.abs() / 1_000
                    } else {
                        raw.abs() / 490 + margin.raw() / 5_000
                    };
                    assert!(over.raw() <= within + 1_024, "{bound} far over {margin} for {size:?}");
                }
            }
        }
        assert_eq!(TierTable::generic().maintenance_bound(Size::default()), Cash::ZERO);
    }

    #[test]
    fn maintenance_margin_is_continuous_at_every_floor() {
        for table in [binance(), TierTable::generic()] {
            for tier in &table.tiers()[1..] {
                let under = table.maintenance_margin(size(tier.floor - Notional::from_raw(1)));
                let at = table.maintenance_margin(size(tier.floor));
                assert!((0..=1).contains(&(at - under).raw()), "{}", tier.floor);
                assert_eq!(table.maintenance_margin(size(-tier.floor)), at);
            }
        }
    }

    /// Deribit's rule is quadratic in coin, of its linear contracts too. By another way: whole numbers of 1e-44, in words of 32 bits.
    #[test]
    fn a_margin_that_grows_with_the_square_is_exact() {
        /// ⌈a × b ÷ 10^zeros⌉ of numbers in words, least first.
        fn product(a: &[u32], b: &[u32]) -> Vec<u32> {
            let mut words = vec![0_u64; a.len() + b.len() + 1];
            for (at, a) in a.iter().enumerate() {
                for (by, b) in b.iter().enumerate() {
                    let product = u64::from(*a) * u64::from(*b);
                    words[at + by] += product & 0xffff_ffff;
                    words[at + by + 1] += product >> 32;
                }
                for at in 0..words.len() - 1 {
                    words[at + 1] += words[at] >> 32;
                    words[at] &= 0xffff_ffff;
                }
            }
            words.into_iter().map(|word| word as u32).collect()
        }
        fn words(mut value: u128) -> Vec<u32> {
            let mut words = Vec::new();
            while value > 0 {
                words.push(value as u32);
                value >>= 32;
            }
            words
        }
        /// Divided by ten, and whether something was left.
        fn tenth(words: &mut [u32]) -> bool {
            let mut rest = 0_u64;
            for word in words.iter_mut().rev() {
                let value = rest << 32 | u64::from(*word);
                (*word, rest) = ((value / 10) as u32, value % 10);
            }
            rest > 0
        }
        let table = deribit();
        let mut seed = 29_u64;
        let mut random = |range: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % range
        };
        for round in 0..6_000 {
            let raw = (u128::from(random(1 << 31)) << 31 | u128::from(random(1 << 31))) * u128::from(random(3_000) + 1);
            for (rate, margin) in
                [("0.02", TierTable::initial_margin as fn(&_, _) -> _), ("0.01", TierTable::maintenance_margin)]
            {
                // (rate × 1e12 × 1e16 + 5e7 × coins) × raw ÷ 1e28.
                let rate: Rate = rate.parse().unwrap();
                let notional = Notional::from_raw(raw as i128);
                let size = match round % 2 {
                    0 => size(notional),
                    // Up to some 7,000 coins.
                    _ => Size::of(Contract::Linear, Qty::from_raw(-((raw >> 34) as i64)), notional),
                };
                let coins = if round % 2 == 0 { raw } else { (raw >> 34) * 100_000_000 };
                let sum = (rate.raw() as u128) * 10_u128.pow(16) + 50_000_000 * coins;
                let mut exact = product(&words(sum), &words(raw));
                let is_over = (0..28).fold(false, |over, _| tenth(&mut exact) | over);
                let low =
                    (0..4).rev().fold(0_u128, |sum, at| sum << 32 | u128::from(exact.get(at).copied().unwrap_or(0)));
                let found: Cash = margin(&table, size);
                assert_eq!(found.raw() as u128, low + u128::from(is_over), "{raw}");
            }
        }
        let most = Notional::from_raw(i128::MAX / 2);
        assert_eq!(table.maintenance_margin(size(most)), BEYOND);
    }

    #[test]
    fn margins_and_leverage_by_size() {
        let table = TierTable::generic();
        for (value, initial, maintenance, leverage) in [
            ("0", "0", "0", 20.0),
            ("1000", "50", "25", 20.0),
            ("999999.9999", "49999.999995", "24999.9999975", 20.0),
            ("1000000", "100000", "25000", 10.0),
            ("-2000000", "200000", "75000", 10.0),
        ] {
            assert_eq!(table.initial_margin(size(notional(value))).to_string(), initial, "{value}");
            assert_eq!(table.maintenance_margin(size(notional(value))).to_string(), maintenance, "{value}");
            assert_eq!(table.max_leverage(size(notional(value))).get(), leverage, "{value}");
        }
        let smallest = size(Notional::from_raw(1));
        assert_eq!((table.initial_margin(smallest).raw(), table.maintenance_margin(smallest).raw()), (1, 1));
    }

    #[test]
    fn tables_that_make_no_sense_are_refused_with_their_row() {
        let refuse = |tiers: &[Tier]| TierTable::new(tiers.to_vec()).unwrap_err();
        let first = tier("0", "0.05", "0.025");
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        assert_eq!(refuse(&[]), TierError::Empty);
        assert_eq!(refuse(&[tier("1", "0.05", "0.025")]), TierError::FirstFloor { floor: notional("1") });
        assert_eq!(refuse(&[first, tier("0", "0.1", "0.05")]), TierError::Floor { row: 2 });
        assert_eq!(refuse(&[first, tier("0.00001", "0.1", "0.05")]), TierError::FloorTooFine { row: 2 });
        assert_eq!(refuse(&[tier("0", "0", "0")]), TierError::Rate { row: 1, rate: Rate::ZERO });
        assert_eq!(refuse(&[tier("0", "1.1", "0.1")]), TierError::Rate { row: 1, rate: rate("1.1") });
        assert_eq!(refuse(&[first, tier("5", "0.04", "0.03")]), TierError::FallingRate { row: 2, rate: rate("0.04") });
        assert_eq!(refuse(&[first, tier("5", "0.05", "0.02")]), TierError::FallingRate { row: 2, rate: rate("0.02") });
        assert_eq!(refuse(&[tier("0", "0.02", "0.03")]), TierError::MaintenanceOverInitial { row: 1 });
        let line = TierTable::parse("# comment\nfloor,initial,maintenance\n0,0.05,0.02\n7,x,0.03\n").unwrap_err();
        assert_eq!(line, TierError::Line { line: 4 });
        assert_eq!(line.to_string(), "line 4 is not `notional_floor,initial_rate,maintenance_rate`");
    }

    #[test]
    fn the_largest_notional_has_a_margin() {
        let table = TierTable::generic();
        assert!(table.maintenance_margin(size(Notional::MAX)) > Cash::ZERO);
        assert_eq!(table.initial_margin(size(Notional::MAX)), Notional::MAX.cash());
    }
}
