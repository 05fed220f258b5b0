//! The workload's rule: a volatility target with a scale-out ladder that is armed again every 5,000 events.

use policy::facts::{self, FactId, Facts};
use policy::{Arg, Because, Rule, Target, Verdict};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Price, Qty, math};

const LOT: f64 = 0.001;
const DECAY: f64 = 0.998;
const WARM_UP: u64 = 500;
const EVENTS_A_YEAR: f64 = 31_536_000.0;
const TARGET_VOL: f64 = 0.40;
const CAPITAL: f64 = 1_000_000.0;
const LEVERAGE: f64 = 2.0;
const BUFFER: f64 = 0.10;
const RUNG: f64 = 0.002;
const RUNGS: u32 = 3;
const CYCLE: u64 = 5_000;

/// The rule's state and arithmetic, shared by the engine's run and the bare loop that is its floor.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    events: u64,
    variance: f64,
    log: f64,
    anchor: f64,
    rung: u32,
    armed_at: u64,
}

/// A price in the reference's doubles: whole ticks times 0.1.
fn double(price: Price) -> f64 {
    (price.raw() / (Price::ONE / 10)) as f64 * 0.1
}

impl Decision {
    /// Takes in the next price.
    #[inline]
    pub fn observe(&mut self, price: Price) {
        let price = double(price);
        let event = self.events;
        self.events += 1;
        let log = math::ln(price);
        if event == 0 {
            (self.log, self.anchor) = (log, price);
            return;
        }
        let step = log - self.log;
        self.log = log;
        self.variance = if event > 1 { DECAY * self.variance + (1.0 - DECAY) * step * step } else { step * step };
        if event - self.armed_at >= CYCLE {
            (self.anchor, self.rung, self.armed_at) = (price, 0, event);
        }
        let level = if price > self.anchor { ((price / self.anchor - 1.0) / RUNG) as u32 } else { 0 };
        if level > self.rung {
            self.rung = level.min(RUNGS);
        }
    }

    /// The signed change to order, in lots; zero inside the buffer.
    #[inline]
    #[must_use]
    pub fn lots(&self, price: Price, position: f64) -> i64 {
        if self.events <= WARM_UP || self.variance <= 0.0 {
            return 0;
        }
        let value = (CAPITAL * TARGET_VOL / math::sqrt(self.variance * EVENTS_A_YEAR)).min(LEVERAGE * CAPITAL);
        let full = value / double(price);
        let change = full * (1.0 - 0.25 * f64::from(self.rung)) - position;
        if change.abs() <= BUFFER * full { 0 } else { (change / LOT + 0.5).floor() as i64 }
    }
}

/// [`Decision`] as a rule of the engine.
#[derive(Debug, Clone, Default)]
pub struct WorkloadRule {
    decision: Decision,
    /// Market prices seen: news of one's own fill is no price of the tape.
    seen: u32,
}

const READS: &[FactId] = &[facts::PRICES.id(), facts::PRICE.id(), facts::POSITION.id()];
const LOT_RAW: i64 = Qty::ONE / 1_000;

impl Rule for WorkloadRule {
    fn name(&self) -> &'static str {
        "workload"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn observe(&mut self, facts: &Facts) {
        if let (Some(count), Some(price)) = (facts.get(facts::PRICES), facts.get(facts::PRICE))
            && count != self.seen
        {
            self.seen = count;
            self.decision.observe(price);
        }
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, because: &mut Because) -> Verdict {
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        let Some(price) = facts.get(facts::PRICE) else { return Verdict::keep(Target::default()) };
        let lots = self.decision.lots(price, held.approximate());
        let qty = held + Qty::from_raw(lots * LOT_RAW);
        let target = Target { base: qty, qty };
        if lots == 0 {
            return Verdict::keep(target);
        }
        because.say("rung {}: change by {}", [Arg::Count(self.decision.rung), Arg::Qty(qty - held)]);
        Verdict::set(target)
    }

    fn save(&self, out: &mut StateWriter) {
        let state = &self.decision;
        out.u64(state.events);
        for number in [state.variance, state.log, state.anchor] {
            out.f64(number);
        }
        out.u32(state.rung);
        out.u64(state.armed_at);
        out.u32(self.seen);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let state = &mut self.decision;
        state.events = from.u64()?;
        (state.variance, state.log, state.anchor) = (from.f64()?, from.f64()?, from.f64()?);
        (state.rung, state.armed_at) = (from.u32()?, from.u64()?);
        self.seen = from.u32()?;
        Ok(())
    }
}
