//! Every fact and function that a policy may name: what `trimtab facts` tells.

use super::{Function, Unit, own_facts};

/// A fact or function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// How it is written, with its arguments.
    pub written: &'static str,
    /// What its value is.
    pub unit: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Which of them.
    pub family: Family,
}

/// Where a fact comes from, and when it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The market, the campaign and the account, as the engine sees them.
    Own,
    /// Recorded series of the tapes.
    Series,
    /// Indicators of bars.
    Indicator,
    /// Fitted volatility surfaces, structures and Greeks.
    Surface,
    /// Margin, liquidation and stresses.
    Risk,
    /// No fact: what expressions call.
    Function,
}

impl Family {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 6] = [Self::Own, Self::Series, Self::Indicator, Self::Surface, Self::Risk, Self::Function];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Series => "series",
            Self::Indicator => "indicator",
            Self::Surface => "surface",
            Self::Risk => "risk",
            Self::Function => "function",
        }
    }

    /// Where its members come from.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Own => "the engine, from prices, fills and accounts",
            Self::Series => "the tapes, as `trimtab import series` names them",
            Self::Indicator => "bars that the engine makes of prices",
            Self::Surface => "the engine, from option quotes on the tapes and from what is held",
            Self::Risk => "the engine, from what accounts hold and the rules of their venues",
            Self::Function => "what stands in it",
        }
    }

    /// Until when a value counts.
    #[must_use]
    pub fn age(self) -> &'static str {
        match self {
            Self::Own => "always as of the present input",
            Self::Series => "3 days, or as `series(…, max_age)` says; older is not known",
            Self::Surface => {
                "3 days, or as `series(…, max_age)` says; older is not known, nor a tenor twice nearer or further than all expiries"
            }
            Self::Indicator => "until the next bar closes",
            Self::Risk => {
                "as of the decision that reads it; without marks, quotes, a model of the venue or enough history not known"
            }
            Self::Function => "as what stands in it",
        }
    }

    /// Which values of a policy take its members.
    #[must_use]
    pub fn taken_by(self) -> &'static str {
        match self {
            Self::Own | Self::Function | Self::Risk => "conditions",
            Self::Series => "conditions, signal.series, size.volatility",
            Self::Indicator => "unit.n, size.volatility",
            Self::Surface => "conditions; volatilities also size.volatility, ranks and differences also signal.series",
        }
    }
}

const ANNUAL: &str = "a volatility, annualised";

/// What the engine tells beside its own facts.
const TOLD: [(Family, &str, &str, &str); 34] = [
    (Family::Series, "series(name, max_age)", "a number", "a recorded series, such as a volatility index"),
    (Family::Indicator, "atr(bars, bar)", "a price", "average true range, Wilder's smoothing"),
    (Family::Indicator, "implied_move(series, max_age)", "a price", "price × volatility ÷ √365"),
    (Family::Indicator, "of_price(share)", "a price", "a share of the price"),
    (Family::Indicator, "ewma(half_life, bar)", ANNUAL, "of returns, exponentially weighted"),
    (Family::Indicator, "parkinson(half_life, bar)", ANNUAL, "from the high and the low of bars"),
    (Family::Indicator, "garman_klass(half_life, bar)", ANNUAL, "from open, high, low and close of bars"),
    (Family::Indicator, "blend(first, second, weight)", ANNUAL, "the weighted mean of two volatilities"),
    (Family::Surface, "iv.atm(underlying, tenor)", ANNUAL, "implied at the money"),
    (
        Family::Surface,
        "iv.rank(underlying, tenor, window)",
        "a number, 0 to 1",
        "share of the hours of the window with a lower iv.atm",
    ),
    (
        Family::Surface,
        "skew(underlying, tenor)",
        "a number",
        "25-delta risk reversal: volatility of the call less that of the put",
    ),
    (
        Family::Surface,
        "term.slope(underlying, short tenor, long tenor)",
        "a number",
        "iv.atm of the longer tenor less that of the shorter",
    ),
    (Family::Surface, "greeks.delta(underlying)", "a quantity", "coins, net of premium, of all that strategies hold"),
    (Family::Surface, "greeks.gamma(underlying)", "a number", "coins for a dollar"),
    (Family::Surface, "greeks.vega(underlying)", "dollars", "for 0.01 of volatility"),
    (Family::Surface, "greeks.theta(underlying)", "dollars", "for a day"),
    (Family::Surface, "book.volatility(underlying)", ANNUAL, "of the one-day P&L of what the account holds on it"),
    (Family::Surface, "structure.volatility()", ANNUAL, "of the one-day P&L of one unit of the policy's structure"),
    (
        Family::Risk,
        "margin.ratio(venue)",
        "a number",
        "maintenance margin ÷ equity: liquidated at 1; `(venue, portfolio)` by its portfolio margin",
    ),
    (Family::Risk, "margin.initial(venue)", "an amount of money", "initial margin, with the worst of pending orders"),
    (Family::Risk, "margin.maintenance(venue)", "an amount of money", "maintenance margin"),
    (
        Family::Risk,
        "collateral(venue)",
        "an amount of money",
        "what the account's balances count at that venue, after its haircuts",
    ),
    (
        Family::Risk,
        "liquidation.distance()",
        "a number",
        "how far the price is from the nearer liquidation, as a share of it",
    ),
    (
        Family::Risk,
        "liquidation.probability(horizon)",
        "a number, 0 to 1",
        "that the price touches liquidation before the horizon",
    ),
    (
        Family::Risk,
        "var(confidence, horizon, method)",
        "a number",
        "value at risk: share of its equity that the account loses at most with that confidence",
    ),
    (
        Family::Risk,
        "es(confidence, horizon, method)",
        "a number",
        "expected shortfall: share of its equity that the account loses on average beyond that",
    ),
    (
        Family::Risk,
        "var.component(confidence, horizon, method)",
        "a number",
        "the strategy's part of var; those of all strategies and of coins held add up to it",
    ),
    (Family::Risk, "es.component(confidence, horizon, method)", "a number", "the strategy's part of es"),
    (
        Family::Risk,
        "ruin(loss, horizon)",
        "a number, 0 to 1",
        "that the account is ever down by so much before the horizon, by its own days",
    ),
    (Family::Risk, "kelly(window)", "a number", "Kelly's multiple of the account's own exposure, by its own days"),
    (
        Family::Risk,
        "leverage()",
        "a number",
        "what all positions of the account stand for without their signs, over its equity",
    ),
    (
        Family::Risk,
        "concentration.venue()",
        "a number",
        "part of what all accounts hold that lies at one venue, at most",
    ),
    (Family::Risk, "concentration.stablecoin()", "a number", "part of it that is in one stablecoin, at most"),
    (Family::Risk, "stress(name)", "a number", "share of equity that all accounts lose under a named stress"),
];

/// All of them.
pub fn catalogue() -> impl Iterator<Item = Known> {
    let own = own_facts().map(|fact| Known {
        written: fact.name,
        unit: fact.unit.describe(),
        meaning: fact.meaning,
        family: Family::Own,
    });
    let told = TOLD.into_iter().map(|(family, written, unit, meaning)| Known { written, unit, meaning, family });
    let functions = Function::ALL.into_iter().map(|(function, _, written, _)| Known {
        written,
        unit: match function {
            Function::Known => Unit::Switch.describe(),
            Function::SquareRoot => Unit::Number.describe(),
            _ => "as its values",
        },
        meaning: function.meaning(),
        family: Family::Function,
    });
    own.chain(told).chain(functions)
}

impl Function {
    fn meaning(self) -> &'static str {
        match self {
            Self::Abs => "the value without its sign",
            Self::Min => "the least of up to eight values of one unit",
            Self::Max => "the largest of up to eight values of one unit",
            Self::Clamp => "the value, not under the least and not over the most",
            Self::SquareRoot => "the square root; not known of a negative number",
            Self::If => "the one value where the condition holds, the other where it does not",
            Self::Known => "whether the value is known",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What can be written is listed, and is in the manual.
    #[test]
    fn it_is_complete() {
        let manual = include_str!("../../../../docs/policy-language.md");
        let listed: Vec<&str> = catalogue().map(|known| known.written).collect();
        let told = crate::surface_fact::SIGNATURES.iter().chain(&crate::risk_fact::SIGNATURES);
        for (_, signature, _) in told {
            assert!(listed.contains(signature), "{signature}");
        }
        for written in listed {
            let name = written.split('(').next().unwrap_or_default();
            let is_told = [format!("`{name}`"), format!("`{name}(")].iter().any(|as_code| manual.contains(as_code));
            assert!(is_told, "{written} is not in the manual");
        }
    }
}
