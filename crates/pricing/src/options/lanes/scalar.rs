//! One number at a time. With the processor's fused multiply-add it is quick; without, the standard library's exact
//! software one gives the same bits slowly.

use super::{Block, LANES, Lanes, ROW, Work};

/// One lane, compiled for the fused multiply-add of the processor. Exists only where the processor has it.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct FusedScalar(());

#[cfg(target_arch = "x86_64")]
impl FusedScalar {
    /// `None` if the processor has no fused multiply-add.
    pub(in super::super) fn new() -> Option<Self> {
        std::arch::is_x86_feature_detected!("fma").then_some(Self(()))
    }
}

/// One lane, compiled for any processor.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct AnyScalar;

/// The arithmetic of one lane, the same text for both.
macro_rules! one_lane {
    () => {
        type Raw = f64;
        type Bits = u64;
        type Mask = bool;
        type Row = [f64; ROW];
        const WIDTH: usize = 1;

        #[inline(always)]
        fn splat(self, value: f64) -> f64 {
            value
        }
        #[inline(always)]
        fn load(self, block: &Block, part: usize) -> f64 {
            block.0[part]
        }
        #[inline(always)]
        fn store(self, value: f64, block: &mut Block, part: usize) {
            block.0[part] = value;
        }
        #[inline(always)]
        fn add(self, a: f64, b: f64) -> f64 {
            a + b
        }
        #[inline(always)]
        fn sub(self, a: f64, b: f64) -> f64 {
            a - b
        }
        #[inline(always)]
        fn mul(self, a: f64, b: f64) -> f64 {
            a * b
        }
        #[inline(always)]
        fn div(self, a: f64, b: f64) -> f64 {
            a / b
        }
        #[inline(always)]
        fn sqrt(self, a: f64) -> f64 {
            a.sqrt()
        }
        #[inline(always)]
        fn fma(self, a: f64, b: f64, c: f64) -> f64 {
            a.mul_add(b, c)
        }
        #[inline(always)]
        fn neg_fma(self, a: f64, b: f64, c: f64) -> f64 {
            (-a).mul_add(b, c)
        }
        #[inline(always)]
        fn abs(self, a: f64) -> f64 {
            a.abs()
        }
        #[inline(always)]
        fn neg(self, a: f64) -> f64 {
            -a
        }
        #[inline(always)]
        fn less(self, a: f64, b: f64) -> bool {
            a < b
        }
        #[inline(always)]
        fn equal(self, a: f64, b: f64) -> bool {
            a == b
        }
        #[inline(always)]
        fn select(self, mask: bool, yes: f64, no: f64) -> f64 {
            if mask { yes } else { no }
        }
        #[inline(always)]
        fn both(self, a: bool, b: bool) -> bool {
            a & b
        }
        #[inline(always)]
        fn either(self, a: bool, b: bool) -> bool {
            a != b
        }
        #[inline(always)]
        fn not(self, a: bool) -> bool {
            !a
        }
        #[inline(always)]
        fn mask_bits(self, mask: bool) -> u32 {
            u32::from(mask)
        }
        #[inline(always)]
        fn bits_of(self, a: f64) -> u64 {
            a.to_bits()
        }
        #[inline(always)]
        fn of_bits(self, a: u64) -> f64 {
            f64::from_bits(a)
        }
        #[inline(always)]
        fn bits_splat(self, value: u64) -> u64 {
            value
        }
        #[inline(always)]
        fn bits_add(self, a: u64, b: u64) -> u64 {
            a.wrapping_add(b)
        }
        #[inline(always)]
        fn bits_sub(self, a: u64, b: u64) -> u64 {
            a.wrapping_sub(b)
        }
        #[inline(always)]
        fn bits_and(self, a: u64, b: u64) -> u64 {
            a & b
        }
        #[inline(always)]
        fn bits_or(self, a: u64, b: u64) -> u64 {
            a | b
        }
        #[inline(always)]
        fn bits_up(self, a: u64) -> u64 {
            a << 52
        }
        #[inline(always)]
        fn bits_down(self, a: u64) -> u64 {
            a >> 52
        }
        #[inline(always)]
        fn no_row(self) -> [f64; ROW] {
            [0.0; ROW]
        }
        #[inline(always)]
        fn load_row(self, block: &Block) -> [f64; ROW] {
            std::array::from_fn(|column| block.0[column])
        }
        #[inline(always)]
        fn store_row(self, row: [f64; ROW], block: &mut Block) {
            block.0[..ROW].copy_from_slice(&row);
        }
        #[inline(always)]
        fn add_rows(self, a: [f64; ROW], b: [f64; ROW]) -> [f64; ROW] {
            std::array::from_fn(|column| a[column] + b[column])
        }
        #[inline(always)]
        fn rows(self, columns: &[Block; ROW], part: usize) -> [[f64; ROW]; LANES] {
            [std::array::from_fn(|column| columns[column].0[part]); LANES]
        }
    };
}

impl Lanes for AnyScalar {
    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        work.run(self)
    }

    one_lane!();
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "a function compiled for a feature may be called only where the processor has it")]
impl Lanes for FusedScalar {
    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        #[target_feature(enable = "fma")]
        fn compiled<W: Work>(lanes: FusedScalar, work: W) -> W::Output {
            work.run(lanes)
        }
        // SAFETY: `new` made the token after it saw that the processor has `fma`.
        unsafe { compiled(self, work) }
    }

    one_lane!();
}
