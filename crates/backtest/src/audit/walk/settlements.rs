//! What options are settled at: the mean of their underlying's prices over the last half hour before they expire.

use super::super::finding::{At, Found};
use super::super::live::{id_of, is_venues};
use crate::records::{FillRow, Tables};
use market::{Catalogue, Event};
use std::collections::BTreeMap;
use units::{Duration, OptionRight, Price, Timestamp};

/// Prices that the mean is of.
const WINDOW: Duration = Duration::from_nanos(30 * 60 * 1_000_000_000);

/// Without any of them the last price counts. Where that is older, the tapes may have a forward so much newer that it goes before.
const LAST: Duration = Duration::HOUR;

/// Expiries of which something was settled, and what the tapes say of their underlyings.
#[derive(Default)]
pub(super) struct Settlements {
    /// By expiry and underlying.
    due: BTreeMap<(Timestamp, usize), Prices>,
    /// By symbol, the options that were settled.
    options: BTreeMap<String, Terms>,
}

struct Terms {
    expiry: Timestamp,
    underlying: usize,
    strike: Price,
    right: OptionRight,
    is_inverse: bool,
}

#[derive(Default)]
struct Prices {
    sum: i128,
    count: i128,
    last: Option<Price>,
}

impl Settlements {
    pub(super) fn of(tables: &Tables, catalogue: &Catalogue) -> Self {
        let mut settlements = Self::default();
        for fill in tables.fills.iter().filter(is_settled) {
            let Some(of) = catalogue.instruments.iter().find(|of| of.symbol == fill.instrument) else { continue };
            let (Some((strike, right)), Some(expiry)) = (of.kind.option(), of.kind.expiry()) else { continue };
            let is_own = |index: &usize| {
                let underlying = &catalogue.instruments[*index];
                underlying.kind.is_perpetual() && underlying.venue() == of.venue()
            };
            let tells = || catalogue.prices_of(of.base).map(|instrument| instrument.index());
            let Some(underlying) = tells().find(is_own).or_else(|| tells().next()) else { continue };
            let is_inverse = of.settle == of.base;
            settlements.due.entry((expiry, underlying)).or_default();
            let terms = Terms { expiry, underlying, strike, right, is_inverse };
            settlements.options.insert(fill.instrument.clone(), terms);
        }
        settlements
    }

    /// What an input of the tapes says of underlyings.
    pub(super) fn take_in(&mut self, now: Timestamp, events: &[Event]) {
        let soon = (now, 0)..(now + LAST, 0);
        for ((expiry, underlying), prices) in self.due.range_mut(soon) {
            for event in events {
                let (at, instrument, price) = match event {
                    Event::Bar(bar) => (bar.closed, bar.instrument, bar.close),
                    Event::Trade(trade) => (now, trade.instrument, trade.price),
                    Event::Mark(mark) => (now, mark.instrument, mark.price),
                    _ => continue,
                };
                if instrument.index() != *underlying || at > *expiry {
                    continue;
                }
                prices.last = Some(price);
                if expiry.since(at) < WINDOW {
                    prices.sum += i128::from(price.raw());
                    prices.count += 1;
                }
            }
        }
    }

    /// Every settlement, once the tapes were read.
    pub(super) fn finish(&self, tables: &Tables, found: &mut Found) {
        for (row, fill) in tables.fills.iter().enumerate().filter(|(_, fill)| is_settled(fill)) {
            let Some(terms) = self.options.get(&fill.instrument) else { continue };
            let prices = &self.due[&(terms.expiry, terms.underlying)];
            let mean = || (prices.count > 0).then(|| prices.sum / prices.count);
            let Some(underlying) = mean().or(prices.last.map(|price| price.raw().into())) else { continue };
            let beyond = match terms.right {
                OptionRight::Call => underlying - i128::from(terms.strike.raw()),
                OptionRight::Put => i128::from(terms.strike.raw()) - underlying,
            };
            let won = beyond.max(0);
            let pays = if terms.is_inverse { won * i128::from(Price::ONE) / underlying.max(1) } else { won };
            found.ensure("fill.settlement", i128::from(fill.price.raw()) == pays, At::fill(row, fill), || {
                let told = i64::try_from(underlying).map(Price::from_raw).unwrap_or_default();
                let pays = i64::try_from(pays).map(Price::from_raw).unwrap_or_default();
                format!("settled at {}; of {told}, which the tapes give, it is {pays}", fill.price)
            });
        }
    }
}

/// By the venue: what is left of a structure of which one leg was, goes out for its settlement too.
fn is_settled(fill: &&FillRow) -> bool {
    fill.purpose == "settlement" && id_of(&fill.order).is_some_and(is_venues)
}
