//! `trimtab facts`.

use super::Outcome;
use crate::args::Facts;
use crate::failure::Failure;
use crate::render::wrap;
use crate::terminal::Terminal;
use policy::expression::{Family, Known, catalogue};
use policy::nearest;
use serde::Serialize;

#[derive(Serialize)]
struct Line {
    fact: &'static str,
    family: &'static str,
    unit: &'static str,
    meaning: &'static str,
    source: &'static str,
    age: &'static str,
    taken_by: &'static str,
}

pub(super) fn run(args: &Facts, terminal: &Terminal) -> Result<Outcome, Failure> {
    let wanted = args.name.as_deref().unwrap_or_default().to_lowercase();
    let found: Vec<Known> = catalogue().filter(|known| known.written.to_lowercase().contains(&wanted)).collect();
    if found.is_empty() {
        let names = catalogue().map(|known| known.written.split('(').next().unwrap_or_default());
        let failure = Failure::input(format_args!("no fact has `{wanted}` in its name"));
        return Err(match nearest(&wanted, names) {
            Some(near) => failure.hint(format_args!("did you mean `{near}`?")),
            None => failure.hint("`trimtab facts` lists them all"),
        });
    }
    // Names longer than this are rare, and stand on a line of their own.
    const NAME: usize = 24;
    let about = terminal.width().saturating_sub(NAME + 2).max(30);
    for family in Family::ALL {
        let members: Vec<&Known> = found.iter().filter(|known| known.family == family).collect();
        if members.is_empty() {
            continue;
        }
        terminal.result(format_args!("{} · for {}", title(family), family.taken_by()));
        for known in members {
            let text = wrap(&format!("{}; {}", known.unit, known.meaning), about, 0);
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default();
            if known.written.chars().count() > NAME {
                terminal.result(format_args!("  {}\n  {:NAME$}{first}", known.written, ""));
            } else {
                terminal.result(format_args!("  {:NAME$}{first}", known.written));
            }
            for line in lines {
                terminal.result(format_args!("  {:NAME$}{line}", ""));
            }
        }
        terminal.detail(format_args!("  from {}; known {}", family.source(), family.age()));
        terminal.result("");
    }
    for known in &found {
        let Known { written: fact, unit, meaning, family } = *known;
        let (source, age, taken_by) = (family.source(), family.age(), family.taken_by());
        terminal.json("fact", &Line { fact, family: family.name(), unit, meaning, source, age, taken_by });
    }
    terminal.note(format_args!("how they are written: docs/policy-language.md, Conditions"));
    Ok(Outcome::Done)
}

fn title(family: Family) -> &'static str {
    match family {
        Family::Own => "market, campaign and account",
        Family::Series => "recorded series",
        Family::Indicator => "indicators",
        Family::Surface => "volatility surfaces and Greeks",
        Family::Risk => "margin, liquidation and stresses",
        Family::Function => "functions",
    }
}
