//! Implied volatilities of many quotes.

use super::batch::Column;
use super::contract::{Field, OptionKind, OptionStyle, Refusal};
use super::functions::{exp, ln_ratio};
use super::inverse::{Problem, SMALLEST_SHARE, deviation};
use super::lanes::{Block, LANES, Lanes, Real, Work, scalar::AnyScalar};
use super::simd::Simd;

/// Why there is no volatility. An expected answer, not a failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoVol {
    /// Under what exercise would give, by more than half a tick and by more than rounding explains.
    BelowIntrinsic,
    /// Not under the forward (a call) or the strike (a put), discounted: no volatility makes an option worth that.
    AboveForward,
    /// The price is that of exercise, to within half a tick or its rounding, or the option has no time left: any volatility up to
    /// `high` fits.
    /// `None` if none is too high.
    NoInformation {
        /// The volatility half a tick above the price.
        high: Option<f64>,
    },
}

/// What a price says about volatility.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Implied {
    /// The volatility at the price, and the interval implied by half a tick on either side; of a price in the money at least by
    /// its rounding, four ulps of the larger of forward and strike.
    Vol {
        /// At the price.
        vol: f64,
        /// Half a tick below; 0 where that is the price of exercise or less.
        low: f64,
        /// Half a tick above; `None` where no volatility is too high.
        high: Option<f64>,
    },
    /// There is none.
    None(NoVol),
}

impl Implied {
    /// The volatility, if there is one.
    #[must_use]
    pub fn vol(&self) -> Option<f64> {
        match *self {
            Self::Vol { vol, .. } => Some(vol),
            Self::None(_) => None,
        }
    }
}

/// What is known of an option with a price, unchecked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuoteInputs {
    /// Price of the forward.
    pub forward: f64,
    /// Strike, in the same currency.
    pub strike: f64,
    /// Time to expiry in years of 365 days.
    pub years: f64,
    /// Discount factor to expiry.
    pub discount: f64,
    /// Price of the option: in the currency of the forward, or in coin for an inverse option.
    pub price: f64,
    /// Smallest step of that price; 0 if it is exact but for its rounding.
    pub tick: f64,
}

/// Prices whose volatility is sought, as a structure of arrays. Every number in it was checked.
///
/// ```
/// use pricing::options::{Implied, ImpliedVols, OptionKind, OptionStyle, QuoteInputs, Quotes, Simd};
/// let mut quotes = Quotes::default();
/// let inputs = QuoteInputs { forward: 60_000.0, strike: 65_000.0, years: 0.1, discount: 1.0, price: 0.051, tick: 0.0001 };
/// quotes.push(OptionKind::Call, OptionStyle::Inverse, inputs)?;
/// let mut vols = ImpliedVols::default();
/// quotes.implied(Simd::best(), &mut vols);
/// let Implied::Vol { vol, low, high: Some(high) } = vols.get(0) else { unreachable!() };
/// assert!(low < vol && vol < high && high - low < 0.002);
///
/// // After the next tick: from where the solutions were.
/// quotes.set_price(0, 0.0515)?;
/// quotes.implied_again(Simd::best(), &mut vols);
/// assert!(vols.get(0).vol().unwrap() > vol);
/// # Ok::<(), pricing::options::Refusal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quotes {
    sign: Column,
    forward: Column,
    strike: Column,
    years: Column,
    discount: Column,
    /// In the currency of the forward, as are the half ticks.
    price: Column,
    half_tick: Column,
    /// What a price is multiplied with to be in the currency of the forward.
    unit: Vec<f64>,
}

impl Quotes {
    /// Adds a quote at the end.
    ///
    /// # Errors
    ///
    /// The first number that is not finite or lies outside its range ([`Field::range`]).
    pub fn push(&mut self, kind: OptionKind, style: OptionStyle, inputs: QuoteInputs) -> Result<(), Refusal> {
        let forward = Field::Forward.check(inputs.forward)?;
        let strike = Field::Strike.check(inputs.strike)?;
        let years = Field::Years.check(inputs.years)?;
        let discount = Field::Discount.check(inputs.discount)?;
        let unit = match style {
            OptionStyle::Linear => 1.0,
            OptionStyle::Inverse => forward,
        };
        let price = Field::Price.check(inputs.price)? * unit;
        let half_tick = Field::Tick.check(inputs.tick)? * unit * 0.5;
        self.sign.push(kind.sign(), 1.0);
        self.forward.push(forward, 1.0);
        self.strike.push(strike, 1.0);
        self.years.push(years, 1.0);
        self.discount.push(discount, 1.0);
        self.price.push(price, 0.1);
        self.half_tick.push(half_tick, 0.0);
        self.unit.push(unit);
        Ok(())
    }

    /// Number of quotes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sign.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all away; the storage stays.
    pub fn clear(&mut self) {
        let Self { sign, forward, strike, years, discount, price, half_tick, unit } = self;
        for column in [sign, forward, strike, years, discount, price, half_tick] {
            column.clear();
        }
        unit.clear();
    }

    /// Moves one price, in the unit in which it was given.
    ///
    /// # Errors
    ///
    /// A price outside its range; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is no such quote.
    pub fn set_price(&mut self, index: usize, price: f64) -> Result<(), Refusal> {
        assert!(index < self.len(), "quote {index} of {}", self.len());
        self.price.set(index, Field::Price.check(price)? * self.unit[index]);
        Ok(())
    }

    /// The volatilities, from nothing, into `vols`, whose storage is used again.
    pub fn implied(&self, simd: Simd, vols: &mut ImpliedVols) {
        vols.resize(self.len());
        simd.enter(Solve::<false> { quotes: self, vols });
    }

    /// The volatilities, from those that are in `vols`: quicker after a small move. A quote that had none, or has moved far, is
    /// solved as from nothing.
    ///
    /// # Panics
    ///
    /// If `vols` holds another number of quotes.
    pub fn implied_again(&self, simd: Simd, vols: &mut ImpliedVols) {
        assert_eq!(vols.len(), self.len(), "a volatility for each quote");
        simd.enter(Solve::<true> { quotes: self, vols });
    }
}

/// To what share of the larger of forward and strike a price in the money is known, on either side, however exact it was meant:
/// it is rounded when it is computed, when it is discounted, when it is turned into coin, and all of that again on the way back.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// Marks in the columns for what has no volatility.
const BELOW: f64 = -1.0;
const ABOVE: f64 = -2.0;
const NOTHING: f64 = -3.0;

/// Volatilities of [`Quotes`], as columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImpliedVols {
    vol: Column,
    low: Column,
    /// Infinite where no volatility is too high.
    high: Column,
}

impl ImpliedVols {
    /// Number of quotes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vol.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answer for one quote.
    ///
    /// # Panics
    ///
    /// If there is no such quote.
    #[must_use]
    pub fn get(&self, index: usize) -> Implied {
        assert!(index < self.len(), "quote {index} of {}", self.len());
        let high = Some(self.high.get(index)).filter(|high| high.is_finite());
        match self.vol.get(index) {
            BELOW => Implied::None(NoVol::BelowIntrinsic),
            ABOVE => Implied::None(NoVol::AboveForward),
            NOTHING => Implied::None(NoVol::NoInformation { high }),
            vol => Implied::Vol { vol, low: self.low.get(index), high },
        }
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = Implied> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    fn resize(&mut self, len: usize) {
        for column in [&mut self.vol, &mut self.low, &mut self.high] {
            column.resize(len);
        }
    }
}

/// σ√T of an option with ln(forward/strike) = `moneyness` whose value out of the money is `price` × √(forward × strike).
/// `None` where there is none.
#[must_use]
pub fn total_deviation(moneyness: f64, price: f64) -> Option<f64> {
    let x = moneyness.abs();
    let share = price * exp(x * 0.5);
    let valid = x <= 70.0 && (SMALLEST_SHARE..1.0).contains(&share);
    let real = |value| Real::splat(AnyScalar, value);
    // The gap only serves a guess.
    let gap = if x < 1e-3 { x } else { exp(x) - 1.0 };
    let problem = Problem { moneyness: real(x), gap: real(gap), share: real(share), complement: real(1.0 - share) };
    valid.then(|| deviation(&problem, None).raw)
}

struct Solve<'a, const WARM: bool> {
    quotes: &'a Quotes,
    vols: &'a mut ImpliedVols,
}

impl<const WARM: bool> Work for Solve<'_, WARM> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Quotes { sign, forward, strike, years, discount, price, half_tick, unit: _ } = self.quotes;
        let ImpliedVols { vol, low, high } = self.vols;
        for index in 0..sign.blocks.len() {
            let quote = Quote {
                sign: &sign.blocks[index],
                forward: &forward.blocks[index],
                strike: &strike.blocks[index],
                years: &years.blocks[index],
                discount: &discount.blocks[index],
                price: &price.blocks[index],
                half_tick: &half_tick.blocks[index],
            };
            for part in 0..LANES / S::WIDTH {
                let before = WARM.then(|| Real::load(lanes, &vol.blocks[index], part));
                let answers = solve(lanes, &quote, part, before);
                answers[0].store(&mut vol.blocks[index], part);
                answers[1].store(&mut low.blocks[index], part);
                answers[2].store(&mut high.blocks[index], part);
            }
        }
    }
}

/// A block of quotes.
#[derive(Debug, Clone, Copy)]
struct Quote<'a> {
    sign: &'a Block,
    forward: &'a Block,
    strike: &'a Block,
    years: &'a Block,
    discount: &'a Block,
    price: &'a Block,
    half_tick: &'a Block,
}

/// Volatility or mark, and the interval's ends.
#[inline(always)]
fn solve<S: Lanes>(lanes: S, quote: &Quote<'_>, part: usize, before: Option<Real<S>>) -> [Real<S>; 3] {
    let load = |block: &Block| Real::load(lanes, block, part);
    let (sign, forward, strike) = (load(quote.sign), load(quote.forward), load(quote.strike));
    let (root, discount) = (load(quote.years).sqrt(), load(quote.discount));
    let zero = Real::splat(lanes, 0.0);
    let gap = forward - strike;
    let most = forward.at_most(strike);
    let exercise = (sign * gap).or_zero();
    let value = load(quote.price) / discount - exercise;
    let rounding = zero.less(exercise).select(forward.at_least(strike) * ROUNDING, zero);
    let half = (load(quote.half_tick) / discount).at_least(rounding);

    let ended = root.equal(zero);
    let moneyness = ln_ratio(forward, strike).abs();
    let over_most = root.constant(1.0) / most;
    let relative_gap = gap.abs() * over_most;
    let smallest = most * SMALLEST_SHARE;
    // Prices that no volatility has are replaced by one that some has; what comes of them is not used.
    let problem = |value: Real<S>| {
        let possible = smallest.less(value).and(value.less(most));
        let value = possible.select(value, most * 0.125);
        let share = value / most;
        let complement = (most - value) / most;
        (Problem { moneyness, gap: relative_gap, share, complement }, possible)
    };
    let (at_price, possible) = problem(value);
    // What is left of a price in the money may be nothing but its rounding.
    let possible = possible.and(rounding.less(value));
    let warm = before.map(|vol| {
        let known = zero.less(vol).and(ended.not());
        (vol * root, known)
    });
    let s = match warm {
        None => deviation(&at_price, None),
        Some((start, known)) if !known.not().any() => deviation(&at_price, Some(start)),
        Some((start, known)) => {
            let cold = deviation(&at_price, None);
            known.select(deviation(&at_price, Some(known.select(start, cold))), cold)
        }
    };

    // An exact price out of the money has an interval only if it has no volatility.
    let single = half.equal(zero).and(possible);
    let (low_s, high_s, over_low, under_high) = if single.not().any() {
        let (below, over_low) = problem(value - half);
        // What is under the smallest value cannot be told from it.
        let (above, under_high) = problem((value + half).at_least(smallest + smallest));
        (deviation(&below, Some(s)), deviation(&above, Some(s)), over_low, under_high)
    } else {
        (s, s, possible, possible)
    };
    let low_s = single.select(s, low_s);
    let high_s = single.select(s, high_s);
    let infinity = zero.constant(f64::INFINITY);
    let low = over_low.select(low_s / root, zero);
    let reachable = under_high.and(ended.not());
    let high = reachable.select(high_s / root, infinity);
    let mark = (value + half).less(zero).select(zero.constant(BELOW), zero.constant(NOTHING));
    let mark = value.less(most).select(mark, zero.constant(ABOVE));
    let vol = possible.and(ended.not()).select(s / root, mark);
    [vol, low, high]
}
