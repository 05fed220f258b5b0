//! A portfolio's state as a file says it, and the facts that it makes.

use super::Moved;
use super::numeraire::Numeraire;
use crate::portfolio::Decimal;
use policy::facts::{self, Code, Facts, Traded, VolatilityOrigin};
use serde::Deserialize;
use std::collections::BTreeMap;
use units::{Cash, Contract, Duration, Price, Qty, Ratio, Round, SeriesId, Timestamp, Vol};

const DAY: Duration = Duration::DAY;

/// What `plan` reads of a portfolio file, whose names and values [`crate::portfolio::read`] has checked.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Portfolio {
    pub(super) time: Decimal<Timestamp>,
    pub(super) accounts: Vec<AccountState>,
    #[serde(default)]
    pub(super) instruments: Vec<InstrumentState>,
    #[serde(default)]
    pub(super) series: BTreeMap<String, SeriesState>,
    #[serde(default)]
    pub(super) facts: FactsState,
    #[serde(default)]
    pub(super) positions: Vec<PositionState>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct AccountState {
    pub(super) name: String,
    /// In the account's numéraire, like all its amounts but `collateral`.
    pub(super) equity: Decimal<Cash>,
    /// Highest equity net of deposits and withdrawals; the present one if absent.
    pub(super) high_water: Option<Decimal<Cash>>,
    /// Equity when the UTC day and the UTC week began, net of deposits and withdrawals since; the present one if absent.
    pub(super) day_start: Option<Decimal<Cash>>,
    pub(super) week_start: Option<Decimal<Cash>>,
    /// Deposits less withdrawals so far.
    pub(super) deposits: Option<Decimal<Cash>>,
    /// Coins of the instrument's underlying, where equity is counted in something else.
    pub(super) collateral: Option<Decimal<Cash>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InstrumentState {
    pub(super) symbol: String,
    pub(super) price: Decimal<Price>,
    pub(super) tick: Decimal<Price>,
    pub(super) lot: Decimal<Qty>,
    pub(super) min_qty: Option<Decimal<Qty>>,
    #[serde(default)]
    pub(super) contract: ContractState,
}

/// How the instrument's value follows its price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ContractState {
    /// Quantities are of the underlying, money of the quote currency.
    #[default]
    Linear,
    /// Quantities are of the quote currency, money is coin.
    Inverse,
}

impl From<ContractState> for Contract {
    fn from(state: ContractState) -> Self {
        match state {
            ContractState::Linear => Self::Linear,
            ContractState::Inverse => Self::Inverse,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SeriesState {
    pub(super) value: f64,
    pub(super) time: Decimal<Timestamp>,
}

/// What the policy's indicators would have found out from history.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct FactsState {
    pub(super) signal: Option<f64>,
    pub(super) signal_since: Option<Decimal<Timestamp>>,
    pub(super) unit: Option<Decimal<Price>>,
    pub(super) volatility: Option<f64>,
    /// Which source of the policy's chain that volatility is of, from 1, and when it was last news.
    pub(super) volatility_source: Option<u32>,
    pub(super) volatility_since: Option<Decimal<Timestamp>>,
    /// What was traded in the last window of `caps.participation`, and usually is in one, as the instrument counts.
    pub(super) traded: Option<Decimal<Qty>>,
    pub(super) usual_volume: Option<Decimal<Qty>>,
    pub(super) campaign_closed_at: Option<Decimal<Timestamp>>,
    /// Signed largest quantity of the campaign that closed last.
    pub(super) campaign_closed_peak: Option<Decimal<Qty>>,
    /// Net R of the campaigns closed so far, in order of close.
    #[serde(default)]
    pub(super) campaigns_closed_r: Vec<f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PositionState {
    pub(super) account: String,
    pub(super) instrument: String,
    pub(super) quantity: Decimal<Qty>,
    pub(super) campaign: Option<CampaignState>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct CampaignState {
    /// When its first fill was.
    pub(super) opened: Option<Decimal<Timestamp>>,
    /// Average entry price of what is held, harmonic for an inverse contract.
    pub(super) average: Option<Decimal<Price>>,
    pub(super) entry: Decimal<Price>,
    pub(super) last_fill: Option<Decimal<Price>>,
    pub(super) unit: Option<Decimal<Price>>,
    pub(super) initial_stop: Option<Decimal<Price>>,
    pub(super) stop: Option<Decimal<Price>>,
    pub(super) base: Decimal<Qty>,
    /// Units filled, from 1.
    #[serde(default = "first_unit")]
    pub(super) units: Vec<u32>,
    #[serde(default)]
    pub(super) lapsed: Vec<u32>,
    /// Rungs used, from 1.
    #[serde(default)]
    pub(super) rungs_used: Vec<u32>,
    pub(super) first: Option<Decimal<Qty>>,
    pub(super) peak: Option<Decimal<Qty>>,
    pub(super) uncut: Option<Decimal<Qty>>,
    pub(super) best: Option<Decimal<Price>>,
}

fn first_unit() -> Vec<u32> {
    vec![1]
}

/// What of a portfolio concerns the policy's instrument.
pub(super) struct Scope<'a> {
    pub(super) account: (usize, &'a AccountState),
    pub(super) instrument: (usize, &'a InstrumentState),
    pub(super) position: Option<(usize, &'a PositionState)>,
}

impl Portfolio {
    /// The account, instrument and position of a symbol.
    pub(super) fn scope(&self, symbol: &str) -> Result<Scope<'_>, String> {
        let mut instruments = self.instruments.iter().enumerate().filter(|(_, known)| known.symbol == symbol);
        let instrument = instruments.next();
        let instrument =
            instrument.ok_or_else(|| format!("the policy trades `{symbol}`; add it under \"instruments\""))?;
        if instruments.next().is_some() {
            return Err(format!("`{symbol}` is under \"instruments\" more than once: state it once"));
        }
        let mut positions = self.positions.iter().enumerate().filter(|(_, position)| position.instrument == symbol);
        let position = positions.next();
        if positions.next().is_some() {
            return Err(format!("more than one position in `{symbol}`"));
        }
        let mut accounts = self.accounts.iter().enumerate();
        let account = match position {
            Some((_, position)) => accounts.find(|(_, account)| account.name == position.account),
            None => accounts.next(),
        };
        let account = account.ok_or_else(|| match position {
            Some(_) => "the position's account is not under \"accounts\"".to_owned(),
            None => "there is no account; add one under \"accounts\"".to_owned(),
        })?;
        Ok(Scope { account, instrument, position })
    }

    /// The same where something is another. Equity follows the position alone, in what its contract settles in, and the coins beside it.
    pub(super) fn moved(&self, symbol: &str, numeraire: &Numeraire, moved: &Moved) -> Result<Self, String> {
        let mut whole = self.clone();
        let scope = self.scope(symbol)?;
        if let Some(price) = moved.price {
            let ((at, account), (index, instrument)) = (scope.account, scope.instrument);
            let held = scope.position.map_or(Qty::ZERO, |(_, position)| position.quantity.0);
            let contract = Contract::from(instrument.contract);
            let from = instrument.price.0;
            let coins = account.collateral.filter(|_| contract == Contract::Linear).map_or(Cash::ZERO, |coins| {
                let by = price.approximate() - from.approximate();
                Cash::from_estimate(coins.0.approximate() * by, Round::Nearest).unwrap_or_default()
            });
            whole.instruments[index].price.0 = price;
            let earned = contract.profit(held, from, price) + coins;
            let there = &whole.instruments[index];
            let equity = numeraire.settled(account.equity.0, instrument).map(|settled| settled + earned);
            whole.accounts[at].equity.0 =
                equity.and_then(|settled| numeraire.counted(settled, there)).unwrap_or_default();
            let worth = whole.accounts[at].equity.0;
            whole.accounts[at].high_water =
                Some(Decimal(account.high_water.map_or(account.equity.0, |high| high.0).max(worth)));
            whole.accounts[at].day_start.get_or_insert(account.equity);
            whole.accounts[at].week_start.get_or_insert(account.day_start.unwrap_or(account.equity));
            let campaign = scope.position.and_then(|(number, _)| whole.positions[number].campaign.as_mut());
            if let Some(best) = campaign.and_then(|campaign| campaign.best.as_mut()) {
                best.0 = if held.signum() >= 0 { best.0.max(price) } else { best.0.min(price) };
            }
        }
        let before = whole.time.0;
        whole.time.0 = before + moved.after;
        // A day or a week that begins meanwhile begins with what there is.
        let week = |time: Timestamp| {
            (time - Duration::from_nanos(4 * DAY.nanos())).floor(Duration::from_nanos(7 * DAY.nanos()))
        };
        for account in &mut whole.accounts {
            if before.floor(DAY) != whole.time.0.floor(DAY) {
                account.week_start = account.week_start.or(account.day_start);
                account.day_start = Some(account.equity);
            }
            if week(before) != week(whole.time.0) {
                account.week_start = Some(account.equity);
            }
        }
        for (name, value) in &moved.series {
            if let Some(series) = whole.series.get_mut(name) {
                (series.value, series.time.0) = (*value, whole.time.0);
            }
        }
        Ok(whole)
    }

    /// The facts of a scope that was found free of contradictions.
    pub(super) fn facts(&self, scope: &Scope<'_>, numeraire: &Numeraire) -> Facts {
        let ((_, account), (_, instrument)) = (scope.account, scope.instrument);
        let mut facts = Facts::new(self.series.len());
        for (at, state) in self.series.values().enumerate() {
            facts.set_now(state.time.0);
            facts.put(facts::series(SeriesId(at as u32)), Ratio::new(state.value));
        }
        facts.set_now(self.time.0);
        facts.set(facts::PRICE, instrument.price.0);
        facts.set(facts::TICK, instrument.tick.0);
        facts.set(facts::LOT, instrument.lot.0);
        facts.set(facts::MIN_QTY, instrument.min_qty.map_or(instrument.lot.0, |least| least.0));
        facts.set(facts::CONTRACT, instrument.contract.into());
        let equity = account.equity.0;
        let settled = |amount| numeraire.settled(amount, instrument).unwrap_or_default();
        facts.set(facts::EQUITY, settled(equity));
        let high_water = account.high_water.map_or(equity, |high| high.0);
        facts.put(facts::DRAWDOWN, Ratio::new((high_water - equity).approximate() / high_water.approximate()));
        facts.set(facts::DAY_START, settled(account.day_start.map_or(equity, |start| start.0)));
        let week_start = account.week_start.or(account.day_start);
        facts.set(facts::WEEK_START, settled(week_start.map_or(equity, |start| start.0)));
        facts.put(facts::DEPOSITS, account.deposits.map(|deposits| settled(deposits.0)));
        facts.put(facts::COLLATERAL, account.collateral.map(|coins| coins.0));
        facts.set(facts::COIN, Code::new(policy::spec::base(&instrument.symbol).unwrap_or("coins")));
        facts.set(facts::OTHERS, self.others(scope));
        facts.set(facts::POSITION, scope.position.map_or(Qty::ZERO, |(_, position)| position.quantity.0));
        if let Some((campaign, held)) =
            scope.position.and_then(|(_, position)| Some((position.campaign.as_ref()?, position.quantity.0)))
        {
            campaign.publish(held, instrument.price.0, &mut facts);
        }
        facts
    }

    /// Gross exposure of the account's other positions in contracts of the same kind, as far as their prices are stated.
    fn others(&self, scope: &Scope<'_>) -> Cash {
        let ((_, account), (_, instrument)) = (scope.account, scope.instrument);
        let others = self
            .positions
            .iter()
            .filter(|position| position.account == account.name && position.instrument != instrument.symbol);
        let gross = |position: &PositionState| {
            let other = self.instruments.iter().find(|known| known.symbol == position.instrument)?;
            let contract = Contract::from(other.contract);
            // Dollars of an inverse contract on another coin are worth so much of this one.
            let price = if contract == Contract::Inverse { instrument.price.0 } else { other.price.0 };
            (other.contract == instrument.contract).then(|| contract.exposure(price, position.quantity.0).cash().abs())
        };
        others.filter_map(gross).sum()
    }

    /// What the file states outright stands over what indicators found.
    pub(super) fn stated(&self, facts: &mut Facts) {
        let stated = &self.facts;
        if let Some(signal) = stated.signal.and_then(Ratio::new) {
            facts.set(facts::SIGNAL, signal);
        }
        if let Some(since) = stated.signal_since {
            facts.set(facts::SIGNAL_SINCE, since.0);
        }
        if let Some(unit) = stated.unit {
            facts.set(facts::UNIT, unit.0);
        }
        if let Some(volatility) = stated.volatility.and_then(Vol::new) {
            facts.set(facts::VOLATILITY, volatility);
            let origin = |source| VolatilityOrigin { source: source - 1, ratio: None };
            facts.put(facts::VOLATILITY_SOURCE, stated.volatility_source.map(origin));
            facts.put(facts::VOLATILITY_SINCE, stated.volatility_since.map(|since| since.0));
        }
        let traded = stated.traded.map(|traded| Traded { market: traded.0, own: Qty::ZERO });
        facts.put(facts::TRADED, traded);
        facts.put(facts::USUAL_VOLUME, stated.usual_volume.map(|usual| usual.0));
        if let Some(closed) = stated.campaign_closed_at {
            facts.set(facts::CLOSED_AT, closed.0);
        }
        if let Some(peak) = stated.campaign_closed_peak {
            facts.set(facts::CLOSED_PEAK, peak.0);
        }
    }

    /// Net R of the closed campaigns, in order of close.
    pub(super) fn closed_results(&self) -> Vec<Ratio> {
        self.facts.campaigns_closed_r.iter().filter_map(|r| Ratio::new(*r)).collect()
    }
}

/// One bit for each number from 1 to 32.
fn bits(numbers: &[u32]) -> u32 {
    let bit = |number: &u32| number.checked_sub(1).and_then(|index| 1_u32.checked_shl(index)).unwrap_or(0);
    numbers.iter().map(bit).fold(0, |all, bit| all | bit)
}

impl CampaignState {
    /// The price of the last unit's fill, and the best since entry.
    pub(super) fn reached(&self, held: Qty, price: Price) -> (Price, Price) {
        let last_fill = self.last_fill.map_or(self.entry.0, |price| price.0);
        let known = [self.entry.0, last_fill, price];
        let furthest = if held.signum() >= 0 { known.into_iter().max() } else { known.into_iter().min() };
        (last_fill, self.best.map_or(furthest.unwrap_or(price), |best| best.0))
    }

    fn publish(&self, held: Qty, price: Price, facts: &mut Facts) {
        let (last_fill, best) = self.reached(held, price);
        facts.set(facts::ENTRY, self.entry.0);
        facts.set(facts::LAST_FILL, last_fill);
        facts.set(facts::AVERAGE, self.average.map_or(self.entry.0, |average| average.0));
        facts.put(facts::OPENED, self.opened.map(|opened| opened.0));
        facts.put(facts::CAMPAIGN_UNIT, self.unit.map(|unit| unit.0));
        facts.put(facts::INITIAL_STOP, self.initial_stop.map(|stop| stop.0));
        facts.put(facts::STOP, self.stop.map(|stop| stop.0));
        facts.set(facts::BASE, self.base.0);
        facts.set(facts::UNITS, bits(&self.units));
        facts.set(facts::LAPSED, bits(&self.lapsed));
        facts.set(facts::RUNGS_USED, bits(&self.rungs_used));
        facts.set(facts::FIRST, self.first.map_or(held, |qty| qty.0));
        facts.set(facts::PEAK, self.peak.map_or(held, |qty| qty.0));
        facts.set(facts::UNCUT, self.uncut.map_or(held, |qty| qty.0));
        facts.set(facts::BEST, best);
    }
}
