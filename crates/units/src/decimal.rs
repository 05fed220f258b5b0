//! Exact decimal text: `-1234.5` and nothing else (no exponent, no separators, no locale).

use std::fmt;

/// Why a text is no decimal of the asked scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Not digits with at most one point and a leading sign.
    Malformed,
    /// More digits behind the point than the type keeps.
    TooFine,
    /// Beyond the type's range.
    TooLarge,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a decimal number",
            Self::TooFine => "more decimal places than can be kept; round it to 8",
            Self::TooLarge => "beyond the range that can be kept",
        })
    }
}

impl std::error::Error for DecimalError {}

/// Reads a decimal into an integer counting units of 10^-`scale`. Trailing zeros behind the scale are accepted.
pub fn parse(text: &str, scale: u32) -> Result<i128, DecimalError> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(DecimalError::Malformed);
    }
    let significant = fraction.trim_end_matches('0');
    if significant.len() > scale as usize {
        return Err(DecimalError::TooFine);
    }
    let padding = scale as usize - significant.len();
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(significant.bytes()).chain(std::iter::repeat_n(b'0', padding)) {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i128::from(digit - b'0')))
            .ok_or(DecimalError::TooLarge)?;
    }
    Ok(if negative { -value } else { value })
}

/// Writes an integer counting units of 10^-`scale` as the shortest exact decimal, or with as many decimal
/// places as the formatter's precision asks for (the last one rounded half away from zero).
pub fn write(f: &mut fmt::Formatter<'_>, value: i128, scale: u32) -> fmt::Result {
    let (value, scale) = match f.precision() {
        Some(precision) if (precision as u32) < scale => {
            let unit = 10_i128.pow(scale - precision as u32);
            let half = if value < 0 { -unit / 2 } else { unit / 2 };
            (value.saturating_add(half) / unit, precision as u32)
        }
        _ => (value, scale),
    };
    let magnitude = value.unsigned_abs();
    let one = 10_u128.pow(scale);
    let (whole, fraction) = (magnitude / one, magnitude % one);
    let mut text = whole.to_string();
    if scale > 0 {
        let digits = format!("{fraction:0width$}", width = scale as usize);
        let kept = match f.precision() {
            Some(precision) => &digits[..precision.min(digits.len())],
            None => digits.trim_end_matches('0'),
        };
        if !kept.is_empty() {
            text.push('.');
            text.push_str(kept);
        }
        if let Some(precision) = f.precision().filter(|p| *p > scale as usize) {
            text.extend(std::iter::repeat_n('0', precision - scale as usize));
        }
    }
    f.pad_integral(value >= 0, "", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_and_refuses_what_it_cannot_keep() {
        assert_eq!(parse("117904.1", 8), Ok(11_790_410_000_000));
        assert_eq!(parse("-0.00000001", 8), Ok(-1));
        assert_eq!(parse("1.500000000000", 8), Ok(150_000_000));
        assert_eq!(parse(".5", 1), Ok(5));
        assert_eq!(parse("0.000000001", 8), Err(DecimalError::TooFine));
        assert_eq!(parse("1e5", 8), Err(DecimalError::Malformed));
        assert_eq!(parse("", 8), Err(DecimalError::Malformed));
        assert_eq!(parse(&"9".repeat(40), 8), Err(DecimalError::TooLarge));
    }
}
