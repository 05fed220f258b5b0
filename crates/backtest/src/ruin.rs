//! How likely a run's own returns are to ruin, what Kelly makes of them, and what a floor would cost (docs/ruin-and-growth.md).

use crate::metrics::{Path, Return, YEAR, time_weighted};
use crate::parallel::{Share as Done, Tick, parallel};
use crate::surface::as_text;
use crate::{Error, Run};
use risk::growth::{
    Bootstrap, Dependence, Floored, Future, GrowthError, Share, Walk, cppi, grossman_zhou, kelly_empirical,
    kelly_normal, kelly_shrinkage,
};
use serde::Serialize;
use std::ops::ControlFlow;
use units::math::sqrt;
use units::show::{self, Style};
use units::{Duration, Timestamp};

/// Returns that tell anything: two months of days.
pub const RETURNS_MIN: usize = 60;
/// A horizon is at most so many times what there is of a run: beyond, each day of it would be drawn again and again.
pub const HORIZON_MAX: usize = 10;
/// Paths at most.
pub const PATHS_MAX: u64 = 1_000_000;
/// Paths that quantiles over time are told of, and how many moments.
const FAN_PATHS: u64 = 4_000;
const FAN_MOMENTS: usize = 100;
/// Their quantiles.
pub const FAN: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// Drawdowns that the distribution of the worst one is told at.
const CURVE: usize = 100;
/// The largest multiple of a run's exposure that is looked at, and the paths that it is looked at by.
pub const BEARABLE_MOST: f64 = 4.0;
const BEARABLE_PATHS: u64 = 2_000;
/// Paths that one thread draws at a time.
const CHUNK: u64 = 500;
/// An exposure under this share of its first one has all but ended.
const IDLE: f64 = 0.1;

/// Why a run says nothing about ruin.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuinError {
    /// Too few returns.
    #[error("the run has {count} returns of {step}, and {RETURNS_MIN} are the fewest that tell anything")]
    TooFew {
        /// So many are there.
        count: usize,
        /// How long each is.
        step: Duration,
    },
    /// Rows further apart than returns are long, or returns that are no whole number of them.
    #[error("the run keeps a row each {rows}, so it has no returns of {step}")]
    Step {
        /// How far rows are apart.
        rows: Duration,
        /// What was asked for.
        step: Duration,
        /// A length that returns of these rows have.
        even: Option<Duration>,
    },
    /// Nothing happened.
    #[error("equity never moved: there is no return to draw from")]
    NeverMoved,
    /// It happened already.
    #[error("the account was wiped out by {at}: its ruin is a fact, and nothing is left to draw from after it")]
    WipedOut {
        /// The end of the step that took everything.
        at: Timestamp,
    },
    /// A share that is none.
    #[error("{name} is {value}, and must lie between 0 and 1")]
    Share {
        /// Which one.
        name: &'static str,
        /// What it is.
        value: f64,
    },
    /// A level that is asked for twice.
    #[error("the level of {} % is asked for twice", *.0 * 100.0)]
    Twice(f64),
    /// A horizon shorter than a return, or far longer than the run.
    #[error("the horizon of {horizon} is {}", if *.horizon < *.step { "shorter than a return" } else { "far beyond the run" })]
    Horizon {
        /// What was asked for.
        horizon: Duration,
        /// How long a return is.
        step: Duration,
        /// The longest that the run bears.
        longest: Duration,
    },
    /// A horizon that ends within a return.
    #[error("the horizon of {horizon} is no whole number of returns of {step}")]
    Part {
        /// What was asked for.
        horizon: Duration,
        /// How long a return is.
        step: Duration,
    },
    /// Blocks that the run has too few returns for.
    #[error("blocks of {block} returns on average take twice as many returns, and the run has {count}")]
    Block {
        /// Their mean length.
        block: f64,
        /// Returns of the run.
        count: usize,
    },
    /// What the formulas refuse.
    #[error(transparent)]
    Growth(#[from] GrowthError),
}

impl RuinError {
    /// The one thing to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::TooFew { .. } => "run it over a longer time, or take shorter returns: `--step 1h`".to_owned(),
            Self::Step { even: Some(even), .. } => {
                let hours = even.nanos() / Duration::HOUR.nanos();
                let even = if hours % 24 == 0 { format!("{}d", hours / 24) } else { format!("{hours}h") };
                format!("take `--step {even}`; runs over a shorter time keep more rows")
            }
            Self::Step { rows, .. } => {
                format!(
                    "take returns of {rows}, or of as many times that as you like; runs over a shorter time keep more rows"
                )
            }
            Self::NeverMoved => "take a run that traded; the report says why one did not".to_owned(),
            Self::WipedOut { .. } => "run the policy with a smaller size".to_owned(),
            Self::Twice(_) => "name each level once: `--level 20%,50%`".to_owned(),
            Self::Share { .. } => "write it as 50% or 0.5".to_owned(),
            Self::Horizon { step, longest, .. } => {
                format!("take one from {step} to {longest}, {HORIZON_MAX} times the run: `--horizon 90d`")
            }
            Self::Part { horizon, step } => {
                let (horizon, step) = (horizon.nanos(), step.nanos());
                let whole = |count: i64| Duration::from_nanos(count * step);
                format!("take {} or {}, or another `--step`", whole(horizon / step), whole(horizon / step + 1))
            }
            Self::Block { count, .. } => {
                format!("take {} at most, or leave `--block` out: a rule finds it in the returns", count / 2)
            }
            Self::Growth(_) => "take another run, or other numbers".to_owned(),
        }
    }
}

/// What is asked of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RuinRequest {
    /// Losses and drawdowns, as fractions.
    pub levels: Vec<f64>,
    /// How far ahead.
    pub horizon: Duration,
    /// How long a return is.
    pub step: Duration,
    /// Paths drawn.
    pub paths: u64,
    /// Which paths.
    pub seed: u64,
    /// The mean length of blocks, in returns; none: by the rule.
    pub block: Option<f64>,
    /// A floor under capital, as a fraction of it.
    pub floor: Option<f64>,
    /// What is put at risk for each unit over the floor, in multiples of the run's own exposure; none: Kelly's, shrunk.
    pub multiple: Option<f64>,
    /// Threads; no figure depends on it.
    pub threads: usize,
}

/// How likely one level is to be reached within the horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chance {
    /// The loss or drawdown, as a fraction.
    pub level: f64,
    /// Of paths drawn from the run's returns.
    pub drawn: f64,
    /// The standard error of that share.
    pub error: f64,
    /// The same of the twin's returns at the same times; none: it was wiped out.
    pub twin: Option<f64>,
    /// Of the run's, were their mean lower by its standard error.
    pub lowered: f64,
    /// Of Brownian motion with the same mean and volatility, watched at every moment.
    pub brownian: f64,
    /// The same without end; of losses alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ever: Option<f64>,
}

/// What Kelly makes of returns. Multiples are of the run's own exposure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KellyView {
    /// Mean return a year.
    pub mean: f64,
    /// Its standard error.
    pub mean_error: f64,
    /// Volatility a year.
    pub volatility: f64,
    /// Mean ÷ variance.
    pub normal: f64,
    /// Where the returns as they were would have grown most; none with the reason.
    pub empirical: Option<f64>,
    /// What uncertainty of the mean leaves of a multiple.
    pub shrinkage: f64,
    /// That share of the empirical multiple.
    pub shrunk: Option<f64>,
    /// How much of the empirical multiple the run used: 1 is all of it.
    pub used: Option<f64>,
    /// How much of the shrunk one.
    pub used_of_shrunk: Option<f64>,
    /// Why something is missing.
    pub absent: Option<String>,
}

/// Exposure under a floor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FloorRow {
    /// How exposure follows capital.
    pub rule: &'static str,
    /// Exposure now, in multiples of the run's own.
    pub exposure: f64,
    /// The median of growth within the horizon: 1.1 is a tenth more.
    pub median: f64,
    /// Growth that one path in twenty stays under.
    pub low: f64,
    /// Paths that end up at or under the floor: locked in cash. None, as what follows: there is no floor.
    pub locked: Option<f64>,
    /// The standard error of that share.
    pub locked_error: Option<f64>,
    /// Paths whose exposure ends under a tenth of its first.
    pub idle: Option<f64>,
}

/// Capital under a floor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FloorView {
    /// The floor, as a fraction of capital now (CPPI) or of its highest (Grossman and Zhou).
    pub floor: f64,
    /// What is put at risk for each unit over it.
    pub multiple: f64,
    /// The run as it was, CPPI, Grossman and Zhou.
    pub rows: Vec<FloorRow>,
}

/// A moment of the future.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FanRow {
    /// Days from now.
    pub days: f64,
    /// [`FAN`] quantiles of growth.
    pub quantiles: [f64; 5],
}

/// How likely the worst drawdown is to be at least so deep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurveRow {
    /// The drawdown, as a fraction.
    pub drawdown: f64,
    /// Of drawn paths.
    pub drawn: f64,
    /// Of the twin's.
    pub twin: Option<f64>,
    /// Of Brownian motion.
    pub brownian: f64,
}

/// A run's ruin, growth and floors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuinView {
    /// Names of the policies.
    pub policies: Vec<String>,
    /// When its first return began.
    #[serde(serialize_with = "as_text")]
    pub first: Timestamp,
    /// When its last one ended.
    #[serde(serialize_with = "as_text")]
    pub last: Timestamp,
    /// How long a return is.
    #[serde(skip)]
    pub step: Duration,
    /// The same in days.
    pub step_days: f64,
    /// Returns.
    pub returns: usize,
    /// Days of the horizon.
    pub horizon_days: f64,
    /// Paths drawn.
    pub paths: u64,
    /// Their seed.
    pub seed: u64,
    /// The mean length of a block, in returns.
    pub block: f64,
    /// Whether the rule said so.
    pub is_block_ruled: bool,
    /// Capital under its start.
    pub losses: Vec<Chance>,
    /// Capital under its highest.
    pub drawdowns: Vec<Chance>,
    /// The run's returns.
    pub kelly: KellyView,
    /// The twin's; none: it was wiped out, or never moved.
    pub twin_kelly: Option<KellyView>,
    /// Under a floor, where one was given.
    pub floor: Option<FloorView>,
    /// Growth over time.
    pub fan: Vec<FanRow>,
    /// The distribution of the worst drawdown.
    pub worst: Vec<CurveRow>,
    /// What to know beside the numbers.
    pub notes: Vec<String>,
}

/// What became of capital on one path, by the several ways of drawing it.
struct Drawn {
    own: Future,
    twin: Future,
    lowered: Future,
    floored: [Guarded; 2],
    fan: Vec<f64>,
}

/// Capital over a floor.
#[derive(Debug, Clone, Copy)]
struct Guarded {
    future: Future,
    exposure: f64,
    is_locked: bool,
}

impl Guarded {
    const fn new(highest: f64, exposure: f64) -> Self {
        Self { future: Future { highest, ..Future::NOW }, exposure, is_locked: false }
    }

    /// One period on, then exposure for the next.
    fn after(&mut self, value: f64, next: impl Fn(&Future) -> Result<Floored, GrowthError>) {
        if self.is_locked {
            return;
        }
        self.future.after(self.exposure * value);
        // Who has lost all is under any floor.
        let floored = next(&self.future).unwrap_or(Floored { exposure: 0.0, locked: true });
        self.is_locked = floored.locked;
        self.exposure = if floored.locked { 0.0 } else { floored.exposure / self.future.growth };
    }
}

impl Run {
    /// Draws futures from the run's own returns. `progress` says when to stop.
    ///
    /// # Errors
    ///
    /// A run that says nothing about ruin, a request outside what makes sense, a stop.
    pub fn ruin(
        &self,
        request: &RuinRequest,
        progress: &mut dyn FnMut(Done) -> ControlFlow<()>,
    ) -> Result<RuinView, Error> {
        let past = Past::of(self, request)?;
        let periods = past.periods(request)?;
        let own = past.values(&past.own);
        let twin = past.twin.as_deref().map(|twin| past.values(twin));
        let dependence = Dependence::of_returns(&own).map_err(RuinError::from)?;
        if let Some(block) = request.block.filter(|block| 2.0 * block > own.len() as f64) {
            return Err(RuinError::Block { block, count: own.len() }.into());
        }
        let block = request.block.unwrap_or(dependence.block);
        let bootstrap = Bootstrap::new(&own, block, periods, request.seed).map_err(RuinError::from)?;
        let kelly = past.kelly(&own, dependence.long_run_variance);
        let twin_kelly =
            twin.as_ref().and_then(|twin| Some(past.kelly(twin, Dependence::of(twin).ok()?.long_run_variance)));
        let guard = guard(request, &kelly, past.drawdown)?;
        let mean_error = sqrt(dependence.long_run_variance / own.len() as f64);
        let moments = FAN_MOMENTS.min(periods);
        let path = |index: u64| {
            let (first_cppi, first_drawdown) = guard.map_or((0.0, 0.0), |guard| guard.first);
            let highest = 1.0 / (1.0 - past.drawdown);
            let mut drawn = Drawn {
                own: Future::NOW,
                twin: Future::NOW,
                lowered: Future::NOW,
                floored: [Guarded::new(1.0, first_cppi), Guarded::new(highest, first_drawdown)],
                fan: Vec::new(),
            };
            let mut period = 0;
            bootstrap.draw(index, |at| {
                drawn.own.after(own[at]);
                drawn.lowered.after(own[at] - mean_error);
                if let Some(twin) = &twin {
                    drawn.twin.after(twin[at]);
                }
                if let Some(guard) = &guard {
                    drawn.floored[0].after(own[at], |future| guard.cppi(future));
                    drawn.floored[1].after(own[at], |future| guard.grossman_zhou(future));
                }
                period += 1;
                if index < FAN_PATHS && period * moments / periods > drawn.fan.len() {
                    drawn.fan.push(drawn.own.growth);
                }
            });
            drawn
        };
        let chunks = request.paths.div_ceil(CHUNK);
        let work = |at: usize, tick: &mut Tick<'_>| {
            let (from, to) = (at as u64 * CHUNK, ((at + 1) as u64 * CHUNK).min(request.paths));
            let mut drawn = Vec::with_capacity(CHUNK as usize);
            for index in from..to {
                if (index - from) % 50 == 0 && tick((index - from) as f64 / CHUNK as f64).is_break() {
                    return Err(Error::Interrupted);
                }
                drawn.push(path(index));
            }
            Ok(drawn)
        };
        let drawn: Vec<Drawn> =
            parallel(chunks as usize, request.threads, progress, work)?.into_iter().flatten().collect();
        let walk = Walk::of_returns(&own, past.per_year()).map_err(RuinError::from)?;
        let years = periods as f64 * request.step.days() / YEAR;
        let chances = |worst: fn(&Future) -> f64, brownian: &dyn Fn(f64) -> Result<f64, GrowthError>| {
            let chance = |level: &f64| -> Result<Chance, RuinError> {
                let share = |of: fn(&Drawn) -> &Future| {
                    Share::of(drawn.iter().filter(|drawn| worst(of(drawn)) >= *level).count(), drawn.len())
                };
                let own = share(|drawn| &drawn.own);
                Ok(Chance {
                    level: *level,
                    drawn: own.value,
                    error: own.error,
                    twin: twin.as_ref().map(|_| share(|drawn| &drawn.twin).value),
                    lowered: share(|drawn| &drawn.lowered).value,
                    brownian: brownian(*level)?,
                    ever: None,
                })
            };
            request.levels.iter().map(chance).collect::<Result<Vec<_>, _>>()
        };
        let mut losses = chances(|future| future.worst_loss, &|level| walk.loses(level, years))?;
        for chance in &mut losses {
            chance.ever = Some(walk.ever_loses(chance.level).map_err(RuinError::from)?);
        }
        let drawdowns = chances(|future| future.worst_drawdown, &|level| walk.draws_down(level, years))?;
        let notes = past.notes(request, periods, &kelly);
        Ok(RuinView {
            policies: self.record.policies.iter().map(|policy| policy.name.clone()).collect(),
            first: past.first,
            last: past.own.last().map_or(past.first, |last| last.end),
            step: request.step,
            step_days: request.step.days(),
            returns: own.len(),
            horizon_days: periods as f64 * request.step.days(),
            paths: request.paths,
            seed: request.seed,
            block,
            is_block_ruled: request.block.is_none(),
            losses,
            drawdowns,
            kelly,
            twin_kelly,
            floor: guard.map(|guard| guard.view(&drawn)),
            fan: fan(&drawn, moments, periods as f64 * request.step.days()),
            worst: curve(&drawn, twin.is_some(), &walk, years).map_err(RuinError::from)?,
            notes,
        })
    }

    /// The largest multiple of the run's own exposure, up to [`BEARABLE_MOST`], at which the first of the levels is reached by a drawdown
    /// on no more than the share `chance` of paths: returns are multiplied, costs with them.
    ///
    /// # Errors
    ///
    /// As [`Self::ruin`].
    pub fn bearable(&self, request: &RuinRequest, chance: f64) -> Result<f64, RuinError> {
        let past = Past::of(self, request)?;
        let periods = past.periods(request)?;
        let own = past.values(&past.own);
        let block = request.block.map_or_else(|| Dependence::of_returns(&own).map(|found| found.block), Ok)?;
        let level = request.levels.first().copied().unwrap_or(1.0);
        let is_borne = |multiple: f64| -> Result<bool, RuinError> {
            let scaled: Vec<f64> = own.iter().map(|value| (value * multiple).max(-0.999)).collect();
            let bootstrap = Bootstrap::new(&scaled, block, periods, request.seed)?;
            Ok(bootstrap.share(request.paths.min(BEARABLE_PATHS), |future| future.worst_drawdown >= level)?.value
                <= chance)
        };
        if is_borne(BEARABLE_MOST)? {
            return Ok(BEARABLE_MOST);
        }
        let (mut borne, mut broken) = (0.0, BEARABLE_MOST);
        for _ in 0..12 {
            let middle = (borne + broken) / 2.0;
            if is_borne(middle)? { borne = middle } else { broken = middle }
        }
        Ok(borne)
    }
}

/// How far rows are apart: they stand evenly but for gaps and the first.
fn apart(times: &[Timestamp]) -> Duration {
    let mut apart: Vec<Duration> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    apart.sort_unstable();
    apart.get(apart.len() / 2).copied().unwrap_or(Duration::ZERO)
}

/// Whether returns of a step last as long as it. Recorded snapshots do not come on the minute, so that a tenth more or less is let pass,
/// and one return in ten whatever it lasts; across a gap several steps are one return.
fn is_even(times: &[Timestamp], apart: Duration, step: Duration) -> bool {
    let step = step.nanos();
    if apart == Duration::ZERO || step % apart.nanos() == 0 {
        return true;
    }
    let bucket = |time: &Timestamp| (*time - Duration::from_nanos(1)).floor(Duration::from_nanos(step));
    let ends: Vec<Timestamp> =
        times.chunk_by(|one, next| bucket(one) == bucket(next)).filter_map(|rows| rows.last().copied()).collect();
    let is_off = |pair: &&[Timestamp]| {
        let over = pair[1].since(pair[0]).nanos() % step;
        over.min(step - over) > step / 10
    };
    // The first row is the start, and the last return ends where the run does.
    let inner = ends.get(1..ends.len().saturating_sub(1)).unwrap_or_default();
    apart.nanos() <= step + step / 10 && 10 * inner.windows(2).filter(is_off).count() <= inner.len()
}

/// Lengths of returns that are named to who asks for one that rows do not have, in hours.
const STEPS: [i64; 7] = [1, 4, 6, 12, 24, 48, 168];

/// A run's returns, and its twin's at the same times.
struct Past {
    step: Duration,
    first: Timestamp,
    own: Vec<Return>,
    /// None: wiped out.
    twin: Option<Vec<Return>>,
    /// What capital is under its highest now.
    drawdown: f64,
}

impl Past {
    fn of(run: &Run, request: &RuinRequest) -> Result<Self, RuinError> {
        let step = request.step;
        for (at, level) in request.levels.iter().enumerate() {
            share("a level", *level)?;
            if request.levels[..at].contains(level) {
                return Err(RuinError::Twice(*level));
            }
        }
        request.floor.map_or(Ok(()), |floor| share("the floor", floor))?;
        let rows = &run.tables.equity;
        let times: Vec<Timestamp> = rows.iter().map(|row| row.time).collect();
        let apart = apart(&times);
        if !is_even(&times, apart, step) {
            let even = STEPS.map(|hours| Duration::from_nanos(hours * Duration::HOUR.nanos()));
            // Of rows that stand to the minute any number of them will do.
            let jitter = apart.nanos() % Duration::MINUTE.nanos() != 0;
            let even = even.into_iter().find(|step| jitter && is_even(&times, apart, *step));
            return Err(RuinError::Step { rows: apart, step, even });
        }
        let path = |equity: Vec<f64>, paid_in: Vec<f64>| {
            let worth = time_weighted(&equity, &paid_in);
            let path = Path { times: &times, equity: &worth };
            let drawdown = path.drawdowns().last().map_or(0.0, |down| -down);
            (path.returns(step), drawdown)
        };
        let (own, drawdown) = path(
            rows.iter().map(|row| row.equity.approximate()).collect(),
            rows.iter().map(|row| row.paid_in.approximate()).collect(),
        );
        let (twin, _) = path(
            rows.iter().map(|row| row.twin_equity.approximate()).collect(),
            rows.iter().map(|row| row.twin_paid_in.approximate()).collect(),
        );
        if let Some(end) = own.iter().find(|value| value.value <= -1.0) {
            return Err(RuinError::WipedOut { at: end.end });
        }
        if own.len() < RETURNS_MIN {
            return Err(RuinError::TooFew { count: own.len(), step });
        }
        if own.iter().all(|value| value.value == 0.0) {
            return Err(RuinError::NeverMoved);
        }
        let twin = twin.iter().all(|value| value.value > -1.0).then_some(twin);
        Ok(Self { step, first: times.first().copied().unwrap_or(Timestamp::MIN), own, twin, drawdown })
    }

    #[expect(clippy::unused_self, reason = "both lists are the past's")]
    fn values(&self, returns: &[Return]) -> Vec<f64> {
        returns.iter().map(|value| value.value).collect()
    }

    /// Returns until the horizon.
    fn periods(&self, request: &RuinRequest) -> Result<usize, RuinError> {
        let (whole, rest) = (request.horizon.nanos() / self.step.nanos(), request.horizon.nanos() % self.step.nanos());
        let periods = usize::try_from(whole).unwrap_or(0);
        let most = self.own.len() * HORIZON_MAX;
        if periods == 0 || request.horizon < self.step || periods > most {
            let longest = Duration::from_nanos(self.step.nanos().saturating_mul(most as i64));
            return Err(RuinError::Horizon { horizon: request.horizon, step: self.step, longest });
        }
        if rest != 0 {
            return Err(RuinError::Part { horizon: request.horizon, step: self.step });
        }
        Ok(periods)
    }

    /// Returns a year.
    fn per_year(&self) -> f64 {
        YEAR / self.step.days()
    }

    fn kelly(&self, values: &[f64], long_run_variance: f64) -> KellyView {
        let (mean, variance) = moments(values);
        let year = self.per_year();
        let (empirical, absent) = match kelly_empirical(values) {
            Ok(0.0) => (Some(0.0), Some("the mean return is not over zero: no multiple of it grows".to_owned())),
            Ok(multiple) => (Some(multiple), None),
            Err(error) => (None, Some(error.to_string())),
        };
        // Both fail of a variance of zero alone, and such returns were refused.
        let normal = kelly_normal(mean, variance).unwrap_or(0.0);
        let shrinkage = kelly_shrinkage(mean, long_run_variance, values.len() as u32).unwrap_or(0.0);
        let shrunk = empirical.map(|multiple| multiple * shrinkage);
        let used = |multiple: Option<f64>| multiple.filter(|multiple| *multiple > 0.0).map(|multiple| 1.0 / multiple);
        KellyView {
            mean: mean * year,
            mean_error: sqrt(long_run_variance / values.len() as f64) * year,
            volatility: sqrt(variance * year),
            normal,
            empirical,
            shrinkage,
            shrunk,
            used: used(empirical),
            used_of_shrunk: used(shrunk),
            absent,
        }
    }

    fn notes(&self, request: &RuinRequest, periods: usize, kelly: &KellyView) -> Vec<String> {
        let mut notes = Vec::new();
        let times = periods as f64 / self.own.len() as f64;
        if times > 1.0 {
            notes.push(format!(
                "the horizon is {} times the run: what did not happen in it is not drawn either",
                show::number(times, 1, Style::Terminal)
            ));
        }
        if kelly.mean.abs() < 2.0 * kelly.mean_error {
            notes.push("the mean return is within two standard errors of zero: growth may be luck".to_owned());
        }
        if kelly.used.is_some_and(|used| used > 1.0) {
            notes.push("the run used more than Kelly's multiple: less exposure would have grown faster".to_owned());
        }
        if self.twin.is_none() {
            notes.push("the twin was wiped out: its ruin is a fact, and there is nothing to draw from".to_owned());
        }
        if request.floor.is_some() && request.multiple.is_none() && kelly.shrunk.is_none_or(|shrunk| shrunk <= 0.0) {
            notes.push(
                "no floor is shown: Kelly's multiple is none, so say what to put at risk: `--multiple 1`".to_owned(),
            );
        }
        notes
    }
}

fn share(name: &'static str, value: f64) -> Result<(), RuinError> {
    if value > 0.0 && value < 1.0 { Ok(()) } else { Err(RuinError::Share { name, value }) }
}

/// Mean and sample variance.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, squares / (count - 1.0))
}

/// A floor and what is put at risk over it.
#[derive(Debug, Clone, Copy)]
struct Guard {
    floor: f64,
    multiple: f64,
    /// First exposures: of CPPI, of Grossman and Zhou.
    first: (f64, f64),
}

/// The floor that is asked for; none where there is nothing to put at risk.
fn guard(request: &RuinRequest, kelly: &KellyView, drawdown: f64) -> Result<Option<Guard>, RuinError> {
    let Some(floor) = request.floor else { return Ok(None) };
    let multiple = request.multiple.or(kelly.shrunk).unwrap_or(0.0);
    if request.multiple.is_none() && multiple <= 0.0 {
        return Ok(None);
    }
    let guard = Guard { floor, multiple, first: (0.0, 0.0) };
    let highest = 1.0 / (1.0 - drawdown);
    let first = (guard.cppi(&Future::NOW)?.exposure, guard.grossman_zhou(&Future { highest, ..Future::NOW })?.exposure);
    Ok(Some(Guard { first, ..guard }))
}

impl Guard {
    /// Never more than the run itself had.
    const MOST: f64 = 1.0;

    fn cppi(&self, future: &Future) -> Result<Floored, GrowthError> {
        cppi(future.growth, self.floor, self.multiple, Self::MOST)
    }

    fn grossman_zhou(&self, future: &Future) -> Result<Floored, GrowthError> {
        grossman_zhou(future.growth, future.highest, 1.0 - self.floor, self.multiple, Self::MOST)
    }

    fn view(&self, drawn: &[Drawn]) -> FloorView {
        let sorted = |growth: fn(&Drawn) -> f64| {
            let mut values: Vec<f64> = drawn.iter().map(growth).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let row = |rule, exposure: f64, growth: fn(&Drawn) -> f64, guarded: Option<fn(&Drawn) -> &Guarded>| {
            let growth = sorted(growth);
            let count = |holds: &dyn Fn(&Guarded) -> bool| {
                let hits = drawn.iter().filter(|drawn| guarded.is_some_and(|of| holds(of(drawn)))).count();
                guarded.map(|_| Share::of(hits, drawn.len()))
            };
            let locked = count(&|guarded| guarded.is_locked);
            FloorRow {
                rule,
                exposure,
                median: quantile(&growth, 0.5),
                low: quantile(&growth, 0.05),
                locked: locked.map(|locked| locked.value),
                locked_error: locked.map(|locked| locked.error),
                idle: count(&|guarded| guarded.exposure < IDLE * exposure).map(|idle| idle.value),
            }
        };
        FloorView {
            floor: self.floor,
            multiple: self.multiple,
            rows: vec![
                row("as run", 1.0, |drawn| drawn.own.growth, None),
                row("CPPI", self.first.0, |drawn| drawn.floored[0].future.growth, Some(|drawn| &drawn.floored[0])),
                row(
                    "Grossman-Zhou",
                    self.first.1,
                    |drawn| drawn.floored[1].future.growth,
                    Some(|drawn| &drawn.floored[1]),
                ),
            ],
        }
    }
}

/// The smallest of sorted values that so many do not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn fan(drawn: &[Drawn], moments: usize, days: f64) -> Vec<FanRow> {
    let start = FanRow { days: 0.0, quantiles: [1.0; 5] };
    let row = |moment: usize| {
        let mut values: Vec<f64> = drawn.iter().filter_map(|drawn| drawn.fan.get(moment).copied()).collect();
        values.sort_by(f64::total_cmp);
        FanRow {
            days: days * (moment + 1) as f64 / moments as f64,
            quantiles: FAN.map(|share| quantile(&values, share)),
        }
    };
    std::iter::once(start).chain((0..moments).map(row)).collect()
}

fn curve(drawn: &[Drawn], has_twin: bool, walk: &Walk, years: f64) -> Result<Vec<CurveRow>, GrowthError> {
    let sorted = |of: fn(&Drawn) -> &Future| {
        let mut values: Vec<f64> = drawn.iter().map(|drawn| of(drawn).worst_drawdown).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (own, twin) = (sorted(|drawn| &drawn.own), has_twin.then(|| sorted(|drawn| &drawn.twin)));
    let reach = |values: &[f64], level: f64| {
        (values.len() - values.partition_point(|value| *value < level)) as f64 / values.len().max(1) as f64
    };
    let row = |at: usize| {
        let drawdown = at as f64 / CURVE as f64;
        Ok(CurveRow {
            drawdown,
            drawn: reach(&own, drawdown),
            twin: twin.as_ref().map(|twin| reach(twin, drawdown)),
            brownian: if at == 0 { 1.0 } else { walk.draws_down(drawdown, years)? },
        })
    };
    (0..CURVE).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(minutes: impl Iterator<Item = i64>) -> Vec<Timestamp> {
        minutes.map(|minutes| Timestamp::from_nanos(minutes * Duration::MINUTE.nanos())).collect()
    }

    #[test]
    fn snapshots_about_every_six_hours_have_days_and_no_six_hours() {
        // Around 5, 10, 16 and 22 o'clock, a quarter of an hour early or late.
        let snapshots =
            rows((0..400).map(|at| at / 4 * 1_440 + [300, 590, 950, 1_300][at as usize % 4] + at * 7 % 31 - 15));
        let weekdays = rows((0..2_400).filter(|hour| hour / 24 % 7 < 5).map(|hour| hour * 60));
        for (times, step, expected) in [
            (&snapshots, Duration::DAY, true),
            (&snapshots, Duration::from_nanos(6 * Duration::HOUR.nanos()), false),
            (&snapshots, Duration::HOUR, false),
            (&weekdays, Duration::DAY, true),
            (&weekdays, Duration::from_nanos(90 * Duration::MINUTE.nanos()), false),
            (&rows((0..400).map(|at| at * 420)), Duration::DAY, false),
            (&rows((0..400).map(|at| at * 300)), Duration::DAY, false),
        ] {
            assert_eq!(is_even(times, apart(times), step), expected, "{step}: {:?}", &times[..8]);
        }
    }
}
