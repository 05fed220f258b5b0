//! Thousands of joint moves as columns, for value at risk: every option priced again in every one of them.
//!
//! What [`Revaluation::run`] does scenario by scenario is done here option by option, many scenarios side by side
//! ([`MovedPrices::sweep`](pricing::options::MovedPrices::sweep)): a division more a price, and nothing kept of a price but the sum.

use super::order::Order;
use super::portfolio::{Portfolio, check};
use super::revaluation::{Group, Ready, Revaluation, check_scenario, tenor_weight};
use super::{Scenario, ScenarioError};
use market::Currency;
use pricing::options::{Exposure, Exposures, Field, Sweep};
use pricing::surface::Sticky;
use std::ops::Range;
use units::Duration;
use units::math::ln;

/// Joint moves of prices and volatilities in many scenarios, a column for each currency; what they have in common is a [`Scenario`].
///
/// ```
/// use risk::greeks::SmilePoint;
/// use risk::scenario::{Holding, JointMoves, Portfolio, Revaluation, Scenario, Settlement};
/// use pricing::options::Simd;
/// let (btc, usd) = ("BTC".parse().unwrap(), market::Currency::USD);
/// let expiry = "2026-03-27T08:00:00Z".parse().unwrap();
/// let mut portfolio = Portfolio::new(usd, "2026-03-01".parse().unwrap());
/// portfolio.set_price(btc, 60_000.0)?;
/// portfolio.set_forward(btc, expiry, 60_300.0)?;
/// portfolio.hold(Holding::Option {
///     underlying: btc,
///     expiry,
///     strike: "55000".parse().unwrap(),
///     right: units::OptionRight::Put,
///     settlement: Settlement::Coin,
///     quantity: "-2".parse().unwrap(),
///     point: SmilePoint { vol: 0.6, slope: -0.2 },
/// })?;
/// // Over a day: a fall by a tenth with volatility up by a fifth, and the other way round.
/// let day = Scenario { time: units::Duration::DAY, ..Scenario::still("a day") };
/// let mut moves = JointMoves::new(2, day);
/// moves.set_prices(btc, vec![0.9, 1.1])?;
/// moves.set_vols(btc, vec![0.2, -0.2])?;
/// let mut profits = Vec::new();
/// Revaluation::new(Simd::best()).ready(&portfolio)?.profits(&moves, &mut profits)?;
/// assert!(profits[0] < 0.0 && profits[1] > 0.0);
/// # Ok::<(), risk::scenario::ScenarioError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct JointMoves {
    count: usize,
    like: Scenario,
    prices: Vec<(Currency, Vec<f64>)>,
    vols: Vec<(Currency, Vec<f64>)>,
    shorts: Vec<(Currency, Vec<f64>)>,
    points: Vec<(Currency, Vec<f64>)>,
    skews: Vec<(Currency, Vec<f64>)>,
}

impl JointMoves {
    /// So many scenarios. In all of them time passes, funding is paid, smiles stick and everything moves as in `like`, until columns are
    /// set.
    #[must_use]
    pub fn new(count: usize, like: Scenario) -> Self {
        let none = Vec::new;
        Self { count, like, prices: none(), vols: none(), shorts: none(), points: none(), skews: none() }
    }

    /// What the price of a currency is multiplied by in each scenario, in place of how [`Self::like`] moves it.
    ///
    /// # Errors
    ///
    /// The first factor that is not over zero and finite; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is not one for each scenario.
    pub fn set_prices(&mut self, currency: Currency, factors: Vec<f64>) -> Result<(), ScenarioError> {
        self.set(
            "factor of a price",
            currency,
            factors,
            |factor| factor > 0.0 && factor.is_finite(),
            |all| &mut all.prices,
        )
    }

    /// By what share of itself the volatility of a coin moves in each scenario, told at thirty days: added to
    /// [`VolMove::relative`](super::VolMove::relative), and spread over tenors as that is.
    ///
    /// # Errors
    ///
    /// The first share that is not finite; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is not one for each scenario.
    pub fn set_vols(&mut self, coin: Currency, shares: Vec<f64>) -> Result<(), ScenarioError> {
        self.set("relative move of volatility", coin, shares, f64::is_finite, |all| &mut all.vols)
    }

    /// By what share of itself short volatilities of a coin move in each scenario beside that, told at seven days: added to
    /// [`VolMove::short`](super::VolMove::short), and spread over tenors as that is.
    ///
    /// # Errors
    ///
    /// The first share that is not finite; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is not one for each scenario.
    pub fn set_short_vols(&mut self, coin: Currency, shares: Vec<f64>) -> Result<(), ScenarioError> {
        self.set("relative move of short volatility", coin, shares, f64::is_finite, |all| &mut all.shorts)
    }

    /// By how much the volatility of a coin moves in each scenario, told at thirty days: added to
    /// [`VolMove::absolute`](super::VolMove::absolute), and spread over tenors as that is.
    ///
    /// # Errors
    ///
    /// The first move that is not finite; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is not one for each scenario.
    pub fn set_vol_points(&mut self, coin: Currency, moves: Vec<f64>) -> Result<(), ScenarioError> {
        self.set("absolute move of volatility", coin, moves, f64::is_finite, |all| &mut all.points)
    }

    /// By how much dσ/dln K of a coin moves in each scenario, told at thirty days: added to [`VolMove::tilt`](super::VolMove::tilt), and
    /// spread over tenors as that is.
    ///
    /// # Errors
    ///
    /// The first move that is not finite; nothing is changed then.
    ///
    /// # Panics
    ///
    /// If there is not one for each scenario.
    pub fn set_skews(&mut self, coin: Currency, moves: Vec<f64>) -> Result<(), ScenarioError> {
        self.set("move of a skew", coin, moves, f64::is_finite, |all| &mut all.skews)
    }

    fn set(
        &mut self,
        what: &'static str,
        currency: Currency,
        values: Vec<f64>,
        fits: impl Fn(f64) -> bool,
        columns: impl Fn(&mut Self) -> &mut Vec<(Currency, Vec<f64>)>,
    ) -> Result<(), ScenarioError> {
        assert_eq!(values.len(), self.count, "a {what} for each scenario");
        if let Some(row) = values.iter().position(|value| !fits(*value)) {
            return Err(ScenarioError::Row { row, what, currency, value: values[row] });
        }
        let columns = columns(self);
        match columns.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, column)) => *column = values,
            None => columns.push((currency, values)),
        }
        Ok(())
    }

    /// Number of scenarios.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the scenarios have in common.
    #[must_use]
    pub fn like(&self) -> &Scenario {
        &self.like
    }

    /// Whether volatilities move by points.
    pub(super) fn has_points(&self) -> bool {
        !self.points.is_empty()
    }

    /// Relative moves of a coin's volatility, and of its short ones beside.
    pub(super) fn vols_of(&self, coin: Currency) -> [Option<&[f64]>; 2] {
        [column(&self.vols, coin), column(&self.shorts, coin)]
    }

    /// Moves of a coin's skew.
    pub(super) fn skews_of(&self, coin: Currency) -> Option<&[f64]> {
        column(&self.skews, coin)
    }

    /// Some of the scenarios, in the order given.
    ///
    /// # Panics
    ///
    /// If there is no such scenario.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let pick = |columns: &[(Currency, Vec<f64>)]| {
            let of =
                |(currency, column): &(Currency, Vec<f64>)| (*currency, rows.iter().map(|row| column[*row]).collect());
            columns.iter().map(of).collect()
        };
        let (prices, vols, points) = (pick(&self.prices), pick(&self.vols), pick(&self.points));
        let (shorts, skews) = (pick(&self.shorts), pick(&self.skews));
        Self { count: rows.len(), like: self.like.clone(), prices, vols, shorts, points, skews }
    }
}

/// Of which currencies a line that is no option is worth how much, now and after the moves; but for what [`quanto_of`] tells.
pub(super) fn amounts_of(
    portfolio: &Portfolio,
    line: usize,
    moves: &JointMoves,
) -> impl Iterator<Item = (usize, f64, f64)> + use<> {
    let line = &portfolio.lines[line];
    let ((currency, now), (_, then)) = (portfolio.linear(line, 0.0), portfolio.linear(line, moves.like.funding));
    let owed = line.cost().map(|(cost, currency)| (currency, -cost, -cost));
    let own = line.quanto().is_none().then_some((currency, line.quantity * now, line.quantity * then));
    own.into_iter().chain(owed)
}

/// A future whose price is in one currency and whose profit is paid in another.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuantoAmount {
    coin: usize,
    quoted: usize,
    paid: usize,
    /// Of what it is paid in, at the prices of now: as it is, and after the moves but for those of prices.
    now: f64,
    then: f64,
}

pub(super) fn quanto_of(portfolio: &Portfolio, line: usize, moves: &JointMoves) -> Option<QuantoAmount> {
    let line = &portfolio.lines[line];
    let (quoted, paid) = line.quanto().filter(|_| line.cost().is_some())?;
    let ((coin, now), (_, then)) = (portfolio.linear(line, 0.0), portfolio.linear(line, moves.like.funding));
    let price = portfolio.currencies[coin].price / portfolio.currencies[quoted].price;
    Some(QuantoAmount { coin, quoted, paid, now: line.quantity * now * price, then: line.quantity * then * price })
}

impl QuantoAmount {
    /// What it is worth in the account's currency, now and in a scenario, without its cost.
    pub(super) fn worth(&self, prices: &MovedCurrencies<'_>) -> (f64, impl Fn(usize) -> f64) {
        let Self { now, then, .. } = *self;
        let (of, quoted, paid) = (prices.of(self.coin), prices.of(self.quoted), prices.of(self.paid));
        let account = prices.account();
        let before = now * (paid.now() * (1.0 / account.now()));
        (before, move |row| then * (of.factor(row) / quoted.factor(row)) * (paid.then(row) * (1.0 / account.then(row))))
    }

    /// Adds what it gains.
    fn add(&self, prices: &MovedCurrencies<'_>, profits: &mut [f64]) {
        let (before, then) = self.worth(prices);
        profits.iter_mut().enumerate().for_each(|(row, profit)| *profit += then(row) - before);
    }
}

fn column(columns: &[(Currency, Vec<f64>)], currency: Currency) -> Option<&[f64]> {
    columns.iter().find(|(of, _)| *of == currency).map(|(_, column)| column.as_slice())
}

/// A currency's price in each scenario.
pub(super) enum Prices<'a> {
    /// The price now, and what it is multiplied by.
    Each(f64, &'a [f64]),
    /// The same in all.
    Same { now: f64, then: f64 },
}

impl Prices<'_> {
    pub(super) fn now(&self) -> f64 {
        match *self {
            Self::Each(now, _) | Self::Same { now, .. } => now,
        }
    }

    pub(super) fn then(&self, row: usize) -> f64 {
        match *self {
            Self::Each(now, factors) => now * factors[row],
            Self::Same { then, .. } => then,
        }
    }

    pub(super) fn factor(&self, row: usize) -> f64 {
        match *self {
            Self::Each(_, factors) => factors[row],
            Self::Same { now, then } => then / now,
        }
    }

    fn ends(&self) -> (f64, f64) {
        match *self {
            Self::Each(_, factors) => {
                factors.iter().fold((f64::INFINITY, 0.0), |(low, high), by| (low.min(*by), high.max(*by)))
            }
            Self::Same { now, then } => (then / now, then / now),
        }
    }
}

/// Prices of all currencies, as moves make them.
#[derive(Clone, Copy)]
pub(super) struct MovedCurrencies<'a> {
    portfolio: &'a Portfolio,
    moves: &'a JointMoves,
    /// What those that have no column are worth after the moves.
    then: &'a [f64],
}

impl<'a> MovedCurrencies<'a> {
    pub(super) fn of(&self, currency: usize) -> Prices<'a> {
        let quoted = &self.portfolio.currencies[currency];
        match column(&self.moves.prices, quoted.currency) {
            Some(factors) => Prices::Each(quoted.price, factors),
            None => Prices::Same { now: quoted.price, then: self.then[currency] },
        }
    }

    fn account(&self) -> Prices<'a> {
        self.of(self.portfolio.account)
    }
}

/// What of joint moves is priced, option by option and pair by pair. What it keeps between runs is memory alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Sweeps {
    now: Exposures,
    then: Exposures,
    /// The first `used` of them are of these moves.
    pairs: Vec<Pair>,
    used: usize,
    /// Options that lie together, and the index of their pair.
    runs: Vec<(Range<usize>, usize)>,
    /// One scenario, in which nothing moves.
    still: Sweep,
    worth: Vec<f64>,
    /// Profits of a line.
    line: Vec<f64>,
    /// By option, where whole smiles move along; and what an option's volatility moves by in each scenario.
    bends: Vec<Bend>,
    bent: Vec<f64>,
    /// The first `ordered` of them are of these moves.
    orders: Vec<Order>,
    ordered: usize,
}

/// What of a scenario's moves an option's volatility takes, where its smile moves along as a whole.
#[derive(Debug, Clone, Copy)]
struct Bend {
    level: f64,
    weight: f64,
    /// Of the move of the skew.
    tilt: f64,
}

/// What the volatility of an option (its line) changes by where ln of its forward has moved by so much, and its smile along with it: number
/// by number in place of the moves, which come in order, the least first.
pub(super) type Along<'a> = dyn Fn(usize, &mut [f64]) + 'a;

/// A coin and what its options are paid in: what moves them is the same, but for the part of short volatilities that their tenor has.
#[derive(Debug, Clone)]
struct Pair {
    underlying: usize,
    settlement: usize,
    quote: usize,
    coin: bool,
    /// How much of the move of short volatilities there is for each unit of the other one's.
    short: f64,
    sweep: Sweep,
    /// Where whole smiles move along: which order its scenarios are in, and in that order what volatilities move by as a share, and the
    /// move of the skew, if there is one.
    order: Option<usize>,
    shares: Vec<f64>,
    skews: Vec<f64>,
}

impl Ready<'_> {
    /// The account's profit in each scenario, in its currency: what [`Self::run`] gives as totals, to rounding, in a fraction of the time
    /// where scenarios are many. Where a smile stays at its moneyness, it is a line through each option's point with its slope.
    /// The same bits with any instructions, and whatever other scenarios stand beside one.
    ///
    /// # Errors
    ///
    /// A price that is missing; a number of the scenarios that cannot be, or what they make of a price; the first line at fault.
    pub fn profits(&mut self, moves: &JointMoves, profits: &mut Vec<f64>) -> Result<(), ScenarioError> {
        self.profits_with(moves, profits, None)
    }

    /// As [`Self::profits`], on whole smiles: `along` puts, in place of moves of ln of the forward of an option (its line), what its
    /// volatility changes by where its smile moves along. The moves come in order, the least first. It is not asked where smiles stay by
    /// strike.
    ///
    /// # Errors
    ///
    /// As [`Self::profits`].
    ///
    /// # Panics
    ///
    /// If what `along` gives is not finite.
    pub fn profits_along(
        &mut self,
        moves: &JointMoves,
        profits: &mut Vec<f64>,
        along: impl Fn(usize, &mut [f64]),
    ) -> Result<(), ScenarioError> {
        self.profits_with(moves, profits, Some(&along))
    }

    fn profits_with(
        &mut self,
        moves: &JointMoves,
        profits: &mut Vec<f64>,
        along: Option<&Along<'_>>,
    ) -> Result<(), ScenarioError> {
        let along = along.filter(|_| moves.like.sticky == Sticky::Moneyness);
        let Self { revaluation, portfolio } = self;
        revaluation.sweep_all(portfolio, moves, along.is_some())?;
        let prices = revaluation.moved_currencies(portfolio, moves);
        profits.clear();
        profits.resize(moves.count, 0.0);
        for at in 0..portfolio.currencies.len() {
            // What is linear in one price, together.
            let mut amounts = (0.0, 0.0);
            for line in &portfolio.others {
                for (_, now, then) in amounts_of(portfolio, *line, moves).filter(|(currency, ..)| *currency == at) {
                    amounts = (amounts.0 + now, amounts.1 + then);
                }
            }
            prices.add_amounts(at, amounts, profits);
        }
        let quantos = portfolio.others.iter().filter_map(|line| quanto_of(portfolio, *line, moves));
        quantos.for_each(|amount| amount.add(&prices, profits));
        let mut sweeps = std::mem::take(&mut revaluation.sweeps);
        for at in 0..sweeps.runs.len() {
            let run = sweeps.runs[at].clone();
            revaluation.add_options((portfolio, moves), &mut sweeps, run, along, profits);
        }
        revaluation.sweeps = sweeps;
        Ok(())
    }

    /// Each holding's profit in each scenario, line by line, to `each` as its line and a column as long as there are scenarios. They add
    /// up to [`Self::profits`], to rounding.
    ///
    /// # Errors
    ///
    /// As [`Self::profits`]; nothing was given to `each` then.
    pub fn profits_by_line(
        &mut self,
        moves: &JointMoves,
        each: impl FnMut(usize, &[f64]),
    ) -> Result<(), ScenarioError> {
        self.profits_by_line_with(moves, each, None)
    }

    /// As [`Self::profits_by_line`], on whole smiles: as [`Self::profits_along`] has them.
    ///
    /// # Errors
    ///
    /// As [`Self::profits`].
    ///
    /// # Panics
    ///
    /// As [`Self::profits_along`].
    pub fn profits_by_line_along(
        &mut self,
        moves: &JointMoves,
        each: impl FnMut(usize, &[f64]),
        along: impl Fn(usize, &mut [f64]),
    ) -> Result<(), ScenarioError> {
        self.profits_by_line_with(moves, each, Some(&along))
    }

    pub(super) fn profits_by_line_with(
        &mut self,
        moves: &JointMoves,
        mut each: impl FnMut(usize, &[f64]),
        along: Option<&Along<'_>>,
    ) -> Result<(), ScenarioError> {
        let along = along.filter(|_| moves.like.sticky == Sticky::Moneyness);
        let Self { revaluation, portfolio } = self;
        revaluation.sweep_all(portfolio, moves, along.is_some())?;
        let mut profits = std::mem::take(&mut revaluation.sweeps.line);
        profits.clear();
        profits.resize(moves.count, 0.0);
        let prices = revaluation.moved_currencies(portfolio, moves);
        for at in &portfolio.others {
            profits.fill(0.0);
            for (currency, now, then) in amounts_of(portfolio, *at, moves) {
                prices.add_amounts(currency, (now, then), &mut profits);
            }
            if let Some(amount) = quanto_of(portfolio, *at, moves) {
                amount.add(&prices, &mut profits);
            }
            each(*at, &profits);
        }
        let mut sweeps = std::mem::take(&mut revaluation.sweeps);
        for at in 0..sweeps.runs.len() {
            let (options, pair) = sweeps.runs[at].clone();
            for option in options {
                profits.fill(0.0);
                let alone = (option..option + 1, pair);
                revaluation.add_options((portfolio, moves), &mut sweeps, alone, along, &mut profits);
                each(portfolio.options[option], &profits);
            }
        }
        sweeps.line = profits;
        revaluation.sweeps = sweeps;
        Ok(())
    }
}

impl Revaluation {
    /// Makes prices of all currencies ready for [`Self::moved_currencies`].
    pub(super) fn move_currencies(&mut self, portfolio: &Portfolio, moves: &JointMoves) -> Result<(), ScenarioError> {
        check_scenario(&moves.like)?;
        // What is the same in all.
        self.move_prices(portfolio, &moves.like)?;
        for quoted in &portfolio.currencies {
            let factors = column(&moves.prices, quoted.currency).unwrap_or_default();
            let wrong = |factor: &f64| check(Field::Forward, quoted.price * factor).is_err();
            if let Some(row) = factors.iter().position(wrong) {
                let (scenario, price) = (format!("{} {}", moves.like.name, row + 1), quoted.price * factors[row]);
                return Err(ScenarioError::Moved { scenario, currency: quoted.currency, price });
            }
        }
        Ok(())
    }

    pub(super) fn moved_currencies<'a>(
        &'a self,
        portfolio: &'a Portfolio,
        moves: &'a JointMoves,
    ) -> MovedCurrencies<'a> {
        MovedCurrencies { portfolio, moves, then: &self.prices }
    }

    /// Makes all ready for [`Self::add_options`].
    fn sweep_all(&mut self, portfolio: &Portfolio, moves: &JointMoves, is_whole: bool) -> Result<(), ScenarioError> {
        self.move_currencies(portfolio, moves)?;
        let mut sweeps = std::mem::take(&mut self.sweeps);
        let result = self
            .expose(portfolio, moves, &mut sweeps, is_whole)
            .and_then(|()| self.pair(portfolio, moves, &mut sweeps, is_whole));
        sweeps.still.refill(self.simd, [(1.0, 0.0, 0.0)]);
        self.sweeps = sweeps;
        result
    }

    /// Adds what options of a pair gain.
    fn add_options(
        &self,
        (portfolio, moves): (&Portfolio, &JointMoves),
        sweeps: &mut Sweeps,
        (options, at): (Range<usize>, usize),
        along: Option<&Along<'_>>,
        profits: &mut [f64],
    ) {
        let (simd, mut worth) = (self.simd, std::mem::take(&mut sweeps.worth));
        self.moved.sweep(simd, options.clone(), &sweeps.now, &sweeps.still, &mut worth);
        let now = worth[0];
        worth.clear();
        if let Some(along) = along {
            for option in options {
                sweeps.bend(at, option, |moves| along(portfolio.options[option], moves));
                self.moved.sweep_more(simd, option..option + 1, &sweeps.then, &sweeps.pairs[at].sweep, &mut worth);
            }
        } else {
            self.moved.sweep_more(simd, options, &sweeps.then, &sweeps.pairs[at].sweep, &mut worth);
        }
        let (pair, prices) = (&sweeps.pairs[at], self.moved_currencies(portfolio, moves));
        let account = prices.account();
        // What is paid for in coin has the coin's price in its quantity.
        let paid = if pair.coin { Prices::Same { now: 1.0, then: 1.0 } } else { prices.of(pair.settlement) };
        let now = now * paid.now() * (1.0 / account.now());
        let gain = |row: usize, worth: f64| worth * paid.then(row) * (1.0 / account.then(row)) - now;
        match pair.order {
            Some(order) => {
                let rows = sweeps.orders[order].rows.iter().map(|(_, row)| *row as usize);
                rows.zip(&worth).for_each(|(row, worth)| profits[row] += gain(row, *worth));
            }
            None => {
                let rows = profits.iter_mut().zip(&worth).enumerate();
                rows.for_each(|(row, (profit, worth))| *profit += gain(row, *worth));
            }
        }
        sweeps.worth = worth;
    }

    /// Each option now and after the moves.
    fn expose(
        &self,
        portfolio: &Portfolio,
        moves: &JointMoves,
        sweeps: &mut Sweeps,
        is_whole: bool,
    ) -> Result<(), ScenarioError> {
        let Sweeps { now, then, bends, .. } = sweeps;
        now.clear();
        then.clear();
        bends.clear();
        for group in &self.groups {
            let Scenario { vol, sticky, time, name, .. } = &moves.like;
            let weight = tenor_weight(vol, group.days);
            let level = vol.level(group.days, weight);
            let skewed = vol.skew_at(group.days);
            let has_skews = column(&moves.skews, portfolio.currencies[group.underlying].currency).is_some();
            let tilted = if has_skews { vol.tilt_weight(group.days) } else { 0.0 };
            // As in `Revaluation::weigh`.
            let unit = if group.coin { group.parity } else { 1.0 };
            let ((years, discount), (years_then, discount_then)) =
                (group.left(portfolio, Duration::ZERO), group.left(portfolio, *time));
            for index in group.options.clone() {
                let smile = &self.smiles[index];
                let quantity = smile.quantity * unit;
                let still = Exposure::still(quantity, smile.vol, years, discount);
                let is_plain = skewed == 0.0 && tilted == 0.0;
                let place = if is_plain { 0.0 } else { ln(smile.strike / group.quoted) };
                // Where whole smiles move along, what they do stands in the place of the skew.
                bends.extend(is_whole.then_some(Bend { level, weight, tilt: tilted * place }));
                let moved = Exposure {
                    slope: if *sticky == Sticky::Moneyness && !is_whole { smile.slope } else { 0.0 },
                    level,
                    weight,
                    shift: vol.absolute * weight + skewed * place,
                    tilt: if is_whole { 1.0 } else { tilted * place },
                    floor: vol.floor,
                    years: years_then,
                    discount: discount_then,
                    ..still
                };
                let line = portfolio.options[index];
                let refused = |refusal| ScenarioError::Line { scenario: name.clone(), line, refusal };
                now.push(&still).map_err(refused)?;
                then.push(&moved).map_err(refused)?;
            }
        }
        Ok(())
    }

    /// Pairs with what moves them, and which options are theirs.
    fn pair(
        &self,
        portfolio: &Portfolio,
        moves: &JointMoves,
        sweeps: &mut Sweeps,
        is_whole: bool,
    ) -> Result<(), ScenarioError> {
        let Sweeps { pairs, used, runs, orders, ordered, .. } = sweeps;
        let prices = self.moved_currencies(portfolio, moves);
        (*used, *ordered) = (0, 0);
        runs.clear();
        for run in self.groups.chunk_by(Group::together) {
            let Group { underlying, settlement, quote, coin, .. } = run[0];
            let (of, paid) = (prices.of(underlying), prices.of(quote));
            // How far the forwards go, at most.
            let ((low, high), (least, most)) = (of.ends(), if coin { (1.0, 1.0) } else { paid.ends() });
            for group in run {
                for forward in [group.quoted * (low / most), group.quoted * (high / least)] {
                    check(Field::Forward, forward).map_err(|refusal| ScenarioError::Line {
                        scenario: moves.like.name.clone(),
                        line: portfolio.options[group.options.start],
                        refusal,
                    })?;
                }
            }
            let code = portfolio.currencies[underlying].currency;
            let (vols, points) = (column(&moves.vols, code), column(&moves.points, code));
            let (shorts, skews) = (column(&moves.shorts, code), column(&moves.skews, code));
            let vol = &moves.like.vol;
            // The weight of short volatilities differs by expiry, so each has moves of its own.
            let share = |group: &Group| match shorts {
                Some(_) => vol.short_weight(group.days) / tenor_weight(vol, group.days),
                None => 0.0,
            };
            for run in run.chunk_by(|one, other| share(one) == share(other)) {
                let short = share(&run[0]);
                let key = (underlying, settlement, quote, coin, short);
                let known = pairs[..*used]
                    .iter()
                    .position(|pair| (pair.underlying, pair.settlement, pair.quote, pair.coin, pair.short) == key);
                runs.push((run[0].options.start..run[run.len() - 1].options.end, known.unwrap_or(*used)));
                if known.is_some() {
                    continue;
                }
                let shorts = shorts.filter(|_| short != 0.0);
                if pairs.len() == *used {
                    let (order, shares, skews) = (None, Vec::new(), Vec::new());
                    let sweep = Sweep::default();
                    pairs.push(Pair { underlying, settlement, quote, coin, short, sweep, order, shares, skews });
                }
                let pair = &mut pairs[*used];
                *used += 1;
                (pair.underlying, pair.settlement, pair.quote, pair.coin, pair.short) = key;
                let by = |row: usize| if coin { of.factor(row) } else { of.factor(row) / paid.factor(row) };
                let share = |row: usize| {
                    let share = vols.map_or(0.0, |column| column[row]);
                    shorts.map_or(share, |column| share + short * column[row])
                };
                let point = |row: usize| points.map_or(0.0, |column| column[row]);
                if is_whole {
                    let at = Order::of((underlying, quote, coin), (0..moves.count).map(by), orders, ordered);
                    let Order { rows, .. } = &orders[at];
                    let rows = || rows.iter().map(|(by, row)| (*by, *row as usize));
                    pair.order = Some(at);
                    pair.shares.clear();
                    pair.shares.extend(rows().map(|(_, row)| share(row)));
                    pair.sweep
                        .refill(self.simd, rows().zip(&pair.shares).map(|((by, row), share)| (by, *share, point(row))));
                    pair.skews.clear();
                    pair.skews.extend(skews.into_iter().flat_map(|column| rows().map(|(_, row)| column[row])));
                } else {
                    pair.order = None;
                    pair.sweep.refill(self.simd, (0..moves.count).map(|row| (by(row), share(row), point(row))));
                    if let Some(skews) = skews {
                        pair.sweep.move_skews(skews.iter().copied());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Sweeps {
    /// Puts what the volatility of an option moves by, where its smile moves along as a whole, into its pair's scenarios.
    fn bend(&mut self, pair: usize, option: usize, along: impl Fn(&mut [f64])) {
        let Self { pairs, bends, bent, orders, .. } = self;
        let (Pair { sweep, order, shares, skews, .. }, Bend { level, weight, tilt }) =
            (&mut pairs[pair], bends[option]);
        bent.clear();
        if let Some(order) = *order {
            bent.extend_from_slice(&orders[order].logs);
        }
        along(bent);
        bent.iter_mut().zip(&*shares).for_each(|(bent, share)| *bent *= level + weight * share);
        bent.iter_mut().zip(&*skews).for_each(|(bent, skew)| *bent += tilt * skew);
        sweep.copy_skews(bent);
    }
}

impl MovedCurrencies<'_> {
    /// Adds what amounts of a currency gain, `now` and `then`.
    fn add_amounts(&self, currency: usize, (now, then): (f64, f64), profits: &mut [f64]) {
        if now == 0.0 && then == 0.0 {
            return;
        }
        let (price, account) = (self.of(currency), self.account());
        let before = now * (price.now() * (1.0 / account.now()));
        for (row, profit) in profits.iter_mut().enumerate() {
            *profit += then * (price.then(row) * (1.0 / account.then(row))) - before;
        }
    }
}
