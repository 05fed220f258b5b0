//! Many tapes as one stream of inputs.

use crate::{TapeError, TapeInfo, TapeReader, TapeRow};
use market::{Catalogue, Event, Instrument};
use std::collections::BTreeMap;
use std::path::PathBuf;
use units::{InstrumentId, SeriesId, Timestamp};

/// Several tapes merged by receipt time: all events of one receipt time form one input.
///
/// Inside an input events stand by [`Event::rank`], then by instrument or series id, then in the order of the tapes
/// and of their rows. The same tapes in the same order always give the same inputs.
#[derive(Debug)]
pub struct Merged {
    tapes: Vec<Tape>,
    catalogue: Catalogue,
    rows_total: u64,
    rows_read: u64,
}

#[derive(Debug)]
struct Tape {
    reader: TapeReader,
    /// Receipt time of its next row; `None` at its end.
    next: Option<Timestamp>,
    instruments: Vec<InstrumentId>,
    series: Vec<SeriesId>,
}

impl Merged {
    /// Merges the catalogues and makes ready to read. Fails when two tapes define one instrument differently.
    pub fn new(readers: Vec<TapeReader>) -> Result<Self, TapeError> {
        let mut catalogue = Catalogue::default();
        // By symbol: a chain has thousands of instruments, and a walk over them for each would be millions of steps.
        let mut known = BTreeMap::new();
        let mut origins = Vec::new();
        let mut tapes = Vec::with_capacity(readers.len());
        for mut reader in readers {
            let instruments = merge_instruments(&mut catalogue, &mut known, &mut origins, reader.info())?;
            let series = merge_series(&mut catalogue, reader.info());
            let next = reader.peek()?.map(|row| row.receipt);
            tapes.push(Tape { reader, next, instruments, series });
        }
        let rows_total = tapes.iter().map(|tape| tape.reader.info().rows).sum();
        Ok(Self { tapes, catalogue, rows_total, rows_read: 0 })
    }

    /// The instruments and series of all tapes, in the order in which the tapes name them.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What each tape says about itself.
    pub fn infos(&self) -> impl Iterator<Item = &TapeInfo> {
        self.tapes.iter().map(|tape| tape.reader.info())
    }

    /// Rows in all tapes.
    #[must_use]
    pub fn rows_total(&self) -> u64 {
        self.rows_total
    }

    /// Rows handed out so far.
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// Fills `events` with everything of the next receipt time. `None` at the end of all tapes.
    pub fn next_input(&mut self, events: &mut Vec<Event>) -> Result<Option<Timestamp>, TapeError> {
        self.next_of(events, |row| row.event, place)
    }

    /// As [`next_input`](Self::next_input), with the venues' times.
    pub fn next_rows(&mut self, rows: &mut Vec<TapeRow>) -> Result<Option<Timestamp>, TapeError> {
        self.next_of(rows, |row| row, |row| place(&row.event))
    }

    fn next_of<T>(
        &mut self,
        items: &mut Vec<T>,
        item: impl Fn(TapeRow) -> T + Copy,
        place: impl Fn(&T) -> (u8, u32) + Copy,
    ) -> Result<Option<Timestamp>, TapeError> {
        items.clear();
        let Some(at) = self.tapes.iter().filter_map(|tape| tape.next).min() else { return Ok(None) };
        for tape in &mut self.tapes {
            if tape.next == Some(at) {
                tape.take(at, items, item)?;
            }
        }
        self.rows_read += items.len() as u64;
        if !items.is_sorted_by_key(place) {
            items.sort_by_key(place);
        }
        Ok(Some(at))
    }
}

impl Tape {
    /// Moves all rows of a receipt time to `items`.
    fn take<T>(&mut self, at: Timestamp, items: &mut Vec<T>, item: impl Fn(TapeRow) -> T) -> Result<(), TapeError> {
        loop {
            match self.reader.peek()? {
                Some(row) if row.receipt == at => {
                    let event = renamed(row.event, &self.instruments, &self.series);
                    items.push(item(TapeRow { event, ..*row }));
                }
                other => {
                    self.next = other.map(|row| row.receipt);
                    return Ok(());
                }
            }
            self.reader.advance();
        }
    }
}

/// The event with the merged catalogue's ids. The reader has checked that its ids are in range.
fn renamed(mut event: Event, instruments: &[InstrumentId], series: &[SeriesId]) -> Event {
    match &mut event {
        Event::Bar(bar) => bar.instrument = instruments.get(bar.instrument.index()).copied().unwrap_or_default(),
        Event::Funding(funding) => {
            funding.instrument = instruments.get(funding.instrument.index()).copied().unwrap_or_default();
        }
        Event::Series(point) => point.series = series.get(point.series.index()).copied().unwrap_or_default(),
        Event::Mark(mark) => mark.instrument = instruments.get(mark.instrument.index()).copied().unwrap_or_default(),
        Event::OptionQuote(quote) => {
            quote.instrument = instruments.get(quote.instrument.index()).copied().unwrap_or_default();
        }
        Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => {}
    }
    event
}

fn place(event: &Event) -> (u8, u32) {
    let id = match event {
        Event::Bar(bar) => bar.instrument.0,
        Event::Funding(funding) => funding.instrument.0,
        Event::Mark(mark) => mark.instrument.0,
        Event::OptionQuote(quote) => quote.instrument.0,
        Event::Trade(trade) => trade.instrument.0,
        Event::Series(point) => point.series.0,
        Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => 0,
    };
    (event.rank(), id)
}

fn merge_instruments(
    catalogue: &mut Catalogue,
    places: &mut BTreeMap<String, InstrumentId>,
    origins: &mut Vec<PathBuf>,
    info: &TapeInfo,
) -> Result<Vec<InstrumentId>, TapeError> {
    let mut ids = Vec::with_capacity(info.catalogue.instruments.len());
    for instrument in &info.catalogue.instruments {
        let Some(id) = places.get(&instrument.symbol).copied() else {
            let id = InstrumentId(catalogue.instruments.len() as u32);
            places.insert(instrument.symbol.clone(), id);
            ids.push(id);
            catalogue.instruments.push(instrument.clone());
            origins.push(info.path.clone());
            continue;
        };
        if let Some(known) = catalogue.instruments.get(id.index()).filter(|known| *known != instrument) {
            return Err(TapeError::Conflict {
                symbol: instrument.symbol.clone(),
                first: origins.get(id.index()).cloned().unwrap_or_default(),
                second: info.path.clone(),
                what: difference(known, instrument),
            });
        }
        ids.push(id);
    }
    Ok(ids)
}

fn merge_series(catalogue: &mut Catalogue, info: &TapeInfo) -> Vec<SeriesId> {
    info.catalogue
        .series
        .iter()
        .map(|name| {
            catalogue.series_id(name).unwrap_or_else(|| {
                catalogue.series.push(name.clone());
                SeriesId(catalogue.series.len() as u32 - 1)
            })
        })
        .collect()
}

/// The first field in which two specifications differ.
fn difference(known: &Instrument, other: &Instrument) -> String {
    let fields: [(&str, String, String); 6] = [
        ("tick", known.tick.to_string(), other.tick.to_string()),
        ("lot", known.lot.to_string(), other.lot.to_string()),
        ("minimum order", known.min_qty.to_string(), other.min_qty.to_string()),
        ("base", known.base.to_string(), other.base.to_string()),
        ("quote", known.quote.to_string(), other.quote.to_string()),
        ("settlement", known.settle.to_string(), other.settle.to_string()),
    ];
    fields
        .into_iter()
        .find(|(_, known, other)| known != other)
        .map_or_else(|| "kind".to_owned(), |(field, known, other)| format!("{field} {known} against {other}"))
}
