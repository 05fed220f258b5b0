//! The surface on made-up quotes: what is known comes back, bad input is named, and nothing that goes in makes arbitrage come out.
//!
//! 1,000 mutated chains; 30,000 with `TRIMTAB_LONG=1`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "made-up smiles need no portable digits, and the long run is asked for")]

use pricing::surface::{MINIMUM_POINTS, Repair, SmilePoint, SmileQuotes, SmileRefusal, Surface, SurfaceRefusal, Svi};

/// Uniform numbers, the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }

    fn below(&mut self, count: usize) -> usize {
        ((self.next() * count as f64) as usize).min(count - 1)
    }
}

/// A surface of the kind SSVI, free of arbitrage by Gatheral and Jacquier's theorems 4.1 and 4.2.
fn ssvi(years: f64, k: f64) -> f64 {
    let theta = 0.36 * years;
    let phi = 0.9 / theta.sqrt();
    let skew = -0.25;
    0.5 * theta * (1.0 + skew * phi * k + ((phi * k + skew).powi(2) + 1.0 - skew * skew).sqrt())
}

/// Quotes around that surface: the spread in volatility, and how far the middle strays as a share of it.
fn quotes(years: f64, strikes: usize, spread: f64, stray: f64, random: &mut Random) -> SmileQuotes {
    let unit = 0.6 * years.sqrt();
    let point = |at: usize, random: &mut Random| {
        let log_moneyness = unit * (-3.0 + 6.0 * at as f64 / (strikes - 1) as f64);
        let vol = (ssvi(years, log_moneyness) / years).sqrt();
        let mid_vol = vol + stray * spread * random.within(-0.5, 0.5);
        SmilePoint {
            log_moneyness,
            bid_vol: mid_vol - 0.5 * spread,
            ask_vol: mid_vol + 0.5 * spread,
            mid_vol,
            weight: 1.0,
        }
    };
    let points = (0..strikes).map(|at| point(at, random)).collect();
    SmileQuotes { years, forward: 60_000.0, discount: 1.0, points }
}

fn chain(spread: f64, stray: f64) -> Vec<SmileQuotes> {
    let mut random = Random(3);
    let days = [1.0, 2.0, 3.0, 9.0, 16.0, 23.0, 44.0, 72.0, 107.0, 198.0, 289.0, 352.0];
    days.iter().map(|days| quotes(days / 365.0, 34, spread, stray, &mut random)).collect()
}

/// On a grid that knows nothing of knots: g, rises between neighbours, wings.
fn assert_free(surface: &Surface, of: &str) {
    for (at, slice) in surface.slices().iter().enumerate() {
        assert!(slice.arbitrage().is_free(), "{of}: slice {at}: {:?}", slice.arbitrage());
        let unit = slice.total_variance(0.0).sqrt();
        for far in [-1e9, 1e9] {
            assert!(slice.with_derivatives(far).1.abs() <= 2.0, "{of}: slice {at}: {:?}", slice.arbitrage());
        }
        for step in -300..=300 {
            let x = f64::from(step) / 40.0;
            let k = unit * x * (1.0 + x * x / 8.0);
            let (value, slope, second) = slice.with_derivatives(k);
            assert!(value > 0.0 && slope.is_finite() && second.is_finite(), "{of}: slice {at} at {k}: {value} {slope}");
            assert!(
                slice.durrleman(k) >= 0.0,
                "{of}: slice {at}: g is {} at {k}: {:?}",
                slice.durrleman(k),
                slice.arbitrage()
            );
            if let Some(next) = surface.slices().get(at + 1) {
                let above = next.total_variance(k);
                assert!(above >= value - 1e-12 * value, "{of}: slice {at} at {k}: {value} over {above}");
            }
        }
    }
}

#[test]
fn a_known_surface_comes_back() {
    let exact = Surface::fit(&chain(0.002, 0.0)).unwrap();
    assert_free(&exact, "exact quotes");
    for slice in exact.slices() {
        assert_eq!(slice.error().inside, slice.error().points, "{:?}", slice.error());
        assert_eq!(slice.error().points, 34);
        assert!(slice.error().largest < 5e-4, "{:?}", slice.error());
        // SSVI is SVI: the five parameters are enough.
        for k in [-1.0, 0.0, 1.0].map(|z| z * 0.6 * slice.years().sqrt()) {
            let own = slice.svi().with_derivatives(k).0;
            assert!((own / ssvi(slice.years(), k) - 1.0).abs() < 0.02, "{:?}", slice.svi());
        }
        // Between the strikes, too.
        for step in -25..=25 {
            let k = 0.6 * slice.years().sqrt() * f64::from(step) * 0.1;
            let known = (ssvi(slice.years(), k) / slice.years()).sqrt();
            assert!(
                (slice.vol(k) - known).abs() < 5e-4,
                "{} years at {k}: {} for {known}",
                slice.years(),
                slice.vol(k)
            );
        }
    }
    let noisy = Surface::fit(&chain(0.02, 0.8)).unwrap();
    assert_free(&noisy, "noisy quotes");
    for slice in noisy.slices() {
        for step in -15..=15 {
            let k = 0.6 * slice.years().sqrt() * f64::from(step) * 0.1;
            let known = (ssvi(slice.years(), k) / slice.years()).sqrt();
            // The middles stray by up to 0.008.
            assert!(
                (slice.vol(k) - known).abs() < 0.008,
                "{} years at {k}: {} for {known}",
                slice.years(),
                slice.vol(k)
            );
        }
    }
}

#[test]
fn stale_quotes_do_not_bend_the_smile() {
    let mut quotes = chain(0.004, 0.3);
    let clean = Surface::fit(&quotes).unwrap();
    for quotes in &mut quotes {
        // One strike near the money and one in the wing are quoted as of a calmer hour.
        for at in [14, 28] {
            let point = &mut quotes.points[at];
            point.bid_vol -= 0.06;
            point.mid_vol -= 0.06;
            point.ask_vol -= 0.06;
        }
    }
    let stale = Surface::fit(&quotes).unwrap();
    assert_free(&stale, "stale");
    for (clean, stale) in clean.slices().iter().zip(stale.slices()) {
        assert!((clean.vol(0.0) - stale.vol(0.0)).abs() < 0.004, "{} {}", clean.vol(0.0), stale.vol(0.0));
    }
}

#[test]
fn bad_quotes_are_named() {
    let good = chain(0.004, 0.0).remove(4);
    let refused = |change: &dyn Fn(&mut SmileQuotes)| {
        let mut quotes = good.clone();
        change(&mut quotes);
        let refusal = quotes.check().unwrap_err();
        let whole = Surface::fit(std::slice::from_ref(&quotes)).unwrap_err();
        assert_eq!(whole, SurfaceRefusal::NoSlices { first: Some(refusal) });
        // Beside a good expiry it is told and passed over.
        let mut later = good.clone();
        later.years += 0.1;
        if quotes.years != f64::INFINITY {
            let surface = Surface::fit(&[quotes.clone(), later]).unwrap();
            assert_eq!((surface.slices().len(), surface.refused()), (1, [(0, refusal)].as_slice()));
        }
        let mut surface = Surface::fit(std::slice::from_ref(&good)).unwrap();
        let before = surface.clone();
        assert_eq!(surface.refit(0, &quotes), Err(SurfaceRefusal::Quotes(refusal)));
        assert_eq!(surface, before);
        refusal
    };
    for years in [0.0, 1e-10, -1.0, 201.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(&|quotes| quotes.years = years), SmileRefusal::BadTerms);
    }
    assert_eq!(refused(&|quotes| quotes.forward = 0.0), SmileRefusal::BadTerms);
    assert_eq!(refused(&|quotes| quotes.discount = f64::NAN), SmileRefusal::BadTerms);
    for count in 0..MINIMUM_POINTS {
        assert_eq!(refused(&|quotes| quotes.points.truncate(count)), SmileRefusal::TooFewPoints { count });
    }
    let weightless = |quotes: &mut SmileQuotes| quotes.points.iter_mut().for_each(|point| point.weight = 0.0);
    assert_eq!(refused(&weightless), SmileRefusal::TooFewPoints { count: 0 });
    assert_eq!(refused(&|quotes| quotes.points[3].mid_vol = f64::NAN), SmileRefusal::BadPoint { at: 3 });
    assert_eq!(refused(&|quotes| quotes.points[3].log_moneyness = f64::INFINITY), SmileRefusal::BadPoint { at: 3 });
    assert_eq!(refused(&|quotes| quotes.points[3].bid_vol = -0.1), SmileRefusal::BadPoint { at: 3 });
    assert_eq!(refused(&|quotes| quotes.points[3].weight = -1.0), SmileRefusal::BadPoint { at: 3 });
    let cross = |quotes: &mut SmileQuotes| {
        quotes.points.iter_mut().for_each(|point| std::mem::swap(&mut point.bid_vol, &mut point.ask_vol));
    };
    assert_eq!(refused(&cross), SmileRefusal::Crossed { at: 0 });
    assert_eq!(refused(&|quotes| quotes.points[5].ask_vol = quotes.points[5].bid_vol), SmileRefusal::Crossed { at: 5 });
    assert_eq!(refused(&|quotes| quotes.points.swap(6, 7)), SmileRefusal::Unsorted { at: 7 });
    assert_eq!(refused(&|quotes| quotes.points[8] = quotes.points[7]), SmileRefusal::Unsorted { at: 8 });
    for refusal in [SmileRefusal::TooFewPoints { count: 1 }, SmileRefusal::Crossed { at: 2 }] {
        assert!(SurfaceRefusal::Quotes(refusal).to_string().contains(&refusal.to_string()));
    }

    assert_eq!(Surface::fit(&[]), Err(SurfaceRefusal::NoSlices { first: None }));
    let expiries = chain(0.004, 0.0);
    let mut unsorted = expiries.clone();
    unsorted.swap(2, 3);
    assert_eq!(Surface::fit(&unsorted), Err(SurfaceRefusal::ExpiriesUnsorted { at: 3 }));
    assert_eq!(Surface::fit(&[good.clone(), good.clone()]), Err(SurfaceRefusal::ExpiriesUnsorted { at: 1 }));
    let mut surface = Surface::fit(&expiries).unwrap();
    assert_eq!(surface.refit(12, &expiries[0]), Err(SurfaceRefusal::NoSuchSlice { index: 12 }));
    assert_eq!(surface.refit(4, &expiries[6]), Err(SurfaceRefusal::ExpiriesUnsorted { at: 4 }));
}

#[test]
fn a_slice_with_butterfly_arbitrage_is_mended() {
    // Axel Vogt's (Gatheral and Jacquier 2014, example 3.1), quoted as if it were a market.
    let vogt = Svi { level: -0.0410, slope: 0.1331, skew: 0.3060, centre: 0.3586, width: 0.4153 };
    assert!(vogt.lowest_density() < 0.0);
    let point = |step: i32| {
        let log_moneyness = f64::from(step) * 0.05;
        let vol = vogt.with_derivatives(log_moneyness).0.sqrt();
        SmilePoint { log_moneyness, bid_vol: vol - 0.001, ask_vol: vol + 0.001, mid_vol: vol, weight: 1.0 }
    };
    let quotes = SmileQuotes { years: 1.0, forward: 1.0, discount: 1.0, points: (-30..=30).map(point).collect() };
    let surface = Surface::fit(&[quotes]).unwrap();
    assert_free(&surface, "Vogt");
    let slice = &surface.slices()[0];
    assert_eq!(slice.arbitrage().repair, Repair::Refitted);
    // The arbitrage is in the right wing; the rest of the smile stays.
    for step in -10..=5 {
        let k = f64::from(step) * 0.05;
        let asked = vogt.with_derivatives(k).0.sqrt();
        assert!((slice.vol(k) - asked).abs() < 0.004, "{k}: {} for {asked}", slice.vol(k));
    }
}

#[test]
fn crossing_expiries_meet_between_their_quotes() {
    // Thirty days are quoted over forty, the longer one at ten times the spread: it is the one that gives way.
    let mut random = Random(5);
    let mut short = quotes(30.0 / 365.0, 30, 0.004, 0.0, &mut random);
    let long = quotes(33.0 / 365.0, 30, 0.04, 0.0, &mut random);
    for point in &mut short.points {
        point.bid_vol += 0.05;
        point.mid_vol += 0.05;
        point.ask_vol += 0.05;
    }
    let surface = Surface::fit(&[short, long]).unwrap();
    assert_free(&surface, "crossing");
    assert_eq!(surface.crossed_before_repair(), 1);
    let [short, long] = surface.slices() else { panic!("two slices") };
    assert!(short.error().median < 0.004 && long.error().median > 0.01, "{:?} {:?}", short.error(), long.error());
}

#[test]
fn the_same_quotes_give_the_same_bits_and_a_refit_what_a_fit_gives() {
    let quotes = chain(0.006, 0.6);
    let surface = Surface::fit(&quotes).unwrap();
    assert_eq!(surface, Surface::fit(&quotes).unwrap());
    for (at, own) in quotes.iter().enumerate() {
        let mut again = surface.clone();
        again.refit(at, own).unwrap();
        assert_free(&again, "refit");
        for step in -10..=10 {
            let k = 0.6 * own.years.sqrt() * f64::from(step) * 0.2;
            let (first, second) = (surface.slices()[at].vol(k), again.slices()[at].vol(k));
            assert!((first - second).abs() < 0.002, "slice {at} at {k}: {first}, then {second}");
        }
    }
    // A tick that goes through the longer neighbour: as far as that lets it.
    let mut raised = surface.clone();
    let mut moved = quotes[5].clone();
    for point in &mut moved.points {
        point.bid_vol += 0.5;
        point.mid_vol += 0.5;
        point.ask_vol += 0.5;
    }
    raised.refit(5, &moved).unwrap();
    assert_free(&raised, "through the longer");
    assert!(raised.slices()[5].vol(0.0) > surface.slices()[5].vol(0.0) + 0.05);
}

#[test]
fn between_expiries_total_variance_is_linear_and_before_and_after_it_goes_on() {
    let quotes = chain(0.004, 0.0);
    let surface = Surface::fit(&quotes).unwrap();
    let slices = surface.slices();
    for k in [-0.4, -0.05, 0.0, 0.03, 0.5] {
        for pair in slices.windows(2) {
            let (low, high) = (pair[0].total_variance(k), pair[1].total_variance(k));
            let years = 0.25 * pair[0].years() + 0.75 * pair[1].years();
            assert!((surface.total_variance(k, years) - (0.25 * low + 0.75 * high)).abs() < 1e-12);
            assert_eq!(surface.total_variance(k, pair[0].years()), low);
        }
        let first = &slices[0];
        assert!((surface.vol(k, 0.3 * first.years()) - first.vol(k)).abs() < 1e-12);
        assert_eq!(surface.total_variance(k, 0.0), 0.0);
        assert_eq!(surface.total_variance(k, -1.0), 0.0);
        let last = &slices[slices.len() - 1];
        assert!(surface.total_variance(k, 2.0 * last.years()) > last.total_variance(k));
        assert!((surface.vol(0.0, 3.0 * last.years()) - last.vol(0.0)).abs() < 1e-12);
    }
}

/// One change for the worse.
fn mutate(chain: &mut [SmileQuotes], random: &mut Random) {
    let expiry = random.below(chain.len());
    let count = chain[expiry].points.len();
    let kind = random.below(15);
    let factor = (random.within(-1.0, 1.0) * random.within(0.0, 4.0)).exp();
    let other = random.below(chain.len());
    if kind == 0 {
        // One expiry's quotes stand under another's.
        let points = chain[other].points.clone();
        chain[expiry].points = points;
        return;
    }
    if kind == 1 {
        // In another century, or a minute.
        let scale = (random.within(-1.0, 1.0) * 14.0).exp();
        chain.iter_mut().for_each(|quotes| quotes.years *= scale);
        return;
    }
    let quotes = &mut chain[expiry];
    if count == 0 {
        return;
    }
    let at = random.below(count);
    let scale = |point: &mut SmilePoint, factor: f64| {
        point.bid_vol *= factor;
        point.mid_vol *= factor;
        point.ask_vol *= factor;
    };
    match kind {
        2 => quotes.points.iter_mut().for_each(|point| scale(point, factor)),
        3 => scale(&mut quotes.points[at], factor),
        4 => quotes.points[at..].iter_mut().for_each(|point| scale(point, factor)),
        5 => drop(quotes.points.remove(at)),
        6 => quotes.points.truncate(at + 1),
        7 => drop(quotes.points.drain(..at)),
        8 => quotes.points[at].bid_vol = 0.0,
        9 => quotes.points.iter_mut().for_each(|point| point.bid_vol *= random.next()),
        10 => quotes.points.iter_mut().for_each(|point| point.log_moneyness *= factor),
        11 => quotes.points.iter_mut().for_each(|point| point.log_moneyness += 0.3 * (factor - 1.0)),
        12 => quotes.points.iter_mut().for_each(|point| scale(point, 1.0 + 0.3 * random.within(-1.0, 1.0))),
        13 => {
            quotes.points[at].mid_vol = [0.0, f64::NAN, f64::INFINITY, -1.0, 1e-300, 99.0][random.below(6)];
            quotes.points[at].ask_vol = 100.0;
        }
        _ => quotes.points[at].weight = [0.0, 1e-12, 1e12, f64::NAN, 0.5][random.below(5)],
    }
}

#[test]
fn whatever_goes_in_no_arbitrage_comes_out() {
    let rounds = if std::env::var_os("TRIMTAB_LONG").is_some() { 30_000 } else { 1_000 };
    let mut random = Random(11);
    let base = chain(0.01, 0.5);
    let (mut fitted, mut refused, mut slices) = (0, 0, [0_usize; 4]);
    for round in 0..rounds {
        let mut chain = base.clone();
        chain.truncate(1 + random.below(base.len()));
        for _ in 0..1 + random.below(6) {
            mutate(&mut chain, &mut random);
        }
        let Ok(mut surface) = Surface::fit(&chain) else {
            refused += 1;
            continue;
        };
        fitted += 1;
        assert_free(&surface, &format!("round {round}"));
        for slice in surface.slices() {
            slices[slice.arbitrage().repair as usize] += 1;
        }
        // And one expiry after a wild tick.
        let mut after = chain.clone();
        mutate(&mut after, &mut random);
        for quotes in &after {
            if let Some(index) = surface.slices().iter().position(|slice| slice.years() == quotes.years)
                && surface.refit(index, quotes).is_ok()
            {
                assert_free(&surface, &format!("round {round}, refit {index}"));
            }
        }
    }
    println!("{fitted} fitted, {refused} refused; slices by repair (none, refitted, plain, neighbour): {slices:?}");
    assert!(fitted > rounds / 2 && slices.iter().sum::<usize>() > fitted);
}

#[test]
fn a_surface_fitted_in_parts_is_saved_and_loaded_bit_for_bit() {
    use units::state::{StateReader, StateWriter};
    let mut random = Random(17);
    let mut chain = chain(0.012, 0.6);
    // Two expiries that cannot be fitted.
    chain[4].points.truncate(2);
    chain[7].points[3].bid_vol = f64::NAN;
    let mut surface = Surface::fit(&chain).unwrap();
    for index in [0, 3, 9] {
        let years = surface.slices()[index].years();
        surface.refit(index, &quotes(years, 30, 0.01, 0.5, &mut random)).unwrap();
    }
    assert_eq!(surface.refused().len(), 2);
    let mut out = StateWriter::new();
    surface.save(&mut out);
    let mut from = StateReader::new(out.as_bytes());
    let loaded = Surface::load(&mut from).unwrap();
    from.end().unwrap();
    assert_eq!(loaded, surface);
    for end in 0..out.as_bytes().len() {
        assert!(Surface::load(&mut StateReader::new(&out.as_bytes()[..end])).is_err(), "{end} bytes of it");
    }
    // Whatever a byte becomes, the answer is a surface or a refusal.
    for _ in 0..2_000 {
        let mut bytes = out.as_bytes().to_vec();
        bytes[random.below(out.as_bytes().len())] = random.below(256) as u8;
        if let Ok(other) = Surface::load(&mut StateReader::new(&bytes)) {
            assert!(!other.slices().is_empty());
        }
    }
}
