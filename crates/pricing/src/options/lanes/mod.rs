//! Vectors of 1, 4, 8 or 16 numbers with the same arithmetic: every operation is one correctly rounded IEEE operation, so that the
//! same formula gives the same bits whatever the width.
//!
//! There is no minimum, maximum, approximate reciprocal or scale instruction here, because those differ between widths or in
//! what they do with special values. A choice is a compare and a select.
//!
//! A value carries the token of its instruction set, and a token exists only where the processor was asked
//! ([`Simd`](super::Simd)): that is the whole safety argument of the two intrinsics modules.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod scalar;
#[cfg(target_arch = "x86_64")]
pub(super) mod two;

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Numbers in a block, whatever the width: every width adds up in the same sixteen accumulators.
pub(super) const LANES: usize = 16;

/// Numbers in a row.
pub(super) const ROW: usize = 12;

/// Sixteen numbers, aligned to a cache line.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Block(pub(super) [f64; LANES]);

/// What is computed the same at every width.
pub(super) trait Work {
    /// What comes out.
    type Output;
    /// Does it. Implementations are `inline(always)`, so that the code is compiled for the instruction set of `S`.
    fn run<S: Lanes>(self, lanes: S) -> Self::Output;
}

/// An instruction set. The type is a token: it exists only if the processor has the set.
pub(super) trait Lanes: Copy + std::fmt::Debug {
    /// `WIDTH` numbers.
    type Raw: Copy + std::fmt::Debug;
    /// `WIDTH` integers of 64 bits.
    type Bits: Copy + std::fmt::Debug;
    /// `WIDTH` yes or no.
    type Mask: Copy + std::fmt::Debug;
    /// [`ROW`] numbers, whatever the width.
    type Row: Copy + std::fmt::Debug;
    /// Numbers in a vector; divides [`LANES`].
    const WIDTH: usize;

    /// Runs `work` in a function compiled for this set.
    fn enter<W: Work>(self, work: W) -> W::Output;

    fn splat(self, value: f64) -> Self::Raw;
    fn load(self, block: &Block, part: usize) -> Self::Raw;
    fn store(self, value: Self::Raw, block: &mut Block, part: usize);
    fn add(self, a: Self::Raw, b: Self::Raw) -> Self::Raw;
    fn sub(self, a: Self::Raw, b: Self::Raw) -> Self::Raw;
    fn mul(self, a: Self::Raw, b: Self::Raw) -> Self::Raw;
    fn div(self, a: Self::Raw, b: Self::Raw) -> Self::Raw;
    fn sqrt(self, a: Self::Raw) -> Self::Raw;
    /// `a × b + c`, rounded once.
    fn fma(self, a: Self::Raw, b: Self::Raw, c: Self::Raw) -> Self::Raw;
    /// `c − a × b`, rounded once.
    fn neg_fma(self, a: Self::Raw, b: Self::Raw, c: Self::Raw) -> Self::Raw;
    /// Without its sign.
    fn abs(self, a: Self::Raw) -> Self::Raw;
    /// With the other sign.
    fn neg(self, a: Self::Raw) -> Self::Raw;
    fn less(self, a: Self::Raw, b: Self::Raw) -> Self::Mask;
    fn equal(self, a: Self::Raw, b: Self::Raw) -> Self::Mask;
    fn select(self, mask: Self::Mask, yes: Self::Raw, no: Self::Raw) -> Self::Raw;
    fn both(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn either(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;
    fn not(self, a: Self::Mask) -> Self::Mask;
    /// Lane `i` as bit `i`.
    fn mask_bits(self, mask: Self::Mask) -> u32;
    fn bits_of(self, a: Self::Raw) -> Self::Bits;
    fn of_bits(self, a: Self::Bits) -> Self::Raw;
    fn bits_splat(self, value: u64) -> Self::Bits;
    fn bits_add(self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    fn bits_sub(self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    fn bits_and(self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    fn bits_or(self, a: Self::Bits, b: Self::Bits) -> Self::Bits;
    /// Shifted up by 52: an integer into the exponent.
    fn bits_up(self, a: Self::Bits) -> Self::Bits;
    /// Shifted down by 52: the exponent into an integer.
    fn bits_down(self, a: Self::Bits) -> Self::Bits;

    /// Zeros.
    fn no_row(self) -> Self::Row;
    /// The first [`ROW`] numbers of a block.
    fn load_row(self, block: &Block) -> Self::Row;
    fn store_row(self, row: Self::Row, block: &mut Block);
    /// Number by number.
    fn add_rows(self, a: Self::Row, b: Self::Row) -> Self::Row;
    /// Lane `i` of part `part` of each column, in order, as row `i`, for each lane that a part has. What lies behind them means nothing.
    fn rows(self, columns: &[Block; ROW], part: usize) -> [Self::Row; LANES];
}

/// `S::WIDTH` numbers with operators.
#[derive(Debug, Clone, Copy)]
pub(super) struct Real<S: Lanes> {
    lanes: S,
    pub(super) raw: S::Raw,
}

/// `S::WIDTH` answers to a comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask<S: Lanes> {
    lanes: S,
    raw: S::Mask,
}

/// `S::WIDTH` integers of 64 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<S: Lanes> {
    lanes: S,
    raw: S::Bits,
}

impl<S: Lanes> Real<S> {
    #[inline(always)]
    pub(super) fn splat(lanes: S, value: f64) -> Self {
        Self { lanes, raw: lanes.splat(value) }
    }

    #[inline(always)]
    pub(super) fn load(lanes: S, block: &Block, part: usize) -> Self {
        Self { lanes, raw: lanes.load(block, part) }
    }

    #[inline(always)]
    pub(super) fn store(self, block: &mut Block, part: usize) {
        self.lanes.store(self.raw, block, part);
    }

    /// The token.
    #[inline(always)]
    pub(super) fn lanes(self) -> S {
        self.lanes
    }

    /// The same constant in all lanes.
    #[inline(always)]
    pub(super) fn constant(self, value: f64) -> Self {
        Self::splat(self.lanes, value)
    }

    /// `self × b + c`, rounded once.
    #[inline(always)]
    pub(super) fn fma(self, b: Self, c: Self) -> Self {
        Self { raw: self.lanes.fma(self.raw, b.raw, c.raw), ..self }
    }

    /// `c − self × b`, rounded once.
    #[inline(always)]
    pub(super) fn neg_fma(self, b: Self, c: Self) -> Self {
        Self { raw: self.lanes.neg_fma(self.raw, b.raw, c.raw), ..self }
    }

    #[inline(always)]
    pub(super) fn sqrt(self) -> Self {
        Self { raw: self.lanes.sqrt(self.raw), ..self }
    }

    #[inline(always)]
    pub(super) fn abs(self) -> Self {
        Self { raw: self.lanes.abs(self.raw), ..self }
    }

    #[inline(always)]
    pub(super) fn less(self, other: Self) -> Mask<S> {
        Mask { lanes: self.lanes, raw: self.lanes.less(self.raw, other.raw) }
    }

    #[inline(always)]
    pub(super) fn equal(self, other: Self) -> Mask<S> {
        Mask { lanes: self.lanes, raw: self.lanes.equal(self.raw, other.raw) }
    }

    /// `self` where it is above `low`, else `low`, also where `self` is not a number.
    #[inline(always)]
    pub(super) fn at_least(self, low: Self) -> Self {
        low.less(self).select(self, low)
    }

    /// `self` where it is under `high`, else `high`, also where `self` is not a number.
    #[inline(always)]
    pub(super) fn at_most(self, high: Self) -> Self {
        self.less(high).select(self, high)
    }

    /// `self` where it is above zero, else +0: a negative zero and anything unordered become +0 at every width.
    #[inline(always)]
    pub(super) fn or_zero(self) -> Self {
        self.at_least(self.constant(0.0))
    }

    #[inline(always)]
    pub(super) fn to_bits(self) -> Bits<S> {
        Bits { lanes: self.lanes, raw: self.lanes.bits_of(self.raw) }
    }
}

impl<S: Lanes> Mask<S> {
    #[inline(always)]
    pub(super) fn select(self, yes: Real<S>, no: Real<S>) -> Real<S> {
        Real { lanes: self.lanes, raw: self.lanes.select(self.raw, yes.raw, no.raw) }
    }

    #[inline(always)]
    pub(super) fn and(self, other: Self) -> Self {
        Self { raw: self.lanes.both(self.raw, other.raw), ..self }
    }

    /// Where one holds and the other does not.
    #[inline(always)]
    pub(super) fn either(self, other: Self) -> Self {
        Self { raw: self.lanes.either(self.raw, other.raw), ..self }
    }

    #[inline(always)]
    pub(super) fn not(self) -> Self {
        Self { raw: self.lanes.not(self.raw), ..self }
    }

    /// Lane `i` as bit `i`.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        self.lanes.mask_bits(self.raw)
    }

    #[inline(always)]
    pub(super) fn any(self) -> bool {
        self.bits() != 0
    }
}

impl<S: Lanes> Bits<S> {
    #[inline(always)]
    pub(super) fn constant(self, value: u64) -> Self {
        Self { raw: self.lanes.bits_splat(value), ..self }
    }

    #[inline(always)]
    pub(super) fn and(self, other: u64) -> Self {
        Self { raw: self.lanes.bits_and(self.raw, self.constant(other).raw), ..self }
    }

    #[inline(always)]
    pub(super) fn or(self, other: u64) -> Self {
        Self { raw: self.lanes.bits_or(self.raw, self.constant(other).raw), ..self }
    }

    #[inline(always)]
    pub(super) fn up(self) -> Self {
        Self { raw: self.lanes.bits_up(self.raw), ..self }
    }

    #[inline(always)]
    pub(super) fn down(self) -> Self {
        Self { raw: self.lanes.bits_down(self.raw), ..self }
    }

    #[inline(always)]
    pub(super) fn real(self) -> Real<S> {
        Real { lanes: self.lanes, raw: self.lanes.of_bits(self.raw) }
    }
}

impl<S: Lanes> Add for Bits<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { raw: self.lanes.bits_add(self.raw, other.raw), ..self }
    }
}

impl<S: Lanes> Sub for Bits<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { raw: self.lanes.bits_sub(self.raw, other.raw), ..self }
    }
}

impl<S: Lanes> Neg for Real<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { raw: self.lanes.neg(self.raw), ..self }
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident),*) => {$(
        impl<S: Lanes> $trait for Real<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self { raw: self.lanes.$method(self.raw, other.raw), ..self }
            }
        }

        impl<S: Lanes> $trait<f64> for Real<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                self.$method(self.constant(other))
            }
        }
    )*};
}

operator!(Add add, Sub sub, Mul mul, Div div);
