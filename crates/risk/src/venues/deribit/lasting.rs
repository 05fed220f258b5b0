//! Between what Deribit's portfolio margin lies for a while.

use super::portfolio_margin::{DeribitPortfolio, SAME, Scenario, StatedMargins, Terms, inverse};
use super::undecided;
use crate::venues::lasting::{MarginRange, PriceRanges, ROUNDING, STEEPEST, Span};
use market::Currency;
use units::math::sqrt;
use units::{Duration, Timestamp};

/// The most of |x| φ(x): the net delta of an option in coin is ±K N(±d₂) ÷ F, and changes by no more than that for each unit of the
/// logarithm of its deviation.
const STEEPEST_DELTA: f64 = 0.241_970_724_519_143_4;
const YEAR: f64 = 365.0;

/// What of an account's portfolio margin stays until some time, in coin.
#[derive(Debug, Clone, PartialEq)]
pub struct DeribitLasting {
    coin: Currency,
    terms: Terms,
    scenarios: Vec<Scenario>,
    until: Timestamp,
    /// By scenario, what options earn, weighted.
    options: Vec<Span>,
    /// Net delta of options.
    delta: Span,
    /// Balance, and options at their marks.
    fixed: f64,
    /// Row, quantity in quote currency, and what each coin of it adds for rolling.
    futures: Vec<(usize, f64, Span)>,
    stated: StatedMargins,
    slip: f64,
}

impl DeribitPortfolio {
    /// What stays for some time. `None`: a contract would be in the last half hour before it is settled.
    #[must_use]
    pub fn lasting(&self, time: Duration) -> Option<DeribitLasting> {
        let until = self.at + time;
        let mut options = vec![Span::default(); self.scenarios.len()];
        let (mut delta, mut off, mut fixed, mut gross) = (0.0, 0.0, self.balance, self.balance.abs());
        for (index, expiry) in self.expiries.iter().enumerate() {
            if undecided(until, expiry.at) < 1.0 {
                return None;
            }
            let days = [expiry.at.since(self.at).days(), expiry.at.since(until).days()];
            let [now, then] = days.map(|days| sqrt(days / YEAR));
            let factors = days.map(|days| self.terms.factor(days));
            let (mut slack, mut size) = ([0.0; 3], 0.0);
            for option in self.grid.expiry(index) {
                let (quantity, vol) = (self.grid.quantity(option), self.grid.vol(SAME, option));
                for (column, slack) in slack.iter_mut().enumerate() {
                    let [is, ends] = factors.map(|factor| self.terms.vol(vol, column, factor));
                    let (least, most) = (is.min(ends) * then, is.max(ends) * now);
                    *slack += quantity.abs() * STEEPEST * (most - is * now).max(is * now - least);
                }
                size += quantity.abs();
                delta += quantity * self.deltas[option];
                fixed += quantity * self.excess[option];
                gross += quantity.abs() * self.most_worth(option, expiry.forward);
            }
            off += size * STEEPEST_DELTA * (now / then - 1.0);
            let before = self.grid.total(index, 0) / expiry.forward;
            fixed += before;
            for (at, scenario) in self.scenarios.iter().enumerate() {
                let after = self.grid.total(index, at + 1) / (expiry.forward * (1.0 + scenario.shift));
                let own = Span::around(after - before, slack[scenario.vols] + slack[SAME]);
                options[at] = options[at] + own.times(scenario.weight);
            }
        }
        let mut futures = Vec::new();
        for future in &self.futures {
            let rolls = [self.at, until].map(|at| self.terms.roll(future.expiry, at));
            if future.expiry.is_some_and(|expiry| undecided(until, expiry) < 1.0) {
                return None;
            }
            gross += future.coins.abs();
            futures.push((future.row, future.coins * future.mark, Span::between(rolls[0], rolls[1])));
        }
        Some(DeribitLasting {
            coin: self.coin,
            terms: self.terms.clone(),
            scenarios: self.scenarios.clone(),
            until,
            options,
            delta: Span::around(delta, off),
            fixed,
            futures,
            stated: self.stated,
            slip: ROUNDING * gross,
        })
    }

    /// What one option can be worth at most in any scenario, in coin: a call its coin, a put its strike.
    fn most_worth(&self, option: usize, forward: f64) -> f64 {
        let lowest = self.scenarios.iter().map(|scenario| 1.0 + scenario.shift).fold(1.0, f64::min);
        1.0 + self.grid.strike(option) / (forward * lowest)
    }
}

impl DeribitLasting {
    pub(crate) fn currencies(&self) -> Vec<Currency> {
        vec![self.coin]
    }

    pub(crate) fn until(&self) -> Timestamp {
        self.until
    }

    /// As [`DeribitPortfolio::sums`], of ends.
    pub(crate) fn range(&self, ranges: &PriceRanges) -> Option<MarginRange> {
        let (terms, index) = (&self.terms, ranges.price(self.coin)?);
        let (mut coins, mut roll, mut equity) = (Span::default(), Span::default(), Span::of(self.fixed));
        for (row, quantity, own) in &self.futures {
            let future = ranges.future(*row)?;
            let size = Span::ratio(*quantity, future.mark);
            coins = coins + size;
            roll = roll + size.magnitude().product(*own);
            equity = equity + future.profit;
        }
        let mut loss = Span::default();
        for (scenario, options) in self.scenarios.iter().zip(&self.options) {
            let futures = if scenario.extended { 0.0 } else { inverse(scenario.edge) };
            let profit = *options + coins.times(futures);
            let counted = profit.map(|profit| if profit > 0.0 { profit * terms.pnl_offset } else { profit });
            loss = loss.most(counted.times(-1.0));
        }
        let delta = (coins + self.delta).magnitude();
        let beyond = Span {
            low: (delta.low - terms.delta_shock_threshold / index.low).max(0.0),
            high: (delta.high - terms.delta_shock_threshold / index.high).max(0.0),
        };
        let matrix = (loss + roll + beyond.times(terms.delta_shock_most)).wider(self.slip);
        let stated = self.stated.spot + self.stated.mmp + self.stated.open_orders.unwrap_or(0.0);
        Some(MarginRange {
            equity: equity.wider(self.slip),
            initial: (matrix + Span::of(stated)).wider(self.slip),
            maintenance: matrix.times(terms.maintenance_factor).wider(self.slip),
        })
    }
}
