//! Random valid policies, for the tests of this crate and of those above it (feature `testing`).

use crate::expression::Expression;
use crate::facts::Code;
use crate::spec::{
    AccountTerms, Adoption, Allocation, Alternative, Backtest, Band, Blackout, BufferTo, Caps, Choice, Correlation,
    Deposit, DrawdownBudget, DrawdownLevel, ExitTime, FactLimit, FeeTier, Floor, FloorOf, Flow, FlowKind, Follow,
    FractionOf, Guards, Hedge, HedgeOption, HedgeTerms, HedgeTo, Ladder, LegStrike, LeverageLimit, LimitAction, Modes,
    Money, OnLoss, OpenRisk, OptionCosts, OptionMargin, OrderRate, OrderSize, Over, Participation, Policy, Pyramid,
    RATIO_MAX_AGE, Rearm, Reckoned, Reentry, Resize, Roll, Rung, RungAt, Setting, Sides, Signal, SignalKind, Size,
    SizeKind, Spacing, Sticky, Stop, Streak, StreakOver, Structure, StructureLeg, TimeStop, Trade, Trigger, UnitSource,
    VolatilitySource, Weights, settlements, shared_quote, venue,
};
use crate::words::Word;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use units::{Cash, Duration, OptionRight, Price, Qty, Rate, Ratio, Timestamp, Vol};

/// The only series that random policies read.
pub const SERIES: &str = "dvol.btc";
/// The instrument of random policies.
pub const INSTRUMENT: &str = "binance:BTCUSDT-PERP";

/// Any policy that `parse` accepts, with values that a trader could choose. Covers every rule family: see [`families`].
pub fn policies() -> impl Strategy<Value = Policy> {
    let parts = (signal(), unit(), size(), weighted(0.6, pyramid()), weighted(0.7, stop()), weighted(0.6, ladder()));
    (
        parts,
        (caps(), weighted(0.08, floor())),
        limits(),
        trade(),
        (guards(), modes()),
        backtest(),
        weighted(0.3, streak()),
    )
        .prop_map(
            |(
                (signal, unit, size, pyramid, stop, ladder),
                (caps, floor),
                limits,
                trade,
                (guards, modes),
                backtest,
                streak,
            )| {
                // R needs a stop, volatility a size by it; N a unit, which is there with a stop or a pyramid.
                let has_unit = stop.is_some() || pyramid.is_some();
                let has_volatility = matches!(size.kind, SizeKind::VolatilityTarget { .. });
                let ladder = ladder.and_then(|mut ladder| {
                    ladder.rungs.retain(|rung| match rung.at {
                        RungAt::R(_) => stop.is_some(),
                        RungAt::N(_) => has_unit,
                        RungAt::Volatility(_) => has_volatility,
                        RungAt::Profit(_) | RungAt::Price(_) | RungAt::Time(_) | RungAt::When(_) => true,
                    });
                    (!ladder.rungs.is_empty()).then_some(ladder)
                });
                let streak = streak.filter(|_| stop.is_some());
                let caps = Caps { open_risk: caps.open_risk.filter(|_| stop.is_some()), ..caps };
                let rungs = ladder.as_ref().map_or(0, |ladder| ladder.rungs.len());
                let stop = stop.map(|stop| {
                    let break_even_after = stop.break_even_after.filter(|rung| *rung as usize <= rungs);
                    Stop { break_even_after, ..stop }
                });
                let kind = match size.kind {
                    SizeKind::RiskPerTrade { .. } if stop.is_none() => {
                        SizeKind::FixedFraction { fraction: ratio(100, 100).into() }
                    }
                    kind => kind,
                };
                // N is for stops and adds; a policy may also say what it is and not use it.
                let unit = if has_unit { Some(unit) } else { None };
                let size = Size { kind, ..size };
                Policy {
                    name: "random".to_owned(),
                    instruments: vec![INSTRUMENT.to_owned()],
                    structure: None,
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
                    floor,
                    limits,
                    hedges: Vec::new(),
                    trade,
                    modes,
                    guards,
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
    let correlation = weighted(0.3, (31..=750u32, select(vec![Weights::EqualRisk, Weights::Equal])));
    let budget = weighted(0.3, (1..=100i32, weighted(0.5, 1..=60u32)));
    let shares = (1..=100i32, over, 1..=1_000i32, correlation, budget);
    let parts = (weighted(0.5, accounts()), flows(), fee_tiers(), adoptions(), weighted(0.3, hedge()));
    (policies(), instruments, shares, parts, any::<bool>()).prop_map(
        |(
            mut policy,
            instruments,
            (capital, over, multiplier, correlation, drawdown),
            (declared, flows, tiers, adopted, hedge),
            by_base,
        )| {
            policy.instruments = instruments.into_iter().map(str::to_owned).collect();
            policy.capital = ratio(capital, 100);
            let correlation = correlation.map(|(days, weights)| Correlation { days, weights });
            let drawdown = drawdown.filter(|_| hedge.is_none()).map(|(most, days)| {
                let window = days.map(|days| Duration::from_nanos(i64::from(days) * Duration::DAY.nanos()));
                DrawdownBudget { most: ratio(most, 100), window }
            });
            policy.allocation = Allocation { over, multiplier: ratio(multiplier, 100), correlation, drawdown };
            if by_base {
                name_by_base(&mut policy);
            }
            plain_sizes(&mut policy);
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
            // Dollars are the default and not told apart from none.
            policy.backtest.fee_currency = (tiers.len() > 2).then(|| "USDT".to_owned());
            policy.backtest.fee_tiers = tiers;
            policy.backtest.flows = flows.into_iter().map(|flow| flow.among(&venues)).collect();
            policy.backtest.flows.sort_by_key(|flow| flow.at);
            policy.hedges = hedge.map(|hedge| hedge.at(&venues[0], &policy.name)).into_iter().collect();
            policy.adopt = adopted.into_iter().zip(&policy.instruments).map(|(by, of)| by.into(of, &policy)).collect();
            policy
        },
    )
}

/// Amounts in a currency that is not traded, or is not the only one, become plain quantities.
fn plain_sizes(policy: &mut Policy) {
    let has_quote = shared_quote(&policy.instruments).is_some();
    let base = if let [only] = &policy.instruments[..] { crate::spec::base(only) } else { None };
    for size in [&mut policy.trade.dust, &mut policy.guards.max_order].into_iter().flatten() {
        match *size {
            OrderSize::Quote(value) if !has_quote && policy.instruments.len() > 1 => {
                *size = OrderSize::Worth(value, Code::new("USD"));
            }
            OrderSize::Quote(_) if !has_quote => *size = OrderSize::Qty(Qty::from_raw(Qty::ONE / 10)),
            OrderSize::Base(qty) if base.is_none() => *size = OrderSize::Qty(qty),
            _ => {}
        }
    }
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
        SizeKind::GreekTarget { .. } => "greek target",
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
        (has_limit(policy, LimitAction::Reduce), "limit that reduces"),
        (has_limit(policy, LimitAction::NoIncrease), "limit on increases"),
        (has_limit(policy, LimitAction::Flat), "limit that closes"),
        (policy.trade.buffer.is_some(), "buffer"),
        (policy.trade.dust.is_some(), "dust"),
        (policy.stop.as_ref().is_some_and(|stop| stop.trigger == Trigger::Synthetic), "watched stop"),
        (policy.ladder.as_ref().is_some_and(|ladder| ladder.trigger == Trigger::Synthetic), "watched ladder"),
        (policy.ladder.as_ref().is_some_and(|ladder| ladder.runner > 0.0), "runner"),
        (policy.pyramid.as_ref().is_some_and(|pyramid| pyramid.max_units_per_event > 1), "several units at once"),
        (has_rung(policy, |at| matches!(at, RungAt::N(_))), "rung in N"),
        (has_rung(policy, |at| matches!(at, RungAt::Profit(_))), "rung by profit"),
        (has_rung(policy, |at| matches!(at, RungAt::Price(_))), "rung at a price"),
        (has_rung(policy, |at| matches!(at, RungAt::Time(_))), "rung by time"),
        (has_rung(policy, |at| matches!(at, RungAt::When(_))), "rung by condition"),
        (policy.signal.when.is_some(), "condition on entries"),
        (policy.pyramid.as_ref().is_some_and(|pyramid| pyramid.when.is_some()), "condition on adds"),
        (policy.guards.price_collar.is_some(), "price collar"),
        (policy.guards.max_order.is_some(), "order size"),
        (policy.guards.max_orders.is_some(), "order rate"),
        (!policy.guards.blackout.is_empty(), "blackout"),
        (policy.floor.is_some(), "floor"),
        (policy.modes.conditions().next().is_some(), "mode by condition"),
        (policy.modes.stale_after.is_some(), "mode by age of the price"),
    ]
    .into_iter()
    .filter_map(|(is_used, family)| is_used.then_some(family))
    .collect()
}

fn has_rung(policy: &Policy, is_one: impl Fn(RungAt) -> bool) -> bool {
    policy.ladder.as_ref().is_some_and(|ladder| ladder.rungs.iter().any(|rung| is_one(rung.at)))
}

fn has_limit(policy: &Policy, action: LimitAction) -> bool {
    policy.limits.iter().any(|limit| limit.action == action)
}

/// The names of all families.
pub const FAMILIES: [&str; 38] = [
    "limit that reduces",
    "limit on increases",
    "limit that closes",
    "dust",
    "watched stop",
    "watched ladder",
    "runner",
    "several units at once",
    "rung in N",
    "rung by profit",
    "rung at a price",
    "rung by time",
    "price collar",
    "order size",
    "order rate",
    "blackout",
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
    (kind, sides, reentry, weighted(0.13, condition())).prop_map(|(kind, sides, reentry, when)| Signal {
        kind,
        sides,
        reentry,
        when,
    })
}

/// A condition that needs neither a stop nor a unit.
fn condition() -> impl Strategy<Value = Expression> {
    let number = 1..=99i32;
    let plain = || {
        let operator = select(vec!["<", "<=", ">", ">="]);
        (0..8u8, operator, number.clone()).prop_map(|(fact, operator, by)| match fact {
            0 => format!("drawdown {operator} {}%", by / 4),
            1 => format!("unrealised {operator} {}%", by / 4 - 5),
            2 => format!("campaign.age {operator} {by}h"),
            3 => format!("series({SERIES}, 4d) {operator} {by}%"),
            4 => format!("price {operator} {}", by * 1_000),
            5 => format!("campaign.units {operator} {}", by / 25),
            6 => format!("loss.day {operator} {}%", by / 10 - 3),
            _ => format!("(price - campaign.average) / price {operator} {}bp", by - 50),
        })
    };
    let joined = (plain(), select(vec!["&&", "||"]), plain())
        .prop_map(|(left, operator, right)| format!("{left} {operator} !({right})"));
    prop_oneof![2 => plain(), 1 => joined].prop_filter_map("a condition", |text| Expression::parse(&text).ok())
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
    let target = (5..=120i32, (sources, days()), proptest::option::of(5..=100i32), proptest::option::of(25..=500i32));
    let kind = prop_oneof![
        (1..=2_000i128)
            .prop_map(|thousands| SizeKind::FixedNotional { notional: Cash::from_raw(thousands * 1_000 * Cash::ONE) }),
        (1..=400i32, reckoned()).prop_map(|(percent, by)| SizeKind::FixedFraction {
            fraction: by.setting(ratio(percent, 100), f64::from(percent) / 100.0, "", 125.0),
        }),
        (1..=500i32, reckoned()).prop_map(|(basis_points, by)| SizeKind::RiskPerTrade {
            risk: by.setting(ratio(basis_points, 10_000), f64::from(basis_points) / 1e4, "", 1.0),
        }),
        (target, reckoned(), reckoned()).prop_map(|((target, (sources, days), floor, cap), by, cap_by)| {
            let is_scaled = VolatilitySource::scaled(&sources).contains(&true);
            SizeKind::VolatilityTarget {
                target: by.setting(vol(target), f64::from(target) / 100.0, "", 5.0),
                sources,
                ratio_max_age: if is_scaled { days } else { RATIO_MAX_AGE },
                volatility_floor: floor.map(vol),
                exposure_cap: cap
                    .map(|percent| cap_by.setting(ratio(percent, 100), f64::from(percent) / 100.0, "", 125.0)),
            }
        }),
    ];
    let resize = select(vec![Resize::Entry, Resize::Continuous]);
    (kind, resize).prop_map(|(kind, resize)| Size { kind, resize })
}

/// How a number is reckoned, if it is.
#[derive(Debug, Clone, Copy)]
struct By(Option<u8>);

/// One number in eight is reckoned, by facts that move in every way: steadily, with a series, and with the price.
fn reckoned() -> impl Strategy<Value = By> {
    weighted(0.125, 0..6u8).prop_map(By)
}

impl By {
    /// The number as it is declared, or an expression that gives about as much.
    fn setting<T>(self, declared: T, about: f64, suffix: &str, most: f64) -> Setting<T> {
        let Some(how) = self.0 else { return Setting::Declared(declared) };
        let number = format!("{about}{suffix}");
        let text = match how {
            0 => format!("{number} * clamp(series({SERIES}, 4d), 50%, 150%)"),
            1 => format!("if(series({SERIES}, 4d) > 60%, {number}, {number} * 2)"),
            2 => format!("{number} * (1 - drawdown)"),
            3 => format!("if(drawdown > 2%, {number} * 0.5, {number})"),
            4 => format!("if(campaigns > 3 || campaigns.since < 3d, {number} * 0.5, {number})"),
            _ => format!("{number} * if(known(campaign.units), 1 / campaign.units, 1)"),
        };
        let expression = Expression::parse(&text).unwrap_or_else(|_| unreachable!("{text} is an expression"));
        Setting::Reckoned(Box::new(Reckoned { expression, most }))
    }
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
    let rest = (proptest::option::of(0..=200i32), 1..=4u32, weighted(0.2, condition()));
    (weights, spacing, (10..=300i32, reckoned()), rest).prop_map(|(weights, spacing, step, (chase, at_once, when))| {
        let sum: f64 = weights.iter().sum();
        let shares = weights.iter().map(|weight| weight / sum).collect();
        let (step, by) = step;
        let step = by.setting(ratio(step, 100), f64::from(step) / 100.0, "N", 100.0);
        let max_chase = chase.map(|chase| ratio(chase, 100));
        Pyramid { shares, spacing, step, max_chase, max_units_per_event: at_once, when }
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
    let rest = (weighted(0.5, 1..=3u32), time, trigger());
    (25..=600i32, follow, proptest::option::of((50..=1_200i32, reckoned())), rest).prop_map(
        |(initial, follow, trail, (break_even_after, time, trigger))| Stop {
            initial: ratio(initial, 100),
            follow,
            trail: trail.map(|(trail, by)| by.setting(ratio(trail, 100), f64::from(trail) / 100.0, "N", 100.0)),
            break_even_after,
            time,
            trigger,
        },
    )
}

fn trigger() -> impl Strategy<Value = Trigger> {
    select(vec![Trigger::Resting, Trigger::Resting, Trigger::Synthetic])
}

fn streak() -> impl Strategy<Value = Streak> {
    let over = select(vec![StreakOver::Instrument, StreakOver::Strategy, StreakOver::Account]);
    (101..=300i32, 101..=500i32, over).prop_map(|(factor, cap, over)| Streak {
        factor: ratio(factor, 100),
        cap: ratio(cap, 100),
        over,
    })
}

fn ladder() -> impl Strategy<Value = Ladder> {
    let gaps = prop::collection::vec((10..=300i32, 1..=100u32, 0..11u8), 1..=8);
    let of = select(vec![FractionOf::First, FractionOf::Peak, FractionOf::Current]);
    let rest = (any::<bool>(), 1..=100u32, weighted(0.4, 1..=50u32), trigger());
    let asked = prop::collection::vec(condition(), 8);
    (gaps, of, rest, asked).prop_map(|(gaps, of, (readd, left, runner, trigger), asked)| {
        let mut conditions = Vec::new();
        // Fractions share what `left` and the runner leave, so that their sum stays at or under one.
        let runner = runner.map_or(0.0, |percent| f64::from(percent) / 100.0);
        let sum = gaps.iter().map(|(_, weight, _)| weight).sum::<u32>() + left;
        let mut at = 0;
        let rung = |(gap, weight, kind): &(i32, u32, u8)| {
            at += gap;
            let at = match kind {
                0 => RungAt::N(ratio(at, 100)),
                1 | 2 => RungAt::Profit(ratio(at, 10_000)),
                // In the ranges of the markets: rungs of a long.
                3 | 4 => RungAt::Price(Price::from_raw(i64::from(at) * 40 * Price::ONE)),
                5 => RungAt::Time(Duration::from_nanos(i64::from(at) * 10 * Duration::MINUTE.nanos())),
                6 => RungAt::Volatility(vol(at / 3 + 1)),
                7 => {
                    conditions.push(asked[conditions.len()].clone());
                    RungAt::When(conditions.len() as u8 - 1)
                }
                _ => RungAt::R(ratio(at, 100)),
            };
            Rung { at, fraction: f64::from(*weight) / f64::from(sum) * (1.0 - runner) }
        };
        let rungs = gaps.iter().map(rung).collect();
        Ladder { rungs, conditions, of, readd, runner, trigger }
    })
}

fn caps() -> impl Strategy<Value = Caps> {
    let leverage = (50..=1_000i32, 10..=100i32, reckoned(), reckoned()).prop_map(|(limit, kept, by, restored_by)| {
        let restore = limit * kept / 100;
        let level = |by: By, percent: i32| by.setting(ratio(percent, 100), f64::from(percent) / 100.0, "", 125.0);
        LeverageLimit { limit: level(by, limit), restore: level(restored_by, restore) }
    });
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
    let minutes = |minutes: i64| Duration::from_nanos(minutes * Duration::MINUTE.nanos());
    let window = select(vec![5, 60, 240, 1_440]).prop_map(minutes);
    let exit = (10..=3_000i64, 10..=100i64, 1..=60i64);
    let participation =
        (1..=100i32, window, weighted(0.5, exit)).prop_map(move |(share, window, exit)| Participation {
            share: ratio(share, 100),
            window,
            exit: exit.map(|(limit, kept, usual)| ExitTime {
                limit: minutes(limit),
                restore: minutes((limit * kept / 100).max(1)),
                usual: Duration::from_nanos(window.nanos() * usual),
            }),
        });
    let leverage = (weighted(0.5, leverage), weighted(0.3, open_risk), weighted(0.1, participation));
    (leverage, weighted(0.4, (levels, weighted(0.5, rearm))), losses, weighted(0.4, 1..=30i32)).prop_map(
        |((leverage, open_risk, participation), drawdown, (daily, weekly, on_loss), distance)| Caps {
            participation,
            depth: Vec::new(),
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

/// A floor that lets something be held as long as nothing was lost.
fn floor() -> impl Strategy<Value = Floor> {
    let of = select(vec![FloorOf::Deposits, FloorOf::Highest]);
    (of, 10..=95i32, 5..=100i32, 0..=30i32).prop_map(|(of, share, multiplier, tolerance)| Floor {
        of,
        share: ratio(share, 100),
        multiplier: ratio(multiplier, 10),
        tolerance: ratio(tolerance, 100),
    })
}

/// Limits on what there is without a stop or a unit.
fn limits() -> impl Strategy<Value = Vec<FactLimit>> {
    let action = select(vec![LimitAction::Reduce, LimitAction::Reduce, LimitAction::NoIncrease, LimitAction::Flat]);
    let limit = (0..12u8, 1..=99i32, 0..=99i32, action).prop_map(|(fact, level, back, action)| {
        let (of, side, level, back) = match fact {
            0 => ("drawdown".to_owned(), "over", format!("{}bp", level * 20), format!("{}bp", level * back / 5)),
            1 => (format!("series({SERIES}, 4d)"), "over", format!("{level}%"), format!("{}bp", level * back)),
            2 => ("price".to_owned(), "under", format!("{}", level * 100), format!("{}", level * 100 + back * 10)),
            // What falls as the position does.
            3 => ("abs(position)".to_owned(), "over", format!("{level}"), format!("{}", level * back / 100)),
            _ => ("abs(exposure)".to_owned(), "over", format!("{}%", level * 6), format!("{}bp", level * back * 6)),
        };
        let action = if fact < 3 && action == LimitAction::Reduce { LimitAction::Flat } else { action };
        let action = action.word();
        format!("[[limits]]\nof = \"{of}\"\n{side} = \"{level}\"\nrestore = \"{back}\"\naction = \"{action}\"\n")
    });
    let whole = |limits: Vec<String>| {
        let head = "policy = 1\nname = \"x\"\n[signal]\nkind = \"constant\"\nstrength = 1\n[size]\n\
                    kind = \"fixed_fraction\"\nfraction = 1\n";
        crate::parse(&format!("instrument = \"{INSTRUMENT}\"\n{head}{}", limits.concat()))
            .policy
            .map(|policy| policy.limits)
    };
    let some = prop::collection::vec(limit, 1..=3).prop_filter_map("limits", whole);
    weighted(0.3, some).prop_map(Option::unwrap_or_default)
}

/// A hedge of another policy of the run, in an instrument that random portfolios do not have; without its venue.
fn hedge() -> impl Strategy<Value = Hedge> {
    let band = prop_oneof![
        (1..=500i64).prop_map(|coins| Band::Coins(Qty::from_raw(coins * Qty::ONE / 100))),
        (1..=100i32).prop_map(|share| Band::OfGross(ratio(share, 100))),
        (1..=1_000i32).prop_map(|by| Band::WhalleyWilmott { risk_aversion: ratio(by, 10) }),
    ];
    let symbol = select(vec!["XRPUSDT-PERP", "BTC_USDC-PERPETUAL"]);
    let parts = (symbol, -200..=200i64, band, select(vec![HedgeTo::Edge, HedgeTo::Target]), weighted(0.5, choice()));
    parts.prop_map(|(symbol, target, band, to, choice)| {
        let target = Qty::from_raw(target * Qty::ONE / 100);
        let (instrument, strategies) = (symbol.to_owned(), vec!["strangle".to_owned()]);
        // Alternatives are on the same coin.
        let coin = if symbol.starts_with("XRP") { "XRP" } else { "BTC" };
        let choice = choice.map(|mut choice: Choice| {
            for other in &mut choice.alternatives {
                match &mut other.option {
                    Some(option) => option.structure.chain = format!("{coin}_USDC"),
                    None => other.instrument = format!("{coin}{}", other.instrument),
                }
            }
            choice
        });
        Hedge { instrument, strategies, target, band, to, choice }
    })
}

/// Alternatives without venue and coin.
fn choice() -> impl Strategy<Value = Choice> {
    let terms = || {
        let share = |most: i32| proptest::option::of((0..=most).prop_map(|share| ratio(share, 10_000)));
        (share(1_000), share(10_000)).prop_map(|(cost, margin)| HedgeTerms { cost, margin })
    };
    let others = subsequence(vec!["EUR-PERP", "USD-261225", "FDUSD"], 1..=3);
    let options = proptest::option::of(hedge_option());
    (1..=100i64, 0..=100i32, terms(), others, (terms(), options)).prop_map(|(days, percent, own, others, more)| {
        let (terms, option) = more;
        let other = |other: &&str| Alternative { instrument: (*other).to_owned(), terms, option: None };
        let options = option.map(|option| {
            let (instrument, terms) = (String::new(), HedgeTerms::default());
            Alternative { instrument, terms, option: Some(option) }
        });
        Choice {
            horizon: Duration::from_nanos(days * Duration::DAY.nanos()),
            capital_cost: ratio(percent, 100),
            own,
            alternatives: others.iter().map(other).chain(options).collect(),
            gives_up: false,
        }
    })
}

/// Options of a chain without venue and coin.
fn hedge_option() -> impl Strategy<Value = HedgeOption> {
    let strike = prop_oneof![
        (1..=99i32).prop_map(|delta| LegStrike::Delta(ratio(delta, 100))),
        (50..=200i32).prop_map(|share| LegStrike::Moneyness(ratio(share, 100))),
    ];
    let expected = prop_oneof![
        (1..=200i32).prop_map(|percent| Setting::Declared(Vol::new(f64::from(percent) / 100.0).unwrap_or_default())),
        reckoned().prop_map(|by| by.setting(Vol::new(0.5).unwrap_or_default(), 0.5, "", 5.0)),
    ];
    let right = select(vec![OptionRight::Call, OptionRight::Put]);
    (right, strike, 1..=400i32, expected).prop_map(|(right, strike, days, expected)| {
        let leg = StructureLeg { right, strike, days: ratio(days, 1), ratio: Qty::from_raw(Qty::ONE) };
        let structure = Structure {
            chain: String::new(),
            legs: vec![leg],
            max_spread: None,
            min_open_interest: None,
            roll: Roll::Never,
            sticky: Sticky::default(),
        };
        HedgeOption { structure, expected }
    })
}

impl Hedge {
    fn at(mut self, venue: &str, policy: &str) -> Self {
        self.instrument = format!("{venue}:{}", self.instrument);
        for other in self.choice.iter_mut().flat_map(|choice| &mut choice.alternatives) {
            match &mut other.option {
                Some(option) => {
                    option.structure.chain = format!("{venue}:{}", option.structure.chain);
                    other.instrument = option.symbol(policy);
                }
                None => other.instrument = format!("{venue}:{}", other.instrument),
            }
        }
        self
    }
}

fn trade() -> impl Strategy<Value = Trade> {
    let buffer_to = select(vec![BufferTo::Edge, BufferTo::Centre]);
    let dust = weighted(0.3, order_size(50, 20_000));
    (weighted(0.4, 1..=50i32), buffer_to, proptest::option::of(1..=100i64), dust).prop_map(
        |(buffer, buffer_to, lots, dust)| Trade {
            buffer: buffer.map(|percent| ratio(percent, 100)),
            buffer_to,
            min_order: lots.map(|lots| Qty::from_raw(lots * (Qty::ONE / 1_000))),
            dust,
        },
    )
}

/// Up to so many thousandths, or a value up to so much.
fn order_size(lots: i64, value: i128) -> impl Strategy<Value = OrderSize> {
    let thousandths = move || (1..=lots).prop_map(|lots| Qty::from_raw(lots * (Qty::ONE / 1_000)));
    prop_oneof![
        thousandths().prop_map(OrderSize::Qty),
        thousandths().prop_map(OrderSize::Base),
        (1..=value).prop_map(|value| OrderSize::Quote(Cash::from_raw(value * Cash::ONE))),
    ]
}

/// A condition that does not hold before anything was traded.
fn trouble() -> impl Strategy<Value = Expression> {
    let text = (0..4u8, 1..=99i32).prop_map(|(fact, by)| match fact {
        0 => format!("drawdown > {}%", by / 4),
        1 => format!("loss.day > {}%", by / 10 + 1),
        2 => format!("campaign.age > {by}h"),
        _ => format!("unrealised < -{}%", by / 4),
    });
    text.prop_filter_map("a condition", |text| Expression::parse(&text).ok())
}

/// One mode at most: what many of them bar leaves nothing to see.
fn modes() -> impl Strategy<Value = Modes> {
    let minutes = |minutes: i64| Duration::from_nanos(minutes * Duration::MINUTE.nanos());
    let asked = weighted(0.12, (0..3_usize, trouble(), (0..=600i64).prop_map(minutes)));
    let stale = weighted(0.05, (1..=600i64).prop_map(minutes));
    (asked, stale).prop_map(|(asked, stale_after)| {
        let mut modes = Modes { stale_after, ..Modes::default() };
        if let Some((mode, condition, restore_after)) = asked {
            modes.when[mode] = Some(condition);
            modes.restore_after = restore_after;
        }
        modes
    })
}

fn guards() -> impl Strategy<Value = Guards> {
    let minutes = |minutes: i64| Duration::from_nanos(minutes * Duration::MINUTE.nanos());
    let daily = (0..1_440i64, 1..1_440i64)
        .prop_map(move |(from, more)| Blackout::Daily { from: minutes(from), to: minutes((from + more) % 1_440) });
    let weekly = (0..10_080i64, 1..10_080i64)
        .prop_map(move |(from, more)| Blackout::Weekly { from: minutes(from), to: minutes((from + more) % 10_080) });
    let once = (0..4_100_000_000i64, 1..1_000_000i64).prop_map(move |(from, lasts)| Blackout::Once {
        from: Timestamp::from_nanos(from * 1_000_000_000),
        lasts: minutes(lasts),
    });
    let blackout = weighted(0.2, prop::collection::vec(prop_oneof![2 => daily, 1 => weekly, 1 => once], 1..=3));
    let rate = (1..=20u32, 1..=600i64).prop_map(move |(count, per)| OrderRate { count, per: minutes(per) });
    (weighted(0.2, 1..=500i32), weighted(0.2, order_size(20_000, 2_000_000)), weighted(0.2, rate), blackout).prop_map(
        |(collar, max_order, max_orders, blackout)| Guards {
            price_collar: collar.map(|basis_points| ratio(basis_points, 10_000)),
            max_order,
            max_orders,
            blackout: blackout.unwrap_or_default(),
        },
    )
}

fn backtest() -> impl Strategy<Value = Backtest> {
    let rate = |most: i64| (0..=most).prop_map(|tenths_of_bp| Rate::from_raw(tenths_of_bp * (Rate::ONE / 100_000)));
    let rebate = (-50..=100i64).prop_map(|tenths_of_bp| Rate::from_raw(tenths_of_bp * (Rate::ONE / 100_000)));
    let costs = (rate(100), rebate, rate(50), rate(50));
    (1..=1_000i128, costs, 0..=5_000i64, 1..=300i32).prop_map(|(thousands, costs, milliseconds, base)| {
        let (taker_fee, maker_fee, half_spread, slippage) = costs;
        // In half of them, a fifth of the slippage for each million.
        let odd = slippage.raw() / (Rate::ONE / 100_000) % 2;
        let impact = Rate::from_raw(slippage.raw() / 5 * odd);
        Backtest {
            deposit: Cash::from_raw(thousands * 1_000 * Cash::ONE),
            taker_fee,
            maker_fee,
            half_spread,
            slippage,
            impact,
            options: OptionCosts {
                margin: match thousands as i64 % 100 {
                    0 => OptionMargin::Venue,
                    part => OptionMargin::Flat {
                        initial: Rate::from_raw((1 + part) * (Rate::ONE / 100)),
                        maintenance: Rate::from_raw((1 + part) * (Rate::ONE / 1_000)),
                    },
                },
                ..OptionCosts::default()
            },
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
