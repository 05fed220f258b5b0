//! What sums are split by.

use super::{DeltaOneKey, GreekSums, OptionKey};
use market::Currency;
use pricing::options::{Rows, Simd, Weighted};
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
/// a cell. Each position is added twice, in its run and in its cell, and the groups of a dimension are sums of runs or of cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Grouping {
    current: bool,
    /// One past the last option of each run.
    ends: Vec<u32>,
    /// Of each option its cell; then of each other position.
    cells: Vec<u32>,
    /// Runs first, a run for each position that is no option; then cells.
    halves: [Half; 2],
    /// Expiry and strikes of each run; venue and strategy of each cell, in order.
    runs: Vec<[Part; 2]>,
    pairs: Vec<[Part; 2]>,
}

/// The dimensions that are sums of the same rows.
#[derive(Debug, Clone, Default)]
struct Half {
    /// Sums of runs, or of cells.
    rows: Rows,
    /// Which dimension each of the two is: its groups in order, and the group of each row.
    by: [(Vec<Part>, Vec<u32>); 2],
    /// Room for the groups' sums.
    sums: Rows,
}

/// A dimension as one of the two of a half.
fn place(dimension: Dimension) -> Option<(usize, usize)> {
    match dimension {
        Dimension::Underlying => None,
        Dimension::Expiry => Some((0, 0)),
        Dimension::Strike => Some((0, 1)),
        Dimension::Venue => Some((1, 0)),
        Dimension::Strategy => Some((1, 1)),
    }
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
        self.current = true;
        let all = || options.clone().chain(others.clone());
        self.pairs.clear();
        self.pairs.extend(all().map(|[.., venue, strategy]| [venue, strategy]));
        self.pairs.sort_unstable();
        self.pairs.dedup();
        self.ends.clear();
        self.cells.clear();
        let [runs, cells] = &mut self.halves;
        // Expiry and strikes of each run.
        let of_runs = &mut self.runs;
        of_runs.clear();
        for (at, [expiry, strike, ..]) in options.clone().enumerate() {
            if of_runs.last() != Some(&[expiry, strike]) {
                of_runs.push([expiry, strike]);
                self.ends.push(at as u32);
            }
            if let Some(end) = self.ends.last_mut() {
                *end = at as u32 + 1;
            }
        }
        of_runs.extend(others.clone().map(|[expiry, strike, ..]| [expiry, strike]));
        for [.., venue, strategy] in all() {
            // Each is among them.
            let cell = self.pairs.binary_search(&[venue, strategy]).unwrap_or_default();
            self.cells.push(cell as u32);
        }
        for (half, of_rows) in [(runs, &*of_runs), (cells, &self.pairs)] {
            for (which, (parts, of)) in half.by.iter_mut().enumerate() {
                parts.clear();
                of.clear();
                parts.extend(of_rows.iter().map(|of| of[which]));
                parts.sort_unstable();
                parts.dedup();
                of.extend(of_rows.iter().map(|of| parts.binary_search(&of[which]).unwrap_or_default() as u32));
            }
        }
    }

    /// Adds up what positions add: options as they were priced, then the others in order.
    pub(super) fn add_up(&mut self, simd: Simd, weighted: &Weighted, others: impl Iterator<Item = GreekSums>) {
        let [runs, cells] = &mut self.halves;
        let (of_options, of_others) = self.cells.split_at(weighted.len());
        weighted.group(simd, &self.ends, (of_options, self.pairs.len()), &mut runs.rows, &mut cells.rows);
        for (sums, cell) in others.zip(of_others) {
            runs.rows.push(&sums);
            cells.rows.add(*cell as usize, &sums);
        }
    }

    /// The groups of a dimension with their sums, in order. None of the whole.
    pub(super) fn sums(&mut self, simd: Simd, dimension: Dimension) -> impl Iterator<Item = (Part, GreekSums)> + '_ {
        let (half, which) = place(dimension).unwrap_or_default();
        let Half { rows, by, sums } = &mut self.halves[half];
        let (parts, of) = &by[which];
        rows.add_up(simd, of, parts.len(), sums);
        parts.iter().copied().zip((0..).map(|group| sums.get(group)))
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
