//! The same thing told twice: bars that cover each other, two rates or values at one time.

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

/// Watches events that go by in order of time, all of one receipt time together. Each instrument's bars follow each other, and
/// one instant has one rate and one value of each: told twice, a bar would be walked twice and a payment paid twice.
#[derive(Debug)]
pub struct Overlaps {
    /// When the last bar of each instrument closed.
    closed: Vec<Timestamp>,
}

impl Overlaps {
    /// Before the first event.
    #[must_use]
    pub fn new(catalogue: &Catalogue) -> Self {
        Self { closed: vec![Timestamp::MIN; catalogue.instruments.len()] }
    }

    /// The first of the events of one receipt time, in the order of a merge, that tells what was told already.
    pub fn look<'a>(
        &mut self,
        at: Timestamp,
        events: impl IntoIterator<Item = &'a Event>,
        catalogue: &Catalogue,
    ) -> Option<Overlap> {
        let (mut found, mut before) = (None, None);
        for event in events {
            let (kind, id) = subject(event);
            let twice = before.replace((kind, id)) == Some((kind, id));
            let covered = self.covers(event);
            if (twice || covered) && found.is_none() {
                let symbol = || catalogue.instruments.get(id).map(|known| known.symbol.clone());
                let name = || catalogue.series.get(id).cloned();
                let subject = if matches!(event, Event::Series(_)) { name() } else { symbol() };
                found = Some(Overlap { subject: subject.unwrap_or_default(), kind, at });
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
        Event::OptionQuote(quote) => ("quote", quote.instrument.index()),
        Event::Trade(trade) => ("trade", trade.instrument.index()),
        Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => ("message", 0),
    }
}
