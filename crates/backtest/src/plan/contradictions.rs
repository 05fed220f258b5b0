//! What in a portfolio's state cannot be at once: field, value, why and remedy, all of them.

use super::numeraire::Numeraire;
use super::state::{CampaignState, Portfolio, Scope};
use policy::Policy;
use policy::spec::{Resize, SizeKind};
use std::collections::BTreeSet;
use std::fmt::Display;
use units::{Cash, Contract, Price, Qty, Round, Timestamp};

/// All contradictions of a state, each a sentence.
pub(super) fn of(portfolio: &Portfolio, scope: &Scope<'_>, policy: &Policy, numeraire: &Numeraire) -> Vec<String> {
    let mut found = Found(Vec::new());
    found.accounts(portfolio);
    found.instruments(portfolio, scope);
    found.money(scope, numeraire);
    let now = portfolio.time.0;
    for (name, series) in &portfolio.series {
        found.not_later(&format!("series.{name}.time"), Some(series.time.0), now);
    }
    found.facts(portfolio, policy);
    found.positions(portfolio, scope);
    if let Some((at, position)) = scope.position {
        let (place, held) = (format!("positions[{at}]"), position.quantity.0);
        match &position.campaign {
            Some(_) if held.is_zero() => {
                let why = "a campaign lasts from flat to flat";
                found.say(&format!("{place}.quantity"), held, why, "leave \"campaign\" out, or state what is held");
            }
            Some(campaign) => {
                let price = scope.instrument.1.price.0;
                let campaign = Campaign { at: format!("{place}.campaign"), held, price, campaign };
                campaign.anchors(&mut found, now, portfolio.facts.campaign_closed_at.map(|at| at.0));
                campaign.prices(&mut found);
                campaign.quantities(&mut found, policy.size.resize);
                campaign.units(&mut found, policy);
            }
            None if held.is_zero() => {}
            None => {
                found.0.push("a position needs its \"campaign\": entry and base at least".to_owned());
            }
        }
    }
    found.0
}

struct Found(Vec<String>);

impl Found {
    fn say(&mut self, field: &str, value: impl Display, why: impl Display, remedy: impl Display) {
        self.0.push(format!("{field} is {value}: {why}; {remedy}"));
    }

    fn positive(&mut self, field: &str, value: Option<impl Display + Signed>) {
        if let Some(value) = value.filter(|value| value.signum() <= 0) {
            self.0.push(format!("{field} is {value}: it must be over zero"));
        }
    }

    fn not_later(&mut self, field: &str, time: Option<Timestamp>, now: Timestamp) {
        if let Some(time) = time.filter(|time| *time > now) {
            let why = format!("it is newer than the portfolio's time {now}");
            self.say(field, time, why, "state what was known then, or a later \"time\"");
        }
    }

    fn accounts(&mut self, portfolio: &Portfolio) {
        let mut names = BTreeSet::new();
        for (at, account) in portfolio.accounts.iter().enumerate() {
            let (place, equity) = (format!("accounts[{at}]"), account.equity.0);
            if !names.insert(&account.name) {
                self.say(&format!("{place}.name"), &account.name, "another account has that name", "give each its own");
            }
            if equity.raw() <= 0 {
                let why = "sizes are shares of equity, and there is none";
                self.say(&format!("{place}.equity"), equity, why, "state an account with equity, or close by hand");
            }
            if let Some(high) = account.high_water.map(|high| high.0).filter(|high| *high < equity) {
                let why = format!("the highest equity cannot be under the present one, {equity}");
                self.say(&format!("{place}.high_water"), high, why, "state the higher one, or leave it out");
            }
            self.positive(&format!("{place}.day_start"), account.day_start.map(|start| start.0));
            self.positive(&format!("{place}.week_start"), account.week_start.map(|start| start.0));
        }
    }

    /// Coin beside equity, and amounts of the numéraire in what the contract settles in: what is counted must be there and fit.
    fn money(&mut self, scope: &Scope<'_>, numeraire: &Numeraire) {
        let ((at, account), instrument) = (scope.account, scope.instrument.1);
        if instrument.price.0.raw() <= 0 {
            return;
        }
        let place = format!("accounts[{at}]");
        let contract = Contract::from(instrument.contract);
        let (price, symbol) = (instrument.price.0, &instrument.symbol);
        let amounts = [
            ("equity", Some(account.equity)),
            ("day_start", account.day_start),
            ("week_start", account.week_start),
            ("deposits", account.deposits),
        ];
        for (name, amount) in amounts {
            if let Some(amount) = amount.filter(|amount| numeraire.settled(amount.0, instrument).is_none()) {
                let why =
                    format!("at a price of {price} it is more than an amount of what `{symbol}` settles in can say");
                self.say(
                    &format!("{place}.{name}"),
                    amount.0,
                    why,
                    "state the numéraire's amount and the price as they are",
                );
            }
        }
        let Some(coins) = account.collateral.map(|coins| coins.0).filter(|coins| coins.raw() != 0) else { return };
        let field = format!("{place}.collateral");
        let whole = match contract {
            Contract::Linear => coins.notional().qty_at(Price::from_raw(Price::ONE), Round::TowardZero),
            Contract::Inverse => contract.qty_for(coins.notional(), price, Round::TowardZero),
        };
        if coins.raw() < 0 {
            let why = "it is coin that lies in the account, zero or more";
            self.say(&field, coins, why, "state what lies there, or leave it out");
        } else if whole.is_none() {
            let why = format!("at a price of {price} it is more of `{symbol}` than the largest quantity, {}", Qty::MAX);
            self.say(&field, coins, why, "state whole coins, not their smallest unit");
        } else if let Some(coin) = &numeraire.coin {
            let why = format!("equity is counted in {coin}, so coin that lies there is part of it and no exposure");
            let remedy =
                "leave it out, or state equity in dollars, with `numeraire = \"USD\"` for the policy's account";
            self.say(&field, coins, why, remedy);
        }
    }

    fn instruments(&mut self, portfolio: &Portfolio, scope: &Scope<'_>) {
        let own = &scope.instrument.1.symbol;
        for instrument in &portfolio.instruments {
            let of = |name: &str| format!("{name} of `{}`", instrument.symbol);
            self.positive(&of("price"), Some(instrument.price.0));
            self.positive(&of("tick"), Some(instrument.tick.0));
            self.positive(&of("lot"), Some(instrument.lot.0));
            self.positive(&of("min_qty"), instrument.min_qty.map(|least| least.0));
        }
        let others = portfolio
            .positions
            .iter()
            .filter(|position| position.instrument != *own && position.account == scope.account.1.name);
        for position in others {
            let kind = portfolio.instruments.iter().find(|known| known.symbol == position.instrument);
            match kind.map(|known| known.contract == scope.instrument.1.contract) {
                Some(true) => {}
                Some(false) => self.0.push(format!(
                    "the position in `{}` is in a contract of another kind than `{own}`: their money cannot be added; \
                     state it under another account",
                    position.instrument
                )),
                None => self.0.push(format!(
                    "the position in `{}` counts toward leverage: add the instrument with its price under \"instruments\"",
                    position.instrument
                )),
            }
        }
    }

    fn positions(&mut self, portfolio: &Portfolio, scope: &Scope<'_>) {
        for (at, position) in portfolio.positions.iter().enumerate() {
            let known = portfolio.accounts.iter().any(|account| account.name == position.account);
            if !known && scope.position.is_none_or(|(own, _)| own != at) {
                let field = format!("positions[{at}].account");
                self.say(&field, &position.account, "there is no such account", "add it under \"accounts\"");
            }
        }
    }

    fn facts(&mut self, portfolio: &Portfolio, policy: &Policy) {
        let (facts, now) = (&portfolio.facts, portfolio.time.0);
        if let Some(signal) = facts.signal.filter(|signal| !(-1.0..=1.0).contains(signal)) {
            self.say("facts.signal", signal, "conviction goes from -1 (short) to 1 (long)", "scale it into that range");
        }
        if let Some(volatility) = facts.volatility.filter(|volatility| *volatility <= 0.0) {
            let why = "sizes are divided by it";
            self.say("facts.volatility", volatility, why, "state it annualised and over zero: 0.4 is 40 %");
        }
        self.positive("facts.unit", facts.unit.map(|unit| unit.0));
        self.not_later("facts.signal_since", facts.signal_since.map(|at| at.0), now);
        self.not_later("facts.volatility_since", facts.volatility_since.map(|at| at.0), now);
        self.not_later("facts.campaign_closed_at", facts.campaign_closed_at.map(|at| at.0), now);
        if let Some(peak) = facts.campaign_closed_peak.filter(|peak| peak.0.is_zero()) {
            let why = "a campaign that held nothing was none";
            self.say("facts.campaign_closed_peak", peak.0, why, "state its largest signed quantity, or leave it out");
        }
        let sources = match &policy.size.kind {
            SizeKind::VolatilityTarget { sources, .. } => sources.len(),
            _ => 0,
        };
        for (field, volume) in [("facts.traded", facts.traded), ("facts.usual_volume", facts.usual_volume)] {
            if let Some(volume) = volume.filter(|volume| volume.0.signum() < 0) {
                self.say(field, volume.0, "a volume has no side", "state it without a sign, or leave it out");
            }
        }
        let source = facts.volatility_source;
        if let Some(source) = source.filter(|source| *source == 0 || *source as usize > sources) {
            let why = format!("the policy's chain of volatility has {sources} sources, counted from 1");
            self.say("facts.volatility_source", source, why, "state which of them it is, or leave it out");
        } else if source.is_some() && facts.volatility.is_none() {
            let why = "it is the source of a volatility that is not stated";
            self.say("facts.volatility_source", source.unwrap_or(0), why, "add facts.volatility, or leave it out");
        }
    }
}

/// What has a sign.
trait Signed {
    fn signum(&self) -> i64;
}

impl Signed for Price {
    fn signum(&self) -> i64 {
        self.raw().signum()
    }
}

impl Signed for Qty {
    fn signum(&self) -> i64 {
        self.raw().signum()
    }
}

impl Signed for Cash {
    fn signum(&self) -> i64 {
        self.raw().signum() as i64
    }
}

/// A campaign with what is held in it, at a price.
struct Campaign<'a> {
    at: String,
    held: Qty,
    price: Price,
    campaign: &'a CampaignState,
}

impl Campaign<'_> {
    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }

    fn is_long(&self) -> bool {
        self.held.raw() > 0
    }

    fn side(&self) -> &'static str {
        if self.is_long() { "long" } else { "short" }
    }

    /// Whether a price is on the losing side of another one: under it for a long, over it for a short.
    fn is_worse(&self, price: Price, than: Price) -> bool {
        if self.is_long() { price < than } else { price > than }
    }

    fn anchors(&self, found: &mut Found, now: Timestamp, closed: Option<Timestamp>) {
        let opened = self.campaign.opened.map(|opened| opened.0);
        found.not_later(&self.field("opened"), opened, now);
        if let Some((opened, closed)) = opened.zip(closed).filter(|(opened, closed)| opened < closed) {
            let why = format!("the last campaign closed later, at {closed}");
            found.say(&self.field("opened"), opened, why, "campaigns of one instrument follow each other");
        }
    }

    fn prices(&self, found: &mut Found) {
        let campaign = self.campaign;
        let prices = [
            ("entry", Some(campaign.entry)),
            ("last_fill", campaign.last_fill),
            ("average", campaign.average),
            ("unit", campaign.unit),
            ("initial_stop", campaign.initial_stop),
            ("stop", campaign.stop),
            ("best", campaign.best),
        ];
        for (name, price) in prices {
            found.positive(&self.field(name), price.map(|price| price.0));
        }
        let (side, entry) = (self.side(), campaign.entry.0);
        let [initial, stop] = [campaign.initial_stop, campaign.stop].map(|stop| stop.map(|stop| stop.0));
        let losing = if self.is_long() { "under" } else { "over" };
        if let Some(initial) = initial.filter(|initial| !self.is_worse(*initial, entry)) {
            let why = format!("the initial stop of a {side} is {losing} its entry, {entry}");
            found.say(&self.field("initial_stop"), initial, why, "state the stop as it was at entry");
        }
        if let Some(stop) = stop.filter(|stop| !self.is_worse(*stop, self.price)) {
            let why =
                format!("the stop of a {side} is {losing} the price, {}: this one would have been filled", self.price);
            found.say(&self.field("stop"), stop, why, "state what is held after it, or the price as it is");
        }
        if let Some((stop, initial)) = stop.zip(initial).filter(|(stop, initial)| self.is_worse(*stop, *initial)) {
            let why = format!("a stop never moves in the losing direction, and the initial one was {initial}");
            found.say(&self.field("stop"), stop, why, "state the stop in force");
        }
        let reached = if self.is_long() { entry.max(self.price) } else { entry.min(self.price) };
        if let Some(best) = campaign.best.map(|best| best.0).filter(|best| self.is_worse(*best, reached)) {
            let why = format!("the best price since entry cannot be worse for a {side} than {reached}");
            found.say(&self.field("best"), best, why, "state the best one, or leave it out");
        }
    }

    fn quantities(&self, found: &mut Found, resize: Resize) {
        let (campaign, held) = (self.campaign, self.held);
        let signed = [
            ("base", Some(campaign.base)),
            ("first", campaign.first),
            ("peak", campaign.peak),
            ("uncut", campaign.uncut),
        ];
        for (name, quantity) in signed {
            if let Some(quantity) = quantity.map(|qty| qty.0).filter(|qty| qty.raw().signum() != held.raw().signum()) {
                let why = format!("the position is {held}, and a campaign has one side");
                found.say(&self.field(name), quantity, why, "give both the same sign");
            }
        }
        let least = [("peak", campaign.peak), ("uncut", campaign.uncut)];
        for (name, quantity) in least {
            if let Some(quantity) = quantity.map(|qty| qty.0).filter(|qty| qty.abs() < held.abs()) {
                let why = format!("it is less than the {held} that is held");
                found.say(&self.field(name), quantity, why, "state at least that, or leave it out");
            }
        }
        if let Some((first, peak)) = campaign.first.zip(campaign.peak).filter(|(one, peak)| one.0.abs() > peak.0.abs())
        {
            let why = format!("the first unit cannot be more than the largest quantity, {}", peak.0);
            found.say(&self.field("first"), first.0, why, "state both as they were filled");
        }
        // A base that follows volatility may have become smaller than what it was filled by.
        if resize == Resize::Entry && held.abs() > campaign.base.0.abs() && !campaign.base.0.is_zero() {
            let why = format!("it is the full size of all units, and {held} is held");
            found.say(&self.field("base"), campaign.base.0, why, "state the full size frozen at entry");
        }
    }

    fn units(&self, found: &mut Found, policy: &Policy) {
        let campaign = self.campaign;
        let units = policy.pyramid.as_ref().map_or(1, |pyramid| pyramid.shares.len());
        let rungs = policy.ladder.as_ref().map_or(0, |ladder| ladder.rungs.len());
        let lists = [
            ("units", &campaign.units, units, "units"),
            ("lapsed", &campaign.lapsed, units, "units"),
            ("rungs_used", &campaign.rungs_used, rungs, "rungs"),
        ];
        for (name, numbers, count, what) in lists {
            let mut seen = BTreeSet::new();
            for number in numbers {
                if *number == 0 || *number as usize > count {
                    let why = format!("the policy has {count} {what}, counted from 1");
                    found.say(
                        &self.field(name),
                        format!("[… {number} …]"),
                        why,
                        "state those that were filled or used",
                    );
                } else if !seen.insert(number) {
                    let why = "a number stands in it twice";
                    found.say(&self.field(name), format!("[… {number} …]"), why, "state it once");
                }
            }
        }
        if campaign.units.is_empty() {
            let why = format!("{} is held, so a unit was filled", self.held);
            found.say(&self.field("units"), "[]", why, "state the units filled, from 1");
        }
        if let Some(both) = campaign.lapsed.iter().find(|unit| campaign.units.contains(unit)) {
            let why = "a unit that was filled has not lapsed";
            found.say(&self.field("lapsed"), format!("[… {both} …]"), why, "state it in one of the lists");
        }
    }
}
