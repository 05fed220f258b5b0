//! The library of policies: every `examples/NAME.toml` has a page `docs/examples/NAME.md` with a picture beside it, and what the page
//! tells its reader to type is run here, line by line, on recorded data.
//!
//! Each run has to be clean: a policy without findings, money that adds up to the last unit, an audit without findings, a replay that is
//! the same. What the policy is there to show has to have happened in it. The figures between the page's markers, and the picture, have to
//! be those of the run; `cargo xtask examples` (this test, `UPDATE=1 TRIMTAB_LONG=1`) writes them. Figures in sentences are written
//! `**12.3**`, and the markers have to hold them.
//!
//! Runs on option chains take seconds: without `TRIMTAB_LONG` they end with February, and their figures are not compared.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a finding")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use backtest::Run;
use backtest::metrics::Scores;
use backtest::report::{Purpose, RunSummary};
use common::Sandbox;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use units::Timestamp;
use units::show::{self, Style};

/// What an example is there to show: fills of a purpose, or the name of a rule that a plan's step has and that changed what was wanted.
const SHOWS: &[(&str, &[&str])] = &[
    ("anti-martingale", &["stop", "streak"]),
    ("basis", &["entry", "hedge"]),
    ("btc-trend", &["add", "rung", "stop"]),
    ("covered-call", &["entry", "roll"]),
    ("covered-call-restored", &["entry", "roll", "hedge"]),
    ("cppi", &["entry", "resize"]),
    ("crash-hardened", &["add", "rung", "stop"]),
    ("drawdown-trend", &["entry", "resize", "exit"]),
    ("four-coins", &["entry", "resize", "exit"]),
    ("hedged-strangle", &["entry", "stop", "hedge"]),
    ("implied-vol-target", &["entry", "resize", "cut"]),
    ("ladder-runner", &["stop", "rung"]),
    ("long-call", &["entry", "hedge"]),
    ("short-strangle", &["entry", "stop"]),
    ("straddle", &["entry", "hedge", "rung"]),
    ("strangle-limits", &["entry"]),
    ("turtle", &["add", "stop"]),
];

/// Examples that stand elsewhere: `tests/real.rs` of the backtest crate runs this one.
const WITHOUT_A_PAGE: [&str; 1] = ["portfolio"];

const BEGIN: &str = "<!-- figures: `cargo xtask examples` writes what stands between these marks -->\n";
const END: &str = "<!-- end of figures -->\n";
/// Bytes of a picture, at most.
const PICTURE: usize = 100_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The shared data, or `None` where it is absent; that is a failure in CI.
fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("TRIMTAB_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    if folder.join("data/bars_crash").is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "shared data absent at {}", folder.display());
    eprintln!("skipped: {test}: shared data absent");
    None
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}

fn page(name: &str) -> PathBuf {
    root().join("docs/examples").join(format!("{name}.md"))
}

/// Names of the policies that have a page.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("examples")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !WITHOUT_A_PAGE.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

/// The command lines of a page: all of its blocks of shell.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let joined: String = blocks.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

/// What stands behind a flag.
fn value<'a>(line: &'a str, flag: &str) -> Option<&'a str> {
    line.split(' ').skip_while(|word| *word != flag).nth(1)
}

/// A clone as its user sees it: the examples in it, the shared data beside it.
fn clone(shared: &Path) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("clone")).unwrap();
    std::os::unix::fs::symlink(root().join("examples").canonicalize().unwrap(), sandbox.path("clone/examples"))
        .unwrap();
    std::os::unix::fs::symlink(shared, sandbox.path("shared")).unwrap();
    sandbox
}

/// Runs a line in the clone; it has to succeed.
#[track_caller]
fn run(sandbox: &Sandbox, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[0], "trimtab", "{line}");
    let said: common::Said = sandbox.command(&words[1..]).current_dir(sandbox.path("clone")).output().unwrap().into();
    assert_eq!(said.code, Some(0), "{line}\n{}{}", said.stdout, said.stderr);
    said.stdout
}

fn json(sandbox: &Sandbox, line: &str) -> Value {
    serde_json::from_str(run(sandbox, &format!("{line} --json")).lines().last().unwrap()).unwrap()
}

#[test]
fn every_policy_has_a_page_and_every_page_a_picture() {
    let names = names();
    assert!(names.len() >= 12, "{names:?}");
    let table = std::fs::read_to_string(root().join("docs/examples/README.md")).unwrap();
    for name in &names {
        let text = std::fs::read_to_string(page(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains(&format!("({name}.svg)")), "the page of {name} shows its picture");
        assert!(text.contains(&format!("](../../examples/{name}.toml)")), "the page of {name} links its policy");
        assert!(table.contains(&format!("]({name}.md)")), "the table of examples has {name}");
        let picture = std::fs::metadata(page(name).with_extension("svg")).unwrap();
        assert!(picture.len() < PICTURE as u64, "the picture of {name} has {} bytes", picture.len());
        let shows = SHOWS.iter().find(|(of, _)| of == name);
        assert!(shows.is_some_and(|(_, shows)| !shows.is_empty()), "what {name} shows is not said in this test");
        let lines = commands(&text);
        for wanted in [
            format!("trimtab check examples/{name}.toml"),
            format!("trimtab backtest examples/{name}.toml"),
            format!("trimtab report runs/{name} --plot {name}.svg"),
        ] {
            assert!(lines.iter().any(|line| line.starts_with(&wanted)), "the page of {name} has `{wanted}`");
        }
    }
    for entry in std::fs::read_dir(root().join("docs/examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(name == "README" || names.iter().any(|known| known == name), "{} has no policy", path.display());
    }
}

#[test]
fn figures_in_sentences_are_figures_of_the_run() {
    for name in names() {
        let text = std::fs::read_to_string(page(&name)).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{name} has no mark"));
        let (figures, after) = rest.split_once(END).unwrap_or_else(|| panic!("{name} has no end mark"));
        let sentences = format!("{before}{after}");
        for bold in sentences.split("**").skip(1).step_by(2).filter(|bold| bold.contains(|c: char| c.is_ascii_digit()))
        {
            assert!(figures.contains(bold), "{name}: a sentence has **{bold}**, which is no figure of the run");
        }
    }
}

#[test]
fn every_example_runs_clean_and_does_what_it_is_there_to_show() {
    let Some(shared) = shared("every_example_runs_clean_and_does_what_it_is_there_to_show") else { return };
    let (long, update) = (is_set("TRIMTAB_LONG"), is_set("UPDATE"));
    let names = names();
    let sandbox = clone(&shared);
    let pages: Vec<Vec<String>> =
        names.iter().map(|name| commands(&std::fs::read_to_string(page(name)).unwrap())).collect();
    // A tape is the same in every page that makes it, and is made once.
    let mut tapes: BTreeMap<&str, &str> = BTreeMap::new();
    let mut imports: Vec<&str> = Vec::new();
    for line in pages.iter().flatten().filter(|line| line.contains(" -o ") && !line.contains(" report ")) {
        let tape = value(line, "-o").unwrap();
        let known = tapes.insert(tape, line);
        assert!(known.is_none_or(|known| known == line), "two tapes are called {tape}:\n{}\n{line}", known.unwrap());
        if known.is_none() && (long || !is_late(tape)) {
            imports.push(line);
        }
    }
    // What is cut or joined is made of what was imported.
    let (made, imported): (Vec<_>, Vec<_>) = imports.into_iter().partition(|line| line.contains(" merge "));
    in_parallel(imported.len(), |at| drop(run(&sandbox, imported[at])));
    made.iter().for_each(|line| drop(run(&sandbox, line)));
    let stale = Mutex::new(Vec::new());
    in_parallel(names.len(), |at| {
        stale.lock().unwrap().extend(example(&sandbox, &names[at], &pages[at], (long, update)))
    });
    let stale = stale.into_inner().unwrap();
    assert!(stale.is_empty(), "{}\n`cargo xtask examples` writes them anew", stale.join("\n"));
}

/// A month of chains that only long tests read.
fn is_late(tape: &str) -> bool {
    ["o3.tape", "o4.tape", "o5.tape"].contains(&tape)
}

fn in_parallel(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..backtest::cores().min(count) {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < count) {
                    work(at);
                }
            });
        }
    });
}

/// Runs an example. Gives what of its page is not what came of it.
fn example(sandbox: &Sandbox, name: &str, lines: &[String], (long, update): (bool, bool)) -> Vec<String> {
    let mut stale = Vec::new();
    let check = json(sandbox, &format!("trimtab check examples/{name}.toml"));
    assert_eq!((&check["errors"], &check["warnings"]), (&0.into(), &0.into()), "{name}: {check}");
    let declared =
        lines.iter().find(|line| line.starts_with(&format!("trimtab backtest examples/{name}.toml"))).unwrap();
    let mut line = declared.clone();
    for tape in ["o3.tape", "o4.tape", "o5.tape"] {
        line = if long { line } else { line.replace(&format!(" --tape {tape}"), "") };
    }
    assert_eq!(value(&line, "--out"), Some(format!("runs/{name}").as_str()), "{name}");
    let told = json(sandbox, &line);
    assert_eq!(told["residual"], "0", "{name}");
    let folder = sandbox.path("clone/runs").join(name);
    let run_of = backtest::open(&folder).unwrap();
    let shows = SHOWS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, shows)| shows);
    let summary = run_of.summary();
    let counts = acted(&run_of, &summary);
    for wanted in shows {
        assert!(counts.get(*wanted).is_some_and(|count| *count > 0), "{name} shows no {wanted}: {counts:?}");
    }
    let audit = json(sandbox, &format!("trimtab audit runs/{name}"));
    assert_eq!((&audit["ok"], &audit["triggers"]["unexplained"]), (&true.into(), &0.into()), "{name}: {audit}");
    let replay = json(sandbox, &format!("trimtab replay runs/{name} --verify"));
    assert_eq!(replay["same"], true, "{name}: {replay}");
    if line != *declared {
        return stale;
    }
    run(sandbox, &format!("trimtab report runs/{name} --plot {name}.svg"));
    let picture = std::fs::read_to_string(sandbox.path("clone").join(format!("{name}.svg"))).unwrap();
    assert!(picture.len() < PICTURE, "the picture of {name} has {} bytes", picture.len());
    let kept = page(name).with_extension("svg");
    if std::fs::read_to_string(&kept).unwrap_or_default() != picture {
        if update { std::fs::write(&kept, &picture).unwrap() } else { stale.push(format!("the picture of {name}")) }
    }
    let text = std::fs::read_to_string(page(name)).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (figures, after) = rest.split_once(END).unwrap();
    let now = shown(&run_of, &summary, &counts);
    if figures != now {
        if update {
            std::fs::write(page(name), format!("{before}{BEGIN}{now}{END}{after}")).unwrap();
        } else {
            stale.push(format!("the figures of {name} are now\n{now}"));
        }
    }
    stale
}

/// How often each purpose was filled (fills of one plan are one), and how many plans have a step of the streak.
fn acted(run: &Run, summary: &RunSummary) -> BTreeMap<&'static str, usize> {
    let mut plans: BTreeMap<&'static str, BTreeSet<(u64, Purpose)>> = BTreeMap::new();
    for fill in summary.instruments.iter().flat_map(|traded| &traded.fills) {
        let name = match fill.purpose {
            Purpose::Entry => "entry",
            Purpose::Add(_) => "add",
            Purpose::Resize => "resize",
            Purpose::Rung(_) => "rung",
            Purpose::Exit => "exit",
            Purpose::Stop => "stop",
            Purpose::Cut => "cut",
            Purpose::Hedge => "hedge",
            Purpose::Liquidation => "liquidation",
            Purpose::Roll => "roll",
            Purpose::Settlement => "settlement",
        };
        // The venue settles under a number of its own.
        let plan = if fill.purpose == Purpose::Settlement { fill.time as u64 } else { fill.plan };
        plans.entry(name).or_default().insert((plan, fill.purpose));
    }
    let mut counts: BTreeMap<&'static str, usize> = plans.into_iter().map(|(name, all)| (name, all.len())).collect();
    counts.insert("streak", run.tables.plans.iter().filter(|row| &*row.rule == "streak").count());
    counts
}

/// What each account became, where there are several: the columns above count all of them in one currency, so that what is idle in
/// another moves them too. In none of the examples money is paid in or out later.
fn accounts(run: &Run) -> String {
    let mut accounts: BTreeMap<u64, (f64, _)> = BTreeMap::new();
    for row in &run.tables.accounts {
        accounts.entry(row.account).or_insert((row.equity.approximate(), row)).1 = row;
    }
    if accounts.len() < 2 {
        return String::new();
    }
    let mut text = String::from("\n| account | begins with | scaled | twin |\n| --- | ---: | ---: | ---: |\n");
    for (first, last) in accounts.values() {
        let end = |equity: units::Cash| show::percent(equity.approximate() / first - 1.0, 1, Style::Page);
        let begins = format!("{} {}", show::number(*first, 0, Style::Page), last.currency);
        let (scaled, twin) = (end(last.equity), end(last.twin_equity));
        text += &format!("| `{}` | {begins} | {scaled} % | {twin} % |\n", last.venue);
    }
    text
}

/// The figures of a run as its page has them.
fn shown(run: &Run, summary: &RunSummary, counts: &BTreeMap<&'static str, usize>) -> String {
    let columns = summary.columns();
    let is_short = backtest::metrics::Path { times: &columns.times, equity: &columns.equity }.is_short();
    let share = |of: &backtest::metrics::Figure, decimals: usize| match of {
        Ok(value) => format!("{} %", show::percent(*value, decimals, Style::Page)),
        Err(_) => show::MISSING.to_owned(),
    };
    let all = [Some(&columns.scaled), Some(&columns.twin), columns.equal.as_ref().ok().map(|(_, scores)| scores)];
    let row = |name: &str, read: &dyn Fn(&Scores) -> String| {
        let cells = all.map(|scores| scores.map_or_else(|| show::MISSING.to_owned(), read));
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let mut text = String::from("\n| | scaled | twin | twin at equal volatility |\n| --- | ---: | ---: | ---: |\n");
    text += &row("return", &|scores| share(&scores.total_return, 1));
    text += &row("volatility, a year", &|scores| share(&scores.volatility, 1));
    if !is_short {
        text += &row("volatility of volatility", &|scores| share(&scores.vol_of_vol.map(|vol| vol.spread), 1));
        text += &row("Sharpe ratio", &|scores| {
            scores.sharpe.map_or_else(|_| show::MISSING.to_owned(), |value| show::number(value, 2, Style::Page))
        });
    }
    text += &row("worst drawdown", &|scores| {
        scores.drawdown.map_or_else(|| show::MISSING.to_owned(), |worst| share(&Ok(worst.depth), 1))
    });
    text += &row("worst day", &|scores| {
        scores.worst_day.map_or_else(|| show::MISSING.to_owned(), |day| share(&Ok(day.value), 1))
    });
    text += &row("mean of the worst 2.5 % of days", &|scores| share(&scores.shortfall, 1));
    let a_year = if is_short { "" } else { ", a year" };
    text += &row(&format!("traded, × equity{a_year}"), &|scores| {
        scores.turnover.map_or_else(|_| show::MISSING.to_owned(), |value| show::number(value, 1, Style::Page))
    });
    text += &row(&format!("fees and funding{a_year}"), &|scores| share(&scores.cost, 2));
    let day = |text: &str| text.get(..10).unwrap_or(text).to_owned();
    let closed: Vec<f64> = summary.campaigns.iter().filter(|of| of.closed.is_some()).filter_map(|of| of.r).collect();
    let won = summary.campaigns.iter().filter(|of| of.profit > 0.0).count();
    text += &format!(
        "\n{} to {}: {} fills in {} campaigns, {won} of them with a profit",
        day(&run.record.first),
        day(&run.record.last),
        show::count(run.tables.fills.len() as u64, Style::Page),
        show::count(summary.campaigns.len() as u64, Style::Page),
    );
    if !closed.is_empty() {
        let sum = closed.iter().sum::<f64>();
        let (best, worst) = closed.iter().fold((f64::MIN, f64::MAX), |(b, w), r| (b.max(*r), w.min(*r)));
        let r = |value: f64| show::number(value, 1, Style::Page);
        text += &format!("; {} R in all that closed, the best {}, the worst {}", r(sum), r(best), r(worst));
    }
    text += ".\n\nPlans carried out: ";
    let done = counts.iter().filter(|(_, count)| **count > 0);
    text += &done
        .map(|(name, count)| format!("{name} {}", show::count(*count as u64, Style::Page)))
        .collect::<Vec<_>>()
        .join(" · ");
    text += ".\n";
    let several = summary.instruments.len() > 1;
    if several {
        // As the terminal has it: what is left once fees and funding are paid, in shares of what the run began with.
        text += "\n| instrument | profit, of the deposit | of it fees and funding | campaigns |\n| --- | ---: | ---: | ---: |\n";
        for part in &summary.parts {
            let symbol = &summary.instruments[part.instrument].symbol;
            let share = |of: f64| show::number(of / summary.header.deposit * 100.0, 2, Style::Page);
            let charged = part.funding - part.fees;
            let count = summary.campaigns.iter().filter(|of| of.instrument == part.instrument).count();
            text += &format!("| `{symbol}` | {} % | {} % | {count} |\n", share(part.profit + charged), share(charged));
        }
    }
    text += &accounts(run);
    if let Some(at) = summary.twin.liquidated {
        text += &format!("\nThe twin was liquidated on {}.\n", day(&Timestamp::from_nanos(at).to_string()));
    }
    text += "\n";
    text
}
