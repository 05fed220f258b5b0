//! Bars on whose path nothing happens, which are most: passed without a walk.

use crate::book::Order;
use crate::venue::Exchange;
use market::Bar;

impl Exchange {
    /// Whether nothing happens on a bar's path: no order waits at a price of it, and the position outlives its worst price.
    pub(crate) fn is_quiet(&self, bar: &Bar) -> bool {
        let instrument = bar.instrument.index();
        let meets = |order: &Order| order.after < bar.closed && order.wait().meets(bar.low, bar.high);
        !self.book.of(instrument).iter().any(meets)
            && (self.account_of(instrument).position(instrument).qty.is_zero()
                || self.liquidation_price(instrument, (bar.low, bar.high)).is_none())
    }

    /// What a walk along a quiet bar leaves.
    pub(crate) fn pass(&mut self, bar: &Bar) {
        let instrument = bar.instrument.index();
        self.rest(instrument, bar.closed, |_| true);
        let low_first = self.choose_path(instrument, bar);
        self.paths.push(instrument, low_first);
        self.reach(instrument, bar.close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::Walk;
    use crate::{ExchangeConfig, PathRule};
    use market::{
        Catalogue, Command, Currency, Event, Instrument, InstrumentKind, Mark, NewOrder, OrderKind, OrderState,
    };
    use std::collections::BTreeMap;
    use units::state::StateWriter;
    use units::{AccountId, Duration, InstrumentId, OrderId, Price, Qty, Side, Timestamp};

    const TICK: i64 = 10_000_000;

    struct Random(u64);

    impl Random {
        fn below(&mut self, end: i64) -> i64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as i64 % end
        }

        fn near(&mut self, price: Price, reach: i64) -> Price {
            Price::from_raw((price.raw() / TICK + self.below(2 * reach + 1) - reach).max(1) * TICK)
        }
    }

    fn catalogue() -> Catalogue {
        let coin: Currency = "COIN".parse().unwrap();
        let instrument = |symbol: &str, kind, settle| Instrument {
            symbol: symbol.into(),
            kind,
            base: coin,
            quote: Currency::USD,
            settle,
            tick: Price::from_raw(TICK),
            lot: Qty::from_raw(1_000_000),
            min_qty: Qty::from_raw(1_000_000),
        };
        let instruments = vec![
            instrument("sim:L", InstrumentKind::LinearPerpetual, Currency::USD),
            instrument("sim:I", InstrumentKind::InversePerpetual, coin),
            instrument("sim:S", InstrumentKind::Spot, Currency::USD),
        ];
        Catalogue { instruments, series: vec![] }
    }

    fn order(random: &mut Random, number: u64, last: Price) -> NewOrder {
        let instrument = InstrumentId(random.below(3) as u32);
        let (price, beyond) = (random.near(last, 80), random.near(last, 80));
        let kind = match random.below(8) {
            0 => OrderKind::Market,
            1..=3 => OrderKind::Limit { price },
            4..=6 => OrderKind::Stop { trigger: price },
            _ => OrderKind::StopLimit { trigger: price, price: beyond },
        };
        let exit = random.below(2) == 0;
        let scale = if instrument.0 == 1 { 100 } else { 1 };
        NewOrder {
            id: OrderId(number),
            account: AccountId(0),
            instrument,
            side: if random.below(2) == 0 { Side::Buy } else { Side::Sell },
            qty: Qty::from_raw((random.below(60) + 1) * 10_000_000 * scale),
            kind,
            reduce_only: exit && random.below(3) > 0,
            exit,
        }
    }

    fn bar(random: &mut Random, last: &mut Price, instrument: u32, closed: Timestamp) -> Bar {
        let gap = if random.below(4) == 0 { 90 } else { 3 };
        let open = random.near(*last, gap);
        *last = random.near(open, 15);
        let high = Price::from_raw(open.max(*last).raw() + random.below(5) * TICK);
        let low = Price::from_raw((open.min(*last).raw() - random.below(5) * TICK).max(TICK));
        let minutes = [1, 1, 7][random.below(3) as usize];
        let (opened, close) = (closed - Duration::from_nanos(minutes * Duration::MINUTE.nanos()), *last);
        Bar { instrument: InstrumentId(instrument), opened, closed, open, high, low, close, volume: Qty::ZERO }
    }

    fn bytes(exchange: &Exchange) -> Vec<u8> {
        let mut out = StateWriter::new();
        exchange.save(&mut out);
        out.as_bytes().to_vec()
    }

    /// The bounds are those of the positions at their marks, and whoever outlives a bar by them outlives it by the margins.
    fn check_bounds(exchange: &Exchange, bar: &Bar, met: &mut BTreeMap<&'static str, u32>) {
        let mut meet = |case| *met.entry(case).or_default() += 1;
        let account = exchange.account_of(0);
        let margined = |index: &usize| !exchange.terms[*index].is_spot;
        for index in (0..3).filter(margined) {
            let pool = exchange.terms[index].pool;
            let together = (0..3).filter(margined).filter(|other| exchange.terms[*other].pool == pool);
            let bound = |of: usize| exchange.config.tiers[of].maintenance_bound(risk::Size::held(account, of));
            assert_eq!(exchange.bounds[pool], together.map(bound).sum());
        }
        let index = bar.instrument.index();
        let (qty, contract) = (account.position(index).qty, account.contract(index));
        if qty.is_zero() || exchange.terms[index].is_spot {
            return;
        }
        let worst = if qty.raw() > 0 { bar.low } else { bar.high };
        let mut there = account.clone();
        there.set_mark(index, worst);
        let margin = risk::maintenance_margin(&there, &exchange.config.tiers, index);
        let outlives = there.settlement(index).equity() > margin;
        assert!(outlives || !exchange.clearly_outlives(index, (bar.low, bar.high)), "{contract:?} {qty} {bar:?}");
        meet(if outlives { "outlived" } else { "not outlived" });
    }

    /// A bar called quiet, walked, delivers nothing and leaves the same state to the last byte.
    fn compare(exchange: &Exchange, bar: &Bar, met: &mut BTreeMap<&'static str, u32>) {
        let mut meet = |case| *met.entry(case).or_default() += 1;
        if !exchange.is_quiet(bar) {
            return meet("walked");
        }
        let (mut passed, mut walked) = (exchange.clone(), exchange.clone());
        passed.pass(bar);
        let mut walk = Walk::bar(bar);
        assert!(!walked.walk_on(&mut walk), "something happens on {bar:?}");
        assert!(!walk.is_ambiguous(), "{bar:?}");
        assert_eq!(bytes(&passed), bytes(&walked), "{bar:?}");
        let index = bar.instrument.index();
        let orders = exchange.book.of(index);
        match exchange.account_of(index).position(index).qty.signum() {
            1 => meet(["long", "long inverse", "long spot"][index]),
            -1 => meet(["short", "short inverse", "short spot"][index]),
            _ => meet(["flat", "flat inverse", "flat spot"][index]),
        }
        if !orders.is_empty() {
            meet("with orders");
        }
        if orders.iter().any(|open| open.state == OrderState::Triggered) {
            meet("with a triggered order");
        }
        if orders.iter().any(|open| open.after < bar.closed && open.sent > bar.opened) {
            meet("with an order sent while it ran");
        }
        if orders.iter().any(|open| open.after >= bar.closed) {
            meet("with an order on its way");
        }
        if exchange.terms[index].has_mark_feed {
            meet("with a mark feed");
        }
    }

    #[test]
    fn a_quiet_bar_leaves_what_its_walk_would() {
        let mut met = BTreeMap::new();
        for seed in 0..240 {
            let mut random = Random(seed);
            let catalogue = catalogue();
            let mut config =
                ExchangeConfig::new(["60", "100", "5000"][random.below(3) as usize].parse().unwrap(), &catalogue);
            config.accounts[0].deposits.push(("1".parse().unwrap(), "COIN".parse().unwrap()));
            config.latency = Duration::from_nanos(random.below(3) * Duration::MINUTE.nanos());
            config.path = [PathRule::AdverseFirst, PathRule::FavourableFirst][random.below(2) as usize].clone();
            if random.below(2) == 0 {
                // As at Deribit, rates rise with each coin: up to double of these.
                let growth = "0.001".parse().unwrap();
                config.tiers = config.tiers.into_iter().map(|tiers| tiers.growing(growth).unwrap()).collect();
            }
            let (mut exchange, feed) = (Exchange::new(config, &catalogue), random.below(3) == 0);
            let mut last = ["100".parse().unwrap(); 3];
            let mut number = 255;
            for minute in 1..=200 {
                let at = Timestamp::from_nanos(minute * Duration::MINUTE.nanos());
                let index = random.below(3) as usize;
                let next = bar(&mut random, &mut last[index], index as u32, at);
                check_bounds(&exchange, &next, &mut met);
                compare(&exchange, &next, &mut met);
                let mark = Mark { instrument: next.instrument, price: random.near(next.close, 3) };
                let events = [Event::Bar(next), Event::Mark(mark)];
                exchange.advance(at, if feed && random.below(2) == 0 { &events } else { &events[..1] });
                while exchange.poll().is_some() {
                    if random.below(4) == 0 {
                        number += 1;
                        exchange.command(Command::Place(order(&mut random, number, last[index])));
                    }
                }
            }
        }
        for case in [
            "flat",
            "flat inverse",
            "flat spot",
            "long",
            "not outlived",
            "outlived",
            "long inverse",
            "long spot",
            "short",
            "short inverse",
            "short spot",
            "walked",
            "with a mark feed",
            "with a triggered order",
            "with an order on its way",
            "with an order sent while it ran",
            "with orders",
        ] {
            assert!(met.get(case).is_some_and(|count| *count >= 100), "{case} too rare in {met:?}");
        }
    }
}
