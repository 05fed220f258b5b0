//! Options that a hedge may buy: what one of them stands for and costs now, or why none can be had.
//!
//! They are a structure of one leg, so that a desk chooses, trades and settles them; what differs is that their delta moves. It is told
//! anew with every input of the market that a member of the hedge is decided on, by the smile of their expiry and the forward of now.

use crate::desk::offered;
use crate::engine::Engine;
use crate::structure::QUOTE_AGE_MAX;
use crate::surfaces::OptionUnit;
use policy::facts;
use policy::spec::ExpectedVolatility;
use risk::hedging::{Instrument, Kind, Refused, option_carry};
use units::state::{Corrupt, StateReader, StateWriter};
use units::{OptionRight, Qty, Ratio, Side, Timestamp};

/// Of the premium, the most that an option's fee is.
pub(super) const FEE_CAP: f64 = 0.125;
/// Of the fee of a trade, what the venue charges for delivery.
const DELIVERY: f64 = 0.5;
/// Days of a year, of times to expiry.
const YEAR: f64 = 365.0;

/// Why no option can be had for a hedge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum No {
    /// None is quoted near what is wanted, or no surface tells its delta.
    Chosen,
    /// It is being traded already.
    Busy,
    /// It was not quoted in the last hour.
    Old,
    /// Nobody quotes the side that is needed.
    Quote,
    /// What volatility is expected is not known.
    Expected,
    /// It would have to be sold, and none is held.
    Short,
    /// The venue refused it, or a cap did not bear it, less than a day ago.
    Refused,
}

/// The options that one way of a hedge buys.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) desk: usize,
    pub(super) right: OptionRight,
    expected: ExpectedVolatility,
    /// Fee of a fill, as a share of the underlying.
    fee: f64,
    /// Delta and gamma of one, as they were told last. `None`: not known.
    pub(super) unit: Option<(f64, f64)>,
}

impl Options {
    pub(super) fn new(engine: &Engine, scope: usize, expected: ExpectedVolatility, fee: f64) -> Option<Box<Self>> {
        let desk = engine.scopes[scope].desk? as usize;
        let right = engine.structures.desks[desk].terms.legs.first()?.right;
        Some(Box::new(Self { desk, right, expected, fee, unit: None }))
    }

    /// Looks up what one is now.
    pub(super) fn refresh(&mut self, engine: &Engine) {
        self.unit = engine.option_unit(self.desk).map(|unit| (unit.delta, unit.gamma));
    }

    /// How many are held, orders counted whose side is quoted: what nobody can fill is somebody else's to do.
    pub(super) fn held(&self, engine: &Engine) -> Qty {
        let desk = &engine.structures.desks[self.desk];
        let scope = &engine.scopes[desk.scope as usize];
        let (on_the_way, held) = (scope.working.on_the_way(), scope.position);
        let is_quoted = || {
            let mut lines = desk.lines.iter().filter(|line| !line.ratio.is_zero() && line.settled.is_none());
            lines.all(|line| !line.blocked && offered(&engine.structures.chains, line.instrument, on_the_way).is_some())
        };
        if on_the_way.is_zero() || !is_quoted() { held } else { held + on_the_way }
    }

    /// What bringing back so many coins costs in them.
    pub(super) fn instrument(
        &self,
        engine: &Engine,
        (need, reference): (f64, f64),
        refused: impl Fn(Timestamp) -> bool,
        times: [Timestamp; 2],
    ) -> Result<Instrument, No> {
        let desk = &engine.structures.desks[self.desk];
        let scope = &engine.scopes[desk.scope as usize];
        let chains = &engine.structures.chains;
        let OptionUnit { option, delta, gamma, vol, forward, expiry } =
            engine.option_unit(self.desk).ok_or(No::Chosen)?;
        let side = if need * delta > 0.0 { Side::Buy } else { Side::Sell };
        let held = scope.position;
        if desk.is_busy() || desk.is_unwinding() || !scope.working.is_empty() {
            return Err(No::Busy);
        }
        if side == Side::Sell && held.is_zero() {
            return Err(No::Short);
        }
        if side == Side::Buy && refused(times[0]) {
            return Err(No::Refused);
        }
        let quoted = chains.option(option).ok_or(No::Chosen)?;
        if quoted.quoted == Timestamp::MIN || engine.now.since(quoted.quoted) > QUOTE_AGE_MAX {
            return Err(No::Old);
        }
        let quote = &quoted.quote;
        let (price, size) = match side {
            Side::Buy => (quote.ask(), quote.ask_qty()),
            Side::Sell => (quote.bid(), quote.bid_qty()),
        };
        let (price, value) = price.zip(quoted.value).ok_or(No::Quote)?;
        let expected = self.expected.get(&scope.facts).filter(|vol| *vol > 0.0).ok_or(No::Expected)?;
        // What is paid in coin is worth the coin's price times as much.
        let base = engine.catalogue.instruments[desk.instrument.index()].base;
        let worth = if chains.is_in_coin(desk.chain, base) { reference } else { 1.0 };
        let (price, value) = (price.approximate() * worth, value.approximate() * worth);
        let fee = (self.fee * reference).min(FEE_CAP * price);
        // Whatever size is not recorded stands there.
        let size = size.map_or(f64::INFINITY, Qty::approximate).max(0.0);
        let most = match side {
            Side::Buy => [size, 0.0],
            Side::Sell => [0.0, size.min(held.approximate().max(0.0))],
        };
        Ok(Instrument {
            kind: Kind::Option,
            delta,
            half_spread: (price - value).abs(),
            fee,
            carry: option_carry(gamma, forward, vol, expected),
            margin: price,
            expiry: Some(expiry.since(engine.now).days() / YEAR),
            delivery: (DELIVERY * self.fee * reference).min(FEE_CAP * price),
            lot: desk.lot.approximate(),
            most,
            held: held.approximate(),
            ..Instrument::default()
        })
    }

    /// Why it was not to be had, with so many numbers of why.
    pub(super) fn sentence(&self, why: Result<Refused, No>) -> (&'static str, [f64; 2]) {
        macro_rules! said {
            ($why:literal) => {
                match self.right {
                    OptionRight::Call => concat!("the call on {}: ", $why),
                    OptionRight::Put => concat!("the put on {}: ", $why),
                }
            };
        }
        let template = match why {
            Err(No::Chosen) => said!("none near what is wanted has a quote and a volatility"),
            Err(No::Busy) => said!("its order is on the way"),
            Err(No::Old) => said!("not quoted in the last hour"),
            Err(No::Quote) => said!("nobody quotes the side that is needed"),
            Err(No::Expected) => said!("what volatility to expect is not known"),
            Err(No::Short) => said!("it would have to be sold, and none is held"),
            Err(No::Refused) => said!("refused or limited less than a day ago"),
            Ok(Refused::NoDelta) => said!("it has next to no delta"),
            Ok(Refused::Ended) => said!("it has expired"),
            Ok(Refused::UnderLot { units }) => return (said!("{} are needed, less than half of a lot"), [units, 0.0]),
            Ok(Refused::TooMuch { units, most }) => return (said!("{} are needed, and {} can be had"), [units, most]),
        };
        (template, [0.0; 2])
    }

    /// The sentence of what it costs.
    pub(super) fn costs(&self) -> &'static str {
        match self.right {
            OptionRight::Call => "the call on {} costs {}: {} to trade, {} to the horizon",
            OptionRight::Put => "the put on {} costs {}: {} to trade, {} to the horizon",
        }
    }

    /// Tells the strategy of the options what one of them stands for, and the width of the band.
    pub(super) fn tell(&self, engine: &mut Engine, width: Option<Qty>) {
        let scope = engine.structures.desks[self.desk].scope as usize;
        let facts = &mut engine.scopes[scope].facts;
        facts.put(facts::HEDGE_UNIT, self.unit.and_then(|(delta, _)| Ratio::new(delta)));
        facts.put(facts::HEDGE_WIDTH, width);
    }

    pub(super) fn save(&self, out: &mut StateWriter) {
        out.option(self.unit, |out, (delta, gamma)| {
            out.f64(delta);
            out.f64(gamma);
        });
    }

    pub(super) fn load(&mut self, from: &mut StateReader<'_>) -> Result<(), Corrupt> {
        self.unit = from.option(|from| Ok((from.f64()?, from.f64()?)))?;
        Ok(())
    }
}
