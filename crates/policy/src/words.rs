//! Words that stand for a choice, as they are written in a policy.

use crate::objectives::{Side, Style};
use crate::spec::{
    Breached, BufferTo, Cut, FloorOf, Follow, FractionOf, HedgeTo, LimitAction, OnLoss, Over, Reentry, Resize, Sides,
    Spacing, Sticky, StreakOver, TargetGreek, Trigger, Weights,
};
use units::OptionRight;

/// A choice that a policy writes as a word.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// All choices.
    const WORDS: &'static [(&'static str, Self)];

    /// The word.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, choice)| *choice == self).map_or("", |(word, _)| word)
    }
}

macro_rules! words {
    ($($choice:ty: $($word:literal = $value:ident),+;)*) => {$(
        impl Word for $choice {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$value)),+];
        }
    )*};
}

words! {
    Over: "declared" = Declared, "quoted" = Quoted, "signalled" = Signalled;
    Sides: "both" = Both, "long" = Long, "short" = Short;
    Reentry: "new_signal" = NewSignal, "at_once" = AtOnce;
    Resize: "entry" = Entry, "continuous" = Continuous;
    Spacing: "entry" = Entry, "last_fill" = LastFill;
    Follow: "entry" = Entry, "last_fill" = LastFill;
    StreakOver: "instrument" = Instrument, "strategy" = Strategy, "account" = Account;
    TargetGreek: "gamma" = Gamma, "vega" = Vega;
    FractionOf: "first" = First, "peak" = Peak, "current" = Current;
    FloorOf: "deposits" = Deposits, "highest" = Highest;
    OnLoss: "no_increase" = NoIncrease, "flat" = Flat;
    Breached: "over" = Over, "under" = Under;
    LimitAction: "reduce" = Reduce, "no_increase" = NoIncrease, "flat" = Flat;
    Weights: "equal_risk" = EqualRisk, "equal" = Equal;
    Cut: "alike" = Alike, "cheapest" = Cheapest;
    Trigger: "resting" = Resting, "synthetic" = Synthetic;
    Sticky: "strike" = Strike, "moneyness" = Moneyness;
    OptionRight: "call" = Call, "put" = Put;
    Style: "hold" = Hold, "trend" = Trend, "signal" = Signal, "covered_call" = CoveredCall, "short_strangle" = ShortStrangle;
    Side: "long" = Long, "short" = Short, "none" = None;
    BufferTo: "edge" = Edge, "centre" = Centre;
    HedgeTo: "edge" = Edge, "target" = Target;
}
