//! What a change of the portfolio does to its margin: one unit more, and orders that may fill.

use super::{Margin, MarginError, Place, Portfolio};
use units::{Price, Qty};

/// The largest number of open orders among whose subsets the worst is searched: 4,096 of them.
pub const ORDERS_MAX: usize = 12;

/// What more of a position needs.
#[derive(Debug, Clone, PartialEq)]
pub struct MarginalMargin {
    /// The margin after.
    pub after: Margin,
    /// Initial margin after less before; `None` if either is absent.
    pub initial: Option<f64>,
    /// Maintenance margin after less before.
    pub maintenance: Option<f64>,
}

/// What `quantity` more of a position's instrument, signed, at its mark would need, by whatever model is handed in.
///
/// # Errors
///
/// What the model refuses; a row that is not there.
pub fn marginal(
    portfolio: &Portfolio,
    row: usize,
    quantity: Qty,
    model: impl Fn(&Portfolio) -> Result<Margin, MarginError>,
) -> Result<MarginalMargin, MarginError> {
    let before = model(portfolio)?;
    let mut changed = portfolio.clone();
    let mark = match portfolio.positions.get(row) {
        Some(position) => position.needed_mark(row)?,
        None => return Err(MarginError::Order { row: 0, position: row }),
    };
    fill(&mut changed, row, quantity, mark)?;
    let after = model(&changed)?;
    let change = |after: Option<f64>, before: Option<f64>| Some(after? - before?);
    Ok(MarginalMargin {
        initial: change(after.initial.value(), before.initial.value()),
        maintenance: change(after.maintenance.value(), before.maintenance.value()),
        after,
    })
}

/// The fills of open orders that leave least over the initial margin.
#[derive(Debug, Clone, PartialEq)]
pub struct WorstOrders {
    /// Rows of the orders that fill.
    pub filled: Vec<usize>,
    /// The margin then.
    pub margin: Margin,
    /// Equity less initial margin without any fill, less the same with these: at least zero.
    pub needed: f64,
}

/// Tries every subset of the open orders, filled at their prices, and gives the one that leaves least over the initial margin. Exact for
/// every model, whatever its offsets.
///
/// # Errors
///
/// More than [`ORDERS_MAX`] orders; what the model refuses; an order that names no position.
pub fn worst_orders(
    portfolio: &Portfolio,
    model: impl Fn(&Portfolio) -> Result<Margin, MarginError>,
) -> Result<WorstOrders, MarginError> {
    let count = portfolio.orders.len();
    if count > ORDERS_MAX {
        return Err(MarginError::TooManyOrders { count });
    }
    let mut bare = portfolio.clone();
    bare.orders.clear();
    let before = model(&bare)?;
    let left = before.initial_excess().value();
    let mut worst = WorstOrders { filled: Vec::new(), margin: before, needed: 0.0 };
    for subset in 1_u32..1 << count {
        let mut changed = bare.clone();
        let filled: Vec<usize> = (0..count).filter(|order| subset >> order & 1 == 1).collect();
        for row in &filled {
            let order = &portfolio.orders[*row];
            if order.position >= portfolio.positions.len() {
                return Err(MarginError::Order { row: *row, position: order.position });
            }
            fill(&mut changed, order.position, order.quantity, order.price)?;
        }
        let margin = model(&changed)?;
        if let (Some(left), Some(after)) = (left, margin.initial_excess().value())
            && left - after > worst.needed
        {
            worst = WorstOrders { filled, margin, needed: left - after };
        }
    }
    Ok(worst)
}

/// A fill: the average entry moves, or profit of what is closed goes to the balance. Premiums of options are paid.
fn fill(portfolio: &mut Portfolio, row: usize, quantity: Qty, price: Price) -> Result<(), MarginError> {
    let position = &mut portfolio.positions[row];
    let contract = position.instrument.kind.contract();
    let total = position.quantity.checked_add(quantity).ok_or(MarginError::TooLarge { place: Place::Position(row) })?;
    let settle = position.instrument.settle;
    let paid = if position.instrument.kind.is_option() {
        // What an option is worth stands in equity by its mark, so its price leaves the balance.
        -contract.value(price, quantity).cash()
    } else {
        // What the fill is worth at the mark is settled at once, and what was not settled stays so.
        let now = contract.profit(quantity, price, position.needed_mark(row)?);
        position.unrealised = Some(position.profit(row)?);
        now
    };
    position.quantity = total;
    match portfolio.balances.iter_mut().find(|balance| balance.currency == settle) {
        Some(balance) => balance.amount += paid,
        None => portfolio.balances.push(super::Balance { currency: settle, amount: paid }),
    }
    Ok(())
}
