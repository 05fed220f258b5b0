//! Limits on facts: what is breached is brought back to the restore level, and increases stop there.

use super::{increases, position, same_side};
use crate::Region;
use crate::expression::{Compiled, Condition, Expression, Unit};
use crate::facts::{self, FactId, Facts};
use crate::parse::expression::Binary;
use crate::rule::{Add, Arg, Because, Limited, Outcome, Outgoing, Relief, Relieves, Rule, Step, Target, Verdict};
use crate::spec::{Breached, Cut, FactLimit, LimitAction};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Cash, Duration, Price, Qty, Round, SeriesId};

/// Over (or under) its limit, a number of the language makes the position smaller, closes it, or bars increases.
///
/// A smaller position is reckoned in proportion: half of it has half of the fact, or twice a distance. That is exact for what is made
/// of this position alone; where others have a part, the next decision cuts again, until the restore level is reached.
pub(crate) struct LimitRule {
    /// Its place among the policy's limits.
    index: u32,
    name: Arg,
    of: Compiled,
    limit: Compiled,
    restore: Compiled,
    is_breached: Condition,
    is_beyond_restore: Condition,
    shown: Shown,
    breached: Breached,
    action: LimitAction,
    cut: Cut,
    reads: Vec<FactId>,
    /// What others that stand under it state too.
    terms: Option<String>,
    /// Breached, and not back at the restore level since. Of no meaning where a breach reduces: what is held tells all there.
    in_force: bool,
}

/// How its numbers are shown.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Percent,
    Of(Unit),
}

/// Where what is limited stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    /// At the restore level or on its better side.
    Free,
    /// Between the two levels.
    Between,
    /// Beyond the limit.
    Breach,
}

impl LimitRule {
    /// `None`: a series is missing.
    pub(crate) fn new(index: usize, limit: &FactLimit, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        let operator = if limit.breached == Breached::Over { Binary::Greater } else { Binary::Less };
        let parts = [&limit.of, &limit.limit, &limit.restore];
        let [of, level, restore] = parts.map(|part| part.compile(series));
        let (of, level, restore) = (of?, level?, restore?);
        let own = [facts::POSITION.id(), facts::LOT.id(), facts::ROOM.id(), facts::ROOM_ADD.id()];
        let chosen: &[FactId] = if limit.cut == Cut::Cheapest { &[facts::KEPT.id()] } else { &[] };
        let mut reads = [of.reads(), level.reads(), restore.reads(), &own, chosen].concat();
        reads.sort_unstable();
        reads.dedup();
        let is_share = limit.of.unit() == Unit::Number && parts.into_iter().any(Expression::is_in_percent);
        Some(Self {
            index: index as u32,
            name: limit.name.map_or(Arg::Count(index as u32 + 1), Arg::Name),
            of,
            limit: level,
            restore,
            is_breached: limit.of.compared(operator, &limit.limit).condition(series)?,
            is_beyond_restore: limit.of.compared(operator, &limit.restore).condition(series)?,
            shown: if is_share { Shown::Percent } else { Shown::Of(limit.of.unit()) },
            breached: limit.breached,
            action: limit.action,
            cut: limit.cut,
            reads,
            terms: (limit.action == LimitAction::Reduce).then(|| {
                let levels = [&limit.of, &limit.limit, &limit.restore].map(ToString::to_string);
                format!("{operator:?}{levels:?}")
            }),
            in_force: false,
        })
    }

    /// `None`: it is not known.
    fn zone(&self, facts: &Facts) -> Option<Zone> {
        Some(match (self.is_breached.holds(facts)?, self.is_beyond_restore.holds(facts)?) {
            (true, _) => Zone::Breach,
            (false, true) => Zone::Between,
            (false, false) => Zone::Free,
        })
    }

    /// Whether a breach is still to be answered: from the limit on until it is back at the restore level.
    fn stays_in_force(&self, zone: Option<Zone>) -> bool {
        match zone {
            Some(Zone::Breach) => true,
            Some(Zone::Free) => false,
            Some(Zone::Between) | None => self.in_force,
        }
    }

    /// The multiple of what is held at which what is limited is at its restore level. `None`: no multiple brings it there.
    fn multiple(&self, facts: &Facts) -> Option<f64> {
        self.multiple_of(self.of.value(facts)?, facts)
    }

    /// The same where it is a value.
    fn multiple_of(&self, value: f64, facts: &Facts) -> Option<f64> {
        let restore = self.restore.value(facts)?;
        let multiple = match self.breached {
            // What follows in proportion to what is held. Under zero that is what a short position has of a Greek.
            Breached::Over if value > 0.0 && restore >= 0.0 => restore / value,
            Breached::Under if value < 0.0 && restore <= 0.0 => restore / value,
            // A distance, which is twice as far for half of the position.
            Breached::Under if value > 0.0 && restore >= 0.0 => value / restore,
            Breached::Over | Breached::Under => return None,
        };
        multiple.is_finite().then_some(multiple)
    }

    fn shown(&self, value: Option<f64>) -> Arg {
        let Some(value) = value else { return Arg::None };
        let shown = match self.shown {
            Shown::Percent => Some(Arg::Percent(value)),
            Shown::Of(Unit::Price) => Price::from_estimate(value, Round::Nearest).map(Arg::Price),
            Shown::Of(Unit::Quantity) => Qty::from_estimate(value, Round::Nearest).map(Arg::Qty),
            Shown::Of(Unit::Money) => Cash::from_estimate(value, Round::Nearest).map(Arg::Cash),
            Shown::Of(Unit::Span) => Some(Arg::Duration(Duration::from_nanos(value as i64))),
            Shown::Of(_) => Some(Arg::Number(value)),
        };
        shown.unwrap_or(Arg::Number(value))
    }

    /// Its name, what is limited now, and what it has to come back to.
    fn numbers(&self, facts: &Facts) -> [Arg; 3] {
        [self.name, self.shown(self.of.value(facts)), self.shown(self.restore.value(facts))]
    }

    /// Nothing is opened or added.
    fn bar(&self, facts: &Facts, proposed: Target, because: &mut Because, sentence: &'static str) -> Verdict {
        self.bar_as(facts, proposed, because, (sentence, self.numbers(facts)))
    }

    /// The same with numbers of its own.
    fn bar_as(
        &self,
        facts: &Facts,
        proposed: Target,
        because: &mut Because,
        (sentence, numbers): (&'static str, [Arg; 3]),
    ) -> Verdict {
        if let Some(add) = because.add() {
            because.refused_add(add, sentence, numbers);
            because.set_add(None);
        }
        let held = position(facts);
        if !increases(proposed.qty, held) {
            return Verdict::keep(proposed);
        }
        because.say(sentence, numbers);
        let kept = if same_side(proposed.qty, held) { held } else { Qty::ZERO };
        Verdict::refuse(Target { qty: kept, ..proposed })
    }

    /// Beyond the limit: down to what brings it back.
    fn reduce(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        let ([_, value, restore], limit) = (self.numbers(facts), self.shown(self.limit.value(facts)));
        if let Some(add) = because.add() {
            because.refused_add(add, "limit {}: {}, limit {}: not added", [self.name, value, limit]);
            because.set_add(None);
        }
        if held.is_zero() {
            // What others hold is not this strategy's to sell.
            let numbers = [self.name, value, limit];
            because.say("limit {}: {}, limit {}, with nothing held here: nothing is opened", numbers);
            return Verdict { target: Target { qty: Qty::ZERO, ..proposed }, outcome: Outcome::Unmet };
        }
        // What is on its way out is not given up twice, and what it leaves is what a breach goes by where that is known.
        let outgoing = because.outgoing();
        let left = outgoing.map_or(held, |outgoing| outgoing.left);
        let then = outgoing.and_then(|outgoing| self.measured(outgoing, facts));
        let suffices = then.is_some_and(|(_, is_breached)| !is_breached);
        let value = then.map_or(value, |(then, _)| self.shown(Some(then)));
        // Of Greeks only what relieves them is given up, each in the same proportion.
        let relief = because.reliefs().iter().find(|relief| relief.limit == self.index).copied();
        if let Some(relief) = relief.filter(|relief| relief.of != Relieves::Better && !suffices) {
            return self.spare(facts, proposed, because, (relief, left, [self.name, value, limit]));
        }
        // Of several positions what is kept of each was chosen; else all shrink in the same proportion.
        let chosen = if self.cut == Cut::Cheapest { facts.get(facts::KEPT) } else { None };
        let most = match (chosen, then) {
            _ if suffices => left,
            (Some(chosen), _) => chosen,
            (None, _) if relief.is_some() => self.scaled(facts, left, relief.map_or(1.0, |relief| relief.keeps)),
            (None, Some((then, _))) => self.scaled(facts, left, self.multiple_of(then, facts).unwrap_or(0.0).min(1.0)),
            (None, None) => self.scaled(facts, held, self.multiple(facts).unwrap_or(0.0).min(1.0)),
        };
        let most = if most.abs() > left.abs() { left } else { most };
        let is_more = same_side(proposed.qty, held) && proposed.qty.abs() > most.abs();
        if suffices {
            because.say("limit {}: {} once all is filled that is on its way out, limit {}", [self.name, value, limit]);
        }
        if !is_more {
            because.cannot_wait();
            return Verdict::keep(proposed);
        }
        let numbers = [self.name, value, limit, restore];
        match (self.breached, then) {
            _ if suffices => {}
            _ if chosen.is_some() && then.is_some() => because.say(
                "limit {}: {} once all is filled that is on its way out, over {}: back to {} where that costs least",
                numbers,
            ),
            _ if chosen.is_some() => {
                because.say("limit {}: {} is over {}: back to {} where that costs least", numbers);
            }
            (Breached::Over, None) => because.say("limit {}: {} is over {}: back to {}", numbers),
            (Breached::Under, None) => because.say("limit {}: {} is under {}: back to {}", numbers),
            (Breached::Over, Some(_)) => {
                because.say("limit {}: {} once all is filled that is on its way out, over {}: back to {}", numbers);
            }
            (Breached::Under, Some(_)) => {
                because.say("limit {}: {} once all is filled that is on its way out, under {}: back to {}", numbers);
            }
        }
        Verdict::cut(Target { qty: most, ..proposed })
    }

    /// Breached, with a position that brings nothing when it is given up: it stays, and so does what is on its way out of it.
    fn spare(
        &self,
        facts: &Facts,
        proposed: Target,
        because: &mut Because,
        (relief, left, numbers): (Relief, Qty, [Arg; 3]),
    ) -> Verdict {
        let sentence = match relief.of {
            Relieves::Worse => {
                "limit {}: {}, limit {}: all of it stays, with less of it there would be more to bring back"
            }
            Relieves::Same | Relieves::Better => {
                "limit {}: {}, limit {}: all of it stays, giving it up brings nothing back"
            }
        };
        let held = position(facts);
        let verdict = self.bar_as(facts, proposed, because, (sentence, numbers));
        let Target { qty, .. } = verdict.target;
        if !same_side(qty, held) {
            return verdict;
        }
        because.say(sentence, numbers);
        if qty.abs() > left.abs() {
            return Verdict::cut(Target { qty: left, ..proposed });
        }
        let outcome = if verdict.outcome == Outcome::Kept { Outcome::Unmet } else { verdict.outcome };
        Verdict { outcome, ..verdict }
    }

    /// What it measures once all is filled that is on its way out, and whether it is breached then. `None`: that is not known, or nothing
    /// of it follows from what is on its way.
    fn measured(&self, outgoing: &Outgoing, facts: &Facts) -> Option<(f64, bool)> {
        let then = outgoing.limits.iter().find(|of| of.limit == self.index)?;
        let value = then.value.filter(|then| self.of.value(facts) != Some(*then))?;
        Some((value, then.is_breached?))
    }

    /// Between the two levels nothing moves, and what is on its way out goes on.
    fn wait(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        const SENTENCE: &str = "limit {}: {}, increases stop at {}";
        let (held, left) = (position(facts), because.outgoing().map(|outgoing| outgoing.left));
        let Some(left) = left.filter(|left| left.abs() < held.abs()) else {
            return self.bar(facts, proposed, because, SENTENCE);
        };
        let verdict = self.bar(facts, proposed, because, SENTENCE);
        if !same_side(verdict.target.qty, held) || verdict.target.qty.abs() <= left.abs() {
            return verdict;
        }
        because.say("limit {}: {}, and what is on its way out goes on, to {}", {
            let [name, value, _] = self.numbers(facts);
            [name, value, Arg::Qty(left)]
        });
        Verdict::cut(Target { qty: left, ..proposed })
    }

    /// On the better side of the restore level: increases stop where it would be reached.
    fn headroom(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        if held.is_zero() || (because.add().is_none() && !increases(proposed.qty, held)) {
            return Verdict::keep(proposed);
        }
        // A fact under zero has all the room there is.
        let Some(multiple) = self.multiple(facts) else { return Verdict::keep(proposed) };
        let most = self.scaled(facts, held, multiple.max(1.0));
        let numbers @ [name, now, restore] = self.numbers(facts);
        if let Some(add) = because.add().filter(|add| same_side(add.qty, held)) {
            let from = if same_side(proposed.qty, held) { proposed.qty.abs().max(held.abs()) } else { held.abs() };
            let room = (most.abs() - from).max(Qty::ZERO);
            if add.qty.abs() > room {
                let fits = room.to_lot(facts.get(facts::LOT).unwrap_or(Qty::from_raw(1)), Round::TowardZero);
                if fits.is_zero() {
                    because.refused_add(add, "limit {}: {} now, and adds stop at {}", numbers);
                    because.set_add(None);
                } else {
                    because
                        .say("limit {}: {} now, add cut to {}: adds stop at {}", [name, now, Arg::Qty(fits), restore]);
                    because.set_add(Some(Add { qty: if add.qty.signum() < 0 { -fits } else { fits }, ..add }));
                }
            }
        }
        if !same_side(proposed.qty, held) || proposed.qty.abs() <= most.abs() {
            return Verdict::keep(proposed);
        }
        because.say("limit {}: {} now, and increases stop at {}", numbers);
        Verdict::cut(Target { qty: most, ..proposed })
    }

    /// Nothing is held, opened or added.
    fn close(&self, facts: &Facts, proposed: Target, because: &mut Because, sentence: &'static str) -> Verdict {
        let verdict = self.bar(facts, proposed, because, sentence);
        if position(facts).is_zero() || proposed.qty.is_zero() {
            return verdict;
        }
        because.say(sentence, self.numbers(facts));
        Verdict::cut(Target { qty: Qty::ZERO, ..proposed })
    }

    /// Nothing is opened or added, and what is held stays: that nobody knows how it stands to its limit is told as soon as it is so.
    fn unknown(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        const SENTENCE: &str = "limit {}: what it limits is not known: nothing is opened or added";
        because.not_known();
        let is_told = because.add().is_some();
        let verdict = self.bar(facts, proposed, because, SENTENCE);
        if is_told || verdict.outcome != Outcome::Kept || !same_side(proposed.qty, position(facts)) {
            return verdict;
        }
        because.say(SENTENCE, [self.name]);
        Verdict { outcome: Outcome::Unmet, ..verdict }
    }

    /// What it does by what is measured now.
    fn zoned(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let zone = self.zone(facts);
        let in_force = self.stays_in_force(zone);
        match (self.action, zone) {
            (LimitAction::Flat, None) if in_force => {
                const SENTENCE: &str = "limit {}: what it limits is not known: flat until it is known to be back";
                self.close(facts, proposed, because, SENTENCE)
            }
            (LimitAction::Flat, _) if in_force => {
                self.close(facts, proposed, because, "limit {}: {}, flat until it is back at {}")
            }
            (LimitAction::NoIncrease, Some(_)) if in_force => {
                self.bar(facts, proposed, because, "limit {}: {}, no increase until it is back at {}")
            }
            (_, None) => self.unknown(facts, proposed, because),
            (LimitAction::Reduce, Some(Zone::Breach)) => self.reduce(facts, proposed, because),
            (LimitAction::Reduce, Some(Zone::Between)) => self.wait(facts, proposed, because),
            (LimitAction::Reduce, Some(Zone::Free)) => self.headroom(facts, proposed, because),
            (LimitAction::NoIncrease | LimitAction::Flat, _) => Verdict::keep(proposed),
        }
    }

    /// Increases that would lead beyond it, as the engine has found by supposing them: cut to what it bears.
    fn fitted(
        &self,
        (room, add_room): (Option<facts::Room>, Option<facts::Room>),
        verdict: Verdict,
        because: &mut Because,
        facts: &Facts,
    ) -> Verdict {
        const UNKNOWN: &str = "limit {}: nobody knows what it would be with more: nothing is opened or added";
        let is_unknown = |room: Option<facts::Room>| room.is_some_and(|room| !room.is_known);
        if is_unknown(room) || is_unknown(add_room) {
            return self.bar(facts, verdict.target, because, UNKNOWN);
        }
        let level = if self.action == LimitAction::Reduce { &self.restore } else { &self.limit };
        let level = self.shown(level.value(facts));
        if let (Some(add), Some(room)) = (because.add(), add_room)
            && add.qty.abs() > room.qty.abs()
        {
            if room.qty.is_zero() {
                let numbers = [Arg::Count(add.unit), self.name, level];
                because.refused_add(add, "unit {} refused: limit {} bears no more than {}", numbers);
                because.set_add(None);
            } else {
                let numbers = [Arg::Count(add.unit), Arg::Qty(room.qty.abs()), self.name, level];
                because.say("unit {} cut to {}: limit {} bears no more than {}", numbers);
                because.set_add(Some(Add { qty: room.qty, ..add }));
            }
        }
        let Some(room) = room else { return verdict };
        let target = verdict.target;
        if target.qty.abs() <= room.qty.abs() {
            return verdict;
        }
        because.say("limit {}: an increase to {} leaves it at {}", [self.name, Arg::Qty(room.qty), level]);
        Verdict::cut(Target { qty: room.qty, ..target })
    }

    /// A multiple of what is held, toward zero to lots.
    fn scaled(&self, facts: &Facts, held: Qty, multiple: f64) -> Qty {
        // Beyond what quantities can say there is room for anything.
        let Some(scaled) = held.scaled(multiple, Round::TowardZero) else {
            return if held.signum() < 0 { Qty::from_raw(-i64::MAX) } else { Qty::from_raw(i64::MAX) };
        };
        facts.get(facts::LOT).map_or(scaled, |lot| scaled.to_lot(lot, Round::TowardZero))
    }
}

impl Rule for LimitRule {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    /// Facts are those that the last evaluation saw, and so is what it made of them.
    fn observe(&mut self, facts: &Facts) {
        self.in_force = self.stays_in_force(self.zone(facts));
    }

    /// Before a snapshot, in which facts that pass are not.
    fn keep(&mut self, facts: &Facts) {
        self.observe(facts);
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let verdict = self.zoned(facts, proposed, because);
        match (facts.get(facts::ROOM), facts.get(facts::ROOM_ADD)) {
            (None, None) => verdict,
            (room, add) => {
                let own = |room: &facts::Room| room.limit == self.index;
                self.fitted((room.filter(own), add.filter(own)), verdict, because, facts)
            }
        }
    }

    fn limit_terms(&self) -> Option<&str> {
        self.terms.as_deref()
    }

    fn limited(&self, facts: &Facts) -> Option<Limited> {
        let level = if self.action == LimitAction::Reduce { &self.restore } else { &self.limit };
        Some(Limited {
            limit: self.index,
            value: self.of.value(facts),
            level: level.value(facts)?,
            is_over: self.breached == Breached::Over,
            reduces: self.action == LimitAction::Reduce,
            is_breached: self.is_breached.holds(facts),
        })
    }

    /// What is limited, with what its levels are made of; or what of it is not known.
    fn detail(&self, facts: &Facts, _step: &Step, out: &mut String) {
        let before = out.len();
        for part in [&self.of, &self.limit, &self.restore] {
            part.tell_unknown(facts, out);
            if out.len() > before {
                return;
            }
        }
        self.of.tell(facts, out);
        out.push_str(", limit ");
        self.limit.tell(facts, out);
        out.push_str(", restore ");
        self.restore.tell(facts, out);
    }

    /// While it stays between the same two levels, and there is no increase to be measured.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        let held = position(facts);
        let measures = match self.zone(facts) {
            None => return false,
            Some(Zone::Breach) => self.action == LimitAction::Reduce,
            // Until it is in force an increase is looked at here too.
            Some(Zone::Between) => {
                self.action != LimitAction::Reduce && (because.add().is_some() || increases(proposed.qty, held))
            }
            // What goes out or rests is looked at again once it is decided.
            Some(Zone::Free) => because.add().is_some() || increases(proposed.qty, held),
        };
        // In force or not, it stays so while the zone does, once that was observed.
        if self.in_force == self.stays_in_force(self.zone(facts)) {
            region.rest();
        }
        !measures && self.is_breached.quiet(facts, region) && self.is_beyond_restore.quiet(facts, region)
    }

    fn save(&self, out: &mut StateWriter) {
        out.bool(self.in_force);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.in_force = from.bool()?;
        Ok(())
    }
}
