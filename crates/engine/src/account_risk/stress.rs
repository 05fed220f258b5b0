//! What a stress costs, all accounts together.

use super::coin::Coin;
use super::portfolio::margined;
use super::{AccountRisk, RiskRefusal};
use crate::engine::Engine;
use market::{Currency, InstrumentKind, is_dollar};
use policy::spec::MAX_AGE;
use risk::venues::{Absent, Portfolio, Position};
use units::{Cash, Timestamp};

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
}

impl AccountRisk {
    /// What all accounts lose in a stress, as a fraction of their equity.
    pub(super) fn stress(&mut self, engine: &Engine, name: &str) -> Result<f64, RiskRefusal> {
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
            self.whole = Some(Whole::new(engine, &account, held, numeraire, made)?);
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
        Ok(Self { portfolio, lines, futures, made, quotes, until })
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
