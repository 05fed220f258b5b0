//! A seeded, invented run with everything a page can show: adds, rungs, stops, cuts, refusals, a crash, gaps, caps.

use backtest::report::{
    Bars, Campaign, CostLines, Costs, Execution, Fill, Gap, Header, Headroom, Integrity, LimitCut, Method, Part, Plan,
    PlanStep, Purpose, Refusal, RunSummary, Rung, RungEnd, SUMMARY_VERSION, Stops, Traded, Twin, Variant,
};

const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// 2025-10-01.
const START: i64 = 1_759_276_800_000_000_000;

/// A small generator, so that no crate's next version changes the pages.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// What the one strategy made in the one instrument.
fn part_of(run: &RunSummary) -> Part {
    let (costs, traded) = (&run.costs.scaled, &run.instruments[0]);
    let with_r: Vec<f64> = run.campaigns.iter().filter_map(|campaign| campaign.r).collect();
    Part {
        profit: costs.net + costs.fees - costs.funding,
        fees: costs.fees,
        funding: costs.funding,
        traded: costs.traded,
        campaigns: run.campaigns.len() as u64,
        closed: with_r.len() as u64,
        won: with_r.iter().filter(|r| **r > 0.0).count() as u64,
        r: with_r.iter().sum(),
        with_r: with_r.len() as u64,
        mean_exposure: traded.exposure.iter().sum::<f64>() / traded.exposure.len().max(1) as f64,
        largest_exposure: traded.exposure.iter().copied().fold(0.0, f64::max),
        ..Part::default()
    }
}

/// A run of so many bars of so many minutes.
pub(crate) fn run(bars: usize, minutes: i64, seed: u64) -> RunSummary {
    let mut walk = Walk::new(minutes * MINUTE, seed);
    let end = START + bars as i64 * walk.bar;
    for at in 0..bars {
        walk.step(at, bars);
    }
    walk.finish(end)
}

/// A book of so many instruments: each its own walk, two strategies that take turns, their profits added up.
pub(crate) fn book(count: usize, bars: usize, minutes: i64) -> RunSummary {
    let mut whole = run(bars, minutes, 1);
    whole.strategies = vec!["btc-trend".into(), "turtle".into()];
    let start = whole.header.deposit;
    for at in 1..count {
        let mut other = run(bars, minutes, at as u64 + 1);
        let plans = whole.plans.len() as u64;
        let mut traded = other.instruments.remove(0);
        traded.symbol = format!("binance:COIN{at}USDT-PERP");
        traded.unit = format!("COIN{at}");
        let strategy = at % 2;
        traded.stops[0].strategy = strategy;
        traded.fills.iter_mut().for_each(|fill| (fill.strategy, fill.plan) = (strategy, fill.plan + plans));
        traded
            .refusals
            .iter_mut()
            .for_each(|refusal| (refusal.strategy, refusal.plan) = (strategy, refusal.plan + plans));
        traded.rungs.iter_mut().for_each(|rung| rung.strategy = strategy);
        whole.plans.extend(other.plans.into_iter().map(|plan| Plan {
            plan: plan.plan + plans,
            strategy,
            instrument: at,
            ..plan
        }));
        let campaigns = whole.campaigns.len() as u64;
        whole.campaigns.extend(other.campaigns.into_iter().map(|campaign| Campaign {
            campaign: campaign.campaign + campaigns,
            strategy,
            instrument: at,
            ..campaign
        }));
        whole.executions.extend(other.executions);
        whole.parts.push(Part { strategy, instrument: at, ..other.parts[0] });
        for (sum, equity) in whole.bars.equity.iter_mut().zip(&other.bars.equity) {
            *sum += equity - start;
        }
        whole.costs.scaled.net += other.costs.scaled.net;
        whole.costs.scaled.gross += other.costs.scaled.gross;
        whole.instruments.push(traded);
    }
    for at in 0..whole.bars.time.len() {
        let held = || whole.instruments.iter().map(|traded| traded.exposure[at]);
        (whole.bars.exposure[at], whole.bars.gross[at]) = (held().sum(), held().map(f64::abs).sum());
    }
    whole.bars.asked.fill(None);
    whole.plans.sort_by_key(|plan| plan.plan);
    whole.executions.sort_by_key(|order| order.time);
    whole
}

struct Walk {
    dice: Dice,
    bar: i64,
    price: f64,
    cash: f64,
    position: f64,
    twin_cash: f64,
    twin: f64,
    stop: Option<f64>,
    last_fill: f64,
    n: f64,
    units: u32,
    rungs: u32,
    peak_equity: f64,
    opened_equity: f64,
    worst: f64,
    best: f64,
    risk: f64,
    run: RunSummary,
}

impl Walk {
    fn new(bar: i64, seed: u64) -> Self {
        let header = Header {
            currency: "USDT".into(),
            deposit: 1_000_000.0,
            start: START,
            end: START,
            bar,
            run: "7f3a91c2b04d5e6f8a1b2c3d4e5f60718293a4b5c6d7e8f9".into(),
        };
        let limit =
            |name: &str, words: &str| Headroom { name: name.into(), limit: words.into(), ..Headroom::default() };
        let headroom = vec![limit("drawdown cap", "10.0 %, 20.0 %"), limit("leverage cap", "2.50 × equity")];
        let caps = vec!["drawdown cap".into(), "leverage cap".into()];
        let bars = Bars { caps, headroom, ..Bars::default() };
        let method = Method {
            policy: "policy = 1\nname = \"btc-trend\"\ninstrument = \"binance:BTCUSDT-PERP\"\n\n[signal]\nkind = \"donchian\"\n".into(),
            twin: "Same signal, tape, fills, fees, funding and latency; constant 1.0 × equity at entry, unchanged until \
                   the signal ends."
                .into(),
            target_vol: Some(0.3),
            fills: vec![("Taker fee".into(), "5 bp".into()), ("Half spread".into(), "1 bp".into()), ("Latency".into(), "250 ms".into())],
            versions: vec![("trimtab".into(), "0.1.0 (0c7f99e)".into()), ("policy hash".into(), "91b4".repeat(16))],
            tapes: vec![("btc.tape".into(), "5ac0".repeat(16)), ("funding.tape".into(), "77d1".repeat(16))],
        };
        let traded = Traded {
            symbol: "binance:BTCUSDT-PERP".into(),
            unit: "BTC".into(),
            quote: "USDT".into(),
            currency: "USDT".into(),
            tick: 0.1,
            lot: 0.001,
            stops: vec![Stops::default()],
            ..Traded::default()
        };
        let run = RunSummary {
            version: SUMMARY_VERSION,
            header,
            strategies: vec!["btc-trend".into()],
            bars,
            instruments: vec![traded],
            twin: Twin::default(),
            accounts: Vec::new(),
            gaps: Vec::new(),
            campaigns: Vec::new(),
            parts: Vec::new(),
            executions: Vec::new(),
            twin_r: Vec::new(),
            costs: Costs::default(),
            integrity: Integrity::default(),
            method,
            plans: Vec::new(),
            variants: Vec::new(),
            greeks: Vec::new(),
            surfaces: Vec::new(),
            losses: Vec::new(),
            risk: None,
        };
        Self {
            dice: Dice(seed),
            bar,
            price: 114_000.0,
            cash: 1e6,
            position: 0.0,
            twin_cash: 1e6,
            twin: 0.0,
            stop: None,
            last_fill: 0.0,
            n: 900.0,
            units: 0,
            rungs: 0,
            peak_equity: 1e6,
            opened_equity: 1e6,
            worst: 0.0,
            best: 0.0,
            risk: 1.0,
            run,
        }
    }

    fn step(&mut self, at: usize, bars: usize) {
        let time = START + (at as i64 + 1) * self.bar;
        // Two holes in the tape, and one crash a third of the way in.
        let hole = at > bars / 2 && at < bars / 2 + 9 || at > bars * 3 / 4 && at < bars * 3 / 4 + 40;
        if hole {
            return;
        }
        let crash = at == bars / 3;
        let sigma = 0.0011 * (self.bar as f64 / (5.0 * MINUTE as f64)).sqrt();
        let wave = (at as f64 / bars as f64 * 19.0).sin() * 0.00012;
        let open = self.price;
        let drift = if crash { -0.062 } else { wave + sigma * self.dice.normal() };
        let close = tick(open * (1.0 + drift));
        let high = tick(open.max(close) * (1.0 + sigma * self.dice.next() * 0.6));
        let low = tick(open.min(close) * (1.0 - sigma * self.dice.next() * 0.6 - if crash { 0.03 } else { 0.0 }));
        self.price = close;
        self.decide(time, at, low, close);
        self.record(time, at, [open, high, low, close]);
    }

    fn decide(&mut self, time: i64, at: usize, low: f64, close: f64) {
        let equity = self.cash + self.position * close;
        if self.position == 0.0 {
            if at > 40 && self.dice.next() < 0.012 {
                self.open(time, close, equity);
            }
            return;
        }
        let open_r = (equity - self.opened_equity) / self.risk;
        (self.worst, self.best) = (self.worst.min(open_r), self.best.max(open_r));
        if let Some(stop) = self.stop.filter(|stop| low <= *stop) {
            let price = tick(stop.min(close.max(low)));
            self.trade(time, price, -self.position, Purpose::Stop, "price fell to the stop of the whole position");
            self.close(time, price, "stop");
        } else if close > self.last_fill + self.n && self.units < 4 {
            if equity / self.peak_equity < 0.97 && self.dice.next() < 0.4 {
                self.refuse(time, close, "drawdown_cap", "add would lift exposure over the cap's 0.60 × equity", false);
                self.last_fill = close;
            } else {
                self.units += 1;
                self.trade(
                    time,
                    close,
                    lot(equity * 0.12 / close),
                    Purpose::Add(self.units),
                    "price moved 1 N past the last fill",
                );
                self.stop = Some(tick(close - 3.0 * self.n));
                self.last_fill = close;
            }
        } else if open_r > 2.0 * f64::from(self.rungs + 1) && self.rungs < 2 {
            self.rungs += 1;
            self.trade(time, close, -lot(self.position * 0.25), Purpose::Rung(self.rungs), "2 R reached");
        } else if self.dice.next() < 0.0012 {
            let quantity = lot(self.position * 0.3);
            self.trade(time, close, -quantity, Purpose::Cut, "drawdown 11.2 % is over 10 %: × 0.60");
            let plan = self.run.plans.len() as u64;
            let exposure = quantity * close / equity;
            self.run.bars.headroom[0].cuts.push(LimitCut { time, instrument: 0, quantity, exposure, plan });
        } else if self.dice.next() < 0.004 {
            self.refuse(time, close, "buffer", "change of 0.004 is inside the buffer of 0.010", true);
        } else if self.dice.next() < 0.0015 {
            self.trade(time, close, -self.position, Purpose::Exit, "the signal ended");
            self.close(time, close, "signal");
        }
    }

    fn open(&mut self, time: i64, close: f64, equity: f64) {
        (self.units, self.rungs, self.worst, self.best) = (1, 0, 0.0, 0.0);
        let quantity = lot(equity * 0.35 / close);
        (self.opened_equity, self.risk) = (equity, quantity * 3.0 * self.n);
        self.trade(time, close, quantity, Purpose::Entry, "close above the highest high of 48 hours");
        self.stop = Some(tick(close - 3.0 * self.n));
        self.last_fill = close;
        for (index, r) in [(1, 2.0), (2, 4.0)] {
            self.run.instruments[0].rungs.push(Rung {
                strategy: 0,
                index,
                price: tick(close + r * 3.0 * self.n),
                from: time,
                to: time,
                end: RungEnd::Armed,
            });
        }
        self.twin = lot((self.twin_cash + 0.0) / close);
        self.twin_cash -= self.twin * close * 1.0005;
        self.run.costs.twin.traded += self.twin * close;
        self.run.costs.twin.fees += self.twin * close * 0.0005;
        self.run.campaigns.push(Campaign {
            campaign: self.run.campaigns.len() as u64 + 1,
            strategy: 0,
            instrument: 0,
            long: true,
            opened: time,
            closed: None,
            entry: close,
            exit: None,
            unit_n: self.n,
            initial_stop: self.stop,
            units: 1,
            rungs: 0,
            peak: quantity,
            profit: 0.0,
            fees: quantity * close * 0.0005,
            funding: -12.5,
            r: None,
            mae_r: None,
            mfe_r: None,
            ended_by: "still open".into(),
        });
    }

    fn close(&mut self, time: i64, price: f64, ended_by: &str) {
        let profit = self.cash - self.opened_equity;
        self.stop = None;
        for rung in self.run.instruments[0].rungs.iter_mut().filter(|rung| rung.to == rung.from) {
            rung.to = time;
            rung.end = if rung.index <= self.rungs { RungEnd::Filled } else { RungEnd::Lapsed };
        }
        self.twin_cash += self.twin * price * 0.9995;
        self.run.costs.twin.traded += self.twin * price;
        self.run.costs.twin.fees += self.twin * price * 0.0005;
        self.twin = 0.0;
        let (units, rungs, r, worst, best) = (self.units, self.rungs, profit / self.risk, self.worst, self.best);
        if let Some(campaign) = self.run.campaigns.last_mut() {
            (campaign.closed, campaign.exit, campaign.units, campaign.rungs) = (Some(time), Some(price), units, rungs);
            (campaign.profit, campaign.r) = (profit, Some(r));
            (campaign.mae_r, campaign.mfe_r) = (Some(worst.min(r)), Some(best.max(r)));
            campaign.ended_by = ended_by.into();
        }
        self.run.twin_r.push(r * 0.7 + 0.3 * self.dice.normal());
    }

    fn trade(&mut self, time: i64, price: f64, quantity: f64, purpose: Purpose, because: &str) {
        let (before, value) = (self.position, (quantity * price).abs());
        self.position = lot(self.position + quantity);
        self.cash -= quantity * price + value * 0.0005;
        let costs = &mut self.run.costs.scaled;
        costs.traded += value;
        costs.fees += value * 0.0005;
        costs.spread += value * 0.0001;
        let plan = self.plan(time, price, before, self.position, because, "set");
        self.run.instruments[0].fills.push(Fill {
            strategy: 0,
            time,
            price,
            quantity,
            purpose,
            plan,
            because: because.into(),
        });
        self.run.executions.push(Execution {
            time,
            value,
            slippage: value * 0.0002,
            participation: Some(quantity.abs() / (400.0 + (time / MINUTE % 97) as f64)),
        });
    }

    fn refuse(&mut self, time: i64, price: f64, rule: &str, because: &str, held: bool) {
        let plan = self.plan(time, price, self.position, self.position, because, if held { "held" } else { "refused" });
        let (rule, because) = (rule.into(), because.into());
        self.run.instruments[0].refusals.push(Refusal { strategy: 0, time, price, rule, because, plan, held });
    }

    fn plan(&mut self, time: i64, price: f64, before: f64, after: f64, because: &str, outcome: &str) -> u64 {
        let plan = self.run.plans.len() as u64 + 1;
        let step = |rule: &str, before, after, outcome: &str, because: &str| PlanStep {
            rule: rule.into(),
            before,
            after,
            outcome: outcome.into(),
            because: because.into(),
        };
        let steps = vec![
            step("signal.donchian", before, before, "kept", "long since the breakout at 114,820.0"),
            step("vol_target", before, before, "kept", "target 60 % / implied 41.2 %, frozen at entry"),
            step("pyramid", before, after, outcome, because),
            step("caps.leverage", after, after, "kept", "0.61 × equity is under 2.50"),
            step("trim", after, after, "kept", "rounded toward zero to lots of 0.001 BTC"),
        ];
        self.run.plans.push(Plan { plan, strategy: 0, instrument: 0, time, price, steps });
        plan
    }

    fn record(&mut self, time: i64, at: usize, [open, high, low, close]: [f64; 4]) {
        let equity = self.cash + self.position * close;
        let twin_equity = self.twin_cash + self.twin * close;
        self.peak_equity = self.peak_equity.max(equity);
        let (bars, traded) = (&mut self.run.bars, &mut self.run.instruments[0]);
        if let Some(last) = bars.time.last().filter(|last| time - **last > self.bar) {
            self.run.gaps.push(Gap { from: *last, to: time });
            traded.gaps.push(Gap { from: *last, to: time });
        }
        bars.time.push(time);
        bars.equity.push(equity);
        bars.paid_in.push(1e6);
        bars.exposure.push(self.position * close / equity);
        bars.gross.push(self.position * close / equity);
        traded.time.push(time);
        traded.open.push(open);
        traded.high.push(high);
        traded.low.push(low);
        traded.close.push(close);
        traded.position.push(self.position);
        traded.exposure.push(self.position * close / equity);
        traded.twin_exposure.push(self.twin * close / twin_equity);
        traded.stops[0].price.push(self.stop);
        let capped = self.position > 0.0 && equity / self.peak_equity < 0.985;
        bars.cap.push(capped.then_some(u16::from(at.is_multiple_of(97))));
        let volatility = 0.45 + 0.15 * (at as f64 / 900.0).sin();
        traded.volatility.push((at > 20).then_some(volatility));
        bars.asked.push((self.position > 0.0).then_some(0.3 / volatility));
        let drawdown = 1.0 - equity / self.peak_equity;
        let exposure = self.position * close / equity;
        for (limit, left) in bars.headroom.iter_mut().zip([1.0 - drawdown / 0.2, 1.0 - exposure / 2.5]) {
            limit.left.push(Some(left));
        }
        self.run.twin.equity.push(twin_equity);
        self.run.twin.paid_in.push(1e6);
        self.run.twin.exposure.push(self.twin * close / twin_equity);
    }

    fn finish(mut self, end: i64) -> RunSummary {
        self.run.header.end = end;
        for rung in self.run.instruments[0].rungs.iter_mut().filter(|rung| rung.to == rung.from) {
            rung.to = end;
        }
        let days = (end - START) as f64 / DAY as f64;
        for (costs, equity) in
            [(&mut self.run.costs.scaled, &self.run.bars.equity), (&mut self.run.costs.twin, &self.run.twin.equity)]
        {
            costs.net = equity.last().copied().unwrap_or(1e6) - 1e6;
            costs.funding = -40.0 * days;
            costs.slippage = costs.traded * 0.0001;
            *costs =
                CostLines { gross: costs.net + costs.fees + costs.spread + costs.slippage - costs.funding, ..*costs };
        }
        let variant = |name: &str, instead: &str, earned| Variant {
            name: name.into(),
            instead: instead.into(),
            total_return: Some(earned),
            cagr: Some(earned),
            fills: 12,
            ..Variant::default()
        };
        self.run.variants = vec![
            variant("as declared", "", 0.04),
            variant("without pyramid", "the whole size at once", -0.01),
            variant("twin", "constant quantity, no technique", 0.06),
        ];
        self.run.parts = vec![part_of(&self.run)];
        self.run.integrity = Integrity {
            chain: self.run.header.run.clone(),
            state: "c0ffee".repeat(10),
            replayed: Some(true),
            residual: "0".into(),
            acted: self.run.instruments[0].fills.len() as u64,
            refused: vec![("buffer".into(), 21), ("cooldown".into(), 9), ("cap".into(), 3)],
            bars: self.run.bars.time.len() as u64,
            ambiguous_bars: 17,
            quiet: Some((52_704, 41_210, 11_494)),
            path_profit: Some((self.run.costs.scaled.net, self.run.costs.scaled.net + 1_840.0)),
            liquidations: vec![
                "No liquidation; the nearest venue liquidation was 9.8 % away at 2025-10-10 21:20:00Z.".into(),
            ],
            notes: vec!["93 funding stamps were snapped to their interval.".into()],
            ..Integrity::default()
        };
        self.run
    }
}

fn tick(price: f64) -> f64 {
    (price * 10.0).round() / 10.0
}

fn lot(quantity: f64) -> f64 {
    (quantity * 1000.0).trunc() / 1000.0
}
