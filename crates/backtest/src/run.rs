//! One backtest: the scaled run, the same with the other order of extremes, and the twin.

use crate::derived;
use crate::feed::{self, Feed, Market, Tee};
use crate::next::Stopped;
use crate::parallel::{Tick, cores, parallel};
use crate::record::{Keep, LastBar, PaidSums, Recorder, RunFacts, Trader};
use crate::records::{Tables, VariantRow};
use crate::setup::{Setup, check_opened};
use crate::world::Recorded;
use crate::{Error, Progress};
use drive::DriveError;
use engine::{Engine, RiskRefusal};
use exchange::{Exchange, OptionSettlement, PathLog, PathRule, SettlementSource};
use market::{Catalogue, Instrument, InstrumentKind};
use policy::spec::OptionMargin;
use policy::{Policy, RiskFact};
use pricing::surface::PARITY_TOLERANCE;
use risk::growth::GrowthError;
use risk::tail::TailError;
use risk::value_at_risk::{FEWEST, MODEL_FEWEST, ValueAtRiskError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use units::state::StateWriter;
use units::{AccountId, Cash, Contract, Duration, Rate, Timestamp};

/// The version of `run.json` that this build writes, and the only one that it reads.
pub(crate) const RECORD_VERSION: u32 = 2;

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The policies: one strategy each. The first says what is assumed of venues.
    pub policies: Vec<PolicyFile>,
    /// Tapes, merged by time.
    pub tapes: Vec<PathBuf>,
    /// The program that runs it, with version and commit, for the record.
    pub program: String,
    /// The seed of a generated market, for the record.
    pub seed: Option<u64>,
}

/// A policy as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFile {
    /// The file's name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl PolicyFile {
    /// A file's name and text.
    #[must_use]
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into() }
    }
}

/// A policy of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    /// As checked.
    pub policy: Policy,
    /// Its text.
    pub text: String,
}

/// A run: its record, policies and tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The recipe and what came of it.
    pub record: RunRecord,
    /// Its policies; never empty.
    pub strategies: Vec<Strategy>,
    /// The tables of the run folder.
    pub tables: Tables,
    /// The policy with one technique at a time switched off; empty: not run.
    pub variants: Vec<VariantRow>,
    /// Whether the last replay of the folder that it was read from gave the same; `None`: there was none since it was written.
    pub replayed: Option<bool>,
}

impl Run {
    /// The first policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.strategies[0].policy
    }

    /// All policies.
    #[must_use]
    pub fn policies(&self) -> Vec<Policy> {
        self.strategies.iter().map(|strategy| strategy.policy.clone()).collect()
    }
}

/// `run.json`: the recipe and what came of it. Amounts are exact decimals as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this format.
    pub version: u32,
    /// The program that ran it.
    pub program: String,
    /// The policies.
    pub policies: Vec<PolicyStamp>,
    /// The instruments traded, in the order of the policies that name them.
    pub instruments: Vec<InstrumentStamp>,
    /// What amounts are in: the numéraire of the first account.
    pub currency: String,
    /// What one unit of each currency that an instrument settles in was worth in it at the end.
    pub rates: BTreeMap<String, String>,
    /// The tapes, as they were.
    pub tapes: Vec<TapeStamp>,
    /// The seed of a generated market.
    pub seed: Option<u64>,
    /// What the backtest assumed: name and value.
    pub configuration: BTreeMap<String, String>,
    /// Receipt time of the first bar.
    pub first: String,
    /// Receipt time of the last bar.
    pub last: String,
    /// Inputs that the engine took in.
    pub inputs: u64,
    /// How many of them asked rules. `None`: a run of before that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietStamp>,
    /// Bars of the instruments traded.
    pub bars: u64,
    /// Holes between bars.
    pub gaps: Vec<GapStamp>,
    /// Hash over every input, command, recorded plan and cash change, in order.
    pub chain: String,
    /// Hash of the engine's last snapshot.
    pub state: String,
    /// Bars where orders waited on both sides of the open, or came on the way, so that the order of the extremes could matter.
    pub ambiguous_bars: u64,
    /// Deposits less withdrawals, each at its worth when it was made.
    pub paid_in: String,
    /// Movements of money that were refused.
    pub refused_flows: Vec<String>,
    /// At what options were settled where the tapes have no mean of half an hour, and how old the quotes were that they were held at, in
    /// sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settlements: Vec<String>,
    /// Chains whose quotes record no forward, or one that calls and puts contradict, so that put–call parity tells it, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub implied_forwards: Vec<String>,
    /// Facts of risk that rules read and that were not known for a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_facts: Vec<UnknownStamp>,
    /// Recorded series that rules read and that told nothing any more at the end, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped_series: Vec<String>,
    /// Profit with the adverse extreme of each bar first.
    pub profit_adverse_first: String,
    /// Profit with the favourable extreme first.
    pub profit_favourable_first: String,
    /// Triggers that the market crossed.
    pub triggers: Triggers,
    /// Largest difference between the engine's equity and the one recomputed from fills, payments and marks.
    pub residual: String,
    /// Orders that the venue rejected.
    pub rejected: u64,
    /// What the scaled run paid.
    pub scaled: Paid,
    /// What the twin paid.
    pub twin: Paid,
    /// BLAKE3 of each file beside this one.
    pub files: BTreeMap<String, String>,
}

/// What quiet regions spared a run: within them every rule is known to decide what it decided last, and is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietStamp {
    /// How often the rules of a strategy were asked, at most once an input and strategy.
    pub evaluations: u64,
    /// Inputs at which no strategy's rules were asked.
    pub inputs: u64,
}

impl QuietStamp {
    /// The share of quiet inputs among a run's.
    #[must_use]
    pub fn share(self, inputs: u64) -> f64 {
        if inputs > 0 { self.inputs as f64 / inputs as f64 } else { 0.0 }
    }
}

impl RunRecord {
    /// The first instrument.
    #[must_use]
    pub fn instrument(&self) -> &InstrumentStamp {
        &self.instruments[0]
    }
}

/// A fact of risk that a strategy's rules read and that was not known for a time, for one kind of reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownStamp {
    /// The policy's name.
    pub strategy: String,
    /// The instrument that the rules decide on.
    pub instrument: String,
    /// As the policy writes it.
    pub fact: String,
    /// Why, the last time.
    pub reason: String,
    /// The first decision without it.
    pub first: String,
    /// The last one.
    pub last: String,
    /// How long in all, in seconds.
    pub seconds: i64,
}

/// A hole between two bars of an instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapStamp {
    /// Symbol.
    pub instrument: String,
    /// Close of the bar before.
    pub from: String,
    /// Open of the bar after.
    pub to: String,
}

/// A policy of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStamp {
    /// Its name.
    pub name: String,
    /// The file that it was read from.
    pub file: String,
    /// BLAKE3 of its text.
    pub hash: String,
}

/// An instrument of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentStamp {
    /// `venue:SYMBOL`.
    pub symbol: String,
    /// spot, linear_perpetual, inverse_perpetual, linear_future, inverse_future.
    pub kind: String,
    /// When it is settled; of dated contracts.
    pub expiry: Option<String>,
    /// The underlying.
    pub base: String,
    /// What prices are in.
    pub quote: String,
    /// What profit, fees and margin are in.
    pub settle: String,
    /// Price grid.
    pub tick: String,
    /// Quantity grid.
    pub lot: String,
}

/// A tape that was run, so that a replay can tell whether it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeStamp {
    /// Where it is.
    pub path: PathBuf,
    /// BLAKE3 of its bytes.
    pub hash: String,
    /// Its rows.
    pub rows: u64,
}

/// Triggers that the market crossed, and what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// Acted on: stops, rungs and adds filled.
    pub acted: u64,
    /// Refused, by rule and sentence.
    pub refused: BTreeMap<String, u64>,
    /// Resting orders whose price a bar crossed and that neither filled nor ended.
    pub unexplained: u64,
    /// Steps of plans that could not meet a cap.
    pub unmet: u64,
    /// Steps of plans at which nobody knew what a limit limits while something was held. Older runs counted them under `unmet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<u64>,
}

/// What one pass paid and traded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// Fees.
    pub fees: String,
    /// Funding received less paid.
    pub funding: String,
    /// Spread and slippage.
    pub slippage: String,
    /// Of `slippage`, what options cost beside the middle of bid and ask; none of a run that trades none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Of `options`, what they were filled worse than bid or ask: slippage and whole ticks. The rest is half spreads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond_quotes: Option<String>,
    /// Of `slippage`, what fills paid for their size; none of a run that assumes no impact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// Value traded, both sides.
    pub traded: String,
    /// When the venue liquidated it.
    pub liquidated: Option<String>,
}

impl Paid {
    fn of(pass: &Pass) -> Self {
        let PaidSums { fees, funding, slippage, of_options, beyond_quotes, impact, traded } = pass.facts.paid;
        let has_options = pass.instruments.iter().any(|of| of.kind == InstrumentKind::Structure);
        let if_any = |amount: Cash| has_options.then(|| amount.to_string());
        Self {
            fees: fees.to_string(),
            funding: funding.to_string(),
            slippage: slippage.to_string(),
            options: if_any(of_options),
            beyond_quotes: if_any(beyond_quotes),
            impact: (!impact.is_zero()).then(|| impact.to_string()),
            traded: traded.to_string(),
            liquidated: pass.facts.liquidated.map(|at| at.to_string()),
        }
    }
}

/// Added to the taker fee of a liquidation: half a percent of notional, a common venue's clearance fee.
pub(crate) const LIQUIDATION_FEE: Rate = Rate::from_raw(5 * Rate::ONE / 1_000);

/// Runs policies over tapes: as declared, with the other order of extremes, and their twins. `progress` may stop it.
pub fn run(request: &Request, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Run, Error> {
    let strategies = request
        .policies
        .iter()
        .map(|file| Ok(Strategy { policy: checked(&file.text)?, text: file.text.clone() }))
        .collect::<Result<Vec<_>, Error>>()?;
    let policies: Vec<Policy> = strategies.iter().map(|strategy| strategy.policy.clone()).collect();
    let stamped = |at: usize, _: &mut Tick<'_>| stamp(&request.tapes[at]);
    let tapes = parallel(request.tapes.len(), cores(), &mut |_| ControlFlow::Continue(()), stamped)?;
    let what = |variant, keep| What { policies: &policies, variant, keep, until: Timestamp::MAX };
    let (mut market, tapes_to_read) = feed::open(&request.tapes)?;
    market.catalogue = derived::extended(market.catalogue, &policies)?;
    let [(to_scaled, for_scaled), (to_other, for_other), (to_twin, for_twin)] = [(); 3].map(|()| feed::follower());
    let path = PathLog::new(market.catalogue.instruments.len());
    let (scaled, other, twin) = thread::scope(|scope| {
        let follow = |what, feed| {
            let market = &market;
            scope.spawn(move || pass(what, market, (feed, Tee::default()), &mut |_| ControlFlow::Continue(())))
        };
        let other = follow(what(Variant::OtherPath, Keep::Total), for_other);
        let twin = follow(what(Variant::Twin(path), Keep::Positions), for_twin);
        scope.spawn(move || tapes_to_read.read(vec![to_scaled, to_other]));
        // When it ends early, so do those that follow it or read for it.
        let scaled = pass(what(Variant::Scaled, Keep::All), &market, (for_scaled, Tee::to(to_twin)), progress);
        let [other, twin] =
            [other, twin].map(|pass| pass.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        Ok::<_, Error>((scaled?, other?, twin?))
    })?;
    let record = record(request, &policies, tapes, &scaled, &other, &twin);
    let mut tables = scaled.tables;
    set_twin(&mut tables, &twin.tables);
    Ok(Run { record, strategies, tables, variants: Vec::new(), replayed: None })
}

/// Writes what the twin had beside each row: its last row by then. Options that only one of the two held were settled by themselves, so
/// neither has a row for each of the other's.
fn set_twin(tables: &mut Tables, twin: &Tables) {
    let mut rows = twin.equity.iter().peekable();
    let mut last = None;
    for row in &mut tables.equity {
        while let Some(twin) = rows.next_if(|twin| twin.time <= row.time) {
            last = Some(twin);
        }
        if let Some(twin) = last {
            (row.twin_equity, row.twin_paid_in, row.twin_exposure) = (twin.equity, twin.paid_in, twin.exposure);
        }
    }
    let mut rows = twin.positions.iter().peekable();
    let mut last = BTreeMap::new();
    for row in &mut tables.positions {
        while let Some(twin) = rows.next_if(|twin| twin.time <= row.time) {
            last.insert((&*twin.strategy, &*twin.instrument), (twin.position, twin.exposure));
        }
        if let Some(twin) = last.get(&(&*row.strategy, &*row.instrument)) {
            (row.twin_position, row.twin_exposure) = *twin;
        }
    }
    let mut rows = twin.accounts.iter().peekable();
    let mut last = BTreeMap::new();
    for row in &mut tables.accounts {
        while let Some(twin) = rows.next_if(|twin| twin.time <= row.time) {
            last.insert(twin.account, twin.equity);
        }
        if let Some(equity) = last.get(&row.account) {
            row.twin_equity = *equity;
        }
    }
}

fn record(
    request: &Request,
    policies: &[Policy],
    tapes: Vec<TapeStamp>,
    scaled: &Pass,
    other: &Pass,
    twin: &Pass,
) -> RunRecord {
    let profit = |pass: &Pass| (pass.facts.equity - pass.facts.paid_in).to_string();
    let facts = &scaled.facts;
    let policy = |(policy, file): (&Policy, &PolicyFile)| PolicyStamp {
        name: policy.name.clone(),
        file: file.file.clone(),
        hash: blake3::hash(file.text.as_bytes()).to_hex().to_string(),
    };
    let symbol = |at: usize| scaled.catalogue.instruments[at].symbol.clone();
    RunRecord {
        version: RECORD_VERSION,
        program: request.program.clone(),
        policies: policies.iter().zip(&request.policies).map(policy).collect(),
        instruments: scaled.instruments.iter().map(InstrumentStamp::of).collect(),
        currency: scaled.currency.clone(),
        rates: rates(scaled),
        tapes,
        seed: request.seed,
        configuration: configuration(&policies[0], scaled),
        first: scaled.span.0.to_string(),
        last: scaled.span.1.to_string(),
        inputs: facts.inputs,
        quiet: Some(QuietStamp { evaluations: facts.evaluations, inputs: facts.quiet_inputs }),
        bars: facts.bars,
        gaps: facts
            .gaps
            .iter()
            .map(|(instrument, from, to)| GapStamp {
                instrument: symbol(instrument.index()),
                from: from.to_string(),
                to: to.to_string(),
            })
            .collect(),
        chain: scaled.chain.clone(),
        state: scaled.state.clone(),
        ambiguous_bars: scaled.ambiguous_bars,
        paid_in: facts.paid_in.to_string(),
        refused_flows: scaled.refused_flows.clone(),
        settlements: scaled.settlements.clone(),
        implied_forwards: if scaled.instruments.iter().any(|of| of.kind == InstrumentKind::Structure) {
            implied_forwards(&scaled.engine)
        } else {
            Vec::new()
        },
        unknown_facts: scaled.unknown_facts.clone(),
        stopped_series: stopped_series(policies, scaled),
        profit_adverse_first: profit(scaled),
        profit_favourable_first: profit(other),
        triggers: Triggers {
            acted: facts.acted,
            refused: facts.refused.clone(),
            unexplained: facts.unexplained,
            unmet: facts.unmet,
            unknown: Some(facts.unknown),
        },
        residual: facts.residual.to_string(),
        rejected: facts.rejected,
        scaled: Paid::of(scaled),
        twin: Paid::of(twin),
        files: BTreeMap::new(),
    }
}

/// Series that strategies read and that had stopped when the run ended, each once for whoever reads it.
fn stopped_series(policies: &[Policy], pass: &Pass) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for (id, instrument) in pass.engine.strategies() {
        let symbol = &pass.catalogue.instruments[instrument.index()].symbol;
        let own = policies.iter().filter(|policy| policy.instruments.contains(symbol));
        for policy in own {
            for of in Stopped::all(pass.engine.facts(id), policy, symbol, &pass.catalogue) {
                let whose = if policies.len() > 1 { format!(" by {}", policy.name) } else { String::new() };
                let sentence = format!(
                    "`{}`, which is read{whose}, told nothing after {}: over {} old it was not known until the end at {}",
                    of.name, of.told, of.max_age, pass.span.1
                );
                if !told.contains(&sentence) {
                    told.push(sentence);
                }
            }
        }
    }
    told
}

/// What one unit of each settlement currency is worth in the run's, at the last marks.
fn rates(pass: &Pass) -> BTreeMap<String, String> {
    let first = pass.engine.account(AccountId(0));
    let rate = |known: &Instrument| {
        let account = pass.engine.account(pass.engine.account_of(pass.catalogue.instrument_id(&known.symbol)?));
        let unit = Cash::from_raw(Cash::ONE);
        let worth = first.translate(account.numeraire(), account.translate(known.settle, unit));
        Some((known.settle.to_string(), worth.to_string()))
    };
    pass.instruments.iter().filter_map(rate).collect()
}

impl InstrumentStamp {
    /// The part of its symbol before the colon.
    pub(crate) fn venue(&self) -> &str {
        self.symbol.split_once(':').map_or("", |(venue, _)| venue)
    }

    /// How its value follows its price.
    #[must_use]
    pub fn contract(&self) -> Contract {
        match self.kind.as_str() {
            "inverse_perpetual" | "inverse_future" => Contract::Inverse,
            _ => Contract::Linear,
        }
    }

    pub(crate) fn of(instrument: &Instrument) -> Self {
        Self {
            symbol: instrument.symbol.clone(),
            kind: match instrument.kind {
                InstrumentKind::Spot => "spot",
                InstrumentKind::LinearPerpetual => "linear_perpetual",
                InstrumentKind::InversePerpetual => "inverse_perpetual",
                InstrumentKind::LinearFuture { .. } => "linear_future",
                InstrumentKind::InverseFuture { .. } => "inverse_future",
                InstrumentKind::LinearOption { .. } => "linear_option",
                InstrumentKind::InverseOption { .. } => "inverse_option",
                InstrumentKind::Structure => "structure",
            }
            .to_owned(),
            expiry: instrument.kind.expiry().map(|expiry| expiry.to_string()),
            base: instrument.base.to_string(),
            quote: instrument.quote.to_string(),
            settle: instrument.settle.to_string(),
            tick: instrument.tick.to_string(),
            lot: instrument.lot.to_string(),
        }
    }
}

/// What is paid in at the start, in each account.
fn deposits(policy: &Policy) -> String {
    let amount = |deposit: &policy::spec::Deposit| match &deposit.currency {
        Some(currency) => format!("{} {currency}", deposit.amount),
        None => deposit.amount.to_string(),
    };
    let account = |account: &policy::spec::AccountTerms| {
        let amounts: Vec<String> = account.deposits.iter().map(amount).collect();
        format!("{} at {}", amounts.join(" and "), account.venue)
    };
    let accounts: Vec<String> = policy.accounts.iter().map(account).collect();
    if accounts.is_empty() { policy.backtest.deposit.to_string() } else { accounts.join(", ") }
}

/// What stands in for venues' terms that are not known.
pub(crate) const GENERIC: &str =
    "a table of nobody's, 20x and 2.5 % maintenance and less for large positions: the venue's terms are not known";

fn configuration(policy: &Policy, scaled: &Pass) -> BTreeMap<String, String> {
    let (terms, every) = (&policy.backtest, scaled.every);
    let mut assumed = BTreeMap::from([
        ("deposit".to_owned(), deposits(policy)),
        ("taker_fee".to_owned(), terms.taker_fee.to_string()),
        ("maker_fee".to_owned(), terms.maker_fee.to_string()),
        ("half_spread".to_owned(), terms.half_spread.to_string()),
        ("slippage".to_owned(), terms.slippage.to_string()),
        ("latency".to_owned(), terms.latency.to_string()),
        ("liquidation_fee".to_owned(), LIQUIDATION_FEE.to_string()),
        ("path".to_owned(), "adverse extreme first".to_owned()),
        ("twin_base".to_owned(), terms.twin_base.to_string()),
        ("rows".to_owned(), if every == Duration::ZERO { "each bar".to_owned() } else { format!("each {every}") }),
    ]);
    if !terms.impact.is_zero() {
        assumed.insert("impact".to_owned(), terms.impact.to_string());
    }
    // A venue that is only simulated has no terms to know.
    let is_margined = |of: &&Instrument| {
        of.venue() != "sim"
            && !of.kind.is_option()
            && !matches!(of.kind, InstrumentKind::Spot | InstrumentKind::Structure)
    };
    for of in scaled.instruments.iter().filter(is_margined) {
        let known = risk::venues::known_tiers(&of.symbol, of.kind.contract(), (of.base, of.settle));
        if known.is_none() {
            assumed.insert(format!("margin of {}", of.symbol), GENERIC.to_owned());
        }
    }
    if policy.trades_options() {
        let options = &terms.options;
        assumed.insert("option_fee".to_owned(), options.fee.to_string());
        match options.margin {
            OptionMargin::Flat { initial, maintenance } => {
                assumed.insert("option_margin".to_owned(), initial.to_string());
                assumed.insert("option_maintenance".to_owned(), maintenance.to_string());
            }
            OptionMargin::Venue => {
                assumed.insert("option_margin".to_owned(), "venue".to_owned());
            }
        }
    }
    assumed
}

/// A policy's text, checked.
pub(crate) fn checked(text: &str) -> Result<Policy, Error> {
    let parsed = crate::policies::parse(text);
    parsed.policy.ok_or(Error::Policy(parsed.diagnostics))
}

/// A tape as it is now. Its path is kept absolute, so that a replay works from any folder.
pub(crate) fn stamp(path: &Path) -> Result<TapeStamp, Error> {
    let reader = tape::TapeReader::open(path)?;
    let (hash, rows) = (tape::digest(path)?, reader.info().rows);
    tracing::info!(tape = %path.display(), rows, blake3 = hash, "tape read");
    Ok(TapeStamp { path: std::path::absolute(path).map_err(Error::io(path))?, hash, rows })
}

/// Which of the runs of one backtest.
pub(crate) enum Variant {
    /// The policy.
    Scaled,
    /// The policy, with the favourable extreme of each bar first.
    OtherPath,
    /// The unscaled twin, along the path that the scaled run walked.
    Twin(PathLog),
}

impl Variant {
    /// In a log.
    fn name(&self) -> &'static str {
        match self {
            Self::Scaled => "scaled",
            Self::OtherPath => "other path",
            Self::Twin(_) => "twin",
        }
    }
}

/// One pass over the tapes.
pub(crate) struct Pass {
    pub(crate) engine: Engine,
    /// As it is at the end.
    pub(crate) exchange: Exchange,
    pub(crate) catalogue: Catalogue,
    /// Those traded, each once.
    pub(crate) instruments: Vec<Instrument>,
    /// What amounts are in.
    pub(crate) currency: String,
    pub(crate) tables: Tables,
    pub(crate) facts: RunFacts,
    pub(crate) span: (Timestamp, Timestamp),
    /// The last bar of each instrument that is traded.
    pub(crate) last_bar: Vec<Option<LastBar>>,
    /// One row of equity for each of these spans; zero: for each bar.
    pub(crate) every: Duration,
    pub(crate) chain: String,
    pub(crate) state: String,
    pub(crate) paths: PathLog,
    pub(crate) ambiguous_bars: u64,
    pub(crate) refused_flows: Vec<String>,
    pub(crate) settlements: Vec<String>,
    pub(crate) unknown_facts: Vec<UnknownStamp>,
}

/// What one pass runs.
pub(crate) struct What<'a> {
    pub(crate) policies: &'a [Policy],
    pub(crate) variant: Variant,
    pub(crate) keep: Keep,
    /// Up to and including this receipt time.
    pub(crate) until: Timestamp,
}

/// Runs one variant over tapes.
pub(crate) fn single(
    what: What<'_>,
    tapes: &[PathBuf],
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Pass, Error> {
    let (mut market, tapes) = feed::open(tapes)?;
    market.catalogue = derived::extended(market.catalogue, what.policies)?;
    pass(what, &market, (Feed::Tapes(Box::new(tapes)), Tee::default()), progress)
}

/// Runs one variant over a market, and hands on what it reads of it.
fn pass(
    what: What<'_>,
    market: &Market,
    (feed, tee): (Feed, Tee),
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Pass, Error> {
    let What { policies, variant, keep, until } = what;
    let (started, pass) = (std::time::Instant::now(), variant.name());
    tracing::info!(pass, policy = policies[0].name, "pass begun");
    let catalogue = market.catalogue.clone();
    let mut setup = Setup::new(policies, &catalogue)?;
    Setup::check_bars(&setup.traders, &catalogue, &market.barred)?;
    let span = market.span.ok_or_else(|| Error::NoBars(policies[0].instruments[0].clone()))?;
    check_opened(policies, span.0)?;
    setup.margin_options(policies, &catalogue, span)?;
    let is_twin = matches!(variant, Variant::Twin(_));
    let mut engine = setup.engine(policies, &catalogue, is_twin)?;
    setup.exchange.path = match variant {
        Variant::Scaled => PathRule::AdverseFirst,
        Variant::OtherPath => PathRule::FavourableFirst,
        Variant::Twin(log) => PathRule::Recorded(log),
    };
    let every = sampling(span, market.bars, setup.traders.len());
    let traders = setup.named_traders(policies);
    let mut recorder = Recorder::new(&engine, &catalogue, setup.accounts.clone(), traders.clone(), keep, every);
    if keep == Keep::All {
        recorder.follow_options(span);
        engine.keep_loss_forecasts();
    }
    let exchange = Exchange::new(setup.exchange, &catalogue);
    let mut traded = setup.traders.iter().map(|(_, of)| catalogue.instruments[of.index()].kind);
    let reads_quotes = !traded.any(|kind| kind == InstrumentKind::Structure);
    let mut world = Recorded::new(feed, tee, exchange, span, reads_quotes, until, progress);
    drive::run(&mut engine, &mut world, &mut recorder).map_err(|error| match error {
        DriveError::World(error) | DriveError::Journal(error) => error,
    })?;
    // A tape that was merged holds bars of one instrument and marks alone of another, which its description does not tell apart.
    if until == Timestamp::MAX {
        let paths = world.exchange.paths();
        let walked = catalogue.instruments.iter().enumerate().filter(|(at, _)| paths.bars(*at) > 0);
        Setup::check_bars(&setup.traders, &catalogue, &walked.map(|(_, of)| of.symbol.clone()).collect())?;
    }
    recorder.finish(&engine, &world.exchange);
    let (inputs, spent_ms) = (recorder.facts.inputs, started.elapsed().as_millis() as u64);
    tracing::info!(pass, policy = policies[0].name, inputs, spent_ms, "pass ended");
    let mut snapshot = StateWriter::new();
    engine.save(&mut snapshot);
    let traded: BTreeSet<_> = setup.traders.iter().map(|(_, instrument)| *instrument).collect();
    let mut listed = setup.traders.iter().map(|(_, instrument)| *instrument).collect::<Vec<_>>();
    let mut left = traded;
    listed.retain(|instrument| left.remove(instrument));
    Ok(Pass {
        instruments: listed.iter().map(|instrument| catalogue.instruments[instrument.index()].clone()).collect(),
        currency: setup.accounts[0].numeraire.to_string(),
        span,
        every,
        chain: recorder.chain(),
        state: blake3::hash(snapshot.as_bytes()).to_hex().to_string(),
        paths: world.exchange.paths().clone(),
        ambiguous_bars: world.exchange.ambiguous_bars(),
        refused_flows: world.exchange.refused_flows().iter().map(ToString::to_string).collect(),
        settlements: settlements(world.exchange.settled_options(), &recorder.facts),
        unknown_facts: unknown_facts(&engine, &traders, &catalogue),
        last_bar: recorder.last_bar,
        tables: recorder.tables,
        facts: recorder.facts,
        engine,
        exchange: world.exchange,
        catalogue,
    })
}

/// What facts of risk were not known, strategy by strategy in each of its instruments.
fn unknown_facts(engine: &Engine, traders: &[Trader], catalogue: &Catalogue) -> Vec<UnknownStamp> {
    let stamp = |of: engine::UnknownFact| {
        let trader = &traders[of.strategy.index()];
        UnknownStamp {
            strategy: trader.policy.to_string(),
            instrument: catalogue.instruments[trader.instrument.index()].symbol.clone(),
            fact: catalogue.series[of.series.index()].clone(),
            reason: of.refusal.reason() + &remedy(&catalogue.series[of.series.index()], &of.refusal),
            first: of.first.to_string(),
            last: of.last.to_string(),
            seconds: of.span.nanos() / Duration::SECOND.nanos(),
        }
    };
    engine.unknown_risk().into_iter().map(stamp).collect()
}

/// What to do about a fact that was not known, where its reason does not say: how much has to go by before what may be lost, or what an
/// account's days say of ruin and growth, is known.
fn remedy(fact: &str, refusal: &RiskRefusal) -> String {
    let let_through = || format!("let rules pass meanwhile (`!known({fact}) || …`)");
    match refusal {
        RiskRefusal::TooFewDays { .. } => {
            return format!(
                ". Whole days of the run count, from midnight to midnight UTC: let the tapes begin {} days before it is to be \
                 known, and {}, for a first entry that waits for it never comes",
                RiskRefusal::DAYS_MIN,
                let_through()
            );
        }
        RiskRefusal::Growth(GrowthError::Outside { name: "a return", .. }) => {
            return ". All was lost in a day, of which no later one recovers: hold less by a limit that looks ahead, such as \
                    `liquidation.distance()`, or end the tapes before"
                .to_owned();
        }
        RiskRefusal::Growth(GrowthError::Outside { .. }) => {
            return format!(
                ". The account's worth never moved over these days: it has to trade before, so {}",
                let_through()
            );
        }
        RiskRefusal::Growth(GrowthError::NoLoss | GrowthError::TooFew { .. }) => {
            return format!(
                ". Ask for a longer window (365d at most), give tapes that begin earlier, and {}",
                let_through()
            );
        }
        _ => {}
    }
    let too_little = matches!(
        refusal,
        RiskRefusal::ValueAtRisk(
            ValueAtRiskError::TooLittle { .. }
                | ValueAtRiskError::TooLittleForModel { .. }
                | ValueAtRiskError::Beyond { .. }
                | ValueAtRiskError::Tail(TailError::TooFew { .. })
        )
    );
    let Ok(RiskFact::Tail(fact)) = fact.parse::<RiskFact>() else { return String::new() };
    if !too_little {
        return String::new();
    }
    let step = fact.step();
    // A horizon is at most half of the history; where each change is a scenario, one has to lie beyond.
    let needed = if fact.is_drawn() {
        2 * (fact.horizon.nanos() / step.nanos()) as usize
    } else {
        10_000_usize.div_ceil(10_000 - usize::from(fact.confidence))
    };
    let is_model = matches!(refusal, RiskRefusal::ValueAtRisk(ValueAtRiskError::TooLittleForModel { .. }));
    let count = needed.max(if is_model { MODEL_FEWEST } else { FEWEST });
    let whole = Duration::from_nanos(count as i64 * step.nanos());
    format!(
        ". The engine keeps a history of its own, a row each {step} of the run, and this fact needs {count} changes: give tapes that begin \
         {whole} before it is to be known, or ask for a shorter horizon"
    )
}

/// Chains with expiries whose forward is that of put–call parity: none was recorded, or one that calls and puts contradict.
fn implied_forwards(engine: &Engine) -> Vec<String> {
    let chains = engine.chains().chains().iter().filter(|chain| chain.implied() > 0);
    let sentence = |chain: &risk::chain::Chain| {
        let (expiries, it) = if chain.implied() == 1 {
            ("1 expiry".to_owned(), "its")
        } else {
            (format!("{} expiries", chain.implied()), "their")
        };
        format!(
            "no quote of {expiries} of {}:{} options records a forward: legs were chosen and valued by {it} put–call parity",
            chain.venue(),
            chain.base()
        )
    };
    let refused = engine.chains().chains().iter().filter_map(|chain| {
        let refused: Vec<_> = chain.refused_forwards().collect();
        let worst = refused.iter().max_by(|a, b| a.over().abs().total_cmp(&b.over().abs()))?;
        let expiries = if refused.len() == 1 { "1 expiry".to_owned() } else { format!("{} expiries", refused.len()) };
        Some(format!(
            "recorded forwards of {expiries} of {}:{} options were not taken: calls and puts contradict them by more than {} % (one of {} \
             where they imply {:.2}, {:+.1} %), so legs were chosen and valued by put–call parity there",
            chain.venue(),
            chain.base(),
            PARITY_TOLERANCE * 100.0,
            worst.told,
            worst.parity.approximate(),
            worst.over() * 100.0
        ))
    });
    chains.map(sentence).chain(refused).collect()
}

/// At what options were settled where that was no mean of several prices, and at how old quotes they were held.
fn settlements(settled: &[OptionSettlement], RunFacts { settled: held, stalest, .. }: &RunFacts) -> Vec<String> {
    let settled: Vec<_> = settled.iter().filter(|option| held.contains(&option.instrument)).collect();
    let count = |of: &dyn Fn(SettlementSource) -> bool| settled.iter().filter(|option| of(option.source)).count();
    let sentence = |count: usize, what: &str| {
        let options = if count == 1 { "option was" } else { "options were" };
        (count > 0).then(|| format!("{count} {options} settled at {what}"))
    };
    let one = count(&|source| source == SettlementSource::Average { prices: 1 });
    let ages = settled.iter().filter_map(|option| match option.source {
        SettlementSource::Last { age } => Some(age),
        _ => None,
    });
    let old = ages.clone().max().map_or_else(String::new, |oldest| {
        let youngest = ages.clone().min().unwrap_or(oldest);
        let span = if youngest == oldest { oldest.to_string() } else { format!("{youngest} to {oldest}") };
        format!(
            "the last price of the underlying, {span} before expiry: the tapes have none of the half hour before it"
        )
    });
    let [forward, parity] = [SettlementSource::Quote, SettlementSource::Parity].map(|of| count(&|source| source == of));
    let told = [
        sentence(one, "one price of the underlying, the only one that the tapes have of the half hour before expiry"),
        sentence(ages.count(), &old),
        sentence(forward, "the forward of the last quote: until then the tapes have no price of the underlying, or one over an hour older"),
        sentence(
            parity,
            "the forward that calls and puts imply: until then the tapes have no price of the underlying, or one over an hour older, and \
             of forwards none that calls and puts do not contradict",
        ),
        (*stalest > Duration::DAY).then(|| {
            format!(
                "options were held up to {stalest} after their last quote: until their settlement equity has them at that quote, so \
                 drawdown and volatility of that time are not theirs"
            )
        }),
    ];
    told.into_iter().flatten().collect()
}

/// Rows of positions that a run keeps at most, about: enough for any picture, and in bounded memory.
const ROWS: u64 = 100_000;

/// How often a run keeps a row: at every bar, or less often where that were more rows than it is to hold.
fn sampling((first, last): (Timestamp, Timestamp), bars: u64, traders: usize) -> Duration {
    if bars <= ROWS {
        return Duration::ZERO;
    }
    let rows = |every: Duration| last.since(first).nanos() / every.nanos() * traders as i64;
    let steps = [5, 15, 60, 240].map(|minutes| Duration::from_nanos(minutes * 60 * Duration::SECOND.nanos()));
    steps.into_iter().find(|every| rows(*every) <= ROWS as i64).unwrap_or(Duration::DAY)
}
