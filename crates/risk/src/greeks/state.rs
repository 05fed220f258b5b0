//! Snapshots: what is held and the market that was set. Sums are made of them again, the same to the bit.

use super::{DeltaOneKey, GreeksError, OptionKey, PortfolioGreeks, SmilePoint};
use market::Currency;
use pricing::options::OptionStyle;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{AccountId, Contract, OptionRight, Price, Qty, StrategyId, Timestamp};

impl PortfolioGreeks {
    /// Writes every position and every number of the market.
    pub fn save(&self, out: &mut StateWriter) {
        out.i64(self.now.nanos());
        out.len(self.books.len());
        for book in &self.books {
            out.bytes(book.underlying().as_str().as_bytes());
            out.f64(book.price());
            out.option(book.bucket_width(), |out, width| out.i64(width.raw()));
            out.len(book.terms().len());
            for term in book.terms() {
                out.i64(term.expiry.nanos());
                out.f64(term.anchor.0);
                out.f64(term.anchor.1);
                out.f64(term.discount);
            }
            out.len(book.options().len());
            for line in book.options() {
                let OptionKey { expiry, strike, right, style, venue, strategy, .. } = line.key;
                out.i64(expiry.nanos());
                out.i64(strike.raw());
                out.bool(right == OptionRight::Call);
                out.bool(style == OptionStyle::Inverse);
                out.u32(venue.0);
                out.u32(strategy.0);
                out.i64(line.quantity.raw());
                out.f64(line.point.vol);
                out.f64(line.point.slope);
            }
            out.len(book.delta_ones().len());
            for line in book.delta_ones() {
                let DeltaOneKey { expiry, contract, venue, strategy, .. } = line.key;
                out.option(expiry, |out, expiry| out.i64(expiry.nanos()));
                out.bool(contract == Contract::Inverse);
                out.u32(venue.0);
                out.u32(strategy.0);
                out.i64(line.quantity.raw());
            }
        }
    }

    /// Reads what [`Self::save`] wrote, in place of all that is held.
    ///
    /// # Errors
    ///
    /// Bytes that are no portfolio. What is held then is not told.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.books.clear();
        self.now = Timestamp::from_nanos(from.i64()?);
        for _ in 0..from.len()? {
            let code = std::str::from_utf8(from.bytes()?).ok().and_then(|code| code.parse().ok());
            let underlying: Currency = code.ok_or(Corrupt { at: 0, what: "no currency" })?;
            let price = from.f64()?;
            let width = from.option(|from| from.i64().map(Price::from_raw))?;
            for _ in 0..from.len()? {
                let expiry = Timestamp::from_nanos(from.i64()?);
                let (forward, at_price, discount) = (from.f64()?, from.f64()?, from.f64()?);
                // The forward stands beside the price at which it was set.
                held(self.set_price(underlying, at_price))?;
                held(self.set_forward(underlying, expiry, forward))?;
                held(self.set_discount(underlying, expiry, discount))?;
            }
            held(self.set_price(underlying, price))?;
            if let Some(width) = width {
                held(self.set_bucket_width(underlying, width))?;
            }
            for _ in 0..from.len()? {
                let key = OptionKey {
                    underlying,
                    expiry: Timestamp::from_nanos(from.i64()?),
                    strike: Price::from_raw(from.i64()?),
                    right: if from.bool()? { OptionRight::Call } else { OptionRight::Put },
                    style: if from.bool()? { OptionStyle::Inverse } else { OptionStyle::Linear },
                    venue: AccountId(from.u32()?),
                    strategy: StrategyId(from.u32()?),
                };
                let quantity = Qty::from_raw(from.i64()?);
                held(self.hold(key, quantity, SmilePoint { vol: from.f64()?, slope: from.f64()? }))?;
            }
            for _ in 0..from.len()? {
                let key = DeltaOneKey {
                    underlying,
                    expiry: from.option(|from| from.i64().map(Timestamp::from_nanos))?,
                    contract: if from.bool()? { Contract::Inverse } else { Contract::Linear },
                    venue: AccountId(from.u32()?),
                    strategy: StrategyId(from.u32()?),
                };
                held(self.hold_delta_one(key, Qty::from_raw(from.i64()?)))?;
            }
        }
        Ok(())
    }
}

fn held(result: Result<(), GreeksError>) -> Result<(), Corrupt> {
    result.map_err(|_| Corrupt { at: 0, what: "a position or a market that cannot be" })
}
