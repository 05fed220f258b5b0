//! Two vectors side by side. A formula is a chain of operations that wait for each other; beside a second chain the processor waits
//! half as much.

use super::{Block, LANES, Lanes, ROW, Work};

/// Twice the lanes of `S`.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Two<S>(pub(in super::super) S);

/// Work that is done at twice the width it is entered with.
struct Widened<W>(W);

impl<W: Work> Work for Widened<W> {
    type Output = W::Output;

    #[inline(always)]
    fn run<S: Lanes>(self, lanes: S) -> W::Output {
        self.0.run(Two(lanes))
    }
}

macro_rules! both_halves {
    ($($name:ident($($argument:ident: $type:ident),*) -> $result:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: Self::$type),*) -> Self::$result {
            let Self(lanes) = self;
            [lanes.$name($($argument[0]),*), lanes.$name($($argument[1]),*)]
        }
    )*};
}

impl<S: Lanes> Lanes for Two<S> {
    type Raw = [S::Raw; 2];
    type Bits = [S::Bits; 2];
    type Mask = [S::Mask; 2];
    type Row = S::Row;
    const WIDTH: usize = 2 * S::WIDTH;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        self.0.enter(Widened(work))
    }

    #[inline(always)]
    fn splat(self, value: f64) -> Self::Raw {
        [self.0.splat(value); 2]
    }

    #[inline(always)]
    fn load(self, block: &Block, part: usize) -> Self::Raw {
        [self.0.load(block, 2 * part), self.0.load(block, 2 * part + 1)]
    }

    #[inline(always)]
    fn store(self, value: Self::Raw, block: &mut Block, part: usize) {
        self.0.store(value[0], block, 2 * part);
        self.0.store(value[1], block, 2 * part + 1);
    }

    #[inline(always)]
    fn mask_bits(self, mask: Self::Mask) -> u32 {
        self.0.mask_bits(mask[0]) | self.0.mask_bits(mask[1]) << S::WIDTH
    }

    #[inline(always)]
    fn bits_splat(self, value: u64) -> Self::Bits {
        [self.0.bits_splat(value); 2]
    }

    #[inline(always)]
    fn no_row(self) -> Self::Row {
        self.0.no_row()
    }

    #[inline(always)]
    fn load_row(self, block: &Block) -> Self::Row {
        self.0.load_row(block)
    }

    #[inline(always)]
    fn store_row(self, row: Self::Row, block: &mut Block) {
        self.0.store_row(row, block);
    }

    #[inline(always)]
    fn add_rows(self, a: Self::Row, b: Self::Row) -> Self::Row {
        self.0.add_rows(a, b)
    }

    #[inline(always)]
    fn rows(self, columns: &[Block; ROW], part: usize) -> [Self::Row; LANES] {
        let (first, second) = (self.0.rows(columns, 2 * part), self.0.rows(columns, 2 * part + 1));
        std::array::from_fn(|lane| if lane < S::WIDTH { first[lane] } else { second[(lane - S::WIDTH) % LANES] })
    }

    both_halves! {
        add(a: Raw, b: Raw) -> Raw;
        sub(a: Raw, b: Raw) -> Raw;
        mul(a: Raw, b: Raw) -> Raw;
        div(a: Raw, b: Raw) -> Raw;
        sqrt(a: Raw) -> Raw;
        fma(a: Raw, b: Raw, c: Raw) -> Raw;
        neg_fma(a: Raw, b: Raw, c: Raw) -> Raw;
        abs(a: Raw) -> Raw;
        neg(a: Raw) -> Raw;
        less(a: Raw, b: Raw) -> Mask;
        equal(a: Raw, b: Raw) -> Mask;
        select(mask: Mask, yes: Raw, no: Raw) -> Raw;
        both(a: Mask, b: Mask) -> Mask;
        either(a: Mask, b: Mask) -> Mask;
        not(a: Mask) -> Mask;
        bits_of(a: Raw) -> Bits;
        of_bits(a: Bits) -> Raw;
        bits_add(a: Bits, b: Bits) -> Bits;
        bits_sub(a: Bits, b: Bits) -> Bits;
        bits_and(a: Bits, b: Bits) -> Bits;
        bits_or(a: Bits, b: Bits) -> Bits;
        bits_up(a: Bits) -> Bits;
        bits_down(a: Bits) -> Bits;
    }
}
