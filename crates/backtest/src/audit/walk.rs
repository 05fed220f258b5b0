//! The tapes once, from the first input to the last, and at each time what the tables say of it: what waited at a price that the
//! market came to was filled or ended, and nothing was filled that it did not come to.

mod after;
mod counted;
mod course;
mod fills;
mod orders;
mod settlements;
mod terms;
mod twin;
mod volatility;
mod volume;

use super::figures::{Disposition, Overrides};
use super::finding::{At, Found};
use super::live::{Live, Wait, id_of, is_venues};
use super::losses::MarksAt;
use super::seat::{Seat, is_plain};
use super::structures::Structures;
use super::value_at_risk::Prices;
use crate::records::Tables;
use crate::run::Run;
use crate::{Error, Progress};
use course::Course;
use market::{Bar, Event, OptionQuote, PriceSteps, StepsOf};
use policy::Policy;
use settlements::Settlements;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use units::{Contract, Duration, Notional, Price, Qty, Rate, SeriesId, Timestamp};
use volume::{Depth, Volume};

pub(super) use counted::{Counted, last_told};

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
    /// At the times of losses.
    pub(super) marks: Vec<MarksAt>,
    /// Hours in which the market was heard, from the first loss that was told on.
    pub(super) hours: Vec<Timestamp>,
    /// What figures of losses look back on.
    pub(super) prices: Prices,
    /// What else the record counts.
    pub(super) counted: Counted,
}

/// An instrument, and what its market did so far.
struct Market {
    tick: Price,
    lot: Qty,
    min_qty: Qty,
    contract: Contract,
    is_option: bool,
    /// The price grids of options of its venue.
    steps: StepsOf,
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
    /// What it was valued at before the present time.
    marked: Price,
    /// Of an option: the middle of its last quote, but for those that `now` holds.
    middle: Option<Price>,
    /// What was traded, where a cap asks.
    volume: Volume,
    /// Since the last row of positions.
    span: Option<Bar>,
    /// When the bar before this input closed.
    before: Timestamp,
    /// When its last bar closed.
    closed: Option<Timestamp>,
    /// Of the present input.
    now: Now,
}

/// What an input says of an instrument.
#[derive(Default)]
struct Now {
    bar: Option<Bar>,
    trades: Vec<Price>,
    /// Of an option.
    quotes: Vec<OptionQuote>,
    mark: Option<Price>,
    funding: Vec<Rate>,
    /// Reference prices of fills, in order, of which there is one path through the bar.
    path: Vec<Price>,
    /// A limit order opened something within the bar, which no limit order closes before the next one.
    has_opened: bool,
    course: Course,
}

impl Now {
    fn clear(&mut self) {
        (self.bar, self.mark, self.has_opened) = (None, None, false);
        self.course = Course::default();
        self.trades.clear();
        self.quotes.clear();
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
    loss: usize,
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
    /// Instruments that the present input says something of; those with a bar, in the order in which these are walked.
    busy: Vec<usize>,
    bars_now: Vec<usize>,
    /// The one whose path told something last.
    walked: Option<usize>,
    crossed: Vec<Crossed>,
    /// Rows of plans and orders of the present time, and where those of orders begin that answer the market's own input.
    plans_now: Range<usize>,
    orders_now: Range<usize>,
    boundary: usize,
    /// The venue told something at the present time.
    has_news: bool,
    /// Recorded depth by the names of its series, where a cap asks.
    depths: BTreeMap<String, Depth>,
    series: volatility::Series,
    steps: PriceSteps,
    at: Timestamp,
    /// Of when the present input tells: bars alone of no moment after their close, however late they come.
    known: Timestamp,
    told: Walked,
    has_each_bar: bool,
    /// By hand: fills until their campaign ends.
    by_hand: Vec<(u64, Qty, Price)>,
    twin: twin::Twin,
    structures: Structures<'a>,
    settlements: Settlements,
    /// Since the last row of equity: what fills and payments made of it, and at most.
    gained: Gained,
    /// The highest equity so far and that of the last row, while both are known.
    highest: Option<(f64, f64)>,
}

/// What fills and payments of a span earned at the marks of before.
#[derive(Default)]
struct Gained {
    now: Notional,
    most: Notional,
    /// Marks may have moved in between.
    is_uncertain: bool,
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
    walk.told.counted = Counted::of(&merged);
    let told = last_told(&run.tables);
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
            let mut reads = false;
            for event in &events {
                if let Event::Series(point) = event {
                    walk.series.read(at, point);
                    reads = true;
                }
            }
            // Series go before the first bar, and begin the run.
            walk.told.counted.inputs_behind += u64::from(reads && at > told);
            continue;
        }
        // What the clock alone brought: an expiry, money that was moved.
        while let Some(due) = walk.next_row().filter(|due| *due < at) {
            walk.input(due, &[]);
        }
        walk.input(at, &events);
        walk.told.counted.inputs_behind += u64::from(at > told);
        walk.told.counted.is_last_on_tape |= at == told;
    }
    while let Some(due) = walk.next_row() {
        walk.input(due, &[]);
    }
    Ok(walk.finish())
}

impl<'a> Walk<'a> {
    fn new(run: &'a Run, found: &'a mut Found, catalogue: &market::Catalogue) -> Self {
        let (tables, policies) = (&run.tables, run.policies());
        let traded = |symbol: &str| run.record.instruments.iter().any(|known| known.symbol == symbol);
        let steps = PriceSteps::known();
        let market = |known: &market::Instrument| Market {
            tick: known.tick,
            lot: known.lot,
            min_qty: known.min_qty,
            contract: known.kind.contract(),
            is_option: known.kind.is_option(),
            steps: steps.of(known),
            is_spot: known.kind == market::InstrumentKind::Spot,
            accrues: known.venue() == "deribit",
            is_traded: traded(&known.symbol),
            seats: Vec::new(),
            net: Qty::ZERO,
            orders: Vec::new(),
            last: Price::ZERO,
            mark: None,
            marked: Price::ZERO,
            middle: None,
            volume: Volume::default(),
            span: None,
            before: Timestamp::MIN,
            closed: None,
            now: Now::default(),
        };
        let mut markets: Vec<Market> = catalogue.instruments.iter().map(market).collect();
        let by_symbol: BTreeMap<String, usize> =
            catalogue.instruments.iter().enumerate().map(|(at, known)| (known.symbol.clone(), at)).collect();
        let (mut seats, mut depths) = (Vec::new(), BTreeMap::<String, Depth>::new());
        for (strategy, policy) in policies.iter().enumerate().filter(|(_, policy)| is_plain(policy)) {
            for at in policy.instruments.iter().filter_map(|symbol| by_symbol.get(symbol)) {
                markets[*at].seats.push(seats.len());
                let (held, alone, camp, watched, is_touched, is_filled) = (Qty::ZERO, true, None, None, false, false);
                let grown = Vec::new();
                seats.push(Seat { strategy, held, alone, camp, watched, is_touched, is_filled, grown });
                if let Some(cap) = policy.caps.participation {
                    markets[*at].volume.count(cap.window);
                    for name in policy.depth_series(&catalogue.instruments[*at].symbol) {
                        let index = catalogue.series.iter().position(|known| *known == name);
                        let depth = index.map(|index| Depth::of(SeriesId(index as u32)));
                        depths.extend(depth.map(|depth| (name.into_owned(), depth)));
                    }
                }
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
            marks: Vec::new(),
            hours: Vec::new(),
            prices: Prices::new(run, catalogue),
            counted: Counted::default(),
        };
        let (seats_count, series) = (seats.len(), volatility::Series::new(&policies, catalogue));
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
            bars_now: Vec::new(),
            walked: None,
            crossed: Vec::new(),
            plans_now: 0..0,
            orders_now: 0..0,
            boundary: 0,
            has_news: false,
            depths,
            series,
            steps,
            at: Timestamp::MIN,
            known: Timestamp::MIN,
            told,
            has_each_bar: run.record.configuration.get("rows").is_some_and(|rows| rows == "each bar"),
            by_hand: Vec::new(),
            twin: twin::Twin::new(run, seats_count),
            structures: Structures::new(run, catalogue),
            settlements: Settlements::of(tables, catalogue),
            gained: Gained::default(),
            highest: None,
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
        let closes = events.iter().map(|event| if let Event::Bar(bar) = event { bar.closed } else { at });
        self.known = closes.max().unwrap_or(at);
        self.told.prices.take_in(at, events);
        self.settlements.take_in(at, events);
        self.take_in(events);
        self.rates_due();
        let is_due = self.next_row().is_some_and(|time| time <= at) || !self.crossed.is_empty();
        if is_due {
            self.orders();
        } else {
            self.leave_opens();
        }
        self.funding();
        for index in &self.busy {
            let market = &mut self.markets[*index];
            market.mark = market.now.mark.or(market.mark);
        }
        self.marks();
        if is_due || !self.busy.is_empty() {
            self.seats_now();
        }
        let first = self.next.position;
        let row = self.next.equity;
        if is_due {
            self.positions();
        }
        let row = (self.next.equity > row).then(|| (row, self.tables.equity[row].clone()));
        self.twin(first, row);
        self.structures.input(at, events, self.found);
        self.leave();
    }

    /// What instruments are marked at, where losses were told now.
    fn marks(&mut self) {
        let losses = &self.tables.losses;
        let hour = self.at.floor(Duration::HOUR);
        if losses.first().is_some_and(|row| row.time <= self.at) && self.told.hours.last() != Some(&hour) {
            self.told.hours.push(hour);
        }
        let told = losses[self.next.loss..].iter().take_while(|row| row.time <= self.at);
        let count = told.clone().count();
        if told.last().is_some_and(|row| row.time == self.at) {
            let mark = |symbol: &str| {
                let market = self.by_symbol.get(symbol).map(|at| &self.markets[*at]);
                market.map_or(Price::ZERO, |market| market.mark.unwrap_or(market.last))
            };
            let all = self.run.record.instruments.iter().map(|known| mark(&known.symbol)).collect();
            self.told.marks.push((self.at, all));
            self.told.prices.keep(self.at);
        }
        self.next.loss += count;
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
                Event::Series(point) => {
                    self.series.read(self.at, point);
                    if let Some(depth) = self.depths.values_mut().find(|depth| depth.series == point.series) {
                        depth.read(self.at, point.value.get());
                    }
                    continue;
                }
                Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => continue,
            };
            let market = &mut self.markets[index];
            if !market.is_traded && market.orders.is_empty() {
                market.last = match event {
                    Event::Bar(bar) => bar.close,
                    Event::Trade(trade) => trade.price,
                    _ => market.last,
                };
                market.mark = if let Event::Mark(mark) = event { Some(mark.price) } else { market.mark };
                market.middle = if let Event::OptionQuote(quote) = event { quote.mid() } else { market.middle };
                continue;
            }
            if !self.busy.contains(&index) {
                self.busy.push(index);
            }
            match event {
                Event::Bar(bar) => {
                    if let Some(closed) = market.closed.filter(|closed| market.is_traded && *closed < bar.opened) {
                        let symbol = self.run_symbol(index);
                        self.told.counted.gaps.push((symbol, closed, bar.opened));
                    }
                    let market = &mut self.markets[index];
                    market.closed = Some(bar.closed);
                    market.now.course.doubt(market.now.bar.is_some());
                    market.now.bar = Some(*bar);
                    self.bars_now.push(index);
                    market.last = bar.close;
                    self.told.bars += u64::from(market.is_traded);
                    market.span = Some(merged(market.span, bar));
                    market.volume.bar(bar, market.contract);
                    if !market.orders.is_empty() {
                        self.cross(index, bar);
                    }
                }
                Event::Trade(trade) => {
                    market.now.trades.push(trade.price);
                    market.volume.trade(trade.qty, self.at);
                    market.last = trade.price;
                }
                Event::OptionQuote(quote) => market.now.quotes.push(*quote),
                Event::Funding(due) => market.now.funding.push(due.rate),
                Event::Mark(mark) => market.now.mark = Some(mark.price),
                Event::Series(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => {}
            }
        }
    }

    fn run_symbol(&self, market: usize) -> String {
        self.told.counted.catalogue.instruments.get(market).map_or_else(String::new, |known| known.symbol.clone())
    }

    /// Notes which orders rested all the time before a bar, and wait for a price of it.
    fn cross(&mut self, index: usize, bar: &Bar) {
        let latency = self.policies[0].backtest.latency;
        for order in &self.markets[index].orders {
            let (wait, (low, high)) = (order.wait(), order.met_of(bar));
            if !order.works_before(bar.closed, latency) || order.cancelling || !wait.meets(low, high) {
                continue;
            }
            self.told.crossed += u64::from(wait != Wait::Now);
            self.crossed.push(Crossed { market: index, id: order.id, wait, bar: *bar });
        }
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

    /// The present time is over.
    fn leave(&mut self) {
        for index in self.busy.drain(..) {
            let market = &mut self.markets[index];
            let course = &market.now.course;
            self.told.ambiguous += u64::from(course.is_ambiguous());
            self.told.counted.perhaps_ambiguous += u64::from(market.now.bar.is_some() && course.is_unsure());
            market.before = market.now.bar.map_or(market.before, |bar| bar.closed);
            market.marked = market.mark.unwrap_or(market.last);
            // Where more than bars tells what positions are worth, equity moves between rows.
            self.gained.is_uncertain |=
                market.mark.is_some() || !market.now.trades.is_empty() || !market.now.quotes.is_empty();
            market.middle = market.now.quotes.last().map_or(market.middle, OptionQuote::mid);
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
        self.bars_now.clear();
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
        // What hedges a policy is in an instrument that it does not trade: `hedges` looks at it.
        let plain = |name: &str, instrument: &String| {
            let mut own = self.policies.iter().filter(|policy| policy.name == name && is_plain(policy));
            own.any(|policy| policy.instruments.contains(instrument))
        };
        let all = tables.campaigns.iter().enumerate();
        for (row, campaign) in all.filter(|(_, campaign)| plain(&campaign.strategy, &campaign.instrument)) {
            let known = self.checked_campaigns.contains(&campaign.campaign);
            self.found.ensure("campaign", known, At::campaign(row, campaign), || {
                format!("no fills of campaign {}", campaign.campaign)
            });
        }
        self.twin_paid();
        let mark = |market: &Market| market.mark.or(Some(market.last).filter(|last| !last.is_zero()));
        self.told.counted.marks = self.markets.iter().map(mark).collect();
        std::mem::take(&mut self.structures).finish(self.found);
        self.settlements.finish(tables, self.found);
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
