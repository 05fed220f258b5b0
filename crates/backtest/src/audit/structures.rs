//! Structures of options: what each is worth by the quotes of its legs, what plans say of it against what the legs paid, its campaigns,
//! and what its stops, rungs and adds make of the quotes.
//!
//! Orders in structures are in no table: they stand in the engine, and only the legs' go out. What became of them is told by plans, whose
//! sentences are held against fills of legs, and by the purposes of legs' orders, which are held against prices made here of the quotes.

mod interval;
mod triggers;

use super::campaign::Camp;
use super::finding::{At, Found};
use super::live::side_of;
use super::seat::plus;
use crate::records::{CampaignRow, FillRow, Tables};
use crate::run::Run;
use interval::Interval;
pub(super) use interval::filled;
use market::{Catalogue, Event, OptionQuote};
use policy::Policy;
use policy::spec::Structure;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use triggers::Triggers;
use units::{Cash, Contract, OptionRight, Price, Qty, Timestamp};

/// All structures of a run that the audit follows.
#[derive(Default)]
pub(super) struct Structures<'a> {
    books: Vec<Book<'a>>,
}

/// One structure of a policy, from quote to quote.
struct Book<'a> {
    tables: &'a Tables,
    policy: Policy,
    name: &'a str,
    symbol: &'a str,
    terms: Structure,
    tick: Price,
    least: Qty,
    /// Its rows, and how far each list was read.
    fills: Vec<usize>,
    plans: Vec<Range<usize>>,
    /// Commands that concern orders of its legs.
    orders: Vec<usize>,
    positions: Vec<usize>,
    next: Next,
    /// Its campaigns' rows.
    campaigns: BTreeMap<u64, usize>,
    /// What its options are worth, and their last quotes.
    values: BTreeMap<usize, Price>,
    quotes: BTreeMap<usize, OptionQuote>,
    options: BTreeMap<usize, (Price, OptionRight, Timestamp)>,
    by_symbol: BTreeMap<&'a str, usize>,
    /// Signed contracts held of each option, by fills.
    legs: BTreeMap<usize, Qty>,
    /// Signed structures held, as plans tell.
    held: Qty,
    /// Contracts of each option for a structure, as of when its legs were last whole.
    ratios: Vec<(usize, Qty)>,
    /// What one is worth by the last quotes of the legs.
    price: Option<Price>,
    /// Its legs are being replaced.
    rolls: bool,
    camp: Option<Camp>,
    interval: Interval,
    triggers: Triggers,
    /// Campaigns whose rows were checked.
    checked: BTreeSet<u64>,
}

#[derive(Default)]
struct Next {
    fill: usize,
    plan: usize,
    order: usize,
    position: usize,
}

/// What the strategy did at a time.
struct Now<'a> {
    at: Timestamp,
    /// Its plans, their steps in order.
    plans: Vec<Range<usize>>,
    /// Purposes of orders of legs that were placed.
    placed: Vec<&'a str>,
    /// Something was taken back.
    cancels: bool,
}

/// A policy that trades one structure and no other options: its legs are all the options that it trades.
fn is_followed(policy: &Policy) -> bool {
    policy.structure.is_some() && policy.structures().count() == 1
}

/// Whether a run has structures whose campaigns are not followed.
pub(super) fn leaves_some_out(run: &Run) -> bool {
    run.policies().iter().any(|policy| policy.trades_options() && !is_followed(policy))
}

/// Whether triggers of structures wait for what no table tells.
pub(super) fn has_unknown_triggers(run: &Run) -> bool {
    run.policies().iter().filter(|policy| is_followed(policy)).any(triggers::has_unknown)
}

impl<'a> Structures<'a> {
    pub(super) fn new(run: &'a Run, catalogue: &Catalogue) -> Self {
        let books = run.strategies.iter().filter(|of| is_followed(&of.policy));
        let books = books.filter_map(|of| Book::new(run, &of.policy, catalogue)).collect();
        Self { books }
    }

    /// One time of the tapes, or of the tables alone.
    pub(super) fn input(&mut self, at: Timestamp, events: &[Event], found: &mut Found) {
        for book in &mut self.books {
            book.input(at, events, found);
        }
    }

    /// The end of the run.
    pub(super) fn finish(mut self, found: &mut Found) {
        for book in &mut self.books {
            book.finish(found);
        }
    }
}

impl<'a> Book<'a> {
    fn new(run: &'a Run, policy: &Policy, catalogue: &Catalogue) -> Option<Self> {
        let tables = &run.tables;
        let (symbol, terms) = policy.structures().next()?;
        let terms = terms.clone();
        let stamp = run.record.instruments.iter().find(|known| known.symbol == symbol)?;
        let symbol: &'a str = &stamp.symbol;
        let (tick, lot) = (stamp.tick.parse().ok()?, stamp.lot.parse().ok()?);
        let name: &'a str = &run.strategies.iter().find(|of| of.policy.name == policy.name)?.policy.name;
        let known: BTreeMap<&str, usize> =
            catalogue.instruments.iter().enumerate().map(|(at, of)| (of.symbol.as_str(), at)).collect();
        let (mut by_symbol, mut options) = (BTreeMap::new(), BTreeMap::new());
        let mut is_leg = |symbol: &'a str| {
            let Some(at) = known.get(symbol).copied() else { return false };
            let kind = &catalogue.instruments[at].kind;
            let (Some((strike, right)), Some(expiry)) = (kind.option(), kind.expiry()) else { return false };
            by_symbol.insert(symbol, at);
            options.insert(at, (strike, right, expiry));
            true
        };
        let own = |strategy: &str| strategy == name;
        let fills: Vec<usize> = (0..tables.fills.len())
            .filter(|row| own(&tables.fills[*row].strategy) && is_leg(&tables.fills[*row].instrument))
            .collect();
        let orders = (0..tables.orders.len()).filter(|row| {
            let order = &tables.orders[*row];
            own(&order.strategy) && matches!(&*order.event, "place" | "cancel") && is_leg(&order.instrument)
        });
        let orders = orders.collect();
        let here = |strategy: &str, instrument: &str| own(strategy) && instrument == symbol;
        let (mut plans, mut begin) = (Vec::new(), 0);
        for steps in tables.plans.chunk_by(|a, b| a.plan == b.plan) {
            let rows = begin..begin + steps.len();
            begin = rows.end;
            if here(&steps[0].strategy, &steps[0].instrument) {
                plans.push(rows);
            }
        }
        let positions = &tables.positions;
        let positions =
            (0..positions.len()).filter(|row| here(&positions[*row].strategy, &positions[*row].instrument)).collect();
        let campaigns = tables.campaigns.iter().enumerate();
        let campaigns = campaigns.filter(|(_, row)| here(&row.strategy, &row.instrument));
        Some(Self {
            tables,
            policy: policy.clone(),
            name,
            symbol,
            terms,
            tick,
            least: lot,
            fills,
            plans,
            orders,
            positions,
            next: Next::default(),
            campaigns: campaigns.map(|(at, row)| (row.campaign, at)).collect(),
            values: BTreeMap::new(),
            quotes: BTreeMap::new(),
            options,
            by_symbol,
            legs: BTreeMap::new(),
            held: Qty::ZERO,
            ratios: Vec::new(),
            price: None,
            rolls: false,
            camp: None,
            interval: Interval::default(),
            triggers: Triggers::default(),
            checked: BTreeSet::new(),
        })
    }

    /// One time: what was filled and what plans say of it, then what the market quotes.
    fn input(&mut self, at: Timestamp, events: &[Event], found: &mut Found) {
        let now = self.now(at);
        for plan in &now.plans {
            // What a plan sends may cross inside the book at once: it tells what came before that.
            let (input, number) = (self.tables.plans[plan.start].input, self.tables.plans[plan.start].plan);
            self.take_fills(|fill| fill.input < input || (fill.input == input && fill.plan < number));
            for row in plan.clone() {
                self.note(row, found);
            }
        }
        self.take_fills(|fill| fill.time <= at);
        let ticks = self.take_quotes(events);
        if ticks {
            self.price = self.worth();
            self.crossings(&now, found);
        }
        self.orders_of(&now, found);
        self.remember(&now);
        self.rows(at, found);
    }

    /// The rows of a time.
    fn now(&mut self, at: Timestamp) -> Now<'a> {
        let tables = self.tables;
        let begin = self.next.plan;
        while self.plans.get(self.next.plan).is_some_and(|plan| tables.plans[plan.start].time <= at) {
            self.next.plan += 1;
        }
        let plans = self.plans[begin..self.next.plan].to_vec();
        let (mut placed, mut cancels) = (Vec::new(), false);
        while let Some(order) = self.orders.get(self.next.order).map(|row| &tables.orders[*row]) {
            if order.time > at {
                break;
            }
            self.next.order += 1;
            if &*order.event == "place" {
                placed.push(order.purpose.as_str());
            } else {
                cancels = true;
            }
        }
        Now { at, plans, placed, cancels }
    }

    fn take_fills(&mut self, until: impl Fn(&FillRow) -> bool) {
        while let Some(row) = self.fills.get(self.next.fill).copied().filter(|row| until(&self.tables.fills[*row])) {
            self.next.fill += 1;
            let fill = &self.tables.fills[row];
            let Some(leg) = self.by_symbol.get(fill.instrument.as_str()) else { continue };
            let signed = fill.quantity.on(side_of(&fill.side));
            let held = self.legs.entry(*leg).or_default();
            *held = plus(*held, signed);
            self.interval.fill(fill, *leg, signed);
        }
    }

    /// What options are quoted at now. Whether one is of what is held.
    fn take_quotes(&mut self, events: &[Event]) -> bool {
        let mut ticks = false;
        for event in events {
            let Event::OptionQuote(quote) = event else { continue };
            let leg = quote.instrument.index();
            if !self.options.contains_key(&leg) {
                continue;
            }
            if let Some(value) = worth_of(quote) {
                self.values.insert(leg, value);
            }
            self.quotes.insert(leg, *quote);
            ticks |=
                self.ratios.iter().any(|(of, _)| *of == leg) || self.legs.get(&leg).is_some_and(|held| !held.is_zero());
        }
        ticks && !self.held.is_zero()
    }

    /// What a structure is worth by the last quotes of its legs; between old legs and new ones by all that is held, less what was paid for
    /// it since.
    fn worth(&self) -> Option<Price> {
        let value = |leg: usize| self.values.get(&leg).copied();
        if !self.rolls || self.held.is_zero() || self.whole().is_some() {
            return self.sum(|leg, _| value(leg));
        }
        let mut worth = -self.interval.paid();
        for (leg, held) in self.legs.iter().filter(|(_, held)| !held.is_zero()) {
            worth += i128::from(value(*leg)?.raw()) * i128::from(held.raw());
        }
        let (worth, held) = match i128::from(self.held.raw()) {
            held if held < 0 => (-worth, -held),
            held => (worth, held),
        };
        i64::try_from((2 * worth + held).div_euclid(2 * held)).ok().map(Price::from_raw)
    }

    /// What one costs, or brings, at the quotes: a long one is sold.
    fn out_at(&self) -> Option<Price> {
        let sells = self.held.signum() > 0;
        self.sum(|leg, ratio| {
            let quote = self.quotes.get(&leg)?;
            if (ratio.signum() > 0) == sells { quote.bid() } else { quote.ask() }
        })
    }

    /// Σ ratio × price, to the nearest last digit.
    fn sum(&self, price: impl Fn(usize, Qty) -> Option<Price>) -> Option<Price> {
        let mut sum = 0_i128;
        for (leg, ratio) in &self.ratios {
            sum += i128::from(price(*leg, *ratio)?.raw()) * i128::from(ratio.raw());
        }
        let one = i128::from(Qty::ONE);
        let raw = (sum * 2 + one).div_euclid(one * 2);
        i64::try_from(raw).ok().map(Price::from_raw).filter(|_| !self.ratios.is_empty())
    }

    /// Contracts of each leg for each structure, where the legs are those of whole structures and nothing else.
    fn whole(&self) -> Option<Vec<(usize, Qty)>> {
        let legs = self.legs.iter().filter(|(_, held)| !held.is_zero());
        if self.held.is_zero() {
            return (legs.count() == 0).then(Vec::new);
        }
        let position = i128::from(self.held.raw());
        let mut ratios = Vec::new();
        for (leg, held) in legs {
            let whole = i128::from(held.raw()) * i128::from(Qty::ONE);
            if whole % position != 0 {
                return None;
            }
            ratios.push((*leg, Qty::from_raw(i64::try_from(whole / position).ok()?)));
        }
        (self.is_declared(&ratios) && !self.is_other(&ratios)).then_some(ratios)
    }

    /// Whether legs are fewer than those that a structure is known to have, as if they came to the same option: what is left of some while
    /// others have gone may look like that.
    fn is_other(&self, ratios: &[(usize, Qty)]) -> bool {
        let (known, told) = (self.ratios.len(), self.interval.legs_told());
        ratios.len() < known.max(told) && !self.interval.is_rolled()
    }

    /// Whether contracts for each structure are those that the policy declares. Legs that come to the same option are one, or none where
    /// they cancel out.
    fn is_declared(&self, ratios: &[(usize, Qty)]) -> bool {
        let is_one = |right: OptionRight| {
            let of = ratios.iter().filter(|(leg, _)| self.options[leg].1 == right);
            let mut there: Vec<i64> = of.map(|(_, ratio)| ratio.raw()).collect();
            let declared = self.terms.legs.iter().filter(|leg| leg.right == right);
            let mut wanted: Vec<i64> = declared.map(|leg| leg.ratio.raw()).collect();
            there.sort_unstable();
            wanted.sort_unstable();
            let is_merged = there.len() < wanted.len() && there.iter().sum::<i64>() == wanted.iter().sum::<i64>();
            there == wanted || is_merged
        };
        !ratios.is_empty() && [OptionRight::Call, OptionRight::Put].into_iter().all(is_one)
    }

    /// Rows of positions: what it is worth and where its stop is.
    fn rows(&mut self, at: Timestamp, found: &mut Found) {
        let tables = self.tables;
        while let Some(row) = self.positions.get(self.next.position).copied() {
            let position = &tables.positions[row];
            if position.time > at {
                break;
            }
            self.next.position += 1;
            let is_whole = self.whole().is_some() && !self.rolls && !self.held.is_zero();
            let (Some(price), true) = (self.price, is_whole && position.position == self.held) else { continue };
            let here = At::position(row, position);
            found.ensure("structure.mark", position.mark == price, here, || {
                format!("the structure is worth {}, the last quotes of its legs give {price}", position.mark)
            });
            self.stop_row(position.stop, here, found);
        }
    }

    /// A campaign has ended, or the run has.
    fn close(&mut self, mut camp: Camp, ended: Option<&FillRow>, found: &mut Found) {
        self.checked.insert(camp.id);
        let Some(row) = self.campaigns.get(&camp.id).copied() else {
            let at = At { time: Some(self.interval.last), ..At::file("campaigns") };
            found.ensure("campaign", false, at, || format!("no row of campaign {} of `{}`", camp.id, self.name));
            return;
        };
        let told: &CampaignRow = &self.tables.campaigns[row];
        let is_whole = self.whole().is_some() && !self.rolls;
        let id = camp.id;
        let own = self.fills.iter().map(|row| &self.tables.fills[*row]).filter(|fill| fill.campaign == id);
        let fees: Cash = own.clone().map(|fill| fill.fee).sum();
        camp.set_fees(fees);
        let at = At::campaign(row, told);
        if ended.is_none() && (!is_whole || self.price.is_none()) {
            // What legs that stand alone are worth is no structure's price.
            return;
        }
        camp.check((row, told), ended, self.price.unwrap_or_default(), &self.policy, self.tick, found);
        // And by the legs alone, whatever plans say.
        let (mut paid, mut left, mut traded) = (0_i128, BTreeMap::<&str, Qty>::new(), 0_i128);
        for fill in own {
            let signed = fill.quantity.on(side_of(&fill.side));
            paid += i128::from(fill.price.raw()) * i128::from(signed.raw());
            traded += i128::from(fill.quantity.raw());
            let held = left.entry(&fill.instrument).or_default();
            *held = plus(*held, signed);
        }
        let mut worth = 0_i128;
        if ended.is_some() {
            let open = left.values().any(|held| !held.is_zero());
            found.ensure("campaign", !open, at, || {
                format!("campaign {} has ended, its legs have not: {left:?}", camp.id)
            });
        } else {
            let held = left.iter().filter_map(|(symbol, held)| {
                let value = self.values.get(self.by_symbol.get(symbol)?)?;
                Some(i128::from(value.raw()) * i128::from(held.raw()))
            });
            worth = held.sum();
        }
        // Each price of structures is rounded against the strategy at the last digit, and so is what is open at its mark.
        let smallest = self.terms.legs.iter().map(|leg| leg.ratio.abs().raw()).min().unwrap_or(1).max(1);
        let slack = traded * i128::from(Qty::ONE) / i128::from(smallest) + i128::from(self.held.abs().raw());
        let made = worth - paid;
        let near = (told.profit.raw() - made).abs() <= slack;
        found.ensure("campaign", near, at, || {
            let made = Cash::from_raw(made);
            format!("campaign {}: profit is {}, its legs paid and are worth {made}", camp.id, told.profit)
        });
    }

    fn finish(&mut self, found: &mut Found) {
        self.take_fills(|_| true);
        if let Some(camp) = self.camp.take() {
            self.close(camp, None, found);
        }
        let tables = self.tables;
        for (id, row) in &self.campaigns {
            let known = self.checked.contains(id);
            found.ensure("campaign", known, At::campaign(*row, &tables.campaigns[*row]), || {
                format!("no plan tells of campaign {id} of `{}`", self.symbol)
            });
        }
    }
}

/// What an option is worth: the venue's mark, else between bid and ask, where nobody bids from nothing, else the bid.
fn worth_of(quote: &OptionQuote) -> Option<Price> {
    if let Some(mark) = quote.mark() {
        return Some(mark);
    }
    match (quote.bid(), quote.ask()) {
        (bid, Some(ask)) => {
            let sum = bid.unwrap_or_default().raw() + ask.raw();
            Some(Price::from_raw(sum.div_euclid(2)))
        }
        (bid, None) => bid,
    }
}

/// How the value of a structure follows its price.
const CONTRACT: Contract = Contract::Linear;
