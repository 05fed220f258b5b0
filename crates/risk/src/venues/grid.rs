//! Options revalued in every scenario of a list, and kept per unit, so that a fill costs an addition and not a revaluation.

use pricing::options::{EuropeanOption, Field, Inputs, MovedPrices, OptionKind, Refusal, Simd};
use std::ops::Range;

/// One scenario: how the forward moves, and which column of volatilities is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Move {
    /// Factor of the forward.
    pub(crate) spot: f64,
    /// Index into the columns of volatilities.
    pub(crate) vols: usize,
}

/// What an option is, without its market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Leg {
    pub(crate) kind: OptionKind,
    pub(crate) strike: f64,
    pub(crate) quantity: f64,
}

/// What the options of an expiry share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shared {
    pub(crate) forward: f64,
    pub(crate) years: f64,
    pub(crate) discount: f64,
}

/// Options by expiry. The value of one unit of each in each scenario lies scenario by scenario, so that a sum over an expiry is over
/// neighbours. Sums are taken anew over an expiry, in the order of its options: nothing depends on what was held before.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    moves: Vec<Move>,
    options: MovedPrices,
    /// By column, option by option; and which columns have changed since the last revaluation.
    vols: Vec<Vec<f64>>,
    changed: Range<usize>,
    expiries: Vec<(Range<usize>, Shared)>,
    quantities: Vec<f64>,
    strikes: Vec<f64>,
    /// Scenario-major: scenario × options + option.
    unit: Vec<f64>,
    /// Expiry-major: expiry × scenarios + scenario.
    totals: Vec<f64>,
}

impl Grid {
    pub(crate) fn new(moves: Vec<Move>, columns: usize) -> Self {
        Self {
            moves,
            options: MovedPrices::default(),
            vols: vec![Vec::new(); columns],
            changed: 0..columns,
            expiries: Vec::new(),
            quantities: Vec::new(),
            strikes: Vec::new(),
            unit: Vec::new(),
            totals: Vec::new(),
        }
    }

    /// Adds an expiry with its options and, for each, the volatility in each column. Volatilities are cut at the kernel's largest, where
    /// an option is worth its bound.
    pub(crate) fn push(
        &mut self,
        shared: Shared,
        legs: &[Leg],
        mut vol: impl FnMut(usize, usize) -> f64,
    ) -> Result<(), (usize, Refusal)> {
        let start = self.quantities.len();
        let most = Field::Vol.range().1;
        let Shared { forward, years, discount } = shared;
        for (at, leg) in legs.iter().enumerate() {
            let of =
                |vol: f64| EuropeanOption::new(leg.kind, Inputs { forward, strike: leg.strike, years, vol, discount });
            for (column, vols) in self.vols.iter_mut().enumerate() {
                let vol = vol(at, column).min(most);
                of(vol).map_err(|refusal| (at, refusal))?;
                vols.push(vol);
            }
            self.options.push(leg.kind, leg.strike, forward).map_err(|refusal| (at, refusal))?;
            self.quantities.push(leg.quantity);
            self.strikes.push(leg.strike);
        }
        self.expiries.push((start..self.quantities.len(), shared));
        self.changed = 0..self.vols.len();
        Ok(())
    }

    /// Revalues everything.
    pub(crate) fn revalue(&mut self, simd: Simd) -> Result<(), Refusal> {
        let Self { moves, options, vols, changed, expiries, quantities, unit, totals, .. } = self;
        let count = quantities.len();
        options.settle(simd);
        for column in std::mem::take(changed) {
            for (range, Shared { years, discount, .. }) in expiries.iter() {
                let vol = |option: usize| vols[column][option];
                options.set_vols(column, range.clone(), *years, *discount, vol).map_err(|(_, refusal)| refusal)?;
            }
        }
        unit.resize(moves.len() * count, 0.0);
        totals.resize(expiries.len() * moves.len(), 0.0);
        let (low, high) = Field::Forward.range();
        for (scenario, step) in moves.iter().enumerate() {
            if let Some(same) = moves[..scenario].iter().position(|earlier| earlier == step) {
                unit.copy_within(same * count..(same + 1) * count, scenario * count);
                continue;
            }
            let moved = expiries.iter().map(|(_, shared)| shared.forward * step.spot);
            if let Some(value) = moved.into_iter().find(|forward| !(low..=high).contains(forward)) {
                return Err(Refusal { field: Field::Forward, value });
            }
            options.prices(simd, step.vols, 0..count, step.spot, &mut unit[scenario * count..][..count]);
        }
        (0..self.expiries.len()).for_each(|expiry| self.add_up(expiry));
        Ok(())
    }

    /// Puts every forward where `forward` has it by expiry, and volatilities of the columns `bent` where `vol` has them by option, column
    /// and logarithm of the forward; to be followed by [`revalue`](Self::revalue).
    pub(crate) fn move_forwards(
        &mut self,
        forward: impl Fn(usize) -> f64,
        bent: Range<usize>,
        vol: impl Fn(usize, usize, usize, f64) -> f64,
    ) -> Result<(), Refusal> {
        let most = Field::Vol.range().1;
        for (index, (range, shared)) in self.expiries.iter_mut().enumerate() {
            let moved = forward(index);
            self.options.set_forward(range.clone(), moved)?;
            shared.forward = moved;
            let log = units::math::ln(moved);
            for column in bent.clone() {
                for option in range.clone() {
                    self.vols[column][option] = vol(index, option, column, log).min(most);
                }
            }
        }
        self.changed = bent;
        Ok(())
    }

    /// Changes how much is held of an option, and adds its expiry up again, which is given.
    pub(crate) fn hold(&mut self, option: usize, quantity: f64) -> Option<usize> {
        self.quantities[option] = quantity;
        let expiry = self.expiries.iter().position(|(range, _)| range.contains(&option))?;
        self.add_up(expiry);
        Some(expiry)
    }

    /// Σ quantity × value of an expiry in a scenario.
    pub(crate) fn total(&self, expiry: usize, scenario: usize) -> f64 {
        self.totals[expiry * self.moves.len() + scenario]
    }

    pub(crate) fn quantity(&self, option: usize) -> f64 {
        self.quantities[option]
    }

    /// The value of one unit of an option in a scenario.
    pub(crate) fn unit(&self, option: usize, scenario: usize) -> f64 {
        self.unit[scenario * self.quantities.len() + option]
    }

    /// The volatility of an option in a column.
    pub(crate) fn vol(&self, column: usize, option: usize) -> f64 {
        self.vols[column][option]
    }

    pub(crate) fn strike(&self, option: usize) -> f64 {
        self.strikes[option]
    }

    /// The discount factor of an expiry.
    pub(crate) fn discount(&self, expiry: usize) -> f64 {
        self.expiries[expiry].1.discount
    }

    pub(crate) fn expiry(&self, expiry: usize) -> Range<usize> {
        self.expiries[expiry].0.clone()
    }

    fn add_up(&mut self, expiry: usize) {
        let (count, scenarios) = (self.quantities.len(), self.moves.len());
        let range = self.expiries[expiry].0.clone();
        let quantities = &self.quantities[range.clone()];
        for scenario in 0..scenarios {
            let units = &self.unit[scenario * count..][range.clone()];
            self.totals[expiry * scenarios + scenario] = dot(quantities, units);
        }
    }
}

/// Σ a × b in four accumulators, folded in one order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (whole_a, rest_a) = a.as_chunks::<4>();
    let (whole_b, rest_b) = b.as_chunks::<4>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in rest_a.iter().zip(rest_b).enumerate() {
        sums[lane] += a * b;
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}
