//! `plan`: what should be held now, and why, from a portfolio's state alone.

use crate::explain::StepView;
use crate::{Error, run};
use policy::facts::{self, Facts};
use policy::{Add, Because, Exit, Program};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use units::{Cash, Price, Qty, Ratio, SeriesId, Timestamp, Vol};

/// The portfolio's schema name, with its version.
pub const SCHEMA: &str = "trimtab.portfolio/1";

/// What should be held now, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAnswer {
    /// When.
    pub time: Timestamp,
    /// Symbol.
    pub instrument: String,
    /// Price that it was decided at.
    pub price: Price,
    /// Equity of the account.
    pub equity: Cash,
    /// Signed quantity held.
    pub position: Qty,
    /// Signed quantity wanted.
    pub target: Qty,
    /// What each rule made of it.
    pub steps: Vec<StepView>,
    /// The add to leave resting.
    pub add: Option<Add>,
    /// The exits to leave resting.
    pub exits: Vec<Exit>,
}

/// A portfolio as a file states it. Amounts, prices and quantities are decimals, as text or as plain JSON numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Portfolio {
    schema: String,
    time: Decimal<Timestamp>,
    accounts: Vec<AccountState>,
    instruments: Vec<InstrumentState>,
    #[serde(default)]
    series: BTreeMap<String, SeriesState>,
    #[serde(default)]
    facts: FactsState,
    #[serde(default)]
    positions: Vec<PositionState>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountState {
    name: String,
    equity: Decimal<Cash>,
    /// Highest equity net of deposits and withdrawals; the present one if absent.
    high_water: Option<Decimal<Cash>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstrumentState {
    symbol: String,
    price: Decimal<Price>,
    tick: Decimal<Price>,
    lot: Decimal<Qty>,
    min_qty: Option<Decimal<Qty>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeriesState {
    value: f64,
    time: Decimal<Timestamp>,
}

/// What the policy's indicators would have found out from history.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsState {
    signal: Option<f64>,
    signal_since: Option<Decimal<Timestamp>>,
    unit: Option<Decimal<Price>>,
    volatility: Option<f64>,
    campaign_closed_at: Option<Decimal<Timestamp>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionState {
    account: String,
    instrument: String,
    quantity: Decimal<Qty>,
    campaign: Option<CampaignState>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CampaignState {
    entry: Decimal<Price>,
    last_fill: Option<Decimal<Price>>,
    unit: Option<Decimal<Price>>,
    initial_stop: Option<Decimal<Price>>,
    stop: Option<Decimal<Price>>,
    base: Decimal<Qty>,
    /// Units filled, from 1.
    #[serde(default = "first_unit")]
    units: Vec<u32>,
    #[serde(default)]
    lapsed: Vec<u32>,
    /// Rungs used, from 1.
    #[serde(default)]
    rungs_used: Vec<u32>,
    first: Option<Decimal<Qty>>,
    peak: Option<Decimal<Qty>>,
    uncut: Option<Decimal<Qty>>,
    best: Option<Decimal<Price>>,
}

fn first_unit() -> Vec<u32> {
    vec![1]
}

/// A value written as text or as a JSON number.
#[derive(Debug, Clone, Copy)]
struct Decimal<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Decimal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> Text<T> {
            fn parse<E: de::Error>(text: &str) -> Result<Decimal<T>, E> {
                text.parse().map(Decimal).map_err(|error| E::custom(format!("`{text}`: {error}")))
            }
        }
        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
            type Value = Decimal<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal as text, such as \"117904.1\", or a plain number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Self::parse(text)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Self::parse(&value.to_string())
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                Self::parse(&value.to_string())
            }
            // The shortest text that gives the same double is the decimal that was written.
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                Self::parse(&value.to_string())
            }
        }
        deserializer.deserialize_any(Text(PhantomData))
    }
}

/// Decides a policy on a portfolio's state. Without history the caller states what the indicators would have found.
pub fn plan(policy_text: &str, state_json: &str) -> Result<PlanAnswer, Error> {
    let policy = run::checked(policy_text)?;
    let portfolio: Portfolio =
        serde_json::from_str(state_json).map_err(|error| Error::State(format!("portfolio state: {error}")))?;
    if portfolio.schema != SCHEMA {
        let message = format!("portfolio state: schema is `{}`; this version reads `{SCHEMA}`", portfolio.schema);
        return Err(Error::State(message));
    }
    let names: Vec<&String> = portfolio.series.keys().collect();
    let series = |name: &str| names.iter().position(|known| *known == name).map(|at| SeriesId(at as u32));
    let mut program = Program::compile(&policy, &policy.instruments[0], &series)
        .map_err(|error| Error::State(unknown_series(&error)))?;
    if let Some(guard) = run::guard(&policy, &policy.instruments[0]) {
        let last = program.rules.len().saturating_sub(1);
        program.rules.insert(last, Box::new(guard));
    }
    let mut facts = portfolio.facts(&policy.instruments[0])?;
    for indicator in &mut program.indicators {
        indicator.observe(None, &mut facts);
    }
    portfolio.stated(&mut facts);
    for rule in &mut program.rules {
        rule.observe(&facts);
    }
    let mut because = Because::default();
    let target = policy::evaluate(&program.rules, &facts, &mut because);
    let step = |step: &policy::Step| StepView {
        rule: program.rules.get(usize::from(step.rule)).map_or("market", |rule| rule.name()).to_owned(),
        outcome: step.outcome.name().to_owned(),
        before: step.before,
        after: step.after,
        because: step.reason.to_string(),
    };
    Ok(PlanAnswer {
        time: portfolio.time.0,
        instrument: policy.instruments[0].clone(),
        price: facts.get(facts::PRICE).unwrap_or_default(),
        equity: facts.get(facts::EQUITY).unwrap_or_default(),
        position: facts.get(facts::POSITION).unwrap_or_default(),
        target: target.qty,
        steps: because.steps().iter().map(step).collect(),
        add: because.add().filter(|_| !target.qty.is_zero()),
        exits: because.exits().to_vec(),
    })
}

fn unknown_series(error: &policy::CompileError) -> String {
    match error {
        policy::CompileError::UnknownSeries(name) => {
            format!("portfolio state: the policy reads the series `{name}`; add it under \"series\"")
        }
        policy::CompileError::TooLong => error.to_string(),
    }
}

impl Portfolio {
    /// The facts of the policy's scope: account, instrument, position and campaign.
    fn facts(&self, symbol: &str) -> Result<Facts, Error> {
        let wrong = |message: String| Error::State(format!("portfolio state: {message}"));
        let instrument = self.instruments.iter().find(|instrument| instrument.symbol == symbol);
        let instrument =
            instrument.ok_or_else(|| wrong(format!("the policy trades `{symbol}`; add it under \"instruments\"")))?;
        let mut positions = self.positions.iter().filter(|position| position.instrument == symbol);
        let position = positions.next();
        if positions.next().is_some() {
            return Err(wrong(format!("more than one position in `{symbol}`")));
        }
        let account = match position {
            Some(position) => self.accounts.iter().find(|account| account.name == position.account),
            None => self.accounts.first(),
        };
        let account = account.ok_or_else(|| wrong("the position's account is not under \"accounts\"".to_owned()))?;
        let (price, tick, lot) = (instrument.price.0, instrument.tick.0, instrument.lot.0);
        for (name, raw) in [("price", price.raw()), ("tick", tick.raw()), ("lot", lot.raw())] {
            if raw <= 0 {
                return Err(wrong(format!("{name} of `{symbol}` must be over zero")));
            }
        }
        let mut facts = Facts::new(self.series.len());
        for (at, state) in self.series.values().enumerate() {
            if state.time.0 > self.time.0 {
                return Err(wrong("a series value is newer than the portfolio's time".to_owned()));
            }
            facts.set_now(state.time.0);
            facts.put(facts::series(SeriesId(at as u32)), Ratio::new(state.value));
        }
        facts.set_now(self.time.0);
        facts.set(facts::PRICE, price);
        facts.set(facts::TICK, tick);
        facts.set(facts::LOT, lot);
        facts.set(facts::MIN_QTY, instrument.min_qty.map_or(lot, |least| least.0));
        let equity = account.equity.0;
        facts.set(facts::EQUITY, equity);
        let high_water = account.high_water.map_or(equity, |high| high.0.max(equity));
        let drawdown =
            if high_water.raw() > 0 { (high_water - equity).approximate() / high_water.approximate() } else { 0.0 };
        facts.put(facts::DRAWDOWN, Ratio::new(drawdown));
        facts.set(facts::POSITION, position.map_or(Qty::ZERO, |position| position.quantity.0));
        if let Some(position) = position {
            position.publish(&mut facts).map_err(wrong)?;
        }
        Ok(facts)
    }

    /// What the file states outright stands over what indicators found.
    fn stated(&self, facts: &mut Facts) {
        let stated = &self.facts;
        if let Some(signal) = stated.signal.and_then(Ratio::new) {
            facts.set(facts::SIGNAL, signal);
        }
        if let Some(since) = stated.signal_since {
            facts.set(facts::SIGNAL_SINCE, since.0);
        }
        if let Some(unit) = stated.unit {
            facts.set(facts::UNIT, unit.0);
        }
        if let Some(volatility) = stated.volatility.and_then(Vol::new) {
            facts.set(facts::VOLATILITY, volatility);
        }
        if let Some(closed) = stated.campaign_closed_at {
            facts.set(facts::CLOSED_AT, closed.0);
        }
    }
}

/// One bit for each number from 1 to 32.
fn bits(numbers: &[u32]) -> Result<u32, String> {
    let bit = |number: &u32| match number.checked_sub(1) {
        Some(index) if index < u32::BITS => Ok(1 << index),
        _ => Err(format!("unit or rung {number}: they are counted from 1 to 32")),
    };
    numbers.iter().map(bit).try_fold(0, |all, bit: Result<u32, String>| Ok(all | bit?))
}

impl PositionState {
    fn publish(&self, facts: &mut Facts) -> Result<(), String> {
        let Some(campaign) = &self.campaign else {
            return if self.quantity.0.is_zero() {
                Ok(())
            } else {
                Err("a position needs its \"campaign\": entry and base at least".to_owned())
            };
        };
        let held = self.quantity.0;
        let (entry, base) = (campaign.entry.0, campaign.base.0);
        let last_fill = campaign.last_fill.map_or(entry, |price| price.0);
        facts.set(facts::ENTRY, entry);
        facts.set(facts::LAST_FILL, last_fill);
        facts.put(facts::CAMPAIGN_UNIT, campaign.unit.map(|unit| unit.0));
        facts.put(facts::INITIAL_STOP, campaign.initial_stop.map(|stop| stop.0));
        facts.put(facts::STOP, campaign.stop.map(|stop| stop.0));
        facts.set(facts::BASE, base);
        facts.set(facts::UNITS, bits(&campaign.units)?);
        facts.set(facts::LAPSED, bits(&campaign.lapsed)?);
        facts.set(facts::RUNGS_USED, bits(&campaign.rungs_used)?);
        facts.set(facts::FIRST, campaign.first.map_or(held, |qty| qty.0));
        facts.set(facts::PEAK, campaign.peak.map_or(held, |qty| qty.0));
        facts.set(facts::UNCUT, campaign.uncut.map_or(held, |qty| qty.0));
        facts.set(facts::BEST, campaign.best.map_or(last_fill, |price| price.0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    const STATE: &str = r#"{
        "schema": "trimtab.portfolio/1",
        "time": "2025-10-10T16:00:00Z",
        "accounts": [{ "name": "main", "equity": "1000000" }],
        "instruments": [{ "symbol": "binance:BTCUSDT-PERP", "price": 100000, "tick": 0.1, "lot": 0.001 }],
        "series": { "dvol.btc": { "value": 0.4, "time": "2025-10-09T00:00:00Z" } },
        "facts": { "signal": 1, "signal_since": "2025-10-10T16:00:00Z", "unit": "500" }
    }"#;

    fn example() -> String {
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/btc-trend.toml")).unwrap()
    }

    #[test]
    fn an_entry_by_hand() {
        // 60 % target ÷ 40 % volatility = 1.5 × equity = 15 BTC for all units; the first is 4/10 of it.
        let answer = plan(&example(), STATE).unwrap();
        assert_eq!(answer.target.to_string(), "6");
        let rules: Vec<&str> = answer.steps.iter().map(|step| step.rule.as_str()).collect();
        assert_eq!(rules, ["signal", "vol_target", "pyramid"]);
    }

    #[test]
    fn an_open_campaign_rests_its_next_unit_and_exits() {
        let held = r#""positions": [{ "account": "main", "instrument": "binance:BTCUSDT-PERP", "quantity": "6",
            "campaign": { "entry": "99000", "unit": "500", "initial_stop": "97500", "base": "15" } }], "facts""#;
        let answer = plan(&example(), &STATE.replace("\"facts\"", held)).unwrap();
        assert_eq!(answer.target.to_string(), "6");
        let add = answer.add.unwrap();
        assert_eq!((add.trigger.to_string(), add.qty.to_string(), add.unit), ("99500".into(), "4.5".into(), 2));
        // Stop 3 N under the entry; rungs 2 R and 4 R over it, a quarter of the peak each.
        assert_eq!(answer.exits.len(), 3);
        assert!(answer.exits.contains(&Exit::Stop { trigger: "97500".parse().unwrap() }));
        let rung = Exit::Rung { index: 0, price: "102000".parse().unwrap(), qty: "1.5".parse().unwrap() };
        assert!(answer.exits.contains(&rung));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |state: &str| plan(&example(), state).unwrap_err().to_string();
        assert!(told("{").contains("line 1"));
        assert!(told(&STATE.replace("dvol.btc", "dvol.eth")).contains("`dvol.btc`"));
        assert!(told(&STATE.replace("portfolio/1", "portfolio/9")).contains("portfolio/9"));
        assert!(told(&STATE.replace("\"lot\": 0.001", "\"lot\": 0")).contains("lot of"));
        assert!(told(&STATE.replace("\"equity\"", "\"equty\"")).contains("equty"));
    }
}
