//! The same thing told twice: bars that cover each other, two rates or values at one time.

use crate::TapeRow;
use market::{Catalogue, Event};
use std::fmt;
use units::Timestamp;

/// One instrument or series with more than one of something at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The instrument or series.
    pub subject: String,
    /// What it has twice.
    pub kind: &'static str,
    /// The receipt time.
    pub at: Timestamp,
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, kind, at } = self;
        write!(
            f,
            "the tapes overlap: `{subject}` has more than one {kind} at {at}; leave out one tape, or import parts that \
             follow each other"
        )
    }
}

/// Watches rows that go by in order of time, all of one receipt time together.
#[derive(Debug)]
pub(crate) struct Overlaps {
    /// When the last bar of each instrument closed.
    closed: Vec<Timestamp>,
}

impl Overlaps {
    pub(crate) fn new(catalogue: &Catalogue) -> Self {
        Self { closed: vec![Timestamp::MIN; catalogue.instruments.len()] }
    }

    /// The first of the rows of one receipt time, in the order of a merge, that tells what was told already.
    pub(crate) fn look(&mut self, rows: &[TapeRow], catalogue: &Catalogue) -> Option<Overlap> {
        let mut found = None;
        for (index, row) in rows.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| rows.get(before));
            let twice = before.is_some_and(|before| subject(&before.event) == subject(&row.event));
            let covered = self.covers(&row.event);
            if (twice || covered) && found.is_none() {
                let (kind, id) = subject(&row.event);
                let symbol = || catalogue.instruments.get(id).map(|known| known.symbol.clone());
                let name = || catalogue.series.get(id).cloned();
                let subject = if matches!(row.event, Event::Series(_)) { name() } else { symbol() };
                found = Some(Overlap { subject: subject.unwrap_or_default(), kind, at: row.receipt });
            }
        }
        found
    }

    /// Whether a bar begins before the one before it has ended; remembers when it ends.
    fn covers(&mut self, event: &Event) -> bool {
        let Event::Bar(bar) = event else { return false };
        let Some(closed) = self.closed.get_mut(bar.instrument.index()) else { return false };
        let covered = bar.opened < *closed;
        *closed = bar.closed.max(*closed);
        covered
    }
}

/// What an event tells about.
fn subject(event: &Event) -> (&'static str, usize) {
    match event {
        Event::Bar(bar) => ("bar", bar.instrument.index()),
        Event::Funding(funding) => ("funding rate", funding.instrument.index()),
        Event::Series(point) => ("value", point.series.index()),
        Event::Mark(mark) => ("mark", mark.instrument.index()),
        Event::Trade(trade) => ("trade", trade.instrument.index()),
        Event::Order(_) | Event::Cash(_) => ("message", 0),
    }
}
