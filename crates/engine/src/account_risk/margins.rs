//! Margin by a venue's own rules: an exact sum over positions where the model is one, the whole portfolio anew where it is not.

use super::portfolio::{margined, mark_of, pending};
use super::{AccountRisk, RiskRefusal};
use crate::engine::Engine;
use market::{Account, Currency, Instrument, is_dollar};
use policy::MarginFigure;
use policy::spec::MAX_AGE;
use risk::venues::{
    Absent, Figure, LastingMargin, MarginError, MarginTerms, Order, Parameters, Portfolio, PortfolioMargin,
    PositionRule, SoldOptions, Underlying, VenueModel, VenueRules, worst_orders,
};
use std::collections::BTreeMap;
use units::{AccountId, Cash, Duration, InstrumentId, Price, Qty, Timestamp};

/// A position and what it needs.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) instrument: usize,
    pub(super) base: Currency,
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

impl Row {
    /// Without a mark.
    fn new(instrument: usize, qty: Qty, rule: PositionRule, of: &Instrument) -> Self {
        let (mark, zero) = (Price::ZERO, Cash::ZERO);
        let (base, is_option) = (of.base, of.kind.is_option());
        Self { instrument, base, qty, mark, index: None, is_option, maintenance: zero, apart: zero, rule }
    }
}

/// Positions that settle in one currency.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) settle: Currency,
    pub(super) rows: Vec<Row>,
    /// Which of them are no options.
    pub(super) futures: Vec<usize>,
    /// Σ of the rows: exact, so that sums are kept up by differences.
    pub(super) maintenance: Cash,
    pub(super) apart: Cash,
    /// Options sold, by coin: gathered where a proof asks, until the next quote.
    pub(super) sold: Option<Vec<(Currency, SoldOptions)>>,
}

impl Pool {
    /// Gathers what is sold of options.
    pub(super) fn gather_sold(&mut self) {
        if self.sold.is_some() {
            return;
        }
        let mut sold: Vec<(Currency, SoldOptions)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.is_option) {
            let at = sold.iter().position(|(base, _)| *base == row.base).unwrap_or_else(|| {
                sold.push((row.base, SoldOptions::default()));
                sold.len() - 1
            });
            sold[at].1.push(&row.rule, row.qty.approximate(), row.mark.approximate());
        }
        self.sold = Some(sold);
    }

    pub(super) fn futures(&self) -> impl Iterator<Item = &Row> {
        self.futures.iter().map(|at| &self.rows[*at])
    }

    /// The maintenance margin of its options, which hangs on their marks alone.
    pub(super) fn of_options(&self) -> Cash {
        self.maintenance - self.futures().map(|row| row.maintenance).sum()
    }

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
    /// When the first contract held expires.
    pub(super) expires: Timestamp,
    /// What brought them up to date last came to, and in which input.
    pub(super) result: Result<(), RiskRefusal>,
    pub(super) moment: u64,
}

/// An account by rules that look at it as a whole, as it was when it was computed last.
#[derive(Debug)]
pub(super) struct KeptMargin {
    pub(super) account: usize,
    pub(super) rules: VenueRules,
    /// After how many changes of positions and money, of quotes, of orders and of what desks had sent.
    made: [u64; 4],
    /// Until when no quote is too old, nothing has expired and parameters hold.
    pub(super) until: Timestamp,
    pub(super) has_orders: bool,
    pub(super) pools: Vec<KeptPool>,
}

/// What of it settles in one currency.
#[derive(Debug)]
pub(super) struct KeptPool {
    pub(super) settle: Currency,
    /// The instrument of each row.
    pub(super) rows: Vec<Option<usize>>,
    pub(super) made: PortfolioMargin,
    /// How long that is followed.
    time: Duration,
    /// What of it stays, once it was asked for.
    lasting: Option<Option<LastingMargin>>,
}

impl KeptMargin {
    fn new(engine: &Engine, (account, rules): (usize, VenueRules), all: &Portfolio) -> Self {
        let quoted = all.positions.iter().filter_map(|position| position.marked_at);
        let until = quoted.fold(Timestamp::MAX, |until, at| until.min(at + MAX_AGE));
        let has_orders = !all.orders.is_empty();
        Self { account, rules, made: Self::counts(engine, account), until, has_orders, pools: Vec::new() }
    }

    fn counts(engine: &Engine, account: usize) -> [u64; 4] {
        let book = &engine.books[account];
        [book.moves, engine.structures.chains.changes(), book.changes, engine.structures.sent]
    }

    fn add(&mut self, engine: &Engine, pool: &Portfolio, parameters: &Parameters, made: (Currency, PortfolioMargin)) {
        let index = |position: &risk::venues::Position| {
            let id = engine.catalogue.instrument_id(&position.instrument.symbol)?;
            (!position.instrument.kind.is_option()).then_some(id.index())
        };
        let lives = pool.positions.iter().filter_map(|position| position.instrument.kind.expiry());
        let lives = lives.map(|expiry| expiry.since(engine.now).nanos());
        self.until = parameters.valid_until().map_or(self.until, |ends| ends.min(self.until));
        let rows = pool.positions.iter().map(index).collect();
        let (settle, made) = made;
        self.pools.push(KeptPool { settle, rows, made, time: lasts(lives), lasting: None });
    }

    /// Whether nothing was traded or quoted since.
    pub(super) fn stands(&self, engine: &Engine) -> bool {
        self.made == Self::counts(engine, self.account) && engine.now < self.until
    }

    /// Looks what of it stays, once.
    pub(super) fn bring_up(&mut self) {
        for pool in &mut self.pools {
            pool.lasting.get_or_insert_with(|| pool.made.lasting(pool.time));
        }
    }
}

impl KeptPool {
    pub(super) fn lasting(&self) -> Option<&LastingMargin> {
        self.lasting.as_ref()?.as_ref()
    }
}

/// For how long options are followed without being priced again: this part of the life of the shortest, no longer than that. `lives` are
/// nanoseconds.
pub(super) fn lasts(lives: impl Iterator<Item = i64>) -> Duration {
    const PART: i64 = 200;
    Duration::from_nanos(lives.map(|life| life / PART).fold(10 * Duration::MINUTE.nanos(), i64::min))
}

/// Balances that bear a margin.
#[derive(Debug)]
pub(super) struct Bearing {
    pub(super) portfolio: Portfolio,
    /// Where other currencies count beside the one of settlement: by which rules, the place of their parameters, the coin that they are of,
    /// and that currency. `None`: each bears what settles in it alone.
    pub(super) others: Option<(VenueRules, usize, Currency, Currency)>,
}

impl Bearing {
    /// What they count, by currency, at the prices of a portfolio, which is this one or differs by them.
    pub(super) fn amounts(
        &self,
        parameters: &[(VenueRules, Currency, Parameters)],
        portfolio: &Portfolio,
    ) -> Result<Vec<(Currency, Cash)>, RiskRefusal> {
        let Some((rules, known, coin, settle)) = self.others else {
            return Ok(portfolio.balances.iter().map(|balance| (balance.currency, balance.amount)).collect());
        };
        let amount = match rules.collateral(portfolio, &parameters[known].2, &MarginTerms::of(coin, settle))? {
            Figure::Owed(amount) => amount,
            other => {
                let amount = other.value().and_then(|value| Cash::from_estimate(value, units::Round::TowardZero));
                amount.ok_or(RiskRefusal::Absent(Absent::NotFinite))?
            }
        };
        Ok(vec![(settle, amount)])
    }
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
        if figure == MarginFigure::Collateral {
            return self.collateral(engine, at, rules);
        }
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
            MarginFigure::Collateral => self.collateral(engine, at, rules),
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
        self.wholes.retain(|known| (known.account, known.rules) != (at, rules));
        let mut kept = KeptMargin::new(engine, (at, rules), &all);
        let mut settles: Vec<Currency> = all.positions.iter().map(|position| position.instrument.settle).collect();
        settles.sort_unstable();
        settles.dedup();
        let (mut worst, mut sum) = (0.0_f64, 0.0);
        for settle in settles {
            let pool = self.pool_of(engine, &all, settle);
            // Rules of one coin refuse what is held of another.
            let coin = pool.positions.first().map_or(settle, |position| position.instrument.base);
            let known = self.parameters_of(rules, coin)?;
            let (terms, own) = (MarginTerms::of(coin, settle), &self.parameters[known].2);
            let value = |of: &Figure| of.value().ok_or(RiskRefusal::Absent(Absent::Part));
            let [equity, initial, maintenance] = match rules.portfolio_margin(&pool, own, &terms)? {
                Some(made) => {
                    let figures = made.figures();
                    kept.add(engine, &pool, own, (settle, made));
                    figures
                }
                None => {
                    let (margin, _) = rules.margin(&pool, own, &terms)?;
                    [value(&margin.equity)?, value(&margin.initial)?, value(&margin.maintenance)?]
                }
            };
            if [equity, initial, maintenance].iter().any(|figure| !figure.is_finite()) {
                return Err(RiskRefusal::Absent(Absent::Part));
            }
            if figure == MarginFigure::Ratio {
                worst = worst.max(ratio(maintenance, equity)?);
                continue;
            }
            let amount = match figure {
                MarginFigure::Initial if !rules.counts_orders() && !pool.orders.is_empty() => {
                    let of = |portfolio: &Portfolio| Ok(rules.margin(portfolio, own, &terms)?.0);
                    initial + worst_orders(&pool, of)?.needed
                }
                MarginFigure::Initial => initial,
                _ => maintenance,
            };
            let amount = Cash::from_estimate(amount, units::Round::AwayFromZero);
            let amount = amount.ok_or(RiskRefusal::Absent(Absent::NotFinite))?;
            sum += translated(account, std::iter::once((settle, amount)))?;
        }
        // Rules that keep nothing have no pools to look at.
        if !kept.pools.is_empty() {
            self.wholes.push(kept);
        }
        Ok(if figure == MarginFigure::Ratio { worst } else { sum })
    }

    /// What balances count that bear the margin, in the account's numéraire.
    fn collateral(&mut self, engine: &Engine, at: usize, rules: VenueRules) -> Result<f64, RiskRefusal> {
        let bearing = self.bearing(engine, at, rules)?;
        let amounts = bearing.amounts(&self.parameters, &bearing.portfolio)?;
        translated(&engine.books[at].account, amounts.into_iter())
    }

    /// The balances of an account, as its rules look at them.
    pub(super) fn bearing(&mut self, engine: &Engine, at: usize, rules: VenueRules) -> Result<Bearing, RiskRefusal> {
        let mut all = self.portfolio(engine, at..at + 1)?;
        let first = all.positions.first().map(|position| (position.instrument.settle, position.instrument.base));
        let takes_others = matches!(rules, VenueRules::DeriveStandard | VenueRules::DerivePortfolio);
        let Some((settle, coin)) = first.filter(|_| takes_others) else {
            // What no position settles in bears nothing.
            if !takes_others && first.is_some() {
                let Portfolio { positions, balances, .. } = &mut all;
                balances.retain(|held| positions.iter().any(|position| position.instrument.settle == held.currency));
            }
            return Ok(Bearing { portfolio: all, others: None });
        };
        let known = self.parameters_of(rules, coin)?;
        Ok(Bearing { portfolio: self.pool_of(engine, &all, settle), others: Some((rules, known, coin, settle)) })
    }

    /// The place of the parameters of rules that look at a portfolio as a whole.
    fn parameters_of(&mut self, rules: VenueRules, coin: Currency) -> Result<usize, RiskRefusal> {
        let known = self.parameters.iter().position(|(known, of, _)| (*known, *of) == (rules, coin));
        if let Some(known) = known {
            return Ok(known);
        }
        let own = rules.parameters(coin).ok_or_else(|| RiskRefusal::NoModel(rules.venue().to_owned()))?;
        self.parameters.push((rules, coin, own));
        Ok(self.parameters.len() - 1)
    }

    /// What settles in one currency, with what that is worth.
    fn pool_of(&self, engine: &Engine, all: &Portfolio, settle: Currency) -> Portfolio {
        let mut pool = of_pool(all, settle);
        // What a stablecoin is worth is asked by rules of options: its price where the tapes have one, else par.
        if is_dollar(settle) && pool.underlyings.iter().all(|known| known.currency != settle) {
            let price = self.coin(settle).and_then(|coin| coin.price(engine)).map_or(1.0, Price::approximate);
            pool.underlyings.push(Underlying { currency: settle, index: price, confidence: 1.0 });
        }
        pool
    }

    /// Initial margin by settlement currency, each position with the worst of its pending orders.
    pub(super) fn initial(&mut self, engine: &Engine, at: usize) -> Result<Vec<(Currency, Cash)>, RiskRefusal> {
        let pending = pending(engine, AccountId(at as u32));
        let mut needed: Vec<(Currency, Cash)> = Vec::new();
        let mut add = |settle: Currency, amount: Cash| match needed.iter_mut().find(|(known, _)| *known == settle) {
            Some((_, sum)) => *sum += amount,
            None => needed.push((settle, amount)),
        };
        let orders = |index: usize| pending.iter().find(|(known, ..)| *known == index).copied().unwrap_or_default();
        let of = |index: usize| &engine.catalogue.instruments[index];
        let price = |index: usize| self.coin(of(index).base).and_then(|coin| coin.price(engine));
        // Options stand coin by coin, and all of a coin have one price.
        let mut known: Option<(Currency, Option<Price>)> = None;
        let mut count = 0;
        for row in self.held[at].pools.iter().flat_map(|pool| &pool.rows) {
            let base = of(row.instrument).base;
            let index = match known {
                Some((coin, price)) if coin == base => price,
                _ => price(row.instrument),
            };
            known = Some((base, index));
            add(of(row.instrument).settle, initial_of(row, of(row.instrument), orders(row.instrument), index, count)?);
            count += 1;
        }
        let is_held =
            |index: usize| self.held[at].pools.iter().flat_map(|pool| &pool.rows).any(|row| row.instrument == index);
        let others: Vec<usize> = pending.iter().map(|(index, ..)| *index).filter(|index| !is_held(*index)).collect();
        for (row, index) in others.into_iter().enumerate() {
            let rule = self.rule(engine, at, index, count + row)?;
            let mark = mark_of(engine, at, index, count + row)?;
            let own = Row { mark, ..Row::new(index, Qty::ZERO, rule, of(index)) };
            let price = self.coin(of(index).base).and_then(|coin| coin.price(engine));
            add(of(index).settle, initial_of(&own, of(index), orders(index), price, count + row)?);
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

    fn bring_up(&mut self, engine: &Engine, account: usize) -> Result<(), RiskRefusal> {
        let (book, quotes) = (&engine.books[account], engine.structures.chains.changes());
        let held = &self.held[account];
        if let Some(model) = &held.model {
            model.check(engine.now)?;
        }
        let is_new = held.made != Some(book.moves);
        let is_quoted = is_new || held.quotes != quotes;
        if is_new {
            self.make_rows(engine, account)?;
        }
        let Self { held, coins, .. } = self;
        let held = &mut held[account];
        let chains = &engine.structures.chains;
        if is_quoted {
            held.oldest = (Timestamp::MAX, 0);
        }
        let mut first = 0;
        for pool in &mut held.pools {
            if is_quoted {
                pool.sold = None;
            }
            // Between two quotes only futures and perpetuals are marked.
            let count = if is_quoted { pool.rows.len() } else { pool.futures.len() };
            for at in 0..count {
                let at = if is_quoted { at } else { pool.futures[at] };
                let (row, number) = (&mut pool.rows[at], first + at);
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
                    mark_of(engine, account, row.instrument, number)?;
                }
                let (_, maintenance) = row.rule.margins(row.qty, mark, index, number)?;
                let apart = if row.is_option { book.account.exposure(row.instrument).cash() } else { Cash::ZERO };
                pool.maintenance += maintenance - std::mem::replace(&mut row.maintenance, maintenance);
                pool.apart += apart - std::mem::replace(&mut row.apart, apart);
                (row.mark, row.index) = (mark, index);
            }
            first += pool.rows.len();
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
        if engine.now <= held.expires {
            return Ok(());
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
        self.held[at].expires = Timestamp::MAX;
        for (number, (index, position)) in margined(engine, at).enumerate() {
            let rule = self.rule(engine, at, index, number)?;
            let of = &engine.catalogue.instruments[index];
            let pools = &mut self.held[at].pools;
            let place = pools.iter().position(|pool| pool.settle == of.settle).unwrap_or(pools.len());
            if place == pools.len() {
                let (rows, futures, zero) = (Vec::new(), Vec::new(), Cash::ZERO);
                pools.push(Pool { settle: of.settle, rows, futures, maintenance: zero, apart: zero, sold: None });
            }
            if !of.kind.is_option() {
                let at = pools[place].rows.len();
                pools[place].futures.push(at);
            }
            pools[place].rows.push(Row::new(index, position.qty, rule, of));
            let held = &mut self.held[at];
            held.expires = of.kind.expiry().map_or(held.expires, |expiry| expiry.min(held.expires));
        }
        Ok(())
    }
}

/// The initial margin of a position with the worst of its pending orders; what is bought of an option is paid in full.
fn initial_of(
    row: &Row,
    of: &Instrument,
    (_, bought, sold): (usize, Qty, Qty),
    index: Option<Price>,
    number: usize,
) -> Result<Cash, MarginError> {
    let initial = |qty: Qty| Ok::<_, MarginError>(row.rule.margins(qty, row.mark, index, number)?.0);
    let mut worst = initial(row.qty)?;
    for by in [bought, -sold].into_iter().filter(|by| !by.is_zero()) {
        worst = worst.max(initial(row.qty + by)?);
    }
    let premium = if of.kind.is_option() { (row.mark * bought).cash() } else { Cash::ZERO };
    Ok(worst + premium)
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
pub(super) fn ratio(maintenance: f64, equity: f64) -> Result<f64, RiskRefusal> {
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
