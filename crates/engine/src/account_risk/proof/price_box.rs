//! A fact over a box of prices.

use super::Within;
use crate::account_risk::AccountRisk;
use crate::account_risk::margins::{Bearing, Held, KeptMargin, KeptPool, Pool, Row};
use crate::account_risk::portfolio::{margined, pending};
use crate::account_risk::stress::{Bounded, is_tied};
use crate::engine::Engine;
use market::{Account, Currency, is_dollar};
use policy::spec::MAX_AGE;
use policy::{Concentrated, MarginFigure, RiskFact};
use risk::venues::{FutureRange, LastingMargin, PriceRanges, Span, VenueRules};
use std::collections::BTreeMap;
use units::{AccountId, Cash, Duration, Price, Round, Timestamp};

/// How wide a box is tried to each side, as a share of the price.
pub(super) const WIDTHS: [f64; 5] = [0.2, 0.05, 0.01, 0.003, 0.001];
/// How long what time changes is claimed.
const LASTS: Duration = Duration::from_nanos(10 * Duration::MINUTE.nanos());
/// What sums of doubles are off by at most, of all that went into them.
pub(super) const ROUNDING: f64 = 1e-11;

/// What an amount lies between.
type Amounts = (Cash, Cash);

/// A box of prices, and what must not have changed beside them.
#[derive(Debug, Clone)]
pub(in crate::account_risk) struct PriceBox {
    /// Accounts and after how many changes of their positions and money.
    accounts: Vec<(usize, u64)>,
    quotes: u64,
    until: Timestamp,
    /// Accounts and instruments with the least and most of their marks.
    marks: Vec<(usize, usize, Price, Price)>,
    /// Coins with the least and most of their prices.
    coins: Vec<(usize, Price, Price)>,
    /// Books, instruments and coins: the mark of each is its coin's price.
    tied: Vec<(usize, usize, usize)>,
    /// Where orders count: the account, after how many changes of them, and how many desks had sent.
    orders: Option<(usize, u64, u64)>,
}

impl PriceBox {
    #[inline]
    pub(in crate::account_risk) fn holds(&self, risk: &AccountRisk, engine: &Engine) -> bool {
        let same = |(at, moves): &(usize, u64)| engine.books[*at].moves == *moves;
        let marked = |(at, index, low, high): &(usize, usize, Price, Price)| {
            (*low..=*high).contains(&engine.books[*at].account.mark(*index))
        };
        let priced = |(coin, low, high): &(usize, Price, Price)| {
            risk.coins[*coin].price(engine).is_some_and(|price| (*low..=*high).contains(&price))
        };
        let tied = |place: &(usize, usize, usize)| is_tied(&risk.coins, engine, *place);
        let ordered = |(at, changes, sent): &(usize, u64, u64)| {
            engine.books[*at].changes == *changes && engine.structures.sent == *sent
        };
        self.accounts.iter().all(same)
            && engine.structures.chains.changes() == self.quotes
            && engine.now < self.until
            && self.marks.iter().all(marked)
            && self.coins.iter().all(priced)
            && self.tied.iter().all(tied)
            && self.orders.as_ref().is_none_or(ordered)
    }

    pub(super) fn of(risk: &mut AccountRisk, engine: &Engine, fact: &RiskFact, (low, high): Within) -> Option<Self> {
        let mut bearing = None;
        // The account, or the place of what is known of a stress.
        let at = match fact {
            RiskFact::Margin { venue, portfolio, figure: MarginFigure::Collateral } => {
                let at = risk.account_at(venue).ok()?;
                let rules = VenueRules::of(venue, Some(if *portfolio { "portfolio" } else { "standard" }))?;
                bearing = Some(risk.bearing(engine, at, rules).ok()?);
                at
            }
            RiskFact::Margin { venue, portfolio: false, figure } => {
                let at = risk.account_at(venue).ok()?;
                risk.update(engine, at).ok()?;
                if *figure == MarginFigure::Initial {
                    risk.held[at].pools.iter_mut().for_each(Pool::gather_sold);
                }
                at
            }
            RiskFact::Concentration { .. } => 0,
            RiskFact::Stress { name } => risk.bounded(engine, name)?,
            RiskFact::Margin { venue, portfolio: true, .. } => {
                let account = risk.account_at(venue).ok()?;
                let own = |known: &KeptMargin| known.account == account && known.stands(engine);
                let at = risk.wholes.iter().position(own)?;
                risk.wholes[at].bring_up();
                at
            }
            _ => return None,
        };
        WIDTHS.into_iter().find_map(|width| {
            let mut sides = Sides::new(risk, engine, width);
            let (least, most) = match fact {
                RiskFact::Margin { figure: MarginFigure::Collateral, .. } => sides.collateral(at, bearing.as_ref()?)?,
                RiskFact::Margin { figure, portfolio: true, .. } => sides.whole(&risk.wholes[at], *figure)?,
                RiskFact::Margin { figure: MarginFigure::Ratio, .. } => sides.ratio(at)?,
                RiskFact::Margin { figure, .. } => sides.amount(at, *figure)?,
                RiskFact::Concentration { of } => sides.concentration(*of)?,
                RiskFact::Stress { .. } => sides.stress(&risk.bounds[at])?,
                _ => return None,
            };
            (low < least && most < high).then(|| sides.drawn())
        })
    }
}

/// Prices to both sides of those of now. What is asked of them is what the box watches.
pub(super) struct Sides<'a> {
    risk: &'a AccountRisk,
    engine: &'a Engine,
    width: f64,
    found: PriceBox,
}

impl<'a> Sides<'a> {
    pub(super) fn new(risk: &'a AccountRisk, engine: &'a Engine, width: f64) -> Self {
        let found = PriceBox {
            accounts: Vec::new(),
            quotes: engine.structures.chains.changes(),
            until: Timestamp::MAX,
            marks: Vec::new(),
            coins: Vec::new(),
            tied: Vec::new(),
            orders: None,
        };
        Self { risk, engine, width, found }
    }

    /// The box of all that was asked.
    pub(super) fn drawn(self) -> PriceBox {
        self.found
    }

    /// Nothing is proved from then on.
    pub(super) fn ends(&mut self, at: Timestamp) {
        self.found.until = self.found.until.min(at);
    }

    /// The positions of an account, brought up to date, stay. When a fact of them may be refused though no price moved: parameters end,
    /// a contract expires, a quote is too old.
    pub(super) fn account(&mut self, at: usize) -> (&'a Account, &'a Held) {
        let (risk, engine) = (self.risk, self.engine);
        let held = &risk.held[at];
        self.found.accounts.push((at, engine.books[at].moves));
        let ends = held.model.as_ref().and_then(|model| model.parameters().valid_until()).unwrap_or(Timestamp::MAX);
        let (oldest, _) = held.oldest;
        let stale = if oldest == Timestamp::MAX { oldest } else { oldest + MAX_AGE };
        self.ends(ends.min(stale).min(held.expires));
        (&engine.books[at].account, held)
    }

    fn range(&self, price: Price) -> Option<(Price, Price)> {
        let price = price.approximate();
        let low = Price::from_estimate(price * (1.0 - self.width), Round::TowardZero)?;
        let high = Price::from_estimate(price * (1.0 + self.width), Round::AwayFromZero)?;
        (low > Price::ZERO).then_some((low, high))
    }

    pub(super) fn mark(&mut self, at: usize, instrument: usize) -> Option<(Price, Price)> {
        let same = |(book, index, ..): &&(usize, usize, Price, Price)| (*book, *index) == (at, instrument);
        if let Some((.., low, high)) = self.found.marks.iter().find(same) {
            return Some((*low, *high));
        }
        let (low, high) = self.range(self.engine.books[at].account.mark(instrument))?;
        self.found.marks.push((at, instrument, low, high));
        Some((low, high))
    }

    fn coin(&mut self, base: Currency) -> Option<(Price, Price)> {
        let at = self.risk.coins.binary_search_by_key(&base, |coin| coin.base).ok()?;
        if let Some((_, low, high)) = self.found.coins.iter().find(|(known, ..)| *known == at) {
            return Some((*low, *high));
        }
        let (low, high) = self.range(self.risk.coins[at].price(self.engine)?)?;
        self.found.coins.push((at, low, high));
        Some((low, high))
    }

    /// Σ of initial and of maintenance margin of a future at an end of its marks, and its profit since now.
    fn at_ends(&mut self, at: usize, row: &Row, account: &Account) -> Option<[Amounts; 3]> {
        let (low, high) = self.mark(at, row.instrument)?;
        let contract = account.contract(row.instrument);
        let end = |mark: Price| {
            let (initial, maintenance) = row.rule.margins(row.qty, mark, None, 0).ok()?;
            Some([initial, maintenance, contract.profit(row.qty, row.mark, mark)])
        };
        let (a, b) = (end(low)?, end(high)?);
        Some([0, 1, 2].map(|which| (a[which].min(b[which]), a[which].max(b[which]))))
    }

    /// The ratio of maintenance margin to equity, of several currencies of settlement the worst.
    fn ratio(&mut self, at: usize) -> Option<(f64, f64)> {
        let (account, held) = self.account(at);
        let (mut least, mut most) = (0.0_f64, 0.0_f64);
        for pool in &held.pools {
            let (equity, maintenance) = self.equity_and_maintenance(at, pool, account)?;
            if equity.0 <= Cash::ZERO {
                return None;
            }
            // Conversion and division round the same way everywhere, so they keep the order.
            least = least.max(maintenance.0.approximate() / equity.1.approximate());
            most = most.max(maintenance.1.approximate() / equity.0.approximate());
        }
        Some((least, most))
    }

    fn equity_and_maintenance(&mut self, at: usize, pool: &Pool, account: &Account) -> Option<(Amounts, Amounts)> {
        let (equity, still) = (pool.equity(account), pool.of_options());
        let (mut equity, mut maintenance) = ((equity, equity), (still, still));
        for row in pool.futures() {
            let [_, needed, profit] = self.at_ends(at, row, account)?;
            maintenance = (maintenance.0 + needed.0, maintenance.1 + needed.1);
            equity = (equity.0 + profit.0, equity.1 + profit.1);
        }
        Some((equity, maintenance))
    }

    /// Initial or maintenance margin in the account's numéraire.
    fn amount(&mut self, at: usize, figure: MarginFigure) -> Option<(f64, f64)> {
        let (account, held) = self.account(at);
        let initial = figure == MarginFigure::Initial;
        if initial {
            // What orders add is not followed.
            if !pending(self.engine, AccountId(at as u32)).is_empty() {
                return None;
            }
            self.found.orders = Some((at, self.engine.books[at].changes, self.engine.structures.sent));
        }
        let mut sum = (Cash::ZERO, Cash::ZERO);
        for pool in &held.pools {
            let mut of = if initial { self.initial_of_options(pool)? } else { (pool.of_options(), pool.of_options()) };
            for row in pool.futures() {
                let [first, maintenance, _] = self.at_ends(at, row, account)?;
                let own = if initial { first } else { maintenance };
                of = (of.0 + own.0, of.1 + own.1);
            }
            let of = self.translated(at, account, pool.settle, of)?;
            sum = (sum.0 + of.0, sum.1 + of.1);
        }
        Some((sum.0.approximate(), sum.1.approximate()))
    }

    fn initial_of_options(&mut self, pool: &Pool) -> Option<Amounts> {
        let (mut least, mut most, mut all) = (0.0, 0.0, 0.0);
        for (base, sold) in pool.sold.as_ref()? {
            let (low, high) = self.coin(*base)?;
            let (a, b) = sold.initial(low.approximate(), high.approximate());
            (least, most, all) = (least + a, most + b, all + sold.gross());
        }
        let least = Cash::from_estimate((least - ROUNDING * all).max(0.0), Round::TowardZero)?;
        Some((least, Cash::from_estimate(most + ROUNDING * all, Round::AwayFromZero)?))
    }

    /// What an amount comes to in the numéraire.
    fn translated(&mut self, at: usize, account: &Account, currency: Currency, of: Amounts) -> Option<Amounts> {
        if currency == account.numeraire() {
            return Some(of);
        }
        if !account.translates(currency) {
            return None;
        }
        let conversion = account.conversion(currency)?;
        let marks =
            conversion.instrument().map(|instrument| self.mark(at, instrument)).map_or(Some(None), |of| of.map(Some));
        let end = |amount: Cash, mark| conversion.forward(amount, mark);
        let Some((low, high)) = marks? else { return Some((end(of.0, None)?, end(of.1, None)?)) };
        let ends = [end(of.0, Some(low))?, end(of.0, Some(high))?, end(of.1, Some(low))?, end(of.1, Some(high))?];
        Some((ends.into_iter().min()?, ends.into_iter().max()?))
    }

    /// What balances count that bear a margin, in the account's numéraire: less as what lies there falls and as what is owed rises, and in
    /// proportion to one over the price of the stablecoin that it is counted in.
    fn collateral(&mut self, at: usize, bearing: &Bearing) -> Option<(f64, f64)> {
        let (engine, parameters) = (self.engine, &self.risk.parameters);
        let (book, portfolio) = (&engine.books[at], &bearing.portfolio);
        self.found.accounts.push((at, book.moves));
        // An instrument that is only ordered has a row, too.
        self.found.orders = Some((at, book.changes, engine.structures.sent));
        let counted = bearing.others.map(|(_, known, _, settle)| {
            self.ends(parameters[known].2.valid_until().unwrap_or(Timestamp::MAX));
            settle
        });
        // The other currencies at their worst and at their best, and the stablecoin at its ends.
        let mut ends = vec![portfolio.clone(); if counted.is_some() { 4 } else { 1 }];
        for (row, known) in portfolio.underlyings.iter().enumerate().filter(|_| counted.is_some()) {
            let held = portfolio.balances.iter().find(|balance| balance.currency == known.currency);
            let is_counted = Some(known.currency) == counted;
            if held.is_none() && !is_counted {
                continue;
            }
            let (low, high) = match self.risk.coin(known.currency) {
                Some(coin) if coin.price(engine).is_some() => self.coin(known.currency)?,
                _ if is_dollar(known.currency) => (Price::from_raw(Price::ONE), Price::from_raw(Price::ONE)),
                _ => return None,
            };
            let (low, high) = (low.approximate(), high.approximate());
            let is_owed = held.is_some_and(|held| held.amount < Cash::ZERO);
            let (worst, best) = if is_owed { (high, low) } else { (low, high) };
            let prices = if is_counted { [low, high, low, high] } else { [worst, worst, best, best] };
            for (end, price) in ends.iter_mut().zip(prices) {
                end.underlyings[row].index = price;
            }
        }
        let mut range: Option<Amounts> = None;
        for end in &ends {
            let mut sum = (Cash::ZERO, Cash::ZERO);
            for (currency, amount) in bearing.amounts(parameters, end).ok()? {
                let worth = self.translated(at, &book.account, currency, (amount, amount))?;
                sum = (sum.0 + worth.0, sum.1 + worth.1);
            }
            range = Some(range.map_or(sum, |range| (range.0.min(sum.0), range.1.max(sum.1))));
        }
        range.map(|(low, high)| (low.approximate(), high.approximate()))
    }

    /// What lies in each currency of an account, profit that is not settled included.
    fn balances(&mut self, at: usize) -> Option<Vec<(Currency, Amounts)>> {
        let (engine, book) = (self.engine, &self.engine.books[at]);
        self.found.accounts.push((at, book.moves));
        let held = book.account.balances().iter();
        let mut amounts: Vec<(Currency, Amounts)> =
            held.map(|balance| (balance.currency, (balance.equity(), balance.equity()))).collect();
        for (index, position) in margined(engine, at) {
            let instrument = &engine.catalogue.instruments[index];
            if instrument.kind.is_option() {
                continue;
            }
            let (mark, (low, high)) = (book.account.mark(index), self.mark(at, index)?);
            let profit = |to: Price| book.account.contract(index).profit(position.qty, mark, to);
            let (a, b) = (profit(low), profit(high));
            let (_, amount) = amounts.iter_mut().find(|(currency, _)| *currency == instrument.settle)?;
            *amount = (amount.0 + a.min(b), amount.1 + a.max(b));
        }
        amounts.retain(|(_, amount)| *amount != (Cash::ZERO, Cash::ZERO));
        Some(amounts)
    }

    /// What all accounts are worth in the numéraire of the first.
    fn equity_of_all(&mut self) -> Option<Amounts> {
        let (engine, mut all) = (self.engine, (Cash::ZERO, Cash::ZERO));
        let first = &engine.books[0].account;
        for (at, book) in engine.books.iter().enumerate() {
            let mut own = (Cash::ZERO, Cash::ZERO);
            for (currency, amount) in self.balances(at)? {
                let worth = self.translated(at, &book.account, currency, amount)?;
                own = (own.0 + worth.0, own.1 + worth.1);
            }
            let worth = self.translated(0, first, book.account.numeraire(), own)?;
            all = (all.0 + worth.0, all.1 + worth.1);
        }
        Some(all)
    }

    /// A figure of a margin of the whole portfolio.
    fn whole(&mut self, kept: &KeptMargin, figure: MarginFigure) -> Option<(f64, f64)> {
        let (at, engine) = (kept.account, self.engine);
        let account = &engine.books[at].account;
        // What orders add to an initial margin is not followed, nor what is refused because of them.
        if kept.has_orders && figure == MarginFigure::Initial {
            return None;
        }
        self.found.accounts.push((at, engine.books[at].moves));
        self.found.orders = Some((at, engine.books[at].changes, engine.structures.sent));
        self.ends(kept.until);
        let (mut ratio, mut sum) = ((0.0_f64, 0.0_f64), (Cash::ZERO, Cash::ZERO));
        for pool in &kept.pools {
            let lasting = pool.lasting()?;
            self.ends(lasting.until());
            let range = lasting.range(&self.ranges(at, pool, lasting)?)?;
            if figure == MarginFigure::Ratio {
                let (needed, equity) = (range.maintenance, range.equity);
                if equity.low <= 0.0 {
                    return None;
                }
                let low = needed.low / if needed.low < 0.0 { equity.low } else { equity.high };
                let high = needed.high / if needed.high < 0.0 { equity.high } else { equity.low };
                ratio = (ratio.0.max(low), ratio.1.max(high));
                continue;
            }
            let amount = if figure == MarginFigure::Initial { range.initial } else { range.maintenance };
            let away = |amount: f64, out: bool| {
                Cash::from_estimate(amount, if out { Round::AwayFromZero } else { Round::TowardZero })
            };
            let amount = (away(amount.low, amount.low < 0.0)?, away(amount.high, amount.high > 0.0)?);
            let amount = self.translated(at, account, pool.settle, amount)?;
            sum = (sum.0 + amount.0, sum.1 + amount.1);
        }
        Some(if figure == MarginFigure::Ratio { ratio } else { (sum.0.approximate(), sum.1.approximate()) })
    }

    /// Where the prices and marks go that a margin asks for.
    fn ranges(&mut self, at: usize, pool: &KeptPool, lasting: &LastingMargin) -> Option<PriceRanges> {
        let span = |(low, high): (Price, Price)| Span::between(low.approximate(), high.approximate());
        let mut ranges = PriceRanges::default();
        for currency in lasting.currencies() {
            let price = match self.risk.coin(currency) {
                Some(coin) if coin.price(self.engine).is_some() => span(self.coin(currency)?),
                _ if is_dollar(currency) => Span::of(1.0),
                _ => return None,
            };
            ranges.prices.push((currency, price));
        }
        let account = &self.engine.books[at].account;
        for (row, index) in pool.rows.iter().enumerate() {
            let Some(index) = *index else { continue };
            let (low, high) = self.mark(at, index)?;
            let (contract, position) = (account.contract(index), account.position(index));
            let profit = |mark: Price| position.profit(contract, mark).approximate();
            let profit = Span::between(profit(low), profit(high));
            ranges.futures.push(FutureRange { row, mark: span((low, high)), profit });
        }
        Some(ranges)
    }

    /// What a stress costs as a fraction of equity.
    fn stress(&mut self, bounded: &Bounded) -> Option<(f64, f64)> {
        if self.width >= bounded.reach {
            return None;
        }
        let until = bounded.until.min(self.engine.now + LASTS);
        self.ends(until);
        let (mut low, mut high) = (bounded.start.clone(), bounded.start.clone());
        for (coin, _) in &bounded.coins {
            let base = self.risk.coins[*coin].base;
            let ends = self.coin(base)?;
            low.set_price(base, ends.0.approximate()).ok()?;
            high.set_price(base, ends.1.approximate()).ok()?;
        }
        high.set_time(until);
        for future in &bounded.futures {
            if let Some(tied) = future.tied(&self.risk.coins, self.engine) {
                self.found.tied.push(tied);
                continue;
            }
            let ends = self.mark(future.book, future.index)?;
            low.set_own_price(future.line, ends.0.approximate()).ok()?;
            high.set_own_price(future.line, ends.1.approximate()).ok()?;
        }
        let (least, most) = bounded.profit.over(&low, &high)?;
        let equity = self.equity_of_all()?;
        if equity.0 <= Cash::ZERO {
            return None;
        }
        let equity = (equity.0.approximate(), equity.1.approximate());
        // A share is a quotient, rounded alike; what is lost is the profit without its sign.
        Some((
            -most / if most < 0.0 { equity.1 } else { equity.0 },
            -least / if least < 0.0 { equity.0 } else { equity.1 },
        ))
    }

    /// The largest part that lies at one venue or in one stablecoin.
    fn concentration(&mut self, of: Concentrated) -> Option<(f64, f64)> {
        let mut parts: BTreeMap<(u32, Option<Currency>), (f64, f64)> = BTreeMap::new();
        for at in 0..self.engine.books.len() {
            for (currency, amount) in self.balances(at)? {
                let price = match self.risk.coin(currency) {
                    Some(_) => self.coin(currency)?,
                    None if is_dollar(currency) => (Price::from_raw(Price::ONE), Price::from_raw(Price::ONE)),
                    None => return None,
                };
                let worth = |amount: Cash, price: Price| amount.approximate() * price.approximate();
                let low = worth(amount.0, if amount.0 < Cash::ZERO { price.1 } else { price.0 });
                let high = worth(amount.1, if amount.1 < Cash::ZERO { price.0 } else { price.1 });
                let slip = ROUNDING * (low.abs() + high.abs());
                let key = match of {
                    Concentrated::Venue => (at as u32, None),
                    Concentrated::Stablecoin => (0, Some(currency)),
                };
                let part = parts.entry(key).or_default();
                *part = (part.0 + low - slip, part.1 + high + slip);
            }
        }
        let counts = |currency: &Option<Currency>| currency.is_none_or(|of| of != Currency::USD && is_dollar(of));
        let all: (f64, f64) =
            parts.values().fold((0.0, 0.0), |sum, part| (sum.0 + part.0.max(0.0), sum.1 + part.1.max(0.0)));
        if all.0 <= 0.0 {
            return None;
        }
        let (mut least, mut most) = (0.0_f64, 0.0_f64);
        for (_, (low, high)) in parts.iter().filter(|((_, currency), _)| counts(currency)) {
            let (low, high) = (low.max(0.0), high.max(0.0));
            // Its share is least where it is least and all others are most.
            if low > 0.0 {
                least = least.max(low / (low + (all.1 - high)));
            }
            if high > 0.0 {
                most = most.max(high / (high + (all.0 - low)));
            }
        }
        Some((least * (1.0 - ROUNDING) - f64::MIN_POSITIVE, most * (1.0 + ROUNDING)))
    }
}
