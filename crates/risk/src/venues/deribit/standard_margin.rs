//! Standard margin: each position by itself, exact.

use crate::venues::{Component, Figure, Margin, MarginError, Parameters, Place, Portfolio, Position};
use crate::{Size, Tier, TierTable};
use market::{Currency, InstrumentKind};
use units::{Cash, Contract, Notional, OptionRight, Price, Qty, Rate, Round};

const MODEL: &str = "Deribit standard margin";

/// Rates of a future: both grow with its size in coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandardTerms {
    /// Initial, of the smallest position.
    pub initial: Rate,
    /// Maintenance, of the smallest position.
    pub maintenance: Rate,
    /// What one coin of position adds to both.
    pub per_coin: Rate,
}

impl StandardTerms {
    fn new(parameters: &Parameters, settle: Currency, coin: Currency) -> Result<Option<Self>, MarginError> {
        let name = format!("future.{settle}.{coin}");
        let Some(text) = parameters.optional::<String>(&name)? else { return Ok(None) };
        let mut parts = text.split(':');
        let mut rate = || parts.next()?.parse::<Rate>().ok().filter(is_share);
        let terms = (|| Some(Self { initial: rate()?, maintenance: rate()?, per_coin: rate()? }))();
        let terms = terms.filter(|terms| terms.maintenance <= terms.initial && parts.next().is_none());
        let allowed = "initial:maintenance:more of both per coin, rates of 0 to 1, maintenance no more than initial";
        terms.map(Some).ok_or_else(|| parameters.refuse(&name, &text, allowed))
    }

    /// Initial and maintenance margin of a position of this size, rounded up at 1e-16. `None` beyond the range.
    #[must_use]
    pub fn margins(self, size: Size) -> Option<(Cash, Cash)> {
        let margin = |rate: Rate| size.grown((rate, self.per_coin));
        Some((margin(self.initial)?, margin(self.maintenance)?))
    }

    /// The same as one tier whose rates grow. `None` of rates that no tier has.
    pub(crate) fn tiers(self) -> Option<TierTable> {
        let tier = Tier { floor: Notional::ZERO, initial: self.initial, maintenance: self.maintenance };
        TierTable::new(vec![tier]).ok()?.growing(self.per_coin)
    }
}

/// The standard margin of what settles in one currency: futures and perpetuals, and options that are paid for in coin. What bears it is
/// the balance with the profit of futures; options held are paid for and count nothing, the mark of those sold is part of their margin.
///
/// # Errors
///
/// Parameters that do not hold; what has no rule, mark or index, by row; amounts beyond the range.
pub fn standard_margin(
    portfolio: &Portfolio,
    parameters: &Parameters,
    settle: Currency,
) -> Result<Margin, MarginError> {
    parameters.check(portfolio.at)?;
    portfolio.check()?;
    portfolio.check_together(MODEL)?;
    let mut components = Vec::new();
    let mut add = |name: &str, position: Option<usize>, cash: Cash| {
        components.push(Component::new(name, position, Figure::Owed(cash)));
    };
    let mut equity = portfolio.amount(settle);
    let (mut initial, mut maintenance, mut has_options) = (Cash::ZERO, Cash::ZERO, false);
    add("balance", None, equity);
    for (row, position) in portfolio.positions.iter().enumerate() {
        let instrument = &position.instrument;
        if instrument.settle != settle {
            return Err(position.unknown(row, MODEL));
        }
        if let Some(expiry) = instrument.kind.expiry().filter(|expiry| *expiry < portfolio.at) {
            return Err(MarginError::Expired { row, symbol: instrument.symbol.clone(), expiry });
        }
        let rule = StandardRule::new(parameters, settle, row, position)?;
        let contract = instrument.kind.contract();
        // A linear contract is worth the index, and needs no mark for its margin.
        let is_at_index = contract == Contract::Linear && !instrument.kind.is_option();
        let mark = if is_at_index { Price::ZERO } else { position.needed_mark(row)? };
        let index = if is_at_index || instrument.kind.is_option() { index(portfolio, position, row)? } else { mark };
        let of = |quantity: Qty| {
            let needed = match &rule {
                StandardRule::Future(terms) => terms.margins(Size::at(contract, index, quantity)),
                StandardRule::Option(terms) => terms.margins(quantity, mark, index),
            };
            needed.ok_or(MarginError::TooLarge { place: Place::Position(row) })
        };
        let own = of(position.quantity)?;
        add("initial", Some(row), own.0);
        add("maintenance", Some(row), own.1);
        if instrument.kind.is_option() {
            has_options = true;
            add("option value, not in the equity", Some(row), (mark * position.quantity).cash());
        } else {
            let profit = position.profit(row)?;
            add("profit", Some(row), profit);
            equity += profit;
        }
        // Margin is convex in the quantity, so of all subsets of the orders all buys or all sales need most.
        let orders = |buys: bool| -> Option<Qty> {
            let mut orders =
                portfolio.orders.iter().filter(|order| order.position == row && (order.quantity > Qty::ZERO) == buys);
            orders.try_fold(position.quantity, |sum, order| sum.checked_add(order.quantity))
        };
        let mut worst = own.0;
        for buys in [true, false] {
            worst = worst.max(of(orders(buys).ok_or(MarginError::TooLarge { place: Place::Position(row) })?)?.0);
        }
        if worst > own.0 {
            add("open orders, initial", Some(row), worst - own.0);
        }
        let mut premium = Cash::ZERO;
        if instrument.kind.is_option() {
            let buys = portfolio.orders.iter().filter(|order| order.position == row && order.quantity > Qty::ZERO);
            premium = buys.map(|order| (order.price * order.quantity).cash()).sum();
            if !premium.is_zero() {
                add("open orders, premium", Some(row), premium);
            }
        }
        initial += worst + premium;
        maintenance += own.1;
    }
    let mut notes: Vec<String> = portfolio.beside(settle).collect();
    if has_options {
        notes.push("options: no published figure of this model exists to compare with".to_owned());
    }
    notes.extend(parameters.notes());
    Ok(Margin::owed((MODEL, settle), [equity, initial, maintenance], components, notes))
}

/// The price of the coin, of a linear contract in what it settles in: a stablecoin may be off its peg.
fn index(portfolio: &Portfolio, position: &Position, row: usize) -> Result<Price, MarginError> {
    let (found, instrument) =
        (portfolio.underlying(Place::Position(row), position.instrument.base)?, &position.instrument);
    let settle = portfolio.underlyings.iter().find(|known| known.currency == instrument.settle);
    let unit = match (instrument.kind.contract(), settle) {
        (Contract::Linear, Some(settle)) if instrument.settle != instrument.base => settle.index,
        _ => 1.0,
    };
    let index = Price::from_estimate(found.index / unit, Round::Nearest).filter(|index| *index > Price::ZERO);
    let (what, allowed) = (|| format!("the index of {}", found.currency), || format!("over 0, up to {}", Price::MAX));
    let place = Place::Position(row);
    index.ok_or_else(|| MarginError::Number { place, what: what(), value: found.index, allowed: allowed() })
}

fn is_share(rate: &Rate) -> bool {
    (0..=Rate::ONE).contains(&rate.raw())
}

fn share(parameters: &Parameters, name: &str) -> Result<Rate, MarginError> {
    let rate: Rate = parameters.get(name)?;
    if is_share(&rate) { Ok(rate) } else { Err(parameters.refuse(name, &rate.to_string(), "0 to 1")) }
}

/// The rule of one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardRule {
    Future(StandardTerms),
    Option(StandardOption),
}

/// The rule of an option that is paid for in coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StandardOption {
    pub(crate) most: Rate,
    pub(crate) least: Rate,
    pub(crate) floor: Rate,
    pub(crate) right: OptionRight,
    pub(crate) strike: Price,
}

impl StandardRule {
    pub(crate) fn new(
        parameters: &Parameters,
        settle: Currency,
        row: usize,
        position: &Position,
    ) -> Result<Self, MarginError> {
        let instrument = &position.instrument;
        match instrument.kind {
            InstrumentKind::InverseOption { strike, right, .. } => Ok(Self::Option(StandardOption {
                most: share(parameters, "option_most")?,
                least: share(parameters, "option_least")?,
                floor: share(parameters, "option_maintenance")?,
                right,
                strike,
            })),
            InstrumentKind::LinearPerpetual
            | InstrumentKind::InversePerpetual
            | InstrumentKind::LinearFuture { .. }
            | InstrumentKind::InverseFuture { .. } => {
                let terms = StandardTerms::new(parameters, settle, instrument.base)?;
                let name = || format!("future.{settle}.{},initial:maintenance:per coin", instrument.base);
                terms.map(Self::Future).ok_or_else(|| position.without_terms(row, MODEL, name()))
            }
            _ => Err(position.unknown(row, MODEL)),
        }
    }
}

impl StandardOption {
    /// Initial and maintenance margin of a quantity: of a short option, in coin; of one held, nothing. How far it is out of the money is
    /// rounded down at 1e-12, so that no less is asked. `None` beyond the range.
    pub(crate) fn margins(&self, quantity: Qty, mark: Price, index: Price) -> Option<(Cash, Cash)> {
        let Self { most, least, floor, right, strike } = *self;
        if quantity >= Qty::ZERO {
            return Some((Cash::ZERO, Cash::ZERO));
        }
        let out_of_money = match right {
            OptionRight::Call => strike - index,
            OptionRight::Put => index - strike,
        };
        let share = i128::from(out_of_money.max(Price::ZERO).raw()) * i128::from(Rate::ONE) / i128::from(index.raw());
        let cut = i128::from(most.raw()).checked_sub(share)?.max(i128::from(least.raw()));
        let coins = (Price::from_raw(Price::ONE) * quantity).abs();
        let premium = (mark * quantity).abs().cash();
        let part = |rate: Rate| coins.at_rate(rate, Round::AwayFromZero);
        let initial = part(Rate::from_raw(i64::try_from(cut).ok()?))?.checked_add(premium)?;
        let (least, of_mark) = (part(floor)?, premium.notional().at_rate(floor, Round::AwayFromZero)?);
        Some(match right {
            OptionRight::Call => (initial, least.checked_add(premium)?),
            OptionRight::Put => {
                let maintenance = least.max(of_mark).checked_add(premium)?;
                (initial.max(maintenance), maintenance)
            }
        })
    }
}
