//! Which modes are in force, and which of them an answer begins or ends.

use super::copies::{Kind, Named};
use engine::{Engine, Purpose};
use policy::spec::Mode;
use units::StrategyId;

/// What begins a mode is told as this and the mode, what ends one as [`ENDS`].
const BEGINS: u8 = 4;
const ENDS: u8 = 8;

/// A rule by its number in the program, with the mode that it has put in force.
pub(super) type InForce = (u8, Mode);

/// The modes that are in force in a strategy now.
pub(super) fn of_now(engine: &mut Engine, strategy: StrategyId) -> Vec<InForce> {
    engine.preview(strategy).steps.iter().filter_map(|step| Some((step.rule, step.mode()?))).collect()
}

/// The modes that a plan tells to be in force.
pub(super) fn of_plan(steps: &[Named]) -> Vec<InForce> {
    steps.iter().filter_map(|(step, _)| Some((step.rule, step.mode()?))).collect()
}

/// What is another between the modes of before and those of a plan.
pub(super) fn changes(before: &[InForce], after: &[InForce]) -> impl Iterator<Item = Kind> {
    let begun = after.iter().filter(|mode| !before.contains(mode));
    let ended = before.iter().filter(|(rule, _)| !after.iter().any(|(other, _)| other == rule));
    let kinds: Vec<Kind> = begun
        .map(|(rule, mode)| (BEGINS + *mode as u8, Purpose::Entry, *rule))
        .chain(ended.map(|(rule, mode)| (ENDS + *mode as u8, Purpose::Entry, *rule)))
        .collect();
    kinds.into_iter()
}

/// The rule whose mode an answer begins or ends, the last one that does.
pub(super) fn rule_of(kinds: &[Kind]) -> Option<u8> {
    kinds.iter().rfind(|(kind, ..)| *kind >= BEGINS).map(|(_, _, rule)| *rule)
}

/// What begins and ends, in words.
pub(super) fn said(kinds: &[Kind]) -> Vec<String> {
    let one = |kind: u8| {
        let (from, verb) = if kind >= ENDS { (ENDS, "ends") } else { (BEGINS, "begins") };
        let mode = Mode::ALL.get(usize::from(kind - from))?;
        Some(format!("{} {verb}", mode.name()))
    };
    let mut told: Vec<String> = Vec::new();
    for text in kinds.iter().filter(|(kind, ..)| *kind >= BEGINS).filter_map(|(kind, ..)| one(*kind)) {
        // Two rules may put the same mode in force.
        if !told.contains(&text) {
            told.push(text);
        }
    }
    told
}
