//! All expiries: each fitted by itself, then freed of arbitrage from the shortest on, each against its neighbours.

use super::arbitrage::{butterfly, crossing};
use super::fit::{Bounds, Fitter, Manner, Smile};
use super::smile::{Arbitrage, Curve, FitError, Repair, Slice, SmileQuotes, Surface, SurfaceRefusal};

/// Rounds of fitting under bounds; each adds a bound where the last result crossed a neighbour.
const ROUNDS: usize = 12;
/// In how many of them what all smiles agreed on is held, not only the shorter neighbour.
const SOFT_ROUNDS: usize = 4;
/// Of so many quotes a repair may leave one outside of bid and ask that the smile by itself had inside, before other ways are tried.
const OUTSIDE_SHARE: usize = 20;

impl Surface {
    /// Fits every expiry and repairs what of arbitrage the fits have.
    ///
    /// # Errors
    ///
    /// If none of the expiries can be fitted or those that can do not ascend. One that cannot is told in [`Self::refused`].
    pub fn fit(quotes: &[SmileQuotes]) -> Result<Self, SurfaceRefusal> {
        let mut fitter = Fitter::new();
        let (mut refused, mut smiles) = (Vec::new(), Vec::<(&SmileQuotes, Smile)>::new());
        for (at, one) in quotes.iter().enumerate() {
            if let Err(refusal) = one.check() {
                refused.push((at, refusal));
                continue;
            }
            if smiles.last().is_some_and(|(before, _)| before.years >= one.years) {
                return Err(SurfaceRefusal::ExpiriesUnsorted { at });
            }
            smiles.push((one, fitter.smile(one)));
        }
        if smiles.is_empty() {
            return Err(SurfaceRefusal::NoSlices { first: refused.first().map(|(_, refusal)| *refusal) });
        }
        let (mut bounds, crossed) = agreement(&fitter, &smiles);
        let mut slices: Vec<Slice> = Vec::with_capacity(smiles.len());
        for ((quotes, smile), bounds) in smiles.iter().zip(&mut bounds) {
            let below = slices.last().map(|slice| &slice.curve);
            let (curve, repair) = settle(&mut fitter, smile, below, None, bounds);
            slices.push(slice(quotes, smile, curve, repair, below));
        }
        for longer in 1..slices.len() {
            if slices[longer].arbitrage.repair != Repair::None {
                give_way(&mut fitter, &smiles, &mut slices, longer);
            }
        }
        Ok(Self { slices, refused, crossed })
    }

    /// Fits the slice `index` of [`Self::slices`] to new quotes of its expiry, between its neighbours as they are.
    ///
    /// # Errors
    ///
    /// If there is no such slice, the quotes cannot be fitted or are of a time not between the neighbours'; the surface is then as
    /// it was.
    pub fn refit(&mut self, index: usize, quotes: &SmileQuotes) -> Result<(), SurfaceRefusal> {
        if index >= self.slices.len() {
            return Err(SurfaceRefusal::NoSuchSlice { index });
        }
        quotes.check().map_err(SurfaceRefusal::Quotes)?;
        let below = index.checked_sub(1).map(|below| &self.slices[below]);
        let above = self.slices.get(index + 1);
        if below.is_some_and(|below| below.years >= quotes.years)
            || above.is_some_and(|above| above.years <= quotes.years)
        {
            return Err(SurfaceRefusal::ExpiriesUnsorted { at: index });
        }
        let mut fitter = Fitter::new();
        let smile = fitter.smile(quotes);
        let below = below.map(|below| &below.curve);
        let above = above.map(|above| &above.curve);
        let (curve, repair) = settle(&mut fitter, &smile, below, above, &mut Bounds::none());
        self.slices[index] = slice(quotes, &smile, curve, repair, below);
        if let [this, next, ..] = &mut self.slices[index..] {
            next.arbitrage.lowest_rise = crossing(&this.curve, &next.curve).lowest;
        }
        Ok(())
    }
}

/// Where the smiles by themselves cross, what they agree on: at each strike the nearest values that ascend from expiry to expiry, the
/// surer a smile is there the nearer. And how many pairs cross.
fn agreement(fitter: &Fitter, smiles: &[(&SmileQuotes, Smile)]) -> (Vec<Bounds>, usize) {
    let mut bounds = vec![Bounds::none(); smiles.len()];
    let curves: Vec<Option<Curve>> = smiles.iter().map(|(_, smile)| fitter.curve(smile)).collect();
    let pairs = curves.windows(2).filter_map(|pair| Some((pair[0].as_ref()?, pair[1].as_ref()?)));
    let crossed = pairs.filter(|(below, above)| crossing(below, above).lowest < 0.0).count();
    let widest = smiles.iter().map(|(_, smile)| smile.unit).fold(0.0, f64::max);
    let narrowest = smiles.iter().map(|(_, smile)| smile.unit).fold(f64::INFINITY, f64::min);
    if crossed == 0 {
        return (bounds, crossed);
    }
    let mut distance = 0.0;
    let mut blocks: Vec<Block> = Vec::with_capacity(smiles.len());
    for right in [false, true] {
        let steepness = |curve: &Curve| if right { curve.ends().1 } else { -curve.ends().0 };
        let values = curves
            .iter()
            .zip(smiles)
            .map(|(curve, (_, smile))| (curve.as_ref().map(|curve| steepness(curve).max(0.0)), 0.1 * smile.unit));
        ascending(values, &mut blocks);
        each_bound(&blocks, |at, lower, value| {
            let side = if lower { &mut bounds[at].least } else { &mut bounds[at].most };
            *(if right { &mut side.1 } else { &mut side.0 }) = value;
        });
    }
    for _ in 0..100 {
        for k in [-distance, distance] {
            let values = curves
                .iter()
                .zip(smiles)
                .map(|(curve, (_, smile))| (curve.as_ref().map(|curve| curve.value(k).max(0.0)), smile.doubt(k)));
            ascending(values, &mut blocks);
            each_bound(&blocks, |at, lower, value| {
                if lower { bounds[at].lower.push((k, value)) } else { bounds[at].upper.push((k, value)) }
            });
        }
        distance = if distance == 0.0 { narrowest * 0.2 } else { distance * 1.15 };
        if distance > 8.0 * widest {
            break;
        }
    }
    (bounds, crossed)
}

/// Values that have become one: it, its weight, how many.
type Block = (f64, f64, usize);

/// The nearest values that ascend, by pooling what does not; from values with their doubts.
fn ascending(values: impl Iterator<Item = (Option<f64>, f64)>, blocks: &mut Vec<Block>) {
    blocks.clear();
    for (value, doubt) in values {
        let weight = if value.is_some() { 1.0 / (doubt * doubt) } else { 0.0 };
        let mut block = (value.unwrap_or(0.0), weight.max(1e-30), 1);
        while let Some(before) = blocks.pop_if(|before| before.0 > block.0) {
            let weight = before.1 + block.1;
            block = ((before.0 * before.1 + block.0 * block.1) / weight, weight, before.2 + block.2);
        }
        blocks.push(block);
    }
}

/// For each value that was pooled with the next an upper bound, with the one before a lower: which, whether lower, where.
fn each_bound(blocks: &[Block], mut bound: impl FnMut(usize, bool, f64)) {
    let mut first = 0;
    for (value, _, count) in blocks {
        for at in first..first + count {
            if at + 1 < first + count {
                bound(at, false, *value);
            }
            if at > first {
                bound(at, true, *value);
            }
        }
        first += count;
    }
}

/// Where an expiry has been left outside of many of its quotes by the shorter one before it, that one is fitted again under the other's own
/// smile; kept if more quotes of the two are inside then.
fn give_way(fitter: &mut Fitter, smiles: &[(&SmileQuotes, Smile)], slices: &mut [Slice], longer: usize) -> Option<()> {
    let shorter = longer - 1;
    let own = fitter.curve(&smiles[longer].1)?;
    let outside = |at: usize, curve: &Curve| smiles[at].1.outside(curve);
    let given_up = outside(longer, &slices[longer].curve);
    if given_up <= outside(longer, &own) + smiles[longer].1.quotes() / OUTSIDE_SHARE {
        return None;
    }
    let mut bounds = Bounds::none();
    bounds.upper.extend(smiles[longer].1.strikes().map(|k| (k, own.value(k))));
    let below = shorter.checked_sub(1).map(|below| slices[below].curve.clone());
    let above = slices.get(longer + 1).map(|above| above.curve.clone());
    let lower = bounded(fitter, &smiles[shorter].1, below.as_ref(), above.as_ref(), &mut bounds, &[Manner::Gentle])?;
    let (upper, repair) = settle(fitter, &smiles[longer].1, Some(&lower), above.as_ref(), &mut Bounds::none());
    let before = outside(shorter, &slices[shorter].curve) + given_up;
    if outside(shorter, &lower) + outside(longer, &upper) >= before {
        return None;
    }
    slices[longer] = slice(smiles[longer].0, &smiles[longer].1, upper, repair, Some(&lower));
    slices[shorter] = slice(smiles[shorter].0, &smiles[shorter].1, lower, Repair::Refitted, below.as_ref());
    if let [this, next, ..] = &mut slices[longer..] {
        next.arbitrage.lowest_rise = crossing(&this.curve, &next.curve).lowest;
    }
    Some(())
}

/// A curve between the neighbours without arbitrage: the first that is and leaves nearly as many quotes between bid and ask as the
/// smile by itself, else of ever plainer ones that which leaves most; the last is always free. Bounds that are found on the way are
/// added to those that were agreed on.
fn settle(
    fitter: &mut Fitter,
    smile: &Smile,
    below: Option<&Curve>,
    above: Option<&Curve>,
    bounds: &mut Bounds,
) -> (Curve, Repair) {
    let alone = fitter.curve(smile);
    if let Some(curve) = &alone
        && bounds.hold(curve)
        && is_free(curve, below, above)
    {
        return (curve.clone(), Repair::None);
    }
    let accepted = alone.map_or(0, |curve| smile.outside(&curve)) + smile.quotes() / OUTSIDE_SHARE;
    let mut best: Option<(usize, Curve, Repair)> = None;
    let mut consider = |curve: Option<Curve>, repair: Repair| {
        let Some(curve) = curve else { return false };
        let outside = smile.outside(&curve);
        if best.as_ref().is_none_or(|(least, ..)| outside < *least) {
            best = Some((outside, curve, repair));
        }
        outside <= accepted
    };
    let agreed = bounds.clone();
    // Few large steps are quick, and now and then settle into a wave far from the quotes that is free too.
    let manners: [&[Manner]; 2] = [&[Manner::Sticky, Manner::Loose], &[Manner::Gentle]];
    let done = manners.into_iter().any(|manners| {
        bounds.clone_from(&agreed);
        consider(bounded(fitter, smile, below, above, bounds, manners), Repair::Refitted)
    });
    if !done {
        let plain = fitter.plain(smile).and_then(|curve| raised(curve, below));
        if !consider(plain.filter(|curve| is_free(curve, below, above)), Repair::Plain) {
            consider(Some(neighbours(smile, below, above)), Repair::Neighbour);
        }
    }
    best.map_or_else(|| (neighbours(smile, below, above), Repair::Neighbour), |(_, curve, repair)| (curve, repair))
}

/// The smile fitted again within bounds, and within those that it crosses then, until it is free.
fn bounded(
    fitter: &mut Fitter,
    smile: &Smile,
    below: Option<&Curve>,
    above: Option<&Curve>,
    bounds: &mut Bounds,
    manners: &[Manner],
) -> Option<Curve> {
    for (round, manner) in manners.iter().cycle().take(ROUNDS).enumerate() {
        if round == SOFT_ROUNDS {
            // What was agreed on did not hold: the longer expiries give way.
            bounds.upper.clear();
            bounds.most = (f64::INFINITY, f64::INFINITY);
        }
        let curve = fitter.within(smile, bounds, *manner)?;
        if is_free(&curve, below, above) {
            return Some(curve);
        }
        if let Some(below) = below {
            let found = crossing(below, &curve);
            bounds.lower.extend(found.dips.iter().map(|(k, _)| (*k, below.value(*k))));
            if found.flat != (0.0, 0.0) {
                let (left, right) = below.ends();
                bounds.least = (bounds.least.0.max(-left), bounds.least.1.max(right));
            }
        }
        if let Some(above) = above {
            let found = crossing(&curve, above);
            bounds.upper.extend(found.dips.iter().map(|(k, _)| (*k, above.value(*k))));
            if found.flat != (0.0, 0.0) {
                let (left, right) = above.ends();
                bounds.most = (-left, right);
            }
        }
        let lowest = below.map_or(0.0, |below| crossing(below, &curve).lowest);
        if lowest > -1e-3 * smile.unit * smile.unit
            && let Some(raised) = raised(curve, below)
            && is_free(&raised, below, above)
        {
            return Some(raised);
        }
    }
    None
}

fn is_free(curve: &Curve, below: Option<&Curve>, above: Option<&Curve>) -> bool {
    let (density, wing) = butterfly(curve);
    density >= 0.0
        && wing <= 2.0
        && below.is_none_or(|below| crossing(below, curve).lowest >= 0.0)
        && above.is_none_or(|above| crossing(curve, above).lowest >= 0.0)
}

/// The curve moved up as far as it lies under its shorter neighbour; none if its wings are too flat for that.
fn raised(mut curve: Curve, below: Option<&Curve>) -> Option<Curve> {
    let lowest = below.map_or(0.0, |below| crossing(below, &curve).lowest.min(0.0));
    if lowest == f64::NEG_INFINITY {
        return None;
    }
    let raise = if lowest < 0.0 { -lowest * (1.0 + 1e-9) + 1e-15 } else { 0.0 };
    for piece in &mut curve.pieces {
        piece[0] += raise;
    }
    Some(curve)
}

/// The smile of a neighbour, as near to the quotes as it may come: the shorter one's moved up by a constant, which leaves it free,
/// or the longer one's scaled down, which does too: g is concave in the scale and not negative at nought. Without neighbours flat.
fn neighbours(smile: &Smile, below: Option<&Curve>, above: Option<&Curve>) -> Curve {
    if let Some(below) = below {
        let wanted = smile.mean(|k, variance| variance - below.value(k));
        let room = above.map_or(f64::INFINITY, |above| crossing(below, above).lowest);
        let mut shift = wanted.min(room);
        for _ in 0..8 {
            if shift <= 0.0 || shift.is_nan() {
                break;
            }
            let mut curve = below.clone();
            curve.pieces.iter_mut().for_each(|piece| piece[0] += shift);
            if is_free(&curve, Some(below), above) {
                return curve;
            }
            shift *= 0.5;
        }
        return below.clone();
    }
    let Some(above) = above else {
        let mean = smile.mean(|_, variance| variance);
        // Weights that overflow have no mean.
        let level = if mean.is_finite() { mean } else { smile.unit * smile.unit }.clamp(1e-12, 1e6);
        return Curve { knots: vec![0.0], pieces: vec![[level, 0.0, 0.0, 0.0]] };
    };
    let share = smile.mean(|k, variance| variance / above.value(k)).clamp(1e-3, 1.0);
    let mut curve = above.clone();
    curve.pieces.iter_mut().flatten().for_each(|coefficient| *coefficient *= share);
    if is_free(&curve, None, Some(above)) { curve } else { above.clone() }
}

fn slice(quotes: &SmileQuotes, smile: &Smile, curve: Curve, repair: Repair, below: Option<&Curve>) -> Slice {
    let (lowest_density, steepest_wing) = butterfly(&curve);
    let lowest_rise = below.map_or(f64::INFINITY, |below| crossing(below, &curve).lowest);
    let arbitrage = Arbitrage { lowest_density, lowest_rise, steepest_wing, repair };
    let counted = || quotes.points.iter().filter(|point| point.weight > 0.0);
    let mut inside = 0;
    let mut distances: Vec<f64> = Vec::with_capacity(quotes.points.len());
    for point in counted() {
        let vol = units::math::sqrt(curve.value(point.log_moneyness) / quotes.years);
        inside += usize::from(point.bid_vol <= vol && vol <= point.ask_vol);
        distances.push((vol - point.mid_vol).abs());
    }
    distances.sort_by(f64::total_cmp);
    let rank = |share: f64| distances[((distances.len() - 1) as f64 * share) as usize];
    let error =
        FitError { points: distances.len(), inside, median: rank(0.5), ninetieth: rank(0.9), largest: rank(1.0) };
    let ends = (counted().next(), counted().next_back());
    let quoted = (ends.0.map_or(0.0, |point| point.log_moneyness), ends.1.map_or(0.0, |point| point.log_moneyness));
    let SmileQuotes { years, forward, discount, .. } = *quotes;
    Slice { years, forward, discount, curve, svi: smile.svi(), quoted, error, arbitrage }
}
