//! What a policy declares of accounts, money, fees and positions from before, from its text to the run's tables.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

#[path = "common/tape.rs"]
mod tape_of;

use backtest::{Error, PolicyFile, Request, Run, verify};
use market::InstrumentKind;
use std::ops::ControlFlow;
use tape_of::{Walk, instrument, tape};
use units::{Cash, Timestamp};

const COSTLESS: &str = "half_spread = 0.0\nslippage = 0.0\nlatency = \"0ms\"\n";
const FREE: &str =
    "[backtest]\ntaker_fee = 0.0\nmaker_fee = 0.0\nhalf_spread = 0.0\nslippage = 0.0\nlatency = \"0ms\"\n";

/// A policy by its head and sections.
fn policy(name: &str, instruments: &str, sections: &str) -> PolicyFile {
    let text = format!("policy = 1\nname = \"{name}\"\ninstruments = [{instruments}]\n{sections}");
    PolicyFile::new(format!("{name}.toml"), text)
}

/// In at the value of a series, with a fixed amount.
fn follows(series: &str, notional: &str) -> String {
    format!(
        "[signal]\nkind = \"series\"\nseries = \"{series}\"\nmax_age = \"90d\"\nreentry = \"at_once\"\n\
         [size]\nkind = \"fixed_notional\"\nnotional = {notional}\nresize = \"entry\"\n"
    )
}

fn try_run(policies: Vec<PolicyFile>, walks: &[Walk], folder: &std::path::Path) -> Result<Run, Error> {
    let tapes = walks.iter().enumerate().map(|(at, walk)| tape(walk, &folder.join(format!("{at}.tape")))).collect();
    let request = Request { policies, tapes, program: "test".into(), seed: None };
    backtest::run(&request, &mut |_| ControlFlow::Continue(()))
}

fn done(policies: Vec<PolicyFile>, walks: &[Walk]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let run = try_run(policies, walks, folder.path()).unwrap();
    assert_eq!((run.record.residual.as_str(), run.record.triggers.unexplained), ("0", 0));
    let out = folder.path().join("run");
    run.write(&out, false).unwrap();
    assert_eq!(verify(&out, &mut |_| ControlFlow::Continue(())).unwrap().difference, None);
    run
}

fn refusal(policies: Vec<PolicyFile>, walks: &[Walk]) -> String {
    let folder = tempfile::tempdir().unwrap();
    try_run(policies, walks, folder.path()).unwrap_err().to_string()
}

fn usdt(symbol: &str) -> market::Instrument {
    instrument(symbol, InstrumentKind::LinearPerpetual, "BTC", "USDT", "USDT")
}

fn cash(text: &str) -> Cash {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The walk begins on 1 January 2024; each pair is an hour and what is told in it.
const BEGIN: &str = "2024-01-01T00:00:00Z";

#[test]
fn fees_fall_the_day_after_enough_was_traded() {
    // In and out on the first day: 2 × 100,000 at 10 bp; from the second day on 2 bp.
    let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 60])
        .telling("signal.x", &[(1, 1.0), (3, 0.0), (26, 1.0), (30, 0.0)]);
    let text = format!(
        "{}[[accounts]]\nvenue = \"binance\"\ndeposit = \"1_000_000 USDT\"\n[backtest]\n{COSTLESS}\
         fee_tiers = [{{ volume = \"0 USDT\", taker = \"10bp\", maker = \"5bp\" }}, \
         {{ volume = \"200_000 USDT\", taker = \"2bp\", maker = \"1bp\" }}]\n",
        follows("signal.x", "\"100_000 USDT\"")
    );
    let run = done(vec![policy("tiers", "\"binance:BTCUSDT-PERP\"", &text)], &[walk]);
    let fees: Vec<String> = run.tables.fills.iter().map(|fill| fill.fee.to_string()).collect();
    assert_eq!(fees, ["100", "100", "20", "20"]);
}

/// A linear contract in dollars beside an inverse one in coin. Each is entered and left for 100,000 dollars on the first day; what
/// the coin is worth in between is no matter, because the quantity of an inverse contract is its value in dollars.
#[test]
fn linear_and_inverse_contracts_count_their_value_in_dollars() {
    let signal = [(1, 1.0), (3, 0.0), (26, 1.0), (30, 0.0)];
    let coin = instrument("deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC");
    let prices: Vec<f64> = (0..60).map(|hour| if hour < 2 { 100.0 } else { 125.0 }).collect();
    let run_with = |volume: &str| {
        let text = format!(
            "{}[[accounts]]\nvenue = \"binance\"\ndeposit = \"1_000_000 USDT\"\n\
             [[accounts]]\nvenue = \"deribit\"\nnumeraire = \"BTC\"\ndeposit = \"10_000 BTC\"\n[backtest]\n{COSTLESS}\
             fee_tiers = [{{ volume = 0, taker = \"10bp\", maker = \"5bp\" }}, \
             {{ volume = \"{volume}\", taker = \"2bp\", maker = \"1bp\" }}]\n",
            follows("signal.x", "100_000")
        );
        let walks = [
            Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 60]).telling("signal.x", &signal),
            Walk::new(coin.clone(), BEGIN, &prices),
        ];
        let run = done(vec![policy("both", "\"binance:BTCUSDT-PERP\", \"deribit:BTC-PERPETUAL\"", &text)], &walks);
        let fees = |of: &str| -> Vec<String> {
            let own = run.tables.fills.iter().filter(|fill| &*fill.currency == of);
            own.map(|fill| fill.fee.to_string()).collect()
        };
        (fees("USDT"), fees("BTC"))
    };
    let owned = |fees: [&str; 4]| fees.map(str::to_owned).to_vec();
    // 1,000 coins at 100, 800 at 125: a thousandth of them, then two ten-thousandths.
    let (usd, btc) = run_with("200_000 USD");
    assert_eq!((usd, btc), (owned(["100", "100", "20", "20"]), owned(["1", "0.8", "0.16", "0.16"])));
    let (usd, btc) = run_with("200_000.01 USD");
    assert_eq!((usd, btc), (owned(["100", "100", "100", "100"]), owned(["1", "0.8", "0.8", "0.8"])));
}

/// 10 coins' worth each way: 1,000 dollars when the coin was at 100, 2,000 when it was at 200.
#[test]
fn value_in_coin_is_counted_at_the_mark_of_the_fill() {
    let pair = instrument("binance:ETHBTC-PERP", InstrumentKind::LinearPerpetual, "ETH", "BTC", "BTC");
    let prices: Vec<f64> = (0..60).map(|hour| if hour < 5 { 100.0 } else { 200.0 }).collect();
    let fees_with = |volume: &str| -> Vec<String> {
        let walks = [
            Walk::new(pair.clone(), BEGIN, &[0.05; 60])
                .telling("signal.x", &[(1, 1.0), (10, 0.0), (26, 1.0), (30, 0.0)]),
            Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &prices),
        ];
        let text = format!(
            "{}[[accounts]]\nvenue = \"binance\"\ndeposit = \"100 BTC\"\n[backtest]\n{COSTLESS}\
             fee_tiers = [{{ volume = \"0 USD\", taker = \"10bp\", maker = \"5bp\" }}, \
             {{ volume = \"{volume}\", taker = \"2bp\", maker = \"1bp\" }}]\n",
            follows("signal.x", "10")
        );
        let run = done(vec![policy("pair", "\"binance:ETHBTC-PERP\"", &text)], &walks);
        run.tables.fills.iter().map(|fill| fill.fee.to_string()).collect()
    };
    assert_eq!(fees_with("3_000 USD"), ["0.01", "0.01", "0.002", "0.002"]);
    assert_eq!(fees_with("3_000.01 USD"), ["0.01", "0.01", "0.01", "0.01"]);
    // What nothing tells is refused.
    let walk = Walk::new(pair.clone(), BEGIN, &[0.05; 10]).telling("signal.x", &[(1, 1.0)]);
    let text = format!(
        "{}[[accounts]]\nvenue = \"binance\"\ndeposit = \"100 BTC\"\n[backtest]\n\
         fee_tiers = [{{ volume = 0, taker = 0.001, maker = 0 }}, {{ volume = 9, taker = 0, maker = 0 }}]\n",
        follows("signal.x", "10")
    );
    let sentence = refusal(vec![policy("pair", "\"binance:ETHBTC-PERP\"", &text)], &[walk]);
    assert!(sentence.contains("count in USD") && sentence.contains("fills of binance:ETHBTC-PERP"), "{sentence}");
}

/// 1,000 dollars are 10 coins at 100 and 5 at 200: 200 or 100 of what costs 0.05 coins. A dollar is a dollar.
#[test]
fn the_largest_order_is_one_value_for_instruments_of_several_quotes() {
    let pair = instrument("binance:ETHBTC-PERP", InstrumentKind::LinearPerpetual, "ETH", "BTC", "BTC");
    let coin = instrument("binance:BTCUSD-PERP", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC");
    let quantities = |price: f64| {
        let signal = [(1, 0.0), (5, 1.0)];
        let walks = [
            Walk::new(pair.clone(), BEGIN, &[0.05; 30]).telling("signal.x", &signal),
            Walk::new(coin.clone(), BEGIN, &[price; 30]),
            Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[price; 30]),
        ];
        let text = format!(
            "{}[guards]\nmax_order = \"1_000 USDT\"\n[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\n\
             deposit = [\"1_000_000 USDT\", \"1_000 BTC\"]\n{FREE}",
            follows("signal.x", "20")
        );
        let listed = "\"binance:ETHBTC-PERP\", \"binance:BTCUSD-PERP\", \"binance:BTCUSDT-PERP\"";
        let text = text.replace("notional = 20", "notional = 2_000");
        let run = done(vec![policy("sizes", listed, &text)], &walks);
        let of = |symbol: &str| -> Vec<String> {
            let own = run.tables.fills.iter().filter(|fill| &*fill.instrument == symbol);
            own.map(|fill| fill.quantity.to_string()).collect()
        };
        let largest = of("binance:ETHBTC-PERP").into_iter().next().unwrap();
        (largest, of("binance:BTCUSD-PERP"), of("binance:BTCUSDT-PERP"))
    };
    let (coins, inverse, linear) = quantities(100.0);
    assert_eq!((coins.as_str(), inverse, linear), ("200", vec!["1000".to_owned(); 2], vec!["10".to_owned(); 2]));
    let (coins, inverse, linear) = quantities(200.0);
    assert_eq!((coins.as_str(), inverse, linear), ("100", vec!["1000".to_owned(); 2], vec!["5".to_owned(); 2]));
    // Without a price between them it is refused.
    let walks = [
        Walk::new(pair.clone(), BEGIN, &[0.05; 9]).telling("signal.x", &[(1, 0.0)]),
        Walk::new(
            instrument("binance:SOLETH-PERP", InstrumentKind::LinearPerpetual, "SOL", "ETH", "ETH"),
            BEGIN,
            &[0.1; 9],
        ),
    ];
    let text = format!("{}[trade]\ndust = \"50 USDT\"\n[backtest]\ndeposit = 9\n", follows("signal.x", "20"));
    let listed = "\"binance:ETHBTC-PERP\", \"binance:SOLETH-PERP\"";
    let sentence = refusal(vec![policy("sizes", listed, &text)], &walks);
    assert!(sentence.contains("`trade.dust` is in USDT") && sentence.contains("quoted in BTC"), "{sentence}");
}

#[test]
fn money_moves_between_accounts_and_currencies_at_its_time() {
    let perpetual = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 40]);
    let coin = instrument("deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC");
    let inverse = Walk::new(coin, BEGIN, &[100.0; 40]);
    let flow = |text: &str| format!("[[backtest.flows]]\n{text}\n");
    let flows = [
        "at = \"2024-01-01T05:30:00Z\"\ndeposit = \"1_000 USDT\"\naccount = \"binance\"",
        "at = \"2024-01-01T06:30:00Z\"\nwithdraw = \"1 BTC\"\naccount = \"deribit\"",
        "at = \"2024-01-01T07:30:00Z\"\nconvert = \"500 USDT\"\ninto = \"BTC\"\naccount = \"binance\"",
        "at = \"2024-01-01T08:30:00Z\"\ntransfer = \"5 BTC\"\nfrom = \"binance\"\nto = \"deribit\"",
        "at = \"2024-01-01T09:30:00Z\"\nwithdraw = \"900_000 USDT\"\naccount = \"binance\"",
    ];
    let text = format!(
        "{}[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\ndeposit = \"10_000 USDT\"\n\
         [[accounts]]\nvenue = \"deribit\"\nnumeraire = \"BTC\"\ndeposit = \"10 BTC\"\n{FREE}{}",
        follows("signal.x", "100"),
        flows.map(flow).concat()
    );
    let walks = [perpetual.telling("signal.x", &[(1, 0.0)]), inverse];
    let run = done(vec![policy("flows", "\"binance:BTCUSDT-PERP\", \"deribit:BTC-PERPETUAL\"", &text)], &walks);
    let told: Vec<String> = run
        .tables
        .flows
        .iter()
        .map(|row| format!("{} {} {} {}", row.account, row.reason, row.amount, row.currency))
        .collect();
    assert_eq!(
        told,
        [
            "0 deposit 10000 USDT",
            "1 deposit 10 BTC",
            "0 deposit 1000 USDT",
            "1 withdrawal -1 BTC",
            "0 conversion -500 USDT",
            "0 conversion 5 BTC",
            "0 transfer -5 BTC",
            "1 transfer 5 BTC",
        ]
    );
    // 10,500 dollars and 14 coins of 100. Paid in: 11,000 and 9 coins.
    let last = run.tables.equity.last().unwrap();
    assert_eq!((last.equity, last.paid_in), (cash("11900"), cash("11900")));
    assert_eq!(run.record.currency, "USD");
    let refused = "the withdrawal of 900000 USDT from account 0 at 2024-01-01T09:30:00Z was refused: 10500 were free";
    assert!(run.summary().integrity.notes.iter().any(|note| note == refused), "{:?}", run.record.refused_flows);
    let rows = &run.tables.accounts;
    assert_eq!((rows[rows.len() - 2].equity, rows[rows.len() - 1].equity), (cash("10500"), cash("14")));
    // No drawdown from money that was moved.
    assert!(run.tables.equity.iter().all(|row| row.drawdown == 0.0));
}

#[test]
fn coin_that_is_collateral_is_part_of_delta_and_of_equity() {
    let prices: Vec<f64> = (0..30).map(|hour| if hour < 15 { 100.0 } else { 80.0 }).collect();
    let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &prices).telling("signal.x", &[(1, 0.0), (20, -1.0)]);
    let text = format!(
        "{}[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\ndeposit = [\"1_000 USDT\", \"10 BTC\"]\n{FREE}",
        follows("signal.x", "\"800 USDT\"")
    );
    let run = done(vec![policy("collateral", "\"binance:BTCUSDT-PERP\"", &text)], &[walk]);
    let row = |hour: usize| &run.tables.equity[hour];
    // 1,000 of 2,000 are coin; then 800 of 1,800, a tenth under the highest; then a short of 10 coins hedges them.
    assert_eq!((row(2).equity, row(2).exposure, row(2).gross), (cash("2000"), 0.5, 0.0));
    assert_eq!((row(17).equity, row(17).exposure), (cash("1800"), 800.0 / 1_800.0));
    assert!((row(17).drawdown - 0.1).abs() < 1e-12);
    assert_eq!((row(25).exposure, row(25).gross), (0.0, 800.0 / 1_800.0));
    assert_eq!(run.tables.fills[0].quantity, "10".parse().unwrap());
    // Paid in at the first price: what a coin is worth later is no deposit.
    assert_eq!(row(25).paid_in, cash("2000"));
}

/// Ten coins of 100 dollars. Target 60 % at a volatility of 40 % is 1.5 × 1,000 dollars, of which 1,000 are there; at 25 % it is 2.4,
/// and the limit of 2.0 holds; without a signal the coin stays; short, the coin is made up for first.
#[test]
fn a_volatility_target_and_the_leverage_limit_count_the_coin() {
    let coin = instrument("deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC");
    let walk = Walk::new(coin, BEGIN, &[100.0; 40])
        .telling("signal.x", &[(1, 1.0), (20, 0.0), (30, -1.0)])
        .telling("vol.x", &[(1, 0.4), (10, 0.25), (25, 0.4)]);
    let text = format!(
        "[signal]\nkind = \"series\"\nseries = \"signal.x\"\nmax_age = \"90d\"\nreentry = \"at_once\"\n\
         [size]\nkind = \"volatility_target\"\ntarget = \"60%\"\nvolatility = \"series(vol.x, 90d)\"\n\
         [caps]\nleverage = 2.0\n\
         [[accounts]]\nvenue = \"deribit\"\nnumeraire = \"USD\"\ndeposit = \"10 BTC\"\n{FREE}"
    );
    let run = done(vec![policy("target", "\"deribit:BTC-PERPETUAL\"", &text)], &[walk]);
    let fills: Vec<String> =
        run.tables.fills.iter().map(|fill| format!("{} {} {}", fill.purpose, fill.side, fill.quantity)).collect();
    assert_eq!(fills, ["entry buy 500", "resize buy 500", "exit sell 1000", "entry sell 2500"]);
    let exposure = |hour: usize| run.tables.equity[hour].exposure;
    assert_eq!([exposure(5), exposure(15), exposure(24), exposure(38)], [1.5, 2.0, 1.0, -1.5]);
    let told = |part: &str| run.tables.plans.iter().any(|row| row.because.starts_with(part));
    assert!(told("holds 10 BTC as collateral: 1000 counts already, of the target 1500 are 500 left to trade"));
    assert!(told("leverage 2.40, 10 BTC of collateral counted, is over 2.00: back to 2.00"));
}

/// Dollars, and coins of two kinds: contracts on one coin are limited by what the other is worth too, unless contracts make up for it.
#[test]
fn other_coins_count_for_leverage_as_far_as_nothing_makes_up_for_them() {
    let known = |base: &str| {
        let symbol = format!("binance:{base}USDT-PERP");
        instrument(&symbol, InstrumentKind::LinearPerpetual, base, "USDT", "USDT")
    };
    let walk = |base: &str| Walk::new(known(base), BEGIN, &[100.0; 40]);
    let long = walk("BTC").telling("signal.btc", &[(1, 1.0)]);
    let hedge = walk("ETH").telling("signal.eth", &[(1, 0.0), (20, -1.0)]);
    let text = |asset: &str, notional: &str, more: &str| format!("{}{more}", follows(asset, notional));
    // 1,000 dollars and 10 coins of 100: equity 2,000. A long of 3,000 is under 2.0, beside the coin it is not.
    let account = "[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\ndeposit = [\"1_000 USDT\", \"10 ETH\"]\n";
    let caps = "[caps]\nleverage = 2.0\n";
    let sizes = |from: &str| from.replace("resize = \"entry\"", "resize = \"continuous\"");
    let policies = vec![
        policy(
            "long",
            "\"binance:BTCUSDT-PERP\"",
            &sizes(&text("signal.btc", "3_500", &format!("{account}{caps}{FREE}"))),
        ),
        policy("hedge", "\"binance:ETHUSDT-PERP\"", &text("signal.eth", "1_000", "")),
    ];
    let run = done(policies, &[long, hedge]);
    let gross = |hour: usize| run.tables.equity[hour].exposure;
    // 3,000 and the coin; once it is hedged 3,500.
    assert_eq!((gross(10), gross(35)), (2.0, 1.75));
    let told = |part: &str| run.tables.plans.iter().any(|row| row.because.contains(part));
    assert!(told("of it in other positions"), "the coin is told like another position");
}

#[test]
fn a_position_from_before_becomes_a_campaign_with_its_anchors() {
    let prices: Vec<f64> = (0..30).map(|hour| if hour < 10 { 100.0 } else { 89.0 }).collect();
    let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &prices).telling("signal.x", &[(1, 1.0)]);
    let adopt = "[[adopt]]\nquantity = 2\nentry = 95\nn = 2\nopened = \"2023-12-24T00:00:00Z\"\n";
    let text = format!(
        "{}[unit]\nn = \"atr(2, 1h)\"\n[stop]\ninitial = \"2.5N\"\n[backtest]\ndeposit = \"1_000 USDT\"\n\
         taker_fee = 0.0\nmaker_fee = 0.0\n{COSTLESS}{adopt}",
        follows("signal.x", "\"200 USDT\"")
    );
    let run = done(vec![policy("adopted", "\"binance:BTCUSDT-PERP\"", &text)], &[walk]);
    let campaign = &run.tables.campaigns[0];
    assert_eq!((campaign.entry.to_string(), campaign.opened), ("95".to_owned(), at("2023-12-24T00:00:00Z")));
    // The stop rests 5 under the entry; the market falls from 100 to 89 through it: 1 R.
    assert_eq!(campaign.initial_stop.unwrap().to_string(), "90");
    assert_eq!((campaign.ended_by.as_str(), campaign.profit), ("stop", cash("-10")));
    assert_eq!(campaign.r, Some(-1.0));
    assert_eq!(run.tables.fills[0].purpose, "opening");
    let first = &run.tables.equity[0];
    assert_eq!(first.equity, cash("1010"), "two coins carried at 95 are worth 100 each");
    // That was brought in: the run lost 20 from there, not 10.
    assert_eq!((first.paid_in, first.drawdown), (cash("1010"), 0.0));
    assert_eq!(run.record.profit_adverse_first, "-20");
    let last = run.tables.equity.last().unwrap();
    assert!((last.drawdown - 20.0 / 1_010.0).abs() < 1e-12, "{}", last.drawdown);
}

/// A loss from before the run is no drawdown of it, and trips no limit.
#[test]
fn what_a_position_lost_before_the_run_is_no_drawdown() {
    let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 10]).telling("signal.x", &[(1, 1.0)]);
    let text = format!(
        "{}[caps]\ndrawdown = [{{ at = \"10%\", restore = \"5%\", factor = 0.0 }}]\ndaily_loss = \"5%\"\non_loss = \"flat\"\n\
         [backtest]\ndeposit = \"1_000 USDT\"\ntaker_fee = 0.0\nmaker_fee = 0.0\n{COSTLESS}\
         [[adopt]]\nquantity = 2\nentry = 250\n",
        follows("signal.x", "\"200 USDT\"")
    );
    let run = done(vec![policy("adopted", "\"binance:BTCUSDT-PERP\"", &text)], &[walk]);
    let last = run.tables.equity.last().unwrap();
    assert_eq!((last.equity, last.paid_in, last.drawdown), (cash("700"), cash("700"), 0.0));
    assert_eq!(run.tables.fills.len(), 1, "it is held");
    assert_eq!(run.record.profit_adverse_first, "0");
}

/// Coin in an account in dollars is worth what the market says, not what the position beside it is carried at: also where a value
/// of a series, which nothing reads, is there before the first price.
#[test]
fn what_a_position_is_carried_at_translates_no_coin() {
    let prices: Vec<f64> = (0..40).map(|hour| 150.0 + f64::from(hour % 7)).collect();
    let coin = instrument("deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC");
    let spot = instrument("binance:BTCUSDT-SPOT", InstrumentKind::Spot, "BTC", "USDT", "USDT");
    let usdt = usdt("binance:BTCUSDT-PERP");
    let (both, none) = ("[\"1_000 USDT\", \"10 BTC\"]", "\"10 BTC\"");
    // What was paid in: 10 coins of 150, the dollars, and what was earned from the entry to 150.
    let cases = [
        (&usdt, both, "2", 100, "2600"),
        (&usdt, both, "2", 200, "2400"),
        (&usdt, both, "-2", 100, "2400"),
        (&spot, both, "2", 100, "2600"),
        (&coin, none, "300", 100, "1650"),
        (&coin, none, "300", 200, "1425"),
        (&coin, none, "-300", 100, "1350"),
    ];
    for (known, deposit, quantity, entry, paid_in) in cases {
        let of = |first: i64| {
            let mut flat = prices.clone();
            flat[0] = 150.0;
            let walk = Walk::new(known.clone(), BEGIN, &flat).telling("signal.unread", &[(first, 1.0)]);
            let venue = known.venue();
            let text = format!(
                "[signal]\nkind = \"constant\"\nstrength = {}\n[size]\nkind = \"fixed_fraction\"\nfraction = 0.2\n\
                 [caps]\ndaily_loss = \"5%\"\non_loss = \"flat\"\n\
                 [[accounts]]\nvenue = \"{venue}\"\nnumeraire = \"USD\"\ndeposit = {deposit}\n{FREE}\
                 [[adopt]]\nquantity = {quantity}\nentry = {entry}\n",
                if quantity.starts_with('-') { "-1.0" } else { "1.0" },
            );
            done(vec![policy("coins", &format!("\"{}\"", known.symbol), &text)], &[walk])
        };
        let (with, without) = (of(-48), of(20));
        let symbol = &known.symbol;
        assert_eq!(without.record.paid_in, paid_in, "{quantity} of {symbol}");
        assert_eq!(with.record.paid_in, paid_in, "{quantity} of {symbol}");
        assert_eq!(with.record.profit_adverse_first, without.record.profit_adverse_first, "{quantity} of {symbol}");
        let rows = |run: &Run| -> Vec<_> {
            run.tables
                .equity
                .iter()
                .map(|row| (row.time, row.paid_in, row.equity, row.drawdown, row.twin_equity))
                .collect()
        };
        assert_eq!(rows(&with), rows(&without), "{quantity} of {symbol}");
        let first = &with.tables.equity[0];
        assert_eq!(
            (first.equity, first.drawdown),
            (first.paid_in, 0.0),
            "nothing was earned yet by {quantity} of {symbol}"
        );
    }
}

/// A loss from before that the deposit does not bear is no run at all.
#[test]
fn a_loss_from_before_over_the_deposit_is_refused() {
    let run = |entry: &str, deposit: &str| {
        let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 5]).telling("signal.x", &[(1, 1.0)]);
        let text = format!(
            "{}[backtest]\ndeposit = \"{deposit} USDT\"\n{COSTLESS}[[adopt]]\nquantity = 30\nentry = {entry}\n",
            follows("signal.x", "\"200 USDT\"")
        );
        let folder = tempfile::tempdir().unwrap();
        let run = try_run(vec![policy("lost", "\"binance:BTCUSDT-PERP\"", &text)], &[walk], folder.path());
        run.err().map(|error| error.to_string())
    };
    let sentence = run("140", "1_000").unwrap();
    for part in [
        "takes over 30 of `binance:BTCUSDT-PERP` at 140",
        "first price of it, 100,",
        "earned -1200.00 USDT",
        "with -200.00 USDT",
    ] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert!(run("140", "1_200").is_some(), "nothing left is nothing to begin with");
    assert_eq!(run("140", "1_500"), None);
    assert_eq!(run("60", "1_000"), None);
}

#[test]
fn a_position_from_before_was_opened_before_and_is_whole_lots() {
    let sentence = |adopted: &str| {
        let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 5]).telling("signal.x", &[(1, 1.0)]);
        let text = format!(
            "{}[backtest]\ndeposit = \"1_000 USDT\"\n{COSTLESS}[[adopt]]\nentry = 100\n{adopted}\n",
            follows("signal.x", "\"200 USDT\"")
        );
        let folder = tempfile::tempdir().unwrap();
        let run = try_run(vec![policy("before", "\"binance:BTCUSDT-PERP\"", &text)], &[walk], folder.path());
        run.err().map(|error| error.to_string())
    };
    let late = sentence("quantity = 1\nopened = \"2024-01-01T01:00:01Z\"").unwrap();
    assert!(late.contains("opened at 2024-01-01T01:00:01Z") && late.contains("correct `opened`"), "{late}");
    assert_eq!(sentence("quantity = 1\nopened = \"2024-01-01T01:00:00Z\""), None);
    let odd = sentence("quantity = -1.0005").unwrap();
    assert!(odd.contains("takes over -1.0005 of") && odd.contains("in steps of 0.001: correct `quantity`"), "{odd}");
    assert_eq!(sentence("quantity = -1.005"), None);
}

/// 1,000 dollars bear 125 times as much at this venue, and no more.
#[test]
fn a_position_that_nobody_could_hold_is_not_taken_over() {
    let refused = |quantity: &str| {
        let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 5]).telling("signal.x", &[(1, 1.0)]);
        let text = format!(
            "{}[backtest]\ndeposit = \"1_000 USDT\"\n[[adopt]]\nquantity = {quantity}\nentry = 95\n",
            follows("signal.x", "\"200 USDT\"")
        );
        let folder = tempfile::tempdir().unwrap();
        try_run(vec![policy("absurd", "\"binance:BTCUSDT-PERP\"", &text)], &[walk], folder.path())
            .err()
            .map(|error| error.to_string())
    };
    let sentence = refused("-5_000_000").unwrap();
    for part in ["takes over -5000000 of `binance:BTCUSDT-PERP` at 95", "is paid 1000.00 USDT", "correct `quantity`"] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert_eq!(refused("100"), None);
}

/// The signal goes on and off after the contract has ended: plans say so once, and nothing else.
#[test]
fn an_expired_contract_is_told_once() {
    let expiry = at("2024-01-01T12:00:00Z");
    let known = instrument("binance:BTCUSDT-240101", InstrumentKind::LinearFuture { expiry }, "BTC", "USDT", "USDT");
    let flips: Vec<(i64, f64)> = (1..40).map(|hour| (hour, if hour % 4 > 0 { 1.0 } else { 0.0 })).collect();
    let future = Walk::new(known, BEGIN, &[100.0; 12]);
    let other = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 40]).telling("signal.x", &flips);
    let text = format!("{}[backtest]\ndeposit = \"1_000 USDT\"\n{COSTLESS}", follows("signal.x", "\"200 USDT\""));
    let listed = "\"binance:BTCUSDT-PERP\", \"binance:BTCUSDT-240101\"";
    let run = done(vec![policy("expires", listed, &text)], &[other, future]);
    let later =
        run.tables.plans.iter().filter(|row| &*row.instrument == "binance:BTCUSDT-240101" && row.time >= expiry);
    let mut plans: Vec<u64> = later.map(|row| row.plan).collect();
    plans.dedup();
    assert!(plans.len() <= 2, "the settlement, and that it expired: {plans:?}");
    let told = run.tables.plans.iter().filter(|row| row.because.starts_with("the contract expired")).count();
    assert!(told <= 1, "{told}");
    assert!(run.tables.fills.iter().any(|fill| fill.purpose == "settlement"));
}

#[test]
fn deribit_accrues_funding_over_the_time_that_is_held() {
    // Bars of a half hour: in at 01:30, for half of the hour that ends at 02:00.
    let coin = instrument("deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC");
    let walk = Walk::new(coin, BEGIN, &[100.0; 20]).of_minutes(30).telling("signal.x", &[(1, 0.0), (2, 1.0)]);
    let walk = walk.paying(&[(2, "0.001"), (3, "0.001")]);
    let text = format!(
        "{}[backtest]\ndeposit = \"10 BTC\"\ntaker_fee = 0.0\nmaker_fee = 0.0\n{COSTLESS}",
        follows("signal.x", "1_000")
    );
    let run = done(vec![policy("accrual", "\"deribit:BTC-PERPETUAL\"", &text)], &[walk]);
    let entry = &run.tables.fills[0];
    let paid: Vec<String> =
        run.tables.funding.iter().map(|row| format!("{} {} {}", row.time, row.position, row.amount)).collect();
    // 1,000 dollars at 100 are 10 coins.
    assert_eq!((entry.time, entry.quantity), (at("2024-01-01T01:30:00Z"), "1000".parse().unwrap()));
    assert_eq!(paid, ["2024-01-01T02:00:00Z 500 -0.005", "2024-01-01T03:00:00Z 1000 -0.01"]);
}

#[test]
fn two_policies_in_one_instrument_cross_inside_and_their_tables_tell_whose() {
    let walk = Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 30])
        .telling("signal.one", &[(1, 1.0), (5, 0.0)])
        .telling("signal.two", &[(1, 0.0), (5, 1.0), (9, 0.0)]);
    let account = "[[accounts]]\nvenue = \"binance\"\ndeposit = \"10_000 USDT\"\n[backtest]\ntaker_fee = \"10bp\"\n";
    let one = format!("{}{account}{COSTLESS}", follows("signal.one", "\"1_000 USDT\""));
    let policies = vec![
        policy("one", "\"binance:BTCUSDT-PERP\"", &one),
        policy("two", "\"binance:BTCUSDT-PERP\"", &follows("signal.two", "\"1_500 USDT\"")),
    ];
    let run = done(policies, &[walk]);
    let fills: Vec<String> = run
        .tables
        .fills
        .iter()
        .map(|fill| {
            format!(
                "{} {} {} {} {} {}",
                fill.strategy, fill.purpose, fill.side, fill.quantity, fill.fee, fill.liquidity
            )
        })
        .collect();
    assert_eq!(
        fills,
        [
            "one entry buy 10 1 taker",
            "two entry buy 10 0 internal",
            "one exit sell 10 0 internal",
            "two entry buy 5 0.5 taker",
            "two exit sell 15 1.5 taker",
        ]
    );
    assert_eq!(run.tables.equity.last().unwrap().equity, cash("9997"));
}

#[test]
fn what_cannot_be_measured_is_refused_at_the_start() {
    let perpetual = || Walk::new(usdt("binance:BTCUSDT-PERP"), BEGIN, &[100.0; 5]).telling("signal.x", &[(1, 0.0)]);
    let with = |accounts: &str, flows: &str| {
        let text = format!("{}{accounts}{FREE}{flows}", follows("signal.x", "\"100 USDT\""));
        refusal(vec![policy("refused", "\"binance:BTCUSDT-PERP\"", &text)], &[perpetual()])
    };
    let accounts = |deposit: &str| {
        format!("[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\ndeposit = [\"1_000 USDT\", \"{deposit}\"]\n")
    };
    let sentence = with(&accounts("5 SOL"), "");
    for part in
        ["`binance`", "is paid in SOL", "numeraire USD".replace("numeraire", "numéraire").as_str(), "add a tape"]
    {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    let flow = "[[backtest.flows]]\nat = \"2024-01-01T02:00:00Z\"\nconvert = \"5 USDT\"\ninto = \"SOL\"\naccount = \"binance\"\n";
    let sentence = with(&accounts("5 BTC"), flow);
    assert!(
        sentence.contains("converts USDT into SOL") && sentence.contains("no tape has a price between"),
        "{sentence}"
    );
    let numeraire = "[[accounts]]\nvenue = \"binance\"\nnumeraire = \"SOL\"\ndeposit = \"1_000 USDT\"\n";
    let sentence = with(numeraire, "");
    assert!(sentence.contains("USDT") && sentence.contains("numéraire SOL"), "{sentence}");
    // Two accounts that nothing translates into each other: each is whole, their sum is not.
    let coin = instrument("other:SOLUSD-PERP", InstrumentKind::InversePerpetual, "SOL", "EUR", "SOL");
    let walks = [perpetual(), Walk::new(coin, BEGIN, &[20.0; 5])];
    let text = format!(
        "{}[[accounts]]\nvenue = \"binance\"\ndeposit = \"1_000 USDT\"\n[[accounts]]\nvenue = \"other\"\ndeposit = \"9 SOL\"\n{FREE}",
        follows("signal.x", "100")
    );
    let sentence = refusal(vec![policy("apart", "\"binance:BTCUSDT-PERP\", \"other:SOLUSD-PERP\"", &text)], &walks);
    assert!(sentence.contains("SOL") && sentence.contains("give both one `numeraire`"), "{sentence}");
    // Nothing to trade with.
    let coin = instrument("binance:BTCUSD-PERP", InstrumentKind::InversePerpetual, "BTC", "USD", "BTC");
    let walks = [perpetual(), Walk::new(coin, BEGIN, &[100.0; 5])];
    let text = format!(
        "{}[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\ndeposit = \"1_000 USDT\"\n{FREE}",
        follows("signal.x", "100")
    );
    let sentence = refusal(vec![policy("broke", "\"binance:BTCUSDT-PERP\", \"binance:BTCUSD-PERP\"", &text)], &walks);
    assert!(sentence.contains("`binance:BTCUSD-PERP`") && sentence.contains("deposit BTC there"), "{sentence}");
    // Named alike.
    let plain =
        || policy("same", "\"binance:BTCUSDT-PERP\"", &format!("{}{FREE}", follows("signal.x", "\"100 USDT\"")));
    let sentence = refusal(vec![plain(), plain()], &[perpetual()]);
    assert!(sentence.contains("two policies are called `same`"), "{sentence}");
}

/// A hundred and twenty instruments in one run.
#[test]
fn a_hundred_and_twenty_instruments_in_one_run() {
    let mut seed = 11_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    let names: Vec<String> = (0..120).map(|at| format!("binance:C{at}USDT-PERP")).collect();
    let walks: Vec<Walk> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let mut price = 50.0 + at as f64;
            let prices: Vec<f64> = (0..480)
                .map(|_| {
                    price = (price * (1.0 + 0.03 * random())).max(1.0);
                    price
                })
                .collect();
            let known = instrument(name, InstrumentKind::LinearPerpetual, &format!("C{at}"), "USDT", "USDT");
            Walk::new(known, BEGIN, &prices)
        })
        .collect();
    let listed: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let text = "capital = \"100%\"\n[signal]\nkind = \"ema_cross\"\nbar = \"1h\"\nfast = 5\nslow = 20\n\
         [size]\nkind = \"fixed_fraction\"\nfraction = 1.0\nresize = \"entry\"\n[caps]\nleverage = 3\n\
         [backtest]\ndeposit = \"10_000_000 USDT\"\n";
    let started = std::time::Instant::now();
    let run = done(vec![policy("many", &listed.join(", "), text)], &walks);
    let (spent, memory) = (started.elapsed(), peak_memory());
    assert_eq!((run.record.instruments.len(), run.record.bars), (120, 120 * 480));
    let traded: std::collections::BTreeSet<&str> = run.tables.fills.iter().map(|fill| &*fill.instrument).collect();
    assert_eq!(traded.len(), 120);
    assert!(run.tables.equity.iter().all(|row| row.gross < 3.05));
    println!(
        "120 instruments, {} bars, {} fills: {spent:.1?}, {memory} in all",
        run.record.bars,
        run.tables.fills.len()
    );
}

/// As the kernel tells it, for the record.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "memory unknown".to_owned(), |peak| peak.trim().to_owned())
}
