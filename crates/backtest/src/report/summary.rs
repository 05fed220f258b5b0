//! What a report page is made of: one plain structure, filled from a run.
//!
//! Everything here is for display: times are UTC nanoseconds, amounts are the nearest doubles of the exact values that
//! stand in the run folder. Fractions are fractions (`0.6` is 60 %). Per-bar lists are equally long.

use crate::metrics::{Amounts, EqualVol, Missing, Path, Scores, equal_volatility, mean, time_weighted};
use crate::surface::QuoteView;
use serde::{Deserialize, Serialize};
use units::Timestamp;

/// Version of [`RunSummary`]; raised when a field changes its meaning.
pub const SUMMARY_VERSION: u32 = 2;

/// A run, as a page shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// [`SUMMARY_VERSION`].
    pub version: u32,
    /// What ran, on what.
    pub header: Header,
    /// Names of the policies; others name them by their position.
    pub strategies: Vec<String>,
    /// The book of the scaled run, one entry a row of equity.
    pub bars: Bars,
    /// The instruments traded, the main one first; others name them by their position.
    pub instruments: Vec<Traded>,
    /// The twin on the same bars.
    pub twin: Twin,
    /// Each account, where there are several.
    pub accounts: Vec<AccountPath>,
    /// Holes that all tapes share, in order.
    pub gaps: Vec<Gap>,
    /// Campaigns in order of opening.
    pub campaigns: Vec<Campaign>,
    /// The twin's round trips in R of the campaigns they run beside; empty: the twin has no R.
    pub twin_r: Vec<f64>,
    /// What each strategy made in each instrument.
    pub parts: Vec<Part>,
    /// Orders that filled, in order of time.
    pub executions: Vec<Execution>,
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
    /// Greeks of the options held, by underlying; empty: none were.
    #[serde(default)]
    pub greeks: Vec<GreekPath>,
    /// Surfaces of what is traded; empty: its options are not quoted.
    #[serde(default)]
    pub surfaces: Vec<SurfacePath>,
    /// What rules that read value at risk were told, and what came; empty: none do.
    #[serde(default)]
    pub losses: Vec<LossPath>,
    /// Value at risk at each step, where it was asked for.
    #[serde(default)]
    pub risk: Option<RiskRecord>,
}

/// Value at risk told one step ahead, and what came. Lists are equally long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskRecord {
    /// Why there is none.
    pub absent: Option<String>,
    /// Length of a step in nanoseconds.
    pub step: i64,
    /// Changes that the first forecast has behind it, and that any has at most.
    pub behind: u64,
    /// See `behind`.
    pub window: u64,
    /// Decay of the weights that volatilities are forecast by.
    pub decay: f64,
    /// Whether options are held, so that figures are by their Greeks; of the twin there are none then.
    #[serde(default)]
    pub has_options: bool,
    /// Ends of the steps that were forecast.
    pub time: Vec<i64>,
    /// Steps that span a hole in the market.
    pub holes: u64,
    /// The scaled run.
    pub scaled: RiskPath,
    /// Its twin.
    pub twin: RiskPath,
    /// Whose the scaled run's risk was, the largest first.
    pub shares: Vec<RiskShare>,
}

/// What rules were told of an account at one confidence, horizon and method, and what came of it over the horizon: horizons one after the
/// other, none over another. Lists are equally long; fractions of equity at the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LossPath {
    /// The account's venue; empty: there is one account.
    pub account: String,
    /// Such as `0.99`.
    pub confidence: f64,
    /// In nanoseconds.
    pub horizon: i64,
    /// `filtered`, `historical`, `montecarlo`.
    pub method: String,
    /// Horizons at whose start nothing was known yet, and such that span a hole in the market: both are left out.
    pub unknown: u64,
    /// See `unknown`.
    pub holes: u64,
    /// Ends.
    pub time: Vec<i64>,
    /// What was told before, over zero where a loss.
    pub value_at_risk: Vec<f64>,
    /// Likewise.
    pub expected_shortfall: Vec<f64>,
    /// What the positions of the start, held still, had made.
    pub held: Vec<f64>,
    /// What equity made, trades and costs meanwhile included.
    pub made: Vec<f64>,
    /// Parts of strategies in expected shortfall; they add up to it.
    pub parts: Vec<LossPart>,
}

/// The part of a strategy in one instrument.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LossPart {
    /// The policy's name. Empty: coins and profit that lie in the account.
    pub strategy: String,
    /// Symbol, or empty.
    pub instrument: String,
    /// As long as the lists of the path.
    pub shortfall: Vec<f64>,
}

/// Forecasts of one path, as fractions of equity at the start of each step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskPath {
    /// What equity made.
    pub made: Vec<f64>,
    /// What the positions at the start would have made.
    pub still: Vec<f64>,
    /// What was told before, by confidence.
    pub levels: Vec<RiskLevel>,
}

/// Forecasts at one confidence; zero where nothing was held.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskLevel {
    /// Such as `0.99`.
    pub confidence: f64,
    /// Over zero where a loss.
    pub value_at_risk: Vec<f64>,
    /// Likewise.
    pub expected_shortfall: Vec<f64>,
}

/// What one strategy in one instrument added to expected shortfall at 95 %.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskShare {
    /// Position in [`RunSummary::strategies`].
    pub strategy: usize,
    /// Position in [`RunSummary::instruments`].
    pub instrument: usize,
    /// Mean over the steps at whose start something was held, as a fraction of equity.
    pub shortfall: f64,
    /// The same step by step.
    #[serde(default)]
    pub path: Vec<f64>,
}

/// Greeks of all options on one underlying over time, while some were held. Lists are equally long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GreekPath {
    /// The coin.
    pub underlying: String,
    /// When.
    pub time: Vec<i64>,
    /// The coin's price in dollars.
    pub price: Vec<f64>,
    /// Options held.
    pub options: Vec<u64>,
    /// Coins that they move like, the smile sticky by strike.
    pub delta: Vec<f64>,
    /// What is added if it is sticky by moneyness.
    pub skew_delta: Vec<f64>,
    /// The price in coin of those that are paid for in coin.
    pub premium: Vec<f64>,
    /// Coins that spot, perpetuals and futures beside them move like.
    pub hedge: Vec<f64>,
    /// Dollars by which delta in dollars changes for a move of 1 %.
    pub cash_gamma: Vec<f64>,
    /// Dollars for 0.01 of volatility.
    pub vega: Vec<f64>,
    /// Dollars for a day.
    pub theta: Vec<f64>,
    /// Moments at which an option had no volatility and is left out.
    pub unpriced: u64,
    /// By expiry and strike, at the last moment.
    pub cells: Vec<GreekCell>,
    /// By venue, then by strategy, at the same moment.
    #[serde(default)]
    pub parts: Vec<GreekPart>,
}

/// Greeks of what is held at one venue, or by one strategy. Numbers are those of [`GreekPath`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GreekPart {
    /// Its name.
    pub name: String,
    /// Whether it is a strategy; else a venue.
    pub is_strategy: bool,
    /// The numbers.
    pub sums: GreekCell,
}

/// Greeks of the options of one expiry and strike, or of another part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GreekCell {
    /// When.
    pub time: i64,
    /// When they expire; of another part 0.
    pub expiry: i64,
    /// In dollars; likewise.
    pub strike: f64,
    /// How many positions.
    pub options: u64,
    /// As in [`GreekPath`].
    pub delta: f64,
    /// Likewise.
    pub skew_delta: f64,
    /// Likewise.
    #[serde(default)]
    pub premium: f64,
    /// Likewise; of options by expiry and strike none.
    #[serde(default)]
    pub hedge: f64,
    /// Likewise.
    #[serde(default)]
    pub cash_gamma: f64,
    /// Likewise.
    pub vega: f64,
    /// Likewise.
    #[serde(default)]
    pub theta: f64,
}

/// The surfaces of one chain over time. Volatilities are annual fractions; none: there was no surface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SurfacePath {
    /// Where the options are listed.
    pub venue: String,
    /// What they are on.
    pub underlying: String,
    /// What they settle in.
    pub settle: String,
    /// When.
    pub time: Vec<i64>,
    /// At the money, 7 days.
    pub atm_7d: Vec<Option<f64>>,
    /// At the money, 30 days.
    pub atm_30d: Vec<Option<f64>>,
    /// At the money, 90 days.
    pub atm_90d: Vec<Option<f64>>,
    /// 25-delta risk reversal of 30 days.
    pub risk_reversal_30d: Vec<Option<f64>>,
    /// 25-delta butterfly of 30 days.
    pub butterfly_30d: Vec<Option<f64>>,
    /// When the last surface was.
    pub smiles_at: i64,
    /// Its smiles, by expiry.
    pub smiles: Vec<SmileCurve>,
}

/// The smile of one expiry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SmileCurve {
    /// When it expires.
    pub expiry: i64,
    /// Its forward in dollars.
    pub forward: f64,
    /// By strike.
    pub quotes: Vec<QuoteView>,
}

/// An instrument that was traded, one entry a bar of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Traded {
    /// `binance:BTCUSDT-PERP`.
    pub symbol: String,
    /// What quantities are in: the underlying, or the quote currency of an inverse contract.
    pub unit: String,
    /// What prices are in.
    pub quote: String,
    /// What its profit and fees are in.
    pub currency: String,
    /// Price grid, such as `0.1`.
    pub tick: f64,
    /// Quantity grid, such as `0.001`.
    pub lot: f64,
    /// Whether it is a structure of options, whose price is what its legs are worth together.
    #[serde(default)]
    pub is_structure: bool,
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
    /// Signed position after the bar, of all strategies together.
    pub position: Vec<f64>,
    /// Its signed value over equity.
    pub exposure: Vec<f64>,
    /// The same of the twin.
    pub twin_exposure: Vec<f64>,
    /// The volatility that sizing read, a year; none: it reads none, or knew none then.
    pub volatility: Vec<Option<f64>>,
    /// The protective stops, one list a strategy that trades it.
    pub stops: Vec<Stops>,
    /// Holes in its tape, in order.
    pub gaps: Vec<Gap>,
    /// Executions, in order of time.
    pub fills: Vec<Fill>,
    /// Triggers that were crossed and refused, and increases that were held back, in order of time.
    pub refusals: Vec<Refusal>,
    /// Ladder rungs from arming to use.
    pub rungs: Vec<Rung>,
}

/// The protective stop of one strategy after each bar of an instrument.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stops {
    /// Position in [`RunSummary::strategies`].
    pub strategy: usize,
    /// The stop, if there is one.
    pub price: Vec<Option<f64>>,
}

/// One account over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AccountPath {
    /// Its venue.
    pub venue: String,
    /// What its equity is in.
    pub currency: String,
    /// When.
    pub time: Vec<i64>,
    /// What it was worth.
    pub equity: Vec<f64>,
    /// The twin's.
    pub twin_equity: Vec<f64>,
    /// The deepest fall under its highest equity, as a negative fraction; money moved is no fall.
    pub drawdown: f64,
}

/// What one strategy made in one instrument, in the run's currency at the last marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Position in [`RunSummary::strategies`].
    pub strategy: usize,
    /// Position in [`RunSummary::instruments`].
    pub instrument: usize,
    /// Profit before fees and funding, what is open at its mark.
    pub profit: f64,
    /// Fees paid.
    pub fees: f64,
    /// Funding received; negative when paid.
    pub funding: f64,
    /// Value traded at the venue, both sides.
    pub traded: f64,
    /// Value traded with other strategies of the account, without the venue.
    pub crossed: f64,
    /// Campaigns, the open one included.
    pub campaigns: u64,
    /// Of them closed.
    pub closed: u64,
    /// Of the closed ones, those with a profit after fees and funding.
    pub won: u64,
    /// Sum of the R of campaigns that have one.
    pub r: f64,
    /// How many have one.
    pub with_r: u64,
    /// Mean of the unsigned exposure over its bars, flat ones included.
    pub mean_exposure: f64,
    /// The largest unsigned exposure.
    pub largest_exposure: f64,
}

/// An order that filled, in one part or several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its first fill.
    pub time: i64,
    /// Its value in the run's currency.
    pub value: f64,
    /// Spread and slippage paid, in the run's currency.
    pub slippage: f64,
    /// Its quantity over the volume of the bars that it filled in; none: the tape has no volumes.
    pub participation: Option<f64>,
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
    /// What equity and costs are in.
    pub currency: String,
    /// What was paid in at the start.
    pub deposit: f64,
    /// Start of the run.
    pub start: i64,
    /// End of the run.
    pub end: i64,
    /// Length of a bar in nanoseconds.
    pub bar: i64,
    /// The run's chain hash; its first eight digits name the run.
    pub run: String,
}

/// The book of the scaled run, all instruments together, one entry a row of equity, in order of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// Receipt times.
    pub time: Vec<i64>,
    /// Equity then.
    pub equity: Vec<f64>,
    /// Deposits less withdrawals so far.
    pub paid_in: Vec<f64>,
    /// Signed value of all positions over equity.
    pub exposure: Vec<f64>,
    /// Unsigned value of all positions over equity.
    pub gross: Vec<f64>,
    /// Which cap binds: a position in [`Self::caps`].
    pub cap: Vec<Option<u16>>,
    /// Names of caps, such as `drawdown cap`.
    pub caps: Vec<String>,
    /// The exposure that the sizing rule asks for: full signal, all units, before caps. None while nothing is held, and
    /// where several instruments or strategies share the equity.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LimitCut {
    /// When.
    pub time: i64,
    /// In which instrument.
    pub instrument: usize,
    /// Unsigned quantity taken off the target.
    pub quantity: f64,
    /// Its value over equity then.
    pub exposure: f64,
    /// The plan that records it.
    pub plan: u64,
}

/// The unscaled twin on the same bars.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// Equity after each bar.
    pub equity: Vec<f64>,
    /// Deposits less withdrawals so far.
    pub paid_in: Vec<f64>,
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
    /// Options that expire were replaced by others.
    Roll,
    /// The venue settled what had expired.
    Settlement,
}

/// One execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// Whose: a position in [`RunSummary::strategies`].
    pub strategy: usize,
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
    /// Whose: a position in [`RunSummary::strategies`].
    pub strategy: usize,
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
    /// Whose: a position in [`RunSummary::strategies`].
    pub strategy: usize,
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
    /// Whose: a position in [`RunSummary::strategies`].
    pub strategy: usize,
    /// In which instrument: a position in [`RunSummary::instruments`].
    pub instrument: usize,
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
    /// How often plans could not meet a cap.
    pub unmet_caps: u64,
    /// How often they did not know what a limit limits while something was held.
    #[serde(default)]
    pub unknown_limits: u64,
    /// Inputs, those at which no rules were asked, and how often a strategy's were.
    pub quiet: Option<(u64, u64, u64)>,
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
    /// Whose: a position in [`RunSummary::strategies`].
    pub strategy: usize,
    /// For which instrument: a position in [`RunSummary::instruments`].
    pub instrument: usize,
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

/// The figures of a run, its twin, and the twin at equal volatility, with the paths that they are taken from.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// The start, then each row of equity.
    pub times: Vec<Timestamp>,
    /// The scaled run's worth at each, as if no money had been moved after the start.
    pub equity: Vec<f64>,
    /// The twin's.
    pub twin_equity: Vec<f64>,
    /// Figures of the scaled run.
    pub scaled: Scores,
    /// Figures of the twin.
    pub twin: Scores,
    /// The twin at equal volatility: its path and its figures.
    pub equal: Result<(EqualVol, Scores), Missing>,
}

impl RunSummary {
    /// The figures of every comparison.
    #[must_use]
    pub fn columns(&self) -> Columns {
        let nanos = std::iter::once(self.header.start).chain(self.bars.time.iter().copied());
        let times: Vec<Timestamp> = nanos.map(Timestamp::from_nanos).collect();
        let column = |equity: &[f64], paid_in: &[f64], costs: &CostLines| {
            let from_start = |values: &[f64]| -> Vec<f64> {
                std::iter::once(self.header.deposit).chain(values.iter().copied()).collect()
            };
            let equity = from_start(equity);
            let amounts = Amounts {
                mean_equity: mean(equity.iter().copied()),
                traded: costs.traded,
                cost: costs.fees - costs.funding,
            };
            let worth = time_weighted(&equity, &from_start(paid_in));
            let scores = Scores::of(Path { times: &times, equity: &worth }, amounts);
            (worth, scores)
        };
        let (equity, scaled) = column(&self.bars.equity, &self.bars.paid_in, &self.costs.scaled);
        let (twin_equity, twin) = column(&self.twin.equity, &self.twin.paid_in, &self.costs.twin);
        let path = Path { times: &times, equity: &twin_equity };
        let equal = scaled.volatility.and_then(|target| equal_volatility(path, target)).map(|equal| {
            let scores = Scores::of_equal_vol(&times, &equal, &twin);
            (equal, scores)
        });
        Columns { times, equity, twin_equity, scaled, twin, equal }
    }

    /// All policies, shortened when there are many.
    #[must_use]
    pub fn policy_names(&self) -> String {
        shortened(self.strategies.iter().map(String::as_str), " + ")
    }

    /// All instruments, shortened when there are many: `BTCUSDT-PERP, Binance`.
    #[must_use]
    pub fn instrument_names(&self) -> String {
        let split = |known: &'_ Traded| -> (String, String) {
            let (venue, symbol) = known.symbol.split_once(':').unwrap_or(("", &known.symbol));
            let mut letters = venue.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            (format!("{first}{}", letters.as_str()), symbol.to_owned())
        };
        let all: Vec<(String, String)> = self.instruments.iter().map(split).collect();
        let Some((venue, _)) = all.first() else { return String::new() };
        if all.iter().all(|(other, _)| other == venue) {
            let symbols = shortened(all.iter().map(|(_, symbol)| symbol.as_str()), ", ");
            return if venue.is_empty() { symbols } else { format!("{symbols}, {venue}") };
        }
        let named: Vec<String> = all.iter().map(|(venue, symbol)| format!("{symbol} ({venue})")).collect();
        shortened(named.iter().map(String::as_str), ", ")
    }

    /// The run's short name: the first eight digits of its hash.
    #[must_use]
    pub fn run_name(&self) -> &str {
        self.header.run.get(..8).unwrap_or(&self.header.run)
    }
}

/// So many names stand in a heading.
const NAMES: usize = 3;

/// Names joined; of many the first few and how many more.
fn shortened<'a>(names: impl ExactSizeIterator<Item = &'a str>, between: &str) -> String {
    let count = names.len();
    let shown: Vec<&str> = names.take(if count > NAMES + 1 { NAMES } else { count }).collect();
    let more = count - shown.len();
    let joined = shown.join(between);
    if more > 0 { format!("{joined} and {more} more") } else { joined }
}
