//! Which instructions are used. The results are the same bits for all.

use super::lanes::{Lanes, Work, scalar::AnyScalar};
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2::Avx2, avx512::Avx512, scalar::FusedScalar, two::Two};
use std::fmt;
use std::str::FromStr;

/// A set of instructions that this processor has. Chosen at run time; every choice gives the same bits.
#[derive(Debug, Clone, Copy)]
pub struct Simd(Set);

#[derive(Debug, Clone, Copy)]
enum Set {
    Any(AnyScalar),
    #[cfg(target_arch = "x86_64")]
    Fused(FusedScalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// The name of a set of instructions, on any processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimdName {
    /// One number at a time, with the processor's fused multiply-add if it has one.
    Scalar,
    /// Four at a time.
    Avx2,
    /// Eight at a time.
    Avx512,
}

impl SimdName {
    /// All, the slowest first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];
}

impl fmt::Display for SimdName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

impl FromStr for SimdName {
    type Err = UnknownSimd;

    fn from_str(text: &str) -> Result<Self, UnknownSimd> {
        Self::ALL.into_iter().find(|name| name.to_string() == text).ok_or_else(|| UnknownSimd(text.to_owned()))
    }
}

/// A name that no set of instructions has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSimd(String);

impl fmt::Display for UnknownSimd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no set of instructions; they are `scalar`, `avx2` and `avx512`", self.0)
    }
}

impl std::error::Error for UnknownSimd {}

impl Simd {
    /// The fastest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        SimdName::ALL.into_iter().rev().find_map(Self::new).unwrap_or(Self::portable())
    }

    /// The set of this name. `None` if this processor lacks it; `Scalar` is always there.
    #[must_use]
    pub fn new(name: SimdName) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let set = match name {
            SimdName::Scalar => FusedScalar::new().map(Set::Fused).or(Some(Set::Any(AnyScalar))),
            SimdName::Avx2 => Avx2::new().map(Set::Avx2),
            SimdName::Avx512 => Avx512::new().map(Set::Avx512),
        };
        #[cfg(not(target_arch = "x86_64"))]
        let set = (name == SimdName::Scalar).then_some(Set::Any(AnyScalar));
        set.map(Self)
    }

    /// One number at a time without anything that not every processor has; slow where the fused multiply-add is software.
    #[must_use]
    pub fn portable() -> Self {
        Self(Set::Any(AnyScalar))
    }

    #[inline]
    pub(super) fn enter<W: Work>(self, work: W) -> W::Output {
        match self.0 {
            Set::Any(lanes) => lanes.enter(work),
            #[cfg(target_arch = "x86_64")]
            Set::Fused(lanes) => lanes.enter(work),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(lanes) => lanes.enter(work),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(lanes) => lanes.enter(work),
        }
    }

    /// As [`Self::enter`], but two vectors of AVX-512 side by side: for work that fits into its thirty-two registers twice.
    #[inline]
    pub(super) fn enter_wide<W: Work>(self, work: W) -> W::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(lanes) => Two(lanes).enter(work),
            _ => self.enter(work),
        }
    }
}
