//! Value at risk from a history to whose loss it is: against closed forms, options priced one by one, and laws drawn from.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;

use common::Random;
use market::Currency;
use pricing::garch::{Model, Parameters};
use pricing::laws::{normal_density, normal_distribution, normal_quantile};
use pricing::options::{EuropeanOption, Inputs, Simd};
use pricing::surface::Sticky;
use risk::greeks::SmilePoint;
use risk::scenario::{Holding, Portfolio, Revaluation, Settlement, Slack};
use risk::tail::TailError;
use risk::value_at_risk::{
    Again, Book, ByGreeks, Dynamics, Factor, Forecast, History, Law, Moves, Paths, Profits, Tails, ValueAtRiskError,
    has_own,
};
use units::math::{exp, ln, pow, sqrt};
use units::{Cash, Duration, Notional, OptionRight, Price, Qty, Round, Timestamp};

const DAY: Duration = Duration::DAY;
const PRICES: [f64; 2] = [60_000.0, 3_000.0];
const PATHS: Paths = Paths { count: 20_000, seed: 7 };

fn coin(at: usize) -> Currency {
    ["BTC", "ETH"][at].parse().unwrap()
}

fn prices() -> Vec<Factor> {
    vec![Factor::Price(coin(0)), Factor::Price(coin(1))]
}

fn all() -> Vec<Factor> {
    let mut factors = prices();
    factors.extend([Factor::Vol(coin(0)), Factor::Vol(coin(1))]);
    factors
}

fn market() -> Portfolio {
    let mut portfolio = Portfolio::new(Currency::USD, Timestamp::from_nanos(0));
    for (at, price) in PRICES.into_iter().enumerate() {
        portfolio.set_price(coin(at), price).unwrap();
        for days in [2, 9, 40, 180] {
            portfolio.set_forward(coin(at), expiry(days), price * (1.0 + 1e-4 * days as f64)).unwrap();
        }
    }
    portfolio
}

fn expiry(days: i64) -> Timestamp {
    Timestamp::from_nanos(days * DAY.nanos())
}

fn perpetual(at: usize, dollars: f64) -> Holding {
    let quantity = dollars / PRICES[at];
    Holding::Future {
        underlying: coin(at),
        expiry: None,
        settlement: Settlement::Quote(Currency::USD),
        quantity: Qty::from_estimate(quantity, Round::Nearest).unwrap(),
        cost: Notional::from_estimate(dollars, Round::Nearest).unwrap(),
    }
}

fn option(at: usize, days: i64, moneyness: f64, right: OptionRight, quantity: f64, vol: f64) -> Holding {
    let settlement = if at == 0 { Settlement::Coin } else { Settlement::Quote(Currency::USD) };
    Holding::Option {
        underlying: coin(at),
        expiry: expiry(days),
        strike: Price::from_estimate(PRICES[at] * moneyness, Round::Nearest).unwrap(),
        right,
        settlement,
        quantity: Qty::from_estimate(quantity, Round::Nearest).unwrap(),
        point: SmilePoint { vol, slope: -0.2 },
    }
}

/// Options, perpetuals and coin of both underlyings, each line with its group: BTC, ETH.
fn mixed() -> (Portfolio, Vec<usize>) {
    let mut portfolio = market();
    let mut groups = Vec::new();
    let coins = Holding::Balance { currency: coin(0), amount: "0.4".parse::<Cash>().unwrap() };
    for (group, holding) in [
        (0, option(0, 9, 1.05, OptionRight::Call, -3.0, 0.55)),
        (1, option(1, 40, 0.9, OptionRight::Put, 20.0, 0.8)),
        (0, option(0, 180, 1.0, OptionRight::Put, 2.0, 0.5)),
        (1, perpetual(1, -20_000.0)),
        (0, coins),
        (1, option(1, 9, 1.1, OptionRight::Call, -30.0, 0.7)),
    ] {
        portfolio.hold(holding).unwrap();
        groups.push(group);
    }
    (portfolio, groups)
}

fn law(factors: Vec<Factor>, deviations: &[f64], degrees: Option<f64>) -> Law {
    let width = factors.len();
    // Prices move together, each against its own volatility.
    let of = |one: usize, other: usize| match (one, other) {
        (one, other) if one == other => 1.0,
        (0, 1) | (1, 0) | (2, 3) | (3, 2) => 0.6,
        _ => -0.3,
    };
    let correlation = (0..width * width).map(|at| of(at / width, at % width)).collect();
    Law::new(DAY, factors, deviations.to_vec(), correlation, degrees).unwrap()
}

fn book(portfolio: &Portfolio) -> Book {
    Book::new(std::slice::from_ref(portfolio), Dynamics::default(), Simd::best())
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} is not {expected} within {within}");
}

/// A smile that is asked place by place.
fn each(smile: impl Fn(usize, f64) -> f64) -> impl Fn(usize, &mut [f64]) {
    move |line, places| places.iter_mut().for_each(|place| *place = smile(line, *place))
}

/// Long both coins: a lognormal loss of one, a nearly normal one of two with their covariance.
#[test]
fn a_linear_book_has_the_figures_of_its_closed_form() {
    for confidence in [0.9, 0.95, 0.99] {
        let quantile = normal_quantile(confidence);
        // One coin over four days: ln(after ÷ before) has the deviation σ √4.
        let mut portfolio = market();
        portfolio.hold(perpetual(0, 100_000.0)).unwrap();
        let one = law(vec![Factor::Price(coin(0))], &[0.03], None);
        let horizon = Duration::from_nanos(4 * DAY.nanos());
        let moves = Moves::monte_carlo(&one, horizon, PATHS).unwrap();
        let profits = book(&portfolio).profits(&moves, 0..moves.len(), &[]).unwrap();
        let figures = profits.figures(confidence).unwrap();
        let sigma: f64 = 0.06;
        let var = 1e5 * (1.0 - exp(-sigma * quantile));
        let mean = exp(sigma * sigma / 2.0) * normal_distribution(-quantile - sigma) / (1.0 - confidence);
        close(figures.value_at_risk, var, 4.0 * figures.value_at_risk_error.unwrap());
        close(figures.expected_shortfall, 1e5 * (1.0 - mean), 4.0 * figures.expected_shortfall_error.unwrap());
        assert!(figures.value_at_risk_error.unwrap() < 0.03 * var);
        // By Greeks: ½ σ² of what a fall by σ is not straight, and no more.
        let greeks = ByGreeks::of(&mut book(&portfolio), one.factors(), horizon, &[]).unwrap();
        let figures = greeks.figures(&one, confidence).unwrap();
        close(figures.value_at_risk, var, 1e5 * pow(sigma * quantile, 3.0) / 5.0);
        // Two coins, small moves: normal.
        portfolio.hold(perpetual(1, -50_000.0)).unwrap();
        let both = law(prices(), &[1e-4, 2e-4], None);
        let deviation = sqrt(100.0 + 100.0 - 2.0 * 0.6 * 10.0 * 10.0);
        let (var, es) = (deviation * quantile, deviation * normal_density(quantile) / (1.0 - confidence));
        let moves = Moves::monte_carlo(&both, DAY, PATHS).unwrap();
        let figures = book(&portfolio).profits(&moves, 0..moves.len(), &[0, 1]).unwrap().figures(confidence).unwrap();
        close(figures.value_at_risk, var, 4.0 * figures.value_at_risk_error.unwrap());
        close(figures.expected_shortfall, es, 4.0 * figures.expected_shortfall_error.unwrap());
        let greeks = ByGreeks::of(&mut book(&portfolio), both.factors(), DAY, &[0, 1]).unwrap();
        let exact = greeks.figures(&both, confidence).unwrap();
        close(exact.value_at_risk, var, 1e-3 * var);
        close(exact.expected_shortfall, es, 1e-3 * es);
        // Each part's share is its covariance with the whole; alone it would lose its own.
        for (share, (covariance, alone)) in exact.shares.iter().zip([(100.0 - 60.0, 10.0), (100.0 - 60.0, 10.0)]) {
            close(share.value_at_risk, covariance / (deviation * deviation) * var, 2e-3 * var);
            close(share.incremental_value_at_risk, var - alone * quantile, 2e-3 * var);
        }
    }
}

/// Every option priced again by itself, at prices and volatilities that this test moves, a day later.
#[test]
fn a_book_is_worth_what_its_options_are_at_the_horizon() {
    let (portfolio, groups) = mixed();
    let changes = vec![-0.12, 0.07, 0.2, -0.1, 0.0, 0.0, 0.0, 0.0];
    let horizon = Duration::from_nanos(3 * DAY.nanos());
    let moves = Moves::given(&all(), horizon, changes.clone()).unwrap();
    for sticky in [Sticky::Strike, Sticky::Moneyness] {
        let dynamics = Dynamics { sticky, ..Dynamics::default() };
        let mut book = Book::new(std::slice::from_ref(&portfolio), dynamics, Simd::best());
        let profits = book.profits(&moves, 0..2, &groups).unwrap();
        // On whole smiles, of which these are straight ones.
        let slope = |line: usize, place: f64| match portfolio.holdings().nth(line) {
            Some(Holding::Option { point, .. }) => point.vol + point.slope * place,
            _ => 0.0,
        };
        let whole = book.profits_on(&moves, 0..2, &groups, each(slope)).unwrap();
        for (scenario, profit) in profits.totals().iter().enumerate() {
            close(whole.totals()[scenario], *profit, 1e-8 * 60_000.0);
            close(whole.group(1)[scenario], profits.group(1)[scenario], 1e-8 * 60_000.0);
        }
        for (scenario, changes) in changes.chunks(4).enumerate() {
            let mut sums = [0.0; 2];
            for (line, holding) in portfolio.holdings().enumerate() {
                let value = |changes: &[f64], days: f64| match *holding {
                    Holding::Balance { amount, .. } => amount.approximate() * PRICES[0] * exp(changes[0]),
                    Holding::Future { quantity, cost, .. } => {
                        quantity.approximate() * PRICES[1] * exp(changes[1]) - cost.approximate()
                    }
                    Holding::Option { underlying, expiry, strike, right, quantity, point, .. } => {
                        let at = usize::from(underlying == coin(1));
                        let left = expiry.since(Timestamp::from_nanos(0)).days();
                        let forward = PRICES[at] * (1.0 + 1e-4 * left) * exp(changes[at]);
                        let power = if left < 30.0 { 0.33 } else { 0.5 };
                        let follows = if sticky == Sticky::Moneyness { -point.slope * changes[at] } else { 0.0 };
                        let vol =
                            (point.vol + follows) * (1.0 + (exp(changes[2 + at]) - 1.0) * pow(30.0 / left, power));
                        let inputs = Inputs {
                            forward,
                            strike: strike.approximate(),
                            years: (left - days) / 365.0,
                            vol,
                            discount: 1.0,
                        };
                        let price = EuropeanOption::new(right, inputs).unwrap().greeks().price;
                        // Paid for in coin, at the coin's price and not at the forward.
                        let paid = if at == 0 { price / (1.0 + 1e-4 * left) } else { price };
                        quantity.approximate() * paid
                    }
                };
                sums[groups[line]] += value(changes, 3.0) - value(&[0.0; 4], 0.0);
            }
            for (group, expected) in sums.into_iter().enumerate() {
                close(profits.group(group)[scenario], expected, 1e-8 * 60_000.0);
            }
            close(profits.totals()[scenario], sums[0] + sums[1], 1e-8 * 60_000.0);
        }
    }
}

/// The volatility at seven days moves what is under thirty days alone: all of it at seven days, of what the one at thirty days tells of it
/// no more than that. The same on smiles and on lines.
#[test]
fn short_volatilities_move_short_options_alone() {
    let mut portfolio = market();
    portfolio.set_forward(coin(0), expiry(7), PRICES[0]).unwrap();
    for days in [2, 7, 40] {
        let Holding::Option { underlying, expiry, strike, right, settlement, quantity, .. } =
            option(0, days, 1.0, OptionRight::Call, 1.0, 0.5)
        else {
            panic!("an option");
        };
        let point = SmilePoint { vol: 0.5, slope: 0.0 };
        portfolio.hold(Holding::Option { underlying, expiry, strike, right, settlement, quantity, point }).unwrap();
    }
    let factors = vec![Factor::Price(coin(0)), Factor::Vol(coin(0)), Factor::ShortVol(coin(0))];
    // Nothing; the short one alone; the longer one with what it tells of the short one.
    let (up, told) = (0.2, pow(30.0 / 7.0, 0.33) * (exp(0.1) - 1.0));
    let changes = vec![0.0, 0.0, 0.0, 0.0, 0.0, up, 0.0, 0.1, ln(1.0 + told)];
    let hour = Duration::HOUR;
    let moves = Moves::given(&factors, hour, changes).unwrap();
    let one = Moves::given(&factors[..2], hour, vec![0.0, 0.1]).unwrap();
    let mut book = book(&portfolio);
    let groups = [0, 1, 2];
    let profits = book.profits(&moves, 0..3, &groups).unwrap();
    let followed = book.profits(&one, 0..1, &groups).unwrap();
    let on_smiles = book.profits_on(&moves, 0..3, &groups, each(|_, _| 0.5)).unwrap();
    for line in groups {
        close(profits.group(line)[2], followed.group(line)[0], 1e-7);
        for row in 0..3 {
            close(on_smiles.group(line)[row], profits.group(line)[row], 1e-7);
        }
    }
    let forward = PRICES[0];
    let worth = |vol: f64| {
        let years = (7.0 - 1.0 / 24.0) / 365.0;
        let inputs = Inputs { forward, strike: forward, years, vol, discount: 1.0 };
        EuropeanOption::new(OptionRight::Call, inputs).unwrap().greeks().price
    };
    close(profits.group(1)[1] - profits.group(1)[0], worth(0.5 * exp(up)) - worth(0.5), 1e-6);
    close(profits.group(2)[1], profits.group(2)[0], 1e-9);
    assert!(profits.group(0)[1] > profits.group(0)[0]);
    assert_eq!(book.short(), [coin(0)]);
}

/// A skew is tilted by as much as is told at thirty days, about the forward: more at seven days, less at sixty; the same on smiles and on
/// lines, and by Greeks where moves are small. Where it does not move, the bits are those of a book without that factor.
#[test]
fn a_skew_tilts_volatilities_about_the_forward() {
    let mut portfolio = market();
    portfolio.set_forward(coin(0), expiry(7), PRICES[0]).unwrap();
    portfolio.set_forward(coin(0), expiry(60), PRICES[0]).unwrap();
    let held = [(7, 0.9), (7, 1.0), (60, 0.8)];
    for (days, moneyness) in held {
        portfolio.hold(option(0, days, moneyness, OptionRight::Put, 1.0, 0.5)).unwrap();
    }
    let factors = vec![Factor::Price(coin(0)), Factor::Vol(coin(0)), Factor::Skew(coin(0))];
    let (hour, groups) = (Duration::HOUR, [0, 1, 2]);
    let changes = vec![0.0, 0.0, 0.0, 0.0, 0.0, -0.08, 0.02, 0.1, 0.0];
    let moves = Moves::given(&factors, hour, changes).unwrap();
    let plain = Moves::given(&factors[..2], hour, vec![0.02, 0.1]).unwrap();
    let mut book = book(&portfolio);
    let profits = book.profits(&moves, 0..3, &groups).unwrap();
    let without = book.profits(&plain, 0..1, &groups).unwrap();
    let points: Vec<SmilePoint> = portfolio
        .holdings()
        .map(|held| if let Holding::Option { point, .. } = held { *point } else { panic!("an option") })
        .collect();
    let on_smiles = book.profits_on(&moves, 0..3, &groups, each(|line, place| points[line].slope * place)).unwrap();
    let greeks = ByGreeks::of(&mut book, &factors, hour, &groups).unwrap();
    let small = [0.0, 0.0, 1e-4];
    let full = book.profits(&Moves::given(&factors, hour, small.to_vec()).unwrap(), 0..1, &[]).unwrap();
    close(greeks.profit(&small), full.totals()[0], 1e-4);
    assert!((full.totals()[0] - profits.totals()[0]).abs() > 0.01);
    for (line, (days, moneyness)) in held.into_iter().enumerate() {
        for row in 0..3 {
            close(on_smiles.group(line)[row], profits.group(line)[row], 1e-7);
        }
        assert_eq!(profits.group(line)[2].to_bits(), without.group(line)[0].to_bits());
        let (days, forward, strike) = (days as f64, PRICES[0], PRICES[0] * moneyness);
        let worth = |vol: f64| {
            let years = (days - 1.0 / 24.0) / 365.0;
            let inputs = Inputs { forward, strike, years, vol, discount: 1.0 };
            EuropeanOption::new(OptionRight::Put, inputs).unwrap().greeks().price
        };
        let power = if days < 30.0 { 0.6 } else { 1.2 };
        let tilt = -0.08 * pow(30.0 / days, power) * ln(moneyness);
        close(profits.group(line)[1] - profits.group(line)[0], worth(0.5 + tilt) - worth(0.5), 1e-6);
    }
    // Changes by differences, and under Student's law as well: as likely up as down.
    let levels = History::of_levels(hour, factors.clone(), &[100.0, 0.5, -0.1, 110.0, 0.6, 0.05]).unwrap();
    close(levels.row(0)[2], 0.15, 1e-15);
    let law = Law::new(DAY, factors[2..].to_vec(), vec![0.05], vec![1.0], Some(3.0)).unwrap();
    let drawn = Moves::monte_carlo(&law, DAY, Paths { count: 100_000, seed: 5 }).unwrap();
    let mean = (0..drawn.len()).map(|row| drawn.of(row)[0]).sum::<f64>() / drawn.len() as f64;
    close(mean, 0.0, 5.0 * 0.05 / sqrt(100_000.0));
}

/// A skew that volatilities tell, that is seldom told, or that is a fit's rounding, is no factor; one of its own is.
#[test]
fn a_skew_that_tells_nothing_of_its_own_is_no_factor() {
    let mut random = Random(29);
    let mut vol = 0.0;
    let mut rows = |own: f64, along: f64| -> Vec<[f64; 2]> {
        (0..100)
            .map(|_| {
                vol += random.between(-0.05, 0.05);
                [vol, along * vol + own * random.between(-1.0, 1.0)]
            })
            .collect()
    };
    assert!(has_own(&rows(0.01, -0.3), 100));
    assert!(!has_own(&rows(0.0, -0.3), 100), "told by the volatility");
    assert!(!has_own(&rows(1e-6, 0.0), 100), "rounding");
    assert!(!has_own(&rows(0.01, -0.3)[..90], 100), "told too seldom");
    assert!(!has_own::<2>(&[], 0));
}

#[test]
fn shares_add_up_and_a_part_that_is_all_adds_all() {
    let (portfolio, groups) = mixed();
    let law = law(all(), &[0.03, 0.04, 0.05, 0.06], Some(4.0));
    let moves = Moves::monte_carlo(&law, DAY, PATHS).unwrap();
    let mut book = book(&portfolio);
    let drawn = book.profits(&moves, 0..moves.len(), &groups).unwrap().figures(0.99).unwrap();
    let greeks = ByGreeks::of(&mut book, law.factors(), DAY, &groups).unwrap().figures(&law, 0.99).unwrap();
    for figures in [&drawn, &greeks] {
        let sum = |of: fn(&risk::value_at_risk::Share) -> f64| figures.shares.iter().map(of).sum::<f64>();
        close(sum(|share| share.value_at_risk), figures.value_at_risk, 1e-6 * figures.value_at_risk);
        close(sum(|share| share.expected_shortfall), figures.expected_shortfall, 1e-6 * figures.expected_shortfall);
    }
    // Two accounts are what one is that holds both; groups put together are what they would be from the start.
    let both = [portfolio.clone(), portfolio.clone()];
    let mut two = Book::new(&both, Dynamics::default(), Simd::best());
    let lines: Vec<usize> = (0..2 * groups.len()).collect();
    let by_account: Vec<usize> = lines.iter().map(|line| line / groups.len()).collect();
    let profits = two.profits(&moves, 0..moves.len(), &lines).unwrap().regrouped(&by_account);
    assert_eq!(profits.group(0), profits.group(1));
    let double = profits.figures(0.99).unwrap();
    close(double.value_at_risk, 2.0 * drawn.value_at_risk, 1e-9 * drawn.value_at_risk);
    close(double.shares[0].value_at_risk, drawn.value_at_risk, 1e-9 * drawn.value_at_risk);
    let doubled = ByGreeks::of(&mut two, law.factors(), DAY, &lines).unwrap().regrouped(&by_account);
    let doubled = doubled.figures(&law, 0.99).unwrap();
    close(doubled.shares[1].incremental_value_at_risk, greeks.value_at_risk, 1e-6 * greeks.value_at_risk);
    let alone = book.profits(&moves, 0..moves.len(), &vec![0; groups.len()]).unwrap().figures(0.99).unwrap();
    close(alone.shares[0].incremental_value_at_risk, alone.value_at_risk, 1e-9 * alone.value_at_risk);
    close(alone.shares[0].value_at_risk, alone.value_at_risk, 1e-9 * alone.value_at_risk);
}

#[test]
fn greeks_and_full_revaluation_agree_for_small_moves() {
    let (portfolio, groups) = mixed();
    let law = law(all(), &[0.004, 0.005, 0.006, 0.007], None);
    let mut book = book(&portfolio);
    let greeks = ByGreeks::of(&mut book, law.factors(), DAY, &groups).unwrap();
    let moves = Moves::monte_carlo(&law, DAY, Paths { count: 50_000, seed: 3 }).unwrap();
    let profits = book.profits(&moves, 0..moves.len(), &groups).unwrap();
    let (by_greeks, full) = (greeks.figures(&law, 0.99).unwrap(), profits.figures(0.99).unwrap());
    close(by_greeks.value_at_risk, full.value_at_risk, 4.0 * full.value_at_risk_error.unwrap());
    close(by_greeks.expected_shortfall, full.expected_shortfall, 4.0 * full.expected_shortfall_error.unwrap());
    // What is left out is of the third order: a thousandth of a move ten times as small.
    for (scenario, profit) in profits.totals().iter().enumerate().take(500) {
        close(greeks.profit(moves.of(scenario)), *profit, 0.02 * full.value_at_risk);
    }
    // Time alone: what sold options bring less what bought ones cost.
    let still = Moves::given(&all(), DAY, vec![0.0; 4]).unwrap();
    close(greeks.theta(), book.profits(&still, 0..1, &[]).unwrap().totals()[0], 1e-8);
}

/// Any division of the scenarios gives the same bits.
#[test]
fn scenarios_may_be_divided_in_any_way() {
    let (portfolio, groups) = mixed();
    let law = law(all(), &[0.03, 0.04, 0.05, 0.06], Some(4.0));
    let moves = Moves::monte_carlo(&law, DAY, Paths { count: 3_001, seed: 1 }).unwrap();
    let mut book = book(&portfolio);
    let whole = book.profits(&moves, 0..3_001, &groups).unwrap();
    for size in [1, 255, 256, 1_000] {
        let starts = (0..3_001).step_by(size);
        let parts = starts.map(|first| book.clone().profits(&moves, first..3_001.min(first + size), &groups).unwrap());
        assert_eq!(Profits::joined(parts), whole, "{size} at a time");
    }
    // Fewer paths are the first of more.
    let fewer = Moves::monte_carlo(&law, DAY, Paths { count: 10, seed: 1 }).unwrap();
    assert!((0..10).all(|path| fewer.of(path) == moves.of(path)));
}

/// A history drawn from a law gives the law back; quantiles of Student's law with four degrees are those of the tables.
#[test]
fn a_law_is_found_again_in_what_was_drawn_of_it() {
    let drawn = law(all(), &[0.03, 0.04, 0.05, 0.06], Some(4.0));
    let moves = Moves::monte_carlo(&drawn, DAY, Paths { count: 40_000, seed: 11 }).unwrap();
    let mut history = History::new(DAY, all()).unwrap();
    (0..moves.len()).for_each(|path| history.push(moves.of(path)).unwrap());
    let found = Law::of(&history, None, Tails::Fitted, 1).unwrap();
    close(found.degrees().unwrap(), 4.0, 0.15);
    for (one, other) in found.deviations().iter().zip(drawn.deviations()) {
        close(*one, *other, 0.05 * other);
    }
    for (one, other) in found.correlation().iter().zip(drawn.correlation()) {
        close(*one, *other, 0.03);
    }
    let normal = Moves::monte_carlo(&law(all(), &[0.03, 0.04, 0.05, 0.06], None), DAY, PATHS).unwrap();
    let mut history = History::new(DAY, all()).unwrap();
    (0..normal.len()).for_each(|path| history.push(normal.of(path)).unwrap());
    assert!(Law::of(&history, None, Tails::Fitted, 1).unwrap().degrees().is_none_or(|degrees| degrees > 60.0));
    // t of four degrees: 2.131847 at 95 %, 3.746947 at 99 %; its variance is two.
    for (factor, deviation) in drawn.deviations().iter().enumerate() {
        for (confidence, quantile) in [(0.95, 2.131_847), (0.99, 3.746_947)] {
            let column: Vec<f64> = (0..moves.len()).map(|path| moves.of(path)[factor]).collect();
            let tail = risk::tail::Tail::of(&column, confidence).unwrap();
            close(tail.value_at_risk(), quantile / sqrt(2.0) * deviation, 4.0 * tail.value_at_risk_error());
        }
    }
}

/// A normal price beside its own inverse, to within a part in a thousand and in a million: what is left of the second is a curve and
/// noise, whose tails are nobody's. (Taken for tails of all, they gave 2.1 degrees and twice the shortfall.)
#[test]
fn a_factor_that_follows_from_others_says_nothing_of_tails() {
    let factors = vec![Factor::Price(coin(0)), Factor::Price(coin(1))];
    let one =
        Moves::monte_carlo(&law(factors[..1].to_vec(), &[0.03], None), DAY, Paths { count: 1_500, seed: 3 }).unwrap();
    let noise =
        Moves::monte_carlo(&law(factors[..1].to_vec(), &[1.0], None), DAY, Paths { count: 1_500, seed: 4 }).unwrap();
    for size in [1e-3, 1e-4, 1e-6] {
        let mut history = History::new(DAY, factors.clone()).unwrap();
        for path in 0..one.len() {
            let change = one.of(path)[0];
            history.push(&[change, size * noise.of(path)[0] - change]).unwrap();
        }
        let found = Law::of(&history, None, Tails::Fitted, 1).unwrap();
        assert!(found.degrees().is_none_or(|degrees| degrees > 30.0), "{size}: {:?}", found.degrees());
        close(found.deviations()[0], 0.03, 0.002);
    }
}

/// Sold short, a loss has a mean under Student's law: by SciPy's t with three degrees of freedom, scale 0.02, the shortfall is the scale's
/// multiple of t's own; bought, the integral of 1 − e^(−x). A tenth of the draws tells the same, within its error.
#[test]
fn the_shortfall_of_what_is_sold_short_does_not_grow_with_the_draws() {
    let one = law(vec![Factor::Price(coin(0))], &[0.02 * sqrt(3.0)], Some(3.0));
    let moves = Moves::monte_carlo(&one, DAY, Paths { count: 1_000_000, seed: 1 }).unwrap();
    for (dollars, confidence, expected) in [
        (-1e5, 0.95, 1e5 * 0.02 * 3.874_267_517_7),
        (-1e5, 0.99, 1e5 * 0.02 * 7.003_082_036_2),
        (1e5, 0.95, 1e5 * 0.073_586_031_1),
        (1e5, 0.99, 1e5 * 0.128_308_650_8),
    ] {
        let mut portfolio = market();
        portfolio.hold(perpetual(0, dollars)).unwrap();
        let mut book = book(&portfolio);
        let [few, many] = [100_000, 1_000_000].map(|count| {
            let figures = book.profits(&moves, 0..count, &[]).unwrap().figures(confidence).unwrap();
            (figures.expected_shortfall, figures.expected_shortfall_error.unwrap())
        });
        close(many.0, expected, 4.0 * many.1);
        close(few.0, many.0, 4.0 * sqrt(few.1 * few.1 + many.1 * many.1));
        assert!(many.1 < 0.01 * expected, "{many:?}");
    }
}

/// Degrees that are told and degrees that are fitted keep the middle alike: fewer of them make the tail longer, not the middle narrower.
#[test]
fn fewer_degrees_are_never_less_risk() {
    let factor = vec![Factor::Price(coin(0))];
    let drawn = law(factor.clone(), &[0.03], Some(4.0));
    let moves = Moves::monte_carlo(&drawn, DAY, Paths { count: 2_000, seed: 5 }).unwrap();
    let mut history = History::new(DAY, factor).unwrap();
    (0..moves.len()).for_each(|path| history.push(moves.of(path)).unwrap());
    let figure = |tails, confidence| {
        let law = Law::of(&history, None, tails, 1).unwrap();
        let moves = Moves::monte_carlo(&law, DAY, PATHS).unwrap();
        let column: Vec<f64> = (0..moves.len()).map(|path| moves.of(path)[0]).collect();
        risk::tail::Tail::of(&column, confidence).unwrap().value_at_risk()
    };
    let fitted = Law::of(&history, None, Tails::Fitted, 1).unwrap();
    let told = Law::of(&history, None, Tails::Student(fitted.degrees().unwrap()), 1).unwrap();
    close(told.deviations()[0], fitted.deviations()[0], 1e-8);
    let tails = [2.1, 2.5, 4.0, 8.0, 30.0].map(Tails::Student);
    for (confidence, apart) in [(0.75, 1.3), (0.99, 4.0)] {
        let all = tails.map(|tails| figure(tails, confidence));
        assert!(all.iter().all(|value| value / all[4] < apart && all[4] / value < 1.3), "{confidence}: {all:?}");
    }
    let all = tails.map(|tails| figure(tails, 0.999));
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "{all:?}");
    assert!(matches!(Law::of(&history, None, Tails::Student(2.05), 1), Err(ValueAtRiskError::Degrees(_))));
}

/// Variances that follow GARCH: a quiet history that ends in turmoil, and the other way.
#[test]
fn filtered_histories_are_of_the_volatility_now() {
    let parameters = Parameters { mean: 0.0, omega: 2e-6, alpha: 0.08, gamma: 0.0, beta: 0.9, degrees: None };
    let mut random = Random(5);
    let (mut variance, mut changes) = (1e-4, Vec::new());
    for _ in 0..3_000 {
        let change = sqrt(variance) * random.normal();
        changes.push(change);
        variance = parameters.omega + parameters.alpha * change * change + parameters.beta * variance;
    }
    let factor = Factor::Price(coin(0));
    let mut history = History::new(DAY, vec![factor]).unwrap();
    changes.iter().for_each(|change| history.push(&[*change]).unwrap());
    let model = Model { asymmetric: false, innovations: pricing::garch::Innovations::Normal, mean: false };
    let forecast = Forecast::Fitted(model);
    let fitted = model.fit(&changes).unwrap().parameters.filter(&changes).unwrap();
    for steps in [1, 10] {
        let horizon = Duration::from_nanos(i64::from(steps) * DAY.nanos());
        let moves = Moves::filtered(&history, horizon, forecast, PATHS).unwrap();
        let squares: f64 = (0..moves.len()).map(|path| moves.of(path)[0] * moves.of(path)[0]).sum();
        // Forecasts take surprises for ones of variance one; the history's own are so to a few percent.
        let expected = fitted.forecast_of_sum(steps as u32);
        close(squares / moves.len() as f64, expected, 0.08 * expected);
    }
    // With exponential weights by hand, one step: each change by the volatility told of it, times the one told now.
    let moves = Moves::filtered(&history, DAY, Forecast::Exponential(0.94), PATHS).unwrap();
    let (mut told, mut surprises) = (Vec::new(), Vec::new());
    let weights: Vec<f64> = (0..75).map(|at| pow(0.94, f64::from(at))).collect();
    let total: f64 = weights.iter().sum();
    let mut variance: f64 = weights.iter().zip(&changes).map(|(weight, change)| weight / total * change * change).sum();
    for change in &changes {
        told.push(variance);
        surprises.push(change / sqrt(variance));
        variance = 0.94 * variance + 0.06 * change * change;
    }
    assert_eq!(moves.len(), changes.len());
    for (path, surprise) in surprises.iter().enumerate() {
        close(moves.of(path)[0], surprise * sqrt(variance), 1e-12);
    }
}

/// How far figures of histories that are drawn again lie apart, over their mean.
fn apart(count: u64, figure: impl Fn(u64) -> Result<f64, ValueAtRiskError>) -> f64 {
    let figures: Vec<f64> = (0..count).filter_map(|which| figure(which).ok()).collect();
    // A fit in twenty may not end.
    assert!(figures.len() as u64 * 20 >= count * 19, "{} of {count}", figures.len());
    let count = figures.len();
    let mean = figures.iter().sum::<f64>() / count as f64;
    let squares: f64 = figures.iter().map(|value| (value - mean) * (value - mean)).sum();
    sqrt(squares / (count as f64 - 1.0)) / mean
}

/// Independent normal changes: the error of a deviation is known, that of a quantile is, and that of a weighted mean of squares.
#[test]
fn histories_drawn_again_lie_as_far_apart_as_the_closed_forms_say() {
    let mut random = Random(21);
    let mut history = History::new(DAY, vec![Factor::Price(coin(0))]).unwrap();
    (0..1_000).for_each(|_| history.push(&[0.02 * random.normal()]).unwrap());
    let law = |forecast| {
        let again = Again::of(&history, forecast, Tails::Normal, 1).unwrap();
        apart(400, |which| Ok(again.law(which, 1)?.deviations()[0]))
    };
    // Of a deviation: 1 ÷ √2n. By exponential weights: √((1 − λ) ÷ 2 (1 + λ)), and what the size of surprises is not known to.
    close(law(None), 1.0 / sqrt(2_000.0), 0.15 / sqrt(2_000.0));
    let expected = sqrt(0.06 / 1.94 / 2.0 + 1.0 / 2_000.0);
    close(law(Some(Forecast::Exponential(0.94))), expected, 0.15 * expected);
    // Of the quantile at 95 %: √(α (1 − α) ÷ n) ÷ the density there.
    let again = Again::of(&history, None, Tails::Normal, 1).unwrap();
    let quantile = normal_quantile(0.95);
    let expected = sqrt(0.95 * 0.05 / 1_000.0) / normal_density(quantile) / quantile;
    let found = apart(400, |which| {
        let moves = again.moves(which, DAY, PATHS)?;
        let column: Vec<f64> = (0..moves.len()).map(|path| moves.of(path)[0]).collect();
        Ok(risk::tail::Tail::of(&column, 0.95)?.value_at_risk())
    });
    close(found, expected, 0.35 * expected);
    // The same ones again, and others of another seed.
    assert_eq!(again.law(3, 1).unwrap(), again.law(3, 1).unwrap());
    assert_ne!(again.law(3, 1).unwrap(), Again::of(&history, None, Tails::Normal, 2).unwrap().law(3, 1).unwrap());
}

/// The volatility of the next return by GARCH: as far apart as the package arch has it from the curvature of the likelihood.
#[test]
fn garch_histories_drawn_again_are_as_uncertain_as_the_likelihood_says() {
    let text = include_str!("../../../vectors/garch_error.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    for case in cases {
        let mut history = History::new(DAY, vec![Factor::Price(coin(0))]).unwrap();
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        case["returns"].as_array().unwrap().iter().for_each(|value| history.push(&[number(value) / 100.0]).unwrap());
        let innovations = if case["student"].as_bool().unwrap() {
            pricing::garch::Innovations::Student
        } else {
            pricing::garch::Innovations::Normal
        };
        let forecast = Forecast::Fitted(Model { asymmetric: false, innovations, mean: false });
        let law = Law::of(&history, Some(forecast), Tails::Normal, 1).unwrap();
        close(law.deviations()[0], number(&case["vol"]) / 100.0, 0.02 * law.deviations()[0]);
        let again = Again::of(&history, Some(forecast), Tails::Normal, 1).unwrap();
        let found = apart(200, |which| Ok(again.law(which, 1)?.deviations()[0]));
        // A law's deviation has the size of surprises in it too: √((kurtosis − 1) ÷ 4 n).
        let (error, size) =
            (number(&case["error"]) / number(&case["vol"]), (number(&case["kurtosis"]) - 1.0) / 4_000.0);
        let expected = sqrt(error * error + size);
        assert!((0.65..1.5).contains(&(found / expected)), "{found} is not about {expected}");
    }
}

/// Volatility that wanders without a mean, and tails of three degrees of freedom: fits find a persistence of one, and figures of histories
/// drawn again are still of the order of the figure. Paths that were made anew from a variance made them millions of times it.
#[test]
fn histories_without_a_long_run_variance_do_not_explode() {
    let mut at_one = 0;
    for (seed, asymmetric) in [(1, false), (2, true), (3, false), (4, true), (5, false), (6, true)] {
        let mut random = Random(seed);
        let mut history = History::new(DAY, vec![Factor::Price(coin(0))]).unwrap();
        let mut size: f64 = 0.02;
        for _ in 0..500 {
            size *= exp(0.06 * random.normal());
            let chi: f64 = (0..3).map(|_| random.normal()).map(|value| value * value).sum();
            history.push(&[size * random.normal() / sqrt(chi)]).unwrap();
        }
        let model = Model { asymmetric, innovations: pricing::garch::Innovations::Student, mean: false };
        let own: Vec<f64> = history.column(0).collect();
        at_one += u32::from((1.0 - model.fit(&own).unwrap().parameters.persistence()) * 500.0 < 1.0);
        let forecast = Some(Forecast::Fitted(model));
        let law = Law::of(&history, forecast, Tails::Normal, 1).unwrap();
        let again = Again::of(&history, forecast, Tails::Normal, 1).unwrap();
        // One fit in many ends anywhere: what the middle two thirds span.
        let mut found: Vec<f64> =
            (0..100).filter_map(|which| again.law(which, 1).ok()).map(|law| law.deviations()[0]).collect();
        found.sort_by(f64::total_cmp);
        assert!(found.len() > 90, "seed {seed}: {} of 100", found.len());
        let found = (found[found.len() * 5 / 6] - found[found.len() / 6]) / 2.0 / law.deviations()[0];
        assert!((0.03..2.0).contains(&found), "seed {seed}: {found} of the deviation");
    }
    assert!(at_one >= 3, "{at_one} fits have a persistence of one");
}

/// A history over one step is itself; over several, paths have its moments, and factors of a moment stay together.
#[test]
fn histories_are_what_happened() {
    let mut random = Random(9);
    let levels: Vec<f64> = (0..802)
        .scan([PRICES[0], 0.5], |[price, vol], _| {
            let move_ = 0.03 * random.normal();
            *price *= exp(move_);
            *vol *= exp(-2.0 * move_);
            Some([*price, *vol])
        })
        .flatten()
        .collect();
    let factors = vec![Factor::Price(coin(0)), Factor::Vol(coin(0))];
    let history = History::of_levels(DAY, factors.clone(), &levels).unwrap();
    assert_eq!(history.len(), 801);
    let moves = Moves::historical(&history, DAY, PATHS).unwrap();
    assert!((0..801).all(|row| moves.of(row) == history.row(row)) && moves.len() == 801);
    close(moves.of(3)[0], ln(levels[8] / levels[6]), 1e-15);
    let moves = Moves::historical(&history, Duration::from_nanos(5 * DAY.nanos()), PATHS).unwrap();
    assert_eq!(moves.len(), PATHS.count);
    let mut squares = 0.0;
    for path in 0..moves.len() {
        let [price, vol] = [moves.of(path)[0], moves.of(path)[1]];
        close(vol, -2.0 * price, 1e-12);
        squares += price * price;
    }
    let mean: f64 = history.column(0).sum::<f64>() / 801.0;
    let expected = 5.0 * pow(history.deviation(0), 2.0) + 20.0 * mean * mean;
    close(squares / moves.len() as f64, expected, 0.04 * expected);
}

#[test]
fn what_cannot_be_told_is_refused_with_what_to_do() {
    let factors = prices();
    let history = |rows: usize, change: &dyn Fn(usize) -> [f64; 2]| {
        let mut history = History::new(DAY, factors.clone()).unwrap();
        (0..rows).for_each(|row| history.push(&change(row)).unwrap());
        history
    };
    let mut random = Random(3);
    let noise: Vec<[f64; 2]> = (0..200).map(|_| [0.01 * random.normal(), 0.01 * random.normal()]).collect();
    let sound = history(200, &|row| noise[row]);
    let few = history(29, &|row| noise[row]);
    let still = history(200, &|row| [noise[row][0], 0.0]);
    let twin = history(200, &|row| [noise[row][0], -2.0 * noise[row][0]]);
    let historical = |history: &History, days: i64| {
        Moves::historical(history, Duration::from_nanos(days * DAY.nanos()), PATHS).unwrap_err()
    };
    assert_eq!(historical(&few, 1), ValueAtRiskError::TooLittle { count: 29, fewest: 30 });
    assert_eq!(historical(&still, 1), ValueAtRiskError::Constant(factors[1]));
    // Constant for a part: no forecast, and no surprise, is of the volatility that there was.
    for (first, last) in [(0, 100), (170, 200), (90, 111)] {
        let still = history(200, &|row| if (first..last).contains(&row) { [noise[row][0], 1e-9] } else { noise[row] });
        let expected = ValueAtRiskError::Still { factor: factors[1], first, count: last - first, of: 200 };
        assert_eq!(historical(&still, 1), expected);
        let model = Model { asymmetric: false, innovations: pricing::garch::Innovations::Normal, mean: false };
        for forecast in [Forecast::Exponential(0.94), Forecast::Fitted(model)] {
            assert_eq!(Moves::filtered(&still, DAY, forecast, PATHS).unwrap_err(), expected);
            assert_eq!(Law::of(&still, Some(forecast), Tails::Fitted, 1).unwrap_err(), expected);
        }
    }
    // One wrong price, 0.08 of 3,000: beside its share all others seem to stand still, and it is what is named, by its logarithm.
    let wrong = history(200, &|row| match row {
        100 => [noise[row][0], units::math::ln(0.08 / 3_000.0)],
        101 => [noise[row][0], units::math::ln(3_001.0 / 0.08)],
        _ => noise[row],
    });
    let alone = wrong.alone().unwrap();
    assert!(alone.factor == factors[1] && alone.row == 101 && (alone.change - 10.53).abs() < 0.01, "{alone:?}");
    assert!((900.0..1_200.0).contains(&alone.times) && sound.alone().is_none(), "{alone:?}");
    let refused = Law::of(&wrong, None, Tails::Fitted, 1).unwrap_err();
    assert!(
        matches!(refused, ValueAtRiskError::Alone { factor, row: 101, of: 200, .. } if factor == factors[1]),
        "{refused}"
    );
    // Of thirty changes a model of thirty is fitted.
    let short = history(59, &|row| noise[row]);
    let model = Model { asymmetric: false, innovations: pricing::garch::Innovations::Normal, mean: false };
    let too_few = ValueAtRiskError::TooLittleForModel { count: 59, fewest: 60 };
    assert_eq!(Moves::filtered(&short, DAY, Forecast::Fitted(model), PATHS).unwrap_err(), too_few);
    assert_eq!(Law::of(&short, Some(Forecast::Fitted(model)), Tails::Normal, 1).unwrap_err(), too_few);
    assert!(Moves::filtered(&short, DAY, Forecast::Exponential(0.94), PATHS).is_ok());
    let calm = history(200, &|row| if (90..110).contains(&row) { [0.0, 0.0] } else { noise[row] });
    assert!(Moves::filtered(&calm, DAY, Forecast::Exponential(0.94), PATHS).is_ok());
    assert!(matches!(historical(&sound, 101), ValueAtRiskError::Beyond { .. }));
    assert!(matches!(historical(&sound, 0), ValueAtRiskError::Horizon { .. }));
    let half = Moves::historical(&sound, Duration::from_nanos(DAY.nanos() / 2), PATHS).unwrap_err();
    assert_eq!(
        half.to_string(),
        "the horizon of 12 h is no whole number of the history's steps of 1 d; choose a horizon that is, or another step"
    );
    assert_eq!(Law::of(&twin, None, Tails::Normal, 1).unwrap_err(), ValueAtRiskError::Singular(factors[1]));
    let stated = |correlation: [f64; 4], degrees| {
        Law::new(DAY, factors.clone(), vec![0.01, 0.02], correlation.to_vec(), degrees).unwrap_err()
    };
    assert_eq!(stated([1.0, 1.0, 1.0, 1.0], None), ValueAtRiskError::Singular(factors[1]));
    assert!(matches!(stated([1.0, 1.2, 1.2, 1.0], None), ValueAtRiskError::Correlation(..)));
    assert!(matches!(stated([1.0, 0.2, 0.3, 1.0], None), ValueAtRiskError::Correlation(..)));
    assert_eq!(stated([1.0, 0.2, 0.2, 1.0], Some(2.0)), ValueAtRiskError::Degrees(2.0));
    // A confidence outside, a coin without a history.
    let mut portfolio = market();
    portfolio.hold(perpetual(1, 1_000.0)).unwrap();
    let moves = Moves::historical(&sound, DAY, PATHS).unwrap();
    let profits = book(&portfolio).profits(&moves, 0..200, &[]).unwrap();
    for confidence in [0.0, 1.0, -0.5, 99.0, f64::NAN] {
        assert!(matches!(profits.figures(confidence), Err(ValueAtRiskError::Tail(TailError::Confidence(_)))));
    }
    assert_eq!(
        profits.figures(0.999).unwrap_err().to_string(),
        "200 scenarios have no tail at this confidence: 1000 are the fewest; take a longer history or a lower confidence"
    );
    let bitcoin = Moves::given(&factors[..1], DAY, vec![0.1]).unwrap();
    let missing = book(&portfolio).profits(&bitcoin, 0..1, &[]).unwrap_err();
    assert_eq!(missing, ValueAtRiskError::NoHistory(coin(1)));
    // An option that is gone at the horizon has no Greeks there.
    let (portfolio, groups) = mixed();
    let far = Duration::from_nanos(9 * DAY.nanos());
    let gone = ByGreeks::of(&mut book(&portfolio), &all(), far, &groups).unwrap_err();
    assert_eq!(gone, ValueAtRiskError::Expires { name: "of line 1".to_owned(), expiry: expiry(9) });
    // Levels that cannot be.
    let levels = History::of_levels(DAY, factors.clone(), &[1.0, 2.0, 0.0, 3.0]).unwrap_err();
    assert_eq!(levels.to_string(), "BTC, row 2: 0 cannot be; leave the row out or repair it");
}

/// Prices that wander within a box while time passes, in accounts of dollars and of coin: no profit goes further than its slack says, and
/// the slack is no wild guess.
#[test]
fn profits_keep_within_their_slack() {
    let mut random = Random(11);
    let moves =
        Moves::monte_carlo(&law(all(), &[0.04, 0.05, 0.06, 0.07], Some(4.0)), DAY, Paths { count: 300, seed: 3 });
    let mut moves = moves.unwrap().joint(0..300, Dynamics::default()).unwrap();
    moves.set_short_vols(coin(1), (0..300).map(|_| random.between(-0.5, 0.8)).collect()).unwrap();
    let skewed = |random: &mut Random| (0..300).map(|_| random.between(-0.3, 0.3)).collect();
    moves.set_skews(coin(0), skewed(&mut random)).unwrap();
    moves.set_skews(coin(1), skewed(&mut random)).unwrap();
    // What quantos are paid in moves in scenarios, and stands still in between.
    let usdc: Currency = "USDC".parse().unwrap();
    let quanto = Settlement::Quanto { quoted: Currency::USD, paid: usdc };
    moves.set_prices(usdc, (0..300).map(|_| random.between(0.85, 1.02)).collect()).unwrap();
    let (mut tightest, mut told) = (0.0_f64, 0);
    for round in 0..200 {
        let account = if round % 3 == 0 { coin(0) } else { Currency::USD };
        let mut portfolio = Portfolio::new(account, Timestamp::from_nanos(0));
        for (at, price) in PRICES.into_iter().enumerate() {
            portfolio.set_price(coin(at), price).unwrap();
            for days in [2, 9, 40, 180] {
                portfolio.set_forward(coin(at), expiry(days), price * (1.0 + 1e-4 * days as f64)).unwrap();
            }
        }
        portfolio.set_price(usdc, 0.999).unwrap();
        let mut futures = Vec::new();
        for _ in 0..1 + random.below(6) {
            // Every other one has one coin alone.
            let (at, size) = (random.below(1 + round % 2) as usize, random.between(-3.0, 3.0));
            let days = [2, 9, 40, 180][random.below(4) as usize];
            let right = if random.below(2) == 0 { OptionRight::Call } else { OptionRight::Put };
            match random.below(8) {
                0 => {
                    let price = PRICES[at] * random.between(0.99, 1.01);
                    futures.push((portfolio.hold_at(perpetual(at, size * PRICES[at]), price).unwrap(), price));
                }
                3 => {
                    let mut held = perpetual(at, size * PRICES[at]);
                    if let Holding::Future { settlement, .. } = &mut held {
                        *settlement = quanto;
                    }
                    futures.push((portfolio.hold_at(held, PRICES[at]).unwrap(), PRICES[at]));
                }
                4 => {
                    let mut held = option(at, days, random.between(0.8, 1.2), right, size, 0.6);
                    if let Holding::Option { settlement, .. } = &mut held {
                        *settlement = quanto;
                    }
                    portfolio.hold(held).unwrap();
                }
                1 => {
                    let amount = Cash::from_estimate(size, Round::Nearest).unwrap();
                    portfolio.hold(Holding::Balance { currency: coin(at), amount }).unwrap();
                }
                2 => {
                    let dollars = size * PRICES[at];
                    let inverse = Holding::Future {
                        underlying: coin(at),
                        expiry: None,
                        settlement: Settlement::Coin,
                        quantity: Qty::from_estimate(dollars, Round::Nearest).unwrap(),
                        cost: Notional::from_estimate(-size, Round::Nearest).unwrap(),
                    };
                    futures.push((portfolio.hold_at(inverse, PRICES[at]).unwrap(), PRICES[at]));
                }
                _ => {
                    let vol = random.between(0.3, 1.2);
                    portfolio.hold(option(at, days, random.between(0.8, 1.2), right, size, vol)).unwrap();
                }
            }
        }
        let mut revaluation = Revaluation::new(Simd::best());
        let (mut slack, mut before, mut after) = (Slack::default(), Vec::new(), Vec::new());
        let time = Duration::from_nanos((random.unit() * 6.0 * 3_600e9) as i64);
        let mut ready = revaluation.ready(&portfolio).unwrap();
        ready.profits(&moves, &mut before).unwrap();
        assert!(ready.slack(&moves, time, &mut slack, &before).unwrap());
        let width = [0.002, 0.02, 0.2][random.below(3) as usize];
        for _ in 0..5 {
            let drift = |random: &mut Random| 1.0 + width * random.between(-1.0, 1.0);
            portfolio.set_time(Timestamp::from_nanos((random.unit() * time.nanos() as f64) as i64));
            let prices: Vec<f64> = PRICES.iter().map(|price| price * drift(&mut random)).collect();
            for (at, price) in prices.iter().enumerate() {
                portfolio.set_price(coin(at), *price).unwrap();
            }
            for (line, price) in &futures {
                portfolio.set_own_price(*line, price * drift(&mut random)).unwrap();
            }
            revaluation.ready(&portfolio).unwrap().profits(&moves, &mut after).unwrap();
            for (row, (before, after)) in before.iter().zip(&after).enumerate() {
                let (moved, most) = ((after - before).abs(), slack.within(width, row));
                assert!(moved <= most * (1.0 + 1e-9) + 1e-6, "round {round}, row {row}: {moved} of {most}");
                tightest = tightest.max(moved / most.max(1e-6));
                told += 1;
            }
        }
    }
    assert!(told == 300_000 && tightest > 0.5, "{told} {tightest}");
}
