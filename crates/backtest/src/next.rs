//! `next`: what the engine will do, and at which price, time or value of a series.
//!
//! Copies of the engine as it was at an instant are asked ([`copies`]), each with one thing changed: the next bar closes at another price,
//! time passes at the same price, a series or a fact has another value. Where the answer becomes another than what is done anyway is
//! searched ([`search`]). What rests at the venue is told as it rests, and so is the venue's own liquidation.

mod changed;
mod copies;
mod modes;
mod options;
mod search;
mod state;
mod what_if;

use crate::record::{Keep, LastBar};
use crate::records::OrderRow;
use crate::run::{Run, Variant, What, single};
use crate::setup::Setup;
use crate::{Error, Progress};
use copies::{Copies, Varied};
use engine::Engine;
use market::{Catalogue, InstrumentKind};
use options::Quoted;
use policy::spec::{Hedge, Roll, SignalKind, Structure};
use policy::{Facts, Policy, RiskFact, SurfaceFact, facts};
pub use state::next_of_state;
use std::ops::ControlFlow;
use std::path::PathBuf;
use units::state::StateWriter;
use units::{Cash, Contract, Duration, Price, Qty, SeriesId, StrategyId, Timestamp};
use what_if::Supposed;
pub use what_if::{WhatIf, WhatIfFill};

/// Bars until a signal's bar closes, at most: each is played for every price that is asked for.
const SIGNAL_BARS_MAX: i64 = 300;
/// What a signal, and what is zero, is moved by multiples of.
const SIGNAL_SCALE: f64 = 0.5;
/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// After which instant; `None`: the run's end.
    pub at: Option<Timestamp>,
    /// Of which strategy; `None`: the one that decided last.
    pub strategy: Option<&'a str>,
    /// In which instrument, likewise.
    pub instrument: Option<&'a str>,
    /// What the next bar is supposed to bring: `price`, where it closes, and values of series and facts that the policy reads. Empty: it is
    /// asked from where the run is.
    pub what_if: &'a [(String, f64)],
    /// Values put into the policy's text, as if it said so from here on: keys and values, as `--set` of a backtest takes them.
    pub set: &'a [(String, String)],
}

/// What comes next for one strategy in one instrument.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The state after all that had been received by then.
    pub at: Timestamp,
    /// The policy's name.
    pub strategy: String,
    /// Symbol.
    pub instrument: String,
    /// How many other strategies and instruments the run has. They were left as they are.
    pub others: usize,
    /// The last price.
    pub price: Price,
    /// Signed quantity held.
    pub position: Qty,
    /// Of its account, in what the instrument settles in.
    pub equity: Cash,
    /// One standard deviation of a day's move, as a share of the price, by the volatility that sizing reads. `None`: it reads none.
    pub daily_move: Option<f64>,
    /// How long bars are: the price is moved to where the next one would close. Of a state, which has none: zero.
    pub bar: Duration,
    /// The instrument's grids of price and quantity, and how its value follows its price.
    pub tick: Price,
    /// See above.
    pub lot: Qty,
    /// See above.
    pub contract: Contract,
    /// What one unit stands for: its price, but of a structure of options what it is exposed to.
    pub unit: Price,
    /// What would be done, nearest first: by price, then by time, then by series.
    pub actions: Vec<Action>,
    /// Of a structure of options: the price of its underlying, the forward of the first expiry that is held or quoted.
    pub underlying: Option<Price>,
    /// Of a structure of options: its legs that are held, by expiry.
    pub legs: Vec<Leg>,
    /// Of a hedge: what it sees.
    pub hedge: Option<HedgeView>,
    /// Orders that fill at once, by the last price: at the market, limits at or through it, stops beyond their trigger. What follows from
    /// them is in no action. Of a structure of options those of its legs, by their own symbols; `accepted` waits at the venue for a quote.
    pub on_their_way: Vec<OrderRow>,
    /// Recorded series that are volatilities to the policy: shares, as told facts are by their names.
    pub volatilities: Vec<String>,
    /// Series and facts that are not known now: they were not varied.
    pub fixed: Vec<String>,
    /// Recorded series that were told, but not lately enough for the policy to go by them: they are not known, and were not varied.
    pub stopped: Vec<Stopped>,
    /// What was supposed and what followed: all else is told from there.
    pub what_if: Option<WhatIf>,
}

/// A recorded series that tells nothing any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    /// Its name.
    pub name: String,
    /// What it told last.
    pub last: f64,
    /// When it did.
    pub told: Timestamp,
    /// Older than this it is not known, by whatever reads it longest.
    pub max_age: Duration,
}

impl Stopped {
    /// What a series is to a policy in an instrument, where it is older than the policy goes by.
    fn of(told: &Facts, id: SeriesId, (name, max_age): (&str, Duration)) -> Option<Self> {
        let fact = facts::series(id);
        let age = told.age(fact.id()).filter(|age| *age > max_age)?;
        Some(Self { name: name.to_owned(), last: told.get(fact)?.get(), told: told.now() - age, max_age })
    }

    /// All that a policy reads in an instrument.
    pub(crate) fn all(told: &Facts, policy: &Policy, symbol: &str, catalogue: &Catalogue) -> Vec<Self> {
        let ages = policy.max_ages(symbol);
        let of = |(name, age): &(String, Duration)| Self::of(told, catalogue.series_id(name)?, (name, *age));
        ages.iter().filter_map(of).collect()
    }
}

/// A leg of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Symbol of the option.
    pub symbol: String,
    /// Signed quantity.
    pub quantity: Qty,
    /// When it expires.
    pub expiry: Timestamp,
    /// When it is rolled at the latest, if it is.
    pub rolls: Option<Timestamp>,
}

/// What a hedge sees, in coins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgeView {
    /// Delta, that of the hedge and its orders on the way included. `None`: it is not known.
    pub delta: Option<f64>,
    /// How far it may be from the target.
    pub band: f64,
    /// What it is to be.
    pub target: Qty,
}

impl HedgeView {
    fn of(hedge: &Hedge, cost: f64, told: &Facts) -> Self {
        let held = told.get(facts::POSITION).unwrap_or_default() + told.get(facts::ON_THE_WAY).unwrap_or_default();
        let own = match (told.get(facts::CONTRACT).unwrap_or_default(), told.get(facts::PRICE)) {
            (Contract::Linear, _) => Some(held.approximate()),
            (Contract::Inverse, price) => price.map(|price| held.approximate() / price.approximate()),
        };
        let band = hedge.band.width(cost, told).unwrap_or_default();
        let delta = told.get(facts::HEDGED).zip(own).map(|(delta, own)| delta.approximate() + own);
        Self { delta, band, target: hedge.target }
    }
}

/// What sets an action off.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// The market trades there.
    Resting {
        /// The trigger or limit.
        price: Price,
    },
    /// A bar closes there, or beyond.
    Close {
        /// The first price at which it is so.
        price: Price,
        /// When it closes: the next bar, or the next one that the signal goes by.
        at: Timestamp,
    },
    /// The underlying of a structure's options is there, or beyond, an hour later, with the volatility of each option as it is.
    Underlying {
        /// The first price of it at which it is so.
        price: Price,
        /// Its price now: the forward of the first expiry that is held.
        now: Price,
        /// When.
        at: Timestamp,
    },
    /// It is then, at an unchanged price.
    Time {
        /// When.
        at: Timestamp,
    },
    /// The venue liquidates the account there.
    Liquidation {
        /// The price.
        price: Price,
    },
    /// A series or a fact is there, or beyond, at an unchanged price.
    Series {
        /// Its name.
        name: String,
        /// Its value now.
        now: f64,
        /// The first value at which it is so.
        value: f64,
    },
}

/// One thing that would be done, or refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What sets it off.
    pub trigger: Trigger,
    /// What is sent or refused: `stop`, `add 2`, `rungs 1 and 2`, `moves the stop to 74152.6`; `nothing` where what is done before it is
    /// not.
    /// Modes that begin or end follow: `cut, flatten begins`.
    pub what: String,
    /// Signed quantity that is held.
    pub before: Qty,
    /// Signed quantity that would be.
    pub after: Qty,
    /// The rule that decides it; empty for what rests at the venue or is the venue's own, and where nothing is done.
    pub rule: String,
    /// Its sentence.
    pub because: String,
}

impl Next {
    /// How far a price is from the present one, as a share of it.
    #[must_use]
    pub fn distance(&self, price: Price) -> f64 {
        price.approximate() / self.price.approximate() - 1.0
    }

    /// Between which prices nothing is done by price alone. `None`: as far as was looked.
    #[must_use]
    pub fn quiet(&self) -> (Option<Price>, Option<Price>) {
        let prices = || {
            self.actions.iter().filter_map(|action| match action.trigger {
                Trigger::Resting { price } | Trigger::Close { price, .. } | Trigger::Liquidation { price } => {
                    Some(price)
                }
                Trigger::Underlying { .. } | Trigger::Time { .. } | Trigger::Series { .. } => None,
            })
        };
        let under = prices().filter(|price| *price < self.price).max();
        (under, prices().filter(|price| *price > self.price).min())
    }
}

impl Run {
    /// What comes next after an instant.
    ///
    /// # Errors
    ///
    /// An instant outside the run; a strategy or instrument that it has not; tapes that are not those that it was made from; something
    /// supposed of a structure of options.
    pub fn next(
        &self,
        question: &Question<'_>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Next, Error> {
        let Question { at, strategy, instrument, what_if, set } = *question;
        let at = at.or_else(|| Some(self.tables.equity.last()?.time)).unwrap_or(Timestamp::MAX);
        // Whatever explains an instant knows whether the run has it, and whom it can be about.
        let explained = self.explained_trader(at, strategy, instrument)?;
        let (index, name, symbol) = explained;
        if let Some(changed) = self.changed_tape() {
            return Err(Error::Setup(format!(
                "`{}` is not the tape that the run was made from, so nothing can be replayed to the instant",
                changed.path.display()
            )));
        }
        let tapes: Vec<PathBuf> = self.record.tapes.iter().map(|tape| tape.path.clone()).collect();
        let mut policies = self.policies();
        let what = What { policies: &policies, variant: Variant::Scaled, keep: Keep::Equity, until: at };
        let mut pass = single(what, &tapes, progress)?;
        let mut setup = Setup::new(&policies, &pass.catalogue)?;
        setup.margin_options(&policies, &pass.catalogue, pass.span)?;
        let strategy = StrategyId(index as u32);
        let instrument = setup.traders[index].1;
        let known = &pass.catalogue.instruments[instrument.index()];
        let structure = match known.kind {
            InstrumentKind::Structure => policies[setup.traders[index].0].structure_in(symbol).cloned(),
            _ => None,
        };
        if structure.is_some() && !(set.is_empty() && what_if.is_empty()) {
            return Err(Error::Setup(format!(
                "`{symbol}` is a structure of options, whose price follows the quotes of its legs: nothing is supposed of it; what comes \
                 next is told without `--what-if` and `--set`"
            )));
        }
        let of = setup.traders[index].0;
        if !set.is_empty() {
            let after = changed::policies(self, of, set)?;
            let mut snapshot = StateWriter::new();
            pass.engine.save(&mut snapshot);
            setup = Setup::new(&after, &pass.catalogue)?;
            setup.margin_options(&after, &pass.catalogue, pass.span)?;
            let (both, world) = ((&policies[..], &after[..]), (&setup, &pass.catalogue));
            pass.engine = changed::engine(both, world, (of, symbol), snapshot.as_bytes())?;
            policies = after;
        }
        let Some(price) = pass.engine.facts(strategy).get(facts::PRICE) else {
            return Err(Error::Setup(format!("`{symbol}` has no price yet at {at}")));
        };
        let bars = match structure {
            Some(_) => Bars { length: options::HOUR, closes: at + options::HOUR },
            None => Bars::after(at, pass.last_bar[instrument.index()]),
        };
        let is_hedge = policies[setup.traders[index].0].hedge_in(symbol).is_some();
        // A hedge has no signal and no size of its own.
        let names = if is_hedge { Vec::new() } else { policies[setup.traders[index].0].series_of(symbol) };
        let mut resting = self.resting(at, name, symbol);
        let supposed = Supposed::new(what_if, &names, &pass.catalogue, known.tick)?;
        let (mut at, mut price, mut bars, mut supposes) = (at, price, bars, None);
        if !what_if.is_empty() || !set.is_empty() {
            let world = (&mut pass.engine, &mut pass.exchange);
            let heard = supposed.pass(world, (strategy, instrument), bars.next(), price);
            (at, price) = (bars.closes, supposed.price.unwrap_or(price));
            bars.closes = bars.close(2);
            resting = heard.open(&pass.exchange, &resting, at);
            let plans = heard.plans(&pass.engine);
            supposes = Some(WhatIf { set: what_if.to_vec(), changed: set.to_vec(), fills: heard.fills, plans });
        }
        let mut snapshot = StateWriter::new();
        pass.engine.save(&mut snapshot);
        let modes = modes::of_now(&mut pass.engine, strategy);
        let told = pass.engine.facts(strategy);
        let equity = told.get(facts::EQUITY).unwrap_or_default();
        let daily_move = told.get(facts::VOLATILITY).map(|volatility| volatility.get() / 365.0_f64.sqrt());
        let position = pass.engine.position(strategy);
        let hedge = policies[setup.traders[index].0].hedge_in(symbol);
        let cost = policies[setup.traders[index].0].backtest.cost();
        let hedge = hedge.map(|hedge| HedgeView::of(hedge, cost, told));
        let (mut varied, mut fixed, mut volatilities) = (Vec::new(), Vec::new(), Vec::new());
        let signals = policies[setup.traders[index].0].signal_series(symbol);
        let stopped = match is_hedge {
            true => Vec::new(),
            false => Stopped::all(told, &policies[setup.traders[index].0], symbol, &pass.catalogue),
        };
        for name in names.into_iter().filter(|name| stopped.iter().all(|stopped| stopped.name != *name)) {
            let is_recorded = name.parse::<RiskFact>().is_err() && name.parse::<SurfaceFact>().is_err();
            let told = pass.catalogue.series_id(&name).and_then(|id| Some((id, told.get(facts::series(id))?.get())));
            let is_never_under_zero = policies[setup.traders[index].0].is_volatility(&name, symbol);
            if is_never_under_zero && is_recorded {
                volatilities.push(name.clone());
            }
            match told {
                Some((series, value)) => varied.push(Varied {
                    // A signal turns about zero.
                    scale: match value {
                        0.0 => SIGNAL_SCALE,
                        _ if signals.as_deref() == Some(&name) => SIGNAL_SCALE,
                        _ => value.abs(),
                    },
                    name,
                    series,
                    // What never liquidates is told as a thousandfold.
                    now: if is_recorded { value } else { value.min(1.0) },
                    is_signed: value <= 0.0 || (is_recorded && !is_never_under_zero),
                    is_recorded,
                }),
                None => fixed.push(name),
            }
        }
        let quoted = match &structure {
            Some(structure) => {
                let (world, base) = ((&pass.engine, &pass.catalogue), known.base);
                let none = || Error::Setup(format!("no option of `{}` has a price at {at}", structure.chain));
                Some(Quoted::of(world, (at, strategy), base, &structure.chain).ok_or_else(none)?)
            }
            None => None,
        };
        let (mut on_their_way, resting): (Vec<OrderRow>, Vec<OrderRow>) =
            resting.into_iter().partition(|order| waits_at(order, price).is_none());
        let legs_sent = match structure {
            Some(_) => self.legs_sent(at, name, symbol),
            None => Vec::new(),
        };
        // A leg that waits at the venue for a quote may still be taken back.
        let fill_first = on_their_way.iter().chain(legs_sent.iter().filter(|leg| leg.event != "accepted"));
        let fill_first = fill_first.map(|order| order.order.clone()).collect();
        on_their_way.extend(legs_sent);
        let copies = Copies {
            quoted: quoted.as_ref(),
            on_their_way: fill_first,
            modes,
            policies: &policies,
            catalogue: &pass.catalogue,
            setup: &setup,
            snapshot: snapshot.as_bytes(),
            at,
            strategy,
            instrument,
            price,
            tick: known.tick,
            lot: known.lot,
            bars,
            position,
            supposed: &supposed.told,
        };
        let mut actions: Vec<Action> =
            resting.iter().filter_map(|order| resting_action(order, price, position)).collect();
        let liquidation = pass.exchange.liquidation_price_of(instrument).filter(|_| structure.is_none());
        actions.extend(liquidation.map(|price| liquidated(price, position)));
        if structure.is_none() {
            actions.extend(copies.by_price(&resting, liquidation, 1)?);
        }
        // A signal of longer bars turns when one of these closes.
        let signal = &policies[setup.traders[index].0].signal.kind;
        if let Some(bars) = bars.to_signal(signal).filter(|_| hedge.is_none() && structure.is_none()) {
            let known = actions.clone();
            let is_new =
                |action: &Action| !known.iter().any(|other| (&other.what, &other.rule) == (&action.what, &action.rule));
            actions.extend(copies.by_price(&resting, liquidation, bars)?.into_iter().filter(is_new));
        }
        let distance = |action: &Action| match action.trigger {
            Trigger::Resting { price: at } | Trigger::Close { price: at, .. } | Trigger::Liquidation { price: at } => {
                (at - price).abs()
            }
            Trigger::Underlying { .. } | Trigger::Time { .. } | Trigger::Series { .. } => Price::ZERO,
        };
        actions.sort_by_key(distance);
        actions.extend(match &quoted {
            Some(quoted) => copies.of_options(quoted)?,
            None => copies.by_time()?,
        });
        for of in &varied {
            actions.extend(copies.by_number(of)?);
        }
        Ok(Next {
            at,
            strategy: name.to_owned(),
            instrument: symbol.to_owned(),
            others: setup.traders.len() - 1,
            price,
            position,
            equity,
            daily_move,
            bar: bars.length,
            tick: known.tick,
            lot: known.lot,
            contract: known.kind.contract(),
            unit: told.get(facts::EXPOSURE_PRICE).unwrap_or(price),
            actions,
            underlying: quoted.as_ref().map(|quoted| quoted.underlying),
            legs: structure
                .as_ref()
                .map_or_else(Vec::new, |structure| legs(&pass.engine, &pass.catalogue, strategy, structure)),
            hedge,
            on_their_way,
            volatilities,
            fixed,
            stopped,
            what_if: supposes,
        })
    }
}

/// What a structure holds.
fn legs(engine: &Engine, catalogue: &Catalogue, strategy: StrategyId, structure: &Structure) -> Vec<Leg> {
    let held = engine.holdings().filter(|(of, _, _, qty)| *of == strategy && !qty.is_zero());
    let mut legs: Vec<Leg> = held
        .filter_map(|(_, _, leg, quantity)| {
            let known = &catalogue.instruments[leg.index()];
            Some(Leg { symbol: known.symbol.clone(), quantity, expiry: known.kind.expiry()?, rolls: None })
        })
        .collect();
    legs.sort_by(|a, b| (a.expiry, &a.symbol).cmp(&(b.expiry, &b.symbol)));
    let first = legs.first().map(|leg| leg.expiry);
    let rolls = match structure.roll {
        Roll::Before(before) => first.map(|expiry| expiry - before),
        Roll::AtSettlement => first,
        Roll::Never => None,
    };
    legs.iter_mut().for_each(|leg| leg.rolls = rolls);
    legs
}

/// The bars that come.
#[derive(Debug, Clone, Copy)]
struct Bars {
    length: Duration,
    /// When the next one closes.
    closes: Timestamp,
}

impl Bars {
    /// Those of an instrument after an instant: as long as its last one, from where that one was told. In a hole they go by too.
    fn after(at: Timestamp, last: Option<LastBar>) -> Self {
        let known = last.map(|last| (last.closed.since(last.opened), last.told));
        // Before the first one, where a price was told without, nothing says how long they are.
        let (length, told) = known.filter(|(length, _)| *length > Duration::ZERO).unwrap_or((Duration::HOUR, at));
        let gone_by = at.since(told).nanos().max(0) / length.nanos();
        Self { length, closes: told + Duration::from_nanos(length.nanos() * (gone_by + 1)) }
    }

    /// When the next one opens and closes.
    fn next(self) -> (Timestamp, Timestamp) {
        (self.closes - self.length, self.closes)
    }

    /// When the one of that number closes; the next is the first.
    fn close(self, number: i64) -> Timestamp {
        self.closes + Duration::from_nanos(self.length.nanos() * (number - 1))
    }

    /// How many bars from now the next bar closes that a signal goes by, if it goes by longer ones.
    fn to_signal(self, signal: &SignalKind) -> Option<i64> {
        let longer = match signal {
            SignalKind::EmaCross { bar, .. } | SignalKind::Momentum { bar, .. } | SignalKind::Donchian { bar, .. } => {
                *bar
            }
            SignalKind::Constant { .. } | SignalKind::Series { .. } => return None,
        };
        let (opens, _) = self.next();
        let left = longer.nanos() - opens.nanos().rem_euclid(longer.nanos());
        let bars = left / self.length.nanos();
        (bars > 1 && left % self.length.nanos() == 0 && bars <= SIGNAL_BARS_MAX).then_some(bars)
    }
}

/// Where an order waits for the market, at the last price. `None`: it fills with the next trade.
fn waits_at(order: &OrderRow, last: Price) -> Option<Price> {
    let buys = order.side == "buy";
    // A limit is behind the market where it is worse than the price; a trigger where the price is not there yet.
    let limit = |limit: Price| if buys { limit < last } else { limit > last };
    let trigger = |trigger: Price| if buys { trigger > last } else { trigger < last };
    order.trigger.filter(|at| trigger(*at)).or(order.price.filter(|at| limit(*at)))
}

/// What a resting order would do.
fn resting_action(order: &OrderRow, last: Price, position: Qty) -> Option<Action> {
    let price = waits_at(order, last)?;
    let change = if order.side == "buy" { order.quantity } else { -order.quantity };
    let after = position + change;
    let closes = order.reduce_only && (after.is_zero() || after.signum() != position.signum());
    Some(Action {
        trigger: Trigger::Resting { price },
        what: order.purpose.to_string(),
        before: position,
        after: if closes { Qty::ZERO } else { after },
        rule: String::new(),
        because: format!("a {} order rests at the venue", order.kind.replace('_', "-")),
    })
}

/// What the venue does by itself.
fn liquidated(price: Price, position: Qty) -> Action {
    Action {
        trigger: Trigger::Liquidation { price },
        what: "liquidation".to_owned(),
        before: position,
        after: Qty::ZERO,
        rule: String::new(),
        because: "the account no longer bears the venue's maintenance margin".to_owned(),
    }
}
