//! `trimtab surface`, and what reports say of options: a chain made of known smiles, recorded chains, and what cannot be fitted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use common::{Sandbox, bars_csv};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// 2026-01-15 12:00 UTC, in seconds.
const NOW: i64 = 1_768_478_400;
const FORWARD: f64 = 96_000.0;

/// An expiry: its name, when, strikes from … to … in steps, volatility at the money.
type Expiry = (&'static str, i64, (u32, u32, usize), f64);
const EXPIRIES: [Expiry; 3] = [
    ("16JAN26", 1_768_550_400, (92_000, 100_000, 1_000), 0.45),
    ("30JAN26", 1_769_760_000, (80_000, 115_000, 5_000), 0.48),
    ("27MAR26", 1_774_598_400, (60_000, 150_000, 10_000), 0.50),
];

/// When, and the forward of all expiries then.
type Moment = (i64, f64);
const NOON: Moment = (NOW, FORWARD);

fn years(expiry: &Expiry, (now, _): Moment) -> f64 {
    (expiry.1 - now) as f64 / (365.0 * 86_400.0)
}

/// The smile that the chain is made of: lower strikes cost more.
fn smile(expiry: &Expiry, moment: Moment, strike: f64) -> f64 {
    let z = (strike / moment.1).ln() / years(expiry, moment).sqrt();
    expiry.3 - 0.04 * z + 0.03 * z * z
}

/// Standard normal distribution, by Simpson's rule.
fn normal(x: f64) -> f64 {
    let (steps, density) = (400, |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt());
    let width = x / f64::from(steps);
    let weight = |at: i32| if at == 0 || at == steps { 1.0 } else { f64::from(2 + 2 * (at % 2)) };
    0.5 + width / 3.0 * (0..=steps).map(|at| weight(at) * density(f64::from(at) * width)).sum::<f64>()
}

/// Price in coin, by Black's formula.
fn price(expiry: &Expiry, moment: Moment, strike: f64, is_call: bool) -> f64 {
    black(moment.1 / strike, smile(expiry, moment, strike) * years(expiry, moment).sqrt(), is_call)
}

/// Black's formula over the forward.
fn black(moneyness: f64, deviation: f64, is_call: bool) -> f64 {
    let d1 = moneyness.ln() / deviation + deviation / 2.0;
    let call = normal(d1) - normal(d1 - deviation) / moneyness;
    if is_call { call } else { call - 1.0 + 1.0 / moneyness }
}

/// Rows as Tardis records them: bids a step of the price grid under, asks one over what the smile says.
fn chain(expiries: &[Expiry], moments: &[Moment]) -> String {
    let mut rows = "exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,\
                    bid_amount,bid_iv,ask_price,ask_amount,ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta\n"
        .to_owned();
    for (moment, expiry) in moments.iter().flat_map(|moment| expiries.iter().map(move |expiry| (*moment, expiry))) {
        let ((now, forward), (name, at, (from, to, step), _)) = (moment, expiry);
        for (strike, is_call) in (*from..=*to).step_by(*step).flat_map(|strike| [(strike, true), (strike, false)]) {
            let fair = price(expiry, moment, f64::from(strike), is_call);
            let step = if fair > 0.005 { 0.0005 } else { 0.0001 };
            let (bid, ask) = ((fair / step - 0.5).floor() * step, (fair / step + 0.5).ceil() * step);
            let (right, letter) = if is_call { ("call", "C") } else { ("put", "P") };
            let bid = if bid > 0.0 { format!("{bid:.4}") } else { String::new() };
            writeln!(
                rows,
                "deribit,BTC-{name}-{strike}-{letter},{now}000000,{now}250000,{right},{strike},{at}000000,10,,{bid},50,,{ask:.4},50,,\
                 {fair:.6},,BTC-{name},{forward},"
            )
            .unwrap();
        }
    }
    rows
}

fn with_chain(expiries: &[Expiry]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("chain.csv", chain(expiries, &[NOON]));
    sandbox.line("trimtab import options chain.csv -o chain.tape").ok();
    sandbox
}

#[track_caller]
fn near(found: &Value, wanted: f64, within: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - wanted).abs() <= within, "{found} is not within {within} of {wanted}");
}

#[test]
fn the_smiles_that_a_chain_was_made_of_are_found_again() {
    let sandbox = with_chain(&EXPIRIES);
    let line = sandbox.line("trimtab surface chain.tape --json").ok();
    let view: Value = serde_json::from_str(line.trim()).unwrap();
    assert_eq!(
        (&view["schema"], &view["venue"], &view["underlying"], &view["settle"]),
        (&"trimtab.surface/1".into(), &"deribit".into(), &"BTC".into(), &"BTC".into())
    );
    assert_eq!(
        (&view["at"], &view["spot"], &view["refusal"]),
        (&"2026-01-15T12:00:00.25Z".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(view["arbitrage"]["free"], true);
    let expiries = view["expiries"].as_array().unwrap();
    assert_eq!(expiries.len(), EXPIRIES.len());
    for (found, made) in expiries.iter().zip(&EXPIRIES) {
        assert_eq!(found["forward"]["source"], "recorded");
        near(&found["forward"]["price"], FORWARD, 1e-6);
        near(&found["forward"]["over_parity"], 0.0, 1e-3);
        let fitted = &found["smile"];
        near(&fitted["atm"], made.3, 0.004);
        // The known smile, where its deltas are a quarter: z = ±0.6745 σ + σ² √T ÷ 2.
        let at = |side: f64| {
            let mut strike = FORWARD;
            for _ in 0..50 {
                let deviation = smile(made, NOON, strike) * years(made, NOON).sqrt();
                strike = FORWARD * (side * 0.674_49 * deviation + deviation * deviation / 2.0).exp();
            }
            smile(made, NOON, strike)
        };
        near(&fitted["risk_reversal"], at(1.0) - at(-1.0), 0.006);
        near(&fitted["butterfly"], f64::midpoint(at(1.0), at(-1.0)) - made.3, 0.004);
        assert_eq!(fitted["points"], fitted["inside"], "{fitted}");
        for quote in fitted["quotes"].as_array().unwrap() {
            let strike = FORWARD * quote["log_moneyness"].as_f64().unwrap().exp();
            let known = smile(made, NOON, strike);
            let (bid, ask) = (quote["bid"].as_f64().unwrap(), quote["ask"].as_f64().unwrap());
            assert!(bid < known && known < ask, "{quote}: {known}");
            near(&quote["fitted"], known, (ask - bid) / 2.0);
        }
        let dropped: u64 = found["dropped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(found["quoted"].as_u64().unwrap(), found["used"].as_u64().unwrap() + dropped);
    }
    let month = view["tenors"].as_array().unwrap().iter().find(|tenor| tenor["days"] == 30).unwrap();
    // Linear in total variance between the second and the third expiry.
    let (near_years, far_years, wanted) = (years(&EXPIRIES[1], NOON), years(&EXPIRIES[2], NOON), 30.0 / 365.0);
    let (near_w, far_w) = (0.48_f64.powi(2) * near_years, 0.5_f64.powi(2) * far_years);
    let share = (wanted - near_years) / (far_years - near_years);
    near(&month["atm"], ((near_w + share * (far_w - near_w)) / wanted).sqrt(), 0.003);
    assert_eq!(month["extrapolated"], false);
}

/// Three strikes a dollar apart have a smile, which says little of anything: every number is marked as extrapolated, and how far the
/// quotes reach is told. The deltas are those of the known smile.
#[test]
fn a_smile_of_few_strikes_tells_how_far_its_quotes_reach() {
    let narrow: Expiry = (EXPIRIES[1].0, EXPIRIES[1].1, (90_000, 90_002, 1), EXPIRIES[1].3);
    let sandbox = with_chain(&[narrow, EXPIRIES[2]]);
    let view: Value = serde_json::from_str(sandbox.line("trimtab surface chain.tape --json").ok().trim()).unwrap();
    let [few, all] = [0, 1].map(|at| &view["expiries"][at]["smile"]);
    let deviation = |made: &Expiry, strike: f64| smile(made, NOON, strike) * years(made, NOON).sqrt();
    let d1 =
        |made: &Expiry, strike: f64| (FORWARD / strike).ln() / deviation(made, strike) + deviation(made, strike) / 2.0;
    near(&few["reach"]["put_delta"], normal(-d1(&narrow, 90_000.0)), 0.01);
    near(&few["reach"]["call_delta"], normal(d1(&narrow, 90_002.0)), 0.01);
    near(&few["reach"]["from"], (90_000.0 / FORWARD).ln(), 1e-6);
    assert_eq!((&few["atm_extrapolated"], &few["wings_extrapolated"]), (&true.into(), &true.into()));
    assert_eq!((&all["atm_extrapolated"], &all["wings_extrapolated"]), (&false.into(), &false.into()));
    let beyond = |smile: &Value| smile["variance_swap_beyond"].as_f64().unwrap();
    assert!(beyond(few) > 0.6 && beyond(all) < 0.3, "{} {}", beyond(few), beyond(all));
    let quoted = all["variance_swap_quoted"].as_f64().unwrap() / all["variance_swap"].as_f64().unwrap();
    near(&(1.0 - quoted * quoted).into(), beyond(all), 1e-12);
    // What is made of the narrow one is extrapolated with it.
    let tenors = view["tenors"].as_array().unwrap();
    assert!(tenors.iter().all(|tenor| tenor["extrapolated"] == true), "{tenors:?}");
    let text = sandbox.line("trimtab surface chain.tape").ok();
    assert!(text.contains("  * beyond the quoted strikes: extrapolated"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_surface_in_words_fits_eighty_columns() {
    let sandbox = with_chain(&EXPIRIES);
    let said = sandbox.line("trimtab surface chain.tape --at 2026-01-15T18:00:00Z");
    assert_eq!(said.stderr, "warning: the last quotes came 5 h 59 min before 2026-01-15 18:00:00Z\n");
    let text = said.ok();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text, TOLD, "{text}");
    let verbose = sandbox.line("trimtab surface chain.tape -v --underlying btc").ok();
    assert!(verbose.contains("    left out: "), "{verbose}");
    assert_eq!(verbose.matches("    SVI: level ").count(), EXPIRIES.len(), "{verbose}");
    assert!(verbose.lines().all(|line| line.chars().count() <= 100), "{verbose}");
}

/// The same market an earlier day: other volatilities at the money, and a forward of 92,000. Both smiles have the shape of [`smile`], so
/// what changes is known: at thirty days the levels mixed linearly in total variance, at seven the first expiry's, at ninety the last's.
#[test]
fn changes_since_a_moment_are_those_of_the_known_smiles() {
    let sandbox = Sandbox::new();
    let [first, last] = [EXPIRIES[1], EXPIRIES[2]];
    let with = |expiry: Expiry, vol: f64| (expiry.0, expiry.1, expiry.2, vol);
    let then: Moment = (NOW - 86_400, 92_000.0);
    let earlier = chain(&[with(first, 0.43), with(last, 0.47)], &[then]);
    let later = chain(&[with(first, 0.52), with(last, 0.50)], &[NOON]);
    sandbox.write("chain.csv", earlier + later.split_once('\n').unwrap().1);
    sandbox.line("trimtab import options chain.csv -o chain.tape").ok();
    let line = "trimtab surface chain.tape --since 2026-01-14T13:00:00Z";
    let view: Value = serde_json::from_str(sandbox.line(&format!("{line} --json")).ok().trim()).unwrap();
    let since = &view["since"];
    assert_eq!((&since["asked"], &since["at"]), (&"2026-01-14T13:00:00Z".into(), &"2026-01-14T12:00:00.25Z".into()));
    assert_eq!(since["refusal"], Value::Null);
    let at = |days: u64| since["tenors"].as_array().unwrap().iter().find(|tenor| tenor["days"] == days).unwrap();
    let mixed = |moment: Moment, (near_vol, far_vol): (f64, f64)| {
        let (near_years, far_years, wanted) = (years(&first, moment), years(&last, moment), 30.0 / 365.0);
        let (near_w, far_w) = (near_vol.powi(2) * near_years, far_vol.powi(2) * far_years);
        ((near_w + (wanted - near_years) / (far_years - near_years) * (far_w - near_w)) / wanted).sqrt()
    };
    near(&at(30)["atm"], mixed(NOON, (0.52, 0.50)) - mixed(then, (0.43, 0.47)), 0.003);
    near(&at(7)["atm"], 0.09, 0.003);
    near(&at(90)["atm"], 0.03, 0.003);
    near(&since["term_slope"], 0.03 - 0.09, 0.005);
    near(&at(30)["forward"], FORWARD / 92_000.0 - 1.0, 1e-9);
    // Slope and curvature of both are alike in standard deviations: little of the wings changes.
    near(&at(30)["risk_reversal"], 0.0, 0.006);
    near(&at(30)["butterfly"], 0.0, 0.004);
    assert_eq!((&at(30)["extrapolated"], &at(90)["extrapolated"]), (&false.into(), &true.into()));
    let text = sandbox.line(line).ok();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for part in [
        "changes since 2026-01-14 13:00:00Z   its last quotes 59 min 59 s before",
        "forward, %",
        "+4.35",
        "+9.0",
        "-6.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Without the flag there is nothing of it.
    let view: Value = serde_json::from_str(sandbox.line("trimtab surface chain.tape --json").ok().trim()).unwrap();
    assert_eq!(view["since"], Value::Null);

    let refused = |more: &str, code: i32, part: &str| {
        let said = sandbox.line(&format!("trimtab surface chain.tape {more}"));
        assert_eq!(said.code, Some(code), "{more}: {}{}", said.stdout, said.stderr);
        assert!(said.stderr.contains(part), "{more}: {}", said.stderr);
    };
    let at = "--at 2026-01-15T18:00:00Z --since";
    refused(
        &format!("{at} 2026-01-15T18:00:00Z"),
        2,
        "`--since` 2026-01-15 18:00:00Z is not before `--at` 2026-01-15 18:00:00Z",
    );
    refused("--since 2026-01-14T11:00:00Z", 2, "no option was quoted until 2026-01-14 11:00:00Z");
    refused(
        &format!("{at} 2026-01-15T17:00:00Z"),
        1,
        "no changes since 2026-01-15 17:00:00Z: no option was quoted since then",
    );
    refused("--since 2026-01-15T11:00:00Z --max-age 2h", 1, "the last quotes came 22 h 59 min before");
}

/// The later expiry is quoted at a tenth of the variance of the earlier one, a step wide: whatever is free of arbitrage lies outside the
/// quotes of one of them, which is marked, told and answered with 1.
#[test]
fn a_smile_that_nobody_quotes_is_marked_and_answered_with_one() {
    let far: Expiry = (EXPIRIES[2].0, EXPIRIES[2].1, (85_000, 110_000, 2_500), 0.07);
    let sandbox = with_chain(&[EXPIRIES[1], far]);
    let said = sandbox.line("trimtab surface chain.tape --json");
    assert_eq!(said.code, Some(1), "{said:?}");
    let view: Value = serde_json::from_str(said.stdout.trim()).unwrap();
    assert_eq!(view["arbitrage"]["free"], true);
    let mut outside = 0;
    for expiry in view["expiries"].as_array().unwrap() {
        let smile = &expiry["smile"];
        let lies = |quote: &&Value| {
            let [bid, ask, fitted] = ["bid", "ask", "fitted"].map(|name| quote[name].as_f64().unwrap());
            bid <= fitted && fitted <= ask
        };
        let inside = smile["quotes"].as_array().unwrap().iter().filter(lies).count();
        assert_eq!(smile["none_inside"], inside == 0, "{smile}");
        outside += usize::from(inside == 0);
    }
    assert!(outside > 0, "{view}");
    let said = sandbox.line("trimtab surface chain.tape --plot none.svg");
    assert_eq!(said.code, Some(1), "{said:?}");
    let text = &said.stdout;
    assert!(text.lines().filter(|line| line.contains("96,000.00") && line.contains('!')).count() == outside, "{text}");
    assert!(text.contains("  ! under 85 % lie between bid and ask; beside ATM: none does"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(
        said.stderr.contains("fitted volatilities lies between bid and ask: nobody quotes this smile"),
        "{}",
        said.stderr
    );
    let picture = std::fs::read_to_string(sandbox.path("none.svg")).unwrap();
    well_formed(&picture);
    assert!(picture.contains(" d: between bid and ask nowhere</text>"), "{picture}");
}

/// What lies beyond the quotes is dashed or hollow, and does not set the scale of what is quoted.
#[test]
fn a_picture_tells_what_is_extrapolated() {
    let narrow: Expiry = (EXPIRIES[1].0, EXPIRIES[1].1, (90_000, 90_002, 1), EXPIRIES[1].3);
    let picture = |expiries: &[Expiry]| {
        let sandbox = with_chain(expiries);
        sandbox.line("trimtab surface chain.tape --plot it.svg").ok();
        let picture = std::fs::read_to_string(sandbox.path("it.svg")).unwrap();
        well_formed(&picture);
        picture
    };
    let all = picture(&EXPIRIES);
    let some = picture(&[narrow, EXPIRIES[2]]);
    assert!(!all.contains("<circle class=\"xh\"") && all.contains("class=\"r0 xt\""), "{all}");
    // Volatility at the money and the risk reversal of the narrow one.
    assert_eq!(some.matches("<circle class=\"xh\"").count(), 2, "{some}");
    assert!(some.contains("14.83 days") && some.contains(" (extrapolated); 70.83 days"), "{some}");
    assert!(some.contains("dashed, hollow: extrapolated beyond the quotes"));
    // Of three quotes a dollar apart nothing is drawn solid but between them.
    assert!(some.matches("class=\"sl xt\"").count() >= 4, "{some}");
}

const TOLD: &str = "  BTC options at deribit, in BTC   2026-01-15 12:00:00Z   26 of 54 quotes fitted

  expiry         days     forward from             ATM   RR 25   BF 25  var sw
  16 Jan 2026    0.83   96,000.00 recorded       45.00   -2.33    0.29   45.83
  30 Jan 2026   14.83   96,000.00 recorded       47.88   -2.53    0.33   48.91
  27 Mar 2026   70.83   96,000.00 recorded       49.98   -2.57    0.21   51.29

  quoted        put delta  call delta    deviations  var sw there     beyond %
  16 Jan 2026       0.039       0.073   -2.0 to 1.4         44.84          4.3
  30 Jan 2026       0.042       0.031   -1.9 to 1.9         48.16          3.0
  27 Mar 2026       0.024       0.025   -2.1 to 2.0         50.69          2.3

  fit          quotes  fitted  inside %   median     90 %  largest  repair
  16 Jan 2026      18       8       100     0.24     0.41     0.51  none
  30 Jan 2026      16       8       100     0.04     0.18     0.36  none
  27 Mar 2026      20      10       100     0.03     0.06     0.15  none

  tenor             1 d      7 d     14 d     30 d     60 d    90 d*   180 d*
  ATM             45.52    47.70    47.87    49.24    49.88    49.98    49.98
  RR 25           -2.20    -2.02    -2.48    -2.45    -2.53    -2.21    -1.37
  BF 25            0.29     0.33     0.32     0.29     0.23     0.21     0.20
  skew           -69.06   -22.64   -18.96   -12.99   -10.29    -7.78    -3.89
  var sw          46.35    48.50    48.87    50.25    51.09    51.24    51.10
  * before the first or behind the last expiry, or beside one of narrow quotes

  arbitrage   none   lowest density 2.7e-1, lowest rise of variance 8.3e-3
              0 of 2 neighbouring expiries crossed before the repair
  ATM, var sw: % a year, ACT/365; RR, BF, errors: volatility points; skew:
  points for each 1 of ln(strike) at the forward, so a tenth of it for 10 %;
  RR and BF at a forward delta of 0.25, not premium-adjusted; quoted: deltas of
  the outermost strikes, and the variance swap of those between and beyond
  next: trimtab surface chain.tape --at 2026-01-15T18:00:00Z --plot surface.svg
";

#[test]
fn a_picture_is_small_and_well_formed() {
    let sandbox = with_chain(&EXPIRIES);
    let said = sandbox.line("trimtab surface chain.tape --plot surface.svg").ok();
    assert!(said.contains("wrote surface.svg"), "{said}");
    let picture = std::fs::read_to_string(sandbox.path("surface.svg")).unwrap();
    well_formed(&picture);
    assert!(picture.len() < 100_000 && !picture.contains("NaN") && !picture.contains("inf"), "{} bytes", picture.len());
    for part in [
        "BTC options at deribit, in BTC, 2026-01-15 12:00:00Z",
        "30 Jan 2026, 14.83 d",
        "At the money, % a year",
        "25-delta risk reversal, points",
        "Risk-neutral density",
        "aria-label=\"BTC options at deribit, in BTC, 2026-01-15 12:00:00Z: implied volatility at the money and 25-delta risk reversal",
        "by expiry: 0.83 days 45.0 %, risk reversal −2.3; 14.83 days 47.9 %, risk reversal −2.5; ",
        ". No arbitrage is left.\"",
    ] {
        assert!(picture.contains(part), "{part}: {picture}");
    }
    let said = sandbox.line("trimtab surface chain.tape --plot surface.svg");
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("`surface.svg` exists already") && said.stderr.contains("--force"), "{}", said.stderr);
    sandbox.line("trimtab surface chain.tape --plot surface.svg --force").ok();
    assert_eq!(std::fs::read_to_string(sandbox.path("surface.svg")).unwrap(), picture);
}

/// Tags are closed in order, and attributes are in quotes.
fn well_formed(picture: &str) {
    let mut open = Vec::new();
    for tag in picture.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None => {
                assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
                if !tag.ends_with('/') {
                    open.push(tag.split(' ').next().unwrap());
                }
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_cannot_be_told_is_refused_with_what_to_do() {
    let sandbox = with_chain(&EXPIRIES);
    let refused = |line: &str, parts: &[&str]| {
        let said = sandbox.line(line);
        assert_eq!(said.code, Some(2), "{line}: {}{}", said.stdout, said.stderr);
        assert!(
            said.stdout.is_empty() && parts.iter().all(|part| said.stderr.contains(part)),
            "{line}: {}",
            said.stderr
        );
    };
    refused(
        "trimtab surface chain.tape --underlying eth",
        &["the tapes list no options on `ETH`, but on BTC", "hint: `--underlying BTC`, or leave it out"],
    );
    refused(
        "trimtab surface chain.tape --at 2026-01-15T11:00:00Z",
        &["no option was quoted until 2026-01-15 11:00:00Z: the first quote came at 2026-01-15 12:00:00.25Z", "`--at`"],
    );
    refused(
        "trimtab surface chain.tape --at 2027-01-15T12:00:00Z",
        &[
            "the last quotes of BTC options at deribit, in BTC, came 364 d 23 h before 2027-01-15 12:00:00Z: over 1 d",
            "hint: ask with `--at 2026-01-15T12:00:01Z`, or let them be that old with `--max-age 365d`",
        ],
    );
    refused(
        "trimtab surface chain.tape --at 2026-01-15T13:00:00Z --max-age 30m",
        &["came 59 min 59 s before", "over 30 min"],
    );
    sandbox.line("trimtab surface chain.tape --at 2026-01-15T12:00:01Z").ok();
    sandbox.line("trimtab surface chain.tape --at 2027-01-15T12:00:00Z --max-age 365d").ok();
    refused("trimtab surface chain.tape --plot surface.png", &["`surface.png` is no name of a picture", "`.svg`"]);
    refused("trimtab surface chain.tape --plot", &["--plot <FILE>"]);
    refused("trimtab surface chain.tape --at noon", &["noon"]);
    refused("trimtab surface missing.tape", &["missing.tape"]);
    refused("trimtab surface chain.csv", &["chain.csv"]);
    sandbox.write("bars.csv", bars_csv(4));
    sandbox.line("trimtab import bars bars.csv --instrument binance:BTCUSDT-PERP --labelled open -o bars.tape").ok();
    refused("trimtab surface bars.tape", &["the tapes list no options", "trimtab import options"]);
    let mut torn = std::fs::read(sandbox.path("chain.tape")).unwrap();
    torn.truncate(torn.len() / 2);
    sandbox.write("torn.tape", torn);
    refused("trimtab surface torn.tape", &["torn.tape"]);
    let shown = sandbox.line("trimtab surface chain.tape bars.tape").ok();
    assert!(!shown.contains("BTC 60"), "bars of a year before tell no price: {shown}");
}

/// Half the forward with every quote: the surface is that of the true one, the star and the field say why.
#[test]
fn a_recorded_forward_that_parity_contradicts_is_marked_and_not_taken() {
    let sandbox = with_chain(&EXPIRIES);
    let halved =
        chain(&EXPIRIES, &[(NOW, FORWARD)]).replace(&format!("26,{FORWARD},"), &format!("26,{},", FORWARD / 2.0));
    sandbox.write("halved.csv", halved);
    sandbox.line("trimtab import options halved.csv -o halved.tape").ok();
    let text = sandbox.line("trimtab surface halved.tape").ok();
    assert_eq!(text.matches(" parity* ").count(), EXPIRIES.len(), "{text}");
    assert!(text.contains("* the recorded forward, up to -50.") && text.contains("is not taken"), "{text}");
    let view: Value = serde_json::from_str(sandbox.line("trimtab surface halved.tape --json").ok().trim()).unwrap();
    for (found, made) in view["expiries"].as_array().unwrap().iter().zip(&EXPIRIES) {
        assert_eq!(
            (&found["forward"]["source"], &found["forward"]["refused"]),
            (&"parity".into(), &(FORWARD / 2.0).into())
        );
        near(&found["forward"]["price"], FORWARD, 100.0);
        near(&found["smile"]["atm"], made.3, 0.01);
    }
}

#[test]
fn two_strikes_make_no_surface_and_no_picture() {
    let sandbox = with_chain(&[("30JAN26", 1_769_760_000, (95_000, 100_000, 5_000), 0.48)]);
    let said = sandbox.line("trimtab surface chain.tape --plot surface.svg");
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("no surface") && said.stderr.contains("no picture was written"), "{}", said.stderr);
    assert!(said.stdout.contains("too few strikes to fit a smile to"), "{}", said.stdout);
    assert!(!sandbox.path("surface.svg").exists());
    let line = sandbox.line("trimtab surface chain.tape --json");
    let view: Value = serde_json::from_str(line.stdout.trim()).unwrap();
    assert_eq!((&view["arbitrage"], &view["expiries"][0]["smile"]), (&Value::Null, &Value::Null));
    assert!(view["refusal"].as_str().is_some_and(|why| !why.is_empty()), "{view}");
}

/// A chain that is quoted again after another's expiry, one of another coin in between: each surface is of its own last quote.
#[test]
fn tapes_tell_the_same_in_any_order_and_what_they_tell_twice_is_refused() {
    let sandbox = with_chain(&EXPIRIES);
    let later = chain(&EXPIRIES, &[(NOW + 20 * 86_400, FORWARD)]).replace("BTC-", "ETH-");
    let alive: Vec<&str> = later.lines().filter(|row| !row.contains("JAN26")).collect();
    sandbox.write("ether.csv", alive.join("\n"));
    sandbox.line("trimtab import options ether.csv -o ether.tape").ok();
    for (venue, price) in [("okx", 96_000), ("binance", 95_000)] {
        let bar = format!("time,open,high,low,close\n{},{price},{price},{price},{price}\n", NOW - 7_200);
        sandbox.write("bars.csv", bar + &format!("{},{price},{price},{price},{price}\n", NOW - 3_600));
        let name = format!("{venue}:BTCUSDT-PERP --labelled open -o {venue}.tape");
        sandbox.line(&format!("trimtab import bars bars.csv --instrument {name}")).ok();
    }
    let told = |tapes: &str| sandbox.line(&format!("trimtab surface {tapes} --json")).ok();
    let both = told("chain.tape ether.tape");
    let alone = |line: &str| -> Value {
        let mut view: Value = serde_json::from_str(line).unwrap();
        view["asked"] = Value::Null;
        view
    };
    assert_eq!(alone(both.lines().next().unwrap()), alone(told("chain.tape").trim()));
    assert_eq!(both, told("ether.tape chain.tape"));
    let told_of_both = told("chain.tape okx.tape binance.tape");
    assert_eq!(told_of_both, told("binance.tape okx.tape chain.tape"));
    assert!(told_of_both.contains("\"spot\":95000.0"), "{told_of_both}");

    // The same options at the same moment, quoted otherwise.
    sandbox.write("other.csv", chain(&EXPIRIES, &[(NOW, FORWARD * 1.01)]));
    sandbox.line("trimtab import options other.csv -o other.tape").ok();
    for tapes in ["chain.tape other.tape", "other.tape chain.tape"] {
        let said = sandbox.line(&format!("trimtab surface {tapes}"));
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{}", said.stderr);
        let why = "the tapes overlap: `deribit:BTC-16JAN26-92000-C` has more than one quote at 2026-01-15T12:00:00.25Z";
        assert!(said.stderr.contains(why) && said.stderr.contains("leave out one tape"), "{}", said.stderr);
    }
}

/// Puts of one expiry whose quotes tell no forward, a percent and a half over those beside it: neither parity nor the neighbours know it, a
/// future does. The puts are those of the known smile at that forward, so that a wrong one would give another.
#[test]
fn a_future_tells_the_forward_of_options_that_expire_with_it() {
    let forward = 97_440.0;
    let sandbox = Sandbox::new();
    let beside = chain(&[EXPIRIES[0], EXPIRIES[2]], &[NOON]);
    let alone = chain(&[EXPIRIES[1]], &[(NOW, forward)]).replace(&format!("30JAN26,{forward},"), "30JAN26,,");
    let puts: Vec<&str> = alone.lines().filter(|row| row.contains(",put,")).collect();
    sandbox.write("chain.csv", beside + &puts.join("\n"));
    sandbox.line("trimtab import options chain.csv -o chain.tape").ok();
    let told = |age: i64| -> Value {
        // A future of another day and one on another coin tell nothing of it.
        let rows = format!(
            "timestamp,instrument_name,mark_price\n{0},BTC-30JAN26,{forward}\n{0},BTC-23JAN26,90000\n{0},ETH-30JAN26,3000\n",
            NOW - age * 60
        );
        sandbox.write("marks.csv", rows);
        sandbox.line("trimtab import marks marks.csv --force -o marks.tape").ok();
        let at = "--at 2026-01-15T12:02:00Z";
        serde_json::from_str(sandbox.line(&format!("trimtab surface chain.tape marks.tape {at} --json")).stdout.trim())
            .unwrap()
    };
    for age in [0, 14] {
        let view = told(age);
        let found = &view["expiries"][1];
        assert_eq!((&found["forward"]["source"], &found["forward"]["price"]), (&"future".into(), &forward.into()));
        for quote in found["smile"]["quotes"].as_array().unwrap() {
            let strike = forward * quote["log_moneyness"].as_f64().unwrap().exp();
            let known = smile(&EXPIRIES[1], (NOW, forward), strike);
            assert!(
                quote["bid"].as_f64().unwrap() < known && known < quote["ask"].as_f64().unwrap(),
                "{quote}: {known}"
            );
        }
        for other in [0, 2] {
            assert_eq!(view["expiries"][other]["forward"]["source"], "recorded");
        }
    }
    // Older than a quote may be: the neighbours tell it, who know nothing of it.
    let view = told(16);
    assert_eq!(view["expiries"][1]["forward"]["source"], "interpolated");
    near(&view["expiries"][1]["forward"]["price"], FORWARD, 1e-6);
    // A price after the last quote is no price of that moment.
    assert_eq!(told(-1)["expiries"][1]["forward"]["source"], "interpolated");
}

/// The first expiry of a chain has puts alone and tells no forward: it lies between the price of the underlying and the second, ln F linear
/// in time. A perpetual fell silent five hours before; spot told its price half an hour before.
#[test]
fn the_latest_price_of_the_underlying_makes_forwards_and_its_age_is_told() {
    let sandbox = Sandbox::new();
    let beside = chain(&EXPIRIES[1..], &[NOON]);
    let alone = chain(&EXPIRIES[..1], &[NOON]).replace(&format!("16JAN26,{FORWARD},"), "16JAN26,,");
    let puts: Vec<&str> = alone.lines().filter(|row| row.contains(",put,")).collect();
    sandbox.write("chain.csv", beside + &puts.join("\n"));
    sandbox.line("trimtab import options chain.csv -o chain.tape").ok();
    let price = |name: &str, price: f64, age: i64| {
        let open = NOW - age * 60;
        let rows = format!("time,open,high,low,close\n{},{price},{price},{price},{price}\n", open - 7_200);
        sandbox.write("bars.csv", rows + &format!("{},{price},{price},{price},{price}\n", open - 3_600));
        let flags = format!("--labelled open --interval 1h --force -o {name}.tape");
        sandbox.line(&format!("trimtab import bars bars.csv --instrument binance:{name} {flags}")).ok();
    };
    price("BTCUSDT-PERP", 99_000.0, 300);
    price("BTCUSDT", 95_000.0, 30);
    let told = |tapes: &str| sandbox.line(&format!("trimtab surface chain.tape {tapes} --json"));
    let view = |line: &str| -> Value { serde_json::from_str(line.trim()).unwrap() };
    let said = told("BTCUSDT-PERP.tape BTCUSDT.tape");
    let both = view(&said.stdout);
    assert_eq!((&both["spot"], &both["spot_at"]), (&95_000.0.into(), &"2026-01-15T11:30:00Z".into()));
    assert!(said.stderr.contains("interpolated forwards follow from is 30"), "{}", said.stderr);
    let (first, second) = (years(&EXPIRIES[0], NOON), years(&EXPIRIES[1], NOON));
    let forward = 95_000.0 * (FORWARD / 95_000.0_f64).powf(first / second);
    assert_eq!(both["expiries"][0]["forward"]["source"], "interpolated");
    near(&both["expiries"][0]["forward"]["price"], forward, 0.01);
    // The perpetual alone is too old, and nothing but the forwards that are known tells the first.
    let old = view(&told("BTCUSDT-PERP.tape").stdout);
    assert_eq!((&old["spot"], &old["spot_at"]), (&Value::Null, &Value::Null));
    near(&old["expiries"][0]["forward"]["price"], FORWARD, 0.01);
}

/// An expiry between two whose forwards are known lies on the line between them: the price of the underlying, however old, tells nothing
/// of it, and is not warned of.
#[test]
fn a_forward_between_two_known_ones_does_not_rest_on_an_old_price() {
    let sandbox = Sandbox::new();
    let beside = chain(&[EXPIRIES[0], EXPIRIES[2]], &[NOON]);
    let alone = chain(&EXPIRIES[1..2], &[NOON]).replace(&format!("30JAN26,{FORWARD},"), "30JAN26,,");
    let puts: Vec<&str> = alone.lines().filter(|row| row.contains(",put,")).collect();
    sandbox.write("chain.csv", beside + &puts.join("\n"));
    sandbox.line("trimtab import options chain.csv -o chain.tape").ok();
    let open = NOW - 30 * 60;
    let bar = |open: i64| format!("{open},95000,95000,95000,95000\n");
    sandbox.write("bars.csv", format!("time,open,high,low,close\n{}{}", bar(open - 7_200), bar(open - 3_600)));
    sandbox
        .line("trimtab import bars bars.csv --instrument binance:BTCUSDT --labelled open --interval 1h -o spot.tape")
        .ok();
    let said = sandbox.line("trimtab surface chain.tape spot.tape --json");
    let view: Value = serde_json::from_str(said.stdout.trim()).unwrap();
    assert_eq!((&view["spot"], &view["expiries"][1]["forward"]["source"]), (&95_000.0.into(), &"interpolated".into()));
    near(&view["expiries"][1]["forward"]["price"], FORWARD, 0.01);
    assert!(!said.stderr.contains("interpolated forwards follow from"), "{}", said.stderr);
}

/// The shared data, or `None` where it is absent; that is a failure in CI.
fn shared(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    if folder.join("data/deribit_options_6h").is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent at {}", folder.display());
    eprintln!("skipped: {test}: shared data absent");
    None
}

#[test]
fn recorded_chains_of_two_coins_have_surfaces_without_arbitrage() {
    let Some(shared) = shared("recorded_chains_of_two_coins_have_surfaces_without_arbitrage") else { return };
    let sandbox = Sandbox::new();
    for coin in ["BTC", "ETH"] {
        let file = shared.join(format!("data/deribit_options_6h/{coin}_2026-01.parquet"));
        sandbox.line(&format!("trimtab import options '{}' -o {coin}.tape", file.display())).ok();
    }
    let at = "--at 2026-01-15T12:00:00Z";
    let lines = sandbox.line(&format!("trimtab surface BTC.tape ETH.tape {at} --json")).ok();
    let views: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(views.iter().map(|view| view["underlying"].as_str().unwrap()).collect::<Vec<_>>(), ["BTC", "ETH"]);
    for view in &views {
        assert_eq!(view["arbitrage"]["free"], true, "{}", view["arbitrage"]);
        assert!(view["expiries"].as_array().unwrap().len() >= 8);
        for tenor in view["tenors"].as_array().unwrap() {
            assert!((0.2..1.5).contains(&tenor["atm"].as_f64().unwrap()), "{tenor}");
        }
    }
    let text = sandbox.line(&format!("trimtab surface BTC.tape ETH.tape {at} --plot both.svg")).ok();
    assert_eq!(text.matches("arbitrage   none").count(), 2, "{text}");
    let picture = std::fs::read_to_string(sandbox.path("both.svg")).unwrap();
    well_formed(&picture);
    assert!(picture.len() < 200_000, "{} bytes for two", picture.len());
}

/// Ten days of a market that falls and comes back, told every six hours; the perpetual every hour.
fn days(sandbox: &Sandbox) {
    let at =
        |hour: i64| (NOW + hour * 3_600, (FORWARD * (1.0 - 0.05 * (hour as f64 / 40.0).sin()) / 10.0).round() * 10.0);
    let moments: Vec<Moment> = (0..40).map(|step| at(step * 6)).collect();
    sandbox.write("days.csv", chain(&EXPIRIES[1..], &moments));
    sandbox.line("trimtab import options days.csv -o days.tape").ok();
    let mut bars = "time,open,high,low,close,volume\n".to_owned();
    for ((time, open), (_, close)) in (-1..240).map(|hour| (at(hour), at(hour + 1))) {
        let (high, low) = (open.max(close), open.min(close));
        writeln!(bars, "{time},{open},{high},{low},{close},1").unwrap();
    }
    sandbox.write("bars.csv", bars);
    sandbox.line("trimtab import bars bars.csv --instrument deribit:BTC-PERPETUAL --labelled open -o bars.tape").ok();
}

const STRANGLE: &str = "\
policy = 1
name = \"strangle\"
[structure]
chain = \"deribit:BTC\"
legs = [{ right = \"call\", delta = 0.25, days = 70 }, { right = \"put\", delta = 0.25, days = 70 }]
[signal]
kind = \"constant\"
strength = -1.0
[size]
kind = \"fixed_fraction\"
fraction = 1.0
resize = \"entry\"
[backtest]
deposit = \"10 BTC\"
";

#[test]
fn a_run_with_options_keeps_their_greeks_and_the_surface_and_its_report_shows_them() {
    let sandbox = Sandbox::new();
    days(&sandbox);
    sandbox.write("strangle.toml", STRANGLE);
    sandbox.line("trimtab backtest strangle.toml --tape days.tape --tape bars.tape --out run").ok();
    assert!(sandbox.line("trimtab replay run --verify").ok().contains("same"));
    let run = backtest::open(&sandbox.path("run")).unwrap();
    assert_eq!(run.replayed, Some(true));

    // What was bought and sold is held; its vega and theta by differences of Black's formula at the known smile.
    let mut held = std::collections::BTreeMap::<&str, f64>::new();
    for fill in &run.tables.fills {
        let sign = if fill.side == "sell" { -1.0 } else { 1.0 };
        *held.entry(fill.instrument.as_str()).or_default() += sign * fill.quantity.approximate();
    }
    let legs: Vec<(f64, bool, f64)> = held
        .iter()
        .filter_map(|(symbol, qty)| {
            let mut parts = symbol.rsplit('-');
            let (right, strike) = (parts.next()?, parts.next()?.parse().ok()?);
            Some((strike, right == "C", *qty))
        })
        .collect();
    assert_eq!(legs.len(), 2, "{held:?}");
    let wholes: Vec<_> = run
        .tables
        .greeks
        .iter()
        .filter(|row| row.expiry.is_none() && row.venue.is_empty() && row.strategy.is_empty())
        .collect();
    assert!(wholes.len() > 35 && wholes.iter().all(|row| row.unpriced == 0 && row.options == 2), "{}", wholes.len());
    for row in &wholes {
        let now = (row.time.nanos() / 1_000_000_000, row.price);
        let march = &EXPIRIES[2];
        let worth = |more: f64, later: f64| -> f64 {
            let one = |(strike, is_call, qty): &(f64, bool, f64)| {
                let years = years(march, now) - later / 365.0;
                qty * now.1 * black(now.1 / strike, (smile(march, now, *strike) + more) * years.sqrt(), *is_call)
            };
            legs.iter().map(one).sum()
        };
        let (vega, theta) =
            ((worth(1e-4, 0.0) - worth(-1e-4, 0.0)) / 0.02, (worth(0.0, 0.01) - worth(0.0, -0.01)) / 0.02);
        assert!((row.vega / vega - 1.0).abs() < 0.01, "{}: vega {} is not {vega}", row.time, row.vega);
        assert!((row.theta / theta - 1.0).abs() < 0.03, "{}: theta {} is not {theta}", row.time, row.theta);
        assert!(row.gamma < 0.0 && row.hedge == 0.0, "{row:?}");
    }
    let cells: Vec<_> = run.tables.greeks.iter().filter(|row| row.expiry.is_some()).collect();
    let (sum, last) = (cells.iter().map(|row| row.vega).sum::<f64>(), wholes[wholes.len() - 1].vega);
    assert!(cells.len() == 2 && (sum / last - 1.0).abs() < 1e-9, "{sum} of {last}");
    let parts: Vec<_> =
        run.tables.greeks.iter().filter(|row| !row.venue.is_empty() || !row.strategy.is_empty()).collect();
    let named: Vec<_> = parts.iter().map(|row| (row.venue.as_str(), row.strategy.as_str(), row.vega)).collect();
    assert_eq!(named, [("deribit", "", last), ("", "strangle", last)], "one account, one policy");
    assert!(run.tables.surfaces.iter().all(|row| row.atm_30d.is_some_and(|vol| (vol - 0.485).abs() < 0.02)));
    assert!(run.tables.surfaces.len() >= 39 && run.tables.smiles.len() > 15);

    sandbox.line("trimtab report run -o run.html").ok();
    let page = std::fs::read_to_string(sandbox.path("run.html")).unwrap();
    for part in [
        "<a href=\"#greeks\">",
        "Delta, BTC",
        "Vega, USD for a point of volatility",
        "BTC options by strike and expiry",
        "BTC Greeks by part",
        "<a href=\"#surface\">",
        "25-delta risk reversal, 30 days, points",
        "What does each strike cost at the end?",
        "a flat 15 % of the underlying, 10 % to be kept: nobody&#39;s real rule",
        "Replay gives the same commands",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("NaN") && page.len() < 400 << 10, "{} bytes", page.len());

    // What was found the same is another now: nothing is known until the next replay.
    std::fs::remove_file(sandbox.path("run/greeks.parquet")).unwrap();
    assert_eq!(backtest::open(&sandbox.path("run")).unwrap().replayed, None);
    let said = sandbox.line("trimtab replay run --verify");
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("greeks has 0 rows, the replay gives"), "{}", said.stdout);
    assert_eq!(backtest::open(&sandbox.path("run")).unwrap().replayed, Some(false));
}

#[test]
fn a_run_without_options_has_none_of_it() {
    let sandbox = Sandbox::new();
    sandbox.bars("bars.tape");
    sandbox.write("policy.toml", common::POLICY);
    sandbox.line("trimtab backtest policy.toml --tape bars.tape --out run").ok();
    for file in ["greeks", "surfaces", "smiles"] {
        assert!(!sandbox.path(format!("run/{file}.parquet")).exists(), "{file}");
    }
    sandbox.line("trimtab report run -o run.html").ok();
    let page = std::fs::read_to_string(sandbox.path("run.html")).unwrap();
    assert!(!page.contains("#greeks") && !page.contains("#surface") && !page.contains("option margin"));
}

/// A portfolio whose market the tapes tell: options are valued on the smile that the chain was made of, the perpetual at its forward.
#[test]
fn a_portfolio_takes_its_market_from_the_tapes() {
    let sandbox = with_chain(&EXPIRIES);
    let portfolio = |more: &str| {
        format!(
            r#"{{ "schema": "trimtab.portfolio/3", "time": "2026-01-10T00:00:00Z",
                 "accounts": [{{ "name": "a", "venue": "deribit", "margin": "portfolio",
                                "balances": [{{ "currency": "BTC", "amount": "3" }}] }}],
                 "positions": [
                   {{ "account": "a", "instrument": "deribit:BTC-30JAN26-100000-C", "quantity": "-5" }}{more} ] }}"#
        )
    };
    sandbox.write("p.json", portfolio(""));
    let line = "trimtab stress p.json --market chain.tape --at 2026-01-15T12:30:00Z --json";
    let said = sandbox.line(line);
    let view: Value = serde_json::from_str(said.stdout.trim()).unwrap_or_else(|_| panic!("{said:?}"));
    assert_eq!((view["time"].as_str(), view["sticky"].as_str()), (Some("2026-01-15T12:30:00Z"), Some("moneyness")));
    // Three coins less five calls by the known smile.
    let expiry = &EXPIRIES[1];
    let worth = 3.0 * FORWARD - 5.0 * price(expiry, NOON, 100_000.0, true) * FORWARD;
    near(&view["value"], worth, 2e-3 * worth);
    // Where volatilities double, the call is priced at twice the smile's.
    let doubled = view["stresses"].as_array().unwrap().iter().find(|row| row["name"] == "vol-doubling").unwrap();
    let moved = doubled["numbers"].as_array().unwrap().iter().find(|number| number["field"] == "vol.relative").unwrap();
    let by = 1.0 + moved["value"].as_f64().unwrap();
    let deviation = smile(expiry, NOON, 100_000.0) * years(expiry, NOON).sqrt();
    let calls = [1.0, by].map(|by| black(FORWARD / 100_000.0, deviation * by, true) * FORWARD);
    let lost = -5.0 * (calls[1] - calls[0]);
    near(&doubled["profit"], lost, 0.02 * lost.abs());
    assert!(view["now"][0]["maintenance"].as_f64().unwrap() > 0.0, "{}", view["now"]);

    // A surface that is too old, by the row that stands on it; allowed if asked for.
    let late = sandbox.line("trimtab stress p.json --market chain.tape --at 2026-01-15T18:00:00Z");
    assert_eq!((late.code, late.stdout.as_str()), (Some(2), ""));
    assert!(
        late.stderr.contains("positions[0]: the surface of BTC at deribit is of 2026-01-15T12:00:00.25Z"),
        "{late:?}"
    );
    let allowed =
        sandbox.line("trimtab stress p.json --market chain.tape --at 2026-01-15T18:00:00Z --max-age 1d --json");
    assert!(allowed.code.is_some_and(|code| code < 2), "{allowed:?}");
    // A contract that is settled by then.
    let expired = sandbox.line("trimtab stress p.json --market chain.tape --at 2026-02-01T00:00:00Z --max-age 60d");
    assert!(
        expired.code == Some(2) && expired.stderr.contains("was settled at 2026-01-30T08:00:00Z, and it is 2026-02-01"),
        "{expired:?}"
    );
    // What the tapes have no price of and the file neither is told by its row.
    sandbox.write(
        "q.json",
        portfolio(r#", { "account": "a", "instrument": "deribit:ETH-PERPETUAL", "quantity": "10", "entry": "3000" }"#),
    );
    let said = sandbox.line("trimtab stress q.json --market chain.tape --at 2026-01-15T12:30:00Z");
    assert!(said.code == Some(2) && said.stderr.contains("no tape tells a price of ETH"), "{said:?}");
}
