//! Arguments of the commands that look at many runs at once.

use super::Picture;
use crate::settings::THREADS;
use backtest::sweep::{Axis, By};
use clap::{ArgAction, Args, ValueEnum};
use market::Currency;
use std::path::PathBuf;
use units::{Duration, Timestamp};

#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// The policy file
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// A key of the policy and its values; give it once for each key
    #[arg(long = "set", value_name = "KEY=A,B,…", required = true, action = ArgAction::Append, value_parser = Axis::parse)]
    pub(crate) axes: Vec<Axis>,
    /// A tape to run on; give it once for each tape. Without it, those of the setting `tapes`
    #[arg(long, value_name = "TAPE", action = ArgAction::Append)]
    pub(crate) tape: Vec<PathBuf>,
    /// The folder to write: results as Parquet and CSV, a heat map where two keys are varied. Without it, one named for
    /// the policy below the setting `runs`
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What ranks
    #[arg(long, value_name = "FIGURE", default_value = "sharpe")]
    pub(crate) by: ByArg,
    /// The share of the time that ranks; the rest shows what came of it
    #[arg(long, value_name = "SHARE", default_value = "70%", value_parser = split)]
    pub(crate) split: f64,
    /// Threads; as many as there are cores if not given. No result depends on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(THREADS))]
    pub(crate) threads: Option<u16>,
    /// Replace the folder if it holds a sweep
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Run folders, two to four
    #[arg(value_name = "RUN", required = true, num_args = 2..=4)]
    pub(crate) runs: Vec<PathBuf>,
    /// An HTML file to write: measures, growth overlaid, what the policies say differently
    #[arg(short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// A picture to write: growth overlaid, as `.svg`, or as `.html` with the picture alone
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("plot", |plot| plot.help("A picture to write, `.svg`: smiles with quotes and fit, term structure, risk \
             reversals, density")))]
pub(crate) struct Surface {
    /// Tapes with option quotes; with bars or marks of the perpetual or of spot they also tell the price of the underlying
    #[arg(value_name = "TAPE", required = true)]
    pub(crate) tapes: Vec<PathBuf>,
    /// The moment: quotes that came later are not looked at. Without it, the end of the tapes
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// Tell also what changed since this earlier moment, at tenors as far away
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Refuse a chain whose last quotes are older than this at `--at`, or at `--since`: `1h`, `30d`
    #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = super::duration)]
    pub(crate) max_age: Duration,
    /// Options on this coin alone
    #[arg(long, value_name = "COIN", value_parser = |text: &str| text.to_ascii_uppercase().parse::<Currency>())]
    pub(crate) underlying: Option<Currency>,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

/// What ranks the runs of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ByArg {
    Sharpe,
    Return,
    Drawdown,
}

impl From<ByArg> for By {
    fn from(by: ByArg) -> Self {
        match by {
            ByArg::Sharpe => Self::Sharpe,
            ByArg::Return => Self::Return,
            ByArg::Drawdown => Self::Drawdown,
        }
    }
}

/// `70%` or `0.7`.
fn split(text: &str) -> Result<f64, String> {
    let share = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.trim().parse(),
    };
    match share {
        Ok(share) if (0.1..=0.9).contains(&share) => Ok(share),
        _ => {
            Err("a share between 10% and 90%, such as `70%`: both parts must be long enough to say something"
                .to_owned())
        }
    }
}
