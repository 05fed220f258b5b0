//! Random valid policies, for the tests of this crate and of those above it (feature `testing`).

use crate::spec::{
    AccountTerms, Adoption, Allocation, Backtest, BufferTo, Caps, Deposit, DrawdownLevel, FeeTier, Flow, FlowKind,
    Follow, FractionOf, Ladder, Limit, Money, OnLoss, OpenRisk, Over, Policy, Pyramid, Rearm, Reentry, Resize, Rung,
    Sides, Signal, SignalKind, Size, SizeKind, Spacing, Stop, Streak, TimeStop, Trade, UnitSource, VolatilitySource,
    settlements, venue,
};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use units::{Cash, Duration, Price, Qty, Rate, Ratio, Timestamp, Vol};

/// The only series that random policies read.
pub const SERIES: &str = "dvol.btc";
/// The instrument of random policies.
pub const INSTRUMENT: &str = "binance:BTCUSDT-PERP";

/// Any policy that `parse` accepts, with values that a trader could choose. Covers every rule family: see [`families`].
pub fn policies() -> impl Strategy<Value = Policy> {
    let parts = (signal(), unit(), size(), weighted(0.6, pyramid()), weighted(0.7, stop()), weighted(0.6, ladder()));
    (parts, caps(), trade(), backtest(), weighted(0.3, streak())).prop_map(
        |((signal, unit, size, pyramid, stop, ladder), caps, trade, backtest, streak)| {
            // R needs a stop.
            let ladder = ladder.filter(|_| stop.is_some());
            let streak = streak.filter(|_| stop.is_some());
            let caps = Caps { open_risk: caps.open_risk.filter(|_| stop.is_some()), ..caps };
            let rungs = ladder.as_ref().map_or(0, |ladder| ladder.rungs.len());
            let stop = stop.map(|stop| {
                let break_even_after = stop.break_even_after.filter(|rung| *rung as usize <= rungs);
                Stop { break_even_after, ..stop }
            });
            let kind = match size.kind {
                SizeKind::RiskPerTrade { .. } if stop.is_none() => {
                    SizeKind::FixedFraction { fraction: ratio(100, 100) }
                }
                kind => kind,
            };
            // N is for stops and adds; a policy may also say what it is and not use it.
            let unit = if stop.is_some() || pyramid.is_some() { Some(unit) } else { None };
            let size = Size { kind, ..size };
            Policy {
                name: "random".to_owned(),
                instruments: vec![INSTRUMENT.to_owned()],
                capital: ratio(1, 1),
                allocation: Allocation::default(),
                accounts: Vec::new(),
                signal,
                unit,
                size,
                pyramid,
                stop,
                ladder,
                streak,
                caps,
                trade,
                backtest,
                adopt: Vec::new(),
            }
        },
    )
}

/// Instruments of random portfolios: linear, inverse, spot, dated, and one whose quote cannot be told.
const PORTFOLIO: [&str; 7] = [
    INSTRUMENT,
    "binance:ETHUSDT-PERP",
    "binance:BTCUSDT",
    "binance:BTCUSD-PERP",
    "deribit:BTC-PERPETUAL",
    "deribit:ETH_USDC-27DEC24",
    "hyperliquid:SOL-PERP",
];

/// Any policy of several instruments that `parse` accepts: with accounts, money that is moved, fee tiers, adopted positions, and
/// series by base currency.
pub fn portfolios() -> impl Strategy<Value = Policy> {
    let instruments = prop_oneof![
        2 => subsequence(PORTFOLIO.to_vec(), 1..=PORTFOLIO.len()),
        1 => subsequence(vec!["deribit:BTC-PERPETUAL", "deribit:ETH_USDC-27DEC24"], 1..=2),
        1 => subsequence(vec!["binance:BTCUSD-PERP", "binance:BTCUSDT"], 1..=2),
    ];
    let over = select(vec![Over::Declared, Over::Quoted, Over::Signalled]);
    let shares = (1..=100i32, over, 1..=1_000i32);
    let parts = (weighted(0.5, accounts()), flows(), fee_tiers(), adoptions());
    (policies(), instruments, shares, parts, any::<bool>()).prop_map(
        |(mut policy, instruments, (capital, over, multiplier), (declared, flows, tiers, adopted), by_base)| {
            policy.instruments = instruments.into_iter().map(str::to_owned).collect();
            policy.capital = ratio(capital, 100);
            policy.allocation = Allocation { over, multiplier: ratio(multiplier, 100) };
            if by_base {
                name_by_base(&mut policy);
            }
            let mut venues: Vec<String> = policy.instruments.iter().map(|symbol| venue(symbol).to_owned()).collect();
            venues.dedup();
            // Several venues need accounts.
            let terms = declared.or((venues.len() > 1).then(|| vec![(None, vec![(1, "USDT")])]));
            match terms {
                Some(terms) => {
                    policy.accounts = venues.iter().zip(terms.iter().cycle()).map(account).collect();
                    (policy.backtest.deposit, policy.backtest.deposit_currency) = (Backtest::default().deposit, None);
                }
                None => {
                    // A currency is kept only where the symbol leaves it open.
                    policy.backtest.deposit_currency = match &settlements(&policy.instruments[0])[..] {
                        [coin, _] => Some((*coin).to_owned()),
                        _ => None,
                    };
                }
            }
            if let Some(first) = tiers.first() {
                (policy.backtest.taker_fee, policy.backtest.maker_fee) = (first.taker, first.maker);
            }
            policy.backtest.fee_tiers = tiers;
            policy.backtest.flows = flows.into_iter().map(|flow| flow.among(&venues)).collect();
            policy.backtest.flows.sort_by_key(|flow| flow.at);
            policy.adopt = adopted.into_iter().zip(&policy.instruments).map(|(by, of)| by.into(of, &policy)).collect();
            policy
        },
    )
}

/// Reads every series by the instrument's base currency.
fn name_by_base(policy: &mut Policy) {
    fn rename(source: &mut VolatilitySource) {
        match source {
            VolatilitySource::Series { name, .. } => *name = "dvol.{base}".to_owned(),
            VolatilitySource::Blend { first, second, .. } => {
                rename(first);
                rename(second);
            }
            _ => {}
        }
    }
    if let SignalKind::Series { name, .. } = &mut policy.signal.kind {
        *name = "signal.{base}.v2".to_owned();
    }
    if let Some(UnitSource::ImpliedMove { series, .. }) = &mut policy.unit {
        *series = "{base}.dvol".to_owned();
    }
    if let SizeKind::VolatilityTarget { sources, .. } = &mut policy.size.kind {
        sources.iter_mut().for_each(rename);
    }
}

/// Numéraire and deposits of an account that is still to be placed.
type Terms = (Option<&'static str>, Vec<(i128, &'static str)>);

fn accounts() -> impl Strategy<Value = Vec<Terms>> {
    let deposits = subsequence(vec!["USDT", "BTC", "ETH", "USDC"], 1..=4);
    let deposits = (deposits, 1..=1_000_000i128).prop_map(|(currencies, most)| {
        let paid = |(at, currency): (usize, &'static str)| (most / (at as i128 + 1) + 1, currency);
        currencies.into_iter().enumerate().map(paid).collect()
    });
    let numeraire = select(vec![None, Some("USD"), Some("BTC"), Some("1INCH")]);
    prop::collection::vec((numeraire, deposits), 1..=3)
}

fn account((venue, (numeraire, deposits)): (&String, &Terms)) -> AccountTerms {
    let paid = |(hundredths, currency): &(i128, &str)| Deposit {
        amount: Cash::from_raw(hundredths * (Cash::ONE / 100)),
        currency: Some((*currency).to_owned()),
    };
    let numeraire = numeraire.map(str::to_owned);
    AccountTerms { venue: venue.clone(), numeraire, deposits: deposits.iter().map(paid).collect() }
}

/// A movement of money that is still to be placed.
#[derive(Debug, Clone)]
struct Moved {
    at: i64,
    kind: u8,
    hundredths: i128,
    places: (usize, usize),
}

impl Moved {
    fn among(self, venues: &[String]) -> Flow {
        let [account, to] = [self.places.0, self.places.1].map(|place| venues[place % venues.len()].clone());
        let money = Money { amount: Cash::from_raw(self.hundredths * (Cash::ONE / 100)), currency: "USDT".to_owned() };
        let kind = match self.kind {
            0 => FlowKind::Deposit { account, money },
            1 => FlowKind::Withdraw { account, money },
            2 if account != to => FlowKind::Transfer { from: account, to, money },
            _ => FlowKind::Convert { account, money, into: "BTC".to_owned() },
        };
        Flow { at: Timestamp::from_nanos(self.at), kind }
    }
}

fn flows() -> impl Strategy<Value = Vec<Moved>> {
    // To the second or the nanosecond, from 1970 to 2100.
    let at = prop_oneof![(0..4_100_000_000i64).prop_map(|at| at * 1_000_000_000), 0..4_100_000_000_000_000_000i64];
    let moved = (at, 0..4u8, 1..=10_000_000i128, (0..7usize, 0..7usize));
    let moved = moved.prop_map(|(at, kind, hundredths, places)| Moved { at, kind, hundredths, places });
    prop::collection::vec(moved, 0..4)
}

fn fee_tiers() -> impl Strategy<Value = Vec<FeeTier>> {
    let tier = (1..=100i128, 0..=100i64, -50..=100i64);
    prop::collection::vec(tier, 0..4).prop_map(|tiers| {
        let mut volume = Cash::ZERO;
        let tenths_of_bp = |count: i64| Rate::from_raw(count * (Rate::ONE / 100_000));
        let tier = |(more, taker, maker): (i128, i64, i64)| {
            let tier = FeeTier { volume, taker: tenths_of_bp(taker), maker: tenths_of_bp(maker) };
            volume += Cash::from_raw(more * 1_000_000 * Cash::ONE);
            tier
        };
        tiers.into_iter().map(tier).collect()
    })
}

/// A position to take over that is still to be placed.
#[derive(Debug, Clone)]
struct Adopted {
    quantity: i64,
    entry: i64,
    has_stop: bool,
    units: u32,
    opened: Option<i64>,
}

impl Adopted {
    fn into(self, instrument: &str, policy: &Policy) -> Adoption {
        let units = policy.pyramid.as_ref().map_or(1, |pyramid| pyramid.shares.len() as u32);
        let stop = self.entry - self.quantity.signum() * (self.entry / 20);
        Adoption {
            instrument: instrument.to_owned(),
            quantity: Qty::from_raw(self.quantity),
            entry: Price::from_raw(self.entry),
            // The widest stop, of six of these, leaves something of the entry.
            unit: policy.unit.as_ref().map(|_| Price::from_raw(self.entry / 10)),
            stop: (self.has_stop && policy.stop.is_some()).then(|| Price::from_raw(stop)),
            units: self.units.min(units),
            opened: self.opened.map(|seconds| Timestamp::from_nanos(seconds * 1_000_000_000)),
        }
    }
}

fn adoptions() -> impl Strategy<Value = Vec<Adopted>> {
    let quantity = (any::<bool>(), 1..=1_000_000_000_000i64).prop_map(|(long, raw)| if long { raw } else { -raw });
    let rest = (1_000..=10_000_000_000_000i64, any::<bool>(), 1..=8u32, weighted(0.5, 0..4_100_000_000i64));
    let adopted = (quantity, rest).prop_map(|(quantity, (entry, has_stop, units, opened))| Adopted {
        quantity,
        entry,
        has_stop,
        units,
        opened,
    });
    prop::collection::vec(adopted, 0..3)
}

/// The rule families that a policy uses.
#[must_use]
pub fn families(policy: &Policy) -> Vec<&'static str> {
    let size = match policy.size.kind {
        SizeKind::FixedNotional { .. } => "fixed notional",
        SizeKind::FixedFraction { .. } => "fixed fraction",
        SizeKind::RiskPerTrade { .. } => "risk per trade",
        SizeKind::VolatilityTarget { .. } => "volatility target",
    };
    let signal = match policy.signal.kind {
        SignalKind::Constant { .. } => "constant",
        SignalKind::Series { .. } => "series signal",
        SignalKind::EmaCross { .. } => "moving averages",
        SignalKind::Donchian { .. } => "channel",
        SignalKind::Momentum { .. } => "momentum",
    };
    [
        (true, signal),
        (true, size),
        (policy.pyramid.is_some(), "pyramid"),
        (policy.stop.is_some(), "stop"),
        (policy.ladder.is_some(), "ladder"),
        (policy.streak.is_some(), "streak"),
        (policy.stop.as_ref().is_some_and(|stop| stop.break_even_after.is_some()), "break-even"),
        (policy.stop.as_ref().is_some_and(|stop| stop.time.is_some()), "time stop"),
        (policy.caps.open_risk.is_some(), "open-risk cap"),
        (policy.caps.leverage.is_some(), "leverage cap"),
        (!policy.caps.drawdown.is_empty(), "drawdown cap"),
        (policy.caps.rearm.is_some(), "re-arming"),
        (policy.caps.daily_loss.or(policy.caps.weekly_loss).is_some(), "loss limit"),
        (policy.caps.liquidation_distance.is_some(), "liquidation distance"),
        (policy.trade.buffer.is_some(), "buffer"),
    ]
    .into_iter()
    .filter_map(|(is_used, family)| is_used.then_some(family))
    .collect()
}

/// The names of all families.
pub const FAMILIES: [&str; 22] = [
    "streak",
    "break-even",
    "time stop",
    "open-risk cap",
    "re-arming",
    "loss limit",
    "fixed notional",
    "constant",
    "series signal",
    "moving averages",
    "channel",
    "momentum",
    "fixed fraction",
    "risk per trade",
    "volatility target",
    "pyramid",
    "stop",
    "ladder",
    "leverage cap",
    "drawdown cap",
    "liquidation distance",
    "buffer",
];

fn signal() -> impl Strategy<Value = Signal> {
    let kind = prop_oneof![
        (-100..=100i32).prop_map(|strength| SignalKind::Constant { strength: ratio(strength, 100) }),
        (bar(), 1..40u32, 1..80u32).prop_map(|(bar, fast, more)| SignalKind::EmaCross { bar, fast, slow: fast + more }),
        days().prop_map(|max_age| SignalKind::Series { name: SERIES.to_owned(), max_age }),
        (bar(), 1..60u32).prop_map(|(bar, lookback)| SignalKind::Momentum { bar, lookback }),
        (bar(), 1..60u32, 1..60u32).prop_map(|(bar, a, b)| SignalKind::Donchian {
            bar,
            entry: a.max(b),
            exit: a.min(b)
        }),
    ];
    let sides = select(vec![Sides::Both, Sides::Both, Sides::Long, Sides::Short]);
    let reentry = select(vec![Reentry::NewSignal, Reentry::AtOnce]);
    (kind, sides, reentry).prop_map(|(kind, sides, reentry)| Signal { kind, sides, reentry })
}

fn unit() -> impl Strategy<Value = UnitSource> {
    prop_oneof![
        3 => (1..50u32, bar()).prop_map(|(bars, bar)| UnitSource::AverageTrueRange { bars, bar }),
        1 => days().prop_map(|max_age| UnitSource::ImpliedMove { series: SERIES.to_owned(), max_age }),
    ]
}

fn size() -> impl Strategy<Value = Size> {
    let sources = prop_oneof![
        3 => source().prop_map(|source| vec![source]),
        1 => prop::collection::vec(source(), 2..=3),
    ];
    let target = (5..=120i32, sources, proptest::option::of(5..=100i32), proptest::option::of(25..=500i32));
    let kind = prop_oneof![
        (1..=2_000i128)
            .prop_map(|thousands| SizeKind::FixedNotional { notional: Cash::from_raw(thousands * 1_000 * Cash::ONE) }),
        (1..=400i32).prop_map(|percent| SizeKind::FixedFraction { fraction: ratio(percent, 100) }),
        (1..=500i32).prop_map(|basis_points| SizeKind::RiskPerTrade { risk: ratio(basis_points, 10_000) }),
        target.prop_map(|(target, sources, floor, cap)| SizeKind::VolatilityTarget {
            target: vol(target),
            sources,
            volatility_floor: floor.map(vol),
            exposure_cap: cap.map(|percent| ratio(percent, 100)),
        }),
    ];
    let resize = select(vec![Resize::Entry, Resize::Continuous]);
    (kind, resize).prop_map(|(kind, resize)| Size { kind, resize })
}

fn source() -> BoxedStrategy<VolatilitySource> {
    let plain = || {
        prop_oneof![
            3 => days().prop_map(|max_age| VolatilitySource::Series { name: SERIES.to_owned(), max_age }),
            2 => (days(), bar()).prop_map(|(half_life, bar)| VolatilitySource::Ewma { half_life, bar }),
            1 => (days(), bar()).prop_map(|(half_life, bar)| VolatilitySource::Parkinson { half_life, bar }),
            1 => (days(), bar()).prop_map(|(half_life, bar)| VolatilitySource::GarmanKlass { half_life, bar }),
        ]
    };
    let blend = (plain(), plain(), 1..=99i32).prop_map(|(first, second, percent)| VolatilitySource::Blend {
        first: Box::new(first),
        second: Box::new(second),
        weight: ratio(percent, 100),
    });
    prop_oneof![4 => plain(), 1 => blend].boxed()
}

fn pyramid() -> impl Strategy<Value = Pyramid> {
    let weights = prop_oneof![
        (1..=8usize).prop_map(|units| vec![1.0; units]),
        prop::collection::vec((1..=16u32).prop_map(f64::from), 1..=8),
    ];
    let spacing = select(vec![Spacing::Entry, Spacing::LastFill]);
    (weights, spacing, 10..=300i32, proptest::option::of(0..=200i32)).prop_map(|(weights, spacing, step, chase)| {
        let sum: f64 = weights.iter().sum();
        let shares = weights.iter().map(|weight| weight / sum).collect();
        Pyramid { shares, spacing, step: ratio(step, 100), max_chase: chase.map(|chase| ratio(chase, 100)) }
    })
}

fn stop() -> impl Strategy<Value = Stop> {
    let follow = select(vec![Follow::Entry, Follow::LastFill]);
    let time = weighted(0.25, (1..=100i64, 0..=30i32)).prop_map(|time| {
        time.map(|(hours, reach)| TimeStop {
            after: Duration::from_nanos(hours * Duration::HOUR.nanos()),
            reach: ratio(reach, 10),
        })
    });
    (25..=600i32, follow, proptest::option::of(50..=1_200i32), weighted(0.5, 1..=3u32), time).prop_map(
        |(initial, follow, trail, break_even_after, time)| Stop {
            initial: ratio(initial, 100),
            follow,
            trail: trail.map(|trail| ratio(trail, 100)),
            break_even_after,
            time,
        },
    )
}

fn streak() -> impl Strategy<Value = Streak> {
    (101..=300i32, 101..=500i32).prop_map(|(factor, cap)| Streak { factor: ratio(factor, 100), cap: ratio(cap, 100) })
}

fn ladder() -> impl Strategy<Value = Ladder> {
    let gaps = prop::collection::vec((10..=300i32, 1..=100u32), 1..=8);
    let of = select(vec![FractionOf::First, FractionOf::Peak, FractionOf::Current]);
    (gaps, of, any::<bool>(), 1..=100u32).prop_map(|(gaps, of, readd, left)| {
        // Fractions share what `left` leaves, so that their sum stays at or under one.
        let sum = gaps.iter().map(|(_, weight)| weight).sum::<u32>() + left;
        let mut at = 0;
        let rung = |(gap, weight): &(i32, u32)| {
            at += gap;
            Rung { at: ratio(at, 100), fraction: f64::from(*weight) / f64::from(sum) }
        };
        Ladder { rungs: gaps.iter().map(rung).collect(), of, readd }
    })
}

fn caps() -> impl Strategy<Value = Caps> {
    let leverage = (50..=1_000i32, 10..=100i32)
        .prop_map(|(limit, kept)| Limit { limit: ratio(limit, 100), restore: ratio(limit * kept / 100, 100) });
    let levels = prop::collection::vec((1..=12i32, 1..=99i32), 1..=8).prop_map(|gaps| {
        let (count, mut at) = (gaps.len() as i32, 0);
        let level = |(index, (gap, kept)): (usize, &(i32, i32))| {
            at += gap;
            let left = count - 1 - index as i32;
            DrawdownLevel { at: ratio(at, 100), restore: ratio(at * kept, 10_000), factor: ratio(left, count) }
        };
        gaps.iter().enumerate().map(level).collect::<Vec<_>>()
    });
    let rearm = prop_oneof![
        (1..=240i64).prop_map(|hours| Rearm::After(Duration::from_nanos(hours * Duration::HOUR.nanos()))),
        (1..=100i32).prop_map(|percent| Rearm::Recovered(ratio(percent, 100))),
    ];
    let on_loss = select(vec![OnLoss::NoIncrease, OnLoss::Flat]);
    let losses = (weighted(0.2, 1..=10i32), weighted(0.2, 1..=20i32), on_loss);
    let open_risk = (1..=100i32, 0..=50i32, proptest::option::of(0..=50i32)).prop_map(|(cap, gap, cost)| OpenRisk {
        cap: ratio(cap, 1_000),
        gap: ratio(gap, 1_000),
        exit_cost: cost.map(|cost| ratio(cost, 10_000)),
    });
    let leverage = (weighted(0.5, leverage), weighted(0.3, open_risk));
    (leverage, weighted(0.4, (levels, weighted(0.5, rearm))), losses, weighted(0.4, 1..=30i32)).prop_map(
        |((leverage, open_risk), drawdown, (daily, weekly, on_loss), distance)| Caps {
            leverage,
            open_risk,
            rearm: drawdown.as_ref().and_then(|(_, rearm)| *rearm),
            drawdown: drawdown.map(|(levels, _)| levels).unwrap_or_default(),
            daily_loss: daily.map(|percent| ratio(percent, 100)),
            weekly_loss: weekly.map(|percent| ratio(percent, 100)),
            on_loss: if daily.or(weekly).is_some() { on_loss } else { OnLoss::NoIncrease },
            liquidation_distance: distance.map(|percent| ratio(percent, 100)),
        },
    )
}

fn trade() -> impl Strategy<Value = Trade> {
    let buffer_to = select(vec![BufferTo::Edge, BufferTo::Centre]);
    (weighted(0.4, 1..=50i32), buffer_to, proptest::option::of(1..=100i64)).prop_map(|(buffer, buffer_to, lots)| {
        Trade {
            buffer: buffer.map(|percent| ratio(percent, 100)),
            buffer_to,
            min_order: lots.map(|lots| Qty::from_raw(lots * (Qty::ONE / 1_000))),
        }
    })
}

fn backtest() -> impl Strategy<Value = Backtest> {
    let rate = |most: i64| (0..=most).prop_map(|tenths_of_bp| Rate::from_raw(tenths_of_bp * (Rate::ONE / 100_000)));
    let rebate = (-50..=100i64).prop_map(|tenths_of_bp| Rate::from_raw(tenths_of_bp * (Rate::ONE / 100_000)));
    let costs = (rate(100), rebate, rate(50), rate(50));
    (1..=1_000i128, costs, 0..=5_000i64, 1..=300i32).prop_map(|(thousands, costs, milliseconds, base)| {
        let (taker_fee, maker_fee, half_spread, slippage) = costs;
        Backtest {
            deposit: Cash::from_raw(thousands * 1_000 * Cash::ONE),
            taker_fee,
            maker_fee,
            half_spread,
            slippage,
            latency: Duration::from_nanos(milliseconds * 1_000_000),
            twin_base: ratio(base, 100),
            ..Backtest::default()
        }
    })
}

fn bar() -> impl Strategy<Value = Duration> {
    select(vec![1, 5, 15, 60, 240, 1_440]).prop_map(|minutes| Duration::from_nanos(minutes * Duration::MINUTE.nanos()))
}

fn days() -> impl Strategy<Value = Duration> {
    (1..=30i64).prop_map(|days| Duration::from_nanos(days * Duration::DAY.nanos()))
}

// Quotients of small integers are finite: the defaults are never taken.
fn ratio(numerator: i32, denominator: i32) -> Ratio {
    Ratio::new(f64::from(numerator) / f64::from(denominator)).unwrap_or_default()
}

fn vol(percent: i32) -> Vol {
    Vol::new(f64::from(percent) / 100.0).unwrap_or_default()
}
