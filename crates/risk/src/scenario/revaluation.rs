//! Every option priced again under every scenario.
//!
//! What options have in common under scenarios is computed once ([`MovedPrices`]); profits are the same bits with AVX-512, AVX2 and
//! without.
//! A scenario's total is added up in parts of 64 lines, each by sixteen accumulators that are folded pairwise, so that a fill adds up one
//! part again.

use super::joint::Sweeps;
use super::portfolio::{Line, Portfolio, Term, check};
use super::{Holding, Move, REFERENCE_DAYS, Scenario, ScenarioError, VolMove};
use pricing::options::{Field, MovedPrices, Quantities, Simd};
use pricing::surface::Sticky;
use std::ops::Range;
use units::math::{exp, ln, sqrt};
use units::{Duration, Notional, Qty};

const LANES: usize = 16;
/// Lines that are added up together.
const PART: usize = 64;
/// Columns of volatilities that are kept for scenarios that share them.
const COLUMNS: usize = 8;

/// Profits of a portfolio's holdings under scenarios, in the account's currency.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcomes {
    /// By line, its slot: where its numbers stand. Options come first, in the order in which they are priced.
    slots: Vec<u32>,
    value: f64,
    totals: Vec<f64>,
    /// Scenario by scenario, each slot by slot: of the holding, and of one unit of it.
    profits: Vec<f64>,
    units: Vec<f64>,
    /// By slot: quantity, what one unit is worth now, and what the holding is.
    quantities: Vec<f64>,
    worth: Vec<f64>,
    values: Vec<f64>,
    /// Slots that have a cost, in order, the cost, and the index of the currency in which it is owed.
    costs: Vec<(usize, f64, usize)>,
    /// Currency by currency, what one is worth now; and scenario by scenario how much more then.
    prices: Vec<f64>,
    changes: Vec<f64>,
    /// What [`PART`] slots add up to: values, and scenario by scenario profits.
    value_parts: Vec<f64>,
    parts: Vec<f64>,
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
    pub fn profits(&self, scenario: usize) -> impl ExactSizeIterator<Item = f64> {
        let profits = &self.profits[scenario * self.slots.len()..][..self.slots.len()];
        self.slots.iter().map(|slot| profits[*slot as usize])
    }

    /// A holding's profit under one scenario.
    ///
    /// # Panics
    ///
    /// If there is no such scenario, or no such line.
    #[must_use]
    pub fn profit(&self, scenario: usize, line: usize) -> f64 {
        self.profits[scenario * self.slots.len()..][self.slots[line] as usize]
    }

    /// The scenario with the least profit, the first of equals, and that profit.
    #[must_use]
    pub fn worst(&self) -> Option<(usize, f64)> {
        let all = self.totals.iter().copied().enumerate();
        all.reduce(|worst, next| if next.1 < worst.1 { next } else { worst })
    }

    /// A fill: holds another quantity of a line, of a future at another cost (which no other holding has). No option is priced; the numbers
    /// are those of a portfolio made anew, bit for bit.
    ///
    /// # Panics
    ///
    /// If there is no such line.
    pub fn hold(&mut self, line: usize, quantity: Qty, cost: Notional) {
        let slot = self.slots[line] as usize;
        self.quantities[slot] = quantity.approximate();
        let mut owed = None;
        if let Some((_, held, currency)) = self.costs.iter_mut().find(|(of, ..)| *of == slot) {
            *held = cost.approximate();
            owed = Some((*held, *currency));
        }
        let own = |unit: f64, prices: &[f64]| match owed {
            None => self.quantities[slot] * unit,
            Some((cost, currency)) => self.quantities[slot] * unit - cost * prices[currency],
        };
        let (holdings, part) = (self.slots.len(), slot / PART);
        let parts = holdings.div_ceil(PART);
        let together = part * PART..holdings.min((part + 1) * PART);
        self.values[slot] = own(self.worth[slot], &self.prices);
        self.value_parts[part] = total(&self.values[together.clone()]);
        self.value = self.value_parts.iter().sum();
        for scenario in 0..self.totals.len() {
            let start = scenario * holdings;
            let changes = &self.changes[scenario * self.prices.len()..];
            self.profits[start + slot] = own(self.units[start + slot], changes);
            self.parts[scenario * parts + part] = total(&self.profits[start + together.start..start + together.end]);
            self.totals[scenario] = self.parts[scenario * parts..][..parts].iter().sum();
        }
    }

    /// What is held, and what a unit of it is worth now, slot by slot.
    fn take(&mut self, portfolio: &Portfolio, worth: &[f64]) {
        self.clear();
        let now = 1.0 / portfolio.currencies[portfolio.account].price;
        self.prices.extend(portfolio.currencies.iter().map(|quoted| quoted.price * now));
        self.slots.resize(portfolio.len(), 0);
        for (slot, line) in portfolio.options.iter().chain(&portfolio.others).enumerate() {
            self.slots[*line] = slot as u32;
            self.quantities.push(portfolio.lines[*line].quantity);
            self.costs.extend(portfolio.lines[*line].cost().map(|(cost, currency)| (slot, cost, currency)));
        }
        self.worth.extend_from_slice(worth);
        let Self { values, quantities, worth, costs, prices, value_parts, .. } = self;
        values.extend(quantities.iter().zip(&*worth).map(|(quantity, unit)| quantity * unit));
        owe(values, costs, prices);
        value_parts.extend(values.chunks(PART).map(total));
        self.value = value_parts.iter().sum();
    }

    /// Adds a scenario of which the changes of prices are there: what a unit of each slot is worth then and now.
    fn add(&mut self, then: &[f64], now: &[f64], rate: f64) {
        let Self { profits, quantities, units, costs, changes, prices, parts, totals, .. } = self;
        let (start, first) = (profits.len(), parts.len());
        units.extend(then.iter().zip(now).map(|(then, now)| then * rate - now));
        profits.extend(quantities.iter().zip(&units[start..]).map(|(quantity, unit)| quantity * unit));
        let profits = &mut profits[start..];
        owe(profits, costs, &changes[changes.len() - prices.len()..]);
        parts.extend(profits.chunks(PART).map(total));
        totals.push(parts[first..].iter().sum());
    }

    fn clear(&mut self) {
        self.slots.clear();
        self.value = 0.0;
        let Self { totals, profits, units, quantities, worth, values, prices, changes, value_parts, parts, .. } = self;
        let all = [totals, profits, units, quantities, worth, values, prices, changes, value_parts, parts];
        all.into_iter().for_each(Vec::clear);
        self.costs.clear();
    }
}

/// Takes off what costs are at such prices.
fn owe(values: &mut [f64], costs: &[(usize, f64, usize)], prices: &[f64]) {
    for (slot, cost, currency) in costs {
        values[*slot] -= cost * prices[*currency];
    }
}

/// Options of one expiry and settlement.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) options: Range<usize>,
    pub(super) term: usize,
    pub(super) underlying: usize,
    /// Index of the currency in which they are paid for, and of the one that their prices are in.
    pub(super) settlement: usize,
    pub(super) quote: usize,
    pub(super) coin: bool,
    /// The price of the coin ÷ the forward, which stays as they move together.
    pub(super) parity: f64,
    /// The forward now, in USD, and the years to expiry.
    pub(super) forward: f64,
    pub(super) years: f64,
    pub(super) discount: f64,
    /// The forward in the currency that its options' prices are in.
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
    pub(super) groups: Vec<Group>,
    pub(super) smiles: Vec<Smile>,
    pub(super) moved: MovedPrices,
    /// What the columns of `moved` are of, from the second on; the first is nobody's for long.
    columns: Vec<Option<(VolMove, Duration)>>,
    /// The next of them to be used again.
    next: usize,
    /// Whether `before` is of now.
    stands: bool,
    /// Price of each currency under the scenario at hand; of each option, and of a unit of each holding in USD: options in order, then the
    /// others.
    pub(super) prices: Vec<f64>,
    worth: Vec<f64>,
    units: Vec<f64>,
    /// A unit of each holding now, in the account's currency.
    before: Vec<f64>,
    /// Quantity × what a price counts of each option, and whether they are of now.
    pub(super) weights: Quantities,
    weighted: bool,
    pub(super) sweeps: Sweeps,
}

impl Revaluation {
    /// The numbers do not depend on the instructions chosen.
    #[must_use]
    pub fn new(simd: Simd) -> Self {
        Self {
            simd,
            groups: Vec::new(),
            smiles: Vec::new(),
            moved: MovedPrices::default(),
            columns: Vec::new(),
            next: 0,
            stands: false,
            prices: Vec::new(),
            worth: Vec::new(),
            units: Vec::new(),
            before: Vec::new(),
            weights: Quantities::default(),
            weighted: false,
            sweeps: Sweeps::default(),
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
        self.run_all(portfolio, scenarios, outcomes, None::<fn(usize, f64, f64) -> f64>)
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

    /// As [`Self::run`], on whole smiles: under a scenario in which smiles stay at their moneyness, the volatility of an option changes by
    /// `follow` of its line, ln(strike ÷ forward) and ln of what the scenario multiplies the forward by.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_on(
        &mut self,
        portfolio: &Portfolio,
        scenarios: &[Scenario],
        outcomes: &mut Outcomes,
        follow: impl Fn(usize, f64, f64) -> f64,
    ) -> Result<(), ScenarioError> {
        self.run_all(portfolio, scenarios, outcomes, Some(follow))
    }

    fn run_all(
        &mut self,
        portfolio: &Portfolio,
        scenarios: &[Scenario],
        outcomes: &mut Outcomes,
        follow: Option<impl Fn(usize, f64, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        outcomes.clear();
        self.prepare(portfolio)?;
        self.run_prepared(portfolio, scenarios, outcomes, follow)
    }

    fn run_prepared(
        &mut self,
        portfolio: &Portfolio,
        scenarios: &[Scenario],
        outcomes: &mut Outcomes,
        follow: Option<impl Fn(usize, f64, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        outcomes.clear();
        self.value_now(portfolio)?;
        outcomes.take(portfolio, &self.before);
        let result =
            scenarios.iter().try_for_each(|scenario| self.scenario(portfolio, scenario, outcomes, follow.as_ref()));
        if result.is_err() {
            outcomes.clear();
        }
        result
    }

    /// What of the options stays under all scenarios.
    pub(super) fn prepare(&mut self, portfolio: &Portfolio) -> Result<(), ScenarioError> {
        self.weighted = false;
        if portfolio.currencies[portfolio.account].price.is_nan() {
            return Err(ScenarioError::NoPrice(portfolio.account()));
        }
        self.stands = false;
        self.moved.clear();
        self.groups.clear();
        self.smiles.clear();
        self.columns.clear();
        self.next = 0;
        for (index, line) in portfolio.options.iter().enumerate() {
            let Line { holding: Holding::Option { right, point, .. }, term: Some(term), quantity, basis, .. } =
                &portfolio.lines[*line]
            else {
                continue;
            };
            let forward = self.group(portfolio, index, *line, *term).quoted;
            self.moved.push(*right, *basis, forward)?;
            self.smiles.push(Smile { vol: point.vol, slope: point.slope, strike: *basis, quantity: *quantity });
        }
        self.moved.settle(self.simd);
        Ok(())
    }

    /// As [`Self::prepare`] of the same portfolio once more, of which nothing has changed since but prices and forwards.
    pub(super) fn prepare_prices(&mut self, portfolio: &Portfolio) -> Result<(), ScenarioError> {
        self.stands = false;
        for group in &mut self.groups {
            let term = &portfolio.terms[group.term];
            self.weighted &= group.parity == term.parity();
            (group.forward, group.parity) = (portfolio.forward(term), term.parity());
            group.quoted = group.quotes(portfolio);
            self.moved.set_forward(group.options.clone(), group.quoted)?;
        }
        // A skew looks at the place of strikes.
        let has_skew =
            |column: &Option<(VolMove, Duration)>| column.is_some_and(|(vol, _)| vol.skew != 0.0 || vol.tilt != 0.0);
        for column in self.columns.iter_mut().filter(|column| has_skew(column)) {
            *column = None;
        }
        self.moved.settle(self.simd);
        Ok(())
    }

    /// What a unit of each line is worth now.
    fn value_now(&mut self, portfolio: &Portfolio) -> Result<(), ScenarioError> {
        if self.stands {
            return Ok(());
        }
        self.prices.clear();
        self.prices.extend(portfolio.currencies.iter().map(|quoted| quoted.price));
        self.price_options(portfolio, &Scenario::still(""), None::<&fn(usize, f64, f64) -> f64>)?;
        self.value(portfolio, 0.0);
        let now = 1.0 / portfolio.currencies[portfolio.account].price;
        self.before.clear();
        self.before.extend(self.units.iter().map(|unit| unit * now));
        self.stands = true;
        Ok(())
    }

    /// The group that an option belongs to, the last one or a new one.
    fn group(&mut self, portfolio: &Portfolio, index: usize, line: usize, term: usize) -> &Group {
        let Line { settlement, quote, .. } = portfolio.lines[line];
        let coin = portfolio.style(line);
        let same = |of: &Group| (of.term, of.settlement, of.quote, of.coin) == (term, settlement, quote, coin);
        if !self.groups.last().is_some_and(same) {
            let of: &Term = &portfolio.terms[term];
            let years = portfolio.years(of, Duration::ZERO);
            let forward = portfolio.forward(of);
            let discount = if coin { 1.0 } else { of.discount };
            let options = index..index;
            let days = years * 365.0;
            let quoted = f64::NAN;
            let underlying = of.underlying;
            self.groups.push(Group {
                options,
                term,
                underlying,
                settlement,
                quote,
                coin,
                parity: of.parity(),
                forward,
                years,
                discount,
                quoted,
                days,
            });
        }
        let last = self.groups.len() - 1;
        let group = &mut self.groups[last];
        if group.options.is_empty() {
            group.quoted = group.quotes(portfolio);
        }
        group.options.end = index + 1;
        group
    }

    /// Prices of all options under a scenario, those of one coin and settlement that lie together at once.
    fn price_options(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        follow: Option<&impl Fn(usize, f64, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        let column = self.column(portfolio, scenario, follow)?;
        let Self { simd, moved, groups, prices, worth, .. } = self;
        check_forwards(groups, portfolio, scenario, prices)?;
        worth.resize(moved.len(), 0.0);
        for run in groups.chunk_by(Group::together) {
            let factor = run[0].factor(portfolio, prices);
            let options = run[0].options.start..run[run.len() - 1].options.end;
            moved.prices(*simd, column, options.clone(), factor, &mut worth[options]);
        }
        Ok(())
    }

    /// The column of volatilities of a scenario, made unless one of before is the same.
    fn column(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        follow: Option<&impl Fn(usize, f64, f64) -> f64>,
    ) -> Result<usize, ScenarioError> {
        let Self { moved, groups, smiles, prices, columns, next, .. } = self;
        // Where smiles follow the price, volatilities are this scenario's alone.
        let key = (scenario.sticky == Sticky::Strike).then_some((scenario.vol, scenario.time));
        if let Some(known) = key.and_then(|key| columns.iter().position(|column| *column == Some(key))) {
            return Ok(known + 1);
        }
        let column = match key {
            None => 0,
            Some(_) if columns.len() < COLUMNS => {
                columns.push(None);
                columns.len()
            }
            Some(_) => {
                *next = (*next + 1) % COLUMNS;
                *next + 1
            }
        };
        if column > 0 {
            columns[column - 1] = None;
        }
        for group in groups.iter() {
            let shape = Shape::new(portfolio, scenario, group, prices);
            let vol = |index| shape.vol(portfolio, scenario, group, (index, &smiles[index]), follow);
            let set = moved.set_vols(column, group.options.clone(), shape.years, shape.discount, vol);
            set.map_err(|(index, refusal)| ScenarioError::Line {
                scenario: scenario.name.clone(),
                line: portfolio.options[index],
                refusal,
            })?;
        }
        if column > 0 {
            columns[column - 1] = key;
        }
        Ok(column)
    }

    fn scenario(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        outcomes: &mut Outcomes,
        follow: Option<&impl Fn(usize, f64, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        check_scenario(scenario)?;
        self.move_prices(portfolio, scenario)?;
        self.price_options(portfolio, scenario, follow)?;
        self.value(portfolio, scenario.funding);
        let then = 1.0 / self.prices[portfolio.account];
        outcomes.changes.extend(self.prices.iter().zip(&outcomes.prices).map(|(price, now)| price * then - now));
        outcomes.add(&self.units, &self.before, then);
        Ok(())
    }

    /// What the account is worth under a scenario, in its currency.
    fn worth_under(&mut self, portfolio: &Portfolio, scenario: &Scenario) -> Result<f64, ScenarioError> {
        check_scenario(scenario)?;
        self.move_prices(portfolio, scenario)?;
        check_forwards(&self.groups, portfolio, scenario, &self.prices)?;
        let column = self.column(portfolio, scenario, None::<&fn(usize, f64, f64) -> f64>)?;
        self.weigh();
        let Self { simd, moved, groups, weights, prices, .. } = self;
        let mut sum = 0.0;
        for line in portfolio.others.iter().map(|line| &portfolio.lines[*line]) {
            sum += line.quantity * portfolio.unit(line, scenario.funding, prices);
            if let Some((cost, currency)) = line.cost() {
                sum -= cost * prices[currency];
            }
        }
        for run in groups.chunk_by(Group::together) {
            let options = run[0].options.start..run[run.len() - 1].options.end;
            let factor = run[0].factor(portfolio, prices);
            sum += run[0].paid(prices) * moved.total(*simd, column, options, factor, weights);
        }
        Ok(sum / prices[portfolio.account])
    }

    /// Prices after the scenario, and the column of its volatilities.
    pub(super) fn move_market(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        follow: Option<&impl Fn(usize, f64, f64) -> f64>,
    ) -> Result<usize, ScenarioError> {
        check_scenario(scenario)?;
        self.move_prices(portfolio, scenario)?;
        check_forwards(&self.groups, portfolio, scenario, &self.prices)?;
        self.column(portfolio, scenario, follow)
    }

    /// Prices of currencies after the scenario.
    pub(super) fn move_prices(&mut self, portfolio: &Portfolio, scenario: &Scenario) -> Result<(), ScenarioError> {
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

    /// The value in USD of one unit of each holding at the prices and options' worth at hand, funding taken off; of futures without their
    /// cost.
    fn value(&mut self, portfolio: &Portfolio, funding: f64) {
        let Self { groups, prices, worth, units, .. } = self;
        units.resize(portfolio.len(), 0.0);
        let (options, others) = units.split_at_mut(worth.len());
        for group in groups.iter() {
            let unit = group.unit(prices);
            let each = options[group.options.clone()].iter_mut().zip(&worth[group.options.clone()]);
            each.for_each(|(value, worth)| *value = worth * unit);
        }
        for (value, line) in others.iter_mut().zip(&portfolio.others) {
            *value = portfolio.unit(&portfolio.lines[*line], funding, prices);
        }
    }

    /// Quantities of options × what their prices count in the currency that they are told in, if they are not there.
    pub(super) fn weigh(&mut self) {
        if self.weighted {
            return;
        }
        let Self { groups, smiles, weights, .. } = self;
        weights.refill(groups.iter().flat_map(|group| {
            let unit = if group.coin { group.parity } else { 1.0 };
            smiles[group.options.clone()].iter().map(move |smile| smile.quantity * unit)
        }));
        self.weighted = true;
    }
}

impl Group {
    /// Whether the options of two groups move by one factor.
    pub(super) fn together(&self, other: &Self) -> bool {
        let key = |group: &Self| (group.underlying, group.settlement, group.quote, group.coin);
        key(self) == key(other)
    }

    /// Years to expiry after some time, and the discount factor then.
    pub(super) fn left(&self, portfolio: &Portfolio, after: Duration) -> (f64, f64) {
        let years = portfolio.years(&portfolio.terms[self.term], after);
        let discount = if self.discount == 1.0 || self.years == 0.0 || years == self.years {
            self.discount
        } else {
            exp(ln(self.discount) * (years / self.years))
        };
        (years, discount)
    }

    /// The forward in the currency that its options' prices are in.
    fn quotes(&self, portfolio: &Portfolio) -> f64 {
        if self.coin { self.forward } else { self.forward / portfolio.currencies[self.quote].price }
    }

    /// USD that one of what its options are priced in is worth. Options paid for in coin are worth their price ÷ forward in coins, each
    /// at the coin's price: the two move alike.
    fn unit(&self, prices: &[f64]) -> f64 {
        if self.coin { self.parity } else { self.paid(prices) }
    }

    /// The same of what [`Revaluation::weigh`] counts.
    pub(super) fn paid(&self, prices: &[f64]) -> f64 {
        if self.coin { 1.0 } else { prices[self.settlement] }
    }

    /// What an option's own forward is multiplied by.
    pub(super) fn factor(&self, portfolio: &Portfolio, prices: &[f64]) -> f64 {
        let factor = |at: usize| prices[at] / portfolio.currencies[at].price;
        if self.coin { factor(self.underlying) } else { factor(self.underlying) / factor(self.quote) }
    }
}

/// Refuses a scenario that throws a forward out of its range.
fn check_forwards(
    groups: &[Group],
    portfolio: &Portfolio,
    scenario: &Scenario,
    prices: &[f64],
) -> Result<(), ScenarioError> {
    for run in groups.chunk_by(Group::together) {
        let factor = run[0].factor(portfolio, prices);
        for group in run {
            check(Field::Forward, group.quoted * factor).map_err(|refusal| ScenarioError::Line {
                scenario: scenario.name.clone(),
                line: portfolio.options[group.options.start],
                refusal,
            })?;
        }
    }
    Ok(())
}

/// What a scenario makes of a group's time, discount and volatilities.
struct Shape {
    years: f64,
    discount: f64,
    level: f64,
    shift: f64,
    skew: f64,
    /// ln of what the forward is multiplied by, if smiles follow it.
    by: f64,
}

impl Shape {
    fn new(portfolio: &Portfolio, scenario: &Scenario, group: &Group, prices: &[f64]) -> Self {
        let (years, discount) = group.left(portfolio, scenario.time);
        let vol = &scenario.vol;
        let weight = tenor_weight(vol, group.days);
        let level = vol.level(group.days, weight);
        let by = if scenario.sticky == Sticky::Moneyness { ln(group.factor(portfolio, prices)) } else { 0.0 };
        Self { years, discount, level, shift: vol.absolute * weight, skew: vol.skew_at(group.days), by }
    }

    /// An option's volatility.
    #[inline]
    fn vol(
        &self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        group: &Group,
        (index, smile): (usize, &Smile),
        whole: Option<&impl Fn(usize, f64, f64) -> f64>,
    ) -> f64 {
        let VolMove { floor, .. } = scenario.vol;
        let place = || ln(smile.strike / group.quoted);
        let follow = match whole {
            _ if self.by == 0.0 => 0.0,
            None => -smile.slope * self.by,
            Some(whole) => whole(portfolio.options[index], place(), self.by),
        };
        let skew = if self.skew == 0.0 { 0.0 } else { self.skew * place() };
        let moved = (smile.vol + follow) * self.level + self.shift + skew;
        // Not `max`, which would make a floor of what is no number.
        if moved < floor { floor } else { moved }
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
        self.revaluation.run_prepared(self.portfolio, scenarios, outcomes, None::<fn(usize, f64, f64) -> f64>)
    }

    /// What the account is worth under a scenario, in its currency, without what each holding gains: [`Outcomes::value`] and the total to
    /// rounding, in half the time.
    ///
    /// # Errors
    ///
    /// As [`Revaluation::run`].
    pub fn value(&mut self, scenario: &Scenario) -> Result<f64, ScenarioError> {
        self.revaluation.worth_under(self.portfolio, scenario)
    }
}

/// (30 ÷ days)^power.
pub(super) fn tenor_weight(vol: &VolMove, days: f64) -> f64 {
    let days = days.max(vol.shortest_days);
    let power = if days < REFERENCE_DAYS { vol.short_power } else { vol.long_power };
    if power == 0.0 { 1.0 } else { exp(power * ln(REFERENCE_DAYS / days)) }
}

pub(super) fn check_scenario(scenario: &Scenario) -> Result<(), ScenarioError> {
    let refuse = |what, value| Err(ScenarioError::Move { scenario: scenario.name.clone(), what, value });
    let VolMove { shortest_days, floor, .. } = scenario.vol;
    let fields = scenario.vol.fields();
    if !(fields.iter().all(|(_, value)| value.is_finite()) && shortest_days > 0.0 && floor >= 0.0) {
        let fits = |what: &str, value: f64| match what {
            "shortest tenor in days" => value > 0.0,
            "floor of volatility" => value >= 0.0,
            _ => true,
        };
        if let Some((what, value)) = fields.into_iter().find(|(what, value)| !(value.is_finite() && fits(what, *value)))
        {
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
fn total(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let blocks = values.chunks_exact(LANES);
    let rest = blocks.remainder();
    for block in blocks {
        lanes.iter_mut().zip(block).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane += value);
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}
