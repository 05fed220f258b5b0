//! Which positions a breach of a limit on Greeks is brought back by: those of which less relieves it.
//!
//! What each position has of a Greek is known, so it is tried: a little less of the position, and what is limited is nearer to its restore
//! level, as far from it, or further away. Positions of the first kind, of all strategies that state the same limit, keep the same share;
//! the others stay. The share is that at which what is limited is at its restore level, whatever the expression makes of Greeks.

use crate::ENGINE_RULE;
use crate::engine::Engine;
use crate::outgoing::{is_cut_by_limit, reduces};
use crate::scope::Scope;
use arrayvec::ArrayVec;
use policy::facts::{self, Code, Facts};
use policy::spec::LIMITS_MAX;
use policy::{Relief, Relieves, Rule, STEPS_MAX};
use units::{Ratio, SeriesId, StrategyId};

/// Into how many parts what is given up is divided, to look where what is limited is back.
const PARTS: u32 = 64;
/// Halvings of the part in which it is.
const HALVINGS: u32 = 48;

/// A position that stands under the limit.
struct Member {
    strategy: StrategyId,
    coin: Code,
    of: Relieves,
    /// Something of it can be given up.
    trades: bool,
}

/// What positions have of the Greeks that a limit reads, in the order of `told`.
struct Parts<'a> {
    /// What the strategy was told of each.
    told: Vec<(SeriesId, f64)>,
    of: &'a [(SeriesId, StrategyId, f64)],
}

impl Engine {
    /// Tells the limits on Greeks of a strategy what giving up its position does to them, where they are breached.
    pub(crate) fn tell_reliefs(&mut self, index: usize, is_beyond: bool) {
        let reliefs = match &self.greeks {
            Some(_) if is_beyond => self.reliefs(index),
            _ => ArrayVec::new(),
        };
        self.scopes[index].because.set_reliefs(reliefs);
    }

    fn reliefs(&mut self, index: usize) -> ArrayVec<Relief, LIMITS_MAX> {
        let greeks: Vec<SeriesId> = self.greeks.iter().flat_map(|greeks| greeks.series()).collect();
        let risks = self.risk.as_ref().map_or(Vec::new(), |risk| risk.series_of(index));
        let reads = |rule: &dyn Rule, series: &SeriesId| rule.reads().contains(&facts::series(*series).id());
        // Of figures of risk nobody knows here what a smaller position makes of them.
        let is_of_greeks = |rule: &dyn Rule| {
            greeks.iter().any(|series| reads(rule, series)) && !risks.iter().any(|series| reads(rule, series))
        };
        let scope = &self.scopes[index];
        let limits = scope.rules.iter().enumerate().filter(|(_, rule)| is_of_greeks(rule.as_ref()));
        let limits = limits.filter_map(|(at, rule)| {
            let limited = rule.limited(&scope.facts)?;
            Some((at, rule.limit_terms()?.to_owned())).filter(|_| reduces(&limited))
        });
        let limits: Vec<(usize, String)> = limits.collect();
        if limits.is_empty() {
            return ArrayVec::new();
        }
        let mut parts = self.parts_of_held();
        self.follow_supposed(&mut parts);
        let mut reliefs = ArrayVec::new();
        for (rule, terms) in limits {
            let read = greeks.iter().filter(|series| reads(self.scopes[index].rules[rule].as_ref(), series));
            let told = |series: &SeriesId| {
                let is_told = parts.iter().any(|(known, ..)| known == series);
                let value = self.scopes[index].facts.get(facts::series(*series)).filter(|_| is_told)?;
                Some((*series, value.get()))
            };
            let Some(told) = read.map(told).collect::<Option<Vec<_>>>() else { continue };
            reliefs.extend(self.relief(index, rule, &terms, &Parts { told, of: &parts }));
        }
        reliefs
    }

    /// Where a Greek is supposed to be another, each position has as much more or less of it.
    fn follow_supposed(&self, parts: &mut [(SeriesId, StrategyId, f64)]) {
        for at in 0..parts.len() {
            let series = parts[at].0;
            let Some(supposed) =
                self.supposed(series).filter(|_| parts[..at].iter().all(|(known, ..)| *known != series))
            else {
                continue;
            };
            let of_it = || parts.iter().filter(|(known, ..)| *known == series);
            let times = supposed.get() / of_it().map(|(.., part)| part).sum::<f64>();
            if times.is_finite() && times > 0.0 {
                parts.iter_mut().filter(|(known, ..)| *known == series).for_each(|(.., part)| *part *= times);
            }
        }
    }

    /// What giving up the position does to one of a strategy's limits.
    fn relief(&mut self, index: usize, rule: usize, terms: &str, parts: &Parts<'_>) -> Option<Relief> {
        let states = |scope: &&Scope| scope.rules.iter().any(|rule| rule.limit_terms() == Some(terms));
        let coin = |scope: &Scope| Code::new(self.catalogue.instruments[scope.instrument.index()].base.as_str());
        // What nothing fills is given up by nobody else's reckoning.
        let trades = |scope: &Scope| scope.id.index() == index || self.silent_since(scope.id.index()).is_none();
        let member = |scope: &Scope| {
            let (strategy, coin, trades) = (scope.id, coin(scope), trades(scope));
            Member { strategy, coin, of: Relieves::Same, trades }
        };
        let mut members: Vec<Member> = self.scopes.iter().filter(states).map(member).collect();
        let Scope { facts, rules, id: own, .. } = &mut self.scopes[index];
        let kept: Vec<facts::Told> = parts.told.iter().map(|(series, _)| facts.told(*series)).collect();
        let rule = rules[rule].as_ref();
        let limited = rule.limited(facts)?;
        let over = if limited.is_over { 1.0 } else { -1.0 };
        let now = limited.value? * over;
        for member in &mut members {
            let gives = |strategy| if strategy == member.strategy { 1.0 / f64::from(PARTS) } else { 0.0 };
            let then = parts.without(facts, rule, gives).and_then(|then| then.value).map_or(now, |then| then * over);
            member.of = match then.total_cmp(&now) {
                _ if then == now => Relieves::Same,
                std::cmp::Ordering::Less => Relieves::Better,
                _ => Relieves::Worse,
            };
        }
        let is_given =
            |strategy| members.iter().any(|of| of.strategy == strategy && of.of == Relieves::Better && of.trades);
        let mut keeps = |share: f64| {
            let gives = |strategy| if is_given(strategy) { 1.0 - share } else { 0.0 };
            parts.without(facts, rule, gives).and_then(|then| Some((then.value? * over, then.is_beyond())))
        };
        let keeps = share_kept(&mut keeps, now);
        kept.into_iter().for_each(|told| facts.put_back(told));
        let own_of = members.iter().find(|of| of.strategy == *own)?.of;
        let own = *own;
        let is_spared = |of: &&Member| {
            let has_part = self.scopes[of.strategy.index()].position.signum() != 0;
            of.of != Relieves::Better && of.strategy != own && has_part
        };
        let spares = members.iter().find(is_spared).map(|of| (of.coin, of.of));
        Some(Relief { limit: limited.limit, of: own_of, keeps, spares })
    }

    /// Puts into a plan what a cut by a limit on Greeks was preferred to.
    #[cold]
    pub(crate) fn note_relief(&mut self, index: usize) {
        let because = &mut self.scopes[index].because;
        let spares = because.reliefs().iter().filter(|of| of.of == Relieves::Better).find_map(|of| of.spares);
        let (Some((coin, less)), held) = (spares, self.scopes[index].position) else { return };
        let scope = &mut self.scopes[index];
        if is_cut_by_limit(scope) && scope.because.steps().len() < STEPS_MAX {
            let args = [policy::Arg::Name(coin)];
            let sentence = match less {
                Relieves::Worse => "preferred to {}, of which less makes it worse",
                Relieves::Better | Relieves::Same => "preferred to {}, which brings nothing back",
            };
            scope.because.note(ENGINE_RULE, held, held, sentence, args);
        }
    }
}

impl Parts<'_> {
    /// What a limit measures if each strategy has given up a share of its position.
    fn without(
        &self,
        facts: &mut Facts,
        rule: &dyn Rule,
        gives: impl Fn(StrategyId) -> f64,
    ) -> Option<policy::Limited> {
        for (series, told) in &self.told {
            let of = self.of.iter().filter(|(known, ..)| known == series);
            let given: f64 = of.map(|(_, strategy, part)| gives(*strategy) * part).sum();
            facts.put(facts::series(*series), Ratio::new(told - given));
        }
        rule.limited(facts)
    }
}

/// The largest share at which what is limited is not beyond its restore level; else the one at which it is the least beyond.
fn share_kept(measured: &mut dyn FnMut(f64) -> Option<(f64, bool)>, now: f64) -> f64 {
    let (mut before, mut least) = (1.0, (now, 1.0));
    for part in (0..PARTS).rev() {
        let share = f64::from(part) / f64::from(PARTS);
        let Some((value, is_beyond)) = measured(share) else { continue };
        if is_beyond {
            before = share;
            if value < least.0 {
                least = (value, share);
            }
            continue;
        }
        let (mut bears, mut breaks) = (share, before);
        for _ in 0..HALVINGS {
            let middle = (bears + breaks) / 2.0;
            match measured(middle) {
                Some((_, false)) => bears = middle,
                _ => breaks = middle,
            }
        }
        return bears;
    }
    least.1
}
