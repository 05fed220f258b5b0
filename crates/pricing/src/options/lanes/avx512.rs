//! Eight numbers at a time with AVX-512.
#![allow(
    unsafe_code,
    reason = "intrinsics may be called only where the processor has them; the token proves that it does"
)]

use super::{Block, LANES, Lanes, ROW, Work};
use std::arch::x86_64::{
    __m256d, __m512d, __m512i, __mmask8, _CMP_EQ_OQ, _CMP_LT_OQ, _mm_load_pd, _mm256_add_pd, _mm256_castpd128_pd256,
    _mm256_insertf128_pd, _mm256_load_pd, _mm256_setzero_pd, _mm256_store_pd, _mm256_unpackhi_pd, _mm256_unpacklo_pd,
    _mm512_add_epi64, _mm512_add_pd, _mm512_and_si512, _mm512_andnot_pd, _mm512_castpd_si512, _mm512_castpd256_pd512,
    _mm512_castsi512_pd, _mm512_cmp_pd_mask, _mm512_div_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd, _mm512_insertf64x4,
    _mm512_load_pd, _mm512_mask_blend_pd, _mm512_mul_pd, _mm512_or_si512, _mm512_set1_epi64, _mm512_set1_pd,
    _mm512_setzero_pd, _mm512_shuffle_f64x2, _mm512_slli_epi64, _mm512_sqrt_pd, _mm512_srli_epi64, _mm512_store_pd,
    _mm512_sub_epi64, _mm512_sub_pd, _mm512_unpackhi_pd, _mm512_unpacklo_pd, _mm512_xor_pd,
};

/// Eight lanes. Exists only where the processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Avx512(());

impl Avx512 {
    /// `None` if the processor lacks one of them.
    pub(in super::super) fn new() -> Option<Self> {
        let has = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512dq")
            && std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma");
        has.then_some(Self(()))
    }
}

impl Avx512 {
    /// Of part `part` of eight columns, lane `i` of each, in order, becomes vector `i`. Halves are put together as they are loaded, which
    /// takes no shuffle.
    #[inline(always)]
    fn eight_transposed(self, [a, b, c, d, e, f, g, h]: [&Block; 8], part: usize) -> [__m512d; 8] {
        assert!(part < LANES / Self::WIDTH);
        // SAFETY: the token proves that the processor has the instructions, and a half of the part lies inside the block (just checked),
        // which is aligned to 64 bytes.
        unsafe {
            // The same half of two columns.
            macro_rules! halves {
                ($low:expr, $high:expr, $half:literal) => {{
                    let at = part * Self::WIDTH + $half * 4;
                    let low = _mm512_castpd256_pd512(_mm256_load_pd($low.0.as_ptr().add(at)));
                    _mm512_insertf64x4::<1>(low, _mm256_load_pd($high.0.as_ptr().add(at)))
                }};
            }
            let mut rows = [_mm512_setzero_pd(); 8];
            macro_rules! four {
                ($half:literal, $first:literal) => {
                    let (ac, bd) = (halves!(a, c, $half), halves!(b, d, $half));
                    let (eg, fh) = (halves!(e, g, $half), halves!(f, h, $half));
                    // Pairs of neighbours, of even lanes and of odd ones; then their quarters: the first and third of both, or the others.
                    let (low, high) = (_mm512_unpacklo_pd(ac, bd), _mm512_unpacklo_pd(eg, fh));
                    rows[$first] = _mm512_shuffle_f64x2::<0x88>(low, high);
                    rows[$first + 2] = _mm512_shuffle_f64x2::<0xdd>(low, high);
                    let (low, high) = (_mm512_unpackhi_pd(ac, bd), _mm512_unpackhi_pd(eg, fh));
                    rows[$first + 1] = _mm512_shuffle_f64x2::<0x88>(low, high);
                    rows[$first + 3] = _mm512_shuffle_f64x2::<0xdd>(low, high);
                };
            }
            four!(0, 0);
            four!(1, 4);
            rows
        }
    }

    /// The same of four columns.
    #[inline(always)]
    fn four_transposed(self, [a, b, c, d]: [&Block; 4], part: usize) -> [__m256d; 8] {
        assert!(part < LANES / Self::WIDTH);
        // SAFETY: as above, with a quarter of the part.
        unsafe {
            // The same quarter of two columns.
            macro_rules! quarters {
                ($low:expr, $high:expr, $quarter:literal) => {{
                    let at = part * Self::WIDTH + $quarter * 2;
                    let low = _mm256_castpd128_pd256(_mm_load_pd($low.0.as_ptr().add(at)));
                    _mm256_insertf128_pd::<1>(low, _mm_load_pd($high.0.as_ptr().add(at)))
                }};
            }
            let mut rows = [_mm256_setzero_pd(); 8];
            macro_rules! two {
                ($($quarter:literal)*) => {$(
                    let (ac, bd) = (quarters!(a, c, $quarter), quarters!(b, d, $quarter));
                    rows[$quarter * 2] = _mm256_unpacklo_pd(ac, bd);
                    rows[$quarter * 2 + 1] = _mm256_unpackhi_pd(ac, bd);
                )*};
            }
            two!(0 1 2 3);
            rows
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

impl Lanes for Avx512 {
    type Raw = __m512d;
    type Bits = __m512i;
    type Mask = __mmask8;
    type Row = (__m512d, __m256d);
    const WIDTH: usize = 8;

    #[inline(always)]
    fn enter<W: Work>(self, work: W) -> W::Output {
        #[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
        fn compiled<W: Work>(lanes: Avx512, work: W) -> W::Output {
            work.run(lanes)
        }
        // SAFETY: `new` made the token after it saw that the processor has these features.
        unsafe { compiled(self, work) }
    }

    #[inline(always)]
    fn load(self, block: &Block, part: usize) -> __m512d {
        assert!(part < LANES / Self::WIDTH);
        // SAFETY: the part lies inside the block (just checked), and a block is aligned to 64 bytes.
        unsafe { _mm512_load_pd(block.0.as_ptr().add(part * Self::WIDTH)) }
    }

    #[inline(always)]
    fn store(self, value: __m512d, block: &mut Block, part: usize) {
        assert!(part < LANES / Self::WIDTH);
        // SAFETY: the part lies inside the block (just checked), and a block is aligned to 64 bytes.
        unsafe { _mm512_store_pd(block.0.as_mut_ptr().add(part * Self::WIDTH), value) }
    }

    intrinsic!(splat(value: f64) -> __m512d = _mm512_set1_pd(value));
    intrinsic!(add(a: __m512d, b: __m512d) -> __m512d = _mm512_add_pd(a, b));
    intrinsic!(sub(a: __m512d, b: __m512d) -> __m512d = _mm512_sub_pd(a, b));
    intrinsic!(mul(a: __m512d, b: __m512d) -> __m512d = _mm512_mul_pd(a, b));
    intrinsic!(div(a: __m512d, b: __m512d) -> __m512d = _mm512_div_pd(a, b));
    intrinsic!(sqrt(a: __m512d) -> __m512d = _mm512_sqrt_pd(a));
    intrinsic!(fma(a: __m512d, b: __m512d, c: __m512d) -> __m512d = _mm512_fmadd_pd(a, b, c));
    intrinsic!(neg_fma(a: __m512d, b: __m512d, c: __m512d) -> __m512d = _mm512_fnmadd_pd(a, b, c));
    intrinsic!(abs(a: __m512d) -> __m512d = _mm512_andnot_pd(_mm512_set1_pd(-0.0), a));
    intrinsic!(neg(a: __m512d) -> __m512d = _mm512_xor_pd(_mm512_set1_pd(-0.0), a));
    intrinsic!(less(a: __m512d, b: __m512d) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b));
    intrinsic!(equal(a: __m512d, b: __m512d) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b));
    intrinsic!(select(mask: __mmask8, yes: __m512d, no: __m512d) -> __m512d = _mm512_mask_blend_pd(mask, no, yes));
    intrinsic!(bits_of(a: __m512d) -> __m512i = _mm512_castpd_si512(a));
    intrinsic!(of_bits(a: __m512i) -> __m512d = _mm512_castsi512_pd(a));
    intrinsic!(bits_splat(value: u64) -> __m512i = _mm512_set1_epi64(value.cast_signed()));
    intrinsic!(bits_add(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi64(a, b));
    intrinsic!(bits_sub(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi64(a, b));
    intrinsic!(bits_and(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b));
    intrinsic!(bits_or(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512(a, b));
    intrinsic!(bits_up(a: __m512i) -> __m512i = _mm512_slli_epi64::<52>(a));
    intrinsic!(bits_down(a: __m512i) -> __m512i = _mm512_srli_epi64::<52>(a));

    #[inline(always)]
    fn both(self, a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }

    #[inline(always)]
    fn either(self, a: __mmask8, b: __mmask8) -> __mmask8 {
        a ^ b
    }

    #[inline(always)]
    fn not(self, a: __mmask8) -> __mmask8 {
        !a
    }

    #[inline(always)]
    fn mask_bits(self, mask: __mmask8) -> u32 {
        u32::from(mask)
    }

    intrinsic!(no_row() -> (__m512d, __m256d) = (_mm512_setzero_pd(), _mm256_setzero_pd()));
    intrinsic!(add_rows(a: (__m512d, __m256d), b: (__m512d, __m256d)) -> (__m512d, __m256d) =
        (_mm512_add_pd(a.0, b.0), _mm256_add_pd(a.1, b.1)));

    #[inline(always)]
    fn load_row(self, block: &Block) -> Self::Row {
        let numbers = block.0.as_ptr();
        // SAFETY: eight and four numbers lie inside the block, and a block is aligned to 64 bytes.
        unsafe { (_mm512_load_pd(numbers), _mm256_load_pd(numbers.add(8))) }
    }

    #[inline(always)]
    fn store_row(self, (eight, four): Self::Row, block: &mut Block) {
        let numbers = block.0.as_mut_ptr();
        // SAFETY: eight and four numbers lie inside the block, and a block is aligned to 64 bytes.
        unsafe {
            _mm512_store_pd(numbers, eight);
            _mm256_store_pd(numbers.add(8), four);
        }
    }

    #[inline(always)]
    fn rows(self, [a, b, c, d, e, f, g, h, i, j, k, l]: &[Block; ROW], part: usize) -> [Self::Row; LANES] {
        let eights = self.eight_transposed([a, b, c, d, e, f, g, h], part);
        let fours = self.four_transposed([i, j, k, l], part);
        std::array::from_fn(|lane| (eights[lane % 8], fours[lane % 8]))
    }
}
