//! A portfolio that is priced again under joint moves, time gone by to the horizon.

use super::figures::Profits;
use super::{Factor, Moves, ValueAtRiskError};
use crate::scenario::{Outcomes, Portfolio, Revaluation, Scenario, VolMove};
use market::Currency;
use pricing::options::Simd;
use pricing::surface::Sticky;
use std::ops::Range;
use units::math::exp;

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

/// What is held in one account or several, ready to be moved. Coins' volatilities move apart from each other.
#[derive(Debug, Clone)]
pub struct Book {
    parts: Vec<Part>,
    lines: usize,
    dynamics: Dynamics,
    coins: Vec<Currency>,
}

/// What is held with one underlying.
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
        let (mut parts, mut coins, mut before) = (Vec::new(), Vec::new(), 0);
        for whole in portfolios {
            for (underlying, portfolio, mut lines) in whole.by_underlying() {
                lines.iter_mut().for_each(|line| *line += before);
                let (revaluation, outcomes) = (Revaluation::new(simd), Outcomes::default());
                parts.push(Part { underlying, portfolio, lines, revaluation, outcomes });
            }
            coins.extend(whole.coins());
            before += whole.len();
        }
        coins.sort_unstable();
        coins.dedup();
        Self { parts, lines: before, dynamics, coins }
    }

    /// Coins that options are held on and whose volatilities stand still, because nothing among the factors moves them.
    #[must_use]
    pub fn still(&self, factors: &[Factor]) -> Vec<Currency> {
        let options = self.parts.iter().filter(|part| part.portfolio.has_options()).map(|part| part.underlying);
        let mut still: Vec<Currency> = options.filter(|coin| !factors.contains(&Factor::Vol(*coin))).collect();
        still.sort_unstable();
        still.dedup();
        still
    }

    /// Profits under some of the moves. `groups` tells the group of each line, from zero; empty: the whole alone is asked for. Two
    /// calls for parts of the moves give the same bits as one for all.
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
        let mut scenarios: Vec<Scenario> = Vec::new();
        for part in &mut self.parts {
            let vol = factors.iter().position(|factor| *factor == Factor::Vol(part.underlying));
            let mut first = range.start;
            while first < range.end {
                let chunk = first..range.end.min(first + CHUNK);
                scenarios.resize_with(chunk.len(), || Scenario::still(""));
                for (scenario, at) in scenarios.iter_mut().zip(chunk.clone()) {
                    set(scenario, moves, at, vol, self.dynamics);
                }
                let Part { portfolio, lines, revaluation, outcomes, .. } = part;
                match smile {
                    None => revaluation.run(portfolio, &scenarios, outcomes)?,
                    Some(smile) => {
                        revaluation.run_on(portfolio, &scenarios, outcomes, |line, place| smile(lines[line], place))?;
                    }
                }
                profits.add(chunk.start - range.start, outcomes, lines, groups);
                first = chunk.end;
            }
        }
        Ok(profits)
    }
}

/// The scenario of a move.
fn set(scenario: &mut Scenario, moves: &Moves, at: usize, vol: Option<usize>, dynamics: Dynamics) {
    let changes = moves.of(at);
    scenario.dollars.clear();
    for (factor, change) in moves.factors().iter().zip(changes) {
        if let Factor::Price(coin) = factor {
            scenario.dollars.push((*coin, exp(*change) - 1.0));
        }
    }
    scenario.vol = VolMove {
        relative: vol.map_or(0.0, |vol| exp(changes[vol]) - 1.0),
        short_power: dynamics.short_power,
        long_power: dynamics.long_power,
        floor: dynamics.floor,
        ..VolMove::NONE
    };
    scenario.sticky = dynamics.sticky;
    scenario.time = moves.horizon();
}
