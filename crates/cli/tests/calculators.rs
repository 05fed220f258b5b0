//! `trimtab price` and `trimtab iv`: rows in, answers out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]

mod common;

use common::{Said, Sandbox};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;

const GREEKS: [&str; 12] =
    ["delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm", "veta", "speed", "zomma", "color"];

fn fed(args: &[&str], input: impl AsRef<[u8]> + Send + 'static) -> Said {
    let sandbox = Sandbox::new();
    let mut child =
        sandbox.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Beside the reading, so that neither waits for the other with full pipes.
    let writer = std::thread::spawn(move || {
        // A command that refuses its first line reads no further.
        let _ = stdin.write_all(input.as_ref());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.into()
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"))
}

fn near(ours: f64, expected: f64) {
    assert!((ours - expected).abs() <= 1e-9 * expected.abs().max(1e-9), "{ours} for {expected}");
}

/// The first cases of the golden file, which was made by differentiating with 120 digits.
#[test]
fn a_linear_option_has_price_and_twelve_greeks() {
    let input = "{\"type\":\"call\",\"forward\":60000,\"strike\":65000,\"years\":0.1,\"vol\":0.65,\"discount\":1.0,\"style\":\"linear\"}\n\
         {\"type\":\"put\",\"forward\":60000,\"strike\":65000,\"years\":0.1,\"vol\":0.65,\"discount\":0.97,\"id\":\"p\"}\n";
    let golden: Value = serde_json::from_str(include_str!("../../../vectors/options.json")).unwrap();
    let answers = rows(&fed(&["price"], input).ok());
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1]["id"], "p");
    for (answer, case) in answers.iter().zip(golden["cases"].as_array().unwrap()) {
        for (name, expected) in golden["order"].as_array().unwrap().iter().zip(case["values"].as_array().unwrap()) {
            near(number(answer, name.as_str().unwrap()), expected.as_str().unwrap().parse().unwrap());
        }
        assert!(answer.get("net_delta").is_none() && answer.get("price_coin").is_none());
    }
    assert_eq!(answers[0].as_object().unwrap().len(), 13);
}

#[test]
fn an_inverse_option_is_priced_in_coin_and_usd() {
    let input = "{\"type\":\"call\",\"forward\":60000,\"strike\":65000,\"years\":0.1,\"vol\":0.65,\"discount\":1.0,\"style\":\"inverse\"}";
    let answers = rows(&fed(&["price"], input).ok());
    let usd = number(&answers[0], "price_usd");
    near(number(&answers[0], "price_coin"), usd / 60_000.0);
    near(number(&answers[0], "net_delta"), number(&answers[0], "delta") - usd / 60_000.0);
    assert!(GREEKS.iter().all(|name| answers[0][*name].is_f64()) && answers[0].get("price").is_none());
    assert_eq!(answers[0].as_object().unwrap().len(), 15);
}

#[test]
fn a_price_gives_its_volatility_back_with_the_interval_of_its_tick() {
    let priced =
        "type,forward,strike,years,vol,style\ncall,60000,65000,0.1,0.65,inverse\nput,60000,65000,0.1,0.65,linear\n";
    let prices = rows(&fed(&["price"], priced).ok());
    let input = format!(
        "type,forward,strike,years,price,tick,style\r\ncall,60000,65000,0.1,{},0.0001,inverse\r\n\"put\",60000,65000,0.1,{},,\r\n",
        prices[0]["price_coin"], prices[1]["price"]
    );
    let vols = rows(&fed(&["iv"], input).ok());
    near(number(&vols[0], "vol"), 0.65);
    near(number(&vols[1], "vol"), 0.65);
    let (low, high) = (number(&vols[0], "vol_low"), number(&vols[0], "vol_high"));
    let slope = number(&prices[0], "vega") / 60_000.0 / 0.01;
    assert!(((high - low) * slope - 0.0001).abs() < 1e-6, "{low} {high}");
    // In the money and without a tick: what the rounding of the price leaves open.
    let (low, vol, high) = (number(&vols[1], "vol_low"), number(&vols[1], "vol"), number(&vols[1], "vol_high"));
    assert!(low < vol && vol < high && high - low < 1e-12, "{low} {vol} {high}");
}

/// `iv` does not deny what `price` printed.
#[test]
fn a_price_deep_in_the_money_says_nothing_rather_than_something_wrong() {
    let rows_of = [(60_338.92, 125_132.0, 0.037_866, 0.234), (60_000.1, 90_000.7, 0.05, 0.1)];
    for (forward, strike, years, vol) in rows_of {
        let mut row = json!({"type": "put", "style": "inverse", "forward": forward, "strike": strike, "years": years, "vol": vol});
        let priced = rows(&fed(&["price"], row.to_string()).ok());
        row.as_object_mut().unwrap().remove("vol");
        row["price"] = priced[0]["price_coin"].clone();
        let said = fed(&["iv"], row.to_string());
        let answer = &rows(&said.stdout)[0];
        assert_eq!((said.code, answer["code"].as_str()), (Some(1), Some("no_information")), "{answer}");
        assert!(number(answer, "vol_high") >= vol, "{answer}");
    }
}

#[test]
fn a_refusal_names_its_row_and_speaks_of_rows() {
    let good = "{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":0.5,\"id\":0}";
    let cases = [
        (good, json!(0), ""),
        ("[\"x\",\"call\",100,90,0.5,0.5,null,null,1,\"linear\"]", Value::Null, "no JSON object"),
        ("null", Value::Null, "no JSON object"),
        ("{\"id\":7,\"type\":\"call\",\"forward\":\"100\"}", json!(7), "expected a number, at column "),
        ("{\"type\":\"call\",\"forward\":1e999,\"id\":{\"a\":[1]}}", json!({"a": [1]}), "out of range"),
        ("{\"type\":\"call\",\"forwrd\":1,\"id\":\"b\"}", json!("b"), "`forwrd`"),
        (
            "{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":-0.65,\"id\":1}",
            json!(1),
            "between 0 and 20",
        ),
        (
            "{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":20.000001,\"id\":2}",
            json!(2),
            "between 0 and 20",
        ),
    ];
    let said = fed(&["price"], cases.clone().map(|(line, ..)| line).join("\n"));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let answers = rows(&said.stdout);
    assert_eq!(answers.len(), cases.len());
    for (answer, (line, id, text)) in answers.iter().zip(&cases) {
        assert_eq!(&answer["id"], id, "{line}: {answer}");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(text) && error.is_empty() == text.is_empty(), "{line}: {answer}");
        assert!(!error.contains("f64") && !error.contains("Raw"), "{line}: {answer}");
    }
    let table = "id,type,forward,strike,years,vol\na,call,100,90,0.5,x\nb,digital,100,90,0.5,0.5\nc,call,100,90,0.5,-1\nd,call\n";
    let answers = rows(&fed(&["price"], table).stdout);
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!("a"), json!("b"), json!("c"), Value::Null]);
}

/// One answer a row, in order, whatever the rows are; the others go on; exit code 1.
#[test]
fn a_row_without_an_answer_says_why_and_the_stream_goes_on() {
    let good = "{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":0.5}";
    let cases = [
        (good, ""),
        ("{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":-0.5}", "range"),
        ("{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":65}", "range"),
        ("{\"type\":\"call\",\"forward\":0,\"strike\":90,\"years\":0.5,\"vol\":0.5}", "range"),
        ("{\"type\":\"call\",\"forward\":1e999,\"strike\":90,\"years\":0.5,\"vol\":0.5}", "syntax"),
        ("{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":-0.5,\"vol\":0.5}", "expired"),
        ("{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5}", "missing"),
        ("{\"type\":\"call\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":0.5,\"price\":3}", "foreign"),
        ("{\"type\":\"digital\",\"forward\":100,\"strike\":90,\"years\":0.5,\"vol\":0.5}", "syntax"),
        ("{\"type\":\"call\",\"forward\":\"100\",\"strike\":90,\"years\":0.5,\"vol\":0.5}", "syntax"),
        ("{\"type\":\"call\",\"forwrd\":100,\"strike\":90,\"years\":0.5,\"vol\":0.5}", "syntax"),
        ("{\"type\":\"call\",\"forward\":100,", "syntax"),
        ("nonsense", "syntax"),
        (good, ""),
    ];
    let input = cases.map(|(line, _)| line).join("\n\n");
    let said = fed(&["price"], input);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let answers = rows(&said.stdout);
    assert_eq!(answers.len(), cases.len());
    for (at, (answer, (line, code))) in answers.iter().zip(cases).enumerate() {
        if code.is_empty() {
            assert!(answer["price"].is_f64(), "{line}: {answer}");
        } else {
            assert_eq!(answer["code"], code, "{line}: {answer}");
            assert_eq!(answer["line"], 2 * at + 1, "{line}: {answer}");
            assert!(answer["error"].as_str().unwrap().len() > 10, "{line}: {answer}");
        }
    }
}

#[test]
fn a_quote_without_a_volatility_says_why() {
    let row = |kind: &str, style: &str, price: f64, tick: f64, years: f64| {
        let row = json!({"type": kind, "style": style, "forward": 100, "strike": 90, "years": years, "price": price, "tick": tick});
        row.to_string()
    };
    let cases = [
        (row("call", "linear", 9.0, 0.0, 0.5), "below_intrinsic"),
        (row("call", "linear", 100.0, 0.0, 0.5), "above_forward"),
        (row("put", "linear", 90.0, 0.1, 0.5), "above_forward"),
        (row("call", "inverse", 12.0, 0.0, 0.5), "above_forward"),
        (row("call", "linear", 9.98, 0.1, 0.5), "no_information"),
        (row("call", "linear", 12.0, 0.1, 0.0), "no_information"),
        (row("call", "linear", -1.0, 0.1, 0.5), "range"),
        (row("call", "linear", 12.0, 0.1, -0.5), "expired"),
        (row("call", "linear", 12.0, 0.1, 0.5), ""),
    ];
    let input = cases.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n");
    let said = fed(&["iv"], input);
    assert_eq!(said.code, Some(1));
    for (answer, (line, code)) in rows(&said.stdout).iter().zip(&cases) {
        if code.is_empty() {
            assert!(number(answer, "vol") > 0.1, "{line}: {answer}");
        } else {
            assert_eq!(answer["code"], *code, "{line}: {answer}");
        }
    }
    let text = "the price 9 is under 10, what exercise gives: no volatility makes it so low";
    assert_eq!(rows(&said.stdout)[0]["error"], text);
    assert!(rows(&said.stdout)[4]["vol_high"].as_f64().unwrap() < 0.3);
    assert!(rows(&said.stdout)[3]["error"].as_str().unwrap().ends_with("in coin"));
}

#[test]
fn a_first_line_that_is_no_header_is_refused() {
    for (input, said) in [
        ("hello\n", "`hello` in the first line is no column"),
        ("type,forward,strike,years\ncall,1,1,1\n", "the first line names no column `vol`"),
        ("type,forward,strike,years,vol,vol\n", "the column `vol` stands twice"),
    ] {
        let answer = fed(&["price"], input);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(2), ""), "{input}");
        assert!(answer.stderr.contains(said) && answer.stderr.contains("hint: rows are JSON"), "{}", answer.stderr);
    }
    // Nothing in, nothing out.
    for input in ["", "\n\n"] {
        assert_eq!(fed(&["price"], input).ok(), "");
        assert_eq!(fed(&["iv"], input).ok(), "");
    }
}

#[test]
fn answers_carry_their_schema_when_asked() {
    let input = "type,forward,strike,years,vol\ncall,100,90,0.5,0.5\ncall,100,90,0.5,x\n";
    for row in rows(&fed(&["price", "--json"], input).stdout) {
        assert_eq!(row["schema"], "trimtab.price/1");
    }
}

/// Pseudo-random numbers (splitmix64), so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    fn share(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1_u64 << 53) as f64
    }
}

fn chain(count: usize, random: &mut Random, asked: &str) -> String {
    let mut text = String::new();
    for index in 0..count {
        let kind = ["call", "put"][random.below(2) as usize];
        let style = ["linear", "inverse"][random.below(2) as usize];
        let strike = 20_000.0 + 100_000.0 * random.share();
        let years = if random.below(40) == 0 { 0.0 } else { random.share() };
        let value = match (asked, style) {
            ("price", "inverse") => 0.3 * random.share(),
            ("price", _) => 20_000.0 * random.share(),
            _ => 2.0 * random.share(),
        };
        let row = json!({"type": kind, "style": style, "forward": 60_000, "strike": strike, "years": years, asked: value, "id": index});
        text += &format!("{row}\n");
    }
    text
}

#[test]
fn every_set_of_instructions_gives_the_same_bytes() {
    let mut random = Random(3);
    for (command, asked) in [("price", "vol"), ("iv", "price")] {
        let input = chain(10_001, &mut random, asked);
        let best = fed(&[command], input.clone());
        assert_eq!(best.stdout.lines().count(), 10_001);
        for set in ["scalar", "avx2", "avx512"] {
            let forced = fed(&[command, "--simd", set], input.clone());
            if forced.code == Some(2) && forced.stderr.contains(&format!("this processor has no {set}")) {
                eprintln!("skipped: every_set_of_instructions_gives_the_same_bytes: this processor has no {set}");
                continue;
            }
            assert_eq!(forced.code, best.code, "{set}");
            assert!(forced.stdout == best.stdout, "{command} --simd {set}: other bytes");
        }
    }
}

/// Whatever comes in: a code of ours, and each line that comes out is JSON with numbers or an error.
#[test]
fn hostile_rows_are_answered() {
    let pieces: [&[u8]; 24] = [
        b"{",
        b"}",
        b"\"",
        b",",
        b":",
        b"null",
        b"NaN",
        b"-",
        b"1e308",
        b"1e-400",
        b"[",
        b"\\u0000",
        b"\xff",
        b"\n",
        b"\r\n",
        b"\"vol\":",
        b"\"price\":",
        b"\"tick\":",
        b"-0.0",
        b"99999999999999999999",
        b"inf",
        b"\"id\":{\"a\":[1]}",
        b"\0",
        b"\xef\xbb\xbf",
    ];
    let rounds = if std::env::var_os("TRIMTAB_LONG").is_some() { 400 } else { 24 };
    for seed in 0..rounds {
        let mut random = Random(1_000 + seed);
        let (command, asked) = [("price", "vol"), ("iv", "price")][seed as usize % 2];
        let mut input = if random.below(3) == 0 {
            format!("type,forward,strike,years,{asked},discount\n")
                .into_bytes()
                .into_iter()
                .chain((0..200).flat_map(|k| format!("call,100,{},0.5,0.{k},1\n", 50 + k).into_bytes()))
                .collect()
        } else {
            chain(200, &mut random, asked).into_bytes()
        };
        for _ in 0..random.below(120) {
            let at = random.below(input.len() as u64 + 1) as usize;
            match random.below(4) {
                0 => {
                    let piece = pieces[random.below(pieces.len() as u64) as usize];
                    input.splice(at..at, piece.iter().copied());
                }
                1 => input.truncate(at.max(input.len() / 2)),
                2 if at < input.len() => input[at] = random.below(256) as u8,
                _ => {
                    let end = (at + random.below(20) as usize).min(input.len());
                    input.drain(at..end);
                }
            }
        }
        if seed == 5 {
            input.extend(std::iter::repeat_n(b'x', 1 << 17));
        }
        let said = fed(&[command], input);
        assert!(matches!(said.code, Some(0..=2)), "seed {seed}: {:?} {}", said.code, said.stderr);
        assert!(!said.stderr.contains("panicked"), "seed {seed}: {}", said.stderr);
        for row in rows(&said.stdout) {
            let answered = row.get("error").is_some() || row.get("vol").is_some() || row.get("delta").is_some();
            assert!(answered && row.is_object(), "seed {seed}: {row}");
        }
    }
}
