//! Strategies that trade structures of options: between their orders and the legs' stands a [desk](crate::desk).
//!
//! An order in structures has a number of its own in its plan, from 0; the orders of its legs have numbers from 128 in the plan
//! that sends them, and what the desk itself decides has one from 64. Only the legs' go to the venue.

use crate::desk::{Desk, LegCommand, LegOrder, Line, Outcome, Rolled, Traded};
use crate::engine::Engine;
use crate::netting::{Early, LegCrossing, part_of};
use crate::plan::ENGINE_RULE;
use crate::structure::{Choice, NoLeg, Refusal, choose, options, times};
use crate::{Notice, Purpose};
use market::{
    CancelReason, Catalogue, Command, Fill, Forced, Liquidity, NewOrder, OptionQuote, OrderEvent, OrderKind,
    OrderUpdate, Source,
};
use policy::Arg;
use policy::facts;
use policy::spec::Structure;
use pricing::Ohlc;
use risk::chain::Chains;
use std::collections::BTreeMap;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, Cash, InstrumentId, OptionRight, OrderId, PlanId, Price, Qty, Side, StrategyId, Timestamp};

/// All desks of an engine, and the quotes that they look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Structures {
    pub(crate) chains: Chains,
    pub(crate) desks: Vec<Desk>,
    /// What options that were held have been settled at: a fill that is told later is settled as it comes.
    settled: BTreeMap<InstrumentId, Settled>,
    /// What the venue closed of options before the fills were told that it closed.
    early: Vec<Early>,
    /// What strategies of structures ask their desks for in the present decision.
    pub(crate) asked: Vec<(Command, Purpose)>,
    /// Strategies that were told something after they had decided.
    pub(crate) unsaid: Vec<u32>,
    outcomes: Vec<Outcome>,
    commands: Vec<LegCommand>,
    /// Orders of legs that wait for all desks of the input to decide.
    pub(crate) crossing: Vec<LegCrossing>,
    /// How many orders desks have sent since the engine was built: a measure, and no state.
    pub(crate) sent: u64,
}

/// At what an option was settled.
#[derive(Debug, Clone, Copy)]
struct Settled {
    price: Price,
    /// Fees of it that nobody who was known to hold any could be told.
    fee: Cash,
    /// Whether the venue said so. Else strategies on opposite sides settled with each other, and what is told later waits for the venue.
    by_venue: bool,
}

/// Told while nothing more is ordered.
const ALONE: &str = "legs that stayed alone are traded back first";

/// Room that notes of legs leave to the rules of a plan.
const NOTES_MAX: usize = 10;

impl Structures {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        Self { chains: Chains::new(catalogue), ..Self::default() }
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.chains.save(out);
        if self.desks.is_empty() {
            return;
        }
        self.desks.iter().for_each(|desk| desk.save(out));
        out.len(self.settled.len());
        for (instrument, settled) in &self.settled {
            out.u32(instrument.0);
            out.i64(settled.price.raw());
            out.i128(settled.fee.raw());
            out.bool(settled.by_venue);
        }
        out.len(self.early.len());
        self.early.iter().for_each(|early| early.save(out));
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.chains.load(from)?;
        if self.desks.is_empty() {
            return Ok(());
        }
        for desk in &mut self.desks {
            desk.load(from)?;
        }
        let settled = |from: &mut StateReader<'_>| {
            let (instrument, price, fee) = (InstrumentId(from.u32()?), from.i64()?, from.i128()?);
            let (price, fee) = (Price::from_raw(price), Cash::from_raw(fee));
            Ok((instrument, Settled { price, fee, by_venue: from.bool()? }))
        };
        self.settled = (0..from.len()?).map(|_| settled(from)).collect::<Result<_, _>>()?;
        self.early = (0..from.len()?).map(|_| Early::load(from)).collect::<Result<_, _>>()?;
        Ok(())
    }
}

#[cfg(test)]
impl Structures {
    /// Whether the venue settled an option, so that fills of it that are still to be told change nothing.
    pub(crate) fn is_settled(&self, instrument: InstrumentId) -> bool {
        self.settled.get(&instrument).is_some_and(|settled| settled.by_venue)
    }

    /// What the venue closed of an option that no desk has heard of yet, signed as the fills that close it.
    pub(crate) fn early_of(&self, instrument: InstrumentId) -> Qty {
        let of = self.early.iter().filter(|early| early.fill.instrument == instrument);
        of.map(|early| early.fill.signed_qty()).sum()
    }
}

impl Engine {
    /// What is quoted for the options of the run.
    #[must_use]
    pub fn chains(&self) -> &Chains {
        &self.structures.chains
    }

    /// An option was quoted.
    #[inline]
    pub(crate) fn on_quote(&mut self, quote: &OptionQuote) {
        let Some(value) = self.structures.chains.quote(quote, self.now) else { return };
        let index = quote.instrument.index();
        if let Some(rhythm) = self.rhythms.get_mut(index) {
            rhythm.beat(self.now, units::Duration::ZERO);
        }
        // An option's price translates nothing and is exposure of nobody: only its own account heeds it.
        self.books[self.traded[index].account as usize].account.set_mark(index, value);
    }

    /// The desk of a strategy that trades a structure.
    pub(crate) fn add_desk(&mut self, scope: u32, instrument: InstrumentId, terms: Structure) -> u32 {
        let of = &self.catalogue.instruments[instrument.index()];
        let account = units::AccountId(self.traded[instrument.index()].account);
        let mut desk = Desk::new(scope, instrument, account, terms, of.lot);
        desk.chain = self.structures.chains.find(of.venue(), of.base, of.settle);
        if let Some(chain) = desk.chain {
            self.surfaces.read_for_structure(chain, &self.structures.chains);
            self.has_surface_facts |= !self.surfaces.is_empty();
        }
        self.structures.desks.push(desk);
        self.structures.desks.len() as u32 - 1
    }

    /// All events of an input were taken in: structures have new prices, triggers are reached, legs expire or are replaced.
    pub(crate) fn run_desks(&mut self, source: Source) {
        if source != Source::Market {
            return;
        }
        self.settle_unheld();
        for at in 0..self.structures.desks.len() {
            self.run_desk(at);
        }
    }

    fn run_desk(&mut self, at: usize) {
        let now = self.now;
        let Structures { chains, desks, .. } = &mut self.structures;
        let desk = &mut desks[at];
        let Some(chain) = desk.chain.map(|chain| &chains.chains()[chain]) else { return };
        let moved = std::mem::replace(&mut desk.seen, chain.changes()) != chain.changes();
        let mut ticks = false;
        for line in &mut desk.lines {
            let quoted = chains.option(line.instrument).is_some_and(|option| option.quoted == now);
            line.blocked &= !quoted;
            ticks |= quoted && line.is_part();
        }
        if desk.is_idle() {
            // Once the options held were settled nothing is chosen, though what else is quoted did not change.
            let facts = &self.scopes[desk.scope as usize].facts;
            let is_unknown = desk.candidate.is_none() && facts.get(facts::NO_LEGS).is_none();
            if moved || is_unknown {
                self.choose_again(at);
            }
            if self.structures.desks[at].lines.is_empty() {
                return;
            }
        } else if ticks && !desk.is_choosing() {
            let price = desk.price(chains);
            self.see_structure(at, price);
        }
        let Structures { chains, desks, outcomes, .. } = &mut self.structures;
        let desk = &mut desks[at];
        desk.drop_expired(now, outcomes);
        desk.give_up_for_roll(now, outcomes);
        let unwanted = desk.abandon_unwanted(outcomes) | desk.give_way(chains, outcomes);
        if ticks {
            let price = desk.price(chains);
            desk.reach(price, chains, outcomes);
        }
        let acts = unwanted || !outcomes.is_empty();
        self.apply_outcomes(at);
        let begins = moved && self.roll(at);
        self.find_most(at);
        let Structures { chains, desks, .. } = &mut self.structures;
        let desk = &mut desks[at];
        let waits = desk.outstanding(chains);
        let is_news = waits > 0 && !desk.told_waiting;
        let sends = desk.has_to_send(chains);
        let unwinds = desk.is_unwinding();
        if acts || sends || is_news {
            desk.told_waiting = waits > 0;
            let scope = desk.scope;
            if waits > 0 {
                self.note(scope, "{} legs wait for a quote on their side", [Arg::Count(waits)]);
            } else if sends && unwinds {
                self.note(scope, ALONE, []);
            } else if sends && !acts && !begins {
                self.note(scope, "legs still to trade are sent", []);
            } else {
                self.scopes[scope as usize].tell();
            }
            self.dirty.touch(scope);
        }
    }

    /// Begins the next plan of a strategy with what its desk says.
    fn note<const N: usize>(&mut self, scope: u32, sentence: &'static str, numbers: [Arg; N]) {
        let scope = &mut self.scopes[scope as usize];
        let held = scope.position;
        scope.tell();
        if scope.because.steps().len() < NOTES_MAX {
            scope.because.note(ENGINE_RULE, held, held, sentence, numbers);
        }
    }

    /// Tells a strategy the price of its structure.
    fn see_structure(&mut self, at: usize, price: Option<Price>) {
        let desk = &self.structures.desks[at];
        let (scope, instrument) = (desk.scope, desk.instrument);
        let Some(price) = price else { return };
        let exposure = self.exposure_price(at);
        self.last[instrument.index()] = price;
        self.books[self.traded[instrument.index()].account as usize].account.set_mark(instrument.index(), price);
        let now = self.now;
        let state = &mut self.scopes[scope as usize];
        state.facts.set_now(now);
        state.facts.put(facts::EXPOSURE_PRICE, exposure);
        state.see(&Ohlc { opened: now, closed: now, open: price, high: price, low: price, close: price });
        if price.raw() <= 0 {
            // Indicators take logarithms of prices.
            state.seen = None;
        }
        self.dirty.touch(scope);
        if self.counts_others {
            self.reserve_structure(at);
        }
    }

    /// What one structure stands for in its settlement currency: a coin, or the forward of its first expiry.
    pub(crate) fn exposure_price(&self, at: usize) -> Option<Price> {
        let (desk, chains) = (&self.structures.desks[at], &self.structures.chains);
        if chains.chains()[desk.chain?].is_in_coin() {
            return Some(Price::from_raw(Price::ONE));
        }
        let held = desk.lines.iter().filter(|line| line.settled.is_none() && !desk.is_idle());
        match (held.min_by_key(|line| line.expiry), &desk.candidate) {
            (Some(line), _) => chains.expiry(line.instrument)?.1,
            (None, Some(choice)) => Some(choice.forward),
            (None, None) => self.scopes[desk.scope as usize].facts.get(facts::EXPOSURE_PRICE),
        }
    }

    /// Brings the gross exposure of a structure up to date with what is held and ordered.
    pub(crate) fn reserve_structure(&mut self, at: usize) {
        let Some(price) = self.exposure_price(at) else { return };
        let desk = &self.structures.desks[at];
        let scope = &self.scopes[desk.scope as usize];
        let (bought, sold) = scope.working.pending();
        let book = &mut self.books[self.traded[desk.instrument.index()].account as usize];
        book.reserve_at(desk.instrument.index(), price, scope.position, bought, sold, desk.stands_for_at_worst());
    }

    /// How many structures a strategy holds, signed, legs counted that stand alone and, in a roll, old ones beside new ones; none while
    /// a roll waits whose old legs were settled. Of a strategy that trades something else its position.
    #[must_use]
    pub fn exposed(&self, strategy: StrategyId) -> Qty {
        let scope = &self.scopes[strategy.index()];
        scope.desk.map_or(scope.position, |desk| self.structures.desks[desk as usize].exposed())
    }

    /// What one of [`exposed`](Self::exposed) is worth by the legs that are held; where none are, and of a strategy that trades something
    /// else, the mark of its instrument.
    #[must_use]
    pub fn exposed_mark(&self, strategy: StrategyId) -> Price {
        let scope = &self.scopes[strategy.index()];
        let mark = self.books[scope.account.index()].account.mark(scope.instrument.index());
        let chains = &self.structures.chains;
        scope.desk.and_then(|desk| self.structures.desks[desk as usize].worth_of_each(chains)).unwrap_or(mark)
    }

    /// What strategies hold at venues, each by itself: of structures the legs. What cancels out between strategies of an account is there
    /// on both sides.
    pub fn holdings(&self) -> impl Iterator<Item = (StrategyId, AccountId, InstrumentId, Qty)> + '_ {
        let legs = self.structures.desks.iter().flat_map(|desk| {
            let held = desk.lines.iter().filter(|line| !line.held.is_zero() && line.settled.is_none());
            held.map(|line| (StrategyId(desk.scope), desk.account, line.instrument, line.held))
        });
        let others = self.scopes.iter().filter(|scope| scope.desk.is_none() && !scope.position.is_zero());
        legs.chain(others.map(|scope| (scope.id, scope.account, scope.instrument, scope.position)))
    }

    /// Legs were traded: what they stand for is another, also where no structure has become whole.
    fn see_legs(&mut self, at: usize) {
        if self.counts_others {
            self.reserve_structure(at);
        }
        self.find_most(at);
        let (desk, chains) = (&self.structures.desks[at], &self.structures.chains);
        if desk.rolling && desk.has_to_send(chains) {
            let scope = desk.scope;
            self.note(scope, "some old legs are closed: new ones follow", []);
            self.dirty.touch(scope);
        }
    }

    fn choose(&self, at: usize, later: Option<Timestamp>) -> Option<Result<Choice, Refusal>> {
        let desk = &self.structures.desks[at];
        let chain = &self.structures.chains.chains()[desk.chain?];
        Some(choose(&desk.terms, chain, desk.lot, self.now, later))
    }

    /// Nothing is held or ordered: looks up what the structure would be now.
    fn choose_again(&mut self, at: usize) {
        let Some(choice) = self.choose(at, None) else { return };
        let desk = &mut self.structures.desks[at];
        let scope = desk.scope;
        let code = choice.as_ref().err().map(|refusal| refusal.code());
        let is_news = std::mem::replace(&mut desk.refusal, code).map(|code| Refusal::of_code(code).reason)
            != code.map(|code| Refusal::of_code(code).reason);
        let price = choice.as_ref().ok().map(|choice| choice.price);
        let free = matches!(&choice, Err(refusal) if refusal.reason == NoLeg::Price);
        desk.candidate = choice.ok();
        let state = &mut self.scopes[scope as usize];
        state.facts.set_now(self.now);
        state.facts.put(facts::NO_LEGS, code);
        if is_news
            && free
            && self.scopes[scope as usize].facts.get(facts::SIGNAL).is_some_and(|signal| signal.get() != 0.0)
        {
            self.note_worthless(at);
        }
        self.see_structure(at, price);
        self.dirty.touch(scope);
    }

    /// Names the options that together cost nothing or less.
    #[cold]
    fn note_worthless(&mut self, at: usize) {
        let desk = &self.structures.desks[at];
        let Some(chain) = desk.chain.map(|chain| &self.structures.chains.chains()[chain]) else { return };
        if let Ok(choice) = options(&desk.terms, chain, desk.lot, self.now, None) {
            self.note_options(desk.scope, &choice, Qty::from_raw(Qty::ONE));
        }
    }

    /// The most that limits let a strategy hold, where old legs stand beside new ones.
    fn find_most(&mut self, at: usize) {
        let desk = &mut self.structures.desks[at];
        let scope = &self.scopes[desk.scope as usize];
        let limits = scope.rules.iter().filter_map(|rule| rule.most(&scope.facts));
        desk.most = if desk.rolling { limits.min() } else { None };
    }

    /// Replaces the legs of what is held when that is due. Whether that begins now.
    fn roll(&mut self, at: usize) -> bool {
        let desk = &self.structures.desks[at];
        let due = desk.is_choosing() || (!desk.is_busy() && desk.is_roll_due(self.now));
        if !due {
            return false;
        }
        let first = if desk.is_choosing() { None } else { desk.first_expiry() };
        let Some(choice) = self.choose(at, first) else { return false };
        let desk = &mut self.structures.desks[at];
        let scope = desk.scope;
        match choice {
            Ok(choice) if desk.is_made_of(&choice) => false,
            Ok(choice) => {
                desk.refusal = None;
                desk.roll_to(&choice, &self.structures.chains);
                let goal = desk.goal();
                match first {
                    Some(first) => {
                        self.note(scope, "legs expire at {}: replaced by new ones", [Arg::Time(first)]);
                    }
                    None => self.note(scope, "legs have expired: replaced by new ones", []),
                }
                self.note_options(scope, &choice, goal);
                self.find_most(at);
                let (desk, chains) = (&self.structures.desks[at], &self.structures.chains);
                let opened = desk.opened(goal, chains);
                if opened != goal {
                    let numbers = [Arg::Qty(opened.abs()), Arg::Qty(goal.abs())];
                    self.note(
                        scope,
                        "beside the old legs limits bear {} of the {} new: the rest as those close",
                        numbers,
                    );
                }
                self.dirty.touch(scope);
                true
            }
            Err(refusal) => {
                let code = refusal.code();
                let told = desk.refusal.map(|code| Refusal::of_code(code).reason);
                if told != Some(refusal.reason) {
                    desk.refusal = Some(code);
                    let (sentence, numbers) = refusal.sentence(&desk.terms);
                    self.note(scope, "the legs are not replaced yet", []);
                    self.note(scope, sentence, numbers);
                    self.dirty.touch(scope);
                }
                false
            }
        }
    }

    /// Names the options of a choice, with how many of each so many structures are.
    fn note_options(&mut self, scope: u32, choice: &Choice, structures: Qty) {
        for (instrument, ratio) in &choice.legs {
            let chains = &self.structures.chains;
            let (Some(option), Some((expiry, _))) = (chains.option(*instrument), chains.expiry(*instrument)) else {
                continue;
            };
            let sentence = match option.right {
                OptionRight::Call => "{} of the call at {} until {}",
                OptionRight::Put => "{} of the put at {} until {}",
            };
            let qty = times(*ratio, structures);
            self.note(scope, sentence, [Arg::Qty(qty), Arg::Price(option.strike), Arg::Time(expiry)]);
        }
    }

    /// Carries out what a strategy asked its desk for in a plan, and sends the orders of legs that follow.
    pub(crate) fn carry_out(&mut self, at: usize, plan: PlanId) {
        let now = self.now;
        let Structures { chains, desks, asked, outcomes, .. } = &mut self.structures;
        for (command, purpose) in asked.drain(..) {
            desks[at].command(command, purpose, now, chains, outcomes);
        }
        self.apply_outcomes(at);
        self.find_most(at);
        let Structures { chains, desks, commands, crossing, unsaid, sent, .. } = &mut self.structures;
        let desk = &mut desks[at];
        if self.scopes[desk.scope as usize].crossed {
            unsaid.push(desk.scope);
        }
        desk.send(plan, chains, commands);
        let (account, strategy) = (desk.account, self.scopes[desk.scope as usize].id);
        for command in commands.drain(..) {
            *sent += 1;
            match command {
                LegCommand::Place { order, qty, exit } => {
                    let LegOrder { id, instrument, side, purpose, .. } = order;
                    let kind = OrderKind::Market;
                    // Another strategy may hold the same option on the other side.
                    let reduce_only = false;
                    let order = NewOrder { id, account, instrument, side, qty, kind, reduce_only, exit };
                    // Or want the opposite at this very instant: only the net goes out.
                    crossing.push(LegCrossing { desk: at, order, purpose });
                }
                LegCommand::Cancel { order } => {
                    self.outputs.send(Command::Cancel { order: order.id }, order.purpose, strategy);
                }
            }
        }
    }

    /// Hands on what followed from the legs.
    fn apply_outcomes(&mut self, at: usize) {
        let mut outcomes = std::mem::take(&mut self.structures.outcomes);
        for outcome in outcomes.drain(..) {
            let scope = self.structures.desks[at].scope as usize;
            match outcome {
                Outcome::News(order, update) => self.tell_order(scope, order, &update),
                Outcome::Filled(traded) => self.tell_traded(at, scope, &traded),
                Outcome::Rolled(rolled) => self.tell_rolled(at, scope, &rolled),
                Outcome::Unwound { value, fee } => {
                    let state = &mut self.scopes[scope];
                    let (strategy, cost) = (state.id, value.cash());
                    let campaign = state.campaign.as_mut().map(|campaign| {
                        campaign.pay(value, fee);
                        campaign.id
                    });
                    state.stale = true;
                    let unwound = Notice::Unwound { strategy, campaign, cost, fee };
                    self.outputs.tell(unwound);
                    let numbers = [Arg::Cash(cost), Arg::Cash(fee)];
                    self.note(
                        scope as u32,
                        "legs that stayed alone were traded back at a cost of {} and {} of fees",
                        numbers,
                    );
                    self.dirty.touch(scope as u32);
                }
            }
        }
        self.structures.outcomes = outcomes;
    }

    /// News from the desk of an order in structures.
    fn tell_order(&mut self, scope: usize, order: OrderId, update: &OrderUpdate) {
        let state = &mut self.scopes[scope];
        let Some(live) = state.working.update(order, update) else { return };
        state.region.forget();
        match *update {
            OrderUpdate::Rejected(reason) => {
                let rejected = Notice::Rejected { order, purpose: live.purpose, reason };
                self.outputs.tell(rejected);
                state.note_refusal(&live, false);
            }
            OrderUpdate::Cancelled(CancelReason::Margin | CancelReason::Funds) => state.note_refusal(&live, true),
            _ => {}
        }
        let is_poor = matches!(update, OrderUpdate::Cancelled(CancelReason::Margin | CancelReason::Funds));
        if self.scopes[scope].terms.hedges && (is_poor || matches!(update, OrderUpdate::Rejected(_))) {
            self.see_refusal(scope, live.side);
        }
        self.dirty.touch(scope as u32);
    }

    fn tell_traded(&mut self, at: usize, scope: usize, traded: &Traded) {
        let (account, instrument) = {
            let desk = &self.structures.desks[at];
            (desk.account, desk.instrument)
        };
        let fill = Fill {
            account,
            instrument,
            side: traded.side,
            qty: traded.qty,
            price: traded.price,
            reference: traded.reference,
            fee: traded.fee,
            liquidity: Liquidity::Taker,
            forced: traded.forced,
            execution: 0,
        };
        self.scopes[scope].working.update(traded.order, &OrderUpdate::Filled(fill));
        self.last[instrument.index()] = traded.reference;
        self.on_fill(scope, traded.order, traded.purpose, &fill);
        self.note_legs(scope as u32, &traded.legs);
    }

    /// Names what was traded of legs, and at which prices.
    fn note_legs(&mut self, scope: u32, legs: &[(InstrumentId, Qty, Price)]) {
        for (leg, qty, price) in legs {
            let sentence = ["{} of the call at {} until {}, at {}", "{} of the put at {} until {}, at {}"];
            self.note_leg(scope, *leg, *qty, *price, sentence);
        }
    }

    /// Says something of a leg that is a call, or a put: its quantity, strike, expiry and a price.
    fn note_leg(&mut self, scope: u32, leg: InstrumentId, qty: Qty, price: Price, [call, put]: [&'static str; 2]) {
        let chains = &self.structures.chains;
        let Some(option) = chains.option(leg) else { return };
        let sentence = if option.right == OptionRight::Call { call } else { put };
        let expiry = chains.expiry(leg).map_or(Arg::None, |(expiry, _)| Arg::Time(expiry));
        self.note(scope, sentence, [Arg::Qty(qty), Arg::Price(option.strike), expiry, Arg::Price(price)]);
    }

    fn tell_rolled(&mut self, at: usize, scope: usize, rolled: &Rolled) {
        let Rolled { moved, value, spread, fee, ref legs } = *rolled;
        let desk = &self.structures.desks[at];
        let (instrument, account) = (desk.instrument, desk.account);
        let worth = desk.price(&self.structures.chains);
        let exposure = self.exposure_price(at);
        let now = self.now;
        let state = &mut self.scopes[scope];
        // The quotes that the new legs were traded at are told next. Those that are known are older: by them the price would be elsewhere
        // than the anchors that move along with the trades, and would cross what it did not reach.
        let new = state.facts.get(facts::PRICE).unwrap_or_default() + moved;
        if let Some(campaign) = &mut state.campaign {
            campaign.roll(moved, value, fee, new);
            let rolled = Notice::Rolled { strategy: state.id, campaign: campaign.id, moved, spread, fee };
            self.outputs.tell(rolled);
        }
        let shift = |price: &mut Option<Price>| *price = price.map(|price| price + moved);
        shift(&mut state.refused_trigger);
        shift(&mut state.planned_chase);
        state.stale = true;
        let numbers = [Arg::Price(moved), Arg::Cash(spread), Arg::Cash(fee)];
        let sentence = "rolled: entry, stop and rungs move by {}; spread cost {} and fees {}";
        state.facts.set_now(now);
        state.facts.put(facts::EXPOSURE_PRICE, exposure);
        state.facts.set_price(new);
        self.note(scope as u32, sentence, numbers);
        self.note_legs(scope as u32, legs);
        self.last[instrument.index()] = new;
        self.books[account.index()].account.set_mark(instrument.index(), worth.unwrap_or(new));
        self.dirty.touch(scope as u32);
        if self.counts_others {
            self.reserve_structure(at);
        }
    }

    /// News of an order of a leg.
    pub(crate) fn on_leg(&mut self, news: &OrderEvent) {
        let Some(at) = self.structures.desks.iter().position(|desk| desk.knows(news.order)) else { return };
        match &news.update {
            OrderUpdate::Filled(fill) => self.on_leg_fill(at, news.order, fill),
            update @ (OrderUpdate::Cancelled(_) | OrderUpdate::Rejected(_)) => {
                let plan = PlanId(self.plans);
                let Structures { desks, outcomes, .. } = &mut self.structures;
                let desk = &mut desks[at];
                let scope = desk.scope;
                if desk.leg_ended(news.order, update) {
                    desk.refused(plan, outcomes);
                    let unwinds = desk.is_unwinding();
                    self.scopes[scope as usize].tell();
                    if unwinds {
                        self.note(scope, ALONE, []);
                    }
                    self.dirty.touch(scope);
                    self.apply_outcomes(at);
                }
                if self.counts_others {
                    self.reserve_structure(at);
                }
            }
            OrderUpdate::Accepted | OrderUpdate::Triggered | OrderUpdate::Amended { .. } => {}
        }
    }

    /// An execution of a leg. What crossed inside the book cancels out in the account, which is not told of it.
    pub(crate) fn on_leg_fill(&mut self, at: usize, order: OrderId, fill: &Fill) {
        self.has_traded = true;
        let is_venues = fill.liquidity != Liquidity::Internal;
        if is_venues && !self.books[fill.account.index()].executions.counts(fill.execution) {
            return;
        }
        let Structures { chains, desks, .. } = &mut self.structures;
        let desk = &mut desks[at];
        let Some(purpose) = desk.leg_filled(order, fill, chains) else { return };
        if is_venues {
            self.books[fill.account.index()].fill(fill);
        }
        let scope = &self.scopes[desk.scope as usize];
        let (strategy, campaign) = (scope.id, scope.campaign.as_ref().map(|campaign| campaign.id));
        self.outputs.tell(Notice::Leg { strategy, order, purpose, campaign, fill: *fill });
        self.close_early(at, fill.instrument);
        let Structures { chains, desks, outcomes, settled, .. } = &mut self.structures;
        let desk = &mut desks[at];
        let held = desk.held(fill.instrument);
        match (settled.get_mut(&fill.instrument), (-held).side()) {
            // It was settled before this was told.
            (Some(Settled { price, fee, by_venue: true }), Some(side)) => {
                let (qty, price, fee) = (held.abs(), *price, std::mem::take(fee));
                let back = Fill { price, reference: price, side, qty, fee, ..*fill };
                desk.forced(&back, Purpose::Settlement, chains, outcomes);
            }
            // The venue is about to settle what it holds of this.
            (Some(settled), Some(_)) => {
                desk.note_settled(fill.instrument, settled.price);
                desk.resolve(outcomes);
            }
            _ => desk.resolve(outcomes),
        }
        self.apply_outcomes(at);
        self.see_legs(at);
        self.close_told();
    }

    /// Whether what the venue forces in an instrument is a matter of desks.
    pub(crate) fn is_leg(&self, instrument: InstrumentId) -> bool {
        !self.structures.desks.is_empty() && self.catalogue.instruments[instrument.index()].kind.is_option()
    }

    /// The venue settled or liquidated an option: whoever holds it has his part of it. The account has taken it in.
    pub(crate) fn on_forced_leg(&mut self, order: OrderId, fill: &Fill, purpose: Purpose) {
        let settles = purpose == Purpose::Settlement;
        // Whoever is on the other side goes too where all of it goes.
        let held: Qty = self.structures.desks.iter().map(|desk| desk.held(fill.instrument)).sum();
        let flat = settles || (held + fill.signed_qty()).is_zero();
        let mut left = fill.qty;
        let mut closes = Vec::new();
        for (at, desk) in self.structures.desks.iter().enumerate() {
            let held = desk.held(fill.instrument);
            let Some(side) = (-held).side() else { continue };
            let qty = if flat { held.abs() } else { held.abs().min(left) };
            if (flat || side == fill.side) && !qty.is_zero() {
                closes.push((at, side, qty));
                left = (left - qty).max(Qty::ZERO);
            }
        }
        let whole: Qty = closes.iter().map(|(.., qty)| *qty).sum();
        let untold = if flat { Qty::ZERO } else { left };
        let later = part_of(fill.fee, untold.raw().into(), fill.qty.raw().into());
        if !untold.is_zero() {
            let rest = Early { order, purpose, fill: Fill { qty: untold, fee: later, ..*fill } };
            self.structures.early.push(rest);
        }
        if settles {
            let fee = if closes.is_empty() { fill.fee } else { Cash::ZERO };
            let by_venue = fill.liquidity != Liquidity::Internal;
            self.structures.settled.insert(fill.instrument, Settled { price: fill.price, fee, by_venue });
        }
        let mut fee = fill.fee - later;
        for (number, (at, side, qty)) in closes.iter().copied().enumerate() {
            let last = number + 1 == closes.len();
            let part = if last { fee } else { part_of(fill.fee - later, qty.raw().into(), whole.raw().into()) };
            fee -= part;
            self.force_leg(at, order, purpose, &Fill { side, qty, fee: part, ..*fill });
        }
        self.close_told();
    }

    /// What the venue closed, and of which no fill is still to be told, was closed by an order too: whoever traded the option last has
    /// the rest, and trades it back.
    fn close_told(&mut self) {
        let books = &self.books;
        let is_told = |early: &Early| {
            let Fill { account, execution, .. } = early.fill;
            execution != 0 && books[account.index()].executions.all_told(execution)
        };
        if let Some(number) = self.structures.early.iter().position(is_told) {
            let Early { order, purpose, fill } = self.structures.early.remove(number);
            let traded = self.structures.desks.iter().position(|desk| desk.traded(fill.instrument));
            self.force_leg(traded.unwrap_or(0), order, purpose, &fill);
            self.close_told();
        }
    }

    fn force_leg(&mut self, at: usize, order: OrderId, purpose: Purpose, fill: &Fill) {
        self.has_traded = true;
        let Structures { chains, desks, outcomes, .. } = &mut self.structures;
        let desk = &mut desks[at];
        let scope = &self.scopes[desk.scope as usize];
        let (strategy, campaign) = (scope.id, scope.campaign.as_ref().map(|campaign| campaign.id));
        self.outputs.tell(Notice::Leg { strategy, order, purpose, campaign, fill: *fill });
        let waited = desk.is_choosing();
        desk.forced(fill, purpose, chains, outcomes);
        let (scope, choosing) = (desk.scope, desk.is_choosing());
        let rolls = desk.rolling;
        self.scopes[scope as usize].tell();
        self.dirty.touch(scope);
        if rolls && purpose == Purpose::Settlement {
            let sentence = [
                "expired: {} of the call at {} until {}, settled in cash at {}",
                "expired: {} of the put at {} until {}, settled in cash at {}",
            ];
            self.note_leg(scope, fill.instrument, -fill.signed_qty(), fill.price, sentence);
        }
        self.apply_outcomes(at);
        if choosing {
            if !waited {
                self.note(scope, "new legs follow once they are quoted", []);
            }
            let price = self.structures.desks[at].price(&self.structures.chains);
            self.see_structure(at, price);
        }
        self.see_legs(at);
    }

    /// A desk heard of a fill: what the venue closed of it before is closed now.
    fn close_early(&mut self, at: usize, instrument: InstrumentId) {
        for number in 0..self.structures.early.len() {
            let Early { order, purpose, fill } = self.structures.early[number];
            let held = self.structures.desks[at].held(instrument);
            if fill.instrument != instrument || held.side() != Some(fill.side.opposite()) {
                continue;
            }
            let qty = held.abs().min(fill.qty);
            let fee = part_of(fill.fee, qty.raw().into(), fill.qty.raw().into());
            self.structures.early[number].fill = Fill { qty: fill.qty - qty, fee: fill.fee - fee, ..fill };
            self.force_leg(at, order, purpose, &Fill { qty, fee, ..fill });
        }
        self.structures.early.retain(|early| !early.fill.qty.is_zero());
    }

    /// Options have expired of which strategies hold opposite sides: the venue settles nothing, so they settle with each other.
    fn settle_unheld(&mut self) {
        let due = |line: &&Line| line.expiry <= self.now && !line.held.is_zero();
        let lines = self.structures.desks.iter().flat_map(|desk| &desk.lines);
        // Empty on nearly every input, so that nothing is allocated.
        let mut options: Vec<InstrumentId> = lines.filter(due).map(|line| line.instrument).collect();
        options.sort_unstable();
        options.dedup();
        for instrument in options {
            let index = instrument.index();
            let account = units::AccountId(self.traded[index].account);
            let held: Qty = self.structures.desks.iter().map(|desk| desk.held(instrument)).sum();
            // What of it is under way was filled or not before it expired: the venue is about to tell, and settles what was.
            let is_sent = |desk: &Desk| desk.sent.iter().any(|order| order.instrument == instrument);
            if self.structures.desks.iter().any(is_sent) {
                continue;
            }
            if !held.is_zero() || !self.books[account.index()].account.position(index).qty.is_zero() {
                continue;
            }
            let Some(price) = self.settlement_prices.get(&instrument).copied() else { continue };
            let fill = Fill {
                account,
                instrument,
                side: Side::Sell,
                qty: Qty::ZERO,
                price,
                reference: price,
                fee: Cash::ZERO,
                liquidity: Liquidity::Internal,
                forced: Some(Forced::Settlement),
                execution: 0,
            };
            // The venue's own number for settlements.
            self.on_forced_leg(OrderId(1), &fill, Purpose::Settlement);
        }
    }
}
