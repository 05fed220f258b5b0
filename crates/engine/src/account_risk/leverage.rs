//! Leverage: what all that an account holds stands for, over its equity.

use super::RiskRefusal;
use super::scaled::shared;
use super::stress::equity_of;
use crate::engine::Engine;
use risk::venues::Absent;
use units::{Cash, Contract};

/// Gross exposure: for a unit that each member keeps, and of all else. In the account's numéraire.
#[derive(Debug, Default)]
pub(super) struct Exposed {
    pub(super) weights: Vec<f64>,
    pub(super) rest: f64,
}

/// Values of all positions of an account at their marks without their signs, structures of options by what they stand for, over equity.
pub(super) fn leverage(engine: &Engine, account: usize) -> Result<f64, RiskRefusal> {
    let equity = equity_of(engine, account)?.approximate();
    if equity > 0.0 { Ok(gross(engine, account)? / equity) } else { Err(RiskRefusal::Absent(Absent::NoEquity)) }
}

fn gross(engine: &Engine, at: usize) -> Result<f64, RiskRefusal> {
    let account = &engine.books[at].account;
    let mut gross = 0.0;
    for (index, (position, _)) in account.positions().enumerate() {
        // What options stand for is told by the structures that they are legs of.
        if !position.qty.is_zero() && !engine.catalogue.instruments[index].kind.is_option() {
            gross += translated(engine, at, index, account.exposure(index).cash())?;
        }
    }
    for desk in engine.structures.desks.iter().filter(|desk| desk.account.index() == at) {
        gross += stands_for(engine, desk.scope as usize)?;
    }
    Ok(gross)
}

/// Without its sign, in the numéraire.
fn translated(engine: &Engine, at: usize, instrument: usize, amount: Cash) -> Result<f64, RiskRefusal> {
    let account = &engine.books[at].account;
    let currency = account.settlement(instrument).currency;
    if !account.translates(currency) {
        return Err(RiskRefusal::NoTranslation(currency));
    }
    Ok(account.translate(currency, amount).abs().approximate())
}

/// What a strategy's own position stands for.
fn stands_for(engine: &Engine, scope: usize) -> Result<f64, RiskRefusal> {
    let own = &engine.scopes[scope];
    let (at, instrument) = (own.account.index(), own.instrument.index());
    let account = &engine.books[at].account;
    let exposure = match own.desk {
        None => account.contract(instrument).exposure(account.mark(instrument), own.position),
        Some(desk) => {
            let held = engine.structures.desks[desk as usize].exposed();
            if held.is_zero() {
                return Ok(0.0);
            }
            let unit = engine.exposure_price(desk as usize).ok_or(RiskRefusal::Absent(Absent::Part))?;
            Contract::Linear.exposure(unit, held)
        }
    };
    translated(engine, at, instrument, exposure.cash())
}

/// What of the gross exposure of their account each of some strategies adds for a unit that it keeps; hedges go with what they hedge, in
/// equal parts. Where several strategies hold one instrument only their net is exposed, which is no sum over them.
pub(super) fn exposed(engine: &Engine, members: &[usize], held: &[f64]) -> Result<Exposed, RiskRefusal> {
    let account = engine.scopes[members[0]].account.index();
    let mut all = Exposed { weights: vec![0.0; members.len()], rest: gross(engine, account)? };
    for (scope, those) in shared(engine, members) {
        if !engine.scopes[scope].alone {
            return Err(RiskRefusal::Absent(Absent::Part));
        }
        let of_it = stands_for(engine, scope)?;
        all.rest -= of_it;
        for member in &those {
            all.weights[*member] += of_it / those.len() as f64 / held[*member].max(f64::MIN_POSITIVE);
        }
    }
    Ok(all)
}
