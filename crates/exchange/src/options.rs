//! Options at the simulated venue: fills at quotes, margin, fees of the underlying, settlement in cash.

use crate::book::{Arrival, Order};
use crate::config::worsened;
use crate::execution::Terms;
use crate::venue::Exchange;
use crate::walk::{Kind, Walk};
use market::{CancelReason, Catalogue, Currency, Event, Forced, Instrument, InstrumentKind, Liquidity};
use market::{OptionQuote, OrderKind, OrderState, OrderUpdate, PriceSteps, StepsOf};
use risk::chain::{ChainExpiry, Chains, SPOT_AGE_MAX};
use risk::venues::PositionRule;
use std::collections::{BTreeMap, BTreeSet};
use units::state::StateWriter;
use units::{AccountId, Cash, Contract, Duration, InstrumentId, Price, Qty, Rate, Side, Timestamp};

/// What the venue charges and asks for options. All of it is a share of the underlying, of the price where it says so.
///
/// Without the rules of venues the margin is nobody's real one: a flat share for what is sold. What is bought is paid for in full. Reports
/// name it.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionTerms {
    /// Fee of a fill.
    pub fee: Rate,
    /// Fee of a settlement.
    pub delivery_fee: Rate,
    /// Neither fee is more than this share of the option's price.
    pub fee_cap: Rate,
    /// By instrument index, the venue's own rule for an option, in place of the flat shares. May end early.
    pub rules: Vec<Option<PositionRule>>,
    /// Needed to sell an option, beside what it is worth.
    pub initial: Rate,
    /// Under this, beside what it is worth, what was sold is liquidated.
    pub maintenance: Rate,
    /// Where prices lie on a coarser grid than an option's finest.
    pub steps: PriceSteps,
    /// By instrument index, whose prices an option settles at; what is over an hour older than the last forward of its expiry gives way to
    /// that. `None`: that forward.
    pub underlyings: Vec<Option<InstrumentId>>,
}

/// Which of the two margins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// To open.
    Initial,
    /// To keep.
    Maintenance,
}

/// How long before its expiry an option's settlement price is averaged.
pub const SETTLEMENT_WINDOW: Duration = Duration::from_nanos(30 * 60 * 1_000_000_000);

impl OptionTerms {
    /// The fees that Deribit charged in 2026 (3 basis points, 1.5 at delivery, at most 12.5 % of the price), 15 % and 10 % margin, and
    /// for each option the perpetual on its underlying at its own venue, else one elsewhere, else spot.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Self {
        let basis_points = |tenths: i64| Rate::from_raw(tenths * (Rate::ONE / 100_000));
        let percent = |tenths: i64| Rate::from_raw(tenths * (Rate::ONE / 1_000));
        Self {
            fee: basis_points(30),
            delivery_fee: basis_points(15),
            fee_cap: percent(125),
            rules: Vec::new(),
            initial: percent(150),
            maintenance: percent(100),
            steps: PriceSteps::known(),
            underlyings: underlyings(catalogue),
        }
    }
}

fn underlyings(catalogue: &Catalogue) -> Vec<Option<InstrumentId>> {
    let best = |option: &Instrument| {
        let of = |at: &InstrumentId| &catalogue.instruments[at.index()];
        let is_own = |at: &InstrumentId| of(at).kind.is_perpetual() && of(at).venue() == option.venue();
        catalogue.prices_of(option.base).find(is_own).or_else(|| catalogue.prices_of(option.base).next())
    };
    // Options on one coin at one venue are many, and each would walk the catalogue.
    let mut known: Vec<(&str, Currency, Option<InstrumentId>)> = Vec::new();
    let mut underlyings = vec![None; catalogue.instruments.len()];
    for (option, underlying) in catalogue.instruments.iter().zip(&mut underlyings) {
        if !option.kind.is_option() {
            continue;
        }
        let (venue, coin) = (option.venue(), option.base);
        let at = known.iter().position(|(of, on, _)| (*of, *on) == (venue, coin)).unwrap_or_else(|| {
            known.push((venue, coin, best(option)));
            known.len() - 1
        });
        *underlying = known[at].2;
    }
    underlyings
}

/// At what an expired option is settled, and how that price is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSettlement {
    /// When.
    pub at: Timestamp,
    /// Which option.
    pub instrument: InstrumentId,
    /// The price of its underlying.
    pub underlying: Price,
    /// Where that price is from.
    pub source: SettlementSource,
}

/// Where the price that an option settles at is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettlementSource {
    /// The mean of so many prices of the underlying over the last 30 minutes.
    Average {
        /// How many.
        prices: u32,
    },
    /// The last price of the underlying, because none was recorded in the last 30 minutes and no forward over an hour later.
    Last {
        /// How long before the expiry.
        age: Duration,
    },
    /// The last forward that its expiry was quoted on.
    Quote,
    /// The forward that calls and puts of its expiry implied last: none was quoted, or one that they contradict.
    Parity,
}

/// The options of a catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// By instrument index.
    listed: Vec<Option<Listed>>,
    /// Options with a position, by index.
    held: Vec<u32>,
    /// When an option expires next.
    next_expiry: Timestamp,
    /// Prices of underlyings within the window before that expiry.
    windows: Vec<Window>,
    /// By instrument index, the last price of an underlying, traded or marked, and when it was received.
    latest: Vec<Option<(Price, Timestamp)>>,
    /// What was quoted, for the forwards of expiries.
    chains: Chains,
    /// What options settle at, for which forwards stand while it has no price of the last hour; `None` among them: no instrument tells it.
    underlyings: BTreeSet<Option<InstrumentId>>,
    settled: Vec<OptionSettlement>,
    /// What fills were worse than the quotes that they took, by account and currency.
    slippage: BTreeMap<(AccountId, Currency), Cash>,
}

/// An option as it was last quoted.
#[derive(Debug, Clone, Copy)]
struct Listed {
    quote: OptionQuote,
    /// What is left of the sizes quoted; `None`: not recorded, as much as anybody wants.
    bid_left: Option<Qty>,
    ask_left: Option<Qty>,
    expiry: Timestamp,
    kind: InstrumentKind,
    steps: StepsOf,
}

/// The prices of an underlying within the settlement window.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    sum: i128,
    prices: u32,
}

impl Options {
    /// `None`: the catalogue has none.
    pub(crate) fn of(catalogue: &Catalogue, terms: &OptionTerms) -> Option<Self> {
        let list = |(index, of): (usize, &Instrument)| {
            of.kind.option()?;
            Some(Listed {
                quote: OptionQuote::empty(InstrumentId(index as u32)),
                bid_left: None,
                ask_left: None,
                expiry: of.kind.expiry()?,
                kind: of.kind,
                steps: terms.steps.of(of),
            })
        };
        let listed: Vec<_> = catalogue.instruments.iter().enumerate().map(list).collect();
        listed.iter().any(Option::is_some).then(|| {
            let (windows, latest) = (vec![Window::default(); listed.len()], vec![None; listed.len()]);
            let is_option =
                |(underlying, listed): (&Option<InstrumentId>, &Option<Listed>)| listed.map(|_| *underlying);
            let mut options = Self {
                underlyings: terms.underlyings.iter().zip(&listed).filter_map(is_option).collect(),
                listed,
                held: Vec::new(),
                next_expiry: Timestamp::MIN,
                windows,
                latest,
                chains: Chains::new(catalogue),
                settled: Vec::new(),
                slippage: BTreeMap::new(),
            };
            options.find_next_expiry(Timestamp::MIN);
            options
        })
    }

    fn find_next_expiry(&mut self, after: Timestamp) {
        let open = self.listed.iter().flatten().map(|listed| listed.expiry).filter(|expiry| *expiry > after);
        self.next_expiry = open.min().unwrap_or(Timestamp::MAX);
        self.windows.fill(Window::default());
    }

    /// Takes in a quote.
    fn see(&mut self, quote: &OptionQuote) {
        let Some(listed) = &mut self.listed[quote.instrument.index()] else { return };
        let underlying = quote.underlying().or(listed.quote.underlying());
        listed.quote = quote.with_underlying(underlying);
        (listed.bid_left, listed.ask_left) = (quote.bid_qty(), quote.ask_qty());
    }

    fn is_option(&self, instrument: usize) -> bool {
        self.listed[instrument].is_some()
    }

    /// The last price of an option's underlying.
    fn last(&self, underlying: Option<InstrumentId>) -> Option<(Price, Timestamp)> {
        self.latest[underlying?.index()]
    }

    /// The forward of an option's expiry, and whether calls and puts imply it. What they contradict is none.
    fn forward(&self, listed: &Listed) -> Option<(Price, bool)> {
        let instrument = listed.quote.instrument;
        // Of two options that are one the second is in no chain.
        let Some(expiry) = self.chains.expiry_of(instrument) else { return Some((listed.quote.underlying()?, false)) };
        Some((expiry.forward()?, expiry.is_implied()))
    }

    /// Whether the forward of an option's expiry is known of over an hour after a time: then the price of that time is not of now, and
    /// the forward was looked at beside calls and puts.
    fn is_forward_later(&self, listed: &Listed, than: Timestamp) -> bool {
        let expiry = self.chains.expiry_of(listed.quote.instrument);
        expiry.and_then(ChainExpiry::forward_at).is_some_and(|at| at.since(than) > SPOT_AGE_MAX)
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.chains.save(out);
        for listed in self.listed.iter().flatten() {
            listed.quote.save(out);
            for left in [listed.bid_left, listed.ask_left] {
                out.option(left, |out, qty| out.i64(qty.raw()));
            }
        }
        for window in &self.windows {
            out.i128(window.sum);
            out.u32(window.prices);
        }
        for latest in &self.latest {
            out.option(*latest, |out, (price, at)| {
                out.i64(price.raw());
                out.i64(at.nanos());
            });
        }
        out.len(self.settled.len());
    }
}

impl Listed {
    /// The price of a side, and how much of it is left.
    fn offered(&self, side: Side) -> Option<(Price, Option<Qty>)> {
        match side {
            Side::Buy => Some((self.quote.ask()?, self.ask_left)),
            Side::Sell => Some((self.quote.bid()?, self.bid_left)),
        }
    }
}

impl Exchange {
    /// At what the options that accounts may trade were settled so far, held or not.
    #[must_use]
    pub fn settled_options(&self) -> &[OptionSettlement] {
        self.options.as_ref().map_or(&[], |options| &options.settled)
    }

    /// What orders for options were filled worse than the bid or ask that they took, by account and currency; the rest of what such a
    /// fill cost beside its reference price, the middle, is half the spread.
    pub fn option_slippage(&self) -> impl Iterator<Item = (AccountId, Currency, Cash)> + '_ {
        let all = self.options.iter().flat_map(|options| &options.slippage);
        all.map(|((account, currency), amount)| (*account, *currency, *amount))
    }

    /// Counts the prices of the present input that belong to a settlement average.
    pub(crate) fn average_underlyings(&mut self) {
        let Some(options) = &mut self.options else { return };
        if options.next_expiry == Timestamp::MAX || options.next_expiry.since(self.at) >= SETTLEMENT_WINDOW {
            return;
        }
        for event in &self.input {
            let (at, instrument, price) = match event {
                Event::Bar(bar) => (bar.closed, bar.instrument, bar.close),
                Event::Trade(trade) => (self.at, trade.instrument, trade.price),
                Event::Mark(mark) => (self.at, mark.instrument, mark.price),
                _ => continue,
            };
            let inside = at <= options.next_expiry && options.next_expiry.since(at) < SETTLEMENT_WINDOW;
            if inside && !options.is_option(instrument.index()) {
                let window = &mut options.windows[instrument.index()];
                window.sum += i128::from(price.raw());
                window.prices += 1;
            }
        }
    }

    /// An instrument trades or is marked at a price.
    pub(crate) fn note_price(&mut self, instrument: usize, price: Price) {
        if let Some(options) = &mut self.options {
            options.latest[instrument] = Some((price, self.at));
        }
    }

    /// Takes in the quote at a position of the present input.
    pub(crate) fn quote(&mut self, quote: &OptionQuote) {
        let index = quote.instrument.index();
        let Some(options) = &mut self.options else { return };
        options.see(quote);
        let Some(mark) = options.listed[index].as_ref().and_then(|listed| listed.quote.value()) else { return };
        self.terms[index].last = mark;
        self.mark(index, mark);
    }

    /// Finds the forwards of the present input's quotes, those too that calls and puts imply where options may have to settle at them.
    pub(crate) fn find_forwards(&mut self) {
        let Some(options) = &mut self.options else { return };
        for event in &self.input {
            if let Event::OptionQuote(quote) = event {
                options.chains.quote(quote, self.at);
            }
        }
        let is_old = |at: Timestamp| self.at.since(at) > SPOT_AGE_MAX;
        if options.underlyings.iter().any(|underlying| options.last(*underlying).is_none_or(|(_, at)| is_old(at))) {
            options.chains.imply_forwards(self.at);
        }
    }

    /// Works one order that the last quote of an option reaches: triggers, fills, cancels. `false`: there is none.
    pub(crate) fn work_quote(&mut self, instrument: usize) -> bool {
        let Some(listed) = self.options.as_ref().and_then(|options| options.listed[instrument]) else { return false };
        let ready = |order: &Order| {
            let (price, left) = listed.offered(order.order.side)?;
            let there = left.is_none_or(|left| left.raw() > 0);
            let reached = order.wait().reached(price, price).is_some();
            (order.after < self.at && there && reached).then_some((price, left))
        };
        let orders = self.book.of(instrument).iter().enumerate();
        let reached = orders.filter_map(|(index, order)| Some((!order.is_protective(), index, ready(order)?)));
        let Some((_, index, (price, left))) = reached.min_by_key(|(late, index, _)| (*late, *index)) else {
            return false;
        };
        let order = self.book.of(instrument)[index];
        let mut walk = Walk::point(instrument, self.at, Kind::Trade, price);
        let waits = matches!(order.order.kind, OrderKind::Stop { .. } | OrderKind::StopLimit { .. });
        if waits && order.state != OrderState::Triggered {
            self.update(&walk, index, OrderUpdate::Triggered);
            return true;
        }
        let terms = self.terms_at(&listed, &order, price);
        let net = self.account_of(instrument).position(instrument).qty;
        let reducible = if net.side() == Some(order.order.side.opposite()) { net.abs() } else { Qty::ZERO };
        let mut qty = order.remaining().min(left.unwrap_or(Qty::MAX));
        if order.order.reduce_only {
            qty = qty.min(reducible);
        }
        if qty.is_zero() {
            self.update(&walk, index, OrderUpdate::Cancelled(CancelReason::NothingToReduce));
            return true;
        }
        let short = self.shortage(instrument, order.order.side, qty, terms).is_some();
        if short {
            qty = qty.min(reducible);
        }
        if !qty.is_zero() {
            let fill = self.fill(instrument, order.order.side, qty, terms);
            let fill = self.take(fill);
            if terms.liquidity == Liquidity::Taker {
                let worse = Contract::Linear.profit(fill.signed_qty(), price, fill.price);
                let currency = self.account_of(instrument).settlement(instrument).currency;
                if let Some(options) = &mut self.options {
                    *options.slippage.entry((fill.account, currency)).or_default() += worse;
                }
            }
            self.use_up(instrument, order.order.side, qty);
            self.update(&walk, index, OrderUpdate::Filled(fill));
        }
        if short {
            self.update_by_id(&walk, order.order.id, OrderUpdate::Cancelled(CancelReason::Margin));
        }
        self.settle(&mut walk, net, false);
        true
    }

    /// At what an order fills: what rests at its own price, what takes at the quote, worse by the slippage.
    fn terms_at(&self, listed: &Listed, order: &Order, price: Price) -> Terms {
        let side = order.order.side;
        let reference = listed.quote.mid().unwrap_or(price);
        let moved = worsened(price, self.config.slippage, side, Price::from_raw(1));
        // A quote is taken as it was recorded, between the steps too.
        let tick =
            if moved == price { Price::from_raw(1) } else { self.tick_at(listed.quote.instrument.index(), moved) };
        let taken = worsened(moved, Rate::ZERO, side, tick);
        match (order.limit(), order.arrival) {
            (Some(limit), Arrival::Crossing) => {
                let price = if side == Side::Buy { taken.min(limit) } else { taken.max(limit) };
                Terms { price, reference, liquidity: Liquidity::Taker }
            }
            (Some(limit), _) => Terms { price: limit, reference: limit, liquidity: Liquidity::Maker },
            (None, _) => Terms { price: taken, reference, liquidity: Liquidity::Taker },
        }
    }

    /// The grid that a price of an instrument lies on now: over the price steps of its venue a coarser one than its finest.
    pub(crate) fn tick_at(&self, instrument: usize, price: Price) -> Price {
        let tick = self.terms[instrument].tick;
        let listed = self.options.as_ref().and_then(|options| options.listed[instrument].as_ref());
        let step = listed.and_then(|listed| self.config.options.steps.at(listed.steps, price, self.at));
        step.map_or(tick, |step| step.tick.max(tick))
    }

    fn use_up(&mut self, instrument: usize, side: Side, qty: Qty) {
        let Some(listed) = self.options.as_mut().and_then(|options| options.listed[instrument].as_mut()) else {
            return;
        };
        let left = if side == Side::Buy { &mut listed.ask_left } else { &mut listed.bid_left };
        *left = left.map(|left| left - qty);
    }

    /// How a limit order for an option comes to the market: it takes where the other side's quote is at its price or better.
    pub(crate) fn option_arrival(&self, instrument: usize, side: Side, limit: Price) -> Arrival {
        let listed = self.options.as_ref().and_then(|options| options.listed[instrument]);
        match listed.and_then(|listed| listed.offered(side)) {
            Some((price, _)) if (limit.raw() - price.raw()) * side.sign() >= 0 => Arrival::Crossing,
            _ => Arrival::Resting,
        }
    }

    /// What one unit of an option stands for in the currency that it settles in: a coin, or the underlying in dollars, once it is
    /// settled at the price that it was settled at.
    fn unit_of(&self, listed: &Listed) -> Price {
        let settled = self.settled_options().last().filter(|last| last.instrument == listed.quote.instrument);
        if matches!(listed.kind, InstrumentKind::InverseOption { .. }) {
            Price::from_raw(Price::ONE)
        } else {
            settled
                .map(|settled| settled.underlying)
                .or(self.forward(listed))
                .or_else(|| self.price_under(listed))
                .unwrap_or_else(|| listed.kind.option().map_or(Price::ZERO, |(strike, _)| strike))
        }
    }

    /// The fee for an option: a share of the underlying, capped by a share of the price. `None`: it is no option.
    pub(crate) fn option_fee(&self, instrument: usize, qty: Qty, price: Price, rate: Rate) -> Option<Cash> {
        let listed = self.options.as_ref()?.listed[instrument].as_ref()?;
        let of = |price, rate| crate::config::fee(Contract::Linear, qty, price, rate);
        Some(of(self.unit_of(listed), rate).min(of(price, self.config.options.fee_cap)))
    }

    /// The rate of the fee for a fill of an option: one flat rate, whether it rested or took.
    pub(crate) fn is_option(&self, instrument: usize) -> bool {
        self.options.as_ref().is_some_and(|options| options.is_option(instrument))
    }

    /// Margin of a signed quantity of an option: its whole value bought; sold what the venue's rule or the flat share asks for beside what
    /// it is worth, which is in equity already.
    fn option_margin(&self, instrument: usize, qty: Qty, need: Need) -> Cash {
        let Some(listed) = self.options.as_ref().and_then(|options| options.listed[instrument].as_ref()) else {
            return Cash::ZERO;
        };
        let (mark, terms) = (self.terms[instrument].mark, &self.config.options);
        let rule = terms.rules.get(instrument).and_then(Option::as_ref).filter(|_| qty < Qty::ZERO);
        if let Some(margins) = rule.and_then(|rule| rule.margins(qty, mark, self.index_of(listed), instrument).ok()) {
            let (initial, maintenance) = margins;
            return if need == Need::Initial { initial } else { maintenance } - (mark * qty).abs().cash();
        }
        // Beyond the range of a rule there is no account that would bear it, by either.
        let rate = if need == Need::Initial { terms.initial } else { terms.maintenance };
        risk::flat_option_margin(qty, mark, self.unit_of(listed), rate)
    }

    /// The price of an option's underlying: its last one, else the forward of its expiry, else the strike.
    fn index_of(&self, listed: &Listed) -> Option<Price> {
        self.price_under(listed).or(self.forward(listed)).or(listed.kind.option().map(|(strike, _)| strike))
    }

    /// The forward of an option's expiry.
    fn forward(&self, listed: &Listed) -> Option<Price> {
        Some(self.options.as_ref()?.forward(listed)?.0)
    }

    /// The last price of an option's underlying.
    fn price_under(&self, listed: &Listed) -> Option<Price> {
        let underlying = self.config.options.underlyings[listed.quote.instrument.index()];
        self.options.as_ref()?.last(underlying).map(|(price, _)| price)
    }

    /// Margin of all options that settle with an instrument, without that instrument's own.
    fn margin_beside(&self, instrument: usize, need: Need) -> Cash {
        let Some(options) = &self.options else { return Cash::ZERO };
        let pool = self.terms[instrument].pool;
        let others = options.held.iter().map(|index| *index as usize);
        let others = others.filter(|index| *index != instrument && self.terms[*index].pool == pool);
        others.map(|index| self.option_margin(index, self.account_of(index).position(index).qty, need)).sum()
    }

    /// Initial margin of all options that settle with an instrument, its own as if it held a quantity.
    pub(crate) fn initial_of_options(&self, instrument: usize, qty: Qty) -> Cash {
        self.margin_beside(instrument, Need::Initial) + self.option_margin(instrument, qty, Need::Initial)
    }

    /// Maintenance margin of all options that settle with an instrument.
    pub(crate) fn maintenance_of_options(&self, instrument: usize) -> Cash {
        let qty = self.account_of(instrument).position(instrument).qty;
        self.margin_beside(instrument, Need::Maintenance) + self.option_margin(instrument, qty, Need::Maintenance)
    }

    /// What of a currency an account may take out, exchange or spend.
    pub(crate) fn free(&self, account: AccountId, currency: Currency) -> Cash {
        let own = &self.clients[account.index()].account;
        let free = risk::free(own, &self.config.tiers, currency);
        let Some(options) = &self.options else { return free };
        let held = options.held.iter().map(|index| *index as usize);
        let held =
            held.filter(|index| self.terms[*index].account == account && own.settlement(*index).currency == currency);
        free - held.map(|index| self.option_margin(index, own.position(index).qty, Need::Initial)).sum()
    }

    /// After a new mark: the maintenance margin of an option's position counts in its pool.
    pub(crate) fn bound_option(&mut self, instrument: usize) {
        let qty = self.account_of(instrument).position(instrument).qty;
        let bound = self.option_margin(instrument, qty, Need::Maintenance);
        let terms = &mut self.terms[instrument];
        self.bounds[terms.pool] += bound - std::mem::replace(&mut terms.bound, bound);
    }

    /// After a fill: whether the option is among those held.
    pub(crate) fn note_option(&mut self, instrument: usize) {
        self.bound_option(instrument);
        let is_held = !self.account_of(instrument).position(instrument).qty.is_zero();
        let Some(options) = self.options.as_mut().filter(|options| options.is_option(instrument)) else { return };
        let at = options.held.binary_search(&(instrument as u32));
        match (at, is_held) {
            (Err(at), true) => options.held.insert(at, instrument as u32),
            (Ok(at), false) => {
                options.held.remove(at);
            }
            _ => {}
        }
    }

    /// Closes one option position of an account that no longer bears its options: what was sold first. Each is bought back at the
    /// ask and sold at the bid, at the mark where there is none. `false`: every account does.
    pub(crate) fn liquidate_option(&mut self) -> bool {
        let Some(options) = &self.options else { return false };
        let position = |index: usize| self.account_of(index).position(index).qty;
        let broken = |index: &usize| {
            let account = self.account_of(*index);
            let tiers = risk::maintenance_margin(account, &self.config.tiers, *index);
            account.settlement(*index).equity() <= tiers + self.maintenance_of_options(*index)
        };
        let sold = |index: &usize| position(*index).raw() < 0;
        // Only what was sold can bring an account down; what was bought is worth what it needs.
        let Some(index) = options.held.iter().map(|index| *index as usize).filter(sold).find(broken) else {
            return false;
        };
        let Some(listed) = options.listed[index] else { return false };
        let (net, mark) = (position(index), self.terms[index].mark);
        let price = listed.offered(Side::Buy).map_or(mark, |(price, _)| price);
        let terms = Terms { price, reference: mark, liquidity: Liquidity::Taker };
        self.force(index, -net, terms, self.config.options.fee + self.config.liquidation_fee, Forced::Liquidation);
        let account = self.terms[index].account;
        while let Some(id) = self.book.first_of(account) {
            self.cancel(id, CancelReason::Liquidated);
        }
        true
    }

    /// The price at which an option is settled now. `None`: it is no option.
    pub(crate) fn exercise(&mut self, instrument: usize) -> Option<Price> {
        let options = self.options.as_ref()?;
        let listed = options.listed[instrument].as_ref()?;
        let known = self.config.options.underlyings[instrument];
        let average =
            known.map(|known| options.windows[known.index()]).filter(|window| window.prices > 0).map(|window| {
                let mean = window.sum / i128::from(window.prices);
                (
                    i64::try_from(mean).map(Price::from_raw).unwrap_or_default(),
                    SettlementSource::Average { prices: window.prices },
                )
            });
        let age = |at| SettlementSource::Last { age: listed.expiry.since(at) };
        let last = options.last(known).filter(|(_, at)| !options.is_forward_later(listed, *at));
        let last = last.map(|(price, at)| (price, age(at)));
        let source = |is_implied| if is_implied { SettlementSource::Parity } else { SettlementSource::Quote };
        let quoted = options.forward(listed).map(|(price, is_implied)| (price, source(is_implied)));
        let (underlying, source) = average.or(last).or(quoted)?;
        let (at, price) = (listed.expiry, listed.kind.exercise(underlying).unwrap_or_default());
        let settled = OptionSettlement { at, instrument: InstrumentId(instrument as u32), underlying, source };
        self.options.as_mut()?.settled.push(settled);
        Some(price)
    }

    /// Options have expired: the next settlement average begins.
    pub(crate) fn options_expired(&mut self, at: Timestamp) {
        if let Some(options) = &mut self.options
            && options.next_expiry <= at
        {
            options.find_next_expiry(at);
        }
    }
}
