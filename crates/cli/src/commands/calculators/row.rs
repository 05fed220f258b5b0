//! A line of JSON or CSV to an option or a quote.

use super::lines::{LINE_BYTES_MAX, Line};
use crate::failure::Failure;
use pricing::options::{EuropeanOption, Field, Inputs, OptionKind, OptionStyle, QuoteInputs, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A volatility over this is taken for percent.
const VOL_MAX: f64 = 20.0;

/// A row of `trimtab price`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OptionRow {
    pub(super) id: Option<Value>,
    pub(super) style: OptionStyle,
    pub(super) option: EuropeanOption,
}

/// A row of `trimtab iv`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QuoteRow {
    pub(super) line: usize,
    pub(super) id: Option<Value>,
    pub(super) kind: OptionKind,
    pub(super) style: OptionStyle,
    pub(super) inputs: QuoteInputs,
}

impl QuoteRow {
    /// What exercise gives and the most that the option can be worth, in the unit of the price.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let QuoteInputs { forward, strike, discount, .. } = self.inputs;
        let unit = if self.style == OptionStyle::Inverse { forward } else { 1.0 };
        let (exercise, most) = match self.kind {
            OptionKind::Call => (forward - strike, forward),
            OptionKind::Put => (strike - forward, strike),
        };
        (exercise.max(0.0) * discount / unit, most * discount / unit)
    }
}

/// Why a row has no answer, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Refused {
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    error: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vol_high: Option<f64>,
}

impl Refused {
    pub(super) fn new(line: usize, id: Option<Value>, code: &'static str, error: String) -> Self {
        Self { line, id, error, code, vol_high: None }
    }

    pub(super) fn range(line: usize, id: Option<Value>, refusal: &Refusal) -> Self {
        let code = if refusal.field == Field::Years && refusal.value < 0.0 { "expired" } else { "range" };
        Self::new(line, id, code, refusal.to_string())
    }
}

/// A row before its numbers are looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: Option<Value>,
    r#type: Option<RawKind>,
    forward: Option<f64>,
    strike: Option<f64>,
    years: Option<f64>,
    vol: Option<f64>,
    price: Option<f64>,
    tick: Option<f64>,
    discount: Option<f64>,
    style: Option<RawStyle>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Call,
    Put,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawStyle {
    Linear,
    Inverse,
}

impl Raw {
    fn kind(&self) -> Option<OptionKind> {
        Some(match self.r#type? {
            RawKind::Call => OptionKind::Call,
            RawKind::Put => OptionKind::Put,
        })
    }

    fn style(&self) -> OptionStyle {
        match self.style {
            None | Some(RawStyle::Linear) => OptionStyle::Linear,
            Some(RawStyle::Inverse) => OptionStyle::Inverse,
        }
    }
}

/// Columns of CSV, in the order in which help names them.
const COLUMNS: [&str; 10] = ["type", "forward", "strike", "years", "vol", "price", "tick", "discount", "style", "id"];

/// How lines are written; the first one shows it.
#[derive(Debug, Default)]
enum Form {
    #[default]
    Unknown,
    Json,
    /// The columns.
    Csv(Vec<String>),
}

/// Reads lines of one kind of row.
#[derive(Debug, Default)]
pub(super) struct Reader {
    form: Form,
}

/// A reader of rows `R`.
pub(super) trait Read<R> {
    /// The row of a line; `None` of a line that is none: blank, a header, the end.
    fn read(&mut self, line: Line) -> Result<Option<Result<R, Refused>>, Failure>;
}

impl Read<OptionRow> for Reader {
    fn read(&mut self, line: Line) -> Result<Option<Result<OptionRow, Refused>>, Failure> {
        let row = self.raw(line, "vol")?;
        Ok(row.map(|row| row.and_then(|(line, raw)| option(line, raw))))
    }
}

impl Read<QuoteRow> for Reader {
    fn read(&mut self, line: Line) -> Result<Option<Result<QuoteRow, Refused>>, Failure> {
        let row = self.raw(line, "price")?;
        Ok(row.map(|row| row.and_then(|(line, raw)| quote(line, raw))))
    }
}

type RawLine = Result<(usize, Raw), Refused>;

impl Reader {
    fn raw(&mut self, line: Line, asked: &str) -> Result<Option<RawLine>, Failure> {
        let (number, bytes) = match line {
            Line::End => return Ok(None),
            Line::TooLong(number) => {
                let error = format!("the line is longer than {} KiB, which no row is", LINE_BYTES_MAX >> 10);
                return Ok(Some(Err(Refused::new(number, None, "syntax", error))));
            }
            Line::Bytes(number, bytes) => (number, bytes),
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            let error = "the line is no text in UTF-8".to_owned();
            return Ok(Some(Err(Refused::new(number, None, "syntax", error))));
        };
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Ok(None);
        }
        if matches!(self.form, Form::Unknown) {
            if !text.starts_with('{') {
                self.form = Form::Csv(header(text, asked)?);
                return Ok(None);
            }
            self.form = Form::Json;
        }
        let row = match &self.form {
            Form::Csv(columns) => cells(columns, text).map_err(|error| (cell_id(columns, text), error)),
            _ => object(text).map_err(|error| (object_id(text), error)),
        };
        Ok(Some(match row {
            Ok(raw) => Ok((number, raw)),
            Err((id, error)) => Err(Refused::new(number, id, "syntax", error)),
        }))
    }
}

/// A row of JSON. Only an object is one: the values of a list would have no names.
fn object(text: &str) -> Result<Raw, String> {
    if !text.starts_with('{') {
        return Err("the line is no JSON object, and a row is one: {\"type\":\"call\",...}".to_owned());
    }
    serde_json::from_str(text).map_err(|error| {
        let whole = error.to_string();
        // The line's number stands beside; in itself it is the first always.
        let reason =
            whole.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())).unwrap_or(&whole);
        let reason = reason
            .strip_suffix("expected f64")
            .map_or_else(|| reason.to_owned(), |what| format!("{what}expected a number"));
        format!("the line is no row: {reason}, at column {}", error.column())
    })
}

/// The `id` of a row of JSON that is refused for something else.
fn object_id(text: &str) -> Option<Value> {
    #[derive(Deserialize)]
    struct Named {
        id: Option<Value>,
    }
    text.starts_with('{').then(|| serde_json::from_str::<Named>(text).ok()?.id)?
}

/// The `id` of a row of CSV that is refused for something else. With cells too many or too few none is known to be it.
fn cell_id(columns: &[String], text: &str) -> Option<Value> {
    let at = columns.iter().position(|column| column == "id")?;
    let cell = (split(text).count() == columns.len()).then(|| split(text).nth(at))??;
    (!cell.is_empty()).then(|| Value::String(cell.to_owned()))
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(|cell| {
        let cell = cell.trim();
        cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell)
    })
}

/// The columns that a header line names.
fn header(text: &str, asked: &str) -> Result<Vec<String>, Failure> {
    let columns: Vec<String> = split(text).map(str::to_owned).collect();
    let hint =
        || format!("rows are JSON objects, or CSV under a header line such as `type,forward,strike,years,{asked}`");
    for (at, column) in columns.iter().enumerate() {
        if !COLUMNS.contains(&column.as_str()) {
            let shown: String = column.chars().take(40).collect();
            let message = format!("`{shown}` in the first line is no column; columns are {}", COLUMNS.join(", "));
            return Err(Failure::input(message).hint(hint()));
        }
        if columns[..at].contains(column) {
            return Err(
                Failure::input(format_args!("the column `{column}` stands twice in the first line")).hint(hint())
            );
        }
    }
    for needed in ["type", "forward", "strike", "years", asked] {
        if !columns.iter().any(|column| column == needed) {
            return Err(Failure::input(format_args!("the first line names no column `{needed}`")).hint(hint()));
        }
    }
    Ok(columns)
}

/// A line of CSV. An empty cell is a value that is not given.
fn cells(columns: &[String], text: &str) -> Result<Raw, String> {
    let mut raw = Raw::default();
    let count = split(text).count();
    if count != columns.len() {
        return Err(format!("the line has {count} cells, the first line has {}", columns.len()));
    }
    for (column, cell) in columns.iter().zip(split(text)).filter(|(_, cell)| !cell.is_empty()) {
        let number =
            || cell.parse::<f64>().map(Some).map_err(|_| format!("`{column}` is `{cell}`, which is no number"));
        match column.as_str() {
            "type" => {
                raw.r#type = Some(match cell {
                    "call" => RawKind::Call,
                    "put" => RawKind::Put,
                    _ => return Err(format!("`type` is `{cell}`; it is `call` or `put`")),
                });
            }
            "style" => {
                raw.style = Some(match cell {
                    "linear" => RawStyle::Linear,
                    "inverse" => RawStyle::Inverse,
                    _ => return Err(format!("`style` is `{cell}`; it is `linear` or `inverse`")),
                });
            }
            "id" => raw.id = Some(Value::String(cell.to_owned())),
            "forward" => raw.forward = number()?,
            "strike" => raw.strike = number()?,
            "years" => raw.years = number()?,
            "vol" => raw.vol = number()?,
            "price" => raw.price = number()?,
            "tick" => raw.tick = number()?,
            // `header` lets no other column pass.
            _ => raw.discount = number()?,
        }
    }
    Ok(raw)
}

fn needed<T>(line: usize, id: Option<&Value>, value: Option<T>, name: &str) -> Result<T, Refused> {
    value.ok_or_else(|| Refused::new(line, id.cloned(), "missing", format!("the row has no `{name}`")))
}

fn foreign(line: usize, id: Option<&Value>, value: Option<f64>, name: &str, remedy: &str) -> Result<(), Refused> {
    if value.is_none() {
        return Ok(());
    }
    Err(Refused::new(line, id.cloned(), "foreign", format!("the row has `{name}`, which is no input here; {remedy}")))
}

fn option(line: usize, raw: Raw) -> Result<OptionRow, Refused> {
    let (kind, style, id) = (raw.kind(), raw.style(), raw.id.as_ref());
    foreign(line, id, raw.price, "price", "`trimtab iv` takes a price")?;
    foreign(line, id, raw.tick, "tick", "`trimtab iv` takes a tick")?;
    let kind = needed(line, id, kind, "type")?;
    let inputs = Inputs {
        forward: needed(line, id, raw.forward, "forward")?,
        strike: needed(line, id, raw.strike, "strike")?,
        years: needed(line, id, raw.years, "years")?,
        vol: needed(line, id, raw.vol, "vol")?,
        discount: raw.discount.unwrap_or(1.0),
    };
    if !(0.0..=VOL_MAX).contains(&inputs.vol) {
        let error = format!("`vol` is {}; it is a fraction between 0 and {VOL_MAX}: 0.65 is 65 %", inputs.vol);
        return Err(Refused::new(line, raw.id, "range", error));
    }
    match EuropeanOption::new(kind, inputs) {
        Ok(option) => Ok(OptionRow { id: raw.id, style, option }),
        Err(refusal) => Err(Refused::range(line, raw.id, &refusal)),
    }
}

fn quote(line: usize, raw: Raw) -> Result<QuoteRow, Refused> {
    let (kind, style, id) = (raw.kind(), raw.style(), raw.id.as_ref());
    foreign(line, id, raw.vol, "vol", "`trimtab price` takes a volatility")?;
    let kind = needed(line, id, kind, "type")?;
    let inputs = QuoteInputs {
        forward: needed(line, id, raw.forward, "forward")?,
        strike: needed(line, id, raw.strike, "strike")?,
        years: needed(line, id, raw.years, "years")?,
        discount: raw.discount.unwrap_or(1.0),
        price: needed(line, id, raw.price, "price")?,
        tick: raw.tick.unwrap_or(0.0),
    };
    Ok(QuoteRow { line, id: raw.id, kind, style, inputs })
}
