//! Arguments of the commands that look at a portfolio's risk.

use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;
use units::Duration;

pub(super) const MARGIN: &str = "\
EXAMPLES
  trimtab margin examples/margin/deribit.json --venue deribit
  trimtab margin examples/margin/deribit.json --venue deribit-standard
  trimtab margin examples/margin/hyperliquid.json --venue hyperliquid --explain
  trimtab margin portfolio.json --venue binance --parameters tiers.csv
  trimtab margin portfolio.json --venue derive --plot margin.svg
  trimtab margin --schema > portfolio.schema.json

The portfolio is JSON (schema trimtab.portfolio/3, docs/portfolio.md). Deribit
and Derive have two margins: the account's `margin` says which, or the venue's
name does. `--explain` lists every component and scenario, to be put beside the
venue's screen; what is unverified or not reproduced is named. A figure that
cannot be computed is absent with its reason.

A parameter file with `# valid_from:` stands in place of the one that comes
with trimtab; one without it replaces rows of that one (docs/margin.md).

Exit code 1 if an account is under its maintenance margin.";

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

#[derive(Debug, Args)]
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
    /// List every component of every position, and every scenario
    #[arg(long)]
    pub(crate) explain: bool,
    /// A picture to write, `.svg`: equity and maintenance margin over the price of each coin, with the points of liquidation
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Replace the picture if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the JSON Schema of portfolios instead
    #[arg(long, conflicts_with_all = ["portfolio", "venue", "parameters", "max_age", "explain", "plot"])]
    pub(crate) schema: bool,
}
