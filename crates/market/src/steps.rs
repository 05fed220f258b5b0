//! Where a venue's price grid is coarser than an instrument's finest tick.

use crate::{Instrument, InstrumentKind};
use units::{Price, Timestamp};

/// Kept by hand, each row with where it is from. Later rows of one kind take the place of all earlier ones.
const TABLE: &str = include_str!("../data/price-steps.csv");

/// Above a price, a coarser grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceStep {
    /// From when on.
    pub since: Timestamp,
    /// Prices over this.
    pub above: Price,
    /// Lie on this grid.
    pub tick: Price,
}

/// The price steps that venues declare, by kind of contract.
///
/// ```
/// use market::PriceSteps;
/// # use market::{Instrument, InstrumentKind};
/// # let (expiry, strike) = ("2026-03-27T08:00:00Z".parse().unwrap(), "90000".parse().unwrap());
/// # let kind = InstrumentKind::InverseOption { expiry, strike, right: units::OptionRight::Call };
/// # let btc = "BTC".parse().unwrap();
/// # let (tick, lot) = ("0.0001".parse().unwrap(), "0.1".parse().unwrap());
/// # let symbol = "deribit:BTC-27MAR26-90000-C".to_owned();
/// # let option = Instrument { symbol, kind, base: btc, quote: btc, settle: btc, tick, lot, min_qty: lot };
/// let steps = PriceSteps::known();
/// let step = steps.at(steps.of(&option), "0.0123".parse().unwrap(), "2026-01-15T12:00:00Z".parse().unwrap()).unwrap();
/// assert_eq!((step.above.to_string(), step.tick.to_string()), ("0.005".into(), "0.0005".into()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceSteps {
    groups: Vec<Group>,
}

/// The steps of one kind of contract of a venue, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    venue: String,
    kind: String,
    steps: Vec<PriceStep>,
}

/// Which steps are an instrument's; `None`: its tick is the same at every price.
pub type StepsOf = Option<usize>;

impl PriceSteps {
    /// Those that come with the program.
    #[must_use]
    pub fn known() -> Self {
        let mut known = Self::default();
        for line in TABLE.lines().skip(1) {
            // A test reads every line.
            let Some((venue, kind, step)) = row(line) else { continue };
            let is_this = |group: &&mut Group| group.venue == venue && group.kind == kind;
            match known.groups.iter_mut().find(is_this) {
                Some(group) => group.steps.push(step),
                None => known.groups.push(Group { venue: venue.into(), kind: kind.into(), steps: vec![step] }),
            }
        }
        known
    }

    /// Those of an instrument.
    #[must_use]
    pub fn of(&self, instrument: &Instrument) -> StepsOf {
        let kind = match instrument.kind {
            InstrumentKind::InverseOption { .. } => "inverse-option",
            InstrumentKind::LinearOption { .. } => "linear-option",
            _ => return None,
        };
        self.groups.iter().position(|group| group.venue == instrument.venue() && group.kind == kind)
    }

    /// The step that a price stands on at a time. `None`: the instrument's own tick holds.
    #[must_use]
    pub fn at(&self, of: StepsOf, price: Price, now: Timestamp) -> Option<PriceStep> {
        let steps = self.groups.get(of?)?.steps.as_slice();
        let since = steps.iter().rev().map(|step| step.since).find(|since| *since <= now)?;
        let holds = |step: &&PriceStep| step.since == since && step.above < price;
        steps.iter().filter(holds).max_by_key(|step| step.above).copied()
    }
}

fn row(line: &str) -> Option<(&str, &str, PriceStep)> {
    let mut cells = line.splitn(6, ',');
    let (venue, kind) = (cells.next()?, cells.next()?);
    let (since, above, tick) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    cells.next().filter(|source| !source.is_empty())?;
    (tick > Price::ZERO).then_some((venue, kind, PriceStep { since, above, tick }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn every_row_is_read_and_they_stand_in_order_of_time() {
        for line in TABLE.lines().skip(1) {
            assert!(row(line).is_some(), "{line}");
        }
        for group in PriceSteps::known().groups {
            assert!(group.steps.is_sorted_by_key(|step| (step.since, step.above)), "{group:?}");
        }
    }

    #[test]
    fn steps_hold_over_a_price_and_from_a_day_on() {
        let known = PriceSteps::known();
        let of = known.groups.iter().position(|group| group.venue == "deribit");
        let tick = |price: &str, day: &str| {
            let step = known.at(of, price.parse().unwrap(), day.parse().unwrap());
            step.map(|step| step.tick.to_string())
        };
        let coarse = Some("0.0005".to_owned());
        assert_eq!(tick("0.004", "2020-05-20"), None, "nothing is known of that day");
        assert_eq!(tick("0.004", "2021-06-01"), coarse);
        assert_eq!(tick("0.005", "2026-01-15"), None, "over it, not at it");
        assert_eq!(tick("0.00500001", "2026-01-15"), coarse);
        assert_eq!(known.at(None, Price::MAX, Timestamp::MAX), None);
    }
}
