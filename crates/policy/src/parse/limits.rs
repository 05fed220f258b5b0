//! `[caps]`, `[floor]`, `[[limits]]` and `[trade]`.

use super::feasible;
use super::fields::{Field, Low, Takes};
use super::guards::order_size;
use super::head::amount;
use super::reader::{Doc, Reader, Section, type_name};
use super::schema;
use super::typed::{self, Currencies};
use super::value::{Expr, Quantity, Unit};
use crate::codes::Code;
use crate::facts;
use crate::spec::{
    self, Breached, BufferTo, Caps, Cut, DrawdownLevel, ExitTime, FactLimit, Floor, LEVELS_MAX, LeverageLimit,
    LimitAction, OpenRisk, Participation, Rearm, Setting, Trade, USUAL_WINDOWS_MAX,
};
use crate::words::Word;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;
use units::{Duration, Qty, Ratio};

const LEVERAGE: Field = Field {
    key: "leverage",
    takes: Takes::Number,
    low: Low::Over(0.0),
    most: 125.0,
    range: "over 0 and at most 125",
    example: "2.5",
};
const LEVERAGE_RESTORE: Field = Field { key: "leverage_restore", example: "2.0", ..LEVERAGE };
const LIQUIDATION_DISTANCE: Field = Field {
    key: "liquidation_distance",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 0.5,
    range: "over 0 and at most 50% of the price",
    example: "\"5%\"",
};
const AT: Field = Field {
    key: "at",
    takes: Takes::Share,
    low: Low::Over(0.0),
    most: 1.0,
    range: "over 0 and at most 100%",
    example: "\"10%\"",
};
// A drawdown is never under zero: a level restored there would be in force for good.
const RESTORE: Field = Field { key: "restore", example: "\"5%\"", ..AT };
const FACTOR: Field = Field {
    key: "factor",
    takes: Takes::Number,
    low: Low::Least(0.0),
    most: 1.0,
    range: "between 0 (no exposure) and 1",
    example: "0.5",
};
const BUFFER: Field =
    Field { key: "buffer", low: Low::Least(0.0), range: "between 0 and 100%", example: "\"10%\"", ..AT };

const RECOVERED: Field = Field { key: "rearm", example: "\"7d\"", ..AT };
const OPEN_RISK: Field =
    Field { key: "open_risk", range: "over 0 and at most 100% of equity", example: "\"2%\"", ..AT };
const GAP: Field = Field {
    key: "gap",
    takes: Takes::Share,
    low: Low::Least(0.0),
    most: 0.5,
    range: "between 0 and 50% of the stop",
    example: "\"1%\"",
};
const EXIT_COST: Field = Field { key: "exit_cost", most: 0.1, range: "between 0 and 10%", example: "\"7bp\"", ..GAP };
const DAILY_LOSS: Field = Field { key: "daily_loss", example: "\"3%\"", ..AT };
const WEEKLY_LOSS: Field = Field { key: "weekly_loss", example: "\"6%\"", ..AT };

const FLOOR: Field = Field { key: "share", most: 0.999, range: "over 0 and at most 99.9%", example: "\"80%\"", ..AT };
const MULTIPLIER: Field = Field {
    key: "multiplier",
    low: Low::Over(0.0),
    most: 20.0,
    range: "over 0 and at most 20",
    example: "4",
    ..LEVERAGE
};
const TOLERANCE: Field = Field {
    key: "tolerance",
    low: Low::Least(0.0),
    most: 0.5,
    range: "between 0 and 50% of the exposure that is borne",
    example: "\"10%\"",
    ..AT
};
/// Where the policy says nothing.
const TOLERATED: f64 = 0.1;

const PARTICIPATION: Field =
    Field { key: "participation", range: "over 0 and at most 100% of the volume", example: "\"10%\"", ..AT };
/// What the usual volume is the mean of, where the policy says nothing, and at most.
const USUAL: Duration = Duration::from_nanos(7 * Duration::DAY.nanos());
const USUAL_LONGEST: Duration = Duration::from_nanos(366 * Duration::DAY.nanos());
const EXIT_LONGEST: Duration = Duration::from_nanos(366 * Duration::DAY.nanos());

/// A book has two.
const SIDES: usize = 2;

const DRAWDOWN_EXAMPLE: &str = "[{ at = \"20%\", restore = \"10%\", factor = 0.0 }]";

pub(super) fn caps<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>, currencies: Currencies<'_>) -> Caps {
    let Some(section) = doc.section("caps") else { return Caps::default() };
    Caps {
        leverage: leverage(reader, section, currencies),
        drawdown: drawdown(reader, section).unwrap_or_default(),
        rearm: rearm(reader, section),
        daily_loss: reader.ratio(section, &DAILY_LOSS),
        weekly_loss: reader.ratio(section, &WEEKLY_LOSS),
        on_loss: reader.word(section, "on_loss").unwrap_or_default(),
        open_risk: open_risk(reader, section),
        liquidation_distance: reader.ratio(section, &LIQUIDATION_DISTANCE),
        participation: participation(reader, section),
        depth: depth(reader, section).unwrap_or_default(),
    }
}

/// The series of recorded depth: one of the thinner side, or one of each.
fn depth<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Vec<String>> {
    let value = section.get("depth")?;
    reader.require(section, &[("participation", "\"10%\"")]);
    let example = "[\"depth.bid.{base}\", \"depth.ask.{base}\"]";
    let entries = match value.get_ref().as_array() {
        Some(_) => reader.entries(section, "depth", SIDES, example)?,
        None => vec![value],
    };
    let mut read = |entry| {
        let node = reader.node(section, "depth", entry)?;
        if let Expr::Name(name) = node.expr {
            return Some(name.to_owned());
        }
        reader.wrong_unit(&section.slot("depth", example), &node, "the name of a series of depth");
        None
    };
    let names: Vec<_> = entries.into_iter().map(&mut read).collect();
    names.into_iter().collect()
}

fn participation<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Participation> {
    let share = reader.ratio(section, &PARTICIPATION);
    let window = match section.has("participation_window") {
        true => reader.bar(section, "participation_window"),
        false => Some(Duration::HOUR),
    };
    if section.has("participation_window") || section.has("exit_time") {
        reader.require(section, &[("participation", "\"10%\"")]);
    }
    if section.has("exit_time_restore") || section.has("usual_volume") {
        reader.require(section, &[("exit_time", "\"4h\"")]);
    }
    let exit = exit_time(reader, section, window.unwrap_or(Duration::HOUR));
    let exit = if section.has("exit_time") { Some(exit?) } else { None };
    Some(Participation { share: share?, window: window?, exit })
}

/// How long getting out may take. What stands there is read whatever else is wrong: all findings come at once.
fn exit_time<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, window: Duration) -> Option<ExitTime> {
    let bounds = (Duration::MINUTE, EXIT_LONGEST);
    let limit = reader.duration(section, "exit_time", bounds, "\"4h\"");
    let restore = match section.has("exit_time_restore") {
        true => reader.duration(section, "exit_time_restore", bounds, "\"3h\""),
        false => limit,
    };
    let usual = usual_volume(reader, section, window);
    let (limit, restore, usual) = (limit?, restore?, usual?);
    if restore > limit {
        let message = "the restore level is beyond its limit";
        let label = format!("is over the limit of {limit}");
        let help = format!("lower it to {limit} or less");
        reader.error(Code::RestoreOrder, section.place("exit_time_restore"), message, label, help);
        return None;
    }
    Some(ExitTime { limit, restore, usual })
}

fn usual_volume<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, window: Duration) -> Option<Duration> {
    let most = window.nanos().saturating_mul(USUAL_WINDOWS_MAX).min(USUAL_LONGEST.nanos());
    if !section.has("usual_volume") {
        // Whole windows, at least one.
        let count = (USUAL.nanos().min(most) / window.nanos()).max(1);
        return Some(Duration::from_nanos(count * window.nanos()));
    }
    let most = Duration::from_nanos(most.max(window.nanos()));
    let usual = reader.duration(section, "usual_volume", (window, most), "\"7d\"")?;
    if usual.nanos() % window.nanos() != 0 {
        let message = "the usual volume is a mean of whole windows";
        let label = format!("is no multiple of {window}");
        reader.error(Code::BarLength, section.place("usual_volume"), message, label, "write for example \"7d\"");
        return None;
    }
    Some(usual)
}

pub(super) fn floor<'t>(reader: &mut Reader<'t>, doc: &Doc<'_, 't>) -> Option<Floor> {
    let section = doc.section("floor")?;
    reader.require(section, &[("of", "\"deposits\""), ("share", "\"80%\""), ("multiplier", "4")]);
    let of = reader.word(section, "of");
    let (share, multiplier) = (reader.ratio(section, &FLOOR), reader.ratio(section, &MULTIPLIER));
    let tolerance = if section.has("tolerance") { reader.ratio(section, &TOLERANCE) } else { Ratio::new(TOLERATED) };
    Some(Floor { of: of?, share: share?, multiplier: multiplier?, tolerance: tolerance? })
}

/// `[[limits]]`, each with the place of what it limits.
pub(super) fn limits<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    currencies: Currencies<'_>,
) -> Vec<(FactLimit, Range<usize>)> {
    let mut limits: Vec<(FactLimit, Range<usize>)> = Vec::new();
    for section in doc.list("limits") {
        let Some(limit) = limit(reader, section, currencies) else { continue };
        if feasible::limit(reader, section, &limit, &limits) {
            limits.push((limit, section.place("of")));
        }
    }
    limits
}

fn limit<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, currencies: Currencies<'_>) -> Option<FactLimit> {
    reader.require(section, &[("of", "\"margin.ratio(binance)\""), ("restore", "\"40%\"")]);
    let name = limit_name(reader, section);
    let action = if section.has("action") { reader.word(section, "action") } else { Some(LimitAction::default()) };
    let breached = match (section.has("over"), section.has("under")) {
        (true, false) => Breached::Over,
        (false, true) => Breached::Under,
        (false, false) => {
            reader.require(section, &[("over", "\"60%\"")]);
            // What stands there is read all the same: all findings come at once.
            let _none = typed::limit(reader, section, "over", currencies);
            return None;
        }
        (true, true) => {
            let message = "a limit is breached over it or under it";
            let help = "write two limits, one with `over` and one with `under`";
            reader.error(Code::Limits, section.key_place("under"), message, "stands beside `over`", help);
            return None;
        }
    };
    let [of, limit, restore] = typed::limit(reader, section, breached.word(), currencies)?;
    let (name, action) = (name?, action?);
    if let (Some(level), Some(back)) = (limit.constant(), restore.constant()) {
        let is_beyond = if breached == Breached::Over { back > level } else { back < level };
        if is_beyond {
            let message = "the restore level is beyond its limit";
            let label = format!("is {} the limit of {limit}", breached.word());
            let help = format!("a breach is brought back to this: write {limit} or what is on its other side");
            reader.error(Code::RestoreOrder, section.place("restore"), message, label, help);
            return None;
        }
    }
    if action == LimitAction::Reduce && !of.follows_position() {
        let message = "a smaller position does not bring this back";
        let label = "does not follow from what is held";
        let help = "set `action = \"no_increase\"` or `action = \"flat\"`, or limit what follows from it, such as `es(97.5%, 1d)`";
        reader.error(Code::Limits, section.place("of"), message, label, help);
        return None;
    }
    let cut = if section.has("cut") { reader.word(section, "cut")? } else { Cut::default() };
    let limit = FactLimit { name, of, breached, limit, restore, action, cut };
    (!section.has("cut") || can_choose(reader, section, &limit)).then_some(limit)
}

/// Whether a limit is one for which it is known what each position adds to it.
fn can_choose<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, limit: &FactLimit) -> bool {
    let mut refuse = |key: &str, message: &str, label: &str, help: &str| {
        reader.error(Code::Limits, section.place(key), message, label, help);
        false
    };
    if limit.action != LimitAction::Reduce {
        return refuse(
            "cut",
            "`cut` has nothing to act on",
            "is of limits that reduce",
            "take it out, or set `action = \"reduce\"`",
        );
    }
    if limit.cut == Cut::Alike {
        return true;
    }
    let message = "what is cheapest is chosen where each position's part is known";
    if limit.reducible().is_none() {
        let help = "limit `var(…)`, `es(…)`, `stress(…)`, `leverage()` or `margin.ratio(…)` `over` a number, \
                    `liquidation.distance()` `under` one, or set `cut = \"alike\"`";
        return refuse("of", message, "is no such figure", help);
    }
    if limit.limit.constant().is_none() || limit.restore.constant().is_none() {
        let help = "write a share such as \"4%\", or set `cut = \"alike\"`";
        return refuse("restore", "a choice needs levels that stand still", "both levels are numbers", help);
    }
    true
}

/// Its name, if it has one: short, because plans repeat it. The outer `None`: it was refused.
fn limit_name<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Option<facts::Code>> {
    let Some(value) = section.get("name") else { return Some(None) };
    let text = reader.string(section, "name", value)?;
    let is_short = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_short {
        let (message, label) = ("`limits.name` is a short name", "one to eight letters or digits");
        reader.error(Code::Text, value.span(), message, label, "write for example `name = \"margin\"`");
    }
    is_short.then(|| Some(facts::Code::new(text)))
}

/// A span of time, or a share of the drawdown that is to be recovered.
fn rearm<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Rearm> {
    let node = reader.node(section, "rearm", section.get("rearm")?)?;
    reader.require(section, &[("drawdown", DRAWDOWN_EXAMPLE)]);
    match &node.expr {
        Expr::Quantity(Quantity { unit: Unit::Time(_), .. }) => {
            let bounds = (Duration::MINUTE, Duration::from_nanos(3_650 * Duration::DAY.nanos()));
            reader.duration(section, "rearm", bounds, "\"7d\"").map(Rearm::After)
        }
        Expr::Quantity(Quantity { unit: Unit::Percent | Unit::None, .. }) => {
            reader.ratio(section, &RECOVERED).map(Rearm::Recovered)
        }
        _ => {
            reader.wrong_unit(&section.slot("rearm", "\"7d\""), &node, "a span of time, or a share of the drawdown");
            None
        }
    }
}

fn open_risk<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<OpenRisk> {
    let (cap, gap) = (reader.ratio(section, &OPEN_RISK), reader.ratio(section, &GAP));
    let exit_cost = reader.ratio(section, &EXIT_COST);
    if section.has("gap") || section.has("exit_cost") {
        reader.require(section, &[("open_risk", "\"2%\"")]);
    }
    let gap = if section.has("gap") { gap? } else { Ratio::default() };
    Some(OpenRisk { cap: cap?, gap, exit_cost })
}

fn leverage<'t>(
    reader: &mut Reader<'t>,
    section: &Section<'_, 't>,
    currencies: Currencies<'_>,
) -> Option<LeverageLimit> {
    let limit = typed::ratio(reader, section, &LEVERAGE, currencies);
    let restore = typed::ratio(reader, section, &LEVERAGE_RESTORE, currencies);
    if section.has("leverage_restore") {
        reader.require(section, &[("leverage", "2.5")]);
    }
    let limit = limit?;
    match (restore.as_ref().and_then(Setting::declared), limit.declared()) {
        (Some(restore), Some(limit)) if restore > limit => {
            let label = format!("is over the limit of {limit}");
            let help = format!("lower it to {limit} or less");
            let message = "the restore level is beyond its limit";
            reader.error(Code::RestoreOrder, section.place("leverage_restore"), message, label, help);
            None
        }
        _ => Some(LeverageLimit { restore: restore.unwrap_or_else(|| limit.clone()), limit }),
    }
}

fn drawdown<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>) -> Option<Vec<DrawdownLevel>> {
    let entries = reader.entries(section, "drawdown", LEVELS_MAX, DRAWDOWN_EXAMPLE)?;
    let levels: Vec<LevelRead> = entries.iter().map(|entry| level(reader, entry)).collect();
    for (at, entry) in entries.iter().enumerate().skip(1) {
        // What could not be read is passed over: levels on both sides of it have to be in order all the same.
        let rises = follows(&levels, at, |level| level.at, |this, before| this > before);
        let falls = follows(&levels, at, |level| level.factor, |this, before| this < before);
        let label = match (rises, falls) {
            (true, true) => continue,
            (false, true) => "`at` is not over the one before it",
            (true, false) => "`factor` is not under the one before it",
            (false, false) => "`at` is not over the one before it, nor `factor` under it",
        };
        let help = "list the levels from the mildest to the worst";
        reader.error(Code::DrawdownOrder, entry.span(), "drawdown levels are out of order", label, help);
    }
    if let (Some(last), Some(entry)) = (levels.last(), entries.last())
        && let Some(factor) = last.written.filter(|factor| *factor > 0.0)
    {
        let message = "the last drawdown level leaves exposure";
        let help = "add a level with `factor = 0.0`: no smaller cut can bound a drawdown";
        reader.error(Code::LastLevel, entry.span(), message, format!("its factor is {factor}"), help);
    }
    levels.into_iter().map(LevelRead::whole).collect()
}

/// A drawdown level as far as it could be read, so that what is wrong with one part of it hides nothing of the others.
#[derive(Default)]
struct LevelRead {
    at: Option<Ratio>,
    restore: Option<Ratio>,
    factor: Option<Ratio>,
    /// The factor as it stands there, in its range or not.
    written: Option<f64>,
}

impl LevelRead {
    fn whole(self) -> Option<DrawdownLevel> {
        Some(DrawdownLevel { at: self.at?, restore: self.restore?, factor: self.factor? })
    }
}

/// Whether one part of a level stands to the same part of the level before it as it has to. What could not be read does.
fn follows(
    levels: &[LevelRead],
    at: usize,
    part: fn(&LevelRead) -> Option<Ratio>,
    is_in_order: fn(Ratio, Ratio) -> bool,
) -> bool {
    let this = levels.get(at).and_then(part);
    let before = levels.iter().take(at).rev().find_map(part);
    this.zip(before).is_none_or(|(this, before)| is_in_order(this, before))
}

fn level<'t>(reader: &mut Reader<'t>, entry: &Spanned<DeValue<'t>>) -> LevelRead {
    let DeValue::Table(table) = entry.get_ref() else {
        if !reader.is_broken(&entry.span()) {
            let label = format!("this is {}", type_name(entry.get_ref()));
            let help = "write for example `{ at = \"10%\", restore = \"5%\", factor = 0.5 }`";
            reader.error(Code::WrongType, entry.span(), "a drawdown level is a table", label, help);
        }
        return LevelRead::default();
    };
    let section = reader.section(schema::DRAWDOWN_LEVEL, entry.span(), table);
    reader.refuse_unknown_keys(&section);
    reader.require(&section, &[("at", "\"10%\""), ("restore", "\"5%\""), ("factor", "0.5")]);
    let at = reader.ratio(&section, &AT);
    let restore = reader.ratio(&section, &RESTORE);
    let (factor, written) = match reader.judged(&section, &FACTOR) {
        Some(Ok(factor)) => (Ratio::new(factor), Some(factor)),
        Some(Err(beyond)) => (None, Some(beyond)),
        None => (None, None),
    };
    if at.zip(restore).is_some_and(|(at, restore)| restore >= at) {
        let message = "the restore level is beyond its limit";
        let (label, help) = ("is not under `at`", "a level is left again only under the drawdown that it began at");
        reader.error(Code::RestoreOrder, section.place("restore"), message, label, help);
    }
    LevelRead { at, restore, factor, written }
}

pub(super) fn trade<'t>(
    reader: &mut Reader<'t>,
    doc: &Doc<'_, 't>,
    instruments: &[String],
    symbol: Option<&str>,
) -> Trade {
    let Some(section) = doc.section("trade") else { return Trade::default() };
    Trade {
        buffer: reader.ratio(section, &BUFFER).filter(|buffer| *buffer > Ratio::default()),
        buffer_to: reader.word(section, "buffer_to").unwrap_or(BufferTo::Edge),
        min_order: min_order(reader, section, symbol),
        dust: order_size(reader, section, "dust", instruments, "\"10 USDT\""),
    }
}

fn min_order<'t>(reader: &mut Reader<'t>, section: &Section<'_, 't>, symbol: Option<&str>) -> Option<Qty> {
    // The quantity of a contract that settles in coin is in dollars.
    let bases = match symbol.map(spec::settlements).as_deref() {
        Some(&[base, quote]) => vec![base, quote],
        _ => symbol.and_then(spec::base).into_iter().collect(),
    };
    let (raw, _) = amount(reader, section, "min_order", &bases, Qty::SCALE)?;
    let qty = i64::try_from(raw).ok().filter(|raw| *raw > 0).map(Qty::from_raw);
    if qty.is_none() {
        let slot = section.slot("min_order", "0.001");
        reader.out_of_range(&slot, section.place("min_order"), "over 0 and at most 92 billion");
    }
    qty
}
