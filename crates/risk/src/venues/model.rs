//! By which model a venue margins an account, and the rule of one position where the model looks at each by itself.

use super::deribit::{self, DeribitPortfolio, StandardOption, StandardRule, StatedMargins};
use super::derive::{self, Pmrm2};
use super::lasting::LastingMargin;
use super::tiered::{Rule, tier_rule};
use super::{
    Balance, Figure, Margin, MarginError, Parameters, Place, Portfolio, Position, Tiered, TieredPosition, dydx,
    hyperliquid, tiered,
};
use crate::TierTable;
use market::{Currency, Instrument, InstrumentKind};
use pricing::options::Simd;
use units::{Cash, Contract, Duration, Notional, OptionRight, Price, Qty, Timestamp};

/// The rules of a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VenueRules {
    /// Deribit, standard margin.
    DeribitStandard,
    /// Deribit, portfolio margin.
    DeribitPortfolio,
    /// Derive, standard margin (SRM).
    DeriveStandard,
    /// Derive, portfolio margin (PMRM-2).
    DerivePortfolio,
    /// Hyperliquid.
    Hyperliquid,
    /// dYdX v4.
    Dydx,
    /// Binance, by tiers.
    Binance,
    /// Bybit, by tiers.
    Bybit,
    /// OKX, by tiers.
    Okx,
}

/// Venues by the part of symbols before the colon, in the order of help: the rules of a new account, and those of portfolio margin where
/// there are two.
const VENUES: [(&str, VenueRules, Option<VenueRules>); 7] = [
    ("deribit", VenueRules::DeribitStandard, Some(VenueRules::DeribitPortfolio)),
    ("derive", VenueRules::DeriveStandard, Some(VenueRules::DerivePortfolio)),
    ("hyperliquid", VenueRules::Hyperliquid, None),
    ("dydx", VenueRules::Dydx, None),
    ("binance", VenueRules::Binance, None),
    ("bybit", VenueRules::Bybit, None),
    ("okx", VenueRules::Okx, None),
];

/// What a margin depends on beside portfolio and parameters.
#[derive(Debug, Clone)]
pub struct MarginTerms<'a> {
    /// The coin of rules that margin one; else the currency of settlement.
    pub coin: Currency,
    /// In what the account settles.
    pub settle: Currency,
    /// What Deribit states and no known rule gives.
    pub stated: StatedMargins,
    /// Open interest of each coin's market, of dYdX.
    pub open_interest: &'a [(Currency, Notional)],
    /// By which instructions options are priced; no figure depends on it.
    pub simd: Simd,
}

impl MarginTerms<'_> {
    /// What settles in one currency, with nothing stated.
    #[must_use]
    pub fn of(coin: Currency, settle: Currency) -> Self {
        Self { coin, settle, stated: StatedMargins::default(), open_interest: &[], simd: Simd::best() }
    }
}

impl VenueRules {
    /// The names of venues, in the order of help.
    pub fn venues() -> impl Iterator<Item = &'static str> {
        VENUES.iter().map(|(venue, ..)| *venue)
    }

    /// A venue's rules: where it has two, `margin` says which, `standard` or `portfolio`. `None`: no such venue, or not said which.
    #[must_use]
    pub fn of(venue: &str, margin: Option<&str>) -> Option<Self> {
        let (_, standard, portfolio) = VENUES.iter().find(|(known, ..)| *known == venue)?;
        match (margin, portfolio) {
            (_, None) | (Some("standard"), _) => Some(*standard),
            (Some("portfolio"), portfolio) => *portfolio,
            _ => None,
        }
    }

    /// Whether a venue has standard and portfolio margin.
    #[must_use]
    pub fn has_two(venue: &str) -> bool {
        VENUES.iter().any(|(known, _, portfolio)| *known == venue && portfolio.is_some())
    }

    /// The venue's name.
    #[must_use]
    pub fn venue(self) -> &'static str {
        let known = VENUES.iter().find(|(_, standard, portfolio)| *standard == self || *portfolio == Some(self));
        known.map_or("", |(venue, ..)| venue)
    }

    /// The parameters that come with Trimtab. `None`: of this coin there are none.
    #[must_use]
    pub fn parameters(self, coin: Currency) -> Option<Parameters> {
        Some(match self {
            Self::DeribitStandard => Parameters::deribit_standard(),
            Self::DeribitPortfolio => return Parameters::deribit_portfolio(coin.as_str()),
            Self::DeriveStandard => Parameters::derive_srm(),
            Self::DerivePortfolio => Parameters::derive_pmrm2(),
            Self::Hyperliquid => Parameters::hyperliquid(),
            Self::Dydx => Parameters::dydx(),
            Self::Binance => Parameters::binance(),
            Self::Bybit => Parameters::bybit(),
            Self::Okx => Parameters::okx(),
        })
    }

    /// Whether a parameter of this name is looked at by these rules.
    #[must_use]
    pub fn reads(self, name: &str) -> bool {
        let is_currency = |code: &str| code.parse::<Currency>().is_ok();
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        let listed = |parameters: Parameters| parameters.rows().any(|(known, _)| known == name);
        if head == "priced_in" {
            // Where everything settles in the coin there is nothing to say.
            return self != Self::DeribitPortfolio && (rest.is_empty() || is_currency(rest));
        }
        match self {
            Self::DeribitStandard => {
                let pair =
                    || rest.split_once('.').is_some_and(|(settle, coin)| is_currency(settle) && is_currency(coin));
                listed(Parameters::deribit_standard()) || (head == "future" && pair())
            }
            Self::DeribitPortfolio => Parameters::deribit_portfolio("BTC").is_some_and(listed),
            Self::DeriveStandard => {
                let known = ["perpetual_initial", "perpetual_maintenance"].contains(&name);
                known || listed(Parameters::derive_srm()) || (head == "collateral_factor" && is_currency(rest))
            }
            Self::DerivePortfolio => listed(Parameters::derive_pmrm2()) || (head == "collateral" && is_currency(rest)),
            Self::Hyperliquid => name == "transfer_share" || (head == "tier" && is_currency(rest)),
            Self::Dydx => (head == "class" && !rest.is_empty()) || (head == "market" && is_currency(rest)),
            Self::Binance | Self::Bybit | Self::Okx => ["tier", "limit"].contains(&head) && !rest.is_empty(),
        }
    }

    /// The margin of a portfolio, and, of margin by tiers, each position's own.
    ///
    /// # Errors
    ///
    /// What the model refuses.
    pub fn margin(
        self,
        portfolio: &Portfolio,
        parameters: &Parameters,
        terms: &MarginTerms<'_>,
    ) -> Result<(Margin, Vec<TieredPosition>), MarginError> {
        let MarginTerms { settle, open_interest, .. } = *terms;
        let by_tiers = |found: Tiered| (found.margin, found.positions);
        let alone = |margin: Margin| (margin, Vec::new());
        if let Some(made) = self.portfolio_margin(portfolio, parameters, terms)? {
            return Ok(alone(made.margin()));
        }
        match self {
            Self::DeribitPortfolio | Self::DerivePortfolio => unreachable!("they were made above"),
            Self::DeribitStandard => deribit::standard_margin(portfolio, parameters, settle).map(alone),
            Self::DeriveStandard => derive::standard_margin(portfolio, parameters, settle).map(alone),
            Self::Hyperliquid => hyperliquid(portfolio, parameters, settle).map(by_tiers),
            Self::Dydx => dydx(portfolio, parameters, settle, open_interest).map(by_tiers),
            Self::Binance | Self::Bybit | Self::Okx => tiered(portfolio, parameters, settle).map(by_tiers),
        }
    }

    /// The margin of rules that reprice a portfolio as a whole, with what it is made of. `None`: these are not such rules.
    ///
    /// # Errors
    ///
    /// What the model refuses.
    pub fn portfolio_margin(
        self,
        portfolio: &Portfolio,
        parameters: &Parameters,
        terms: &MarginTerms<'_>,
    ) -> Result<Option<PortfolioMargin>, MarginError> {
        let MarginTerms { coin, settle, stated, simd, .. } = *terms;
        Ok(match self {
            Self::DeribitPortfolio => {
                let made = DeribitPortfolio::new(portfolio, parameters, coin, stated, simd)?;
                Some(PortfolioMargin::Deribit(Box::new(made)))
            }
            Self::DerivePortfolio => {
                Some(PortfolioMargin::Derive(Box::new(Pmrm2::new(portfolio, parameters, (coin, settle), simd)?)))
            }
            _ => None,
        })
    }

    /// What the balances count that bear the margin, in the currency of settlement, without profit that is not settled: at Derive other
    /// currencies too, each less its haircut (of maintenance margin), debts in full; elsewhere the balance of that currency, which alone
    /// bears what settles in it.
    ///
    /// # Errors
    ///
    /// A currency without terms or without a price, by row; parameters that do not hold.
    pub fn collateral(
        self,
        portfolio: &Portfolio,
        parameters: &Parameters,
        terms: &MarginTerms<'_>,
    ) -> Result<Figure, MarginError> {
        parameters.check(portfolio.at)?;
        let own = portfolio.amount(terms.settle);
        let mut value = own.approximate();
        let is_other = |balance: &&(usize, &Balance)| balance.1.currency != terms.settle && !balance.1.amount.is_zero();
        let mut others = portfolio.balances.iter().enumerate().filter(|balance| is_other(&balance)).peekable();
        let takes_others = matches!(self, Self::DeriveStandard | Self::DerivePortfolio);
        if !takes_others || others.peek().is_none() {
            return Ok(Figure::Owed(own));
        }
        for (row, balance) in others {
            let (share, unit) = if self == Self::DerivePortfolio {
                let terms_of = derive::collateral_terms(parameters, row, balance.currency)?;
                (1.0 - terms_of.maintenance, portfolio.underlying_of_all(terms.settle)?.index)
            } else {
                (derive::collateral_factor(parameters, row, balance.currency)?, 1.0)
            };
            let worth = balance.amount.approximate()
                * portfolio.underlying(Place::Balance(row), balance.currency)?.index
                / unit;
            value += if worth > 0.0 { worth * share } else { worth };
        }
        Ok(Figure::estimated(value))
    }

    /// Whether the model itself counts open orders.
    #[must_use]
    pub fn counts_orders(self) -> bool {
        !matches!(self, Self::DeriveStandard | Self::DerivePortfolio)
    }

    /// Whether a margin is the sum of what each position needs by itself.
    #[must_use]
    pub fn is_sum(self) -> bool {
        !matches!(self, Self::DeribitPortfolio | Self::DeriveStandard | Self::DerivePortfolio)
    }
}

/// A margin of rules that reprice a portfolio as a whole, with what it is made of.
#[derive(Debug, Clone)]
pub enum PortfolioMargin {
    /// Deribit's portfolio margin.
    Deribit(Box<DeribitPortfolio>),
    /// Derive's PMRM-2.
    Derive(Box<Pmrm2>),
}

impl PortfolioMargin {
    /// The margin with every component and scenario.
    #[must_use]
    pub fn margin(&self) -> Margin {
        match self {
            Self::Deribit(made) => made.margin(),
            Self::Derive(made) => made.margin(),
        }
    }

    /// Equity, initial and maintenance margin, as [`Self::margin`] has them.
    #[must_use]
    pub fn figures(&self) -> [f64; 3] {
        match self {
            Self::Deribit(made) => {
                let sums = made.sums();
                [sums.equity, sums.initial, sums.maintenance]
            }
            Self::Derive(made) => {
                let sums = made.sums();
                [sums.equity, sums.equity - sums.initial_excess, sums.equity - sums.maintenance_excess]
            }
        }
    }

    /// What of it stays for some time while nothing is traded and no option is quoted again. `None`: too much changes by then.
    #[must_use]
    pub fn lasting(&self, time: Duration) -> Option<LastingMargin> {
        match self {
            Self::Deribit(made) => made.lasting(time).map(Box::new).map(LastingMargin::Deribit),
            Self::Derive(made) => made.lasting(time).map(Box::new).map(LastingMargin::Derive),
        }
    }
}

/// A venue's margin model with its parameters.
///
/// ```
/// use risk::venues::{Portfolio, VenueModel};
/// let model = VenueModel::of_venue("binance").unwrap();
/// let portfolio = Portfolio { at: "2025-10-10".parse().unwrap(), ..Portfolio::default() };
/// assert_eq!(model.margin(&portfolio, "USDT".parse().unwrap())?.maintenance.to_string(), "0");
/// assert!(VenueModel::of_venue("nowhere").is_none());
/// # Ok::<(), risk::venues::MarginError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VenueModel {
    rules: VenueRules,
    parameters: Parameters,
}

impl VenueModel {
    /// The model that a venue margins a new account by, with the parameters that come with Trimtab: of Deribit and Derive standard
    /// margin, of dYdX that of low open interest. `None`: no model of that venue is known.
    #[must_use]
    pub fn of_venue(venue: &str) -> Option<Self> {
        let (_, rules, _) = VENUES.iter().find(|(known, ..)| *known == venue)?;
        // Those of standard margin are there, whatever the coin.
        Some(Self { rules: *rules, parameters: rules.parameters(Currency::USD)? })
    }

    /// The venues that [`Self::of_venue`] knows.
    pub fn venues() -> impl Iterator<Item = &'static str> {
        VenueRules::venues()
    }

    /// Whose rules they are.
    #[must_use]
    pub fn rules(&self) -> VenueRules {
        self.rules
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameters, to replace rows or all of them.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// The margin of what settles in one currency.
    ///
    /// # Errors
    ///
    /// What the model refuses.
    pub fn margin(&self, portfolio: &Portfolio, settle: Currency) -> Result<Margin, MarginError> {
        Ok(self.rules.margin(portfolio, &self.parameters, &MarginTerms::of(settle, settle))?.0)
    }

    /// In which currency the venue's prices of linear contracts on a coin are; `None`: in what they are quoted in by name.
    #[must_use]
    pub fn priced_in(&self, coin: Currency) -> Option<Currency> {
        self.parameters.priced_in(coin).unwrap_or_default()
    }

    /// Whether a margin is the sum of what each position needs by itself, so that [`Self::rule`] tells it.
    #[must_use]
    pub fn is_sum(&self) -> bool {
        self.rules.is_sum()
    }

    /// The rule of one position, at a time. `row` is told in errors.
    ///
    /// # Errors
    ///
    /// Parameters that do not hold; an instrument that the model has no rule for, or that is past its expiry.
    pub fn rule(&self, instrument: &Instrument, row: usize, at: Timestamp) -> Result<PositionRule, MarginError> {
        self.parameters.check(at)?;
        if let Some(expiry) = instrument.kind.expiry().filter(|expiry| *expiry < at) {
            return Err(MarginError::Expired { row, symbol: instrument.symbol.clone(), expiry });
        }
        self.rule_of(instrument, row)
    }

    fn rule_of(&self, instrument: &Instrument, row: usize) -> Result<PositionRule, MarginError> {
        let position = Position::new(instrument.clone(), Qty::ZERO);
        let parameters = &self.parameters;
        let own = match self.rules {
            VenueRules::DeribitStandard => match StandardRule::new(parameters, instrument.settle, row, &position)? {
                StandardRule::Future(terms) => {
                    let no_rule = || position.unknown(row, "Deribit standard margin with such rates");
                    let table = terms.tiers().ok_or_else(no_rule)?;
                    Own::Tiers(Rule { table, limit: None, transfer: None, is_chosen: false })
                }
                StandardRule::Option(rule) => Own::Option(rule),
            },
            VenueRules::DeribitPortfolio | VenueRules::DeriveStandard | VenueRules::DerivePortfolio => {
                return Err(position.unknown(row, "a sum of positions"));
            }
            _ if instrument.kind.is_option() => return Err(position.unknown(row, "margin by tiers")),
            VenueRules::Binance | VenueRules::Bybit | VenueRules::Okx => {
                Own::Tiers(tier_rule(parameters, row, &position)?)
            }
            VenueRules::Hyperliquid => Own::Tiers(super::hyperliquid::hyperliquid_rule(parameters, row, &position)?),
            VenueRules::Dydx => Own::Tiers(super::dydx::dydx_rule(parameters, &[], row, &position)?),
        };
        Ok(PositionRule { position, own })
    }

    /// Refuses a time at which the parameters do not hold.
    ///
    /// # Errors
    ///
    /// That they do not.
    pub fn check(&self, at: Timestamp) -> Result<(), MarginError> {
        self.parameters.check(at)
    }
}

/// In which currency prices of an instrument are by its venue's parameters that come with Trimtab, whatever the date: of linear contracts
/// perhaps another than they are quoted in by name ([`Parameters::priced_in`]).
///
/// ```
/// use market::{Instrument, InstrumentKind};
/// let (base, usdc) = ("BTC".parse().unwrap(), "USDC".parse().unwrap());
/// let (tick, lot) = ("0.1".parse().unwrap(), "0.001".parse().unwrap());
/// let kind = InstrumentKind::LinearPerpetual;
/// let of = |venue: &str| {
///     let symbol = format!("{venue}:BTCUSDC-PERP");
///     Instrument { symbol, kind, base, quote: usdc, settle: usdc, tick, lot, min_qty: lot }
/// };
/// assert_eq!(risk::venues::priced_in(&of("hyperliquid")).as_str(), "USDT");
/// assert_eq!(risk::venues::priced_in(&of("dydx")).as_str(), "USD");
/// assert_eq!(risk::venues::priced_in(&of("binance")).as_str(), "USDC");
/// ```
#[must_use]
pub fn priced_in(instrument: &Instrument) -> Currency {
    let is_inverse = instrument.settle == instrument.base;
    let model = (!is_inverse).then(|| VenueModel::of_venue(instrument.venue())).flatten();
    let priced_in = model.and_then(|model| model.priced_in(instrument.base));
    Position { priced_in, ..Position::new(instrument.clone(), Qty::ZERO) }.priced_in()
}

/// The tiers of a contract by its venue's model with the parameters that come with Trimtab, whatever the date: by these an exchange
/// liquidates, and an engine keeps clear of it. The [generic](TierTable::generic) table where no model of the venue is known and where the
/// model has no rule for it.
#[must_use]
pub fn tiers_of(symbol: &str, contract: Contract, coins: (Currency, Currency)) -> TierTable {
    known_tiers(symbol, contract, coins).unwrap_or_else(TierTable::generic)
}

/// Those that the venue's model has. `None`: its terms of the contract are not known, and the [generic](TierTable::generic) table counts.
#[must_use]
pub fn known_tiers(symbol: &str, contract: Contract, (base, settle): (Currency, Currency)) -> Option<TierTable> {
    let kind = match contract {
        Contract::Linear => InstrumentKind::LinearPerpetual,
        Contract::Inverse => InstrumentKind::InversePerpetual,
    };
    let (tick, lot) = (Price::ZERO, Qty::ZERO);
    let instrument =
        Instrument { symbol: symbol.to_owned(), kind, base, quote: settle, settle, tick, lot, min_qty: lot };
    let model = VenueModel::of_venue(instrument.venue());
    let rule = model.and_then(|model| model.rule_of(&instrument, 0).ok());
    rule.and_then(|rule| rule.tiers().cloned())
}

/// What one position needs by its venue's rule, whatever else is held.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionRule {
    position: Position,
    own: Own,
}

#[derive(Debug, Clone, PartialEq)]
enum Own {
    Tiers(Rule),
    Option(StandardOption),
}

impl PositionRule {
    /// Whether the margin follows the price of the coin beside the contract's own mark.
    #[must_use]
    pub fn needs_index(&self) -> bool {
        matches!(self.own, Own::Option(_))
    }

    /// The tiers, if it goes by nothing else.
    #[must_use]
    pub fn tiers(&self) -> Option<&TierTable> {
        match &self.own {
            Own::Tiers(rule) => Some(&rule.table),
            Own::Option(_) => None,
        }
    }

    /// Initial and maintenance margin of a signed quantity, in what the contract settles in. `row` is told in errors.
    ///
    /// # Errors
    ///
    /// A mark or an index that is not above zero where one is needed, a position over the last tier, amounts beyond the range.
    pub fn margins(
        &self,
        quantity: Qty,
        mark: Price,
        index: Option<Price>,
        row: usize,
    ) -> Result<(Cash, Cash), MarginError> {
        let instrument = &self.position.instrument;
        if mark < Price::ZERO || (mark == Price::ZERO && !instrument.kind.is_option()) {
            return Err(MarginError::NoMark { row, symbol: instrument.symbol.clone() });
        }
        match &self.own {
            Own::Tiers(rule) => {
                let size = rule.size(&self.position, row, mark, quantity)?;
                Ok((rule.table.initial_margin(size), rule.table.maintenance_margin(size)))
            }
            Own::Option(rule) => {
                let no_index = MarginError::NoIndex { place: Place::Position(row), currency: instrument.base };
                let index = index.filter(|index| *index > Price::ZERO).ok_or(no_index)?;
                rule.margins(quantity, mark, index).ok_or(MarginError::TooLarge { place: Place::Position(row) })
            }
        }
    }

    /// The maintenance margin as an estimate at a mark that need not be on any grid, for searches: what [`Self::margins`] rounds.
    #[must_use]
    pub fn maintenance_estimate(&self, quantity: f64, mark: f64) -> f64 {
        match self.own {
            Own::Tiers(ref rule) => {
                let (value, coins) = match self.position.instrument.kind.contract() {
                    Contract::Linear => (quantity * mark, quantity),
                    Contract::Inverse => (quantity / mark, quantity / mark),
                };
                rule.table.maintenance_estimate(value, coins)
            }
            Own::Option(StandardOption { floor, right, .. }) if quantity < 0.0 => {
                let floor = floor.approximate();
                let least = if right == OptionRight::Put { floor.max(floor * mark) } else { floor };
                -quantity * (least + mark)
            }
            Own::Option(_) => 0.0,
        }
    }
}

/// Columns of options that are looked at together.
const LANES: usize = 8;

/// Options sold under Deribit's standard margin, and what they need at first while the price of their coin moves and their marks stay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SoldOptions {
    blocks: Vec<SoldBlock>,
    count: usize,
    /// Σ quantity × mark.
    premium: f64,
    gross: f64,
}

/// Strangers of a block have no quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
struct SoldBlock {
    sold: [f64; LANES],
    strike: [f64; LANES],
    /// 1 of calls, -1 of puts.
    sign: [f64; LANES],
    most: [f64; LANES],
    least: [f64; LANES],
}

impl SoldBlock {
    const EMPTY: Self =
        Self { sold: [0.0; LANES], strike: [1.0; LANES], sign: [1.0; LANES], most: [0.0; LANES], least: [0.0; LANES] };
}

impl SoldOptions {
    /// Adds a position by its rule. What is no option sold under standard margin is left out, and so said.
    pub fn push(&mut self, rule: &PositionRule, quantity: f64, mark: f64) -> bool {
        let Own::Option(StandardOption { most, least, floor, right, strike }) = &rule.own else { return false };
        if quantity >= 0.0 {
            return false;
        }
        let lane = self.count % LANES;
        if lane == 0 {
            self.blocks.push(SoldBlock::EMPTY);
        }
        let Some(block) = self.blocks.last_mut() else { return false };
        let (least, floor) = (least.approximate(), floor.approximate());
        block.sold[lane] = -quantity;
        block.strike[lane] = strike.approximate();
        block.sign[lane] = right.sign();
        block.most[lane] = most.approximate();
        // A put's initial margin is no less than its maintenance margin, and both have the mark on top.
        block.least[lane] = if *right == OptionRight::Put { least.max(floor).max(floor * mark) } else { least };
        self.count += 1;
        self.premium -= quantity * mark;
        self.gross -= quantity * (1.0 + mark);
        true
    }

    /// The least and the most initial margin while the coin's price goes from `low` to `high`, in coin. Of each option the rate grows or
    /// falls with that price, so what is between lies between the ends.
    #[must_use]
    pub fn initial(&self, low: f64, high: f64) -> (f64, f64) {
        let (mut least, mut most) = ([0.0; LANES], [0.0; LANES]);
        let (low, high) = (1.0 / low, 1.0 / high);
        for block in &self.blocks {
            for lane in 0..LANES {
                let share = |unit: f64| {
                    let out_of_money = block.sign[lane] * (block.strike[lane] * unit - 1.0);
                    block.sold[lane] * (block.most[lane] - out_of_money.max(0.0)).max(block.least[lane])
                };
                let (a, b) = (share(low), share(high));
                least[lane] += a.min(b);
                most[lane] += a.max(b);
            }
        }
        (least.iter().sum::<f64>() + self.premium, most.iter().sum::<f64>() + self.premium)
    }

    /// Σ quantity × (1 + mark), beside which rounding is small.
    #[must_use]
    pub fn gross(&self) -> f64 {
        self.gross
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::Round;

    fn instrument(symbol: &str, kind: InstrumentKind, settle: &str) -> Instrument {
        let price = |text: &str| text.parse::<Price>().unwrap();
        let (lot, tick) = ("0.001".parse().unwrap(), price("0.1"));
        let (base, settle) = ("BTC".parse().unwrap(), settle.parse().unwrap());
        Instrument { symbol: symbol.into(), kind, base, quote: settle, settle, tick, lot, min_qty: lot }
    }

    fn option(strike: &str, right: OptionRight) -> InstrumentKind {
        let (expiry, strike) = ("2026-03-27T08:00:00Z".parse().unwrap(), strike.parse().unwrap());
        InstrumentKind::InverseOption { expiry, strike, right }
    }

    /// The worked figures: 25 BTC at 100,000 need 53,125 and 28,125 (Deribit); a short call 20 % out of the money needs
    /// max(0.15 − 0.2, 0.1) + mark, a short put 0.075 + mark to stay (margin-rules.md).
    #[test]
    fn one_position_needs_what_the_venue_says() {
        let at: Timestamp = "2026-02-01".parse().unwrap();
        let model = VenueModel::of_venue("deribit").unwrap();
        let rule = |kind, settle: &str| model.rule(&instrument("deribit:X", kind, settle), 0, at).unwrap();
        let margins = |rule: PositionRule, qty: &str, mark: &str| {
            let index = Some("100000".parse().unwrap());
            let (initial, maintenance) = rule.margins(qty.parse().unwrap(), mark.parse().unwrap(), index, 0).unwrap();
            [initial.to_string(), maintenance.to_string()]
        };
        let linear = rule(InstrumentKind::LinearPerpetual, "USDC");
        assert_eq!(margins(linear, "-25", "100000"), ["53125", "28125"]);
        assert_eq!(margins(rule(option("120000", OptionRight::Call), "BTC"), "-2", "0.03"), ["0.26", "0.21"]);
        assert_eq!(margins(rule(option("100000", OptionRight::Put), "BTC"), "-1", "0.03"), ["0.18", "0.105"]);
        assert_eq!(margins(rule(option("100000", OptionRight::Put), "BTC"), "1", "0.03"), ["0", "0"]);
    }

    /// The estimate is what the exact rule rounds, over sizes and prices of all tiers.
    #[test]
    fn an_estimate_is_the_exact_margin_before_rounding() {
        let at: Timestamp = "2026-02-01".parse().unwrap();
        let cases = [
            ("binance", "binance:BTCUSDT-PERP", InstrumentKind::LinearPerpetual, "USDT"),
            ("hyperliquid", "hyperliquid:BTC-PERP", InstrumentKind::LinearPerpetual, "USDC"),
            ("dydx", "dydx:BTC-USD", InstrumentKind::LinearPerpetual, "USDC"),
            ("deribit", "deribit:BTC-PERPETUAL", InstrumentKind::InversePerpetual, "BTC"),
            ("deribit", "deribit:BTC_USDC-PERPETUAL", InstrumentKind::LinearPerpetual, "USDC"),
            ("deribit", "deribit:BTC-27MAR26-90000-C", option("90000", OptionRight::Call), "BTC"),
            ("deribit", "deribit:BTC-27MAR26-90000-P", option("90000", OptionRight::Put), "BTC"),
        ];
        let mut seed = 5_u64;
        let mut random = |most: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as i64 % most + 1
        };
        for (venue, symbol, kind, settle) in cases {
            let rule = VenueModel::of_venue(venue).unwrap().rule(&instrument(symbol, kind, settle), 0, at).unwrap();
            for _ in 0..2_000 {
                let size = if matches!(kind, InstrumentKind::InversePerpetual) { 50_000_000 } else { 1_500 };
                let qty = Qty::from_raw((random(size * 1_000) - size * 500) * 100_000);
                let index = Price::from_raw(random(200_000) * Price::ONE);
                let mark = if kind.is_option() { Price::from_raw(random(20_000) * 10_000) } else { index };
                let (initial, exact) = rule.margins(qty, mark, Some(index), 0).unwrap();
                if kind.is_option() {
                    let (qty, mark, index) = (qty.approximate(), mark.approximate(), index.approximate());
                    let mut sold = SoldOptions::default();
                    sold.push(&rule, qty, mark);
                    let (estimate, _) = sold.initial(index, index);
                    let off = (estimate - initial.approximate()).abs();
                    assert!(
                        off <= 2e-12 * qty.abs().max(1.0) * (1.0 + mark),
                        "{symbol} {qty} {mark}: {estimate}, {initial}"
                    );
                }
                let estimate = rule.maintenance_estimate(qty.approximate(), mark.approximate());
                let within = 1e-13 * exact.approximate().max(1.0);
                assert!((estimate - exact.approximate()).abs() <= within, "{symbol} {qty} {mark}: {estimate}, {exact}");
                let rounded = Cash::from_estimate(estimate, Round::Nearest).unwrap();
                assert!((rounded - exact).abs().approximate() <= within);
            }
        }
    }

    #[test]
    fn what_has_no_rule_is_refused() {
        let at: Timestamp = "2026-09-01".parse().unwrap();
        let perpetual = instrument("x:BTC", InstrumentKind::InversePerpetual, "BTC");
        let refused =
            |venue: &str| VenueModel::of_venue(venue).unwrap().rule(&perpetual, 3, at).unwrap_err().to_string();
        assert!(refused("deribit").starts_with("the parameters `deribit-standard` hold from 2022-01-11"));
        assert!(refused("okx").starts_with("position 3: margin by tiers: no terms of `x:BTC` are known; "));
        assert!(refused("hyperliquid").starts_with("position 3: Hyperliquid has no rule"));
    }
}
