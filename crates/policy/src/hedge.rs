//! What a hedge is: a band around a target of delta, what it trades to stay inside, and what else it might.

use crate::expression::Expression;
use crate::facts::{self, Facts};
use crate::rules::Number;
use crate::setting::Setting;
use crate::structure::{LegStrike, Structure};
use crate::words::Word;
use units::math::pow;
use units::{Contract, Duration, Qty, Ratio, SeriesId, Vol};

/// Alternatives of a hedge at most.
pub const ALTERNATIVES_MAX: usize = 4;

/// Trades one instrument so that the delta of what strategies hold stays in a band around a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Hedge {
    /// A perpetual, future or spot pair; the hedge is of its underlying, and in coins of it. Options are alternatives to it.
    pub instrument: String,
    /// The policies whose positions it looks at, by name. Empty: the one that it stands in.
    pub strategies: Vec<String>,
    /// The delta to hold, its own included.
    pub target: Qty,
    /// How far delta may be from the target.
    pub band: Band,
    /// Where a delta beyond the band is brought to.
    pub to: HedgeTo,
    /// What it may do instead, where that costs less.
    pub choice: Option<Choice>,
}

impl Hedge {
    /// Everything that it may trade, its own instrument first.
    pub fn instruments(&self) -> impl Iterator<Item = &str> {
        let others = self.choice.iter().flat_map(|choice| &choice.alternatives);
        std::iter::once(self.instrument.as_str()).chain(others.map(|other| other.instrument.as_str()))
    }

    /// Whether what is hedged may be given up instead.
    #[must_use]
    pub fn gives_up(&self) -> bool {
        self.choice.as_ref().is_some_and(|choice| choice.gives_up)
    }

    /// What of it is reckoned: section, key and expression.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, &Expression)> {
        let reckoned = self.options().filter_map(|(_, option)| option.expected.expression());
        reckoned.map(|by| ("hedges", "alternatives.expected_volatility", by))
    }

    /// The options that it may trade: their symbols, and what they are.
    pub fn options(&self) -> impl Iterator<Item = (&str, &HedgeOption)> {
        let others = self.choice.iter().flat_map(|choice| &choice.alternatives);
        others.filter_map(|other| Some((other.instrument.as_str(), other.option.as_ref()?)))
    }
}

/// What a hedge compares by cost, each time that delta leaves its band.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// For how long a hedge is taken to be held: costs are compared over it.
    pub horizon: Duration,
    /// What capital costs a year, as a share of it: of margin, and of all that spot binds.
    pub capital_cost: Ratio,
    /// Of the hedge's own instrument.
    pub own: HedgeTerms,
    /// What it may trade instead.
    pub alternatives: Vec<Alternative>,
    /// Whether what is hedged may be given up instead.
    pub gives_up: bool,
}

/// Another instrument on the same coin.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// A perpetual, future or spot pair; of options the symbol of the structure that they are traded as.
    pub instrument: String,
    /// What it costs. Of options nothing is stated: quotes tell it.
    pub terms: HedgeTerms,
    /// Which options, where it is those.
    pub option: Option<HedgeOption>,
}

/// Options that a hedge buys, one at a time: which is chosen as a leg of a structure is.
#[derive(Debug, Clone, PartialEq)]
pub struct HedgeOption {
    /// One leg, bought, that is left to its expiry.
    pub structure: Structure,
    /// The volatility that the price of the coin is expected to have, a year: what gamma is worth.
    pub expected: Setting<Vol>,
}

impl HedgeOption {
    /// The symbol of the structure that these options of a policy's hedge are traded as.
    #[must_use]
    pub fn symbol(&self, policy: &str) -> String {
        let named = self.structure.symbol(policy);
        let Some(leg) = self.structure.legs.first() else { return named };
        let (right, days) = (leg.right.word(), leg.days);
        match leg.strike {
            LegStrike::Delta(delta) => format!("{named}.{right}-{delta}-{days}d"),
            LegStrike::Moneyness(share) => format!("{named}.{right}-x{share}-{days}d"),
        }
    }

    /// The volatility that is expected, for the engine to ask. `None`: a series is missing.
    #[must_use]
    pub fn expected(&self, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<ExpectedVolatility> {
        Some(ExpectedVolatility(Number::compile(&self.expected, series)?))
    }
}

/// The volatility that a hedge expects, ready to be asked.
pub struct ExpectedVolatility(Number);

impl ExpectedVolatility {
    /// What it is now, a year. `None`: it is not known.
    #[must_use]
    pub fn get(&self, facts: &Facts) -> Option<f64> {
        self.0.get(facts)
    }
}

impl std::fmt::Debug for ExpectedVolatility {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ExpectedVolatility")
    }
}

/// What an instrument costs to hedge in.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HedgeTerms {
    /// A trade: fee, half spread and slippage, as a share of value. `None`: as `[backtest]` assumes.
    pub cost: Option<Ratio>,
    /// Margin that it binds, as a share of value. `None`: a tenth; of spot all of it.
    pub margin: Option<Ratio>,
}

/// The width of a hedge's band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Band {
    /// Coins of the underlying.
    Coins(Qty),
    /// A share of the gross delta of what is hedged: Σ |delta| over its positions, each leg by itself.
    OfGross(Ratio),
    /// As wide as costs are worth it, by Whalley and Wilmott's asymptotics (1997): (3/2 × k S Γ² ÷ λ)^⅓ with the costs k of a hedge's
    /// trade, the price S, the gamma Γ of what is hedged and the absolute risk aversion λ.
    WhalleyWilmott {
        /// Relative risk aversion: λ is this ÷ equity.
        risk_aversion: Ratio,
    },
}

impl Band {
    /// How far delta may be from its target, in coins, with what a rule knows; `cost` is that of trading, as a share of value. `None`: it
    /// follows from what is not known now.
    #[must_use]
    pub fn width(&self, cost: f64, facts: &Facts) -> Option<f64> {
        match self {
            Self::Coins(coins) => Some(coins.approximate()),
            Self::OfGross(share) => Some(share.get() * facts.get(facts::HEDGED_GROSS)?.approximate()),
            Self::WhalleyWilmott { risk_aversion } => {
                let (gamma, price) = (facts.get(facts::HEDGED_GAMMA)?.get(), facts.get(facts::PRICE)?.approximate());
                let equity = facts.get(facts::EQUITY)?.approximate();
                // What settles in coin has its equity in it.
                let equity = match facts.get(facts::CONTRACT).unwrap_or_default() {
                    Contract::Linear => equity,
                    Contract::Inverse => equity * price,
                };
                let cube = 1.5 * cost * price * gamma * gamma * equity.max(0.0) / risk_aversion.get();
                Some(pow(cube, 1.0 / 3.0))
            }
        }
    }
}

/// Where a delta beyond its band is brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HedgeTo {
    /// The nearer edge of the band: what costs in proportion to what is traded is traded least.
    #[default]
    Edge,
    /// The target.
    Target,
}
