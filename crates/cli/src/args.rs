//! The command line as clap reads it: one definition gives help, man pages and completions.

mod calculators;
mod examples;
mod objectives;
mod remedy;
mod research;
mod risk;

pub(crate) use calculators::Calculator;
pub(crate) use objectives::Wanted;
pub(crate) use remedy::remedy;
pub(crate) use research::{Compare, Surface, Sweep};
pub(crate) use risk::{
    Margin, MethodArg, Moves, PATHS, Picture, Risk, RowsArg, Ruin, SCENARIOS, SEED, StickyArg, Stress, TailsArg,
    VolatilityArg,
};

use crate::settings::{ColorChoice, DEFINITIONS, LogFormat, LogLevel, ProgressChoice, THREADS, WIDTHS};
use clap::builder::{PossibleValuesParser, Styles};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use market::Currency;
use std::ffi::OsString;
use std::path::PathBuf;
use units::{Duration, Price, Qty, Timestamp};

/// Version and commit.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TRIMTAB_COMMIT"), ")");

/// Declared position scaling for crypto derivatives, executed and explained.
///
/// A policy says how a position may grow, shrink and stop; one deterministic engine executes it and can say, for every
/// order, which rule asked for it and with which numbers. Results go to stdout, everything else to stderr.
///
/// Exit codes: 0 done · 1 ran, with a negative finding · 2 input wrong, nothing written · 3 something outside failed ·
/// 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "trimtab", version = VERSION, after_help = examples::MAIN, max_term_width = 100)]
#[command(disable_help_subcommand = true, disable_version_flag = true)]
#[command(infer_subcommands = false, subcommand_required = true)]
pub(crate) struct Cli {
    /// Print the version and the commit that it was built from
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Print results as JSON, one object a line, each with its `schema`
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", hide_possible_values = true)]
    pub(crate) json: Option<bool>,
    /// Say more; `-vv` also logs what is done, `-vvv` in detail
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// When to use colours; `auto` means on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
    /// How long work shows how far it is; `auto` means a bar on a terminal, else lines
    #[arg(long, global = true, value_name = "HOW")]
    pub(crate) progress: Option<ProgressChoice>,
    /// Columns to lay text out for; as many as the terminal has if not given
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(WIDTHS))]
    pub(crate) width: Option<u16>,
    /// Log this, and all that is worse, to stderr; `warn` if not given
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<LogLevel>,
    /// How to log
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Read settings from this file, not from the nearest `trimtab.toml`; `trimtab config` shows them [env: TRIMTAB_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Global {
    /// As far as arguments tell that clap refused, or that asked for help.
    pub(crate) fn guess() -> Self {
        let args: Vec<OsString> = std::env::args_os().skip(1).collect();
        let mut guessed = Self::default();
        for (at, arg) in args.iter().enumerate() {
            let Some(arg) = arg.to_str() else { continue };
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.as_ref())),
                None => (arg, args.get(at + 1).map(OsString::as_os_str)),
            };
            match name {
                "--json" => guessed.json = Some(arg != "--json=false"),
                "--color" => guessed.color = value.and_then(|v| ColorChoice::from_str(v.to_str()?, false).ok()),
                "--config" => guessed.config = value.map(PathBuf::from),
                _ => {}
            }
        }
        guessed
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check, backtest and report an example policy on an embedded market; needs no data and no network
    #[command(after_help = examples::DEMO)]
    Demo(Demo),
    /// Make a folder with a policy to start from
    #[command(after_help = examples::INIT)]
    Init(Init),
    /// Check a policy: all errors at once, each with its place, the reason and the remedy
    #[command(after_help = examples::CHECK)]
    Check(Check),
    /// Make a policy of objectives: drawdown, horizon, style, views; every number with its reason
    #[command(after_help = objectives::OBJECTIVES)]
    Objectives(Wanted),
    /// List what policies may ask of: every fact and function, with its unit, meaning, source and age
    #[command(after_help = examples::FACTS)]
    Facts(Facts),
    /// Lay policies out as all of them are: spaces, indents, blank lines, the column of comments; never what they say
    #[command(after_help = examples::FMT)]
    Fmt(Fmt),
    /// Turn recorded data into a tape, with a quality report; nothing is repaired unasked
    #[command(subcommand, after_help = examples::IMPORT)]
    Import(Import),
    /// Look into tapes
    #[command(subcommand, after_help = examples::TAPE)]
    Tape(Tape),
    /// Run a policy over tapes, beside its unscaled twin, into a run folder
    #[command(after_help = examples::BACKTEST)]
    Backtest(Backtest),
    /// Run a policy with values varied, on all cores; ranked on the first part of the time, shown on the rest
    #[command(after_help = examples::SWEEP)]
    Sweep(Sweep),
    /// Put two to four runs side by side: measures, what their policies say differently, growth overlaid
    #[command(after_help = examples::COMPARE)]
    Compare(Compare),
    /// Fit the volatility surface of the option quotes on tapes: forwards, smiles, errors, term structure, arbitrage
    #[command(after_help = examples::SURFACE)]
    Surface(Surface),
    /// Say why a run held what it held: the plan in force at an instant, step by step
    #[command(after_help = examples::EXPLAIN)]
    Explain(Explain),
    /// Say what a run would do next: each coming action with the price, the time or the value that sets it off
    #[command(after_help = examples::NEXT)]
    Next(Next),
    /// Run a run folder's recipe again and compare: the first difference, or none
    #[command(after_help = examples::REPLAY)]
    Replay(Replay),
    /// Recompute a run from its tables, policy and tapes, without the engine: what was crossed, what came of it
    #[command(after_help = examples::AUDIT)]
    Audit(Audit),
    /// Write a run's report: one HTML file, readable without script and without network
    #[command(after_help = examples::REPORT)]
    Report(Report),
    /// Say what to hold now, and why, without a backtest
    #[command(after_help = examples::PLAN)]
    Plan(Plan),
    /// Say what a venue's rules ask of a portfolio, part by part, and where it is liquidated
    #[command(after_help = risk::MARGIN)]
    Margin(Margin),
    /// Put a portfolio under named stresses and grids of moves: profit and loss, and what is left of each margin
    #[command(after_help = risk::STRESS)]
    Stress(Stress),
    /// Say what a portfolio may lose over a horizon, how exactly that is known, and what each part of it adds
    #[command(after_help = risk::RISK)]
    Risk(Risk),
    /// Say how likely a run is to lose much, from its own returns, what Kelly makes of them, and what a floor costs
    #[command(after_help = risk::RUIN)]
    Ruin(Ruin),
    /// Price options: rows on standard input, price and twelve Greeks of each on standard output
    #[command(after_help = calculators::PRICE)]
    Price(Calculator),
    /// Imply volatilities: rows on standard input, volatility and the interval of half a tick on standard output
    #[command(after_help = calculators::IV)]
    Iv(Calculator),
    /// Show every setting, its value and where it came from
    #[command(after_help = examples::CONFIG)]
    Config(Config),
    /// Print a completion script for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(Completions),
    /// Print the manual page
    #[command(after_help = examples::MAN)]
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The market's seed: another one, another market
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = count)]
    pub(crate) seed: u64,
    /// The folder to write; an earlier demo there is replaced
    #[arg(long, value_name = "DIR", default_value = "trimtab-demo")]
    pub(crate) out: PathBuf,
    /// Write into a folder that is not empty and not an earlier demo
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder to make; it must not exist, or be empty
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Values put into a policy's text before it is read.
#[derive(Debug, Default, Args)]
pub(crate) struct Set {
    /// A key of the policy and a value in place of its own, as if it stood in the file; give it once for each key. Of several
    /// policies all get it
    #[arg(long = "set", value_name = "KEY=VALUE", action = ArgAction::Append, value_parser = one_setting)]
    pub(crate) values: Vec<(String, String)>,
}

fn one_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() && !value.trim().is_empty() => {
            Ok((path.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write a key and its value, for example `size.target=40%`".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The policy file; `-` reads it from standard input
    #[arg(value_name = "POLICY", required_unless_present_any = ["explain", "schema"])]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) set: Set,
    /// Say at length what a code means, with an example that is wrong and one that is right
    #[arg(long, value_name = "CODE")]
    pub(crate) explain: Option<String>,
    /// Print the JSON Schema of policies, by which editors complete keys and tell what they mean
    #[arg(long)]
    pub(crate) schema: bool,
}

/// What is imported.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Price bars: CSV or Parquet with time, open, high, low, close and perhaps volume
    #[command(after_help = examples::IMPORT_BARS)]
    Bars(ImportBars),
    /// Funding rates: a time and a rate a row
    #[command(after_help = examples::IMPORT_FUNDING)]
    Funding(ImportFunding),
    /// Option chains: CSV or Parquet in which every row names an option and its quotes
    #[command(after_help = examples::IMPORT_OPTIONS)]
    Options(ImportOptions),
    /// Mark prices of perpetuals and futures: a time, a contract and a price a row
    #[command(after_help = examples::IMPORT_MARKS)]
    Marks(ImportMarks),
    /// A series of numbers, such as a volatility index: a time and a value a row
    #[command(after_help = examples::IMPORT_SERIES)]
    Series(ImportSeries),
}

/// What every import takes.
#[derive(Debug, Args)]
pub(crate) struct ImportFile {
    /// The recorded file: CSV (as it is, gzip or zip) or Parquet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The tape to write
    #[arg(short, value_name = "TAPE")]
    pub(crate) output: PathBuf,
    /// Read the columns as this file says, which an earlier import saved beside its tape; flags go before it
    #[arg(long, value_name = "MAP")]
    pub(crate) columns: Option<PathBuf>,
    /// The column that holds the time, where several could
    #[arg(long, value_name = "NAME")]
    pub(crate) time_column: Option<String>,
    /// Take only the rows in which this column holds this text
    #[arg(long = "where", value_name = "COLUMN=TEXT", value_parser = only)]
    pub(crate) only: Option<(String, String)>,
    /// The first line is a row already; columns are called 1, 2, 3, … where the file is of no known kind
    #[arg(long)]
    pub(crate) no_header: bool,
    /// The time column counts milliseconds since the midnight that began this day, UTC
    #[arg(long, value_name = "DATE")]
    pub(crate) day: Option<Timestamp>,
    /// Change what cannot be taken as it is, by a rule; recorded in the tape with the rows it touched
    #[arg(long, value_name = "RULE", action = ArgAction::Append, value_parser = PossibleValuesParser::new(REPAIRS))]
    pub(crate) repair: Vec<String>,
    /// Replace the tape if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

/// Names of repairs, in the order of help; a test holds them against `import::Repair`.
pub(crate) const REPAIRS: [&str; 6] = ["drop-row", "widen", "snap", "keep-first", "keep-last", "sort"];

/// Which contract the rows are of.
#[derive(Debug, Args)]
pub(crate) struct InstrumentArgs {
    /// The instrument, `venue:SYMBOL`: `binance:BTCUSDT-PERP`, `deribit:BTC-27DEC24`, `binance:BTCUSDT-SPOT`
    #[arg(long, value_name = "SYMBOL")]
    pub(crate) instrument: String,
    /// How it is settled, where the symbol leaves it open: `linear` in its quote currency, `inverse` in coin
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<KindArg>,
    /// When the dated future is settled, UTC, where trimtab does not know the venue's hour
    #[arg(long, value_name = "TIME")]
    pub(crate) expiry: Option<Timestamp>,
    /// The currency that it settles in, where the symbol leaves it open
    #[arg(long, value_name = "CURRENCY")]
    pub(crate) settle: Option<Currency>,
    /// Its price grid, where trimtab does not know it or the recording is older
    #[arg(long, value_name = "PRICE")]
    pub(crate) tick: Option<Price>,
    /// Its quantity grid, where trimtab does not know it or the recording is older
    #[arg(long, value_name = "QTY")]
    pub(crate) lot: Option<Qty>,
    /// Its smallest order, where it is more than one lot
    #[arg(long, value_name = "QTY")]
    pub(crate) min_qty: Option<Qty>,
}

/// How an instrument is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    Spot,
    Linear,
    Inverse,
}

#[derive(Debug, Args)]
pub(crate) struct ImportBars {
    #[command(flatten)]
    pub(crate) file: ImportFile,
    #[command(flatten)]
    pub(crate) instrument: InstrumentArgs,
    /// Whether the time of a row is when its bar opens or when it closes
    #[arg(long, value_name = "WHEN")]
    pub(crate) labelled: LabelledArg,
    /// The length of a bar, where the file does not show it: `5m`, `1h`, `1d`
    #[arg(long, value_name = "SPAN", value_parser = duration)]
    pub(crate) interval: Option<Duration>,
    #[command(flatten)]
    pub(crate) named: BarColumns,
}

/// Columns of bars that are not called what they are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Columns with other names")]
pub(crate) struct BarColumns {
    /// The first price
    #[arg(long, value_name = "NAME")]
    pub(crate) open_column: Option<String>,
    /// The highest price
    #[arg(long, value_name = "NAME")]
    pub(crate) high_column: Option<String>,
    /// The lowest price
    #[arg(long, value_name = "NAME")]
    pub(crate) low_column: Option<String>,
    /// The last price
    #[arg(long, value_name = "NAME")]
    pub(crate) close_column: Option<String>,
    /// The quantity traded
    #[arg(long, value_name = "NAME")]
    pub(crate) volume_column: Option<String>,
}

/// Which end of a bar its time names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LabelledArg {
    Open,
    Close,
}

#[derive(Debug, Args)]
pub(crate) struct ImportFunding {
    #[command(flatten)]
    pub(crate) file: ImportFile,
    #[command(flatten)]
    pub(crate) instrument: InstrumentArgs,
    /// The unit of rates in the file: 0.01 % is written 0.0001 as a fraction, 0.01 as percent, 1 as bp
    #[arg(long, value_name = "UNIT")]
    pub(crate) rate_unit: RateUnitArg,
    /// The column that holds the rate, where several could
    #[arg(long, value_name = "NAME")]
    pub(crate) rate_column: Option<String>,
    /// The time between two payments, where the file does not show it: `8h`, `1h`
    #[arg(long, value_name = "SPAN", value_parser = duration)]
    pub(crate) interval: Option<Duration>,
}

/// The unit of funding rates in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RateUnitArg {
    Fraction,
    Percent,
    Bp,
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    #[command(flatten)]
    pub(crate) file: ImportFile,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportMarks {
    #[command(flatten)]
    pub(crate) file: ImportFile,
    /// The instrument, `venue:SYMBOL`, where the file has no column that names it
    #[arg(long, value_name = "SYMBOL")]
    pub(crate) instrument: Option<String>,
    /// The column that holds the mark, where several could
    #[arg(long, value_name = "NAME")]
    pub(crate) price_column: Option<String>,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
}

/// What the names of instruments in a file leave open, the same for all of them.
#[derive(Debug, Args)]
pub(crate) struct TermsArgs {
    /// How they are settled, where the names leave it open: `linear` in the quote currency, `inverse` in coin
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<KindArg>,
    /// The currency that they settle in, where the names leave it open
    #[arg(long, value_name = "CURRENCY")]
    pub(crate) settle: Option<Currency>,
    /// Their price grid, where trimtab does not know it or the recording is older
    #[arg(long, value_name = "PRICE")]
    pub(crate) tick: Option<Price>,
    /// Their quantity grid, where trimtab does not know it or the recording is older
    #[arg(long, value_name = "QTY")]
    pub(crate) lot: Option<Qty>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportSeries {
    #[command(flatten)]
    pub(crate) file: ImportFile,
    /// The column that holds the value
    #[arg(long, value_name = "NAME", required_unless_present = "columns")]
    pub(crate) column: Option<String>,
    /// What a policy calls the series, such as `dvol.btc`
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// The unit of values in the file: 60 % is written 0.6 as a fraction, 60 as percent; `number` for amounts
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: UnitArg,
    /// How long after its time a value was published: `1d`, `30m`; none if not given
    #[arg(long, value_name = "SPAN", value_parser = duration)]
    pub(crate) lag: Option<Duration>,
}

/// The unit of values in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitArg {
    #[value(alias = "number")]
    Fraction,
    Percent,
}

/// What to see of tapes.
#[derive(Debug, Subcommand)]
pub(crate) enum Tape {
    /// What tapes hold, where they came from and what was found on import
    #[command(after_help = examples::TAPE_INFO)]
    Info(TapeInfo),
    /// Print a tape's first rows
    #[command(after_help = examples::TAPE_HEAD)]
    Head(TapeHead),
    /// Print a tape's rows
    #[command(after_help = examples::TAPE_CAT)]
    Cat(TapeRows),
    /// Write several tapes as one; what they tell twice is refused
    #[command(after_help = examples::TAPE_MERGE)]
    Merge(TapeMerge),
    /// Read tapes to their end: hashes, order, overlaps, gaps, prices off the grid
    #[command(after_help = examples::TAPE_CHECK)]
    Check(TapeCheck),
}

/// Which rows of a tape, and how.
#[derive(Debug, Args)]
pub(crate) struct TapeRows {
    /// The tape
    #[arg(value_name = "TAPE")]
    pub(crate) tape: PathBuf,
    /// Print as CSV, with exact decimals; `--json` prints an object a line
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Begin with what was received at this time, UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Timestamp>,
    /// End before what was received at this time, UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct TapeHead {
    #[command(flatten)]
    pub(crate) rows: TapeRows,
    /// How many rows
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 10, value_parser = count)]
    pub(crate) count: u64,
}

#[derive(Debug, Args)]
pub(crate) struct TapeMerge {
    /// The tapes, in the order in which rows of one time stand
    #[arg(value_name = "TAPE", required = true)]
    pub(crate) tapes: Vec<PathBuf>,
    /// The tape to write
    #[arg(short, value_name = "TAPE")]
    pub(crate) output: PathBuf,
    /// Begin with what was received at this time, UTC: `2025-10-01`
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Timestamp>,
    /// End before what was received at this time, UTC
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<Timestamp>,
    /// Replace the tape if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TapeCheck {
    /// The tapes; overlaps between them are found too
    #[arg(value_name = "TAPE", required = true)]
    pub(crate) tapes: Vec<PathBuf>,
    /// A gap is a negative finding as well
    #[arg(long)]
    pub(crate) no_gaps: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TapeInfo {
    /// The tapes
    #[arg(value_name = "TAPE", required = true)]
    pub(crate) tapes: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Backtest {
    /// The policy file, or several: each is one strategy, and the first says what is assumed of the venues
    #[arg(value_name = "POLICY", required = true)]
    pub(crate) policy: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) set: Set,
    /// A tape to run on; give it once for each tape. Without it, those of the setting `tapes`
    #[arg(long, value_name = "TAPE", action = ArgAction::Append)]
    pub(crate) tape: Vec<PathBuf>,
    /// The run folder to write. Without it, one named for the policy below the setting `runs`
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Run once more for each technique with it switched off (a dozen runs at most), for a table of what each one did
    #[arg(long)]
    pub(crate) ablation: bool,
    /// Threads of an ablation; as many as there are cores if not given. No result depends on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(THREADS))]
    pub(crate) threads: Option<u16>,
    /// Replace the run folder if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The run folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// The instant, UTC: the state after all that had been received by then
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Timestamp,
    /// Another instant, UTC: what differs between the plans in force at the two, fact by fact and step by step
    #[arg(long, value_name = "TIME")]
    pub(crate) against: Option<Timestamp>,
    /// Of a run of several policies: the one to explain (its name); else the one that decided last
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
    /// Of a run in several instruments: the one to explain, `venue:SYMBOL`; else the one that was decided on last
    #[arg(long, value_name = "SYMBOL")]
    pub(crate) instrument: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Next {
    /// The run folder; with `--state` a policy file
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Ask of a policy and of the portfolio and market as they are, as JSON, instead of a run
    #[arg(long, value_name = "STATE.json", conflicts_with_all = ["at", "strategy", "instrument"])]
    pub(crate) state: Option<PathBuf>,
    /// The instant, UTC: the state after all that had been received by then; the run's end if none is given
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// Of a run of several policies: the one to ask for (its name); else the one that decided last
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
    /// Of a run in several instruments: the one to ask for, `venue:SYMBOL`; else the one that was decided on last
    #[arg(long, value_name = "SYMBOL")]
    pub(crate) instrument: Option<String>,
    /// Suppose that the next bar brings this: `price`, where it closes, and values of series and facts that the policy reads;
    /// the plan that would be made there is shown, and what comes next from there. A value is a number, a percentage or `bp`
    #[arg(long, value_name = "NAME=VALUE", value_parser = supposition)]
    pub(crate) what_if: Vec<(String, f64)>,
    #[command(flatten)]
    pub(crate) set: Set,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The run folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Compare every file and row with what the folder holds; exit 1 at the first difference
    #[arg(long, required = true)]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The run folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// The HTML file to write
    #[arg(short, value_name = "FILE", required_unless_present = "plot")]
    pub(crate) output: Option<PathBuf>,
    /// A picture to write, `.svg`: the price with what was done at it, and growth beside the twin
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The policy file
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    #[command(flatten)]
    pub(crate) set: Set,
    /// The portfolio and the market as they are, as JSON
    #[arg(long, value_name = "STATE.json")]
    pub(crate) state: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Policies, each written in its place; `-` reads standard input and writes standard output
    #[arg(value_name = "POLICY", required = true)]
    pub(crate) policies: Vec<PathBuf>,
    /// Write nothing: name those that would change, and exit 1 if there are any
    #[arg(long)]
    pub(crate) check: bool,
    /// Rewrite policies of an older version of the language as the present one first, and tell what was changed
    #[arg(long)]
    pub(crate) migrate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Facts {
    /// Only those whose name holds this text
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Config {}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Markdown, as in docs/commands; not roff
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// Reads the process's arguments.
pub(crate) fn read() -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(std::env::args_os())?;
    Cli::from_arg_matches(&matches)
}

/// The definition that help, pages and completions are made from.
pub(crate) fn command() -> clap::Command {
    let styles = Styles::styled()
        .header(anstyle::Style::new().bold())
        .usage(anstyle::Style::new().bold())
        .literal(anstyle::AnsiColor::Cyan.on_default())
        .error(crate::terminal::ERROR)
        .valid(anstyle::AnsiColor::Cyan.on_default())
        .invalid(crate::terminal::WARNING);
    // Coloured here always; the terminal takes colours out again where they are not wanted.
    with_variables(Cli::command()).styles(styles).color(clap::ColorChoice::Always)
}

/// Names the variable of each flag that every command has.
fn with_variables(mut command: clap::Command) -> clap::Command {
    for definition in DEFINITIONS {
        for flag in definition.flag.split(", ") {
            let id = flag.trim_start_matches('-').replace('-', "_");
            if command.get_arguments().any(|arg| arg.get_id() == id.as_str()) {
                command = command.mut_arg(id, |arg| {
                    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                    arg.help(format!("{help} [env: {}]", definition.variable))
                });
            }
        }
    }
    command
}

/// A span of time on the command line: `250ms`, `5m`, `8h`, `1d`.
fn positive_duration(text: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    if span.nanos() > 0 { Ok(span) } else { Err("the span has to be over zero".to_owned()) }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let unit = match unit.trim_start() {
        "ms" => 1_000_000,
        "s" => Duration::SECOND.nanos(),
        "m" | "min" => Duration::MINUTE.nanos(),
        "h" => Duration::HOUR.nanos(),
        "d" => Duration::DAY.nanos(),
        "w" => 7 * Duration::DAY.nanos(),
        _ => return Err("a span is a whole number with a unit: `250ms`, `30s`, `5m`, `8h`, `1d`, `2w`".to_owned()),
    };
    let nanos = count.parse::<i64>().ok().and_then(|count| count.checked_mul(unit));
    nanos.map(Duration::from_nanos).ok_or_else(|| "the span is too long, or has no number before its unit".to_owned())
}

/// A whole number.
fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a whole number from 0 on, in digits, such as `50`".to_owned())
}

/// `symbol=BTCUSDT`.
fn only(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, wanted)) if !column.is_empty() => Ok((column.to_owned(), wanted.to_owned())),
        _ => Err("write a column's name, `=` and the text: `symbol=BTCUSDT`".to_owned()),
    }
}

/// `price=65000`, `dvol.btc=80%`.
fn supposition(text: &str) -> Result<(String, f64), String> {
    let wrong = || format!("`{text}` is not NAME=VALUE with a number, as `price=65000` or `dvol.btc=80%`");
    let (name, value) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (number, places) = match (value.strip_suffix('%'), value.strip_suffix("bp")) {
        (Some(number), _) => (number, Some(-2)),
        (_, Some(number)) => (number, Some(-4)),
        _ => (value, None),
    };
    let number = number.trim().replace('_', "");
    let plain: f64 = number.parse().map_err(|_| wrong())?;
    // Places are moved in the text: a quotient of doubles may be another number than the one that was written.
    let number = match places {
        Some(places) => format!("{number}e{places}").parse().map_err(|_| wrong())?,
        None => plain,
    };
    if number.is_finite() { Ok((name.trim().to_owned(), number)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn spans_need_a_unit() {
        assert_eq!(duration("1d"), Ok(Duration::DAY));
        assert_eq!(duration("250ms"), Ok(Duration::from_nanos(250_000_000)));
        assert_eq!(duration("5 min"), Ok(Duration::from_nanos(5 * Duration::MINUTE.nanos())));
        for text in ["", "1", "d", "1.5d", "-1d", "1y", "99999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive_duration("0d").is_err() && positive_duration("1d") == Ok(Duration::DAY));
    }
}
