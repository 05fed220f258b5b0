//! What the importer knows about instruments.

use crate::ImportError;
use market::{Currency, Instrument, InstrumentKind};
use units::{Price, Qty};

/// Kept small and checked by hand; everything else comes with `--tick` and `--lot`.
const TABLE: &str = include_str!("../data/instruments.csv");

/// The specification of an instrument by its symbol, `venue:BASEQUOTE-PERP`.
///
/// Grids come from the built-in table; `tick` and `lot` override it, and must be given where it has no entry.
///
/// ```
/// let known = import::instrument("binance:BTCUSDT-PERP", None, None)?;
/// assert_eq!((known.tick.to_string(), known.base.as_str()), ("0.1".into(), "BTC"));
/// let error = import::instrument("binance:DOGEUSDT-PERP", None, None).unwrap_err();
/// assert!(error.to_string().contains("--tick"));
/// # Ok::<(), import::ImportError>(())
/// ```
pub fn instrument(symbol: &str, tick: Option<Price>, lot: Option<Qty>) -> Result<Instrument, ImportError> {
    let (base, quote) = parts(symbol).ok_or_else(|| {
        ImportError::Instrument(format!(
            "`{symbol}` is no instrument; write `venue:BASEQUOTE-PERP` with a quote of USDT, USDC or USD, such as \
             `binance:BTCUSDT-PERP` (only linear perpetuals exist in this version)"
        ))
    })?;
    let known = grids(symbol);
    let (Some(tick), Some(lot)) = (tick.or(known.map(|grids| grids.tick)), lot.or(known.map(|grids| grids.lot))) else {
        return Err(unknown(symbol, tick.is_some(), lot.is_some()));
    };
    if tick <= Price::ZERO || lot <= Qty::ZERO {
        return Err(ImportError::Instrument(format!(
            "a grid of `{symbol}` is not above zero; check `--tick` and `--lot`"
        )));
    }
    let min_qty = known.filter(|grids| grids.lot == lot).map_or(lot, |grids| grids.min_qty);
    Ok(Instrument {
        symbol: symbol.to_owned(),
        kind: InstrumentKind::LinearPerpetual,
        base,
        quote,
        settle: quote,
        tick,
        lot,
        min_qty,
    })
}

/// The symbols of the built-in table.
pub fn known_instruments() -> impl Iterator<Item = &'static str> {
    rows().filter_map(|row| row.split(',').next())
}

#[derive(Clone, Copy)]
struct Grids {
    tick: Price,
    lot: Qty,
    min_qty: Qty,
}

fn grids(symbol: &str) -> Option<Grids> {
    let row = rows().find(|row| row.split(',').next() == Some(symbol))?;
    let mut fields = row.splitn(9, ',').skip(5);
    let mut field = || fields.next();
    Some(Grids { tick: field()?.parse().ok()?, lot: field()?.parse().ok()?, min_qty: field()?.parse().ok()? })
}

fn rows() -> impl Iterator<Item = &'static str> {
    TABLE.lines().skip(1)
}

/// Base and quote of `venue:BASEQUOTE-PERP`.
fn parts(symbol: &str) -> Option<(Currency, Currency)> {
    let (venue, contract) = symbol.split_once(':')?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if venue.is_empty() || !venue.bytes().all(fits) {
        return None;
    }
    let pair = contract.strip_suffix("-PERP")?;
    ["USDT", "USDC", "USD"]
        .into_iter()
        .find_map(|quote| Some((pair.strip_suffix(quote)?.parse().ok()?, quote.parse().ok()?)))
}

fn unknown(symbol: &str, has_tick: bool, has_lot: bool) -> ImportError {
    let wanted = match (has_tick, has_lot) {
        (false, false) => "`--tick` (its price grid) and `--lot` (its quantity grid)",
        (false, true) => "`--tick` (its price grid)",
        (true, _) => "`--lot` (its quantity grid)",
    };
    let known: Vec<_> = known_instruments().collect();
    ImportError::Instrument(format!(
        "`{symbol}` is not among the known instruments; give {wanted}; known are {}",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_an_instrument() {
        assert!(known_instruments().count() >= 3);
        for symbol in known_instruments() {
            let found = instrument(symbol, None, None).unwrap();
            assert!(found.min_qty >= found.lot, "{symbol}");
            let row = rows().find(|row| row.starts_with(symbol)).unwrap();
            let fields: Vec<_> = row.split(',').collect();
            let stated = [found.base.as_str(), found.quote.as_str(), found.settle.as_str()];
            assert_eq!(fields[1..5], [&["linear-perpetual"], &stated[..]].concat(), "{symbol}");
        }
    }

    #[test]
    fn flags_override_the_table() {
        let tick = "0.01".parse().unwrap();
        let found = instrument("binance:BTCUSDT-PERP", Some(tick), None).unwrap();
        assert_eq!((found.tick, found.lot.to_string()), (tick, "0.001".into()));
        let found = instrument("binance:DOGEUSDT-PERP", Some(tick), Some("1".parse().unwrap())).unwrap();
        assert_eq!(
            (found.base.as_str(), found.settle.as_str(), found.min_qty.to_string()),
            ("DOGE", "USDT", "1".into())
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = |symbol, tick: Option<&str>| {
            instrument(symbol, tick.map(|tick| tick.parse().unwrap()), None).unwrap_err().to_string()
        };
        assert!(text("x:DOGEUSDT-PERP", None).contains("give `--tick` (its price grid) and `--lot`"));
        assert!(text("x:DOGEUSDT-PERP", Some("0.1")).contains("give `--lot`"));
        assert!(text("binance:BTCUSDT-PERP", Some("0")).contains("not above zero"));
        for symbol in
            ["BTCUSDT-PERP", "binance:BTCUSDT", "binance:USDT-PERP", "Binance:BTCUSDT-PERP", "binance:BTCEUR-PERP"]
        {
            assert!(text(symbol, None).contains("is no instrument"), "{symbol}");
        }
    }
}
