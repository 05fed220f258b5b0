//! Rows of what positions add, and their sums: of runs that stand together and of cells wherever their members stand.

use super::lanes::{Block, LANES, Lanes, Real, Work};
use super::simd::Simd;
use super::weighted::{COLUMNS, GreekSums, Node, Weighted};

/// Rows of the numbers of [`GreekSums`], each as wide as a block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    rows: Vec<Block>,
}

const EMPTY: Block = Block([0.0; LANES]);

impl Rows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row at the end.
    pub fn push(&mut self, sums: &GreekSums) {
        self.rows.push(EMPTY);
        self.add(self.rows.len() - 1, sums);
    }

    /// Adds to a row.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn add(&mut self, row: usize, sums: &GreekSums) {
        let row = &mut self.rows[row].0;
        for (sum, value) in row.iter_mut().zip(sums.values()) {
            *sum += value;
        }
    }

    /// A row.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> GreekSums {
        let row = &self.rows[row].0;
        GreekSums::from_values(std::array::from_fn(|column| row[column]))
    }

    /// The sums of groups of rows, `count` of them: row by row in order, each added to the group that `groups` names for it.
    ///
    /// # Panics
    ///
    /// If there is not a group for each row, or one is not under `count`.
    pub fn add_up(&self, simd: Simd, groups: &[u32], count: usize, into: &mut Self) {
        assert_eq!(groups.len(), self.rows.len(), "a group for each row");
        into.empty(count);
        simd.enter(AddUp { rows: &self.rows, groups, into: &mut into.rows });
    }

    /// So many rows of zeros.
    fn empty(&mut self, count: usize) {
        self.rows.clear();
        self.rows.resize(count, EMPTY);
    }
}

struct AddUp<'a> {
    rows: &'a [Block],
    groups: &'a [u32],
    into: &'a mut [Block],
}

impl Work for AddUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        for (row, group) in self.rows.iter().zip(self.groups) {
            let sum = &mut self.into[*group as usize];
            for part in 0..parts::<S>() {
                (Real::load(lanes, sum, part) + Real::load(lanes, row, part)).store(sum, part);
            }
        }
    }
}

/// Vectors that the numbers of a row take.
const fn parts<S: Lanes>() -> usize {
    COLUMNS.div_ceil(S::WIDTH)
}

impl Weighted {
    /// Adds up what options add, each option twice, in order: in the run that it stands in (`ends`: one past the last of each run, the
    /// last of them the number of options), and in the cell that `cells` names for it, of which there are `count`.
    ///
    /// # Panics
    ///
    /// If the ends do not ascend to the number of options, or there is not a cell under `count` for each option.
    pub fn group(&self, simd: Simd, ends: &[u32], (cells, count): (&[u32], usize), runs: &mut Rows, sums: &mut Rows) {
        assert_eq!(cells.len(), self.len(), "a cell for each option");
        assert_eq!(ends.last().map_or(0, |end| *end as usize), self.len(), "all options in runs");
        runs.empty(ends.len());
        sums.empty(count);
        let nodes = self.leaves();
        simd.enter(GroupUp { nodes, ends, cells, runs: &mut runs.rows, sums: &mut sums.rows });
    }
}

struct GroupUp<'a> {
    nodes: &'a [Node],
    ends: &'a [u32],
    cells: &'a [u32],
    runs: &'a mut [Block],
    sums: &'a mut [Block],
}

impl Work for GroupUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self { nodes, ends, cells, runs, sums } = self;
        let mut rows = [EMPTY; LANES];
        let zero = Real::splat(lanes, 0.0);
        let (mut run, mut sums_of_run) = (0, [zero; LANES]);
        let sum = &mut sums_of_run[..parts::<S>()];
        for (block, (node, cells)) in nodes.iter().zip(cells.chunks(LANES)).enumerate() {
            for part in 0..LANES / S::WIDTH {
                lanes.rows(node, part, &mut rows);
            }
            for (lane, (row, cell)) in rows.iter().zip(cells).enumerate() {
                if (block * LANES + lane) as u32 == ends[run] {
                    for (part, sum) in sum.iter_mut().enumerate() {
                        std::mem::replace(sum, zero).store(&mut runs[run], part);
                    }
                    run += 1;
                }
                let cell = &mut sums[*cell as usize];
                for (part, sum) in sum.iter_mut().enumerate() {
                    let row = Real::load(lanes, row, part);
                    *sum = *sum + row;
                    (Real::load(lanes, cell, part) + row).store(cell, part);
                }
            }
        }
        if let Some(last) = runs.last_mut() {
            for (part, sum) in sum.iter().enumerate() {
                sum.store(last, part);
            }
        }
    }
}
