//! What sums are split by.

use super::{DeltaOneKey, GreekSums, OptionKey};
use market::Currency;
use units::{AccountId, Price, StrategyId, Timestamp};

/// One number of each [`GreekSums`], for each position.
pub(super) type Row = [f64; GreekSums::NAMES.len()];

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

/// Where each position of a book belongs, in one dimension. Depends on what is held, not on the market.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    current: bool,
    /// Positions with their parts, in order.
    sorted: Vec<(Part, u32)>,
    /// The same positions: group by group, within a group in canonical order.
    members: Vec<u32>,
    /// Each group, and how many of `members` lie before its end.
    groups: Vec<(Part, usize)>,
}

impl Index {
    /// Positions have changed.
    pub(super) fn forget(&mut self) {
        self.current = false;
    }

    /// Finds where `parts` belong, if positions have changed.
    pub(super) fn build(&mut self, parts: impl Iterator<Item = Part>) {
        if self.current {
            return;
        }
        self.current = true;
        self.sorted.clear();
        self.sorted.extend(parts.zip(0..));
        // No two are equal, so that an unstable sort has one outcome.
        self.sorted.sort_unstable();
        self.members.clear();
        self.members.extend(self.sorted.iter().map(|(_, member)| member));
        self.groups.clear();
        let mut end = 0;
        for group in self.sorted.chunk_by(|a, b| a.0 == b.0) {
            end += group.len();
            self.groups.push((group[0].0, end));
        }
    }

    /// The groups with their sums.
    pub(super) fn sums<'a>(&'a self, rows: &'a [Row]) -> impl Iterator<Item = (Part, GreekSums)> + 'a {
        let mut start = 0;
        self.groups.iter().map(move |(part, end)| {
            let members = &self.members[start..*end];
            start = *end;
            (*part, sum(members, rows))
        })
    }
}

/// In order, in two accumulators that take turns: one shape for a number of members, and half of the waiting.
fn sum(members: &[u32], rows: &[Row]) -> GreekSums {
    let mut sums = [Row::default(); 2];
    let (pairs, rest) = members.as_chunks::<2>();
    for [first, second] in pairs {
        add(&mut sums[0], &rows[*first as usize]);
        add(&mut sums[1], &rows[*second as usize]);
    }
    for last in rest {
        add(&mut sums[0], &rows[*last as usize]);
    }
    let [mut sum, second] = sums;
    add(&mut sum, &second);
    GreekSums::from_values(sum)
}

#[inline]
fn add(sum: &mut Row, row: &Row) {
    for k in 0..sum.len() {
        sum[k] += row[k];
    }
}

impl Dimension {
    /// Where an option belongs.
    pub(super) fn of_option(self, key: &OptionKey, bucket_width: Option<Price>) -> Part {
        match self {
            Self::Underlying => Part::Whole,
            Self::Expiry => Part::Expiry(Some(key.expiry)),
            Self::Strike => {
                let below = bucket_width.map_or(0, |width| key.strike.raw().rem_euclid(width.raw()));
                Part::Strike(Some(Price::from_raw(key.strike.raw() - below)))
            }
            Self::Venue => Part::Venue(key.venue),
            Self::Strategy => Part::Strategy(key.strategy),
        }
    }

    /// Where a position in the underlying belongs.
    pub(super) fn of_delta_one(self, key: &DeltaOneKey) -> Part {
        match self {
            Self::Underlying => Part::Whole,
            Self::Expiry => Part::Expiry(key.expiry),
            Self::Strike => Part::Strike(None),
            Self::Venue => Part::Venue(key.venue),
            Self::Strategy => Part::Strategy(key.strategy),
        }
    }
}
