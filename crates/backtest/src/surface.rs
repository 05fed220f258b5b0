//! The volatility surfaces of tapes at a moment, for people and programs to look at.

use crate::Error;
use engine::FittedChain;
use market::{Currency, Event, Instrument};
use pricing::options::{DeltaConvention, OptionKind};
pub use pricing::surface::PARITY_TOLERANCE;
use pricing::surface::{
    ExpiryReport, Forward, QUARTER_DELTA, Repair, Slice, SmilePoint, SmileQuotes, Surface, Svi, Tenor, Wings,
};
use risk::chain::{Chain, Chains, LastPrice};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tape::{Merged, Overlaps, TapeError, TapeReader};
use units::math::sqrt;
use units::show::{self, Style};
use units::{Duration, Price, Timestamp};

/// Tenors that the term structure is told at, in days.
pub const TENORS: [u32; 7] = [1, 7, 14, 30, 60, 90, 180];
/// The tenors, in days, that the slope of the term structure is told between.
pub const SLOPE: (u32, u32) = (7, 90);
/// Log-moneyness between points of the grid that arbitrage is looked for on.
const GRID_STEP: f64 = 0.01;
/// How far that grid reaches on either side.
const GRID_REACH: f64 = 3.0;

/// What tapes tell of surfaces.
#[derive(Debug, Clone)]
pub struct Found {
    /// The surfaces asked for, by venue and underlying.
    pub surfaces: Vec<SurfaceView>,
    /// Coins that the tapes list options on.
    pub underlyings: BTreeSet<String>,
    /// What has a price of its own (a bar's close, a mark, a trade) on the tapes until then, with the last one.
    pub prices: Vec<(Instrument, Timestamp, Price)>,
    /// The options that the tapes list.
    pub options: Vec<Instrument>,
    /// Where there is no surface: when the first quote comes that one could be made of.
    pub first: Option<Timestamp>,
}

/// The surface of one chain of options.
#[derive(Debug, Clone, Serialize)]
pub struct SurfaceView {
    /// Where they are listed.
    pub venue: String,
    /// What they are on.
    pub underlying: String,
    /// What they are paid and settled in.
    pub settle: String,
    /// The moment that was asked about; without one, the end of the tapes.
    #[serde(serialize_with = "as_text")]
    pub asked: Timestamp,
    /// The last quote of the chain until then: the moment of the surface.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// The latest price of the underlying, of a perpetual or spot, if the tapes have one from within the hour before.
    pub spot: Option<f64>,
    /// When it was told.
    #[serde(serialize_with = "as_texts")]
    pub spot_at: Option<Timestamp>,
    /// The symbol of what told it.
    #[serde(skip)]
    pub(crate) spot_of: Option<String>,
    /// By time.
    pub expiries: Vec<ExpiryView>,
    /// Volatility at the money and 25-delta skew at fixed tenors, as far as there is a surface.
    pub tenors: Vec<TenorView>,
    /// Whether the surface is free of arbitrage.
    pub arbitrage: Option<ArbitrageView>,
    /// Why there is no surface, if there is none.
    pub refusal: Option<String>,
    /// What changed since an earlier moment, if one was asked about.
    pub since: Option<SinceView>,
    #[serde(skip)]
    fitted: FittedChain,
}

/// One expiry.
#[derive(Debug, Clone, Serialize)]
pub struct ExpiryView {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub expiry: Timestamp,
    /// Until then.
    pub days: f64,
    /// The forward, and where it is from.
    pub forward: Option<ForwardView>,
    /// Options that were ever quoted.
    pub quoted: usize,
    /// In the smile.
    pub used: usize,
    /// The others, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// The fitted smile.
    pub smile: Option<SmileView>,
    /// Why there is none.
    pub refusal: Option<String>,
    /// What makes its numbers doubtful.
    pub warnings: Vec<String>,
}

/// A forward.
#[derive(Debug, Clone, Serialize)]
pub struct ForwardView {
    /// In dollars.
    pub price: f64,
    /// `recorded`, `future`, `parity` or `interpolated`.
    pub source: String,
    /// What was recorded, where calls and puts contradict it and it was not taken.
    pub refused: Option<f64>,
    /// How far it, or what was refused, lies over what put–call parity says, as a share.
    pub over_parity: Option<f64>,
    /// Whether that lies outside what bids and asks of calls and puts allow; none where those contradict each other.
    pub outside_parity: Option<bool>,
}

/// A fitted smile. Volatilities are annual shares.
#[derive(Debug, Clone, Serialize)]
pub struct SmileView {
    /// At the money.
    pub atm: f64,
    /// ∂σ/∂ln K at the money.
    pub skew: f64,
    /// 25-delta risk reversal: call less put.
    pub risk_reversal: Option<f64>,
    /// 25-delta butterfly.
    pub butterfly: Option<f64>,
    /// Fair volatility of a variance swap.
    pub variance_swap: f64,
    /// The same of the quoted strikes alone.
    pub variance_swap_quoted: f64,
    /// Share of the swap's variance from strikes beyond the quotes.
    pub variance_swap_beyond: f64,
    /// How far quotes reach. What lies beyond is extrapolated.
    pub reach: ReachView,
    /// Whether the forward lies beyond the quoted strikes.
    pub atm_extrapolated: bool,
    /// Whether the forward or a strike of the 25-delta wings does.
    pub wings_extrapolated: bool,
    /// Points that the smile was fitted to.
    pub points: usize,
    /// Of them, between bid and ask.
    pub inside: usize,
    /// Whether not one of them is: the smile says what nobody quotes.
    pub none_inside: bool,
    /// Median distance from the middle of bid and ask, in volatility.
    pub median_error: f64,
    /// The distance that nine tenths do not exceed.
    pub ninetieth_error: f64,
    /// The largest distance.
    pub largest_error: f64,
    /// What was done against arbitrage: `none`, `refitted`, `plain` or `neighbour`.
    pub repair: String,
    /// The hyperbola that the curve is drawn to where quotes say little.
    pub svi: SviView,
    /// Knots of the fitted curve: log-moneyness and total variance. Cubic between them, linear beyond.
    pub knots: Vec<(f64, f64)>,
    /// What it was fitted to, by strike.
    pub quotes: Vec<QuoteView>,
}

/// The lowest and the highest strike that a smile was fitted to.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ReachView {
    /// ln(lowest strike ÷ forward).
    pub from: f64,
    /// The same of the highest.
    pub to: f64,
    /// `from` in standard deviations to expiry at the money.
    pub from_deviations: f64,
    /// The same of `to`.
    pub to_deviations: f64,
    /// Forward delta of the put at the lowest strike, without its sign.
    pub put_delta: f64,
    /// Forward delta of the call at the highest.
    pub call_delta: f64,
}

/// Raw SVI: total variance is `level + slope × (skew × (k − centre) + √((k − centre)² + width²))` at the log-moneyness k.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SviView {
    /// a.
    pub level: f64,
    /// b.
    pub slope: f64,
    /// ρ.
    pub skew: f64,
    /// m.
    pub centre: f64,
    /// σ.
    pub width: f64,
}

/// A strike that a smile was fitted to: what its option out of the money is quoted at, and what the smile says. In volatility.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QuoteView {
    /// ln(strike ÷ forward).
    pub log_moneyness: f64,
    /// Of the bid; 0: the ask alone bounds it.
    pub bid: f64,
    /// Of the price in the middle.
    pub mid: f64,
    /// Of the ask.
    pub ask: f64,
    /// Of the smile.
    pub fitted: f64,
}

/// A tenor of the term structure.
#[derive(Debug, Clone, Serialize)]
pub struct TenorView {
    /// Days to expiry.
    pub days: u32,
    /// Volatility at the money, linear in total variance between expiries.
    pub atm: f64,
    /// 25-delta risk reversal.
    pub risk_reversal: Option<f64>,
    /// 25-delta butterfly.
    pub butterfly: Option<f64>,
    /// Slope of the smile at the forward: how much the volatility changes with the logarithm of the strike.
    pub skew: f64,
    /// The level of a variance swap, as a volatility.
    pub variance_swap: f64,
    /// The forward of that tenor.
    pub forward: f64,
    /// Whether it lies before the first or behind the last expiry, or an expiry that makes it has a number beyond its quotes.
    pub extrapolated: bool,
}

/// What changed between two surfaces of one chain, at tenors that stay as far away: later less earlier.
#[derive(Debug, Clone, Serialize)]
pub struct SinceView {
    /// The earlier moment that was asked about.
    #[serde(serialize_with = "as_text")]
    pub asked: Timestamp,
    /// The last quote of the chain until then: the moment of the earlier surface. None: there was none.
    #[serde(serialize_with = "as_texts")]
    pub at: Option<Timestamp>,
    /// At each tenor.
    pub tenors: Vec<ChangeView>,
    /// How the volatility at the money of [`SLOPE`]'s longer tenor less that of its shorter one changed.
    pub term_slope: Option<f64>,
    /// Why nothing is known of it.
    pub refusal: Option<String>,
}

/// Changes at a tenor. Volatilities as annual shares.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeView {
    /// Days to expiry.
    pub days: u32,
    /// Of the forward, as a share of the earlier one.
    pub forward: f64,
    /// Volatility at the money.
    pub atm: f64,
    /// 25-delta risk reversal.
    pub risk_reversal: Option<f64>,
    /// 25-delta butterfly.
    pub butterfly: Option<f64>,
    /// Whether either of the two is extrapolated, as [`TenorView::extrapolated`].
    pub extrapolated: bool,
}

/// What of arbitrage is left: on a grid of log-moneyness −3 to 3 in steps of 0.01 that the fit knows nothing of, and by the fit's own
/// exact check.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ArbitrageView {
    /// Neither found any.
    pub free: bool,
    /// The lowest of Durrleman's g; negative is butterfly arbitrage.
    pub lowest_density: f64,
    /// The lowest rise of total variance from an expiry to the next; negative is calendar arbitrage.
    pub lowest_rise: f64,
    /// Pairs of neighbouring expiries that crossed before the repair.
    pub crossed_before_repair: usize,
    /// Pairs looked at.
    pub pairs: usize,
}

pub(crate) fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn as_texts<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

/// The surfaces of all chains that tapes hold quotes of, as of a moment; of one underlying, if one is named. `progress` is told how
/// many rows were read and how many there are, and answers whether to go on. `None`: it did not.
pub fn surfaces<P: AsRef<Path>>(
    tapes: &[P],
    at: Option<Timestamp>,
    underlying: Option<Currency>,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Found>, Error> {
    let readers = tapes.iter().map(TapeReader::open).collect::<Result<Vec<_>, _>>()?;
    let mut merged = Merged::new(readers)?;
    let catalogue = merged.catalogue().clone();
    let mut chains = Chains::new(&catalogue);
    let wanted: Vec<bool> =
        chains.chains().iter().map(|chain| underlying.is_none_or(|wanted| chain.base() == wanted)).collect();
    let mut last = vec![None; catalogue.instruments.len()];
    let mut told: Vec<Option<Timestamp>> = vec![None; wanted.len()];
    let (mut end, mut first) = (None, None);
    let (mut events, mut count) = (Vec::new(), 0_u64);
    let mut overlaps = Overlaps::new(&catalogue);
    while let Some(now) = merged.next_input(&mut events)? {
        count += 1;
        if count % 256 == 0 && !progress(merged.rows_read(), merged.rows_total()) {
            return Ok(None);
        }
        if at.is_some_and(|at| now > at) {
            if told.iter().any(Option::is_some) {
                break;
            }
            // Nothing was told in time: when it will be is worth knowing.
            let chain_of = |event: &Event| match event {
                Event::OptionQuote(quote) => chains.chain_of(quote.instrument),
                _ => None,
            };
            if events.iter().filter_map(chain_of).any(|chain| wanted[chain]) {
                first = Some(now);
                break;
            }
            continue;
        }
        end = Some(now);
        // Of two quotes of one option at one moment the order of the tapes would choose.
        if let Some(overlap) = overlaps.look(now, &events, &catalogue) {
            return Err(TapeError::Overlap(Box::new(overlap)).into());
        }
        for event in &events {
            chains.see(event, now);
            match event {
                Event::OptionQuote(quote) => {
                    chains.quote(quote, now);
                    if let Some(chain) = chains.chain_of(quote.instrument).filter(|chain| wanted[*chain]) {
                        told[chain] = Some(now);
                    }
                }
                Event::Bar(bar) => last[bar.instrument.index()] = Some((now, bar.close)),
                Event::Mark(mark) => last[mark.instrument.index()] = Some((now, mark.price)),
                Event::Trade(trade) => last[trade.instrument.index()] = Some((now, trade.price)),
                Event::Funding(_) | Event::Series(_) | Event::Cash(_) | Event::Order(_) | Event::Settlement(_) => {}
            }
        }
    }
    // A surface is of its chain's last quote: what the tapes tell of later moments, of other chains too, neither ends an option nor moves
    // the spot.
    for (chain, told) in told.iter().enumerate() {
        if let Some(told) = told {
            chains.expire_chain(chain, *told);
        }
    }
    let asked = at.or(end).unwrap_or_default();
    let mut views = Vec::new();
    for (chain, told) in chains.chains().iter().zip(&told) {
        let Some(told) = told else { continue };
        let spot = chain.spot(*told);
        let mut view = SurfaceView::new(chain, spot, *told, asked);
        view.spot_of = spot.map(|spot| catalogue.instruments[spot.instrument.index()].symbol.clone());
        views.push(view);
    }
    Ok(Some(Found {
        surfaces: views,
        prices: catalogue
            .instruments
            .iter()
            .zip(&last)
            .filter_map(|(instrument, last)| last.map(|(at, price)| (instrument.clone(), at, price)))
            .collect(),
        options: catalogue.instruments.iter().filter(|instrument| instrument.kind.is_option()).cloned().collect(),
        underlyings: chains.chains().iter().map(|chain| chain.base().to_string()).collect(),
        first,
    }))
}

impl SurfaceView {
    fn new(chain: &Chain, spot: Option<LastPrice>, now: Timestamp, asked: Timestamp) -> Self {
        let fitted = FittedChain::fitted(chain, spot.map(|spot| spot.price), now);
        let slice = |expiry: &ExpiryReport| {
            let quotes = fitted.quotes().smiles().get(expiry.smile.ok()?)?;
            Some((fitted.surface()?.slices().iter().find(|slice| slice.years() == quotes.years)?, quotes))
        };
        let expiries = fitted.reports().map(|expiry| ExpiryView::new(&expiry, slice(&expiry), now)).collect();
        let tenors = TENORS.iter().filter_map(|days| TenorView::new(fitted.surface()?, *days)).collect();
        let refusal = match (fitted.surface(), fitted.refusal()) {
            (Some(_), _) => None,
            (None, Some(refusal)) => Some(refusal.to_string()),
            (None, None) => Some("no expiry has quotes that a smile could be fitted to".to_owned()),
        };
        Self {
            venue: chain.venue().to_owned(),
            underlying: chain.base().to_string(),
            settle: chain.settle().to_string(),
            asked,
            at: now,
            spot: spot.map(|spot| spot.price.approximate()),
            spot_at: spot.map(|spot| spot.at),
            spot_of: None,
            expiries,
            tenors,
            arbitrage: fitted.surface().map(ArbitrageView::new),
            refusal,
            since: None,
            fitted,
        }
    }

    /// Tells what changed since the surface of an earlier moment, out of the surfaces of then. Quotes over `max_age` old tell nothing
    /// of that moment.
    pub fn compare(&mut self, earlier: &[SurfaceView], asked: Timestamp, max_age: Duration) {
        let is_same = |then: &&SurfaceView| {
            (&then.venue, &then.underlying, &then.settle) == (&self.venue, &self.underlying, &self.settle)
        };
        let then = earlier.iter().find(is_same);
        let refusal = match then {
            None => Some("no option was quoted until then".to_owned()),
            Some(then) if then.at == self.at => Some("no option was quoted since then".to_owned()),
            Some(then) if asked.since(then.at) > max_age => {
                Some(format!("the last quotes came {} before", show::duration(asked.since(then.at), Style::Terminal)))
            }
            Some(SurfaceView { refusal: Some(why), .. }) => Some(format!("there was no surface then: {why}")),
            Some(_) => self.refusal.as_ref().map(|_| "there is no surface now".to_owned()),
        };
        let mut since =
            SinceView { asked, at: then.map(|then| then.at), tenors: Vec::new(), term_slope: None, refusal };
        if let Some(then) = then.filter(|_| since.refusal.is_none()) {
            let pair = |now: &TenorView| {
                let then = then.tenors.iter().find(|then| then.days == now.days)?;
                let both = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
                Some(ChangeView {
                    days: now.days,
                    forward: now.forward / then.forward - 1.0,
                    atm: now.atm - then.atm,
                    risk_reversal: both(now.risk_reversal, then.risk_reversal),
                    butterfly: both(now.butterfly, then.butterfly),
                    extrapolated: now.extrapolated || then.extrapolated,
                })
            };
            since.tenors = self.tenors.iter().filter_map(pair).collect();
            let atm = |days| since.tenors.iter().find(|tenor| tenor.days == days).map(|tenor| tenor.atm);
            since.term_slope = atm(SLOPE.1).zip(atm(SLOPE.0)).map(|(long, short)| long - short);
        }
        self.since = Some(since);
    }

    /// Whether all is as a surface should be: there is one, free of arbitrage, and each of its smiles says what somebody quotes.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let mut smiles = self.expiries.iter().filter_map(|expiry| expiry.smile.as_ref());
        self.arbitrage.is_some_and(|arbitrage| arbitrage.free) && !smiles.any(|smile| smile.none_inside)
    }

    /// Whether a forward that is known by carry alone follows from the price of the underlying: that of an expiry before the first
    /// forward that is known otherwise, or beyond the only one.
    #[must_use]
    pub fn needs_spot(&self) -> bool {
        let is_known =
            |expiry: &&ExpiryView| expiry.forward.as_ref().is_some_and(|forward| forward.source != "interpolated");
        let is_by_carry =
            |expiry: &ExpiryView| expiry.forward.as_ref().is_some_and(|forward| forward.source == "interpolated");
        let known = |expiries: &[ExpiryView]| expiries.iter().filter(is_known).count();
        (0..self.expiries.len()).filter(|at| is_by_carry(&self.expiries[*at])).any(|at| {
            let (before, after) = (known(&self.expiries[..at]), known(&self.expiries[at + 1..]));
            before == 0 || before == 1 && after == 0
        })
    }

    /// The surface, if there is one.
    #[must_use]
    pub fn surface(&self) -> Option<&Surface> {
        self.fitted.surface()
    }

    /// The slice of an expiry.
    #[must_use]
    pub fn slice(&self, expiry: usize) -> Option<&Slice> {
        let report = self.fitted.reports().nth(expiry)?;
        let years = self.fitted.quotes().smiles().get(report.smile.ok()?)?.years;
        self.surface()?.slices().iter().find(|slice| slice.years() == years)
    }
}

impl ExpiryView {
    fn new(report: &ExpiryReport, slice: Option<(&Slice, &SmileQuotes)>, now: Timestamp) -> Self {
        let refusal = match (&report.smile, slice) {
            (Err(reason), _) => Some(reason.to_string()),
            (Ok(_), None) => Some("too few strikes to fit a smile to".to_owned()),
            (Ok(_), Some(_)) => None,
        };
        let mut warnings = Vec::new();
        if let Some(error) =
            slice.map(|(slice, _)| slice.error()).filter(|error| error.inside * 100 < error.points * 85)
        {
            warnings.push(match error.inside {
                0 => format!(
                    "none of {} fitted volatilities lies between bid and ask: nobody quotes this smile",
                    error.points
                ),
                inside => format!("only {inside} of {} fitted volatilities lie between bid and ask", error.points),
            });
        }
        // What was refused is told with the forward.
        let is_outside = |forward: &Forward| forward.refused.is_none() && forward.outside_parity() == Some(true);
        if let Some(forward) = report.forward.filter(is_outside) {
            let over = forward.disagreement().unwrap_or_default() * 100.0;
            warnings.push(format!(
                "the {} forward lies {over:+.2} % from put–call parity, outside what calls and puts allow",
                forward.source
            ));
        }
        Self {
            expiry: report.expiry,
            days: report.expiry.since(now).nanos() as f64 / Duration::DAY.nanos() as f64,
            forward: report.forward.map(|forward| ForwardView {
                price: forward.price,
                source: forward.source.to_string(),
                refused: forward.refused,
                over_parity: forward.disagreement(),
                outside_parity: forward.outside_parity(),
            }),
            quoted: report.listed,
            used: report.used,
            dropped: report.dropped.iter().map(|(reason, count)| (reason.to_string(), count)).collect(),
            smile: slice.map(|(slice, quotes)| SmileView::new(slice, quotes)),
            refusal,
            warnings,
        }
    }
}

impl SmileView {
    fn new(slice: &Slice, quotes: &SmileQuotes) -> Self {
        let (tenor, error) = (slice.tenor(), slice.error());
        let wings = tenor.wings(DeltaConvention::BlackScholes, QUARTER_DELTA).ok();
        let swap = tenor.variance_swap();
        let Svi { level, slope, skew, centre, width } = slice.svi();
        let quote = |point: &SmilePoint| QuoteView {
            log_moneyness: point.log_moneyness,
            bid: point.bid_vol,
            mid: point.mid_vol,
            ask: point.ask_vol,
            fitted: slice.vol(point.log_moneyness),
        };
        Self {
            atm: tenor.atm(),
            skew: tenor.skew(),
            risk_reversal: wings.map(|wings| wings.risk_reversal()),
            butterfly: wings.map(|wings| wings.butterfly()),
            variance_swap: swap.vol,
            variance_swap_quoted: swap.quoted_vol,
            variance_swap_beyond: swap.beyond_quotes(),
            reach: ReachView::new(&tenor),
            atm_extrapolated: is_beyond(&tenor, None),
            wings_extrapolated: is_beyond(&tenor, wings.as_ref()),
            points: error.points,
            inside: error.inside,
            none_inside: error.inside == 0,
            median_error: error.median,
            ninetieth_error: error.ninetieth,
            largest_error: error.largest,
            repair: match slice.arbitrage().repair {
                Repair::None => "none",
                Repair::Refitted => "refitted",
                Repair::Plain => "plain",
                Repair::Neighbour => "neighbour",
            }
            .to_owned(),
            svi: SviView { level, slope, skew, centre, width },
            knots: slice.knots().collect(),
            quotes: quotes.points.iter().map(quote).collect(),
        }
    }
}

/// Whether the forward, or a strike of the wings, lies beyond the quoted strikes.
fn is_beyond(tenor: &Tenor<'_>, wings: Option<&Wings>) -> bool {
    let (low, high) = tenor.quoted();
    let strikes = wings.map(|wings| [wings.put.log_moneyness, wings.call.log_moneyness]);
    strikes.into_iter().flatten().chain([0.0]).any(|strike| !(low..=high).contains(&strike))
}

impl ReachView {
    fn new(tenor: &Tenor<'_>) -> Self {
        let (from, to) = tenor.quoted();
        let deviation = sqrt(tenor.total_variance(0.0));
        let delta = |kind, strike| tenor.delta(kind, DeltaConvention::BlackScholes, strike);
        Self {
            from,
            to,
            from_deviations: from / deviation,
            to_deviations: to / deviation,
            put_delta: delta(OptionKind::Put, from),
            call_delta: delta(OptionKind::Call, to),
        }
    }
}

impl TenorView {
    fn new(surface: &Surface, days: u32) -> Option<Self> {
        let tenor = surface.tenor(f64::from(days) / 365.0).ok()?;
        let wings = tenor.wings(DeltaConvention::BlackScholes, QUARTER_DELTA).ok();
        // Each expiry by its own wings: strikes that are far for the shorter are near for the longer.
        let is_narrow = |slice: &Slice| {
            let own = slice.tenor();
            is_beyond(&own, own.wings(DeltaConvention::BlackScholes, QUARTER_DELTA).ok().as_ref())
        };
        let slices = surface.slices();
        let after = slices.partition_point(|slice| slice.years() < tenor.years());
        let beside = &slices[after.saturating_sub(1)..slices.len().min(after + 1)];
        let extrapolated = tenor.extrapolated() || beside.iter().any(is_narrow);
        Some(Self {
            days,
            atm: tenor.atm(),
            risk_reversal: wings.map(|wings| wings.risk_reversal()),
            butterfly: wings.map(|wings| wings.butterfly()),
            skew: tenor.skew(),
            variance_swap: tenor.variance_swap().vol,
            forward: tenor.forward(),
            extrapolated,
        })
    }
}

impl ArbitrageView {
    /// Looked for anew, on a grid that the fit does not know.
    fn new(surface: &Surface) -> Self {
        let steps = (GRID_REACH / GRID_STEP) as i32;
        let grid = || (-steps..=steps).map(|at| f64::from(at) * GRID_STEP);
        let slices = surface.slices();
        let density = slices.iter().flat_map(|slice| grid().map(|k| slice.durrleman(k)));
        let rise =
            slices.windows(2).flat_map(|pair| grid().map(|k| pair[1].total_variance(k) - pair[0].total_variance(k)));
        let lowest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
        let (lowest_density, lowest_rise) = (lowest(&mut { density }), lowest(&mut { rise }));
        Self {
            free: lowest_density >= 0.0 && lowest_rise >= 0.0 && slices.iter().all(|slice| slice.arbitrage().is_free()),
            lowest_density,
            lowest_rise: if lowest_rise.is_finite() { lowest_rise } else { 0.0 },
            crossed_before_repair: surface.crossed_before_repair(),
            pairs: slices.len().saturating_sub(1),
        }
    }
}
