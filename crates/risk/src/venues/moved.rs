//! A portfolio after a joint move of prices and volatilities, for its margin there.

use super::portfolio::refused;
use super::{MarginError, Place, Portfolio, Position};
use crate::scenario::{Move, Scenario, VolMove};
use market::{Currency, Instrument, is_dollar};
use pricing::options::{EuropeanOption, Inputs};
use pricing::surface::Sticky;
use units::math::{exp, ln, sqrt};
use units::{Duration, Notional, Price, Round, Timestamp};

const YEAR: f64 = 365.0;

/// The portfolio as a scenario leaves it: indices and forwards moved, futures' marks in proportion, volatilities and time moved, and each
/// option's mark changed by what its Black-76 value changes. Profit that is stated grows by what marks change; funding of perpetuals is
/// taken off it. `vol` gives a coin's volatility a year, for moves told in deviations. `smile` gives the volatility of the expiry of an
/// option (its row) at ln(strike ÷ forward), for smiles that move along with the forward; where it gives none, an option keeps its own.
///
/// # Errors
///
/// What has no mark, forward or volatility and needs one; a coin without a volatility that moves by deviations; what a move throws out of
/// its range; by row.
///
/// ```
/// use risk::scenario::{Move, Scenario, SpotMoves};
/// use risk::venues::{Portfolio, Underlying, moved};
/// let underlyings = vec![Underlying { currency: "BTC".parse().unwrap(), index: 60_000.0, confidence: 1.0 }];
/// let portfolio = Portfolio { underlyings, ..Portfolio::default() };
/// let fall = Scenario { spot: SpotMoves::all(Move::Return(-0.5)), ..Scenario::still("half") };
/// assert_eq!(moved(&portfolio, &fall, |_| None, |_, _| None)?.underlyings[0].index, 30_000.0);
/// # Ok::<(), risk::venues::MarginError>(())
/// ```
pub fn moved(
    portfolio: &Portfolio,
    scenario: &Scenario,
    vol: impl Fn(Currency) -> Option<f64>,
    smile: impl Fn(usize, f64) -> Option<f64>,
) -> Result<Portfolio, MarginError> {
    let factor = |currency: Currency| -> Result<f64, MarginError> {
        let peg = scenario.dollars.iter().find(|(named, _)| *named == currency);
        let by = match (peg, scenario.spot.of(currency)) {
            (Some((_, by)), _) => *by,
            (None, _) if is_dollar(currency) => 0.0,
            (None, Move::Return(by)) => by,
            (None, Move::Deviations(number)) => {
                let row = portfolio.underlyings.iter().position(|known| known.currency == currency);
                let place = row.map_or(Place::Account, Place::Underlying);
                let missing = || MarginError::NoCoinVol { place, currency, scenario: scenario.name.clone() };
                match vol(currency) {
                    Some(vol) => exp(number * vol / sqrt(YEAR)) - 1.0,
                    // A price that nothing here hangs on.
                    None if !is_held(portfolio, currency) => 0.0,
                    None => return Err(missing()),
                }
            }
        };
        Ok(1.0 + by)
    };
    let mut after = portfolio.clone();
    after.at = portfolio.at + scenario.time;
    if scenario.time > Duration::ZERO {
        // Marks are as old as they are; time that passes in a scenario makes none of them stale.
        after.stale_after = None;
    }
    for underlying in &mut after.underlyings {
        underlying.index *= factor(underlying.currency)?;
    }
    // Of what goes by a price in a stablecoin the price is in that.
    let is_pegged = |code: Currency| is_dollar(code) || scenario.dollars.iter().any(|(named, _)| *named == code);
    let quote_factor = |quote: Currency| if is_pegged(quote) { factor(quote) } else { Ok(1.0) };
    for term in &mut after.expiries {
        // And the forward that its options are margined at, which models take for one in what they settle in.
        let on_it = |of: &&Instrument| of.base == term.underlying && of.kind.expiry() == Some(term.expiry);
        let mut quotes = portfolio.positions.iter().filter(|position| on_it(&&position.instrument));
        let quote = quotes.next().map_or(Ok(1.0), |of| quote_factor(of.priced_in()))?;
        term.forward *= factor(term.underlying)? / quote;
    }
    for (row, position) in after.positions.iter_mut().enumerate() {
        let now = &portfolio.positions[row];
        let factor = factor(now.instrument.base)? / quote_factor(now.priced_in())?;
        if now.instrument.kind.is_option() {
            option(position, row, (now, factor), (portfolio, scenario), &smile)?;
        } else if let Some(mark) = now.mark {
            let estimate = mark.approximate() * factor;
            let moved = price(estimate, row, &now.instrument.symbol)?;
            position.mark = Some(moved);
            let contract = now.instrument.kind.contract();
            if let Some(profit) = &mut position.unrealised {
                *profit += contract.profit(now.quantity, mark, moved);
            }
            let paid = if now.instrument.kind.expiry().is_none() { scenario.funding } else { 0.0 };
            if paid != 0.0 {
                let cost = contract.exposure(moved, now.quantity).approximate() * paid;
                let cost = Notional::from_estimate(cost, Round::Nearest)
                    .ok_or(MarginError::TooLarge { place: Place::Position(row) })?
                    .cash();
                position.unrealised = Some(position.profit(row)? - cost);
            }
        }
    }
    Ok(after)
}

/// Whether the account is worth something else when the price of a currency moves.
fn is_held(portfolio: &Portfolio, currency: Currency) -> bool {
    let of = |position: &Position| {
        let Instrument { base, settle, .. } = position.instrument;
        [base, position.priced_in(), settle].contains(&currency)
    };
    portfolio.positions.iter().any(of) || portfolio.balances.iter().any(|balance| balance.currency == currency)
}

fn option(
    position: &mut Position,
    row: usize,
    (now, factor): (&Position, f64),
    (portfolio, scenario): (&Portfolio, &Scenario),
    smile: &impl Fn(usize, f64) -> Option<f64>,
) -> Result<(), MarginError> {
    let (Some((strike, right)), Some(expiry)) = (now.instrument.kind.option(), now.instrument.kind.expiry()) else {
        return Ok(());
    };
    if now.vol.is_none() && scenario.vol == VolMove::NONE && factor == 1.0 && scenario.time == Duration::ZERO {
        return Ok(());
    }
    let vol = now.needed_vol(row)?;
    let (forward, rate) = match portfolio.term(row, &now.instrument, expiry) {
        Ok(term) => (term.forward, term.rate),
        // A model that needs no forward has only the index.
        Err(_) => (portfolio.underlying(Place::Position(row), now.instrument.base)?.index, 0.0),
    };
    let days = days_left(portfolio.at, expiry);
    let is_inverse = now.instrument.settle == now.instrument.base;
    let log_moneyness = ln(strike.approximate() / forward);
    let by = if scenario.sticky == Sticky::Moneyness { ln(factor) } else { 0.0 };
    let follow = match (smile(row, log_moneyness - by), smile(row, log_moneyness)) {
        (Some(there), Some(here)) if by != 0.0 => there - here,
        _ => 0.0,
    };
    let after = scenario.vol.apply(vol + follow, days, log_moneyness);
    position.vol = Some(after);
    let Some(mark) = now.mark else { return Ok(()) };
    let place = Place::Position(row);
    let value = |forward: f64, vol: f64, days: f64| -> Result<f64, MarginError> {
        let years = days / YEAR;
        let discount = if is_inverse { 1.0 } else { exp(-rate * years) };
        let inputs = Inputs { forward, strike: strike.approximate(), years, vol, discount };
        let priced = EuropeanOption::new(right, inputs)
            .map_err(|refusal| refused(place, &now.instrument.symbol, refusal))?
            .greeks()
            .price;
        Ok(if is_inverse { priced / forward } else { priced })
    };
    let later = days_left(portfolio.at + scenario.time, expiry);
    let change = value(forward * factor, after, later)? - value(forward, vol, days)?;
    position.mark = Some(price((mark.approximate() + change).max(0.0), row, &now.instrument.symbol)?);
    Ok(())
}

fn days_left(at: Timestamp, expiry: Timestamp) -> f64 {
    expiry.since(at).days().max(0.0)
}

fn price(value: f64, row: usize, symbol: &str) -> Result<Price, MarginError> {
    let what = || format!("the moved price of {symbol}");
    let allowed = || format!("0 to {}", Price::MAX);
    let (place, found) = (Place::Position(row), Price::from_estimate(value, Round::Nearest));
    found.ok_or_else(|| MarginError::Number { place, what: what(), value, allowed: allowed() })
}
