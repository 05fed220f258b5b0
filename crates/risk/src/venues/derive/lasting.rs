//! Between what PMRM-2 lies for a while.

use super::portfolio_margin::{FIRST, Factors, Pmrm2, Shocks};
use super::terms::{CollateralTerms, Pmrm2Terms, VolMove};
use crate::venues::lasting::{MarginRange, PriceRanges, ROUNDING, STEEPEST, Span};
use market::Currency;
use units::math::{ln, sqrt};
use units::{Duration, Timestamp};

const YEAR: f64 = 365.0 * 86_400.0;

/// What of an account's PMRM-2 stays until some time, in dollars.
#[derive(Debug, Clone, PartialEq)]
pub struct Pmrm2Lasting {
    terms: Pmrm2Terms,
    coin: Currency,
    cash: Currency,
    until: Timestamp,
    /// By scenario, what options earn, weighted.
    options: Vec<Span>,
    basis: Span,
    /// What options are worth, and cash.
    fixed: Span,
    /// Naked shorts.
    naked: f64,
    /// Row and quantity.
    perpetual: Option<(usize, f64)>,
    collateral: Vec<(CollateralTerms, f64)>,
    gross: f64,
}

impl Pmrm2 {
    /// What stays for some time. `None`: an option expires, is discounted, or an oracle is so unsure that it costs margin.
    #[must_use]
    pub fn lasting(&self, time: Duration) -> Option<Pmrm2Lasting> {
        let (terms, until) = (&self.terms, self.at + time);
        let unsure = |confidence: f64| confidence < terms.confidence_threshold;
        let is_unsure = unsure(self.confidence)
            || self.expiries.iter().any(|expiry| unsure(expiry.confidence))
            || self.collateral.iter().any(|held| unsure(held.confidence));
        if is_unsure {
            return None;
        }
        let mut options = vec![Span::default(); terms.scenarios.len()];
        let (mut basis, mut fixed, mut naked, mut gross) = (Span::default(), Span::of(self.cash), 0.0, self.cash.abs());
        for (index, expiry) in self.expiries.iter().enumerate() {
            let seconds = [self.at, until].map(|at| (expiry.at.nanos() - at.nanos()) as f64 / 1e9);
            let years = seconds.map(|seconds| seconds / YEAR);
            if seconds[1] <= 1.0 || self.grid.discount(index) != 1.0 {
                return None;
            }
            let roots = years.map(sqrt);
            // Where the width of the bent smile turns, it is not between its ends.
            let turn = -terms.width_vol / (2.0 * terms.width_vol_slope);
            if terms.width_vol_slope != 0.0 && roots[1] <= turn && turn <= roots[0] {
                return None;
            }
            let shocks = [0, 1].map(|at| Shocks::new(terms, seconds[at], years[at]));
            let factors = years.map(|years| Factors::new(terms, expiry.rate, years, 1.0));
            let mut slack = [0.0; VolMove::ALL.len()];
            for option in self.grid.expiry(index) {
                let (quantity, vol) = (self.grid.quantity(option).abs(), self.vols[option]);
                let moneyness = self.log_strikes[option] - ln(expiry.forward);
                for (shock, slack) in VolMove::ALL.into_iter().zip(&mut slack) {
                    // A volatility goes one way with each number of a shock, so the ends of all of them hold it.
                    let ends = shocks[0].with(&shocks[1]).map(|shocks| shocks.vol(terms, shock, vol, moneyness));
                    let is = shocks[0].vol(terms, shock, vol, moneyness) * roots[0];
                    let least = ends.into_iter().fold(f64::INFINITY, f64::min) * roots[1];
                    let most = ends.into_iter().fold(0.0, f64::max) * roots[0];
                    *slack += quantity * STEEPEST * expiry.forward * (most - is).max(is - least);
                }
                let most = terms.scenarios.iter().map(|scenario| scenario.spot).fold(1.0, f64::max);
                gross += quantity * (expiry.forward * most + self.strikes[option]);
            }
            let same = slack[VolMove::Same.column()];
            let total = |scenario: usize, by: f64| Span::around(self.grid.total(index, scenario), by);
            let now = total(0, same);
            fixed = fixed + now;
            naked += expiry.naked;
            let moved = |scenario: usize, spot: f64| total(scenario, same * spot) + now.times(-1.0);
            let change = moved(1, terms.basis_up).least(moved(2, terms.basis_down)).least(Span::default());
            let share = Span::between(factors[0].basis, factors[1].basis);
            basis = basis + Span { low: change.low * share.high, high: change.high * share.low };
            for (at, scenario) in terms.scenarios.iter().enumerate() {
                let spot = if scenario.vol.is_skew() { 1.0 } else { scenario.spot };
                let value = total(FIRST + at, slack[scenario.vol.column()] * spot);
                let discounted = |value: f64, pick: fn(f64, f64) -> f64| {
                    let of = |factors: &Factors| value * if value >= 0.0 { factors.gain } else { factors.loss };
                    pick(of(&factors[0]), of(&factors[1]))
                };
                let after = Span { low: discounted(value.low, f64::min), high: discounted(value.high, f64::max) };
                let change = (after + now.times(-1.0)).times(scenario.weight);
                options[at] =
                    options[at] + if scenario.vol.is_skew() { change.magnitude().times(-1.0) } else { change };
            }
        }
        let collateral = self.collateral.iter().map(|held| (held.terms, held.amount)).collect();
        let perpetual = self.perpetual.map(|perpetual| (perpetual.row, perpetual.quantity));
        Some(Pmrm2Lasting {
            terms: terms.clone(),
            coin: self.coin,
            cash: self.cash_currency,
            until,
            options,
            basis,
            fixed,
            naked,
            perpetual,
            collateral,
            gross,
        })
    }
}

impl Pmrm2Lasting {
    pub(crate) fn currencies(&self) -> Vec<Currency> {
        let collateral = self.collateral.iter().map(|(terms, _)| terms.currency);
        [self.coin, self.cash].into_iter().chain(collateral).collect()
    }

    pub(crate) fn until(&self) -> Timestamp {
        self.until
    }

    /// As [`Pmrm2::sums`], of ends.
    pub(crate) fn range(&self, ranges: &PriceRanges) -> Option<MarginRange> {
        let (terms, spot, stable) = (&self.terms, ranges.price(self.coin)?, ranges.price(self.cash)?);
        let (mut equity, mut first, mut kept, mut gross) = (self.fixed, Span::default(), Span::default(), self.gross);
        // What each scenario's share moves: the perpetual at its mark, and collateral that moves along.
        let mut along = Span::default();
        if let Some((row, quantity)) = self.perpetual {
            let future = ranges.future(row)?;
            let notional = spot.times(quantity.abs());
            kept = kept + notional.times(terms.perpetual_maintenance);
            first = first + notional.times(terms.perpetual_initial);
            along = future.mark.times(quantity);
            equity = equity + future.profit;
            gross += notional.high + along.magnitude().high + future.profit.magnitude().high;
        }
        kept = kept + spot.times(self.naked * terms.option_maintenance);
        first = first + spot.times(self.naked * terms.option_initial);
        for (own, amount) in &self.collateral {
            let price = ranges.price(own.currency)?;
            let unit = Span { low: price.low / stable.high, high: price.high / stable.low };
            let value = unit.times(*amount);
            kept = kept + value.times(own.maintenance);
            first = first + value.times(own.initial);
            equity = equity + value;
            along = along + if own.risk_cancelling { value } else { Span::default() };
            gross += value.magnitude().high;
        }
        let mut worst = self.basis;
        for (scenario, options) in terms.scenarios.iter().zip(&self.options) {
            worst = worst.least(*options + along.times((scenario.spot - 1.0) * scenario.weight));
        }
        let off = |stable: f64| terms.initial_factor + (terms.peg_threshold - stable).max(0.0) * terms.peg_factor;
        // The worst is never over zero.
        let loss = worst.times(-1.0).most(Span::default());
        let initial = loss.product(Span::between(off(stable.low), off(stable.high)));
        let slip = ROUNDING * gross;
        Some(MarginRange {
            equity: equity.wider(slip),
            initial: (initial + first + kept).wider(slip),
            maintenance: (loss.times(terms.maintenance_factor) + kept).wider(slip),
        })
    }
}
