//! Capital over strategies, less of it to those that are far down.

use super::BudgetError;

/// A strategy's claim on capital.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capital {
    /// The share of capital that it has when it is not down.
    pub budget: f64,
    /// How far it is down from its highest, as a share: its own equity curve's.
    pub drawdown: f64,
    /// The drawdown at which it has nothing left.
    pub most: f64,
}

/// Shares of capital: each strategy's budget times what is left of its drawdown, (most − drawdown) ÷ (most × (1 − drawdown)), at most one.
/// What is not given to a strategy is not given to another, unless `is_passed_on`: then shares are scaled so that they add up to what the
/// budgets do, none to more than `largest`; what that leaves over stays in cash.
///
/// The factor is Grossman and Zhou's cushion ("Optimal Investment Strategies for Controlling Drawdowns", Mathematical Finance 3, 1993):
/// with the floor (1 − most) × highest, a share of (equity − floor) ÷ equity is at risk, which at the highest is `most`; here in units of
/// that. Of equity that trades continuously the floor is never reached.
///
/// # Errors
///
/// Budgets under zero or adding up to more than one, drawdowns not from zero to under one, a most not over zero and under or at one.
pub fn allocate(
    claims: &[Capital],
    is_passed_on: bool,
    largest: f64,
    shares: &mut Vec<f64>,
) -> Result<(), BudgetError> {
    shares.clear();
    let check = |name, at, value: f64, holds: bool| {
        if holds && value.is_finite() { Ok(()) } else { Err(BudgetError::Number { name, at, value }) }
    };
    check("the largest share", 0, largest, largest > 0.0 && largest <= 1.0)?;
    let mut sum = 0.0;
    for (at, one) in claims.iter().enumerate() {
        check("budget", at, one.budget, one.budget >= 0.0)?;
        check("drawdown", at, one.drawdown, (0.0..1.0).contains(&one.drawdown))?;
        check("the most of drawdown", at, one.most, one.most > 0.0 && one.most <= 1.0)?;
        sum += one.budget;
    }
    if sum > 1.0 + 1e-9 {
        return Err(BudgetError::Above(sum));
    }
    let left = |one: &Capital| ((one.most - one.drawdown) / (one.most * (1.0 - one.drawdown))).clamp(0.0, 1.0);
    shares.extend(claims.iter().map(|one| (one.budget * left(one)).min(largest)));
    if is_passed_on {
        pass_on(shares, sum, largest);
    }
    Ok(())
}

/// Scales what is under the largest share until all add up, or nothing is under it.
fn pass_on(shares: &mut [f64], sum: f64, largest: f64) {
    for _ in 0..=shares.len() {
        let full: f64 = shares.iter().filter(|share| **share >= largest).sum();
        let open: f64 = shares.iter().filter(|share| **share < largest).sum();
        let factor = (sum - full) / open;
        if !(factor > 1.0 && factor.is_finite()) {
            break;
        }
        for share in shares.iter_mut().filter(|share| **share < largest) {
            *share = (*share * factor).min(largest);
        }
    }
}
