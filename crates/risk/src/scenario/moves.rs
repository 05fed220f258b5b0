//! What moves in a scenario.

use market::Currency;
use pricing::surface::Sticky;
use std::fmt::Write as _;
use units::Duration;
use units::math::{exp, ln, sqrt};

/// Tenor at which a move of volatility is told, in days.
pub const REFERENCE_DAYS: f64 = 30.0;

/// Tenor at which a move of short volatilities is told, in days.
pub const SHORT_DAYS: f64 = 7.0;

/// How far a price moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// By this share of itself: −0.4 is a fall by 40 %.
    Return(f64),
    /// By so many standard deviations of one day, each coin by its own volatility: price × e^(number × vol ÷ √365). The same number
    /// for all coins is a market whose correlations have gone to one.
    Deviations(f64),
}

/// How the prices of coins move.
#[derive(Debug, Clone, PartialEq)]
pub struct SpotMoves {
    /// Coins that are not named in `each`.
    pub others: Move,
    /// Coins with moves of their own.
    pub each: Vec<(Currency, Move)>,
}

impl SpotMoves {
    /// All coins by one move.
    #[must_use]
    pub fn all(by: Move) -> Self {
        Self { others: by, each: Vec::new() }
    }

    /// The move of a coin.
    #[must_use]
    pub fn of(&self, coin: Currency) -> Move {
        self.each.iter().find(|(named, _)| *named == coin).map_or(self.others, |(_, by)| *by)
    }
}

/// How volatilities move.
///
/// With d the days to expiry (no fewer than `shortest_days`) and w = (30 ÷ d)^power, an option's volatility σ at strike K becomes
///
/// ```text
/// σ × (1 + relative × w + twist × (w − 1) + short × v) + absolute × w + (skew + tilt × u) × ln(K ÷ F)
/// ```
///
/// with v = (√(30 ÷ d) − 1) ÷ (√(30 ÷ 7) − 1) under thirty days and 0 from there on ([`VolMove::short_weight`]), u = (30 ÷ d)^0.6 under
/// thirty days and (30 ÷ d)^1.2 from there on ([`VolMove::tilt_weight`]), and no less than `floor`. What is told holds at thirty days:
/// power 0 moves all tenors alike, a power above 0 moves short ones more.
/// `twist` alone leaves thirty days where they are, lifts what is shorter and lowers what is longer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolMove {
    /// In volatility: 0.1 is ten points.
    pub absolute: f64,
    /// As a share: 1 doubles it.
    pub relative: f64,
    /// As a share, by tenor.
    pub twist: f64,
    /// As a share, of short tenors alone: told at seven days, nothing from thirty days on.
    pub short: f64,
    /// Change of dσ/dln K, the same at all tenors.
    pub skew: f64,
    /// Change of dσ/dln K by tenor: told at thirty days, more at shorter ones.
    pub tilt: f64,
    /// Power of tenors under thirty days.
    pub short_power: f64,
    /// Power of tenors from thirty days on.
    pub long_power: f64,
    /// Shorter tenors count as this many days.
    pub shortest_days: f64,
    /// Least volatility after the move.
    pub floor: f64,
}

impl VolMove {
    /// No move.
    pub const NONE: Self = Self {
        absolute: 0.0,
        relative: 0.0,
        twist: 0.0,
        short: 0.0,
        skew: 0.0,
        tilt: 0.0,
        short_power: 0.0,
        long_power: 0.0,
        shortest_days: 1.0,
        floor: 0.0,
    };

    /// All volatilities by one share.
    #[must_use]
    pub fn relative(share: f64) -> Self {
        Self { relative: share, ..Self::NONE }
    }

    /// All volatilities by one amount.
    #[must_use]
    pub fn absolute(amount: f64) -> Self {
        Self { absolute: amount, ..Self::NONE }
    }

    /// What it makes of a volatility that has so many days left, at ln(strike ÷ forward).
    #[must_use]
    pub fn apply(&self, vol: f64, days: f64, log_moneyness: f64) -> f64 {
        let weight = super::revaluation::tenor_weight(self, days);
        let level = self.level(days, weight);
        (vol * level + self.absolute * weight + self.skew_at(days) * log_moneyness).max(self.floor)
    }

    /// By how much dσ/dln K changes at a tenor.
    pub(super) fn skew_at(&self, days: f64) -> f64 {
        if self.tilt == 0.0 { self.skew } else { self.skew + self.tilt * self.tilt_weight(days) }
    }

    /// How much of [`Self::tilt`] a tenor of so many days has. Its shape is that of Deribit's options from January to May 2026: changes of
    /// dσ/dln K at the forward over six hours, by regression on those at thirty days, were 3.5 times as much at three days (BTC; ETH
    /// 5.4; 4.0 here), 2.3 (2.9; 2.4) at seven, 1.6 (1.7; 1.6) at fourteen, 0.44 (0.40; 0.44) at sixty, 0.21 (0.18; 0.19) at 120.
    #[must_use]
    pub fn tilt_weight(&self, days: f64) -> f64 {
        let days = days.max(self.shortest_days);
        let power = if days < REFERENCE_DAYS { 0.6 } else { 1.2 };
        exp(power * ln(REFERENCE_DAYS / days))
    }

    /// How much of [`Self::short`] a tenor of so many days has: all at seven days, nothing from thirty days on. Its shape is that of
    /// Deribit's BTC options from January to May 2026: what volatilities at the money moved over six hours beyond what the one at thirty
    /// days tells, by regression on that at seven days, was 1.85 times as much at three days (2.02 here), 1.38 at five (1.35), 0.65 at
    /// ten (0.68), 0.40 at fourteen (0.43), 0.13 at twenty-one (0.18), and under 0.1 from there on.
    #[must_use]
    pub fn short_weight(&self, days: f64) -> f64 {
        let days = days.max(self.shortest_days);
        if days >= REFERENCE_DAYS {
            return 0.0;
        }
        (sqrt(REFERENCE_DAYS / days) - 1.0) / (sqrt(REFERENCE_DAYS / SHORT_DAYS) - 1.0)
    }

    /// What a volatility of so many days is multiplied by, `weight` being w.
    pub(super) fn level(&self, days: f64, weight: f64) -> f64 {
        let short = if self.short == 0.0 { 0.0 } else { self.short * self.short_weight(days) };
        1.0 + self.relative * weight + self.twist * (weight - 1.0) + short
    }

    /// Names and values, for checks.
    pub(super) fn fields(&self) -> [(&'static str, f64); 10] {
        [
            ("absolute move of volatility", self.absolute),
            ("relative move of volatility", self.relative),
            ("twist of volatility", self.twist),
            ("move of short volatilities", self.short),
            ("skew move", self.skew),
            ("skew move by tenor", self.tilt),
            ("power of short tenors", self.short_power),
            ("power of long tenors", self.long_power),
            ("shortest tenor in days", self.shortest_days),
            ("floor of volatility", self.floor),
        ]
    }
}

/// A joint move of everything that a portfolio's value depends on.
///
/// ```
/// use risk::scenario::{Move, Scenario, SpotMoves, VolMove};
/// let crash = Scenario {
///     spot: SpotMoves::all(Move::Return(-0.3)),
///     vol: VolMove::relative(0.5),
///     ..Scenario::still("a fall by 30 %, volatility up by half")
/// };
/// assert_eq!(crash.spot.of("BTC".parse().unwrap()), Move::Return(-0.3));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called in tables.
    pub name: String,
    /// Prices of coins, and with them their forwards.
    pub spot: SpotMoves,
    /// Volatilities.
    pub vol: VolMove,
    /// What of a smile stays when the forward moves, before volatilities are moved.
    pub sticky: Sticky,
    /// Time that passes.
    pub time: Duration,
    /// What longs of perpetuals pay to shorts over that time, as a share of notional at the moved price.
    pub funding: f64,
    /// Moves of dollars and stablecoins against USD, as shares: −0.1 is a depeg to 0.90. Those not named stay, and a coin that is
    /// named moves so, whatever `spot` says.
    pub dollars: Vec<(Currency, f64)>,
}

impl Scenario {
    /// Nothing moves; each option keeps its volatility.
    #[must_use]
    pub fn still(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            spot: SpotMoves::all(Move::Return(0.0)),
            vol: VolMove::NONE,
            sticky: Sticky::Strike,
            time: Duration::ZERO,
            funding: 0.0,
            dollars: Vec::new(),
        }
    }

    /// Every return of `spots` with every move of `vols`, spot by spot in the order given; time, funding and the rest as in `like`.
    #[must_use]
    pub fn grid(spots: &[f64], vols: &[VolMove], like: &Self) -> Vec<Self> {
        let mut all = Vec::with_capacity(spots.len() * vols.len());
        for spot in spots {
            for vol in vols {
                let mut name = format!("spot {:+.2} %", spot * 100.0);
                for (what, value) in [("vol", vol.relative), ("vol points", vol.absolute)] {
                    if value != 0.0 {
                        let unit = if what == "vol" { " %" } else { "" };
                        // Writing to a string cannot fail.
                        let _ = write!(name, ", {what} {:+.2}{unit}", value * 100.0);
                    }
                }
                all.push(Self { name, spot: SpotMoves::all(Move::Return(*spot)), vol: *vol, ..like.clone() });
            }
        }
        all
    }

    /// `2 × each_side + 1` returns, evenly from −range to +range, the middle one zero.
    #[must_use]
    pub fn even_returns(range: f64, each_side: u32) -> Vec<f64> {
        let side = i64::from(each_side);
        (-side..=side).map(|step| if step == 0 { 0.0 } else { range * step as f64 / side as f64 }).collect()
    }
}
