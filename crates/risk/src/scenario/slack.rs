//! How far profits under joint moves may go from those of now while prices stay near and little time passes.

use super::joint::{Along, Prices, amounts_of};
use super::revaluation::{Group, Ready, tenor_weight};
use super::{JointMoves, ScenarioError};
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
    logs: Vec<f64>,
    follows: Vec<f64>,
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
    /// columns of prices, relative moves of volatility and moves of skew alone, and nothing is discounted.
    ///
    /// # Errors
    ///
    /// As [`Self::profits`].
    pub fn slack(&mut self, moves: &JointMoves, time: Duration, slack: &mut Slack) -> Result<bool, ScenarioError> {
        self.slack_with(moves, time, slack, None)
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
        along: impl Fn(usize, &mut [f64]),
    ) -> Result<bool, ScenarioError> {
        self.slack_with(moves, time, slack, Some(&along))
    }

    fn slack_with(
        &mut self,
        moves: &JointMoves,
        time: Duration,
        slack: &mut Slack,
        along: Option<&Along<'_>>,
    ) -> Result<bool, ScenarioError> {
        let along = along.filter(|_| moves.like().sticky == Sticky::Moneyness);
        let like = moves.like();
        let vol = &like.vol;
        let fields = [vol.relative, vol.absolute, vol.twist, vol.skew, vol.tilt, vol.short, like.funding];
        let Slack { by_price, by_time, by_skew, is_relative, logs, follows } = slack;
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
        if has_price {
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
        for (currency, now, then) in portfolio.others.iter().flat_map(|line| amounts_of(portfolio, *line, moves)) {
            let price = prices.of(currency);
            let before = now * price.now() / account.now();
            for (row, sum) in by_price.iter_mut().enumerate() {
                *sum += (then * price.then(row) / account.then(row) - before).abs();
            }
        }
        for run in revaluation.groups.chunk_by(Group::together) {
            let of = prices.of(run[0].underlying);
            let paid = if run[0].coin { None } else { Some(prices.of(run[0].settlement)) };
            let by = |row: usize| of.factor(row) / paid.as_ref().map_or(1.0, |paid| paid.factor(row));
            logs.clear();
            logs.extend((0..moves.len()).map(|row| ln(by(row))));
            let code = portfolio.currencies[run[0].underlying].currency;
            let (shares, skews) = (moves.vols_of(code), moves.skews_of(code));
            if skews.is_some() {
                by_skew.resize(moves.len(), 0.0);
            }
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
                // What the forward is worth in the account's currency, for each that is held.
                let unit = if group.coin {
                    group.forward * group.parity
                } else {
                    group.quoted * paid.as_ref().map_or(1.0, Prices::now)
                };
                let unit = unit / account.now();
                for index in group.options.clone() {
                    let smile = &revaluation.smiles[index];
                    let forward = smile.quantity.abs() * unit;
                    let slope = if like.sticky == Sticky::Moneyness { smile.slope } else { 0.0 };
                    let place = if skews.is_some() { ln(smile.strike / group.quoted) } else { 0.0 };
                    follows.clear();
                    follows.extend_from_slice(logs);
                    match along {
                        Some(along) => along(portfolio.options[index], follows),
                        None => follows.iter_mut().for_each(|log| *log *= -slope),
                    }
                    for row in 0..moves.len() {
                        let own = smile.vol + follows[row];
                        let (mut is, mut least, mut most) = (1.0, 1.0, 1.0);
                        for (shares, [now, end]) in shares.iter().zip(weights) {
                            let share = shares.map_or(0.0, |shares| shares[row]);
                            is += now * share;
                            least += (now * share).min(end * share);
                            most += (now * share).max(end * share);
                        }
                        let skew = skews.map_or(0.0, |skews| skews[row]);
                        let along = skew * place;
                        let vol = |level: f64, tilt: f64| (own * level + along * tilt).max(like.vol.floor);
                        // What the skew adds goes one way as well; the two apart are further than both together.
                        let (low, high) = (along * tilted.min(tilting), along * tilted.max(tilting));
                        let (low, high) = (low.min(high), low.max(high));
                        let between = [own * least, own * most];
                        let lower = (between[0].min(between[1]) + low).max(like.vol.floor);
                        let upper = (between[0].max(between[1]) + high).max(like.vol.floor);
                        // Deviation at the horizon: as it is, and between what it may become.
                        let is = vol(is, tilted) * roots[0];
                        let (least, most) = (lower * roots[1], upper * roots[0]);
                        let then = of.factor(row) * account.now() / account.then(row);
                        if skew != 0.0 {
                            by_skew[row] += forward * then * STEEPEST * roots[0] * skew.abs() * tilted.max(tilting);
                        }
                        by_price[row] += forward * then.max(1.0);
                        by_time[row] += forward * STEEPEST * (then * (most - is).max(is - least) + smile.vol * now);
                    }
                }
            }
        }
        Ok(true)
    }
}
