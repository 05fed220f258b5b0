//! All that changes in an engine, written and read.

use super::Engine;
use crate::netting::Early;
use crate::outgoing::Rhythm;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{InstrumentId, Price, Timestamp};

impl Engine {
    /// Writes every field that changes: the state hash is a hash of this.
    pub fn save(&self, out: &mut StateWriter) {
        out.i64(self.now.nanos());
        for count in [self.inputs, self.plans, self.campaigns] {
            out.u64(count);
        }
        for book in &self.books {
            book.save(out);
        }
        for group in &self.groups {
            group.save(out);
        }
        for index in 0..self.last.len() {
            out.bool(self.traded[index].has_marks);
            out.i64(self.last[index].raw());
            out.i64(self.traded[index].paid.nanos());
        }
        self.rhythms.iter().for_each(|rhythm| rhythm.save(out));
        for scope in &self.scopes {
            scope.save(out);
        }
        out.len(self.early.len());
        self.early.iter().for_each(|early| early.save(out));
        out.len(self.settlement_prices.len());
        for (instrument, price) in &self.settlement_prices {
            out.u32(instrument.0);
            out.i64(price.raw());
        }
        self.structures.save(out);
        self.surfaces.save(out);
        if let Some(greeks) = &self.greeks {
            greeks.save(out);
        }
        self.choices.iter().for_each(|choosing| choosing.save(out));
        if let Some(risk) = &self.risk {
            risk.save(out);
        }
    }

    /// Restores what [`Self::save`] wrote, into an engine built with the same configuration and strategies.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.now = Timestamp::from_nanos(from.i64()?);
        (self.inputs, self.plans, self.campaigns) = (from.u64()?, from.u64()?, from.u64()?);
        for book in &mut self.books {
            book.load(from)?;
        }
        for group in &mut self.groups {
            group.load(from)?;
        }
        self.find_heeded();
        self.find_counts();
        self.has_carried = self.books.iter().any(|book| !book.carried.is_empty());
        self.lone.clear();
        for index in 0..self.last.len() {
            self.traded[index].has_marks = from.bool()?;
            self.last[index] = Price::from_raw(from.i64()?);
            self.traded[index].paid = Timestamp::from_nanos(from.i64()?);
        }
        for rhythm in &mut self.rhythms {
            *rhythm = Rhythm::load(from)?;
        }
        for scope in &mut self.scopes {
            scope.load(from)?;
        }
        self.early = (0..from.len()?).map(|_| Early::load(from)).collect::<Result<_, _>>()?;
        let settlement = |from: &mut StateReader<'_>| Ok((InstrumentId(from.u32()?), Price::from_raw(from.i64()?)));
        self.settlement_prices = (0..from.len()?).map(|_| settlement(from)).collect::<Result<_, _>>()?;
        self.structures.load(from)?;
        self.surfaces.load(from)?;
        if let Some(greeks) = &mut self.greeks {
            greeks.load(from)?;
            self.has_traded = true;
        }
        for choosing in &mut self.choices {
            choosing.load(from)?;
        }
        if let Some(risk) = &mut self.risk {
            risk.load(from)?;
        }
        from.end()
    }
}
