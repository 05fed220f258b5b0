//! The page's opening: one sentence that a fixed rule picks from the numbers, the unpleasant half too.
//!
//! Four measures stand for election: how much volatility swung, the worst drawdown, the worst day, what was earned. Each
//! change is taken relative to the larger of the two values; under 5 % it does not count. The headline names the largest
//! gain (and the second, if it is at least half as large), then the largest loss. Costs stand for no election because
//! earnings are net of them.

use super::view::View;
use crate::metrics::{Figure, sharpe_difference_error};
use units::show::{self, Style};
use units::{Duration, Timestamp};

/// Under this relative change nothing is claimed.
const COUNTS: f64 = 0.05;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Swing,
    Drawdown,
    WorstDay,
    Earned,
}

/// One measure of both runs; `gain` is positive where the scaled run did better.
#[derive(Debug, Clone, Copy)]
struct Change {
    measure: Measure,
    gain: f64,
    scaled: f64,
    twin: f64,
}

impl Change {
    /// `None` where both values are zero.
    fn of(measure: Measure, scaled: f64, twin: f64) -> Option<Self> {
        let larger = scaled.abs().max(twin.abs());
        (larger > 0.0).then(|| Self { measure, gain: ((scaled - twin) / larger).clamp(-1.0, 1.0), scaled, twin })
    }
}

/// The headline.
pub(super) fn headline(view: &View<'_>) -> String {
    let a_year = if view.is_short() { "" } else { " a year" };
    compose(changes(view), a_year)
}

fn changes(view: &View<'_>) -> Vec<Change> {
    let earned = |scores: &crate::metrics::Scores| if view.is_short() { scores.total_return } else { scores.cagr };
    let pairs = [
        (Measure::Swing, view.scaled.vol_of_vol.map(|v| -v.spread), view.twin.vol_of_vol.map(|v| -v.spread)),
        (Measure::Drawdown, depth(view.scaled.drawdown), depth(view.twin.drawdown)),
        (Measure::WorstDay, day(view.scaled.worst_day), day(view.twin.worst_day)),
        (Measure::Earned, earned(&view.scaled), earned(&view.twin)),
    ];
    pairs.into_iter().filter_map(|(measure, scaled, twin)| Change::of(measure, scaled.ok()?, twin.ok()?)).collect()
}

fn depth(drawdown: Option<crate::metrics::Drawdown>) -> Figure {
    drawdown.map(|worst| worst.depth).ok_or(crate::metrics::Missing::NeverMoved)
}

fn day(worst: Option<crate::metrics::Return>) -> Figure {
    worst.map(|worst| worst.value.min(0.0)).ok_or(crate::metrics::Missing::NeverMoved)
}

fn compose(mut changes: Vec<Change>, a_year: &str) -> String {
    changes.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    let gains: Vec<&Change> = changes.iter().filter(|change| change.gain >= COUNTS).collect();
    let loss = changes.last().filter(|change| change.gain <= -COUNTS);
    let mut text = match gains.as_slice() {
        [] if loss.is_some() => "Scaling gained nothing here.".to_owned(),
        [] => return "The scaled run and its twin came out alike.".to_owned(),
        [first, rest @ ..] => {
            let lead = match first.measure {
                Measure::Swing => "Scaling held risk steadier",
                Measure::Drawdown => "Scaling fell less far",
                Measure::WorstDay => "Scaling softened the worst day",
                Measure::Earned => "Scaling earned more",
            };
            let opening = match first.measure {
                Measure::WorstDay => {
                    let (scaled, twin) = pair(first.scaled, first.twin);
                    format!("{scaled} lost, not {twin}")
                }
                _ => clause(first, a_year),
            };
            let mut text = format!("{lead}: {opening}");
            if let Some(second) = rest.first().filter(|second| second.gain >= first.gain / 2.0) {
                let comma = if first.measure == Measure::Swing { "" } else { "," };
                text.push_str(&format!("{comma} and {}", clause(second, a_year)));
            }
            text + "."
        }
    };
    match loss {
        Some(loss) => text.push_str(&format!(" {}.", complaint(loss, a_year, gains.is_empty()))),
        None => text.push_str(" No headline measure got worse."),
    }
    text
}

fn clause(change: &Change, a_year: &str) -> String {
    let (scaled, twin) = pair(change.scaled, change.twin);
    match change.measure {
        Measure::Swing => format!("volatility swung {} less", share(change)),
        Measure::Drawdown => format!("the worst drawdown was {scaled}, not {twin}"),
        Measure::WorstDay => format!("the worst day lost {scaled}, not {twin}"),
        Measure::Earned => match (change.scaled < 0.0, change.twin < 0.0) {
            (false, false) => format!("{scaled}{a_year}, not {twin}"),
            (true, true) => format!("it lost {scaled}{a_year}, not {twin}"),
            _ => format!("{scaled}{a_year} where the twin lost {twin}"),
        },
    }
}

fn complaint(change: &Change, a_year: &str, alone: bool) -> String {
    let (scaled, twin) = pair(change.scaled, change.twin);
    let also = if alone { "" } else { "also " };
    match change.measure {
        Measure::Swing => format!("Its volatility {also}swung {} more", share(change)),
        Measure::Drawdown => format!("It {also}fell further: {scaled}, not {twin}"),
        Measure::WorstDay => format!("Its worst day {also}cost more: {scaled}, not {twin}"),
        Measure::Earned => match (change.scaled < 0.0, change.twin < 0.0) {
            (false, false) => format!("It {also}earned less: {scaled}{a_year}, not {twin}"),
            (true, true) => format!("It {also}lost more: {scaled}{a_year}, not {twin}"),
            _ => format!("It {also}lost {scaled}{a_year} where the twin earned {twin}"),
        },
    }
}

/// By how much the scaled run swung less (or more) than the twin, relative to the twin.
fn share(change: &Change) -> String {
    let twin = change.twin.abs().max(f64::MIN_POSITIVE);
    format!("{}\u{202f}%", show::percent((change.scaled - change.twin).abs() / twin, 0, Style::Page))
}

/// Two percentages without signs: whole from 10, one decimal place from 1, two under it; more where they read alike.
fn pair(scaled: f64, twin: f64) -> (String, String) {
    let own = |value: f64| match value.abs() {
        large if large >= 0.1 => 0,
        large if large >= 0.01 => 1,
        _ => 2,
    };
    let shown = |value: f64, more: usize| {
        let decimals = (own(value) + more).min(2);
        format!("{}\u{202f}%", show::percent(value.abs(), decimals, Style::Page))
    };
    let texts = |more| (shown(scaled, more), shown(twin, more));
    (0..=2).map(texts).find(|(a, b)| a != b).unwrap_or_else(|| texts(2))
}

/// What stands under the headline: was it only less leverage, what did trading cost, what is chance.
pub(super) fn context(view: &View<'_>) -> String {
    let sentences = [liquidated(view), equal_volatility(view), trading(view), Some(chance(view))];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn liquidated(view: &View<'_>) -> Option<String> {
    let when = Timestamp::from_nanos(view.run.twin.liquidated?);
    Some(format!("The twin was liquidated on {}.", show::day(when)))
}

fn equal_volatility(view: &View<'_>) -> Option<String> {
    let (_, equal) = view.equal.as_ref().ok()?;
    let (scaled, twin, equal_depth) = (view.scaled.drawdown?.depth, view.twin.drawdown?.depth, equal.drawdown?.depth);
    let (would, did) = pair(equal_depth, scaled);
    let sharpes = match (equal.sharpe, view.scaled.sharpe) {
        (Ok(equal), Ok(scaled)) if !view.is_short() => {
            format!(
                ", with a Sharpe ratio of {} against {}",
                show::ratio(equal, Style::Page),
                show::ratio(scaled, Style::Page)
            )
        }
        _ => String::new(),
    };
    Some(if scaled <= twin {
        format!("At the same average volatility the twin would have fallen {would}{sharpes}.")
    } else if equal_depth < scaled && would != did {
        format!(
            "Not merely by holding less: at the same average volatility the twin would have fallen {would}{sharpes}."
        )
    } else {
        format!(
            "By the worst drawdown, holding less all the time would have done as well: at the same average volatility the twin would \
             have fallen {would}, against {did}{sharpes}."
        )
    })
}

fn trading(view: &View<'_>) -> Option<String> {
    let (scaled, twin) = (view.scaled.turnover.ok()?, view.twin.turnover.ok()?);
    let (cost, twin_cost) = (view.scaled.cost.ok()?, view.twin.cost.ok()?);
    if twin <= 0.0 {
        return None;
    }
    let times = show::number(scaled / twin, 1, Style::Page);
    // As the scorecard shows it: the difference of the displayed values.
    let (cost, twin_cost) = (cost * 100.0, twin_cost * 100.0);
    let moved = match show::change_sign(cost, twin_cost, 2) {
        0 => "fees and funding were the same".to_owned(),
        sign => {
            let by = show::change(cost.max(twin_cost), cost.min(twin_cost), 2, Style::Page);
            let a_year = if view.is_short() { "" } else { " a year" };
            let verb = if sign > 0 { "rose" } else { "fell" };
            format!("fees and funding {verb} by {}\u{202f}% of equity{a_year}", by.trim_start_matches('+'))
        }
    };
    Some(format!("Scaling traded {times} times as much as the twin; {moved}."))
}

fn chance(view: &View<'_>) -> String {
    let span = span(view.path().span());
    let error = sharpe_difference_error(&view.path().days(), &view.twin_path().days());
    match (view.scaled.sharpe, view.twin.sharpe, error) {
        (Ok(scaled), Ok(twin), Ok(error))
            if !view.is_short() && view.path().span() >= Duration::from_nanos(180 * Duration::DAY.nanos()) =>
        {
            let (difference, error_shown) =
                (show::ratio((scaled - twin).abs(), Style::Page), show::ratio(error, Style::Page));
            if (scaled - twin).abs() < 2.0 * error {
                format!(
                    "One path, {span}: a Sharpe difference of {difference} is within chance (standard error {error_shown})."
                )
            } else {
                format!(
                    "One path, {span}: a Sharpe difference of {difference} is over twice its standard error of {error_shown}."
                )
            }
        }
        _ => format!("One path, {span}: no claim on returns."),
    }
}

fn span(span: Duration) -> String {
    if span.days() >= 730.0 {
        format!("{} years", show::number(span.days() / 365.0, 1, Style::Page))
    } else {
        format!("{} days", show::number(span.days(), 0, Style::Page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(changes: &[(Measure, f64, f64)], a_year: &str) -> String {
        compose(changes.iter().filter_map(|(m, s, t)| Change::of(*m, *s, *t)).collect(), a_year)
            .replace('\u{202f}', " ")
    }

    #[test]
    fn the_largest_gain_then_the_largest_loss() {
        let mock = [
            (Measure::Earned, 0.310, 0.493),
            (Measure::Swing, -0.062, -0.137),
            (Measure::Drawdown, -0.161, -0.354),
            (Measure::WorstDay, -0.0442, -0.122),
        ];
        assert_eq!(
            said(&mock[..3], " a year"),
            "Scaling held risk steadier: volatility swung 55 % less and the worst drawdown was 16 %, not 35 %. \
             It also earned less: 31 % a year, not 49 %."
        );
        assert!(said(&mock, "").starts_with("Scaling softened the worst day: 4.4 % lost, not 12 %, and"));
    }

    #[test]
    fn signs_are_words() {
        let two =
            |scaled: f64, twin: f64| said(&[(Measure::Earned, scaled, twin), (Measure::Drawdown, -0.1, -0.2)], "");
        let start = "Scaling fell less far: the worst drawdown was 10 %, not 20 %.";
        assert_eq!(two(-0.03, -0.02), format!("{start} It also lost more: 3.0 %, not 2.0 %."));
        assert_eq!(
            two(-0.03, 0.02),
            "Scaling fell less far: the worst drawdown was 10 %, not 20 %. It also lost 3.0 % where the twin earned 2.0 %."
        );
        assert!(
            two(0.03, -0.02).starts_with("Scaling earned more: 3.0 % where the twin lost 2.0 %, and"),
            "{}",
            two(0.03, -0.02)
        );
        assert!(two(0.02, 0.02).ends_with("No headline measure got worse."));
    }

    #[test]
    fn nothing_is_claimed_of_small_changes() {
        assert_eq!(said(&[(Measure::Earned, 0.100, 0.102)], ""), "The scaled run and its twin came out alike.");
        assert_eq!(
            said(&[(Measure::Earned, 0.05, 0.10), (Measure::Drawdown, -0.1, -0.1)], ""),
            "Scaling gained nothing here. It earned less: 5.0 %, not 10 %."
        );
        assert_eq!(said(&[], ""), "The scaled run and its twin came out alike.");
    }

    #[test]
    fn a_pair_gets_the_decimals_that_tell_it_apart() {
        assert_eq!(pair(0.161, 0.164), ("16.1\u{202f}%".into(), "16.4\u{202f}%".into()));
        assert_eq!(pair(0.0031, 0.0012), ("0.31\u{202f}%".into(), "0.12\u{202f}%".into()));
    }
}
