//! One expiry: SVI for the shape, a spline for what SVI's five parameters cannot follow, under bounds.
//!
//! Everything here is in the expiry's own unit: `z` is log-moneyness over the standard deviation at the money, `y` is total variance
//! over its square.

use super::arbitrage::butterfly;
use super::smile::{Curve, SmileQuotes};
use super::spline::{Basis, Normal, Row};
use super::svi::Svi;

/// Knots right of the money, mirrored to its left.
const KNOTS: [f64; 13] = [0.0, 0.3, 0.6, 0.9, 1.2, 1.55, 1.95, 2.45, 3.1, 3.9, 4.9, 6.2, 8.0];
/// What a middle between close bid and ask is known to, in volatility.
const NOISE: f64 = 0.0015;
/// And of half the spread, that share.
const SPREAD_SHARE: f64 = 0.4;
/// How far the curvature of a smile strays from SVI's, a standard deviation; more in the wings.
const CURVATURE: f64 = 0.25;
/// Lowest g that the fit aims at, so that none is left below 0 between the points where it looks.
const DENSITY_MARGIN: f64 = 0.01;
/// What the fit keeps from a bound, as a share of the bound.
const BOUND_MARGIN: f64 = 2e-4;
/// Passes under bounds; each looks for what is violated and holds it harder.
const PASSES: usize = 15;
/// How hard, from pass to pass.
const HOLDS: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];

/// Passes in small steps, how many of them at the end are whole, and how hard the first one holds.
const GENTLE_PASSES: usize = 30;
const WHOLE_PASSES: usize = 4;
const GENTLEST: f64 = 1e-5;

/// What is kept from one expiry to the next.
#[derive(Debug)]
pub(super) struct Fitter {
    basis: Basis,
    /// Where g is held, with the forms of value and derivatives.
    grid: Vec<(f64, [Row; 3])>,
    base: Normal,
    work: Normal,
}

#[derive(Debug)]
struct Datum {
    z: f64,
    y: f64,
    /// Bid and ask.
    quoted: (f64, f64),
    /// Of `y`.
    noise: f64,
    /// As given, and times what doubt leaves of it.
    given: f64,
    weight: f64,
    row: Row,
}

/// An expiry on its way to a slice.
#[derive(Debug)]
pub(super) struct Smile {
    /// The standard deviation at the money.
    pub(super) unit: f64,
    data: Vec<Datum>,
    /// In own units.
    svi: Svi,
    unknowns: Vec<f64>,
}

/// How a smile is brought within its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// A bound is held as soon as it is near.
    Sticky,
    /// When it is crossed.
    Loose,
    /// In many small steps, the first ones hardly held: g is linearised in each, and a large step leaves where that is true.
    Gentle,
}

/// Between which values a curve has to stay: pairs of log-moneyness and total variance, and slopes of its wings.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) lower: Vec<(f64, f64)>,
    pub(super) upper: Vec<(f64, f64)>,
    /// Least steepness of the left and the right wing.
    pub(super) least: (f64, f64),
    /// The most.
    pub(super) most: (f64, f64),
}

impl Bounds {
    pub(super) fn none() -> Self {
        Self { lower: Vec::new(), upper: Vec::new(), least: (0.0, 0.0), most: (f64::INFINITY, f64::INFINITY) }
    }

    /// Whether a curve stays within them.
    pub(super) fn hold(&self, curve: &Curve) -> bool {
        let (left, right) = curve.ends();
        let within = |least: f64, steepness: f64, most: f64| least <= steepness && steepness <= most;
        within(self.least.0, -left, self.most.0)
            && within(self.least.1, right, self.most.1)
            && self.lower.iter().all(|(k, bound)| curve.value(*k) >= *bound)
            && self.upper.iter().all(|(k, bound)| curve.value(*k) <= *bound)
    }
}

impl Fitter {
    pub(super) fn new() -> Self {
        let mirrored = KNOTS.iter().skip(1).rev().map(|knot| -knot);
        let basis = Basis::new(mirrored.chain(KNOTS).collect());
        let mut places = vec![-60.0, -25.0, -15.0, -11.0, -9.0];
        for pair in basis.knots().windows(2) {
            places.extend((0..4).map(|step| pair[0] + (pair[1] - pair[0]) * f64::from(step) * 0.25));
        }
        places.extend([8.0, 9.0, 11.0, 15.0, 25.0, 60.0]);
        let grid = places.into_iter().map(|z| (z, basis.rows(z))).collect();
        Self { basis, grid, base: Normal::default(), work: Normal::default() }
    }

    /// Quotes that [`SmileQuotes::check`] accepts, fitted by themselves.
    pub(super) fn smile(&mut self, quotes: &SmileQuotes) -> Smile {
        let unit = unit_of(quotes);
        let root = units::math::sqrt(quotes.years);
        let scale = root / unit;
        let mut data = Vec::with_capacity(quotes.points.len());
        for point in quotes.points.iter().filter(|point| point.weight > 0.0) {
            let z = point.log_moneyness / unit;
            // Beyond, a spread is most of the price.
            if z.abs() > 9.0 {
                continue;
            }
            let deviation = |vol: f64| vol * scale;
            let variance = |vol: f64| deviation(vol) * deviation(vol);
            let (mid, half) = (deviation(point.mid_vol), 0.5 * deviation(point.ask_vol - point.bid_vol));
            let noise = NOISE * scale + SPREAD_SHARE * half;
            let y = mid * mid;
            data.push(Datum {
                z,
                y,
                quoted: (variance(point.bid_vol), variance(point.ask_vol)),
                noise: 2.0 * mid * noise + noise * noise,
                given: point.weight,
                weight: point.weight,
                row: self.basis.rows(z)[0],
            });
        }
        let svi = hyperbola(&mut data, unit);
        let mut smile = Smile { unit, data, svi, unknowns: Vec::new() };
        for _ in 0..3 {
            self.set_base(&smile);
            self.work.clone_from(&self.base);
            if !self.work.solve(&mut smile.unknowns) {
                smile.unknowns.clear();
                break;
            }
            smile.weigh();
        }
        smile
    }

    /// The equations of quotes and of what is expected of a smile.
    fn set_base(&mut self, smile: &Smile) {
        self.base.clear(self.basis.unknowns());
        for datum in &smile.data {
            self.base.add(&datum.row, datum.y, datum.weight / (datum.noise * datum.noise));
        }
        let knots = self.basis.knots();
        let last = knots.len() - 1;
        for (at, knot) in knots.iter().enumerate() {
            let (_, slope, second) = smile.svi.with_derivatives(*knot);
            let [_, slopes, seconds] = self.basis.rows(*knot);
            if at == 0 || at == last {
                self.base.add(&slopes, slope, 1.0 / (0.05 * 0.05));
                continue;
            }
            let width = 0.5 * (knots[at + 1] - knots[at - 1]);
            self.base.add(&seconds, second, width / (0.3 * CURVATURE * CURVATURE));
        }
        // So that a smile without quotes on one side has a value there.
        for knot in [0, last / 2, last] {
            let z = knots[knot];
            self.base.add(&self.basis.rows(z)[0], smile.svi.with_derivatives(z).0, 1.0);
        }
    }

    /// The curve of the smile by itself.
    pub(super) fn curve(&self, smile: &Smile) -> Option<Curve> {
        (!smile.unknowns.is_empty()).then(|| self.basis.curve(&smile.unknowns, smile.unit))
    }

    /// The curve of the smile within bounds and without butterfly arbitrage, as far as a limited number of passes brings it.
    pub(super) fn within(&mut self, smile: &Smile, bounds: &Bounds, manner: Manner) -> Option<Curve> {
        if smile.unknowns.is_empty() {
            return None;
        }
        let unit = smile.unit;
        let mut unknowns = smile.unknowns.clone();
        let slack = if manner == Manner::Loose { 0.0 } else { -BOUND_MARGIN };
        let passes = if manner == Manner::Gentle { GENTLE_PASSES } else { PASSES };
        let hardest = HOLDS[HOLDS.len() - 1];
        let mut before = Vec::new();
        self.set_base(smile);
        let square = unit * unit;
        let form = |basis: &Basis, (k, w): &(f64, f64)| (basis.rows(k / unit)[0], w / square);
        let lower: Vec<(Row, f64)> = bounds.lower.iter().map(|bound| form(&self.basis, bound)).collect();
        let upper: Vec<(Row, f64)> = bounds.upper.iter().map(|bound| form(&self.basis, bound)).collect();
        let last = self.basis.knots().len() - 1;
        let ends =
            [(self.basis.rows(self.basis.knots()[0])[1], -1.0), (self.basis.rows(self.basis.knots()[last])[1], 1.0)];
        let least = [bounds.least.0 / unit, bounds.least.1 / unit];
        let most = [(bounds.most.0 / unit).min(1.95 / unit), (bounds.most.1 / unit).min(1.95 / unit)];
        for pass in 0..passes {
            self.work.clone_from(&self.base);
            let hold = match manner {
                Manner::Gentle => GENTLEST * units::math::pow(hardest / GENTLEST, pass as f64 / (passes - 1) as f64),
                Manner::Sticky | Manner::Loose => HOLDS[pass * HOLDS.len() / PASSES],
            };
            let mut violated = false;
            for (z, rows) in &self.grid {
                let [y, slope, second] = std::array::from_fn(|order| rows[order].dot(&unknowns));
                if y < 0.02 {
                    violated = true;
                    self.work.add(&rows[0], 0.03, hold * 1e7);
                    continue;
                }
                let drift = 1.0 - z * slope / (2.0 * y);
                let square = 0.25 * unit * unit;
                let density = drift * drift - slope * slope * 0.25 * (1.0 / y + square) + 0.5 * second;
                if density > 2.0 * DENSITY_MARGIN {
                    continue;
                }
                violated |= density < 0.5 * DENSITY_MARGIN;
                // To first order in the unknowns.
                let by_value = drift * z * slope / (y * y) + slope * slope * 0.25 / (y * y);
                let by_slope = -drift * z / y - slope * 0.5 * (1.0 / y + square);
                let row = Row::mixed(rows, [by_value, by_slope, 0.5]);
                self.work.add(&row, DENSITY_MARGIN - density + row.dot(&unknowns), hold * 1e6);
            }
            let mut hold_bound = |work: &mut Normal, row: &Row, bound: f64, sign: f64| {
                let target = bound * (1.0 + sign * BOUND_MARGIN);
                let short = sign * (target - row.dot(&unknowns));
                if short > slack * bound {
                    violated |= short > 0.5 * BOUND_MARGIN * bound;
                    work.add(row, target, hold * 1e8 / (bound * bound).max(1.0));
                }
            };
            lower.iter().for_each(|(row, bound)| hold_bound(&mut self.work, row, *bound, 1.0));
            upper.iter().for_each(|(row, bound)| hold_bound(&mut self.work, row, *bound, -1.0));
            for (at, (row, sign)) in ends.iter().enumerate() {
                let steepness = sign * row.dot(&unknowns);
                let (low, high) = (least[at] * (1.0 + BOUND_MARGIN) + 1e-4, most[at] * (1.0 - BOUND_MARGIN) - 1e-4);
                if steepness < low {
                    violated |= steepness < least[at];
                    self.work.add(row, sign * low, hold * 1e8);
                } else if steepness > high {
                    violated |= steepness > most[at];
                    self.work.add(row, sign * high.max(0.0), hold * 1e8);
                }
            }
            if !violated {
                break;
            }
            before.clone_from(&unknowns);
            if !self.work.solve(&mut unknowns) {
                return None;
            }
            if manner == Manner::Gentle && pass + WHOLE_PASSES < passes {
                unknowns.iter_mut().zip(&before).for_each(|(new, old)| *new = 0.5 * (*new + old));
            }
        }
        Some(self.basis.curve(&unknowns, unit))
    }

    /// SVI alone, mended, as a curve.
    pub(super) fn plain(&mut self, smile: &Smile) -> Option<Curve> {
        let unit = smile.unit;
        let mended = smile.svi().repaired();
        let own = Svi {
            level: mended.level / (unit * unit),
            slope: mended.slope / unit,
            centre: mended.centre / unit,
            width: mended.width / unit,
            ..mended
        };
        self.work.clear(self.basis.unknowns());
        for (z, rows) in &self.grid {
            if z.abs() <= 8.0 {
                let (value, slope, second) = own.with_derivatives(*z);
                self.work.add(&rows[0], value, 1.0);
                self.work.add(&rows[1], slope, 0.1);
                self.work.add(&rows[2], second, 0.01);
            }
        }
        let mut unknowns = Vec::new();
        let curve = self.work.solve(&mut unknowns).then(|| self.basis.curve(&unknowns, unit))?;
        (butterfly(&curve).0 >= 0.0).then_some(curve)
    }
}

impl Smile {
    /// The SVI in log-moneyness and total variance.
    pub(super) fn svi(&self) -> Svi {
        let Self { unit, svi, .. } = *self;
        Svi {
            level: svi.level * unit * unit,
            slope: svi.slope * unit,
            centre: svi.centre * unit,
            width: svi.width * unit,
            ..svi
        }
    }

    /// How uncertain total variance is at the log-moneyness `k`: by the spread of the nearest quote and the way to it.
    pub(super) fn doubt(&self, k: f64) -> f64 {
        let z = k / self.unit;
        let after = self.data.partition_point(|datum| datum.z < z);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|at| self.data.get(at));
        let doubt = near.map(|datum| datum.noise + 0.1 * (datum.z - z).abs() * (1.0 + (datum.z - z).abs()));
        doubt.fold(f64::INFINITY, f64::min).min(1e6) * self.unit * self.unit
    }

    /// How many quotes a curve passes outside of bid and ask.
    pub(super) fn outside(&self, curve: &Curve) -> usize {
        let square = self.unit * self.unit;
        let outside = |datum: &&Datum| {
            let y = curve.value(datum.z * self.unit) / square;
            y < datum.quoted.0 || y > datum.quoted.1
        };
        self.data.iter().filter(outside).count()
    }

    /// Log-moneyness of each.
    pub(super) fn strikes(&self) -> impl Iterator<Item = f64> + '_ {
        self.data.iter().map(|datum| datum.z * self.unit)
    }

    /// Of how many.
    pub(super) fn quotes(&self) -> usize {
        self.data.len()
    }

    /// The mean of `wanted(log-moneyness, total variance)` over the quotes, by their weights.
    pub(super) fn mean(&self, wanted: impl Fn(f64, f64) -> f64) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for datum in &self.data {
            let weight = datum.given / (datum.noise * datum.noise);
            sum += weight * wanted(datum.z * self.unit, datum.y * self.unit * self.unit);
            weights += weight;
        }
        sum / weights
    }

    /// Less weight for a middle that lies off.
    fn weigh(&mut self) {
        for datum in &mut self.data {
            let off = (datum.row.dot(&self.unknowns) - datum.y).abs() / datum.noise;
            datum.weight = datum.given * if off > 2.0 { 2.0 / off } else { 1.0 };
        }
    }
}

/// The standard deviation at the money, at least so large that the quotes lie within the spline's reach.
fn unit_of(quotes: &SmileQuotes) -> f64 {
    let counted = || quotes.points.iter().filter(|point| point.weight > 0.0);
    let mut nearest: Vec<(f64, f64)> = counted().map(|point| (point.log_moneyness.abs(), point.mid_vol)).collect();
    nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
    let near = &mut nearest[..3];
    let reach = near[2].0 / 6.0;
    near.sort_by(|a, b| a.1.total_cmp(&b.1));
    (near[1].1 * units::math::sqrt(quotes.years)).max(reach).max(1e-5)
}

/// SVI by least squares in own units: for a given centre and width the rest is linear, those two by a simplex.
fn hyperbola(data: &mut [Datum], unit: f64) -> Svi {
    let steepest = 1.9 / unit;
    let mut best = (f64::INFINITY, [0.0, 1.0], Svi::flat(1.0));
    for round in 0..2 {
        let cost = |[centre, width]: [f64; 2]| {
            let width = width.abs().max(0.15);
            let (cost, svi) = linear(data, centre, width, steepest);
            (cost + 0.5 * centre * centre + 0.5 * (width - 1.0) * (width - 1.0), svi)
        };
        if round == 0 {
            for centre in [-1.0, 0.0, 1.0] {
                for width in [0.4, 1.0, 2.0] {
                    let (cost, svi) = cost([centre, width]);
                    if cost < best.0 {
                        best = (cost, [centre, width], svi);
                    }
                }
            }
        }
        let begin = best.1;
        let mut corners = [begin, [begin[0] + 0.3, begin[1]], [begin[0], begin[1] * 1.3]].map(|at| (cost(at), at));
        for _ in 0..25 {
            corners.sort_by(|a, b| a.0.0.total_cmp(&b.0.0));
            let [first, second, third] = corners;
            let middle = [0.5 * (first.1[0] + second.1[0]), 0.5 * (first.1[1] + second.1[1])];
            let along = |share: f64| {
                let at: [f64; 2] = std::array::from_fn(|of| middle[of] + share * (third.1[of] - middle[of]));
                (cost(at), at)
            };
            let reflected = along(-1.0);
            corners[2] = if reflected.0.0 < first.0.0 {
                let far = along(-2.0);
                if far.0.0 < reflected.0.0 { far } else { reflected }
            } else if reflected.0.0 < second.0.0 {
                reflected
            } else {
                let near = if reflected.0.0 < third.0.0 { along(-0.5) } else { along(0.5) };
                if near.0.0 < third.0.0 {
                    near
                } else {
                    for corner in &mut corners[1..] {
                        corner.1 = std::array::from_fn(|of| 0.5 * (corner.1[of] + first.1[of]));
                        corner.0 = cost(corner.1);
                    }
                    continue;
                }
            };
        }
        corners.sort_by(|a, b| a.0.0.total_cmp(&b.0.0));
        best = (corners[0].0.0, corners[0].1, corners[0].0.1);
        for datum in data.iter_mut() {
            let off = (best.2.with_derivatives(datum.z).0 - datum.y).abs() / (datum.noise + 0.02);
            datum.weight = datum.given * if off > 2.0 { 4.0 / (off * off) } else { 1.0 };
        }
    }
    best.2
}

/// The best level, slope and skew for this centre and width, and what they leave.
fn linear(data: &[Datum], centre: f64, width: f64, steepest: f64) -> (f64, Svi) {
    // Products of (1, x, root) with each other and with y.
    let (mut n, mut sx, mut sr, mut xx, mut xr, mut rr) = (1e-9, 0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut sy, mut xy, mut ry, mut yy) = (0.0, 0.0, 0.0, 0.0);
    for datum in data {
        let x = datum.z - centre;
        let root = units::math::sqrt(x * x + width * width);
        let noise = datum.noise + 0.02;
        let weight = datum.weight / (noise * noise);
        let (wx, wr, wy) = (weight * x, weight * root, weight * datum.y);
        n += weight;
        sx += wx;
        sr += wr;
        xx += wx * x;
        xr += wx * root;
        rr += wr * root;
        sy += wy;
        xy += wy * x;
        ry += wy * root;
        yy += wy * datum.y;
    }
    // What is usual: a slope of 0.3 in either wing.
    let (usual, sure) = (0.3, 4.0);
    rr += sure;
    xx += sure;
    ry += sure * usual;
    yy += sure * usual * usual;
    // Level eliminated.
    let (cxx, cxr, crr) = (xx - sx * sx / n, xr - sx * sr / n, rr - sr * sr / n);
    let (cxy, cry) = (xy - sx * sy / n, ry - sr * sy / n);
    let left = |tilt: f64, slope: f64| {
        let level = (sy - tilt * sx - slope * sr) / n;
        let cost = yy - 2.0 * (tilt * xy + slope * ry + level * sy)
            + tilt * (tilt * xx + 2.0 * slope * xr + 2.0 * level * sx)
            + slope * (slope * rr + 2.0 * level * sr)
            + level * level * n;
        (cost, level, tilt, slope)
    };
    let determinant = cxx * crr - cxr * cxr;
    let free = ((cxy * crr - cry * cxr) / determinant, (cry * cxx - cxy * cxr) / determinant);
    let (mut cost, mut level, mut tilt, mut slope) = left(free.0, free.1);
    let inside = slope >= 0.0 && tilt.abs() <= slope && cost.is_finite();
    if !inside {
        (cost, level, tilt, slope) = left(0.0, 0.0);
        for sign in [-1.0, 1.0] {
            let along = ((cry + sign * cxy) / (crr + cxx + 2.0 * sign * cxr)).max(0.0);
            let edge = left(sign * along, along);
            if edge.0 < cost {
                (cost, level, tilt, slope) = edge;
            }
        }
    }
    if slope + tilt.abs() > steepest {
        let share = steepest / (slope + tilt.abs());
        (cost, level, tilt, slope) = left(tilt * share, slope * share);
    }
    let skew = if slope > 0.0 { tilt / slope } else { 0.0 };
    let bottom = level + slope * width * units::math::sqrt((1.0 - skew * skew).max(0.0));
    if bottom < 0.05 {
        let raise = 0.05 - bottom;
        level += raise;
        cost += raise * raise * n;
    }
    (if cost.is_nan() { f64::INFINITY } else { cost }, Svi { level, slope, skew, centre, width })
}
