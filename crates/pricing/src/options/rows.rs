//! What groups of options add: of runs of neighbours, and of cells wherever their members stand.

use super::lanes::{Block, LANES, Lanes, Real, Work};
use super::simd::Simd;
use super::weighted::{COLUMNS, GreekSums, Node, Weighted};

/// Rows of the numbers of [`GreekSums`], each as wide as a block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    rows: Vec<Block>,
}

/// Rows of a cell. Neighbours add to different ones, so that none waits for what the one before it has written.
const ROWS: usize = 4;

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
        let row = &self.rows[row].0;
        GreekSums::from_values(std::array::from_fn(|column| row[column]))
    }

    /// So many rows of zeros.
    fn empty(&mut self, count: usize) {
        self.rows.clear();
        self.rows.resize(count, EMPTY);
    }
}

/// Where the options of a batch belong: each to a run of neighbours and to a cell, and each run and each cell to two groups.
#[derive(Debug, Clone, Default)]
pub struct Places {
    len: usize,
    /// One past the last option of each run.
    ends: Vec<u32>,
    of_runs: Vec<[u32; 2]>,
    /// Of each option, to the end of its block, the row of its cell that it is added to.
    cells: Vec<u32>,
    of_cells: Vec<[u32; 2]>,
    groups: usize,
    /// Room for what the cells add.
    sums: Rows,
}

impl Places {
    /// Takes all options and cells out, keeping the memory. There will be so many groups.
    pub fn clear(&mut self, count: usize) {
        let Self { len, ends, of_runs, cells, of_cells, groups, sums: _ } = self;
        (*len, *groups) = (0, count);
        [ends, cells].into_iter().for_each(Vec::clear);
        [of_runs, of_cells].into_iter().for_each(Vec::clear);
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
        if self.of_runs.last() != Some(&groups) {
            self.check(groups);
            self.of_runs.push(groups);
            self.ends.push(0);
        }
        if self.len.is_multiple_of(LANES) {
            // What stands behind the last option weighs nothing.
            self.cells.resize(self.len + LANES, 0);
        }
        self.cells[self.len] = cell * ROWS as u32 + (self.len % ROWS) as u32;
        self.len += 1;
        let run = self.of_runs.len() - 1;
        self.ends[run] = self.len as u32;
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
        into.empty(places.groups);
        places.sums.empty(places.of_cells.len() * ROWS);
        simd.enter(GroupUp { nodes: self.leaves(), places, into: &mut into.rows });
    }
}

struct GroupUp<'a> {
    nodes: &'a [Node],
    places: &'a mut Places,
    into: &'a mut [Block],
}

/// Vectors that the numbers of a row take.
const fn parts<S: Lanes>() -> usize {
    COLUMNS.div_ceil(S::WIDTH)
}

impl Work for GroupUp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) {
        let Self { nodes, places: Places { ends, of_runs, cells, of_cells, sums: Rows { rows: sums }, .. }, into } =
            self;
        let zero = Real::splat(lanes, 0.0);
        let mut sum_of_run = [zero; COLUMNS];
        let mut runs = ends.iter().zip(&*of_runs);
        let mut run = runs.next();
        let mut at = 0;
        for (node, cells) in nodes.iter().zip(cells.chunks_exact(LANES)) {
            for (part, cells) in cells.chunks_exact(S::WIDTH).enumerate() {
                // Vectors of a row, lane by lane.
                let mut rows = [[zero; LANES]; COLUMNS];
                for (vector, rows) in rows.iter_mut().enumerate().take(parts::<S>()) {
                    let mut columns = [zero; LANES];
                    for (column, block) in columns.iter_mut().zip(&node[vector * S::WIDTH..]).take(S::WIDTH) {
                        *column = Real::load(lanes, block, part);
                    }
                    *rows = Real::transposed(lanes, columns);
                }
                // Written out lane by lane, so that the rows stay in registers.
                macro_rules! lane {
                    ($($lane:literal)*) => {$(if $lane < S::WIDTH {
                        let cell = &mut sums[cells[$lane] as usize];
                        for vector in 0..parts::<S>() {
                            let row = rows[vector][$lane];
                            sum_of_run[vector] = sum_of_run[vector] + row;
                            (Real::load(lanes, cell, vector) + row).store(cell, vector);
                        }
                        at += 1;
                        if let Some((end, groups)) = run
                            && *end == at
                        {
                            add(&sum_of_run[..parts::<S>()], groups, into);
                            sum_of_run = [zero; COLUMNS];
                            run = runs.next();
                        }
                    })*};
                }
                lane!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            }
        }
        for (rows, groups) in sums.chunks_exact(ROWS).zip(of_cells) {
            let mut sum = [zero; COLUMNS];
            for (vector, sum) in sum.iter_mut().enumerate().take(parts::<S>()) {
                *sum = rows.iter().fold(zero, |sum, row| sum + Real::load(lanes, row, vector));
            }
            add(&sum[..parts::<S>()], groups, into);
        }
    }
}

/// Adds a row to those of its groups.
#[inline(always)]
fn add<S: Lanes>(row: &[Real<S>], groups: &[u32; 2], into: &mut [Block]) {
    for group in groups {
        let group = &mut into[*group as usize];
        for (part, value) in row.iter().enumerate() {
            (Real::load(value.lanes(), group, part) + *value).store(group, part);
        }
    }
}
