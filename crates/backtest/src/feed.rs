//! Where a pass has its inputs from: the tapes, or parts of them that another thread has read.
//!
//! A backtest makes three passes over one market, each on a thread of its own. A fourth thread reads and decodes the tapes for all of
//! them, a few parts ahead. The twin follows the scaled pass, which also tells it along which path it walked its bars: the twin walks
//! the same.

use crate::Error;
use crate::world::span;
use exchange::{Exchange, PathLog};
use market::{Catalogue, Event};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tape::{Kind, Merged, Overlaps, TapeError, TapeReader};
use units::Timestamp;

/// Events in a part, about: few enough to stay in the cache between one thread and the next.
const EVENTS: usize = 4_096;
/// Parts that wait for a slower pass at most.
const WAITING: usize = 4;

/// What the tapes of a run say about themselves.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    pub(crate) catalogue: Catalogue,
    /// First and last bar; `None`: there are none.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    pub(crate) bars: u64,
    /// Symbols of tapes that have bars: what is traded at prices of its own fills at nothing else.
    pub(crate) barred: BTreeSet<String>,
}

/// Some inputs that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Part {
    events: Vec<Event>,
    /// Receipt time of each input, and where its events end.
    inputs: Vec<(Timestamp, usize)>,
    /// Rows of the tapes read by its end, and in all.
    rows: (u64, u64),
}

/// A part for a pass.
#[derive(Debug)]
pub(crate) struct Told {
    part: Arc<Part>,
    /// Of each bar in it that a pass before walked: its instrument, and whether its low came first.
    paths: Vec<(usize, bool)>,
}

/// `None`: there are no more parts.
type Message = Result<Option<Told>, Error>;

/// Where a pass has its inputs from.
#[derive(Debug)]
pub(crate) enum Feed {
    /// The tapes, merged by time.
    Tapes(Box<Tapes>),
    /// A thread that reads them.
    Parts {
        /// What it reads.
        parts: Receiver<Message>,
        /// The part in hand.
        part: Arc<Part>,
        /// Its next input.
        next: usize,
    },
}

/// Tapes merged by time.
#[derive(Debug)]
pub(crate) struct Tapes {
    merged: Merged,
    /// What they have told of each instrument and series.
    overlaps: Overlaps,
}

/// Opens tapes and merges them by time.
pub(crate) fn open(tapes: &[PathBuf]) -> Result<(Market, Tapes), Error> {
    let readers = tapes.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>()?;
    let merged = Merged::new(readers)?;
    let catalogue = merged.catalogue().clone();
    let bars = merged.infos().filter_map(|info| info.span(Kind::Bar)).map(|span| span.rows).sum();
    let with_bars = merged.infos().filter(|info| info.span(Kind::Bar).is_some());
    let barred = with_bars.flat_map(|info| info.catalogue.instruments.iter().map(|of| of.symbol.clone())).collect();
    let overlaps = Overlaps::new(&catalogue);
    Ok((Market { catalogue, span: span(&merged), bars, barred }, Tapes { merged, overlaps }))
}

impl Tapes {
    fn next(&mut self, events: &mut Vec<Event>) -> Result<Option<Timestamp>, Error> {
        let Some(at) = self.merged.next_input(events)? else { return Ok(None) };
        match self.overlaps.look(at, &*events, self.merged.catalogue()) {
            Some(overlap) => Err(TapeError::Overlap(Box::new(overlap)).into()),
            None => Ok(Some(at)),
        }
    }

    fn rows(&self) -> (u64, u64) {
        (self.merged.rows_read(), self.merged.rows_total())
    }

    /// Reads all for passes on other threads, until there is no more or nobody listens. The first of them hears why, if it fails.
    pub(crate) fn read(mut self, mut followers: Vec<SyncSender<Message>>) {
        let mut parts = Vec::new();
        let mut events = Vec::new();
        let mut end: Option<Message> = None;
        while end.is_none() && !followers.is_empty() {
            let mut shared = free_part(&mut parts);
            let Some(part) = Arc::get_mut(&mut shared) else { unreachable!("a part that nobody else has") };
            part.events.clear();
            part.inputs.clear();
            while part.events.len() < EVENTS && end.is_none() {
                match self.next(&mut events) {
                    Ok(Some(at)) => {
                        part.events.append(&mut events);
                        part.inputs.push((at, part.events.len()));
                    }
                    Ok(None) => end = Some(Ok(None)),
                    Err(error) => end = Some(Err(error)),
                }
            }
            part.rows = self.rows();
            parts.push(shared.clone());
            let told = || Told { part: shared.clone(), paths: Vec::new() };
            followers.retain(|follower| follower.send(Ok(Some(told()))).is_ok());
        }
        match end {
            // The others learn that there is no end.
            Some(Err(error)) => {
                if let Some(first) = followers.first() {
                    drop(first.send(Err(error)));
                }
            }
            _ => followers.iter().for_each(|follower| drop(follower.send(Ok(None)))),
        }
    }
}

/// A part that every pass is done with, or a new one: memory is had once, not part by part.
fn free_part(parts: &mut Vec<Arc<Part>>) -> Arc<Part> {
    match parts.iter().position(|part| Arc::strong_count(part) == 1) {
        Some(at) => parts.swap_remove(at),
        None => Arc::default(),
    }
}

/// A pass that follows, and where what it follows goes.
pub(crate) fn follower() -> (SyncSender<Message>, Feed) {
    let (sender, parts) = sync_channel(WAITING);
    (sender, Feed::Parts { parts, part: Arc::default(), next: 0 })
}

impl Feed {
    /// Fills `events` with the next input. `None`: there are no more. All before it was walked, so that `tee` may hand on a part that
    /// is at its end; a follower learns the path of the bars to come.
    pub(crate) fn next(
        &mut self,
        events: &mut Vec<Event>,
        exchange: &mut Exchange,
        tee: &mut Tee,
    ) -> Result<Option<Timestamp>, Error> {
        match self {
            Self::Tapes(tapes) => tapes.next(events),
            Self::Parts { parts, part, next } => {
                while *next == part.inputs.len() {
                    tee.pass_on(part, exchange.paths());
                    // Whoever reads went away without an end: the pass before failed or was interrupted, and says why itself.
                    match parts.recv().map_err(|_| Error::Interrupted)?? {
                        Some(Told { part: following, paths }) => {
                            (*part, *next) = (following, 0);
                            exchange.follow(&paths);
                        }
                        None => {
                            *part = Arc::default();
                            *next = 0;
                            return Ok(None);
                        }
                    }
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

    /// Hands on the part in hand: there are no more inputs, and all were walked.
    pub(crate) fn end(&self, tee: &mut Tee, paths: &PathLog) {
        if let Self::Parts { part, .. } = self {
            tee.pass_on(part, paths);
        }
        tee.end();
    }

    /// Rows read so far, and in all.
    pub(crate) fn rows(&self) -> (u64, u64) {
        match self {
            Self::Tapes(tapes) => tapes.rows(),
            Self::Parts { part, .. } => part.rows,
        }
    }
}

/// Hands on what a pass has walked.
#[derive(Debug, Default)]
pub(crate) struct Tee {
    follower: Option<SyncSender<Message>>,
    /// Bars of each instrument whose path was handed on.
    told: Vec<usize>,
}

impl Tee {
    /// To a pass that walks the same paths.
    pub(crate) fn to(follower: SyncSender<Message>) -> Self {
        Self { follower: Some(follower), told: Vec::new() }
    }

    fn pass_on(&mut self, part: &Arc<Part>, paths: &PathLog) {
        let Some(follower) = self.follower.as_ref().filter(|_| !part.inputs.is_empty()) else { return };
        let mut walked = Vec::with_capacity(part.events.len());
        self.told.resize(paths.instruments(), 0);
        for (instrument, told) in self.told.iter_mut().enumerate() {
            let bars = std::mem::replace(told, paths.bars(instrument))..paths.bars(instrument);
            walked.extend(bars.filter_map(|bar| Some((instrument, paths.low_first(instrument, bar)?))));
        }
        if follower.send(Ok(Some(Told { part: part.clone(), paths: walked }))).is_err() {
            // It has its own reason.
            self.follower = None;
        }
    }

    fn end(&mut self) {
        if let Some(follower) = self.follower.take() {
            drop(follower.send(Ok(None)));
        }
    }
}
