//! Futures margined by tiers of their value, exact: Hyperliquid, dYdX, and any venue whose tiers are data.
//!
//! A position is isolated if something was set aside for it, and bears its own loss alone; the others share the balance of the currency
//! that they settle in.

use super::{Absent, Component, Figure, Margin, MarginError, Parameters, Place, Portfolio, Position};
use crate::{Size, Tier, TierError, TierTable, liquidation_beyond, liquidation_price};
use market::Currency;
use units::{Cash, Contract, Notional, Price, Qty, Rate, Round};

/// An account margined by tiers.
#[derive(Debug, Clone, PartialEq)]
pub struct Tiered {
    /// What is margined together. Isolated positions are components of it with their own equity, and in none of its totals.
    pub margin: Margin,
    /// Every position.
    pub positions: Vec<TieredPosition>,
}

/// A position margined by tiers.
#[derive(Debug, Clone, PartialEq)]
pub struct TieredPosition {
    /// Its row.
    pub row: usize,
    /// Its value at the mark, without sign.
    pub value: Cash,
    /// Its initial margin.
    pub initial: Cash,
    /// Its maintenance margin.
    pub maintenance: Cash,
    /// Its profit that is not settled.
    pub profit: Cash,
    /// What bears it alone, profit included, if it is isolated.
    pub equity: Option<Cash>,
    /// The mark at which it is liquidated while nothing else moves, or why there is none.
    pub liquidation: Result<Price, Absent>,
    /// Another one on the other side of the mark, where that side liquidates too: of very large positions whose rates grow.
    pub beyond: Option<Price>,
}

const MODEL: &str = "margin by tiers";

/// The rule for one instrument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub(crate) table: TierTable,
    /// The largest value for which the table is known.
    pub(crate) limit: Option<Notional>,
    /// A part of the value that equity must be over to be withdrawn.
    pub(crate) transfer: Option<Rate>,
    /// The user of the venue chooses a leverage for each contract.
    pub(crate) is_chosen: bool,
}

impl Rule {
    /// How large a quantity is at a mark, if the table is known that far.
    pub(crate) fn size(
        &self,
        position: &Position,
        row: usize,
        mark: Price,
        quantity: Qty,
    ) -> Result<Size, MarginError> {
        let size = Size::at(position.instrument.kind.contract(), mark, quantity);
        let value = size.value().abs();
        if self.limit.is_some_and(|limit| value > limit) {
            let (symbol, value) = (position.instrument.symbol.clone(), value.cash());
            return Err(MarginError::BeyondTiers { row, symbol, value });
        }
        Ok(size)
    }
}

/// Margin by tiers from a parameter file with rows `tier.SYMBOL,floor:initial:maintenance`, one a tier, and perhaps
/// `limit.SYMBOL,value`, over which the file knows nothing. SYMBOL is the instrument's without its venue. Where the user chose a leverage,
/// initial margin is value ÷ leverage if that is more.
///
/// # Errors
///
/// Parameters that do not hold; an instrument without tiers, a position over the limit, what has no mark or entry, by row.
///
/// ```
/// use risk::venues::{Parameters, Portfolio, tiered};
/// let portfolio = Portfolio { at: "2024-08-01".parse().unwrap(), ..Portfolio::default() };
/// let account = tiered(&portfolio, &Parameters::binance(), "USDT".parse().unwrap())?;
/// assert_eq!(account.margin.ratio().to_string(), "absent: equity is not over zero");
/// # Ok::<(), risk::venues::MarginError>(())
/// ```
pub fn tiered(portfolio: &Portfolio, parameters: &Parameters, settle: Currency) -> Result<Tiered, MarginError> {
    parameters.check(portfolio.at)?;
    assess(portfolio, settle, MODEL, parameters.notes(), |row, position| tier_rule(parameters, row, position))
}

/// The tiers of a position's instrument.
pub(crate) fn tier_rule(parameters: &Parameters, row: usize, position: &Position) -> Result<Rule, MarginError> {
    let symbol =
        position.instrument.symbol.split_once(':').map_or(position.instrument.symbol.as_str(), |(_, symbol)| symbol);
    let table = tiers(parameters, &format!("tier.{symbol}"), "value:initial:maintenance", parse_tier)?;
    let parameter = || format!("tier.{symbol},value:initial:maintenance");
    let table = table.ok_or_else(|| position.without_terms(row, MODEL, parameter()))?;
    let limit = parameters.optional(&format!("limit.{symbol}"))?;
    Ok(Rule { table, limit, transfer: None, is_chosen: true })
}

/// The tiers of all rows of a name, `None` if there are none.
pub(crate) fn tiers(
    parameters: &Parameters,
    name: &str,
    allowed: &str,
    parse: impl Fn(&str) -> Option<Tier>,
) -> Result<Option<TierTable>, MarginError> {
    let rows = parameters.each(name).filter(|(rest, _)| rest.is_empty());
    let tier = |(_, value): (&str, &str)| parse(value).ok_or_else(|| parameters.refuse(name, value, allowed));
    let tiers = rows.map(tier).collect::<Result<Vec<_>, _>>()?;
    if tiers.is_empty() {
        return Ok(None);
    }
    let refused = |error: TierError| parameters.refuse(name, "a list of tiers", &format!("one in order: {error}"));
    TierTable::new(tiers).map(Some).map_err(refused)
}

fn parse_tier(value: &str) -> Option<Tier> {
    let mut parts = value.split(':');
    let floor = parts.next()?.parse().ok()?;
    let (initial, maintenance) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(Tier { floor, initial, maintenance })
}

/// One over a number as a rate, rounded up.
pub(crate) fn rate_of(leverage: f64) -> Option<Rate> {
    // Divided as a whole number of units, so that what is exact stays so.
    let raw = (Rate::ONE as f64 / leverage).ceil();
    (leverage > 0.0 && (1.0..9e18).contains(&raw)).then_some(Rate::from_raw(raw as i64))
}

pub(crate) fn assess(
    portfolio: &Portfolio,
    settle: Currency,
    model: &'static str,
    notes: Vec<String>,
    rule: impl Fn(usize, &Position) -> Result<Rule, MarginError>,
) -> Result<Tiered, MarginError> {
    let mut components = Vec::new();
    let mut add = |name: &str, position: Option<usize>, cash: Cash| {
        components.push(Component::new(name, position, Figure::Owed(cash)));
    };
    portfolio.check()?;
    let mut equity = portfolio.amount(settle);
    add("balance", None, equity);
    let (mut initial, mut maintenance, mut transfer) = (Cash::ZERO, Cash::ZERO, None);
    let mut positions: Vec<TieredPosition> = Vec::new();
    let mut largest: Vec<String> = Vec::new();
    let mut rules = Vec::new();
    for (row, position) in portfolio.positions.iter().enumerate() {
        if position.instrument.settle != settle || position.instrument.kind.is_option() {
            return Err(position.unknown(row, model));
        }
        if let Some(expiry) = position.instrument.kind.expiry().filter(|expiry| *expiry < portfolio.at) {
            return Err(MarginError::Expired { row, symbol: position.instrument.symbol.clone(), expiry });
        }
        let rule = rule(row, position)?;
        let (size, own, worst) = {
            let needed = needs(position, row, &rule)?;
            let (size, own) = needed(position.quantity)?;
            (size, own, worst_of_orders(portfolio, row, &needed)?.max(own))
        };
        if rule.is_chosen && position.leverage.is_none() && worst > Cash::ZERO {
            let most = rule.table.max_leverage(size).get();
            largest.push(format!("{} ({} x)", position.instrument.symbol, (most * 1e6).round() / 1e6));
        }
        let (value, kept) = (size.value().abs().cash(), rule.table.maintenance_margin(size));
        let profit = position.profit(row)?;
        add("value", Some(row), value);
        add("profit", Some(row), profit);
        add("initial", Some(row), own);
        if worst > own {
            add("open orders, initial", Some(row), worst - own);
        }
        add("maintenance", Some(row), kept);
        let alone = position.isolated.map(|aside| aside + profit);
        match alone {
            Some(alone) => add("isolated equity", Some(row), alone),
            None => {
                equity += profit;
                initial += worst;
                maintenance += kept;
                if let Some(share) = rule.transfer {
                    let least = value
                        .notional()
                        .at_rate(share, Round::AwayFromZero)
                        .ok_or(MarginError::TooLarge { place: Place::Position(row) })?;
                    transfer = Some(transfer.unwrap_or(Cash::ZERO) + least);
                }
            }
        }
        let liquidation = Err(Absent::NoMargin);
        positions.push(TieredPosition {
            row,
            value,
            initial: worst,
            maintenance: kept,
            profit,
            equity: alone,
            liquidation,
            beyond: None,
        });
        rules.push(rule);
    }
    if let Some(least) = transfer {
        add("left behind by a transfer", None, least.max(initial));
    }
    for (held, rule) in positions.iter_mut().zip(&rules) {
        let position = &portfolio.positions[held.row];
        let others = match held.equity {
            Some(alone) => alone - held.profit,
            None => equity - held.profit - (maintenance - held.maintenance),
        };
        (held.liquidation, held.beyond) = liquidation(position, held.row, others, held.profit, &rule.table)?;
        let figure = match held.liquidation {
            Ok(price) => Figure::Estimated(price.approximate()),
            Err(reason) => Figure::Absent(reason),
        };
        components.push(Component::new("liquidation price", Some(held.row), figure));
        if let Some(price) = held.beyond {
            let (name, figure) = ("liquidation price, other side".to_owned(), Figure::Estimated(price.approximate()));
            components.push(Component::new(name, Some(held.row), figure));
        }
    }
    let assumed = (!largest.is_empty()).then(|| {
        format!(
            "no leverage is stated of {}: assumed is the largest of the tier, which asks for the least initial margin",
            largest.join(", ")
        )
    });
    let notes = portfolio.beside(settle).chain(assumed).chain(notes).collect();
    let margin = Margin::owed((model, settle), [equity, initial, maintenance], components, notes);
    Ok(Tiered { margin, positions })
}

/// Size and initial margin of a quantity of a position's instrument.
fn needs<'a>(
    position: &'a Position,
    row: usize,
    rule: &'a Rule,
) -> Result<impl Fn(Qty) -> Result<(Size, Cash), MarginError> + use<'a>, MarginError> {
    let mark = position.needed_mark(row)?;
    let chosen = match position.leverage {
        Some(leverage) => {
            let most = rule.table.max_leverage(Size::default()).get();
            // Rates are rounded up at 1e-12, so the largest leverage is a hair under its number.
            let is_allowed = (1.0..=most * (1.0 + 1e-9)).contains(&leverage);
            let refused = || MarginError::Number {
                place: Place::Position(row),
                what: format!("the leverage of {}", position.instrument.symbol),
                value: leverage,
                allowed: format!("1 to {}, the largest that the parameters have", (most * 1e6).round() / 1e6),
            };
            Some(rate_of(leverage).filter(|_| is_allowed).ok_or_else(refused)?)
        }
        None => None,
    };
    Ok(move |quantity: Qty| {
        let size = rule.size(position, row, mark, quantity)?;
        let by_choice = match chosen {
            Some(rate) => {
                let share = size.value().abs().at_rate(rate, Round::AwayFromZero);
                share.ok_or(MarginError::TooLarge { place: Place::Position(row) })?
            }
            None => Cash::ZERO,
        };
        Ok((size, rule.table.initial_margin(size).max(by_choice)))
    })
}

/// The largest initial margin that any subset of the open orders could lead to. Margin rises with the value, and the value is least
/// between, so all buys or all sales need most.
fn worst_of_orders(
    portfolio: &Portfolio,
    row: usize,
    needed: &impl Fn(Qty) -> Result<(Size, Cash), MarginError>,
) -> Result<Cash, MarginError> {
    let mut worst = Cash::ZERO;
    for buys in [true, false] {
        let mut orders =
            portfolio.orders.iter().filter(|order| order.position == row && (order.quantity > Qty::ZERO) == buys);
        let held = portfolio.positions[row].quantity;
        let sum = orders.try_fold(held, |sum, order| sum.checked_add(order.quantity));
        worst = worst.max(needed(sum.ok_or(MarginError::TooLarge { place: Place::Position(row) })?)?.1);
    }
    Ok(worst)
}

fn liquidation(
    position: &Position,
    row: usize,
    others: Cash,
    profit: Cash,
    table: &TierTable,
) -> Result<(Result<Price, Absent>, Option<Price>), MarginError> {
    let (quantity, contract) = (position.quantity, position.instrument.kind.contract());
    if quantity.is_zero() {
        return Ok((Err(Absent::NoMargin), None));
    }
    let mark = position.needed_mark(row)?;
    let cost = Notional::from_raw(contract.value(mark, quantity).raw() - profit.raw());
    let held = market::Position { qty: quantity, cost };
    let long = quantity > Qty::ZERO;
    let beyond = liquidation_beyond(contract, held, others, table);
    Ok(match (liquidation_price(contract, held, others, table), beyond) {
        (None, None) => (Err(Absent::NoLiquidation), None),
        (None, Some(price)) => (Ok(price), None),
        (Some(price), _) if (long && price == Price::MAX) || (!long && price == Price::ZERO) => {
            (Err(Absent::AlwaysUnder), None)
        }
        (Some(price), beyond) => (Ok(price), beyond),
    })
}

/// Refuses whatever is not a linear perpetual.
pub(crate) fn linear_perpetual(position: &Position, row: usize, model: &'static str) -> Result<(), MarginError> {
    let is = position.instrument.kind == market::InstrumentKind::LinearPerpetual;
    if is && position.instrument.kind.contract() == Contract::Linear {
        Ok(())
    } else {
        Err(position.unknown(row, model))
    }
}
