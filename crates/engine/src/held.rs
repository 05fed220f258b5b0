//! The Greeks of what strategies hold, and how much it is expected to move, kept current for the facts that policies read of them.

use crate::book::Book;
use crate::desk::Desk;
use crate::scope::Scope;
use crate::surfaces::{FittedChain, Surfaces};
use market::{Catalogue, Currency, InstrumentKind};
use policy::spec::TargetGreek;
use policy::{Greek, SurfaceFact};
use pricing::options::{GreekSums, OptionStyle, Simd};
use pricing::surface::Sticky;
use risk::chain::{Chain, ChainExpiry, Chains, QuotedOption};
use risk::greeks::{DeltaOneKey, HeldLeg, OptionKey, PortfolioGreeks, SmilePoint};
use risk::{Leg, OneDay, ProfitIn};
use units::math::ln;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, Cash, Contract, InstrumentId, Price, Qty, Round, SeriesId, StrategyId, Timestamp};

/// A fact of the Greeks of what is held on an underlying.
#[derive(Debug, Clone)]
struct GreekFact {
    series: SeriesId,
    greek: Greek,
}

impl GreekFact {
    fn value(&self, sums: &GreekSums) -> f64 {
        match self.greek {
            Greek::Delta => sums.delta - sums.premium,
            Greek::Gamma => sums.gamma,
            Greek::Vega => sums.vega,
            Greek::Theta => sums.theta,
        }
    }
}

/// The fact of how much what an account holds on an underlying is expected to move.
#[derive(Debug, Clone)]
struct VolatilityFact {
    series: SeriesId,
    /// The coins in each account that counts in dollars, as of the last update: they are part of what moves.
    coins: Vec<(AccountId, Cash)>,
    /// Room for what they are now, and for legs.
    now: Vec<(AccountId, Cash)>,
    legs: Vec<Leg>,
}

/// A fact that strategies are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) series: SeriesId,
    /// Those of this account, or all.
    pub(crate) to: Option<AccountId>,
    pub(crate) value: Value,
}

/// What they are told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    Is(f64),
    /// Nothing is held on the coin: what a unit of each strategy's own would be.
    Flat(Currency),
}

/// What is held, and what it is priced by.
#[derive(Clone, Copy)]
pub(crate) struct Holdings<'a> {
    pub(crate) catalogue: &'a Catalogue,
    /// The last price of each instrument.
    pub(crate) last: &'a [Price],
    pub(crate) chains: &'a Chains,
    pub(crate) desks: &'a [Desk],
    pub(crate) scopes: &'a [Scope],
    pub(crate) surfaces: &'a Surfaces,
    pub(crate) books: &'a [Book],
    pub(crate) now: Timestamp,
    /// Whether positions may have changed since the last update.
    pub(crate) has_traded: bool,
}

/// The Greeks of what strategies hold.
#[derive(Debug)]
pub(crate) struct HeldGreeks {
    greeks: PortfolioGreeks,
    /// Those that facts are asked of, in order.
    underlyings: Vec<Underlying>,
}

/// A hedge that is told the delta of what it hedges.
#[derive(Debug, Clone)]
pub(crate) struct HedgedDelta {
    /// The strategy that hedges.
    pub(crate) scope: u32,
    /// Those whose positions it hedges.
    of: Vec<StrategyId>,
    /// What it is to be told, if it is news.
    told: Option<Option<Delta>>,
}

/// A structure that is told a Greek of what is held beside it.
#[derive(Debug, Clone)]
struct LevelledGreek {
    /// The strategy of the structure.
    scope: u32,
    greek: TargetGreek,
    /// Those whose positions are counted with it.
    of: Vec<StrategyId>,
    /// What it is to be told, if it is news: of the others, and of all that it holds itself.
    told: Option<Option<[f64; 2]>>,
}

/// Of one sum of Greeks, the one that a structure brings to a level.
pub(crate) fn levelled(greek: TargetGreek, sums: &GreekSums) -> f64 {
    match greek {
        TargetGreek::Gamma => sums.gamma,
        TargetGreek::Vega => sums.vega,
    }
}

/// Delta of what is hedged, in coins, and its gamma in coins for a dollar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delta {
    pub(crate) net: Qty,
    /// Σ |delta| of its positions.
    pub(crate) gross: Qty,
    pub(crate) gamma: f64,
}

/// An underlying, and its market and positions as they stand in the portfolio.
#[derive(Debug)]
struct Underlying {
    base: Currency,
    facts: Vec<GreekFact>,
    hedges: Vec<HedgedDelta>,
    levels: Vec<LevelledGreek>,
    volatility: Option<VolatilityFact>,
    /// Instruments whose price is that of the underlying: the first that has one tells it.
    sources: Vec<u32>,
    /// Where its options are listed, and the largest of these chains.
    chains: Vec<usize>,
    largest: Option<usize>,
    /// Which instrument told its price. `None`: none did, and the nearest forward stands for it.
    source: Option<u32>,
    price: Price,
    /// Quotes of its chains so far.
    changes: u64,
    /// After how many quotes the forward of each expiry was set.
    forwards: Vec<(u32, Timestamp, u64)>,
    positions: Vec<Position>,
    /// Room for what they were before.
    before: Vec<Position>,
    /// Every position has a price.
    is_complete: bool,
    /// Positions may have changed since they were taken over.
    has_traded: bool,
    /// A future is held, whose own price is part of the position.
    has_futures: bool,
}

/// A position of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    strategy: StrategyId,
    account: AccountId,
    instrument: InstrumentId,
    qty: Qty,
    /// Of a future its price, else zero.
    price: Price,
}

impl HeldGreeks {
    /// `None`: no series of the catalogue asks for a Greek or a book's volatility.
    pub(crate) fn new(catalogue: &Catalogue, chains: &Chains) -> Option<Self> {
        let mut underlyings: Vec<Underlying> = Vec::new();
        for (index, name) in catalogue.series.iter().enumerate() {
            let (greek, base) = match name.parse() {
                Ok(SurfaceFact::Greek { greek, base }) => (Some(greek), base),
                Ok(SurfaceFact::Book { base }) => (None, base),
                _ => continue,
            };
            let Ok(base) = base.parse::<Currency>() else { continue };
            let at = underlyings.binary_search_by_key(&base, |of| of.base).unwrap_or_else(|at| {
                underlyings.insert(at, Underlying::new(base, catalogue, chains));
                at
            });
            let series = SeriesId(index as u32);
            match greek {
                Some(greek) => underlyings[at].facts.push(GreekFact { series, greek }),
                None => {
                    let (coins, now, legs) = Default::default();
                    underlyings[at].volatility = Some(VolatilityFact { series, coins, now, legs });
                }
            }
        }
        (!underlyings.is_empty()).then(|| Self { greeks: PortfolioGreeks::new(Simd::best()), underlyings })
    }

    /// Of which nothing is asked yet.
    pub(crate) fn empty() -> Self {
        Self { greeks: PortfolioGreeks::new(Simd::best()), underlyings: Vec::new() }
    }

    /// Tells a strategy from now on the delta in a coin of what others hold.
    pub(crate) fn hedge(
        &mut self,
        scope: u32,
        base: Currency,
        of: Vec<StrategyId>,
        (catalogue, chains): (&Catalogue, &Chains),
    ) {
        let at = self.on(base, catalogue, chains);
        self.underlyings[at].hedges.push(HedgedDelta { scope, of, told: None });
    }

    /// Tells the strategy of a structure from now on a Greek in a coin of what others hold.
    pub(crate) fn level(
        &mut self,
        scope: u32,
        base: Currency,
        (greek, of): (TargetGreek, Vec<StrategyId>),
        (catalogue, chains): (&Catalogue, &Chains),
    ) {
        let at = self.on(base, catalogue, chains);
        self.underlyings[at].levels.push(LevelledGreek { scope, greek, of, told: None });
    }

    /// The number of an underlying, which is there from now on.
    fn on(&mut self, base: Currency, catalogue: &Catalogue, chains: &Chains) -> usize {
        self.underlyings.binary_search_by_key(&base, |of| of.base).unwrap_or_else(|at| {
            self.underlyings.insert(at, Underlying::new(base, catalogue, chains));
            at
        })
    }

    /// What structures that bring a Greek to a level are to be told since the last time, `None` where it is not known.
    pub(crate) fn levelled(&mut self) -> impl Iterator<Item = (u32, Option<[f64; 2]>)> + '_ {
        let levels = self.underlyings.iter_mut().flat_map(|of| &mut of.levels);
        levels.filter_map(|level| Some((level.scope, level.told.take()?)))
    }

    /// What hedges are to be told since the last time, `None` where it is not known.
    pub(crate) fn hedged(&mut self) -> impl Iterator<Item = (u32, Option<Delta>)> + '_ {
        let hedges = self.underlyings.iter_mut().flat_map(|of| &mut of.hedges);
        hedges.filter_map(|hedge| Some((hedge.scope, hedge.told.take()?)))
    }

    /// Each hedge, and whose positions it hedges.
    pub(crate) fn hedges(&self) -> impl Iterator<Item = (u32, &[StrategyId])> {
        self.underlyings.iter().flat_map(|of| &of.hedges).map(|hedge| (hedge.scope, &hedge.of[..]))
    }

    pub(crate) fn portfolio(&self) -> &PortfolioGreeks {
        &self.greeks
    }

    /// Takes over what has changed, and tells the facts that follow from it.
    pub(crate) fn update(&mut self, holdings: &Holdings<'_>, mut tell: impl FnMut(Told)) {
        let Self { greeks, underlyings } = self;
        for underlying in underlyings {
            let has_changed = underlying.update(greeks, holdings);
            let has_coins = underlying.see_coins(holdings);
            if underlying.is_complete && (has_changed || has_coins) {
                underlying.tell_volatility(greeks, holdings, &mut tell);
            }
            if has_changed {
                underlying.see_hedged(greeks, holdings);
                underlying.see_levelled(greeks);
            }
            if !(has_changed && underlying.is_complete) || underlying.facts.is_empty() {
                continue;
            }
            let sums = greeks.underlying(underlying.base);
            for fact in &underlying.facts {
                tell(Told { series: fact.series, to: None, value: Value::Is(fact.value(&sums)) });
            }
        }
    }

    /// Tells facts of Greeks at the market that they were told at, of what `holdings` say is held: those of underlyings of which that is
    /// something else than was told. Nothing is kept of it.
    pub(crate) fn suppose(&self, holdings: &Holdings<'_>, mut tell: impl FnMut(SeriesId, f64)) {
        let asked = self.underlyings.iter().filter(|of| of.is_complete && !of.facts.is_empty());
        for of in asked {
            let other = of.other(holdings);
            if other.is_empty() {
                continue;
            }
            let Some(mut greeks) = self.resized(of, &other, holdings) else { continue };
            let sums = greeks.underlying(of.base);
            of.facts.iter().for_each(|fact| tell(fact.series, fact.value(&sums)));
        }
    }

    /// Tells what each strategy's position has of each fact of Greeks, of what `holdings` say is held. Nothing is kept of it.
    pub(crate) fn parts(&self, holdings: &Holdings<'_>, mut tell: impl FnMut(SeriesId, StrategyId, f64)) {
        let asked = self.underlyings.iter().filter(|of| of.is_complete && !of.facts.is_empty());
        for of in asked {
            let Some(mut greeks) = self.resized(of, &of.other(holdings), holdings) else { continue };
            for (strategy, sums) in greeks.each(of.base) {
                of.facts.iter().for_each(|fact| tell(fact.series, strategy, fact.value(&sums)));
            }
        }
    }

    /// The portfolio with other positions of an underlying. `None`: one of them has no price, forward or volatility.
    fn resized(&self, of: &Underlying, other: &[Position], holdings: &Holdings<'_>) -> Option<PortfolioGreeks> {
        let mut greeks = self.greeks.clone();
        other.iter().try_for_each(|now| of.resize(&mut greeks, now, holdings))?;
        Some(greeks)
    }

    /// The facts of Greeks that strategies are told.
    pub(crate) fn series(&self) -> impl Iterator<Item = SeriesId> + '_ {
        self.underlyings.iter().flat_map(|of| &of.facts).map(|fact| fact.series)
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        self.greeks.save(out);
        for of in &self.underlyings {
            out.option(of.source, StateWriter::u32);
            out.i64(of.price.raw());
            out.u64(of.changes);
            out.len(of.forwards.len());
            for (chain, expiry, changes) in &of.forwards {
                out.u32(*chain);
                out.i64(expiry.nanos());
                out.u64(*changes);
            }
            out.len(of.positions.len());
            for Position { strategy, account, instrument, qty, price } in &of.positions {
                for number in [strategy.0, account.0, instrument.0] {
                    out.u32(number);
                }
                out.i64(qty.raw());
                out.i64(price.raw());
            }
            out.bool(of.is_complete);
            if let Some(volatility) = &of.volatility {
                out.len(volatility.coins.len());
                for (account, coins) in &volatility.coins {
                    out.u32(account.0);
                    out.i128(coins.raw());
                }
            }
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.greeks.load(from)?;
        for of in &mut self.underlyings {
            of.source = from.option(StateReader::u32)?;
            (of.price, of.changes) = (Price::from_raw(from.i64()?), from.u64()?);
            let forward =
                |from: &mut StateReader<'_>| Ok((from.u32()?, Timestamp::from_nanos(from.i64()?), from.u64()?));
            of.forwards = (0..from.len()?).map(|_| forward(from)).collect::<Result<_, _>>()?;
            let position = |from: &mut StateReader<'_>| {
                let (strategy, account) = (StrategyId(from.u32()?), AccountId(from.u32()?));
                let (instrument, qty) = (InstrumentId(from.u32()?), Qty::from_raw(from.i64()?));
                Ok(Position { strategy, account, instrument, qty, price: Price::from_raw(from.i64()?) })
            };
            of.positions = (0..from.len()?).map(|_| position(from)).collect::<Result<_, _>>()?;
            of.has_futures = of.positions.iter().any(|position| !position.price.is_zero());
            of.is_complete = from.bool()?;
            if let Some(volatility) = &mut of.volatility {
                let coins = |from: &mut StateReader<'_>| Ok((AccountId(from.u32()?), Cash::from_raw(from.i128()?)));
                volatility.coins = (0..from.len()?).map(|_| coins(from)).collect::<Result<_, _>>()?;
            }
        }
        Ok(())
    }
}

impl Underlying {
    fn new(base: Currency, catalogue: &Catalogue, chains: &Chains) -> Self {
        let listed = chains.chains().iter().enumerate().filter(|(_, chain)| chain.base() == base);
        Self {
            base,
            facts: Vec::new(),
            hedges: Vec::new(),
            levels: Vec::new(),
            volatility: None,
            sources: catalogue.prices_of(base).map(|source| source.0).collect(),
            chains: listed.map(|(at, _)| at).collect(),
            largest: chains.largest(base.as_str()),
            source: None,
            price: Price::ZERO,
            changes: 0,
            forwards: Vec::new(),
            positions: Vec::new(),
            before: Vec::new(),
            is_complete: false,
            has_traded: true,
            has_futures: false,
        }
    }

    /// What hedges are told: unadjusted forward delta of what they hedge, each structure's smile as sticky as it declares.
    fn see_hedged(&mut self, greeks: &mut PortfolioGreeks, holdings: &Holdings<'_>) {
        for hedge in &mut self.hedges {
            if !self.is_complete {
                hedge.told = Some(None);
                continue;
            }
            let (mut net, mut gross, mut gamma) = (0.0, 0.0, 0.0);
            for (strategy, sums) in greeks.each(self.base).filter(|(strategy, _)| hedge.of.contains(strategy)) {
                let desk = holdings.desks.iter().find(|desk| desk.scope == strategy.0);
                let delta = sums.hedge_delta(desk.map_or(Sticky::Strike, |desk| desk.terms.sticky));
                (net, gross, gamma) = (net + delta, gross + delta.abs(), gamma + sums.gamma);
            }
            let qty = |coins| Qty::from_estimate(coins, Round::Nearest);
            // A position of so little delta that it rounds to nothing is one.
            let least = if gross > 0.0 { Qty::from_raw(1) } else { Qty::ZERO };
            hedge.told =
                Some(qty(net).zip(qty(gross)).map(|(net, gross)| Delta { net, gross: gross.max(least), gamma }));
        }
    }

    /// What structures that bring a Greek to a level are told: that of what is counted with them, and of what they hold.
    fn see_levelled(&mut self, greeks: &mut PortfolioGreeks) {
        for level in &mut self.levels {
            let (mut beside, mut own) = (0.0, 0.0);
            for (strategy, sums) in greeks.each(self.base) {
                if strategy.0 == level.scope {
                    own += levelled(level.greek, &sums);
                } else if level.of.contains(&strategy) {
                    beside += levelled(level.greek, &sums);
                }
            }
            level.told = Some(self.is_complete.then_some([beside, own]));
        }
    }

    /// Looks what coins lie in accounts that count in dollars. Whether they are others than before, and anybody asks.
    fn see_coins(&mut self, holdings: &Holdings<'_>) -> bool {
        let Some(volatility) = &mut self.volatility else { return false };
        volatility.now.clear();
        for (at, book) in holdings.books.iter().enumerate() {
            let (id, account) = (AccountId(at as u32), &book.account);
            let of = |(at, coins): (usize, Cash)| (account.balances()[at].currency == self.base).then_some(coins);
            let Some(coins) = account.coins().find_map(of) else { continue };
            // What options in coin are worth is profit in the balance, and told by their own prices.
            let is_own = |desk: &&Desk| desk.account == id && holdings.chains.is_in_coin(desk.chain, self.base);
            let lines = holdings.desks.iter().filter(is_own).flat_map(|desk| &desk.lines);
            let worth = lines.map(|line| (account.mark(line.instrument.index()) * line.held).cash());
            let coins = coins - worth.sum();
            if !coins.is_zero() {
                volatility.now.push((id, coins));
            }
        }
        std::mem::swap(&mut volatility.now, &mut volatility.coins);
        volatility.now != volatility.coins
    }

    /// Tells the strategies of each account how much what it holds is expected to move: the annualised standard deviation of the
    /// profit of one day, as a share of what it stands for.
    fn tell_volatility(&mut self, greeks: &PortfolioGreeks, holdings: &Holdings<'_>, tell: &mut impl FnMut(Told)) {
        let (base, price) = (self.base, self.price.approximate());
        let Some(mut volatility) = self.volatility.take() else { return };
        let surface = self.largest.and_then(|chain| holdings.surfaces.of(chain));
        let atm_vol = surface.and_then(FittedChain::one_day_vol);
        for (account, book) in holdings.books.iter().enumerate() {
            let (Some(atm_vol), account) = (atm_vol, AccountId(account as u32)) else { break };
            let VolatilityFact { legs, coins, .. } = &mut volatility;
            legs.clear();
            // The smile that each leg moves along: none under a strike that keeps its volatility, and of what has no volatility any more.
            let (mut smiles, mut is_known) = (Vec::new(), true);
            for HeldLeg { strategy, expiry, leg, .. } in greeks.legs(base).filter(|leg| leg.account == account) {
                let desk = holdings.desks.iter().find(|desk| desk.scope == strategy.0);
                let along = desk.zip(expiry.filter(|expiry| *expiry > holdings.now));
                let along = along.filter(|(desk, _)| desk.terms.sticky == Sticky::Moneyness);
                let smile = |(desk, expiry): (&Desk, _)| holdings.surfaces.of(desk.chain?)?.smile(expiry, holdings.now);
                let smile_now = along.and_then(smile);
                is_known &= along.is_none() || smile_now.is_some();
                smiles.push(smile_now);
                legs.push(leg);
            }
            let smile = |at: usize, places: &mut [f64]| match &smiles[at] {
                Some(smile) => smile.vols(places),
                None => places.fill(0.0),
            };
            let coins = coins.iter().find(|(of, _)| *of == account).map_or(0.0, |(_, coins)| coins.approximate());
            if coins != 0.0 {
                legs.push(Leg::DeltaOne { contract: Contract::Linear, quantity: coins, forward: price });
            }
            let profit_in = if book.account.numeraire() == base { ProfitIn::Coin } else { ProfitIn::Quote };
            let day = OneDay { price, atm_vol, sticky: Sticky::Moneyness, profit_in };
            let exposure = self.stands_for(account, coins, holdings) * price;
            let value = match risk::ex_ante(legs, &day, smile).ok().and_then(|day| day.of_exposure(exposure)) {
                _ if legs.is_empty() => Value::Flat(base),
                Some(told) if is_known => Value::Is(told.get()),
                _ => continue,
            };
            tell(Told { series: volatility.series, to: Some(account), value });
        }
        self.volatility = Some(volatility);
    }

    /// How many coins what an account holds stands for, as the limit on leverage counts them: structures by their units, contracts and
    /// spot each by itself, coins that lie there with what contracts make up for them.
    fn stands_for(&self, account: AccountId, coins: f64, holdings: &Holdings<'_>) -> f64 {
        let on = |desk: &&Desk| desk.account == account && desk.chain.is_some_and(|chain| self.chains.contains(&chain));
        let structures: f64 = holdings.desks.iter().filter(on).map(|desk| desk.stands_for().approximate()).sum();
        let (mut gross, mut net) = (0.0, 0.0);
        for (at, position) in self.positions.iter().enumerate() {
            let is_of = |other: &Position| (other.account, other.instrument) == (account, position.instrument);
            let kind = holdings.catalogue.instruments[position.instrument.index()].kind;
            // Several strategies in one instrument hold their net.
            if kind.is_option() || !is_of(position) || self.positions[..at].iter().any(is_of) {
                continue;
            }
            let qty: f64 = self.positions.iter().filter(|other| is_of(other)).map(|of| of.qty.approximate()).sum();
            let price = if position.price.is_zero() { self.price } else { position.price }.approximate();
            let held = if kind.contract() == Contract::Inverse { qty / price } else { qty };
            (gross, net) = (gross + held.abs(), net + held);
        }
        structures + gross - net.abs() + (net + coins).abs()
    }

    /// Takes over what has changed. Whether anything has that its Greeks follow from.
    fn update(&mut self, greeks: &mut PortfolioGreeks, holdings: &Holdings<'_>) -> bool {
        let Holdings { last, now, .. } = *holdings;
        let chains = || self.chains.iter().map(|chain| &holdings.chains.chains()[*chain]);
        let changes = chains().map(Chain::changes).sum();
        let source = self.sources.iter().copied().find(|source| !last[*source as usize].is_zero());
        let near = || chains().find_map(|chain| chain.expiries().iter().find_map(ChainExpiry::forward));
        self.has_traded |= holdings.has_traded;
        let Some(price) = source.map(|source| last[source as usize]).or_else(near) else { return false };
        let moved = || !holdings.positions(self.base, &self.chains).eq(self.positions.iter().copied());
        let may_move = self.has_traded || self.has_futures;
        debug_assert!(may_move || !moved(), "a position changed and was not told");
        let has_moved = may_move && moved();
        let (is_quoted, is_other) = (changes != self.changes, source != self.source || self.price.is_zero());
        let is_tick = price != self.price;
        if !(has_moved || is_quoted || is_other || is_tick) {
            self.has_traded = false;
            return false;
        }
        (self.source, self.price, self.changes) = (source, price, changes);
        if greeks.set_time(now).is_err() || greeks.set_price(self.base, price.approximate()).is_err() {
            // All is set again with the next price.
            (self.price, self.is_complete) = (Price::ZERO, false);
            return true;
        }
        if is_quoted {
            greeks.drop_expired(self.base);
            self.forwards.retain(|(_, expiry, _)| *expiry > now);
        }
        // Where no price of its own moves them, forwards are what was quoted last.
        let all = is_other || source.is_none();
        if is_quoted || all {
            self.set_forwards(greeks, holdings, all);
        }
        self.has_traded = false;
        if has_moved || is_quoted || is_other || !self.is_complete {
            self.hold_all(greeks, holdings, has_moved, is_other);
        }
        true
    }

    /// Sets the forwards of expiries that were quoted since, or of all.
    fn set_forwards(&mut self, greeks: &mut PortfolioGreeks, holdings: &Holdings<'_>, all: bool) {
        for chain in &self.chains {
            let listed = holdings.chains.chains()[*chain].expiries();
            for expiry in listed.iter().filter(|expiry| expiry.changes() > 0 && expiry.at() > holdings.now) {
                let (at, changes, key) = (expiry.at(), expiry.changes(), *chain as u32);
                let known = self.forwards.iter_mut().find(|(chain, expiry, _)| (*chain, *expiry) == (key, at));
                // A quote that tells no forward leaves the one before it at the price of the underlying that it was told at.
                let is_told = || {
                    let told = |of: &QuotedOption| of.quoted == holdings.now && of.quote.underlying().is_some();
                    let is_implied = expiry.implied_at() == Some(holdings.now);
                    let is_told = !expiry.is_refused() && expiry.options().iter().any(told);
                    expiry.forward().is_none() || is_implied || is_told
                };
                let is_new = match known {
                    Some((.., set)) => std::mem::replace(set, changes) != changes && is_told(),
                    None => {
                        self.forwards.push((key, at, changes));
                        true
                    }
                };
                let fitted = || Some(holdings.surfaces.of(*chain)?.smile(at, holdings.now)?.forward());
                let forward = expiry.forward().map(Price::approximate).or_else(fitted);
                if let Some(forward) = forward.filter(|_| is_new || all) {
                    // What is no price leaves the forward as it was, and options without one are not complete.
                    let _refused = greeks.set_forward(self.base, at, forward);
                }
            }
        }
    }

    /// Puts positions into the portfolio as they are now, with volatilities of the smiles as they are now.
    fn hold_all(&mut self, greeks: &mut PortfolioGreeks, holdings: &Holdings<'_>, has_moved: bool, is_other: bool) {
        if has_moved {
            std::mem::swap(&mut self.positions, &mut self.before);
            self.positions.clear();
            self.positions.extend(holdings.positions(self.base, &self.chains));
            self.has_futures = self.positions.iter().any(|position| !position.price.is_zero());
            for before in &self.before {
                if !self.positions.iter().any(|position| position.is_of(before)) {
                    // What was not in it cannot be taken out, and need not.
                    let _refused = match self.key(before, holdings) {
                        Some(Key::Option(key)) => greeks.resize(&key, Qty::ZERO),
                        Some(Key::DeltaOne(key)) => greeks.hold_delta_one(key, Qty::ZERO),
                        None => Ok(()),
                    };
                }
            }
        }
        self.is_complete = true;
        for position in &self.positions {
            let before =
                if has_moved { self.before.iter().find(|before| before.is_of(position)) } else { Some(position) };
            let is_new = is_other || before.is_none_or(|before| before.price != position.price);
            self.is_complete &= self.hold(greeks, position, holdings, is_new).is_some();
        }
    }

    /// `None`: the position has no price, forward or volatility yet.
    fn hold(
        &self,
        greeks: &mut PortfolioGreeks,
        position: &Position,
        holdings: &Holdings<'_>,
        is_new: bool,
    ) -> Option<()> {
        match self.key(position, holdings)? {
            Key::DeltaOne(key) => {
                let expiry = key.expiry.filter(|expiry| self.forwards.iter().all(|(_, quoted, _)| quoted != expiry));
                if let Some(expiry) = expiry.filter(|_| is_new) {
                    greeks.set_forward(self.base, expiry, position.price.approximate()).ok()?;
                }
                greeks.hold_delta_one(key, position.qty).ok()
            }
            Key::Option(key) => {
                let chain = holdings.chains.chain_of(position.instrument)?;
                let point = if key.expiry <= holdings.now {
                    // What it is worth is what exercise gives.
                    SmilePoint { vol: 0.0, slope: 0.0 }
                } else {
                    let smile = holdings.surfaces.of(chain)?.smile(key.expiry, holdings.now)?;
                    let (_, forward) = holdings.chains.expiry(position.instrument)?;
                    let forward = forward.map_or(smile.forward(), Price::approximate);
                    let k = ln(key.strike.approximate() / forward);
                    SmilePoint { vol: smile.vol(k), slope: smile.vol_slope(k) }
                };
                greeks.hold(key, position.qty, point).ok()
            }
        }
    }

    /// What is held now of which more or less was taken over, at zero what has gone.
    fn other(&self, holdings: &Holdings<'_>) -> Vec<Position> {
        let held: Vec<Position> = holdings.positions(self.base, &self.chains).collect();
        let is_gone = |before: &&Position| !held.iter().any(|now| now.is_of(before));
        let is_as_told = |now: &&Position| self.positions.iter().any(|told| told.is_of(now) && told.qty == now.qty);
        let gone = self.positions.iter().filter(is_gone).map(|before| Position { qty: Qty::ZERO, ..*before });
        gone.chain(held.iter().filter(|now| !is_as_told(now)).copied()).collect()
    }

    /// Changes how much is held, at the market as it was taken over. `None`: what was not held before has no price, forward or volatility.
    fn resize(&self, greeks: &mut PortfolioGreeks, position: &Position, holdings: &Holdings<'_>) -> Option<()> {
        if !self.positions.iter().any(|told| told.is_of(position)) {
            return self.hold(greeks, position, holdings, true);
        }
        match self.key(position, holdings)? {
            Key::Option(key) => greeks.resize(&key, position.qty).ok(),
            Key::DeltaOne(key) => greeks.hold_delta_one(key, position.qty).ok(),
        }
    }

    /// As what a position stands in the portfolio.
    fn key(&self, position: &Position, holdings: &Holdings<'_>) -> Option<Key> {
        let Position { strategy, account: venue, instrument, .. } = *position;
        let (underlying, kind) = (self.base, holdings.catalogue.instruments.get(instrument.index())?.kind);
        let Some((strike, right)) = kind.option() else {
            let (expiry, contract) = (kind.expiry(), kind.contract());
            return Some(Key::DeltaOne(DeltaOneKey { underlying, expiry, contract, venue, strategy }));
        };
        let is_in_coin = matches!(kind, InstrumentKind::InverseOption { .. });
        let style = if is_in_coin { OptionStyle::Inverse } else { OptionStyle::Linear };
        Some(Key::Option(OptionKey { underlying, expiry: kind.expiry()?, strike, right, style, venue, strategy }))
    }
}

/// A place in the portfolio.
enum Key {
    Option(OptionKey),
    DeltaOne(DeltaOneKey),
}

impl Position {
    /// Whether it is the same strategy's in the same instrument.
    fn is_of(&self, other: &Self) -> bool {
        (self.strategy, self.instrument) == (other.strategy, other.instrument)
    }
}

impl<'a> Holdings<'a> {
    /// What strategies hold on an underlying: options of desks, then the others.
    fn positions(self, base: Currency, chains: &'a [usize]) -> impl Iterator<Item = Position> + 'a {
        let Self { catalogue, last, desks, scopes, .. } = self;
        let desks = desks.iter().filter(move |desk| desk.chain.is_some_and(|chain| chains.contains(&chain)));
        let lines = desks.flat_map(|desk| {
            let held = desk.lines.iter().filter(|line| !line.held.is_zero() && line.settled.is_none());
            held.map(move |line| Position {
                strategy: StrategyId(desk.scope),
                account: desk.account,
                instrument: line.instrument,
                qty: line.held,
                price: Price::ZERO,
            })
        });
        let others = scopes.iter().filter(move |scope| {
            let of = || &catalogue.instruments[scope.instrument.index()];
            scope.desk.is_none() && !scope.position.is_zero() && of().base == base && !of().kind.is_option()
        });
        let others = others.map(move |scope| {
            let index = scope.instrument.index();
            let is_future = catalogue.instruments[index].kind.expiry().is_some();
            Position {
                strategy: scope.id,
                account: scope.account,
                instrument: scope.instrument,
                qty: scope.position,
                price: if is_future { last[index] } else { Price::ZERO },
            }
        });
        lines.chain(others)
    }
}
