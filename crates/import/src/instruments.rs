//! What the importer knows about instruments.

use crate::ImportError;
use crate::symbol::{Form, Parts, parts};
use market::{Currency, Instrument, InstrumentKind};
use std::fmt;
use units::{Duration, Price, Qty, Timestamp};

/// Kept small and checked by hand; everything else comes with `--tick` and `--lot`.
const TABLE: &str = include_str!("../data/instruments.csv");

/// Venues whose contracts in dollars settle in coin, and which deliver at [`DELIVERY`].
const USUAL: [&str; 4] = ["binance", "bybit", "deribit", "okx"];
/// Eight in the morning, UTC.
const DELIVERY: Duration = Duration::from_nanos(8 * Duration::HOUR.nanos());

/// How the value of an instrument follows its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractKind {
    /// The coin itself.
    Spot,
    /// A contract that settles in its quote currency.
    Linear,
    /// A contract that settles in its base currency.
    Inverse,
}

impl fmt::Display for ContractKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Spot => "spot",
            Self::Linear => "linear",
            Self::Inverse => "inverse",
        })
    }
}

/// What is said of an instrument beside its symbol. The rest comes from the symbol and the built-in table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Needed for contracts in dollars where the venue does not tell.
    pub kind: Option<ContractKind>,
    /// When a dated future is settled; a midnight stands for the day.
    pub expiry: Option<Timestamp>,
    /// What it settles in.
    pub settle: Option<Currency>,
    /// Price grid.
    pub tick: Option<Price>,
    /// Quantity grid.
    pub lot: Option<Qty>,
    /// Smallest order.
    pub min_qty: Option<Qty>,
}

/// The specification of an instrument by its symbol, as `docs/symbols.md` has it, and by what is said beside it.
///
/// Grids come from the built-in table; those of `terms` go before it, and must be given where it has no entry.
///
/// ```
/// use import::Terms;
/// use market::InstrumentKind;
///
/// let known = import::instrument("deribit:BTC-27DEC24", &Terms::default())?;
/// assert_eq!(known.kind, InstrumentKind::InverseFuture { expiry: "2024-12-27T08:00:00Z".parse().unwrap() });
/// assert_eq!((known.settle.as_str(), known.tick.to_string()), ("BTC", "2.5".into()));
/// let error = import::instrument("binance:DOGEUSDT-PERP", &Terms::default()).unwrap_err();
/// assert!(error.to_string().contains("--tick"));
/// # Ok::<(), import::ImportError>(())
/// ```
pub fn instrument(symbol: &str, terms: &Terms) -> Result<Instrument, ImportError> {
    let parts = parts(symbol).ok_or_else(|| {
        refuse(format!(
            "`{symbol}` is no instrument; write `venue:PAIR` and what it is, such as `binance:BTCUSDT-PERP`, \
             `okx:BTC-USDT-SWAP`, `deribit:BTC-27DEC24` or `binance:BTCUSDT-SPOT` (docs/symbols.md)"
        ))
    })?;
    let base = currency(symbol, parts.base)?;
    let quote = quote(symbol, &parts, terms)?;
    let contract = contract(symbol, &parts, quote, terms)?;
    let kind = kind(symbol, &parts, contract, terms)?;
    // What is paid for an inverse option is coin.
    let quote = if matches!(kind, InstrumentKind::InverseOption { .. }) { base } else { quote };
    let settle = if contract == ContractKind::Inverse { base } else { quote };
    if let Some(wanted) = terms.settle.filter(|wanted| *wanted != settle) {
        let (noun, side) = match contract {
            ContractKind::Spot => ("a spot pair", "quote"),
            ContractKind::Linear => ("a linear contract", "quote"),
            ContractKind::Inverse => ("an inverse contract", "base"),
        };
        return Err(refuse(format!(
            "`{symbol}`: {noun} settles in its {side} currency, {settle}, not in {wanted}; correct `--settle` or `--kind`"
        )));
    }
    let known = grids(parts.venue, name(kind), base, quote);
    let (Some(tick), Some(lot)) =
        (terms.tick.or(known.map(|known| known.tick)), terms.lot.or(known.map(|known| known.lot)))
    else {
        return Err(unknown(symbol, &parts, terms));
    };
    let its_lot = known.filter(|known| known.lot == lot);
    let min_qty = terms.min_qty.or(its_lot.map(|known| known.min_qty)).unwrap_or(lot);
    if tick <= Price::ZERO || lot <= Qty::ZERO {
        return Err(refuse(format!("a grid of `{symbol}` is not above zero; check `--tick` and `--lot`")));
    }
    if min_qty < lot {
        return Err(refuse(format!(
            "the smallest order of `{symbol}`, {min_qty}, is under its quantity grid of {lot}; check `--min-qty` and `--lot`"
        )));
    }
    Ok(Instrument { symbol: symbol.to_owned(), kind, base, quote, settle, tick, lot, min_qty })
}

fn refuse(text: String) -> ImportError {
    ImportError::Instrument(text)
}

fn currency(symbol: &str, code: &str) -> Result<Currency, ImportError> {
    code.parse().map_err(|error| refuse(format!("`{symbol}`: `{code}` cannot be kept: {error}")))
}

/// What prices are in.
fn quote(symbol: &str, parts: &Parts<'_>, terms: &Terms) -> Result<Currency, ImportError> {
    match (parts.quote, terms.settle) {
        (Some(quote), _) => currency(symbol, quote),
        // A contract that may settle in coin is in dollars, and its symbol says so.
        (None, Some(settle)) if settle.as_str() != parts.base && terms.kind != Some(ContractKind::Inverse) => {
            Ok(settle)
        }
        (None, _) => Err(refuse(format!(
            "`{symbol}` does not tell what its prices are in; a linear contract settles in that: say `--settle USDC`, or write \
             the pair in full"
        ))),
    }
}

fn contract(symbol: &str, parts: &Parts<'_>, quote: Currency, terms: &Terms) -> Result<ContractKind, ImportError> {
    let is_spot = parts.form == Form::Spot;
    let settles_in_coin = terms.settle.map(|settle| settle.as_str() == parts.base);
    match terms.kind {
        Some(ContractKind::Spot) if !is_spot => Err(refuse(format!(
            "`{symbol}` is {} by its symbol, not spot; the spot pair is `{}:{}{quote}-SPOT`",
            match parts.form {
                Form::Perpetual => "a perpetual",
                Form::Option { .. } => "an option",
                Form::Spot | Form::Dated(_) => "a dated future",
            },
            parts.venue,
            parts.base
        ))),
        Some(kind @ (ContractKind::Linear | ContractKind::Inverse)) if is_spot => {
            let pair = format!("{}:{}{quote}", parts.venue, parts.base);
            Err(refuse(format!(
                "`{symbol}` is a spot pair by its symbol, not {kind}; a perpetual is `{pair}-PERP`, a dated future `{pair}-240628`"
            )))
        }
        _ if is_spot => Ok(ContractKind::Spot),
        Some(ContractKind::Inverse) if quote != Currency::USD => Err(refuse(format!(
            "`{symbol}` is in {quote}; only contracts in USD are inverse: correct `--kind` or the symbol"
        ))),
        Some(kind) => Ok(kind),
        None if quote != Currency::USD => Ok(ContractKind::Linear),
        None => match settles_in_coin {
            Some(true) => Ok(ContractKind::Inverse),
            Some(false) => Ok(ContractKind::Linear),
            None if USUAL.contains(&parts.venue) => Ok(ContractKind::Inverse),
            None => Err(refuse(format!(
                "`{symbol}` may settle in USD or in {}, and {} is no venue of which that is known; say `--kind linear` or `--kind \
                 inverse`",
                parts.base, parts.venue
            ))),
        },
    }
}

fn kind(symbol: &str, parts: &Parts<'_>, contract: ContractKind, terms: &Terms) -> Result<InstrumentKind, ImportError> {
    let is_inverse = contract == ContractKind::Inverse;
    match (parts.form, terms.expiry) {
        (Form::Spot, None) => Ok(InstrumentKind::Spot),
        (Form::Perpetual, None) if is_inverse => Ok(InstrumentKind::InversePerpetual),
        (Form::Perpetual, None) => Ok(InstrumentKind::LinearPerpetual),
        (Form::Dated(day), expiry) => {
            let expiry = delivery(symbol, parts.venue, day, expiry)?;
            Ok(if is_inverse {
                InstrumentKind::InverseFuture { expiry }
            } else {
                InstrumentKind::LinearFuture { expiry }
            })
        }
        (Form::Option { day, strike, right }, expiry) => {
            let expiry = delivery(symbol, parts.venue, day, expiry)?;
            Ok(if is_inverse {
                InstrumentKind::InverseOption { expiry, strike, right }
            } else {
                InstrumentKind::LinearOption { expiry, strike, right }
            })
        }
        (Form::Spot, Some(_)) => {
            Err(refuse(format!("`{symbol}` is spot, which does not expire; leave out `--expiry`, or name the future")))
        }
        (Form::Perpetual, Some(_)) => Err(refuse(format!(
            "`{symbol}` is a perpetual, which does not expire; leave out `--expiry`, or name the future by its date, \
             `binance:BTCUSDT-240628`"
        ))),
    }
}

/// When the future of a day is settled.
fn delivery(symbol: &str, venue: &str, day: Timestamp, expiry: Option<Timestamp>) -> Result<Timestamp, ImportError> {
    if let Some(expiry) = expiry.filter(|expiry| expiry.floor(Duration::DAY) != day) {
        return Err(refuse(format!(
            "`{symbol}` expires on {}, not at {expiry}; correct `--expiry` or the symbol",
            day.date()
        )));
    }
    match expiry.filter(|expiry| *expiry != day) {
        Some(expiry) => Ok(expiry),
        None if USUAL.contains(&venue) => Ok(day + DELIVERY),
        None => Err(refuse(format!(
            "`{symbol}` expires on {0}, at an hour that is not known of {venue}; say it: `--expiry {0}T08:00:00Z`",
            day.date()
        ))),
    }
}

/// The instruments of the built-in table. The day of a dated future, and day, strike and right of an option, stand for any.
pub fn known_instruments() -> impl Iterator<Item = &'static str> {
    rows().filter_map(|row| row.split(',').next())
}

#[derive(Clone, Copy)]
struct Grids {
    tick: Price,
    lot: Qty,
    min_qty: Qty,
}

/// As the table calls a kind.
fn name(kind: InstrumentKind) -> &'static str {
    match kind {
        InstrumentKind::Spot => "spot",
        InstrumentKind::LinearPerpetual => "linear-perpetual",
        InstrumentKind::InversePerpetual => "inverse-perpetual",
        InstrumentKind::LinearFuture { .. } => "linear-future",
        InstrumentKind::InverseFuture { .. } => "inverse-future",
        InstrumentKind::LinearOption { .. } => "linear-option",
        InstrumentKind::InverseOption { .. } => "inverse-option",
        InstrumentKind::Structure => "structure",
    }
}

/// The grids of a row, whatever way its symbol is written.
fn grids(venue: &str, kind: &str, base: Currency, quote: Currency) -> Option<Grids> {
    rows().find_map(|row| {
        let mut fields = row.splitn(9, ',');
        let mut field = || fields.next();
        let of = field()?.split_once(':')?.0;
        let is_it = [of, field()?, field()?, field()?] == [venue, kind, base.as_str(), quote.as_str()];
        let _settle = field()?;
        let found =
            Grids { tick: field()?.parse().ok()?, lot: field()?.parse().ok()?, min_qty: field()?.parse().ok()? };
        is_it.then_some(found)
    })
}

fn rows() -> impl Iterator<Item = &'static str> {
    TABLE.lines().skip(1)
}

fn unknown(symbol: &str, parts: &Parts<'_>, terms: &Terms) -> ImportError {
    let wanted = match (terms.tick, terms.lot) {
        (None, None) => "`--tick` (its price grid) and `--lot` (its quantity grid)",
        (None, Some(_)) => "`--tick` (its price grid)",
        (Some(_), _) => "`--lot` (its quantity grid)",
    };
    let at_venue = |known: &&str| known.split_once(':').is_some_and(|(venue, _)| venue == parts.venue);
    let known: Vec<_> = known_instruments().filter(at_venue).collect();
    let known = if known.is_empty() { String::new() } else { format!("; known are {}", known.join(", ")) };
    refuse(format!("`{symbol}` is not among the known instruments; give {wanted}{known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(symbol: &str) -> Result<Instrument, ImportError> {
        instrument(symbol, &Terms::default())
    }

    #[test]
    fn every_row_of_the_table_is_an_instrument() {
        assert!(known_instruments().count() >= 20);
        for row in rows() {
            let fields: Vec<_> = row.split(',').collect();
            let symbol = fields[0];
            let found = plain(symbol).unwrap();
            assert!(found.min_qty >= found.lot, "{symbol}");
            let stated = [name(found.kind), found.base.as_str(), found.quote.as_str(), found.settle.as_str()];
            assert_eq!(fields[1..5], stated, "{symbol}");
            let grids = [found.tick.to_string(), found.lot.to_string(), found.min_qty.to_string()];
            assert_eq!(fields[5..8], grids, "{symbol}: the first row of its kind, as numbers are written");
            assert_eq!(fields.len(), 9, "{symbol}");
        }
    }

    /// The table of docs/symbols.md, which policies are tested against as well.
    #[test]
    fn symbols_are_what_the_document_says() {
        let text = include_str!("../../../docs/symbols.md");
        let rows = text.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
            std::array::from_fn::<_, 10, _>(|_| cells.next().unwrap_or_default())
        });
        let grids =
            Terms { tick: Some(Price::from_raw(Price::ONE)), lot: Some(Qty::from_raw(Qty::ONE)), ..Terms::default() };
        let mut seen = 0;
        for [_, symbol, kind, base, quote, settle, expiry, strike, right, _] in rows {
            seen += 1;
            let found = instrument(symbol, &grids);
            if base == "–" || quote == "–" || settle.contains(" or ") || (kind.ends_with("future") && expiry == "–")
            {
                assert!(found.is_err(), "{symbol}: {found:?}");
                continue;
            }
            let found = found.unwrap();
            let expires = found.kind.expiry().map_or_else(|| "–".to_owned(), |at| at.to_string());
            assert_eq!([name(found.kind).replace('-', " ").as_str(), &expires], [kind, expiry], "{symbol}");
            let option = found.kind.option().map(|(strike, right)| (strike.to_string(), right.to_string()));
            let stated = (!strike.is_empty()).then(|| (strike.to_owned(), right.to_owned()));
            assert_eq!((option, kind.ends_with("option")), (stated.clone(), stated.is_some()), "{symbol}");
            assert_eq!(
                [found.base, found.quote, found.settle].map(|code| code.to_string()),
                [base, quote, settle],
                "{symbol}"
            );
        }
        assert!(seen >= 30, "{seen} symbols");
    }

    #[test]
    fn terms_go_before_the_table() {
        let tick = Some("0.01".parse().unwrap());
        let found = instrument("binance:BTCUSDT-PERP", &Terms { tick, ..Terms::default() }).unwrap();
        assert_eq!((Some(found.tick), found.lot.to_string()), (tick, "0.001".into()));
        let lot = Some("1".parse().unwrap());
        let found = instrument("binance:DOGEUSDT-PERP", &Terms { tick, lot, ..Terms::default() }).unwrap();
        assert_eq!((found.settle.as_str(), found.min_qty.to_string()), ("USDT", "1".into()));
        let min_qty = Some("20".parse().unwrap());
        let found = instrument("binance:DOGEUSDT-PERP", &Terms { tick, lot, min_qty, ..Terms::default() }).unwrap();
        assert_eq!(Some(found.min_qty), min_qty);
        let few = Terms { min_qty: Some("0.5".parse().unwrap()), tick, lot, ..Terms::default() };
        assert!(
            instrument("binance:DOGEUSDT-PERP", &few).unwrap_err().to_string().contains("under its quantity grid of 1")
        );
    }

    #[test]
    fn one_instrument_has_one_grid_however_it_is_written() {
        for (one, other) in [
            ("okx:BTCUSDT-PERP", "okx:BTC-USDT-SWAP"),
            ("deribit:BTC-PERPETUAL", "deribit:BTCUSD-PERP"),
            ("binance:BTCUSD_PERP", "binance:BTCUSD-PERP"),
            ("binance:BTCUSDT", "binance:BTCUSDT-SPOT"),
            ("deribit:BTC-7JUN24", "deribit:BTC-27DEC24"),
            ("deribit:ETH-7JUN24-3000-P", "deribit:ETH-27DEC24-2750-C"),
            ("okx:BTC-USD-251031-80000-P", "okx:BTC-USD-20251128-102000-C"),
        ] {
            let [one, other] = [one, other].map(|symbol| plain(symbol).unwrap());
            assert_eq!(
                (one.tick, one.lot, one.min_qty, one.settle),
                (other.tick, other.lot, other.min_qty, other.settle)
            );
        }
    }

    #[test]
    fn what_the_symbol_leaves_open_is_said() {
        let grids = Terms { tick: Some("1".parse().unwrap()), lot: Some("1".parse().unwrap()), ..Terms::default() };
        let settle = |code: &str| Terms { settle: Some(code.parse().unwrap()), ..grids };
        let kind = |kind| Terms { kind: Some(kind), ..grids };
        let linear_call = |expiry: &str, strike: &str| InstrumentKind::LinearOption {
            expiry: expiry.parse().unwrap(),
            strike: strike.parse().unwrap(),
            right: units::OptionRight::Call,
        };
        for (symbol, terms, expected) in [
            ("kraken:BTCUSD-PERP", kind(ContractKind::Linear), (InstrumentKind::LinearPerpetual, "USD")),
            ("kraken:BTCUSD-PERP", kind(ContractKind::Inverse), (InstrumentKind::InversePerpetual, "BTC")),
            ("kraken:BTCUSD-PERP", settle("USD"), (InstrumentKind::LinearPerpetual, "USD")),
            ("kraken:BTCUSD-PERP", settle("BTC"), (InstrumentKind::InversePerpetual, "BTC")),
            ("hyperliquid:BTC-PERP", settle("USDC"), (InstrumentKind::LinearPerpetual, "USDC")),
            ("binance:BTC-240628-60000-C", settle("USDT"), (linear_call("2024-06-28T08:00:00Z", "60000"), "USDT")),
            ("deribit:XRP_USDC-30JUN23-0d625-C", grids, (linear_call("2023-06-30T08:00:00Z", "0.625"), "USDC")),
            ("binance:BTCUSD-PERP", kind(ContractKind::Linear), (InstrumentKind::LinearPerpetual, "USD")),
            ("binance:BTCUSDT", kind(ContractKind::Spot), (InstrumentKind::Spot, "USDT")),
        ] {
            let found = instrument(symbol, &terms).unwrap();
            assert_eq!((found.kind, found.settle.as_str()), expected, "{symbol}");
        }
        let expiry: Timestamp = "2024-06-28T15:00:00Z".parse().unwrap();
        let terms = Terms { kind: Some(ContractKind::Inverse), expiry: Some(expiry), ..grids };
        assert_eq!(instrument("kraken:BTCUSD-240628", &terms).unwrap().kind, InstrumentKind::InverseFuture { expiry });
        // A day alone is not an hour, but it fits the hour that is known.
        let day = Terms { expiry: Some("2024-06-28".parse().unwrap()), ..grids };
        let found = instrument("okx:BTC-USD-240628", &day).unwrap();
        assert_eq!(found.kind.expiry().unwrap().to_string(), "2024-06-28T08:00:00Z");
    }

    #[test]
    fn contradictions_are_told() {
        let terms = |kind: Option<ContractKind>, expiry: Option<&str>, settle: Option<&str>| Terms {
            kind,
            expiry: expiry.map(|time| time.parse().unwrap()),
            settle: settle.map(|code| code.parse().unwrap()),
            ..Terms::default()
        };
        let (spot, linear, inverse) =
            (Some(ContractKind::Spot), Some(ContractKind::Linear), Some(ContractKind::Inverse));
        for (symbol, terms, part) in [
            ("binance:BTCUSDT-SPOT", terms(None, Some("2024-06-28"), None), "is spot, which does not expire"),
            ("binance:BTCUSDT-PERP", terms(None, Some("2024-06-28"), None), "is a perpetual, which does not expire"),
            (
                "binance:BTCUSDT-240628",
                terms(None, Some("2024-06-29"), None),
                "expires on 2024-06-28, not at 2024-06-29",
            ),
            ("kraken:BTCUSD-240628", terms(linear, None, None), "`--expiry 2024-06-28T08:00:00Z`"),
            ("kraken:BTCUSD-240628", terms(linear, Some("2024-06-28"), None), "at an hour that is not known of kraken"),
            ("kraken:BTCUSD-PERP", terms(None, None, None), "may settle in USD or in BTC"),
            ("binance:BTCUSD-PERP", terms(inverse, None, Some("USD")), "settles in its base currency, BTC, not in USD"),
            ("binance:BTCUSDT-PERP", terms(None, None, Some("BTC")), "settles in its quote currency, USDT, not in BTC"),
            ("binance:BTCUSDT-PERP", terms(inverse, None, None), "only contracts in USD are inverse"),
            ("binance:BTCUSDT-PERP", terms(spot, None, None), "the spot pair is `binance:BTCUSDT-SPOT`"),
            ("deribit:BTC-27DEC24", terms(spot, None, None), "is a dated future by its symbol"),
            ("binance:BTCUSDT", terms(linear, None, None), "a perpetual is `binance:BTCUSDT-PERP`"),
            ("hyperliquid:BTC-PERP", terms(None, None, None), "does not tell what its prices are in"),
            ("hyperliquid:BTC-PERP", terms(None, None, Some("BTC")), "does not tell what its prices are in"),
            ("deribit:BTC-27DEC24-60000-C", terms(spot, None, None), "is an option by its symbol"),
            ("kraken:BTC-USD-240628-60000-P", terms(None, None, None), "may settle in USD or in BTC"),
            ("binance:1000000MOGUSDT-PERP", terms(None, None, None), "`1000000MOG` cannot be kept"),
        ] {
            let text = instrument(symbol, &terms).unwrap_err().to_string();
            assert!(text.contains(part), "{symbol}: {text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = |symbol, tick: Option<&str>| {
            let terms = Terms { tick: tick.map(|tick| tick.parse().unwrap()), ..Terms::default() };
            instrument(symbol, &terms).unwrap_err().to_string()
        };
        assert!(
            text("x:DOGEUSDT-PERP", None).ends_with("give `--tick` (its price grid) and `--lot` (its quantity grid)")
        );
        assert!(text("x:DOGEUSDT-PERP", Some("0.1")).contains("give `--lot`"));
        assert!(text("binance:DOGEUSDT-PERP", None).contains("known are binance:BTCUSDT-PERP"));
        assert!(text("binance:BTCUSDT-PERP", Some("0")).contains("not above zero"));
        for symbol in [
            "BTCUSDT-PERP",
            "Binance:BTCUSDT-PERP",
            "binance:BTC",
            "binance:BNBUSD-PERP",
            "binance:BTCUSDT-241332",
            "deribit:BTC-31NOV24",
            "deribit:BTC-27DEC24-0-C",
            "deribit:BTC-27DEC24-6x-C",
            "deribit:BTC-31NOV24-60000-C",
            "deribit:BTC-60000-P",
            "binance:",
            "",
        ] {
            assert!(text(symbol, None).contains("is no instrument"), "{symbol}");
        }
    }
}
