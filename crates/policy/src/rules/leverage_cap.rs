//! Leverage: gross exposure over equity, the account's other positions and the coin that lies in it counted.

use super::number::{Number, reads_with, tell_unknown};
use super::{collateral, contract, exposure_price, increases, position, same_side};
use crate::Region;
use crate::facts::{self, Code, FactId, Facts};
use crate::rule::{Add, Arg, Because, Beside, Outcome, Rule, Step, Target, Verdict};
use crate::spec::{LeverageLimit, Limit};
use units::{Cash, Contract, Price, Qty, Ratio, Round, SeriesId};

/// Over the limit the position is brought back to the restore level; increases, untriggered adds included, stop there.
pub(crate) struct LeverageCap {
    pub(crate) limit: Limit,
}

const READS: &[FactId] = &[
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::LOT.id(),
    facts::MIN_QTY.id(),
    facts::CONTRACT.id(),
    facts::EXPOSURE_PRICE.id(),
    facts::OTHERS.id(),
    facts::COLLATERAL.id(),
    facts::COIN.id(),
];

impl Rule for LeverageCap {
    fn name(&self) -> &'static str {
        "leverage_cap"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (Some(equity), Some(price)) = (facts.get(facts::EQUITY), facts.get(facts::PRICE)) else {
            return Verdict::keep(proposed);
        };
        // One structure of options is exposed as much at every price of its own.
        let unit = facts.get(facts::EXPOSURE_PRICE);
        let price = unit.unwrap_or(price);
        let held = position(facts);
        if because.add().is_none() && self.is_far_inside(facts, (equity, price), held, proposed.qty) {
            return Verdict::keep(proposed);
        }
        self.evaluate_closely(facts, proposed, because)
    }

    fn shared_terms(&self) -> Option<String> {
        Some(format!("{:?}", self.limit))
    }

    fn most(&self, facts: &Facts) -> Option<Qty> {
        let price = exposure_price(facts, facts.get(facts::PRICE)?);
        Account::of(facts, facts.get(facts::EQUITY)?).carried(price, self.limit.limit, position(facts))
    }

    /// As long as all is far inside the limit: price, equity and the others may each take a part of what is left.
    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        let (Some(equity), Some(price), None) =
            (facts.get(facts::EQUITY), facts.get(facts::PRICE), collateral::coins(facts))
        else {
            return false;
        };
        if facts.get(facts::EXPOSURE_PRICE).is_some() {
            return false;
        }
        let (held, add) = (position(facts), because.add());
        let now = Account { contract: contract(facts), equity, others: facts.get(facts::OTHERS), coins: None };
        let Some(spare) = self.spare(now, price, held, proposed.qty, add).filter(|spare| *spare > 0.0) else {
            return false;
        };
        // A quarter of what is left to each, and the exact conditions at the corners have the last word.
        let most = self.limit.limit.get().max(self.limit.restore.get()).max(1.0);
        let largest = add.map_or(0, |add| add.qty.abs().raw()).saturating_add(held.abs().max(proposed.qty.abs()).raw());
        let exposed = now.contract.approximate_exposure(price, Qty::from_raw(largest)) * most;
        let share = if exposed > 0.0 { (spare / 4.0 / exposed).min(0.5) } else { 0.5 };
        let (Some(width), Some(lost), Some(more)) = (
            Price::from_estimate(price.approximate() * share, Round::TowardZero),
            Cash::from_estimate(spare / 4.0 / most, Round::TowardZero),
            Cash::from_estimate(spare / 4.0, Round::TowardZero),
        ) else {
            return false;
        };
        let worst = Account { equity: equity - lost, others: now.others.map(|others| others + more), ..now };
        let ends = [price - width, price + width];
        let inside = |end: &Price| self.spare(worst, *end, held, proposed.qty, add).is_some_and(|spare| spare > 0.0);
        if !ends.iter().all(inside) {
            return false;
        }
        region.rest();
        region.within(facts::PRICE.id(), ends[0].raw().into(), ends[1].raw().into());
        region.within(facts::EQUITY.id(), worst.equity.raw(), i128::MAX);
        if let Some(others) = worst.others {
            region.within(facts::OTHERS.id(), i128::MIN, others.raw());
        }
        true
    }
}

/// The same with a limit that is reckoned at every decision. While it is not known nothing is opened or added, and nothing cut.
pub(crate) struct ReckonedLeverageCap {
    limit: Number,
    restore: Number,
    reads: Vec<FactId>,
    /// As they were declared.
    terms: String,
}

impl ReckonedLeverageCap {
    /// `None`: a series is missing.
    pub(crate) fn new(limit: &LeverageLimit, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        let terms = format!("{limit:?}");
        let (limit, restore) = (Number::compile(&limit.limit, series)?, Number::compile(&limit.restore, series)?);
        Some(Self { reads: reads_with(READS, &[&limit, &restore]), limit, restore, terms })
    }

    /// The cap as it is now; its restore level is never over its limit.
    fn now(&self, facts: &Facts) -> Option<LeverageCap> {
        let limit = self.limit.get(facts)?;
        let restore = self.restore.get(facts)?.min(limit);
        Some(LeverageCap { limit: Limit { limit: Ratio::new(limit)?, restore: Ratio::new(restore)? } })
    }
}

impl Rule for ReckonedLeverageCap {
    fn name(&self) -> &'static str {
        "leverage_cap"
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        if let Some(cap) = self.now(facts) {
            return cap.evaluate(facts, proposed, because);
        }
        let sentence = "`caps.leverage` is not known now: nothing is opened or added";
        if let Some(add) = because.add() {
            because.refused_add(add, sentence, []);
            because.set_add(None);
        }
        let held = position(facts);
        if !increases(proposed.qty, held) {
            return Verdict::keep(proposed);
        }
        because.say(sentence, []);
        let kept = if same_side(proposed.qty, held) { held } else { Qty::ZERO };
        Verdict::refuse(Target { qty: kept, ..proposed })
    }

    fn shared_terms(&self) -> Option<String> {
        Some(self.terms.clone())
    }

    fn most(&self, facts: &Facts) -> Option<Qty> {
        self.now(facts)?.most(facts)
    }

    /// Which fact is not known.
    fn detail(&self, facts: &Facts, _step: &Step, out: &mut String) {
        tell_unknown(&[&self.limit, &self.restore], facts, out);
    }

    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        const STATED: &[FactId] = &[facts::PRICE.id(), facts::EQUITY.id(), facts::OTHERS.id()];
        let stays = |number: &Number, region: &mut Region| number.stays(facts, STATED, region);
        let Some(cap) = self.now(facts) else { return false };
        stays(&self.limit, region) && stays(&self.restore, region) && cap.quiet(facts, proposed, because, region)
    }
}

impl LeverageCap {
    /// Where an add rests, or something is near the limit. Apart, so that the frequent case has no large frame.
    #[inline(never)]
    fn evaluate_closely(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let (Some(equity), Some(price)) = (facts.get(facts::EQUITY), facts.get(facts::PRICE)) else {
            return Verdict::keep(proposed);
        };
        let unit = facts.get(facts::EXPOSURE_PRICE);
        let (price, held) = (unit.unwrap_or(price), position(facts));
        let account = Account::of(facts, equity);
        let verdict = match because.beside() {
            Some(beside) if same_side(proposed.qty, held) && account.coins.is_none() && equity.raw() > 0 => {
                self.shared(account, price, (held, beside), proposed, because)
            }
            _ => self.capped(account, price, held, proposed, because),
        };
        if let Some(asked) = because.add() {
            let (at, add) = (asked.at, Add { at: unit.unwrap_or(asked.at), ..asked });
            let base = if verdict.target.qty.abs() > held.abs() { verdict.target.qty } else { held };
            // The worst of what may fill: with the increase that goes out now, and without its profit up to the trigger.
            let mut capped = self.capped_add(facts, account, price, base, add, because);
            if base != held {
                capped = capped.and_then(|add| self.capped_add(facts, account, price, held, add, because));
            }
            because.set_add(capped.map(|add| Add { at, ..add }));
        }
        verdict
    }

    /// Where others of the account are on their way out or give up their part of a breach too: its own part of it. Increases stop by the
    /// worst of what may be held, as ever; what is held is not given up for that.
    #[cold]
    fn shared(
        &self,
        account: Account,
        price: Price,
        (held, beside): (Qty, Beside),
        proposed: Target,
        because: &mut Because,
    ) -> Verdict {
        let equity = account.equity.approximate();
        let (limit, restore) = (self.limit.limit.get(), self.limit.restore.get());
        let exposed = |qty: Qty| account.contract.approximate_exposure(price, qty.abs());
        let own = exposed(beside.left);
        let is_breached = own + beside.kept > equity * limit * (1.0 + 1e-12);
        let most = if is_breached || (beside.restores && own + beside.kept > equity * restore) {
            // Those that share it keep the same part of what they hold.
            let rest = equity * restore - (beside.kept - beside.shares);
            beside.left.scaled((rest / (own + beside.shares)).clamp(0.0, 1.0), Round::TowardZero).unwrap_or(Qty::ZERO)
        } else if exposed(held) + beside.kept > equity * restore {
            // What is on its way out goes on until nothing is over the restore level.
            beside.left
        } else {
            held
        };
        if proposed.qty.abs() <= most.abs() {
            if most != held {
                because.cannot_wait();
            }
            return Verdict::keep(proposed);
        }
        if most == held {
            return self.stopped(account, price, held, proposed, because);
        }
        let stay = (beside.kept - beside.shares) / equity;
        if stay > limit {
            // What the others hold, and do not give up, is not this strategy's to sell.
            because.cannot_wait();
            let numbers = [stay, limit, stay - limit].map(Arg::Number);
            because
                .say("other positions alone have leverage {}, limit {}: {} too much with nothing held here", numbers);
            return Verdict { target: Target { qty: Qty::ZERO, ..proposed }, outcome: Outcome::Unmet };
        }
        let others = beside.kept / equity;
        let [now, others, limit, restore] = [own / equity + others, others, limit, restore].map(Arg::Number);
        if is_breached && beside.shares > 0.0 {
            because.say(
                "leverage {}, {} of it in other positions, is over {}: its part of the way back to {}",
                [now, others, limit, restore],
            );
        } else if is_breached {
            because
                .say("leverage {}, {} of it in other positions, is over {}: back to {}", [now, others, limit, restore]);
        } else if most == beside.left {
            because.say("leverage was over {}: what is on its way out goes on", [limit]);
        } else {
            let numbers = [limit, now, others, restore];
            because.say("leverage was over {}: {} is left, {} of it in other positions, back to {}", numbers);
        }
        Verdict { target: Target { qty: most, ..proposed }, outcome: Outcome::Cut }
    }

    /// An increase of what is held stops where the worst of the account's orders would be over the restore level.
    fn stopped(&self, account: Account, price: Price, held: Qty, proposed: Target, because: &mut Because) -> Verdict {
        let most = account.carried(price, self.limit.restore, held).unwrap_or(Qty::ZERO).max(held.abs());
        if proposed.qty.abs() <= most {
            return Verdict::keep(proposed);
        }
        let equity = account.equity.approximate();
        let leverage = account.with_others(account.exposure(price, proposed.qty)) / equity;
        let [leverage, others, limit, restore] =
            [leverage, account.with_others(0.0) / equity, self.limit.limit.get(), self.limit.restore.get()]
                .map(Arg::Number);
        if most == held.abs() {
            because.say("leverage {} would be over {}, where increases stop", [leverage, restore]);
        } else {
            because.say(
                "leverage would be {}, {} of it in other positions, limit {}: increases stop at {}",
                [leverage, others, limit, restore],
            );
        }
        let qty = if proposed.qty.signum() < 0 { -most } else { most };
        Verdict { target: Target { qty, ..proposed }, outcome: Outcome::Cut }
    }

    /// Whether nothing is near the limit, told without a division or a look at what lies beside: by far the most frequent case.
    #[inline]
    fn is_far_inside(&self, facts: &Facts, (equity, price): (Cash, Price), held: Qty, qty: Qty) -> bool {
        let (limit, restore) = (self.limit.limit.get(), self.limit.restore.get());
        let least = if restore < limit { restore } else { limit };
        let qty = qty.abs().max(held.abs());
        let exposed = match contract(facts) {
            Contract::Linear => (price * qty).cash().coarse(),
            inverse => inverse.approximate_exposure(price, qty) / Cash::COARSE,
        };
        // Each is less than a step under what it is.
        let others = facts.get(facts::OTHERS).map_or(0.0, Cash::coarse);
        facts.get(facts::COLLATERAL).is_none() && exposed + others + 2.0 < equity.coarse() * least * 0.999
    }

    /// By how much what is exposed is inside the limit without a wide division, with the add that follows: less is more exposed,
    /// dearer or poorer in each argument. `None` beyond what numbers can say.
    fn spare(&self, account: Account, price: Price, held: Qty, qty: Qty, add: Option<Add>) -> Option<f64> {
        let carries = |equity: Cash, level: Ratio| equity.approximate() * level.get() * 0.999_999;
        let increases = qty.abs() > held.abs() || !same_side(qty, held);
        let level = if increases { self.limit.restore } else { self.limit.limit };
        let largest = account.contract.approximate_exposure(price, qty.abs().max(held.abs()));
        let mut spare = carries(account.equity, level) - account.with_others(largest);
        let Some(add) = add else { return Some(spare) };
        for base in [held, if qty.abs() > held.abs() { qty } else { held }] {
            let there = account.at(price, add.at, base)?;
            let largest = Qty::from_raw(base.abs().raw().saturating_add(add.qty.abs().raw()));
            let exposed = there.with_others(there.exposure(add.at, largest));
            spare = spare.min(carries(there.equity, self.limit.restore) - exposed);
        }
        Some(spare)
    }

    #[inline]
    fn capped(&self, account: Account, price: Price, held: Qty, proposed: Target, because: &mut Because) -> Verdict {
        let qty = proposed.qty;
        let increases = qty.abs() > held.abs() || !same_side(qty, held);
        let level = if increases { self.limit.restore } else { self.limit.limit };
        // Far inside, where rounding cannot matter, two multiplications say so without a wide division.
        let carries = account.equity.approximate() * level.get() * 0.999_999;
        let largest = match account.coins {
            None => account.contract.approximate_exposure(price, qty.abs().max(held.abs())),
            Some(_) => account.exposure(price, qty).max(account.exposure(price, held)),
        };
        if account.with_others(largest) < carries {
            return Verdict::keep(proposed);
        }
        self.exactly(account, price, (held, increases, level), proposed, because)
    }

    /// Near the limit or over it: with exact quantities. Apart, because most of the time nothing is.
    #[cold]
    fn exactly(
        &self,
        account: Account,
        price: Price,
        (held, increases, level): (Qty, bool, Ratio),
        proposed: Target,
        because: &mut Because,
    ) -> Verdict {
        let qty = proposed.qty;
        let side = if qty.is_zero() { held } else { qty };
        let Some(mut most) = account.carried(price, level, side) else {
            return Verdict::keep(proposed);
        };
        // What is breached is brought back to the restore level, whatever else was to be given up.
        let is_breached = !increases && held.abs() > most;
        if is_breached {
            most = account.carried(price, self.limit.restore, side).unwrap_or(Qty::ZERO);
        }
        let equity = account.equity.approximate();
        let leverage_of = |qty: Qty| account.with_others(account.exposure(price, qty)) / equity;
        if qty.abs() <= most {
            if !increases && held.abs() > most {
                because.cannot_wait();
            }
            return self.beside_collateral(account, leverage_of(qty), proposed, because);
        }
        let leverage = leverage_of(if is_breached { held } else { qty });
        // Between the two levels what is held stays.
        let borne = account.carried(price, self.limit.limit, side).unwrap_or(Qty::ZERO);
        let stays = increases && same_side(qty, held) && held.abs() <= borne;
        let least = if stays { held.abs() } else { Qty::ZERO };
        let restored = account.carried(price, self.limit.restore, side).unwrap_or(Qty::ZERO).max(least);
        // What stops an increase is the restore level; the sentence names the limit as well.
        let stops_before = increases && self.limit.restore < self.limit.limit;
        let level = if stops_before { self.limit.limit } else { level };
        let (level, restore) = (Arg::Number(level.get()), Arg::Number(self.limit.restore.get()));
        if account.equity.raw() <= 0 {
            because.say("equity {} carries no position", [Arg::Cash(account.equity)]);
        } else if !least.is_zero() && restored == least {
            because.say("leverage {} would be over {}, where increases stop", [Arg::Number(leverage), restore]);
        } else if let Some((coins, code)) = account.coins {
            let alone = account.with_others(account.exposure(price, Qty::ZERO)) / equity;
            if alone > self.limit.limit.get() && restored.is_zero() {
                because.cannot_wait();
                return self.beside_collateral(account, alone, Target { qty: Qty::ZERO, ..proposed }, because);
            }
            let numbers = [Arg::Number(leverage), Arg::Coins(coins, code), level, restore];
            match stops_before {
                true => because
                    .say("leverage would be {}, {} of collateral counted, limit {}: increases stop at {}", numbers),
                false => because.say("leverage {}, {} of collateral counted, is over {}: back to {}", numbers),
            }
        } else if account.others.is_none_or(Cash::is_zero) {
            let numbers = [Arg::Number(leverage), level, restore];
            match stops_before {
                true => because.say("leverage would be {}, limit {}: increases stop at {}", numbers),
                false => because.say("leverage {} is over {}: back to {}", numbers),
            }
        } else {
            let others = account.with_others(0.0) / equity;
            let over = others - self.limit.limit.get();
            if over > 0.0 {
                // What the others hold is not this strategy's to sell.
                because.cannot_wait();
                let limit = Arg::Number(self.limit.limit.get());
                let numbers = [Arg::Number(others), limit, Arg::Number(over)];
                because.say(
                    "other positions alone have leverage {}, limit {}: {} too much with nothing held here",
                    numbers,
                );
                return Verdict { target: Target { qty: Qty::ZERO, ..proposed }, outcome: Outcome::Unmet };
            }
            let numbers = [Arg::Number(leverage), Arg::Number(others), level, restore];
            match stops_before {
                true => because
                    .say("leverage would be {}, {} of it in other positions, limit {}: increases stop at {}", numbers),
                false => because.say("leverage {}, {} of it in other positions, is over {}: back to {}", numbers),
            }
        }
        let side = if qty.signum() < 0 { -restored } else { restored };
        Verdict { target: Target { qty: side, ..proposed }, outcome: Outcome::Cut }
    }

    /// A position that is no larger than the limit lets it be. Where the coin that lies in the account is over the limit all the
    /// same, the plan says so and by how much: selling it is for whoever declared a hedge.
    fn beside_collateral(&self, account: Account, leverage: f64, target: Target, because: &mut Because) -> Verdict {
        let over = leverage - self.limit.limit.get();
        let Some((coins, code)) = account.coins.filter(|_| over > 1e-6 && account.equity.raw() > 0) else {
            return Verdict::keep(target);
        };
        let numbers =
            [Arg::Coins(coins, code), Arg::Number(leverage), Arg::Number(self.limit.limit.get()), Arg::Number(over)];
        because.say("holds {} as collateral: leverage {} with the position, limit {}: {} too much", numbers);
        Verdict { target, outcome: Outcome::Unmet }
    }

    /// The add that leverage still carries where it is expected to fill, where the position's profit has moved equity.
    fn capped_add(
        &self,
        facts: &Facts,
        account: Account,
        price: Price,
        held: Qty,
        add: Add,
        because: &mut Because,
    ) -> Option<Add> {
        let there = account.at(price, add.at, held)?;
        // As above, without a wide division.
        let largest = Qty::from_raw(held.abs().raw().saturating_add(add.qty.abs().raw()));
        let largest = if add.qty.signum() < 0 { -largest } else { largest };
        let carries = there.equity.approximate() * self.limit.restore.get() * 0.999_999;
        if there.with_others(there.exposure(add.at, largest)) < carries {
            return Some(add);
        }
        let room = there.carried(add.at, self.limit.restore, add.qty)?.raw() - held.abs().raw();
        if add.qty.abs().raw() <= room {
            return Some(add);
        }
        let fits = Qty::from_raw(room.max(0)).to_lot(facts.get(facts::LOT)?, Round::TowardZero);
        if fits.is_zero() || fits < facts.get(facts::MIN_QTY)? {
            because.refused_add(
                add,
                "unit {} refused: leverage at {} would be over {}",
                [Arg::Count(add.unit), Arg::Price(add.at), Arg::Number(self.limit.restore.get())],
            );
            return None;
        }
        because.say(
            "unit {} cut to {}: leverage {}",
            [Arg::Count(add.unit), Arg::Qty(fits), Arg::Number(self.limit.restore.get())],
        );
        Some(Add { qty: if add.qty.signum() < 0 { -fits } else { fits }, ..add })
    }
}

/// What carries a position.
#[derive(Debug, Clone, Copy)]
struct Account {
    contract: Contract,
    equity: Cash,
    /// Exposure of the other positions. `None`: nothing is said of any.
    others: Option<Cash>,
    /// Coins of the underlying that lie in the account and are exposure already.
    coins: Option<(Cash, Code)>,
}

impl Account {
    fn of(facts: &Facts, equity: Cash) -> Self {
        let coins = collateral::coins(facts).map(|coins| (coins, facts.get(facts::COIN).unwrap_or_default()));
        Self { contract: contract(facts), equity, others: facts.get(facts::OTHERS), coins }
    }

    #[inline]
    fn with_others(self, exposure: f64) -> f64 {
        self.others.map_or(exposure, |others| exposure + others.approximate())
    }

    /// The unsigned exposure of a signed quantity together with the coins.
    #[inline]
    fn exposure(self, price: Price, qty: Qty) -> f64 {
        let own = self.contract.approximate_exposure(price, qty);
        let coins = self.coins.map_or(0.0, |(coins, _)| collateral::worth(self.contract, coins, price));
        (own + coins).abs()
    }

    /// The same once the price is another, where a position that was held meanwhile has moved equity.
    #[inline]
    fn at(self, from: Price, to: Price, held: Qty) -> Option<Self> {
        match self.coins {
            None => Some(Self { equity: self.equity + self.contract.profit(held, from, to), ..self }),
            Some((coins, code)) => {
                let (equity, coins) = collateral::moved(self.contract, (self.equity, coins), held, (from, to))?;
                Some(Self { equity, coins: Some((coins, code)), ..self })
            }
        }
    }

    /// The unsigned quantity on a side that equity carries at a leverage beside the other positions and the coins; nothing
    /// without equity.
    fn carried(self, price: Price, leverage: Ratio, side: Qty) -> Option<Qty> {
        if self.equity.raw() <= 0 {
            return Some(Qty::ZERO);
        }
        let whole = self.contract.qty_for(self.equity.notional(), price, Round::TowardZero)?;
        let carried = whole.scaled(leverage.get(), Round::TowardZero)?;
        let mut room = carried.raw();
        if let Some(others) = self.others {
            // Beyond what a quantity can say, the others leave no room.
            let Some(taken) = self.contract.qty_for(others.notional(), price, Round::AwayFromZero) else {
                return Some(Qty::ZERO);
            };
            room -= taken.raw();
        }
        if let Some((coins, _)) = self.coins {
            // On their own side coins take of the room; on the other side they are made up for before anything is exposed.
            let same = coins.signum() * side.signum() >= 0;
            let round = if same { Round::AwayFromZero } else { Round::TowardZero };
            let Some(taken) = collateral::as_quantity(self.contract, coins, price, round) else {
                return Some(Qty::ZERO);
            };
            room = room.saturating_sub(if same { taken.abs().raw() } else { -taken.abs().raw() });
        }
        Some(Qty::from_raw(room.max(0)))
    }
}
