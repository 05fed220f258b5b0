//! PMRM-2: the worst of scenarios and of the basis, with discounts to what options are worth then.

use super::terms::{CollateralTerms, Pmrm2Scenario, Pmrm2Terms, VolMove};
use crate::venues::grid::{Grid, Leg, Move, Shared};
use crate::venues::portfolio::{doubt, refused};
use crate::venues::{
    Component, Figure, Margin, MarginError, Parameters, Place, Portfolio, Position, ScenarioRow, Term,
};
use market::{Currency, InstrumentKind};
use pricing::options::{Field, Refusal, Simd};
use units::math::{exp, ln, pow, sqrt};
use units::{Duration, Qty, Timestamp};

const MODEL: &str = "Derive PMRM-2";
/// Moves in front of the scenarios: none, and the two of the basis.
pub(super) const FIRST: usize = 3;
const MONTH: f64 = 30.0 * 86_400.0;
const YEAR: f64 = 365.0 * 86_400.0;

/// An account under PMRM-2: one coin's options and perpetual, collateral and cash. Every option's value in every scenario is kept, so that
/// a fill costs less than two microseconds.
#[derive(Debug, Clone)]
pub struct Pmrm2 {
    pub(super) at: Timestamp,
    pub(super) coin: Currency,
    pub(super) terms: Pmrm2Terms,
    notes: Vec<String>,
    pub(super) cash_currency: Currency,
    pub(super) grid: Grid,
    pub(super) expiries: Vec<Expiry>,
    /// The option of each position's row.
    options: Vec<Option<usize>>,
    /// By option.
    pub(super) strikes: Vec<f64>,
    /// By option.
    pub(super) log_strikes: Vec<f64>,
    /// By option.
    pub(super) vols: Vec<f64>,
    /// Index when the account was made: what all that moves with it is told from.
    first: f64,
    spot: f64,
    stable: f64,
    pub(super) confidence: f64,
    pub(super) cash: f64,
    pub(super) perpetual: Option<Perpetual>,
    pub(super) collateral: Vec<Held>,
}

#[derive(Debug, Clone)]
pub(super) struct Expiry {
    pub(super) at: Timestamp,
    pub(super) forward: f64,
    /// Not under zero.
    pub(super) rate: f64,
    shocks: Shocks,
    factors: Factors,
    pub(super) confidence: f64,
    /// Options sold beyond what is held at the same strike, and the sum of all quantities without sign.
    pub(super) naked: f64,
    gross: f64,
}

/// What the value of an expiry is multiplied by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors {
    /// Where it is not under zero, and where it is.
    pub(super) gain: f64,
    pub(super) loss: f64,
    /// Of the loss in the worse basis move.
    pub(super) basis: f64,
}

impl Factors {
    pub(super) fn new(terms: &Pmrm2Terms, rate: f64, years: f64, discount: f64) -> Self {
        Self {
            gain: terms.gain_discount * exp(-years * (rate * terms.gain_rate_factor + terms.gain_rate_add)),
            loss: (1.0 / discount)
                .min(terms.loss_discount * exp(years * (rate * terms.loss_rate_factor + terms.loss_rate_add))),
            basis: terms.basis_add + terms.basis_per_year * years,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Perpetual {
    pub(super) row: usize,
    pub(super) quantity: f64,
    mark: f64,
    profit: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) terms: CollateralTerms,
    pub(super) amount: f64,
    value: f64,
    pub(super) confidence: f64,
}

impl Held {
    /// Its value once the coin has moved.
    fn worth(&self, moved: f64) -> f64 {
        if self.terms.risk_cancelling { self.value * moved } else { self.value }
    }
}

impl Perpetual {
    fn profit(&self, moved: f64) -> f64 {
        self.profit + self.quantity * self.mark * (moved - 1.0)
    }
}

/// What PMRM-2 adds up, in dollars. The figures that decide, without names.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pmrm2Sums {
    /// Cash, collateral, options and the perpetual's profit at their marks.
    pub equity: f64,
    /// Equity less initial margin.
    pub initial_excess: f64,
    /// Equity less maintenance margin.
    pub maintenance_excess: f64,
    /// The worst scenario's profit, or the basis contingency if that is less.
    pub worst: f64,
    /// Which scenario that is; `None`: the basis contingency.
    pub worst_scenario: Option<usize>,
    /// What options are worth now.
    pub options: f64,
    /// What collateral is worth before haircuts.
    pub collateral: f64,
    /// Loss in the worse basis move of each expiry, times its factor: not over zero.
    pub basis: f64,
    /// Maintenance: the perpetual's.
    pub perpetual_maintenance: f64,
    /// Maintenance: of naked shorts.
    pub option_maintenance: f64,
    /// Maintenance: haircuts.
    pub collateral_maintenance: f64,
    /// Initial, on top: the perpetual's.
    pub perpetual_initial: f64,
    /// Initial, on top: of naked shorts.
    pub option_initial: f64,
    /// Initial, on top: haircuts.
    pub collateral_initial: f64,
    /// Initial, on top: oracles that are not sure.
    pub confidence: f64,
    /// Factor of the worst loss in initial margin.
    pub initial_factor: f64,
}

impl Pmrm2 {
    /// Values a portfolio of one coin with cash in one currency.
    ///
    /// # Errors
    ///
    /// Parameters that do not hold; what has no rule, mark, forward, volatility or terms, by row.
    pub fn new(
        portfolio: &Portfolio,
        parameters: &Parameters,
        (coin, cash): (Currency, Currency),
        simd: Simd,
    ) -> Result<Self, MarginError> {
        parameters.check(portfolio.at)?;
        let mut account = Self::with(portfolio, Pmrm2Terms::new(parameters)?, (coin, cash), simd)?;
        for (row, position) in portfolio.positions.iter().enumerate() {
            if let (Some(option), Some(mark)) = (account.options[row], position.mark) {
                let stands = "the venue's rule goes by the volatility";
                let (mark, model) = (mark.approximate(), account.grid.unit(option, 0));
                account.notes.extend(doubt(position, mark, model, account.spot, stands));
            }
        }
        account.notes.extend(parameters.notes());
        Ok(account)
    }

    /// The same with terms that come from no file.
    ///
    /// # Errors
    ///
    /// What has no rule, mark, forward, volatility or terms, by row.
    pub fn with(
        portfolio: &Portfolio,
        terms: Pmrm2Terms,
        (coin, cash): (Currency, Currency),
        simd: Simd,
    ) -> Result<Self, MarginError> {
        portfolio.check()?;
        portfolio.check_together(MODEL)?;
        let spot = portfolio.underlying_of_all(coin)?;
        let moves = [1.0, terms.basis_up, terms.basis_down].map(|spot| Move { spot, vols: VolMove::Same.column() });
        let scenarios = terms.scenarios.iter().map(|scenario| Move {
            // A bent smile is valued where spot is.
            spot: if scenario.vol.is_skew() { 1.0 } else { scenario.spot },
            vols: scenario.vol.column(),
        });
        let grid = Grid::new(moves.into_iter().chain(scenarios).collect(), VolMove::ALL.len());
        let mut account = Self {
            at: portfolio.at,
            coin,
            grid,
            notes: Vec::new(),
            cash_currency: cash,
            expiries: Vec::new(),
            options: vec![None; portfolio.positions.len()],
            strikes: Vec::new(),
            log_strikes: Vec::new(),
            vols: Vec::new(),
            first: spot.index,
            spot: spot.index,
            stable: portfolio.underlying_of_all(cash)?.index,
            confidence: spot.confidence,
            cash: portfolio.amount(cash).approximate(),
            perpetual: None,
            collateral: Vec::new(),
            terms,
        };
        account.take_positions(portfolio, coin)?;
        account.take_collateral(portfolio, spot.confidence)?;
        account.grid.revalue(simd).map_err(|refusal| refused(Place::Account, "a scenario", refusal))?;
        Ok(account)
    }

    fn take_positions(&mut self, portfolio: &Portfolio, coin: Currency) -> Result<(), MarginError> {
        for (row, position) in portfolio.positions.iter().enumerate() {
            let kind = position.instrument.kind;
            match kind {
                _ if position.instrument.base != coin => return Err(position.unknown(row, MODEL)),
                InstrumentKind::LinearPerpetual if self.perpetual.is_none() => {
                    self.perpetual = Some(Perpetual {
                        row,
                        quantity: position.quantity.approximate(),
                        mark: position.needed_mark(row)?.approximate(),
                        profit: position.profit(row)?.approximate(),
                    });
                    if !position.quantity.is_zero() {
                        self.confidence = self.confidence.min(position.confidence);
                    }
                }
                InstrumentKind::LinearOption { expiry, .. } => {
                    portfolio.term(row, &position.instrument, expiry)?;
                }
                _ => return Err(position.unknown(row, MODEL)),
            }
        }
        for term in portfolio.expiries.iter().filter(|term| term.underlying == coin) {
            self.take_expiry(portfolio, term)?;
        }
        Ok(())
    }

    fn take_expiry(&mut self, portfolio: &Portfolio, term: &Term) -> Result<(), MarginError> {
        let held = |position: &Position| {
            position.instrument.kind.is_option() && position.instrument.kind.expiry() == Some(term.expiry)
        };
        let mut rows: Vec<usize> =
            (0..portfolio.positions.len()).filter(|row| held(&portfolio.positions[*row])).collect();
        let Some(first) = rows.first().copied() else { return Ok(()) };
        // Both rights of a strike beside each other: naked shorts are counted by strike.
        rows.sort_by_key(|row| portfolio.positions[*row].instrument.kind.option().map(|(strike, _)| strike));
        let seconds = (i128::from(term.expiry.nanos()) - i128::from(portfolio.at.nanos())) as f64 / 1e9;
        if seconds < 0.0 {
            let symbol = portfolio.positions[first].instrument.symbol.clone();
            return Err(MarginError::Expired { row: first, symbol, expiry: term.expiry });
        }
        let years = if seconds > 1.0 { seconds / YEAR } else { 0.0 };
        // The venue takes no rate under zero.
        let rate = term.rate.max(0.0);
        let shared = Shared { forward: term.forward, years, discount: exp(-rate * years) };
        let mut legs = Vec::with_capacity(rows.len());
        let mut vols = Vec::with_capacity(rows.len());
        for row in &rows {
            let position = &portfolio.positions[*row];
            if let Some((strike, kind)) = position.instrument.kind.option() {
                self.options[*row] = Some(self.strikes.len());
                self.strikes.push(strike.approximate());
                legs.push(Leg { kind, strike: strike.approximate(), quantity: position.quantity.approximate() });
                vols.push(position.needed_vol(*row)?);
            }
        }
        let log_forward = ln(term.forward);
        let log_strikes: Vec<f64> = legs.iter().map(|leg| ln(leg.strike)).collect();
        let shocks = Shocks::new(&self.terms, seconds, years);
        let vol = |at: usize, column: usize| {
            let moneyness = log_strikes[at] - log_forward;
            shocks.vol(&self.terms, VolMove::ALL[column], vols[at], moneyness)
        };
        let pushed = self.grid.push(shared, &legs, vol);
        pushed.map_err(|(at, refusal)| {
            refused(Place::Position(rows[at]), &portfolio.positions[rows[at]].instrument.symbol, refusal)
        })?;
        self.vols.extend(vols);
        self.log_strikes.extend(log_strikes);
        let terms = &self.terms;
        self.expiries.push(Expiry {
            at: term.expiry,
            forward: term.forward,
            rate,
            shocks,
            factors: Factors::new(terms, rate, years, shared.discount),
            confidence: self.confidence.min(term.confidence),
            naked: 0.0,
            gross: 0.0,
        });
        self.count_naked(self.expiries.len() - 1);
        Ok(())
    }

    fn take_collateral(&mut self, portfolio: &Portfolio, spot_confidence: f64) -> Result<(), MarginError> {
        for (row, balance) in portfolio.balances.iter().enumerate() {
            if balance.currency == self.cash_currency || balance.amount.is_zero() {
                continue;
            }
            let terms = terms_of(&self.terms.collateral, row, balance.currency)?;
            let price = portfolio.underlying(Place::Balance(row), balance.currency)?;
            let amount = balance.amount.approximate();
            let value = amount * price.index / self.stable;
            // The venue looks at spot's oracle here, not at the perpetual's.
            self.collateral.push(Held { terms, amount, value, confidence: price.confidence.min(spot_confidence) });
        }
        Ok(())
    }

    /// Changes how much is held of a position. Cash is not touched: what was paid is [`deposit`](Self::deposit)ed. Gives whether the
    /// position is there.
    pub fn hold(&mut self, row: usize, quantity: Qty) -> bool {
        if let Some(option) = self.options.get(row).copied().flatten() {
            if let Some(expiry) = self.grid.hold(option, quantity.approximate()) {
                self.count_naked(expiry);
            }
            return true;
        }
        let moved = self.moved();
        match self.perpetual.as_mut().filter(|perpetual| perpetual.row == row) {
            Some(perpetual) => {
                // What is added or taken away changes hands at the mark of now: the profit so far stays.
                let quantity = quantity.approximate();
                perpetual.profit += (perpetual.quantity - quantity) * perpetual.mark * (moved - 1.0);
                perpetual.quantity = quantity;
                true
            }
            None => false,
        }
    }

    /// A tick: the coin's index is this now, and forwards, the perpetual's mark and profit, and collateral that moves with the coin
    /// have moved with it in proportion, as from when the account was made. Volatilities stay where they are by strike. What other
    /// ticks came before does not count.
    ///
    /// # Errors
    ///
    /// An index, or a forward that follows from it, outside the range of prices; the account is worth nothing then, and must be ticked
    /// again.
    pub fn set_index(&mut self, index: f64, simd: Simd) -> Result<(), MarginError> {
        let refuse = |refusal: Refusal| refused(Place::Account, "the account", refusal);
        let Self { terms, expiries, vols, log_strikes, grid, first, spot, .. } = self;
        let factor = index / *first;
        let vol = |expiry: usize, option: usize, column: usize, log_forward: f64| {
            let shocks: &Shocks = &expiries[expiry].shocks;
            shocks.vol(terms, VolMove::ALL[column], vols[option], log_strikes[option] - log_forward)
        };
        if !(index.is_finite() && index > 0.0) {
            return Err(refuse(Refusal { field: Field::Forward, value: index }));
        }
        let bent = VolMove::Linear.column()..VolMove::ALL.len();
        grid.move_forwards(|expiry| expiries[expiry].forward * factor, bent, vol).map_err(refuse)?;
        grid.revalue(simd).map_err(refuse)?;
        *spot = index;
        Ok(())
    }

    /// How far the index is from where it was when the account was made.
    fn moved(&self) -> f64 {
        self.spot / self.first
    }

    /// Adds to cash.
    pub fn deposit(&mut self, amount: units::Cash) {
        self.cash += amount.approximate();
    }

    /// Adds everything up. Allocates nothing.
    #[must_use]
    pub fn sums(&self) -> Pmrm2Sums {
        let terms = &self.terms;
        let mut sums = Pmrm2Sums::default();
        if let Some(perpetual) = &self.perpetual {
            let notional = perpetual.quantity.abs() * self.spot;
            sums.perpetual_maintenance = notional * terms.perpetual_maintenance;
            sums.perpetual_initial = notional * terms.perpetual_initial;
            sums.confidence += self.unsure(self.confidence, notional);
        }
        for (index, expiry) in self.expiries.iter().enumerate() {
            let total = |scenario: usize| self.grid.total(index, scenario);
            sums.options += total(0);
            let change = (total(1) - total(0)).min(total(2) - total(0)).min(0.0);
            sums.basis += change * expiry.factors.basis;
            sums.option_maintenance += expiry.naked * self.spot * terms.option_maintenance;
            sums.option_initial += expiry.naked * self.spot * terms.option_initial;
            sums.confidence += self.unsure(expiry.confidence, expiry.gross * self.spot);
        }
        for held in &self.collateral {
            let value = held.worth(self.moved());
            sums.collateral += value;
            sums.collateral_maintenance += value * held.terms.maintenance;
            sums.collateral_initial += value * held.terms.initial;
            sums.confidence += self.unsure(held.confidence, value);
        }
        sums.worst = sums.basis;
        for scenario in 0..terms.scenarios.len() {
            let profit = self.profit(scenario);
            if profit < sums.worst {
                sums.worst = profit;
                sums.worst_scenario = Some(scenario);
            }
        }
        sums.initial_factor = terms.initial_factor + (terms.peg_threshold - self.stable).max(0.0) * terms.peg_factor;
        sums.equity = self.cash
            + sums.options
            + sums.collateral
            + self.perpetual.map_or(0.0, |perpetual| perpetual.profit(self.moved()));
        let maintenance = sums.perpetual_maintenance + sums.option_maintenance + sums.collateral_maintenance;
        let initial = sums.perpetual_initial + sums.option_initial + sums.collateral_initial + sums.confidence;
        sums.maintenance_excess = sums.worst * terms.maintenance_factor - maintenance + sums.equity;
        sums.initial_excess = sums.worst * sums.initial_factor - initial - maintenance + sums.equity;
        sums
    }

    /// A scenario's profit over the marks, weighted.
    #[must_use]
    pub fn profit(&self, scenario: usize) -> f64 {
        let which = self.terms.scenarios[scenario];
        let shift = which.spot - 1.0;
        let mut profit =
            self.perpetual.map_or(0.0, |perpetual| perpetual.quantity * perpetual.mark * self.moved() * shift)
                * which.weight;
        for index in 0..self.expiries.len() {
            profit += self.profit_of(index, scenario);
        }
        for held in self.collateral.iter().filter(|held| held.terms.risk_cancelling) {
            profit += held.worth(self.moved()) * shift * which.weight;
        }
        profit
    }

    /// What an expiry's options gain in a scenario over the marks, weighted.
    fn profit_of(&self, index: usize, scenario: usize) -> f64 {
        let (which, expiry) = (self.terms.scenarios[scenario], &self.expiries[index]);
        let value = self.grid.total(index, FIRST + scenario);
        let discounted = value * if value >= 0.0 { expiry.factors.gain } else { expiry.factors.loss };
        let change = (discounted - self.grid.total(index, 0)) * which.weight;
        if which.vol.is_skew() { -change.abs() } else { change }
    }

    /// Counts an expiry's naked shorts anew; strikes lie beside each other.
    fn count_naked(&mut self, expiry: usize) {
        let (mut naked, mut gross, mut net, mut strike) = (0.0, 0.0, 0.0_f64, f64::NAN);
        for option in self.grid.expiry(expiry) {
            if self.strikes[option] != strike {
                naked += (-net).max(0.0);
                (net, strike) = (0.0, self.strikes[option]);
            }
            let quantity = self.grid.quantity(option);
            net += quantity;
            gross += quantity.abs();
        }
        self.expiries[expiry].naked = naked + (-net).max(0.0);
        self.expiries[expiry].gross = gross;
    }

    fn unsure(&self, confidence: f64, notional: f64) -> f64 {
        let Pmrm2Terms { confidence_threshold, confidence_factor, .. } = self.terms;
        if confidence < confidence_threshold { (1.0 - confidence) * confidence_factor * notional } else { 0.0 }
    }

    /// The margin with every component and scenario.
    #[must_use]
    pub fn margin(&self) -> Margin {
        let sums = self.sums();
        let mut components = Vec::new();
        let mut add = |name: &str, position: Option<usize>, value: f64| {
            components.push(Component::new(name, position, Figure::estimated(value)));
        };
        add("cash", None, self.cash);
        for held in &self.collateral {
            add(&format!("collateral {}", held.terms.currency), None, held.worth(self.moved()));
        }
        if let Some(perpetual) = &self.perpetual {
            add("perpetual profit", Some(perpetual.row), perpetual.profit(self.moved()));
        }
        for (row, option) in self.options.iter().enumerate() {
            if let Some(option) = option {
                add("option value", Some(row), self.grid.quantity(*option) * self.grid.unit(*option, 0));
            }
        }
        for (index, expiry) in self.expiries.iter().enumerate() {
            add(&format!("options of {}", expiry.at), None, self.grid.total(index, 0));
        }
        if let Some(worst) = sums.worst_scenario {
            let Pmrm2Scenario { spot, weight, .. } = self.terms.scenarios[worst];
            let by = (spot - 1.0) * weight;
            if let Some(Perpetual { row, quantity, mark, .. }) = self.perpetual {
                add("in the worst case", Some(row), quantity * mark * self.moved() * by);
            }
            for (index, expiry) in self.expiries.iter().enumerate() {
                add(&format!("worst scenario, options of {}", expiry.at), None, self.profit_of(index, worst));
            }
            for held in self.collateral.iter().filter(|held| held.terms.risk_cancelling) {
                let name = format!("worst scenario, collateral {}", held.terms.currency);
                add(&name, None, held.worth(self.moved()) * by);
            }
        }
        for (name, value) in [
            ("basis contingency", sums.basis),
            ("worst loss", sums.worst),
            ("loss factor, initial", sums.initial_factor),
            ("loss factor, maintenance", self.terms.maintenance_factor),
            ("perpetual contingency, maintenance", sums.perpetual_maintenance),
            ("option contingency, maintenance", sums.option_maintenance),
            ("collateral haircut, maintenance", sums.collateral_maintenance),
            ("perpetual contingency, initial", sums.perpetual_initial),
            ("option contingency, initial", sums.option_initial),
            ("collateral haircut, initial", sums.collateral_initial),
            ("oracle contingency, initial", sums.confidence),
        ] {
            add(name, None, value);
        }
        let row = |index: usize| {
            let scenario = self.terms.scenarios[index];
            let mut name = format!("spot {:+.2} %, vol {}", (scenario.spot - 1.0) * 100.0, scenario.vol);
            if scenario.weight != 1.0 {
                name += &format!(", weight {:.4}", scenario.weight);
            }
            ScenarioRow { name, profit: self.profit(index) }
        };
        Margin {
            model: MODEL,
            currency: self.cash_currency,
            equity: Figure::estimated(sums.equity),
            initial: Figure::estimated(sums.equity - sums.initial_excess),
            maintenance: Figure::estimated(sums.equity - sums.maintenance_excess),
            components,
            scenarios: (0..self.terms.scenarios.len()).map(row).collect(),
            worst: sums.worst_scenario,
            notes: self.notes.clone(),
        }
    }
}

/// What a currency is worth as collateral, of those with terms.
fn terms_of(known: &[CollateralTerms], row: usize, currency: Currency) -> Result<CollateralTerms, MarginError> {
    let parameter = || format!("collateral.{currency},risk-cancelling:haircut of initial:of maintenance margin");
    let unknown = || MarginError::UnknownCollateral { row, currency, parameter: parameter() };
    known.iter().find(|terms| terms.currency == currency).copied().ok_or_else(unknown)
}

/// The same by parameters.
pub(crate) fn collateral_terms(
    parameters: &Parameters,
    row: usize,
    currency: Currency,
) -> Result<CollateralTerms, MarginError> {
    terms_of(&Pmrm2Terms::new(parameters)?.collateral, row, currency)
}

/// What an expiry's length makes of volatilities.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shocks {
    up: f64,
    down: f64,
    linear_cap: f64,
    absolute_cap: f64,
    width: f64,
}

impl Shocks {
    pub(super) fn new(terms: &Pmrm2Terms, seconds: f64, years: f64) -> Self {
        let power = if seconds <= MONTH { terms.short_term_power } else { terms.long_term_power };
        let day = Duration::DAY.nanos() as f64 / 1e9;
        let factor = pow(MONTH / seconds.max(terms.days_floor * day), power);
        let root = sqrt(years);
        let width = root * terms.width_scale * (terms.width_vol + root * terms.width_vol_slope);
        Self {
            up: 1.0 + terms.vol_range_up * factor,
            down: (1.0 - terms.vol_range_down * factor).max(0.0),
            linear_cap: terms.linear_cap + terms.linear_cap_slope * root,
            absolute_cap: terms.absolute_cap + terms.absolute_cap_slope * root,
            width: width.max(terms.width_min),
        }
    }

    /// Those of two lengths, each number of either.
    pub(super) fn with(&self, other: &Self) -> [Self; 4] {
        [*self, *other, Self { width: other.width, ..*self }, Self { width: self.width, ..*other }]
    }

    pub(super) fn vol(&self, terms: &Pmrm2Terms, shock: VolMove, vol: f64, moneyness: f64) -> f64 {
        let bent = |cap: f64, k: f64| {
            let bend = if k >= 0.0 { cap.min(k * cap / self.width) } else { (-cap).max(k * cap / self.width) };
            vol * (1.0 + bend).max(0.0)
        };
        match shock {
            VolMove::Same => vol,
            VolMove::Up => (vol * self.up).max(terms.vol_floor_up),
            VolMove::Down => vol * self.down,
            VolMove::Linear => bent(self.linear_cap, moneyness),
            VolMove::Absolute => bent(self.absolute_cap, moneyness.abs()),
        }
    }
}
