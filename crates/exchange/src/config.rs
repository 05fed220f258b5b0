//! What the simulated venue charges, and along which path it walks bars.

use crate::PathLog;
use market::Catalogue;
use risk::TierTable;
use units::{Cash, Contract, Duration, Price, Qty, Rate, Round, Side};

/// The simulated venue's terms. All rates are fractions of notional or price, and less than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// Paid in at the start.
    pub deposit: Cash,
    /// Fee of a fill that takes.
    pub taker: Rate,
    /// Fee of a fill that rested; negative is a rebate.
    pub maker: Rate,
    /// Half of the bid-ask spread, paid by what takes.
    pub half_spread: Rate,
    /// Price impact and delay, paid by what takes.
    pub slippage: Rate,
    /// Fee of a liquidation, on top of the taker fee.
    pub liquidation_fee: Rate,
    /// From sending an order until the venue works it.
    pub latency: Duration,
    /// Margin by instrument index.
    pub tiers: Vec<TierTable>,
    /// Which extreme of a bar comes first.
    pub path: PathRule,
}

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

impl ExchangeConfig {
    /// Free of fees, spread and latency, with the tier tables that come with Trimtab: a start to set fields on.
    #[must_use]
    pub fn new(deposit: Cash, catalogue: &Catalogue) -> Self {
        let tiers = catalogue.instruments.iter().map(|instrument| TierTable::for_symbol(&instrument.symbol)).collect();
        Self {
            deposit,
            taker: Rate::ZERO,
            maker: Rate::ZERO,
            half_spread: Rate::ZERO,
            slippage: Rate::ZERO,
            liquidation_fee: Rate::ZERO,
            latency: Duration::ZERO,
            tiers,
            path: PathRule::AdverseFirst,
        }
    }

    /// What taking gets: the reference price moved by half-spread and slippage, to the tick on the worse side.
    pub(crate) fn taken(&self, reference: Price, side: Side, tick: Price) -> Price {
        worsened(reference, self.half_spread + self.slippage, side, tick)
    }
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

    #[test]
    fn fees_round_against_the_account() {
        let smallest = (Qty::from_raw(1), Price::from_raw(1));
        assert_eq!(fee(Contract::Linear, smallest.0, smallest.1, "0.0005".parse().unwrap()), Cash::from_raw(1));
        assert_eq!(fee(Contract::Linear, smallest.0, smallest.1, "-0.0005".parse().unwrap()), Cash::ZERO);
    }
}
