//! What steps of plans say: rules that the policy has, in their order, with a sentence of their own, an outcome that goes with it, and
//! numbers that other columns give.
//!
//! The list of sentences is the audit's own; a test compares it with what the rules' sources say.

use super::finding::{At, Found};
use super::live::side_of;
use super::plans::MARKET;
use super::seat::{is_plain, plus};
use crate::records::{FillRow, PlanRow};
use crate::run::Run;
use policy::Policy;
use policy::spec::SizeKind;
use units::{Contract, Qty};

/// Rules in the order of a decision: conditions, modes and guards see the change that would go out.
const ORDER: [&str; 35] = [
    "signal",
    "fixed_notional",
    "fixed_fraction",
    "risk_per_trade",
    "vol_target",
    "greek_target",
    "allocation",
    "pyramid",
    "ladder",
    "streak",
    "stop",
    "drawdown_cap",
    "loss_cap",
    "open_risk_cap",
    "leverage_cap",
    "floor",
    "limit",
    "delta_restore",
    "exit_time_cap",
    "participation_cap",
    "spot",
    "liquidation_distance",
    "expiry",
    "structure",
    "trim",
    "signal_when",
    "pyramid_when",
    "stale",
    "reduce_only",
    "hold",
    "flatten",
    "blackout",
    "max_orders",
    "max_order",
    "price_collar",
];

/// Sentences by rule: outcomes that they go with, and their words, with `{}` for each number.
type Said = (&'static str, &'static [(&'static [&'static str], &'static str)]);

const SET: &[&str] = &["set"];
const KEPT: &[&str] = &["kept"];
const CUT: &[&str] = &["cut"];
const REFUSED: &[&str] = &["refused"];
const HELD: &[&str] = &["held"];
const UNMET: &[&str] = &["unmet"];
const KEPT_SET: &[&str] = &["kept", "set"];
const KEPT_CUT: &[&str] = &["kept", "cut"];
const CUT_REFUSED: &[&str] = &["cut", "refused"];
const SPARED: &[&str] = &["cut", "refused", "unmet"];
const HELD_REFUSED: &[&str] = &["held", "refused"];
const MODE: &[&str] = &["kept", "cut", "refused", "held"];

const SIZES: &[(&[&str], &str)] = &[
    (SET, "holds {}, base {} frozen at entry"),
    (SET, "holds {} on the way to {}"),
    (SET, "holds {}: what sizes it is not known now"),
    (REFUSED, "no entry: the volatility unit N is not known yet"),
    (REFUSED, "no entry: the volatility is not known or too old"),
    (REFUSED, "no entry: the Greeks of the structure, or of what is held beside it, are not known now"),
    (REFUSED, "no entry: `size.fraction` is not known now"),
    (REFUSED, "no entry: `size.risk` is not known now"),
    (REFUSED, "no entry: `size.target` is not known now"),
    (REFUSED, "no entry: `size.exposure_cap` is not known now"),
    (SET, "{} of notional"),
    (SET, "{} x equity"),
    (SET, "{} x {} of equity"),
    (SET, "target {} / volatility {}, at most {} x {} of equity"),
    (SET, "target {} / volatility floor {}: {} x {} of equity"),
    (SET, "target {} / volatility {}: {} x {} of equity"),
    (SET, "target {} / volatility {}, at most {} x equity"),
    (SET, "target {} / volatility floor {} (now {})"),
    (SET, "target {} / volatility {} of source {}, {} old"),
    (SET, "target {} / volatility {}: realised of source 2 x {}, what implied was to it {} ago"),
    (SET, "target {} / volatility {}: realised of source 3 x {}, what implied was to it {} ago"),
    (SET, "target {} / volatility {}: realised of source 4 x {}, what implied was to it {} ago"),
    (SET, "target {} / volatility {}"),
    (SET, "risks {} of equity over {} N of {}"),
    (SET, "risks {} of {} of equity over {} N of {}"),
    (SET, "holds {} as collateral: {} counts already and the target is {}: nothing is traded"),
    (SET, "holds {} as collateral: {} counts already, of the target {} are {} left to trade"),
    (SET, "holds {} as collateral: {} is on the other side, so the target {} takes {}"),
];

const SAID: &[Said] = &[
    (
        "signal",
        &[
            (SET, "no signal, or it is too old"),
            (SET, "holds {}: the signal is too old"),
            (SET, "no price yet"),
            (SET, "signal is flat"),
            (SET, "equity {} carries no position"),
            (SET, "signal turned to {}: close"),
            (REFUSED, "waits for a new signal: this one was traded"),
            (SET, "signal {}"),
        ],
    ),
    ("fixed_notional", SIZES),
    ("fixed_fraction", SIZES),
    ("risk_per_trade", SIZES),
    ("vol_target", SIZES),
    (
        "allocation",
        &[
            // Before the other, whose words it has.
            (KEPT_CUT, "own drawdown {} of at most {}: nothing of its capital is left"),
            (KEPT, "own drawdown {} of at most {}: {} of its capital is left"),
        ],
    ),
    (
        "pyramid",
        &[
            (SET, "unit 1 of {}: {} of the base"),
            (KEPT_SET, "{} of {} units, none left"),
            (KEPT_SET, "{} of {} units, adds ended with the first rung"),
            (KEPT_SET, "{} of {} units, no add: `pyramid.step` is not known now"),
            (REFUSED, "unit {} is less than one lot"),
            (REFUSED, "unit {} refused: the signal or what sizes it is not known now"),
            (KEPT_SET, "{} units, up to unit {} at once: adds {} at {}"),
            (KEPT_SET, "{} of {} units, next adds {} at {}"),
        ],
    ),
    (
        "ladder",
        &[
            (KEPT_SET, "rung {}: its condition holds, {} go out"),
            (SET, "{} of the size is left after {} rungs"),
            (KEPT_SET, "rung {} after {}: {} go out"),
            (KEPT_SET, "rung {} at a volatility of {}: {} go out"),
            (KEPT_SET, "rung {} at {} crossed: {} go out"),
            (KEPT_SET, "{} rungs used, rung {} rests at {}"),
            (KEPT_SET, "{} rungs used, rung {} is watched at {}"),
        ],
    ),
    ("streak", &[(SET, "x {} after wins in a row")]),
    (
        "stop",
        &[
            (SET, "stop {} crossed: out at the market"),
            (SET, "closes after {}: reached {} R of {}"),
            (KEPT, "stop at {}"),
            (KEPT, "stop moves to {} behind the last fill"),
            (KEPT, "stop trails to {}"),
            (HELD, "the trail is not known: the stop is at {}"),
            (KEPT, "stop moves to the entry {}"),
        ],
    ),
    (
        "drawdown_cap",
        &[
            (KEPT, "re-armed: drawdown counts from {}"),
            (REFUSED, "unit {} refused: exposure x {}"),
            (KEPT_CUT, "drawdown {}, limit {} in force: exposure x {}"),
        ],
    ),
    (
        "loss_cap",
        &[
            (CUT_REFUSED, "loss limit of {} reached today, result now {}: no increase before the day ends"),
            (CUT_REFUSED, "loss limit of {} reached today, result now {}: flat until the day ends"),
            (CUT_REFUSED, "loss limit of {} reached this week, result now {}: no increase before the week ends"),
            (CUT_REFUSED, "loss limit of {} reached this week, result now {}: flat until the week ends"),
        ],
    ),
    (
        "open_risk_cap",
        &[
            (CUT, "open risk at most {} of equity, stop {}: cut to {}"),
            (REFUSED, "unit {} refused: with stop {} open risk would be over {}"),
            (KEPT_CUT, "unit {} cut to {}: open risk at most {}"),
        ],
    ),
    (
        "leverage_cap",
        &[
            (REFUSED, "`caps.leverage` is not known now: nothing is opened or added"),
            (CUT, "equity {} carries no position"),
            (CUT, "leverage {} would be over {}, where increases stop"),
            (CUT, "leverage would be {}, {} of collateral counted, limit {}: increases stop at {}"),
            (CUT, "leverage {}, {} of collateral counted, is over {}: back to {}"),
            (CUT, "leverage would be {}, limit {}: increases stop at {}"),
            (CUT, "leverage {} is over {}: back to {}"),
            (UNMET, "other positions alone have leverage {}, limit {}: {} too much with nothing held here"),
            (CUT, "leverage would be {}, {} of it in other positions, limit {}: increases stop at {}"),
            (CUT, "leverage {}, {} of it in other positions, is over {}: back to {}"),
            (CUT, "leverage {}, {} of it in other positions, is over {}: its part of the way back to {}"),
            (CUT, "leverage was over {}: what is on its way out goes on"),
            (CUT, "leverage was over {}: {} is left, {} of it in other positions, back to {}"),
            (UNMET, "holds {} as collateral: leverage {} with the position, limit {}: {} too much"),
            (REFUSED, "unit {} refused: leverage at {} would be over {}"),
            (&["kept", "cut", "unmet"], "unit {} cut to {}: leverage {}"),
        ],
    ),
    (
        "floor",
        &[
            (REFUSED, "what the floor is measured from is not known: nothing is opened or added"),
            (CUT, "equity {} is at the floor {}: cash-lock, nothing is held"),
            (HELD, "floor {} under equity {}: {} x what lies between is {} of equity, and what is held is near it"),
            (CUT, "floor {} under equity {}: {} x what lies between is {} of equity"),
            (REFUSED, "unit {} refused: leverage at {} would be over {}"),
            (&["kept", "unmet"], "unit {} cut to {}: leverage {}"),
            (UNMET, "other positions alone have leverage {}, limit {}: {} too much with nothing held here"),
            (UNMET, "holds {} as collateral: leverage {} with the position, limit {}: {} too much"),
        ],
    ),
    (
        "limit",
        &[
            (REFUSED, "limit {}: {}, limit {}: not added"),
            (UNMET, "limit {}: {}, limit {}, with nothing held here: nothing is opened"),
            (CUT, "limit {}: {} is over {}: back to {} where that costs least"),
            (CUT, "limit {}: {} is over {}: back to {}"),
            (CUT, "limit {}: {} is under {}: back to {}"),
            (SPARED, "limit {}: {}, limit {}: all of it stays, giving it up brings nothing back"),
            (SPARED, "limit {}: {}, limit {}: all of it stays, with less of it there would be more to bring back"),
            (KEPT_CUT, "limit {}: {} once all is filled that is on its way out, limit {}"),
            (CUT, "limit {}: {} once all is filled that is on its way out, over {}: back to {} where that costs least"),
            (CUT, "limit {}: {} once all is filled that is on its way out, over {}: back to {}"),
            (CUT, "limit {}: {} once all is filled that is on its way out, under {}: back to {}"),
            (CUT, "limit {}: {}, and what is on its way out goes on, to {}"),
            (REFUSED, "limit {}: {} now, and adds stop at {}"),
            (KEPT_CUT, "limit {}: {} now, add cut to {}: adds stop at {}"),
            (CUT, "limit {}: {} now, and increases stop at {}"),
            (CUT_REFUSED, "limit {}: {}, flat until it is back at {}"),
            (REFUSED, "limit {}: {}, no increase until it is back at {}"),
            (CUT_REFUSED, "limit {}: what it limits is not known: flat until it is known to be back"),
            (&["refused", "unmet"], "limit {}: what it limits is not known: nothing is opened or added"),
            (REFUSED, "limit {}: nobody knows what it would be with more: nothing is opened or added"),
            (REFUSED, "limit {}: {}, increases stop at {}"),
            (REFUSED, "unit {} refused: limit {} bears no more than {}"),
            (&["kept", "cut", "refused"], "unit {} cut to {}: limit {} bears no more than {}"),
            (CUT, "limit {}: an increase to {} leaves it at {}"),
        ],
    ),
    (
        "delta_restore",
        &[
            (REFUSED, "unit {} refused: what is held was given up in part to restore delta"),
            (CUT, "delta is out of its band: {} of {} are kept"),
            (MODE, "{} were left when delta was restored: no more in this campaign"),
        ],
    ),
    (
        "exit_time_cap",
        &[
            (REFUSED, "what is usually traded in {} is not known: nothing is opened or added"),
            (REFUSED, "what a book usually holds in {} is not known: nothing is opened or added"),
            (CUT, "getting out within {} at {} of the usual {} a window carries no more: {}"),
            (REFUSED, "unit {} refused: getting out would take over {}"),
            (KEPT_CUT, "unit {} cut to {}: getting out within {}"),
        ],
    ),
    (
        "participation_cap",
        &[
            (REFUSED, "no volume was recorded in the last {}: nothing is opened or added"),
            (REFUSED, "no depth was recorded in the last {}: nothing is opened or added"),
            (HELD_REFUSED, "at most {} of the {} in the book, and {} of that are done: {} more now"),
            (REFUSED, "unit {} waits: {} of the {} in the book are done"),
            (&["kept", "held", "refused"], "unit {} begins with {}: {} of the {} in the book"),
            (HELD_REFUSED, "at most {} of the {} that were traded, and {} of that are done: {} more now"),
            (REFUSED, "unit {} waits: {} of the {} that were traded are done"),
            (&["kept", "held", "refused"], "unit {} begins with {}: {} of the {} that were traded"),
        ],
    ),
    (
        "spot",
        &[
            (CUT, "spot: nothing can be sold that is not held, so {} becomes flat"),
            (CUT, "spot is paid in full: {} of cash buy up to {}"),
        ],
    ),
    (
        "liquidation_distance",
        &[
            (REFUSED, "unit {} refused: the venue would liquidate before {} beyond the stop {}"),
            (CUT, "the stop {} must lie {} inside the liquidation price: cut to {}"),
        ],
    ),
    ("expiry", &[(CUT, "the contract expired at {}")]),
    (
        "trim",
        &[
            (REFUSED, "unit {} refused: {} is under the smallest order {}"),
            (HELD, "change {} is inside the buffer of {}"),
            (HELD, "change {} is {} beyond the buffer of {}, under the smallest order {}"),
            (HELD, "change {} is under the smallest order {}"),
            (REFUSED, "no entry: {} is under the smallest order {}"),
            (SET, "toward zero, lot {}"),
            (SET, "the remainder {} is dust, less than {}: closed"),
        ],
    ),
    (
        "signal_when",
        &[
            (REFUSED, "unit {} refused: `signal.when` does not hold"),
            (REFUSED, "unit {} refused: whether `signal.when` holds is not known"),
            (REFUSED, "nothing is opened or added: `signal.when` does not hold"),
            (REFUSED, "nothing is opened or added: whether `signal.when` holds is not known"),
        ],
    ),
    (
        "pyramid_when",
        &[
            (REFUSED, "unit {} refused: `pyramid.when` does not hold"),
            (REFUSED, "unit {} refused: whether `pyramid.when` holds is not known"),
        ],
    ),
    (
        "stale",
        &[
            (KEPT, "mode hold ended: the price is new again"),
            (MODE, "mode hold: the price is {} old, over {}: nothing new goes out but exits"),
            (REFUSED, "unit {} refused: mode {}"),
        ],
    ),
    (
        "reduce_only",
        &[
            (MODE, "mode reduce-only, nothing is opened or added: `modes.reduce_only` holds"),
            (MODE, "mode reduce-only, nothing is opened or added: whether `modes.reduce_only` holds is not known"),
            (MODE, "mode {} until {}, unless its condition holds again"),
            (MODE, "mode {} stays: whether its condition still holds is not known"),
            (KEPT, "mode {} ended"),
            (REFUSED, "unit {} refused: mode {}"),
        ],
    ),
    (
        "hold",
        &[
            (MODE, "mode hold, nothing new goes out but exits: `modes.hold` holds"),
            (MODE, "mode reduce-only, nothing is opened or added: whether `modes.hold` holds is not known"),
            (MODE, "mode {} until {}, unless its condition holds again"),
            (MODE, "mode {} stays: whether its condition still holds is not known"),
            (KEPT, "mode {} ended"),
            (REFUSED, "unit {} refused: mode {}"),
        ],
    ),
    (
        "flatten",
        &[
            (MODE, "mode flatten: `modes.flatten` holds"),
            (MODE, "mode reduce-only, nothing is opened or added: whether `modes.flatten` holds is not known"),
            (MODE, "mode {} until {}, unless its condition holds again"),
            (MODE, "mode {} stays: whether its condition still holds is not known"),
            (KEPT, "mode {} ended"),
            (REFUSED, "unit {} refused: mode {}"),
        ],
    ),
    (
        "blackout",
        &[
            (REFUSED, "unit {} refused: blackout until {}"),
            (REFUSED, "blackout until {}: nothing is increased"),
            (HELD, "blackout until {}: {} stays"),
        ],
    ),
    (
        "max_orders",
        &[
            (HELD, "{} orders sent within {}, limit {}: the change to {} waits"),
            (REFUSED, "unit {} waits: {} orders sent within {} and one that goes out now, limit {}"),
            (REFUSED, "unit {} waits: {} orders sent within {}, limit {}"),
        ],
    ),
    (
        "max_order",
        &[(&["kept"], "unit {} in pieces of {}: {} in all"), (HELD, "the largest order is {}: {} of {} go out now")],
    ),
    ("price_collar", &[(KEPT, "no worse than {}: within {} of {}")]),
];

/// What fills say of themselves, and what each was for.
const FILLED: [(&str, &str); 8] = [
    ("entered: ", "entry"),
    ("resized: ", "resize"),
    ("stop crossed: ", "stop"),
    ("closed: ", "exit"),
    ("cut by a limit: ", "cut"),
    ("liquidated by the venue: ", "liquidation"),
    ("unit ", "add "),
    ("rung ", "rung "),
];

/// Whether the policy has a rule of that name.
fn has(policy: &Policy, rule: &str) -> bool {
    let size = match policy.size.kind {
        SizeKind::FixedNotional { .. } => "fixed_notional",
        SizeKind::FixedFraction { .. } => "fixed_fraction",
        SizeKind::RiskPerTrade { .. } => "risk_per_trade",
        SizeKind::VolatilityTarget { .. } => "vol_target",
        SizeKind::GreekTarget { .. } => "greek_target",
    };
    let caps = &policy.caps;
    match rule {
        "signal" | "trim" | "spot" | "expiry" => true,
        "allocation" => policy.allocation.drawdown.is_some(),
        "pyramid" => policy.pyramid.is_some(),
        "ladder" => policy.ladder.is_some(),
        "streak" => policy.streak.is_some(),
        "stop" => policy.stop.is_some(),
        "drawdown_cap" => !caps.drawdown.is_empty(),
        "loss_cap" => caps.daily_loss.is_some() || caps.weekly_loss.is_some(),
        "open_risk_cap" => caps.open_risk.is_some(),
        "leverage_cap" => caps.leverage.is_some(),
        "floor" => policy.floor.is_some(),
        "limit" => !policy.limits.is_empty(),
        "delta_restore" => !policy.hedges.is_empty(),
        "exit_time_cap" | "participation_cap" => caps.participation.is_some(),
        "liquidation_distance" => caps.liquidation_distance.is_some(),
        "signal_when" => policy.signal.when.is_some(),
        "pyramid_when" => policy.pyramid.as_ref().is_some_and(|pyramid| pyramid.when.is_some()),
        "stale" => policy.modes.stale_after.is_some(),
        "reduce_only" | "hold" | "flatten" => policy.modes.conditions().any(|(mode, _)| mode.rule() == rule),
        "blackout" => !policy.guards.blackout.is_empty(),
        "max_orders" => policy.guards.max_orders.is_some(),
        "max_order" => policy.guards.max_order.is_some(),
        "price_collar" => policy.guards.price_collar.is_some(),
        other => other == size,
    }
}

/// The numbers in a sentence, as text; what it was made from may follow behind a colon. `None`: these are not its words.
fn gaps<'t>(template: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = template.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    let parts: Vec<&str> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        let end = match (part.is_empty(), is_last) {
            (true, true) => rest.find(": ").unwrap_or(rest.len()),
            (true, false) => return None,
            (false, _) => rest.find(part)?,
        };
        found.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    (rest.is_empty() || rest.starts_with(": ")).then_some(found)
}

/// Whether a sentence is made of words with `…` for each number, whatever it was made from.
pub(super) fn is_said(words: &str, text: &str) -> bool {
    words.contains("……") || gaps(&words.replace('…', "{}"), text).is_some()
}

/// A number with its unit; `None`: it is none.
fn number(text: &str) -> Option<f64> {
    match text.strip_suffix(" %") {
        Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse().ok(),
    }
}

/// All steps of all plans of strategies that trade no structures.
pub(super) fn check(run: &Run, found: &mut Found) {
    let plans = &run.tables.plans;
    let mut begin = 0;
    for steps in plans.chunk_by(|a, b| a.plan == b.plan) {
        let rows = begin..begin + steps.len();
        begin = rows.end;
        let policy = run.strategies.iter().map(|of| &of.policy).find(|policy| *policy.name == *steps[0].strategy);
        let Some(policy) = policy.filter(|policy| is_plain(policy)) else { continue };
        if policy.hedge_in(&steps[0].instrument).is_some() {
            continue;
        }
        let mut last = 0;
        for (row, step) in rows.zip(steps) {
            let at = At::plan(row, step);
            if &*step.rule == MARKET {
                filled(run, step, at, found);
                happened(steps, step, at, found);
                continue;
            }
            let rank = ORDER.iter().position(|rule| *rule == &*step.rule);
            let fits = rank.is_some_and(|rank| rank >= last) && has(policy, &step.rule);
            found.ensure("plan.rule", fits, at, || {
                format!("`{}` is no rule of the policy, or stands behind a later one", &*step.rule)
            });
            last = rank.unwrap_or(last).max(last);
            said(run, step, at, found);
        }
    }
}

/// A sentence of its rule, with an outcome that goes with it.
fn said(run: &Run, step: &PlanRow, at: At<'_>, found: &mut Found) {
    let Some((_, known)) = SAID.iter().find(|(rule, _)| *rule == &*step.rule) else { return };
    let own = known.iter().find_map(|(outcomes, text)| Some((*outcomes, *text, gaps(text, &step.because)?)));
    // What only passes a part of the size on may say nothing.
    let is_silent = step.because.is_empty() && &*step.outcome == "set";
    found.ensure("plan.sentence", own.is_some() || is_silent, at, || {
        format!("`{}` never says `{}`", &*step.rule, step.because)
    });
    let Some((outcomes, text, gaps)) = own else { return };
    found.ensure("plan.outcome", outcomes.contains(&&*step.outcome), at, || {
        format!("`{}` with `{}` is {}, not {}", &*step.rule, step.because, outcomes.join(" or "), &*step.outcome)
    });
    if let Some((told, made)) = wrong_number(run, step, text, &gaps) {
        found.ensure("plan.sentence", false, at, || {
            format!("`{}` says `{}`: {told}, the other columns give {made}", &*step.rule, step.because)
        });
    }
}

/// A number that is not what the plan's other columns give, and what they give.
fn wrong_number(run: &Run, step: &PlanRow, text: &str, gaps: &[&str]) -> Option<(String, String)> {
    let [before, after, held] = [step.before, step.after, step.position].map(units::Qty::approximate);
    let of = |at: usize| gaps.get(at).and_then(|gap| number(gap));
    // As many digits as are shown: half of the last one, of each factor.
    let near = |told: f64, made: f64, slack: f64| (told - made).abs() <= slack + 1e-7 + 1e-9 * made.abs();
    let wrong =
        |told: f64, made: f64, slack: f64| (!near(told, made, slack)).then(|| (told.to_string(), made.to_string()));
    match text {
        "{} x equity" => wrong(of(0)? * before, after, 0.005_000_1 * before.abs()),
        "target {} / volatility {}" => {
            let (target, volatility) = (of(0)?, of(1)?);
            let exact = before * target / volatility;
            wrong(exact, after, exact.abs() * 0.000_500_1 * (1.0 / target + 1.0 / (volatility - 0.000_5).max(1e-9)))
        }
        "holds {}, base {} frozen at entry"
        | "holds {} on the way to {}"
        | "holds {}: what sizes it is not known now"
        | "holds {}: the signal is too old" => wrong(of(0)?, held, 0.0),
        "unit 1 of {}: {} of the base" => wrong(of(1)? * before, after, 0.000_500_1 * before.abs()),
        "{} of the size is left after {} rungs" => wrong(of(0)? * before, after, 0.000_500_1 * before.abs()),
        "x {} after wins in a row" => wrong(of(0)? * before, after, 0.005_000_1 * before.abs()),
        "leverage {} is over {}: back to {}" | "leverage would be {}, limit {}: increases stop at {}" => {
            let contract = run.record.instruments.iter().find(|known| known.symbol == *step.instrument)?.contract();
            let exposed = match contract {
                Contract::Linear => step.price.approximate() * before.abs(),
                Contract::Inverse => before.abs() / step.price.approximate(),
            };
            let equity = step.equity.approximate();
            (equity > 0.0).then(|| wrong(of(0)?, exposed / equity, 0.005_000_1)).flatten()
        }
        "change {} is inside the buffer of {}" => wrong(of(0)?, (before - held).abs(), 0.0),
        "change {} is under the smallest order {}" => {
            // A rounded change may be less than the exact one.
            let (change, exact) = (of(0)?, (before - held).abs());
            wrong(change, exact, 0.0).filter(|_| change > exact)
        }
        "the largest order is {}: {} of {} go out now" => {
            let change = after.abs() - if after * held > 0.0 { held.abs() } else { 0.0 };
            wrong(of(0)?, change, 0.0).or_else(|| wrong(of(1)?, change, 0.0))
        }
        "signal {}" => (of(0)? * after < 0.0).then(|| (gaps[0].to_owned(), step.after.to_string())),
        _ => None,
    }
}

/// A fill begins where the one before it in the same plan ended, and the last one ends at what is held. All else leaves it as it is.
fn happened(steps: &[PlanRow], step: &PlanRow, at: At<'_>, found: &mut Found) {
    let tells = [" filled at ", " settled in cash at ", " carried at "];
    let is_fill = |other: &&PlanRow| &*other.rule == MARKET && tells.iter().any(|words| other.because.contains(words));
    if !is_fill(&step) {
        let stays = step.before == step.after
            && (step.before.is_zero() || step.before == step.position || steps.iter().any(|other| is_fill(&other)));
        found.ensure("plan.chain", stays, at, || {
            format!("`{}` goes from {} to {}, with {} held", step.because, step.before, step.after, step.position)
        });
        return;
    }
    let next = steps.iter().filter(is_fill).find(|other| other.step > step.step);
    let next = next.map_or(step.position, |next| next.before);
    let quantity = step.because.rsplit(": ").next().and_then(|said| said.split(' ').next()?.parse::<Qty>().ok());
    let changes = quantity == Some(plus(step.after, -step.before).abs());
    found.ensure("plan.chain", step.after == next && changes, at, || {
        format!("`{}` goes from {} to {}, and what follows it begins at {next}", step.because, step.before, step.after)
    });
}

/// A fill that a plan tells of is one of that input.
fn filled(run: &Run, step: &PlanRow, at: At<'_>, found: &mut Found) {
    let Some((said, rest)) = step.because.split_once(" filled at ") else { return };
    let told = FILLED.iter().find(|(begins, _)| said.starts_with(begins));
    let (Some((begins, purpose)), Some((head, quantity))) = (told, said.rsplit_once(": ")) else { return };
    let fills = &run.tables.fills;
    let from = fills.partition_point(|fill| fill.input < step.input);
    let is_it = |fill: &&FillRow| {
        let number = head[begins.len().min(head.len())..].split(' ').next().unwrap_or_default();
        let is_purpose = match purpose.ends_with(' ') {
            true => fill.purpose == format!("{purpose}{number}"),
            false => fill.purpose == *purpose,
        };
        is_purpose
            && fill.strategy == *step.strategy
            && fill.instrument == *step.instrument
            && fill.quantity.to_string() == quantity
            && fill.price.to_string() == rest
    };
    let of_input = || fills[from..].iter().take_while(|fill| fill.input == step.input);
    let is_there = of_input().any(|fill| is_it(&fill));
    found.ensure("plan.sentence", is_there && &*step.outcome == "set", at, || {
        format!("`{}` is no fill of input {}", step.because, step.input)
    });
    let fits =
        of_input().filter(is_it).any(|fill| plus(step.before, fill.quantity.on(side_of(&fill.side))) == step.after);
    found.ensure("plan.chain", fits || !is_there, at, || {
        format!("`{}` begins at {} and ends at {}", step.because, step.before, step.after)
    });
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "a test may fail by panicking, and reads sources"
    )]
    use super::*;

    #[test]
    fn numbers_are_found_between_the_words() {
        assert_eq!(gaps("{} of {} units", "2 of 4 units"), Some(vec!["2", "4"]));
        assert_eq!(gaps("signal {}", "signal -0.50"), Some(vec!["-0.50"]));
        assert_eq!(
            gaps("limit {}: {} is over {}: back to {}", "limit a: 5 is over 4: back to 3: x 5"),
            Some(vec!["a", "5", "4", "3"])
        );
        assert_eq!(gaps("signal is flat", "signal is flat, though"), None);
    }

    /// Every sentence that a rule of a policy may say is in the list: each string of their sources that goes into a reason.
    #[test]
    fn every_sentence_of_the_rules_is_known() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let known: Vec<&str> = SAID.iter().flat_map(|(_, said)| said.iter().map(|(_, text)| *text)).collect();
        let mut missing = Vec::new();
        for (file, skipped) in [
            ("signal", &[][..]),
            ("size", &["gamma", "vega"]),
            ("pyramid", &[]),
            ("allocation", &[]),
            ("ladder", &[]),
            ("streak", &[]),
            ("stop", &[]),
            ("drawdown_cap", &[]),
            ("loss_limit", &[]),
            ("open_risk", &[]),
            ("leverage_cap", &[]),
            ("floor", &[]),
            ("limit", &[", limit ", ", restore "]),
            ("restore", &[]),
            ("participation", &[]),
            ("trim", &[]),
            ("when", &[]),
            ("modes", &["no mode"]),
            ("guards", &[]),
        ] {
            let text = std::fs::read_to_string(folder.join(format!("policy/src/rules/{file}.rs"))).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for string in line.split('"').skip(1).step_by(2) {
                    let is_sentence = string.contains(' ') && (string.contains("{}") || string.split(' ').count() > 3);
                    let is_skipped = skipped.iter().any(|begins: &&str| string.starts_with(begins));
                    let is_part = known.iter().any(|text| *text == string || text.starts_with(string));
                    if is_sentence && !is_skipped && !is_part && !string.contains("{name}") {
                        missing.push(format!("{file}: {string}"));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "the audit does not know {missing:#?}");
    }
}
