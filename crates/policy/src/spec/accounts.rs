//! How strategies share an account, what is in it, and what it pays.

use units::{Cash, Duration, Price, Qty, Rate, Ratio, Timestamp};

/// How several instruments share a strategy's capital: each gets capital × multiplier ÷ count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allocation {
    /// Which instruments count.
    pub over: Over,
    /// Instrument diversification multiplier: instruments that move apart carry more together at equal risk. Where it follows from
    /// correlations, the most that it may be.
    pub multiplier: Ratio,
    /// How instruments move together decides what each has.
    pub correlation: Option<Correlation>,
    /// What the strategy has lost decides how much capital there is.
    pub drawdown: Option<DrawdownBudget>,
}

/// Capital that follows a strategy's own drawdown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawdownBudget {
    /// The drawdown at which nothing is left.
    pub most: Ratio,
    /// It counts from the highest of so long a time. `None`: from the highest ever.
    pub window: Option<Duration>,
}

impl DrawdownBudget {
    /// What part of the capital is left at a drawdown: (most − drawdown) ÷ (most × (1 − drawdown)).
    ///
    /// It is Grossman and Zhou's cushion ("Optimal Investment Strategies for Controlling Drawdowns", Mathematical Finance 3, 1993): with
    /// the floor (1 − most) × highest, a share of (equity − floor) ÷ equity is at risk, which at the highest is `most`; here in units
    /// of that.
    ///
    /// ```
    /// let budget = policy::spec::DrawdownBudget { most: units::Ratio::new(0.2).unwrap(), window: None };
    /// assert_eq!((budget.left(0.0), budget.left(0.2)), (1.0, 0.0));
    /// assert!((budget.left(0.1) - 0.1 / (0.2 * 0.9)).abs() < 1e-15);
    /// ```
    #[must_use]
    pub fn left(&self, drawdown: f64) -> f64 {
        let most = self.most.get();
        if drawdown >= most { 0.0 } else { ((most - drawdown) / (most * (1.0 - drawdown))).clamp(0.0, 1.0) }
    }
}

/// Shares that follow from how instruments move together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    /// Of the returns of so many days.
    pub days: u32,
    /// How risk is divided.
    pub weights: Weights,
}

/// How risk is divided among instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weights {
    /// Each adds as much to the risk of the whole.
    #[default]
    EqualRisk,
    /// Each has as much risk by itself.
    Equal,
}

impl Default for Allocation {
    fn default() -> Self {
        let multiplier = Ratio::new(1.0).unwrap_or_default();
        Self { over: Over::Declared, multiplier, correlation: None, drawdown: None }
    }
}

impl Allocation {
    /// The share of equity that one instrument is sized on, when this many count.
    #[must_use]
    pub fn share(&self, capital: Ratio, count: usize) -> Ratio {
        // Of correlations nothing is known here. Bounded numbers over a count of at least one are finite.
        let multiplier = if self.correlation.is_some() { 1.0 } else { self.multiplier.get() };
        Ratio::new(capital.get() * multiplier / count.max(1) as f64).unwrap_or_default()
    }
}

/// Which instruments share the capital.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// All that the policy names.
    #[default]
    Declared,
    /// Those that have a price.
    Quoted,
    /// Those whose signal is on.
    Signalled,
}

/// An account at a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTerms {
    /// The venue, as symbols begin with it.
    pub venue: String,
    /// What equity is counted in: USD or a coin. `None`: the settlement currency of the venue's first instrument.
    pub numeraire: Option<String>,
    /// What a backtest pays in at the start.
    pub deposits: Vec<Deposit>,
}

/// Money paid in at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// How much.
    pub amount: Cash,
    /// Of what. `None`: the settlement currency of the first instrument.
    pub currency: Option<String>,
}

/// Money that is moved during a backtest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// When.
    pub at: Timestamp,
    /// What is moved, and where to.
    pub kind: FlowKind,
}

/// A movement of money. Accounts go by their venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowKind {
    /// Paid in from outside.
    Deposit {
        /// The account.
        account: String,
        /// What is paid in.
        money: Money,
    },
    /// Taken out.
    Withdraw {
        /// The account.
        account: String,
        /// What is taken out.
        money: Money,
    },
    /// From one account to another.
    Transfer {
        /// The account that it leaves.
        from: String,
        /// The account that it reaches.
        to: String,
        /// What is moved.
        money: Money,
    },
    /// Exchanged for another currency within an account, at the market.
    Convert {
        /// The account.
        account: String,
        /// What is given.
        money: Money,
        /// The currency that is bought.
        into: String,
    },
}

/// An amount of a currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// How much.
    pub amount: Cash,
    /// Of what.
    pub currency: String,
}

/// Fees from a traded value on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeTier {
    /// Value traded over the last 30 UTC days, in the currency of the tiers, from which the tier holds.
    pub volume: Cash,
    /// Fee of a fill that takes.
    pub taker: Rate,
    /// Fee of a fill that rested.
    pub maker: Rate,
}

/// An existing position that becomes a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// One of the policy's instruments.
    pub instrument: String,
    /// Signed quantity held; never zero.
    pub quantity: Qty,
    /// The anchor: the price that counts as the entry fill.
    pub entry: Price,
    /// The frozen N. There wherever something is measured in N.
    pub unit: Option<Price>,
    /// The initial stop, on the losing side of the entry. `None`: the initial distance of `[stop]` behind the entry.
    pub stop: Option<Price>,
    /// Units filled so far; at least one.
    pub units: u32,
    /// When it was opened. `None`: at the run's start.
    pub opened: Option<Timestamp>,
}
