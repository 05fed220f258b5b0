//! How prices and implied volatilities have moved: rows of them on a grid of time, as many as facts of what may be lost look back on.

use super::RiskRefusal;
use super::coin::Coin;
use crate::surfaces::Surfaces;
use market::{Catalogue, Currency, Event, is_dollar};
use policy::TailFact;
use risk::chain::Chains;
use risk::scenario::{REFERENCE_DAYS, SHORT_DAYS};
use risk::value_at_risk::{Factor, HOLE, History, has_own};
use std::collections::VecDeque;
use units::math::ln;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Timestamp};

/// Changes that are kept have a row before and behind.
const ROWS: usize = TailFact::STEPS + 1;
/// Levels of a coin: its price; and of one moment, which is that of a fit of its surface, its volatility, its short one, its skew, which is
/// known where the volatility is, and its price then.
const LEVELS: usize = 5;
const PRICE: usize = 0;
const VOL: usize = 1;
const SHORT: usize = 2;
const SKEW: usize = 3;
const BESIDE: usize = 4;
/// So far from its moment a row's surface may be told, as a part of the step: recorded chains do not come on the minute.
const TOLERANCE: i64 = 4;
/// Tenors of the volatilities that stand for all of a coin's, in years, and of a forward that stands for the price.
const MONTH: f64 = REFERENCE_DAYS / 365.0;
const WEEK: f64 = SHORT_DAYS / 365.0;
const AT_ONCE: f64 = 1e-6;

/// Levels of each coin side by side; zero where one is not known.
#[derive(Debug)]
pub(super) struct Past {
    coins: Vec<Source>,
    /// By instrument: when it told a price last, and which.
    told: Vec<(Timestamp, Price)>,
    grids: Vec<Grid>,
}

/// What tells the levels of a coin.
#[derive(Debug)]
struct Source {
    coin: Currency,
    /// The best first.
    prices: Vec<u32>,
    chain: Option<usize>,
    /// When its surface was fitted last, with its volatilities at the money a month and a week ahead, its skew a month ahead, its forward
    /// for delivery at once, and the price beside which it was fitted.
    implied: (Timestamp, [f64; LEVELS]),
}

/// Rows of one step.
#[derive(Debug)]
struct Grid {
    step: Duration,
    /// When the next row is due; `None` before the first input.
    next: Option<Timestamp>,
    /// Row by row, the oldest first; the last one is a step before the next.
    levels: VecDeque<f64>,
    /// Rows taken so far, and surfaces that came late for one.
    taken: u64,
    /// By coin: of when the surface was that a row has last. None is told twice.
    used: Vec<Timestamp>,
}

impl Past {
    pub(super) fn new(
        steps: impl Iterator<Item = Duration>,
        coins: &[Coin],
        catalogue: &Catalogue,
        chains: &Chains,
    ) -> Self {
        let mut grids: Vec<Grid> = Vec::new();
        for step in steps {
            if grids.iter().all(|grid| grid.step != step) {
                grids.push(Grid { step, next: None, levels: VecDeque::new(), taken: 0, used: Vec::new() });
            }
        }
        let source = |coin: &Coin| Source {
            coin: coin.base,
            prices: coin.sources.clone(),
            chain: chains.largest(coin.base.as_str()),
            implied: (Timestamp::MIN, [0.0; LEVELS]),
        };
        let coins: Vec<Source> = coins.iter().filter(|coin| !is_dollar(coin.base)).map(source).collect();
        grids.iter_mut().for_each(|grid| grid.used = vec![Timestamp::MIN; coins.len()]);
        Self { coins, told: vec![(Timestamp::MIN, Price::ZERO); catalogue.instruments.len()], grids }
    }

    /// An input of the market was taken in. Rows that were due before it hold what was known before it.
    pub(super) fn observe(&mut self, now: Timestamp, events: &[Event], surfaces: &Surfaces) {
        let Self { coins, told, grids } = self;
        for grid in &mut *grids {
            let mut due = grid.next.unwrap_or_else(|| first(now, grid.step));
            // Of a hole that is longer than what is kept nothing before it stays.
            let missed = now.since(due).nanos() / grid.step.nanos() - ROWS as i64;
            if missed > 0 {
                due = due + Duration::from_nanos(missed * grid.step.nanos());
                grid.levels.clear();
                grid.taken += missed as u64;
            }
            while due < now {
                for (source, used) in coins.iter().zip(&mut grid.used) {
                    let levels = source.levels(due, grid.step, told, *used);
                    *used = if levels[VOL] > 0.0 { source.implied.0 } else { *used };
                    grid.levels.extend(levels);
                }
                let over = grid.levels.len().saturating_sub(ROWS * LEVELS * coins.len());
                grid.levels.drain(..over);
                grid.taken += 1;
                due = due + grid.step;
            }
            grid.next = Some(due);
        }
        for event in events {
            let (instrument, price) = match event {
                Event::Bar(bar) => (bar.instrument, bar.close),
                Event::Trade(trade) => (trade.instrument, trade.price),
                Event::Mark(mark) => (mark.instrument, mark.price),
                _ => continue,
            };
            told[instrument.index()] = (now, price);
        }
        for (place, source) in coins.iter_mut().enumerate() {
            let Some(fitted) = source.chain.and_then(|chain| surfaces.of(chain)) else { continue };
            let at = fitted.at();
            // Another fit of the same moment takes the place of the one before.
            if at != source.implied.0 || at == now {
                let tenor = |years: f64| fitted.surface().and_then(|surface| surface.tenor(years).ok());
                // No expiry before it tells nothing of it.
                let week = tenor(WEEK).filter(|tenor| !tenor.extrapolated());
                let all = [
                    tenor(MONTH).map(|tenor| tenor.atm()),
                    week.map(|tenor| tenor.atm()),
                    tenor(MONTH).map(|tenor| tenor.skew()),
                    tenor(AT_ONCE).map(|tenor| tenor.forward()),
                    fitted.spot(),
                ];
                source.implied = (at, all.map(Option::unwrap_or_default));
                grids.iter_mut().for_each(|grid| grid.tell_late(place, source));
            }
        }
    }

    fn grid(&self, step: Duration) -> Option<&Grid> {
        self.grids.iter().find(|grid| grid.step == step)
    }

    /// What a history made now would be of: rows taken so far, and the row of this very moment, if one is due, as it is by now.
    pub(super) fn version(&self, step: Duration, now: Timestamp) -> (u64, Vec<f64>) {
        let Some(grid) = self.grid(step) else { return Default::default() };
        let levels = |(source, used): (&Source, &Timestamp)| source.levels(now, step, &self.told, *used);
        let rows = self.coins.iter().zip(&grid.used);
        let due = if grid.next == Some(now) { rows.flat_map(levels).collect() } else { Vec::new() };
        (grid.taken, due)
    }

    /// Whether that is what [`Self::version`] would be, without making it.
    pub(super) fn is_version(&self, step: Duration, now: Timestamp, (taken, due): &(u64, Vec<f64>)) -> bool {
        let Some(grid) = self.grid(step) else { return *taken == 0 && due.is_empty() };
        let width = if grid.next == Some(now) { LEVELS * self.coins.len() } else { 0 };
        let mut rows = self.coins.iter().zip(&grid.used).zip(due.chunks_exact(LEVELS));
        grid.taken == *taken
            && due.len() == width
            && rows.all(|((source, used), levels)| source.levels(now, step, &self.told, *used) == levels)
    }

    /// When the next row is due.
    pub(super) fn next(&self, step: Duration) -> Option<Timestamp> {
        self.grid(step)?.next
    }

    /// Changes of factors: of steps at whose ends all of them are known.
    pub(super) fn history(&self, step: Duration, factors: &[Factor], now: Timestamp) -> Result<History, RiskRefusal> {
        let history = History::new(step, factors.to_vec())?;
        let Some(grid) = self.grid(step) else { return Ok(history) };
        let (_, due) = self.version(step, now);
        let width = LEVELS * self.coins.len();
        let columns: Option<Vec<usize>> = factors
            .iter()
            .map(|factor| {
                let at = self.coins.iter().position(|source| source.coin == factor.coin())?;
                // With volatilities that move, the price is of the moment that they are of.
                let level = match factor {
                    Factor::Price(coin) if factors.contains(&Factor::Vol(*coin)) => BESIDE,
                    Factor::Price(_) => PRICE,
                    Factor::Vol(_) => VOL,
                    Factor::ShortVol(_) => SHORT,
                    Factor::Skew(_) => SKEW,
                };
                Some(LEVELS * at + level)
            })
            .collect();
        // A coin that nothing tells anything of.
        let Some(columns) = columns else { return Ok(history) };
        let rows = (grid.levels.len() + due.len()).checked_div(width).unwrap_or_default();
        let level = |row: usize, column: usize| {
            let at = row * width + column;
            grid.levels.get(at).copied().unwrap_or_else(|| due[at - grid.levels.len()])
        };
        // A short volatility or a skew that tells nothing of its own is left out.
        let mut used: Vec<usize> = Vec::with_capacity(factors.len());
        for (at, factor) in factors.iter().enumerate() {
            let first = columns[at] / LEVELS * LEVELS;
            let with_month = (0..rows).filter(|row| level(*row, first + VOL) > 0.0);
            let logs = |row: usize| [VOL, SHORT].map(|of| ln(level(row, first + of)));
            let short = |row: &usize| level(*row, first + SHORT) > 0.0;
            let months = with_month.clone().count();
            let is_own = match factor {
                Factor::Price(_) | Factor::Vol(_) => true,
                Factor::ShortVol(_) => has_own(&with_month.filter(short).map(logs).collect::<Vec<_>>(), months),
                Factor::Skew(_) => {
                    let skew = |row: usize| level(row, first + SKEW);
                    if used.iter().any(|other| columns[*other] == first + SHORT) {
                        let all = with_month.filter(short).map(|row| [logs(row)[0], logs(row)[1], skew(row)]);
                        has_own(&all.collect::<Vec<_>>(), months)
                    } else {
                        has_own(&with_month.map(|row| [logs(row)[0], skew(row)]).collect::<Vec<_>>(), months)
                    }
                }
            };
            if is_own {
                used.push(at);
            }
        }
        let mut history = History::new(step, used.iter().map(|at| factors[*at]).collect())?;
        let columns: Vec<usize> = used.iter().map(|at| columns[*at]).collect();
        let mut changes = Vec::with_capacity(columns.len());
        let mut last = None;
        for row in 1..rows {
            changes.clear();
            for (column, factor) in columns.iter().zip(history.factors()) {
                // A skew of nothing is one: it is known where the volatility is.
                let known = if column % LEVELS == SKEW { column - SKEW + VOL } else { *column };
                if level(row - 1, known) > 0.0 && level(row, known) > 0.0 {
                    changes.push(factor.change(level(row - 1, *column), level(row, *column)));
                }
            }
            if changes.len() == columns.len() {
                if last.is_some_and(|last| (row - 1 - last) as i64 > HOLE) {
                    history.note_hole();
                }
                history.push(&changes)?;
                last = Some(row);
            }
        }
        history.keep_last(TailFact::STEPS);
        if let (Some(last), Some(next)) = (last, grid.next) {
            let after = rows - last - usize::from(!due.is_empty());
            let ago = now.since(next - Duration::from_nanos(after as i64 * step.nanos()));
            if ago.nanos() > HOLE * step.nanos() {
                return Err(RiskRefusal::Ended(factors[0], ago));
            }
        }
        Ok(history)
    }

    pub(super) fn save(&self, out: &mut StateWriter) {
        for (at, price) in &self.told {
            out.i64(at.nanos());
            out.i64(price.raw());
        }
        for Source { implied: (at, levels), .. } in &self.coins {
            out.i64(at.nanos());
            levels.iter().for_each(|level| out.f64(*level));
        }
        for grid in &self.grids {
            out.option(grid.next, |out, next| out.i64(next.nanos()));
            out.u64(grid.taken);
            out.len(grid.levels.len());
            grid.levels.iter().for_each(|level| out.f64(*level));
            grid.used.iter().for_each(|used| out.i64(used.nanos()));
        }
    }

    pub(super) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for told in &mut self.told {
            *told = (Timestamp::from_nanos(from.i64()?), Price::from_raw(from.i64()?));
        }
        for source in &mut self.coins {
            let at = Timestamp::from_nanos(from.i64()?);
            source.implied = (at, [from.f64()?, from.f64()?, from.f64()?, from.f64()?, from.f64()?]);
        }
        for grid in &mut self.grids {
            grid.next = from.option(|from| from.i64().map(Timestamp::from_nanos))?;
            grid.taken = from.u64()?;
            grid.levels = (0..from.len()?).map(|_| from.f64()).collect::<Result<_, _>>()?;
            for used in &mut grid.used {
                *used = Timestamp::from_nanos(from.i64()?);
            }
        }
        Ok(())
    }
}

impl Grid {
    /// A surface that was just fitted, in place of an older one, or of none, in the row before, if it is near enough to that row's moment.
    fn tell_late(&mut self, coin: usize, source: &Source) {
        let tolerance = Duration::from_nanos(self.step.nanos() / TOLERANCE);
        let (Some(next), (at, levels)) = (self.next, source.implied) else { return };
        let (moment, used) = (next - self.step, self.used[coin]);
        let row = self.levels.len().checked_sub(LEVELS * (self.used.len() - coin));
        let Some(row) = row.filter(|_| at > moment && at.since(moment) <= tolerance) else { return };
        // What was told just before it, or late for it once already, stays.
        let is_whole = self.levels[row + VOL] > 0.0 && moment.since(used) <= tolerance && used != at;
        if is_whole || levels[0] <= 0.0 {
            return;
        }
        self.used[coin] = at;
        self.taken += 1;
        let own = source.at_fit();
        (VOL..LEVELS).for_each(|level| self.levels[row + level] = own[level]);
    }
}

impl Source {
    /// Volatilities, skew and price of its last surface, where levels have them; the price at the moment of a row is not among them.
    fn at_fit(&self) -> [f64; LEVELS] {
        let [vol, short, skew, forward, spot] = self.implied.1;
        let price = if self.prices.is_empty() { forward } else { spot };
        [0.0, vol, short, skew, price]
    }

    /// What is known at a moment: what was told a step ago or longer is not, nor a surface that another row has.
    fn levels(&self, at: Timestamp, step: Duration, told: &[(Timestamp, Price)], used: Timestamp) -> [f64; LEVELS] {
        let is_fresh = |told: Timestamp| told > Timestamp::MIN && at.since(told) < step;
        let price = self.prices.iter().map(|source| told[*source as usize]).find(|(told, _)| is_fresh(*told));
        let (fitted, [.., forward, _]) = self.implied;
        let price = match price {
            Some((_, price)) => price.approximate(),
            None if self.prices.is_empty() && is_fresh(fitted) => forward,
            None => 0.0,
        };
        let own = if is_fresh(fitted) && fitted > used { self.at_fit() } else { [0.0; LEVELS] };
        let [_, vol, short, skew, beside] = own;
        [price, vol, short, skew, beside]
    }
}

/// The first moment of a grid that is not before another.
fn first(at: Timestamp, step: Duration) -> Timestamp {
    let floor = at.floor(step);
    if floor == at { at } else { floor + step }
}
