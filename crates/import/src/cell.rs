//! One cell of a source, and its way into a typed value. Every inexact step is one of these functions.

use std::fmt;
use units::{Price, Qty, Rate, Ratio, Round, Timestamp, decimal};

/// What a source holds in one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Nothing.
    Empty,
    /// A whole number.
    Int(i64),
    /// A whole number of 10^-scale.
    Decimal(i64, u32),
    /// A binary double.
    Double(f64),
    /// A time whose unit the format declares.
    Time(Timestamp),
    /// Anything in a CSV.
    Text(&'a str),
}

/// Why a cell is not the value asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CellFault {
    /// Nothing there, or no number.
    NotANumber,
    /// Off the grid; the nearest value on it, in raw units.
    OffGrid(i64),
    /// More than the type holds.
    TooLarge,
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Decimal(raw, scale) => write!(f, "{raw}e-{scale}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Time(time) => write!(f, "{time}"),
            Self::Text(text) => f.write_str(&printable(text)),
        }
    }
}

/// A source's text as a message may show it: short, and without control characters that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let shown = text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter });
    let mut short: String = shown.take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        short.push('…');
    }
    short
}

/// A number on its way to fixed point.
enum Number {
    /// Exact, in raw units of the scale asked for.
    Exact(i128),
    /// A binary double, or a text that only a double explains.
    Double(f64),
}

impl<'a> Cell<'a> {
    /// Whether there is nothing: no cell, no text, or the not-a-number that some tools write for it.
    pub(crate) fn is_empty(self) -> bool {
        match self {
            Self::Empty => true,
            Self::Double(value) => value.is_nan(),
            Self::Text(text) => {
                let text = text.trim();
                text.is_empty()
                    || ["nan", "null", "none", "na", "n/a"].iter().any(|none| text.eq_ignore_ascii_case(none))
            }
            Self::Int(_) | Self::Decimal(..) | Self::Time(_) => false,
        }
    }

    /// A price that must lie on the tick grid.
    pub(crate) fn price(self, tick: Price) -> Result<Price, CellFault> {
        match self.number(Price::SCALE)? {
            Number::Exact(raw) => {
                let raw = i64::try_from(raw).map_err(|_| CellFault::TooLarge)?;
                let price = Price::from_raw(raw);
                let nearest = price.to_tick(tick, Round::Nearest);
                if nearest == price { Ok(price) } else { Err(CellFault::OffGrid(nearest.raw())) }
            }
            Number::Double(value) => Price::from_recorded(value, tick).map_err(|_| {
                Price::from_estimate(value, Round::Nearest)
                    .map_or(CellFault::TooLarge, |price| CellFault::OffGrid(price.to_tick(tick, Round::Nearest).raw()))
            }),
        }
    }

    /// A traded volume, toward zero at 1e-8: what venues print is display-grade and owed to nobody.
    pub(crate) fn volume(self) -> Result<Qty, CellFault> {
        let value = match self.number(Qty::SCALE)? {
            Number::Exact(raw) => return i64::try_from(raw).map(Qty::from_raw).map_err(|_| CellFault::TooLarge),
            Number::Double(value) => value,
        };
        // A double that stands for a decimal first, so that 360.735 does not lose its last unit.
        Qty::from_recorded(value, Qty::from_raw(1))
            .ok()
            .or_else(|| Qty::from_estimate(value, Round::TowardZero))
            .ok_or(CellFault::TooLarge)
    }

    /// A rate given in 10^-`shift` (2 for percent). A text of more decimals than a rate keeps is read as the double
    /// that it prints (`0.006940000000000001`), and must then lie on the grid of 1e-12 like any double.
    pub(crate) fn rate(self, shift: u32) -> Result<Rate, CellFault> {
        match self.number(Rate::SCALE - shift)? {
            Number::Exact(raw) => i64::try_from(raw).map(Rate::from_raw).map_err(|_| CellFault::TooLarge),
            Number::Double(value) => {
                let fraction = value / 10_f64.powi(shift as i32);
                Rate::from_recorded(fraction, Rate::from_raw(1)).map_err(|_| {
                    Rate::from_estimate(fraction, Round::Nearest)
                        .map_or(CellFault::TooLarge, |rate| CellFault::OffGrid(rate.raw()))
                })
            }
        }
    }

    /// An estimate given in 10^-`shift` (2 for percent).
    pub(crate) fn ratio(self, shift: u32) -> Result<Ratio, CellFault> {
        let value = match self {
            Self::Int(value) => value as f64,
            Self::Decimal(raw, scale) => raw as f64 / 10_f64.powi(scale as i32),
            Self::Double(value) => value,
            Self::Text(text) => text.trim().parse().map_err(|_| CellFault::NotANumber)?,
            Self::Empty | Self::Time(_) => return Err(CellFault::NotANumber),
        };
        // Through its decimal digits, so that 41.2 % is the double nearest to 0.412 and not 41.2 / 100.
        let scaled = if shift == 0 { Ok(value) } else { format!("{value}e-{shift}").parse() };
        scaled.ok().and_then(Ratio::new).ok_or(CellFault::NotANumber)
    }

    fn number(self, scale: u32) -> Result<Number, CellFault> {
        let number = match self {
            Self::Empty | Self::Time(_) => return Err(CellFault::NotANumber),
            Self::Int(value) => Number::Exact(i128::from(value) * 10_i128.pow(scale)),
            Self::Decimal(raw, own) if own <= scale => Number::Exact(i128::from(raw) * 10_i128.pow(scale - own)),
            Self::Decimal(raw, own) => exact_or_double(raw, own, scale),
            Self::Double(value) => Number::Double(value),
            Self::Text(text) => from_text(text.trim(), scale)?,
        };
        match number {
            Number::Double(value) if !value.is_finite() => Err(CellFault::NotANumber),
            number => Ok(number),
        }
    }
}

fn exact_or_double(raw: i64, own: u32, scale: u32) -> Number {
    let unit = 10_i128.checked_pow(own - scale).unwrap_or(i128::MAX);
    if i128::from(raw) % unit == 0 {
        Number::Exact(i128::from(raw) / unit)
    } else {
        Number::Double(raw as f64 / 10_f64.powi(own as i32))
    }
}

/// Plain decimals go straight to fixed point; a text of more places, or with an exponent, is a double in print.
fn from_text(text: &str, scale: u32) -> Result<Number, CellFault> {
    match decimal::parse(text, scale) {
        Ok(raw) => Ok(Number::Exact(raw)),
        Err(decimal::DecimalError::TooLarge) => Err(CellFault::TooLarge),
        Err(decimal::DecimalError::TooFine | decimal::DecimalError::Malformed) => {
            text.parse().map(Number::Double).map_err(|_| CellFault::NotANumber)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick() -> Price {
        "0.1".parse().unwrap()
    }

    #[test]
    fn prices_are_exact_or_refused() {
        let price = |cell: Cell<'_>| cell.price(tick()).map(|price| price.to_string());
        assert_eq!(price(Cell::Text("117017.1")), Ok("117017.1".into()));
        assert_eq!(price(Cell::Text(" 1.170171e5 ")), Ok("117017.1".into()));
        assert_eq!(price(Cell::Text("117017.10000000001")), Ok("117017.1".into()));
        assert_eq!(price(Cell::Double(117_017.1)), Ok("117017.1".into()));
        assert_eq!(price(Cell::Int(5)), Ok("5".into()));
        assert_eq!(price(Cell::Decimal(1_234_500_000_000, 10)), Err(CellFault::OffGrid(12_350_000_000)));
        assert_eq!(price(Cell::Text("117017.15")), Err(CellFault::OffGrid(11_701_720_000_000)));
        assert_eq!(price(Cell::Double(117_017.14)), Err(CellFault::OffGrid(11_701_710_000_000)));
        for none in ["", "nan", "inf", "1,234.5", "abc", "-"] {
            assert_eq!(price(Cell::Text(none)), Err(CellFault::NotANumber), "{none}");
        }
        assert_eq!(price(Cell::Double(f64::NAN)), Err(CellFault::NotANumber));
        assert_eq!(price(Cell::Text("99999999999999")), Err(CellFault::TooLarge));
        assert_eq!(price(Cell::Double(1e300)), Err(CellFault::TooLarge));
    }

    #[test]
    fn percent_in_print_is_the_decimal_it_was() {
        let rate = |text| Cell::Text(text).rate(2).map(|rate| rate.to_string());
        assert_eq!(rate("0.00044"), Ok("0.0000044".into()));
        assert_eq!(rate("0.006940000000000001"), Ok("0.0000694".into()));
        assert_eq!(rate("-0.013883999999999999"), Ok("-0.00013884".into()));
        assert!(matches!(rate("0.0658153991747989"), Err(CellFault::OffGrid(_))));
        assert_eq!(Cell::Double(-0.000_613_336_8).rate(0).unwrap().to_string(), "-0.0006133368");
    }

    #[test]
    fn volumes_never_fail_for_their_digits() {
        assert_eq!(Cell::Double(360.735).volume().unwrap().to_string(), "360.735");
        assert_eq!(Cell::Text("0.123456789").volume().unwrap().to_string(), "0.12345678");
        assert_eq!(Cell::Double(1e12).volume(), Err(CellFault::TooLarge));
    }

    #[test]
    fn emptiness_has_many_names() {
        for cell in [Cell::Empty, Cell::Text(" "), Cell::Text("NaN"), Cell::Double(f64::NAN), Cell::Text("null")] {
            assert!(cell.is_empty(), "{cell:?}");
        }
        assert!(!Cell::Text("0").is_empty());
    }
}
