//! What a user can hand in as text, and what is said about it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "a test may stop at once"
)]

mod common;

use common::Fixture;
use import::{BarsRequest, ColumnMap, ImportReport, Labelled, RateUnit, Repair, SeriesRequest, SeriesUnit};
use market::Event;
use units::{Duration, Timestamp};

const HEADER: &str = "date,open,high,low,close,volume\n";

/// Five-minute bars from lines without their header.
fn rows(lines: &str) -> Fixture {
    Fixture::csv(&format!(
        "{HEADER}{}",
        lines.trim().lines().map(|line| format!("{}\n", line.trim())).collect::<String>()
    ))
}

const GOOD: &str = "
    2025-10-10 21:10,100.0,101.0,99.0,100.5,1
    2025-10-10 21:15,100.5,102.0,100.0,101.0,2
    2025-10-10 21:20,101.0,101.5,100.5,101.5,3";

#[track_caller]
fn refused(fixture: &Fixture, parts: &[&str]) {
    let text = fixture.bars().unwrap_err().to_string();
    for part in parts {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

fn repaired(fixture: &Fixture, repair: Repair) -> (ImportReport, Vec<String>) {
    let report = fixture.bars_with(&[repair]).unwrap();
    let closes = fixture.events().into_iter().map(|(_, event)| match event {
        Event::Bar(bar) => bar.close.to_string(),
        other => panic!("{other:?}"),
    });
    (report, closes.collect())
}

#[test]
fn bars_by_open_and_by_close() {
    let fixture = rows(GOOD);
    let opened = fixture.bars().unwrap();
    assert_eq!(opened.lines(), ["3 bars  2025-10-10 21:10 .. 2025-10-10 21:25 UTC  every 5 min  0 gaps"]);
    let (at, _) = fixture.events()[0];
    assert_eq!(at.to_string(), "2025-10-10T21:15:00Z");

    let closed = fixture.run(&BarsRequest { labelled: Labelled::Close, ..fixture.bars_request() }).unwrap();
    assert_eq!(closed.lines(), ["3 bars  2025-10-10 21:05 .. 2025-10-10 21:20 UTC  every 5 min  0 gaps"]);
}

#[test]
fn the_tape_tells_where_it_comes_from() {
    let fixture = rows(GOOD);
    fixture.bars_with(&[Repair::Widen]).unwrap();
    let reader = tape::TapeReader::open(fixture.out()).unwrap();
    let told = &reader.info().provenance;
    assert_eq!(told.source, "source.csv");
    assert_eq!(told.source_blake3, tape::digest(&fixture.source).unwrap());
    assert_eq!((told.options["labelled"].as_str(), told.options["interval"].as_str()), ("open", "5 min"));
    assert_eq!((told.repairs[0].rule.as_str(), told.repairs[0].rows), ("widen", 0));
    assert_eq!((told.quality["rows_written"], told.quality["gaps"]), (3, 0));
}

#[test]
fn closes_one_millisecond_short_are_the_close() {
    let text = "close_time,open,high,low,close,volume\n1760130899999,1,2,1,2,0.5\n1760131199999,2,2,1,1,1\n";
    let fixture = Fixture::csv(text);
    let report = fixture.run(&BarsRequest { labelled: Labelled::Close, ..fixture.bars_request() }).unwrap();
    assert_eq!(report.snapped, 2);
    assert_eq!(fixture.first_bar().closed.to_string(), "2025-10-10T21:15:00Z");
}

#[test]
fn impossible_rows_are_named_by_line() {
    let row = |row: &str| rows(&format!("{GOOD}\n{row}"));
    refused(
        &row("2025-10-10 21:25,101,100,102,101,1"),
        &["1 of 4 rows", "high is under its low: line 5 (high 100, low 102)"],
    );
    refused(&row("2025-10-10 21:25,103,102,100,101,1"), &["line 5 (open 103, 100 to 102)", "--repair widen"]);
    refused(&row("2025-10-10 21:25,101,102,100,99.9,1"), &["line 5 (close 99.9, 100 to 102)"]);
    refused(&row("2025-10-10 21:25,0,102,0,101,1"), &["not above zero: line 5 (open 0)", "--repair drop-row"]);
    refused(&row("2025-10-10 21:25,101,102,100,-1,1"), &["line 5 (close -1)"]);
    refused(
        &row("2025-10-10 21:25,101,102,100,101.05,1"),
        &["off the tick grid of 0.1 (close 1): line 5 (close 101.05)", "--repair snap"],
    );
    refused(&row("2025-10-10 21:25,101,102,abc,101,1"), &["not a number: line 5 (low abc)"]);
    refused(&row("2025-10-10 21:25,101,102,,101,1"), &["not a number: line 5 (low empty)"]);
    refused(&row("2025-10-10 21:25,101,102,NaN,101,1"), &["line 5 (low NaN)"]);
    refused(&row("2025-10-10 21:25,101,99999999999999,100,101,1"), &["too large to keep: line 5"]);
    refused(&row("2025-10-10 21:25,101,102,100,101,-1"), &["negative volume: line 5 (-1)"]);
    refused(&row("yesterday,101,102,100,101,1"), &["without a readable time: line 5 (yesterday)"]);
    refused(&row("2025-10-10 21:05,101,102,100,101,1"), &["go back in time: line 5", "--repair sort"]);
    refused(&row("2025-10-10 21:20,101,102,100,101,1"), &["repeat a time", "line 5", "keep-first"]);
    refused(&row("2025-10-10 21:22,101,102,100,101,1"), &["before the one above has ended: line 5", "--interval"]);
}

#[test]
fn the_first_five_are_named_and_all_are_counted() {
    let bad: String = (0..7).map(|row| format!("2025-10-10 21:{},1,1,2,1,1\n", 25 + 5 * row)).collect();
    refused(&rows(&format!("{GOOD}\n{bad}")), &["7 of 10 rows", "7 rows whose high", "9 (high 1, low 2), …;"]);
}

#[test]
fn several_problems_are_all_told() {
    refused(
        &rows("2025-10-10 21:10,1,1,2,1,0\n2025-10-10 21:15,1,1.01,1,1,0\n2025-10-10 21:20,x,1,1,1,0"),
        &[
            "3 of 3 rows",
            "not a number",
            "off the tick grid",
            "high is under its low",
            "also: volume is 0 in every bar",
        ],
    );
}

#[test]
fn repairs_do_what_they_say() {
    let (report, closes) = repaired(&rows(&format!("{GOOD}\n2025-10-10 21:25,103,102,100,99,1")), Repair::Widen);
    assert_eq!((report.repairs[0].rows, closes.last().unwrap().as_str()), (1, "99"));

    let (report, closes) = repaired(&rows(&format!("{GOOD}\n2025-10-10 21:25,103,102,100,99,1")), Repair::DropRow);
    assert_eq!((report.repairs[0].rows, closes.len(), report.rows_read), (1, 3, 4));

    let (report, closes) = repaired(&rows(&format!("{GOOD}\n2025-10-10 21:25,101,102,100,101.26,1")), Repair::Snap);
    assert_eq!((report.repairs[0].rows, closes.last().unwrap().as_str()), (1, "101.3"));

    let conflict = format!("{GOOD}\n2025-10-10 21:20,101.0,101.5,100.5,100.9,3");
    let (report, closes) = repaired(&rows(&conflict), Repair::KeepFirst);
    assert_eq!((report.repairs[0].rows, closes[2].as_str(), closes.len()), (1, "101.5", 3));
    let (_, closes) = repaired(&rows(&conflict), Repair::KeepLast);
    assert_eq!((closes[2].as_str(), closes.len()), ("100.9", 3));

    let (report, closes) = repaired(&rows(&format!("{GOOD}\n2025-10-10 21:05,99,99,99,99,1")), Repair::Sort);
    assert_eq!((report.repairs[0].rows, closes[0].as_str(), closes.len()), (1, "99", 4));

    let (report, _) = repaired(&rows(GOOD), Repair::Sort);
    assert_eq!(report.lines()[1], "repair sort: not needed");
}

#[test]
fn gaps_and_identical_duplicates_are_warnings() {
    let report =
        rows(&format!("{GOOD}\n2025-10-10 21:20,101.0,101.5,100.5,101.5,3\n2025-10-10 22:00,101,101,101,101,1"))
            .bars()
            .unwrap();
    assert_eq!(
        report.warnings,
        ["1 gap, 7 bars missing; 2025-10-10 21:25 .. 2025-10-10 22:00 (35 min)", "1 identical duplicate bar dropped",]
    );
    assert_eq!((report.rows_read, report.rows_written), (5, 4));
}

#[test]
fn the_unit_of_a_time_is_judged_by_magnitude() {
    for (name, factor) in [("open_time", 1), ("ts", 1_000), ("time_s", 1_000_000), ("open_time_ms", 1_000_000_000)] {
        let line = |row: i64| format!("{},1,1,1,1,1\n", (1_760_130_600 + 300 * row) * factor);
        let fixture = Fixture::csv(&format!("{name},open,high,low,close,volume\n{}{}", line(0), line(1)));
        let report = fixture.bars().unwrap();
        assert_eq!(report.first.to_string(), "2025-10-10T21:10:00Z", "{name}");
        assert_eq!(report.warnings.len(), usize::from(name.ends_with("s") && name.contains("time_")), "{name}");
    }
    let mixed =
        "ts,open,high,low,close,volume\n1760130600000,1,1,1,1,1\n1760130900,1,1,1,1,1\n1760131200000,1,1,1,1,1\n";
    refused(&Fixture::csv(mixed), &["without a readable time: line 3 (1760130900)"]);
    let since_midnight = "ms,open,high,low,close,volume\n0,1,1,1,1,1\n";
    let fixture = Fixture::csv(since_midnight);
    let columns = ColumnMap { time: Some("ms".to_owned()), ..ColumnMap::default() };
    let text = fixture.run(&BarsRequest { columns, ..fixture.bars_request() }).unwrap_err().to_string();
    assert!(text.contains("line 2: `0` in column `ms` is no time"), "{text}");
}

#[test]
fn columns_are_recognised_or_asked_for() {
    refused(
        &Fixture::csv("when,open,high,low,close\nx,1,1,1,1\n"),
        &["no column known as time", "--time-column NAME", "`when`"],
    );
    refused(
        &Fixture::csv("date,open,high,low\n2025-10-10,1,1,1\n"),
        &["no column known as close", "--close-column NAME"],
    );
    refused(
        &Fixture::csv("date,ts,open,high,low,close\n2025-10-10 00:00,2025-10-10 03:00,1,1,1,1\n"),
        &["two time columns that disagree", "line 2", "`date`", "`ts`", "--time-column NAME"],
    );
    // Two columns that tell the same time are no question.
    let both = "date,ts,open,high,low,close\n2025-10-10,1760054400,1,1,1,1\n2025-10-11,1760140800,1,1,1,1\n";
    assert_eq!(Fixture::csv(both).bars().unwrap().rows_written, 2);

    let fixture = Fixture::csv("when;O;H;L;Last\n2025-10-10;1;1;1;1\n2025-10-11;1;1;1;1\n");
    let columns = ColumnMap { time: Some("when".into()), close: Some("last".into()), ..ColumnMap::default() };
    let report = fixture.run(&BarsRequest { columns, ..fixture.bars_request() }).unwrap();
    assert!(report.warnings[0].contains("no volume column"), "{:?}", report.warnings);
    let columns = ColumnMap { time: Some("date".into()), close: Some("Last".into()), ..ColumnMap::default() };
    let text = fixture.run(&BarsRequest { columns, ..fixture.bars_request() }).unwrap_err().to_string();
    assert!(text.contains("has no column `date` (`--time-column`); it has `when`, `O`"), "{text}");
}

#[test]
fn files_that_are_no_table_are_named_for_what_they_are() {
    refused(&Fixture::csv(""), &["is empty"]);
    refused(&Fixture::csv(HEADER), &["has no rows"]);
    refused(&Fixture::csv("1,1,1,1,1\n2,2,2,2,2\n"), &["no column known as open", "it has `1`, `2`, `3`, `4`, `5`"]);
    refused(&Fixture::csv("PK\u{3}\u{4}zipped"), &["damaged archive"]);
    refused(&Fixture::csv("a\0b"), &["neither CSV nor Parquet"]);
    refused(&Fixture::csv("PAR1 and then nothing"), &["is damaged"]);
    refused(&Fixture::csv(&format!("{HEADER}2025-10-10,1,1\n")), &["line 2: 3 fields, but the first line has 6"]);
    refused(&rows("2025-10-10,1,1,1,1,1"), &["does not show how long its bars are", "--interval"]);

    let folder = tempfile::tempdir().unwrap();
    let parquet = folder.path().join("x.parquet");
    std::fs::write(&parquet, "date,open\n").unwrap();
    refused(&Fixture::of(parquet), &["is no Parquet file, whatever its name says"]);
    refused(&Fixture::of(folder.path().join("none.csv")), &["none.csv"]);
}

#[test]
fn the_source_is_never_overwritten() {
    let fixture = rows(GOOD);
    let request = BarsRequest { out: fixture.source.clone(), ..fixture.bars_request() };
    assert!(fixture.run(&request).unwrap_err().to_string().contains("is the source itself"));
}

#[test]
fn a_folder_that_does_not_exist_is_said() {
    let fixture = rows(GOOD);
    let request = BarsRequest { out: fixture.source.with_file_name("none").join("x.tape"), ..fixture.bars_request() };
    let error = fixture.run(&request).unwrap_err();
    assert!(error.is_input() && error.to_string().ends_with("x.tape`: its folder does not exist"), "{error}");
}

#[test]
fn volumes_never_stop_an_import() {
    let report =
        rows("2025-10-10 21:10,1,1,1,1,0.1234567891\n2025-10-10 21:15,1,1,1,1,\n2025-10-10 21:20,1,1,1,1,1e15")
            .bars()
            .unwrap();
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
    assert!(report.warnings[0].starts_with("1 bar without a volume"));
}

#[test]
fn funding_is_snapped_within_a_second() {
    let text = "ts,funding_rate\n2025-10-10 08:00:00.016,0.0001\n2025-10-10 15:59:59.500,-0.00012345\n\
        2025-10-11 00:00:02,0.0001\n";
    let fixture = Fixture::csv(text);
    let report = fixture.funding(RateUnit::Fraction, &[]).unwrap();
    assert_eq!((report.snapped, report.irregular), (2, 1));
    assert!(report.warnings[0].contains("off the rhythm of 8 h"), "{:?}", report.warnings);
    let mut reader = tape::TapeReader::open(fixture.out()).unwrap();
    let row = reader.next_row().unwrap().unwrap();
    assert_eq!(
        (row.receipt.to_string(), row.venue.to_string()),
        ("2025-10-10T08:00:00Z".into(), "2025-10-10T08:00:00.016Z".into())
    );
    let Event::Funding(second) = reader.next().unwrap().unwrap().1 else { panic!("a funding tape") };
    assert_eq!(
        (second.rate.to_string(), second.interval),
        ("-0.00012345".into(), Duration::from_nanos(8 * Duration::HOUR.nanos()))
    );
}

#[test]
fn funding_units_are_told_apart() {
    let rate = |unit, text: &str| {
        let fixture = Fixture::csv(&format!("ts,rate\n2025-10-10 08:00,{text}\n"));
        let report = fixture.funding(unit, &[]).unwrap();
        let Event::Funding(funding) = fixture.events()[0].1 else { panic!("a funding tape") };
        (funding.rate.to_string(), report.warnings.len())
    };
    assert_eq!(rate(RateUnit::Fraction, "0.0001"), ("0.0001".into(), 0));
    assert_eq!(rate(RateUnit::Percent, "0.01"), ("0.0001".into(), 0));
    assert_eq!(rate(RateUnit::BasisPoints, "1"), ("0.0001".into(), 0));
    assert_eq!(rate(RateUnit::Percent, "0.006940000000000001"), ("0.0000694".into(), 0));
    assert_eq!(rate(RateUnit::Fraction, "0.1"), ("0.1".into(), 1));

    let finer = Fixture::csv("ts,rate\n2025-10-10 08:00,0.000658153991747989\n");
    let text = finer.funding(RateUnit::Fraction, &[]).unwrap_err().to_string();
    assert!(
        text.contains("finer than 1e-12: line 2 (0.000658153991747989)") && text.contains("--repair snap"),
        "{text}"
    );
    assert_eq!(finer.funding(RateUnit::Fraction, &[Repair::Snap]).unwrap().repairs[0].rows, 1);
}

#[test]
fn the_rate_column_is_recognised_or_asked_for() {
    let raw =
        "fundingTime,symbol,fundingRate,markPrice\n1760083200000,BTCUSDT,0.0001,1\n1760112000000,BTCUSDT,0.0002,1\n";
    assert_eq!(Fixture::csv(raw).funding(RateUnit::Fraction, &[]).unwrap().rows_written, 2);
    let two = Fixture::csv("ts,funding_a,funding_b\n2025-10-10,1,1\n")
        .funding(RateUnit::Fraction, &[])
        .unwrap_err()
        .to_string();
    assert!(two.contains("`funding_a`, `funding_b`") && two.contains("--rate-column NAME"), "{two}");
}

#[test]
fn series_skip_what_is_empty_and_come_late() {
    let fixture = Fixture::csv("date,dvol\n2025-10-09,\n2025-10-10,41.2\n2025-10-11,nan\n2025-10-12,40\n");
    let report = fixture.series("dvol", SeriesUnit::Percent, Duration::DAY).unwrap();
    assert_eq!((report.rows_read, report.rows_written, report.empty, report.gaps.count), (4, 2, 2, 1));
    let events = fixture.events();
    let at: Timestamp = "2025-10-11".parse().unwrap();
    let Event::Series(first) = events[0].1 else { panic!("a series tape") };
    assert_eq!((events[0].0, first.value.get()), (at, 0.412));

    let text =
        Fixture::csv("date,dvol\n2025-10-09,high\n").series("dvol", SeriesUnit::Percent, Duration::ZERO).unwrap_err();
    assert!(text.to_string().contains("not a number: line 2 (high)"), "{text}");
    let text = fixture.series("vix", SeriesUnit::Percent, Duration::ZERO).unwrap_err().to_string();
    assert!(text.contains("has no column `vix` (`--column`)"), "{text}");
    let text = fixture.series("dvol", SeriesUnit::Percent, Duration::from_nanos(-1)).unwrap_err().to_string();
    assert!(text.contains("--lag"), "{text}");
    let request = SeriesRequest::new(&fixture.source, "dvol", "DVOL BTC", SeriesUnit::Percent, fixture.out());
    assert!(import::series(&request, &mut |_, _| {}).unwrap_err().to_string().contains("`DVOL BTC` is no series name"));
}

#[test]
fn a_bom_and_windows_lines_are_text_like_any() {
    let fixture =
        Fixture::csv("\u{feff}Date,Open,High,Low,Close,Volume\r\n2025-10-10,1,1,1,1,1\r\n2025-10-11,1,1,1,1,1\r\n");
    assert_eq!(fixture.bars().unwrap().rows_written, 2);
}

/// Lines are counted as an editor counts them, whatever ends them and with or without a header.
#[test]
fn a_place_is_the_line_of_an_editor() {
    let body = "2025-10-10,1,1,1,1,1\n2025-10-11,1,1,1,1,1\n2025-10-12,1,1,much,1,1\n2025-10-13,1,1,1,1,1\n";
    let torn = "2025-10-14,1,1\n";
    for (head, number, last) in [("Date,Open,High,Low,Close,Volume\n", 4, 6), ("", 3, 5)] {
        for end in ["\n", "\r\n"] {
            let text = |rows: &str| format!("{head}{rows}").replace('\n', end);
            refused(&Fixture::csv(&text(body)), &[&format!(": line {number} (")]);
            refused(&Fixture::csv(&text(&format!("{body}{torn}"))), &[&format!("line {last}: 3 fields")]);
        }
    }
}

#[test]
fn a_hostile_text_does_not_reach_the_terminal() {
    let cell = format!("\u{1b}[31m{}", "x".repeat(100_000));
    let text = rows(&format!("{GOOD}\n2025-10-10 21:25,1,1,{cell},1,1")).bars().unwrap_err().to_string();
    assert!(!text.contains('\u{1b}') && text.len() < 500, "{text}");
    let text = Fixture::csv("when\u{1b}[31m,open\n1,1\n").bars().unwrap_err().to_string();
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_report_serialises() {
    let report = rows(GOOD).bars().unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((json["kind"].as_str(), json["first"].as_str()), (Some("bar"), Some("2025-10-10T21:10:00Z")));
    assert_eq!((json["interval"].as_str(), json["gaps"]["count"].as_u64()), (Some("5 min"), Some(0)));
}

#[test]
fn progress_ends_at_the_whole() {
    let fixture = rows(GOOD);
    let mut last = (0, 0);
    import::bars(&fixture.bars_request(), &mut |done, total| last = (done, total)).unwrap();
    assert!(last.0 == last.1 && last.1 > 0);
}

#[test]
fn repairs_have_names() {
    for repair in Repair::ALL {
        assert_eq!(repair.to_string().parse(), Ok(repair));
    }
    let text = "mend".parse::<Repair>().unwrap_err().to_string();
    assert_eq!(text, "`mend` is no repair; there are drop-row, widen, snap, keep-first, keep-last, sort");
}
