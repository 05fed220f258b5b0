//! What venues ask of accounts, how near they are to being liquidated, what a stress would cost, and how they have grown: facts that
//! rules read, exact at every decision, those of growth at every midnight.
//!
//! Of what may be lost the history of prices and volatilities is kept here: it alone is state.
//!
//! A margin that is a sum over positions is kept as exact sums, of which a mark changes one part. All else is computed anew for the
//! decision that reads it. What cannot be computed is not told, and the reason is kept.

mod coin;
mod concentration;
mod edges;
mod growth;
mod leverage;
mod liquidation;
mod margins;
mod past;
mod portfolio;
mod proof;
mod reduction;
mod refusal;
mod scaled;
mod stress;
mod tail;
mod telling;
mod unknown;

use crate::engine::Engine;
use crate::scope::Scope;
use coin::Coin;
use edges::Edges;
use growth::Grown;
use margins::Held;
use market::{AccountSpec, Catalogue, Currency};
use policy::RiskFact;
use policy::facts;
use pricing::options::Simd;
use pricing::surface::Sticky;
use proof::Proof;
use reduction::Reducer;
pub use refusal::RiskRefusal;
use risk::chain::Chains;
use risk::scenario::{NamedStress, Outcomes, Revaluation, Scenario};
use risk::venues::{Parameters, VenueModel, VenueRules};
use std::collections::BTreeMap;
use stress::Whole;
pub use tail::LossForecast;
use tail::Tails;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Duration, SeriesId, Timestamp};
pub use unknown::UnknownFact;

/// Days of a year, in nanoseconds.
const YEAR: f64 = 365.0 * Duration::DAY.nanos() as f64;
/// The distance that is told where no price from a thousandth to a thousandfold of the present one liquidates.
const NEVER: f64 = 1_000.0;

/// A fact that a strategy reads.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) series: SeriesId,
    pub(crate) fact: RiskFact,
    refusal: Option<RiskRefusal>,
    unknown: unknown::Unknown,
    /// Within what it provably stays where the strategy's region lets it be.
    proof: Option<Proof>,
    /// The region lets it be whatever it is.
    is_free: bool,
    /// The last decision went by that.
    is_spared: bool,
    /// Inputs until a proof is looked for again, after none was found.
    until_asked: u8,
}

impl Reading {
    /// Whether it is where the strategy's region lets it be without being computed.
    #[inline]
    fn stands(&self, risk: &AccountRisk, engine: &Engine) -> bool {
        self.is_free || self.proof.as_ref().is_some_and(|proof| proof.holds(risk, engine))
    }
}

/// Facts of risk that rules read, and what they are computed from.
#[derive(Debug)]
pub(crate) struct AccountRisk {
    /// Those of the catalogue.
    named: Vec<(SeriesId, RiskFact)>,
    /// By strategy.
    readers: Vec<Vec<Reading>>,
    /// By account.
    held: Vec<Held>,
    coins: Vec<Coin>,
    stresses: Vec<(String, Option<Scenario>)>,
    /// What of smiles stays when a price moves, as structures declare it.
    sticky: Option<Sticky>,
    whole: Option<Whole>,
    /// Of stresses, since the last quote or trade.
    bounds: Vec<stress::Bounded>,
    /// Boundaries of an account in a coin, and of which input they are.
    searched: Vec<(usize, Currency, u64, Edges)>,
    revaluation: Revaluation,
    outcomes: Outcomes,
    grown: Vec<Grown>,
    /// What may be lost, if a fact is of that.
    tails: Option<Box<Tails>>,
    /// What is given up where limits are breached: no state.
    reducer: Reducer,
    /// Accounts by such rules, as they were computed last.
    wholes: Vec<margins::KeptMargin>,
    /// Of rules that look at a portfolio as a whole, by coin.
    parameters: Vec<(VenueRules, Currency, Parameters)>,
    /// A strategy, and what an increase that it wanted at its last decision would have made unknown of the facts that it reads: no state.
    pub(crate) foreseen: (usize, Vec<(SeriesId, RiskRefusal)>),
    /// Inputs so far: no state.
    moment: u64,
    /// How often a fact was computed, and how often a proof spared that: measures, and no state.
    pub(crate) computed: u64,
    pub(crate) spared: u64,
}

impl AccountRisk {
    /// `None`: no series of the catalogue is such a fact.
    pub(crate) fn new(catalogue: &Catalogue, accounts: &[AccountSpec], chains: &Chains) -> Option<Self> {
        let names = catalogue.series.iter().enumerate();
        let named: Vec<(SeriesId, RiskFact)> =
            names.filter_map(|(index, name)| Some((SeriesId(index as u32), name.parse().ok()?))).collect();
        if named.is_empty() {
            return None;
        }
        let held = |venue: String| Held {
            model: VenueModel::of_venue(&venue),
            venue,
            rules: BTreeMap::new(),
            pools: Vec::new(),
            made: None,
            quotes: 0,
            oldest: (Timestamp::MAX, 0),
            expires: Timestamp::MAX,
            result: Ok(()),
            moment: 0,
        };
        // One account that trades everything is at the venue of the first instrument.
        let only = || catalogue.instruments.first().map_or("", market::Instrument::venue).to_owned();
        let held = if accounts.is_empty() {
            vec![held(only())]
        } else {
            accounts.iter().map(|spec| held(spec.venue.clone())).collect()
        };
        let mut stresses: Vec<(String, Option<Scenario>)> = Vec::new();
        for (_, fact) in &named {
            let RiskFact::Stress { name } = fact else { continue };
            if !stresses.iter().any(|(known, _)| known == name) {
                stresses.push((name.clone(), NamedStress::named(name).map(|stress| stress.scenario)));
            }
        }
        let coins = coin::coins(catalogue, chains);
        let tails =
            named.iter().filter_map(|(_, fact)| if let RiskFact::Tail(fact) = fact { Some(*fact) } else { None });
        let tails = Tails::new(tails, &coins, catalogue, chains);
        Some(Self {
            named,
            readers: Vec::new(),
            held,
            coins,
            tails: tails.map(Box::new),
            stresses,
            sticky: None,
            whole: None,
            bounds: Vec::new(),
            searched: Vec::new(),
            revaluation: Revaluation::new(Simd::best()),
            outcomes: Outcomes::default(),
            grown: Vec::new(),
            reducer: Reducer::default(),
            wholes: Vec::new(),
            parameters: Vec::new(),
            foreseen: (0, Vec::new()),
            moment: 1,
            computed: 0,
            spared: 0,
        })
    }

    /// A structure is added. Scenarios move smiles as it declares; where structures declare different things, along with the price.
    pub(crate) fn see_sticky(&mut self, declared: Sticky) {
        let sticky = match self.sticky {
            Some(known) if known != declared => Sticky::Moneyness,
            _ => declared,
        };
        self.sticky = Some(sticky);
        self.stick(sticky);
    }

    fn stick(&mut self, sticky: Sticky) {
        for scenario in self.stresses.iter_mut().filter_map(|(_, scenario)| scenario.as_mut()) {
            scenario.sticky = sticky;
        }
        if let Some(tails) = &mut self.tails {
            tails.stick(sticky);
        }
    }

    /// A strategy is added: looks up which facts its rules read.
    pub(crate) fn read(&mut self, scope: &mut Scope) {
        let mut readings = Vec::new();
        for (series, fact) in &self.named {
            let id = facts::series(*series).id();
            if scope.reads(id) {
                scope.facts.pass(id);
                if let (Some(tails), RiskFact::Tail(fact)) = (&mut self.tails, fact) {
                    tails.ask(scope.account, *fact, self.readers.len());
                }
                readings.push(Reading {
                    series: *series,
                    fact: fact.clone(),
                    refusal: None,
                    unknown: unknown::Unknown::default(),
                    proof: None,
                    is_free: false,
                    is_spared: false,
                    until_asked: 0,
                });
            }
        }
        if scope.reductions.is_some() {
            scope.facts.pass(facts::KEPT.id());
        }
        self.readers.push(readings);
    }

    /// Accounts, marks or orders are others than they were: what was computed in this input does not stand.
    pub(crate) fn look_again(&mut self) {
        self.moment += 1;
    }

    /// The facts that a strategy's rules read.
    pub(crate) fn series_of(&self, scope: usize) -> Vec<SeriesId> {
        self.readers.get(scope).map_or_else(Vec::new, |readings| readings.iter().map(|of| of.series).collect())
    }

    /// Whether a fact follows from the returns of accounts.
    pub(crate) fn needs_returns(&self) -> bool {
        self.named.iter().any(|(_, fact)| fact.needs_returns())
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        if let Some(tails) = &self.tails {
            tails.past.save(out);
        }
    }

    pub(crate) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        match &mut self.tails {
            Some(tails) => {
                tails.forget();
                tails.past.load(from)
            }
            None => Ok(()),
        }
    }

    fn coin(&self, base: Currency) -> Option<&Coin> {
        let at = self.coins.binary_search_by_key(&base, |coin| coin.base).ok()?;
        self.coins.get(at)
    }

    /// A fact as it is now.
    fn value(&mut self, engine: &Engine, scope: usize, fact: &RiskFact) -> Result<f64, RiskRefusal> {
        self.computed += 1;
        match fact {
            RiskFact::Margin { figure, venue, portfolio } => self.margin(engine, *figure, (venue, *portfolio)),
            RiskFact::Concentration { of } => self.concentration(engine, *of),
            RiskFact::Leverage => leverage::leverage(engine, engine.scopes[scope].account.index()),
            RiskFact::Distance => Ok(self.edges(engine, scope)?.distance().unwrap_or(NEVER)),
            RiskFact::Probability { horizon } => self.probability(engine, scope, *horizon),
            RiskFact::Stress { name } => self.stress(engine, name),
            RiskFact::Tail(fact) => self.tail(engine, scope, *fact),
            RiskFact::Ruin { .. } | RiskFact::Kelly { .. } => self.grown(engine, scope, fact),
        }
    }
}
