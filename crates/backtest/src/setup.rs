//! From policies and the tapes' catalogue to what runs: accounts, the exchange's terms, strategies in their instruments.

use crate::Error;
use crate::record::Trader;
use crate::run::LIQUIDATION_FEE;
use crate::table::Name;
use engine::{Adoption, Engine, EngineConfig, HedgeChoice, LiquidationGuard, Sharing, StrategyConfig};
use exchange::{AccountTerms, ExchangeConfig, FeeSchedule, FeeTier, Flow, FlowKind, OpeningPosition, OptionTerms};
use market::{AccountSpec, Catalogue, Conversion, Currency, InstrumentKind};
use policy::spec::{self, SizeKind, TargetGreek};
use policy::{Policy, Program};
use risk::TierTable;
use risk::venues::VenueModel;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use units::{AccountId, Cash, InstrumentId, Rate, Ratio, Round, StrategyId, Timestamp};

/// The accounts of a run, and what its exchange charges.
pub(crate) struct Setup {
    pub(crate) accounts: Vec<AccountSpec>,
    pub(crate) exchange: ExchangeConfig,
    /// Strategies in their instruments, in the order of policies and of their lists.
    pub(crate) traders: Vec<(usize, InstrumentId)>,
}

impl Setup {
    /// Checks policies against each other and against the catalogue. The first policy says what is assumed of venues; another one
    /// says the same or nothing.
    pub(crate) fn new(policies: &[Policy], catalogue: &Catalogue) -> Result<Self, Error> {
        let first = policies.first().ok_or_else(|| Error::Setup("there is no policy to run".to_owned()))?;
        for (at, policy) in policies.iter().enumerate() {
            if policies[..at].iter().any(|other| other.name == policy.name) {
                let name = &policy.name;
                return Err(Error::Setup(format!("two policies are called `{name}`: give each a name of its own")));
            }
            let other_costs = policy.backtest != spec::Backtest::default() && policy.backtest != first.backtest;
            let other_accounts = !policy.accounts.is_empty() && policy.accounts != first.accounts;
            if other_costs || other_accounts {
                let (name, other) = (&policy.name, &first.name);
                return Err(Error::Setup(format!(
                    "`[backtest]` or `[[accounts]]` of `{name}` differ from those of `{other}`: a run has one set of \
                     venues; leave these sections out of `{name}`"
                )));
            }
        }
        let mut traders = Vec::new();
        for (at, policy) in policies.iter().enumerate() {
            for symbol in policy.traded() {
                traders.push((at, instrument_of(symbol, catalogue)?));
            }
        }
        check_hedges(policies, &traders, catalogue)?;
        check_apart(policies, &traders, catalogue)?;
        check_levels(policies)?;
        check_sizes(policies, &traders, catalogue)?;
        let accounts = accounts(first, &traders, catalogue)?;
        let exchange = exchange_config(policies, &accounts, &traders, catalogue)?;
        check_currencies(&accounts, &exchange, &traders, catalogue)?;
        Ok(Self { accounts, exchange, traders })
    }

    /// Whether tapes have bars of all that is traded, by hedges too: options fill at quotes and structures as their legs do, all else at
    /// the prices of bars alone. Marks and funding fill no order, and a run on them would do nothing and not say so.
    pub(crate) fn check_bars(
        traders: &[(usize, InstrumentId)],
        catalogue: &Catalogue,
        barred: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let traded = traders.iter().map(|(_, id)| &catalogue.instruments[id.index()]);
        let mut by_bars = traded.filter(|of| !of.kind.is_option() && of.kind != InstrumentKind::Structure);
        match by_bars.find(|of| !barred.contains(&of.symbol)) {
            Some(of) => {
                let found = "only its marks or funding, at which nothing is filled".to_owned();
                Err(Error::NoInstrument { wanted: of.symbol.clone(), found })
            }
            None => Ok(()),
        }
    }

    /// The account that trades an instrument.
    fn account_of(accounts: &[AccountSpec], instrument: InstrumentId, catalogue: &Catalogue) -> AccountId {
        let venue = catalogue.instruments[instrument.index()].venue();
        let index = accounts.iter().position(|account| account.venue == venue).unwrap_or(0);
        AccountId(index as u32)
    }

    /// What the engine runs, in the order of [`Self::traders`]: the policies, or their unscaled twins.
    pub(crate) fn strategies(
        &self,
        policies: &[Policy],
        catalogue: &Catalogue,
        twin: bool,
    ) -> Result<Vec<StrategyConfig>, Error> {
        let series = |name: &str| catalogue.series_id(name);
        self.traders
            .iter()
            .map(|&(at, instrument)| {
                let (policy, known) = (&policies[at], &catalogue.instruments[instrument.index()]);
                let symbol = &known.symbol;
                if let Some(hedge) = policy.hedge_in(symbol) {
                    // The twin hedges nothing.
                    let program = if twin {
                        Program::custom(Vec::new())?
                    } else {
                        Program::hedge(policy, hedge, symbol, &series)?
                    };
                    let structure = policy.structure_in(symbol).cloned();
                    // The price of options says nothing of a liquidation.
                    let guards = !twin && structure.is_none();
                    return Ok(StrategyConfig {
                        guard: guards.then(|| guard(policy, ExchangeConfig::tiers_of(known))).flatten(),
                        hedged: if twin { Vec::new() } else { self.hedged_by(policies, (at, hedge), catalogue) },
                        choice: if twin { None } else { self.choice(policies, (at, hedge), symbol, catalogue)? },
                        structure,
                        ..StrategyConfig::new(instrument, program)
                    });
                }
                let program = if twin {
                    Program::twin(policy, symbol, &series)?
                } else {
                    Program::compile(policy, symbol, &series)?
                };
                // The twin has all of its capital, whatever it lost.
                let drawdown = if twin { None } else { policy.allocation.drawdown };
                let allocation = spec::Allocation { drawdown, ..policy.allocation };
                let whole = policy.capital.get() == 1.0 && policy.instruments.len() == 1 && drawdown.is_none();
                Ok(StrategyConfig {
                    guard: if twin { None } else { guard(policy, ExchangeConfig::tiers_of(known)) },
                    sharing: (!whole).then_some(Sharing { group: at as u32, capital: policy.capital, allocation }),
                    adoption: adoption(policy, symbol),
                    structure: policy.structure.clone(),
                    levels: if twin { None } else { self.levels(policies, at, instrument, catalogue) },
                    ..StrategyConfig::new(instrument, program)
                })
            })
            .collect()
    }

    /// The strategies that a hedge of a policy looks at: those of the policies that it names in instruments on its coin, no other hedge.
    fn hedged_by(
        &self,
        policies: &[Policy],
        (own, hedge): (usize, &spec::Hedge),
        catalogue: &Catalogue,
    ) -> Vec<StrategyId> {
        let is_named = |at: usize| is_hedged(policies, at, (own, hedge));
        let base = spec::base(&hedge.instrument);
        let traders = self.traders.iter().enumerate().filter(|(_, (at, instrument))| {
            let known = &catalogue.instruments[instrument.index()];
            is_named(*at) && policies[*at].hedge_in(&known.symbol).is_none() && base == Some(known.base.as_str())
        });
        traders.map(|(index, _)| StrategyId(index as u32)).collect()
    }

    /// Of a policy whose structure brings a Greek to a level: which, and the other strategies on its coin that are counted with it.
    fn levels(
        &self,
        policies: &[Policy],
        own: usize,
        instrument: InstrumentId,
        catalogue: &Catalogue,
    ) -> Option<(TargetGreek, Vec<StrategyId>)> {
        let SizeKind::GreekTarget { greek, strategies, .. } = &policies[own].size.kind else { return None };
        let base = catalogue.instruments[instrument.index()].base;
        let of = self.traders.iter().enumerate().filter(|(_, (at, other))| {
            let is_named = strategies.is_empty() || strategies.contains(&policies[*at].name);
            is_named && *other != instrument && catalogue.instruments[other.index()].base == base
        });
        Some((*greek, of.map(|(index, _)| StrategyId(index as u32)).collect()))
    }

    /// How an instrument of a hedge is compared with the others.
    fn choice(
        &self,
        policies: &[Policy],
        (own, hedge): (usize, &spec::Hedge),
        symbol: &str,
        catalogue: &Catalogue,
    ) -> Result<Option<HedgeChoice>, Error> {
        let Some(choice) = hedge.choice.as_ref() else { return Ok(None) };
        let other = choice.alternatives.iter().find(|other| other.instrument == symbol);
        let terms = other.map_or(choice.own, |other| other.terms);
        let Some(known) = catalogue.instruments.iter().find(|known| known.symbol == symbol) else { return Ok(None) };
        let kind = known.kind;
        let expected = match other.and_then(|other| other.option.as_ref()) {
            None => None,
            Some(option) => {
                let series = |name: &str| catalogue.series_id(&spec::filled(name, symbol));
                let missing = || {
                    Error::Setup(format!(
                        "`expected_volatility` of `[[hedges]]` in `{}` reads a series that no tape has: add one, or state a number",
                        policies[own].name
                    ))
                };
                Some(option.expected(&series).ok_or_else(missing)?)
            }
        };
        let margin = if kind == InstrumentKind::Spot { 1.0 } else { MARGIN };
        let backtest = &policies[own].backtest;
        // Of all hedges of the run, in the order in which their instruments are traded.
        let all =
            policies.iter().enumerate().flat_map(|(at, policy)| policy.hedges.iter().map(move |hedge| (at, hedge)));
        let mut choosing = all.filter(|(_, other)| other.choice.is_some());
        let group = choosing.position(|(at, other)| at == own && other.instrument == hedge.instrument);
        let Some(group) = group else { return Ok(None) };
        // Its own, which comes before those that its hedges buy.
        let structure = self.traders.iter().position(|(at, instrument)| {
            let of = &catalogue.instruments[instrument.index()];
            *at == own && of.kind == InstrumentKind::Structure && policies[own].hedge_in(&of.symbol).is_none()
        });
        Ok(Some(HedgeChoice {
            group: group as u32,
            hedge: hedge.clone(),
            cost: terms.cost.map_or_else(|| backtest.cost(), Ratio::get),
            impact: backtest.impact_each(),
            margin: terms.margin.map_or(margin, Ratio::get),
            band_cost: backtest.cost(),
            option_fee: backtest.options.fee.approximate(),
            gives_up: structure.filter(|_| choice.gives_up).map(|index| StrategyId(index as u32)),
            expected,
        }))
    }

    /// An engine that has seen nothing yet, with all strategies.
    pub(crate) fn engine(&self, policies: &[Policy], catalogue: &Catalogue, twin: bool) -> Result<Engine, Error> {
        let (accounts, tiers) = (self.accounts.clone(), self.exchange.tiers.clone());
        let mut engine = Engine::new(EngineConfig { catalogue: catalogue.clone(), accounts, tiers });
        for strategy in self.strategies(policies, catalogue, twin)? {
            engine.add_strategy(strategy);
        }
        Ok(engine)
    }

    pub(crate) fn named_traders(&self, policies: &[Policy]) -> Vec<Trader> {
        let names: Vec<Name> = policies.iter().map(|policy| Name::from(policy.name.as_str())).collect();
        let trader = |&(at, instrument): &(usize, InstrumentId)| Trader { policy: names[at].clone(), instrument };
        self.traders.iter().map(trader).collect()
    }
}

/// Whether a hedge of a policy names another one, or its own without naming any.
fn is_hedged(policies: &[Policy], at: usize, (own, hedge): (usize, &spec::Hedge)) -> bool {
    if hedge.strategies.is_empty() { at == own } else { hedge.strategies.contains(&policies[at].name) }
}

/// Structures that bring a Greek to a level count policies of the run.
fn check_levels(policies: &[Policy]) -> Result<(), Error> {
    for policy in policies {
        let SizeKind::GreekTarget { strategies, .. } = &policy.size.kind else { continue };
        let Some(absent) = strategies.iter().find(|named| policies.iter().all(|of| of.name != **named)) else {
            continue;
        };
        let names: Vec<String> = policies.iter().map(|of| format!("`{}`", of.name)).collect();
        return Err(Error::Setup(format!(
            "`[size] strategies` of `{}` counts `{absent}`, which is not in the run: its policies are {}",
            policy.name,
            names.join(", ")
        )));
    }
    Ok(())
}

/// Each hedge trades a contract or spot, and names strategies of the run that trade its coin.
fn check_hedges(policies: &[Policy], traders: &[(usize, InstrumentId)], catalogue: &Catalogue) -> Result<(), Error> {
    for (own, policy) in policies.iter().enumerate() {
        for hedge in &policy.hedges {
            let name = &policy.name;
            if let Some(absent) = hedge.strategies.iter().find(|named| policies.iter().all(|of| of.name != **named)) {
                let names: Vec<String> = policies.iter().map(|of| format!("`{}`", of.name)).collect();
                return Err(Error::Setup(format!(
                    "`[[hedges]]` of `{name}` hedges `{absent}`, which is not in the run: its policies are {}",
                    names.join(", ")
                )));
            }
            for symbol in hedge.instruments() {
                let known = &catalogue.instruments[instrument_of(symbol, catalogue)?.index()];
                let buys = hedge.options().any(|(option, _)| option == symbol);
                if known.kind.is_option() || (known.kind == InstrumentKind::Structure && !buys) {
                    return Err(Error::Setup(format!(
                        "`[[hedges]]` of `{name}` trades `{symbol}`, an option: a hedge of delta trades a perpetual, a future or spot"
                    )));
                }
                let trades = |(at, id): &&(usize, InstrumentId)| {
                    let of = &catalogue.instruments[id.index()];
                    is_hedged(policies, *at, (own, hedge))
                        && policies[*at].hedge_in(&of.symbol).is_none()
                        && of.base == known.base
                };
                if traders.iter().find(trades).is_none() {
                    return Err(Error::Setup(format!(
                        "`[[hedges]]` of `{name}` in `{symbol}` hedges nothing: no strategy that it names trades {}",
                        known.base
                    )));
                }
            }
        }
    }
    Ok(())
}

/// No two hedges of the run look at the same positions: each would bring the delta of all of them to its target, without the other's.
/// Within one policy its check says so.
fn check_apart(policies: &[Policy], traders: &[(usize, InstrumentId)], catalogue: &Catalogue) -> Result<(), Error> {
    let all: Vec<(usize, &spec::Hedge)> = policies
        .iter()
        .enumerate()
        .flat_map(|(at, policy)| policy.hedges.iter().map(move |hedge| (at, hedge)))
        .collect();
    for (place, one) in all.iter().enumerate() {
        let coin = spec::base(&one.1.instrument);
        for other in all[..place].iter().filter(|other| spec::base(&other.1.instrument) == coin) {
            let hedged = |(at, id): &&(usize, InstrumentId)| {
                let of = &catalogue.instruments[id.index()];
                coin == Some(of.base.as_str())
                    && policies[*at].hedge_in(&of.symbol).is_none()
                    && is_hedged(policies, *at, *one)
                    && is_hedged(policies, *at, *other)
            };
            if let Some((at, _)) = traders.iter().find(hedged) {
                let name = |(at, _): &(usize, &spec::Hedge)| policies[*at].name.clone();
                return Err(Error::Setup(format!(
                    "`{}` of `{}` and `{}` of `{}` both hedge the {} of `{}`, and each would hedge all of it: keep one of the two \
                     `[[hedges]]`, or divide the strategies between them",
                    other.1.instrument,
                    name(other),
                    one.1.instrument,
                    name(one),
                    coin.unwrap_or_default(),
                    policies[*at].name
                )));
            }
        }
    }
    Ok(())
}

/// Margin of a contract that a hedge binds where the policy states none, as a share of its value.
const MARGIN: f64 = 0.1;

/// Symbols that a message lists at most.
const LISTED_MAX: usize = 20;

/// The instrument that a policy names.
pub(crate) fn instrument_of(symbol: &str, catalogue: &Catalogue) -> Result<InstrumentId, Error> {
    catalogue.instrument_id(symbol).ok_or_else(|| {
        // A chain has thousands of options: they are counted, not listed.
        let (options, others): (Vec<_>, Vec<_>) =
            catalogue.instruments.iter().partition(|instrument| instrument.kind.is_option());
        let mut found: Vec<String> =
            others.iter().take(LISTED_MAX).map(|instrument| format!("`{}`", instrument.symbol)).collect();
        if others.len() > LISTED_MAX {
            found.push(format!("{} more", others.len() - LISTED_MAX));
        }
        if !options.is_empty() {
            found.push(format!("{} options", options.len()));
        }
        let found = if found.is_empty() { "no instrument".to_owned() } else { found.join(", ") };
        Error::NoInstrument { wanted: symbol.to_owned(), found }
    })
}

fn currency(code: &str) -> Result<Currency, Error> {
    code.parse().map_err(|error: market::ParseCurrencyError| Error::Setup(format!("`{code}`: {error}")))
}

/// One account for each venue: as declared, or for the only venue.
fn accounts(
    policy: &Policy,
    traders: &[(usize, InstrumentId)],
    catalogue: &Catalogue,
) -> Result<Vec<AccountSpec>, Error> {
    let instruments = || traders.iter().map(|(_, id)| &catalogue.instruments[id.index()]);
    let declared: Vec<(&str, Option<&str>)> = if policy.accounts.is_empty() {
        instruments().next().map(|instrument| (instrument.venue(), None)).into_iter().collect()
    } else {
        policy.accounts.iter().map(|terms| (terms.venue.as_str(), terms.numeraire.as_deref())).collect()
    };
    if let Some(orphan) = instruments().find(|known| declared.iter().all(|(venue, _)| *venue != known.venue())) {
        let (symbol, venue) = (&orphan.symbol, orphan.venue());
        return Err(Error::Setup(format!(
            "`{symbol}` is traded at `{venue}`, where the run has no account: add `[[accounts]]` with `venue = \"{venue}\"` \
             and a deposit"
        )));
    }
    let spec = |(venue, numeraire): (&str, Option<&str>)| {
        let settles = instruments().find(|known| known.venue() == venue).map(|known| known.settle);
        let numeraire = numeraire.map(currency).transpose()?.or(settles).unwrap_or(Currency::USD);
        Ok(AccountSpec { venue: venue.to_owned(), numeraire })
    };
    declared.into_iter().map(spec).collect()
}

fn exchange_config(
    policies: &[Policy],
    accounts: &[AccountSpec],
    traders: &[(usize, InstrumentId)],
    catalogue: &Catalogue,
) -> Result<ExchangeConfig, Error> {
    let policy = &policies[0];
    let terms = &policy.backtest;
    let find = |venue: &str| {
        let index = accounts.iter().position(|account| account.venue == venue);
        let account = index.map(|index| AccountId(index as u32));
        account.ok_or_else(|| {
            Error::Setup(format!("`[[backtest.flows]]` names the account `{venue}`, which there is not"))
        })
    };
    let fee_currency = terms.fee_currency.as_deref().map_or(Ok(Currency::USD), currency)?;
    let fees = (!terms.fee_tiers.is_empty()).then(|| {
        let tier = |tier: &spec::FeeTier| FeeTier { from: tier.volume, taker: tier.taker, maker: tier.maker };
        FeeSchedule { tiers: terms.fee_tiers.iter().map(tier).collect(), currency: fee_currency }
    });
    let account = |spec: &AccountSpec| {
        let settles = traders
            .iter()
            .map(|(_, id)| &catalogue.instruments[id.index()])
            .find(|known| known.venue() == spec.venue)
            .map_or(spec.numeraire, |known| known.settle);
        let deposits = match policy.accounts.iter().find(|declared| declared.venue == spec.venue) {
            Some(declared) => declared
                .deposits
                .iter()
                .map(|deposit| Ok((deposit.amount, deposit.currency.as_deref().map_or(Ok(settles), currency)?)))
                .collect::<Result<Vec<_>, Error>>()?,
            None => vec![(terms.deposit, deposit_currency(policy, settles, catalogue, traders)?)],
        };
        Ok(AccountTerms { spec: Some(spec.clone()), deposits, fees: fees.clone() })
    };
    let money = |money: &spec::Money| Ok::<_, Error>((money.amount, currency(&money.currency)?));
    let flow = |flow: &spec::Flow| {
        let (account, kind) = match &flow.kind {
            spec::FlowKind::Deposit { account, money: paid } => {
                let (amount, currency) = money(paid)?;
                (find(account)?, FlowKind::Deposit { amount, currency })
            }
            spec::FlowKind::Withdraw { account, money: taken } => {
                let (amount, currency) = money(taken)?;
                (find(account)?, FlowKind::Withdrawal { amount, currency })
            }
            spec::FlowKind::Transfer { from, to, money: moved } => {
                let (amount, currency) = money(moved)?;
                (find(from)?, FlowKind::Transfer { to: find(to)?, amount, currency })
            }
            spec::FlowKind::Convert { account, money: given, into } => {
                let (amount, from) = money(given)?;
                (find(account)?, FlowKind::Conversion { amount, from, to: currency(into)? })
            }
        };
        Ok::<_, Error>(Flow { at: flow.at, account, kind })
    };
    let mut positions = Vec::new();
    for adopted in policies.iter().flat_map(|policy| &policy.adopt) {
        let instrument = instrument_of(&adopted.instrument, catalogue)?;
        let account = Setup::account_of(accounts, instrument, catalogue);
        positions.push(OpeningPosition { account, instrument, qty: adopted.quantity, price: adopted.entry });
    }
    let terms_of = accounts.iter().map(account).collect::<Result<Vec<_>, Error>>()?;
    check_adopted(&positions, &terms_of, accounts, catalogue)?;
    let options = OptionTerms {
        fee: terms.options.fee,
        // Halved toward zero: an odd last digit of a rate is no money.
        delivery_fee: Rate::from_raw(terms.options.fee.raw() / 2),
        ..OptionTerms::new(catalogue)
    };
    let options = match terms.options.margin {
        spec::OptionMargin::Flat { initial, maintenance } => OptionTerms { initial, maintenance, ..options },
        spec::OptionMargin::Venue => options,
    };
    let config = ExchangeConfig {
        options,
        accounts: terms_of,
        taker: terms.taker_fee,
        maker: terms.maker_fee,
        half_spread: terms.half_spread,
        slippage: terms.slippage,
        impact: terms.impact,
        latency: terms.latency,
        liquidation_fee: LIQUIDATION_FEE,
        flows: terms.flows.iter().map(flow).collect::<Result<_, Error>>()?,
        positions,
        ..ExchangeConfig::new(terms.deposit, catalogue)
    };
    config.check(catalogue).map_err(|error| Error::Setup(error.to_string()))?;
    Ok(config)
}

impl Setup {
    /// Where a policy says so, options need what the rules of their venues ask for, from the first to the last time of a run.
    pub(crate) fn margin_options(
        &mut self,
        policies: &[Policy],
        catalogue: &Catalogue,
        span: (Timestamp, Timestamp),
    ) -> Result<(), Error> {
        if policies[0].backtest.options.margin != spec::OptionMargin::Venue {
            return Ok(());
        }
        let refused = |why: String| {
            let help = "write a share of the underlying instead, such as `option_margin = \"15%\"`";
            Error::Setup(format!("`option_margin = \"venue\"`: {why}; {help}"))
        };
        let mut models: BTreeMap<&str, VenueModel> = BTreeMap::new();
        let mut rules = Vec::with_capacity(catalogue.instruments.len());
        for (row, instrument) in catalogue.instruments.iter().enumerate() {
            // What expired before the run is never held in it.
            let is_listed = instrument.kind.is_option() && instrument.kind.expiry().is_some_and(|at| at > span.0);
            if !is_listed {
                rules.push(None);
                continue;
            }
            let venue = instrument.venue();
            let model = match models.entry(venue) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let model = VenueModel::of_venue(venue)
                        .ok_or_else(|| refused(format!("no rules of `{venue}` for options are known")))?;
                    model.check(span.1).map_err(|error| refused(error.to_string()))?;
                    new.insert(model)
                }
            };
            let rule = model.rule(instrument, row, span.0).map_err(|error| refused(error.to_string()))?;
            rules.push(Some(rule));
        }
        self.exchange.options.rules = rules;
        Ok(())
    }
}

/// What is taken over was opened before there are bars.
pub(crate) fn check_opened(policies: &[Policy], first: Timestamp) -> Result<(), Error> {
    for adopted in policies.iter().flat_map(|policy| &policy.adopt) {
        if let Some(opened) = adopted.opened.filter(|opened| *opened > first) {
            let symbol = &adopted.instrument;
            return Err(Error::Setup(format!(
                "`[[adopt]]` takes over a position in `{symbol}` that was opened at {opened}, and the first bar of the run is of \
                 {first}: a position from before is opened before it; correct `opened`, or leave it out"
            )));
        }
    }
    Ok(())
}

/// What is taken over can be held: the deposits in a currency bear the initial margin of the positions that settle in it, and pay for
/// spot.
fn check_adopted(
    positions: &[OpeningPosition],
    terms: &[AccountTerms],
    accounts: &[AccountSpec],
    catalogue: &Catalogue,
) -> Result<(), Error> {
    let mut needed: Vec<(AccountId, Currency, Cash)> = Vec::new();
    for OpeningPosition { account, instrument, qty, price } in positions {
        let known = &catalogue.instruments[instrument.index()];
        if known.lot.raw() > 0 && qty.raw() % known.lot.raw() != 0 {
            let (symbol, lot) = (&known.symbol, known.lot);
            return Err(Error::Setup(format!(
                "`[[adopt]]` takes over {qty} of `{symbol}`, which is traded in steps of {lot}: correct `quantity`"
            )));
        }
        let size = risk::Size::at(known.kind.contract(), *price, *qty);
        let margin = match known.kind {
            InstrumentKind::Spot => size.value().cash(),
            _ => ExchangeConfig::tiers_of(known).initial_margin(size),
        };
        let so_far = needed.iter().position(|(of, currency, _)| (of, currency) == (account, &known.settle));
        let at = so_far.unwrap_or_else(|| {
            needed.push((*account, known.settle, Cash::ZERO));
            needed.len() - 1
        });
        needed[at].2 += margin;
        let paid = terms[account.index()].deposits.iter().filter(|(_, paid)| *paid == known.settle);
        let paid: Cash = paid.map(|(amount, _)| *amount).sum();
        if needed[at].2 > paid {
            let (symbol, settle, venue) = (&known.symbol, known.settle, &accounts[account.index()].venue);
            return Err(Error::Setup(format!(
                "`[[adopt]]` takes over {qty} of `{symbol}` at {price}, worth {:.2} {settle}: positions taken over need {:.2} {settle} \
                 at the venue's largest leverage, and the account at `{venue}` is paid {paid:.2} {settle}: correct `quantity`, or \
                 state the deposit that bears it",
                size.value().cash().abs(),
                needed[at].2
            )));
        }
    }
    Ok(())
}

/// A value that an order or a remainder is measured by can be told in the quote currency of each instrument.
fn check_sizes(policies: &[Policy], traders: &[(usize, InstrumentId)], catalogue: &Catalogue) -> Result<(), Error> {
    let own = traders.iter().map(|(at, id)| (*at, *id));
    let hedges = policies.iter().enumerate().flat_map(|(at, policy)| {
        let symbols = policy.hedges.iter().flat_map(spec::Hedge::instruments);
        symbols.filter_map(move |symbol| Some((at, instrument_of(symbol, catalogue).ok()?)))
    });
    for (at, id) in own.chain(hedges) {
        let (policy, known) = (&policies[at], &catalogue.instruments[id.index()]);
        for (key, size) in [("trade.dust", policy.trade.dust), ("guards.max_order", policy.guards.max_order)] {
            let Some(spec::OrderSize::Worth(_, code)) = size.map(|size| size.of(&policy.instruments, &known.symbol))
            else {
                continue;
            };
            if Conversion::between(currency(code.as_str())?, known.quote, catalogue) == Conversion::Unknown {
                let (symbol, quote) = (&known.symbol, known.quote);
                return Err(Error::Setup(format!(
                    "`{key}` is in {code}, `{symbol}` is quoted in {quote}, and no tape has a price between them: add such a tape, \
                     or state it in {quote} in a policy of its own"
                )));
            }
        }
    }
    Ok(())
}

/// Everything that an account may hold has a worth in its numéraire, and every numéraire in the first: else equity would leave
/// it out.
fn check_currencies(
    accounts: &[AccountSpec],
    exchange: &ExchangeConfig,
    traders: &[(usize, InstrumentId)],
    catalogue: &Catalogue,
) -> Result<(), Error> {
    let refuse = |venue: &str, from: Currency, to: Currency, why: &str| {
        Err(Error::Setup(format!(
            "the account at `{venue}` {why} {from}, and no tape tells what one {from} is worth in its numéraire {to}: add a tape \
             with the price of {from} in {to}, such as a spot pair's bars, or choose another numéraire"
        )))
    };
    let unknown = |from, to| Conversion::between(from, to, catalogue) == Conversion::Unknown;
    for (index, spec) in accounts.iter().enumerate() {
        let AccountSpec { venue, numeraire } = spec;
        for (_, paid) in &exchange.accounts[index].deposits {
            if unknown(*paid, *numeraire) {
                return refuse(venue, *paid, *numeraire, "is paid in");
            }
        }
        for instrument in traders.iter().map(|(_, id)| &catalogue.instruments[id.index()]) {
            if instrument.venue() == venue && unknown(instrument.settle, *numeraire) {
                let why = format!("trades `{}`, which settles in", instrument.symbol);
                return refuse(venue, instrument.settle, *numeraire, &why);
            }
        }
        let broke =
            |known: &&market::Instrument| !can_have(AccountId(index as u32), known, exchange, traders, catalogue);
        let own =
            traders.iter().map(|(_, id)| &catalogue.instruments[id.index()]).filter(|known| known.venue() == venue);
        if let Some(known) = own.into_iter().find(broke) {
            let (symbol, settle) = (&known.symbol, known.settle);
            return Err(Error::Setup(format!(
                "`{symbol}` is paid for and margined in {settle}, of which the account at `{venue}` has nothing at any time: every \
                 order would be refused; deposit {settle} there, or convert into it by `[[backtest.flows]]`"
            )));
        }
        for flow in &exchange.flows {
            let (account, currencies) = match flow.kind {
                FlowKind::Deposit { currency, .. } | FlowKind::Withdrawal { currency, .. } => {
                    (flow.account, vec![currency])
                }
                FlowKind::Transfer { to, currency, .. } => (to, vec![currency]),
                FlowKind::Conversion { from, to, .. } => {
                    if flow.account.index() == index && unknown(from, to) {
                        return Err(Error::Setup(format!(
                            "`[[backtest.flows]]` converts {from} into {to} at `{venue}` at {}, and no tape has a price between \
                             them: add one, or convert over a currency that both have a price in",
                            flow.at
                        )));
                    }
                    (flow.account, vec![from, to])
                }
            };
            if let Some(moved) = currencies.into_iter().find(|moved| unknown(*moved, *numeraire))
                && account.index() == index
            {
                return refuse(venue, moved, *numeraire, "has a flow of");
            }
        }
        if unknown(*numeraire, accounts[0].numeraire) {
            let (first, shown) = (&accounts[0].venue, accounts[0].numeraire);
            return Err(Error::Setup(format!(
                "the account at `{venue}` is measured in {numeraire} and the one at `{first}` in {shown}, and no tape has a price \
                 between them: give both one `numeraire`, or add such a tape"
            )));
        }
    }
    Ok(())
}

/// Whether an account ever has any of the currency that an instrument is paid for and margined in: deposited, moved there, or by
/// another of its instruments.
fn can_have(
    account: AccountId,
    known: &market::Instrument,
    exchange: &ExchangeConfig,
    traders: &[(usize, InstrumentId)],
    catalogue: &Catalogue,
) -> bool {
    let settle = known.settle;
    let paid_in =
        exchange.accounts[account.index()].deposits.iter().any(|(amount, paid)| *paid == settle && !amount.is_zero());
    let flows = exchange.flows.iter().any(|flow| match flow.kind {
        FlowKind::Deposit { currency, .. } => flow.account == account && currency == settle,
        FlowKind::Transfer { to, currency, .. } => to == account && currency == settle,
        FlowKind::Conversion { to, .. } => flow.account == account && to == settle,
        FlowKind::Withdrawal { .. } => false,
    });
    let bought = traders
        .iter()
        .map(|(_, id)| &catalogue.instruments[id.index()])
        .any(|other| other.kind == InstrumentKind::Spot && other.venue() == known.venue() && other.base == settle);
    paid_in || flows || bought
}

/// The currency of `[backtest] deposit`: what the account's first instrument settles in, whatever is written beside it.
fn deposit_currency(
    policy: &Policy,
    settles: Currency,
    catalogue: &Catalogue,
    traders: &[(usize, InstrumentId)],
) -> Result<Currency, Error> {
    match &policy.backtest.deposit_currency {
        Some(code) if *code != settles.as_str() => {
            let symbol = traders.first().map_or("", |(_, id)| catalogue.instruments[id.index()].symbol.as_str());
            Err(Error::Setup(format!(
                "`[backtest] deposit` is in {code}, but `{symbol}` settles in {settles}: write the deposit in {settles}, or \
                 add `[[accounts]]` to hold several currencies"
            )))
        }
        _ => Ok(settles),
    }
}

pub(crate) fn guard(policy: &Policy, tiers: TierTable) -> Option<LiquidationGuard> {
    policy.caps.liquidation_distance.map(|distance| LiquidationGuard {
        tiers,
        distance,
        initial_stop: policy.stop.as_ref().map(|stop| stop.initial),
    })
}

/// The anchors of a position that the policy takes over.
fn adoption(policy: &Policy, symbol: &str) -> Option<Adoption> {
    let adopted = policy.adopt.iter().find(|adopted| adopted.instrument == symbol)?;
    let shares = policy.pyramid.as_ref().map_or(&[1.0][..], |pyramid| &pyramid.shares);
    let filled: f64 = shares.iter().take(adopted.units as usize).sum();
    let part = |share: f64| adopted.quantity.scaled(share, Round::TowardZero).unwrap_or(adopted.quantity);
    Some(Adoption {
        entry: adopted.entry,
        unit: adopted.unit,
        stop: adopted.stop,
        units: adopted.units,
        base: part(1.0 / filled),
        first: part(shares[0] / filled),
        opened: adopted.opened,
    })
}
