//! Margin by a venue's own rules: an exact sum over positions where the model is one, the whole portfolio anew where it is not.

use super::portfolio::{margined, mark_of, pending};
use super::{AccountRisk, RiskRefusal};
use crate::engine::Engine;
use market::{Account, Currency};
use policy::MarginFigure;
use policy::spec::MAX_AGE;
use risk::venues::{
    Absent, Figure, MarginError, MarginTerms, Order, Portfolio, PositionRule, VenueModel, VenueRules, worst_orders,
};
use std::collections::BTreeMap;
use units::{AccountId, Cash, InstrumentId, Price, Qty, Timestamp};

/// A position and what it needs.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) instrument: usize,
    pub(super) qty: Qty,
    pub(super) mark: Price,
    /// Of the coin, where the margin follows it.
    pub(super) index: Option<Price>,
    pub(super) is_option: bool,
    pub(super) maintenance: Cash,
    /// What an option is worth: the venue's equity is without it.
    pub(super) apart: Cash,
    pub(super) rule: PositionRule,
}

/// Positions that settle in one currency.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) settle: Currency,
    pub(super) rows: Vec<Row>,
    /// Σ of the rows: exact, so that sums are kept up by differences.
    pub(super) maintenance: Cash,
    pub(super) apart: Cash,
}

impl Pool {
    /// What bears the margin: balance and profit, without what options are worth.
    pub(super) fn equity(&self, account: &Account) -> Cash {
        account.balance(self.settle).map_or(Cash::ZERO, market::Balance::equity) - self.apart
    }
}

/// An account under its venue's model.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) venue: String,
    pub(super) model: Option<VenueModel>,
    pub(super) rules: BTreeMap<usize, PositionRule>,
    pub(super) pools: Vec<Pool>,
    /// After how many changes of positions and money, and quotes of options, rows were made and marked.
    pub(super) made: Option<u64>,
    pub(super) quotes: u64,
    /// When the oldest quote of an option held was told, and which.
    pub(super) oldest: (Timestamp, usize),
    /// What brought them up to date last came to, and in which input.
    pub(super) result: Result<(), RiskRefusal>,
    pub(super) moment: u64,
}

impl AccountRisk {
    pub(super) fn account_at(&self, venue: &str) -> Result<usize, RiskRefusal> {
        let found = self.held.iter().position(|held| held.venue == venue);
        found.ok_or_else(|| RiskRefusal::NoAccount(venue.to_owned()))
    }

    /// A figure of a venue's margin.
    pub(super) fn margin(
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
    pub(super) fn whole_margin(
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
            let value = |of: &Figure| of.value().ok_or(RiskRefusal::Absent(Absent::Part));
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

    /// Initial margin by settlement currency, each position with the worst of its pending orders.
    pub(super) fn initial(&mut self, engine: &Engine, at: usize) -> Result<Vec<(Currency, Cash)>, RiskRefusal> {
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
    pub(super) fn rule(
        &mut self,
        engine: &Engine,
        at: usize,
        index: usize,
        row: usize,
    ) -> Result<PositionRule, RiskRefusal> {
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
    pub(super) fn update(&mut self, engine: &Engine, at: usize) -> Result<(), RiskRefusal> {
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

    pub(super) fn bring_up(&mut self, engine: &Engine, at: usize) -> Result<(), RiskRefusal> {
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
    pub(super) fn make_rows(&mut self, engine: &Engine, at: usize) -> Result<(), RiskRefusal> {
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

/// Maintenance margin as a part of equity, as [`risk::venues::Margin::ratio`] tells it.
fn ratio(maintenance: f64, equity: f64) -> Result<f64, RiskRefusal> {
    if equity <= 0.0 {
        return Err(RiskRefusal::Absent(Absent::NoEquity));
    }
    Ok(maintenance / equity)
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
