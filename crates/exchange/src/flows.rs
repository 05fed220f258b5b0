//! Money that moves other than by trading: deposits, withdrawals, transfers and conversions.

use crate::config::worsened;
use crate::venue::Exchange;
use market::{CashChange, CashReason, Catalogue, Conversion, Currency, Event};
use std::fmt;
use units::{AccountId, Cash, Price, Round, Side, Timestamp};

/// A movement of money, executed at the first input at or after its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// When it falls due.
    pub at: Timestamp,
    /// Whose money moves.
    pub account: AccountId,
    /// How.
    pub kind: FlowKind,
}

/// How money moves. Amounts are over zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowKind {
    /// Paid in.
    Deposit {
        /// How much.
        amount: Cash,
        /// Of which currency.
        currency: Currency,
    },
    /// Taken out.
    Withdrawal {
        /// How much.
        amount: Cash,
        /// Of which currency.
        currency: Currency,
    },
    /// To another of our accounts, free of charge and at once.
    Transfer {
        /// To which account.
        to: AccountId,
        /// How much.
        amount: Cash,
        /// Of which currency.
        currency: Currency,
    },
    /// Into another currency of the same account, at the mark of the instrument between the two, worsened by half-spread
    /// and slippage, less the taker fee.
    Conversion {
        /// How much is given.
        amount: Cash,
        /// Of which currency.
        from: Currency,
        /// What is received.
        to: Currency,
    },
}

/// A movement that did not take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedFlow {
    /// As it was scheduled.
    pub flow: Flow,
    /// Why it was refused.
    pub why: FlowRefusal,
}

/// Why money did not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowRefusal {
    /// It is more than the balance less the initial margin of the positions that settle in it.
    NotFree {
        /// What was free.
        free: Cash,
    },
    /// No instrument with a mark tells one currency in the other.
    NoPrice,
}

impl FlowKind {
    /// What it takes from the account, and of which currency.
    pub(crate) fn given(&self) -> Option<(Cash, Currency)> {
        match *self {
            Self::Deposit { .. } => None,
            Self::Withdrawal { amount, currency } | Self::Transfer { amount, currency, .. } => Some((amount, currency)),
            Self::Conversion { amount, from, .. } => Some((amount, from)),
        }
    }

    /// Over which instrument a conversion goes.
    pub(crate) fn way(&self, catalogue: &Catalogue) -> Conversion {
        match *self {
            Self::Conversion { from, to, .. } => Conversion::between(from, to, catalogue),
            Self::Deposit { .. } | Self::Withdrawal { .. } | Self::Transfer { .. } => Conversion::Same,
        }
    }

    pub(crate) fn amount(&self) -> Cash {
        match *self {
            Self::Deposit { amount, .. }
            | Self::Withdrawal { amount, .. }
            | Self::Transfer { amount, .. }
            | Self::Conversion { amount, .. } => amount,
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, account: AccountId(account), kind } = self;
        match kind {
            FlowKind::Deposit { amount, currency } => write!(f, "the deposit of {amount} {currency} to")?,
            FlowKind::Withdrawal { amount, currency } => write!(f, "the withdrawal of {amount} {currency} from")?,
            FlowKind::Transfer { to: AccountId(to), amount, currency } => {
                write!(f, "the transfer of {amount} {currency} to account {to} from")?;
            }
            FlowKind::Conversion { amount, from, to } => write!(f, "the conversion of {amount} {from} into {to} in")?,
        }
        write!(f, " account {account} at {at}")
    }
}

impl fmt::Display for RefusedFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flow, why } = self;
        match why {
            FlowRefusal::NotFree { free } => write!(f, "{flow} was refused: {free} were free"),
            FlowRefusal::NoPrice => write!(f, "{flow} was refused: no instrument had a price between the two"),
        }
    }
}

impl Exchange {
    /// Movements of money that were refused so far, in order of time.
    #[must_use]
    pub fn refused_flows(&self) -> &[RefusedFlow] {
        &self.refused
    }

    /// Executes the next flow of the schedule, or notes why not.
    pub(crate) fn execute_flow(&mut self) {
        let index = self.next_flow;
        self.next_flow += 1;
        let flow = self.config.flows[index];
        let account = flow.account;
        if let Some((amount, currency)) = flow.kind.given() {
            let free = self.free(account, currency);
            if amount > free {
                return self.refused.push(RefusedFlow { flow, why: FlowRefusal::NotFree { free } });
            }
        }
        match flow.kind {
            FlowKind::Deposit { amount, currency } => self.pay(account, currency, amount, CashReason::Deposit),
            FlowKind::Withdrawal { amount, currency } => self.pay(account, currency, -amount, CashReason::Withdrawal),
            FlowKind::Transfer { to, amount, currency } => {
                self.pay(account, currency, -amount, CashReason::Transfer { other: to });
                self.pay(to, currency, amount, CashReason::Transfer { other: account });
            }
            FlowKind::Conversion { amount, from, to } => {
                let Some(received) = self.converted(account, amount, self.ways[index]) else {
                    return self.refused.push(RefusedFlow { flow, why: FlowRefusal::NoPrice });
                };
                self.pay(account, from, -amount, CashReason::Conversion { other: to });
                self.pay(account, to, received, CashReason::Conversion { other: from });
            }
        }
    }

    /// What an amount brings in another currency, after spread, slippage and fee, rounded down at 1e-16.
    fn converted(&self, account: AccountId, amount: Cash, way: Conversion) -> Option<Cash> {
        let cost = self.config.half_spread + self.config.slippage;
        let price = way.instrument().map(|index| {
            let side = if matches!(way, Conversion::Times(_)) { Side::Sell } else { Side::Buy };
            let terms = &self.terms[index];
            (!terms.mark.is_zero()).then(|| worsened(terms.mark, cost, side, terms.tick))
        });
        let gross = match way {
            Conversion::Same | Conversion::Par => {
                let par = worsened(Price::from_raw(Price::ONE), cost, Side::Sell, Price::from_raw(1));
                Conversion::Times(0).forward(amount, Some(par))?
            }
            Conversion::Times(_) | Conversion::Over(_) => way.forward(amount, Some(price??))?,
            Conversion::Unknown => return None,
        };
        let fee = gross.notional().at_rate(self.clients[account.index()].fees.taker(), Round::AwayFromZero)?;
        Some(gross - fee)
    }

    /// Moves money and tells of it in the present delivery.
    pub(crate) fn pay(&mut self, account: AccountId, currency: Currency, amount: Cash, reason: CashReason) {
        let change = CashChange { account, currency, amount, reason };
        self.change(&change);
        self.out.push(Event::Cash(change));
    }

    /// Takes in a movement of money. A currency that the account did not have may need marks that it did not heed.
    pub(crate) fn change(&mut self, change: &CashChange) {
        let account = &mut self.clients[change.account.index()].account;
        let known = account.balances().len();
        account.change(change);
        if account.balances().len() > known {
            self.watch();
        }
    }
}
