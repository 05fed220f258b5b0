//! Objectives become policies that say what was asked, and no more.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use backtest::objectives::{Proposal, propose};
use policy::objectives::{Objectives, parse};
use policy::{Code, Diagnostic};
use risk::growth::Walk;
use std::fmt::Write as _;
use units::random::Random;

fn read(text: &str) -> Objectives {
    let read = parse(text);
    assert_eq!(read.diagnostics, [], "{text}");
    read.objectives.unwrap()
}

fn made(text: &str) -> Result<Proposal, Vec<Diagnostic>> {
    propose(&read(text), None)
}

/// The value of a key, as a number.
fn value(proposal: &Proposal, key: &str) -> f64 {
    let line = proposal.sections.iter().flat_map(|part| &part.lines).find(|line| line.key == key).unwrap();
    let text = line.value.trim_matches('"');
    text.strip_suffix('%').map_or_else(|| text.parse().unwrap(), |share| share.parse::<f64>().unwrap() / 100.0)
}

/// Every kind of objectives that there is, drawn.
struct Draw {
    random: Random,
    at: u64,
}

impl Draw {
    fn unit(&mut self) -> f64 {
        self.at += 1;
        self.random.uniform(self.at, 0)[0]
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[((self.unit() * choices.len() as f64) as usize).min(choices.len() - 1)]
    }

    fn text(&mut self) -> String {
        let style = self.of(&["hold", "trend", "signal", "covered_call", "short_strangle"]);
        let mut text = format!("objectives = 1\nname = \"drawn\"\nstyle = \"{style}\"\n");
        let has_options = style.contains('_');
        let mut is_spot = false;
        let mut accounts = String::new();
        if has_options {
            let chains = ["deribit:BTC", "deribit:ETH", "deribit:BTC_USDC"];
            let chain = self.of(if style == "covered_call" { &chains[..2] } else { &chains });
            writeln!(text, "chain = \"{chain}\"").unwrap();
        } else {
            let traded = self.of(&[
                "\"binance:BTCUSDT-PERP\"",
                "\"deribit:BTC-PERPETUAL\"",
                "\"hyperliquid:SOL-PERP\"",
                "\"sim:weather\"",
                "\"binance:BTCUSDT\"",
                "\"binance:BTCUSDT-PERP\", \"binance:ETHUSDT-PERP\", \"binance:SOLUSDT-PERP\"",
                "\"binance:BTCUSDT-PERP\", \"deribit:ETH-PERPETUAL\"",
                "\"binance:BTCUSDT-PERP\", \"binance:ETHUSDT-PERP\", \"deribit:ETH-PERPETUAL\"",
            ]);
            is_spot = traded == "\"binance:BTCUSDT\"";
            if traded.contains("deribit:ETH") {
                accounts = "[[accounts]]\nvenue = \"binance\"\ndeposit = \"50_000 USDT\"\n\
                            [[accounts]]\nvenue = \"deribit\"\ndeposit = \"20 ETH\"\n"
                    .to_owned();
            }
            let key = if traded.contains(',') {
                format!("instruments = [{traded}]")
            } else {
                format!("instrument = {traded}")
            };
            writeln!(text, "{key}").unwrap();
        }
        if style == "signal" {
            text += "series = \"my.convictions\"\n";
        }
        let horizon = 30 + (self.unit() * 1_000.0) as u32;
        let (worst, chance) = (2.0 + self.unit() * 60.0, 0.5 + self.unit() * 30.0);
        write!(text, "horizon = \"{horizon}d\"\nworst_drawdown = \"{worst:.1}%\"\nprobability = \"{chance:.1}%\"\n")
            .unwrap();
        if self.unit() < 0.3 {
            writeln!(text, "target = \"{:.1}%\"", 2.0 + self.unit() * 60.0).unwrap();
        }
        if self.unit() < 0.3 {
            writeln!(text, "daily_loss = \"{:.1}%\"", (worst / 2.0 * self.unit()).max(0.2)).unwrap();
        }
        if self.unit() < 0.3 {
            writeln!(text, "leverage = {:.2}", 0.2 + self.unit() * 5.0).unwrap();
        }
        if self.unit() < 0.3 {
            writeln!(text, "capital = \"{:.0}%\"", 5.0 + self.unit() * 95.0).unwrap();
        }
        if matches!(style, "trend" | "signal") {
            writeln!(text, "adds = {}\nladder = {}", self.unit() < 0.5, self.unit() < 0.5).unwrap();
        } else if style == "short_strangle" {
            writeln!(text, "ladder = {}", self.unit() < 0.5).unwrap();
        }
        if style == "hold" || self.unit() < 0.5 {
            text += "[[views]]\n";
            if !has_options {
                let side = if is_spot { "long" } else { self.of(&["long", "short"]) };
                writeln!(text, "side = \"{side}\"").unwrap();
            }
            if self.unit() < 0.6 {
                let measure = if has_options { "sharpe" } else { self.of(&["sharpe", "return"]) };
                let known = match self.unit() < 0.5 {
                    true => format!("evidence = \"{}d\"", horizon + (self.unit() * 3_000.0) as u32),
                    false => format!("error = {:.2}", 0.05 + self.unit()),
                };
                writeln!(text, "{measure} = {:.2}\n{known}", 0.05 + self.unit()).unwrap();
            }
        }
        text + &accounts
    }
}

/// Whatever is asked for, the policy passes `trimtab check` without a warning, its target is no more than any objective allows, its
/// numbers hold together, and the drawdown at the target is as likely as allowed at most.
#[test]
fn every_policy_passes_the_check_and_keeps_what_was_asked() {
    let mut draw = Draw { random: Random::new(8), at: 0 };
    let (mut policies, mut refusals) = (0, 0);
    for _ in 0..600 {
        let text = draw.text();
        let wanted = read(&text);
        let proposal = match propose(&wanted, None) {
            Ok(proposal) => proposal,
            // So little drawdown, or so little known, that nothing may be held: told with both lines.
            Err(found) => {
                assert!(found.iter().all(|found| found.code == Code::Contradiction && found.also.is_some()), "{text}");
                refusals += 1;
                continue;
            }
        };
        let toml = proposal.to_toml();
        let parsed = backtest::parse(&toml);
        let found: Vec<String> =
            parsed.diagnostics.iter().map(|found| found.render_plain("made.toml", &toml)).collect();
        assert!(found.is_empty(), "{text}\n{toml}\n{}", found.join("\n"));
        assert!(toml.lines().all(|line| line.chars().count() <= 140), "{toml}");
        policies += 1;

        assert!(proposal.bounds.iter().all(|bound| proposal.target <= bound.target + 1e-9), "{text}");
        assert!(proposal.chance <= wanted.probability + 1e-9, "{text}");
        assert!(value(&proposal, "target") <= wanted.target.unwrap_or(2.0) + 1e-9, "{text}");
        let leverage = value(&proposal, "leverage");
        if !wanted.style.sells_options() {
            assert!(leverage <= wanted.leverage.unwrap_or(125.0) + 1e-9, "{leverage}: {text}");
            assert!(value(&proposal, "leverage_restore") <= leverage, "{text}");
        }
        // The size at the lowest volatility of the target is no more than the cap.
        assert!(!wanted.is_spot() || leverage <= 1.0, "{leverage}: {text}");
        // Every number that is not a name has its reason.
        let bare = ["policy", "name", "instrument", "instruments", "chain", "venue", "kind", "bar"];
        let lines = proposal.sections.iter().flat_map(|part| &part.lines);
        assert!(lines.clone().all(|line| !line.because.is_empty() || bare.contains(&line.key)), "{toml}");
    }
    assert!(policies >= 400 && refusals <= 150, "{policies} policies, {refusals} refusals");
}

fn with(drawdown: f64, probability: f64, days: u32, view: &str) -> Proposal {
    made(&format!(
        "objectives = 1\nname = \"x\"\ninstrument = \"binance:BTCUSDT-PERP\"\nstyle = \"trend\"\nhorizon = \"{days}d\"\n\
         worst_drawdown = {drawdown}\nprobability = {probability}\n{view}"
    ))
    .unwrap()
}

/// The target is what the drawdown allows by Brownian motion with the drift of the view that is left of it, and one step more is not.
#[test]
fn the_target_is_the_largest_that_the_drawdown_allows() {
    // 0.5 of Sharpe by four years: 0.5² ÷ (0.5² + 1 ÷ 4) = half of it is left.
    for (view, sharpe) in [("", 0.0), ("[[views]]\nsharpe = 0.5\nevidence = \"1460d\"\n", 0.25)] {
        let proposal = with(0.15, 0.05, 365, view);
        let chance = |v: f64| Walk::new(v * sharpe - v * v / 2.0, v).unwrap().draws_down(0.15, 1.0).unwrap();
        assert!(chance(proposal.target) <= 0.05 && chance(proposal.target + 0.001) > 0.05, "{}", proposal.target);
        assert!((proposal.chance - chance(proposal.target)).abs() < 1e-12);
        assert_eq!(proposal.bounds[0].objective, "worst_drawdown");
    }
    // Kelly's volatility, half of it left: where the drawdown allows more, the view decides.
    let proposal = with(0.9, 0.5, 365, "[[views]]\nsharpe = 0.5\nevidence = \"1460d\"\n");
    let bound = &proposal.bounds[0];
    assert!(bound.binds && bound.objective == "view" && (bound.target - 0.25).abs() < 1e-9, "{bound:?}");
    // A day that loses 2 % with normal returns one time in a hundred: 0.02 × √365 ÷ 2.3263.
    let proposal = with(0.9, 0.5, 365, "daily_loss = \"2%\"\n");
    assert!((proposal.bounds[0].target - 0.02 * 19.104_973 / 2.326_348).abs() < 1e-6, "{:?}", proposal.bounds[0]);
}

#[test]
fn more_tolerance_never_gives_less() {
    for step in 1..20 {
        let (less, more) = (f64::from(step) * 0.02, f64::from(step + 1) * 0.02);
        assert!(with(less.max(0.03), 0.05, 365, "").target <= with(more.max(0.03), 0.05, 365, "").target);
        assert!(with(0.2, less, 365, "").target <= with(0.2, more, 365, "").target);
        let days = 30 * step as u32;
        assert!(with(0.2, 0.05, days, "").target >= with(0.2, 0.05, days + 30, "").target);
        let view = |sharpe: f64| format!("[[views]]\nsharpe = {sharpe}\nevidence = \"3650d\"\n");
        assert!(with(0.2, 0.05, 365, &view(less + 0.3)).target <= with(0.2, 0.05, 365, &view(more + 0.3)).target);
        let leverage = |most: f64| format!("leverage = {}\n", most + 0.1);
        assert!(with(0.5, 0.3, 365, &leverage(less)).target <= with(0.5, 0.3, 365, &leverage(more)).target);
    }
}

/// Equal risk in several instruments is the target together: by the variance of what is held, the correlation being as assumed. Of two
/// accounts neither has more.
#[test]
fn several_instruments_have_the_target_together() {
    let head = "objectives = 1\nname = \"x\"\nstyle = \"trend\"\nhorizon = \"365d\"\nworst_drawdown = \"20%\"\nprobability = \"5%\"\n";
    let one = made(&format!("{head}instruments = [\"binance:BTCUSDT-PERP\", \"binance:ETHUSDT-PERP\"]\n")).unwrap();
    let of_account =
        |multiplier: f64, own: f64, all: f64| multiplier / all * (own + own * (own - 1.0) * 0.9_f64).sqrt();
    let found = of_account(value(&one, "multiplier"), 2.0, 2.0);
    assert!((0.98..=1.0).contains(&found), "{found}");
    let two = made(&format!(
        "{head}instruments = [\"binance:BTCUSDT-PERP\", \"binance:ETHUSDT-PERP\", \"deribit:ETH-PERPETUAL\"]\n\
         [[accounts]]\nvenue = \"binance\"\ndeposit = \"1 USDT\"\n[[accounts]]\nvenue = \"deribit\"\ndeposit = \"1 ETH\"\n"
    ))
    .unwrap();
    let multiplier = value(&two, "multiplier");
    let (fuller, other) = (of_account(multiplier, 2.0, 3.0), of_account(multiplier, 1.0, 3.0));
    assert!((0.98..=1.0).contains(&fuller) && other <= 1.0, "{fuller} {other}");
}

fn refusal(text: &str) -> String {
    made(text).unwrap_err().iter().map(|found| found.render_plain("wanted.toml", text)).collect::<Vec<_>>().join("\n")
}

/// What only numbers can show: both lines, and what would be enough.
#[test]
fn objectives_that_cannot_all_hold_are_refused_with_what_would() {
    let text = "objectives = 1\nname = \"x\"\ninstrument = \"binance:BTCUSDT-PERP\"\nstyle = \"trend\"\nhorizon = \"365d\"\n\
                worst_drawdown = \"10%\"\nprobability = \"5%\"\nreturn = \"8%\"\n[[views]]\nsharpe = 1.0\nevidence = \"1460d\"\n";
    let said = refusal(text);
    let expected = "\
error[P080]: the return needs more risk than is allowed
 --> wanted.toml:8:11
6 | worst_drawdown = \"10%\"
  |                  ----- this allows no more
7 | probability = \"5%\"
8 | return = \"8%\"
  |          ^^^^ 6 % of volatility x a Sharpe ratio of 0.80, shrunk, is 4.8 %
  = help: lower `return` to 4.8%, or bear a drawdown of 17%";
    assert_eq!(said, expected.replace(":8:11", ":8:10"), "{said}");
    // And it would.
    let enough = text.replace("\"10%\"", "\"17%\"");
    assert!(made(&enough).unwrap().target * 0.8 >= 0.08);
    let less = text.replace("\"10%\"", "\"16%\"");
    assert!(made(&less).is_err() && made(&text.replace("8%", "4.8%")).is_ok());
    // The view itself bears no more.
    let said = refusal(&text.replace("\"10%\"", "\"90%\"").replace("\"8%\"", "\"80%\"").replace("1.0", "0.5"));
    assert!(said.contains("bring longer evidence") && said.contains("[[views]]"), "{said}");
    let said = refusal(
        &text
            .replace("\"10%\"", "\"1%\"")
            .replace("\"5%\"", "\"0.1%\"")
            .replace("return = \"8%\"\n", "")
            .replace("365d", "1460d"),
    );
    assert!(said.contains("next to nothing may be held"), "{said}");
}
