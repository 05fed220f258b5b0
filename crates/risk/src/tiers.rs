//! Leverage tiers: what margin a position of a size needs.

use crate::venues::{Parameters, tier_table};
use std::fmt;
use units::{Cash, Notional, Rate, Ratio, Round};

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
/// As rates do not fall, it is convex: the largest of the tiers' straight lines, whatever the notional.
///
/// ```
/// let table = risk::TierTable::for_symbol("binance:BTCUSDT-PERP");
/// let notional = "700000".parse::<units::Cash>().unwrap().notional();
/// assert_eq!(table.maintenance_margin(notional).to_string(), "3600"); // 700,000 × 0.65 % − 950
/// assert_eq!(table.max_leverage(notional).get().round(), 75.0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierTable {
    tiers: Vec<Tier>,
    deductions: Vec<Cash>,
    /// Maintenance rates in 1/1024, up.
    shares: Vec<i128>,
}

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
        Ok(Self { tiers, deductions, shares })
    }

    /// Reads a tier file: `#` lines are comments, one header line, then `notional_floor,initial_rate,maintenance_rate`.
    pub fn parse(text: &str) -> Result<Self, TierError> {
        let rows = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let tiers = rows.skip(1).map(|(index, line)| parse_tier(line).ok_or(TierError::Line { line: index + 1 }));
        Self::new(tiers.collect::<Result<_, _>>()?)
    }

    /// The dated table that comes with Trimtab for an instrument, or the generic one (20x, 2.5 % maintenance, less for
    /// large positions) for any other. See `crates/risk/data/` for what each figure is worth.
    #[must_use]
    pub fn for_symbol(symbol: &str) -> Self {
        let found = match symbol.split_once(':') {
            Some(("binance", symbol)) => tier_table(&Parameters::binance(), symbol),
            Some(("deribit", "BTCUSD-PERP")) => {
                Ok(Some(Self::shipped(include_str!("../data/deribit-BTCUSD-PERP.csv"))))
            }
            _ => Ok(None),
        };
        let found = found.expect("the tables that come with the crate are read by its tests");
        found.unwrap_or_else(|| Self::shipped(include_str!("../data/generic.csv")))
    }

    fn shipped(text: &str) -> Self {
        Self::parse(text).expect("the tables that come with the crate are read by its tests")
    }

    /// No margin at all: for what is paid in full, or margined by other rules.
    #[must_use]
    pub fn none() -> Self {
        let tier = Tier { floor: Notional::ZERO, initial: Rate::ZERO, maintenance: Rate::ZERO };
        Self { tiers: vec![tier], deductions: vec![Cash::ZERO], shares: vec![0] }
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

    /// Equity needed to open or add to a position of this notional (its sign does not matter), rounded up at 1e-16.
    #[must_use]
    pub fn initial_margin(&self, notional: Notional) -> Cash {
        part(notional.abs(), self.tiers[self.tier_of(notional)].initial, Round::AwayFromZero)
    }

    /// Equity under which a position of this notional (its sign does not matter) is liquidated, rounded up at 1e-16.
    #[must_use]
    pub fn maintenance_margin(&self, notional: Notional) -> Cash {
        let at = self.tier_of(notional);
        part(notional.abs(), self.tiers[at].maintenance, Round::AwayFromZero) - self.deductions[at]
    }

    /// No less than the maintenance margin of a position of this notional, and not much more: found without a division, for
    /// whoever mostly finds that there is more than enough.
    #[must_use]
    #[inline]
    pub fn maintenance_bound(&self, notional: Notional) -> Cash {
        if notional.is_zero() {
            return Cash::ZERO;
        }
        Cash::from_raw(((notional.abs().raw() >> 10) + 1) * self.shares[self.tier_of(notional)])
    }

    /// The largest leverage at which a position of this notional can be opened.
    #[must_use]
    pub fn max_leverage(&self, notional: Notional) -> Ratio {
        // A checked rate is over zero, so one over it is finite.
        Ratio::new(1.0 / self.tiers[self.tier_of(notional)].initial.approximate()).unwrap_or_default()
    }

    fn tier_of(&self, notional: Notional) -> usize {
        let notional = notional.abs();
        self.tiers.iter().rposition(|tier| tier.floor <= notional).unwrap_or(0)
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

    fn tier(floor: &str, initial: &str, maintenance: &str) -> Tier {
        parse_tier(&format!("{floor},{initial},{maintenance}")).unwrap()
    }

    fn notional(text: &str) -> Notional {
        text.parse().unwrap()
    }

    /// The deductions are derived; the venue publishes its own (`cum`), and both must agree to the last unit.
    #[test]
    fn derived_deductions_are_the_published_ones() {
        let table = TierTable::for_symbol("binance:BTCUSDT-PERP");
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

    /// Over random notionals of all sizes, and at the floors and both ends.
    #[test]
    fn the_bound_is_never_under_the_margin_and_close_to_it() {
        let mut seed = 17_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for symbol in ["binance:BTCUSDT-PERP", "deribit:BTCUSD-PERP", "generic"] {
            let table = TierTable::for_symbol(symbol);
            let ends = [0, 1, -1, 1_023, 1_024, 1_i128 << 126, -(1_i128 << 126)];
            let floors = table.tiers().iter().flat_map(|tier| [tier.floor.raw() - 1, tier.floor.raw()]);
            let any = (0..50_000).map(|_| i128::from(random()) << (random() % 95)).collect::<Vec<_>>();
            for raw in ends.into_iter().chain(floors).chain(any) {
                let notional = Notional::from_raw(raw);
                let (bound, margin) = (table.maintenance_bound(notional), table.maintenance_margin(notional));
                assert!(bound >= margin, "{bound} under {margin} for {notional}");
                let tier = table.tier_of(notional);
                let over = bound - margin - table.deductions()[tier];
                assert!(over.raw() <= raw.abs() / 1_000 + 1_024, "{bound} far over {margin} for {notional}");
            }
        }
        assert_eq!(TierTable::for_symbol("generic").maintenance_bound(Notional::ZERO), Cash::ZERO);
    }

    #[test]
    fn maintenance_margin_is_continuous_at_every_floor() {
        for symbol in ["binance:BTCUSDT-PERP", "generic"] {
            let table = TierTable::for_symbol(symbol);
            for tier in &table.tiers()[1..] {
                let under = table.maintenance_margin(tier.floor - Notional::from_raw(1));
                let at = table.maintenance_margin(tier.floor);
                assert!((0..=1).contains(&(at - under).raw()), "{symbol} {}", tier.floor);
                assert_eq!(table.maintenance_margin(-tier.floor), at);
            }
        }
    }

    /// The venue's rule is quadratic in coin: the table meets it at every floor and is never cheaper between them.
    #[test]
    fn coin_tiers_cover_a_margin_that_grows_with_the_square() {
        let table = TierTable::for_symbol("deribit:BTCUSD-PERP");
        for coin in 1..=3_200_u32 {
            let (ours, size) = (notional(&coin.to_string()), f64::from(coin));
            let needed = [0.02, 0.01].map(|rate| size * (rate + 0.000_05 * size));
            let kept = [table.initial_margin(ours), table.maintenance_margin(ours)].map(Cash::approximate);
            assert!(kept[0] >= needed[0] - 1e-9 && kept[1] >= needed[1] - 1e-9, "{coin}: {kept:?} under {needed:?}");
            if table.tiers().iter().any(|tier| tier.floor == ours) {
                assert!((kept[1] - needed[1]).abs() < 1e-9, "{coin}: {} for {}", kept[1], needed[1]);
            }
        }
    }

    #[test]
    fn margins_and_leverage_by_size() {
        let table = TierTable::for_symbol("other:ETHUSDT-PERP");
        for (size, initial, maintenance, leverage) in [
            ("0", "0", "0", 20.0),
            ("1000", "50", "25", 20.0),
            ("999999.9999", "49999.999995", "24999.9999975", 20.0),
            ("1000000", "100000", "25000", 10.0),
            ("-2000000", "200000", "75000", 10.0),
        ] {
            assert_eq!(table.initial_margin(notional(size)).to_string(), initial, "{size}");
            assert_eq!(table.maintenance_margin(notional(size)).to_string(), maintenance, "{size}");
            assert_eq!(table.max_leverage(notional(size)).get(), leverage, "{size}");
        }
        let smallest = Notional::from_raw(1);
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
        let table = TierTable::for_symbol("generic");
        assert!(table.maintenance_margin(Notional::MAX) > Cash::ZERO);
        assert_eq!(table.initial_margin(Notional::MAX), Notional::MAX.cash());
    }
}
