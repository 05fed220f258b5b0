//! Facts that the engine makes of option quotes and positions. Each has a name that is also how it is written, and is read like a
//! recorded series: `series(iv.atm(BTC, 30d), 4d)`, or `iv.atm(BTC, 30d)` for short.

use crate::parse::value::{self, Expr, Node, Quantity, Unit};
use crate::print::time;
use std::fmt;
use std::str::FromStr;
use units::Duration;

/// The longest tenor and window: ten years.
const SPAN_MAX: Duration = Duration::from_nanos(3_650 * Duration::DAY.nanos());

/// The window of a rank that names none.
const YEAR: Duration = Duration::from_nanos(365 * Duration::DAY.nanos());

/// A fact of the fitted volatility surface or of the Greeks of what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SurfaceFact {
    /// `iv.atm(BTC, 30d)`: volatility at the money, annualised; between expiries linear in total variance.
    AtTheMoney {
        /// The underlying.
        base: String,
        /// Time to expiry.
        tenor: Duration,
    },
    /// `iv.rank(BTC, 30d, 90d)`: the share of the hourly values of the window that lie under the present one, from 0 to 1.
    Rank {
        /// The underlying.
        base: String,
        /// Time to expiry.
        tenor: Duration,
        /// Back from now.
        window: Duration,
    },
    /// `skew(BTC, 30d)`: the 25-delta risk reversal, volatility of the call less that of the put.
    Skew {
        /// The underlying.
        base: String,
        /// Time to expiry.
        tenor: Duration,
    },
    /// `term.slope(BTC, 7d, 90d)`: volatility at the money of the longer tenor less that of the shorter one.
    TermSlope {
        /// The underlying.
        base: String,
        /// The shorter time to expiry.
        short: Duration,
        /// The longer one.
        long: Duration,
    },
    /// `greeks.delta(BTC)` and its like: of all that is held on an underlying.
    Greek {
        /// Which.
        greek: Greek,
        /// The underlying.
        base: String,
    },
    /// `book.volatility(BTC)`: annualised standard deviation of the one-day P&L of all that the strategy's account holds on an
    /// underlying, as a share of what it stands for.
    Book {
        /// The underlying.
        base: String,
    },
    /// `structure.volatility()`: annualised standard deviation of the one-day P&L of one unit of the policy's structure, as a share of
    /// what the unit stands for.
    Structure,
}

/// A Greek of a portfolio; see docs/option-trading.md for the conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greek {
    /// In units of the underlying.
    Delta,
    /// Change of delta for one dollar.
    Gamma,
    /// Dollars for 0.01 of volatility.
    Vega,
    /// Dollars for a day.
    Theta,
}

impl Greek {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Delta, "greeks.delta"),
        (Self::Gamma, "greeks.gamma"),
        (Self::Vega, "greeks.vega"),
        (Self::Theta, "greeks.theta"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(greek, _)| *greek == self).map_or("", |(_, name)| name)
    }
}

/// Every function that names such a fact, with how it is called and an example.
pub(crate) const SIGNATURES: [(&str, &str, &str); 10] = [
    ("iv.atm", "iv.atm(underlying, tenor)", "iv.atm(BTC, 30d)"),
    ("iv.rank", "iv.rank(underlying, tenor, window)", "iv.rank(BTC, 30d, 90d)"),
    ("skew", "skew(underlying, tenor)", "skew(BTC, 30d)"),
    ("term.slope", "term.slope(underlying, short tenor, long tenor)", "term.slope(BTC, 7d, 90d)"),
    ("greeks.delta", "greeks.delta(underlying)", "greeks.delta(BTC)"),
    ("greeks.gamma", "greeks.gamma(underlying)", "greeks.gamma(BTC)"),
    ("greeks.vega", "greeks.vega(underlying)", "greeks.vega(BTC)"),
    ("greeks.theta", "greeks.theta(underlying)", "greeks.theta(BTC)"),
    ("book.volatility", "book.volatility(underlying)", "book.volatility(BTC)"),
    ("structure.volatility", "structure.volatility()", "structure.volatility()"),
];

/// A text that names no such fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSurfaceFact;

impl SurfaceFact {
    /// The underlying. `None`: that of the policy's structure.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        match self {
            Self::AtTheMoney { base, .. }
            | Self::Rank { base, .. }
            | Self::Skew { base, .. }
            | Self::TermSlope { base, .. }
            | Self::Greek { base, .. }
            | Self::Book { base } => Some(base),
            Self::Structure => None,
        }
    }

    /// Whether it is an annualised volatility, which a position can be sized by.
    #[must_use]
    pub fn is_volatility(&self) -> bool {
        matches!(self, Self::AtTheMoney { .. } | Self::Book { .. } | Self::Structure)
    }

    /// Whether it is a plain number that a conviction can be: a rank, or a difference of volatilities.
    #[must_use]
    pub fn is_conviction(&self) -> bool {
        matches!(self, Self::Rank { .. } | Self::Skew { .. } | Self::TermSlope { .. })
    }

    /// The fact that a call names; its arguments in order. The underlying may be in lower case, as `{base}` fills it in.
    pub(crate) fn of(function: &str, args: &[Node<'_>]) -> Option<Self> {
        let base = |at: usize| match &args.get(at)?.expr {
            Expr::Name(name) => Some(*name),
            _ => None,
        };
        let base = || base(0).filter(|base| is_base(base)).map(str::to_uppercase);
        let span = |at: usize| match &args.get(at)?.expr {
            Expr::Quantity(Quantity { number, unit: Unit::Time(unit) }) => {
                let nanos = number.approximate() * unit.nanos() as f64;
                let within = nanos >= Duration::MINUTE.nanos() as f64 && nanos <= SPAN_MAX.nanos() as f64;
                within.then_some(Duration::from_nanos(nanos as i64))
            }
            _ => None,
        };
        let count = |wanted: usize| (args.len() == wanted).then_some(());
        // `iv.atm(30d)` is of the instrument's own base currency, `iv.rank(30d)` of the last year.
        if let [Node { expr: Expr::Quantity(_), .. }] = args {
            let base = crate::spec::BASE_PLACEHOLDER.to_uppercase();
            return match function {
                "iv.atm" => Some(Self::AtTheMoney { base, tenor: span(0)? }),
                "iv.rank" => Some(Self::Rank { base, tenor: span(0)?, window: YEAR }),
                "skew" => Some(Self::Skew { base, tenor: span(0)? }),
                _ => None,
            };
        }
        match function {
            "iv.atm" => count(2).and_then(|()| Some(Self::AtTheMoney { base: base()?, tenor: span(1)? })),
            "iv.rank" => count(3).and_then(|()| Some(Self::Rank { base: base()?, tenor: span(1)?, window: span(2)? })),
            "skew" => count(2).and_then(|()| Some(Self::Skew { base: base()?, tenor: span(1)? })),
            "term.slope" => {
                let (short, long) = (span(1)?, span(2)?);
                count(3).filter(|()| short < long)?;
                Some(Self::TermSlope { base: base()?, short, long })
            }
            "book.volatility" => count(1).and_then(|()| Some(Self::Book { base: base()? })),
            "structure.volatility" => count(0).map(|()| Self::Structure),
            _ => {
                let (greek, _) = Greek::ALL.into_iter().find(|(_, name)| *name == function)?;
                count(1).and_then(|()| Some(Self::Greek { greek, base: base()? }))
            }
        }
    }
}

/// A currency's code, or the placeholder for one.
fn is_base(text: &str) -> bool {
    text == crate::spec::BASE_PLACEHOLDER
        || ((2..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

impl FromStr for SurfaceFact {
    type Err = NoSurfaceFact;

    fn from_str(text: &str) -> Result<Self, NoSurfaceFact> {
        let node = value::parse(text, 0).map_err(|_| NoSurfaceFact)?;
        let Expr::Call { function, args, .. } = &node.expr else { return Err(NoSurfaceFact) };
        Self::of(function, args).ok_or(NoSurfaceFact)
    }
}

impl fmt::Display for SurfaceFact {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A placeholder stays as it is: it is filled before anything is looked up.
        let shown = |base: &str| if base.starts_with('{') { base.to_lowercase() } else { base.to_owned() };
        match self {
            Self::AtTheMoney { base, tenor } => write!(f, "iv.atm({}, {})", shown(base), time(*tenor)),
            Self::Rank { base, tenor, window } => {
                write!(f, "iv.rank({}, {}, {})", shown(base), time(*tenor), time(*window))
            }
            Self::Skew { base, tenor } => write!(f, "skew({}, {})", shown(base), time(*tenor)),
            Self::TermSlope { base, short, long } => {
                write!(f, "term.slope({}, {}, {})", shown(base), time(*short), time(*long))
            }
            Self::Greek { greek, base } => write!(f, "{}({})", greek.name(), shown(base)),
            Self::Book { base } => write!(f, "book.volatility({})", shown(base)),
            Self::Structure => f.write_str("structure.volatility()"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_printed_as_it_is_read() {
        for text in [
            "iv.atm(BTC, 30d)",
            "iv.atm({base}, 12h)",
            "iv.rank(ETH, 30d, 90d)",
            "skew(BTC, 7d)",
            "term.slope(BTC, 7d, 90d)",
            "greeks.delta(BTC)",
            "greeks.theta(SOL)",
            "book.volatility(BTC)",
            "structure.volatility()",
        ] {
            let fact: SurfaceFact = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(fact.to_string(), text);
        }
        for (short, long) in [
            ("iv.rank(30d)", "iv.rank({base}, 30d, 365d)"),
            ("iv.atm(7d)", "iv.atm({base}, 7d)"),
            ("skew(7d)", "skew({base}, 7d)"),
        ] {
            assert_eq!(short.parse::<SurfaceFact>().map(|fact| fact.to_string()), Ok(long.to_owned()));
        }
        assert_eq!(
            "iv.atm(btc,30d)".parse::<SurfaceFact>().map(|fact| fact.to_string()),
            Ok("iv.atm(BTC, 30d)".into())
        );
    }

    #[test]
    fn every_example_is_of_its_fact() {
        for (name, signature, example) in SIGNATURES {
            assert!(signature.starts_with(name) && example.starts_with(name), "{example}");
            assert_eq!(example.parse::<SurfaceFact>().map(|fact| fact.to_string()), Ok(example.to_owned()));
        }
        for (name, _, example) in crate::risk_fact::SIGNATURES {
            let fact = example.parse::<crate::RiskFact>().map(|fact| fact.to_string());
            assert_eq!((example.starts_with(name), fact), (true, Ok(example.to_owned())));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "dvol.btc",
            "iv.atm(BTC)",
            "iv.atm(BTC, 30d, 4d)",
            "iv.atm(BTC, 30)",
            "iv.atm(BTC, 1s)",
            "iv.atm(B, 30d)",
            "iv.rank(BTC, 30d)",
            "term.slope(BTC, 90d, 7d)",
            "greeks.rho(BTC)",
            "structure.volatility(BTC)",
            "book.volatility()",
            "iv.atm(BTC, 99999999999d)",
        ] {
            assert_eq!(text.parse::<SurfaceFact>(), Err(NoSurfaceFact), "{text}");
        }
    }
}
