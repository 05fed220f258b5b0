//! A portfolio that is priced again under joint moves, time gone by to the horizon.

use super::figures::Profits;
use super::{Factor, Moves, ValueAtRiskError};
use crate::scenario::{Holding, Outcomes, Portfolio, REFERENCE_DAYS, Revaluation, SHORT_DAYS, Scenario, VolMove};
use market::Currency;
use pricing::options::Simd;
use pricing::surface::Sticky;
use std::ops::Range;
use units::math::{exp, ln};
use units::{Duration, Timestamp};

/// Scenarios that are priced at a time, so that what is kept of them stays small.
const CHUNK: usize = 256;

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
    /// Made when they are first asked for.
    parts: Vec<Part>,
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

/// What an account holds with one underlying.
#[derive(Debug, Clone)]
struct Part {
    underlying: Currency,
    portfolio: Portfolio,
    /// Its lines in the whole.
    lines: Vec<usize>,
    revaluation: Revaluation,
    outcomes: Outcomes,
}

/// A smile's volatility at ln(strike ÷ forward), for the option of a line.
pub(super) type Smile<'a> = dyn Fn(usize, f64) -> f64 + Sync + 'a;

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
        Self { accounts, parts: Vec::new(), lines: first, dynamics, coins }
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

    /// As [`Self::profits`], on whole smiles: `smile` gives the volatility of the expiry of an option (its line) at ln(strike ÷ forward).
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
        smile: impl Fn(usize, f64) -> f64 + Sync,
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

    /// Whole smiles, scenario by scenario. There volatilities of one portfolio move together, so each coin has its own.
    fn run_on_smiles(
        &mut self,
        moves: &Moves,
        range: Range<usize>,
        groups: &[usize],
        smile: &Smile<'_>,
        profits: &mut Profits,
    ) -> Result<(), ValueAtRiskError> {
        if self.parts.is_empty() {
            for Account { portfolio, first, revaluation } in &self.accounts {
                for (underlying, portfolio, mut lines) in portfolio.by_underlying() {
                    lines.iter_mut().for_each(|line| *line += first);
                    let (revaluation, outcomes) = (revaluation.clone(), Outcomes::default());
                    self.parts.push(Part { underlying, portfolio, lines, revaluation, outcomes });
                }
            }
        }
        let mut scenarios: Vec<Scenario> = Vec::new();
        for Part { underlying, portfolio, lines, revaluation, outcomes } in &mut self.parts {
            let place = |of: Factor| moves.factors().iter().position(|factor| *factor == of);
            let vols = [Factor::Vol, Factor::ShortVol, Factor::Skew].map(|of| place(of(*underlying)));
            let mut first = range.start;
            while first < range.end {
                let chunk = first..range.end.min(first + CHUNK);
                scenarios.resize_with(chunk.len(), || like(moves, self.dynamics));
                for (scenario, at) in scenarios.iter_mut().zip(chunk.clone()) {
                    set(scenario, moves, at, vols, self.dynamics);
                }
                revaluation.run_on(portfolio, &scenarios, outcomes, |line, place| smile(lines[line], place))?;
                profits.add_outcomes(chunk.start - range.start, outcomes, lines, groups);
                first = chunk.end;
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

/// The scenario of a move, of which `vols` are the volatilities': at thirty days, at seven, and their skew.
fn set(scenario: &mut Scenario, moves: &Moves, at: usize, [vol, short, skew]: [Option<usize>; 3], dynamics: Dynamics) {
    let changes = moves.of(at);
    // What is named here moves so, coin or dollar.
    scenario.dollars.clear();
    for (factor, change) in moves.factors().iter().zip(changes) {
        if let Factor::Price(coin) = factor {
            scenario.dollars.push((*coin, exp(*change) - 1.0));
        }
    }
    scenario.vol.relative = vol.map_or(0.0, |vol| exp(changes[vol]) - 1.0);
    scenario.vol.short = dynamics.beyond(changes, vol, short);
    scenario.vol.tilt = skew.map_or(0.0, |skew| changes[skew]);
}
