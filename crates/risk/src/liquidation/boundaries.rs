//! Where an account stops being able to carry what it holds, over any function of price or volatility.

use std::fmt;
use units::math::exp;

/// Width of a boundary, relative to where it is.
const WIDTH: f64 = 1e-12;
/// First step away from the present, in logarithms, and what each next one is multiplied by.
const FIRST_STEP: f64 = 0.004;
const GROWTH: f64 = 1.75;
/// Steps to close a bracket in; bisection alone would need fifty from the widest.
const STEPS: usize = 200;

/// Where to look for boundaries of liquidation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search<'a> {
    /// The price, or volatility, now.
    pub from: f64,
    /// The least that is looked at.
    pub lowest: f64,
    /// The most that is looked at.
    pub highest: f64,
    /// Places that are looked at in any case: strikes near their expiry, prices at which a tier begins. In no order.
    pub kinks: &'a [f64],
}

impl Search<'_> {
    /// Prices from a thousandth of the present one to a thousand times it.
    #[must_use]
    pub fn price(now: f64) -> Self {
        Self { from: now, lowest: now / 1_000.0, highest: now * 1_000.0, kinks: &[] }
    }

    /// Volatilities from a tenth of the present one to ten times it; for a book of many, multiples of what each is now, from 1.
    #[must_use]
    pub fn vol(now: f64) -> Self {
        Self { from: now, lowest: now / 10.0, highest: now * 10.0, kinks: &[] }
    }
}

/// A place at which equity falls under maintenance margin, as the two numbers that enclose it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Boundary {
    /// The last place found at which the account lives, and how much equity it has there beyond its maintenance margin.
    pub alive: (f64, f64),
    /// The first place found at which it is liquidated, and how much it lacks there (negative).
    pub dead: (f64, f64),
}

impl Boundary {
    /// How far it is, as a share of the present price or volatility: −0.2 is a fall by 20 %.
    #[must_use]
    pub fn distance(&self, from: f64) -> f64 {
        self.dead.0 / from - 1.0
    }
}

/// The nearest boundaries on either side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Boundaries {
    /// Where it was looked from, and the equity beyond maintenance margin there. Negative: it is liquidated now, and there are no
    /// boundaries.
    pub from: (f64, f64),
    /// Under the present.
    pub below: Option<Boundary>,
    /// Over the present.
    pub above: Option<Boundary>,
}

impl Boundaries {
    /// Whether the account is liquidated where it is.
    #[must_use]
    pub fn is_liquidated(&self) -> bool {
        self.from.1 < 0.0
    }

    /// The distance to the nearer boundary, as a share without its sign, 0 if it is liquidated. `None` if there is no boundary.
    #[must_use]
    pub fn distance(&self) -> Option<f64> {
        if self.is_liquidated() {
            return Some(0.0);
        }
        let distances =
            [self.below, self.above].into_iter().flatten().map(|boundary| boundary.distance(self.from.0).abs());
        distances.reduce(f64::min)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BoundariesError {
    /// A search that goes from nowhere to nowhere.
    Search {
        /// From where.
        from: f64,
        /// The least.
        lowest: f64,
        /// The most.
        highest: f64,
    },
    /// The equity beyond maintenance margin is not a finite number somewhere.
    NotFinite {
        /// Where.
        at: f64,
        /// What it was.
        value: f64,
    },
}

impl fmt::Display for BoundariesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Search { from, lowest, highest } => write!(
                f,
                "a search from {from} between {lowest} and {highest}; it needs 0 < lowest <= from <= highest, all finite"
            ),
            Self::NotFinite { at, value } => {
                write!(f, "equity less maintenance margin is {value} at {at}; it must be finite")
            }
        }
    }
}

impl std::error::Error for BoundariesError {}

/// The nearest place under and over the present at which `slack`, equity less maintenance margin, turns negative.
///
/// It is looked for outward in steps that grow by three quarters, from 0.4 % on, and at every kink; the bracket is then closed to
/// 1e-12 of the place by parabolas, by halves where they are not safe. Both ends were evaluated, and are told. What turns negative and
/// back between two steps is not seen: give the places where that may happen as kinks.
///
/// ```
/// use risk::liquidation::{Search, boundaries};
/// // Short one coin at 50,000 with 10,000 of equity, 1 % maintenance: no price under it, one over it.
/// let slack = |price: f64| 10_000.0 - (price - 50_000.0) - 0.01 * price;
/// let found = boundaries(&Search::price(50_000.0), slack)?;
/// assert!(found.below.is_none());
/// assert!((found.above.unwrap().dead.0 - 60_000.0 / 1.01).abs() < 1e-6);
/// # Ok::<(), risk::liquidation::BoundariesError>(())
/// ```
///
/// # Errors
///
/// A search without a range; a slack that is not finite.
pub fn boundaries(search: &Search<'_>, mut slack: impl FnMut(f64) -> f64) -> Result<Boundaries, BoundariesError> {
    let Search { from, lowest, highest, kinks } = *search;
    if !(lowest > 0.0 && lowest <= from && from <= highest && highest.is_finite()) {
        return Err(BoundariesError::Search { from, lowest, highest });
    }
    let mut slack = |at: f64| {
        let value = slack(at);
        if value.is_finite() { Ok(value) } else { Err(BoundariesError::NotFinite { at, value }) }
    };
    let here = (from, slack(from)?);
    let mut found = Boundaries { from: here, below: None, above: None };
    if !found.is_liquidated() {
        found.below = outward(here, lowest, kinks, &mut slack)?;
        found.above = outward(here, highest, kinks, &mut slack)?;
    }
    Ok(found)
}

/// The nearest boundary between the present and a limit.
fn outward(
    here: (f64, f64),
    limit: f64,
    kinks: &[f64],
    slack: &mut impl FnMut(f64) -> Result<f64, BoundariesError>,
) -> Result<Option<Boundary>, BoundariesError> {
    let up = limit > here.0;
    let beyond = |a: f64, b: f64| if up { a > b } else { a < b };
    let (mut alive, mut step) = (here, FIRST_STEP);
    let mut next_step = here.0 * exp(if up { step } else { -step });
    let mut reach = step;
    while beyond(limit, alive.0) {
        // The next step, or a kink or the limit before it.
        let mut next = if beyond(next_step, limit) { limit } else { next_step };
        for kink in kinks.iter().filter(|kink| beyond(**kink, alive.0)) {
            next = if beyond(next, *kink) { *kink } else { next };
        }
        let value = slack(next)?;
        if value < 0.0 {
            return close(alive, (next, value), slack).map(Some);
        }
        alive = (next, value);
        while !beyond(next_step, alive.0) && beyond(limit, next_step) {
            step *= GROWTH;
            reach += step;
            next_step = here.0 * exp(if up { reach } else { -reach });
        }
    }
    Ok(None)
}

/// Closes a bracket: by the parabola through three points where that is safe (Chandrupatla's rule), else by halves.
fn close(
    alive: (f64, f64),
    dead: (f64, f64),
    slack: &mut impl FnMut(f64) -> Result<f64, BoundariesError>,
) -> Result<Boundary, BoundariesError> {
    let (mut near, mut far) = if alive.1 < -dead.1 { (alive, dead) } else { (dead, alive) };
    let mut share = near.1 / (near.1 - far.1);
    for _ in 0..STEPS {
        let width = far.0 - near.0;
        let least = 0.5 * WIDTH * near.0.abs().max(far.0.abs());
        if width.abs() <= 2.0 * least {
            break;
        }
        // Never nearer to an end than half the width that is asked for: so the far end comes up once the near one is there.
        let inset = (least / width.abs()).min(0.5);
        let at = near.0 + width * share.clamp(inset, 1.0 - inset);
        if at == near.0 || at == far.0 {
            break;
        }
        let value = slack(at)?;
        let before = if (value < 0.0) == (near.1 < 0.0) { near } else { std::mem::replace(&mut far, near) };
        near = (at, value);
        let place = (near.0 - far.0) / (before.0 - far.0);
        let rise = (near.1 - far.1) / (before.1 - far.1);
        let safe = rise * rise < place && (1.0 - rise) * (1.0 - rise) < 1.0 - place;
        let parabola = near.1 / (far.1 - near.1) * before.1 / (far.1 - before.1)
            + (before.0 - near.0) / (far.0 - near.0) * near.1 / (before.1 - near.1) * far.1 / (before.1 - far.1);
        share = if safe && parabola.is_finite() { parabola } else { 0.5 };
    }
    let (alive, dead) = if near.1 < 0.0 { (far, near) } else { (near, far) };
    Ok(Boundary { alive, dead })
}
