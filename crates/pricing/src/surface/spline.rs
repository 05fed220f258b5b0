//! Cubic splines with linear ends by least squares: the basis and the banded normal equations.

use super::smile::Curve;

/// Four values that belong to four neighbouring unknowns.
pub(super) type Four = [f64; 4];

/// One linear form of the unknowns: those from `start` on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Row {
    pub(super) start: usize,
    pub(super) values: Four,
}

impl Row {
    pub(super) fn dot(&self, unknowns: &[f64]) -> f64 {
        let [a, b, c, d] = self.values;
        let at = &unknowns[self.start..self.start + 4];
        a * at[0] + b * at[1] + c * at[2] + d * at[3]
    }

    /// The form `self * one + other * two + third * three`; all three start alike.
    pub(super) fn mixed(rows: &[Row; 3], shares: [f64; 3]) -> Row {
        let mut values = [0.0; 4];
        for (row, share) in rows.iter().zip(shares) {
            for (value, one) in values.iter_mut().zip(row.values) {
                *value += share * one;
            }
        }
        Row { start: rows[0].start, values }
    }
}

/// Cubic B-splines on given knots, those at the ends combined so that second derivatives vanish there and the curve goes on straight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Basis {
    knots: Vec<f64>,
    /// For each piece its four functions as polynomials in the distance from its left knot.
    pieces: Vec<[Four; 4]>,
}

impl Basis {
    /// On ascending knots, at least four.
    pub(super) fn new(knots: Vec<f64>) -> Self {
        let count = knots.len();
        let (first, second) = (knots[0], knots[1]);
        let (last, before) = (knots[count - 1], knots[count - 2]);
        let mut extended: Vec<f64> = (1..=3).rev().map(|step| first - f64::from(step) * (second - first)).collect();
        extended.extend(&knots);
        extended.extend((1..=3).map(|step| last + f64::from(step) * (last - before)));
        let mut pieces: Vec<[Four; 4]> = (0..count - 1).map(|piece| functions(&extended, piece + 3)).collect();
        straighten_left(&mut pieces[0]);
        straighten_right(&mut pieces[count - 2], last - before);
        Self { knots, pieces }
    }

    /// How many unknowns; the first and the last are idle.
    pub(super) fn unknowns(&self) -> usize {
        self.knots.len() + 2
    }

    pub(super) fn knots(&self) -> &[f64] {
        &self.knots
    }

    /// Value, first and second derivative at `z` as forms of the unknowns.
    pub(super) fn rows(&self, z: f64) -> [Row; 3] {
        let last = self.knots.len() - 1;
        let inside = z.clamp(self.knots[0], self.knots[last]);
        let piece = self.knots.partition_point(|knot| *knot <= inside).clamp(1, last) - 1;
        let x = inside - self.knots[piece];
        let mut rows = [Row { start: piece, values: [0.0; 4] }; 3];
        for (index, [a, b, c, d]) in self.pieces[piece].into_iter().enumerate() {
            let slope = b + x * (2.0 * c + 3.0 * x * d);
            rows[0].values[index] = a + x * (b + x * (c + x * d)) + (z - inside) * slope;
            rows[1].values[index] = slope;
            rows[2].values[index] = if z == inside { 2.0 * c + 6.0 * x * d } else { 0.0 };
        }
        rows
    }

    /// The curve of these unknowns with the argument stretched by `stretch` and the value by its square.
    pub(super) fn curve(&self, unknowns: &[f64], stretch: f64) -> Curve {
        let scales = [stretch * stretch, stretch, 1.0, 1.0 / stretch];
        let mut pieces: Vec<Four> = Vec::with_capacity(self.knots.len());
        for (piece, functions) in self.pieces.iter().enumerate() {
            let mut polynomial = [0.0; 4];
            for (function, unknown) in functions.iter().zip(&unknowns[piece..piece + 4]) {
                for power in 0..4 {
                    polynomial[power] += function[power] * unknown;
                }
            }
            pieces.push(std::array::from_fn(|power| polynomial[power] * scales[power]));
        }
        let last = self.knots.len() - 1;
        let [value, slope, _] = self.rows(self.knots[last]);
        pieces.push([value.dot(unknowns) * scales[0], slope.dot(unknowns) * scales[1], 0.0, 0.0]);
        // The end is straight: what rounding leaves of curvature there is no curvature.
        pieces[0][2] = 0.0;
        Curve { knots: self.knots.iter().map(|knot| knot * stretch).collect(), pieces }
    }
}

/// The four cubic functions on the piece that begins at `knots[at]`, by the recursion of Cox and de Boor.
fn functions(knots: &[f64], at: usize) -> [Four; 4] {
    let origin = knots[at];
    let mut functions = [[0.0; 4]; 4];
    functions[3][0] = 1.0;
    for degree in 1..=3 {
        // After this round the functions of `degree` are the last `degree + 1`, the first of which begins at `at - degree`.
        for index in 3 - degree..4 {
            let begin = at + index - 3;
            let mut sum = [0.0; 4];
            if index > 3 - degree {
                let width = knots[begin + degree] - knots[begin];
                add_linear(&mut sum, functions[index], (origin - knots[begin]) / width, 1.0 / width);
            }
            if index < 3 {
                let width = knots[begin + degree + 1] - knots[begin + 1];
                add_linear(&mut sum, functions[index + 1], (knots[begin + degree + 1] - origin) / width, -1.0 / width);
            }
            functions[index] = sum;
        }
    }
    functions
}

/// Adds `polynomial * (constant + linear * x)`; the polynomial is quadratic at most.
fn add_linear(sum: &mut Four, polynomial: Four, constant: f64, linear: f64) {
    for power in 0..4 {
        sum[power] += polynomial[power] * constant;
        if power > 0 {
            sum[power] += polynomial[power - 1] * linear;
        }
    }
}

fn straighten_left(functions: &mut [Four; 4]) {
    let outer = functions[0];
    for function in &mut functions[1..3] {
        let share = function[2] / outer[2];
        for (value, away) in function.iter_mut().zip(outer) {
            *value -= share * away;
        }
    }
    functions[0] = [0.0; 4];
}

fn straighten_right(functions: &mut [Four; 4], width: f64) {
    let second = |function: &Four| function[2] + 3.0 * width * function[3];
    let outer = functions[3];
    for function in &mut functions[1..3] {
        let share = second(function) / second(&outer);
        for (value, away) in function.iter_mut().zip(outer) {
            *value -= share * away;
        }
    }
    functions[3] = [0.0; 4];
}

/// Normal equations of weighted least squares, four diagonals wide.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Normal {
    /// Of each unknown its products with itself and the three before it.
    band: Vec<Four>,
    right: Vec<f64>,
}

impl Normal {
    pub(super) fn clear(&mut self, unknowns: usize) {
        self.band.clear();
        self.band.resize(unknowns, [0.0; 4]);
        self.right.clear();
        self.right.resize(unknowns, 0.0);
    }

    /// Takes in that `row` should be `target`.
    pub(super) fn add(&mut self, row: &Row, target: f64, weight: f64) {
        for a in 0..4 {
            let scaled = weight * row.values[a];
            let band = &mut self.band[row.start + a];
            for b in 0..=a {
                band[a - b] += scaled * row.values[b];
            }
            self.right[row.start + a] += scaled * target;
        }
    }

    /// The unknowns, by Cholesky's factors; false if the equations do not determine them.
    pub(super) fn solve(&mut self, unknowns: &mut Vec<f64>) -> bool {
        let count = self.right.len();
        // The idle ones.
        for end in [0, count - 1] {
            self.band[end] = [1.0, 0.0, 0.0, 0.0];
            self.right[end] = 0.0;
        }
        for i in 0..count {
            for d in (0..=i.min(3)).rev() {
                let j = i - d;
                let mut sum = self.band[i][d];
                for m in d + 1..=i.min(3) {
                    if m - d <= 3 {
                        sum -= self.band[i][m] * self.band[j][m - d];
                    }
                }
                if d > 0 {
                    self.band[i][d] = sum / self.band[j][0];
                } else if sum > 0.0 && sum.is_finite() {
                    self.band[i][0] = sum.sqrt();
                } else {
                    return false;
                }
            }
        }
        unknowns.clear();
        unknowns.extend_from_slice(&self.right);
        for i in 0..count {
            for m in 1..=i.min(3) {
                unknowns[i] -= self.band[i][m] * unknowns[i - m];
            }
            unknowns[i] /= self.band[i][0];
        }
        for i in (0..count).rev() {
            for m in 1..=(count - 1 - i).min(3) {
                unknowns[i] -= self.band[i + m][m] * unknowns[i + m];
            }
            unknowns[i] /= self.band[i][0];
        }
        unknowns.iter().all(|unknown| unknown.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis() -> Basis {
        Basis::new(vec![-3.0, -2.0, -1.2, -0.5, 0.0, 0.4, 1.1, 2.5])
    }

    /// The unknowns nearest to a function on a fine grid.
    fn nearest(basis: &Basis, function: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut normal = Normal::default();
        normal.clear(basis.unknowns());
        for step in 0..=550 {
            let z = -3.0 + f64::from(step) * 0.01;
            normal.add(&basis.rows(z)[0], function(z), 1.0);
        }
        let mut unknowns = Vec::new();
        assert!(normal.solve(&mut unknowns));
        unknowns
    }

    #[test]
    fn straight_lines_are_met_and_go_on() {
        let basis = basis();
        let unknowns = nearest(&basis, |z| 2.0 - 0.7 * z);
        for z in [-40.0, -3.0, -1.0, 0.3, 2.5, 17.0] {
            let [value, slope, second] = basis.rows(z).map(|row| row.dot(&unknowns));
            assert!((value - (2.0 - 0.7 * z)).abs() < 1e-10 && (slope + 0.7).abs() < 1e-10 && second.abs() < 1e-9);
        }
    }

    #[test]
    fn the_curve_is_the_form_and_is_twice_smooth() {
        let basis = basis();
        let unknowns = nearest(&basis, |z| 1.0 + 0.3 * z * z / (1.0 + z * z));
        let stretch = 0.25;
        let curve = basis.curve(&unknowns, stretch);
        for step in -60..=60 {
            let z = f64::from(step) * 0.07;
            let [value, slope, second] = basis.rows(z).map(|row| row.dot(&unknowns));
            let got = curve.at(z * stretch);
            assert!((got.0 - value * stretch * stretch).abs() < 1e-13, "{z}");
            assert!((got.1 - slope * stretch).abs() < 1e-12, "{z}");
            assert!((got.2 - second).abs() < 1e-10, "{z}: {} {second}", got.2);
        }
        for knot in &curve.knots {
            let (left, right) = (curve.at(knot - 1e-9), curve.at(knot + 1e-9));
            assert!(
                (left.0 - right.0).abs() < 1e-8 && (left.1 - right.1).abs() < 1e-7 && (left.2 - right.2).abs() < 1e-6
            );
        }
    }
}
