//! What `next` foresees of a portfolio's state is what `plan` then decides there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod common;
#[path = "common/random.rs"]
#[allow(dead_code, reason = "only its random numbers are used here")]
mod random;

use backtest::{Action, Next, PlanAnswer, Trigger, next_of_state, plan};
use common::cases;
use policy::Exit;
use policy::spec::{Policy, Resize};
use policy::testing::policies;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use random::Random;
use serde_json::{Value, json};
use units::{Qty, Timestamp};

const SYMBOL: &str = policy::testing::INSTRUMENT;

fn state(price: f64, equity: f64, signal: f64, position: Option<Value>) -> Value {
    let mut state = json!({
        "schema": "trimtab.portfolio/3",
        "time": "2025-10-10T16:00:00Z",
        "accounts": [{ "name": "main", "equity": equity.to_string(), "high_water": (equity * 1.01).to_string() }],
        "instruments": [{ "symbol": SYMBOL, "price": price.to_string(), "tick": "0.1", "lot": "0.001" }],
        "series": { "dvol.btc": { "value": 0.4, "time": "2025-10-10T00:00:00Z" } },
        "facts": { "signal": signal, "signal_since": "2025-10-10T14:00:00Z", "unit": "500", "volatility": 0.4 },
    });
    if let Some(position) = position {
        state["positions"] = json!([position]);
    }
    state
}

fn held(quantity: f64, entry: f64, stop: f64) -> Value {
    json!({
        "account": "main", "instrument": SYMBOL, "quantity": quantity.to_string(),
        "campaign": {
            "entry": entry.to_string(), "unit": "500", "initial_stop": stop.to_string(), "base": (quantity * 4.0).to_string(), "units": [1],
            "opened": "2025-10-10T10:00:00Z",
        }
    })
}

fn foreseen(policy: &str, state: &Value, what_if: &[(String, f64)]) -> Next {
    next_of_state(policy, &state.to_string(), what_if).unwrap()
}

/// The example of the manual: short 4.8 at 118,350 with N of 520, four units a step of 1 N apart, stop 3 N behind, rungs at 2 R and 4 R.
#[test]
fn a_state_by_hand() {
    let read = |path: &str| std::fs::read_to_string(format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (text, state) = (read("examples/btc-trend.toml"), read("examples/state.json"));
    let next = next_of_state(&text, &state, &[]).unwrap();
    let resting = |what: &str| {
        next.actions.iter().find_map(|action| match action.trigger {
            Trigger::Resting { price } if action.what == what => Some((price.to_string(), action.after)),
            _ => None,
        })
    };
    let (price, after) = resting("stop").unwrap();
    assert_eq!((price.as_str(), after), ("119910", Qty::ZERO));
    let (price, after) = resting("add 2").unwrap();
    assert_eq!(price, "117830");
    // Three tenths of 12.
    assert_eq!(after.to_string(), "-8.4");
    // R is 1,560: the first rung at 118,350 - 3,120, a quarter of 4.8.
    let (price, after) = resting("rung 1").unwrap();
    assert_eq!((price.as_str(), after.to_string().as_str()), ("115230", "-3.6"));
    // The index is four days old at most: 2025-10-14T00:00 is the last instant at which it may be used.
    let quiet = next.quiet();
    assert_eq!(
        (quiet.0.unwrap().to_string(), quiet.1.unwrap().to_string()),
        ("117830".to_owned(), "119910".to_owned())
    );
    let said = next_of_state(&text, &state, &[("price".to_owned(), 120_000.0)]).unwrap_err().to_string();
    assert!(said.contains("beyond 119910"), "{said}");
    let said = next_of_state(&text, &state, &[("iv.atm".to_owned(), 1.0)]).unwrap_err().to_string();
    assert!(said.contains("the policy decides by `price` and `dvol.btc`"), "{said}");
}

/// One coin at 100,000 on 100,000 of equity, with a limit of three times: at p it is p ÷ p, however far the price goes. Of five coins on
/// 200,000 leverage is 5 p ÷ (5 p − 300,000), over 3 under p = 90,000.
#[test]
fn the_price_of_a_cap_by_hand() {
    let text = format!(
        "policy = 1\nname = \"c\"\ninstrument = \"{SYMBOL}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n[size]\n\
         kind = \"fixed_notional\"\nnotional = \"500_000 USDT\"\n[caps]\nleverage = 3.0\n"
    );
    let mut position = held(5.0, 100_000.0, 90_000.0);
    position["campaign"]["base"] = json!("5");
    let next = foreseen(&text, &state(100_000.0, 200_000.0, 1.0, Some(position)), &[]);
    let cut = next.actions.iter().find(|action| action.what == "cut").unwrap_or_else(|| panic!("{:#?}", next.actions));
    let Trigger::Close { price, .. } = cut.trigger else { panic!("{cut:?}") };
    assert!((price.approximate() - 90_000.0).abs() <= 0.2, "{price}");
    assert_eq!(cut.rule, "leverage_cap");
}

/// A blackout at 22:00, six hours from now, and an index that is too old after two days.
#[test]
fn times_by_hand() {
    let text = format!(
        "policy = 1\nname = \"c\"\ninstrument = \"{SYMBOL}\"\n[signal]\nkind = \"constant\"\nstrength = 1.0\n\
         when = \"series(dvol.btc, 2d) < 50%\"\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n[guards]\nblackout = [\"22:00-23:00\"]\n"
    );
    let next = foreseen(&text, &state(100_000.0, 100_000.0, 1.0, None), &[]);
    assert_eq!(next.actions[0].what, "entry", "at once: {:#?}", next.actions);
    let times: Vec<(Timestamp, &str)> = next.actions[1..]
        .iter()
        .filter_map(
            |action| if let Trigger::Time { at } = action.trigger { Some((at, action.what.as_str())) } else { None },
        )
        .collect();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(times[0], (at("2025-10-10T22:00:00Z"), "refuses"), "{times:?}");
    assert_eq!(times[1], (at("2025-10-10T23:00:00Z"), "entry"), "{times:?}");
    let level = next.actions.iter().find_map(|action| match &action.trigger {
        Trigger::Series { name, value, .. } if name == "dvol.btc" => Some((*value, action.what.as_str())),
        _ => None,
    });
    let (value, what) = level.unwrap();
    assert!((value - 0.5).abs() < 1e-4 && what == "refuses", "{value} {what}");
}

/// What `plan` decides where the price is another, told it by hand: equity with what the position earned.
fn planned(policy: &str, base: &Value, price: f64) -> PlanAnswer {
    let mut there = base.clone();
    let before: f64 = base["instruments"][0]["price"].as_str().unwrap().parse().unwrap();
    let quantity = base["positions"][0]["quantity"].as_str().map_or(0.0, |quantity| quantity.parse().unwrap());
    let equity: f64 = base["accounts"][0]["equity"].as_str().unwrap().parse().unwrap();
    there["instruments"][0]["price"] = json!(format!("{price:.1}"));
    there["accounts"][0]["equity"] = json!(format!("{:.8}", equity + quantity * (price - before)));
    let account = &mut there["accounts"][0];
    account["day_start"] = json!(equity.to_string());
    let high: f64 = account["high_water"].as_str().unwrap().parse().unwrap();
    account["high_water"] = json!(format!("{:.8}", high.max(equity + quantity * (price - before))));
    plan(policy, &there.to_string()).unwrap()
}

/// What is listed for a price: of the changes that are crossed on the way the last one, or what is done at once. `None`: beyond an order
/// that rests, or as near to a change as a tick.
fn listed(next: &Next, now: &PlanAnswer, price: f64) -> Option<Qty> {
    let from = next.price.approximate();
    let beyond =
        |level: f64| (level - from).signum() == (price - from).signum() && (level - from).abs() <= (price - from).abs();
    let mut crossed: Option<(f64, &Action)> = None;
    let mut told = 0;
    for action in &next.actions {
        match action.trigger {
            Trigger::Resting { price: level } if beyond(level.approximate()) => return None,
            Trigger::Close { price: level, .. } => {
                let level = level.approximate();
                if (level - price).abs() < 0.15 {
                    return None;
                }
                told += u32::from((level - from).signum() == (price - from).signum());
                if beyond(level) && crossed.is_none_or(|(at, _)| (at - from).abs() < (level - from).abs()) {
                    crossed = Some((level, action));
                }
            }
            _ => {}
        }
    }
    // Twelve changes are told on a side.
    (told < 12).then(|| crossed.map_or(now.target, |(_, action)| action.after))
}

/// Random policies in random states: what is listed for a price is what is planned there, and the same of stops.
#[test]
fn what_is_listed_for_a_price_is_what_is_planned_there() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut asked, mut acts) = (0, 0);
    for seed in 0..u64::from(cases(400)) {
        let mut policy: Policy = policies().new_tree(&mut runner).unwrap().current();
        policy.size.resize = Resize::Entry;
        // What remembers is not in a state, and a watched trigger is answered once.
        policy.streak = None;
        policy.caps.rearm = None;
        let text = policy::to_toml(&policy);
        let mut random = Random(seed);
        let price = (60_000.0 + 60_000.0 * random.uniform()).round();
        let side = if random.chance(0.5) { 1.0 } else { -1.0 };
        let equity = (50_000.0 + 1e6 * random.uniform()).round();
        let position = random.chance(0.7).then(|| {
            let entry = (price * (1.0 - side * 0.01 * random.uniform())).round();
            let quantity = ((equity / price * 2.0 * random.uniform()).max(0.01) * 1_000.0).round() / 1_000.0;
            held(side * quantity, entry, (price * (1.0 - side * 0.05)).round())
        });
        let state = state(price, equity, side, position);
        let Ok(now) = plan(&text, &state.to_string()) else { continue };
        let next = foreseen(&text, &state, &[]);
        // What is left resting is listed with its own price.
        for exit in &now.exits {
            let level = match exit {
                Exit::Stop { trigger } => *trigger,
                Exit::Rung { price, .. } => *price,
                _ => continue,
            };
            let is_listed = |action: &Action| matches!(action.trigger, Trigger::Resting { price } if price == level);
            assert!(next.actions.iter().any(is_listed), "{level} in {:#?}", next.actions);
        }
        // Rungs that are taken at once are a part of any plan, and listed as what goes out now.
        let takes = now.exits.iter().any(|exit| matches!(exit, Exit::Take { .. }));
        let watches = takes || text.contains("synthetic") || text.contains("loss") || text.contains("[modes]");
        for _ in 0..if watches { 0 } else { 12 } {
            let there = (price * (1.0 + 0.28 * (2.0 * random.uniform() - 1.0)) * 10.0).round() / 10.0;
            let Some(wanted) = listed(&next, &now, there) else { continue };
            let planned = planned(&text, &state, there);
            // Rungs that are taken at once go off beside the target.
            let taken: f64 = planned
                .exits
                .iter()
                .map(|exit| if let Exit::Take { qty, .. } = exit { qty.approximate() } else { 0.0 })
                .sum();
            let target = planned.target.approximate();
            let left = (planned.position.approximate().abs() - taken).max(0.0);
            let b = if taken > 0.0 { target.signum() * target.abs().min(left) } else { target };
            let a = wanted.approximate();
            let whole = now.target.approximate().abs();
            asked += 1;
            acts += u32::from(planned.target != now.target);
            // A size that follows the price is told by tenths.
            let apart = (a - b).abs() > 0.13 * a.abs().max(b.abs()).max(whole) + 0.002;
            assert!(!apart, "{there} from {price}: listed {a}, planned {b}\n{text}\n{state}\n{:#?}", next.actions);
        }
    }
    assert!(asked > 200 && acts > 15, "{asked} asked, {acts} act");
}
