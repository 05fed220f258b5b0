//! The quiet region: intervals of facts inside which a strategy provably decides what it decided last (DESIGN §3).

use crate::facts::{self, FactId, FactValue, Facts, NAMES, bit};
use crate::rule::{Because, Rule, Target};
use units::{Cash, Ratio};

/// Open intervals of facts inside which all rules of a program answer as they answered last. What a rule reads and says nothing
/// about must stay as it is.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Region {
    /// Whether there is one.
    known: bool,
    /// Whether there are [`Self::others`].
    has_others: bool,
    /// The engine's own facts that must stay as they are: one bit a slot.
    fixed: u64,
    /// The engine's own facts that have to be known: one bit a slot.
    needed: u64,
    /// The rules that have to see inputs inside too: one bit a position in the program.
    observers: u64,
    /// The intervals of [`QUICK`], in that order: of all values where nothing is stated.
    quick: [Inside; QUICK.len()],
    /// Where equity has to stay for it and for drawdown, as long as the highest equity stays what it is.
    worth: (i128, i128),
    /// Under what [`facts::OTHERS`] has to stay: any amount where nothing is stated.
    beside: i128,
    /// The interval of equity: all amounts where nothing is stated. So is the next one.
    equity: (i128, i128),
    drawdown: Inside,
    /// All other intervals.
    others: Vec<Bound>,
    /// Intervals of raw slot values, one a fact.
    bounds: Vec<Bound>,
    /// What the rule that is being asked has said.
    stated: Vec<Bound>,
    /// The target so far changes with a fact, without ever being flat or on another side.
    varies: bool,
    settled: bool,
    /// What the rule that is being asked remembers stays as it is.
    rests: bool,
    /// What has to stay as it is, for the rule that is being asked, whatever else it has said of it.
    stays: u64,
}

/// Facts that change with nearly every price and are bounded by most rules, each with the least and the largest raw value that it can
/// have: of each, 64 bits tell it. Whatever else is bounded lies in a list, elsewhere in memory, and costs more than all of these.
const QUICK: [(FactId, i128, i128); 4] = [
    (facts::PRICE.id(), i64::MIN as i128, i64::MAX as i128),
    (facts::NOW.id(), i64::MIN as i128, i64::MAX as i128),
    (facts::VOLATILITY.id(), 0, UNSIGNED_MAX),
    (facts::PRICES.id(), 0, UNSIGNED_MAX),
];
/// The bits of an estimate, or a count.
const UNSIGNED_MAX: i128 = u64::MAX as i128;

/// Values of 64 bits: so many, from the first on.
#[derive(Debug, Clone, Copy)]
struct Inside {
    first: u64,
    count: u64,
}

impl Inside {
    /// All that a fact ever is: the last value of 64 bits is no time, price or estimate.
    const ALL: Self = Self { first: 0, count: u64::MAX };

    /// The values of a fact between these.
    fn between(low: i128, high: i128, (least, largest): (i128, i128)) -> Self {
        let (first, end) = (low.saturating_add(1).max(least), high.min(largest.saturating_add(1)));
        let count = end.saturating_sub(first).clamp(0, u64::MAX.into());
        Self { first: first as u64, count: count as u64 }
    }

    #[inline]
    fn holds(self, value: u64) -> bool {
        value.wrapping_sub(self.first) < self.count
    }
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    fact: FactId,
    low: i128,
    high: i128,
    /// Whatever the fact is, known or not.
    free: bool,
}

/// All amounts that there are.
const ANY: (i128, i128) = (i128::MIN, i128::MAX);
/// No amount.
const NONE: (i128, i128) = (i128::MAX, i128::MIN);

impl Default for Region {
    fn default() -> Self {
        Self {
            known: false,
            has_others: false,
            fixed: 0,
            needed: 0,
            observers: 0,
            quick: [Inside::ALL; QUICK.len()],
            worth: NONE,
            beside: i128::MAX,
            equity: ANY,
            drawdown: Inside::ALL,
            others: Vec::new(),
            bounds: Vec::new(),
            stated: Vec::new(),
            varies: false,
            settled: false,
            rests: false,
            stays: 0,
        }
    }
}

impl Region {
    /// Nothing changes while `low < fact < high`, in raw slot values. A fact that is not known is in no interval.
    pub fn within(&mut self, fact: FactId, low: i128, high: i128) {
        self.stated.push(Bound { fact, low, high, free: false });
    }

    /// Nothing changes while a share that is not negative is at least `low` and under `high`. `None`: without end.
    pub fn within_ratio(&mut self, fact: FactId, low: f64, high: Option<f64>) {
        // The bits of doubles that are not negative stand in the order of their values; those of negative ones lie over them.
        let raw = |value: f64| Ratio::new(value).map_or(i128::MAX, FactValue::to_raw);
        let end = i128::from(f64::INFINITY.to_bits());
        self.within(fact, raw(low.max(0.0)).saturating_sub(1), high.map_or(end, raw).min(end));
    }

    /// Nothing changes whatever these facts are, though the rule reads them.
    pub fn free(&mut self, facts: &[FactId]) {
        self.stated.extend(facts.iter().map(|fact| Bound { fact: *fact, low: i128::MIN, high: i128::MAX, free: true }));
    }

    /// Nothing changes while one of the engine's own facts stays as it is, whatever else the rule says of it. `false`: it is none of them.
    #[must_use]
    pub fn stay(&mut self, fact: FactId) -> bool {
        self.stays |= bit(fact);
        bit(fact) != 0
    }

    /// The target that the rule hands on changes with what it declares free or bounds, but is never flat and stays on its side:
    /// there is a region only if a later rule [settles](Self::settle) it.
    pub fn vary(&mut self) {
        (self.varies, self.settled) = (true, true);
    }

    /// The rule's answer is the same for any proposal on this side.
    pub fn settle(&mut self) {
        (self.varies, self.settled) = (false, true);
    }

    /// Inside, [`Rule::observe`] would change nothing that the rule remembers: it is not called there.
    pub fn rest(&mut self) {
        self.rests = true;
    }

    /// Between which raw values a fact has to stay. `None`: it is not told, because any value will do or because all must stay.
    #[must_use]
    pub fn bounds(&self, fact: FactId) -> Option<(i128, i128)> {
        let bound = self.bounds.iter().find(|bound| bound.fact == fact)?;
        Some((bound.low, bound.high))
    }

    /// Forgets it.
    #[inline]
    pub fn forget(&mut self) {
        self.known = false;
    }

    /// Whether there is one.
    #[must_use]
    #[inline]
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// Begins anew: each rule of the program is asked before it is evaluated.
    #[inline]
    pub fn begin(&mut self) {
        (self.known, self.varies, self.fixed, self.observers) = (true, false, 0, 0);
        self.bounds.clear();
    }

    /// Asks the next rule, the one at this position.
    pub fn ask(&mut self, index: usize, rule: &dyn Rule, facts: &Facts, proposed: Target, because: &Because) {
        if !self.known {
            return;
        }
        self.stated.clear();
        // A proposal that varies has to be settled, or handed on as one that varies, by a rule that knows of it.
        (self.settled, self.rests, self.stays) = (!self.varies, false, 0);
        self.known = rule.quiet(facts, proposed, because, self) && self.settled;
        self.observers |= u64::from(!self.rests) << index;
        for fact in rule.reads() {
            if self.stays & bit(*fact) == 0 && self.stated.iter().any(|stated| stated.fact == *fact) {
                continue;
            }
            // Rules read what indicators make of series, not the series.
            let slot = u32::from(fact.0);
            self.known &= usize::from(fact.0) < NAMES.len();
            self.fixed |= 1_u64.checked_shl(slot).unwrap_or(0);
        }
        for stated in self.stated.iter().filter(|stated| !stated.free) {
            match self.bounds.iter_mut().find(|bound| bound.fact == stated.fact) {
                Some(bound) => (bound.low, bound.high) = (bound.low.max(stated.low), bound.high.min(stated.high)),
                None => self.bounds.push(*stated),
            }
        }
    }

    /// All rules were asked. What is still not settled leaves none.
    pub fn end(&mut self) {
        self.known &= !self.varies;
        self.needed = self.bounds.iter().fold(0, |needed, bound| needed | bit(bound.fact));
        (self.quick, self.drawdown) = ([Inside::ALL; QUICK.len()], Inside::ALL);
        (self.equity, self.beside, self.worth) = (ANY, i128::MAX, NONE);
        self.others.clear();
        for bound in &self.bounds {
            if let Some(at) = QUICK.iter().position(|(fact, ..)| *fact == bound.fact) {
                let (_, least, largest) = QUICK[at];
                self.quick[at] = Inside::between(bound.low, bound.high, (least, largest));
            } else if bound.fact == facts::DRAWDOWN.id() {
                self.drawdown = Inside::between(bound.low, bound.high, (0, UNSIGNED_MAX));
            } else if bound.fact == facts::EQUITY.id() {
                self.equity = (bound.low, bound.high);
            } else if bound.fact == facts::OTHERS.id() && bound.low == i128::MIN {
                self.beside = bound.high;
            } else {
                self.others.push(*bound);
            }
        }
        self.has_others = !self.others.is_empty();
    }

    /// The positions of the rules that have to see inputs inside too: one bit each.
    #[inline]
    #[must_use]
    pub fn observers(&self) -> u64 {
        self.observers
    }

    /// Whether it says something of N: where it does not, N may be any.
    #[must_use]
    pub fn minds_unit(&self) -> bool {
        (self.fixed | self.needed) & bit(facts::UNIT.id()) != 0
    }

    /// The facts are those that the rules were asked with, and are watched from now on.
    #[inline]
    pub fn put_in_force(&self, facts: &mut Facts) {
        facts.watch();
    }

    /// From now on [`Self::holds_at_price`] may be asked, until the highest equity is another than this: drawdown is what is missing to it.
    pub fn follow_equity(&mut self, highest: Cash) {
        let (mut low, mut high) = self.equity;
        if self.fixed & bit(facts::DRAWDOWN.id()) != 0 {
            (low, high) = NONE;
        } else if self.needed & bit(facts::DRAWDOWN.id()) != 0 {
            // A little inside, because what is missing is a rounded quotient of a rounded number.
            const INWARD: f64 = 1e-9;
            let [least, most] = [self.drawdown.first, self.drawdown.first.saturating_add(self.drawdown.count)]
                .map(|bits| f64::from_bits(bits) * highest.approximate_raw());
            if highest.signum() > 0 && most.is_finite() {
                low = low.max(highest.raw().saturating_sub((most * (1.0 - INWARD)) as i128));
            } else if highest.signum() <= 0 {
                (low, high) = NONE;
            }
            if least > 0.0 {
                high = high.min(highest.raw().saturating_sub((least * (1.0 + INWARD)) as i128));
            }
        }
        self.worth = (low, high);
    }

    /// The highest equity may be another: [`Self::holds_at_price`] is `false` until it is followed again.
    #[inline]
    pub fn follow_nothing(&mut self) {
        self.worth = NONE;
    }

    /// Whether the facts are still inside.
    #[inline(always)]
    #[must_use]
    pub fn holds(&self, facts: &Facts) -> bool {
        self.holds_beside(facts, self.equity) && self.drawdown.holds(facts.low_bits(facts::DRAWDOWN.id()))
    }

    /// The same after a price that told no drawdown, while the highest equity is what it was when it was
    /// [followed](Self::follow_equity).
    #[inline(always)]
    #[must_use]
    pub fn holds_at_price(&self, facts: &Facts) -> bool {
        self.holds_beside(facts, self.worth)
    }

    /// Whether all but drawdown is inside, with equity between these.
    #[inline(always)]
    fn holds_beside(&self, facts: &Facts, equity: (i128, i128)) -> bool {
        if !self.known || facts.changed() & self.fixed != 0 || !facts.knows(self.needed) {
            return false;
        }
        for (at, (fact, ..)) in QUICK.iter().enumerate() {
            if !self.quick[at].holds(facts.low_bits(*fact)) {
                return false;
            }
        }
        facts.own_between(facts::EQUITY.id(), equity)
            && facts.own_under(facts::OTHERS.id(), self.beside)
            && (!self.has_others || self.holds_others(facts))
    }

    #[inline(never)]
    fn holds_others(&self, facts: &Facts) -> bool {
        self.others.iter().all(|bound| facts.raw(bound.fact).is_some_and(|raw| bound.low < raw && raw < bound.high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Verdict;
    use units::{Price, Qty, Timestamp};

    type Stated = fn(&mut Region) -> bool;

    /// Reads price, drawdown and position, and says of them what it is told to.
    struct Says(Stated);

    impl Rule for Says {
        fn name(&self) -> &'static str {
            "says"
        }

        fn reads(&self) -> &[FactId] {
            const READS: &[FactId] = &[facts::PRICE.id(), facts::DRAWDOWN.id(), facts::POSITION.id()];
            READS
        }

        fn evaluate(&self, _facts: &Facts, proposed: Target, _because: &mut Because) -> Verdict {
            Verdict::keep(proposed)
        }

        fn quiet(&self, _facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
            (self.0)(region)
        }
    }

    fn facts(price: i64, drawdown: f64) -> Facts {
        let mut facts = Facts::new(1);
        facts.set_now(Timestamp::from_nanos(1));
        facts.set(facts::PRICE, Price::from_raw(price));
        facts.set(facts::DRAWDOWN, Ratio::new(drawdown).unwrap_or_default());
        facts.set(facts::POSITION, Qty::from_raw(5));
        facts
    }

    fn region(facts: &mut Facts, rules: &[fn(&mut Region) -> bool]) -> Region {
        let rules: Vec<Box<dyn Rule>> = rules.iter().map(|says| Box::new(Says(*says)) as Box<dyn Rule>).collect();
        let (mut region, mut because) = (Region::default(), Because::default());
        let _target = crate::evaluate_asking(&rules, facts, &mut because, &mut region);
        region.put_in_force(facts);
        region
    }

    #[test]
    fn what_is_not_said_must_stay_as_it_is() {
        let mut known = facts(100, 0.1);
        let region = region(
            &mut known,
            &[|region| {
                region.within(facts::PRICE.id(), 90, 110);
                region.free(&[facts::DRAWDOWN.id()]);
                true
            }],
        );
        assert!(region.holds(&known));
        known.set(facts::POSITION, Qty::from_raw(5));
        known.set(facts::DRAWDOWN, Ratio::new(0.2).unwrap_or_default());
        assert!(region.holds(&known), "the same again is no change");
        for (price, inside) in [(91, true), (109, true), (90, false), (110, false)] {
            known.set(facts::PRICE, Price::from_raw(price));
            assert_eq!(region.holds(&known), inside, "{price}");
        }
        known.set(facts::PRICE, Price::from_raw(100));
        known.put(facts::POSITION, None);
        assert!(!region.holds(&known), "forgotten is changed");
    }

    #[test]
    fn the_narrowest_of_all_rules_counts() {
        let mut known = facts(100, 0.1);
        let free = |region: &mut Region| {
            region.free(&[facts::DRAWDOWN.id(), facts::PRICE.id()]);
            true
        };
        let wide = |region: &mut Region| {
            region.within(facts::PRICE.id(), 50, 150);
            region.within_ratio(facts::DRAWDOWN.id(), 0.05, Some(0.2));
            true
        };
        let narrow = |region: &mut Region| {
            region.within(facts::PRICE.id(), 95, 200);
            region.within_ratio(facts::DRAWDOWN.id(), 0.1, None);
            true
        };
        let region = region(&mut known, &[free, wide, narrow]);
        let mut at = |price: i64, drawdown: f64| {
            known.set(facts::PRICE, Price::from_raw(price));
            known.set(facts::DRAWDOWN, Ratio::new(drawdown).unwrap_or_default());
            region.holds(&known)
        };
        assert!(at(96, 0.1) && at(149, 0.199_999));
        assert!(!at(95, 0.1) && !at(150, 0.1) && !at(100, 0.2) && !at(100, 0.099_999) && !at(100, -0.1));
    }

    #[test]
    fn who_remembers_nothing_is_not_shown_what_lies_inside() {
        let mut known = facts(100, 0.1);
        let rests = |region: &mut Region| {
            region.rest();
            true
        };
        assert_eq!(region(&mut known, &[rests, |_| true, rests]).observers(), 0b010);
    }

    /// Of any equity that is said to be inside, drawdown as accounts reckon it is inside too; and of those well inside, all are said to be.
    #[test]
    fn equity_tells_where_drawdown_is() {
        let says: [(Stated, f64, f64); 3] = [
            (|region| within(region, 0.0, Some(0.2)), 0.0, 0.2),
            (|region| within(region, 0.1, Some(0.100_001)), 0.1, 0.100_001),
            (|region| within(region, 0.3, None), 0.3, f64::INFINITY),
        ];
        fn within(region: &mut Region, low: f64, high: Option<f64>) -> bool {
            region.within_ratio(facts::DRAWDOWN.id(), low, high);
            region.free(&[facts::PRICE.id()]);
            true
        }
        for highest in [1, 7 * Cash::ONE / 3, 1_000_000 * Cash::ONE, 3_000_000_000 * Cash::ONE + 1] {
            for (says, low, high) in says {
                let per = 1.0 / Cash::from_raw(highest).approximate_raw();
                let mut known = facts(100, low);
                let mut region = region(&mut known, &[says]);
                region.follow_equity(Cash::from_raw(highest));
                // Around both ends, and all over.
                let ends = [low, high.min(1.5)].map(|share| (highest as f64 * share) as i128);
                let near =
                    ends.iter().flat_map(|end| (-40..40).map(move |step| end + step * (highest / 10_000_000_000)));
                for missing in near.chain((0..200).map(|part| highest / 100 * part)).filter(|missing| *missing > 0) {
                    known.set(facts::EQUITY, Cash::from_raw(highest - missing));
                    let drawdown = Cash::from_raw(missing).approximate_raw() * per;
                    let inside = low <= drawdown && drawdown < high;
                    let well_inside = low * (1.0 + 1e-8) < drawdown && drawdown < high * (1.0 - 1e-8);
                    let told = region.holds_at_price(&known);
                    assert!(inside || !told, "{drawdown} of {highest} in {low}, {high}");
                    assert!(told || !well_inside, "{drawdown} of {highest} in {low}, {high}");
                }
                region.follow_nothing();
                assert!(!region.holds_at_price(&known));
            }
        }
    }

    #[test]
    fn an_interval_of_64_bits_holds_what_its_ends_say() {
        let ends = [
            i128::MIN,
            -(1 << 63),
            -(1 << 63) + 1,
            -5,
            -1,
            0,
            1,
            7,
            (1 << 63) - 1,
            1 << 63,
            u64::MAX as i128 - 1,
            i128::MAX,
        ];
        for (_, least, largest) in QUICK {
            for (low, high) in ends.iter().flat_map(|low| ends.map(|high| (*low, high))) {
                let inside = Inside::between(low, high, (least, largest));
                // The last value of all 64 bits may be left out, which costs an evaluation: no price, time or estimate is one.
                let told =
                    |value: &i128| (least..=largest).contains(value) && *value != largest && *value as u64 != u64::MAX;
                for value in ends.into_iter().filter(told) {
                    assert_eq!(inside.holds(value as u64), low < value && value < high, "{value} in {low}, {high}");
                }
            }
        }
    }

    #[test]
    fn a_target_that_varies_has_to_be_settled() {
        let mut known = facts(100, 0.1);
        let vary = |region: &mut Region| {
            region.vary();
            true
        };
        let pass = |_: &mut Region| true;
        let settle = |region: &mut Region| {
            region.settle();
            true
        };
        let mut is_known = |rules: &[fn(&mut Region) -> bool]| region(&mut known, rules).is_known();
        assert!(is_known(&[vary, settle, pass]));
        assert!(is_known(&[vary, vary, settle]));
        assert!(!is_known(&[vary, pass, settle]), "one that does not know of it is between");
        assert!(!is_known(&[vary]) && !is_known(&[pass, |_| false, pass]));
    }
}
