//! What is asked of a surface: a smile at any tenor, by strike or by delta, and the numbers that traders read off it.
//!
//! [`Surface::tenor`] gives the smile at a time to expiry, and everything else is asked of that [`Tenor`]. Between expiries total
//! variance and ln(forward) are linear in time, at a fixed log-moneyness.

use super::smile::{Piece, Slice, Surface, TOGETHER, durrleman};
use crate::options::DeltaConvention;
use crate::options::functions::{normal_density, normal_distribution};
use crate::options::{Field, OptionKind, Refusal};
use std::fmt;
use units::math::{exp, ln, sqrt};

/// The delta of the risk reversals and butterflies that are quoted most.
pub const QUARTER_DELTA: f64 = 0.25;

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoAnswer {
    /// The time to expiry is no number from 1e-17 (a third of a nanosecond) to 200 years.
    BadTenor {
        /// What it was.
        years: f64,
    },
    /// The price of a strike or forward is none.
    BadPrice {
        /// What it was.
        price: f64,
    },
    /// The option cannot be priced: its forward, volatility or discount is out of range.
    Unpriced(Refusal),
    /// A delta is given without its sign and lies between 0 and 1, both excluded.
    BadDelta {
        /// What it was.
        delta: f64,
    },
    /// No strike has that delta. Premium-adjusted, a call's delta has a largest value under 1.
    NoStrike {
        /// What was asked for.
        delta: f64,
        /// The largest that there is.
        largest: f64,
    },
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadTenor { years } => write!(f, "a tenor of {years} years; it must lie between 1e-17 and 200"),
            Self::BadPrice { price } => write!(f, "{price} is no price of a strike or forward"),
            Self::Unpriced(refusal) => refusal.fmt(f),
            Self::BadDelta { delta } => write!(f, "a delta of {delta}; it is given without its sign, between 0 and 1"),
            Self::NoStrike { delta, largest } => {
                write!(f, "no strike has a delta of {delta}; the largest is {largest:.4}")
            }
        }
    }
}

impl std::error::Error for NoAnswer {}

/// A strike with what the smile says about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrikePoint {
    /// The strike.
    pub strike: f64,
    /// ln(strike ÷ forward).
    pub log_moneyness: f64,
    /// Volatility a year, as a fraction.
    pub vol: f64,
}

/// What the volatilities of a call and a put of equal delta say, and that at the money.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wings {
    /// The call.
    pub call: StrikePoint,
    /// The put.
    pub put: StrikePoint,
    /// Volatility where the strike is the forward.
    pub atm: f64,
}

impl Wings {
    /// Volatility of the call less that of the put.
    #[must_use]
    pub fn risk_reversal(&self) -> f64 {
        self.call.vol - self.put.vol
    }

    /// Mean of both less that at the money.
    #[must_use]
    pub fn butterfly(&self) -> f64 {
        (self.call.vol + self.put.vol) * 0.5 - self.atm
    }
}

/// The fair volatility of a variance swap, and how much of it the quotes do not carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceSwap {
    /// √ of the fair variance a year, over the whole fitted smile.
    pub vol: f64,
    /// The same of the strikes between the lowest and the highest quoted alone: a floor that no extrapolation moves.
    pub quoted_vol: f64,
    /// Log-moneyness from which was integrated.
    pub from: f64,
    /// Log-moneyness up to which was integrated.
    pub to: f64,
    /// Whether less than 1e-9 of the variance lies beyond `from` and `to`. Where a wing is so steep that it goes on, the integral is cut
    /// at ±20, strikes of 500 million and a 500-millionth forwards.
    pub ended: bool,
}

impl VarianceSwap {
    /// Share of the variance that comes of strikes beyond those quoted, where the smile is extrapolated.
    #[must_use]
    pub fn beyond_quotes(&self) -> f64 {
        let share = self.quoted_vol / self.vol;
        (1.0 - share * share).max(0.0)
    }
}

/// How volatility at the money changes from a shorter to a longer tenor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermSlope {
    /// The shorter tenor in years.
    pub short_years: f64,
    /// The longer one.
    pub long_years: f64,
    /// Volatility at the money at the shorter tenor.
    pub short_vol: f64,
    /// And at the longer.
    pub long_vol: f64,
}

impl TermSlope {
    /// Volatility at the longer tenor less that at the shorter: positive in quiet markets, as a rule.
    #[must_use]
    pub fn slope(&self) -> f64 {
        self.long_vol - self.short_vol
    }

    /// The volatility between the two tenors, from the shorter's end to the longer's.
    #[must_use]
    pub fn forward_vol(&self) -> f64 {
        let variance =
            self.long_vol * self.long_vol * self.long_years - self.short_vol * self.short_vol * self.short_years;
        sqrt(variance.max(0.0) / (self.long_years - self.short_years))
    }
}

/// The smile at one time to expiry: that of an expiry, or between or beyond expiries.
#[derive(Debug, Clone, Copy)]
pub struct Tenor<'a> {
    years: f64,
    forward: f64,
    discount: f64,
    /// w(k) = share₀ × w₀(k) + share₁ × w₁(k) + more.
    slices: [&'a Slice; 2],
    shares: [f64; 2],
    more: f64,
    extrapolated: bool,
}

impl Slice {
    /// This smile, to be asked.
    #[must_use]
    pub fn tenor(&self) -> Tenor<'_> {
        Tenor {
            years: self.years,
            forward: self.forward,
            discount: self.discount,
            slices: [self; 2],
            shares: [1.0, 0.0],
            more: 0.0,
            extrapolated: false,
        }
    }
}

impl Surface {
    /// The smile at a time to expiry, in years of 365 days. Beyond the first and last expiry as [`Self::total_variance`] says, with
    /// the carry of the nearest two expiries.
    ///
    /// # Errors
    ///
    /// Not between 1e-17 and 200 years.
    pub fn tenor(&self, years: f64) -> Result<Tenor<'_>, NoAnswer> {
        if !(SHORTEST..=Field::Years.range().1).contains(&years) {
            return Err(NoAnswer::BadTenor { years });
        }
        let slices = self.slices();
        let after = slices.partition_point(|slice| slice.years < years);
        if let Some(exact) = slices.get(after).filter(|slice| slice.years == years) {
            return Ok(exact.tenor());
        }
        // The two around the tenor, or the two nearest, or the only one twice.
        let second = after.clamp(1, slices.len().max(2) - 1).min(slices.len() - 1);
        let (low, high) = (&slices[second.saturating_sub(1)], &slices[second]);
        let apart = high.years - low.years;
        let share = if apart > 0.0 { (years - low.years) / apart } else { 0.0 };
        let along = |low: f64, high: f64| exp((ln(low) + (ln(high) - ln(low)) * share).clamp(-300.0, 300.0));
        let (forward, discount) = (along(low.forward, high.forward), along(low.discount, high.discount));
        let (shares, extrapolated) = ([1.0 - share, share], false);
        let between = Tenor { years, forward, discount, slices: [low, high], shares, more: 0.0, extrapolated };
        Ok(match (after.checked_sub(1).map(|before| &slices[before]), slices.get(after)) {
            (None, _) => Tenor { slices: [low; 2], shares: [years / low.years, 0.0], extrapolated: true, ..between },
            (Some(last), None) => {
                let more = last.total_variance(0.0) * (years / last.years - 1.0);
                Tenor { slices: [last; 2], shares: [1.0, 0.0], more, extrapolated: true, ..between }
            }
            (Some(_), Some(_)) => between,
        })
    }

    /// Volatility at the money of two tenors.
    ///
    /// # Errors
    ///
    /// A tenor that is none, or a longer one that is not longer.
    pub fn term_slope(&self, short_years: f64, long_years: f64) -> Result<TermSlope, NoAnswer> {
        let (short_vol, long_vol) = (self.tenor(short_years)?.atm(), self.tenor(long_years)?.atm());
        if long_years <= short_years {
            return Err(NoAnswer::BadTenor { years: long_years });
        }
        Ok(TermSlope { short_years, long_years, short_vol, long_vol })
    }
}

impl<'a> Tenor<'a> {
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

    /// Discount factor.
    #[must_use]
    pub fn discount(&self) -> f64 {
        self.discount
    }

    /// Whether it lies before the first or after the last expiry.
    #[must_use]
    pub fn extrapolated(&self) -> bool {
        self.extrapolated
    }

    /// Lowest and highest log-moneyness that is quoted at all expiries that make this smile.
    #[must_use]
    pub fn quoted(&self) -> (f64, f64) {
        let [first, second] = self.slices.map(Slice::quoted);
        if self.shares[1] == 0.0 { first } else { (first.0.max(second.0), first.1.min(second.1)) }
    }

    /// Total variance, its first and its second derivative in log-moneyness.
    #[must_use]
    pub fn with_derivatives(&self, k: f64) -> (f64, f64, f64) {
        let [share, other] = self.shares;
        let first = self.slices[0].with_derivatives(k);
        if other == 0.0 {
            return (first.0 * share + self.more, first.1 * share, first.2 * share);
        }
        let second = self.slices[1].with_derivatives(k);
        let mix = |a: f64, b: f64| a * share + b * other;
        (mix(first.0, second.0) + self.more, mix(first.1, second.1), mix(first.2, second.2))
    }

    /// Variance to expiry at a log-moneyness.
    #[must_use]
    pub fn total_variance(&self, k: f64) -> f64 {
        self.with_derivatives(k).0
    }

    /// Volatility a year at a log-moneyness, as a fraction.
    #[must_use]
    pub fn vol(&self, k: f64) -> f64 {
        sqrt(self.total_variance(k) / self.years)
    }

    /// Volatilities in place of log-moneynesses: those of [`Self::vol`] one by one, bit for bit. Sixteen neighbours that lie between the
    /// same two knots cost a fraction of what they cost one by one, so that many should stand in order, up or down.
    pub fn vols(&self, places: &mut [f64]) {
        let mut last = [Piece::NONE; 2];
        let (whole, rest) = places.as_chunks_mut::<TOGETHER>();
        for places in whole {
            self.vols_together(places, &mut last);
        }
        if let Some(end) = rest.last() {
            let mut places = [*end; TOGETHER];
            places[..rest.len()].copy_from_slice(rest);
            self.vols_together(&mut places, &mut last);
            rest.copy_from_slice(&places[..rest.len()]);
        }
    }

    #[inline(always)]
    fn vols_together(&self, places: &mut [f64; TOGETHER], last: &mut [Piece; 2]) {
        let ([share, other], more, years) = (self.shares, self.more, self.years);
        let [one, two] = self.slices;
        if other == 0.0 {
            one.curve.values(places, &mut last[0], |value| sqrt((value * share + more) / years));
        } else {
            let mut second = *places;
            one.curve.values(places, &mut last[0], |value| value);
            two.curve.values(&mut second, &mut last[1], |value| value);
            let mix = |(vol, second): (&mut f64, f64)| *vol = sqrt((*vol * share + second * other + more) / years);
            places.iter_mut().zip(second).for_each(mix);
        }
    }

    /// σ√T.
    fn deviation(&self, k: f64) -> f64 {
        sqrt(self.total_variance(k))
    }

    /// ln(strike ÷ forward).
    ///
    /// # Errors
    ///
    /// A strike that is none.
    pub fn log_moneyness(&self, strike: f64) -> Result<f64, NoAnswer> {
        let (low, high) = Field::Strike.range();
        if (low..=high).contains(&strike) {
            Ok(ln(strike / self.forward))
        } else {
            Err(NoAnswer::BadPrice { price: strike })
        }
    }

    /// What the smile says of a strike.
    ///
    /// # Errors
    ///
    /// A strike that is none.
    pub fn at_strike(&self, strike: f64) -> Result<StrikePoint, NoAnswer> {
        let log_moneyness = self.log_moneyness(strike)?;
        Ok(StrikePoint { strike, log_moneyness, vol: self.vol(log_moneyness) })
    }

    fn at_log_moneyness(&self, log_moneyness: f64) -> StrikePoint {
        StrikePoint { strike: self.forward * exp(log_moneyness), log_moneyness, vol: self.vol(log_moneyness) }
    }

    /// Volatility where the strike is the forward.
    #[must_use]
    pub fn atm(&self) -> f64 {
        self.vol(0.0)
    }

    /// ∂σ/∂ln(strike) at the forward: negative where low strikes cost more.
    #[must_use]
    pub fn skew(&self) -> f64 {
        self.vol_slope(0.0)
    }

    /// ∂σ/∂ln(strike) at a log-moneyness.
    #[must_use]
    pub fn vol_slope(&self, k: f64) -> f64 {
        let (variance, slope, _) = self.with_derivatives(k);
        slope / (2.0 * sqrt(variance * self.years))
    }

    /// The delta of the option at a log-moneyness, without discount: N(d₁) of a call, or with the premium taken off e^k N(d₂).
    /// Without the sign of a put's.
    #[must_use]
    pub fn delta(&self, kind: OptionKind, convention: DeltaConvention, k: f64) -> f64 {
        let s = self.deviation(k);
        let d1 = -k / s + s * 0.5;
        let sign = if kind == OptionKind::Call { 1.0 } else { -1.0 };
        match convention {
            DeltaConvention::BlackScholes => normal_distribution(sign * d1),
            DeltaConvention::Net => exp(k.clamp(-700.0, 700.0)) * normal_distribution(sign * (d1 - s)),
        }
    }

    /// The strike whose option has a delta, given without its sign: 0.25 is the 25-delta put or call. Forward delta, not discounted,
    /// of the premium's currency only if asked ([`DeltaConvention::Net`]); of the two strikes that a premium-adjusted delta of a
    /// call has, the higher.
    ///
    /// # Errors
    ///
    /// A delta that is none, or that no strike has.
    pub fn at_delta(&self, kind: OptionKind, convention: DeltaConvention, delta: f64) -> Result<StrikePoint, NoAnswer> {
        if !(delta > 0.0 && delta < 1.0) {
            return Err(NoAnswer::BadDelta { delta });
        }
        let over = |k: f64| self.delta(kind, convention, k) - delta;
        let k = match (kind, convention) {
            (OptionKind::Call, DeltaConvention::BlackScholes) => self.crossing(delta, |k| -over(k))?,
            // Both rise with the strike, because d₁ and d₂ fall without butterfly arbitrage.
            (OptionKind::Put, _) => self.crossing(delta, over)?,
            (OptionKind::Call, DeltaConvention::Net) => self.premium_adjusted_call(delta)?,
        };
        Ok(self.at_log_moneyness(k))
    }

    /// Where a function that rises with the log-moneyness crosses 0.
    fn crossing(&self, delta: f64, rising: impl Fn(f64) -> f64) -> Result<f64, NoAnswer> {
        let none = Err(NoAnswer::NoStrike { delta, largest: 1.0 });
        let step = self.deviation(0.0).max(1e-6);
        let (mut low, mut high) = (-step, step);
        while rising(low) > 0.0 {
            low *= 2.0;
            if low < -FARTHEST {
                return none;
            }
        }
        while rising(high) < 0.0 {
            high *= 2.0;
            if high > FARTHEST {
                return none;
            }
        }
        Ok(root(low, high, rising))
    }

    /// The higher strike at which e^k N(d₂) is `delta`. It lies under the unadjusted one, and over ln(delta).
    fn premium_adjusted_call(&self, delta: f64) -> Result<f64, NoAnswer> {
        const STEPS: usize = 256;
        let adjusted = |k: f64| self.delta(OptionKind::Call, DeltaConvention::Net, k);
        let high = self.crossing(delta, |k| delta - self.delta(OptionKind::Call, DeltaConvention::BlackScholes, k))?;
        let low = ln(delta).min(high);
        let width = (high - low) / STEPS as f64;
        let place = |step: usize| high - width * step as f64;
        let (mut best, mut largest) = (0, f64::NEG_INFINITY);
        for step in 0..=STEPS {
            let value = adjusted(place(step));
            if value >= delta {
                let above = place(step.saturating_sub(1));
                return Ok(root(place(step), above, |k| delta - adjusted(k)));
            }
            if value > largest {
                (best, largest) = (step, value);
            }
        }
        // The top may lie between two steps.
        let (mut left, mut right) = (place((best + 1).min(STEPS)), place(best.saturating_sub(1)));
        for _ in 0..80 {
            let third = (right - left) / 3.0;
            if adjusted(left + third) < adjusted(right - third) { left += third } else { right -= third }
        }
        let top = (left + right) * 0.5;
        if adjusted(top) >= delta {
            return Ok(root(top, place(best.saturating_sub(1)), |k| delta - adjusted(k)));
        }
        Err(NoAnswer::NoStrike { delta, largest: largest.max(adjusted(top)) })
    }

    /// Volatilities of the call and the put of one delta, without its sign, and at the money.
    ///
    /// # Errors
    ///
    /// As [`Self::at_delta`].
    pub fn wings(&self, convention: DeltaConvention, delta: f64) -> Result<Wings, NoAnswer> {
        let call = self.at_delta(OptionKind::Call, convention, delta)?;
        let put = self.at_delta(OptionKind::Put, convention, delta)?;
        Ok(Wings { call, put, atm: self.atm() })
    }

    /// Undiscounted value ÷ forward of the option out of the money.
    fn out_of_the_money(&self, k: f64) -> f64 {
        let s = self.deviation(k);
        let d1 = -k / s + s * 0.5;
        let (first, second) = if k >= 0.0 {
            (normal_distribution(d1), exp(k) * normal_distribution(d1 - s))
        } else {
            (exp(k) * normal_distribution(s - d1), normal_distribution(-d1))
        };
        (first - second).max(0.0)
    }

    /// The fair volatility of a variance swap: 2 ∫ Q(K)/K² dK over the whole fitted smile, Q out of the money and not discounted.
    #[must_use]
    pub fn variance_swap(&self) -> VarianceSwap {
        let quoted = self.quoted();
        let (puts, calls) = (self.swap_side(-1.0, -quoted.0), self.swap_side(1.0, quoted.1));
        let vol = |variance: f64| sqrt(variance / self.years);
        VarianceSwap {
            vol: vol(puts.total + calls.total),
            quoted_vol: vol(puts.quoted + calls.quoted),
            from: -puts.end,
            to: calls.end,
            ended: puts.ended && calls.ended,
        }
    }

    /// One side's variance. Panels of Gauss–Legendre's rule, a quarter of a deviation or a tenth of the way out, whichever is more; one
    /// ends at the last quote, so that what is beyond is told apart exactly.
    fn swap_side(&self, sign: f64, last_quote: f64) -> SwapSide {
        let last_quote = last_quote.clamp(0.0, SWAP_FARTHEST);
        let mut side = SwapSide { total: 0.0, quoted: 0.0, end: 0.0, ended: false };
        while side.end < SWAP_FARTHEST {
            let at = side.end;
            let width = (self.deviation(at * sign) * 0.25).max(at * 0.1).max(1e-12);
            let limit = if at < last_quote { last_quote } else { SWAP_FARTHEST };
            side.end = (at + width).min(limit);
            let (middle, half) = ((at + side.end) * 0.5, (side.end - at) * 0.5);
            let mut panel = 0.0;
            for (place, weight) in GAUSS {
                for x in [middle - half * place, middle + half * place] {
                    panel += weight * self.out_of_the_money(x * sign) * exp(-x * sign);
                }
            }
            panel *= 2.0 * half;
            side.total += panel;
            if at < last_quote {
                side.quoted = side.total;
            }
            if panel <= side.total * 1e-11 {
                side.ended = true;
                break;
            }
        }
        side
    }

    /// Risk-neutral density of the price at expiry, for one unit of price.
    ///
    /// # Errors
    ///
    /// A price that is none.
    pub fn density(&self, price: f64) -> Result<f64, NoAnswer> {
        Ok(self.log_density(self.log_moneyness(price)?) / price)
    }

    /// Risk-neutral density of ln(price at expiry ÷ forward).
    #[must_use]
    pub fn log_density(&self, k: f64) -> f64 {
        let smile = self.with_derivatives(k);
        let s = sqrt(smile.0);
        durrleman(k, smile) / s * normal_density(-k / s - s * 0.5)
    }

    /// Risk-neutral probability that the price at expiry is under `price`: the slope of an undiscounted put by its strike.
    ///
    /// # Errors
    ///
    /// A price that is none.
    pub fn probability_below(&self, price: f64) -> Result<f64, NoAnswer> {
        let k = self.log_moneyness(price)?;
        let (variance, slope, _) = self.with_derivatives(k);
        let s = sqrt(variance);
        let d2 = -k / s - s * 0.5;
        Ok((normal_distribution(-d2) + normal_density(d2) * slope / (2.0 * s)).clamp(0.0, 1.0))
    }
}

/// One side of a variance swap.
#[derive(Debug, Clone, Copy)]
struct SwapSide {
    total: f64,
    /// Of it up to the last quote.
    quoted: f64,
    /// How far out it goes.
    end: f64,
    ended: bool,
}

/// Less time than this, in years, counts as none.
const SHORTEST: f64 = 1e-17;

/// Log-moneyness beyond which no strike is looked for.
const FARTHEST: f64 = 60.0;

/// Log-moneyness at which the integral of a variance swap is cut.
const SWAP_FARTHEST: f64 = 20.0;

/// Gauss–Legendre with eight places: the four on one side, and their weights.
const GAUSS: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// Where a function that is not over 0 at `low` and not under 0 at `high` crosses 0: false position that halves the weight of an end
/// that stays (Illinois), and bisection every fourth step, so that it always ends.
pub(super) fn root(mut low: f64, mut high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut below, mut above) = (function(low), function(high));
    let mut stayed = 0;
    for step in 0..200 {
        if below == 0.0 {
            return low;
        }
        if above == 0.0 {
            return high;
        }
        let width = high - low;
        if width <= 1e-15 + 4.0 * f64::EPSILON * low.abs().max(high.abs()) {
            break;
        }
        let middle = low + width * 0.5;
        let guess = if step % 4 == 3 { middle } else { low - below * width / (above - below) };
        let guess = if guess > low && guess < high { guess } else { middle };
        let value = function(guess);
        if value <= 0.0 {
            (low, below) = (guess, value);
            if stayed == 1 {
                above *= 0.5;
            }
            stayed = 1;
        } else {
            (high, above) = (guess, value);
            if stayed == -1 {
                below *= 0.5;
            }
            stayed = -1;
        }
    }
    (low + high) * 0.5
}
