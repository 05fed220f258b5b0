//! Value at risk and expected shortfall of what is linear, made again: from the prices that the tapes told, row by row of a grid of UTC
//! midnight, and from what was held. Written after docs/risk-facts.md and docs/value-at-risk.md, not after the engine.

use super::garch::{Shape, Tops};
use crate::records::LossRow;
use crate::run::{InstrumentStamp, Run};
use crate::table::Name;
use market::{Catalogue, Currency, Event, InstrumentKind, is_dollar};
use std::collections::BTreeMap;
use units::math::{exp, ln, sqrt};
use units::{Contract, Duration, Price, Qty, Timestamp};

/// Rows of a history, changes that are counted of them, and how many there must be.
const ROWS: usize = 501;
const CHANGES: usize = 500;
const FEWEST: usize = 30;
/// And of those that a model is fitted to.
const MODEL_FEWEST: usize = 60;
/// Decay of the weights that volatilities are forecast by; the variance before the first change is that of the first 75, weighted alike.
const DECAY: f64 = 0.94;
const START: usize = 75;

/// How many rows there were, and the row of that very moment.
type Known = (usize, Option<Vec<f64>>);

/// Prices of coins side by side.
#[derive(Debug, Default)]
pub(super) struct Prices {
    /// A coin, and which markets tell its price in dollars: perpetuals, then spot.
    coins: Vec<(Currency, Vec<usize>)>,
    /// By market: when it told a price last, and which.
    told: Vec<(Timestamp, f64)>,
    grids: Vec<Grid>,
    /// By step and time at which losses were told: how many rows there were, and the row of that very moment, if one was due.
    known: BTreeMap<(Duration, Timestamp), Known>,
}

/// Rows of one step, the oldest first; zero where a coin's price was not known.
#[derive(Debug)]
struct Grid {
    step: Duration,
    next: Option<Timestamp>,
    rows: Vec<Vec<f64>>,
}

/// The step of a row's history, and its horizon.
fn spans(row: &LossRow) -> (Duration, Duration) {
    let horizon = Duration::from_nanos((row.horizon * Duration::DAY.nanos() as f64).round() as i64);
    (horizon.min(Duration::DAY), horizon)
}

/// Whether a row's figures can be made again: one step ahead nothing is drawn.
pub(super) fn is_plain(row: &LossRow) -> bool {
    let (step, horizon) = spans(row);
    let is_known = matches!(&*row.method, "historical" | "filtered") || is_fitted(row);
    is_known && step == horizon && step > Duration::ZERO
}

/// Whether volatilities are those of a model that is fitted.
pub(super) fn is_fitted(row: &LossRow) -> bool {
    Shape::named(&row.method).is_some()
}

/// Both figures, as shares of equity.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) value_at_risk: f64,
    pub(super) shortfall: f64,
    /// A model that is fitted stands at an edge of what its numbers may be.
    pub(super) is_edge: bool,
}

/// Models that are fitted, row after row.
#[derive(Debug, Default)]
pub(super) struct Fits {
    /// By coins of the history, the coin and the model.
    tops: BTreeMap<(Vec<usize>, usize, Name), Tops>,
    /// Whether all starts are taken, however near a top was known.
    pub(super) thorough: bool,
}

impl Prices {
    pub(super) fn new(run: &Run, catalogue: &Catalogue) -> Self {
        let mut steps: Vec<Duration> =
            run.tables.losses.iter().filter(|row| is_plain(row)).map(|row| spans(row).0).collect();
        steps.sort_unstable();
        steps.dedup();
        let mut bases: Vec<Currency> = catalogue.instruments.iter().map(|known| known.base).collect();
        bases.sort_unstable();
        bases.dedup();
        let listed = || catalogue.instruments.iter().enumerate();
        let of = |base: &Currency| {
            let own = |kinds: &[InstrumentKind]| -> Vec<usize> {
                let tells = |(_, known): &(usize, &market::Instrument)| {
                    known.base == *base && is_dollar(known.quote) && kinds.contains(&known.kind)
                };
                listed().filter(tells).map(|(at, _)| at).collect()
            };
            let perpetuals = own(&[InstrumentKind::LinearPerpetual, InstrumentKind::InversePerpetual]);
            (*base, [perpetuals, own(&[InstrumentKind::Spot])].concat())
        };
        Self {
            coins: bases.iter().filter(|base| !is_dollar(**base)).map(of).collect(),
            told: vec![(Timestamp::MIN, 0.0); catalogue.instruments.len()],
            grids: steps.into_iter().map(|step| Grid { step, next: None, rows: Vec::new() }).collect(),
            known: BTreeMap::new(),
        }
    }

    /// What was told less than a step before.
    fn row(&self, at: Timestamp, step: Duration) -> Vec<f64> {
        let price = |(_, sources): &(Currency, Vec<usize>)| {
            let fresh = sources
                .iter()
                .map(|source| self.told[*source])
                .find(|(told, _)| *told > Timestamp::MIN && at.since(*told) < step);
            fresh.map_or(0.0, |(_, price)| price)
        };
        self.coins.iter().map(price).collect()
    }

    /// The market told something. Rows that were due before hold what was known before.
    pub(super) fn take_in(&mut self, at: Timestamp, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        for grid in 0..self.grids.len() {
            let Grid { step, next, .. } = self.grids[grid];
            let floor = at.floor(step);
            let mut due = next.unwrap_or(if floor == at { at } else { floor + step });
            while due < at {
                let row = self.row(due, step);
                self.grids[grid].rows.push(row);
                due = due + step;
            }
            self.grids[grid].next = Some(due);
        }
        for event in events {
            let (instrument, price) = match event {
                Event::Bar(bar) => (bar.instrument, bar.close),
                Event::Trade(trade) => (trade.instrument, trade.price),
                Event::Mark(mark) => (mark.instrument, mark.price),
                _ => continue,
            };
            self.told[instrument.index()] = (at, price.approximate());
        }
    }

    /// Losses were told at this time.
    pub(super) fn keep(&mut self, at: Timestamp) {
        for grid in &self.grids {
            let due = (grid.next == Some(at)).then(|| self.row(at, grid.step));
            self.known.insert((grid.step, at), (grid.rows.len(), due));
        }
    }

    /// Changes of coins, a column each, at whose steps' ends all of them are known.
    fn changes(&self, step: Duration, at: Timestamp, coins: &[usize]) -> Option<Vec<Vec<f64>>> {
        let (count, due) = self.known.get(&(step, at))?;
        let grid = self.grids.iter().find(|grid| grid.step == step)?;
        let rows: Vec<&Vec<f64>> = grid.rows[count.saturating_sub(ROWS)..*count].iter().chain(due).collect();
        let is_whole = |row: &[f64]| coins.iter().all(|coin| row[*coin] > 0.0);
        let pairs: Vec<_> = rows.windows(2).filter(|pair| is_whole(pair[0]) && is_whole(pair[1])).collect();
        let last = &pairs[pairs.len().saturating_sub(CHANGES)..];
        let column = |coin: &usize| last.iter().map(|pair| ln(pair[1][*coin] / pair[0][*coin])).collect();
        (last.len() >= FEWEST).then(|| coins.iter().map(column).collect())
    }

    /// Value at risk and expected shortfall, as shares of equity, of what an account held (its instruments in the order of the run's, with
    /// their marks). One for each history that the engine may have looked at: that of the coins held, and one with a coin of some strategy
    /// beside; of models one for each set of tops of their likelihoods. Empty: nothing tells of them. `None`: something is held that is
    /// not linear.
    pub(super) fn figures(
        &self,
        run: &Run,
        row: &LossRow,
        (held, marks): (&BTreeMap<String, Qty>, &[Price]),
        fits: &mut Fits,
    ) -> Option<Vec<Figures>> {
        let place = |known: &InstrumentStamp| self.coins.iter().position(|(coin, _)| coin.as_str() == known.base);
        // Dollars held of each coin.
        let mut amounts: BTreeMap<usize, f64> = BTreeMap::new();
        for (known, mark) in run.record.instruments.iter().zip(marks) {
            let Some(size) = held.get(&known.symbol).filter(|size| !size.is_zero()) else { continue };
            if known.contract() != Contract::Linear || known.kind == "spot" {
                return None;
            }
            *amounts.entry(place(known)?).or_default() += size.approximate() * mark.approximate();
        }
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let beside = run.record.instruments.iter().filter_map(place);
        for coin in std::iter::once(None).chain(beside.map(Some)) {
            let mut set: Vec<usize> = amounts.keys().copied().chain(coin).collect();
            set.sort_unstable();
            set.dedup();
            if !set.is_empty() && !sets.contains(&set) {
                sets.push(set);
            }
        }
        let (step, _) = spans(row);
        let mut all = Vec::new();
        for set in sets {
            let Some(columns) = self.changes(step, row.time, &set) else { continue };
            if amounts.is_empty() && (!is_fitted(row) || columns[0].len() >= MODEL_FEWEST) {
                all.push(Figures::default());
                continue;
            }
            for (columns, is_edge) in moves(row, (&set, columns), fits) {
                let mut losses = vec![0.0; columns[0].len()];
                for (coin, column) in set.iter().zip(&columns) {
                    let amount = amounts.get(coin).copied().unwrap_or_default();
                    losses.iter_mut().zip(column).for_each(|(loss, change)| *loss -= amount * (exp(*change) - 1.0));
                }
                let equity = row.equity.approximate();
                let figures = tail(losses, row.confidence).filter(|_| equity > 0.0);
                all.extend(figures.map(|(value_at_risk, shortfall)| Figures {
                    value_at_risk: value_at_risk / equity,
                    shortfall: shortfall / equity,
                    is_edge,
                }));
            }
        }
        Some(all)
    }
}

/// Changes as a method moves prices by them, coin by coin, and whether a model stands at an edge; more than one answer where a likelihood
/// has several tops.
fn moves(
    row: &LossRow,
    (coins, mut columns): (&[usize], Vec<Vec<f64>>),
    fits: &mut Fits,
) -> Vec<(Vec<Vec<f64>>, bool)> {
    /// So many sets of tops are looked at.
    const MOST: usize = 256;
    let Some(shape) = Shape::named(&row.method) else {
        if &*row.method == "filtered" {
            columns.iter_mut().for_each(|column| filter(column));
        }
        return vec![(columns, false)];
    };
    if columns[0].len() < MODEL_FEWEST {
        return Vec::new();
    }
    let mut sets: Vec<(Vec<Vec<f64>>, bool)> = vec![(Vec::new(), false)];
    for (coin, column) in coins.iter().zip(&columns) {
        let tops = fits.tops.entry((coins.to_vec(), *coin, row.method.clone())).or_default();
        let answers = tops.filtered(column, shape, fits.thorough);
        let mut longer = Vec::new();
        for (answer, is_edge) in &answers {
            for (set, was_edge) in &sets {
                longer.push(([set.clone(), vec![answer.clone()]].concat(), *is_edge || *was_edge));
            }
        }
        longer.truncate(MOST);
        sets = longer;
    }
    sets
}

/// Each change over the volatility that exponential weights forecast of it, times that of the next one.
fn filter(changes: &mut [f64]) {
    let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
    for change in changes.iter().take(START) {
        (sum, weights, weight) = (sum + weight * change * change, weights + weight, weight * DECAY);
    }
    let mut variance = sum / weights;
    for change in &mut *changes {
        let next = DECAY * variance + (1.0 - DECAY) * *change * *change;
        *change /= sqrt(variance);
        variance = next;
    }
    changes.iter_mut().for_each(|change| *change *= sqrt(variance));
}

/// The smallest loss that at least n α of n do not exceed, and the mean of the worst n (1 − α), the last one in part. `None`: under one.
fn tail(mut losses: Vec<f64>, confidence: f64) -> Option<(f64, f64)> {
    losses.sort_by(|one, other| other.total_cmp(one));
    // Of 500 at 99 % the worst five are meant, whatever the last bit of 1 − 0.99 says.
    let beyond = (losses.len() as f64 * (1.0 - confidence) * 1e9).round() / 1e9;
    let whole = beyond.floor() as usize;
    let at = *losses.get(whole.min(losses.len().checked_sub(1)?))?;
    let sum: f64 = losses[..whole].iter().sum::<f64>() + (beyond - beyond.floor()) * at;
    (whole >= 1).then_some((at, sum / beyond))
}
