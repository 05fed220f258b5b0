//! Recorded chains, for the tests that read them.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use pricing::options::OptionKind;
use pricing::surface::OptionQuote;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use units::Timestamp;

/// A file of the shared data, or `None` where they are absent; that is a failure in CI.
pub(crate) fn recording(test: &str, path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    let path = folder.join("data").join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent: {}", path.display());
    eprintln!("skipped: {test}: shared data absent");
    None
}

/// The chain of one coin at one moment.
pub(crate) struct Snapshot {
    pub(crate) at: Timestamp,
    pub(crate) index: f64,
    pub(crate) quotes: Vec<OptionQuote>,
}

/// The snapshots of one file of `deribit_options_6h`, by time. Its prices are in coin; BTC ticks by 0.0001, ETH by 0.0001 too, and
/// by 0.0005 from 0.005 on, which does not matter here.
pub(crate) fn snapshots(path: &Path) -> Vec<Snapshot> {
    const NAMES: [&str; 8] = [
        "timestamp",
        "expiry_datetime",
        "strike",
        "option_type",
        "bid_price",
        "ask_price",
        "underlying",
        "index_price",
    ];
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema().clone();
    let fields: Vec<Arc<Type>> =
        schema.get_fields().iter().filter(|field| NAMES.contains(&field.name())).cloned().collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().unwrap();
    let mut all: Vec<Snapshot> = Vec::new();
    for row in reader.get_row_iter(Some(projection)).unwrap() {
        let columns = row.unwrap().into_columns();
        let of = |name: &str| &columns.iter().find(|(column, _)| column == name).unwrap().1;
        let number = |name: &str| match of(name) {
            Field::Double(value) => Some(*value),
            Field::Null => None,
            other => panic!("{other:?} is no number"),
        };
        let time = |name: &str| match of(name) {
            Field::TimestampMicros(value) => Timestamp::from_nanos(value * 1_000),
            other => panic!("{other:?} is no time"),
        };
        let kind = match of("option_type") {
            Field::Str(text) if text == "call" => OptionKind::Call,
            Field::Str(text) if text == "put" => OptionKind::Put,
            other => panic!("{other:?} is no kind of option"),
        };
        let quote = OptionQuote {
            expiry: time("expiry_datetime"),
            strike: number("strike").unwrap(),
            kind,
            bid: number("bid_price"),
            ask: number("ask_price"),
            tick: 1e-4,
            at: time("timestamp"),
            forward: number("underlying"),
        };
        if all.last().is_none_or(|last| last.at != quote.at) {
            all.push(Snapshot { at: quote.at, index: number("index_price").unwrap(), quotes: Vec::new() });
        }
        all.last_mut().unwrap().quotes.push(quote);
    }
    all.sort_by_key(|snapshot| snapshot.at);
    assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at), "a snapshot's rows stand together");
    all
}
