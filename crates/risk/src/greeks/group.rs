//! What sums are split by.

use super::{DeltaOneKey, GreekSums, OptionKey};
use market::Currency;
use pricing::options::{Places, Rows, Simd, Weighted};
use units::{AccountId, Price, StrategyId, Timestamp};

/// What sums are split by. Always by underlying too, because coins of different kinds do not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// By underlying alone.
    Underlying,
    /// By expiry; spot and perpetuals have none.
    Expiry,
    /// By bucket of strikes; spot, perpetuals and futures have none.
    Strike,
    /// By venue.
    Venue,
    /// By strategy.
    Strategy,
}

impl Dimension {
    /// All.
    pub const ALL: [Self; 5] = [Self::Underlying, Self::Expiry, Self::Strike, Self::Venue, Self::Strategy];
}

/// A part of a portfolio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Of this underlying.
    pub underlying: Currency,
    /// This part.
    pub part: Part,
}

/// A part of what is held in one underlying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it.
    Whole,
    /// What expires then.
    Expiry(Option<Timestamp>),
    /// Options from this strike up to the next bucket.
    Strike(Option<Price>),
    /// What is held there.
    Venue(AccountId),
    /// What this strategy holds.
    Strategy(StrategyId),
}

/// Where the positions of a book belong. Depends on what is held, not on the market.
///
/// Options stand by expiry and strike, so that those of one expiry and one bucket of strikes are a run; venue and strategy together name
/// a cell. Each option is added twice, in its run and in its cell, and the groups are sums of runs or of cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Grouping {
    current: bool,
    places: Places,
    /// The groups of each dimension but the whole, in order.
    parts: [Vec<Part>; 4],
    /// The first row of each dimension.
    first: [u32; 4],
    /// Of each position that is no option, its rows.
    others: Vec<[u32; 4]>,
    /// Room for venues and strategies.
    pairs: Vec<[Part; 2]>,
    sums: Rows,
}

impl Grouping {
    /// Positions have changed.
    pub(super) fn forget(&mut self) {
        self.current = false;
    }

    /// Finds where positions belong, if they have changed: of options, then of the others, expiry, strikes, venue, strategy.
    pub(super) fn build(
        &mut self,
        options: impl Iterator<Item = [Part; 4]> + Clone,
        others: impl Iterator<Item = [Part; 4]> + Clone,
    ) {
        if self.current {
            return;
        }
        let Self { current, places, parts, first, others: of_others, pairs, sums: _ } = self;
        *current = true;
        let mut count = 0;
        for (dimension, (parts, first)) in parts.iter_mut().zip(first.iter_mut()).enumerate() {
            parts.clear();
            parts.extend(options.clone().chain(others.clone()).map(|of| of[dimension]));
            parts.sort_unstable();
            parts.dedup();
            *first = count;
            count += parts.len() as u32;
        }
        let row = |dimension: usize, part: Part| {
            // Each is among them.
            first[dimension] + parts[dimension].binary_search(&part).unwrap_or_default() as u32
        };
        pairs.clear();
        pairs.extend(options.clone().map(|[.., venue, strategy]| [venue, strategy]));
        pairs.sort_unstable();
        pairs.dedup();
        places.clear(count as usize);
        for [venue, strategy] in &*pairs {
            places.push_cell([row(2, *venue), row(3, *strategy)]);
        }
        for [expiry, strikes, venue, strategy] in options {
            let cell = pairs.binary_search(&[venue, strategy]).unwrap_or_default();
            places.push([row(0, expiry), row(1, strikes)], cell as u32);
        }
        of_others.clear();
        of_others.extend(others.map(|of| std::array::from_fn(|dimension| row(dimension, of[dimension]))));
    }

    /// Adds up what positions add: options as they were priced, then the others in order.
    pub(super) fn add_up(&mut self, simd: Simd, weighted: &Weighted, others: impl Iterator<Item = GreekSums>) {
        weighted.group(simd, &mut self.places, &mut self.sums);
        for (sums, rows) in others.zip(&self.others) {
            rows.iter().for_each(|row| self.sums.add(*row as usize, &sums));
        }
    }

    /// The groups of a dimension with their sums, in order. None of the whole.
    pub(super) fn sums(&self, dimension: Dimension) -> impl Iterator<Item = (Part, GreekSums)> + '_ {
        let at = Dimension::ALL.iter().position(|one| *one == dimension).and_then(|place| place.checked_sub(1));
        let parts = at.map_or(&[][..], |at| &self.parts[at]);
        let first = at.map_or(0, |at| self.first[at] as usize);
        parts.iter().copied().zip(self.sums.range(first..first + parts.len()))
    }
}

impl Dimension {
    /// Where an option belongs: expiry, strikes, venue, strategy.
    pub(super) fn of_option(key: &OptionKey, bucket_width: Option<Price>) -> [Part; 4] {
        let below = bucket_width.map_or(0, |width| key.strike.raw().rem_euclid(width.raw()));
        let strike = Price::from_raw(key.strike.raw() - below);
        let (venue, strategy) = (Part::Venue(key.venue), Part::Strategy(key.strategy));
        [Part::Expiry(Some(key.expiry)), Part::Strike(Some(strike)), venue, strategy]
    }

    /// Where a position in the underlying belongs.
    pub(super) fn of_delta_one(key: &DeltaOneKey) -> [Part; 4] {
        let (venue, strategy) = (Part::Venue(key.venue), Part::Strategy(key.strategy));
        [Part::Expiry(key.expiry), Part::Strike(None), venue, strategy]
    }
}
