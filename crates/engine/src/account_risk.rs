//! What venues ask of accounts, how near they are to being liquidated, what a stress would cost, and how they have grown: facts that
//! rules read, exact at every decision, those of growth at every midnight.
//!
//! A margin that is a sum over positions is kept as exact sums, of which a mark changes one part. All else is computed anew for the
//! decision that reads it. What cannot be computed is not told, and the reason is kept.

mod edges;
mod proof;

use crate::chain::Chains;
use crate::engine::Engine;
use crate::periods::DayReturns;
use crate::scope::Scope;
use edges::Edges;
use market::{Account, AccountSpec, Catalogue, Currency, InstrumentKind, Source, is_dollar};
use policy::facts::{self, Fact};
use policy::spec::MAX_AGE;
use policy::{Arg, Concentrated, MarginFigure, RiskFact, STEPS_MAX};
use pricing::options::Simd;
use proof::Proof;
use risk::collateral::{self, Collateral};
use risk::greeks::SmilePoint;
use risk::growth::{Dependence, GrowthError, Walk, kelly_empirical, kelly_shrinkage};
use risk::liquidation::{BoundariesError, Drift, Path, TouchError};
use risk::scenario::{NamedStress, Outcomes, Revaluation, Scenario, ScenarioError};
use risk::venues::{
    Absent, Balance, MarginError, MarginTerms, Order, Parameters, Portfolio, Position, PositionRule, Term, Underlying,
    VenueModel, VenueRules, worst_orders,
};
use std::collections::BTreeMap;
use std::fmt;
use units::math::ln;
use units::{AccountId, Cash, Duration, InstrumentId, Price, Qty, Ratio, SeriesId, StrategyId, Timestamp};

/// Days of a year, in nanoseconds.
const YEAR: f64 = 365.0 * Duration::DAY.nanos() as f64;
/// The distance that is told where no price from a thousandth to a thousandfold of the present one liquidates.
const NEVER: f64 = 1_000.0;
/// Inputs between two searches for a proof where none was found.
const ASK_EVERY: u8 = 16;
/// Days of returns that tell anything of ruin and growth.
const DAYS_MIN: usize = 60;

/// Why a fact of margin, liquidation or a stress is not told.
#[derive(Debug, Clone, PartialEq)]
pub enum RiskRefusal {
    /// The run has no account at that venue.
    NoAccount(String),
    /// No margin model of that venue is known.
    NoModel(String),
    /// What the venue's model, or the portfolio that it is asked with, lacks. Rows are those of [`Engine::venue_portfolio`].
    Margin(MarginError),
    /// A figure is absent.
    Absent(Absent),
    /// What a currency is worth in the account's numéraire is not known yet.
    NoTranslation(Currency),
    /// A coin has no price yet.
    NoPrice(Currency),
    /// Neither a surface nor the strategy tells a volatility of a coin.
    NoVolatility(Currency),
    /// No stress has that name.
    NoStress(String),
    /// What the stress makes of the portfolio.
    Scenario(ScenarioError),
    /// Boundaries that cannot be searched.
    Boundaries(BoundariesError),
    /// A number of the path whose touching is asked for.
    Touch(TouchError),
    /// The account has run for fewer whole days than tell of ruin and growth.
    TooFewDays {
        /// So many.
        count: usize,
    },
    /// What the account's returns say of ruin and growth.
    Growth(GrowthError),
}

impl fmt::Display for RiskRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAccount(venue) => write!(f, "the run has no account at `{venue}`; add one with `[[accounts]]`"),
            Self::NoModel(venue) => {
                write!(f, "how `{venue}` margins is not known; venues with a model are ")?;
                for (at, known) in VenueModel::venues().enumerate() {
                    write!(f, "{}`{known}`", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Margin(error) => error.fmt(f),
            Self::Absent(absent) => absent.fmt(f),
            Self::NoTranslation(currency) => {
                write!(f, "what {currency} is worth in the account's numéraire is not known yet")
            }
            Self::NoPrice(coin) => write!(f, "{coin} has no price yet"),
            Self::NoVolatility(coin) => {
                write!(f, "no volatility of {coin} is known; quote its options, or state one in `[size] volatility`")
            }
            Self::NoStress(name) => write!(f, "no stress is called `{name}`"),
            Self::Scenario(error) => error.fmt(f),
            Self::Boundaries(error) => error.fmt(f),
            Self::Touch(error) => error.fmt(f),
            Self::TooFewDays { count } => {
                write!(
                    f,
                    "the account has returns of {count} days, and {DAYS_MIN} are the fewest that tell of ruin and growth"
                )
            }
            Self::Growth(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RiskRefusal {}

impl From<MarginError> for RiskRefusal {
    fn from(error: MarginError) -> Self {
        Self::Margin(error)
    }
}

impl From<GrowthError> for RiskRefusal {
    fn from(error: GrowthError) -> Self {
        Self::Growth(error)
    }
}

impl From<ScenarioError> for RiskRefusal {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}

/// A fact that a strategy reads.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) series: SeriesId,
    pub(crate) fact: RiskFact,
    refusal: Option<RiskRefusal>,
    /// Within what it provably stays where the strategy's region lets it be.
    proof: Option<Proof>,
    /// The region lets it be whatever it is.
    is_free: bool,
    /// The last decision went by that.
    is_spared: bool,
    /// Inputs until a proof is looked for again, after none was found.
    until_asked: u8,
}

/// A coin and what tells its price.
#[derive(Debug, Clone)]
struct Coin {
    base: Currency,
    /// Instruments whose price is that of the coin in dollars: the first that has one tells it.
    sources: Vec<u32>,
    chains: Vec<usize>,
}

impl Coin {
    /// In dollars: as for the Greeks of what is held, else the nearest forward.
    fn price(&self, engine: &Engine) -> Option<Price> {
        let last = |source: &u32| engine.last[*source as usize];
        let own = self.sources.iter().map(last).find(|last| !last.is_zero());
        let forward = |chain: &usize| {
            let listed = engine.structures.chains.chains()[*chain].expiries();
            listed.iter().find_map(crate::ChainExpiry::forward)
        };
        own.or_else(|| self.chains.iter().find_map(forward))
    }
}

/// A position and what it needs.
#[derive(Debug, Clone)]
struct Row {
    instrument: usize,
    qty: Qty,
    mark: Price,
    /// Of the coin, where the margin follows it.
    index: Option<Price>,
    is_option: bool,
    maintenance: Cash,
    /// What an option is worth: the venue's equity is without it.
    apart: Cash,
    rule: PositionRule,
}

/// Positions that settle in one currency.
#[derive(Debug, Clone)]
struct Pool {
    settle: Currency,
    rows: Vec<Row>,
    /// Σ of the rows: exact, so that sums are kept up by differences.
    maintenance: Cash,
    apart: Cash,
}

impl Pool {
    /// What bears the margin: balance and profit, without what options are worth.
    fn equity(&self, account: &Account) -> Cash {
        account.balance(self.settle).map_or(Cash::ZERO, market::Balance::equity) - self.apart
    }
}

/// An account under its venue's model.
#[derive(Debug)]
struct Held {
    venue: String,
    model: Option<VenueModel>,
    rules: BTreeMap<usize, PositionRule>,
    pools: Vec<Pool>,
    /// After how many changes of positions and money, and quotes of options, rows were made and marked.
    made: Option<u64>,
    quotes: u64,
    /// When the oldest quote of an option held was told, and which.
    oldest: (Timestamp, usize),
    /// What brought them up to date last came to, and in which input.
    result: Result<(), RiskRefusal>,
    moment: u64,
}

/// Everything of all accounts, as scenarios move it.
#[derive(Debug)]
struct Whole {
    portfolio: risk::scenario::Portfolio,
    /// The instrument of each position.
    lines: Vec<usize>,
    /// Lines of perpetuals and futures, which move from their marks: the book and the instrument of each.
    futures: Vec<(usize, usize, usize)>,
    made: u64,
    quotes: u64,
    /// Until when no option's quote is too old and no contract has expired.
    until: Timestamp,
}

/// A fact of the returns of an account's days, which stays until the next one.
#[derive(Debug)]
struct Grown {
    account: usize,
    fact: RiskFact,
    /// After how many changes of the returns it was computed.
    version: u32,
    value: Result<f64, RiskRefusal>,
}

/// Facts of risk that rules read, and what they are computed from.
#[derive(Debug)]
pub(crate) struct AccountRisk {
    /// Those of the catalogue.
    named: Vec<(SeriesId, RiskFact)>,
    /// By strategy.
    readers: Vec<Vec<Reading>>,
    /// By account.
    held: Vec<Held>,
    coins: Vec<Coin>,
    stresses: Vec<(String, Option<Scenario>)>,
    whole: Option<Whole>,
    revaluation: Revaluation,
    outcomes: Outcomes,
    grown: Vec<Grown>,
    /// Of rules that look at a portfolio as a whole, by coin.
    parameters: Vec<(VenueRules, Currency, Parameters)>,
    /// Inputs so far: no state.
    moment: u64,
    /// How often a fact was computed, and how often a proof spared that: measures, and no state.
    pub(crate) computed: u64,
    pub(crate) spared: u64,
}

impl AccountRisk {
    /// `None`: no series of the catalogue is such a fact.
    pub(crate) fn new(catalogue: &Catalogue, accounts: &[AccountSpec], chains: &Chains) -> Option<Self> {
        let names = catalogue.series.iter().enumerate();
        let named: Vec<(SeriesId, RiskFact)> =
            names.filter_map(|(index, name)| Some((SeriesId(index as u32), name.parse().ok()?))).collect();
        if named.is_empty() {
            return None;
        }
        let held = |venue: String| Held {
            model: VenueModel::of_venue(&venue),
            venue,
            rules: BTreeMap::new(),
            pools: Vec::new(),
            made: None,
            quotes: 0,
            oldest: (Timestamp::MAX, 0),
            result: Ok(()),
            moment: 0,
        };
        // One account that trades everything is at the venue of the first instrument.
        let only = || catalogue.instruments.first().map_or("", market::Instrument::venue).to_owned();
        let held = if accounts.is_empty() {
            vec![held(only())]
        } else {
            accounts.iter().map(|spec| held(spec.venue.clone())).collect()
        };
        let mut stresses: Vec<(String, Option<Scenario>)> = Vec::new();
        for (_, fact) in &named {
            let RiskFact::Stress { name } = fact else { continue };
            if !stresses.iter().any(|(known, _)| known == name) {
                stresses.push((name.clone(), NamedStress::named(name).map(|stress| stress.scenario)));
            }
        }
        Some(Self {
            named,
            readers: Vec::new(),
            held,
            coins: coins(catalogue, chains),
            stresses,
            whole: None,
            revaluation: Revaluation::new(Simd::best()),
            outcomes: Outcomes::default(),
            grown: Vec::new(),
            parameters: Vec::new(),
            moment: 1,
            computed: 0,
            spared: 0,
        })
    }

    /// A strategy is added: looks up which facts its rules read.
    pub(crate) fn read(&mut self, scope: &mut Scope) {
        let mut readings = Vec::new();
        for (series, fact) in &self.named {
            let id = facts::series(*series).id();
            if scope.reads(id) {
                scope.facts.pass(id);
                readings.push(Reading {
                    series: *series,
                    fact: fact.clone(),
                    refusal: None,
                    proof: None,
                    is_free: false,
                    is_spared: false,
                    until_asked: 0,
                });
            }
        }
        self.readers.push(readings);
    }

    /// Whether a fact follows from the returns of accounts.
    pub(crate) fn needs_returns(&self) -> bool {
        self.named.iter().any(|(_, fact)| fact.needs_returns())
    }

    fn coin(&self, base: Currency) -> Option<&Coin> {
        let at = self.coins.binary_search_by_key(&base, |coin| coin.base).ok()?;
        self.coins.get(at)
    }

    /// A fact as it is now.
    fn value(&mut self, engine: &Engine, scope: usize, fact: &RiskFact) -> Result<f64, RiskRefusal> {
        self.computed += 1;
        match fact {
            RiskFact::Margin { figure, venue, portfolio } => self.margin(engine, *figure, (venue, *portfolio)),
            RiskFact::Concentration { of } => self.concentration(engine, *of),
            RiskFact::Distance => Ok(self.edges(engine, scope)?.distance().unwrap_or(NEVER)),
            RiskFact::Probability { horizon } => self.probability(engine, scope, *horizon),
            RiskFact::Stress { name } => self.stress(engine, name),
            RiskFact::Ruin { .. } | RiskFact::Kelly { .. } => self.grown(engine, scope, fact),
        }
    }

    /// A fact of the returns of the strategy's account: computed once a day.
    fn grown(&mut self, engine: &Engine, scope: usize, fact: &RiskFact) -> Result<f64, RiskRefusal> {
        let account = engine.scopes[scope].account.index();
        let Some(returns) = engine.books[account].periods.returns() else {
            return Err(RiskRefusal::TooFewDays { count: 0 });
        };
        let version = returns.version;
        let known = self.grown.iter().position(|grown| grown.account == account && grown.fact == *fact);
        if let Some(known) = known.map(|at| &self.grown[at]).filter(|known| known.version == version) {
            return known.value.clone();
        }
        let value = growth(returns, fact);
        let grown = Grown { account, fact: fact.clone(), version, value: value.clone() };
        match known {
            Some(at) => self.grown[at] = grown,
            None => self.grown.push(grown),
        }
        value
    }

    fn account_at(&self, venue: &str) -> Result<usize, RiskRefusal> {
        let found = self.held.iter().position(|held| held.venue == venue);
        found.ok_or_else(|| RiskRefusal::NoAccount(venue.to_owned()))
    }

    /// A figure of a venue's margin.
    fn margin(
        &mut self,
        engine: &Engine,
        figure: MarginFigure,
        (venue, portfolio): (&str, bool),
    ) -> Result<f64, RiskRefusal> {
        let at = self.account_at(venue)?;
        let account = &engine.books[at].account;
        let margin = if portfolio { "portfolio" } else { "standard" };
        let rules = VenueRules::of(venue, Some(margin)).filter(|_| !portfolio || VenueRules::has_two(venue));
        let named = || if portfolio { format!("{venue}, portfolio") } else { venue.to_owned() };
        let rules = rules.ok_or_else(|| RiskRefusal::NoModel(named()))?;
        if !rules.is_sum() {
            return self.whole_margin(engine, at, figure, rules);
        }
        self.update(engine, at)?;
        let held = &self.held[at];
        match figure {
            MarginFigure::Ratio => {
                let mut worst = 0.0_f64;
                for pool in &held.pools {
                    worst = worst.max(ratio(pool.maintenance.approximate(), pool.equity(account).approximate())?);
                }
                Ok(worst)
            }
            MarginFigure::Maintenance => {
                translated(account, held.pools.iter().map(|pool| (pool.settle, pool.maintenance)))
            }
            MarginFigure::Initial => {
                let initial = self.initial(engine, at)?;
                translated(account, initial.into_iter())
            }
        }
    }

    /// A figure of a model that looks at the portfolio as a whole.
    fn whole_margin(
        &mut self,
        engine: &Engine,
        at: usize,
        figure: MarginFigure,
        rules: VenueRules,
    ) -> Result<f64, RiskRefusal> {
        let account = &engine.books[at].account;
        let all = self.portfolio(engine, at..at + 1)?;
        let mut settles: Vec<Currency> = all.positions.iter().map(|position| position.instrument.settle).collect();
        settles.sort_unstable();
        settles.dedup();
        let (mut worst, mut sum) = (0.0_f64, 0.0);
        for settle in settles {
            let pool = of_pool(&all, settle);
            // Rules of one coin refuse what is held of another.
            let coin = pool.positions.first().map_or(settle, |position| position.instrument.base);
            let known = self.parameters.iter().position(|(known, of, _)| (*known, *of) == (rules, coin));
            let known = match known {
                Some(known) => known,
                None => {
                    let own = rules.parameters(coin).ok_or_else(|| RiskRefusal::NoModel(rules.venue().to_owned()))?;
                    self.parameters.push((rules, coin, own));
                    self.parameters.len() - 1
                }
            };
            let (terms, own) = (MarginTerms::of(coin, settle), &self.parameters[known].2);
            let (margin, _) = rules.margin(&pool, own, &terms)?;
            let value = |of: &risk::venues::Figure| of.value().ok_or(RiskRefusal::Absent(Absent::Part));
            let (maintenance, equity) = (value(&margin.maintenance)?, value(&margin.equity)?);
            worst = worst.max(ratio(maintenance, equity)?);
            let amount = match figure {
                MarginFigure::Initial if !rules.counts_orders() && !pool.orders.is_empty() => {
                    let of = |portfolio: &Portfolio| Ok(rules.margin(portfolio, own, &terms)?.0);
                    value(&margin.initial)? + worst_orders(&pool, of)?.needed
                }
                MarginFigure::Initial => value(&margin.initial)?,
                _ => maintenance,
            };
            let amount = Cash::from_estimate(amount, units::Round::AwayFromZero);
            let amount = amount.ok_or(RiskRefusal::Absent(Absent::NotFinite))?;
            sum += translated(account, std::iter::once((settle, amount)))?;
        }
        Ok(if figure == MarginFigure::Ratio { worst } else { sum })
    }

    /// The part of what all accounts hold, profit included, that lies at one venue or in one stablecoin, at most.
    fn concentration(&self, engine: &Engine, of: Concentrated) -> Result<f64, RiskRefusal> {
        let mut balances = Vec::new();
        for (at, book) in engine.books.iter().enumerate() {
            for balance in book.account.balances().iter().filter(|balance| !balance.equity().is_zero()) {
                let (venue, currency, amount) = (AccountId(at as u32), balance.currency, balance.equity());
                let price = self.coin(currency).and_then(|coin| coin.price(engine)).map(Price::approximate);
                let price = price.or(is_dollar(currency).then_some(1.0)).ok_or(RiskRefusal::NoPrice(currency))?;
                balances.push(collateral::Balance { venue, currency, amount, price, haircut: 0.0 });
            }
        }
        let held = Collateral::new(balances).map_err(|_| RiskRefusal::Absent(Absent::NotFinite))?;
        let share = held.stablecoin_share(&[]).ok_or(RiskRefusal::Absent(Absent::NoEquity))?;
        match of {
            Concentrated::Venue => {
                let largest = held.by_venue().and_then(|venues| Some(venues.largest()?.1));
                largest.ok_or(RiskRefusal::Absent(Absent::NoEquity))
            }
            Concentrated::Stablecoin => {
                let largest = held.by_stablecoin(&[]).and_then(|coins| Some(coins.largest()?.1));
                Ok(largest.map_or(0.0, |largest| largest * share))
            }
        }
    }

    /// Initial margin by settlement currency, each position with the worst of its pending orders.
    fn initial(&mut self, engine: &Engine, at: usize) -> Result<Vec<(Currency, Cash)>, RiskRefusal> {
        let pending = pending(engine, AccountId(at as u32));
        let mut needed: Vec<(Currency, Cash)> = Vec::new();
        let mut add = |settle: Currency, amount: Cash| match needed.iter_mut().find(|(known, _)| *known == settle) {
            Some((_, sum)) => *sum += amount,
            None => needed.push((settle, amount)),
        };
        let held: Vec<(usize, Qty)> =
            self.held[at].pools.iter().flat_map(|pool| &pool.rows).map(|row| (row.instrument, row.qty)).collect();
        let others = pending.iter().filter(|(index, ..)| held.iter().all(|(known, _)| known != index));
        let all = held.iter().copied().chain(others.map(|(index, ..)| (*index, Qty::ZERO)));
        for (row, (index, qty)) in all.collect::<Vec<_>>().into_iter().enumerate() {
            let of = &engine.catalogue.instruments[index];
            let rule = self.rule(engine, at, index, row)?;
            let mark = mark_of(engine, at, index, row)?;
            let price = self.coin(of.base).and_then(|coin| coin.price(engine));
            let (_, bought, sold) = pending.iter().find(|(known, ..)| *known == index).copied().unwrap_or_default();
            let mut worst = Cash::ZERO;
            for qty in [qty, qty + bought, qty - sold] {
                worst = worst.max(rule.margins(qty, mark, price, row)?.0);
            }
            // What is bought of an option is paid in full.
            let premium = if of.kind.is_option() { (mark * bought).cash() } else { Cash::ZERO };
            add(of.settle, worst + premium);
        }
        Ok(needed)
    }

    /// The rule of an instrument in an account.
    fn rule(&mut self, engine: &Engine, at: usize, index: usize, row: usize) -> Result<PositionRule, RiskRefusal> {
        let held = &mut self.held[at];
        let model = held.model.as_ref().ok_or_else(|| RiskRefusal::NoModel(held.venue.clone()))?;
        let of = &engine.catalogue.instruments[index];
        if let Some(expiry) = of.kind.expiry().filter(|expiry| *expiry < engine.now) {
            return Err(MarginError::Expired { row, symbol: of.symbol.clone(), expiry }.into());
        }
        if let Some(rule) = held.rules.get(&index) {
            return Ok(rule.clone());
        }
        let rule = model.rule(of, row, engine.now)?;
        held.rules.insert(index, rule.clone());
        Ok(rule)
    }

    /// Brings the margins of an account up to date, once an input.
    fn update(&mut self, engine: &Engine, at: usize) -> Result<(), RiskRefusal> {
        if self.held[at].moment != self.moment {
            let result = self.bring_up(engine, at);
            let held = &mut self.held[at];
            if result.is_err() {
                held.made = None;
            }
            (held.result, held.moment) = (result, self.moment);
        }
        self.held[at].result.clone()
    }

    fn bring_up(&mut self, engine: &Engine, at: usize) -> Result<(), RiskRefusal> {
        let (book, quotes) = (&engine.books[at], engine.structures.chains.changes());
        let held = &self.held[at];
        if let Some(model) = &held.model {
            model.check(engine.now)?;
        }
        let is_new = held.made != Some(book.moves);
        let is_quoted = is_new || held.quotes != quotes;
        if is_new {
            self.make_rows(engine, at)?;
        }
        let Self { held, coins, .. } = self;
        let held = &mut held[at];
        let chains = &engine.structures.chains;
        if is_quoted {
            held.oldest = (Timestamp::MAX, 0);
        }
        let mut number = 0;
        for pool in &mut held.pools {
            for row in &mut pool.rows {
                number += 1;
                if row.is_option && !is_quoted {
                    continue;
                }
                if let Some(quoted) = chains.option(InstrumentId(row.instrument as u32)).map(|option| option.quoted) {
                    held.oldest = held.oldest.min((quoted, row.instrument));
                }
                let of = &engine.catalogue.instruments[row.instrument];
                let mark = book.account.mark(row.instrument);
                let index = row.rule.needs_index().then(|| {
                    let at = coins.binary_search_by_key(&of.base, |coin| coin.base).ok()?;
                    coins[at].price(engine)
                });
                let index = index.flatten();
                if !is_new && (mark, index) == (row.mark, row.index) {
                    continue;
                }
                if is_new {
                    mark_of(engine, at, row.instrument, number - 1)?;
                }
                let (_, maintenance) = row.rule.margins(row.qty, mark, index, number - 1)?;
                let apart = if row.is_option { book.account.exposure(row.instrument).cash() } else { Cash::ZERO };
                pool.maintenance += maintenance - std::mem::replace(&mut row.maintenance, maintenance);
                pool.apart += apart - std::mem::replace(&mut row.apart, apart);
                (row.mark, row.index) = (mark, index);
            }
        }
        (held.made, held.quotes) = (Some(book.moves), quotes);
        let (quoted, instrument) = held.oldest;
        if quoted != Timestamp::MAX && engine.now.since(quoted) > MAX_AGE {
            let row = held.pools.iter().flat_map(|pool| &pool.rows).position(|row| row.instrument == instrument);
            return Err(MarginError::Stale {
                row: row.unwrap_or_default(),
                symbol: engine.catalogue.instruments[instrument].symbol.clone(),
                marked_at: quoted,
                at: engine.now,
                stale_after: Some(MAX_AGE),
            }
            .into());
        }
        let over = held.pools.iter().flat_map(|pool| &pool.rows).enumerate().find_map(|(row, of)| {
            let instrument = &engine.catalogue.instruments[of.instrument];
            let expiry = instrument.kind.expiry().filter(|expiry| *expiry < engine.now)?;
            Some(MarginError::Expired { row, symbol: instrument.symbol.clone(), expiry })
        });
        over.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Rows of what an account holds, without their margins.
    fn make_rows(&mut self, engine: &Engine, at: usize) -> Result<(), RiskRefusal> {
        self.held[at].made = None;
        self.held[at].pools.clear();
        for (number, (index, position)) in margined(engine, at).enumerate() {
            let rule = self.rule(engine, at, index, number)?;
            let of = &engine.catalogue.instruments[index];
            let pools = &mut self.held[at].pools;
            let place = pools.iter().position(|pool| pool.settle == of.settle).unwrap_or(pools.len());
            if place == pools.len() {
                let (rows, zero) = (Vec::new(), Cash::ZERO);
                pools.push(Pool { settle: of.settle, rows, maintenance: zero, apart: zero });
            }
            pools[place].rows.push(Row {
                instrument: index,
                qty: position.qty,
                mark: Price::ZERO,
                index: None,
                is_option: of.kind.is_option(),
                maintenance: Cash::ZERO,
                apart: Cash::ZERO,
                rule,
            });
        }
        Ok(())
    }

    /// Where the account of a strategy is liquidated, as multiples of the present price of its underlying.
    fn edges(&mut self, engine: &Engine, scope: usize) -> Result<Edges, RiskRefusal> {
        let scope = &engine.scopes[scope];
        let (at, base) = (scope.account.index(), engine.catalogue.instruments[scope.instrument.index()].base);
        if self.held[at].model.is_none() {
            return Err(RiskRefusal::NoModel(self.held[at].venue.clone()));
        }
        self.update(engine, at)?;
        let coin = self.coin(base);
        let (account, held) = (&engine.books[at].account, &self.held[at]);
        held.pools.iter().try_fold(Edges::default(), |edges, pool| {
            Ok(edges.nearer(Edges::of(engine, account, pool, (base, coin.and_then(|coin| coin.price(engine))))?))
        })
    }

    fn probability(&mut self, engine: &Engine, scope: usize, horizon: Duration) -> Result<f64, RiskRefusal> {
        let edges = self.edges(engine, scope)?;
        if edges.is_liquidated {
            return Ok(1.0);
        }
        if (edges.below, edges.above) == (None, None) {
            return Ok(0.0);
        }
        let years = horizon.nanos() as f64 / YEAR;
        let own = &engine.scopes[scope];
        let base = engine.catalogue.instruments[own.instrument.index()].base;
        let largest = engine.structures.chains.largest(base.as_str());
        let surface = largest.and_then(|chain| engine.surfaces.of(chain));
        let surface = surface.filter(|fitted| engine.now.since(fitted.at()) <= MAX_AGE);
        let implied = surface.and_then(|fitted| Some(fitted.surface()?.tenor(years).ok()?.atm()));
        let vol = implied.or_else(|| own.facts.get(facts::VOLATILITY).map(units::Vol::get));
        let vol = vol.ok_or(RiskRefusal::NoVolatility(base))?;
        let path = Path { price: 1.0, vol, years, drift: Drift::Martingale };
        path.touches(edges.below, edges.above).map_err(RiskRefusal::Touch)
    }

    /// What all accounts lose in a stress, as a fraction of their equity.
    fn stress(&mut self, engine: &Engine, name: &str) -> Result<f64, RiskRefusal> {
        let known = self.stresses.iter().position(|(known, _)| known == name);
        let stress = known.filter(|at| self.stresses[*at].1.is_some());
        let stress = stress.ok_or_else(|| RiskRefusal::NoStress(name.to_owned()))?;
        let numeraire = engine.books[0].account.numeraire();
        let equity = equity_of_all(engine)?;
        if equity <= Cash::ZERO {
            return Err(RiskRefusal::Absent(Absent::NoEquity));
        }
        self.bring_up_whole(engine, numeraire)?;
        let Self { whole: Some(whole), stresses, revaluation, outcomes, .. } = self else {
            return Err(RiskRefusal::NoStress(name.to_owned()));
        };
        let Some(scenario) = &stresses[stress].1 else { return Err(RiskRefusal::NoStress(name.to_owned())) };
        revaluation.run(&whole.portfolio, std::slice::from_ref(scenario), outcomes)?;
        Ok(-outcomes.total(0) / equity.approximate())
    }

    /// All accounts as scenarios move them, at the prices of now.
    fn bring_up_whole(&mut self, engine: &Engine, numeraire: Currency) -> Result<(), RiskRefusal> {
        let made = engine.books.iter().map(|book| book.moves).sum();
        let quotes = engine.structures.chains.changes();
        let stays = |whole: &Whole| whole.made == made && whole.quotes == quotes && engine.now <= whole.until;
        if !self.whole.as_ref().is_some_and(stays) {
            self.whole = None;
            let account = self.portfolio(engine, 0..engine.books.len())?;
            let held: Vec<(usize, usize)> = (0..engine.books.len())
                .flat_map(|book| margined(engine, book).map(move |(index, _)| (book, index)))
                .collect();
            // What is settled in a coin that is no dollar keeps its basis.
            let future = |(line, position): (usize, &Position)| {
                let of = &position.instrument;
                let is_dollars = is_dollar(of.settle) || of.settle == of.base;
                let id = engine.catalogue.instrument_id(&of.symbol).filter(|_| !of.kind.is_option() && is_dollars)?;
                let (book, index) = held.iter().find(|(_, index)| *index == id.index())?;
                Some((line, *book, *index))
            };
            let lines = held.iter().map(|(_, index)| *index).collect();
            let futures = account.positions.iter().enumerate().filter_map(future).collect();
            let portfolio = risk::scenario::Portfolio::of(&account, numeraire)?;
            let ends = account.positions.iter().flat_map(|position| {
                [position.marked_at.map(|quoted| quoted + MAX_AGE), position.instrument.kind.expiry()]
            });
            let until = ends.flatten().fold(Timestamp::MAX, Timestamp::min);
            self.whole = Some(Whole { portfolio, lines, futures, made, quotes, until });
        }
        let Self { whole: Some(whole), coins, .. } = self else { return Ok(()) };
        whole.portfolio.set_time(engine.now);
        for coin in coins.iter().filter(|coin| !is_dollar(coin.base)) {
            if let Some(price) = coin.price(engine) {
                whole.portfolio.set_price(coin.base, price.approximate())?;
            }
        }
        for (line, book, index) in &whole.futures {
            whole.portfolio.set_own_price(*line, engine.books[*book].account.mark(*index).approximate())?;
        }
        Ok(())
    }

    /// Accounts as margin models and scenarios take them: positions of all of them in the order of the catalogue, account by account.
    fn portfolio(&self, engine: &Engine, accounts: std::ops::Range<usize>) -> Result<Portfolio, RiskRefusal> {
        let mut all = Portfolio { at: engine.now, stale_after: Some(MAX_AGE), ..Portfolio::default() };
        let chains = &engine.structures.chains;
        let mut coins: Vec<Currency> = Vec::new();
        for at in accounts {
            let account = &engine.books[at].account;
            let first = all.positions.len();
            let mut paid: Vec<(Currency, Cash)> = Vec::new();
            for (row, (index, position)) in margined(engine, at).enumerate() {
                let of = &engine.catalogue.instruments[index];
                let id = InstrumentId(index as u32);
                let mark = mark_of(engine, at, index, first + row)?;
                let mut own = Position { mark: Some(mark), ..Position::new(of.clone(), position.qty) };
                coins.push(of.base);
                if let (true, Some(expiry)) = (of.kind.is_option(), of.kind.expiry()) {
                    paid.push((of.settle, position.cost.cash()));
                    own.marked_at = chains.option(id).map(|option| option.quoted);
                    own.vol = point(engine, id).map(|(point, _)| point.vol);
                    let forward = point(engine, id).map(|(_, forward)| forward);
                    let forward = forward.or_else(|| chains.expiry(id)?.1.map(Price::approximate));
                    let is_known = |term: &Term| term.underlying == of.base && term.expiry == expiry;
                    if let Some(forward) = forward.filter(|_| !all.expiries.iter().any(is_known)) {
                        all.expiries.push(Term { underlying: of.base, expiry, forward, rate: 0.0, confidence: 1.0 });
                    }
                } else {
                    own.unrealised = Some(position.profit(of.kind.contract(), mark));
                }
                all.positions.push(own);
            }
            for (index, bought, sold) in pending(engine, AccountId(at as u32)) {
                let of = &engine.catalogue.instruments[index];
                let same = |position: &Position| position.instrument.symbol == of.symbol;
                let row = all.positions.iter().position(same);
                let row = match row {
                    Some(row) => row,
                    None => {
                        let mark = mark_of(engine, at, index, all.positions.len())?;
                        all.positions.push(Position { mark: Some(mark), ..Position::new(of.clone(), Qty::ZERO) });
                        coins.push(of.base);
                        all.positions.len() - 1
                    }
                };
                let price = account.mark(index);
                let orders = [bought, -sold].into_iter().filter(|quantity| !quantity.is_zero());
                all.orders.extend(orders.map(|quantity| Order { position: row, quantity, price }));
            }
            for balance in account.balances() {
                let premium: Cash =
                    paid.iter().filter(|(settle, _)| *settle == balance.currency).map(|(_, paid)| *paid).sum();
                let amount = balance.cash - premium;
                if !amount.is_zero() {
                    all.balances.push(Balance { currency: balance.currency, amount });
                    coins.push(balance.currency);
                }
            }
        }
        coins.push(engine.books[0].account.numeraire());
        coins.sort_unstable();
        coins.dedup();
        for currency in coins.into_iter().filter(|currency| !is_dollar(*currency)) {
            let price = self.coin(currency).and_then(|coin| coin.price(engine));
            if let Some(price) = price {
                all.underlyings.push(Underlying { currency, index: price.approximate(), confidence: 1.0 });
            }
        }
        Ok(all)
    }
}

/// What the returns of an account's days say. Of no returns, and of too few, nothing.
fn growth(returns: &DayReturns, fact: &RiskFact) -> Result<f64, RiskRefusal> {
    let enough = |days: Vec<f64>| {
        if days.len() < DAYS_MIN { Err(RiskRefusal::TooFewDays { count: days.len() }) } else { Ok(days) }
    };
    match fact {
        RiskFact::Kelly { window } => {
            let days = enough(returns.last((window.nanos() / Duration::DAY.nanos()) as usize))?;
            let mean = days.iter().sum::<f64>() / days.len() as f64;
            let variance = Dependence::of(&days)?.long_run_variance;
            Ok(kelly_empirical(&days)? * kelly_shrinkage(mean, variance, days.len() as u32)?)
        }
        RiskFact::Ruin { loss, horizon } => {
            let days = enough(returns.last(usize::MAX))?;
            let year = YEAR / Duration::DAY.nanos() as f64;
            let walk = Walk::of_returns(&days, year)?;
            Ok(walk.loses(f64::from(*loss) / 10_000.0, horizon.nanos() as f64 / YEAR)?)
        }
        _ => Err(RiskRefusal::Absent(Absent::NotFinite)),
    }
}

/// What is held by an account and margined: by instrument index.
fn margined(engine: &Engine, at: usize) -> impl Iterator<Item = (usize, market::Position)> + '_ {
    let positions = engine.books[at].account.positions().enumerate();
    positions.filter_map(|(index, (position, _))| {
        let kind = engine.catalogue.instruments[index].kind;
        let is_margined = !matches!(kind, InstrumentKind::Spot | InstrumentKind::Structure);
        (is_margined && !position.qty.is_zero()).then_some((index, position))
    })
}

/// The mark of an instrument, if there is one: an option that was never quoted has none, whatever was paid for it.
fn mark_of(engine: &Engine, at: usize, index: usize, row: usize) -> Result<Price, RiskRefusal> {
    let mark = engine.books[at].account.mark(index);
    let is_there = match engine.structures.chains.option(InstrumentId(index as u32)) {
        Some(option) => option.value.is_some(),
        None => !mark.is_zero(),
    };
    let symbol = || engine.catalogue.instruments[index].symbol.clone();
    if is_there { Ok(mark) } else { Err(MarginError::NoMark { row, symbol: symbol() }.into()) }
}

/// Volatility and slope of an option's own smile, and its forward.
fn point(engine: &Engine, option: InstrumentId) -> Option<(SmilePoint, f64)> {
    let chains = &engine.structures.chains;
    let (expiry, forward) = chains.expiry(option)?;
    let smile = engine.surfaces.of(chains.chain_of(option)?)?.smile(expiry, engine.now)?;
    let forward = forward.map_or(smile.forward(), Price::approximate);
    let k = ln(chains.option(option)?.strike.approximate() / forward);
    Some((SmilePoint { vol: smile.vol(k), slope: smile.vol_slope(k) }, forward))
}

/// What orders that may raise a position could still buy and sell, by instrument index, those of an account.
fn pending(engine: &Engine, account: AccountId) -> Vec<(usize, Qty, Qty)> {
    let mut all: Vec<(usize, Qty, Qty)> = Vec::new();
    let mut add = |index: usize, bought: Qty, sold: Qty| match all.iter_mut().find(|(known, ..)| *known == index) {
        Some(of) => (of.1, of.2) = (of.1 + bought, of.2 + sold),
        None if bought.is_zero() && sold.is_zero() => {}
        None => all.push((index, bought, sold)),
    };
    for scope in engine.scopes.iter().filter(|scope| scope.account == account && scope.desk.is_none()) {
        let (bought, sold) = scope.working.pending();
        add(scope.instrument.index(), bought, sold);
    }
    for order in engine.structures.desks.iter().filter(|desk| desk.account == account).flat_map(|desk| &desk.sent) {
        let open = order.open();
        add(order.instrument.index(), open.max(Qty::ZERO), (-open).max(Qty::ZERO));
    }
    all
}

/// Coins of a catalogue, in order.
fn coins(catalogue: &Catalogue, chains: &Chains) -> Vec<Coin> {
    let mut coins: Vec<Coin> = Vec::new();
    for of in &catalogue.instruments {
        let Err(at) = coins.binary_search_by_key(&of.base, |coin| coin.base) else { continue };
        let all = |kinds: fn(InstrumentKind) -> bool| {
            let listed = catalogue.instruments.iter().enumerate();
            let fits = move |(_, other): &(usize, &market::Instrument)| {
                other.base == of.base && is_dollar(other.quote) && kinds(other.kind)
            };
            listed.filter(fits).map(|(index, _)| index as u32)
        };
        let perpetual = |kind| matches!(kind, InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual);
        let listed = chains.chains().iter().enumerate().filter(|(_, chain)| chain.base() == of.base);
        let coin = Coin {
            base: of.base,
            sources: all(perpetual).chain(all(|kind| kind == InstrumentKind::Spot)).collect(),
            chains: listed.map(|(at, _)| at).collect(),
        };
        coins.insert(at, coin);
    }
    coins
}

/// What of a portfolio settles in one currency.
fn of_pool(all: &Portfolio, settle: Currency) -> Portfolio {
    let mut rows = Vec::new();
    let mut pool = Portfolio { positions: Vec::new(), orders: Vec::new(), ..all.clone() };
    for position in &all.positions {
        let is_own = position.instrument.settle == settle;
        rows.push(is_own.then_some(pool.positions.len()));
        if is_own {
            pool.positions.push(position.clone());
        }
    }
    for order in &all.orders {
        if let Some(position) = rows[order.position] {
            pool.orders.push(Order { position, ..order.clone() });
        }
    }
    pool
}

/// The share that a raw bound of a region stands for; the bits of shares that are not negative stand in their order.
fn share_over(raw: i128) -> Option<f64> {
    // Under zero there is no share: every one is over it.
    if raw < 0 {
        return Some(-1.0);
    }
    u64::try_from(raw).ok().map(f64::from_bits).filter(|share| share.is_finite() && *share >= 0.0)
}

/// Maintenance margin as a part of equity, as [`risk::venues::Margin::ratio`] tells it.
fn ratio(maintenance: f64, equity: f64) -> Result<f64, RiskRefusal> {
    if equity <= 0.0 {
        return Err(RiskRefusal::Absent(Absent::NoEquity));
    }
    Ok(maintenance / equity)
}

/// What all accounts are worth in the numéraire of the first.
fn equity_of_all(engine: &Engine) -> Result<Cash, RiskRefusal> {
    let mut equity = Cash::ZERO;
    for book in &engine.books {
        for balance in book.account.balances().iter().filter(|balance| !balance.equity().is_zero()) {
            if !book.account.translates(balance.currency) {
                return Err(RiskRefusal::NoTranslation(balance.currency));
            }
        }
        let own = book.account.numeraire();
        if !engine.books[0].account.translates(own) {
            return Err(RiskRefusal::NoTranslation(own));
        }
        equity += engine.books[0].account.translate(own, book.account.equity());
    }
    Ok(equity)
}

/// Σ of amounts in the numéraire.
fn translated(account: &Account, amounts: impl Iterator<Item = (Currency, Cash)>) -> Result<f64, RiskRefusal> {
    let mut sum = Cash::ZERO;
    for (currency, amount) in amounts {
        if !account.translates(currency) {
            return Err(RiskRefusal::NoTranslation(currency));
        }
        sum += account.translate(currency, amount);
    }
    Ok(sum.approximate())
}

impl Engine {
    /// Strategies that read facts of risk decide with every input of the market: what they read may have changed with any price.
    #[cold]
    pub(crate) fn touch_risk_readers(&mut self, source: Source) {
        let Some(risk) = &mut self.risk else { return };
        risk.moment += 1;
        if source != Source::Market {
            return;
        }
        for (scope, readings) in risk.readers.iter().enumerate() {
            if !readings.is_empty() {
                self.dirty.touch(scope as u32);
            }
        }
    }

    /// Tells a strategy the facts of risk that it reads, as they are now: before its rules are evaluated. Where its region leaves a
    /// fact enough room, a proof that it is still inside stands for that; if the region is left all the same, the rest is told then.
    #[cold]
    pub(crate) fn tell_risk(&mut self, index: usize, source: Source) {
        let Some(mut risk) = self.risk.take() else { return };
        let mut readings = std::mem::take(&mut risk.readers[index]);
        let may_spare = source == Source::Market && self.scopes[index].region.is_known();
        for reading in &mut readings {
            let mut stands = || reading.is_free || reading.proof.as_mut().is_some_and(|proof| proof.holds(&risk, self));
            reading.is_spared = may_spare && stands();
            if reading.is_spared {
                risk.spared += 1;
            } else {
                self.tell_reading(&mut risk, index, reading);
                if may_spare {
                    self.prove_reading(&mut risk, index, reading);
                }
            }
        }
        risk.readers[index] = readings;
        self.risk = Some(risk);
    }

    /// The region was left: what a proof stood for is told after all, so that a decision goes by exact values alone.
    #[cold]
    pub(crate) fn tell_spared(&mut self, index: usize) {
        let Some(mut risk) = self.risk.take() else { return };
        let mut readings = std::mem::take(&mut risk.readers[index]);
        for reading in readings.iter_mut().filter(|reading| reading.is_spared) {
            self.tell_reading(&mut risk, index, reading);
        }
        risk.readers[index] = readings;
        self.risk = Some(risk);
    }

    /// The decision just made changed nothing, and its region is known: looks for boxes in which facts of risk stay in it.
    #[cold]
    pub(crate) fn prove_risk(&mut self, index: usize) {
        let Some(mut risk) = self.risk.take() else { return };
        let mut readings = std::mem::take(&mut risk.readers[index]);
        for reading in &mut readings {
            self.prove_reading(&mut risk, index, reading);
        }
        risk.readers[index] = readings;
        self.risk = Some(risk);
    }

    /// Looks for a proof that a fact stays where the strategy's region lets it be, if it is there and none was missing lately.
    fn prove_reading(&self, risk: &mut AccountRisk, index: usize, reading: &mut Reading) {
        let (scope, id) = (&self.scopes[index], facts::series(reading.series).id());
        if !scope.region.is_known() || reading.is_spared {
            return;
        }
        // A region that says nothing of a series does not care.
        let Some((low, high)) = scope.region.bounds(id) else {
            reading.is_free = true;
            return;
        };
        if !scope.facts.raw(id).is_some_and(|raw| low < raw && raw < high) {
            return;
        }
        if reading.until_asked > 0 {
            reading.until_asked -= 1;
            return;
        }
        let within = share_over(low).map(|low| (low, share_over(high).unwrap_or(f64::INFINITY)));
        reading.proof = within.and_then(|within| Proof::of(risk, self, index, &reading.fact, within));
        if reading.proof.is_none() {
            reading.until_asked = ASK_EVERY;
        }
    }

    fn tell_reading(&mut self, risk: &mut AccountRisk, index: usize, reading: &mut Reading) {
        let value = risk.value(self, index, &reading.fact);
        let value = value.and_then(|value| Ratio::new(value).ok_or(RiskRefusal::Absent(Absent::NotFinite)));
        (reading.proof, reading.is_free, reading.is_spared) = (None, false, false);
        self.scopes[index].facts.put(facts::series(reading.series), value.as_ref().ok().copied());
        reading.refusal = value.err();
    }

    /// A decision is about to be recorded: its plan tells the facts of risk that it rests on, which are exact.
    #[cold]
    pub(crate) fn note_risk(&mut self, index: usize) {
        let Some(risk) = &self.risk else { return };
        let scope = &mut self.scopes[index];
        for reading in &risk.readers[index] {
            if scope.because.steps().len() >= STEPS_MAX {
                return;
            }
            let fact: Fact<Ratio> = facts::series(reading.series);
            let Some(value) = scope.facts.get(fact).map(Ratio::get) else { continue };
            let (template, number) = match reading.fact {
                RiskFact::Margin { figure: MarginFigure::Ratio, .. } => {
                    ("maintenance margin is {} of equity: exact", Arg::Percent(value))
                }
                RiskFact::Margin { figure, .. } => {
                    let amount = Cash::from_estimate(value, units::Round::Nearest).unwrap_or_default();
                    let initial = figure == MarginFigure::Initial;
                    let template =
                        if initial { "initial margin is {}: exact" } else { "maintenance margin is {}: exact" };
                    (template, Arg::Cash(amount))
                }
                RiskFact::Concentration { of: Concentrated::Venue } => {
                    ("the largest venue holds {} of all: exact", Arg::Percent(value))
                }
                RiskFact::Concentration { of: Concentrated::Stablecoin } => {
                    ("the largest stablecoin is {} of all: exact", Arg::Percent(value))
                }
                RiskFact::Distance if value >= NEVER => ("no price is near that liquidates: exact", Arg::None),
                RiskFact::Distance => ("liquidated {} from here: exact", Arg::Percent(value)),
                RiskFact::Probability { horizon } => {
                    let args = [Arg::Duration(horizon), Arg::Percent(value)];
                    let held = scope.position;
                    scope.because.note(crate::ENGINE_RULE, held, held, "liquidated within {}: {} likely, exact", args);
                    continue;
                }
                RiskFact::Stress { .. } => ("the stress costs {} of equity: exact", Arg::Percent(value)),
                RiskFact::Ruin { loss, horizon } => {
                    let loss = Arg::Percent(f64::from(loss) / 10_000.0);
                    let args = [loss, Arg::Duration(horizon), Arg::Percent(value)];
                    let held = scope.position;
                    let template = "down by {} within {}: {} likely, by days until midnight";
                    scope.because.note(crate::ENGINE_RULE, held, held, template, args);
                    continue;
                }
                RiskFact::Kelly { .. } => ("Kelly's multiple is {}, by days until midnight", Arg::Number(value)),
            };
            let held = scope.position;
            scope.because.note(crate::ENGINE_RULE, held, held, template, [number]);
        }
    }

    /// Why a fact of risk that a strategy's rules read was not told at its last decision. `None`: it was, or no rule reads it.
    #[must_use]
    pub fn risk_refusal(&self, strategy: StrategyId, series: SeriesId) -> Option<&RiskRefusal> {
        let readings = self.risk.as_ref()?.readers.get(strategy.index())?;
        readings.iter().find(|reading| reading.series == series)?.refusal.as_ref()
    }

    /// An account as its venue's margin model takes it, at the last marks. It needs a fact of risk in the catalogue.
    ///
    /// # Errors
    ///
    /// A position without a mark; a catalogue without such a fact.
    pub fn venue_portfolio(&self, account: AccountId) -> Result<Portfolio, RiskRefusal> {
        let at = account.index();
        let risk = self.risk.as_ref().ok_or_else(|| RiskRefusal::NoModel(String::new()))?;
        risk.portfolio(self, at..at + 1)
    }

    /// How often a fact of risk was computed since the engine was built, and how often a proof spared that.
    #[must_use]
    pub fn risk_readings(&self) -> (u64, u64) {
        self.risk.as_ref().map_or((0, 0), |risk| (risk.computed, risk.spared))
    }
}
