//! Between which numbers the value of a portfolio lies a little after it was priced, proven: what a tick costs instead of a revaluation.
//!
//! The proof is in `docs/risk.md`. Everything is a quadratic form in the square roots of the factors by which prices have moved, with
//! coefficients of which both ends are known.

use super::portfolio::{Portfolio, USD};
use super::revaluation::{Group, Ready, Revaluation, Smile, tenor_weight};
use super::{REFERENCE_DAYS, SHORT_DAYS, Scenario, ScenarioError};
use market::Currency;
use pricing::options::{Bends, Field, Near};
use pricing::surface::Sticky;
use units::math::{exp, ln, sqrt};
use units::{Duration, Timestamp};

/// A share of all that is held, signs taken off, that covers what rounding does to a full revaluation and to a bound: 64 units in the last
/// place, four times over.
const ROUNDING: f64 = 256.0 * f64::EPSILON;
/// Prices that move linearly may go by this factor.
const FAR: f64 = 4.0;

/// How far the market may go from where a bound was made. The shorter, the narrower the bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// Prices by this share, up and down, each coin against what its options are paid in.
    pub price: f64,
    /// Volatilities by this share, up and down.
    pub vol: f64,
    /// Time. A quarter of what the shortest option has left is not exceeded.
    pub time: Duration,
}

impl Default for Reach {
    /// Two per cent, five per cent of a volatility, ten minutes.
    fn default() -> Self {
        Self { price: 0.02, vol: 0.05, time: Duration::from_nanos(600 * 1_000_000_000) }
    }
}

/// Where the market has gone since a bound was made. One is enough for the bounds of many scenarios of a portfolio.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    start: Timestamp,
    years: f64,
    vol: f64,
    radius: f64,
    prices: Vec<Price>,
    owns: Vec<OwnPrice>,
}

/// Of a future that is held at a price of its own, or that is a quanto.
#[derive(Debug, Clone, Copy, PartialEq)]
struct OwnPrice {
    line: usize,
    /// `None`: it has no price of its own.
    start: Option<f64>,
    /// Now ÷ start; `None`: it moves along with its coin.
    factor: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Price {
    currency: Currency,
    start: f64,
    over_start: f64,
    /// Now ÷ start, and its square root.
    factor: f64,
    root: f64,
}

impl Drift {
    /// Not gone anywhere.
    #[must_use]
    pub fn of(portfolio: &Portfolio) -> Self {
        let price = |quoted: &super::portfolio::Quoted| Price {
            currency: quoted.currency,
            start: quoted.price,
            over_start: 1.0 / quoted.price,
            factor: 1.0,
            root: 1.0,
        };
        let prices = portfolio.currencies.iter().map(price).collect();
        let own = |at: &usize| {
            let line = &portfolio.lines[*at];
            let start = line.own_ratio().map(|ratio| ratio * portfolio.currencies[line.underlying].price);
            line.stands_alone().then_some(OwnPrice { line: *at, start, factor: None })
        };
        let owns = portfolio.others.iter().filter_map(own).collect();
        Self { start: portfolio.now, years: 0.0, vol: 0.0, radius: 0.0, prices, owns }
    }

    /// The price now of a future that is held at a price of its own, as [`Portfolio::set_own_price`]; until it is told the future moves
    /// along with its coin. Of another line nothing changes.
    ///
    /// # Errors
    ///
    /// A price that cannot be.
    pub fn set_own_price(&mut self, line: usize, price: f64) -> Result<(), ScenarioError> {
        let price = super::portfolio::check(Field::Forward, price)?;
        if let Some(own) = self.owns.iter_mut().find(|own| own.line == line) {
            own.factor = own.start.map(|start| price / start);
        }
        Ok(())
    }

    /// The price of a currency now. All forwards of it move along, as in [`Portfolio::set_price`].
    ///
    /// # Errors
    ///
    /// A currency that the portfolio did not have, a price that cannot be.
    #[inline]
    pub fn set_price(&mut self, currency: Currency, price: f64) -> Result<(), ScenarioError> {
        let known = self.prices.iter_mut().find(|known| known.currency == currency);
        let known = known.ok_or(ScenarioError::NoPrice(currency))?;
        let (low, high) = Field::Forward.range();
        if !(low..=high).contains(&price) || currency == Currency::USD {
            return Err(ScenarioError::Price(currency, price));
        }
        known.factor = if price == known.start { 1.0 } else { price * known.over_start };
        known.root = sqrt(known.factor);
        Ok(())
    }

    /// The time now.
    pub fn set_time(&mut self, now: Timestamp) {
        let passed = i128::from(now.nanos()) - i128::from(self.start.nanos());
        self.years = passed as f64 / (365.0 * Duration::DAY.nanos() as f64);
    }

    /// How volatilities have moved: all by one `share` of themselves, and beside that each by no more than `radius`, as a share, up or
    /// down.
    pub fn set_vols(&mut self, share: f64, radius: f64) {
        (self.vol, self.radius) = (share, radius);
    }

    fn place(&self, currency: Currency) -> Option<usize> {
        self.prices.iter().position(|price| price.currency == currency)
    }
}

/// Both ends of a number.
type Ends = (f64, f64);

/// The options of one coin that are quoted in one currency and paid for in one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Pair {
    coin: usize,
    /// What strikes are in: USD of what is paid for in coin.
    dollar: usize,
    /// Of quantos.
    quanto: Option<Quanto>,
    value: f64,
    delta: f64,
    bend: Ends,
    by_variance: Ends,
    by_years: Ends,
    spread: f64,
    /// Least and greatest root of coin ÷ root of dollar.
    roots: Ends,
    deviates: Deviates,
}

/// How much a volatility can differ from what all did alike, as a share.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Deviates {
    /// By ln of the price.
    by_price: f64,
    /// By the share that all move by.
    by_vol: f64,
    /// By years that pass.
    by_years: f64,
    /// By the share that each moves by alone.
    by_radius: f64,
}

impl Deviates {
    fn most(self, other: Self) -> Self {
        Self {
            by_price: self.by_price.max(other.by_price),
            by_vol: self.by_vol.max(other.by_vol),
            by_years: self.by_years.max(other.by_years),
            by_radius: self.by_radius.max(other.by_radius),
        }
    }
}

/// Between which numbers the value of a portfolio under a scenario lies, in the account's currency, as long as the market stays within
/// reach. A profit is a difference of two: [`Self::less`].
///
/// ```
/// use risk::scenario::{Bound, Drift, Portfolio, Reach, Revaluation, Scenario};
/// use risk::venues;
/// use pricing::options::Simd;
/// let (btc, usd) = ("BTC".parse().unwrap(), market::Currency::USD);
/// let account = venues::Portfolio {
///     balances: vec![venues::Balance { currency: btc, amount: "2".parse().unwrap() }],
///     underlyings: vec![venues::Underlying { currency: btc, index: 60_000.0, confidence: 1.0 }],
///     ..venues::Portfolio::default()
/// };
/// let portfolio = Portfolio::of(&account, usd).unwrap();
/// let (mut revaluation, mut bound) = (Revaluation::new(Simd::best()), Bound::default());
/// revaluation.ready(&portfolio)?.bound(&Scenario::still("equity"), &Reach::default(), &mut bound)?;
/// let mut drift = Drift::of(&portfolio);
/// drift.set_price(btc, 60_300.0)?;
/// let (low, high) = bound.interval(&drift).unwrap();
/// assert!(low <= 120_600.0 && 120_600.0 <= high && high - low < 1e-6);
/// // Above 58,000 dollars a coin it is worth over 116,000 for sure.
/// let (down, up) = bound.region(116_000.0, &drift, btc).unwrap();
/// assert!((down - 58_000.0).abs() < 1e-3 && up > 60_300.0);
/// # Ok::<(), risk::scenario::ScenarioError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bound {
    constant: f64,
    /// By currency: worth of what is linear in its price.
    lines: Vec<f64>,
    /// Futures that are held at a price of their own, in the order of [`Drift`].
    owns: Vec<Own>,
    pairs: Vec<Pair>,
    account: usize,
    vol: f64,
    years: f64,
    /// What rounding may do, at prices up to [`FAR`] times as high.
    slack: f64,
}

/// What a future is worth that is held at a price of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Own {
    worth: f64,
    coin: usize,
    /// Settled in coin: what it is worth in dollars hangs on the coin's price ÷ its own.
    is_inverse: bool,
    quanto: Option<Quanto>,
}

impl Own {
    /// Both ends while its own price, its coin's and what a quanto is worth by its currencies lie between two factors each.
    fn ends(&self, own: (Option<f64>, Option<f64>), coin: Ends, quanto: Ends) -> Ends {
        let by = match (own, self.is_inverse) {
            ((Some(low), Some(high)), false) => (low, high),
            ((Some(low), Some(high)), true) => (coin.0 / high, coin.1 / low),
            (_, false) => coin,
            (_, true) => (1.0, 1.0),
        };
        let (a, b) = (self.worth * by.0 * quanto.0, self.worth * by.1 * quanto.1);
        (a.min(b), a.max(b))
    }
}

/// The currencies of a quanto: its worth goes as the one that it is paid in ÷ the one that it is quoted in, beside what its price does.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quanto {
    quoted: usize,
    paid: usize,
}

impl Quanto {
    fn of(places: (usize, usize)) -> Self {
        Self { quoted: places.0, paid: places.1 }
    }

    fn by(self, drift: &Drift) -> f64 {
        drift.prices[self.paid].factor / drift.prices[self.quoted].factor
    }
}

/// What worth goes by beside its price: 1 of what is no quanto.
#[inline]
fn by_quanto(quanto: Option<Quanto>, drift: &Drift) -> f64 {
    quanto.map_or(1.0, |quanto| quanto.by(drift))
}

/// The same between two drifts.
fn ends_by_quanto(quanto: Option<Quanto>, low: &Drift, high: &Drift) -> Ends {
    let ends = |at: usize| (low.prices[at].factor, high.prices[at].factor);
    quanto.map_or((1.0, 1.0), |Quanto { quoted, paid }| (ends(paid).0 / ends(quoted).1, ends(paid).1 / ends(quoted).0))
}

/// Both ends of a number between two, times one between two that are not negative.
fn times((low, high): Ends, by: Ends) -> Ends {
    (low * if low >= 0.0 { by.0 } else { by.1 }, high * if high >= 0.0 { by.1 } else { by.0 })
}

/// Everything but prices, told apart.
struct Shift {
    /// (1 + share)² − 1, and with the years on it.
    variance: f64,
    years: f64,
    /// Square of what volatilities differ by, less one, and with the share on it.
    spread: f64,
}

impl Bound {
    /// Both ends of the value now; `None`: the market is out of reach, and everything is to be priced again.
    #[must_use]
    #[inline]
    pub fn interval(&self, drift: &Drift) -> Option<(f64, f64)> {
        let (mut low, mut high) = (self.constant - self.slack, self.constant + self.slack);
        for (line, price) in self.lines.iter().zip(&drift.prices) {
            let worth = line * price.factor;
            (low, high) = (low + worth, high + worth);
            if !(1.0 / FAR..=FAR).contains(&price.factor) {
                return None;
            }
        }
        for (own, price) in self.owns.iter().zip(&drift.owns) {
            let coin = drift.prices[own.coin].factor;
            let quanto = by_quanto(own.quanto, drift);
            let worth = own.ends((price.factor, price.factor), (coin, coin), (quanto, quanto));
            (low, high) = (low + worth.0, high + worth.1);
        }
        for pair in &self.pairs {
            let (coin, dollar) = (&drift.prices[pair.coin], &drift.prices[pair.dollar]);
            let shift = self.shift(pair, drift, pair.log(coin.factor, dollar.factor))?;
            if !(pair.roots.0 * dollar.root <= coin.root && coin.root <= pair.roots.1 * dollar.root) {
                return None;
            }
            let linear = pair.value * dollar.factor + pair.delta * (coin.factor - dollar.factor);
            let bent = 2.0 * (coin.root - dollar.root) * (coin.root - dollar.root);
            let cross = 0.5 * coin.root * dollar.root;
            let shifted = shift.ends(pair, false);
            let by = by_quanto(pair.quanto, drift);
            low += by * (linear + bent * pair.bend.0 + cross * shifted.0);
            high += by * (linear + bent * pair.bend.1 + cross * shifted.1);
        }
        let account = drift.prices[self.account].factor;
        if account != 1.0 {
            (low, high) = (low / account, high / account);
        }
        // Nothing is known where a number left its range.
        (low <= high).then_some((low, high))
    }

    /// Both ends of the value while each price stays between those of two drifts, which tell prices of the same futures, and no more time
    /// passes than in `high`, by which volatilities have moved in both. `None`: some of it is out of reach.
    #[must_use]
    pub fn over(&self, low: &Drift, high: &Drift) -> Option<(f64, f64)> {
        let mut sum = (self.constant - self.slack, self.constant + self.slack);
        let mut add = |by: Ends| sum = (sum.0 + by.0, sum.1 + by.1);
        let told = high;
        // The currencies of a quanto stand where they are.
        let is_still = |quanto: Option<Quanto>| {
            quanto.is_none_or(|of| [of.quoted, of.paid].iter().all(|at| low.prices[*at] == high.prices[*at]))
        };
        // A future that goes with its coin in proportion.
        let moves_along =
            |own: &Own, price: &OwnPrice| price.factor.is_none() && !own.is_inverse && is_still(own.quanto);
        for (at, (low, high)) in low.prices.iter().zip(&high.prices).enumerate() {
            if !(1.0 / FAR <= low.factor && low.factor <= high.factor && high.factor <= FAR) {
                return None;
            }
            // Deltas of options stand with what is linear, so that one hedges the other.
            let mut line = self.lines.get(at).copied().unwrap_or(0.0);
            for pair in self.pairs.iter().filter(|pair| is_still(pair.quanto)) {
                let by = by_quanto(pair.quanto, told);
                line += if pair.coin == at { by * pair.delta } else { 0.0 };
                line += if pair.dollar == at { by * (pair.value - pair.delta) } else { 0.0 };
            }
            // So do futures that move along.
            let along = self.owns.iter().zip(&told.owns).filter(|(own, price)| moves_along(own, price));
            let along = along.filter(|(own, _)| own.coin == at);
            line += along.map(|(own, _)| by_quanto(own.quanto, told) * own.worth).sum::<f64>();
            let (a, b) = (line * low.factor, line * high.factor);
            add((a.min(b), a.max(b)));
        }
        for ((own, low_own), high_own) in self.owns.iter().zip(&low.owns).zip(&high.owns) {
            if !moves_along(own, high_own) {
                let coin = (low.prices[own.coin].factor, high.prices[own.coin].factor);
                add(own.ends((low_own.factor, high_own.factor), coin, ends_by_quanto(own.quanto, low, high)));
            }
        }
        for pair in &self.pairs {
            let ends = |at: usize| (low.prices[at], high.prices[at]);
            let (coin, dollar) = (ends(pair.coin), ends(pair.dollar));
            let is_within = pair.roots.0 * dollar.1.root <= coin.0.root && coin.1.root <= pair.roots.1 * dollar.0.root;
            if !is_within {
                return None;
            }
            let log = pair.log(coin.0.factor, dollar.1.factor).max(pair.log(coin.1.factor, dollar.0.factor));
            let shifted = self.shift(pair, high, log)?.ends(pair, true);
            let (above, below) = (coin.1.root - dollar.0.root, coin.0.root - dollar.1.root);
            let (most, least) = (above.abs().max(below.abs()), below.max(-above).max(0.0));
            let bent = (2.0 * least * least, 2.0 * most * most);
            let cross = (0.5 * coin.0.root * dollar.0.root, 0.5 * coin.1.root * dollar.1.root);
            let by = ends_by_quanto(pair.quanto, low, high);
            if !is_still(pair.quanto) {
                let linear = |coin: f64, dollar: f64| pair.value * dollar + pair.delta * (coin - dollar);
                let corners = [
                    linear(coin.0.factor, dollar.0.factor),
                    linear(coin.0.factor, dollar.1.factor),
                    linear(coin.1.factor, dollar.0.factor),
                    linear(coin.1.factor, dollar.1.factor),
                ];
                let ends = corners.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), corner| {
                    (corner.min(low), corner.max(high))
                });
                add(times(ends, by));
            }
            add(times(times(pair.bend, bent), by));
            add(times(times(shifted, cross), by));
        }
        let account = (low.prices[self.account].factor, high.prices[self.account].factor);
        let (least, most) = sum;
        let ends = (
            least / if least >= 0.0 { account.1 } else { account.0 },
            most / if most >= 0.0 { account.0 } else { account.1 },
        );
        // Nothing is known where a number left its range.
        (ends.0 <= ends.1).then_some(ends)
    }

    /// Between which prices of a currency the value is on one side of `threshold` for sure, while all else stays as in `drift` but time,
    /// which may be any up to that. `None`: it cannot be told at the price of now, or the market is out of reach; and of a currency that
    /// quantos are quoted in.
    #[must_use]
    pub fn region(&self, threshold: f64, drift: &Drift, currency: Currency) -> Option<(f64, f64)> {
        let place = drift.place(currency)?;
        let now = drift.prices[place];
        let over = self.form(threshold, drift, place, false)?;
        let under = || self.form(threshold, drift, place, true).map(|form| form.negative());
        let form = if over.at(now.root) > 0.0 { over } else { under().filter(|form| form.at(now.root) > 0.0)? };
        let (low, high) = form.positive_around(now.root);
        // Inward by more than rounding, but never past the price that was looked at.
        let inward = |root: f64, by: f64| now.start * root * root * (1.0 + by);
        let price = now.start * now.factor;
        Some((inward(low, 1e-12).min(price), inward(high, -1e-12).max(price)))
    }

    /// What this is worth less what `other` is: of a scenario and [`Scenario::still`] the scenario's profit. Both must be bounds of one
    /// portfolio made at one time.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        let mut difference = self.clone();
        difference.constant -= other.constant;
        difference.lines.iter_mut().zip(&other.lines).for_each(|(line, other)| *line -= other);
        difference.owns.iter_mut().zip(&other.owns).for_each(|(own, other)| own.worth -= other.worth);
        let minus = |a: Ends, b: Ends| (a.0 - b.1, a.1 - b.0);
        for (pair, other) in difference.pairs.iter_mut().zip(&other.pairs) {
            pair.value -= other.value;
            pair.delta -= other.delta;
            pair.bend = minus(pair.bend, other.bend);
            pair.by_variance = minus(pair.by_variance, other.by_variance);
            pair.by_years = minus(pair.by_years, other.by_years);
            pair.spread += other.spread;
            pair.roots = (pair.roots.0.max(other.roots.0), pair.roots.1.min(other.roots.1));
            pair.deviates = pair.deviates.most(other.deviates);
        }
        difference.vol = self.vol.min(other.vol);
        difference.years = self.years.min(other.years);
        difference.slack += other.slack;
        difference
    }

    /// What volatilities and time do; `None` out of reach.
    #[inline]
    fn shift(&self, pair: &Pair, drift: &Drift, log: f64) -> Option<Shift> {
        let deviates = pair.deviates;
        let each = deviates.by_price * log + deviates.by_vol * drift.vol.abs() + deviates.by_years * drift.years;
        // As shares of volatilities that have moved already.
        let each = deviates.by_radius * drift.radius + each * (1.0 + drift.vol.abs()) / (1.0 + drift.vol);
        let fits = (0.0..=self.years).contains(&drift.years)
            && (1.0 + drift.vol) * (1.0 + each) <= 1.0 + self.vol
            && (1.0 + drift.vol) * (1.0 - each) >= 1.0 - self.vol;
        let square = (1.0 + drift.vol) * (1.0 + drift.vol);
        let spread = square * (2.0 + each) * each;
        fits.then_some(Shift { variance: square - 1.0, years: square * drift.years, spread })
    }

    /// The value less `threshold`, its lower or upper end, by the root of one currency's factor.
    fn form(&self, threshold: f64, drift: &Drift, place: usize, upper: bool) -> Option<Form> {
        let now = drift.prices[place];
        let pick = |ends: Ends| if upper { ends.1 } else { ends.0 };
        let mut form = Form { one: pick((self.constant - self.slack, self.constant + self.slack)), ..Form::default() };
        form.limits = (sqrt(1.0 / FAR), sqrt(FAR));
        for (at, price) in drift.prices.iter().enumerate() {
            let line = self.lines.get(at).copied().unwrap_or(0.0) - if at == self.account { threshold } else { 0.0 };
            *(if at == place { &mut form.square } else { &mut form.one }) +=
                if at == place { line } else { line * price.factor };
            if at != place && !(1.0 / FAR..=FAR).contains(&price.factor) {
                return None;
            }
        }
        for (own, price) in self.owns.iter().zip(&drift.owns) {
            // By how much its worth has changed but for its coin's price, and whether it follows that.
            let (by, follows) = match (price.factor, own.is_inverse) {
                (None, is_inverse) => (1.0, !is_inverse),
                (Some(factor), false) => (factor, false),
                (Some(factor), true) => (1.0 / factor, true),
            };
            let mut worth = own.worth * by;
            if let Some(quanto) = own.quanto {
                let moves = follows && own.coin == place;
                if quanto.quoted == place || (quanto.paid == place && moves) {
                    return None;
                }
                worth *= by_quanto(Some(quanto), drift);
                if quanto.paid == place {
                    // In proportion with what it is paid in, whatever its price is.
                    form.square += worth * if follows { drift.prices[own.coin].factor } else { 1.0 } / now.factor;
                    continue;
                }
            }
            match (follows, own.coin == place) {
                (true, true) => form.square += worth,
                (true, false) => form.one += worth * drift.prices[own.coin].factor,
                (false, _) => form.one += worth,
            }
        }
        for pair in &self.pairs {
            let (coin, dollar) = (&drift.prices[pair.coin], &drift.prices[pair.dollar]);
            // The farthest that the price may go, for what depends on how far it went.
            let straight = pair.deviates.by_price == 0.0;
            let log = if straight { 0.0 } else { 2.0 * ln(pair.roots.1).max(-ln(pair.roots.0)) };
            let shift = self.shift(pair, drift, log)?;
            let by = by_quanto(pair.quanto, drift);
            let (bend, shifted) = (by * 2.0 * pick(pair.bend), by * 0.5 * pick(shift.ends(pair, true)));
            let (value, delta) = (by * pair.value, by * pair.delta);
            if pair.quanto.is_some_and(|of| of.quoted == place || (of.paid == place && pair.coin == place)) {
                return None;
            }
            match (pair.coin == place, pair.dollar == place) {
                (true, true) => form.square += value + shifted,
                (true, false) => {
                    form.square += delta + bend;
                    form.root += (shifted - 2.0 * bend) * dollar.root;
                    form.one += (value - delta + bend) * dollar.factor;
                    form.limit(pair.roots.0 * dollar.root, pair.roots.1 * dollar.root);
                }
                (false, true) => {
                    form.square += value - delta + bend;
                    form.root += (shifted - 2.0 * bend) * coin.root;
                    form.one += (delta + bend) * coin.factor;
                    form.limit(coin.root / pair.roots.1, coin.root / pair.roots.0);
                }
                (false, false) => {
                    let apart = coin.root - dollar.root;
                    let linear = value * dollar.factor + delta * (coin.factor - dollar.factor);
                    let all = linear + bend * apart * apart + shifted * coin.root * dollar.root;
                    match pair.quanto {
                        // In proportion with what it is paid in.
                        Some(of) if of.paid == place => form.square += all / now.factor,
                        _ => form.one += all,
                    }
                    if !(pair.roots.0 * dollar.root <= coin.root && coin.root <= pair.roots.1 * dollar.root) {
                        return None;
                    }
                }
            }
        }
        let inside = form.limits.0 <= drift.prices[place].root && drift.prices[place].root <= form.limits.1;
        (inside && form.square.is_finite() && form.root.is_finite() && form.one.is_finite()).then_some(form)
    }
}

impl Pair {
    /// No less than |ln(coin ÷ dollar)|.
    #[inline]
    fn log(&self, coin: f64, dollar: f64) -> f64 {
        if self.deviates.by_price == 0.0 { 0.0 } else { (coin - dollar).abs() / coin.min(dollar) }
    }
}

impl Shift {
    /// Ends of Σ (w − w₀) × Π; at any time until then if `until`.
    #[inline]
    fn ends(&self, pair: &Pair, until: bool) -> Ends {
        let variance = if self.variance >= 0.0 { pair.by_variance } else { (pair.by_variance.1, pair.by_variance.0) };
        let (mut least, mut most) = (-self.years * pair.by_years.1, -self.years * pair.by_years.0);
        if until {
            (least, most) = (least.min(0.0), most.max(0.0));
        }
        let spread = if self.spread == 0.0 { 0.0 } else { self.spread * pair.spread };
        (self.variance * variance.0 + least - spread, self.variance * variance.1 + most + spread)
    }
}

/// `square × a² + root × a + one`, between limits of a.
#[derive(Debug, Clone, Copy, Default)]
struct Form {
    square: f64,
    root: f64,
    one: f64,
    limits: Ends,
}

impl Form {
    fn at(&self, a: f64) -> f64 {
        (self.square * a + self.root) * a + self.one
    }

    fn negative(self) -> Self {
        Self { square: -self.square, root: -self.root, one: -self.one, ..self }
    }

    fn limit(&mut self, low: f64, high: f64) {
        self.limits = (self.limits.0.max(low), self.limits.1.min(high));
    }

    /// The widest range around `now`, where it is positive, in which it is so.
    fn positive_around(&self, now: f64) -> Ends {
        let (mut low, mut high) = self.limits;
        // The two zeros, without taking nearly equal numbers from each other.
        let half = -0.5 * self.root;
        let inner = half * half - self.square * self.one;
        if inner >= 0.0 {
            let sum = half + sqrt(inner).copysign(half);
            for zero in [sum / self.square, self.one / sum] {
                if zero.is_finite() && zero <= now {
                    low = low.max(zero);
                } else if zero.is_finite() {
                    high = high.min(zero);
                }
            }
        }
        (low.min(now), high.max(now))
    }
}

impl Ready<'_> {
    /// Prices everything under a scenario, and makes the bound that holds until the market leaves `reach`. `bound` is made anew in the
    /// memory that it has.
    ///
    /// # Errors
    ///
    /// As [`Revaluation::run`].
    ///
    /// # Panics
    ///
    /// If the reach is not over zero, or its shares are not under one half.
    pub fn bound(&mut self, scenario: &Scenario, reach: &Reach, bound: &mut Bound) -> Result<(), ScenarioError> {
        self.bound_by(scenario, reach, bound, None::<&fn(usize, f64, f64) -> f64>)
    }

    /// The same on whole smiles, of what [`Revaluation::run_on`] gives: what an option's volatility follows the scenario's price by must
    /// not change while the market moves within reach, so that it depends on where the strike was on its smile when that was told.
    ///
    /// # Errors
    ///
    /// As [`Revaluation::run_on`].
    ///
    /// # Panics
    ///
    /// As [`Self::bound`].
    pub fn bound_on(
        &mut self,
        scenario: &Scenario,
        reach: &Reach,
        bound: &mut Bound,
        follow: impl Fn(usize, f64, f64) -> f64,
    ) -> Result<(), ScenarioError> {
        self.bound_by(scenario, reach, bound, Some(&follow))
    }

    fn bound_by(
        &mut self,
        scenario: &Scenario,
        reach: &Reach,
        bound: &mut Bound,
        follow: Option<&impl Fn(usize, f64, f64) -> f64>,
    ) -> Result<(), ScenarioError> {
        let shares = [reach.price, reach.vol];
        assert!(shares.iter().all(|share| (0.0..0.5).contains(share)) && reach.time >= Duration::ZERO, "{reach:?}");
        let (revaluation, portfolio) = (&mut *self.revaluation, self.portfolio);
        let column = revaluation.move_market(portfolio, scenario, follow)?;
        let account = revaluation.prices[portfolio.account];
        bound.account = portfolio.account;
        bound.vol = reach.vol;
        bound.years = revaluation.years_within(portfolio, scenario, reach);
        bound.slack = 0.0;
        bound.pairs.clear();
        revaluation.straight(portfolio, scenario, bound);
        let mut pairs = std::mem::take(&mut bound.pairs);
        for group in &revaluation.groups {
            let (coin, dollar, quanto) = key(group);
            if !pairs.iter().any(|pair: &Pair| (pair.coin, pair.dollar, pair.quanto) == (coin, dollar, quanto)) {
                pairs.push(Pair { coin, dollar, quanto, ..Pair::default() });
            }
        }
        for pair in &mut pairs {
            bound.slack += revaluation.bend(portfolio, scenario, (column, follow), reach, bound.years, pair);
        }
        bound.pairs = pairs;
        bound.scale(1.0 / account);
        bound.slack *= FAR * ROUNDING;
        Ok(())
    }
}

impl Bound {
    /// Into another currency.
    fn scale(&mut self, by: f64) {
        let ends = |ends: &mut Ends| *ends = (ends.0 * by, ends.1 * by);
        self.constant *= by;
        self.slack *= by;
        self.lines.iter_mut().for_each(|line| *line *= by);
        self.owns.iter_mut().for_each(|own| own.worth *= by);
        for pair in &mut self.pairs {
            pair.value *= by;
            pair.delta *= by;
            pair.spread *= by;
            [&mut pair.bend, &mut pair.by_variance, &mut pair.by_years].into_iter().for_each(ends);
        }
    }
}

impl Revaluation {
    /// How much time may pass, in years.
    fn years_within(&self, portfolio: &Portfolio, scenario: &Scenario, reach: &Reach) -> f64 {
        let left = |group: &Group| portfolio.years(&portfolio.terms[group.term], scenario.time);
        let shortest = self.groups.iter().map(left).filter(|years| *years > 0.0).fold(f64::INFINITY, f64::min);
        (reach.time.days() / 365.0).min(0.25 * shortest.min(2.0))
    }

    /// What is linear in prices, into `bound`, in USD, with its gross worth in the slack.
    fn straight(&self, portfolio: &Portfolio, scenario: &Scenario, bound: &mut Bound) {
        bound.constant = 0.0;
        bound.lines.clear();
        bound.lines.resize(portfolio.currencies.len(), 0.0);
        bound.owns.clear();
        for at in &portfolio.others {
            let line = &portfolio.lines[*at];
            let (currency, _) = portfolio.linear(line, scenario.funding);
            let held = line.quantity * portfolio.unit(line, scenario.funding, &self.prices);
            if line.stands_alone() {
                let (is_inverse, quanto) = (portfolio.style(*at), line.quanto().map(Quanto::of));
                bound.owns.push(Own { worth: held, coin: line.underlying, is_inverse, quanto });
            } else {
                *(if currency == USD { &mut bound.constant } else { &mut bound.lines[currency] }) += held;
            }
            bound.slack += held.abs() * farther(line.quanto().is_some());
            if let Some((cost, currency)) = line.cost() {
                let owed = cost * self.prices[currency];
                bound.lines[currency] -= owed;
                bound.slack += owed.abs();
            }
        }
    }

    /// The options of a pair, in USD; gives their gross worth.
    fn bend(
        &mut self,
        portfolio: &Portfolio,
        scenario: &Scenario,
        (column, follow): (usize, Option<&impl Fn(usize, f64, f64) -> f64>),
        reach: &Reach,
        years: f64,
        pair: &mut Pair,
    ) -> f64 {
        self.weigh();
        let Self { simd, moved, groups, smiles, prices, weights, .. } = &*self;
        let of = |group: &Group| key(group) == (pair.coin, pair.dollar, pair.quanto);
        let mut discounting: f64 = 0.0;
        pair.deviates = Deviates::default();
        for group in groups.iter().filter(|group| of(group)) {
            let sticks = scenario.sticky == Sticky::Strike;
            let by = if sticks { 0.0 } else { ln(group.factor(portfolio, prices)) };
            let followed = |at: usize, smile: &Smile| match follow {
                Some(follow) if by != 0.0 => {
                    follow(portfolio.options[group.options.start + at], ln(smile.strike / group.quoted), by)
                }
                _ => -smile.slope * by,
            };
            let own = deviates(group, &smiles[group.options.clone()], scenario, followed, by, (reach.vol, years));
            pair.deviates = pair.deviates.most(own);
            discounting = discounting.max(discounted(group, portfolio, scenario, years));
        }
        let near = Near { forward: (1.0 - reach.price, 1.0 + reach.price), vol: reach.vol, years };
        let mut bends = Bends::NONE;
        for run in groups.chunk_by(Group::together).filter(|run| of(&run[0])) {
            let options = run[0].options.start..run[run.len() - 1].options.end;
            let moved_by = (column, run[0].factor(portfolio, prices));
            let own = moved.bends(*simd, moved_by, options, weights, &near);
            bends = bends.with(&own.times(run[0].paid(prices)));
        }
        pair.value = bends.price;
        pair.delta = bends.delta;
        pair.bend = bends.bend;
        pair.by_variance = bends.by_variance;
        pair.by_years = bends.by_years;
        pair.spread = bends.spread;
        pair.roots = (sqrt(near.forward.0.max(bends.between.0)), sqrt(near.forward.1.min(bends.between.1)));
        bends.gross * (1.0 + discounting / ROUNDING) * farther(pair.quanto.is_some())
    }
}

/// What options that are bounded together have in common: their coin, what strikes are in, and the currencies of quantos.
fn key(group: &Group) -> (usize, usize, Option<Quanto>) {
    let quanto = (!group.coin && group.quote != group.settlement)
        .then_some(Quanto { quoted: group.quote, paid: group.settlement });
    (group.underlying, if group.coin { USD } else { group.quote }, quanto)
}

/// How much farther worth may go than prices of [`FAR`]: a quanto's goes with a product of three.
fn farther(is_quanto: bool) -> f64 {
    if is_quanto { FAR * FAR } else { 1.0 }
}

/// By how much a group's discount factor under a scenario changes at most while time passes.
fn discounted(group: &Group, portfolio: &Portfolio, scenario: &Scenario, years: f64) -> f64 {
    if group.discount == 1.0 || scenario.time == Duration::ZERO || group.years <= years {
        return 0.0;
    }
    let left = portfolio.years(&portfolio.terms[group.term], scenario.time);
    let (now, then) = (left / group.years, (left - years).max(0.0) / (group.years - years));
    2.0 * (exp(ln(group.discount) * (then - now)) - 1.0).abs()
}

/// By how much the volatilities of a group may differ from one move of all. `by` is the logarithm of the scenario's factor of the forward,
/// and `followed` what it changes the volatility of an option by.
fn deviates(
    group: &Group,
    smiles: &[Smile],
    scenario: &Scenario,
    followed: impl Fn(usize, &Smile) -> f64,
    by: f64,
    (reach, years): (f64, f64),
) -> Deviates {
    let vol = &scenario.vol;
    let weight = tenor_weight(vol, group.days);
    let level = vol.level(group.days, weight);
    let shift = vol.absolute * weight;
    let (steepest, short) = (steepest(vol, group.days, years), steepest_short(vol, group.days, years));
    let skewed = vol.skew_at(group.days);
    let (most_skewed, tilting) = steepest_tilt(vol, group.days, years);
    let mut deviates = Deviates { by_radius: 1.0, ..Deviates::default() };
    if steepest == 0.0 && short == 0.0 && shift == 0.0 && most_skewed == 0.0 && vol.floor == 0.0 && by == 0.0 {
        return deviates;
    }
    for (at, smile) in smiles.iter().enumerate() {
        let follow = followed(at, smile);
        let place = if most_skewed == 0.0 { 0.0 } else { ln(smile.strike / group.quoted) };
        let skew = skewed * place;
        let proportional = smile.vol * level;
        let told = (smile.vol + follow) * level + shift + skew;
        let moved = told.max(vol.floor);
        let share = |amount: f64| if amount == 0.0 { 0.0 } else { amount.abs() / moved };
        // Not at the floor, whatever all do within reach.
        let free = told - proportional.abs() * reach > vol.floor;
        let rest = if free { told - proportional } else { moved.max((proportional - moved).abs()) };
        deviates.by_vol = deviates.by_vol.max(share(rest));
        deviates.by_price = deviates.by_price.max(share(most_skewed));
        deviates.by_radius = deviates.by_radius.max(share(proportional));
        let own = smile.vol + follow.abs();
        let tenor = ((vol.relative.abs() + vol.twist.abs()) * own + vol.absolute.abs()) * steepest + short * own;
        let tenor = tenor + tilting * place.abs();
        deviates.by_years = deviates.by_years.max(share(tenor));
    }
    deviates
}

/// The same of the part of short tenors: half √30 ÷ d^1.5 a day, over what there is at seven days.
fn steepest_short(vol: &super::VolMove, days: f64, years: f64) -> f64 {
    let soon = (days - 365.0 * years).max(vol.shortest_days);
    if vol.short == 0.0 || soon >= REFERENCE_DAYS {
        return 0.0;
    }
    let unit = sqrt(REFERENCE_DAYS / SHORT_DAYS) - 1.0;
    vol.short.abs() * 365.0 * sqrt(REFERENCE_DAYS / soon) / (2.0 * soon * unit)
}

/// The most that the skew moves by, over the years within reach, and what its weight changes in a year that passes.
fn steepest_tilt(vol: &super::VolMove, days: f64, years: f64) -> (f64, f64) {
    if vol.tilt == 0.0 {
        return (vol.skew.abs(), 0.0);
    }
    let soon = (days - 365.0 * years).max(vol.shortest_days);
    let weight = vol.tilt_weight(soon).max(vol.tilt_weight(days));
    // The larger power, whichever side of thirty days it is.
    (vol.skew.abs() + vol.tilt.abs() * weight, vol.tilt.abs() * 365.0 * 1.2 * weight / soon)
}

/// The most that the weight of a tenor changes in a year that passes, over the years within reach.
fn steepest(vol: &super::VolMove, days: f64, years: f64) -> f64 {
    let power = vol.short_power.abs().max(vol.long_power.abs());
    if power == 0.0 {
        return 0.0;
    }
    let soon = (days - 365.0 * years).max(vol.shortest_days);
    let weight = tenor_weight(vol, days).max(tenor_weight(vol, soon)).max(1.0);
    365.0 * power * weight / soon
}
