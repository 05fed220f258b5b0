//! What each instrument, strategy and account did, from the rows of a run's folder.

use crate::records::{FillRow, PlanRow};
use crate::report::{AccountPath, Execution, Fill, Gap, Part, Purpose, Refusal, Rung, RungEnd, Stops, Traded};
use crate::run::{InstrumentStamp, Run};
use std::collections::BTreeMap;
use units::{Contract, Price, Timestamp};

/// A row of a plan with its place in the table.
type Placed<'a> = (usize, &'a PlanRow);

/// A run's rows by what a page names by position.
pub(super) struct Book<'a> {
    run: &'a Run,
    /// The main one first.
    instruments: Vec<&'a InstrumentStamp>,
    at: BTreeMap<&'a str, usize>,
    strategies: BTreeMap<&'a str, usize>,
    /// Rows of plans by plan, in order of time.
    by_plan: BTreeMap<u64, Vec<&'a PlanRow>>,
    /// Rows of plans that have a sentence, by strategy, instrument and rule, in order of time: a rule that spoke long ago is
    /// found without a walk over all that was decided since.
    stated: BTreeMap<(usize, usize, &'a str), Vec<Placed<'a>>>,
    pub(super) traded: Vec<Traded>,
    /// Traded in the market in each bar, in the underlying; by instrument.
    volumes: Vec<Vec<f64>>,
    /// By strategy and instrument.
    parts: BTreeMap<(usize, usize), Part>,
}

impl<'a> Book<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        let instruments = run.by_value_traded();
        let mut book = Self {
            run,
            at: instruments.iter().enumerate().map(|(at, known)| (known.symbol.as_str(), at)).collect(),
            strategies: run.record.policies.iter().enumerate().map(|(at, policy)| (policy.name.as_str(), at)).collect(),
            by_plan: BTreeMap::new(),
            stated: BTreeMap::new(),
            traded: instruments.iter().map(|known| stamped(known)).collect(),
            volumes: vec![Vec::new(); instruments.len()],
            parts: BTreeMap::new(),
            instruments,
        };
        for (place, row) in run.tables.plans.iter().enumerate() {
            book.by_plan.entry(row.plan).or_default().push(row);
            if !row.because.is_empty() {
                let key = (book.strategy(&row.strategy), book.instrument(&row.instrument), row.rule.as_str());
                book.stated.entry(key).or_default().push((place, row));
            }
        }
        book.bars();
        book.actions();
        book.campaigns();
        book
    }

    pub(super) fn instrument(&self, symbol: &str) -> usize {
        self.at.get(symbol).copied().unwrap_or_default()
    }

    /// The instrument that a fill is of: an option's is the structure of the strategy that trades it.
    fn instrument_of(&self, row: &FillRow) -> usize {
        let own = || {
            let strategies = self.run.strategies.iter();
            let mut own = strategies.filter(|strategy| *strategy.policy.name == *row.strategy);
            own.next().and_then(|strategy| self.at.get(strategy.policy.instruments.first()?.as_str()).copied())
        };
        self.at.get(row.instrument.as_str()).copied().or_else(own).unwrap_or_default()
    }

    /// The fill of a structure that legs make together, traded at one time for one reason: so many structures as the position
    /// changed by, at what the legs paid for each. Replaced legs change no position: the fill is at what the new ones are worth.
    fn add_leg(&mut self, row: &FillRow, strategy: usize, at: usize) {
        let (time, why) = (row.time.nanos(), purpose(&row.purpose));
        let same = |fill: &Fill| fill.time == time && fill.purpose == why && fill.strategy == strategy;
        if self.traded[at].fills.last().is_some_and(same) {
            return;
        }
        let traded = &self.traded[at];
        let after = traded.time.partition_point(|known| *known < time);
        let held = |at: Option<usize>| at.and_then(|at| traded.position.get(at)).copied().unwrap_or_default();
        let quantity = held(Some(after)) - held(after.checked_sub(1));
        let legs = self
            .run
            .tables
            .fills
            .iter()
            .filter(|leg| leg.time == row.time && leg.purpose == row.purpose && leg.strategy == row.strategy);
        let value: f64 = legs.map(|leg| signed(leg) * leg.price.approximate()).sum();
        let price = if quantity == 0.0 || why == Purpose::Roll {
            traded.close.get(after).copied().unwrap_or_default()
        } else {
            value / quantity
        };
        let because = self.deciding_sentence(row, strategy, at);
        self.traded[at].fills.push(Fill { strategy, time, price, quantity, purpose: why, plan: row.plan, because });
    }

    pub(super) fn strategy(&self, name: &str) -> usize {
        self.strategies.get(name).copied().unwrap_or_default()
    }

    /// What a unit of the instrument's settlement currency is worth in the run's, at the last marks.
    pub(super) fn rate(&self, instrument: usize) -> f64 {
        let settle = self.instruments.get(instrument).map_or("", |known| known.settle.as_str());
        rate_of(self.run, settle)
    }

    /// The value that a rule took off a target, over equity.
    pub(super) fn exposure_cut(&self, row: &PlanRow) -> f64 {
        let Some(known) = self.instruments.get(self.instrument(&row.instrument)) else { return 0.0 };
        let value = known.contract().exposure(row.price, row.before - row.after).approximate();
        let equity = row.equity.approximate();
        // Equity at a decision is in what the instrument settles in.
        if equity > 0.0 { (value / equity).abs() } else { 0.0 }
    }

    /// The rows of a plan.
    pub(super) fn plan(&self, plan: u64) -> &[&'a PlanRow] {
        self.by_plan.get(&plan).map_or(&[], Vec::as_slice)
    }

    /// An instrument's bars, and what each strategy held in it.
    fn bars(&mut self) {
        let weights = weights(self.run);
        let mut bars: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for row in &self.run.tables.positions {
            let (at, strategy) = (self.instrument(&row.instrument), self.strategy(&row.strategy));
            let weight = match weights.get(self.instruments[at].venue()) {
                Some(weights) => {
                    let rows = &self.run.tables.equity;
                    weights.get(rows.partition_point(|known| known.time < row.time)).copied().unwrap_or(1.0)
                }
                None => 1.0,
            };
            let part = self.parts.entry((strategy, at)).or_insert(Part { strategy, instrument: at, ..Part::default() });
            part.mean_exposure += row.exposure.abs();
            part.largest_exposure = part.largest_exposure.max(row.exposure.abs());
            *bars.entry((strategy, at)).or_default() += 1.0;
            let traded = &mut self.traded[at];
            if traded.time.last() != Some(&row.time.nanos()) {
                traded.time.push(row.time.nanos());
                traded.open.push(row.open.approximate());
                traded.high.push(row.high.approximate());
                traded.low.push(row.low.approximate());
                traded.close.push(row.mark.approximate());
                for list in [&mut traded.position, &mut traded.exposure, &mut traded.twin_exposure] {
                    list.push(0.0);
                }
                traded.volatility.push(None);
                traded.stops.iter_mut().for_each(|stops| stops.price.push(None));
                self.volumes[at].push(row.volume.approximate());
            }
            let last = traded.time.len() - 1;
            traded.position[last] += row.position.approximate();
            traded.exposure[last] += row.exposure * weight;
            traded.twin_exposure[last] += row.twin_exposure * weight;
            traded.volatility[last] = traded.volatility[last].or(row.volatility);
            let own = traded.stops.iter().position(|stops| stops.strategy == strategy).unwrap_or_else(|| {
                traded.stops.push(Stops { strategy, price: vec![None; last + 1] });
                traded.stops.len() - 1
            });
            traded.stops[own].price[last] = row.stop.map(Price::approximate);
        }
        for (key, part) in &mut self.parts {
            part.mean_exposure /= bars.get(key).copied().unwrap_or(1.0);
        }
        for gap in &self.run.record.gaps {
            let Some(at) = self.at.get(gap.instrument.as_str()) else { continue };
            let nanos = |text: &str| text.parse::<Timestamp>().map(Timestamp::nanos);
            if let (Ok(from), Ok(to)) = (nanos(&gap.from), nanos(&gap.to)) {
                self.traded[*at].gaps.push(Gap { from, to });
            }
        }
    }

    /// Fills, refusals and rungs.
    fn actions(&mut self) {
        let tables = &self.run.tables;
        for row in &tables.fills {
            let (at, strategy) = (self.instrument_of(row), self.strategy(&row.strategy));
            let value = self.instruments[at].contract().exposure(row.price, row.quantity).approximate() * self.rate(at);
            let part = self.parts.entry((strategy, at)).or_insert(Part { strategy, instrument: at, ..Part::default() });
            if row.liquidity == "internal" {
                part.crossed += value;
            } else {
                part.traded += value;
            }
            if self.traded[at].is_structure {
                self.add_leg(row, strategy, at);
                continue;
            }
            let because = self.deciding_sentence(row, strategy, at);
            self.traded[at].fills.push(Fill {
                strategy,
                time: row.time.nanos(),
                price: row.price.approximate(),
                quantity: signed(row),
                purpose: purpose(&row.purpose),
                plan: row.plan,
                because,
            });
        }
        for row in tables.plans.iter().filter(|row| row.outcome == "refused" || row.outcome == "held") {
            let (at, strategy) = (self.instrument(&row.instrument), self.strategy(&row.strategy));
            self.traded[at].refusals.push(Refusal {
                strategy,
                time: row.time.nanos(),
                price: row.price.approximate(),
                rule: row.rule.to_string(),
                because: row.because.clone(),
                plan: row.plan,
                held: row.outcome == "held",
            });
        }
        self.rungs();
    }

    /// Each rung's rest, from being placed to its end.
    fn rungs(&mut self) {
        let end = self.run.tables.equity.last().map_or(0, |row| row.time.nanos());
        let mut open: BTreeMap<&str, (usize, Rung)> = BTreeMap::new();
        // Orders of a structure's legs have no price of the structure.
        for row in self.run.tables.orders.iter().filter(|row| self.at.contains_key(row.instrument.as_str())) {
            let Some(index) = row.purpose.strip_prefix("rung ").and_then(|number| number.parse().ok()) else {
                continue;
            };
            match row.event.as_str() {
                "place" => {
                    let (at, strategy) = (self.instrument(&row.instrument), self.strategy(&row.strategy));
                    let (price, from) = (row.price.map_or(0.0, Price::approximate), row.time.nanos());
                    let rung = Rung { strategy, index, price, from, to: end, end: RungEnd::Armed };
                    open.insert(&row.order, (at, rung));
                }
                "filled" | "cancelled" => {
                    if let Some((at, mut rung)) = open.remove(row.order.as_str()) {
                        rung.end = if row.event == "filled" { RungEnd::Filled } else { RungEnd::Lapsed };
                        rung.to = row.time.nanos();
                        self.traded[at].rungs.push(rung);
                    }
                }
                _ => {}
            }
        }
        for (at, rung) in open.into_values() {
            self.traded[at].rungs.push(rung);
        }
        for traded in &mut self.traded {
            traded.rungs.sort_by_key(|rung| (rung.from, rung.strategy, rung.index));
        }
    }

    fn campaigns(&mut self) {
        for row in &self.run.tables.campaigns {
            let (at, strategy) = (self.instrument(&row.instrument), self.strategy(&row.strategy));
            let rate = self.rate(at);
            let part = self.parts.entry((strategy, at)).or_insert(Part { strategy, instrument: at, ..Part::default() });
            let [profit, fees, funding] = [row.profit, row.fees, row.funding].map(|cash| cash.approximate() * rate);
            part.profit += profit;
            part.fees += fees;
            part.funding += funding;
            part.campaigns += 1;
            let closed = row.closed.is_some();
            part.closed += u64::from(closed);
            part.won += u64::from(closed && profit - fees + funding > 0.0);
            if let Some(r) = row.r {
                part.r += r;
                part.with_r += 1;
            }
        }
    }

    /// What each strategy made in each instrument, the main instrument first.
    pub(super) fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = self.parts.values().copied().collect();
        parts.sort_by_key(|part| (part.instrument, part.strategy));
        parts
    }

    /// The sentence of the rule that this kind of fill comes from: as ordered, or for exits as last stated before it; else
    /// of the last step that moved the target.
    fn deciding_sentence(&self, fill: &FillRow, strategy: usize, instrument: usize) -> String {
        let rules: &[&'static str] = match fill.purpose.split(' ').next().unwrap_or_default() {
            "entry" | "resize" => &["fixed_fraction", "risk_per_trade", "vol_target"],
            "add" => &["pyramid"],
            "rung" => &["ladder"],
            "stop" => &["stop"],
            "exit" => &["signal"],
            "cut" => &["drawdown_cap", "leverage_cap", "floor", "limit", "exit_time_cap", "liquidation_distance"],
            _ => &[],
        };
        let plan = self.plan(fill.plan);
        let stated = |row: &&&PlanRow| rules.contains(&row.rule.as_str()) && !row.because.is_empty();
        let ordered = plan.iter().rev().filter(|row| row.time <= fill.time).find(stated);
        let last = |rule: &&'static str| {
            let own = self.stated.get(&(strategy, instrument, *rule))?;
            own[..own.partition_point(|(_, row)| row.time < fill.time)].last()
        };
        let latest = || rules.iter().filter_map(last).max_by_key(|(place, _)| *place).map(|(_, row)| row);
        let step = if fill.purpose == "stop" { latest().or(ordered) } else { ordered.or_else(latest) };
        let moved = || plan.iter().rev().find(|row| row.before != row.after && !row.because.is_empty());
        step.or_else(moved).or(plan.last()).map_or_else(String::new, |row| row.because.clone())
    }

    /// Orders that filled at the venue.
    pub(super) fn executions(&self) -> Vec<Execution> {
        /// An order so far: itself, its quantity in the underlying, the last bar that it filled in, the volume of all.
        struct Order {
            execution: Execution,
            quantity: f64,
            bar: usize,
            volume: f64,
        }
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let mut orders: Vec<Order> = Vec::new();
        for row in self.run.tables.fills.iter().filter(|row| row.liquidity != "internal") {
            let at = self.instrument_of(row);
            let (contract, rate) = (self.instruments[at].contract(), self.rate(at));
            let sign = if row.side == "sell" { -row.quantity } else { row.quantity };
            let price = row.price.approximate();
            let quantity = match contract {
                Contract::Linear => row.quantity.approximate(),
                Contract::Inverse => row.quantity.approximate() / price.max(f64::MIN_POSITIVE),
            };
            let bar = self.traded[at].time.partition_point(|time| *time < row.time.nanos());
            let volume = self.volumes[at].get(bar).copied().unwrap_or_default();
            let place = *known.entry(&row.order).or_insert_with(|| {
                let execution = Execution { time: row.time.nanos(), ..Execution::default() };
                orders.push(Order { execution, quantity: 0.0, bar: usize::MAX, volume: 0.0 });
                orders.len() - 1
            });
            let order = &mut orders[place];
            order.execution.value += contract.exposure(row.price, row.quantity).approximate() * rate;
            order.execution.slippage += contract.profit(sign, row.reference, row.price).approximate() * rate;
            order.quantity += quantity;
            if order.bar != bar {
                (order.bar, order.volume) = (bar, order.volume + volume);
            }
        }
        let finished = |order: Order| Execution {
            participation: (order.volume > 0.0).then(|| order.quantity / order.volume),
            ..order.execution
        };
        orders.into_iter().map(finished).collect()
    }

    /// Each account over time, where there are several.
    pub(super) fn accounts(&self) -> Vec<AccountPath> {
        let mut paths: Vec<AccountPath> = Vec::new();
        for row in &self.run.tables.accounts {
            let at = row.account as usize;
            if paths.len() <= at {
                paths.resize(at + 1, AccountPath::default());
            }
            let path = &mut paths[at];
            if path.time.is_empty() {
                (path.venue, path.currency) = (row.venue.to_string(), row.currency.to_string());
            }
            path.time.push(row.time.nanos());
            path.equity.push(row.equity.approximate());
            path.twin_equity.push(row.twin_equity.approximate());
            path.drawdown = path.drawdown.min(-row.drawdown.abs());
        }
        paths
    }
}

/// Each account's share of all equity at each row, by venue, so that exposures of several accounts add up. Empty with
/// one account.
pub(super) fn weights(run: &Run) -> BTreeMap<&str, Vec<f64>> {
    let tables = &run.tables;
    let mut weights: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut next = tables.accounts.as_slice();
    for total in &tables.equity {
        let count = next.iter().take_while(|row| row.time == total.time).count();
        let (now, later) = next.split_at(count);
        next = later;
        for row in now {
            let rate = if *row.currency == run.record.currency { 1.0 } else { rate_of(run, &row.currency) };
            let share = row.equity.approximate() * rate / total.equity.approximate();
            weights.entry(&row.venue).or_default().push(if share.is_finite() { share } else { 0.0 });
        }
    }
    weights
}

/// What a unit of a currency is worth in the run's, at the last marks.
fn rate_of(run: &Run, currency: &str) -> f64 {
    run.record.rates.get(currency).and_then(|rate| rate.parse().ok()).unwrap_or(1.0)
}

fn stamped(known: &InstrumentStamp) -> Traded {
    let number = |text: &str| text.parse().unwrap_or(0.0);
    Traded {
        symbol: known.symbol.clone(),
        unit: if known.contract() == Contract::Inverse { &known.quote } else { &known.base }.clone(),
        quote: known.quote.clone(),
        currency: known.settle.clone(),
        tick: number(&known.tick),
        lot: number(&known.lot),
        is_structure: known.kind == "structure",
        ..Traded::default()
    }
}

fn signed(row: &FillRow) -> f64 {
    row.quantity.approximate() * if row.side == "sell" { -1.0 } else { 1.0 }
}

fn purpose(text: &str) -> Purpose {
    let (word, number) = text.split_once(' ').unwrap_or((text, ""));
    let number = number.parse().unwrap_or(1);
    match word {
        "entry" => Purpose::Entry,
        "add" => Purpose::Add(number),
        "rung" => Purpose::Rung(number),
        "exit" => Purpose::Exit,
        "stop" => Purpose::Stop,
        "cut" => Purpose::Cut,
        "liquidation" => Purpose::Liquidation,
        "roll" => Purpose::Roll,
        "hedge" => Purpose::Hedge,
        "settlement" => Purpose::Settlement,
        _ => Purpose::Resize,
    }
}
