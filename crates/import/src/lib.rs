//! Recorded formats to tape, with a quality report.
//!
//! A CSV (plain, gzip or the one file of a zip) or Parquet file of [`bars`], [`funding`] rates or a [`series`] becomes one
//! tape, or is refused for what is wrong with it: impossible rows by number, ambiguous columns by name. Gaps and identical
//! duplicates are counted in the [`ImportReport`]; whatever else has to change is asked for as a [`Repair`] and recorded in
//! the tape.
//! `docs/tape.md` has the rules in full.
//!
//! ```
//! use import::{BarsRequest, Labelled};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (source, out) = (folder.path().join("btc.csv"), folder.path().join("btc.tape"));
//! std::fs::write(&source, "date,open,high,low,close,volume\n\
//!     2025-10-10 21:15,117904.1,118000,117800,117850.5,12.5\n\
//!     2025-10-10 21:20,117850.5,117900,116000,116200,80.25\n")?;
//! let instrument = import::instrument("binance:BTCUSDT-PERP", &import::Terms::default())?;
//! let request = BarsRequest::new(&source, instrument, Labelled::Open, &out);
//! let report = import::bars(&request, &mut |_done, _total| {})?;
//! assert_eq!(report.lines()[0], "2 bars  2025-10-10 21:15 .. 2025-10-10 21:25 UTC  every 5 min  0 gaps");
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at once"))]

mod bars;
mod cell;
mod chain;
mod columns;
mod error;
mod funding;
mod instruments;
mod ledger;
mod map_file;
mod repair;
mod report;
mod scan;
mod sequence;
mod series;
mod session;
mod source;
mod symbol;
mod time;

pub use bars::{BarsRequest, Labelled, bars};
pub use chain::marks::{MarksRequest, marks};
pub use chain::options::{OptionsRequest, options};
pub use columns::ColumnMap;
pub use error::{BadRows, ImportError};
pub use funding::{FundingRequest, RateUnit, funding};
pub use instruments::{ContractKind, Terms, instrument, known_instruments};
pub use repair::{ParseRepairError, Repair};
pub use report::{Gap, Gaps, ImportReport};
pub use series::{SeriesRequest, SeriesUnit, series};
