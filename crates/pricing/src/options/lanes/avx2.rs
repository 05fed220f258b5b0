//! Four numbers at a time with AVX2 and fused multiply-add.
#![allow(
    unsafe_code,
    reason = "intrinsics may be called only where the processor has them; the token proves that it does"
)]

use super::{Block, LANES, Lanes, ROW, Work};
use std::arch::x86_64::{
    __m256d, __m256i, _CMP_EQ_OQ, _CMP_LT_OQ, _mm_load_pd, _mm256_add_epi64, _mm256_add_pd, _mm256_and_pd,
    _mm256_and_si256, _mm256_andnot_pd, _mm256_blendv_pd, _mm256_castpd_si256, _mm256_castpd128_pd256,
    _mm256_castsi256_pd, _mm256_cmp_pd, _mm256_div_pd, _mm256_fmadd_pd, _mm256_fnmadd_pd, _mm256_insertf128_pd,
    _mm256_load_pd, _mm256_movemask_pd, _mm256_mul_pd, _mm256_or_si256, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_slli_epi64, _mm256_sqrt_pd, _mm256_srli_epi64, _mm256_store_pd, _mm256_sub_epi64, _mm256_sub_pd,
    _mm256_unpackhi_pd, _mm256_unpacklo_pd, _mm256_xor_pd,
};

/// Four lanes. Exists only where the processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx2(());

impl Avx2 {
    /// `None` if the processor lacks one of them.
    pub(in super::super) fn new() -> Option<Self> {
        let has = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        has.then_some(Self(()))
    }
}

impl Avx2 {
    /// Of part `part` of four columns, lane `i` of each, in order, becomes vector `i`. Halves are put together as they are loaded, which
    /// takes no shuffle.
    #[inline(always)]
    fn four_transposed(self, [a, b, c, d]: [&Block; 4], part: usize) -> [__m256d; 4] {
        assert!(part < LANES / Self::WIDTH);
        // SAFETY: the token proves that the processor has the instructions, and a half of the part lies inside the block, as the part
        // does (just checked); a block is aligned to 64 bytes.
        unsafe {
            // The same half of two columns.
            macro_rules! halves {
                ($low:expr, $high:expr, $half:literal) => {{
                    let at = part * Self::WIDTH + $half * 2;
                    let low = _mm256_castpd128_pd256(_mm_load_pd($low.0.as_ptr().add(at)));
                    _mm256_insertf128_pd::<1>(low, _mm_load_pd($high.0.as_ptr().add(at)))
                }};
            }
            let (ac, bd) = (halves!(a, c, 0), halves!(b, d, 0));
            let (other_ac, other_bd) = (halves!(a, c, 1), halves!(b, d, 1));
            [
                _mm256_unpacklo_pd(ac, bd),
                _mm256_unpackhi_pd(ac, bd),
                _mm256_unpacklo_pd(other_ac, other_bd),
                _mm256_unpackhi_pd(other_ac, other_bd),
            ]
        }
    }
}

/// A method that is one intrinsic, or a few nested.
macro_rules! intrinsic {
    ($name:ident($($argument:ident: $type:ty),*) -> $result:ty = $body:expr) => {
        #[inline(always)]
        fn $name(self, $($argument: $type),*) -> $result {
            // SAFETY: a token is made only where the processor has the instructions, and none of these reads memory.
            unsafe { $body }
        }
    };
}

impl Lanes for Avx2 {
    type Raw = __m256d;
    type Bits = __m256i;
    type Mask = __m256d;
    type Row = [__m256d; ROW / 4];
    const WIDTH: usize = 4;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<W: Work>(lanes: Avx2, work: W) -> W::Output {
            work.run(lanes)
        }
        // SAFETY: `new` made the token after it saw that the processor has these features.
        unsafe { compiled(self, work) }
    }

    #[inline(always)]
    fn load(self, block: &Block, part: usize) -> __m256d {
        assert!(part < LANES / Self::WIDTH);
        // SAFETY: the part lies inside the block (just checked), and a block is aligned to 64 bytes.
        unsafe { _mm256_load_pd(block.0.as_ptr().add(part * Self::WIDTH)) }
    }

    #[inline(always)]
    fn store(self, value: __m256d, block: &mut Block, part: usize) {
        assert!(part < LANES / Self::WIDTH);
        // SAFETY: the part lies inside the block (just checked), and a block is aligned to 64 bytes.
        unsafe { _mm256_store_pd(block.0.as_mut_ptr().add(part * Self::WIDTH), value) }
    }

    intrinsic!(splat(value: f64) -> __m256d = _mm256_set1_pd(value));
    intrinsic!(add(a: __m256d, b: __m256d) -> __m256d = _mm256_add_pd(a, b));
    intrinsic!(sub(a: __m256d, b: __m256d) -> __m256d = _mm256_sub_pd(a, b));
    intrinsic!(mul(a: __m256d, b: __m256d) -> __m256d = _mm256_mul_pd(a, b));
    intrinsic!(div(a: __m256d, b: __m256d) -> __m256d = _mm256_div_pd(a, b));
    intrinsic!(sqrt(a: __m256d) -> __m256d = _mm256_sqrt_pd(a));
    intrinsic!(fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d = _mm256_fmadd_pd(a, b, c));
    intrinsic!(neg_fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d = _mm256_fnmadd_pd(a, b, c));
    intrinsic!(abs(a: __m256d) -> __m256d = _mm256_andnot_pd(_mm256_set1_pd(-0.0), a));
    intrinsic!(neg(a: __m256d) -> __m256d = _mm256_xor_pd(_mm256_set1_pd(-0.0), a));
    intrinsic!(less(a: __m256d, b: __m256d) -> __m256d = _mm256_cmp_pd::<_CMP_LT_OQ>(a, b));
    intrinsic!(equal(a: __m256d, b: __m256d) -> __m256d = _mm256_cmp_pd::<_CMP_EQ_OQ>(a, b));
    intrinsic!(select(mask: __m256d, yes: __m256d, no: __m256d) -> __m256d = _mm256_blendv_pd(no, yes, mask));
    intrinsic!(both(a: __m256d, b: __m256d) -> __m256d = _mm256_and_pd(a, b));
    intrinsic!(either(a: __m256d, b: __m256d) -> __m256d = _mm256_xor_pd(a, b));
    intrinsic!(not(a: __m256d) -> __m256d = _mm256_xor_pd(a, _mm256_castsi256_pd(_mm256_set1_epi64x(-1))));
    intrinsic!(mask_bits(mask: __m256d) -> u32 = _mm256_movemask_pd(mask).cast_unsigned());
    intrinsic!(bits_of(a: __m256d) -> __m256i = _mm256_castpd_si256(a));
    intrinsic!(of_bits(a: __m256i) -> __m256d = _mm256_castsi256_pd(a));
    intrinsic!(bits_splat(value: u64) -> __m256i = _mm256_set1_epi64x(value.cast_signed()));
    intrinsic!(bits_add(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi64(a, b));
    intrinsic!(bits_sub(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi64(a, b));
    intrinsic!(bits_and(a: __m256i, b: __m256i) -> __m256i = _mm256_and_si256(a, b));
    intrinsic!(bits_or(a: __m256i, b: __m256i) -> __m256i = _mm256_or_si256(a, b));
    intrinsic!(bits_up(a: __m256i) -> __m256i = _mm256_slli_epi64::<52>(a));
    intrinsic!(bits_down(a: __m256i) -> __m256i = _mm256_srli_epi64::<52>(a));

    // No closures below: one that is not inlined is compiled without the instructions.

    #[inline(always)]
    fn no_row(self) -> Self::Row {
        [self.splat(0.0); ROW / 4]
    }

    #[inline(always)]
    fn load_row(self, block: &Block) -> Self::Row {
        [self.load(block, 0), self.load(block, 1), self.load(block, 2)]
    }

    #[inline(always)]
    fn store_row(self, row: Self::Row, block: &mut Block) {
        self.store(row[0], block, 0);
        self.store(row[1], block, 1);
        self.store(row[2], block, 2);
    }

    #[inline(always)]
    fn add_rows(self, a: Self::Row, b: Self::Row) -> Self::Row {
        [self.add(a[0], b[0]), self.add(a[1], b[1]), self.add(a[2], b[2])]
    }

    #[inline(always)]
    fn rows(self, [a, b, c, d, e, f, g, h, i, j, k, l]: &[Block; ROW], part: usize) -> [Self::Row; LANES] {
        let first = self.four_transposed([a, b, c, d], part);
        let second = self.four_transposed([e, f, g, h], part);
        let third = self.four_transposed([i, j, k, l], part);
        let mut rows = [[first[0], second[0], third[0]]; LANES];
        for lane in 1..4 {
            rows[lane] = [first[lane], second[lane], third[lane]];
        }
        rows
    }
}
