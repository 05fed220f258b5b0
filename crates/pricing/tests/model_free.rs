//! A published 14-day index of model-free implied volatility, from its own inputs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    dead_code,
    reason = "the recordings are files, and a skip is said"
)]

mod common;

use pricing::options::{OptionKind, OptionStyle};
use pricing::surface::{Chain, ChainSettings, OptionQuote, Strip, StripQuote, Surface, strip_vol_at};
use serde_json::Value;
use units::{Duration, Timestamp};

const YEAR_SECONDS: f64 = 365.0 * 86_400.0;
const FORTNIGHT: f64 = 14.0 / 365.0;

struct Evidence {
    options: Vec<Value>,
    at: Timestamp,
    rate: f64,
    /// The price by which all premiums in coin were turned into USD.
    underlying: f64,
    expiries: [Timestamp; 2],
    result: Value,
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

fn evidence(test: &str) -> Option<Evidence> {
    let path = common::recording(test, "deribit_mfiv_2021-10-01/eth_mfiv_14d.json")?;
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let parameters = &all["params"];
    Some(Evidence {
        options: parameters["options"].as_array().unwrap().clone(),
        at: time(&parameters["at"]),
        rate: all["context"]["risklessRate"].as_f64().unwrap(),
        underlying: parameters["underlyingPrice"].as_f64().unwrap(),
        expiries: [time(&parameters["nearDate"]), time(&parameters["nextDate"])],
        result: all["result"].clone(),
    })
}

impl Evidence {
    /// The strikes of one expiry, premiums in USD by the price that `underlying` gives for an option.
    fn strip(&self, expiry: Timestamp, underlying: impl Fn(&Value) -> f64) -> Vec<StripQuote> {
        let mut rows: Vec<StripQuote> = Vec::new();
        for option in self.options.iter().filter(|option| time(&option["expirationDate"]) == expiry) {
            let strike = option["strikePrice"].as_f64().unwrap();
            let price = |name: &str| option[name].as_f64().filter(|price| *price > 0.0);
            let middle = price("bestBidPrice").zip(price("bestAskPrice")).map(|(bid, ask)| (bid + ask) / 2.0);
            let middle = middle.map(|coin| coin * underlying(option));
            let row = match rows.iter_mut().find(|row| row.strike == strike) {
                Some(row) => row,
                None => {
                    rows.push(StripQuote { strike, call: None, put: None });
                    rows.last_mut().unwrap()
                }
            };
            *if option["optionType"] == "call" { &mut row.call } else { &mut row.put } = middle;
        }
        rows
    }

    /// The index with a moment, a rate and a price of the underlying for each option.
    fn index(&self, at: Timestamp, rate: f64, underlying: impl Fn(&Value) -> f64 + Copy) -> ([Strip; 2], f64) {
        let strips = self.expiries.map(|expiry| {
            let years = expiry.since(at).nanos() as f64 / 1e9 / YEAR_SECONDS;
            Strip::new(&self.strip(expiry, underlying), years, rate).unwrap()
        });
        let vol = strip_vol_at(&strips[0], &strips[1], FORTNIGHT).unwrap();
        (strips, vol * 100.0)
    }
}

#[track_caller]
fn close(what: &str, got: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((got / expected - 1.0).abs() < 1e-12, "{what}: {got}, published {expected}");
}

#[test]
fn the_published_index_is_reproduced_in_all_its_steps() {
    let Some(evidence) = evidence("the_published_index_is_reproduced_in_all_its_steps") else { return };
    // The index counts from the full minute and takes one price of the underlying for all options.
    let minute = evidence.at.floor(Duration::from_nanos(60_000_000_000));
    let ([near, next], index) = evidence.index(minute, evidence.rate, |_| evidence.underlying);
    let published = &evidence.result["intermediates"];
    for (strip, names) in [
        (&near, ["T1", "F1", "FS1", "nearContribution", "nearModSigmaSquared", "finalNearBook", "nearForwardStrike"]),
        (&next, ["T2", "F2", "FS2", "nextContribution", "nextModSigmaSquared", "finalNextBook", "nextForwardStrike"]),
    ] {
        close("years", strip.years, &published[names[0]]);
        close("forward", strip.forward, &published[names[1]]);
        close("base strike", strip.base_strike, &published[names[2]]);
        close("contribution", strip.contribution, &published[names[3]]);
        close("total variance", strip.total_variance, &published[names[4]]);
        let book = published[names[5]].as_array().unwrap();
        assert_eq!(strip.strikes, book.len());
        close("lowest", strip.lowest, &book[0][1]["strikePrice"]);
        close("highest", strip.highest, &book[book.len() - 1][1]["strikePrice"]);
        close("parity strike", strip.parity_strike, &published[names[6]]);
        // The published method takes the venue's mark for a middle over 1.5 times the mark. It never did here, so that nothing of
        // ours depends on a mark.
        assert!(book.iter().all(|row| row[1]["source"] == "mid"));
    }
    close("index", index, &evidence.result["dVol"]);
    close("inverse", 1e4 / index, &evidence.result["invdVol"]);
}

#[test]
fn each_difference_of_method_is_small_and_known() {
    let Some(evidence) = evidence("each_difference_of_method_is_small_and_known") else { return };
    let published = evidence.result["dVol"].as_f64().unwrap();
    let minute = evidence.at.floor(Duration::from_nanos(60_000_000_000));
    let own = |option: &Value| option["underlyingPrice"].as_f64().unwrap();
    let one = |_: &Value| evidence.underlying;
    let exact_time = evidence.index(evidence.at, evidence.rate, one).1 - published;
    let own_underlying = evidence.index(minute, evidence.rate, own).1 - published;
    let no_rate = evidence.index(minute, 0.0, one).1 - published;
    println!(
        "vol points: exact time {exact_time:+.6}, each option's own underlying {own_underlying:+.4}, no rate {no_rate:+.4}"
    );
    assert!(exact_time.abs() < 1e-4 && own_underlying.abs() < 0.2 && no_rate.abs() < 0.05);

    // The fitted surface of the same quotes: an integral over all strikes in place of a sum over the listed ones.
    let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings { one_tick: 0.0, ..ChainSettings::default() });
    let counts = chain.read(evidence.options.iter().map(|option| OptionQuote {
        expiry: time(&option["expirationDate"]),
        strike: option["strikePrice"].as_f64().unwrap(),
        kind: if option["optionType"] == "call" { OptionKind::Call } else { OptionKind::Put },
        bid: option["bestBidPrice"].as_f64(),
        ask: option["bestAskPrice"].as_f64(),
        tick: 5e-4,
        at: time(&option["timestamp"]),
        forward: None,
    }));
    assert_eq!((counts.new, counts.refused), (79, 0));
    chain.remake_all(evidence.at);
    let surface = Surface::fit(chain.smiles()).unwrap();
    let swap = surface.tenor(FORTNIGHT).unwrap().variance_swap();
    println!(
        "published {published:.2}, of the fitted surface {:.2}, {:.2} % of its variance beyond the quotes",
        swap.vol * 100.0,
        swap.beyond_quotes() * 100.0
    );
    assert!((swap.vol * 100.0 - published).abs() < 1.0 && swap.beyond_quotes() < 0.2);
}
