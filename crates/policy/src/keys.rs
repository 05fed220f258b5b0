//! What may stand in a policy's text, for tools that help to write one: sections, their keys, and the words that keys take.

use crate::parse::schema::{
    ALTERNATIVES, DRAWDOWN_LEVEL, FEE_TIERS, FLOWS, LEGS, LISTS, POLICY, ROOT, SECTIONS, SIGNAL_KINDS, SIZE_KINDS,
};
use crate::spec::{
    BufferTo, Follow, FractionOf, HedgeTo, LimitAction, OnLoss, Over, Reentry, Resize, Sides, Spacing, Sticky,
    TargetGreek, Trigger,
};
use crate::words::Word;
use units::OptionRight;

/// How a section stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the first section.
    Root,
    /// `[name]`.
    Section,
    /// `[[name]]`, one for each entry.
    List,
    /// A list of tables behind a key, such as `caps.drawdown`.
    Inline,
}

/// A section, or the tables of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Its name, with that of the section it is in before a dot; empty before the first section.
    pub name: &'static str,
    /// How it stands in the text.
    pub place: Place,
    /// Its keys.
    pub keys: &'static [&'static str],
}

/// Every section, in the order of the manual. `[parameters]` has keys of the author's own and is not among them.
pub fn sections() -> impl Iterator<Item = Section> {
    let root = Section { name: "", place: Place::Root, keys: ROOT };
    let of = |place: Place| move |(name, keys): &(&'static str, &'static [&'static str])| Section { name, place, keys };
    let inline = [LEGS, DRAWDOWN_LEVEL, FEE_TIERS, ALTERNATIVES].map(|name| Section {
        name,
        place: Place::Inline,
        keys: POLICY.keys_of(name),
    });
    let lists = LISTS.iter().map(of(Place::List));
    std::iter::once(root).chain(SECTIONS.iter().map(of(Place::Section))).chain(lists).chain(inline)
}

/// Whether a list of sections stands inside another section, as `[[backtest.flows]]` does.
#[must_use]
pub fn is_nested(name: &str) -> bool {
    name == FLOWS
}

/// The words that a key takes, where it takes nothing else.
#[must_use]
pub fn words(section: &str, key: &str) -> Option<Vec<&'static str>> {
    fn all<W: Word>() -> Vec<&'static str> {
        W::WORDS.iter().map(|(word, _)| *word).collect()
    }
    let kinds = |kinds: &[(&'static str, &[&str])]| kinds.iter().map(|(kind, _)| *kind).collect();
    Some(match (section, key) {
        ("structure", "sticky") => all::<Sticky>(),
        (LEGS | ALTERNATIVES, "right") => all::<OptionRight>(),
        ("allocation", "over") => all::<Over>(),
        ("signal", "kind") => kinds(SIGNAL_KINDS),
        ("signal", "sides") => all::<Sides>(),
        ("signal", "reentry") => all::<Reentry>(),
        ("size", "kind") => kinds(SIZE_KINDS),
        ("size", "greek") => all::<TargetGreek>(),
        ("size", "resize") => all::<Resize>(),
        ("pyramid", "spacing") => all::<Spacing>(),
        ("stop", "follow") => all::<Follow>(),
        ("stop" | "ladder", "trigger") => all::<Trigger>(),
        ("ladder", "of") => all::<FractionOf>(),
        ("caps", "on_loss") => all::<OnLoss>(),
        ("limits", "action") => all::<LimitAction>(),
        ("hedges", "to") => all::<HedgeTo>(),
        ("trade", "buffer_to") => all::<BufferTo>(),
        _ => return None,
    })
}
