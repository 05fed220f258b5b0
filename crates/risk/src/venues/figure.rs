//! What a margin model gives: figures, components, scenarios, and why not.

use market::Currency;
use std::fmt;
use units::{Cash, Duration, Timestamp};

/// An amount of the margin's currency.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// Exact: what the venue's rule makes of exact numbers.
    Owed(Cash),
    /// Of a model's prices; finite.
    Estimated(f64),
    /// Not computed, and why.
    Absent(Absent),
}

impl Figure {
    /// The amount, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Owed(cash) => Some(cash.approximate()),
            Self::Estimated(value) => Some(*value),
            Self::Absent(_) => None,
        }
    }

    /// An estimate, or that it left the range of numbers.
    pub(crate) fn estimated(value: f64) -> Self {
        if value.is_finite() { Self::Estimated(value) } else { Self::Absent(Absent::NotFinite) }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owed(cash) => cash.fmt(f),
            Self::Estimated(value) => value.fmt(f),
            Self::Absent(reason) => write!(f, "absent: {reason}"),
        }
    }
}

/// Why there is no figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// A ratio to an equity that is not over zero.
    NoEquity,
    /// No position needs margin, so there is nothing to divide by.
    NoMargin,
    /// The numbers left the range in which they mean something.
    NotFinite,
    /// A part of it is absent.
    Part,
    /// No price brings equity down to the maintenance margin.
    NoLiquidation,
    /// Every price already has equity under the maintenance margin.
    AlwaysUnder,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEquity => "equity is not over zero",
            Self::NoMargin => "nothing needs margin",
            Self::NotFinite => "the numbers left their range",
            Self::Part => "a part of it is absent",
            Self::NoLiquidation => "no price over zero brings equity down to the maintenance margin",
            Self::AlwaysUnder => "equity is under the maintenance margin at every price",
        })
    }
}

/// A part of a margin, by the venue's own name for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// The position's row, if it is one position's.
    pub position: Option<usize>,
    /// How much.
    pub figure: Figure,
}

/// A scenario and what it does to the portfolio.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioRow {
    /// Such as `spot -16.00 %, vol up`.
    pub name: String,
    /// Profit, negative if a loss, with the scenario's weight.
    pub profit: f64,
}

/// What a portfolio needs by a venue's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Margin {
    /// The model.
    pub model: &'static str,
    /// In what all amounts are.
    pub currency: Currency,
    /// What bears the margin.
    pub equity: Figure,
    /// Needed to open or to add.
    pub initial: Figure,
    /// Under which it is liquidated.
    pub maintenance: Figure,
    /// Every part, in the order of the venue's rules.
    pub components: Vec<Component>,
    /// Every scenario, in the venue's order.
    pub scenarios: Vec<ScenarioRow>,
    /// Which scenario is the worst, if one is.
    pub worst: Option<usize>,
    /// What a reader must know: unverified and replaced parameters, what is not checked against anything outside.
    pub notes: Vec<String>,
}

impl Margin {
    /// A component's figure by name; of a component that several positions have, the first.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Figure> {
        self.components.iter().find(|component| component.name == name).map(|component| &component.figure)
    }

    /// Equity less initial margin.
    #[must_use]
    pub fn initial_excess(&self) -> Figure {
        difference(&self.equity, &self.initial)
    }

    /// Equity less maintenance margin: under zero, the account is liquidated.
    #[must_use]
    pub fn maintenance_excess(&self) -> Figure {
        difference(&self.equity, &self.maintenance)
    }

    /// Maintenance margin as a part of equity: liquidated at 1.
    #[must_use]
    pub fn ratio(&self) -> Figure {
        match (self.maintenance.value(), self.equity.value()) {
            (Some(_), Some(equity)) if equity <= 0.0 => Figure::Absent(Absent::NoEquity),
            (Some(maintenance), Some(equity)) => Figure::estimated(maintenance / equity),
            _ => Figure::Absent(Absent::Part),
        }
    }
}

fn difference(from: &Figure, what: &Figure) -> Figure {
    match (from, what) {
        (Figure::Owed(from), Figure::Owed(what)) => {
            from.checked_add(-*what).map_or(Figure::Absent(Absent::NotFinite), Figure::Owed)
        }
        _ => match (from.value(), what.value()) {
            (Some(from), Some(what)) => Figure::estimated(from - what),
            _ => Figure::Absent(Absent::Part),
        },
    }
}

/// Why a margin cannot be computed. Rows count from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum MarginError {
    /// A model has no rule for an instrument.
    UnknownInstrument {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
        /// The model.
        model: &'static str,
    },
    /// A balance in a currency for which the parameters have no terms.
    UnknownCollateral {
        /// The balance's row.
        row: usize,
        /// The currency.
        currency: Currency,
    },
    /// A position has no mark.
    NoMark {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
    },
    /// A position has no entry price, and its profit is not stated.
    NoEntry {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
    },
    /// An option has no volatility.
    NoVol {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
    },
    /// A coin has no index.
    NoIndex {
        /// The row that needs it.
        row: usize,
        /// The coin.
        currency: Currency,
    },
    /// An expiry has no forward.
    NoForward {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
        /// The expiry.
        expiry: Timestamp,
    },
    /// A contract is past its expiry.
    Expired {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
        /// When it was settled.
        expiry: Timestamp,
    },
    /// A mark that is too old, or of a later time than the portfolio.
    Stale {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
        /// When it was marked.
        marked_at: Timestamp,
        /// The portfolio's time.
        at: Timestamp,
        /// How old a mark may be.
        stale_after: Option<Duration>,
    },
    /// A number that makes no sense.
    Number {
        /// The row.
        row: usize,
        /// Of what.
        what: String,
        /// The number.
        value: f64,
    },
    /// The parameters do not hold at the portfolio's time.
    OutsideValidity {
        /// The file.
        file: String,
        /// The portfolio's time.
        at: Timestamp,
        /// From when the file holds.
        from: Timestamp,
        /// Until when, if that is known.
        until: Option<Timestamp>,
    },
    /// A parameter is missing.
    NoParameter {
        /// The file.
        file: String,
        /// The parameter.
        name: String,
    },
    /// A parameter's value is none.
    Parameter {
        /// The file.
        file: String,
        /// The parameter.
        name: String,
        /// What stands there.
        value: String,
    },
    /// More open orders than their subsets can be tried.
    TooManyOrders {
        /// How many.
        count: usize,
    },
    /// An order that points at no position.
    Order {
        /// The order's row.
        row: usize,
        /// The position's row it names.
        position: usize,
    },
    /// A position over the value up to which the parameters know the venue's tiers.
    BeyondTiers {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
        /// What it is worth, open orders included.
        value: Cash,
    },
    /// Open interest counts, and is not stated.
    NoOpenInterest {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
    },
    /// An amount over a quadrillion.
    TooLarge {
        /// The row, of a balance or a position.
        row: usize,
    },
}

impl MarginError {
    /// The position's row that it is about, if it is about one.
    #[must_use]
    pub fn row(&self) -> Option<usize> {
        match self {
            Self::UnknownInstrument { row, .. }
            | Self::NoMark { row, .. }
            | Self::NoEntry { row, .. }
            | Self::NoVol { row, .. }
            | Self::NoForward { row, .. }
            | Self::Expired { row, .. }
            | Self::Stale { row, .. }
            | Self::BeyondTiers { row, .. }
            | Self::NoOpenInterest { row, .. } => Some(*row),
            Self::UnknownCollateral { .. }
            | Self::NoIndex { .. }
            | Self::Number { .. }
            | Self::OutsideValidity { .. }
            | Self::NoParameter { .. }
            | Self::Parameter { .. }
            | Self::TooManyOrders { .. }
            | Self::Order { .. }
            | Self::TooLarge { .. } => None,
        }
    }

    /// The same with rows counted as a caller counts them, who made the portfolio of a part of his own lists.
    #[must_use]
    pub fn with_rows(
        mut self,
        position: impl Fn(usize) -> usize,
        balance: impl Fn(usize) -> usize,
        order: impl Fn(usize) -> usize,
    ) -> Self {
        match &mut self {
            Self::UnknownInstrument { row, .. }
            | Self::NoMark { row, .. }
            | Self::NoEntry { row, .. }
            | Self::NoVol { row, .. }
            | Self::NoForward { row, .. }
            | Self::Expired { row, .. }
            | Self::Stale { row, .. }
            | Self::BeyondTiers { row, .. }
            | Self::NoOpenInterest { row, .. } => *row = position(*row),
            Self::UnknownCollateral { row, .. } => *row = balance(*row),
            Self::Order { row, .. } => *row = order(*row),
            // Rows of any list, or of none.
            Self::NoIndex { .. }
            | Self::Number { .. }
            | Self::TooLarge { .. }
            | Self::OutsideValidity { .. }
            | Self::NoParameter { .. }
            | Self::Parameter { .. }
            | Self::TooManyOrders { .. } => {}
        }
        self
    }
}

impl fmt::Display for MarginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownInstrument { row, symbol, model } => {
                write!(f, "position {row}: {model} has no rule for `{symbol}`; margin it by the venue that lists it")
            }
            Self::UnknownCollateral { row, currency } => {
                write!(f, "balance {row}: the parameters have no terms for {currency} as collateral; add them")
            }
            Self::NoMark { row, symbol } => write!(f, "position {row}: `{symbol}` has no mark; state one over zero"),
            Self::NoEntry { row, symbol } => {
                write!(f, "position {row}: `{symbol}` has no entry price; state it, or the profit not yet settled")
            }
            Self::NoVol { row, symbol } => write!(f, "position {row}: `{symbol}` has no volatility; state it"),
            Self::NoIndex { row, currency } => write!(f, "row {row}: {currency} has no index; state its price"),
            Self::NoForward { row, symbol, expiry } => {
                write!(f, "position {row}: `{symbol}` has no forward for {expiry}; state it")
            }
            Self::Expired { row, symbol, expiry } => {
                write!(f, "position {row}: `{symbol}` was settled at {expiry}; take it out")
            }
            Self::Stale { row, symbol, marked_at, at, .. } if marked_at > at => {
                write!(f, "position {row}: `{symbol}` was marked at {marked_at}, after {at}; nobody knows that yet")
            }
            Self::Stale { row, symbol, marked_at, at, stale_after } => {
                write!(f, "position {row}: `{symbol}` was marked at {marked_at}; at {at} no mark may be older than ")?;
                write!(f, "{}; mark it anew", stale_after.unwrap_or(Duration::ZERO))
            }
            Self::Number { row, what, value } => write!(f, "row {row}: {what} is {value}, which it cannot be"),
            Self::OutsideValidity { file, at, from, until } => {
                write!(f, "the parameters `{file}` hold from {from}")?;
                if let Some(until) = until {
                    write!(f, " until {until}")?;
                }
                write!(f, ", not at {at}; give the venue's parameters of that time")
            }
            Self::NoParameter { file, name } => write!(f, "the parameters `{file}` have no `{name}`; add the row"),
            Self::Parameter { file, name, value } => {
                write!(f, "the parameters `{file}`: `{name}` is `{value}`, which it cannot be")
            }
            Self::TooManyOrders { count } => {
                write!(f, "{count} open orders; the worst subset is searched among at most {}", super::ORDERS_MAX)
            }
            Self::Order { row, position } => write!(f, "order {row}: there is no position {position}"),
            Self::BeyondTiers { row, symbol, value } => {
                write!(
                    f,
                    "position {row}: `{symbol}` is or may become worth {value}, over the last tier that the parameters "
                )?;
                write!(f, "have; add the venue's further tiers")
            }
            Self::NoOpenInterest { row, symbol } => {
                write!(f, "position {row}: the margin of `{symbol}` depends on open interest, which is not stated")
            }
            Self::TooLarge { row } => write!(f, "row {row}: an amount is over a quadrillion, which no account has"),
        }
    }
}

impl std::error::Error for MarginError {}
