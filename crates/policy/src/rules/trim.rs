//! What is worth an order: buffer, lots, minimum order.

use super::{collateral, dust_at, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts};
use crate::rule::{Arg, Because, Rule, Target, Verdict};
use crate::spec::{BufferTo, Resize, Trade};
use units::{Qty, Round};

/// Rounds the target toward zero to lots; holds back discretionary changes that are too small. Exits, cuts and flips
/// ignore the buffer.
pub(crate) struct TrimRule {
    pub(crate) trade: Trade,
    pub(crate) resize: Resize,
    /// The size is of a total that coins in the account are a part of.
    pub(crate) counts_collateral: bool,
}

const READS: &[FactId] = &[
    facts::POSITION.id(),
    facts::PEAK.id(),
    facts::PRICE.id(),
    facts::CONTRACT.id(),
    facts::LOT.id(),
    facts::MIN_QTY.id(),
    facts::COLLATERAL.id(),
    facts::COLLATERAL_SHARE.id(),
    facts::DUST.id(),
];

impl Rule for TrimRule {
    fn name(&self) -> &'static str {
        "trim"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        let (Some(lot), Some(least)) = (facts.get(facts::LOT), facts.get(facts::MIN_QTY)) else {
            return Verdict::keep(proposed);
        };
        let least = least.max(self.trade.min_order.unwrap_or_default());
        if let Some(add) = because.add().filter(|add| add.qty.abs() < least) {
            because.set_add(None);
            let numbers = [Arg::Count(add.unit), Arg::Qty(add.qty.abs()), Arg::Qty(least)];
            because.refused_add(add, "unit {} refused: {} is under the smallest order {}", numbers);
        }
        let dust = if self.trade.dust.is_some() { self.dust(facts) } else { Qty::ZERO };
        if proposed.qty == held || proposed.qty.is_zero() {
            return match self.is_remainder(facts, held) && held.abs() < dust && !proposed.qty.is_zero() {
                true => closed(held, dust, proposed, because),
                false => Verdict::keep(proposed),
            };
        }
        // An increase that a limit has lowered is still an increase: only what a limit takes away cannot wait.
        let cut = because.is_urgent() && proposed.qty.abs() < held.abs();
        let stays = Verdict { target: Target { qty: held, ..proposed }, outcome: crate::Outcome::Held };
        let (mut qty, asked, mut buffered) = (proposed.qty, (proposed.qty - held).abs(), None);
        if !cut
            && self.resize == Resize::Continuous
            && same_side(qty, held)
            && let Some(buffer) = self.trade.buffer
        {
            let counted = if self.counts_collateral { collateral::counted(facts) } else { Qty::ZERO };
            let full = (proposed.base + counted).abs();
            let width = full.scaled(buffer.get(), Round::TowardZero).unwrap_or_default();
            if asked <= width {
                because.say("change {} is inside the buffer of {}", [Arg::Qty(asked), Arg::Qty(width)]);
                return stays;
            }
            if self.trade.buffer_to == BufferTo::Edge {
                qty = if qty > held { qty - width } else { qty + width };
                buffered = Some(width);
            }
        }
        let rounded = rounded(qty, held, lot, least, dust);
        let change = (rounded - held).abs();
        if change < least && !rounded.is_zero() && (!cut || change.is_zero()) {
            // Of what is less than a lot nothing is left of the change.
            let shown = |exact: Qty| Arg::Qty(if exact < least { exact } else { change });
            let (exact, least) = ((qty - held).abs(), Arg::Qty(least));
            match buffered {
                Some(width) => {
                    let numbers = [Arg::Qty(asked), shown(exact), Arg::Qty(width), least];
                    because.say("change {} is {} beyond the buffer of {}, under the smallest order {}", numbers);
                }
                None => because.say("change {} is under the smallest order {}", [shown(exact), least]),
            }
            return stays;
        }
        if rounded == proposed.qty {
            return Verdict::keep(proposed);
        }
        if rounded.is_zero() && held.is_zero() {
            because.say("no entry: {} is under the smallest order {}", [Arg::Qty(proposed.qty.abs()), Arg::Qty(least)]);
            return Verdict::refuse(Target { qty: rounded, ..proposed });
        }
        because.say("toward zero, lot {}", [Arg::Qty(lot)]);
        Verdict::set(Target { qty: rounded, ..proposed })
    }

    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        region.rest();
        // The price only tells what is dust, and what coins come to.
        if self.trade.dust.is_none() && facts.get(facts::COLLATERAL).is_none() {
            region.free(&[facts::PRICE.id()]);
        }
        true
    }
}

impl TrimRule {
    /// What is less than the policy's dust now.
    fn dust(&self, facts: &Facts) -> Qty {
        facts.get(facts::PRICE).map_or(Qty::ZERO, |price| dust_at(facts, self.trade.dust, price))
    }

    /// Whether something was taken off already: an entry that is still small is no remainder.
    fn is_remainder(&self, facts: &Facts, held: Qty) -> bool {
        self.trade.dust.is_some() && facts.get(facts::PEAK).is_some_and(|peak| held.abs() < peak.abs())
    }
}

fn closed(held: Qty, dust: Qty, proposed: Target, because: &mut Because) -> Verdict {
    because.set_add(None);
    because.say("the remainder {} is dust, less than {}: closed", [Arg::Qty(held.abs()), Arg::Qty(dust)]);
    Verdict::set(Target { qty: Qty::ZERO, ..proposed })
}

/// Toward zero to lots. A reduction is at least the smallest order, and one that would leave less than that or dust closes all;
/// an entry under it is none.
fn rounded(qty: Qty, held: Qty, lot: Qty, least: Qty, dust: Qty) -> Qty {
    let rounded = qty.to_lot(lot, Round::TowardZero);
    let reduces = same_side(qty, held) && qty.abs() < held.abs();
    if !reduces {
        return if rounded.abs() < least && !same_side(qty, held) { Qty::ZERO } else { rounded };
    }
    let reduction = (held - rounded).abs().max(least);
    let left = held.abs().raw() - reduction.raw();
    let kept = if left < least.max(dust).raw() { Qty::ZERO } else { Qty::from_raw(left) };
    if held.signum() < 0 { -kept } else { kept }
}
