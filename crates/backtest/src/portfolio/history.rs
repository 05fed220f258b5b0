//! How prices and implied volatilities changed together on tapes: what value at risk is told from.

use super::shape::Wrong;
use crate::Error;
use engine::FittedChain;
use market::{Catalogue, Currency, Event};
use risk::chain::{Chain, Chains};
use risk::scenario::{REFERENCE_DAYS, SHORT_DAYS};
use risk::value_at_risk::{self, FEWEST, Factor, HOLE, History};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use tape::{Merged, TapeReader};
use units::math::ln;
use units::{Duration, InstrumentId, Price, Timestamp};

/// Tenors of the volatilities that stand for all of a coin's, in years.
const MONTH: f64 = REFERENCE_DAYS / 365.0;
const WEEK: f64 = SHORT_DAYS / 365.0;
/// Years that stand for no time.
const AT_ONCE: f64 = 1e-6;

/// So far from its moment a row may be told, as a part of the step: recorded snapshots do not come on the minute.
const TOLERANCE: i64 = 4;
/// Steps that are named to who asks for one that the tapes do not tell, in minutes.
const STEPS: [i64; 11] = [1, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1_440];

/// What is asked of tapes.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRequest {
    /// The last moment; rows lie whole steps before the last one until then at which all was told.
    pub at: Timestamp,
    /// Between two rows.
    pub step: Duration,
    /// How far back; `None`: to the beginning of the tapes.
    pub window: Option<Duration>,
    /// Rows lie at whole steps of UTC midnight, as facts of a run have them; else whole steps before the last moment at which all was told.
    pub is_on_grid: bool,
    /// Coins, and which of their volatilities are asked for.
    pub coins: Vec<(Currency, Vols)>,
    /// Surfaces are fitted on so many threads, while the tapes are read; how many changes no bit.
    pub threads: usize,
}

/// Volatilities of a coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vols {
    /// None: no options are held.
    None,
    /// The one thirty days ahead, and the skew there.
    Month,
    /// These, and the one seven days ahead: options of under thirty days are held.
    Short,
}

/// What tapes tell of a time.
#[derive(Debug, Clone)]
pub struct MarketHistory {
    /// Changes of what is asked for, as far as the tapes have it.
    pub history: History,
    /// From where on.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Steps in between that are left out, because something was not told at one of their ends.
    pub left_out: usize,
    /// How far back it was asked for.
    pub window: Option<Duration>,
    /// Whether rows lie at whole steps of UTC midnight.
    pub is_on_grid: bool,
    /// When each change began and ended.
    pub spans: Vec<(Timestamp, Timestamp)>,
    /// By factor: of what the numbers are.
    pub sources: Vec<String>,
}

type Kind = fn(Currency) -> Factor;

/// What a factor is read from.
struct Source {
    factor: Factor,
    /// What tells a price, the best first; none: the chain's forward is taken.
    prices: Vec<InstrumentId>,
    /// The chain of options on the coin.
    chain: Option<usize>,
    /// A price that is taken beside the chain, at the moment of its quotes: the coin's volatilities are asked for too.
    is_beside: bool,
    name: String,
    /// Rows in which it was told.
    told: usize,
}

/// What the tapes told last, as far as they are read.
struct Known {
    catalogue: Catalogue,
    chains: Chains,
    last: Vec<Option<(Timestamp, Price)>>,
    /// When a chain was quoted last, and what its coin cost then.
    quoted: Vec<Option<(Timestamp, Option<Price>)>>,
    /// What tells the price of each chain's coin.
    coins: Vec<Vec<InstrumentId>>,
}

impl Known {
    fn new(catalogue: Catalogue) -> Self {
        let chains = Chains::new(&catalogue);
        let coins = chains.chains().iter().map(|chain| catalogue.prices_of(chain.base()).collect()).collect();
        let (last, quoted) = (vec![None; catalogue.instruments.len()], vec![None; chains.chains().len()]);
        Self { catalogue, chains, last, quoted, coins }
    }

    /// What is asked for: prices, then volatilities, then skews.
    fn sources(&self, asked: &HistoryRequest) -> Vec<Source> {
        let kinds: [(Vols, Kind); 4] = [
            (Vols::None, Factor::Price),
            (Vols::Month, Factor::Vol),
            (Vols::Short, Factor::ShortVol),
            (Vols::Month, Factor::Skew),
        ];
        let mut sources = Vec::new();
        for (vols, kind) in kinds {
            for (coin, wanted) in asked.coins.iter().filter(|(_, asked)| *asked >= vols) {
                let chain = self.chains.largest(coin.as_str());
                let venue = chain.map_or("", |chain| self.chains.chains()[chain].venue());
                let of_surface = |what: &str, days| {
                    format!("{what} at the money, {days} days ahead, of the surface of {coin} options at {venue}")
                };
                let factor = kind(*coin);
                let name = match factor {
                    Factor::Price(_) => format!("the forward of {coin} options at {venue}, for delivery at once"),
                    Factor::Vol(_) => of_surface("", REFERENCE_DAYS).trim_start().to_owned(),
                    Factor::ShortVol(_) => of_surface("", SHORT_DAYS).trim_start().to_owned(),
                    Factor::Skew(_) => of_surface("slope", REFERENCE_DAYS),
                };
                let prices: Vec<InstrumentId> = self.catalogue.prices_of(*coin).collect();
                let is_beside = *wanted > Vols::None && chain.is_some() && !prices.is_empty();
                sources.push(Source { factor, prices, chain, is_beside, name, told: 0 });
            }
        }
        sources
    }

    fn tell(&mut self, now: Timestamp, events: &[Event], step: Duration) {
        let Self { chains, last, quoted, coins, .. } = self;
        if events.iter().any(|event| matches!(event, Event::OptionQuote(_))) {
            chains.expire(now);
        }
        for event in events {
            chains.see(event, now);
            if let Event::OptionQuote(quote) = event {
                chains.quote(quote, now);
                if let Some(chain) = chains.chain_of(quote.instrument) {
                    quoted[chain] = Some((now, None));
                }
            } else if let Some((instrument, price)) = price_of(event) {
                last[instrument.index()] = Some((now, price));
            }
        }
        for (told, coin) in quoted.iter_mut().zip(coins) {
            if let Some((at, spot)) = told.as_mut().filter(|(at, _)| *at == now) {
                let fresh = |(told, _): &(Timestamp, Price)| at.since(*told) < step;
                *spot = coin.iter().find_map(|of| last[of.index()].filter(fresh)).map(|(_, price)| price);
            }
        }
    }

    /// The best price that was told less than a step before.
    fn price(&self, source: &Source, at: Timestamp, step: Duration) -> Option<(InstrumentId, Timestamp, Price)> {
        source.prices.iter().find_map(|of| {
            let (told, price) = self.last[of.index()].filter(|(told, _)| at.since(*told) < step)?;
            Some((*of, told, price))
        })
    }

    /// When a factor was told last, less than a step before.
    fn told(&self, source: &Source, at: Timestamp, step: Duration) -> Option<Timestamp> {
        if source.is_of_prices() && !source.is_beside {
            self.price(source, at, step).map(|(_, told, _)| told)
        } else {
            self.quoted[source.chain?].map(|(told, _)| told).filter(|told| at.since(*told) < step)
        }
    }

    /// What all is at a moment, as far as it was told less than a step before. `is_asked` tells of which source it is wanted.
    fn row(
        &self,
        sources: &mut [Source],
        (at, step): (Timestamp, Duration),
        fits: &mut Fits,
        is_asked: impl Fn(usize) -> bool,
    ) -> Vec<Level> {
        let mut row = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter_mut().enumerate() {
            let level = match (source.is_of_prices(), source.chain) {
                _ if !is_asked(index) => Level::Missing,
                (true, Some(chain)) if source.is_beside => {
                    let told = self.quoted[chain].filter(|(told, _)| at.since(*told) < step);
                    if let Some(of) = self.price(source, at, step).map(|(of, ..)| of) {
                        source.name.clone_from(&self.catalogue.instruments[of.index()].symbol);
                    }
                    told.and_then(|(_, spot)| spot).map_or(Level::Missing, |spot| Level::Known(spot.approximate()))
                }
                (true, _) => match self.price(source, at, step) {
                    Some((of, _, price)) => {
                        source.name.clone_from(&self.catalogue.instruments[of.index()].symbol);
                        Level::Known(price.approximate())
                    }
                    None => Level::Missing,
                },
                (false, Some(chain)) => match self.quoted[chain].filter(|(told, _)| at.since(*told) < step) {
                    // A surface is of its last quote: later, its quotes would be stale.
                    Some((told, spot)) => Level::Fitted(fits.ask(chain, &self.chains.chains()[chain], spot, told)),
                    None => Level::Missing,
                },
                (false, None) => Level::Missing,
            };
            row.push(level);
        }
        row
    }
}

/// What a source is at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Level {
    Missing,
    Known(f64),
    /// Of the surface of this number.
    Fitted(usize),
}

impl Level {
    fn resolved(self, factor: Factor, read: &[Read]) -> Option<f64> {
        let value = match self {
            Self::Missing => None,
            Self::Known(value) => Some(value),
            Self::Fitted(at) => {
                let Read { forward, month, week, skew } = read[at];
                match factor {
                    Factor::Price(_) => forward,
                    Factor::Vol(_) => month,
                    Factor::ShortVol(_) => week,
                    Factor::Skew(_) => skew,
                }
            }
        };
        value.filter(|value| value.is_finite() && (*value > 0.0 || factor.is_difference()))
    }
}

/// What is read off a surface.
#[derive(Debug, Clone, Copy, Default)]
struct Read {
    forward: Option<f64>,
    month: Option<f64>,
    week: Option<f64>,
    skew: Option<f64>,
}

impl Read {
    fn of(chain: &Chain, spot: Option<Price>, told: Timestamp) -> Self {
        let fitted = FittedChain::fitted(chain, spot, told);
        let tenor = |years: f64| fitted.surface().and_then(|surface| surface.tenor(years).ok());
        // No expiry before it tells nothing of it.
        let week = tenor(WEEK).filter(|tenor| !tenor.extrapolated());
        let month = tenor(MONTH);
        Self {
            forward: tenor(AT_ONCE).map(|tenor| tenor.forward()),
            month: month.map(|tenor| tenor.atm()),
            week: week.map(|tenor| tenor.atm()),
            skew: month.map(|tenor| tenor.skew()),
        }
    }
}

/// A chain as it was quoted at a moment, to be fitted.
struct Job {
    number: usize,
    chain: Chain,
    spot: Option<Price>,
    told: Timestamp,
}

/// Surfaces that are asked for, each once, while the tapes are read on.
struct Fits {
    to: SyncSender<Job>,
    /// By chain: the last one that was asked for.
    last: Vec<Option<((Timestamp, u64), usize)>>,
    count: usize,
}

impl Fits {
    fn ask(&mut self, at: usize, chain: &Chain, spot: Option<Price>, told: Timestamp) -> usize {
        if self.last.len() <= at {
            self.last.resize(at + 1, None);
        }
        let version = (told, chain.changes());
        if let Some((_, number)) = self.last[at].filter(|(last, _)| *last == version) {
            return number;
        }
        let number = self.count;
        // Whoever fits is there until all is read.
        let _gone = self.to.send(Job { number, chain: chain.clone(), spot, told });
        self.count += 1;
        self.last[at] = Some((version, number));
        number
    }
}

/// Reads what asks for surfaces while others fit them. Gives what was read and each surface's numbers in the order asked for.
fn fitting<T>(threads: usize, read: impl FnOnce(&mut Fits) -> T) -> (T, Vec<Read>) {
    let (to, from) = sync_channel::<Job>(WAITING);
    let from = Mutex::new(from);
    let done: Mutex<Vec<(usize, Read)>> = Mutex::new(Vec::new());
    let next = || from.lock().ok().and_then(|from| from.recv().ok());
    let work = || {
        while let Some(Job { number, chain, spot, told }) = next() {
            let read = Read::of(&chain, spot, told);
            if let Ok(mut done) = done.lock() {
                done.push((number, read));
            }
        }
    };
    let (read, count) = thread::scope(|scope| {
        (0..threads.max(1)).for_each(|_| drop(scope.spawn(work)));
        let mut fits = Fits { to, last: Vec::new(), count: 0 };
        let result = read(&mut fits);
        (result, fits.count)
    });
    let mut all = vec![Read::default(); count];
    for (number, read) in done.into_inner().unwrap_or_default() {
        all[number] = read;
    }
    (read, all)
}

impl Source {
    fn is_of_prices(&self) -> bool {
        matches!(self.factor, Factor::Price(_)) && (!self.prices.is_empty() || self.chain.is_none())
    }
}

fn price_of(event: &Event) -> Option<(InstrumentId, Price)> {
    match event {
        Event::Bar(bar) => Some((bar.instrument, bar.close)),
        Event::Mark(mark) => Some((mark.instrument, mark.price)),
        Event::Trade(trade) => Some((trade.instrument, trade.price)),
        Event::OptionQuote(_)
        | Event::Funding(_)
        | Event::Series(_)
        | Event::Cash(_)
        | Event::Order(_)
        | Event::Settlement(_) => None,
    }
}

impl MarketHistory {
    /// Reads tapes up to a moment, and takes prices and volatilities of each step. Rows lie whole steps before the last moment at which all
    /// was told; where something was not told within a quarter of a step before such a moment, the row is of the first one within a
    /// quarter after it at which all was, else of what was told within the step before. A volatility is that at the money thirty days
    /// ahead, of the surface that is fitted to the quotes of that moment. `progress` is told how many rows were read and how many there
    /// are, and answers whether to go on. `None`: it did not.
    ///
    /// # Errors
    ///
    /// A tape that cannot be read. Inside: a coin of which the tapes tell no price; rows that all lie further apart than a step.
    pub fn read<P: AsRef<Path>>(
        tapes: &[P],
        asked: &HistoryRequest,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Result<Self, Vec<Wrong>>>, Error> {
        let Some(times) = Times::read(tapes, asked, progress)? else { return Ok(None) };
        // A row for each second of a year of hours would be made, to be left out.
        if let Some((slowest, apart)) =
            times.slowest.filter(|(_, apart)| FINER_MAX * asked.step.nanos() < apart.nanos())
        {
            return Ok(Some(Err(vec![too_fine(slowest, apart, asked.step, "next to no")])));
        }
        let merged = opened(tapes)?;
        let known = Known::new(merged.catalogue().clone());
        let rows = Rows::new(known.sources(asked), &times, asked);
        let (rows, read) = fitting(asked.threads, |fits| rows.read(known, merged, fits, progress));
        Ok(rows?.map(|rows| Self::of(rows, &read, &times, asked)))
    }

    fn of(
        Rows { mut sources, rows, .. }: Rows<'_>,
        read: &[Read],
        times: &Times,
        asked: &HistoryRequest,
    ) -> Result<Self, Vec<Wrong>> {
        let resolved = |row: &[Level]| -> Vec<Option<f64>> {
            row.iter().zip(&sources).map(|(level, source)| level.resolved(source.factor, read)).collect()
        };
        let rows: Vec<(Timestamp, Vec<Option<f64>>)> = rows.iter().map(|(at, row)| (*at, resolved(row))).collect();
        for (at, source) in sources.iter_mut().enumerate() {
            source.told = rows.iter().filter(|(_, row)| row[at].is_some()).count();
        }
        let refused = |what: String, remedy: &str| vec![Wrong::new("", what, remedy)];
        let mut wrong = Vec::new();
        for source in sources.iter().filter(|source| source.told == 0 && matches!(source.factor, Factor::Price(_))) {
            let coin = source.factor.coin();
            let what = format!("the tapes tell no price of {coin} until {}", asked.at);
            wrong.push(Wrong::new("", what, format_args!("add a tape of {coin}: `--market TAPE`")));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        // A chain that was never fitted tells nothing: its coin's volatilities stand still, and that is said.
        let mut used: Vec<usize> = Vec::with_capacity(sources.len());
        for at in 0..sources.len() {
            if sources[at].told > 0 && is_own(&sources, &rows, &used, at) {
                used.push(at);
            }
        }
        let factors = used.iter().map(|at| sources[*at].factor).collect();
        let mut history = History::new(asked.step, factors)
            .map_err(|error| refused(error.to_string(), "name a step such as `1d`"))?;
        let whole: Vec<Option<Vec<f64>>> =
            rows.iter().map(|(_, row)| used.iter().map(|at| row[*at]).collect()).collect();
        let (first, last) = (whole.iter().position(Option::is_some), whole.iter().rposition(Option::is_some));
        let (Some(first), Some(last)) = (first, last) else {
            return Err(refused(
                format!("the tapes never tell all of {} within one step", list(&sources)),
                "take a longer `--step`, or tapes of one time",
            ));
        };
        let (end, ended) = (rows[last].0, asked.at.since(rows[last].0));
        if ended.nanos() > HOLE * asked.step.nanos() {
            return Err(refused(
                format!("the tapes end at {end}, {:.1} days before {}", ended.days(), asked.at),
                "ask about a time that they reach: volatilities of then are not those of now",
            ));
        }
        let (mut left_out, mut spans) = (0, Vec::new());
        for (pair, moments) in whole[first..=last].windows(2).zip(rows[first..].windows(2)) {
            match (&pair[0], &pair[1]) {
                (Some(before), Some(after)) => {
                    let is_behind = |(_, ended): &(Timestamp, Timestamp)| {
                        moments[0].0.since(*ended).nanos() > HOLE * asked.step.nanos()
                    };
                    if spans.last().is_some_and(is_behind) {
                        history.note_hole();
                    }
                    let levels = before.iter().zip(after).zip(history.factors());
                    let changes: Vec<f64> =
                        levels.map(|((before, after), factor)| factor.change(*before, *after)).collect();
                    history.push(&changes).map_err(|error| refused(error.to_string(), "repair the tape"))?;
                    spans.push((moments[0].0, moments[1].0));
                }
                _ => left_out += 1,
            }
        }
        // Rows again behind a hole are levels of now; until there are changes of them, what is known is of then.
        if let Some((_, changed)) = spans.last() {
            let ago = asked.at.since(*changed);
            if ago.nanos() > HOLE * asked.step.nanos() {
                let days = ago.days();
                return Err(refused(
                    format!(
                        "the tapes have a hole: their last change before {} ended at {changed}, {days:.1} days before",
                        asked.at
                    ),
                    "ask about a later time, or give tapes of the hole: volatilities of then are not those of now",
                ));
            }
        }
        let kept = history.len();
        if let Some((slowest, apart)) = times.slowest.filter(|_| left_out > kept && kept < FEWEST) {
            return Err(vec![too_fine(slowest, apart, asked.step, &kept.to_string())]);
        }
        Ok(Self {
            history,
            from: rows[first].0,
            to: rows[last].0,
            left_out,
            window: asked.window,
            is_on_grid: asked.is_on_grid,
            spans,
            sources: used.iter().map(|at| sources[*at].name.clone()).collect(),
        })
    }
}

/// A step that what is told most seldom is too seldom for.
fn too_fine(slowest: Factor, apart: Duration, step: Duration, changes: &str) -> Wrong {
    let minutes = apart.nanos() / Duration::MINUTE.nanos();
    let coarser = STEPS.into_iter().find(|step| 10 * step > 9 * minutes).unwrap_or(STEPS[STEPS.len() - 1]);
    let coarser = if coarser % 60 == 0 { format!("{}h", coarser / 60) } else { format!("{coarser}m") };
    let what = format!("{slowest} is told each {apart} on average, so the tapes have {changes} changes of {step}");
    Wrong::new("", what, format_args!("take `--step {coarser}`, and a horizon of whole steps"))
}

/// Whether a short volatility or a skew tells more than the volatilities of its coin that are used; all else does.
fn is_own(sources: &[Source], rows: &[(Timestamp, Vec<Option<f64>>)], used: &[usize], at: usize) -> bool {
    let factor = sources[at].factor;
    let place = |of: Factor| used.iter().copied().find(|other| sources[*other].factor == of);
    let month = match factor {
        Factor::Price(_) | Factor::Vol(_) => return true,
        Factor::ShortVol(coin) | Factor::Skew(coin) => place(Factor::Vol(coin)),
    };
    let Some(month) = month else { return false };
    let own = |value: f64| if factor.is_difference() { value } else { ln(value) };
    let with_month = rows.iter().filter(|(_, row)| row[month].is_some()).count();
    let told = rows.iter().map(|(_, row)| row);
    match place(Factor::ShortVol(factor.coin())) {
        Some(short) => {
            let all = told.filter_map(|row| Some([ln(row[month]?), ln(row[short]?), own(row[at]?)]));
            value_at_risk::has_own(&all.collect::<Vec<_>>(), with_month)
        }
        None => {
            let both = told.filter_map(|row| Some([ln(row[month]?), own(row[at]?)]));
            value_at_risk::has_own(&both.collect::<Vec<_>>(), with_month)
        }
    }
}

/// A step so many times finer than what is told most seldom is refused unread.
const FINER_MAX: i64 = 4;
/// Chains that wait to be fitted, at most.
const WAITING: usize = 16;

fn list(sources: &[Source]) -> String {
    let names: Vec<String> = sources.iter().map(|source| source.factor.to_string()).collect();
    names.join(", ")
}

fn opened<P: AsRef<Path>>(tapes: &[P]) -> Result<Merged, Error> {
    Ok(Merged::new(tapes.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>()?)?)
}

/// When things were told: a first look at the tapes, in which nothing is fitted.
struct Times {
    /// The last moment at which all was told that ever was: of what is told most seldom, where nothing else was due since it was told.
    last: Timestamp,
    /// What is told most rarely, and how far apart on average.
    slowest: Option<(Factor, Duration)>,
    /// Which sources ever told anything.
    ever: Vec<bool>,
}

impl Times {
    fn read<P: AsRef<Path>>(
        tapes: &[P],
        asked: &HistoryRequest,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Self>, Error> {
        let mut merged = opened(tapes)?;
        let known = Known::new(merged.catalogue().clone());
        let sources = known.sources(asked);
        // First and last moment of each, and how many there were.
        let mut told: Vec<Option<(Timestamp, Timestamp, i64)>> = vec![None; sources.len()];
        let (mut events, mut count) = (Vec::new(), 0_u64);
        while let Some(now) = merged.next_input(&mut events)? {
            count += 1;
            if count % 256 == 0 && !progress(merged.rows_read(), 2 * merged.rows_total()) {
                return Ok(None);
            }
            if now > asked.at {
                break;
            }
            for (source, told) in sources.iter().zip(&mut told) {
                let tells = |event: &Event| match event {
                    Event::OptionQuote(quote) => {
                        !source.is_of_prices() && source.chain == known.chains.chain_of(quote.instrument)
                    }
                    event => {
                        source.is_of_prices() && price_of(event).is_some_and(|(of, _)| source.prices.contains(&of))
                    }
                };
                if events.iter().any(tells) {
                    let (first, _, moments) = told.unwrap_or((now, now, -1));
                    *told = Some((first, now, moments + 1));
                }
            }
        }
        let apart = |(source, told): (&Source, &Option<(Timestamp, Timestamp, i64)>)| {
            let (first, last, moments) = told.filter(|(.., moments)| *moments > 0)?;
            Some((source.factor, last, Duration::from_nanos(last.since(first).nanos() / moments)))
        };
        // Of several the first one.
        let each = sources.iter().zip(&told).filter_map(apart);
        let slowest = each.reduce(|most, next| if next.2 > most.2 { next } else { most });
        let last = told.iter().flatten().map(|(_, last, _)| *last).min().unwrap_or(asked.at);
        // Hourly bars end up to an hour before the last chain, and rows that lay whole steps before the last bar would miss chains.
        let is_not_due = |(source, told): (&Source, &Option<(Timestamp, Timestamp, i64)>), end: Timestamp| {
            let tolerance = asked.step.nanos() / TOLERANCE;
            let own = apart((source, told));
            told.is_none() || own.is_some_and(|(_, last, apart)| end.since(last).nanos() < apart.nanos().min(tolerance))
        };
        let last = match slowest {
            _ if asked.is_on_grid => asked.at.floor(asked.step),
            Some((_, end, _)) if sources.iter().zip(&told).all(|one| is_not_due(one, end)) => end.max(last),
            _ => last,
        };
        let slowest = slowest.map(|(factor, _, apart)| (factor, apart));
        Ok(Some(Self { last, slowest, ever: told.iter().map(Option::is_some).collect() }))
    }
}

/// Rows as they come about.
struct Rows<'a> {
    asked: &'a HistoryRequest,
    times: &'a Times,
    sources: Vec<Source>,
    rows: Vec<(Timestamp, Vec<Level>)>,
    /// When each was told that the last whole row has.
    used: Vec<Timestamp>,
    /// The moment of the next row.
    next: Option<Timestamp>,
    /// What was known at that moment, where not all of it was told just before.
    waiting: Option<Vec<Level>>,
}

impl<'a> Rows<'a> {
    fn new(sources: Vec<Source>, times: &'a Times, asked: &'a HistoryRequest) -> Self {
        let used = vec![Timestamp::from_nanos(i64::MIN); sources.len()];
        Self { asked, times, sources, rows: Vec::new(), used, next: None, waiting: None }
    }

    /// Reads the tapes on to the moment that is asked about. `None`: `progress` did not go on.
    fn read(
        mut self,
        mut known: Known,
        mut merged: Merged,
        fits: &mut Fits,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Self>, Error> {
        let asked = self.asked;
        let (mut events, mut count) = (Vec::new(), 0_u64);
        while let Some(now) = merged.next_input(&mut events)? {
            count += 1;
            if count % 256 == 0 && !progress(merged.rows_total() + merged.rows_read(), 2 * merged.rows_total()) {
                return Ok(None);
            }
            if now > asked.at {
                break;
            }
            self.pass(&known, now, fits);
            known.tell(now, &events, asked.step);
            self.told(&known, now, fits);
        }
        self.pass(&known, asked.at + Duration::from_nanos(1), fits);
        // On the grid the last row may still wait for what comes late.
        if let (Some(at), Some(row), true) = (self.next, self.waiting.take(), asked.is_on_grid) {
            self.push(&known, at, row);
        }
        Ok(Some(self))
    }

    fn tolerance(&self) -> Duration {
        Duration::from_nanos(self.asked.step.nanos() / TOLERANCE)
    }

    /// Whether all that has ever been told was told anew and within the tolerance before `at`.
    fn is_whole(&self, known: &Known, at: Timestamp) -> bool {
        let tolerance = self.tolerance();
        self.sources.iter().zip(&self.used).zip(&self.times.ever).all(|((source, used), ever)| {
            let told = known.told(source, at, self.asked.step);
            !ever || told.is_some_and(|told| told > *used && at.since(told) <= tolerance)
        })
    }

    fn push(&mut self, known: &Known, at: Timestamp, row: Vec<Level>) {
        let step = self.asked.step;
        for ((source, used), level) in self.sources.iter().zip(&mut self.used).zip(&row) {
            *used = known.told(source, at, step).filter(|_| *level != Level::Missing).unwrap_or(*used);
        }
        self.rows.push((at, row));
    }

    /// Time goes by to `now`, before what is told then.
    fn pass(&mut self, known: &Known, now: Timestamp, fits: &mut Fits) {
        let begin = self.asked.window.map_or(now, |window| self.asked.at - window).max(now);
        let mut at = *self.next.get_or_insert_with(|| {
            let before = self.times.last.since(begin).nanos() / self.asked.step.nanos();
            self.times.last - Duration::from_nanos(before * self.asked.step.nanos())
        });
        while now > at && at <= self.times.last {
            if self.waiting.is_none() {
                let (moment, is_whole) = ((at, self.asked.step), self.is_whole(known, at));
                // What the last row has already is no news.
                let anew: Vec<bool> = (self.sources.iter().zip(&self.used))
                    .map(|(source, used)| known.told(source, at, self.asked.step).is_some_and(|told| told > *used))
                    .collect();
                let row = known.row(&mut self.sources, moment, fits, |source| is_whole || anew[source]);
                if is_whole {
                    self.push(known, at, row);
                    at = at + self.asked.step;
                    continue;
                }
                self.waiting = Some(row);
            }
            if now <= at + self.tolerance() {
                break;
            }
            if let Some(row) = self.waiting.take() {
                self.push(known, at, row);
            }
            at = at + self.asked.step;
        }
        self.next = Some(at);
    }

    /// Something was told.
    fn told(&mut self, known: &Known, now: Timestamp, fits: &mut Fits) {
        let Some(at) = self.next else { return };
        if self.waiting.is_some() && self.is_whole(known, now) {
            self.waiting = None;
            let row = known.row(&mut self.sources, (now, self.asked.step), fits, |_| true);
            self.push(known, now, row);
            self.next = Some(at + self.asked.step);
        }
    }
}
