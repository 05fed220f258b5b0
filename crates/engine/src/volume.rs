//! What is traded of an instrument, or what its book holds, for caps that are shares of it: volume or depth in windows aligned to midnight
//! UTC, and what a strategy does itself in the present one.

use market::{Bar, SeriesPoint, Trade};
use policy::VolumeTerms;
use policy::facts::{self, Facts, Traded};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Contract, Duration, Price, Qty, Round, Timestamp};

/// The usual volume is told once so much of it is recorded, or all of what it is the mean of.
const KNOWN_AFTER: Duration = Duration::DAY;

/// Volume of one instrument, as one strategy counts it. An event costs the same however many came before.
#[derive(Debug)]
pub(crate) struct Volume {
    terms: VolumeTerms,
    contract: Contract,
    /// Bars tell it: trades beside them would count twice.
    has_bars: bool,
    /// Anything was ever traded. Until then nothing is known; from then on nothing traded is nothing.
    has_any: bool,
    /// Begin of the window that the last news was of.
    heard: Timestamp,
    /// That window so far, as long as it is not over; `None` where its begin was missed. Of depth the least of it.
    open: Option<Qty>,
    /// The last whole window, and what was traded in it.
    last: Option<(Timestamp, Qty)>,
    /// The last depth of each series, and when it was recorded.
    sides: [Option<(Timestamp, Qty)>; 2],
    /// The last whole windows, in a ring, and their sum: exact, because quantities are integers.
    usual: Vec<i64>,
    next: usize,
    sum: i128,
    /// Begin of the window in which the strategy last opened or added, and how much of it.
    own: (Timestamp, Qty),
}

impl Volume {
    pub(crate) fn new(terms: VolumeTerms, contract: Contract) -> Self {
        Self {
            terms,
            contract,
            has_bars: false,
            has_any: false,
            heard: Timestamp::MIN,
            open: None,
            last: None,
            sides: [None; 2],
            usual: Vec::with_capacity(terms.usual as usize),
            next: 0,
            sum: 0,
            own: (Timestamp::MIN, Qty::ZERO),
        }
    }

    /// A bar that has closed. One that is longer than a window tells nothing of any.
    pub(crate) fn bar(&mut self, bar: &Bar) {
        if self.counts_depth() || bar.closed.since(bar.opened) > self.terms.window {
            return;
        }
        self.has_bars = true;
        let whole = bar.opened == bar.opened.floor(self.terms.window);
        self.hear(bar.opened, whole, self.counted(bar.volume, bar.close));
        if bar.closed >= self.heard + self.terms.window {
            self.close();
        }
    }

    /// A trade on the tape.
    pub(crate) fn trade(&mut self, trade: &Trade, now: Timestamp) {
        if !self.counts_depth() && !self.has_bars {
            self.hear(now, false, trade.qty.abs());
        }
    }

    fn counts_depth(&self) -> bool {
        self.terms.depth[0].is_some()
    }

    /// A recorded value of a series. Only depth is heard: a window's is the least that was recorded of either side.
    pub(crate) fn series(&mut self, point: SeriesPoint, now: Timestamp) {
        let Some(side) = self.terms.depth.iter().position(|series| *series == Some(point.series)) else { return };
        let depth = Qty::from_estimate(point.value.get().max(0.0), Round::TowardZero).unwrap_or(Qty::MAX);
        self.sides[side] = Some((now, depth));
        let window = now.floor(self.terms.window);
        if window > self.heard {
            self.has_any = true;
            self.close();
            self.heard = window;
        }
        self.open = Some(self.open.map_or(depth, |least| least.min(depth)));
    }

    /// An amount of the underlying as the instrument counts.
    fn counted(&self, underlying: Qty, price: Price) -> Qty {
        match self.contract {
            Contract::Linear => underlying,
            // Its quantity counts the quote currency.
            Contract::Inverse => {
                let one = Price::from_raw(Price::ONE);
                (price * underlying).qty_at(one, Round::TowardZero).unwrap_or_default()
            }
        }
    }

    /// News of a time. A window is whole if it was heard from its begin on, or from the end of the one before.
    fn hear(&mut self, at: Timestamp, from_begin: bool, traded: Qty) {
        let window = at.floor(self.terms.window);
        if window > self.heard {
            let follows = self.heard != Timestamp::MIN && window == self.heard + self.terms.window;
            self.close();
            self.open = (from_begin || follows).then_some(Qty::ZERO);
            self.heard = window;
        }
        self.has_any |= !traded.is_zero();
        if let Some(open) = &mut self.open {
            *open = Qty::from_raw(open.raw().saturating_add(traded.raw()));
        }
    }

    /// The window is over.
    fn close(&mut self) {
        let Some(traded) = self.open.take().filter(|_| self.has_any) else { return };
        self.last = Some((self.heard, traded));
        let count = self.terms.usual as usize;
        if count == 0 {
            return;
        }
        self.sum += i128::from(traded.raw());
        if self.usual.len() < count {
            self.usual.push(traded.raw());
        } else {
            self.sum -= i128::from(std::mem::replace(&mut self.usual[self.next], traded.raw()));
        }
        self.next = (self.next + 1) % count;
    }

    /// The strategy opened or added so much. What is told at the end of a window was done in it.
    pub(crate) fn grow(&mut self, now: Timestamp, before: Qty, after: Qty) {
        let same = before.signum() * after.signum() > 0;
        let more = after.abs().raw() - if same { before.abs().raw() } else { 0 };
        if more > 0 {
            let window = (now - Duration::from_nanos(1)).floor(self.terms.window);
            let so_far = if self.own.0 == window { self.own.1.raw() } else { 0 };
            self.own = (window, Qty::from_raw(so_far.saturating_add(more)));
        }
    }

    /// Tells what rules read. A window that ended longer ago than one lasts says nothing of now, nor does depth of longer ago than that.
    pub(crate) fn tell(&self, now: Timestamp, facts: &mut Facts) {
        let window = now.floor(self.terms.window);
        let own = if self.own.0 == window { self.own.1 } else { Qty::ZERO };
        let recent = match self.counts_depth() {
            true => self.thinner(now),
            false => {
                let recent = self.last.filter(|(begin, _)| now.since(*begin + self.terms.window) <= self.terms.window);
                recent.map(|(_, traded)| traded)
            }
        };
        facts.put(facts::TRADED, recent.map(|market| Traded { market, own }));
        if self.terms.usual > 0 {
            facts.put(facts::USUAL_VOLUME, self.mean());
        }
    }

    /// The lesser of the last depths: what is bought has to be sold again. Unknown where that of a side is older than a window.
    fn thinner(&self, now: Timestamp) -> Option<Qty> {
        let mut least = Qty::MAX;
        for (_, side) in self.terms.depth.iter().zip(self.sides).filter(|(series, _)| series.is_some()) {
            let (at, depth) = side?;
            if now.since(at) > self.terms.window {
                return None;
            }
            least = least.min(depth);
        }
        Some(least)
    }

    /// The mean of the last windows, once a day of them is there. Where nothing was traded in any of them nobody knows.
    fn mean(&self) -> Option<Qty> {
        let count = self.usual.len() as i64;
        let is_enough =
            count == i64::from(self.terms.usual) || count * self.terms.window.nanos() >= KNOWN_AFTER.nanos();
        let mean = self.sum.checked_div(i128::from(count)).filter(|_| is_enough)?;
        i64::try_from(mean).ok().filter(|mean| *mean > 0).map(Qty::from_raw)
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.bool(self.has_bars);
        out.bool(self.has_any);
        out.i64(self.heard.nanos());
        out.option(self.open, |out, open| out.i64(open.raw()));
        out.option(self.last, |out, (begin, traded)| {
            out.i64(begin.nanos());
            out.i64(traded.raw());
        });
        for side in self.sides {
            out.option(side, |out, (at, depth)| {
                out.i64(at.nanos());
                out.i64(depth.raw());
            });
        }
        out.len(self.usual.len());
        self.usual.iter().for_each(|traded| out.i64(*traded));
        out.len(self.next);
        out.i64(self.own.0.nanos());
        out.i64(self.own.1.raw());
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        (self.has_bars, self.has_any) = (from.bool()?, from.bool()?);
        self.heard = Timestamp::from_nanos(from.i64()?);
        self.open = from.option(StateReader::i64)?.map(Qty::from_raw);
        self.last = from.option(|from| Ok((Timestamp::from_nanos(from.i64()?), Qty::from_raw(from.i64()?))))?;
        for side in &mut self.sides {
            *side = from.option(|from| Ok((Timestamp::from_nanos(from.i64()?), Qty::from_raw(from.i64()?))))?;
        }
        let count = from.len()?;
        self.usual.clear();
        for _ in 0..count {
            self.usual.push(from.i64()?);
        }
        self.next = from.len()?;
        if count > self.terms.usual as usize || (self.terms.usual > 0 && self.next >= self.terms.usual as usize) {
            return Err(Corrupt { at: 0, what: "another number of windows" });
        }
        self.sum = self.usual.iter().map(|traded| i128::from(*traded)).sum();
        self.own = (Timestamp::from_nanos(from.i64()?), Qty::from_raw(from.i64()?));
        Ok(())
    }
}
