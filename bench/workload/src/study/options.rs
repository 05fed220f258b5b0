//! The policies of options of `examples/` over the recorded chains.

use super::Failed;
use super::data::Data;
use super::figures::{Draws, days, drawdown, each, quantile, run, signed, tail, total, vol};
use std::path::{Path, PathBuf};

const POLICIES: [&str; 6] =
    ["covered-call", "covered-call-restored", "short-strangle", "hedged-strangle", "strangle-limits", "straddle"];
const DRAWS: u64 = 2_000;

/// What a policy on ten bitcoin says of three hundred ether, thirty times as many at a thirtieth of the price.
const ETHER: [(&str, &str); 9] = [
    ("deribit:BTC", "deribit:ETH"),
    ("(BTC)", "(ETH)"),
    ("\"10 BTC\"", "\"300 ETH\""),
    ("\"0.25 BTC\"", "\"7.5 ETH\""),
    ("\"1 BTC\"", "\"30 ETH\""),
    ("target = -2.25", "target = -67.5"),
    ("over = 0.0006", "over = 0.54"),
    ("restore = 0.0004", "restore = 0.36"),
    ("BTC-PERPETUAL", "ETH-PERPETUAL"),
];

/// A period: its name, whether it is of ether, the tenor of what is traded, and its tapes.
type Period = (&'static str, bool, i64, Vec<PathBuf>);

/// The tables.
pub(super) fn figures(data: &Data, root: &Path) -> Result<String, Failed> {
    let mut periods: Vec<Period> = Vec::new();
    for (name, coin) in [("27 January to 15 May 2026, BTC", "BTC"), ("27 January to 15 May 2026, ETH", "ETH")] {
        let mut tapes = Vec::new();
        for month in 1..=5 {
            tapes.push(data.chain(&format!("deribit_options_6h/{coin}_2026-0{month}"))?);
        }
        tapes.push(data.perpetual(&format!("bars_2026/{coin}USDT_binance_1h"), coin)?);
        periods.push((name, coin == "ETH", 30, tapes));
    }
    periods.push(june(data)?);
    Ok(tables(&periods, root)? + "\n")
}

/// The table of the month of which a chain a day is recorded.
pub(super) fn part(data: &Data, root: &Path) -> Result<String, Failed> {
    tables(&[june(data)?], root)
}

fn june(data: &Data) -> Result<Period, Failed> {
    let bars = data.perpetual("bars_multiyear/BTCUSDT_binance_spot_1h_2017_2022", "BTC")?;
    let bars = data.cut(&[bars], "june-2021", "2021-06-01T00:00:00", "2021-07-01T00:00:00")?;
    let tapes = vec![data.chain("deribit_eod_2021/BTC_2021-06")?, bars];
    Ok(("June 2021, BTC, chains at the end of each day", false, 14, tapes))
}

fn tables(periods: &[Period], root: &Path) -> Result<String, Failed> {
    let mut pieces = Vec::new();
    for (at, (_, is_ether, tenor, tapes)) in periods.iter().enumerate() {
        for policy in POLICIES {
            let mut text = std::fs::read_to_string(root.join(format!("examples/{policy}.toml")))?;
            if *is_ether {
                text = ETHER.iter().fold(text, |text, (from, to)| text.replace(from, to));
            }
            text = text.replace("days = 30", &format!("days = {tenor}"));
            if *tenor < 30 {
                // The venue's parameters of 2021 are not known.
                text = text.replace("option_margin = \"venue\"", "option_margin = \"15%\"");
            }
            pieces.push((at, policy, text, tapes.clone()));
        }
    }
    let rows = each(pieces, |(at, policy, text, tapes)| {
        let run = run(policy, text, &tapes)?;
        let columns = run.summary().columns();
        let own = days(&columns.times, &columns.equity);
        let twin = days(&columns.times, &columns.twin_equity);
        let interval = |of: &[f64]| {
            let draws = Draws::new(of, 17)?;
            let mut totals: Vec<f64> = (0..DRAWS).filter_map(|index| total(&draws.of(index, of))).collect();
            Some((quantile(&mut totals, 0.05)?, quantile(&mut totals, 0.95)?))
        };
        let percent =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{:.1}", value * 100.0));
        let shown = |of: &[f64]| {
            let between = interval(of).map(|(low, high)| format!(" ({:.1} … {:.1})", low * 100.0, high * 100.0));
            format!("{}{}", percent(total(of)), between.unwrap_or_default())
        };
        let deposit = run.tables.equity.first().map_or(1.0, |row| row.paid_in.approximate());
        let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
        let paid = &run.record.scaled;
        let cost = (number(&paid.fees) - number(&paid.funding) + number(&paid.slippage)) / deposit;
        let stops = run.tables.campaigns.len();
        let row = format!(
            "| [{policy}](../examples/{policy}.md) | {} | {} | {} | {} | {} | {:.2} | {} | {stops} |\n",
            shown(&own),
            shown(&twin),
            percent(vol(&own)),
            percent(drawdown(&own)),
            percent(tail(&own)),
            cost * 100.0,
            run.tables.fills.len(),
        );
        Ok((at, row))
    })?;
    let mut text = String::new();
    for (at, (name, ..)) in periods.iter().enumerate() {
        text +=
            &format!("\n### {name}\n\n| policy | return, % (90 % of draws) | of its twin, % | volatility, % a year ");
        text += "| worst drawdown, % of days | worst 2.5 % of days, % | costs, % | fills | campaigns |\n";
        text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        rows.iter().filter(|(of, _)| *of == at).for_each(|(_, row)| text += row);
    }
    Ok(signed(&text))
}
