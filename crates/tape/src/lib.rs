//! The recorded-data format: typed events in a columnar file, streamed in bounded memory, merged by time.
//!
//! A **tape** is one Parquet file of bars, funding rates and series values in order of receipt time, with the
//! catalogue that gives its ids a meaning and the story of where it came from. `docs/tape.md` draws the format.
//!
//! ```
//! use market::{Catalogue, Event, SeriesPoint};
//! use tape::{Merged, Provenance, TapeHeader, TapeReader, TapeWriter};
//! use units::{Ratio, SeriesId, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("dvol.tape");
//! let catalogue = Catalogue { instruments: vec![], series: vec!["dvol.btc".into()] };
//! let mut writer = TapeWriter::create(&path, &TapeHeader { catalogue, provenance: Provenance::default() })?;
//! let at: Timestamp = "2025-10-10T00:00:00Z".parse()?;
//! let value = Ratio::new(0.412).ok_or("not finite")?;
//! writer.push(at, at, &Event::Series(SeriesPoint { series: SeriesId(0), value }))?;
//! writer.finish()?;
//!
//! let mut merged = Merged::new(vec![TapeReader::open(&path)?])?;
//! let mut events = Vec::new();
//! assert_eq!(merged.next_input(&mut events)?, Some(at));
//! assert_eq!(events.len(), 1);
//! assert_eq!(merged.next_input(&mut events)?, None);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once"))]

mod check;
mod decode;
mod digest;
mod error;
mod header;
mod join;
mod merge;
mod overlap;
mod reader;
mod schema;
mod verify;
mod writer;

pub use check::Fault;
pub use digest::digest;
pub use error::TapeError;
pub use header::{AppliedRepair, Kind, KindSpan, Provenance, TapeHeader, TapeInfo};
pub use join::{ALWAYS, join};
pub use merge::Merged;
pub use overlap::{Overlap, Overlaps};
pub use reader::{TapeReader, TapeRow};
pub use schema::FORMAT_VERSION;
pub use verify::{GapsOf, Verified, overlaps, verify};
pub use writer::TapeWriter;
