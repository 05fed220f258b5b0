//! Money and positions: equity recomputed from fills, payments, flows and marks alone, exactly; positions from fills.

use super::finding::{At, Found};
use super::seat;
use crate::records::EquityRow;
use crate::run::Run;
use std::collections::BTreeMap;
use units::{Cash, Contract, Notional, Price, Qty, Timestamp};

/// Sums up to a moment.
#[derive(Default)]
struct Sums<'a> {
    cash: Notional,
    paid_in: Cash,
    held: BTreeMap<&'a str, Qty>,
    by_seat: BTreeMap<(&'a str, &'a str), Qty>,
    marks: BTreeMap<&'a str, Price>,
}

/// Quotients of doubles agree to so much.
const NEAR: f64 = 1e-9;

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= NEAR * b.abs().max(1.0)
}

/// An amount over equity; nothing without equity.
fn share(amount: Cash, equity: Cash) -> f64 {
    if equity.raw() > 0 { amount.approximate() / equity.approximate() } else { 0.0 }
}

/// When money was first paid in or out after the first row, which moves the highest equity with it.
fn money_moved(run: &Run) -> Timestamp {
    let first = run.tables.equity.first().map_or(Timestamp::MAX, |row| row.time);
    run.tables.flows.iter().map(|flow| flow.time).find(|time| *time > first).unwrap_or(Timestamp::MAX)
}

/// Signed and unsigned exposure are those of all positions at their marks.
fn exposures(
    sums: &Sums<'_>,
    contracts: &BTreeMap<&str, Contract>,
    (row, equity): (usize, &EquityRow),
    found: &mut Found,
) {
    let of =
        |(symbol, held): (&&str, &Qty)| Some(contracts.get(symbol)?.exposure(*sums.marks.get(symbol)?, *held).cash());
    let (mut net, mut gross) = (Cash::ZERO, Cash::ZERO);
    for exposure in sums.held.iter().filter_map(of) {
        net += exposure;
        gross += exposure.abs();
    }
    for (name, told, exact) in [
        ("exposure", equity.exposure, share(net, equity.equity)),
        ("gross exposure", equity.gross, share(gross, equity.equity)),
    ] {
        found.ensure("exposure", is_near(told, exact), At::equity(row, equity), || {
            format!("{name} is {told}, positions at their marks over equity are {exact}")
        });
    }
}

/// Equity at every row, and positions at every row.
pub(super) fn check(run: &Run, found: &mut Found) {
    let tables = &run.tables;
    let contracts: BTreeMap<&str, Contract> =
        run.record.instruments.iter().map(|known| (known.symbol.as_str(), known.contract())).collect();
    let is_structure =
        |symbol: &str| run.record.instruments.iter().any(|known| known.symbol == symbol && known.kind == "structure");
    let knows_equity = seat::has_one_currency(run) && run.policies().iter().all(|policy| policy.adopt.is_empty());
    let is_spot =
        |symbol: &str| run.record.instruments.iter().any(|known| known.symbol == symbol && known.kind == "spot");
    let is_plain = !run.record.instruments.iter().any(|known| is_structure(&known.symbol) || is_spot(&known.symbol));
    // What options and coins stand for is told otherwise.
    let tells_exposure = is_plain && tables.options.is_empty();
    let (is_alone, money_moved, mut highest) = (tables.accounts.is_empty(), money_moved(run), Cash::ZERO);
    let (mut sums, mut fill, mut flow, mut paid, mut seen, mut option) = (Sums::default(), 0, 0, 0, 0, 0);
    for (row, equity) in tables.equity.iter().enumerate() {
        let until = |time: Timestamp| time <= equity.time;
        while let Some(moved) = tables.flows.get(flow).filter(|row| until(row.time)) {
            sums.cash += moved.amount.notional();
            sums.paid_in +=
                if matches!(moved.reason.as_str(), "deposit" | "withdrawal") { moved.amount } else { Cash::ZERO };
            flow += 1;
        }
        while let Some(payment) = tables.funding.get(paid).filter(|row| until(row.time)) {
            sums.cash += payment.amount.notional();
            paid += 1;
        }
        while let Some(first) = tables.fills.get(fill).filter(|row| until(row.time)) {
            // One execution that strategies share is valued as one.
            let one = |other: &&crate::records::FillRow| {
                other.input == first.input
                    && other.instrument == first.instrument
                    && other.order == first.order
                    && other.price == first.price
            };
            let mut signed = Qty::ZERO;
            for part in tables.fills[fill..].iter().take_while(one) {
                let quantity = if part.side == "buy" { part.quantity } else { -part.quantity };
                let seat = sums.by_seat.entry((&part.strategy, &part.instrument)).or_default();
                *seat = seat::plus(*seat, quantity);
                signed = seat::plus(signed, quantity);
                sums.cash -= part.fee.notional();
                fill += 1;
            }
            let held = sums.held.entry(&first.instrument).or_default();
            *held = seat::plus(*held, signed);
            if first.liquidity != "internal" {
                let contract = contracts.get(first.instrument.as_str()).copied().unwrap_or_default();
                sums.cash -= contract.value(first.price, signed);
            }
        }
        while let Some(position) = tables.positions.get(seen).filter(|row| until(row.time)) {
            sums.marks.insert(&position.instrument, position.mark);
            if !is_structure(&position.instrument) {
                let key = (position.strategy.as_str(), position.instrument.as_str());
                let held = sums.by_seat.get(&key).copied().unwrap_or_default();
                // A row of a time between rows of equity is of another moment, and found by its time.
                found.ensure("position", held == position.position, At::position(seen, position), || {
                    format!("the position is {}, the fills give {held}", position.position)
                });
                let at_row = position.time == equity.time;
                found.ensure("position", at_row, At::position(seen, position), || {
                    format!("equity has no row of {}", position.time)
                });
            }
            seen += 1;
        }
        let mut options = Notional::ZERO;
        while let Some(held) = tables.options.get(option).filter(|row| until(row.time)) {
            options += Contract::Linear.value(held.mark, held.position);
            let sum = sums.held.get(held.instrument.as_str()).copied().unwrap_or_default();
            found.ensure("position", sum == held.position, At::file("options"), || {
                format!("row {}: {} of `{}`, the fills give {sum}", option + 1, held.position, &*held.instrument)
            });
            option += 1;
        }
        if !knows_equity {
            continue;
        }
        let mut worth = options;
        for (symbol, held) in &sums.held {
            if let (Some(contract), Some(mark)) = (contracts.get(symbol), sums.marks.get(symbol)) {
                worth += contract.value(*mark, *held);
            }
        }
        let total = (sums.cash + worth).cash();
        found.ensure("equity", total == equity.equity, At::equity(row, equity), || {
            format!("equity is {}, flows, fills, fees, funding and marks give {total}", equity.equity)
        });
        found.ensure("equity", sums.paid_in == equity.paid_in, At::equity(row, equity), || {
            format!("{} was paid in, the flows give {}", equity.paid_in, sums.paid_in)
        });
        if tells_exposure {
            exposures(&sums, &contracts, (row, equity), found);
            let at = tables.positions[..seen].iter().enumerate().rev();
            // A position is told over the equity of its own account.
            for (row, position) in at.take_while(|(_, position)| is_alone && position.time == equity.time) {
                let contract = contracts.get(position.instrument.as_str()).copied().unwrap_or_default();
                let exact = share(contract.exposure(position.mark, position.position).cash(), equity.equity);
                let fits = is_near(position.exposure, exact);
                found.ensure("exposure", fits, At::position(row, position), || {
                    format!("the exposure is {}, the position at its mark over equity is {exact}", position.exposure)
                });
                let exact = share(contract.exposure(position.mark, position.twin_position).cash(), equity.twin_equity);
                let fits = is_near(position.twin_exposure, exact);
                found.ensure("twin", fits, At::position(row, position), || {
                    format!(
                        "the twin's exposure is {}, what it holds at the mark gives {exact}",
                        position.twin_exposure
                    )
                });
            }
        }
        if equity.time < money_moved {
            highest = highest.max(equity.equity);
            let least = share(highest - equity.equity, highest);
            // Between rows equity may have been higher, so that it is further under its highest; where more is lost than there was, what is
            // owed is less of it.
            let fits = match equity.equity.signum() >= 0 {
                true => equity.drawdown >= least - NEAR,
                false => equity.drawdown > 1.0 - NEAR && equity.drawdown <= least + NEAR,
            };
            found.ensure("drawdown", fits, At::equity(row, equity), || {
                format!("the drawdown is {}, from the highest row it is {least}", equity.drawdown)
            });
        }
        let cash = equity.equity - worth.cash();
        found.ensure("equity", cash == equity.cash, At::equity(row, equity), || {
            format!("cash is {}, equity less positions is {cash}", equity.cash)
        });
    }
    for (table, rest) in [("positions", tables.positions.len() - seen), ("options", tables.options.len() - option)] {
        found
            .ensure("position", rest == 0, At::file(table), || format!("{rest} rows are after the last row of equity"));
    }
}
