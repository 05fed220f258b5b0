//! Scenarios in the order of how far a coin goes in them.

use units::math::ln;

/// Scenarios by what forwards of a coin are multiplied by, the least first: so a smile is asked piece by piece.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Order {
    /// The coin, what its prices are in, and whether it is paid in itself.
    of: (usize, usize, bool),
    /// The factor and its row.
    pub(super) rows: Vec<(f64, u32)>,
    /// ln of the factor.
    pub(super) logs: Vec<f64>,
}

impl Order {
    /// The order of a coin's scenarios, made if it is not among those there are: its place.
    pub(super) fn of(
        of: (usize, usize, bool),
        factors: impl Iterator<Item = f64>,
        orders: &mut Vec<Self>,
        used: &mut usize,
    ) -> usize {
        if let Some(known) = orders[..*used].iter().position(|order| order.of == of) {
            return known;
        }
        if orders.len() == *used {
            orders.push(Self::default());
        }
        orders[*used].of = of;
        orders[*used].sort(factors);
        *used += 1;
        *used - 1
    }

    /// Takes in factors, row by row.
    pub(super) fn sort(&mut self, factors: impl Iterator<Item = f64>) {
        self.rows.clear();
        self.rows.extend(factors.zip(0..));
        self.rows.sort_unstable_by(|(by, row), (other, beside)| by.total_cmp(other).then(row.cmp(beside)));
        self.logs.clear();
        self.logs.extend(self.rows.iter().map(|(by, _)| ln(*by)));
    }
}
