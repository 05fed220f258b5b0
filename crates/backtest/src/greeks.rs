//! Greeks of the options that a run holds, and the surfaces that they are taken from, over time: for people to look at.
//!
//! The recorder stands beside the engine. It follows the same quotes and prices, is told what is held, and decides nothing. A
//! surface is fitted once in each span of time that has quotes, at its end; between rows nothing is computed.

use crate::table::{Name, rows};
use engine::FittedChain;
use market::{Catalogue, Currency, Event, InstrumentKind};
use pricing::options::{DeltaConvention, OptionStyle, Simd};
use pricing::surface::{QUARTER_DELTA, Slice, Surface};
use risk::chain::{Chain, Chains};
use risk::greeks::{DeltaOneKey, Dimension, GreekSums, GreeksError, OptionKey, Part, PortfolioGreeks, SmilePoint};
use std::collections::BTreeMap;
use units::{AccountId, Duration, InstrumentId, Price, Qty, StrategyId, Timestamp};

rows! {
    /// Greeks of all options on one underlying that a run holds, at a moment; of the last such moment also those of each expiry and strike,
    /// of each venue and of each strategy.
    GreekRow in "greeks" {
        /// Receipt time.
        time: Timestamp,
        /// The coin.
        underlying: Name,
        /// Of these options alone; empty: of all.
        expiry: Option<Timestamp>,
        /// Likewise.
        strike: Option<Price>,
        /// Of what is held there; empty: anywhere.
        venue: Name,
        /// Of what this strategy holds; empty: of all.
        strategy: Name,
        /// The coin's price in dollars.
        price: f64,
        /// Options held.
        options: u64,
        /// Of them without a volatility, and left out of all numbers.
        unpriced: u64,
        /// Coins that the options move like, each option's volatility unchanged: the smile stays at its strikes.
        delta: f64,
        /// What is added if the smile moves along with the price, staying at its moneyness.
        skew_delta: f64,
        /// The price in coin of options that are paid for in coin: delta less this is the premium-adjusted one.
        premium: f64,
        /// Coins that spot, perpetuals and futures held beside them move like.
        hedge: f64,
        /// Change of delta for a dollar.
        gamma: f64,
        /// Dollars by which delta in dollars changes for a move of 1 %.
        cash_gamma: f64,
        /// Dollars for 0.01 of volatility.
        vega: f64,
        /// Dollars for a day.
        theta: f64,
    }

    /// A fitted surface at a moment. Volatilities are annual fractions; empty: there is no surface.
    SurfaceRow in "surfaces" {
        /// Receipt time of the last quote that it is made of.
        time: Timestamp,
        /// Where the options are listed.
        venue: Name,
        /// What they are on.
        underlying: Name,
        /// What they settle in.
        settle: Name,
        /// At the money, 7 days.
        atm_7d: Option<f64>,
        /// At the money, 30 days.
        atm_30d: Option<f64>,
        /// At the money, 90 days.
        atm_90d: Option<f64>,
        /// 25-delta risk reversal of 30 days: call less put.
        risk_reversal_30d: Option<f64>,
        /// 25-delta butterfly of 30 days.
        butterfly_30d: Option<f64>,
    }

    /// One quoted strike of a chain's last surface. Volatilities are annual fractions.
    SmileRow in "smiles" {
        /// Receipt time of the surface's last quote.
        time: Timestamp,
        /// Where the options are listed.
        venue: Name,
        /// What they are on.
        underlying: Name,
        /// What they settle in.
        settle: Name,
        /// When it expires.
        expiry: Timestamp,
        /// Its forward in dollars.
        forward: f64,
        /// ln(strike ÷ forward).
        log_moneyness: f64,
        /// Of the bid; 0: the ask alone bounds it.
        bid: f64,
        /// Of the price in the middle.
        mid: f64,
        /// Of the ask.
        ask: f64,
        /// Of the fitted smile.
        fitted: f64,
    }
}

/// A surface older than this tells no Greeks.
const AGE_MAX: Duration = Duration::DAY;
/// Rows of each underlying that a run keeps at most, about: more than a plot has pixels for.
const ROWS: i64 = 1_000;

/// A position: whose, in which account, in what, how many.
type Held = (StrategyId, AccountId, InstrumentId, Qty);

/// What rows are named by.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By [`StrategyId`]; of a policy on several instruments each the same.
    pub(crate) strategies: Vec<Name>,
    /// By [`AccountId`].
    pub(crate) venues: Vec<Name>,
}

/// Follows a run's quotes and keeps rows.
#[derive(Debug)]
pub(crate) struct GreeksRecorder {
    names: Names,
    catalogue: Catalogue,
    chains: Chains,
    /// The chains followed.
    watched: Vec<Watched>,
    /// Last price of each instrument.
    last: Vec<Option<Price>>,
    every: Duration,
    /// The span of time that inputs are in.
    span: Option<Timestamp>,
    /// When the last row was made.
    row: Option<Timestamp>,
    /// The last rows by expiry and strike, venue and strategy, of each underlying.
    cells: BTreeMap<Currency, Vec<GreekRow>>,
    pub(crate) greeks: Vec<GreekRow>,
    pub(crate) surfaces: Vec<SurfaceRow>,
    pub(crate) smiles: Vec<SmileRow>,
}

/// A chain and its surface.
#[derive(Debug)]
struct Watched {
    chain: usize,
    base: Currency,
    names: [Name; 3],
    /// The last quote.
    told: Timestamp,
    /// How many quotes there were when it was fitted.
    changes: u64,
    fitted: Option<FittedChain>,
    /// The underlying's price at the last quote, and at the last one that the surface in force was fitted to.
    spot: Option<Price>,
    anchor: Option<Price>,
    /// The forwards that were told with quotes, by expiry.
    forwards: BTreeMap<Timestamp, QuotedForward>,
    /// Instruments whose price is the underlying's: the first that has one tells it.
    sources: Vec<InstrumentId>,
    /// Everything quoted has the underlying's price beside it.
    is_anchored: bool,
}

/// A forward as it was last told.
#[derive(Debug, Clone, Copy)]
struct QuotedForward {
    at: Timestamp,
    forward: Price,
    /// The underlying's price at that moment; where none was known, the first one after it.
    spot: Option<Price>,
}

impl GreeksRecorder {
    /// A recorder of a run over a span that trades something on these underlyings. `None`: the catalogue lists no option on any, and
    /// there is nothing to follow.
    pub(crate) fn new(
        catalogue: &Catalogue,
        traded: &[Currency],
        (first, last): (Timestamp, Timestamp),
        names: Names,
    ) -> Option<Self> {
        let chains = Chains::new(catalogue);
        let watched = chains.chains().iter().enumerate().filter(|(_, chain)| traded.contains(&chain.base()));
        let watched: Vec<Watched> = watched.map(|(at, chain)| Watched::new(at, chain, catalogue)).collect();
        if watched.is_empty() {
            return None;
        }
        Some(Self {
            names,
            chains,
            watched,
            last: vec![None; catalogue.instruments.len()],
            catalogue: catalogue.clone(),
            every: sampling(last.since(first)),
            span: None,
            row: None,
            cells: BTreeMap::new(),
            greeks: Vec::new(),
            surfaces: Vec::new(),
            smiles: Vec::new(),
        })
    }

    /// Follows an input of the market.
    pub(crate) fn observe(&mut self, now: Timestamp, events: &[Event]) {
        if self.span != Some(now.floor(self.every)) {
            // What is quoted at one moment may come in many inputs: by now the last span's have all come.
            self.span = Some(now.floor(self.every));
            self.refit();
        }
        self.chains.expire(now);
        for event in events {
            self.chains.see(event, now);
            match event {
                Event::OptionQuote(quote) => {
                    self.chains.quote(quote, now);
                    let chain = self.chains.chain_of(quote.instrument);
                    if let Some(watched) = self.watched.iter_mut().find(|watched| Some(watched.chain) == chain) {
                        watched.told = now;
                        let expiry = self.chains.expiry(quote.instrument).map(|(expiry, _)| expiry);
                        if let (Some(expiry), Some(forward)) = (expiry, quote.underlying()) {
                            watched.forwards.insert(expiry, QuotedForward { at: now, forward, spot: None });
                        }
                    }
                }
                Event::Bar(bar) => self.last[bar.instrument.index()] = Some(bar.close),
                Event::Trade(trade) => self.last[trade.instrument.index()] = Some(trade.price),
                Event::Mark(mark) => self.last[mark.instrument.index()] = Some(mark.price),
                Event::Funding(_) | Event::Series(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => {}
            }
        }
        self.chains.imply_forwards(now);
        for watched in &mut self.watched {
            if watched.told == now {
                watched.refuse_forwards(now, &self.chains.chains()[watched.chain]);
            }
            watched.anchor_at(now, &self.last);
        }
    }

    /// Whether a row is due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let is_next = self.row.is_none_or(|row| row.floor(self.every) != now.floor(self.every));
        is_next && self.watched.iter().any(|watched| watched.fitted.is_some())
    }

    /// Makes rows of what is held now: each instrument of a strategy once.
    pub(crate) fn row(&mut self, now: Timestamp, held: &[Held]) {
        self.row = Some(now);
        let mut bases: Vec<Currency> = self.watched.iter().map(|watched| watched.base).collect();
        bases.sort_unstable();
        bases.dedup();
        for base in bases {
            let is_on = |instrument: InstrumentId| {
                let of = &self.catalogue.instruments[instrument.index()];
                of.base == base && of.kind.is_option()
            };
            if held.iter().any(|(_, _, instrument, qty)| !qty.is_zero() && is_on(*instrument)) {
                self.fit_now(base);
            }
            self.greeks_of(base, now, held);
        }
    }

    /// The last row, and what is kept of the end alone.
    pub(crate) fn finish(&mut self, now: Timestamp, held: &[Held]) {
        self.refit();
        if self.row != Some(now) {
            self.row(now, held);
        }
        self.greeks.extend(std::mem::take(&mut self.cells).into_values().flatten());
        self.smiles = self.watched.iter().flat_map(Watched::smiles).collect();
    }

    /// Fits the surfaces again that quotes have come for since.
    fn refit(&mut self) {
        for at in 0..self.watched.len() {
            let watched = &mut self.watched[at];
            let chain = &self.chains.chains()[watched.chain];
            if watched.changes == chain.changes() {
                continue;
            }
            watched.changes = chain.changes();
            let fitted = watched.fit(chain);
            self.surfaces.push(watched.surface_row(&fitted));
            watched.put_in_force(fitted);
        }
    }

    /// Fits the surfaces on a coin to quotes that came since: what is held now is told with the volatilities of now. They are told of
    /// once all quotes of this moment have come.
    fn fit_now(&mut self, base: Currency) {
        for watched in self.watched.iter_mut().filter(|watched| watched.base == base) {
            let chain = &self.chains.chains()[watched.chain];
            if watched.changes != chain.changes() {
                let fitted = watched.fit(chain);
                watched.put_in_force(fitted);
            }
        }
    }

    fn greeks_of(&mut self, base: Currency, now: Timestamp, held: &[Held]) {
        let of = |instrument: &InstrumentId| &self.catalogue.instruments[instrument.index()];
        let on = || held.iter().filter(|(_, _, instrument, qty)| of(instrument).base == base && !qty.is_zero());
        let alive = |at: Timestamp| at > now;
        let options: Vec<_> = on()
            .filter_map(|(strategy, account, instrument, qty)| {
                let ((strike, right), expiry) = (of(instrument).kind.option()?, of(instrument).kind.expiry()?);
                let style = if of(instrument).settle == base { OptionStyle::Inverse } else { OptionStyle::Linear };
                let (venue, strategy) = (*account, *strategy);
                let key = OptionKey { underlying: base, expiry, strike, right, style, venue, strategy };
                alive(expiry).then_some((*instrument, key, *qty))
            })
            .collect();
        if options.is_empty() {
            return;
        }
        let Some(price) = self.price_now(base) else { return };
        let mut book = Book::new(base, now, price);
        let mut by_expiry: BTreeMap<Timestamp, Book> = BTreeMap::new();
        let mut unpriced = Vec::new();
        for (instrument, key, qty) in &options {
            let taken = self.point_of(*instrument, key, price, now).is_some_and(|(forward, point)| {
                let own = by_expiry.entry(key.expiry).or_insert_with(|| Book::new(base, now, price));
                [&mut book, own].into_iter().all(|book| book.hold(*key, *qty, forward, point).is_ok())
            });
            if !taken {
                unpriced.push(*key);
            }
        }
        let (sums, of_options) = (book.greeks.underlying(base), book.parts());
        for (strategy, account, instrument, qty) in on().filter(|(_, _, held, _)| !of(held).kind.is_option()) {
            let known = of(instrument);
            let expiry = known.kind.expiry();
            let last = self.last[instrument.index()].map_or(price, Price::approximate);
            if known.kind == InstrumentKind::Structure || expiry.is_some_and(|at| !alive(at)) {
                continue;
            }
            let contract = known.kind.contract();
            let key = DeltaOneKey { underlying: base, expiry, contract, venue: *account, strategy: *strategy };
            // A number that no price can have adds nothing.
            let _taken = book.hedge(key, *qty, last);
        }
        let (nowhere, nobody) = (Name::from(""), Name::from(""));
        let row = |count: usize, unpriced: usize, sums: &GreekSums, hedge: f64| GreekRow {
            time: now,
            underlying: Name::from(base.as_str()),
            expiry: None,
            strike: None,
            venue: nowhere.clone(),
            strategy: nobody.clone(),
            price,
            options: count as u64,
            unpriced: unpriced as u64,
            delta: sums.delta,
            skew_delta: sums.skew_delta,
            premium: sums.premium,
            hedge,
            gamma: sums.gamma,
            cash_gamma: sums.cash_gamma,
            vega: sums.vega,
            theta: sums.theta,
        };
        let hedge = book.greeks.underlying(base).delta - sums.delta;
        self.greeks.push(row(options.len(), unpriced.len(), &sums, hedge));
        let mut cells = Vec::new();
        let mut groups = Vec::new();
        for (expiry, book) in &mut by_expiry {
            book.greeks.by(Dimension::Strike, &mut groups);
            for (group, sums) in &groups {
                let Part::Strike(Some(strike)) = group.part else { continue };
                let count = options.iter().filter(|(_, key, _)| key.expiry == *expiry && key.strike == strike).count();
                let cell = row(count, 0, sums, 0.0);
                cells.push(GreekRow { expiry: Some(*expiry), strike: Some(strike), ..cell });
            }
        }
        if cells.is_empty() {
            return;
        }
        // By name: a policy on several instruments is one strategy.
        let mut named: BTreeMap<(bool, &str), (GreekSums, f64)> = BTreeMap::new();
        for (part, all) in book.parts() {
            let own = of_options.get(&part).copied().unwrap_or_default();
            let Some(name) = self.names.of(part) else { continue };
            let sum = named.entry(name).or_default();
            *sum = (sum.0 + own, sum.1 + all.delta - own.delta);
        }
        for ((is_strategy, name), (sums, hedge)) in named {
            let is_its = |key: &OptionKey| {
                let part = if is_strategy { Part::Strategy(key.strategy) } else { Part::Venue(key.venue) };
                self.names.of(part) == Some((is_strategy, name))
            };
            let count = options.iter().filter(|(_, key, _)| is_its(key)).count();
            let part = row(count, unpriced.iter().filter(|key| is_its(key)).count(), &sums, hedge);
            cells.push(match is_strategy {
                true => GreekRow { strategy: Name::from(name), ..part },
                false => GreekRow { venue: Name::from(name), ..part },
            });
        }
        self.cells.insert(base, cells);
    }

    /// The price of a coin now; where no tape has one, the forward of the nearest expiry.
    fn price_now(&self, base: Currency) -> Option<f64> {
        let nearest = || self.watched.iter().filter(|watched| watched.base == base).find_map(Watched::nearest);
        self.catalogue
            .prices_of(base)
            .find_map(|source| self.last[source.index()])
            .map(Price::approximate)
            .or_else(nearest)
    }

    /// The forward and the smile's point of an option, moved to a price of the underlying. `None`: nothing tells them.
    fn point_of(
        &self,
        instrument: InstrumentId,
        key: &OptionKey,
        price: f64,
        now: Timestamp,
    ) -> Option<(f64, SmilePoint)> {
        let chain = self.chains.chain_of(instrument)?;
        let watched = self.watched.iter().find(|watched| watched.chain == chain)?;
        let is_fresh = |fitted: &&FittedChain| now.since(fitted.at()) <= AGE_MAX;
        watched.point(watched.fitted.as_ref().filter(is_fresh)?, key, price)
    }
}

impl Names {
    /// Whether a part is a strategy or else a venue, and its name. `None`: neither.
    fn of(&self, part: Part) -> Option<(bool, &str)> {
        match part {
            Part::Venue(account) => Some((false, self.venues.get(account.index())?)),
            Part::Strategy(strategy) => Some((true, self.strategies.get(strategy.index())?)),
            Part::Whole | Part::Expiry(_) | Part::Strike(_) => None,
        }
    }
}

/// How often a row is made.
fn sampling(span: Duration) -> Duration {
    let steps = [1, 5, 15, 60, 240].map(|minutes| Duration::from_nanos(minutes * 60 * Duration::SECOND.nanos()));
    steps.into_iter().find(|every| span.nanos() / every.nanos() <= ROWS).unwrap_or(Duration::DAY)
}

/// A portfolio of one underlying at a moment.
struct Book {
    base: Currency,
    greeks: PortfolioGreeks,
}

impl Book {
    fn new(base: Currency, now: Timestamp, price: f64) -> Self {
        let mut greeks = PortfolioGreeks::new(Simd::best());
        // A price that is none leaves every position refused, and counted.
        let _set = greeks.set_time(now).and_then(|()| greeks.set_price(base, price));
        Self { base, greeks }
    }

    /// By venue and by strategy.
    fn parts(&mut self) -> BTreeMap<Part, GreekSums> {
        let (mut groups, mut parts) = (Vec::new(), BTreeMap::new());
        for dimension in [Dimension::Venue, Dimension::Strategy] {
            self.greeks.by(dimension, &mut groups);
            parts.extend(groups.iter().map(|(group, sums)| (group.part, *sums)));
        }
        parts
    }

    fn hold(&mut self, key: OptionKey, qty: Qty, forward: f64, point: SmilePoint) -> Result<(), GreeksError> {
        self.greeks.set_forward(self.base, key.expiry, forward)?;
        self.greeks.hold(key, qty, point)
    }

    fn hedge(&mut self, key: DeltaOneKey, qty: Qty, price: f64) -> Result<(), GreeksError> {
        if let Some(expiry) = key.expiry {
            self.greeks.set_forward(self.base, expiry, price)?;
        }
        self.greeks.hold_delta_one(key, qty)
    }
}

impl Watched {
    fn new(at: usize, chain: &Chain, catalogue: &Catalogue) -> Self {
        Self {
            chain: at,
            base: chain.base(),
            names: [chain.venue(), chain.base().as_str(), chain.settle().as_str()].map(Name::from),
            told: Timestamp::MIN,
            changes: 0,
            fitted: None,
            spot: None,
            anchor: None,
            forwards: BTreeMap::new(),
            sources: catalogue.prices_of(chain.base()).collect(),
            is_anchored: true,
        }
    }

    /// Where calls and puts contradict the forward told now, theirs takes its place.
    fn refuse_forwards(&mut self, now: Timestamp, chain: &Chain) {
        for expiry in chain.expiries().iter().filter(|expiry| expiry.is_refused()) {
            let told = self.forwards.get_mut(&expiry.at()).filter(|quoted| quoted.at == now);
            if let (Some(quoted), Some(forward)) = (told, expiry.forward()) {
                quoted.forward = forward;
            }
        }
    }

    /// Keeps the underlying's price beside what was quoted now, whichever of both came first at this moment, and beside what was
    /// quoted when there was none.
    fn anchor_at(&mut self, now: Timestamp, last: &[Option<Price>]) {
        if self.told != now && self.is_anchored {
            return;
        }
        let spot = self.sources.iter().find_map(|source| last[source.index()]);
        let is_open = |at: Timestamp, known: Option<Price>| at == now || known.is_none();
        if is_open(self.told, self.spot) {
            self.spot = spot;
        }
        for quoted in self.forwards.values_mut().filter(|quoted| is_open(quoted.at, quoted.spot)) {
            quoted.spot = spot;
        }
        self.is_anchored = spot.is_some();
    }

    /// By now the underlying may stand elsewhere: its price when the quotes came is theirs.
    fn fit(&self, chain: &Chain) -> FittedChain {
        FittedChain::fitted(chain, self.spot, self.told)
    }

    /// What nothing could be fitted to leaves the surface before it in force.
    fn put_in_force(&mut self, fitted: FittedChain) {
        if fitted.surface().is_some() {
            self.fitted = Some(fitted);
            self.anchor = self.spot;
        }
    }

    /// What quotes tell nothing of is not known here either, as it is to policies.
    fn surface_row(&self, fitted: &FittedChain) -> SurfaceRow {
        let surface = |years: &f64| fitted.surface().filter(|_| fitted.tells(*years));
        let tenor = |days: f64| Some(days / 365.0).and_then(|years| surface(&years)?.tenor(years).ok());
        let atm = |days| tenor(days).map(|tenor| tenor.atm());
        let wings = tenor(30.0).and_then(|tenor| tenor.wings(DeltaConvention::BlackScholes, QUARTER_DELTA).ok());
        let [venue, underlying, settle] = self.names.clone();
        SurfaceRow {
            time: self.told,
            venue,
            underlying,
            settle,
            atm_7d: atm(7.0),
            atm_30d: atm(30.0),
            atm_90d: atm(90.0),
            risk_reversal_30d: wings.map(|wings| wings.risk_reversal()),
            butterfly_30d: wings.map(|wings| wings.butterfly()),
        }
    }

    /// The forward of the nearest expiry.
    fn nearest(&self) -> Option<f64> {
        Some(self.fitted.as_ref()?.surface()?.slices().first()?.forward())
    }

    /// An expiry's forward moves with the underlying from where that stood when the forward was quoted, one that was not quoted from
    /// where it stood at the surface's last quote. The option's volatility is that of its strike as the surface was fitted: a tick moves
    /// none.
    fn point(&self, fitted: &FittedChain, key: &OptionKey, price: f64) -> Option<(f64, SmilePoint)> {
        let years = key.expiry.since(fitted.at()).nanos() as f64 / (365.0 * Duration::DAY.nanos() as f64);
        let tenor = fitted.surface()?.tenor(years).ok()?;
        let (forward, spot) = match self.forwards.get(&key.expiry) {
            Some(quoted) => (quoted.forward.approximate(), quoted.spot),
            None => (tenor.forward(), self.anchor),
        };
        let forward = forward * spot.map_or(1.0, |spot| price / spot.approximate());
        let k = units::math::ln(key.strike.approximate() / tenor.forward());
        let point = SmilePoint { vol: tenor.vol(k), slope: tenor.vol_slope(k) };
        (forward.is_finite() && point.vol.is_finite() && point.slope.is_finite()).then_some((forward, point))
    }

    /// What the last surface was fitted to.
    fn smiles(&self) -> Vec<SmileRow> {
        let Some(fitted) = &self.fitted else { return Vec::new() };
        let slices = fitted.surface().map_or(&[][..], Surface::slices);
        let mut rows = Vec::new();
        for report in fitted.reports() {
            let Some(quotes) = report.smile.ok().and_then(|at| fitted.quotes().smiles().get(at)) else { continue };
            let Some(slice) = slices.iter().find(|slice: &&Slice| slice.years() == quotes.years) else { continue };
            let [venue, underlying, settle] = &self.names;
            rows.extend(quotes.points.iter().map(|point| SmileRow {
                time: fitted.at(),
                venue: venue.clone(),
                underlying: underlying.clone(),
                settle: settle.clone(),
                expiry: report.expiry,
                forward: slice.forward(),
                log_moneyness: point.log_moneyness,
                bid: point.bid_vol,
                mid: point.mid_vol,
                ask: point.ask_vol,
                fitted: slice.vol(point.log_moneyness),
            }));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;
    use market::{Instrument, Mark, OptionQuote};
    use units::{OptionRight, Round};

    const HOUR: i64 = Duration::HOUR.nanos();
    const START: Timestamp = Timestamp::from_nanos(1_767_254_400_000_000_000);
    const FORWARD: f64 = 96_000.0;
    const VOL: f64 = 0.5;
    const STRIKES: [i64; 7] = [80_000, 86_000, 92_000, 96_000, 100_000, 106_000, 112_000];
    const DAYS: [i64; 2] = [10, 40];
    const ACCOUNT: AccountId = AccountId(0);
    const OWN: StrategyId = StrategyId(0);

    /// Two strategies at one venue and one at another; the last two are one policy's.
    fn names() -> Names {
        let of = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect();
        Names { strategies: of(&["calls", "puts", "puts"]), venues: of(&["sim", "other"]) }
    }

    fn hours(hours: i64) -> Timestamp {
        START + Duration::from_nanos(hours * HOUR)
    }

    fn btc() -> Currency {
        "BTC".parse().unwrap()
    }

    fn catalogue() -> Catalogue {
        let perpetual = Instrument {
            symbol: "sim:BTC-PERP".to_owned(),
            kind: InstrumentKind::InversePerpetual,
            base: btc(),
            quote: Currency::USD,
            settle: btc(),
            tick: "0.5".parse().unwrap(),
            lot: "10".parse().unwrap(),
            min_qty: "10".parse().unwrap(),
        };
        let option = |days: i64, strike: i64, right: OptionRight| {
            let (expiry, strike) = (hours(days * 24), strike.to_string().parse().unwrap());
            Instrument {
                symbol: format!("sim:BTC-{days}-{strike}-{right}"),
                kind: InstrumentKind::InverseOption { expiry, strike, right },
                quote: btc(),
                tick: "0.0001".parse().unwrap(),
                ..perpetual.clone()
            }
        };
        let mut instruments = vec![perpetual.clone()];
        for days in DAYS {
            for strike in STRIKES {
                instruments.extend([OptionRight::Call, OptionRight::Put].map(|right| option(days, strike, right)));
            }
        }
        Catalogue { instruments, series: Vec::new() }
    }

    fn id(days: i64, strike: i64, right: OptionRight) -> InstrumentId {
        let symbol = format!("sim:BTC-{days}-{strike}-{right}");
        catalogue().instrument_id(&symbol).unwrap()
    }

    /// Standard normal distribution, by Simpson's rule.
    fn normal(x: f64) -> f64 {
        let (steps, density) = (400, |x: f64| units::math::exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt());
        let weight = |at: i32| if at == 0 || at == steps { 1.0 } else { f64::from(2 + 2 * (at % 2)) };
        let sum: f64 = (0..=steps).map(|at| weight(at) * density(f64::from(at) * x / f64::from(steps))).sum();
        0.5 + x / f64::from(steps) / 3.0 * sum
    }

    /// In dollars, by Black's formula.
    fn black(forward: f64, strike: f64, years: f64, vol: f64, right: OptionRight) -> f64 {
        let deviation = vol * years.sqrt();
        let d1 = units::math::ln(forward / strike) / deviation + deviation / 2.0;
        let call = forward * normal(d1) - strike * normal(d1 - deviation);
        if right == OptionRight::Call { call } else { call - forward + strike }
    }

    fn price(value: f64) -> Price {
        Price::from_estimate(value, Round::Nearest).unwrap()
    }

    fn mark(value: f64) -> Event {
        Event::Mark(Mark { instrument: InstrumentId(0), price: price(value) })
    }

    /// The chain quoted at a volatility, 2e-5 coin on each side.
    fn quotes(at: Timestamp, forward: f64, vol: f64) -> Vec<Event> {
        quotes_of(at, forward, |_| vol)
    }

    /// The same at each strike's volatility.
    fn quotes_of(at: Timestamp, forward: f64, vol: impl Fn(f64) -> f64) -> Vec<Event> {
        let of = |(index, of): (usize, &Instrument)| {
            let (strike, right) = of.kind.option()?;
            let years = of.kind.expiry()?.since(at).nanos() as f64 / (365.0 * 24.0 * HOUR as f64);
            let strike = strike.approximate();
            let fair = black(forward, strike, years, vol(strike), right) / forward;
            let quote = OptionQuote::empty(InstrumentId(index as u32)).with_underlying(price(forward));
            let quote = quote.with_ask(price(fair + 2e-5), None);
            Some(Event::OptionQuote(if fair > 3e-5 { quote.with_bid(price(fair - 2e-5), None) } else { quote }))
        };
        catalogue().instruments.iter().enumerate().filter_map(of).collect()
    }

    fn recorder() -> GreeksRecorder {
        GreeksRecorder::new(&catalogue(), &[btc()], (hours(0), hours(24 * 30)), names()).unwrap()
    }

    #[track_caller]
    fn near(found: f64, wanted: f64, within: f64) {
        assert!((found - wanted).abs() <= within * wanted.abs().max(1e-12), "{found} is not {wanted}");
    }

    #[test]
    fn greeks_of_what_is_held_are_those_of_bumped_prices() {
        let mut recorder = recorder();
        recorder.observe(hours(1), &[mark(FORWARD)]);
        assert!(!recorder.is_due(hours(1)), "nothing is quoted yet");
        // Quotes of one moment come in two inputs; what has come last is a surface only once its span is over.
        let (first, second) = (quotes(hours(2), FORWARD, VOL), hours(2) + Duration::SECOND);
        recorder.observe(hours(2), &first[..9]);
        recorder.observe(second, &first[9..]);
        assert!(!recorder.is_due(second) && recorder.surfaces.is_empty());
        let now = hours(5);
        let moved = FORWARD * 1.01;
        recorder.observe(now, &[mark(moved)]);
        let row = &recorder.surfaces[0];
        assert_eq!((row.time, row.venue.as_str(), row.settle.as_str()), (second, "sim", "BTC"));
        for vol in [row.atm_7d, row.atm_30d] {
            near(vol.unwrap(), VOL, 2e-3);
        }
        assert_eq!(row.atm_90d, None, "the last expiry is in forty days");
        assert!(row.risk_reversal_30d.unwrap().abs() < 1e-3 && row.butterfly_30d.unwrap().abs() < 1e-3);

        assert!(recorder.is_due(now));
        let (short, long) = (id(10, 100_000, OptionRight::Call), id(40, 92_000, OptionRight::Put));
        let held = [(short, -10.0), (long, 4.0), (InstrumentId(0), -96_960.0)]
            .map(|(of, qty)| (OWN, ACCOUNT, of, Qty::from_estimate(qty, Round::Nearest).unwrap()));
        recorder.row(now, &held);
        assert!(!recorder.is_due(now) && recorder.is_due(hours(9)));

        let legs = [(-10.0, 100_000.0, 10, OptionRight::Call), (4.0, 92_000.0, 40, OptionRight::Put)];
        let worth = |forward: f64, vol: f64, later: f64| -> f64 {
            let one = |(qty, strike, days, right): &(f64, f64, i64, OptionRight)| {
                let years = (*days as f64 - 5.0 / 24.0 - later) / 365.0;
                qty * black(forward, *strike, years, vol, *right)
            };
            legs.iter().map(one).sum()
        };
        let bump = 5.0;
        let (up, down) = (worth(moved + bump, VOL, 0.0), worth(moved - bump, VOL, 0.0));
        let [row] = recorder.greeks.as_slice() else { panic!("{:?}", recorder.greeks) };
        assert_eq!((row.time, row.options, row.unpriced, row.expiry), (now, 2, 0, None));
        near(row.price, moved, 1e-9);
        near(row.delta, (up - down) / (2.0 * bump), 2e-3);
        near(row.gamma, (up + down - 2.0 * worth(moved, VOL, 0.0)) / (bump * bump), 1e-2);
        near(row.cash_gamma, row.gamma * moved * moved / 100.0, 1e-9);
        near(row.vega, (worth(moved, VOL + 1e-4, 0.0) - worth(moved, VOL - 1e-4, 0.0)) / 0.02, 2e-3);
        near(row.theta, (worth(moved, VOL, 1e-3) - worth(moved, VOL, -1e-3)) / 2e-3, 2e-2);
        near(row.premium, worth(moved, VOL, 0.0) / moved, 5e-3);
        assert!(row.skew_delta.abs() < 0.02, "the smile is flat: {}", row.skew_delta);
        // The perpetual counts dollars: 96,960 of them are a coin at 96,960.
        near(row.hedge, -1.0, 1e-9);
    }

    /// A row of a moment at which everything is quoted anew has that moment's volatilities, not those of the quotes before.
    #[test]
    fn a_row_beside_new_quotes_has_their_volatilities() {
        let mut recorder = recorder();
        recorder.observe(hours(2), &quotes(hours(2), FORWARD, VOL));
        let (now, forward, vol) = (hours(8), FORWARD * 1.05, VOL * 1.3);
        recorder.observe(now, &quotes(now, forward, vol));
        assert!(recorder.is_due(now));
        recorder.row(now, &[(OWN, ACCOUNT, id(40, 106_000, OptionRight::Call), "1".parse().unwrap())]);
        let years = (40.0 - 8.0 / 24.0) / 365.0;
        let row = &recorder.greeks[0];
        near(row.price, forward, 1e-6);
        near(row.premium, black(forward, 106_000.0, years, vol, OptionRight::Call) / forward, 2e-3);
        let bumped = |by: f64| black(forward, 106_000.0, years, vol + by, OptionRight::Call);
        near(row.vega, (bumped(1e-4) - bumped(-1e-4)) / 0.02, 5e-3);
        // Of each moment there is one surface, told once it is over.
        assert_eq!(recorder.surfaces.len(), 1);
    }

    #[test]
    fn a_price_that_moves_leaves_an_option_its_volatility() {
        let skewed = |strike: f64| VOL - 0.3 * units::math::ln(strike / FORWARD);
        let mut recorder = recorder();
        recorder.observe(hours(1), &[mark(FORWARD)]);
        recorder.observe(hours(2), &quotes_of(hours(2), FORWARD, skewed));
        let (now, moved, strike) = (hours(5), FORWARD * 1.03, 100_000.0);
        recorder.observe(now, &[mark(moved)]);
        recorder.row(now, &[(OWN, ACCOUNT, id(10, 100_000, OptionRight::Call), "1".parse().unwrap())]);
        let years = (10.0 - 5.0 / 24.0) / 365.0;
        // The volatility of its moneyness is 0.009 more, and the option then worth 2 % more.
        let worth = black(moved, strike, years, skewed(strike), OptionRight::Call) / moved;
        near(recorder.greeks[0].premium, worth, 6e-3);
    }

    #[test]
    fn a_forward_moves_from_the_price_at_which_it_was_quoted() {
        // A call less the put at its strike costs 1 − strike ÷ forward in coin, whatever the volatility.
        let parity = |days| {
            let of = |right, qty: &str| (OWN, ACCOUNT, id(days, 100_000, right), qty.parse().unwrap());
            [of(OptionRight::Call, "1"), of(OptionRight::Put, "-1")]
        };
        // The near expiry is quoted at hour 2 over a price of 95,000, the far one at hour 5 over 94,000; at both moments the price comes
        // last. It is at 92,000 before the first surface is made, and at 90,000 with the first row.
        let is_near = |event: &Event| matches!(event, Event::OptionQuote(quote) if quote.instrument.0 <= 14);
        let mut recorder = recorder();
        recorder.observe(hours(1), &[mark(99_000.0)]);
        for (at, quoted, forward, spot) in [(2, true, 96_000.0, 95_000.0), (5, false, 96_500.0, 94_000.0)] {
            let all = quotes(hours(at), forward, VOL);
            let part: Vec<Event> = all.into_iter().filter(|event| is_near(event) == quoted).collect();
            recorder.observe(hours(at), &part);
            recorder.observe(hours(at), &[mark(spot)]);
        }
        recorder.observe(hours(7), &[mark(92_000.0)]);
        recorder.observe(hours(9), &[mark(90_000.0)]);
        for (days, forward) in [(10, 96_000.0 * 90_000.0 / 95_000.0), (40, 96_500.0 * 90_000.0 / 94_000.0)] {
            recorder.greeks.clear();
            recorder.row(hours(9), &parity(days));
            let [row] = recorder.greeks.as_slice() else { panic!("{:?}", recorder.greeks) };
            assert_eq!((row.unpriced, row.price), (0, 90_000.0));
            near(100_000.0 / (1.0 - row.premium), forward, 1e-9);
        }
    }

    #[test]
    fn the_end_keeps_cells_that_add_up_and_the_last_smiles() {
        let mut recorder = recorder();
        recorder.observe(hours(1), &[mark(FORWARD)]);
        recorder.observe(hours(2), &quotes(hours(2), FORWARD, VOL));
        let held: Vec<_> = [
            (id(10, 96_000, OptionRight::Call), "-2"),
            (id(10, 96_000, OptionRight::Put), "-2"),
            (id(10, 106_000, OptionRight::Call), "3"),
            (id(40, 86_000, OptionRight::Put), "1.5"),
        ]
        .into_iter()
        .map(|(of, qty)| (OWN, ACCOUNT, of, qty.parse().unwrap()))
        .collect();
        recorder.observe(hours(20), &[mark(FORWARD)]);
        recorder.row(hours(20), &held);
        // Another chain is quoted, at another volatility; all is closed by the end.
        recorder.observe(hours(31), &quotes(hours(31), FORWARD, 0.6));
        recorder.finish(hours(32), &[]);
        let [whole, cells @ .., venue, strategy] = recorder.greeks.as_slice() else { panic!("no row") };
        assert_eq!((venue.venue.as_str(), strategy.strategy.as_str()), ("sim", "calls"));
        for part in [venue, strategy] {
            assert_eq!((part.options, part.expiry, part.strike), (4, None, None));
            near(part.vega, whole.vega, 1e-9);
        }
        let named: Vec<_> = cells.iter().map(|row| (row.expiry, row.strike, row.options)).collect();
        let strike = |text: &str| Some(text.parse::<Price>().unwrap());
        assert_eq!(
            named,
            [
                (Some(hours(240)), strike("96000"), 2),
                (Some(hours(240)), strike("106000"), 1),
                (Some(hours(960)), strike("86000"), 1)
            ]
        );
        let sum = |read: fn(&GreekRow) -> f64| cells.iter().map(read).sum::<f64>();
        near(sum(|row| row.delta), whole.delta, 1e-9);
        near(sum(|row| row.vega), whole.vega, 1e-9);
        near(sum(|row| row.theta), whole.theta, 1e-9);
        assert!(cells.iter().all(|row| row.time == hours(20)), "the last moment at which something was held");

        assert_eq!(recorder.surfaces.len(), 2);
        near(recorder.surfaces[1].atm_30d.unwrap(), 0.6, 2e-3);
        assert!(recorder.smiles.iter().all(|row| row.time == hours(31)));
        let expiries: Vec<_> =
            recorder.smiles.chunk_by(|a, b| a.expiry == b.expiry).map(|rows| rows[0].expiry).collect();
        assert_eq!(expiries, [hours(240), hours(960)]);
        let inside = |row: &SmileRow| row.bid <= row.fitted && row.fitted <= row.ask && row.bid <= row.mid;
        assert!(recorder.smiles.iter().all(inside), "{:?}", recorder.smiles);
    }

    /// Three strategies in two accounts, one of them hedged by a perpetual that another one has: what a venue or a strategy has is what a
    /// recorder makes of its positions alone.
    #[test]
    fn the_end_tells_each_venue_and_each_strategy_by_itself() {
        let of = |strategy, account, instrument, qty: &str| -> Held {
            (StrategyId(strategy), AccountId(account), instrument, qty.parse().unwrap())
        };
        let call = id(10, 100_000, OptionRight::Call);
        let held = [
            of(0, 0, call, "-2"),
            of(0, 0, id(40, 106_000, OptionRight::Call), "1"),
            // What cancels out in an account is each one's own.
            of(1, 0, call, "2"),
            of(2, 1, id(40, 86_000, OptionRight::Put), "-3"),
            of(2, 1, InstrumentId(0), "-48000"),
        ];
        let told = |held: &[Held]| {
            let mut recorder = recorder();
            recorder.observe(hours(1), &[mark(FORWARD)]);
            recorder.observe(hours(2), &quotes(hours(2), FORWARD, VOL));
            recorder.observe(hours(5), &[mark(FORWARD)]);
            recorder.finish(hours(5), held);
            recorder.greeks
        };
        let all = told(&held);
        let parts: Vec<_> = all.iter().filter(|row| !row.venue.is_empty() || !row.strategy.is_empty()).collect();
        let named: Vec<_> = parts.iter().map(|row| (row.venue.as_str(), row.strategy.as_str(), row.options)).collect();
        assert_eq!(named, [("other", "", 1), ("sim", "", 3), ("", "calls", 2), ("", "puts", 2)]);
        let owns: [fn(&Held) -> bool; 4] = [|of| of.1.0 == 1, |of| of.1.0 == 0, |of| of.0.0 == 0, |of| of.0.0 > 0];
        for (part, is_own) in parts.iter().zip(owns) {
            let own: Vec<Held> = held.iter().filter(|of| is_own(of)).copied().collect();
            let alone = &told(&own)[0];
            let pairs = [
                (part.delta, alone.delta),
                (part.skew_delta, alone.skew_delta),
                (part.premium, alone.premium),
                (part.hedge, alone.hedge),
                (part.cash_gamma, alone.cash_gamma),
                (part.vega, alone.vega),
                (part.theta, alone.theta),
            ];
            for (found, wanted) in pairs {
                assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{part:?} and {alone:?}");
            }
        }
        near(parts[0].hedge, -0.5, 1e-9);
    }

    #[test]
    fn what_has_no_volatility_is_counted_and_left_out() {
        let mut recorder = recorder();
        recorder.observe(hours(1), &[mark(FORWARD)]);
        let held = [(OWN, ACCOUNT, id(10, 96_000, OptionRight::Call), "1".parse().unwrap())];
        recorder.finish(hours(2), &held);
        let [whole] = recorder.greeks.as_slice() else { panic!("{:?}", recorder.greeks) };
        assert_eq!((whole.options, whole.unpriced, whole.delta, whole.vega), (1, 1, 0.0, 0.0));
        assert!(recorder.smiles.is_empty() && recorder.surfaces.is_empty());
    }

    #[test]
    fn a_surface_of_days_ago_tells_no_greeks() {
        let mut recorder = recorder();
        recorder.observe(hours(1), &[mark(FORWARD)]);
        recorder.observe(hours(2), &quotes(hours(2), FORWARD, VOL));
        let held = [(OWN, ACCOUNT, id(10, 96_000, OptionRight::Call), "1".parse().unwrap())];
        for (at, unpriced) in [(26, 0), (27, 1)] {
            recorder.observe(hours(at), &[mark(FORWARD)]);
            recorder.row(hours(at), &held);
            assert_eq!(recorder.greeks.last().unwrap().unpriced, unpriced, "{at} h");
        }
        recorder.finish(hours(27), &held);
        let cell = recorder.greeks.iter().rev().find(|row| row.strike.is_some()).unwrap();
        assert_eq!((cell.time, cell.strike), (hours(26), "96000".parse().ok()));
    }

    #[test]
    fn options_past_their_expiry_are_held_no_more() {
        let mut recorder = recorder();
        recorder.observe(hours(1), &[mark(FORWARD)]);
        recorder.observe(hours(2), &quotes(hours(2), FORWARD, VOL));
        let held = [(OWN, ACCOUNT, id(10, 96_000, OptionRight::Call), "1".parse().unwrap())];
        recorder.observe(hours(240), &[mark(FORWARD)]);
        recorder.finish(hours(240), &held);
        assert!(recorder.greeks.is_empty(), "{:?}", recorder.greeks);
    }

    #[test]
    fn a_run_without_options_has_no_recorder() {
        let span = (hours(0), hours(24));
        assert!(GreeksRecorder::new(&catalogue(), &["ETH".parse().unwrap()], span, names()).is_none());
        let without = Catalogue { instruments: catalogue().instruments[..1].to_vec(), series: Vec::new() };
        assert!(GreeksRecorder::new(&without, &[btc()], span, names()).is_none());
    }

    #[test]
    fn rows_are_bounded_whatever_the_span() {
        for (days, minutes) in [(0, 1), (1, 5), (10, 15), (40, 60), (160, 240), (3_000, 1_440)] {
            assert_eq!(
                sampling(Duration::from_nanos(days * 24 * HOUR)).nanos(),
                minutes * 60 * 1_000_000_000,
                "{days}"
            );
        }
    }
}
