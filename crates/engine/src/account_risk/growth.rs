//! What the returns of an account's days say of ruin and of Kelly's multiple.

use super::{AccountRisk, RiskRefusal, YEAR};
use crate::engine::Engine;
use crate::periods::DayReturns;
use policy::RiskFact;
use risk::growth::{Dependence, Walk, kelly_empirical, kelly_shrinkage};
use risk::venues::Absent;
use units::Duration;

/// Days of returns that tell anything of ruin and growth.
pub(super) const DAYS_MIN: usize = 60;

/// A fact of the returns of an account's days, which stays until the next one.
#[derive(Debug)]
pub(super) struct Grown {
    pub(super) account: usize,
    pub(super) fact: RiskFact,
    /// After how many changes of the returns it was computed.
    pub(super) version: u32,
    pub(super) value: Result<f64, RiskRefusal>,
}

impl AccountRisk {
    /// A fact of the returns of the strategy's account: computed once a day.
    pub(super) fn grown(&mut self, engine: &Engine, scope: usize, fact: &RiskFact) -> Result<f64, RiskRefusal> {
        let account = engine.scopes[scope].account.index();
        let Some(returns) = engine.books[account].periods.returns() else {
            return Err(RiskRefusal::TooFewDays { count: 0 });
        };
        let version = returns.version;
        let known = self.grown.iter().position(|grown| grown.account == account && grown.fact == *fact);
        if let Some(known) = known.map(|at| &self.grown[at]).filter(|known| known.version == version) {
            return known.value.clone();
        }
        let value = growth(returns, fact);
        let grown = Grown { account, fact: fact.clone(), version, value: value.clone() };
        match known {
            Some(at) => self.grown[at] = grown,
            None => self.grown.push(grown),
        }
        value
    }
}

/// What the returns of an account's days say. Of no returns, and of too few, nothing.
fn growth(returns: &DayReturns, fact: &RiskFact) -> Result<f64, RiskRefusal> {
    let enough = |days: Vec<f64>| {
        if days.len() < DAYS_MIN { Err(RiskRefusal::TooFewDays { count: days.len() }) } else { Ok(days) }
    };
    match fact {
        RiskFact::Kelly { window } => {
            let days = enough(returns.last((window.nanos() / Duration::DAY.nanos()) as usize))?;
            let mean = days.iter().sum::<f64>() / days.len() as f64;
            let variance = Dependence::of(&days)?.long_run_variance;
            Ok(kelly_empirical(&days)? * kelly_shrinkage(mean, variance, days.len() as u32)?)
        }
        RiskFact::Ruin { loss, horizon } => {
            let days = enough(returns.last(usize::MAX))?;
            let year = YEAR / Duration::DAY.nanos() as f64;
            let walk = Walk::of_returns(&days, year)?;
            Ok(walk.loses(f64::from(*loss) / 10_000.0, horizon.nanos() as f64 / YEAR)?)
        }
        _ => Err(RiskRefusal::Absent(Absent::NotFinite)),
    }
}
