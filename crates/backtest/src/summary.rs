//! From a run to what its page shows.

mod headroom;

use crate::bars::BarRow;
use crate::records::OrderRow;
use crate::report::{self, RunSummary, SUMMARY_VERSION};
use crate::run::{Paid, Run};
use policy::spec::SizeKind;
use std::collections::{BTreeMap, BTreeSet};
use units::show::{self, Style};
use units::{Cash, Duration, Timestamp};

impl Run {
    /// What the report's page shows.
    #[must_use]
    pub fn summary(&self) -> RunSummary {
        let plans = plans(self);
        let rows = self.bar_rows(self.main_instrument());
        let shown: BTreeSet<u64> = self.tables.fills.iter().map(|fill| fill.plan).chain(self.refused_plans()).collect();
        RunSummary {
            version: SUMMARY_VERSION,
            header: self.header(),
            bars: self.bars(&rows),
            twin: report::Twin {
                equity: self.tables.equity.iter().map(|row| row.twin_equity.approximate()).collect(),
                exposure: self.tables.equity.iter().map(|row| row.twin_exposure).collect(),
                liquidated: self.record.twin.liquidated.as_deref().and_then(nanos),
            },
            gaps: self.gaps(),
            fills: self.fills(&plans),
            refusals: self.refusals(),
            rungs: rungs(&self.main_orders(), self.tables.equity.last().map_or(0, |row| row.time.nanos())),
            campaigns: self.campaigns(),
            twin_r: Vec::new(),
            costs: report::Costs {
                scaled: self.costs(&self.record.scaled, self.tables.equity.last().map(|row| row.equity)),
                twin: self.costs(&self.record.twin, self.tables.equity.last().map(|row| row.twin_equity)),
            },
            integrity: self.integrity(),
            method: self.method(),
            plans: plans.into_values().filter(|plan| shown.contains(&plan.plan)).collect(),
            variants: self.variants.iter().map(variant).collect(),
        }
    }

    fn header(&self) -> report::Header {
        let main = self.main_instrument();
        let known = self.record.instruments.iter().find(|known| known.symbol == main);
        let instrument = known.unwrap_or_else(|| self.record.instrument());
        let rows = &self.tables.equity;
        let bar = match rows.as_slice() {
            [first, second, ..] => second.time.since(first.time).nanos(),
            _ => 0,
        };
        report::Header {
            policy: self.record.policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>().join(" + "),
            instrument: instrument.symbol.clone(),
            base: instrument.base.clone(),
            currency: self.record.currency.clone(),
            deposit: number(&self.record.paid_in),
            start: rows.first().map_or(0, |row| row.time.nanos() - bar),
            end: rows.last().map_or(0, |row| row.time.nanos()),
            bar,
            tick: number(&instrument.tick),
            lot: number(&instrument.lot),
            run: self.record.chain.clone(),
        }
    }

    fn bars(&self, rows: &[BarRow<'_>]) -> report::Bars {
        let mut bars = bars(rows);
        bars.asked = rows.iter().map(|row| self.asked(row)).collect();
        bars.headroom = headroom::of(self, rows);
        bars
    }

    /// Orders of the instrument that is shown.
    fn main_orders(&self) -> Vec<&OrderRow> {
        let main = self.main_instrument();
        self.tables.orders.iter().filter(|row| row.instrument == main).collect()
    }

    /// The exposure that the sizing rule would ask for now, had the position's campaign not frozen its base.
    fn asked(&self, row: &BarRow<'_>) -> Option<f64> {
        let shared = self.record.instruments.len() > 1 || self.strategies.len() > 1;
        if row.position.is_zero() || shared {
            return None;
        }
        let size = match &self.policy().size.kind {
            SizeKind::FixedFraction { fraction } => Some(fraction.get()),
            SizeKind::VolatilityTarget { target, volatility_floor, exposure_cap, .. } => {
                let floor = volatility_floor.map_or(0.0, units::Vol::get);
                let asked = target.get() / row.volatility?.max(floor);
                Some(asked.min(exposure_cap.map_or(f64::INFINITY, units::Ratio::get)))
            }
            _ => None,
        };
        size.filter(|size| size.is_finite()).map(|size| size * row.position.signum() as f64)
    }

    fn gaps(&self) -> Vec<report::Gap> {
        let main = self.main_instrument();
        let gaps = self.record.gaps.iter();
        gaps.filter(|gap| gap.instrument == main)
            .filter_map(|gap| Some(report::Gap { from: nanos(&gap.from)?, to: nanos(&gap.to)? }))
            .collect()
    }

    fn fills(&self, plans: &BTreeMap<u64, report::Plan>) -> Vec<report::Fill> {
        let fill = |row: &crate::records::FillRow| report::Fill {
            time: row.time.nanos(),
            price: row.price.approximate(),
            quantity: row.quantity.approximate() * if row.side == "sell" { -1.0 } else { 1.0 },
            purpose: purpose(&row.purpose),
            plan: row.plan,
            because: self
                .deciding_sentence(row)
                .or_else(|| plans.get(&row.plan).map(last_sentence))
                .unwrap_or_default(),
        };
        let main = self.main_instrument();
        self.tables.fills.iter().filter(|row| row.instrument == main).map(fill).collect()
    }

    /// The sentence of the rule that this kind of fill comes from: as ordered, or for exits as last stated before it.
    fn deciding_sentence(&self, fill: &crate::records::FillRow) -> Option<String> {
        let rules: &[&str] = match fill.purpose.split(' ').next()? {
            "entry" | "resize" => &["fixed_fraction", "risk_per_trade", "vol_target"],
            "add" => &["pyramid"],
            "rung" => &["ladder"],
            "stop" => &["stop"],
            "exit" => &["signal"],
            "cut" => &["drawdown_cap", "leverage_cap", "liquidation_distance"],
            _ => return None,
        };
        let until = self.tables.plans.partition_point(|row| row.time <= fill.time);
        let stated = |row: &&crate::records::PlanRow| rules.contains(&row.rule.as_str()) && !row.because.is_empty();
        let past = self.tables.plans[..until].iter().rev();
        let ordered = past.clone().filter(|row| row.plan == fill.plan).find(stated);
        let latest = past.filter(|row| row.time < fill.time).find(stated);
        let step = if fill.purpose == "stop" { latest.or(ordered) } else { ordered.or(latest) };
        step.map(|row| row.because.clone())
    }

    fn refused_plans(&self) -> impl Iterator<Item = u64> + '_ {
        self.tables.plans.iter().filter(|row| row.outcome == "refused").map(|row| row.plan)
    }

    fn refusals(&self) -> Vec<report::Refusal> {
        let not_done = |row: &&crate::records::PlanRow| row.outcome == "refused" || row.outcome == "held";
        let refusal = |row: &crate::records::PlanRow| report::Refusal {
            time: row.time.nanos(),
            price: row.price.approximate(),
            rule: row.rule.clone(),
            because: row.because.clone(),
            plan: row.plan,
            held: row.outcome == "held",
        };
        self.tables.plans.iter().filter(not_done).map(refusal).collect()
    }

    fn campaigns(&self) -> Vec<report::Campaign> {
        let campaign = |row: &crate::records::CampaignRow| report::Campaign {
            campaign: row.campaign,
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
            profit: (row.profit - row.fees + row.funding).approximate(),
            fees: row.fees.approximate(),
            funding: row.funding.approximate(),
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

    fn costs(&self, paid: &Paid, equity: Option<Cash>) -> report::CostLines {
        let terms = &self.policy().backtest;
        let (half_spread, slip) = (terms.half_spread.approximate(), terms.slippage.approximate());
        let both = number(&paid.slippage);
        let spread = if half_spread + slip > 0.0 { both * half_spread / (half_spread + slip) } else { 0.0 };
        let (fees, funding) = (number(&paid.fees), number(&paid.funding));
        let paid_in: Cash = self.record.paid_in.parse().unwrap_or_default();
        let net = (equity.unwrap_or(paid_in) - paid_in).approximate();
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
            replayed: None,
            residual: record.residual.clone(),
            acted: record.triggers.acted,
            refused: record.triggers.refused.iter().map(|(reason, count)| (reason.clone(), *count)).collect(),
            unexplained: record.triggers.unexplained,
            unmet_caps: record.triggers.unmet,
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
    /// funding is missing.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.tables.fills.is_empty() {
            let refused = self.record.triggers.refused.iter().max_by_key(|(_, count)| **count);
            let most = match refused {
                Some((reason, 1)) => format!("; refused once: {reason}"),
                Some((reason, count)) => format!("; most often refused, {count} times: {reason}"),
                None => String::new(),
            };
            doubts.push(format!("nothing was traded in {} bars{most}", self.record.bars));
        }
        let margin = market::CancelReason::Margin.to_string();
        let cancelled =
            self.tables.orders.iter().filter(|row| row.event == "cancelled" && row.reason == margin).count();
        if cancelled > 0 {
            let orders = if cancelled == 1 { "order" } else { "orders" };
            doubts.push(format!("the venue cancelled {cancelled} {orders} for margin: {margin}"));
        }
        let perpetuals = self.record.instruments.iter().filter(|known| known.kind.ends_with("perpetual"));
        doubts.extend(perpetuals.filter_map(|known| self.lacks_funding(&known.symbol)));
        doubts
    }

    /// A perpetual that was held over an interval of funding, and neither paid nor received any.
    fn lacks_funding(&self, symbol: &str) -> Option<String> {
        let end = self.tables.equity.last()?.time;
        let campaigns = self.tables.campaigns.iter().filter(|row| *row.instrument == *symbol);
        let spans = campaigns.map(|row| row.closed.unwrap_or(end).since(row.opened));
        // The longest interval at which venues settle funding.
        let held = spans.max().filter(|held| *held >= Duration::from_nanos(8 * Duration::HOUR.nanos()))?;
        let paid = self.tables.funding.iter().any(|row| *row.instrument == *symbol);
        let held = show::duration(held, Style::Terminal);
        (!paid).then(|| {
            format!("`{symbol}` was held for {held} without funding: no tape has its rates, so its cost is missing")
        })
    }

    fn method(&self) -> report::Method {
        let record = &self.record;
        let target_vol = match &self.policy().size.kind {
            policy::spec::SizeKind::VolatilityTarget { target, .. } => Some(target.get()),
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
            fills: record.configuration.iter().map(|(name, value)| (name.replace('_', " "), value.clone())).collect(),
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

fn bars(rows: &[BarRow<'_>]) -> report::Bars {
    let mut bars = report::Bars::default();
    for row in rows {
        bars.time.push(row.time.nanos());
        bars.open.push(row.open.approximate());
        bars.high.push(row.high.approximate());
        bars.low.push(row.low.approximate());
        bars.close.push(row.mark.approximate());
        bars.equity.push(row.equity.approximate());
        bars.position.push(row.position.approximate());
        bars.exposure.push(row.exposure);
        bars.stop.push(row.stop.map(units::Price::approximate));
        bars.volatility.push(row.volatility);
        let cap = (!row.cap.is_empty()).then(|| {
            let name = row.cap.replace('_', " ");
            bars.caps.iter().position(|known| *known == name).unwrap_or_else(|| {
                bars.caps.push(name);
                bars.caps.len() - 1
            }) as u16
        });
        bars.cap.push(cap);
    }
    bars
}

fn purpose(text: &str) -> report::Purpose {
    let (word, number) = text.split_once(' ').unwrap_or((text, ""));
    let number = number.parse().unwrap_or(1);
    match word {
        "entry" => report::Purpose::Entry,
        "add" => report::Purpose::Add(number),
        "rung" => report::Purpose::Rung(number),
        "exit" => report::Purpose::Exit,
        "stop" => report::Purpose::Stop,
        "cut" => report::Purpose::Cut,
        "liquidation" => report::Purpose::Liquidation,
        _ => report::Purpose::Resize,
    }
}

fn plans(run: &Run) -> BTreeMap<u64, report::Plan> {
    let mut plans = BTreeMap::new();
    for row in &run.tables.plans {
        let plan = plans.entry(row.plan).or_insert_with(|| report::Plan {
            plan: row.plan,
            time: row.time.nanos(),
            price: row.price.approximate(),
            steps: Vec::new(),
        });
        plan.steps.push(report::PlanStep {
            rule: row.rule.clone(),
            before: row.before.approximate(),
            after: row.after.approximate(),
            outcome: row.outcome.clone(),
            because: row.because.clone(),
        });
    }
    plans
}

/// The sentence of the last step that moved the target, else of the last one.
fn last_sentence(plan: &report::Plan) -> String {
    let moved = plan.steps.iter().rev().find(|step| step.before != step.after && !step.because.is_empty());
    moved.or(plan.steps.last()).map_or_else(String::new, |step| step.because.clone())
}

/// Each rung's rest, from being placed to its end.
fn rungs(orders: &[&OrderRow], end: i64) -> Vec<report::Rung> {
    let mut open: BTreeMap<&str, report::Rung> = BTreeMap::new();
    let mut done = Vec::new();
    for row in orders {
        let Some(index) = row.purpose.strip_prefix("rung ").and_then(|number| number.parse().ok()) else { continue };
        match row.event.as_str() {
            "place" => {
                let price = row.price.map_or(0.0, units::Price::approximate);
                let from = row.time.nanos();
                open.insert(&row.order, report::Rung { index, price, from, to: end, end: report::RungEnd::Armed });
            }
            "filled" | "cancelled" => {
                if let Some(mut rung) = open.remove(row.order.as_str()) {
                    let filled = row.event == "filled";
                    rung.end = if filled { report::RungEnd::Filled } else { report::RungEnd::Lapsed };
                    rung.to = row.time.nanos();
                    done.push(rung);
                }
            }
            _ => {}
        }
    }
    done.extend(open.into_values());
    done.sort_by_key(|rung| (rung.from, rung.index));
    done
}
