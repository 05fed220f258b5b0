//! Option chains and marks: what is kept, what is counted, what is refused and how it is named.
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
use import::{BarsRequest, ColumnMap, MarksRequest, OptionsRequest, Repair, Terms};
use market::{Event, OptionQuote};
use tape::{Kind, TapeReader, TapeRow};
use units::Price;

/// The columns that the six-hour snapshots of Deribit have, as far as they are read.
const HEAD: &str = "timestamp,instrument_name,underlying,option_type,strike,expiry_datetime,bid_price,ask_price,mark_price,open_interest\n";

fn row(at: &str, name: &str, bid: &str, ask: &str) -> String {
    let (rest, right) = name.rsplit_once('-').unwrap();
    let (_, strike) = rest.rsplit_once('-').unwrap();
    let right = if right == "C" { "call" } else { "put" };
    format!(
        "2026-01-01 {at},{name},88000.5,{right},{strike}.0,2026-01-16 08:00:00+00:00,{bid},{ask},0.00301168,324.5\n"
    )
}

fn rows(fixture: &Fixture) -> (Vec<String>, Vec<TapeRow>) {
    let mut reader = TapeReader::open(fixture.out()).unwrap();
    let symbols = reader.catalogue().instruments.iter().map(|known| known.symbol.clone()).collect();
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        rows.push(row);
    }
    (symbols, rows)
}

fn quotes(fixture: &Fixture) -> Vec<(String, OptionQuote)> {
    let (symbols, rows) = rows(fixture);
    let quote = |row: &TapeRow| match row.event {
        Event::OptionQuote(quote) => (symbols[quote.instrument.index()].clone(), quote),
        ref other => panic!("{other:?}"),
    };
    rows.iter().map(quote).collect()
}

fn text(price: Option<Price>) -> String {
    price.map_or_else(|| "none".to_owned(), |price| price.to_string())
}

#[test]
fn a_chain_becomes_quotes_by_time_and_then_by_strike() {
    let (low, high) = ("BTC-16JAN26-90000-C", "BTC-16JAN26-100000-C");
    let body =
        [row("09:00", high, "0.0028", "0.0031"), row("09:00", low, "", "0.0155"), row("15:00", low, "0.012", "0.0125")];
    let fixture = Fixture::csv(&(HEAD.to_owned() + &body.concat()));
    let report = fixture.options(&[]).unwrap();
    assert_eq!(
        report.lines(),
        [
            "3 quotes of 2 options, 1 expiry, at 2 times  2026-01-01 09:00 .. 2026-01-01 15:00 UTC",
            "warning: 1 quote without a bid",
            "warning: no sizes are recorded: how much stood at a quote is not known",
        ]
    );
    let found = quotes(&fixture);
    let told: Vec<_> =
        found.iter().map(|(name, quote)| (name.as_str(), text(quote.bid()), text(quote.ask()))).collect();
    assert_eq!(
        told,
        [
            ("deribit:BTC-16JAN26-90000-C", "none".to_owned(), "0.0155".to_owned()),
            ("deribit:BTC-16JAN26-100000-C", "0.0028".to_owned(), "0.0031".to_owned()),
            ("deribit:BTC-16JAN26-90000-C", "0.012".to_owned(), "0.0125".to_owned()),
        ]
    );
    let (_, first) = &found[1];
    assert_eq!((text(first.mark()), text(first.underlying())), ("0.00301168".to_owned(), "88000.5".to_owned()));
    assert_eq!((first.open_interest().unwrap().to_string(), first.bid_qty()), ("324.5".to_owned(), None));
    let info = TapeReader::open(fixture.out()).unwrap().info().clone();
    assert_eq!((info.version, info.provenance.quality["no_ask"], info.provenance.quality["no_bid"]), (3, 0, 1));
    assert_eq!(info.span(Kind::Quote).unwrap().rows, 3);
}

#[test]
fn zero_is_no_quote_but_a_mark_of_a_worthless_option_is_one() {
    let text = "QUOTE_UNIXTIME,INSTRUMENT_NAME,UNDERLYING_PRICE,EXPIRY_UNIX,OPTION_RIGHT,STRIKE,BID_SIZE,BID_PRICE,ASK_PRICE,ASK_SIZE,\
                OPEN_INTEREST,MARK_PRICE\n\
                1622520046,BTC-18JUN21-65000-P,40020.91,1624003200,put,65000.000000,0.000000,0.000000,0.000500,43.000000,26.8,0.0\n\
                1622520046,BTC-18JUN21-60000-P,40020.91,1624003200,put,60000.000000,0.000000,0.000000,0.000000,0.000000,0.0,0.1\n";
    let fixture = Fixture::csv(text);
    let report = fixture.options(&[]).unwrap();
    assert_eq!((report.counts["no_bid"], report.counts["no_ask"]), (2, 1));
    let found = quotes(&fixture);
    let (_, empty) = &found[0];
    assert_eq!((empty.bid(), empty.ask(), empty.bid_qty(), empty.ask_qty()), (None, None, None, None));
    let (name, quote) = &found[1];
    assert_eq!(name, "deribit:BTC-18JUN21-65000-P");
    assert_eq!((quote.bid(), quote.mark()), (None, Some(Price::ZERO)));
    assert_eq!((quote.ask_qty().unwrap().to_string().as_str(), quote.bid_qty()), ("43", None));
}

const TARDIS: &str = "exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,bid_price,bid_amount,ask_price,\
                      ask_amount,mark_price,underlying_price\n";

#[test]
fn a_tick_stream_is_received_when_it_was_and_counts_in_the_underlying() {
    let line = |local: i64, bid: &str, amount: &str| {
        format!(
            "okex-options,BTC-USD-251031-80000-P,1760097600408000,{local},put,80000,1761897600000000,9260,{bid},{amount},,,\
             0.0002147042094267,\n"
        )
    };
    let fixture = Fixture::csv(
        &(TARDIS.to_owned()
            + &line(1_760_097_601_408_575, "0.0001", "1760")
            + &line(1_760_097_602_000_001, "0.0002", "1")),
    );
    let report = fixture.options(&[]).unwrap();
    let (symbols, rows) = rows(&fixture);
    assert_eq!(symbols, ["okx:BTC-USD-251031-80000-P"]);
    assert_eq!(rows[0].receipt.to_string(), "2025-10-10T12:00:01.408575Z");
    assert_eq!(rows[0].venue.to_string(), "2025-10-10T12:00:00.408Z");
    let (_, quote) = &quotes(&fixture)[0];
    // 1,760 contracts of 0.01 BTC; a mark of more places than are kept goes to the nearest 1e-8.
    assert_eq!(quote.bid_qty().unwrap().to_string(), "17.6");
    assert_eq!(quote.open_interest().unwrap().to_string(), "92.6");
    assert_eq!((text(quote.mark()), quote.underlying()), ("0.0002147".to_owned(), None));
    assert!(
        report.warnings.iter().any(|warning| warning.starts_with("no forward is recorded")),
        "{:?}",
        report.warnings
    );
    assert!(report.warnings.iter().any(|warning| warning.contains("counted in contracts")), "{:?}", report.warnings);
}

/// OKX calls the underlying of every expiry `BTC-USD`, its index; Deribit names the future of the date, made up or not, or the index that
/// it values options by.
#[test]
fn an_index_is_the_forward_of_no_expiry() {
    let head = TARDIS.replace("underlying_price", "underlying_index,underlying_price");
    let forwards = |exchange: &str, index: &str| {
        let row = format!(
            "{exchange},BTC-31OCT25-80000-P,1760097600408000,1760097601408575,put,80000,1761897600000000,1,0.0001,1,0.0002,1,\
             0.00015,{index},121500\n"
        );
        let row = if exchange == "deribit" { row } else { row.replace("31OCT25", "USD-251031") };
        let fixture = Fixture::csv(&(head.clone() + &row));
        let report = fixture.options(&[]).unwrap();
        let warned = report.warnings.iter().any(|warning| warning.contains("with an index for their underlying"));
        (quotes(&fixture)[0].1.underlying().map(|price| price.to_string()), warned)
    };
    assert_eq!(forwards("okex-options", "BTC-USD"), (None, true));
    for index in ["SYN.BTC-31OCT25", "BTC-31OCT25", "index_price", ""] {
        assert_eq!(forwards("deribit", index), (Some("121500".to_owned()), false), "{index}");
    }
}

#[test]
fn a_book_as_python_prints_it_must_agree_with_its_best_price() {
    let head = "timestamp,instrument_name,best_bid_price,best_bid_amount,best_ask_price,best_ask_amount,bids,asks\n";
    let line = |bid: &str, bids: &str| format!("1590103193775,BTC-5JUN20-6750-P,{bid},9,0,0,\"{bids}\",[]\n");
    let fixture = Fixture::csv(&(head.to_owned() + &line("0.1795", "[[0.1795, 0.1], [0.179, 6.2]]")));
    fixture.options(&[]).unwrap();
    assert_eq!(text(quotes(&fixture)[0].1.bid()), "0.1795");
    for (bid, bids, expected) in [
        (
            "0.179",
            "[[0.1795, 0.1], [0.179, 6.2]]",
            "whose best price is not the first of its list: line 2 (bid 0.179 of",
        ),
        ("0.179", "[]", "whose best price is not the first of its list"),
        ("0", "[[0.1795, 0.1]]", "whose best price is not the first of its list"),
        ("0.1795", "[[0.1795", "with a value that is not a number"),
        ("0.1795", "{'a': 1}", "with a value that is not a number"),
        ("0.1795", "[[]]", "with a value that is not a number"),
    ] {
        let error = Fixture::csv(&(head.to_owned() + &line(bid, bids))).options(&[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{bids}: {error}");
    }
    // Without a column for it, the best price is the first of the list.
    let head = "timestamp,instrument_name,bids,asks\n";
    let line = "1590103193775,BTC-5JUN20-6750-P,\"[(0.01, 2.5)]\",\"[[0.02, 4.0], [0.03, 1.0]]\"\n";
    let fixture = Fixture::csv(&(head.to_owned() + line));
    fixture.options(&[]).unwrap();
    let (_, quote) = &quotes(&fixture)[0];
    assert_eq!((text(quote.bid()), text(quote.ask())), ("0.01".to_owned(), "0.02".to_owned()));
    assert_eq!(
        (quote.bid_qty().unwrap().to_string(), quote.ask_qty().unwrap().to_string()),
        ("2.5".to_owned(), "4".to_owned())
    );
}

/// One bad row among good ones: what is said, the word for programs, and the repair that takes the rest.
#[test]
fn what_no_chain_may_hold_is_named_with_its_place_and_remedy() {
    let good = "BTC-16JAN26-90000-C";
    let ok = row("09:00", good, "0.01", "0.0105");
    let with = |from: &str, to: &str| row("09:00", "BTC-16JAN26-100000-P", "0.02", "0.0205").replace(from, to);
    for (bad, code, expected) in [
        (with(",put,", ",call,"), "name-differs", "deribit:BTC-16JAN26-100000-P has call"),
        (with(",100000.0,", ",90000.0,"), "name-differs", "has strike 90000.0"),
        (with("2026-01-16 08", "2026-01-17 08"), "name-differs", "has expiry 2026-01-17 08:00:00+00:00"),
        (
            with("2026-01-01 09:00", "2026-01-16 08:00"),
            "expired",
            "at 2026-01-16T08:00:00Z, expired 2026-01-16T08:00:00Z",
        ),
        (
            with("2026-01-01 09:00", "1970-01-01 00:00"),
            "not-listed",
            "1 row dated over five years before the option expires, when it was not listed: line 3 (deribit:BTC-16JAN26-100000-P at \
             1970-01-01T00:00:00Z, expires 2026-01-16T08:00:00Z); `--repair drop-row` leaves them out, `--time-column` names",
        ),
        (with("2026-01-01 09:00", "2091-01-01 09:00"), "expired", "at 2091-01-01T09:00:00Z, expired 2026-01-16"),
        (with("2026-01-01 09:00", "noon"), "no-time", "without a readable time: line 3 (noon)"),
        (with("100000-P", "100000-X"), "no-instrument", "that name no instrument of this kind"),
        (with("BTC-16JAN26-100000-P", "BTC-PERPETUAL"), "no-instrument", "line 3 (deribit:BTC-PERPETUAL)"),
        (with(",0.02,", ",0.02003,"), "off-tick", "off the tick grid of 0.0001: line 3 (bid 0.02003 of"),
        (with(",0.0205,", ",-0.0205,"), "not-positive", "ask -0.0205 of"),
        (with(",0.0205,", ",much,"), "no-number", "ask much of"),
        (with(",0.00301168,", ",-1,"), "not-positive", "mark -1 of"),
        (with(",324.5", ",-3"), "negative-volume", "open interest -3 of"),
        (with(",0.0205,", ",1e300,"), "too-large", "ask 1e300 of"),
    ] {
        let fixture = Fixture::csv(&(HEAD.to_owned() + &ok + &bad));
        let error = fixture.options(&[]).unwrap_err();
        let text = error.to_string();
        assert!(error.code() == code && text.contains(expected), "{code}: {text}");
        assert!(text.contains("1 of 2 rows cannot be taken"), "{text}");
        let report = fixture.options(&[Repair::DropRow]).unwrap();
        assert_eq!((report.rows_written, report.repairs[0].rows), (1, 1), "{code}");
    }
}

/// Five years before an expiry to the nanosecond is taken; a venue's own time is held to the same, a day after the expiry too.
#[test]
fn both_times_of_a_quote_lie_in_the_life_of_its_option() {
    let head = "exchange,symbol,timestamp,local_timestamp,bid_price,ask_price\n";
    let row = |venue: &str, local: &str| format!("deribit,BTC-16JAN26-90000-C,{venue},{local},0.01,0.0105\n");
    let told = |venue: &str, local: &str| Fixture::csv(&(head.to_owned() + &row(venue, local))).options(&[]);
    let code = |venue: &str, local: &str| told(venue, local).unwrap_err().code();
    // 16 January 2026 08:00 less 1,825 days is 17 January 2021 08:00: one of the five years has 366.
    told("2021-01-17T08:00:00Z", "2021-01-17T08:00:00Z").unwrap();
    assert_eq!(code("2021-01-17T07:59:59.999999999Z", "2021-01-17T08:00:00Z"), "not-listed");
    assert_eq!(code("2021-01-17T08:00:00Z", "2021-01-17T07:59:59.999999999Z"), "not-listed");
    // Clocks differ, by less than a day.
    told("2026-01-17T07:59:59Z", "2026-01-16T07:59:59Z").unwrap();
    let error = told("2026-01-17T08:00:00Z", "2026-01-16T07:59:59Z").unwrap_err();
    assert_eq!(error.code(), "expired");
    assert!(error.to_string().contains("at the venue's 2026-01-17T08:00:00Z, expired 2026-01-16"), "{error}");
}

/// Of rows that were all refused nothing is known but which columns there are.
#[test]
fn a_forward_of_refused_rows_is_recorded() {
    let refused = |forward: &str| {
        let bad = row("09:00", "BTC-16JAN26-90000-C", "0.01", "0.0105").replace(",88000.5,", forward);
        Fixture::csv(&(HEAD.to_owned() + &bad)).options(&[]).unwrap_err().to_string()
    };
    for forward in [",-5,", ",1e12,"] {
        let text = refused(forward);
        assert!(text.contains("1 of 1 row cannot be taken") && !text.contains("no forward"), "{text}");
        assert!(text.contains("no sizes are recorded"), "{text}");
    }
    let none = row("09:00", "BTC-16JAN26-90000-C", "-1", "0.0105").replace(",88000.5,", ",,");
    let taken = row("09:00", "BTC-16JAN26-95000-C", "0.01", "0.0105").replace(",88000.5,", ",0,");
    let error = Fixture::csv(&(HEAD.to_owned() + &none + &taken)).options(&[]).unwrap_err();
    assert!(error.to_string().contains("no forward is recorded"), "{error}");
}

/// A day beside times that have their own is refused, in every kind of import; milliseconds of a day need it.
#[test]
fn a_day_is_for_times_that_have_none() {
    let columns = ColumnMap { day: "2026-01-01".parse().ok(), ..ColumnMap::default() };
    let with = |at: &str| {
        let text = HEAD.to_owned() + &row("09:00", "BTC-16JAN26-90000-C", "0.01", "0.0105");
        let fixture = Fixture::csv(&text.replace("2026-01-01 09:00", at));
        fixture.options_of(&OptionsRequest { columns: columns.clone(), ..fixture.options_request() })
    };
    assert_eq!(with("32400000").unwrap().first.to_string(), "2026-01-01T09:00:00Z");
    let error = with("2026-01-01 09:00").unwrap_err();
    assert_eq!(error.code(), "day-twice");
    assert!(error.to_string().contains("leave out `--day`"), "{error}");
    let fixture = Fixture::csv("Date,Open,High,Low,Close,Volume\n2025-10-10,1,1,1,1,1\n2025-10-11,1,1,1,1,1\n");
    let error = fixture.run(&BarsRequest { columns, ..fixture.bars_request() }).unwrap_err();
    assert_eq!(error.code(), "day-twice", "{error}");
}

#[test]
fn a_chain_crossed_throughout_is_kept_and_counted() {
    let body =
        [row("09:00", "BTC-16JAN26-90000-C", "0.02", "0.01"), row("09:00", "BTC-16JAN26-95000-C", "0.01", "0.0051")];
    let fixture = Fixture::csv(&(HEAD.to_owned() + &body.concat()));
    let report = fixture.options(&[]).unwrap();
    assert!(
        report.warnings.iter().any(|warning| warning == "2 quotes crossed, the bid above the ask; kept as recorded")
    );
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.contains("1 quote above 0.005 between the venue's steps of 0.0005"))
    );
    assert!(quotes(&fixture).iter().all(|(_, quote)| quote.is_crossed()));
}

/// A call in coin is worth a coin at most, and a put its strike: at 88,000.5 a put of 90,000 is worth 1.0227 coins at most. Venues
/// quote a little over that; ten times as much is another unit.
#[test]
fn a_price_that_no_option_can_be_worth_is_told() {
    let call = row("09:00", "BTC-16JAN26-90000-C", "0.01", "99999999");
    let put = |ask: &str| row("09:00", "BTC-16JAN26-90000-P", "0.9", ask);
    let told = |rows: &[String]| {
        let fixture = Fixture::csv(&format!("{HEAD}{}", rows.concat()));
        let lines = fixture.options(&[]).unwrap().lines();
        lines.iter().filter(|line| line.contains("1 quote ten times dearer than an option can be worth")).count()
    };
    assert_eq!((told(&[call, put("1")]), told(&[put("10.22")]), told(&[put("10.23")])), (1, 0, 1));
}

#[test]
fn an_expiry_of_one_strike_is_told() {
    let body =
        [row("09:00", "BTC-16JAN26-90000-C", "0.02", "0.021"), row("09:00", "BTC-16JAN26-90000-P", "0.01", "0.0105")];
    let report = Fixture::csv(&(HEAD.to_owned() + &body.concat())).options(&[]).unwrap();
    assert!(
        report.warnings.iter().any(|warning| warning.contains("1 expiry of one strike alone")),
        "{:?}",
        report.warnings
    );
}

#[test]
fn duplicates_are_dropped_and_contradictions_chosen_between() {
    let name = "BTC-16JAN26-90000-C";
    let (one, other) = (row("09:00", name, "0.02", "0.021"), row("09:00", name, "0.0195", "0.021"));
    let fixture = Fixture::csv(&(HEAD.to_owned() + &one + &one + &one));
    let report = fixture.options(&[]).unwrap();
    assert_eq!((report.rows_read, report.rows_written, report.duplicates), (3, 1, 2));
    assert!(
        report.warnings.iter().any(|warning| warning == "2 identical duplicate quotes dropped"),
        "{:?}",
        report.warnings
    );
    let fixture = Fixture::csv(&(HEAD.to_owned() + &one + &other));
    let error = fixture.options(&[Repair::DropRow]).unwrap_err();
    assert_eq!(error.code(), "two-contents", "{error}");
    for (repair, bid) in [(Repair::KeepFirst, "0.02"), (Repair::KeepLast, "0.0195")] {
        fixture.options(&[repair]).unwrap();
        assert_eq!(text(quotes(&fixture)[0].1.bid()), bid);
    }
}

/// However a file is shuffled, sorting it gives the tape of the file in order; unsorted it is refused.
#[test]
fn a_shuffled_chain_is_refused_or_sorted_to_the_same_tape() {
    let mut lines = Vec::new();
    for hour in 10..20 {
        for strike in 80..100 {
            lines.push(row(
                &format!("{hour}:00"),
                &format!("BTC-16JAN26-{strike}000-P"),
                "0.01",
                &format!("0.0{strike}"),
            ));
        }
    }
    let ordered = Fixture::csv(&(HEAD.to_owned() + &lines.concat()));
    ordered.options(&[]).unwrap();
    let mut seed = 7_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..5 {
        for place in (1..lines.len()).rev() {
            lines.swap(place, next(place + 1));
        }
        let shuffled = Fixture::csv(&(HEAD.to_owned() + &lines.concat()));
        let error = shuffled.options(&[]).unwrap_err();
        assert_eq!(error.code(), "back-in-time", "{error}");
        assert!(error.to_string().contains("`--repair sort` puts them in order"));
        let report = shuffled.options(&[Repair::Sort]).unwrap();
        assert!(report.repairs[0].rows > 0);
        assert_eq!(quotes(&shuffled), quotes(&ordered));
    }
}

#[test]
fn a_file_that_is_no_chain_says_what_it_lacks() {
    for (text, expected) in [
        ("date,open,high,low,close\n2026-01-01,1,1,1,1\n", "has no column known as the name of an option"),
        (
            "2026-01-14 04:03:25,BTC-16JAN26-90000-C,0.1,0.2\n",
            "`local_timestamp,symbol,bid_price,ask_price,…` before its rows",
        ),
        ("symbol,bid_price,ask_price\nBTC-16JAN26-90000-C,1,1\n", "has no column known as time"),
        ("timestamp,symbol,ask_price\n2026-01-01,BTC-16JAN26-90000-C,1\n", "has no column known as the best bid"),
        ("timestamp,symbol,bid_price\n2026-01-01,BTC-16JAN26-90000-C,1\n", "has no column known as the best ask"),
        ("timestamp,symbol,bid_price,ask_price\n2026-01-01,BTC-PERPETUAL,1,1\n", "names no option"),
        (
            "timestamp,symbol,bid_price,ask_price\n2026-01-01,SOL_USDC-16JAN26-90-C,1,1\n",
            "give `--tick` (its price grid) and `--lot`",
        ),
        ("timestamp,symbol,bid_price,ask_price\n", "has no rows"),
    ] {
        let error = Fixture::csv(text).options(&[]).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    // What the file does not tell, the user can.
    let fixture = Fixture::csv("when,symbol,bid_price,ask_price\n2026-01-01,SOL_USDC-16JAN26-90d5-C,1.2,1.3\n");
    let terms = Terms { tick: "0.1".parse().ok(), lot: "10".parse().ok(), ..Terms::default() };
    let columns = ColumnMap { time: Some("when".to_owned()), ..ColumnMap::default() };
    fixture.options_of(&OptionsRequest { terms, columns, ..fixture.options_request() }).unwrap();
    let (name, quote) = &quotes(&fixture)[0];
    assert_eq!((name.as_str(), text(quote.ask())), ("deribit:SOL_USDC-16JAN26-90d5-C", "1.3".to_owned()));
}

#[test]
fn a_file_of_random_bytes_never_panics() {
    let name = "BTC-16JAN26-90000-C";
    let text = HEAD.to_owned()
        + &(10..30).map(|minute| row(&format!("09:{minute}"), name, "0.01", "0.02")).collect::<String>();
    let mut seed = 1_u64;
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..600 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = (seed >> 33) as usize % bytes.len();
            bytes[place] = b"0123456789.,-[]\"\n ePC\xff"[(seed >> 20) as usize % 22];
        }
        let fixture = Fixture::csv("");
        std::fs::write(&fixture.source, &bytes).unwrap();
        match fixture.options(&[Repair::Sort, Repair::KeepLast, Repair::DropRow]) {
            Ok(report) => {
                taken += 1;
                assert!(report.rows_written > 0);
                quotes(&fixture);
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(taken > 20 && refused > 20, "{taken} taken, {refused} refused");
}

#[test]
fn marks_of_many_contracts_lie_between_ticks() {
    let text = "timestamp,futures_instrument_name,snapshot_term_mark_price\n\
                2026-01-01T09:00:00+00:00,BTC-25DEC26,92617.64\n\
                2026-01-01T09:00:00+00:00,BTC-27MAR26,90101.123456789\n\
                2026-01-01T15:00:00+00:00,BTC-27MAR26,\n";
    let fixture = Fixture::csv(text);
    let report = fixture.marks_of(&fixture.marks_request()).unwrap();
    assert_eq!(report.lines()[0], "2 marks of 2 contracts at 1 time  2026-01-01 09:00 .. 2026-01-01 09:00 UTC");
    assert_eq!((report.empty, report.counts["contracts"]), (1, 2));
    let (symbols, rows) = rows(&fixture);
    assert_eq!(symbols, ["deribit:BTC-27MAR26", "deribit:BTC-25DEC26"]);
    let marks: Vec<_> = rows
        .iter()
        .map(|row| if let Event::Mark(mark) = row.event { mark.price.to_string() } else { String::new() })
        .collect();
    assert_eq!(marks, ["90101.12345679", "92617.64"]);
    let error = Fixture::csv(&text.replace("92617.64", "0")).options(&[]).unwrap_err();
    assert_eq!(error.code(), "column-missing", "{error}");
    let zero = Fixture::csv(&text.replace("92617.64", "0"));
    let error = zero.marks_of(&zero.marks_request()).unwrap_err();
    assert!(error.code() == "not-positive" && error.to_string().contains("mark 0 of deribit:BTC-25DEC26"), "{error}");
}

/// The close of the minute in which a snapshot was taken is known at the end of that minute, not at the snapshot.
#[test]
fn a_mark_of_a_later_moment_is_received_at_that_moment() {
    let text = "obs_datetime,instrument_name,perp_futures_mark_price,candle_price_timestamp_ms\n\
                2026-01-01T09:00:20+00:00,BTC-PERPETUAL,88000.5,1767258000000\n\
                2026-01-01T15:00:40+00:00,BTC-PERPETUAL,88001.5,1767279660000\n";
    let fixture = Fixture::csv(text);
    let report = fixture.marks_of(&fixture.marks_request()).unwrap();
    let (_, rows) = rows(&fixture);
    let times: Vec<_> = rows.iter().map(|row| (row.receipt.to_string(), row.venue.to_string())).collect();
    let expected = [("2026-01-01T09:00:20Z", "2026-01-01T09:00:00Z"), ("2026-01-01T15:01:00Z", "2026-01-01T15:01:00Z")];
    assert_eq!(times, expected.map(|(receipt, venue)| (receipt.to_owned(), venue.to_owned())));
    assert!(report.warnings.iter().any(|warning| warning.starts_with("1 mark known later")), "{:?}", report.warnings);
}

#[test]
fn marks_of_one_contract_take_their_name_from_the_user() {
    let fixture = Fixture::csv("time,price\n2026-01-01 09:00,88000.5\n");
    let request = MarksRequest {
        instrument: Some("deribit:BTC-PERPETUAL".to_owned()),
        price: Some("price".to_owned()),
        ..fixture.marks_request()
    };
    let report = fixture.marks_of(&request).unwrap();
    assert_eq!((report.rows_written, rows(&fixture).0), (1, vec!["deribit:BTC-PERPETUAL".to_owned()]));
    let error = fixture.marks_of(&MarksRequest { instrument: None, ..request }).unwrap_err();
    assert!(error.to_string().contains("`--instrument SYMBOL`"), "{error}");
}
