//! What is on its way out of an account, seen by limits on facts (`[[limits]]`): as if it were gone.
//!
//! An order that takes something off is filled in its own time, in hours where bars are as long. Until then a limit stays breached, and
//! each strategy under it would give up once more what others, or itself, give up already. So while such orders are on their way the
//! account is supposed to hold what they leave, facts of risk and Greeks are computed of that, and a breach goes by those
//! ([`policy::Outgoing`]), as does what is chosen where a limit cuts what costs least. What this very input has ordered is not supposed:
//! all strategies of an input answer one breach, each by its part. Nor is what nothing may fill any more ([`Rhythm`]): the tape of its
//! instrument has ended or pauses, and it stays exposed meanwhile; the others give up what is missing. Of a structure whose legs are there
//! in part, on the way to more of it, the limit leaves no more than what is whole: those legs are gone too, whoever of the account states
//! the limit decides first. Nothing of the supposition stays.

use crate::ENGINE_RULE;
use crate::desk::Desk;
use crate::engine::Engine;
use crate::scope::Scope;
use market::Account;
use policy::facts::{self, Code, Told};
use policy::spec::LIMITS_MAX;
use policy::{Arg, Limited, Outcome, Outgoing, STEPS_MAX};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, InstrumentId, PlanId, Qty, Timestamp};

/// No instrument is silent before it has told no price for so long.
const PAUSE: Duration = Duration::HOUR;

/// How regularly an instrument tells prices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// When it told the last one; the beginning of time: never.
    told: Timestamp,
    /// How long it went without one, at most.
    longest: Duration,
}

impl Rhythm {
    /// A price, of a time that lasted so long.
    #[inline]
    pub(crate) fn beat(&mut self, now: Timestamp, lasted: Duration) {
        let since = if self.told == Timestamp::MIN { lasted } else { now.since(self.told).max(lasted) };
        (self.told, self.longest) = (now, self.longest.max(since));
    }

    /// Whether it has told none for twice as long as it ever went without, so that nothing is filled.
    fn is_silent(&self, now: Timestamp) -> bool {
        if self.told == Timestamp::MIN || self.longest == Duration::ZERO {
            return false;
        }
        let since = now.since(self.told);
        since > PAUSE && since.nanos() / 2 > self.longest.nanos()
    }

    pub(crate) fn never() -> Self {
        Self { told: Timestamp::MIN, longest: Duration::ZERO }
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.i64(self.told.nanos());
        out.i64(self.longest.nanos());
    }

    pub(crate) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { told: Timestamp::from_nanos(from.i64()?), longest: Duration::from_nanos(from.i64()?) })
    }
}

/// What is put back.
struct Kept {
    accounts: Vec<(usize, Account)>,
    positions: Vec<(usize, Qty)>,
    desks: Vec<(usize, Desk)>,
    told: Vec<Told>,
}

impl Engine {
    /// Tells the limits on facts of a strategy what is on its way out, and what of its position is kept where one cuts what costs least.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_outgoing(&mut self, index: usize) {
        let scope = &self.scopes[index];
        let is_beyond = scope.rules.iter().filter_map(|rule| rule.limited(&scope.facts)).any(|of| reduces(&of));
        let told = if is_beyond { self.outgoing(index) } else { None };
        let is_told = told.is_some();
        self.scopes[index].because.set_outgoing(told);
        if !is_told {
            self.choose_kept(index);
            self.tell_reliefs(index, is_beyond);
        }
    }

    /// `None`: nothing is on its way out.
    fn outgoing(&mut self, index: usize) -> Option<Outgoing> {
        let kept = self.suppose_out(index)?;
        self.tell_supposed(index);
        self.tell_supposed_greeks(index);
        self.choose_kept(index);
        self.tell_reliefs(index, true);
        let scope = &self.scopes[index];
        let limits = scope.rules.iter().filter_map(|rule| rule.limited(&scope.facts));
        let told = Outgoing { left: scope.position, limits: limits.take(LIMITS_MAX).collect() };
        self.bring_back(index, kept);
        Some(told)
    }

    /// Accounts hold what orders of earlier inputs leave that take something off. `None`: there are none.
    fn suppose_out(&mut self, index: usize) -> Option<Kept> {
        let before = self.planned_before;
        let desks = &self.structures.desks;
        let off = self.scopes.iter().enumerate().filter_map(|(at, scope)| {
            let gives_up = scope.desk.is_some() && self.gives_up(index, at);
            let is_off = match scope.desk {
                Some(desk) => desks[desk as usize].takes_off((before, gives_up)),
                None => scope.working.left_by(scope.position, before) != scope.position,
            };
            (is_off && (at == index || self.silent_since(at).is_none())).then_some((at, gives_up))
        });
        let off: Vec<(usize, bool)> = off.collect();
        if off.is_empty() {
            return None;
        }
        let mut read = self.risk.as_ref().map_or(Vec::new(), |risk| risk.series_of(index));
        read.extend(self.greeks.iter().flat_map(|greeks| greeks.series()));
        let told = read.into_iter().map(|series| self.scopes[index].facts.told(series));
        let (accounts, desks) = (Vec::new(), Vec::new());
        let mut kept = Kept { accounts, desks, positions: Vec::new(), told: told.collect() };
        for (at, gives_up) in off {
            self.suppose_out_of(at, (before, gives_up), &mut kept);
        }
        for (account, _) in &kept.accounts {
            self.books[*account].suppose();
        }
        let scope = &mut self.scopes[index];
        scope.facts.set(facts::POSITION, scope.position);
        Some(kept)
    }

    /// Since when nothing that a strategy orders of what it holds can be filled. `None`: it may be.
    pub(crate) fn silent_since(&self, index: usize) -> Option<Timestamp> {
        let since = |instrument: InstrumentId| {
            let rhythm = self.rhythms.get(instrument.index()).filter(|rhythm| rhythm.is_silent(self.now))?;
            Some(rhythm.told)
        };
        let scope = &self.scopes[index];
        let Some(desk) = scope.desk else { return since(scope.instrument) };
        let held = self.structures.desks[desk as usize].lines.iter().filter(|line| line.settled.is_none());
        held.filter(|line| !line.held.is_zero()).find_map(|line| since(line.instrument))
    }

    /// Puts into a plan of a cut by a limit what else is on its way out, and did not count.
    #[cold]
    pub(crate) fn note_silent(&mut self, index: usize) {
        if !is_cut_by_limit(&self.scopes[index]) {
            return;
        }
        let before = self.planned_before;
        let is_off = |scope: &Scope| match scope.desk {
            Some(desk) => self.structures.desks[desk as usize].takes_off((before, false)),
            None => scope.working.left_by(scope.position, before) != scope.position,
        };
        let others = self.scopes.iter().enumerate().filter(|(at, scope)| *at != index && is_off(scope));
        let mut silent = others.filter_map(|(at, scope)| Some((scope.instrument, self.silent_since(at)?)));
        let Some((instrument, since)) = silent.next() else { return };
        let coin = Code::new(self.catalogue.instruments[instrument.index()].base.as_str());
        let scope = &mut self.scopes[index];
        if scope.because.steps().len() < STEPS_MAX {
            let (held, args) = (scope.position, [Arg::Name(coin), Arg::Time(since)]);
            let sentence = "what {} has on its way out does not count: no price since {}";
            scope.because.note(ENGINE_RULE, held, held, sentence, args);
        }
    }

    /// Whether a strategy is about to give up what it has begun of an increase: it states a limit that another finds to bear no more.
    /// Nothing is given up while what sizes it is not known.
    fn gives_up(&self, index: usize, at: usize) -> bool {
        let (own, scope) = (&self.scopes[index], &self.scopes[at]);
        let mut beyond = own.rules.iter().filter(|rule| rule.limited(&own.facts).is_some_and(|of| reduces(&of)));
        let states = |terms: Option<&str>| terms.is_some() && scope.rules.iter().any(|of| of.limit_terms() == terms);
        own.account == scope.account && !scope.because.is_unsure() && beyond.any(|rule| states(rule.limit_terms()))
    }

    /// The same of one strategy. What has no mark stays.
    fn suppose_out_of(&mut self, at: usize, (before, gives_up): (PlanId, bool), kept: &mut Kept) {
        let scope = &mut self.scopes[at];
        let owner = scope.account.index();
        if !kept.accounts.iter().any(|(known, _)| *known == owner) {
            kept.accounts.push((owner, self.books[owner].account.clone()));
        }
        let account = &mut self.books[owner].account;
        kept.positions.push((at, scope.position));
        let mut fill = |instrument: units::InstrumentId, change: Qty| {
            let mark = account.mark(instrument.index());
            account.fill(&crate::fitting::supposed((scope.account, instrument), change, mark));
        };
        match scope.desk {
            Some(desk) => {
                let desk_of = &mut self.structures.desks[desk as usize];
                kept.desks.push((desk as usize, desk_of.clone()));
                let chains = &self.structures.chains;
                let has_value = |option| chains.option(option).is_some_and(|option| option.value.is_some());
                scope.position = desk_of.take_off((before, gives_up), has_value, fill);
            }
            None => {
                let left = scope.working.left_by(scope.position, before);
                fill(scope.instrument, left - scope.position);
                scope.position = left;
            }
        }
    }

    /// Tells a strategy the Greeks of what is supposed to be held, where it was told any.
    fn tell_supposed_greeks(&mut self, index: usize) {
        for (series, value) in self.greeks_of_held() {
            let fact = facts::series(series);
            if self.scopes[index].facts.get(fact).is_some() && self.supposed(series).is_none() {
                self.scopes[index].facts.put(fact, value);
            }
        }
    }

    fn bring_back(&mut self, index: usize, kept: Kept) {
        for (at, account) in kept.accounts {
            self.books[at].account = account;
            self.books[at].suppose();
        }
        for (at, position) in kept.positions {
            self.scopes[at].position = position;
        }
        for (at, desk) in kept.desks {
            self.structures.desks[at] = desk;
        }
        let scope = &mut self.scopes[index];
        scope.facts.set(facts::POSITION, scope.position);
        kept.told.into_iter().for_each(|told| scope.facts.put_back(told));
        if let Some(risk) = &mut self.risk {
            risk.look_again();
        }
    }
}

/// Whether the decision just made gives something up for a limit on a fact.
pub(crate) fn is_cut_by_limit(scope: &Scope) -> bool {
    let is_limit = |rule: u8| scope.rules.get(usize::from(rule)).is_some_and(|rule| rule.name() == "limit");
    scope.because.steps().iter().any(|step| step.outcome == Outcome::Cut && is_limit(step.rule))
}

/// Whether a limit that makes positions smaller is on the wrong side of its restore level.
pub(crate) fn reduces(limited: &Limited) -> bool {
    limited.reduces && limited.value.is_some() && limited.is_beyond()
}
