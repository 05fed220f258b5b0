//! From what a strategy knows to what is sent: the one pipeline of a decision, a stage a call. It is [`Engine::decide`] and, unless
//! the last decision is known to be made again, [`Engine::decide_anew`]; [`Engine::handle_price`] asks the region itself.
//!
//! What the rules of a strategy make of the target, in this order (SEMANTICS, Composition), each with the rules that do it:
//!
//! | Stage | Rules | What it may do |
//! | --- | --- | --- |
//! | `target = base` | `signal`, a size | proposes the full size of all units, or holds the base frozen at entry |
//! | `× filled-units fraction` | `pyramid` | what of it the filled units are; leaves the next add resting |
//! | `× ladder remaining` | `ladder` | what rungs have left; leaves the next ones resting, watched or taken |
//! | `× streak` | `streak` | multiplies the base at entry |
//! | protective stop | `stop` | leaves the stop resting or watched; once crossed, flat: behind it nothing raises the target |
//! | `then caps` | `drawdown_cap`, `loss_cap`, `open_risk_cap`, `leverage_cap`, `floor`, `limit`, [`compose`]'s | only lower it |
//! | given up | `delta_restore` | a hedge may have what it hedges given up instead: only lowers it, until the campaign ends |
//! | liquidity | `exit_time_cap`, `participation_cap` | only lower it, to what the market bears |
//! | `then hedges, then caps again` | `delta_hedge`, `leverage_cap`, `floor` | a hedge is a strategy of its own: its program begins here |
//! | `then trim` | `trim` | buffer, lots, smallest order; hedges to the smaller residual |
//! | conditions | `signal_when`, `pyramid_when` | see the change that would go out, and bar increases or adds |
//! | modes | `stale`, `reduce_only`, `hold`, `flatten` | what trouble leaves of the change |
//! | guards | `blackout`, `max_orders`, `max_order`, `price_collar` | how it may go out |
//!
//! Precedence follows from that order and from three things that any stage may say beside its target (`policy::Because`): a stop that was
//! crossed, a limit that cannot wait, and that what sizes the position is not known. Exits, cuts and flips pass every later stage.
//!
//! `policy::Program` puts the policy's rules in this order, [`compose`] the engine's own among them.

use crate::cuts::shares_cuts;
use crate::desk::Desk;
use crate::engine::{Engine, StrategyConfig};
use crate::fitting::has_limits;
use crate::netting::Crossing;
use crate::plan::ENGINE_RULE;
use crate::route::{Outbox, Wanted, Working};
use crate::scope::Scope;
use crate::structures::Structures;
use crate::{ExpiryRule, Plan, Purpose, SpotRule, StructureRule};
use market::{Command, Instrument, InstrumentKind, Source};
use policy::facts;
use policy::{Arg, Because, Exit, Outcome, Target};
use units::{Cash, PlanId, Qty, Timestamp};

/// Puts the engine's own rules into a strategy's program, behind the policy's caps and before the trim: margin, expiry and spot are nothing
/// that `policy` knows.
pub(crate) fn compose(config: &mut StrategyConfig, instrument: &Instrument) {
    // What a hedge buys is compared with what else it may trade, and only where there is any; without rules nothing is wanted.
    let chooses = !config.program.campaign.hedges && !config.program.rules.is_empty();
    let mut before_trim = |rule| {
        // Guards of how orders go out stand behind the trim.
        let rules = &mut config.program.rules;
        let trim = rules.iter().rposition(|rule| rule.name() == "trim");
        rules.insert(trim.unwrap_or(rules.len().saturating_sub(1)), rule);
    };
    if instrument.kind == InstrumentKind::Spot {
        before_trim(Box::new(SpotRule));
    }
    if let Some(guard) = config.guard.take() {
        before_trim(Box::new(guard));
    }
    if let Some(expiry) = instrument.kind.expiry() {
        before_trim(Box::new(ExpiryRule { expiry }));
    }
    if let Some(structure) = config.structure.as_ref().filter(|_| chooses) {
        before_trim(Box::new(StructureRule { structure: structure.clone() }));
    }
}

impl Engine {
    /// One decision of one strategy: what it knows, what its rules make of it, and, if anything follows, the plan and its commands.
    /// Stages take the strategy, not its number: it is found anew only where a stage needs all of the engine.
    #[inline(always)]
    pub(crate) fn decide(&mut self, index: usize, source: Source) {
        let mut scope = &mut self.scopes[index];
        // What has expired, and was told, decides nothing.
        if scope.is_special && scope.is_over(self.now) {
            return;
        }
        // What stands beside it in the account.
        if scope.is_special || !scope.alone {
            self.tell_beside(index);
            if let Some(group) = self.scopes[index].choice {
                self.tell_choice(index, group, source);
            }
            scope = &mut self.scopes[index];
        } else if self.counts_others {
            scope.read_others(&self.books[scope.account.index()]);
        }
        // Facts of risk that its rules read.
        if self.risk.is_some() {
            self.tell_risk(index, source);
            scope = &mut self.scopes[index];
        }
        // Inside its quiet region it decides what it decided last (DESIGN §3), and rules are not asked. What a desk does follows from more
        // than the rules' answer.
        let may_rest = self.may_rest && source == Source::Market && !(scope.is_special && scope.desk.is_some());
        if may_rest && scope.is_quiet() {
            return;
        }
        if self.risk.is_some() {
            self.tell_spared(index);
        }
        self.decide_anew(index, source, may_rest);
    }

    /// The rest of a decision, once it is not known to be the last one again: the rules, and what follows from their answer.
    #[inline(always)]
    pub(crate) fn decide_anew(&mut self, index: usize, source: Source, may_rest: bool) {
        let scope = &mut self.scopes[index];
        // What rules remember goes by marks; what they decide, by the price that a fill told before the market did.
        if scope.ahead {
            scope.read_ahead(&self.books[scope.account.index()]);
        }
        let ahead = scope.ahead;
        let may_rest = may_rest && !ahead;
        // target = base × filled-units fraction × ladder remaining × streak, then caps, then hedges, then caps again, then trim.
        self.evaluations += 1;
        // What is on its way out is not given up again.
        if scope.limited {
            self.tell_outgoing(index);
        }
        let scope = &mut self.scopes[index];
        let mut target = evaluate(scope, &mut self.structures, source, may_rest);
        // What others of the account give up too is not given up here.
        let shares = self.counts_others && shares_cuts(scope);
        if shares {
            target = self.share_cut(index, target, source);
        }
        // What would lead beyond a limit on a fact is cut before it goes out.
        if has_limits(&self.scopes[index]) {
            target = self.fit_limits(index, target);
        }
        if shares {
            self.scopes[index].because.set_beside(None);
        }
        let scope = &mut self.scopes[index];
        // What should work at the venue, against what works: is there anything to send or to tell?
        if is_as_before(scope, &self.structures, &mut self.routed, source, target) {
            if may_rest {
                // What is on its way out ends with no fact of its own.
                if scope.because.outgoing().is_some() {
                    scope.region.forget();
                }
                scope.rest(target, &self.books[scope.account.index()]);
                if self.risk.is_some() {
                    self.prove_risk(index);
                }
            }
        } else {
            // The plan, then its commands; opposite orders of strategies cross once all have decided (`netting.rs`).
            self.record(index, target, source);
        }
        if ahead {
            let scope = &mut self.scopes[index];
            scope.read_behind(&self.books[scope.account.index()]);
        }
    }

    /// What an input means for one strategy that shares no capital: its facts, then its decision. Inside the region only those rules see
    /// the input that remember something of it.
    #[inline(always)]
    pub(crate) fn take_in(&mut self, index: usize, source: Source) {
        self.tell_facts(index);
        let may_rest = self.may_rest && source == Source::Market && self.risk.is_none();
        let scope = &mut self.scopes[index];
        let seen = scope.seen.take();
        // What rules observe is told by now, but for what is told to hedges and of risk.
        if !may_rest || !scope.is_plain() {
            scope.indicate(seen.as_ref());
            scope.observe();
            return self.decide(index, source);
        }
        let idles = scope.idles();
        if !idles {
            scope.indicate(seen.as_ref());
        }
        if scope.is_special || !scope.alone {
            self.tell_beside(index);
        } else if self.counts_others {
            scope.read_others(&self.books[scope.account.index()]);
        }
        let scope = &mut self.scopes[index];
        if scope.is_quiet() {
            return scope.observe_some();
        }
        if idles {
            scope.indicate(seen.as_ref());
        }
        scope.observe();
        self.decide_anew(index, source, may_rest);
    }

    /// Brings what a strategy knows up to date.
    #[inline(always)]
    pub(crate) fn prepare(&mut self, index: usize) {
        self.tell_facts(index);
        let scope = &mut self.scopes[index];
        let seen = scope.seen.take();
        scope.indicate(seen.as_ref());
        scope.observe();
    }

    /// Tells a strategy what rules read, but for what indicators make of prices.
    #[inline(always)]
    fn tell_facts(&mut self, index: usize) {
        let scope = &mut self.scopes[index];
        scope.facts.set_now(self.now);
        scope.read(&self.books[scope.account.index()]);
        if scope.is_special {
            scope.tell_special(&self.last, self.now);
        }
        scope.tell_news();
        scope.tell_campaign();
    }

    /// Records the plan of the decision just made and sends its commands. Rare beside evaluations, and kept apart from
    /// them because of its large frame.
    #[cold]
    #[inline(never)]
    fn record(&mut self, index: usize, target: Target, source: Source) {
        self.scopes[index].region.forget();
        self.plans += 1;
        let (id, at) = (PlanId(self.plans), self.now);
        if self.risk.is_some() {
            self.note_risk(index);
        }
        self.note_choice(index);
        if self.scopes[index].limited {
            self.note_relief(index);
            self.note_silent(index);
        }
        let scope = &mut self.scopes[index];
        let equity = scope.worth(&self.books[scope.account.index()]);
        for step in scope.because.steps().iter().filter(|step| step.rule != ENGINE_RULE) {
            scope.rules[usize::from(step.rule)].commit(step);
        }
        let desk = scope.desk.map(|desk| &self.structures.desks[desk as usize]);
        if desk.is_some_and(Desk::is_declined) {
            let held = scope.position;
            scope.because.note(ENGINE_RULE, held, held, "not sent again: the venue refused about as much", []);
        }
        // Where a roll waits that is what its legs stand for, as everything else that is shown of it.
        let held = desk.map_or(scope.position, Desk::held_beside_target);
        let (scope, risk, when) = (&self.scopes[index], &self.risk, (id, self.inputs, at));
        self.outputs.keep(|plan| {
            write_plan(plan, scope, when, equity, held, target);
            if let Some(risk) = risk {
                risk.note_unknown(plan);
            }
        });
        let scope = &mut self.scopes[index];
        let (outputs, crossing, strategy, alone) = (&mut self.outputs, &mut self.crossing, scope.id, scope.alone);
        let takes_back = takes_back(scope, target, source);
        let (counts, sent, now) = (scope.reads_sent, &mut scope.sent, self.now);
        let desk = scope.desk;
        let keeps_back = desk.is_some_and(|desk| self.structures.desks[desk as usize].keeps_back());
        let asked = &mut self.structures.asked;
        let mut send = |command, purpose| {
            if counts && matches!(command, Command::Place(_)) {
                sent.push_back(now);
            }
            match command {
                command if desk.is_some() => asked.push((command, purpose)),
                // Another strategy may want the opposite at this very instant: only the net goes out.
                Command::Place(order) if !alone && order.kind == market::OrderKind::Market => {
                    crossing.push(Crossing { scope: index, order, purpose });
                }
                command => outputs.send(command, purpose, strategy),
            }
        };
        let entering = scope.entering.map(|(_, purpose)| purpose);
        let (account, instrument) = (scope.account, scope.instrument);
        let mut outbox = Outbox { plan: id, next: 0, account, instrument, alone, send: &mut send };
        let (shares, hedges) = (!scope.alone, scope.terms.hedges);
        let wanted = Wanted {
            entering,
            keeps_back,
            hedges,
            takes_back,
            ..wanted(&scope.because, scope.position, shares, target, source)
        };
        scope.working.route(&wanted, &mut outbox);
        self.books[account.index()].on_order();
        adopt(scope, target, id);
        if let Some(desk) = desk {
            self.carry_out(desk as usize, id);
        }
        if self.counts_others {
            self.reserve(instrument.index());
        }
    }
}

/// Runs the rules in order; asks them for a quiet region where one is looked for.
#[inline(always)]
fn evaluate(scope: &mut Scope, structures: &mut Structures, source: Source, may_rest: bool) -> Target {
    scope.region.forget();
    if scope.is_special && scope.collared && source != Source::Venue {
        tell_unfilled(scope);
    }
    // Notes of fills come first in the same plan.
    if !scope.crossed {
        scope.because.clear();
    }
    let target = if may_rest && scope.asks() { scope.evaluate_asking() } else { scope.evaluate() };
    tell_wanted(scope, structures, target);
    target
}

/// Tells the desk of a structure what is wanted of it.
#[inline(always)]
pub(crate) fn tell_wanted(scope: &Scope, structures: &mut Structures, target: Target) {
    if let Some(desk) = if scope.is_special { scope.desk } else { None } {
        let desk = &mut structures.desks[desk as usize];
        // What is begun goes on while nobody knows whether it might be: a leg that is traded back pays its spread twice.
        if !(scope.because.is_unsure() && desk.is_begun()) {
            desk.wanted = target.qty;
        }
    }
}

/// Whether the decision sends nothing, was not asked for by a fill or a crossed trigger, and bars or cuts what the last one did.
#[inline(always)]
fn is_as_before(
    scope: &mut Scope,
    structures: &Structures,
    routed: &mut Working,
    source: Source,
    target: Target,
) -> bool {
    let desk = if scope.is_special { scope.desk } else { None };
    let keeps_back = || desk.is_some_and(|desk| structures.desks[desk as usize].keeps_back());
    let refused = scope.because.last_refused_add();
    scope.refuse(refused.map(|add| add.trigger));
    let limits = scope.because.limits();
    // Nothing wanted, nothing working: by far the most frequent case, told without looking closer.
    let idle = target.qty == scope.position && scope.because.rests_nothing() && scope.working.is_empty();
    let sends = !idle && {
        let wanted = wanted(&scope.because, scope.position, !scope.alone, target, source);
        let wanted = Wanted { keeps_back: keeps_back(), takes_back: takes_back(scope, target, source), ..wanted };
        scope.working.would_send(&wanted, routed)
    };
    // A watched stop that moves sends nothing, and is told like one that rests.
    let moves = scope.is_special && scope.reads_range && moves_stop(scope);
    let crossed = std::mem::take(&mut scope.crossed);
    if !(sends || moves || crossed) && limits == scope.limits {
        return true;
    }
    scope.limits = limits;
    false
}

/// Writes the decision that a strategy's rules have just made over whatever the plan was: every field.
pub(crate) fn write_plan(
    plan: &mut Plan,
    scope: &Scope,
    (new_id, on_input, now): (PlanId, u64, Timestamp),
    worth: Cash,
    held: Qty,
    wanted: Target,
) {
    let Plan {
        id,
        input,
        at,
        strategy,
        instrument,
        price,
        equity,
        position,
        target,
        steps,
        details,
        add,
        exits,
        unknown,
        hedged,
    } = plan;
    (*id, *input, *at) = (new_id, on_input, now);
    (*strategy, *instrument) = (scope.id, scope.instrument);
    *price = scope.facts.get(facts::PRICE).unwrap_or_default();
    (*equity, *position, *target) = (worth, held, wanted);
    steps.clear();
    steps.extend(scope.because.steps().iter().copied());
    details.clear();
    for (index, step) in scope.because.steps().iter().enumerate().filter(|(_, step)| step.rule != ENGINE_RULE) {
        let mut detail = String::new();
        scope.rules[usize::from(step.rule)].detail(&scope.facts, step, &mut detail);
        if !detail.is_empty() {
            details.push((index as u8, detail));
        }
    }
    *add = scope.because.add().filter(|_| !wanted.qty.is_zero());
    exits.clear();
    exits.extend(scope.because.exits().iter().copied());
    unknown.clear();
    *hedged = scope.hedge_view();
}

/// Whether entries on their way are asked back: nothing is held, and they were for a campaign that has just ended, whose stop they would
/// undo, or are wanted no more. What nobody knows whether to want goes on.
fn takes_back(scope: &Scope, target: Target, source: Source) -> bool {
    let has_ended = || source == Source::Venue && scope.facts.get(facts::CLOSED_AT) == Some(scope.facts.now());
    scope.position.is_zero() && ((target.qty.is_zero() && !scope.because.is_unsure()) || has_ended())
}

/// What should work at the venue after a decision. News of our own orders moves exits and adds only.
fn wanted(because: &Because, held: Qty, shared: bool, target: Target, source: Source) -> Wanted<'_> {
    Wanted {
        target,
        exits: because.exits(),
        // Nothing is added to a position that is to go.
        add: because.add().filter(|_| !target.qty.is_zero()),
        held,
        cut: because.was_cut(),
        stopped: because.is_stopped(),
        worst: because.worst(),
        entering: None,
        shared,
        keeps_back: false,
        takes_back: false,
        hedges: false,
        may_trade: source != Source::Venue,
    }
}

/// Whether the stop that is watched is another than the one in force.
fn moves_stop(scope: &Scope) -> bool {
    let watched = scope.because.exits().iter().find_map(|exit| match exit {
        Exit::WatchedStop { trigger } => Some(*trigger),
        _ => None,
    });
    watched.is_some() && scope.campaign.as_ref().is_some_and(|campaign| campaign.stop != watched)
}

/// Begins the next plan with what an increase left unfilled within its collar: it is taken back.
fn tell_unfilled(scope: &mut Scope) {
    let unfilled = scope.working.collared();
    if !unfilled.is_zero() {
        let held = scope.position;
        scope.tell();
        scope.because.note(
            ENGINE_RULE,
            held,
            held,
            "{} not filled within the collar: taken back",
            [Arg::Qty(unfilled)],
        );
    }
    let add = scope.working.triggered_add().filter(|add| add.limit() != scope.planned_chase);
    if let Some(Purpose::Add { unit }) = add.map(|add| add.purpose)
        && scope.campaign.as_ref().is_some_and(|campaign| campaign.units_up_to(unit) != 0)
    {
        let held = scope.position;
        scope.tell();
        scope.because.note(
            ENGINE_RULE,
            held,
            held,
            "unit {} not filled within the collar: taken back",
            [Arg::Count(unit)],
        );
    }
}

/// An add whose fill would be worse than its limit lapses; later levels do not move.
#[cold]
pub(crate) fn lapse_if_left_behind(scope: &mut Scope) {
    let (Some(order), Some(price)) = (scope.working.triggered_add(), scope.facts.get(facts::PRICE)) else { return };
    let (Purpose::Add { unit }, market::OrderKind::StopLimit { price: limit, .. }) = (order.purpose, order.kind) else {
        return;
    };
    // A collar bounds what is paid; only the chase makes a unit lapse.
    let limit = if scope.collared { scope.planned_chase } else { Some(limit) };
    let Some(limit) = limit else { return };
    let beyond = match order.side {
        units::Side::Buy => price > limit,
        units::Side::Sell => price < limit,
    };
    if !beyond {
        return;
    }
    if let Some(campaign) = &mut scope.campaign {
        campaign.lapsed |= campaign.units_up_to(unit);
        let held = scope.position;
        scope.tell();
        let numbers = [Arg::Count(unit), Arg::Price(limit), Arg::Price(price)];
        scope.because.note(ENGINE_RULE, held, held, "unit {} lapsed: its limit {} was left behind at {}", numbers);
        scope.stale = true;
    }
}

/// The plan is in force: the campaign's stop is what rests, and an entry remembers its full size and the N that it was decided at, whatever
/// is thought while it is on its way.
fn adopt(scope: &mut Scope, target: Target, plan: PlanId) {
    if scope.position.is_zero() && !target.qty.is_zero() && !scope.working.enters_since_before(plan) {
        scope.planned_base = target.base;
        scope.planned_unit = scope.facts.get(facts::UNIT);
        // What goes out in pieces, or may be filled in part, goes on until it is there.
        let whole = scope.because.whole().or(scope.desk.map(|_| target.qty));
        scope.entering = whole.map(|whole| (whole, Purpose::Entry));
    }
    if !target.qty.is_zero() {
        let cut = scope.because.steps().iter().find(|step| step.outcome == Outcome::Cut);
        scope.planned_whole = cut.map_or(target.qty, |cut| cut.before);
    }
    if let Some(add) = scope.because.add() {
        scope.planned_add = add.whole - add.rest;
        (scope.planned_rest, scope.planned_chase) = (add.rest, add.chase);
    }
    let stop = scope.because.exits().iter().find_map(Exit::stop);
    if let (Some(campaign), Some(stop)) = (&mut scope.campaign, stop)
        && campaign.stop != Some(stop)
    {
        campaign.stop = Some(stop);
        scope.stale = true;
    }
}
