//! Whether a tape is whole, and what is missing in it.

use crate::overlap::Overlaps;
use crate::{Kind, Merged, Overlap, TapeError, TapeReader, TapeRow};
use market::{Catalogue, Event};
use std::collections::BTreeMap;
use std::path::Path;
use units::{Duration, Round, Timestamp};

/// What was found in a tape, all of whose rows were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows read, each checked as its writer did, in groups that match their hashes.
    pub rows: u64,
    /// Stretches without rows, by instrument or series in the order of the catalogue.
    pub gaps: Vec<GapsOf>,
    /// What is told twice; the first of each instrument or series and kind.
    pub overlaps: Vec<Overlap>,
    /// Bars with a price off the tick grid that the catalogue states.
    pub off_tick: u64,
}

/// The stretches without rows of one instrument or series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapsOf {
    /// Its symbol or name.
    pub subject: String,
    /// What is missing.
    pub kind: Kind,
    /// The step that rows should have.
    pub every: Duration,
    /// How many gaps.
    pub count: u64,
    /// Rows missing in all of them.
    pub missing: u64,
    /// The longest, the first of equals: from where to where nothing was recorded.
    pub longest: (Timestamp, Timestamp),
}

/// Steps told apart for one instrument or series; rarer ones of a file without any rhythm do not matter.
const STEPS_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Steps {
    previous: Option<Timestamp>,
    /// How often each step occurs, and where it first did.
    found: BTreeMap<i64, (u64, Timestamp)>,
}

impl Steps {
    fn add(&mut self, at: Timestamp) {
        let Some(previous) = self.previous.replace(at) else { return };
        let step = at.since(previous).nanos();
        if step <= 0 || (self.found.len() == STEPS_MAX && !self.found.contains_key(&step)) {
            return;
        }
        self.found.entry(step).or_insert((0, previous)).0 += 1;
    }

    /// A gap is a step of two intervals or more; the interval is the most common step, the smaller of equals.
    fn gaps(&self, subject: &str, kind: Kind, width: bool) -> Option<GapsOf> {
        let usual = self.found.iter().max_by_key(|(step, (count, _))| (*count, std::cmp::Reverse(**step)))?;
        let every = *usual.0;
        let wide = self.found.range(every.checked_mul(2)?..);
        let (mut count, mut missing) = (0, 0);
        for (step, (times, _)) in wide.clone() {
            count += times;
            missing += times * (step / every - 1) as u64;
        }
        let (step, (_, before)) = wide.last()?;
        let from = if width { *before + Duration::from_nanos(every) } else { *before };
        let longest = (from, *before + Duration::from_nanos(*step));
        Some(GapsOf { subject: subject.to_owned(), kind, every: Duration::from_nanos(every), count, missing, longest })
    }
}

/// Reads a tape to its end: hashes, order and rows are checked on the way, as every reader does; gaps, overlaps and prices
/// off the grid are found besides. `progress` is called with the rows done and all rows.
pub fn verify(path: impl AsRef<Path>, progress: &mut dyn FnMut(u64, u64)) -> Result<Verified, TapeError> {
    let mut watch = Watch::default();
    watch.read(vec![TapeReader::open(path)?], progress)
}

/// What several tapes tell twice together; the first of each instrument or series and kind.
pub fn overlaps<P: AsRef<Path>>(paths: &[P], progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Overlap>, TapeError> {
    let readers = paths.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>()?;
    Ok(Watch::default().read(readers, progress)?.overlaps)
}

#[derive(Default)]
struct Watch {
    bars: Vec<Steps>,
    fundings: Vec<Steps>,
    values: Vec<Steps>,
    found: Verified,
}

impl Watch {
    fn read(&mut self, readers: Vec<TapeReader>, progress: &mut dyn FnMut(u64, u64)) -> Result<Verified, TapeError> {
        const REPORT_EVERY: u64 = 4_096;
        let mut merged = Merged::new(readers)?;
        let catalogue = merged.catalogue().clone();
        self.bars.resize_with(catalogue.instruments.len(), Steps::default);
        self.fundings.resize_with(catalogue.instruments.len(), Steps::default);
        self.values.resize_with(catalogue.series.len(), Steps::default);
        let mut overlaps = Overlaps::new(&catalogue);
        let (mut rows, mut inputs) = (Vec::new(), 0_u64);
        while let Some(at) = merged.next_rows(&mut rows)? {
            for row in &rows {
                self.look(row, &catalogue);
            }
            if let Some(overlap) = overlaps.look(at, rows.iter().map(|row| &row.event), &catalogue) {
                let is_known = |known: &Overlap| (&known.subject, known.kind) == (&overlap.subject, overlap.kind);
                if !self.found.overlaps.iter().any(is_known) {
                    self.found.overlaps.push(overlap);
                }
            }
            inputs += 1;
            if inputs.is_multiple_of(REPORT_EVERY) {
                progress(merged.rows_read(), merged.rows_total());
            }
        }
        let symbols = || catalogue.instruments.iter().map(|instrument| instrument.symbol.as_str());
        let names = catalogue.series.iter().map(String::as_str);
        let bars = symbols().zip(&self.bars).filter_map(|(symbol, steps)| steps.gaps(symbol, Kind::Bar, true));
        let fundings =
            symbols().zip(&self.fundings).filter_map(|(symbol, steps)| steps.gaps(symbol, Kind::Funding, false));
        let values = names.zip(&self.values).filter_map(|(name, steps)| steps.gaps(name, Kind::Series, false));
        self.found.gaps = bars.chain(fundings).chain(values).collect();
        Ok(std::mem::take(&mut self.found))
    }

    fn look(&mut self, row: &TapeRow, catalogue: &Catalogue) {
        self.found.rows += 1;
        let steps = match &row.event {
            Event::Bar(bar) => {
                let tick = catalogue.instruments.get(bar.instrument.index()).map(|instrument| instrument.tick);
                let is_off = |tick| {
                    [bar.open, bar.high, bar.low, bar.close]
                        .iter()
                        .any(|price| price.to_tick(tick, Round::Nearest) != *price)
                };
                self.found.off_tick += u64::from(tick.is_some_and(is_off));
                (self.bars.get_mut(bar.instrument.index()), bar.opened)
            }
            Event::Funding(funding) => (self.fundings.get_mut(funding.instrument.index()), row.receipt),
            Event::Series(point) => (self.values.get_mut(point.series.index()), row.receipt),
            // Marks and quotes are told when they are told, and marks lie between the steps of a grid.
            Event::OptionQuote(quote) => {
                let tick = catalogue.instruments.get(quote.instrument.index()).map(|instrument| instrument.tick);
                let is_off = |tick| {
                    let mut prices = [quote.bid(), quote.ask()].into_iter().flatten();
                    prices.any(|price| price.to_tick(tick, Round::Nearest) != price)
                };
                self.found.off_tick += u64::from(tick.is_some_and(is_off));
                return;
            }
            Event::Mark(_) | Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => return,
        };
        if let (Some(steps), at) = steps {
            steps.add(at);
        }
    }
}
