//! Fitted volatility surfaces of what is quoted, and the facts that policies read off them.

use crate::desk::Desk;
use crate::engine::Engine;
use crate::held::{HeldGreeks, Holdings, Told, Value, levelled};
use crate::structures::Structures;
use arrayvec::ArrayVec;
use market::{Catalogue, Currency};
use policy::facts;
use policy::spec::{LEGS_MAX, TargetGreek};
use policy::{RiskFact, SurfaceFact};
use pricing::options::{DeltaConvention, Inputs, OptionStyle, Simd};
use pricing::surface::{ChainSettings, ExpiryReport, Repair, Slice, Sticky, Surface, SurfaceRefusal, Tenor};
use risk::chain::{Chain, ChainExpiry, Chains};
use risk::greeks::{OptionKey, PortfolioGreeks, SmilePoint};
use risk::{Leg, OneDay, ProfitIn};
use std::collections::VecDeque;
use units::math::ln;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Contract, Duration, InstrumentId, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp, Vol};

/// Days of a year, in nanoseconds: tenors are ACT/365.
const YEAR: f64 = 365.0 * Duration::DAY.nanos() as f64;
/// What a rank remembers: the last value of each hour.
const RANK_STEP: Duration = Duration::HOUR;
/// The delta of a risk reversal's options.
const QUARTER: f64 = 0.25;

/// A surface that was fitted in parts is fitted whole at the latest after this time...
const WHOLE_AFTER: Duration = Duration::MINUTE;
/// ... and after this part of what its first expiry had left to live.
const LIFE_PART: i64 = 1_000;
/// A tenor so many times nearer than the first expiry, or further than the last, is told by no surface.
const BEYOND: f64 = 2.0;
/// If more than one in so many expiries have new quotes, it is fitted whole at once.
const FEW: usize = 3;

/// The surface of one chain of options.
///
/// It is fitted to the quotes as they stand. Where only few expiries have new ones, these alone are fitted anew, each between its
/// neighbours as they are; where one cannot follow its quotes between them, all are. The others stay as of the moment they were fitted
/// at, so that their time to expiry is too long by what has passed since: at most a minute, and at most a thousandth of what the first
/// expiry has left. Then all are fitted.
#[derive(Debug, Clone)]
pub struct FittedChain {
    quotes: pricing::surface::Chain,
    /// What the underlying was taken to cost beside it.
    beside: Option<f64>,
    fit: Option<Result<Surface, SurfaceRefusal>>,
    /// When it was fitted last, and after how many quotes of the chain.
    at: Timestamp,
    changes: u64,
    /// When it was last fitted whole.
    whole: Timestamp,
    /// The expiries that had quotes then, and after how many of them each was fitted.
    fitted: Vec<(Timestamp, u64)>,
}

impl FittedChain {
    fn new(chain: &Chain) -> Self {
        let style = if chain.is_in_coin() { OptionStyle::Inverse } else { OptionStyle::Linear };
        let quotes = pricing::surface::Chain::new(style, ChainSettings::default());
        let (at, whole) = (Timestamp::MIN, Timestamp::MIN);
        Self { quotes, beside: None, fit: None, at, changes: 0, whole, fitted: Vec::new() }
    }

    /// Fits a chain as it is quoted now: whole, so that the surface follows from the quotes, the moment and the prices that the chain was
    /// told alone. `beside` is what its forwards are moved from as the underlying moves on; no forward follows from it.
    #[must_use]
    pub fn fitted(chain: &Chain, beside: Option<Price>, now: Timestamp) -> Self {
        let mut fitted = Self::new(chain);
        fitted.fit(chain, beside, now);
        fitted
    }

    /// Fits what has new quotes.
    fn refit(&mut self, chain: &Chain, beside: Option<Price>, now: Timestamp) {
        if self.refit_few(chain, beside, now).is_none() {
            self.fit(chain, beside, now);
        }
    }

    fn fit(&mut self, chain: &Chain, beside: Option<Price>, now: Timestamp) {
        (self.at, self.whole, self.changes) = (now, now, chain.changes());
        self.quotes.clear();
        self.set_spot(chain, beside, now);
        self.fitted.clear();
        for expiry in quoted(chain) {
            self.fitted.push((expiry.at(), expiry.changes()));
            self.quotes.set_future(expiry.at(), future(expiry, now));
            for quote in expiry.quotes() {
                // What no option can cost is left out, as a quote that is stale or crossed is.
                let _placed = self.quotes.push(&quote);
            }
        }
        self.quotes.remake_all(now);
        self.fit_smiles();
    }

    /// The latest price of the underlying, as far as it is one of now, is what forwards that nothing tells are found by.
    fn set_spot(&mut self, chain: &Chain, beside: Option<Price>, now: Timestamp) {
        self.beside = beside.map(Price::approximate);
        self.quotes.set_spot(chain.spot(now).map(|spot| spot.price.approximate()));
    }

    fn fit_smiles(&mut self) {
        let smiles = self.quotes.smiles();
        self.fit = (!smiles.is_empty()).then(|| Surface::fit(smiles));
    }

    /// Fits the few expiries that have new quotes. `None`: it is to be fitted whole, and what is here is of no use.
    fn refit_few(&mut self, chain: &Chain, beside: Option<Price>, now: Timestamp) -> Option<()> {
        let Some(Ok(surface)) = &self.fit else { return None };
        let first = surface.slices().first()?.years() * YEAR;
        let lasts = WHOLE_AFTER.nanos().min(first as i64 / LIFE_PART);
        let same = quoted(chain).map(ChainExpiry::at).eq(self.fitted.iter().map(|(expiry, _)| *expiry));
        if !same || now.since(self.whole).nanos() > lasts {
            return None;
        }
        let new = quoted(chain).zip(&self.fitted).filter(|(expiry, (_, changes))| expiry.changes() != *changes).count();
        if new * FEW > self.fitted.len() {
            return None;
        }
        (self.at, self.changes) = (now, chain.changes());
        self.set_spot(chain, beside, now);
        let Some(Ok(surface)) = &mut self.fit else { return None };
        for (expiry, (at, changes)) in quoted(chain).zip(&mut self.fitted) {
            if *changes == expiry.changes() {
                continue;
            }
            *changes = expiry.changes();
            self.quotes.set_future(*at, future(expiry, now));
            for quote in expiry.quotes() {
                self.quotes.push(&quote).ok()?;
            }
            let index = self.quotes.index_of(*at)?;
            let before = self.quotes.smile(index).ok();
            let after = self.quotes.remake(index, now).ok();
            let slice = after.and_then(|smile| slice_of(surface, smile));
            match (before, after, slice) {
                // It had none and has none.
                (None, None, _) => {}
                (Some(_), Some(smile), Some(slice)) => {
                    surface.refit(slice, &self.quotes.smiles()[smile]).ok()?;
                    if !fits(&surface.slices()[slice]) {
                        return None;
                    }
                }
                // It could not be fitted, and still cannot.
                (Some(_), Some(smile), None) if self.quotes.smiles()[smile].check().is_err() => {}
                _ => return None,
            }
        }
        Some(())
    }

    /// The smile of an expiry: its own as it was fitted, else the one between its neighbours.
    pub(crate) fn smile(&self, expiry: Timestamp, now: Timestamp) -> Option<Tenor<'_>> {
        let surface = self.surface()?;
        let own = self.quotes.index_of(expiry).and_then(|index| self.quotes.smile(index).ok());
        match own.and_then(|smile| slice_of(surface, smile)) {
            Some(slice) => Some(surface.slices()[slice].tenor()),
            None => surface.tenor(expiry.since(now).nanos() as f64 / YEAR).ok(),
        }
    }

    /// Whether an expiry has a smile of its own, which stays until the next quote; else it lies between two.
    pub(crate) fn has_smile(&self, expiry: Timestamp) -> bool {
        let own = self.quotes.index_of(expiry).and_then(|index| self.quotes.smile(index).ok());
        self.surface().is_some_and(|surface| own.and_then(|smile| slice_of(surface, smile)).is_some())
    }

    fn save(&self, out: &mut StateWriter) {
        for at in [self.at, self.whole] {
            out.i64(at.nanos());
        }
        out.u64(self.changes);
        out.len(self.fitted.len());
        for (expiry, changes) in &self.fitted {
            out.i64(expiry.nanos());
            out.u64(*changes);
        }
        out.option(self.beside, StateWriter::f64);
        self.quotes.save(out);
        out.option(self.fit.as_ref(), |out, fit| out.option(fit.as_ref().ok(), |out, surface| surface.save(out)));
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.at, self.whole) = (Timestamp::from_nanos(from.i64()?), Timestamp::from_nanos(from.i64()?));
        self.changes = from.u64()?;
        self.fitted.clear();
        for _ in 0..from.len()? {
            self.fitted.push((Timestamp::from_nanos(from.i64()?), from.u64()?));
        }
        self.beside = from.option(StateReader::f64)?;
        self.quotes.load(from)?;
        match from.option(|from| from.option(Surface::load))? {
            None => self.fit = None,
            Some(Some(surface)) => self.fit = Some(Ok(surface)),
            // Only what was fitted whole is refused: that follows from its quotes.
            Some(None) => self.fit_smiles(),
        }
        Ok(())
    }

    /// Volatility at the money of one day, annualised: what the spot of the day ahead is drawn with.
    pub(crate) fn one_day_vol(&self) -> Option<f64> {
        Some(self.surface()?.tenor(1.0 / 365.0).ok()?.atm())
    }

    /// The surface. `None`: nothing could be fitted.
    #[must_use]
    pub fn surface(&self) -> Option<&Surface> {
        self.fit.as_ref()?.as_ref().ok()
    }

    /// Whether quotes tell something of the volatility at the money at a time to expiry: it is no less than half of the first expiry's
    /// and no more than twice the last one's, and the forwards of the expiries that it lies between, or of the one that it lies
    /// beyond, lie within their quoted strikes. Else what the surface says there is drawn out from elsewhere.
    #[must_use]
    pub fn tells(&self, years: f64) -> bool {
        self.surface().is_some_and(|surface| tells(surface, years))
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

    /// The price of the underlying that it was fitted beside.
    pub(crate) fn spot(&self) -> Option<f64> {
        self.beside
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

/// [`FittedChain::tells`].
fn tells(surface: &Surface, years: f64) -> bool {
    let slices = surface.slices();
    let (Some(first), Some(last)) = (slices.first(), slices.last()) else { return false };
    let is_near = first.years() <= years * BEYOND && years <= last.years() * BEYOND;
    let after = slices.partition_point(|slice| slice.years() < years);
    let beside = &slices[after.saturating_sub(1)..slices.len().min(after + 1)];
    let has_its_forward = |slice: &Slice| {
        let (low, high) = slice.tenor().quoted();
        low <= 0.0 && 0.0 <= high
    };
    is_near && beside.iter().all(has_its_forward)
}

/// Which slice of a surface a smile of the quotes that it was fitted to is. `None`: that one could not be fitted.
fn slice_of(surface: &Surface, smile: usize) -> Option<usize> {
    let refused = || surface.refused().iter().map(|(at, _)| *at);
    (!refused().any(|at| at == smile)).then(|| smile - refused().filter(|at| *at < smile).count())
}

/// Whether an expiry that was fitted between its neighbours follows its quotes: nine in ten lie between bid and ask. Where the whole
/// market moves, neighbours as they were hold it back.
fn fits(slice: &Slice) -> bool {
    let error = slice.error();
    matches!(slice.arbitrage().repair, Repair::None | Repair::Refitted) && error.inside * 10 >= error.points * 9
}

/// The expiries of which an option was ever quoted.
fn quoted(chain: &Chain) -> impl Iterator<Item = &ChainExpiry> {
    chain.expiries().iter().filter(|expiry| expiry.changes() > 0)
}

/// What a future says of an expiry's forward.
fn future(expiry: &ChainExpiry, now: Timestamp) -> Option<f64> {
    expiry.future(now).map(|future| future.price.approximate())
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
    /// How many quotes of all chains have been looked at.
    seen: u64,
    /// Room for facts that are told.
    told: Vec<Told>,
}

impl Surfaces {
    /// What the series of a catalogue ask for: those that are named as such facts are.
    pub(crate) fn new(catalogue: &Catalogue, chains: &Chains) -> Self {
        let mut surfaces = Self { fitted: vec![None; chains.chains().len()], ..Self::default() };
        for (index, name) in catalogue.series.iter().enumerate() {
            if name.parse().is_ok_and(|fact: RiskFact| fact.needs_volatility()) {
                (0..chains.chains().len()).for_each(|chain| surfaces.read(chain, chains));
            }
            let Ok(fact) = name.parse::<SurfaceFact>() else { continue };
            let series = SeriesId(index as u32);
            match fact {
                SurfaceFact::Structure => {
                    surfaces.structure = Some(series);
                    continue;
                }
                // They go by the smile of what is held.
                SurfaceFact::Greek { ref base, .. } | SurfaceFact::Book { ref base } => {
                    surfaces.read_on(base, chains);
                    continue;
                }
                _ => {}
            }
            let chain = fact.base().and_then(|base| chains.largest(base));
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

    /// All chains on a coin are kept from now on: what is held of them goes by its own smile.
    pub(crate) fn read_on(&mut self, base: &str, chains: &Chains) {
        let on = |(_, chain): &(usize, &Chain)| chain.base().as_str() == base;
        for (chain, _) in chains.chains().iter().enumerate().filter(on) {
            self.read(chain, chains);
        }
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

    /// The surface of a chain, if it is kept.
    pub(crate) fn of(&self, chain: usize) -> Option<&FittedChain> {
        self.fitted.get(chain)?.as_ref()
    }

    /// Fits the surfaces whose quotes have changed. `spot` is the price of a chain's underlying. Which chains were fitted is one bit
    /// each, of the first 64.
    fn refit(&mut self, chains: &Chains, spot: impl Fn(&Chain) -> Option<Price>, now: Timestamp) -> u64 {
        self.seen = chains.changes();
        let mut changed = 0;
        for (at, fitted) in self.fitted.iter_mut().enumerate() {
            let (Some(fitted), chain) = (fitted, &chains.chains()[at]) else { continue };
            if fitted.changes != chain.changes() {
                fitted.refit(chain, spot(chain), now);
                changed |= 1_u64 << at.min(63);
            }
        }
        changed
    }

    /// The values of facts of chains that were fitted, by series.
    fn values(&mut self, changed: u64, now: Timestamp, mut tell: impl FnMut(SeriesId, f64)) {
        let Self { fitted, derived, .. } = self;
        for derived in derived {
            let Some(chain) = derived.chain.filter(|chain| has(changed, *chain)) else { continue };
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

    /// Writes the surfaces, of which some expiries may be older than others, and what ranks remember.
    pub(crate) fn save(&self, out: &mut StateWriter) {
        if self.is_empty() {
            return;
        }
        out.u64(self.seen);
        self.fitted.iter().flatten().for_each(|fitted| fitted.save(out));
        for derived in &self.derived {
            out.len(derived.past.len());
            for (at, value) in &derived.past {
                out.i64(at.nanos());
                out.f64(*value);
            }
        }
    }

    /// Reads what [`Self::save`] wrote.
    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        if self.is_empty() {
            return Ok(());
        }
        self.seen = from.u64()?;
        for fitted in self.fitted.iter_mut().flatten() {
            fitted.load(from)?;
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

/// Whether a chain is one of those that were fitted.
fn has(changed: u64, chain: usize) -> bool {
    changed >> chain.min(63) & 1 == 1
}

/// A fact as a surface tells it now; of a rank, the value that is ranked.
fn value_of(fact: &SurfaceFact, surface: &Surface) -> Option<f64> {
    let years = |span: &Duration| span.nanos() as f64 / YEAR;
    let tenor = |tenor: &Duration| surface.tenor(years(tenor)).ok().filter(|tenor| tells(surface, tenor.years()));
    let atm = |span: &Duration| tenor(span).map(|tenor| tenor.atm());
    let value = match fact {
        SurfaceFact::AtTheMoney { tenor, .. } | SurfaceFact::Rank { tenor, .. } => atm(tenor)?,
        SurfaceFact::Skew { tenor: span, .. } => {
            tenor(span)?.wings(DeltaConvention::BlackScholes, QUARTER).ok()?.risk_reversal()
        }
        SurfaceFact::TermSlope { short, long, .. } => atm(long)? - atm(short)?,
        SurfaceFact::Greek { .. } | SurfaceFact::Book { .. } | SurfaceFact::Structure => return None,
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

impl Engine {
    /// Surfaces whose quotes have changed are fitted, and strategies told the facts that they read of them and of what is held.
    #[inline]
    pub(crate) fn tell_surfaces(&mut self) {
        let is_quoted = self.structures.chains.changes() != self.surfaces.seen;
        if is_quoted || self.greeks.is_some() {
            self.tell_changed();
        }
    }

    fn tell_changed(&mut self) {
        let now = self.now;
        let Self { surfaces, structures, catalogue, last, greeks, scopes, books, has_traded, .. } = self;
        let mut told = std::mem::take(&mut surfaces.told);
        let mut changed = 0;
        if structures.chains.changes() != surfaces.seen {
            let spot = |chain: &Chain| price_of(chain.base(), catalogue, last);
            changed = surfaces.refit(&structures.chains, spot, now);
            surfaces
                .values(changed, now, |series, value| told.push(Told { series, to: None, value: Value::Is(value) }));
        }
        if let Some(greeks) = greeks {
            let Structures { chains, desks, .. } = structures;
            let has_traded = std::mem::take(has_traded);
            let holdings = Holdings { catalogue, last, chains, desks, scopes, surfaces, books, now, has_traded };
            greeks.update(&holdings, |fact| told.push(fact));
        }
        for Told { series, to, value } in told.drain(..) {
            for index in 0..self.scopes.len() {
                if to.is_some_and(|account| account != self.scopes[index].account) {
                    continue;
                }
                let value = match value {
                    Value::Is(value) => Some(value),
                    Value::Flat(base) => self.unit_volatility(index, base).map(Vol::get),
                };
                if let Some(value) = value.and_then(Ratio::new) {
                    self.tell_fact(index, series, value);
                }
            }
        }
        self.surfaces.told = told;
        self.tell_hedges();
        self.tell_levels();
        for at in 0..if changed == 0 { 0 } else { self.structures.desks.len() } {
            let desk = &self.structures.desks[at];
            let scope = desk.scope as usize;
            let Some(chain) = desk.chain.filter(|chain| has(changed, *chain)) else { continue };
            if let Some(series) = self.surfaces.structure {
                let volatility = self.structure_volatility(at, chain);
                if let Some(volatility) = volatility.and_then(|volatility| Ratio::new(volatility.get())) {
                    self.tell_fact(scope, series, volatility);
                }
            }
            // Of legs that are held it follows the price between quotes too.
            if let Some(greek) = self.scopes[scope].levels.filter(|_| self.scopes[scope].position.is_zero()) {
                let each = self.structure_greek(at, chain, greek);
                let facts = &mut self.scopes[scope].facts;
                facts.set_now(self.now);
                facts.put(facts::GREEK_EACH, each);
                self.dirty.touch(scope as u32);
            }
        }
    }

    /// What was filled is held by now: those who decide on it are told the Greeks of that, at the market that they were told at, which
    /// makes them no younger. Hedges, and all that is told of the market, follow with the next price.
    #[cold]
    pub(crate) fn tell_filled(&mut self) {
        for (series, value) in self.greeks_of_held() {
            let Some(value) = value.filter(|_| self.supposed(series).is_none()) else { continue };
            for scope in &self.dirty.list {
                self.scopes[*scope as usize].facts.correct(series, value);
            }
        }
    }

    /// Facts of Greeks that are others by what is held now, or supposed to be, than by what they were told of.
    pub(crate) fn greeks_of_held(&self) -> Vec<(SeriesId, Option<Ratio>)> {
        let mut told = Vec::new();
        if let Some(greeks) = &self.greeks {
            greeks.suppose(&self.held_now(), |series, value| told.push((series, Ratio::new(value))));
        }
        told
    }

    /// What each strategy's position, as it is now or supposed to be, has of each fact of Greeks.
    pub(crate) fn parts_of_held(&self) -> Vec<(SeriesId, StrategyId, f64)> {
        let mut told = Vec::new();
        if let Some(greeks) = &self.greeks {
            greeks.parts(&self.held_now(), |series, strategy, part| told.push((series, strategy, part)));
        }
        told
    }

    fn held_now(&self) -> Holdings<'_> {
        let Self { surfaces, structures, catalogue, last, scopes, books, now, .. } = self;
        let Structures { chains, desks, .. } = structures;
        Holdings { catalogue, last, chains, desks, scopes, surfaces, books, now: *now, has_traded: false }
    }

    /// Tells structures that bring a Greek to a level that of what is counted with them, where it is another.
    fn tell_levels(&mut self) {
        let Some(mut greeks) = self.greeks.take() else { return };
        for (index, told) in greeks.levelled() {
            let scope = &self.scopes[index as usize];
            let position = scope.position.approximate();
            // Legs that stand alone are no part of a structure: what one is worth is then told by its legs.
            let partly = scope.desk.filter(|at| self.structures.desks[*at as usize].is_partly_there());
            let each = match (told.filter(|_| position != 0.0), partly, scope.levels) {
                (None, ..) => None,
                (Some(_), Some(at), Some(greek)) => {
                    let chain = self.structures.desks[at as usize].chain;
                    Some(chain.and_then(|chain| self.structure_greek(at as usize, chain, greek)))
                }
                (Some([_, own]), ..) => Some(Ratio::new(own / position).filter(|each| each.get() != 0.0)),
            };
            let facts = &mut self.scopes[index as usize].facts;
            facts.set_now(self.now);
            facts.put(facts::GREEK_BESIDE, told.and_then(|[beside, _]| Ratio::new(beside)));
            if let Some(each) = each {
                facts.put(facts::GREEK_EACH, each);
            }
            self.dirty.touch(index);
        }
        self.greeks = Some(greeks);
    }

    /// Tells hedges the delta of what they hedge, where it is another.
    fn tell_hedges(&mut self) {
        let Self { greeks: Some(greeks), scopes, choices, dirty, now, .. } = self else { return };
        for (index, delta) in greeks.hedged() {
            let crate::scope::Scope { facts, choice, .. } = &mut scopes[index as usize];
            facts.set_now(*now);
            match choice {
                // What it makes of it with what others hold is told before it decides.
                Some(group) => {
                    if let Some(given_up) = Self::see_delta(choices, *group, delta) {
                        dirty.touch(given_up);
                    }
                }
                None => facts.put(facts::HEDGED, delta.map(|delta| delta.net)),
            }
            facts.put(facts::HEDGED_GROSS, delta.map(|delta| delta.gross));
            facts.put(facts::HEDGED_GAMMA, delta.and_then(|delta| Ratio::new(delta.gamma.abs())));
            dirty.touch(index);
        }
    }

    /// Tells a strategy a fact, as a series would be told.
    fn tell_fact(&mut self, scope: usize, series: SeriesId, value: Ratio) {
        let value = self.supposed(series).unwrap_or(value);
        let state = &mut self.scopes[scope];
        state.facts.set_now(self.now);
        state.facts.set(facts::series(series), value);
        self.dirty.touch(scope as u32);
    }

    /// How much a strategy's next unit of what it trades on a coin is expected to move, as a share of what that stands for.
    fn unit_volatility(&self, index: usize, base: Currency) -> Option<Vol> {
        let scope = &self.scopes[index];
        if let Some(at) = scope.desk {
            return self.structure_volatility(at as usize, self.structures.desks[at as usize].chain?);
        }
        let (of, chains) = (&self.catalogue.instruments[scope.instrument.index()], &self.structures.chains);
        let chain = chains.largest(base.as_str()).filter(|_| of.base == base)?;
        let atm_vol = self.surfaces.of(chain)?.one_day_vol()?;
        let price = price_of(base, &self.catalogue, &self.last)?.approximate();
        let contract = of.kind.contract();
        let quantity = if contract == Contract::Inverse { price } else { 1.0 };
        let is_in_coin = self.books[scope.account.index()].account.numeraire() == base;
        let profit_in = if is_in_coin { ProfitIn::Coin } else { ProfitIn::Quote };
        let day = OneDay { price, atm_vol, sticky: Sticky::default(), profit_in };
        let legs = [Leg::DeltaOne { contract, quantity, forward: price }];
        // No option, no smile.
        risk::ex_ante(&legs, &day, |_, _| ()).ok()?.of_exposure(price)
    }

    /// Annualised standard deviation of the one-day profit of one unit of a structure, as a share of what it stands for: of the legs
    /// that are held, else of those that would be chosen now.
    fn structure_volatility(&self, at: usize, chain: usize) -> Option<Vol> {
        let desk = &self.structures.desks[at];
        let (fitted, chains) = (self.surfaces.of(chain)?, &self.structures.chains);
        let quoted = &chains.chains()[chain];
        let mut legs: ArrayVec<Leg, { 2 * LEGS_MAX }> = ArrayVec::new();
        let mut smiles: ArrayVec<Tenor<'_>, { 2 * LEGS_MAX }> = ArrayVec::new();
        let mut price = None;
        for (instrument, ratio) in unit_of(desk) {
            let (expiry, forward) = chains.expiry(instrument)?;
            let (option, smile) = (chains.option(instrument)?, fitted.smile(expiry, self.now)?);
            let forward = forward.map_or(smile.forward(), Price::approximate);
            price = price.or(Some(forward));
            let (strike, years) = (option.strike.approximate(), expiry.since(self.now).nanos() as f64 / YEAR);
            let k = ln(strike / forward);
            let inputs = Inputs { strike, years, vol: smile.vol(k), forward, discount: 1.0 };
            legs.push(Leg::Option { right: option.right, quantity: ratio.approximate(), inputs });
            smiles.push(smile);
        }
        let price = price_of(quoted.base(), &self.catalogue, &self.last).map(Price::approximate).or(price)?;
        let atm_vol = fitted.one_day_vol()?;
        let profit_in = if quoted.is_in_coin() { ProfitIn::Coin } else { ProfitIn::Quote };
        let day = OneDay { price, atm_vol, sticky: desk.terms.sticky, profit_in };
        risk::ex_ante(&legs, &day, |at, places| smiles[at].vols(places)).ok()?.of_exposure(price)
    }

    /// A Greek of one unit of a structure that is not held, of the legs that would be chosen now: as that of what is held is reckoned.
    fn structure_greek(&self, at: usize, chain: usize, greek: TargetGreek) -> Option<Ratio> {
        let desk = &self.structures.desks[at];
        let (fitted, chains) = (self.surfaces.of(chain)?, &self.structures.chains);
        let quoted = &chains.chains()[chain];
        let (underlying, units) = (quoted.base(), unit_of(desk));
        let nearest = || units.iter().find_map(|(instrument, _)| chains.expiry(*instrument)?.1);
        let price = price_of(underlying, &self.catalogue, &self.last).or_else(nearest)?;
        let mut unit = PortfolioGreeks::new(Simd::best());
        unit.set_time(self.now).ok()?;
        unit.set_price(underlying, price.approximate()).ok()?;
        let style = if quoted.is_in_coin() { OptionStyle::Inverse } else { OptionStyle::Linear };
        for (instrument, ratio) in &units {
            let (expiry, forward) = chains.expiry(*instrument)?;
            let (option, smile) = (chains.option(*instrument)?, fitted.smile(expiry, self.now)?);
            let forward = forward.map_or(smile.forward(), Price::approximate);
            let k = ln(option.strike.approximate() / forward);
            let point = SmilePoint { vol: smile.vol(k), slope: smile.vol_slope(k) };
            let (venue, strategy) = (desk.account, StrategyId(desk.scope));
            let (strike, right) = (option.strike, option.right);
            unit.set_forward(underlying, expiry, forward).ok()?;
            unit.hold(OptionKey { underlying, expiry, strike, right, style, venue, strategy }, *ratio, point).ok()?;
        }
        let sums = unit.underlying(underlying);
        Ratio::new(levelled(greek, &sums)).filter(|each| each.get() != 0.0)
    }

    /// What one option of a structure of one leg is now, at the forward as the price of its underlying has moved it since it was quoted:
    /// of the one that is held, else of that which would be chosen. `None`: there is none, or no surface tells its volatility.
    pub(crate) fn option_unit(&self, at: usize) -> Option<OptionUnit> {
        let desk = &self.structures.desks[at];
        let (chain, chains) = (desk.chain?, &self.structures.chains);
        let quoted = &chains.chains()[chain];
        let (option, ratio) = *unit_of(desk).first()?;
        if let Some(expiry) = desk.first_expiry().filter(|expiry| *expiry <= self.now && !desk.is_idle()) {
            // What it settles at is known, or nearly.
            return Some(OptionUnit { option, delta: 0.0, gamma: 0.0, vol: 0.0, forward: 0.0, expiry });
        }
        let (expiry, then) = chains.expiry(option)?;
        let (known, smile) = (chains.option(option)?, self.surfaces.of(chain)?.smile(expiry, self.now)?);
        let then = then.map_or(smile.forward(), Price::approximate);
        let k = ln(known.strike.approximate() / then);
        let point = SmilePoint { vol: smile.vol(k), slope: smile.vol_slope(k) };
        let underlying = quoted.base();
        let moved = self.greeks.as_ref().and_then(|greeks| greeks.portfolio().forward(underlying, expiry));
        let forward = moved.unwrap_or(then);
        let mut unit = PortfolioGreeks::new(Simd::best());
        unit.set_time(self.now).ok()?;
        unit.set_price(underlying, forward).ok()?;
        unit.set_forward(underlying, expiry, forward).ok()?;
        let style = if quoted.is_in_coin() { OptionStyle::Inverse } else { OptionStyle::Linear };
        let (venue, strategy) = (desk.account, StrategyId(desk.scope));
        let (strike, right) = (known.strike, known.right);
        unit.hold(OptionKey { underlying, expiry, strike, right, style, venue, strategy }, ratio, point).ok()?;
        let sums = unit.underlying(underlying);
        let (delta, gamma) = (sums.hedge_delta(desk.terms.sticky), sums.gamma);
        (delta.is_finite() && gamma.is_finite()).then_some(OptionUnit {
            option,
            delta,
            gamma,
            vol: point.vol,
            forward,
            expiry,
        })
    }

    /// The Greeks of what strategies hold, of the underlyings that policies read them of, as of the last market input that changed
    /// them. `None`: no policy reads any.
    #[must_use]
    pub fn greeks(&self) -> Option<&PortfolioGreeks> {
        self.greeks.as_ref().map(HeldGreeks::portfolio)
    }
}

/// One option that a hedge buys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OptionUnit {
    pub(crate) option: InstrumentId,
    /// Unadjusted forward delta in coins, the smile moved as its structure declares.
    pub(crate) delta: f64,
    /// In coins for a dollar.
    pub(crate) gamma: f64,
    /// The volatility of its strike, a year.
    pub(crate) vol: f64,
    pub(crate) forward: f64,
    pub(crate) expiry: Timestamp,
}

/// The options of one unit of a structure: of a roll under way the old legs, and while nothing is held those that would be chosen now.
fn unit_of(desk: &Desk) -> ArrayVec<(InstrumentId, Qty), { 2 * LEGS_MAX }> {
    if desk.is_idle() {
        return desk.candidate.iter().flat_map(|choice| choice.legs.iter().copied()).collect();
    }
    let held = desk.lines.iter().filter(|line| !line.ratio.is_zero() && line.settled.is_none());
    held.map(|line| (line.instrument, line.ratio)).take(2 * LEGS_MAX).collect()
}

/// The last price of an underlying in dollars.
fn price_of(base: Currency, catalogue: &Catalogue, last: &[Price]) -> Option<Price> {
    catalogue.prices_of(base).map(|source| last[source.index()]).find(|last| !last.is_zero())
}
