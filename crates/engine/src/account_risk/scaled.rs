//! Margins, distances and stresses of an account in which some strategies hold less than they do.

use super::edges::Edges;
use super::margins::{Pool, ratio};
use super::stress::Whole;
use super::tail::held_by;
use super::{AccountRisk, NEVER, RiskRefusal};
use crate::engine::Engine;
use market::{Account, Currency};
use risk::venues::{Absent, VenueRules};
use units::{Cash, Qty, Round};

/// What a book that cannot be computed is taken for: no reduction ends there.
const UNBEARABLE: f64 = 1e12;

/// The margined positions of an account, and whose they are.
#[derive(Debug)]
pub(super) struct Scaled<'a> {
    account: &'a Account,
    pools: Vec<Pool>,
    parts: Vec<PartOf>,
}

/// What of a row is a member's own, hedges in equal parts of those that they hedge.
#[derive(Debug, Clone, Copy)]
struct PartOf {
    pool: usize,
    row: usize,
    member: usize,
    /// Signed.
    qty: f64,
}

/// What a stress costs: for a unit that each member keeps, and of all else.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) weights: Vec<f64>,
    pub(super) rest: f64,
}

impl<'a> Scaled<'a> {
    pub(super) fn of(
        risk: &mut AccountRisk,
        engine: &'a Engine,
        members: &[usize],
        venue: &str,
    ) -> Result<Self, RiskRefusal> {
        let at = risk.account_at(venue)?;
        if !VenueRules::of(venue, Some("standard")).is_some_and(VenueRules::is_sum) {
            return Err(RiskRefusal::Absent(Absent::Part));
        }
        risk.update(engine, at)?;
        let pools = risk.held[at].pools.clone();
        let mut parts = Vec::new();
        for (scope, those) in shared(engine, members) {
            let mut held = Vec::new();
            held_by(engine, scope, &mut held);
            for (index, qty) in held {
                let place = pools.iter().enumerate().find_map(|(pool, of)| {
                    let row = of.rows.iter().position(|row| row.instrument == index)?;
                    Some((pool, row))
                });
                let Some((pool, row)) = place else { continue };
                let qty = qty.approximate() / those.len() as f64;
                parts.extend(those.iter().map(|member| PartOf { pool, row, member: *member, qty }));
            }
        }
        Ok(Self { account: &engine.books[at].account, pools, parts })
    }

    /// The pools with so much kept of what each member holds.
    fn pools(&self, held: &[f64], kept: &[f64]) -> Option<Vec<Pool>> {
        let mut pools = self.pools.clone();
        let mut given_up = vec![Vec::new(); pools.len()];
        for part in &self.parts {
            let share = if held[part.member] > 0.0 { 1.0 - kept[part.member] / held[part.member] } else { 0.0 };
            given_up[part.pool].push((part.row, part.qty * share));
        }
        for (pool, given_up) in pools.iter_mut().zip(given_up) {
            for (at, by) in given_up.into_iter().filter(|(_, by)| *by != 0.0) {
                let row = &mut pool.rows[at];
                let was = row.qty.approximate();
                row.qty = Qty::from_estimate(was - by, Round::Nearest)?;
                let (_, maintenance) = row.rule.margins(row.qty, row.mark, row.index, at).ok()?;
                let apart = if was == 0.0 { 0.0 } else { row.apart.approximate() * row.qty.approximate() / was };
                let apart = Cash::from_estimate(apart, Round::Nearest)?;
                pool.maintenance += maintenance - std::mem::replace(&mut row.maintenance, maintenance);
                pool.apart += apart - std::mem::replace(&mut row.apart, apart);
            }
        }
        Some(pools)
    }

    /// Maintenance margin over equity, as the fact tells it.
    pub(super) fn ratio(&self, held: &[f64], kept: &[f64]) -> f64 {
        let Some(pools) = self.pools(held, kept) else { return UNBEARABLE };
        let of = |pool: &Pool| ratio(pool.maintenance.approximate(), pool.equity(self.account).approximate());
        pools.iter().map(|pool| of(pool).unwrap_or(UNBEARABLE)).fold(0.0, f64::max)
    }

    /// One over the distance to liquidation by the price of a coin.
    pub(super) fn nearness(&self, engine: &Engine, coin: Currency, held: &[f64], kept: &[f64]) -> f64 {
        let Some(pools) = self.pools(held, kept) else { return UNBEARABLE };
        let edges = pools.iter().try_fold(Edges::default(), |edges, pool| {
            Ok::<_, RiskRefusal>(edges.nearer(Edges::of(engine, self.account, pool, coin)?))
        });
        match edges {
            Ok(edges) => 1.0 / edges.distance().unwrap_or(NEVER).max(1.0 / UNBEARABLE),
            Err(_) => UNBEARABLE,
        }
    }
}

/// Members, and hedges of them that trade: whose part of what is held is whose.
pub(super) fn shared(engine: &Engine, members: &[usize]) -> Vec<(usize, Vec<usize>)> {
    let account = engine.scopes[members[0]].account;
    let hedges = engine.greeks.iter().flat_map(|greeks| greeks.hedges());
    let hedges = hedges.filter(|(hedge, _)| engine.scopes[*hedge as usize].account == account);
    let hedged = hedges.map(|(hedge, of)| {
        let those = members.iter().enumerate().filter(|(_, member)| of.contains(&engine.scopes[**member].id));
        (hedge as usize, those.map(|(at, _)| at).collect::<Vec<_>>())
    });
    let own = members.iter().enumerate().map(|(at, member)| (*member, vec![at]));
    let holds = |(scope, those): &(usize, Vec<usize>)| !those.is_empty() && !engine.scopes[*scope].position.is_zero();
    own.chain(hedged).filter(holds).collect()
}

impl AccountRisk {
    /// What a stress costs by member, of which each holds so much.
    pub(super) fn lost(
        &mut self,
        engine: &Engine,
        name: &str,
        members: &[usize],
        held: &[f64],
    ) -> Result<Lost, RiskRefusal> {
        let no_stress = || RiskRefusal::NoStress(name.to_owned());
        let account = engine.scopes[members[0]].account.index();
        let numeraire = engine.books[0].account.numeraire();
        let stress = self.stress_named(name).ok_or_else(no_stress)?;
        let scenario = self.stresses[stress].1.clone().ok_or_else(no_stress)?;
        self.bring_up_whole(engine, numeraire)?;
        let Self { whole, revaluation, outcomes, .. } = self;
        whole.as_mut().ok_or_else(no_stress)?.run(engine, revaluation, (stress, &scenario), outcomes)?;
        let mut lost = Lost { weights: vec![0.0; members.len()], rest: -outcomes.total(0) };
        for (scope, those) in shared(engine, members) {
            let mut lines = Vec::new();
            held_by(engine, scope, &mut lines);
            let own = self.portfolio_of(engine, account, &lines)?;
            let places = lines.iter().map(|(index, _)| (account, *index)).collect();
            let mut part = Whole::new(engine, &own, places, numeraire, 0)?;
            part.settle(engine)?;
            part.follow(engine, &self.coins)?;
            part.run(engine, &mut self.revaluation, (stress, &scenario), &mut self.outcomes)?;
            let of_it = -self.outcomes.total(0);
            lost.rest -= of_it;
            for member in &those {
                lost.weights[*member] += of_it / those.len() as f64 / held[*member].max(f64::MIN_POSITIVE);
            }
        }
        Ok(lost)
    }
}
