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
