//! SRM: each short option by itself, or the largest loss at expiry, whichever asks for less.

use crate::venues::{Component, Figure, Margin, MarginError, Parameters, Place, Portfolio, Position};
use market::{Currency, InstrumentKind};
use units::{OptionRight, Timestamp};

const MODEL: &str = "Derive SRM";

/// What is held in an expiry.
struct Held {
    row: usize,
    right: OptionRight,
    strike: f64,
    quantity: f64,
    mark: f64,
}

/// Initial and maintenance amounts.
#[derive(Debug, Clone, Copy, Default)]
struct Both {
    initial: f64,
    maintenance: f64,
}

impl Both {
    fn add(&mut self, other: Self) {
        self.initial += other.initial;
        self.maintenance += other.maintenance;
    }
}

/// The standard margin of a portfolio with cash in one currency. Options held count neither as collateral nor as equity; the mark of
/// those sold is part of what they need.
///
/// # Errors
///
/// Parameters that do not hold; what has no rule, mark, forward, index or terms, by row.
pub fn standard_margin(portfolio: &Portfolio, parameters: &Parameters, cash: Currency) -> Result<Margin, MarginError> {
    parameters.check(portfolio.at)?;
    portfolio.check()?;
    portfolio.check_together(MODEL)?;
    let mut components = Vec::new();
    let mut add = |name: String, position: Option<usize>, value: f64| {
        components.push(Component::new(name, position, Figure::estimated(value)));
    };
    let mut equity = portfolio.amount(cash).approximate();
    add("cash".to_owned(), None, equity);
    for (row, balance) in portfolio.balances.iter().enumerate().filter(|(_, balance)| balance.currency != cash) {
        let factor = collateral_factor(parameters, row, balance.currency)?;
        let value =
            balance.amount.approximate() * portfolio.underlying(Place::Balance(row), balance.currency)?.index * factor;
        add(format!("collateral {}", balance.currency), None, value);
        equity += value;
    }
    let mut needed = Both::default();
    let mut expiries: Vec<(Currency, Timestamp)> = Vec::new();
    for (row, position) in portfolio.positions.iter().enumerate() {
        match position.instrument.kind {
            InstrumentKind::LinearPerpetual => {
                // No value of the venue is known that could come with Trimtab.
                for name in ["perpetual_initial", "perpetual_maintenance"] {
                    if parameters.optional::<f64>(name)?.is_none() {
                        return Err(position.without_terms(row, MODEL, format!("{name},part of the notional")));
                    }
                }
                let notional = position.quantity.approximate().abs() * position.needed_mark(row)?.approximate();
                let own = Both {
                    initial: notional * parameters.share("perpetual_initial")?,
                    maintenance: notional * parameters.share("perpetual_maintenance")?,
                };
                let profit = position.profit(row)?.approximate();
                add("perpetual profit".to_owned(), Some(row), profit);
                add("perpetual, initial".to_owned(), Some(row), own.initial);
                add("perpetual, maintenance".to_owned(), Some(row), own.maintenance);
                equity += profit;
                needed.add(own);
            }
            InstrumentKind::LinearOption { expiry, .. } => {
                if expiry < portfolio.at {
                    return Err(MarginError::Expired { row, symbol: position.instrument.symbol.clone(), expiry });
                }
                let key = (position.instrument.base, expiry);
                if !expiries.contains(&key) {
                    expiries.push(key);
                }
            }
            _ => return Err(position.unknown(row, MODEL)),
        }
    }
    expiries.sort_unstable();
    for (coin, expiry) in expiries {
        let held = holdings(portfolio, coin, expiry)?;
        let first = held.first().map_or(0, |held| held.row);
        let forward = portfolio.term(first, &portfolio.positions[first].instrument, expiry)?.forward;
        let spot = portfolio.underlying(Place::Position(first), coin)?.index;
        let mut isolated = Both::default();
        for option in held.iter().filter(|option| option.quantity < 0.0) {
            let own = short(parameters, option, spot)?;
            add("short option, initial".to_owned(), Some(option.row), own.initial);
            add("short option, maintenance".to_owned(), Some(option.row), own.maintenance);
            isolated.add(own);
        }
        let loss = largest_loss(&held);
        let net_calls: f64 = held.iter().filter(|held| held.right == OptionRight::Call).map(|held| held.quantity).sum();
        let unpaired = (-net_calls).max(0.0) * forward;
        let most = Both {
            initial: loss + unpaired * parameters.within("unpaired_initial", 0.0, 10.0)?,
            maintenance: loss + unpaired * parameters.within("unpaired_maintenance", 0.0, 10.0)?,
        };
        let own = Both {
            initial: isolated.initial.min(most.initial),
            maintenance: isolated.maintenance.min(most.maintenance),
        };
        for (name, both) in [("each by itself", isolated), ("largest loss", most), ("margin", own)] {
            add(format!("{coin} {expiry}, {name}, initial"), None, both.initial);
            add(format!("{coin} {expiry}, {name}, maintenance"), None, both.maintenance);
        }
        needed.add(own);
    }
    let mut notes = vec!["no published figure of this model was reproduced".to_owned()];
    notes.extend(parameters.notes());
    Ok(Margin {
        model: MODEL,
        currency: cash,
        equity: Figure::estimated(equity),
        initial: Figure::estimated(needed.initial),
        maintenance: Figure::estimated(needed.maintenance),
        components,
        scenarios: Vec::new(),
        worst: None,
        notes,
    })
}

/// Which part of a currency counts as collateral.
pub(crate) fn collateral_factor(parameters: &Parameters, row: usize, currency: Currency) -> Result<f64, MarginError> {
    let name = format!("collateral_factor.{currency}");
    if parameters.optional::<f64>(&name)?.is_none() {
        let parameter = format!("{name},which part of it counts");
        return Err(MarginError::UnknownCollateral { row, currency, parameter });
    }
    parameters.share(&name)
}

fn holdings(portfolio: &Portfolio, coin: Currency, expiry: Timestamp) -> Result<Vec<Held>, MarginError> {
    let of_expiry = |position: &Position| {
        let instrument = &position.instrument;
        instrument.base == coin && instrument.kind.is_option() && instrument.kind.expiry() == Some(expiry)
    };
    let rows = portfolio.positions.iter().enumerate().filter(|(_, position)| of_expiry(position));
    rows.filter_map(|(row, position)| {
        let (strike, right) = position.instrument.kind.option()?;
        let quantity = position.quantity.approximate();
        let mark = position.needed_mark(row).map(|mark| mark.approximate());
        Some(mark.map(|mark| Held { row, right, strike: strike.approximate(), quantity, mark }))
    })
    .collect()
}

/// What a short option needs by itself, its mark included.
fn short(parameters: &Parameters, option: &Held, spot: f64) -> Result<Both, MarginError> {
    let Held { right, strike, quantity, mark, .. } = *option;
    let short = -quantity;
    let out_of_money = right.sign() * (strike - spot);
    let share =
        (parameters.share("option_most")? - out_of_money.max(0.0) / spot).max(parameters.share("option_least")?);
    let initial = short * (share * spot + mark);
    Ok(match right {
        OptionRight::Call => {
            let maintenance = short * (parameters.share("call_maintenance")? * spot + mark);
            Both { initial, maintenance }
        }
        OptionRight::Put => {
            let least = parameters.share("put_maintenance")? * spot;
            let of_mark = parameters.share("put_mark_maintenance")? * mark;
            let maintenance = short * (least.max(of_mark) + mark);
            Both {
                initial: initial.max(maintenance * parameters.within("put_initial_of_maintenance", 0.0, 10.0)?),
                maintenance,
            }
        }
    })
}

/// The largest loss at expiry, at a price of zero or at a strike: between them the pay-off is straight, and calls sold beyond the last
/// one are charged apart.
fn largest_loss(held: &[Held]) -> f64 {
    let pay_off = |price: f64| -> f64 {
        held.iter().map(|held| held.quantity * (held.right.sign() * (price - held.strike)).max(0.0)).sum()
    };
    let prices = held.iter().map(|held| held.strike).chain([0.0]);
    prices.map(|price| (-pay_off(price)).max(0.0)).fold(0.0, f64::max)
}
