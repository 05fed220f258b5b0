//! The Greeks of what strategies hold, kept current for the facts that policies read of them.

use crate::chain::{Chain, ChainExpiry, Chains, QuotedOption};
use crate::desk::Desk;
use crate::scope::Scope;
use crate::surfaces::Surfaces;
use market::{Catalogue, Currency, InstrumentKind};
use policy::{Greek, SurfaceFact};
use pricing::options::{OptionStyle, Simd};
use risk::greeks::{DeltaOneKey, OptionKey, PortfolioGreeks, SmilePoint};
use units::math::ln;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, InstrumentId, Price, Qty, SeriesId, StrategyId, Timestamp};

/// A fact of the Greeks of what is held on an underlying.
#[derive(Debug, Clone)]
struct GreekFact {
    series: SeriesId,
    greek: Greek,
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

/// An underlying, and its market and positions as they stand in the portfolio.
#[derive(Debug)]
struct Underlying {
    base: Currency,
    facts: Vec<GreekFact>,
    /// Instruments whose price is that of the underlying: the first that has one tells it.
    sources: Vec<u32>,
    /// Where its options are listed.
    chains: Vec<usize>,
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
    /// `None`: no series of the catalogue asks for a Greek.
    pub(crate) fn new(catalogue: &Catalogue, chains: &Chains) -> Option<Self> {
        let mut underlyings: Vec<Underlying> = Vec::new();
        for (index, name) in catalogue.series.iter().enumerate() {
            let Ok(SurfaceFact::Greek { greek, base }) = name.parse() else { continue };
            let Ok(base) = base.parse::<Currency>() else { continue };
            let fact = GreekFact { series: SeriesId(index as u32), greek };
            match underlyings.binary_search_by_key(&base, |of| of.base) {
                Ok(at) => underlyings[at].facts.push(fact),
                Err(at) => underlyings.insert(at, Underlying::new(base, fact, catalogue, chains)),
            }
        }
        (!underlyings.is_empty()).then(|| Self { greeks: PortfolioGreeks::new(Simd::best()), underlyings })
    }

    pub(crate) fn portfolio(&self) -> &PortfolioGreeks {
        &self.greeks
    }

    /// Takes over what has changed, and tells the facts that follow from it.
    pub(crate) fn update(&mut self, holdings: &Holdings<'_>, mut tell: impl FnMut(SeriesId, f64)) {
        let Self { greeks, underlyings } = self;
        for underlying in underlyings {
            if !(underlying.update(greeks, holdings) && underlying.is_complete) {
                continue;
            }
            let sums = greeks.underlying(underlying.base);
            for fact in &underlying.facts {
                let value = match fact.greek {
                    Greek::Delta => sums.delta - sums.premium,
                    Greek::Gamma => sums.gamma,
                    Greek::Vega => sums.vega,
                    Greek::Theta => sums.theta,
                };
                tell(fact.series, value);
            }
        }
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
        }
        Ok(())
    }
}

impl Underlying {
    fn new(base: Currency, fact: GreekFact, catalogue: &Catalogue, chains: &Chains) -> Self {
        let of = |kinds: fn(InstrumentKind) -> bool| {
            let all = catalogue.instruments.iter().enumerate();
            all.filter(move |(_, of)| of.base == base && market::is_dollar(of.quote) && kinds(of.kind))
                .map(|(index, _)| index as u32)
        };
        let perpetuals = of(|kind| matches!(kind, InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual));
        let listed = chains.chains().iter().enumerate().filter(|(_, chain)| chain.base() == base);
        Self {
            base,
            facts: vec![fact],
            sources: perpetuals.chain(of(|kind| kind == InstrumentKind::Spot)).collect(),
            chains: listed.map(|(at, _)| at).collect(),
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
                    expiry.forward().is_none() || expiry.options().iter().any(told)
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
