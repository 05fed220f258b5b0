//! Where an answer becomes another as one thing moves away from where it is.
//!
//! An answer is compared with the one that is given anyway, where nothing moves: what acts regardless of the thing that moves says nothing
//! about it. Kinds of commands and refusals are compared, and the size that follows: a jump of it is a change though both send an order.

use super::copies::{Answered, Kind};
use crate::Error;
use engine::Purpose;
use units::Qty;

/// Changes that are told on each side.
pub(super) const CHANGES_MAX: usize = 12;
/// What of a size a difference is looked into from.
const MATERIAL: f64 = 0.02;
/// What of a size is a jump where it comes at once.
const JUMP: f64 = 0.01;
/// What of a size is told where it comes little by little.
const FOLLOWED: f64 = 0.10;
/// Changes that are looked for between two places that are compared, at most: a size that comes from nothing makes fifty.
const ROUNDS: usize = 64;

/// What is compared of an answer.
#[derive(Clone)]
struct Seen {
    kinds: Vec<Kind>,
    after: Qty,
}

impl Seen {
    fn of(answered: &Answered) -> Self {
        Self { kinds: answered.kinds.clone(), after: answered.after }
    }

    fn differs(&self, other: &Self, (lot, whole): (Qty, Qty)) -> bool {
        self.kinds != other.kinds || are_apart(self.after, other.after, MATERIAL, (lot, whole))
    }

    /// What is sent and refused beside a size that follows the market.
    fn firm(&self) -> Vec<Kind> {
        let follows = |(_, purpose, _): &&Kind| matches!(purpose, Purpose::Resize | Purpose::Hedge);
        self.kinds.iter().filter(|kind| !follows(kind)).copied().collect()
    }
}

/// Whether two sizes differ by more than a lot, and by a share of the largest of them and of a whole.
fn are_apart(a: Qty, b: Qty, share: f64, (lot, whole): (Qty, Qty)) -> bool {
    let gap = (a - b).abs();
    gap > lot && gap.approximate() >= share * a.abs().max(b.abs()).max(whole).approximate()
}

/// Whether what is done leaves about what was held.
pub(super) fn is_trivial(before: Qty, after: Qty, lot: Qty) -> bool {
    !are_apart(before, after, MATERIAL, (lot, Qty::ZERO))
}

/// Where the answer becomes another on the way along places from 0, in order, with what it is there. `ask` answers at a place; `None`:
/// nothing more is to be learnt there. What a size does little by little is told by tenths of it, and small trades that follow the market
/// once.
pub(super) fn changes(
    places: impl Iterator<Item = i64>,
    anyway: &Answered,
    lot: Qty,
    ask: &mut dyn FnMut(i64) -> Result<Option<Answered>, Error>,
) -> Result<Vec<(i64, Answered)>, Error> {
    let mut found: Vec<(i64, Answered)> = Vec::new();
    let mut last = (0, Seen::of(anyway));
    let mut seen = Vec::new();
    for place in places {
        let Some(there) = ask(place)? else { break };
        seen.push((place, Seen::of(&there)));
    }
    // Where nothing is held anyway, sizes are measured by the largest one on this side.
    let largest = seen.iter().map(|(_, seen)| seen.after.abs()).max().unwrap_or_default();
    let whole = if anyway.after.is_zero() { largest } else { anyway.after.abs() };
    let measure = (lot, whole);
    let mut told = anyway.after;
    let mut trades = anyway.trades();
    let mut acts = !anyway.kinds.is_empty();
    for (place, there) in seen {
        for _ in 0..ROUNDS {
            if !there.differs(&last.1, measure) {
                break;
            }
            let (mut same, mut other) = (last.0, place);
            let mut before = last.1.clone();
            while (other - same).abs() > 1 {
                let middle = same + (other - same) / 2;
                let seen = ask(middle)?.map(|answered| Seen::of(&answered));
                match seen {
                    Some(seen) if !seen.differs(&last.1, measure) => (same, before) = (middle, seen),
                    _ => other = middle,
                }
            }
            let Some(answered) = ask(other)? else { break };
            let seen = Seen::of(&answered);
            let is_firm = seen.firm() != before.firm() || are_apart(seen.after, before.after, JUMP, measure);
            let is_told = match is_firm {
                true => true,
                false if answered.trades() && !trades => true,
                false => are_apart(seen.after, told, FOLLOWED, measure),
            };
            // That nothing is done is told where something would be otherwise.
            if is_told && (acts || !answered.kinds.is_empty()) {
                told = answered.after;
                trades |= answered.trades();
                acts = !answered.kinds.is_empty();
                found.push((other, answered));
                if found.len() == CHANGES_MAX {
                    return Ok(found);
                }
            }
            last = (other, seen);
        }
        last.0 = place;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    const LOT: Qty = Qty::from_raw(Qty::ONE / 1_000);

    /// An answer that resizes to so many thousandths wherever it is asked.
    fn resized(lots: i64) -> Answered {
        Answered { kinds: vec![(0, Purpose::Resize, 0)], after: Qty::from_raw(LOT.raw() * lots), ..Answered::default() }
    }

    fn places(size: impl Fn(i64) -> i64) -> Vec<(i64, i64)> {
        let found = changes((1..=50).map(|step| step * 200), &resized(size(0)), LOT, &mut |place| {
            Ok(Some(resized(size(place))))
        });
        found.unwrap().into_iter().map(|(place, answered)| (place, answered.after.raw() / LOT.raw())).collect()
    }

    #[test]
    fn a_jump_of_what_is_done_anyway_is_found_to_the_place() {
        assert_eq!(places(|place| if place < 3_456 { 600 + place / 2_000 } else { 200 }), [(3_456, 200)]);
        // One that is undone further out is found too, and one that comes back to what is done anyway.
        assert_eq!(places(|place| if (777..5_001).contains(&place) { 500 } else { 600 }), [(777, 500), (5_001, 600)]);
    }

    #[test]
    fn a_size_that_follows_is_told_by_tenths() {
        let told = places(|place| 600 - place / 50);
        assert_eq!(told.iter().map(|(_, lots)| *lots).collect::<Vec<_>>(), [540, 480, 420], "{told:?}");
        assert_eq!(places(|_| 600), []);
    }
}
