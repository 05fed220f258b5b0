//! `plan`: what should be held now, and why, from a portfolio's state alone.

mod contradictions;
mod numeraire;
mod state;

use crate::explain::StepView;
use crate::{Error, portfolio, run};
use numeraire::Numeraire;
use policy::spec::SignalKind;
use policy::{Add, Because, Concentrated, Exit, Facts, MarginFigure, Policy, Program, RiskFact, facts};
use risk::TierTable;
use state::Portfolio;
use units::{Cash, Contract, Duration, Price, Qty, SeriesId, Timestamp};

/// Fields that a plan needs and a margin does not.
const NEEDED: [(&str, &str); 4] =
    [("accounts", "equity"), ("instruments", "price"), ("instruments", "tick"), ("instruments", "lot")];

/// What should be held now, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanAnswer {
    /// When.
    pub time: Timestamp,
    /// Symbol.
    pub instrument: String,
    /// How its value follows its price.
    pub contract: Contract,
    /// Price that it was decided at.
    pub price: Price,
    /// Equity of the account, in what the contract settles in.
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

/// Decides a policy on a portfolio's state. Without history the caller states what the indicators would have found.
pub fn plan(policy_text: &str, state_json: &str) -> Result<PlanAnswer, Error> {
    Ok(Ready::read(policy_text, state_json)?.decide(&Moved::default())?.answer)
}

/// A policy and a state that go together.
pub(crate) struct Ready {
    policy: Policy,
    symbol: String,
    portfolio: Portfolio,
    numeraire: Numeraire,
    tiers: TierTable,
}

/// What is another than in the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moved {
    /// The market went straight to this price. What the position earned on the way is equity.
    pub(crate) price: Option<Price>,
    /// So much time went by.
    pub(crate) after: Duration,
    /// Series told anew, by their names.
    pub(crate) series: Vec<(String, f64)>,
}

/// A decision, and what it says beside the answer.
pub(crate) struct Decided {
    pub(crate) answer: PlanAnswer,
    pub(crate) because: Because,
    pub(crate) facts: Facts,
}

impl Ready {
    /// Reads both, and finds what contradicts itself.
    pub(crate) fn read(policy_text: &str, state_json: &str) -> Result<Self, Error> {
        let policy = run::checked(policy_text)?;
        let wrong = |message: String| Error::State(format!("portfolio state: {message}"));
        let [symbol] = policy.instruments.as_slice() else {
            let count = policy.instruments.len();
            return Err(wrong(format!(
                "the policy trades {count} instruments; a plan is of one: give it one under `instrument`"
            )));
        };
        if policy.structure.is_some() {
            // What one unit stands for and which legs are held is in no portfolio's state: a price alone would size it by the premium.
            return Err(wrong(format!(
                "the policy trades `{symbol}`, a structure of options, which is planned in a backtest alone: ask `trimtab explain` \
                 of its run"
            )));
        }
        let checked = portfolio::read(state_json, &NEEDED).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            match lines.as_slice() {
                [one] => wrong(one.clone()),
                all => wrong(format!("{} errors:\n  {}", all.len(), all.join("\n  "))),
            }
        })?;
        let stated = |row: &serde_json::Value| row["symbol"] == symbol.as_str() && row.get("contract").is_some();
        let rows = checked["instruments"].as_array().map_or(&[][..], Vec::as_slice);
        if policy::spec::settlements(symbol).len() > 1 && rows.iter().all(|row| !stated(row)) {
            return Err(wrong(format!(
                "`{symbol}` may be linear or inverse: add `\"contract\": \"inverse\"` (or linear) to its instrument"
            )));
        }
        let portfolio: Portfolio = serde_json::from_value(checked).map_err(|error| wrong(error.to_string()))?;
        let scope = portfolio.scope(symbol).map_err(wrong)?;
        let contract = scope.instrument.1.contract.into();
        let (base, quote) = policy::spec::currencies(symbol).unwrap_or(("USD", "USD"));
        let settle = if contract == Contract::Inverse { base } else { quote };
        let [base, settle] = [base, settle].map(|code| code.parse().unwrap_or(market::Currency::USD));
        let tiers = risk::venues::tiers_of(symbol, contract, (base, settle));
        let numeraire = Numeraire::of(&policy, &scope).map_err(wrong)?;
        let found = contradictions::of(&portfolio, &scope, &policy, &numeraire);
        match found.as_slice() {
            [] => {}
            [one] => return Err(wrong(one.clone())),
            all => return Err(wrong(format!("{} contradictions:\n  {}", all.len(), all.join("\n  ")))),
        }
        let symbol = symbol.clone();
        let ready = Self { policy, symbol, portfolio, numeraire, tiers };
        // What a series lacks is told at once.
        let _program = ready.program(&ready.portfolio)?;
        Ok(ready)
    }

    /// The series that the policy reads, with their values in the state.
    pub(crate) fn series(&self) -> Vec<(String, f64)> {
        let told = |name: String| self.portfolio.series.get(&name).map(|series| (name.clone(), series.value));
        self.policy.series_of(&self.symbol).into_iter().filter_map(told).collect()
    }

    /// Those of them that are volatilities to it.
    pub(crate) fn volatilities(&self) -> Vec<String> {
        let names = self.policy.series_of(&self.symbol).into_iter();
        names.filter(|name| self.policy.is_volatility(name, &self.symbol)).collect()
    }

    /// The policy.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Grids of price and quantity.
    pub(crate) fn grids(&self) -> Result<(Price, Qty), Error> {
        let scope = self.portfolio.scope(&self.symbol).map_err(Error::State)?;
        Ok((scope.instrument.1.tick.0, scope.instrument.1.lot.0))
    }

    fn program(&self, portfolio: &Portfolio) -> Result<Program, Error> {
        let names: Vec<&String> = portfolio.series.keys().collect();
        let series = |name: &str| names.iter().position(|known| *known == name).map(|at| SeriesId(at as u32));
        let mut program = Program::compile(&self.policy, &self.symbol, &series)
            .map_err(|error| Error::State(unknown_series(&error)))?;
        if let Some(guard) = crate::setup::guard(&self.policy, self.tiers.clone()) {
            let last = program.rules.len().saturating_sub(1);
            program.rules.insert(last, Box::new(guard));
        }
        Ok(program)
    }

    /// What should be held where something has moved, and why.
    pub(crate) fn decide(&self, moved: &Moved) -> Result<Decided, Error> {
        let wrong = |message: String| Error::State(format!("portfolio state: {message}"));
        let before = self.portfolio.scope(&self.symbol).map_err(wrong)?.instrument.1.price.0;
        let portfolio = self.portfolio.moved(&self.symbol, &self.numeraire, moved).map_err(wrong)?;
        let (policy, mut program) = (&self.policy, self.program(&portfolio)?);
        let scope = portfolio.scope(&self.symbol).map_err(wrong)?;
        let mut facts = portfolio.facts(&scope, &self.numeraire);
        let alone = policy.allocation.share(policy.capital, 1);
        if alone.get() != 1.0 {
            facts.set(facts::SHARE, alone);
        }
        for indicator in &mut program.indicators {
            indicator.observe(None, &mut facts);
        }
        if let SignalKind::Constant { strength } = policy.signal.kind {
            facts.set(facts::SIGNAL, strength);
            // It was there before all that was traded on it.
            let since = portfolio.facts.campaign_closed_at.map_or(self.portfolio.time.0, |closed| closed.0);
            facts.set(facts::SIGNAL_SINCE, since);
        }
        portfolio.stated(&mut facts);
        if let Some(price) = moved.price {
            // What is watched is crossed on the way.
            facts.set(facts::HIGH, before.max(price));
            facts.set(facts::LOW, before.min(price));
        }
        observe(&mut program, &portfolio, &mut facts);
        let mut because = Because::default();
        let target = policy::evaluate(&program.rules, &facts, &mut because);
        let because_of = |step: &policy::Step| {
            let mut detail = String::new();
            if let Some(rule) = program.rules.get(usize::from(step.rule)) {
                rule.detail(&facts, step, &mut detail);
            }
            if detail.is_empty() { step.reason.to_string() } else { format!("{}: {detail}", step.reason) }
        };
        let step = |step: &policy::Step| StepView {
            rule: program.rules.get(usize::from(step.rule)).map_or("market", |rule| rule.name()).to_owned(),
            outcome: step.outcome.name().to_owned(),
            before: step.before,
            after: step.after,
            because: because_of(step),
        };
        let answer = PlanAnswer {
            time: portfolio.time.0,
            instrument: self.symbol.clone(),
            contract: facts.get(facts::CONTRACT).unwrap_or_default(),
            price: facts.get(facts::PRICE).unwrap_or_default(),
            equity: facts.get(facts::EQUITY).unwrap_or_default(),
            position: facts.get(facts::POSITION).unwrap_or_default(),
            target: target.qty,
            steps: because.steps().iter().map(step).collect(),
            add: because.add().filter(|_| !target.qty.is_zero()),
            exits: because.exits().to_vec(),
        };
        Ok(Decided { answer, because, facts })
    }
}

/// Lets the rules see what is now, and those that count closed campaigns what was: one after the other, then the present one.
fn observe(program: &mut Program, portfolio: &Portfolio, facts: &mut Facts) {
    let held = facts.get(facts::POSITION).unwrap_or_default();
    facts.set(facts::POSITION, Qty::ZERO);
    let results = portfolio.closed_results();
    for (at, r) in results.iter().enumerate() {
        facts.set(facts::CLOSED, at as u32 + 1);
        facts.set(facts::CLOSED_R, *r);
        let wins = facts.get(facts::WINS).unwrap_or(0);
        facts.set(facts::WINS, policy::wins_after(wins, Some(r.get())));
        for rule in program.rules.iter_mut().filter(|rule| rule.name() == "streak") {
            rule.observe(facts);
        }
    }
    facts.set(facts::POSITION, held);
    for rule in &mut program.rules {
        rule.observe(facts);
    }
}

/// Which command tells a fact of risk of the same portfolio, and where in its line for programs.
fn told_by(fact: &RiskFact) -> String {
    match fact {
        RiskFact::Margin { figure, venue, portfolio } => {
            let venue = if *portfolio { format!("{venue}-portfolio") } else { venue.clone() };
            let (field, unit) = match figure {
                MarginFigure::Ratio => ("ratio", "0.35 is 35 %"),
                MarginFigure::Initial => ("initial", "in the account's numéraire"),
                MarginFigure::Maintenance => ("maintenance", "in the account's numéraire"),
                MarginFigure::Collateral => ("collateral", "in the account's numéraire"),
            };
            format!("It is `{field}.value` of `trimtab margin PORTFOLIO --venue {venue} --json`, {unit}")
        }
        RiskFact::Leverage => "It is the sum of the account's positions at their marks without signs, over its equity".to_owned(),
        RiskFact::Distance => "It is the smaller `distance` without sign of `liquidation[].below` and `.above` of the coin, of `trimtab \
                               margin … --json`, 1000 where both are absent"
            .to_owned(),
        RiskFact::Probability { .. } => {
            "For a day it is `liquidation[].touch.martingale` of the coin, of `trimtab margin … --json`".to_owned()
        }
        RiskFact::Stress { name } => format!(
            "It is what `{name}` loses over what all is worth: -`profit` over `value` of `trimtab stress PORTFOLIO --json`, which is \
             in USD where the fact is in the account's numéraire"
        ),
        RiskFact::Concentration { of: Concentrated::Venue } => {
            "It is the first share of `concentration.venues` of `trimtab stress PORTFOLIO --json`".to_owned()
        }
        RiskFact::Concentration { of: Concentrated::Stablecoin } => {
            "It is the first share of `concentration.stablecoins` times `stablecoin_share`, of `trimtab stress PORTFOLIO --json`"
                .to_owned()
        }
        RiskFact::Tail(fact) => {
            let figure = if fact.is_shortfall { "expected_shortfall" } else { "value_at_risk" };
            let of = if fact.is_component { "the strategy's row under `strategies`" } else { "the line" };
            format!("It is `{figure}` of {of} over `value`, of `trimtab risk PORTFOLIO --market TAPE --at TIME --json`, in USD")
        }
        RiskFact::Ruin { .. } | RiskFact::Kelly { .. } => "`trimtab ruin RUN --json` tells it of a run".to_owned(),
    }
}

fn unknown_series(error: &policy::CompileError) -> String {
    match error {
        policy::CompileError::UnknownSeries(name) => match name.parse::<RiskFact>() {
            Ok(fact) => format!(
                "portfolio state: the policy reads `{name}`, which a plan is told and does not compute: add {{ \"value\": …, \
                 \"time\": … }} of that name under \"series\". {} (docs/portfolio-state.md)",
                told_by(&fact)
            ),
            Err(_) => format!("portfolio state: the policy reads the series `{name}`; add it under \"series\""),
        },
        policy::CompileError::TooLong => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    /// A structure would be sized by its premium, and a contract in dollars by a guess.
    #[test]
    fn what_a_state_cannot_tell_is_not_planned() {
        let covered = include_str!("../../../examples/covered-call.toml");
        let refused = plan(covered, STATE).unwrap_err().to_string();
        assert!(refused.contains("is planned in a backtest alone"), "{refused}");

        let policy = "policy = 1\nname = \"c\"\ninstrument = \"deribit:BTC-PERPETUAL\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
                      [size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n[backtest]\ndeposit = \"10 BTC\"\n";
        let state = |contract: &str| {
            format!(
                r#"{{ "schema": "trimtab.portfolio/1", "time": "2025-01-02T00:00:00Z",
                "accounts": [{{ "name": "a", "equity": "10" }}],
                "instruments": [{{ "symbol": "deribit:BTC-PERPETUAL", "price": 100000, "tick": "0.5", "lot": 10{contract} }}] }}"#
            )
        };
        let refused = plan(policy, &state("")).unwrap_err().to_string();
        assert!(refused.contains("may be linear or inverse"), "{refused}");
        let answer = plan(policy, &state(", \"contract\": \"inverse\"")).unwrap();
        assert_eq!(answer.target.to_string(), "1000000", "ten coins in dollars");
    }

    /// A fact of risk that is not told: which command tells it.
    #[test]
    fn a_fact_of_risk_says_where_it_is_told() {
        for (fact, wanted) in [
            ("margin.ratio(binance) < 50%", "It is `ratio.value` of `trimtab margin PORTFOLIO --venue binance --json`"),
            ("stress(2025-10-10) < 20%", "-`profit` over `value` of `trimtab stress PORTFOLIO --json`"),
            ("ruin(50%) < 5%", "`trimtab ruin RUN --json`"),
        ] {
            let name = fact.split(" <").next().unwrap();
            let policy = format!(
                "policy = 1\nname = \"c\"\ninstrument = \"binance:BTCUSDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
                 when = \"{fact}\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n"
            );
            let refused = plan(&policy, STATE).unwrap_err().to_string();
            assert!(refused.contains(&format!("reads `{name}`")) && refused.contains(wanted), "{refused}");
            let told = format!("\"{name}\": {{ \"value\": 0.01, \"time\": \"2025-10-10T16:00:00Z\" }}, \"dvol.btc\"");
            plan(&policy, &STATE.replace("\"dvol.btc\"", &told)).unwrap();
        }
    }

    const STATE: &str = r#"{
        "schema": "trimtab.portfolio/2",
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

    /// The state of a long of 6, entered at 99,000, with more in its campaign or elsewhere.
    fn held(campaign: &str, more: &str) -> String {
        let position = format!(
            r#""positions": [{{ "account": "main", "instrument": "binance:BTCUSDT-PERP", "quantity": "6",
            "campaign": {{ "entry": "99000", "unit": "500", "initial_stop": "97500", "base": "15"{campaign} }} }}], {more}"facts""#
        );
        STATE.replace("\"facts\"", &position)
    }

    #[test]
    fn every_contradiction_is_told_at_once() {
        let told = |state: &str| plan(&example(), state).unwrap_err().to_string();
        let all = [
            (r#", "base": "-15""#, "positions[0].campaign.base is -15: the position is 6, and a campaign has one side"),
            (r#", "units": [1, 6]"#, "campaign.units is [… 6 …]: the policy has 4 units, counted from 1"),
            (r#", "rungs_used": [3]"#, "campaign.rungs_used is [… 3 …]: the policy has 2 rungs"),
            (r#", "units": []"#, "campaign.units is []: 6 is held"),
            (
                r#", "units": [1, 2], "lapsed": [2]"#,
                "campaign.lapsed is [… 2 …]: a unit that was filled has not lapsed",
            ),
            (r#", "stop": "100500""#, "campaign.stop is 100500: the stop of a long is under the price, 100000"),
            (r#", "stop": "97000""#, "campaign.stop is 97000: a stop never moves in the losing direction"),
            (
                r#", "initial_stop": "99500""#,
                "campaign.initial_stop is 99500: the initial stop of a long is under its entry",
            ),
            (
                r#", "best": "99500""#,
                "campaign.best is 99500: the best price since entry cannot be worse for a long than 100000",
            ),
            (r#", "peak": "5""#, "campaign.peak is 5: it is less than the 6 that is held"),
            (r#", "uncut": "-7""#, "campaign.uncut is -7: "),
            (r#", "first": "9", "peak": "8""#, "campaign.first is 9: the first unit cannot be more than"),
            (r#", "base": "5""#, "campaign.base is 5: it is the full size of all units, and 6 is held"),
            (r#", "last_fill": "0""#, "campaign.last_fill is 0: it must be over zero"),
            (
                r#", "opened": "2025-10-10T17:00:00Z""#,
                "campaign.opened is 2025-10-10T17:00:00Z: it is newer than the portfolio's time",
            ),
        ];
        for (campaign, wanted) in all {
            // A field that stands there already is stated otherwise.
            let mut state: serde_json::Value = serde_json::from_str(&held("", "")).unwrap();
            let fields: serde_json::Value = serde_json::from_str(&format!("{{{}}}", &campaign[1..])).unwrap();
            for (name, value) in fields.as_object().unwrap() {
                state["positions"][0]["campaign"][name] = value.clone();
            }
            let said = told(&state.to_string());
            assert!(said.contains(wanted) && !said.contains('\n'), "{campaign}: {said}");
        }
        let elsewhere = [
            ("\"signal\": 1", "\"signal\": 5", "facts.signal is 5: conviction goes from -1 (short) to 1 (long)"),
            ("\"equity\": \"1000000\"", "\"equity\": \"-3\"", "accounts[0].equity is -3: "),
            ("\"1000000\"", "\"1000000\", \"high_water\": \"999999\"", "accounts[0].high_water is 999999: "),
            ("\"1000000\"", "\"1000000\", \"day_start\": \"0\"", "accounts[0].day_start is 0: it must be over zero"),
            ("\"unit\": \"500\" }", "\"unit\": \"-500\" }", "facts.unit is -500: it must be over zero"),
            ("\"signal\": 1", "\"signal\": 1, \"volatility\": 0", "facts.volatility is 0: sizes are divided by it"),
            (
                "\"signal\": 1",
                "\"signal\": 1, \"volatility\": 0.5, \"volatility_source\": 9",
                "facts.volatility_source is 9: ",
            ),
            ("\"2025-10-09T00:00:00Z\"", "\"2025-10-11T00:00:00Z\"", "series.dvol.btc.time is 2025-10-11T00:00:00Z: "),
            (
                "\"quantity\": \"6\"",
                "\"quantity\": \"0\"",
                "positions[0].quantity is 0: a campaign lasts from flat to flat",
            ),
        ];
        for (from, to, wanted) in elsewhere {
            let said = told(&held("", "").replace(from, to));
            assert!(said.contains(wanted), "{to}: {said}");
        }
        let state = held(r#", "units": [6], "stop": "120000""#, "").replace("\"signal\": 1", "\"signal\": 5");
        let said = told(&state.replace("\"quantity\": \"6\"", "\"quantity\": \"-6\""));
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].ends_with(&format!("{} contradictions:", lines.len() - 1)) && lines.len() >= 5, "{said}");
    }

    #[test]
    fn an_inverse_contract_is_sized_in_coin() {
        // 150 % of 10 BTC at 100,000 are 1,500,000 USD of contracts; the first unit is 4/10 of them.
        let state = STATE.replace("\"lot\": 0.001", "\"lot\": 10, \"contract\": \"inverse\"").replace("1000000", "10");
        assert_eq!(plan(&example(), &state).unwrap().target.to_string(), "600000");
        let unknown = plan(&example(), &state.replace("inverse", "quanto")).unwrap_err().to_string();
        assert!(unknown.contains("quanto") && unknown.contains("`linear` or `inverse`"), "{unknown}");
    }

    /// 150 % of 20 BTC of equity, of which 10 lie there: 3,000,000 dollars of contracts in all, less 1,000,000; the first unit is 4/10.
    #[test]
    fn coin_that_lies_in_the_account_counts() {
        let state = STATE.replace("\"lot\": 0.001", "\"lot\": 10, \"contract\": \"inverse\"");
        let state = state.replace("\"1000000\"", "\"2000000\", \"collateral\": 10");
        let account = "[[accounts]]\nvenue = \"binance\"\nnumeraire = \"USD\"\ndeposit = \"20 BTC\"\n";
        let example = example();
        let terms: Vec<&str> = example.lines().filter(|line| !line.starts_with("deposit =")).collect();
        let answer = plan(&format!("{}\n{account}", terms.join("\n")), &state).unwrap();
        assert_eq!(answer.target.to_string(), "800000");
        assert!(answer.steps.iter().any(|step| step.because.starts_with("holds 10 BTC as collateral")), "{answer:?}");
    }

    /// A constant signal of 1 or less in Deribit's inverse perpetual, in an account that counts in `numeraire`.
    fn coin_policy(numeraire: &str, signal: f64, rules: &str) -> String {
        format!(
            "policy = 1\nname = \"c\"\ninstrument = \"deribit:BTC-PERPETUAL\"\n[[accounts]]\nvenue = \"deribit\"\n{numeraire}\
             deposit = \"10 BTC\"\n[signal]\nkind = \"constant\"\nstrength = {signal:?}\n{rules}"
        )
    }

    fn coin_state(account: &str, contract: &str) -> String {
        format!(
            r#"{{ "schema": "trimtab.portfolio/2", "time": "2025-10-10T16:00:00Z", "accounts": [{{ "name": "a", {account} }}],
            "instruments": [{{ "symbol": "deribit:BTC-PERPETUAL", "price": 100000, "tick": "0.5", "lot": 10, "contract": "{contract}" }}],
            "series": {{ "v": {{ "value": 0.4, "time": "2025-10-10T00:00:00Z" }} }} }}"#
        )
    }

    const USD: &str = "numeraire = \"USD\"\n";

    fn fraction(multiple: f64) -> String {
        format!("[size]\nkind = \"fixed_fraction\"\nfraction = {multiple:?}\n")
    }

    fn volatility(target: f64) -> String {
        format!("[size]\nkind = \"volatility_target\"\ntarget = {target:?}\nvolatility = \"series(v, 4d)\"\n")
    }

    /// The table of docs/collateral.md, with equity as an account tells it: in dollars.
    #[test]
    fn the_table_of_collateral_by_hand() {
        let leverage = |limit: f64| format!("[caps]\nleverage = {limit:?}\n");
        for (signal, rules, wanted) in [
            (1.0, volatility(0.6), "500000"),
            (1.0, volatility(0.4), "0"),
            (1.0, volatility(0.2), "0"),
            (-1.0, volatility(0.2), "-1500000"),
            (1.0, fraction(1.5), "1500000"),
            (1.0, fraction(1.5) + &leverage(2.0), "1000000"),
            (-1.0, fraction(1.0) + &leverage(2.0), "-1000000"),
            (1.0, fraction(1.0) + &leverage(0.5), "0"),
        ] {
            let state = coin_state(r#""equity": "1000000", "collateral": "10""#, "inverse");
            let answer = plan(&coin_policy(USD, signal, &rules), &state).unwrap();
            assert_eq!(answer.target.to_string(), wanted, "{rules} {answer:?}");
        }
    }

    #[test]
    fn equity_is_counted_in_the_numeraire() {
        let target = |numeraire: &str, rules: &str, account: &str, contract: &str| {
            plan(&coin_policy(numeraire, 1.0, rules), &coin_state(account, contract))
                .map(|answer| answer.target.to_string())
        };
        let (btc, eth) = ("numeraire = \"BTC\"\n", "numeraire = \"ETH\"\n");
        // 1.5 x 1,000 dollars, also where they are told as 0.01 coins.
        let small = r#""equity": "1000""#;
        assert_eq!(target(USD, &volatility(0.6), small, "inverse").unwrap(), "1500");
        assert_eq!(
            target(USD, &volatility(0.6), r#""equity": "1000", "collateral": "0.01""#, "inverse").unwrap(),
            "500"
        );
        for numeraire in ["", btc] {
            assert_eq!(target(numeraire, &fraction(1.5), r#""equity": "0.01""#, "inverse").unwrap(), "1500");
        }
        // A linear contract of ten coins a lot: 40 coins, told in coins or in dollars.
        assert_eq!(target(btc, &fraction(1.0), r#""equity": "40""#, "linear").unwrap(), "40");
        assert_eq!(target(USD, &fraction(1.0), r#""equity": "4000000""#, "linear").unwrap(), "40");
        // The day began at 1,030 dollars: 2.9 % are lost.
        let caps = fraction(1.5) + "[caps]\ndaily_loss = \"2%\"\non_loss = \"no_increase\"\n";
        let lost = r#""equity": "1000", "day_start": "1030""#;
        assert_eq!(target(USD, &caps, lost, "inverse").unwrap(), "0");
        assert_eq!(target(USD, &caps, r#""equity": "1000", "day_start": "1019""#, "inverse").unwrap(), "1500");
        let told = |numeraire, account, contract| {
            target(numeraire, &fraction(1.5), account, contract).unwrap_err().to_string()
        };
        for (numeraire, account, contract, wanted) in [
            (
                eth,
                small,
                "inverse",
                "accounts[0].equity is counted in ETH (`numeraire` of the policy's account), `deribit:BTC-PERPETUAL` settles in BTC",
            ),
            (eth, small, "linear", "settles in USD"),
            (
                "",
                r#""equity": "20", "collateral": "10""#,
                "inverse",
                "accounts[0].collateral is 10: equity is counted in BTC",
            ),
            (
                btc,
                r#""equity": "20", "collateral": "10""#,
                "linear",
                "accounts[0].collateral is 10: equity is counted in BTC",
            ),
            (
                USD,
                r#""equity": "1000", "collateral": "-3""#,
                "inverse",
                "accounts[0].collateral is -3: it is coin that lies",
            ),
            (
                USD,
                r#""equity": "1000", "collateral": "99999999999""#,
                "inverse",
                "accounts[0].collateral is 99999999999: at a price",
            ),
            (
                USD,
                r#""equity": "1000", "collateral": "99999999999""#,
                "linear",
                "than the largest quantity, 92233720368.54775807",
            ),
        ] {
            let said = told(numeraire, account, contract);
            assert!(said.contains(wanted), "{said}");
        }
    }

    /// Other inverse contracts of the account count in dollars, whatever their coin: 1,000 of ETH and 2,000 of BTC are 3 x 1,000.
    #[test]
    fn dollars_of_other_coins_count_toward_leverage() {
        let rules = fraction(5.0) + "[caps]\nleverage = 3.0\n";
        let state = coin_state(r#""equity": "1000""#, "inverse");
        let other = r#""instruments": [{ "symbol": "deribit:ETH-PERPETUAL", "price": 2000, "tick": 1, "lot": 1, "contract": "inverse" },"#;
        let position =
            r#""positions": [{ "account": "a", "instrument": "deribit:ETH-PERPETUAL", "quantity": "1000" }], "series""#;
        let state = state.replace("\"instruments\": [", other).replace("\"series\"", position);
        assert_eq!(plan(&coin_policy(USD, 1.0, &rules), &state).unwrap().target.to_string(), "2000");
    }

    #[test]
    fn a_constant_signal_needs_no_statement() {
        let short = coin_policy(USD, -0.5, &fraction(1.0));
        let state = coin_state(r#""equity": "1000""#, "inverse");
        let answer = plan(&short, &state).unwrap();
        assert_eq!(answer.target.to_string(), "-500");
        assert_eq!(answer.steps[0].because, "signal -0.50");
        let stated = state.replace("\"series\"", "\"facts\": { \"signal\": 0.2 }, \"series\"");
        assert_eq!(plan(&short, &stated).unwrap().target.to_string(), "200", "what is stated stands");
    }

    #[test]
    fn a_state_of_version_1_reads_as_before() {
        let old = STATE.replace("portfolio/2", "portfolio/1");
        assert_eq!(plan(&example(), &old).unwrap(), plan(&example(), STATE).unwrap());
    }

    #[test]
    fn losses_of_the_day_and_closed_campaigns_are_known() {
        let caps = "[caps]\ndaily_loss = \"2%\"\non_loss = \"no_increase\"\n[streak]\nfactor = 1.5\ncap = 2.0\n\
                    [unit]\nn = \"atr(20, 1d)\"\n[stop]\ninitial = \"3N\"\n";
        let text = format!(
            "policy = 1\nname = \"p\"\ninstrument = \"binance:BTCUSDT-PERP\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
             [size]\nkind = \"fixed_fraction\"\nfraction = 0.5\n{caps}"
        );
        let target = |state: &str| plan(&text, state).map(|answer| answer.target.to_string()).unwrap();
        assert_eq!(target(STATE), "5");
        // 2.9 % under the day's begin: over the limit, so nothing is begun. 1.9 %: under it.
        let start = |day: &str| STATE.replace("\"1000000\"", &format!("\"1000000\", \"day_start\": \"{day}\""));
        assert_eq!((target(&start("1030000")), target(&start("1019000"))), ("0".to_owned(), "5".to_owned()));
        // Won, scratched, won: 1.5 × 1.5 is over the cap of 2. A loss returns to the base.
        let closed = |r: &str| STATE.replace("\"signal\": 1", &format!("\"signal\": 1, \"campaigns_closed_r\": {r}"));
        assert_eq!(target(&closed("[-1, 0.8]")), "7.5");
        assert_eq!(target(&closed("[0.8, 0.05, 2.5]")), "10");
        assert_eq!(target(&closed("[0.8, 2.5, -0.5]")), "5");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |state: &str| plan(&example(), state).unwrap_err().to_string();
        assert!(told("{").contains("line 1"));
        assert!(told(&STATE.replace("dvol.btc", "dvol.eth")).contains("`dvol.btc`"));
        assert!(told(&STATE.replace("portfolio/2", "portfolio/9")).contains("portfolio/9"));
        assert!(told(&STATE.replace("\"lot\": 0.001", "\"lot\": 0")).contains("lot of"));
        assert!(told(&STATE.replace("\"equity\"", "\"equty\"")).contains("equty"));
    }
}
