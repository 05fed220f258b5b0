//! What goes into a surface and what comes out: quotes of an expiry, fitted slices, the surface of all expiries.

use super::svi::Svi;
use crate::options::Field;
use std::fmt;

/// Fewest points of an expiry from which a smile is fitted: one strike says nothing of skew, two nothing of curvature.
pub const MINIMUM_POINTS: usize = 3;

/// One usable strike of one expiry: the out-of-the-money option's volatilities from bid and ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmilePoint {
    /// Natural logarithm of strike over forward.
    pub log_moneyness: f64,
    /// Volatility of the bid a year, as a fraction; 0 where only the ask bounds it.
    pub bid_vol: f64,
    /// Volatility of the ask.
    pub ask_vol: f64,
    /// Volatility of the price in the middle.
    pub mid_vol: f64,
    /// How much the point counts beside the others of its expiry, besides its spread; 1 as a rule, 0 leaves it out of the fit.
    pub weight: f64,
}

/// The quotes of one expiry, cleaned: points ascending in log-moneyness, no duplicates, `0 <= bid < ask`.
#[derive(Debug, Clone, PartialEq)]
pub struct SmileQuotes {
    /// Time to expiry in years of 365 days.
    pub years: f64,
    /// Price of the forward.
    pub forward: f64,
    /// Discount factor to expiry.
    pub discount: f64,
    /// The usable strikes.
    pub points: Vec<SmilePoint>,
}

/// Why no smile can be fitted to an expiry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SmileRefusal {
    /// Time to expiry, forward or discount is not positive or not in the range of an option's ([`Field::range`]).
    BadTerms,
    /// Fewer than [`MINIMUM_POINTS`] points that count.
    TooFewPoints {
        /// How many there are.
        count: usize,
    },
    /// A number of a point is not finite, a volatility is out of range, or the weight is negative.
    BadPoint {
        /// Which point.
        at: usize,
    },
    /// The bid is not under the ask, or the middle is not between them.
    Crossed {
        /// Which point.
        at: usize,
    },
    /// The strike is not above the one before it.
    Unsorted {
        /// Which point.
        at: usize,
    },
}

impl fmt::Display for SmileRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadTerms => {
                write!(f, "time to expiry, forward and discount must be positive and what an option can have")
            }
            Self::TooFewPoints { count } => {
                write!(f, "{count} usable strikes; a smile needs {MINIMUM_POINTS}")
            }
            Self::BadPoint { at } => write!(f, "point {at} has a number that is not finite or out of range"),
            Self::Crossed { at } => {
                write!(f, "point {at}: the bid is not under the ask, or the middle not between them")
            }
            Self::Unsorted { at } => write!(f, "point {at}: its strike is not above the one before it"),
        }
    }
}

impl std::error::Error for SmileRefusal {}

/// Why there is no surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SurfaceRefusal {
    /// No expiry can be fitted; the first one's reason, or `None` if there are no expiries.
    NoSlices {
        /// Why the first expiry was refused.
        first: Option<SmileRefusal>,
    },
    /// An expiry is not later than the last one before it that can be fitted.
    ExpiriesUnsorted {
        /// Which expiry.
        at: usize,
    },
    /// There is no slice of that number.
    NoSuchSlice {
        /// Which was asked for.
        index: usize,
    },
    /// The new quotes of a slice cannot be fitted; the slice is as it was.
    Quotes(SmileRefusal),
}

impl fmt::Display for SurfaceRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlices { first: None } => write!(f, "no expiries"),
            Self::NoSlices { first: Some(refusal) } => write!(f, "no expiry can be fitted; the first: {refusal}"),
            Self::ExpiriesUnsorted { at } => write!(f, "expiry {at} is not later than the one before it"),
            Self::NoSuchSlice { index } => write!(f, "there is no slice {index}"),
            Self::Quotes(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for SurfaceRefusal {}

impl SmileQuotes {
    const HIGHEST_VOL: f64 = Field::Vol.range().1;
    /// 32 milliseconds.
    const SHORTEST_YEARS: f64 = 1e-9;

    /// Whether a smile can be fitted to these quotes.
    ///
    /// # Errors
    ///
    /// What is wrong with them, the first in order.
    pub fn check(&self) -> Result<(), SmileRefusal> {
        let accepted = |field: Field, value: f64| value > 0.0 && (field.range().0..=field.range().1).contains(&value);
        let terms = [(Field::Years, self.years), (Field::Forward, self.forward), (Field::Discount, self.discount)];
        if !terms.into_iter().all(|(field, value)| accepted(field, value)) || self.years < Self::SHORTEST_YEARS {
            return Err(SmileRefusal::BadTerms);
        }
        for (at, point) in self.points.iter().enumerate() {
            let SmilePoint { log_moneyness, bid_vol, ask_vol, mid_vol, weight } = *point;
            let in_range = |vol: f64| (0.0..=Self::HIGHEST_VOL).contains(&vol);
            let vols = in_range(bid_vol) && in_range(ask_vol) && in_range(mid_vol);
            if !(log_moneyness.abs() <= 50.0 && vols && weight.is_finite() && weight >= 0.0) {
                return Err(SmileRefusal::BadPoint { at });
            }
            if !(bid_vol < ask_vol && bid_vol <= mid_vol && mid_vol <= ask_vol && mid_vol > 0.0) {
                return Err(SmileRefusal::Crossed { at });
            }
            if at > 0 && log_moneyness <= self.points[at - 1].log_moneyness {
                return Err(SmileRefusal::Unsorted { at });
            }
        }
        let count = self.points.iter().filter(|point| point.weight > 0.0).count();
        if count < MINIMUM_POINTS { Err(SmileRefusal::TooFewPoints { count }) } else { Ok(()) }
    }
}

/// How far a fitted smile lies from the quotes it was fitted to, in volatility.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitError {
    /// How many points were fitted.
    pub points: usize,
    /// How many fitted volatilities lie between bid and ask.
    pub inside: usize,
    /// Median distance from the middle.
    pub median: f64,
    /// The distance that nine tenths of the points do not exceed.
    pub ninetieth: f64,
    /// The largest distance.
    pub largest: f64,
}

/// What was done to a slice to free it of arbitrage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Nothing: the fit was free.
    None,
    /// Fitted again under the bounds of its neighbours and of convexity.
    Refitted,
    /// Plain SVI, without the correction that follows the quotes more closely.
    Plain,
    /// The quotes admit no smile of their own beside the neighbours': the nearest neighbour's smile, moved by a constant.
    Neighbour,
}

/// What a slice leaves of arbitrage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arbitrage {
    /// The lowest of Durrleman's g: the density has its sign. Negative is butterfly arbitrage.
    pub lowest_density: f64,
    /// Lowest total variance above the expiry before it, over all strikes; infinite for the first. Negative is calendar arbitrage.
    pub lowest_rise: f64,
    /// Steeper of the two wings' slopes of total variance in log-moneyness; over 2 is arbitrage.
    pub steepest_wing: f64,
    /// What it took.
    pub repair: Repair,
}

impl Arbitrage {
    /// Whether there is none.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.lowest_density >= 0.0 && self.lowest_rise >= 0.0 && self.steepest_wing <= 2.0
    }
}

/// Fitted total variance of one expiry as a function of log-moneyness: cubic between knots, linear beyond them, twice
/// differentiable everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    pub(super) years: f64,
    pub(super) forward: f64,
    pub(super) discount: f64,
    pub(super) curve: Curve,
    pub(super) svi: Svi,
    /// Lowest and highest log-moneyness of the quotes.
    pub(super) quoted: (f64, f64),
    pub(super) error: FitError,
    pub(super) arbitrage: Arbitrage,
}

/// A cubic spline with linear ends.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Curve {
    /// Ascending.
    pub(super) knots: Vec<f64>,
    /// Value, slope and half of the second derivative and a sixth of the third at each knot, to its right; of the last one the
    /// latter two are 0.
    pub(super) pieces: Vec<[f64; 4]>,
}

impl Curve {
    /// Value, first and second derivative.
    pub(super) fn at(&self, k: f64) -> (f64, f64, f64) {
        let piece = self.knots.partition_point(|knot| *knot <= k);
        if piece == 0 {
            let [value, slope, ..] = self.pieces[0];
            return (value + slope * (k - self.knots[0]), slope, 0.0);
        }
        let x = k - self.knots[piece - 1];
        let [value, slope, half, sixth] = self.pieces[piece - 1];
        let cubed = 3.0 * sixth;
        (value + x * (slope + x * (half + x * sixth)), slope + x * (2.0 * half + x * cubed), 2.0 * (half + x * cubed))
    }

    /// Value alone.
    pub(super) fn value(&self, k: f64) -> f64 {
        self.at(k).0
    }

    /// The piece that a place lies on.
    pub(super) fn piece(&self, k: f64) -> Piece {
        let after = self.knots.partition_point(|knot| *knot <= k);
        let origin = self.knots[after.saturating_sub(1)];
        let [value, slope, half, sixth] = self.pieces[after.saturating_sub(1)];
        if after == 0 {
            return Piece { low: f64::NEG_INFINITY, high: origin, origin, polynomial: [value, slope, 0.0, 0.0] };
        }
        let high = self.knots.get(after).copied().unwrap_or(f64::INFINITY);
        Piece { low: origin, high, origin, polynomial: [value, slope, half, sixth] }
    }

    /// Puts what `of` makes of values in place of sixteen arguments; the values are those of [`Self::value`], bit for bit. `last` is
    /// the piece that was met last, of this curve or none.
    #[inline(always)]
    pub(super) fn values(&self, places: &mut [f64; TOGETHER], last: &mut Piece, of: impl Fn(f64) -> f64) {
        if !last.holds(places[0]) {
            *last = self.piece(places[0]);
        }
        let piece = *last;
        // No short cut, so that it is done side by side.
        if places.iter().fold(true, |all, place| all & piece.holds(*place)) {
            places.iter_mut().for_each(|place| *place = of(piece.value(*place)));
            return;
        }
        for place in places {
            if !last.holds(*place) {
                *last = self.piece(*place);
            }
            *place = of(last.value(*place));
        }
    }

    /// Slopes of the left and the right end.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.pieces[0][1], self.pieces[self.pieces.len() - 1][1])
    }
}

/// Places of a curve that are evaluated side by side.
pub(super) const TOGETHER: usize = 16;

/// One piece of a curve: where it holds, and its polynomial in the distance from `origin`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    low: f64,
    high: f64,
    origin: f64,
    polynomial: [f64; 4],
}

impl Piece {
    /// Holds nowhere.
    pub(super) const NONE: Self =
        Self { low: f64::INFINITY, high: f64::INFINITY, origin: 0.0, polynomial: [f64::NAN; 4] };

    #[inline]
    fn holds(&self, k: f64) -> bool {
        (self.low <= k) & (k < self.high)
    }

    #[inline]
    fn value(&self, k: f64) -> f64 {
        let x = k - self.origin;
        let [value, slope, half, sixth] = self.polynomial;
        value + x * (slope + x * (half + x * sixth))
    }
}

impl Slice {
    /// Time to expiry in years of 365 days.
    #[must_use]
    pub fn years(&self) -> f64 {
        self.years
    }

    /// Price of the forward.
    #[must_use]
    pub fn forward(&self) -> f64 {
        self.forward
    }

    /// Discount factor to expiry.
    #[must_use]
    pub fn discount(&self) -> f64 {
        self.discount
    }

    /// The SVI from which the curve departs as far as quotes and neighbours ask; by itself it need not be free of arbitrage.
    #[must_use]
    pub fn svi(&self) -> Svi {
        self.svi
    }

    /// Lowest and highest log-moneyness that was quoted; beyond them the smile is extrapolated.
    #[must_use]
    pub fn quoted(&self) -> (f64, f64) {
        self.quoted
    }

    /// The knots of its curve: log-moneyness and total variance.
    pub fn knots(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.curve.knots.iter().zip(&self.curve.pieces).map(|(knot, piece)| (*knot, piece[0]))
    }

    /// Variance to expiry at the log-moneyness `k`.
    #[must_use]
    pub fn total_variance(&self, k: f64) -> f64 {
        self.curve.value(k)
    }

    /// Total variance, its first and its second derivative in log-moneyness.
    #[must_use]
    pub fn with_derivatives(&self, k: f64) -> (f64, f64, f64) {
        self.curve.at(k)
    }

    /// Volatility a year at the log-moneyness `k`, as a fraction.
    #[must_use]
    pub fn vol(&self, k: f64) -> f64 {
        units::math::sqrt(self.total_variance(k) / self.years)
    }

    /// Durrleman's g at `k`: the risk-neutral density has its sign.
    #[must_use]
    pub fn durrleman(&self, k: f64) -> f64 {
        durrleman(k, self.curve.at(k))
    }

    /// How far the fit lies from its quotes.
    #[must_use]
    pub fn error(&self) -> FitError {
        self.error
    }

    /// What is left of arbitrage and what it took.
    #[must_use]
    pub fn arbitrage(&self) -> Arbitrage {
        self.arbitrage
    }
}

/// Durrleman's g of total variance with its derivatives at the log-moneyness `k`.
pub(super) fn durrleman(k: f64, (value, slope, second): (f64, f64, f64)) -> f64 {
    let drift = 1.0 - k * slope / (2.0 * value);
    drift * drift - slope * slope * 0.25 * (1.0 / value + 0.25) + 0.5 * second
}

/// Slices by ascending expiry, without butterfly and without calendar arbitrage.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    pub(super) slices: Vec<Slice>,
    /// Which of the expiries could not be fitted, and why.
    pub(super) refused: Vec<(usize, SmileRefusal)>,
    pub(super) crossed: usize,
}

impl Surface {
    /// The fitted expiries, ascending; never empty.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// The expiries that could not be fitted, by their place in the quotes, and why.
    #[must_use]
    pub fn refused(&self) -> &[(usize, SmileRefusal)] {
        &self.refused
    }

    /// How many pairs of neighbouring expiries crossed somewhere when each was fitted by itself, before the repair.
    #[must_use]
    pub fn crossed_before_repair(&self) -> usize {
        self.crossed
    }

    /// Variance from now to `years` at the log-moneyness `k` of that tenor's forward.
    ///
    /// Between expiries linear in time at fixed log-moneyness. Before the first expiry proportional to time, that is the first
    /// expiry's volatility; after the last the variance at the money grows on at its average pace, and every strike's with it.
    #[must_use]
    pub fn total_variance(&self, k: f64, years: f64) -> f64 {
        let after = self.slices.partition_point(|slice| slice.years < years);
        let Some(next) = self.slices.get(after) else {
            let last = &self.slices[after - 1];
            return last.total_variance(k) + last.total_variance(0.0) * (years / last.years - 1.0);
        };
        if after == 0 {
            return next.total_variance(k) * (years.max(0.0) / next.years);
        }
        let before = &self.slices[after - 1];
        let share = (years - before.years) / (next.years - before.years);
        let (low, high) = (before.total_variance(k), next.total_variance(k));
        low + (high - low) * share
    }

    /// Volatility a year at the log-moneyness `k` of that tenor's forward. `years` above 0.
    #[must_use]
    pub fn vol(&self, k: f64, years: f64) -> f64 {
        units::math::sqrt(self.total_variance(k, years) / years)
    }
}
