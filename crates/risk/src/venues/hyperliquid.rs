//! Hyperliquid: perpetuals margined by tiers of leverage.

use super::tiered::{Rule, assess, linear_perpetual, rate_of, tiers};
use super::{MarginError, Parameters, Portfolio, Position, Tiered};
use crate::{Tier, TierTable};
use market::Currency;
use units::Rate;

const MODEL: &str = "Hyperliquid";

/// The tiers of a coin from rows `tier.COIN,floor:largest leverage`: initial margin at one over the leverage, maintenance at half of it.
///
/// # Errors
///
/// A row that is none; tiers that make no table. `None`: the coin has no rows.
pub fn hyperliquid_tiers(parameters: &Parameters, coin: Currency) -> Result<Option<TierTable>, MarginError> {
    tiers(parameters, &format!("tier.{coin}"), "value:largest leverage, of 1 to 1000", tier)
}

fn tier(value: &str) -> Option<Tier> {
    let (floor, leverage) = value.split_once(':')?;
    let leverage: f64 = leverage.parse().ok().filter(|leverage| (1.0..=1000.0).contains(leverage))?;
    let (initial, maintenance) = (rate_of(leverage)?, rate_of(2.0 * leverage)?);
    Some(Tier { floor: floor.parse().ok()?, initial, maintenance })
}

/// The margin of an account at Hyperliquid. Initial margin is value ÷ the leverage chosen; without one, ÷ the tier's largest.
///
/// # Errors
///
/// Parameters that do not hold; a coin without tiers, what has no mark or entry, by row.
pub fn hyperliquid(portfolio: &Portfolio, parameters: &Parameters, settle: Currency) -> Result<Tiered, MarginError> {
    parameters.check(portfolio.at)?;
    let rule = |row: usize, position: &Position| hyperliquid_rule(parameters, row, position);
    assess(portfolio, settle, MODEL, parameters.notes(), rule)
}

/// The tiers of a position's coin.
pub(crate) fn hyperliquid_rule(parameters: &Parameters, row: usize, position: &Position) -> Result<Rule, MarginError> {
    linear_perpetual(position, row, MODEL)?;
    parameters.share("transfer_share")?;
    let transfer: Rate = parameters.get("transfer_share")?;
    let table = hyperliquid_tiers(parameters, position.instrument.base)?;
    let parameter = || format!("tier.{},value:largest leverage", position.instrument.base);
    let table = table.ok_or_else(|| position.without_terms(row, MODEL, parameter()))?;
    Ok(Rule { table, limit: None, transfer: Some(transfer), is_chosen: true })
}
