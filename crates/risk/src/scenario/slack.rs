//! How far profits under joint moves may go from those of now while prices stay near and little time passes.

use super::joint::{Along, MovedCurrencies, amounts_of, quanto_of};
use super::order::Order;
use super::revaluation::{Group, Ready, tenor_weight};
use super::{JointMoves, Portfolio, ScenarioError};
use crate::venues::STEEPEST;
use pricing::surface::Sticky;
use units::Duration;
use units::math::{ln, sqrt};

/// How far the profit of each scenario may go from what it is now: [`Self::within`].
///
/// An option's price moves by no more than its forward does, and by no more than [`STEEPEST`] × the forward for each unit of the
/// deviation σ√t that it has to its expiry, which time takes and a volatility that grows with a shorter tenor gives. What is linear moves
/// in proportion. A skew that moves gives an option another volatility when its forward comes nearer to its strike, or further from it, and
/// when its tenor gets shorter. No derivative is taken at a point, so nothing is left out between the points.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slack {
    /// By scenario: for a price that moves by a share of itself, and for the time.
    by_price: Vec<f64>,
    by_time: Vec<f64>,
    /// For a price that moves along a skew, at whatever forward it goes to.
    by_skew: Vec<f64>,
    /// The account reckons in something that has a price itself.
    is_relative: bool,
    // Memory that is used again: the scenarios in order, and row by row in that order.
    order: Order,
    follows: Vec<f64>,
    rows: Vec<Row>,
    levels: Vec<Levels>,
    sums: Vec<Sums>,
}

/// A scenario, as options of one coin see it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    /// What a forward's worth in the account's currency is multiplied by.
    then: f64,
    /// Relative moves of volatility and of short ones, and the move of the skew.
    shares: [f64; 2],
    skew: f64,
}

/// What a tenor's volatilities are multiplied by in a scenario: now, and at least and at most until the time has passed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Levels {
    is: f64,
    least: f64,
    most: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sums {
    by_price: f64,
    by_time: f64,
    by_skew: f64,
}

impl Slack {
    /// By how much the profit of a scenario may differ from the one of now, while no price of a coin or of a future goes further from
    /// where it is than by the share `width`, in either direction, under one.
    ///
    /// # Panics
    ///
    /// If there is no such scenario.
    #[must_use]
    pub fn within(&self, width: f64, scenario: usize) -> f64 {
        let most = if self.is_relative { (1.0 + width) / (1.0 - width) } else { 1.0 / (1.0 - width) };
        let skewed = if self.by_skew.is_empty() { 0.0 } else { most * (most - 1.0) * self.by_skew[scenario] };
        (most - 1.0) * self.by_price[scenario] + most * self.by_time[scenario] + skewed
    }
}

impl Ready<'_> {
    /// How far [`Self::profits`] may go from what they are now, before `time` has passed. Whether this is told: it is where moves are
    /// columns of prices, relative moves of volatility and moves of skew alone, and nothing is discounted. `profits` are what
    /// [`Self::profits`] told, so that nothing need be priced again for an account of which all options are on one coin.
    ///
    /// # Errors
    ///
    /// As [`Self::profits`].
    pub fn slack(
        &mut self,
        moves: &JointMoves,
        time: Duration,
        slack: &mut Slack,
        profits: &[f64],
    ) -> Result<bool, ScenarioError> {
        self.slack_with(moves, time, slack, (profits, None))
    }

    /// As [`Self::slack`], of [`Self::profits_along`] with the same `along`.
    ///
    /// # Errors
    ///
    /// As [`Self::profits`].
    ///
    /// # Panics
    ///
    /// As [`Self::profits_along`].
    pub fn slack_along(
        &mut self,
        moves: &JointMoves,
        time: Duration,
        slack: &mut Slack,
        profits: &[f64],
        along: impl Fn(usize, &mut [f64]),
    ) -> Result<bool, ScenarioError> {
        self.slack_with(moves, time, slack, (profits, Some(&along)))
    }

    fn slack_with(
        &mut self,
        moves: &JointMoves,
        time: Duration,
        slack: &mut Slack,
        (told, along): (&[f64], Option<&Along<'_>>),
    ) -> Result<bool, ScenarioError> {
        let along = along.filter(|_| moves.like().sticky == Sticky::Moneyness);
        let like = moves.like();
        let vol = &like.vol;
        let fields = [vol.relative, vol.absolute, vol.twist, vol.skew, vol.tilt, vol.short, like.funding];
        let Slack { by_price, by_time, by_skew, is_relative, order, follows, rows, levels, sums } = slack;
        by_price.clear();
        by_time.clear();
        by_skew.clear();
        by_price.resize(moves.len(), 0.0);
        by_time.resize(moves.len(), 0.0);
        let is_plain = fields.iter().all(|field| *field == 0.0) && !moves.has_points();
        if !is_plain || self.revaluation.groups.iter().any(|group| group.discount != 1.0) {
            return Ok(false);
        }
        let has_price = !self.portfolio.currencies[self.portfolio.account].dollar;
        *is_relative = has_price;
        // What the account reckons in moves what all options of one coin gain by one share, so that their sum tells how far: what is told
        // less what all else gains. Of several coins each has its own.
        let groups = &self.revaluation.groups;
        let is_one = groups.windows(2).all(|pair| pair[0].together(&pair[1]));
        if has_price && is_one && !groups.is_empty() && told.len() == moves.len() {
            by_price.copy_from_slice(told);
            let Self { revaluation, portfolio } = &mut *self;
            revaluation.move_currencies(portfolio, moves)?;
            let prices = revaluation.moved_currencies(portfolio, moves);
            others(portfolio, moves, &prices, by_price, |sum, gained| *sum -= gained);
            by_price.iter_mut().for_each(|sum| *sum = sum.abs());
        } else if has_price {
            let options = &self.portfolio.options;
            self.profits_by_line_with(
                moves,
                |line, profits| {
                    if options.contains(&line) {
                        by_price.iter_mut().zip(profits).for_each(|(sum, profit)| *sum += profit.abs());
                    }
                },
                along,
            )?;
        }
        let Self { revaluation, portfolio } = self;
        revaluation.move_currencies(portfolio, moves)?;
        let prices = revaluation.moved_currencies(portfolio, moves);
        let account = prices.of(portfolio.account);
        // What a future is worth and what it cost may move apart.
        others(portfolio, moves, &prices, by_price, |sum, gained| *sum += gained.abs());
        for amount in portfolio.others.iter().filter_map(|line| quanto_of(portfolio, *line, moves)) {
            let (before, then) = amount.worth(&prices);
            by_price.iter_mut().enumerate().for_each(|(row, sum)| *sum += (then(row) - before).abs());
        }
        for run in revaluation.groups.chunk_by(Group::together) {
            let of = prices.of(run[0].underlying);
            let coin = run[0].coin;
            let (quoted, paid) = (prices.of(run[0].quote), prices.of(run[0].settlement));
            let by = |row: usize| if coin { of.factor(row) } else { of.factor(row) / quoted.factor(row) };
            order.sort((0..moves.len()).map(by));
            let code = portfolio.currencies[run[0].underlying].currency;
            let (shares, skews) = (moves.vols_of(code), moves.skews_of(code));
            if skews.is_some() {
                by_skew.resize(moves.len(), 0.0);
            }
            rows.clear();
            rows.extend(order.rows.iter().map(|(_, row)| {
                let row = *row as usize;
                let quanto = if coin { 1.0 } else { paid.factor(row) / quoted.factor(row) };
                let then = of.factor(row) * quanto * account.now() / account.then(row);
                let shares = shares.map(|column| column.map_or(0.0, |column| column[row]));
                Row { then, shares, skew: skews.map_or(0.0, |column| column[row]) }
            }));
            sums.clear();
            sums.resize(rows.len(), Sums::default());
            for group in run {
                let years = |after: i64| group.left(portfolio, Duration::from_nanos(after)).0;
                let (horizon, passed) = (like.time.nanos(), time.nanos());
                let roots = [years(horizon), years(horizon.saturating_add(passed))].map(sqrt);
                let now = sqrt(years(0)) - sqrt(years(passed));
                // How much of each move this tenor has, and will have: between, each goes one way.
                let days = [group.days, (group.days - time.days()).max(0.0)];
                let weights =
                    [days.map(|days| tenor_weight(&like.vol, days)), days.map(|days| like.vol.short_weight(days))];
                let [tilted, tilting] = days.map(|days| like.vol.tilt_weight(days));
                levels.clear();
                levels.extend(rows.iter().map(|row| {
                    let (mut is, mut least, mut most) = (1.0, 1.0, 1.0);
                    for (share, [now, end]) in row.shares.iter().zip(weights) {
                        is += now * share;
                        least += (now * share).min(end * share);
                        most += (now * share).max(end * share);
                    }
                    Levels { is, least, most }
                }));
                // What the forward is worth in the account's currency, for each that is held.
                let unit = if group.coin { group.forward * group.parity } else { group.quoted * paid.now() };
                let unit = unit / account.now();
                let mut forwards = 0.0;
                for index in group.options.clone() {
                    let smile = &revaluation.smiles[index];
                    let forward = smile.quantity.abs() * unit;
                    forwards += forward;
                    let slope = if like.sticky == Sticky::Moneyness { smile.slope } else { 0.0 };
                    let place = if skews.is_some() { ln(smile.strike / group.quoted) } else { 0.0 };
                    follows.clear();
                    follows.extend_from_slice(&order.logs);
                    match along {
                        Some(along) => along(portfolio.options[index], follows),
                        None => follows.iter_mut().for_each(|log| *log *= -slope),
                    }
                    let (vol, floor, steep) = (smile.vol, like.vol.floor, forward * STEEPEST);
                    let each = sums.iter_mut().zip(&*rows).zip(&*levels).zip(&*follows);
                    for (((sums, row), levels), follow) in each {
                        let own = vol + follow;
                        let along = row.skew * place;
                        // What the skew adds goes one way as well; the two apart are further than both together.
                        let (low, high) = ordered(along * tilted, along * tilting);
                        let (lower, upper) = ordered(own * levels.least, own * levels.most);
                        // Deviation at the horizon: as it is, and between what it may become.
                        let is = larger(own * levels.is + along * tilted, floor) * roots[0];
                        let least = larger(lower + low, floor) * roots[1];
                        let most = larger(upper + high, floor) * roots[0];
                        sums.by_time += steep * (row.then * larger(most - is, is - least) + vol * now);
                    }
                }
                let steep = forwards * STEEPEST * roots[0] * tilted.max(tilting);
                for (sums, row) in sums.iter_mut().zip(&*rows) {
                    sums.by_price += forwards * row.then.max(1.0);
                    sums.by_skew += steep * row.then * row.skew.abs();
                }
            }
            for ((_, row), own) in order.rows.iter().zip(&*sums) {
                let row = *row as usize;
                by_price[row] += own.by_price;
                by_time[row] += own.by_time;
                if let Some(sum) = by_skew.get_mut(row) {
                    *sum += own.by_skew;
                }
            }
        }
        Ok(true)
    }
}

/// Tells what each amount that is no option gains in each scenario, in what the account reckons in, beside that scenario's sum.
fn others(
    portfolio: &Portfolio,
    moves: &JointMoves,
    prices: &MovedCurrencies<'_>,
    sums: &mut [f64],
    tell: impl Fn(&mut f64, f64),
) {
    let account = prices.of(portfolio.account);
    for (currency, now, then) in portfolio.others.iter().flat_map(|line| amounts_of(portfolio, *line, moves)) {
        let price = prices.of(currency);
        let before = now * price.now() / account.now();
        for (row, sum) in sums.iter_mut().enumerate() {
            tell(sum, then * price.then(row) / account.then(row) - before);
        }
    }
}

/// The larger of two numbers. Not `max`, which looks for what is no number besides.
fn larger(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}

/// The smaller one, then the larger one.
fn ordered(one: f64, other: f64) -> (f64, f64) {
    (if one < other { one } else { other }, larger(one, other))
}
