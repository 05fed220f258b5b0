//! A checked policy: every value typed, every range tested, nothing left to go wrong at run time.

mod accounts;
mod assumptions;
mod caps;
mod execution;
mod scaling;
mod signal;
mod size;

pub use self::accounts::{
    AccountTerms, Adoption, Allocation, Correlation, Deposit, DrawdownBudget, FeeTier, Flow, FlowKind, Money, Over,
    Weights,
};
pub use self::assumptions::{Backtest, OptionCosts, OptionMargin};
pub use self::caps::{
    Breached, Caps, Cut, DrawdownLevel, ExitTime, FactLimit, Floor, FloorOf, LeverageLimit, Limit, LimitAction, OnLoss,
    OpenRisk, Participation, Rearm,
};
pub use self::execution::{Blackout, BufferTo, Guards, Mode, Modes, OrderRate, OrderSize, Trade};
pub use self::scaling::{
    Follow, FractionOf, Ladder, Pyramid, Rung, RungAt, Spacing, Stop, Streak, StreakOver, TimeStop, Trigger,
};
pub use self::signal::{Reentry, Sides, Signal, SignalKind, UnitSource};
pub use self::size::{Resize, Size, SizeKind, TargetGreek, VolatilitySource};
use crate::expression::Expression;
pub use crate::hedge::{
    ALTERNATIVES_MAX, Alternative, Band, Choice, ExpectedVolatility, Hedge, HedgeOption, HedgeTerms, HedgeTo,
};
pub use crate::setting::{Reckoned, Setting};
pub use crate::structure::{
    LEGS_MAX, LegStrike, Roll, Sticky, Structure, StructureLeg, is_structure, structure_symbol,
};
pub(crate) use crate::symbol::is_spot;
pub use crate::symbol::{base, currencies, is_dollar, settlements, venue};
use crate::{RiskFact, SurfaceFact};
use std::borrow::Cow;
use units::{Duration, Ratio};

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

    /// How old a recorded series may be in an instrument before whatever of the policy reads it longest does not know it any more, by name.
    /// Facts that the engine tells and series of depth are none of them.
    #[must_use]
    pub fn max_ages(&self, instrument: &str) -> Vec<(String, Duration)> {
        let signal = match &self.signal.kind {
            SignalKind::Series { name, max_age } => Some((name.as_str(), *max_age)),
            _ => None,
        };
        let unit = match &self.unit {
            Some(UnitSource::ImpliedMove { series, max_age }) => Some((series.as_str(), *max_age)),
            _ => None,
        };
        let size = match &self.size.kind {
            SizeKind::VolatilityTarget { sources, .. } => sources.iter().flat_map(VolatilitySource::max_ages).collect(),
            _ => Vec::new(),
        };
        let asked = self.expressions().flat_map(Expression::max_ages);
        let mut ages: Vec<(String, Duration)> = Vec::new();
        for (name, age) in signal.into_iter().chain(unit).chain(size).chain(asked) {
            if name.parse::<RiskFact>().is_ok() || name.parse::<SurfaceFact>().is_ok() {
                continue;
            }
            let name = filled(name, instrument);
            match ages.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = age.max(*known),
                None => ages.push((name.into_owned(), age)),
            }
        }
        ages
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
