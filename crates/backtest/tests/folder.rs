//! The run folder: whatever is altered in it is found and named; it is written whole or not at all; and a stranger
//! recomputes its equity with another program.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/random.rs"]
#[allow(dead_code, reason = "only its numbers are used here")]
mod random;
#[path = "common/tapes.rs"]
mod tapes;

use backtest::records::{CampaignRow, EquityRow, FillRow, FundingRow, OrderRow, PlanRow};
use backtest::table::{Cells, Row, Table};
use backtest::{Error, check_free, open, verify};
use common::{cases, skip};
use market::Event;
use parquet::basic::Compression;
use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use random::Random;
use serde_json::Value;
use std::fs::File;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tapes::{beginning, rewrite, run};
use tempfile::TempDir;
use units::Price;

/// A short run in a folder, with its tapes beside it.
struct Stored {
    home: TempDir,
    tapes: Vec<PathBuf>,
    run: PathBuf,
}

fn stored(days: i64) -> Stored {
    let home = tempfile::tempdir().unwrap();
    let tapes = beginning(days, home.path());
    let out = home.path().join("run");
    run(&tapes).unwrap().write(&out, false).unwrap();
    Stored { home, tapes, run: out }
}

impl Stored {
    fn difference(&self) -> Result<Option<String>, Error> {
        verify(&self.run, &mut |_| ControlFlow::Continue(())).map(|verified| verified.difference)
    }

    fn tables(&self) -> Vec<Table> {
        let tables = open(&self.run).unwrap().tables;
        vec![
            FillRow::table(&tables.fills),
            PlanRow::table(&tables.plans),
            OrderRow::table(&tables.orders),
            FundingRow::table(&tables.funding),
            EquityRow::table(&tables.equity),
            CampaignRow::table(&tables.campaigns),
        ]
    }
}

/// Alters one cell by the least that its type can tell.
fn alter(cells: &mut Cells, row: usize) {
    match cells {
        Cells::Time(list) | Cells::Fixed(list) => list[row] = list[row].map_or(Some(1), |value| Some(value + 1)),
        Cells::Whole(list) | Cells::Rate(list) => list[row] += 1,
        Cells::Money(list) => list[row] -= 1,
        Cells::Number(list) => {
            list[row] = list[row].map_or(Some(0.5), |value| Some(f64::from_bits(value.to_bits() ^ 1)))
        }
        Cells::Text(list) => list[row].push('x'),
        Cells::Flag(list) => list[row] = !list[row],
        #[allow(unreachable_patterns, reason = "types of cells to come")]
        other => panic!("{other:?} cannot be altered here yet"),
    }
}

#[test]
fn any_altered_cell_is_named_by_table_row_and_column() {
    let stored = stored(9);
    assert_eq!(stored.difference().unwrap(), None);
    let tables = stored.tables();
    for table in &tables {
        assert!(!table.is_empty(), "{} has rows to alter", table.name);
    }
    let mut random = Random(11);
    // Each column once, then anywhere.
    let each = tables.iter().enumerate().flat_map(|(table, t)| (0..t.columns.len()).map(move |column| (table, column)));
    let mut places: Vec<(usize, usize)> = each.collect();
    for _ in 0..cases(40) {
        let table = random.below(tables.len() as u64) as usize;
        places.push((table, random.below(tables[table].columns.len() as u64) as usize));
    }
    for (table, column) in places {
        let mut altered = tables[table].clone();
        let row = random.below(altered.len() as u64) as usize;
        let name = altered.columns[column].0.to_string();
        alter(&mut altered.columns[column].1, row);
        let path = stored.run.join(format!("{}.parquet", altered.name));
        let kept = std::fs::read(&path).unwrap();
        altered.write(&path).unwrap();
        let told = stored.difference().unwrap().unwrap_or_else(|| panic!("{} {name} row {row} unseen", altered.name));
        let place = format!("{} row {}: {name} is ", altered.name, row + 1);
        assert!(told.contains(&place), "`{place}` in `{told}`");
        std::fs::write(&path, kept).unwrap();
    }
    assert_eq!(stored.difference().unwrap(), None);
}

#[test]
fn a_missing_row_and_other_bytes_are_told() {
    let stored = stored(6);
    let mut plans = open(&stored.run).unwrap().tables.plans;
    plans.pop();
    let path = stored.run.join("plans.parquet");
    PlanRow::table(&plans).write(&path).unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.ends_with("; plans has 243 rows, the replay gives 244"), "{told}");
    run(&stored.tapes).unwrap().write(&stored.run, true).unwrap();
    // The same policy with one more space: nothing else differs.
    let policy = stored.run.join("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.clone() + "\n").unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.starts_with("policy.toml has changed: its hash is ") && !told.contains("row"), "{told}");
    std::fs::write(&policy, text.replace("step = \"1N\"", "step = \"2N\"")).unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(
        told.starts_with("policy.toml has changed") && told.contains("first row that differs: plans row "),
        "{told}"
    );
    std::fs::write(&policy, text.replace("step = ", "stride = ")).unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.starts_with("policy.toml has changed") && told.contains("cannot be run again"), "{told}");
    std::fs::write(&policy, [0xff, 0xfe]).unwrap();
    assert!(stored.difference().unwrap().unwrap().starts_with("policy.toml has changed"));
    std::fs::remove_file(&policy).unwrap();
    assert_eq!(stored.difference().unwrap().unwrap(), "policy.toml is missing");
    std::fs::write(&policy, text).unwrap();
    let path = stored.run.join("orders.parquet");
    let kept = std::fs::read(&path).unwrap();
    std::fs::write(&path, &kept[..kept.len() / 2]).unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.starts_with("orders.parquet: its bytes are not ") && told.contains("cannot be read"), "{told}");
    std::fs::remove_file(&path).unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.contains("it has no orders.parquet"), "{told}");
}

fn leaves(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(value, format!("{at}/{name}"), all)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, value)| leaves(value, format!("{at}/{n}"), all)),
        _ => all.push(at),
    }
}

#[test]
fn any_altered_figure_of_the_record_is_named() {
    let stored = stored(6);
    let path = stored.run.join("run.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    leaves(&record, String::new(), &mut all);
    assert!(all.len() > 30, "{all:?}");
    for place in &all {
        let mut altered = record.clone();
        let cell = altered.pointer_mut(place).unwrap();
        *cell = match &*cell {
            Value::Number(number) => {
                Value::from(number.as_u64().map_or(0, |number| if number == 1 { 0 } else { number + 1 }))
            }
            Value::String(word) if word.ends_with('1') => Value::from(format!("{}2", &word[..word.len() - 1])),
            Value::String(word) if word.is_empty() => Value::from("1"),
            Value::String(word) => Value::from(format!("{}1", &word[..word.len() - 1])),
            Value::Bool(flag) => Value::from(!flag),
            _ => Value::from("2025-01-01T00:00:00Z"),
        };
        std::fs::write(&path, serde_json::to_string(&altered).unwrap()).unwrap();
        if place == "/version" {
            let refused = stored.difference().unwrap_err().to_string();
            assert!(refused.contains("written by a newer trimtab"), "{refused}");
            continue;
        }
        let told = stored.difference().unwrap().unwrap_or_else(|| panic!("{place} unseen"));
        assert!(told.starts_with("run.json was altered after it was written"), "{place} in `{told}`");
        let words = place[1..].split('/').map(|word| match word.parse::<usize>() {
            Ok(at) => format!("[{at}]"),
            Err(_) => format!(".{word}"),
        });
        let field = words.collect::<String>()[1..].to_owned();
        let taken = field.replace("[0]", "[…]");
        let named = told.contains(&format!("`{taken}`")) || told.contains(&format!(": {field} is "));
        assert!(named || told.contains("cannot be run again"), "{field} in `{told}`");
        assert!(told.len() < 400, "only what differs is shown: {told}");
    }
    // A field more, and one less.
    let mut more = record.clone();
    more["remark"] = "kept for long".into();
    std::fs::write(&path, more.to_string()).unwrap();
    assert!(stored.difference().unwrap().unwrap().contains("added field"));
    let mut less = record.clone();
    less.as_object_mut().unwrap().remove("record");
    std::fs::write(&path, less.to_string()).unwrap();
    assert!(stored.difference().unwrap().unwrap().starts_with("run.json has no `record`"));
    // The order of fields and white space are no fields.
    std::fs::write(&path, record.to_string()).unwrap();
    assert_eq!(stored.difference().unwrap(), None);
    std::fs::write(&path, text).unwrap();
    assert_eq!(stored.difference().unwrap(), None);
}

/// Writes a record with a hash that fits it, as anybody can.
fn reseal(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("record");
    change(&mut record);
    record["record"] = blake3::hash(record.to_string().as_bytes()).to_hex().to_string().into();
    std::fs::write(path, record.to_string()).unwrap();
}

#[test]
fn whoever_makes_all_hashes_fit_is_found_by_the_replay_alone() {
    let stored = stored(9);
    let record = stored.run.join("run.json");
    let mut fills = open(&stored.run).unwrap().tables.fills;
    fills[0].price += Price::from_raw(1);
    let path = stored.run.join("fills.parquet");
    FillRow::table(&fills).write(&path).unwrap();
    let hash = blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string();
    reseal(&record, |record| record["files"]["fills.parquet"] = hash.into());
    let told = stored.difference().unwrap().unwrap();
    assert!(told.starts_with("fills row 1: price is "), "{told}");
    run(&stored.tapes).unwrap().write(&stored.run, true).unwrap();
    reseal(&record, |record| record["bars"] = 1.into());
    let told = stored.difference().unwrap().unwrap();
    assert!(told.starts_with("run.json: bars is 1, the replay gives "), "{told}");
    // What no replay can know better stays with whoever wrote it: docs/run-folder.md says so.
    run(&stored.tapes).unwrap().write(&stored.run, true).unwrap();
    reseal(&record, |record| record["program"] = "another".into());
    assert_eq!(stored.difference().unwrap(), None);
}

#[test]
fn a_tape_with_one_bar_changed_is_named() {
    let stored = stored(6);
    let (tape, copy) = (&stored.tapes[0], stored.home.path().join("copy.tape"));
    let change = |number, event| match event {
        Event::Bar(mut bar) if number == 1_000 => {
            bar.high += Price::from_raw(Price::ONE / 10);
            Event::Bar(bar)
        }
        other => other,
    };
    rewrite(tape, &copy, |number, _, event| Some(change(number, event)));
    std::fs::rename(&copy, tape).unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.contains("bars.tape") && told.contains("has changed"), "{told}");
}

/// How another program may write the same table.
#[derive(Debug, Clone, Copy, Default)]
struct Style {
    optional: bool,
    /// Decimals as bytes of this width; 0: of as many as each needs.
    decimals: Option<usize>,
    micros: bool,
    rows: Option<usize>,
    compressed: bool,
    dictionary: bool,
    second: bool,
}

impl Style {
    fn field(self, name: &str, cells: &Cells) -> String {
        let must = if self.optional { "optional" } else { "required" };
        let decimal = |places: u32, usual: &str| match self.decimals {
            None => format!("{usual} {name} (DECIMAL({},{places}))", if usual == "int64" { 18 } else { 38 }),
            Some(0) => format!("binary {name} (DECIMAL(38,{places}))"),
            Some(width) => format!("fixed_len_byte_array({width}) {name} (DECIMAL({},{places}))", width * 2),
        };
        match cells {
            Cells::Time(_) if self.micros => format!("optional int64 {name} (TIMESTAMP(MICROS,true));"),
            Cells::Time(_) => format!("optional int64 {name} (TIMESTAMP(NANOS,true));"),
            Cells::Whole(_) => format!("{must} int64 {name} (INTEGER(64,true));"),
            Cells::Fixed(_) => format!("optional {};", decimal(8, "int64")),
            Cells::Rate(_) => format!("{must} {};", decimal(12, "int64")),
            Cells::Money(_) => format!("{must} {};", decimal(16, "fixed_len_byte_array(16)")),
            Cells::Number(_) => format!("optional double {name};"),
            Cells::Text(_) => format!("{must} binary {name} (STRING);"),
            Cells::Flag(_) => format!("{must} boolean {name};"),
        }
    }

    fn bytes(self, value: i128) -> Vec<u8> {
        let all = value.to_be_bytes();
        let width = match self.decimals {
            Some(0) => (1..16).find(|width| value >> (8 * width - 1) == value >> 127).unwrap_or(16),
            Some(width) => width,
            None => 16,
        };
        all[16 - width.min(16)..].to_vec()
    }

    fn write(self, table: &Table, path: &Path) {
        let fields: String = table.columns.iter().map(|(name, cells)| self.field(name, cells)).collect();
        let schema = Arc::new(parse_message_type(&format!("message schema {{ {fields} }}")).unwrap());
        let version = if self.second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let compression = if self.compressed { Compression::SNAPPY } else { Compression::UNCOMPRESSED };
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_compression(compression)
            .set_dictionary_enabled(self.dictionary)
            .set_data_page_row_count_limit(7)
            .set_write_batch_size(7);
        let mut writer =
            SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties.build())).unwrap();
        let rows = table.len();
        let step = self.rows.unwrap_or(rows).max(1);
        for from in (0..rows).step_by(step) {
            let range = from..(from + step).min(rows);
            let mut group = writer.next_row_group().unwrap();
            for (_, cells) in &table.columns {
                let mut column = group.next_column().unwrap().unwrap();
                self.cells(column.untyped(), cells, range.clone());
                column.close().unwrap();
            }
            group.close().unwrap();
        }
        writer.close().unwrap();
    }

    fn cells(self, column: &mut ColumnWriter<'_>, cells: &Cells, range: Range<usize>) {
        fn put<T: DataType>(writer: &mut ColumnWriterImpl<'_, T>, optional: bool, cells: &[Option<T::T>]) {
            let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
            let values: Vec<T::T> = cells.iter().flatten().cloned().collect();
            writer.write_batch(&values, optional.then_some(&levels[..]), None).unwrap();
        }
        let some = |list: &[i64]| -> Vec<Option<i128>> { list.iter().map(|cell| Some(i128::from(*cell))).collect() };
        let decimals: Vec<Option<i128>> = match cells {
            Cells::Fixed(list) => list[range.clone()].iter().map(|cell| cell.map(i128::from)).collect(),
            Cells::Rate(list) => some(&list[range.clone()]),
            Cells::Money(list) => list[range.clone()].iter().copied().map(Some).collect(),
            _ => Vec::new(),
        };
        let optional = self.optional || matches!(cells, Cells::Fixed(_));
        match (column, cells) {
            (ColumnWriter::Int64ColumnWriter(writer), Cells::Time(list)) => {
                let unit = if self.micros { 1_000 } else { 1 };
                put(writer, true, &list[range].iter().map(|cell| cell.map(|cell| cell / unit)).collect::<Vec<_>>());
            }
            (ColumnWriter::Int64ColumnWriter(writer), Cells::Whole(list)) => {
                put(writer, optional, &list[range].iter().copied().map(Some).collect::<Vec<_>>());
            }
            (ColumnWriter::Int64ColumnWriter(writer), _) => {
                put(writer, optional, &decimals.iter().map(|cell| cell.map(|cell| cell as i64)).collect::<Vec<_>>());
            }
            (ColumnWriter::FixedLenByteArrayColumnWriter(writer), _) => {
                let bytes = |cell: i128| ByteArray::from(self.bytes(cell)).into();
                put(writer, optional, &decimals.iter().map(|cell| cell.map(bytes)).collect::<Vec<_>>());
            }
            (ColumnWriter::ByteArrayColumnWriter(writer), Cells::Text(list)) => {
                let text = |cell: &String| Some(ByteArray::from(cell.as_str()));
                put(writer, optional, &list[range].iter().map(text).collect::<Vec<_>>());
            }
            (ColumnWriter::ByteArrayColumnWriter(writer), _) => {
                let bytes = |cell: i128| ByteArray::from(self.bytes(cell));
                put(writer, optional, &decimals.iter().map(|cell| cell.map(bytes)).collect::<Vec<_>>());
            }
            (ColumnWriter::DoubleColumnWriter(writer), Cells::Number(list)) => put(writer, true, &list[range]),
            (ColumnWriter::BoolColumnWriter(writer), Cells::Flag(list)) => {
                put(writer, optional, &list[range].iter().copied().map(Some).collect::<Vec<_>>());
            }
            (_, cells) => panic!("{cells:?} in another column"),
        }
    }
}

#[test]
fn a_table_in_another_legal_encoding_is_read_and_told() {
    let stored = stored(9);
    let usual = Style { compressed: true, dictionary: true, ..Style::default() };
    let styles = [
        usual,
        // As pyarrow writes by default: decimals in bytes, every column optional.
        Style { optional: true, decimals: Some(16), ..usual },
        Style { decimals: Some(12), rows: Some(10), ..Style::default() },
        Style { decimals: Some(0), rows: Some(1_000), second: true, ..usual },
        Style { optional: true, micros: true, rows: Some(1), second: true, ..Style::default() },
    ];
    for table in stored.tables() {
        let name = format!("{}.parquet", table.name);
        let path = stored.run.join(&name);
        let kept = std::fs::read(&path).unwrap();
        for style in styles {
            style.write(&table, &path);
            let told = stored.difference().unwrap().unwrap();
            let wanted = format!("{name}: its bytes are not those that the run wrote, its rows are the same");
            assert_eq!(told, wanted, "{style:?}");
            let mut altered = table.clone();
            let (column, row) = (altered.columns.len() / 2, altered.len() - 1);
            alter(&mut altered.columns[column].1, row);
            style.write(&altered, &path);
            let told = stored.difference().unwrap().unwrap();
            let place = format!("not those that the run wrote; {} row {}: ", table.name, row + 1);
            assert!(told.contains(&place), "{style:?}: {told}");
        }
        std::fs::write(&path, kept).unwrap();
    }
    assert_eq!(stored.difference().unwrap(), None);
    // Two files with other bytes, one of them with another row: that one is named.
    usual.write(&stored.tables()[1], &stored.run.join("plans.parquet"));
    let mut fills = open(&stored.run).unwrap().tables.fills;
    fills[0].quantity += units::Qty::from_raw(1);
    FillRow::table(&fills).write(&stored.run.join("fills.parquet")).unwrap();
    assert!(stored.difference().unwrap().unwrap().contains("fills row 1: quantity is "));
}

#[test]
fn a_column_of_another_type_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("table.parquet");
    let shape = |cells: Cells| Table { name: "table", columns: vec![("cell".into(), cells)] };
    let shapes = [
        Cells::Time(Vec::new()),
        Cells::Whole(Vec::new()),
        Cells::Fixed(Vec::new()),
        Cells::Rate(Vec::new()),
        Cells::Money(Vec::new()),
        Cells::Number(Vec::new()),
        Cells::Text(Vec::new()),
        Cells::Flag(Vec::new()),
    ];
    for (at, written) in shapes.iter().enumerate() {
        shape(written.clone()).write(&path).unwrap();
        for (other, read) in shapes.iter().enumerate() {
            let found = shape(read.clone()).read(&path);
            match (at == other, found) {
                (true, found) => assert!(found.unwrap().is_empty()),
                (false, Ok(_)) => panic!("{written:?} read as {read:?}"),
                (false, Err(error)) => assert!(error.to_string().contains("column cell is "), "{error}"),
            }
        }
    }
    // A cell that must be there is not; a decimal is wider than ours.
    let mut fixed = shape(Cells::Fixed(vec![None]));
    fixed.write(&path).unwrap();
    assert_eq!(shape(Cells::Fixed(Vec::new())).read(&path).unwrap(), fixed);
    fixed.columns[0].1 = Cells::Fixed(vec![Some(-1), None, Some(i64::MIN)]);
    for decimals in [None, Some(0), Some(8), Some(16)] {
        Style { decimals, ..Style::default() }.write(&fixed, &path);
        assert_eq!(shape(Cells::Fixed(Vec::new())).read(&path).unwrap(), fixed, "{decimals:?}");
    }
}

/// One strategy is asked once at each input that is not quiet, or its last decision stands.
#[test]
fn every_input_is_quiet_or_evaluated() {
    let stored = stored(20);
    let record = open(&stored.run).unwrap().record;
    let quiet = record.quiet.unwrap();
    assert_eq!(quiet.evaluations + quiet.inputs, record.inputs);
    assert!(quiet.inputs > 0 && quiet.evaluations > 0, "{quiet:?}");
    assert_eq!(stored.difference().unwrap(), None);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_is_written_whole_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    let tapes_of = tempfile::tempdir().unwrap();
    let done = run(&beginning(3, tapes_of.path())).unwrap();
    let out = home.path().join("run");

    // Where no folder can be, nothing is left.
    std::fs::write(home.path().join("file"), "in the way").unwrap();
    assert!(done.write(&home.path().join("file/run"), false).is_err());
    assert!(done.write(&home.path().join("file"), false).is_err());
    assert_eq!(names(home.path()), ["file"]);

    // An empty folder may be used; one in use only by force, and only if it is a run.
    std::fs::create_dir(&out).unwrap();
    done.write(&out, false).unwrap();
    let whole = names(&out);
    assert!(whole.contains(&"run.json".to_owned()) && whole.len() == 11, "{whole:?}");
    assert!(matches!(check_free(&out, false), Err(Error::NotEmpty(_))));
    assert!(matches!(done.write(&out, false), Err(Error::NotEmpty(_))));
    // What somebody else put there is not deleted with the old run.
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    assert!(matches!(done.write(&out, true), Err(Error::NotARun { .. })));
    assert_eq!(std::fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
    std::fs::remove_file(out.join("notes.txt")).unwrap();
    done.write(&out, true).unwrap();
    assert_eq!(names(&out), whole, "the old run is replaced as a whole");
    let other = home.path().join("letters");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("a.txt"), "dear").unwrap();
    assert!(matches!(done.write(&other, true), Err(Error::NotARun { .. })));
    assert_eq!(names(&other), ["a.txt"]);
    assert_eq!(names(home.path()), ["file", "letters", "run"], "nothing half-written beside them");
    assert!(check_free(&home.path().join("nowhere"), false).is_ok());

    // Interrupted: there is no run to write.
    let tapes = beginning(20, tapes_of.path());
    let request = backtest::Request {
        policies: vec![backtest::PolicyFile::new("", backtest::demo::POLICY)],
        tapes,
        ..backtest::Request::default()
    };
    assert!(matches!(backtest::run(&request, &mut |_| ControlFlow::Break(())), Err(Error::Interrupted)));
}

#[test]
fn a_stranger_recomputes_equity() {
    let name = "a_stranger_recomputes_equity";
    let python = std::env::var_os("TRIMTAB_PYTHON").unwrap_or_else(|| "python3".into());
    let has = Command::new(&python).args(["-c", "import pyarrow.parquet"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        return skip(name, "no python with pyarrow");
    }
    let stored = stored(30);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/recompute_equity.py");
    let recompute = || Command::new(&python).arg(&script).arg(&stored.run).output().unwrap();
    let output = recompute();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("largest residual 0"), "{text}{:?}", output);
    // One unit in the last place of one fee is enough to be seen.
    let mut fills = open(&stored.run).unwrap().tables.fills;
    fills[0].fee += units::Cash::from_raw(1);
    FillRow::table(&fills).write(&stored.run.join("fills.parquet")).unwrap();
    let output = recompute();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("1E-16"), "{text}");
}
