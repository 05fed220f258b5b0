//! When and how orders go out, and what holds them back.

use super::{currencies, is_dollar};
use crate::expression::Expression;
use crate::facts::Code;
use units::{Cash, Contract, Duration, Price, Qty, Ratio, Round, Timestamp};

/// When a change is worth an order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trade {
    /// No discretionary trade within this share of the full-signal base size.
    pub buffer: Option<Ratio>,
    /// Trade to the buffer's edge or to the target itself.
    pub buffer_to: BufferTo,
    /// Smallest order; the instrument's own minimum holds as well.
    pub min_order: Option<Qty>,
    /// A remainder smaller than this is closed.
    pub dust: Option<OrderSize>,
}

/// How large an order or a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderSize {
    /// As the instrument counts.
    Qty(Qty),
    /// An amount of the base currency.
    Base(Qty),
    /// A value in the quote currency.
    Quote(Cash),
    /// A value in a currency that some instrument may not be quoted in: translated into its quote currency at the market.
    Worth(Cash, Code),
}

impl OrderSize {
    /// The same for one instrument of a policy, or the one that it hedges with: an amount is of the currency that it was written in, which
    /// is the quote or base currency of the policy's `own` instruments. Dollars of all kinds are alike.
    #[must_use]
    pub fn of(self, own: &[String], instrument: &str) -> Self {
        let Some((base, quote)) = currencies(instrument) else { return self };
        let written = match self {
            Self::Qty(_) => None,
            Self::Base(qty) => own.first().and_then(|own| super::base(own)).map(|code| (in_cash(qty), Code::new(code))),
            Self::Quote(value) => super::shared_quote(own).map(|code| (value, Code::new(code))),
            Self::Worth(value, code) => Some((value, code)),
        };
        let Some((value, code)) = written else { return self };
        if Code::new(quote) == code || (is_dollar(quote) && is_dollar(code.as_str())) {
            Self::Quote(value)
        } else if Code::new(base) == code {
            let one = Price::from_raw(Price::ONE);
            // What no quantity can hold limits nothing.
            Self::Base(value.notional().qty_at(one, Round::TowardZero).unwrap_or(Qty::MAX))
        } else {
            Self::Worth(value, code)
        }
    }

    /// As a quantity of an instrument at a price. `None`: it does not fit, or its value has to be translated first.
    #[must_use]
    pub fn at(self, contract: Contract, price: Price, round: Round) -> Option<Qty> {
        match (self, contract) {
            (Self::Qty(qty), _) | (Self::Base(qty), Contract::Linear) => Some(qty),
            (Self::Base(qty), Contract::Inverse) => (price * qty).qty_at(Price::from_raw(Price::ONE), round),
            (Self::Quote(value), Contract::Linear) => value.notional().qty_at(price, round),
            (Self::Worth(..), _) => None,
            // The quantity of an inverse contract counts the quote currency.
            (Self::Quote(value), Contract::Inverse) => value.notional().qty_at(Price::from_raw(Price::ONE), round),
        }
    }
}

/// A quantity of a currency as an amount of it.
fn in_cash(qty: Qty) -> Cash {
    (Price::from_raw(Price::ONE) * qty).cash()
}

/// How far trouble has gone (SEMANTICS, Modes). Where none is said all is normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing is opened or added; what is held may get smaller.
    ReduceOnly,
    /// Nothing new goes out but exits; protective orders go on resting.
    Hold,
    /// Everything is closed.
    Flatten,
}

impl Mode {
    /// All of them, from the mildest.
    pub const ALL: [Self; 3] = [Self::ReduceOnly, Self::Hold, Self::Flatten];

    /// As people read it: reduce-only.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReduceOnly => "reduce-only",
            Self::Hold => "hold",
            Self::Flatten => "flatten",
        }
    }

    /// The name of its rule and of its key: `reduce_only`.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::ReduceOnly => "reduce_only",
            Self::Hold => "hold",
            Self::Flatten => "flatten",
        }
    }
}

/// `[modes]`: when trading degrades.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Modes {
    /// The condition of each mode, as [`Mode::ALL`] orders them.
    pub when: [Option<Expression>; 3],
    /// How long a mode stays in force behind its condition.
    pub restore_after: Duration,
    /// Hold while the price is older.
    pub stale_after: Option<Duration>,
}

impl Modes {
    /// The modes that have a condition.
    pub fn conditions(&self) -> impl Iterator<Item = (Mode, &Expression)> {
        Mode::ALL.into_iter().zip(&self.when).filter_map(|(mode, when)| Some((mode, when.as_ref()?)))
    }
}

/// How orders may go out. Nothing here holds an exit back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Guards {
    /// Increases are not filled worse than the last price by more than this share of it.
    pub price_collar: Option<Ratio>,
    /// A larger increase goes out in pieces, one a decision.
    pub max_order: Option<OrderSize>,
    /// Increases and discretionary changes wait while so many orders were sent within a time.
    pub max_orders: Option<OrderRate>,
    /// Windows in which nothing is increased and no discretionary trade is made.
    pub blackout: Vec<Blackout>,
}

/// So many orders within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRate {
    /// Orders.
    pub count: u32,
    /// The time, counted back from now.
    pub per: Duration,
}

/// A window in UTC, its end not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blackout {
    /// Every day from one time since midnight to another; where the second is the earlier one, over midnight.
    Daily {
        /// Begin.
        from: Duration,
        /// End.
        to: Duration,
    },
    /// Every week from one time since Monday's midnight to another; where the second is the earlier one, over it.
    Weekly {
        /// Begin.
        from: Duration,
        /// End.
        to: Duration,
    },
    /// Once.
    Once {
        /// Begin.
        from: Timestamp,
        /// How long.
        lasts: Duration,
    },
}

impl Blackout {
    /// When the window that an instant is in ends; `None`: it is in none.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        let recurring = |now: Timestamp, period: Duration, shift: Duration, from: Duration, to: Duration| {
            let begin = (now - shift).floor(period) + shift;
            let since = now.since(begin);
            let end = match from < to {
                true => (from <= since && since < to).then_some(begin + to),
                false if since < to => Some(begin + to),
                false => (since >= from).then_some(begin + period + to),
            };
            end.filter(|end| *end > now)
        };
        let (day, week) = (Duration::DAY, Duration::from_nanos(7 * Duration::DAY.nanos()));
        match self {
            Self::Daily { from, to } => recurring(now, day, Duration::ZERO, from, to),
            // The first Monday since 1970 was its fifth day.
            Self::Weekly { from, to } => recurring(now, week, Duration::from_nanos(4 * day.nanos()), from, to),
            Self::Once { from, lasts } => (from <= now && now < from + lasts).then_some(from + lasts),
        }
    }

    /// When the next window begins after an instant that is in none. `None`: never again.
    #[must_use]
    pub fn begin(self, now: Timestamp) -> Option<Timestamp> {
        let recurring = |period: Duration, shift: Duration, from: Duration| {
            let begin = (now - shift).floor(period) + shift + from;
            if begin > now { begin } else { begin + period }
        };
        let (day, week) = (Duration::DAY, Duration::from_nanos(7 * Duration::DAY.nanos()));
        match self {
            Self::Daily { from, .. } => Some(recurring(day, Duration::ZERO, from)),
            Self::Weekly { from, .. } => Some(recurring(week, Duration::from_nanos(4 * day.nanos()), from)),
            Self::Once { from, .. } => Some(from).filter(|from| *from > now),
        }
    }
}

/// Where a trade that leaves the buffer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BufferTo {
    /// To its edge.
    #[default]
    Edge,
    /// To the target.
    Centre,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    /// An amount means the same for an instrument of the policy and for one that it hedges with.
    #[test]
    fn an_amount_keeps_its_currency_in_every_instrument() {
        let (structure, linear) = ("deribit:BTC-STRUCTURE.calls", "binance:ETHUSDT-PERP");
        let (coins, dollars): (Qty, Cash) = ("0.7".parse().unwrap(), "35000".parse().unwrap());
        let of = |size: OrderSize, own: &str, instrument: &str| size.of(&[own.to_owned()], instrument);
        let in_btc = OrderSize::Worth("0.7".parse().unwrap(), Code::new("BTC"));
        for size in [OrderSize::Quote("0.7".parse().unwrap()), OrderSize::Base(coins), in_btc] {
            assert_eq!(of(size, structure, structure), OrderSize::Quote("0.7".parse().unwrap()));
            let hedge = of(size, structure, "deribit:BTC-PERPETUAL");
            assert_eq!(hedge, OrderSize::Base(coins));
            let price = "50000".parse().unwrap();
            assert_eq!(hedge.at(Contract::Inverse, price, Round::TowardZero), Some("35000".parse().unwrap()));
        }
        let eth = OrderSize::Base(coins);
        assert_eq!(of(eth, linear, linear), eth);
        assert_eq!(of(eth, linear, "binance:BTCUSDT-PERP"), OrderSize::Worth("0.7".parse().unwrap(), Code::new("ETH")));
        // Dollars of all kinds are alike.
        assert_eq!(of(OrderSize::Quote(dollars), linear, "deribit:BTC-PERPETUAL"), OrderSize::Quote(dollars));
        // A quantity is one of whatever it is of.
        assert_eq!(of(OrderSize::Qty(coins), structure, linear), OrderSize::Qty(coins));
    }
}
