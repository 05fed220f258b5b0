//! What is held in one underlying.

use super::group::{Dimension, Group, Grouping};
use super::{DeltaOneKey, GreekSums, GreeksError, HeldLeg, OptionKey, Part, SmilePoint};
use crate::Leg;
use market::Currency;
use pricing::options::{EuropeanOption, Field, Inputs, OptionStyle, Refusal, Simd, Weight, Weighted};
use std::ops::Range;
use units::{AccountId, Contract, Duration, Price, Qty, StrategyId, Timestamp};

/// An expiry's market.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub(super) expiry: Timestamp,
    /// The forward when it was set, and the underlying's price then: it is as it was set until the price moves, then in proportion.
    pub(super) anchor: (f64, f64),
    /// Of options paid for in USD.
    pub(super) discount: f64,
    forward: f64,
    years: f64,
    /// Where its options stand, and where it stands itself among the expiries that have some.
    options: Range<usize>,
    place: usize,
}

/// A position in an option.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OptionLine {
    pub(super) key: OptionKey,
    pub(super) quantity: Qty,
    pub(super) point: SmilePoint,
}

/// A position in the underlying.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DeltaOneLine {
    pub(super) key: DeltaOneKey,
    pub(super) quantity: Qty,
}

impl DeltaOneLine {
    /// What it adds, at the forward of its expiry or the price of the underlying.
    fn sums(&self, terms: &[Term], price: f64) -> GreekSums {
        let forward = self.forward(terms, price);
        let quantity = self.quantity.approximate();
        let delta = match self.key.contract {
            Contract::Linear => quantity,
            Contract::Inverse => quantity / forward,
        };
        GreekSums { delta, strike_cash_delta: delta * forward, ..GreekSums::default() }
    }

    fn forward(&self, terms: &[Term], price: f64) -> f64 {
        // A future was held only where its expiry has a forward.
        let at = self.key.expiry.and_then(|expiry| terms.binary_search_by_key(&expiry, |term| term.expiry).ok());
        at.map_or(price, |at| terms[at].forward)
    }
}

/// Positions in one underlying, its market, and the columns that are made of both.
#[derive(Debug, Clone)]
pub(super) struct Book {
    underlying: Currency,
    price: f64,
    bucket_width: Option<Price>,
    /// In order.
    terms: Vec<Term>,
    /// In canonical order.
    options: Vec<OptionLine>,
    /// In order.
    delta_ones: Vec<DeltaOneLine>,
    weighted: Weighted,
    /// Options have come or gone: the columns are to be made anew.
    reshaped: bool,
    /// Where positions belong, and what runs and cells of them add, if current.
    grouping: Grouping,
    groups_current: bool,
    /// Room for volatilities and forwards that are not checked yet.
    points: Vec<SmilePoint>,
    forwards: Vec<f64>,
}

impl Book {
    pub(super) fn new(underlying: Currency, price: f64) -> Result<Self, GreeksError> {
        Ok(Self {
            underlying,
            price: check(Field::Forward, price)?,
            bucket_width: None,
            terms: Vec::new(),
            options: Vec::new(),
            delta_ones: Vec::new(),
            weighted: Weighted::default(),
            reshaped: false,
            grouping: Grouping::default(),
            groups_current: false,
            points: Vec::new(),
            forwards: Vec::new(),
        })
    }

    pub(super) fn underlying(&self) -> Currency {
        self.underlying
    }

    pub(super) fn price(&self) -> f64 {
        self.price
    }

    pub(super) fn bucket_width(&self) -> Option<Price> {
        self.bucket_width
    }

    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }

    pub(super) fn options(&self) -> &[OptionLine] {
        &self.options
    }

    pub(super) fn delta_ones(&self) -> &[DeltaOneLine] {
        &self.delta_ones
    }

    pub(super) fn len(&self) -> usize {
        self.options.len() + self.delta_ones.len()
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), GreeksError> {
        self.terms.iter().try_for_each(|term| years(term.expiry, now).map(|_| ()))
    }

    pub(super) fn set_time(&mut self, now: Timestamp) {
        for at in 0..self.terms.len() {
            // Checked for every book before.
            let Ok(years) = years(self.terms[at].expiry, now) else { continue };
            let term = &mut self.terms[at];
            if term.years != years {
                term.years = years;
                if !self.reshaped && !term.options.is_empty() {
                    // In range, as checked before.
                    let _ = self.weighted.set_years(term.options.clone(), years);
                    self.groups_current = false;
                }
            }
        }
    }

    pub(super) fn set_price(&mut self, price: f64) -> Result<(), GreeksError> {
        check(Field::Forward, price)?;
        self.forwards.clear();
        let mut of_anchor = (self.price, price / self.price);
        for term in &self.terms {
            let (forward, at_price) = term.anchor;
            if at_price != of_anchor.0 {
                of_anchor = (at_price, price / at_price);
            }
            let moved = if price == at_price { forward } else { forward * of_anchor.1 };
            self.forwards.push(check(Field::Forward, moved)?);
        }
        self.price = price;
        self.terms.iter_mut().zip(&self.forwards).for_each(|(term, forward)| term.forward = *forward);
        self.move_forwards(0..self.terms.len());
        Ok(())
    }

    pub(super) fn set_forward(&mut self, now: Timestamp, expiry: Timestamp, forward: f64) -> Result<(), GreeksError> {
        let forward = check(Field::Forward, forward)?;
        let anchor = (forward, self.price);
        match self.terms.binary_search_by_key(&expiry, |term| term.expiry) {
            Ok(at) => {
                (self.terms[at].anchor, self.terms[at].forward) = (anchor, forward);
                self.move_forwards(at..at + 1);
            }
            Err(at) => {
                let years = years(expiry, now)?;
                // It has no options yet; where they will stand is found when they come.
                let start = self.options.partition_point(|line| line.key.expiry < expiry);
                self.terms.insert(
                    at,
                    Term { expiry, anchor, discount: 1.0, forward, years, options: start..start, place: 0 },
                );
            }
        }
        Ok(())
    }

    pub(super) fn drop_expired(&mut self, now: Timestamp) {
        let Self { terms, options, delta_ones, .. } = self;
        terms.retain(|term| {
            term.expiry > now
                || options.iter().any(|line| line.key.expiry == term.expiry)
                || delta_ones.iter().any(|line| line.key.expiry == Some(term.expiry))
        });
    }

    pub(super) fn set_discount(&mut self, expiry: Timestamp, discount: f64) -> Result<(), GreeksError> {
        let discount = check(Field::Discount, discount)?;
        let at = self.term(expiry)?;
        self.terms[at].discount = discount;
        if !self.reshaped {
            let options = self.terms[at].options.clone();
            for index in options.filter(|index| self.options[*index].key.style == OptionStyle::Linear) {
                self.weighted.set_discount(index, discount)?;
            }
            self.groups_current = false;
        }
        Ok(())
    }

    pub(super) fn set_smile(
        &mut self,
        expiry: Timestamp,
        mut smile: impl FnMut(&OptionKey) -> SmilePoint,
    ) -> Result<(), GreeksError> {
        self.term(expiry)?;
        let first = self.options.partition_point(|line| line.key.expiry < expiry);
        let end = first + self.options[first..].partition_point(|line| line.key.expiry == expiry);
        self.points.clear();
        for line in &self.options[first..end] {
            self.points.push(check_point(smile(&line.key))?);
        }
        for (index, point) in (first..end).zip(&self.points) {
            self.options[index].point = *point;
            if !self.reshaped {
                // In range, as checked above.
                let _ = self.weighted.set_vol(index, point.vol, point.slope);
            }
        }
        self.groups_current = false;
        Ok(())
    }

    pub(super) fn set_bucket_width(&mut self, width: Price) {
        self.bucket_width = Some(width);
        self.groups_current = false;
        self.grouping.forget();
    }

    pub(super) fn hold(&mut self, key: OptionKey, quantity: Qty, point: SmilePoint) -> Result<(), GreeksError> {
        let point = check_point(point)?;
        check(Field::Strike, key.strike.approximate())?;
        self.term(key.expiry)?;
        match self.options.binary_search_by(|line| line.key.cmp(&key)) {
            Ok(at) => {
                self.options[at].point = point;
                if !self.reshaped {
                    // In range, as checked above.
                    let _ = self.weighted.set_vol(at, point.vol, point.slope);
                }
                self.set_quantity(at, quantity);
            }
            Err(_) if quantity.is_zero() => {}
            Err(at) => {
                self.options.insert(at, OptionLine { key, quantity, point });
                self.reshape();
            }
        }
        Ok(())
    }

    pub(super) fn resize(&mut self, key: &OptionKey, quantity: Qty) -> Result<(), GreeksError> {
        let at = self.options.binary_search_by(|line| line.key.cmp(key)).map_err(|_| GreeksError::NotHeld(*key))?;
        self.set_quantity(at, quantity);
        Ok(())
    }

    fn set_quantity(&mut self, at: usize, quantity: Qty) {
        if quantity.is_zero() {
            self.options.remove(at);
            return self.reshape();
        }
        self.options[at].quantity = quantity;
        if !self.reshaped {
            self.weighted.set_quantity(at, quantity.approximate());
        }
        self.groups_current = false;
    }

    pub(super) fn hold_delta_one(&mut self, key: DeltaOneKey, quantity: Qty) -> Result<(), GreeksError> {
        if let Some(expiry) = key.expiry {
            self.term(expiry)?;
        }
        match self.delta_ones.binary_search_by_key(&order(&key), |line| order(&line.key)) {
            Ok(at) if quantity.is_zero() => {
                self.delta_ones.remove(at);
                self.grouping.forget();
            }
            Ok(at) => self.delta_ones[at].quantity = quantity,
            Err(_) if quantity.is_zero() => {}
            Err(at) => {
                self.delta_ones.insert(at, DeltaOneLine { key, quantity });
                self.grouping.forget();
            }
        }
        self.groups_current = false;
        Ok(())
    }

    /// The sum of all: the options' tree, then the other positions in order.
    pub(super) fn sum(&mut self, simd: Simd) -> GreekSums {
        self.price_stale(simd);
        self.delta_ones.iter().fold(self.weighted.sum(), |sum, line| sum + line.sums(&self.terms, self.price))
    }

    /// What is held, at the market as it was set: options, then the others.
    pub(super) fn legs(&self) -> impl Iterator<Item = HeldLeg> + '_ {
        let options = self.options.iter().filter_map(|line| {
            let OptionKey { expiry, strike, right, style, venue, strategy, .. } = line.key;
            // An option is held only where its expiry has a forward.
            let term = &self.terms[self.term(expiry).ok()?];
            let discount = if style == OptionStyle::Linear { term.discount } else { 1.0 };
            let (strike, vol) = (strike.approximate(), line.point.vol);
            let inputs = Inputs { forward: term.forward, strike, years: term.years, vol, discount };
            let leg = Leg::Option { right, quantity: line.quantity.approximate(), inputs };
            Some(HeldLeg { account: venue, strategy, expiry: Some(expiry), leg })
        });
        let delta_ones = self.delta_ones.iter().map(|line| {
            let DeltaOneKey { contract, venue, strategy, .. } = line.key;
            let (quantity, forward) = (line.quantity.approximate(), line.forward(&self.terms, self.price));
            let leg = Leg::DeltaOne { contract, quantity, forward };
            HeldLeg { account: venue, strategy, expiry: None, leg }
        });
        options.chain(delta_ones)
    }

    /// What each position adds, options first.
    pub(super) fn each(&mut self, simd: Simd) -> impl Iterator<Item = (StrategyId, GreekSums)> + '_ {
        self.price_stale(simd);
        let options = self.options.iter().enumerate().map(|(at, line)| (line.key.strategy, self.weighted.get(at)));
        options.chain(self.delta_ones.iter().map(|line| (line.key.strategy, line.sums(&self.terms, self.price))))
    }

    pub(super) fn unbounded(&mut self, simd: Simd) -> usize {
        self.price_stale(simd);
        self.weighted.unbounded()
    }

    /// The groups of a dimension, at the end of `groups`.
    pub(super) fn by(&mut self, simd: Simd, dimension: Dimension, groups: &mut Vec<(Group, GreekSums)>) {
        let underlying = self.underlying;
        let named = |(part, sums)| (Group { underlying, part }, sums);
        if dimension == Dimension::Underlying {
            let sum = self.sum(simd);
            return groups.push(named((Part::Whole, sum)));
        }
        self.price_stale(simd);
        if !self.groups_current {
            let Self { options, delta_ones, weighted, grouping, bucket_width, terms, price, .. } = self;
            grouping.build(
                options.iter().map(|line| Dimension::of_option(&line.key, *bucket_width)),
                delta_ones.iter().map(|line| Dimension::of_delta_one(&line.key)),
            );
            grouping.add_up(simd, weighted, delta_ones.iter().map(|line| line.sums(terms, *price)));
            self.groups_current = true;
        }
        groups.extend(self.grouping.sums(dimension).map(named));
    }

    /// The forward of an expiry at the present price.
    pub(super) fn forward(&self, expiry: Timestamp) -> Option<f64> {
        self.term(expiry).ok().map(|at| self.terms[at].forward)
    }

    fn term(&self, expiry: Timestamp) -> Result<usize, GreeksError> {
        let found = self.terms.binary_search_by_key(&expiry, |term| term.expiry);
        found.map_err(|_| GreeksError::NoForward(self.underlying, expiry))
    }

    fn reshape(&mut self) {
        self.reshaped = true;
        self.groups_current = false;
        self.grouping.forget();
    }

    /// Puts the forwards of these expiries beside their options' columns, unless these are to be made anew.
    fn move_forwards(&mut self, terms: Range<usize>) {
        self.groups_current = false;
        if !self.reshaped {
            // Those that have options stand one behind the other there.
            let moved = self.terms[terms].iter().filter(|term| !term.options.is_empty());
            if let Some(first) = moved.clone().next() {
                // Whoever calls has checked them.
                let _ = self.weighted.set_forwards(first.place, moved.map(|term| term.forward));
            }
        }
    }

    /// Prices what has changed.
    fn price_stale(&mut self, simd: Simd) {
        if self.reshaped {
            self.make_columns();
        }
        self.weighted.weigh(simd);
    }

    /// The columns of all options, in order.
    fn make_columns(&mut self) {
        self.weighted.clear();
        let mut start = 0;
        for term in &mut self.terms {
            let end = start + self.options[start..].partition_point(|line| line.key.expiry == term.expiry);
            term.options = start..end;
            if term.options.is_empty() {
                continue;
            }
            // Every number was checked when it came in, here and below.
            let Ok(place) = self.weighted.push_expiry(term.forward) else { continue };
            term.place = place;
            for line in &self.options[start..end] {
                let OptionKey { strike, right, style, .. } = line.key;
                let inputs = Inputs {
                    forward: term.forward,
                    strike: strike.approximate(),
                    years: term.years,
                    vol: line.point.vol,
                    discount: if style == OptionStyle::Linear { term.discount } else { 1.0 },
                };
                let Ok(option) = EuropeanOption::new(right, inputs) else { continue };
                let quantity = line.quantity.approximate();
                self.weighted.push(&option, Weight { quantity, style, slope: line.point.slope });
            }
            start = end;
        }
        self.reshaped = false;
    }
}

/// The order of positions in the underlying.
fn order(key: &DeltaOneKey) -> (Option<Timestamp>, bool, AccountId, StrategyId) {
    (key.expiry, key.contract == Contract::Inverse, key.venue, key.strategy)
}

fn check(field: Field, value: f64) -> Result<f64, GreeksError> {
    let (low, high) = field.range();
    if (low..=high).contains(&value) { Ok(value) } else { Err(Refusal { field, value }.into()) }
}

fn check_point(point: SmilePoint) -> Result<SmilePoint, GreeksError> {
    check(Field::Vol, point.vol)?;
    if point.slope.is_finite() { Ok(point) } else { Err(GreeksError::Slope(point.slope)) }
}

/// Years of 365 days to an expiry; none once it is past.
fn years(expiry: Timestamp, now: Timestamp) -> Result<f64, GreeksError> {
    let left = i128::from(expiry.nanos()) - i128::from(now.nanos());
    check(Field::Years, left.max(0) as f64 / (365.0 * Duration::DAY.nanos() as f64))
}
