//! The one portfolio schema: what `plan`, `margin`, `stress` and `risk` read.

use super::shape::{Field, Kind, Wrong, check, json_schema, mend, one_of, parse_json};
use serde_json::{Value, json};

/// The schema's name, with the latest version. Each version added optional fields: a portfolio of an earlier one is read as it was.
pub const SCHEMA: &str = "trimtab.portfolio/3";
const SCHEMAS: [&str; 3] = ["trimtab.portfolio/1", "trimtab.portfolio/2", SCHEMA];
/// Errors of one file that are told.
pub(super) const WRONG_MAX: usize = 50;

const fn needed(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, is_needed: true, about }
}

const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, is_needed: false, about }
}

const ANY: Kind = Kind::Number(f64::NEG_INFINITY, f64::INFINITY);
const FROM_ZERO: Kind = Kind::Number(0.0, f64::INFINITY);
const SHARE: Kind = Kind::Number(0.0, 1.0);

static PORTFOLIO: [Field; 10] = [
    needed("schema", Kind::Text, "trimtab.portfolio/3"),
    needed("time", Kind::Time, "when all of it held; nothing in it may be newer"),
    needed("accounts", Kind::List(&ACCOUNT), "accounts at venues"),
    optional("instruments", Kind::List(&INSTRUMENT), "contracts, what they are and what is known of them"),
    optional("prices", Kind::List(&PRICE), "index prices of coins and stablecoins in dollars"),
    optional("expiries", Kind::List(&EXPIRY), "forwards and rates of options' expiries"),
    optional("positions", Kind::List(&POSITION), "what is held"),
    optional("orders", Kind::List(&ORDER), "what rests at the venues"),
    optional("series", Kind::Map(&SERIES), "plan: series that the policy reads, by name"),
    optional("facts", Kind::Object(&FACTS), "plan: what indicators would have found"),
];

static ACCOUNT: [Field; 11] = [
    needed("name", Kind::Text, "as positions and orders name it"),
    optional("venue", Kind::Text, "where it is: deribit, derive, hyperliquid, dydx, binance, bybit, okx"),
    optional("margin", Kind::Word(&["standard", "portfolio"]), "whose rules, where a venue has two"),
    optional("balances", Kind::List(&BALANCE), "money and coin that lie there"),
    optional("stated_margins", Kind::Object(&STATED), "margins that the venue states and no known rule gives"),
    optional("equity", Kind::Cash, "plan: equity in the account's numeraire"),
    optional("high_water", Kind::Cash, "plan: highest equity, net of deposits and withdrawals"),
    optional("day_start", Kind::Cash, "plan: equity when the UTC day began"),
    optional("week_start", Kind::Cash, "plan: equity when the UTC week began"),
    optional("deposits", Kind::Cash, "plan: deposits less withdrawals so far"),
    optional("collateral", Kind::Cash, "plan: coins of the underlying beside positions"),
];

static BALANCE: [Field; 3] = [
    needed("currency", Kind::Currency, "of what"),
    needed("amount", Kind::Cash, "how much; negative if owed"),
    optional("haircut", SHARE, "what the venue leaves out of it as collateral: 0.05 counts 95 %"),
];

static STATED: [Field; 3] = [
    optional("spot", FROM_ZERO, "of spot orders"),
    optional("mmp", FROM_ZERO, "of market maker protection"),
    optional("open_orders", FROM_ZERO, "of open orders"),
];

static INSTRUMENT: [Field; 18] = [
    needed(
        "symbol",
        Kind::Text,
        "venue:SYMBOL, as docs/symbols.md has it, or any name of a contract that is described",
    ),
    optional(
        "kind",
        Kind::Word(&["spot", "perpetual", "future", "option"]),
        "what it is, where the symbol does not tell",
    ),
    optional("contract", Kind::Word(&["linear", "inverse"]), "settled in the quote currency or in coin"),
    optional("underlying", Kind::Currency, "the coin, where the symbol does not tell"),
    optional("quote", Kind::Currency, "what prices are in, where the symbol does not tell"),
    optional("settle", Kind::Currency, "what it settles in, where the symbol does not tell"),
    optional("expiry", Kind::Time, "when it is settled"),
    optional("strike", Kind::PriceOverZero, "of an option"),
    optional("right", Kind::Word(&["call", "put"]), "of an option"),
    optional(
        "price",
        Kind::PriceFromZero,
        "the venue's mark, in the contract's own currency: of an inverse option, coin",
    ),
    optional("vol", Kind::OverZero(1e4), "implied volatility a year of an option: 0.65"),
    optional("time", Kind::Time, "when price and vol were taken; the portfolio's time"),
    optional("confidence", SHARE, "how sure the venue's oracle is of its price"),
    optional("open_interest", Kind::Cash, "of its market in the quote currency, where margin depends on it"),
    optional(
        "volume",
        Kind::OverZero(1e18),
        "what is traded in a day, in the unit of quantities: for the time to exit",
    ),
    optional("tick", Kind::Price, "price grid"),
    optional("lot", Kind::Qty, "quantity grid"),
    optional("min_qty", Kind::Qty, "smallest order"),
];

static PRICE: [Field; 4] = [
    needed("currency", Kind::Currency, "coin or stablecoin"),
    needed("price", Kind::OverZero(1e15), "its index in dollars"),
    optional("vol", Kind::OverZero(100.0), "its implied volatility a year, for distances and probabilities"),
    optional("confidence", SHARE, "how sure the venue's oracle is"),
];

static EXPIRY: [Field; 5] = [
    needed("underlying", Kind::Currency, "the coin"),
    needed("expiry", Kind::Time, "when it is settled"),
    needed("forward", Kind::OverZero(1e15), "its forward in dollars"),
    optional("rate", Kind::Number(-10.0, 10.0), "interest a year, continuous"),
    optional("confidence", SHARE, "the lowest of what oracles say of forward, rate and volatility"),
];

static POSITION: [Field; 9] = [
    needed("account", Kind::Text, "name of the account"),
    needed("instrument", Kind::Text, "symbol of the contract"),
    needed(
        "quantity",
        Kind::Qty,
        "signed, of the underlying; of an inverse contract that is no option, of the quote currency",
    ),
    optional("entry", Kind::PriceFromZero, "average price at which it was opened"),
    optional("unrealised", Kind::Cash, "profit that is not settled, as the venue states it; in place of entry"),
    optional("isolated", Kind::CashFromZero, "what was set aside for it alone, beside the balances"),
    optional("leverage", Kind::Number(1.0, 1000.0), "the leverage chosen for it at the venue"),
    optional("strategy", Kind::Text, "whose it is, for what each strategy adds to value at risk"),
    optional("campaign", Kind::Object(&CAMPAIGN), "plan: the campaign that it belongs to"),
];

static ORDER: [Field; 4] = [
    needed("account", Kind::Text, "name of the account"),
    needed("instrument", Kind::Text, "symbol of the contract"),
    needed("quantity", Kind::Qty, "what a fill would add, signed"),
    needed("price", Kind::PriceOverZero, "at which it would be filled"),
];

static SERIES: [Field; 2] = [needed("value", ANY, "the value"), needed("time", Kind::Time, "when it was told")];

static FACTS: [Field; 11] = [
    optional("signal", ANY, "-1 to 1"),
    optional("signal_since", Kind::Time, "since when"),
    optional("unit", Kind::Price, "N, in price"),
    optional("volatility", ANY, "a year"),
    optional("volatility_source", Kind::Count, "which of the policy's sources, from 1"),
    optional("volatility_since", Kind::Time, "since when"),
    optional("traded", Kind::Qty, "traded in the last window of `caps.participation`, as the instrument counts"),
    optional("usual_volume", Kind::Qty, "what usually is in one"),
    optional("campaign_closed_at", Kind::Time, "when the last campaign ended"),
    optional("campaign_closed_peak", Kind::Qty, "its largest quantity, signed"),
    optional("campaigns_closed_r", Kind::Numbers, "net R of the campaigns closed so far, in order"),
];

static CAMPAIGN: [Field; 15] = [
    needed("entry", Kind::Price, "price of the first fill"),
    needed("base", Kind::Qty, "full size of all units, signed"),
    optional("opened", Kind::Time, "when its first fill was"),
    optional("average", Kind::Price, "average entry of what is held"),
    optional("last_fill", Kind::Price, "price of the last unit's fill"),
    optional("unit", Kind::Price, "N at entry"),
    optional("initial_stop", Kind::Price, "at entry"),
    optional("stop", Kind::Price, "in force"),
    optional("units", Kind::Counts, "units filled, from 1"),
    optional("lapsed", Kind::Counts, "units that lapsed"),
    optional("rungs_used", Kind::Counts, "rungs used, from 1"),
    optional("first", Kind::Qty, "quantity of the first unit"),
    optional("peak", Kind::Qty, "largest quantity"),
    optional("uncut", Kind::Qty, "quantity before limits cut it"),
    optional("best", Kind::Price, "best price since entry"),
];

/// Reads a portfolio and checks every name and value in it. `also` are fields that are needed beside those that always are: a list's
/// name and a field of its rows.
///
/// # Errors
///
/// Everything that is wrong, each with its place and what to do.
pub(crate) fn read(text: &str, also: &[(&str, &str)]) -> Result<Value, Vec<Wrong>> {
    let (value, mut wrong) = checked(text)?;
    for (list, field) in also {
        for (at, row) in value[*list].as_array().into_iter().flatten().enumerate() {
            if row.get(*field).is_none_or(Value::is_null) {
                wrong.push(Wrong::new(format_args!("{list}[{at}].{field}"), "missing", "add it: plan needs it"));
            }
        }
    }
    if wrong.is_empty() { Ok(value) } else { Err(cut(wrong)) }
}

/// A portfolio, and all that is wrong with its names and values; in place of what is wrong stands something that is not.
pub(super) fn read_mended(text: &str) -> Result<(Value, Vec<Wrong>), Vec<Wrong>> {
    let (mut value, wrong) = checked(text)?;
    if !wrong.is_empty() && !mend(&mut value, &Kind::Object(&PORTFOLIO), &mut 0) {
        return Err(wrong);
    }
    Ok((value, wrong))
}

fn checked(text: &str) -> Result<(Value, Vec<Wrong>), Vec<Wrong>> {
    let (value, twice) = parse_json(text).map_err(|error| {
        vec![Wrong::new("", format_args!("no JSON: {error}"), "docs/portfolio.md says what a portfolio is")]
    })?;
    if let Some(schema) = value.get("schema").and_then(Value::as_str).filter(|schema| !SCHEMAS.contains(schema)) {
        let what = format!("`{schema}`, which this version does not read");
        return Err(vec![Wrong::new("schema", what, format_args!("write {}", one_of(&SCHEMAS)))]);
    }
    let mut wrong = twice;
    check("", &value, &Kind::Object(&PORTFOLIO), &mut wrong);
    Ok((value, wrong))
}

/// No more errors than anybody reads, and how many more there are.
pub(super) fn cut(mut wrong: Vec<Wrong>) -> Vec<Wrong> {
    let more = wrong.len().saturating_sub(WRONG_MAX);
    if more > 0 {
        wrong.truncate(WRONG_MAX);
        wrong.push(Wrong::new("", format_args!("{more} errors more"), "correct these first"));
    }
    wrong
}

/// The JSON Schema, for editors and other programs.
#[must_use]
pub fn portfolio_schema() -> String {
    let mut schema = json_schema(&PORTFOLIO);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$id"] = json!(SCHEMA);
    schema["title"] = json!("A portfolio as trimtab plan, margin, stress and risk read it");
    schema["properties"]["schema"]["enum"] = json!(SCHEMAS);
    format!("{schema:#}\n")
}
