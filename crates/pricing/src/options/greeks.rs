//! A value with its derivatives, in USD and, for what is paid in coin, in coin; and what venues call them.

use units::YearFraction;

/// Volatility and rate steps of the Greeks: one percentage point.
pub(super) const POINT: f64 = 0.01;
/// Time step of the Greeks: one day, in years (ACT/365).
pub(super) const DAY: f64 = 1.0 / 365.0;

macro_rules! greeks {
    ($($(#[$meta:meta])* $field:ident),* $(,)?) => {
        /// The price of one option and its twelve Greeks.
        ///
        /// All are of the discounted price, which is in USD (for a forward quoted in USD) unless a function says that it gives
        /// coin. A step of the forward is one USD, of volatility and of the rate 0.01, of time one day *passing*.
        /// The rate is the one inside the discount factor, e^(−rate × years); it moves at a fixed forward, and stays when time passes.
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct Greeks { $($(#[$meta])* pub $field: f64),* }

        impl Greeks {
            /// The fields' names, in order.
            pub const NAMES: [&str; 13] = [$(stringify!($field)),*];

            /// The fields' values, in order.
            #[must_use]
            pub fn values(&self) -> [f64; 13] {
                [$(self.$field),*]
            }

            /// From values in the order of [`Self::NAMES`].
            #[must_use]
            pub fn from_values([$($field),*]: [f64; 13]) -> Self {
                Self { $($field),* }
            }
        }
    };
}

greeks! {
    /// What the option is worth.
    price,
    /// ∂price/∂forward.
    delta,
    /// ∂delta/∂forward.
    gamma,
    /// Change of price for 0.01 of volatility.
    vega,
    /// Change of price in a day.
    theta,
    /// Change of price for 0.01 of rate.
    rho,
    /// Change of delta for 0.01 of volatility.
    vanna,
    /// Change of vega for 0.01 of volatility.
    volga,
    /// Change of delta in a day.
    charm,
    /// Change of vega in a day.
    veta,
    /// ∂gamma/∂forward.
    speed,
    /// Change of gamma for 0.01 of volatility.
    zomma,
    /// Change of gamma in a day.
    color,
}

impl Greeks {
    /// The same option seen in coin: price and Greeks of price ÷ forward, by the quotient rule, in one place.
    ///
    /// A derivative by the forward of c = v/F is (v′ − c)/F, and once more (v″ − 2c′)/F, (v‴ − 3c″)/F; each holds too after
    /// another derivative by volatility, rate or time. It is linear, so that sums over options with one forward may be converted.
    #[must_use]
    pub fn in_coin(&self, forward: f64) -> Self {
        let over = |value: f64| value / forward;
        let price = over(self.price);
        let delta = over(self.delta - price);
        let gamma = over(self.gamma - 2.0 * delta);
        let (vega, theta) = (over(self.vega), over(self.theta));
        let (vanna, charm) = (over(self.vanna - vega), over(self.charm - theta));
        Self {
            price,
            delta,
            gamma,
            vega,
            theta,
            rho: over(self.rho),
            vanna,
            volga: over(self.volga),
            charm,
            veta: over(self.veta),
            speed: over(self.speed - 3.0 * gamma),
            zomma: over(self.zomma - 2.0 * vanna),
            color: over(self.color - 2.0 * charm),
        }
    }

    /// Delta in the convention asked for. `self` is in USD.
    #[must_use]
    pub fn delta_as(&self, convention: DeltaConvention, forward: f64) -> f64 {
        match convention {
            DeltaConvention::BlackScholes => self.delta,
            DeltaConvention::Net => self.delta - self.price / forward,
        }
    }

    /// Delta while the settlement price is being averaged, in the convention asked for: what of the average is decided moves with
    /// nothing any more. `undecided` is its rest, from 1 to 0 ([`Expiry::undecided`](super::Expiry::undecided)); before the window the
    /// delta is whole.
    #[must_use]
    pub fn delta_settling(&self, convention: DeltaConvention, forward: f64, undecided: f64) -> f64 {
        self.delta_as(convention, forward) * undecided
    }

    fn over_lifetime(&self, lifetime: YearFraction) -> f64 {
        self.theta * (lifetime.get() / DAY).min(1.0)
    }

    /// Theta in the convention asked for.
    #[must_use]
    pub fn theta_as(&self, convention: ThetaConvention, lifetime: YearFraction) -> f64 {
        match convention {
            ThetaConvention::Day => self.theta,
            ThetaConvention::DayOrLifetime => self.over_lifetime(lifetime),
            ThetaConvention::Deribit => self.over_lifetime(lifetime).max(-self.price),
        }
    }
}

/// Which delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaConvention {
    /// ∂price/∂forward, the delta that venues print for an option.
    BlackScholes,
    /// Of an option paid for in coin: delta − price in coin, the *premium-adjusted* delta; what holding the option adds to the
    /// delta of an account. Not monotone in the strike for calls.
    Net,
}

/// Over how long theta is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThetaConvention {
    /// One day, also when less is left.
    Day,
    /// One day or what is left, whichever is shorter.
    DayOrLifetime,
    /// As [`Self::DayOrLifetime`], and never a larger loss than all that the option is worth. So Deribit prints it: of 3,978 tickers
    /// of January 2026 it is within 1e-3 of 97 %, without the last condition of 95 %.
    Deribit,
}
