//! The tapes once, from the first input to the last, and at each time what the tables say of it: what waited at a price that the
//! market came to was filled or ended, and nothing was filled that it did not come to.

use super::campaign::Camp;
use super::figures::{Disposition, Overrides};
use super::finding::{At, Found};
use super::live::{For, Live, Wait, id_of, is_venues, side_of};
use super::plans::MARKET;
use super::seat::{Seat, is_plain};
use crate::records::{FillRow, OrderRow, PlanRow, Tables};
use crate::run::Run;
use crate::{Error, Progress};
use market::{Bar, Event};
use policy::Policy;
use policy::spec::{FractionOf, Resize, Trigger};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use units::{Cash, Contract, Duration, Price, Qty, Rate, Round, Side, Timestamp};

/// Inputs between two reports of progress.
const REPORT_EVERY: u64 = 16_384;

/// What the walk tells.
pub(super) struct Walked {
    pub(super) bars: u64,
    pub(super) ambiguous: u64,
    pub(super) crossed: u64,
    pub(super) unexplained: u64,
    pub(super) overrides: Overrides,
    pub(super) disposition: Disposition,
    pub(super) leverage: Vec<(f64, Option<Timestamp>)>,
}

/// An instrument, and what its market did so far.
struct Market {
    tick: Price,
    lot: Qty,
    min_qty: Qty,
    contract: Contract,
    is_option: bool,
    is_spot: bool,
    /// Its venue accrues funding over time.
    accrues: bool,
    is_traded: bool,
    seats: Vec<usize>,
    net: Qty,
    orders: Vec<Live>,
    /// The last price, and the last of a mark feed.
    last: Price,
    mark: Option<Price>,
    /// Since the last row of positions.
    span: Option<Bar>,
    /// When the bar before this input closed.
    before: Timestamp,
    /// Of the present input.
    now: Now,
}

/// What an input says of an instrument.
#[derive(Default)]
struct Now {
    bar: Option<Bar>,
    trades: Vec<Price>,
    has_quote: bool,
    mark: Option<Price>,
    funding: Vec<Rate>,
    /// Reference prices of fills, in order, of which there is one path through the bar.
    path: Vec<Price>,
    /// A limit order opened something within the bar, which no limit order closes before the next one.
    has_opened: bool,
}

impl Now {
    fn clear(&mut self) {
        (self.bar, self.mark, self.has_quote, self.has_opened) = (None, None, false, false);
        self.trades.clear();
        self.funding.clear();
        self.path.clear();
    }
}

/// The next rows of each table.
#[derive(Default)]
struct Next {
    order: usize,
    fill: usize,
    plan: usize,
    funding: usize,
    flow: usize,
    position: usize,
    equity: usize,
}

/// An order that rested while a bar crossed its level.
struct Crossed {
    market: usize,
    id: (u64, u64),
    wait: Wait,
    bar: Bar,
}

struct Walk<'a> {
    run: &'a Run,
    tables: &'a Tables,
    policies: Vec<Policy>,
    found: &'a mut Found,
    markets: Vec<Market>,
    by_symbol: BTreeMap<String, usize>,
    seats: Vec<Seat>,
    campaigns: BTreeMap<u64, usize>,
    checked_campaigns: BTreeSet<u64>,
    /// Rows of fills by order, the next ones last.
    fills_of: BTreeMap<(u64, u64), Vec<usize>>,
    ids: BTreeSet<(u64, u64)>,
    next: Next,
    /// Instruments that the present input says something of.
    busy: Vec<usize>,
    crossed: Vec<Crossed>,
    /// Rows of plans and orders of the present time, and where those of orders begin that answer the market's own input.
    plans_now: Range<usize>,
    orders_now: Range<usize>,
    boundary: usize,
    /// The venue told something at the present time.
    has_news: bool,
    at: Timestamp,
    told: Walked,
    has_each_bar: bool,
    /// By hand: fills until their campaign ends.
    by_hand: Vec<(u64, Qty, Price)>,
}

/// Reads the tapes once and checks the tables on the way.
pub(super) fn walk(
    run: &Run,
    found: &mut Found,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Walked, Error> {
    let paths: Vec<PathBuf> = run.record.tapes.iter().map(|tape| tape.path.clone()).collect();
    let readers = paths.iter().map(tape::TapeReader::open).collect::<Result<Vec<_>, _>>()?;
    let mut merged = tape::Merged::new(readers)?;
    let mut walk = Walk::new(run, found, merged.catalogue());
    let (first, last) = walk.span()?;
    let (mut events, mut inputs) = (Vec::new(), 0_u64);
    while let Some(at) = merged.next_input(&mut events)? {
        if at > last {
            break;
        }
        inputs += 1;
        if inputs.is_multiple_of(REPORT_EVERY) {
            let (done, total) = (merged.rows_read(), merged.rows_total());
            if progress(Progress { done, total, reached: at }).is_break() {
                return Err(Error::Interrupted);
            }
        }
        if at < first {
            continue;
        }
        // What the clock alone brought: an expiry, money that was moved.
        while let Some(due) = walk.next_row().filter(|due| *due < at) {
            walk.input(due, &[]);
        }
        walk.input(at, &events);
    }
    while let Some(due) = walk.next_row() {
        walk.input(due, &[]);
    }
    Ok(walk.finish())
}

/// Adds a sell or a buy.
fn signed_of(fill: &FillRow) -> Qty {
    fill.quantity.on(side_of(&fill.side))
}

impl<'a> Walk<'a> {
    fn new(run: &'a Run, found: &'a mut Found, catalogue: &market::Catalogue) -> Self {
        let (tables, policies) = (&run.tables, run.policies());
        let traded = |symbol: &str| run.record.instruments.iter().any(|known| known.symbol == symbol);
        let market = |known: &market::Instrument| Market {
            tick: known.tick,
            lot: known.lot,
            min_qty: known.min_qty,
            contract: known.kind.contract(),
            is_option: known.kind.is_option(),
            is_spot: known.kind == market::InstrumentKind::Spot,
            accrues: known.venue() == "deribit",
            is_traded: traded(&known.symbol),
            seats: Vec::new(),
            net: Qty::ZERO,
            orders: Vec::new(),
            last: Price::ZERO,
            mark: None,
            span: None,
            before: Timestamp::MIN,
            now: Now::default(),
        };
        let mut markets: Vec<Market> = catalogue.instruments.iter().map(market).collect();
        let by_symbol: BTreeMap<String, usize> =
            catalogue.instruments.iter().enumerate().map(|(at, known)| (known.symbol.clone(), at)).collect();
        let mut seats = Vec::new();
        for (strategy, policy) in policies.iter().enumerate().filter(|(_, policy)| is_plain(policy)) {
            for at in policy.instruments.iter().filter_map(|symbol| by_symbol.get(symbol)) {
                markets[*at].seats.push(seats.len());
                let (held, alone, camp, watched, is_touched, is_filled) = (Qty::ZERO, true, None, None, false, false);
                seats.push(Seat { strategy, held, alone, camp, watched, is_touched, is_filled });
            }
        }
        for market in markets.iter().filter(|market| market.seats.len() > 1) {
            market.seats.iter().for_each(|seat| seats[*seat].alone = false);
        }
        let mut fills_of: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
        for (row, fill) in tables.fills.iter().enumerate().rev() {
            if let Some(id) = id_of(&fill.order) {
                fills_of.entry(id).or_default().push(row);
            }
        }
        let told = Walked {
            bars: 0,
            ambiguous: 0,
            crossed: 0,
            unexplained: 0,
            overrides: Overrides::default(),
            disposition: Disposition::default(),
            leverage: vec![(0.0, None); policies.len()],
        };
        Self {
            run,
            tables,
            policies,
            found,
            markets,
            by_symbol,
            seats,
            campaigns: tables.campaigns.iter().enumerate().map(|(row, campaign)| (campaign.campaign, row)).collect(),
            checked_campaigns: BTreeSet::new(),
            fills_of,
            ids: BTreeSet::new(),
            next: Next::default(),
            busy: Vec::new(),
            crossed: Vec::new(),
            plans_now: 0..0,
            orders_now: 0..0,
            boundary: 0,
            has_news: false,
            at: Timestamp::MIN,
            told,
            has_each_bar: run.record.configuration.get("rows").is_some_and(|rows| rows == "each bar"),
            by_hand: Vec::new(),
        }
    }

    /// When the run's market begins and ends.
    fn span(&self) -> Result<(Timestamp, Timestamp), Error> {
        let read = |text: &str| {
            text.parse().map_err(|_| Error::Setup(format!("run.json: `{text}` is no time: the run cannot be audited")))
        };
        Ok((read(&self.run.record.first)?, read(&self.run.record.last)?))
    }

    /// The time of the next row of any table that the walk follows.
    fn next_row(&self) -> Option<Timestamp> {
        let (tables, next) = (self.tables, &self.next);
        let times = [
            tables.orders.get(next.order).map(|row| row.time),
            tables.fills.get(next.fill).map(|row| row.time),
            tables.plans.get(next.plan).map(|row| row.time),
            tables.funding.get(next.funding).map(|row| row.time),
            tables.flows.get(next.flow).map(|row| row.time),
            tables.positions.get(next.position).map(|row| row.time),
        ];
        times.into_iter().flatten().min()
    }

    /// One time: what the tapes say, then the rows.
    fn input(&mut self, at: Timestamp, events: &[Event]) {
        self.at = at;
        self.take_in(events);
        let is_due = self.next_row().is_some_and(|time| time <= at) || !self.crossed.is_empty();
        if is_due {
            self.orders();
        }
        self.funding();
        for index in &self.busy {
            let market = &mut self.markets[*index];
            market.mark = market.now.mark.or(market.mark);
        }
        if is_due || !self.busy.is_empty() {
            self.seats_now();
        }
        if is_due {
            self.positions();
        }
        self.leave();
    }

    /// What the tapes say of each instrument now; and which resting orders its bar crosses.
    fn take_in(&mut self, events: &[Event]) {
        for event in events {
            let index = match event {
                Event::Bar(bar) => bar.instrument.index(),
                Event::Trade(trade) => trade.instrument.index(),
                Event::OptionQuote(quote) => quote.instrument.index(),
                Event::Funding(due) => due.instrument.index(),
                Event::Mark(mark) => mark.instrument.index(),
                Event::Series(_) | Event::Order(_) | Event::Cash(_) => continue,
            };
            let market = &mut self.markets[index];
            if !market.is_traded && market.orders.is_empty() {
                market.last = match event {
                    Event::Bar(bar) => bar.close,
                    Event::Trade(trade) => trade.price,
                    _ => market.last,
                };
                market.mark = if let Event::Mark(mark) = event { Some(mark.price) } else { market.mark };
                continue;
            }
            if !self.busy.contains(&index) {
                self.busy.push(index);
            }
            match event {
                Event::Bar(bar) => {
                    market.now.bar = Some(*bar);
                    market.last = bar.close;
                    self.told.bars += u64::from(market.is_traded);
                    market.span = Some(merged(market.span, bar));
                    if !market.orders.is_empty() {
                        self.cross(index, bar);
                    }
                }
                Event::Trade(trade) => {
                    market.now.trades.push(trade.price);
                    market.last = trade.price;
                }
                Event::OptionQuote(_) => market.now.has_quote = true,
                Event::Funding(due) => market.now.funding.push(due.rate),
                Event::Mark(mark) => market.now.mark = Some(mark.price),
                Event::Series(_) | Event::Order(_) | Event::Cash(_) => {}
            }
        }
    }

    /// Notes which orders rested all the time before a bar, and wait for a price of it.
    fn cross(&mut self, index: usize, bar: &Bar) {
        let (mut over, mut under) = (false, false);
        let latency = self.policies[0].backtest.latency;
        for order in &self.markets[index].orders {
            let arrived = order.placed + if order.inside { Duration::ZERO } else { latency };
            let works = arrived < bar.closed || (order.inside && order.is_resting_stop());
            let wait = order.wait();
            if !works || order.cancelling || !wait.meets(bar.low, bar.high) {
                continue;
            }
            over |= wait.level().is_some_and(|level| level > bar.open);
            under |= wait.level().is_some_and(|level| level < bar.open);
            self.told.crossed += u64::from(wait != Wait::Now);
            self.crossed.push(Crossed { market: index, id: order.id, wait, bar: *bar });
        }
        self.told.ambiguous += u64::from(over && under);
    }

    /// Rows of orders of this time, with the fills that they tell of; then fills that no order of the strategy caused.
    fn orders(&mut self) {
        let tables = self.tables;
        let begin = self.next.order;
        let rows = &tables.orders[begin..];
        let count = rows.iter().take_while(|row| row.time <= self.at).count();
        // News of the venue comes before the market's own input: what is sent after the last of it, is sent on that.
        let is_news = |row: &OrderRow| !matches!(&*row.event, "place" | "amend" | "cancel");
        let boundary = begin + rows[..count].iter().rposition(is_news).map_or(0, |last| last + 1);
        let plans = self.rows_of_plans();
        (self.boundary, self.orders_now, self.plans_now) = (boundary, begin..begin + count, plans.clone());
        self.has_news = boundary > begin;
        for row in begin..begin + count {
            self.order(row, boundary, &plans);
        }
        self.next.order = begin + count;
        let until =
            self.next.fill + tables.fills[self.next.fill..].iter().take_while(|row| row.time <= self.at).count();
        self.fills_to(until);
        self.plans(plans);
        self.check_crossed();
        self.check_paths();
    }

    fn rows_of_plans(&self) -> Range<usize> {
        let rows = &self.tables.plans[self.next.plan..];
        self.next.plan..self.next.plan + rows.iter().take_while(|row| row.time <= self.at).count()
    }

    fn seat_of(&self, strategy: &str, market: usize) -> Option<usize> {
        // A handful of seats an instrument: no map is asked.
        self.markets[market]
            .seats
            .iter()
            .copied()
            .find(|seat| self.policies[self.seats[*seat].strategy].name == strategy)
    }

    /// One row of an order.
    fn order(&mut self, row: usize, boundary: usize, plans: &Range<usize>) {
        let tables = self.tables;
        let (told, at) = (&tables.orders[row], At::order(row, &tables.orders[row]));
        let market = self.by_symbol.get(&*told.instrument).copied();
        let known = market.zip(id_of(&told.order));
        self.found.ensure("order.plan", known.is_some_and(|(_, id)| id.0 == told.plan), at, || {
            format!(
                "order `{}` in `{}` is not one of plan {}, or of no instrument of the tapes",
                told.order, &*told.instrument, told.plan
            )
        });
        let Some((market, id)) = known else { return };
        let seat = self.seat_of(&told.strategy, market);
        if let Some(seat) = seat {
            self.seats[seat].is_touched = true;
        }
        if &*told.event == "place" {
            self.place(row, market, id, seat, plans);
            return;
        }
        let Some(index) = self.markets[market].orders.iter().position(|order| order.id == id) else {
            self.found.ensure("order.life", false, at, || {
                format!("{} of an order that was not placed, or ended before", &*told.event)
            });
            return;
        };
        let has_trades = !self.markets[market].now.trades.is_empty();
        let order = &mut self.markets[market].orders[index];
        let same = order.side == side_of(&told.side)
            && order.purpose == For::of(&told.purpose)
            && order.reduce_only == told.reduce_only;
        self.found.ensure("order.life", same, at, || {
            "side, purpose and reduce-only of an order stay as it was placed".to_owned()
        });
        let by_hand = id.0 == 0;
        match &*told.event {
            "amend" | "cancel" => {
                let inside = row < boundary;
                if inside {
                    order.acted = told.time;
                }
                if &*told.event == "cancel" {
                    order.cancelling = true;
                } else {
                    (order.quantity, order.price, order.trigger) = (told.quantity, told.price, told.trigger);
                    (order.changed, order.set_inside) = (told.time, inside);
                }
                let copy = order.clone();
                let planned = self.is_planned(&told.strategy, plans);
                let exit = matches!(copy.purpose, For::Stop | For::Rung(_));
                self.told.overrides.losers_held += u64::from(by_hand && exit);
                self.found.ensure("order.plan", planned, at, || {
                    format!("{} without a plan of `{}` at that time", &*told.event, &*told.strategy)
                });
                if &*told.event == "amend" {
                    self.terms(row, market, &copy);
                }
            }
            "accepted" => {
                let first = !order.accepted;
                order.accepted = true;
                order.inside = order.placed == told.time && !has_trades;
                order.set_inside |= order.inside;
                self.found.ensure("order.life", first, at, || "accepted twice".to_owned());
            }
            "triggered" => {
                let waits = order.accepted && order.trigger.is_some() && !order.triggered;
                let copy = order.clone();
                (order.triggered, order.acted) = (true, told.time);
                self.found.ensure("order.life", waits, at, || "triggered, and did not wait for a trigger".to_owned());
                self.reached(row, market, &copy);
            }
            "amended" => {
                // The terms that stand: they may be those from before, where the venue refused.
                let changes = order.accepted && order.changed <= told.time;
                self.found.ensure("order.life", changes, at, || "amended before it was accepted".to_owned());
            }
            "filled" => self.filled(row, market, index),
            "cancelled" | "rejected" => {
                order.acted = told.time;
                let (asked, reason) = (order.cancelling, &*told.reason);
                // An amendment to what was filled already takes an order back too.
                let is_told = !reason.is_empty() && (reason != "as asked" || asked || order.quantity <= order.filled);
                let event = &*told.event;
                let fits = if event == "rejected" { !order.accepted } else { order.accepted };
                self.markets[market].orders.remove(index);
                self.found.ensure("order.life", is_told && fits, at, || {
                    format!("{event} for `{reason}`, which nobody asked for, or before it was accepted")
                });
            }
            other => {
                self.found.ensure("order.life", false, at, || format!("`{other}` is no change of an order"));
            }
        }
    }

    /// Whether a plan of a strategy was made now.
    fn is_planned(&self, strategy: &str, plans: &Range<usize>) -> bool {
        let structured = self.policies.iter().any(|policy| policy.name == strategy && !is_plain(policy));
        structured || self.tables.plans[plans.clone()].iter().any(|plan| &*plan.strategy == strategy)
    }

    /// An order is sent: by a plan of now, in a quantity that follows from it.
    fn place(&mut self, row: usize, market: usize, id: (u64, u64), seat: Option<usize>, plans: &Range<usize>) {
        let told = &self.tables.orders[row];
        let at = At::order(row, told);
        self.found.ensure("order.life", self.ids.insert(id), at, || "placed twice".to_owned());
        let order = Live::new(id, seat, told);
        let by_hand = id.0 == 0 && !is_venues(id);
        let structured = seat.is_none();
        let steps = self.tables.plans[plans.clone()].iter();
        let plan = steps.clone().find(|plan| plan.plan == id.0 && plan.strategy == told.strategy);
        let known = plan.is_some_and(|plan| plan.instrument == told.instrument)
            || by_hand
            || (structured && self.tables.plans[..plans.end].iter().rev().any(|plan| plan.plan == id.0));
        self.found.ensure("order.plan", known, at, || {
            format!("no plan {} of `{}` in `{}` at that time", id.0, &*told.strategy, &*told.instrument)
        });
        if let Some(plan) = plan {
            self.fills_before(plan.input);
        }
        self.lapses(seat, plans.start, id.0);
        if let (Some(seat), Some(plan)) = (seat, plan) {
            self.quantity(row, market, seat, &order, plan);
        }
        self.terms(row, market, &order);
        self.markets[market].orders.push(order);
    }

    /// Units that a plan up to this one tells to have lapsed.
    fn lapses(&mut self, seat: Option<usize>, from: usize, plan: u64) {
        let Some(seat) = seat else { return };
        let (tables, name) = (self.tables, &self.policies[self.seats[seat].strategy].name);
        let Some(camp) = &mut self.seats[seat].camp else { return };
        let steps = tables.plans[from..].iter().take_while(|step| step.plan <= plan);
        for step in steps.filter(|step| &*step.rule == MARKET && step.strategy.as_str() == name) {
            let unit = step.because.strip_prefix("unit ").and_then(|rest| rest.split_once(" lapsed:"));
            if let Some(unit) = unit.and_then(|(unit, _)| unit.parse().ok()) {
                camp.lapse(unit);
            }
        }
    }

    /// What goes out at the market, or around it, is the plan's target less what is held and on its way.
    fn quantity(&mut self, row: usize, market: usize, seat: usize, order: &Live, plan: &PlanRow) {
        let at = At::order(row, &self.tables.orders[row]);
        let Seat { held, alone, .. } = self.seats[seat];
        let signed = order.quantity.on(order.side);
        let reduces = held.signum() * signed.signum() < 0;
        if alone {
            self.found.ensure("order.reduce_only", order.reduce_only == reduces, at, || {
                format!("{signed} with {held} held: reduce-only is {}, should be {reduces}", order.reduce_only)
            });
        }
        let is_change = order.is_market() || (order.is_limit && !matches!(order.purpose, For::Rung(_)));
        if !is_change || matches!(order.purpose, For::Rung(_)) {
            return;
        }
        let expected = change(plan.target, plan.position, &self.markets[market].orders, seat);
        let fits = if alone {
            signed == expected
        } else {
            signed.signum() == expected.signum() && signed.abs() <= expected.abs()
        };
        self.found.ensure("order.quantity", fits, at, || {
            format!(
                "{signed} is sent; target {} less {} held and what is on its way is {expected}",
                plan.target, plan.position
            )
        });
    }

    /// Whether the market came to what an order waited for, as far as this time tells.
    fn reached(&mut self, row: usize, market: usize, order: &Live) {
        let at = At::order(row, &self.tables.orders[row]);
        let latency = self.policies[0].backtest.latency;
        let Market { now, is_option, .. } = &self.markets[market];
        let (low, high) = range(now);
        let wait = order.wait();
        let meets = if *is_option { now.has_quote } else { low <= high && wait.meets(low, high) };
        self.found.ensure("order.not_crossed", meets, at, || match (wait.level(), low <= high) {
            (Some(level), true) => format!("it waited for {level}, the market went from {low} to {high}"),
            _ => "nothing was traded at that time".to_owned(),
        });
        let is_protective = order.is_resting_stop() && order.placed == self.at;
        let arrived = order.placed + if order.inside { Duration::ZERO } else { latency };
        self.found.ensure("order.not_crossed", is_protective || arrived < self.at, at, || {
            format!("sent at {}, it works from {arrived} on", order.placed)
        });
    }

    /// A fill of an order: it is the next one of it in the table of fills, at a price that the market reached.
    fn filled(&mut self, row: usize, market: usize, index: usize) {
        let tables = self.tables;
        let (told, at) = (&tables.orders[row], At::order(row, &tables.orders[row]));
        let order = self.markets[market].orders[index].clone();
        self.found.ensure("order.life", order.accepted && !order.cancelling, at, || {
            "filled before it was accepted, or after it was asked back".to_owned()
        });
        if order.trigger.is_none() || order.triggered {
            self.reached(row, market, &order);
        } else {
            self.found.ensure("order.life", false, at, || "filled without a trigger".to_owned());
        }
        let same = |fill: &FillRow| {
            fill.time == told.time
                && fill.quantity == told.quantity
                && Some(fill.price) == told.price
                && fill.side == *told.side
                && fill.purpose == *told.purpose
                && fill.strategy == *told.strategy
                && fill.instrument == *told.instrument
        };
        let queue = self.fills_of.entry(order.id).or_default();
        // What crossed inside the book is no news of the venue.
        while queue.last().is_some_and(|fill| tables.fills[*fill].liquidity == "internal") {
            queue.pop();
        }
        let fill = queue.pop();
        let agrees = fill.is_some_and(|fill| same(&tables.fills[fill]));
        self.found.ensure("fill.order", agrees, at, || match fill {
            Some(fill) => format!(
                "filled {} at {}; row {} of fills says {} at {}",
                told.quantity,
                told.price.unwrap_or_default(),
                fill + 1,
                tables.fills[fill].quantity,
                tables.fills[fill].price
            ),
            None => "fills has no row of it".to_owned(),
        });
        {
            let order = &mut self.markets[market].orders[index];
            order.filled += told.quantity;
            order.acted = told.time;
        }
        let over = self.markets[market].orders[index].filled > order.quantity;
        self.found.ensure("order.life", !over, at, || {
            format!("more is filled than the {} that were ordered", order.quantity)
        });
        if let Some(fill) = fill {
            self.price(fill, market, &order);
            self.fills_to(fill + 1);
        }
        if self.markets[market].orders[index].open().is_zero() {
            self.markets[market].orders.remove(index);
        }
    }

    /// The price of a fill, from what the market did and what taking costs.
    fn price(&mut self, row: usize, market: usize, order: &Live) {
        let fill = &self.tables.fills[row];
        let at = At::fill(row, fill);
        let terms = &self.policies[0].backtest;
        let Market { tick, now, is_option, before, net, .. } = &self.markets[market];
        let (tick, is_option, before) = (*tick, *is_option, *before);
        let opens = fill.liquidity == "maker" && net.signum() * order.side.sign() >= 0;
        let side = order.side;
        let no_worse = |price: Price, than: Price| if side == Side::Buy { price <= than } else { price >= than };
        let limit = order.price;
        self.found.ensure("fill.price", limit.is_none_or(|limit| no_worse(fill.price, limit)), at, || {
            format!("filled at {}, its limit is {}", fill.price, limit.unwrap_or_default())
        });
        if is_option {
            return;
        }
        let is_maker = fill.liquidity == "maker";
        let taken = worsened(fill.reference, terms.half_spread + terms.slippage, side, tick);
        let expected = match limit {
            _ if is_maker => fill.reference,
            Some(limit) => {
                if side == Side::Buy {
                    taken.min(limit)
                } else {
                    taken.max(limit)
                }
            }
            None => taken,
        };
        self.found.ensure("fill.price", fill.price == expected, at, || {
            format!("filled at {}; {} with half spread and slippage is {expected}", fill.price, fill.reference)
        });
        let Some(bar) = now.bar.filter(|_| now.trades.is_empty()) else { return };
        // What rested untouched is reached at its level, or at the open where the market opened beyond it.
        // What waited for the rule of the opening bar is filled on the way.
        let waited = is_maker && now.has_opened;
        let rested = order.changed < self.at && order.placed < self.at && !waited;
        let level = order.trigger.or(order.price);
        let open = worsened(bar.open, Rate::from_raw(0), side, tick);
        // Sent inside the bar before, which closed beyond it: a venue would have filled it on the way, at its own price.
        let was_passed = is_maker && order.set_inside && order.changed == before && limit == Some(fill.reference);
        let place = match level {
            _ if !rested => None,
            None => Some(bar.open),
            Some(_) if order.trigger.is_some() && order.price.is_some() => None,
            Some(level) if order.trigger.is_some() => Some(if no_worse(bar.open, level) { level } else { bar.open }),
            Some(level) if is_maker && no_worse(bar.open, level) && !was_passed => Some(open),
            Some(level) if is_maker => Some(level),
            Some(_) => None,
        };
        self.found.ensure("fill.price", place.is_none_or(|place| place == fill.reference), at, || {
            format!("its reference is {}, it rested and was reached at {}", fill.reference, place.unwrap_or_default())
        });
        if was_passed && rested && limit.is_some_and(|limit| no_worse(bar.open, limit)) {
            self.markets[market].now.has_opened |= opens;
            return;
        }
        let inside = (bar.low..=bar.high).contains(&fill.reference) || fill.reference == open;
        self.found.ensure("fill.price", inside, at, || {
            format!("its reference {} is outside the bar, {} to {}", fill.reference, bar.low, bar.high)
        });
        let market = &mut self.markets[market];
        market.now.path.push(fill.reference);
        market.now.has_opened |= opens;
    }

    /// Takes in what the venue did by itself before a plan of an input was made: it is no news of an order.
    fn fills_before(&mut self, input: u64) {
        let fills = &self.tables.fills[self.next.fill..];
        let came = |fill: &&FillRow| fill.input < input || (fill.input == input && fill.liquidity != "internal");
        let count = fills.iter().take_while(|fill| fill.time <= self.at).take_while(came).count();
        self.fills_to(self.next.fill + count);
    }

    /// Takes fills in up to a row.
    fn fills_to(&mut self, until: usize) {
        while self.next.fill < until {
            let row = self.next.fill;
            self.next.fill += 1;
            self.fill(row);
        }
    }

    fn fill(&mut self, row: usize) {
        let tables = self.tables;
        let (fill, at) = (&tables.fills[row], At::fill(row, &tables.fills[row]));
        let known = self.by_symbol.get(&fill.instrument).copied().zip(id_of(&fill.order));
        let agrees = known.is_some_and(|(_, id)| id.0 == fill.plan);
        self.found.ensure("fill.order", agrees, at, || {
            format!("order `{}` is not one of plan {}, or `{}` is on no tape", fill.order, fill.plan, fill.instrument)
        });
        let Some((market, id)) = known else { return };
        let is_venues = is_venues(id);
        let was_told = is_venues || fill.liquidity == "internal" || self.ids.contains(&id);
        self.found.ensure("fill.order", was_told, at, || "no such order was placed".to_owned());
        let says = fill.liquidation == (is_venues && fill.purpose == "liquidation");
        self.found.ensure("fill.order", says, at, || "a liquidation is the venue's, and says so".to_owned());
        self.fee(row, market);
        let signed = signed_of(fill);
        if fill.liquidity != "internal" {
            self.markets[market].net += signed;
        }
        let Some(seat) = self.seat_of(&fill.strategy, market) else { return };
        self.seats[seat].is_touched = true;
        self.seats[seat].is_filled = true;
        let planned = self.tables.plans[self.next.plan..].iter().take_while(|plan| plan.time <= fill.time);
        let shows = planned
            .filter(|plan| {
                plan.input == fill.input && *plan.strategy == fill.strategy && *plan.instrument == fill.instrument
            })
            .any(|plan| &*plan.rule == MARKET);
        self.found.ensure("plan.fill", shows, at, || format!("no plan of input {} tells of it", fill.input));
        self.realise(seat, fill, signed);
        self.campaign(seat, market, row, id, signed);
    }

    /// The fee, from the declared rates.
    fn fee(&mut self, row: usize, market: usize) {
        let fill = &self.tables.fills[row];
        let (terms, known) = (&self.policies[0].backtest, &self.markets[market]);
        if known.is_option || fill.liquidation {
            return;
        }
        let exposure = known.contract.exposure(fill.price, fill.quantity);
        let of = |rate: Rate| {
            let round = if rate.raw() < 0 { Round::TowardZero } else { Round::AwayFromZero };
            exposure.at_rate(rate, round)
        };
        let is_maker = fill.liquidity == "maker";
        let mut rates = vec![if is_maker { terms.maker_fee } else { terms.taker_fee }];
        rates.extend(terms.fee_tiers.iter().map(|tier| if is_maker { tier.maker } else { tier.taker }));
        let free = fill.liquidity == "internal" || matches!(fill.purpose.as_str(), "settlement" | "opening");
        let fits = if free { fill.fee.is_zero() } else { rates.iter().any(|rate| of(*rate) == Some(fill.fee)) };
        self.found.ensure("fill.fee", fits, At::fill(row, fill), || {
            let expected = if free { Cash::ZERO } else { of(rates[0]).unwrap_or_default() };
            format!("the fee is {}; {} of {} is {expected}", fill.fee, rates[0], exposure.cash())
        });
    }

    /// A fill in the life of its campaign.
    fn campaign(&mut self, index: usize, market: usize, row: usize, id: (u64, u64), signed: Qty) {
        let tables = self.tables;
        let (fill, at) = (&tables.fills[row], At::fill(row, &tables.fills[row]));
        let seat = &mut self.seats[index];
        let before = seat.held;
        seat.held += signed;
        let reduce_only =
            self.markets[market].orders.iter().find(|order| order.id == id).map(|order| order.reduce_only);
        if reduce_only == Some(true) {
            let shrinks = seat.held.abs() < before.abs() && seat.held.signum() * before.signum() >= 0;
            self.found.ensure("order.reduce_only", shrinks, at, || {
                format!("reduce-only, and brings {before} to {}", seat.held)
            });
        }
        if seat.camp.is_none() {
            let told = self.campaigns.get(&fill.campaign).map(|row| &tables.campaigns[*row]);
            let named = told.is_some_and(|told| told.strategy == fill.strategy && told.instrument == fill.instrument);
            self.found
                .ensure("campaign", named, at, || format!("campaigns has no row {} of this strategy", fill.campaign));
            let contract = self.markets[market].contract;
            let mut camp = Camp::open(fill, contract, told);
            camp.base = base_of(&tables.plans, fill.plan);
            if let Some(adopted) = self.policies[seat.strategy].adopt.iter().find(|of| of.instrument == fill.instrument)
            {
                camp.adopt(adopted.units);
            }
            seat.camp = Some(camp);
        }
        let Some(camp) = &mut seat.camp else { return };
        self.found.ensure("campaign", camp.id == fill.campaign, at, || {
            format!("it is of campaign {}; campaign {} is open", fill.campaign, camp.id)
        });
        let fresh = camp.fill(fill, signed, Some(id));
        self.found
            .ensure("rung.twice", fresh, at, || format!("`{}` was used before in campaign {}", fill.purpose, camp.id));
        if id.0 == 0 && !is_venues(id) {
            self.told.overrides.fills += 1;
            let gains = camp.is_long() == (fill.price >= camp.average());
            let reduces = before.signum() * signed.signum() < 0;
            self.told.overrides.winners_cut += u64::from(reduces && gains);
            self.told.overrides.losers_fed += u64::from(!reduces && !gains && !before.is_zero());
            self.by_hand.push((camp.id, signed, fill.price));
        }
        if seat.held.is_zero()
            && let Some(camp) = seat.camp.take()
        {
            let strategy = seat.strategy;
            self.by_hand_until(&camp, fill.price);
            self.close(&camp, Some(row), market, strategy);
        }
    }

    /// What was done by hand in a campaign that ends at a price, against having done nothing.
    fn by_hand_until(&mut self, camp: &Camp, price: Price) {
        let Some(risked) = camp.risked() else { return };
        for (_, signed, at) in self.by_hand.extract_if(.., |(id, ..)| *id == camp.id) {
            self.told.overrides.cost_r += (at - price).approximate() * signed.approximate() / risked;
        }
    }

    /// Compares a campaign with its row.
    fn close(&mut self, camp: &Camp, ended: Option<usize>, market: usize, strategy: usize) {
        let tables = self.tables;
        let Some(row) = self.campaigns.get(&camp.id).copied() else { return };
        self.checked_campaigns.insert(camp.id);
        let known = &self.markets[market];
        let mark = known.mark.unwrap_or(known.last);
        let (ended, tick) = (ended.map(|row| &tables.fills[row]), known.tick);
        camp.check(row, &tables.campaigns[row], ended, Some(mark), &self.policies[strategy], tick, self.found);
    }

    /// Odean's counts: what is sold, and what stays.
    fn realise(&mut self, seat: usize, fill: &FillRow, signed: Qty) {
        let of = &self.seats[seat];
        if of.held.signum() * signed.signum() >= 0 {
            return;
        }
        let gains = |seat: &Seat, price: Price| {
            let camp = seat.camp.as_ref()?;
            let ahead = (price - camp.average()).signum() * seat.held.signum();
            (ahead != 0).then_some(ahead > 0)
        };
        let told = &mut self.told.disposition;
        match gains(of, fill.price) {
            Some(true) => told.realised_gains += 1,
            Some(false) => told.realised_losses += 1,
            None => {}
        }
        for (other, held) in self.seats.iter().enumerate() {
            let stays = if other == seat { !(held.held + signed).is_zero() } else { !held.held.is_zero() };
            let price = if other == seat { Some(fill.price) } else { self.mark_of(other) };
            match price.filter(|_| stays).and_then(|price| gains(held, price)) {
                Some(true) => self.told.disposition.paper_gains += 1,
                Some(false) => self.told.disposition.paper_losses += 1,
                None => {}
            }
        }
    }

    fn mark_of(&self, seat: usize) -> Option<Price> {
        let market = self.markets.iter().find(|market| market.seats.contains(&seat))?;
        Some(market.mark.unwrap_or(market.last)).filter(|price| !price.is_zero())
    }

    /// Stops, rungs and adds at their declared places.
    fn terms(&mut self, row: usize, market: usize, order: &Live) {
        let told = &self.tables.orders[row];
        let at = At::order(row, told);
        let Some(index) = order.seat else { return };
        let (tick, lot) = (self.markets[market].tick, self.markets[market].lot);
        let seat = &mut self.seats[index];
        let policy = &self.policies[seat.strategy];
        let held = seat.held;
        let Some(camp) = &mut seat.camp else { return };
        match order.purpose {
            For::Stop if order.trigger.is_some() => {
                let level = order.trigger.unwrap_or_default();
                let holds = camp.stop.is_none_or(|before| camp.is_no_worse(level, before));
                self.found.ensure("stop.moved", holds, at, || {
                    format!("the stop moves from {} to {level}, against the position", camp.stop.unwrap_or_default())
                });
                let before = camp.best;
                let mut after = camp.clone();
                if let Some(bar) = self.markets[market].now.bar {
                    after.see(bar.high, bar.low);
                }
                for trade in &self.markets[market].now.trades {
                    after.see(*trade, *trade);
                }
                let best = after.best;
                let declared = camp.may_stop_at(policy, level, (before, best), tick);
                self.found.ensure("stop.level", declared, at, || {
                    format!(
                        "the policy has no stop at {level}: entry {}, best price {best}, last stop {:?}",
                        camp.entry, camp.stop
                    )
                });
                camp.stop = Some(level);
            }
            For::Add(unit) if order.trigger.is_some() => {
                let level = order.trigger.unwrap_or_default();
                if camp.adopted {
                    return;
                }
                let next = camp.next_level(policy, tick);
                let fits = next.is_some_and(|(_, expected)| (expected - level).abs() <= tick);
                self.found.ensure("add.level", fits, at, || match next {
                    Some((next, expected)) => {
                        format!("unit {unit} waits at {level}; unit {} is due at {expected}", next + 1)
                    }
                    None => format!("unit {unit} waits at {level}, and no unit is left"),
                });
                if policy.size.resize == Resize::Entry && seat.alone && camp.base.is_some() {
                    let base = camp.base.unwrap_or_default().abs().approximate();
                    // Wins in a row make the base larger than the plan's first steps.
                    let streak = policy.streak.map_or(1.0, |streak| streak.cap.get().max(1.0));
                    let most = base * streak * camp.shares_up_to(policy, unit) + lot.approximate();
                    let fits = order.open().approximate() <= most * (1.0 + 1e-9);
                    self.found.ensure("add.size", fits, at, || {
                        format!("unit {unit} adds {}; its share of {base} is at most {most}", order.open())
                    });
                }
            }
            For::Rung(rung) => {
                let Some(ladder) = &policy.ladder else {
                    self.found.ensure("rung.level", false, at, || "the policy has no ladder".to_owned());
                    return;
                };
                let Some(declared) = ladder.rungs.get(usize::from(rung)) else {
                    self.found.ensure("rung.level", false, at, || format!("the ladder has no rung {}", rung + 1));
                    return;
                };
                let used = camp.rungs & (1 << rung) != 0;
                self.found.ensure("rung.twice", !used, at, || format!("rung {} was used before", rung + 1));
                if let (Some(price), false) = (order.price, camp.adopted) {
                    let expected = camp.rung_price(declared.at, tick);
                    let fits = expected.is_some_and(|expected| (expected - price).abs() <= tick);
                    self.found.ensure("rung.level", fits, at, || {
                        format!("rung {} rests at {price}, the ladder says {:?}", rung + 1, expected)
                    });
                }
                let whole = match ladder.of {
                    FractionOf::First => camp.first,
                    FractionOf::Peak => camp.peak,
                    FractionOf::Current => held,
                };
                let least = self.markets[market].min_qty.max(policy.trade.min_order.unwrap_or_default());
                let part = whole.abs().approximate() * declared.fraction + lot.approximate();
                // What would leave too little takes all that is left.
                let small = least.max(lot).approximate() * 2.0;
                let takes = order.open().approximate();
                let fits =
                    takes <= part.max(small) * (1.0 + 1e-9) || policy.trade.dust.is_some() || takes <= part + small;
                let fits = fits && order.open() <= held.abs();
                self.found.ensure("rung.size", fits, at, || {
                    format!(
                        "rung {} takes {} of {held}; {} of {whole} is {part}",
                        rung + 1,
                        order.open(),
                        declared.fraction
                    )
                });
            }
            _ => {}
        }
    }

    /// Plans of this time: their position is that of the fills, their target is within the caps.
    fn plans(&mut self, rows: Range<usize>) {
        let tables = self.tables;
        let mut begin = rows.start;
        for steps in tables.plans[rows.clone()].chunk_by(|a, b| a.plan == b.plan) {
            let (first, at) = (&steps[0], At::plan(begin, &steps[0]));
            begin += steps.len();
            let seat = self.by_symbol.get(&*first.instrument).and_then(|market| self.seat_of(&first.strategy, *market));
            let Some(seat) = seat else { continue };
            self.seats[seat].is_touched = true;
            self.lapses(Some(seat), begin - steps.len(), first.plan);
            self.leverage(seat, steps, at);
        }
        // The last plan of each strategy stands beside the position after all fills of now.
        self.next.plan = rows.end;
    }

    fn leverage(&mut self, seat: usize, steps: &[PlanRow], at: At<'_>) {
        let first = &steps[0];
        let strategy = self.seats[seat].strategy;
        let policy = &self.policies[strategy];
        let market = self.by_symbol.get(&*first.instrument).copied().unwrap_or_default();
        let (known, equity) = (&self.markets[market], first.equity.approximate());
        let exposed = known.contract.approximate_exposure(first.price, first.target).abs();
        if equity > 0.0 {
            let now = exposed / equity;
            if now > self.told.leverage[strategy].0 {
                self.told.leverage[strategy] = (now, Some(first.time));
            }
        }
        let Some(limit) = policy.caps.leverage else { return };
        let unmet = steps.iter().any(|step| &*step.outcome == "unmet");
        if unmet || first.price.is_zero() {
            return;
        }
        let increases = !first.target.is_zero()
            && (first.target.abs() > first.position.abs() || first.target.signum() * first.position.signum() <= 0);
        let most = if increases { limit.restore } else { limit.limit }.get() * equity.max(0.0);
        // Coins that lie in the account count too, and only for shorts against them: then less is exposed.
        let covered = known.is_spot || first.target.signum() < 0 && self.has_coins();
        self.found.ensure("cap.leverage", covered || exposed <= most * (1.0 + 1e-9) + 1e-9, at, || {
            format!("the target {} at {} is {exposed} of at most {most}", first.target, first.price)
        });
    }

    fn has_coins(&self) -> bool {
        self.policies[0].accounts.iter().any(|account| account.deposits.len() > 1 || account.numeraire.is_some())
    }

    /// What a bar crossed while it rested was filled or ended at that time, unless the rule of the opening bar holds it.
    fn check_crossed(&mut self) {
        for Crossed { market, id, wait, bar } in std::mem::take(&mut self.crossed) {
            let known = &self.markets[market];
            let left = known.orders.iter().find(|order| order.id == id);
            let Some(order) = left.filter(|order| order.acted < self.at) else {
                self.found.ensure("order.crossed", true, At::file("orders"), String::new);
                continue;
            };
            // Quantity that a limit opened within this bar takes no profit in it.
            let waits = order.price.is_some() && known.now.has_opened;
            let (order_id, placed) = (format!("p{}-{}", id.0, id.1), order.placed);
            let row = self.tables.orders.iter().position(|row| row.order == order_id);
            let at = At { row, time: Some(self.at), order: Some(&order_id), plan: Some(id.0), ..At::file("orders") };
            let holds = self.found.ensure("order.crossed", waits, at, || {
                let level = wait.level().map_or_else(|| "the market".to_owned(), |level| level.to_string());
                format!(
                    "sent at {placed} for {level}, and the bar that closed at {} went from {} to {}: neither filled nor ended",
                    bar.closed, bar.low, bar.high
                )
            });
            self.told.unexplained += u64::from(!holds);
        }
    }

    /// Fills of one bar lie on one path through it: open, one extreme, the other, close.
    fn check_paths(&mut self) {
        for index in &self.busy {
            let market = &self.markets[*index];
            let Some(bar) = market.now.bar.filter(|_| !market.now.path.is_empty()) else { continue };
            let fits = |points: [Price; 4]| is_on_path(&points, &market.now.path, market.tick);
            let fits = fits([bar.open, bar.low, bar.high, bar.close]) || fits([bar.open, bar.high, bar.low, bar.close]);
            let at = At { time: Some(self.at), ..At::file("fills") };
            self.found.ensure("fill.path", fits, at, || {
                format!(
                    "no path through the bar {} {} {} {} passes {:?} in this order",
                    bar.open, bar.high, bar.low, bar.close, market.now.path
                )
            });
        }
    }

    /// Payments of this time, and rates that nobody paid.
    fn funding(&mut self) {
        let tables = self.tables;
        let mut paid = Vec::new();
        while let Some(payment) = tables.funding.get(self.next.funding).filter(|row| row.time <= self.at) {
            let row = self.next.funding;
            self.next.funding += 1;
            let at = At::funding(row, payment);
            let market = self.by_symbol.get(&payment.instrument).copied();
            let due = market.is_some_and(|market| self.markets[market].now.funding.contains(&payment.rate));
            self.found.ensure("funding", due && payment.time == self.at, at, || {
                format!("no tape has a rate of {} for `{}` then", payment.rate, payment.instrument)
            });
            let Some(market) = market else { continue };
            paid.push(market);
            let known = &self.markets[market];
            let owed = -known.contract.exposure(payment.mark, payment.position);
            let received = owed.signum() * payment.rate.signum() > 0;
            let round = if received { Round::TowardZero } else { Round::AwayFromZero };
            let exact = owed.at_rate(payment.rate, round).unwrap_or_default();
            // Over time what is paid on is a mean, of which the row shows eight decimals.
            let off = if known.accrues {
                known.contract.exposure(payment.mark, Qty::from_raw(1)).cash().abs()
            } else {
                Cash::ZERO
            };
            self.found.ensure("funding", (payment.amount - exact).abs() <= off, at, || {
                format!(
                    "{} is paid; {} of {} at {} is {exact}",
                    payment.amount, payment.rate, payment.position, payment.mark
                )
            });
            if !known.accrues && known.now.trades.is_empty() {
                self.found.ensure("funding", payment.position == known.net, at, || {
                    format!("paid on {}, the fills give {}", payment.position, known.net)
                });
                let mark = known.mark.unwrap_or(known.last);
                self.found.ensure("funding", payment.mark == mark, at, || {
                    format!("paid at a mark of {}, the tapes give {mark}", payment.mark)
                });
            }
            for index in &self.markets[market].seats {
                let seat = &mut self.seats[*index];
                let is_sure = seat.alone && self.markets[market].now.trades.is_empty();
                if let Some(camp) = &mut seat.camp {
                    camp.funding += payment.amount;
                    camp.uncertain |= !is_sure;
                }
            }
        }
        for index in &self.busy {
            let known = &self.markets[*index];
            let owes = known.is_traded
                && !known.now.funding.is_empty()
                && !known.is_spot
                && !known.accrues
                && known.now.trades.is_empty();
            if !owes || known.net.is_zero() {
                continue;
            }
            let at = At { time: Some(self.at), ..At::file("funding") };
            let count = paid.iter().filter(|market| *market == index).count();
            self.found.ensure("funding", count == known.now.funding.len(), at, || {
                format!("{} rates are due on {}, {count} were paid", known.now.funding.len(), known.net)
            });
        }
    }

    /// What holds of each strategy after all that happened at this time.
    fn seats_now(&mut self) {
        let plans = &self.tables.plans[self.plans_now.clone()];
        for index in 0..self.markets.len() {
            let is_busy = self.busy.contains(&index);
            for at in 0..self.markets[index].seats.len() {
                let seat = self.markets[index].seats[at];
                if is_busy || self.seats[seat].is_touched {
                    self.seat_now(index, seat, plans);
                }
            }
        }
    }

    fn seat_now(&mut self, market: usize, index: usize, plans: &[PlanRow]) {
        let known = &self.markets[market];
        let seat = &mut self.seats[index];
        let policy = &self.policies[seat.strategy];
        if let Some(camp) = &mut seat.camp {
            if let Some(bar) = known.now.bar {
                camp.see(bar.high, bar.low);
            }
            known.now.trades.iter().for_each(|trade| camp.see(*trade, *trade));
        }
        let seat = &self.seats[index];
        let Some(camp) = seat.camp.as_ref().filter(|_| seat.alone) else { return };
        let own = |order: &&Live| order.seat == Some(index);
        let orders = || known.orders.iter().filter(own);
        let symbol = &self.policies[seat.strategy].name;
        let plan = plans
            .iter()
            .rev()
            .find(|plan| plan.strategy.as_str() == symbol && self.by_symbol.get(&*plan.instrument) == Some(&market));
        let here = At { time: Some(self.at), plan: plan.map(|plan| plan.plan), ..At::file("orders") };
        let rests = policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Resting);
        let flight: Qty = orders().filter(|order| order.is_market()).map(Live::signed).sum();
        if seat.is_touched && rests && camp.has_stop(policy, known.tick) {
            let stops = orders().filter(|order| order.is_resting_stop() && !order.cancelling);
            let covered: Qty = stops.map(Live::open).sum();
            self.found.ensure("stop.covers", covered == seat.held.abs(), here, || {
                format!("{} is held, stops cover {covered}", seat.held)
            });
        }
        // A plan of the market's own input: what reduces goes out with it.
        let answers = self.tables.orders[self.orders_now.clone()].iter().enumerate();
        let on_market = answers
            .skip(self.boundary - self.orders_now.start)
            .any(|(_, row)| row.strategy.as_str() == symbol && self.by_symbol.get(&*row.instrument) == Some(&market));
        let quiet = !self.has_news && known.now.funding.is_empty() && !seat.is_filled && known.now.bar.is_some();
        if let Some(plan) = plan.filter(|_| on_market || quiet) {
            let missing = change(plan.target, seat.held, &known.orders, index);
            let is_blocked = missing.signum() * seat.held.signum() < 0;
            self.found.ensure("exit.blocked", !is_blocked, here, || {
                format!("target {} with {} held: {missing} was not sent", plan.target, seat.held)
            });
        }
        let Some(bar) = known.now.bar.filter(|_| !seat.is_filled) else { return };
        let leaves = (seat.held + flight).is_zero();
        if let Some(level) = seat.watched {
            let crossed = if camp.is_long() { bar.low <= level } else { bar.high >= level };
            let holds = !crossed || leaves;
            let holds = self.found.ensure("watched.stop", holds, here, || {
                format!(
                    "the watched stop {level} was crossed, the bar went from {} to {}: {} of {} goes out",
                    bar.low, bar.high, flight, seat.held
                )
            });
            self.told.unexplained += u64::from(!holds);
        }
        let waits = orders().any(|order| matches!(order.purpose, For::Add(_)));
        if let Some((unit, level)) = camp.next_level(policy, known.tick).filter(|_| !waits && !leaves) {
            let crossed = if camp.is_long() { bar.high >= level } else { bar.low <= level };
            let mut told = plans.iter().filter(|plan| {
                plan.strategy.as_str() == symbol && self.by_symbol.get(&*plan.instrument) == Some(&market)
            });
            let holds = !crossed || told.any(|plan| &*plan.outcome == "refused" || plan.target.is_zero());
            let holds = self.found.ensure("add.unexplained", holds, here, || {
                format!(
                    "unit {} was due at {level}, the bar went from {} to {}: neither added nor refused",
                    unit + 1,
                    bar.low,
                    bar.high
                )
            });
            self.told.unexplained += u64::from(!holds);
        }
    }

    /// Rows of positions of this time: marks and extremes from the tapes, the stop from the orders.
    fn positions(&mut self) {
        let tables = self.tables;
        let has_row = tables.equity.get(self.next.equity).is_some_and(|row| row.time <= self.at);
        let mut told = Vec::new();
        while let Some(position) = tables.positions.get(self.next.position).filter(|row| row.time <= self.at) {
            let at = At::position(self.next.position, position);
            self.next.position += 1;
            let Some(market) = self.by_symbol.get(&*position.instrument).copied() else { continue };
            let Some(seat) = self.seat_of(&position.strategy, market) else { continue };
            told.push(seat);
            let known = &self.markets[market];
            let mark = known.mark.unwrap_or(known.last);
            let worst = &mut self.told.leverage[self.seats[seat].strategy];
            if position.exposure.abs() > worst.0 {
                *worst = (position.exposure.abs(), Some(position.time));
            }
            self.found.ensure("bars", position.mark == mark, at, || {
                format!("the mark is {}, the tapes give {mark}", position.mark)
            });
            let seen = known.span.is_some_and(|span| {
                (span.open, span.high, span.low, span.volume)
                    == (position.open, position.high, position.low, position.volume)
            });
            self.found.ensure("bars", seen, at, || match known.span {
                Some(span) => format!(
                    "open, high, low and volume are {} {} {} {}, the tapes give {} {} {} {}",
                    position.open,
                    position.high,
                    position.low,
                    position.volume,
                    span.open,
                    span.high,
                    span.low,
                    span.volume
                ),
                None => "the tapes have no bar of it since the row before".to_owned(),
            });
            let is_watched = self.policies[self.seats[seat].strategy]
                .stop
                .as_ref()
                .is_some_and(|stop| stop.trigger == Trigger::Synthetic);
            let each = self.has_each_bar;
            let of = &mut self.seats[seat];
            of.watched = position.stop.filter(|_| is_watched && each);
            match (&mut of.camp, position.stop) {
                (Some(camp), Some(stop)) if is_watched => {
                    let holds = camp.stop.is_none_or(|before| camp.is_no_worse(stop, before));
                    self.found.ensure("stop.moved", holds, at, || {
                        format!(
                            "the watched stop moves from {} to {stop}, against the position",
                            camp.stop.unwrap_or_default()
                        )
                    });
                    camp.stop = Some(stop);
                }
                (camp, stop) => {
                    let expected = camp.as_ref().and_then(|camp| camp.stop);
                    self.found.ensure("stop.level", stop == expected, at, || {
                        format!("the stop is {stop:?}, the orders give {expected:?}")
                    });
                }
            }
        }
        if !has_row {
            return;
        }
        self.drawdown();
        while tables.equity.get(self.next.equity).is_some_and(|row| row.time <= self.at) {
            self.next.equity += 1;
        }
        for market in &mut self.markets {
            if market.span.take().is_some() {
                let missing = market.seats.iter().any(|seat| !told.contains(seat));
                let at = At { time: Some(self.at), ..At::file("positions") };
                self.found.ensure("bars", !missing, at, || "no row of an instrument that had a bar".to_owned());
            }
        }
    }

    /// At the last level of drawdown, where nothing lets it begin again, all is closed or on its way out.
    fn drawdown(&mut self) {
        let tables = self.tables;
        let Some(equity) = tables.equity.get(self.next.equity).filter(|_| tables.accounts.is_empty()) else { return };
        for (index, market) in self.markets.iter().enumerate() {
            for seat in market.seats.iter().copied().filter(|seat| self.seats[*seat].alone) {
                let policy = &self.policies[self.seats[seat].strategy];
                let last = policy
                    .caps
                    .drawdown
                    .last()
                    .filter(|level| level.factor.get() == 0.0 && policy.caps.rearm.is_none());
                let Some(last) = last.filter(|last| equity.drawdown >= last.at.get()) else { continue };
                let own =
                    self.markets[index].orders.iter().filter(|order| order.seat == Some(seat) && order.is_market());
                let left = self.seats[seat].held + own.map(Live::signed).sum::<Qty>();
                self.found.ensure("cap.drawdown", left.is_zero(), At::equity(self.next.equity, equity), || {
                    format!("drawdown {} is over the last level {}, and {left} stays", equity.drawdown, last.at.get())
                });
            }
        }
    }

    /// The present time is over.
    fn leave(&mut self) {
        for index in self.busy.drain(..) {
            let market = &mut self.markets[index];
            market.before = market.now.bar.map_or(market.before, |bar| bar.closed);
            market.now.clear();
        }
        for seat in &mut self.seats {
            (seat.is_touched, seat.is_filled) = (false, false);
        }
        let flows = self.tables.flows[self.next.flow..].iter().take_while(|row| row.time <= self.at).count();
        self.next.flow += flows;
        let none = self.next.plan..self.next.plan;
        (self.plans_now, self.orders_now, self.boundary) = (none, self.next.order..self.next.order, self.next.order);
        self.has_news = false;
    }

    /// The end of the run: campaigns that are open, and rows that nothing told of.
    fn finish(mut self) -> Walked {
        let tables = self.tables;
        for market in 0..self.markets.len() {
            for at in 0..self.markets[market].seats.len() {
                let seat = self.markets[market].seats[at];
                let strategy = self.seats[seat].strategy;
                if let Some(camp) = self.seats[seat].camp.take() {
                    self.by_hand_until(&camp, self.markets[market].last);
                    self.close(&camp, None, market, strategy);
                }
            }
        }
        let plain = |name: &str| self.policies.iter().any(|policy| policy.name == name && is_plain(policy));
        for (row, campaign) in tables.campaigns.iter().enumerate().filter(|(_, campaign)| plain(&campaign.strategy)) {
            let known = self.checked_campaigns.contains(&campaign.campaign);
            self.found.ensure("campaign", known, At::campaign(row, campaign), || {
                format!("no fills of campaign {}", campaign.campaign)
            });
        }
        for (id, rows) in &self.fills_of {
            for row in rows.iter().filter(|row| !is_venues(*id) && tables.fills[**row].liquidity != "internal") {
                self.found.ensure("fill.order", false, At::fill(*row, &tables.fills[*row]), || {
                    "orders has no row of it".to_owned()
                });
            }
        }
        self.told
    }
}

/// What is still to be sent: the target, or flat where it is on the other side, less what is held and on its way.
fn change(target: Qty, held: Qty, orders: &[Live], seat: usize) -> Qty {
    let flips = held.signum() * target.signum() < 0;
    let target = if flips { Qty::ZERO } else { target };
    let own = orders.iter().filter(|order| order.seat == Some(seat) && order.is_market());
    let (mut flight, mut rungs) = (Qty::ZERO, Qty::ZERO);
    for order in own {
        match order.purpose {
            For::Rung(_) => rungs += order.signed(),
            _ => flight += order.signed(),
        }
    }
    let change = target - held - flight;
    let reduces = change.signum() * held.signum() < 0;
    if !reduces || rungs.is_zero() {
        return change;
    }
    // A rung on its way takes its part.
    let rest = change - rungs;
    if rest.signum() == change.signum() { rest } else { Qty::ZERO }
}

/// The full base that an entry was planned with.
fn base_of(plans: &[PlanRow], plan: u64) -> Option<Qty> {
    let begin = plans.partition_point(|step| step.plan < plan);
    let steps = plans[begin..].iter().take_while(|step| step.plan == plan);
    steps.filter(|step| &*step.rule == "pyramid" && &*step.outcome == "set").map(|step| step.before).next()
}

/// The lowest and the highest price of an instrument now; the other way round where there is none.
fn range(now: &Now) -> (Price, Price) {
    let bar = now.bar.map(|bar| (bar.low, bar.high));
    let prices = now.trades.iter().map(|trade| (*trade, *trade)).chain(bar);
    prices.fold((Price::MAX, Price::ZERO), |(low, high), (least, most)| (low.min(least), high.max(most)))
}

/// Bars since a row, as one.
fn merged(before: Option<Bar>, bar: &Bar) -> Bar {
    let Some(before) = before else { return *bar };
    Bar {
        opened: before.opened,
        open: before.open,
        high: before.high.max(bar.high),
        low: before.low.min(bar.low),
        volume: Qty::from_raw(before.volume.raw().saturating_add(bar.volume.raw())),
        ..*bar
    }
}

/// A price moved against a side by a rate, to the worse tick and never under one.
fn worsened(reference: Price, by: Rate, side: Side, tick: Price) -> Price {
    let (one, tick) = (i128::from(Rate::ONE), i128::from(tick.raw()));
    let scaled = i128::from(reference.raw()) * (one + i128::from(side.sign()) * i128::from(by.raw()));
    let step = one * tick;
    let (whole, rest) = (scaled.div_euclid(step), scaled.rem_euclid(step));
    let ticks = if side == Side::Buy && rest > 0 { whole + 1 } else { whole };
    Price::from_raw(i64::try_from(ticks.max(1) * tick).unwrap_or(i64::MAX))
}

/// Whether prices are passed in this order on the way from point to point.
fn is_on_path(points: &[Price; 4], prices: &[Price], tick: Price) -> bool {
    let (mut leg, mut here) = (1, points[0]);
    for price in prices {
        // A price off the grid was rounded to it.
        if (*price - here).abs() < tick {
            continue;
        }
        loop {
            let Some(end) = points.get(leg) else { return false };
            if (here.min(*end)..=here.max(*end)).contains(price) {
                here = *price;
                break;
            }
            here = *end;
            leg += 1;
        }
    }
    true
}
