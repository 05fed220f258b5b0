//! How much a structure or a book with options is expected to move: the standard deviation of its profit over one day, annualised.
//!
//! Every leg is priced again at fixed places of the spot a day ahead, so that curvature counts and not the delta alone. The spot is
//! lognormal at the at-the-money volatility without drift, the smile moves as told, and one day is gone.

use pricing::options::{EuropeanOption, Exposure, Exposures, Field, Inputs, MovedPrices, Refusal, Simd, Sweep};
use pricing::surface::Sticky;
use std::fmt;
use units::math::{exp, ln, sqrt};
use units::{Contract, OptionRight, Vol};

/// Where the spot is looked at: Gauss–Hermite nodes, and each one's weight under the standard normal law. The nodes of the other sign
/// have the same weights.
///
/// Thirty-two are enough for what lives a day longer: over straddles, strangles, calls and butterflies at volatilities of 30 to 120 %
/// the standard deviation is within 1e-9 of a dense integral with two days left at first and within 3e-4 with 1.2 days. What expires
/// within the day has a kink, which no polynomial follows: there the error is 2 % in the median and at most 4 % (a butterfly), and 64
/// nodes would still leave 1 and 5 %. Sixteen nodes would be off by 3 % at 1.2 days. An even number, of two blocks of the pricing kernel.
const HALF: [(f64, f64); 16] = [
    (0.275_546_419_230_275_8, 0.211_705_569_880_479_3),
    (0.827_284_903_779_765_2, 0.156_538_993_757_598_44),
    (1.380_980_199_272_144_2, 0.085_344_808_272_080_75),
    (1.938_004_905_925_717_4, 0.034_109_847_726_092_05),
    (2.499_840_415_187_395_4, 0.009_903_461_702_320_591),
    (3.068_135_169_013_121, 0.002_062_051_051_307_884_7),
    (3.644_781_249_880_833, 0.000_302_557_025_817_062_5),
    (4.232_021_109_995_41, 3.055_980_306_089_63e-5),
    (4.832_604_613_244_489, 2.059_622_103_953_428_7e-6),
    (5.450_033_273_623_428, 8.881_290_713_105_896e-8),
    (6.088_964_309_076_987, 2.312_518_412_074_240_5e-9),
    (6.755_930_830_540_705, 3.347_501_239_801_207e-11),
    (7.460_755_754_121_519, 2.378_064_855_777_808_6e-13),
    (8.219_728_765_382_245, 6.755_290_223_670_119e-16),
    (9.064_399_210_702_407, 5.208_449_591_960_861e-19),
    (10.077_422_674_229_465, 4.124_607_489_018_269_4e-23),
];

/// Number of places at which the spot is looked at.
pub const NODES: usize = 2 * HALF.len();

const DAYS_A_YEAR: f64 = 365.0;

/// A part of a structure or book.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Leg {
    /// A European option.
    Option {
        /// Call or put.
        right: OptionRight,
        /// Signed, in units of the underlying.
        quantity: f64,
        /// What prices it now, its own forward among it.
        inputs: Inputs,
    },
    /// A perpetual or a future.
    DeltaOne {
        /// Whether its quantity counts the underlying or the quote currency.
        contract: Contract,
        /// Signed, in that unit.
        quantity: f64,
        /// Its price.
        forward: f64,
    },
}

/// In what profit is reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProfitIn {
    /// In the currency of the strike, USD.
    #[default]
    Quote,
    /// In coin, as an account does that holds coin; told in USD at the present price.
    Coin,
}

/// The day ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneDay {
    /// Price of the underlying now.
    pub price: f64,
    /// At-the-money volatility a year, as a fraction.
    pub atm_vol: f64,
    /// How the smile moves.
    pub sticky: Sticky,
    /// In what profit is reckoned.
    pub profit_in: ProfitIn,
}

/// The standard deviation of the profit of one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExAnte {
    /// In cash, over the day.
    pub one_day: f64,
}

impl ExAnte {
    /// In cash, annualised: one day × √365.
    #[must_use]
    pub fn annual(self) -> f64 {
        self.one_day * sqrt(DAYS_A_YEAR)
    }

    /// Annualised, as a fraction of an exposure in cash. `None` if that is not above zero.
    #[must_use]
    pub fn of_exposure(self, exposure: f64) -> Option<Vol> {
        if exposure > 0.0 { Vol::new(self.annual() / exposure) } else { None }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExAnteError {
    /// A number of a leg or of the market that cannot be.
    Number(Refusal),
    /// A quantity, or what a smile tells, that is not finite.
    NotFinite(&'static str, f64),
}

impl fmt::Display for ExAnteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(refusal) => refusal.fmt(f),
            Self::NotFinite(what, value) => write!(f, "the {what} of a leg is {value}; it must be finite"),
        }
    }
}

impl std::error::Error for ExAnteError {}

impl From<Refusal> for ExAnteError {
    fn from(refusal: Refusal) -> Self {
        Self::Number(refusal)
    }
}

/// The volatility of `legs`. `smile` puts volatilities of the expiry of an option (the place of its leg) in place of ln(strike ÷ forward),
/// which come in order, the highest first: where smiles stay at their moneyness, a volatility changes by what its smile does between
/// where the strike is now and where it then is. It is not asked where smiles stay by their strikes. Where a volatility would fall under
/// zero it is zero.
///
/// ```
/// use pricing::options::Inputs;
/// use risk::{Leg, OneDay, ProfitIn, ex_ante};
/// use units::OptionRight;
/// let inputs = Inputs { forward: 60_000.0, strike: 60_000.0, years: 30.0 / 365.0, vol: 0.6, discount: 1.0 };
/// let straddle = [OptionRight::Call, OptionRight::Put].map(|right| Leg::Option { right, quantity: 1.0, inputs });
/// let day = OneDay { price: 60_000.0, atm_vol: 0.6, sticky: Default::default(), profit_in: ProfitIn::Quote };
/// let smile = |_: usize, places: &mut [f64]| places.iter_mut().for_each(|place| *place = 0.6 - 0.1 * *place);
/// let vol = ex_ante(&straddle, &day, smile)?.of_exposure(60_000.0).unwrap();
/// assert!((0.05..0.15).contains(&vol.get()), "far from the 60 % of a coin: {vol:?}");
/// # Ok::<(), risk::ExAnteError>(())
/// ```
///
/// # Errors
///
/// A number outside its range, here or at a place of the spot; a quantity or a volatility of a smile that is not finite.
pub fn ex_ante(legs: &[Leg], day: &OneDay, smile: impl Fn(usize, &mut [f64])) -> Result<ExAnte, ExAnteError> {
    let profits = profits(legs, day, smile)?;
    let mean: f64 = profits.iter().map(|(weight, profit)| weight * profit).sum();
    let variance: f64 = profits.iter().map(|(weight, profit)| weight * (profit - mean) * (profit - mean)).sum();
    let price = match day.profit_in {
        ProfitIn::Quote => 1.0,
        ProfitIn::Coin => day.price,
    };
    Ok(ExAnte { one_day: sqrt(variance) * price })
}

/// Weight and profit at each node, less what is the same at all of them: what options are worth now.
fn profits(legs: &[Leg], day: &OneDay, smile: impl Fn(usize, &mut [f64])) -> Result<[(f64, f64); NODES], ExAnteError> {
    in_range(Field::Vol, day.atm_vol)?;
    in_range(Field::Forward, day.price)?;
    let deviation = day.atm_vol / sqrt(DAYS_A_YEAR);
    // From the lowest spot to the highest.
    let nodes: [(f64, f64); NODES] = std::array::from_fn(|index| match index.checked_sub(HALF.len()) {
        Some(above) => HALF[above],
        None => {
            let (node, weight) = HALF[HALF.len() - 1 - index];
            (-node, weight)
        }
    });
    // Every leg's forward moves by the same factors.
    let moves = nodes.map(|(node, _)| deviation * node - deviation * deviation / 2.0);
    let factors = moves.map(exp);
    let mut profits = nodes.map(|(_, weight)| (weight, 0.0));
    let (mut options, mut exposures, mut follows) = (MovedPrices::default(), Exposures::default(), Vec::new());
    for (at, leg) in legs.iter().enumerate() {
        match *leg {
            Leg::Option { right, quantity, inputs } => {
                finite("quantity", quantity)?;
                // What cannot be now is refused too.
                EuropeanOption::new(right, inputs)?;
                let Inputs { forward, strike, vol, .. } = inputs;
                for factor in [factors[0], factors[NODES - 1]] {
                    in_range(Field::Forward, forward * factor)?;
                }
                if day.sticky == Sticky::Moneyness {
                    let follow = follow(ln(strike / forward), moves, |places| smile(at, places));
                    for change in follow {
                        finite("volatility of the smile", change)?;
                        in_range(Field::Vol, (vol + change).max(0.0))?;
                    }
                    follows.push(follow);
                }
                let years = (inputs.years - 1.0 / DAYS_A_YEAR).max(0.0);
                let certain = inputs.discount == 1.0 || inputs.years == 0.0;
                let discount = if certain { 1.0 } else { exp(ln(inputs.discount) * (years / inputs.years)) };
                let quantity = match day.profit_in {
                    ProfitIn::Quote => quantity,
                    ProfitIn::Coin => quantity / forward,
                };
                options.push(right, strike, forward)?;
                // What a smile makes of a volatility stands in the place of a skew's move.
                exposures.push(&Exposure { tilt: 1.0, ..Exposure::still(quantity, vol, years, discount) })?;
            }
            Leg::DeltaOne { contract, quantity, forward } => {
                finite("quantity", quantity)?;
                in_range(Field::Forward, forward)?;
                for ((_, profit), factor) in profits.iter_mut().zip(factors) {
                    let then = match contract {
                        Contract::Linear => quantity * (forward * factor - forward),
                        Contract::Inverse => quantity * (factor - 1.0),
                    };
                    *profit += match day.profit_in {
                        ProfitIn::Quote => then,
                        ProfitIn::Coin => then / (forward * factor),
                    };
                }
            }
        }
    }
    let (simd, mut sweep, mut worth) = (Simd::best(), Sweep::default(), Vec::with_capacity(NODES));
    options.settle(simd);
    sweep.refill(simd, factors.map(|factor| (factor, 0.0, 0.0)));
    if follows.is_empty() {
        options.sweep(simd, 0..options.len(), &exposures, &sweep, &mut worth);
    }
    for (at, follow) in follows.iter().enumerate() {
        sweep.move_skews(*follow);
        options.sweep_more(simd, at..at + 1, &exposures, &sweep, &mut worth);
    }
    for (((_, profit), worth), factor) in profits.iter_mut().zip(worth).zip(factors) {
        *profit += match day.profit_in {
            ProfitIn::Quote => worth,
            ProfitIn::Coin => worth / factor,
        };
    }
    Ok(profits)
}

/// What the volatility at a place changes by under each move of ln of the forward, where the smile goes along.
fn follow(place: f64, moves: [f64; NODES], smile: impl Fn(&mut [f64])) -> [f64; NODES] {
    let mut here = [place];
    smile(&mut here);
    let mut then = moves.map(|by| place - by);
    smile(&mut then);
    then.map(|vol| vol - here[0])
}

fn in_range(field: Field, value: f64) -> Result<(), Refusal> {
    let (low, high) = field.range();
    if (low..=high).contains(&value) { Ok(()) } else { Err(Refusal { field, value }) }
}

fn finite(what: &'static str, value: f64) -> Result<(), ExAnteError> {
    if value.is_finite() { Ok(()) } else { Err(ExAnteError::NotFinite(what, value)) }
}

#[cfg(test)]
mod tests {
    use super::HALF;

    /// The moments of the normal law up to the 40th: (k − 1)!! for even k.
    #[test]
    fn nodes_give_the_moments_of_the_normal_law() {
        let mut expected = 1.0;
        for half in 0..=20_i32 {
            let moment: f64 =
                HALF.iter().map(|(node, weight)| 2.0 * weight * (0..2 * half).map(|_| node).product::<f64>()).sum();
            assert!((moment / expected - 1.0).abs() < 1e-13, "moment {}: {moment}, not {expected}", 2 * half);
            expected *= f64::from(2 * half + 1);
        }
    }
}
