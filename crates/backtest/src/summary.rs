//! From a run to what its page shows.

mod greeks;
mod headroom;
mod losses;
mod risk;
mod traded;

use crate::bars::BarRow;
use crate::report::{self, RunSummary, SUMMARY_VERSION};
use crate::run::{Paid, Run};
use policy::spec::{self, SizeKind};
use std::collections::{BTreeMap, BTreeSet};
use units::show::{self, Style};
use units::{Duration, Timestamp};

impl Run {
    /// What the report's page shows.
    #[must_use]
    pub fn summary(&self) -> RunSummary {
        let book = traded::Book::of(self);
        let fills = self.tables.fills.iter().map(|fill| fill.plan);
        let shown: BTreeSet<u64> = fills.chain(self.refused_plans()).collect();
        let (parts, executions, accounts) = (book.parts(), book.executions(), book.accounts());
        RunSummary {
            version: SUMMARY_VERSION,
            header: self.header(),
            strategies: self.record.policies.iter().map(|policy| policy.name.clone()).collect(),
            bars: self.bars(&book),
            twin: report::Twin {
                equity: self.tables.equity.iter().map(|row| row.twin_equity.approximate()).collect(),
                paid_in: self.tables.equity.iter().map(|row| row.twin_paid_in.approximate()).collect(),
                exposure: self.tables.equity.iter().map(|row| row.twin_exposure).collect(),
                liquidated: self.record.twin.liquidated.as_deref().and_then(nanos),
            },
            gaps: self.gaps(&book),
            campaigns: self.campaigns(&book),
            twin_r: Vec::new(),
            parts,
            executions,
            accounts,
            costs: report::Costs {
                scaled: self.costs(&self.record.scaled, false),
                twin: self.costs(&self.record.twin, true),
            },
            integrity: self.integrity(),
            method: self.method(),
            plans: shown.into_iter().filter_map(|plan| self.plan(&book, plan)).collect(),
            variants: self.variants.iter().map(variant).collect(),
            greeks: greeks::paths(&self.tables.greeks),
            surfaces: greeks::surfaces(&self.tables.surfaces, &self.tables.smiles),
            instruments: book.traded,
            losses: losses::losses(self),
            risk: None,
        }
    }

    fn header(&self) -> report::Header {
        let rows = &self.tables.equity;
        let bar = match rows.as_slice() {
            [first, second, ..] => second.time.since(first.time).nanos(),
            _ => 0,
        };
        report::Header {
            currency: self.record.currency.clone(),
            deposit: rows.first().map_or_else(|| number(&self.record.paid_in), |row| row.paid_in.approximate()),
            start: rows.first().map_or(0, |row| row.time.nanos() - bar),
            end: rows.last().map_or(0, |row| row.time.nanos()),
            bar,
            run: self.record.chain.clone(),
        }
    }

    fn bars(&self, book: &traded::Book<'_>) -> report::Bars {
        let main = self.bar_rows(self.main_instrument());
        let mut bars = report::Bars {
            asked: main.iter().map(|row| self.asked(row)).collect(),
            headroom: headroom::of(self, book, &main),
            ..report::Bars::default()
        };
        for row in &self.tables.equity {
            bars.time.push(row.time.nanos());
            bars.equity.push(row.equity.approximate());
            bars.paid_in.push(row.paid_in.approximate());
            bars.exposure.push(row.exposure);
            bars.gross.push(row.gross);
        }
        bars.cap = vec![None; bars.time.len()];
        // Of several strategies the first that a cap binds.
        for row in self.tables.positions.iter().filter(|row| !row.cap.is_empty()) {
            let Some(cap) = bars.time.binary_search(&row.time.nanos()).ok().and_then(|at| bars.cap.get_mut(at)) else {
                continue;
            };
            if cap.is_none() {
                let name = row.cap.replace('_', " ");
                let known = bars.caps.iter().position(|known| *known == name).unwrap_or_else(|| {
                    bars.caps.push(name);
                    bars.caps.len() - 1
                });
                *cap = Some(known as u16);
            }
        }
        bars
    }

    /// The exposure that the sizing rule would ask for now, had the position's campaign not frozen its base.
    fn asked(&self, row: &BarRow<'_>) -> Option<f64> {
        let shared = self.record.instruments.len() > 1 || self.strategies.len() > 1;
        if row.position.is_zero() || shared {
            return None;
        }
        let size = match &self.policy().size.kind {
            SizeKind::FixedFraction { fraction } => fraction.declared().map(units::Ratio::get),
            SizeKind::VolatilityTarget { target, volatility_floor, exposure_cap, .. } => {
                let floor = volatility_floor.map_or(0.0, units::Vol::get);
                let asked = target.declared()?.get() / row.volatility?.max(floor);
                match exposure_cap {
                    Some(cap) => Some(asked.min(cap.declared()?.get())),
                    None => Some(asked),
                }
            }
            _ => None,
        };
        size.filter(|size| size.is_finite()).map(|size| size * row.position.signum() as f64)
    }

    /// Holes of the main instrument's tape in which no other has a bar either.
    fn gaps(&self, book: &traded::Book<'_>) -> Vec<report::Gap> {
        let rows = &self.tables.equity;
        let inside = |gap: &&report::Gap| {
            let after = rows.partition_point(|row| row.time.nanos() <= gap.from);
            rows.get(after).is_none_or(|row| row.time.nanos() >= gap.to)
        };
        book.traded.first().map_or_else(Vec::new, |main| main.gaps.iter().filter(inside).copied().collect())
    }

    fn refused_plans(&self) -> impl Iterator<Item = u64> + '_ {
        self.tables.plans.iter().filter(|row| row.outcome == "refused").map(|row| row.plan)
    }

    fn campaigns(&self, book: &traded::Book<'_>) -> Vec<report::Campaign> {
        let campaign = |row: &crate::records::CampaignRow| report::Campaign {
            campaign: row.campaign,
            strategy: book.strategy(&row.strategy),
            instrument: book.instrument(&row.instrument),
            long: row.side == "long",
            opened: row.opened.nanos(),
            closed: row.closed.map(Timestamp::nanos),
            entry: row.entry.approximate(),
            exit: row.exit.map(units::Price::approximate),
            unit_n: row.unit_n.map_or(0.0, units::Price::approximate),
            initial_stop: row.initial_stop.map(units::Price::approximate),
            units: row.units as u32,
            rungs: row.rungs as u32,
            peak: row.peak.approximate(),
            profit: (row.profit - row.fees + row.funding).approximate() * book.rate(book.instrument(&row.instrument)),
            fees: row.fees.approximate() * book.rate(book.instrument(&row.instrument)),
            funding: row.funding.approximate() * book.rate(book.instrument(&row.instrument)),
            r: row.r,
            mae_r: row.mae_r,
            mfe_r: row.mfe_r,
            ended_by: match row.ended_by.as_str() {
                "" => "still open".to_owned(),
                "exit" => "signal".to_owned(),
                other => other.to_owned(),
            },
        };
        self.tables.campaigns.iter().map(campaign).collect()
    }

    fn plan(&self, book: &traded::Book<'_>, plan: u64) -> Option<report::Plan> {
        let rows = book.plan(plan);
        let first = rows.first()?;
        let step = |row: &&crate::records::PlanRow| report::PlanStep {
            rule: row.rule.to_string(),
            before: row.before.approximate(),
            after: row.after.approximate(),
            outcome: row.outcome.to_string(),
            because: row.because.clone(),
        };
        Some(report::Plan {
            plan,
            strategy: book.strategy(&first.strategy),
            instrument: book.instrument(&first.instrument),
            time: first.time.nanos(),
            price: first.price.approximate(),
            steps: rows.iter().map(step).collect(),
        })
    }

    fn costs(&self, paid: &Paid, is_twin: bool) -> report::CostLines {
        let terms = &self.policy().backtest;
        let (half_spread, slip) = (terms.half_spread.approximate(), terms.slippage.approximate());
        let both = number(&paid.slippage);
        // Options fill at the bid or the ask, which are recorded: what is worse than those is slippage. Of others the run states both.
        let [of_options, beyond] = [&paid.options, &paid.beyond_quotes].map(|told| told.as_deref().map_or(0.0, number));
        let stated = if half_spread + slip > 0.0 { half_spread / (half_spread + slip) } else { 0.0 };
        let impact = paid.impact.as_deref().map_or(0.0, number);
        let spread = of_options - beyond + (both - of_options - impact) * stated;
        let (fees, funding) = (number(&paid.fees), number(&paid.funding));
        let net = self.tables.equity.last().map_or(0.0, |row| {
            let earned = if is_twin { row.twin_equity - row.twin_paid_in } else { row.equity - row.paid_in };
            earned.approximate()
        });
        report::CostLines {
            gross: net + fees + both - funding,
            fees,
            spread,
            slippage: both - spread,
            funding,
            net,
            traded: number(&paid.traded),
        }
    }

    fn integrity(&self) -> report::Integrity {
        let record = &self.record;
        let liquidated = |who: &str, at: &Option<String>| at.as_ref().map(|at| format!("{who} was liquidated at {at}"));
        let mut notes = self.doubts();
        if record.rejected > 0 {
            notes.push(format!("{} orders were rejected by the venue", record.rejected));
        }
        report::Integrity {
            chain: record.chain.clone(),
            state: record.state.clone(),
            replayed: self.replayed,
            residual: record.residual.clone(),
            acted: record.triggers.acted,
            refused: record.triggers.refused.iter().map(|(reason, count)| (reason.clone(), *count)).collect(),
            unexplained: record.triggers.unexplained,
            unmet_caps: record.triggers.unmet,
            unknown_limits: record.triggers.unknown.unwrap_or_default(),
            quiet: record.quiet.map(|quiet| (record.inputs, quiet.inputs, quiet.evaluations)),
            bars: record.bars,
            ambiguous_bars: record.ambiguous_bars,
            path_profit: Some((number(&record.profit_adverse_first), number(&record.profit_favourable_first))),
            liquidations: [
                liquidated("the scaled run", &record.scaled.liquidated),
                liquidated("the twin", &record.twin.liquidated),
            ]
            .into_iter()
            .flatten()
            .collect(),
            notes,
        }
    }

    /// What keeps a run from being evidence, in sentences: that nothing was traded, that the venue took orders back, that
    /// money did not move, that funding is missing.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let cancelled = self.cancelled_for_margin();
        if self.tables.fills.is_empty() {
            let bars = match self.record.bars {
                0 => String::new(),
                bars => format!(" in {bars} bars"),
            };
            // What the venue refused was ordered, so nothing else stood in its way.
            let why = cancelled.as_ref().map_or_else(
                || Some(self.most_refused()).filter(|why| !why.is_empty()).unwrap_or_else(|| self.unfilled()),
                |cancelled| format!(": {cancelled}"),
            );
            doubts.push(format!("nothing was traded{bars}{why}"));
        } else {
            doubts.extend(cancelled);
        }
        let refused = &self.record.refused_flows;
        doubts.extend(refused.iter().take(shown(refused.len())).cloned());
        let more = refused.len() - shown(refused.len());
        if more > 0 {
            doubts.push(format!("{more} more movements of money were refused"));
        }
        doubts.extend(self.lacks_funding());
        doubts.extend(self.record.settlements.iter().cloned());
        doubts.extend(self.record.implied_forwards.iter().cloned());
        doubts.extend(self.quotes_worsened());
        doubts.extend(self.unknown_facts());
        doubts.extend(self.record.stopped_series.iter().cloned());
        doubts.extend(self.over_allocated());
        doubts
    }

    /// Accounts of which policies that size on a share of equity have more than all of it together.
    fn over_allocated(&self) -> Vec<String> {
        let mut accounts: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
        for policy in self.strategies.iter().map(|strategy| &strategy.policy) {
            // What is a number of dollars, or follows from Greeks, is no share of anything.
            let is_share = !matches!(policy.size.kind, SizeKind::FixedNotional { .. } | SizeKind::GreekTarget { .. });
            let venues: BTreeSet<&str> = policy.instruments.iter().map(|symbol| spec::venue(symbol)).collect();
            for venue in venues.into_iter().filter(|_| is_share) {
                accounts.entry(venue).or_default().push((&policy.name, policy.capital.get()));
            }
        }
        let percent = |share: f64| show::percent(share, 0, Style::Page);
        let sentence = |(venue, shares): (&str, Vec<(&str, f64)>)| {
            let whole: f64 = shares.iter().map(|(_, share)| share).sum();
            let named = shares.iter().take(shown(shares.len()));
            let mut named: Vec<String> = named.map(|(name, share)| format!("`{name}` {} %", percent(*share))).collect();
            if named.len() < shares.len() {
                named.push(format!("{} more", shares.len() - named.len()));
            }
            (whole > 1.0 + 1e-9).then(|| {
                format!(
                    "policies size on {} % of the account at {venue} together ({}): each holds what its part of it bears, and all of them \
                     more; give them parts of 100 % with `capital`",
                    percent(whole),
                    named.join(", ")
                )
            })
        };
        accounts.into_iter().filter_map(sentence).collect()
    }

    /// For how long facts of risk that rules read were not known, and why.
    fn unknown_facts(&self) -> Vec<String> {
        let several = self.strategies.len() > 1 || self.record.instruments.len() > 1;
        let sentence = |of: &crate::run::UnknownStamp| {
            let whose = if several { format!(" by {} in {}", of.strategy, of.instrument) } else { String::new() };
            let span = Duration::from_nanos(of.seconds.saturating_mul(Duration::SECOND.nanos()));
            let span = if of.seconds == 0 { "under a second".to_owned() } else { span.to_string() };
            format!(
                "`{}`, which is read{whose}, was not known for {span} in all, from {} to {}: {}",
                of.fact, of.first, of.last, of.reason
            )
        };
        self.record.unknown_facts.iter().map(sentence).collect()
    }

    /// That the venue took back orders for want of margin.
    fn cancelled_for_margin(&self) -> Option<String> {
        let margin = market::CancelReason::Margin.to_string();
        let is_one = |row: &&crate::records::OrderRow| row.event == "cancelled" && *row.reason == *margin;
        let cancelled = self.tables.orders.iter().filter(is_one).count();
        let orders = if cancelled == 1 { "order" } else { "orders" };
        (cancelled > 0).then(|| format!("the venue cancelled {cancelled} {orders} for margin: {margin}"))
    }

    /// Why nothing was ordered: the most frequent refusal, with the numbers that it had the last time.
    fn most_refused(&self) -> String {
        let refused = &self.record.triggers.refused;
        let Some((reason, count)) = refused.iter().max_by_key(|(_, count)| **count) else { return String::new() };
        let (rule, sentence) = reason.split_once(": ").unwrap_or(("", reason));
        let is_said = |row: &&crate::records::PlanRow| {
            *row.rule == *rule && *row.outcome == *"refused" && is_of(&row.because, sentence)
        };
        let last = self.tables.plans.iter().rev().find(is_said);
        let said = last.map_or_else(|| reason.clone(), |row| format!("{rule}: {}", row.because));
        match count {
            1 => format!("; refused once: {said}"),
            count => format!("; most often refused, {count} times, the last time: {said}"),
        }
    }

    /// Why nothing was filled where nothing was refused.
    fn unfilled(&self) -> String {
        let mut sent = self.tables.orders.iter().filter(|row| row.event == "place").peekable();
        let Some(first) = sent.peek().map(|row| row.time) else {
            return "; the policy never asked for a position".to_owned();
        };
        let count = sent.count();
        let orders = if count == 1 { "1 order was" } else { &format!("{count} orders were") };
        if first.to_string() == self.record.last {
            format!(
                "; {orders} sent on the last input of the tapes, and no order fills before the next quote or bar of what it is for"
            )
        } else {
            format!("; {orders} sent, the first on {first}, and no quote or bar after it reached any")
        }
    }

    /// That a slippage under a tick is a whole one where options fill at quotes.
    fn quotes_worsened(&self) -> Option<String> {
        let slippage = self.policy().backtest.slippage;
        let has_structures = self.record.instruments.iter().any(|known| known.kind == "structure");
        (has_structures && slippage.raw() > 0 && !self.tables.fills.is_empty()).then(|| {
            format!(
                "options were filled worse than the quoted bid or ask by {} bp, rounded up to a whole tick, which is far more of a \
                 cheap option: `slippage = \"0bp\"` fills at the quote",
                slippage.approximate() * 1e4
            )
        })
    }

    /// Perpetuals that were held over an interval of funding and neither paid nor received any, and those that did only
    /// from some time on; each kind in one sentence.
    fn lacks_funding(&self) -> Vec<String> {
        let mut spans: BTreeMap<&str, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
        let mut holders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let end = self.tables.equity.last().map_or(Timestamp::MIN, |row| row.time);
        for row in &self.tables.campaigns {
            spans.entry(&row.instrument).or_default().push((row.opened, row.closed.unwrap_or(end)));
            holders.entry(&row.instrument).or_default().insert(&row.strategy);
        }
        let mut first: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for row in &self.tables.funding {
            first.entry(&row.instrument).or_insert(row.time);
        }
        let (mut never, mut late) = (Vec::new(), Vec::new());
        for known in self.record.instruments.iter().filter(|known| known.kind.ends_with("perpetual")) {
            let symbol = known.symbol.as_str();
            let first = first.get(symbol).copied();
            let held = held(spans.remove(symbol).unwrap_or_default(), first.unwrap_or(end));
            // The longest interval at which venues settle funding; the first payment itself falls due at the end of one.
            let least = Duration::from_nanos(8 * Duration::HOUR.nanos() * if first.is_some() { 2 } else { 1 });
            // Several may have held opposite sides, on which nothing is due.
            let crossed = first.is_some() && holders.get(symbol).is_some_and(|holders| holders.len() > 1);
            if held.longest >= least && !crossed {
                if first.is_some() { &mut late } else { &mut never }.push((symbol, held.whole));
            }
        }
        let never = unfunded(never, |one| {
            let whose = if one { "its rates, so its cost is" } else { "their rates, so their cost is" };
            format!("without funding: no tape has {whose} missing")
        });
        let late = unfunded(late, |one| {
            let whose = if one { "its" } else { "their" };
            format!("before {whose} first funding: no tape has the rates of that time, so its cost is missing")
        });
        never.into_iter().chain(late).collect()
    }

    fn method(&self) -> report::Method {
        let record = &self.record;
        let target_vol = match &self.policy().size.kind {
            policy::spec::SizeKind::VolatilityTarget { target, .. } => target.declared().map(units::Vol::get),
            _ => None,
        };
        let mut versions = vec![("program".to_owned(), record.program.clone())];
        let hash = |stamp: &crate::run::PolicyStamp| (format!("policy hash of {}", stamp.name), stamp.hash.clone());
        versions.extend(record.policies.iter().map(hash));
        versions.extend(record.seed.map(|seed| ("market seed".to_owned(), seed.to_string())));
        report::Method {
            policy: self.strategies.iter().map(|strategy| strategy.text.as_str()).collect::<Vec<_>>().join("\n"),
            twin: format!(
                "Same signal, tape, fill model, fees, funding and latency; {} x equity at entry, held until the signal \
                 ends or turns; no adds, ladder, stop, volatility sizing or limits beyond the venue's margin.",
                self.policy().backtest.twin_base
            ),
            target_vol,
            fills: record.configuration.iter().map(|(name, value)| (setting(name), value.clone())).collect(),
            versions,
            tapes: record
                .tapes
                .iter()
                .map(|tape| {
                    let name = tape.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    (name, tape.hash.clone())
                })
                .collect(),
        }
    }
}

/// Whether a text is a sentence whose numbers are left out.
fn is_of(text: &str, sentence: &str) -> bool {
    let mut left = text;
    let mut pieces = sentence.split('…');
    let begins = pieces.next().and_then(|first| left.strip_prefix(first)).map(|rest| left = rest).is_some();
    begins && pieces.all(|piece| left.find(piece).map(|at| left = &left[at + piece.len()..]).is_some())
}

/// For how long something was held.
struct Held {
    whole: Duration,
    /// At a stretch.
    longest: Duration,
}

/// What spans cover before an instant; where several strategies held at once, that time counts once.
fn held(mut spans: Vec<(Timestamp, Timestamp)>, until: Timestamp) -> Held {
    spans.sort_unstable();
    let mut stretches: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, to) in spans.into_iter().map(|(from, to)| (from, to.min(until))).filter(|(from, to)| from < to) {
        match stretches.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => stretches.push((from, to)),
        }
    }
    let lengths = || stretches.iter().map(|(from, to)| to.since(*from).nanos());
    Held {
        whole: Duration::from_nanos(lengths().sum()),
        longest: Duration::from_nanos(lengths().max().unwrap_or_default()),
    }
}

/// So many of a kind are named; of more the first three.
fn shown(count: usize) -> usize {
    if count > 4 { 3 } else { count }
}

/// One sentence on perpetuals and for how long each was held, the longest first. `what` is told whether it is only one.
fn unfunded(mut perpetuals: Vec<(&str, Duration)>, what: impl Fn(bool) -> String) -> Option<String> {
    perpetuals.sort_by_key(|(_, held)| std::cmp::Reverse(*held));
    let (_, longest) = perpetuals.first()?;
    let longest = show::duration(*longest, Style::Terminal);
    let count = perpetuals.len();
    let names: Vec<String> = perpetuals.iter().take(shown(count)).map(|(symbol, _)| format!("`{symbol}`")).collect();
    let what = what(count == 1);
    Some(match names.as_slice() {
        [only] => format!("{only} was held for {longest} {what}"),
        [names @ .., last] if count == shown(count) => {
            format!("{} and {last} were held for up to {longest} {what}", names.join(", "))
        }
        names => format!("{} and {} more were held for up to {longest} {what}", names.join(", "), count - names.len()),
    })
}

fn variant(row: &crate::records::VariantRow) -> report::Variant {
    report::Variant {
        name: row.variant.clone(),
        instead: row.instead.clone(),
        total_return: row.total_return,
        cagr: row.cagr,
        sharpe: row.sharpe,
        volatility: row.volatility,
        vol_of_vol: row.vol_of_vol,
        drawdown: row.drawdown,
        worst_day: row.worst_day,
        cost: row.cost,
        turnover: row.turnover,
        fills: row.fills,
        campaigns: row.campaigns,
    }
}

/// The nearest double of an exact decimal written by this program.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or(0.0)
}

fn nanos(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::nanos)
}

/// A setting's name in words; a symbol in it stays as it is.
fn setting(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { name.replace('_', " ") }
}
