//! What if the policy said something else from here on: the engine's state under rules with other numbers.

use crate::setup::Setup;
use crate::{Error, Run, run};
use engine::Engine;
use market::Catalogue;
use policy::spec::{SignalKind, SizeKind};
use policy::{CompileError, Policy, Program};
use units::state::StateReader;

/// The policies of a run, one of them with values put into its text. `at`: which.
pub(super) fn policies(of: &Run, at: usize, set: &[(String, String)]) -> Result<Vec<Policy>, Error> {
    let mut text = of.strategies[at].text.clone();
    for (key, value) in set {
        let wrong = |error| Error::Setup(format!("`--set {key}={value}`: {error}"));
        text = policy::edit::set(&text, key, value).map_err(wrong)?;
    }
    let mut policies = of.policies();
    policies[at] = run::checked(&text).map_err(|error| match error {
        Error::Policy(found) => Error::Setup(format!(
            "with `--set` the policy is refused: {}",
            found
                .iter()
                .filter(|found| found.is_error())
                .map(|found| found.message.as_str())
                .collect::<Vec<_>>()
                .join("; ")
        )),
        other => other,
    })?;
    Ok(policies)
}

/// An engine in the state of a snapshot, under changed policies. `symbol`: the instrument that is asked for.
pub(super) fn engine(
    (before, after): (&[Policy], &[Policy]),
    (setup, catalogue): (&Setup, &Catalogue),
    (at, symbol): (usize, &str),
    snapshot: &[u8],
) -> Result<Engine, Error> {
    let (old, new) = (&before[at], &after[at]);
    if let Some(section) = restarts(old, new) {
        return Err(Error::Setup(format!(
            "`--set` changes {section}: what was seen so far was counted as it was declared, so only a backtest can tell what it would be"
        )));
    }
    let rules = |policy: &Policy| -> Result<Vec<&'static str>, CompileError> {
        let program = Program::compile(policy, symbol, &|name| catalogue.series_id(name))?;
        Ok(program.rules.iter().map(|rule| rule.name()).collect())
    };
    let (was, is) = (rules(old)?, rules(new)?);
    if was != is || old.caps.liquidation_distance.is_some() != new.caps.liquidation_distance.is_some() {
        return Err(Error::Setup(
            "`--set` adds or takes out a rule: from here on rules may have other numbers; for other rules run a backtest".to_owned(),
        ));
    }
    let mut engine = setup.engine(after, catalogue, false)?;
    engine.load(&mut StateReader::new(snapshot)).map_err(|_| {
        Error::Setup("`--set` changes what the state of the run does not fit: run a backtest with it".to_owned())
    })?;
    Ok(engine)
}

/// What of a policy was counted since the beginning, or says what there is to trade, and is another.
fn restarts(old: &Policy, new: &Policy) -> Option<&'static str> {
    let is_constant = |policy: &Policy| matches!(policy.signal.kind, SignalKind::Constant { .. });
    let sources = |policy: &Policy| match &policy.size.kind {
        SizeKind::VolatilityTarget { sources, .. } => sources.clone(),
        _ => Vec::new(),
    };
    [
        (old.instruments != new.instruments || old.structure != new.structure, "what is traded"),
        (old.accounts != new.accounts || old.adopt != new.adopt, "accounts or positions from before"),
        (old.backtest != new.backtest, "what the backtest assumes"),
        (old.signal.kind != new.signal.kind && !(is_constant(old) && is_constant(new)), "the signal"),
        (old.unit != new.unit, "the unit N"),
        (sources(old) != sources(new), "where volatility comes from"),
        (old.hedges != new.hedges, "hedges"),
        (old.streak != new.streak, "the streak"),
    ]
    .into_iter()
    .find_map(|(is_another, section)| is_another.then_some(section))
}
