//! Prices that stand beside the quotes of options: what tells a forward or the underlying where quotes do not.

use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, InstrumentId, Price, Timestamp};

/// The last price of an instrument, by a bar's close, a mark or a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastPrice {
    /// Of what.
    pub instrument: InstrumentId,
    /// In what that is quoted in.
    pub price: Price,
    /// When it was told.
    pub at: Timestamp,
}

/// Instruments that tell one number, each with its last price; the first goes before others of the same moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Prices(Vec<Told>);

#[derive(Debug, Clone, Copy)]
struct Told {
    instrument: InstrumentId,
    /// The last, and the last until the last quote of the chain, where that is another.
    last: Option<(Price, Timestamp)>,
    before: Option<(Price, Timestamp)>,
}

impl Prices {
    /// Of instruments, the better one first.
    pub(super) fn of(instruments: impl IntoIterator<Item = InstrumentId>) -> Self {
        let told = |instrument| Told { instrument, last: None, before: None };
        Self(instruments.into_iter().map(told).collect())
    }

    pub(super) fn instruments(&self) -> impl Iterator<Item = InstrumentId> + '_ {
        self.0.iter().map(|told| told.instrument)
    }

    /// Takes a price in; `quoted` is when the chain was last quoted, and what stood beside that quote is kept.
    pub(super) fn tell(&mut self, instrument: InstrumentId, price: Price, now: Timestamp, quoted: Timestamp) {
        let Some(told) = self.0.iter_mut().find(|told| told.instrument == instrument) else { return };
        if now > quoted && told.last.is_some_and(|(_, at)| at <= quoted) {
            told.before = told.last;
        }
        told.last = Some((price, now));
    }

    /// The latest price of all at a moment from the chain's last quote on, if it is not over an age.
    pub(super) fn latest(&self, now: Timestamp, age: Duration) -> Option<LastPrice> {
        let mut latest: Option<LastPrice> = None;
        for Told { instrument, last, before } in &self.0 {
            let known = [last, before].into_iter().flatten().find(|(_, at)| *at <= now);
            let Some((price, at)) = known.copied().filter(|(_, at)| now.since(*at) <= age) else { continue };
            if latest.is_none_or(|other| other.at < at) {
                latest = Some(LastPrice { instrument: *instrument, price, at });
            }
        }
        latest
    }

    pub(super) fn save(&self, out: &mut StateWriter) {
        for known in self.0.iter().flat_map(|told| [told.last, told.before]) {
            out.option(known, |out, (price, at)| {
                out.i64(price.raw());
                out.i64(at.nanos());
            });
        }
    }

    pub(super) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        for known in self.0.iter_mut().flat_map(|told| [&mut told.last, &mut told.before]) {
            *known = from.option(|from| Ok((Price::from_raw(from.i64()?), Timestamp::from_nanos(from.i64()?))))?;
        }
        Ok(())
    }
}
