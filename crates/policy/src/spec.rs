//! A checked policy: every value typed, every range tested, nothing left to go wrong at run time.

use crate::expression::Expression;
use crate::facts::Code;
pub use crate::hedge::{
    ALTERNATIVES_MAX, Alternative, Band, Choice, ExpectedVolatility, Hedge, HedgeOption, HedgeTerms, HedgeTo,
};
use crate::risk_fact::{MarginFigure, RiskFact};
pub use crate::setting::{Reckoned, Setting};
pub use crate::structure::{
    LEGS_MAX, LegStrike, Roll, Sticky, Structure, StructureLeg, is_structure, structure_symbol,
};
pub(crate) use crate::symbol::is_spot;
pub use crate::symbol::{base, currencies, is_dollar, settlements, venue};
use std::borrow::Cow;
use units::{Cash, Contract, Duration, Price, Qty, Rate, Ratio, Round, Timestamp, Vol};

/// The version of the policy language that this build writes; it reads this one and older.
pub const VERSION: u32 = 1;
/// Age beyond which a series' value is not used, unless the policy says otherwise.
pub const MAX_AGE: Duration = Duration::from_nanos(3 * Duration::DAY.nanos());
/// Instruments of a policy at most.
pub const INSTRUMENTS_MAX: usize = 500;
/// Accounts at most.
pub const ACCOUNTS_MAX: usize = 100;
/// Deposits of an account at most, each in a currency of its own.
pub const DEPOSITS_MAX: usize = 20;
/// Movements of money in a backtest at most.
pub const FLOWS_MAX: usize = 1_000;
/// Fee tiers at most.
pub const FEE_TIERS_MAX: usize = 20;
/// Units of a pyramid at most.
pub const UNITS_MAX: usize = 8;
/// Sources of volatility in a chain at most.
pub const SOURCES_MAX: usize = 4;
/// How old the last ratio of implied to realised volatility may be where a policy does not say: options of a month have expired since.
pub const RATIO_MAX_AGE: Duration = Duration::from_nanos(30 * Duration::DAY.nanos());
/// Rungs of a ladder at most.
pub const RUNGS_MAX: usize = 8;
/// Windows at most of which the usual volume is the mean.
pub const USUAL_WINDOWS_MAX: i64 = 2_000;
/// Drawdown levels at most.
pub const LEVELS_MAX: usize = 8;
/// Limits on facts at most.
pub const LIMITS_MAX: usize = 6;
/// Hedges at most.
pub const HEDGES_MAX: usize = 4;
/// Blackout windows at most.
pub const BLACKOUTS_MAX: usize = 50;

/// A checked policy of one strategy in one or more instruments.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name, for reports.
    pub name: String,
    /// The instruments, `venue:SYMBOL`, each once; never empty.
    pub instruments: Vec<String>,
    /// The structure of options that the one instrument is, if it is one.
    pub structure: Option<Structure>,
    /// Share of the account's equity that the strategy sizes on.
    pub capital: Ratio,
    /// How several instruments share that capital.
    pub allocation: Allocation,
    /// The accounts, one for each venue. Empty where `[backtest] deposit` is the only one: see [`Self::account_terms`].
    pub accounts: Vec<AccountTerms>,
    /// Where conviction comes from.
    pub signal: Signal,
    /// The volatility unit N.
    pub unit: Option<UnitSource>,
    /// How large the full position is.
    pub size: Size,
    /// Adding to winners.
    pub pyramid: Option<Pyramid>,
    /// The protective stop.
    pub stop: Option<Stop>,
    /// Scaling out.
    pub ladder: Option<Ladder>,
    /// Size after wins and losses.
    pub streak: Option<Streak>,
    /// Hard limits.
    pub caps: Caps,
    /// What of equity is not put at risk.
    pub floor: Option<Floor>,
    /// Hard limits on facts.
    pub limits: Vec<FactLimit>,
    /// What keeps the delta of strategies in a band.
    pub hedges: Vec<Hedge>,
    /// When a change is worth an order.
    pub trade: Trade,
    /// What is done when trouble comes.
    pub modes: Modes,
    /// How orders may go out.
    pub guards: Guards,
    /// What a backtest assumes of the venue; live runs ignore it.
    pub backtest: Backtest,
    /// Positions that the strategy takes over at its start, one for each instrument at most.
    pub adopt: Vec<Adoption>,
}

impl Policy {
    /// All that it trades: its instruments, then those of its hedges.
    pub fn traded(&self) -> impl Iterator<Item = &str> {
        self.instruments.iter().map(String::as_str).chain(self.hedges.iter().flat_map(Hedge::instruments))
    }

    /// The hedge that trades an instrument, if one does: no strategy of the policy's own trades the same one.
    #[must_use]
    pub fn hedge_in(&self, instrument: &str) -> Option<&Hedge> {
        self.hedges.iter().find(|hedge| hedge.instruments().any(|known| known == instrument))
    }

    /// The structures of options that it trades: its own, and the options that its hedges may buy. Each with its symbol.
    pub fn structures(&self) -> impl Iterator<Item = (&str, &Structure)> {
        let own = self.instruments.first().map(String::as_str).zip(self.structure.as_ref());
        let hedging = self.hedges.iter().flat_map(Hedge::options).map(|(symbol, option)| (symbol, &option.structure));
        own.into_iter().chain(hedging)
    }

    /// Whether it trades options, or may.
    #[must_use]
    pub fn trades_options(&self) -> bool {
        self.structures().next().is_some()
    }

    /// The structure that an instrument of it is, if it is one.
    #[must_use]
    pub fn structure_in(&self, instrument: &str) -> Option<&Structure> {
        self.structures().find(|(symbol, _)| *symbol == instrument).map(|(_, structure)| structure)
    }

    /// The recorded series that it reads in any of its instruments, each once: a run's tapes have to hold them.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        let declared = self.declared_series();
        // Without a placeholder every instrument reads the same.
        let shared = !declared.iter().any(|name| name.contains(BASE_PLACEHOLDER));
        let instruments = if shared { self.instruments.get(..1).unwrap_or_default() } else { &self.instruments };
        let mut names: Vec<String> = Vec::new();
        for name in instruments.iter().flat_map(|instrument| declared.iter().map(|name| filled(name, instrument))) {
            if !names.iter().any(|known| *known == name) {
                names.push(name.into_owned());
            }
        }
        names
    }

    /// The recorded series that it reads in one of its instruments, each once.
    #[must_use]
    pub fn series_of(&self, instrument: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.declared_series().into_iter().map(|name| filled(name, instrument)) {
            if !names.iter().any(|known| *known == name) {
                names.push(name.into_owned());
            }
        }
        names
    }

    /// The series that record the depth of an instrument's book, where a cap goes by it.
    pub fn depth_series(&self, instrument: &str) -> impl Iterator<Item = Cow<'_, str>> {
        self.caps.depth.iter().map(|name| filled(name, instrument))
    }

    /// The series that is the signal of an instrument, if one is.
    #[must_use]
    pub fn signal_series(&self, instrument: &str) -> Option<String> {
        self.signal.kind.series().map(|name| filled(name, instrument).into_owned())
    }

    /// Whether a series is read as a volatility of an instrument and not as its signal: it is never under zero.
    #[must_use]
    pub fn is_volatility(&self, name: &str, instrument: &str) -> bool {
        let unit = self.unit.as_ref().and_then(UnitSource::series);
        let mut read = unit.into_iter().chain(self.size.kind.series());
        read.any(|known| filled(known, instrument) == name) && self.signal_series(instrument).as_deref() != Some(name)
    }

    /// The accounts of a run: those declared, or the one that `[backtest] deposit` stands for.
    #[must_use]
    pub fn account_terms(&self) -> Vec<AccountTerms> {
        if !self.accounts.is_empty() {
            return self.accounts.clone();
        }
        let venue = self.instruments.first().map_or("", |first| venue(first)).to_owned();
        let (amount, currency) = (self.backtest.deposit, self.backtest.deposit_currency.clone());
        vec![AccountTerms { venue, numeraire: None, deposits: vec![Deposit { amount, currency }] }]
    }

    /// The currency that all instruments are quoted in, where it can be told and is one.
    #[must_use]
    pub fn quote(&self) -> Option<&str> {
        shared_quote(&self.instruments)
    }

    /// The conditions that it states, what its limits compare, and what numbers are reckoned by.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let pyramid = self.pyramid.as_ref().and_then(|pyramid| pyramid.when.as_ref());
        let ladder = self.ladder.iter().flat_map(|ladder| &ladder.conditions);
        let limits = self.limits.iter().flat_map(|limit| [&limit.of, &limit.limit, &limit.restore]);
        let modes = self.modes.conditions().map(|(_, condition)| condition);
        let conditions = self.signal.when.iter().chain(pyramid).chain(ladder).chain(limits).chain(modes);
        conditions.chain(self.settings().map(|(.., by)| by))
    }

    /// The numbers that are reckoned at every decision: section and key of each, and its expression.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, &Expression)> {
        let size = self.size.kind.settings().map(|(key, by)| ("size", key, by));
        let step = self.pyramid.iter().filter_map(Pyramid::setting);
        let trail = self.stop.iter().filter_map(Stop::setting);
        let hedges = self.hedges.iter().flat_map(Hedge::settings);
        size.chain(step).chain(trail).chain(self.caps.settings()).chain(hedges)
    }

    /// The series as the policy names them, with placeholders, each once.
    pub(crate) fn declared_series(&self) -> Vec<&str> {
        let signal = self.signal.kind.series();
        let unit = self.unit.as_ref().and_then(UnitSource::series);
        let size = self.size.kind.series();
        let depth = self.caps.depth.iter().map(String::as_str);
        let mut names = Vec::new();
        let asked = self.expressions().flat_map(Expression::series);
        for name in signal.into_iter().chain(unit).chain(size).chain(depth).chain(asked) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Stands in a series' name for the instrument's base currency in lower case.
pub const BASE_PLACEHOLDER: &str = "{base}";

/// A series' name with its placeholder filled for an instrument. It stays where the base currency cannot be told.
///
/// ```
/// assert_eq!(policy::spec::filled("dvol.{base}", "binance:ETHUSDT-PERP"), "dvol.eth");
/// ```
#[must_use]
pub fn filled<'a>(name: &'a str, instrument: &str) -> Cow<'a, str> {
    if !name.contains(BASE_PLACEHOLDER) {
        return Cow::Borrowed(name);
    }
    match base(instrument) {
        Some(base) => Cow::Owned(name.replace(BASE_PLACEHOLDER, &base.to_ascii_lowercase())),
        None => Cow::Borrowed(name),
    }
}

/// The currency that all of some instruments are quoted in, where it can be told and is one.
pub(crate) fn shared_quote(instruments: &[String]) -> Option<&str> {
    let mut quotes = instruments.iter().map(|instrument| currencies(instrument).map(|(_, quote)| quote));
    let first = quotes.next()??;
    quotes.all(|quote| quote == Some(first)).then_some(first)
}

/// How several instruments share a strategy's capital: each gets capital × multiplier ÷ count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allocation {
    /// Which instruments count.
    pub over: Over,
    /// Instrument diversification multiplier: instruments that move apart carry more together at equal risk. Where it follows from
    /// correlations, the most that it may be.
    pub multiplier: Ratio,
    /// How instruments move together decides what each has.
    pub correlation: Option<Correlation>,
    /// What the strategy has lost decides how much capital there is.
    pub drawdown: Option<DrawdownBudget>,
}

/// Capital that follows a strategy's own drawdown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawdownBudget {
    /// The drawdown at which nothing is left.
    pub most: Ratio,
    /// It counts from the highest of so long a time. `None`: from the highest ever.
    pub window: Option<Duration>,
}

impl DrawdownBudget {
    /// What part of the capital is left at a drawdown: (most − drawdown) ÷ (most × (1 − drawdown)).
    ///
    /// It is Grossman and Zhou's cushion ("Optimal Investment Strategies for Controlling Drawdowns", Mathematical Finance 3, 1993): with
    /// the floor (1 − most) × highest, a share of (equity − floor) ÷ equity is at risk, which at the highest is `most`; here in units
    /// of that.
    ///
    /// ```
    /// let budget = policy::spec::DrawdownBudget { most: units::Ratio::new(0.2).unwrap(), window: None };
    /// assert_eq!((budget.left(0.0), budget.left(0.2)), (1.0, 0.0));
    /// assert!((budget.left(0.1) - 0.1 / (0.2 * 0.9)).abs() < 1e-15);
    /// ```
    #[must_use]
    pub fn left(&self, drawdown: f64) -> f64 {
        let most = self.most.get();
        if drawdown >= most { 0.0 } else { ((most - drawdown) / (most * (1.0 - drawdown))).clamp(0.0, 1.0) }
    }
}

/// Shares that follow from how instruments move together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    /// Of the returns of so many days.
    pub days: u32,
    /// How risk is divided.
    pub weights: Weights,
}

/// How risk is divided among instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weights {
    /// Each adds as much to the risk of the whole.
    #[default]
    EqualRisk,
    /// Each has as much risk by itself.
    Equal,
}

impl Default for Allocation {
    fn default() -> Self {
        let multiplier = Ratio::new(1.0).unwrap_or_default();
        Self { over: Over::Declared, multiplier, correlation: None, drawdown: None }
    }
}

impl Allocation {
    /// The share of equity that one instrument is sized on, when this many count.
    #[must_use]
    pub fn share(&self, capital: Ratio, count: usize) -> Ratio {
        // Of correlations nothing is known here. Bounded numbers over a count of at least one are finite.
        let multiplier = if self.correlation.is_some() { 1.0 } else { self.multiplier.get() };
        Ratio::new(capital.get() * multiplier / count.max(1) as f64).unwrap_or_default()
    }
}

/// Which instruments share the capital.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// All that the policy names.
    #[default]
    Declared,
    /// Those that have a price.
    Quoted,
    /// Those whose signal is on.
    Signalled,
}

/// An account at a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTerms {
    /// The venue, as symbols begin with it.
    pub venue: String,
    /// What equity is counted in: USD or a coin. `None`: the settlement currency of the venue's first instrument.
    pub numeraire: Option<String>,
    /// What a backtest pays in at the start.
    pub deposits: Vec<Deposit>,
}

/// Money paid in at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// How much.
    pub amount: Cash,
    /// Of what. `None`: the settlement currency of the first instrument.
    pub currency: Option<String>,
}

/// Money that is moved during a backtest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// When.
    pub at: Timestamp,
    /// What is moved, and where to.
    pub kind: FlowKind,
}

/// A movement of money. Accounts go by their venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowKind {
    /// Paid in from outside.
    Deposit {
        /// The account.
        account: String,
        /// What is paid in.
        money: Money,
    },
    /// Taken out.
    Withdraw {
        /// The account.
        account: String,
        /// What is taken out.
        money: Money,
    },
    /// From one account to another.
    Transfer {
        /// The account that it leaves.
        from: String,
        /// The account that it reaches.
        to: String,
        /// What is moved.
        money: Money,
    },
    /// Exchanged for another currency within an account, at the market.
    Convert {
        /// The account.
        account: String,
        /// What is given.
        money: Money,
        /// The currency that is bought.
        into: String,
    },
}

/// An amount of a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// How much.
    pub amount: Cash,
    /// Of what.
    pub currency: String,
}

/// Fees from a traded value on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeTier {
    /// Value traded over the last 30 UTC days, in the currency of the tiers, from which the tier holds.
    pub volume: Cash,
    /// Fee of a fill that takes.
    pub taker: Rate,
    /// Fee of a fill that rested.
    pub maker: Rate,
}

/// An existing position that becomes a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// One of the policy's instruments.
    pub instrument: String,
    /// Signed quantity held; never zero.
    pub quantity: Qty,
    /// The anchor: the price that counts as the entry fill.
    pub entry: Price,
    /// The frozen N. There wherever something is measured in N.
    pub unit: Option<Price>,
    /// The initial stop, on the losing side of the entry. `None`: the initial distance of `[stop]` behind the entry.
    pub stop: Option<Price>,
    /// Units filled so far; at least one.
    pub units: u32,
    /// When it was opened. `None`: at the run's start.
    pub opened: Option<Timestamp>,
}

/// Where conviction comes from, and when it may be acted on again.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The indicator.
    pub kind: SignalKind,
    /// Which sides may be taken.
    pub sides: Sides,
    /// After a campaign closed while its signal is still on: wait until it is issued anew (default), or re-enter at once.
    pub reentry: Reentry,
    /// Nothing is opened or added but while this holds.
    pub when: Option<Expression>,
}

/// The indicator behind a signal.
#[derive(Debug, Clone, PartialEq)]
pub enum SignalKind {
    /// Always the same conviction.
    Constant {
        /// From -1 to 1.
        strength: Ratio,
    },
    /// Long while the fast average is over the slow one, short while under.
    EmaCross {
        /// Bars of this length, UTC-aligned.
        bar: Duration,
        /// Span of the fast average in bars (α = 2 ÷ (span + 1)).
        fast: u32,
        /// Span of the slow average in bars.
        slow: u32,
    },
    /// A recorded series of convictions, held between -1 and 1: `series = "signal.btc"`.
    Series {
        /// Its name.
        name: String,
        /// An older conviction opens and adds nothing; what is held stays.
        max_age: Duration,
    },
    /// Time-series momentum: long when the close is over the one `lookback` bars before, short when under.
    /// T. Moskowitz, Y. H. Ooi, L. H. Pedersen, Time series momentum, J. Financial Economics 104 (2012).
    Momentum {
        /// Bars of this length, UTC-aligned.
        bar: Duration,
        /// Bars looked back.
        lookback: u32,
    },
    /// Long from a close over the highest high of `entry` bars until a close under the lowest low of `exit` bars; short mirrored.
    Donchian {
        /// Bars of this length, UTC-aligned.
        bar: Duration,
        /// Channel that opens, in bars.
        entry: u32,
        /// Channel that closes, in bars.
        exit: u32,
    },
}

impl SignalKind {
    pub(crate) fn series(&self) -> Option<&str> {
        match self {
            Self::Series { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// Which sides may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Long and short.
    Both,
    /// Long only: a short signal is flat.
    Long,
    /// Short only.
    Short,
}

/// When a signal that is still on may open a campaign again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reentry {
    /// Once it is issued anew.
    NewSignal,
    /// At once.
    AtOnce,
}

/// The volatility unit N, in price terms.
#[derive(Debug, Clone, PartialEq)]
pub enum UnitSource {
    /// Average true range: `atr(20, 1d)`, Wilder's smoothing over that many bars.
    AverageTrueRange {
        /// Bars averaged.
        bars: u32,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// The implied daily move: price × volatility ÷ √365, of a series: `implied_move(dvol.btc)`.
    ImpliedMove {
        /// The series' name.
        series: String,
        /// Older values are not used.
        max_age: Duration,
    },
    /// A share of the price: `of_price(100%)`. A stop at one such unit over the price of what was sold is at twice the premium.
    OfPrice {
        /// Over 0.
        share: Ratio,
    },
}

impl UnitSource {
    pub(crate) fn series(&self) -> Option<&str> {
        match self {
            Self::ImpliedMove { series, .. } => Some(series),
            Self::AverageTrueRange { .. } | Self::OfPrice { .. } => None,
        }
    }
}

/// How large the full position is.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// The method.
    pub kind: SizeKind,
    /// Whether the base is frozen at entry or follows volatility and equity.
    pub resize: Resize,
}

/// The sizing method.
#[derive(Debug, Clone, PartialEq)]
pub enum SizeKind {
    /// A fixed value of the position, in the quote currency.
    FixedNotional {
        /// At full conviction.
        notional: Cash,
    },
    /// A fixed multiple of equity.
    FixedFraction {
        /// × equity.
        fraction: Setting<Ratio>,
    },
    /// The first unit loses this share of equity at its initial stop.
    RiskPerTrade {
        /// Share of equity.
        risk: Setting<Ratio>,
    },
    /// Size = target ÷ volatility × equity.
    VolatilityTarget {
        /// Annualised target.
        target: Setting<Vol>,
        /// Where volatility comes from: the first source, or the first of its fallbacks that is known. A fallback only
        /// ever shrinks the size. A realised one behind an implied one counts times the last ratio of implied to it.
        sources: Vec<VolatilitySource>,
        /// How old that ratio may be.
        ratio_max_age: Duration,
        /// Volatility is never taken lower than this.
        volatility_floor: Option<Vol>,
        /// Never more than this × equity.
        exposure_cap: Option<Setting<Ratio>>,
    },
    /// So much of a structure that a Greek of all that is counted together is brought to a level, once it is further from it than a band.
    GreekTarget {
        /// Which.
        greek: TargetGreek,
        /// Where it is to be: gamma in coins for a dollar, vega in dollars for 0.01 of volatility.
        level: Ratio,
        /// How far from there it may be, in the same unit; over zero.
        band: Ratio,
        /// The policies that are counted with the structure, by name; empty: all of the run.
        strategies: Vec<String>,
    },
}

/// A Greek that only options have, and that a structure can bring to a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetGreek {
    /// Change of delta for one dollar, in coins.
    Gamma,
    /// Dollars for 0.01 of volatility.
    Vega,
}

impl SizeKind {
    /// Its numbers that are reckoned at every decision.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &Expression)> {
        let all = match self {
            Self::FixedNotional { .. } => [None, None],
            Self::FixedFraction { fraction } => [Some(("fraction", fraction.expression())), None],
            Self::RiskPerTrade { risk } => [Some(("risk", risk.expression())), None],
            Self::VolatilityTarget { target, exposure_cap, .. } => [
                Some(("target", target.expression())),
                exposure_cap.as_ref().map(|cap| ("exposure_cap", cap.expression())),
            ],
            Self::GreekTarget { .. } => [None, None],
        };
        all.into_iter().flatten().filter_map(|(key, by)| Some((key, by?)))
    }

    pub(crate) fn series(&self) -> Vec<&str> {
        match self {
            Self::VolatilityTarget { sources, .. } => sources.iter().flat_map(VolatilitySource::series).collect(),
            _ => Vec::new(),
        }
    }
}

/// Where volatility comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum VolatilitySource {
    /// A recorded series such as a volatility index: `series(dvol.btc)`.
    Series {
        /// Its name.
        name: String,
        /// Older values are not used.
        max_age: Duration,
    },
    /// Realised volatility of returns over bars, exponentially weighted: `ewma(10d, 1h)`.
    Ewma {
        /// Half-life of the weights.
        half_life: Duration,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// From the high and the low of bars, exponentially weighted: `parkinson(10d, 1h)`.
    Parkinson {
        /// Half-life of the weights.
        half_life: Duration,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// From open, high, low and close of bars, exponentially weighted: `garman_klass(10d, 1h)`.
    GarmanKlass {
        /// Half-life of the weights.
        half_life: Duration,
        /// Bars of this length, UTC-aligned.
        bar: Duration,
    },
    /// The weighted mean of two volatilities: `blend(series(dvol.btc), ewma(10d, 1h), 70%)`. Known while both are.
    Blend {
        /// The first.
        first: Box<VolatilitySource>,
        /// The second.
        second: Box<VolatilitySource>,
        /// Of the first; the second has the rest.
        weight: Ratio,
    },
}

impl VolatilitySource {
    /// Whether it is an estimate from prices alone.
    fn is_realised(&self) -> bool {
        match self {
            Self::Series { .. } => false,
            Self::Ewma { .. } | Self::Parkinson { .. } | Self::GarmanKlass { .. } => true,
            Self::Blend { first, second, .. } => first.is_realised() && second.is_realised(),
        }
    }

    /// Of each source of a chain whether it counts times the last ratio of implied to realised volatility: those from prices behind
    /// one that is told.
    pub(crate) fn scaled(chain: &[Self]) -> Vec<bool> {
        let implied = chain.iter().position(|source| matches!(source, Self::Series { .. })).unwrap_or(chain.len());
        chain.iter().enumerate().map(|(at, source)| at > implied && source.is_realised()).collect()
    }

    fn series(&self) -> Vec<&str> {
        match self {
            Self::Series { name, .. } => vec![name],
            Self::Blend { first, second, .. } => [first.series(), second.series()].concat(),
            Self::Ewma { .. } | Self::Parkinson { .. } | Self::GarmanKlass { .. } => Vec::new(),
        }
    }
}

/// Whether the base is frozen at entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Frozen at entry.
    Entry,
    /// Follows volatility and equity; never undoes a used rung.
    Continuous,
}

/// Adding to winners in units.
#[derive(Debug, Clone, PartialEq)]
pub struct Pyramid {
    /// Share of the base per unit, first unit first; adds up to 1.
    pub shares: Vec<f64>,
    /// Levels are measured from the frozen entry or from the last fill.
    pub spacing: Spacing,
    /// Distance between levels in N.
    pub step: Setting<Ratio>,
    /// An add lapses when its fill would be worse than its level by more than this many N. `None`: never.
    pub max_chase: Option<Ratio>,
    /// When the market is beyond several levels at once, this many units at most are added in one order.
    pub max_units_per_event: u32,
    /// No unit is added but while this holds.
    pub when: Option<Expression>,
}

impl Pyramid {
    /// Its number that is reckoned at every decision, if it is.
    pub(crate) fn setting(&self) -> Option<(&'static str, &'static str, &Expression)> {
        Some(("pyramid", "step", self.step.expression()?))
    }
}

/// What add levels are measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// The first fill, frozen.
    Entry,
    /// The last unit's fill.
    LastFill,
}

/// The protective stop of the whole position.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Distance of the initial stop from the entry fill in N. Defines R.
    pub initial: Ratio,
    /// Whether each add moves the stop to the initial distance under its fill.
    pub follow: Follow,
    /// Distance of a trailing stop from the best price since entry, in N.
    pub trail: Option<Setting<Ratio>>,
    /// After this rung of the ladder, counted from 1, the stop is at the entry fill or better.
    pub break_even_after: Option<u32>,
    /// When a campaign that goes nowhere is closed.
    pub time: Option<TimeStop>,
    /// Whether the stop rests at the venue.
    pub trigger: Trigger,
}

impl Stop {
    /// Its number that is reckoned at every decision, if it is.
    pub(crate) fn setting(&self) -> Option<(&'static str, &'static str, &Expression)> {
        Some(("stop", "trail", self.trail.as_ref()?.expression()?))
    }
}

/// Where an exit waits for its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// An order at the venue.
    #[default]
    Resting,
    /// Nothing rests: once the market has crossed the price, a market order goes out.
    Synthetic,
}

/// Closes a campaign that has not got far enough in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeStop {
    /// From the entry fill.
    pub after: Duration,
    /// How far the price had to go in favour by then, in R.
    pub reach: Ratio,
}

/// Anti-martingale: size grows by a factor with every win, up to a cap, and returns to the base after a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Streak {
    /// Multiplies the multiplier at each win.
    pub factor: Ratio,
    /// The multiplier is never more than this.
    pub cap: Ratio,
    /// Whose campaigns count.
    pub over: StreakOver,
}

/// Whose wins and losses make a streak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreakOver {
    /// Those of the strategy in this instrument.
    #[default]
    Instrument,
    /// Those of the strategy in all of its instruments that trade in the account.
    Strategy,
    /// Those of all strategies that trade in the account.
    Account,
}

/// What the stop follows besides the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    Entry,
    /// The last unit's fill.
    LastFill,
}

/// Scaling out in rungs.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder {
    /// The rungs, those of one kind nearest first.
    pub rungs: Vec<Rung>,
    /// What rungs wait for that wait for a condition.
    pub conditions: Vec<Expression>,
    /// What the fractions are of.
    pub of: FractionOf,
    /// Whether units may still be added after the first rung.
    pub readd: bool,
    /// This share of the peak size is never taken by rungs.
    pub runner: f64,
    /// Whether rungs at a price rest at the venue; others never do.
    pub trigger: Trigger,
}

/// One rung.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rung {
    /// What it waits for.
    pub at: RungAt,
    /// How much comes off.
    pub fraction: f64,
}

/// What a rung waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RungAt {
    /// So many R in favour of the entry fill.
    R(Ratio),
    /// So many N, frozen at entry, in favour of the entry fill.
    N(Ratio),
    /// A price move of this share in favour of the average entry price. Adds that move the average in favour take the rung
    /// along; it never moves back.
    Profit(Ratio),
    /// A price, where it is in favour of the entry fill.
    Price(Price),
    /// So long after the entry fill.
    Time(Duration),
    /// The volatility that sizing reads is at or over this.
    Volatility(Vol),
    /// The condition of this number among those of the ladder holds.
    When(u8),
}

impl RungAt {
    /// Whether it is not at a price: it can only be watched.
    pub(crate) fn is_watched(self) -> bool {
        matches!(self, Self::Time(_) | Self::Volatility(_) | Self::When(_))
    }

    /// The same for rungs of one kind: they are in order among themselves.
    pub(crate) fn kind(self) -> u8 {
        match self {
            Self::R(_) => 0,
            Self::N(_) => 1,
            Self::Profit(_) => 2,
            Self::Price(_) => 3,
            Self::Time(_) => 4,
            Self::Volatility(_) => 5,
            Self::When(_) => 6,
        }
    }
}

/// What a rung's fraction is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FractionOf {
    /// The first unit.
    First,
    /// The largest quantity held.
    Peak,
    /// The quantity held then.
    Current,
}

/// Hard limits. A limit only ever lowers risk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Caps {
    /// Gross notional ÷ equity.
    pub leverage: Option<LeverageLimit>,
    /// Exposure factors by drawdown, mildest first; zero at the last.
    pub drawdown: Vec<DrawdownLevel>,
    /// How a strategy that the last drawdown level made flat begins again. `None`: by hand.
    pub rearm: Option<Rearm>,
    /// Loss of a UTC day, as a share of the equity that it began with.
    pub daily_loss: Option<Ratio>,
    /// Loss of a UTC week, from Monday.
    pub weekly_loss: Option<Ratio>,
    /// What a loss limit does until its day or week ends.
    pub on_loss: OnLoss,
    /// What may be lost at the stop.
    pub open_risk: Option<OpenRisk>,
    /// The stop must lie inside the liquidation price by this share of the price.
    pub liquidation_distance: Option<Ratio>,
    /// What the market's own trading bears.
    pub participation: Option<Participation>,
    /// The recorded depth that it goes by instead of volume: names of series, one for each side of the book or one for the thinner,
    /// counted as the instrument counts. None: it goes by volume.
    pub depth: Vec<String>,
}

/// What is bought or sold to open and to add is at most a share of what the market trades, and what is held no more than that share gets
/// rid of in time. Exits are never held back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Participation {
    /// Share of the traded volume.
    pub share: Ratio,
    /// Volume is counted in windows of this length, aligned to midnight UTC.
    pub window: Duration,
    /// The time in which all can be sold again. `None`: as long as it may take.
    pub exit: Option<ExitTime>,
}

/// How long it may take to get out, at a share of the usual volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitTime {
    /// A larger position is cut.
    pub limit: Duration,
    /// Cut to this; increases stop there.
    pub restore: Duration,
    /// The usual volume is the mean of this time: whole windows, [`USUAL_WINDOWS_MAX`] at most.
    pub usual: Duration,
}

impl Caps {
    /// Its numbers that are reckoned at every decision.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, &Expression)> {
        let levels =
            self.leverage.iter().flat_map(|cap| [("leverage", &cap.limit), ("leverage_restore", &cap.restore)]);
        levels.filter_map(|(key, setting)| Some(("caps", key, setting.expression()?)))
    }
}

/// A floor under equity: exposure is at most a multiple of what lies above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// What the floor is a share of.
    pub of: FloorOf,
    /// That share.
    pub share: Ratio,
    /// Exposure for a unit of equity above the floor.
    pub multiplier: Ratio,
    /// How far under what is borne exposure is brought back to, and by how much it may be under that, as a share.
    pub tolerance: Ratio,
}

/// What a floor is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloorOf {
    /// Deposits less withdrawals: constant-proportion portfolio insurance.
    Deposits,
    /// The highest equity: a bound on the drawdown.
    Highest,
}

/// How a strategy that is flat by drawdown begins again: its high-water mark restarts at the equity of then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rearm {
    /// This long after the last level was reached.
    After(Duration),
    /// Once this share of the drawdown is recovered (by other strategies of the account, or by funding).
    Recovered(Ratio),
}

/// What a loss limit does until its day or week ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// Nothing is increased.
    #[default]
    NoIncrease,
    /// Everything is closed.
    Flat,
}

/// Loss from the price to the stop on the filled quantity, plus the cost of the exit, plus a gap: no entry, increase or add
/// goes beyond it. What is held is not cut by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenRisk {
    /// Share of equity.
    pub cap: Ratio,
    /// How much worse than its trigger the stop may fill, as a share of it.
    pub gap: Ratio,
    /// What the exit costs, as a share of its value. `None`: taker fee, half spread and slippage of `[backtest]`.
    pub exit_cost: Option<Ratio>,
}

/// A limit on a number of the language, such as `es(97.5%, 1d)`, and the level that a breach is brought back to.
#[derive(Debug, Clone, PartialEq)]
pub struct FactLimit {
    /// What plans call it. `None`: its number among the limits.
    pub name: Option<Code>,
    /// What is limited.
    pub of: Expression,
    /// On which side of the limit it is breached.
    pub breached: Breached,
    /// The limit, of the same unit.
    pub limit: Expression,
    /// What a breach is brought back to; increases stop there.
    pub restore: Expression,
    /// What a breach does.
    pub action: LimitAction,
    /// Which positions a reduction is made of.
    pub cut: Cut,
}

impl FactLimit {
    /// The fact of risk that it is of, where that is one of which it is known what each position adds to it: value at risk, expected
    /// shortfall, a stress, leverage or a venue's margin over a share; the distance to liquidation under one.
    #[must_use]
    pub fn reducible(&self) -> Option<RiskFact> {
        let fact = self.of.lone_fact()?.parse().ok()?;
        let is_over = match &fact {
            RiskFact::Tail(fact) => !fact.is_component,
            RiskFact::Margin { figure, .. } => *figure == MarginFigure::Ratio,
            RiskFact::Stress { .. } | RiskFact::Leverage => true,
            RiskFact::Distance => return (self.breached == Breached::Under).then_some(fact),
            _ => false,
        };
        (is_over && self.breached == Breached::Over).then_some(fact)
    }
}

/// Which positions of an account a limit reduces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cut {
    /// Each in the same proportion.
    #[default]
    Alike,
    /// Those whose reduction costs least for what it brings.
    Cheapest,
}

/// On which side of a limit it is breached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breached {
    /// Over it.
    Over,
    /// Under it.
    Under,
}

/// What the breach of a limit on a fact does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitAction {
    /// The position is reduced until what is limited is back at the restore level.
    #[default]
    Reduce,
    /// Nothing is increased until it is.
    NoIncrease,
    /// Everything is closed, and nothing opened until it is.
    Flat,
}

/// The limit of leverage, and the level that a breach is brought back to.
#[derive(Debug, Clone, PartialEq)]
pub struct LeverageLimit {
    /// Breached over this.
    pub limit: Setting<Ratio>,
    /// Brought back to this.
    pub restore: Setting<Ratio>,
}

impl LeverageLimit {
    /// Both levels, where they are always the same.
    #[must_use]
    pub fn declared(&self) -> Option<Limit> {
        Some(Limit { limit: self.limit.declared()?, restore: self.restore.declared()? })
    }
}

/// A limit and the level that a breach is brought back to; increases stop at the restore level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Breached over this.
    pub limit: Ratio,
    /// Brought back to this.
    pub restore: Ratio,
}

/// From a drawdown on, exposure is multiplied by a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawdownLevel {
    /// Reached at this drawdown.
    pub at: Ratio,
    /// Left again under this drawdown.
    pub restore: Ratio,
    /// Exposure factor while it is in force.
    pub factor: Ratio,
}

/// When a change is worth an order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trade {
    /// No discretionary trade within this share of the full-signal base size.
    pub buffer: Option<Ratio>,
    /// Trade to the buffer's edge or to the target itself.
    pub buffer_to: BufferTo,
    /// Smallest order; the instrument's own minimum holds as well.
    pub min_order: Option<Qty>,
    /// A remainder smaller than this is closed.
    pub dust: Option<OrderSize>,
}

/// How large an order or a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderSize {
    /// As the instrument counts.
    Qty(Qty),
    /// An amount of the base currency.
    Base(Qty),
    /// A value in the quote currency.
    Quote(Cash),
    /// A value in a currency that some instrument may not be quoted in: translated into its quote currency at the market.
    Worth(Cash, Code),
}

impl OrderSize {
    /// The same for one instrument: a value is in its quote currency where that is the currency, or where both are dollars.
    #[must_use]
    pub fn of(self, instrument: &str) -> Self {
        match (self, currencies(instrument)) {
            (Self::Worth(value, code), Some((_, quote)))
                if Code::new(quote) == code || (is_dollar(quote) && is_dollar(code.as_str())) =>
            {
                Self::Quote(value)
            }
            (size, _) => size,
        }
    }

    /// As a quantity of an instrument at a price. `None`: it does not fit, or its value has to be translated first.
    #[must_use]
    pub fn at(self, contract: Contract, price: Price, round: Round) -> Option<Qty> {
        match (self, contract) {
            (Self::Qty(qty), _) | (Self::Base(qty), Contract::Linear) => Some(qty),
            (Self::Base(qty), Contract::Inverse) => (price * qty).qty_at(Price::from_raw(Price::ONE), round),
            (Self::Quote(value), Contract::Linear) => value.notional().qty_at(price, round),
            (Self::Worth(..), _) => None,
            // The quantity of an inverse contract counts the quote currency.
            (Self::Quote(value), Contract::Inverse) => value.notional().qty_at(Price::from_raw(Price::ONE), round),
        }
    }
}

/// How far trouble has gone (SEMANTICS, Modes). Where none is said all is normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing is opened or added; what is held may get smaller.
    ReduceOnly,
    /// Nothing new goes out but exits; protective orders go on resting.
    Hold,
    /// Everything is closed.
    Flatten,
}

impl Mode {
    /// All of them, from the mildest.
    pub const ALL: [Self; 3] = [Self::ReduceOnly, Self::Hold, Self::Flatten];

    /// As people read it: reduce-only.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReduceOnly => "reduce-only",
            Self::Hold => "hold",
            Self::Flatten => "flatten",
        }
    }

    /// The name of its rule and of its key: `reduce_only`.
    #[must_use]
    pub fn rule(self) -> &'static str {
        match self {
            Self::ReduceOnly => "reduce_only",
            Self::Hold => "hold",
            Self::Flatten => "flatten",
        }
    }
}

/// `[modes]`: when trading degrades.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Modes {
    /// The condition of each mode, as [`Mode::ALL`] orders them.
    pub when: [Option<Expression>; 3],
    /// How long a mode stays in force behind its condition.
    pub restore_after: Duration,
    /// Hold while the price is older.
    pub stale_after: Option<Duration>,
}

impl Modes {
    /// The modes that have a condition.
    pub fn conditions(&self) -> impl Iterator<Item = (Mode, &Expression)> {
        Mode::ALL.into_iter().zip(&self.when).filter_map(|(mode, when)| Some((mode, when.as_ref()?)))
    }
}

/// How orders may go out. Nothing here holds an exit back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Guards {
    /// Increases are not filled worse than the last price by more than this share of it.
    pub price_collar: Option<Ratio>,
    /// A larger increase goes out in pieces, one a decision.
    pub max_order: Option<OrderSize>,
    /// Increases and discretionary changes wait while so many orders were sent within a time.
    pub max_orders: Option<OrderRate>,
    /// Windows in which nothing is increased and no discretionary trade is made.
    pub blackout: Vec<Blackout>,
}

/// So many orders within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRate {
    /// Orders.
    pub count: u32,
    /// The time, counted back from now.
    pub per: Duration,
}

/// A window in UTC, its end not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blackout {
    /// Every day from one time since midnight to another; where the second is the earlier one, over midnight.
    Daily {
        /// Begin.
        from: Duration,
        /// End.
        to: Duration,
    },
    /// Every week from one time since Monday's midnight to another; where the second is the earlier one, over it.
    Weekly {
        /// Begin.
        from: Duration,
        /// End.
        to: Duration,
    },
    /// Once.
    Once {
        /// Begin.
        from: Timestamp,
        /// How long.
        lasts: Duration,
    },
}

impl Blackout {
    /// When the window that an instant is in ends; `None`: it is in none.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        let recurring = |now: Timestamp, period: Duration, shift: Duration, from: Duration, to: Duration| {
            let begin = (now - shift).floor(period) + shift;
            let since = now.since(begin);
            let end = match from < to {
                true => (from <= since && since < to).then_some(begin + to),
                false if since < to => Some(begin + to),
                false => (since >= from).then_some(begin + period + to),
            };
            end.filter(|end| *end > now)
        };
        let (day, week) = (Duration::DAY, Duration::from_nanos(7 * Duration::DAY.nanos()));
        match self {
            Self::Daily { from, to } => recurring(now, day, Duration::ZERO, from, to),
            // The first Monday since 1970 was its fifth day.
            Self::Weekly { from, to } => recurring(now, week, Duration::from_nanos(4 * day.nanos()), from, to),
            Self::Once { from, lasts } => (from <= now && now < from + lasts).then_some(from + lasts),
        }
    }

    /// When the next window begins after an instant that is in none. `None`: never again.
    #[must_use]
    pub fn begin(self, now: Timestamp) -> Option<Timestamp> {
        let recurring = |period: Duration, shift: Duration, from: Duration| {
            let begin = (now - shift).floor(period) + shift + from;
            if begin > now { begin } else { begin + period }
        };
        let (day, week) = (Duration::DAY, Duration::from_nanos(7 * Duration::DAY.nanos()));
        match self {
            Self::Daily { from, .. } => Some(recurring(day, Duration::ZERO, from)),
            Self::Weekly { from, .. } => Some(recurring(week, Duration::from_nanos(4 * day.nanos()), from)),
            Self::Once { from, .. } => Some(from).filter(|from| *from > now),
        }
    }
}

/// Where a trade that leaves the buffer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BufferTo {
    /// To its edge.
    #[default]
    Edge,
    /// To the target.
    Centre,
}

/// What a backtest assumes of the venue and of the twin.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    /// Paid in at the start, in the settlement currency of the first instrument. Counts where no accounts are declared.
    pub deposit: Cash,
    /// The currency that the policy gives for it, where the symbol does not tell the one that the contract settles in.
    pub deposit_currency: Option<String>,
    /// Fee of a fill that takes; that of the first tier where there are tiers.
    pub taker_fee: Rate,
    /// Fee of a fill that rested; that of the first tier where there are tiers.
    pub maker_fee: Rate,
    /// Fees by the value traded; the first from zero on, rising. Empty: the two fees above hold.
    pub fee_tiers: Vec<FeeTier>,
    /// What the value traded is counted in. `None`: in dollars.
    pub fee_currency: Option<String>,
    /// Half of the spread, as a share of the price.
    pub half_spread: Rate,
    /// Further cost of market and stop fills, as a share of the price.
    pub slippage: Rate,
    /// Temporary price impact: the further share of price for each million of the quote currency that a market or stop order takes at
    /// once (Almgren and Chriss 2001).
    pub impact: Rate,
    /// What options cost and need.
    pub options: OptionCosts,
    /// From decision to the venue.
    pub latency: Duration,
    /// The twin's quantity: this × equity at entry ÷ entry price.
    pub twin_base: Ratio,
    /// Money moved during the run, in the order of time.
    pub flows: Vec<Flow>,
}

impl Backtest {
    /// What a trade at the market costs whatever its size, as a share of its value: fee, half the spread, slippage.
    #[must_use]
    pub fn cost(&self) -> f64 {
        [self.taker_fee, self.half_spread, self.slippage].map(Rate::approximate).iter().sum()
    }

    /// What impact adds to it for each unit of the quote currency traded at once, as a share of value: value² × this is money.
    #[must_use]
    pub fn impact_each(&self) -> f64 {
        self.impact.approximate() / 1e6
    }
}

/// What a backtest assumes that options cost and need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionCosts {
    /// Fee of a fill, a share of the underlying; at most an eighth of the option's price.
    pub fee: Rate,
    /// What options that are sold need.
    pub margin: OptionMargin,
}

/// What options that are sold need beside what they are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionMargin {
    /// Flat shares of the underlying, nobody's real rule.
    Flat {
        /// To sell one.
        initial: Rate,
        /// Under this, what was sold is liquidated; not over the initial one.
        maintenance: Rate,
    },
    /// By the rule of the venue that lists them.
    Venue,
}

impl Default for OptionCosts {
    fn default() -> Self {
        let basis_points = |count: i64| Rate::from_raw(count * (Rate::ONE / 10_000));
        let margin = OptionMargin::Flat { initial: basis_points(1_500), maintenance: basis_points(1_000) };
        Self { fee: basis_points(3), margin }
    }
}

impl Default for Backtest {
    /// A million of the quote currency on a large venue's perpetual, at its ordinary fees.
    fn default() -> Self {
        let hundredths_of_bp = |count: i64| Rate::from_raw(count * (Rate::ONE / 1_000_000));
        Self {
            deposit: Cash::from_raw(1_000_000 * Cash::ONE),
            deposit_currency: None,
            taker_fee: hundredths_of_bp(500),
            maker_fee: hundredths_of_bp(200),
            fee_tiers: Vec::new(),
            fee_currency: None,
            half_spread: hundredths_of_bp(50),
            slippage: hundredths_of_bp(100),
            impact: Rate::ZERO,
            options: OptionCosts::default(),
            latency: Duration::from_nanos(Duration::SECOND.nanos() / 4),
            twin_base: Ratio::new(1.0).unwrap_or_default(),
            flows: Vec::new(),
        }
    }
}
