//! What groups of options add: of runs of neighbours, and of cells wherever their members stand.

use super::lanes::{Block, LANES, Lanes, Work};
use super::simd::Simd;
use super::weighted::{GreekSums, Node, Weighted};
use std::ops::Range;

/// Rows of the numbers of [`GreekSums`], each as wide as a block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    rows: Vec<Block>,
}

/// Rows of a cell. Neighbours add to different ones, so that none waits for what the one before it has written.
const ROWS: usize = 2;

const EMPTY: Block = Block([0.0; LANES]);

impl Rows {
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
        self.rows[row].sums()
    }

    /// Rows that follow each other.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn range(&self, rows: Range<usize>) -> impl ExactSizeIterator<Item = GreekSums> + '_ {
        self.rows[rows].iter().map(Block::sums)
    }
}

impl Block {
    /// As a row of sums.
    #[inline]
    fn sums(&self) -> GreekSums {
        GreekSums::from_values(std::array::from_fn(|column| self.0[column]))
    }
}

/// Where the options of a batch belong: each to a run of neighbours and to a cell, and each run and each cell to two groups.
#[derive(Debug, Clone, Default)]
pub struct Places {
    len: usize,
    runs: Vec<Run>,
    /// Of each block, as bits, whether an option is the last of its run.
    ends: Vec<u32>,
    /// The groups of the last run.
    last: Option<[u32; 2]>,
    /// Of each option, to the end of its block, the row of its cell that it is added to.
    cells: Vec<u32>,
    of_cells: Vec<[u32; 2]>,
    groups: usize,
    /// Room for what the cells add.
    sums: Rows,
}

/// Neighbours of the same two groups.
#[derive(Debug, Clone)]
struct Run {
    /// The first of their groups, if it is another for the run behind this one: what runs of the same first group add is added up before.
    first: Option<u32>,
    second: u32,
}

impl Places {
    /// Takes all options and cells out, keeping the memory. There will be so many groups.
    pub fn clear(&mut self, count: usize) {
        let Self { len, runs, ends, last, cells, of_cells, groups, sums: _ } = self;
        (*len, *last, *groups) = (0, None, count);
        [ends, cells].into_iter().for_each(Vec::clear);
        runs.clear();
        of_cells.clear();
    }

    /// A cell, of these groups. Cells are counted from 0.
    ///
    /// # Panics
    ///
    /// If there is no such group.
    pub fn push_cell(&mut self, groups: [u32; 2]) {
        self.check(groups);
        self.of_cells.push(groups);
    }

    /// An option at the end, in this cell, of a run of these groups: of the run of the option before it, if its groups are the same.
    ///
    /// # Panics
    ///
    /// If there is no such cell or group.
    pub fn push(&mut self, groups: [u32; 2], cell: u32) {
        assert!((cell as usize) < self.of_cells.len(), "cell {cell} of {}", self.of_cells.len());
        let lane = self.len % LANES;
        if lane == 0 {
            // What stands behind the last option weighs nothing.
            self.cells.resize(self.len + LANES, 0);
            self.ends.push(0);
        }
        if self.last == Some(groups) {
            // The one before was not the last of its run.
            let before = self.len - 1;
            self.ends[before / LANES] &= !(1 << (before % LANES));
        } else {
            self.check(groups);
            if let Some(run) = self.runs.last_mut()
                && run.first == Some(groups[0])
            {
                run.first = None;
            }
            self.runs.push(Run { first: Some(groups[0]), second: groups[1] });
        }
        self.last = Some(groups);
        self.ends[self.len / LANES] |= 1 << lane;
        self.cells[self.len] = cell * ROWS as u32 + (self.len % ROWS) as u32;
        self.len += 1;
    }

    fn check(&self, groups: [u32; 2]) {
        assert!(groups.into_iter().all(|group| (group as usize) < self.groups), "groups {groups:?} of {}", self.groups);
    }
}

impl Weighted {
    /// Adds up what options add, in order: each in its run and in its cell; then each run, as it ends, and at last each cell in its two
    /// groups. There is a row for each group.
    ///
    /// # Panics
    ///
    /// If there is not a place for each option.
    pub fn group(&self, simd: Simd, places: &mut Places, into: &mut Rows) {
        assert_eq!(places.len, self.len(), "a place for each option");
        into.rows.resize(places.groups, EMPTY);
        places.sums.rows.resize(places.of_cells.len() * ROWS, EMPTY);
        simd.enter(GroupUp { nodes: self.leaves(), places, into: &mut into.rows });
    }
}

struct GroupUp<'a> {
    nodes: &'a [Node],
    places: &'a mut Places,
    into: &'a mut [Block],
}

impl Work for GroupUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self { nodes, places: Places { runs, ends, cells, of_cells, sums: Rows { rows: sums }, .. }, into } = self;
        // Slices: that a row is written to moves neither of them, and their places need not be read again.
        let (sums, runs): (&mut [Block], &[Run]) = (sums, runs);
        for row in sums.iter_mut().chain(&mut *into) {
            lanes.store_row(lanes.no_row(), row);
        }
        let (mut of_run, mut of_runs) = (lanes.no_row(), lanes.no_row());
        let mut next = runs.iter();
        for ((node, cells), ends) in nodes.iter().zip(cells.chunks_exact(LANES)).zip(&*ends) {
            for (part, cells) in cells.chunks_exact(S::WIDTH).enumerate() {
                let rows = lanes.rows(node, part);
                let ends = ends >> (part * S::WIDTH);
                // Written out lane by lane, so that the rows stay in registers.
                macro_rules! lane {
                    ($($lane:literal)*) => {$(if $lane < S::WIDTH {
                        let row = rows[$lane];
                        add(lanes, row, &mut sums[cells[$lane] as usize]);
                        of_run = lanes.add_rows(of_run, row);
                        if ends >> $lane & 1 == 1
                            && let Some(run) = next.next()
                        {
                            add(lanes, of_run, &mut into[run.second as usize]);
                            of_runs = lanes.add_rows(of_runs, of_run);
                            of_run = lanes.no_row();
                            if let Some(first) = run.first {
                                add(lanes, of_runs, &mut into[first as usize]);
                                of_runs = lanes.no_row();
                            }
                        }
                    })*};
                }
                lane!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            }
        }
        for (rows, groups) in sums.chunks_exact(ROWS).zip(of_cells) {
            let mut sum = lanes.no_row();
            for row in rows {
                sum = lanes.add_rows(sum, lanes.load_row(row));
            }
            for group in groups {
                add(lanes, sum, &mut into[*group as usize]);
            }
        }
    }
}

/// Adds a row to that of a group.
#[inline(always)]
fn add<S: Lanes>(lanes: S, row: S::Row, group: &mut Block) {
    lanes.store_row(lanes.add_rows(lanes.load_row(group), row), group);
}
