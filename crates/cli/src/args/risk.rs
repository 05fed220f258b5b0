//! Arguments of the commands that look at a portfolio's risk.

use crate::failure::Failure;
use crate::files;
use crate::settings::THREADS;
use crate::terminal::Terminal;
use ::risk::value_at_risk::{DEGREES_LEAST, Tails};
use backtest::ruin::PATHS_MAX;
use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, ValueEnum};
use policy::TailFact;
use std::path::PathBuf;
use units::{Duration, Timestamp};

pub(super) const MARGIN: &str = "\
EXAMPLES
  trimtab margin examples/margin/deribit.json --venue deribit
  trimtab margin examples/margin/deribit.json --venue deribit-standard
  trimtab margin examples/margin/hyperliquid.json --venue hyperliquid --explain
  trimtab margin portfolio.json --venue binance --parameters tiers.csv
  trimtab margin portfolio.json --venue derive --plot margin.svg
  trimtab margin portfolio.json --venue dydx --participation 10%
  trimtab margin --schema > portfolio.schema.json

The portfolio is JSON (schema trimtab.portfolio/3, docs/portfolio.md). Deribit
and Derive have two margins: the account's `margin` says which, or the venue's
name does. `--explain` lists every component and scenario, to be put beside the
venue's screen; what is unverified or not reproduced is named. A figure that
cannot be computed is absent with its reason.

A parameter file with `# valid_from:` stands in place of the one that comes
with trimtab; one without it replaces rows of that one (docs/margin.md).

`--participation` tells how long it takes to get out at that share of what is
traded in a day: `volume` under `instruments`, in the unit of quantities.

Exit code 1 if an account, or a position that is margined by itself, is under
its maintenance margin; 2 if the input is wrong.";

/// Venues, with the margin behind it where there are two.
const VENUES: [&str; 11] = [
    "deribit",
    "deribit-standard",
    "deribit-portfolio",
    "derive",
    "derive-standard",
    "derive-portfolio",
    "hyperliquid",
    "dydx",
    "binance",
    "bybit",
    "okx",
];

/// A picture beside what is printed; each command says what is on it.
#[derive(Debug, Args)]
pub(crate) struct Picture {
    /// A picture to write, `.svg`
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Replace the picture if it exists
    #[arg(long)]
    force: bool,
}

impl Picture {
    /// Refuses a name that is no picture's, and a picture that is there.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(plot) = &self.plot else { return Ok(()) };
        if plot.extension().is_none_or(|end| end != "svg") {
            return Err(Failure::input(format_args!("`{}` is no name of a picture", plot.display()))
                .hint("name a file that ends in `.svg`"));
        }
        files::refuse_existing(plot, self.force)?;
        files::refuse_unwritable(plot)
    }

    /// Writes it, if it was asked for, and says so; without a picture, why there is none. Gives whether it was asked for.
    pub(crate) fn write(
        &self,
        picture: impl FnOnce() -> Result<String, &'static str>,
        terminal: &Terminal,
    ) -> Result<bool, Failure> {
        let Some(plot) = &self.plot else { return Ok(false) };
        match picture() {
            Ok(picture) => {
                files::write(plot, picture.as_bytes(), self.force)?;
                terminal.result(format_args!("  wrote {}       next: open it in a browser", plot.display()));
            }
            Err(reason) => terminal.note(format_args!("no picture was written: {reason}")),
        }
        Ok(true)
    }
}

#[derive(Debug, Args)]
#[command(mut_arg("plot", |plot| plot.help("A picture to write, `.svg`: equity and maintenance margin over the price of each \
             coin, with the points of liquidation")))]
pub(crate) struct Margin {
    /// The portfolio, as JSON; `-` reads it from standard input
    #[arg(value_name = "PORTFOLIO", required_unless_present = "schema")]
    pub(crate) portfolio: Option<PathBuf>,
    /// Whose rules
    #[arg(long, value_name = "NAME", required_unless_present = "schema", value_parser = PossibleValuesParser::new(VENUES))]
    pub(crate) venue: Option<String>,
    /// Parameters of the venue in place of those that come with trimtab: a whole file, or rows of it
    #[arg(long, value_name = "FILE")]
    pub(crate) parameters: Option<PathBuf>,
    /// Refuse marks and volatilities that are older, where the portfolio tells their time: `30s`, `5m`
    #[arg(long, value_name = "SPAN", value_parser = super::duration)]
    pub(crate) max_age: Option<Duration>,
    /// Tell how long it takes to get out, trading this share of what the market trades: `10%`
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = participation)]
    pub(crate) participation: Option<f64>,
    /// List every component of every position, and every scenario
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) picture: Picture,
    /// Print the JSON Schema of portfolios instead
    #[arg(long, conflicts_with_all = ["portfolio", "venue", "parameters", "max_age", "participation", "explain", "plot"])]
    pub(crate) schema: bool,
}

pub(super) const STRESS: &str = "\
EXAMPLES
  trimtab stress examples/margin/deribit.json
  trimtab stress book.json --market chain.tape --market perp.tape \\
      --at 2026-01-15T12:00:00Z
  trimtab stress book.json --explain      by holding, with the sources
  trimtab stress book.json --spot -30%..30%:7 --vol -50%..100%:4
  trimtab stress book.json --spot -50%,-20%,0,20% --plot stress.svg
  trimtab stress book.json --stress my-fear.csv

Named stresses come with trimtab (docs/risk.md): what coins, volatilities and
pegs did in a window, at once. Each number of them is recorded, reported or
assumed; `--explain` says which. What is left of each account's margin is by
its own venue's rules, where `venue` (and `margin`) of the account tell them.

With `--market` prices, forwards and volatilities are those of the tapes at
`--at`; without it, those of the portfolio. Exit code 1 if an account, or a
position that is margined by itself, is under its maintenance margin now or
after a stress; 2 if the input is wrong.";

#[derive(Debug, Args)]
#[command(mut_arg("plot", |plot| plot.help("A picture to write, `.svg`: profit over spot and volatility as a heat map")))]
pub(crate) struct Stress {
    /// The portfolio, as JSON; `-` reads it from standard input
    #[arg(value_name = "PORTFOLIO")]
    pub(crate) portfolio: PathBuf,
    /// A tape of option quotes, bars or marks that tells the market; give it once for each tape
    #[arg(long, value_name = "TAPE", action = ArgAction::Append, requires = "at")]
    pub(crate) market: Vec<PathBuf>,
    /// The moment of the market, UTC
    #[arg(long, value_name = "TIME", requires = "market")]
    pub(crate) at: Option<Timestamp>,
    /// How old surfaces, prices and marks of the tapes may be: `30s`, `5m`, `1d`
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = super::duration)]
    pub(crate) max_age: Duration,
    /// A stress of your own beside the named ones, as docs/risk.md has it; give it once for each file
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(crate) stress: Vec<PathBuf>,
    /// Returns of all coins for a grid: `-30%..30%:7` or `-30%,-10%,0,10%`
    #[arg(long, value_name = "MOVES", allow_hyphen_values = true, value_parser = moves)]
    pub(crate) spot: Option<Moves>,
    /// Relative moves of all volatilities for a grid: `-50%..100%:4` or `0,50%`
    #[arg(long, value_name = "MOVES", allow_hyphen_values = true, value_parser = moves)]
    pub(crate) vol: Option<Moves>,
    /// What of a smile stays when the forward moves
    #[arg(long, value_name = "WHAT", default_value = "moneyness")]
    pub(crate) sticky: StickyArg,
    /// Parameters in place of those that come with trimtab: a file of the venue that its `# name:` says, or rows for all that read them
    #[arg(long, value_name = "FILE")]
    pub(crate) parameters: Option<PathBuf>,
    /// List profits by holding, and what each number of a stress rests on
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

pub(super) const RUIN: &str = "\
EXAMPLES
  trimtab ruin runs/btc
  trimtab ruin runs/btc --level 20%,50% --horizon 730d
  trimtab ruin runs/btc --floor 80%       CPPI, Grossman and Zhou, cash-lock
  trimtab ruin runs/oct --step 1h --horizon 30d
  trimtab ruin runs/btc --plot ruin.svg
  trimtab ruin --win 55% --bets 200 --stake 2%    a bet: Kelly, gambler's ruin
  trimtab ruin --win 40% --odds 2

Futures are drawn from the run's own returns, in blocks of random length
(stationary bootstrap); their mean length is Politis and White's rule for the
returns or for their squares, the longer one. A future holds nothing that the
run has not seen. The standard error is that of the drawing alone; what the
mean is not known to is shown beside it (docs/ruin-and-growth.md).";

#[derive(Debug, Args)]
#[command(mut_arg("plot", |plot| plot.help("A picture to write, `.svg`: growth over time, and how deep the worst drawdown is")))]
pub(crate) struct Ruin {
    /// The run folder
    #[arg(value_name = "RUN", required_unless_present = "win")]
    pub(crate) run: Option<PathBuf>,
    /// A bet in place of a run: the probability that it is won
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = chance)]
    #[arg(conflicts_with_all = ["run", "horizon", "step", "paths", "seed", "block", "floor", "multiple", "threads", "plot"])]
    pub(crate) win: Option<f64>,
    /// What the bet pays for one that is staked; 1 if not given
    #[arg(long, value_name = "X", requires = "win", conflicts_with = "run", allow_hyphen_values = true, value_parser = odds)]
    pub(crate) odds: Option<f64>,
    /// Of how many bets the probability was counted: what that leaves of Kelly's fraction
    #[arg(long, value_name = "N", requires = "win", conflicts_with = "run", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) bets: Option<u32>,
    /// What is staked each time, a share of the first capital, at odds of 1: the gambler's ruin
    #[arg(long, value_name = "SHARE", requires = "win", conflicts_with_all = ["run", "odds"])]
    #[arg(allow_hyphen_values = true, value_parser = part)]
    pub(crate) stake: Option<f64>,
    /// The gain at which one stops, a share of the first capital; as much as the loss if not given
    #[arg(long, value_name = "SHARE", requires = "stake", conflicts_with = "run", allow_hyphen_values = true, value_parser = gain)]
    pub(crate) target: Option<f64>,
    /// Losses and drawdowns to tell the probability of, of a bet at a stake; several are apart by commas; 20% and 50% if not given
    #[arg(long, value_name = "SHARES", value_delimiter = ',', allow_hyphen_values = true, value_parser = part)]
    pub(crate) level: Vec<f64>,
    /// How far ahead: `90d`, `365d`
    #[arg(long, value_name = "SPAN", default_value = "365d", allow_hyphen_values = true, value_parser = super::positive_duration)]
    pub(crate) horizon: Duration,
    /// How long a return is; drawdowns within one are not seen: `1h`, `1d`
    #[arg(long, value_name = "SPAN", default_value = "1d", allow_hyphen_values = true, value_parser = super::positive_duration)]
    pub(crate) step: Duration,
    /// Futures to draw
    #[arg(long, value_name = "N", default_value_t = PATHS, value_parser = clap::value_parser!(u64).range(100..=PATHS_MAX))]
    pub(crate) paths: u64,
    /// Which futures: the same seed draws the same ones
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub(crate) seed: u64,
    /// The mean length of blocks, in returns; by the rule if not given
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = block)]
    pub(crate) block: Option<f64>,
    /// A floor under capital, as a share of it: exposures that keep it, and how often they end in cash
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = part)]
    pub(crate) floor: Option<f64>,
    /// What is put at risk for each unit over the floor, in multiples of the run's own exposure; Kelly's, shrunk, if not given
    #[arg(long, value_name = "X", requires = "floor", allow_hyphen_values = true, value_parser = multiple)]
    pub(crate) multiple: Option<f64>,
    /// Threads; as many as there are cores if not given. No result depends on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(THREADS))]
    pub(crate) threads: Option<u16>,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

pub(super) const RISK: &str = "\
EXAMPLES
  trimtab risk book.json --market chain.tape --market perp.tape \\
      --at 2026-03-15T12:00:00Z
  trimtab risk book.json --market chain.tape --at 2026-03-15 --step 6h \\
      --method filtered --volatility garch --confidence 97.5%
  trimtab risk book.json --market chain.tape --at 2026-03-15 --step 6h \\
      --method montecarlo --horizon 7d --scenarios 50000
  trimtab risk book.json --market chain.tape --at 2026-03-15 --step 6h \\
      --method delta-gamma --plot risk.svg

The tapes tell the market at `--at`, as in `trimtab stress`, and how prices and
implied volatilities changed before it: one row a step, all of a moment
together. Every option is priced again at the horizon, so that time counts and
nothing is scaled by the root of time. docs/value-at-risk.md says what each
method does, and how each did on recorded markets.";

/// Scenarios that are drawn where nothing is said.
pub(crate) const SCENARIOS: u64 = 10_000;
/// Scenarios that are drawn at most.
const SCENARIOS_MAX: u64 = 1_000_000;

/// The seed where none is said.
pub(crate) const SEED: u64 = 1;

#[derive(Debug, Args)]
#[command(mut_arg("plot", |plot| plot.help("A picture to write, `.svg`: the distribution with value at risk, expected \
             shortfall and what each holding adds")))]
pub(crate) struct Risk {
    /// The portfolio, as JSON; `-` reads it from standard input
    #[arg(value_name = "PORTFOLIO")]
    pub(crate) portfolio: PathBuf,
    /// A tape of option quotes, bars or marks that tells the market and its history; give it once for each tape
    #[arg(long, value_name = "TAPE", action = ArgAction::Append, required = true)]
    pub(crate) market: Vec<PathBuf>,
    /// The moment of the market, UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Timestamp,
    /// Where scenarios come from. Facts of a policy, such as `var(99%, 1d)`, are `filtered` where they name no method
    #[arg(long, value_name = "HOW", default_value = "montecarlo")]
    pub(crate) method: MethodArg,
    /// The probability with which value at risk is not exceeded: `99%` or `0.99`
    #[arg(long, value_name = "SHARE", default_value = "99%", allow_hyphen_values = true, value_parser = confidence)]
    pub(crate) confidence: f64,
    /// How far ahead: `6h`, `1d`, `10d`
    #[arg(long, value_name = "SPAN", default_value = "1d", allow_hyphen_values = true, value_parser = super::positive_duration)]
    pub(crate) horizon: Duration,
    /// Between two rows of the history; the horizon, or a day where that is longer
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = super::positive_duration)]
    pub(crate) step: Option<Duration>,
    /// How far back the history goes; to the beginning of the tapes if not given
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = super::positive_duration)]
    pub(crate) window: Option<Duration>,
    /// Where rows of the history lie: whole steps before the last moment told, or at whole steps of UTC midnight, as facts of a run have
    /// them
    #[arg(long, value_name = "WHERE", default_value = "told")]
    pub(crate) rows: RowsArg,
    /// Forecasts of the volatility of now, for all methods but `historical`; `ewma` if not given
    #[arg(long, value_name = "MODEL")]
    pub(crate) volatility: Option<VolatilityArg>,
    /// What is left of a weight a step later, with `ewma`; 0.94 if not given
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true, value_parser = decay)]
    pub(crate) decay: Option<f64>,
    /// Tails of what `montecarlo` draws: `normal`, degrees of freedom of Student's law, or `fitted` to the history
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, value_parser = tails)]
    pub(crate) tails: Option<TailsArg>,
    /// What of a smile stays when the forward moves
    #[arg(long, value_name = "WHAT", default_value = "moneyness")]
    pub(crate) sticky: StickyArg,
    /// Paths to draw, where any are: by `montecarlo`, and by histories over more than one step; 10000 if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=SCENARIOS_MAX))]
    pub(crate) scenarios: Option<u64>,
    /// Which paths: the same seed draws the same ones
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub(crate) seed: u64,
    /// How old surfaces, prices and marks of the tapes may be at `--at`: `5m`, `1h`
    #[arg(long, value_name = "SPAN", default_value = "1h", allow_hyphen_values = true, value_parser = super::positive_duration)]
    pub(crate) max_age: Duration,
    /// Threads; as many as there are cores if not given. No result depends on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(THREADS))]
    pub(crate) threads: Option<u16>,
    /// Print how factors move together, too
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

/// Where rows of a history lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowsArg {
    Told,
    Utc,
}

/// Where scenarios come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodArg {
    Historical,
    Filtered,
    #[value(name = "montecarlo")]
    MonteCarlo,
    DeltaGamma,
}

impl MethodArg {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Historical => "historical",
            Self::Filtered => "filtered",
            Self::MonteCarlo => "montecarlo",
            Self::DeltaGamma => "delta-gamma",
        }
    }
}

/// What forecasts variances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VolatilityArg {
    History,
    Ewma,
    Garch,
    GarchT,
    Gjr,
    GjrT,
}

/// Tails of a law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TailsArg(pub(crate) Tails);

impl TailsArg {
    /// As it is written.
    pub(crate) fn name(self) -> String {
        match self.0 {
            Tails::Normal => "normal".to_owned(),
            Tails::Fitted => "fitted".to_owned(),
            Tails::Student(degrees) => degrees.to_string(),
        }
    }
}

/// `normal`, `fitted` or degrees of freedom.
fn tails(text: &str) -> Result<TailsArg, String> {
    match text {
        "normal" => Ok(TailsArg(Tails::Normal)),
        "fitted" => Ok(TailsArg(Tails::Fitted)),
        number => match number.parse::<f64>() {
            Ok(degrees) if degrees >= DEGREES_LEAST && degrees.is_finite() => Ok(TailsArg(Tails::Student(degrees))),
            Ok(_) => {
                Err(format!("Student's law has a variance to speak of from {DEGREES_LEAST} degrees of freedom on"))
            }
            Err(_) => Err("write `normal`, `fitted` or degrees of freedom such as `4`".to_owned()),
        },
    }
}

/// Beyond it, one loss in a million, no history and no law tells anything.
const CONFIDENCE_MOST: f64 = 0.999_999;

/// `99%` or `0.99`: as facts of policies have it.
fn confidence(text: &str) -> Result<f64, String> {
    match fraction(text) {
        Some(value) if value >= f64::from(TailFact::CONFIDENCE_LEAST) / 10_000.0 && value <= CONFIDENCE_MOST => {
            Ok(value)
        }
        Some(_) => Err("a confidence lies between 50% and 99.9999%: `99%` or `0.99`".to_owned()),
        None => Err("write a confidence as `99%` or `0.99`".to_owned()),
    }
}

/// A share of what is traded.
fn participation(text: &str) -> Result<f64, String> {
    match fraction(text) {
        Some(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err("a share of what is traded is over 0% and up to 100%: `10%`".to_owned()),
    }
}

/// The least of them.
const DECAY_LEAST: f64 = 0.5;

/// What is left of a weight.
fn decay(text: &str) -> Result<f64, String> {
    match fraction(text) {
        Some(value) if (DECAY_LEAST..1.0).contains(&value) => Ok(value),
        Some(value) if value > 0.0 && value < DECAY_LEAST => Err(format!(
            "a decay of {value} leaves the last change more than half of all weight: no volatility follows of one; take {DECAY_LEAST} or \
             more, such as `0.94`"
        )),
        _ => Err(format!("a decay lies between {DECAY_LEAST} and 1, this one left out: `0.94`")),
    }
}

/// Futures that are drawn where nothing is said.
pub(crate) const PATHS: u64 = 10_000;
/// Levels where none are told.
const LEVELS: [f64; 2] = [0.2, 0.5];

impl Ruin {
    /// Losses and drawdowns to tell the probability of.
    pub(crate) fn levels(&self) -> Vec<f64> {
        if self.level.is_empty() { LEVELS.to_vec() } else { self.level.clone() }
    }
}

/// A part of the whole: `50%` or `0.5`.
fn part(text: &str) -> Result<f64, String> {
    match fraction(text) {
        Some(value) if value > 0.0 && value < 1.0 => Ok(value),
        Some(_) => Err("a part of capital lies between 0% and 100%, neither of them".to_owned()),
        None => Err("write a part of capital as `50%` or `0.5`".to_owned()),
    }
}

/// `50%` or `0.5`.
fn fraction(text: &str) -> Option<f64> {
    let text = text.trim();
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

fn gain(text: &str) -> Result<f64, String> {
    match fraction(text) {
        Some(value) if value > 0.0 => Ok(value),
        _ => Err("a gain is a share of the first capital, over 0%: `20%`".to_owned()),
    }
}

fn block(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(length) if length >= 1.0 && length.is_finite() => Ok(length),
        _ => Err("a block has a mean length of one return or more: `--block 10`".to_owned()),
    }
}

fn chance(text: &str) -> Result<f64, String> {
    match fraction(text) {
        Some(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("a probability lies between 0% and 100%, neither of them: `55%`".to_owned()),
    }
}

/// What no bet pays: beyond, its variance is no number to count with.
const ODDS_MOST: f64 = 1e9;

fn odds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(odds) if odds > 0.0 && odds <= ODDS_MOST => Ok(odds),
        Ok(odds) if odds > ODDS_MOST => Err(format!("no bet pays so much for one: odds are at most {ODDS_MOST:e}")),
        _ => Err("odds are what is paid for one, over 0: `--odds 2`".to_owned()),
    }
}

fn multiple(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(multiple) if multiple > 0.0 && multiple.is_finite() => Ok(multiple),
        _ => Err("a multiple is over 0: `--multiple 3`".to_owned()),
    }
}

impl VolatilityArg {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Ewma => "ewma",
            Self::Garch => "garch",
            Self::GarchT => "garch-t",
            Self::Gjr => "gjr",
            Self::GjrT => "gjr-t",
        }
    }
}

/// What of a smile stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StickyArg {
    Strike,
    Moneyness,
}

/// Moves of a grid, as shares, and as they were written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moves {
    pub(crate) moves: Vec<f64>,
    pub(crate) text: String,
}

/// Moves of one grid at most.
const MOVES_MAX: usize = 101;

/// `-30%..30%:7` or `-30%,0,0.1`.
fn moves(text: &str) -> Result<Moves, String> {
    let share = |text: &str| -> Result<f64, String> {
        let text = text.trim();
        match fraction(text) {
            Some(value) if value > -1.0 => Ok(value),
            Some(_) => Err(format!("`{text}` is no move: more than everything cannot be lost, so it is over -100%")),
            None => Err(format!("`{text}` is no share; write `-30%..30%:7`, or a list such as `-30%,0,30%`")),
        }
    };
    let found = match text.split_once("..") {
        Some((from, rest)) => {
            let (to, count) = rest.split_once(':').ok_or("say how many moves there are: `-30%..30%:7`")?;
            let (from, to) = (share(from)?, share(to)?);
            let count: usize = count.trim().parse().map_err(|_| format!("`{count}` is no whole number"))?;
            if !(2..=MOVES_MAX).contains(&count) || from >= to {
                return Err(format!("a range goes up, in 2 to {MOVES_MAX} moves"));
            }
            let step = (to - from) / (count - 1) as f64;
            // What is meant to be zero is.
            let round = |value: f64| if value.abs() < step * 1e-9 { 0.0 } else { value };
            (0..count).map(|at| round(from + step * at as f64)).collect()
        }
        None => text.split(',').map(share).collect::<Result<Vec<_>, _>>()?,
    };
    if found.len() > MOVES_MAX {
        Err(format!("at most {MOVES_MAX} moves"))
    } else {
        Ok(Moves { moves: found, text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_parts() {
        assert_eq!((part("50%"), part(" 0.2 ")), (Ok(0.5), Ok(0.2)));
        for text in ["0", "100%", "1", "-5%", "nan", "inf", "half", ""] {
            assert!(part(text).is_err(), "{text}");
        }
        assert!(block("0.5").is_err() && block("inf").is_err() && multiple("0").is_err() && multiple("x").is_err());
    }

    #[test]
    fn moves_are_ranges_or_lists() {
        let read = |text: &str| moves(text).map(|read| read.moves);
        assert_eq!(read("-30%..30%:3"), Ok(vec![-0.3, 0.0, 0.3]));
        assert_eq!(read("-10%,0,0.5"), Ok(vec![-0.1, 0.0, 0.5]));
        for text in ["", "x", "-30%..30%", "30%..-30%:7", "-100%,0", "0..1:1", "0..1:1000"] {
            assert!(moves(text).is_err(), "{text}");
        }
    }
}
