//! Stops, rungs and adds at the places that the policy declares.

use super::Walk;
use crate::audit::finding::At;
use crate::audit::live::{For, Live};
use policy::spec::{FractionOf, Resize};

impl Walk<'_> {
    /// Stops, rungs and adds at their declared places.
    pub(super) fn terms(&mut self, row: usize, market: usize, order: &Live) {
        let told = &self.tables.orders[row];
        let at = At::order(row, told);
        let Some(index) = order.seat else { return };
        let (tick, lot) = (self.markets[market].tick, self.markets[market].lot);
        let seat = &mut self.seats[index];
        let policy = &self.policies[seat.strategy];
        let held = seat.held;
        let Some(camp) = &mut seat.camp else { return };
        match order.purpose {
            For::Stop if order.trigger.is_some() => {
                let level = order.trigger.unwrap_or_default();
                let holds = camp.stop.is_none_or(|before| camp.is_no_worse(level, before));
                self.found.ensure("stop.moved", holds, at, || {
                    format!("the stop moves from {} to {level}, against the position", camp.stop.unwrap_or_default())
                });
                let before = camp.best;
                let mut after = camp.clone();
                if let Some(bar) = self.markets[market].now.bar {
                    after.see(bar.high, bar.low);
                }
                for trade in &self.markets[market].now.trades {
                    after.see(*trade, *trade);
                }
                let best = after.best;
                let declared = camp.may_stop_at(policy, level, (before, best), tick);
                self.found.ensure("stop.level", declared, at, || {
                    format!(
                        "the policy has no stop at {level}: entry {}, best price {best}, last stop {:?}",
                        camp.entry, camp.stop
                    )
                });
                camp.stop = Some(level);
            }
            For::Add(unit) if order.trigger.is_some() => {
                let level = order.trigger.unwrap_or_default();
                if camp.adopted {
                    return;
                }
                let next = camp.next_level(policy, tick);
                let is_reckoned = policy.pyramid.as_ref().is_some_and(|pyramid| pyramid.step.declared().is_none());
                let fits = is_reckoned || next.is_some_and(|(_, expected)| (expected - level).abs() <= tick);
                self.found.ensure("add.level", fits, at, || match next {
                    Some((next, expected)) => {
                        format!("unit {unit} waits at {level}; unit {} is due at {expected}", next + 1)
                    }
                    None => format!("unit {unit} waits at {level}, and no unit is left"),
                });
                if policy.size.resize == Resize::Entry && seat.alone && camp.base.is_some() {
                    let base = camp.base.unwrap_or_default().abs().approximate();
                    // Wins in a row make the base larger than the plan's first steps.
                    let streak = policy.streak.map_or(1.0, |streak| streak.cap.get().max(1.0));
                    let most = base * streak * camp.shares_up_to(policy, unit) + lot.approximate();
                    let fits = order.open().approximate() <= most * (1.0 + 1e-9);
                    self.found.ensure("add.size", fits, at, || {
                        format!("unit {unit} adds {}; its share of {base} is at most {most}", order.open())
                    });
                }
            }
            For::Rung(rung) => {
                let Some(ladder) = &policy.ladder else {
                    self.found.ensure("rung.level", false, at, || "the policy has no ladder".to_owned());
                    return;
                };
                let Some(declared) = ladder.rungs.get(usize::from(rung)) else {
                    self.found.ensure("rung.level", false, at, || format!("the ladder has no rung {}", rung + 1));
                    return;
                };
                let used = camp.rungs & (1 << rung) != 0;
                self.found.ensure("rung.twice", !used, at, || format!("rung {} was used before", rung + 1));
                if let (Some(price), false) = (order.price, camp.adopted) {
                    let expected = camp.rung_price(declared.at, tick);
                    let fits = expected.is_some_and(|expected| (expected - price).abs() <= tick);
                    self.found.ensure("rung.level", fits, at, || {
                        format!("rung {} rests at {price}, the ladder says {:?}", rung + 1, expected)
                    });
                }
                let whole = match ladder.of {
                    FractionOf::First => camp.first,
                    FractionOf::Peak => camp.peak,
                    FractionOf::Current => held,
                };
                let least = self.markets[market].min_qty.max(policy.trade.min_order.unwrap_or_default());
                let part = whole.abs().approximate() * declared.fraction + lot.approximate();
                // What would leave too little takes all that is left.
                let small = least.max(lot).approximate() * 2.0;
                let takes = order.open().approximate();
                let fits =
                    takes <= part.max(small) * (1.0 + 1e-9) || policy.trade.dust.is_some() || takes <= part + small;
                let fits = fits && order.open() <= held.abs();
                self.found.ensure("rung.size", fits, at, || {
                    format!(
                        "rung {} takes {} of {held}; {} of {whole} is {part}",
                        rung + 1,
                        order.open(),
                        declared.fraction
                    )
                });
            }
            _ => {}
        }
    }
}
