//! One policy with every technique, on all recorded bars, with one of them switched off at a time; and one of two coins with those of a
//! portfolio.

use super::Failed;
use super::data::Data;
use super::figures::{Draws, Measure, days, drawdown, each, quantile, run, signed, tail, total, vol, volvol};
use backtest::VariantPath;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::random::Random;

/// Recorded bars that a policy runs on. Those of one period are not independent of each other.
struct Market {
    period: &'static str,
    /// Files, each with its coin.
    files: &'static [(&'static str, &'static str)],
}

const fn market(period: &'static str, files: &'static [(&'static str, &'static str)]) -> Market {
    Market { period, files }
}

/// All files of bars.
const ONE: [Market; 29] = [
    market("2014–2018", &[("bars_daily/BTCUSD_coinbase_1d_2014_2018", "BTC")]),
    market("2017–2022", &[("bars_multiyear/BTCUSDT_binance_spot_1h_2017_2022", "BTC")]),
    market("2017–2022", &[("bars_multiyear/ETHUSDT_binance_spot_1h_2017_2022", "ETH")]),
    market("2018–2024", &[("bars_daily/BTCUSD_cryptocompare_1d", "BTC")]),
    market("2018–2024", &[("bars_daily/ETHUSD_cryptocompare_1d", "ETH")]),
    market("2020 crash", &[("bars_crash/2020-03_BTCUSDT_binance_spot_5m", "BTC")]),
    market("2021 crash", &[("bars_crash/2021-05_BTCUSDT_binance_spot_1m", "BTC")]),
    market("2021 crash", &[("bars_crash/2021-05_ETHUSDT_binance_spot_1m", "ETH")]),
    market("2021 crash", &[("bars_crash/2021-05_LINKUSDT_binance_spot_1m", "LINK")]),
    market("2021 crash", &[("bars_crash/2021-05_DOGEUSDT_binance_spot_1m", "DOGE")]),
    market("2022 crash", &[("bars_crash/2022-05_BTCUSDT_okx_swap_5m", "BTC")]),
    market("2022 crash", &[("bars_crash/2022-05_ETHUSDT_okx_swap_5m", "ETH")]),
    market("2022 crash", &[("bars_crash/2022-05_SOLUSDT_okx_swap_5m", "SOL")]),
    market("2022 crash", &[("bars_crash/2022-06_BTCUSDT_binance_perp_5m", "BTC")]),
    market("2022 crash", &[("bars_crash/2022-06_ETHUSDT_binance_perp_5m", "ETH")]),
    market("2023", &[("bars_minute/2023-03_BTCUSDT_binance_spot_1m", "BTC")]),
    market("2023", &[("bars_minute/2023-03_ETHUSDT_binance_spot_1m", "ETH")]),
    market("2023", &[("bars_minute/2023-03_SOLUSDT_binance_spot_1m", "SOL")]),
    market("2023", &[("bars_minute/2023_BTCUSDT_binance_perp_5m", "BTC")]),
    market("2023", &[("bars_minute/2023_ETHUSDT_binance_perp_5m", "ETH")]),
    market("2023–2024", &[("bars_multiyear/BTCUSDT_binance_perp_15m_2023_2024", "BTC")]),
    market("2023–2024", &[("bars_multiyear/ETHUSDT_binance_perp_15m_2023_2024", "ETH")]),
    market("2024–2026", &[("bars_daily/BTCUSDT_binance_1d_2024_2026", "BTC")]),
    market("2024–2026", &[("bars_daily/ETHUSDT_binance_1d_2024_2026", "ETH")]),
    market("2025 spring", &[("bars_minute/2025-03_BTC_hyperliquid_5m", "BTC")]),
    market("2025 spring", &[("bars_minute/2025-05_BTCUSDT_binance_perp_1m", "BTC")]),
    market("2025 spring", &[("bars_minute/2025-05_ETHUSDT_binance_perp_1m", "ETH")]),
    market("2025 spring", &[("bars_minute/2025-05_SOLUSDT_binance_perp_1m", "SOL")]),
    market("2025 crash", &[("bars_crash/2025-10_BTCUSDT_binance_perp_5m", "BTC")]),
];

/// Two coins at once, for a year or longer.
const TWO: [Market; 4] = [
    market(
        "2017–2022",
        &[
            ("bars_multiyear/BTCUSDT_binance_spot_1h_2017_2022", "BTC"),
            ("bars_multiyear/ETHUSDT_binance_spot_1h_2017_2022", "ETH"),
        ],
    ),
    market(
        "2018–2024",
        &[("bars_daily/BTCUSD_cryptocompare_1d", "BTC"), ("bars_daily/ETHUSD_cryptocompare_1d", "ETH")],
    ),
    market(
        "2023–2024",
        &[
            ("bars_multiyear/BTCUSDT_binance_perp_15m_2023_2024", "BTC"),
            ("bars_multiyear/ETHUSDT_binance_perp_15m_2023_2024", "ETH"),
        ],
    ),
    market(
        "2024–2026",
        &[("bars_daily/BTCUSDT_binance_1d_2024_2026", "BTC"), ("bars_daily/ETHUSDT_binance_1d_2024_2026", "ETH")],
    ),
];

/// Bars of the breakout, and how volatility is estimated, as a file's bars and length allow.
fn pace(file: &str) -> (&'static str, &'static str) {
    match file {
        file if file.contains("_1d") => ("1d", "ewma(20d, 1d)"),
        file if file.contains("multiyear") || file.contains("/2023_") => ("4h", "ewma(10d, 1h)"),
        _ => ("1h", "ewma(3d, 30m)"),
    }
}

/// Every technique that a policy on one contract may have, at the values of the examples.
fn all(market: &Market) -> String {
    let (bar, volatility) = pace(market.files[0].0);
    let coin = market.files[0].1;
    format!(
        r#"
        policy = 1
        name = "all"
        instrument = "binance:{coin}USDT-PERP"
        [signal]
        kind = "donchian"
        bar = "{bar}"
        entry = 30
        exit = 15
        [unit]
        n = "atr(20, {bar})"
        [size]
        kind = "volatility_target"
        target = "40%"
        volatility = "{volatility}"
        volatility_floor = "25%"
        exposure_cap = 1.5
        [pyramid]
        weights = [4, 3, 2, 1]
        step = "1N"
        [stop]
        initial = "3N"
        follow = "last_fill"
        trail = "6N"
        break_even_after = 1
        [ladder]
        at = ["2R", "4R"]
        fractions = [0.25, 0.25]
        [streak]
        factor = 1.25
        cap = 2.0
        [floor]
        of = "highest"
        share = "75%"
        multiplier = 6
        [caps]
        leverage = 2.0
        leverage_restore = 1.6
        drawdown = [
            {{ at = "10%", restore = "5%", factor = 0.5 }},
            {{ at = "20%", restore = "10%", factor = 0.0 }},
        ]
        rearm = "20d"
        daily_loss = "3%"
        weekly_loss = "6%"
        open_risk = "4%"
        liquidation_distance = "10%"
        [backtest]
        deposit = "1_000_000 USDT"
        slippage = "2bp"
        "#
    )
}

/// What two coins in one account may have, at the values of the manual.
fn portfolio(market: &Market) -> String {
    let (bar, volatility) = pace(market.files[0].0);
    let instruments: Vec<String> =
        market.files.iter().map(|(_, coin)| format!("\"binance:{coin}USDT-PERP\"")).collect();
    format!(
        r#"
        policy = 1
        name = "portfolio"
        instruments = [{}]
        [allocation]
        correlation = "90d"
        drawdown = "30%"
        drawdown_window = "365d"
        [signal]
        kind = "donchian"
        bar = "{bar}"
        entry = 30
        exit = 15
        [size]
        kind = "volatility_target"
        target = "40%"
        volatility = "{volatility}"
        volatility_floor = "25%"
        resize = "continuous"
        [trade]
        buffer = "10%"
        [caps]
        leverage = 3.0
        [[limits]]
        name = "tail"
        of = "es(97.5%, 1d)"
        over = "6%"
        restore = "5%"
        cut = "cheapest"
        [backtest]
        deposit = "1_000_000 USDT"
        slippage = "2bp"
        "#,
        instruments.join(", ")
    )
}

/// A technique on a market: days with all and without it, and what both traded and cost.
struct Pair {
    period: usize,
    with: Vec<f64>,
    without: Vec<f64>,
    turnover: Option<(f64, f64)>,
    cost: Option<(f64, f64)>,
}

const DRAWS: u64 = 400;
const MEASURES: [(&str, Measure); 5] = [
    ("volatility", vol),
    ("volatility of volatility", volvol),
    ("worst 2.5 % of days", tail),
    ("worst drawdown", drawdown),
    ("return", total),
];

/// The policy on a market, once for each technique without it: of which, and the paths.
type Done = (usize, Vec<VariantPath>);

/// A policy for a market.
type Written = fn(&Market) -> String;

/// Runs a policy on some of the markets.
fn done(data: &Data, markets: &[Market], which: Vec<usize>, policy: Written) -> Result<Vec<Done>, Failed> {
    let mut pieces: Vec<(usize, Vec<PathBuf>)> = Vec::new();
    for at in which {
        let mut tapes = Vec::new();
        for (file, coin) in markets[at].files {
            let bars = data.bars(file, coin)?;
            if file.contains("/2023_") {
                let name = format!("{coin}-2023");
                tapes.push(data.cut(
                    &[bars, data.funding(coin)?],
                    &name,
                    "2023-01-01T00:00:00",
                    "2024-01-01T00:00:00",
                )?);
            } else {
                tapes.push(bars);
                if file.contains("perp_15m") {
                    tapes.push(data.funding(coin)?);
                }
            }
        }
        pieces.push((at, tapes));
    }
    each(pieces, |(at, tapes)| {
        let run = run(markets[at].files[0].0, policy(&markets[at]), &tapes)?;
        Ok((at, backtest::ablation_paths(&run, 1, &mut |_| ControlFlow::Continue(()))?))
    })
}

/// What came of the policy on each market, a row each: losses as plainly as gains.
fn by_market(markets: &[Market], done: &[Done]) -> String {
    let mut text = String::from(
        "| file | return, % | of its twin, % | volatility, % a year | worst drawdown, % | of its twin, % | the best return without one \
         technique, % | the worst, % |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (at, paths) in done {
        let [all, rest @ .., twin] = &paths[..] else { continue };
        let of = |path: &VariantPath, measure: Measure| measure(&days(&path.times, &path.growth));
        let percent =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{:.1}", value * 100.0));
        // The first of equals.
        let mut without: Vec<(f64, &str)> =
            rest.iter().filter_map(|path| Some((of(path, total)?, path.row.variant.as_str()))).collect();
        without.sort_by(|one, other| one.0.total_cmp(&other.0));
        let told = |found: Option<&(f64, &str)>| {
            found.map_or_else(|| "–".to_owned(), |(value, name)| format!("{:.1} {name}", value * 100.0))
        };
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            markets[*at].files.iter().map(|(file, _)| format!("`{file}`")).collect::<Vec<_>>().join(" and "),
            percent(of(all, total)),
            percent(of(twin, total)),
            percent(of(all, vol)),
            percent(of(all, drawdown)),
            percent(of(twin, drawdown)),
            told(without.last()),
            told(without.first()),
        );
    }
    signed(&text)
}

/// The rows of the files of daily bars.
pub(super) fn part(data: &Data) -> Result<String, Failed> {
    let mut rows = String::new();
    for (markets, policy) in [(&ONE[..], all as Written), (&TWO[..], portfolio)] {
        let daily = (0..markets.len()).filter(|at| markets[*at].files[0].0.starts_with("bars_daily/"));
        rows += &by_market(markets, &done(data, markets, daily.collect(), policy)?);
    }
    Ok(rows)
}

/// The tables.
pub(super) fn figures(data: &Data) -> Result<String, Failed> {
    let mut text = String::new();
    for (markets, policy, title) in [
        (&ONE[..], all as Written, "files of bars"),
        (&TWO[..], portfolio, "pairs of files, BTC and ETH in one account,"),
    ] {
        let done = done(data, markets, (0..markets.len()).collect(), policy)?;
        text += &effects(markets, &done, title)?;
        text += "\nThe policy with all of them, file by file, and its return with that one technique switched off whose absence helped \
                 most, and least:\n\n";
        text += &by_market(markets, &done);
    }
    Ok(text + "\n")
}

/// What each technique changed, in the mean over markets.
fn effects(markets: &[Market], done: &[Done], title: &str) -> Result<String, Failed> {
    let mut periods: Vec<&str> = markets.iter().map(|market| market.period).collect();
    periods.dedup();
    let mut pairs: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for (at, paths) in done {
        let period = periods.iter().position(|known| *known == markets[*at].period).unwrap_or_default();
        let Some((all, rest)) = paths.split_first() else { continue };
        let with = days(&all.times, &all.growth);
        for other in rest {
            let name = other.row.variant.clone();
            if !order.contains(&name) {
                order.push(name.clone());
            }
            let without = days(&other.times, &other.growth);
            // What did nothing on a market says nothing of what it does.
            if without != with && without.len() == with.len() {
                pairs.entry(name).or_default().push(Pair {
                    period,
                    with: with.clone(),
                    without,
                    turnover: all.row.turnover.zip(other.row.turnover),
                    cost: all.row.cost.zip(other.row.cost),
                });
            }
        }
    }
    let lines = each(order.clone(), |name: String| {
        let Some(own) = pairs.get(&name) else {
            return Ok(format!("| {} | 0 | – | – | – | – | – | – | – |\n", spoken(&name)));
        };
        let mut cells = vec![own.len().to_string()];
        for (_, measure) in MEASURES {
            cells.push(difference(own, measure));
        }
        for read in [|pair: &Pair| pair.turnover, |pair: &Pair| pair.cost.map(|(a, b)| (a * 100.0, b * 100.0))] {
            let mut found: Vec<f64> =
                own.iter().filter_map(|pair| read(pair).map(|(with, without)| with - without)).collect();
            let middle = quantile(&mut found, 0.5);
            cells.push(middle.map_or_else(|| "–".to_owned(), |middle| format!("{middle:+.2}")));
        }
        Ok(format!("| {} | {} |\n", spoken(&name), cells.join(" | ")))
    })?;
    let mut text = format!(
        "\n{} {title} of {} periods. Each cell is the mean over files of the figure with the technique less that without it, in \
         percentage points, and in parentheses where 90 % of draws lie; of turnover (× equity) and costs (% of equity, both a year or of \
         the whole where shorter than 64 days) the median difference.\n\n",
        markets.len(),
        periods.len()
    );
    let heads: Vec<&str> = MEASURES.iter().map(|(name, _)| *name).collect();
    text += &format!("| technique | acted on | {} | turnover | costs |\n", heads.join(" | "));
    text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    lines.iter().for_each(|line| text += line);
    Ok(signed(&text))
}

/// `pyramid` of `without pyramid`.
fn spoken(name: &str) -> String {
    match name.strip_prefix("without ") {
        Some(technique) => technique.to_owned(),
        None => "all of them (against the twin)".to_owned(),
    }
}

/// The mean difference over markets with its interval: periods are drawn with replacement, and in each market blocks of days, the same
/// of both paths.
fn difference(pairs: &[Pair], measure: Measure) -> String {
    let usable: Vec<&Pair> =
        pairs.iter().filter(|pair| measure(&pair.with).zip(measure(&pair.without)).is_some()).collect();
    if usable.is_empty() {
        return "–".to_owned();
    }
    let of = |with: &[f64], without: &[f64]| measure(with).zip(measure(without)).map(|(with, without)| with - without);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let point: Vec<f64> = usable.iter().filter_map(|pair| of(&pair.with, &pair.without)).collect();
    let mut periods: Vec<usize> = usable.iter().map(|pair| pair.period).collect();
    periods.sort_unstable();
    periods.dedup();
    let draws: Vec<Option<Draws<'_>>> =
        usable.iter().enumerate().map(|(at, pair)| Draws::new(&pair.without, at as u64 + 1)).collect();
    let random = Random::new(99);
    let mut means: Vec<f64> = (0..DRAWS)
        .filter_map(|index| {
            let mut found = Vec::new();
            for at in 0..periods.len() as u64 {
                let [place, _] = random.uniform(index, at);
                let period = periods[((place * periods.len() as f64) as usize).min(periods.len() - 1)];
                for (number, pair) in usable.iter().enumerate().filter(|(_, pair)| pair.period == period) {
                    let Some(draws) = &draws[number] else { continue };
                    // Another draw each time that a period comes.
                    let draw = index * 64 + at;
                    found.extend(of(&draws.of(draw, &pair.with), &draws.of(draw, &pair.without)));
                }
            }
            (!found.is_empty()).then(|| mean(&found))
        })
        .collect();
    let (low, high) = (quantile(&mut means, 0.05), quantile(&mut means, 0.95));
    let shown = |value: f64| format!("{:+.1}", value * 100.0);
    match low.zip(high) {
        Some((low, high)) => format!("{} ({} … {})", shown(mean(&point)), shown(low), shown(high)),
        None => shown(mean(&point)),
    }
}
