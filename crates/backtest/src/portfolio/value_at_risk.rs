//! Value at risk and expected shortfall of a portfolio, and whose they are.

use super::book::{Book, Whole};
use super::history::{MarketHistory, Vols};
use super::margin::as_text;
use super::market::{On, Smiles};
use super::shape::Wrong;
use crate::Error;
use crate::parallel::{Share, parallel};
use market::Currency;
use pricing::options::Simd;
use risk::delta_gamma::DeltaGamma;
use risk::scenario::Portfolio;
use risk::value_at_risk::{
    self, Again, Alone, ByGreeks, Dynamics, Factor, Figures, Forecast, HOLE, Law, MODEL_ENOUGH, Moves, Paths, Profits,
    Tails, ValueAtRiskError,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use units::math::sqrt;
use units::show;
use units::{Duration, Timestamp};

/// What is left of a weight a step later where nothing else is said.
const DECAY: f64 = 0.94;
/// Scenarios that a thread prices at a time.
const PIECE: usize = 512;
/// Bars of the distribution.
const BARS: usize = 80;
/// What the outermost bars hold on each side, as a share of the scenarios.
const BEYOND: f64 = 0.001;
/// Fewer scenarios beyond value at risk are named.
const FEW: f64 = 5.0;
/// Histories that are drawn again for the error of the history, and how many of them must have figures.
const AGAIN: u64 = 100;
const AGAIN_FEWEST: usize = 50;
/// Probability of less than one deviation under the mean of a normal law.
const BELOW_ONE_DEVIATION: f64 = 0.158_655;
/// Paths under each of them, and scenarios beyond value at risk if that takes more.
const AGAIN_PATHS: usize = 2_000;
const AGAIN_BEYOND: f64 = 20.0;
/// A figure under this share of what its parts are worth to it is what rounding left of nothing.
const NEAR_NOTHING: f64 = 1e-6;
/// What rows of no strategy are called.
const NO_STRATEGY: &str = "(none)";

/// Where scenarios come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RiskMethod {
    /// What happened.
    Historical,
    /// What happened, at the volatility of now.
    Filtered,
    /// Drawn from a law.
    MonteCarlo,
    /// By Greeks.
    DeltaGamma,
}

impl RiskMethod {
    fn name(self) -> &'static str {
        match self {
            Self::Historical => "historical",
            Self::Filtered => "filtered",
            Self::MonteCarlo => "montecarlo",
            Self::DeltaGamma => "delta-gamma",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskRequest {
    /// Where scenarios come from.
    pub method: RiskMethod,
    /// Such as 0.99.
    pub confidence: f64,
    /// How far ahead.
    pub horizon: Duration,
    /// Paths that are drawn, where any are.
    pub scenarios: usize,
    /// Of what is drawn.
    pub seed: u64,
    /// Forecasts of variances; `None`: those of the history as a whole. Filtered histories need one.
    pub forecast: Option<Forecast>,
    /// Tails of what is drawn from a law.
    pub tails: Tails,
    /// How volatilities follow.
    pub dynamics: Dynamics,
    /// Threads; no number depends on it.
    pub threads: usize,
}

/// What changes, as the history has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FactorView {
    /// `BTC`, `volatility of BTC`.
    pub name: String,
    /// Of what the numbers are.
    pub source: String,
    /// Deviation of ln(after ÷ before) over the horizon, by the scenarios; of a skew that of after − before.
    pub deviation: f64,
    /// `share`, or of a skew `volatility per ln strike`.
    pub unit: &'static str,
}

/// The history that scenarios are made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryView {
    /// First and last row.
    #[serde(serialize_with = "as_text")]
    pub from: Timestamp,
    /// See `from`.
    #[serde(serialize_with = "as_text")]
    pub to: Timestamp,
    /// Days between two rows.
    pub step_days: f64,
    /// Changes that are used.
    pub changes: usize,
    /// Steps that are left out, because something was not told at an end of them.
    pub left_out: usize,
    /// Where rows lie: `told`, whole steps before the last moment told; `utc`, at whole steps of UTC midnight.
    pub rows: &'static str,
    /// What changes.
    pub factors: Vec<FactorView>,
}

/// What a part of the portfolio adds. In dollars; a figure under zero lessens the whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartView {
    /// The account of a holding.
    pub account: Option<String>,
    /// The strategy of a holding, where its row names one.
    pub strategy: Option<String>,
    /// The holding, coin, strategy or account.
    pub name: String,
    /// Signed; of a holding.
    pub quantity: Option<f64>,
    /// Share of value at risk; those of all add up to the whole. `None`: the whole is nothing beside what its parts are worth to it.
    pub value_at_risk: Option<f64>,
    /// Share of expected shortfall, likewise.
    pub expected_shortfall: Option<f64>,
    /// What one more unit of a holding would add to value at risk.
    pub marginal_value_at_risk: Option<f64>,
    /// The same to expected shortfall.
    pub marginal_expected_shortfall: Option<f64>,
    /// What value at risk would be less without it.
    pub incremental_value_at_risk: f64,
    /// What expected shortfall would be less without it.
    pub incremental_expected_shortfall: f64,
}

/// A bar of the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BarView {
    /// Profits from here.
    pub from: f64,
    /// To here.
    pub to: f64,
    /// Share of the scenarios, or probability.
    pub share: f64,
}

/// What may be lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RiskView {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// What all is worth, in dollars.
    pub value: f64,
    /// `historical`, `filtered`, `montecarlo`, `delta-gamma`.
    pub method: String,
    /// What that is, in words.
    pub method_text: String,
    /// What value at risk and expected shortfall are, in words.
    pub quantile_text: String,
    /// Such as 0.99.
    pub confidence: f64,
    /// How far ahead, in days.
    pub horizon_days: f64,
    /// Scenarios; `None`: none are drawn.
    pub scenarios: Option<usize>,
    /// Of what was drawn.
    pub seed: Option<u64>,
    /// Degrees of freedom of Student's law that was drawn from.
    pub degrees: Option<f64>,
    /// Correlation of the factors, in their order; of methods that use a law.
    pub correlation: Option<Vec<Vec<f64>>>,
    /// The history.
    pub history: HistoryView,
    /// The loss that is not exceeded with the confidence, in dollars.
    pub value_at_risk: f64,
    /// Its standard error, of the number of paths that are drawn alone; `None`: none are.
    pub value_at_risk_error: Option<f64>,
    /// Its standard error, of the history that it is told by; `None`: too few histories could be drawn again.
    pub value_at_risk_history_error: Option<f64>,
    /// The mean of the losses beyond.
    pub expected_shortfall: f64,
    /// Its standard error, of the paths.
    pub expected_shortfall_error: Option<f64>,
    /// Its standard error, of the history.
    pub expected_shortfall_history_error: Option<f64>,
    /// What the time to the horizon brings if nothing moves.
    pub time_alone: f64,
    /// By holding, in the order of the file, balances behind positions.
    pub holdings: Vec<PartView>,
    /// By underlying.
    pub underlyings: Vec<PartView>,
    /// By strategy, where positions name one.
    pub strategies: Vec<PartView>,
    /// By account, where there is more than one.
    pub accounts: Vec<PartView>,
    /// Profits, from the least to the most; the outermost bars hold what lies beyond.
    pub distribution: Vec<BarView>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// What of a holding may tell it from others.
type Apart<'a> = dyn Fn(&PartView) -> String + 'a;

impl RiskView {
    /// What each holding is called beside the others: its contract, and of several on one what tells them apart, venue, account, strategy
    /// or quantity.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let parted = |part: &PartView| {
            let (venue, symbol) = part.name.split_once(':').unwrap_or(("", &part.name));
            (venue.to_owned(), symbol.to_owned())
        };
        let mut labels: Vec<String> = self.holdings.iter().map(|part| parted(part).1).collect();
        let stages: [(&str, &Apart<'_>); 4] = [
            (" at ", &|part| parted(part).0),
            (" in ", &|part| part.account.clone().unwrap_or_default()),
            (" for ", &|part| part.strategy.clone().unwrap_or_else(|| NO_STRATEGY.to_owned())),
            (" of ", &|part| part.quantity.map_or_else(String::new, |quantity| format!("{quantity}"))),
        ];
        for (word, of) in stages {
            let mut alike: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (at, label) in labels.iter().enumerate() {
                alike.entry(label).or_default().push(at);
            }
            let groups: Vec<Vec<usize>> = alike.into_values().filter(|group| group.len() > 1).collect();
            for group in groups {
                let more: Vec<String> = group.iter().map(|at| of(&self.holdings[*at])).collect();
                if more.iter().any(|one| *one != more[0]) {
                    group.iter().zip(&more).for_each(|(at, more)| labels[*at] += &format!("{word}{more}"));
                }
            }
        }
        labels
    }
}

/// A holding as figures name it.
#[derive(Debug, Clone)]
struct Line {
    account: String,
    name: String,
    underlying: Currency,
    strategy: Option<String>,
    quantity: f64,
    is_option: bool,
    /// The smile of the option's expiry.
    smile: Option<On>,
}

/// A portfolio ready to be moved.
#[derive(Debug, Clone)]
pub struct Held {
    time: Timestamp,
    value: f64,
    lines: Vec<Line>,
    portfolios: Vec<Portfolio>,
    smiles: Smiles,
}

impl Held {
    /// Of a portfolio with its market.
    ///
    /// # Errors
    ///
    /// Everything that cannot be moved or priced, by the row of the file; nothing that is held.
    pub fn new(book: &Book, max_age: Option<Duration>) -> Result<Self, Vec<Wrong>> {
        let (mut lines, mut portfolios, mut wrong) = (Vec::new(), Vec::new(), Vec::<Wrong>::new());
        for whole in &book.wholes(max_age) {
            match super::stress::scenarios_of(book, whole) {
                Ok(portfolio) => {
                    lines.extend(lines_of(book, whole));
                    portfolios.push(portfolio);
                }
                Err(error) => wrong.extend(error),
            }
        }
        if wrong.is_empty() && lines.is_empty() {
            wrong.push(Wrong::new(
                "positions",
                "nothing is held, so nothing can be lost",
                "add what is held: rows of `positions`, or `balances` of an account",
            ));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut value = 0.0;
        for portfolio in &portfolios {
            let (mut revaluation, mut outcomes) = (risk::scenario::Revaluation::new(Simd::best()), Default::default());
            revaluation
                .run(portfolio, &[], &mut outcomes)
                .map_err(|error| vec![Wrong::new("", error, "correct the row")])?;
            value += outcomes.value();
        }
        let held = Self { time: book.time(), value, lines, portfolios, smiles: book.smiles().clone() };
        if held.book(Dynamics::default()).coins().is_empty() {
            return Err(vec![Wrong::new(
                "positions",
                "nothing that is held depends on the price of a coin: dollars have no risk that a history tells",
                "add positions, or balances of coins",
            )]);
        }
        Ok(held)
    }

    /// Coins that its value depends on, and on which of their volatilities.
    #[must_use]
    pub fn coins(&self) -> Vec<(Currency, Vols)> {
        let book = self.book(Dynamics::default());
        let (options, short) = (book.still(&[]), book.short());
        let vols = |coin: &Currency| match (options.contains(coin), short.contains(coin)) {
            (false, _) => Vols::None,
            (true, false) => Vols::Month,
            (true, true) => Vols::Short,
        };
        book.coins().iter().map(|coin| (*coin, vols(coin))).collect()
    }

    fn book(&self, dynamics: Dynamics) -> value_at_risk::Book {
        value_at_risk::Book::new(&self.portfolios, dynamics, Simd::best())
    }

    /// Volatilities of an option's smile in place of log-moneyness; where no smile is known it is flat, so that nothing follows.
    fn smile(&self, line: usize, places: &mut [f64]) {
        if !self.lines[line].smile.is_some_and(|on| self.smiles.vols(on, places)) {
            places.fill(0.0);
        }
    }
}

fn lines_of<'a>(book: &'a Book, whole: &'a Whole) -> impl Iterator<Item = Line> + 'a {
    let held = &whole.portfolio;
    let aside = held.positions.iter().filter(|position| position.isolated.is_some()).count();
    (0..held.positions.len() + held.balances.len() + aside).map(move |line| {
        let position = held.positions.get(line);
        let balance = held.balances.get(line.wrapping_sub(held.positions.len()));
        let quantity = match (position, balance) {
            (Some(position), _) => position.quantity.approximate(),
            (None, balance) => balance.map_or(0.0, |balance| balance.amount.approximate()),
        };
        let instrument = position.map(|position| &position.instrument);
        let strike = instrument.and_then(|instrument| instrument.kind.option()).map(|(strike, _)| strike.approximate());
        let smile = instrument.filter(|_| strike.is_some()).and_then(|of| book.smiles().on(&of.symbol));
        Line {
            account: whole.account.clone(),
            name: super::stress::holding(whole, line),
            underlying: instrument.map_or_else(
                || balance.map_or(Currency::USD, |balance| balance.currency),
                |instrument| instrument.base,
            ),
            strategy: whole.rows.position(line).and_then(|row| book.strategy(row)).map(str::to_owned),
            quantity,
            is_option: strike.is_some(),
            smile,
        }
    })
}

/// Where the figures come from.
enum Made {
    Drawn(Moves, Profits),
    ByGreeks(Law, ByGreeks, DeltaGamma),
}

/// Value at risk, expected shortfall and what each part adds. `progress` answers whether to go on.
///
/// # Errors
///
/// What the history or the request does not allow, each with the remedy; a request to stop.
pub fn risk(
    held: &Held,
    market: &MarketHistory,
    asked: &RiskRequest,
    progress: &mut dyn FnMut(Share) -> ControlFlow<()>,
) -> Result<RiskView, Error> {
    if !(asked.confidence > 0.0 && asked.confidence < 1.0) {
        return Err(ValueAtRiskError::Tail(risk::tail::TailError::Confidence(asked.confidence)).into());
    }
    let history = &market.history;
    let steps = history.steps(asked.horizon)?;
    let paths = Paths { count: asked.scenarios, seed: asked.seed };
    let mut book = held.book(asked.dynamics);
    let each: Vec<usize> = (0..held.lines.len()).collect();
    let smile = |line: usize, places: &mut [f64]| held.smile(line, places);
    // Of normal moves the deviation is the history's own, not that of a law with tails.
    let tails = if asked.method == RiskMethod::DeltaGamma { Tails::Normal } else { asked.tails };
    let law = || Law::of(history, asked.forecast, tails, steps);
    if let (RiskMethod::DeltaGamma, Some((line, expiry))) = (asked.method, book.expires_within(asked.horizon)) {
        let named = |line: &Line| format!("`{}`", line.name);
        let name = held.lines.get(line).map_or_else(String::new, named);
        return Err(ValueAtRiskError::Expires { name, expiry }.into());
    }
    let still = Moves::given(history.factors(), asked.horizon, vec![0.0; history.factors().len()])?;
    let time_alone = book.profits_on(&still, 0..1, &[], smile)?.totals()[0];
    let (moves, drawn_of) = match asked.method {
        RiskMethod::Historical => (Some(Moves::historical(history, asked.horizon, paths)?), None),
        RiskMethod::Filtered => {
            let forecast = asked.forecast.unwrap_or(Forecast::Exponential(DECAY));
            (Some(Moves::filtered(history, asked.horizon, forecast, paths)?), None)
        }
        RiskMethod::MonteCarlo => {
            let law = law()?;
            (Some(Moves::monte_carlo(&law, asked.horizon, paths)?), Some(law))
        }
        RiskMethod::DeltaGamma => (None, Some(law()?)),
    };
    let made = match (moves, &drawn_of) {
        (Some(moves), _) => {
            // What cannot be told is told before the work, not after it.
            risk::tail::Tail::of(&vec![0.0; moves.len()], asked.confidence).map_err(ValueAtRiskError::from)?;
            let pieces = moves.len().div_ceil(PIECE);
            let found = parallel(pieces, asked.threads, progress, |piece, _| {
                let range = piece * PIECE..moves.len().min((piece + 1) * PIECE);
                Ok(book.clone().profits_on(&moves, range, &each, smile))
            })?;
            let profits = Profits::joined(found.into_iter().collect::<Result<Vec<_>, _>>()?);
            Made::Drawn(moves, profits)
        }
        (None, law) => {
            let law = law.clone().ok_or(ValueAtRiskError::NoScenarios)?;
            let greeks = ByGreeks::on(&mut book, history.factors(), asked.horizon, &each, smile)?;
            let distribution = greeks.distribution(&law)?;
            Made::ByGreeks(law, greeks, distribution)
        }
    };
    let again = again(held, &book, history, asked, (tails, steps), &made, progress)?;
    let figures = |into: &[usize]| match &made {
        Made::Drawn(_, profits) => profits.regrouped(into).figures(asked.confidence),
        Made::ByGreeks(law, greeks, _) => greeks.regrouped(into).figures(law, asked.confidence),
    };
    let all = figures(&each)?;
    let told = HasShares::of(&all);
    let named = |name: fn(&Line) -> &str| -> Result<Vec<PartView>, ValueAtRiskError> {
        let mut names: Vec<&str> = held.lines.iter().map(name).collect();
        names.sort_unstable();
        names.dedup();
        let into: Vec<usize> = held.lines.iter().filter_map(|line| names.binary_search(&name(line)).ok()).collect();
        let figures = figures(&into)?;
        Ok(names.iter().zip(&figures.shares).map(|(name, share)| PartView::new(name, None, share, told)).collect())
    };
    let holdings = held.lines.iter().zip(&all.shares);
    let holdings = holdings
        .map(|(line, share)| {
            let (account, strategy) = (Some(line.account.clone()), line.strategy.clone());
            PartView { account, strategy, ..PartView::new(&line.name, Some(line.quantity), share, told) }
        })
        .collect();
    // Where each change of the history is taken once, nothing is.
    let is_drawn = matches!(made, Made::Drawn(..)) && (steps > 1 || asked.method == RiskMethod::MonteCarlo);
    let has_strategies = held.lines.iter().any(|line| line.strategy.is_some());
    Ok(RiskView {
        time: held.time,
        value: held.value,
        method: asked.method.name().to_owned(),
        method_text: method_text(asked, history.len(), steps),
        quantile_text: quantile_text(&made, asked.confidence, is_drawn, &again),
        confidence: asked.confidence,
        horizon_days: asked.horizon.days(),
        scenarios: match &made {
            Made::Drawn(moves, _) => Some(moves.len()),
            Made::ByGreeks(..) => None,
        },
        seed: is_drawn.then_some(asked.seed),
        degrees: drawn_of.as_ref().filter(|_| asked.method == RiskMethod::MonteCarlo).and_then(Law::degrees),
        correlation: drawn_of
            .as_ref()
            .map(|law| law.correlation().chunks_exact(law.factors().len()).map(<[f64]>::to_vec).collect()),
        history: history_view(market, &made, asked.horizon)?,
        value_at_risk: all.value_at_risk,
        value_at_risk_error: all.value_at_risk_error.filter(|_| is_drawn),
        value_at_risk_history_error: again.error(|tail| tail.0),
        expected_shortfall: all.expected_shortfall,
        expected_shortfall_error: all.expected_shortfall_error.filter(|_| is_drawn),
        expected_shortfall_history_error: again.error(|tail| tail.1),
        time_alone,
        holdings,
        underlyings: named(|line| line.underlying.as_str())?,
        strategies: if has_strategies {
            named(|line| line.strategy.as_deref().unwrap_or(NO_STRATEGY))?
        } else {
            Vec::new()
        },
        accounts: if held.portfolios.len() > 1 { named(|line| &line.account)? } else { Vec::new() },
        distribution: distribution(&made, &all),
        notes: notes(held, &book, market, asked, &made),
    })
}

/// Figures under histories that are drawn again from the one.
struct Told {
    /// Value at risk and expected shortfall.
    tails: Vec<(f64, f64)>,
    /// Mean length of their blocks, in changes.
    block: f64,
    /// Each has a model of its own, fitted to it.
    is_fitted: bool,
}

impl Told {
    /// How far a figure of them lies from its mean, on average. Where a model was fitted to each, half of what the middle 68 % span,
    /// which is the same of a normal law: one fit in many ends anywhere.
    fn error(&self, of: impl Fn(&(f64, f64)) -> f64) -> Option<f64> {
        if self.is_fitted && self.tails.len() >= AGAIN_FEWEST {
            let mut figures: Vec<f64> = self.tails.iter().map(&of).collect();
            figures.sort_by(f64::total_cmp);
            let at = |share: f64| figures[(share * (figures.len() - 1) as f64).round() as usize];
            return Some((at(1.0 - BELOW_ONE_DEVIATION) - at(BELOW_ONE_DEVIATION)) / 2.0);
        }
        let count = self.tails.len() as f64;
        let mean = self.tails.iter().map(&of).sum::<f64>() / count;
        let squares: f64 = self.tails.iter().map(|tail| (of(tail) - mean) * (of(tail) - mean)).sum();
        (self.tails.len() >= AGAIN_FEWEST).then(|| sqrt(squares / (count - 1.0)))
    }
}

/// The method again, under histories that could have come as well. Paths are drawn by the same numbers for each of them, so that what
/// differs is the history.
fn again(
    held: &Held,
    book: &value_at_risk::Book,
    history: &value_at_risk::History,
    asked: &RiskRequest,
    (tails, steps): (Tails, u32),
    made: &Made,
    progress: &mut dyn FnMut(Share) -> ControlFlow<()>,
) -> Result<Told, Error> {
    let is_law = matches!(asked.method, RiskMethod::MonteCarlo | RiskMethod::DeltaGamma);
    let (forecast, tails) = match asked.method {
        RiskMethod::Historical => (None, Tails::Normal),
        RiskMethod::Filtered => (Some(asked.forecast.unwrap_or(Forecast::Exponential(DECAY))), Tails::Normal),
        RiskMethod::MonteCarlo | RiskMethod::DeltaGamma => (asked.forecast, tails),
    };
    let is_fitted = matches!(forecast, Some(Forecast::Fitted(_)));
    // Other numbers than those of the paths.
    let again = Again::of(history, forecast, tails, !asked.seed)?;
    let fewest = (AGAIN_BEYOND / (1.0 - asked.confidence)) as usize;
    let paths = Paths { count: asked.scenarios.min(AGAIN_PATHS.max(fewest)), seed: asked.seed };
    let one = |which: usize| -> Result<(f64, f64), ValueAtRiskError> {
        let which = which as u64;
        if let Made::ByGreeks(_, greeks, _) = made {
            let tail = greeks.distribution(&again.law(which, steps)?)?.tail(asked.confidence)?;
            return Ok((tail.value_at_risk, tail.expected_shortfall));
        }
        let moves = if is_law {
            Moves::monte_carlo(&again.law(which, steps)?, asked.horizon, paths)?
        } else {
            again.moves(which, asked.horizon, paths)?
        };
        let smile = |line: usize, places: &mut [f64]| held.smile(line, places);
        let profits = book.clone().profits_on(&moves, 0..moves.len(), &[], smile)?;
        let tail = risk::tail::Tail::of(profits.totals(), asked.confidence)?;
        Ok((tail.value_at_risk(), tail.expected_shortfall()))
    };
    let found = parallel(AGAIN as usize, asked.threads, progress, |which, _| Ok(one(which)))?;
    // A history that happens to be singular, or that no model fits, says nothing.
    Ok(Told { tails: found.into_iter().filter_map(Result::ok).collect(), block: again.block(), is_fitted })
}

/// Which figures have shares: of a whole that is nothing beside what its parts would lose alone, which scenario is the one, and so whose
/// loss it is, is decided by rounding.
#[derive(Debug, Clone, Copy)]
struct HasShares {
    value_at_risk: bool,
    expected_shortfall: bool,
}

impl HasShares {
    fn of(all: &Figures) -> Self {
        let told = |whole: f64, less: fn(&value_at_risk::Share) -> f64| {
            let parts: f64 = all.shares.iter().map(|share| less(share).abs()).sum();
            parts == 0.0 || whole.abs() > parts * NEAR_NOTHING
        };
        Self {
            value_at_risk: told(all.value_at_risk, |share| share.incremental_value_at_risk),
            expected_shortfall: told(all.expected_shortfall, |share| share.incremental_expected_shortfall),
        }
    }
}

impl PartView {
    fn new(name: &str, quantity: Option<f64>, share: &value_at_risk::Share, told: HasShares) -> Self {
        // A part of nothing is no negative zero, nor is one of nothing by nothing.
        let by_unit =
            |figure: f64| quantity.filter(|quantity| *quantity != 0.0).map(|quantity| figure / quantity + 0.0);
        let value_at_risk = Some(share.value_at_risk + 0.0).filter(|_| told.value_at_risk);
        let expected_shortfall = Some(share.expected_shortfall + 0.0).filter(|_| told.expected_shortfall);
        Self {
            account: None,
            strategy: None,
            name: name.to_owned(),
            quantity,
            value_at_risk,
            expected_shortfall,
            marginal_value_at_risk: value_at_risk.and_then(by_unit),
            marginal_expected_shortfall: expected_shortfall.and_then(by_unit),
            incremental_value_at_risk: share.incremental_value_at_risk + 0.0,
            incremental_expected_shortfall: share.incremental_expected_shortfall + 0.0,
        }
    }
}

fn forecast_text(forecast: Option<Forecast>) -> String {
    match forecast {
        None => "of the history as a whole".to_owned(),
        Some(Forecast::Exponential(decay)) => format!("by exponential weights, {decay}"),
        Some(Forecast::Fitted(model)) => {
            let kind = if model.asymmetric { "GJR" } else { "GARCH(1,1)" };
            let law = match model.innovations {
                pricing::garch::Innovations::Normal => "normal",
                pricing::garch::Innovations::Student => "Student",
            };
            format!("by {kind}, {law}")
        }
    }
}

fn method_text(asked: &RiskRequest, changes: usize, steps: u32) -> String {
    let paths =
        if steps == 1 { "each once".to_owned() } else { format!("in paths of {steps} steps that are drawn from them") };
    let forecast = forecast_text(asked.forecast);
    match asked.method {
        RiskMethod::Historical => format!("full revaluation under {changes} changes of the history, {paths}"),
        RiskMethod::Filtered => {
            format!(
                "full revaluation under {changes} changes of the history at the volatility of now ({forecast}), {paths}"
            )
        }
        RiskMethod::MonteCarlo => {
            let tails = match asked.tails {
                Tails::Normal => "normal tails",
                Tails::Student(_) => "Student's tails",
                Tails::Fitted => "tails as fat as the history's",
            };
            format!("full revaluation under draws with the history's correlation, deviations {forecast}, {tails}")
        }
        RiskMethod::DeltaGamma => format!(
            "delta, vega, gamma, vanna and volga at the horizon, under normal moves with the history's correlation, deviations \
             {forecast}; quantile by inversion of the characteristic function"
        ),
    }
}

fn quantile_text(made: &Made, confidence: f64, is_drawn: bool, again: &Told) -> String {
    // Without what multiplying leaves behind the last digit.
    let rounded = |value: f64| (value * 1e9).round() / 1e9;
    let (percent, rest) = (rounded(confidence * 100.0), rounded(100.0 - confidence * 100.0));
    let what = match made {
        Made::Drawn(moves, _) => format!(
            "value at risk: the smallest of {} losses that at least {percent} % of them do not exceed; expected shortfall: the mean \
             of the worst {rest} %, the last in part",
            moves.len()
        ),
        Made::ByGreeks(..) => format!(
            "value at risk: the loss that is not exceeded with the probability {percent} %; expected shortfall: the mean loss beyond"
        ),
    };
    let drawing = if is_drawn { "of so many independent paths" } else { "none, for nothing is drawn" };
    let history = match again.tails.len() {
        count if count < AGAIN_FEWEST => {
            "not known: too few histories that are drawn again from this one have figures".to_owned()
        }
        count => format!(
            "how far the figures of {count} histories lie apart that are drawn again from this one in blocks of {} changes on average",
            show::number(again.block, 1, show::Style::Terminal)
        ),
    };
    format!("{what}. Standard error of drawing: {drawing}; of the history: {history}")
}

fn history_view(market: &MarketHistory, made: &Made, horizon: Duration) -> Result<HistoryView, ValueAtRiskError> {
    let factors = market.history.factors();
    let deviations: Vec<f64> = match made {
        Made::Drawn(moves, _) => (0..factors.len())
            .map(|at| {
                let squares: f64 =
                    (0..moves.len()).map(|scenario| moves.of(scenario)[at] * moves.of(scenario)[at]).sum();
                sqrt(squares / moves.len() as f64)
            })
            .collect(),
        Made::ByGreeks(law, ..) => {
            let covariance = law.covariance(horizon)?;
            (0..factors.len()).map(|at| sqrt(covariance[at * factors.len() + at])).collect()
        }
    };
    let view = |((factor, source), deviation): ((&Factor, &String), f64)| FactorView {
        name: factor.to_string(),
        source: source.clone(),
        deviation,
        unit: if factor.is_difference() { "volatility per ln strike" } else { "share" },
    };
    Ok(HistoryView {
        from: market.from,
        to: market.to,
        step_days: market.history.step().days(),
        changes: market.history.len(),
        left_out: market.left_out,
        rows: if market.is_on_grid { "utc" } else { "told" },
        factors: factors.iter().zip(&market.sources).zip(deviations).map(view).collect(),
    })
}

/// Even bars from a thousandth of the profits to all but one, and to what is told anyway.
fn distribution(made: &Made, all: &Figures) -> Vec<BarView> {
    let reach = |low: f64, high: f64| (low.min(-1.1 * all.expected_shortfall), high.max(-all.value_at_risk));
    let bars = |(low, high): (f64, f64), share: &dyn Fn(f64, f64) -> f64| -> Vec<BarView> {
        let width = (high - low) / BARS as f64;
        (0..BARS)
            .map(|at| {
                let (from, to) = (low + width * at as f64, low + width * (at + 1) as f64);
                // The outermost hold what lies beyond.
                let below = if at == 0 { f64::NEG_INFINITY } else { from };
                let above = if at + 1 == BARS { f64::INFINITY } else { to };
                BarView { from, to, share: share(below, above) }
            })
            .collect()
    };
    match made {
        Made::Drawn(_, profits) => {
            let mut sorted = profits.totals().to_vec();
            sorted.sort_by(f64::total_cmp);
            let last = sorted.len() - 1;
            let beyond = ((sorted.len() as f64 * BEYOND) as usize).min(last / 2);
            let (low, high) = reach(sorted[beyond], sorted[last - beyond]);
            if high <= low {
                return Vec::new();
            }
            let under = |profit: f64| sorted.partition_point(|value| *value < profit) as f64;
            bars((low, high), &|from, to| (under(to) - under(from)) / sorted.len() as f64)
        }
        Made::ByGreeks(_, _, distribution) => {
            let quantile = |probability| distribution.quantile(probability).unwrap_or_default();
            let (low, high) = reach(quantile(BEYOND), quantile(1.0 - BEYOND));
            if high <= low {
                return Vec::new();
            }
            let under = |profit: f64| match profit {
                f64::NEG_INFINITY => 0.0,
                f64::INFINITY => 1.0,
                profit => distribution.probability_under(profit),
            };
            bars((low, high), &|from, to| (under(to) - under(from)).max(0.0))
        }
    }
}

/// Draws that figures by Greeks are compared with, at most, and how far apart they may be without a word.
const COMPARED: f64 = 10_000.0;
const APART: f64 = 0.1;

/// What full revaluation of draws from the same law tells, where that is far from what Greeks do: options near their ends bend in ways that
/// no quadratic function has.
fn by_full_revaluation(held: &Held, book: &value_at_risk::Book, asked: &RiskRequest, made: &Made) -> Option<String> {
    let Made::ByGreeks(law, _, distribution) = made else { return None };
    held.lines.iter().find(|line| line.is_option)?;
    let fewest = AGAIN_BEYOND / (1.0 - asked.confidence);
    if fewest > COMPARED {
        return None;
    }
    let paths = Paths { count: AGAIN_PATHS.max(fewest as usize), seed: asked.seed };
    let moves = Moves::monte_carlo(law, asked.horizon, paths).ok()?;
    let smile = |line: usize, places: &mut [f64]| held.smile(line, places);
    let profits = book.clone().profits_on(&moves, 0..moves.len(), &[], smile).ok()?;
    let full = profits.figures(asked.confidence).ok()?;
    let greeks = distribution.tail(asked.confidence).ok()?;
    let differs = |by: f64, is: f64, error: Option<f64>| {
        (by - is).abs() > (3.0 * error.unwrap_or_default()).max(APART * is.abs())
    };
    let is_off = differs(greeks.value_at_risk, full.value_at_risk, full.value_at_risk_error)
        || differs(greeks.expected_shortfall, full.expected_shortfall, full.expected_shortfall_error);
    let dollars = |value: f64| show::money_estimate(value, 2, show::Style::Terminal);
    is_off.then(|| {
        format!(
            "Greeks at the horizon are not this book: {} draws from the same normal law, priced in full, have value at risk {} and \
             expected shortfall {} USD; take `--method montecarlo`",
            moves.len(),
            dollars(full.value_at_risk),
            dollars(full.expected_shortfall)
        )
    })
}

/// A change beside which all others are nothing, and when it was.
fn told_alone(alone: Alone, market: &MarketHistory) -> String {
    let Alone { factor, row, change, times } = alone;
    let when = market.spans.get(row).map_or_else(String::new, |(from, to)| format!(" from {from} to {to}"));
    let what = if factor.is_difference() {
        format!("{change:+.3}")
    } else {
        format!("{} %", show::percent(units::math::exp(change) - 1.0, 2, show::Style::Terminal))
    };
    format!(
        "{factor} changes by {what}{when}, {} deviations of all others: if a price of the tape is wrong there, so are these figures",
        show::number(times, 0, show::Style::Terminal)
    )
}

fn notes(
    held: &Held,
    book: &value_at_risk::Book,
    market: &MarketHistory,
    asked: &RiskRequest,
    made: &Made,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Made::Drawn(moves, _) = made {
        let beyond = moves.len() as f64 * (1.0 - asked.confidence);
        if beyond < FEW {
            let is_drawn = asked.method == RiskMethod::MonteCarlo || asked.horizon > market.history.step();
            let remedy = if is_drawn {
                "draw more `--scenarios`, or ask for a lower confidence"
            } else {
                "take a longer history, a shorter step, or draw with `--method montecarlo`"
            };
            notes.push(format!(
                "fewer than {FEW} of the {} scenarios lie beyond, {}: the tail is a guess, and so are its errors; {remedy}",
                moves.len(),
                show::number(beyond, usize::from((beyond - beyond.round()).abs() > 0.05), show::Style::Terminal)
            ));
        }
    }
    let beyond = market.history.len() as f64 * (1.0 - asked.confidence);
    if beyond < 1.0 && matches!(asked.method, RiskMethod::MonteCarlo | RiskMethod::DeltaGamma) {
        notes.push(format!(
            "none of the {} changes of the history has to lie so far out: what is told there is the law's alone; take a longer history, or \
             ask for a lower confidence",
            market.history.len()
        ));
    }
    if let Some(behind) = market.history.behind_hole() {
        let (decay, of) = match (asked.method, asked.forecast.unwrap_or(Forecast::Exponential(DECAY))) {
            (RiskMethod::Historical, _) => (1.0, "the changes"),
            (_, Forecast::Exponential(decay)) if asked.forecast.is_some() || asked.method == RiskMethod::Filtered => {
                (decay, "the weight of the volatility of now")
            }
            _ => (1.0, "the changes that the model is fitted to"),
        };
        notes.push(format!(
            "the history has a hole of more than {HOLE} steps, {behind} changes ago: {} % of {of} lie before it",
            show::percent(market.history.weight_before_hole(decay), 0, show::Style::Terminal)
        ));
    }
    notes.extend(by_full_revaluation(held, book, asked, made));
    let told = market.to.since(market.from);
    if let Some(window) =
        market.window.filter(|window| window.nanos() >= told.nanos() + 2 * market.history.step().nanos())
    {
        notes.push(format!("the history is {told} long, not {window}: the tapes tell no more"));
    }
    let of_model = matches!(asked.forecast, Some(Forecast::Fitted(_)));
    if of_model && market.history.len() < MODEL_ENOUGH {
        notes.push(format!(
            "the model is fitted to {} changes, and {MODEL_ENOUGH} or more are what its weights ask for: its volatility of now is one of \
             the last few; put it beside `--volatility ewma`",
            market.history.len()
        ));
    }
    notes.extend(market.history.alone().map(|alone| told_alone(alone, market)));
    let still = book.still(market.history.factors());
    if !still.is_empty() {
        let names: Vec<&str> = still.iter().map(Currency::as_str).collect();
        notes.push(format!(
            "volatilities of {} stand still: the tapes tell no history of them; add a tape of option quotes",
            names.join(" and ")
        ));
    }
    if held.lines.iter().any(|line| line.smile.is_some()) {
        let Dynamics { short_power, long_power, sticky, .. } = asked.dynamics;
        let has_short = market.history.factors().iter().any(|factor| matches!(factor, Factor::ShortVol(_)));
        let how = if has_short {
            "two factors move the volatilities of a coin, at thirty days and at seven: tenors follow the first by"
        } else {
            "one factor moves all volatilities of a coin: tenors by"
        };
        let rest = if has_short {
            ", and under thirty days what the second moves beyond that, by √(30 days ÷ tenor) − 1"
        } else {
            ""
        };
        let has_skew = market.history.factors().iter().any(|factor| matches!(factor, Factor::Skew(_)));
        let skews = if has_skew {
            "skews move by a factor of their own, tenors by (30 days ÷ tenor)^0.6 under thirty days, ^1.2 from there on"
        } else {
            "no history of skews is told, so that they have no risk of their own"
        };
        notes.push(format!(
            "{how} (30 days ÷ tenor)^{short_power} under thirty days, ^{long_power} from there on{rest}; smiles stay by {sticky}; {skews}"
        ));
    }
    let rows = if market.is_on_grid {
        "rows of the history lie at whole steps of UTC midnight, as those of facts of a run do"
    } else {
        "rows of the history end with the last moment told; facts of a run have theirs at whole steps of UTC midnight (`--rows utc`)"
    };
    notes.push(rows.to_owned());
    if market.left_out > 0 {
        notes.push(format!(
            "{} steps of the history are left out: something was not told within a step of one of their ends",
            market.left_out
        ));
    }
    notes.push(
        "nothing has drift; funding on the way, trades and liquidations are not counted; moves are of the coin's price, a basis stays"
            .to_owned(),
    );
    notes
}
