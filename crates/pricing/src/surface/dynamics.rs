//! What a smile does when the market moves, and the deltas that follow.

use super::query::{NoAnswer, Tenor};
use crate::options::{EuropeanOption, Field, Greeks, Inputs, OptionKind};
use std::fmt;
use units::math::ln;

/// What of a smile stays when the forward moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sticky {
    /// The volatility of a strike.
    Strike,
    /// The volatility of a ratio of strike to forward: the smile moves along.
    #[default]
    Moneyness,
}

impl fmt::Display for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strike => "strike",
            Self::Moneyness => "moneyness",
        })
    }
}

impl std::str::FromStr for Sticky {
    type Err = UnknownSticky;

    fn from_str(text: &str) -> Result<Self, UnknownSticky> {
        match text {
            "strike" => Ok(Self::Strike),
            "moneyness" => Ok(Self::Moneyness),
            _ => Err(UnknownSticky),
        }
    }
}

/// A word that is neither `strike` nor `moneyness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSticky;

impl fmt::Display for UnknownSticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a smile is sticky by `strike` or by `moneyness`")
    }
}

impl std::error::Error for UnknownSticky {}

/// The deltas of one option: what to hold against it, under either idea of what the smile does. In units of the underlying, by the
/// forward, discounted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgeDeltas {
    /// If the strike keeps its volatility: Black's delta.
    pub sticky_strike: f64,
    /// If the smile moves along: that, and vega × ∂σ/∂forward = −vega × ∂σ/∂ln(strike) ÷ forward.
    pub sticky_moneyness: f64,
    /// The option's price in coin, which a holder of an option in coin takes off either delta.
    pub coin_price: f64,
}

impl HedgeDeltas {
    /// The delta under one idea.
    #[must_use]
    pub fn of(&self, sticky: Sticky) -> f64 {
        match sticky {
            Sticky::Strike => self.sticky_strike,
            Sticky::Moneyness => self.sticky_moneyness,
        }
    }

    /// The net delta under one idea: what an option in coin adds to the delta of an account.
    #[must_use]
    pub fn net(&self, sticky: Sticky) -> f64 {
        self.of(sticky) - self.coin_price
    }
}

impl Tenor<'_> {
    /// The volatility of a strike after the forward of this tenor moved to `forward`.
    ///
    /// # Errors
    ///
    /// A strike or forward that is no price.
    pub fn vol_after_move(&self, strike: f64, forward: f64, sticky: Sticky) -> Result<f64, NoAnswer> {
        let before = self.log_moneyness(strike)?;
        let (low, high) = Field::Forward.range();
        if !(low..=high).contains(&forward) {
            return Err(NoAnswer::BadPrice { price: forward });
        }
        Ok(self.vol(match sticky {
            Sticky::Strike => before,
            Sticky::Moneyness => ln(strike / forward),
        }))
    }

    /// Price and Greeks of an option at the smile's volatility, in the currency of the strike.
    ///
    /// # Errors
    ///
    /// A strike that is none, or a volatility or forward beyond what is priced.
    pub fn greeks(&self, kind: OptionKind, strike: f64) -> Result<Greeks, NoAnswer> {
        let vol = self.at_strike(strike)?.vol;
        let inputs = Inputs { forward: self.forward(), strike, years: self.years(), vol, discount: self.discount() };
        let option = EuropeanOption::new(kind, inputs).map_err(NoAnswer::Unpriced)?;
        Ok(option.greeks())
    }

    /// The deltas of an option under both ideas of what the smile does.
    ///
    /// # Errors
    ///
    /// A strike that is none.
    pub fn hedge_deltas(&self, kind: OptionKind, strike: f64) -> Result<HedgeDeltas, NoAnswer> {
        let greeks = self.greeks(kind, strike)?;
        let slope = self.vol_slope(self.log_moneyness(strike)?);
        // Vega is for 0.01 of volatility.
        let moved = greeks.vega * 100.0 * slope / self.forward();
        Ok(HedgeDeltas {
            sticky_strike: greeks.delta,
            sticky_moneyness: greeks.delta - moved,
            coin_price: greeks.price / self.forward(),
        })
    }
}
