//! Whether curves of total variance are free of arbitrage: one by itself, and one above another.

use super::smile::{Curve, durrleman};

/// Where a piece of a curve is checked, as shares of its length.
const STEPS: usize = 12;
/// A dip of g on that grid that comes lower than this is followed to its bottom.
const SHALLOW: f64 = 0.15;
/// In so many steps.
const NARROWINGS: usize = 16;

/// The lowest of Durrleman's g over all strikes, and the steeper wing's slope. Between knots g is taken on a grid and followed from
/// there to the bottom of each dip; in the straight wings its minimum is exact. Minus infinity where the curve is not positive or
/// falls outwards.
pub(super) fn butterfly(curve: &Curve) -> (f64, f64) {
    let last = curve.knots.len() - 1;
    let mut lowest = f64::INFINITY;
    for piece in 0..last {
        let [value, slope, half, sixth] = curve.pieces[piece];
        let (begin, width) = (curve.knots[piece], curve.knots[piece + 1] - curve.knots[piece]);
        let density = |x: f64| {
            let at = value + x * (slope + x * (half + x * sixth));
            let first = slope + x * (2.0 * half + x * 3.0 * sixth);
            // What is not positive has no density.
            if at > 0.0 { durrleman(begin + x, (at, first, 2.0 * half + 6.0 * x * sixth)) } else { f64::NEG_INFINITY }
        };
        let step = width / STEPS as f64;
        let grid: [f64; STEPS + 1] = std::array::from_fn(|at| density(step * at as f64));
        for at in 0..=STEPS {
            let here = grid[at];
            if here.is_nan() || here == f64::NEG_INFINITY {
                return (f64::NEG_INFINITY, f64::INFINITY);
            }
            lowest = lowest.min(here);
            let (before, after) = (at.saturating_sub(1), (at + 1).min(STEPS));
            if here < SHALLOW && here <= grid[before] && here <= grid[after] {
                lowest = lowest.min(bottom(&density, step * before as f64, step * after as f64));
            }
        }
    }
    let (left, right) = curve.ends();
    let wings = [(-curve.knots[0], curve.pieces[0][0], -left), (curve.knots[last], curve.pieces[last][0], right)];
    for (distance, value, slope) in wings {
        if !(value > 0.0 && slope >= 0.0) {
            return (f64::NEG_INFINITY, f64::INFINITY);
        }
        lowest = lowest.min(wing(value - slope * distance, slope, 1.0 / value));
    }
    if lowest.is_nan() { (f64::NEG_INFINITY, f64::INFINITY) } else { (lowest, right.max(-left)) }
}

/// The lowest that narrowing the interval finds, by a quarter each time, on the side of the higher of two points.
fn bottom(density: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let mut lowest = f64::INFINITY;
    for _ in 0..NARROWINGS {
        let quarter = 0.25 * (high - low);
        let (left, right) = (density(low + quarter), density(high - quarter));
        lowest = lowest.min(left).min(right);
        if left < right { high -= quarter } else { low += quarter }
    }
    lowest
}

/// The lowest g on the straight line `intercept + slope * k` where total variance is `1 / nearest` and more: of
/// `4g = 1 − s²/4 + (2c − s²) u + c² u²` in u = 1/w.
fn wing(intercept: f64, slope: f64, nearest: f64) -> f64 {
    let (square, level) = (slope * slope, intercept * intercept);
    let of = |u: f64| 0.25 * (1.0 - square * 0.25 + u * (2.0 * intercept - square + u * level));
    // A level line has no u but the nearest.
    let far = if slope > 0.0 { of(0.0) } else { f64::INFINITY };
    let vertex = (square - 2.0 * intercept) / (2.0 * level);
    let between = if slope > 0.0 && vertex > 0.0 && vertex < nearest { of(vertex) } else { f64::INFINITY };
    far.min(of(nearest)).min(between)
}

/// Where one curve lies under another that it should lie above.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Crossing {
    /// Log-moneyness of the deepest point of each stretch, and how deep.
    pub(super) dips: Vec<(f64, f64)>,
    /// By how much the left and the right wing are too flat, if they are.
    pub(super) flat: (f64, f64),
    /// The lowest difference; minus infinity if a wing is too flat.
    pub(super) lowest: f64,
}

/// The difference `above − below` over all strikes, exact: on each piece it is a cubic.
pub(super) fn crossing(below: &Curve, above: &Curve) -> Crossing {
    let mut found = Crossing { dips: Vec::new(), flat: (0.0, 0.0), lowest: f64::INFINITY };
    let ((low_left, low_right), (high_left, high_right)) = (below.ends(), above.ends());
    found.flat = ((high_left - low_left).max(0.0), (low_right - high_right).max(0.0));
    let mut note = |k: f64, difference: f64| {
        found.lowest = found.lowest.min(difference);
        if difference < 0.0 {
            found.dips.push((k, difference));
        }
    };
    let (mut i, mut j) = (0, 0);
    let mut begin = below.knots[0].min(above.knots[0]);
    loop {
        while i < below.knots.len() && below.knots[i] <= begin {
            i += 1;
        }
        while j < above.knots.len() && above.knots[j] <= begin {
            j += 1;
        }
        let (low, high) = (local(below, i, begin), local(above, j, begin));
        let [value, slope, half, sixth]: [f64; 4] = std::array::from_fn(|power| high[power] - low[power]);
        note(begin, value);
        let next = |curve: &Curve, at: usize| curve.knots.get(at).copied().unwrap_or(f64::INFINITY);
        let end = next(below, i).min(next(above, j));
        if end == f64::INFINITY {
            break;
        }
        // Where the slope `slope + 2 half x + 3 sixth x²` vanishes.
        let width = end - begin;
        let root = half * half - 3.0 * sixth * slope;
        if root >= 0.0 {
            let root = units::math::sqrt(root);
            let sum = -(half + root.copysign(half));
            for x in [sum / (3.0 * sixth), slope / sum] {
                if x > 0.0 && x < width {
                    note(begin + x, value + x * (slope + x * (half + x * sixth)));
                }
            }
        }
        begin = end;
    }
    if found.flat.0 > 0.0 || found.flat.1 > 0.0 || found.lowest.is_nan() {
        found.lowest = f64::NEG_INFINITY;
    }
    found
}

/// The polynomial of the piece before knot `next`, about `k`.
fn local(curve: &Curve, next: usize, k: f64) -> [f64; 4] {
    if next == 0 {
        let [value, slope, ..] = curve.pieces[0];
        return [value + slope * (k - curve.knots[0]), slope, 0.0, 0.0];
    }
    let x = k - curve.knots[next - 1];
    let [value, slope, half, sixth] = curve.pieces[next - 1];
    [
        value + x * (slope + x * (half + x * sixth)),
        slope + x * (2.0 * half + x * 3.0 * sixth),
        half + 3.0 * x * sixth,
        sixth,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::spline::{Basis, Normal};
    use crate::surface::svi::Svi;

    fn curve(function: impl Fn(f64) -> f64) -> Curve {
        let basis = Basis::new((-8..=8).map(|knot| f64::from(knot) * 0.25).collect());
        let mut normal = Normal::default();
        normal.clear(basis.unknowns());
        for step in -200..=200 {
            let z = f64::from(step) * 0.01;
            normal.add(&basis.rows(z)[0], function(z), 1.0);
        }
        let mut unknowns = Vec::new();
        assert!(normal.solve(&mut unknowns));
        basis.curve(&unknowns, 1.0)
    }

    #[test]
    fn a_hyperbola_with_arbitrage_is_found_out_and_a_flat_one_is_not() {
        let vogt = Svi { level: -0.0410, slope: 0.1331, skew: 0.3060, centre: 0.3586, width: 0.4153 };
        let vogt = |k| vogt.with_derivatives(k).0;
        assert!(butterfly(&curve(vogt)).0 < -0.01);
        let (lowest, wing) = butterfly(&Curve { knots: vec![0.0], pieces: vec![[0.04, 0.0, 0.0, 0.0]] });
        assert_eq!((lowest, wing), (1.0, 0.0));
        assert_eq!(butterfly(&curve(|k| 0.01 - k * k)).0, f64::NEG_INFINITY);
    }

    #[test]
    fn the_wing_is_judged_as_on_a_grid() {
        for (intercept, slope) in [(0.04, 0.3), (0.001, 0.2), (-0.1, 0.5), (0.2, 1.9), (0.01, 1.5)] {
            let begin: f64 = 0.5;
            let exact = wing(intercept, slope, 1.0 / (intercept + slope * begin));
            let grid = (0..400_000).map(|step| {
                let k = begin * (1.0 + f64::from(step) * 0.001);
                durrleman(k, (intercept + slope * k, slope, 0.0))
            });
            let lowest = grid.fold(f64::INFINITY, f64::min);
            assert!(exact <= lowest + 1e-12 && lowest - exact < 1e-3, "{intercept} {slope}: {exact} {lowest}");
        }
    }

    #[test]
    fn crossings_are_found_where_a_fine_grid_finds_them() {
        let below = curve(|k| 0.04 + 0.05 * k * k / (1.0 + k * k));
        for (shift, tilt) in [(0.01, 0.0), (0.002, 0.02), (0.0, -0.01), (-0.001, 0.0)] {
            let above = curve(|k| 0.04 + shift + tilt * k + 0.055 * k * k / (1.1 + k * k));
            let found = crossing(&below, &above);
            let grid = (-40_000..=40_000).map(|step| f64::from(step) * 5e-5).map(|k| above.value(k) - below.value(k));
            let lowest = grid.fold(f64::INFINITY, f64::min);
            if found.flat == (0.0, 0.0) {
                assert!(found.lowest <= lowest && lowest - found.lowest < 1e-6, "{found:?} {lowest}");
            } else {
                assert_eq!(found.lowest, f64::NEG_INFINITY);
            }
            assert_eq!(!found.dips.is_empty(), lowest < 0.0, "{found:?} {lowest}");
        }
    }
}
