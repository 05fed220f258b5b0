//! How prices and implied volatilities changed together on tapes: what value at risk is told from.

use super::shape::Wrong;
use crate::Error;
use engine::{Chains, FittedChain};
use market::{Currency, Event};
use risk::value_at_risk::{Factor, History};
use std::path::Path;
use tape::{Merged, TapeReader};
use units::math::ln;
use units::{Duration, InstrumentId, Price, Timestamp};

/// Tenor of the volatility that stands for all of a coin's, in years.
const MONTH: f64 = 30.0 / 365.0;
/// Years that stand for no time.
const AT_ONCE: f64 = 1e-6;

/// What is asked of tapes.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRequest {
    /// The last moment; rows lie whole steps before it.
    pub at: Timestamp,
    /// Between two rows.
    pub step: Duration,
    /// How far back; `None`: to the beginning of the tapes.
    pub window: Option<Duration>,
    /// Coins, and whether their volatilities are asked for.
    pub coins: Vec<(Currency, bool)>,
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
    /// When each change ended.
    pub ends: Vec<Timestamp>,
    /// By factor: of what the numbers are.
    pub sources: Vec<String>,
}

/// The last of each, if any was told.
type Told<T> = [Option<(Timestamp, T)>];

/// What a factor is read from.
struct Source {
    factor: Factor,
    /// What tells a price, the best first; none: the chain's forward is taken.
    prices: Vec<InstrumentId>,
    /// The chain of options on the coin.
    chain: Option<usize>,
    name: String,
    /// Rows in which it was told.
    told: usize,
}

impl MarketHistory {
    /// Reads tapes up to a moment, and takes the last prices and volatilities of each step: what was told longer than a step ago is
    /// not known. A volatility is that at the money thirty days ahead, of the surface that is fitted to the quotes of that moment.
    /// `progress` is told how many rows were read and how many there are, and answers whether to go on. `None`: it did not.
    ///
    /// # Errors
    ///
    /// A tape that cannot be read. Inside: a coin of which the tapes tell no price.
    pub fn read<P: AsRef<Path>>(
        tapes: &[P],
        asked: &HistoryRequest,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Result<Self, Vec<Wrong>>>, Error> {
        let readers = tapes.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>()?;
        let mut merged = Merged::new(readers)?;
        let catalogue = merged.catalogue().clone();
        let mut chains = Chains::new(&catalogue);
        let mut last: Vec<Option<(Timestamp, Price)>> = vec![None; catalogue.instruments.len()];
        // When a chain was quoted last, and what its coin cost then.
        let mut quoted: Vec<Option<(Timestamp, Option<Price>)>> = vec![None; chains.chains().len()];
        let coins: Vec<Vec<InstrumentId>> =
            chains.chains().iter().map(|chain| catalogue.prices_of(chain.base()).collect()).collect();
        let mut sources: Vec<Source> = Vec::new();
        for is_price in [true, false] {
            for (coin, _) in asked.coins.iter().filter(|(_, vols)| is_price || *vols) {
                let chain = chains.chains().iter().position(|chain| chain.base() == *coin);
                let venue = chain.map_or("", |chain| chains.chains()[chain].venue());
                let (factor, name) = if is_price {
                    (Factor::Price(*coin), format!("the forward of {coin} options at {venue}, for delivery at once"))
                } else {
                    let name = format!("at the money, 30 days ahead, of the surface of {coin} options at {venue}");
                    (Factor::Vol(*coin), name)
                };
                sources.push(Source { factor, prices: catalogue.prices_of(*coin).collect(), chain, name, told: 0 });
            }
        }
        let begin = asked.window.map(|window| asked.at - window);
        let mut rows: Vec<(Timestamp, Vec<Option<f64>>)> = Vec::new();
        let mut next: Option<Timestamp> = None;
        let mut take = |at: Timestamp, chains: &Chains, last: &Told<Price>, quoted: &Told<Option<Price>>| {
            let fresh = |told: Timestamp| at.since(told) < asked.step;
            let price = |prices: &[InstrumentId]| {
                prices.iter().find_map(|of| Some((*of, last[of.index()].filter(|(told, _)| fresh(*told))?.1)))
            };
            let mut row = Vec::with_capacity(sources.len());
            let mut surfaces: Vec<Option<FittedChain>> = vec![None; chains.chains().len()];
            for source in &mut sources {
                let spot = price(&source.prices);
                let value = match (source.factor, source.chain) {
                    (Factor::Price(_), chain) if !source.prices.is_empty() || chain.is_none() => {
                        spot.map(|(of, price)| {
                            source.name.clone_from(&catalogue.instruments[of.index()].symbol);
                            price.approximate()
                        })
                    }
                    (factor, Some(chain)) => quoted[chain].filter(|(told, _)| fresh(*told)).and_then(|(told, spot)| {
                        // A surface is of its last quote: later, its quotes would be stale.
                        let fit = || FittedChain::fitted(&chains.chains()[chain], spot, told);
                        let tenor = if matches!(factor, Factor::Price(_)) { AT_ONCE } else { MONTH };
                        let surface = surfaces[chain].get_or_insert_with(fit).surface();
                        let tenor = surface.and_then(|surface| surface.tenor(tenor).ok());
                        tenor
                            .map(|tenor| if matches!(factor, Factor::Price(_)) { tenor.forward() } else { tenor.atm() })
                    }),
                    (_, None) => None,
                };
                let value = value.filter(|value| value.is_finite() && *value > 0.0);
                source.told += usize::from(value.is_some());
                row.push(value);
            }
            rows.push((at, row));
        };
        let (mut events, mut count) = (Vec::new(), 0_u64);
        while let Some(now) = merged.next_input(&mut events)? {
            count += 1;
            if count % 256 == 0 && !progress(merged.rows_read(), merged.rows_total()) {
                return Ok(None);
            }
            if now > asked.at {
                break;
            }
            let mut at = *next.get_or_insert_with(|| first_row(begin.unwrap_or(now).max(now), asked));
            while now > at {
                take(at, &chains, &last, &quoted);
                at = at + asked.step;
            }
            next = Some(at);
            if events.iter().any(|event| matches!(event, Event::OptionQuote(_))) {
                chains.expire(now);
            }
            for event in &events {
                match event {
                    Event::OptionQuote(quote) => {
                        chains.quote(quote, now);
                        if let Some(chain) = chains.chain_of(quote.instrument) {
                            quoted[chain] = Some((now, None));
                        }
                    }
                    Event::Bar(bar) => last[bar.instrument.index()] = Some((now, bar.close)),
                    Event::Mark(mark) => last[mark.instrument.index()] = Some((now, mark.price)),
                    Event::Trade(trade) => last[trade.instrument.index()] = Some((now, trade.price)),
                    Event::Funding(_) | Event::Series(_) | Event::Cash(_) | Event::Order(_) => {}
                }
            }
            for (told, coin) in quoted.iter_mut().zip(&coins) {
                if let Some((at, spot)) = told.as_mut().filter(|(at, _)| *at == now) {
                    let fresh = |(told, _): &(Timestamp, Price)| at.since(*told) < asked.step;
                    *spot = coin.iter().find_map(|of| last[of.index()].filter(fresh)).map(|(_, price)| price);
                }
            }
        }
        while let Some(at) = next.filter(|at| *at <= asked.at) {
            take(at, &chains, &last, &quoted);
            next = Some(at + asked.step);
        }
        Ok(Some(Self::of(sources, rows, asked)))
    }

    fn of(
        sources: Vec<Source>,
        rows: Vec<(Timestamp, Vec<Option<f64>>)>,
        asked: &HistoryRequest,
    ) -> Result<Self, Vec<Wrong>> {
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
        let used: Vec<usize> = (0..sources.len()).filter(|at| sources[*at].told > 0).collect();
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
        if ended.nanos() > ENDED_MAX * asked.step.nanos() {
            return Err(refused(
                format!("the tapes end at {end}, {:.1} days before {}", ended.days(), asked.at),
                "ask about a time that they reach: volatilities of then are not those of now",
            ));
        }
        let (mut left_out, mut ends) = (0, Vec::new());
        for (pair, (end, _)) in whole[first..=last].windows(2).zip(&rows[first + 1..]) {
            match (&pair[0], &pair[1]) {
                (Some(before), Some(after)) => {
                    let changes: Vec<f64> =
                        before.iter().zip(after).map(|(before, after)| ln(after / before)).collect();
                    history.push(&changes).map_err(|error| refused(error.to_string(), "repair the tape"))?;
                    ends.push(*end);
                }
                _ => left_out += 1,
            }
        }
        Ok(Self {
            history,
            from: rows[first].0,
            to: rows[last].0,
            left_out,
            ends,
            sources: used.iter().map(|at| sources[*at].name.clone()).collect(),
        })
    }
}

/// A history that ends more steps than this before the moment that is asked about is none of that moment.
const ENDED_MAX: i64 = 10;

fn list(sources: &[Source]) -> String {
    let names: Vec<String> = sources.iter().map(|source| source.factor.to_string()).collect();
    names.join(", ")
}

/// The first moment from `from` on that lies whole steps before the last.
fn first_row(from: Timestamp, asked: &HistoryRequest) -> Timestamp {
    let before = asked.at.since(from).nanos() / asked.step.nanos();
    asked.at - Duration::from_nanos(before * asked.step.nanos())
}
