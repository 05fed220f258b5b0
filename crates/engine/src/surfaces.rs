//! Fitted volatility surfaces of what is quoted, and the facts that policies read off them.

use crate::chain::{Chain, ChainExpiry, Chains};
use crate::engine::Engine;
use market::{Catalogue, Currency, InstrumentKind};
use policy::facts;
use policy::{Greek, SurfaceFact};
use pricing::options::{DeltaConvention, Inputs, OptionKind, OptionStyle, Simd};
use pricing::surface::{ChainSettings, ExpiryReport, Surface, SurfaceRefusal};
use risk::greeks::{DeltaOneKey, OptionKey, PortfolioGreeks};
use risk::{Leg, OneDay, ProfitIn};
use std::collections::VecDeque;
use units::math::ln;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, InstrumentId, OptionRight, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp, Vol};

/// Days of a year, in nanoseconds: tenors are ACT/365.
const YEAR: f64 = 365.0 * Duration::DAY.nanos() as f64;
/// What a rank remembers: the last value of each hour.
const RANK_STEP: Duration = Duration::HOUR;
/// The delta of a risk reversal's options.
const QUARTER: f64 = 0.25;

/// The surface of one chain of options.
#[derive(Debug, Clone)]
pub struct FittedChain {
    quotes: pricing::surface::Chain,
    fit: Option<Result<Surface, SurfaceRefusal>>,
    /// When it was fitted, and after how many quotes of the chain.
    at: Timestamp,
    changes: u64,
    /// The price of the underlying then.
    spot: Option<Price>,
}

impl FittedChain {
    fn new(chain: &Chain) -> Self {
        let style = if chain.is_in_coin() { OptionStyle::Inverse } else { OptionStyle::Linear };
        let quotes = pricing::surface::Chain::new(style, ChainSettings::default());
        Self { quotes, fit: None, at: Timestamp::MIN, changes: 0, spot: None }
    }

    /// Fits a chain as it is quoted now: whole, so that the surface follows from the quotes and the moment alone.
    #[must_use]
    pub fn fitted(chain: &Chain, spot: Option<Price>, now: Timestamp) -> Self {
        let mut fitted = Self::new(chain);
        fitted.fit(chain, spot, now);
        fitted
    }

    fn fit(&mut self, chain: &Chain, spot: Option<Price>, now: Timestamp) {
        (self.at, self.changes, self.spot) = (now, chain.changes(), spot);
        self.quotes.clear();
        self.quotes.set_spot(spot.map(Price::approximate));
        for expiry in chain.expiries() {
            for quote in quotes_of(expiry) {
                // What no option can cost is left out, as a quote that is stale or crossed is.
                let _placed = self.quotes.push(&quote);
            }
        }
        self.quotes.remake_all(now);
        let smiles = self.quotes.smiles();
        self.fit = (!smiles.is_empty()).then(|| Surface::fit(smiles));
    }

    /// The surface. `None`: nothing could be fitted.
    #[must_use]
    pub fn surface(&self) -> Option<&Surface> {
        self.fit.as_ref()?.as_ref().ok()
    }

    /// Why there is no surface though expiries have quotes.
    #[must_use]
    pub fn refusal(&self) -> Option<&SurfaceRefusal> {
        self.fit.as_ref()?.as_ref().err()
    }

    /// When it was fitted.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The quotes that went into it, expiry by expiry: what was used, what was dropped and why.
    pub fn reports(&self) -> impl Iterator<Item = ExpiryReport> + '_ {
        (0..self.quotes.len()).map(|index| self.quotes.report(index))
    }

    /// The quotes as they were cleaned.
    #[must_use]
    pub fn quotes(&self) -> &pricing::surface::Chain {
        &self.quotes
    }
}

/// The options of an expiry that were ever quoted.
fn quotes_of(expiry: &ChainExpiry) -> impl Iterator<Item = pricing::surface::OptionQuote> + '_ {
    expiry.options().iter().filter(|option| option.quoted != Timestamp::MIN).map(|option| {
        let side = |price: Option<Price>| price.map(Price::approximate);
        pricing::surface::OptionQuote {
            expiry: expiry.at(),
            strike: option.strike.approximate(),
            kind: kind_of(option.right),
            bid: side(option.quote.bid()),
            ask: side(option.quote.ask()),
            tick: option.tick.approximate(),
            at: option.quoted,
            forward: side(option.quote.underlying()),
        }
    })
}

fn kind_of(right: OptionRight) -> OptionKind {
    match right {
        OptionRight::Call => OptionKind::Call,
        OptionRight::Put => OptionKind::Put,
    }
}

/// A fact that some policy reads, as a series of the run.
#[derive(Debug, Clone)]
struct Derived {
    series: SeriesId,
    fact: SurfaceFact,
    /// The chain that tells it. `None`: no option on that underlying is listed.
    chain: Option<usize>,
    /// Of a rank: the last value of each hour within the window.
    past: VecDeque<(Timestamp, f64)>,
}

/// The surfaces that policies read of, fitted again when quotes have come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surfaces {
    /// By the number of the chain; `None` where nothing reads it.
    fitted: Vec<Option<FittedChain>>,
    derived: Vec<Derived>,
    /// The series by which strategies of structures read the volatility of their own.
    structure: Option<SeriesId>,
}

impl Surfaces {
    /// What the series of a catalogue ask for: those that are named as such facts are.
    pub(crate) fn new(catalogue: &Catalogue, chains: &Chains) -> Self {
        let largest = |base: &str| {
            let on = chains.chains().iter().enumerate().filter(|(_, chain)| chain.base().as_str() == base);
            let size = |chain: &Chain| chain.expiries().iter().map(|expiry| expiry.options().len()).sum::<usize>();
            // Of equals the first.
            on.max_by_key(|(at, chain)| (size(chain), std::cmp::Reverse(*at))).map(|(at, _)| at)
        };
        let mut surfaces = Self { fitted: vec![None; chains.chains().len()], derived: Vec::new(), structure: None };
        for (index, name) in catalogue.series.iter().enumerate() {
            let Ok(fact) = name.parse::<SurfaceFact>() else { continue };
            let series = SeriesId(index as u32);
            match fact {
                SurfaceFact::Structure => {
                    surfaces.structure = Some(series);
                    continue;
                }
                // Greeks go by the smile of what is held.
                SurfaceFact::Greek { ref base, .. } => {
                    let on = |(_, chain): &(usize, &Chain)| chain.base().as_str() == base;
                    for (chain, _) in chains.chains().iter().enumerate().filter(on) {
                        surfaces.read(chain, chains);
                    }
                    continue;
                }
                _ => {}
            }
            let chain = fact.base().and_then(largest);
            if let Some(chain) = chain {
                surfaces.read(chain, chains);
            }
            surfaces.derived.push(Derived { series, fact, chain, past: VecDeque::new() });
        }
        surfaces
    }

    /// A chain's surface is kept from now on.
    pub(crate) fn read(&mut self, chain: usize, chains: &Chains) {
        self.fitted[chain].get_or_insert_with(|| FittedChain::new(&chains.chains()[chain]));
    }

    /// Whether nothing is read.
    pub(crate) fn is_empty(&self) -> bool {
        self.fitted.iter().all(Option::is_none)
    }

    /// A strategy of a structure reads the volatility of its own off a chain.
    pub(crate) fn read_for_structure(&mut self, chain: usize, chains: &Chains) {
        if self.structure.is_some() {
            self.read(chain, chains);
        }
    }

    /// The surface of a chain, if it is kept and could be fitted.
    pub(crate) fn of(&self, chain: usize) -> Option<&Surface> {
        self.fitted.get(chain)?.as_ref()?.surface()
    }

    /// Fits the surfaces whose quotes have changed. `spot` is the price of a chain's underlying. Which chains were fitted is one bit
    /// each, of the first 64.
    pub(crate) fn refit(&mut self, chains: &Chains, spot: impl Fn(&Chain) -> Option<Price>, now: Timestamp) -> u64 {
        let mut changed = 0;
        for (at, fitted) in self.fitted.iter_mut().enumerate() {
            let (Some(fitted), chain) = (fitted, &chains.chains()[at]) else { continue };
            if fitted.changes != chain.changes() {
                fitted.fit(chain, spot(chain), now);
                changed |= 1_u64 << at.min(63);
            }
        }
        changed
    }

    /// The values of facts of chains that were fitted, by series.
    pub(crate) fn values(&mut self, changed: u64, now: Timestamp, mut tell: impl FnMut(SeriesId, f64)) {
        let Self { fitted, derived, .. } = self;
        for derived in derived {
            let Some(chain) = derived.chain.filter(|chain| changed >> (*chain).min(63) & 1 == 1) else { continue };
            let surface = fitted[chain].as_ref().and_then(FittedChain::surface);
            let Some(value) = surface.and_then(|surface| value_of(&derived.fact, surface)) else { continue };
            let told = match derived.fact {
                SurfaceFact::Rank { window, .. } => rank(&mut derived.past, window, now, value),
                _ => Some(value),
            };
            if let Some(told) = told {
                tell(derived.series, told);
            }
        }
    }

    /// Writes what quotes do not tell: when each surface was fitted, and what ranks remember.
    pub(crate) fn save(&self, out: &mut StateWriter) {
        for fitted in self.fitted.iter().flatten() {
            out.i64(fitted.at.nanos());
            out.u64(fitted.changes);
            out.option(fitted.spot, |out, spot| out.i64(spot.raw()));
        }
        for derived in &self.derived {
            out.len(derived.past.len());
            for (at, value) in &derived.past {
                out.i64(at.nanos());
                out.f64(*value);
            }
        }
    }

    /// Reads what [`Self::save`] wrote, and fits the surfaces again: to the quotes of the same chains, restored before.
    pub(crate) fn load(&mut self, from: &mut StateReader<'_>, chains: &Chains) -> Result<(), Corrupt> {
        for (at, fitted) in self.fitted.iter_mut().enumerate() {
            let Some(fitted) = fitted else { continue };
            let (when, changes) = (Timestamp::from_nanos(from.i64()?), from.u64()?);
            let spot = from.option(StateReader::i64)?.map(Price::from_raw);
            *fitted = FittedChain::new(&chains.chains()[at]);
            if when != Timestamp::MIN {
                fitted.fit(&chains.chains()[at], spot, when);
            }
            fitted.changes = changes;
        }
        for derived in &mut self.derived {
            derived.past.clear();
            for _ in 0..from.len()? {
                derived.past.push_back((Timestamp::from_nanos(from.i64()?), from.f64()?));
            }
        }
        Ok(())
    }
}

/// A fact as a surface tells it now; of a rank, the value that is ranked.
fn value_of(fact: &SurfaceFact, surface: &Surface) -> Option<f64> {
    let years = |span: &Duration| span.nanos() as f64 / YEAR;
    let atm = |tenor: &Duration| surface.tenor(years(tenor)).ok().map(|tenor| tenor.atm());
    let value = match fact {
        SurfaceFact::AtTheMoney { tenor, .. } | SurfaceFact::Rank { tenor, .. } => atm(tenor)?,
        SurfaceFact::Skew { tenor, .. } => {
            let tenor = surface.tenor(years(tenor)).ok()?;
            tenor.wings(DeltaConvention::BlackScholes, QUARTER).ok()?.risk_reversal()
        }
        SurfaceFact::TermSlope { short, long, .. } => atm(long)? - atm(short)?,
        SurfaceFact::Greek { .. } | SurfaceFact::Structure => return None,
    };
    value.is_finite().then_some(value)
}

/// The share of the hourly values of a window that lie under the present one. `None`: there is no other hour yet.
fn rank(past: &mut VecDeque<(Timestamp, f64)>, window: Duration, now: Timestamp, value: f64) -> Option<f64> {
    let hour = now.floor(RANK_STEP);
    while past.front().is_some_and(|(at, _)| now.since(*at) > window) {
        past.pop_front();
    }
    if past.back().is_some_and(|(at, _)| *at == hour) {
        past.pop_back();
    }
    let under = past.iter().filter(|(_, before)| *before < value).count();
    let share = (!past.is_empty()).then(|| under as f64 / past.len() as f64);
    past.push_back((hour, value));
    share
}

/// A fact of the Greeks of what is held on an underlying.
#[derive(Debug, Clone)]
struct GreekFact {
    series: SeriesId,
    greek: Greek,
    base: Currency,
}

/// The Greeks of what an engine's accounts hold, for the facts that policies read of them.
#[derive(Debug)]
pub(crate) struct HeldGreeks {
    greeks: PortfolioGreeks,
    facts: Vec<GreekFact>,
}

impl HeldGreeks {
    /// `None`: no series of the catalogue asks for a Greek.
    pub(crate) fn new(catalogue: &Catalogue) -> Option<Self> {
        let facts: Vec<GreekFact> = catalogue
            .series
            .iter()
            .enumerate()
            .filter_map(|(index, name)| {
                let Ok(SurfaceFact::Greek { greek, base }) = name.parse() else { return None };
                Some(GreekFact { series: SeriesId(index as u32), greek, base: base.parse().ok()? })
            })
            .collect();
        (!facts.is_empty()).then(|| Self { greeks: PortfolioGreeks::new(Simd::best()), facts })
    }

    /// The underlyings that are asked for.
    fn bases(&self) -> Vec<Currency> {
        let mut bases: Vec<Currency> = self.facts.iter().map(|fact| fact.base).collect();
        bases.sort_unstable();
        bases.dedup();
        bases
    }
}

impl Engine {
    /// Surfaces whose quotes have changed are fitted, and strategies told the facts that they read of them and of what is held.
    pub(crate) fn tell_surfaces(&mut self) {
        let now = self.now;
        let Self { surfaces, structures, catalogue, last, .. } = self;
        let spot = |chain: &Chain| price_of_underlying(chain.base(), catalogue, last);
        let changed = surfaces.refit(&structures.chains, spot, now);
        let mut told: Vec<(SeriesId, f64)> = Vec::new();
        surfaces.values(changed, now, |series, value| told.push((series, value)));
        self.tell_greeks(&mut told);
        for (series, value) in told {
            let Some(value) = Ratio::new(value) else { continue };
            for index in 0..self.scopes.len() {
                self.tell_fact(index, series, value);
            }
        }
        let Some(series) = self.surfaces.structure else { return };
        for at in 0..self.structures.desks.len() {
            let scope = self.structures.desks[at].scope as usize;
            let volatility = self.structure_volatility(at);
            if let Some(volatility) = volatility.and_then(|volatility| Ratio::new(volatility.get())) {
                self.tell_fact(scope, series, volatility);
            }
        }
    }

    /// Tells a strategy a fact, as a series would be told.
    fn tell_fact(&mut self, scope: usize, series: SeriesId, value: Ratio) {
        let state = &mut self.scopes[scope];
        state.facts.set_now(self.now);
        state.facts.set(facts::series(series), value);
        self.dirty.touch(scope as u32);
    }

    /// Annualised standard deviation of the one-day profit of one unit of a structure, as a share of what it stands for: of the legs
    /// that are held, else of those that would be chosen now.
    fn structure_volatility(&self, at: usize) -> Option<Vol> {
        let desk = &self.structures.desks[at];
        let chain = desk.chain?;
        let surface = self.surfaces.of(chain)?;
        let quoted = &self.structures.chains.chains()[chain];
        let mut legs = Vec::new();
        let held = desk.lines.iter().filter(|line| !line.ratio.is_zero() && line.settled.is_none());
        let chosen = desk.candidate.iter().flat_map(|choice| choice.legs.iter().copied());
        let units: Vec<(InstrumentId, Qty)> =
            if desk.is_idle() { chosen.collect() } else { held.map(|line| (line.instrument, line.ratio)).collect() };
        let mut price = None;
        for (instrument, ratio) in units {
            let (expiry, forward) = self.structures.chains.expiry(instrument)?;
            let (option, forward) = (self.structures.chains.option(instrument)?, forward?.approximate());
            price = price.or(Some(forward));
            let years = expiry.since(self.now).nanos() as f64 / YEAR;
            let tenor = surface.tenor(years).ok()?;
            let k = ln(option.strike.approximate() / forward);
            let inputs =
                Inputs { strike: option.strike.approximate(), years, vol: tenor.vol(k), forward, discount: 1.0 };
            let (right, slope) = (option.right, tenor.vol_slope(k));
            legs.push(Leg::Option { right, quantity: ratio.approximate(), inputs, slope });
        }
        let price =
            price_of_underlying(quoted.base(), &self.catalogue, &self.last).map(Price::approximate).or(price)?;
        let atm_vol = surface.tenor(1.0 / 365.0).ok()?.atm();
        let profit_in = if quoted.is_in_coin() { ProfitIn::Coin } else { ProfitIn::Quote };
        let day = OneDay { price, atm_vol, sticky: desk.terms.sticky, profit_in };
        risk::ex_ante(&legs, &day).ok()?.of_exposure(price)
    }

    /// The Greeks of all that the accounts hold, made anew from what they hold now: the same whatever was held before.
    fn tell_greeks(&mut self, told: &mut Vec<(SeriesId, f64)>) {
        let Some(mut held) = self.greeks.take() else { return };
        held.greeks = PortfolioGreeks::new(Simd::best());
        for base in held.bases() {
            // What cannot be priced is left out, and nothing is told of its underlying.
            if self.hold_all(&mut held.greeks, base).is_none() {
                continue;
            }
            let sums = held.greeks.underlying(base);
            for fact in held.facts.iter().filter(|fact| fact.base == base) {
                told.push((
                    fact.series,
                    match fact.greek {
                        Greek::Delta => sums.delta - sums.premium,
                        Greek::Gamma => sums.gamma,
                        Greek::Vega => sums.vega,
                        Greek::Theta => sums.theta,
                    },
                ));
            }
        }
        self.greeks = Some(held);
    }

    /// Puts all positions on an underlying into a portfolio. `None`: one of them has no price, forward or volatility yet.
    fn hold_all(&self, greeks: &mut PortfolioGreeks, base: Currency) -> Option<()> {
        let quoted = || self.structures.chains.chains().iter().find(|chain| chain.base() == base);
        let near = || quoted().and_then(|chain| chain.expiries().iter().find_map(ChainExpiry::forward));
        let price = price_of_underlying(base, &self.catalogue, &self.last).or_else(near)?;
        greeks.set_time(self.now).ok()?;
        greeks.set_price(base, price.approximate()).ok()?;
        for desk in &self.structures.desks {
            let Some(chain) = desk.chain else { continue };
            if self.structures.chains.chains()[chain].base() != base {
                continue;
            }
            let surface = self.surfaces.of(chain);
            let is_in_coin = self.structures.chains.chains()[chain].is_in_coin();
            for line in desk.lines.iter().filter(|line| !line.held.is_zero() && line.settled.is_none()) {
                let option = self.structures.chains.option(line.instrument)?;
                let (expiry, forward) = self.structures.chains.expiry(line.instrument)?;
                let forward = forward?.approximate();
                let tenor = surface?.tenor(expiry.since(self.now).nanos() as f64 / YEAR).ok()?;
                let k = ln(option.strike.approximate() / forward);
                greeks.set_forward(base, expiry, forward).ok()?;
                let key = OptionKey {
                    underlying: base,
                    expiry,
                    strike: option.strike,
                    right: option.right,
                    style: if is_in_coin { OptionStyle::Inverse } else { OptionStyle::Linear },
                    venue: desk.account,
                    strategy: StrategyId(desk.scope),
                };
                greeks
                    .hold(key, line.held, risk::greeks::SmilePoint { vol: tenor.vol(k), slope: tenor.vol_slope(k) })
                    .ok()?;
            }
        }
        for scope in self.scopes.iter().filter(|scope| scope.desk.is_none() && !scope.position.is_zero()) {
            let instrument = &self.catalogue.instruments[scope.instrument.index()];
            if instrument.base != base {
                continue;
            }
            let expiry = instrument.kind.expiry();
            if let Some(expiry) = expiry {
                greeks.set_forward(base, expiry, self.last[scope.instrument.index()].approximate()).ok()?;
            }
            let (contract, venue) = (instrument.kind.contract(), scope.account);
            let key = DeltaOneKey { underlying: base, expiry, contract, venue, strategy: scope.id };
            greeks.hold_delta_one(key, scope.position).ok()?;
        }
        Some(())
    }
}

/// The last price of an underlying in dollars: of a perpetual, else of spot.
fn price_of_underlying(base: Currency, catalogue: &Catalogue, last: &[Price]) -> Option<Price> {
    let on = |kinds: fn(InstrumentKind) -> bool| {
        let of =
            catalogue.instruments.iter().zip(last).filter(|(of, last)| {
                of.base == base && market::is_dollar(of.quote) && kinds(of.kind) && !last.is_zero()
            });
        of.map(|(_, last)| *last).next()
    };
    on(|kind| matches!(kind, InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual))
        .or_else(|| on(|kind| kind == InstrumentKind::Spot))
}
