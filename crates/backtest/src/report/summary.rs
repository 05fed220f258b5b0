//! What a report page is made of: one plain structure, filled from a run.
//!
//! Everything here is for display: times are UTC nanoseconds, amounts are the nearest doubles of the exact values that
//! stand in the run folder. Fractions are fractions (`0.6` is 60 %). Per-bar lists are equally long.

use serde::{Deserialize, Serialize};

/// Version of [`RunSummary`]; raised when a field changes its meaning.
pub const SUMMARY_VERSION: u32 = 1;

/// A run, as a page shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// [`SUMMARY_VERSION`].
    pub version: u32,
    /// What ran, on what.
    pub header: Header,
    /// The scaled run, one entry a bar.
    pub bars: Bars,
    /// The twin on the same bars.
    pub twin: Twin,
    /// Holes in the tape, in order.
    pub gaps: Vec<Gap>,
    /// Executions of the scaled run, in order of time.
    pub fills: Vec<Fill>,
    /// Triggers that were crossed and refused, and increases that were held back, in order of time.
    pub refusals: Vec<Refusal>,
    /// Ladder rungs from arming to use.
    pub rungs: Vec<Rung>,
    /// Campaigns in order of opening.
    pub campaigns: Vec<Campaign>,
    /// The twin's round trips in R of the campaigns they run beside; empty: the twin has no R.
    pub twin_r: Vec<f64>,
    /// Where the profit went.
    pub costs: Costs,
    /// Whether the run can be trusted.
    pub integrity: Integrity,
    /// How the run can be repeated.
    pub method: Method,
    /// Plans behind fills and refusals, in order of time. Others are left to `trimtab explain`.
    pub plans: Vec<Plan>,
    /// The policy with one technique at a time switched off; empty: not run.
    #[serde(default)]
    pub variants: Vec<Variant>,
}

/// The policy with one technique switched off. Fractions are fractions; none: the run is too short for the figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// What was switched off, such as `without pyramid`; the first is the policy as declared, the last its twin.
    pub name: String,
    /// What runs instead, in words.
    pub instead: String,
    /// The whole return.
    pub total_return: Option<f64>,
    /// Compound annual growth rate.
    pub cagr: Option<f64>,
    /// Sharpe ratio at a zero rate.
    pub sharpe: Option<f64>,
    /// Annualised volatility.
    pub volatility: Option<f64>,
    /// Standard deviation of the 63-day volatility.
    pub vol_of_vol: Option<f64>,
    /// The deepest fall under a peak.
    pub drawdown: Option<f64>,
    /// The worst day.
    pub worst_day: Option<f64>,
    /// Fees and funding over mean equity (a year where the run is long enough).
    pub cost: Option<f64>,
    /// Value traded over mean equity.
    pub turnover: Option<f64>,
    /// Executions.
    pub fills: u64,
    /// Campaigns.
    pub campaigns: u64,
}

/// What ran, on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The policy's name.
    pub policy: String,
    /// `binance:BTCUSDT-PERP`.
    pub instrument: String,
    /// The underlying's currency: what quantities are in.
    pub base: String,
    /// The account's currency: what equity and costs are in.
    pub currency: String,
    /// What the account started with.
    pub deposit: f64,
    /// Start of the run.
    pub start: i64,
    /// End of the run.
    pub end: i64,
    /// Length of a bar in nanoseconds.
    pub bar: i64,
    /// The instrument's price grid, such as `0.1`.
    pub tick: f64,
    /// The instrument's quantity grid, such as `0.001`.
    pub lot: f64,
    /// The run's chain hash; its first eight digits name the run.
    pub run: String,
}

/// The scaled run, one entry a bar, in order of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// Receipt times: the close of each bar.
    pub time: Vec<i64>,
    /// Opening prices.
    pub open: Vec<f64>,
    /// Highest prices.
    pub high: Vec<f64>,
    /// Lowest prices.
    pub low: Vec<f64>,
    /// Closing prices.
    pub close: Vec<f64>,
    /// Equity after the bar.
    pub equity: Vec<f64>,
    /// Signed position after the bar.
    pub position: Vec<f64>,
    /// Signed position value over equity.
    pub exposure: Vec<f64>,
    /// The protective stop, if there is one.
    pub stop: Vec<Option<f64>>,
    /// Which cap binds: a position in [`Self::caps`].
    pub cap: Vec<Option<u16>>,
    /// Names of caps, such as `drawdown cap`.
    pub caps: Vec<String>,
    /// The volatility that sizing read, a year; none: it reads none, or knew none then.
    #[serde(default)]
    pub volatility: Vec<Option<f64>>,
    /// The exposure that the sizing rule asks for: full signal, all units, before caps. None while nothing is held.
    #[serde(default)]
    pub asked: Vec<Option<f64>>,
    /// How much of each limit was used.
    #[serde(default)]
    pub headroom: Vec<Headroom>,
}

/// A limit of the policy and how near the run came to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Headroom {
    /// Its name, as in [`Bars::caps`].
    pub name: String,
    /// The limit in words, such as `2.50 × equity`.
    pub limit: String,
    /// What is left of it after each bar: 1 is all, 0 is at the limit. None while it does not apply.
    pub left: Vec<Option<f64>>,
    /// Milder levels of the same limit, as what is left of it there.
    pub levels: Vec<f64>,
    /// What it cut, in order of time.
    pub cuts: Vec<LimitCut>,
}

/// A decision in which a limit lowered the target.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LimitCut {
    /// When.
    pub time: i64,
    /// Unsigned quantity taken off the target.
    pub quantity: f64,
    /// The plan that records it.
    pub plan: u64,
}

/// The unscaled twin on the same bars.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// Equity after each bar.
    pub equity: Vec<f64>,
    /// Signed position value over equity.
    pub exposure: Vec<f64>,
    /// When the venue liquidated it.
    pub liquidated: Option<i64>,
}

/// A hole in the tape.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The last bar before it.
    pub from: i64,
    /// The first bar after it.
    pub to: i64,
}

/// Why a fill happened: decides its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Opened a campaign.
    Entry,
    /// Added a unit; the first unit is 1.
    Add(u32),
    /// Followed volatility or equity.
    Resize,
    /// Sold a ladder rung; the first rung is 1.
    Rung(u32),
    /// The signal ended.
    Exit,
    /// The protective stop.
    Stop,
    /// A limit cut the size.
    Cut,
    /// A hedge.
    Hedge,
    /// The venue liquidated.
    Liquidation,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// When.
    pub time: i64,
    /// At what price.
    pub price: f64,
    /// Signed quantity: negative for a sale.
    pub quantity: f64,
    /// Why.
    pub purpose: Purpose,
    /// The plan that ordered it.
    pub plan: u64,
    /// The plan's deciding sentence.
    pub because: String,
}

/// Something that did not happen, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub time: i64,
    /// The price then.
    pub price: f64,
    /// The rule that refused.
    pub rule: String,
    /// Its sentence.
    pub because: String,
    /// The plan that records it.
    pub plan: u64,
    /// Held back by the buffer or the minimum order; no trigger was refused.
    pub held: bool,
}

/// What became of a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RungEnd {
    /// It sold.
    Filled,
    /// The campaign ended first.
    Lapsed,
    /// It still rests.
    Armed,
}

/// A ladder rung from arming to use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Which rung; the first is 1.
    pub index: u32,
    /// Its price.
    pub price: f64,
    /// Since when it rested.
    pub from: i64,
    /// Until when.
    pub to: i64,
    /// What became of it.
    pub end: RungEnd,
}

/// One campaign; the columns of `campaigns.parquet`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Its number, from 1.
    pub campaign: u64,
    /// Whether it was long.
    pub long: bool,
    /// Entry time.
    pub opened: i64,
    /// Exit time; none: still open.
    pub closed: Option<i64>,
    /// Entry fill.
    pub entry: f64,
    /// Average exit price.
    pub exit: Option<f64>,
    /// The volatility unit frozen at entry.
    pub unit_n: f64,
    /// The stop frozen at entry.
    pub initial_stop: Option<f64>,
    /// Units filled.
    pub units: u32,
    /// Rungs sold.
    pub rungs: u32,
    /// Largest signed position.
    pub peak: f64,
    /// Profit after fees and funding.
    pub profit: f64,
    /// Fees paid.
    pub fees: f64,
    /// Funding received, negative when paid.
    pub funding: f64,
    /// Result in R; none without a stop.
    pub r: Option<f64>,
    /// Worst open result in R.
    pub mae_r: Option<f64>,
    /// Best open result in R.
    pub mfe_r: Option<f64>,
    /// What ended it: `stop`, `signal`, `still open`.
    pub ended_by: String,
}

/// Where the profit went: scaled run and twin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The scaled run.
    pub scaled: CostLines,
    /// The twin.
    pub twin: CostLines,
}

/// One path's profit and what was taken from it. `gross − fees − spread − slippage + funding = net`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CostLines {
    /// Profit at undisturbed prices, before everything below.
    pub gross: f64,
    /// Fees paid.
    pub fees: f64,
    /// Half spreads paid.
    pub spread: f64,
    /// Slippage and impact paid.
    pub slippage: f64,
    /// Funding received; negative when paid.
    pub funding: f64,
    /// What remained.
    pub net: f64,
    /// Value traded, both sides.
    pub traded: f64,
}

/// Whether the run can be trusted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Integrity {
    /// Hash over every input, command, recorded plan and cash change.
    pub chain: String,
    /// Hash of the engine's last state.
    pub state: String,
    /// Whether a replay gave the same hash; none: not tried by this run.
    pub replayed: Option<bool>,
    /// Largest residual of the ledger identity, as exact text.
    pub residual: String,
    /// Triggers crossed and acted on.
    pub acted: u64,
    /// Triggers crossed and refused, by reason.
    pub refused: Vec<(String, u64)>,
    /// Triggers crossed that no plan accounts for.
    pub unexplained: u64,
    /// Plans that could not meet a cap.
    pub unmet_caps: u64,
    /// Bars in the tape.
    pub bars: u64,
    /// Bars where the order of the extremes changes a fill.
    pub ambiguous_bars: u64,
    /// Profit when the adverse extreme comes first, and when it comes second.
    pub path_profit: Option<(f64, f64)>,
    /// Liquidations and near misses, one sentence each.
    pub liquidations: Vec<String>,
    /// Other findings, one sentence each: snapped funding stamps, skipped cells.
    pub notes: Vec<String>,
}

/// How the run can be repeated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The policy as run.
    pub policy: String,
    /// The twin in words.
    pub twin: String,
    /// The volatility target a year, if the policy has one.
    pub target_vol: Option<f64>,
    /// Fees, spread, slippage, latency, path rule: name and value.
    pub fills: Vec<(String, String)>,
    /// `trimtab`, commit, policy hash, seed: name and value.
    pub versions: Vec<(String, String)>,
    /// Tapes: path and hash.
    pub tapes: Vec<(String, String)>,
}

/// A recorded plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its number.
    pub plan: u64,
    /// When it was decided.
    pub time: i64,
    /// The price then.
    pub price: f64,
    /// What each rule made of the target, in order.
    pub steps: Vec<PlanStep>,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The rule's name.
    pub rule: String,
    /// Signed quantity before.
    pub before: f64,
    /// Signed quantity after.
    pub after: f64,
    /// `kept`, `set`, `cut`, `refused`, `held`, `unmet`.
    pub outcome: String,
    /// The sentence.
    pub because: String,
}

impl RunSummary {
    /// The run's short name: the first eight digits of its hash.
    #[must_use]
    pub fn run_name(&self) -> &str {
        self.header.run.get(..8).unwrap_or(&self.header.run)
    }
}
