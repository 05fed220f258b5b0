//! Bars built from shorter bars or trades, aligned to UTC.

use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, Price, Timestamp};

/// Open, high, low and close over an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ohlc {
    /// Start of the interval.
    pub opened: Timestamp,
    /// Its end; a trade has both at its own time.
    pub closed: Timestamp,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
}

impl Ohlc {
    fn absorb(&mut self, next: &Self) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.closed = next.closed;
    }
}

/// Builds bars of one length, aligned to UTC, from shorter ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarBuilder {
    length: Duration,
    open: Option<Ohlc>,
}

impl BarBuilder {
    /// Bars of this length, which must be positive.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        Self { length, open: None }
    }

    /// The length of the bars built.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Takes in the next price information and hands out the bars that are complete with it: none, one, or two after a gap.
    #[inline]
    pub fn push(&mut self, next: &Ohlc, mut complete: impl FnMut(Ohlc)) {
        let bucket = next.opened.floor(self.length);
        if let Some(open) = self.open.take_if(|open| open.opened != bucket) {
            complete(open);
        }
        let open = match &mut self.open {
            Some(open) => {
                open.absorb(next);
                open
            }
            None => self.open.insert(Ohlc { opened: bucket, ..*next }),
        };
        if open.closed >= bucket + self.length {
            complete(*open);
            self.open = None;
        }
    }

    /// Writes the bar under construction.
    pub fn save(&self, out: &mut StateWriter) {
        out.option(self.open, |out, bar| {
            out.i64(bar.opened.nanos());
            out.i64(bar.closed.nanos());
            for price in [bar.open, bar.high, bar.low, bar.close] {
                out.i64(price.raw());
            }
        });
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.open = from.option(|from| {
            let (opened, closed) = (Timestamp::from_nanos(from.i64()?), Timestamp::from_nanos(from.i64()?));
            let mut price = || from.i64().map(Price::from_raw);
            Ok(Ohlc { opened, closed, open: price()?, high: price()?, low: price()?, close: price()? })
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(at: i64, price: i64) -> Ohlc {
        let opened = Timestamp::from_nanos(Duration::MINUTE.nanos() * at);
        let price = Price::from_raw(price);
        Ohlc { opened, closed: opened + Duration::MINUTE, open: price, high: price, low: price, close: price }
    }

    #[test]
    fn a_gap_closes_the_old_bar_with_the_first_news_after_it() {
        let mut builder = BarBuilder::new(Duration::HOUR);
        let mut closed = Vec::new();
        for (at, price) in [(0, 10), (58, 30), (59, 20), (60, 40), (130, 50), (179, 60)] {
            builder.push(&minute(at, price), |bar| closed.push((bar.open.raw(), bar.high.raw(), bar.close.raw())));
        }
        assert_eq!(closed, [(10, 30, 20), (40, 40, 40), (50, 60, 60)]);
    }
}
