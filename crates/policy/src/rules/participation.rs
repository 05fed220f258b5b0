//! What the market's own trading bears: increases are a share of it, and positions no larger than that share gets rid of in time.

use super::{increases, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts, Traded};
use crate::rule::{Add, Arg, Because, Outcome, Rule, Target, Verdict};
use crate::spec::ExitTime;
use units::{Duration, Qty, Ratio, Round};

/// What goes out in a window to open and to add is at most a share of what the market traded in the window before. The rest follows.
pub(crate) struct ParticipationCap {
    pub(crate) share: Ratio,
    pub(crate) window: Duration,
    /// Of what books hold, and not of what is traded.
    pub(crate) of_depth: bool,
}

impl Rule for ParticipationCap {
    fn name(&self) -> &'static str {
        "participation_cap"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] =
            &[facts::POSITION.id(), facts::IN_FLIGHT.id(), facts::TRADED.id(), facts::LOT.id(), facts::MIN_QTY.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        let grows = increases(proposed.qty, held);
        if !grows && because.add().is_none() {
            return Verdict::keep(proposed);
        }
        let Some(traded) = facts.get(facts::TRADED) else {
            let sentence = match self.of_depth {
                true => "no depth was recorded in the last {}: nothing is opened or added",
                false => "no volume was recorded in the last {}: nothing is opened or added",
            };
            return nothing_more(facts, proposed, sentence, Arg::Duration(self.window), because);
        };
        let from = if same_side(proposed.qty, held) { held.abs() } else { Qty::ZERO };
        let change = if grows { proposed.qty.abs() - from } else { Qty::ZERO };
        // What was sent is done, though a book that has thinned since would not bear it.
        let sent = facts.get(facts::IN_FLIGHT).unwrap_or_default();
        let sent = if same_side(sent, proposed.qty) { sent.abs() } else { Qty::ZERO };
        let room = self.room(traded).max(sent);
        let mut verdict = Verdict::keep(proposed);
        if change > room {
            let lots = facts.get(facts::LOT).map_or(room, |lot| room.to_lot(lot, Round::TowardZero));
            let numbers =
                [Arg::Percent(self.share.get()), Arg::Qty(traded.market), Arg::Qty(traded.own), Arg::Qty(lots)];
            let sentence = match self.of_depth {
                true => "at most {} of the {} in the book, and {} of that are done: {} more now",
                false => "at most {} of the {} that were traded, and {} of that are done: {} more now",
            };
            because.say(sentence, numbers);
            because.in_pieces(proposed.qty);
            let qty = signed(from + lots, proposed.qty);
            let target = Target { qty: if lots.is_zero() { kept(proposed.qty, held) } else { qty }, ..proposed };
            let outcome = if lots.is_zero() { Outcome::Refused } else { Outcome::Held };
            verdict = Verdict { target, outcome };
        }
        if let Some(add) = because.add() {
            let left = Qty::from_raw((room.raw() - change.raw()).max(0));
            let add = self.capped_add(facts, traded, left, add, because);
            because.set_add(add);
        }
        verdict
    }

    /// What does not grow is none of its business, whatever is traded; what does waits for the next window's volume.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        region.rest();
        if !increases(proposed.qty, position(facts)) && because.add().is_none() {
            region.free(&[facts::TRADED.id()]);
        }
        true
    }
}

impl ParticipationCap {
    /// What may still be opened and added in this window.
    fn room(&self, traded: Traded) -> Qty {
        let most = traded.market.scaled(self.share.get(), Round::TowardZero).unwrap_or(Qty::MAX);
        Qty::from_raw((most.raw() - traded.own.raw()).max(0))
    }

    fn capped_add(&self, facts: &Facts, traded: Traded, left: Qty, add: Add, because: &mut Because) -> Option<Add> {
        if add.qty.abs() <= left {
            return Some(add);
        }
        let fits = left.to_lot(facts.get(facts::LOT)?, Round::TowardZero);
        let [unit, share, market] = [Arg::Count(add.unit), Arg::Percent(self.share.get()), Arg::Qty(traded.market)];
        if fits.is_zero() || fits < facts.get(facts::MIN_QTY)? {
            let sentence = match self.of_depth {
                true => "unit {} waits: {} of the {} in the book are done",
                false => "unit {} waits: {} of the {} that were traded are done",
            };
            because.refused_add(add, sentence, [unit, share, market]);
            return None;
        }
        let sentence = match self.of_depth {
            true => "unit {} begins with {}: {} of the {} in the book",
            false => "unit {} begins with {}: {} of the {} that were traded",
        };
        because.say(sentence, [unit, Arg::Qty(fits), share, market]);
        let qty = signed(fits, add.qty);
        Some(Add { qty, rest: add.rest + add.qty - qty, ..add })
    }
}

/// A position is no larger than a share of the usual volume gets rid of in a time.
pub(crate) struct ExitTimeCap {
    pub(crate) share: Ratio,
    pub(crate) window: Duration,
    pub(crate) exit: ExitTime,
    /// At a share of what books hold, and not of what is traded.
    pub(crate) of_depth: bool,
}

impl Rule for ExitTimeCap {
    fn name(&self) -> &'static str {
        "exit_time_cap"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] =
            &[facts::POSITION.id(), facts::USUAL_VOLUME.id(), facts::LOT.id(), facts::MIN_QTY.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (held, qty) = (position(facts), proposed.qty);
        let grows = increases(qty, held);
        let Some(usual) = facts.get(facts::USUAL_VOLUME) else {
            let sentence = match self.of_depth {
                true => "what a book usually holds in {} is not known: nothing is opened or added",
                false => "what is usually traded in {} is not known: nothing is opened or added",
            };
            return nothing_more(facts, proposed, sentence, Arg::Duration(self.window), because);
        };
        let [borne, restored] = [self.exit.limit, self.exit.restore].map(|time| self.carried(usual, time));
        let most = if grows { restored } else { borne };
        let mut verdict = Verdict::keep(proposed);
        if qty.abs() > most {
            // Between the two levels what is held stays.
            let stays = grows && same_side(qty, held) && held.abs() <= borne;
            let left = if stays { restored.max(held.abs()) } else { restored };
            let numbers = [
                Arg::Duration(if grows { self.exit.restore } else { self.exit.limit }),
                Arg::Percent(self.share.get()),
                Arg::Qty(usual),
                Arg::Qty(left),
            ];
            because.say("getting out within {} at {} of the usual {} a window carries no more: {}", numbers);
            verdict = Verdict::cut(Target { qty: signed(left, qty), ..proposed });
        } else if held.abs() > borne {
            because.cannot_wait();
        }
        if let Some(add) = because.add() {
            let base = held.abs().max(verdict.target.qty.abs());
            let room = Qty::from_raw((restored.raw() - base.raw()).max(0));
            let add = self.capped_add(facts, room, add, because);
            because.set_add(add);
        }
        verdict
    }

    fn most(&self, facts: &Facts) -> Option<Qty> {
        Some(self.carried(facts.get(facts::USUAL_VOLUME)?, self.exit.limit))
    }

    /// Where nothing grows: as long as the usual volume carries what there is. Else it has to stay what it is, as it does for a window.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        region.rest();
        let held = position(facts);
        let largest = held.abs().max(proposed.qty.abs());
        if let Some(usual) = facts.get(facts::USUAL_VOLUME)
            && because.add().is_none()
            && !increases(proposed.qty, held)
        {
            // A little more than is needed, because what is carried is rounded.
            let least = largest.raw() as f64 / self.part(self.exit.limit) * 1.000_001 + 2.0;
            if (usual.raw() as f64) > least {
                region.within(facts::USUAL_VOLUME.id(), least as i128, i128::MAX);
            }
        }
        true
    }
}

impl ExitTimeCap {
    /// What part of a window's volume a time comes to.
    fn part(&self, time: Duration) -> f64 {
        self.share.get() * (time.nanos() as f64 / self.window.nanos() as f64)
    }

    /// The unsigned quantity that can be got rid of in a time.
    fn carried(&self, usual: Qty, time: Duration) -> Qty {
        usual.scaled(self.part(time), Round::TowardZero).unwrap_or(Qty::MAX)
    }

    fn capped_add(&self, facts: &Facts, room: Qty, add: Add, because: &mut Because) -> Option<Add> {
        if add.qty.abs() <= room {
            return Some(add);
        }
        let fits = room.to_lot(facts.get(facts::LOT)?, Round::TowardZero);
        let (unit, time) = (Arg::Count(add.unit), Arg::Duration(self.exit.restore));
        if fits.is_zero() || fits < facts.get(facts::MIN_QTY)? {
            because.refused_add(add, "unit {} refused: getting out would take over {}", [unit, time]);
            return None;
        }
        because.say("unit {} cut to {}: getting out within {}", [unit, Arg::Qty(fits), time]);
        Some(Add { qty: signed(fits, add.qty), ..add })
    }
}

/// An unsigned quantity on the side of another.
fn signed(qty: Qty, like: Qty) -> Qty {
    if like.signum() < 0 { -qty } else { qty }
}

/// What is held where a change to a proposal is refused: flat where it was to be turned.
fn kept(proposed: Qty, held: Qty) -> Qty {
    if same_side(proposed, held) { held } else { Qty::ZERO }
}

/// Nothing is opened or added, for a reason with one number.
fn nothing_more(
    facts: &Facts,
    proposed: Target,
    sentence: &'static str,
    number: Arg,
    because: &mut Because,
) -> Verdict {
    if let Some(add) = because.add() {
        because.refused_add(add, sentence, [number]);
        because.set_add(None);
    }
    let held = position(facts);
    if !increases(proposed.qty, held) {
        return Verdict::keep(proposed);
    }
    because.say(sentence, [number]);
    Verdict::refuse(Target { qty: kept(proposed.qty, held), ..proposed })
}
