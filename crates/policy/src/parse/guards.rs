//! `[guards]`: how orders may go out.

use super::fields::{Field, Low, Takes};
use super::head::AMOUNT_MAX;
use super::reader::{Doc, Reader, Section};
use super::value::{Expr, Quantity, Unit};
use crate::codes::Code;
use crate::diagnostic::quoted;
use crate::facts;
use crate::spec::{self, BLACKOUTS_MAX, Blackout, Guards, OrderRate, OrderSize};
use toml::Spanned;
use toml::de::DeValue;
use units::{Cash, Duration, Qty, Timestamp};

const PRICE_COLLAR: Field = Field {
    key: "price_collar",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 0.5,
    range: "over 0 and at most 50% of the price",
    example: "\"2%\"",
};

const BLACKOUT_EXAMPLE: &str = "[\"22:00-23:00\", \"sat 12:00-sun 18:00\"]";
const ORDERS_MAX: u32 = 10_000;
const WEEK: Duration = Duration::from_nanos(7 * Duration::DAY.nanos());

/// Days of the week as windows name them.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn guards<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, instruments: &[String]) -> Guards {
    let Some(section) = doc.section("guards") else { return Guards::default() };
    Guards {
        price_collar: reader.ratio(section, &PRICE_COLLAR),
        max_order: order_size(reader, section, "max_order", instruments, "\"1_000_000 USDT\""),
        max_orders: max_orders(reader, section),
        blackout: blackout(reader, section).unwrap_or_default(),
    }
}

fn max_orders<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<OrderRate> {
    let count = reader.count(section, "max_orders", (1, ORDERS_MAX), "20");
    let per = match section.has("per") {
        true => reader.duration(section, "per", (Duration::SECOND, WEEK), "\"1m\""),
        false => Some(Duration::MINUTE),
    };
    if section.has("per") {
        reader.require(section, &[("max_orders", "20")]);
    }
    Some(OrderRate { count: count?, per: per? })
}

/// A quantity, or an amount of the base or the quote currency.
pub(super) fn order_size<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    key: &str,
    instruments: &[String],
    example: &str,
) -> Option<OrderSize> {
    let node = reader.node(section, key, section.get(key)?)?;
    let slot = section.slot(key, example);
    let Expr::Quantity(Quantity { number, unit: unit @ (Unit::None | Unit::Currency(_)) }) = &node.expr else {
        reader.wrong_unit(&slot, &node, "a quantity or an amount");
        return None;
    };
    let raw = reader.fixed(section, key, node.span.clone(), number, Qty::SCALE)?;
    let qty = i64::try_from(raw).ok().filter(|raw| *raw > 0).map(Qty::from_raw);
    let quote = spec::shared_quote(instruments);
    let base = if let [only] = instruments { spec::base(only) } else { None };
    let size = match unit {
        Unit::Currency(given) if Some(*given) == quote => {
            let value = reader.fixed(section, key, node.span.clone(), number, Cash::SCALE)?;
            (1..=AMOUNT_MAX).contains(&value).then_some(OrderSize::Quote(Cash::from_raw(value)))
        }
        Unit::Currency(given) if Some(*given) == base => qty.map(OrderSize::Base),
        // Of several instruments each has a quote currency of its own, and may know others.
        Unit::Currency(given) if is_known(given, instruments) => {
            let value = reader.fixed(section, key, node.span.clone(), number, Cash::SCALE)?;
            (1..=AMOUNT_MAX)
                .contains(&value)
                .then_some(OrderSize::Worth(Cash::from_raw(value), facts::Code::new(given)))
        }
        // Instruments that could not be read have said so.
        Unit::Currency(_) if instruments.is_empty() => return None,
        Unit::Currency(given) => {
            let known: Vec<_> = base.into_iter().chain(quote.filter(|quote| Some(*quote) != base)).collect();
            let message = format!("`{}` is in another currency", section.path(key));
            let help = match known.is_empty() {
                true => "write it without a currency: a quantity as the instrument counts".to_owned(),
                false => format!("write the amount in {}", known.join(" or ")),
            };
            reader.error(Code::Currency, node.span, message, format!("{} is not traded here", quoted(given)), help);
            return None;
        }
        _ => qty.map(OrderSize::Qty),
    };
    if size.is_none() {
        reader.out_of_range(&slot, node.span, "over 0 and at most 92 billion");
    }
    size
}

/// Whether a value in a currency can be meant for several instruments: it is a dollar, or one of theirs.
fn is_known(currency: &str, instruments: &[String]) -> bool {
    let own = |symbol: &String| {
        spec::base(symbol) == Some(currency) || spec::currencies(symbol).is_some_and(|(_, quote)| quote == currency)
    };
    instruments.len() > 1 && (spec::is_dollar(currency) || instruments.iter().any(own))
}

fn blackout<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Vec<Blackout>> {
    let entries = reader.entries(section, "blackout", BLACKOUTS_MAX, BLACKOUT_EXAMPLE)?;
    let windows: Vec<_> = entries.into_iter().map(|entry| window(reader, section, entry)).collect();
    windows.into_iter().collect()
}

fn window<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, entry: &Spanned<DeValue<'t>>) -> Option<Blackout> {
    let text = reader.string(section, "blackout", entry)?.trim();
    let found = match text.rsplit_once('/') {
        Some((from, lasts)) => once(from.trim(), lasts.trim()),
        None => recurring(text),
    };
    if let Err((label, help)) = &found {
        let message = "`guards.blackout` lists windows of time in UTC";
        reader.error(Code::Window, entry.span(), message, label.clone(), *help);
    }
    found.ok()
}

const SHAPES: &str =
    "write `\"22:00-23:00\"`, `\"sat\"`, `\"sat 12:00-sun 18:00\"`, or once `\"2022-06-15T17:30Z/2h\"`";

type Fault = (String, &'static str);

fn once(from: &str, lasts: &str) -> Result<Blackout, Fault> {
    let time = || (format!("{} is no time in UTC", quoted(from)), SHAPES);
    if !from.ends_with('Z') {
        return Err(time());
    }
    let from = from.parse::<Timestamp>().map_err(|_| time())?;
    let span = super::value::parse(lasts, 0).ok().and_then(|node| match node.expr {
        Expr::Quantity(Quantity { number, unit: Unit::Time(unit) }) => {
            let nanos = number.exact(9).ok()?.checked_mul(i128::from(unit.nanos()))? / 1_000_000_000;
            i64::try_from(nanos).ok().map(Duration::from_nanos)
        }
        _ => None,
    });
    match span.filter(|span| *span > Duration::ZERO && *span <= Duration::from_nanos(3_650 * Duration::DAY.nanos())) {
        Some(lasts) => Ok(Blackout::Once { from, lasts }),
        None => Err((format!("{} is no span of time from 1ns to 3650d", quoted(lasts)), SHAPES)),
    }
}

fn recurring(text: &str) -> Result<Blackout, Fault> {
    let shape = || (format!("{} is no window", quoted(text)), SHAPES);
    let Some((from, to)) = text.split_once('-') else {
        let day = day(text).ok_or_else(shape)?;
        let next = Duration::from_nanos((day.nanos() + Duration::DAY.nanos()) % WEEK.nanos());
        return Ok(Blackout::Weekly { from: day, to: next });
    };
    let (from, to) = (from.trim(), to.trim());
    let window = match (clock(from), clock(to)) {
        (Some(from), Some(to)) if from < Duration::DAY => Blackout::Daily { from, to },
        _ => {
            let (from, to) = (day_and_clock(from).ok_or_else(shape)?, day_and_clock(to).ok_or_else(shape)?);
            Blackout::Weekly { from, to }
        }
    };
    match window {
        Blackout::Daily { from, to } | Blackout::Weekly { from, to } if from == to => {
            Err(("begins and ends at the same time".to_owned(), "for a whole day name it, such as `\"sat\"`"))
        }
        window => Ok(window),
    }
}

fn day(text: &str) -> Option<Duration> {
    let day = DAYS.iter().position(|day| *day == text)?;
    Some(Duration::from_nanos(day as i64 * Duration::DAY.nanos()))
}

/// `22:00`, up to `24:00`.
fn clock(text: &str) -> Option<Duration> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| is_number(text).then(|| text.parse::<i64>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    ((0..60).contains(&minutes) && (0..=24 * 60).contains(&all))
        .then(|| Duration::from_nanos(all * Duration::MINUTE.nanos()))
}

fn day_and_clock(text: &str) -> Option<Duration> {
    let (name, time) = text.split_once(' ')?;
    let (day, clock) = (day(name)?, clock(time.trim())?);
    Some(Duration::from_nanos((day.nanos() + clock.nanos()) % WEEK.nanos()))
}
