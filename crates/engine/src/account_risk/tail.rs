//! What an account may lose over a horizon: value at risk and expected shortfall by full revaluation, and the part that each strategy has
//! in them ([`risk::value_at_risk`]).
//!
//! Scenarios are made once a row of the history, profits once an input. Between, a proof stands for them: over a box of prices the profit
//! of every scenario keeps within its [`Slack`], and both figures grow with every loss, so they lie between those of the least and of the
//! most profits.

use super::coin::Coin;
use super::past::Past;
use super::portfolio::margined;
use super::reduction::Columns;
use super::scaled::shared;
use super::stress::{Whole, equity_of};
use super::{AccountRisk, RiskRefusal};
use crate::engine::Engine;
use market::{Catalogue, Currency, is_dollar};
use policy::{TailFact, TailMethod};
use pricing::garch::{Innovations, Model};
use pricing::options::Simd;
use pricing::surface::Sticky;
use risk::chain::Chains;
use risk::scenario::{JointMoves, Revaluation, Slack};
use risk::tail::Tail;
use risk::value_at_risk::{Dynamics, Factor, Forecast, Law, Moves, Paths, Tails as LawTails, ValueAtRiskError};
use risk::venues::Absent;
use units::{AccountId, Duration, InstrumentId, Price, Qty, StrategyId, Timestamp};

/// Decay of the weights that volatilities are forecast by, as `trimtab risk` has it.
const DECAY: f64 = 0.94;
const PATHS: Paths = Paths { count: TailFact::PATHS, seed: 1 };
/// Sets of scenarios that are kept: of a row of the history few are asked for.
const SETS: usize = 64;
/// How wide a box is tried to each side, as a share of the price.
const WIDTHS: [f64; 5] = [0.1, 0.03, 0.01, 0.003, 0.001];
/// How long a proof lasts where time itself changes what options are worth.
const LASTS: Duration = Duration::HOUR;
/// Options of under this time have a volatility of their own.
const MONTH: Duration = Duration::from_nanos(30 * Duration::DAY.nanos());
/// What rounding leaves of a figure at most, as a share.
const SLIP: f64 = 1e-9;
/// What adding coin up in another order leaves of equity at most, as a share of it.
const DUST: f64 = 1e-14;

/// What facts of value at risk told at the first input of the market at or behind a step of their history, before what strategies decided
/// then. Fractions of equity; `None`: not known.
#[derive(Debug, Clone, PartialEq)]
pub struct LossForecast {
    /// Whose equity.
    pub account: AccountId,
    /// `None`: all that the account holds; else what a strategy has in it.
    pub strategy: Option<StrategyId>,
    /// Confidence, horizon and method.
    pub fact: TailFact,
    /// Value at risk.
    pub value_at_risk: Option<f64>,
    /// Expected shortfall.
    pub expected_shortfall: Option<f64>,
}

/// What may be lost, by account and strategy.
#[derive(Debug)]
pub(super) struct Tails {
    pub(super) past: Past,
    /// What rules read: of each account every confidence, horizon and method once, with a strategy that reads it.
    asked: Vec<(AccountId, TailFact, usize)>,
    /// What was told at steps of their histories is kept for whoever records it. This and what follows is no state.
    pub(super) keeps: bool,
    /// How scenarios move smiles.
    dynamics: Dynamics,
    /// When the market was heard last, and before that.
    heard: (Timestamp, Timestamp),
    forecasts: (Timestamp, Vec<LossForecast>),
    sets: Vec<Set>,
    /// By account.
    wholes: Vec<Option<Whole>>,
    /// By strategy.
    parts: Vec<Option<Part>>,
    /// By strategy.
    factors: Vec<Option<Factors>>,
    // Memory that is used again: a decision between two quotes allocates nothing.
    revaluation: Revaluation,
    tail: Tail,
    slack: Slack,
    /// Profits of a strategy, what it holds, and profits at an end of a box.
    own: Vec<f64>,
    held: Vec<(usize, Qty)>,
    moved: Vec<f64>,
    #[allow(clippy::vec_box, reason = "a box is kept to be handed out again")]
    boxes: Vec<Box<TailBox>>,
}

/// What the account of a strategy depends on, and what the strategy may buy next.
#[derive(Debug)]
struct Factors {
    made: u64,
    quotes: u64,
    /// Until no option comes under thirty days.
    until: Timestamp,
    list: Vec<Factor>,
}

/// Scenarios, and what an account makes of them.
#[derive(Debug)]
struct Set {
    account: usize,
    horizon: Duration,
    method: TailMethod,
    factors: Vec<Factor>,
    /// Of which history.
    version: (u64, Vec<f64>),
    moves: Result<JointMoves, RiskRefusal>,
    profits: Vec<f64>,
    /// In which input and after how many changes of positions they were made.
    priced: Option<(u64, u64)>,
}

/// What a strategy holds, as scenarios move it.
#[derive(Debug)]
struct Part {
    held: Vec<(usize, Qty)>,
    whole: Whole,
}

impl Tails {
    /// `None`: no fact is of that.
    pub(super) fn new(
        facts: impl Iterator<Item = TailFact>,
        coins: &[Coin],
        catalogue: &Catalogue,
        chains: &Chains,
    ) -> Option<Self> {
        let facts: Vec<TailFact> = facts.collect();
        if facts.is_empty() {
            return None;
        }
        let past = Past::new(facts.iter().map(|fact| fact.step()), coins, catalogue, chains);
        let revaluation = Revaluation::new(Simd::best());
        Some(Self {
            past,
            asked: Vec::new(),
            keeps: false,
            dynamics: Dynamics::default(),
            heard: (Timestamp::MIN, Timestamp::MIN),
            forecasts: (Timestamp::MIN, Vec::new()),
            sets: Vec::new(),
            wholes: Vec::new(),
            parts: Vec::new(),
            factors: Vec::new(),
            revaluation,
            tail: Tail::default(),
            slack: Slack::default(),
            own: Vec::new(),
            held: Vec::new(),
            moved: Vec::new(),
            boxes: Vec::new(),
        })
    }

    /// Scenarios move smiles so from now on.
    pub(super) fn stick(&mut self, sticky: Sticky) {
        self.dynamics.sticky = sticky;
    }

    /// A strategy's rules read a fact of its account.
    pub(super) fn ask(&mut self, account: AccountId, fact: TailFact, scope: usize) {
        let fact = TailFact { is_shortfall: false, is_component: false, ..fact };
        if !self.asked.iter().any(|(of, known, _)| (*of, *known) == (account, fact)) {
            self.asked.push((account, fact, scope));
        }
    }

    /// Keeps what is told at a step of a history, if one has just been reached.
    fn forecast(&mut self, risk: &AccountRisk, engine: &Engine) {
        if engine.now > self.heard.0 {
            self.heard = (engine.now, self.heard.0);
        }
        let (now, before) = self.heard;
        let is_due = |fact: &TailFact| before == Timestamp::MIN || now.floor(fact.step()) != before.floor(fact.step());
        let due: Vec<_> = self.asked.iter().copied().filter(|(_, fact, _)| is_due(fact)).collect();
        if due.is_empty() {
            return;
        }
        let mut told = Vec::new();
        for (account, fact, scope) in due {
            let own = engine.scopes.iter().enumerate().filter(|(_, other)| other.account == account);
            let parts = own.map(|(part, of)| (Some(of.id), Some(part)));
            for (strategy, part) in std::iter::once((None, None)).chain(parts) {
                let figures = self.figures(risk, engine, scope, fact, part).ok();
                let (value_at_risk, expected_shortfall) = figures.unzip();
                told.push(LossForecast { account, strategy, fact, value_at_risk, expected_shortfall });
            }
        }
        self.forecasts = (now, told);
    }

    /// What was computed is computed anew.
    pub(super) fn forget(&mut self) {
        self.sets.clear();
        self.wholes.clear();
        self.parts.clear();
        self.factors.clear();
    }

    /// A figure as a fraction of the account's equity.
    fn value(&mut self, risk: &AccountRisk, engine: &Engine, scope: usize, fact: TailFact) -> Result<f64, RiskRefusal> {
        let part = fact.is_component.then_some(scope);
        let (value_at_risk, expected_shortfall) = self.figures(risk, engine, scope, fact, part)?;
        Ok(if fact.is_shortfall { expected_shortfall } else { value_at_risk })
    }

    /// Value at risk and expected shortfall of a strategy's account, or of what a strategy holds in it, as fractions of its equity.
    fn figures(
        &mut self,
        risk: &AccountRisk,
        engine: &Engine,
        scope: usize,
        fact: TailFact,
        part: Option<usize>,
    ) -> Result<(f64, f64), RiskRefusal> {
        let at = engine.scopes[scope].account.index();
        let equity = equity_of(engine, at)?.approximate();
        if equity <= 0.0 {
            return Err(RiskRefusal::Absent(Absent::NoEquity));
        }
        let set = self.priced(risk, engine, scope, fact)?;
        self.tail.refill(&self.sets[set].profits, fact.confidence()).map_err(ValueAtRiskError::from)?;
        let (value_at_risk, expected_shortfall) = match part {
            None => (self.tail.value_at_risk(), self.tail.expected_shortfall()),
            Some(part) => {
                self.price_part(risk, engine, part, set)?;
                let Self { tail, own, .. } = self;
                let figures = tail.value_at_risk_of(own).and_then(|figure| Ok((figure, tail.shortfall_of(own)?)));
                figures.map_err(ValueAtRiskError::Tail)?
            }
        };
        // Where nothing is held, coin that was added up in another order leaves less than this of equity; a loss of nothing is no
        // negative zero.
        let share = |loss: f64| Some(loss / equity).filter(|share| share.abs() > DUST).unwrap_or(0.0);
        Ok((share(value_at_risk), share(expected_shortfall)))
    }

    /// Profits by scenario of what each of some strategies holds, that of hedges with what they hedge in equal parts, and of all else in
    /// their account.
    fn columns(
        &mut self,
        risk: &AccountRisk,
        engine: &Engine,
        fact: TailFact,
        members: &[usize],
    ) -> Result<Columns, RiskRefusal> {
        let set = self.priced(risk, engine, members[0], fact)?;
        let rest = self.sets[set].profits.clone();
        let scenarios = rest.len();
        let mut columns = Columns { scenarios, profits: vec![0.0; scenarios * members.len()], rest };
        for (scope, those) in shared(engine, members) {
            self.price_part(risk, engine, scope, set)?;
            let part = 1.0 / those.len() as f64;
            for (rest, own) in columns.rest.iter_mut().zip(&self.own) {
                *rest -= own;
            }
            for at in those {
                let column = &mut columns.profits[at * scenarios..(at + 1) * scenarios];
                column.iter_mut().zip(&self.own).for_each(|(profit, own)| *profit += own * part);
            }
        }
        Ok(columns)
    }

    /// The set of scenarios for a fact of a strategy's account, with the account's profits of now.
    fn priced(
        &mut self,
        risk: &AccountRisk,
        engine: &Engine,
        scope: usize,
        fact: TailFact,
    ) -> Result<usize, RiskRefusal> {
        let own = &engine.scopes[scope];
        let at = own.account.index();
        self.bring_up(risk, engine, at)?;
        let Some(Some(whole)) = self.wholes.get(at) else { return Err(RiskRefusal::Absent(Absent::Part)) };
        if self.factors.len() <= scope {
            self.factors.resize_with(scope + 1, || None);
        }
        let factors = match self.factors[scope].take().filter(|factors| factors.stay(whole, engine)) {
            Some(factors) => factors,
            None => Factors::of(whole, engine, own.instrument),
        };
        let made = whole.made;
        let set = self.set(engine, at, fact, &factors.list);
        self.factors[scope] = Some(factors);
        let now = Some((risk.moment, made));
        let Self { sets, wholes, revaluation, .. } = self;
        let of = &mut sets[set];
        let moves = of.moves.as_ref().map_err(RiskRefusal::clone)?;
        if let (true, Some(Some(whole))) = (of.priced != now, wholes.get(at)) {
            of.priced = None;
            let along = |line: usize, moves: &mut [f64]| whole.along(engine, line, moves);
            revaluation.ready(&whole.portfolio)?.profits_along(moves, &mut of.profits, along)?;
            of.priced = now;
        }
        Ok(set)
    }

    fn set(&mut self, engine: &Engine, account: usize, fact: TailFact, factors: &[Factor]) -> usize {
        let known = self.sets.iter().position(|set| {
            (set.account, set.horizon, set.method) == (account, fact.horizon, fact.method)
                && set.factors == factors
                && self.past.is_version(fact.step(), engine.now, &set.version)
        });
        if let Some(known) = known {
            return known;
        }
        let version = self.past.version(fact.step(), engine.now);
        self.sets.retain(|set| set.horizon.min(Duration::DAY) != fact.step() || set.version == version);
        if self.sets.len() >= SETS {
            self.sets.clear();
        }
        let moves = self.moves(fact, factors, engine.now);
        let (profits, priced, factors) = (Vec::new(), None, factors.to_vec());
        let TailFact { horizon, method, .. } = fact;
        self.sets.push(Set { account, horizon, method, factors, version, moves, profits, priced });
        self.sets.len() - 1
    }

    fn moves(&self, fact: TailFact, factors: &[Factor], now: Timestamp) -> Result<JointMoves, RiskRefusal> {
        let history = self.past.history(fact.step(), factors, now)?;
        let forecast = Forecast::Exponential(DECAY);
        // Once a row of the history, as all scenarios are: between rows there is no return that a fit could count.
        let fitted = |asymmetric, innovations| {
            let forecast = Forecast::Fitted(Model { asymmetric, innovations, mean: false });
            Moves::filtered(&history, fact.horizon, forecast, PATHS)
        };
        let moves = match fact.method {
            TailMethod::Filtered => Moves::filtered(&history, fact.horizon, forecast, PATHS)?,
            TailMethod::Garch => fitted(false, Innovations::Normal)?,
            TailMethod::GarchStudent => fitted(false, Innovations::Student)?,
            TailMethod::Gjr => fitted(true, Innovations::Normal)?,
            TailMethod::GjrStudent => fitted(true, Innovations::Student)?,
            TailMethod::Historical => Moves::historical(&history, fact.horizon, PATHS)?,
            TailMethod::MonteCarlo => {
                let steps = history.steps(fact.horizon)?;
                let law = Law::of(&history, Some(forecast), LawTails::Fitted, steps)?;
                Moves::monte_carlo(&law, fact.horizon, PATHS)?
            }
        };
        Ok(moves.joint(0..moves.len(), self.dynamics)?)
    }

    /// An account as it is now.
    fn bring_up(&mut self, risk: &AccountRisk, engine: &Engine, at: usize) -> Result<(), RiskRefusal> {
        if self.wholes.len() <= at {
            self.wholes.resize_with(at + 1, || None);
        }
        let made = engine.books[at].moves;
        let mut whole = match self.wholes[at].take().filter(|whole| stays(whole, engine, made)) {
            Some(whole) => whole,
            None => {
                let account = risk.portfolio(engine, at..at + 1)?;
                let held = margined(engine, at).map(|(index, _)| (at, index)).collect();
                let numeraire = engine.books[at].account.numeraire();
                let mut whole = Whole::new(engine, &account, held, numeraire, made)?;
                whole.settle(engine)?;
                whole
            }
        };
        whole.follow(engine, &risk.coins)?;
        self.wholes[at] = Some(whole);
        Ok(())
    }

    /// Profits of what a strategy holds, under the scenarios of a set.
    fn price_part(&mut self, risk: &AccountRisk, engine: &Engine, scope: usize, set: usize) -> Result<(), RiskRefusal> {
        if self.parts.len() <= scope {
            self.parts.resize_with(scope + 1, || None);
        }
        let at = engine.scopes[scope].account.index();
        let made = engine.books[at].moves;
        let mut held = std::mem::take(&mut self.held);
        held_by(engine, scope, &mut held);
        let same = |part: &Part| part.held == held && stays(&part.whole, engine, made);
        let mut part = match self.parts[scope].take().filter(same) {
            Some(part) => part,
            None => {
                let account = risk.portfolio_of(engine, at, &held)?;
                let numeraire = engine.books[at].account.numeraire();
                let places = held.iter().map(|(index, _)| (at, *index)).collect();
                let mut whole = Whole::new(engine, &account, places, numeraire, made)?;
                whole.settle(engine)?;
                Part { held: held.clone(), whole }
            }
        };
        self.held = held;
        part.whole.follow(engine, &risk.coins)?;
        let Self { sets, revaluation, own, .. } = self;
        let moves = sets[set].moves.as_ref().map_err(RiskRefusal::clone)?;
        let along = |line: usize, moves: &mut [f64]| part.whole.along(engine, line, moves);
        revaluation.ready(&part.whole.portfolio)?.profits_along(moves, own, along)?;
        self.parts[scope] = Some(part);
        Ok(())
    }
}

/// Whether what was made is still that of now, but for prices.
fn stays(whole: &Whole, engine: &Engine, made: u64) -> bool {
    whole.made == made && whole.quotes == engine.structures.chains.changes() && engine.now <= whole.until
}

/// What a strategy holds: of a structure its legs.
pub(super) fn held_by(engine: &Engine, scope: usize, held: &mut Vec<(usize, Qty)>) {
    held.clear();
    let own = &engine.scopes[scope];
    match own.desk {
        Some(desk) => {
            let lines = engine.structures.desks[desk as usize].lines.iter();
            let lines = lines.filter(|line| !line.held.is_zero() && line.settled.is_none());
            held.extend(lines.map(|line| (line.instrument.index(), line.held)));
        }
        None if own.position.is_zero() => {}
        None => held.push((own.instrument.index(), own.position)),
    }
}

impl Factors {
    /// Also of what the strategy may buy next: while flat nothing is told of a coin without a history.
    fn of(whole: &Whole, engine: &Engine, instrument: InstrumentId) -> Self {
        let mut coins = whole.portfolio.coins();
        let base = engine.catalogue.instruments[instrument.index()].base;
        if let (false, Err(place)) = (is_dollar(base), coins.binary_search(&base)) {
            coins.insert(place, base);
        }
        let mut of_options: Vec<Currency> = whole.portfolio.coins_of_options().collect();
        of_options.sort_unstable();
        of_options.dedup();
        let short = whole.portfolio.coins_of_short_options();
        let prices = coins.into_iter().map(Factor::Price);
        let vols = of_options.iter().copied().map(Factor::Vol);
        let skews: Vec<Factor> = of_options.iter().copied().map(Factor::Skew).collect();
        let list = prices.chain(vols).chain(short.into_iter().map(Factor::ShortVol)).chain(skews).collect();
        let (made, quotes) = (whole.made, whole.quotes);
        let until = whole.becomes_short(engine).filter(|at| *at >= engine.now).fold(Timestamp::MAX, Timestamp::min);
        Self { made, quotes, until, list }
    }

    fn stay(&self, whole: &Whole, engine: &Engine) -> bool {
        (self.made, self.quotes) == (whole.made, whole.quotes) && engine.now <= self.until
    }
}

impl Whole {
    /// When options come under thirty days, which gives them a volatility of their own.
    fn becomes_short<'a>(&'a self, engine: &'a Engine) -> impl Iterator<Item = Timestamp> + 'a {
        let expiry = |index: &usize| engine.catalogue.instruments[*index].kind.expiry();
        self.lines.iter().filter_map(expiry).map(|expiry| expiry - MONTH)
    }
}

impl Engine {
    /// From now on keeps what facts of value at risk told at each step of their history: [`Self::loss_forecasts`].
    pub fn keep_loss_forecasts(&mut self) {
        if let Some(tails) = self.risk.as_mut().and_then(|risk| risk.tails.as_mut()) {
            tails.keeps = true;
        }
    }

    /// Keeps what facts of value at risk tell, where a step of their history was reached.
    #[cold]
    pub(super) fn forecast_losses(&mut self) {
        let Some(mut risk) = self.risk.take() else { return };
        if let Some(mut tails) = risk.tails.take() {
            tails.forecast(&risk, self);
            risk.tails = Some(tails);
        }
        self.risk = Some(risk);
    }

    /// What facts of value at risk that rules read told when a step of their history was last reached, and when that was: of each account
    /// as a whole, then of each strategy in it. Empty unless [`Self::keep_loss_forecasts`] was asked for.
    #[must_use]
    pub fn loss_forecasts(&self) -> (Timestamp, &[LossForecast]) {
        let tails = self.risk.as_ref().and_then(|risk| risk.tails.as_ref());
        tails.map_or((Timestamp::MIN, &[]), |tails| (tails.forecasts.0, &tails.forecasts.1))
    }
}

impl AccountRisk {
    /// A fact of what the strategy's account may lose.
    pub(super) fn tail(&mut self, engine: &Engine, scope: usize, fact: TailFact) -> Result<f64, RiskRefusal> {
        let Some(mut tails) = self.tails.take() else { return Err(RiskRefusal::Absent(Absent::Part)) };
        let value = tails.value(self, engine, scope, fact);
        self.tails = Some(tails);
        value
    }

    /// Profits by scenario of what each of some strategies of an account holds, and of all else in it.
    pub(super) fn columns(
        &mut self,
        engine: &Engine,
        fact: TailFact,
        members: &[usize],
    ) -> Result<Columns, RiskRefusal> {
        let Some(mut tails) = self.tails.take() else { return Err(RiskRefusal::Absent(Absent::Part)) };
        let columns = tails.columns(self, engine, fact, members);
        self.tails = Some(tails);
        columns
    }
}

/// Between what a figure lies while prices stay in a box.
#[derive(Debug, Clone, Default)]
pub(super) struct TailBox {
    account: usize,
    made: u64,
    quotes: u64,
    until: Timestamp,
    /// Coins, and instruments by their marks.
    coins: Vec<(usize, (f64, f64))>,
    marks: Vec<(usize, (f64, f64))>,
    /// Of the loss, in the account's numéraire.
    least: f64,
    most: f64,
    low: f64,
    high: f64,
}

impl TailBox {
    /// For a fact that has to stay over `low` and under `high`. A part of a figure has none: which scenarios are the worst ones may change.
    pub(super) fn of(
        risk: &mut AccountRisk,
        engine: &Engine,
        scope: usize,
        fact: TailFact,
        within: (f64, f64),
        before: Option<Box<Self>>,
    ) -> Option<Box<Self>> {
        let mut tails = risk.tails.take()?;
        let mut found = before.or_else(|| tails.boxes.pop()).unwrap_or_default();
        let is_found =
            !fact.is_component && found.find(&mut tails, risk, engine, scope, fact, within).is_some_and(|found| found);
        if !is_found {
            tails.boxes.push(found);
            risk.tails = Some(tails);
            return None;
        }
        risk.tails = Some(tails);
        Some(found)
    }

    /// Whether there is one, which this is then; none: nothing is known of the fact.
    fn find(
        &mut self,
        tails: &mut Tails,
        risk: &AccountRisk,
        engine: &Engine,
        scope: usize,
        fact: TailFact,
        (low, high): (f64, f64),
    ) -> Option<bool> {
        let account = engine.scopes[scope].account.index();
        // A row that is due at this moment may still change.
        let next = tails.past.next(fact.step()).filter(|next| *next > engine.now)?;
        let set = tails.priced(risk, engine, scope, fact).ok()?;
        let (whole, set) = (tails.wholes.get(account)?.as_ref()?, &tails.sets[set]);
        let moves = set.moves.as_ref().ok()?;
        let has_options = whole.portfolio.coins_of_options().next().is_some();
        let left = next.since(engine.now);
        let time = if has_options { left.min(LASTS) } else { left };
        // An option that comes under thirty days brings a factor of its own.
        let becomes_short = whole.becomes_short(engine).filter(|at| *at > engine.now);
        let until = becomes_short.fold((engine.now + time).min(whole.until), Timestamp::min);
        let mut ready = tails.revaluation.ready(&whole.portfolio).ok()?;
        let along = |line: usize, moves: &mut [f64]| whole.along(engine, line, moves);
        if !ready.slack_along(moves, time, &mut tails.slack, &set.profits, along).ok()? {
            return None;
        }
        let mut shifted = |width: f64, sign: f64| {
            tails.moved.clear();
            let each = set.profits.iter().enumerate();
            tails.moved.extend(each.map(|(row, profit)| profit + sign * tails.slack.within(width, row)));
            tails.tail.refill(&tails.moved, fact.confidence()).ok()?;
            Some(if fact.is_shortfall { tails.tail.expected_shortfall() } else { tails.tail.value_at_risk() })
        };
        let prices = |width: f64, price: Price| {
            let price = price.approximate();
            // Strictly inside, so that no rounding of a price leads out.
            (price * (1.0 - width), price * (1.0 + width))
        };
        for width in WIDTHS {
            let (least, most) = (shifted(width, 1.0)?, shifted(width, -1.0)?);
            let slip = SLIP * (1.0 + least.abs() + most.abs());
            self.coins.clear();
            let known = risk.coins.iter().enumerate();
            self.coins.extend(known.filter_map(|(at, coin)| Some((at, prices(width, coin.price(engine)?)))));
            self.marks.clear();
            let mark = |index: usize| engine.books[account].account.mark(index);
            self.marks.extend(whole.futures.iter().map(|(_, _, index)| (*index, prices(width, mark(*index)))));
            (self.account, self.made, self.quotes, self.until) = (account, whole.made, whole.quotes, until);
            (self.least, self.most, self.low, self.high) = (least - slip, most + slip, low, high);
            if self.holds(risk, engine) {
                return Some(true);
            }
        }
        Some(false)
    }

    pub(super) fn holds(&self, risk: &AccountRisk, engine: &Engine) -> bool {
        let book = &engine.books[self.account];
        let quotes = engine.structures.chains.changes();
        if (book.moves, quotes) != (self.made, self.quotes) || engine.now >= self.until {
            return false;
        }
        let inside = |price: Price, (low, high): (f64, f64)| {
            let price = price.approximate();
            low < price && price < high
        };
        let coins = || {
            self.coins.iter().all(|(at, ends)| risk.coins[*at].price(engine).is_some_and(|price| inside(price, *ends)))
        };
        let marks = || self.marks.iter().all(|(index, ends)| inside(book.account.mark(*index), *ends));
        let Ok(equity) = equity_of(engine, self.account) else { return false };
        let equity = equity.approximate();
        equity > 0.0 && self.low * equity < self.least && self.most < self.high * equity && marks() && coins()
    }
}
