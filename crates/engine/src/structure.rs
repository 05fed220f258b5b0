//! Structures of options: what a strategy trades as one instrument, and which options that is at a moment.

use arrayvec::ArrayVec;
use policy::facts::{self, FactId, Facts};
use policy::spec::{LEGS_MAX, LegStrike, Structure, StructureLeg};
use policy::{Arg, Because, Rule, Target, Verdict};
use pricing::options::functions::{ln, normal_distribution};
use pricing::options::total_deviation;
use risk::chain::{Chain, ChainExpiry, QuotedOption};
use units::{Duration, InstrumentId, OptionRight, Price, Qty, Timestamp};

/// The sentence for a right and a way to choose the strike.
macro_rules! said {
    ($right:expr, $by_delta:expr, $why:literal) => {
        match ($right, $by_delta) {
            (OptionRight::Call, true) => concat!("no call near delta {} at {} days: {} of {} ", $why),
            (OptionRight::Put, true) => concat!("no put near delta {} at {} days: {} of {} ", $why),
            (OptionRight::Call, false) => concat!("no call near {} of the forward at {} days: {} of {} ", $why),
            (OptionRight::Put, false) => concat!("no put near {} of the forward at {} days: {} of {} ", $why),
        }
    };
}
/// Quotes older than this choose no leg.
pub const QUOTE_AGE_MAX: Duration = Duration::HOUR;

/// `ratio × qty`; exact on the grid of a structure.
pub(crate) fn times(ratio: Qty, qty: Qty) -> Qty {
    Qty::from_raw((i128::from(ratio.raw()) * i128::from(qty.raw()) / i128::from(Qty::ONE)) as i64)
}

/// The options that a structure is at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Of each leg its option, no two the same, with its signed contracts for each unit.
    pub(crate) legs: ArrayVec<(InstrumentId, Qty), LEGS_MAX>,
    /// Σ ratio × value.
    pub(crate) price: Price,
    /// The forward of the first expiry.
    pub(crate) forward: Price,
}

/// Why a structure has no options now, with the leg that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The leg's number, from 0.
    pub leg: u8,
    /// Why.
    pub reason: NoLeg,
    /// How many options it is so of.
    pub count: u32,
    /// Of how many that were looked at.
    pub of: u32,
}

/// Why an option is no leg, or a leg has no option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoLeg {
    /// No expiry lies between half and twice the days, or none has this right.
    Expiry,
    /// No quote of the last hour.
    Quote,
    /// Nobody bids.
    Bid,
    /// Nobody offers.
    Ask,
    /// The bid is over the ask.
    Crossed,
    /// Bid and ask are too far apart.
    Spread,
    /// Too little open interest, or none told.
    OpenInterest,
    /// No forward is told, or the middle has no volatility.
    Volatility,
    /// Its delta or strike is too far from what is wanted.
    Near,
    /// Its quantity grid does not fit the structure's.
    Lot,
    /// All legs have options, and together they cost nothing or less.
    Price,
    /// To roll: no option expires later than the present ones.
    Later,
    /// It is the option of another leg.
    Same,
}

impl NoLeg {
    const ALL: [Self; 13] = [
        Self::Expiry,
        Self::Quote,
        Self::Bid,
        Self::Ask,
        Self::Crossed,
        Self::Spread,
        Self::OpenInterest,
        Self::Volatility,
        Self::Near,
        Self::Lot,
        Self::Price,
        Self::Later,
        Self::Same,
    ];
}

/// The largest count that a refusal's fact can tell.
const COUNT_MAX: u32 = (1 << 12) - 1;

impl Refusal {
    /// As the fact tells it: 4 bits of reason, 4 of leg, 12 each of the two counts.
    pub(crate) fn code(self) -> u32 {
        let counts = self.count.min(COUNT_MAX) << 12 | self.of.min(COUNT_MAX);
        (self.reason as u32) << 28 | u32::from(self.leg) << 24 | counts
    }

    pub(crate) fn of_code(code: u32) -> Self {
        let reason = NoLeg::ALL.get((code >> 28) as usize).copied().unwrap_or(NoLeg::Price);
        Self { leg: (code >> 24 & 15) as u8, reason, count: code >> 12 & COUNT_MAX, of: code & COUNT_MAX }
    }

    /// The sentence and its numbers.
    pub(crate) fn sentence(self, structure: &Structure) -> (&'static str, [Arg; 4]) {
        let Some(leg) = structure.legs.get(usize::from(self.leg)) else { return ("no options", [Arg::None; 4]) };
        let at = match leg.strike {
            LegStrike::Delta(delta) => Arg::Number(delta.get()),
            LegStrike::Moneyness(multiple) => Arg::Percent(multiple.get()),
        };
        let (days, count, of) = (Arg::Number(leg.days.get()), Arg::Count(self.count), Arg::Count(self.of));
        let by_delta = matches!(leg.strike, LegStrike::Delta(_));
        let template = match self.reason {
            NoLeg::Expiry => {
                return (
                    "no expiry near {} days: none between half and twice that",
                    [days, Arg::None, Arg::None, Arg::None],
                );
            }
            NoLeg::Price => return ("the legs together cost nothing or less", [Arg::None; 4]),
            NoLeg::Later => return ("no option expires later than the present legs", [Arg::None; 4]),
            NoLeg::Same => {
                let template = match (leg.right, by_delta) {
                    (OptionRight::Call, true) => "the call nearest to delta {} at {} days is another leg's",
                    (OptionRight::Put, true) => "the put nearest to delta {} at {} days is another leg's",
                    (OptionRight::Call, false) => "the call nearest to {} of the forward at {} days is another leg's",
                    (OptionRight::Put, false) => "the put nearest to {} of the forward at {} days is another leg's",
                };
                return (template, [at, days, Arg::None, Arg::None]);
            }
            NoLeg::Quote => said!(leg.right, by_delta, "were not quoted in the last hour"),
            NoLeg::Bid => said!(leg.right, by_delta, "have no bid"),
            NoLeg::Ask => said!(leg.right, by_delta, "have no ask"),
            NoLeg::Crossed => said!(leg.right, by_delta, "have a bid over the ask"),
            NoLeg::Spread => said!(leg.right, by_delta, "have bid and ask too far apart"),
            NoLeg::OpenInterest => said!(leg.right, by_delta, "have too little open interest"),
            NoLeg::Volatility => said!(leg.right, by_delta, "have no volatility"),
            NoLeg::Near => said!(leg.right, by_delta, "are quoted, and too far from it"),
            NoLeg::Lot => said!(leg.right, by_delta, "have another quantity grid"),
        };
        (template, [at, days, count, of])
    }
}

/// Chooses the options of a structure: of each leg, in the expiry nearest to its days, the option nearest to its strike among
/// those that pass. Together they cost something. `later`: none that expires up to then. `lot`: the structure's quantity grid.
pub(crate) fn choose(
    structure: &Structure,
    chain: &Chain,
    lot: Qty,
    now: Timestamp,
    later: Option<Timestamp>,
) -> Result<Choice, Refusal> {
    let choice = options(structure, chain, lot, now, later)?;
    if choice.price.raw() <= 0 || choice.forward.raw() <= 0 || choice.legs.is_empty() {
        return Err(Refusal { leg: 0, reason: NoLeg::Price, count: 0, of: 0 });
    }
    Ok(choice)
}

/// The same whatever they cost together.
pub(crate) fn options(
    structure: &Structure,
    chain: &Chain,
    lot: Qty,
    now: Timestamp,
    later: Option<Timestamp>,
) -> Result<Choice, Refusal> {
    let mut legs: ArrayVec<(InstrumentId, Qty), LEGS_MAX> = ArrayVec::new();
    let (mut value, mut first): (i128, Option<&ChainExpiry>) = (0, None);
    for (number, leg) in structure.legs.iter().take(LEGS_MAX).enumerate() {
        let (expiry, option) = choose_leg(structure, number as u8, leg, chain, lot, now)?;
        if later.is_some_and(|later| expiry.at() <= later) {
            return Err(Refusal { leg: number as u8, reason: NoLeg::Later, count: 0, of: 0 });
        }
        if first.is_none_or(|first| expiry.at() < first.at()) {
            first = Some(expiry);
        }
        value += i128::from(leg.ratio.raw()) * i128::from(option.value.unwrap_or_default().raw());
        // A calendar of one option is none, and a ratio of one option another ratio.
        if legs.iter().any(|(instrument, _)| *instrument == option.instrument) {
            return Err(Refusal { leg: number as u8, reason: NoLeg::Same, count: 0, of: 0 });
        }
        legs.push((option.instrument, leg.ratio));
    }
    let price = price_of(value);
    let forward = first.and_then(ChainExpiry::forward).unwrap_or_default();
    Ok(Choice { legs, price, forward })
}

/// Σ raw ratio × raw price as a price, to the nearest.
pub(crate) fn price_of(value: i128) -> Price {
    let one = i128::from(Qty::ONE);
    Price::from_raw(((2 * value + one).div_euclid(2 * one)) as i64)
}

/// The least distance to what is wanted that an option can have so far.
struct Nearest<'a> {
    distance: f64,
    option: &'a QuotedOption,
}

fn choose_leg<'a>(
    structure: &Structure,
    number: u8,
    leg: &StructureLeg,
    chain: &'a Chain,
    lot: Qty,
    now: Timestamp,
) -> Result<(&'a ChainExpiry, &'a QuotedOption), Refusal> {
    let days = |expiry: &ChainExpiry| expiry.at().since(now).days();
    let fits = |expiry: &&ChainExpiry| {
        let days = days(expiry);
        expiry.at() > now && days >= leg.days.get() * 0.5 && days <= leg.days.get() * 2.0
    };
    let refuse = |reason, count, of| Refusal { leg: number, reason, count, of };
    let nearest = |wanted: &dyn Fn(&&ChainExpiry) -> bool| {
        chain.expiries().iter().filter(fits).filter(wanted).min_by(|one, other| {
            let away = |expiry: &ChainExpiry| (days(expiry) - leg.days.get()).abs();
            away(one).total_cmp(&away(other))
        })
    };
    // A catalogue also has what is listed only later, or no longer.
    let is_fresh = |option: &QuotedOption| option.quoted != Timestamp::MIN && now.since(option.quoted) <= QUOTE_AGE_MAX;
    let is_listed = |expiry: &&ChainExpiry| expiry.options().iter().any(is_fresh);
    let expiry = nearest(&is_listed).or_else(|| nearest(&|_| true)).ok_or(refuse(NoLeg::Expiry, 0, 0))?;
    let (mut counts, mut of, mut nearest) = ([0_u32; NoLeg::ALL.len()], 0, None::<Nearest<'a>>);
    for option in expiry.options().iter().filter(|option| option.right == leg.right) {
        of += 1;
        // What calls and puts contradict is no forward of any of them.
        let told = option.quote.underlying().filter(|_| !expiry.is_refused());
        match distance(structure, leg, option, (told.or(expiry.forward()), chain.is_in_coin()), lot, now) {
            Ok(distance) if nearest.as_ref().is_none_or(|best| distance < best.distance) => {
                nearest = Some(Nearest { distance, option });
            }
            Ok(_) => {}
            Err(reason) => counts[reason as usize] += 1,
        }
    }
    if let Some(nearest) = nearest {
        return Ok((expiry, nearest.option));
    }
    let most = NoLeg::ALL.into_iter().rev().max_by_key(|reason| counts[*reason as usize]);
    let most = most.filter(|_| of > 0).unwrap_or(NoLeg::Expiry);
    Err(refuse(most, counts[most as usize], of))
}

/// How far an option is from what a leg wants.
fn distance(
    structure: &Structure,
    leg: &StructureLeg,
    option: &QuotedOption,
    (forward, in_coin): (Option<Price>, bool),
    lot: Qty,
    now: Timestamp,
) -> Result<f64, NoLeg> {
    let quote = &option.quote;
    if option.quoted == Timestamp::MIN || now.since(option.quoted) > QUOTE_AGE_MAX {
        return Err(NoLeg::Quote);
    }
    let (bid, ask) = match (quote.bid(), quote.ask()) {
        (None, None) => return Err(NoLeg::Quote),
        (None, _) => return Err(NoLeg::Bid),
        (_, None) => return Err(NoLeg::Ask),
        (Some(bid), Some(ask)) => (bid.approximate(), ask.approximate()),
    };
    if quote.is_crossed() {
        return Err(NoLeg::Crossed);
    }
    let middle = (bid + ask) * 0.5;
    if structure.max_spread.is_some_and(|most| ask - bid > most.get() * middle) {
        return Err(NoLeg::Spread);
    }
    if structure.min_open_interest.is_some_and(|least| quote.open_interest().is_none_or(|open| open < least)) {
        return Err(NoLeg::OpenInterest);
    }
    let step = i128::from(leg.ratio.raw()) * i128::from(lot.raw());
    if step % (i128::from(option.lot.raw()) * i128::from(Qty::ONE)) != 0 {
        return Err(NoLeg::Lot);
    }
    let forward = forward.filter(|forward| forward.raw() > 0).ok_or(NoLeg::Volatility)?.approximate();
    let strike = option.strike.approximate();
    let (away, most) = match leg.strike {
        LegStrike::Moneyness(multiple) => (strike / forward - multiple.get(), 0.5 * multiple.get()),
        LegStrike::Delta(wanted) => {
            // What is paid in coin is worth the forward times as much.
            let unit = if in_coin { forward } else { 1.0 };
            let delta = forward_delta(option.right, forward, strike, middle * unit).ok_or(NoLeg::Volatility)?;
            (delta.abs() - wanted.get(), 0.5 * wanted.get().min(1.0 - wanted.get()))
        }
    };
    if away.abs() <= most { Ok(away.abs()) } else { Err(NoLeg::Near) }
}

/// The unadjusted forward delta at the volatility of a price, in the currency of the strike.
fn forward_delta(right: OptionRight, forward: f64, strike: f64, price: f64) -> Option<f64> {
    let exercise = ((forward - strike) * right.sign()).max(0.0);
    let moneyness = ln(forward / strike);
    let deviation = total_deviation(moneyness, (price - exercise) / (forward * strike).sqrt())?;
    let call = normal_distribution(moneyness / deviation + deviation * 0.5);
    let delta = if right == OptionRight::Call { call } else { call - 1.0 };
    delta.is_finite().then_some(delta)
}

/// No campaign opens in a structure that has no options now.
#[derive(Debug, Clone)]
pub struct StructureRule {
    /// The structure.
    pub structure: Structure,
}

impl Rule for StructureRule {
    fn name(&self) -> &'static str {
        "structure"
    }

    fn reads(&self) -> &[FactId] {
        const READS: &[FactId] = &[facts::NO_LEGS.id(), facts::POSITION.id(), facts::SIGNAL.id()];
        READS
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = facts.get(facts::POSITION).unwrap_or(Qty::ZERO);
        // Before the first choice there is no price, so that a signal may not be known and nothing is proposed.
        let wanted = !proposed.qty.is_zero() || facts.get(facts::SIGNAL).is_none_or(|signal| signal.get() != 0.0);
        let Some(code) = facts.get(facts::NO_LEGS).filter(|_| held.is_zero() && wanted) else {
            return Verdict::keep(proposed);
        };
        let (sentence, numbers) = Refusal::of_code(code).sentence(&self.structure);
        because.set_add(None);
        because.say(sentence, numbers);
        Verdict::refuse(Target::default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]
    use super::*;
    use crate::listed::{NOW, days, option};
    use market::{Catalogue, OptionQuote};
    use policy::Reason;
    use policy::spec::{Roll, Sticky};
    use risk::chain::Chains;
    use units::Ratio;

    fn qty(text: &str) -> Qty {
        text.parse().unwrap()
    }

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn ratio(value: f64) -> Ratio {
        Ratio::new(value).unwrap()
    }

    pub(super) fn leg(right: OptionRight, delta: f64, days: f64, size: &str) -> StructureLeg {
        StructureLeg { right, strike: LegStrike::Delta(ratio(delta)), days: ratio(days), ratio: qty(size) }
    }

    fn structure(legs: Vec<StructureLeg>) -> Structure {
        Structure {
            chain: String::new(),
            legs,
            max_spread: None,
            min_open_interest: None,
            roll: Roll::Never,
            sticky: Sticky::default(),
        }
    }

    /// Published in Hull, Options, Futures and Other Derivatives: a call on a forward at 0.6 when delta is N(d1) = 0.5987; here by
    /// the textbook's numbers d1 = 0.25, so forward = strike × e^(0.25·s − s²/2) at s = 0.2.
    #[test]
    fn a_delta_is_that_of_the_law_at_the_prices_own_volatility() {
        let (s, strike): (f64, f64) = (0.2, 100.0);
        // N(0.25) and N(0.05), from tables.
        let (n1, n2) = (0.598_706_325_682_923_7, 0.519_938_805_838_372_5);
        let forward = strike * pricing::options::functions::exp(0.25 * s - 0.5 * s * s);
        let call = forward * n1 - strike * n2;
        let delta = forward_delta(OptionRight::Call, forward, strike, call).unwrap();
        assert!((delta - n1).abs() < 1e-12, "{delta}");
        let put = call - forward + strike;
        let delta = forward_delta(OptionRight::Put, forward, strike, put).unwrap();
        assert!((delta - (n1 - 1.0)).abs() < 1e-12, "{delta}");
        assert_eq!(forward_delta(OptionRight::Call, 100.0, 50.0, 49.0), None, "less than exercise gives");
    }

    /// A chain at a flat volatility: strikes 60,000 to 150,000 by 5,000 in two expiries, forward 100,000.
    fn catalogue() -> Catalogue {
        let mut instruments = Vec::new();
        for expiry in [days(30), days(58)] {
            for strike in (12..=30).map(|step| format!("{}", step * 5_000)) {
                for right in [OptionRight::Call, OptionRight::Put] {
                    instruments.push(option(expiry, &strike, right));
                }
            }
        }
        Catalogue { instruments, series: Vec::new() }
    }

    fn chains(tamper: impl Fn(usize, OptionQuote) -> OptionQuote) -> Chains {
        let catalogue = catalogue();
        let mut chains = Chains::new(&catalogue);
        for (index, of) in catalogue.instruments.iter().enumerate() {
            let (strike, right) = of.kind.option().unwrap();
            let years = of.kind.expiry().unwrap().since(NOW).days() / 365.0;
            let (forward, strike) = (100_000.0, strike.approximate());
            let s = 0.6 * years.sqrt();
            let d1 = ln(forward / strike) / s + s / 2.0;
            let sign = right.sign();
            let value =
                sign * (forward * normal_distribution(sign * d1) - strike * normal_distribution(sign * (d1 - s)));
            let at = |tick: i64| {
                Price::from_estimate(value / forward, units::Round::Nearest).unwrap() + Price::from_raw(tick)
            };
            let quote = OptionQuote::empty(InstrumentId(index as u32))
                .with_bid(at(-10_000), qty("5"))
                .with_ask(at(10_000), qty("5"))
                .with_underlying(price("100000"))
                .with_open_interest(qty("10"));
            chains.quote(&tamper(index, quote), NOW);
        }
        chains
    }

    fn strikes(chains: &Chains, choice: &Choice) -> Vec<(String, f64)> {
        let of = |instrument| {
            let option = chains.option(instrument).unwrap();
            (option.strike.to_string(), chains.expiry(instrument).unwrap().0.since(NOW).days())
        };
        choice.legs.iter().map(|(instrument, _)| of(*instrument)).collect()
    }

    /// At 60 % for 30 days s is 0.172: a call of delta 0.25 has d1 = −0.6745 and its strike at 100,000 × e^(0.6745 s + s²/2), 113,991;
    /// a put of the same delta 100,000 × e^(−0.6745 s + s²/2), 90,363.
    #[test]
    fn the_nearest_strike_to_a_delta_is_chosen_in_the_nearest_expiry() {
        let chains = chains(|_, quote| quote);
        let chain = &chains.chains()[0];
        let strangle = structure(vec![leg(OptionRight::Call, 0.25, 33.0, "1"), leg(OptionRight::Put, 0.25, 33.0, "1")]);
        let choice = choose(&strangle, chain, qty("0.1"), NOW, None).unwrap();
        assert_eq!(strikes(&chains, &choice), [("115000".to_owned(), 30.0), ("90000".to_owned(), 30.0)]);
        let value = |at: usize| chains.option(choice.legs[at].0).unwrap().value.unwrap();
        assert_eq!((choice.price, choice.forward), (value(0) + value(1), price("100000")));
        // A calendar: the far option bought, the near one sold. In 58 days s is 0.239: a call at 100,000 has a delta of 0.548, one at
        // 105,000 of 0.466, which is nearer.
        let calendar = structure(vec![leg(OptionRight::Call, 0.5, 55.0, "1"), leg(OptionRight::Call, 0.5, 30.0, "-1")]);
        let choice = choose(&calendar, chain, qty("0.1"), NOW, None).unwrap();
        assert_eq!(strikes(&chains, &choice), [("105000".to_owned(), 58.0), ("100000".to_owned(), 30.0)]);
        let later = choose(&calendar, chain, qty("0.1"), NOW, Some(days(30))).unwrap_err();
        assert_eq!((later.leg, later.reason), (1, NoLeg::Later));
        let strikes_at =
            StructureLeg { strike: LegStrike::Moneyness(ratio(1.2)), ..leg(OptionRight::Call, 0.5, 30.0, "2") };
        let choice = choose(&structure(vec![strikes_at]), chain, qty("0.1"), NOW, None).unwrap();
        assert_eq!(strikes(&chains, &choice), [("120000".to_owned(), 30.0)]);
    }

    #[test]
    fn no_choice_says_why_with_counts() {
        let call = |days: f64| structure(vec![leg(OptionRight::Call, 0.25, days, "1")]);
        let said = |chains: &Chains, structure: &Structure| {
            let refusal = choose(structure, &chains.chains()[0], qty("0.1"), NOW, None).unwrap_err();
            assert_eq!(Refusal::of_code(refusal.code()), refusal);
            let (template, args) = refusal.sentence(structure);
            Reason { template, args }.to_string()
        };
        let all = chains(|_, quote| quote);
        assert_eq!(said(&all, &call(10.0)), "no expiry near 10.00 days: none between half and twice that");
        let wide = Structure { max_spread: Some(ratio(0.001)), ..call(30.0) };
        // Only up to a strike of 80,000 is a call worth the 0.2 of which the spread of 0.0002 is a thousandth: five of nineteen.
        assert_eq!(said(&all, &wide), "no call near delta 0.25 at 30.00 days: 14 of 19 have bid and ask too far apart");
        let thin = Structure { min_open_interest: Some(qty("10.1")), ..call(30.0) };
        assert_eq!(said(&all, &thin), "no call near delta 0.25 at 30.00 days: 19 of 19 have too little open interest");
        // The same with a tenth less passes.
        let enough = Structure { min_open_interest: Some(qty("10")), ..call(30.0) };
        choose(&enough, &all.chains()[0], qty("0.1"), NOW, None).unwrap();
        let no_bids = chains(|_, quote| quote.with_bid(None, None));
        assert_eq!(said(&no_bids, &call(30.0)), "no call near delta 0.25 at 30.00 days: 19 of 19 have no bid");
        let unknown = chains(|_, quote| quote.with_underlying(None));
        assert_eq!(said(&unknown, &call(30.0)), "no call near delta 0.25 at 30.00 days: 19 of 19 have no volatility");
        let other = structure(vec![leg(OptionRight::Put, 0.25, 30.0, "0.55")]);
        assert_eq!(said(&all, &other), "no put near delta 0.25 at 30.00 days: 19 of 19 have another quantity grid");
        let nothing = structure(vec![leg(OptionRight::Call, 0.25, 30.0, "1"), leg(OptionRight::Put, 0.5, 30.0, "-1")]);
        assert_eq!(said(&all, &nothing), "the legs together cost nothing or less");
        let twice = structure(vec![leg(OptionRight::Call, 0.5, 55.0, "1"), leg(OptionRight::Call, 0.48, 50.0, "-1")]);
        assert_eq!(said(&all, &twice), "the call nearest to delta 0.48 at 50.00 days is another leg's");
        let stale = choose(
            &call(30.0),
            &all.chains()[0],
            qty("0.1"),
            NOW + Duration::from_nanos(2 * Duration::HOUR.nanos()),
            None,
        );
        assert_eq!(stale.unwrap_err().reason, NoLeg::Quote);
    }

    /// The tapes of a run name options that are listed only later: an expiry without a quote is passed over, and told of only where there
    /// is no other.
    #[test]
    fn an_expiry_that_is_not_listed_yet_is_no_choice() {
        let (all, mut later) = (chains(|_, quote| quote), Chains::new(&catalogue()));
        for option in all.chains()[0].expiries()[1].options() {
            later.quote(&option.quote, NOW);
        }
        let call = || structure(vec![leg(OptionRight::Call, 0.25, 35.0, "1")]);
        let choice = choose(&call(), &later.chains()[0], qty("0.1"), NOW, None).unwrap();
        assert_eq!(strikes(&later, &choice)[0].1, 58.0);
        let none = Chains::new(&catalogue());
        assert_eq!(choose(&call(), &none.chains()[0], qty("0.1"), NOW, None).unwrap_err().reason, NoLeg::Quote);
    }
}
