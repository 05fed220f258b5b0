//! Recorded tapes and the simulated exchange, as the driver's world.

use crate::feed::{Feed, Tee};
use crate::{Error, Progress};
use drive::World;
use exchange::Exchange;
use market::{Command, Event, Input};
use std::ops::ControlFlow;
use tape::{Kind, Merged};
use units::Timestamp;

/// How many events of the tapes pass between two reports of progress, at most about: an input of a whole chain of options is as much work
/// as a thousand bars.
const REPORT_EVERY: u64 = 16_384;

/// A market through the exchange.
pub(crate) struct Recorded<'a> {
    feed: Feed,
    /// Hands on what was walked.
    tee: Tee,
    pub(crate) exchange: Exchange,
    events: Vec<Event>,
    /// Receipt time of the events that are read and not delivered yet.
    pending: Option<Timestamp>,
    first_bar: Timestamp,
    last_bar: Timestamp,
    /// Nobody trades options: what was quoted of them before the first bar warms up what is read of their surfaces.
    reads_quotes: bool,
    /// Stops after inputs with this receipt time.
    until: Timestamp,
    /// Events since the last report of progress, and what an input counts for by itself.
    unreported: u64,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

/// First and last bar of any tape; where no tape has bars, first and last mark or quote.
pub(crate) fn span(tapes: &Merged) -> Option<(Timestamp, Timestamp)> {
    let of = |kinds: &[Kind]| {
        let spans = || kinds.iter().flat_map(|kind| tapes.infos().filter_map(|info| info.span(*kind)));
        Some((spans().map(|span| span.first).min()?, spans().map(|span| span.last).max()?))
    };
    of(&[Kind::Bar]).or_else(|| of(&[Kind::Mark, Kind::Quote]))
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(
        feed: Feed,
        tee: Tee,
        exchange: Exchange,
        (first_bar, last_bar): (Timestamp, Timestamp),
        reads_quotes: bool,
        until: Timestamp,
        progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Self {
        let (events, pending, unreported) = (Vec::new(), None, 0);
        Self { feed, tee, exchange, events, pending, first_bar, last_bar, reads_quotes, until, unreported, progress }
    }

    /// Moves to the next tape input of the run: it spans its bars, what is earlier only warms up, what is later is ignored.
    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            let at = match self.pending.take() {
                Some(at) => at,
                None => match self.pull()? {
                    Some(at) => at,
                    None => {
                        self.feed.end(&mut self.tee, self.exchange.paths());
                        return Ok(false);
                    }
                },
            };
            // What the clock alone brings (an expiry, a scheduled payment) comes before what is later.
            if let Some(due) = self.exchange.next_due().filter(|due| (self.first_bar..at).contains(due)) {
                self.pending = Some(at);
                self.exchange.advance(due, &[]);
                return Ok(true);
            }
            self.unreported += 4 + self.events.len() as u64;
            if self.unreported >= REPORT_EVERY {
                self.unreported = 0;
                let (done, total) = self.feed.rows();
                if (self.progress)(Progress { done, total, reached: at }).is_break() {
                    return Err(Error::Interrupted);
                }
            }
            if !self.events.is_empty() {
                self.exchange.advance_with(at, &mut self.events);
                return Ok(true);
            }
        }
    }
}

impl Recorded<'_> {
    /// Reads the next tape input of the run into the list of events. `None`: it has no more.
    fn pull(&mut self) -> Result<Option<Timestamp>, Error> {
        let Some(at) = self.feed.next(&mut self.events, &mut self.exchange, &mut self.tee)? else { return Ok(None) };
        if at > self.last_bar || at > self.until {
            return Ok(None);
        }
        if at < self.first_bar {
            let reads_quotes = self.reads_quotes;
            self.events.retain(|event| match event {
                Event::Series(_) => true,
                Event::OptionQuote(_) => reads_quotes,
                _ => false,
            });
        }
        Ok(Some(at))
    }
}

impl World for Recorded<'_> {
    type Error = Error;

    fn next(&mut self, _wakeup: Option<Timestamp>) -> Result<Option<Input<'_>>, Error> {
        loop {
            if let Some(source) = self.exchange.step() {
                return Ok(Some(self.exchange.delivery(source)));
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }

    fn send(&mut self, command: Command) {
        self.exchange.command(command);
    }
}
