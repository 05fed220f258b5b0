//! What a backtest assumes of the venue and of the twin.

use super::{FeeTier, Flow};
use units::{Cash, Duration, Rate, Ratio};

/// What a backtest assumes of the venue and of the twin.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// Paid in at the start, in the settlement currency of the first instrument. Counts where no accounts are declared.
    pub deposit: Cash,
    /// The currency that the policy gives for it, where the symbol does not tell the one that the contract settles in.
    pub deposit_currency: Option<String>,
    /// Fee of a fill that takes; that of the first tier where there are tiers.
    pub taker_fee: Rate,
    /// Fee of a fill that rested; that of the first tier where there are tiers.
    pub maker_fee: Rate,
    /// Fees by the value traded; the first from zero on, rising. Empty: the two fees above hold.
    pub fee_tiers: Vec<FeeTier>,
    /// What the value traded is counted in. `None`: in dollars.
    pub fee_currency: Option<String>,
    /// Half of the spread, as a share of the price.
    pub half_spread: Rate,
    /// Further cost of market and stop fills, as a share of the price.
    pub slippage: Rate,
    /// Temporary price impact: the further share of price for each million of the quote currency that a market or stop order takes at
    /// once (Almgren and Chriss 2001).
    pub impact: Rate,
    /// What options cost and need.
    pub options: OptionCosts,
    /// From decision to the venue.
    pub latency: Duration,
    /// The twin's quantity: this × equity at entry ÷ entry price.
    pub twin_base: Ratio,
    /// Money moved during the run, in the order of time.
    pub flows: Vec<Flow>,
}

impl Backtest {
    /// What a trade at the market costs whatever its size, as a share of its value: fee, half the spread, slippage.
    #[must_use]
    pub fn cost(&self) -> f64 {
        [self.taker_fee, self.half_spread, self.slippage].map(Rate::approximate).iter().sum()
    }

    /// What impact adds to it for each unit of the quote currency traded at once, as a share of value: value² × this is money.
    #[must_use]
    pub fn impact_each(&self) -> f64 {
        self.impact.approximate() / 1e6
    }
}

/// What a backtest assumes that options cost and need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionCosts {
    /// Fee of a fill, a share of the underlying; at most an eighth of the option's price.
    pub fee: Rate,
    /// What options that are sold need.
    pub margin: OptionMargin,
}

/// What options that are sold need beside what they are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionMargin {
    /// Flat shares of the underlying, nobody's real rule.
    Flat {
        /// To sell one.
        initial: Rate,
        /// Under this, what was sold is liquidated; not over the initial one.
        maintenance: Rate,
    },
    /// By the rule of the venue that lists them.
    Venue,
}

impl Default for OptionCosts {
    fn default() -> Self {
        let basis_points = |count: i64| Rate::from_raw(count * (Rate::ONE / 10_000));
        let margin = OptionMargin::Flat { initial: basis_points(1_500), maintenance: basis_points(1_000) };
        Self { fee: basis_points(3), margin }
    }
}

impl Default for Backtest {
    /// A million of the quote currency on a large venue's perpetual, at its ordinary fees.
    fn default() -> Self {
        let hundredths_of_bp = |count: i64| Rate::from_raw(count * (Rate::ONE / 1_000_000));
        Self {
            deposit: Cash::from_raw(1_000_000 * Cash::ONE),
            deposit_currency: None,
            taker_fee: hundredths_of_bp(500),
            maker_fee: hundredths_of_bp(200),
            fee_tiers: Vec::new(),
            fee_currency: None,
            half_spread: hundredths_of_bp(50),
            slippage: hundredths_of_bp(100),
            impact: Rate::ZERO,
            options: OptionCosts::default(),
            latency: Duration::from_nanos(Duration::SECOND.nanos() / 4),
            twin_base: Ratio::new(1.0).unwrap_or_default(),
            flows: Vec::new(),
        }
    }
}
