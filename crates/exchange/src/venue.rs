//! The venue's state machine: one market input in, deliveries out in a fixed order.

use crate::book::{Book, Order};
use crate::client::Client;
use crate::execution;
use crate::flows::RefusedFlow;
use crate::funding::Held;
use crate::options::Options;
use crate::path::{PathLog, adverse_is_low};
use crate::walk::{Kind, Walk};
use crate::{ExchangeConfig, PathRule};
use market::{
    Account, Bar, CashReason, Catalogue, Conversion, Currency, Event, Forced, Input, InstrumentKind, Liquidity,
    OrderEvent, OrderUpdate, Source,
};
use std::collections::BTreeMap;
use units::{AccountId, Cash, InstrumentId, OrderId, Price, Qty, Rate, Timestamp};

/// The order id of fills by which the venue closes a position for want of margin. Plans count from 1, so no order of ours
/// has it, nor the next two.
pub const LIQUIDATION: OrderId = OrderId(0);

/// The order id of fills by which an expired contract is settled.
pub const SETTLEMENT: OrderId = OrderId(1);

/// The order id of fills by which positions are there before the first event.
pub const OPENING: OrderId = OrderId(2);

/// Accounts at a simulated venue. The crate's documentation shows its use; `docs/exchange.md` tells its rules.
///
/// The contract with the driver: [`advance`](Self::advance) once, then [`poll`](Self::poll) until `None`, sending
/// commands in answer to each delivery before the next poll. Orders sent in answer to the market input itself, which is
/// the last delivery, work on later inputs. Advance also to each [`next_due`](Self::next_due) that no input falls on.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(crate) config: ExchangeConfig,
    pub(crate) terms: Vec<Terms>,
    pub(crate) clients: Vec<Client>,
    /// By instrument, the accounts that do not trade it but need its mark to translate a currency.
    watchers: Vec<Vec<AccountId>>,
    pub(crate) book: Book,
    pub(crate) paths: PathLog,
    pub(crate) bars: u64,
    pub(crate) ambiguous: u64,
    /// Receipt time of the present market input.
    pub(crate) at: Timestamp,
    /// Of when it tells: bars alone tell nothing of what was after their close, whenever they come.
    pub(crate) known: Timestamp,
    pub(crate) stage: Stage,
    pub(crate) walk: Option<Walk>,
    /// When a contract expires or a flow falls due next; the end of time if never.
    pub(crate) next_due: Timestamp,
    /// Position in the schedule of flows.
    pub(crate) next_flow: usize,
    /// Over which instrument each conversion of the schedule goes.
    pub(crate) ways: Vec<Conversion>,
    pub(crate) refused: Vec<RefusedFlow>,
    /// By instrument, for those with continuous funding.
    pub(crate) held: Vec<Option<Held>>,
    /// What is quoted for options; `None` where the catalogue has none.
    pub(crate) options: Option<Options>,
    /// By account and settlement currency, the [bounds](Terms::bound) of its positions together.
    pub(crate) bounds: Vec<Cash>,
    /// What impact made fills pay more, by account and currency.
    pub(crate) impact: BTreeMap<(AccountId, Currency), Cash>,
    /// Whether any account's fees depend on what it traded.
    has_fee_tiers: bool,
    /// The present market input.
    pub(crate) input: Vec<Event>,
    /// Which kinds of event it has: one bit a rank.
    kinds: u8,
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
    pub(crate) is_spot: bool,
    pub(crate) is_option: bool,
    pub(crate) expiry: Option<Timestamp>,
    pub(crate) is_expired: bool,
    /// Who trades it; the first account, without ever a position in it, if nobody does.
    pub(crate) account: AccountId,
    pub(crate) is_traded: bool,
    /// The account's margin in its settlement currency: a position in the list of bounds.
    pub(crate) pool: usize,
    /// No less than the maintenance margin of its position at its mark.
    pub(crate) bound: Cash,
    /// The last price of its path; zero before the first.
    pub(crate) last: Price,
    /// Its mark; zero before the first.
    pub(crate) mark: Price,
    /// Whether its mark comes from a feed. Else the mark is the last known price.
    pub(crate) has_mark_feed: bool,
}

/// What of the present market input comes next; numbers are positions in its list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Everything was delivered.
    Idle,
    /// Expiries and flows since the input before.
    Overdue,
    Bars(usize),
    /// Expiries and flows of this instant.
    Due,
    Funding,
    Marks(usize),
    Quotes(usize),
    /// The quote before this one was taken in: orders that it reaches are worked.
    Quoted(usize),
    /// Accounts that do not bear their options at these quotes.
    Margins,
    Trades(usize),
    /// The input itself.
    Market,
}

impl Exchange {
    /// Opens the accounts. The configuration has passed its [check](ExchangeConfig::check).
    #[must_use]
    pub fn new(mut config: ExchangeConfig, catalogue: &Catalogue) -> Self {
        if let Err(error) = config.check(catalogue) {
            unreachable!("a configuration that was not checked: {error}");
        }
        let count = catalogue.instruments.len();
        let mut pools = Vec::new();
        let terms = catalogue.instruments.iter().map(|instrument| {
            let trader = config.accounts.iter().position(|account| account.trades(instrument));
            let pool = (trader, instrument.settle);
            let known = pools.iter().position(|other| *other == pool);
            if known.is_none() {
                pools.push(pool);
            }
            Terms {
                tick: instrument.tick,
                lot: instrument.lot,
                min_qty: instrument.min_qty,
                is_spot: instrument.kind == InstrumentKind::Spot,
                is_option: instrument.kind.is_option(),
                expiry: instrument.kind.expiry(),
                is_expired: false,
                account: AccountId(trader.unwrap_or(0) as u32),
                is_traded: trader.is_some(),
                pool: known.unwrap_or(pools.len() - 1),
                bound: Cash::ZERO,
                last: Price::ZERO,
                mark: Price::ZERO,
                has_mark_feed: false,
            }
        });
        config.flows.sort_by_key(|flow| flow.at);
        let clients = config.accounts.iter().map(|terms| Client::new(terms, &config, catalogue)).collect::<Vec<_>>();
        let mut exchange = Self {
            terms: terms.collect(),
            options: Options::of(catalogue, &config.options),
            bounds: vec![Cash::ZERO; count],
            impact: BTreeMap::new(),
            watchers: vec![Vec::new(); count],
            book: Book::new(count),
            paths: PathLog::new(count),
            bars: 0,
            ambiguous: 0,
            at: Timestamp::MIN,
            known: Timestamp::MIN,
            stage: Stage::Idle,
            walk: None,
            next_due: Timestamp::MAX,
            next_flow: 0,
            ways: config.flows.iter().map(|flow| flow.kind.way(catalogue)).collect(),
            refused: Vec::new(),
            held: config.continuous_funding.iter().map(|continuous| continuous.then(Held::new)).collect(),
            has_fee_tiers: clients.iter().any(|client| client.fees.is_tiered()),
            input: Vec::new(),
            kinds: 0,
            out: Vec::new(),
            news: Vec::new(),
            clients,
            config,
        };
        exchange.open();
        exchange
    }

    /// Deposits and opening positions: the first delivery.
    fn open(&mut self) {
        self.watch();
        for (index, terms) in self.config.accounts.clone().iter().enumerate() {
            for (amount, currency) in &terms.deposits {
                self.pay(AccountId(index as u32), *currency, *amount, CashReason::Deposit);
            }
        }
        for position in self.config.positions.clone() {
            let (index, price) = (position.instrument.index(), position.price);
            if self.terms[index].mark.is_zero() {
                self.mark(index, price);
            }
            let terms = execution::Terms { price, reference: price, liquidity: Liquidity::Taker };
            self.force(index, position.qty, terms, Rate::ZERO, Forced::Opening);
        }
        std::mem::swap(&mut self.out, &mut self.news);
        self.find_due();
    }

    /// Looks up which accounts need the marks of instruments that they do not trade, and tells them the present ones.
    pub(crate) fn watch(&mut self) {
        for index in 0..self.terms.len() {
            let Terms { account: own, is_traded, mark, .. } = self.terms[index];
            self.watchers[index].clear();
            for (number, client) in self.clients.iter_mut().enumerate() {
                let account = AccountId(number as u32);
                if (is_traded && account == own) || !client.account.heeds(index, false) {
                    continue;
                }
                client.account.set_mark(index, mark);
                self.watchers[index].push(account);
            }
        }
    }

    /// Sets the mark of an instrument in all accounts that heed it.
    pub(crate) fn mark(&mut self, instrument: usize, mark: Price) {
        let terms = &mut self.terms[instrument];
        terms.mark = mark;
        let account = &mut self.clients[terms.account.index()].account;
        account.set_mark(instrument, mark);
        if terms.is_option {
            self.bound_option(instrument);
        } else if !terms.is_spot && !account.position(instrument).qty.is_zero() {
            let bound = self.config.tiers[instrument].maintenance_bound(risk::Size::held(account, instrument));
            self.bounds[terms.pool] += bound - std::mem::replace(&mut terms.bound, bound);
        }
        for watcher in &self.watchers[instrument] {
            self.clients[watcher.index()].account.set_mark(instrument, mark);
        }
    }

    /// The account that trades an instrument.
    pub(crate) fn account_of(&self, instrument: usize) -> &Account {
        &self.clients[self.terms[instrument].account.index()].account
    }

    /// Takes in the next market input, after the one before was polled to its end. Without events it moves the clock: what
    /// was acknowledged since and what fell due is delivered, and nothing else.
    pub fn advance(&mut self, at: Timestamp, events: &[Event]) {
        self.input.clear();
        self.input.extend_from_slice(events);
        self.begin(at);
    }

    /// As [`advance`](Self::advance), without a copy: takes the events, and leaves the list of the input before in their place.
    pub fn advance_with(&mut self, at: Timestamp, events: &mut Vec<Event>) {
        std::mem::swap(&mut self.input, events);
        self.begin(at);
    }

    fn begin(&mut self, at: Timestamp) {
        debug_assert!(self.stage == Stage::Idle, "the market input before was not polled to its end");
        debug_assert!(at >= self.at, "time goes forward");
        self.at = at;
        self.known = told_of(at, &self.input);
        self.kinds = self.input.iter().fold(0, |kinds, event| kinds | 1 << event.rank());
        self.average_underlyings();
        self.stage = if self.next_due < at { Stage::Overdue } else { Stage::Bars(0) };
        if self.has_fee_tiers {
            self.clients.iter_mut().for_each(|client| client.fees.reach(at));
        }
    }

    /// The next delivery: acknowledgements, what fell due before, then fill by fill along the paths of bars, settlements and
    /// flows of money, funding, liquidations by mark, fills at trades, and last the market input itself. `None`: all of it was delivered.
    pub fn poll(&mut self) -> Option<Input<'_>> {
        let source = self.step()?;
        Some(self.delivery(source))
    }

    /// As [`poll`](Self::poll), in two steps, for whoever has to go on when there is nothing: prepares the next delivery and
    /// tells its source.
    pub fn step(&mut self) -> Option<Source> {
        self.next_delivery()
    }

    /// What [`step`](Self::step) prepared.
    #[must_use]
    pub fn delivery(&self, source: Source) -> Input<'_> {
        let events = if source == Source::Market { &self.input } else { &self.out };
        Input { at: self.at, source, events }
    }

    /// The path of every bar so far, for a twin to walk.
    #[must_use]
    pub fn paths(&self) -> &PathLog {
        &self.paths
    }

    /// Goes on with the path to walk, where it walks the path of another run that is still under way: instrument and whether
    /// the low comes first, of each bar in order.
    pub fn follow(&mut self, bars: &[(usize, bool)]) {
        if let PathRule::Recorded(log) = &mut self.config.path {
            bars.iter().for_each(|(instrument, low_first)| log.push(*instrument, *low_first));
        }
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

    /// The price at which the venue liquidates what is held in an instrument, all else at its last marks: a long at it and under, a short
    /// at it and over. `None`: no price from a thousandth to tenfold does, nothing is held, or it is spot or an option.
    #[must_use]
    pub fn liquidation_price_of(&self, instrument: InstrumentId) -> Option<Price> {
        let mark = self.account_of(instrument.index()).mark(instrument.index());
        let range = (Price::from_raw((mark.raw() / 1_000).max(1)), Price::from_raw(mark.raw().saturating_mul(10)));
        self.liquidation_price(instrument.index(), range)
    }

    /// An account as the venue keeps it.
    #[must_use]
    pub fn account(&self, account: AccountId) -> &Account {
        &self.clients[account.index()].account
    }

    /// All accounts, by [`AccountId`].
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.clients.iter().map(|client| &client.account)
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
                Stage::Overdue if self.next_due < self.at => self.execute_due(),
                Stage::Overdue => self.stage = Stage::Bars(0),
                Stage::Bars(next) => self.stage = self.next_bar(next),
                Stage::Due if self.next_due <= self.at => self.execute_due(),
                Stage::Due => self.stage = Stage::Funding,
                Stage::Marks(next) => self.stage = self.next_mark(next),
                Stage::Quotes(next) => self.stage = self.next_quote(next),
                Stage::Quoted(next) => {
                    if !self.work_quote(self.quoted(next)) {
                        self.stage = Stage::Quotes(next);
                    }
                }
                Stage::Margins => {
                    if !self.liquidate_option() {
                        self.stage = Stage::Trades(0);
                    }
                }
                Stage::Trades(next) => self.stage = self.next_trade(next),
                Stage::Funding => {
                    if self.has(FUNDING) {
                        self.pay_funding();
                    }
                    self.stage = Stage::Marks(0);
                }
                Stage::Market => {
                    self.stage = Stage::Idle;
                    return (!self.input.is_empty()).then_some(Source::Market);
                }
                Stage::Idle => return None,
            }
            if !self.out.is_empty() {
                return Some(Source::Venue);
            }
        }
    }

    /// Whether the present market input has an event of a rank.
    fn has(&self, rank: u8) -> bool {
        self.kinds >> rank & 1 == 1
    }

    fn next_bar(&mut self, mut next: usize) -> Stage {
        let bar = |event: &Event| if let Event::Bar(bar) = event { Some(*bar) } else { None };
        while let Some((index, bar)) = find(&self.input, next, bar) {
            next = index + 1;
            self.bars += 1;
            if self.is_quiet(&bar) {
                self.pass(&bar);
            } else {
                self.walk = Some(Walk::bar(&bar));
                return Stage::Bars(next);
            }
        }
        Stage::Due
    }

    fn next_mark(&mut self, next: usize) -> Stage {
        let mark = |event: &Event| if let Event::Mark(mark) = event { Some(*mark) } else { None };
        let found = if self.has(MARK) { find(&self.input, next, mark) } else { None };
        let Some((index, mark)) = found else { return Stage::Quotes(0) };
        let instrument = mark.instrument.index();
        self.terms[instrument].has_mark_feed = true;
        self.mark(instrument, mark.price);
        self.note_price(instrument, mark.price);
        self.walk = Some(Walk::point(instrument, self.at, Kind::Mark, mark.price));
        Stage::Marks(index + 1)
    }

    fn next_quote(&mut self, next: usize) -> Stage {
        if !self.has(QUOTE) {
            return Stage::Trades(0);
        }
        if next == 0 {
            self.find_forwards();
        }
        let quote = |event: &Event| if let Event::OptionQuote(quote) = event { Some(*quote) } else { None };
        let Some((index, quote)) = find(&self.input, next, quote) else { return Stage::Margins };
        self.quote(&quote);
        Stage::Quoted(index + 1)
    }

    /// The option of the quote before a position of the present input.
    fn quoted(&self, next: usize) -> usize {
        match self.input[next - 1] {
            Event::OptionQuote(quote) => quote.instrument.index(),
            _ => unreachable!("the stage follows a quote"),
        }
    }

    fn next_trade(&mut self, next: usize) -> Stage {
        let trade = |event: &Event| if let Event::Trade(trade) = event { Some(*trade) } else { None };
        let found = if self.has(TRADE) { find(&self.input, next, trade) } else { None };
        let Some((index, trade)) = found else { return Stage::Market };
        self.walk = Some(Walk::point(trade.instrument.index(), self.at, Kind::Trade, trade.price));
        Stage::Trades(index + 1)
    }

    /// Leaves the first point of a path: what did not fill there rests, and a bar's path is laid out.
    pub(crate) fn leave_open(&mut self, walk: &mut Walk) {
        if walk.kind != Kind::Mark {
            self.rest(walk.instrument, walk.ends, |order| !walk.is_late(order));
        }
        let Kind::Bar(bar) = walk.kind else { return };
        let low_first = self.choose_path(walk.instrument, &bar);
        self.paths.push(walk.instrument, low_first);
        walk.lay(&bar, low_first);
        for order in self.book.of(walk.instrument) {
            if walk.works_within(order) {
                walk.note(order.wait().level());
            }
        }
    }

    pub(crate) fn choose_path(&self, instrument: usize, bar: &Bar) -> bool {
        let mut levels =
            self.book.of(instrument).iter().filter(|order| order.sent <= bar.opened && order.after < bar.closed);
        let resting = levels.find_map(|order| order.wait().level());
        let adverse = adverse_is_low(bar, self.account_of(instrument).position(instrument).qty, resting);
        match &self.config.path {
            PathRule::AdverseFirst => adverse,
            PathRule::FavourableFirst => !adverse,
            PathRule::Recorded(log) => log.low_first(instrument, self.paths.bars(instrument)).unwrap_or(adverse),
        }
    }

    pub(crate) fn tell(&mut self, order: OrderId, update: OrderUpdate) {
        self.news.push(Event::Order(OrderEvent { order, update }));
    }
}

const FUNDING: u8 = 1;
const MARK: u8 = 2;
const QUOTE: u8 = 3;
const TRADE: u8 = 5;

/// The latest moment that an input tells of.
fn told_of(at: Timestamp, events: &[Event]) -> Timestamp {
    let of = |event: &Event| if let Event::Bar(bar) = event { bar.closed } else { at };
    events.iter().map(of).max().unwrap_or(at)
}

/// The first event of a kind from a position on.
fn find<T>(events: &[Event], from: usize, kind: impl Fn(&Event) -> Option<T>) -> Option<(usize, T)> {
    events.iter().enumerate().skip(from).find_map(|(index, event)| Some((index, kind(event)?)))
}
