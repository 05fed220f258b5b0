//! What the simulated venue charges, and along which path it walks bars.

use crate::fees::valued_in;
use crate::{FeeSchedule, Flow, FlowKind, OptionTerms, PathLog};
use market::{AccountSpec, Catalogue, Conversion, Currency};
use risk::TierTable;
use std::fmt;
use units::{AccountId, Cash, Contract, Duration, InstrumentId, Notional, Price, Qty, Rate, Round, Side};

/// The simulated venue's terms, and the accounts at it. All rates are fractions of notional or price, and less than one.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeConfig {
    /// The accounts, by [`AccountId`].
    pub accounts: Vec<AccountTerms>,
    /// Fee of a fill that takes, for accounts without a schedule of their own.
    pub taker: Rate,
    /// Fee of a fill that rested, for accounts without a schedule of their own; negative is a rebate.
    pub maker: Rate,
    /// Half of the bid-ask spread, paid by what takes.
    pub half_spread: Rate,
    /// Delay and what else makes fills worse, whatever their size; paid by what takes.
    pub slippage: Rate,
    /// Temporary price impact: the further share of price for each million of the quote currency that one fill takes. Not of options,
    /// whose quotes have sizes. Linear in the size, as Almgren and Chriss, "Optimal Execution of Portfolio Transactions" (2001), have it.
    pub impact: Rate,
    /// Fee of a liquidation, on top of the taker fee.
    pub liquidation_fee: Rate,
    /// Fee of the settlement of an expired contract.
    pub settlement_fee: Rate,
    /// From sending an order until the venue works it.
    pub latency: Duration,
    /// Margin by instrument index.
    pub tiers: Vec<TierTable>,
    /// By instrument index, whether funding accrues over the time that a position was held (else it is paid on what is held
    /// when a rate falls due).
    pub continuous_funding: Vec<bool>,
    /// Settlement prices that are known. Without one, a contract is settled at its last mark.
    pub settlements: Vec<(InstrumentId, Price)>,
    /// What options cost and need.
    pub options: OptionTerms,
    /// Positions that are there before the first event.
    pub positions: Vec<OpeningPosition>,
    /// Deposits, withdrawals, transfers and conversions, by time.
    pub flows: Vec<Flow>,
    /// Which extreme of a bar comes first.
    pub path: PathRule,
}

/// One account at the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTerms {
    /// Which instruments it trades and what it is measured in. `None`: all instruments, in what the first of them settles in.
    pub spec: Option<AccountSpec>,
    /// Paid in at the start.
    pub deposits: Vec<(Cash, Currency)>,
    /// Its fees. `None`: the venue's.
    pub fees: Option<FeeSchedule>,
}

/// A position that is there before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpeningPosition {
    /// Whose.
    pub account: AccountId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// Signed quantity.
    pub qty: Qty,
    /// The price that it is carried at. What a spot position cost at it is taken from the deposits.
    pub price: Price,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no account.
    NoAccount,
    /// A list by instrument does not have one entry for each.
    Count {
        /// Which list.
        list: &'static str,
        /// Entries found.
        found: usize,
        /// Instruments.
        instruments: usize,
    },
    /// Two accounts trade the same instruments.
    Shared {
        /// The instrument's symbol.
        symbol: String,
    },
    /// An opening position that the account cannot have: no such account or instrument, no quantity, or no price.
    Position(OpeningPosition),
    /// A settlement price that is not over zero, or of no instrument.
    Settlement(InstrumentId, Price),
    /// A flow of an account that does not exist, of no money, or into itself.
    Flow(Flow),
    /// Fee tiers that do not begin at zero and rise.
    Fees(AccountId),
    /// Fee tiers in a currency that nothing tells the value of an instrument's fills in.
    FeeCurrency {
        /// The account.
        account: AccountId,
        /// The instrument's symbol.
        symbol: String,
        /// The tiers' currency.
        currency: Currency,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAccount => f.write_str("the exchange needs at least one account"),
            Self::Count { list, found, instruments } => {
                write!(f, "{list} has {found} entries for {instruments} instruments: give one for each")
            }
            Self::Shared { symbol } => {
                write!(f, "two accounts trade {symbol}: give each account a venue of its own")
            }
            Self::Position(OpeningPosition { account: AccountId(account), instrument, qty, price }) => write!(
                f,
                "account {account} cannot open with {qty} of instrument {} at {price}: it needs an instrument that the \
                 account trades, a quantity that is not zero and a price over zero",
                instrument.0
            ),
            Self::Settlement(instrument, price) => write!(
                f,
                "instrument {} cannot be settled at {price}: it needs an instrument of the catalogue and a price over zero",
                instrument.0
            ),
            Self::Flow(flow) => {
                write!(
                    f,
                    "{flow} is not possible: it needs an account that exists, an amount over zero and another target"
                )
            }
            Self::Fees(AccountId(account)) => {
                write!(f, "the fee tiers of account {account} must begin at 0 and rise, with rates under 100 %")
            }
            Self::FeeCurrency { account: AccountId(account), symbol, currency } => write!(
                f,
                "the fee tiers of account {account} count in {currency}, and no instrument tells what fills of {symbol} are worth in \
                 it: state the tiers in dollars or in a currency that has a price, or add such an instrument"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Which extreme of a bar comes first.
///
/// A bar tells four prices and not their order. Adverse first is the honest default; running both shows how much of a
/// result is owed to that choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRule {
    /// The extreme adverse to the net position at the open (long: the low). When flat: the extreme on the side of the
    /// first resting order. With no such order: the low if the bar rose, else the high.
    AdverseFirst,
    /// The other extreme.
    FavourableFirst,
    /// The path that another run walked: the twin's. Adverse first beyond its end.
    Recorded(PathLog),
}

impl AccountTerms {
    /// Whether an instrument is traded by this account.
    pub(crate) fn trades(&self, instrument: &market::Instrument) -> bool {
        self.spec.as_ref().is_none_or(|spec| spec.venue == instrument.venue())
    }
}

impl ExchangeConfig {
    /// One account that trades all instruments, free of fees, spread and latency, with the tier tables that come with
    /// Trimtab: a start to set fields on. The deposit is of the currency that the first instrument settles in.
    #[must_use]
    pub fn new(deposit: Cash, catalogue: &Catalogue) -> Self {
        let instruments = &catalogue.instruments;
        let currency = instruments.first().map_or(Currency::USD, |first| first.settle);
        Self {
            accounts: vec![AccountTerms { spec: None, deposits: vec![(deposit, currency)], fees: None }],
            taker: Rate::ZERO,
            maker: Rate::ZERO,
            half_spread: Rate::ZERO,
            slippage: Rate::ZERO,
            impact: Rate::ZERO,
            liquidation_fee: Rate::ZERO,
            settlement_fee: Rate::ZERO,
            latency: Duration::ZERO,
            tiers: instruments.iter().map(Self::tiers_of).collect(),
            continuous_funding: instruments.iter().map(|instrument| instrument.venue() == "deribit").collect(),
            settlements: Vec::new(),
            options: OptionTerms::new(catalogue),
            positions: Vec::new(),
            flows: Vec::new(),
            path: PathRule::AdverseFirst,
        }
    }

    /// The margin of an instrument, as its venue's model has it. Options have one of their own, which is no share of their price.
    #[must_use]
    pub fn tiers_of(instrument: &market::Instrument) -> TierTable {
        if instrument.kind.is_option() {
            return TierTable::none();
        }
        risk::venues::tiers_of(&instrument.symbol, instrument.kind.contract(), (instrument.base, instrument.settle))
    }

    /// Whether an exchange can be opened with it.
    pub fn check(&self, catalogue: &Catalogue) -> Result<(), ConfigError> {
        let instruments = catalogue.instruments.len();
        for (list, found) in [
            ("the list of margin tiers", self.tiers.len()),
            ("continuous funding", self.continuous_funding.len()),
            ("the list of underlyings", self.options.underlyings.len()),
        ] {
            if found != instruments {
                return Err(ConfigError::Count { list, found, instruments });
            }
        }
        if self.accounts.is_empty() {
            return Err(ConfigError::NoAccount);
        }
        for instrument in &catalogue.instruments {
            if self.accounts.iter().filter(|terms| terms.trades(instrument)).count() > 1 {
                return Err(ConfigError::Shared { symbol: instrument.symbol.clone() });
            }
        }
        let broken = |terms: &AccountTerms| terms.fees.as_ref().is_some_and(|fees| !fees.is_whole());
        if let Some(index) = self.accounts.iter().position(broken) {
            return Err(ConfigError::Fees(AccountId(index as u32)));
        }
        for (index, terms) in self.accounts.iter().enumerate() {
            let Some(fees) = terms.fees.as_ref().filter(|fees| fees.is_tiered()) else { continue };
            let untold = |known: &&market::Instrument| {
                Conversion::between(valued_in(known), fees.currency, catalogue) == Conversion::Unknown
            };
            if let Some(known) = catalogue.instruments.iter().filter(|known| terms.trades(known)).find(untold) {
                let (account, symbol) = (AccountId(index as u32), known.symbol.clone());
                return Err(ConfigError::FeeCurrency { account, symbol, currency: fees.currency });
            }
        }
        if let Some(position) = self.positions.iter().find(|position| !self.can_open(position, catalogue)) {
            return Err(ConfigError::Position(*position));
        }
        let known = |instrument: InstrumentId| instrument.index() < instruments;
        let broken = |(instrument, price): &&(InstrumentId, Price)| !known(*instrument) || price.raw() <= 0;
        if let Some((instrument, price)) = self.settlements.iter().find(broken) {
            return Err(ConfigError::Settlement(*instrument, *price));
        }
        match self.flows.iter().find(|flow| !self.can_flow(flow)) {
            Some(flow) => Err(ConfigError::Flow(*flow)),
            None => Ok(()),
        }
    }

    fn can_open(&self, position: &OpeningPosition, catalogue: &Catalogue) -> bool {
        let OpeningPosition { account, instrument, qty, price } = position;
        let (terms, instrument) = (self.accounts.get(account.index()), catalogue.instruments.get(instrument.index()));
        let trades = terms.zip(instrument).is_some_and(|(terms, instrument)| terms.trades(instrument));
        trades && !qty.is_zero() && price.raw() > 0
    }

    fn can_flow(&self, flow: &Flow) -> bool {
        let exists = |account: AccountId| account.index() < self.accounts.len();
        let has_target = match flow.kind {
            FlowKind::Deposit { .. } | FlowKind::Withdrawal { .. } => true,
            FlowKind::Transfer { to, .. } => exists(to) && to != flow.account,
            FlowKind::Conversion { from, to, .. } => from != to,
        };
        exists(flow.account) && has_target && flow.kind.amount().signum() > 0
    }

    /// What taking gets: the reference price moved by half-spread, slippage and the impact of the quantity, to the tick on the worse side.
    pub(crate) fn taken(&self, reference: Price, side: Side, tick: Price, (contract, qty): (Contract, Qty)) -> Price {
        let impact = impact_of(self.impact, quoted(contract, reference, qty));
        worsened(reference, self.half_spread + self.slippage + impact, side, tick)
    }
}

/// What a quantity is worth in the quote currency at a price: of an inverse contract itself.
fn quoted(contract: Contract, price: Price, qty: Qty) -> Notional {
    match contract {
        Contract::Linear => price * qty,
        Contract::Inverse => Price::from_raw(Price::ONE) * qty,
    }
}

/// The share of price by which taking so much of the quote currency at once is worse, rounded up at 1e-12; at most the price itself.
fn impact_of(each_million: Rate, value: Notional) -> Rate {
    /// A million, in steps of a value.
    const MILLION: i128 = 1_000_000 * Notional::ONE;
    if each_million.raw() == 0 {
        return Rate::ZERO;
    }
    // In hundred-millionths of the quote currency, rounded up: a product with any rate then fits.
    let coarse = i128::from(Price::ONE);
    let value = value.raw().abs().div_euclid(coarse) + i128::from(value.raw() % coarse != 0);
    let share = value.saturating_mul(i128::from(each_million.raw()));
    let million = MILLION / coarse;
    let share = share / million + i128::from(share % million != 0);
    Rate::from_raw(i64::try_from(share).map_or(Rate::ONE, |share| share.min(Rate::ONE)))
}

/// A price moved against a side by a rate, then to the tick on the worse side; never under one tick.
pub(crate) fn worsened(reference: Price, by: Rate, side: Side, tick: Price) -> Price {
    let one = i128::from(Rate::ONE);
    let moved = i128::from(reference.raw()) * (one + i128::from(by.raw()) * i128::from(side.sign()));
    let step = one * i128::from(tick.raw());
    let ticks = moved.div_euclid(step) + i128::from(side == Side::Buy && moved.rem_euclid(step) > 0);
    let raw = ticks.max(1) * i128::from(tick.raw());
    Price::from_raw(i64::try_from(raw).unwrap_or(i64::MAX / tick.raw() * tick.raw()))
}

/// A fee for a fill: rounded up at 1e-16, a rebate rounded down.
pub(crate) fn fee(contract: Contract, qty: Qty, price: Price, rate: Rate) -> Cash {
    let round = if rate.raw() < 0 { Round::TowardZero } else { Round::AwayFromZero };
    contract.exposure(price, qty).at_rate(rate, round).expect("a rate under one never leaves the range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_move_the_price_to_the_worse_tick() {
        for (reference, by, side, expected) in [
            ("100", "0", Side::Buy, "100"),
            ("100", "0.0005", Side::Buy, "100.1"),
            ("100", "0.0005", Side::Sell, "99.9"),
            ("100", "0.001", Side::Buy, "100.1"),
            ("100", "0.001", Side::Sell, "99.9"),
            ("100.00000001", "0", Side::Buy, "100.1"),
            ("100.09999999", "0", Side::Sell, "100"),
            ("0.1", "0.9", Side::Sell, "0.1"),
        ] {
            let tick = "0.1".parse().unwrap();
            let moved = worsened(reference.parse().unwrap(), by.parse().unwrap(), side, tick);
            assert_eq!(moved.to_string(), expected, "{reference} {by} {side}");
        }
        assert!(worsened(Price::MAX, "0.5".parse().unwrap(), Side::Buy, Price::from_raw(7)).raw() > i64::MAX - 7);
    }

    /// By hand: 0.2 bp a million; the last digit is rounded up, and no impact is more than the price.
    #[test]
    fn impact_is_linear_in_what_is_taken() {
        for (contract, price, qty, expected) in [
            (Contract::Linear, "50000", "20", "0.00002"),
            (Contract::Linear, "50000", "-40", "0.00004"),
            (Contract::Linear, "50000", "0.00000001", "0.000000000001"),
            (Contract::Inverse, "50000", "3000000", "0.00006"),
            (Contract::Inverse, "1", "3000000", "0.00006"),
            (Contract::Linear, "92000000000", "92000000000", "1"),
        ] {
            let value = quoted(contract, price.parse().unwrap(), qty.parse().unwrap());
            let share = impact_of("0.00002".parse().unwrap(), value);
            assert_eq!(share.to_string(), expected, "{contract:?} {price} {qty}");
            assert_eq!(impact_of(Rate::ZERO, value), Rate::ZERO);
        }
    }

    #[test]
    fn fees_round_against_the_account() {
        let smallest = (Qty::from_raw(1), Price::from_raw(1));
        assert_eq!(fee(Contract::Linear, smallest.0, smallest.1, "0.0005".parse().unwrap()), Cash::from_raw(1));
        assert_eq!(fee(Contract::Linear, smallest.0, smallest.1, "-0.0005".parse().unwrap()), Cash::ZERO);
    }
}
