//! Every set of instructions gives the same bits, for values and for sums.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use pricing::options::{Batch, EuropeanOption, Inputs, OptionKind, Quantities, Simd, SimdName, Values};
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

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Between `low` and `high`, evenly in the logarithm.
    fn wide(&mut self, low: f64, high: f64) -> f64 {
        exp(ln(low) + self.unit() * (ln(high) - ln(low))).clamp(low, high)
    }

    fn of(&mut self, values: &[f64]) -> f64 {
        values[(self.bits() % values.len() as u64) as usize]
    }
}

/// Ends of the ranges, exactly one, and values around what counts as none.
const SPECIAL: [f64; 22] = [
    0.0,
    -0.0,
    1e-320,
    1e-17,
    9e-18,
    1e-15,
    3.2e-17,
    1e-8,
    9.99e-9,
    1e-6,
    0.01,
    0.5,
    1.0,
    1.000_000_000_000_000_2,
    2.0,
    5.0,
    10.0,
    100.0,
    200.0,
    60_000.0,
    1e9,
    1e15,
];

fn random_option(random: &mut Random) -> Option<EuropeanOption> {
    let kind = if random.bits().is_multiple_of(2) { OptionKind::Call } else { OptionKind::Put };
    let inputs = match random.bits() % 8 {
        0 => Inputs {
            forward: random.of(&SPECIAL),
            strike: random.of(&SPECIAL),
            years: random.of(&SPECIAL),
            vol: random.of(&SPECIAL),
            discount: random.of(&SPECIAL),
        },
        1 => Inputs {
            forward: random.wide(1e-15, 1e15),
            strike: random.wide(1e-15, 1e15),
            years: random.wide(1e-17, 200.0),
            vol: random.wide(1e-8, 100.0),
            discount: random.wide(1e-6, 10.0),
        },
        _ => {
            let (years, vol) = (random.wide(3e-8, 5.0), random.wide(0.01, 5.0));
            let distance = (random.unit() - 0.5) * 16.0 * vol * years.sqrt();
            let discount = if random.bits().is_multiple_of(2) { 1.0 } else { random.wide(0.5, 1.1) };
            Inputs { forward: 60_000.0, strike: 60_000.0 * exp(distance), years, vol, discount }
        }
    };
    EuropeanOption::new(kind, inputs).ok()
}

fn same_bits(count: usize, seed: u64, reference: Simd, others: &[(SimdName, Simd)]) {
    let mut random = Random(seed);
    let (mut batch, mut options) = (Batch::default(), Vec::new());
    while batch.len() < count {
        if let Some(option) = random_option(&mut random) {
            batch.push(&option);
            options.push(option);
        }
    }
    let quantities = Quantities::from_iter((0..count).map(|_| (random.unit() - 0.5) * 100.0));
    let (mut expected, mut values) = (Values::default(), Values::default());
    batch.values(reference, &mut expected);
    let expected_sums = batch.sums(reference, &quantities);
    assert!(expected_sums.total.values().iter().all(|sum| sum.is_finite()), "{expected_sums:?}");
    for (index, (greeks, option)) in expected.iter().zip(&options).enumerate() {
        let at_the_strike = option.inputs().forward == option.inputs().strike;
        let dead = option.inputs().years == 0.0 || option.inputs().vol == 0.0;
        for value in greeks.values() {
            assert!(!value.is_nan() && (value.is_finite() || at_the_strike && dead), "{index}: {option:?} {greeks:?}");
        }
        // One by one as in a batch.
        if index % 16 == 0 {
            assert_eq!(greeks.values().map(f64::to_bits), option.greeks().values().map(f64::to_bits), "{option:?}");
        }
    }
    for (name, simd) in others {
        let mut prices = vec![f64::NAN; 3];
        batch.prices(*simd, &mut prices);
        let alone = expected.iter().map(|greeks| greeks.price.to_bits());
        assert!(
            prices.len() == count && prices.iter().map(|price| price.to_bits()).eq(alone),
            "{name}, prices of {count}"
        );
        batch.values(*simd, &mut values);
        for (index, (a, b)) in expected.iter().zip(values.iter()).enumerate() {
            let (a, b) = (a.values().map(f64::to_bits), b.values().map(f64::to_bits));
            assert_eq!(a, b, "{name}, {index}: {:?}", options[index]);
        }
        let sums = batch.sums(*simd, &quantities);
        assert_eq!(sums.unbounded, expected_sums.unbounded);
        let bits = sums.total.values().map(f64::to_bits);
        assert_eq!(bits, expected_sums.total.values().map(f64::to_bits), "{name}, sums of {count}");
    }
}

fn sets() -> Vec<(SimdName, Simd)> {
    SimdName::ALL.into_iter().filter_map(|name| Some((name, Simd::new(name)?))).collect()
}

#[test]
fn all_sets_of_instructions_give_the_same_bits() {
    let sets = sets();
    for name in SimdName::ALL {
        if !sets.iter().any(|(had, _)| *had == name) {
            eprintln!("skipped: all_sets_of_instructions_give_the_same_bits: this processor has no {name}");
        }
    }
    let scalar = Simd::new(SimdName::Scalar).unwrap();
    same_bits(2_000_003, 1, scalar, &sets);
    for count in 0..40 {
        same_bits(count, 100 + count as u64, scalar, &sets);
    }
}

/// The bits themselves, so that another compiler, platform or a change that was not meant to move them shows.
#[test]
fn the_bits_are_what_they_were() {
    let mut random = Random(4);
    let mut batch = Batch::default();
    while batch.len() < 50_000 {
        random_option(&mut random).iter().for_each(|option| batch.push(option));
    }
    let mut values = Values::default();
    batch.values(Simd::best(), &mut values);
    let sums = batch.sums(Simd::best(), &Quantities::from_iter((0..50_000).map(|k| f64::from(k % 11) - 5.0)));
    let mut hash = Random(0);
    for greeks in values.iter().chain([sums.total]) {
        for value in greeks.values() {
            hash.0 ^= value.to_bits();
            hash.0 = hash.bits();
        }
    }
    assert_eq!(hash.0, 0x5295_3a42_0b0d_1ad7, "{:#x}", hash.0);
}

/// Without the processor's fused multiply-add: the software one is slow, so fewer options.
#[test]
fn software_multiply_add_gives_the_same_bits() {
    same_bits(20_000, 2, Simd::portable(), &sets());
}

#[test]
fn sums_are_those_of_the_values() {
    let mut random = Random(3);
    let (mut batch, mut greeks, mut quantities) = (Batch::default(), Vec::new(), Vec::new());
    while batch.len() < 501 {
        let Some(option) = random_option(&mut random) else { continue };
        // Moderate ones, lest one option be all that counts; and some that have expired.
        if option.inputs().forward == 60_000.0 && option.inputs().strike < 1e7 && option.inputs().years < 6.0 {
            batch.push(&option);
            greeks.push(option.greeks());
            quantities.push((random.unit() - 0.5) * 10.0);
        }
    }
    let sums = batch.sums(Simd::best(), &quantities.iter().copied().collect());
    let mut unbounded = 0;
    for k in 0..13 {
        let parts = greeks.iter().zip(&quantities).map(|(greeks, quantity)| greeks.values()[k] * quantity);
        let parts: Vec<f64> = parts.filter(|part| part.is_finite()).collect();
        let (sum, size): (f64, f64) = (parts.iter().sum(), parts.iter().map(|part| part.abs()).sum());
        assert!((sums.total.values()[k] - sum).abs() <= 1e-13 * size, "{k}: {} {sum}", sums.total.values()[k]);
        unbounded = unbounded.max(501 - parts.len());
    }
    assert_eq!(sums.unbounded, unbounded);
}

#[test]
fn a_tick_moves_the_options_of_one_expiry() {
    let inputs = Inputs { forward: 100.0, strike: 110.0, years: 0.5, vol: 0.6, discount: 1.0 };
    let option = |inputs| EuropeanOption::new(OptionKind::Call, inputs).unwrap();
    let mut batch = Batch::default();
    for _ in 0..20 {
        batch.push(&option(inputs));
    }
    batch.set_forward(5..12, 101.0).unwrap();
    batch.set_vol(3, 0.7).unwrap();
    batch.set_years(15..20, 0.4).unwrap();
    let mut values = Values::default();
    batch.values(Simd::best(), &mut values);
    for index in 0..20 {
        let expected = match index {
            3 => option(Inputs { vol: 0.7, ..inputs }),
            5..12 => option(Inputs { forward: 101.0, ..inputs }),
            15..20 => option(Inputs { years: 0.4, ..inputs }),
            _ => option(inputs),
        };
        assert_eq!(values.get(index), expected.greeks(), "{index}");
    }
    assert!(batch.set_forward(0..20, f64::NAN).is_err() && batch.set_vol(0, -1.0).is_err());
    let mut after = Values::default();
    batch.values(Simd::best(), &mut after);
    assert_eq!(values, after, "a refused change changes nothing");
}
