//! What a history could have been as well: how far figures depend on the one that came.

use super::{Forecast, History, Law, MODEL_FEWEST, Moves, Paths, Tails, ValueAtRiskError};
use crate::growth::{Bootstrap, Dependence};
use pricing::garch::{Filter, FitError, Parameters};
use units::Duration;
use units::math::sqrt;

/// What is known of a history.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) history: History,
    /// Each factor's model with its history taken in; none: nothing is forecast.
    pub(super) filters: Option<Vec<Filter>>,
    /// How surprising each change was, in the order of the history; the changes themselves where nothing is forecast.
    pub(super) rows: Vec<f64>,
}

impl Seen {
    pub(super) fn of(history: &History, forecast: Option<Forecast>) -> Result<Self, ValueAtRiskError> {
        history.check()?;
        let width = history.factors().len();
        let mut rows: Vec<f64> = (0..history.len()).flat_map(|row| history.row(row).iter().copied()).collect();
        let Some(forecast) = forecast else {
            return Ok(Self { history: history.clone(), filters: None, rows });
        };
        if let (Forecast::Fitted(_), true) = (forecast, history.len() < MODEL_FEWEST) {
            return Err(ValueAtRiskError::TooLittleForModel { count: history.len(), fewest: MODEL_FEWEST });
        }
        let mut filters = Vec::with_capacity(width);
        for (at, factor) in history.factors().iter().enumerate() {
            let changes: Vec<f64> = history.column(at).collect();
            let mut places = rows.iter_mut().skip(at).step_by(width);
            let mut tell = |surprise| {
                if let Some(place) = places.next() {
                    *place = surprise;
                }
            };
            if let Forecast::Exponential(decay) = forecast {
                history.check_hole(decay)?;
            }
            let filter = match forecast {
                Forecast::Exponential(decay) => Parameters::exponential(decay).ok_or(FitError::Parameters),
                Forecast::Fitted(model) => model.fit(&changes).map(|fit| fit.parameters),
            };
            let filter = filter.and_then(|parameters| parameters.filter_with(&changes, &mut tell));
            filters.push(filter.map_err(|error| ValueAtRiskError::Forecast(*factor, error))?);
        }
        Ok(Self { history: history.clone(), filters: Some(filters), rows })
    }

    fn column(&self, factor: usize) -> impl Iterator<Item = f64> + '_ {
        self.rows.iter().skip(factor).step_by(self.history.factors().len()).copied()
    }

    /// The same of rows that are drawn from these.
    fn drawn(&self, forecast: Option<Forecast>, drawn: &[usize]) -> Result<Self, ValueAtRiskError> {
        let width = self.history.factors().len();
        let rows: Vec<f64> = drawn.iter().flat_map(|row| &self.rows[row * width..][..width]).copied().collect();
        let mut again = Self { rows, ..self.clone() };
        let Self { filters, rows, .. } = &mut again;
        let (Some(forecast), Some(filters)) = (forecast, filters) else {
            let mut history = History::new(self.history.step(), self.history.factors().to_vec())?;
            again.rows.chunks_exact(width).try_for_each(|row| history.push(row))?;
            return Ok(Self { history, ..again });
        };
        for (at, (filter, factor)) in filters.iter_mut().zip(self.history.factors()).enumerate() {
            let surprises = rows.iter().skip(at).step_by(width).copied();
            *filter = match forecast {
                Forecast::Exponential(_) => {
                    let size = sqrt(self.column(at).map(|value| value * value).sum::<f64>() / drawn.len() as f64);
                    steady(*filter, surprises, size)
                }
                Forecast::Fitted(model) => {
                    let own: Vec<f64> = self.history.column(at).collect();
                    let changes = rebuilt(filter.parameters(), (&own, self.column(at)), surprises);
                    let found = model.fit(&changes).and_then(|fit| fit.parameters.filter(&own));
                    found.map_err(|error| ValueAtRiskError::Forecast(*factor, error))?
                }
            };
        }
        Ok(again)
    }
}

/// What exponential weights tell where the volatility was that of now all the time, and surprises these, of such a size.
fn steady(mut filter: Filter, surprises: impl Iterator<Item = f64>, size: f64) -> Filter {
    let now = sqrt(filter.variance());
    surprises.for_each(|surprise| {
        filter.push(now * surprise / size);
    });
    filter
}

/// Returns of a model that has these surprises, from its long-run variance on.
///
/// Where the history is shorter than the model's memory, 1 ÷ (1 − persistence), it tells no such variance, and with Student's surprises a
/// path that is made anew may reach any size: there every change keeps the volatility that it came with (Cavaliere, Pedersen and
/// Rahbek, "The Fixed Volatility Bootstrap for a Class of ARCH(q) Models", Journal of Time Series Analysis 39, 2018).
fn rebuilt(
    parameters: &Parameters,
    (own, told): (&[f64], impl Iterator<Item = f64>),
    surprises: impl Iterator<Item = f64>,
) -> Vec<f64> {
    let mean = parameters.mean;
    let remembers = (1.0 - parameters.persistence()) * own.len() as f64 >= 1.0;
    let Some(start) = parameters.long_run_variance().filter(|_| remembers) else {
        let mut size = 0.0;
        let sizes = own.iter().zip(told).map(|(change, surprise)| {
            // A change that was the mean itself tells nothing of its volatility.
            size = if surprise == 0.0 { size } else { (change - mean) / surprise };
            size
        });
        return sizes.zip(surprises).map(|(size, surprise)| mean + size * surprise).collect();
    };
    let Some(mut filter) = Filter::starting_at(*parameters, start) else { return Vec::new() };
    surprises
        .map(|surprise| {
            let change = mean + sqrt(filter.variance()) * surprise;
            filter.push(change);
            change
        })
        .collect()
}

/// Histories that are drawn from one in blocks (the stationary bootstrap of Politis and Romano, the length by Politis and White's rule, the
/// longest of all factors): figures of them lie as far apart as those of the one history may lie from the truth.
///
/// What is drawn is what a method takes for independent of the volatility: changes where nothing is forecast, else surprises, all factors
/// of a moment together. With exponential weights, which estimate nothing but the volatility of now, the market is taken to have had that
/// all the time. A GARCH model's returns are rebuilt of the surprises, its parameters fitted to them anew, and the volatility of now
/// forecast from the changes as they came (Pascual, Romo and Ruiz, "Bootstrap Prediction for Returns and Volatilities in GARCH Models",
/// Computational Statistics and Data Analysis 50, 2006).
#[derive(Debug, Clone)]
pub struct Again {
    seen: Seen,
    forecast: Option<Forecast>,
    tails: Tails,
    block: f64,
    seed: u64,
}

impl Again {
    /// Histories like this one. `tails` are those of laws that are asked for.
    ///
    /// # Errors
    ///
    /// What [`Law::of`] and [`Moves::filtered`] refuse of a history.
    pub fn of(
        history: &History,
        forecast: Option<Forecast>,
        tails: Tails,
        seed: u64,
    ) -> Result<Self, ValueAtRiskError> {
        let seen = Law::sees(history, forecast, tails)?;
        let block = (0..history.factors().len()).map(|at| {
            let column: Vec<f64> = seen.column(at).collect();
            Dependence::of_returns(&column).map_or(1.0, |dependence| dependence.block)
        });
        let block = block.fold(1.0, f64::max);
        Ok(Self { seen, forecast, tails, block, seed })
    }

    /// The mean length of a block, in changes.
    #[must_use]
    pub fn block(&self) -> f64 {
        self.block
    }

    /// What is seen of history number `which`.
    fn seen(&self, which: u64) -> Result<Seen, ValueAtRiskError> {
        let count = self.seen.history.len();
        let (none, mut drawn) = (vec![0.0; count], Vec::with_capacity(count));
        let draws = Bootstrap::new(&none, self.block, count, self.seed);
        // Blocks are at most a third of a history of thirty changes or more.
        draws.map_err(|_| ValueAtRiskError::TooLittle { count, fewest: 2 * count })?.draw(which, |row| drawn.push(row));
        self.seen.drawn(self.forecast, &drawn)
    }

    /// The law of history number `which`, as [`Law::of`].
    ///
    /// # Errors
    ///
    /// A history that happens to be singular, or that no model can be fitted to.
    pub fn law(&self, which: u64, steps: u32) -> Result<Law, ValueAtRiskError> {
        Law::seen(&self.seen(which)?, self.tails, steps)
    }

    /// The moves of history number `which`, as [`Moves::historical`] or [`Moves::filtered`].
    ///
    /// # Errors
    ///
    /// As [`Self::law`].
    pub fn moves(&self, which: u64, horizon: Duration, paths: Paths) -> Result<Moves, ValueAtRiskError> {
        Moves::seen(&self.seen(which)?, horizon, paths)
    }
}
