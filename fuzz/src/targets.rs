//! What is fuzzed, and what must hold.

use import::{
    BarsRequest, FundingRequest, ImportError, ImportReport, Labelled, RateUnit, Repair, SeriesRequest, SeriesUnit,
};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use tape::{TapeError, TapeReader};
use units::Duration;

/// What reads files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The tape reader.
    Tape,
    /// The importers of CSV, plain and packed; the first byte chooses the kind and the repairs.
    Csv,
    /// The policy parser.
    Policy,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tape, Self::Csv, Self::Policy];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tape => "tape",
            Self::Csv => "csv",
            Self::Policy => "policy",
        })
    }
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|target| target.to_string() == text);
        known.ok_or_else(|| format!("there is no target `{text}`; there are tape, csv, policy"))
    }
}

/// Runs one input. `true` if it was taken, `false` if it was refused.
///
/// # Panics
///
/// Where something that must hold does not: the finding.
pub fn run(target: Target, input: &[u8]) -> bool {
    match target {
        Target::Tape => tape(input),
        Target::Csv => csv(input),
        Target::Policy => policy(input),
    }
}

/// A folder of its own for each input, so that what is left behind is seen.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("no folder to work in: {error}"))
}

fn tape(input: &[u8]) -> bool {
    let folder = folder();
    let path = folder.path().join("x.tape");
    std::fs::write(&path, input).unwrap_or_else(|error| panic!("cannot write the input: {error}"));
    let Some(rows) = taken(read_tape(&path)) else { return false };
    let verified = taken(tape::verify(&path, &mut |_, _| {}));
    assert_eq!(verified.map(|verified| verified.rows), Some(rows), "what reads is whole");
    true
}

/// Reads to the end, and says how many rows there were.
fn read_tape(path: &Path) -> Result<u64, TapeError> {
    let mut reader = TapeReader::open(path)?;
    let mut rows = 0;
    let mut previous = units::Timestamp::MIN;
    loop {
        match reader.next_row() {
            Ok(Some(row)) => {
                assert!(row.receipt >= previous, "rows go by receipt time");
                previous = row.receipt;
                rows += 1;
            }
            Ok(None) => break,
            Err(error) => {
                assert!(!matches!(reader.next_row(), Ok(Some(_))), "after an error there are no rows");
                return Err(error);
            }
        }
    }
    assert_eq!(rows, reader.info().rows, "as many rows as announced");
    Ok(rows)
}

fn taken<T>(result: Result<T, TapeError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.is_input(), "what was handed in is at fault, not the disk: {error}");
            printable(&error.to_string());
            None
        }
    }
}

fn csv(input: &[u8]) -> bool {
    let Some((choice, text)) = input.split_first() else { return false };
    let folder = folder();
    let (source, out) = (folder.path().join("x.csv"), folder.path().join("x.tape"));
    std::fs::write(&source, text).unwrap_or_else(|error| panic!("cannot write the input: {error}"));
    let repair: Vec<Repair> = Repair::ALL
        .into_iter()
        .enumerate()
        .filter(|(at, _)| choice >> 2 >> at & 1 == 1)
        .map(|(_, repair)| repair)
        .collect();
    let result = import(*choice, &source, &out, repair);
    let left = std::fs::read_dir(folder.path()).map_or(0, Iterator::count);
    match result {
        Ok(report) => {
            assert_eq!(left, 2, "the source and its tape");
            assert_eq!(taken(read_tape(&out)), Some(report.rows_written), "the report tells what the tape holds");
            report.lines().iter().for_each(|line| printable(line));
            true
        }
        Err(error) => {
            assert_eq!(left, 1, "a refused import leaves nothing: {error}");
            assert!(error.is_input() && !error.code().is_empty(), "{error}");
            printable(&error.to_string());
            false
        }
    }
}

fn import(choice: u8, source: &Path, out: &Path, repair: Vec<Repair>) -> Result<ImportReport, ImportError> {
    let instrument = || import::instrument("binance:BTCUSDT-PERP", &import::Terms::default());
    let progress = &mut |_, _| {};
    match choice % 4 {
        0 | 1 => {
            let labelled = if choice.is_multiple_of(4) { Labelled::Open } else { Labelled::Close };
            let request = BarsRequest { repair, ..BarsRequest::new(source, instrument()?, labelled, out) };
            import::bars(&request, progress)
        }
        2 => {
            let request =
                FundingRequest { repair, ..FundingRequest::new(source, instrument()?, RateUnit::Percent, out) };
            import::funding(&request, progress)
        }
        _ => {
            let request = SeriesRequest {
                repair,
                lag: Duration::DAY,
                ..SeriesRequest::new(source, "dvol", "dvol.btc", SeriesUnit::Percent, out)
            };
            import::series(&request, progress)
        }
    }
}

/// What a file says must not reach a terminal as a command to it.
fn printable(text: &str) {
    let obeyed = text.chars().find(|letter| letter.is_control() && *letter != '\n');
    assert_eq!(obeyed, None, "a message with a control character: {text:?}");
}

fn policy(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let parsed = policy::parse(&text);
    assert!(parsed.diagnostics.len() <= policy::DIAGNOSTICS_MAX + 1, "{} diagnostics", parsed.diagnostics.len());
    let Some(policy) = &parsed.policy else {
        assert!(!parsed.diagnostics.is_empty(), "what is refused has a reason");
        return false;
    };
    let printed = policy::to_toml(policy);
    let again = policy::parse(&printed);
    assert_eq!(again.policy.as_ref(), Some(policy), "what is printed reads back:\n{printed}");
    true
}
