//! Fees by traded value.

use market::{Catalogue, Conversion, Currency};
use std::collections::VecDeque;
use units::state::StateWriter;
use units::{Cash, Contract, Duration, Rate, Timestamp};

/// One tier: applies from this traded value on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeTier {
    /// The least value traded in the last 30 finished UTC days, in the schedule's currency.
    pub from: Cash,
    /// Fee of a fill that takes.
    pub taker: Rate,
    /// Fee of a fill that rested; negative is a rebate.
    pub maker: Rate,
}

/// The fees of an account by what it traded in the last 30 days. The tier is found as each UTC day begins and holds for that day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeSchedule {
    /// The first from zero on, each over the one before.
    pub tiers: Vec<FeeTier>,
    /// What value is counted in: price × quantity of a fill, of an inverse contract its quantity, translated at the marks of the fill.
    /// Dollars of all kinds are alike where no instrument says otherwise.
    pub currency: Currency,
}

impl FeeSchedule {
    /// One tier for all.
    #[must_use]
    pub fn flat(taker: Rate, maker: Rate) -> Self {
        Self { tiers: vec![FeeTier { from: Cash::ZERO, taker, maker }], currency: Currency::USD }
    }

    /// Whether the first tier begins at zero and the others follow in order, all rates under one.
    pub(crate) fn is_whole(&self) -> bool {
        let rates = self.tiers.iter().flat_map(|tier| [tier.taker, tier.maker]);
        self.tiers.first().is_some_and(|tier| tier.from.is_zero())
            && self.tiers.windows(2).all(|pair| pair[0].from < pair[1].from)
            && rates.into_iter().all(|rate| rate.raw().abs() < Rate::ONE)
    }

    /// Whether it asks how much was traded.
    pub(crate) fn is_tiered(&self) -> bool {
        self.tiers.len() > 1
    }
}

/// What the value of a fill is told in: the quantity of an inverse contract counts the quote currency.
pub(crate) fn valued_in(instrument: &market::Instrument) -> Currency {
    match instrument.kind.contract() {
        Contract::Linear => instrument.settle,
        Contract::Inverse => instrument.quote,
    }
}

/// What an account has traded, and the tier that follows.
#[derive(Debug, Clone)]
pub(crate) struct FeeMeter {
    schedule: FeeSchedule,
    /// From the currency that each instrument's fills are valued in to what value is counted in; none without tiers.
    ways: Vec<Conversion>,
    tier: usize,
    /// Traded on the present day.
    today: Cash,
    /// Traded on finished days, the oldest first.
    days: VecDeque<Cash>,
    /// The present day since 1970; `None` before the first input.
    day: Option<i64>,
}

impl FeeMeter {
    const DAYS: usize = 30;

    pub(crate) fn new(schedule: FeeSchedule, catalogue: &Catalogue) -> Self {
        let way = |known: &market::Instrument| Conversion::between(valued_in(known), schedule.currency, catalogue);
        let ways = if schedule.is_tiered() { catalogue.instruments.iter().map(way).collect() } else { Vec::new() };
        Self { schedule, ways, tier: 0, today: Cash::ZERO, days: VecDeque::new(), day: None }
    }

    /// Whether it has to be told of fills and days.
    pub(crate) fn is_tiered(&self) -> bool {
        self.schedule.is_tiered()
    }

    /// How the value of a fill of the instrument at this index is counted.
    pub(crate) fn way(&self, instrument: usize) -> Conversion {
        self.ways.get(instrument).copied().unwrap_or(Conversion::Unknown)
    }

    pub(crate) fn taker(&self) -> Rate {
        self.schedule.tiers[self.tier].taker
    }

    pub(crate) fn maker(&self) -> Rate {
        self.schedule.tiers[self.tier].maker
    }

    pub(crate) fn count(&mut self, value: Cash) {
        self.today += value;
    }

    /// Goes on to the day of an instant. What comes exactly at midnight, such as a bar's close, belongs to the day that ends.
    pub(crate) fn reach(&mut self, at: Timestamp) {
        let day = at.nanos().saturating_sub(1).div_euclid(Duration::DAY.nanos());
        let passed = day - self.day.replace(day).unwrap_or(day);
        if passed <= 0 {
            return;
        }
        for _ in 0..passed.min(Self::DAYS as i64 + 1) {
            self.days.push_back(std::mem::take(&mut self.today));
        }
        while self.days.len() > Self::DAYS {
            self.days.pop_front();
        }
        let traded: Cash = self.days.iter().copied().sum();
        self.tier = self.schedule.tiers.iter().rposition(|tier| tier.from <= traded).unwrap_or(0);
    }

    pub(crate) fn save(&self, out: &mut StateWriter) {
        out.len(self.tier);
        out.i128(self.today.raw());
        out.len(self.days.len());
        self.days.iter().for_each(|day| out.i128(day.raw()));
        out.option(self.day, StateWriter::i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers(from: &[&str]) -> FeeSchedule {
        let tier = |(from, taker): (&&str, i64)| FeeTier {
            from: from.parse().unwrap(),
            taker: Rate::from_raw(taker),
            maker: Rate::ZERO,
        };
        FeeSchedule { tiers: from.iter().zip((1..10).rev()).map(tier).collect(), currency: Currency::USD }
    }

    fn midnight(day: i64) -> Timestamp {
        Timestamp::from_nanos(day * Duration::DAY.nanos())
    }

    #[test]
    fn a_tier_holds_from_the_day_after_until_thirty_days_have_passed() {
        let mut meter = FeeMeter::new(tiers(&["0", "1000", "5000"]), &Catalogue::default());
        meter.reach(midnight(100) + Duration::MINUTE);
        meter.count("1000".parse().unwrap());
        assert_eq!(meter.taker().raw(), 9, "not on the same day");
        meter.reach(midnight(101));
        assert_eq!(meter.taker().raw(), 9, "midnight is still the day that ends");
        meter.count("3999".parse().unwrap());
        meter.reach(midnight(101) + Duration::MINUTE);
        assert_eq!(meter.taker().raw(), 8, "4,999 on day 100");
        meter.count("1".parse().unwrap());
        for (day, taker) in [(102, 7), (130, 7), (131, 9), (132, 9)] {
            meter.reach(midnight(day) + Duration::MINUTE);
            assert_eq!(meter.taker().raw(), taker, "day {day}");
        }
    }

    /// Against a plain list of what was traded when.
    #[test]
    fn equals_the_sum_over_thirty_days() {
        let schedule = tiers(&["0", "3", "9", "30", "80"]);
        let (mut meter, mut traded, mut met) =
            (FeeMeter::new(schedule.clone(), &Catalogue::default()), Vec::new(), [0; 5]);
        let (mut seed, mut day) = (3_u64, 0);
        let mut random = |end: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % end) as i64
        };
        for _ in 0..2_000 {
            day += [0, 0, 0, 1, 2, 5, 70][random(7) as usize];
            meter.reach(midnight(day) + Duration::HOUR);
            let value = Cash::from_raw(i128::from(random(9)) * Cash::ONE);
            let last: Cash =
                traded.iter().filter(|(at, _)| (day - 30..day).contains(at)).map(|(_, value)| *value).sum();
            let tier = schedule.tiers.iter().filter(|tier| tier.from <= last).count() - 1;
            met[tier] += 1;
            assert_eq!(meter.taker(), schedule.tiers[tier].taker, "day {day}, {last} traded");
            meter.count(value);
            traded.push((day, value));
        }
        assert!(met.iter().all(|count| *count > 30), "{met:?}");
    }

    #[test]
    fn a_schedule_begins_at_zero_and_rises() {
        assert!(tiers(&["0", "1", "2"]).is_whole());
        for broken in [&[][..], &["1"], &["0", "2", "2"], &["0", "2", "1"]] {
            assert!(!tiers(broken).is_whole(), "{broken:?}");
        }
        assert!(!FeeSchedule::flat(Rate::from_raw(Rate::ONE), Rate::ZERO).is_whole());
    }
}
