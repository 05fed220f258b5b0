//! The workload's rule: a volatility target with a scale-out ladder that is armed again every 5,000 events.

use policy::facts::{self, FactId, FactValue, Facts};
use policy::{Arg, Because, Indicator, Region, Rule, Target, Verdict};
use pricing::Ohlc;
use units::state::{Corrupt, StateReader, StateWriter};
use units::{Price, Qty, Round, Vol, math};

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
const CYCLE: u32 = 5_000;

/// The volatility of the prices seen, shared by the engine's run and the bare loop that is its floor.
#[derive(Debug, Clone, Default)]
pub struct Volatility {
    events: u64,
    variance: f64,
    last: Price,
}

/// The scale-out ladder, likewise.
#[derive(Debug, Clone, Default)]
pub struct Ladder {
    anchor: f64,
    rung: u32,
    /// At which price, counted from one; zero before the first.
    armed_at: u32,
    /// Under it no further rung is reached: follows from anchor and rung.
    near: i64,
}

/// A price in the reference's doubles: whole ticks times 0.1.
fn double(price: Price) -> f64 {
    (price.raw() / (Price::ONE / 10)) as f64 * 0.1
}

impl Volatility {
    /// Takes in the next price. The annualised volatility after it, once there are enough.
    #[inline]
    pub fn observe(&mut self, price: Price) -> Option<f64> {
        let event = self.events;
        self.events += 1;
        let last = std::mem::replace(&mut self.last, price);
        let step = math::ln_ratio(price.approximate_raw(), last.approximate_raw());
        self.variance = match event {
            0 => return None,
            1 => step * step,
            _ => DECAY * self.variance + (1.0 - DECAY) * step * step,
        };
        let is_known = self.events > WARM_UP && self.variance > 0.0;
        is_known.then(|| math::sqrt(self.variance * EVENTS_A_YEAR))
    }
}

impl Ladder {
    /// Takes in a price and how many there were with it; the same again changes nothing.
    #[inline]
    pub fn observe(&mut self, price: Price, count: u32) {
        if self.armed_at == 0 || count - self.armed_at >= CYCLE {
            (self.anchor, self.rung, self.armed_at) = (double(price), 0, count);
            self.find_near();
        }
        if price.raw() >= self.near {
            self.climb(double(price));
        }
    }

    /// A little under the next rung, so that the rung itself is told exactly.
    fn find_near(&mut self) {
        self.near = self.next().map_or(i64::MAX, |next| (next * Price::ONE as f64) as i64);
    }

    /// A price under which no further rung is reached; none behind the last one.
    fn next(&self) -> Option<f64> {
        let next = self.anchor * (1.0 + RUNG * f64::from(self.rung + 1)) * (1.0 - INWARD);
        (self.rung < RUNGS).then_some(next)
    }

    fn climb(&mut self, price: f64) {
        let level = if price > self.anchor { ((price / self.anchor - 1.0) / RUNG) as u32 } else { 0 };
        if level > self.rung {
            self.rung = level.min(RUNGS);
            self.find_near();
        }
    }

    /// The share of the full size that is left.
    fn left(&self) -> f64 {
        1.0 - 0.25 * f64::from(self.rung)
    }

    /// The signed change to order, in lots; zero inside the buffer.
    #[inline]
    #[must_use]
    pub fn lots(&self, price: Price, volatility: f64, position: f64) -> i64 {
        let full = full(price, volatility);
        let change = full * self.left() - position;
        if change.abs() <= BUFFER * full { 0 } else { (change / LOT + 0.5).floor() as i64 }
    }
}

/// The full size at a price and a volatility.
fn full(price: Price, volatility: f64) -> f64 {
    (CAPITAL * TARGET_VOL / volatility).min(LEVERAGE * CAPITAL) / double(price)
}

/// [`Volatility`] as an indicator of the engine.
#[derive(Debug, Clone, Default)]
pub struct WorkloadVolatility {
    volatility: Volatility,
}

impl Indicator for WorkloadVolatility {
    fn observe(&mut self, seen: Option<&Ohlc>, facts: &mut Facts) {
        if let Some(seen) = seen {
            facts.put(facts::VOLATILITY, self.volatility.observe(seen.close).and_then(Vol::new));
        }
    }

    fn save(&self, out: &mut StateWriter) {
        let state = &self.volatility;
        out.u64(state.events);
        out.f64(state.variance);
        out.i64(state.last.raw());
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let state = &mut self.volatility;
        state.events = from.u64()?;
        (state.variance, state.last) = (from.f64()?, Price::from_raw(from.i64()?));
        Ok(())
    }
}

/// [`Ladder`] and the size as a rule of the engine.
#[derive(Debug, Clone, Default)]
pub struct WorkloadRule {
    ladder: Ladder,
}

const READS: &[FactId] = &[facts::PRICES.id(), facts::PRICE.id(), facts::VOLATILITY.id(), facts::POSITION.id()];
const LOT_RAW: i64 = Qty::ONE / 1_000;
/// Doubles are rounded: intervals end this share of themselves inside.
const INWARD: f64 = 1e-9;

impl Rule for WorkloadRule {
    fn name(&self) -> &'static str {
        "workload"
    }

    fn reads(&self) -> &[FactId] {
        READS
    }

    fn observe(&mut self, facts: &Facts) {
        if let (Some(count), Some(price)) = (facts.get(facts::PRICES), facts.get(facts::PRICE)) {
            self.ladder.observe(price, count);
        }
    }

    fn evaluate(&self, facts: &Facts, _proposed: Target, because: &mut Because) -> Verdict {
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        let Some(price) = facts.get(facts::PRICE) else { return Verdict::keep(Target::default()) };
        let volatility = facts.get(facts::VOLATILITY);
        let lots = volatility.map_or(0, |volatility| self.ladder.lots(price, volatility.get(), held.approximate()));
        let qty = held + Qty::from_raw(lots * LOT_RAW);
        let target = Target { base: qty, qty };
        if lots == 0 {
            return Verdict::keep(target);
        }
        because.say("rung {}: change by {}", [Arg::Count(self.ladder.rung), Arg::Qty(qty - held)]);
        Verdict::set(target)
    }

    /// Inside the buffer, under the next rung, before the ladder is armed again. Of what the full size may move before the change
    /// leaves the buffer, the volatility takes three quarters: from tick to tick it moves more than the price.
    fn quiet(&self, facts: &Facts, _proposed: Target, _because: &Because, region: &mut Region) -> bool {
        let (Some(price), Some(volatility)) = (facts.get(facts::PRICE), facts.get(facts::VOLATILITY)) else {
            // Nothing is ordered before the volatility is known; the ladder looks at prices from the first.
            region.free(&[facts::PRICE.id(), facts::PRICES.id()]);
            return true;
        };
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO).approximate();
        let full = full(price, volatility.get());
        let (least, most) = (held / (self.ladder.left() + BUFFER), held / (self.ladder.left() - BUFFER));
        // Both lower the full size as they rise.
        let [wild, calm] = [math::sqrt(full / least), math::sqrt(full / most)];
        let [up, down] = [math::sqrt(wild) * (1.0 - INWARD), math::sqrt(calm) * (1.0 + INWARD)];
        let next = self.ladder.next().unwrap_or(f64::INFINITY);
        let [cheapest, dearest] = [price.approximate() * down, (price.approximate() * up).min(next)]
            .map(|price| Price::from_estimate(price, Round::TowardZero));
        let [calmest, wildest] = [calm * down, wild * up].map(|factor| Vol::new(volatility.get() * factor));
        let (Some(cheapest), Some(dearest), Some(calmest), Some(wildest)) = (cheapest, dearest, calmest, wildest)
        else {
            return false;
        };
        let armed = self.ladder.armed_at + CYCLE;
        region.rest();
        region.within(facts::PRICE.id(), cheapest.to_raw() + 1, dearest.to_raw());
        region.within(facts::VOLATILITY.id(), calmest.to_raw(), wildest.to_raw());
        region.within(facts::PRICES.id(), i128::MIN, armed.into());
        true
    }

    fn save(&self, out: &mut StateWriter) {
        let state = &self.ladder;
        out.f64(state.anchor);
        out.u32(state.rung);
        out.u32(state.armed_at);
    }

    fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        let state = &mut self.ladder;
        state.anchor = from.f64()?;
        state.rung = from.u32()?;
        state.armed_at = from.u32()?;
        state.find_near();
        Ok(())
    }
}
