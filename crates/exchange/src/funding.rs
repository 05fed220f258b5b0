//! Funding: at a moment, or over the time that a position was held.

use crate::venue::Exchange;
use market::{CashChange, CashReason, Event, FundingRate};
use units::state::StateWriter;
use units::{Contract, Notional, Price, Qty, Round, Timestamp};

/// How the position in an instrument with continuous funding went since the last payment.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// From when on which position was held; never empty, times grow.
    steps: Vec<(Timestamp, Qty)>,
    /// Until when funding was paid.
    paid: Timestamp,
}

impl Held {
    pub(crate) fn new() -> Self {
        Self { steps: vec![(Timestamp::MIN, Qty::ZERO)], paid: Timestamp::MIN }
    }

    /// Notes the position from a moment on.
    pub(crate) fn step(&mut self, at: Timestamp, net: Qty) {
        match self.steps.last_mut() {
            Some(last) if last.0 == at => last.1 = net,
            _ => self.steps.push((at, net)),
        }
    }

    /// Σ position × nanoseconds over the interval that ends now, less what of it was paid before. All of it counts as paid after.
    fn take(&mut self, at: Timestamp, interval: i64) -> i128 {
        let from = self.paid.nanos().max(at.nanos().saturating_sub(interval));
        let ends = self.steps.iter().skip(1).map(|(time, _)| time.nanos()).chain([at.nanos()]);
        let parts = self.steps.iter().zip(ends).map(|((begins, net), ends)| {
            let (begins, ends) = (begins.nanos().max(from), ends.min(at.nanos()));
            i128::from(net.raw()) * i128::from((ends.saturating_sub(begins)).max(0))
        });
        let area = parts.sum();
        self.paid = at;
        let last = self.steps.pop().unwrap_or((at, Qty::ZERO));
        self.steps.clear();
        self.steps.push(last);
        area
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.i64(self.paid.nanos());
        out.len(self.steps.len());
        for (at, net) in &self.steps {
            out.i64(at.nanos());
            out.i64(net.raw());
        }
    }
}

/// The exposure of `area ÷ interval` at a price: whole quantities and the rest apart, so that nothing overflows; each toward zero
/// at 1e-16.
fn mean_exposure(contract: Contract, price: Price, area: i128, interval: i64) -> Notional {
    let (interval, raw) = (i128::from(interval), i128::from(price.raw()));
    let (whole, rest) = (area / interval, area % interval);
    let part = match contract {
        Contract::Linear => raw * rest / interval,
        Contract::Inverse => (rest * Notional::ONE).checked_div(raw * interval).unwrap_or(0),
    };
    contract.exposure(price, Qty::from_raw(whole as i64)) + Notional::from_raw(part)
}

impl Exchange {
    /// Pays what falls due now, at marks known before this instant's own.
    pub(crate) fn pay_funding(&mut self) {
        for at in 0..self.input.len() {
            let Event::Funding(due) = self.input[at] else { continue };
            let Some(payment) = self.funding(&due) else { continue };
            self.change(&payment);
            self.out.push(Event::Cash(payment));
        }
    }

    /// Longs pay `rate` × their exposure at mark, in coin for an inverse contract; exact, or rounded against the account at 1e-16.
    fn funding(&mut self, due: &FundingRate) -> Option<CashChange> {
        let index = due.instrument.index();
        let terms = self.terms[index];
        let account = &self.clients[terms.account.index()].account;
        let (contract, mark) = (account.contract(index), account.mark(index));
        let interval = due.interval.nanos();
        let held = self.held[index].as_mut().filter(|_| interval > 0);
        let (position, exposure) = match held.map(|held| held.take(self.at, interval)) {
            // The mean of positions is within the range of a quantity.
            Some(area) => {
                let mean = Qty::from_raw((area / i128::from(interval)) as i64);
                (mean, mean_exposure(contract, mark, area, interval))
            }
            None => (account.position(index).qty, account.exposure(index)),
        };
        if exposure.is_zero() || terms.is_spot {
            return None;
        }
        let owed = -exposure;
        let received = owed.signum() * due.rate.signum() > 0;
        let round = if received { Round::TowardZero } else { Round::AwayFromZero };
        let amount = owed.at_rate(due.rate, round).expect("a rate under one never leaves the range");
        let reason = CashReason::Funding { instrument: due.instrument, rate: due.rate, mark, position };
        Some(CashChange { account: terms.account, currency: account.settlement(index).currency, amount, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn a_moment_is_paid_once_and_a_gap_is_not_paid() {
        let mut held = Held::new();
        held.step(moment(100), Qty::from_raw(6));
        held.step(moment(150), Qty::from_raw(-2));
        held.step(moment(150), Qty::from_raw(-4));
        assert_eq!(held.take(moment(160), 100), 6 * 50 - 4 * 10);
        assert_eq!(held.take(moment(170), 100), -4 * 10, "60 to 160 were paid");
        assert_eq!(held.take(moment(300), 50), -4 * 50, "nobody told a rate for 170 to 250");
        assert_eq!(held.steps.len(), 1);
    }

    /// Against the sum over every single nanosecond.
    #[test]
    fn equals_the_sum_over_every_moment() {
        let mut seed = 5_u64;
        let mut random = |end: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as i64 % end
        };
        for _ in 0..200 {
            let (mut held, mut net, mut unpaid) = (Held::new(), 0_i64, Vec::new());
            for now in 0..300_i64 {
                if random(10) == 0 {
                    net = random(2_001) - 1_000;
                    held.step(moment(now), Qty::from_raw(net));
                }
                if random(40) == 0 {
                    let interval = random(60) + 1;
                    let covered =
                        unpaid.iter().filter(|(at, _)| *at >= now - interval).map(|(_, net)| i128::from(*net));
                    assert_eq!(held.take(moment(now), interval), covered.sum::<i128>());
                    unpaid.clear();
                }
                unpaid.push((now, net));
            }
        }
    }

    #[test]
    fn the_mean_exposure_is_exact_to_two_last_places_and_never_overflows() {
        let price: Price = "30000".parse().unwrap();
        let hour = 3_600_000_000_000;
        // A third of the hour 1 and nothing else, at 30,000.
        let area = i128::from(Qty::ONE) * i128::from(hour / 3);
        assert_eq!(mean_exposure(Contract::Linear, price, area, hour).to_string(), "10000");
        assert_eq!(mean_exposure(Contract::Linear, price, 1 - area, hour).to_string(), "-9999.9999999999999999");
        assert_eq!(mean_exposure(Contract::Linear, price, 3 * area, hour).to_string(), "30000");
        assert_eq!(mean_exposure(Contract::Inverse, price, 30_000 * 3 * area, hour).to_string(), "1");
        assert_eq!(mean_exposure(Contract::Inverse, Price::ZERO, area, hour), Notional::ZERO);
        let most = i128::from(i64::MAX) * i128::from(i64::MAX);
        for area in [most, -most, most - 1] {
            for price in [Price::MAX, Price::from_raw(1)] {
                assert!(!mean_exposure(Contract::Linear, price, area, i64::MAX).is_zero());
                let _coin = mean_exposure(Contract::Inverse, price, area, i64::MAX);
            }
        }
    }
}
