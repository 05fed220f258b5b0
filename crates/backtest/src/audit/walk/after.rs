//! What holds at a time after all orders and fills of it: plans, payments, what each strategy holds, the rows of positions.

use super::orders::change;
use super::{Live, Walk};
use crate::audit::finding::{At, shown};
use crate::audit::live::For;
use crate::audit::seat::{is_plain, plus};
use crate::records::PlanRow;
use policy::spec::{Floor, FloorOf, LeverageLimit, Trigger};
use std::ops::Range;
use units::{Cash, Qty, Round, Timestamp};

impl Walk<'_> {
    /// Plans of this time: their position is that of the fills, their target is within the caps.
    pub(super) fn plans(&mut self, rows: Range<usize>) {
        let tables = self.tables;
        let mut begin = rows.start;
        for steps in tables.plans[rows.clone()].chunk_by(|a, b| a.plan == b.plan) {
            let (first, at) = (&steps[0], At::plan(begin, &steps[0]));
            begin += steps.len();
            let seat = self.by_symbol.get(&*first.instrument).and_then(|market| self.seat_of(&first.strategy, *market));
            let Some(seat) = seat else { continue };
            self.seats[seat].is_touched = true;
            self.lapses(Some(seat), &first.instrument, (begin - steps.len(), first.plan));
            self.leverage(seat, steps, at);
            self.liquidity(seat, &steps[0], at);
        }
        // The last plan of each strategy stands beside the position after all fills of now.
        self.next.plan = rows.end;
    }

    pub(super) fn leverage(&mut self, seat: usize, steps: &[PlanRow], at: At<'_>) {
        let first = &steps[0];
        let strategy = self.seats[seat].strategy;
        let policy = &self.policies[strategy];
        let market = self.by_symbol.get(&*first.instrument).copied().unwrap_or_default();
        let (known, equity) = (&self.markets[market], first.equity.approximate());
        let exposed = known.contract.approximate_exposure(first.price, first.target).abs();
        if equity > 0.0 {
            let now = exposed / equity;
            if now > self.told.leverage[strategy].0 {
                self.told.leverage[strategy] = (now, Some(first.time));
            }
        }
        // A limit on a fact that is not known, say, leaves caps as they are.
        let unmet = steps.iter().any(|step| &*step.outcome == "unmet" && &*step.rule != "limit");
        if unmet || first.price.is_zero() {
            return;
        }
        let increases = !first.target.is_zero()
            && (first.target.abs() > first.position.abs() || first.target.signum() * first.position.signum() <= 0);
        if let Some(floor) = policy.floor.filter(|_| !known.is_spot) {
            self.floor(floor, (exposed, equity, increases), at);
        }
        let policy = &self.policies[strategy];
        let known = &self.markets[market];
        let Some(limit) = policy.caps.leverage.as_ref().and_then(LeverageLimit::declared) else { return };
        let most = if increases { limit.restore } else { limit.limit }.get() * equity.max(0.0);
        // Coins that lie in the account count too, and only for shorts against them: then less is exposed.
        let covered = known.is_spot || first.target.signum() < 0 && self.has_coins();
        self.found.ensure("cap.leverage", covered || exposed <= most * (1.0 + 1e-9) + 1e-9, at, || {
            format!("the target {} at {} is {exposed} of at most {most}", first.target, first.price)
        });
    }

    /// What a floor lets be held, as far as rows of equity tell it: the highest of them may be under the highest that there was, and so
    /// may the floor.
    fn floor(&mut self, floor: Floor, (exposed, equity, increases): (f64, f64, bool), at: At<'_>) {
        let rows = &self.tables.equity;
        let (before, after) = (rows.get(self.next.equity.saturating_sub(1)), rows.get(self.next.equity));
        let (Some(before), Some(after)) = (before, after.or(before)) else { return };
        // Money moved between the two rows moves the floor at an instant that they do not tell.
        if !self.tables.accounts.is_empty() || self.has_coins() || before.paid_in != after.paid_in {
            return;
        }
        let under = match floor.of {
            FloorOf::Deposits => before.paid_in.approximate(),
            FloorOf::Highest => before.equity.approximate() / (1.0 - before.drawdown.min(0.999_999)),
        } * floor.share.get();
        let kept = if increases { 1.0 - floor.tolerance.get() } else { 1.0 };
        let most = (floor.multiplier.get() * (equity - under) * kept).max(0.0);
        self.found.ensure("cap.floor", exposed <= most * (1.0 + 1e-9) + 1e-6, at, || {
            format!("{exposed} is exposed of at most {most}, above a floor of {under}")
        });
    }

    pub(super) fn has_coins(&self) -> bool {
        self.policies[0].accounts.iter().any(|account| account.deposits.len() > 1 || account.numeraire.is_some())
    }

    /// Where a rate is due on an instrument that strategies share, what each of them pays hangs on what the others hold at that
    /// instant: those whose positions cancel out pay each other, of which no table has a row.
    pub(super) fn rates_due(&mut self) {
        for index in &self.busy {
            let market = &self.markets[*index];
            if market.now.funding.is_empty() || market.seats.len() < 2 {
                continue;
            }
            for seat in &market.seats {
                if let Some(camp) = &mut self.seats[*seat].camp {
                    camp.uncertain = true;
                }
            }
        }
    }

    /// Payments of this time, and rates that nobody paid.
    pub(super) fn funding(&mut self) {
        let tables = self.tables;
        let mut paid = Vec::new();
        self.rates_due();
        while let Some(payment) = tables.funding.get(self.next.funding).filter(|row| row.time <= self.at) {
            let row = self.next.funding;
            self.next.funding += 1;
            let at = At::funding(row, payment);
            let market = self.by_symbol.get(&payment.instrument).copied();
            let due = market.is_some_and(|market| self.markets[market].now.funding.contains(&payment.rate));
            self.found.ensure("funding", due && payment.time == self.at, at, || {
                format!("no tape has a rate of {} for `{}` then", payment.rate, payment.instrument)
            });
            let Some(market) = market else { continue };
            paid.push(market);
            let known = &self.markets[market];
            let owed = -known.contract.exposure(payment.mark, payment.position);
            let received = owed.signum() * payment.rate.signum() > 0;
            let round = if received { Round::TowardZero } else { Round::AwayFromZero };
            let exact = owed.at_rate(payment.rate, round).unwrap_or_default();
            // Over time what is paid on is a mean, of which the row shows eight decimals.
            let off = if known.accrues {
                known.contract.exposure(payment.mark, Qty::from_raw(1)).cash().abs()
            } else {
                Cash::ZERO
            };
            self.found.ensure("funding", (payment.amount - exact).abs() <= off, at, || {
                format!(
                    "{} is paid; {} of {} at {} is {exact}",
                    payment.amount, payment.rate, payment.position, payment.mark
                )
            });
            if !known.accrues && known.now.trades.is_empty() {
                self.found.ensure("funding", payment.position == known.net, at, || {
                    format!("paid on {}, the fills give {}", payment.position, known.net)
                });
                let mark = known.mark.unwrap_or(known.last);
                self.found.ensure("funding", payment.mark == mark, at, || {
                    format!("paid at a mark of {}, the tapes give {mark}", payment.mark)
                });
            }
            self.gained.now += payment.amount.notional();
            self.gained.most = self.gained.most.max(self.gained.now);
            for index in &self.markets[market].seats {
                let seat = &mut self.seats[*index];
                let is_sure = seat.alone && self.markets[market].now.trades.is_empty();
                if let Some(camp) = &mut seat.camp {
                    camp.funding += payment.amount;
                    camp.uncertain |= !is_sure;
                }
            }
        }
        for index in &self.busy {
            let known = &self.markets[*index];
            let owes = known.is_traded
                && !known.now.funding.is_empty()
                && !known.is_spot
                && !known.accrues
                && known.now.trades.is_empty();
            if !owes || known.net.is_zero() {
                continue;
            }
            let at = At { time: Some(self.at), ..At::file("funding") };
            let count = paid.iter().filter(|market| *market == index).count();
            self.found.ensure("funding", count == known.now.funding.len(), at, || {
                format!("{} rates are due on {}, {count} were paid", known.now.funding.len(), known.net)
            });
        }
    }

    /// What holds of each strategy after all that happened at this time.
    pub(super) fn seats_now(&mut self) {
        let plans = &self.tables.plans[self.plans_now.clone()];
        for index in 0..self.markets.len() {
            let is_busy = self.busy.contains(&index);
            for at in 0..self.markets[index].seats.len() {
                let seat = self.markets[index].seats[at];
                if is_busy || self.seats[seat].is_touched {
                    self.seat_now(index, seat, plans);
                }
            }
        }
    }

    pub(super) fn seat_now(&mut self, market: usize, index: usize, plans: &[PlanRow]) {
        let known = &self.markets[market];
        let seat = &mut self.seats[index];
        let policy = &self.policies[seat.strategy];
        if let Some(camp) = seat.camp.as_mut().filter(|camp| camp.sees(self.at)) {
            if let Some(bar) = known.now.bar {
                camp.see(bar.high, bar.low);
            }
            known.now.trades.iter().for_each(|trade| camp.see(*trade, *trade));
        }
        let seat = &self.seats[index];
        let Some(camp) = seat.camp.as_ref().filter(|_| seat.alone) else { return };
        let own = |order: &&Live| order.seat == Some(index);
        let orders = || known.orders.iter().filter(own);
        let symbol = &self.policies[seat.strategy].name;
        let plan = plans
            .iter()
            .rev()
            .find(|plan| plan.strategy.as_str() == symbol && self.by_symbol.get(&*plan.instrument) == Some(&market));
        let here = At { time: Some(self.at), plan: plan.map(|plan| plan.plan), ..At::file("orders") };
        let rests = policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Resting);
        let flight: Qty = orders().filter(|order| order.is_market()).map(Live::signed).fold(Qty::ZERO, plus);
        if seat.is_touched && rests && camp.has_stop(policy, known.tick) {
            let stops = orders().filter(|order| order.is_resting_stop() && !order.cancelling);
            let covered: Qty = stops.map(Live::open).fold(Qty::ZERO, plus);
            self.found.ensure("stop.covers", covered == seat.held.abs(), here, || {
                format!("{} is held, stops cover {covered}", seat.held)
            });
        }
        // A plan of the market's own input: what reduces goes out with it.
        let answers = self.tables.orders[self.orders_now.clone()].iter().enumerate();
        let on_market = answers
            .skip(self.boundary - self.orders_now.start)
            .any(|(_, row)| row.strategy.as_str() == symbol && self.by_symbol.get(&*row.instrument) == Some(&market));
        let quiet = !self.has_news && known.now.funding.is_empty() && !seat.is_filled && known.now.bar.is_some();
        if let Some(plan) = plan.filter(|_| on_market || quiet) {
            let missing = change(plan.target, seat.held, &known.orders, index);
            let is_blocked = missing.signum() * seat.held.signum() < 0;
            self.found.ensure("exit.blocked", !is_blocked, here, || {
                format!("target {} with {} held: {missing} was not sent", plan.target, seat.held)
            });
        }
        let Some(bar) = known.now.bar.filter(|_| !seat.is_filled) else { return };
        let leaves = plus(seat.held, flight).is_zero();
        if let Some(level) = seat.watched {
            let crossed = if camp.is_long() { bar.low <= level } else { bar.high >= level };
            let holds = !crossed || leaves;
            let holds = self.found.ensure("watched.stop", holds, here, || {
                format!(
                    "the watched stop {level} was crossed, the bar went from {} to {}: {} of {} goes out",
                    bar.low, bar.high, flight, seat.held
                )
            });
            self.told.unexplained += u64::from(!holds);
        }
        let waits = orders().any(|order| matches!(order.purpose, For::Add(_)));
        if let Some((unit, level)) = camp.next_level(policy, known.tick).filter(|_| !waits && !leaves) {
            let crossed = if camp.is_long() { bar.high >= level } else { bar.low <= level };
            let mut told = plans.iter().filter(|plan| {
                plan.strategy.as_str() == symbol && self.by_symbol.get(&*plan.instrument) == Some(&market)
            });
            let holds = !crossed || told.any(|plan| &*plan.outcome == "refused" || plan.target.is_zero());
            let holds = self.found.ensure("add.unexplained", holds, here, || {
                format!(
                    "unit {} was due at {level}, the bar went from {} to {}: neither added nor refused",
                    unit + 1,
                    bar.low,
                    bar.high
                )
            });
            self.told.unexplained += u64::from(!holds);
        }
    }

    /// Rows of positions of this time: marks and extremes from the tapes, the stop from the orders.
    pub(super) fn positions(&mut self) {
        let tables = self.tables;
        let has_row = tables.equity.get(self.next.equity).is_some_and(|row| row.time <= self.at);
        let has_structures = !self.policies.iter().all(is_plain);
        let mut told = Vec::new();
        while let Some(position) = tables.positions.get(self.next.position).filter(|row| row.time <= self.at) {
            let at = At::position(self.next.position, position);
            self.next.position += 1;
            let Some(market) = self.by_symbol.get(&*position.instrument).copied() else { continue };
            let Some(seat) = self.seat_of(&position.strategy, market) else { continue };
            told.push(seat);
            self.volatility(self.seats[seat].strategy, position, at);
            let known = &self.markets[market];
            let mark = known.mark.unwrap_or(known.last);
            let worst = &mut self.told.leverage[self.seats[seat].strategy];
            if position.exposure.abs() > worst.0 {
                *worst = (position.exposure.abs(), Some(position.time));
            }
            self.found.ensure("bars", position.mark == mark, at, || {
                format!("the mark is {}, the tapes give {mark}", position.mark)
            });
            // Settlements of options make rows between those of bars, which begin no new span.
            let seen = has_structures
                || known.span.is_some_and(|span| {
                    (span.open, span.high, span.low, span.volume)
                        == (position.open, position.high, position.low, position.volume)
                });
            self.found.ensure("bars", seen, at, || match known.span {
                Some(span) => format!(
                    "open, high, low and volume are {} {} {} {}, the tapes give {} {} {} {}",
                    position.open,
                    position.high,
                    position.low,
                    position.volume,
                    span.open,
                    span.high,
                    span.low,
                    span.volume
                ),
                None => "the tapes have no bar of it since the row before".to_owned(),
            });
            let strategy = self.seats[seat].strategy;
            let flight = known.orders.iter().filter(|order| order.seat == Some(seat) && order.is_market());
            let leaves = flight.map(Live::signed).fold(self.seats[seat].held, plus).is_zero();
            let is_watched = self.policies[self.seats[seat].strategy]
                .stop
                .as_ref()
                .is_some_and(|stop| stop.trigger == Trigger::Synthetic);
            let each = self.has_each_bar;
            let of = &mut self.seats[seat];
            of.watched = position.stop.filter(|_| is_watched && each);
            match (&mut of.camp, position.stop) {
                (Some(camp), Some(stop)) if is_watched => {
                    let holds = camp.stop.is_none_or(|before| camp.is_no_worse(stop, before));
                    self.found.ensure("stop.moved", holds, at, || {
                        format!(
                            "the watched stop moves from {} to {stop}, against the position",
                            camp.stop.unwrap_or_default()
                        )
                    });
                    camp.stop = Some(stop);
                }
                // All goes out: no stop rests any more, and the place that it would have is told.
                (Some(camp), Some(stop)) if leaves && Some(stop) != camp.stop => {
                    let holds = camp.stop.is_none_or(|before| camp.is_no_worse(stop, before));
                    let best = (camp.entry, camp.best);
                    let tick = known.tick;
                    let holds = holds && camp.may_stop_at(&self.policies[strategy], stop, best, tick);
                    self.found.ensure("stop.level", holds, at, || {
                        format!(
                            "the policy has no stop at {stop}: the orders gave {} before the exit",
                            shown(camp.stop)
                        )
                    });
                }
                (camp, stop) => {
                    let expected = camp.as_ref().and_then(|camp| camp.stop);
                    self.found.ensure("stop.level", stop == expected, at, || {
                        format!("the stop is {}, the orders give {}", shown(stop), shown(expected))
                    });
                }
            }
        }
        if !has_row {
            return;
        }
        self.drawdown();
        self.highest();
        while tables.equity.get(self.next.equity).is_some_and(|row| row.time <= self.at) {
            self.next.equity += 1;
        }
        for market in &mut self.markets {
            if market.span.take().is_some() {
                let missing = !has_structures && market.seats.iter().any(|seat| !told.contains(seat));
                let at = At { time: Some(self.at), ..At::file("positions") };
                self.found.ensure("bars", !missing, at, || "no row of an instrument that had a bar".to_owned());
            }
        }
    }

    /// A drawdown is under the highest equity so far: that of a row, or one that fills and payments made between two rows, at the marks of
    /// before. Where nothing did, it is the same highest as at the row before or the row's own.
    fn highest(&mut self) {
        let gained = std::mem::take(&mut self.gained);
        let before = self.highest.take();
        let tables = self.tables;
        let Some(row) = tables.equity.get(self.next.equity) else { return };
        // Money that is moved moves the highest equity with it.
        let first = tables.equity.first().map_or(Timestamp::MAX, |first| first.time);
        let has_moved = tables.flows.iter().any(|flow| flow.time > first && flow.time <= row.time);
        let is_plain_run = self.has_each_bar && tables.accounts.is_empty() && self.twin.is_bare();
        if gained.is_uncertain || has_moved || !is_plain_run || row.equity.raw() <= 0 {
            return;
        }
        let now = row.equity.approximate();
        let (low, from) = match before {
            Some((highest, equity)) => (now.max(highest), equity),
            None if self.next.equity == 0 => (now, row.paid_in.approximate()),
            None => return,
        };
        let high = low.max(from + gained.most.cash().approximate());
        let under = |highest: f64| 1.0 - now / highest;
        let fits = row.drawdown >= under(low) - 1e-9 && row.drawdown <= under(high) + 1e-9;
        self.found.ensure("drawdown", fits, At::equity(self.next.equity, row), || {
            format!("the drawdown is {}, from the highest so far it is {} to {}", row.drawdown, under(low), under(high))
        });
        let told = if row.drawdown < 1.0 { now / (1.0 - row.drawdown) } else { low };
        self.highest = Some((told.clamp(low, high), now));
    }

    /// At the last level of drawdown, where nothing lets it begin again, all is closed or on its way out.
    pub(super) fn drawdown(&mut self) {
        let tables = self.tables;
        let Some(equity) = tables.equity.get(self.next.equity).filter(|_| tables.accounts.is_empty()) else { return };
        for (index, market) in self.markets.iter().enumerate() {
            for seat in market.seats.iter().copied().filter(|seat| self.seats[*seat].alone) {
                let policy = &self.policies[self.seats[seat].strategy];
                let last = policy
                    .caps
                    .drawdown
                    .last()
                    .filter(|level| level.factor.get() == 0.0 && policy.caps.rearm.is_none());
                let Some(last) = last.filter(|last| equity.drawdown >= last.at.get() * (1.0 - 1e-9)) else { continue };
                let own =
                    self.markets[index].orders.iter().filter(|order| order.seat == Some(seat) && order.is_market());
                let left = own.map(Live::signed).fold(self.seats[seat].held, plus);
                self.found.ensure("cap.drawdown", left.is_zero(), At::equity(self.next.equity, equity), || {
                    format!("drawdown {} is over the last level {}, and {left} stays", equity.drawdown, last.at.get())
                });
            }
        }
    }
}
