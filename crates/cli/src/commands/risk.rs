//! `trimtab risk`.

use super::Outcome;
use super::margin::{read, refused};
use super::stress::market;
use crate::args::{MethodArg, Risk, RowsArg, SCENARIOS, SEED, StickyArg, TailsArg, VolatilityArg};
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
        let mut flags = Flags::default();
        flags.add("method", Some(&view.method));
        flags.add("horizon", Some(span(args.horizon)));
        flags.add("step", args.step.map(span));
        flags.add("window", args.window.map(span));
        flags.add("rows", Some("utc").filter(|_| args.rows == RowsArg::Utc));
        flags.add("confidence", Some(percent(args.confidence)).filter(|_| args.confidence != 0.99));
        flags.add("volatility", args.volatility.map(VolatilityArg::name));
        flags.add("decay", args.decay);
        flags.add("tails", args.tails.map(TailsArg::name));
        flags.add("sticky", Some("strike").filter(|_| args.sticky == StickyArg::Strike));
        flags.add("scenarios", args.scenarios);
        flags.add("seed", Some(args.seed).filter(|seed| *seed != SEED));
        flags.add("max-age", Some(span(args.max_age)).filter(|_| args.max_age != Duration::HOUR));
        terminal.result(format_args!(
            "  next: trimtab risk {}{} --at {}{} --plot risk.svg",
            files::word(&args.portfolio),
            tapes.concat(),
            args.at,
            flags.0
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
    if args.decay.is_some() {
        if method == RiskMethod::Historical {
            return Err(useless("--decay", "leave it out, or take `--method filtered`"));
        }
        if let Some(other) = args.volatility.filter(|of| *of != VolatilityArg::Ewma) {
            let what = format!("`--decay` says nothing to `--volatility {}`", other.name());
            return Err(Failure::input(what).hint("leave it out, or take `--volatility ewma`"));
        }
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
        VolatilityArg::Ewma => Some(Forecast::Exponential(args.decay.unwrap_or(DECAY))),
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

/// Of exponential weights where none is said.
const DECAY: f64 = 0.94;

/// What was asked, to be asked again.
#[derive(Debug, Default)]
pub(super) struct Flags(pub(super) String);

impl Flags {
    pub(super) fn add(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.0 += &format!(" --{name} {value}");
        }
    }
}

/// A share as it is written, without what a division by a hundred leaves behind the last digit.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 1e10).round() / 1e8)
}

/// As it is written on a command line.
pub(super) fn span(span: Duration) -> String {
    let units = [(Duration::DAY, "d"), (Duration::HOUR, "h"), (Duration::MINUTE, "m"), (Duration::SECOND, "s")];
    let whole = units.into_iter().find(|(unit, _)| span.nanos() % unit.nanos() == 0);
    let (unit, name) = whole.unwrap_or((Duration::from_nanos(1_000_000), "ms"));
    format!("{}{name}", span.nanos() / unit.nanos())
}
