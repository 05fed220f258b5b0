//! What facts of value at risk told, and what came of it: the account's worth then, when the horizon ended, what the positions of then made
//! held still and what equity made, from fills, payments, flows and the tapes' marks alone; of linear books the figures themselves. The
//! scenarios behind others are in no table: of them, only how they stand to each other is checked.

use super::finding::{At, Found};
use super::seat::{has_one_currency, plus, shares_instruments};
use super::value_at_risk::{Figures, Fits, Prices, is_fitted, is_plain};
use crate::records::LossRow;
use crate::run::Run;
use crate::table::Name;
use std::collections::BTreeMap;
use units::{Cash, Contract, Duration, Notional, Price, Qty, Timestamp};

/// Marks at a time, of [`crate::run::Record::instruments`] in their order; zero: none.
pub(super) type MarksAt = (Timestamp, Vec<Price>);

/// Of quotients of amounts, and of sums of parts.
const ROUNDING: f64 = 1e-9;
/// Of figures by a model that is fitted, as a share of equity: where a search ends, in what is as good as flat, is not to the last digit.
const FITTED: f64 = 1e-7;
/// And where a model stands at an edge of what its numbers may be, as a share of the figure.
const FLAT: f64 = 0.05;

/// Whether equity and positions of a time follow from the tables: one currency, no execution that strategies share, nothing adopted, no
/// options, which the walk has no marks of.
pub(super) fn can_recompute(run: &Run) -> bool {
    has_one_currency(run)
        && !shares_instruments(run)
        && run.policies().iter().all(|policy| policy.adopt.is_empty() && !policy.trades_options())
        && run.tables.options.is_empty()
}

/// Whether figures themselves can be made again, if nothing is drawn: what they are of is linear, in the run's currency.
pub(super) fn is_linear(run: &Run) -> bool {
    let is_one = |known: &crate::run::InstrumentStamp| known.contract() == Contract::Linear && known.kind != "spot";
    can_recompute(run) && run.record.instruments.iter().all(is_one)
}

/// `marks` are of the times of the table, `hours` those in which the market was heard since it begins, `prices` what figures look back on.
pub(super) fn check(run: &Run, (marks, hours, prices): (&[MarksAt], &[Timestamp], &Prices), found: &mut Found) {
    let rows = &run.tables.losses;
    let mut times: Vec<Timestamp> = rows.iter().map(|row| row.time).collect();
    times.dedup();
    let sorted = times.is_sorted();
    found.ensure("loss.rows", sorted, At::file("losses"), || "its times do not only grow".to_owned());
    let begins = rows.first().is_none_or(|row| row.strategy.is_empty());
    found.ensure("loss.rows", begins, At::file("losses"), || "it does not begin with an account".to_owned());
    if !sorted || !begins {
        return;
    }
    complete(rows, hours, found);
    let worth = if can_recompute(run) { worths(run, &times, marks) } else { BTreeMap::new() };
    let mut first = 0;
    let mut models = Fits::default();
    for told in rows.chunk_by(|_, next| !next.strategy.is_empty()) {
        let (row, at) = (&told[0], At::loss(first, &told[0]));
        first += told.len();
        figures(run, told, at, found);
        let end = ended(row, &times);
        found.ensure("loss.ended", row.ended == end, at, || match end {
            Some(end) => format!("it ended {}, not {}", shown(Some(end)), shown(row.ended)),
            None => format!("its end is not known then, and not {}", shown(row.ended)),
        });
        let none = row.held.is_none() && row.made.is_none();
        found.ensure("loss.ended", row.ended.is_some() || none, at, || "what came is told of no end".to_owned());
        let both = row.held.is_some() && row.made.is_some();
        found.ensure("loss.ended", row.ended.is_none() || both, at, || "what came is not told".to_owned());
        let Some(then) = worth.get(&(row.account, row.time)) else { continue };
        let fits: Vec<&Worth> = then.iter().filter(|worth| worth.equity == row.equity).collect();
        let holds = found.ensure("loss.equity", !fits.is_empty(), at, || {
            let sums: Vec<String> = then.iter().map(|worth| worth.equity.to_string()).collect();
            format!("equity is {}, fills, payments, flows and marks give {}", row.equity, either(&sums))
        });
        let can_tell = holds && is_plain(row) && is_linear(run);
        if let (true, Some(value_at_risk), Some(shortfall)) = (can_tell, row.value_at_risk, row.expected_shortfall) {
            let fitted = is_fitted(row);
            let is_it = |found: &Figures| {
                let near = |of: f64| match (fitted, found.is_edge) {
                    (false, _) => ROUNDING,
                    (true, false) => FITTED,
                    (true, true) => FLAT * of,
                };
                (found.value_at_risk - value_at_risk).abs() <= near(value_at_risk)
                    && (found.shortfall - shortfall).abs() <= near(shortfall)
            };
            let mut all: Vec<Figures> = Vec::new();
            for thorough in [false, true] {
                models.thorough = thorough;
                let again = |then: &&Worth| {
                    prices.figures(run, row, (&then.held, &then.marks), &mut models).unwrap_or_default()
                };
                all = fits.iter().flat_map(again).collect();
                if all.iter().any(is_it) || !fitted {
                    break;
                }
            }
            found.ensure("loss.told", all.iter().any(is_it), at, || {
                let pair = |found: &Figures| format!("{} and {}", found.value_at_risk, found.shortfall);
                let mut pairs: Vec<String> = all.iter().map(pair).collect();
                pairs.dedup();
                format!(
                    "value at risk {value_at_risk}, expected shortfall {shortfall}; the tapes' prices give {}",
                    either(&pairs)
                )
            });
        }
        let (Some(end), Some(held), Some(made)) = (row.ended, row.held, row.made) else { continue };
        let Some(later) = worth.get(&(row.account, end)).filter(|_| holds) else { continue };
        let still: Vec<f64> = fits.iter().map(|then| then.held_until(run, &later[0], end)).collect();
        found.ensure("loss.held", still.iter().any(|still| (held - still).abs() <= ROUNDING), at, || {
            format!("the positions of then made {held}, held still; marks give {}", either(&still))
        });
        let made_by = |now: &Worth, then: &Worth| {
            let gained = now.equity - (now.paid_in - then.paid_in);
            gained.approximate() / then.equity.approximate() - 1.0
        };
        // At the end equity is what the table tells then, if it does.
        let own = |row: &&LossRow| row.time == end && row.account == told[0].account && row.strategy.is_empty();
        let told_then = rows.iter().find(own).map(|row| row.equity);
        let ends = later.iter().filter(|now| told_then.is_none_or(|told| now.equity == told));
        let all: Vec<f64> = ends.flat_map(|now| fits.iter().map(move |then| made_by(now, then))).collect();
        found.ensure("loss.made", all.iter().any(|one| (made - one).abs() <= ROUNDING), at, || {
            format!("equity made {made}, fills, payments, flows and marks give {}", either(&all))
        });
    }
}

/// Whose figure a row is: account, confidence, horizon and method.
type Figure = (u64, u64, u64, Name);

/// Each figure is told once in each step of its own in which the market was heard, for the account and for each of its strategies.
fn complete(rows: &[LossRow], hours: &[Timestamp], found: &mut Found) {
    let mut told: BTreeMap<Figure, BTreeMap<Timestamp, u64>> = BTreeMap::new();
    let mut parts: BTreeMap<u64, Vec<(Name, Name)>> = BTreeMap::new();
    let step = |horizon: f64| {
        let horizon = Duration::from_nanos((horizon * Duration::DAY.nanos() as f64).round() as i64);
        horizon.min(Duration::DAY).max(Duration::HOUR)
    };
    let mut first = 0;
    for group in rows.chunk_by(|_, next| !next.strategy.is_empty()) {
        let (row, at) = (&group[0], At::loss(first, &group[0]));
        first += group.len();
        let figure = (row.account, row.confidence.to_bits(), row.horizon.to_bits(), row.method.clone());
        let count = told.entry(figure).or_default().entry(row.time.floor(step(row.horizon))).or_default();
        *count += 1;
        let is_once = *count == 1;
        found.ensure("loss.rows", is_once, at, || "the figure is told a second time in its step".to_owned());
        let own: Vec<(Name, Name)> =
            group[1..].iter().map(|part| (part.strategy.clone(), part.instrument.clone())).collect();
        let known = parts.entry(row.account).or_insert_with(|| own.clone());
        let is_same = *known == own;
        found.ensure("loss.rows", is_same, at, || "it has not the parts that others of the account have".to_owned());
    }
    for ((account, confidence, horizon, method), steps) in &told {
        let (confidence, horizon) = (f64::from_bits(*confidence), f64::from_bits(*horizon));
        let mut heard: Vec<Timestamp> = hours.iter().map(|hour| hour.floor(step(horizon))).collect();
        heard.dedup();
        let missing = heard.iter().find(|step| !steps.contains_key(step));
        found.ensure("loss.rows", missing.is_none(), At::file("losses"), || {
            let (percent, at) = (confidence * 100.0, shown(missing.copied()));
            format!("account {account}: {percent} % over {horizon} d ({method}) is not told in the step from {at} on")
        });
    }
}

/// How figures stand to each other: no shortfall under value at risk, parts that add up to the whole, each policy's once.
fn figures(run: &Run, told: &[LossRow], at: At<'_>, found: &mut Found) {
    let row = &told[0];
    if let (Some(value_at_risk), Some(shortfall)) = (row.value_at_risk, row.expected_shortfall) {
        found.ensure("loss.figures", shortfall >= value_at_risk - ROUNDING, at, || {
            format!("expected shortfall {shortfall} is under value at risk {value_at_risk}")
        });
    }
    let parts = &told[1..];
    let key = |row: &LossRow| (row.time, row.account, row.confidence.to_bits(), row.horizon.to_bits());
    let alike = parts.iter().all(|part| key(part) == key(row) && part.method == row.method);
    found.ensure("loss.rows", alike, at, || "a part is of another figure than the account before it".to_owned());
    // What else lies in an account that is not all in its own currency has a share, too.
    if !has_one_currency(run) || run.policies().iter().any(|policy| !policy.adopt.is_empty()) {
        return;
    }
    let figures: [fn(&LossRow) -> Option<f64>; 2] = [|row| row.value_at_risk, |row| row.expected_shortfall];
    for of in figures {
        let sum: Option<f64> = parts.iter().map(of).sum();
        if let (Some(whole), Some(sum)) = (of(row), sum) {
            let size = parts.iter().filter_map(of).map(f64::abs).sum::<f64>().max(1.0);
            found.ensure("loss.figures", (sum - whole).abs() <= ROUNDING * size, at, || {
                format!("the account's {whole} is not the sum of its strategies' parts, {sum}")
            });
        }
    }
}

/// When a horizon was over: the first time of the table in the step in which it ends; none where nothing was told in that step.
fn ended(row: &LossRow, times: &[Timestamp]) -> Option<Timestamp> {
    let horizon = Duration::from_nanos((row.horizon * Duration::DAY.nanos() as f64).round() as i64);
    let step = horizon.min(Duration::DAY);
    if step <= Duration::ZERO || row.equity <= Cash::ZERO {
        return None;
    }
    let due = row.time.floor(step) + horizon;
    let end = times.get(times.partition_point(|time| time.floor(step) < due))?;
    (end.floor(step) == due).then_some(*end)
}

/// What an account was worth at a time, as its tables have it: one of several, for which of a time's rows came first they do not tell.
struct Worth {
    time: Timestamp,
    account: u64,
    equity: Cash,
    paid_in: Cash,
    held: BTreeMap<String, Qty>,
    marks: Vec<Price>,
}

impl Worth {
    /// What the positions make until a later time, as a fraction of equity, at its marks or at what contracts were settled in between.
    fn held_until(&self, run: &Run, later: &Self, end: Timestamp) -> f64 {
        let settled = |symbol: &str| {
            let own = |fill: &&crate::records::FillRow| {
                fill.account == self.account && fill.instrument == symbol && fill.purpose == "settlement"
            };
            let mut fills = run.tables.fills.iter().filter(own);
            fills.find(|fill| fill.time > self.time && fill.time <= end).map(|fill| fill.price)
        };
        let mut still = self.equity;
        for (known, (before, after)) in run.record.instruments.iter().zip(self.marks.iter().zip(&later.marks)) {
            let Some(held) = self.held.get(&known.symbol).filter(|held| !held.is_zero()) else { continue };
            let after = settled(&known.symbol).unwrap_or(*after);
            still += (known.contract().value(after, *held) - known.contract().value(*before, *held)).cash();
        }
        still.approximate() / self.equity.approximate() - 1.0
    }
}

/// Sums of an account up to a moment.
#[derive(Clone, Default)]
struct Sums {
    cash: Notional,
    paid_in: Cash,
    held: BTreeMap<String, Qty>,
}

impl Sums {
    fn fill(&mut self, fill: &crate::records::FillRow, contract: Contract) {
        let signed = if fill.side == "buy" { fill.quantity } else { -fill.quantity };
        let held = self.held.entry(fill.instrument.clone()).or_default();
        *held = plus(*held, signed);
        self.cash -= fill.fee.notional();
        self.cash -= contract.value(fill.price, signed);
    }

    fn worth(&self, run: &Run, (time, account): (Timestamp, u64), marks: &[Price]) -> Worth {
        let mut worth = self.cash;
        for (known, mark) in run.record.instruments.iter().zip(marks) {
            let held = self.held.get(&known.symbol).copied().unwrap_or_default();
            worth += known.contract().value(*mark, held);
        }
        let (equity, paid_in, held) = (worth.cash(), self.paid_in, self.held.clone());
        Worth { time, account, equity, paid_in, held, marks: marks.to_vec() }
    }
}

/// Of each account at each of the times: with everything before it, and any number of the fills, all payments and flows of that very
/// time or none of them.
fn worths(run: &Run, times: &[Timestamp], marks: &[MarksAt]) -> BTreeMap<(u64, Timestamp), Vec<Worth>> {
    let tables = &run.tables;
    let contracts: BTreeMap<&str, Contract> =
        run.record.instruments.iter().map(|known| (known.symbol.as_str(), known.contract())).collect();
    let contract = |symbol: &str| contracts.get(symbol).copied().unwrap_or_default();
    let mut accounts: Vec<u64> = tables.losses.iter().map(|row| row.account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let mut all = BTreeMap::new();
    for account in accounts {
        let mut sums = Sums::default();
        let mut fills = tables.fills.iter().filter(|row| row.account == account).peekable();
        let mut flows = tables.flows.iter().filter(|row| row.account == account).peekable();
        let mut payments = tables.funding.iter().filter(|row| row.account == account).peekable();
        for time in times {
            while let Some(fill) = fills.next_if(|row| row.time < *time) {
                sums.fill(fill, contract(&fill.instrument));
            }
            let mut flow = |sums: &mut Sums, until: &dyn Fn(Timestamp) -> bool| {
                while let Some(moved) = flows.next_if(|row| until(row.time)) {
                    sums.cash += moved.amount.notional();
                    let is_paid_in = matches!(moved.reason.as_str(), "deposit" | "withdrawal" | "transfer");
                    sums.paid_in += if is_paid_in { moved.amount } else { Cash::ZERO };
                }
            };
            let mut pay = |sums: &mut Sums, until: &dyn Fn(Timestamp) -> bool| {
                while let Some(payment) = payments.next_if(|row| until(row.time)) {
                    sums.cash += payment.amount.notional();
                }
            };
            flow(&mut sums, &|row| row < *time);
            pay(&mut sums, &|row| row < *time);
            let Ok(at) = marks.binary_search_by_key(time, |(time, _)| *time) else { continue };
            let mut bases = vec![sums.clone()];
            flow(&mut sums, &|row| row <= *time);
            bases.push(sums.clone());
            pay(&mut sums, &|row| row <= *time);
            bases.push(sums.clone());
            let mut ways: Vec<Worth> = Vec::new();
            let mut now = fills.clone().take_while(|row| row.time == *time);
            loop {
                for base in &bases {
                    let worth = base.worth(run, (*time, account), &marks[at].1);
                    if ways.iter().all(|way| way.equity != worth.equity || way.held != worth.held) {
                        ways.push(worth);
                    }
                }
                let Some(fill) = now.next() else { break };
                bases.iter_mut().for_each(|base| base.fill(fill, contract(&fill.instrument)));
            }
            all.insert((account, *time), ways);
        }
    }
    all
}

fn shown(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "told".to_owned(), |time| time.to_string())
}

/// One of several, of which none fits.
fn either(all: &[impl ToString]) -> String {
    if all.is_empty() {
        "nothing".to_owned()
    } else {
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
    }
}
