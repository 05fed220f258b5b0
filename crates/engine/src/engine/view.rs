//! What others may ask of an engine: accounts, positions, facts, and the plan that it would make now.

use super::Engine;
use crate::pipeline::write_plan;
use crate::plan::ENGINE_RULE;
use crate::{Campaign, CampaignRecord, HedgeView, Plan};
use market::{Account, Source};
use policy::Outcome;
use policy::facts::Facts;
use units::{AccountId, InstrumentId, PlanId, Qty, StrategyId};

impl Engine {
    /// An account as the engine knows it.
    #[must_use]
    pub fn account(&self, account: AccountId) -> &Account {
        &self.books[account.index()].account
    }

    /// All accounts, by [`AccountId`].
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.books.iter().map(|book| &book.account)
    }

    /// The account that trades an instrument.
    #[must_use]
    pub fn account_of(&self, instrument: InstrumentId) -> AccountId {
        AccountId(self.traded[instrument.index()].account)
    }

    /// How far an account's equity is under its highest, net of deposits and withdrawals.
    #[must_use]
    pub fn drawdown(&self, account: AccountId) -> f64 {
        self.books[account.index()].drawdown().get()
    }

    /// Strategies in their instruments, in the order in which they were added.
    pub fn strategies(&self) -> impl Iterator<Item = (StrategyId, InstrumentId)> + '_ {
        self.scopes.iter().map(|scope| (scope.id, scope.instrument))
    }

    /// How often a strategy was evaluated since the engine was built, at most once an input and strategy concerned.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        self.evaluations
    }

    /// Inputs handled so far.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// What a strategy holds.
    #[must_use]
    pub fn position(&self, strategy: StrategyId) -> Qty {
        self.scopes[strategy.index()].position
    }

    /// A strategy's open campaign.
    #[must_use]
    pub fn campaign(&self, strategy: StrategyId) -> Option<&Campaign> {
        self.scopes[strategy.index()].campaign.as_ref()
    }

    /// A strategy's open campaign told at the present mark.
    #[must_use]
    pub fn open_record(&self, strategy: StrategyId) -> Option<CampaignRecord> {
        let scope = &self.scopes[strategy.index()];
        let mark = self.books[scope.account.index()].account.mark(scope.instrument.index());
        scope.campaign.as_ref().map(|campaign| campaign.record(scope.id, scope.instrument, mark, None))
    }

    /// The cap that binds in the last decision: one that cut, or one that spoke up at all.
    #[must_use]
    pub fn binding_rule(&self, strategy: StrategyId) -> Option<u8> {
        let scope = &self.scopes[strategy.index()];
        let is_cap = |rule: u8| {
            let name = scope.rules.get(usize::from(rule)).map_or("", |rule| rule.name());
            name.ends_with("_cap") || name == "liquidation_distance"
        };
        let steps = scope.because.steps();
        steps.iter().rev().find(|step| step.outcome == Outcome::Cut || is_cap(step.rule)).map(|step| step.rule)
    }

    /// What a strategy's rules know.
    #[must_use]
    pub fn facts(&self, strategy: StrategyId) -> &Facts {
        &self.scopes[strategy.index()].facts
    }

    /// What a hedge sees now: what it ordered since its last decision is on its way too. `None`: it is no hedge, or delta is not known.
    #[must_use]
    pub fn hedge_view(&self, strategy: StrategyId) -> Option<HedgeView> {
        let scope = &self.scopes[strategy.index()];
        let on_the_way = scope.working.on_the_way();
        scope.hedge_view().map(|view| HedgeView { position: scope.position, on_the_way, ..view })
    }

    /// The name of a rule in a strategy's plans.
    #[must_use]
    pub fn rule_name(&self, strategy: StrategyId, rule: u8) -> &'static str {
        if rule == ENGINE_RULE {
            return "market";
        }
        self.scopes[strategy.index()].rules.get(usize::from(rule)).map_or("?", |rule| rule.name())
    }

    /// The strategy's plan were it decided now, without adopting it: the answer to "what should I hold, and why".
    pub fn preview(&mut self, strategy: StrategyId) -> Plan {
        if self.risk.is_some() {
            self.tell_risk(strategy.index(), Source::Venue);
        }
        let scope = &mut self.scopes[strategy.index()];
        let book = &self.books[scope.account.index()];
        let equity = scope.worth(book);
        book.publish_drawdown(&mut scope.facts);
        if scope.ahead {
            scope.read_ahead(book);
        }
        scope.because.clear();
        scope.region.forget();
        let target = scope.evaluate();
        let held = scope.desk.map_or(scope.position, |desk| self.structures.desks[desk as usize].exposed());
        let mut plan = Plan::default();
        write_plan(&mut plan, scope, (PlanId(self.plans + 1), self.inputs, self.now), equity, held, target);
        if let Some(risk) = &self.risk {
            risk.note_unknown(&mut plan);
        }
        plan
    }
}
