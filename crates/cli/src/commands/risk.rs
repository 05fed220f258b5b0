//! `trimtab risk`.

use super::Outcome;
use super::margin::{read, refused};
use super::stress::market;
use crate::args::{MethodArg, Risk, RowsArg, SCENARIOS, StickyArg, VolatilityArg};
use crate::failure::Failure;
use crate::files;
use crate::interrupt::Cooperation;
use crate::progress::Meter;
use crate::render;
use crate::settings::Settings;
use crate::terminal::Terminal;
use ::backtest::portfolio::{Held, HistoryRequest, MarketHistory, RiskMethod, RiskRequest, risk};
use ::backtest::report;
use ::risk::value_at_risk::{Dynamics, Forecast};
use pricing::garch::{Innovations, Model};
use pricing::surface::Sticky;
use std::ops::ControlFlow;
use units::Duration;
use units::show::{self, Style};

pub(super) fn run(args: &Risk, settings: &Settings, terminal: &Terminal) -> Result<Outcome, Failure> {
    args.picture.check()?;
    let asked = request(args, settings)?;
    let Some(mut book) = read(&args.portfolio, terminal)? else { return Ok(Outcome::Refused) };
    let Some(now) = market(&args.market, args.at, terminal)? else { return Err(Failure::interrupted()) };
    let notes = match book.at_market(&now, args.max_age) {
        Ok(told) => told,
        Err(wrong) => return Ok(refused(&args.portfolio, &wrong, terminal)),
    };
    let held = match Held::new(&book, Some(args.max_age)) {
        Ok(held) => held,
        Err(wrong) => return Ok(refused(&args.portfolio, &wrong, terminal)),
    };
    // A day is the longest step that is taken without being asked for.
    let step = args.step.unwrap_or(args.horizon.min(Duration::DAY));
    let wanted = HistoryRequest {
        at: args.at,
        step,
        window: args.window,
        is_on_grid: args.rows == RowsArg::Utc,
        coins: held.coins(),
        threads: asked.threads,
    };
    let cooperation = Cooperation::begin();
    let mut meter = Meter::new(terminal, "history", "rows");
    let found = MarketHistory::read(&args.market, &wanted, &mut |done, total| {
        meter.at(done, total, || files::name(&args.market[0]));
        !cooperation.is_over()
    });
    drop(meter);
    let history = match found.map_err(super::backtest::failure)? {
        None => return Err(Failure::interrupted()),
        Some(Err(wrong)) => return Ok(refused(&args.portfolio, &wrong, terminal)),
        Some(Ok(history)) => history,
    };
    let mut meter = Meter::counting(terminal, "pricing");
    let count = asked.scenarios as f64;
    let found = risk(&held, &history, &asked, &mut |share| {
        meter.share(share.done, || format!("{} scenarios", show::count((share.done * count) as u64, Style::Terminal)));
        if cooperation.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(meter);
    let mut view = found.map_err(super::backtest::failure)?;
    view.notes.splice(0..0, notes);
    render::risk::show(&view, args.explain, terminal);
    if !args.picture.write(|| Ok(report::risk_svg(&view)), terminal)? {
        let tapes: Vec<String> = args.market.iter().map(|tape| format!(" --market {}", files::word(tape))).collect();
        let mut method = format!("--method {} --horizon {}", view.method, span(args.horizon));
        if let Some(step) = args.step {
            method += &format!(" --step {}", span(step));
        }
        if args.rows == RowsArg::Utc {
            method += " --rows utc";
        }
        if args.confidence != 0.99 {
            // Without what a division by a hundred leaves behind the last digit.
            method += &format!(" --confidence {}%", (args.confidence * 1e10).round() / 1e8);
        }
        if args.max_age != Duration::HOUR {
            method += &format!(" --max-age {}", span(args.max_age));
        }
        terminal.result(format_args!(
            "  next: trimtab risk {}{} --at {} {method} --plot risk.svg",
            files::word(&args.portfolio),
            tapes.concat(),
            args.at
        ));
    }
    Ok(Outcome::Done)
}

fn request(args: &Risk, settings: &Settings) -> Result<RiskRequest, Failure> {
    let method = match args.method {
        MethodArg::Historical => RiskMethod::Historical,
        MethodArg::Filtered => RiskMethod::Filtered,
        MethodArg::MonteCarlo => RiskMethod::MonteCarlo,
        MethodArg::DeltaGamma => RiskMethod::DeltaGamma,
    };
    let useless = |what: &str, why: &str| {
        Failure::input(format_args!("`{what}` says nothing to `--method {}`", args.method.name())).hint(why)
    };
    if method == RiskMethod::Historical && args.volatility.is_some() {
        return Err(useless("--volatility", "leave it out, or take `--method filtered`"));
    }
    if method != RiskMethod::MonteCarlo && args.tails.is_some() {
        return Err(useless("--tails", "leave it out, or take `--method montecarlo`"));
    }
    let step = args.step.unwrap_or(args.horizon.min(Duration::DAY));
    let is_drawn = match method {
        RiskMethod::MonteCarlo => true,
        RiskMethod::DeltaGamma => false,
        RiskMethod::Historical | RiskMethod::Filtered => args.horizon > step,
    };
    if !is_drawn && args.scenarios.is_some() {
        let why = match method {
            RiskMethod::DeltaGamma => "leave it out: nothing is drawn; or take `--method montecarlo`",
            _ => {
                "leave it out: over one step each change of the history is taken once; or take a `--horizon` of several steps, or \
                 `--method montecarlo`"
            }
        };
        return Err(useless("--scenarios", why));
    }
    let fitted = |asymmetric, innovations| Forecast::Fitted(Model { asymmetric, innovations, mean: false });
    let forecast = match args.volatility.unwrap_or(VolatilityArg::Ewma) {
        VolatilityArg::History => None,
        VolatilityArg::Ewma => Some(Forecast::Exponential(args.decay)),
        VolatilityArg::Garch => Some(fitted(false, Innovations::Normal)),
        VolatilityArg::GarchT => Some(fitted(false, Innovations::Student)),
        VolatilityArg::Gjr => Some(fitted(true, Innovations::Normal)),
        VolatilityArg::GjrT => Some(fitted(true, Innovations::Student)),
    };
    if method == RiskMethod::Filtered && forecast.is_none() {
        return Err(useless(
            "--volatility history",
            "name a forecast such as `ewma` or `garch`, or take `--method historical`",
        ));
    }
    let sticky = match args.sticky {
        StickyArg::Strike => Sticky::Strike,
        StickyArg::Moneyness => Sticky::Moneyness,
    };
    Ok(RiskRequest {
        method,
        confidence: args.confidence,
        horizon: args.horizon,
        scenarios: args.scenarios.unwrap_or(SCENARIOS) as usize,
        seed: args.seed,
        forecast: forecast.filter(|_| method != RiskMethod::Historical),
        tails: args.tails.map_or(::risk::value_at_risk::Tails::Fitted, |tails| tails.0),
        dynamics: Dynamics { sticky, ..Dynamics::default() },
        threads: settings.threads_for(args.threads),
    })
}

/// As it is written on a command line.
fn span(span: Duration) -> String {
    let units = [(Duration::DAY, "d"), (Duration::HOUR, "h"), (Duration::MINUTE, "m"), (Duration::SECOND, "s")];
    let whole = units.into_iter().find(|(unit, _)| span.nanos() % unit.nanos() == 0);
    let (unit, name) = whole.unwrap_or((Duration::from_nanos(1_000_000), "ms"));
    format!("{}{name}", span.nanos() / unit.nanos())
}
