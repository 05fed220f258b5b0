//! A year of one-minute bars in many instruments, made, then backtested under one policy: how long it takes and how much
//! memory, tapes read, twin and run folder included.

use crate::Prices;
use backtest::{PolicyFile, Request};
use clap::Parser;
use market::{Bar, Catalogue, Event, Instrument, InstrumentKind};
use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tape::{Provenance, TapeHeader, TapeWriter};
use units::{Duration, InstrumentId, Price, Qty, Timestamp};

/// Makes the tapes once and backtests them.
#[derive(Parser)]
pub struct Arguments {
    /// Seed of the price walks.
    #[arg(long, default_value_t = 20_240_607)]
    seed: u64,
    /// How many instruments.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    instruments: u32,
    /// How many one-minute bars of each: a year is 525600.
    #[arg(long, default_value_t = 525_600)]
    bars: u32,
    /// Where the tapes are made, or were made before.
    #[arg(long, default_value = "target/year")]
    folder: PathBuf,
    /// Runs; the median is printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
}

type Failure = Box<dyn std::error::Error>;

/// 2024-01-01.
const START: Timestamp = Timestamp::from_nanos(1_704_067_200_000_000_000);
const MINUTE: Duration = Duration::from_nanos(60_000_000_000);
/// Steps of the walk in a bar, so that its extremes are a path's.
const STEPS: usize = 4;
/// How far a step of the walk is widened: to some 7 % a year.
const WIDENED: i64 = 2;

const RULES: &str = r#"
[signal]
kind = "donchian"
bar = "1h"
entry = 48
exit = 24

[unit]
n = "atr(24, 1h)"

[size]
kind = "volatility_target"
target = "60%"
volatility = "ewma(10d, 1h)"
volatility_floor = "15%"

[pyramid]
weights = [4, 3, 2, 1]
step = "1N"

[stop]
initial = "3N"
follow = "last_fill"
trail = "6N"

[ladder]
at = ["2R", "4R"]
fractions = [0.25, 0.25]

[caps]
leverage = 4.0
leverage_restore = 3.5
drawdown = [{ at = "30%", restore = "20%", factor = 0.5 }, { at = "60%", restore = "40%", factor = 0.0 }]
"#;

fn symbol(at: u32) -> String {
    format!("binance:A{at:03}USDT-PERP")
}

fn policy(instruments: u32) -> String {
    let mut text = String::from("policy = 1\nname = \"year\"\ninstruments = [\n");
    for at in 0..instruments {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "    \"{}\",", symbol(at));
    }
    if instruments == 1 {
        text = format!("policy = 1\nname = \"year\"\ninstrument = \"{}\"\n", symbol(0));
        return text + RULES;
    }
    text + "]\n" + RULES
}

fn tape(arguments: &Arguments, at: u32) -> Result<PathBuf, Failure> {
    let name = format!("{}-{}-{at}.tape", arguments.seed, arguments.bars);
    let path = arguments.folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    let instrument = Instrument {
        symbol: symbol(at),
        kind: InstrumentKind::LinearPerpetual,
        base: format!("A{at:03}").parse()?,
        quote: "USDT".parse()?,
        settle: "USDT".parse()?,
        tick: Price::from_raw(Price::ONE / 10),
        lot: Qty::from_raw(Qty::ONE / 1_000),
        min_qty: Qty::from_raw(Qty::ONE / 1_000),
    };
    let catalogue = Catalogue { instruments: vec![instrument], series: Vec::new() };
    let header = TapeHeader { catalogue, provenance: Provenance::default() };
    let mut writer = TapeWriter::create(&path, &header)?;
    let mut prices = Prices::new(arguments.seed, u64::from(at));
    let first = Price::from_raw(50_000 * Price::ONE);
    let mut close = first;
    for minute in 0..i64::from(arguments.bars) {
        let open = close;
        let (mut high, mut low) = (open, open);
        for price in prices.by_ref().take(STEPS) {
            close = Price::from_raw(first.raw() + (price.raw() - first.raw()) * WIDENED);
            (high, low) = (high.max(close), low.min(close));
        }
        let opened = START + Duration::from_nanos(minute * MINUTE.nanos());
        let closed = opened + MINUTE;
        let volume = Qty::from_raw(Qty::ONE * (1 + minute % 50));
        let bar = Bar { instrument: InstrumentId(0), opened, closed, open, high, low, close, volume };
        writer.push(closed, closed, &Event::Bar(bar))?;
    }
    writer.finish()?;
    Ok(path)
}

/// The largest resident set of this process so far, in MB; where the system tells.
fn peak_megabytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1_000)
}

/// Runs it and gives the figures.
pub fn measure(arguments: &Arguments) -> Result<serde_json::Value, Failure> {
    fs::create_dir_all(&arguments.folder)?;
    let tapes = (0..arguments.instruments).map(|at| tape(arguments, at)).collect::<Result<Vec<_>, _>>()?;
    let request = Request {
        policies: vec![PolicyFile::new("year.toml", policy(arguments.instruments))],
        tapes,
        program: "workload".to_owned(),
        seed: Some(arguments.seed),
    };
    let mut seconds = Vec::new();
    let mut figures = serde_json::Value::Null;
    for _ in 0..arguments.runs {
        let begun = Instant::now();
        let run = backtest::run(&request, &mut |_| ControlFlow::Continue(()))?;
        let out: &Path = &arguments.folder.join("run");
        run.write(out, true)?;
        seconds.push(begun.elapsed().as_secs_f64());
        figures = serde_json::json!({
            "bars": run.record.bars,
            "inputs": run.record.inputs,
            "fills": run.tables.fills.len(),
            "rows": run.tables.positions.len(),
            "residual": run.record.residual,
            "chain": run.record.chain,
        });
    }
    seconds.sort_by(f64::total_cmp);
    figures["seconds"] = seconds[seconds.len() / 2].into();
    figures["fastest"] = seconds[0].into();
    figures["peak_megabytes"] = peak_megabytes().into();
    figures["runs"] = arguments.runs.into();
    Ok(figures)
}
