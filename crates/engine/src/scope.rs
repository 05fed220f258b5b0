//! One strategy in its instrument: facts, rules, campaign, working orders.

use crate::book::Book;
use crate::cuts::Breach;
use crate::engine::Told;
use crate::netting::Held;
use crate::route::{Live, Working};
use crate::sharing::Member;
use crate::volume::Volume;
use crate::{Adoption, Campaign, HedgeView, Purpose, Sharing, StrategyConfig};
use arrayvec::ArrayVec;
use market::{Conversion, Instrument};
use policy::facts::{self, Fact, FactId, Facts};
use policy::spec::TargetGreek;
use policy::{Arg, Because, CampaignTerms, Indicator, Reductions, Region, Rule, Target};
use pricing::Ohlc;
use std::collections::VecDeque;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, Cash, InstrumentId, Price, Qty, Ratio, StrategyId, Timestamp};

/// One strategy in its instrument. Laid out as it is written: what every price asks for comes first and close together, so that with
/// many strategies an event touches few lines of memory.
#[repr(C)]
pub(crate) struct Scope {
    pub(crate) indicators: Box<[Box<dyn Indicator>]>,
    /// Between these prices no price is the best or the worst of the campaign, and none crosses what was refused: what
    /// [`Campaign::reach`] goes by, where it is looked at with every price. It follows from those, and is no state.
    within: (Price, Price),
    pub(crate) instrument: InstrumentId,
    /// The version of days and weeks that its facts tell.
    pub(crate) periods: u32,
    /// It has anything that most strategies have not: looked at first, so that those pay for one look.
    pub(crate) is_special: bool,
    /// No other strategy of the account trades the instrument.
    pub(crate) alone: bool,
    /// Facts of the position and the campaign are out of date.
    pub(crate) stale: bool,
    /// A resting order was filled or a refused trigger crossed in this input: its plan is recorded in any case.
    pub(crate) crossed: bool,
    /// Decisions until a region is looked for again, after none was found.
    until_asked: u8,
    /// Whether the region has spared an evaluation.
    passed: bool,
    /// No indicator has to see prices inside the region.
    idles: bool,
    /// A fill told its price before the market did: equity, at the mark of before, is told at that price.
    pub(crate) ahead: bool,
    /// Where the last decision, which changed nothing, would be made again. It follows from facts and rules, and is no state.
    pub(crate) region: Region,
    pub(crate) working: Working,
    /// Trigger of an add that the last decision refused.
    pub(crate) refused_trigger: Option<Price>,
    pub(crate) facts: Facts,
    pub(crate) campaign: Option<Campaign>,
    pub(crate) because: Because,
    pub(crate) position: Qty,
    /// A fingerprint of which rules refuse, cut or hold back: a plan is recorded when it changes.
    pub(crate) limits: u64,
    pub(crate) rules: Vec<Box<dyn Rule>>,
    pub(crate) account: AccountId,
    /// The number of its desk, if it trades a structure of options.
    pub(crate) desk: Option<u32>,
    /// The hedge that compares costs of which it is an instrument, or which may give it up.
    pub(crate) choice: Option<u32>,
    /// The Greek that it brings to a level.
    pub(crate) levels: Option<TargetGreek>,
    pub(crate) id: StrategyId,
    /// Signed quantities that the venue refused since the last decision, and whether for want of margin.
    refusals: ArrayVec<(Qty, bool), REFUSALS_MAX>,
    /// Price information of the input being handled.
    pub(crate) seen: Option<Ohlc>,
    /// What the region's decision came to, to check it by.
    settled: Target,
    /// How it shares the account's equity.
    pub(crate) sharing: Option<Sharing>,
    /// What it counts for in its group.
    pub(crate) member: Member,
    /// The anchors for an opening position, until there is one.
    pub(crate) adoption: Option<Adoption>,
    /// Rules read what of the account is not told to all.
    pub(crate) reads_funds: bool,
    pub(crate) reads_margin: bool,
    /// Rules read the extremes of an input, or how many orders were sent.
    pub(crate) reads_range: bool,
    pub(crate) reads_sent: bool,
    /// Increases go out at a limit.
    pub(crate) collared: bool,
    /// Some rule is a limit on a fact, which increases have to fit.
    pub(crate) limited: bool,
    /// The terms of its limits on the gross exposure of the account, to be compared with those of others. `None`: it has no such limit.
    pub(crate) shared_terms: Option<Vec<String>>,
    /// Where it is in bringing back a breach of those.
    pub(crate) breach: Breach,
    /// Values that are told in the quote currency of the instrument, and how they are translated.
    pub(crate) amounts: Vec<(Fact<Cash>, Cash, Conversion)>,
    pub(crate) terms: CampaignTerms,
    /// Since the last payment of funding; kept where others trade the instrument too.
    pub(crate) held: Held,
    /// Full size that the entry order in flight belongs to.
    pub(crate) planned_base: Qty,
    /// N when the entry in flight was decided: what its fill falls back on, if N is too old by then.
    pub(crate) planned_unit: Option<Price>,
    /// Signed quantities that the last plan would have held and added, had no limit lowered them.
    pub(crate) planned_whole: Qty,
    pub(crate) planned_add: Qty,
    /// What of the add at the venue follows in further orders, and where its unit lapses.
    pub(crate) planned_rest: Qty,
    pub(crate) planned_chase: Option<Price>,
    /// Signed quantity that an entry or add is on the way to in several orders, and which of them it is.
    pub(crate) entering: Option<(Qty, Purpose)>,
    /// When orders were sent, over the time in which they are counted.
    pub(crate) sent: VecDeque<Timestamp>,
    /// Limits whose breach is answered by what costs least of all positions under them.
    pub(crate) reductions: Option<Box<Reductions>>,
    /// What is traded of its instrument, where its rules ask.
    pub(crate) volume: Option<Box<Volume>>,
    /// What its campaigns that have closed earned, after fees and funding.
    pub(crate) earned: Cash,
    /// When its contract expires.
    expiry: Option<Timestamp>,
    /// That it has expired was told: nothing is decided from then on.
    over: bool,
}

/// Between these prices there is none.
const NOWHERE: (Price, Price) = (Price::MAX, Price::ZERO);
/// Decisions between two searches for a region where none was found.
const ASK_EVERY: u8 = 16;
/// Refusals that one plan can tell of.
const REFUSALS_MAX: usize = 4;

impl Scope {
    pub(crate) fn new(
        id: StrategyId,
        config: StrategyConfig,
        account: AccountId,
        instrument: &Instrument,
        series: usize,
    ) -> Self {
        let rules = &config.program.rules;
        let reads = |fact: FactId| rules.iter().any(|rule| rule.reads().contains(&fact));
        let mut facts = Facts::new(series);
        facts.set_now(Timestamp::from_nanos(0));
        facts.set(facts::TICK, instrument.tick);
        facts.set(facts::LOT, instrument.lot);
        facts.set(facts::MIN_QTY, instrument.min_qty);
        facts.set(facts::CONTRACT, instrument.kind.contract());
        facts.set(facts::COIN, facts::Code::new(instrument.base.as_str()));
        Self {
            id,
            account,
            desk: None,
            choice: None,
            levels: None,
            alone: true,
            sharing: config.sharing,
            member: Member::default(),
            adoption: config.adoption,
            reads_funds: reads(facts::FUNDS.id()),
            reads_margin: reads(facts::MARGIN_EQUITY.id()),
            reads_range: reads(facts::HIGH.id()),
            reads_sent: config.program.campaign.order_window.is_some(),
            collared: rules.iter().any(|rule| rule.name() == "price_collar"),
            limited: rules.iter().any(|rule| rule.name() == "limit"),
            shared_terms: Some(rules.iter().filter_map(|rule| rule.shared_terms()).collect::<Vec<_>>())
                .filter(|terms| !terms.is_empty()),
            breach: Breach::None,
            is_special: true,
            instrument: config.instrument,
            amounts: Vec::new(),
            reductions: Some(Box::new(config.program.reductions)).filter(|some| !some.limits.is_empty()),
            volume: config
                .program
                .campaign
                .volume
                .map(|terms| Box::new(Volume::new(terms, instrument.kind.contract()))),
            earned: Cash::ZERO,
            indicators: config.program.indicators.into(),
            rules: config.program.rules,
            terms: config.program.campaign,
            facts,
            campaign: None,
            position: Qty::ZERO,
            held: Held::default(),
            working: Working::default(),
            planned_base: Qty::ZERO,
            planned_unit: None,
            planned_whole: Qty::ZERO,
            planned_add: Qty::ZERO,
            planned_rest: Qty::ZERO,
            planned_chase: None,
            entering: None,
            sent: VecDeque::new(),
            because: Because::default(),
            seen: None,
            refused_trigger: None,
            limits: 0,
            periods: 0,
            expiry: instrument.kind.expiry(),
            over: false,
            stale: true,
            crossed: false,
            region: Region::default(),
            within: NOWHERE,
            until_asked: 0,
            passed: false,
            idles: false,
            ahead: false,
            settled: Target::default(),
            refusals: ArrayVec::new(),
        }
    }

    /// Once it is complete.
    pub(crate) fn find_special(&mut self) {
        let reads = self.terms.hedges || self.reads_funds || self.reads_margin || self.reads_range || self.reads_sent;
        let expires = self.expiry.is_some() || self.volume.is_some();
        self.is_special = reads || expires || self.collared || self.desk.is_some() || !self.amounts.is_empty();
    }

    /// What it has earned so far, with what is open at the price of now.
    pub(crate) fn earned_so_far(&self) -> Cash {
        let open = self.campaign.as_ref().zip(self.facts.get(facts::PRICE));
        self.earned + open.map_or(Cash::ZERO, |(campaign, price)| campaign.net_profit(price))
    }

    /// Tells rules what only those of a special strategy read.
    #[inline(never)]
    pub(crate) fn tell_special(&mut self, last: &[Price], now: Timestamp) {
        if self.desk.is_some() {
            // A structure's unit is no part of the coins that lie beside it: a covered call is sized on all of them.
            self.facts.put(facts::COLLATERAL, None);
        }
        if !self.amounts.is_empty() {
            self.tell_amounts(last);
        }
        if self.reads_sent {
            self.count_sent(now);
        }
        if let Some(volume) = &self.volume {
            volume.tell(now, &mut self.facts);
            self.facts.set(facts::IN_FLIGHT, self.working.in_flight().0);
        }
        if self.terms.hedges {
            self.facts.set(facts::ON_THE_WAY, self.working.on_the_way());
        }
    }

    /// What it sees now, if it is a hedge that knows the delta of what it hedges.
    pub(crate) fn hedge_view(&self) -> Option<HedgeView> {
        // Others are told something else in these slots.
        let delta = self.facts.get(facts::HEDGED).filter(|_| self.terms.hedges)?;
        Some(HedgeView {
            delta,
            gross: self.facts.get(facts::HEDGED_GROSS).unwrap_or_default(),
            gamma: self.facts.get(facts::HEDGED_GAMMA).unwrap_or_default(),
            position: self.facts.get(facts::POSITION).unwrap_or_default(),
            on_the_way: self.facts.get(facts::ON_THE_WAY).unwrap_or_default(),
        })
    }

    /// New price information, of an input that may hold more of it.
    #[inline(always)]
    pub(crate) fn see(&mut self, seen: &Ohlc) {
        self.see_price(seen);
        if !self.indicators.is_empty() {
            self.see_bar(seen);
        }
    }

    /// What a price tells at once: the fact, the campaign's extremes, and whether a refused trigger was crossed.
    #[inline(always)]
    pub(crate) fn see_price(&mut self, seen: &Ohlc) {
        self.facts.set_price(seen.close);
        if self.is_special && self.reads_range {
            self.see_range(seen);
        }
        self.reach(seen.high, seen.low);
    }

    /// A price and what it makes of the account, where it concerns this strategy alone: the same as [`Self::see_price`], then
    /// [`Self::read`] but for drawdown. Whether nothing but equity has changed of the account.
    #[inline(always)]
    pub(crate) fn read_price(&mut self, now: Timestamp, told: &Told, book: &Book, equity: Cash) -> bool {
        let Told { close, high, low } = *told;
        let told = (now, close, equity);
        let is_calm = book.publish_price(self.instrument.index(), told, &mut self.periods, &mut self.facts);
        self.reach(high, low);
        is_calm
    }

    /// The campaign's extremes, and whether a refused trigger was crossed.
    #[inline(always)]
    fn reach(&mut self, high: Price, low: Price) {
        if self.within.0 <= low && high <= self.within.1 && self.region.is_known() {
            return;
        }
        if let Some(campaign) = &mut self.campaign {
            // Written only where it is news, here as below: few stores wait at a time.
            if campaign.reach(high, low) {
                self.stale = true;
            }
            if let Some(trigger) = self.refused_trigger {
                let long = campaign.peak.signum() > 0;
                let crossed = if long { high >= trigger } else { low <= trigger };
                if crossed {
                    self.tell();
                }
            }
        }
    }

    /// The trigger of the add that the last decision refused, if it refused one: every price is held against it.
    #[inline]
    pub(crate) fn refuse(&mut self, trigger: Option<Price>) {
        self.refused_trigger = trigger;
        if trigger.is_some() {
            self.within = NOWHERE;
        }
    }

    /// Its campaign pays or receives funding.
    pub(crate) fn pay_funding(&mut self, amount: Cash) {
        self.within = NOWHERE;
        if let Some(campaign) = &mut self.campaign {
            campaign.pay_funding(amount);
        }
    }

    /// What indicators see of the input.
    #[inline]
    fn see_bar(&mut self, seen: &Ohlc) {
        self.seen = Some(match self.seen {
            Some(earlier) => Ohlc {
                opened: earlier.opened,
                open: earlier.open,
                high: earlier.high.max(seen.high),
                low: earlier.low.min(seen.low),
                ..*seen
            },
            None => *seen,
        });
    }

    #[inline(never)]
    fn see_range(&mut self, seen: &Ohlc) {
        let high = self.facts.get(facts::HIGH).map_or(seen.high, |high| high.max(seen.high));
        let low = self.facts.get(facts::LOW).map_or(seen.low, |low| low.min(seen.low));
        self.facts.set(facts::HIGH, high);
        self.facts.set(facts::LOW, low);
    }

    /// The venue refused an order: the next plan says so.
    pub(crate) fn note_refusal(&mut self, order: &Live, margin: bool) {
        // Beyond what a plan has room for, the order's own row still tells.
        let _fits = self.refusals.try_push((order.open(), margin));
    }

    /// Begins the next plan with what the venue refused since the last one.
    #[inline]
    pub(crate) fn tell_refusals(&mut self) {
        if !self.refusals.is_empty() {
            self.tell_each_refusal();
        }
    }

    #[cold]
    fn tell_each_refusal(&mut self) {
        for (qty, margin) in std::mem::take(&mut self.refusals) {
            self.tell();
            let template = if margin {
                "the venue refused {}: not enough margin"
            } else {
                "the venue refused {}: see the order's reason"
            };
            self.because.refused(template, [Arg::Qty(qty)]);
        }
    }

    /// The next plan is recorded in any case. It begins with what is told from here on, not with the last decision.
    #[cold]
    pub(crate) fn tell(&mut self) {
        if !std::mem::replace(&mut self.crossed, true) {
            self.because.clear();
        }
    }

    /// Whether any rule reads a fact.
    pub(crate) fn reads(&self, fact: FactId) -> bool {
        self.rules.iter().any(|rule| rule.reads().contains(&fact))
    }

    /// Tells the strategy of its account.
    #[inline(always)]
    pub(crate) fn read(&mut self, book: &Book) {
        let told = self.periods;
        book.publish(self.instrument.index(), &mut self.periods, &mut self.facts);
        if told != self.periods {
            self.region.follow_nothing();
        }
    }

    /// What its account's positions in the instrument have earned between the mark and the price that a fill told: nothing once the market
    /// has told it too.
    #[cold]
    #[inline(never)]
    pub(crate) fn earned_ahead(&mut self, book: &Book) -> Cash {
        let index = self.instrument.index();
        let (mark, price) = (book.account.mark(index), self.facts.get(facts::PRICE).unwrap_or_default());
        if mark == price || mark.is_zero() {
            self.ahead = false;
            return Cash::ZERO;
        }
        book.account.contract(index).profit(book.account.position(index).qty, mark, price)
    }

    /// Tells equity, and how far it is under its highest, at the price that a fill told. The highest itself is the market's.
    #[cold]
    #[inline(never)]
    pub(crate) fn read_ahead(&mut self, book: &Book) {
        let earned = self.earned_ahead(book);
        if earned.is_zero() {
            return;
        }
        let equity = book.account.equity_for(self.instrument.index()) + earned;
        self.facts.set(facts::EQUITY, equity);
        if let Some(highest) = book.highest_told().filter(|highest| highest.raw() > 0) {
            let missing = (highest - equity).max(Cash::ZERO).approximate() / highest.approximate();
            self.facts.put(facts::DRAWDOWN, Ratio::new(missing));
        }
    }

    /// The decision is made: equity and drawdown are told at the mark again.
    #[cold]
    #[inline(never)]
    pub(crate) fn read_behind(&mut self, book: &Book) {
        self.facts.set(facts::EQUITY, book.account.equity_for(self.instrument.index()));
        book.publish_drawdown(&mut self.facts);
    }

    /// What its account is worth, at the price that it decides by.
    pub(crate) fn worth(&mut self, book: &Book) -> Cash {
        let equity = book.account.equity_for(self.instrument.index());
        if self.ahead { equity + self.earned_ahead(book) } else { equity }
    }

    /// Tells it of what else its account is exposed to, where nothing stands beside it in its own instrument.
    #[inline(always)]
    pub(crate) fn read_others(&mut self, book: &Book) {
        self.facts.set(facts::OTHERS, book.others(self.instrument.index(), Qty::ZERO));
    }

    /// What became of its orders.
    #[inline(always)]
    pub(crate) fn tell_news(&mut self) {
        self.tell_refusals();
        if self.working.triggered_add().is_some() {
            crate::pipeline::lapse_if_left_behind(self);
        }
    }

    /// Whether its region, if it is inside, is of prices that no indicator has to see.
    #[inline(always)]
    pub(crate) fn idles(&self) -> bool {
        self.idles && self.region.is_known()
    }

    /// Brings facts of the campaign up to date.
    #[inline(always)]
    pub(crate) fn tell_campaign(&mut self) {
        if self.stale {
            self.publish_campaign();
        }
    }

    /// Brings facts of indicators up to date, once those of the campaign are.
    #[inline(always)]
    pub(crate) fn indicate(&mut self, seen: Option<&Ohlc>) {
        for indicator in &mut self.indicators {
            indicator.observe(seen, &mut self.facts);
        }
    }

    /// Lets rules see a price inside the region: those that remember something of it.
    #[inline(always)]
    pub(crate) fn observe_inside(&mut self, book: &Book) {
        if self.region.observers() != 0 {
            book.publish_drawdown(&mut self.facts);
            self.observe_some();
        }
    }

    /// The same where all facts were told.
    #[inline(always)]
    pub(crate) fn observe_some(&mut self) {
        let mut observers = self.region.observers();
        while observers != 0 {
            self.rules[observers.trailing_zeros() as usize].observe(&self.facts);
            observers &= observers - 1;
        }
        self.forget_range();
    }

    /// Lets rules see the input.
    #[inline(always)]
    pub(crate) fn observe(&mut self) {
        for rule in &mut self.rules {
            rule.observe(&self.facts);
        }
        self.forget_range();
    }

    /// The extremes of an input are of that input.
    #[inline(always)]
    fn forget_range(&mut self) {
        if self.is_special && self.reads_range {
            self.facts.put(facts::HIGH, None);
            self.facts.put(facts::LOW, None);
        }
    }

    /// Whether nothing is told to it that has to wait until its rules have seen the input, and no contract of it expires.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        let is_plain = !self.is_special || (self.desk.is_none() && !self.terms.hedges && self.expiry.is_none());
        is_plain && self.choice.is_none()
    }

    /// Facts that are no state were told: rules keep what they go by later.
    pub(crate) fn keep_told(&mut self) {
        for rule in &mut self.rules {
            rule.keep(&self.facts);
        }
    }

    #[inline(never)]
    fn publish_campaign(&mut self) {
        self.stale = false;
        self.facts.set(facts::POSITION, self.position);
        Campaign::publish(self.campaign.as_ref(), &mut self.facts);
    }

    /// Whether its contract has expired, nothing is left of it, and that was told in a decision already.
    #[inline]
    pub(crate) fn is_over(&mut self, now: Timestamp) -> bool {
        if self.expiry.is_none_or(|expiry| now < expiry) {
            return false;
        }
        let is_left = !self.position.is_zero() || !self.working.is_empty() || self.crossed;
        !is_left && std::mem::replace(&mut self.over, true)
    }

    /// Tells rules what amounts of other currencies are in the quote currency, at the last prices of all instruments.
    #[cold]
    pub(crate) fn tell_amounts(&mut self, last: &[Price]) {
        for (fact, amount, way) in &self.amounts {
            let price = way.instrument().map(|instrument| last[instrument]).filter(|price| !price.is_zero());
            self.facts.put(*fact, way.forward(*amount, price));
        }
    }

    /// Tells rules how many orders were sent lately.
    pub(crate) fn count_sent(&mut self, now: Timestamp) {
        let Some(window) = self.terms.order_window else { return };
        while self.sent.front().is_some_and(|sent| now.since(*sent) >= window) {
            self.sent.pop_front();
        }
        self.facts.set(facts::SENT, self.sent.len() as u32);
        let unit = self.working.add().and_then(|live| match live.purpose {
            Purpose::Add { unit } => Some(unit),
            _ => None,
        });
        self.facts.put(facts::RESTING_ADD, unit);
    }

    /// What a fill does to an entry or add that goes out in several orders. Whether it is a further piece of an add.
    pub(crate) fn go_on(&mut self, purpose: Purpose, signed: Qty) -> bool {
        let is_piece =
            matches!(purpose, Purpose::Add { .. }) && self.entering.is_some_and(|(_, entering)| entering == purpose);
        match purpose {
            Purpose::Add { .. } if !is_piece => {
                let rest = std::mem::take(&mut self.planned_rest);
                self.entering = match self.entering {
                    // An entry on its way goes on beside the add.
                    Some((whole, entering)) => Some((whole + signed + rest, entering)),
                    None => (!rest.is_zero()).then_some((self.position + rest, purpose)),
                };
            }
            Purpose::Entry | Purpose::Resize | Purpose::Add { .. } => {}
            // Whoever takes something off does not go on to add.
            _ => self.entering = None,
        }
        self.entering = self.entering.filter(|(whole, _)| self.position.abs() < whole.abs());
        self.facts.put(facts::ENTERING, self.entering.map(|(whole, _)| whole));
        is_piece
    }

    /// Runs the rules in order over the facts.
    #[inline(always)]
    pub(crate) fn evaluate(&mut self) -> Target {
        policy::evaluate(&self.rules, &self.facts, &mut self.because)
    }

    /// Whether the next evaluation is to look for a region: none was missing lately.
    #[inline(always)]
    pub(crate) fn asks(&mut self) -> bool {
        let asks = self.until_asked == 0;
        self.until_asked = self.until_asked.saturating_sub(1);
        asks
    }

    /// The same as [`Self::evaluate`], and looks for a region.
    #[inline(never)]
    pub(crate) fn evaluate_asking(&mut self) -> Target {
        let target = policy::evaluate_asking(&self.rules, &self.facts, &mut self.because, &mut self.region);
        if !self.region.is_known() {
            self.until_asked = ASK_EVERY;
        }
        target
    }

    /// The decision just made changed nothing: keeps the region in which that is so, if there is one. Not while an add is triggered and
    /// unfilled, which every price may leave behind, or an increase within its collar, which is taken back: inside a region there is no
    /// [news](Self::tell_news).
    #[inline]
    pub(crate) fn rest(&mut self, target: Target, book: &Book) {
        if self.working.triggered_add().is_some() || (self.collared && !self.working.collared().is_zero()) {
            self.region.forget();
        }
        if self.region.is_known() {
            self.region.put_in_force(&mut self.facts);
            let facts = &mut self.facts;
            self.idles = !self.region.minds_unit() && self.indicators.iter().all(|indicator| indicator.idles(facts));
            let extremes = self.campaign.as_ref().filter(|_| self.refused_trigger.is_none()).map(Campaign::extremes);
            self.within = extremes.unwrap_or(NOWHERE);
            self.follow_equity(book);
            (self.settled, self.passed) = (target, false);
        }
    }

    /// From now on a price needs to tell no drawdown, until more than equity changes of the account.
    #[inline]
    pub(crate) fn follow_equity(&mut self, book: &Book) {
        if let Some(highest) = book.highest_told() {
            self.region.follow_equity(highest);
        }
    }

    /// Whether the last decision would be made again.
    #[inline(always)]
    pub(crate) fn is_quiet(&mut self) -> bool {
        if self.crossed || !self.region.holds(&self.facts) {
            self.leave();
            return false;
        }
        self.pass();
        #[cfg(debug_assertions)]
        self.check_quiet();
        true
    }

    /// The same after a price that told no drawdown, where nothing but equity has changed of the account. `false`: that is not known
    /// before drawdown is told.
    #[inline(always)]
    pub(crate) fn is_quiet_at_price(&mut self) -> bool {
        let is_quiet = !self.crossed && self.region.holds_at_price(&self.facts);
        if is_quiet {
            self.pass();
        }
        is_quiet
    }

    /// An evaluation is spared.
    #[inline(always)]
    fn pass(&mut self) {
        if !self.passed {
            self.passed = true;
        }
    }

    /// That equity tells where drawdown is; in builds that check, of every price that is passed.
    #[cfg(debug_assertions)]
    pub(crate) fn check_quiet_at_price(&mut self, book: &Book) {
        book.publish_drawdown(&mut self.facts);
        assert!(self.region.holds(&self.facts), "equity hides a drawdown");
        self.check_quiet();
    }

    /// The facts are outside the region, if there is one.
    #[inline(never)]
    fn leave(&mut self) {
        if self.region.is_known() && !std::mem::take(&mut self.passed) {
            // It was left at once, and so may the next be.
            self.until_asked = ASK_EVERY / 4;
        }
    }

    /// What a region says is what an evaluation says, and who rests there remembers nothing new; in builds that check, of every input
    /// that is passed.
    #[cfg(debug_assertions)]
    fn check_quiet(&mut self) {
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if self.region.observers() >> index & 1 == 0 {
                let (mut before, mut after) = (StateWriter::new(), StateWriter::new());
                rule.save(&mut before);
                rule.observe(&self.facts);
                rule.save(&mut after);
                assert_eq!(
                    before.as_bytes(),
                    after.as_bytes(),
                    "{} remembers something inside its region",
                    rule.name()
                );
            }
        }
        let is_unfilled = self.collared && !self.working.collared().is_zero();
        let has_news = !self.refusals.is_empty() || self.working.triggered_add().is_some() || is_unfilled;
        assert!(!has_news, "news of orders inside a region");
        let mut because = Because::default();
        because.clear();
        let target = policy::evaluate(&self.rules, &self.facts, &mut because);
        let said = |because: &Because| {
            let steps = because.steps().iter().map(|step| (step.rule, step.outcome, step.reason.template));
            (steps.collect::<Vec<_>>(), because.exits().to_vec(), because.add(), because.last_refused_add())
        };
        let told = |because: &Because| (because.limits(), because.is_stopped(), because.worst(), because.whole());
        assert_eq!(target, self.settled, "a region hides another target");
        assert_eq!(said(&because), said(&self.because), "a region hides what a rule says");
        assert_eq!(told(&because), told(&self.because), "a region hides a limit");
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.facts.save(out);
        for indicator in &self.indicators {
            indicator.save(out);
        }
        for rule in &self.rules {
            rule.save(out);
        }
        out.option(self.campaign.as_ref(), |out, campaign| campaign.save(out));
        out.i64(self.position.raw());
        self.held.save(out);
        self.working.save(out);
        for planned in [self.planned_base, self.planned_whole, self.planned_add, self.planned_rest] {
            out.i64(planned.raw());
        }
        out.option(self.planned_chase, |out, price| out.i64(price.raw()));
        out.option(self.entering, |out, (whole, purpose)| {
            out.i64(whole.raw());
            purpose.save(out);
        });
        out.len(self.sent.len());
        for sent in &self.sent {
            out.i64(sent.nanos());
        }
        if let Some(volume) = &self.volume {
            volume.save(out);
        }
        out.i128(self.earned.raw());
        out.option(self.planned_unit, |out, unit| out.i64(unit.raw()));
        out.option(self.refused_trigger, |out, price| out.i64(price.raw()));
        out.u64(self.limits);
        self.breach.save(out);
        out.u32(self.periods);
        out.bool(self.ahead);
        out.bool(self.stale);
        out.bool(self.over);
        self.member.save(out);
        out.bool(self.adoption.is_some());
        out.len(self.refusals.len());
        for (qty, margin) in &self.refusals {
            out.i64(qty.raw());
            out.bool(*margin);
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.region.forget();
        self.facts.load(from)?;
        for indicator in &mut self.indicators {
            indicator.load(from)?;
        }
        for rule in &mut self.rules {
            rule.load(from)?;
        }
        self.campaign = from.option(Campaign::load)?;
        self.position = Qty::from_raw(from.i64()?);
        self.held = Held::load(from)?;
        self.working = Working::load(from)?;
        let planned = [&mut self.planned_base, &mut self.planned_whole, &mut self.planned_add, &mut self.planned_rest];
        for planned in planned {
            *planned = Qty::from_raw(from.i64()?);
        }
        self.planned_chase = from.option(StateReader::i64)?.map(Price::from_raw);
        self.entering = from.option(|from| Ok((Qty::from_raw(from.i64()?), Purpose::load(from)?)))?;
        self.sent.clear();
        for _ in 0..from.len()? {
            self.sent.push_back(Timestamp::from_nanos(from.i64()?));
        }
        if let Some(volume) = &mut self.volume {
            volume.load(from)?;
        }
        self.earned = Cash::from_raw(from.i128()?);
        self.planned_unit = from.option(StateReader::i64)?.map(Price::from_raw);
        self.refused_trigger = from.option(StateReader::i64)?.map(Price::from_raw);
        self.limits = from.u64()?;
        self.breach = Breach::load(from)?;
        self.periods = from.u32()?;
        self.ahead = from.bool()?;
        self.stale = from.bool()?;
        self.over = from.bool()?;
        self.member = self.member.load(from)?;
        if !from.bool()? {
            self.adoption = None;
        }
        self.refusals.clear();
        for _ in 0..from.len()?.min(REFUSALS_MAX) {
            self.refusals.push((Qty::from_raw(from.i64()?), from.bool()?));
        }
        Ok(())
    }
}
