//! Every option priced again under every scenario.
//!
//! A block of options goes through the pricing kernel once for each scenario, so that profits are the same bits with AVX-512, AVX2 and
//! without. A scenario's total is added up by sixteen accumulators, one for each line modulo sixteen, that are folded pairwise.

use super::portfolio::{Line, Portfolio, Term, check};
use super::{Holding, Move, REFERENCE_DAYS, Scenario, ScenarioError, Settlement, VolMove};
use pricing::options::{Batch, EuropeanOption, Field, Inputs, Quantities, Refusal, Simd};
use pricing::surface::Sticky;
use std::ops::Range;
use units::Duration;
use units::math::{exp, ln, sqrt};

const LANES: usize = 16;

/// Profits of a portfolio's holdings under scenarios, in the account's currency.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcomes {
    holdings: usize,
    value: f64,
    totals: Vec<f64>,
    /// Scenario by scenario, each line by line.
    profits: Vec<f64>,
}

impl Outcomes {
    /// Number of scenarios.
    #[must_use]
    pub fn len(&self) -> usize {
        self.totals.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }

    /// The account's profit under each scenario.
    #[must_use]
    pub fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// The account's profit under one scenario.
    ///
    /// # Panics
    ///
    /// If there is no such scenario.
    #[must_use]
    pub fn total(&self, scenario: usize) -> f64 {
        self.totals[scenario]
    }

    /// What the account is worth now, so that this and a total is its equity under a scenario.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Each holding's profit under one scenario, line by line.
    ///
    /// # Panics
    ///
    /// If there is no such scenario.
    #[must_use]
    pub fn profits(&self, scenario: usize) -> &[f64] {
        &self.profits[scenario * self.holdings..][..self.holdings]
    }

    /// The scenario with the least profit, the first of equals, and that profit.
    #[must_use]
    pub fn worst(&self) -> Option<(usize, f64)> {
        let all = self.totals.iter().copied().enumerate();
        all.reduce(|worst, next| if next.1 < worst.1 { next } else { worst })
    }

    fn clear(&mut self, holdings: usize) {
        self.holdings = holdings;
        self.value = 0.0;
        self.totals.clear();
        self.profits.clear();
    }
}

/// Options of one expiry and settlement.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) options: Range<usize>,
    pub(super) term: usize,
    /// Index of the currency in which they are paid for.
    pub(super) settlement: usize,
    pub(super) coin: bool,
    /// The forward now, in USD, and the years to expiry.
    pub(super) forward: f64,
    pub(super) years: f64,
    pub(super) discount: f64,
    /// The forward in the currency of settlement, as its options are priced.
    pub(super) quoted: f64,
    /// To expiry.
    pub(super) days: f64,
}

/// An option's numbers that a scenario needs beside its columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Smile {
    pub(super) vol: f64,
    pub(super) slope: f64,
    pub(super) strike: f64,
    pub(super) quantity: f64,
}

/// Prices a portfolio again under scenarios. What it keeps between runs is memory alone.
#[derive(Debug, Clone)]
pub struct Revaluation {
    pub(super) simd: Simd,
    pub(super) batch: Batch,
    pub(super) groups: Vec<Group>,
    pub(super) smiles: Vec<Smile>,
    /// Value in USD of each line now.
    before: Vec<f64>,
    /// Price of each currency, and of each option, under the scenario at hand.
    pub(super) prices: Vec<f64>,
    worth: Vec<f64>,
    /// Quantities of a bound.
    pub(super) quantities: Quantities,
}

impl Revaluation {
    /// The numbers do not depend on the instructions chosen.
    #[must_use]
    pub fn new(simd: Simd) -> Self {
        Self {
            simd,
            batch: Batch::default(),
            groups: Vec::new(),
            smiles: Vec::new(),
            before: Vec::new(),
            prices: Vec::new(),
            worth: Vec::new(),
            quantities: Quantities::default(),
        }
    }

    /// Profits under each scenario into `outcomes`, whose memory is used again. Where a smile stays at its moneyness, it is a line
    /// through each option's point with its slope.
    ///
    /// # Errors
    ///
    /// A price that is missing; a number of a scenario that cannot be, or what it makes of a price or volatility. `outcomes` is
    /// empty then.
    pub fn run(
        &mut self,
        portfolio: &Portfolio,
        scenarios: &[Scenario],
        outcomes: &mut Outcomes,
    ) -> Result<(), ScenarioError> {
        self.run_all(portfolio, scenarios, outcomes, None::<fn(usize, f64) -> f64>)
    }

    /// A portfolio made ready once, for many runs that come one by one, as a search for boundaries of liquidation makes them.
    ///
    /// # Errors
    ///
    /// A price that is missing.
    pub fn ready<'a>(&'a mut self, portfolio: &'a Portfolio) -> Result<Ready<'a>, ScenarioError> {
        self.prepare(portfolio)?;
        Ok(Ready { revaluation: self, portfolio })
    }

    /// As [`Self::run`], on whole smiles: `smile` gives the volatility of the expiry of an option (its line) at ln(strike ÷ forward).
    /// Under a scenario in which the smile stays at its moneyness, an option's volatility changes by what that changes.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_on(
        &mut self,
        portfolio: &Portfolio,
        scenarios: &[Scenario],
        outcomes: &mut Outcomes,
        smile: impl Fn(usize, f64) -> f64,
    ) -> Result<(), ScenarioError> {
        self.run_all(portfolio, scenarios, outcomes, Some(smile))
    }

    fn run_all(
        &mut self,
        portfolio: &Portfolio,
        scenarios: &[Scenario],
        outcomes: &mut Outcomes,
        smile: Option<impl Fn(usize, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        outcomes.clear(portfolio.len());
        self.prepare(portfolio)?;
        self.run_prepared(portfolio, scenarios, outcomes, smile)
    }

    fn run_prepared(
        &mut self,
        portfolio: &Portfolio,
        scenarios: &[Scenario],
        outcomes: &mut Outcomes,
        smile: Option<impl Fn(usize, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        outcomes.clear(portfolio.len());
        outcomes.value = total(&self.before) / portfolio.currencies[portfolio.account].price;
        let result =
            scenarios.iter().try_for_each(|scenario| self.scenario(portfolio, scenario, outcomes, smile.as_ref()));
        if result.is_err() {
            outcomes.clear(0);
        }
        result
    }

    /// The columns and the value of everything now.
    fn prepare(&mut self, portfolio: &Portfolio) -> Result<(), ScenarioError> {
        if portfolio.currencies[portfolio.account].price.is_nan() {
            return Err(ScenarioError::NoPrice(portfolio.account()));
        }
        self.batch.clear();
        self.groups.clear();
        self.smiles.clear();
        for (index, line) in portfolio.options.iter().enumerate() {
            let Line {
                holding: Holding::Option { right, point, .. }, term: Some(term), quantity, basis: strike, ..
            } = portfolio.lines[*line]
            else {
                continue;
            };
            let group = self.group(portfolio, index, *line, term);
            let Group { years, discount, quoted: forward, .. } = *group;
            let inputs = Inputs { forward, strike, years, vol: point.vol, discount };
            self.batch.push(&EuropeanOption::new(right, inputs)?);
            self.smiles.push(Smile { vol: point.vol, slope: point.slope, strike, quantity });
        }
        self.prices.clear();
        self.prices.extend(portfolio.currencies.iter().map(|quoted| quoted.price));
        self.price_options();
        let mut before = std::mem::take(&mut self.before);
        before.clear();
        before.extend((0..portfolio.len()).map(|_| 0.0));
        self.value(portfolio, 0.0, &mut before);
        self.before = before;
        Ok(())
    }

    /// The group that an option belongs to, the last one or a new one.
    fn group(&mut self, portfolio: &Portfolio, index: usize, line: usize, term: usize) -> &Group {
        let (settlement, coin) = (portfolio.lines[line].settlement, portfolio.style(line));
        let same = |group: &Group| (group.term, group.settlement, group.coin) == (term, settlement, coin);
        if !self.groups.last().is_some_and(same) {
            let of: &Term = &portfolio.terms[term];
            let years = portfolio.years(of, Duration::ZERO);
            let forward = portfolio.forward(of);
            let discount = if coin { 1.0 } else { of.discount };
            let options = index..index;
            let days = years * 365.0;
            let quoted = if coin { forward } else { forward / portfolio.currencies[settlement].price };
            self.groups.push(Group { options, term, settlement, coin, forward, years, discount, quoted, days });
        }
        let last = self.groups.len() - 1;
        self.groups[last].options.end = index + 1;
        &self.groups[last]
    }

    fn price_options(&mut self) {
        self.batch.prices(self.simd, &mut self.worth);
    }

    fn scenario(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        outcomes: &mut Outcomes,
        smile: Option<&impl Fn(usize, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        self.move_market(portfolio, scenario, smile)?;
        self.price_options();
        let start = outcomes.profits.len();
        outcomes.profits.resize(start + portfolio.len(), 0.0);
        let profits = &mut outcomes.profits[start..];
        self.value(portfolio, scenario.funding, profits);
        let account = portfolio.account;
        let (then, now) = (self.prices[account], portfolio.currencies[account].price);
        for (profit, before) in profits.iter_mut().zip(&self.before) {
            *profit = *profit / then - before / now;
        }
        outcomes.totals.push(total(profits));
        Ok(())
    }

    /// Prices and columns after the scenario.
    pub(super) fn move_market(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        smile: Option<&impl Fn(usize, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        check_scenario(scenario)?;
        self.move_prices(portfolio, scenario)?;
        (0..self.groups.len()).try_for_each(|at| self.move_group(portfolio, scenario, at, smile))
    }

    /// Prices of currencies after the scenario.
    fn move_prices(&mut self, portfolio: &Portfolio, scenario: &Scenario) -> Result<(), ScenarioError> {
        self.prices.clear();
        for quoted in &portfolio.currencies {
            let currency = quoted.currency;
            let peg = scenario.dollars.iter().find(|(named, _)| *named == currency);
            let by = match (peg, scenario.spot.of(currency), quoted.vol) {
                (Some((_, by)), ..) => *by,
                (None, ..) if quoted.dollar => 0.0,
                (None, Move::Return(by), _) => by,
                (None, Move::Deviations(number), Some(vol)) => exp(number * vol / sqrt(365.0)) - 1.0,
                (None, Move::Deviations(_), None) => {
                    return Err(ScenarioError::NoVol { scenario: scenario.name.clone(), coin: currency });
                }
            };
            let price = quoted.price * (1.0 + by);
            if check(Field::Forward, price).is_err() {
                return Err(ScenarioError::Moved { scenario: scenario.name.clone(), currency, price });
            }
            self.prices.push(price);
        }
        Ok(())
    }

    /// Forward, time and volatilities of a group after the scenario.
    fn move_group(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        at: usize,
        smile: Option<&impl Fn(usize, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        let Self { batch, groups, smiles, prices, .. } = self;
        let group = &groups[at];
        let refused = |line: usize, refusal| ScenarioError::Line { scenario: scenario.name.clone(), line, refusal };
        let first = portfolio.options[group.options.start];
        let term = &portfolio.terms[group.term];
        // What an option's own forward is multiplied by.
        let (coin, dollar) = (term.underlying, group.settlement);
        let mut factor = prices[coin] / portfolio.currencies[coin].price;
        let mut forward = group.forward * factor;
        if !group.coin {
            forward /= prices[dollar];
            factor /= prices[dollar] / portfolio.currencies[dollar].price;
        }
        batch.set_forward(group.options.clone(), forward).map_err(|refusal| refused(first, refusal))?;
        let years = portfolio.years(term, scenario.time);
        batch.set_years(group.options.clone(), years).map_err(|refusal| refused(first, refusal))?;
        let discount = if group.discount == 1.0 || group.years == 0.0 || years == group.years {
            group.discount
        } else {
            exp(ln(group.discount) * (years / group.years))
        };
        let vol = &scenario.vol;
        let weight = tenor_weight(vol, group.days);
        let level = 1.0 + vol.relative * weight + vol.twist * (weight - 1.0);
        let shift = vol.absolute * weight;
        let by = if scenario.sticky == Sticky::Moneyness { ln(factor) } else { 0.0 };
        let moved = |index: usize| {
            let Smile { vol: now, slope, strike, .. } = smiles[index];
            let place = || ln(strike / group.quoted);
            let follow = match smile {
                _ if by == 0.0 => 0.0,
                None => -slope * by,
                Some(smile) => {
                    let (line, place) = (portfolio.options[index], place());
                    smile(line, place - by) - smile(line, place)
                }
            };
            let skew = if vol.skew == 0.0 { 0.0 } else { vol.skew * place() };
            let moved = (now + follow) * level + shift + skew;
            // Not `max`, which would make a floor of what is no number.
            if moved < vol.floor { vol.floor } else { moved }
        };
        let line = |(index, refusal): (usize, Refusal)| refused(portfolio.options[index], refusal);
        batch.set_vols(group.options.clone(), moved).map_err(line)?;
        if !group.coin {
            for index in group.options.clone() {
                batch.set_discount(index, discount).map_err(|refusal| line((index, refusal)))?;
            }
        }
        Ok(())
    }

    /// The value in USD of each line at the prices and options' worth at hand, funding taken off.
    fn value(&self, portfolio: &Portfolio, funding: f64, values: &mut [f64]) {
        for at in &portfolio.others {
            let line = &portfolio.lines[*at];
            let (price, quantity) = (self.prices[line.underlying], line.quantity);
            values[*at] = match line.holding {
                Holding::Future { settlement, expiry, .. } => {
                    let ratio = line.term.map_or(1.0, |term| {
                        let term = &portfolio.terms[term];
                        portfolio.forward(term) / portfolio.currencies[term.underlying].price
                    });
                    let (forward, cost) = (price * ratio, line.basis);
                    // Futures pay no funding.
                    let paid = if expiry.is_none() { funding } else { 0.0 };
                    match settlement {
                        Settlement::Coin => (-quantity / forward - cost - quantity / forward * paid) * price,
                        Settlement::Quote(_) => {
                            quantity * forward - cost * self.prices[line.settlement] - quantity * forward * paid
                        }
                    }
                }
                Holding::Balance { .. } | Holding::Option { .. } => quantity * price,
            };
        }
        for group in &self.groups {
            let unit = if group.coin {
                // Worth ÷ forward coins, each at the coin's price; the two move alike.
                portfolio.currencies[portfolio.terms[group.term].underlying].price / group.forward
            } else {
                self.prices[group.settlement]
            };
            for index in group.options.clone() {
                values[portfolio.options[index]] = self.smiles[index].quantity * (self.worth[index] * unit);
            }
        }
    }
}

/// A portfolio whose columns stand; see [`Revaluation::ready`].
#[derive(Debug)]
pub struct Ready<'a> {
    pub(super) revaluation: &'a mut Revaluation,
    pub(super) portfolio: &'a Portfolio,
}

impl Ready<'_> {
    /// As [`Revaluation::run`], the same bits.
    ///
    /// # Errors
    ///
    /// As [`Revaluation::run`].
    pub fn run(&mut self, scenarios: &[Scenario], outcomes: &mut Outcomes) -> Result<(), ScenarioError> {
        self.revaluation.run_prepared(self.portfolio, scenarios, outcomes, None::<fn(usize, f64) -> f64>)
    }
}

/// (30 ÷ days)^power.
pub(super) fn tenor_weight(vol: &VolMove, days: f64) -> f64 {
    let days = days.max(vol.shortest_days);
    let power = if days < REFERENCE_DAYS { vol.short_power } else { vol.long_power };
    if power == 0.0 { 1.0 } else { exp(power * ln(REFERENCE_DAYS / days)) }
}

fn check_scenario(scenario: &Scenario) -> Result<(), ScenarioError> {
    let refuse = |what, value| Err(ScenarioError::Move { scenario: scenario.name.clone(), what, value });
    for (what, value) in scenario.vol.fields() {
        let fits = match what {
            "shortest tenor in days" => value > 0.0,
            "floor of volatility" => value >= 0.0,
            _ => true,
        };
        if !(value.is_finite() && fits) {
            return refuse(what, value);
        }
    }
    if !scenario.funding.is_finite() {
        return refuse("funding", scenario.funding);
    }
    if scenario.time < Duration::ZERO {
        return refuse("time that passes", scenario.time.days());
    }
    let spots = std::iter::once(scenario.spot.others).chain(scenario.spot.each.iter().map(|(_, by)| *by));
    for by in spots {
        match by {
            Move::Return(by) if !(by.is_finite() && by > -1.0) => return refuse("move of a price", by),
            Move::Deviations(number) if !number.is_finite() => return refuse("number of deviations", number),
            _ => {}
        }
    }
    match scenario.dollars.iter().find(|(_, by)| !(by.is_finite() && *by > -1.0)) {
        Some((_, by)) => refuse("move of a dollar", *by),
        None => Ok(()),
    }
}

/// The sum of all, by one accumulator for each index modulo sixteen, folded pairwise.
pub(super) fn total(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for block in values.chunks(LANES) {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += value;
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}
