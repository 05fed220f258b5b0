//! Comparisons that give the same at every decision.

use super::expression::Binary;
use crate::expression::{Expression, Shown, Term, Unit};
use crate::facts::Facts;

/// What a comparison always gives where what it reads is known, and why.
pub(super) struct Always {
    pub(super) holds: bool,
    pub(super) label: String,
    pub(super) help: String,
}

/// Whether a term reads no fact.
pub(super) fn is_constant(term: &Term) -> bool {
    let mut reads = false;
    term.walk(&mut |part| reads |= matches!(part, Term::Own(_) | Term::Told { .. } | Term::Distance { .. }));
    !reads
}

/// What a drawdown, or in a limit a share, is compared with where that is more than the whole, or equity where that is nothing or less: an
/// account that is worth anything is not further down, though one that owes may be.
pub(super) fn beyond_whole(fact: &Term, level: &Term) -> Option<(String, String)> {
    let number = constant(level)?;
    if matches!(fact, Term::Own(fact) if fact.name == "equity") && number <= 0.0 {
        let label = "an account that is worth anything has more".to_owned();
        return Some((label, "compare it with an amount that equity can come down to".to_owned()));
    }
    if number <= 1.0 {
        return None;
    }
    let name = match fact {
        Term::Own(fact) if fact.name == "drawdown" => fact.name,
        _ => reach(fact).filter(|(_, (_, most))| *most == 1.0 && matches!(fact, Term::Told { .. }))?.0,
    };
    let is_plain = matches!(level, Term::Literal { text, .. } if !text.ends_with(['%', 'p'])) && number <= 100.0;
    let help = match is_plain {
        true => format!("a share is written with `%`: is `{number}%` meant?"),
        false => "compare it with a share under `100%`".to_owned(),
    };
    Some((format!("`{name}` is a share, and 1 is the whole"), help))
}

/// The value of a term that reads no fact.
pub(super) fn constant(term: &Term) -> Option<f64> {
    let compiled = is_constant(term).then(|| Expression::new(term.clone(), Unit::Number).compile(&|_| None))??;
    compiled.value(&Facts::new(0))
}

/// What two values of one unit always compare as. `None`: that depends on a fact, or cannot be told.
pub(super) fn compared(operator: Binary, left: &Term, right: &Term) -> Option<Always> {
    let of = |holds: bool, label: String, help: &str| Some(Always { holds, label, help: help.to_owned() });
    match (constant(left), constant(right)) {
        (Some(one), Some(other)) => {
            let help = "compare it with a fact, or take it out; `trimtab facts` lists what there is";
            of(holds(operator, one, other)?, "compares two numbers".to_owned(), help)
        }
        (None, None) if left == right => {
            let is_equal = matches!(operator, Binary::LessOrEqual | Binary::GreaterOrEqual | Binary::Equal);
            of(is_equal, "compares a fact with itself".to_owned(), "compare it with another fact, or with a number")
        }
        (None, Some(number)) => {
            out_of_reach(operator, left, number).or_else(|| beside_percent(operator, left, (right, number)))
        }
        (Some(number), None) => {
            let operator = mirrored(operator);
            out_of_reach(operator, right, number).or_else(|| beside_percent(operator, right, (left, number)))
        }
        _ => None,
    }
}

fn holds(operator: Binary, left: f64, right: f64) -> Option<bool> {
    Some(match operator {
        Binary::Less => left < right,
        Binary::LessOrEqual => left <= right,
        Binary::Greater => left > right,
        Binary::GreaterOrEqual => left >= right,
        Binary::Equal => left == right,
        Binary::NotEqual => left != right,
        _ => return None,
    })
}

/// The same comparison with its sides exchanged.
fn mirrored(operator: Binary) -> Binary {
    match operator {
        Binary::Less => Binary::Greater,
        Binary::LessOrEqual => Binary::GreaterOrEqual,
        Binary::Greater => Binary::Less,
        Binary::GreaterOrEqual => Binary::LessOrEqual,
        same => same,
    }
}

/// A fact with a number on one side of all that it can be.
fn out_of_reach(operator: Binary, fact: &Term, number: f64) -> Option<Always> {
    let (name, (least, most)) = reach(fact)?;
    let always = match operator {
        Binary::Less if most < number => true,
        Binary::Less if least >= number => false,
        Binary::LessOrEqual if most <= number => true,
        Binary::LessOrEqual if least > number => false,
        Binary::Greater if least > number => true,
        Binary::Greater if most <= number => false,
        Binary::GreaterOrEqual if least >= number => true,
        Binary::GreaterOrEqual if most < number => false,
        Binary::Equal if number < least || number > most => false,
        Binary::NotEqual if number < least || number > most => true,
        _ => return None,
    };
    let label = match most.is_finite() {
        true => format!("`{name}` goes from {least} to {most}"),
        false => format!("`{name}` is never under {least}"),
    };
    let help = match most == 1.0 && number > 1.0 {
        true => format!("a share is written with `%`: is `{number}%` meant?"),
        false => "compare it with a number that it can pass".to_owned(),
    };
    Some(Always { holds: always, label, help })
}

/// The least whole number beside which a share is taken for a slip: a volatility of 1,000 %, ten times equity lost.
const FAR_BEYOND: f64 = 10.0;

/// A fact that is a share beside a number of percent that is written without its sign: `iv.atm(30d) > 50`.
fn beside_percent(operator: Binary, fact: &Term, (level, number): (&Term, f64)) -> Option<Always> {
    let name = match fact {
        Term::Own(fact) => fact.name,
        Term::Told { name, .. } => name.as_str(),
        _ => return None,
    };
    let is_plain = match level {
        Term::Literal { text, .. } => !text.ends_with(['%', 'p']),
        Term::Negative(of) => matches!(&**of, Term::Literal { text, .. } if !text.ends_with(['%', 'p'])),
        _ => false,
    };
    if Shown::of_fact(name) != Shown::Percent || name == "drawdown" || !is_plain || number.abs() < FAR_BEYOND {
        return None;
    }
    // Whatever it is, it is on one side of that.
    let holds = holds(operator, 0.0, number)?;
    let called = name.split('(').next().unwrap_or(name);
    let label = format!("`{called}` is a share, and 1 is 100 %");
    Some(Always { holds, label, help: format!("a share is written with `%`: is `{number}%` meant?") })
}

/// Between which numbers a fact always is: both of them can be reached.
pub(super) fn reach_of(fact: &Term) -> Option<(f64, f64)> {
    reach(fact).map(|(_, reach)| reach)
}

/// The name of a fact, and between which numbers it always is: both of them can be reached.
fn reach(fact: &Term) -> Option<(&str, (f64, f64))> {
    const SHARE: (f64, f64) = (0.0, 1.0);
    const NOT_UNDER_ZERO: (f64, f64) = (0.0, f64::INFINITY);
    match fact {
        Term::Own(fact) => match fact.name {
            "signal" => Some((fact.name, (-1.0, 1.0))),
            "price" | "unit" | "drawdown" | "volatility" | "signal.age" | "campaign.age" | "campaigns.since"
            | "campaign.units" | "campaign.rungs" | "campaigns" => Some((fact.name, NOT_UNDER_ZERO)),
            _ => None,
        },
        Term::Told { name, .. } => {
            let called = name.split('(').next().unwrap_or(name);
            const SHARES: [&str; 4] =
                ["iv.rank", "liquidation.probability", "concentration.venue", "concentration.stablecoin"];
            (SHARES.contains(&called) && name.contains('(')).then_some((called, SHARE))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::codes::Code;
    use crate::diagnostic::Severity;

    /// What `check` warns of in a condition on entries, by its first words behind the comparison.
    fn warned(when: &str) -> Vec<String> {
        let text = format!(
            "policy = 1\nname = \"c\"\ninstrument = \"binance:BTCUSDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
             when = \"{when}\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n"
        );
        let parsed = crate::parse(&text);
        assert!(parsed.policy.is_some(), "{:?}", parsed.diagnostics);
        let same = parsed.diagnostics.into_iter().filter(|found| found.code == Code::AlwaysSame);
        same.map(|found| {
            assert_eq!(found.severity, Severity::Warning);
            format!("{} {}", &text[found.span], found.message.rsplit(' ').nth(1).unwrap_or_default())
        })
        .collect()
    }

    #[test]
    fn what_no_market_changes_is_told() {
        for (when, wanted) in [
            ("1 < 2", &["1 < 2 always"][..]),
            ("2 * 3 <= 5", &["2 * 3 <= 5 never"]),
            ("price >= price", &["price >= price always"]),
            ("price > price || drawdown < 5%", &["price > price never"]),
            ("price + 1 != price + 1", &["price + 1 != price + 1 never"]),
            ("drawdown < 0%", &["drawdown < 0% never"]),
            ("0% <= drawdown", &["0% <= drawdown always"]),
            ("iv.rank(30d) > 80", &["iv.rank(30d) > 80 never"]),
            ("signal <= 1 && signal > 1", &["signal <= 1 always", "signal > 1 never"]),
            ("!(campaign.age < 0h)", &["(campaign.age < 0h) never"]),
            ("if(1 < 2, price, 3) > 5", &["1 < 2 always"]),
            ("iv.atm(30d) > 50", &["iv.atm(30d) > 50 never"]),
            ("60 > iv.atm(30d)", &["60 > iv.atm(30d) always"]),
            ("skew(30d) < -10", &["skew(30d) < -10 never"]),
            ("margin.ratio(binance) < 60", &["margin.ratio(binance) < 60 always"]),
            ("sqrt(-1) > 5", &["sqrt(-1) never"]),
            ("sqrt(2 - 3) > drawdown", &["sqrt(2 - 3) never"]),
            ("price / 0 > 1", &["price / 0 never"]),
            ("drawdown / (1 - 100%) > 1", &["drawdown / (1 - 100%) never"]),
            ("clamp(price, 10, 5) > 7", &["clamp(price, 10, 5) last"]),
            ("equity < 0 USDT", &["0 USDT can"]),
            ("equity > -5 USDT", &["-5 USDT can"]),
        ] {
            assert_eq!(warned(when), wanted, "{when}");
        }
    }

    #[test]
    fn what_a_market_can_change_is_not() {
        for when in [
            "price > 1 && price < 1_000_000",
            "drawdown > 0%",
            "drawdown <= 0%",
            "signal >= 1",
            "signal == -1",
            "price > campaign.entry",
            "iv.rank(30d) >= 100%",
            "campaign.units > 0",
            "loss.day > -5%",
            "iv.atm(30d) > 50%",
            "iv.atm(30d) > 2",
            "leverage() > 20",
            "greeks.vega(BTC) > 5_000",
            "sqrt(drawdown - 1) > 5",
            "price / drawdown > 1",
            "clamp(price, 5, 10) > 7",
            "equity < 5 USDT",
        ] {
            assert!(warned(when).is_empty(), "{when}");
        }
    }
}
