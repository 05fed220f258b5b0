//! Where a pass has its inputs from: the tapes, or another pass that reads them and hands on what it read.
//!
//! A backtest makes three passes over one market. One of them reads and decodes; the other two follow it on threads of their
//! own, a few parts behind. A part also tells along which path the reading pass walked its bars: the twin walks the same.

use crate::Error;
use crate::world::span;
use exchange::{Exchange, PathLog};
use market::{Catalogue, Event};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tape::{Kind, Merged, Overlaps, TapeError, TapeReader};
use units::Timestamp;

/// Inputs in a part.
const INPUTS: usize = 512;
/// Parts that wait for a slower pass at most.
const WAITING: usize = 4;

/// What the tapes of a run say about themselves.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    pub(crate) catalogue: Catalogue,
    /// First and last bar; `None`: there are none.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    pub(crate) bars: u64,
}

/// Some inputs that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Part {
    events: Vec<Event>,
    /// Receipt time of each input, and where its events end.
    inputs: Vec<(Timestamp, usize)>,
    /// Of each bar walked: its instrument, and whether its low came first.
    paths: Vec<(usize, bool)>,
}

/// Where a pass has its inputs from.
#[derive(Debug)]
pub(crate) enum Feed {
    /// The tapes, merged by time.
    Tapes {
        /// The tapes.
        tapes: Box<Merged>,
        /// What they have told of each instrument and series.
        overlaps: Box<Overlaps>,
    },
    /// A pass that reads them.
    Parts {
        /// `None` in it: there are no more.
        parts: Receiver<Option<Arc<Part>>>,
        /// The part in hand.
        part: Arc<Part>,
        /// Its next input.
        next: usize,
    },
}

/// Opens tapes and merges them by time.
pub(crate) fn open(tapes: &[PathBuf]) -> Result<(Market, Feed), Error> {
    let readers = tapes.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>()?;
    let tapes = Merged::new(readers)?;
    let catalogue = tapes.catalogue().clone();
    let bars = tapes.infos().filter_map(|info| info.span(Kind::Bar)).map(|span| span.rows).sum();
    let overlaps = Box::new(Overlaps::new(&catalogue));
    Ok((Market { catalogue, span: span(&tapes), bars }, Feed::Tapes { tapes: Box::new(tapes), overlaps }))
}

impl Feed {
    /// Fills `events` with the next input. `None`: there are no more. A follower learns the path of the bars to come.
    pub(crate) fn next(
        &mut self,
        events: &mut Vec<Event>,
        exchange: &mut Exchange,
    ) -> Result<Option<Timestamp>, Error> {
        match self {
            Self::Tapes { tapes, overlaps } => {
                let Some(at) = tapes.next_input(events)? else { return Ok(None) };
                match overlaps.look(at, &*events, tapes.catalogue()) {
                    Some(overlap) => Err(TapeError::Overlap(Box::new(overlap)).into()),
                    None => Ok(Some(at)),
                }
            }
            Self::Parts { parts, part, next } => {
                while *next == part.inputs.len() {
                    // The reading pass went away without an end: it failed or was interrupted, and says why itself.
                    match parts.recv().map_err(|_| Error::Interrupted)? {
                        Some(following) => (*part, *next) = (following, 0),
                        None => return Ok(None),
                    }
                    exchange.follow(&part.paths);
                }
                let begin = next.checked_sub(1).map_or(0, |before| part.inputs[before].1);
                let (at, end) = part.inputs[*next];
                *next += 1;
                events.clear();
                events.extend_from_slice(&part.events[begin..end]);
                Ok(Some(at))
            }
        }
    }

    /// Rows read so far, and in all; a follower counts none.
    pub(crate) fn rows(&self) -> (u64, u64) {
        match self {
            Self::Tapes { tapes, .. } => (tapes.rows_read(), tapes.rows_total()),
            Self::Parts { .. } => (0, 0),
        }
    }
}

/// Hands on what a pass reads.
#[derive(Debug, Default)]
pub(crate) struct Tee {
    followers: Vec<SyncSender<Option<Arc<Part>>>>,
    part: Part,
    /// Bars of each instrument whose path was handed on.
    told: Vec<usize>,
}

impl Tee {
    /// One more pass that follows.
    pub(crate) fn follower(&mut self) -> Feed {
        let (sender, parts) = sync_channel(WAITING);
        self.followers.push(sender);
        Feed::Parts { parts, part: Arc::default(), next: 0 }
    }

    /// Before the next input is read: all inputs before it were walked, so that a whole part can go.
    pub(crate) fn pass_on(&mut self, paths: &PathLog) {
        if self.part.inputs.len() >= INPUTS {
            self.send(paths);
        }
    }

    /// An input of the run was read.
    pub(crate) fn take(&mut self, at: Timestamp, events: &[Event]) {
        if !self.followers.is_empty() {
            self.part.events.extend_from_slice(events);
            self.part.inputs.push((at, self.part.events.len()));
        }
    }

    /// There are no more inputs, and all were walked.
    pub(crate) fn end(&mut self, paths: &PathLog) {
        self.send(paths);
        // A follower that is gone has its own reason.
        self.followers.drain(..).for_each(|follower| drop(follower.send(None)));
    }

    fn send(&mut self, paths: &PathLog) {
        if self.followers.is_empty() {
            return;
        }
        let mut part = std::mem::take(&mut self.part);
        for instrument in 0..paths.instruments() {
            if self.told.len() == instrument {
                self.told.push(0);
            }
            let bars = self.told[instrument]..paths.bars(instrument);
            self.told[instrument] = bars.end;
            part.paths.extend(bars.filter_map(|bar| Some((instrument, paths.low_first(instrument, bar)?))));
        }
        let part = Arc::new(part);
        self.followers.retain(|follower| follower.send(Some(part.clone())).is_ok());
    }
}
