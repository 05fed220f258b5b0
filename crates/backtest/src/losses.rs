//! What facts of value at risk told at each step of their history, and what the same positions, held still, had made by the horizon.

use crate::records::LossRow;
use crate::table::Name;
use engine::{Engine, LossForecast};
use market::{Currency, Fill, Forced};
use units::{AccountId, Cash, Duration, Price, Qty, Timestamp};

/// What was told and whose horizon is not over.
#[derive(Debug, Default)]
pub(crate) struct LossRecorder {
    open: Vec<Told>,
    /// At what contracts were settled that somebody held at their end, by instrument.
    settled: Vec<Option<Price>>,
}

/// An account at the moment of a forecast.
#[derive(Debug)]
struct Told {
    /// Its row in the table.
    row: usize,
    account: AccountId,
    step: Duration,
    /// Start of the step in which the horizon ends.
    due: Timestamp,
    equity: Cash,
    /// By currency: all of it, and what of it was paid in.
    balances: Vec<(Currency, Cash, Cash)>,
    /// Instrument, quantity and mark; coins bought at spot are in the balances.
    held: Vec<(usize, Qty, Price)>,
    /// The end was reached at this moment: another input of it may still come.
    ended: Option<Timestamp>,
}

impl LossRecorder {
    /// The venue settled a contract.
    pub(crate) fn on_fill(&mut self, fill: &Fill) {
        if fill.forced == Some(Forced::Settlement) {
            let index = fill.instrument.index();
            self.settled.resize(self.settled.len().max(index + 1), None);
            self.settled[index] = Some(fill.price);
        }
    }

    /// An input of the market was taken in at `at`. What was told with it takes the place of what was told at the same moment before.
    pub(crate) fn on_input(
        &mut self,
        engine: &Engine,
        at: Timestamp,
        rows: &mut Vec<LossRow>,
        names: impl Fn(&LossForecast) -> (Name, Name),
    ) {
        let (told_at, told) = engine.loss_forecasts();
        if told_at != at {
            return;
        }
        while rows.pop_if(|row| row.time == at).is_some() {}
        self.open.retain(|told| told.row < rows.len() && told.ended.is_none_or(|ended| ended == at));
        for told in &mut self.open {
            told.end(engine, at, &mut rows[told.row], &self.settled);
        }
        for forecast in told {
            let (strategy, instrument) = names(forecast);
            let account = engine.account(forecast.account);
            if forecast.strategy.is_none() {
                self.open.push(Told::new(engine, forecast, at, rows.len()));
            }
            rows.push(LossRow {
                time: at,
                account: u64::from(forecast.account.0),
                strategy,
                instrument,
                confidence: forecast.fact.confidence(),
                horizon: forecast.fact.horizon.days(),
                method: Name::from(forecast.fact.method.name()),
                value_at_risk: forecast.value_at_risk,
                expected_shortfall: forecast.expected_shortfall,
                equity: account.equity(),
                ended: None,
                held: None,
                made: None,
            });
        }
    }
}

impl Told {
    fn new(engine: &Engine, forecast: &LossForecast, at: Timestamp, row: usize) -> Self {
        let account = engine.account(forecast.account);
        let step = forecast.fact.step();
        let positions = account.positions().enumerate();
        let held =
            positions.filter(|(index, (position, _))| !position.qty.is_zero() && account.holding(*index).is_none());
        let balances = account.balances().iter();
        Self {
            row,
            account: forecast.account,
            step,
            due: at.floor(step) + forecast.fact.horizon,
            equity: account.equity(),
            balances: balances.map(|balance| (balance.currency, balance.equity(), balance.deposits)).collect(),
            held: held.map(|(index, (position, mark))| (index, position.qty, mark)).collect(),
            ended: None,
        }
    }

    /// Fills in what came, if this is the step in which the horizon ends. Of one that ends in a hole of the market nothing is known.
    fn end(&mut self, engine: &Engine, at: Timestamp, row: &mut LossRow, settled: &[Option<Price>]) {
        let step = at.floor(self.step);
        if step < self.due {
            return;
        }
        self.ended = Some(at);
        let equity = self.equity.approximate();
        if step > self.due || equity <= 0.0 {
            return;
        }
        let account = engine.account(self.account);
        let in_all = |amounts: &mut dyn Iterator<Item = (Currency, Cash)>| -> Cash {
            amounts.map(|(currency, amount)| account.translate(currency, amount)).sum()
        };
        let mut still: Vec<(Currency, Cash)> = self.balances.iter().map(|(of, worth, _)| (*of, *worth)).collect();
        for (index, qty, before) in &self.held {
            let contract = account.contract(*index);
            let after = settled.get(*index).copied().flatten().unwrap_or_else(|| account.mark(*index));
            let profit = (contract.value(after, *qty) - contract.value(*before, *qty)).cash();
            let settles = account.settlement(*index).currency;
            still.iter_mut().filter(|(currency, _)| *currency == settles).for_each(|(_, worth)| *worth += profit);
        }
        let before =
            |currency: Currency| self.balances.iter().find(|(of, ..)| *of == currency).map_or(Cash::ZERO, |of| of.2);
        let mut paid = account.balances().iter().map(|of| (of.currency, of.deposits - before(of.currency)));
        let made = account.equity() - in_all(&mut paid);
        let still = in_all(&mut still.into_iter());
        row.ended = Some(at);
        row.held = Some(still.approximate() / equity - 1.0);
        row.made = Some(made.approximate() / equity - 1.0);
    }
}
