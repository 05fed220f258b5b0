//! How long the exchange takes over bars: `cargo run --profile ci -p trimtab-exchange --example speed`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that is read by a person")]

use exchange::{Exchange, ExchangeConfig};
use market::*;
use units::{AccountId, Duration, InstrumentId, OrderId, Price, Qty, Side, Timestamp};

fn main() {
    measure("idle, 1 instrument", 1, 1_000_000, 0);
    measure("held under stop and target, 1 instrument", 1, 1_000_000, 1);
    measure("20 instruments, 1 held", 20, 100_000, 1);
    measure("20 instruments, all held", 20, 100_000, 20);
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_nanos(minute * Duration::MINUTE.nanos())
}

fn catalogue(count: usize) -> Catalogue {
    let instrument = |index| Instrument {
        symbol: format!("sim:X{index}-PERP"),
        kind: InstrumentKind::LinearPerpetual,
        base: "COIN".parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        tick: "0.1".parse().unwrap(),
        lot: "0.001".parse().unwrap(),
        min_qty: "0.01".parse().unwrap(),
    };
    Catalogue { instruments: (0..count).map(instrument).collect(), series: vec![] }
}

fn bar(instrument: usize, minute: i64) -> Event {
    let price = |ticks: i64| Price::from_raw((1_000 + ticks) * 10_000_000);
    let (open, close) = ((minute - 1) * 7 % 41, minute * 7 % 41);
    let (high, low) = (open.max(close) + 5, open.min(close) - 5);
    Event::Bar(Bar {
        instrument: InstrumentId(instrument as u32),
        opened: at(minute - 1),
        closed: at(minute),
        open: price(open),
        high: price(high),
        low: price(low),
        close: price(close),
        volume: Qty::ZERO,
    })
}

/// Bars a second, the best of five runs: `instruments` bars an input, in the first `held` of them a position under a stop and a target.
fn measure(name: &str, instruments: usize, inputs: i64, held: usize) {
    let inputs: Vec<Vec<Event>> =
        (1..=inputs).map(|minute| (0..instruments).map(|of| bar(of, minute)).collect()).collect();
    let best = (0..5).map(|_| seconds(instruments, &inputs, held)).fold(f64::INFINITY, f64::min);
    let bars = instruments * inputs.len();
    println!("{name}: {bars} bars in {best:.3} s, {:.1} million a second", bars as f64 / best / 1e6);
}

fn seconds(instruments: usize, inputs: &[Vec<Event>], held: usize) -> f64 {
    let catalogue = catalogue(instruments);
    let mut exchange = Exchange::new(ExchangeConfig::new("1000000".parse().unwrap(), &catalogue), &catalogue);
    let place = |exchange: &mut Exchange, instrument, id, side, qty: &str, kind, reduce_only| {
        exchange.command(Command::Place(NewOrder {
            id: OrderId(id),
            account: AccountId(0),
            instrument,
            side,
            qty: qty.parse().unwrap(),
            kind,
            reduce_only,
            exit: reduce_only,
        }));
    };
    for (index, first) in (0..held).zip((256..).step_by(3)) {
        let (of, price) = (InstrumentId(index as u32), |price: &str| price.parse().unwrap());
        place(&mut exchange, of, first, Side::Buy, "1", OrderKind::Market, false);
        place(&mut exchange, of, first + 1, Side::Sell, "1", OrderKind::Stop { trigger: price("50") }, true);
        place(&mut exchange, of, first + 2, Side::Sell, "1", OrderKind::Limit { price: price("200") }, true);
    }
    #[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is measured is time")]
    let started = std::time::Instant::now();
    for (events, minute) in inputs.iter().zip(1..) {
        exchange.advance(at(minute), events);
        while exchange.poll().is_some() {}
    }
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(exchange.bars() as usize, instruments * inputs.len());
    seconds
}
