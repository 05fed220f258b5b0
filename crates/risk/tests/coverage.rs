//! Tests of value at risk against published tables and brute force.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod common;

use common::{Random, rows};
use pricing::laws::{chi_squared_tail, normal_density, normal_quantile};
use risk::coverage::{
    Coverage, CoverageError, Period, Shortfall, Zone, acerbi_szekely, christoffersen, clustering_power, shortfall_power,
};
use units::math::{ln, pow};

/// Kupiec (1995), table 3: regions at 95 %.
#[test]
fn regions_are_those_of_kupiec() {
    let Some(rows) = rows("regions_are_those_of_kupiec", "kupiec_nonrejection.csv") else { return };
    assert_eq!(rows.len(), 7);
    for row in rows {
        let [periods, low, high] = [0, 2, 3].map(|at: usize| row[at].parse::<u64>().unwrap());
        let chance: f64 = row[1].parse().unwrap();
        let accepted = Coverage::new(periods, 0, 1.0 - chance).unwrap().accepted(0.05).unwrap();
        assert_eq!((*accepted.start(), *accepted.end()), (low + 1, high - 1), "{row:?}");
    }
}

#[test]
fn the_traffic_light_is_that_of_the_basel_committee() {
    let Some(rows) = rows("the_traffic_light_is_that_of_the_basel_committee", "basel_traffic_light.csv") else {
        return;
    };
    assert_eq!(rows.len(), 6);
    for row in rows {
        let coverage = Coverage::new(250, row[0].parse().unwrap(), 0.99).unwrap();
        assert!((100.0 * coverage.cumulative() - row[1].parse::<f64>().unwrap()).abs() < 0.01, "{row:?}");
        assert_eq!(coverage.multiplier(), Some(row[2].parse().unwrap()), "{row:?}");
    }
    let zone = |breaches| Coverage::new(250, breaches, 0.99).unwrap().zone();
    assert_eq!([zone(4), zone(5), zone(9), zone(10)], [Zone::Green, Zone::Yellow, Zone::Yellow, Zone::Red]);
    assert_eq!(Coverage::new(108, 1, 0.99).unwrap().multiplier(), None);
}

#[test]
fn critical_values_are_those_of_the_table() {
    let Some(rows) = rows("critical_values_are_those_of_the_table", "chi2_critical.csv") else { return };
    assert_eq!(rows.len(), 4);
    for row in rows {
        let (degrees, level): (u32, f64) = (row[0].parse().unwrap(), row[1].parse().unwrap());
        let critical: f64 = row[2].parse().unwrap();
        let (low, high) = (chi_squared_tail(critical + 6e-4, degrees), chi_squared_tail(critical - 6e-4, degrees));
        assert!(low < 1.0 - level && 1.0 - level < high, "{row:?}");
    }
}

/// 108 days at 99 % accept none to three breaches, and so find hardly anything out.
#[test]
fn few_days_prove_little() {
    let coverage = Coverage::new(108, 0, 0.99).unwrap();
    assert_eq!(coverage.accepted(0.05), Some(0..=3));
    let power = |truth| coverage.power(0.05, truth);
    // By counting: 1 - sum of the probabilities of 0 to 3.
    let by_hand = |truth: f64| {
        let (mut chance, mut sum) = (pow(1.0 - truth, 108.0), 0.0);
        for breaches in 0..4 {
            sum += chance;
            chance *= f64::from(108 - breaches) / f64::from(breaches + 1) * truth / (1.0 - truth);
        }
        1.0 - sum
    };
    for truth in [0.01, 0.02, 0.03, 0.05] {
        assert!((power(truth) - by_hand(truth)).abs() < 1e-12, "{truth}");
    }
    assert!(power(0.02) < 0.2, "figures that are breached twice as often are found out less than once in five");
    // A region that rejects all: one period.
    assert_eq!(Coverage::new(1, 0, 0.99).unwrap().accepted(0.05), Some(0..=0));
}

/// What a test rejects once in twenty is rejected once in twenty, of records drawn by the null itself.
#[test]
fn records_that_are_right_are_rejected_as_often_as_promised() {
    let mut random = Random(5);
    let (rounds, mut number, mut together) = (4_000, 0, 0);
    for _ in 0..rounds {
        let breached: Vec<bool> = (0..1_000).map(|_| random.unit() < 0.05).collect();
        let breaches = breached.iter().filter(|hit| **hit).count() as u64;
        let found = christoffersen(&breached, 0.95).unwrap();
        number += usize::from(Coverage::new(1_000, breaches, 0.95).unwrap().kupiec().probability < 0.05);
        together += usize::from(found.conditional_coverage.probability < 0.05);
    }
    for share in [number, together].map(|count| count as f64 / f64::from(rounds)) {
        assert!((0.035..0.07).contains(&share), "{share}");
    }
}

/// A worked record: of 9 pairs five quiet, two begin, one ends, one repeats.
#[test]
fn clusters_are_found() {
    let record = [0, 0, 0, 1, 1, 0, 0, 0, 0, 1].map(|hit| hit == 1);
    let found = christoffersen(&record, 0.9).unwrap();
    assert_eq!(found.repeated, 1);
    let term = |count: f64, of: f64| count * ln(of);
    let apart = term(5.0, 5.0 / 7.0) + term(2.0, 2.0 / 7.0) + term(1.0, 0.5) + term(1.0, 0.5);
    let one = term(6.0, 6.0 / 9.0) + term(3.0, 3.0 / 9.0);
    assert!((found.independence.statistic - 2.0 * (apart - one)).abs() < 1e-12);
    let number = 2.0 * (one - term(6.0, 0.9) - term(3.0, 0.1));
    assert!((found.conditional_coverage.statistic - 2.0 * (apart - one) - number).abs() < 1e-12);
    // Breaches in runs of five: as many as promised, and never alone.
    let runs: Vec<bool> = (0..1_000).map(|at| at % 100 < 5).collect();
    let found = christoffersen(&runs, 0.95).unwrap();
    assert!(found.independence.probability < 1e-6);
    assert!(Coverage::new(1_000, 50, 0.95).unwrap().kupiec().probability > 0.9);
}

/// Under the normal law with its own figures both statistics are zero on average; with figures a third too small they are not.
#[test]
fn shortfall_is_tested_by_its_own_mean() {
    let confidence = 0.975;
    let quantile = normal_quantile(confidence);
    let shortfall = normal_density(quantile) / (1.0 - confidence);
    let mut random = Random(9);
    let mut of = |scale: f64| {
        let (rounds, mut first, mut second, mut low) = (2_000, 0.0, 0.0, 0);
        for _ in 0..rounds {
            let mut draw = || Period {
                profit: random.normal(),
                value_at_risk: quantile * scale,
                expected_shortfall: shortfall * scale,
            };
            let periods: Vec<Period> = (0..250).map(|_| draw()).collect();
            let found = acerbi_szekely(&periods, confidence).unwrap();
            first += found.first.unwrap_or(0.0);
            second += found.second;
            low += usize::from(found.second < risk::coverage::Shortfall::SECOND_AT_FIVE_PERCENT);
        }
        let rounds = f64::from(rounds);
        (first / rounds, second / rounds, low as f64 / rounds)
    };
    let (first, second, low) = of(1.0);
    assert!(first.abs() < 0.01 && second.abs() < 0.04, "{first} {second}");
    assert!((0.03..0.07).contains(&low), "{low}");
    let (first, second, low) = of(2.0 / 3.0);
    assert!(first < -0.05 && second < -2.0 && low > 0.95, "{first} {second} {low}");
}

/// Simulated powers against what is known: Acerbi and Székely's −0.70 of 250 days at 97.5 %, the traffic light's binomial probabilities,
/// and that a test rejects what is right no more often than its level says, and more the longer the record.
#[test]
fn powers_are_those_of_the_literature_and_of_hand() {
    let published = shortfall_power(250, 0.975, 0.05, 1.25);
    assert!((published.critical - Shortfall::SECOND_AT_FIVE_PERCENT).abs() < 0.06, "{published:?}");
    let (short, long) = (shortfall_power(108, 0.99, 0.05, 1.25), shortfall_power(2_000, 0.99, 0.05, 1.25));
    assert!(short.power > 0.2 && long.power > 0.99 && long.critical > short.critical, "{short:?} {long:?}");
    assert!((shortfall_power(500, 0.95, 0.05, 1.0).power - 0.05).abs() < 0.025);

    // Basel, table 2: of 250 days at 99 % five breaches and more are not green; at 98 % these are 56 in a hundred.
    let year = Coverage::new(250, 0, 0.99).unwrap();
    assert!((year.zone_power(0.01) - 0.108).abs() < 5e-4, "{}", year.zone_power(0.01));
    assert!((year.zone_power(0.02) - 0.561).abs() < 5e-4, "{}", year.zone_power(0.02));

    let independent = clustering_power(1_000, 0.95, 0.05, 0.05).power;
    let (month, years) =
        (clustering_power(108, 0.95, 0.05, 0.25).power, clustering_power(1_000, 0.95, 0.05, 0.25).power);
    assert!(independent < 0.1 && month < 0.6 && years > 0.95, "{independent} {month} {years}");
}

#[test]
fn what_cannot_be_tested_is_refused() {
    for confidence in [0.0, 1.0, -1.0, 99.0, f64::NAN] {
        assert!(matches!(Coverage::new(10, 0, confidence), Err(CoverageError::Confidence(_))));
    }
    assert_eq!(Coverage::new(0, 0, 0.99), Err(CoverageError::NoPeriods));
    assert_eq!(Coverage::new(5, 6, 0.99), Err(CoverageError::Breaches { breaches: 6, periods: 5 }));
    assert_eq!(christoffersen(&[true], 0.99), Err(CoverageError::NoPeriods));
    let period = Period { profit: f64::NAN, value_at_risk: 1.0, expected_shortfall: 1.0 };
    assert_eq!(acerbi_szekely(&[period], 0.99), Err(CoverageError::Figure { row: 0 }));
    let none = Period { profit: 1.0, value_at_risk: 1.0, expected_shortfall: 0.0 };
    assert_eq!(acerbi_szekely(&[none], 0.99), Err(CoverageError::Figure { row: 0 }));
    // No breach: nothing is said of how far, and all of how often.
    let held = Period { profit: 1.0, value_at_risk: 1.0, expected_shortfall: 1.5 };
    let found = acerbi_szekely(&[held; 3], 0.99).unwrap();
    assert_eq!((found.first, found.second, found.breaches), (None, 1.0, 0));
}
