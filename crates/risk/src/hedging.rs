//! Which instrument to hedge in: the one of the least total cost to the horizon.
//!
//! A perpetual pays funding, a dated future converges to its index and must be rolled, spot binds all of its worth, an option decays by
//! more than its gamma brings; and each has a spread, an impact, fees and a margin. What is compared is all of that over the time for
//! which the hedge is wanted.

/// What an instrument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Without an end; funding.
    #[default]
    Perpetual,
    /// With an end; basis.
    Future,
    /// The coin itself.
    Spot,
    /// An option: what it decays by over what its gamma brings.
    Option,
}

/// An instrument to hedge in. Money is that of the numéraire; a unit is a contract or a coin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Instrument {
    /// What it is.
    pub kind: Kind,
    /// Coins of delta a unit: 1 for what is linear.
    pub delta: f64,
    /// Half of the spread, a unit.
    pub half_spread: f64,
    /// By how much the price of a unit is worse on average for each unit of the order: money a unit².
    pub impact: f64,
    /// Fees, a unit and trade.
    pub fee: f64,
    /// What a unit held long pays a year: funding, basis that is lost, rent, of options [`option_carry`]. Under zero it receives. Held
    /// short the other way round.
    pub carry: f64,
    /// What a unit binds: margin, or all of its worth.
    pub margin: f64,
    /// Years until it ends, of what does.
    pub expiry: Option<f64>,
    /// What a unit costs at its end instead of a trade: the fee of delivery.
    pub delivery: f64,
    /// The step of orders.
    pub lot: f64,
    /// The most that can be bought, and sold short: depth, or what a spot account holds.
    pub most: [f64; 2],
    /// What is held of it already, under zero short. Trading that back binds less margin and need not be done at the horizon; an option
    /// that is given up would have been settled for nothing.
    pub held: f64,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// Coins of delta to add; under zero: to sell.
    pub delta: f64,
    /// For how many years.
    pub years: f64,
    /// What capital costs a year, as a share of it.
    pub capital: f64,
    /// Whether the hedge is traded back at the horizon. If not, what it costs to get out of is not counted.
    pub is_closed: bool,
}

/// Why an instrument is not chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refused {
    /// It has next to no delta.
    NoDelta,
    /// What is needed is less than half of a lot.
    UnderLot {
        /// So many units would be needed.
        units: f64,
    },
    /// More is needed than can be traded.
    TooMuch {
        /// So many units are needed.
        units: f64,
        /// So many can be had.
        most: f64,
    },
    /// It has ended, or ends at once.
    Ended,
}

/// What it costs to hedge in an instrument, part by part, in money.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Costs {
    /// Half spreads of all trades.
    pub spread: f64,
    /// Impact of all trades.
    pub impact: f64,
    /// Fees of all trades and deliveries.
    pub fees: f64,
    /// Funding, basis or decay; under zero it is received.
    pub carry: f64,
    /// Capital that is bound; under zero it is set free.
    pub margin: f64,
    /// How often it ends and is bought anew within the time.
    pub rolls: u32,
}

impl Costs {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.spread + self.impact + self.fees + self.carry + self.margin
    }
}

/// An instrument, and what becomes of the need in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// Which one, from zero.
    pub instrument: usize,
    /// Units to trade, rounded to the nearer lot; under zero: to sell.
    pub units: f64,
    /// Coins of delta that are left open.
    pub residual: f64,
    /// What it costs, or why it is not chosen.
    pub costs: Result<Costs, Refused>,
}

/// Why there is no comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgingError {
    /// Which instrument, from zero; `None`: the need.
    pub instrument: Option<usize>,
    /// Which number.
    pub name: &'static str,
    /// What it is.
    pub value: f64,
}

impl std::fmt::Display for HedgingError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.instrument {
            Some(at) => write!(out, "instrument {}: {} is {}", at + 1, self.name, self.value)?,
            None => write!(out, "{} is {}", self.name, self.value)?,
        }
        out.write_str(": it must be a number, and costs, margins and steps not under zero (a lot over zero)")
    }
}

impl std::error::Error for HedgingError {}

/// What an option that is held long loses a year to the difference of implied and expected volatility: ½ Γ S² (implied² − expected²). Its
/// whole decay would count against who buys it, and for who sells it, what its gamma brings back.
#[must_use]
pub fn option_carry(gamma: f64, price: f64, implied: f64, expected: f64) -> f64 {
    0.5 * gamma * price * price * (implied * implied - expected * expected)
}

/// Less delta a unit than this share of a coin is none.
const NEXT_TO_NONE: f64 = 1e-3;

impl Instrument {
    fn check(&self, at: usize) -> Result<(), HedgingError> {
        let refuse = |name, value| Err(HedgingError { instrument: Some(at), name, value });
        for (name, value) in [
            ("delta", self.delta),
            ("carry", self.carry),
            ("expiry", self.expiry.unwrap_or(0.0)),
            ("what is held", self.held),
        ] {
            if !value.is_finite() {
                return refuse(name, value);
            }
        }
        for (name, value) in [
            ("the half spread", self.half_spread),
            ("the impact", self.impact),
            ("the fee", self.fee),
            ("the margin", self.margin),
            ("the fee of delivery", self.delivery),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(name, value);
            }
        }
        // As much as one likes is an answer.
        if let Some(value) = self.most.into_iter().find(|most| !matches!(most, 0.0..)) {
            return refuse("what can be traded", value);
        }
        if !(self.lot > 0.0 && self.lot.is_finite()) {
            return refuse("the lot", self.lot);
        }
        Ok(())
    }

    fn costs(&self, need: &Need, units: f64) -> Result<Costs, Refused> {
        let size = units.abs();
        let most = self.most[usize::from(units < 0.0)];
        if size > most {
            return Err(Refused::TooMuch { units: size, most });
        }
        // It ends so often within the time; at the horizon itself it is delivered.
        let (rolls, is_delivered) = match self.expiry {
            Some(years) if years <= 0.0 => return Err(Refused::Ended),
            // The next one is taken to run as long as this.
            Some(years) => {
                let ends = (need.years / years).floor().min(1e6);
                let is_at_end = ends > 0.0 && (need.years - ends * years).abs() < 1e-9;
                (ends as u32 - u32::from(is_at_end), is_at_end)
            }
            None => (0, false),
        };
        // What a future loses is told until it ends, and of the next one nobody knows it.
        let paid = match (self.kind, self.expiry) {
            (Kind::Future, Some(years)) => years.min(need.years),
            _ => need.years,
        };
        // By how much more is held from then on: under zero where something is traded back.
        let held = self.held + units;
        let more = held.abs() - self.held.abs();
        let more_squared = held * held - self.held * self.held;
        let is_settled = self.kind == Kind::Option && more < 0.0;
        let exits = f64::from(u8::from(need.is_closed && !is_delivered && !is_settled));
        let deliveries = f64::from(rolls) + f64::from(u8::from(is_delivered));
        let later = f64::from(rolls) + exits;
        Ok(Costs {
            spread: (size + later * more) * self.half_spread,
            impact: (size * size + later * more_squared) * self.impact,
            fees: (size + later * more) * self.fee + deliveries * more * self.delivery,
            carry: units * self.carry * paid,
            margin: more * self.margin * need.capital * need.years,
            rolls,
        })
    }
}

/// What each instrument would cost, into `offers`, and which of them costs the least: `None` if none can. Of equals the first.
///
/// # Errors
///
/// Numbers that are none or under zero where they may not be.
pub fn choose(instruments: &[Instrument], need: &Need, offers: &mut Vec<Offer>) -> Result<Option<usize>, HedgingError> {
    offers.clear();
    if !need.delta.is_finite() {
        return Err(HedgingError { instrument: None, name: "the delta needed", value: need.delta });
    }
    for (name, value) in [("the horizon", need.years), ("the cost of capital", need.capital)] {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(HedgingError { instrument: None, name, value });
        }
    }
    for (at, one) in instruments.iter().enumerate() {
        one.check(at)?;
    }
    let mut best: Option<(f64, usize)> = None;
    for (instrument, one) in instruments.iter().enumerate() {
        let exact = if one.delta.abs() < NEXT_TO_NONE { 0.0 } else { need.delta / one.delta };
        let units = (exact / one.lot).round() * one.lot;
        let costs = if one.delta.abs() < NEXT_TO_NONE {
            Err(Refused::NoDelta)
        } else if units == 0.0 {
            Err(Refused::UnderLot { units: exact.abs() })
        } else {
            one.costs(need, units)
        };
        if let Ok(costs) = &costs
            && best.is_none_or(|(least, _)| costs.total() < least)
        {
            best = Some((costs.total(), instrument));
        }
        offers.push(Offer { instrument, units, residual: need.delta - units * one.delta, costs });
    }
    Ok(best.map(|(_, instrument)| instrument))
}
