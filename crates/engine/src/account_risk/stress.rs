//! What a stress costs, all accounts together.

use super::coin::Coin;
use super::portfolio::{margined, point, smile};
use super::{AccountRisk, RiskRefusal};
use crate::engine::Engine;
use market::{Currency, InstrumentKind, is_dollar};
use policy::spec::MAX_AGE;
use risk::scenario::{Bound, Drift, Outcomes, Reach, Revaluation, Scenario, ScenarioError};
use risk::venues::{Absent, Portfolio, Position};
use std::cell::Cell;
use units::{Cash, Duration, InstrumentId, Price, Timestamp};

/// How far prices and time may go from where a bound was made: with options, whose values bend, and without.
const REACH: (f64, Duration) = (0.03, Duration::from_nanos(2 * Duration::HOUR.nanos()));
const STRAIGHT: (f64, Duration) = (0.3, Duration::DAY);
/// A bound is used until this share of its reach.
const USED: f64 = 0.8;
/// Moves of smiles are told apart to a billionth.
const EVEN: f64 = 1e9;
/// As many are kept: prices come back to where they were.
const KEPT: usize = 8;

/// Everything of all accounts, as scenarios move it.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) portfolio: risk::scenario::Portfolio,
    /// The instrument of each position.
    pub(super) lines: Vec<usize>,
    /// Lines of perpetuals and futures, which move from their marks: the book and the instrument of each.
    pub(super) futures: Vec<(usize, usize, usize)>,
    pub(super) made: u64,
    pub(super) quotes: u64,
    /// Until when no option's quote is too old and no contract has expired.
    pub(super) until: Timestamp,
    /// Of each stress and line, by what ln of a forward was moved, and what that changes its volatility by: the same until quotes change.
    followed: Vec<Vec<Cell<(f64, f64)>>>,
}

/// Between what the profit of a stress lies while prices stay near where they were when it was made.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    stress: usize,
    pub(super) profit: Bound,
    pub(super) start: Drift,
    /// Coins that scenarios move, with their prices then.
    pub(super) coins: Vec<(usize, f64)>,
    pub(super) futures: Vec<Followed>,
    /// How far a price may go, as a share.
    pub(super) reach: f64,
    made: u64,
    quotes: u64,
    /// Until when it is used, and until when it holds.
    used_until: Timestamp,
    pub(super) until: Timestamp,
}

/// A perpetual or future.
#[derive(Debug, Clone, Copy)]
pub(super) struct Followed {
    pub(super) line: usize,
    pub(super) book: usize,
    pub(super) index: usize,
    coin: usize,
    /// Its mark was its coin's price, and so the bound takes it.
    is_tied: bool,
}

impl Followed {
    /// The book, the instrument and the coin, if its mark was and is its coin's price.
    pub(super) fn tied(&self, coins: &[Coin], engine: &Engine) -> Option<(usize, usize, usize)> {
        let place = (self.book, self.index, self.coin);
        (self.is_tied && is_tied(coins, engine, place)).then_some(place)
    }
}

/// Whether the mark of an instrument in a book is the price of its coin.
pub(super) fn is_tied(coins: &[Coin], engine: &Engine, (book, index, coin): (usize, usize, usize)) -> bool {
    coins[coin].price(engine) == Some(engine.books[book].account.mark(index))
}

impl AccountRisk {
    pub(super) fn stress_named(&self, name: &str) -> Option<usize> {
        let known = self.stresses.iter().position(|(known, _)| known == name);
        known.filter(|at| self.stresses[*at].1.is_some())
    }

    /// What all accounts lose in a stress, as a fraction of their equity.
    pub(super) fn stress(&mut self, engine: &Engine, name: &str) -> Result<f64, RiskRefusal> {
        let stress = self.stress_named(name).ok_or_else(|| RiskRefusal::NoStress(name.to_owned()))?;
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
        whole.run(engine, revaluation, (stress, scenario), outcomes)?;
        Ok(-outcomes.total(0) / equity.approximate())
    }

    /// A bound of what a stress earns that reaches from the prices of now: one made since the last quote or trade, else a new one.
    /// Gives its place in [`Self::bounds`].
    pub(super) fn bounded(&mut self, engine: &Engine, name: &str) -> Option<usize> {
        let stress = self.stress_named(name)?;
        let (made, quotes): (u64, _) =
            (engine.books.iter().map(|book| book.moves).sum(), engine.structures.chains.changes());
        let price = |coin: usize| self.coins[coin].price(engine).map(Price::approximate);
        self.bounds.retain(|known| (known.made, known.quotes) == (made, quotes) && engine.now < known.used_until);
        let reaches = |known: &Bounded| {
            let near = |(coin, start): &(usize, f64)| {
                price(*coin).is_some_and(|price| (price / start - 1.0).abs() <= USED * known.reach)
            };
            known.stress == stress && known.coins.iter().all(near)
        };
        if let Some(at) = self.bounds.iter().position(reaches) {
            return Some(at);
        }
        self.bring_up_whole(engine, engine.books[0].account.numeraire()).ok()?;
        let AccountRisk { whole, stresses, revaluation, coins, .. } = self;
        let (whole, scenario) = (whole.as_mut()?, stresses[stress].1.as_ref()?);
        let kind = |line: &usize| engine.catalogue.instruments[*line].kind;
        // What is no option has a price of its own.
        let futures = whole.futures.iter().map(|(line, book, index)| {
            let base = engine.catalogue.instruments[*index].base;
            let coin = coins.iter().position(|coin| coin.base == base)?;
            let is_tied = is_tied(coins, engine, (*book, *index, coin));
            Some(Followed { line: *line, book: *book, index: *index, coin, is_tied })
        });
        let futures = futures.collect::<Option<Vec<_>>>()?;
        let is_linear = |kind: InstrumentKind| !kind.is_option() && kind != InstrumentKind::Spot;
        if whole.lines.iter().map(kind).filter(|kind| is_linear(*kind)).count() > futures.len() {
            return None;
        }
        let ends = whole.lines.iter().map(kind).filter(|kind| kind.is_option()).filter_map(InstrumentKind::expiry);
        let (reach, time) = match ends.min() {
            // No more than a fourth of what the shortest has left, at which options bend too much to be followed.
            Some(end) => (REACH.0, REACH.1.min(Duration::from_nanos(end.since(engine.now).nanos().max(0) / 5))),
            None => STRAIGHT,
        };
        let shares = Reach { price: reach, time, ..Reach::default() };
        let (mut bound, mut still) = (Bound::default(), Bound::default());
        whole.keep_followed(stress);
        let whole = &*whole;
        let mut ready = revaluation.ready(&whole.portfolio).ok()?;
        ready.bound_on(scenario, &shares, &mut bound, |line, _, by| whole.followed(engine, (stress, line), by)).ok()?;
        ready.bound(&Scenario::still(""), &shares, &mut still).ok()?;
        let mut start = Drift::of(&whole.portfolio);
        let followed = coins.iter().enumerate().filter_map(|(at, coin)| {
            let price = coin.price(engine).map(Price::approximate)?;
            start.set_price(coin.base, price).is_ok().then_some((at, price))
        });
        let followed = followed.collect();
        let until = (engine.now + time).min(whole.until);
        let used_until = (engine.now + Duration::from_nanos(time.nanos() / 2)).min(until);
        let profit = bound.less(&still);
        let bounded =
            Bounded { stress, profit, start, coins: followed, futures, reach, made, quotes, used_until, until };
        if self.bounds.len() >= KEPT {
            self.bounds.remove(0);
        }
        self.bounds.push(bounded);
        Some(self.bounds.len() - 1)
    }

    /// All accounts as scenarios move them, at the prices of now.
    pub(super) fn bring_up_whole(&mut self, engine: &Engine, numeraire: Currency) -> Result<(), RiskRefusal> {
        let made = engine.books.iter().map(|book| book.moves).sum();
        let quotes = engine.structures.chains.changes();
        let stays = |whole: &Whole| whole.made == made && whole.quotes == quotes && engine.now <= whole.until;
        if !self.whole.as_ref().is_some_and(stays) {
            self.whole = None;
            let account = self.portfolio(engine, 0..engine.books.len())?;
            let held = (0..engine.books.len())
                .flat_map(|book| margined(engine, book).map(move |(index, _)| (book, index)))
                .collect();
            let mut whole = Whole::new(engine, &account, held, numeraire, made)?;
            whole.settle(engine)?;
            self.whole = Some(whole);
        }
        let Self { whole: Some(whole), coins, .. } = self else { return Ok(()) };
        whole.follow(engine, coins)
    }
}

impl Whole {
    /// `held` is the book and the instrument of each position.
    pub(super) fn new(
        engine: &Engine,
        account: &Portfolio,
        held: Vec<(usize, usize)>,
        numeraire: Currency,
        made: u64,
    ) -> Result<Self, RiskRefusal> {
        // What is settled in a coin that is no dollar keeps its basis.
        let future = |(line, position): (usize, &Position)| {
            let of = &position.instrument;
            let has_own = !of.kind.is_option() && of.kind != InstrumentKind::Spot;
            let is_dollars = is_dollar(of.settle) || of.settle == of.base;
            let id = engine.catalogue.instrument_id(&of.symbol).filter(|_| has_own && is_dollars)?;
            let (book, index) = held.iter().find(|(_, index)| *index == id.index())?;
            Some((line, *book, *index))
        };
        let futures = account.positions.iter().enumerate().filter_map(future).collect();
        let portfolio = risk::scenario::Portfolio::of(account, numeraire)?;
        let ends = account.positions.iter().flat_map(|position| {
            [position.marked_at.map(|quoted| quoted + MAX_AGE), position.instrument.kind.expiry()]
        });
        let until = ends.flatten().fold(Timestamp::MAX, Timestamp::min);
        let lines = held.into_iter().map(|(_, index)| index).collect();
        let quotes = engine.structures.chains.changes();
        Ok(Self { portfolio, lines, futures, made, quotes, until, followed: Vec::new() })
    }

    /// Gives options the slopes of their smiles, and forwards the price beside which they were quoted: so that all is the same whenever it
    /// is made.
    pub(super) fn settle(&mut self, engine: &Engine) -> Result<(), RiskRefusal> {
        let Self { portfolio, lines, .. } = self;
        for (line, index) in lines.iter().enumerate() {
            let (id, of) = (InstrumentId(*index as u32), &engine.catalogue.instruments[*index]);
            let (true, Some((point, forward))) = (of.kind.is_option(), point(engine, id)) else { continue };
            portfolio.set_point(line, point)?;
            let chain = engine.structures.chains.chain_of(id).and_then(|chain| engine.surfaces.of(chain));
            if let (Some(spot), Some(expiry)) = (chain.and_then(|fitted| fitted.spot()), of.kind.expiry()) {
                portfolio.set_price(of.base, spot)?;
                portfolio.set_forward(of.base, expiry, forward)?;
            }
        }
        Ok(())
    }

    /// Puts, in place of moves of ln of an option's forward, what its volatility changes by where its smile moves along as a whole; in
    /// order they are quickest. Since its quotes a strike keeps its volatility, wherever the forward is.
    pub(super) fn along(&self, engine: &Engine, line: usize, moves: &mut [f64]) {
        let option = self.lines.get(line).map(|index| InstrumentId(*index as u32));
        match option.and_then(|option| smile(engine, option)) {
            Some((smile, place)) => {
                let here = smile.vol(place);
                moves.iter_mut().for_each(|by| *by = place - *by);
                smile.vols(moves);
                moves.iter_mut().for_each(|vol| *vol -= here);
            }
            None => moves.fill(0.0),
        }
    }

    /// Makes room for what a stress changes volatilities by.
    fn keep_followed(&mut self, stress: usize) {
        if self.followed.len() <= stress {
            self.followed.resize(stress + 1, Vec::new());
        }
        self.followed[stress].resize(self.lines.len(), Cell::new((f64::NAN, 0.0)));
    }

    /// What a stress changes the volatility of an option by, where its smile moves along as a whole: ln of the forward moves by so much.
    /// Since its quotes a strike has kept its place, wherever the forward is.
    fn followed(&self, engine: &Engine, (stress, line): (usize, usize), by: f64) -> f64 {
        // The same whatever the price that it was reckoned from, whose last bits are in it.
        let by = (by * EVEN).round() / EVEN;
        let known = self.followed.get(stress).and_then(|lines| lines.get(line));
        if let Some((of, change)) = known.map(Cell::get)
            && of == by
        {
            return change;
        }
        let option = self.lines.get(line).map(|index| InstrumentId(*index as u32));
        let change = option.and_then(|option| smile(engine, option));
        let change = change.map_or(0.0, |(smile, place)| smile.vol(place - by) - smile.vol(place));
        if let Some(known) = known {
            known.set((by, change));
        }
        change
    }

    /// What it earns under a stress, by its number, smiles as a whole.
    pub(super) fn run(
        &mut self,
        engine: &Engine,
        revaluation: &mut Revaluation,
        (stress, scenario): (usize, &Scenario),
        outcomes: &mut Outcomes,
    ) -> Result<(), ScenarioError> {
        self.keep_followed(stress);
        let (of, follow) = (&self.portfolio, |line, _, by| self.followed(engine, (stress, line), by));
        revaluation.run_on(of, std::slice::from_ref(scenario), outcomes, follow)
    }

    /// Moves to the prices of now.
    pub(super) fn follow(&mut self, engine: &Engine, coins: &[Coin]) -> Result<(), RiskRefusal> {
        self.portfolio.set_time(engine.now);
        for coin in coins.iter().filter(|coin| !is_dollar(coin.base)) {
            if let Some(price) = coin.price(engine) {
                self.portfolio.set_price(coin.base, price.approximate())?;
            }
        }
        for (line, book, index) in &self.futures {
            self.portfolio.set_own_price(*line, engine.books[*book].account.mark(*index).approximate())?;
        }
        Ok(())
    }
}

/// What all accounts are worth in the numéraire of the first.
pub(super) fn equity_of_all(engine: &Engine) -> Result<Cash, RiskRefusal> {
    let mut equity = Cash::ZERO;
    for at in 0..engine.books.len() {
        let own = equity_of(engine, at)?;
        let numeraire = engine.books[at].account.numeraire();
        if !engine.books[0].account.translates(numeraire) {
            return Err(RiskRefusal::NoTranslation(numeraire));
        }
        equity += engine.books[0].account.translate(numeraire, own);
    }
    Ok(equity)
}

/// What an account is worth in its numéraire.
pub(super) fn equity_of(engine: &Engine, at: usize) -> Result<Cash, RiskRefusal> {
    let account = &engine.books[at].account;
    for balance in account.balances().iter().filter(|balance| !balance.equity().is_zero()) {
        if !account.translates(balance.currency) {
            return Err(RiskRefusal::NoTranslation(balance.currency));
        }
    }
    Ok(account.equity())
}
