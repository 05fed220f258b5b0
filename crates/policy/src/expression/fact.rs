//! The engine's own facts, as expressions name them.

use super::Unit;
use crate::facts::{self, Fact, FactId, Facts};
use std::fmt;
use units::{Cash, Price, Qty, Ratio, Timestamp};

/// A fact of the strategy, its campaign, its account or the market, that the engine tells with every input.
pub struct OwnFact {
    /// As it is written.
    pub name: &'static str,
    /// What it is.
    pub unit: Unit,
    /// What it means, and when it is not known.
    pub meaning: &'static str,
    /// What it is made of, [`facts::NOW`] where it grows by itself.
    pub(super) reads: &'static [FactId],
    pub(super) value: fn(&Facts) -> Option<f64>,
    /// What it follows, for the quiet region.
    pub(super) follows: Follows,
}

/// What a fact's value follows, so that an interval of the one is an interval of the other.
pub(super) enum Follows {
    /// A slot of fixed point: so many raw units to one.
    Fixed(FactId, f64),
    /// A slot of a double.
    Double(FactId),
    /// The time, from an instant in a slot on.
    Age(Fact<Timestamp>),
    /// The price: at which price the value is this, and whether it rises with the price.
    Price(fn(&Facts, f64) -> Option<(f64, bool)>),
    /// Equity, which it falls with: at which the value is this.
    Equity(fn(&Facts, f64) -> Option<f64>),
    /// Price over equity, or one over both of them.
    Exposure,
    /// Nothing simple: it has to stay as it is.
    Nothing,
}

impl fmt::Debug for OwnFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for OwnFact {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// All of them.
pub fn own_facts() -> impl Iterator<Item = &'static OwnFact> {
    PRICES.iter().chain(&OTHERS)
}

/// The fact of a name.
pub(crate) fn find(name: &str) -> Option<&'static OwnFact> {
    own_facts().find(|fact| fact.name == name)
}

fn price(facts: &Facts, of: Fact<Price>) -> Option<f64> {
    facts.get(of).map(Price::approximate)
}

fn cash(facts: &Facts, of: Fact<Cash>) -> Option<f64> {
    facts.get(of).map(Cash::approximate)
}

fn qty(facts: &Facts, of: Fact<Qty>) -> f64 {
    facts.get(of).unwrap_or(Qty::ZERO).approximate()
}

fn count(facts: &Facts, of: Fact<u32>) -> Option<f64> {
    facts.get(of).map(f64::from)
}

fn bits(facts: &Facts, of: Fact<u32>) -> Option<f64> {
    campaign(facts)?;
    Some(f64::from(facts.get(of).unwrap_or(0).count_ones()))
}

fn age(facts: &Facts, of: Fact<Timestamp>) -> Option<f64> {
    facts.get(of).map(|since| facts.now().since(since).nanos() as f64)
}

/// The side of the open campaign, 1 or -1.
fn campaign(facts: &Facts) -> Option<f64> {
    let held = facts.get(facts::POSITION)?;
    (!held.is_zero()).then(|| if held.signum() > 0 { 1.0 } else { -1.0 })
}

/// Entry fill and R in price, both frozen.
fn entry_and_r(facts: &Facts) -> Option<(f64, f64)> {
    let entry = price(facts, facts::ENTRY)?;
    let r = (entry - price(facts, facts::INITIAL_STOP)?).abs();
    (r > 0.0).then_some((entry, r))
}

fn lost(facts: &Facts, start: Fact<Cash>) -> Option<f64> {
    let (start, equity) = (cash(facts, start)?, cash(facts, facts::EQUITY)?);
    (start > 0.0).then(|| (start - equity) / start)
}

const PRICE_RAW: f64 = Price::ONE as f64;
const QTY_RAW: f64 = Qty::ONE as f64;
const CASH_RAW: f64 = Cash::ONE as f64;

macro_rules! prices {
    ($($name:literal = $fact:ident, $meaning:literal;)*) => {
        [$(OwnFact {
            name: $name,
            unit: Unit::Price,
            meaning: $meaning,
            reads: &[facts::$fact.id()],
            value: |facts| price(facts, facts::$fact),
            follows: Follows::Fixed(facts::$fact.id(), PRICE_RAW),
        }),*]
    };
}

static PRICES: [OwnFact; 9] = prices! {
    "price" = PRICE, "the last price";
    "unit" = UNIT, "the volatility unit N now, in price; `[unit]` says what it is";
    "campaign.entry" = ENTRY, "price of the campaign's entry fill, frozen; not known while flat";
    "campaign.last_fill" = LAST_FILL, "price of the last unit's fill; not known while flat";
    "campaign.unit" = CAMPAIGN_UNIT, "N in price, frozen at entry; not known while flat";
    "campaign.initial_stop" = INITIAL_STOP, "the initial stop, frozen; not known while flat or without `[stop]`";
    "campaign.stop" = STOP, "the stop in force; not known while flat or without `[stop]`";
    "campaign.best" = BEST, "the best price since entry: highest when long, lowest when short; not known while flat";
    "campaign.average" = AVERAGE, "average entry price, as far as adds moved it in favour; not known while flat";
};

static OTHERS: [OwnFact; 17] = [
    OwnFact {
        name: "equity",
        unit: Unit::Money,
        meaning: "equity of the account, in its numéraire",
        reads: &[facts::EQUITY.id()],
        value: |facts| cash(facts, facts::EQUITY),
        follows: Follows::Fixed(facts::EQUITY.id(), CASH_RAW),
    },
    OwnFact {
        name: "drawdown",
        unit: Unit::Number,
        meaning: "how far the account's equity, net of deposits and withdrawals, is under its highest: 10% is a tenth",
        reads: &[facts::DRAWDOWN.id()],
        value: |facts| facts.get(facts::DRAWDOWN).map(Ratio::get),
        follows: Follows::Double(facts::DRAWDOWN.id()),
    },
    OwnFact {
        name: "loss.day",
        unit: Unit::Number,
        meaning: "loss of the UTC day, as a share of the equity that it began with; under 0 for a gain",
        reads: &[facts::DAY_START.id(), facts::EQUITY.id()],
        value: |facts| lost(facts, facts::DAY_START),
        follows: Follows::Equity(|facts, share| cash(facts, facts::DAY_START).map(|start| start * (1.0 - share))),
    },
    OwnFact {
        name: "loss.week",
        unit: Unit::Number,
        meaning: "loss of the UTC week from Monday, likewise",
        reads: &[facts::WEEK_START.id(), facts::EQUITY.id()],
        value: |facts| lost(facts, facts::WEEK_START),
        follows: Follows::Equity(|facts, share| cash(facts, facts::WEEK_START).map(|start| start * (1.0 - share))),
    },
    OwnFact {
        name: "position",
        unit: Unit::Quantity,
        meaning: "what the strategy holds, negative when short; 0 while flat",
        reads: &[facts::POSITION.id()],
        value: |facts| Some(qty(facts, facts::POSITION)),
        follows: Follows::Fixed(facts::POSITION.id(), QTY_RAW),
    },
    OwnFact {
        name: "exposure",
        unit: Unit::Number,
        meaning: "value of what the strategy holds ÷ equity of the account, negative when short; 0 while flat",
        reads: &[
            facts::POSITION.id(),
            facts::PRICE.id(),
            facts::EXPOSURE_PRICE.id(),
            facts::CONTRACT.id(),
            facts::EQUITY.id(),
        ],
        value: |facts| {
            let Some(side) = campaign(facts) else { return Some(0.0) };
            let price = facts.get(facts::EXPOSURE_PRICE).or_else(|| facts.get(facts::PRICE))?;
            let contract = facts.get(facts::CONTRACT).unwrap_or_default();
            let value = contract.approximate_exposure(price, facts.get(facts::POSITION)?.abs());
            let equity = cash(facts, facts::EQUITY)?;
            (equity > 0.0).then(|| side * value / equity)
        },
        follows: Follows::Exposure,
    },
    OwnFact {
        name: "signal",
        unit: Unit::Number,
        meaning: "conviction, from -1 (short) to 1 (long); not known when it is too old",
        reads: &[facts::SIGNAL.id()],
        value: |facts| facts.get(facts::SIGNAL).map(Ratio::get),
        follows: Follows::Double(facts::SIGNAL.id()),
    },
    OwnFact {
        name: "signal.age",
        unit: Unit::Span,
        meaning: "time since the signal was issued anew",
        reads: &[facts::SIGNAL_SINCE.id(), facts::NOW.id()],
        value: |facts| age(facts, facts::SIGNAL_SINCE),
        follows: Follows::Age(facts::SIGNAL_SINCE),
    },
    OwnFact {
        name: "volatility",
        unit: Unit::Number,
        meaning: "annualised volatility that sizing uses; known with `kind = \"volatility_target\"`",
        reads: &[facts::VOLATILITY.id()],
        value: |facts| facts.get(facts::VOLATILITY).map(units::Vol::get),
        follows: Follows::Double(facts::VOLATILITY.id()),
    },
    OwnFact {
        name: "unrealised",
        unit: Unit::Number,
        meaning: "how far the price is from the average entry price, in favour, as a share of its size, of a structure of options \
                  before rolls moved it; not known while flat",
        reads: &[
            facts::AVERAGE.id(),
            facts::PAID.id(),
            facts::EXPOSURE_PRICE.id(),
            facts::PRICE.id(),
            facts::POSITION.id(),
        ],
        value: |facts| {
            let (average, paid) = (price(facts, facts::AVERAGE)?, facts::paid(facts)?.approximate());
            Some(campaign(facts)? * (price(facts, facts::PRICE)? - average) / paid)
        },
        follows: Follows::Price(|facts, share| {
            let (side, average) = (campaign(facts)?, price(facts, facts::AVERAGE)?);
            Some((average + side * share * facts::paid(facts)?.approximate(), side > 0.0))
        }),
    },
    OwnFact {
        name: "unrealised.r",
        unit: Unit::R,
        meaning: "how far the price is from the entry fill, in favour, in R; not known while flat or without `[stop]`",
        reads: &[facts::ENTRY.id(), facts::INITIAL_STOP.id(), facts::PRICE.id(), facts::POSITION.id()],
        value: |facts| {
            let (entry, r) = entry_and_r(facts)?;
            Some(campaign(facts)? * (price(facts, facts::PRICE)? - entry) / r)
        },
        follows: Follows::Price(|facts, multiple| {
            let (side, (entry, r)) = (campaign(facts)?, entry_and_r(facts)?);
            Some((entry + side * multiple * r, side > 0.0))
        }),
    },
    OwnFact {
        name: "campaign.units",
        unit: Unit::Number,
        meaning: "how many units are filled; not known while flat",
        reads: &[facts::UNITS.id(), facts::POSITION.id()],
        value: |facts| bits(facts, facts::UNITS),
        follows: Follows::Nothing,
    },
    OwnFact {
        name: "campaign.rungs",
        unit: Unit::Number,
        meaning: "how many rungs of the ladder are used; not known while flat",
        reads: &[facts::RUNGS_USED.id(), facts::POSITION.id()],
        value: |facts| bits(facts, facts::RUNGS_USED),
        follows: Follows::Nothing,
    },
    OwnFact {
        name: "campaign.age",
        unit: Unit::Span,
        meaning: "time since the entry fill; not known while flat",
        reads: &[facts::OPENED.id(), facts::NOW.id()],
        value: |facts| age(facts, facts::OPENED),
        follows: Follows::Age(facts::OPENED),
    },
    OwnFact {
        name: "campaigns",
        unit: Unit::Number,
        meaning: "how many campaigns have closed",
        reads: &[facts::CLOSED.id()],
        value: |facts| Some(count(facts, facts::CLOSED).unwrap_or(0.0)),
        follows: Follows::Nothing,
    },
    OwnFact {
        name: "campaigns.last_r",
        unit: Unit::R,
        meaning: "net result of the campaign that closed last, in R; not known before one has",
        reads: &[facts::CLOSED_R.id()],
        value: |facts| facts.get(facts::CLOSED_R).map(Ratio::get),
        follows: Follows::Double(facts::CLOSED_R.id()),
    },
    OwnFact {
        name: "campaigns.since",
        unit: Unit::Span,
        meaning: "time since the last campaign closed; not known before one has",
        reads: &[facts::CLOSED_AT.id(), facts::NOW.id()],
        value: |facts| age(facts, facts::CLOSED_AT),
        follows: Follows::Age(facts::CLOSED_AT),
    },
];
