//! The venue's state machine: one market input in, deliveries out in a fixed order.

use crate::book::{Book, Order};
use crate::path::{PathLog, adverse_is_low};
use crate::walk::{Kind, Walk};
use crate::{ExchangeConfig, PathRule};
use market::{
    Account, Bar, CashChange, CashReason, Catalogue, Event, FundingRate, Input, OrderEvent, OrderUpdate, Source,
};
use units::{AccountId, OrderId, Price, Qty, Round, Timestamp};

/// The order id of fills by which the venue closes a position. Plans count from 1, so no order of ours has it.
pub const LIQUIDATION: OrderId = OrderId(0);

/// The account that this venue serves.
pub(crate) const ACCOUNT: AccountId = AccountId(0);

/// One account at a simulated venue. The crate's documentation shows its use; `docs/exchange.md` tells its rules.
///
/// The contract with the driver: [`advance`](Self::advance) once, then [`poll`](Self::poll) until `None`, sending
/// commands in answer to each delivery before the next poll. Orders sent in answer to the market input itself, which is
/// the last delivery, work on later inputs.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(crate) config: ExchangeConfig,
    pub(crate) terms: Vec<Terms>,
    pub(crate) account: Account,
    pub(crate) book: Book,
    pub(crate) paths: PathLog,
    pub(crate) bars: u64,
    pub(crate) ambiguous: u64,
    /// Receipt time of the present market input.
    pub(crate) at: Timestamp,
    pub(crate) stage: Stage,
    pub(crate) walk: Option<Walk>,
    /// The present market input.
    input: Vec<Event>,
    /// The delivery handed out.
    pub(crate) out: Vec<Event>,
    /// What the next delivery tells before anything else happens.
    pub(crate) news: Vec<Event>,
}

/// An instrument's grid, and what is known of its market.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) tick: Price,
    pub(crate) lot: Qty,
    pub(crate) min_qty: Qty,
    /// The last price of its path; zero before the first.
    pub(crate) last: Price,
    /// Whether its mark comes from a feed. Else the mark is the last known price.
    pub(crate) has_mark_feed: bool,
}

/// What of the present market input comes next; numbers are positions in its list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Everything was delivered.
    Idle,
    Bars(usize),
    Funding,
    Marks(usize),
    Trades(usize),
    /// The input itself.
    Market,
}

impl Exchange {
    /// Opens the account. `config.tiers` has one table for each instrument of the catalogue.
    #[must_use]
    pub fn new(config: ExchangeConfig, catalogue: &Catalogue) -> Self {
        let count = catalogue.instruments.len();
        assert_eq!(config.tiers.len(), count, "one tier table for each instrument");
        let terms = catalogue.instruments.iter().map(|instrument| Terms {
            tick: instrument.tick,
            lot: instrument.lot,
            min_qty: instrument.min_qty,
            last: Price::ZERO,
            has_mark_feed: false,
        });
        let mut account = Account::new(catalogue, None, None);
        let (currency, amount) = (account.numeraire(), config.deposit);
        let deposit = CashChange { account: ACCOUNT, currency, amount, reason: CashReason::Deposit };
        account.change(&deposit);
        Self {
            terms: terms.collect(),
            account,
            book: Book::new(count),
            paths: PathLog::new(count),
            bars: 0,
            ambiguous: 0,
            at: Timestamp::MIN,
            stage: Stage::Idle,
            walk: None,
            input: Vec::new(),
            out: Vec::new(),
            news: vec![Event::Cash(deposit)],
            config,
        }
    }

    /// Takes in the next market input, after the one before was polled to its end. Without events it only moves the
    /// clock: what was acknowledged since is delivered, and nothing else.
    pub fn advance(&mut self, at: Timestamp, events: &[Event]) {
        debug_assert!(self.stage == Stage::Idle, "the market input before was not polled to its end");
        debug_assert!(at >= self.at, "time goes forward");
        self.at = at;
        self.input.clear();
        self.input.extend_from_slice(events);
        self.stage = Stage::Bars(0);
    }

    /// The next delivery: acknowledgements, then fill by fill along the paths of bars, funding, liquidations by mark,
    /// fills at trades, and last the market input itself. `None`: all of it was delivered.
    pub fn poll(&mut self) -> Option<Input<'_>> {
        let source = self.next_delivery()?;
        let events = if source == Source::Market { &self.input } else { &self.out };
        Some(Input { at: self.at, source, events })
    }

    /// The path of every bar so far, for a twin to walk.
    #[must_use]
    pub fn paths(&self) -> &PathLog {
        &self.paths
    }

    /// Bars on whose path orders waited on both sides of the open, so that the order of the extremes could matter.
    #[must_use]
    pub fn ambiguous_bars(&self) -> u64 {
        self.ambiguous
    }

    /// Bars walked.
    #[must_use]
    pub fn bars(&self) -> u64 {
        self.bars
    }

    /// The account as the venue keeps it.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Open orders, by instrument and id.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.book.iter()
    }

    fn next_delivery(&mut self) -> Option<Source> {
        if self.stage == Stage::Idle {
            return None;
        }
        loop {
            self.out.clear();
            if !self.news.is_empty() {
                std::mem::swap(&mut self.out, &mut self.news);
                return Some(Source::Venue);
            }
            if let Some(mut walk) = self.walk.take() {
                if self.walk_on(&mut walk) {
                    self.walk = Some(walk);
                    return Some(Source::Venue);
                }
                self.ambiguous += u64::from(walk.is_ambiguous());
                continue;
            }
            match self.stage {
                Stage::Bars(next) => self.stage = self.next_bar(next),
                Stage::Marks(next) => self.stage = self.next_mark(next),
                Stage::Trades(next) => self.stage = self.next_trade(next),
                Stage::Funding => {
                    self.pay_funding();
                    self.stage = Stage::Marks(0);
                    if !self.out.is_empty() {
                        return Some(Source::Venue);
                    }
                }
                Stage::Market => {
                    self.stage = Stage::Idle;
                    return (!self.input.is_empty()).then_some(Source::Market);
                }
                Stage::Idle => return None,
            }
        }
    }

    fn next_bar(&mut self, next: usize) -> Stage {
        let bar = |event: &Event| if let Event::Bar(bar) = event { Some(*bar) } else { None };
        let Some((index, bar)) = find(&self.input, next, bar) else { return Stage::Funding };
        self.bars += 1;
        self.walk = Some(Walk::bar(&bar));
        Stage::Bars(index + 1)
    }

    fn next_mark(&mut self, next: usize) -> Stage {
        let mark = |event: &Event| if let Event::Mark(mark) = event { Some(*mark) } else { None };
        let Some((index, mark)) = find(&self.input, next, mark) else { return Stage::Trades(0) };
        let instrument = mark.instrument.index();
        self.terms[instrument].has_mark_feed = true;
        self.account.set_mark(instrument, mark.price);
        self.walk = Some(Walk::point(instrument, self.at, Kind::Mark, mark.price));
        Stage::Marks(index + 1)
    }

    fn next_trade(&mut self, next: usize) -> Stage {
        let trade = |event: &Event| if let Event::Trade(trade) = event { Some(*trade) } else { None };
        let Some((index, trade)) = find(&self.input, next, trade) else { return Stage::Market };
        self.walk = Some(Walk::point(trade.instrument.index(), self.at, Kind::Trade, trade.price));
        Stage::Trades(index + 1)
    }

    /// Pays what falls due now, at marks known before this instant's own.
    fn pay_funding(&mut self) {
        for at in 0..self.input.len() {
            let Event::Funding(due) = self.input[at] else { continue };
            let Some(payment) = self.funding(&due) else { continue };
            self.account.change(&payment);
            self.out.push(Event::Cash(payment));
        }
    }

    /// Longs pay `rate` × their exposure at mark, in coin for an inverse contract; exact, or rounded against the account at 1e-16.
    fn funding(&self, due: &FundingRate) -> Option<CashChange> {
        let index = due.instrument.index();
        let (position, mark) = (self.account.position(index).qty, self.account.mark(index));
        if position.is_zero() {
            return None;
        }
        let owed = -self.account.exposure(index);
        let received = owed.signum() * due.rate.signum() > 0;
        let round = if received { Round::TowardZero } else { Round::AwayFromZero };
        let amount = owed.at_rate(due.rate, round).expect("a rate under one never leaves the range");
        let reason = CashReason::Funding { instrument: due.instrument, rate: due.rate, mark, position };
        let currency = self.account.settlement(index).currency;
        Some(CashChange { account: ACCOUNT, currency, amount, reason })
    }

    /// Leaves the first point of a path: what did not fill there rests, and a bar's path is laid out.
    pub(crate) fn leave_open(&mut self, walk: &mut Walk) {
        self.rest(walk);
        let Kind::Bar(bar) = walk.kind else { return };
        let low_first = self.choose_path(walk, &bar);
        self.paths.push(walk.instrument, low_first);
        walk.lay(&bar, low_first);
        for order in self.book.of(walk.instrument) {
            if order.after < walk.ends {
                walk.note(order.wait().level());
            }
        }
    }

    fn choose_path(&self, walk: &Walk, bar: &Bar) -> bool {
        let mut levels = self.book.of(walk.instrument).iter().filter(|order| order.after < walk.ends);
        let resting = levels.find_map(|order| order.wait().level());
        let adverse = adverse_is_low(bar, self.account.position(walk.instrument).qty, resting);
        match &self.config.path {
            PathRule::AdverseFirst => adverse,
            PathRule::FavourableFirst => !adverse,
            PathRule::Recorded(log) => {
                log.low_first(walk.instrument, self.paths.bars(walk.instrument)).unwrap_or(adverse)
            }
        }
    }

    pub(crate) fn tell(&mut self, order: OrderId, update: OrderUpdate) {
        self.news.push(Event::Order(OrderEvent { order, update }));
    }
}

/// The first event of a kind from a position on.
fn find<T>(events: &[Event], from: usize, kind: impl Fn(&Event) -> Option<T>) -> Option<(usize, T)> {
    events.iter().enumerate().skip(from).find_map(|(index, event)| Some((index, kind(event)?)))
}
