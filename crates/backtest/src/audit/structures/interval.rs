//! What plans say that structures were traded at, against what their legs paid, from one time to the next at which legs are those of
//! whole structures.

use super::{Book, CONTRACT};
use crate::audit::campaign::Camp;
use crate::audit::finding::{At, Found};
use crate::audit::plans::MARKET;
use crate::audit::seat::plus;
use crate::records::{CampaignRow, FillRow, PlanRow};
use policy::spec::UnitSource;
use std::collections::BTreeSet;
use units::{Cash, Notional, OptionRight, Price, Qty, Round, Timestamp};

/// Fills of legs since they were whole, and what plans told meanwhile.
#[derive(Default)]
pub(super) struct Interval {
    /// Σ price × signed quantity, and the same at the prices without spread and slippage.
    value: i128,
    reference: i128,
    /// Legs that were bought, and sold.
    bought: BTreeSet<usize>,
    sold: BTreeSet<usize>,
    /// The same of structures as plans tell, and how many of them.
    told: i128,
    structures: i128,
    /// What a plan says that prices moved by in a roll.
    moved: Option<Price>,
    unwound: bool,
    /// Whose legs they are.
    campaign: u64,
    /// The last of them.
    pub(super) last: Timestamp,
    /// The campaign that a plan told to have ended, by which fill.
    ended: Option<(Camp, FillRow)>,
    is_told: bool,
    /// The structures of the last plan's fills, and what it says was traded of each leg for them.
    filled: Qty,
    noted: Vec<(usize, Qty)>,
}

impl Interval {
    /// Σ price × signed quantity.
    pub(super) fn paid(&self) -> i128 {
        self.value
    }

    /// How many legs the last plan tells of.
    pub(super) fn legs_told(&self) -> usize {
        self.noted.iter().map(|(leg, _)| leg).collect::<BTreeSet<_>>().len()
    }

    /// A plan told that they were replaced.
    pub(super) fn is_rolled(&self) -> bool {
        self.moved.is_some()
    }

    /// Whether a leg was bought and sold: what that paid is no part of the structures held, and told with a later fill of them.
    fn has_round_trip(&self) -> bool {
        self.bought.intersection(&self.sold).next().is_some()
    }

    pub(super) fn fill(&mut self, fill: &FillRow, leg: usize, signed: Qty) {
        let side = if signed.signum() > 0 { &mut self.bought } else { &mut self.sold };
        side.insert(leg);
        let signed = i128::from(signed.raw());
        self.value += i128::from(fill.price.raw()) * signed;
        self.reference += i128::from(fill.reference.raw()) * signed;
        self.last = fill.time;
        if fill.campaign != 0 {
            self.campaign = fill.campaign;
        }
    }
}

/// What a plan says of structures that were filled: for what, how many, at which price.
pub(in crate::audit) fn filled(said: &str) -> Option<(String, Qty, Price)> {
    let (head, price) = said.rsplit_once(" filled at ").or_else(|| said.rsplit_once(" settled in cash at "))?;
    let (what, quantity) = head.split_once(": ")?;
    let number = |from: &str| what[from.len()..].split(' ').next().unwrap_or_default().to_owned();
    let purpose = match what {
        "entered" => "entry".to_owned(),
        "resized" => "resize".to_owned(),
        "stop crossed" => "stop".to_owned(),
        "closed" => "exit".to_owned(),
        "cut by a limit" => "cut".to_owned(),
        "liquidated by the venue" => "liquidation".to_owned(),
        "expired" => "settlement".to_owned(),
        _ if what.starts_with("unit ") => format!("add {}", number("unit ")),
        _ if what.starts_with("rung ") => format!("rung {}", number("rung ")),
        _ => return None,
    };
    // Of one leg a plan tells with its strike.
    Some((purpose, quantity.parse().ok()?, price.parse().ok()?))
}

/// What a plan says was traded of a leg: how many, which right, at which strike until when.
fn leg(said: &str) -> Option<(Qty, OptionRight, Price, Timestamp)> {
    let (quantity, rest) = said.split_once(" of the ")?;
    let (right, rest) = rest.split_once(" at ")?;
    let (strike, rest) = rest.split_once(" until ")?;
    let (expiry, _price) = rest.split_once(", at ")?;
    let right = match right {
        "call" => OptionRight::Call,
        "put" => OptionRight::Put,
        _ => return None,
    };
    Some((quantity.parse().ok()?, right, strike.parse().ok()?, expiry.parse().ok()?))
}

impl Book<'_> {
    /// A step of a plan that tells what happened.
    pub(super) fn note(&mut self, row: usize, found: &mut Found) {
        let tables = self.tables;
        let step = &tables.plans[row];
        let said = step.because.as_str();
        if &*step.rule != MARKET {
            return;
        }
        if let Some((purpose, quantity, price)) = filled(said) {
            self.traded((row, step), &purpose, quantity, price, found);
        } else if let Some(rest) = said.strip_prefix("rolled: entry, stop and rungs move by ") {
            let moved = rest.split(';').next().and_then(|moved| moved.parse().ok()).unwrap_or_default();
            self.interval.moved = Some(moved);
            self.interval.is_told = true;
            self.rolls = false;
            self.triggers.roll(moved);
            if let Some(camp) = &mut self.camp {
                camp.roll(moved);
            }
        } else if said.starts_with("legs that stayed alone were traded back") {
            (self.interval.unwound, self.interval.is_told) = (true, true);
        } else if said.starts_with("legs expire at ")
            || said.starts_with("legs have expired: replaced")
            || said.starts_with("new legs follow")
        {
            self.rolls = true;
        } else if let Some((quantity, right, strike, expiry)) = leg(said) {
            let of = self.options.iter().find(|(_, known)| **known == (strike, right, expiry));
            self.interval.noted.extend(of.map(|(leg, _)| (*leg, quantity)));
        } else if let Some((unit, _)) = said.strip_prefix("unit ").and_then(|rest| rest.split_once(" lapsed:"))
            && let (Some(camp), Ok(unit)) = (&mut self.camp, unit.parse())
        {
            camp.lapse(unit);
            self.triggers.reach(camp, self.price, &self.policy, self.tick);
        }
        let is_last = tables.plans.get(row + 1).is_none_or(|next| next.plan != step.plan || &*next.rule != MARKET);
        if is_last {
            self.settle((row, step), found);
            self.learn();
        }
    }

    /// Structures were filled.
    fn traded(
        &mut self,
        (row, step): (usize, &PlanRow),
        purpose: &str,
        quantity: Qty,
        price: Price,
        found: &mut Found,
    ) {
        let signed = plus(step.after, -step.before);
        let follows = step.before == self.held && signed.abs() == quantity;
        found.ensure("structure.position", follows, At::plan(row, step), || {
            format!("{} is held, and `{}` takes it from {} to {}", self.held, step.because, step.before, step.after)
        });
        self.held = step.after;
        let interval = &mut self.interval;
        interval.told += i128::from(price.raw()) * i128::from(signed.raw());
        interval.structures += i128::from(quantity.raw());
        interval.is_told = true;
        interval.filled = plus(interval.filled, signed);
        let fill = FillRow {
            time: step.time,
            input: step.input,
            account: 0,
            strategy: step.strategy.to_string(),
            instrument: step.instrument.to_string(),
            order: String::new(),
            plan: step.plan,
            purpose: purpose.to_owned(),
            side: if signed.signum() > 0 { "buy" } else { "sell" }.to_owned(),
            quantity,
            price,
            reference: price,
            fee: Cash::ZERO,
            currency: String::new(),
            liquidity: "taker".to_owned(),
            liquidation: purpose == "liquidation",
            campaign: interval.campaign,
        };
        let begins = self.camp.is_none();
        if begins {
            let told = self.campaigns.get(&fill.campaign).map(|row| &self.tables.campaigns[*row]);
            self.camp = Some(Camp::open(&fill, CONTRACT, told).sees_less());
            self.triggers.begin();
            self.check_unit((row, step), told, found);
        }
        let Some(camp) = &mut self.camp else { return };
        camp.fill(&fill, signed, None);
        if begins {
            camp.anchor(&self.policy, self.tick);
        }
        self.triggers.filled(purpose);
        if self.held.is_zero()
            && let Some(camp) = self.camp.take()
        {
            self.interval.ended = Some((camp, fill));
            self.rolls = false;
        }
    }

    /// N as a share of the price is that of the price that the entry was decided at, however the price moves while legs wait.
    fn check_unit(&self, (row, step): (usize, &PlanRow), told: Option<&CampaignRow>, found: &mut Found) {
        let (Some(UnitSource::OfPrice { share }), Some(told)) = (&self.policy.unit, told) else { return };
        let (tables, own) = (self.tables, &self.policy.name);
        let first = tables.fills.iter().find(|fill| fill.campaign == told.campaign && fill.strategy == *own);
        let (Some(first), Some(unit)) = (first.filter(|fill| fill.purpose == "entry"), told.unit_n) else { return };
        // Legs may have waited for quotes, and gone out with a later plan than the one that decided it.
        let plans = tables.plans.iter().filter(|plan| plan.strategy.as_str() == own && plan.plan <= first.plan);
        let mut decided = plans
            .filter(|plan| !plan.target.is_zero())
            .filter_map(|plan| Price::from_estimate(plan.price.approximate() * share.get(), Round::Nearest));
        found.ensure("structure.unit", decided.any(|at| at == unit), At::plan(row, step), || {
            format!(
                "N of campaign {} is {unit}, and no plan up to that of its first leg was made at such a price",
                told.campaign
            )
        });
    }

    /// Legs are whole again: what plans told is what they paid.
    fn settle(&mut self, (row, step): (usize, &PlanRow), found: &mut Found) {
        let whole = self.whole();
        if !self.interval.is_told || (whole.is_none() && self.interval.ended.is_none()) {
            return;
        }
        let (over, most) = (self.interval.told - self.interval.value, self.interval.structures);
        let (is_whole, before) = (whole.is_some(), self.price);
        let stays = self.interval.ended.is_none() && !self.held.is_zero();
        let is_plain = self.interval.moved.is_none() && !self.interval.unwound && is_whole;
        if stays && is_plain && !(0..=most).contains(&over) && self.interval.has_round_trip() {
            // Legs of an increase that was given up have gone beside others that go out: what they paid is told with those.
            if let Some(ratios) = whole {
                self.ratios = ratios;
                self.price = self.worth().or(self.price);
            }
            return;
        }
        let mut interval = std::mem::take(&mut self.interval);
        let at = At::plan(row, step);
        if let Some(ratios) = whole {
            self.ratios = ratios;
            self.price = self.worth().or(self.price);
        }
        // Who pays and who brings is told to the last digit, rounded against the strategy.
        if is_plain {
            found.ensure("structure.fill", (0..=most).contains(&over), at, || {
                let [told, value] = [interval.told, interval.value].map(|raw| Notional::from_raw(raw).cash());
                format!("structures were filled for {told}, as plans tell; their legs paid {value}")
            });
        }
        if let (Some(moved), true, true) = (interval.moved, interval.structures == 0, is_whole && !interval.unwound) {
            let held = i128::from(self.held.raw());
            let (value, held) = if held < 0 { (-interval.reference, -held) } else { (interval.reference, held) };
            let made = (2 * value + held).div_euclid(2 * held.max(1));
            found.ensure("structure.roll", i128::from(moved.raw()) == made, at, || {
                let made = Price::from_raw(i64::try_from(made).unwrap_or_default());
                format!("anchors move by {moved}, the legs traded give {made}")
            });
        }
        let paid_beside = interval.moved.is_some() || interval.unwound || !is_whole;
        let camp = interval.ended.as_mut().map(|(camp, _)| camp).or(self.camp.as_mut());
        if let Some(camp) = camp.filter(|_| paid_beside) {
            camp.pay(Notional::from_raw(-over), if is_whole { most } else { i128::MAX / 4 });
        }
        if let Some((camp, fill)) = interval.ended {
            self.close(camp, Some(&fill), found);
        }
        // What is told next of the same campaign.
        self.interval.campaign = interval.campaign;
        self.interval.last = interval.last;
        (self.interval.filled, self.interval.noted) = (interval.filled, interval.noted);
        // The price moves along with the anchors.
        if let (Some(camp), Some(before), Some(moved)) = (&mut self.camp, before, interval.moved) {
            camp.see(before + moved, before + moved);
        }
    }

    /// What a structure consists of, by the legs of whole ones, or by what a plan says was traded for one where others are under way; and
    /// where that leaves its stop.
    fn learn(&mut self) {
        let filled = std::mem::take(&mut self.interval.filled);
        let noted = std::mem::take(&mut self.interval.noted);
        if self.held.is_zero() {
            return;
        }
        let each = |(leg, quantity): (usize, Qty)| {
            let whole = i128::from(quantity.raw()) * i128::from(Qty::ONE);
            let ratio = whole.checked_div(i128::from(filled.raw()))?;
            Some((leg, Qty::from_raw(i64::try_from(ratio).ok()?)))
        };
        let noted: Vec<_> = noted.into_iter().filter_map(each).collect();
        if let Some(ratios) = self.whole() {
            self.ratios = ratios;
        } else if self.is_declared(&noted) && !self.rolls {
            self.ratios = noted;
        }
        self.price = self.worth().or(self.price);
        // What a settlement leaves of the legs is a price too.
        if let (true, Some(camp), Some(price)) = (self.rolls, &mut self.camp, self.price) {
            camp.see(price, price);
        }
        if let Some(camp) = self.camp.as_ref().filter(|_| !self.ratios.is_empty()) {
            self.triggers.follow(camp, &self.policy, self.tick);
        }
    }
}
