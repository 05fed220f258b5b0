//! Facts of what accounts hold, how near their venues are to liquidating it, and how they have grown. As those of surfaces, each has a
//! name that is also how it is written: `margin.ratio(deribit)`.

use crate::diagnostic::nearest;
use crate::parse::value::{self, Expr, Node, Quantity, Unit};
use crate::print::time;
use std::fmt;
use std::str::FromStr;
use units::Duration;

/// The longest horizon: a year.
const HORIZON_MAX: Duration = Duration::from_nanos(365 * Duration::DAY.nanos());

/// Horizons of what may be lost: an hour to thirty days.
const HORIZON: (Duration, Duration) = (Duration::HOUR, Duration::from_nanos(30 * Duration::DAY.nanos()));

/// The fewest days that returns are looked back on, and the most.
const WINDOW: (Duration, Duration) = (Duration::from_nanos(60 * Duration::DAY.nanos()), HORIZON_MAX);

/// A fact of an account's margin, of its distance to liquidation, of a stress, or of its growth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RiskFact {
    /// `margin.ratio(deribit)` and its like, of the account at a venue, by that venue's model; `margin.ratio(deribit, portfolio)` by its
    /// portfolio margin.
    Margin {
        /// Which figure.
        figure: MarginFigure,
        /// The part of symbols before the colon.
        venue: String,
        /// By portfolio margin.
        portfolio: bool,
    },
    /// `concentration.venue()` and `concentration.stablecoin()`: the part of what all accounts hold that lies at one venue, or in one
    /// stablecoin, at most.
    Concentration {
        /// In one of what.
        of: Concentrated,
    },
    /// `leverage()`: what all positions of the strategy's account stand for without their signs, as a multiple of its equity.
    Leverage,
    /// `liquidation.distance()`: how far the price of the strategy's underlying is from where its account is liquidated, on the nearer
    /// side, as a fraction of the price.
    Distance,
    /// `liquidation.probability(1d)`: of touching that price, on either side, before a horizon.
    Probability {
        /// How far ahead.
        horizon: Duration,
    },
    /// `stress(2025-10-10)`: what all accounts together lose in a named stress, as a fraction of their equity; negative if they gain.
    Stress {
        /// The stress.
        name: String,
    },
    /// `ruin(50%)`, `ruin(20%, 90d)`: the probability that the account is ever down by a share of what it is worth, before a horizon (a
    /// year if none is written), by its returns of the last 365 days.
    Ruin {
        /// The share in basis points: over none and under 10,000.
        loss: u16,
        /// How far ahead.
        horizon: Duration,
    },
    /// `var(99%, 1d)` and its like: what the strategy's account may lose, as a fraction of its equity.
    Tail(TailFact),
    /// `kelly(365d)`: the multiple of its own exposure at which the account would have grown most in the last days, less what their mean is
    /// not known to.
    Kelly {
        /// Back from the last midnight.
        window: Duration,
    },
}

/// A fact of the losses that an account may have over a horizon: `var(99%, 1d)`, `es(97.5%, 1d)`, and the part that the strategy has in
/// them, `var.component(99%, 1d)`, `es.component(97.5%, 1d)`. Fractions of the account's equity, over zero where it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailFact {
    /// Expected shortfall instead of value at risk.
    pub is_shortfall: bool,
    /// The strategy's own share of it.
    pub is_component: bool,
    /// In basis points.
    pub confidence: u16,
    /// How far ahead.
    pub horizon: Duration,
    /// Where scenarios come from.
    pub method: TailMethod,
}

/// Where scenarios come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TailMethod {
    /// What happened, at the volatility of now.
    #[default]
    Filtered,
    /// What happened.
    Historical,
    /// Drawn from a law with the history's correlation and tails.
    MonteCarlo,
    /// What happened, at the volatility of now by GARCH(1,1) with normal surprises, fitted anew at each step.
    Garch,
    /// The same with Student's.
    GarchStudent,
    /// The same where falls count for more than rises, normal surprises.
    Gjr,
    /// The same with Student's.
    GjrStudent,
}

impl TailMethod {
    /// All of them, as they are told.
    pub const ALL: [Self; 7] = [
        Self::Filtered,
        Self::Historical,
        Self::MonteCarlo,
        Self::Garch,
        Self::GarchStudent,
        Self::Gjr,
        Self::GjrStudent,
    ];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Historical => "historical",
            Self::MonteCarlo => "montecarlo",
            Self::Garch => "garch",
            Self::GarchStudent => "garch-t",
            Self::Gjr => "gjr",
            Self::GjrStudent => "gjr-t",
        }
    }
}

impl TailFact {
    /// Steps of history that are kept, and paths that are drawn.
    pub const STEPS: usize = 500;
    /// See [`Self::STEPS`].
    pub const PATHS: usize = 1_000;

    /// The least confidence, in basis points: under it more is gained than lost.
    pub const CONFIDENCE_LEAST: u16 = 5_000;

    const NAMES: [(&'static str, bool, bool); 4] =
        [("var", false, false), ("es", true, false), ("var.component", false, true), ("es.component", true, true)];

    fn of(function: &str, args: &[Node<'_>]) -> Option<Self> {
        let (_, is_shortfall, is_component) = Self::NAMES.into_iter().find(|(name, ..)| *name == function)?;
        let [Node { expr: Expr::Quantity(confidence), .. }, Node { expr: Expr::Quantity(horizon), .. }, rest @ ..] =
            args
        else {
            return None;
        };
        let method = match rest {
            [] => TailMethod::default(),
            [Node { expr: Expr::Name(name), .. }] => {
                TailMethod::ALL.into_iter().find(|method| method.name() == *name)?
            }
            _ => return None,
        };
        let confidence = basis_points(confidence).filter(|points| *points >= Self::CONFIDENCE_LEAST)?;
        let horizon = span(horizon, HORIZON)?;
        let (nanos, day) = (horizon.nanos(), Duration::DAY.nanos());
        let fits = if nanos <= day { day % nanos == 0 } else { nanos % day == 0 };
        let fact = Self { is_shortfall, is_component, confidence, horizon, method };
        // One scenario has to lie beyond.
        let beyond = fact.scenarios() * (10_000 - usize::from(confidence));
        (fits && beyond >= 10_000).then_some(fact)
    }

    /// What to write in place of arguments that name no such fact.
    pub(crate) fn remedy(function: &str, args: &[Node<'_>]) -> Option<String> {
        if !Self::NAMES.iter().any(|(name, ..)| *name == function) {
            return None;
        }
        if let Some(Node { expr: Expr::Name(method), .. }) = args.get(2)
            && !TailMethod::ALL.iter().any(|known| known.name() == *method)
        {
            let of_all = TailMethod::ALL.map(TailMethod::name);
            let near = nearest(method, of_all).map(|near| format!("did you mean `{near}`?"));
            let shortfall = meant(method).map(|_| {
                format!("`{method}` is expected shortfall, a fact of its own: write for example `es(97.5%, 1d)`")
            });
            return shortfall.or(near);
        }
        match (args.first().map(|arg| &arg.expr), args.get(1).map(|arg| &arg.expr)) {
            (Some(Expr::Quantity(Quantity { number, unit: Unit::None })), _) => {
                let (share, percent) = (number.approximate(), (number.approximate() * 1e6).round() / 1e4);
                let is_share = (0.5..1.0).contains(&share);
                is_share.then(|| format!("write the confidence as a percentage: `{percent}%`"))
            }
            (_, Some(Expr::Quantity(Quantity { unit: Unit::Time(_), number }))) if number.approximate() <= 0.0 => None,
            (Some(Expr::Quantity(confidence)), Some(Expr::Quantity(horizon))) => {
                let known = basis_points(confidence).filter(|points| *points >= Self::CONFIDENCE_LEAST);
                // Within the range of confidences and horizons only these are left.
                let divides = |span: &Duration| match (span.nanos(), Duration::DAY.nanos()) {
                    (span, day) if span <= day => day % span == 0,
                    (span, day) => span % day == 0,
                };
                let odd = span(horizon, HORIZON).filter(|span| !divides(span));
                match (known, odd) {
                    (Some(_), Some(_)) => {
                        Some("take a horizon that divides a day, such as `6h`, or whole days, such as `2d`".to_owned())
                    }
                    (Some(points), None) if args.len() < 4 && span(horizon, HORIZON).is_some() => Some(format!(
                        "of {} scenarios less than one lies beyond {}%: take a lower confidence{}",
                        Self::STEPS,
                        f64::from(points) / 100.0,
                        if points <= 9_990 { ", or `montecarlo`, which draws 1,000" } else { "" }
                    )),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Between two rows of its history: the horizon, at most a day.
    #[must_use]
    pub fn step(self) -> Duration {
        self.horizon.min(Duration::DAY)
    }

    /// Such as 0.99.
    #[must_use]
    pub fn confidence(self) -> f64 {
        f64::from(self.confidence) / 10_000.0
    }

    /// Whether its scenarios are drawn; else each change of the history is one.
    #[must_use]
    pub fn is_drawn(self) -> bool {
        self.method == TailMethod::MonteCarlo || self.horizon > self.step()
    }

    /// Scenarios that it is told from at most.
    #[must_use]
    pub fn scenarios(self) -> usize {
        if self.is_drawn() { Self::PATHS } else { Self::STEPS }
    }
}

impl fmt::Display for TailFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |(_, is_shortfall, is_component): &(&str, bool, bool)| {
            (*is_shortfall, *is_component) == (self.is_shortfall, self.is_component)
        };
        let name = Self::NAMES.iter().find(|known| named(known)).map_or("", |(name, ..)| name);
        write!(f, "{name}({}%, {}", f64::from(self.confidence) / 100.0, time(self.horizon))?;
        if self.method != TailMethod::default() {
            write!(f, ", {}", self.method.name())?;
        }
        f.write_str(")")
    }
}

/// What something hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concentrated {
    /// One venue.
    Venue,
    /// One stablecoin.
    Stablecoin,
}

/// A figure of a margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarginFigure {
    /// Maintenance margin ÷ equity: liquidated at 1.
    Ratio,
    /// Initial margin, with what rests at the venue, in the account's numéraire.
    Initial,
    /// Maintenance margin, likewise.
    Maintenance,
    /// `collateral(derive, portfolio)`: what balances count that bear it, after haircuts, likewise.
    Collateral,
}

impl MarginFigure {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Ratio, "margin.ratio"),
        (Self::Initial, "margin.initial"),
        (Self::Maintenance, "margin.maintenance"),
        (Self::Collateral, "collateral"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(figure, _)| *figure == self).map_or("", |(_, name)| name)
    }
}

/// Every function that names such a fact, with how it is called and an example.
pub(crate) const SIGNATURES: [(&str, &str, &str); 16] = [
    ("leverage", "leverage()", "leverage()"),
    ("margin.ratio", "margin.ratio(venue)", "margin.ratio(deribit)"),
    ("margin.initial", "margin.initial(venue)", "margin.initial(deribit)"),
    ("margin.maintenance", "margin.maintenance(venue)", "margin.maintenance(deribit)"),
    ("collateral", "collateral(venue)", "collateral(deribit)"),
    ("liquidation.distance", "liquidation.distance()", "liquidation.distance()"),
    ("liquidation.probability", "liquidation.probability(horizon)", "liquidation.probability(1d)"),
    ("stress", "stress(name)", "stress(2025-10-10)"),
    ("var", "var(confidence, horizon, method)", "var(99%, 1d)"),
    ("es", "es(confidence, horizon, method)", "es(97.5%, 1d)"),
    ("var.component", "var.component(confidence, horizon, method)", "var.component(99%, 1d)"),
    ("es.component", "es.component(confidence, horizon, method)", "es.component(97.5%, 1d)"),
    ("ruin", "ruin(loss, horizon)", "ruin(50%, 90d)"),
    ("kelly", "kelly(window)", "kelly(365d)"),
    ("concentration.venue", "concentration.venue()", "concentration.venue()"),
    ("concentration.stablecoin", "concentration.stablecoin()", "concentration.stablecoin()"),
];

/// What others call a fact that is here under another name.
pub(crate) fn meant(name: &str) -> Option<&'static str> {
    const SHORTFALL: [&str; 8] =
        ["cvar", "avar", "tvar", "etl", "expected_shortfall", "expected.shortfall", "shortfall", "conditional_var"];
    let name = name.to_lowercase();
    let plain = name.strip_suffix(".component").unwrap_or(&name);
    let found = match plain {
        plain if SHORTFALL.contains(&plain) => "es",
        "value_at_risk" | "value.at.risk" => "var",
        _ => return None,
    };
    Some(match (found, plain == name) {
        (found, true) => found,
        ("es", false) => "es.component",
        (_, false) => "var.component",
    })
}

/// A text that names no such fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRiskFact;

impl RiskFact {
    /// The fact that a call names; its arguments in order.
    pub(crate) fn of(function: &str, args: &[Node<'_>]) -> Option<Self> {
        match (function, args) {
            ("liquidation.distance", []) => Some(Self::Distance),
            ("leverage", []) => Some(Self::Leverage),
            ("concentration.venue", []) => Some(Self::Concentration { of: Concentrated::Venue }),
            ("concentration.stablecoin", []) => Some(Self::Concentration { of: Concentrated::Stablecoin }),
            ("liquidation.probability", [Node { expr: Expr::Quantity(of), .. }]) => {
                Some(Self::Probability { horizon: span(of, (Duration::MINUTE, HORIZON_MAX))? })
            }
            ("ruin", [Node { expr: Expr::Quantity(loss), .. }, rest @ ..]) => {
                let horizon = match rest {
                    [] => HORIZON_MAX,
                    [Node { expr: Expr::Quantity(of), .. }] => span(of, (Duration::DAY, HORIZON_MAX))?,
                    _ => return None,
                };
                Some(Self::Ruin { loss: basis_points(loss)?, horizon })
            }
            ("kelly", [Node { expr: Expr::Quantity(of), .. }]) => {
                let window = span(of, WINDOW)?;
                (window.nanos() % Duration::DAY.nanos() == 0).then_some(Self::Kelly { window })
            }
            ("var" | "es" | "var.component" | "es.component", args) => TailFact::of(function, args).map(Self::Tail),
            ("stress", [Node { expr: Expr::Name(name), .. }]) => Some(Self::Stress { name: (*name).to_owned() }),
            (_, [Node { expr: Expr::Name(venue), .. }, rest @ ..]) => {
                let portfolio = match rest {
                    [] => false,
                    [Node { expr: Expr::Name("portfolio"), .. }] => true,
                    _ => return None,
                };
                let (figure, _) = MarginFigure::ALL.into_iter().find(|(_, name)| *name == function)?;
                let fits = venue.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                fits.then_some(Self::Margin { figure, venue: (*venue).to_owned(), portfolio })
            }
            _ => None,
        }
    }

    /// Whether it follows from the volatilities of options that are held, or from that of the underlying.
    #[must_use]
    pub fn needs_volatility(&self) -> bool {
        // Portfolio margin prices options again.
        match self {
            Self::Margin { portfolio, .. } => *portfolio,
            Self::Concentration { .. } | Self::Leverage => false,
            _ => !self.needs_returns(),
        }
    }

    /// Whether it follows from the returns of an account.
    #[must_use]
    pub fn needs_returns(&self) -> bool {
        matches!(self, Self::Ruin { .. } | Self::Kelly { .. })
    }
}

/// A share over nothing and under all, in basis points, of which it is a whole number.
fn basis_points(of: &Quantity<'_>) -> Option<u16> {
    let Quantity { number, unit: Unit::Percent } = of else { return None };
    let points = number.approximate() * 100.0;
    let fits = (1.0..10_000.0).contains(&points) && (points - points.round()).abs() < 1e-9;
    fits.then_some(points.round() as u16)
}

/// A span of time within two.
fn span(of: &Quantity<'_>, (least, most): (Duration, Duration)) -> Option<Duration> {
    let Quantity { number, unit: Unit::Time(unit) } = of else { return None };
    let nanos = number.approximate() * unit.nanos() as f64;
    let fits = nanos >= least.nanos() as f64 && nanos <= most.nanos() as f64;
    fits.then_some(Duration::from_nanos(nanos as i64))
}

impl FromStr for RiskFact {
    type Err = NoRiskFact;

    fn from_str(text: &str) -> Result<Self, NoRiskFact> {
        let node = value::parse(text, 0).map_err(|_| NoRiskFact)?;
        let Expr::Call { function, args, .. } = &node.expr else { return Err(NoRiskFact) };
        Self::of(function, args).ok_or(NoRiskFact)
    }
}

impl fmt::Display for RiskFact {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Margin { figure, venue, portfolio } => {
                write!(f, "{}({venue}{})", figure.name(), if *portfolio { ", portfolio" } else { "" })
            }
            Self::Distance => f.write_str("liquidation.distance()"),
            Self::Leverage => f.write_str("leverage()"),
            Self::Concentration { of: Concentrated::Venue } => f.write_str("concentration.venue()"),
            Self::Concentration { of: Concentrated::Stablecoin } => f.write_str("concentration.stablecoin()"),
            Self::Probability { horizon } => write!(f, "liquidation.probability({})", time(*horizon)),
            Self::Stress { name } => write!(f, "stress({name})"),
            Self::Ruin { loss, horizon } => {
                let loss = f64::from(*loss) / 100.0;
                if *horizon == HORIZON_MAX {
                    write!(f, "ruin({loss}%)")
                } else {
                    write!(f, "ruin({loss}%, {})", time(*horizon))
                }
            }
            Self::Tail(fact) => fact.fmt(f),
            Self::Kelly { window } => write!(f, "kelly({})", time(*window)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_printed_as_it_is_read() {
        for text in [
            "margin.ratio(deribit)",
            "margin.initial(binance)",
            "margin.maintenance(hyperliquid)",
            "margin.ratio(deribit, portfolio)",
            "collateral(deribit)",
            "collateral(derive, portfolio)",
            "concentration.venue()",
            "concentration.stablecoin()",
            "leverage()",
            "liquidation.distance()",
            "liquidation.probability(1d)",
            "liquidation.probability(12h)",
            "stress(2025-10-10)",
            "stress(vol-doubling)",
            "ruin(50%)",
            "ruin(12.5%, 90d)",
            "kelly(180d)",
            "var(99%, 1d)",
            "es(97.5%, 1d)",
            "var.component(99%, 6h)",
            "es.component(99.9%, 10d)",
            "var(99.8%, 1h, historical)",
            "es(99.9%, 1h, montecarlo)",
            "var(99%, 1d, garch)",
            "es.component(97.5%, 6h, garch-t)",
            "var(99%, 10d, gjr)",
            "es(99%, 1d, gjr-t)",
        ] {
            let fact: RiskFact = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(fact.to_string(), text);
        }
        assert_eq!(
            "stress( 2025-10-10 )".parse::<RiskFact>().map(|fact| fact.to_string()),
            Ok("stress(2025-10-10)".into())
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "margin.ratio",
            "margin.ratio()",
            "margin.ratio(2d)",
            "margin.ratio(a, b)",
            "margin.excess(deribit)",
            "liquidation.distance(BTC)",
            "concentration.venue(deribit)",
            "leverage(deribit)",
            "liquidation.probability()",
            "liquidation.probability(1)",
            "liquidation.probability(1s)",
            "liquidation.probability(400d)",
            "stress()",
            "stress(a, b)",
            "stress(a b)",
            "stress(2025-10-10",
            "iv.atm(BTC, 30d)",
            "ruin()",
            "ruin(50)",
            "ruin(0%)",
            "ruin(100%)",
            "ruin(12.345%)",
            "ruin(50%, 366d)",
            "ruin(50%, 1h)",
            "ruin(50%, 90d, 1d)",
            "kelly()",
            "kelly(59d)",
            "kelly(90.5d)",
            "kelly(366d)",
            "var(99%)",
            "var(0.99, 1d)",
            "var(100%, 1d)",
            "var(1%, 1d)",
            "var(99.9%, 1d)",
            "var(99.95%, 1d, montecarlo)",
            "es(99.123%, 1d)",
            "es(97.5%, 7h)",
            "es(97.5%, 36h)",
            "es(97.5%, 30m)",
            "es(97.5%, 31d)",
            "es(97.5%, 1d, normal)",
            "es(97.5%, 1d, filtered, 1)",
        ] {
            assert_eq!(text.parse::<RiskFact>(), Err(NoRiskFact), "{text}");
        }
    }
}
