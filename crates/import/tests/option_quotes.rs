//! Recorded option chains against sums that Python makes of the same files in exact decimals, to the last row and digit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "a test may stop at once"
)]

mod common;

use common::{Fixture, shared};
use import::Repair;
use market::{Event, OptionQuote};
use serde_json::Value;
use tape::TapeReader;
use units::{Price, Qty, Timestamp};

const FIELDS: [&str; 7] = ["bid", "ask", "bid_qty", "ask_qty", "mark", "underlying", "open_interest"];

fn fields(quote: &OptionQuote) -> [Option<i64>; 7] {
    [
        quote.bid().map(Price::raw),
        quote.ask().map(Price::raw),
        quote.bid_qty().map(Qty::raw),
        quote.ask_qty().map(Qty::raw),
        quote.mark().map(Price::raw),
        quote.underlying().map(Price::raw),
        quote.open_interest().map(Qty::raw),
    ]
}

/// `vectors/option_quotes.py` says how rows are weighed.
fn weight(name: &str, at: Timestamp) -> i128 {
    let name: i128 = (1..).zip(name.bytes()).map(|(place, byte): (i128, u8)| i128::from(byte) * place).sum();
    name % 1009 + 7 * i128::from(at.nanos() / 1_000 % 1013) + 1
}

#[test]
fn every_row_and_digit_of_a_chain_comes_in() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../vectors/option_quotes.json")).unwrap();
    assert_eq!(cases.len(), 6);
    for case in &cases {
        let path = case["path"].as_str().unwrap();
        let Some(source) = shared("every_row_and_digit_of_a_chain_comes_in", &format!("data/{path}")) else { return };
        let fixture = Fixture::of(source);
        let report = fixture.options(&[Repair::Sort]).unwrap();
        let told = (Some(report.rows_written), Some(report.counts["options"]), Some(report.counts["times"]));
        assert_eq!(told, (case["rows"].as_u64(), case["options"].as_u64(), case["times"].as_u64()), "{path}");
        let (mut counts, mut sums) = ([0_u64; 7], [0_i128; 7]);
        let mut reader = TapeReader::open(fixture.out()).unwrap();
        let catalogue = reader.catalogue().clone();
        while let Some((at, event)) = reader.next().unwrap() {
            let Event::OptionQuote(quote) = event else { panic!("{event:?}") };
            let symbol = &catalogue.instruments[quote.instrument.index()].symbol;
            let weight = weight(symbol.split_once(':').unwrap().1, at);
            for (field, value) in fields(&quote).into_iter().enumerate() {
                counts[field] += u64::from(value.is_some());
                sums[field] += i128::from(value.unwrap_or_default()) * weight;
            }
        }
        for (field, name) in FIELDS.iter().enumerate() {
            let stated = &case[name];
            assert_eq!(Some(counts[field]), stated["count"].as_u64(), "{path}: {name}");
            assert_eq!(Some(sums[field].to_string().as_str()), stated["sum"].as_str(), "{path}: {name}");
        }
    }
}
