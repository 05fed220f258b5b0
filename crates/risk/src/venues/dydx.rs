//! dYdX v4: perpetuals whose initial margin rises with a market's open interest.

use super::tiered::{Rule, assess, linear_perpetual};
use super::{MarginError, Parameters, Portfolio, Position, Tiered};
use crate::{Tier, TierTable};
use market::Currency;
use units::{Notional, Rate, Round};

const MODEL: &str = "dYdX v4";

/// What a class of markets needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DydxClass {
    /// Initial margin while open interest is low.
    pub initial: Rate,
    /// Maintenance margin.
    pub maintenance: Rate,
    /// Open interest from which the initial margin rises, and at which it is 1.
    pub caps: Option<(Notional, Notional)>,
}

impl DydxClass {
    /// The class of a coin's market: rows `market.COIN,CLASS` and `class.CLASS,initial:maintenance as a part of it:lower:upper`, the last
    /// two left out where open interest does not count.
    ///
    /// # Errors
    ///
    /// A class that is missing, or a row that is none. `None`: the coin has no row.
    pub fn new(parameters: &Parameters, coin: Currency) -> Result<Option<Self>, MarginError> {
        let Some(class) = parameters.optional::<String>(&format!("market.{coin}"))? else { return Ok(None) };
        let name = format!("class.{class}");
        let text: String = parameters.get(&name)?;
        let allowed = "initial:maintenance as a part of it, both over 0 and up to 1, then perhaps lower cap:upper cap";
        Self::parse(&text).map(Some).ok_or_else(|| parameters.refuse(&name, &text, allowed))
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let rate = |text: &str| text.parse::<Rate>().ok().filter(|rate| (1..=Rate::ONE).contains(&rate.raw()));
        let (initial, share) = (rate(parts.first()?)?, rate(parts.get(1)?)?);
        let caps = match parts.len() {
            2 => None,
            4 => Some((parts[2].parse::<Notional>().ok()?, parts[3].parse::<Notional>().ok()?)),
            _ => return None,
        };
        // A rate of a rate: both are at 1e-12, rounded up.
        let product = i128::from(initial.raw()) * i128::from(share.raw());
        let maintenance =
            Rate::from_raw(i64::try_from((product + i128::from(Rate::ONE) - 1) / i128::from(Rate::ONE)).ok()?);
        (caps.is_none_or(|(lower, upper)| lower < upper)).then_some(Self { initial, maintenance, caps })
    }

    /// The initial margin rate at an open interest, rounded up at 1e-12: between the caps it goes straight to 1.
    #[must_use]
    pub fn initial_at(&self, open_interest: Notional) -> Rate {
        let Some((lower, upper)) = self.caps else { return self.initial };
        if open_interest >= upper {
            return Rate::from_raw(Rate::ONE);
        }
        let way = (open_interest - lower).max(Notional::ZERO).approximate() / (upper - lower).approximate();
        let rest = Rate::ONE - self.initial.raw();
        let more = Rate::from_estimate(way * Rate::from_raw(rest).approximate(), Round::AwayFromZero)
            .unwrap_or(Rate::from_raw(rest));
        Rate::from_raw((self.initial.raw() + more.raw()).min(Rate::ONE))
    }
}

/// The margin of an account at dYdX v4, given the open interest of each coin's market.
///
/// # Errors
///
/// Parameters that do not hold; a coin without a class, or without open interest where it counts; what has no mark or entry, by row.
pub fn dydx(
    portfolio: &Portfolio,
    parameters: &Parameters,
    settle: Currency,
    open_interest: &[(Currency, Notional)],
) -> Result<Tiered, MarginError> {
    parameters.check(portfolio.at)?;
    let rule = |row: usize, position: &Position| dydx_rule(parameters, open_interest, row, position);
    assess(portfolio, settle, MODEL, parameters.notes(), rule)
}

/// The class of a position's coin.
pub(crate) fn dydx_rule(
    parameters: &Parameters,
    open_interest: &[(Currency, Notional)],
    row: usize,
    position: &Position,
) -> Result<Rule, MarginError> {
    linear_perpetual(position, row, MODEL)?;
    let coin = position.instrument.base;
    let parameter = || format!("market.{coin},class");
    let class = DydxClass::new(parameters, coin)?;
    let class = class.ok_or_else(|| position.without_terms(row, MODEL, parameter()))?;
    let stated = open_interest.iter().find(|(other, _)| *other == coin).map(|(_, value)| *value);
    let initial = match (class.caps, stated) {
        (None, _) => class.initial,
        (Some(_), Some(value)) => class.initial_at(value),
        (Some(_), None) => {
            return Err(MarginError::NoOpenInterest { row, symbol: position.instrument.symbol.clone() });
        }
    };
    let tier = Tier { floor: Notional::ZERO, initial, maintenance: class.maintenance };
    let table = TierTable::new(vec![tier])
        .map_err(|error| parameters.refuse("class", &coin.to_string(), &error.to_string()))?;
    Ok(Rule { table, limit: None, transfer: None, is_chosen: false })
}
