//! A bet in place of a run: Kelly's fraction of it, what of that the number of bets leaves, and the gambler's ruin at a stake, all in
//! closed form.

use risk::growth::{GrowthError, ever_ruined, gamblers_ruin, kelly_bet, kelly_shrinkage};
use serde::Serialize;
use units::math::ln;

/// A bet, and what is to be told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bet {
    /// The probability that it is won.
    pub win: f64,
    /// What it pays for one that is staked; one that is lost is gone.
    pub odds: f64,
    /// Of so many bets the probability was counted.
    pub bets: Option<u32>,
    /// What is staked each time, as a share of the first capital. Of bets at one to one.
    pub stake: Option<f64>,
    /// The gain, as a share of the first capital, at which he stops; `None`: as much as the loss.
    pub target: Option<f64>,
    /// Losses of the first capital to tell the probability of.
    pub levels: Vec<f64>,
}

/// What comes of a bet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BetView {
    /// The probability that it is won.
    pub win: f64,
    /// What it pays for one.
    pub odds: f64,
    /// What is gained on average for one that is staked.
    pub mean: f64,
    /// Kelly's fraction of capital; none where nothing is gained on average.
    pub kelly: Option<f64>,
    /// Mean growth of the logarithm of capital a bet at it.
    pub growth: Option<f64>,
    /// Of how many bets the probability is.
    pub bets: Option<u32>,
    /// Its standard error.
    pub win_error: Option<f64>,
    /// What the uncertainty of the mean leaves of Kelly's fraction.
    pub shrinkage: Option<f64>,
    /// Kelly's fraction times that.
    pub shrunk: Option<f64>,
    /// What is staked each time, as a share of the first capital.
    pub stake: Option<f64>,
    /// The gain at which he stops, as a share of the first capital; none: as much as the loss.
    pub target: Option<f64>,
    /// The gambler's ruin, loss by loss.
    pub ruin: Vec<BetRuin>,
}

/// The gambler's ruin of one loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BetRuin {
    /// The loss, as a share of the first capital.
    pub level: f64,
    /// In stakes, rounded up.
    pub stakes: u32,
    /// The probability that it is lost before the target is won, or as much where there is none.
    pub before_gain: f64,
    /// Bets until either, on average.
    pub rounds: f64,
    /// The probability that it is ever lost.
    pub ever: f64,
}

/// More stakes in a loss are no question of a bet.
const STAKES_MOST: f64 = 1e6;

impl Bet {
    /// What comes of it.
    ///
    /// # Errors
    ///
    /// A number that no bet has; a stake of a bet that is not at one to one, or that a loss holds over a million times.
    pub fn view(&self) -> Result<BetView, GrowthError> {
        let Self { win, odds, bets, stake, target, levels } = self;
        let (win, odds) = (*win, *odds);
        let fraction = kelly_bet(win, odds)?;
        let mean = win * odds - (1.0 - win);
        let variance = win * odds * odds + (1.0 - win) - mean * mean;
        let kelly = Some(fraction).filter(|fraction| *fraction > 0.0);
        let growth = kelly.map(|fraction| win * ln(1.0 + fraction * odds) + (1.0 - win) * ln(1.0 - fraction));
        let shrinkage = bets.map(|bets| kelly_shrinkage(mean, variance, bets)).transpose()?;
        if stake.is_some() && odds != 1.0 {
            return Err(GrowthError::Outside { name: "the odds of a gambler's ruin", value: odds, allowed: "1" });
        }
        let ruin = |level: &f64, stake: f64| {
            // 0.2 ÷ 0.02 is 10.000000000000002: a whole number is meant.
            let stakes_of = |amount: f64| (amount / stake - 1e-9).ceil();
            let (stakes, won) = (stakes_of(*level), stakes_of(target.unwrap_or(*level)));
            if stakes.max(won) > STAKES_MOST {
                let allowed = "a millionth of the loss, and of the target, or more";
                return Err(GrowthError::Outside { name: "the stake", value: stake, allowed });
            }
            let stakes = stakes as u32;
            let before = gamblers_ruin(win, stakes, stakes + won as u32)?;
            let ever = ever_ruined(win, stakes)?;
            Ok(BetRuin { level: *level, stakes, before_gain: before.ruin, rounds: before.rounds, ever })
        };
        let rows = stake.iter().flat_map(|stake| levels.iter().map(|level| ruin(level, *stake)));
        Ok(BetView {
            win,
            odds,
            mean,
            kelly,
            growth,
            bets: *bets,
            win_error: bets.map(|bets| units::math::sqrt(win * (1.0 - win) / f64::from(bets))),
            shrinkage,
            shrunk: kelly.zip(shrinkage).map(|(kelly, share)| kelly * share),
            stake: *stake,
            target: *target,
            ruin: rows.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kelly (1956) for the fraction, 2 p − 1 at one to one, and ln 2 less the entropy for growth; Feller's ruin (XIV.2) at p = 0.45
    /// from ten of twenty: 0.8815; the variance of a mean of 100 bets against the mean's square.
    #[test]
    fn closed_forms() {
        let bet = Bet { win: 0.6, odds: 1.0, bets: Some(100), stake: Some(0.02), target: None, levels: vec![0.2] };
        let view = bet.view().unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(view.kelly.unwrap(), 0.2);
        near(view.growth.unwrap(), 2.0_f64.ln() + 0.6 * 0.6_f64.ln() + 0.4 * 0.4_f64.ln());
        near(view.shrinkage.unwrap(), 0.04 / (0.04 + 0.96 / 100.0));
        assert_eq!(view.ruin[0].stakes, 10);
        near(view.ruin[0].ever, (0.4_f64 / 0.6).powi(10));
        let unfair = Bet { win: 0.45, ..bet.clone() }.view().unwrap();
        assert_eq!((unfair.kelly, unfair.shrunk, unfair.ruin[0].ever), (None, None, 1.0));
        let ratio = (0.55_f64 / 0.45).powi(10);
        near(unfair.ruin[0].before_gain, ratio / (1.0 + ratio));
        assert!((unfair.ruin[0].before_gain - 0.8815).abs() < 5e-5);
        // Two to one, half the time: a quarter of capital.
        let even = Bet { win: 0.5, odds: 2.0, bets: None, stake: None, target: None, levels: vec![0.2] };
        near(even.view().unwrap().kelly.unwrap(), 0.25);
        // Feller's table (XIV.3): probabilities of ruin to three digits and durations, by start and target in stakes.
        for (win, start, target, ruin, rounds) in [
            (0.5, 9.0, 10.0, 0.1, 9.0),
            (0.5, 900.0, 1_000.0, 0.1, 90_000.0),
            (0.5, 8_000.0, 10_000.0, 0.2, 16_000_000.0),
            (0.45, 90.0, 100.0, 0.866, 765.6),
            (0.4, 90.0, 100.0, 0.983, 441.3),
        ] {
            let levels = vec![start / target];
            let feller =
                Bet { win, stake: Some(1.0 / target), target: Some(1.0 - start / target), levels, ..bet.clone() };
            let row = &feller.view().unwrap().ruin[0];
            assert_eq!(f64::from(row.stakes), start);
            assert!((row.before_gain - ruin).abs() < 6e-4 && (row.rounds - rounds).abs() < 0.06, "{row:?}");
        }
        assert!(Bet { stake: Some(0.02), ..even }.view().is_err());
        assert!(Bet { stake: Some(1e-9), ..bet }.view().is_err());
    }
}
