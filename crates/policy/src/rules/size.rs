//! How large the full position is.

use super::number::{Number, reads_with, tell_unknown};
use super::signal::is_flat;
use super::{collateral, contract, exposure_price, position, same_side};
use crate::Region;
use crate::facts::{self, FactId, Facts, VolatilityOrigin};
use crate::rule::{Arg, Because, Rule, Step, Target, Verdict};
use crate::spec::{Resize, SizeKind, TargetGreek};
use units::{Cash, Contract, Price, Qty, Ratio, Round, SeriesId, Timestamp};

/// Scales the signal's proposal to the full size of all units, or holds the base frozen at entry.
pub(crate) struct SizeRule {
    sizing: Sizing,
    reads: Vec<FactId>,
    terms: SizeTerms,
}

/// How large, with the numbers of the method.
pub(crate) enum Sizing {
    FixedNotional {
        notional: Cash,
    },
    FixedFraction {
        fraction: Number,
    },
    RiskPerTrade {
        risk: Number,
    },
    VolatilityTarget {
        target: Number,
        floor: f64,
        cap: Option<Number>,
        /// The sources of volatility as they are written.
        sources: Vec<String>,
    },
    GreekTarget {
        greek: TargetGreek,
        level: f64,
        band: f64,
    },
}

/// What a size depends on beside its method.
pub(crate) struct SizeTerms {
    pub(crate) resize: Resize,
    /// Stops and units are measured in N: no campaign opens before it is known.
    pub(crate) needs_unit: bool,
    /// Distance of the initial stop in N, and the first unit's share of the base, for risk per trade.
    pub(crate) stop_units: f64,
    pub(crate) first_share: f64,
}

impl Sizing {
    /// `None`: a series is missing.
    pub(crate) fn compile(kind: &SizeKind, series: &dyn Fn(&str) -> Option<SeriesId>) -> Option<Self> {
        Some(match kind {
            SizeKind::FixedNotional { notional } => Self::FixedNotional { notional: *notional },
            SizeKind::FixedFraction { fraction } => {
                Self::FixedFraction { fraction: Number::compile(fraction, series)? }
            }
            SizeKind::RiskPerTrade { risk } => Self::RiskPerTrade { risk: Number::compile(risk, series)? },
            SizeKind::VolatilityTarget { target, volatility_floor, exposure_cap, sources, .. } => {
                Self::VolatilityTarget {
                    sources: sources.iter().map(crate::print::volatility).collect(),
                    target: Number::compile(target, series)?,
                    floor: volatility_floor.map_or(0.0, units::Vol::get),
                    cap: match exposure_cap {
                        Some(cap) => Some(Number::compile(cap, series)?),
                        None => None,
                    },
                }
            }
            SizeKind::GreekTarget { greek, level, band, .. } => {
                Self::GreekTarget { greek: *greek, level: level.get(), band: band.get() }
            }
        })
    }

    fn numbers(&self) -> Vec<&Number> {
        match self {
            Self::FixedNotional { .. } | Self::GreekTarget { .. } => Vec::new(),
            Self::FixedFraction { fraction: of } | Self::RiskPerTrade { risk: of } => vec![of],
            Self::VolatilityTarget { target, cap, .. } => [target].into_iter().chain(cap).collect(),
        }
    }

    /// What is not known though the policy says how to reckon it.
    fn unknown(&self, facts: &Facts) -> Option<&'static str> {
        let named = match self {
            Self::FixedNotional { .. } => return None,
            Self::GreekTarget { .. } => {
                return Some("no entry: the Greeks of the structure, or of what is held beside it, are not known now");
            }
            Self::FixedFraction { fraction } => [Some((fraction, "no entry: `size.fraction` is not known now")), None],
            Self::RiskPerTrade { risk } => [Some((risk, "no entry: `size.risk` is not known now")), None],
            Self::VolatilityTarget { target, cap, .. } => [
                Some((target, "no entry: `size.target` is not known now")),
                cap.as_ref().map(|cap| (cap, "no entry: `size.exposure_cap` is not known now")),
            ],
        };
        named.into_iter().flatten().find(|(number, _)| number.get(facts).is_none()).map(|(_, sentence)| sentence)
    }
}

impl SizeRule {
    pub(crate) fn new(sizing: Sizing, terms: SizeTerms) -> Self {
        let mut reads = reads_with(READS, &sizing.numbers());
        if let Sizing::GreekTarget { .. } = sizing {
            reads.extend([facts::GREEK_BESIDE.id(), facts::GREEK_EACH.id()]);
        }
        Self { sizing, reads, terms }
    }
}

const READS: &[FactId] = &[
    facts::VOLATILITY.id(),
    facts::VOLATILITY_SOURCE.id(),
    facts::VOLATILITY_SINCE.id(),
    facts::SIGNAL.id(),
    facts::UNIT.id(),
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::POSITION.id(),
    facts::BASE.id(),
    facts::ENTERING.id(),
    facts::CONTRACT.id(),
    facts::EXPOSURE_PRICE.id(),
    facts::SHARE.id(),
    facts::COLLATERAL.id(),
    facts::COLLATERAL_SHARE.id(),
    facts::COIN.id(),
];

impl Rule for SizeRule {
    fn name(&self) -> &'static str {
        match self.sizing {
            Sizing::FixedNotional { .. } => "fixed_notional",
            Sizing::FixedFraction { .. } => "fixed_fraction",
            Sizing::RiskPerTrade { .. } => "risk_per_trade",
            Sizing::VolatilityTarget { .. } => "vol_target",
            Sizing::GreekTarget { .. } => "greek_target",
        }
    }

    fn reads(&self) -> &[FactId] {
        &self.reads
    }

    fn evaluate(&self, facts: &Facts, proposed: Target, because: &mut Because) -> Verdict {
        let held = position(facts);
        if is_flat(&proposed) || because.holds() {
            return Verdict::keep(proposed);
        }
        if let Some(base) = facts.get(facts::BASE).filter(|_| !held.is_zero() && self.terms.resize == Resize::Entry) {
            let shown = facts.get(facts::LOT).map_or(base, |lot| base.to_lot(lot, Round::TowardZero));
            let numbers = [Arg::Qty(held), Arg::Qty(shown)];
            let Some(whole) = facts.get(facts::ENTERING) else {
                because.say("holds {}, base {} frozen at entry", numbers);
                return Verdict::set(Target { base, qty: held });
            };
            because.say("holds {} on the way to {}", [Arg::Qty(held), Arg::Qty(whole)]);
            return Verdict::set(Target { base, qty: whole });
        }
        let unknown_unit = self.terms.needs_unit && facts.get(facts::UNIT).is_none();
        // The whole equity where nothing else is said.
        let share = facts.get(facts::SHARE);
        let sized = match share {
            _ if unknown_unit => None,
            None => self.full_size::<false>(facts, proposed.base, 1.0, because),
            Some(share) => self.shared_size(facts, proposed.base, share, because),
        };
        match sized {
            Some(base) => Verdict::set(Target { base, qty: base }),
            None if held.is_zero() => {
                let sentence = match unknown_unit {
                    true => UNIT_UNKNOWN,
                    false => self.sizing.unknown(facts).unwrap_or(INPUT_UNKNOWN),
                };
                because.say(sentence, []);
                // What was begun when it was known is not given up.
                because.not_known();
                Verdict::refuse(Target::default())
            }
            None => {
                because.say("holds {}: what sizes it is not known now", [Arg::Qty(held)]);
                because.hold();
                let base = facts.get(facts::BASE).unwrap_or(held);
                Verdict::set(Target { base, qty: held })
            }
        }
    }

    /// Which fact it is reckoned from is not known; which source the volatility is of.
    fn detail(&self, facts: &Facts, step: &Step, out: &mut String) {
        let sentence = step.reason.template;
        if sentence.contains("not known") {
            tell_unknown(&self.sizing.numbers(), facts, out);
        } else if let (true, Sizing::VolatilityTarget { sources, .. }) = (sentence.contains(" source "), &self.sizing)
            && let Some((VolatilityOrigin { source, .. }, _)) = self.fallback(facts)
            && let Some(name) = sources.get(source as usize)
        {
            *out += &format!("source {} is {name}", source + 1);
        }
    }

    fn quiet(&self, facts: &Facts, proposed: Target, because: &Because, region: &mut Region) -> bool {
        region.rest();
        if is_flat(&proposed) || because.holds() {
            region.free(&self.reads);
            return true;
        }
        let is_frozen =
            !position(facts).is_zero() && self.terms.resize == Resize::Entry && facts.get(facts::BASE).is_some();
        if is_frozen {
            // Its numbers are those of the entry.
            for number in self.sizing.numbers() {
                number.reads().iter().filter(|fact| !READS.contains(fact)).for_each(|fact| region.free(&[*fact]));
            }
            region.free(READS_FOR_SIZE);
            region.settle();
        }
        is_frozen
    }
}

/// What only the size of an entry depends on.
const READS_FOR_SIZE: &[FactId] = &[
    facts::VOLATILITY.id(),
    facts::VOLATILITY_SOURCE.id(),
    facts::VOLATILITY_SINCE.id(),
    facts::SIGNAL.id(),
    facts::UNIT.id(),
    facts::EQUITY.id(),
    facts::PRICE.id(),
    facts::SHARE.id(),
];

const UNIT_UNKNOWN: &str = "no entry: the volatility unit N is not known yet";
const INPUT_UNKNOWN: &str = "no entry: the volatility is not known or too old";

/// Of a realised volatility in the place of an implied one; it is never the first of its chain.
fn scaled_source(source: u32) -> &'static str {
    match source {
        0 | 1 => "target {} / volatility {}: realised of source 2 x {}, what implied was to it {} ago",
        2 => "target {} / volatility {}: realised of source 3 x {}, what implied was to it {} ago",
        _ => "target {} / volatility {}: realised of source 4 x {}, what implied was to it {} ago",
    }
}

impl SizeRule {
    /// Which source of a chain is used, and when it was last news.
    fn fallback(&self, facts: &Facts) -> Option<(VolatilityOrigin, Timestamp)> {
        facts.get(facts::VOLATILITY_SOURCE).zip(facts.get(facts::VOLATILITY_SINCE))
    }

    /// The same on a share of equity. Apart, so that a strategy with the whole pays nothing for it.
    #[inline(never)]
    fn shared_size(&self, facts: &Facts, proposed: Qty, share: Ratio, because: &mut Because) -> Option<Qty> {
        self.full_size::<true>(facts, proposed, share.get(), because)
    }

    /// The full size for a proposal of strength × what equity buys, on a share of it.
    fn full_size<const SHARED: bool>(
        &self,
        facts: &Facts,
        proposed: Qty,
        share: f64,
        because: &mut Because,
    ) -> Option<Qty> {
        let share = SHARED.then_some(share);
        let of_equity = |multiple: f64| share.map_or(multiple, |share| multiple * share);
        match &self.sizing {
            Sizing::FixedNotional { notional } => {
                because.say("{} of notional", [Arg::Cash(*notional)]);
                // From the amount itself, not as a share of equity: the same lots that a hand computes.
                let strength = facts.get(facts::SIGNAL)?.get().abs();
                // An inverse contract counts the quote currency that the amount is in.
                let each = match contract(facts) {
                    Contract::Linear => exposure_price(facts, facts.get(facts::PRICE)?),
                    Contract::Inverse => Price::from_raw(Price::ONE),
                };
                let whole = notional.notional().qty_at(each, Round::TowardZero)?;
                let qty = whole.scaled(strength, Round::TowardZero)?;
                Some(if proposed.signum() < 0 { -qty } else { qty })
            }
            Sizing::FixedFraction { fraction } => {
                let fraction = fraction.get(facts)?;
                match share {
                    None => because.say("{} x equity", [Arg::Number(fraction)]),
                    Some(share) => {
                        because.say("{} x {} of equity", [Arg::Number(fraction), Arg::Percent(share)]);
                    }
                }
                proposed.scaled(of_equity(fraction), Round::TowardZero)
            }
            Sizing::VolatilityTarget { target, floor, cap, .. } => {
                let vol = facts.get(facts::VOLATILITY)?.get();
                let target = target.get(facts)?;
                let floored = vol.max(*floor);
                let exposure = target / floored;
                let most = if let Some(cap) = cap { cap.get(facts)? } else { f64::INFINITY };
                let capped = exposure.min(most);
                if let Some(share) = share {
                    let sentence = match (capped < exposure, floored > vol) {
                        (true, _) => "target {} / volatility {}, at most {} x {} of equity",
                        (_, true) => "target {} / volatility floor {}: {} x {} of equity",
                        _ => "target {} / volatility {}: {} x {} of equity",
                    };
                    let [target, used, of] = [target, floored, share].map(Arg::Percent);
                    because.say(sentence, [target, used, Arg::Number(capped), of]);
                } else if capped < exposure {
                    let numbers = [Arg::Percent(target), Arg::Percent(floored), Arg::Number(capped)];
                    because.say("target {} / volatility {}, at most {} x equity", numbers);
                } else if floored > vol {
                    let numbers = [Arg::Percent(target), Arg::Percent(floored), Arg::Percent(vol)];
                    because.say("target {} / volatility floor {} (now {})", numbers);
                } else if let Some((VolatilityOrigin { source, ratio }, since)) = self.fallback(facts) {
                    let age = Arg::Duration(facts.now().since(since));
                    let [target, used] = [target, vol].map(Arg::Percent);
                    if let Some(ratio) = ratio {
                        because.say(scaled_source(source), [target, used, Arg::Number(ratio.get()), age]);
                    } else {
                        let numbers = [target, used, Arg::Count(source + 1), age];
                        because.say("target {} / volatility {} of source {}, {} old", numbers);
                    }
                } else {
                    because.say("target {} / volatility {}", [Arg::Percent(target), Arg::Percent(vol)]);
                }
                let total = proposed.scaled(of_equity(capped), Round::TowardZero)?;
                Some(if collateral::coins(facts).is_none() { total } else { beside_collateral(facts, total, because) })
            }
            Sizing::GreekTarget { greek, level, band } => {
                let (beside, each) = (facts.get(facts::GREEK_BESIDE)?.get(), facts.get(facts::GREEK_EACH)?.get());
                greek_target((*greek, *level, *band), beside, each, (position(facts), proposed), because)
            }
            Sizing::RiskPerTrade { risk } => {
                let risk = risk.get(facts)?;
                let (unit, price) = (facts.get(facts::UNIT)?, facts.get(facts::PRICE)?);
                let distance = self.terms.stop_units * unit.approximate();
                // What a quantity loses on the way to its stop, over what it is exposed to now, is distance ÷ exposure in a linear
                // contract. In an inverse one it is |1/stop − 1/price| × price, which is distance ÷ stop.
                let over = match contract(facts) {
                    Contract::Linear => exposure_price(facts, price).approximate(),
                    Contract::Inverse => price.approximate() - distance * f64::from(proposed.signum() as i32),
                };
                let fraction = risk * over.max(0.0) / distance / self.terms.first_share;
                let (risk, stop, unit) = (Arg::Percent(risk), Arg::Number(self.terms.stop_units), Arg::Price(unit));
                match share {
                    None => because.say("risks {} of equity over {} N of {}", [risk, stop, unit]),
                    Some(share) => {
                        because
                            .say("risks {} of {} of equity over {} N of {}", [risk, Arg::Percent(share), stop, unit]);
                    }
                }
                proposed.scaled(of_equity(fraction), Round::TowardZero)
            }
        }
    }
}

/// How much of a structure brings a Greek to its level, of what is held `beside` it and of one unit of it: what is held stays while the
/// whole is within the band. Only the side that the signal takes is traded, and what cannot help from there is not held.
fn greek_target(
    (greek, level, band): (TargetGreek, f64, f64),
    beside: f64,
    each: f64,
    (held, proposed): (Qty, Qty),
    because: &mut Because,
) -> Option<Qty> {
    let now = beside + each * held.approximate();
    // Gamma of a coin is small: as many decimals as a quantity has.
    let shown = |number: f64| match greek {
        TargetGreek::Gamma => Qty::from_estimate(number, Round::Nearest).map_or(Arg::Number(number), Arg::Qty),
        TargetGreek::Vega => Arg::Number(number),
    };
    let numbers = [now, level, band].map(shown);
    if (now - level).abs() <= band {
        let sentence = match greek {
            TargetGreek::Gamma => "gamma {} is no further than its band from {}: {}",
            TargetGreek::Vega => "vega {} is no further than its band from {}: {}",
        };
        because.say(sentence, numbers);
        return Some(held);
    }
    if each == 0.0 {
        return None;
    }
    let sentence = match greek {
        TargetGreek::Gamma => "gamma {} against {}: {} beside it, {} for each",
        TargetGreek::Vega => "vega {} against {}: {} beside it, {} for each",
    };
    because.say(sentence, [now, level, beside, each].map(shown));
    let whole = Qty::from_estimate((level - beside) / each, Round::TowardZero)?;
    Some(if same_side(whole, proposed) { whole } else { Qty::ZERO })
}

/// What is left to hold of a total that coins in the account are a part of already. It never goes to the other side of the
/// signal: a strategy that is not asked to hedge the coins leaves them.
#[cold]
fn beside_collateral(facts: &Facts, total: Qty, because: &mut Because) -> Qty {
    let counted = collateral::counted(facts);
    let rest = total - counted;
    because.go_on(total);
    let coins =
        Arg::Coins(facts.get(facts::COLLATERAL).unwrap_or_default(), facts.get(facts::COIN).unwrap_or_default());
    let numbers = [coins, Arg::Qty(counted), Arg::Qty(total), Arg::Qty(rest)];
    if !same_side(rest, total) {
        let [coins, counted, total, _] = numbers;
        because.say(
            "holds {} as collateral: {} counts already and the target is {}: nothing is traded",
            [coins, counted, total],
        );
        return Qty::ZERO;
    }
    if same_side(counted, total) {
        because.say("holds {} as collateral: {} counts already, of the target {} are {} left to trade", numbers);
    } else {
        because.say("holds {} as collateral: {} is on the other side, so the target {} takes {}", numbers);
    }
    rest
}
