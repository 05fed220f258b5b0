//! Random cases that are the same on every machine, and the rows of reference files.
#![allow(unreachable_pub, dead_code, reason = "shared by test crates that use different parts")]

use std::path::PathBuf;
use units::math::ln;

/// xorshift64*.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn unit(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * ln(square) / square).sqrt();
            }
        }
    }
}

/// A reference file, or `None` (said on stderr; a failure under CI) where it is absent.
#[allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests find and read the shared reference data, and name what is absent"
)]
pub fn text(test: &str, file: &str) -> Option<String> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("TRIMTAB_SHARED").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(shared.join("reference/pricing").join(file)) else {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test}: shared data absent under CI");
        eprintln!("skipped: {test}: shared data absent");
        return None;
    };
    Some(text)
}

/// The rows of a reference file without its header; absent as [`text`].
pub fn rows(test: &str, file: &str) -> Option<Vec<Vec<String>>> {
    let text = text(test, file)?;
    Some(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}
