//! The world without a network: accounts at a simulated venue.
//!
//! Sans-IO and deterministic: [`Exchange::advance`] takes the next market input, [`Exchange::poll`] hands out what the
//! accounts see of it, one delivery at a time, and [`Exchange::command`] may answer between two of them. It speaks the
//! events and commands of a real venue, so that an engine cannot tell; it knows no engine.
//!
//! ```
//! use exchange::{Exchange, ExchangeConfig};
//! use market::{Bar, Catalogue, Command, Event, Instrument, InstrumentKind, NewOrder, OrderKind, Source};
//! use units::{AccountId, InstrumentId, OrderId, Qty, Side, Timestamp};
//!
//! let catalogue = Catalogue {
//!     instruments: vec![Instrument {
//!         symbol: "binance:BTCUSDT-PERP".into(),
//!         kind: InstrumentKind::LinearPerpetual,
//!         base: "BTC".parse()?,
//!         quote: "USDT".parse()?,
//!         settle: "USDT".parse()?,
//!         tick: "0.1".parse()?,
//!         lot: "0.001".parse()?,
//!         min_qty: "0.001".parse()?,
//!     }],
//!     series: vec![],
//! };
//! let mut exchange = Exchange::new(ExchangeConfig::new("10000".parse()?, &catalogue), &catalogue);
//! let minute = |count: i64| Timestamp::from_nanos(count * 60_000_000_000);
//! let bar = |ends, open: &str, close: &str| -> Result<Event, Box<dyn std::error::Error>> {
//!     let (open, close) = (open.parse()?, close.parse()?);
//!     let (opened, closed) = (minute(ends - 1), minute(ends));
//!     let (high, low) = (std::cmp::max(open, close), std::cmp::min(open, close));
//!     Ok(Event::Bar(Bar { instrument: InstrumentId(0), opened, closed, open, high, low, close, volume: Qty::ZERO }))
//! };
//!
//! exchange.advance(minute(1), &[bar(1, "100", "101")?]);
//! while exchange.poll().is_some() {} // the deposit, then the bar itself
//! exchange.command(Command::Place(NewOrder {
//!     id: OrderId(256),
//!     account: AccountId(0),
//!     instrument: InstrumentId(0),
//!     side: Side::Buy,
//!     qty: "1".parse()?,
//!     kind: OrderKind::Market,
//!     reduce_only: false,
//!     exit: false,
//! }));
//! exchange.advance(minute(2), &[bar(2, "101.5", "103")?]);
//! let mut seen = Vec::new();
//! while let Some(input) = exchange.poll() {
//!     seen.push(input.source); // acknowledged, filled at the open, the bar
//! }
//! assert_eq!(seen, [Source::Venue, Source::Venue, Source::Market]);
//! assert_eq!(exchange.account(AccountId(0)).equity().to_string(), "10001.5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod book;
mod client;
mod config;
mod due;
mod execution;
mod fees;
mod flows;
mod funding;
mod options;
mod orders;
mod path;
mod quiet;
mod state;
mod venue;
mod walk;

pub use book::Order;
pub use config::{AccountTerms, ConfigError, ExchangeConfig, OpeningPosition, PathRule};
pub use fees::{FeeSchedule, FeeTier};
pub use flows::{Flow, FlowKind, FlowRefusal, RefusedFlow};
pub use options::{OptionSettlement, OptionTerms, SETTLEMENT_WINDOW, SettlementSource};
pub use path::PathLog;
pub use venue::{Exchange, LIQUIDATION, OPENING, SETTLEMENT};
