//! A portfolio file with its names resolved: which contract each symbol is, which account holds what.

use super::Decimal;
use super::market::Smiles;
use super::schema::{WRONG_MAX, cut, read_mended};
use super::shape::Wrong;
use super::venue::{is_split, key, keys_of_balances, split};
use import::{ContractKind, Terms};
use market::{Currency, Instrument, InstrumentKind, is_dollar};
use pricing::options::Expiry;
use risk::venues::deribit::StatedMargins;
use risk::venues::{
    Balance, MarginError, Order, Place, Portfolio, Position, Term, Underlying, VenueModel, VenueRules, priced_in,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use units::show::{self, Style};
use units::{Cash, Duration, Notional, OptionRight, Price, Qty, Round, Timestamp};

/// What the commands on risk read of a file whose names and values were checked.
#[derive(Debug, Clone, Deserialize)]
struct File {
    time: Decimal<Timestamp>,
    accounts: Vec<AccountRow>,
    #[serde(default)]
    instruments: Vec<InstrumentRow>,
    #[serde(default)]
    prices: Vec<PriceRow>,
    #[serde(default)]
    expiries: Vec<ExpiryRow>,
    #[serde(default)]
    positions: Vec<PositionRow>,
    #[serde(default)]
    orders: Vec<OrderRow>,
}

#[derive(Debug, Clone, Deserialize)]
struct AccountRow {
    name: String,
    venue: Option<String>,
    margin: Option<String>,
    #[serde(default)]
    balances: Vec<BalanceRow>,
    #[serde(default)]
    stated_margins: StatedRow,
}

#[derive(Debug, Clone, Deserialize)]
struct BalanceRow {
    currency: Decimal<Currency>,
    amount: Decimal<Cash>,
    haircut: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct StatedRow {
    spot: Option<f64>,
    mmp: Option<f64>,
    open_orders: Option<f64>,
}

impl StatedRow {
    fn is_empty(&self) -> bool {
        [self.spot, self.mmp, self.open_orders].iter().all(Option::is_none)
    }
}

#[derive(Debug, Clone, Deserialize)]
struct InstrumentRow {
    symbol: String,
    kind: Option<String>,
    contract: Option<String>,
    underlying: Option<Decimal<Currency>>,
    quote: Option<Decimal<Currency>>,
    settle: Option<Decimal<Currency>>,
    expiry: Option<Decimal<Timestamp>>,
    strike: Option<Decimal<Price>>,
    right: Option<String>,
    price: Option<Decimal<Price>>,
    vol: Option<f64>,
    time: Option<Decimal<Timestamp>>,
    confidence: Option<f64>,
    open_interest: Option<Decimal<Cash>>,
    volume: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
struct PriceRow {
    currency: Decimal<Currency>,
    price: f64,
    vol: Option<f64>,
    confidence: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
struct ExpiryRow {
    underlying: Decimal<Currency>,
    expiry: Decimal<Timestamp>,
    forward: f64,
    rate: Option<f64>,
    confidence: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
struct PositionRow {
    account: String,
    instrument: String,
    quantity: Decimal<Qty>,
    entry: Option<Decimal<Price>>,
    unrealised: Option<Decimal<Cash>>,
    isolated: Option<Decimal<Cash>>,
    leverage: Option<f64>,
    strategy: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct OrderRow {
    account: String,
    instrument: String,
    quantity: Decimal<Qty>,
    price: Decimal<Price>,
}

/// A portfolio whose names all mean something.
#[derive(Debug, Clone)]
pub struct Book {
    file: File,
    /// By symbol: what it is, and its row under `instruments`, if it has one.
    contracts: BTreeMap<String, (Instrument, Option<usize>)>,
    /// Fitted to tapes, if they were.
    smiles: Smiles,
}

/// A coin's or stablecoin's price as the file tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quoted {
    pub(crate) currency: Currency,
    pub(crate) price: f64,
    pub(crate) vol: Option<f64>,
}

/// What a venue margins together: an account, or the part of it that settles in one currency.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) account: String,
    pub(crate) rules: VenueRules,
    /// The coin of models that margin one; else the currency of settlement.
    pub(crate) coin: Currency,
    /// In what it settles.
    pub(crate) settle: Currency,
    pub(crate) portfolio: Portfolio,
    pub(crate) stated: StatedMargins,
    pub(crate) open_interest: Vec<(Currency, Notional)>,
    pub(crate) rows: Rows,
    /// What the caller must know beside the model's own notes.
    pub(crate) notes: Vec<String>,
}

/// All that an account holds, whatever is margined apart.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    pub(crate) account: String,
    pub(crate) portfolio: Portfolio,
    pub(crate) rows: Rows,
}

/// Where in the file the rows of a portfolio stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// Of the account.
    account: usize,
    /// Of each position; of what orders alone are in, none.
    positions: Vec<Option<usize>>,
    /// Of each balance.
    balances: Vec<usize>,
    /// Of each order, with the position that it is in.
    orders: Vec<(usize, usize)>,
}

impl Rows {
    /// Of what it is first: a position, an order, or the account.
    pub(crate) fn first(&self) -> String {
        let position = self.positions.iter().flatten().next().map(|row| format!("positions[{row}]"));
        let order = || self.orders.first().map(|(row, _)| format!("orders[{row}]"));
        position.or_else(order).unwrap_or_else(|| format!("accounts[{}]", self.account))
    }

    /// An error by the rows of the file.
    pub(crate) fn in_file(&self, error: MarginError) -> Wrong {
        let path = match error.place() {
            // Rows of nothing held stand for orders.
            Some(Place::Position(row)) => match self.position(row) {
                Some(position) => format!("positions[{position}]"),
                None => self.order_in(row).map_or(String::new(), |order| format!("orders[{order}]")),
            },
            Some(Place::Balance(row)) => {
                format!("accounts[{}].balances[{}]", self.account, self.balances.get(row).copied().unwrap_or(row))
            }
            Some(Place::Order(row)) => format!("orders[{}]", self.orders.get(row).map_or(row, |(order, _)| *order)),
            Some(Place::Underlying(row)) => format!("prices[{row}]"),
            Some(Place::Expiry(row)) => format!("expiries[{row}]"),
            Some(Place::Account) => format!("accounts[{}]", self.account),
            None => String::new(),
        };
        let text = error.reason().to_string();
        let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "correct it"));
        match &error {
            MarginError::NoTerms { parameter, .. } => {
                let remedy =
                    format!("give the venue's with `--parameters FILE`, in rows `{parameter}`; docs/margin.md");
                Wrong::new(path, what, remedy)
            }
            MarginError::UnknownCollateral { parameter, .. } => {
                let remedy =
                    format!("give the venue's with `--parameters FILE`, as a row `{parameter}`; docs/margin.md");
                Wrong::new(path, what, remedy)
            }
            MarginError::NoIndex { .. } => Wrong::new(path, what, "add its price under \"prices\""),
            MarginError::NoForward { .. } => Wrong::new(path, what, "add it under \"expiries\""),
            MarginError::NoMark { .. } => Wrong::new(path, what, "add its `price` under \"instruments\", over zero"),
            MarginError::NoVol { .. } => Wrong::new(path, what, "add its `vol` under \"instruments\""),
            _ => Wrong::new(path, what, remedy),
        }
    }

    /// All that is wrong with a portfolio, row by row: what `checked` refuses of it. What is missing is put there, so that it hides nothing
    /// else; what cannot be is left out with its row, until nothing more is refused, or what no row can be left out for.
    pub(crate) fn all_wrong(
        &self,
        portfolio: &Portfolio,
        first: MarginError,
        checked: impl Fn(&Portfolio) -> Result<(), MarginError>,
    ) -> Vec<Wrong> {
        let (mut rest, mut rows, mut error) = (portfolio.clone(), self.clone(), first);
        let mut wrong: Vec<Wrong> = Vec::new();
        let mut last = None;
        loop {
            let found = rows.in_file(error.clone());
            // One price that is missing is said once, of the first row that needs it.
            if !wrong.iter().any(|said| said.what == found.what) {
                wrong.push(found);
            }
            let is_new = last.as_ref() != Some(&error);
            if !(is_new && put_there(&mut rest, &error)) {
                match error.place() {
                    Some(Place::Position(row)) if row < rest.positions.len() => rows.drop_position(&mut rest, row),
                    Some(Place::Balance(row)) if row < rest.balances.len() => {
                        rest.balances.remove(row);
                        rows.balances.remove(row);
                    }
                    Some(Place::Order(row)) if row < rest.orders.len() => {
                        rest.orders.remove(row);
                        rows.orders.remove(row);
                    }
                    _ => return wrong,
                }
            }
            last = Some(error);
            match checked(&rest) {
                Err(next) if wrong.len() < WRONG_MAX => error = next,
                _ => return wrong,
            }
        }
    }

    /// Leaves a position and its orders out.
    fn drop_position(&mut self, portfolio: &mut Portfolio, row: usize) {
        portfolio.positions.remove(row);
        self.positions.remove(row);
        let kept: Vec<bool> = portfolio.orders.iter().map(|order| order.position != row).collect();
        let mut keep = kept.iter().copied();
        portfolio.orders.retain(|_| keep.next() == Some(true));
        let mut keep = kept.into_iter();
        self.orders.retain(|_| keep.next() == Some(true));
        let after = portfolio.orders.iter_mut().map(|order| &mut order.position);
        let orders = self.orders.iter_mut().map(|(_, position)| position);
        after.chain(orders).filter(|position| **position > row).for_each(|position| *position -= 1);
    }

    /// The first row under `orders` that is in a position.
    fn order_in(&self, position: usize) -> Option<usize> {
        self.orders.iter().find(|(_, of)| *of == position).map(|(order, _)| *order)
    }

    /// The row under `positions` of the file.
    pub(crate) fn position(&self, position: usize) -> Option<usize> {
        self.positions.get(position).copied().flatten()
    }

    /// The rows under `orders` of the file.
    pub(crate) fn of_orders(&self, orders: &[usize]) -> Vec<usize> {
        orders.iter().filter_map(|order| Some(self.orders.get(*order)?.0)).collect()
    }
}

/// Puts a number in place of one that is missing, or says that none can be.
fn put_there(portfolio: &mut Portfolio, error: &MarginError) -> bool {
    let near = |portfolio: &Portfolio, coin: Currency| {
        let index = portfolio.underlyings.iter().find(|row| row.currency == coin).map(|row| row.index);
        let forward = || portfolio.expiries.iter().find(|term| term.underlying == coin).map(|term| term.forward);
        let on_it = |held: &&Position| held.instrument.base == coin && !held.instrument.kind.is_option();
        let mark = || portfolio.positions.iter().filter(on_it).find_map(|held| held.mark).map(Price::approximate);
        index.or_else(forward).or_else(mark).unwrap_or(1.0)
    };
    match error {
        MarginError::NoIndex { currency, .. } => {
            let index = near(portfolio, *currency);
            portfolio.underlyings.push(Underlying { currency: *currency, index, confidence: 1.0 });
        }
        MarginError::NoForward { row, expiry, .. } => {
            let Some(underlying) = portfolio.positions.get(*row).map(|held| held.instrument.base) else { return false };
            let forward = near(portfolio, underlying);
            portfolio.expiries.push(Term { underlying, expiry: *expiry, forward, rate: 0.0, confidence: 1.0 });
        }
        MarginError::NoMark { row, .. } => {
            let Some(held) = portfolio.positions.get(*row) else { return false };
            let mark = if held.instrument.kind.is_option() { 0.0 } else { near(portfolio, held.instrument.base) };
            portfolio.positions[*row].mark = Price::from_estimate(mark, Round::Nearest);
        }
        MarginError::NoVol { row, .. } if *row < portfolio.positions.len() => portfolio.positions[*row].vol = Some(1.0),
        MarginError::NoEntry { row, .. } if *row < portfolio.positions.len() => {
            portfolio.positions[*row].unrealised = Some(Cash::ZERO);
        }
        MarginError::Stale { row, .. } if *row < portfolio.positions.len() => {
            portfolio.positions[*row].marked_at = None
        }
        // Of a later time: whatever is held now was not settled when they held.
        MarginError::OutsideValidity { from, at, .. } if from < at => portfolio.at = *from,
        _ => return false,
    }
    true
}

/// Whether two places are one, or one is a part of the other.
fn is_part(one: &str, other: &str) -> bool {
    let within = |one: &str, other: &str| {
        one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(one, other) || within(other, one)
}

/// Whether what was found follows from something that was not read.
fn follows(found: &Wrong, unread: &[Wrong]) -> bool {
    let named = |list: &str, field: &str| {
        let is_named = |path: &str| {
            path == list || path.starts_with(&format!("{list}[")) && (path.ends_with(field) || path.ends_with(']'))
        };
        unread.iter().any(|unread| is_named(&unread.path))
    };
    let of_position = found.path.starts_with("positions[") || found.path.starts_with("orders[");
    // Marks and forwards are held against the index of their coin.
    let by_index = found.path.starts_with("instruments[") && found.path.ends_with(".price")
        || found.path.starts_with("expiries[") && found.path.ends_with(".forward");
    unread.iter().any(|unread| is_part(&found.path, &unread.path))
        || (by_index && (named("prices", ".price") || named("prices", ".currency")))
        || (of_position && found.path.ends_with(".account") && named("accounts", ".name"))
        || (of_position && found.path.ends_with(".instrument") && named("instruments", ".symbol"))
}

/// By how much a mark may be over or under what its coin is worth: more is an error of the file.
const APART_MAX: f64 = 2.0;
/// The same of a forward, which a venue's own test data have at half of its index.
const FORWARD_MAX: f64 = 4.0;
/// What is told of both.
const APART_TOLD: f64 = 1.2;
/// How much over the most that an option can be worth a mark may be: its forward is not the index.
const OPTION_SLACK: f64 = 1.1;
/// Volatilities over this are named: a figure in percent was meant, or nobody has seen such.
pub(super) const VOL_TOLD: f64 = 10.0;
/// Marks that are older are named where no age is asked for.
const AGE_TOLD: Duration = Duration::HOUR;

impl Book {
    /// Reads a portfolio.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place and what to do.
    pub fn read(text: &str) -> Result<Self, Vec<Wrong>> {
        Ok(Self::read_and(text, |_| Ok(()))?.0)
    }

    /// Reads a portfolio and asks something of it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, and what `ask` refuses of the rows that could be read, each with its place and what to do.
    pub fn read_and<T>(text: &str, ask: impl FnOnce(&Self) -> Result<T, Vec<Wrong>>) -> Result<(Self, T), Vec<Wrong>> {
        let (value, mut wrong) = read_mended(text)?;
        let file: File = serde_json::from_value(value)
            .map_err(|error| vec![Wrong::new("", error, "docs/portfolio.md says what a portfolio is")])?;
        let mut found = Vec::new();
        let contracts = file.resolve(&mut found);
        file.check_names(&mut found);
        file.check_positions(&mut found);
        file.check_times(&contracts, &mut found);
        file.check_marks(&contracts, &mut found);
        file.check_forwards(&mut found);
        found.retain(|found| !follows(found, &wrong));
        let is_read = wrong.is_empty();
        wrong.extend(found);
        let book = Self { file, contracts, smiles: Smiles::default() };
        // What stands in for something unread says nothing.
        if is_read {
            match ask(&book) {
                Ok(answer) if wrong.is_empty() => return Ok((book, answer)),
                Ok(_) => {}
                Err(more) if wrong.is_empty() => wrong = more,
                Err(more) => {
                    let is_new = |more: &Wrong| {
                        more.path.contains('[') && !wrong.iter().any(|said| is_part(&said.path, &more.path))
                    };
                    let more: Vec<Wrong> = more.into_iter().filter(is_new).collect();
                    wrong.extend(more);
                }
            }
        }
        Err(cut(wrong))
    }

    /// When all of it holds.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.file.time.0
    }

    /// Coins' prices, as the file tells them.
    pub(crate) fn prices(&self) -> impl Iterator<Item = Quoted> + '_ {
        let row = |row: &PriceRow| Quoted { currency: row.currency.0, price: row.price, vol: row.vol };
        self.file.prices.iter().map(row)
    }

    /// What one of the venues margins together, account by account.
    ///
    /// # Errors
    ///
    /// No account of it; an account that does not say whose rules; nothing to margin.
    pub(crate) fn groups(&self, venue: &str, max_age: Option<Duration>) -> Result<Vec<Group>, Vec<Wrong>> {
        let (name, margin) = split(venue).map_err(|wrong| vec![wrong])?;
        let of_venue = |account: &AccountRow| match &account.venue {
            Some(venue) => venue == name,
            // One account that does not say where it is, is where it is looked at.
            None => self.file.accounts.len() == 1,
        };
        let (mut groups, mut wrong, mut found): (Vec<Group>, _, _) = (Vec::new(), Vec::new(), false);
        for (at, account) in self.file.accounts.iter().enumerate().filter(|(_, account)| of_venue(account)) {
            found = true;
            match VenueRules::of(name, margin.or(account.margin.as_deref())) {
                Some(rules) => groups.extend(self.groups_of(at, rules)),
                None => wrong.push(Wrong::new(
                    format_args!("accounts[{at}].margin"),
                    format_args!("missing: {name} has standard and portfolio margin"),
                    format_args!(
                        "add \"margin\": \"standard\" or \"portfolio\", or say `--venue {name}-standard` or `--venue \
                         {name}-portfolio`"
                    ),
                )),
            }
        }
        if !found {
            let known: BTreeSet<&str> = self.file.accounts.iter().filter_map(|row| row.venue.as_deref()).collect();
            let known: Vec<&str> = known.into_iter().collect();
            let what = match known.as_slice() {
                [] => format!("none of the accounts says that it is at {name}"),
                known => format!("no account is at {name}, but at {}", known.join(" and ")),
            };
            wrong.push(Wrong::new("accounts", what, "give the account its \"venue\", or name another one"));
        } else if groups.is_empty() && wrong.is_empty() {
            let what = format!("nothing is held at {name}: no balance, position or order");
            wrong.push(Wrong::new("positions", what, "add what is held"));
        }
        for group in &mut groups {
            group.portfolio.stale_after = max_age;
            group.notes.extend(if max_age.is_none() { aged(&group.portfolio) } else { ageless(&group.portfolio) });
        }
        if wrong.is_empty() { Ok(groups) } else { Err(wrong) }
    }

    fn groups_of(&self, row: usize, rules: VenueRules) -> Vec<Group> {
        let account = &self.file.accounts[row];
        let held = |symbol: &str| self.contracts.get(symbol).map(|(instrument, _)| instrument);
        let positions = self.file.positions.iter().filter(|row| row.account == account.name);
        let orders = self.file.orders.iter().filter(|row| row.account == account.name);
        let symbols = positions.map(|row| &row.instrument).chain(orders.map(|row| &row.instrument));
        let mut keys: Vec<(Currency, Currency)> = Vec::new();
        for instrument in symbols.filter_map(|symbol| held(symbol)) {
            let key = key(rules, instrument);
            // Of models that margin one coin a second one is refused by row.
            if !keys.contains(&key) && (keys.is_empty() || is_split(rules)) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            let balances = account.balances.iter().map(|row| row.currency.0);
            keys = keys_of_balances(rules, balances, self.file.prices.iter().map(|row| row.currency.0));
        }
        keys.into_iter().map(|key| self.group(row, rules, key)).collect()
    }

    /// All that each account holds.
    pub(crate) fn wholes(&self, max_age: Option<Duration>) -> Vec<Whole> {
        let whole = |row: usize| {
            let (mut portfolio, rows) = self.gather(row, None, |_| true);
            portfolio.stale_after = max_age;
            self.prices_of(&mut portfolio, None);
            Whole { account: self.file.accounts[row].name.clone(), portfolio, rows }
        };
        (0..self.file.accounts.len()).map(whole).collect()
    }

    /// The venue of each account and, at venues that have two, whose rules.
    pub(crate) fn venues(&self) -> impl Iterator<Item = (&str, Option<&str>, Option<&str>)> {
        self.file.accounts.iter().map(|row| (row.name.as_str(), row.venue.as_deref(), row.margin.as_deref()))
    }

    fn group(&self, row: usize, rules: VenueRules, (coin, settle): (Currency, Currency)) -> Group {
        let account = &self.file.accounts[row];
        let belongs = |instrument: &Instrument| !is_split(rules) || key(rules, instrument) == (coin, settle);
        let (mut portfolio, rows) = self.gather(row, Some(rules.venue()), belongs);
        let mut notes = self.prices_of(&mut portfolio, Some(settle));
        notes.extend(self.in_window());
        let elsewhere = |position: &&Position| {
            let listed_at = position.instrument.venue();
            !listed_at.is_empty() && listed_at != rules.venue()
        };
        notes.extend(portfolio.positions.iter().filter(elsewhere).map(|position| {
            let symbol = &position.instrument.symbol;
            format!("{symbol} is taken for what {} lists of that name", rules.venue())
        }));
        notes.extend(self.doubts(&portfolio));
        notes.extend(without_forward(&portfolio));
        if rules != VenueRules::DeribitPortfolio && !account.stated_margins.is_empty() {
            notes.push("`stated_margins` are left out: Deribit's portfolio margin alone takes them".to_owned());
        }
        Group {
            account: account.name.clone(),
            rules,
            coin,
            settle,
            portfolio,
            stated: StatedMargins {
                spot: account.stated_margins.spot.unwrap_or_default(),
                mmp: account.stated_margins.mmp.unwrap_or_default(),
                open_orders: account.stated_margins.open_orders,
            },
            open_interest: self.open_interest(),
            rows,
            notes,
        }
    }

    /// Balances of an account, and the positions and orders whose instruments belong. Of which venue prices are that `venue`, else the
    /// account, else the symbol says.
    fn gather(
        &self,
        account_row: usize,
        venue: Option<&str>,
        belongs: impl Fn(&Instrument) -> bool,
    ) -> (Portfolio, Rows) {
        let account = &self.file.accounts[account_row];
        let mut models: BTreeMap<String, Option<VenueModel>> = BTreeMap::new();
        let mut priced_in = |of: &Instrument| {
            let venue = venue.or(account.venue.as_deref()).unwrap_or_else(|| of.venue());
            let model = models.entry(venue.to_owned()).or_insert_with(|| VenueModel::of_venue(venue));
            model.as_ref()?.priced_in(of.base)
        };
        let held = |row: &BalanceRow| Balance { currency: row.currency.0, amount: row.amount.0 };
        let balances = account.balances.iter().map(held).collect();
        let mut portfolio = Portfolio { at: self.file.time.0, balances, ..Portfolio::default() };
        let balances = (0..account.balances.len()).collect();
        let mut rows = Rows { account: account_row, balances, ..Rows::default() };
        for (row, held) in self.file.positions.iter().enumerate().filter(|(_, row)| row.account == account.name) {
            let Some((instrument, listed)) = self.contracts.get(&held.instrument) else { continue };
            if belongs(instrument) {
                let mut position = self.position(instrument, *listed, held.quantity.0);
                position.entry = held.entry.map(|price| price.0);
                position.unrealised = held.unrealised.map(|cash| cash.0);
                position.isolated = held.isolated.map(|cash| cash.0);
                position.leverage = held.leverage;
                position.priced_in = priced_in(instrument);
                portfolio.positions.push(position);
                rows.positions.push(Some(row));
            }
        }
        for (row, order) in self.file.orders.iter().enumerate().filter(|(_, row)| row.account == account.name) {
            let Some((instrument, listed)) = self.contracts.get(&order.instrument) else { continue };
            if belongs(instrument) {
                let positions = &mut portfolio.positions;
                let at = positions.iter().position(|position| position.instrument.symbol == order.instrument);
                let position = at.unwrap_or_else(|| {
                    let priced_in = priced_in(instrument);
                    positions.push(Position { priced_in, ..self.position(instrument, *listed, Qty::ZERO) });
                    rows.positions.push(None);
                    positions.len() - 1
                });
                portfolio.orders.push(Order { position, quantity: order.quantity.0, price: order.price.0 });
                rows.orders.push((row, position));
            }
        }
        (portfolio, rows)
    }

    fn position(&self, instrument: &Instrument, listed: Option<usize>, quantity: Qty) -> Position {
        let mut position = Position::new(instrument.clone(), quantity);
        if let Some(row) = listed.map(|row| &self.file.instruments[row]) {
            position.mark = row.price.map(|price| price.0);
            position.vol = row.vol;
            position.marked_at = row.time.map(|time| time.0);
            position.confidence = row.confidence.unwrap_or(1.0);
        }
        position
    }

    /// Prices and forwards. Dollars whose price is not stated are at 1, and that is said.
    fn prices_of(&self, portfolio: &mut Portfolio, settle: Option<Currency>) -> Vec<String> {
        let mut notes = Vec::new();
        portfolio.underlyings = self
            .file
            .prices
            .iter()
            .map(|row| Underlying {
                currency: row.currency.0,
                index: row.price,
                confidence: row.confidence.unwrap_or(1.0),
            })
            .collect();
        let used = portfolio.balances.iter().map(|balance| balance.currency).chain(settle);
        for currency in used.filter(|currency| is_dollar(*currency)).collect::<BTreeSet<_>>() {
            if !portfolio.underlyings.iter().any(|known| known.currency == currency) {
                portfolio.underlyings.push(Underlying { currency, index: 1.0, confidence: 1.0 });
                if currency != Currency::USD {
                    notes.push(format!("{currency} is taken at 1 USD: its price is not stated"));
                }
            }
        }
        portfolio.expiries = self
            .file
            .expiries
            .iter()
            .map(|row| Term {
                underlying: row.underlying.0,
                expiry: row.expiry.0,
                forward: row.forward,
                rate: row.rate.unwrap_or_default(),
                confidence: row.confidence.unwrap_or(1.0),
            })
            .collect();
        notes
    }

    /// Names what is held of contracts whose price of settlement is being averaged.
    pub(crate) fn in_window(&self) -> Option<String> {
        let at = self.file.time.0;
        let in_it = |expiry: Timestamp| expiry.since(at) < Expiry::WINDOW;
        let held = self.held().into_iter().filter(|(_, held)| held.kind.expiry().is_some_and(in_it));
        let symbols: Vec<String> = held.map(|(_, held)| held.symbol).collect();
        (!symbols.is_empty()).then(|| {
            format!(
                "settlement window, half an hour before expiry: the price of {} is fixed in part, and moves in whole here; \
                 Deribit's portfolio margin lets delta and risk decay, of other margins it is not known",
                symbols.join(", ")
            )
        })
    }

    /// Names marks and forwards of what is held that are away from their coin's index, and volatilities that nobody has seen.
    pub(crate) fn doubts(&self, portfolio: &Portfolio) -> Vec<String> {
        let told = |held: &Position| {
            let (of, listed) = self.contracts.get(&held.instrument.symbol)?;
            let (apart, _) = self.file.apart(&self.file.instruments[(*listed)?], of)?;
            let is_near = (1.0 / APART_TOLD..=APART_TOLD).contains(&apart);
            let percent = (apart - 1.0) * 100.0;
            (!is_near).then(|| format!("{}: its mark is {percent:+.0} % from the index of {}", of.symbol, of.base))
        };
        let held = |row: &&ExpiryRow| {
            let on_it = |of: &Instrument| of.base == row.underlying.0 && of.kind.expiry() == Some(row.expiry.0);
            portfolio.positions.iter().any(|position| on_it(&position.instrument))
        };
        let far = |row: &ExpiryRow| {
            let index = self.file.prices.iter().find(|price| price.currency.0 == row.underlying.0)?.price;
            let apart = row.forward / index;
            let percent = (apart - 1.0) * 100.0;
            (!(1.0 / APART_TOLD..=APART_TOLD).contains(&apart)).then(|| {
                format!("the forward of {} of {} is {percent:+.0} % from its index", row.underlying.0, row.expiry.0)
            })
        };
        let wild = |position: &Position| {
            let vol = position.vol.filter(|vol| *vol > VOL_TOLD)?;
            Some(format!("{}: its volatility is {:.0} % a year (0.6 is 60 %)", position.instrument.symbol, vol * 100.0))
        };
        let coins = self.file.prices.iter().filter_map(|row| {
            let vol = row.vol.filter(|vol| *vol > VOL_TOLD)?;
            Some(format!("{}: its volatility is {:.0} % a year (0.6 is 60 %)", row.currency.0, vol * 100.0))
        });
        let marks = portfolio.positions.iter().filter_map(told);
        let forwards = self.file.expiries.iter().filter(held).filter_map(far);
        marks.chain(forwards).chain(portfolio.positions.iter().filter_map(wild)).chain(coins).collect()
    }

    /// What is traded of a contract in a day, in the unit of its quantities.
    pub(crate) fn volume(&self, symbol: &str) -> Option<f64> {
        self.file.instruments.iter().find(|row| row.symbol == symbol)?.volume
    }

    fn open_interest(&self) -> Vec<(Currency, Notional)> {
        let stated = |(instrument, listed): &(Instrument, Option<usize>)| {
            let value = self.file.instruments[(*listed)?].open_interest?;
            (!instrument.kind.is_option()).then(|| (instrument.base, value.0.notional()))
        };
        self.contracts.values().filter_map(stated).collect()
    }

    /// The volatility of an option's expiry at a log-moneyness, where a surface was fitted.
    pub(crate) fn smile(&self, symbol: &str, log_moneyness: f64) -> Option<f64> {
        self.smiles.vol(symbol, log_moneyness)
    }

    /// The strategy that a row under `positions` is held for.
    pub(crate) fn strategy(&self, row: usize) -> Option<&str> {
        self.file.positions.get(row)?.strategy.as_deref()
    }

    /// Whether any option stands on a surface.
    pub(crate) fn has_smiles(&self) -> bool {
        !self.smiles.on.is_empty()
    }

    pub(super) fn smiles(&self) -> &Smiles {
        &self.smiles
    }

    pub(super) fn set_smiles(&mut self, smiles: Smiles) {
        self.smiles = smiles;
    }

    /// Moves the portfolio to another time: contracts that are settled then are refused by whoever values them.
    pub(super) fn set_time(&mut self, at: Timestamp) {
        self.file.time = Decimal(at);
    }

    /// Coins that anything depends on.
    pub(super) fn coins(&self) -> BTreeSet<Currency> {
        let held = self.held().into_iter().map(|(_, instrument)| instrument.base);
        let balances = self.file.accounts.iter().flat_map(|account| account.balances.iter().map(|row| row.currency.0));
        held.chain(balances).collect()
    }

    /// What is held or ordered, each contract once, with the place in the file that names it first.
    pub(super) fn held(&self) -> Vec<(String, Instrument)> {
        let positions = self.file.positions.iter().map(|row| &row.instrument).enumerate();
        let orders = self.file.orders.iter().map(|row| &row.instrument).enumerate();
        let named = positions.map(|row| ("positions", row)).chain(orders.map(|row| ("orders", row)));
        let mut found: Vec<(String, Instrument)> = Vec::new();
        for (list, (at, symbol)) in named {
            if let Some((instrument, _)) = self.contracts.get(symbol)
                && !found.iter().any(|(_, had)| had.symbol == *symbol)
            {
                found.push((format!("{list}[{at}]"), instrument.clone()));
            }
        }
        found
    }

    pub(super) fn set_price(&mut self, currency: Currency, price: f64) {
        match self.file.prices.iter_mut().find(|row| row.currency.0 == currency) {
            Some(row) => row.price = price,
            None => self.file.prices.push(PriceRow { currency: Decimal(currency), price, vol: None, confidence: None }),
        }
    }

    /// A coin's volatility, where it has a price.
    pub(super) fn set_coin_vol(&mut self, currency: Currency, vol: f64) {
        if let Some(row) = self.file.prices.iter_mut().find(|row| row.currency.0 == currency) {
            row.vol = Some(vol);
        }
    }

    pub(super) fn set_forward(&mut self, underlying: Currency, expiry: Timestamp, forward: f64) {
        let same = |row: &&mut ExpiryRow| row.underlying.0 == underlying && row.expiry.0 == expiry;
        match self.file.expiries.iter_mut().find(same) {
            Some(row) => row.forward = forward,
            None => self.file.expiries.push(ExpiryRow {
                underlying: Decimal(underlying),
                expiry: Decimal(expiry),
                forward,
                rate: None,
                confidence: None,
            }),
        }
    }

    /// Mark and volatility of a contract, taken at a time.
    pub(super) fn set_market(&mut self, symbol: &str, mark: Option<Price>, vol: Option<f64>, at: Timestamp) {
        let Some((_, listed)) = self.contracts.get_mut(symbol) else { return };
        let row = *listed.get_or_insert_with(|| {
            self.file.instruments.push(InstrumentRow::of_symbol(symbol));
            self.file.instruments.len() - 1
        });
        let row = &mut self.file.instruments[row];
        (row.price, row.vol, row.time) = (mark.map(Decimal), vol, Some(Decimal(at)));
    }

    /// The volatility that the file states of a contract.
    pub(super) fn stated_vol(&self, symbol: &str) -> Option<f64> {
        let row = self.contracts.get(symbol)?.1?;
        self.file.instruments[row].vol
    }

    /// Balances with their haircuts, account by account, and what is set aside for isolated positions: of collateral.
    pub(crate) fn balances(&self) -> impl Iterator<Item = (&str, Currency, Cash, f64)> {
        self.file.accounts.iter().flat_map(move |account| {
            let venue = account.venue.as_deref().unwrap_or(&account.name);
            let row = move |row: &BalanceRow| (venue, row.currency.0, row.amount.0, row.haircut.unwrap_or_default());
            let aside = self.file.positions.iter().filter(|row| row.account == account.name).filter_map(move |row| {
                Some((venue, self.contracts.get(&row.instrument)?.0.settle, row.isolated?.0, 0.0))
            });
            account.balances.iter().map(row).chain(aside)
        })
    }
}

/// Names marks that are old, where nobody asked how old they may be.
fn aged(portfolio: &Portfolio) -> Option<String> {
    let old = |held: &Position| {
        let age = portfolio.at.since(held.marked_at?);
        (age > AGE_TOLD).then(|| format!("{} ({age})", held.instrument.symbol))
    };
    let old: Vec<String> = portfolio.positions.iter().filter_map(old).collect();
    (!old.is_empty())
        .then(|| format!("older than {AGE_TOLD} are the marks of {}; `--max-age 1h` refuses them", old.join(", ")))
}

/// Says of how many marks no time is told, where it was asked how old they may be.
fn ageless(portfolio: &Portfolio) -> Option<String> {
    let (all, untold) =
        (portfolio.positions.len(), portfolio.positions.iter().filter(|held| held.marked_at.is_none()).count());
    (untold > 0).then(|| {
        format!("`--max-age` says nothing of {untold} of {all} positions, whose marks have no `time` in the file")
    })
}

/// Names options whose forward is not stated: models that need it refuse them, others have only the index where prices move.
fn without_forward(portfolio: &Portfolio) -> Option<String> {
    let is_stated = |of: &Instrument| {
        portfolio.expiries.iter().any(|term| term.underlying == of.base && Some(term.expiry) == of.kind.expiry())
    };
    let options = portfolio.positions.iter().map(|held| &held.instrument).filter(|of| of.kind.is_option());
    let symbols: Vec<&str> = options.filter(|of| !is_stated(of)).map(|of| of.symbol.as_str()).collect();
    (!symbols.is_empty()).then(|| {
        format!(
            "no forward of {} is stated under `expiries`: where prices move, liquidation prices among them, the index stands for it",
            symbols.join(", ")
        )
    })
}

impl File {
    /// What each symbol is.
    fn resolve(&self, wrong: &mut Vec<Wrong>) -> BTreeMap<String, (Instrument, Option<usize>)> {
        let mut contracts = BTreeMap::new();
        for (at, row) in self.instruments.iter().enumerate() {
            let path = format!("instruments[{at}]");
            if contracts.contains_key(&row.symbol) {
                let what = format!("`{}` is listed more than once", row.symbol);
                wrong.push(Wrong::new(format_args!("{path}.symbol"), what, "list it once"));
            } else if let Some(instrument) = row.instrument(&path, wrong) {
                contracts.insert(row.symbol.clone(), (instrument, Some(at)));
            }
        }
        let named =
            |list: &'static str| move |(at, symbol): (usize, &String)| (format!("{list}[{at}]"), symbol.clone());
        let positions = self.positions.iter().map(|row| &row.instrument).enumerate().map(named("positions"));
        let orders = self.orders.iter().map(|row| &row.instrument).enumerate().map(named("orders"));
        for (path, symbol) in positions.chain(orders) {
            let listed = || self.instruments.iter().any(|row| row.symbol == symbol);
            if !contracts.contains_key(&symbol) && !listed() {
                let row = InstrumentRow::of_symbol(&symbol);
                if let Some(instrument) = row.instrument(&format!("{path}.instrument"), wrong) {
                    contracts.insert(symbol, (instrument, None));
                }
            }
        }
        contracts
    }

    /// Names that must be there, and those that must be there once.
    fn check_names(&self, wrong: &mut Vec<Wrong>) {
        let mut once = |list: &str, field: &str, rows: Vec<String>| {
            let mut seen = BTreeSet::new();
            for (at, name) in rows.into_iter().enumerate() {
                if !seen.insert(name.clone()) {
                    let what = format!("`{name}` is there more than once");
                    wrong.push(Wrong::new(format_args!("{list}[{at}].{field}"), what, "state it once"));
                }
            }
        };
        once("accounts", "name", self.accounts.iter().map(|row| row.name.clone()).collect());
        once("prices", "currency", self.prices.iter().map(|row| row.currency.0.to_string()).collect());
        let expiry = |row: &ExpiryRow| format!("{} {}", row.underlying.0, row.expiry.0);
        once("expiries", "expiry", self.expiries.iter().map(expiry).collect());
        let held = |row: &PositionRow| format!("{} of {}", row.instrument, row.account);
        once("positions", "instrument", self.positions.iter().map(held).collect());
        for (at, account) in self.accounts.iter().enumerate() {
            let rows = account.balances.iter().map(|row| row.currency.0.to_string()).collect();
            once(&format!("accounts[{at}].balances"), "currency", rows);
        }
        for (at, account) in self.accounts.iter().enumerate() {
            if let Some(fault) = policy::name_fault(&account.name) {
                let what = format!("`{}` {fault}", account.name.escape_debug());
                let remedy = "name the account with one to 64 printable characters, in its positions and orders too";
                wrong.push(Wrong::new(format_args!("accounts[{at}].name"), what, remedy));
            }
        }
        let positions = self.positions.iter().map(|row| &row.account).enumerate();
        let orders = self.orders.iter().map(|row| &row.account).enumerate();
        let named = positions.map(|row| ("positions", row)).chain(orders.map(|row| ("orders", row)));
        for (list, (at, account)) in named {
            if !self.accounts.iter().any(|row| row.name == *account) {
                let what = format!("no account is called `{}`", account.escape_debug());
                wrong.push(Wrong::new(format_args!("{list}[{at}].account"), what, "add it under \"accounts\""));
            }
        }
        for (at, order) in self.orders.iter().enumerate() {
            if order.quantity.0.is_zero() {
                let place = format!("orders[{at}].quantity");
                wrong.push(Wrong::new(place, "an order of nothing", "state what it would add, or leave it out"));
            }
        }
        for (at, account) in self.accounts.iter().enumerate() {
            if let Some(venue) =
                account.venue.as_ref().filter(|venue| *venue != "deribit" && !account.stated_margins.is_empty())
            {
                let what =
                    format!("Deribit's portfolio margin alone takes stated margins, and the account is at {venue}");
                wrong.push(Wrong::new(format_args!("accounts[{at}].stated_margins"), what, "leave it out"));
            }
        }
    }

    /// A coin's or stablecoin's price in dollars.
    fn price(&self, currency: Currency) -> Option<f64> {
        let stated = self.prices.iter().find(|row| row.currency.0 == currency).map(|row| row.price);
        stated.or_else(|| is_dollar(currency).then_some(1.0))
    }

    /// What a contract's mark is over what its coin's index makes it, of what is no option; none of either, none.
    fn apart(&self, row: &InstrumentRow, of: &Instrument) -> Option<(f64, f64)> {
        let mark = row.price.map(|price| price.0.approximate()).filter(|mark| *mark > 0.0 && !of.kind.is_option())?;
        let index = self.price(of.base)? / self.price(priced_in(of))?;
        Some((mark / index, index))
    }

    /// Whether a forward is no more than four times and no less than a fourth of its index, or none is stated.
    fn is_near(&self, row: &ExpiryRow) -> bool {
        let index = self.prices.iter().find(|price| price.currency.0 == row.underlying.0);
        index.is_none_or(|index| (1.0 / FORWARD_MAX..=FORWARD_MAX).contains(&(row.forward / index.price)))
    }

    /// Forwards that cannot be: over four times or under a fourth of the index of their coin, where that is stated.
    fn check_forwards(&self, wrong: &mut Vec<Wrong>) {
        for (at, row) in self.expiries.iter().enumerate() {
            if !self.is_near(row)
                && let Some(index) = self.prices.iter().find(|price| price.currency.0 == row.underlying.0)
            {
                let what = format!(
                    "the forward of {} of {} is {}, and its index {}",
                    row.underlying.0,
                    row.expiry.0,
                    show::significant(row.forward, 6, Style::Terminal),
                    show::significant(index.price, 6, Style::Terminal)
                );
                let help = format!("correct it, or the price of {} under \"prices\"", row.underlying.0);
                wrong.push(Wrong::new(format_args!("expiries[{at}].forward"), what, help));
            }
        }
    }

    /// Marks that cannot be: far from the index of their coin, or over the most that an option can be worth.
    fn check_marks(&self, contracts: &BTreeMap<String, (Instrument, Option<usize>)>, wrong: &mut Vec<Wrong>) {
        for (symbol, (of, listed)) in contracts {
            let Some((at, row)) = listed.map(|at| (at, &self.instruments[at])) else { continue };
            let path = format!("instruments[{at}].price");
            if let Some((apart, index)) = self.apart(row, of)
                && !(1.0 / APART_MAX..=APART_MAX).contains(&apart)
            {
                let mark = row.price.map(|price| price.0).unwrap_or_default();
                let what = format!(
                    "`{symbol}` is marked at {mark}, and the index of {} makes it {}",
                    of.base,
                    show::significant(index, 6, Style::Terminal)
                );
                wrong.push(Wrong::new(
                    path,
                    what,
                    format_args!("correct it, or the price of {} under \"prices\"", of.base),
                ));
                continue;
            }
            let (Some((strike, right)), Some(mark)) = (of.kind.option(), row.price) else { continue };
            let is_inverse = of.settle == of.base;
            let index = self.price(of.base).zip(self.price(priced_in(of))).map(|(base, quote)| base / quote);
            let forward =
                self.expiries.iter().find(|row| row.underlying.0 == of.base && Some(row.expiry.0) == of.kind.expiry());
            // One that cannot be is told by its own row.
            let forward = forward.filter(|row| self.is_near(row));
            let coin = forward.map(|row| row.forward).or(self.price(of.base));
            let (most, why) = match (right, is_inverse) {
                (OptionRight::Call, true) => (Some(1.0), "a call is never worth more than its coin"),
                (OptionRight::Call, false) => {
                    (index.map(|index| index * OPTION_SLACK), "a call is never worth more than its coin")
                }
                (OptionRight::Put, true) => (
                    coin.map(|coin| strike.approximate() / coin * OPTION_SLACK),
                    "a put is never worth more than its strike",
                ),
                (OptionRight::Put, false) => (Some(strike.approximate()), "a put is never worth more than its strike"),
            };
            if most.is_some_and(|most| mark.0.approximate() > most) {
                let unit = if is_inverse { of.base } else { of.quote };
                let what = format!("`{symbol}` is marked at {} {unit}, and {why}", mark.0);
                let remedy = if is_inverse { "state the mark in coin, not in dollars" } else { "correct it" };
                wrong.push(Wrong::new(path, what, remedy));
            }
        }
    }

    /// What contradicts itself, or the account that it is in.
    fn check_positions(&self, wrong: &mut Vec<Wrong>) {
        for (at, position) in self.positions.iter().enumerate() {
            if position.entry.is_some() && position.unrealised.is_some() {
                let what = "an entry beside the profit that is not settled, which may say two things";
                wrong.push(Wrong::new(format_args!("positions[{at}].unrealised"), what, "keep one of them"));
            }
        }
        let positions = self.positions.iter().map(|row| (&row.account, &row.instrument)).enumerate();
        let orders = self.orders.iter().map(|row| (&row.account, &row.instrument)).enumerate();
        let named = positions.map(|row| ("positions", row)).chain(orders.map(|row| ("orders", row)));
        for (list, (at, (account, symbol))) in named {
            let account = self.accounts.iter().find(|row| row.name == *account);
            let venue = account.and_then(|row| row.venue.as_deref());
            if let (Some(venue), Some((listed_at, _))) = (venue, symbol.split_once(':'))
                && listed_at != venue
            {
                let what = format!("`{symbol}` is listed at {listed_at}, and the account is at {venue}");
                let remedy = format!("name the contract as {venue} lists it, `{venue}:…`, or another account");
                wrong.push(Wrong::new(format_args!("{list}[{at}].instrument"), what, remedy));
            }
        }
    }

    /// Contracts that are settled already.
    fn check_times(&self, contracts: &BTreeMap<String, (Instrument, Option<usize>)>, wrong: &mut Vec<Wrong>) {
        for (at, position) in self.positions.iter().enumerate() {
            let expiry = contracts.get(&position.instrument).and_then(|(instrument, _)| instrument.kind.expiry());
            if let Some(expiry) = expiry.filter(|expiry| *expiry <= self.time.0) {
                let what = format!("`{}` was settled at {expiry}, and it is {}", position.instrument, self.time.0);
                let remedy = "leave it out: what it was worth is in the balance";
                wrong.push(Wrong::new(format_args!("positions[{at}].instrument"), what, remedy));
            }
        }
    }
}

impl InstrumentRow {
    fn of_symbol(symbol: &str) -> Self {
        Self {
            symbol: symbol.to_owned(),
            kind: None,
            contract: None,
            underlying: None,
            quote: None,
            settle: None,
            expiry: None,
            strike: None,
            right: None,
            price: None,
            vol: None,
            time: None,
            confidence: None,
            open_interest: None,
            volume: None,
        }
    }

    /// What it is: as it is described, else as its symbol tells.
    fn instrument(&self, path: &str, wrong: &mut Vec<Wrong>) -> Option<Instrument> {
        if self.contradicts(path, wrong) {
            return None;
        }
        let found = match &self.kind {
            Some(kind) => self.described(kind),
            None => self.told(),
        };
        found.map_err(|(what, remedy)| wrong.push(Wrong::new(path, what, remedy))).ok()
    }

    /// Whether it is described as what its symbol says that it is not; each such field is told.
    fn contradicts(&self, path: &str, wrong: &mut Vec<Wrong>) -> bool {
        let plain = Terms { tick: Some(TICK), lot: Some(LOT), ..Terms::default() };
        // Some venues' symbols leave out the currency and the hour: those are as they are described.
        let settle = self.settle.or(self.quote).map(|settle| settle.0);
        let helped = Terms { settle, expiry: self.expiry.map(|expiry| expiry.0), ..plain };
        let told = import::instrument(&self.symbol, &plain).or_else(|_| import::instrument(&self.symbol, &helped));
        let Ok(told) = told else { return false };
        // A pair without an ending is spot at most venues, and a perpetual at some.
        if told.kind == InstrumentKind::Spot && !self.symbol.ends_with("-SPOT") {
            return false;
        }
        let (strike, right) = told.kind.option().unzip();
        let is_inverse = told.settle == told.base;
        let (word, is_option) = match told.kind {
            InstrumentKind::Spot | InstrumentKind::Structure => ("spot", false),
            InstrumentKind::LinearPerpetual | InstrumentKind::InversePerpetual => ("perpetual", false),
            InstrumentKind::LinearFuture { .. } | InstrumentKind::InverseFuture { .. } => ("future", false),
            InstrumentKind::LinearOption { .. } | InstrumentKind::InverseOption { .. } => ("option", true),
        };
        // The strike of an inverse option is in dollars, its price in coin: either is what some call its quote.
        let quote = self.quote.filter(|quote| !(is_option && is_inverse && quote.0 == Currency::USD));
        let text = |value: &dyn std::fmt::Display| Some(value.to_string());
        let fields = [
            ("kind", self.kind.clone(), Some(word.to_owned())),
            ("contract", self.contract.clone(), text(&if is_inverse { "inverse" } else { "linear" })),
            ("underlying", self.underlying.and_then(|own| text(&own.0)), text(&told.base)),
            ("quote", quote.and_then(|own| text(&own.0)), text(&told.quote)),
            ("settle", self.settle.and_then(|own| text(&own.0)), text(&told.settle)),
            ("expiry", self.expiry.and_then(|own| text(&own.0)), told.kind.expiry().map(|at| at.to_string())),
            ("strike", self.strike.and_then(|own| text(&own.0)), strike.map(|strike| strike.to_string())),
            ("right", self.right.clone(), right.map(|right| right.to_string())),
        ];
        let before = wrong.len();
        for (field, own, told) in fields {
            if let Some(own) = own.filter(|own| Some(own) != told.as_ref()) {
                let says = told.map_or_else(|| "has none".to_owned(), |told| format!("says {told}"));
                let what = format!("`{own}`, and the symbol `{}` {says}", self.symbol);
                wrong.push(Wrong::new(
                    format_args!("{path}.{field}"),
                    what,
                    "correct one of them, or leave the field out",
                ));
            }
        }
        wrong.len() > before
    }

    fn is_inverse(&self) -> bool {
        self.contract.as_deref() == Some("inverse")
    }

    fn described(&self, kind: &str) -> Result<Instrument, (String, String)> {
        let missing = |what: &str| {
            let whole = format!("`{}` is described as {kind} without `{what}`", self.symbol);
            (whole, format!("add \"{what}\""))
        };
        let base = self.underlying.ok_or_else(|| missing("underlying"))?.0;
        let inverse = self.is_inverse();
        let quote = match (self.quote, inverse) {
            (Some(quote), _) => quote.0,
            (None, true) => Currency::USD,
            (None, false) => self.settle.ok_or_else(|| missing("quote"))?.0,
        };
        let settle = if inverse { base } else { quote };
        if let Some(stated) = self.settle.filter(|stated| stated.0 != settle) {
            let kind =
                if inverse { "an inverse contract settles in coin" } else { "a linear contract settles in its quote" };
            let what = format!("`{}` is said to settle in {}, but {kind}: {settle}", self.symbol, stated.0);
            return Err((what, "correct \"settle\" or \"contract\"".to_owned()));
        }
        let expiry = || self.expiry.map(|expiry| expiry.0).ok_or_else(|| missing("expiry"));
        let kind = match (kind, inverse) {
            ("perpetual", false) => InstrumentKind::LinearPerpetual,
            ("perpetual", true) => InstrumentKind::InversePerpetual,
            ("future", false) => InstrumentKind::LinearFuture { expiry: expiry()? },
            ("future", true) => InstrumentKind::InverseFuture { expiry: expiry()? },
            ("option", inverse) => {
                let (expiry, strike) = (expiry()?, self.strike.ok_or_else(|| missing("strike"))?.0);
                let right = match self.right.as_deref().ok_or_else(|| missing("right"))? {
                    "call" => OptionRight::Call,
                    _ => OptionRight::Put,
                };
                if inverse {
                    InstrumentKind::InverseOption { expiry, strike, right }
                } else {
                    InstrumentKind::LinearOption { expiry, strike, right }
                }
            }
            _ => InstrumentKind::Spot,
        };
        // What is paid for an inverse option is coin.
        let quote = if matches!(kind, InstrumentKind::InverseOption { .. }) { base } else { quote };
        Ok(Instrument { symbol: self.symbol.clone(), kind, base, quote, settle, tick: TICK, lot: LOT, min_qty: LOT })
    }

    fn told(&self) -> Result<Instrument, (String, String)> {
        let kind = match self.contract.as_deref() {
            Some("inverse") => Some(ContractKind::Inverse),
            Some(_) => Some(ContractKind::Linear),
            None => None,
        };
        let terms = Terms {
            kind,
            expiry: self.expiry.map(|expiry| expiry.0),
            settle: self.settle.map(|settle| settle.0),
            tick: Some(TICK),
            lot: Some(LOT),
            min_qty: None,
        };
        import::instrument(&self.symbol, &terms).map_err(|_| {
            let what = format!("the symbol `{}` does not tell what the contract is", self.symbol);
            let remedy = "list it under \"instruments\" with kind, underlying, quote and contract (and expiry, strike, \
                          right); docs/symbols.md says which symbols do";
            (what, remedy.to_owned())
        })
    }
}

/// No margin depends on grids.
const TICK: Price = Price::from_raw(1);
const LOT: Qty = Qty::from_raw(1);
