#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail by panicking"))]
//! Instruments, events, commands, orders, fills and positions: the narrow waist that the engine, the
//! simulated exchange and the venues share. Whoever has read [`Event`] has seen everything that can wake the engine.

mod account;
mod conversion;
mod encode;
mod event;
mod instrument;
mod order;
mod quote;
mod steps;

pub use account::{Account, AccountSpec, Balance, Position};
pub use conversion::{Conversion, is_dollar};
pub use event::{
    Bar, CashChange, CashReason, Event, FundingRate, Input, Mark, SeriesPoint, SettlementPrice, Source, Trade,
};
pub use instrument::{Catalogue, Currency, Instrument, InstrumentKind, ParseCurrencyError};
pub use order::{
    CancelReason, Command, Fill, Forced, Liquidity, NewOrder, OrderEvent, OrderKind, OrderState, OrderUpdate,
    RejectReason,
};
pub use quote::OptionQuote;
pub use steps::{PriceStep, PriceSteps, StepsOf};
