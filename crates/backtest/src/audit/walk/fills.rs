//! Fills: at what price and fee, of which order and campaign, and what they realise.

use super::{Market, Walk, volume};
use crate::audit::campaign::Camp;
use crate::audit::finding::At;
use crate::audit::live::{Live, id_of, is_venues, side_of};
use crate::audit::plans::MARKET;
use crate::audit::seat::{Seat, plus};
use crate::records::{FillRow, PlanRow};
use market::OptionQuote;
use units::{Cash, Contract, Price, Qty, Rate, Round, Side};

impl Walk<'_> {
    /// A fill of an order: it is the next one of it in the table of fills, at a price that the market reached.
    pub(super) fn filled(&mut self, row: usize, market: usize, index: usize) {
        let tables = self.tables;
        let (told, at) = (&tables.orders[row], At::order(row, &tables.orders[row]));
        let order = self.markets[market].orders[index].clone();
        self.found.ensure("order.life", order.accepted && !order.cancelling, at, || {
            "filled before it was accepted, or after it was asked back".to_owned()
        });
        if order.trigger.is_none() || order.triggered {
            self.reached(row, market, &order);
        } else {
            self.found.ensure("order.life", false, at, || "filled without a trigger".to_owned());
        }
        let same = |fill: &FillRow| {
            fill.time == told.time
                && fill.quantity == told.quantity
                && Some(fill.price) == told.price
                && fill.side == *told.side
                && fill.purpose == *told.purpose
                && fill.strategy == *told.strategy
                && fill.instrument == *told.instrument
        };
        let queue = self.fills_of.entry(order.id).or_default();
        // What crossed inside the book is no news of the venue.
        while queue.last().is_some_and(|fill| tables.fills[*fill].liquidity == "internal") {
            queue.pop();
        }
        let fill = queue.pop();
        let agrees = fill.is_some_and(|fill| same(&tables.fills[fill]));
        self.found.ensure("fill.order", agrees, at, || match fill {
            Some(fill) => format!(
                "filled {} at {}; row {} of fills says {} at {}",
                told.quantity,
                told.price.unwrap_or_default(),
                fill + 1,
                tables.fills[fill].quantity,
                tables.fills[fill].price
            ),
            None => "fills has no row of it".to_owned(),
        });
        {
            let order = &mut self.markets[market].orders[index];
            order.filled = plus(order.filled, told.quantity);
            order.left = plus(order.left, -told.quantity);
            order.acted = told.time;
        }
        let over = self.markets[market].orders[index].filled > order.quantity;
        self.found.ensure("order.life", !over, at, || {
            format!("more is filled than the {} that were ordered", order.quantity)
        });
        if let Some(fill) = fill {
            self.price(fill, market, &order);
            self.fills_to(fill + 1);
        }
        if self.markets[market].orders[index].open().is_zero() {
            self.markets[market].orders.remove(index);
        }
    }

    /// What the size of an execution makes it worse by, as a share of its price: that of all its parts, where strategies share it.
    fn impact(&self, row: usize, market: usize) -> Rate {
        let (fills, fill) = (&self.tables.fills, &self.tables.fills[row]);
        let is_part = |other: &&FillRow| {
            other.input == fill.input
                && other.instrument == fill.instrument
                && other.order == fill.order
                && other.price == fill.price
                && other.liquidity != "internal"
        };
        let parts = fills[..row].iter().rev().take_while(is_part).chain(fills[row..].iter().take_while(is_part));
        let whole = parts.fold(0_i128, |sum, part| sum + i128::from(signed_of(part).raw())).abs();
        // In hundred-millionths of the quote currency, rounded up.
        let (one, price) = (i128::from(Price::ONE), i128::from(fill.reference.raw()));
        let value = match self.markets[market].contract {
            Contract::Linear => (whole * price + one - 1) / one,
            Contract::Inverse => whole,
        };
        let each = i128::from(self.policies[0].backtest.impact.raw());
        let million = 1_000_000 * one;
        let share = (value.saturating_mul(each).saturating_add(million - 1) / million).min(i128::from(Rate::ONE));
        Rate::from_raw(share as i64)
    }

    /// An option fills at a bid or ask of that time, with slippage to the worse step of its venue, and no more than stands there.
    fn quoted(&mut self, row: usize, market: usize, limit: Option<Price>) {
        let fill = &self.tables.fills[row];
        let (at, known, slippage) = (At::fill(row, fill), &self.markets[market], self.policies[0].backtest.slippage);
        let side = side_of(&fill.side);
        let offered = |quote: &OptionQuote| match side {
            Side::Buy => Some((quote.ask()?, quote.ask_qty())),
            Side::Sell => Some((quote.bid()?, quote.bid_qty())),
        };
        let taken = |price: Price| {
            let exact = Price::from_raw(1);
            let moved = worsened(price, slippage, side, exact);
            let step = self.steps.at(known.steps, moved, self.at).map_or(known.tick, |step| step.tick.max(known.tick));
            let taken = worsened(moved, Rate::ZERO, side, if moved == price { exact } else { step });
            limit.map_or(taken, |limit| if side == Side::Buy { taken.min(limit) } else { taken.max(limit) })
        };
        let is_of = |quote: &OptionQuote| {
            offered(quote).is_some_and(|(price, size)| {
                taken(price) == fill.price
                    && quote.mid().unwrap_or(price) == fill.reference
                    && size.is_none_or(|size| fill.quantity <= size)
            })
        };
        let is_quoted = fill.liquidity == "maker" || known.now.quotes.iter().any(is_of);
        self.found.ensure("fill.quote", is_quoted, at, || {
            let all: Vec<String> = known
                .now
                .quotes
                .iter()
                .filter_map(offered)
                .map(|(price, size)| {
                    let size = size.map_or(String::new(), |size| format!(" for {size}"));
                    format!("{}{size}", taken(price))
                })
                .collect();
            let all = if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
            format!("{} at {} beside {}; quotes of that time give {all}", fill.quantity, fill.price, fill.reference)
        });
    }

    /// The price of a fill, from what the market did and what taking costs.
    pub(super) fn price(&mut self, row: usize, market: usize, order: &Live) {
        let fill = &self.tables.fills[row];
        let at = At::fill(row, fill);
        let terms = &self.policies[0].backtest;
        let Market { tick, now, is_option, before, net, .. } = &self.markets[market];
        let (tick, is_option, before) = (*tick, *is_option, *before);
        // Of the net: what turns it opens something too.
        let opens = fill.liquidity == "maker" && (net.signum() * order.side.sign() >= 0 || fill.quantity > net.abs());
        let side = order.side;
        let no_worse = |price: Price, than: Price| if side == Side::Buy { price <= than } else { price >= than };
        let limit = order.price;
        self.found.ensure("fill.price", limit.is_none_or(|limit| no_worse(fill.price, limit)), at, || {
            format!("filled at {}, its limit is {}", fill.price, limit.unwrap_or_default())
        });
        if is_option {
            return self.quoted(row, market, limit);
        }
        let is_maker = fill.liquidity == "maker";
        let impact = if terms.impact.is_zero() { Rate::ZERO } else { self.impact(row, market) };
        let taken = worsened(fill.reference, terms.half_spread + terms.slippage + impact, side, tick);
        let expected = match limit {
            _ if is_maker => fill.reference,
            Some(limit) => {
                if side == Side::Buy {
                    taken.min(limit)
                } else {
                    taken.max(limit)
                }
            }
            None => taken,
        };
        self.found.ensure("fill.price", fill.price == expected, at, || {
            let what = if impact.is_zero() { "half spread and slippage" } else { "half spread, slippage and impact" };
            format!("filled at {}; {} with {what} is {expected}", fill.price, fill.reference)
        });
        let Some(bar) = now.bar.filter(|_| now.trades.is_empty()) else { return };
        // What rested untouched is reached at its level, or at the open where the market opened beyond it.
        // What waited for the rule of the opening bar is filled on the way.
        let waited = is_maker && now.has_opened;
        let rested = order.changed < self.at && order.placed < self.at && !waited;
        let level = order.trigger.or(order.price);
        let open = worsened(bar.open, Rate::from_raw(0), side, tick);
        // Sent inside the bar before, which closed beyond it: a venue would have filled it on the way, at its own price.
        let was_passed = is_maker && order.set_inside && order.changed == before && limit == Some(fill.reference);
        let only_close = order.meets_only_close(&bar);
        let place = match level {
            _ if !rested => None,
            Some(_) if only_close && order.trigger.is_some() && order.price.is_some() => None,
            Some(level) if only_close && is_maker => Some(level),
            _ if only_close => Some(bar.close),
            None => Some(bar.open),
            Some(_) if order.trigger.is_some() && order.price.is_some() => None,
            Some(level) if order.trigger.is_some() => Some(if no_worse(bar.open, level) { level } else { bar.open }),
            Some(level) if is_maker && no_worse(bar.open, level) && !was_passed => Some(open),
            Some(level) if is_maker => Some(level),
            Some(_) => None,
        };
        self.found.ensure("fill.price", place.is_none_or(|place| place == fill.reference), at, || {
            format!("its reference is {}, it rested and was reached at {}", fill.reference, place.unwrap_or_default())
        });
        let is_older = order.changed < self.at && order.placed < self.at;
        if was_passed && is_older && limit.is_some_and(|limit| no_worse(bar.open, limit)) {
            self.markets[market].now.has_opened |= opens;
            return;
        }
        let inside = (bar.low..=bar.high).contains(&fill.reference) || fill.reference == open;
        self.found.ensure("fill.price", inside, at, || {
            format!("its reference {} is outside the bar, {} to {}", fill.reference, bar.low, bar.high)
        });
        let market = &mut self.markets[market];
        market.now.path.push(fill.reference);
        market.now.has_opened |= opens;
    }

    /// Fills of one bar lie on one path through it: open, one extreme, the other, close.
    pub(super) fn check_paths(&mut self) {
        for index in &self.busy {
            let market = &self.markets[*index];
            let Some(bar) = market.now.bar.filter(|_| !market.now.path.is_empty()) else { continue };
            let fits = |points: [Price; 4]| is_on_path(&points, &market.now.path, market.tick);
            let fits = fits([bar.open, bar.low, bar.high, bar.close]) || fits([bar.open, bar.high, bar.low, bar.close]);
            let at = At { time: Some(self.at), ..At::file("fills") };
            self.found.ensure("fill.path", fits, at, || {
                format!(
                    "no path through the bar {} {} {} {} passes {} in this order",
                    bar.open,
                    bar.high,
                    bar.low,
                    bar.close,
                    market.now.path.iter().map(Price::to_string).collect::<Vec<_>>().join(", ")
                )
            });
        }
    }

    /// Takes in what the venue did by itself before a plan was made: it is no news of an order. And what of an earlier plan of the
    /// same input crossed inside the book, of which no order tells: this plan answers it.
    pub(super) fn fills_before(&mut self, plan: &PlanRow) {
        let fills = &self.tables.fills[self.next.fill..];
        let input = plan.input;
        let came = |fill: &&FillRow| fill.input < input || (fill.input == input && fill.liquidity != "internal");
        let is_own = |fill: &FillRow| fill.strategy == *plan.strategy && fill.instrument == *plan.instrument;
        let crossed = |fill: &FillRow| {
            fill.input == input && fill.liquidity == "internal" && fill.plan < plan.plan && is_own(fill)
        };
        let now = fills.iter().take_while(|fill| fill.time <= self.at);
        let count = now.clone().take_while(came).count();
        let last = now.enumerate().filter(|(_, fill)| crossed(fill)).last();
        let count = last.map_or(count, |(last, _)| count.max(last + 1));
        self.fills_to(self.next.fill + count);
    }

    /// Takes fills in up to a row.
    pub(super) fn fills_to(&mut self, until: usize) {
        while self.next.fill < until {
            let row = self.next.fill;
            self.next.fill += 1;
            self.fill(row);
        }
    }

    pub(super) fn fill(&mut self, row: usize) {
        let tables = self.tables;
        let (fill, at) = (&tables.fills[row], At::fill(row, &tables.fills[row]));
        let known = self.by_symbol.get(&fill.instrument).copied().zip(id_of(&fill.order));
        let agrees = known.is_some_and(|(_, id)| id.0 == fill.plan);
        self.found.ensure("fill.order", agrees, at, || {
            format!("order `{}` is not one of plan {}, or `{}` is on no tape", fill.order, fill.plan, fill.instrument)
        });
        let Some((market, id)) = known else { return };
        let is_venues = is_venues(id);
        let was_told = is_venues || fill.liquidity == "internal" || self.ids.contains(&id);
        self.found.ensure("fill.order", was_told, at, || "no such order was placed".to_owned());
        let says = fill.liquidation == (is_venues && fill.purpose == "liquidation");
        self.found.ensure("fill.order", says, at, || "a liquidation is the venue's, and says so".to_owned());
        self.fee(row, market);
        // What two strategies cross. Those on opposite sides settle with each other at another price.
        let Market { is_option, middle, now, .. } = &self.markets[market];
        if *is_option && fill.liquidity == "internal" && fill.purpose != "settlement" {
            let mut middles = now.quotes.iter().map(OptionQuote::mid).chain([*middle]);
            let crosses = middles.any(|middle| middle == Some(fill.price));
            self.found.ensure("fill.quote", crosses, at, || {
                format!("crossed at {}, which is the middle of no quote of that time", fill.price)
            });
        }
        let signed = signed_of(fill);
        if fill.liquidity != "internal" {
            let known = &mut self.markets[market];
            known.net = plus(known.net, signed);
            // At the mark of before, which the market's own input of this time has not told yet.
            let earned = known.contract.value(known.marked, signed) - known.contract.value(fill.price, signed);
            self.gained.now += earned - fill.fee.notional();
            self.gained.most = self.gained.most.max(self.gained.now);
            self.gained.is_uncertain |= known.marked.is_zero() || fill.liquidation || known.is_option;
            if fill.liquidation {
                self.bars_now.iter().for_each(|index| self.markets[*index].now.course.doubt(true));
            }
        }
        let Some(seat) = self.seat_of(&fill.strategy, market) else { return };
        self.seats[seat].is_touched = true;
        self.seats[seat].is_filled = true;
        let planned = self.tables.plans[self.next.plan..].iter().take_while(|plan| plan.time <= fill.time);
        let shows = planned
            .filter(|plan| {
                plan.input == fill.input && *plan.strategy == fill.strategy && *plan.instrument == fill.instrument
            })
            .any(|plan| &*plan.rule == MARKET);
        self.found.ensure("plan.fill", shows, at, || format!("no plan of input {} tells of it", fill.input));
        self.realise(seat, fill, signed);
        self.campaign(seat, market, row, id, signed);
    }

    /// The fee, from the declared rates.
    pub(super) fn fee(&mut self, row: usize, market: usize) {
        let fill = &self.tables.fills[row];
        let (terms, known) = (&self.policies[0].backtest, &self.markets[market]);
        if known.is_option || fill.liquidation {
            return;
        }
        let exposure = known.contract.exposure(fill.price, fill.quantity);
        let of = |rate: Rate| {
            let round = if rate.raw() < 0 { Round::TowardZero } else { Round::AwayFromZero };
            exposure.at_rate(rate, round)
        };
        let is_maker = fill.liquidity == "maker";
        let mut rates = vec![if is_maker { terms.maker_fee } else { terms.taker_fee }];
        rates.extend(terms.fee_tiers.iter().map(|tier| if is_maker { tier.maker } else { tier.taker }));
        let free = fill.liquidity == "internal" || matches!(fill.purpose.as_str(), "settlement" | "opening");
        let fits = if free { fill.fee.is_zero() } else { rates.iter().any(|rate| of(*rate) == Some(fill.fee)) };
        self.found.ensure("fill.fee", fits, At::fill(row, fill), || {
            let expected = if free { Cash::ZERO } else { of(rates[0]).unwrap_or_default() };
            format!("the fee is {}; {} of {} is {expected}", fill.fee, rates[0], exposure.cash())
        });
    }

    /// A fill in the life of its campaign.
    pub(super) fn campaign(&mut self, index: usize, market: usize, row: usize, id: (u64, u64), signed: Qty) {
        let tables = self.tables;
        let (fill, at) = (&tables.fills[row], At::fill(row, &tables.fills[row]));
        let seat = &mut self.seats[index];
        let before = seat.held;
        seat.held = plus(seat.held, signed);
        let held = seat.held;
        if fill.purpose != "opening" {
            volume::grow(seat, &self.policies[seat.strategy], (before, held), fill.time);
        }
        let reduce_only =
            self.markets[market].orders.iter().find(|order| order.id == id).map(|order| order.reduce_only);
        if reduce_only == Some(true) {
            let shrinks = seat.held.abs() < before.abs() && seat.held.signum() * before.signum() >= 0;
            self.found.ensure("order.reduce_only", shrinks, at, || {
                format!("reduce-only, and brings {before} to {}", seat.held)
            });
        }
        if seat.camp.is_none() {
            let told = self.campaigns.get(&fill.campaign).map(|row| &tables.campaigns[*row]);
            let named = told.is_some_and(|told| told.strategy == fill.strategy && told.instrument == fill.instrument);
            self.found
                .ensure("campaign", named, at, || format!("campaigns has no row {} of this strategy", fill.campaign));
            let contract = self.markets[market].contract;
            let mut camp = Camp::open(fill, contract, told);
            camp.base = base_of(&tables.plans, fill.plan);
            // A rate that is due now is paid by what is held at that instant, of which no table has a row (`rates_due`).
            camp.uncertain = !seat.alone && !self.markets[market].now.funding.is_empty();
            if let Some(adopted) = self.policies[seat.strategy].adopt.iter().find(|of| of.instrument == fill.instrument)
            {
                camp.adopt(adopted.units);
            }
            seat.camp = Some(if seat.alone { camp } else { camp.sees_less() });
        }
        let Some(camp) = &mut seat.camp else { return };
        self.found.ensure("campaign", camp.id == fill.campaign, at, || {
            format!("it is of campaign {}; campaign {} is open", fill.campaign, camp.id)
        });
        let fresh = camp.fill(fill, signed, Some(id));
        self.found
            .ensure("rung.twice", fresh, at, || format!("`{}` was used before in campaign {}", fill.purpose, camp.id));
        if id.0 == 0 && !is_venues(id) {
            self.told.overrides.fills += 1;
            let gains = camp.is_long() == (fill.price >= camp.average());
            let reduces = before.signum() * signed.signum() < 0;
            self.told.overrides.winners_cut += u64::from(reduces && gains);
            self.told.overrides.losers_fed += u64::from(!reduces && !gains && !before.is_zero());
            self.by_hand.push((camp.id, signed, fill.price));
        }
        if seat.held.is_zero()
            && let Some(camp) = seat.camp.take()
        {
            let strategy = seat.strategy;
            self.by_hand_until(&camp, fill.price);
            self.close(&camp, Some(row), market, strategy);
        }
    }

    /// What was done by hand in a campaign that ends at a price, against having done nothing.
    pub(super) fn by_hand_until(&mut self, camp: &Camp, price: Price) {
        let Some(risked) = camp.risked() else { return };
        for (_, signed, at) in self.by_hand.extract_if(.., |(id, ..)| *id == camp.id) {
            self.told.overrides.cost_r += (at - price).approximate() * signed.approximate() / risked;
        }
    }

    /// Compares a campaign with its row.
    pub(super) fn close(&mut self, camp: &Camp, ended: Option<usize>, market: usize, strategy: usize) {
        let tables = self.tables;
        let Some(row) = self.campaigns.get(&camp.id).copied() else { return };
        self.checked_campaigns.insert(camp.id);
        let known = &self.markets[market];
        let mark = known.mark.unwrap_or(known.last);
        let (ended, tick) = (ended.map(|row| &tables.fills[row]), known.tick);
        camp.check((row, &tables.campaigns[row]), ended, mark, &self.policies[strategy], tick, self.found);
    }

    /// Odean's counts: what is sold, and what stays.
    pub(super) fn realise(&mut self, seat: usize, fill: &FillRow, signed: Qty) {
        let of = &self.seats[seat];
        if of.held.signum() * signed.signum() >= 0 {
            return;
        }
        let gains = |seat: &Seat, price: Price| {
            let camp = seat.camp.as_ref()?;
            let ahead = (price - camp.average()).signum() * seat.held.signum();
            (ahead != 0).then_some(ahead > 0)
        };
        let told = &mut self.told.disposition;
        match gains(of, fill.price) {
            Some(true) => told.realised_gains += 1,
            Some(false) => told.realised_losses += 1,
            None => {}
        }
        for (other, held) in self.seats.iter().enumerate() {
            let stays = if other == seat { !plus(held.held, signed).is_zero() } else { !held.held.is_zero() };
            let price = if other == seat { Some(fill.price) } else { self.mark_of(other) };
            match price.filter(|_| stays).and_then(|price| gains(held, price)) {
                Some(true) => self.told.disposition.paper_gains += 1,
                Some(false) => self.told.disposition.paper_losses += 1,
                None => {}
            }
        }
    }

    pub(super) fn mark_of(&self, seat: usize) -> Option<Price> {
        let market = self.markets.iter().find(|market| market.seats.contains(&seat))?;
        Some(market.mark.unwrap_or(market.last)).filter(|price| !price.is_zero())
    }
}

/// Adds a sell or a buy.
pub(super) fn signed_of(fill: &FillRow) -> Qty {
    fill.quantity.on(side_of(&fill.side))
}

/// The full base that an entry was planned with.
pub(super) fn base_of(plans: &[PlanRow], plan: u64) -> Option<Qty> {
    let begin = plans.partition_point(|step| step.plan < plan);
    let steps = plans[begin..].iter().take_while(|step| step.plan == plan);
    steps.filter(|step| &*step.rule == "pyramid" && &*step.outcome == "set").map(|step| step.before).next()
}

/// A price moved against a side by a rate, to the worse tick and never under one.
pub(super) fn worsened(reference: Price, by: Rate, side: Side, tick: Price) -> Price {
    let (one, tick) = (i128::from(Rate::ONE), i128::from(tick.raw()));
    let scaled = i128::from(reference.raw()) * (one + i128::from(side.sign()) * i128::from(by.raw()));
    let step = one * tick;
    let (whole, rest) = (scaled.div_euclid(step), scaled.rem_euclid(step));
    let ticks = if side == Side::Buy && rest > 0 { whole + 1 } else { whole };
    Price::from_raw(i64::try_from(ticks.max(1) * tick).unwrap_or(i64::MAX))
}

/// Whether prices are passed in this order on the way from point to point.
pub(super) fn is_on_path(points: &[Price; 4], prices: &[Price], tick: Price) -> bool {
    let (mut leg, mut here) = (1, points[0]);
    for price in prices {
        // A price off the grid was rounded to it.
        if (*price - here).abs() < tick {
            continue;
        }
        loop {
            let Some(end) = points.get(leg) else { return false };
            if (here.min(*end)..=here.max(*end)).contains(price) {
                here = *price;
                break;
            }
            here = *end;
            leg += 1;
        }
    }
    true
}
