//! Stops, rungs and adds at the places that the policy declares.

use super::Walk;
use crate::audit::finding::{At, shown};
use crate::audit::live::{For, Live};
use crate::records::FillRow;
use policy::spec::{FractionOf, Resize};

/// A check of an order's terms: its name, whether it holds, and what is told where it does not.
struct Verdict {
    check: &'static str,
    holds: bool,
    text: String,
}

impl Verdict {
    fn new(check: &'static str, holds: bool, text: impl FnOnce() -> String) -> Self {
        Self { check, holds, text: if holds { String::new() } else { text() } }
    }
}

impl Walk<'_> {
    /// Stops, rungs and adds at their declared places.
    pub(super) fn terms(&mut self, row: usize, market: usize, order: &Live) {
        let at = At::order(row, &self.tables.orders[row]);
        for Verdict { check, holds, text } in self.verdicts(market, order) {
            self.found.ensure(check, holds, at, || text);
        }
        let camp = order.seat.and_then(|index| self.seats[index].camp.as_mut());
        if let (Some(camp), For::Stop, Some(level)) = (camp, order.purpose, order.trigger) {
            camp.stop = Some(level);
        }
    }

    /// What an order is changed to was reckoned before or after its strategy crossed with another one inside the book: the rows of
    /// orders do not tell which. Fills by crossing are taken in until the terms fit.
    pub(super) fn crossed_until_fit(&mut self, market: usize, order: &Live) {
        let (Some(index), tables) = (order.seat, self.tables) else { return };
        let name = self.policies[self.seats[index].strategy].name.as_str();
        let is_own = |fill: &FillRow| {
            fill.liquidity == "internal"
                && fill.strategy == name
                && self.by_symbol.get(&fill.instrument) == Some(&market)
        };
        let now = tables.fills[self.next.fill..].iter().take_while(|fill| fill.time <= self.at).enumerate();
        let own: Vec<usize> = now.filter(|(_, fill)| is_own(fill)).map(|(row, _)| self.next.fill + row).collect();
        for row in own {
            if self.verdicts(market, order).iter().all(|verdict| verdict.holds) {
                return;
            }
            self.fills_to(row + 1);
        }
    }

    /// Looks at the terms of an order beside what its campaign is now.
    fn verdicts(&self, market: usize, order: &Live) -> Vec<Verdict> {
        let mut told = Vec::new();
        let Some(index) = order.seat else { return told };
        let (tick, lot) = (self.markets[market].tick, self.markets[market].lot);
        let seat = &self.seats[index];
        let policy = &self.policies[seat.strategy];
        let held = seat.held;
        let Some(camp) = &seat.camp else { return told };
        match order.purpose {
            For::Stop if order.trigger.is_some() => {
                let level = order.trigger.unwrap_or_default();
                let holds = camp.stop.is_none_or(|before| camp.is_no_worse(level, before));
                told.push(Verdict::new("stop.moved", holds, || {
                    format!("the stop moves from {} to {level}, against the position", camp.stop.unwrap_or_default())
                }));
                let before = camp.best;
                let mut after = camp.clone();
                if camp.sees(self.at) {
                    if let Some(bar) = self.markets[market].now.bar {
                        after.see(bar.high, bar.low);
                    }
                    for trade in &self.markets[market].now.trades {
                        after.see(*trade, *trade);
                    }
                }
                let best = after.best;
                let declared = camp.may_stop_at(policy, level, (before, best), tick);
                told.push(Verdict::new("stop.level", declared, || {
                    format!(
                        "the policy has no stop at {level}: entry {}, best price {before} to {best}, last stop {}",
                        camp.entry,
                        shown(camp.stop)
                    )
                }));
            }
            For::Add(unit) if order.trigger.is_some() => {
                let level = order.trigger.unwrap_or_default();
                if camp.adopted {
                    return told;
                }
                let next = camp.next_level(policy, tick);
                let is_reckoned = policy.pyramid.as_ref().is_some_and(|pyramid| pyramid.step.declared().is_none());
                let fits = is_reckoned || next.is_some_and(|(_, expected)| (expected - level).abs() <= tick);
                told.push(Verdict::new("add.level", fits, || match next {
                    Some((next, expected)) => {
                        format!("unit {unit} waits at {level}; unit {} is due at {expected}", next + 1)
                    }
                    None => format!("unit {unit} waits at {level}, and no unit is left"),
                }));
                if policy.size.resize == Resize::Entry && seat.alone && camp.base.is_some() {
                    let base = camp.base.unwrap_or_default().abs().approximate();
                    // Wins in a row make the base larger than the plan's first steps.
                    let streak = policy.streak.map_or(1.0, |streak| streak.cap.get().max(1.0));
                    let most = base * streak * camp.shares_up_to(policy, unit) + lot.approximate();
                    let fits = order.open().approximate() <= most * (1.0 + 1e-9);
                    told.push(Verdict::new("add.size", fits, || {
                        format!("unit {unit} adds {}; its share of {base} is at most {most}", order.open())
                    }));
                }
            }
            For::Rung(rung) => {
                let Some(ladder) = &policy.ladder else {
                    told.push(Verdict::new("rung.level", false, || "the policy has no ladder".to_owned()));
                    return told;
                };
                let Some(declared) = ladder.rungs.get(usize::from(rung)) else {
                    told.push(Verdict::new("rung.level", false, || format!("the ladder has no rung {}", rung + 1)));
                    return told;
                };
                // A part of its own may have crossed inside the book, or been filled, before.
                let used = camp.rungs & (1 << rung) != 0 && camp.rung_orders.get(&rung) != Some(&order.id);
                told.push(Verdict::new("rung.twice", !used, || format!("rung {} was used before", rung + 1)));
                if let (Some(price), false) = (order.price, camp.adopted) {
                    let expected = camp.rung_price(declared.at, tick);
                    let fits = expected.is_some_and(|expected| (expected - price).abs() <= tick);
                    told.push(Verdict::new("rung.level", fits, || {
                        format!("rung {} rests at {price}, the ladder says {}", rung + 1, shown(expected))
                    }));
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
                told.push(Verdict::new("rung.size", fits, || {
                    format!(
                        "rung {} takes {} of {held}; {} of {whole} is {part}",
                        rung + 1,
                        order.open(),
                        declared.fraction
                    )
                }));
            }
            _ => {}
        }
        told
    }
}
