//! How far a hedge may stray before it is worth its costs to trade.
//!
//! Whoever holds options and hedges them at a cost does best to let delta stray within a band about its target, and to trade only to the
//! band's edge. For exponential utility and a cost that is a small share k of what is traded, half of the band is
//! (3/2 × e^(−r T) k S Γ² ÷ λ)^⅓ (Whalley and Wilmott, "An Asymptotic Analysis of an Optimal Hedging Model for Option Pricing with
//! Transaction Costs", Mathematical Finance 7, 1997), with the price S, the gamma Γ of what is hedged, and the absolute risk aversion λ: of
//! a trader of relative risk aversion γ it is γ ÷ equity.

use units::math::{pow, sqrt};

/// In what wealth is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numeraire {
    /// In dollars: coins are at risk.
    #[default]
    Dollar,
    /// In coins: dollars are at risk, and what is worth coins is no risk.
    Coin,
}

/// Why there is no band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandError {
    /// Which number.
    pub name: &'static str,
    /// What it is.
    pub value: f64,
    /// What it may be.
    pub allowed: &'static str,
}

impl std::fmt::Display for BandError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} is {}, and must be {}", self.name, self.value, self.allowed)
    }
}

impl std::error::Error for BandError {}

/// What is hedged, and at what cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hedged {
    /// Of what the hedge is in: the forward, or the coin.
    pub price: f64,
    /// By how many coins the delta of what is hedged grows when the price grows by one. Its sign is of no matter.
    pub gamma: f64,
    /// What a trade costs, as a share of its value: half spread and fee.
    pub cost: f64,
    /// Equity, in the numéraire.
    pub equity: f64,
    /// Relative risk aversion: one is that of logarithmic utility.
    pub risk_aversion: f64,
    /// What one of the numéraire, paid when the options expire, is worth now: 1 for options on a forward, margined daily.
    pub discount: f64,
    /// In what equity is counted.
    pub numeraire: Numeraire,
}

impl Hedged {
    /// Half of the band about the target, in coins.
    ///
    /// In coins as numéraire the asset at risk is the dollar, at 1 ÷ S coins. Gamma by that price is S³ Γ, and a band of so many dollars is
    /// S times as many as coins: (3/2 k S² Γ² ÷ λ)^⅓ with λ = γ ÷ equity in coins, which is the same band as that of equal equity in
    /// dollars. What differs is its centre ([`target`]).
    ///
    /// # Errors
    ///
    /// Price, equity, risk aversion or discount not over zero, a cost under zero or of one and more, a gamma that is not finite.
    pub fn half_band(&self) -> Result<f64, BandError> {
        let over_zero = |name, value: f64| check(name, value, "over 0", value > 0.0);
        over_zero("the price", self.price)?;
        over_zero("equity", self.equity)?;
        over_zero("risk aversion", self.risk_aversion)?;
        over_zero("the discount", self.discount)?;
        check("gamma", self.gamma, "finite", true)?;
        check("the cost", self.cost, "0 or more, and under 1", (0.0..1.0).contains(&self.cost))?;
        let aversion = self.risk_aversion / self.equity;
        let price = match self.numeraire {
            Numeraire::Dollar => self.price,
            Numeraire::Coin => self.price * self.price,
        };
        let cube = 1.5 * self.discount * self.cost * price * self.gamma * self.gamma / aversion;
        Ok(pow(cube, 1.0 / 3.0))
    }

    /// What costs and straying take from certain wealth within a year, to leading order, if the half band is `half` coins, at a volatility
    /// of the price a year: σ² S² (k S Γ² ÷ (2 half) + λ half² ÷ 6), in the numéraire if that is dollars.
    ///
    /// Within the band delta is as likely in one place as in another, so it is half² ÷ 3 off on average, for which exponential utility asks
    /// λ ÷ 2 × σ² S² times that; and it runs over the band's edges at the rate σ² S² Γ² ÷ (2 half), at k S a coin. It is least at
    /// [`Self::half_band`], flat about it, and tells what another band costs.
    ///
    /// # Errors
    ///
    /// As [`Self::half_band`]; a half band or volatility not over zero; equity in coins.
    pub fn burden(&self, half: f64, volatility: f64) -> Result<f64, BandError> {
        self.half_band()?;
        check("the half band", half, "over 0", half > 0.0)?;
        check("the volatility", volatility, "over 0", volatility > 0.0)?;
        check("equity", self.equity, "in dollars", self.numeraire == Numeraire::Dollar)?;
        let Self { price, gamma, cost, discount, .. } = *self;
        let variance = volatility * volatility * price * price;
        let aversion = self.risk_aversion / self.equity / discount;
        Ok(variance * (cost * price * gamma * gamma / (2.0 * half) + aversion * half * half / 6.0))
    }

    /// The relative risk aversion whose half band this is: what a fixed band implies.
    ///
    /// # Errors
    ///
    /// As [`Self::half_band`], a half band not over zero.
    pub fn implied_aversion(&self, half: f64) -> Result<f64, BandError> {
        check("the half band", half, "over 0", half > 0.0)?;
        let own = self.half_band()?;
        let ratio = own / half;
        Ok(self.risk_aversion * ratio * ratio * ratio)
    }
}

fn check(name: &'static str, value: f64, allowed: &'static str, holds: bool) -> Result<(), BandError> {
    if holds && value.is_finite() { Ok(()) } else { Err(BandError { name, value, allowed }) }
}

/// What is to be held so that wealth does not change with the price: minus the delta of what is hedged; in coins, more by what the
/// position is worth in coins, because coins themselves are no risk.
#[must_use]
pub fn target(delta: f64, worth_in_coins: f64, numeraire: Numeraire) -> f64 {
    match numeraire {
        Numeraire::Dollar => -delta,
        Numeraire::Coin => worth_in_coins - delta,
    }
}

/// What to trade when so much is held: nothing within the band, else as much as brings it to its nearer edge.
#[must_use]
pub fn trade(held: f64, target: f64, half: f64) -> f64 {
    let off = held - target;
    if off > half {
        half - off
    } else if off < -half {
        -half - off
    } else {
        0.0
    }
}

/// How large a half band is beside how far delta moves in a step of so many
/// years. Under one or so, delta jumps over the band, and trading less often than the band asks for is all there is.
#[must_use]
pub fn steps_within(half: f64, price: f64, gamma: f64, volatility: f64, years: f64) -> f64 {
    half / (gamma.abs() * price * volatility * sqrt(years))
}
