//! Who brings back a delta that has left its band: of the instruments that a hedge may trade, and of giving up what is hedged, the one that
//! costs least until the hedge's horizon ([`risk::hedging`]).
//!
//! Instruments of one hedge are strategies of their own. Each is told the delta of what is hedged together with that of the others,
//! orders on their way included, so that what one has ordered is nobody's to do again; and whose turn it is. Costs are counted in shares of
//! one reference price, that of the first instrument which has one: contracts in different dollars are compared as if those were one.

mod options;

use self::options::{FEE_CAP, No, Options};
use crate::ENGINE_RULE;
use crate::desk::{Line, offered};
use crate::engine::Engine;
use crate::guard::RESERVE;
use crate::held::Delta;
use arrayvec::ArrayVec;
use market::{FundingRate, InstrumentKind, Source};
use policy::facts;
use policy::rules::Turn;
use policy::spec::{ALTERNATIVES_MAX, Choice, ExpectedVolatility, Hedge, HedgeTo};
use policy::{Arg, CurrencyCode, STEPS_MAX};
use risk::hedging::{Instrument, Kind, Need, Offer, Refused, choose};
use std::collections::VecDeque;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Contract, Duration, InstrumentId, Qty, Ratio, Round, Side, StrategyId, Timestamp};

/// Over how long recorded funding is averaged.
const FUNDING_WINDOW: Duration = Duration::from_nanos(7 * Duration::DAY.nanos());
/// For how long an instrument in which the venue refused an order, for want of margin mostly, or of which a cap did not bear all, is not
/// chosen for more on that side. What it holds can be traded back.
const REFUSED_FOR: Duration = Duration::DAY;
/// Days of a year, of rates and horizons.
const YEAR: f64 = 365.0;
/// Instruments of a hedge, and what is hedged.
const WAYS_MAX: usize = ALTERNATIVES_MAX + 2;

/// One of the instruments of a hedge that compares costs.
#[derive(Debug)]
pub struct HedgeChoice {
    /// Which hedge: its instruments have the same number, counted from zero, and come one behind the other, the policy's first choice
    /// first.
    pub group: u32,
    /// The hedge. It has a [`Choice`].
    pub hedge: Hedge,
    /// A trade of this instrument, as a share of value.
    pub cost: f64,
    /// What impact adds for each unit of the quote currency traded at once, as a share of value.
    pub impact: f64,
    /// Margin that it binds, as a share of value.
    pub margin: f64,
    /// What the width of a band that follows from costs follows from.
    pub band_cost: f64,
    /// Fee of a fill of an option, as a share of the underlying.
    pub option_fee: f64,
    /// The strategy whose structure may be given up.
    pub gives_up: Option<StrategyId>,
    /// Of options, which are bought: the volatility that is expected.
    pub expected: Option<ExpectedVolatility>,
}

/// What one of the instruments of a hedge came to, each time that they were compared.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// The strategy that trades it; of what is hedged, where that may be given up, its own.
    pub strategy: StrategyId,
    /// What was wanted.
    pub need: Need,
    /// Its costs and bounds. Without a price, a quote or a volatility it has no delta.
    pub instrument: Instrument,
    /// What became of the need in it.
    pub offer: Offer,
    /// Whether it was the one to act.
    pub is_chosen: bool,
}

/// An instrument of a hedge.
#[derive(Debug)]
struct Way {
    scope: usize,
    instrument: InstrumentId,
    cost: f64,
    impact: f64,
    margin: f64,
    /// Rates of the last days, with the times that they are for.
    funding: VecDeque<(Timestamp, f64, Duration)>,
    /// When the venue last refused a buy and a sale of it, or a cap did not bear what was wanted.
    refused: [Timestamp; 2],
    /// Where it is options.
    options: Option<Box<Options>>,
}

/// A hedge that compares costs.
#[derive(Debug)]
pub(crate) struct Choosing {
    hedge: Hedge,
    choice: Choice,
    band_cost: f64,
    option_fee: f64,
    gives_up: Option<usize>,
    ways: Vec<Way>,
    /// Delta of what is hedged, as it was last told.
    delta: Option<Delta>,
    /// What was compared last, and what it came to; in the order of `ways`, then what is hedged. No state.
    of: Option<Of>,
    offers: Vec<Offer>,
    chosen: Option<usize>,
    /// What of the structure is kept.
    kept: Option<Qty>,
    /// What was compared, and for what, as `offers`. No state.
    compared: ArrayVec<Instrument, WAYS_MAX>,
    need: Option<Need>,
    /// What plans of the present input are made of, and whose. No state.
    shown: Vec<(StrategyId, Compared)>,
    shown_at: u64,
    /// Why options were none that could be compared, in the order of `ways`. No state.
    none: ArrayVec<Option<No>, WAYS_MAX>,
    /// Some way is options.
    has_options: bool,
    /// How far delta may be from its target, as it was last looked up for options.
    width: Option<f64>,
    /// The input at which it was looked up what options are. No state.
    looked_up: u64,
}

/// Of what a comparison was made: the same again has the same answer, and is not made.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Of {
    input: u64,
    delta: Delta,
    /// Coins of the instruments, with what is on its way.
    held: f64,
}

/// An instrument of a hedge now.
#[derive(Debug, Clone, Copy)]
struct Now {
    price: f64,
    /// Coins that a unit of it stands for.
    unit: f64,
    /// Coins that it holds, with what is on its way.
    coins: f64,
}

impl Choosing {
    fn new(terms: HedgeChoice) -> Option<Self> {
        let HedgeChoice { hedge, band_cost, option_fee, gives_up, .. } = terms;
        let choice = hedge.choice.clone()?;
        let gives_up = gives_up.map(|strategy| strategy.0 as usize);
        let (ways, offers) = (Vec::new(), Vec::with_capacity(WAYS_MAX));
        let (delta, of, chosen, kept) = (None, None, None, None);
        let (none, has_options, width, looked_up) = (ArrayVec::new(), false, None, 0);
        let (compared, need) = (ArrayVec::new(), None);
        Some(Self {
            hedge,
            choice,
            band_cost,
            option_fee,
            gives_up,
            ways,
            delta,
            of,
            offers,
            chosen,
            kept,
            compared,
            need,
            shown: Vec::new(),
            shown_at: 0,
            none,
            has_options,
            width,
            looked_up,
        })
    }

    /// Looks up what options are now, and tells all instruments of the hedge the gamma of what is hedged with theirs. Once an input of the
    /// market, before the first of them decides.
    fn look_up(&mut self, engine: &mut Engine) {
        if std::mem::replace(&mut self.looked_up, engine.inputs) == engine.inputs {
            return;
        }
        let mut gamma = 0.0;
        for options in self.ways.iter_mut().filter_map(|way| way.options.as_mut()) {
            options.refresh(engine);
            if let Some((_, each)) = options.unit {
                gamma += options.held(engine).approximate() * each;
            }
        }
        let hedged = self.delta.and_then(|delta| Ratio::new((delta.gamma + gamma).abs()));
        for way in &self.ways {
            let facts = &mut engine.scopes[way.scope].facts;
            facts.set_now(engine.now);
            facts.put(facts::HEDGED_GAMMA, hedged);
        }
        let first = self.ways.first().map(|first| &engine.scopes[first.scope].facts);
        self.width = first.and_then(|facts| self.hedge.band.width(self.band_cost, facts));
    }

    /// What each instrument is worth and holds; `None` where one holds something and has no price.
    fn now(&self, engine: &Engine) -> Option<ArrayVec<Option<Now>, WAYS_MAX>> {
        let now = |way: &Way| {
            if let Some(options) = &way.options {
                let held = options.held(engine);
                return match options.unit {
                    Some((unit, _)) => Some(Some(Now { price: 0.0, unit, coins: held.approximate() * unit })),
                    None if held.is_zero() => Some(None),
                    None => None,
                };
            }
            let scope = &engine.scopes[way.scope];
            let held = scope.position + scope.working.on_the_way();
            let price = engine.last[way.instrument.index()].approximate();
            if price <= 0.0 {
                return if held.is_zero() { Some(None) } else { None };
            }
            let contract = engine.catalogue.instruments[way.instrument.index()].kind.contract();
            let unit = if contract == Contract::Inverse { 1.0 / price } else { 1.0 };
            Some(Some(Now { price, unit, coins: held.approximate() * unit }))
        };
        self.ways.iter().map(now).collect()
    }

    /// What an instrument pays a year for each coin held long, as a share of value.
    fn carry(&self, engine: &Engine, way: &Way, now: &Now, reference: f64) -> f64 {
        match engine.catalogue.instruments[way.instrument.index()].kind {
            InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual => {
                let recent = way.funding.iter().filter(|(at, ..)| engine.now.since(*at) <= FUNDING_WINDOW);
                let add = |(rates, days), (_, rate, interval): &(Timestamp, f64, Duration)| {
                    (rates + rate, days + interval.days())
                };
                let (rates, days) = recent.fold((0.0, 0.0), add);
                if days > 0.0 { rates / days * YEAR } else { 0.0 }
            }
            InstrumentKind::LinearFuture { expiry } | InstrumentKind::InverseFuture { expiry } => {
                let years = expiry.since(engine.now).days() / YEAR;
                if years > 0.0 { (now.price / reference - 1.0) / years } else { 0.0 }
            }
            _ => 0.0,
        }
    }

    /// Nothing is compared.
    fn forget(&mut self) {
        (self.of, self.chosen, self.kept) = (None, None, None);
        self.offers.clear();
        self.none.clear();
        self.compared.clear();
        self.need = None;
    }

    fn instrument(&self, engine: &Engine, way: &Way, now: &Now, reference: f64) -> Instrument {
        let of = &engine.catalogue.instruments[way.instrument.index()];
        let kind = kind_of(of.kind);
        // Coin that is not there cannot be sold, and coin is paid in full.
        let most = if kind == Kind::Spot {
            let scope = &engine.scopes[way.scope];
            let (book, spoken_for) = (&engine.books[scope.account.index()], engine.spoken_for(way.scope));
            let funds = book.funds(way.instrument.index(), &engine.tiers, spoken_for).approximate();
            [(funds * (1.0 - RESERVE) / now.price).max(0.0), now.coins.max(0.0)]
        } else {
            [f64::INFINITY; 2]
        };
        // What was refused is not asked for again, but to close.
        let closing = [-now.coins, now.coins].map(|closing| closing.max(0.0));
        let is_refused = |at: Timestamp| is_refused(engine, at);
        let most =
            std::array::from_fn(|at| if is_refused(way.refused[at]) { most[at].min(closing[at]) } else { most[at] });
        Instrument {
            kind,
            delta: 1.0,
            fee: way.cost * reference,
            impact: way.impact * reference * reference,
            carry: self.carry(engine, way, now, reference) * reference,
            margin: way.margin * reference,
            expiry: of.kind.expiry().map(|expiry| expiry.since(engine.now).days() / YEAR),
            lot: of.lot.approximate() * now.unit,
            most,
            held: now.coins,
            ..Instrument::default()
        }
    }

    /// The structure that may be given up; `None`: not now, because nothing whole is held, it is being traded, or a leg has no quote.
    fn given_up(&self, engine: &Engine, delta: f64, reference: f64) -> Option<Instrument> {
        let scope = &engine.scopes[self.gives_up?];
        let desk = &engine.structures.desks[scope.desk? as usize];
        let held = scope.position;
        if held.is_zero() || desk.is_busy() || delta == 0.0 {
            return None;
        }
        let chains = &engine.structures.chains;
        let worth = if chains.is_in_coin(desk.chain, engine.catalogue.instruments[desk.instrument.index()].base) {
            reference
        } else {
            1.0
        };
        let (mut half_spread, mut fee) = (0.0, 0.0);
        for line in desk.lines.iter().filter(|line| !line.ratio.is_zero() && line.settled.is_none()) {
            let value = chains.option(line.instrument)?.value?.approximate() * worth;
            let closing = Qty::from_raw(-line.ratio.raw() * held.signum());
            let price = offered(chains, line.instrument, closing)?.approximate() * worth;
            let each = line.ratio.abs().approximate();
            half_spread += (price - value).abs() * each;
            fee += (self.option_fee * reference).min(FEE_CAP * price) * each;
        }
        // Only less of it: more would be another position.
        let most = held.abs().approximate();
        let most = if held.signum() > 0 { [0.0, most] } else { [most, 0.0] };
        Some(Instrument {
            kind: Kind::Option,
            delta: delta / held.approximate(),
            half_spread,
            fee,
            lot: desk.lot.approximate(),
            most,
            held: held.approximate(),
            ..Instrument::default()
        })
    }

    /// Delta of what is being given up: orders of the structure that can be filled take so much away from it.
    fn going(&self, engine: &Engine, delta: f64) -> f64 {
        let of = self.gives_up.map(|scope| &engine.scopes[scope]);
        let Some((scope, desk)) = of.and_then(|scope| Some((scope, &engine.structures.desks[scope.desk? as usize])))
        else {
            return 0.0;
        };
        let (held, open) = (scope.position, desk.under_way());
        let is_quoted = |line: &Line| {
            let closing = Qty::from_raw(line.ratio.raw() * open.signum());
            offered(&engine.structures.chains, line.instrument, closing).is_some()
        };
        let traded = || desk.lines.iter().filter(|line| !line.ratio.is_zero() && line.settled.is_none());
        if held.is_zero() || open.signum() * held.signum() >= 0 || !traded().all(is_quoted) {
            return 0.0;
        }
        delta / held.approximate() * open.approximate()
    }

    /// Compares, if delta has left its band: once for all instruments of the hedge, and again where one of them has ordered meanwhile.
    fn compare(&mut self, engine: &Engine, now: &[Option<Now>], delta: Delta) {
        let held: f64 = now.iter().flatten().map(|now| now.coins).sum();
        let of = Some(Of { input: engine.inputs, delta, held });
        if self.of == of {
            return;
        }
        self.forget();
        self.of = of;
        let Some(reference) = now.iter().flatten().map(|now| now.price).find(|price| *price > 0.0) else { return };
        let off = delta.net.approximate() + held - self.hedge.target.approximate();
        let width = if self.has_options {
            self.width
        } else {
            let first = self.ways.first().map(|first| &engine.scopes[first.scope].facts);
            first.and_then(|facts| self.hedge.band.width(self.band_cost, facts))
        };
        let Some(width) = width else { return };
        if off.abs() <= width || delta.gross.is_zero() {
            return;
        }
        let left = if self.hedge.to == HedgeTo::Edge { width.copysign(off) } else { 0.0 };
        let years = self.choice.horizon.days() / YEAR;
        let need = Need { delta: left - off, years, capital: self.choice.capital_cost.get(), is_closed: true };
        // What cannot be traded now is in the list all the same, with nothing that can be had of it.
        let none = |kind| Instrument { kind, lot: 1.0, ..Instrument::default() };
        let mut all: ArrayVec<Instrument, WAYS_MAX> = ArrayVec::new();
        for (way, now) in self.ways.iter().zip(now) {
            let options = way.options.as_ref().map(|options| {
                options.instrument(engine, (need.delta, reference), |at| is_refused(engine, at), way.refused)
            });
            self.none.push(options.and_then(Result::err));
            all.push(match (options, now) {
                (Some(options), _) => options.unwrap_or(none(Kind::Option)),
                (None, Some(now)) => self.instrument(engine, way, now, reference),
                (None, None) => none(kind_of(engine.catalogue.instruments[way.instrument.index()].kind)),
            });
        }
        if self.gives_up.is_some() {
            all.push(self.given_up(engine, delta.net.approximate(), reference).unwrap_or(none(Kind::Option)));
        }
        let mut offers = std::mem::take(&mut self.offers);
        // Prices over zero, shares and rates are finite numbers: there is nothing to refuse.
        self.chosen = choose(&all, &need, &mut offers).unwrap_or_default();
        self.offers = offers;
        (self.compared, self.need) = (all, Some(need));
        let Some(given_up) = self.chosen.filter(|chosen| *chosen == self.ways.len()) else { return };
        let position = engine.scopes[self.gives_up.unwrap_or_default()].position;
        let units = Qty::from_estimate(self.offers[given_up].units, Round::Nearest).unwrap_or_default();
        self.kept = Some(position + units);
    }

    /// Keeps what a plan of a strategy is made of.
    fn show(&mut self, strategy: StrategyId, input: u64) {
        if std::mem::replace(&mut self.shown_at, input) != input {
            self.shown.clear();
        }
        let Some(need) = self.need.filter(|_| self.shown.iter().all(|(of, _)| *of != strategy)) else { return };
        for (at, (instrument, offer)) in self.compared.iter().zip(&self.offers).enumerate() {
            let Some(own) = self.ways.get(at).map(|way| way.scope).or(self.gives_up) else { continue };
            let (of, is_chosen) = (StrategyId(own as u32), self.chosen == Some(at));
            let way = Compared { strategy: of, need, instrument: *instrument, offer: *offer, is_chosen };
            self.shown.push((strategy, way));
        }
    }

    /// What the plan of a strategy says of it: each way, and what it costs.
    fn note(&self, engine: &mut Engine, index: usize) {
        for (at, offer) in self.offers.iter().enumerate() {
            let way = self.ways.get(at);
            let instrument = way.map(|way| &engine.catalogue.instruments[way.instrument.index()]);
            let venue = instrument.map(|of| Arg::Name(CurrencyCode::new(of.venue())));
            if let Some(options) = way.and_then(|way| way.options.as_ref()) {
                self.note_options(engine, index, (at, options), venue.unwrap_or(Arg::None));
                continue;
            }
            let template = match (instrument.map(|of| of.kind), &offer.costs) {
                (None, Ok(_)) => "giving up what is hedged costs {}: {} to trade, {} to the horizon",
                (None, Err(_)) => "what is hedged cannot be given up now",
                (Some(InstrumentKind::Spot), Ok(_)) => "spot on {} costs {}: {} to trade, {} to the horizon",
                (Some(InstrumentKind::InversePerpetual), Ok(_)) => {
                    "the perpetual in coin on {} costs {}: {} to trade, {} to the horizon"
                }
                (Some(InstrumentKind::LinearFuture { .. } | InstrumentKind::InverseFuture { .. }), Ok(_)) => {
                    "the future on {} costs {}: {} to trade, {} to the horizon"
                }
                (Some(_), Ok(_)) => "the perpetual on {} costs {}: {} to trade, {} to the horizon",
                (Some(InstrumentKind::Spot), Err(_)) => "spot on {} cannot do it now",
                (Some(_), Err(_)) => "the contract on {} cannot do it now",
            };
            let money = |amount: f64| Arg::Cash(Cash::from_estimate(amount, Round::Nearest).unwrap_or_default());
            let mut args: ArrayVec<Arg, 4> = venue.into_iter().collect();
            if let Ok(costs) = &offer.costs {
                let trade = costs.spread + costs.impact + costs.fees;
                args.extend([costs.total(), trade, costs.total() - trade].map(money));
            }
            let args = std::array::from_fn(|at| args.get(at).copied().unwrap_or(Arg::None));
            engine.note_way(index, template, args);
        }
    }

    /// The same of options.
    fn note_options(&self, engine: &mut Engine, index: usize, (at, options): (usize, &Options), venue: Arg) {
        let money = |amount: f64| Arg::Cash(Cash::from_estimate(amount, Round::Nearest).unwrap_or_default());
        let number = |qty: f64| Arg::Qty(Qty::from_estimate(qty.min(1e9), Round::Nearest).unwrap_or_default());
        let (template, args) = match (self.none.get(at).copied().flatten(), &self.offers[at].costs) {
            (Some(no), _) => (options.sentence(Err(no)).0, [venue, Arg::None, Arg::None, Arg::None]),
            (None, Err(refused)) => {
                let (template, numbers) = options.sentence(Ok(*refused));
                let [first, second] = numbers.map(number);
                let args = match refused {
                    Refused::TooMuch { .. } => [venue, first, second, Arg::None],
                    Refused::UnderLot { .. } => [venue, first, Arg::None, Arg::None],
                    Refused::NoDelta | Refused::Ended => [venue, Arg::None, Arg::None, Arg::None],
                };
                (template, args)
            }
            (None, Ok(costs)) => {
                let trade = costs.spread + costs.impact + costs.fees;
                let [total, trade, later] = [costs.total(), trade, costs.total() - trade].map(money);
                (options.costs(), [venue, total, trade, later])
            }
        };
        engine.note_way(index, template, args);
    }
}

/// What an instrument that is no option is to a hedge.
fn kind_of(kind: InstrumentKind) -> Kind {
    match kind {
        InstrumentKind::Spot => Kind::Spot,
        kind if kind.expiry().is_some() => Kind::Future,
        _ => Kind::Perpetual,
    }
}

/// Whether it was refused so lately that it is not asked for again.
fn is_refused(engine: &Engine, at: Timestamp) -> bool {
    at != Timestamp::MIN && engine.now.since(at) <= REFUSED_FOR
}

impl Engine {
    /// A strategy is an instrument of a hedge that compares costs.
    pub(crate) fn join_choice(&mut self, scope: usize, instrument: InstrumentId, mut terms: HedgeChoice) {
        let (group, cost, impact, margin) = (terms.group as usize, terms.cost, terms.impact, terms.margin);
        let expected = terms.expected.take();
        let options = expected.and_then(|expected| Options::new(self, scope, expected, terms.option_fee));
        if self.choices.len() <= group {
            let given_up = terms.gives_up;
            let Some(choosing) = Choosing::new(terms) else { return };
            self.choices.push(choosing);
            if let Some(given_up) = given_up.and_then(|strategy| self.scopes.get_mut(strategy.0 as usize)) {
                given_up.choice = Some(group as u32);
            }
        }
        if let Some(options) = &options {
            self.choices[group].has_options = true;
            self.structures.desks[options.desk].gives_way = true;
        }
        let ways = &mut self.choices[group].ways;
        let (funding, refused) = (VecDeque::new(), [Timestamp::MIN; 2]);
        ways.push(Way { scope, instrument, cost, impact, margin, funding, refused, options });
    }

    /// What a plan of a strategy at the present input is made of, if it is of a hedge that compared costs: each of its instruments. Of
    /// what may be given up only where that is done.
    pub fn compared(&self, strategy: StrategyId) -> impl Iterator<Item = &Compared> {
        let choosing = self.scopes[strategy.index()].choice.map(|group| &self.choices[group as usize]);
        let shown = choosing.filter(|choosing| choosing.shown_at == self.inputs);
        shown
            .into_iter()
            .flat_map(|choosing| &choosing.shown)
            .filter(move |(of, _)| *of == strategy)
            .map(|(_, way)| way)
    }

    /// Says in a strategy's plan what one of a hedge's instruments comes to.
    fn note_way(&mut self, index: usize, template: &'static str, args: [Arg; 4]) {
        let scope = &mut self.scopes[index];
        let held = scope.position;
        if scope.because.steps().len() < STEPS_MAX {
            scope.because.note::<4>(ENGINE_RULE, held, held, template, args);
        }
    }

    /// The delta of what a hedge of several instruments hedges is another.
    pub(crate) fn see_delta(choices: &mut [Choosing], group: u32, delta: Option<Delta>) -> Option<u32> {
        let choosing = &mut choices[group as usize];
        choosing.delta = delta;
        choosing.gives_up.map(|scope| scope as u32)
    }

    /// Funding of an instrument, for whoever compares what it costs.
    pub(crate) fn see_funding(&mut self, due: &FundingRate) {
        let now = self.now;
        let ways = self.choices.iter_mut().flat_map(|choosing| &mut choosing.ways);
        for way in ways.filter(|way| way.instrument == due.instrument) {
            way.funding.push_back((now, due.rate.approximate(), due.interval));
            while way.funding.front().is_some_and(|(at, ..)| now.since(*at) > FUNDING_WINDOW) {
                way.funding.pop_front();
            }
        }
    }

    /// The venue refused an order of a strategy, or a cap did not bear what it was to trade.
    pub(crate) fn see_refusal(&mut self, index: usize, side: Side) {
        let Some(group) = self.scopes[index].choice else { return };
        let choosing = &mut self.choices[group as usize];
        if let Some(way) = choosing.ways.iter_mut().find(|way| way.scope == index) {
            way.refused[usize::from(side == Side::Sell)] = self.now;
        }
        // Not what the others are to be told.
        choosing.of = None;
    }

    /// Tells a strategy of a hedge that compares costs what the others have, and whose turn it is.
    /// On news of orders alone nothing is compared: delta is told with the market, and positions are newer than it.
    pub(crate) fn tell_choice(&mut self, index: usize, group: u32, source: Source) {
        let mut choices = std::mem::take(&mut self.choices);
        let choosing = &mut choices[group as usize];
        if choosing.has_options && source != Source::Venue {
            choosing.look_up(self);
        }
        let now = choosing.now(self);
        let told = choosing.delta.and_then(|delta| {
            let net = delta.net.approximate();
            Some(Delta { net: Qty::from_estimate(net + choosing.going(self, net), Round::Nearest)?, ..delta })
        });
        let known = told.zip(now.as_ref());
        match known.filter(|_| source != Source::Venue) {
            Some((delta, now)) => choosing.compare(self, now, delta),
            None => choosing.forget(),
        }
        let own = choosing.ways.iter().position(|way| way.scope == index);
        if let Some(options) = own.and_then(|own| choosing.ways[own].options.as_ref()) {
            options.tell(self, choosing.width.and_then(|width| Qty::from_estimate(width, Round::Nearest)));
        }
        let facts = &mut self.scopes[index].facts;
        match own {
            Some(own) => {
                let others = |now: &ArrayVec<Option<Now>, WAYS_MAX>| {
                    let others = now.iter().enumerate().filter(|(at, _)| *at != own);
                    others.filter_map(|(_, now)| now.as_ref()).map(|now| now.coins).sum::<f64>()
                };
                let hedged = known
                    .and_then(|(delta, now)| Qty::from_estimate(delta.net.approximate() + others(now), Round::Nearest));
                facts.put(facts::HEDGED, hedged);
                if source != Source::Venue {
                    let turn = match choosing.chosen {
                        Some(chosen) if chosen == own => Turn::Own,
                        Some(chosen) if chosen == choosing.ways.len() => Turn::GivenUp,
                        Some(_) => Turn::Other,
                        // Where nothing can do it, the first says why it cannot.
                        None if own == 0 => Turn::Own,
                        None => Turn::Other,
                    };
                    facts.set(facts::HEDGE_TURN, turn.code());
                }
            }
            None => facts.put(facts::RESTORED, choosing.kept),
        }
        self.choices = choices;
    }

    /// What was compared, for the plan that is made of it.
    pub(crate) fn note_choice(&mut self, index: usize) {
        let Some(group) = self.scopes[index].choice else { return };
        let mut choices = std::mem::take(&mut self.choices);
        let choosing = &mut choices[group as usize];
        let chosen = choosing.chosen.filter(|chosen| choosing.ways.get(*chosen).is_some_and(|way| way.scope == index));
        let is_own = choosing.ways.iter().any(|way| way.scope == index);
        // A structure's plans are of more than its hedge: told where it is given up.
        if choosing.of.is_some_and(|of| of.input == self.inputs) && (is_own || choosing.kept.is_some()) {
            choosing.note(self, index);
            choosing.show(StrategyId(index as u32), self.inputs);
        }
        let units = chosen.map(|chosen| choosing.offers[chosen].units);
        self.choices = choices;
        if let Some(units) = units.filter(|_| self.scopes[index].because.was_cut()) {
            self.see_refusal(index, if units > 0.0 { Side::Buy } else { Side::Sell });
        }
    }
}

impl Choosing {
    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.option(self.delta, |out, delta| {
            out.i64(delta.net.raw());
            out.i64(delta.gross.raw());
            out.f64(delta.gamma);
        });
        if self.has_options {
            out.option(self.width, StateWriter::f64);
        }
        for way in &self.ways {
            if let Some(options) = &way.options {
                options.save(out);
            }
            way.refused.iter().for_each(|at| out.i64(at.nanos()));
            out.len(way.funding.len());
            for (at, rate, interval) in &way.funding {
                out.i64(at.nanos());
                out.f64(*rate);
                out.i64(interval.nanos());
            }
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.delta = from.option(|from| {
            let (net, gross) = (Qty::from_raw(from.i64()?), Qty::from_raw(from.i64()?));
            Ok(Delta { net, gross, gamma: from.f64()? })
        })?;
        if self.has_options {
            self.width = from.option(StateReader::f64)?;
        }
        for way in &mut self.ways {
            if let Some(options) = &mut way.options {
                options.load(from)?;
            }
            way.refused = [Timestamp::from_nanos(from.i64()?), Timestamp::from_nanos(from.i64()?)];
            let rate = |from: &mut StateReader<'_>| {
                Ok((Timestamp::from_nanos(from.i64()?), from.f64()?, Duration::from_nanos(from.i64()?)))
            };
            way.funding = (0..from.len()?).map(|_| rate(from)).collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}
