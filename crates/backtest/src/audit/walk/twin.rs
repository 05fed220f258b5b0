//! The unscaled twin: what it is worth follows from what it holds. It trades at the market on bars, so that each change of what it holds
//! was filled at the open of the bar between two rows, with half spread and slippage, at the taker's fee; or at its close, where something
//! came while it ran that may have been answered. No table has the twin's orders: which of the two it was, its equity tells.

use super::Walk;
use super::fills::worsened;
use crate::audit::finding::At;
use crate::audit::seat::{has_one_currency, is_plain, plus};
use crate::records::EquityRow;
use crate::run::Run;
use units::{Cash, Notional, Price, Qty, Round, Side, Timestamp};

/// Quotients of doubles agree to so much.
const NEAR: f64 = 1e-9;

/// The twin's money and positions as they follow so far.
pub(super) struct Twin {
    /// Contracts in one currency and one account, a row for each bar: what the table of equity tells can be made again.
    is_bare: bool,
    /// Whether it can be followed at all, and how long: a liquidation is the venue's, at a price that no table has.
    follows: bool,
    until: Option<Timestamp>,
    cash: Notional,
    fees: Cash,
    funding: Cash,
    traded: Cash,
    slippage: Cash,
    paid_in: Cash,
    /// By seat.
    held: Vec<Qty>,
    /// When the input before this one was known.
    before: Timestamp,
    /// Changes since the last row of equity that may have been at the open or at the close.
    open: Vec<[Trade; 2]>,
}

/// What one change of what it holds came to.
#[derive(Clone, Copy)]
struct Trade {
    value: Notional,
    fee: Cash,
    traded: Cash,
    slippage: Cash,
}

/// So many changes of one time are tried at open and close each.
const TRIED: usize = 8;

impl Twin {
    pub(super) fn new(run: &Run, seats: usize) -> Self {
        let policies = run.policies();
        let is_bare = |policy: &policy::Policy| {
            is_plain(policy)
                && policy.adopt.is_empty()
                && policy.hedges.is_empty()
                && policy.accounts.len() < 2
                && policy.backtest.fee_tiers.is_empty()
        };
        let each_bar = run.record.configuration.get("rows").is_some_and(|rows| rows == "each bar");
        let kinds = run.record.instruments.iter();
        let mut kinds = kinds.map(|known| known.kind != "spot" && known.kind != "structure");
        let is_bare = policies.iter().all(is_bare)
            && each_bar
            && kinds.all(|is_contract| is_contract)
            && has_one_currency(run)
            && run.tables.accounts.is_empty()
            && run.tables.options.is_empty();
        Self {
            is_bare,
            // How much worse impact makes a fill hangs on what else is taken at once.
            follows: is_bare && policies.iter().all(|policy| policy.backtest.impact.is_zero()),
            until: run.record.twin.liquidated.as_ref().and_then(|at| at.parse().ok()),
            cash: Notional::ZERO,
            fees: Cash::ZERO,
            funding: Cash::ZERO,
            traded: Cash::ZERO,
            slippage: Cash::ZERO,
            paid_in: Cash::ZERO,
            held: vec![Qty::ZERO; seats],
            before: Timestamp::MIN,
            open: Vec::new(),
        }
    }
}

impl Twin {
    /// Whether the run is of contracts in one currency and one account, with a row for each bar.
    pub(super) fn is_bare(&self) -> bool {
        self.is_bare
    }

    fn take(&mut self, trade: Trade) {
        self.cash -= trade.value + trade.fee.notional();
        self.fees += trade.fee;
        self.traded += trade.traded;
        self.slippage += trade.slippage;
    }

    /// Takes open changes at the opens and closes that give the equity told; at their opens where none do.
    fn settle(&mut self, worth: Notional, equity: Cash) {
        let open = std::mem::take(&mut self.open);
        let chosen =
            |closes: usize| open.iter().enumerate().map(move |(at, trades)| trades[(closes >> at.min(TRIED)) & 1]);
        let cost = |closes: &usize| {
            chosen(*closes).fold(Notional::ZERO, |sum, trade| sum + trade.value + trade.fee.notional())
        };
        let ways = 0..1_usize << open.len().min(TRIED);
        let found = ways.clone().find(|closes| (self.cash - cost(closes) + worth).cash() == equity);
        chosen(found.unwrap_or(0)).for_each(|trade| self.take(trade));
    }
}

impl Walk<'_> {
    /// After an input: what the twin traded and was paid in it. `row`: the row of equity that it made, and its place.
    pub(super) fn twin(&mut self, first: usize, row: Option<(usize, EquityRow)>) {
        let is_over = self.twin.until.is_some_and(|until| self.at >= until);
        let is_told_by_bars = |market: &super::Market| {
            market.mark.is_none() && !market.accrues && market.now.trades.is_empty() && !market.is_option
        };
        let is_alone = self.seats.iter().all(|seat| seat.alone);
        if !self.twin.follows || is_over || !is_alone || !self.busy.iter().all(|at| is_told_by_bars(&self.markets[*at]))
        {
            self.twin.follows = false;
            return;
        }
        let terms = &self.policies[0].backtest;
        let positions = &self.tables.positions;
        for position in positions[first..].iter().take_while(|position| position.time <= self.at) {
            let Some(market) = self.by_symbol.get(&*position.instrument).copied() else { continue };
            let Some(seat) = self.seat_of(&position.strategy, market) else { continue };
            let known = &self.markets[market];
            let change = plus(position.twin_position, -self.twin.held[seat]);
            self.twin.held[seat] = position.twin_position;
            if change.is_zero() {
                continue;
            }
            let side = if change.signum() > 0 { Side::Buy } else { Side::Sell };
            let trade = |reference: Price| {
                let price = worsened(reference, terms.half_spread + terms.slippage, side, known.tick);
                let exposure = known.contract.exposure(price, change.abs());
                Trade {
                    value: known.contract.value(price, change),
                    fee: exposure.at_rate(terms.taker_fee, Round::AwayFromZero).unwrap_or_default(),
                    traded: exposure.cash(),
                    slippage: known.contract.profit(change, reference, price),
                }
            };
            let bar = known.now.bar.filter(|bar| self.twin.before > bar.opened);
            match bar {
                Some(bar) => self.twin.open.push([trade(position.open), trade(bar.close)]),
                None => self.twin.take(trade(position.open)),
            }
        }
        self.twin.before = self.known;
        for index in &self.busy {
            let known = &self.markets[*index];
            let held = known.seats.iter().map(|seat| self.twin.held[*seat]).fold(Qty::ZERO, plus);
            for rate in known.now.funding.iter().filter(|_| !held.is_zero()) {
                let owed = -known.contract.exposure(known.last, held);
                let round = if owed.signum() * rate.signum() > 0 { Round::TowardZero } else { Round::AwayFromZero };
                let paid = owed.at_rate(*rate, round).unwrap_or_default();
                self.twin.cash += paid.notional();
                self.twin.funding += paid;
            }
        }
        let Some((row, equity)) = row else { return };
        self.twin.cash += (equity.twin_paid_in - self.twin.paid_in).notional();
        self.twin.paid_in = equity.twin_paid_in;
        let (mut worth, mut exposed) = (Notional::ZERO, Cash::ZERO);
        for (seat, held) in self.twin.held.iter().enumerate().filter(|(_, held)| !held.is_zero()) {
            let mark = self.mark_of(seat).unwrap_or(Price::ZERO);
            let contract = self.markets.iter().find(|market| market.seats.contains(&seat)).map(|of| of.contract);
            let contract = contract.unwrap_or_default();
            worth += contract.value(mark, *held);
            exposed += contract.exposure(mark, *held).cash();
        }
        self.twin.settle(worth, equity.twin_equity);
        let made = (self.twin.cash + worth).cash();
        let at = At::equity(row, &equity);
        self.found.ensure("twin", made == equity.twin_equity, at, || {
            format!("the twin's equity is {}, what it holds and traded gives {made}", equity.twin_equity)
        });
        let exposed = if made.raw() > 0 { exposed.approximate() / made.approximate() } else { 0.0 };
        let is_near = (equity.twin_exposure - exposed).abs() <= NEAR * exposed.abs().max(1.0);
        self.found.ensure("twin", is_near, at, || {
            format!("the twin's exposure is {}, its positions at their marks give {exposed}", equity.twin_exposure)
        });
    }

    /// What it paid in all, where it could be followed to the end.
    pub(super) fn twin_paid(&mut self) {
        let (told, at) = (&self.run.record.twin, At::file("run.json"));
        self.twin_liquidated();
        if !self.twin.follows || self.told.bars == 0 {
            return;
        }
        for (what, told, made) in [
            ("fees", &told.fees, self.twin.fees.to_string()),
            ("funding", &told.funding, self.twin.funding.to_string()),
            ("traded", &told.traded, self.twin.traded.to_string()),
            ("slippage", &told.slippage, self.twin.slippage.to_string()),
        ] {
            self.found.ensure("twin", *told == made, at, || {
                format!("the twin's {what} are {told}, what it holds and traded gives {made}")
            });
        }
    }

    /// A liquidation of the twin is told if rows show it: it held something before and nothing of it at that time.
    fn twin_liquidated(&mut self) {
        let told = &self.run.record.twin.liquidated;
        let until = told.as_ref().map(|at| at.parse::<Timestamp>().ok());
        let Some(until) = until.filter(|_| self.twin.is_bare && self.seats.iter().all(|seat| seat.alone)) else {
            return;
        };
        let rows = || self.tables.positions.iter();
        let has_ended = until.is_some_and(|until| {
            let next = rows().map(|row| row.time).find(|time| *time >= until);
            let before = rows().map(|row| row.time).take_while(|time| *time < until).last();
            let holds =
                |time: Option<Timestamp>| rows().any(|row| Some(row.time) == time && !row.twin_position.is_zero());
            holds(before) && !holds(next)
        });
        self.found.ensure("twin", has_ended, At::file("run.json"), || {
            format!(
                "the twin was liquidated at {}, where it held nothing before or went on",
                told.clone().unwrap_or_default()
            )
        });
    }
}
