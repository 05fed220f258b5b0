//! A portfolio that is priced again under joint moves, time gone by to the horizon.

use super::figures::Profits;
use super::{Factor, Moves, ValueAtRiskError};
use crate::scenario::{Holding, Portfolio, REFERENCE_DAYS, Revaluation, SHORT_DAYS, Scenario, VolMove};
use market::Currency;
use pricing::options::Simd;
use pricing::surface::Sticky;
use std::ops::Range;
use units::math::{exp, ln};
use units::{Duration, Timestamp};

/// How volatilities of all strikes and tenors follow the one that the history tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dynamics {
    /// What of a smile stays when the forward moves.
    pub sticky: Sticky,
    /// Power of (30 ÷ days) by which tenors under thirty days move more.
    pub short_power: f64,
    /// The same from thirty days on, which move less.
    pub long_power: f64,
    /// No volatility falls under this one.
    pub floor: f64,
}

impl Default for Dynamics {
    /// Smiles move along with the forward. The powers are those of Deribit's BTC options from January to May 2026: changes of volatility
    /// at the money over six hours, by regression on those at thirty days 0.33 to 0.36 from three to fourteen days, 0.50 to 0.61 from
    /// sixty to 180.
    fn default() -> Self {
        Self { sticky: Sticky::Moneyness, short_power: 0.33, long_power: 0.5, floor: 0.05 }
    }
}

impl Dynamics {
    /// By what share of itself the volatility at seven days moves beyond what the one at thirty days tells of it, by where their changes
    /// stand among those of a scenario.
    pub(super) fn beyond(&self, changes: &[f64], vol: Option<usize>, short: Option<usize>) -> f64 {
        let share = |at: usize| exp(changes[at]) - 1.0;
        let told = exp(self.short_power * ln(REFERENCE_DAYS / SHORT_DAYS));
        short.map_or(0.0, |short| share(short) - vol.map_or(0.0, |vol| told * share(vol)))
    }
}

/// What is held in one account or several, ready to be moved. Coins' volatilities move apart from each other.
#[derive(Debug, Clone)]
pub struct Book {
    accounts: Vec<Account>,
    lines: usize,
    dynamics: Dynamics,
    coins: Vec<Currency>,
}

/// What one account holds.
#[derive(Debug, Clone)]
struct Account {
    portfolio: Portfolio,
    /// Its first line in the whole.
    first: usize,
    revaluation: Revaluation,
}

/// A smile's volatilities in place of ln(strike ÷ forward), for the option of a line.
pub(super) type Smile<'a> = dyn Fn(usize, &mut [f64]) + Sync + 'a;

impl Book {
    /// Of the portfolios of one or more accounts that reckon in one currency. Their lines are numbered one after the other.
    ///
    /// # Panics
    ///
    /// If they reckon in different currencies.
    #[must_use]
    pub fn new(portfolios: &[Portfolio], dynamics: Dynamics, simd: Simd) -> Self {
        let alike = portfolios.windows(2).all(|pair| pair[0].account() == pair[1].account());
        assert!(alike, "profits in different currencies do not add up");
        let (mut accounts, mut coins, mut first) = (Vec::new(), Vec::new(), 0);
        for portfolio in portfolios {
            coins.extend(portfolio.coins());
            let revaluation = Revaluation::new(simd);
            accounts.push(Account { portfolio: portfolio.clone(), first, revaluation });
            first += portfolio.len();
        }
        coins.sort_unstable();
        coins.dedup();
        Self { accounts, lines: first, dynamics, coins }
    }

    /// Coins that its value depends on; dollars are none.
    #[must_use]
    pub fn coins(&self) -> &[Currency] {
        &self.coins
    }

    /// Coins that options are held on and whose volatilities stand still, because nothing among the factors moves them.
    #[must_use]
    pub fn still(&self, factors: &[Factor]) -> Vec<Currency> {
        let options = self.accounts.iter().flat_map(|account| account.portfolio.coins_of_options());
        let mut still: Vec<Currency> = options.filter(|coin| !factors.contains(&Factor::Vol(*coin))).collect();
        still.sort_unstable();
        still.dedup();
        still
    }

    /// Coins that options of under thirty days are held on.
    #[must_use]
    pub fn short(&self) -> Vec<Currency> {
        let each = self.accounts.iter().flat_map(|account| account.portfolio.coins_of_short_options());
        let mut short: Vec<Currency> = each.collect();
        short.sort_unstable();
        short.dedup();
        short
    }

    /// The first option that expires before so much time has gone by, and when.
    #[must_use]
    pub fn expires_within(&self, horizon: Duration) -> Option<(usize, Timestamp)> {
        let expiry_of = |holding: &Holding| match holding {
            Holding::Option { expiry, .. } => Some(*expiry),
            _ => None,
        };
        self.accounts.iter().find_map(|Account { portfolio, first, .. }| {
            let mut lines = portfolio.holdings().map(expiry_of).enumerate();
            lines.find_map(|(line, expiry)| Some((first + line, expiry.filter(|at| *at <= portfolio.now() + horizon)?)))
        })
    }

    /// Profits under some of the moves. `groups` tells the group of each line, from zero; empty: the whole alone is asked for. Two
    /// calls for parts of the moves give the same bits as one for all. A smile is a line through each option's point with its slope.
    ///
    /// # Errors
    ///
    /// A coin that no factor moves, a price or volatility that cannot be.
    ///
    /// # Panics
    ///
    /// If there are no such moves, or `groups` is of another number of lines.
    pub fn profits(
        &mut self,
        moves: &Moves,
        range: Range<usize>,
        groups: &[usize],
    ) -> Result<Profits, ValueAtRiskError> {
        self.run(moves, range, groups, None)
    }

    /// As [`Self::profits`], on whole smiles: `smile` puts volatilities of the expiry of an option (its line) in place of ln(strike ÷
    /// forward).
    ///
    /// # Errors
    ///
    /// As [`Self::profits`].
    ///
    /// # Panics
    ///
    /// As [`Self::profits`].
    pub fn profits_on(
        &mut self,
        moves: &Moves,
        range: Range<usize>,
        groups: &[usize],
        smile: impl Fn(usize, &mut [f64]) + Sync,
    ) -> Result<Profits, ValueAtRiskError> {
        self.run(moves, range, groups, Some(&smile))
    }

    pub(super) fn run(
        &mut self,
        moves: &Moves,
        range: Range<usize>,
        groups: &[usize],
        smile: Option<&Smile<'_>>,
    ) -> Result<Profits, ValueAtRiskError> {
        assert!(groups.is_empty() || groups.len() == self.lines, "each line has its group");
        let factors = moves.factors();
        if let Some(coin) = self.coins.iter().find(|coin| !factors.contains(&Factor::Price(**coin))) {
            return Err(ValueAtRiskError::NoHistory(*coin));
        }
        let count = groups.iter().max().map_or(0, |last| last + 1);
        let mut profits = Profits::zero(range.len(), count);
        match smile {
            None => self.run_at_slopes(moves, range, groups, &mut profits)?,
            Some(smile) => self.run_on_smiles(moves, range, groups, smile, &mut profits)?,
        }
        Ok(profits)
    }

    /// Smiles are lines through each option's point: all scenarios side by side.
    fn run_at_slopes(
        &mut self,
        moves: &Moves,
        range: Range<usize>,
        groups: &[usize],
        profits: &mut Profits,
    ) -> Result<(), ValueAtRiskError> {
        let joint = moves.joint(range, self.dynamics)?;
        let mut own = Vec::new();
        for Account { portfolio, first, revaluation } in &mut self.accounts {
            let mut ready = revaluation.ready(portfolio)?;
            if groups.is_empty() {
                ready.profits(&joint, &mut own)?;
                profits.add(None, &own);
            } else {
                ready.profits_by_line(&joint, |line, column| profits.add(Some(groups[*first + line]), column))?;
            }
        }
        Ok(())
    }

    /// Whole smiles.
    fn run_on_smiles(
        &mut self,
        moves: &Moves,
        range: Range<usize>,
        groups: &[usize],
        smile: &Smile<'_>,
        profits: &mut Profits,
    ) -> Result<(), ValueAtRiskError> {
        let joint = moves.joint(range, self.dynamics)?;
        let mut own = Vec::new();
        for Account { portfolio, first, revaluation } in &mut self.accounts {
            let places = portfolio.places();
            let along = |line: usize, moves: &mut [f64]| {
                let (line, place) = (*first + line, places[line]);
                let mut here = [place];
                smile(line, &mut here);
                moves.iter_mut().for_each(|by| *by = place - *by);
                smile(line, moves);
                moves.iter_mut().for_each(|vol| *vol -= here[0]);
            };
            let mut ready = revaluation.ready(portfolio)?;
            if groups.is_empty() {
                ready.profits_along(&joint, &mut own, along)?;
                profits.add(None, &own);
            } else {
                let each = |line: usize, column: &[f64]| profits.add(Some(groups[*first + line]), column);
                ready.profits_by_line_along(&joint, each, along)?;
            }
        }
        Ok(())
    }
}

/// What all scenarios have in common.
pub(super) fn like(moves: &Moves, dynamics: Dynamics) -> Scenario {
    let Dynamics { sticky, short_power, long_power, floor } = dynamics;
    let vol = VolMove { short_power, long_power, floor, ..VolMove::NONE };
    Scenario { vol, sticky, time: moves.horizon(), ..Scenario::still("") }
}
