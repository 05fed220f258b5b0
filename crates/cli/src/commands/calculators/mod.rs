//! `trimtab price` and `trimtab iv`: rows in, answers out, one line each, in order.

mod lines;
mod row;

use super::Outcome;
use crate::args::Calculator;
use crate::failure::Failure;
use crate::terminal::{Terminal, json_line};
use lines::{Line, Lines};
use pricing::options::{
    Batch, DeltaConvention, Greeks, Implied, ImpliedVols, NoVol, OptionStyle, Quotes, Simd, SimdName, Values,
};
use row::{OptionRow, QuoteRow, Reader, Refused};
use serde::Serialize;
use std::io;

/// Rows that are computed at once, at most; fewer when standard input pauses.
const ROWS_MAX: usize = 4_096;

pub(super) fn price(args: &Calculator, terminal: &Terminal) -> Result<Outcome, Failure> {
    let simd = simd(args)?;
    let mut values = Values::default();
    answer(terminal, "price", |rows: &[Result<OptionRow, Refused>], answers| {
        let mut batch = Batch::default();
        rows.iter().flatten().for_each(|row| batch.push(&row.option));
        batch.values(simd, &mut values);
        let mut greeks = values.iter();
        for row in rows {
            match row.as_ref().map(|row| (row, greeks.next())) {
                Ok((row, Some(greeks))) => answers.push(&Priced::new(row, &greeks)),
                // There are as many values as rows that were taken.
                Ok((_, None)) => break,
                Err(reason) => answers.refuse(reason),
            }
        }
    })
}

pub(super) fn iv(args: &Calculator, terminal: &Terminal) -> Result<Outcome, Failure> {
    let simd = simd(args)?;
    let mut vols = ImpliedVols::default();
    answer(terminal, "iv", |rows: &[Result<QuoteRow, Refused>], answers| {
        let mut quotes = Quotes::default();
        let push = |row: &QuoteRow| quotes.push(row.kind, row.style, row.inputs);
        let refusals: Vec<_> = rows.iter().flatten().map(push).collect();
        quotes.implied(simd, &mut vols);
        let (mut refusals, mut implied) = (refusals.into_iter(), vols.iter());
        for row in rows {
            let row = match row {
                Ok(row) => row,
                Err(reason) => {
                    answers.refuse(reason);
                    continue;
                }
            };
            if let Some(Err(refusal)) = refusals.next() {
                answers.refuse(&Refused::range(row.line, row.id.clone(), &refusal));
                continue;
            }
            match implied.next() {
                Some(Implied::Vol { vol, low, high }) => {
                    answers.push(&Solved { id: row.id.as_ref(), vol, vol_low: low, vol_high: high });
                }
                Some(Implied::None(reason)) => answers.refuse(&without(row, reason)),
                // There are as many volatilities as quotes that were taken.
                None => break,
            }
        }
    })
}

fn simd(args: &Calculator) -> Result<Simd, Failure> {
    let Some(asked) = args.simd else { return Ok(Simd::best()) };
    let name = SimdName::from(asked);
    Simd::new(name).ok_or_else(|| {
        Failure::input(format_args!("this processor has no {name}"))
            .hint("leave `--simd` away: the best that it has is taken, and the results are the same")
    })
}

/// Answers as text, each a line of JSON, with its schema under `--json`.
struct Answers {
    text: String,
    schema: Option<&'static str>,
    /// Whether one says that there is no answer.
    negative: bool,
}

impl Answers {
    fn push(&mut self, answer: &impl Serialize) {
        self.text += &match self.schema {
            Some(kind) => json_line(kind, answer),
            // Fields with names, numbers and texts: nothing in them cannot be written.
            None => serde_json::to_string(answer).unwrap_or_default(),
        };
        self.text.push('\n');
    }

    fn refuse(&mut self, reason: &Refused) {
        self.negative = true;
        self.push(reason);
    }
}

/// Reads rows, has them computed in pieces, and writes what comes of them.
fn answer<R>(
    terminal: &Terminal,
    kind: &'static str,
    mut compute: impl FnMut(&[Result<R, Refused>], &mut Answers),
) -> Result<Outcome, Failure>
where
    Reader: row::Read<R>,
{
    let mut lines = Lines::new(io::stdin().lock());
    let mut reader = Reader::default();
    let mut answers = Answers { text: String::new(), schema: terminal.is_json().then_some(kind), negative: false };
    let mut failure = None;
    terminal.stream(|out| {
        let mut rows: Vec<Result<R, Refused>> = Vec::new();
        loop {
            let line = match lines.next_line() {
                Ok(line) => line,
                Err(error) => {
                    failure = Some(lines::failure(&error));
                    break;
                }
            };
            let ended = matches!(line, Line::End);
            match row::Read::<R>::read(&mut reader, line) {
                Ok(row) => rows.extend(row),
                Err(refused) => {
                    failure = Some(refused);
                    break;
                }
            }
            if rows.len() == ROWS_MAX || ended || lines.must_wait() {
                compute(&rows, &mut answers);
                rows.clear();
                out.write_all(answers.text.as_bytes())?;
                answers.text.clear();
                out.flush()?;
            }
            if ended {
                break;
            }
        }
        Ok(())
    });
    match failure {
        Some(failure) => Err(failure),
        None if answers.negative => Ok(Outcome::Negative),
        None => Ok(Outcome::Done),
    }
}

/// An answer of `trimtab price`. What is infinite, exactly at the strike without time or volatility, is null.
#[derive(Serialize)]
struct Priced<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_coin: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_usd: Option<f64>,
    delta: f64,
    gamma: f64,
    vega: f64,
    theta: f64,
    rho: f64,
    vanna: f64,
    volga: f64,
    charm: f64,
    veta: f64,
    speed: f64,
    zomma: f64,
    color: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    net_delta: Option<f64>,
}

impl<'a> Priced<'a> {
    fn new(row: &'a OptionRow, greeks: &Greeks) -> Self {
        let forward = row.option.inputs().forward;
        let inverse = row.style == OptionStyle::Inverse;
        Self {
            id: row.id.as_ref(),
            price: (!inverse).then_some(greeks.price),
            price_coin: inverse.then(|| greeks.in_coin(forward).price),
            price_usd: inverse.then_some(greeks.price),
            delta: greeks.delta,
            gamma: greeks.gamma,
            vega: greeks.vega,
            theta: greeks.theta,
            rho: greeks.rho,
            vanna: greeks.vanna,
            volga: greeks.volga,
            charm: greeks.charm,
            veta: greeks.veta,
            speed: greeks.speed,
            zomma: greeks.zomma,
            color: greeks.color,
            net_delta: inverse.then(|| greeks.delta_as(DeltaConvention::Net, forward)),
        }
    }
}

/// An answer of `trimtab iv`.
#[derive(Serialize)]
struct Solved<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a serde_json::Value>,
    vol: f64,
    vol_low: f64,
    vol_high: Option<f64>,
}

/// Why a quote has no volatility, with the numbers.
fn without(row: &QuoteRow, reason: NoVol) -> Refused {
    let (exercise, most) = row.bounds();
    let price = row.inputs.price;
    let (code, error, vol_high) = match reason {
        NoVol::BelowIntrinsic => {
            let text =
                format!("the price {price} is under {exercise}, what exercise gives: no volatility makes it so low");
            ("below_intrinsic", text, None)
        }
        NoVol::AboveForward => {
            let text = format!("the price {price} is not under {most}, the most that such an option can be worth");
            let coin = row.style == OptionStyle::Inverse && price > 2.0;
            let hint = if coin { "; the price of an inverse option is in coin" } else { "" };
            ("above_forward", text + hint, None)
        }
        NoVol::NoInformation { .. } if row.inputs.years == 0.0 => {
            ("no_information", "no time is left, so that the price says nothing about volatility".to_owned(), None)
        }
        NoVol::NoInformation { high } => {
            let text = format!(
                "the price {price} is what exercise gives, {exercise}, to within half a tick or its rounding: any low volatility fits"
            );
            ("no_information", text, high)
        }
    };
    let mut refused = Refused::new(row.line, row.id.clone(), code, error);
    refused.vol_high = vol_high;
    refused
}
