//! Numbers for people: the one formatter of pages and terminal (`docs/DESIGN.md`, UX §4).
//!
//! Decimal point, comma thousands, whatever the locale; no exponents; `+` only on a change; what rounds to zero is
//! `0`, what is not finite is missing, and what is missing is [`MISSING`]. The unit stands once, in a header or beside
//! a label, so nothing here writes one (durations apart). A double is rounded by its exact binary value, halves away
//! from zero. `vectors/format.json` holds the cases that every implementation must meet.

use crate::{Cash, Duration, Price, Qty, Timestamp};

/// What stands for a value that does not exist; say why beside it.
pub const MISSING: &str = "–";

/// Where a text will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A page: minus is U+2212.
    Page,
    /// A terminal: ASCII, so that a value can be pasted back.
    Terminal,
}

/// A number with a fixed count of decimal places: `-1,234.50`, and `0` for what rounds to zero.
#[must_use]
pub fn number(value: f64, decimals: usize, style: Style) -> String {
    if value.is_finite() { dress(&fixed(value, decimals), style, false) } else { MISSING.to_owned() }
}

/// A price, to the decimal places of its tick.
#[must_use]
pub fn price(value: Price, tick: Price, style: Style) -> String {
    dress(&format!("{value:.*}", decimals_of(tick.raw())), style, false)
}

/// A price estimate (an average), to the decimal places of the tick.
#[must_use]
pub fn price_estimate(value: f64, tick: Price, style: Style) -> String {
    number(value, decimals_of(tick.raw()), style)
}

/// A quantity, to the decimal places of its lot.
#[must_use]
pub fn qty(value: Qty, lot: Qty, style: Style) -> String {
    dress(&format!("{value:.*}", decimals_of(lot.raw())), style, false)
}

/// A quantity estimate, to the decimal places of the lot.
#[must_use]
pub fn qty_estimate(value: f64, lot: Qty, style: Style) -> String {
    number(value, decimals_of(lot.raw()), style)
}

/// Money to the currency's minor unit, whole from 10,000.
#[must_use]
pub fn money(value: Cash, minor: usize, style: Style) -> String {
    let fine = format!("{value:.minor$}");
    let text = if is_large(&fine) { format!("{value:.0}") } else { fine };
    dress(&text, style, false)
}

/// An estimate of money, shown as [`money`] is.
#[must_use]
pub fn money_estimate(value: f64, minor: usize, style: Style) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let fine = fixed(value, minor);
    dress(&if is_large(&fine) { fixed(value, 0) } else { fine }, style, false)
}

/// Decimal places of a currency's minor unit: 8 for the coins that contracts settle in, else 2.
#[must_use]
pub fn minor_unit(currency: &str) -> usize {
    if matches!(currency, "BTC" | "ETH" | "SOL" | "XRP" | "BNB") { 8 } else { 2 }
}

/// A fraction in percent, without the sign: 1 decimal place for returns and volatility, 2 for single days and costs.
#[must_use]
pub fn percent(fraction: f64, decimals: usize, style: Style) -> String {
    number(fraction * 100.0, decimals, style)
}

/// A fraction in basis points, 1 decimal place.
#[must_use]
pub fn basis_points(fraction: f64, style: Style) -> String {
    number(fraction * 10_000.0, 1, style)
}

/// A ratio, a multiple or an R: 2 decimal places.
#[must_use]
pub fn ratio(value: f64, style: Style) -> String {
    number(value, 2, style)
}

/// A count.
#[must_use]
pub fn count(value: u64, style: Style) -> String {
    dress(&value.to_string(), style, false)
}

/// At least `digits` significant digits; whole digits are never rounded away. For Greeks: 3.
#[must_use]
pub fn significant(value: f64, digits: usize, style: Style) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    // The exponent after rounding to the digits asked for, read from the exact scientific form.
    let scientific = format!("{:.*e}", digits.max(1) - 1, value);
    let exponent: i64 = scientific.rsplit_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let decimals = (digits.max(1) as i64 - 1 - exponent).clamp(0, 40) as usize;
    number(value, decimals, style)
}

/// The change from `before` to `after` as a reader computes it: the difference of the two *displayed* values, with its
/// sign; `0` below display precision.
#[must_use]
pub fn change(after: f64, before: f64, decimals: usize, style: Style) -> String {
    match displayed_difference(after, before, decimals) {
        Some(steps) => dress(&unscale(steps, decimals), style, true),
        None => MISSING.to_owned(),
    }
}

/// The sign of [`change`]: what decides between better, worse and no arrow. Zero where a value is missing.
#[must_use]
pub fn change_sign(after: f64, before: f64, decimals: usize) -> i32 {
    displayed_difference(after, before, decimals).map_or(0, |steps| steps.signum() as i32)
}

/// An instant: `2025-10-10 21:20:00Z`, with as many decimal places of a second as there are.
#[must_use]
pub fn time(value: Timestamp) -> String {
    value.to_string().replace('T', " ")
}

/// A day in words: `10 Oct 2025`.
#[must_use]
pub fn day(value: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = value.date();
    let mut parts = date.split('-');
    match (parts.next(), parts.next().and_then(|m| m.parse::<usize>().ok()), parts.next()) {
        (Some(year), Some(month @ 1..=12), Some(day)) => {
            format!("{} {} {year}", day.trim_start_matches('0'), MONTHS[month - 1])
        }
        _ => date,
    }
}

/// A span in its two largest parts: `3 d 4 h`.
#[must_use]
pub fn duration(value: Duration, style: Style) -> String {
    let text = value.to_string();
    match style {
        Style::Page => text.replace('-', "\u{2212}"),
        Style::Terminal => text,
    }
}

/// Decimal places that a grid of raw 1e-8 units needs.
fn decimals_of(step: i64) -> usize {
    let (mut step, mut decimals) = (step.unsigned_abs(), 8);
    while decimals > 0 && step.is_multiple_of(10) {
        step /= 10;
        decimals -= 1;
    }
    decimals
}

/// A finite double with fixed decimal places, its exact binary value rounded, halves away from zero.
fn fixed(value: f64, decimals: usize) -> String {
    let rounded = format!("{value:.decimals$}");
    // `format!` rounds exactly too, but halves to even. A half ends in 5 one place further, with nothing behind it.
    let finer = format!("{value:.*}", decimals + 1);
    let Some(kept) = finer.strip_suffix('5') else { return rounded };
    let exact = format!("{value:.*}", decimals + 60);
    if !exact[finer.len()..].bytes().all(|digit| digit == b'0') {
        return rounded;
    }
    // Away from zero: one unit more in the last kept place.
    match kept.replace('.', "").parse::<i128>() {
        Ok(steps) if finer.starts_with('-') => unscale(steps - 1, decimals),
        Ok(steps) => unscale(steps + 1, decimals),
        Err(_) => rounded,
    }
}

/// A count of steps of 10^-`decimals` as decimal text.
fn unscale(steps: i128, decimals: usize) -> String {
    let digits = format!("{:0>width$}", steps.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let sign = if steps < 0 { "-" } else { "" };
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn displayed_difference(after: f64, before: f64, decimals: usize) -> Option<i128> {
    let steps = |value: f64| value.is_finite().then(|| fixed(value, decimals).replace('.', "").parse::<i128>().ok())?;
    steps(after)?.checked_sub(steps(before)?)
}

fn is_large(text: &str) -> bool {
    text.trim_start_matches('-').split('.').next().is_some_and(|whole| whole.len() > 4)
}

/// Plain decimal text with separators, the style's minus, and a bare `0` for zero.
fn dress(text: &str, style: Style, signed: bool) -> String {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
        return "0".to_owned();
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::with_capacity(text.len() + 8);
    out.push_str(match (negative, style) {
        (true, Style::Page) => "\u{2212}",
        (true, Style::Terminal) => "-",
        (false, _) if signed => "+",
        (false, _) => "",
    });
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}
