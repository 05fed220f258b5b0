//! Value at risk of a run, told one step ahead from what was known then.

mod by_greeks;

use super::traded::weights;
use crate::metrics::{Path, Return};
use crate::report::{Columns, RiskLevel, RiskPath, RiskRecord, RiskShare, RunSummary};
use crate::run::{InstrumentStamp, Run};
use by_greeks::{Moving, Slopes};
use market::Currency;
use risk::tail::Tail;
use risk::value_at_risk::{Factor, Forecast, History, Moves, Paths, ValueAtRiskError};
use std::collections::BTreeMap;
use units::math::{exp, ln};
use units::show::{self, Style};
use units::{Duration, Timestamp};

/// Steps that are tried, the longest first: the first that a run has enough of.
const STEPS: [Duration; 3] = [Duration::DAY, Duration::from_nanos(6 * Duration::HOUR.nanos()), Duration::HOUR];
/// Changes that the first forecast has behind it: one scenario beyond the quantile at 99 %.
const BEHIND: usize = 100;
/// Changes that a forecast looks back on at most.
const WINDOW: usize = 500;
/// Steps of a run that are enough, and the fewest that are looked at.
const ENOUGH: usize = 350;
const FEWEST: usize = BEHIND + 100;
/// Decay of the weights that volatilities are forecast by.
const DECAY: f64 = 0.94;
/// What is told of each step.
const CONFIDENCES: [f64; 2] = [0.95, 0.99];

/// Whose exposure.
const SCALED: usize = 0;
const TWIN: usize = 1;

/// The exposure of one strategy in one instrument over time, as a share of equity; of options, one or none.
struct Held {
    strategy: usize,
    instrument: usize,
    coin: usize,
    law: Law,
    /// At the end of each step: of the scaled run, of its twin.
    exposure: [Vec<f64>; 2],
}

/// What an exposure of one makes of changes ln(after ÷ before).
enum Law {
    /// What is paid in the quote currency.
    Linear,
    /// A coin-settled contract: worth less coin the dearer the coin is.
    Inverse,
    /// Options, by their Greeks at the end of each step.
    Greeks(Vec<Option<Slopes>>),
}

impl Held {
    /// What was held at the end of step `at` makes of the coin's changes of price and volatility, for each unit of exposure.
    fn unit(&self, at: usize, (price, vol): (f64, f64)) -> f64 {
        match &self.law {
            Law::Linear => exp(price) - 1.0,
            Law::Inverse => 1.0 - exp(-price),
            Law::Greeks(rows) => rows.get(at).copied().flatten().map_or(0.0, |slopes| slopes.profit(price, vol)),
        }
    }
}

impl Run {
    /// The summary with what takes longer: value at risk at each step.
    #[must_use]
    pub fn page(&self) -> RunSummary {
        let mut summary = self.summary();
        // What rules were told is tested itself.
        if summary.losses.iter().all(|path| path.time.is_empty()) {
            summary.risk = Some(record(self, &summary));
        }
        summary
    }
}

fn record(run: &Run, summary: &RunSummary) -> RiskRecord {
    let absent = |why: String| RiskRecord { absent: Some(why), ..RiskRecord::default() };
    let Columns { times, equity, twin_equity, .. } = summary.columns();
    let path = |equity| Path { times: &times, equity };
    let Some(step) = step(run, &path(&equity)) else {
        // A step that is shorter than rows lie apart has a return at each of them all the same.
        let count = |step: Duration| path(&equity).returns(step).len();
        let (longest, of) = STEPS.into_iter().map(|step| (count(step), step)).max().unwrap_or((0, Duration::DAY));
        return absent(format!(
            "the run has {longest} steps of {of}, and {FEWEST} are the fewest: {BEHIND} changes behind the first forecast, and \
             100 forecasts to test"
        ));
    };
    let (scaled, twin) = (path(&equity).returns(step), path(&twin_equity).returns(step));
    let ends: Vec<Timestamp> = scaled.iter().map(|value| value.end).collect();
    let has_options = summary.instruments.iter().any(|known| known.is_structure);
    let (moving, held) = if has_options {
        match by_greeks::held(summary, &ends, step) {
            Ok(held) => held,
            Err(why) => return absent(why),
        }
    } else {
        held(run, summary, &ends)
    };
    if held.iter().all(|held| held.exposure[SCALED].iter().all(|exposure| *exposure == 0.0)) {
        return absent("nothing was held at the end of any step".to_owned());
    }
    let record = told(summary, step, (&moving, &held), (&scaled, &twin));
    match record {
        Ok(record) => RiskRecord { has_options, ..record },
        Err(error) => absent(error.to_string()),
    }
}

/// The longest step that the run has enough of, else the one that it has most of, if they are any use.
fn step(run: &Run, path: &Path<'_>) -> Option<Duration> {
    let rows = &run.tables.equity;
    let mut apart: Vec<Duration> = rows.windows(2).map(|pair| pair[1].time.since(pair[0].time)).collect();
    apart.sort_unstable();
    let apart = apart.get(apart.len() / 2).copied()?;
    let counts = STEPS.into_iter().filter(|step| *step >= apart).map(|step| (step, path.returns(step).len()));
    let counts: Vec<(Duration, usize)> = counts.collect();
    let enough =
        counts.iter().find(|(_, count)| *count >= ENOUGH).or_else(|| counts.iter().max_by_key(|(_, count)| *count));
    enough.filter(|(_, count)| *count >= FEWEST).map(|(step, _)| *step)
}

fn told(
    summary: &RunSummary,
    step: Duration,
    (moving, held): (&[Moving], &[Held]),
    (scaled, twin): (&[Return], &[Return]),
) -> Result<RiskRecord, ValueAtRiskError> {
    // Prices first, then volatilities.
    let vols: Vec<&Moving> = moving.iter().filter(|moving| moving.vol.is_some()).collect();
    let prices = moving.iter().map(|moving| Factor::Price(moving.coin));
    let factors: Vec<Factor> = prices.chain(vols.iter().map(|moving| Factor::Vol(moving.coin))).collect();
    let series: Vec<&[f64]> = moving
        .iter()
        .map(|moving| moving.price.as_slice())
        .chain(vols.iter().filter_map(|moving| moving.vol.as_deref()))
        .collect();
    // Which change is the volatility's of each coin.
    let vol_of: Vec<Option<usize>> = moving
        .iter()
        .map(|coin| vols.iter().position(|other| other.coin == coin.coin).map(|at| moving.len() + at))
        .collect();
    let change = |levels: &[f64], at: usize| {
        let (before, after) = (levels[at - 1], levels[at]);
        if before > 0.0 && after > 0.0 { Some(ln(after / before)) } else { None }
    };
    let of_coin = |changes: &[f64], held: &Held| (changes[held.coin], vol_of[held.coin].map_or(0.0, |at| changes[at]));
    let mut history = History::new(step, factors)?;
    let empty = || CONFIDENCES.map(|confidence| RiskLevel { confidence, ..RiskLevel::default() }).to_vec();
    let mut record = RiskRecord {
        step: step.nanos(),
        behind: BEHIND as u64,
        window: WINDOW as u64,
        decay: DECAY,
        scaled: RiskPath { levels: empty(), ..RiskPath::default() },
        twin: RiskPath { levels: empty(), ..RiskPath::default() },
        ..RiskRecord::default()
    };
    let mut shares = vec![(0.0, Vec::new()); held.len()];
    let mut shared = 0.0;
    for at in 1..scaled.len() {
        // What was known at the end of step `at - 1`.
        let known = || series.iter().map(|levels| change(levels, at - 1)).collect::<Option<Vec<f64>>>();
        if let Some(changes) = (at >= 2).then(known).flatten() {
            history.push(&changes)?;
            history.keep_last(WINDOW);
        }
        if history.len() < BEHIND {
            continue;
        }
        let exposed = [SCALED, TWIN].map(|whose| held.iter().any(|held| held.exposure[whose][at - 1] != 0.0));
        // What an exposure of one makes of each move, of what is held by either.
        let units: Option<Vec<Vec<f64>>> = if exposed.contains(&true) {
            let paths = Paths { count: history.len(), seed: 0 };
            let moves = Moves::filtered(&history, step, Forecast::Exponential(DECAY), paths)?;
            let unit = |held: &Held| match held.exposure.iter().all(|exposure| exposure[at - 1] == 0.0) {
                true => Vec::new(),
                false => {
                    (0..moves.len()).map(|scenario| held.unit(at - 1, of_coin(moves.of(scenario), held))).collect()
                }
            };
            Some(held.iter().map(unit).collect())
        } else {
            None
        };
        let (from, to) = (scaled[at - 1].end, scaled[at].end);
        record.time.push(to.nanos());
        record.holes += u64::from(to.since(from) != step);
        let came: Vec<f64> = series.iter().map(|levels| change(levels, at).unwrap_or_default()).collect();
        let unit = |held: &Held| match held.law {
            Law::Greeks(_) => held.unit(at - 1, of_coin(&came, held)),
            // Its own price, which need not do as the coin's does.
            _ => held.unit(at - 1, (own_change(summary, held.instrument, (from, to)), 0.0)),
        };
        let came: Vec<f64> = held.iter().map(unit).collect();
        for (whose, path, made) in [(SCALED, &mut record.scaled, scaled), (TWIN, &mut record.twin, twin)] {
            let still = held.iter().zip(&came).map(|(held, unit)| held.exposure[whose][at - 1] * unit);
            path.still.push(still.sum());
            path.made.push(made.get(at).map_or(0.0, |value| value.value));
            let units = units.as_ref().filter(|_| exposed[whose]);
            let profits = units.map(|units| profits(units, held, (whose, at - 1)));
            for level in &mut path.levels {
                let tail = profits.as_ref().map(|profits| Tail::of(profits, level.confidence)).transpose()?;
                level.value_at_risk.push(tail.as_ref().map_or(0.0, Tail::value_at_risk));
                level.expected_shortfall.push(tail.as_ref().map_or(0.0, Tail::expected_shortfall));
            }
            if let (SCALED, Some(units), Some(whole)) = (whose, units, &profits) {
                let tail = Tail::of(whole, CONFIDENCES[0])?;
                for (((sum, path), held), unit) in shares.iter_mut().zip(held).zip(units) {
                    let exposure = held.exposure[whose][at - 1];
                    if exposure != 0.0 {
                        let own = exposure * tail.shortfall_of(unit)?;
                        *sum += own;
                        path.resize(record.time.len() - 1, 0.0);
                        path.push(own);
                    }
                }
                shared += 1.0;
            }
        }
    }
    // Greeks do not tell one structure on an underlying from another.
    let is_told = summary.instruments.len() == 1 || held.iter().all(|held| !matches!(held.law, Law::Greeks(_)));
    let parts = held.iter().zip(shares).filter(|_| shared > 0.0 && is_told);
    record.shares = parts
        .map(|(held, (sum, mut path))| {
            path.resize(record.time.len(), 0.0);
            RiskShare { strategy: held.strategy, instrument: held.instrument, shortfall: sum / shared, path }
        })
        .filter(|share| share.shortfall != 0.0)
        .collect();
    record.shares.sort_by(|a, b| b.shortfall.total_cmp(&a.shortfall));
    if record.time.is_empty() {
        let why = format!(
            "prices, and volatilities where options are held, are known of fewer than {BEHIND} steps of {} before the run's end",
            show::duration(step, Style::Page)
        );
        return Ok(RiskRecord { absent: Some(why), ..RiskRecord::default() });
    }
    Ok(record)
}

/// Profits of what was held at the end of a step under each move, as shares of equity.
fn profits(units: &[Vec<f64>], held: &[Held], (whose, at): (usize, usize)) -> Vec<f64> {
    let mut profits = Vec::new();
    for (unit, held) in units.iter().zip(held) {
        let exposure = held.exposure[whose][at];
        if exposure != 0.0 {
            profits.resize(unit.len(), 0.0);
            profits.iter_mut().zip(unit).for_each(|(profit, unit)| *profit += exposure * unit);
        }
    }
    profits
}

/// ln(after ÷ before) of an instrument's price; zero where it has none.
fn own_change(summary: &RunSummary, instrument: usize, (before, after): (Timestamp, Timestamp)) -> f64 {
    let [before, after] = [before, after].map(|at| price(summary, instrument, at));
    if before > 0.0 && after > 0.0 { ln(after / before) } else { 0.0 }
}

/// What each strategy held in each instrument at the end of each step, and the coins that these move with.
fn held(run: &Run, summary: &RunSummary, ends: &[Timestamp]) -> (Vec<Moving>, Vec<Held>) {
    let weights = weights(run);
    let stamps: BTreeMap<&str, &InstrumentStamp> =
        run.record.instruments.iter().map(|stamp| (stamp.symbol.as_str(), stamp)).collect();
    let places: BTreeMap<&str, usize> =
        summary.instruments.iter().enumerate().map(|(at, known)| (known.symbol.as_str(), at)).collect();
    let strategies: BTreeMap<&str, usize> =
        summary.strategies.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut coins: Vec<Currency> = Vec::new();
    let mut all: Vec<Held> = Vec::new();
    let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let (mut end, mut row) = (0, 0);
    for position in &run.tables.positions {
        while ends.get(end).is_some_and(|last| *last < position.time) {
            end += 1;
        }
        let (Some(instrument), Some(stamp)) =
            (places.get(&*position.instrument).copied(), stamps.get(&*position.instrument).copied())
        else {
            continue;
        };
        let strategy = strategies.get(&*position.strategy).copied().unwrap_or_default();
        let Ok(coin) = stamp.base.parse::<Currency>() else { continue };
        let at = *known.entry((strategy, instrument)).or_insert_with(|| {
            let coin = coins.iter().position(|known| *known == coin).unwrap_or_else(|| {
                coins.push(coin);
                coins.len() - 1
            });
            let law = if stamp.kind.starts_with("inverse") { Law::Inverse } else { Law::Linear };
            all.push(Held { strategy, instrument, coin, law, exposure: [Vec::new(), Vec::new()] });
            all.len() - 1
        });
        let rows = &run.tables.equity;
        while rows.get(row).is_some_and(|known| known.time < position.time) {
            row += 1;
        }
        let weight = match weights.get(stamp.venue()) {
            Some(weights) => weights.get(row).copied().unwrap_or(1.0),
            None => 1.0,
        };
        // The last row of a step stands for its end, and until there is another one.
        for (list, value) in all[at].exposure.iter_mut().zip([position.exposure, position.twin_exposure]) {
            let before = list.last().copied().unwrap_or_default();
            list.resize(end, before);
            // Of an account that was wiped out there is no share.
            list.push(if value.is_finite() { value * weight } else { 0.0 });
        }
    }
    for list in all.iter_mut().flat_map(|held| &mut held.exposure) {
        let last = list.last().copied().unwrap_or_default();
        list.resize(ends.len(), last);
    }
    let moving = coins.into_iter().enumerate().map(|(coin, name)| {
        // The price of a coin is that of its instrument that was traded most.
        let main = all.iter().filter(|held| held.coin == coin).map(|held| held.instrument).min().unwrap_or_default();
        let price = ends.iter().map(|end| price(summary, main, *end)).collect();
        Moving { coin: name, price, vol: None }
    });
    (moving.collect(), all)
}

/// The last close of an instrument until then.
fn price(summary: &RunSummary, instrument: usize, at: Timestamp) -> f64 {
    let known = &summary.instruments[instrument];
    let after = known.time.partition_point(|time| *time <= at.nanos());
    after.checked_sub(1).and_then(|at| known.close.get(at)).copied().unwrap_or_default()
}
