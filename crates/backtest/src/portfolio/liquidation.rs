//! How far an account is from liquidation: over each coin's price, over all of them, and over all volatilities.

use super::book::Group;
use super::margin::Absence;
use market::Currency;
use pricing::options::Simd;
use risk::liquidation::{Boundary, Drift, Path, Search, boundaries};
use risk::scenario::{Move, Scenario, SpotMoves, VolMove};
use risk::venues::{MarginError, Parameters, Portfolio, moved};
use serde::Serialize;
use std::cell::RefCell;
use units::math::sqrt;

/// Share of the present price to which a search goes on either side.
const FAR: f64 = 1_000.0;
const YEAR: f64 = 365.0;

/// The nearest place at which the account is liquidated, on one side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Edge {
    /// The price, in dollars; of volatility, the multiple of what each is now. `None`: see `absent`.
    pub at: Option<f64>,
    /// How far that is, as a share: -0.2 is a fall by 20 %.
    pub distance: Option<f64>,
    /// The same in standard deviations of a day, where a volatility is known.
    pub daily_moves: Option<f64>,
    /// Why there is none.
    pub absent: Option<String>,
}

/// How likely either edge is touched within a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TouchView {
    /// The probability if the expected price is the present one, as options are priced.
    pub martingale: f64,
    /// The probability if up and down by one factor are as likely.
    pub median: f64,
}

/// Liquidation over the price of one coin, or of all by one factor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiquidationView {
    /// The coin; `None`: all coins by one factor.
    pub coin: Option<String>,
    /// The isolated position, of whose mark and own money it is.
    pub position: Option<String>,
    /// Its price now; 1 of all coins.
    pub price: f64,
    /// Its volatility a year, if the portfolio tells it.
    pub vol: Option<f64>,
    /// Under the present.
    pub below: Edge,
    /// Over the present.
    pub above: Edge,
    /// Within one day; `None`: see `touch_absent`.
    pub touch: Option<TouchView>,
    /// Why no probability is told.
    pub touch_absent: Option<String>,
}

/// Liquidation over all volatilities by one multiple.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VolView {
    /// Under the present.
    pub below: Edge,
    /// Over the present.
    pub above: Edge,
}

/// A portfolio's margin at other prices.
pub(super) struct Elsewhere<'a> {
    pub(super) group: &'a Group,
    pub(super) parameters: &'a Parameters,
    pub(super) simd: Simd,
}

impl Elsewhere<'_> {
    /// The portfolio with coins moved by a factor, one or all, and volatilities by a multiple.
    pub(super) fn portfolio(&self, coin: Option<Currency>, factor: f64, vol: f64) -> Result<Portfolio, MarginError> {
        let by = Move::Return(factor - 1.0);
        let spot = match coin {
            Some(coin) => SpotMoves { others: Move::Return(0.0), each: vec![(coin, by)] },
            None => SpotMoves::all(by),
        };
        let vol = if vol == 1.0 { VolMove::NONE } else { VolMove::relative(vol - 1.0) };
        moved(&self.group.portfolio, &Scenario { spot, vol, ..Scenario::still("a search") }, |_| None, |_, _| None)
    }

    /// Equity and maintenance margin there.
    pub(super) fn at(&self, coin: Option<Currency>, factor: f64, vol: f64) -> Result<(f64, f64), MarginError> {
        let portfolio = self.portfolio(coin, factor, vol)?;
        let (margin, _) = self.group.margin(&portfolio, self.parameters, self.simd)?;
        // Both are there: models give them, or an error.
        Ok((margin.equity.value().unwrap_or(f64::NAN), margin.maintenance.value().unwrap_or(f64::NAN)))
    }

    /// The nearest edge on one side of a multiple of 1.
    fn edge(&self, search: &Search<'_>, at: impl Fn(f64) -> Result<(f64, f64), MarginError>, is_below: bool) -> Edge {
        let side = match is_below {
            true => Search { highest: search.from, ..*search },
            false => Search { lowest: search.from, ..*search },
        };
        let refused = RefCell::new(None);
        let slack = |multiple: f64| match at(multiple) {
            Ok((equity, maintenance)) => equity - maintenance,
            Err(error) => {
                *refused.borrow_mut() = Some((multiple, error));
                f64::NAN
            }
        };
        let found = boundaries(&side, slack);
        if let Some((multiple, error)) = refused.into_inner() {
            let reason = self.group.rows.in_file(error);
            let place = if multiple == 1.0 { String::new() } else { format!("at {multiple:.4} times the present: ") };
            return Edge::absent(format!("{place}{}", reason.what));
        }
        match found {
            Err(error) => Edge::absent(error.to_string()),
            Ok(found) if found.is_liquidated() => Edge::absent("it is liquidated now".to_owned()),
            Ok(found) => match if is_below { found.below } else { found.above } {
                Some(Boundary { dead, .. }) => {
                    Edge { at: Some(dead.0), distance: Some(dead.0 - 1.0), daily_moves: None, absent: None }
                }
                None => Edge::absent(format!(
                    "nothing down to a {FAR:.0}th or up to {FAR:.0} times the present brings equity under maintenance"
                )),
            },
        }
    }

    /// What an isolated position's own money is worth, and its maintenance margin, with its coin moved by a factor.
    pub(super) fn alone_at(&self, row: usize, factor: f64) -> Result<(f64, f64), MarginError> {
        let coin = self.group.portfolio.positions[row].instrument.base;
        let portfolio = self.portfolio(Some(coin), factor, 1.0)?;
        let (_, tiered) = self.group.margin(&portfolio, self.parameters, self.simd)?;
        let own = tiered.iter().find(|own| own.row == row);
        let equity = own.and_then(|own| own.equity).map_or(f64::NAN, units::Cash::approximate);
        Ok((equity, own.map_or(f64::NAN, |own| own.maintenance.approximate())))
    }

    /// Over the mark of an isolated position.
    pub(super) fn alone(&self, row: usize, price: f64, vol: Option<f64>) -> LiquidationView {
        let instrument = &self.group.portfolio.positions[row].instrument;
        let mut view = self.searched(&[], |factor| self.alone_at(row, factor), price, vol);
        (view.coin, view.position) = (Some(instrument.base.to_string()), Some(instrument.symbol.clone()));
        view
    }

    /// Over the price of a coin, or of all.
    pub(super) fn over_price(&self, coin: Option<Currency>, price: f64, vol: Option<f64>) -> LiquidationView {
        let kinks = self.kinks(coin, price);
        let mut view = self.searched(&kinks, |factor| self.at(coin, factor, 1.0), price, vol);
        view.coin = coin.map(|coin| coin.to_string());
        view
    }

    fn searched(
        &self,
        kinks: &[f64],
        at: impl Fn(f64) -> Result<(f64, f64), MarginError>,
        price: f64,
        vol: Option<f64>,
    ) -> LiquidationView {
        let search = Search { kinks, ..Search::price(1.0) };
        let daily = vol.map(|vol| vol / sqrt(YEAR)).filter(|daily| *daily > 0.0);
        let mut edges = [true, false].map(|is_below| self.edge(&search, &at, is_below));
        for edge in &mut edges {
            let factor = edge.at;
            edge.at = factor.map(|factor| factor * price);
            edge.daily_moves = factor.zip(daily).map(|(factor, daily)| units::math::ln(factor) / daily);
        }
        let [below, above] = edges;
        let (touch, touch_absent) = touch(vol, price, &below, &above);
        LiquidationView { coin: None, position: None, price, vol, below, above, touch, touch_absent }
    }

    /// Over all volatilities.
    pub(super) fn over_vol(&self) -> VolView {
        let at = |multiple| self.at(None, 1.0, multiple);
        let [below, above] = [true, false].map(|is_below| {
            let mut edge = self.edge(&Search::vol(1.0), at, is_below);
            if edge.at.is_none() && edge.absent.as_deref().is_some_and(|reason| reason.starts_with("nothing")) {
                edge.absent =
                    Some("nothing from a tenth to ten times the present brings equity under maintenance".to_owned());
            }
            edge
        });
        VolView { below, above }
    }

    /// Strikes, as multiples of the coin's price: near expiry the account bends there. With options every hundredth beside them: under a
    /// margin by scenarios it bends wherever one of their moves leads to a strike.
    fn kinks(&self, coin: Option<Currency>, price: f64) -> Vec<f64> {
        let options = || self.group.portfolio.positions.iter().filter(|position| position.instrument.kind.is_option());
        let held = options().filter(|position| Some(position.instrument.base) == coin);
        let strikes = held.filter_map(|position| Some(position.instrument.kind.option()?.0.approximate() / price));
        let even = if options().next().is_some() { EVEN } else { 0 };
        strikes.chain((-even..=even).map(|step| units::math::exp(0.01 * f64::from(step)))).collect()
    }
}

/// How many steps of a hundredth are looked at to each side: to a third, and threefold.
const EVEN: i32 = 110;

impl Edge {
    fn absent(reason: String) -> Self {
        Self { at: None, distance: None, daily_moves: None, absent: Some(reason) }
    }
}

fn touch(vol: Option<f64>, price: f64, below: &Edge, above: &Edge) -> (Option<TouchView>, Option<String>) {
    let absent = |reason: &str| (None, Some(reason.to_owned()));
    let Some(vol) = vol else { return absent(Absence::NO_VOL) };
    // Where the search itself failed the edge may be anywhere.
    let failed =
        |edge: &Edge| edge.absent.as_deref().filter(|reason| !reason.starts_with("nothing")).map(str::to_owned);
    if let Some(reason) = failed(below).or_else(|| failed(above)) {
        return (None, Some(reason));
    }
    let touches = |drift| Path { price, vol, years: 1.0 / YEAR, drift }.touches(below.at, above.at);
    match (touches(Drift::Martingale), touches(Drift::Median)) {
        (Ok(martingale), Ok(median)) => (Some(TouchView { martingale, median }), None),
        (Err(error), _) | (_, Err(error)) => (None, Some(error.to_string())),
    }
}
