//! A policy as canonical text: every value that it holds, defaults too, in one fixed order and spelling.

use crate::parse::guards::DAYS;
use crate::parse::hedges::WHALLEY_WILMOTT;
use crate::parse::value::{TIMES, is_currency};
use crate::spec::{
    AccountTerms, Adoption, Allocation, Alternative, Band, Blackout, Caps, Correlation, FactLimit, Flow, FlowKind,
    Guards, Hedge, HedgeOption, HedgeTerms, Ladder, LegStrike, LimitAction, Modes, Money, OptionCosts, OptionMargin,
    OrderSize, Policy, Pyramid, Rearm, Roll, RungAt, Setting, Signal, SignalKind, Size, SizeKind, Stop, Structure,
    Trade, UnitSource, VERSION, VolatilitySource, settlements,
};
use crate::symbol::base;
use crate::words::Word;
use std::fmt::Write;
use units::{Cash, Duration, Rate, Ratio};

/// The canonical text of a policy. [`crate::parse`] reads exactly the same policy back.
#[must_use]
pub fn to_toml(policy: &Policy) -> String {
    let mut out = Printer::default();
    out.line("policy", VERSION);
    out.line("name", escaped(&policy.name));
    match &policy.instruments[..] {
        _ if policy.structure.is_some() => {}
        [only] => out.line("instrument", escaped(only)),
        several => {
            out.text.push_str("instruments = [\n");
            for instrument in several {
                out.write(format_args!("    {},\n", escaped(instrument)));
            }
            out.text.push_str("]\n");
        }
    }
    out.quoted("capital", percent(policy.capital));
    if let Some(structure) = &policy.structure {
        out.structure(structure);
    }
    if policy.instruments.len() > 1 || policy.allocation != Allocation::default() {
        out.section("allocation");
        out.quoted("over", policy.allocation.over.word());
        out.line("multiplier", policy.allocation.multiplier);
        if let Some(budget) = policy.allocation.drawdown {
            out.quoted("drawdown", percent(budget.most));
            out.each("drawdown_window", budget.window.map(|window| format!("\"{}\"", time(window))));
        }
        if let Some(Correlation { days, weights }) = policy.allocation.correlation {
            out.quoted("correlation", format_args!("{days}d"));
            out.quoted("weights", weights.word());
        }
    }
    out.accounts(&policy.accounts);
    out.signal(&policy.signal);
    if let Some(unit) = &policy.unit {
        out.unit(unit);
    }
    out.size(&policy.size, policy.quote());
    if let Some(pyramid) = &policy.pyramid {
        out.pyramid(pyramid);
    }
    if let Some(stop) = &policy.stop {
        out.stop(stop);
    }
    if let Some(ladder) = &policy.ladder {
        out.ladder(ladder, policy.quote());
    }
    if let Some(streak) = &policy.streak {
        out.section("streak");
        out.line("factor", streak.factor);
        out.line("cap", streak.cap);
        out.quoted("over", streak.over.word());
    }
    out.caps(&policy.caps);
    if let Some(floor) = &policy.floor {
        out.section("floor");
        out.quoted("of", floor.of.word());
        out.quoted("share", percent(floor.share));
        out.line("multiplier", floor.multiplier);
        out.quoted("tolerance", percent(floor.tolerance));
    }
    for limit in &policy.limits {
        out.limit(limit);
    }
    for hedge in &policy.hedges {
        out.hedge(hedge);
    }
    let base = if let [only] = &policy.instruments[..] { base(only) } else { None };
    out.trade(&policy.trade, (base, policy.quote()));
    out.modes(&policy.modes);
    out.guards(&policy.guards, (base, policy.quote()));
    out.backtest(policy);
    for flow in &policy.backtest.flows {
        out.flow(flow);
    }
    for adoption in &policy.adopt {
        out.adoption(adoption);
    }
    out.text
}

#[derive(Default)]
struct Printer {
    text: String,
}

impl Printer {
    /// A number as it is declared, or the expression that gives it.
    fn setting<T: Copy>(&mut self, key: &str, setting: &Setting<T>, declared: impl Fn(T) -> String) {
        match setting {
            Setting::Declared(value) => self.line(key, declared(*value)),
            Setting::Reckoned(reckoned) => self.quoted(key, &reckoned.expression),
        }
    }

    fn hedge(&mut self, hedge: &Hedge) {
        self.entry("hedges");
        self.line("instrument", escaped(&hedge.instrument));
        if !hedge.strategies.is_empty() {
            self.list("strategies", hedge.strategies.iter().map(|name| escaped(name)));
        }
        self.line("target", hedge.target);
        match hedge.band {
            Band::Coins(coins) => self.line("band", coins),
            Band::OfGross(share) => self.quoted("band", percent(share)),
            Band::WhalleyWilmott { risk_aversion } => {
                self.quoted("band", WHALLEY_WILMOTT);
                self.line("risk_aversion", risk_aversion);
            }
        }
        self.quoted("to", hedge.to.word());
        let Some(choice) = &hedge.choice else { return };
        let terms = |terms: &HedgeTerms| {
            let share = |key: &str, share: Option<Ratio>| {
                share.map(|share| format!("{key} = \"{}\"", percent(share))).unwrap_or_default()
            };
            [share("cost", terms.cost), share("margin", terms.margin)]
        };
        if !choice.alternatives.is_empty() {
            self.text.push_str("alternatives = [\n");
            for Alternative { instrument, terms: own, option } in &choice.alternatives {
                if let Some(option) = option {
                    self.hedge_option(option);
                    continue;
                }
                self.write(format_args!("    {{ instrument = {}", escaped(instrument)));
                for pair in terms(own).iter().filter(|pair| !pair.is_empty()) {
                    self.write(format_args!(", {pair}"));
                }
                self.text.push_str(" },\n");
            }
            self.text.push_str("]\n");
        }
        self.line("give_up", choice.gives_up);
        self.quoted("horizon", time(choice.horizon));
        self.quoted("capital_cost", percent(choice.capital_cost));
        for pair in terms(&choice.own).iter().filter(|pair| !pair.is_empty()) {
            self.write(format_args!("{pair}\n"));
        }
    }

    fn hedge_option(&mut self, option: &HedgeOption) {
        let HedgeOption { structure, expected } = option;
        let Some(leg) = structure.legs.first() else { return };
        let (chain, right, days) = (escaped(&structure.chain), leg.right.word(), leg.days);
        let strike = strike(leg.strike);
        self.write(format_args!("    {{ chain = {chain}, right = \"{right}\", {strike}, days = {days}"));
        match expected {
            Setting::Declared(volatility) => {
                self.write(format_args!(", expected_volatility = \"{}\" }},\n", percent(volatility)));
            }
            Setting::Reckoned(by) => {
                let expression = escaped(&by.expression.to_string());
                self.write(format_args!(", expected_volatility = {expression} }},\n"));
            }
        }
    }

    fn signal(&mut self, signal: &Signal) {
        self.section("signal");
        match &signal.kind {
            SignalKind::Constant { strength } => {
                self.quoted("kind", "constant");
                self.line("strength", strength);
            }
            SignalKind::Series { name, max_age } => {
                self.quoted("kind", "series");
                self.quoted("series", name);
                self.quoted("max_age", time(*max_age));
            }
            SignalKind::Momentum { bar, lookback } => {
                self.quoted("kind", "momentum");
                self.quoted("bar", time(*bar));
                self.line("lookback", lookback);
            }
            SignalKind::EmaCross { bar, fast, slow } => {
                self.quoted("kind", "ema_cross");
                self.quoted("bar", time(*bar));
                self.line("fast", fast);
                self.line("slow", slow);
            }
            SignalKind::Donchian { bar, entry, exit } => {
                self.quoted("kind", "donchian");
                self.quoted("bar", time(*bar));
                self.line("entry", entry);
                self.line("exit", exit);
            }
        }
        self.quoted("sides", signal.sides.word());
        self.quoted("reentry", signal.reentry.word());
        self.each("when", signal.when.as_ref().map(|when| format!("\"{when}\"")));
    }

    fn structure(&mut self, structure: &Structure) {
        self.section("structure");
        self.line("chain", escaped(&structure.chain));
        self.text.push_str("legs = [\n");
        for leg in &structure.legs {
            let strike = strike(leg.strike);
            let (right, days, ratio) = (leg.right.word(), leg.days, leg.ratio);
            self.write(format_args!("    {{ right = \"{right}\", {strike}, days = {days}, ratio = {ratio} }},\n"));
        }
        self.text.push_str("]\n");
        if let Some(spread) = structure.max_spread {
            self.quoted("max_spread", percent(spread));
        }
        if let Some(least) = structure.min_open_interest {
            self.line("min_open_interest", least);
        }
        match structure.roll {
            Roll::Before(before) => self.quoted("roll", time(before)),
            Roll::AtSettlement => self.quoted("roll", "settlement"),
            Roll::Never => self.quoted("roll", "never"),
        }
        self.quoted("sticky", structure.sticky.word());
    }

    fn unit(&mut self, unit: &UnitSource) {
        self.section("unit");
        match unit {
            UnitSource::AverageTrueRange { bars, bar } => self.quoted("n", format!("atr({bars}, {})", time(*bar))),
            UnitSource::OfPrice { share } => self.quoted("n", format!("of_price({})", percent(share))),
            UnitSource::ImpliedMove { series, max_age } => {
                self.quoted("n", format!("implied_move({series}, {})", time(*max_age)));
            }
        }
    }

    fn size(&mut self, size: &Size, quote: Option<&str>) {
        self.section("size");
        match &size.kind {
            SizeKind::FixedNotional { notional } => {
                self.quoted("kind", "fixed_notional");
                self.quoted("notional", money(*notional, quote));
            }
            SizeKind::FixedFraction { fraction } => {
                self.quoted("kind", "fixed_fraction");
                self.setting("fraction", fraction, |fraction| fraction.to_string());
            }
            SizeKind::RiskPerTrade { risk } => {
                self.quoted("kind", "risk_per_trade");
                self.setting("risk", risk, |risk| format!("\"{}\"", percent(risk)));
            }
            SizeKind::VolatilityTarget { target, sources, ratio_max_age, volatility_floor, exposure_cap } => {
                self.quoted("kind", "volatility_target");
                self.setting("target", target, |target| format!("\"{}\"", percent(target)));
                match &sources[..] {
                    [only] => self.quoted("volatility", volatility(only)),
                    chain => self.list("volatility", chain.iter().map(|source| format!("\"{}\"", volatility(source)))),
                }
                if VolatilitySource::scaled(sources).contains(&true) {
                    self.quoted("ratio_max_age", time(*ratio_max_age));
                }
                self.each("volatility_floor", volatility_floor.as_ref().map(|floor| format!("\"{}\"", percent(floor))));
                if let Some(cap) = exposure_cap {
                    self.setting("exposure_cap", cap, |cap| cap.to_string());
                }
            }
            SizeKind::GreekTarget { greek, level, band, strategies } => {
                self.quoted("kind", "greek_target");
                self.quoted("greek", greek.word());
                self.line("level", level);
                self.line("band", band);
                if !strategies.is_empty() {
                    self.list("strategies", strategies.iter().map(|name| escaped(name)));
                }
            }
        }
        self.quoted("resize", size.resize.word());
    }

    fn pyramid(&mut self, pyramid: &Pyramid) {
        self.section("pyramid");
        self.line("units", pyramid.shares.len());
        let equal = 1.0 / pyramid.shares.len() as f64;
        if pyramid.shares.iter().any(|share| *share != equal) {
            self.list("weights", &pyramid.shares);
        }
        self.quoted("spacing", pyramid.spacing.word());
        self.setting("step", &pyramid.step, |step| format!("\"{step}N\""));
        self.each("max_chase", pyramid.max_chase.map(|chase| format!("\"{chase}N\"")));
        self.line("max_units_per_event", pyramid.max_units_per_event);
        self.each("when", pyramid.when.as_ref().map(|when| format!("\"{when}\"")));
    }

    fn stop(&mut self, stop: &Stop) {
        self.section("stop");
        self.quoted("initial", format!("{}N", stop.initial));
        self.quoted("follow", stop.follow.word());
        if let Some(trail) = &stop.trail {
            self.setting("trail", trail, |trail| format!("\"{trail}N\""));
        }
        self.each("break_even_after", stop.break_even_after);
        let trigger = stop.trigger;
        if let Some(stop) = stop.time {
            self.quoted("time", time(stop.after));
            self.quoted("time_reach", format!("{}R", stop.reach));
        }
        self.quoted("trigger", trigger.word());
    }

    fn ladder(&mut self, ladder: &Ladder, quote: Option<&str>) {
        self.section("ladder");
        self.list("at", ladder.rungs.iter().map(|rung| format!("\"{}\"", rung_at(rung.at, ladder, quote))));
        self.list("fractions", ladder.rungs.iter().map(|rung| rung.fraction));
        self.quoted("of", ladder.of.word());
        self.line("readd", ladder.readd);
        self.line("runner", ladder.runner);
        self.quoted("trigger", ladder.trigger.word());
    }

    fn caps(&mut self, caps: &Caps) {
        if *caps == Caps::default() {
            return;
        }
        self.section("caps");
        if let Some(cap) = &caps.leverage {
            self.setting("leverage", &cap.limit, |limit| limit.to_string());
            self.setting("leverage_restore", &cap.restore, |restore| restore.to_string());
        }
        if !caps.drawdown.is_empty() {
            self.text.push_str("drawdown = [\n");
            for level in &caps.drawdown {
                let (at, restore) = (percent(level.at), percent(level.restore));
                self.write(format_args!(
                    "    {{ at = \"{at}\", restore = \"{restore}\", factor = {} }},\n",
                    level.factor
                ));
            }
            self.text.push_str("]\n");
        }
        self.each(
            "rearm",
            caps.rearm.map(|rearm| match rearm {
                Rearm::After(span) => format!("\"{}\"", time(span)),
                Rearm::Recovered(share) => format!("\"{}\"", percent(share)),
            }),
        );
        self.each("daily_loss", caps.daily_loss.map(|loss| format!("\"{}\"", percent(loss))));
        self.each("weekly_loss", caps.weekly_loss.map(|loss| format!("\"{}\"", percent(loss))));
        if caps.daily_loss.or(caps.weekly_loss).is_some() {
            self.quoted("on_loss", caps.on_loss.word());
        }
        if let Some(risk) = caps.open_risk {
            self.quoted("open_risk", percent(risk.cap));
            self.quoted("gap", percent(risk.gap));
            self.each("exit_cost", risk.exit_cost.map(|cost| format!("\"{}\"", percent(cost))));
        }
        self.each("liquidation_distance", caps.liquidation_distance.map(|gap| format!("\"{}\"", percent(gap))));
        if let Some(cap) = caps.participation {
            self.quoted("participation", percent(cap.share));
            self.quoted("participation_window", time(cap.window));
            let names: Vec<String> = caps.depth.iter().map(|name| format!("\"{name}\"")).collect();
            self.each("depth", (!names.is_empty()).then(|| format!("[{}]", names.join(", "))));
            if let Some(exit) = cap.exit {
                self.quoted("exit_time", time(exit.limit));
                self.quoted("exit_time_restore", time(exit.restore));
                self.quoted("usual_volume", time(exit.usual));
            }
        }
    }

    fn limit(&mut self, limit: &FactLimit) {
        self.entry("limits");
        self.each("name", limit.name.map(|name| format!("\"{name}\"")));
        self.quoted("of", &limit.of);
        self.quoted(limit.breached.word(), &limit.limit);
        self.quoted("restore", &limit.restore);
        self.quoted("action", limit.action.word());
        if limit.action == LimitAction::Reduce {
            self.quoted("cut", limit.cut.word());
        }
    }

    fn trade(&mut self, trade: &Trade, currencies: (Option<&str>, Option<&str>)) {
        if *trade == Trade::default() {
            return;
        }
        self.section("trade");
        self.each("buffer", trade.buffer.map(|buffer| format!("\"{}\"", percent(buffer))));
        self.quoted("buffer_to", trade.buffer_to.word());
        self.each("min_order", trade.min_order.map(|qty| format!("\"{qty}\"")));
        self.each("dust", trade.dust.map(|dust| order_size(dust, currencies)));
    }

    fn modes(&mut self, modes: &Modes) {
        if *modes == Modes::default() {
            return;
        }
        self.section("modes");
        for (mode, when) in modes.conditions() {
            self.quoted(mode.rule(), when);
        }
        if modes.conditions().next().is_some() {
            self.quoted("restore_after", time(modes.restore_after));
        }
        self.each("stale_after", modes.stale_after.map(|after| format!("\"{}\"", time(after))));
    }

    fn guards(&mut self, guards: &Guards, currencies: (Option<&str>, Option<&str>)) {
        if *guards == Guards::default() {
            return;
        }
        self.section("guards");
        self.each("price_collar", guards.price_collar.map(|collar| format!("\"{}\"", percent(collar))));
        self.each("max_order", guards.max_order.map(|most| order_size(most, currencies)));
        self.each("max_orders", guards.max_orders.map(|rate| rate.count));
        self.each("per", guards.max_orders.map(|rate| format!("\"{}\"", time(rate.per))));
        if !guards.blackout.is_empty() {
            self.list("blackout", guards.blackout.iter().map(|window| format!("\"{}\"", blackout(*window))));
        }
    }

    fn backtest(&mut self, policy: &Policy) {
        let backtest = &policy.backtest;
        self.section("backtest");
        if policy.accounts.is_empty() {
            // Where the symbol tells the currency it is shown, given or not.
            let told = policy.instruments.first().map_or_else(Vec::new, |first| settlements(first));
            let told = if let [only] = told[..] { Some(only) } else { None };
            self.quoted("deposit", money(backtest.deposit, backtest.deposit_currency.as_deref().or(told)));
        }
        if backtest.fee_tiers.is_empty() {
            self.quoted("taker_fee", basis_points(backtest.taker_fee));
            self.quoted("maker_fee", basis_points(backtest.maker_fee));
        } else {
            let currency = backtest.fee_currency.as_deref().unwrap_or("USD");
            self.text.push_str("fee_tiers = [\n");
            for tier in &backtest.fee_tiers {
                let volume = money(tier.volume, Some(currency));
                let (taker, maker) = (basis_points(tier.taker), basis_points(tier.maker));
                self.write(format_args!(
                    "    {{ volume = \"{volume}\", taker = \"{taker}\", maker = \"{maker}\" }},\n"
                ));
            }
            self.text.push_str("]\n");
        }
        self.quoted("half_spread", basis_points(backtest.half_spread));
        self.quoted("slippage", basis_points(backtest.slippage));
        if !backtest.impact.is_zero() {
            self.quoted("impact", basis_points(backtest.impact));
        }
        if backtest.options != OptionCosts::default() {
            self.quoted("option_fee", basis_points(backtest.options.fee));
            match backtest.options.margin {
                OptionMargin::Venue => self.quoted("option_margin", "venue"),
                OptionMargin::Flat { initial, maintenance } => {
                    self.quoted("option_margin", basis_points(initial));
                    self.quoted("option_maintenance", basis_points(maintenance));
                }
            }
        }
        self.quoted("latency", time(backtest.latency));
        self.line("twin_base", backtest.twin_base);
    }

    fn accounts(&mut self, accounts: &[AccountTerms]) {
        for account in accounts {
            self.entry("accounts");
            self.quoted("venue", &account.venue);
            self.each("numeraire", account.numeraire.as_deref().map(escaped));
            let deposits = account.deposits.iter().map(|paid| money(paid.amount, paid.currency.as_deref()));
            match &deposits.collect::<Vec<_>>()[..] {
                [only] => self.quoted("deposit", only),
                several => self.list("deposit", several.iter().map(|deposit| format!("\"{deposit}\""))),
            }
        }
    }

    fn flow(&mut self, flow: &Flow) {
        self.entry("backtest.flows");
        self.quoted("at", flow.at);
        let moved = |moved: &Money| money(moved.amount, Some(&moved.currency));
        match &flow.kind {
            FlowKind::Deposit { account, money } => {
                self.quoted("deposit", moved(money));
                self.quoted("account", account);
            }
            FlowKind::Withdraw { account, money } => {
                self.quoted("withdraw", moved(money));
                self.quoted("account", account);
            }
            FlowKind::Transfer { from, to, money } => {
                self.quoted("transfer", moved(money));
                self.quoted("from", from);
                self.quoted("to", to);
            }
            FlowKind::Convert { account, money, into } => {
                self.quoted("convert", moved(money));
                self.quoted("into", into);
                self.quoted("account", account);
            }
        }
    }

    fn adoption(&mut self, adoption: &Adoption) {
        self.entry("adopt");
        self.line("instrument", escaped(&adoption.instrument));
        self.quoted("quantity", grouped(&adoption.quantity.to_string()));
        self.quoted("entry", grouped(&adoption.entry.to_string()));
        self.each("n", adoption.unit.map(|unit| format!("\"{}\"", grouped(&unit.to_string()))));
        self.each("stop", adoption.stop.map(|stop| format!("\"{}\"", grouped(&stop.to_string()))));
        self.line("units", adoption.units);
        self.each("opened", adoption.opened.map(|opened| format!("\"{opened}\"")));
    }

    fn entry(&mut self, name: &str) {
        self.write(format_args!("\n[[{name}]]\n"));
    }

    fn section(&mut self, name: &str) {
        self.write(format_args!("\n[{name}]\n"));
    }

    fn line(&mut self, key: &str, value: impl std::fmt::Display) {
        self.write(format_args!("{key} = {value}\n"));
    }

    fn quoted(&mut self, key: &str, value: impl std::fmt::Display) {
        self.write(format_args!("{key} = \"{value}\"\n"));
    }

    fn each(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.line(key, value);
        }
    }

    fn list(&mut self, key: &str, values: impl IntoIterator<Item = impl std::fmt::Display>) {
        let values: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
        self.write(format_args!("{key} = [{}]\n", values.join(", ")));
    }

    fn write(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _infallible = self.text.write_fmt(line);
    }
}

/// What a rung waits for, as it is written.
fn rung_at(at: RungAt, ladder: &Ladder, quote: Option<&str>) -> String {
    match at {
        RungAt::R(r) => format!("{r}R"),
        RungAt::N(n) => format!("{n}N"),
        RungAt::Profit(share) => percent(share),
        RungAt::Price(price) => {
            let price = grouped(&price.to_string());
            quote.map_or(price.clone(), |quote| format!("{price} {quote}"))
        }
        RungAt::Time(span) => time(span),
        RungAt::Volatility(level) => format!("volatility({})", percent(level)),
        RungAt::When(at) => ladder.conditions.get(usize::from(at)).map(ToString::to_string).unwrap_or_default(),
    }
}

/// A quantity, or an amount in one of two currencies, base and quote.
fn order_size(size: OrderSize, (base, quote): (Option<&str>, Option<&str>)) -> String {
    let text = match size {
        OrderSize::Qty(qty) => grouped(&qty.to_string()),
        OrderSize::Base(qty) => {
            let qty = grouped(&qty.to_string());
            base.map_or(qty.clone(), |base| format!("{qty} {base}"))
        }
        OrderSize::Quote(value) => money(value, quote),
        OrderSize::Worth(value, code) => money(value, Some(code.as_str())),
    };
    format!("\"{text}\"")
}

fn blackout(window: Blackout) -> String {
    let clock = |since: Duration| {
        let minutes = since.nanos() / Duration::MINUTE.nanos();
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    };
    let day = |since: Duration| {
        let day = since.nanos() / Duration::DAY.nanos();
        let name = DAYS.get(day as usize).unwrap_or(&DAYS[0]);
        format!("{name} {}", clock(Duration::from_nanos(since.nanos() % Duration::DAY.nanos())))
    };
    match window {
        Blackout::Daily { from, to } => format!("{}-{}", clock(from), clock(to)),
        Blackout::Weekly { from, to } => format!("{}-{}", day(from), day(to)),
        Blackout::Once { from, lasts } => format!("{from}/{}", time(lasts)),
    }
}

/// A source of volatility as it is called.
pub(crate) fn volatility(source: &VolatilitySource) -> String {
    let bars =
        |name: &str, half_life: &Duration, bar: &Duration| format!("{name}({}, {})", time(*half_life), time(*bar));
    match source {
        VolatilitySource::Series { name, max_age } => format!("series({name}, {})", time(*max_age)),
        VolatilitySource::Ewma { half_life, bar } => bars("ewma", half_life, bar),
        VolatilitySource::Parkinson { half_life, bar } => bars("parkinson", half_life, bar),
        VolatilitySource::GarmanKlass { half_life, bar } => bars("garman_klass", half_life, bar),
        VolatilitySource::Blend { first, second, weight } => {
            format!("blend({}, {}, {})", volatility(first), volatility(second), percent(weight))
        }
    }
}

/// A share as an exact percentage: the point is moved in the text, so that it reads back as the same double.
fn strike(of: LegStrike) -> String {
    match of {
        LegStrike::Delta(delta) => format!("delta = {delta}"),
        LegStrike::Moneyness(share) => format!("moneyness = \"{}\"", percent(share)),
    }
}

fn percent(share: impl std::fmt::Display) -> String {
    format!("{}%", shifted(&share.to_string(), 2))
}

fn basis_points(rate: Rate) -> String {
    format!("{}bp", shifted(&rate.to_string(), 4))
}

/// A decimal × 10^`places`, by moving its point.
fn shifted(decimal: &str, places: usize) -> String {
    let (sign, digits) = decimal.strip_prefix('-').map_or(("", decimal), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = format!("{fraction:0<places$}");
    let (moved, rest) = padded.split_at(places);
    let whole = format!("{whole}{moved}");
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

/// A span in the largest unit that divides it.
pub(crate) fn time(span: Duration) -> String {
    let nanos = span.nanos();
    let unit = TIMES.iter().find(|(name, size)| nanos % size == 0 && nanos != 0 && *name != "w");
    unit.map_or_else(|| "0s".to_owned(), |(name, size)| format!("{}{name}", nanos / size))
}

/// An amount, with its currency where it is known.
fn money(amount: Cash, currency: Option<&str>) -> String {
    let amount = grouped(&amount.to_string());
    // A numéraire such as 1INCH is none that an amount could be written in.
    currency.filter(|currency| is_currency(currency)).map_or(amount.clone(), |currency| format!("{amount} {currency}"))
}

/// Thousands of the whole part set apart by `_`.
fn grouped(decimal: &str) -> String {
    let (sign, decimal) = decimal.strip_prefix('-').map_or(("", decimal), |decimal| ("-", decimal));
    let (whole, rest) = decimal.split_at(decimal.find('.').unwrap_or(decimal.len()));
    let digits = whole.len();
    let mut text = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (digits - at).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text + rest
}

/// A TOML basic string.
fn escaped(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_print_as_they_are_written() {
        assert_eq!(percent(0.6), "60%");
        assert_eq!(percent(0.055), "5.5%");
        assert_eq!(percent(5.0), "500%");
        assert_eq!(percent(0.0), "0%");
        assert_eq!(basis_points("0.0005".parse().unwrap()), "5bp");
        assert_eq!(basis_points("-0.00000123".parse().unwrap()), "-0.0123bp");
        assert_eq!(time(Duration::from_nanos(14 * Duration::DAY.nanos())), "14d");
        assert_eq!(time(Duration::from_nanos(90 * Duration::MINUTE.nanos())), "90m");
        assert_eq!(time(Duration::from_nanos(250_000_000)), "250ms");
        assert_eq!(time(Duration::ZERO), "0s");
        assert_eq!(grouped("1000000.5"), "1_000_000.5");
        assert_eq!(grouped("100"), "100");
        assert_eq!(grouped("-100.25"), "-100.25");
        assert_eq!(grouped("-123456"), "-123_456");
        assert_eq!(escaped("a \"b\" \\c"), "\"a \\\"b\\\" \\\\c\"");
    }
}
