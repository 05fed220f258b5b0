//! Parameters of PMRM-2 as numbers.

use crate::venues::{MarginError, Parameters};
use market::Currency;
use std::fmt;

/// How a scenario moves volatilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolMove {
    /// Not.
    Same,
    /// Up, the more the shorter the expiry, and to no less than a floor.
    Up,
    /// Down, the more the shorter the expiry.
    Down,
    /// Up above the forward and down below it. What an expiry gains by it counts as lost.
    Linear,
    /// Up on both sides of the forward. What an expiry gains by it counts as lost.
    Absolute,
}

impl VolMove {
    /// All, in the order of the columns of volatilities.
    pub(super) const ALL: [Self; 5] = [Self::Same, Self::Up, Self::Down, Self::Linear, Self::Absolute];

    /// Whether it bends the smile instead of moving it.
    #[must_use]
    pub fn is_skew(self) -> bool {
        matches!(self, Self::Linear | Self::Absolute)
    }

    pub(super) fn column(self) -> usize {
        self as usize
    }
}

impl fmt::Display for VolMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "same",
            Self::Up => "up",
            Self::Down => "down",
            Self::Linear => "linear",
            Self::Absolute => "absolute",
        })
    }
}

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pmrm2Scenario {
    /// Factor of spot and forwards.
    pub spot: f64,
    /// What volatilities do.
    pub vol: VolMove,
    /// What part of the profit counts.
    pub weight: f64,
}

/// What a currency is worth as collateral.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollateralTerms {
    /// Which.
    pub currency: Currency,
    /// Whether it moves with the coin in scenarios.
    pub risk_cancelling: bool,
    /// Haircut of initial margin, on top of the other.
    pub initial: f64,
    /// Haircut of maintenance margin, and of initial margin.
    pub maintenance: f64,
}

/// The parameters of PMRM-2.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is explained by the row of its name in docs/margin.md")]
pub struct Pmrm2Terms {
    pub scenarios: Vec<Pmrm2Scenario>,
    pub collateral: Vec<CollateralTerms>,
    pub vol_range_up: f64,
    pub vol_range_down: f64,
    pub vol_floor_up: f64,
    pub short_term_power: f64,
    pub long_term_power: f64,
    pub days_floor: f64,
    pub linear_cap: f64,
    pub linear_cap_slope: f64,
    pub absolute_cap: f64,
    pub absolute_cap_slope: f64,
    pub width_min: f64,
    pub width_scale: f64,
    pub width_vol: f64,
    pub width_vol_slope: f64,
    pub initial_factor: f64,
    pub maintenance_factor: f64,
    pub gain_discount: f64,
    pub gain_rate_factor: f64,
    pub gain_rate_add: f64,
    pub loss_discount: f64,
    pub loss_rate_factor: f64,
    pub loss_rate_add: f64,
    pub basis_up: f64,
    pub basis_down: f64,
    pub basis_add: f64,
    pub basis_per_year: f64,
    pub peg_threshold: f64,
    pub peg_factor: f64,
    pub confidence_threshold: f64,
    pub confidence_factor: f64,
    pub perpetual_maintenance: f64,
    pub perpetual_initial: f64,
    pub option_maintenance: f64,
    pub option_initial: f64,
}

impl Pmrm2Terms {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// A parameter that is missing, or no number that it can be.
    pub fn new(parameters: &Parameters) -> Result<Self, MarginError> {
        // As wide as the venue's own test data, which go up to multiples of everything.
        let number = |name: &str| parameters.within(name, 0.0, 100.0);
        let signed = |name: &str| parameters.within(name, -100.0, 100.0);
        let scenario =
            |value: &str| scenario(value).ok_or_else(|| parameters.refuse("scenario", value, ALLOWED_SCENARIO));
        let scenarios: Vec<_> =
            parameters.each("scenario").map(|(_, value)| scenario(value)).collect::<Result<_, _>>()?;
        let named = parameters.each("collateral.");
        let terms = |(code, value): (&str, &str)| {
            collateral(code, value)
                .ok_or_else(|| parameters.refuse(&format!("collateral.{code}"), value, ALLOWED_COLLATERAL))
        };
        Ok(Self {
            scenarios,
            collateral: named.map(terms).collect::<Result<_, _>>()?,
            vol_range_up: number("vol_range_up")?,
            vol_range_down: number("vol_range_down")?,
            vol_floor_up: number("vol_floor_up")?,
            short_term_power: number("short_term_power")?,
            long_term_power: number("long_term_power")?,
            days_floor: parameters.within("days_floor", 1e-3, 1e4)?,
            linear_cap: number("linear_cap")?,
            linear_cap_slope: signed("linear_cap_slope")?,
            absolute_cap: number("absolute_cap")?,
            absolute_cap_slope: signed("absolute_cap_slope")?,
            width_min: parameters.within("width_min", 1e-6, 100.0)?,
            width_scale: number("width_scale")?,
            width_vol: number("width_vol")?,
            width_vol_slope: signed("width_vol_slope")?,
            initial_factor: number("initial_factor")?,
            maintenance_factor: number("maintenance_factor")?,
            gain_discount: number("gain_discount")?,
            gain_rate_factor: number("gain_rate_factor")?,
            gain_rate_add: number("gain_rate_add")?,
            loss_discount: number("loss_discount")?,
            loss_rate_factor: number("loss_rate_factor")?,
            loss_rate_add: number("loss_rate_add")?,
            basis_up: parameters.within("basis_up", 1e-3, 100.0)?,
            basis_down: parameters.within("basis_down", 1e-3, 100.0)?,
            basis_add: number("basis_add")?,
            basis_per_year: number("basis_per_year")?,
            peg_threshold: number("peg_threshold")?,
            peg_factor: number("peg_factor")?,
            confidence_threshold: number("confidence_threshold")?,
            confidence_factor: number("confidence_factor")?,
            perpetual_maintenance: number("perpetual_maintenance")?,
            perpetual_initial: number("perpetual_initial")?,
            option_maintenance: number("option_maintenance")?,
            option_initial: number("option_initial")?,
        })
    }
}

const ALLOWED_SCENARIO: &str =
    "factor of spot, over 0:`same`, `up`, `down`, `linear` or `absolute`:weight of 0 or more";
const ALLOWED_COLLATERAL: &str = "`true` or `false`:haircut of initial margin:haircut of maintenance margin, 0 to 1";

fn scenario(value: &str) -> Option<Pmrm2Scenario> {
    let mut parts = value.split(':');
    let spot = parts.next()?.parse().ok().filter(|spot: &f64| spot.is_finite() && *spot > 0.0)?;
    let name = parts.next()?;
    let vol = VolMove::ALL.into_iter().find(|vol| vol.to_string() == name)?;
    let weight = parts.next()?.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0)?;
    parts.next().is_none().then_some(Pmrm2Scenario { spot, vol, weight })
}

fn collateral(code: &str, value: &str) -> Option<CollateralTerms> {
    let mut parts = value.split(':');
    let currency = code.parse().ok()?;
    let risk_cancelling = parts.next()?.parse().ok()?;
    let mut haircut = || parts.next()?.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
    let (initial, maintenance) = (haircut()?, haircut()?);
    parts.next().is_none().then_some(CollateralTerms { currency, risk_cancelling, initial, maintenance })
}
