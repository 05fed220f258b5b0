//! One backtest: the scaled run, the same with the other order of extremes, and the twin.

use crate::record::{Recorder, RunFacts, exposure};
use crate::records::{Tables, VariantRow};
use crate::world::{Recorded, merge, span};
use crate::{Error, Progress};
use drive::DriveError;
use engine::{Engine, EngineConfig, LiquidationGuard, StrategyConfig};
use exchange::{ExchangeConfig, PathLog, PathRule};
use market::{Catalogue, Instrument, InstrumentKind};
use policy::{Policy, Program};
use risk::TierTable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use units::state::StateWriter;
use units::{AccountId, Cash, InstrumentId, Rate, StrategyId, Timestamp};

/// The version of `run.json` that this build writes, and the latest that it reads.
pub(crate) const RECORD_VERSION: u32 = 1;

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The policy file's name, for messages.
    pub policy_file: String,
    /// Its text.
    pub policy_text: String,
    /// Tapes, merged by time.
    pub tapes: Vec<PathBuf>,
    /// The program that runs it, with version and commit, for the record.
    pub program: String,
    /// The seed of a generated market, for the record.
    pub seed: Option<u64>,
}

/// A run: its record, policy and tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The recipe and what came of it.
    pub record: RunRecord,
    /// The policy as checked.
    pub policy: Policy,
    /// Its text.
    pub policy_text: String,
    /// The tables of the run folder.
    pub tables: Tables,
    /// The policy with one technique at a time switched off; empty: not run.
    pub variants: Vec<VariantRow>,
}

/// `run.json`: the recipe and what came of it. Amounts are exact decimals as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this format.
    pub version: u32,
    /// The program that ran it.
    pub program: String,
    /// The policy.
    pub policy: PolicyStamp,
    /// The instrument traded.
    pub instrument: InstrumentStamp,
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
    /// Bars of the instrument.
    pub bars: u64,
    /// Holes between bars: last close before, first open after.
    pub gaps: Vec<(String, String)>,
    /// Hash over every input, command, recorded plan and cash change, in order.
    pub chain: String,
    /// Hash of the engine's last snapshot.
    pub state: String,
    /// Bars where orders waited on both sides of the open, so that the order of the extremes could matter.
    pub ambiguous_bars: u64,
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

/// The policy of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStamp {
    /// Its name.
    pub name: String,
    /// The file that it was read from.
    pub file: String,
    /// BLAKE3 of its text.
    pub hash: String,
}

/// The instrument of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentStamp {
    /// `venue:SYMBOL`.
    pub symbol: String,
    /// The underlying.
    pub base: String,
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
    /// Plans that could not meet a cap.
    pub unmet: u64,
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
    /// Value traded, both sides.
    pub traded: String,
    /// When the venue liquidated it.
    pub liquidated: Option<String>,
}

impl Paid {
    fn of(pass: &Pass) -> Self {
        Self {
            fees: pass.tables.fills.iter().map(|fill| fill.fee).sum::<Cash>().to_string(),
            funding: pass.tables.funding.iter().map(|payment| payment.amount).sum::<Cash>().to_string(),
            slippage: pass.facts.slippage.to_string(),
            traded: pass.facts.traded.to_string(),
            liquidated: pass.facts.liquidated.map(|at| at.to_string()),
        }
    }
}

/// Added to the taker fee of a liquidation: half a percent of notional, a common venue's clearance fee.
const LIQUIDATION_FEE: Rate = Rate::from_raw(5 * Rate::ONE / 1_000);

/// Runs a policy over tapes: as declared, with the other order of extremes, and its twin. `progress` may stop it.
pub fn run(request: &Request, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Run, Error> {
    let policy = checked(&request.policy_text)?;
    let tapes = request.tapes.iter().map(|path| stamp(path)).collect::<Result<Vec<_>, _>>()?;
    let mut passes = Passes { number: 0, progress };
    let scaled = single(&policy, &request.tapes, Variant::Scaled, Timestamp::MAX, &mut passes.next())?;
    let other = single(&policy, &request.tapes, Variant::OtherPath, Timestamp::MAX, &mut passes.next())?;
    let twin = Variant::Twin(scaled.paths.clone());
    let twin = single(&policy, &request.tapes, twin, Timestamp::MAX, &mut passes.next())?;
    let record = record(request, &policy, tapes, &scaled, &other, &twin);
    let twin_of = scaled.instrument.kind.contract();
    let mut tables = scaled.tables;
    for (row, twin) in tables.equity.iter_mut().zip(&twin.tables.equity) {
        (row.twin_position, row.twin_equity) = (twin.position, twin.equity);
        row.twin_exposure = exposure(twin_of, twin.mark, twin.position, twin.equity);
    }
    Ok(Run { record, policy, policy_text: request.policy_text.clone(), tables, variants: Vec::new() })
}

/// Spreads the progress of three passes over one scale.
struct Passes<'a> {
    number: u64,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl Passes<'_> {
    const COUNT: u64 = 3;

    fn next(&mut self) -> impl FnMut(Progress) -> ControlFlow<()> + '_ {
        let before = self.number;
        self.number += 1;
        move |Progress { done, total, reached }| {
            (self.progress)(Progress { done: before * total + done, total: total * Self::COUNT, reached })
        }
    }
}

fn record(
    request: &Request,
    policy: &Policy,
    tapes: Vec<TapeStamp>,
    scaled: &Pass,
    other: &Pass,
    twin: &Pass,
) -> RunRecord {
    let profit = |pass: &Pass| (pass.equity - policy.backtest.deposit).to_string();
    let facts = &scaled.facts;
    RunRecord {
        version: RECORD_VERSION,
        program: request.program.clone(),
        policy: PolicyStamp {
            name: policy.name.clone(),
            file: request.policy_file.clone(),
            hash: blake3::hash(request.policy_text.as_bytes()).to_hex().to_string(),
        },
        instrument: InstrumentStamp {
            symbol: scaled.instrument.symbol.clone(),
            base: scaled.instrument.base.to_string(),
            settle: scaled.instrument.settle.to_string(),
            tick: scaled.instrument.tick.to_string(),
            lot: scaled.instrument.lot.to_string(),
        },
        tapes,
        seed: request.seed,
        configuration: configuration(policy),
        first: scaled.span.0.to_string(),
        last: scaled.span.1.to_string(),
        inputs: facts.inputs,
        bars: facts.bars,
        gaps: facts.gaps.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect(),
        chain: scaled.chain.clone(),
        state: scaled.state.clone(),
        ambiguous_bars: scaled.ambiguous_bars,
        profit_adverse_first: profit(scaled),
        profit_favourable_first: profit(other),
        triggers: Triggers {
            acted: facts.acted,
            refused: facts.refused.clone(),
            unexplained: facts.unexplained,
            unmet: facts.unmet,
        },
        residual: facts.residual.to_string(),
        rejected: facts.rejected,
        scaled: Paid::of(scaled),
        twin: Paid::of(twin),
        files: BTreeMap::new(),
    }
}

fn configuration(policy: &Policy) -> BTreeMap<String, String> {
    let terms = &policy.backtest;
    BTreeMap::from([
        ("deposit".to_owned(), terms.deposit.to_string()),
        ("taker_fee".to_owned(), terms.taker_fee.to_string()),
        ("maker_fee".to_owned(), terms.maker_fee.to_string()),
        ("half_spread".to_owned(), terms.half_spread.to_string()),
        ("slippage".to_owned(), terms.slippage.to_string()),
        ("latency".to_owned(), terms.latency.to_string()),
        ("liquidation_fee".to_owned(), LIQUIDATION_FEE.to_string()),
        ("path".to_owned(), "adverse extreme first".to_owned()),
        ("twin_base".to_owned(), terms.twin_base.to_string()),
    ])
}

/// A policy's text, checked.
pub(crate) fn checked(text: &str) -> Result<Policy, Error> {
    let parsed = policy::parse(text);
    let policy = parsed.policy.ok_or(Error::Policy(parsed.diagnostics))?;
    match policy.instruments.len() {
        1 => Ok(policy),
        count => Err(Error::Instruments { name: policy.name, count }),
    }
}

/// A tape as it is now. Its path is kept absolute, so that a replay works from any folder.
pub(crate) fn stamp(path: &Path) -> Result<TapeStamp, Error> {
    let reader = tape::TapeReader::open(path)?;
    let (hash, rows) = (tape::digest(path)?, reader.info().rows);
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

/// One pass over the tapes.
pub(crate) struct Pass {
    pub(crate) engine: Engine,
    pub(crate) strategy: StrategyId,
    pub(crate) instrument: Instrument,
    pub(crate) tables: Tables,
    pub(crate) facts: RunFacts,
    pub(crate) span: (Timestamp, Timestamp),
    pub(crate) chain: String,
    pub(crate) state: String,
    pub(crate) equity: Cash,
    pub(crate) paths: PathLog,
    pub(crate) ambiguous_bars: u64,
}

/// Runs one variant up to and including `until`.
pub(crate) fn single(
    policy: &Policy,
    tapes: &[PathBuf],
    variant: Variant,
    until: Timestamp,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Pass, Error> {
    let tapes = merge(tapes)?;
    let catalogue = tapes.catalogue().clone();
    let id = instrument_of(policy, &catalogue)?;
    let instrument = runnable(&catalogue.instruments[id.index()])?.clone();
    let span = span(&tapes).ok_or_else(|| Error::NoBars(policy.instruments[0].clone()))?;
    let mut config = exchange_config(policy, &catalogue);
    let program = match &variant {
        Variant::Twin(_) => Program::twin(policy, &instrument.symbol, &|name| catalogue.series_id(name))?,
        Variant::Scaled | Variant::OtherPath => {
            Program::compile(policy, &instrument.symbol, &|name| catalogue.series_id(name))?
        }
    };
    let guard = match &variant {
        Variant::Twin(_) => None,
        Variant::Scaled | Variant::OtherPath => guard(policy, &instrument.symbol),
    };
    config.path = match variant {
        Variant::Scaled => PathRule::AdverseFirst,
        Variant::OtherPath => PathRule::FavourableFirst,
        Variant::Twin(log) => PathRule::Recorded(log),
    };
    let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), ..EngineConfig::default() });
    let strategy = engine.add_strategy(StrategyConfig { guard, ..StrategyConfig::new(id, program) });
    let mut recorder = Recorder::new(&engine, &catalogue, strategy, id);
    let mut world =
        Recorded::new(tapes, config, until, progress).ok_or_else(|| Error::NoBars(policy.instruments[0].clone()))?;
    drive::run(&mut engine, &mut world, &mut recorder).map_err(|error| match error {
        DriveError::World(error) | DriveError::Journal(error) => error,
    })?;
    recorder.finish(&engine);
    let mut snapshot = StateWriter::new();
    engine.save(&mut snapshot);
    Ok(Pass {
        strategy,
        instrument,
        span,
        chain: recorder.chain(),
        state: blake3::hash(snapshot.as_bytes()).to_hex().to_string(),
        equity: engine.account(AccountId(0)).equity(),
        paths: world.exchange.paths().clone(),
        ambiguous_bars: world.exchange.ambiguous_bars(),
        tables: recorder.tables,
        facts: recorder.facts,
        engine,
    })
}

fn instrument_of(policy: &Policy, catalogue: &Catalogue) -> Result<InstrumentId, Error> {
    catalogue.instrument_id(&policy.instruments[0]).ok_or_else(|| {
        let symbols: Vec<String> =
            catalogue.instruments.iter().map(|instrument| format!("`{}`", instrument.symbol)).collect();
        let found = if symbols.is_empty() { "no instrument".to_owned() } else { symbols.join(", ") };
        Error::NoInstrument { wanted: policy.instruments[0].clone(), found }
    })
}

/// Spot needs accounts of several currencies, a dated future its settlement: refused rather than run as something else.
fn runnable(instrument: &Instrument) -> Result<&Instrument, Error> {
    let kind = match instrument.kind {
        InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual => return Ok(instrument),
        InstrumentKind::Spot => "spot pair",
        InstrumentKind::LinearFuture { .. } | InstrumentKind::InverseFuture { .. } => "dated future",
    };
    Err(Error::Kind { symbol: instrument.symbol.clone(), kind })
}

fn exchange_config(policy: &Policy, catalogue: &Catalogue) -> ExchangeConfig {
    let terms = &policy.backtest;
    ExchangeConfig {
        taker: terms.taker_fee,
        maker: terms.maker_fee,
        half_spread: terms.half_spread,
        slippage: terms.slippage,
        latency: terms.latency,
        liquidation_fee: LIQUIDATION_FEE,
        ..ExchangeConfig::new(terms.deposit, catalogue)
    }
}

pub(crate) fn guard(policy: &Policy, symbol: &str) -> Option<LiquidationGuard> {
    policy.caps.liquidation_distance.map(|distance| LiquidationGuard {
        tiers: TierTable::for_symbol(symbol),
        distance,
        initial_stop: policy.stop.as_ref().map(|stop| stop.initial),
    })
}
