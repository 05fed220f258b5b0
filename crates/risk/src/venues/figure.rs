//! What a margin model gives: figures, components, scenarios, and why not.

use super::ORDERS_MAX;
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

impl Component {
    pub(super) fn new(name: impl Into<String>, position: Option<usize>, figure: Figure) -> Self {
        Self { name: name.into(), position, figure }
    }
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
    /// Of rules that sum what is owed over positions, exactly, and know no scenarios: equity, initial and maintenance margin.
    pub(super) fn owed(
        (model, currency): (&'static str, Currency),
        [equity, initial, maintenance]: [Cash; 3],
        components: Vec<Component>,
        notes: Vec<String>,
    ) -> Self {
        let [equity, initial, maintenance] = [equity, initial, maintenance].map(Figure::Owed);
        Self { model, currency, equity, initial, maintenance, components, scenarios: Vec::new(), worst: None, notes }
    }

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

/// A row of one of a portfolio's lists, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Of the positions.
    Position(usize),
    /// Of the balances.
    Balance(usize),
    /// Of the orders.
    Order(usize),
    /// Of the prices of coins.
    Underlying(usize),
    /// Of the expiries.
    Expiry(usize),
    /// The account itself.
    Account,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(row) => write!(f, "position {row}"),
            Self::Balance(row) => write!(f, "balance {row}"),
            Self::Order(row) => write!(f, "order {row}"),
            Self::Underlying(row) => write!(f, "price {row}"),
            Self::Expiry(row) => write!(f, "expiry {row}"),
            Self::Account => f.write_str("the account"),
        }
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
    /// The parameters have no terms for an instrument that the model has a rule for.
    NoTerms {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
        /// The model.
        model: &'static str,
        /// The row of parameters that would be its terms, as one is written.
        parameter: String,
    },
    /// A position that was given what its venue does not do.
    NotOfVenue {
        /// The position's row.
        row: usize,
        /// The instrument.
        symbol: String,
        /// `isolated` or `leverage`.
        what: &'static str,
        /// The model.
        model: &'static str,
    },
    /// A balance in a currency for which the parameters have no terms.
    UnknownCollateral {
        /// The balance's row.
        row: usize,
        /// The currency.
        currency: Currency,
        /// The row of parameters that would be its terms, as one is written.
        parameter: String,
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
    /// A coin that a scenario moves by deviations has no volatility.
    NoCoinVol {
        /// Its price.
        place: Place,
        /// The coin.
        currency: Currency,
        /// The scenario.
        scenario: String,
    },
    /// A coin has no index.
    NoIndex {
        /// What needs it.
        place: Place,
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
        /// Where it stands.
        place: Place,
        /// Of what.
        what: String,
        /// The number.
        value: f64,
        /// What it must be: `over 0`.
        allowed: String,
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
        /// What it must be: `0 to 1`.
        allowed: String,
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
        /// Where it stands.
        place: Place,
    },
}

impl MarginError {
    /// The row that it is about, if it is about one.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::UnknownInstrument { row, .. }
            | Self::NoTerms { row, .. }
            | Self::NotOfVenue { row, .. }
            | Self::NoMark { row, .. }
            | Self::NoEntry { row, .. }
            | Self::NoVol { row, .. }
            | Self::NoForward { row, .. }
            | Self::Expired { row, .. }
            | Self::Stale { row, .. }
            | Self::BeyondTiers { row, .. }
            | Self::NoOpenInterest { row, .. } => Some(Place::Position(*row)),
            Self::UnknownCollateral { row, .. } => Some(Place::Balance(*row)),
            Self::Order { row, .. } => Some(Place::Order(*row)),
            Self::NoIndex { place, .. }
            | Self::NoCoinVol { place, .. }
            | Self::Number { place, .. }
            | Self::TooLarge { place } => Some(*place),
            Self::OutsideValidity { .. }
            | Self::NoParameter { .. }
            | Self::Parameter { .. }
            | Self::TooManyOrders { .. } => None,
        }
    }

    /// What is wrong and what to do about it, `; ` between them, without the row: for callers who made the portfolio of a part of their
    /// own lists and name their own rows by [`Self::place`].
    pub fn reason(&self) -> impl fmt::Display + '_ {
        Reason(self)
    }
}

impl fmt::Display for MarginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        self.reason().fmt(f)
    }
}

impl std::error::Error for MarginError {}

struct Reason<'a>(&'a MarginError);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use MarginError as E;
        match self.0 {
            E::UnknownInstrument { symbol, model, .. } => {
                write!(f, "{model} has no rule for `{symbol}`; margin it by the venue that lists it, ")?;
                write!(f, "and what is on another coin in an account of its own")
            }
            E::NoTerms { symbol, model, parameter, .. } => {
                write!(f, "{model}: no terms of `{symbol}` are known; add the venue's to the parameters, in rows ")?;
                write!(f, "`{parameter}`")
            }
            E::NotOfVenue { symbol, what, model, .. } => {
                write!(f, "{model} knows no `{what}` of a single position, as `{symbol}` has; leave it out")
            }
            E::UnknownCollateral { currency, parameter, .. } => {
                write!(
                    f,
                    "the parameters have no terms for {currency} as collateral; add the venue's, as `{parameter}`"
                )
            }
            E::NoMark { symbol, .. } => write!(f, "`{symbol}` has no mark; state one over zero"),
            E::NoEntry { symbol, .. } => {
                write!(f, "`{symbol}` has no entry price; state it, or the profit not yet settled")
            }
            E::NoVol { symbol, .. } => write!(f, "`{symbol}` has no volatility; state it"),
            E::NoCoinVol { currency, scenario, .. } => {
                write!(f, "`{scenario}` moves {currency} by deviations of a day, and {currency} has no volatility; ")?;
                f.write_str("state its `vol`")
            }
            E::NoIndex { currency, .. } => write!(f, "{currency} has no index; state its price"),
            E::NoForward { symbol, expiry, .. } => {
                write!(f, "`{symbol}` has no forward for {expiry}; state it")
            }
            E::Expired { symbol, expiry, .. } => {
                write!(f, "`{symbol}` was settled at {expiry}; take it out")
            }
            E::Stale { symbol, marked_at, at, .. } if marked_at > at => {
                write!(f, "`{symbol}` was marked at {marked_at}, after {at}; nobody knows that yet")
            }
            E::Stale { symbol, marked_at, at, stale_after, .. } => {
                write!(f, "`{symbol}` was marked at {marked_at}; at {at} no mark may be older than ")?;
                write!(f, "{}; mark it anew", stale_after.unwrap_or(Duration::ZERO))
            }
            E::Number { what, value, allowed, .. } => write!(f, "{what} is {value}; it must be {allowed}"),
            E::OutsideValidity { file, at, from, until } => {
                write!(f, "the parameters `{file}` hold from {from}")?;
                if let Some(until) = until {
                    write!(f, " until {until}")?;
                }
                write!(f, ", not at {at}; give the venue's parameters of that time")
            }
            E::NoParameter { file, name } => write!(f, "the parameters `{file}` have no `{name}`; add the row"),
            E::Parameter { file, name, value, allowed } => {
                write!(f, "the parameters `{file}`: `{name}` is `{value}`; it must be {allowed}")
            }
            E::TooManyOrders { count } => {
                write!(
                    f,
                    "{count} open orders: the worst of their subsets is found by trying every one, of {} orders at ",
                    ORDERS_MAX
                )?;
                write!(
                    f,
                    "most ({} subsets); put those of one contract, side and price together, or leave out ",
                    1 << ORDERS_MAX
                )?;
                f.write_str("those that add least")
            }
            E::Order { position, .. } => write!(f, "there is no position {position}; name one that is there"),
            E::BeyondTiers { symbol, value, .. } => {
                write!(f, "`{symbol}` is or may become worth {value}, over the last tier that the parameters ")?;
                write!(f, "have; add the venue's further tiers")
            }
            E::NoOpenInterest { symbol, .. } => {
                write!(f, "the margin of `{symbol}` depends on open interest; state that of its market")
            }
            E::TooLarge { .. } => write!(f, "an amount is over a quadrillion, which no account has; correct it"),
        }
    }
}
