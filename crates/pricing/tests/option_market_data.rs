//! Recorded marks and Greeks of Deribit, from their mark volatilities.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "the recordings are files, and a skip is said"
)]

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use pricing::options::{EuropeanOption, Greeks, Inputs, OptionKind, ThetaConvention};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use units::YearFraction;

fn recording(test: &str, path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {test}: shared data absent");
    None
}

/// The named columns of a file, row by row, in the order of `names`.
fn rows(path: &Path, names: &[&str]) -> Vec<Vec<Field>> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema().clone();
    let fields: Vec<Arc<Type>> =
        schema.get_fields().iter().filter(|field| names.contains(&field.name())).cloned().collect();
    assert_eq!(fields.len(), names.len(), "{path:?}");
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().unwrap();
    let rows = reader.get_row_iter(Some(projection)).unwrap();
    rows.map(|row| {
        let columns = row.unwrap().into_columns();
        let of = |name: &&str| columns.iter().find(|(column, _)| column == name).unwrap().1.clone();
        names.iter().map(of).collect()
    })
    .collect()
}

fn number(field: &Field) -> Option<f64> {
    match field {
        Field::Double(value) => Some(*value),
        Field::Long(value) | Field::TimestampMicros(value) | Field::TimestampMillis(value) => Some(*value as f64),
        Field::Int(value) => Some(f64::from(*value)),
        Field::Null => None,
        other => panic!("{other:?} is no number"),
    }
}

fn kind(field: &Field) -> OptionKind {
    match field {
        Field::Str(text) if text == "call" => OptionKind::Call,
        Field::Str(text) if text == "put" => OptionKind::Put,
        other => panic!("{other:?} is no kind of option"),
    }
}

const YEAR_SECONDS: f64 = 365.0 * 86_400.0;

/// The value under which the share `rank` of `values` lies.
fn quantile(values: &mut [f64], rank: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * rank) as usize]
}

#[test]
fn marks_follow_from_mark_volatilities() {
    let names =
        ["timestamp", "expiry_datetime", "underlying", "strike", "option_type", "implied_volatility", "mark_price"];
    let (mut errors, mut without, mut expired) = (Vec::new(), 0, 0);
    for coin in ["BTC", "ETH"] {
        for month in ["2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05"] {
            let name = format!("deribit_options_6h/{coin}_{month}.parquet");
            let Some(path) = recording("marks_follow_from_mark_volatilities", &name) else { return };
            for row in rows(&path, &names) {
                let plain = |k: usize| number(&row[k]);
                let (Some(at), Some(expiry), Some(forward), Some(strike)) = (plain(0), plain(1), plain(2), plain(3))
                else {
                    panic!("{row:?}");
                };
                let (Some(vol), Some(mark)) = (plain(5), plain(6)) else {
                    without += 1;
                    continue;
                };
                let inputs = Inputs { forward, strike, years: (expiry - at) / 1e6 / YEAR_SECONDS, vol, discount: 1.0 };
                let Ok(option) = EuropeanOption::new(kind(&row[4]), inputs) else {
                    assert!(expiry < at, "{row:?}");
                    expired += 1;
                    continue;
                };
                errors.push((option.greeks().in_coin(forward).price - mark).abs());
            }
        }
    }
    let count = errors.len();
    let (median, high) = (quantile(&mut errors, 0.5), quantile(&mut errors, 0.99));
    println!(
        "{count} rows, {without} without a mark, {expired} expired; median {median:.2e} coin, 99th percentile {high:.2e}"
    );
    assert_eq!(count + without + expired, 869_424);
    assert!(without + expired < 100, "{without} without a mark, {expired} expired");
    assert!(median <= 1e-5 && high <= 6e-4, "median {median}, 99th percentile {high}");
}

/// A ticker's Greek beside ours, and what its inputs' rounding leaves open.
struct Beside {
    ours: f64,
    theirs: f64,
    /// Lowest and highest value with the mark volatility moved by what its rounding hides.
    rounding: (f64, f64),
    /// And with a forward 2 basis points away besides: the parts of a ticker are not of one instant.
    instant: (f64, f64),
}

#[derive(Debug, Default)]
struct Tally {
    close: usize,
    rounding: usize,
    instant: usize,
    unexplained: Vec<(f64, f64)>,
}

impl Tally {
    fn of(all: &[Beside], close: impl Fn(&Beside) -> bool) -> Self {
        // A printed digit is 1e-5.
        let inside = |(low, high): (f64, f64), value: f64| low - 5.1e-6 <= value && value <= high + 5.1e-6;
        let mut tally = Self::default();
        for one in all {
            if close(one) {
                tally.close += 1;
            } else if inside(one.rounding, one.theirs) {
                tally.rounding += 1;
            } else if inside(one.instant, one.theirs) {
                tally.instant += 1;
            } else {
                tally.unexplained.push((one.ours, one.theirs));
            }
        }
        tally
    }

    fn share(&self) -> f64 {
        self.close as f64 / (self.close + self.rounding + self.instant + self.unexplained.len()) as f64
    }
}

#[test]
fn greeks_of_full_tickers_are_met_or_explained() {
    let path = "deribit_full_tickers_2026-01/BTC_options.parquet";
    let Some(path) = recording("greeks_of_full_tickers_are_met_or_explained", path) else { return };
    let names = [
        "timestamp",
        "expiration_timestamp",
        "underlying_price",
        "strike",
        "option_type",
        "mark_iv",
        "greeks_delta",
        "greeks_gamma",
        "greeks_vega",
        "greeks_theta",
    ];
    let rows = rows(&path, &names);
    assert_eq!(rows.len(), 3_978);
    let beside = |greek: fn(&Greeks, YearFraction) -> f64, column: usize| -> Vec<Beside> {
        let one = |row: &Vec<Field>| {
            let plain = |k: usize| number(&row[k]).unwrap();
            let years = (plain(1) - plain(0)) / 1e3 / YEAR_SECONDS;
            let at = |forward: f64, vol: f64| {
                let inputs = Inputs { forward: plain(2) * forward, strike: plain(3), years, vol, discount: 1.0 };
                let option = EuropeanOption::new(kind(&row[4]), inputs).unwrap();
                greek(&option.greeks(), YearFraction::new(years).unwrap())
            };
            let vol = plain(5) / 100.0;
            let range = |forwards: &[f64]| {
                let vols = [vol - 5e-5, vol, vol + 5e-5];
                let values = forwards.iter().flat_map(|forward| vols.map(|vol| at(*forward, vol)));
                values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
            };
            Beside {
                ours: at(1.0, vol),
                theirs: plain(column),
                rounding: range(&[1.0]),
                instant: range(&[1.0 - 2e-4, 1.0, 1.0 + 2e-4]),
            }
        };
        rows.iter().map(one).collect()
    };
    let relative = |one: &Beside| (one.ours - one.theirs).abs() <= 1e-3 * one.theirs.abs();
    let checks = [
        ("delta", 0.99, Tally::of(&beside(|greeks, _| greeks.delta, 6), |one| (one.ours - one.theirs).abs() <= 5e-5)),
        (
            "gamma",
            1.0,
            Tally::of(&beside(|greeks, _| greeks.gamma, 7), |one| (one.ours - one.theirs).abs() <= 5e-6 + 1e-12),
        ),
        ("vega", 0.98, Tally::of(&beside(|greeks, _| greeks.vega, 8), relative)),
        (
            "theta, day or lifetime",
            0.94,
            Tally::of(&beside(|greeks, left| greeks.theta_as(ThetaConvention::DayOrLifetime, left), 9), relative),
        ),
        (
            "theta, as Deribit",
            0.97,
            Tally::of(&beside(|greeks, left| greeks.theta_as(ThetaConvention::Deribit, left), 9), relative),
        ),
    ];
    for (name, least, tally) in checks {
        let Tally { close, rounding, instant, unexplained } = &tally;
        println!(
            "{name}: {close} close ({:.2} %), {rounding} inside the rounding of the mark volatility, {instant} with a forward 2 bp away, \
             {} else",
            tally.share() * 100.0,
            unexplained.len()
        );
        assert!(tally.share() >= least, "{name}: {}", tally.share());
        // What the plain convention does not explain is the limit at the price.
        assert!(unexplained.is_empty() || name == "theta, day or lifetime", "{name}: {unexplained:?}");
    }
}
