//! Quotes of a chain as they would be where its underlying, its volatilities or the time are others.
//!
//! Each option keeps the volatility of its own price, and each side of its quote the distance from it, in proportion: the forwards move
//! together, and so does what trades on the same coin.

use super::copies::{Answered, Copies};
use super::search::changes;
use super::{Action, Trigger};
use crate::Error;
use engine::Engine;
use market::{Catalogue, Currency, Event, InstrumentKind, OptionQuote, Trade};
use pricing::options::functions::{ln, normal_distribution};
use pricing::options::total_deviation;
use risk::chain::Chain;
use units::{Duration, InstrumentId, OptionRight, Price, Qty, Round, StrategyId, Timestamp};

/// The underlying moves by ten-thousandths of its price; answers are compared each so many of them, and so far out.
const PLACE: f64 = 1e-4;
const STEP: i64 = 50;
const REACH: i64 = 3_000;
/// The same of all volatilities together, up to threefold and down to a third.
const VOLATILITY_STEP: i64 = 400;
const VOLATILITY_REACH: (i64, i64) = (-6_667, 20_000);
/// Time passes in steps of an hour, to a day behind the first expiry of what is held, at least and at most so far ahead.
pub(super) const HOUR: Duration = Duration::HOUR;
const HOURS_MIN: i64 = 7 * 24;
const HOURS_MAX: i64 = 100 * 24;

/// One option as it is quoted.
struct Row {
    quote: OptionQuote,
    right: OptionRight,
    strike: f64,
    tick: Price,
    expiry: Timestamp,
    forward: f64,
    /// Of the logarithm of its price until it expires; nothing where its price tells none.
    deviation: f64,
    /// What it is valued at, in what it is quoted in.
    value: f64,
}

/// What stands on one coin.
pub(super) struct Quoted {
    at: Timestamp,
    in_coin: bool,
    rows: Vec<Row>,
    /// Instruments that trade on the coin beside the options, with their marks and grids.
    others: Vec<(InstrumentId, Price, Price)>,
    /// The forward of the first expiry that is held, or else of the first that is quoted.
    pub(super) underlying: Price,
    /// The volatility of its option nearest to the money.
    pub(super) volatility: f64,
    /// When the first leg that is held expires.
    pub(super) expires: Option<Timestamp>,
}

/// What of it is another, each as a factor.
#[derive(Debug, Clone, Copy)]
struct Moves {
    underlying: f64,
    volatility: f64,
    after: Duration,
}

impl Quoted {
    /// The chain that a structure's options are of. `None`: nothing of it is quoted.
    pub(super) fn of(
        (engine, catalogue): (&Engine, &Catalogue),
        (at, strategy): (Timestamp, StrategyId),
        base: Currency,
        chain: &str,
    ) -> Option<Self> {
        let of_chain = |known: &&Chain| {
            let first = known.expiries().first().and_then(|expiry| expiry.options().first());
            let symbol = first.map(|option| catalogue.instruments[option.instrument.index()].symbol.as_str());
            symbol.is_some_and(|symbol| symbol.strip_prefix(chain).is_some_and(|rest| rest.starts_with('-')))
        };
        let known = engine.chains().chains().iter().find(of_chain)?;
        let in_coin = known.is_in_coin();
        let mut rows = Vec::new();
        for expiry in known.expiries().iter().filter(|expiry| expiry.at() > at) {
            let Some(forward) = expiry.forward().map(Price::approximate).filter(|forward| *forward > 0.0) else {
                continue;
            };
            for option in expiry.options().iter().filter(|option| option.quoted != Timestamp::MIN) {
                let Some(value) = option.value.map(Price::approximate) else { continue };
                let strike = option.strike.approximate();
                let paid = if in_coin { value * forward } else { value };
                let exercise = ((forward - strike) * option.right.sign()).max(0.0);
                let time_value = (paid - exercise) / (forward * strike).sqrt();
                let deviation = total_deviation(ln(forward / strike), time_value).unwrap_or(0.0);
                rows.push(Row {
                    quote: option.quote,
                    right: option.right,
                    strike,
                    tick: option.tick,
                    expiry: expiry.at(),
                    forward,
                    deviation,
                    value,
                });
            }
        }
        let held = |strategy: StrategyId| {
            let legs = engine.holdings().filter(move |(of, _, _, qty)| *of == strategy && !qty.is_zero());
            legs.filter_map(|(_, _, leg, _)| catalogue.instruments[leg.index()].kind.expiry()).min()
        };
        let expires = held(strategy);
        let of_first = |row: &&Row| expires.is_none_or(|expires| row.expiry == expires) && row.deviation > 0.0;
        let first = rows.iter().filter(of_first).map(|row| row.expiry).min()?;
        let away = |row: &&Row| (row.strike / row.forward - 1.0).abs();
        let nearest = rows
            .iter()
            .filter(|row| row.expiry == first && row.deviation > 0.0)
            .min_by(|a, b| away(a).total_cmp(&away(b)))?;
        let underlying = Price::from_estimate(nearest.forward, Round::Nearest)?;
        let volatility = nearest.deviation / (first.since(at).days() / 365.0).sqrt();
        let trades = |kind: InstrumentKind| !kind.is_option() && kind != InstrumentKind::Structure;
        let others = catalogue.instruments.iter().enumerate().filter_map(|(index, known)| {
            let id = InstrumentId(index as u32);
            let mark = engine.account(engine.account_of(id)).mark(index);
            (known.base == base && trades(known.kind) && !mark.is_zero()).then_some((id, mark, known.tick))
        });
        Some(Self { at, in_coin, others: others.collect(), rows, underlying, volatility, expires })
    }

    /// What an hour later is told where nothing moves.
    pub(super) fn still(&self) -> Vec<Event> {
        self.events(Moves { underlying: 1.0, volatility: 1.0, after: HOUR })
    }

    /// All that would be told then.
    fn events(&self, moves: Moves) -> Vec<Event> {
        let now = self.at + moves.after;
        let moved = |price: Price, tick: Price| {
            let there = Price::from_estimate(price.approximate() * moves.underlying, Round::Nearest).unwrap_or(price);
            there.to_tick(tick, Round::Nearest).max(tick)
        };
        let trades = self.others.iter().map(|(instrument, mark, tick)| {
            Event::Trade(Trade { instrument: *instrument, price: moved(*mark, *tick), qty: Qty::ZERO })
        });
        let quotes = self.rows.iter().filter(|row| row.expiry > now);
        trades.chain(quotes.map(|row| Event::OptionQuote(self.quote(row, moves, now)))).collect()
    }

    fn quote(&self, row: &Row, moves: Moves, now: Timestamp) -> OptionQuote {
        let forward = row.forward * moves.underlying;
        let left = row.expiry.since(now).nanos() as f64 / row.expiry.since(self.at).nanos() as f64;
        let paid = black(row.right, forward, row.strike, row.deviation * moves.volatility * left.sqrt());
        let value = if self.in_coin { paid / forward } else { paid };
        // Where its own price told no volatility it is as far from the new value as from the old one.
        let by = value
            - match row.deviation > 0.0 {
                true => row.value,
                false => {
                    let exercise = ((row.forward - row.strike) * row.right.sign()).max(0.0);
                    if self.in_coin { exercise / row.forward } else { exercise }
                }
            };
        let share = if row.deviation > 0.0 && row.value > 0.0 { value / row.value } else { 1.0 };
        let side = |price: Option<Price>| {
            let price = price?.approximate();
            let moved = if share == 1.0 { price + by } else { price * share };
            let there = Price::from_estimate(moved, Round::Nearest)?.to_tick(row.tick, Round::Nearest);
            (there.raw() > 0).then_some(there)
        };
        let of = &row.quote;
        let mark = of.mark().and_then(|mark| {
            let moved = if share == 1.0 { mark.approximate() + by } else { mark.approximate() * share };
            Price::from_estimate(moved.max(0.0), Round::Nearest)
        });
        OptionQuote::empty(of.instrument)
            .with_bid(side(of.bid()), of.bid_qty())
            .with_ask(side(of.ask()), of.ask_qty())
            .with_mark(mark)
            .with_underlying(
                of.underlying()
                    .and_then(|told| Price::from_estimate(told.approximate() * moves.underlying, Round::Nearest)),
            )
            .with_open_interest(of.open_interest())
    }
}

/// The undiscounted price of an option on a forward, by the standard deviation of its logarithm.
fn black(right: OptionRight, forward: f64, strike: f64, deviation: f64) -> f64 {
    let sign = right.sign();
    if deviation <= 0.0 {
        return ((forward - strike) * sign).max(0.0);
    }
    let first = ln(forward / strike) / deviation + deviation / 2.0;
    sign * (forward * normal_distribution(sign * first) - strike * normal_distribution(sign * (first - deviation)))
}

impl Copies<'_> {
    /// What a structure does as its underlying moves, as all volatilities do, and as time passes.
    pub(super) fn of_options(&self, quoted: &Quoted) -> Result<Vec<Action>, Error> {
        let still = Moves { underlying: 1.0, volatility: 1.0, after: HOUR };
        let at = self.at + HOUR;
        let ask = |moves: Moves| -> Result<Option<Answered>, Error> {
            Ok(Some(self.ask_at(&mut self.engine()?, self.at + moves.after, &quoted.events(moves))))
        };
        let Some(anyway) = ask(still)? else { return Ok(Vec::new()) };
        let mut actions = Vec::new();
        for side in [-1, 1] {
            let of = |place: i64| Moves { underlying: 1.0 + PLACE * place as f64, ..still };
            let places =
                [1, 10].into_iter().chain((1..=REACH / STEP).map(|step| step * STEP)).map(|place| side * place);
            for (place, answered) in changes(places, &anyway, self.lot, &mut |place| ask(of(place)))? {
                let there = quoted.underlying.approximate() * of(place).underlying;
                let price = Price::from_estimate(there, Round::Nearest).unwrap_or_default();
                actions.push(self.action(&answered, Trigger::Underlying { price, now: quoted.underlying, at }));
            }
        }
        let distance = |action: &Action| match action.trigger {
            Trigger::Underlying { price, now, .. } => (price - now).abs(),
            _ => Price::ZERO,
        };
        actions.sort_by_key(distance);
        actions.extend(self.options_by_time(quoted)?);
        for side in [-1, 1] {
            let of = |place: i64| Moves { volatility: 1.0 + PLACE * place as f64, ..still };
            let end = if side < 0 { -VOLATILITY_REACH.0 } else { VOLATILITY_REACH.1 };
            let places = [10, 100].into_iter().chain((1..=end / VOLATILITY_STEP).map(|step| step * VOLATILITY_STEP));
            let places = places.map(|place| side * place);
            for (place, answered) in changes(places, &anyway, self.lot, &mut |place| ask(of(place)))? {
                let (name, now) = ("implied volatility".to_owned(), quoted.volatility);
                let trigger = Trigger::Series { name, now, value: now * of(place).volatility };
                actions.push(self.action(&answered, trigger));
            }
        }
        Ok(actions)
    }

    /// What is done as hours pass and nothing else moves, up to the first thing that changes what is held, rolls and expiries among them.
    fn options_by_time(&self, quoted: &Quoted) -> Result<Vec<Action>, Error> {
        let mut engine = self.engine()?;
        let (mut actions, mut last) = (Vec::new(), Vec::new());
        let behind = quoted.expires.map_or(0, |expires| expires.since(self.at).nanos() / HOUR.nanos() + 24);
        for hour in 1..=behind.clamp(HOURS_MIN, HOURS_MAX) {
            let after = Duration::from_nanos(hour * HOUR.nanos());
            let moves = Moves { underlying: 1.0, volatility: 1.0, after };
            let answered = self.ask_at(&mut engine, self.at + after, &quoted.events(moves));
            if !answered.kinds.is_empty() && answered.kinds != last {
                actions.push(self.action(&answered, Trigger::Time { at: self.at + after }));
                if answered.command.is_some() {
                    break;
                }
            }
            last = answered.kinds;
        }
        Ok(actions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call and a put of one strike differ by forward less strike, and a far call is worth its forward less its strike.
    #[test]
    fn prices_keep_parity() {
        for (forward, strike, deviation) in [(100.0, 90.0, 0.3), (100.0, 140.0, 0.1), (60_000.0, 60_000.0, 1.0)] {
            let [call, put] =
                [OptionRight::Call, OptionRight::Put].map(|right| black(right, forward, strike, deviation));
            assert!((call - put - (forward - strike)).abs() < 1e-9 * forward, "{call} {put}");
        }
        // Haug, The Complete Guide to Option Pricing Formulas, Black-76: 1.7011 with F = X = 19, T = 0.75, r = 10 %, vol 28 %.
        let told = black(OptionRight::Call, 19.0, 19.0, 0.28 * 0.75_f64.sqrt()) * (-0.075_f64).exp();
        assert!((told - 1.7011).abs() < 5e-5, "{told}");
    }
}
