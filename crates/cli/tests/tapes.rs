//! Looking into tapes: rows out and in again, merged, checked; and the column map that reads the next file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{POLICY, Sandbox, bars_csv};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

const IMPORT: &str = "--instrument binance:BTCUSDT-PERP --labelled open";

/// Two days of bars, funding and an index, as one tape and as three.
fn desk() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.bars("bars.tape");
    sandbox.write("funding.csv", "time,rate\n2025-01-01 08:00,0.01\n2025-01-01 16:00:00.005,-0.0125\n");
    sandbox.write("index.csv", "date,dvol\n2025-01-01,45\n2025-01-02,46.5\n");
    let funding = "import funding funding.csv --instrument binance:BTCUSDT-PERP --rate-unit percent --interval 8h -o funding.tape";
    sandbox.line(&format!("trimtab {funding}")).ok();
    sandbox.line("trimtab import series index.csv --column dvol --name dvol.btc --unit percent -o dvol.tape").ok();
    sandbox.line("trimtab tape merge bars.tape funding.tape dvol.tape -o all.tape").ok();
    sandbox
}

#[test]
fn rows_stand_in_columns() {
    let text = desk().line("trimtab tape cat all.tape --from 2025-01-01T15:00:00Z --to 2025-01-01T17:00:00Z").ok();
    let wanted = "\
received              kind     of                              open           high            low          close           volume
2025-01-01 15:00:00Z  bar      binance:BTCUSDT-PERP        60,140.0       60,155.0       60,135.0       60,150.0                5
2025-01-01 16:00:00Z  bar      binance:BTCUSDT-PERP        60,150.0       60,165.0       60,145.0       60,160.0                5
2025-01-01 16:00:00Z  funding  binance:BTCUSDT-PERP         -0.0125 for 8 h
";
    assert_eq!(text, wanted);
    let values = desk().line("trimtab tape head dvol.tape -n 1").ok();
    assert_eq!(values.lines().nth(1), Some("2025-01-01 00:00:00Z  series   dvol.btc            0.45"));
}

#[test]
fn what_is_printed_as_csv_comes_in_again() {
    let sandbox = desk();
    let csv = sandbox.line("trimtab tape cat all.tape --csv").ok();
    assert_eq!(csv.lines().nth(1), Some("2025-01-01T00:00:00Z,2025-01-01T00:00:00Z,series,dvol.btc,,,,,,,,,0.45"));
    let rate = "2025-01-01T16:00:00Z,2025-01-01T16:00:00.005Z,funding,binance:BTCUSDT-PERP,,,,,,,-0.000125,28800,";
    assert!(csv.lines().any(|line| line == rate), "{csv}");
    sandbox.write("all.csv", &csv);
    let import = format!("trimtab import bars all.csv {IMPORT} --time-column opened --where kind=bar -o again.tape");
    sandbox.line(&import).ok();
    let rows = |tape: &str| sandbox.line(&format!("trimtab tape cat {tape} --csv")).ok();
    assert_eq!(rows("again.tape"), rows("bars.tape"));
}

#[test]
fn rows_are_json_and_as_many_as_were_asked_for() {
    let sandbox = desk();
    let lines = sandbox.line("trimtab tape head all.tape -n 3 --json").ok();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!((&rows[0]["kind"], &rows[0]["value"], &rows[0]["open"]), (&"series".into(), &0.45.into(), &Value::Null));
    assert_eq!((&rows[1]["schema"], &rows[1]["high"]), (&"trimtab.row/1".into(), &"60015".into()));
}

#[test]
fn a_reader_of_rows_that_has_seen_enough_is_no_failure() {
    let sandbox = Sandbox::new();
    sandbox.write("bars.csv", bars_csv(700));
    sandbox.line(&format!("trimtab import bars bars.csv {IMPORT} -o x.tape")).ok();
    for form in ["--csv", "--json", "--quiet"] {
        let mut command = sandbox.command(&["tape", "cat", "x.tape", form]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{form}");
    }
    #[cfg(target_os = "linux")]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(&["tape", "cat", "x.tape"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.starts_with("error: cannot write to standard output") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn what_a_merge_refuses_a_backtest_refuses_in_the_same_words() {
    let sandbox = desk();
    sandbox.write("policy.toml", POLICY);
    std::fs::copy(sandbox.path("bars.tape"), sandbox.path("twice.tape")).unwrap();
    let merged = sandbox.line("trimtab tape merge bars.tape twice.tape -o x.tape");
    let run = sandbox.line("trimtab backtest policy.toml --tape bars.tape --tape twice.tape --out run");
    assert_eq!((merged.code, run.code), (Some(2), Some(2)));
    assert!(merged.stderr.starts_with("error: the tapes overlap: "), "{}", merged.stderr);
    assert_eq!(merged.stderr.lines().next(), run.stderr.lines().next());
    // Merged from the parts or not, a run is the same.
    let chain = |tapes: &str, out: &str| {
        let said = sandbox.line(&format!("trimtab backtest policy.toml {tapes} --out {out} --json")).ok();
        let run: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        run["state"].clone()
    };
    let parts = chain("--tape bars.tape --tape funding.tape --tape dvol.tape", "a");
    assert_eq!(parts, chain("--tape all.tape", "b"));
}

#[test]
fn a_check_tells_damage_overlaps_grids_and_gaps() {
    let sandbox = desk();
    let checked = sandbox.line("trimtab tape check bars.tape funding.tape dvol.tape").ok();
    assert!(checked.ends_with("checked 3 tapes   ok\n"), "{checked}");
    assert!(checked.starts_with("bars.tape   48 rows match their hashes and stand in order\n"), "{checked}");

    let negative = |line: &str, part: &str| {
        let said = sandbox.line(&format!("trimtab tape check {line}"));
        assert_eq!((said.code, said.stderr.as_str()), (Some(1), ""), "{line}");
        assert!(said.stdout.contains(part) && said.stdout.contains("negative"), "{line}: {}", said.stdout);
    };
    negative("bars.tape all.tape", "overlap  the tapes overlap: `binance:BTCUSDT-PERP` has more than one bar");
    let mut bytes = std::fs::read(sandbox.path("bars.tape")).unwrap();
    bytes[200] ^= 1;
    sandbox.write("bad.tape", &bytes);
    negative("bars.tape bad.tape", "damage   `bad.tape` is damaged: row group 1 does not match its hash");

    let rows: Vec<String> = bars_csv(48).lines().map(str::to_owned).collect();
    let holes = rows.iter().enumerate().filter(|(at, _)| ![7, 8, 30].contains(at));
    sandbox.write("holes.csv", holes.map(|(_, row)| row.clone() + "\n").collect::<String>());
    sandbox.line(&format!("trimtab import bars holes.csv {IMPORT} -o holes.tape")).ok();
    let told = sandbox.line("trimtab tape check holes.tape").ok();
    let gap = "gap      binance:BTCUSDT-PERP bar: 2 without rows, 3 missing at every 1 h; the longest 2025-01-01 06:00:00Z .. \
               2025-01-01 08:00:00Z";
    assert!(told.contains(gap), "{told}");
    negative("holes.tape --no-gaps", gap);
}

/// Two times of a chain of three strikes, as Deribit's own names have it.
const CHAIN: &str = "\
timestamp,instrument_name,best_bid_price,best_bid_amount,best_ask_price,best_ask_amount,mark_price,underlying_price,open_interest
2026-01-15 00:30:05.022,BTC-16JAN26-90000-C,0.0715,4.3,0.0725,55.9,0.07201,96732.4,1.2
2026-01-15 00:30:05.022,BTC-16JAN26-100000-C,0.0,0,0.0001,16.5,0.0,96732.4,19.1
2026-01-15 00:30:05.022,BTC-16JAN26-100000-P,0.0335,1,0.035,2,0.0338,96732.4,0
2026-01-15 06:30:00,BTC-16JAN26-90000-C,0.0730,1,0.0725,1,0.0727,97000,1.2
2026-01-15 06:30:00,BTC-27MAR26-90000-P,0.02,1,0.0205,3,0.0202,97500,44
";

#[test]
fn a_chain_is_told_in_a_line_printed_row_by_row_and_read_again() {
    let sandbox = Sandbox::new();
    sandbox.write("chain.csv", CHAIN);
    let said = sandbox.line("trimtab import options chain.csv -o chain.tape").ok();
    let first = said.lines().next().unwrap();
    assert_eq!(
        first,
        "  5 quotes of 4 options, 2 expiries, at 2 times  2026-01-15 00:30:05.022 .. 2026-01-15 06:30 UTC"
    );
    for warning in ["1 quote without a bid", "1 quote crossed, the bid above the ask", "1 expiry of one strike alone"] {
        assert!(said.contains(&format!("warning: {warning}")), "{said}");
    }
    let info = sandbox.line("trimtab tape info chain.tape").ok();
    let held = "  holds       deribit:BTC-16JAN26-90000-C   inverse call at 90000 until 2026-01-16 08:00:00Z   tick 0.0001   lot 0.1";
    assert!(info.contains(held) && info.contains("chain.tape   tape format 3   5 rows"), "{info}");

    sandbox
        .write("more.csv", format!("{CHAIN}2026-01-15 06:30:00,BTC-27MAR26-95000-P,0.03,1,0.0305,3,0.0302,97500,44\n"));
    sandbox.line("trimtab import options more.csv -o more.tape").ok();
    let info = sandbox.line("trimtab tape info more.tape").ok();
    let held = "  holds       deribit   5 options on BTC   2 expiries 2026-01-16 .. 2026-03-27   strikes 90000 .. 100000   tick 0.0001   \
                lot 0.1   settle in BTC\n";
    assert!(info.contains(held) && !info.contains("BTC-16JAN26"), "{info}");
    assert!(sandbox.line("trimtab tape info more.tape --verbose").ok().contains("deribit:BTC-27MAR26-95000-P"));

    let text = sandbox.line("trimtab tape head chain.tape -n 2").ok();
    let row = "2026-01-15 00:30:05.022Z     quote    deribit:BTC-16JAN26-100000-C  bid none             ask 0.0001 x 16.5    mark 0";
    assert!(text.lines().nth(2).unwrap().starts_with(row), "{text}");
    let line = sandbox.line("trimtab tape head chain.tape -n 1 --json").ok();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["bid"], &line["ask_qty"], &line["mark"], &line["kind"]),
        (&"0.0715".into(), &"55.9".into(), &"0.07201".into(), &"quote".into())
    );

    let csv = sandbox.line("trimtab tape cat chain.tape --csv").ok();
    assert!(
        csv.lines().next().unwrap().ends_with("value,bid,ask,bid_qty,ask_qty,mark,underlying,open_interest"),
        "{csv}"
    );
    sandbox.write("again.csv", &csv);
    sandbox.line("trimtab import options again.csv -o again.tape").ok();
    assert_eq!(sandbox.line("trimtab tape cat again.tape --csv").ok(), csv);
}

#[test]
fn marks_are_told_printed_and_read_again() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "marks.csv",
        "timestamp,instrument_name,mark_price\n2026-01-15,BTC-PERPETUAL,96732.41\n2026-01-15,BTC-27MAR26,97800\n",
    );
    let said = sandbox.line("trimtab import marks marks.csv -o marks.tape").ok();
    assert_eq!(
        said.lines().next(),
        Some("  2 marks of 2 contracts at 1 time  2026-01-15 00:00 .. 2026-01-15 00:00 UTC")
    );
    let text = sandbox.line("trimtab tape cat marks.tape").ok();
    assert!(text.lines().nth(1).unwrap().ends_with("mark     deribit:BTC-PERPETUAL        96732.41"), "{text}");
    let csv = sandbox.line("trimtab tape cat marks.tape --csv").ok();
    sandbox.write("again.csv", &csv);
    sandbox.line("trimtab import marks again.csv -o again.tape").ok();
    assert_eq!(sandbox.line("trimtab tape cat again.tape --csv").ok(), csv);
    assert!(sandbox.line("trimtab tape check marks.tape").ok().contains("ok"));
}

#[test]
fn a_column_map_reads_the_next_file_the_same_way() {
    let sandbox = Sandbox::new();
    let odd = |csv: String| csv.replace("date,open,high,low,close,volume", "when,o,top,low,close,coins");
    sandbox.write("jan.csv", odd(bars_csv(48)));
    sandbox.write("feb.csv", odd(bars_csv(24)));
    let named = "--time-column when --high-column top --volume-column coins";
    let said = sandbox.line(&format!("trimtab import bars jan.csv {IMPORT} {named} -o jan.tape")).ok();
    assert!(said.contains("wrote jan.tape.columns.toml"), "{said}");
    let map = std::fs::read_to_string(sandbox.path("jan.tape.columns.toml")).unwrap();
    assert!(map.ends_with("version = 1\ntime = \"when\"\nhigh = \"top\"\nvolume = \"coins\"\n"), "{map}");
    sandbox.line(&format!("trimtab import bars feb.csv {IMPORT} --columns jan.tape.columns.toml -o feb.tape")).ok();
    // Nothing new was named, so nothing new is saved.
    assert!(!sandbox.path("feb.tape.columns.toml").exists());
    let info = sandbox.line("trimtab tape info feb.tape --json").ok();
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["provenance"]["options"]["volume-column"], "coins");
    assert_eq!(info["rows"], 24);
}

/// A tape that holds bars of one instrument and marks alone of the one that is traded is no market for it, though it has bars.
#[test]
fn merged_marks_are_no_market() {
    let sandbox = Sandbox::new();
    sandbox.write("bars.csv", bars_csv(48));
    sandbox.write("policy.toml", POLICY);
    let import = "trimtab import bars bars.csv --instrument binance:ETHUSDT-PERP --labelled open -o bars.tape";
    sandbox.line(import).ok();
    let marks: String =
        (0..48).map(|hour| format!("2025-01-{:02} {:02}:00,60000.0\n", 1 + hour / 24, hour % 24)).collect();
    sandbox.write("marks.csv", format!("time,mark\n{marks}"));
    sandbox.line("trimtab import marks marks.csv --instrument binance:BTCUSDT-PERP -o marks.tape").ok();
    sandbox.line("trimtab tape merge bars.tape marks.tape -o all.tape").ok();
    let said = sandbox.line("trimtab backtest policy.toml --tape all.tape --out run");
    let wanted =
        "no tape has bars of `binance:BTCUSDT-PERP`, which the policy trades; the tapes have only its marks or funding";
    assert!(said.code == Some(2) && said.stderr.contains(wanted), "{said:?}");
}
