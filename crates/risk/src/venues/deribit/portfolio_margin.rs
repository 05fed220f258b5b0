//! Portfolio margin of one coin's inverse contracts, in coin.

use super::{net_delta, undecided};
use crate::venues::grid::{Grid, Leg, Move, Shared};
use crate::venues::portfolio::{doubt, refused};
use crate::venues::{
    Component, Figure, Margin, MarginError, Parameters, Place, Portfolio, Position, ScenarioRow, Term,
};
use market::{Currency, InstrumentKind};
use pricing::options::{EuropeanOption, Inputs, Simd};
use units::math::pow;
use units::{Duration, Qty, Timestamp};

const MODEL: &str = "Deribit portfolio margin";
/// Columns of volatilities: up, same, down, in the order of the venue's vectors.
const UP: usize = 0;
pub(super) const SAME: usize = 1;
const DOWN: usize = 2;
const NAMES: [&str; 3] = ["up", "same", "down"];
const YEAR: f64 = 365.0;

/// Margins that the venue states and that no rule known here gives.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StatedMargins {
    /// Of spot orders.
    pub spot: f64,
    /// Of market maker protection.
    pub mmp: f64,
    /// Of open orders; `None`: by the worst subset in each scenario, which is not the venue's published rule.
    pub open_orders: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Terms {
    vol_range_up: f64,
    vol_range_down: f64,
    vol_floor_up: f64,
    short_term_power: f64,
    long_term_power: f64,
    days_floor: f64,
    pub(super) pnl_offset: f64,
    roll_least: f64,
    roll_per_year: f64,
    pub(super) delta_shock_threshold: f64,
    pub(super) delta_shock_most: f64,
    pub(super) maintenance_factor: f64,
}

impl Terms {
    /// What the ranges of volatilities are multiplied by: one way with time.
    pub(super) fn factor(&self, days: f64) -> f64 {
        let power = if days <= 30.0 { self.short_term_power } else { self.long_term_power };
        pow(30.0 / days.max(self.days_floor), power)
    }

    /// A volatility in a column.
    pub(super) fn vol(&self, vol: f64, column: usize, factor: f64) -> f64 {
        match column {
            UP => (vol * (1.0 + self.vol_range_up * factor)).max(self.vol_floor_up),
            DOWN => (vol * (1.0 - self.vol_range_down * factor)).max(0.0),
            _ => vol,
        }
    }

    /// What a coin of a future adds for rolling it; of a perpetual it is the least. What is settled already is not rolled.
    pub(super) fn roll(&self, expiry: Option<Timestamp>, at: Timestamp) -> f64 {
        let (years, open) = expiry.map_or((0.0, 1.0), |expiry| (expiry.since(at).days() / YEAR, undecided(at, expiry)));
        self.roll_least.max(self.roll_per_year * years) * open
    }
}

/// A scenario of the standard or the extended table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scenario {
    pub(super) shift: f64,
    pub(super) vols: usize,
    /// Weight of options; futures do not enter the extended table's sum.
    pub(super) weight: f64,
    pub(super) extended: bool,
    /// The move at which a future is valued: at most the price range.
    pub(super) edge: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Future {
    pub(super) row: usize,
    pub(super) coins: f64,
    pub(super) mark: f64,
    open: f64,
    roll: f64,
    pub(super) expiry: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Expiry {
    pub(super) at: Timestamp,
    pub(super) forward: f64,
    open: f64,
}

/// An account under portfolio margin in one coin: inverse perpetuals, futures and options on it.
#[derive(Debug, Clone)]
pub struct DeribitPortfolio {
    pub(super) at: Timestamp,
    pub(super) coin: Currency,
    pub(super) terms: Terms,
    notes: Vec<String>,
    pub(super) scenarios: Vec<Scenario>,
    index: f64,
    pub(super) balance: f64,
    futures_profit: f64,
    pub(super) futures: Vec<Future>,
    pub(super) grid: Grid,
    pub(super) expiries: Vec<Expiry>,
    options: Vec<Option<usize>>,
    /// By option: net delta of one, in coin.
    pub(super) deltas: Vec<f64>,
    /// By option: what its mark is over what its volatility makes it, in coin.
    pub(super) excess: Vec<f64>,
    /// By option: its expiry.
    of: Vec<usize>,
    pub(super) stated: StatedMargins,
    /// Coins or option quantity of each order, by position row.
    orders: Vec<(usize, f64)>,
}

/// The profits of one position in the venue's tables, in coin.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskVector {
    /// Lowest move first, at each volatility up, same and down.
    pub standard: Vec<f64>,
    /// The extended table, before weights.
    pub extended: Vec<f64>,
}

/// What the model adds up, in coin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DeribitSums {
    /// Balance, profit of futures and value of options.
    pub equity: f64,
    /// The worst scenario's loss, at least zero.
    pub worst_loss: f64,
    /// Which scenario it is.
    pub worst_scenario: Option<usize>,
    /// For rolling futures.
    pub roll_shock: f64,
    /// For the liquidity of a large delta.
    pub delta_shock: f64,
    /// Net deltas of options and futures.
    pub delta_total: f64,
    /// Worst loss and the shocks.
    pub risk_matrix: f64,
    /// Open orders.
    pub open_orders: f64,
    /// Initial margin.
    pub initial: f64,
    /// Maintenance margin.
    pub maintenance: f64,
}

impl DeribitPortfolio {
    /// Values a portfolio of inverse contracts on one coin.
    ///
    /// # Errors
    ///
    /// Parameters that do not hold; what has no rule, mark, forward or volatility, by row.
    pub fn new(
        portfolio: &Portfolio,
        parameters: &Parameters,
        coin: Currency,
        stated: StatedMargins,
        simd: Simd,
    ) -> Result<Self, MarginError> {
        parameters.check(portfolio.at)?;
        portfolio.check()?;
        portfolio.check_together(MODEL)?;
        let within = |name: &str, high: f64| parameters.within(name, 0.0, high);
        let scenarios = scenarios(parameters)?;
        let terms = Terms {
            vol_range_up: within("vol_range_up", 10.0)?,
            vol_range_down: parameters.share("vol_range_down")?,
            vol_floor_up: within("vol_floor_up", 100.0)?,
            short_term_power: within("short_term_power", 5.0)?,
            long_term_power: within("long_term_power", 5.0)?,
            days_floor: parameters.within("days_floor", 1e-3, 365.0)?,
            pnl_offset: parameters.share("pnl_offset")?,
            roll_least: within("roll_least", 10.0)?,
            roll_per_year: within("roll_per_year", 10.0)?,
            delta_shock_threshold: within("delta_shock_threshold", 1e15)?,
            delta_shock_most: parameters.share("delta_shock_most")?,
            maintenance_factor: parameters.share("maintenance_factor")?,
        };
        let moves = scenarios.iter().map(|scenario| Move { spot: 1.0 + scenario.shift, vols: scenario.vols });
        let now = Move { spot: 1.0, vols: SAME };
        let mut account = Self {
            at: portfolio.at,
            grid: Grid::new(std::iter::once(now).chain(moves).collect(), NAMES.len()),
            coin,
            terms,
            notes: Vec::new(),
            scenarios,
            index: portfolio.underlying_of_all(coin)?.index,
            balance: portfolio.amount(coin).approximate(),
            futures_profit: 0.0,
            futures: Vec::new(),
            expiries: Vec::new(),
            options: vec![None; portfolio.positions.len()],
            deltas: Vec::new(),
            excess: Vec::new(),
            of: Vec::new(),
            stated,
            orders: Vec::new(),
        };
        account.take_futures(portfolio)?;
        for term in portfolio.expiries.iter().filter(|term| term.underlying == coin) {
            account.take_expiry(portfolio, term)?;
        }
        account.grid.revalue(simd).map_err(|refusal| refused(Place::Account, "a scenario", refusal))?;
        account.take_orders(portfolio)?;
        account.notes.extend(portfolio.beside(coin));
        account.note(parameters);
        Ok(account)
    }

    fn note(&mut self, parameters: &Parameters) {
        let has_options = self.options.iter().any(Option::is_some);
        if has_options {
            self.notes.push("options: no published figure was reproduced; futures were".to_owned());
            self.notes.push(
                "the dampener of the extended table is left out, its form is unverified: more margin, not less"
                    .to_owned(),
            );
        }
        self.notes.push("delta shock: unverified form, an upper bound is used".to_owned());
        if self.stated.open_orders.is_none() && !self.orders.is_empty() {
            self.notes
                .push("open orders: the worst subset of each scenario, not the venue's published figure".to_owned());
        }
        self.notes.extend(parameters.notes());
    }

    fn take_futures(&mut self, portfolio: &Portfolio) -> Result<(), MarginError> {
        for (row, position) in portfolio.positions.iter().enumerate() {
            let instrument = &position.instrument;
            if instrument.base != self.coin || instrument.settle != self.coin {
                return Err(position.unknown(row, MODEL));
            }
            let (expiry, open) = match instrument.kind {
                InstrumentKind::InversePerpetual => (None, 1.0),
                InstrumentKind::InverseFuture { expiry } | InstrumentKind::InverseOption { expiry, .. }
                    if expiry < portfolio.at =>
                {
                    return Err(MarginError::Expired { row, symbol: instrument.symbol.clone(), expiry });
                }
                InstrumentKind::InverseFuture { expiry } => (Some(expiry), undecided(portfolio.at, expiry)),
                InstrumentKind::InverseOption { expiry, .. } => {
                    portfolio.term(row, instrument, expiry)?;
                    continue;
                }
                _ => return Err(position.unknown(row, MODEL)),
            };
            let mark = position.needed_mark(row)?.approximate();
            self.futures_profit += position.profit(row)?.approximate();
            let (roll, coins) = (self.terms.roll(expiry, portfolio.at), position.quantity.approximate() / mark);
            self.futures.push(Future { row, coins, mark, open, roll, expiry });
        }
        Ok(())
    }

    fn take_expiry(&mut self, portfolio: &Portfolio, term: &Term) -> Result<(), MarginError> {
        let held = |position: &Position| {
            position.instrument.kind.is_option() && position.instrument.kind.expiry() == Some(term.expiry)
        };
        let rows: Vec<usize> = (0..portfolio.positions.len()).filter(|row| held(&portfolio.positions[*row])).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let days =
            (i128::from(term.expiry.nanos()) - i128::from(portfolio.at.nanos())) as f64 / Duration::DAY.nanos() as f64;
        let shared = Shared { forward: term.forward, years: days / YEAR, discount: 1.0 };
        let (mut legs, mut vols) = (Vec::new(), Vec::new());
        for row in &rows {
            let position = &portfolio.positions[*row];
            let Some((strike, kind)) = position.instrument.kind.option() else { continue };
            let vol = position.needed_vol(*row)?;
            let leg = Leg { kind, strike: strike.approximate(), quantity: position.quantity.approximate() };
            let inputs = Inputs { forward: term.forward, strike: leg.strike, years: shared.years, vol, discount: 1.0 };
            let greeks = EuropeanOption::new(kind, inputs)
                .map_err(|refusal| refused(Place::Position(*row), &position.instrument.symbol, refusal))?
                .greeks();
            let open = undecided(portfolio.at, term.expiry);
            self.options[*row] = Some(self.deltas.len());
            let model = greeks.price / term.forward;
            self.deltas.push(net_delta(greeks.delta, model, open));
            let mark = position.needed_mark(*row)?.approximate();
            self.excess.push(mark - model);
            let stands = "its mark stands in the equity, and scenarios start from its volatility";
            self.notes.extend(doubt(position, mark, model, 1.0, stands));
            self.of.push(self.expiries.len());
            legs.push(leg);
            vols.push(vol);
        }
        let factor = self.terms.factor(days);
        let vol = |at: usize, column: usize| self.terms.vol(vols[at], column, factor);
        self.grid.push(shared, &legs, vol).map_err(|(at, refusal)| {
            refused(Place::Position(rows[at]), &portfolio.positions[rows[at]].instrument.symbol, refusal)
        })?;
        let open = undecided(portfolio.at, term.expiry);
        self.expiries.push(Expiry { at: term.expiry, forward: term.forward, open });
        Ok(())
    }

    fn take_orders(&mut self, portfolio: &Portfolio) -> Result<(), MarginError> {
        for (row, order) in portfolio.orders.iter().enumerate() {
            let quantity = order.quantity.approximate();
            let future = self.futures.iter().find(|future| future.row == order.position);
            match (self.options.get(order.position), future) {
                (Some(Some(_)), _) => self.orders.push((order.position, quantity)),
                (_, Some(future)) => self.orders.push((order.position, quantity / future.mark)),
                _ => return Err(MarginError::Order { row, position: order.position }),
            }
        }
        Ok(())
    }

    /// Changes how much is held of a position. Gives whether the position is there.
    pub fn hold(&mut self, row: usize, quantity: Qty) -> bool {
        if let Some(option) = self.options.get(row).copied().flatten() {
            self.grid.hold(option, quantity.approximate());
            return true;
        }
        match self.futures.iter_mut().find(|future| future.row == row) {
            Some(future) => {
                future.coins = quantity.approximate() / future.mark;
                true
            }
            None => false,
        }
    }

    /// The profit of one coin of a future, or of one option, in a scenario, in coin, before weights.
    fn unit(&self, row: usize, scenario: usize) -> f64 {
        let Scenario { shift, edge, .. } = self.scenarios[scenario];
        if let Some(option) = self.options.get(row).copied().flatten() {
            let Expiry { forward, open, .. } = self.expiries[self.of[option]];
            let after = self.grid.unit(option, scenario + 1) / (forward * (1.0 + shift));
            return open * (after - self.grid.unit(option, 0) / forward);
        }
        let future = self.futures.iter().find(|future| future.row == row);
        future.map_or(0.0, |future| future.open * inverse(edge))
    }

    /// The venue's risk vectors of a position; `None` of a row that is not there.
    #[must_use]
    pub fn vector(&self, row: usize) -> Option<RiskVector> {
        let quantity = match self.options.get(row).copied().flatten() {
            Some(option) => self.grid.quantity(option),
            None => self.futures.iter().find(|future| future.row == row)?.coins,
        };
        let profits = |extended: bool| {
            let chosen = self.scenarios.iter().enumerate().filter(move |(_, scenario)| scenario.extended == extended);
            chosen.map(|(at, _)| quantity * self.unit(row, at)).collect()
        };
        Some(RiskVector { standard: profits(false), extended: profits(true) })
    }

    /// The portfolio's profit in a scenario, weighted; what it gains counts in part.
    #[must_use]
    pub fn profit(&self, scenario: usize) -> f64 {
        self.counted(self.bare(scenario, 0.0))
    }

    fn counted(&self, profit: f64) -> f64 {
        if profit > 0.0 { profit * self.terms.pnl_offset } else { profit }
    }

    fn bare(&self, scenario: usize, orders: f64) -> f64 {
        let Scenario { shift, weight, extended, edge, .. } = self.scenarios[scenario];
        let mut profit = 0.0;
        for (index, expiry) in self.expiries.iter().enumerate() {
            let after = self.grid.total(index, scenario + 1) / (expiry.forward * (1.0 + shift));
            profit += expiry.open * (after - self.grid.total(index, 0) / expiry.forward);
        }
        profit *= weight;
        if !extended {
            let coins: f64 = self.futures.iter().map(|future| future.coins * future.open).sum();
            profit += coins * inverse(edge);
        }
        profit + orders
    }

    /// What the orders that lose in a scenario lose.
    fn orders(&self, scenario: usize) -> f64 {
        let Scenario { weight, extended, .. } = self.scenarios[scenario];
        let profit = |(row, quantity): &(usize, f64)| {
            let is_option = self.options[*row].is_some();
            let weight = if is_option { weight } else { f64::from(!extended) };
            (quantity * self.unit(*row, scenario) * weight).min(0.0)
        };
        self.orders.iter().map(profit).sum()
    }

    /// Adds everything up.
    #[must_use]
    pub fn sums(&self) -> DeribitSums {
        let mut sums = DeribitSums { equity: self.balance + self.futures_profit, ..DeribitSums::default() };
        let mut with_orders = 0.0_f64;
        for scenario in 0..self.scenarios.len() {
            let loss = -self.profit(scenario);
            if loss > sums.worst_loss {
                sums.worst_loss = loss;
                sums.worst_scenario = Some(scenario);
            }
            with_orders = with_orders.max(-self.counted(self.bare(scenario, self.orders(scenario))));
        }
        for future in &self.futures {
            sums.roll_shock += future.coins.abs() * future.roll;
            sums.delta_total += future.coins * future.open;
        }
        for (option, (delta, excess)) in self.deltas.iter().zip(&self.excess).enumerate() {
            sums.delta_total += self.grid.quantity(option) * delta;
            sums.equity += self.grid.quantity(option) * excess;
        }
        for (index, expiry) in self.expiries.iter().enumerate() {
            sums.equity += self.grid.total(index, 0) / expiry.forward;
        }
        let beyond = (sums.delta_total.abs() - self.terms.delta_shock_threshold / self.index).max(0.0);
        sums.delta_shock = beyond * self.terms.delta_shock_most;
        sums.risk_matrix = sums.worst_loss + sums.roll_shock + sums.delta_shock;
        sums.open_orders = self.stated.open_orders.unwrap_or((with_orders - sums.worst_loss).max(0.0));
        sums.initial = sums.risk_matrix + self.stated.spot + self.stated.mmp + sums.open_orders;
        sums.maintenance = sums.risk_matrix * self.terms.maintenance_factor;
        sums
    }

    /// The margin with every component and scenario, in coin.
    #[must_use]
    pub fn margin(&self) -> Margin {
        let sums = self.sums();
        let mut components = Vec::new();
        let mut add = |name: &str, position: Option<usize>, value: f64| {
            components.push(Component::new(name, position, Figure::estimated(value)));
        };
        add("balance", None, self.balance);
        add("profit of futures", None, self.futures_profit);
        for future in &self.futures {
            add("size in coin", Some(future.row), future.coins);
            add("roll shock", Some(future.row), future.coins.abs() * future.roll);
        }
        for (row, option) in self.options.iter().enumerate() {
            if let Some(option) = option {
                let forward = self.expiries[self.of[*option]].forward;
                let value = self.grid.unit(*option, 0) / forward + self.excess[*option];
                add("option value", Some(row), self.grid.quantity(*option) * value);
                add("net delta", Some(row), self.grid.quantity(*option) * self.deltas[*option]);
            }
        }
        if let Some(worst) = sums.worst_scenario {
            let weight = self.scenarios[worst].weight;
            let rows = self.futures.iter().map(|future| (future.row, future.coins));
            let options = self.options.iter().enumerate();
            let options = options.filter_map(|(row, option)| Some((row, self.grid.quantity((*option)?))));
            for (row, quantity) in rows.chain(options) {
                let extended = self.scenarios[worst].extended && self.options[row].is_none();
                // Futures stand in the extended table at its edge and not in its sum.
                let weight = if extended { 0.0 } else { weight };
                add("in the worst case", Some(row), quantity * self.unit(row, worst) * weight);
            }
        }
        for (name, value) in [
            ("delta total", sums.delta_total),
            ("worst case", sums.worst_loss),
            ("roll shock, total", sums.roll_shock),
            ("delta shock", sums.delta_shock),
            ("risk matrix margin", sums.risk_matrix),
            ("spot margin", self.stated.spot),
            ("mmp margin", self.stated.mmp),
            ("open orders margin", sums.open_orders),
        ] {
            add(name, None, value);
        }
        let row = |at: usize| {
            let Scenario { shift, vols, extended, .. } = self.scenarios[at];
            let table = if extended { ", extended" } else { "" };
            let name = format!("spot {:+.2} %, vol {}{table}", shift * 100.0, NAMES[vols]);
            ScenarioRow { name, profit: self.profit(at) }
        };
        Margin {
            model: MODEL,
            currency: self.coin,
            equity: Figure::estimated(sums.equity),
            initial: Figure::estimated(sums.initial),
            maintenance: Figure::estimated(sums.maintenance),
            components,
            scenarios: (0..self.scenarios.len()).map(row).collect(),
            worst: sums.worst_scenario,
            notes: self.notes.clone(),
        }
    }
}

/// Profit of one coin of an inverse contract, in coin.
pub(super) fn inverse(shift: f64) -> f64 {
    1.0 - 1.0 / (1.0 + shift)
}

fn scenarios(parameters: &Parameters) -> Result<Vec<Scenario>, MarginError> {
    let range = parameters.within("price_range", 1e-3, 0.99)?;
    let buckets: u32 = parameters.get("buckets")?;
    if !(1..=100).contains(&buckets) {
        return Err(parameters.refuse("buckets", &buckets.to_string(), "1 to 100"));
    }
    let factor = parameters.within("extended_factor", 0.0, 10.0)?;
    let mut scenarios = Vec::new();
    for step in -i64::from(buckets)..=i64::from(buckets) {
        let shift = range * step as f64 / f64::from(buckets);
        scenarios.extend([UP, SAME, DOWN].map(|vols| Scenario {
            shift,
            vols,
            weight: 1.0,
            extended: false,
            edge: shift,
        }));
    }
    for (_, value) in parameters.each("extended_move") {
        let shift = value.parse().ok().filter(|shift: &f64| shift.is_finite() && *shift > -1.0 && shift.abs() >= range);
        let allowed = "a move over -1 that is no less than `price_range`";
        let shift = shift.ok_or_else(|| parameters.refuse("extended_move", value, allowed))?;
        let (weight, edge) = (range / shift.abs() * factor, range.copysign(shift));
        scenarios.push(Scenario { shift, vols: UP, weight, extended: true, edge });
    }
    Ok(scenarios)
}
