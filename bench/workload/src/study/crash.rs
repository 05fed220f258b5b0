//! A levered long on the days that prices crashed, with one protection at a time.

use super::Failed;
use super::data::Data;
use super::figures::{each, quantile, run, signed};
use backtest::Run;
use std::path::PathBuf;
use units::Timestamp;

/// A crash: its markets, when positions are opened, when the window ends, and the day.
struct Crash {
    name: &'static str,
    /// Files of bars, coins, and a file of funding if some is recorded.
    markets: &'static [(&'static str, &'static str)],
    /// The last of them lets N become known on the day before.
    starts: &'static [&'static str],
    end: &'static str,
    day: &'static str,
}

const CRASHES: [Crash; 3] = [
    Crash {
        name: "19 May 2021",
        markets: &[
            ("bars_crash/2021-05_BTCUSDT_binance_spot_1m", "BTC"),
            ("bars_crash/2021-05_ETHUSDT_binance_spot_1m", "ETH"),
            ("bars_crash/2021-05_LINKUSDT_binance_spot_1m", "LINK"),
            ("bars_crash/2021-05_DOGEUSDT_binance_spot_1m", "DOGE"),
        ],
        starts: &["2021-05-14", "2021-05-16", "2021-05-18"],
        end: "2021-05-20T20:00:00",
        day: "2021-05-19",
    },
    Crash {
        name: "13 June 2022",
        markets: &[
            ("bars_crash/2022-06_BTCUSDT_binance_perp_5m", "BTC"),
            ("bars_crash/2022-06_ETHUSDT_binance_perp_5m", "ETH"),
            ("bars_crash/2022-05_SOLUSDT_okx_swap_5m", "SOL"),
        ],
        starts: &["2022-06-08", "2022-06-10", "2022-06-12"],
        end: "2022-06-20T00:00:00",
        day: "2022-06-13",
    },
    Crash {
        name: "10 October 2025",
        markets: &[("bars_crash/2025-10_BTCUSDT_binance_perp_5m", "BTC")],
        starts: &["2025-10-05", "2025-10-07", "2025-10-09"],
        end: "2025-10-14T00:00:00",
        day: "2025-10-10",
    },
];

const UNIT: &str = "[unit]\nn = \"atr(24, 1h)\"\n";

/// A protection: its name, what it adds to the policy, and whether it sizes instead of the fixed fraction.
const PROTECTIONS: [(&str, &str, bool); 11] = [
    ("none", "", false),
    ("leverage cap 3.3, back to 3.0", "[caps]\nleverage = 3.3\nleverage_restore = 3.0\n", false),
    (
        "drawdown ladder: half at 10 %, flat at 20 %",
        "[caps]\ndrawdown = [{ at = \"10%\", restore = \"5%\", factor = 0.5 }, \
         { at = \"20%\", restore = \"10%\", factor = 0.0 }]\n",
        false,
    ),
    ("daily loss 5 %, flat", "[caps]\ndaily_loss = \"5%\"\non_loss = \"flat\"\n", false),
    ("stop 4 N", "UNIT[stop]\ninitial = \"4N\"\n", false),
    ("open risk 5 % to a stop of 8 N", "UNIT[stop]\ninitial = \"8N\"\n[caps]\nopen_risk = \"5%\"\n", false),
    (
        "liquidation distance 25 % behind a stop of 8 N",
        "UNIT[stop]\ninitial = \"8N\"\n[caps]\nliquidation_distance = \"25%\"\n",
        false,
    ),
    (
        "volatility target 100 %",
        "[size]\nkind = \"volatility_target\"\ntarget = \"100%\"\nvolatility = \"ewma(2d, 1h)\"\nexposure_cap = 3.0\n\
         [trade]\nbuffer = \"10%\"\n",
        true,
    ),
    ("floor 80 % of deposits, × 15", "[floor]\nof = \"deposits\"\nshare = \"80%\"\nmultiplier = 15\n", false),
    (
        "modes: flat after a day's loss of 6 %",
        "[modes]\nreduce_only = \"loss.day > 3%\"\nflatten = \"loss.day > 6%\"\n",
        false,
    ),
    (
        "all together",
        "UNIT[size]\nkind = \"volatility_target\"\ntarget = \"100%\"\nvolatility = \"ewma(2d, 1h)\"\nexposure_cap = 3.0\n\
         [trade]\nbuffer = \"10%\"\n[stop]\ninitial = \"4N\"\n[floor]\nof = \"deposits\"\nshare = \"80%\"\nmultiplier = 15\n\
         [caps]\nleverage = 3.3\nleverage_restore = 3.0\ndaily_loss = \"5%\"\non_loss = \"flat\"\nliquidation_distance = \"25%\"\n\
         open_risk = \"5%\"\ndrawdown = [{ at = \"10%\", restore = \"5%\", factor = 0.5 }, \
         { at = \"20%\", restore = \"10%\", factor = 0.0 }]\n\
         [modes]\nreduce_only = \"loss.day > 3%\"\nflatten = \"loss.day > 6%\"\n",
        true,
    ),
];

fn policy(coin: &str, (_, adds, sizes): (&str, &str, bool)) -> String {
    let size = if sizes { "" } else { "[size]\nkind = \"fixed_fraction\"\nfraction = 3.0\nresize = \"entry\"\n" };
    format!(
        "policy = 1\nname = \"held\"\ninstrument = \"binance:{coin}USDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n{size}{}\
         [backtest]\ndeposit = \"1_000_000 USDT\"\n",
        adds.replace("UNIT", UNIT)
    )
}

/// What a run came to.
struct Outcome {
    day: f64,
    whole: f64,
    drawdown: f64,
    liquidated: bool,
    turnover: f64,
    cost: f64,
    /// Minutes from a fall of 5 % since midnight to the first fill that sold something; none: nothing was sold, or the price did not fall
    /// so far.
    reaction: Option<f64>,
}

fn outcome(run: &Run, day: &str) -> Result<Outcome, Failed> {
    let midnight: Timestamp = format!("{day}T00:00:00").parse()?;
    let next = midnight + units::Duration::DAY;
    let rows = &run.tables.equity;
    let at = |time: Timestamp| rows.partition_point(|row| row.time <= time).saturating_sub(1);
    let worth = |at: usize| rows.get(at).map_or(1.0, |row| row.equity.approximate());
    let deposit = rows.first().map_or(1.0, |row| row.paid_in.approximate());
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let paid = &run.record.scaled;
    let prices = &run.tables.positions;
    let open = prices.iter().find(|row| row.time > midnight).map_or(0.0, |row| row.mark.approximate());
    let mut of_day = prices.iter().filter(|row| row.time > midnight && row.time <= next);
    let fallen = of_day.find(|row| row.mark.approximate() < 0.95 * open);
    let sold = fallen.and_then(|row| run.tables.fills.iter().find(|fill| fill.side == "sell" && fill.time >= row.time));
    let reaction = fallen.zip(sold).map(|(row, fill)| fill.time.since(row.time).nanos() as f64 / 60e9);
    Ok(Outcome {
        day: worth(at(next)) / worth(at(midnight)) - 1.0,
        whole: worth(rows.len().saturating_sub(1)) / deposit - 1.0,
        drawdown: rows.iter().map(|row| row.drawdown).fold(0.0, f64::max),
        liquidated: paid.liquidated.is_some(),
        turnover: number(&paid.traded) / deposit,
        cost: (number(&paid.fees) - number(&paid.funding) + number(&paid.slippage)) / deposit,
        reaction,
    })
}

/// The tables.
pub(super) fn figures(data: &Data) -> Result<String, Failed> {
    Ok(tables(data, &CRASHES)? + "\n")
}

/// The table of the last of them, which has one market.
pub(super) fn part(data: &Data) -> Result<String, Failed> {
    tables(data, &CRASHES[2..])
}

fn tables(data: &Data, crashes: &[Crash]) -> Result<String, Failed> {
    let mut text = String::new();
    for crash in crashes {
        let mut pieces: Vec<(usize, &str, Vec<PathBuf>)> = Vec::new();
        for (file, coin) in crash.markets {
            let mut tapes = vec![data.bars(file, coin)?];
            if *coin == "BTC" {
                tapes.push(data.older_funding(crash.day.starts_with("2025"))?);
            }
            for start in crash.starts {
                let name = format!("{}-{coin}-{start}", crash.day);
                let cut = data.cut(&tapes, &name, &format!("{start}T00:00:00"), crash.end)?;
                pieces.extend((0..PROTECTIONS.len()).map(|at| (at, *coin, vec![cut.clone()])));
            }
        }
        let paths = pieces.len() / PROTECTIONS.len();
        let outcomes = each(pieces, |(at, coin, tapes)| {
            let run = run(PROTECTIONS[at].0, policy(coin, PROTECTIONS[at]), &tapes)?;
            Ok((at, outcome(&run, crash.day)?))
        })?;
        let coins: Vec<&str> = crash.markets.iter().map(|(_, coin)| *coin).collect();
        text += &format!("\n### {}: {}, {paths} paths\n\n", crash.name, coins.join(", "));
        text += "| protection | P&L of the day, % | until the end, % | worst drawdown, % | liquidated | traded, × deposit | costs, % \
                 | reaction, minutes |\n";
        text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        for (at, (name, _, _)) in PROTECTIONS.iter().enumerate() {
            let own: Vec<&Outcome> = outcomes.iter().filter(|(of, _)| *of == at).map(|(_, outcome)| outcome).collect();
            let spread = |read: &dyn Fn(&Outcome) -> f64, times: f64, decimals: usize| {
                let mut values: Vec<f64> = own.iter().map(|outcome| read(outcome) * times).collect();
                let of = |share: f64, values: &mut Vec<f64>| quantile(values, share).unwrap_or(f64::NAN);
                let (low, middle, high) = (of(0.0, &mut values), of(0.5, &mut values), of(1.0, &mut values));
                format!("{middle:.decimals$} ({low:.decimals$} … {high:.decimals$})")
            };
            let liquidated = own.iter().filter(|outcome| outcome.liquidated).count();
            let mut reactions: Vec<f64> = own.iter().filter_map(|outcome| outcome.reaction).collect();
            let reacted = reactions.len();
            let reaction = quantile(&mut reactions, 0.5)
                .map_or_else(|| "–".to_owned(), |middle| format!("{middle:.0} ({reacted} of {paths})"));
            text += &format!(
                "| {name} | {} | {} | {} | {liquidated} of {paths} | {} | {} | {reaction} |\n",
                spread(&|outcome| outcome.day, 100.0, 1),
                spread(&|outcome| outcome.whole, 100.0, 1),
                spread(&|outcome| outcome.drawdown, 100.0, 1),
                spread(&|outcome| outcome.turnover, 1.0, 1),
                spread(&|outcome| outcome.cost, 100.0, 2),
            );
        }
    }
    Ok(signed(&text))
}
