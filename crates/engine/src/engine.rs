//! One input in, one decision out.

mod state;
mod venue;
mod view;

use crate::account_risk::AccountRisk;
use crate::book::Book;
use crate::choice::{Choosing, HedgeChoice};
use crate::held::HeldGreeks;
use crate::netting::{Crossing, Early};
use crate::outgoing::Rhythm;
use crate::outputs::Outputs;
use crate::route::Working;
use crate::scope::Scope;
use crate::sharing::{Group, Member};
use crate::structures::Structures;
use crate::surfaces::Surfaces;
use crate::volume::Volume;
use crate::{LiquidationGuard, Output, Sharing};
use market::{AccountSpec, Bar, Catalogue, Conversion, Event, Input, InstrumentKind, Source};
use policy::Program;
use policy::facts;
use policy::spec::{Structure, TargetGreek};
use pricing::Ohlc;
use risk::TierTable;
use std::collections::BTreeMap;
use units::{AccountId, InstrumentId, PlanId, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp};

/// Decisions of one input about what the ones before did to each other, at most.
const ROUNDS_MAX: u32 = 8;

/// What the engine is built for.
#[derive(Debug, Clone, Default)]
pub struct EngineConfig {
    /// Instruments and series that inputs speak of.
    pub catalogue: Catalogue,
    /// Its accounts, by [`AccountId`]: one for each venue. Empty: one account that trades everything.
    pub accounts: Vec<AccountSpec>,
    /// Margin by instrument index, for guards that look at the account's other positions. Empty: they do not.
    pub tiers: Vec<TierTable>,
}

/// A strategy to run in one instrument.
pub struct StrategyConfig {
    /// In which instrument; its account is the one of its venue.
    pub instrument: InstrumentId,
    /// Its indicators and rules.
    pub program: Program,
    /// Keeps stops inside the liquidation price; runs before the last rule, which rounds.
    pub guard: Option<LiquidationGuard>,
    /// How it shares the account's equity. `None`: it sizes on all of it.
    pub sharing: Option<Sharing>,
    /// The campaign that an opening position of the instrument belongs to.
    pub adoption: Option<Adoption>,
    /// What its instrument is made of, if that is a structure of options. It is the only strategy in it.
    pub structure: Option<Structure>,
    /// The strategies whose delta in its instrument's underlying it hedges, if it is a hedge.
    pub hedged: Vec<StrategyId>,
    /// How that is shared with other instruments, where the hedge compares costs.
    pub choice: Option<HedgeChoice>,
    /// Of a structure that brings a Greek to a level: which, and the other strategies that are counted with it.
    pub levels: Option<(TargetGreek, Vec<StrategyId>)>,
}

impl StrategyConfig {
    /// A strategy that sizes on all of its account.
    #[must_use]
    pub fn new(instrument: InstrumentId, program: Program) -> Self {
        let (guard, sharing, adoption, structure, levels) = (None, None, None, None, None);
        Self { instrument, program, guard, sharing, adoption, structure, hedged: Vec::new(), choice: None, levels }
    }
}

/// The anchors of a campaign that takes over a position which was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    /// The entry price that rungs, adds and R are measured from.
    pub entry: Price,
    /// N.
    pub unit: Option<Price>,
    /// The initial stop. `None`: the policy's distance from the entry.
    pub stop: Option<Price>,
    /// Units filled so far.
    pub units: u32,
    /// Signed full size of all units.
    pub base: Qty,
    /// Signed quantity of the first unit.
    pub first: Qty,
    /// When the position was opened. `None`: when it is taken over.
    pub opened: Option<Timestamp>,
}

/// What the engine knows of an instrument beside its price: who is concerned by it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traded {
    /// The strategies that trade it.
    pub(crate) scopes: Vec<u32>,
    /// Other accounts that its mark translates balances of.
    heeded_by: Vec<u32>,
    /// When funding was last paid.
    pub(crate) paid: Timestamp,
    /// The account that trades it.
    pub(crate) account: u32,
    /// It has a mark feed of its own.
    has_marks: bool,
}

/// The state machine.
pub struct Engine {
    pub(crate) catalogue: Catalogue,
    pub(crate) tiers: Vec<TierTable>,
    pub(crate) books: Vec<Book>,
    /// What is known of each instrument, by its number.
    pub(crate) traded: Vec<Traded>,
    pub(crate) scopes: Vec<Scope>,
    /// Instruments that share one capital.
    groups: Vec<Group>,
    /// A rule counts the exposure of other instruments and strategies.
    pub(crate) counts_others: bool,
    /// A rule reads what is traded of its instrument.
    counts_volume: bool,
    /// The last price of each instrument: what crosses inside the book crosses at.
    pub(crate) last: Vec<Price>,
    /// A mark concerns others than the account that trades its instrument.
    shares_marks: bool,
    /// Several strategies trade one contract that expires.
    has_shared_expiry: bool,
    /// Of each instrument, the one strategy that trades it and needs nothing that most do not need, where a price concerns nobody
    /// else. Nothing while that is not known.
    pub(crate) lone: Vec<Option<u32>>,
    /// Strategies for which an input changes nothing are passed without an evaluation.
    pub(crate) may_rest: bool,
    /// How often a strategy was evaluated since the engine was built: a measure, and no state.
    pub(crate) evaluations: u64,
    /// Some account carries a position from before whose first price is not known yet.
    pub(crate) has_carried: bool,
    pub(crate) now: Timestamp,
    pub(crate) inputs: u64,
    pub(crate) plans: u64,
    /// The last plan of earlier inputs: looked at within an input only, and no state.
    pub(crate) planned_before: PlanId,
    campaigns: u64,
    /// Scopes to decide after the input's last event.
    pub(crate) dirty: Dirty,
    /// Market orders of this input that may cross another strategy's.
    pub(crate) crossing: Vec<Crossing>,
    /// Closes by the venue that wait for fills told after them.
    pub(crate) early: Vec<Early>,
    /// What the venue settled contracts at of which the account held nothing.
    pub(crate) settlement_prices: BTreeMap<InstrumentId, Price>,
    pub(crate) outputs: Outputs,
    /// A copy of a strategy's orders, to see what would be sent.
    pub(crate) routed: Working,
    /// Quotes of options, and the desks of strategies that trade structures of them.
    pub(crate) structures: Structures,
    /// Fitted surfaces that policies read of.
    pub(crate) surfaces: Surfaces,
    /// Greeks that policies read.
    pub(crate) greeks: Option<HeldGreeks>,
    /// Hedges that compare what their instruments cost.
    pub(crate) choices: Vec<Choosing>,
    /// A position has changed since they were told; no state, because it is set when a snapshot is loaded.
    pub(crate) has_traded: bool,
    /// A policy reads a fact of a surface or of what is held.
    pub(crate) has_surface_facts: bool,
    /// Some instrument is an option or a structure of them, or some fact is of them or of risk.
    has_options: bool,
    /// Margin, liquidation and stresses that rules read.
    pub(crate) risk: Option<Box<AccountRisk>>,
    /// How regularly each instrument tells prices, where limits ask whether what is on its way is filled: facts of risk or Greeks are read.
    pub(crate) rhythms: Vec<Rhythm>,
    /// What facts of surfaces and of risk are supposed to be, whatever is found of them: no state.
    supposed: Vec<(SeriesId, Ratio)>,
}

impl Engine {
    /// An engine without strategies.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let EngineConfig { catalogue, accounts, tiers } = config;
        let count = catalogue.instruments.len();
        let mut books: Vec<Book> = if accounts.is_empty() {
            vec![Book::new(&catalogue, None)]
        } else {
            accounts.iter().map(|spec| Book::new(&catalogue, Some(spec))).collect()
        };
        // What is told of all accounts together is in the numéraire of the first.
        for at in 1..books.len() {
            let numeraire = books[at].account.numeraire();
            books[0].account.watch(numeraire);
        }
        let account_of = |venue: &str| accounts.iter().position(|spec| spec.venue == venue).unwrap_or(0) as u32;
        let traded = |account| Traded { account, paid: Timestamp::MIN, ..Traded::default() };
        let traded = catalogue.instruments.iter().map(|instrument| traded(account_of(instrument.venue()))).collect();
        let structures = Structures::new(&catalogue);
        let surfaces = Surfaces::new(&catalogue, &structures.chains);
        let greeks = HeldGreeks::new(&catalogue, &structures.chains);
        let risk = AccountRisk::new(&catalogue, &accounts, &structures.chains).map(Box::new);
        let has_surface_facts = greeks.is_some() || !surfaces.is_empty();
        let is_of_options = |kind: InstrumentKind| kind.is_option() || kind == InstrumentKind::Structure;
        let has_options =
            has_surface_facts || risk.is_some() || catalogue.instruments.iter().any(|known| is_of_options(known.kind));
        let mut engine = Self {
            traded,
            tiers,
            scopes: Vec::new(),
            groups: Vec::new(),
            counts_others: false,
            counts_volume: false,
            last: vec![Price::ZERO; count],
            shares_marks: false,
            has_shared_expiry: false,
            lone: Vec::new(),
            may_rest: true,
            evaluations: 0,
            has_carried: false,
            now: Timestamp::MIN,
            inputs: 0,
            plans: 0,
            planned_before: PlanId(0),
            campaigns: 0,
            dirty: Dirty::default(),
            crossing: Vec::new(),
            early: Vec::new(),
            settlement_prices: BTreeMap::new(),
            outputs: Outputs::default(),
            routed: Working::default(),
            structures,
            surfaces,
            greeks,
            choices: Vec::new(),
            has_traded: true,
            has_surface_facts,
            has_options,
            risk,
            supposed: Vec::new(),
            rhythms: Vec::new(),
            books,
            catalogue,
        };
        if engine.risk.as_ref().is_some_and(|risk| risk.needs_returns()) {
            engine.books.iter_mut().for_each(|book| book.periods.keep_returns());
        }
        if engine.risk.is_some() || engine.greeks.is_some() {
            engine.rhythms.resize(count, Rhythm::never());
        }
        engine.find_heeded();
        engine
    }

    /// Looks up which accounts need the marks of instruments that they do not trade, and tells them the present ones.
    fn find_heeded(&mut self) {
        self.shares_marks = self.counts_others || self.books.len() > 1;
        for instrument in 0..self.traded.len() {
            let own = self.traded[instrument].account as usize;
            let mark = self.books[own].account.mark(instrument);
            let others = self.books.iter_mut().enumerate().filter(|(book, _)| *book != own);
            let heed = others.filter_map(|(number, book)| {
                let heeds = book.account.heeds(instrument, false);
                if heeds && !mark.is_zero() {
                    book.account.set_mark(instrument, mark);
                }
                heeds.then_some(number as u32)
            });
            self.traded[instrument].heeded_by = heed.collect();
        }
    }

    /// Adds a strategy in one instrument.
    pub fn add_strategy(&mut self, mut config: StrategyConfig) -> StrategyId {
        self.lone.clear();
        let id = StrategyId(self.scopes.len() as u32);
        let index = config.instrument.index();
        let instrument = &self.catalogue.instruments[index];
        crate::pipeline::compose(&mut config, instrument);
        let structure = config.structure.take();
        let choice = config.choice.take();
        if let (Some(structure), Some(risk)) = (&structure, &mut self.risk) {
            risk.see_sticky(structure.sticky);
        }
        self.has_options |= structure.is_some();
        if !config.hedged.is_empty() {
            let greeks = self.greeks.get_or_insert_with(HeldGreeks::empty);
            let hedged = std::mem::take(&mut config.hedged);
            greeks.hedge(id.0, instrument.base, hedged, (&self.catalogue, &self.structures.chains));
            // Also where no fact of the policies asks for a surface.
            self.surfaces.read_on(instrument.base.as_str(), &self.structures.chains);
            (self.has_options, self.has_surface_facts) = (true, true);
        }
        let levels = config.levels.take();
        if let Some((greek, of)) = levels.clone() {
            let greeks = self.greeks.get_or_insert_with(HeldGreeks::empty);
            greeks.level(id.0, instrument.base, (greek, of), (&self.catalogue, &self.structures.chains));
            self.surfaces.read_on(instrument.base.as_str(), &self.structures.chains);
            (self.has_options, self.has_surface_facts) = (true, true);
        }
        let mut member = Member::default();
        if let Some(sharing) = config.sharing {
            let group = sharing.group as usize;
            self.groups.resize(self.groups.len().max(group + 1), Group::default());
            member = self.groups[group].join(&sharing);
        }
        self.traded[index].scopes.push(id.0);
        let way = |code: policy::CurrencyCode| {
            let from = code.as_str().parse::<market::Currency>().ok();
            from.map_or(Conversion::Unknown, |from| Conversion::between(from, instrument.quote, &self.catalogue))
        };
        let amounts = config.program.amounts.iter().map(|(fact, value, code)| (*fact, *value, way(*code))).collect();
        let mut scope =
            Scope::new(id, config, AccountId(self.traded[index].account), instrument, self.catalogue.series.len());
        (scope.amounts, scope.member) = (amounts, member);
        scope.choice = choice.as_ref().map(|choice| choice.group);
        scope.levels = levels.map(|(greek, _)| greek);
        scope.desk = structure.map(|structure| self.add_desk(id.0, InstrumentId(index as u32), structure));
        scope.find_special();
        self.counts_volume |= scope.volume.is_some();
        if let Some(risk) = &mut self.risk {
            risk.read(&mut scope);
        }
        self.scopes.push(scope);
        if let Some(choice) = choice {
            self.join_choice(id.0 as usize, InstrumentId(index as u32), choice);
        }
        self.dirty.grow();
        let alone = self.traded[index].scopes.len() == 1;
        for scope in &self.traded[index].scopes {
            self.scopes[*scope as usize].alone = alone;
        }
        self.has_shared_expiry |= !alone && self.catalogue.instruments[index].kind.expiry().is_some();
        self.share_collateral(index);
        self.find_counts();
        id
    }

    /// Whether what else is exposed has to be told: other strategies' positions, and coins that lie in an account.
    fn find_counts(&mut self) {
        let reads = self.scopes.iter().any(|scope| scope.reads(facts::OTHERS.id()));
        self.counts_others = reads && (self.scopes.len() > 1 || self.books.iter().any(|book| book.has_coins));
        self.shares_marks = self.counts_others || self.books.len() > 1;
    }

    /// Divides the coins of an account among those who trade the coin of an instrument there, by their capital: each counts its
    /// part of them in its size, so that together they count them once.
    fn share_collateral(&mut self, instrument: usize) {
        let (account, base) = (self.traded[instrument].account, self.catalogue.instruments[instrument].base);
        let trades = |scope: &Scope| {
            let index = scope.instrument.index();
            let is_of = self.traded[index].account == account && self.catalogue.instruments[index].base == base;
            is_of && !scope.terms.hedges
        };
        let those: Vec<usize> = (0..self.scopes.len()).filter(|at| trades(&self.scopes[*at])).collect();
        let group = |at: usize| self.scopes[at].sharing.map(|sharing| sharing.group);
        let weight = |at: &usize| match self.scopes[*at].sharing {
            None => 1.0,
            Some(Sharing { capital, .. }) => {
                capital.get() / those.iter().filter(|other| group(**other) == group(*at)).count() as f64
            }
        };
        let weights: Vec<f64> = those.iter().map(weight).collect();
        let whole: f64 = weights.iter().sum();
        if those.len() > 1 && whole > 0.0 {
            for (at, weight) in those.into_iter().zip(weights) {
                self.scopes[at].facts.put(facts::COLLATERAL_SHARE, Ratio::new(weight / whole));
            }
        }
    }

    /// Evaluates every strategy on every input that concerns it, also where it would provably decide the same. Slower, to the same
    /// outputs and the same state.
    pub fn evaluate_always(&mut self) {
        self.may_rest = false;
        self.scopes.iter_mut().for_each(|scope| scope.region.forget());
    }

    /// From now on a fact of a surface or of risk is told as this, whatever is found of it: for the question "what if". It is no state, and
    /// a series that is recorded is told by an event instead.
    pub fn suppose(&mut self, series: SeriesId, value: Ratio) {
        self.supposed.retain(|(known, _)| *known != series);
        self.supposed.push((series, value));
        for (index, scope) in self.scopes.iter_mut().enumerate() {
            scope.facts.set_now(self.now);
            scope.facts.set(facts::series(series), value);
            scope.region.forget();
            self.dirty.touch(index as u32);
        }
    }

    /// What a fact is supposed to be.
    pub(crate) fn supposed(&self, series: SeriesId) -> Option<Ratio> {
        self.supposed.iter().find(|(known, _)| *known == series).map(|(_, value)| *value)
    }

    /// Takes in one delivery: all its events, then one decision for each strategy that they concern.
    pub fn handle(&mut self, input: &Input<'_>) {
        // Time never runs back: a late delivery is known now.
        self.now = self.now.max(input.at);
        self.inputs += 1;
        self.planned_before = PlanId(self.plans);
        // Nearly all inputs of most runs: one price, which concerns one strategy.
        match input.events {
            [Event::Trade(trade)] if self.lone(trade.instrument).is_some() => {
                let told = Told { close: trade.price, high: trade.price, low: trade.price };
                self.handle_price(trade.instrument, told, |now| ohlc_of(trade.price, now), input.source);
            }
            [Event::Bar(bar)] if self.lone(bar.instrument).is_some() => {
                let told = Told { close: bar.close, high: bar.high, low: bar.low };
                self.handle_price(bar.instrument, told, |_| ohlc(bar), input.source);
            }
            events => self.handle_all(input.source, events),
        }
    }

    /// The strategy that a price of the instrument concerns, if it concerns nobody else.
    #[inline(always)]
    fn lone(&self, instrument: InstrumentId) -> Option<usize> {
        self.lone.get(instrument.index()).copied().flatten().map(|index| index as usize)
    }

    /// One price of an instrument, for the one strategy that it concerns: the same as [`Self::handle_all`] does of it. `seen` is all of it,
    /// made where an indicator looks at it.
    #[inline(always)]
    fn handle_price(&mut self, instrument: InstrumentId, told: Told, seen: impl Fn(Timestamp) -> Ohlc, source: Source) {
        let Some(index) = self.lone(instrument) else { return };
        let instrument = instrument.index();
        self.last[instrument] = told.close;
        self.books[0].account.set_mark(instrument, told.close);
        if self.counts_others {
            self.reserve_marked(0, instrument);
        }
        let (scope, book) = (&mut self.scopes[index], &mut self.books[0]);
        let equity = book.measure(self.now, source);
        let is_calm = scope.read_price(self.now, &told, book, equity);
        if !scope.region.is_known() {
            scope.tell_news();
        }
        scope.tell_campaign();
        let idles = scope.idles();
        if !idles {
            scope.indicate(Some(&seen(self.now)));
        }
        if self.counts_others {
            scope.read_others(book);
        }
        let may_rest = self.may_rest && source == Source::Market;
        if may_rest && is_calm && scope.is_quiet_at_price() {
            #[cfg(debug_assertions)]
            scope.check_quiet_at_price(book);
            return scope.observe_inside(book);
        }
        book.publish_drawdown(&mut scope.facts);
        if may_rest && scope.is_quiet() {
            scope.follow_equity(book);
            return scope.observe_inside(book);
        }
        // Not before: what idles goes on to be told by nobody as long as the region holds.
        if idles {
            scope.indicate(Some(&seen(self.now)));
        }
        scope.observe();
        self.decide_anew(index, source, may_rest);
    }

    /// Whatever an input holds.
    #[inline(never)]
    fn handle_all(&mut self, source: Source, events: &[Event]) {
        for event in events {
            self.apply(event);
        }
        if self.has_options || self.has_carried {
            self.take_in_more(source, events);
        }
        for book in &mut self.books {
            let _equity = book.measure(self.now, source);
        }
        if self.has_shared_expiry {
            for index in 0..self.traded.len() {
                self.settle_expired(index, source);
            }
        }
        if self.groups.is_empty() {
            for at in 0..self.dirty.list.len() {
                let index = self.dirty.list[at] as usize;
                self.take_in(index, source);
            }
            self.dirty.clear();
        } else {
            self.decide_all(source);
        }
        if self.is_unfinished() {
            self.follow_up();
        }
        if self.lone.is_empty() {
            self.find_lone();
        }
    }

    /// Looks up which strategies are alone with the prices of their instruments.
    #[cold]
    fn find_lone(&mut self) {
        let is_more = self.has_options || self.has_carried || self.has_shared_expiry || self.risk.is_some();
        let is_plain = !is_more && self.groups.is_empty() && self.books.len() == 1;
        let scopes = &self.scopes;
        let lone = self.traded.iter().map(|traded| match traded.scopes[..] {
            [only] if is_plain && !traded.has_marks && !scopes[only as usize].is_special => Some(only),
            _ => None,
        });
        self.lone.extend(lone);
    }

    /// Orders wait for what others want, or a strategy for what its desk did at once.
    fn is_unfinished(&self) -> bool {
        let Structures { unsaid, crossing, .. } = &self.structures;
        !self.crossing.is_empty() || !crossing.is_empty() || !unsaid.is_empty()
    }

    /// What strategies and desks did to each other at once is decided on too: what was filled inside the book has stops and rungs to rest.
    #[inline(never)]
    fn follow_up(&mut self) {
        let mut rounds = 0;
        while self.is_unfinished() {
            self.cross_legs();
            self.cross();
            // Whoever still goes on at this moment hears of it with the next input.
            if rounds == ROUNDS_MAX {
                return;
            }
            rounds += 1;
            while let Some(scope) = self.structures.unsaid.pop() {
                self.dirty.touch(scope);
            }
            if self.has_surface_facts && self.has_traded {
                self.tell_filled();
            }
            self.decide_all(Source::Venue);
        }
    }

    /// What prices and news bring beside facts where options are traded or positions are carried.
    #[inline(never)]
    fn take_in_more(&mut self, source: Source, events: &[Event]) {
        events.iter().for_each(|event| self.structures.chains.see(event, self.now));
        self.structures.chains.imply_forwards(self.now);
        if !self.structures.desks.is_empty() {
            self.run_desks(source);
        }
        if self.has_surface_facts {
            match source {
                Source::Market => self.tell_surfaces(),
                Source::Venue if self.has_traded => self.tell_filled(),
                Source::Venue | Source::Timer => {}
            }
        }
        if self.risk.is_some() {
            self.touch_risk_readers(source, events);
        }
        self.structures.chains.expire(self.now);
        if self.has_carried {
            self.bring_in(events);
        }
    }

    /// Positions from before are worth something else than they are carried at, as soon as a price is known.
    #[cold]
    fn bring_in(&mut self, events: &[Event]) {
        for event in events {
            let (instrument, price) = match event {
                Event::Bar(bar) => (bar.instrument, bar.open),
                Event::Trade(trade) => (trade.instrument, trade.price),
                Event::Mark(mark) => (mark.instrument, mark.price),
                _ => continue,
            };
            let book = &mut self.books[self.traded[instrument.index()].account as usize];
            if book.carried.iter().any(|(known, ..)| *known == instrument.0) {
                book.bring_in(instrument.0, price);
            }
        }
        self.has_carried = self.books.iter().any(|book| !book.carried.is_empty());
        self.lone.clear();
    }

    /// Decides what was touched, where strategies may share one capital. Apart, so that [`Self::handle`] holds the way of those that
    /// do not in one piece.
    #[inline(never)]
    fn decide_all(&mut self, source: Source) {
        // What is shared among instruments is known before the first of them is sized.
        if !self.groups.is_empty() {
            self.groups.iter_mut().for_each(|group| group.reach(self.now));
            for at in 0..self.dirty.list.len() {
                let index = self.dirty.list[at] as usize;
                self.prepare(index);
                let scope = &mut self.scopes[index];
                if let Some(sharing) = &scope.sharing {
                    let group = &mut self.groups[sharing.group as usize];
                    if group.follows_results() {
                        group.earn(scope.member, scope.earned_so_far(), &mut scope.facts);
                    }
                    group.see(&mut scope.member, sharing.allocation.over, &scope.facts);
                }
            }
        }
        for at in 0..self.dirty.list.len() {
            let index = self.dirty.list[at] as usize;
            if self.groups.is_empty() {
                self.prepare(index);
            } else if let Some(sharing) = self.scopes[index].sharing {
                let share = self.groups[sharing.group as usize].share(&sharing, self.scopes[index].member);
                self.scopes[index].facts.set(facts::SHARE, share);
            }
            self.decide(index, source);
        }
        self.dirty.clear();
    }

    /// What follows from the last input. `None`: nothing more until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.next()
    }

    /// When the engine wants to be woken though nothing happens. Rules of this version watch no clock.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        None
    }

    #[inline(always)]
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Bar(bar) => {
                self.see(bar.instrument, &ohlc(bar));
                if self.counts_volume {
                    self.see_volume(bar.instrument, |volume, _| volume.bar(bar));
                }
            }
            Event::Trade(trade) => {
                let seen = ohlc_of(trade.price, self.now);
                self.see(trade.instrument, &seen);
                if self.counts_volume {
                    self.see_volume(trade.instrument, |volume, now| volume.trade(trade, now));
                }
            }
            other => self.apply_rare(other),
        }
    }

    /// Apart, so that prices are taken in without the frame of all that may follow from news.
    #[inline(never)]
    fn apply_rare(&mut self, event: &Event) {
        match event {
            Event::Bar(_) | Event::Trade(_) => {}
            Event::Mark(mark) => {
                let index = mark.instrument.index();
                if !self.traded[index].has_marks {
                    self.lone.clear();
                }
                self.traded[index].has_marks = true;
                self.set_mark(index, mark.price);
                for &scope in &self.traded[index].scopes {
                    self.dirty.touch(scope);
                }
            }
            Event::OptionQuote(quote) => self.on_quote(quote),
            Event::Series(point) => {
                for index in 0..self.scopes.len() {
                    let scope = &mut self.scopes[index];
                    scope.facts.set_now(self.now);
                    scope.facts.set(facts::series(point.series), point.value);
                    if let Some(volume) = &mut scope.volume {
                        volume.series(*point, self.now);
                    }
                    self.dirty.touch(index as u32);
                }
            }
            // What a rate costs arrives as a cash change of the account; strategies that cancel out pay each other.
            Event::Funding(due) => {
                self.settle_between(due);
                self.see_funding(due);
            }
            Event::Order(news) => self.on_order(news),
            Event::Cash(change) => self.on_cash(change),
            Event::Settlement(of) => {
                self.settlement_prices.insert(of.instrument, of.price);
            }
        }
    }

    #[inline(always)]
    fn see(&mut self, instrument: InstrumentId, seen: &Ohlc) {
        let index = instrument.index();
        self.last[index] = seen.close;
        if let Some(rhythm) = self.rhythms.get_mut(index) {
            rhythm.beat(self.now, seen.closed.since(seen.opened));
        }
        if !self.traded[index].has_marks {
            self.set_mark(index, seen.close);
        }
        for &scope in &self.traded[index].scopes {
            let state = &mut self.scopes[scope as usize];
            state.facts.set_now(self.now);
            state.see(seen);
            self.dirty.touch(scope);
        }
    }

    /// What was traded of an instrument, for the strategies that ask.
    #[inline(never)]
    fn see_volume(&mut self, instrument: InstrumentId, see: impl Fn(&mut Volume, Timestamp)) {
        for &scope in &self.traded[instrument.index()].scopes {
            if let Some(volume) = &mut self.scopes[scope as usize].volume {
                see(volume, self.now);
            }
        }
    }

    #[inline(always)]
    fn set_mark(&mut self, instrument: usize, mark: Price) {
        let book = self.traded[instrument].account as usize;
        self.books[book].account.set_mark(instrument, mark);
        if self.shares_marks {
            if self.counts_others {
                self.reserve_marked(book, instrument);
            }
            if self.books.len() > 1 {
                self.tell_heeding(instrument, mark);
            }
        }
    }

    /// Brings the gross exposure of an instrument up to date with its mark: as nearly always, nothing else has changed.
    #[inline(always)]
    fn reserve_marked(&mut self, book: usize, instrument: usize) {
        if !self.books[book].reserve_as_before(instrument) {
            self.reserve(instrument);
        }
        #[cfg(debug_assertions)]
        self.check_reserved(instrument);
    }

    #[inline(never)]
    fn tell_heeding(&mut self, instrument: usize, mark: Price) {
        for other in &self.traded[instrument].heeded_by {
            self.books[*other as usize].account.set_mark(instrument, mark);
        }
    }

    /// Brings the gross exposure of an instrument up to date with its mark, position and pending orders.
    #[inline(never)]
    pub(crate) fn reserve(&mut self, instrument: usize) {
        let only = self.traded[instrument].scopes.first();
        if let Some(desk) = only.and_then(|scope| self.scopes[*scope as usize].desk) {
            return self.reserve_structure(desk as usize);
        }
        let (bought, sold) = self.pending(instrument);
        self.books[self.traded[instrument].account as usize].reserve(instrument, bought, sold);
    }

    /// What orders of all strategies in an instrument that may raise a position could still buy and sell.
    fn pending(&self, instrument: usize) -> (Qty, Qty) {
        let each = self.traded[instrument].scopes.iter().map(|scope| self.scopes[*scope as usize].working.pending());
        each.fold((Qty::ZERO, Qty::ZERO), |(bought, sold), (more, less)| (bought + more, sold + less))
    }

    /// That nothing but the mark has changed is true; in builds that check, of every mark.
    #[cfg(debug_assertions)]
    fn check_reserved(&self, instrument: usize) {
        let (bought, sold) = self.pending(instrument);
        let book = &self.books[self.traded[instrument].account as usize];
        assert!(book.reserves(instrument, bought, sold), "orders or a position changed and nobody said so");
    }
}

/// Strategies to decide after the input's last event, each once, in the order in which events touched them.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) list: Vec<u32>,
    /// Whether a strategy is in the list.
    listed: Vec<bool>,
}

impl Dirty {
    /// Makes room for one more strategy.
    fn grow(&mut self) {
        self.listed.push(false);
    }

    #[inline]
    pub(crate) fn touch(&mut self, scope: u32) {
        if !std::mem::replace(&mut self.listed[scope as usize], true) {
            self.list.push(scope);
        }
    }

    #[inline]
    fn clear(&mut self) {
        for scope in &self.list {
            self.listed[*scope as usize] = false;
        }
        self.list.clear();
    }
}

/// What every price tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) close: Price,
    pub(crate) high: Price,
    pub(crate) low: Price,
}

/// One trade as a bar of a moment.
fn ohlc_of(price: Price, at: Timestamp) -> Ohlc {
    Ohlc { opened: at, closed: at, open: price, high: price, low: price, close: price }
}

fn ohlc(bar: &Bar) -> Ohlc {
    let Bar { opened, closed, open, high, low, close, .. } = *bar;
    Ohlc { opened, closed, open, high, low, close }
}
