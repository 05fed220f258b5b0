#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail by panicking"))]
//! Instruments, events, commands, orders, fills and positions: the narrow waist that the engine, the
//! simulated exchange and the venues share. Whoever has read [`Event`] has seen everything that can wake the engine.

mod account;
mod encode;
mod event;
mod instrument;
mod order;

pub use account::{Account, Position};
pub use event::{Bar, CashChange, CashReason, Event, FundingRate, Input, Mark, SeriesPoint, Source, Trade};
pub use instrument::{Catalogue, Currency, Instrument, InstrumentKind, ParseCurrencyError};
pub use order::{
    CancelReason, Command, Fill, Liquidity, NewOrder, OrderEvent, OrderKind, OrderState, OrderUpdate, RejectReason,
};
