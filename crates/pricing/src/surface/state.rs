//! Snapshots of a fitted surface: once some expiries were fitted anew and others were not, quotes alone do not tell it.

use super::smile::{Arbitrage, Curve, FitError, Repair, Slice, SmileRefusal, Surface};
use super::svi::Svi;
use units::state::{Corrupt, StateReader, StateWriter};

const REPAIRS: [Repair; 4] = [Repair::None, Repair::Refitted, Repair::Plain, Repair::Neighbour];

fn corrupt(what: &'static str) -> Corrupt {
    Corrupt { at: 0, what }
}

impl Surface {
    /// Writes every number of it.
    pub fn save(&self, out: &mut StateWriter) {
        out.len(self.slices.len());
        self.slices.iter().for_each(|slice| slice.save(out));
        out.len(self.refused.len());
        for (at, refusal) in &self.refused {
            let (tag, number) = match *refusal {
                SmileRefusal::BadTerms => (0, 0),
                SmileRefusal::TooFewPoints { count } => (1, count),
                SmileRefusal::BadPoint { at } => (2, at),
                SmileRefusal::Crossed { at } => (3, at),
                SmileRefusal::Unsorted { at } => (4, at),
            };
            out.u64(*at as u64);
            out.u8(tag);
            out.u64(number as u64);
        }
        out.u64(self.crossed as u64);
    }

    /// Reads what [`Self::save`] wrote: the same surface, bit for bit.
    ///
    /// # Errors
    ///
    /// A snapshot that is not of a surface.
    pub fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let slices: Vec<Slice> = (0..from.len()?).map(|_| Slice::load(from)).collect::<Result<_, _>>()?;
        if slices.is_empty() || slices.windows(2).any(|pair| pair[0].years >= pair[1].years) {
            return Err(corrupt("a surface whose expiries do not ascend"));
        }
        let refused = |from: &mut StateReader<'_>| {
            let (place, tag, number) = (from.u64()? as usize, from.u8()?, from.u64()? as usize);
            let refusal = match tag {
                0 => SmileRefusal::BadTerms,
                1 => SmileRefusal::TooFewPoints { count: number },
                2 => SmileRefusal::BadPoint { at: number },
                3 => SmileRefusal::Crossed { at: number },
                4 => SmileRefusal::Unsorted { at: number },
                _ => return Err(corrupt("no such refusal of a smile")),
            };
            Ok((place, refusal))
        };
        let refused = (0..from.len()?).map(|_| refused(from)).collect::<Result<_, _>>()?;
        Ok(Self { slices, refused, crossed: from.u64()? as usize })
    }
}

impl Slice {
    fn save(&self, out: &mut StateWriter) {
        let Self { years, forward, discount, curve, svi, quoted, error, arbitrage } = self;
        let Svi { level, slope, skew, centre, width } = *svi;
        let FitError { points, inside, median, ninetieth, largest } = *error;
        let Arbitrage { lowest_density, lowest_rise, steepest_wing, repair } = *arbitrage;
        for number in [*years, *forward, *discount, level, slope, skew, centre, width, quoted.0, quoted.1] {
            out.f64(number);
        }
        for number in [median, ninetieth, largest, lowest_density, lowest_rise, steepest_wing] {
            out.f64(number);
        }
        out.u64(points as u64);
        out.u64(inside as u64);
        out.u8(repair as u8);
        out.len(curve.knots.len());
        for (knot, piece) in curve.knots.iter().zip(&curve.pieces) {
            out.f64(*knot);
            piece.iter().for_each(|number| out.f64(*number));
        }
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (years, forward, discount) = (from.f64()?, from.f64()?, from.f64()?);
        let (level, slope, skew) = (from.f64()?, from.f64()?, from.f64()?);
        let svi = Svi { level, slope, skew, centre: from.f64()?, width: from.f64()? };
        let quoted = (from.f64()?, from.f64()?);
        let (median, ninetieth, largest) = (from.f64()?, from.f64()?, from.f64()?);
        let (lowest_density, lowest_rise, steepest_wing) = (from.f64()?, from.f64()?, from.f64()?);
        let error = FitError { points: from.u64()? as usize, inside: from.u64()? as usize, median, ninetieth, largest };
        let repair = REPAIRS.get(usize::from(from.u8()?)).copied().ok_or(corrupt("no such repair of a smile"))?;
        let mut curve = Curve::default();
        for _ in 0..from.len()? {
            curve.knots.push(from.f64()?);
            curve.pieces.push([from.f64()?, from.f64()?, from.f64()?, from.f64()?]);
        }
        let ascends = !curve.knots.is_empty() && curve.knots.windows(2).all(|pair| pair[0] < pair[1]);
        if !(years > 0.0 && ascends) {
            return Err(corrupt("a smile without time or without knots in order"));
        }
        let arbitrage = Arbitrage { lowest_density, lowest_rise, steepest_wing, repair };
        Ok(Self { years, forward, discount, curve, svi, quoted, error, arbitrage })
    }
}
