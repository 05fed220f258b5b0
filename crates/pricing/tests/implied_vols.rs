//! Implied volatilities: against 40 digits, against a published solver, there and back, and what has none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "the tables are files, and a skip is said")]

use implied_vol::{DefaultSpecialFn, ImpliedBlackVolatility};
use pricing::options::{
    EuropeanOption, Implied, ImpliedVols, Inputs, NoVol, OptionKind, OptionStyle, QuoteInputs, Quotes, Simd, SimdName,
    functions, total_deviation,
};
use std::path::Path;
use units::math::{exp, ln};

/// Pseudo-random numbers (splitmix64), so that a failure repeats.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.bits() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    fn wide(&mut self, low: f64, high: f64) -> f64 {
        exp(self.between(ln(low), ln(high)))
    }
}

#[test]
fn forty_digit_deviations_are_met() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/pricing/implied_vol_mp.csv");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: forty_digit_deviations_are_met: shared data absent");
        return;
    };
    let (mut rows, mut worst) = (0, 0.0_f64);
    for line in text.lines().skip(1) {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let [moneyness, price, exact, condition] = cells[..] else { panic!("{line}") };
        let ours = total_deviation(moneyness, price).unwrap();
        let error = (ours / exact - 1.0).abs() / (f64::EPSILON * (1.0 + condition));
        assert!(error <= 4.0, "{line}: {ours}, {error} eps (1 + condition)");
        worst = worst.max(error);
        rows += 1;
    }
    assert_eq!(rows, 256);
    println!("largest error {worst:.2} eps (1 + condition), of 4");
}

/// A chain with its volatilities: ordinary ones, and out to thirty deviations and 500 %.
fn chain(count: usize, random: &mut Random) -> Vec<(OptionKind, Inputs)> {
    let one = |random: &mut Random| {
        let kind = if random.bits().is_multiple_of(2) { OptionKind::Call } else { OptionKind::Put };
        let (years, vol) = (random.wide(1e-6, 3.0), random.wide(0.01, 5.0));
        let reach = if random.bits().is_multiple_of(4) { 30.0 } else { 4.0 };
        let strike = 60_000.0 * exp(random.between(-reach, reach) * vol * years.sqrt());
        (kind, Inputs { forward: 60_000.0, strike, years, vol, discount: 1.0 })
    };
    let mut options = Vec::new();
    while options.len() < count {
        let (kind, inputs) = one(random);
        if (1e-9..1e12).contains(&inputs.strike) {
            options.push((kind, inputs));
        }
    }
    options
}

/// What is out of the money: the price that holds the information.
fn out_of_money(inputs: &Inputs) -> OptionKind {
    if inputs.strike >= inputs.forward { OptionKind::Call } else { OptionKind::Put }
}

fn quotes(options: &[(OptionKind, Inputs)], price: impl Fn(OptionKind, &Inputs) -> f64, tick: f64) -> Quotes {
    let mut quotes = Quotes::default();
    for (kind, inputs) in options {
        let Inputs { forward, strike, years, discount, .. } = *inputs;
        let price = price(*kind, inputs);
        let inputs = QuoteInputs { forward, strike, years, discount, price, tick };
        quotes.push(*kind, OptionStyle::Linear, inputs).unwrap();
    }
    quotes
}

fn price(kind: OptionKind, inputs: &Inputs) -> f64 {
    EuropeanOption::new(kind, *inputs).unwrap().greeks().price
}

#[test]
fn a_price_gives_its_volatility_back() {
    let mut random = Random(5);
    let options: Vec<_> =
        chain(200_000, &mut random).into_iter().map(|(_, inputs)| (out_of_money(&inputs), inputs)).collect();
    let quotes = quotes(&options, price, 0.0);
    let mut vols = ImpliedVols::default();
    quotes.implied(Simd::best(), &mut vols);
    let mut solved = 0;
    for ((kind, inputs), implied) in options.iter().zip(vols.iter()) {
        let greeks = EuropeanOption::new(*kind, *inputs).unwrap().greeks();
        let Implied::Vol { vol, low, high } = implied else {
            assert!(
                greeks.price < 1e-270 || greeks.price > inputs.forward.min(inputs.strike) * (1.0 - 1e-15),
                "{inputs:?}"
            );
            continue;
        };
        assert_eq!((low, high), (vol, Some(vol)), "an exact price has no interval");
        // The rounding of the price, which is up to that of the forward near the money, over its slope; and some digits.
        let slope = greeks.vega * 100.0;
        let smaller = inputs.forward.min(inputs.strike);
        let s = inputs.vol * inputs.years.sqrt();
        let d = ln(inputs.forward / inputs.strike).abs() / s - s / 2.0;
        // What the price adds up: terms of the size of the smaller of both times N(-d), with the error of a tail.
        let terms = smaller * functions::normal_distribution(-d) + 4.0 * greeks.price;
        let rounding = 1e-16 * (10.0 + d * d) * terms;
        let error = (vol - inputs.vol).abs();
        assert!(error <= rounding / slope + 4e-15 * inputs.vol, "{kind:?} {inputs:?}: {vol}, {error:e}");
        solved += 1;
    }
    assert!(solved > 180_000, "{solved}");
}

#[test]
fn a_published_solver_agrees() {
    let mut random = Random(6);
    let options: Vec<_> =
        chain(100_000, &mut random).into_iter().map(|(_, inputs)| (out_of_money(&inputs), inputs)).collect();
    let quotes = quotes(&options, price, 0.0);
    let mut vols = ImpliedVols::default();
    quotes.implied(Simd::best(), &mut vols);
    let (mut compared, mut worst) = (0, 0.0_f64);
    for ((kind, inputs), implied) in options.iter().zip(vols.iter()) {
        let price = price(*kind, inputs);
        let oracle = ImpliedBlackVolatility::builder()
            .option_price(price)
            .forward(inputs.forward)
            .strike(inputs.strike)
            .expiry(inputs.years)
            .is_call(*kind == OptionKind::Call)
            .build()
            .and_then(|quote| quote.calculate::<DefaultSpecialFn>());
        let (Some(ours), Some(oracle)) = (implied.vol(), oracle) else { continue };
        // Where the slope is lost in the saturation near the largest price, both are free in it.
        let share = price / inputs.forward.min(inputs.strike);
        let allowed = if share > 0.9 { 1e-9 } else { 1e-13 };
        let error = (ours / oracle - 1.0).abs();
        assert!(error <= allowed, "{kind:?} {inputs:?}: {ours}, {oracle}");
        worst = worst.max(if share > 0.9 { 0.0 } else { error });
        compared += 1;
    }
    assert!(compared > 90_000, "{compared}");
    println!("{compared} compared, largest difference {worst:.1e}");
}

#[test]
fn warm_and_cold_agree_however_far_the_start() {
    let mut random = Random(7);
    let options = chain(50_000, &mut random);
    for jump in [1.0 + 1e-9, 1.001, 1.05, 1.5, 5.0, 100.0, 0.99, 0.5, 0.05] {
        let moved: Vec<_> = options
            .iter()
            .map(|(_, inputs)| {
                let inputs = Inputs { vol: (inputs.vol * jump).min(50.0), ..*inputs };
                (out_of_money(&inputs), inputs)
            })
            .collect();
        let (mut warm, mut cold) = (ImpliedVols::default(), ImpliedVols::default());
        let before = options.iter().map(|(_, inputs)| (out_of_money(inputs), *inputs)).collect::<Vec<_>>();
        quotes(&before, price, 0.0).implied(Simd::best(), &mut warm);
        let after = quotes(&moved, price, 0.0);
        after.implied(Simd::best(), &mut cold);
        after.implied_again(Simd::best(), &mut warm);
        for (index, (a, b)) in warm.iter().zip(cold.iter()).enumerate() {
            let (Some(a), Some(b)) = (a.vol(), b.vol()) else {
                assert_eq!(a.vol().is_none(), b.vol().is_none());
                continue;
            };
            let share = price(moved[index].0, &moved[index].1) / moved[index].1.strike.min(60_000.0);
            let allowed = if share > 0.9 { 1e-8 } else { 3e-14 };
            assert!((a / b - 1.0).abs() <= allowed, "{jump}: {:?}: {a} {b}", moved[index]);
        }
    }
}

#[test]
fn the_interval_is_that_of_half_a_tick() {
    let mut random = Random(8);
    let tick = 5.0;
    let options: Vec<_> = chain(20_000, &mut random).into_iter().filter(|(_, inputs)| inputs.strike < 1e7).collect();
    let rounded = |kind, inputs: &Inputs| (price(kind, inputs) / tick).round() * tick;
    let quotes = quotes(&options, rounded, tick);
    let mut vols = ImpliedVols::default();
    quotes.implied(Simd::best(), &mut vols);
    let (mut closed, mut open) = (0, 0);
    for ((kind, inputs), implied) in options.iter().zip(vols.iter()) {
        let at = |vol: f64| price(*kind, &Inputs { vol, ..*inputs });
        let quote = rounded(*kind, inputs);
        // A price that was rounded to the tick lies in the interval of its quote, and so does its volatility.
        let exact = price(*kind, inputs);
        let slack = 1e-9 * inputs.forward.max(inputs.strike);
        match implied {
            Implied::Vol { vol, low, high } => {
                assert!(low <= vol && high.is_none_or(|high| vol <= high), "{implied:?}");
                assert!(low <= inputs.vol * (1.0 + 1e-6), "{kind:?} {inputs:?} {implied:?}");
                assert!((at(vol.min(100.0)) - quote).abs() <= slack || vol > 100.0, "{kind:?} {inputs:?} {implied:?}");
                if low > 0.0 {
                    assert!((at(low) - (quote - tick / 2.0)).abs() <= slack, "{kind:?} {inputs:?} {implied:?}");
                    closed += 1;
                }
                if let Some(high) = high {
                    assert!(high >= inputs.vol * (1.0 - 1e-6), "{kind:?} {inputs:?} {implied:?}");
                    assert!(
                        (at(high.min(100.0)) - (quote + tick / 2.0)).abs() <= slack || high > 100.0,
                        "{inputs:?} {implied:?}"
                    );
                } else {
                    open += 1;
                }
            }
            Implied::None(NoVol::NoInformation { high }) => {
                let exercise = match kind {
                    OptionKind::Call => (inputs.forward - inputs.strike).max(0.0),
                    OptionKind::Put => (inputs.strike - inputs.forward).max(0.0),
                };
                assert!((exact - exercise) <= tick + slack, "{kind:?} {inputs:?} {implied:?}");
                assert!(high.is_none_or(|high| high >= inputs.vol * (1.0 - 1e-6)), "{kind:?} {inputs:?} {implied:?}");
            }
            // Rounding down by up to half a tick never puts a price below exercise by more.
            Implied::None(NoVol::BelowIntrinsic) => {
                panic!("{kind:?} {inputs:?}: {exact} {quote}");
            }
            Implied::None(NoVol::AboveForward) => assert!(exact > inputs.forward.min(inputs.strike) - tick),
        }
    }
    assert!(closed > 5_000 && open > 0, "{closed} {open}");
}

/// A price in the money holds its volatility only beside what exercise gives, and is itself rounded. Whatever `price` says, there
/// and back: the interval holds the volatility, or the answer is that nothing is known, up to a volatility that is not lower.
#[test]
fn a_price_in_the_money_promises_no_more_than_its_rounding_holds() {
    let mut random = Random(9);
    let mut options = vec![(
        OptionKind::Put,
        Inputs { forward: 60_338.92, strike: 125_132.0, years: 0.037_866, vol: 0.234, discount: 1.0 },
    )];
    for vol in [0.05, 0.1, 0.2] {
        let inputs = Inputs { forward: 60_000.1, strike: 90_000.7, years: 0.05, vol, discount: 1.0 };
        options.push((OptionKind::Put, inputs));
    }
    while options.len() < 40_000 {
        let (years, vol) = (random.wide(3e-8, 3.0), random.wide(0.01, 5.0));
        let forward = random.between(0.5, 100_000.0);
        let reach = if random.bits().is_multiple_of(3) { 12.0 } else { 3.0 };
        let strike = forward * exp(random.between(-reach, reach) * vol * years.sqrt());
        let discount = if random.bits().is_multiple_of(2) { 1.0 } else { random.between(0.8, 1.01) };
        let kind = if strike > forward { OptionKind::Put } else { OptionKind::Call };
        if (forward * 1e-3..forward * 1e3).contains(&strike) {
            options.push((kind, Inputs { forward, strike, years, vol, discount }));
        }
    }
    let (mut solved, mut unknown) = (0, 0);
    for style in [OptionStyle::Linear, OptionStyle::Inverse] {
        let mut quotes = Quotes::default();
        for (kind, inputs) in &options {
            let Inputs { forward, strike, years, discount, .. } = *inputs;
            let greeks = EuropeanOption::new(*kind, *inputs).unwrap().greeks();
            let price = if style == OptionStyle::Inverse { greeks.in_coin(forward).price } else { greeks.price };
            quotes.push(*kind, style, QuoteInputs { forward, strike, years, discount, price, tick: 0.0 }).unwrap();
        }
        let mut vols = ImpliedVols::default();
        quotes.implied(Simd::best(), &mut vols);
        for ((kind, inputs), implied) in options.iter().zip(vols.iter()) {
            match implied {
                Implied::Vol { vol, low, high } => {
                    let held = low <= inputs.vol && high.is_none_or(|high| inputs.vol <= high);
                    assert!(held, "{style:?} {kind:?} {inputs:?}: {implied:?}");
                    assert!(
                        low <= vol && high.is_none_or(|high| vol <= high),
                        "{style:?} {kind:?} {inputs:?}: {implied:?}"
                    );
                    solved += 1;
                }
                Implied::None(NoVol::NoInformation { high }) => {
                    let held = high.is_none_or(|high| inputs.vol <= high);
                    assert!(held, "{style:?} {kind:?} {inputs:?}: {implied:?}");
                    unknown += 1;
                }
                Implied::None(NoVol::BelowIntrinsic | NoVol::AboveForward) => {
                    let s = inputs.vol * inputs.years.sqrt();
                    // So much volatility that the price is the forward, or the strike, to the last digit.
                    let most = implied == Implied::None(NoVol::AboveForward) && s > 8.0;
                    assert!(most, "{style:?} {kind:?} {inputs:?}: {implied:?}");
                }
            }
        }
        for ((kind, inputs), implied) in options.iter().zip(vols.iter()).take(4) {
            let Implied::None(NoVol::NoInformation { high: Some(high) }) = implied else {
                panic!("{style:?} {inputs:?}: {implied:?}");
            };
            // No further up than the rounding explains: a few ulps of the strike.
            let moved = price(*kind, &Inputs { vol: high, ..*inputs }) - price(*kind, inputs);
            assert!(moved <= 4e-15 * inputs.strike, "{style:?} {inputs:?}: {high}, {moved:e}");
        }
    }
    assert!(solved > 60_000 && unknown > 1_000, "{solved} {unknown}");
}

#[test]
fn a_price_without_a_volatility_says_why() {
    let check = |kind, style, [forward, strike, years, discount, price, tick]: [f64; 6]| {
        let mut quotes = Quotes::default();
        quotes.push(kind, style, QuoteInputs { forward, strike, years, discount, price, tick }).unwrap();
        let mut vols = ImpliedVols::default();
        quotes.implied(Simd::best(), &mut vols);
        vols.get(0)
    };
    let (call, put) = (OptionKind::Call, OptionKind::Put);
    let (linear, inverse) = (OptionStyle::Linear, OptionStyle::Inverse);
    let below = Implied::None(NoVol::BelowIntrinsic);
    let above = Implied::None(NoVol::AboveForward);
    assert_eq!(check(call, linear, [100.0, 90.0, 0.5, 1.0, 9.0, 0.0]), below);
    assert_eq!(check(put, linear, [100.0, 120.0, 0.5, 0.9, 17.9, 0.1]), below);
    assert_eq!(check(put, inverse, [100.0, 120.0, 0.5, 1.0, 0.19, 0.01]), below);
    assert_eq!(check(call, linear, [100.0, 90.0, 0.5, 1.0, 100.0, 0.0]), above);
    assert_eq!(check(put, linear, [100.0, 90.0, 0.5, 0.9, 81.5, 0.1]), above);
    assert_eq!(check(call, inverse, [100.0, 90.0, 0.5, 1.0, 1.0, 0.01]), above);
    // A price of nothing, and one that is exercise to within half a tick.
    let Implied::None(NoVol::NoInformation { high: Some(high) }) =
        check(call, linear, [100.0, 150.0, 0.5, 1.0, 0.0, 0.0])
    else {
        panic!("a price of nothing");
    };
    assert!(high < 0.02, "{high}");
    let Implied::None(NoVol::NoInformation { high: Some(high) }) =
        check(call, linear, [100.0, 90.0, 0.5, 1.0, 9.97, 0.1])
    else {
        panic!("within half a tick of exercise");
    };
    assert!(high > 0.05 && high < 0.2, "{high}");
    // No time: no volatility, whatever the price.
    let none = Implied::None(NoVol::NoInformation { high: None });
    assert_eq!(check(call, linear, [100.0, 90.0, 0.0, 1.0, 10.0, 0.1]), none);
    assert_eq!(check(call, linear, [100.0, 90.0, 0.0, 1.0, 12.0, 0.1]), none);
    // In reach of the forward from below: no highest volatility.
    let Implied::Vol { vol, low, high: None } = check(call, linear, [100.0, 90.0, 0.5, 1.0, 99.99, 0.1]) else {
        panic!("near the forward");
    };
    assert!(low < vol && low > 5.0, "{low} {vol}");
    // Deep in the money, where the point is all rounding: the interval says so.
    let Implied::Vol { low, high: Some(high), .. } =
        check(call, inverse, [60_000.0, 20_000.0, 30.0 / 365.0, 1.0, 0.6667, 0.0001])
    else {
        panic!("deep in the money");
    };
    assert!(low == 0.0 && high > 1.0, "{low} {high}");
}

#[test]
fn inverse_quotes_are_linear_ones_times_the_forward() {
    let linear =
        QuoteInputs { forward: 60_000.0, strike: 65_000.0, years: 0.1, discount: 1.0, price: 3_000.0, tick: 6.0 };
    let coin = QuoteInputs { price: 0.05, tick: 0.0001, ..linear };
    let mut quotes = Quotes::default();
    quotes.push(OptionKind::Call, OptionStyle::Linear, linear).unwrap();
    quotes.push(OptionKind::Call, OptionStyle::Inverse, coin).unwrap();
    let mut vols = ImpliedVols::default();
    quotes.implied(Simd::best(), &mut vols);
    assert_eq!(vols.get(0), vols.get(1));
    assert!(quotes.push(OptionKind::Put, OptionStyle::Linear, QuoteInputs { price: -1.0, ..linear }).is_err());
    assert!(quotes.push(OptionKind::Put, OptionStyle::Linear, QuoteInputs { tick: f64::NAN, ..linear }).is_err());
    assert!(quotes.set_price(0, f64::INFINITY).is_err());
    assert_eq!(quotes.len(), 2);
}

fn bits(implied: &ImpliedVols) -> Vec<[u64; 4]> {
    let number = |value: Option<f64>| value.map_or(u64::MAX, f64::to_bits);
    let one = |answer| match answer {
        Implied::Vol { vol, low, high } => [0, vol.to_bits(), low.to_bits(), number(high)],
        Implied::None(NoVol::BelowIntrinsic) => [1, 0, 0, 0],
        Implied::None(NoVol::AboveForward) => [2, 0, 0, 0],
        Implied::None(NoVol::NoInformation { high }) => [3, 0, 0, number(high)],
    };
    implied.iter().map(one).collect()
}

#[test]
fn all_sets_of_instructions_give_the_same_volatilities() {
    let mut sets: Vec<(String, Simd)> =
        SimdName::ALL.iter().filter_map(|name| Some((name.to_string(), Simd::new(*name)?))).collect();
    let scalar = sets[0].1;
    for (count, seed) in [(400_001, 9), (1, 10), (7, 11), (13, 12), (2_000, 13)] {
        if count == 2_000 {
            sets.push(("portable".to_owned(), Simd::portable()));
        }
        let mut random = Random(seed);
        let mut quotes = Quotes::default();
        let mut moves = Vec::new();
        for (kind, inputs) in chain(count, &mut random) {
            let Inputs { forward, strike, years, .. } = inputs;
            let exact = price(kind, &inputs);
            let price = match random.bits() % 8 {
                0 => (exact / 5.0).round() * 5.0,
                1 => random.between(0.0, 2.0 * forward),
                2 => 0.0,
                _ => exact,
            };
            let tick = if random.bits().is_multiple_of(2) { 0.0 } else { 5.0 };
            let years = if random.bits().is_multiple_of(50) { 0.0 } else { years };
            let discount = if random.bits().is_multiple_of(4) { 0.97 } else { 1.0 };
            let inputs = QuoteInputs { forward, strike, years, discount, price, tick };
            quotes.push(kind, OptionStyle::Linear, inputs).unwrap();
            moves.push(price * random.between(0.9, 1.1));
        }
        let mut cold = ImpliedVols::default();
        quotes.implied(scalar, &mut cold);
        let mut moved = quotes.clone();
        moves.iter().enumerate().for_each(|(index, price)| moved.set_price(index, *price).unwrap());
        let mut warm = cold.clone();
        moved.implied_again(scalar, &mut warm);
        for (name, simd) in &sets {
            let mut again = ImpliedVols::default();
            quotes.implied(*simd, &mut again);
            assert!(bits(&cold) == bits(&again), "{name}, cold, {count}");
            moved.implied_again(*simd, &mut again);
            assert!(bits(&warm) == bits(&again), "{name}, warm, {count}");
        }
    }
}
