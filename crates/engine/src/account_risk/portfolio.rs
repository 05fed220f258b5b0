//! Accounts as margin models and scenarios take them.

use super::{AccountRisk, RiskRefusal};
use crate::engine::Engine;
use market::{Currency, InstrumentKind, is_dollar};
use policy::spec::MAX_AGE;
use pricing::surface::Tenor;
use risk::greeks::SmilePoint;
use risk::venues::{Balance, MarginError, Order, Portfolio, Position, Term, Underlying};
use units::math::ln;
use units::{AccountId, Cash, InstrumentId, Price, Qty};

impl AccountRisk {
    /// Accounts as margin models and scenarios take them: positions of all of them in the order of the catalogue, account by account.
    pub(super) fn portfolio(
        &self,
        engine: &Engine,
        accounts: std::ops::Range<usize>,
    ) -> Result<Portfolio, RiskRefusal> {
        let mut all = Portfolio { at: engine.now, stale_after: Some(MAX_AGE), ..Portfolio::default() };
        let mut coins: Vec<Currency> = Vec::new();
        for at in accounts {
            let account = &engine.books[at].account;
            let first = all.positions.len();
            let mut paid: Vec<(Currency, Cash)> = Vec::new();
            coins.push(account.numeraire());
            for (row, (index, position)) in margined(engine, at).enumerate() {
                let of = &engine.catalogue.instruments[index];
                let mark = mark_of(engine, at, index, first + row)?;
                coins.push(of.base);
                if of.kind.is_option() {
                    paid.push((of.settle, position.cost.cash()));
                }
                let profit = position.profit(of.kind.contract(), mark);
                self.add_position(engine, at, (index, position.qty, mark), profit, &mut all);
            }
            for (index, bought, sold) in pending(engine, AccountId(at as u32)) {
                let of = &engine.catalogue.instruments[index];
                let same = |position: &Position| position.instrument.symbol == of.symbol;
                let row = all.positions.iter().position(same);
                let row = match row {
                    Some(row) => row,
                    None => {
                        let mark = mark_of(engine, at, index, all.positions.len())?;
                        self.add_position(engine, at, (index, Qty::ZERO, mark), Cash::ZERO, &mut all);
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
        self.price_coins(engine, coins, &mut all);
        Ok(all)
    }

    /// What a strategy holds in an account, as it would be if it had just been bought: what was earned before lies in the account.
    pub(super) fn portfolio_of(
        &self,
        engine: &Engine,
        at: usize,
        held: &[(usize, Qty)],
    ) -> Result<Portfolio, RiskRefusal> {
        let mut all = Portfolio { at: engine.now, stale_after: Some(MAX_AGE), ..Portfolio::default() };
        let mut coins = vec![engine.books[at].account.numeraire()];
        for (row, (index, qty)) in held.iter().enumerate() {
            let of = &engine.catalogue.instruments[*index];
            coins.extend([of.base, of.settle]);
            let mark = mark_of(engine, at, *index, row)?;
            self.add_position(engine, at, (*index, *qty, mark), Cash::ZERO, &mut all);
        }
        self.price_coins(engine, coins, &mut all);
        Ok(all)
    }

    /// Adds a position of an account with what it needs: of an option its volatility and forward, of others the profit that is not settled.
    fn add_position(
        &self,
        engine: &Engine,
        at: usize,
        (index, qty, mark): (usize, Qty, Price),
        profit: Cash,
        all: &mut Portfolio,
    ) {
        let (of, id, chains) =
            (&engine.catalogue.instruments[index], InstrumentId(index as u32), &engine.structures.chains);
        let priced_in = self.held[at].model.as_ref().and_then(|model| model.priced_in(of.base));
        let mut own = Position { mark: Some(mark), priced_in, ..Position::new(of.clone(), qty) };
        if let (true, Some(expiry)) = (of.kind.is_option(), of.kind.expiry()) {
            own.marked_at = chains.option(id).map(|option| option.quoted);
            let point = point(engine, id);
            own.vol = point.map(|(point, _)| point.vol);
            let forward = point.map(|(_, forward)| forward);
            let forward = forward.or_else(|| chains.expiry(id)?.1.map(Price::approximate));
            let is_known = |term: &Term| term.underlying == of.base && term.expiry == expiry;
            if let Some(forward) = forward.filter(|_| !all.expiries.iter().any(is_known)) {
                all.expiries.push(Term { underlying: of.base, expiry, forward, rate: 0.0, confidence: 1.0 });
            }
        } else {
            own.unrealised = Some(profit);
        }
        all.positions.push(own);
    }

    /// Adds the prices of coins.
    fn price_coins(&self, engine: &Engine, mut coins: Vec<Currency>, all: &mut Portfolio) {
        coins.sort_unstable();
        coins.dedup();
        for currency in coins.into_iter().filter(|currency| !is_dollar(*currency)) {
            let price = self.coin(currency).and_then(|coin| coin.price(engine));
            if let Some(price) = price {
                all.underlyings.push(Underlying { currency, index: price.approximate(), confidence: 1.0 });
            }
        }
    }
}

/// What is held by an account and margined: by instrument index.
pub(super) fn margined(engine: &Engine, at: usize) -> impl Iterator<Item = (usize, market::Position)> + '_ {
    let positions = engine.books[at].account.positions().enumerate();
    positions.filter_map(|(index, (position, _))| {
        let kind = engine.catalogue.instruments[index].kind;
        let is_margined = !matches!(kind, InstrumentKind::Spot | InstrumentKind::Structure);
        (is_margined && !position.qty.is_zero()).then_some((index, position))
    })
}

/// The mark of an instrument, if there is one: an option that was never quoted has none, whatever was paid for it.
pub(super) fn mark_of(engine: &Engine, at: usize, index: usize, row: usize) -> Result<Price, RiskRefusal> {
    let mark = engine.books[at].account.mark(index);
    let is_there = match engine.structures.chains.option(InstrumentId(index as u32)) {
        Some(option) => option.value.is_some(),
        None => !mark.is_zero(),
    };
    let symbol = || engine.catalogue.instruments[index].symbol.clone();
    if is_there { Ok(mark) } else { Err(MarginError::NoMark { row, symbol: symbol() }.into()) }
}

/// An option's own smile, and where its strike lies on it. The forward is the smile's: quotes of an expiry may tell several, of which the
/// fit takes the middle, and `trimtab risk` stands on that, too.
pub(super) fn smile(engine: &Engine, option: InstrumentId) -> Option<(Tenor<'_>, f64)> {
    let chains = &engine.structures.chains;
    let (expiry, _) = chains.expiry(option)?;
    let fitted = engine.surfaces.of(chains.chain_of(option)?)?;
    // As of the fit, so that it is the same whenever it is asked for.
    let smile = fitted.smile(expiry, fitted.at())?;
    Some((smile, ln(chains.option(option)?.strike.approximate() / smile.forward())))
}

/// Volatility and slope of an option's own smile, and its forward.
pub(super) fn point(engine: &Engine, option: InstrumentId) -> Option<(SmilePoint, f64)> {
    let (smile, place) = smile(engine, option)?;
    Some((SmilePoint { vol: smile.vol(place), slope: smile.vol_slope(place) }, smile.forward()))
}

/// What orders that may raise a position could still buy and sell, by instrument index, those of an account.
pub(super) fn pending(engine: &Engine, account: AccountId) -> Vec<(usize, Qty, Qty)> {
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
