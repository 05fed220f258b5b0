//! What options on an underlying make of a move of its price and its volatility, by the Greeks that a run keeps.

use super::{Held, Law};
use crate::report::{GreekPath, RunSummary};
use market::{Currency, is_dollar};
use units::math::exp;
use units::{Duration, Timestamp};

/// How long Greeks and volatilities stand in for those of now.
const STANDS: Duration = Duration::DAY;

/// Profit by a move, as a share of equity: of the price, its square, of volatility, of time. Of a coin's own account it is in coin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slopes {
    delta: f64,
    gamma: f64,
    vega: f64,
    theta: f64,
    /// At the money, 30 days; zero where it is not known, and then it does not move.
    vol: f64,
    in_coin: bool,
}

impl Slopes {
    /// Of changes ln(after ÷ before) of price and volatility.
    pub(super) fn profit(&self, price: f64, vol: f64) -> f64 {
        let (moved, vol) = (exp(price) - 1.0, self.vol * (exp(vol) - 1.0));
        let profit = self.delta * moved + self.gamma * moved * moved + self.vega * vol + self.theta;
        if self.in_coin { profit / (1.0 + moved) } else { profit }
    }
}

/// What moves with an underlying: its name, and what its price and its volatility were at each end; zero where they are not known.
pub(super) struct Moving {
    pub(super) coin: Currency,
    pub(super) price: Vec<f64>,
    pub(super) vol: Option<Vec<f64>>,
}

/// Options and what is held beside them, by underlying.
///
/// # Errors
///
/// In words: a run of which Greeks tell only a part.
pub(super) fn held(
    summary: &RunSummary,
    ends: &[Timestamp],
    step: Duration,
) -> Result<(Vec<Moving>, Vec<Held>), String> {
    if summary.instruments.iter().any(|known| !known.is_structure) {
        return Err(
            "options and other instruments are held by strategies of their own, and Greeks are kept of all together"
                .to_owned(),
        );
    }
    if summary.greeks.is_empty() {
        return Err("no Greeks were kept: options were never held, or never had a volatility".to_owned());
    }
    let own: Option<Currency> = summary.header.currency.parse().ok();
    let Some(own) = own else { return Err(format!("nothing is known of {}", summary.header.currency)) };
    let (mut all, mut moving) = (Vec::new(), Vec::new());
    for path in &summary.greeks {
        let coin: Currency = path.underlying.parse().map_err(|_| format!("nothing is known of {}", path.underlying))?;
        if coin != own && !is_dollar(own) {
            return Err(format!("options on {coin} are held in an account that counts in {own}"));
        }
        let vols = volatilities(summary, &path.underlying, ends);
        let row = |at: usize| {
            let end = ends.get(at)?;
            let known = last(&path.time, *end, step)?;
            let vol = vols.as_ref().map_or(0.0, |vols| vols[at]);
            slopes(path, known, equity(summary, *end), vol, coin == own, step)
        };
        let rows: Vec<Option<Slopes>> = (0..ends.len()).map(row).collect();
        let price = ends.iter().map(|end| last(&path.time, *end, STANDS).map_or(0.0, |known| path.price[known]));
        let price = price.collect();
        let exposed = rows.iter().map(|row| f64::from(u8::from(row.is_some()))).collect();
        // Of the twin no Greeks are kept.
        let exposure = [exposed, vec![0.0; ends.len()]];
        all.push(Held { strategy: 0, instrument: 0, coin: moving.len(), law: Law::Greeks(rows), exposure });
        moving.push(Moving { coin, price, vol: vols });
    }
    Ok((moving, all))
}

fn slopes(path: &GreekPath, at: usize, equity: f64, vol: f64, in_coin: bool, step: Duration) -> Option<Slopes> {
    let price = path.price[at];
    let dollars = if in_coin { equity * price } else { equity };
    if dollars <= 0.0 {
        return None;
    }
    // The volatility that moves is that of its moneyness, so the smile moves along.
    let delta = path.delta[at] + path.skew_delta[at] + path.hedge[at] - if in_coin { path.premium[at] } else { 0.0 };
    Some(Slopes {
        delta: delta * price / dollars,
        gamma: path.cash_gamma[at] * 50.0 / dollars,
        vega: path.vega[at] * 100.0 / dollars,
        theta: path.theta[at] * step.days() / dollars,
        vol,
        in_coin,
    })
}

/// Volatility at the money of 30 days at each end. None: no surface has one.
fn volatilities(summary: &RunSummary, underlying: &str, ends: &[Timestamp]) -> Option<Vec<f64>> {
    let path = summary.surfaces.iter().find(|path| path.underlying == underlying)?;
    let (times, vols): (Vec<i64>, Vec<f64>) =
        path.time.iter().zip(&path.atm_30d).filter_map(|(time, vol)| Some((*time, (*vol)?))).unzip();
    let at = |end: &Timestamp| last(&times, *end, STANDS).map_or(0.0, |known| vols[known]);
    Some(ends.iter().map(at).collect())
}

/// The last of rising times until a moment, if it is not longer ago than `most`.
fn last(times: &[i64], at: Timestamp, most: Duration) -> Option<usize> {
    let known = times.partition_point(|time| *time <= at.nanos()).checked_sub(1)?;
    (at.nanos() - times[known] <= most.nanos()).then_some(known)
}

fn equity(summary: &RunSummary, at: Timestamp) -> f64 {
    let after = summary.bars.time.partition_point(|time| *time <= at.nanos());
    after.checked_sub(1).and_then(|at| summary.bars.equity.get(at)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    /// A call of one coin, paid for in coin, in an account of coin and in one of dollars: against its price before and after a move, by the
    /// formula of Black written out with its own slopes.
    #[test]
    fn a_small_move_is_that_of_the_price() {
        use pricing::laws::{normal_density, normal_distribution};
        use units::math::{ln, sqrt};
        let (strike, years) = (66_000.0, 30.0 / 365.0);
        let parts = |spot: f64, vol: f64| {
            let deviation = vol * sqrt(years);
            let first = ln(spot / strike) / deviation + deviation / 2.0;
            (first, first - deviation, deviation)
        };
        let worth = |spot: f64, vol: f64| {
            let (first, second, _) = parts(spot, vol);
            spot * normal_distribution(first) - strike * normal_distribution(second)
        };
        let (spot, vol) = (60_000.0, 0.6);
        let (first, _, deviation) = parts(spot, vol);
        let gamma = normal_density(first) / (spot * deviation);
        let path = GreekPath {
            price: vec![spot],
            delta: vec![normal_distribution(first)],
            skew_delta: vec![0.0],
            premium: vec![worth(spot, vol) / spot],
            hedge: vec![-0.25],
            cash_gamma: vec![gamma * spot * spot * 0.01],
            vega: vec![spot * normal_density(first) * sqrt(years) * 0.01],
            theta: vec![0.0],
            ..GreekPath::default()
        };
        // What Greeks leave out grows with the cube of a move, or with the product of both.
        for (price, change, within) in
            [(-0.02, 0.0, 2e-5), (0.02, 0.0, 2e-5), (0.001, 0.002, 2e-6), (-0.001, -0.003, 2e-6)]
        {
            let (there, then) = (spot * exp(price), vol * exp(change));
            // In dollars, of an equity of 100,000; in coin, of two. What is sold beside it is a future paid in the same.
            let dollars = worth(there, then) - worth(spot, vol) - 0.25 * (there - spot);
            let found = slopes(&path, 0, 100_000.0, vol, false, Duration::DAY).unwrap().profit(price, change);
            assert!((found - dollars / 100_000.0).abs() < within, "{found} {}", dollars / 100_000.0);
            let coin = worth(there, then) / there - worth(spot, vol) / spot - 0.25 * (there - spot) / there;
            let found = slopes(&path, 0, 2.0, vol, true, Duration::DAY).unwrap().profit(price, change);
            assert!((found - coin / 2.0).abs() < within, "{found} {}", coin / 2.0);
        }
    }
}
