#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
//! The formatter against the cases that an independent program computed (`vectors/format.py`).

use serde_json::Value;
use std::collections::BTreeMap;
use units::show::{self, Style};
use units::{Duration, Timestamp};

const CASES: &str = include_str!("../../../vectors/format.json");

fn shown(function: &str, args: &[&str], style: Style) -> String {
    let double = |at: usize| args[at].parse::<f64>().unwrap();
    let whole = |at: usize| args[at].parse::<usize>().unwrap();
    let nanos = || args[0].parse::<i64>().unwrap();
    match function {
        "number" => show::number(double(0), whole(1), style),
        "percent" => show::percent(double(0), whole(1), style),
        "basis_points" => show::basis_points(double(0), style),
        "price" => show::price(args[0].parse().unwrap(), args[1].parse().unwrap(), style),
        "qty" => show::qty(args[0].parse().unwrap(), args[1].parse().unwrap(), style),
        "money" => show::money(args[0].parse().unwrap(), whole(1), style),
        "money_estimate" => show::money_estimate(double(0), whole(1), style),
        "significant" => show::significant(double(0), whole(1), style),
        "change" => show::change(double(0), double(1), whole(2), style),
        "count" => show::count(args[0].parse().unwrap(), style),
        "time" => show::time(Timestamp::from_nanos(nanos())),
        "day" => show::day(Timestamp::from_nanos(nanos())),
        "duration" => show::duration(Duration::from_nanos(nanos()), style),
        other => panic!("a case for an unknown function `{other}`"),
    }
}

#[test]
fn every_golden_case_reads_the_same_here() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let mut seen = BTreeMap::<&str, u32>::new();
    for case in &cases {
        let function = case["function"].as_str().unwrap();
        let args: Vec<&str> = case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        for (style, name) in [(Style::Page, "page"), (Style::Terminal, "terminal")] {
            assert_eq!(shown(function, &args, style), case[name].as_str().unwrap(), "{function}{args:?} on a {name}");
        }
        *seen.entry(function).or_default() += 1;
    }
    assert_eq!(seen.len(), 13, "each function has cases: {seen:?}");
    assert!(seen["number"] > 200);
}

#[test]
fn the_sign_of_a_change_is_that_of_the_displayed_difference() {
    assert_eq!(show::change_sign(1.04, 0.96, 1), 0, "both read 1.0");
    assert_eq!(show::change_sign(1.06, 0.96, 1), 1);
    assert_eq!(show::change_sign(-0.2, 0.2, 0), 0);
    assert_eq!(show::change_sign(f64::NAN, 0.2, 0), 0);
}
