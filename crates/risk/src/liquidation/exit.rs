//! Leverage, how it changes, and how long it takes to get out.

use std::fmt;
use units::Duration;

/// Assets over equity, and how they change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeverageRatio {
    /// Assets ÷ equity.
    pub ratio: f64,
    /// Change of the ratio for one more unit of borrowed capital that is invested: 1 ÷ equity. The less equity there is, the more each
    /// borrowed unit weighs.
    pub per_borrowed: f64,
    /// Change of the ratio with a return of all prices, per 100 % but of a small one. Of assets that are held long and paid in the unit of
    /// equity it is −ratio × (ratio − 1): where the ratio is over 1 a fall raises leverage by itself, with the square of it.
    pub per_return: f64,
}

/// What an account is exposed to, in the unit of its equity, and how both change with a return of all prices.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Exposed {
    /// Assets: gross, at the market.
    pub assets: f64,
    /// Change of the assets per 100 % of return: themselves where they are paid in the unit of equity, their negative where in coin.
    pub moved: f64,
    /// Change of equity likewise: what is long less what is short.
    pub earned: f64,
}

impl LeverageRatio {
    /// Of assets (gross, at the market) and equity in one currency. `None` if equity is not above zero: there is no ratio then, and it
    /// is not infinite leverage either.
    #[must_use]
    pub fn new(assets: f64, equity: f64) -> Option<Self> {
        let ratio = assets / equity;
        if !(equity > 0.0 && assets >= 0.0 && ratio.is_finite()) {
            return None;
        }
        Some(Self { ratio, per_borrowed: 1.0 / equity, per_return: -ratio * (ratio - 1.0) })
    }

    /// The same of any positions: d(assets ÷ equity) = (moved − ratio × earned) ÷ equity.
    #[must_use]
    pub fn of(exposed: Exposed, equity: f64) -> Option<Self> {
        let Exposed { assets, moved, earned } = exposed;
        let long = Self::new(assets, equity)?;
        Some(Self { per_return: (moved - long.ratio * earned) / equity, ..long })
    }

    /// The ratio of assets held long after more was borrowed and invested, and the assets moved by a return; exact. `None` if no equity
    /// is left.
    #[must_use]
    pub fn after(&self, borrowed: f64, by: f64) -> Option<Self> {
        let equity = 1.0 / self.per_borrowed;
        let assets = self.ratio * equity + borrowed;
        Self::new(assets * (1.0 + by), equity + assets * by)
    }
}

/// Why no time to exit can be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExitError {
    /// A share of the volume that is not above 0 and at most 1.
    Participation(f64),
    /// A quantity or volume that is negative or not finite.
    Number(f64),
    /// The volumes end before the position does: so much of it is left.
    Left(f64),
}

impl fmt::Display for ExitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Participation(share) => write!(f, "a participation of {share}; it must be above 0 and at most 1"),
            Self::Number(value) => write!(f, "a quantity or volume of {value}; it must be finite and not under 0"),
            Self::Left(left) => {
                write!(f, "the volumes given end while {left} is left; give more of them, or take part more")
            }
        }
    }
}

impl std::error::Error for ExitError {}

/// How long it takes to trade `quantity` as a share of what the market trades, `volumes` being what it trades in each `interval` from now
/// on, evenly within each. The last interval counts by the part that is needed.
///
/// ```
/// use risk::liquidation::time_to_exit;
/// use units::Duration;
/// let time = time_to_exit(300.0, 0.1, Duration::HOUR, [1_000.0, 1_000.0, 2_000.0]).unwrap();
/// assert_eq!(time.nanos(), 5 * Duration::HOUR.nanos() / 2);
/// ```
///
/// # Errors
///
/// A share, quantity or volume that cannot be; volumes that end before the position does.
pub fn time_to_exit(
    quantity: f64,
    participation: f64,
    interval: Duration,
    volumes: impl IntoIterator<Item = f64>,
) -> Result<Duration, ExitError> {
    if !(participation > 0.0 && participation <= 1.0) {
        return Err(ExitError::Participation(participation));
    }
    let number = |value: f64| if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(ExitError::Number(value)) };
    let (mut left, mut nanos) = (number(quantity.abs())?, 0_i64);
    if left == 0.0 {
        return Ok(Duration::ZERO);
    }
    for volume in volumes {
        let traded = number(volume)? * participation;
        if traded >= left {
            let part = interval.nanos() as f64 * (left / traded);
            return Ok(Duration::from_nanos(nanos.saturating_add(part.ceil() as i64)));
        }
        left -= traded;
        nanos = nanos.saturating_add(interval.nanos());
    }
    Err(ExitError::Left(left))
}
