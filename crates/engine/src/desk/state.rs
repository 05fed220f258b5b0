//! A desk in snapshots.

use super::{Desk, LegOrder, Line, Stage, Waiting};
use crate::Purpose;
use crate::structure::Choice;
use arrayvec::ArrayVec;
use policy::spec::LEGS_MAX;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, InstrumentId, Notional, OrderId, Price, Qty, Side, Timestamp};

impl Line {
    pub(super) fn save(&self, out: &mut StateWriter) {
        out.u32(self.instrument.0);
        out.i64(self.expiry.nanos());
        for qty in [self.ratio, self.next, self.held] {
            out.i64(qty.raw());
        }
        for amount in [self.value.raw(), self.reference.raw(), self.fee.raw()] {
            out.i128(amount);
        }
        out.option(self.settled, |out, price| out.i64(price.raw()));
        out.bool(self.blocked);
    }

    pub(super) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (instrument, expiry) = (InstrumentId(from.u32()?), Timestamp::from_nanos(from.i64()?));
        let mut qty = || from.i64().map(Qty::from_raw);
        let (ratio, next, held) = (qty()?, qty()?, qty()?);
        let (value, reference) = (Notional::from_raw(from.i128()?), Notional::from_raw(from.i128()?));
        let fee = Cash::from_raw(from.i128()?);
        let settled = from.option(StateReader::i64)?.map(Price::from_raw);
        Ok(Self { instrument, expiry, ratio, next, held, value, reference, fee, settled, blocked: from.bool()? })
    }
}

fn save_side(side: Side, out: &mut StateWriter) {
    out.bool(side == Side::Buy);
}

fn load_side(from: &mut StateReader<'_>) -> Result<Side, Corrupt> {
    Ok(if from.bool()? { Side::Buy } else { Side::Sell })
}

impl LegOrder {
    fn save(&self, out: &mut StateWriter) {
        out.u64(self.id.0);
        out.u32(self.instrument.0);
        self.purpose.save(out);
        save_side(self.side, out);
        out.i64(self.qty.raw());
        out.i64(self.filled.raw());
        out.bool(self.cancelling);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            id: OrderId(from.u64()?),
            instrument: InstrumentId(from.u32()?),
            purpose: Purpose::load(from)?,
            side: load_side(from)?,
            qty: Qty::from_raw(from.i64()?),
            filled: Qty::from_raw(from.i64()?),
            cancelling: from.bool()?,
        })
    }
}

impl Waiting {
    fn save(&self, out: &mut StateWriter) {
        out.u64(self.id.0);
        self.purpose.save(out);
        save_side(self.side, out);
        out.i64(self.qty.raw());
        out.i64(self.filled.raw());
        self.kind.save(out);
        out.u8(self.stage as u8);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            id: OrderId(from.u64()?),
            purpose: Purpose::load(from)?,
            side: load_side(from)?,
            qty: Qty::from_raw(from.i64()?),
            filled: Qty::from_raw(from.i64()?),
            kind: crate::route::load_kind(from)?,
            stage: match from.u8()? {
                0 => Stage::Rests,
                1 => Stage::Triggered,
                2 => Stage::Queued,
                3 => Stage::Active,
                _ => return Err(Corrupt { at: 0, what: "no stage of an order" }),
            },
        })
    }
}

impl Desk {
    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.len(self.lines.len());
        self.lines.iter().for_each(|line| line.save(out));
        out.i64(self.position.raw());
        out.len(self.orders.len());
        self.orders.iter().for_each(|order| order.save(out));
        for list in [&self.sent, &self.ended] {
            out.len(list.len());
            list.iter().for_each(|order| order.save(out));
        }
        out.option(self.closing, |out, purpose| purpose.save(out));
        for flag in [self.rolling, self.rolls_next, self.mixed, self.told_waiting] {
            out.bool(flag);
        }
        out.option(self.candidate.as_ref(), |out, choice| {
            out.len(choice.legs.len());
            for (instrument, ratio) in &choice.legs {
                out.u32(instrument.0);
                out.i64(ratio.raw());
            }
            out.i64(choice.price.raw());
            out.i64(choice.forward.raw());
        });
        out.option(self.refusal, StateWriter::u32);
        out.i64(self.wanted.raw());
        out.option(self.declined, |out, qty| out.i64(qty.raw()));
        out.u64(self.seen);
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.lines = (0..from.len()?).map(|_| Line::load(from)).collect::<Result<_, _>>()?;
        self.position = Qty::from_raw(from.i64()?);
        self.orders = (0..from.len()?).map(|_| Waiting::load(from)).collect::<Result<_, _>>()?;
        self.sent = (0..from.len()?).map(|_| LegOrder::load(from)).collect::<Result<_, _>>()?;
        self.ended = (0..from.len()?).map(|_| LegOrder::load(from)).collect::<Result<_, _>>()?;
        self.closing = from.option(Purpose::load)?;
        (self.rolling, self.rolls_next) = (from.bool()?, from.bool()?);
        (self.mixed, self.told_waiting) = (from.bool()?, from.bool()?);
        self.candidate = from.option(|from| {
            let mut legs = ArrayVec::new();
            for _ in 0..from.len()?.min(LEGS_MAX) {
                legs.push((InstrumentId(from.u32()?), Qty::from_raw(from.i64()?)));
            }
            Ok(Choice { legs, price: Price::from_raw(from.i64()?), forward: Price::from_raw(from.i64()?) })
        })?;
        self.refusal = from.option(StateReader::u32)?;
        self.wanted = Qty::from_raw(from.i64()?);
        self.declined = from.option(StateReader::i64)?.map(Qty::from_raw);
        self.seen = from.u64()?;
        Ok(())
    }
}
