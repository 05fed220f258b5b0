//! What `run.json` says beside its hashes, against the tables, the tapes and the policies.

use super::figures;
use super::finding::{At, Found};
use super::sentences;
use super::walk::{Counted, Walked, last_told};
use crate::records::{FillRow, OrderRow};
use crate::run::{GENERIC, InstrumentStamp, LIQUIDATION_FEE, Run};
use market::{Conversion, Currency, Instrument, InstrumentKind};
use policy::Policy;
use policy::spec::{FlowKind, OptionMargin, currencies, venue};
use std::collections::{BTreeMap, BTreeSet};
use units::{Cash, Duration, Qty, Timestamp};

/// Rows of positions that a run keeps at most, about (docs/run-folder.md).
const ROWS: u64 = 100_000;

/// Everything that the record counts.
pub(super) fn check(run: &Run, walked: &Walked, found: &mut Found) {
    let policies = run.policies();
    let told = Told { run, policies: &policies, walked, counted: &walked.counted };
    let mut same = |what: &str, stored: &str, made: &str| {
        found.ensure("record", stored == made, At::file("run.json"), || {
            format!("{what} is {stored}, the tables, the tapes and the policies give {made}")
        });
    };
    told.counts(&mut same);
    told.recipe(&mut same);
    told.instruments(&mut same);
    told.money(&mut same);
    told.flows(&mut same);
    accounts(run, &told, found);
}

/// Compares what is stored under a name with what was made.
type Same<'a> = dyn FnMut(&str, &str, &str) + 'a;

/// A row of flows: account, reason, amount and currency. Of what a conversion brings the amount is the market's.
type Moved<'a> = (u64, &'a str, Option<Cash>, String);

struct Told<'a> {
    run: &'a Run,
    policies: &'a [Policy],
    walked: &'a Walked,
    counted: &'a Counted,
}

/// Whether a number lies within bounds, told as the bounds where it does not.
fn between(same: &mut Same<'_>, what: &str, stored: u64, (least, most): (u64, u64)) {
    let made = if (least..=most).contains(&stored) { stored.to_string() } else { format!("{least} to {most}") };
    same(what, &stored.to_string(), &made);
}

/// Told by the venue.
fn is_news(row: &OrderRow) -> bool {
    !matches!(&*row.event, "place" | "amend" | "cancel")
}

/// What the venue says to a command.
fn is_answer(row: &OrderRow) -> bool {
    matches!(&*row.event, "accepted" | "amended" | "rejected")
        || (&*row.event == "cancelled" && &*row.reason == "as asked")
}

/// In how many deliveries news came that no plan answered: what is said to commands in one, each stop that became a limit in its own.
/// `None`: the venue did something else.
fn deliveries(rows: &[&OrderRow]) -> Option<u64> {
    let answers = rows.iter().any(|row| is_answer(row));
    let others = || rows.iter().filter(|row| is_news(row) && !is_answer(row));
    let all_known = others().all(|row| &*row.event == "triggered" || &*row.reason == NOTHING_TO_REDUCE);
    // What has nothing left to reduce is told with the next answers.
    let swept = others().any(|row| &*row.event == "cancelled");
    all_known.then(|| u64::from(answers || swept) + others().filter(|row| &*row.event == "triggered").count() as u64)
}

/// Why the venue takes back what only reduces, once nothing is held.
const NOTHING_TO_REDUCE: &str = "nothing left to reduce";

impl Told<'_> {
    /// Numbers of rows and events.
    fn counts(&self, same: &mut Same<'_>) {
        let (record, tables) = (&self.run.record, &self.run.tables);
        let (unmet, unknown) = figures::unmet(self.run);
        match record.triggers.unknown {
            Some(told) => {
                same("triggers.unmet", &record.triggers.unmet.to_string(), &unmet.to_string());
                same("triggers.unknown", &told.to_string(), &unknown.to_string());
            }
            None => same("triggers.unmet", &record.triggers.unmet.to_string(), &(unmet + unknown).to_string()),
        }
        let mut stored: BTreeMap<&str, u64> = BTreeMap::new();
        for (sentence, times) in &record.triggers.refused {
            *stored.entry(sentence.split(':').next().unwrap_or_default()).or_default() += times;
        }
        let by_rule = figures::refused(self.run);
        let told = |counts: &mut dyn Iterator<Item = (&str, u64)>| {
            counts.map(|(rule, times)| format!("{rule} {times}")).collect::<Vec<_>>().join(", ")
        };
        same(
            "triggers.refused by rule",
            &told(&mut stored.into_iter()),
            &told(&mut by_rule.iter().map(|(rule, times)| (rule.as_str(), *times))),
        );
        for (sentence, times) in &record.triggers.refused {
            let Some((rule, words)) = sentence.split_once(": ") else {
                same("a sentence of triggers.refused", sentence, "one of a rule");
                continue;
            };
            let steps = tables.plans.iter().filter(|step| &*step.outcome == "refused" && &*step.rule == rule);
            let most = steps.filter(|step| sentences::is_said(words, &step.because)).count() as u64;
            // Words of one sentence may begin another.
            between(same, &format!("triggers.refused of `{sentence}`"), *times, (1, most.max(1)));
        }
        let rejected = tables.orders.iter().filter(|row| &*row.event == "rejected").count();
        same("rejected", &record.rejected.to_string(), &rejected.to_string());
        same("bars", &record.bars.to_string(), &self.walked.bars.to_string());
        if !self.policies.iter().any(Policy::trades_options) {
            same("triggers.acted", &record.triggers.acted.to_string(), &figures::acted(self.run).to_string());
        }
        same("triggers.unexplained", &record.triggers.unexplained.to_string(), &self.counted.left.to_string());
        let ambiguous = self.walked.ambiguous;
        let perhaps = self.counted.perhaps_ambiguous;
        between(
            same,
            "ambiguous_bars",
            record.ambiguous_bars,
            (ambiguous.saturating_sub(perhaps), ambiguous + perhaps),
        );
        self.inputs(same);
    }

    /// Each input of the tapes is one of the engine, and so is each delivery of the venue: of these the tables tell those with plans or
    /// fills exactly, and of those behind the last of them how many there were, or at most were.
    fn inputs(&self, same: &mut Same<'_>) {
        let (record, tables) = (&self.run.record, &self.run.tables);
        let last = last_told(tables);
        let known = tables.plans.iter().map(|row| row.input).chain(tables.fills.iter().map(|row| row.input)).max();
        let least = known.unwrap_or_default() + self.counted.inputs_behind;
        let bounds = match self.deliveries_behind(last, known.unwrap_or_default()) {
            Some(deliveries) => (least + deliveries, least + deliveries),
            None => {
                let orders = tables.orders.iter().filter(|row| row.time >= last && is_news(row)).count();
                let paid = tables.funding.iter().filter(|row| row.time >= last).count();
                let moved = tables.flows.iter().filter(|row| row.time >= last).count();
                // The market's own input of that time, and what the clock alone brings.
                let settled = self.expiries(last).collect::<BTreeSet<_>>().len();
                (least, least + (1 + orders + paid + moved + settled) as u64)
            }
        };
        between(same, "inputs", record.inputs, bounds);
        let Some(quiet) = record.quiet else { return };
        between(same, "quiet.inputs", quiet.inputs, (0, record.inputs));
        let asked = record.inputs.saturating_sub(quiet.inputs);
        let traders = self.policies.iter().flat_map(Policy::traded).count() as u64;
        // What crosses inside the book may be decided on once more.
        between(same, "quiet.evaluations", quiet.evaluations, (asked, asked.saturating_mul(2 * traders)));
    }

    /// When contracts of the tapes expire behind a time: the venue tells what they are settled at, also where nothing of them is held.
    fn expiries(&self, last: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.counted.catalogue.instruments.iter().filter_map(|of| of.kind.expiry()).filter(move |at| *at >= last)
    }

    /// Deliveries behind the input of the last plan or fill, but for later inputs of the tapes. `None`: rows do not tell how the venue
    /// delivered its news, for options, contracts that expire, liquidations or moved money are in it; or whether the last plan answers
    /// the market.
    fn deliveries_behind(&self, last: Timestamp, known: u64) -> Option<u64> {
        let tables = &self.run.tables;
        let is_plain = !self.policies.iter().any(Policy::trades_options)
            && self.expiries(last).next().is_none()
            && tables.fills.iter().rev().take_while(|fill| fill.time == last).all(|fill| !fill.liquidation)
            && tables.flows.iter().all(|row| row.time < last);
        let from = tables.orders.partition_point(|row| row.time < last);
        let (now, later) =
            tables.orders[from..].split_at(tables.orders[from..].partition_point(|row| row.time == last));
        let funding = &tables.funding[tables.funding.partition_point(|row| row.time < last)..];
        if !is_plain || !self.counted.is_last_on_tape {
            return None;
        }
        let mut of_input = tables.fills.iter().rev().take_while(|fill| fill.time == last);
        let is_filled = of_input.any(|fill| fill.input == known && fill.liquidity != "internal");
        // Of the same time: the rest of the news, payments and the market's own input.
        let rest = if is_filled {
            let filled = now.iter().rposition(|row| &*row.event == "filled")?;
            let order = &now[filled].order;
            let behind: Vec<&OrderRow> =
                now[filled + 1..].iter().filter(|row| row.order != *order || is_answer(row)).collect();
            deliveries(&behind)? + u64::from(funding.first().is_some_and(|paid| paid.time == last)) + 1
        } else {
            let is_quiet = now.iter().all(|row| !is_news(row)) && funding.first().is_none_or(|paid| paid.time > last);
            // What was sent behind all news answers the market.
            let answers = now.last().is_some_and(|row| !is_news(row));
            (is_quiet || answers).then_some(0)?
        };
        let later: Vec<&OrderRow> = later.iter().collect();
        let mut times: Vec<Timestamp> = funding.iter().map(|row| row.time).filter(|time| *time > last).collect();
        times.dedup();
        Some(rest + deliveries(&later)? + times.len() as u64)
    }

    /// What was run, and under which assumptions.
    fn recipe(&self, same: &mut Same<'_>) {
        let record = &self.run.record;
        let names = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
        same(
            "policies",
            &names(&mut record.policies.iter().map(|stamp| stamp.name.as_str())),
            &names(&mut self.policies.iter().map(|policy| policy.name.as_str())),
        );
        let rows =
            |rows: &mut dyn Iterator<Item = u64>| rows.map(|rows| rows.to_string()).collect::<Vec<_>>().join(", ");
        same(
            "rows of tapes",
            &rows(&mut record.tapes.iter().map(|tape| tape.rows)),
            &rows(&mut self.counted.rows.iter().copied()),
        );
        if let Some((first, last)) = self.counted.span {
            same("first", &record.first, &first.to_string());
            same("last", &record.last, &last.to_string());
        }
        let hole = |instrument: &str, from: &str, to: &str| format!("{instrument} {from} {to}");
        let stored: Vec<_> = record.gaps.iter().map(|gap| hole(&gap.instrument, &gap.from, &gap.to)).collect();
        let gaps = self.counted.gaps.iter();
        let made: Vec<_> = gaps.map(|(of, from, to)| hole(of, &from.to_string(), &to.to_string())).collect();
        same("gaps", &stored.join(", "), &made.join(", "));
        let made = self.configuration();
        for name in record.configuration.keys().chain(made.keys()) {
            let of = |list: &BTreeMap<String, String>| list.get(name).map_or("nothing", String::as_str).to_owned();
            same(&format!("configuration of {name}"), &of(&record.configuration), &of(&made));
        }
    }

    /// What a backtest of the first policy assumes.
    fn configuration(&self) -> BTreeMap<String, String> {
        let Some(policy) = self.policies.first() else { return BTreeMap::new() };
        let terms = &policy.backtest;
        let paid = policy.accounts.iter().map(|account| {
            let each = account.deposits.iter().map(|deposit| match &deposit.currency {
                Some(currency) => format!("{} {currency}", deposit.amount),
                None => deposit.amount.to_string(),
            });
            format!("{} at {}", each.collect::<Vec<_>>().join(" and "), account.venue)
        });
        let paid = paid.collect::<Vec<_>>().join(", ");
        let mut made: Vec<(String, String)> = [
            ("deposit", if policy.accounts.is_empty() { terms.deposit.to_string() } else { paid }),
            ("taker_fee", terms.taker_fee.to_string()),
            ("maker_fee", terms.maker_fee.to_string()),
            ("half_spread", terms.half_spread.to_string()),
            ("slippage", terms.slippage.to_string()),
            ("latency", terms.latency.to_string()),
            ("liquidation_fee", LIQUIDATION_FEE.to_string()),
            ("path", "adverse extreme first".to_owned()),
            ("twin_base", terms.twin_base.to_string()),
            ("rows", self.rows()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if !terms.impact.is_zero() {
            made.push(("impact".to_owned(), terms.impact.to_string()));
        }
        if policy.trades_options() {
            made.push(("option_fee".to_owned(), terms.options.fee.to_string()));
            match terms.options.margin {
                OptionMargin::Flat { initial, maintenance } => {
                    made.push(("option_margin".to_owned(), initial.to_string()));
                    made.push(("option_maintenance".to_owned(), maintenance.to_string()));
                }
                OptionMargin::Venue => made.push(("option_margin".to_owned(), "venue".to_owned())),
            }
        }
        for of in self.run.record.instruments.iter().filter_map(|known| self.listed(&known.symbol)) {
            let contract = of.kind.contract();
            let has_margin = of.venue() != "sim" && !of.kind.is_option() && of.kind != InstrumentKind::Spot;
            if has_margin && risk::venues::known_tiers(&of.symbol, contract, (of.base, of.settle)).is_none() {
                made.push((format!("margin of {}", of.symbol), GENERIC.to_owned()));
            }
        }
        made.into_iter().collect()
    }

    /// How often a row is kept: at each bar, or less often where that were too many.
    fn rows(&self) -> String {
        let Some((first, last)) = self.counted.span.filter(|_| self.counted.rows_of_bars > ROWS) else {
            return "each bar".to_owned();
        };
        let minute = Duration::MINUTE.nanos();
        let traders = self.policies.iter().flat_map(Policy::traded).count() as i64;
        let fits = |every: &Duration| last.since(first).nanos() / every.nanos() * traders <= ROWS as i64;
        let steps = [5, 15, 60, 240].map(|minutes| Duration::from_nanos(minutes * minute));
        format!("each {}", steps.into_iter().find(fits).unwrap_or(Duration::DAY))
    }

    /// An instrument of the tapes.
    fn listed(&self, symbol: &str) -> Option<&Instrument> {
        self.counted.catalogue.instruments.iter().find(|known| known.symbol == symbol)
    }

    /// What is traded, as the tapes and the policies have it.
    fn instruments(&self, same: &mut Same<'_>) {
        let stamps = &self.run.record.instruments;
        let mut traded: Vec<&str> = Vec::new();
        for symbol in self.policies.iter().flat_map(Policy::traded) {
            if !traded.contains(&symbol) {
                traded.push(symbol);
            }
        }
        let stored: Vec<&str> = stamps.iter().map(|stamp| stamp.symbol.as_str()).collect();
        same("instruments", &stored.join(", "), &traded.join(", "));
        for stamp in stamps {
            let made = match self.listed(&stamp.symbol) {
                Some(known) => Some(known.clone()),
                None => self.structure(&stamp.symbol),
            };
            let Some(made) = made.map(|known| InstrumentStamp::of(&known)) else { continue };
            let expiry = |of: &InstrumentStamp| of.expiry.clone().unwrap_or_default();
            for (what, stored, made) in [
                ("kind", &stamp.kind, &made.kind),
                ("expiry", &expiry(stamp), &expiry(&made)),
                ("base", &stamp.base, &made.base),
                ("quote", &stamp.quote, &made.quote),
                ("settle", &stamp.settle, &made.settle),
                ("tick", &stamp.tick, &made.tick),
                ("lot", &stamp.lot, &made.lot),
            ] {
                same(&format!("{what} of {}", stamp.symbol), stored, made);
            }
        }
    }

    /// What a policy's structure is as an instrument: in the currencies of its chain, on the finest grid of prices, in whole legs.
    fn structure(&self, symbol: &str) -> Option<Instrument> {
        let structures = self.policies.iter().flat_map(Policy::structures);
        let (_, structure) = structures.into_iter().find(|(known, _)| *known == symbol)?;
        let (base, quote) = currencies(symbol)?;
        let options = self.counted.catalogue.instruments.iter();
        let legs: Vec<&Instrument> = options
            .filter(|of| of.kind.is_option() && of.venue() == venue(symbol))
            .filter(|of| of.base.as_str() == base && of.settle.as_str() == quote)
            .collect();
        let first = legs.first()?;
        let (lot, min_qty) =
            structure.grid(legs.iter().map(|of| of.lot).max()?, legs.iter().map(|of| of.min_qty).max()?)?;
        let tick = legs.iter().map(|of| of.tick).min()?;
        let kind = InstrumentKind::Structure;
        Some(Instrument { symbol: symbol.to_owned(), kind, tick, lot, min_qty, ..(*first).clone() })
    }

    /// What a symbol settles in.
    fn settle(&self, symbol: &str) -> Option<Currency> {
        self.listed(symbol).map(|known| known.settle).or_else(|| Some(self.structure(symbol)?.settle))
    }

    /// Venues with an account, in order, and what each counts in.
    fn accounts(&self) -> Vec<(String, Currency)> {
        let traded = || self.policies.iter().flat_map(Policy::traded);
        let settles = |name: &str| traded().find(|symbol| venue(symbol) == name).and_then(|symbol| self.settle(symbol));
        let Some(policy) = self.policies.first() else { return Vec::new() };
        if policy.accounts.is_empty() {
            let first = traded().next().map(|symbol| venue(symbol).to_owned());
            return first.into_iter().filter_map(|name| settles(&name).map(|settle| (name, settle))).collect();
        }
        let account = |account: &policy::spec::AccountTerms| {
            let declared = account.numeraire.as_ref().and_then(|code| code.parse().ok());
            (account.venue.clone(), declared.or(settles(&account.venue)).unwrap_or(Currency::USD))
        };
        policy.accounts.iter().map(account).collect()
    }

    /// An amount of one currency in another at the last marks of the tapes. `None`: they do not tell.
    fn worth(&self, amount: Cash, from: Currency, to: Currency) -> Option<Cash> {
        if from == to || amount.is_zero() {
            return Some(amount);
        }
        let way = Conversion::between(from, to, &self.counted.catalogue);
        let mark = way.instrument().and_then(|at| self.counted.marks.get(at).copied().flatten());
        way.forward(amount, mark)
    }

    /// What was paid, traded and made of it, in the currency of the first account.
    fn money(&self, same: &mut Same<'_>) {
        let (record, tables) = (&self.run.record, &self.run.tables);
        let accounts = self.accounts();
        let Some((_, currency)) = accounts.first() else { return };
        same("currency", &record.currency, currency.as_str());
        let one = Cash::from_raw(Cash::ONE);
        for settle in record.instruments.iter().filter_map(|known| self.settle(&known.symbol)) {
            let own = record.instruments.iter().find(|known| known.settle == settle.as_str());
            let counts = own.and_then(|known| accounts.iter().find(|(name, _)| name == known.venue()));
            let counted = counts.map_or(*currency, |(_, counted)| *counted);
            let rate = self.worth(one, settle, counted).and_then(|worth| self.worth(worth, counted, *currency));
            let stored = record.rates.get(settle.as_str()).map_or("nothing", String::as_str);
            same(
                &format!("rate of {settle}"),
                stored,
                &rate.map_or_else(|| stored.to_owned(), |rate| rate.to_string()),
            );
        }
        let known = |code: &String| record.instruments.iter().any(|known| known.settle == *code);
        let strange: Vec<&str> = record.rates.keys().filter(|code| !known(code)).map(String::as_str).collect();
        same("rates of currencies that nothing settles in", &strange.join(", "), "");
        // What was settled or paid by the engine's own books is what the tables give, to the last digit.
        same("residual", &record.residual, &Cash::ZERO.to_string());
        if let Some(last) = tables.equity.last() {
            same("paid_in", &record.paid_in, &last.paid_in.to_string());
            let profit = last.equity - last.paid_in;
            same("profit_adverse_first", &record.profit_adverse_first, &profit.to_string());
        }
        let liquidated = tables.fills.iter().find(|fill| fill.liquidation).map(|fill| fill.time.to_string());
        let shown = |time: &Option<String>| time.clone().unwrap_or_else(|| "never".to_owned());
        same("scaled.liquidated", &shown(&record.scaled.liquidated), &shown(&liquidated));
        let mut fees = BTreeMap::<(u64, Currency), Cash>::new();
        let (mut slippage, mut traded, mut funding) = (fees.clone(), fees.clone(), fees.clone());
        let (mut of_options, mut is_told) = (fees.clone(), true);
        for fill in &tables.fills {
            let Some(known) = self.listed(&fill.instrument) else {
                is_told = false;
                continue;
            };
            let key = (fill.account, known.settle);
            *fees.entry(key).or_default() += fill.fee;
            if fill.liquidity == "internal" {
                continue;
            }
            let contract = known.kind.contract();
            let lost = contract.profit(signed_of(fill), fill.reference, fill.price);
            *slippage.entry(key).or_default() += lost;
            *of_options.entry(key).or_default() += if known.kind.is_option() { lost } else { Cash::ZERO };
            *traded.entry(key).or_default() += contract.exposure(fill.price, fill.quantity).cash();
        }
        for paid in &tables.funding {
            let Some(known) = self.listed(&paid.instrument) else {
                is_told = false;
                continue;
            };
            *funding.entry((paid.account, known.settle)).or_default() += paid.amount;
        }
        let in_all = |sums: &BTreeMap<(u64, Currency), Cash>| {
            sums.iter().map(|((_, from), amount)| self.worth(*amount, *from, *currency)).sum::<Option<Cash>>()
        };
        let paid = &record.scaled;
        let options = (paid.options.as_ref(), in_all(&of_options));
        for (what, stored, made) in [
            ("fees", Some(&paid.fees), in_all(&fees)),
            ("funding", Some(&paid.funding), in_all(&funding)),
            ("slippage", Some(&paid.slippage), in_all(&slippage)),
            ("traded", Some(&paid.traded), in_all(&traded)),
            ("options", options.0, options.1),
        ] {
            if let (Some(stored), Some(made), true) = (stored, made, is_told) {
                same(&format!("scaled.{what}"), stored, &made.to_string());
            }
        }
        let has_options = record.instruments.iter().any(|known| known.kind == "structure");
        for (whose, paid) in [("scaled", &record.scaled), ("twin", &record.twin)] {
            let told = paid.options.is_some() && paid.beyond_quotes.is_some();
            let none = paid.options.is_none() && paid.beyond_quotes.is_none();
            let fits = if has_options { told } else { none };
            same(&format!("what {whose} paid for options"), if fits { "" } else { "there, or not there" }, "");
        }
    }

    /// Money that was moved: what the first policy pays in and schedules, less what the record says was refused.
    fn flows(&self, same: &mut Same<'_>) {
        let (record, tables) = (&self.run.record, &self.run.tables);
        let Some(policy) = self.policies.first() else { return };
        let accounts = self.accounts();
        let settles = |name: &str| {
            let traded = self.policies.iter().flat_map(Policy::traded);
            let own = traded.into_iter().find(|symbol| venue(symbol) == name);
            own.and_then(|symbol| self.settle(symbol)).map(|settle| settle.to_string())
        };
        let place = |name: &str| accounts.iter().position(|(known, _)| known == name).unwrap_or_default() as u64;
        let mut due: Vec<(Timestamp, Vec<Moved<'_>>, String)> = Vec::new();
        for (at, (name, counted)) in accounts.iter().enumerate() {
            let own = settles(name).unwrap_or_else(|| counted.to_string());
            let declared = policy.accounts.iter().find(|account| account.venue == *name);
            let deposits: Vec<(Cash, String)> = match declared {
                Some(account) => account
                    .deposits
                    .iter()
                    .map(|paid| (paid.amount, paid.currency.clone().unwrap_or_else(|| own.clone())))
                    .collect(),
                None => vec![(policy.backtest.deposit, own)],
            };
            for (amount, currency) in deposits.into_iter().filter(|(amount, _)| !amount.is_zero()) {
                due.push((Timestamp::MIN, vec![(at as u64, "deposit", Some(amount), currency)], String::new()));
            }
        }
        let last = self.counted.span.map_or(Timestamp::MAX, |(_, last)| last);
        for flow in policy.backtest.flows.iter().filter(|flow| flow.at <= last) {
            let at = flow.at;
            let (rows, said) = match &flow.kind {
                FlowKind::Deposit { account, money } => {
                    let of = place(account);
                    let said = format!("the deposit of {} {} to account {of} at {at}", money.amount, money.currency);
                    (vec![(of, "deposit", Some(money.amount), money.currency.clone())], said)
                }
                FlowKind::Withdraw { account, money } => {
                    let of = place(account);
                    let said =
                        format!("the withdrawal of {} {} from account {of} at {at}", money.amount, money.currency);
                    (vec![(of, "withdrawal", Some(-money.amount), money.currency.clone())], said)
                }
                FlowKind::Transfer { from, to, money } => {
                    let (from, to) = (place(from), place(to));
                    let row = |of, amount| (of, "transfer", Some(amount), money.currency.clone());
                    let (amount, currency) = (money.amount, &money.currency);
                    let said =
                        format!("the transfer of {amount} {currency} to account {to} from account {from} at {at}");
                    (vec![row(from, -amount), row(to, amount)], said)
                }
                FlowKind::Convert { account, money, into } => {
                    let (of, amount, currency) = (place(account), money.amount, &money.currency);
                    let said = format!("the conversion of {amount} {currency} into {into} in account {of} at {at}");
                    (
                        vec![
                            (of, "conversion", Some(-amount), currency.clone()),
                            (of, "conversion", None, into.clone()),
                        ],
                        said,
                    )
                }
            };
            due.push((at, rows, said));
        }
        let mut left: Vec<_> = tables.flows.iter().collect();
        let mut refused: Vec<&str> = record.refused_flows.iter().map(String::as_str).collect();
        for (at, rows, said) in due {
            let mut is_there = true;
            for (account, reason, amount, currency) in &rows {
                let is_it = |row: &&crate::records::FlowRow| {
                    row.account == *account
                        && row.reason == *reason
                        && row.currency == *currency
                        && row.time >= at
                        && amount.is_none_or(|amount| amount == row.amount)
                };
                match left.iter().position(is_it) {
                    Some(row) => drop(left.remove(row)),
                    None => is_there = false,
                }
            }
            if is_there {
                continue;
            }
            let sentence =
                refused.iter().position(|told| !said.is_empty() && told.starts_with(&format!("{said} was refused: ")));
            match sentence {
                Some(at) => drop(refused.remove(at)),
                None => {
                    let (account, reason, amount, currency) = &rows[0];
                    let amount = amount.unwrap_or_default();
                    same("flows", "no such row", &format!("{reason} of {amount} {currency}, account {account}"));
                }
            }
        }
        let strange: Vec<String> = left
            .iter()
            .map(|row| format!("{} of {} {} at {}", row.reason, row.amount, row.currency, row.time))
            .collect();
        same("flows that no policy has", &strange.join(", "), "");
        same("refused_flows that no policy has, or that were executed", &refused.join(", "), "");
    }
}

fn signed_of(fill: &FillRow) -> Qty {
    if fill.side == "buy" { fill.quantity } else { -fill.quantity }
}

/// Fills and payments are of the account at their instrument's venue, in what it settles in.
fn accounts(run: &Run, told: &Told<'_>, found: &mut Found) {
    let accounts = told.accounts();
    let expected = |symbol: &str| {
        let at = accounts.iter().position(|(name, _)| name == venue(symbol)).unwrap_or_default() as u64;
        told.settle(symbol).map(|settle| (at, settle.to_string()))
    };
    let fills = run.tables.fills.iter().enumerate();
    let fills = fills.map(|(row, of)| (At::fill(row, of), &of.instrument, of.account, &of.currency));
    let paid = run.tables.funding.iter().enumerate();
    let paid = paid.map(|(row, of)| (At::funding(row, of), &of.instrument, of.account, &of.currency));
    for (at, symbol, account, currency) in fills.chain(paid) {
        let Some((of, settle)) = expected(symbol) else { continue };
        found.ensure("account", account == of && *currency == settle, at, || {
            format!("account {account} and {currency}; `{symbol}` is traded by account {of} and settles in {settle}")
        });
    }
}
