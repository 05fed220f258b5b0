//! Structures of options: what a policy trades where it names no instrument.

use units::{Duration, OptionRight, Qty, Ratio};

/// Legs of a structure at most.
pub const LEGS_MAX: usize = 8;

/// Options in a fixed proportion that are traded as one instrument: chosen when a campaign opens, replaced when it rolls.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// Venue and underlying of the options, as symbols begin: `deribit:BTC`, or `deribit:BTC_USDC` for those paid in USDC.
    pub chain: String,
    /// From one to [`LEGS_MAX`].
    pub legs: Vec<StructureLeg>,
    /// No leg is chosen whose ask lies further over its bid, as a share of the middle.
    pub max_spread: Option<Ratio>,
    /// No leg is chosen with less open interest.
    pub min_open_interest: Option<Qty>,
    /// When its legs are replaced.
    pub roll: Roll,
    /// How the smile moves with the price of the underlying, for what its volatility is taken to be.
    pub sticky: Sticky,
}

/// One leg of a structure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StructureLeg {
    /// Call or put.
    pub right: OptionRight,
    /// Which strike.
    pub strike: LegStrike,
    /// How long before its expiry it is chosen.
    pub days: Ratio,
    /// Signed contracts for each unit of the structure.
    pub ratio: Qty,
}

/// Which strike a leg has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LegStrike {
    /// The one whose delta is nearest: unadjusted forward delta, without its sign.
    Delta(Ratio),
    /// The one nearest to this share of the forward.
    Moneyness(Ratio),
}

/// When the legs of a structure are replaced by new ones, while its campaign goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roll {
    /// So long before the first of them expires.
    Before(Duration),
    /// Once the first of them was settled.
    AtSettlement,
    /// Never: the campaign ends when they are settled.
    Never,
}

pub use pricing::surface::Sticky;

/// What stands in the symbol of a structure between its chain and the policy's name.
pub(crate) const MARK: &str = "-STRUCTURE";

impl Structure {
    /// The quantity grid and the smallest order of a structure whose legs have these: the least quantities of which every leg is a
    /// whole number of lots, and no order of a leg is too small. `None`: there are none that can be told.
    #[must_use]
    pub fn grid(&self, lot: Qty, min_qty: Qty) -> Option<(Qty, Qty)> {
        let mut whole: i128 = 1;
        for leg in &self.legs {
            // The least q with ratio × q a multiple of the lot: lot × ONE ÷ gcd(ratio, lot × ONE).
            let (ratio, step) = (i128::from(leg.ratio.raw().abs()), i128::from(lot.raw()) * i128::from(Qty::ONE));
            if ratio == 0 || step <= 0 {
                return None;
            }
            let least = step / gcd(ratio, step);
            whole = whole.checked_mul(least)? / gcd(whole, least);
        }
        let smallest = self.legs.iter().map(|leg| i128::from(leg.ratio.raw().abs())).min()?;
        // Rounded up to whole lots of the structure.
        let needed = (i128::from(min_qty.raw().max(1)) * i128::from(Qty::ONE) + smallest - 1) / smallest;
        let min = (needed + whole - 1) / whole * whole;
        Some((Qty::from_raw(i64::try_from(whole).ok()?), Qty::from_raw(i64::try_from(min).ok()?)))
    }

    /// The symbol of the instrument that a policy's structure is: its chain, and the policy's name in what symbols consist of.
    ///
    /// ```
    /// assert_eq!(policy::spec::structure_symbol("deribit:BTC", "Short strangle"), "deribit:BTC-STRUCTURE.short-strangle");
    /// ```
    #[must_use]
    pub fn symbol(&self, policy: &str) -> String {
        structure_symbol(&self.chain, policy)
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// See [`Structure::symbol`].
#[must_use]
pub fn structure_symbol(chain: &str, policy: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    format!("{chain}{MARK}.{}", policy.chars().map(plain).collect::<String>())
}

/// Whether a symbol is that of a structure.
#[must_use]
pub fn is_structure(symbol: &str) -> bool {
    symbol.split_once(':').is_some_and(|(_, contract)| contract.contains(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_the_least_quantity_of_which_every_leg_is_whole_lots() {
        let qty = |text: &str| text.parse::<Qty>().unwrap();
        let structure = |ratios: &[&str]| {
            let (right, strike) = (OptionRight::Call, LegStrike::Delta(Ratio::default()));
            let leg = |ratio: &&str| StructureLeg { right, strike, days: Ratio::default(), ratio: qty(ratio) };
            let (max_spread, min_open_interest, roll) = (None, None, Roll::Never);
            let legs = ratios.iter().map(leg).collect();
            Structure { chain: String::new(), legs, max_spread, min_open_interest, roll, sticky: Sticky::default() }
        };
        let grid = |ratios: &[&str], min: &str| structure(ratios).grid(qty("0.1"), qty(min));
        let some = |lot: &str, min: &str| Some((qty(lot), qty(min)));
        assert_eq!(grid(&["1", "-1"], "0.1"), some("0.1", "0.1"));
        assert_eq!(grid(&["1", "-2"], "0.1"), some("0.1", "0.1"));
        assert_eq!(grid(&["1", "-0.5"], "0.1"), some("0.2", "0.2"));
        assert_eq!(grid(&["1.5", "1"], "0.1"), some("0.2", "0.2"));
        assert_eq!(grid(&["1", "0"], "0.1"), None);
        assert_eq!(grid(&["1"], "0.25"), some("0.1", "0.3"));
    }
}
