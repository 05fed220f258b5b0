//! The surface fitted to every recorded snapshot of Deribit's options: arbitrage, distance from the quotes, withheld strikes.
//!
//! A seeded tenth of the snapshots; all of them with `TRIMTAB_LONG=1`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "the recordings are files, and a skip is said"
)]

mod common;

use pricing::options::functions::normal_distribution;
use pricing::options::{OptionKind, OptionStyle};
use pricing::surface::{Chain, ChainSettings, Dropped, Repair, Slice, SmilePoint, SmileQuotes, Surface};
use std::collections::BTreeMap;
use units::Timestamp;

const DAY: f64 = 1.0 / 365.0;

/// One moment's chain of one coin.
struct Snapshot {
    coin: &'static str,
    name: String,
    at: Timestamp,
    options: usize,
    quotes: Vec<SmileQuotes>,
    /// Log-moneyness, reason and place among the quotes of what was left out, but for the strikes' other options.
    dropped: Vec<(usize, f64, Dropped)>,
}

/// The snapshots of every file, or the seeded tenth of them.
fn snapshots(test: &str) -> Option<Vec<Snapshot>> {
    let all = std::env::var_os("TRIMTAB_LONG").is_some();
    let mut snapshots = Vec::new();
    for coin in ["BTC", "ETH"] {
        for month in ["2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05"] {
            let path = common::recording(test, &format!("deribit_options_6h/{coin}_{month}.parquet"))?;
            for recorded in common::snapshots(&path).into_iter().filter(|recorded| all || chosen(recorded.at)) {
                let (at, options) = (recorded.at, recorded.quotes.len());
                let chain = chain_of(recorded);
                let name = format!("{coin} {}", at);
                let mut dropped = Vec::new();
                for index in 0..chain.len() {
                    let Ok(slot) = chain.report(index).smile else { continue };
                    let forward = chain.smiles()[slot].forward;
                    let left = chain.dropped(index).filter(|(.., reason)| *reason != Dropped::OtherSide);
                    let out = left.filter(|(strike, kind, _)| (*kind == OptionKind::Put) == (*strike < forward));
                    dropped.extend(out.map(|(strike, _, reason)| (slot, (strike / forward).ln(), reason)));
                }
                snapshots.push(Snapshot { coin, name, at, options, quotes: chain.smiles().to_vec(), dropped });
            }
        }
    }
    Some(snapshots)
}

/// A recorded chain, cleaned, as of its own time.
fn chain_of(recorded: common::Snapshot) -> Chain {
    let mut chain = Chain::new(OptionStyle::Inverse, ChainSettings::default());
    chain.set_spot(Some(recorded.index));
    chain.read(recorded.quotes);
    chain.drop_expired(recorded.at);
    chain.remake_all(recorded.at);
    chain
}

/// Whether a snapshot is of the tenth: by a scramble of its time.
fn chosen(at: Timestamp) -> bool {
    (at.nanos() as u64 / 1_000_000_000).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (1 << 32) / 10
}

/// Distances of fitted volatilities from the middles, in volatility points, and how many lie inside bid and ask.
#[derive(Default, Clone)]
struct Tally {
    errors: Vec<f64>,
    inside: usize,
}

impl Tally {
    fn add(&mut self, point: &SmilePoint, vol: f64) {
        self.errors.push((vol - point.mid_vol).abs() * 100.0);
        self.inside += usize::from(point.bid_vol <= vol && vol <= point.ask_vol);
    }

    fn merge(&mut self, other: &Tally) {
        self.errors.extend(&other.errors);
        self.inside += other.inside;
    }

    fn rank(&self, rank: f64) -> f64 {
        let mut errors = self.errors.clone();
        errors.sort_by(f64::total_cmp);
        errors.get(((errors.len().max(1) - 1) as f64 * rank) as usize).copied().unwrap_or(0.0)
    }

    fn inside_share(&self) -> f64 {
        self.inside as f64 / self.errors.len().max(1) as f64
    }

    fn line(&self) -> String {
        format!(
            "{:>6} points, median {:.3}, 90th percentile {:.3}, 99th {:.2}, inside {:.2} %",
            self.errors.len(),
            self.rank(0.5),
            self.rank(0.9),
            self.rank(0.99),
            100.0 * self.inside_share()
        )
    }
}

/// Whether the call's delta, unadjusted, of the option's own middle volatility lies between 0.10 and 0.90.
fn in_reach(quotes: &SmileQuotes, point: &SmilePoint) -> bool {
    reaches(point.log_moneyness, point.mid_vol * quotes.years.sqrt())
}

fn reaches(log_moneyness: f64, deviation: f64) -> bool {
    (0.10..=0.90).contains(&normal_distribution(-log_moneyness / deviation + 0.5 * deviation))
}

/// The lowest g, the lowest rise over the expiry before and the steepest wing, on a grid that knows nothing of knots.
fn arbitrage_on_a_grid(surface: &Surface) -> (f64, f64, f64) {
    let (mut density, mut rise, mut wing) = (f64::INFINITY, f64::INFINITY, 0.0_f64);
    for (at, slice) in surface.slices().iter().enumerate() {
        let unit = slice.total_variance(0.0).sqrt();
        for step in -700..=700 {
            let x = f64::from(step) / 100.0;
            // Even steps around the money, to 50 standard deviations.
            let k = unit * x * (1.0 + x * x / 8.0);
            density = density.min(slice.durrleman(k));
            let (value, slope, _) = slice.with_derivatives(k);
            wing = wing.max(slope.abs());
            for neighbour in [at.wrapping_sub(1), at + 1] {
                if let Some(other) = surface.slices().get(neighbour) {
                    let above = other.total_variance(k) - value;
                    rise = rise.min(if neighbour > at { above } else { -above });
                }
            }
        }
    }
    (density, rise, wing)
}

#[test]
fn every_snapshot_is_free_of_arbitrage_and_near_its_quotes() {
    let Some(snapshots) = snapshots("every_snapshot_is_free_of_arbitrage_and_near_its_quotes") else { return };
    let (mut long, mut short, mut held_long, mut held_short) =
        (Tally::default(), Tally::default(), Tally::default(), Tally::default());
    let (mut pairs, mut crossed, mut crossed_inside, mut slices) = (0, 0, 0, 0);
    let mut repairs: BTreeMap<String, usize> = BTreeMap::new();
    let mut worst: Vec<(f64, String)> = Vec::new();
    let mut options = 0;
    let mut dropped: BTreeMap<String, usize> = BTreeMap::new();
    let (mut between, mut crossed_plain) = (0, [0, 0]);
    let mut ticked = Tally::default();
    let mut poor = 0;
    let mut month_ahead: Vec<(&Snapshot, f64)> = Vec::new();
    for snapshot in &snapshots {
        options += snapshot.options;
        let surface = Surface::fit(&snapshot.quotes).unwrap();
        pairs += surface.slices().len() - 1;
        crossed += surface.crossed_before_repair();
        crossed_inside += pairs_that_cross_inside(&snapshot.quotes);
        slices += surface.slices().len();
        month_ahead.push((snapshot, surface.vol(0.0, 30.0 / 365.0)));
        let (density, rise, wing) = arbitrage_on_a_grid(&surface);
        assert!(density >= 0.0 && rise >= 0.0 && wing <= 2.0, "{}: {density} {rise} {wing}", snapshot.name);
        let (mut own, mut spreads) = (Tally::default(), Vec::new());
        for (quotes, slice) in fitted(&snapshot.quotes, &surface) {
            assert!(slice.arbitrage().is_free(), "{:?}", slice.arbitrage());
            *repairs.entry(format!("{:?}", slice.arbitrage().repair)).or_default() += 1;
            let error = slice.error();
            if quotes.years >= DAY && error.inside * 100 < error.points * 85 {
                poor += 1;
                let alone = Surface::fit(std::slice::from_ref(quotes)).unwrap().slices()[0].error().inside;
                let days = quotes.years * 365.0;
                println!(
                    "{}, {days:.1} days: {} of {} inside, {alone} alone",
                    snapshot.name, error.inside, error.points
                );
            }
            let tally = if quotes.years >= DAY { &mut own } else { &mut short };
            for point in quotes.points.iter().filter(|point| in_reach(quotes, point)) {
                tally.add(point, slice.vol(point.log_moneyness));
                spreads.push(100.0 * (point.ask_vol - point.bid_vol));
            }
            if slice.arbitrage().repair == Repair::Neighbour {
                println!("a neighbour's smile: {}, {:.1} days", snapshot.name, quotes.years * 365.0);
            }
        }
        spreads.sort_by(f64::total_cmp);
        let line = format!("{}: {}, median spread {:.1}", snapshot.name, own.line(), spreads[spreads.len() / 2]);
        worst.push((own.rank(0.9), line));
        long.merge(&own);
        for (slot, k, reason) in &snapshot.dropped {
            let years = snapshot.quotes[*slot].years;
            let slice = surface.slices().iter().find(|slice| slice.years() == years);
            if slice.is_some_and(|slice| years >= DAY && reaches(*k, slice.total_variance(*k).sqrt())) {
                *dropped.entry(format!("{reason:?}")).or_default() += 1;
            }
        }
        between += negative_between(&surface);
        for (wide, crossed) in crossed_plain.iter_mut().enumerate() {
            *crossed += surface.slices().windows(2).filter(|pair| plain_cross(&pair[0], &pair[1], wide == 1)).count();
        }
        // Each expiry in turn after a tick of 2 % in volatility, up and down by turns.
        let mut after = surface.clone();
        for (index, quotes) in snapshot.quotes.iter().filter(|quotes| quotes.check().is_ok()).enumerate() {
            let mut quotes = quotes.clone();
            let factor = if index % 2 == 0 { 1.02 } else { 0.98 };
            for point in &mut quotes.points {
                point.bid_vol *= factor;
                point.mid_vol *= factor;
                point.ask_vol *= factor;
            }
            after.refit(index, &quotes).unwrap();
            for point in quotes.points.iter().filter(|point| quotes.years >= DAY && in_reach(&quotes, point)) {
                ticked.add(point, after.slices()[index].vol(point.log_moneyness));
            }
        }
        let (density, rise, wing) = arbitrage_on_a_grid(&after);
        assert!(density >= 0.0 && rise >= 0.0 && wing <= 2.0, "{} ticked: {density} {rise} {wing}", snapshot.name);
        // Every fifth strike, from another place at each snapshot, is withheld.
        let place = snapshot.at.nanos() as usize / 1_000_000_000 % 5;
        let mut kept = snapshot.quotes.clone();
        for quotes in &mut kept {
            let mut index = place;
            quotes.points.retain(|_| {
                index += 1;
                !index.is_multiple_of(5)
            });
        }
        let surface = Surface::fit(&kept).unwrap();
        for (quotes, slice) in fitted(&snapshot.quotes, &surface) {
            let tally = if quotes.years >= DAY { &mut held_long } else { &mut held_short };
            for (index, point) in quotes.points.iter().enumerate() {
                if (place + index + 1).is_multiple_of(5) && in_reach(quotes, point) {
                    tally.add(point, slice.vol(point.log_moneyness));
                }
            }
        }
    }
    println!("{} snapshots, {options} options, {slices} slices", snapshots.len());
    println!("pairs that cross before repair: {crossed} of {pairs}, {:.1} %", 100.0 * crossed as f64 / pairs as f64);
    println!("among strikes that both quote: {crossed_inside}, {:.1} %", 100.0 * crossed_inside as f64 / pairs as f64);
    let share = |count: usize| 100.0 * count as f64 / pairs as f64;
    let [both, either] = crossed_plain.map(share);
    println!("SVI alone: {both:.1} % among strikes that both quote, {either:.1} % among those that either quotes");
    println!("repairs: {repairs:?}");
    println!("left out in reach, a day and more: {dropped:?}");
    println!("halfway between expiries g is negative somewhere in {between} of {pairs} pairs");
    println!("under 85 % inside, a day and more: {poor} smiles");
    println!("after a tick:     {}", ticked.line());
    println!("a day and more:   {}", long.line());
    println!("under a day:      {}", short.line());
    println!("withheld, a day:  {}", held_long.line());
    println!("withheld, under:  {}", held_short.line());
    worst.sort_by(|a, b| b.0.total_cmp(&a.0));
    worst.iter().take(5).for_each(|(_, line)| println!("worst: {line}"));
    for pair in month_ahead.windows(2) {
        let [(before, low), (after, high)] = pair else { unreachable!() };
        if before.coin == after.coin && (high - low).abs() > 0.10 {
            let forward = |snapshot: &Snapshot| snapshot.quotes[0].forward;
            println!(
                "jump: {} to {}: 30 days at the money {:.1} to {:.1} %, forward {:.0} to {:.0}",
                before.name,
                after.name,
                100.0 * low,
                100.0 * high,
                forward(before),
                forward(after)
            );
        }
    }
    for tally in [&long, &held_long] {
        assert!(tally.rank(0.5) <= 0.20 && tally.rank(0.9) <= 0.6 && tally.inside_share() >= 0.95);
    }
    assert!(poor * 1_000 <= slices, "{poor} of {slices}");
    assert!(short.rank(0.5) <= 0.6 && held_short.rank(0.5) <= 0.6);
}

/// Months in which the repair once bent smiles into waves of up to 30 volatility points to keep them free, and in which one gave up a
/// seventh of its quotes to the shorter expiry.
#[test]
fn neighbours_do_not_cost_a_smile_its_quotes() {
    let mut smiles = 0;
    for month in ["2026-02", "2026-03", "2026-04"] {
        let file = format!("deribit_options_6h/BTC_{month}.parquet");
        let Some(path) = common::recording("neighbours_do_not_cost_a_smile_its_quotes", &file) else { return };
        for recorded in common::snapshots(&path) {
            let at = recorded.at;
            let chain = chain_of(recorded);
            let surface = Surface::fit(chain.smiles()).unwrap();
            for (quotes, slice) in fitted(chain.smiles(), &surface).filter(|(quotes, _)| quotes.years >= DAY) {
                let alone = Surface::fit(std::slice::from_ref(quotes)).unwrap().slices()[0].error();
                let beside = slice.error();
                // Where it is not alone one quote in ten may be given up, and one more.
                let lost = alone.inside.saturating_sub(beside.inside);
                assert!(
                    lost <= 1 + beside.points / 10,
                    "{at}, {:.1} days: {alone:?}, {beside:?}",
                    365.0 * quotes.years
                );
                smiles += 1;
            }
        }
    }
    assert!(smiles > 2_000, "{smiles}");
}

/// How many neighbouring expiries cross among the strikes that both quote when each is fitted without the other.
fn pairs_that_cross_inside(quotes: &[SmileQuotes]) -> usize {
    let alone: Vec<Surface> =
        quotes.iter().filter_map(|quotes| Surface::fit(std::slice::from_ref(quotes)).ok()).collect();
    let crosses = |pair: &[Surface]| {
        let (below, above) = (&pair[0].slices()[0], &pair[1].slices()[0]);
        let low = below.quoted().0.max(above.quoted().0);
        let high = below.quoted().1.min(above.quoted().1);
        (0..=400).any(|step| {
            let k = low + (high - low) * f64::from(step) / 400.0;
            above.total_variance(k) < below.total_variance(k)
        })
    };
    alone.windows(2).filter(|pair| crosses(pair)).count()
}

/// Whether the SVI of two neighbours crosses, among the strikes that both quote or, `wide`, that either does.
fn plain_cross(below: &Slice, above: &Slice, wide: bool) -> bool {
    let ((low, high), (other_low, other_high)) = (below.quoted(), above.quoted());
    let (low, high) =
        if wide { (low.min(other_low), high.max(other_high)) } else { (low.max(other_low), high.min(other_high)) };
    (0..=400).any(|step| {
        let k = low + (high - low) * f64::from(step) / 400.0;
        above.svi().with_derivatives(k).0 < below.svi().with_derivatives(k).0
    })
}

/// In how many pairs of neighbouring expiries g is negative somewhere halfway, where total variance is the mean of theirs.
fn negative_between(surface: &Surface) -> usize {
    let negative = |pair: &[Slice]| {
        let unit = pair[1].total_variance(0.0).sqrt();
        (-160..=160).any(|step| {
            let x = f64::from(step) / 40.0;
            let k = unit * x * (1.0 + x * x / 8.0);
            let (low, high) = (pair[0].with_derivatives(k), pair[1].with_derivatives(k));
            let [w, slope, second] = [low.0 + high.0, low.1 + high.1, low.2 + high.2].map(|sum| 0.5 * sum);
            let drift = 1.0 - k * slope / (2.0 * w);
            drift * drift - slope * slope / 4.0 * (1.0 / w + 0.25) + second / 2.0 < 0.0
        })
    };
    surface.slices().windows(2).filter(|pair| negative(pair)).count()
}

/// Quotes and slice of each expiry that was fitted.
fn fitted<'a>(quotes: &'a [SmileQuotes], surface: &'a Surface) -> impl Iterator<Item = (&'a SmileQuotes, &'a Slice)> {
    let of =
        |quotes: &'a SmileQuotes| Some((quotes, surface.slices().iter().find(|slice| slice.years() == quotes.years)?));
    quotes.iter().filter_map(of)
}
