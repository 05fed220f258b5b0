//! Rules: what a policy is made of. One public trait, the same for built-in and users' own.

use crate::Region;
use crate::facts::{Code, FactId, Facts};
use crate::spec::{LIMITS_MAX, Mode};
use arrayvec::ArrayVec;
use std::fmt;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Duration, Price, Qty, Timestamp};

/// Steps that one plan can hold; a program with more rules is refused at load.
pub const STEPS_MAX: usize = 48;
/// Exits that one plan can leave resting at the venue: the stop and up to eight rungs.
pub const EXITS_MAX: usize = 9;

/// What a rule proposes to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Target {
    /// Signed full size at the present signal: all units, before ladder and caps.
    pub base: Qty,
    /// Signed quantity to hold now.
    pub qty: Qty,
}

/// What to add when the market reaches a level: rests at the venue as a stop-entry order. Caps reserve for it at its
/// trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Add {
    /// The level.
    pub trigger: Price,
    /// Where it is expected to fill: at its trigger, or at the market's price where that is beyond it already.
    pub at: Price,
    /// The worst price accepted after the trigger. `None`: any.
    pub limit: Option<Price>,
    /// Once the market is beyond this price unfilled, the unit lapses. `None`: never.
    pub chase: Option<Price>,
    /// Signed quantity.
    pub qty: Qty,
    /// Signed quantity before limits lowered it.
    pub whole: Qty,
    /// Signed quantity that follows in further orders, because one may not be larger.
    pub rest: Qty,
    /// Which unit it is, the last of them where several are added at once: the first unit is 1.
    pub unit: u32,
}

/// An exit: an order that rests at the venue, reduce-only, or a price that is watched and answered with a market order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Closes the whole position at the stop.
    Stop {
        /// Its trigger.
        trigger: Price,
    },
    /// Takes a part off at a better price.
    Rung {
        /// Which rung, from 0.
        index: u8,
        /// Its limit price.
        price: Price,
        /// Unsigned quantity.
        qty: Qty,
    },
    /// A stop that is watched: nothing rests.
    WatchedStop {
        /// Where it is crossed.
        trigger: Price,
    },
    /// A rung that is watched: nothing rests.
    WatchedRung {
        /// Which rung, from 0.
        index: u8,
        /// Where it is crossed.
        price: Price,
        /// Unsigned quantity.
        qty: Qty,
    },
    /// A watched rung that was reached: it goes out at the market now.
    Take {
        /// Which rung, from 0.
        index: u8,
        /// Unsigned quantity.
        qty: Qty,
    },
}

impl Exit {
    /// The trigger of a stop, whether it rests or is watched.
    #[must_use]
    pub fn stop(&self) -> Option<Price> {
        match self {
            Self::Stop { trigger } | Self::WatchedStop { trigger } => Some(*trigger),
            Self::Rung { .. } | Self::WatchedRung { .. } | Self::Take { .. } => None,
        }
    }
}

/// What a rule did to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Left it as it was.
    Kept,
    /// Set or scaled it as the policy wants.
    Set,
    /// Lowered it because a limit binds.
    Cut,
    /// A trigger was crossed or an increase wanted, and was refused.
    Refused,
    /// A change was held back (buffer, minimum order).
    Held,
    /// A limit cannot be met; this is the best reachable.
    Unmet,
}

impl Outcome {
    /// As it stands in plans and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Set => "set",
            Self::Cut => "cut",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Unmet => "unmet",
        }
    }
}

/// What a rule answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The target from here on.
    pub target: Target,
    /// What was done to it.
    pub outcome: Outcome,
}

impl Verdict {
    /// Leaves the target as it is.
    #[must_use]
    #[inline]
    pub fn keep(target: Target) -> Self {
        Self { target, outcome: Outcome::Kept }
    }

    /// The policy wants this.
    #[must_use]
    #[inline]
    pub fn set(target: Target) -> Self {
        Self { target, outcome: Outcome::Set }
    }

    /// A limit lowers it to this.
    #[must_use]
    #[inline]
    pub fn cut(target: Target) -> Self {
        Self { target, outcome: Outcome::Cut }
    }

    /// An increase is refused.
    #[must_use]
    pub fn refuse(target: Target) -> Self {
        Self { target, outcome: Outcome::Refused }
    }
}

/// A number in a reason, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arg {
    /// Not given.
    None,
    /// A price, to the tick.
    Price(Price),
    /// A quantity, to the lot.
    Qty(Qty),
    /// Money.
    Cash(Cash),
    /// An amount of a coin, to four decimals.
    Coins(Cash, Code),
    /// A fraction shown in percent.
    Percent(f64),
    /// A plain number with two decimals, such as a leverage.
    Number(f64),
    /// A count.
    Count(u32),
    /// A short name.
    Name(Code),
    /// A span.
    Duration(Duration),
    /// An instant.
    Time(Timestamp),
    /// A mode of trading.
    Mode(Mode),
}

/// Why a rule did what it did: a sentence with a gap `{}` for each number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason {
    /// The sentence.
    pub template: &'static str,
    /// The numbers, in the order of the gaps.
    pub args: [Arg; 4],
}

impl Reason {
    /// No reason given.
    pub const NONE: Self = Self { template: "", args: [Arg::None; 4] };
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Price(value) => value.fmt(f),
            Self::Qty(value) => value.fmt(f),
            // A fee in coin is small: what rounds to nothing is told with the digits it has.
            Self::Cash(value) if !value.is_zero() && value.abs() < Cash::from_raw(Cash::ONE) => {
                let shown = format!("{value:.8}");
                let decimals = shown.trim_end_matches('0').len().max(shown.len() - 6);
                f.write_str(&shown[..decimals])
            }
            Self::Cash(value) => write!(f, "{value:.2}"),
            Self::Coins(value, code) => {
                let shown = format!("{value:.4}");
                write!(f, "{} {code}", shown.trim_end_matches('0').trim_end_matches('.'))
            }
            // A basis point is told too.
            Self::Percent(value) if *value != 0.0 && value.abs() < 0.000_5 => {
                let shown = format!("{:.6}", value * 100.0);
                let decimals = shown.trim_end_matches('0').trim_end_matches('.').len();
                write!(f, "{} %", if decimals < 4 { "0.0" } else { &shown[..decimals] })
            }
            Self::Percent(value) => write!(f, "{:.1} %", value * 100.0 + 0.0),
            Self::Number(value) => write!(f, "{:.2}", value + 0.0),
            Self::Count(value) => value.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Duration(value) => value.fmt(f),
            Self::Time(value) => value.fmt(f),
            Self::Mode(mode) => f.write_str(mode.name()),
        }
    }
}

impl Arg {
    /// With so many more digits than usual.
    fn write(&self, f: &mut fmt::Formatter<'_>, more: usize) -> fmt::Result {
        match *self {
            Self::Percent(value) if more > 0 => write!(f, "{:.*} %", 1 + more, value * 100.0 + 0.0),
            Self::Number(value) if more > 0 => write!(f, "{:.*}", 2 + more, value + 0.0),
            _ => fmt::Display::fmt(self, f),
        }
    }
}

impl Reason {
    /// What is over a limit is told with as many digits as tell it from the limit, up to six more; none where only rounding does.
    fn more_digits(&self) -> usize {
        if !(self.template.contains("over {}") || self.template.contains("under {}")) {
            return 0;
        }
        let shown = |arg: &Arg, more: usize| match *arg {
            Arg::Percent(value) => format!("{:.*} %", 1 + more, value * 100.0 + 0.0),
            Arg::Number(value) => format!("{:.*}", 2 + more, value + 0.0),
            _ => String::new(),
        };
        let differ = |one: &Arg, other: &Arg| match (*one, *other) {
            (Arg::Percent(one), Arg::Percent(other)) | (Arg::Number(one), Arg::Number(other)) => {
                !crate::level::is_same(one, other)
            }
            _ => false,
        };
        let tells = |more: &usize| {
            self.args.windows(2).all(|two| !differ(&two[0], &two[1]) || shown(&two[0], *more) != shown(&two[1], *more))
        };
        (0..=6).find(tells).unwrap_or(0)
    }
}

impl fmt::Display for Reason {
    /// The sentence with its numbers filled in; what has no gap is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut args = self.args.iter();
        let more = self.more_digits();
        for (index, part) in self.template.split("{}").enumerate() {
            if index > 0 {
                args.next().unwrap_or(&Arg::None).write(f, more)?;
            }
            f.write_str(part)?;
        }
        Ok(())
    }
}

/// One line of a plan: what a rule made of the target, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The rule's position in the program.
    pub rule: u8,
    /// What it did.
    pub outcome: Outcome,
    /// The quantity before.
    pub before: Qty,
    /// The quantity after.
    pub after: Qty,
    /// Why.
    pub reason: Reason,
}

/// Collects what rules say beside their verdicts: the numbers behind it, the triggers they refuse, the exits and the add
/// that they leave resting at the venue. Laid out as it is written: what every evaluation asks for comes first.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Because {
    /// At most [`STEPS_MAX`], apart from the rest: they are large, and most evaluations say nothing.
    steps: Vec<Step>,
    before: Qty,
    limits: u64,
    worst: Option<Price>,
    whole: Option<Qty>,
    rule: u8,
    cut: bool,
    holds: bool,
    /// A limit does not bear what is held.
    cannot_wait: bool,
    stopped: bool,
    unsure: bool,
    reason: Option<Reason>,
    add: Option<Add>,
    refused_add: Option<Add>,
    beside: Option<Beside>,
    exits: ArrayVec<Exit, EXITS_MAX>,
    outgoing: Option<Outgoing>,
    reliefs: ArrayVec<Relief, LIMITS_MAX>,
}

/// What giving up the strategy's position does to a limit on Greeks that is breached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relief {
    /// Which limit, from 0.
    pub limit: u32,
    /// What a smaller position makes of what is limited.
    pub of: Relieves,
    /// The share that all positions keep whose giving up relieves it: with that it is at its restore level, or as near as it gets.
    pub keeps: f64,
    /// The coin of another position that stands under the limit and is not given up for it, and what less of that makes, if there is one.
    pub spares: Option<(Code, Relieves)>,
}

/// What a smaller position makes of what is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relieves {
    /// It brings it nearer to its restore level.
    Better,
    /// It leaves it as it is.
    Same,
    /// It takes it further away.
    Worse,
}

/// What limits on facts go by while orders of the account are on their way that take something off: as if they were filled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outgoing {
    /// What is left of the strategy's own position; signed.
    pub left: Qty,
    /// By limit, in their order: what it measures then, where it is known.
    pub limits: ArrayVec<Limited, LIMITS_MAX>,
}

/// What a breach of a limit on gross exposure goes by where several strategies answer it: the account's other positions without their
/// pending increases and without what is on its way out. In the currency of [`OTHERS`](crate::facts::OTHERS).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beside {
    /// Gross exposure of the others.
    pub kept: f64,
    /// How much of it gives up its part of the excess too: it states the same limit, and has not answered the breach yet.
    pub shares: f64,
    /// The strategy's own position without what an answer of its own has on its way out; signed.
    pub left: Qty,
    /// Another strategy has begun to bring a breach back, and this one has still to answer.
    pub restores: bool,
}

impl Default for Because {
    /// Nothing said yet, with room for all that may be: an evaluation allocates nothing.
    fn default() -> Self {
        Self {
            steps: Vec::with_capacity(STEPS_MAX),
            exits: ArrayVec::new(),
            outgoing: None,
            reliefs: ArrayVec::new(),
            add: None,
            refused_add: None,
            beside: None,
            cut: false,
            limits: 0,
            reason: None,
            cannot_wait: false,
            rule: 0,
            before: Qty::ZERO,
            holds: false,
            stopped: false,
            unsure: false,
            worst: None,
            whole: None,
        }
    }
}

impl Because {
    /// Gives the reason for the verdict that follows. The last one given counts.
    #[inline]
    pub fn say<const N: usize>(&mut self, template: &'static str, args: [Arg; N]) {
        const { assert!(N <= 4, "a reason has at most four numbers") };
        let mut all = [Arg::None; 4];
        all[..N].copy_from_slice(&args);
        self.reason = Some(Reason { template, args: all });
    }

    /// Records a trigger that was crossed and is refused, beside the verdict.
    pub fn refused<const N: usize>(&mut self, template: &'static str, args: [Arg; N]) {
        let kept = self.reason.take();
        self.say(template, args);
        let reason = self.reason.take().unwrap_or(Reason::NONE);
        self.reason = kept;
        let (rule, qty) = (self.rule, self.before);
        self.push(Step { rule, outcome: Outcome::Refused, before: qty, after: qty, reason });
    }

    /// Records that an add is refused, with its trigger: when the market crosses it, the plan of that event says so again.
    pub fn refused_add<const N: usize>(&mut self, add: Add, template: &'static str, args: [Arg; N]) {
        self.refused_add = Some(add);
        self.refused(template, args);
    }

    /// Records what the engine itself saw or did, before the rules speak.
    pub fn note<const N: usize>(&mut self, rule: u8, before: Qty, after: Qty, template: &'static str, args: [Arg; N]) {
        self.say(template, args);
        let reason = self.reason.take().unwrap_or(Reason::NONE);
        self.push(Step { rule, outcome: Outcome::Set, before, after, reason });
    }

    /// Leaves an exit resting at the venue, or watched. The program's rungs were counted at load, so it always fits.
    pub fn rest(&mut self, exit: Exit) {
        debug_assert!(!self.exits.is_full(), "rungs are counted at load");
        let _fits = self.exits.try_push(exit);
    }

    /// Empties it for the next evaluation.
    #[inline]
    pub fn clear(&mut self) {
        (self.rule, self.before) = (u8::MAX, Qty::ZERO);
        self.steps.clear();
        self.exits.clear();
        self.add = None;
        self.cut = false;
        self.limits = 0;
        self.refused_add = None;
        self.reason = None;
        self.holds = false;
        self.cannot_wait = false;
        self.stopped = false;
        self.unsure = false;
        self.worst = None;
        self.whole = None;
    }

    /// Tells limits on gross exposure what a breach goes by, until it is told anew: clearing leaves it.
    pub fn set_beside(&mut self, beside: Option<Beside>) {
        self.beside = beside;
    }

    /// What a breach of a limit on gross exposure goes by. `None`: the strategy's own position and the worst of all others.
    #[must_use]
    pub fn beside(&self) -> Option<Beside> {
        self.beside
    }

    /// Tells limits on facts what is on its way out, until it is told anew: clearing leaves it.
    pub fn set_outgoing(&mut self, outgoing: Option<Outgoing>) {
        self.outgoing = outgoing;
    }

    /// What is on its way out. `None`: nothing, or no limit asks.
    #[must_use]
    pub fn outgoing(&self) -> Option<&Outgoing> {
        self.outgoing.as_ref()
    }

    /// Tells limits on Greeks what giving up the position does to them, until it is told anew: clearing leaves it.
    pub fn set_reliefs(&mut self, reliefs: ArrayVec<Relief, LIMITS_MAX>) {
        self.reliefs = reliefs;
    }

    /// What giving up the position does to the limits on Greeks that are breached, where that is known.
    #[must_use]
    pub fn reliefs(&self) -> &[Relief] {
        &self.reliefs
    }

    /// Empties it but for what the engine noted before the rules spoke: they speak once more.
    pub fn restart(&mut self) {
        self.steps.retain(|step| step.rule == u8::MAX);
        let notes = std::mem::take(&mut self.steps);
        self.clear();
        self.steps = notes;
        for at in 0..self.steps.len() {
            let step = self.steps[at];
            if matches!(step.outcome, Outcome::Refused | Outcome::Cut | Outcome::Held | Outcome::Unmet) {
                let bytes = [step.rule, step.outcome as u8];
                self.mark(bytes.into_iter().chain(step.reason.template.bytes()));
            }
        }
    }

    /// Announces the rule that speaks next.
    #[inline]
    pub fn begin(&mut self, rule: u8, before: Qty) {
        self.rule = rule;
        self.before = before;
        self.reason = None;
    }

    /// Records the verdict of the rule announced by [`Self::begin`], if it did or said anything.
    #[inline]
    pub fn end(&mut self, verdict: &Verdict) {
        if verdict.outcome != Outcome::Kept || self.reason.is_some() {
            let reason = self.reason.take().unwrap_or(Reason::NONE);
            let (rule, before, after) = (self.rule, self.before, verdict.target.qty);
            self.push(Step { rule, outcome: verdict.outcome, before, after, reason });
        }
    }

    /// What was said so far is a step of its own, after which the quantity is this; the verdict goes on from there.
    pub(crate) fn go_on(&mut self, after: Qty) {
        let reason = self.reason.take().unwrap_or(Reason::NONE);
        let (rule, before) = (self.rule, self.before);
        self.push(Step { rule, outcome: Outcome::Set, before, after, reason });
        self.before = after;
    }

    fn push(&mut self, step: Step) {
        debug_assert!(self.steps.len() < STEPS_MAX, "the program's length was checked at load");
        if matches!(step.outcome, Outcome::Refused | Outcome::Cut | Outcome::Held | Outcome::Unmet) {
            self.cut |= step.outcome == Outcome::Cut;
            let bytes = [step.rule, step.outcome as u8];
            self.mark(bytes.into_iter().chain(step.reason.template.bytes()));
        }
        if self.steps.len() < STEPS_MAX {
            self.steps.push(step);
        }
    }

    /// The rule puts a mode in force: a plan is recorded when that changes.
    pub fn in_mode(&mut self, mode: Mode) {
        self.mark([self.rule, mode as u8]);
    }

    /// FNV-1a over what refuses, cuts, holds back or degrades.
    fn mark(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            self.limits = (self.limits ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// A fingerprint of what refuses, cuts or holds back: rules and sentences, not their numbers, which change with every
    /// price. Zero when nothing does.
    #[must_use]
    #[inline]
    pub fn limits(&self) -> u64 {
        self.limits
    }

    /// Whether a limit has cut the target so far: such a reduction ignores buffer and minimum order.
    #[must_use]
    #[inline]
    pub fn was_cut(&self) -> bool {
        self.cut
    }

    /// A limit does not bear what is held: though the target is under it already, coming down to the target cannot wait
    /// for buffer or smallest order.
    #[inline]
    pub fn cannot_wait(&mut self) {
        self.cannot_wait = true;
    }

    /// Whether a reduction has to be carried out at once, because a limit cut the target or does not bear what is held.
    #[must_use]
    #[inline]
    pub fn is_urgent(&self) -> bool {
        self.cannot_wait || self.was_cut()
    }

    /// The steps so far, in the order of the program.
    #[must_use]
    #[inline]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The add to leave resting: rules set it, caps lower it or take it away.
    #[must_use]
    #[inline]
    pub fn add(&self) -> Option<Add> {
        self.add
    }

    /// Sets, lowers or takes away the add to leave resting.
    #[inline]
    pub fn set_add(&mut self, add: Option<Add>) {
        self.add = add;
    }

    /// What sizes the position is not known now: it stays as it is, neither scaled by later rules nor added to.
    pub fn hold(&mut self) {
        self.holds = true;
    }

    /// Whether [`Self::hold`] was said.
    #[must_use]
    #[inline]
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// What a rule asks is not known: it begins nothing, which does not mean that what was begun is no longer wanted.
    pub fn not_known(&mut self) {
        self.unsure = true;
    }

    /// Whether [`Self::not_known`] was said.
    #[must_use]
    #[inline]
    pub fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// A watched stop was crossed: what closes now is the stop.
    pub fn stop_out(&mut self) {
        self.stopped = true;
    }

    /// Whether [`Self::stop_out`] was said.
    #[must_use]
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// An increase may not fill worse than at this price.
    pub fn no_worse_than(&mut self, price: Price) {
        self.worst = Some(price);
    }

    /// The worst price for an increase. `None`: any.
    #[must_use]
    #[inline]
    pub fn worst(&self) -> Option<Price> {
        self.worst
    }

    /// The increase to this target goes out in pieces.
    pub fn in_pieces(&mut self, whole: Qty) {
        self.whole = Some(whole);
    }

    /// The target that pieces are on the way to, if it is more than the present one.
    #[must_use]
    #[inline]
    pub fn whole(&self) -> Option<Qty> {
        self.whole
    }

    /// Whether nothing is left resting at the venue.
    #[must_use]
    #[inline]
    pub fn rests_nothing(&self) -> bool {
        self.exits.is_empty() && self.add.is_none()
    }

    /// The add that was refused, if one was.
    #[must_use]
    #[inline]
    pub fn last_refused_add(&self) -> Option<Add> {
        self.refused_add
    }

    /// The exits to leave resting.
    #[must_use]
    #[inline]
    pub fn exits(&self) -> &[Exit] {
        &self.exits
    }
}

/// What a limit measures, where an increase would make it another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limited {
    /// Which limit, from 0.
    pub limit: u32,
    /// What is limited. `None`: it is not known.
    pub value: Option<f64>,
    /// Where increases stop.
    pub level: f64,
    /// It is beyond over the level; else under it.
    pub is_over: bool,
    /// Whether a breach of it makes the position smaller.
    pub reduces: bool,
    /// Whether it is breached. `None`: it is not known.
    pub is_breached: Option<bool>,
}

impl Limited {
    /// Whether no increase may lead there: beyond the level, or nobody knows where. What is the level but for rounding is not beyond.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        let slack = 1e-9 * self.level.abs();
        let Some(value) = self.value else { return true };
        if self.is_over { value > self.level + slack } else { value < self.level - slack }
    }
}

/// One rule of a policy.
///
/// A rule sees facts and a proposed target and answers with a verdict. It cannot send, ask the time or look elsewhere.
pub trait Rule: Send {
    /// Its name in plans: a policy key such as `vol_target`.
    fn name(&self) -> &'static str;

    /// The facts that it reads; units are checked at load.
    fn reads(&self) -> &[FactId];

    /// Sees every input in its scope; O(1); decides nothing.
    fn observe(&mut self, _facts: &Facts) {}

    /// Facts that are no state ([`Facts::pass`]) were told for the evaluation that follows: keeps what later ones go by.
    fn keep(&mut self, _facts: &Facts) {}

    /// The target from here on. Pure: `next` and what-if call it too.
    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict;

    /// States in which intervals of what it reads it would answer the same to the same proposal: the same target, outcome and
    /// sentence (its numbers may differ), the same exits, add and refusals. What it reads and does not state has to stay as it is.
    /// What it remembers must not change there in a way that changes the answer, and a rule that looks at the time states
    /// [`facts::NOW`](crate::facts::NOW). `because` is as the rule is about to see it. `false`, as by default: none can be stated,
    /// and the strategy is evaluated on every input.
    fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, _region: &mut Region) -> bool {
        false
    }

    /// The most that its limit lets be held at once: also for a moment, as while old legs of a structure stand beside the new ones.
    /// `None`: it has no such limit, or does not know it now.
    fn most(&self, _facts: &Facts) -> Option<Qty> {
        None
    }

    /// The terms of its limit on the gross exposure of an account, to be compared with those of others: strategies with the same terms
    /// bring a breach back together. `None`: it is no such limit.
    fn shared_terms(&self) -> Option<String> {
        None
    }

    /// The terms of its limit on a fact of which a breach makes positions smaller: strategies of an account that state the same stand under
    /// it together. `None`: it is no such limit.
    fn limit_terms(&self) -> Option<&str> {
        None
    }

    /// What its limit measures now, and where increases stop. `None`: it is no limit on a fact, or that is not known.
    fn limited(&self, _facts: &Facts) -> Option<Limited> {
        None
    }

    /// Behind the sentence of a step of its own, once that goes into a plan: what the sentence was made from, as the comparison of a
    /// condition that failed. `facts` are those of the evaluation.
    fn detail(&self, _facts: &Facts, _step: &Step, _out: &mut String) {}

    /// The plan with this step was adopted.
    fn commit(&mut self, _step: &Step) {}

    /// Writes every field that changes.
    fn save(&self, _out: &mut StateWriter) {}

    /// Reads what [`Self::save`] wrote.
    fn load(&mut self, _from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        Ok(())
    }
}
