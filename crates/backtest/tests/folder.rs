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
use random::Random;
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    assert!(told.starts_with("plans has "), "{told}");
    run(&stored.tapes).unwrap().write(&stored.run, true).unwrap();
    // The same policy with one more space: nothing else differs.
    let policy = stored.run.join("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.clone() + "\n").unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.contains("policy"), "{told}");
    std::fs::write(&policy, text.replace("step = \"1N\"", "step = \"2N\"")).unwrap();
    let told = stored.difference().unwrap().unwrap();
    assert!(told.contains("plans row"), "{told}");
}

/// What the replay takes from the record itself and cannot know better.
const TAKEN: [&str; 3] = ["/program", "/seed", "/policy/file"];

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
    for place in all.iter().filter(|place| !TAKEN.contains(&place.as_str())) {
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
        // A path that leads nowhere stops the replay; everything else is a finding with a name.
        match stored.difference() {
            Err(_) if place.starts_with("/tapes") => {}
            found => {
                let told = found.unwrap().unwrap_or_else(|| panic!("{place} unseen"));
                let field = place.split('/').nth(1).unwrap();
                let named = told.contains(field) || (field == "files" && told.contains("bytes"));
                assert!(named || (field == "tapes" && told.contains("tape `")), "{place} in `{told}`");
            }
        }
    }
    std::fs::write(&path, text).unwrap();
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
    assert!(whole.contains(&"run.json".to_owned()) && whole.len() == 8, "{whole:?}");
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
    let request =
        backtest::Request { policy_text: backtest::demo::POLICY.to_owned(), tapes, ..backtest::Request::default() };
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
