//! What tapes tell of the instruments: volatility and correlation, by the day.

use crate::Error;
use crate::metrics::YEAR;
use crate::portfolio::{HistoryRequest, MarketHistory, Vols, Wrong};
use market::Currency;
use policy::objectives::Objectives;
use policy::spec;
use risk::value_at_risk::{FEWEST, Factor};
use std::path::Path;
use tape::TapeReader;
use units::math::sqrt;
use units::{Duration, Timestamp};

/// What tapes tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Of each instrument, in the order of the objectives, a year: root mean square of the days' log-changes × √365.
    pub volatilities: Vec<f64>,
    /// The mean over all pairs; 1 of a single instrument.
    pub correlation: f64,
    /// Days.
    pub days: usize,
    /// From where on.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

impl Measured {
    /// Reads tapes. `progress` is told how many rows were read and how many there are, and answers whether to go on; `None`: it did not.
    ///
    /// # Errors
    ///
    /// A tape that cannot be read. Inside: tapes that do not tell enough, with the remedy.
    pub fn read<P: AsRef<Path>>(
        wanted: &Objectives,
        tapes: &[P],
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Result<Self, Wrong>>, Error> {
        let refused =
            |what: String, remedy: &str| Ok(Some(Err(Wrong { path: String::new(), what, remedy: remedy.to_owned() })));
        let mut coins: Vec<Currency> = Vec::new();
        for symbol in &wanted.instruments {
            let Some(coin) = spec::base(symbol).and_then(|base| base.parse().ok()) else {
                let what = format!("the base currency of {symbol} cannot be told from its symbol");
                return refused(what, "leave `--tape` out, and put the policy to its tapes with `trimtab backtest`");
            };
            coins.push(coin);
        }
        let mut last: Option<Timestamp> = None;
        for path in tapes {
            let reader = TapeReader::open(path)?;
            let ends = reader.info().kinds.values().map(|span| span.last);
            last = last.into_iter().chain(ends).max();
        }
        let asked: Vec<(Currency, Vols)> = {
            let mut once = coins.clone();
            once.sort_unstable();
            once.dedup();
            once.into_iter().map(|coin| (coin, Vols::None)).collect()
        };
        let request = HistoryRequest {
            at: last.unwrap_or(Timestamp::MAX),
            step: Duration::DAY,
            window: None,
            is_on_grid: false,
            coins: asked,
            threads: 1,
        };
        let found = match MarketHistory::read(tapes, &request, progress)? {
            None => return Ok(None),
            Some(Err(wrong)) => {
                let what = wrong.first().map_or_else(String::new, |wrong| wrong.what.clone());
                return refused(what, "add a tape of it with `--tape`, or leave tapes out");
            }
            Some(Ok(found)) => found,
        };
        let history = &found.history;
        if history.len() < FEWEST {
            let what =
                format!("the tapes have {} days, and {FEWEST} are the fewest that tell a volatility", history.len());
            return refused(what, "take longer tapes, or leave them out");
        }
        let column = |coin: &Currency| history.factors().iter().position(|factor| *factor == Factor::Price(*coin));
        let columns: Vec<usize> = coins.iter().filter_map(column).collect();
        let volatilities: Vec<f64> = columns.iter().map(|at| history.deviation(*at) * sqrt(YEAR)).collect();
        if volatilities.iter().any(|volatility| *volatility <= 0.0) || volatilities.len() != coins.len() {
            return refused("a price on the tapes never moved".to_owned(), "take tapes of a market that traded");
        }
        let (mut sum, mut pairs) = (0.0, 0_usize);
        for (at, one) in columns.iter().enumerate() {
            for other in &columns[at + 1..] {
                let products: f64 = history.column(*one).zip(history.column(*other)).map(|(a, b)| a * b).sum();
                sum += products / (history.len() as f64 * history.deviation(*one) * history.deviation(*other));
                pairs += 1;
            }
        }
        let correlation = if pairs == 0 { 1.0 } else { (sum / pairs as f64).clamp(-1.0, 1.0) };
        Ok(Some(Ok(Self { volatilities, correlation, days: history.len(), from: found.from, to: found.to })))
    }
}
