//! A portfolio at the market that tapes tell: prices, forwards and volatilities of a moment.

use super::book::Book;
use super::shape::Wrong;
use crate::Error;
use crate::surface::{SurfaceView, surfaces};
use market::{Catalogue, Currency, Instrument, is_dollar};
use pricing::options::{EuropeanOption, Inputs};
use pricing::surface::Tenor;
use std::collections::BTreeSet;
use std::path::Path;
use units::{Duration, Price, Round, Timestamp, show};

const YEAR: f64 = 365.0;
/// Tenor of the volatility at the money that stands for a coin's own.
const MONTH: f64 = 30.0;
/// Years that stand for no time.
const AT_ONCE: f64 = 1e-6;

/// What tapes tell of a moment.
#[derive(Debug, Clone)]
pub struct Market {
    at: Timestamp,
    surfaces: Vec<SurfaceView>,
    /// What has a price of its own.
    catalogue: Catalogue,
    /// By instrument, with its time.
    prices: Vec<(Timestamp, Price)>,
    /// Options that the tapes list.
    options: Vec<Instrument>,
}

impl Market {
    /// Reads tapes up to a moment and fits the chains of options on them. `progress` is told how many rows were read and how many there
    /// are, and answers whether to go on. `None`: it did not.
    ///
    /// # Errors
    ///
    /// A tape that cannot be read.
    pub fn read<P: AsRef<Path>>(
        tapes: &[P],
        at: Timestamp,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Self>, Error> {
        let found = surfaces(tapes, Some(at), None, progress)?;
        Ok(found.map(|found| {
            let (instruments, prices) = found.prices.into_iter().map(|(of, at, price)| (of, (at, price))).unzip();
            let catalogue = Catalogue { instruments, series: Vec::new() };
            Self { at, surfaces: found.surfaces, catalogue, prices, options: found.options }
        }))
    }

    /// The last price of a coin in what it is quoted in, no older than `max_age`: of a perpetual, else of spot.
    fn coin(&self, coin: Currency, max_age: Duration) -> Option<(f64, Currency)> {
        self.catalogue.prices_of(coin).find_map(|source| {
            let (at, price) = self.prices[source.index()];
            let quote = risk::venues::priced_in(&self.catalogue.instruments[source.index()]);
            (self.at.since(at) <= max_age).then(|| (price.approximate(), quote))
        })
    }

    /// The forward of a coin for delivery at once, by its surface, in what that is quoted in.
    fn forward(&self, coin: Currency, max_age: Duration) -> Option<(f64, Currency)> {
        let view = self.on(coin).filter(|view| self.at.since(view.at) <= max_age)?;
        let tenor = view.surface()?.tenor(AT_ONCE).ok()?;
        Some((tenor.forward(), quote_of(view)))
    }

    /// The last price of an instrument, no older than `max_age`, in what it is quoted in.
    fn last(&self, symbol: &str, max_age: Duration) -> Option<f64> {
        let (at, price) = self.prices[self.catalogue.instrument_id(symbol)?.index()];
        (self.at.since(at) <= max_age).then(|| price.approximate())
    }

    /// What a dollar of some kind is worth in dollars: as the tapes tell it, else as the portfolio states it, else at par.
    fn dollars(&self, of: Currency, max_age: Duration, stated: &[(Currency, f64)]) -> f64 {
        let known = |of: Currency| {
            let row = stated.iter().find(|(currency, _)| *currency == of && of != Currency::USD);
            row.map_or(1.0, |(_, price)| *price)
        };
        match self.coin(of, max_age).filter(|_| of != Currency::USD) {
            Some((price, quote)) => price * known(quote),
            None => known(of),
        }
    }

    /// The first surface of a coin.
    fn on(&self, coin: Currency) -> Option<&SurfaceView> {
        self.surfaces.iter().find(|view| view.underlying == coin.as_str())
    }

    fn of(&self, instrument: &Instrument) -> Option<usize> {
        let on = |view: &SurfaceView| view.underlying == instrument.base.as_str();
        let own = |view: &SurfaceView| view.venue == instrument.venue() && view.settle == instrument.settle.as_str();
        let exact = self.surfaces.iter().position(|view| on(view) && own(view));
        exact.or_else(|| self.surfaces.iter().position(on))
    }
}

/// What forwards and strikes of a chain are in: dollars where it is paid for in coin.
fn quote_of(view: &SurfaceView) -> Currency {
    let settle: Option<Currency> = view.settle.parse().ok();
    settle.filter(|settle| is_dollar(*settle)).unwrap_or(Currency::USD)
}

/// In what a contract's price is.
fn priced_in(instrument: &Instrument) -> Currency {
    let quote = risk::venues::priced_in(instrument);
    if is_dollar(quote) { quote } else { Currency::USD }
}

/// A smile that a position stands on: which surface, the years to its expiry there, and ln of what its forward has been multiplied by
/// since.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct On {
    surface: usize,
    years: f64,
    moved: f64,
}

/// Surfaces with the positions that stand on them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Smiles {
    pub(super) surfaces: Vec<SurfaceView>,
    pub(super) on: Vec<(String, On)>,
}

impl Smiles {
    fn tenor(&self, symbol: &str) -> Option<(Tenor<'_>, f64)> {
        let (_, on) = self.on.iter().find(|(of, _)| of == symbol)?;
        Some((self.surfaces.get(on.surface)?.surface()?.tenor(on.years).ok()?, on.moved))
    }

    /// What an option stands on.
    pub(super) fn on(&self, symbol: &str) -> Option<On> {
        self.on.iter().find(|(of, _)| of == symbol).map(|(_, on)| *on)
    }

    /// Puts volatilities of a smile in place of log-moneynesses, as [`Self::vol`] has them. Whether there is that smile.
    pub(super) fn vols(&self, on: On, places: &mut [f64]) -> bool {
        let surface = self.surfaces.get(on.surface).and_then(|fitted| fitted.surface());
        let Some(tenor) = surface.and_then(|surface| surface.tenor(on.years).ok()) else { return false };
        places.iter_mut().for_each(|place| *place += on.moved);
        tenor.vols(places);
        true
    }

    /// The volatility of an option's expiry at a log-moneyness. Until more is quoted strikes keep theirs, wherever the forward is.
    pub(crate) fn vol(&self, symbol: &str, log_moneyness: f64) -> Option<f64> {
        let (tenor, moved) = self.tenor(symbol)?;
        Some(tenor.vol(log_moneyness + moved)).filter(|vol| vol.is_finite())
    }
}

impl Book {
    /// Puts the portfolio at the market of tapes, and gives what a reader must know of that: its time is that moment; coins have their last
    /// price, options the volatility of the surface fitted then and what it makes them worth, futures their own last price or the forward,
    /// perpetuals their own or the coin's. What the tapes do not tell stays as the file has it, and is named.
    ///
    /// # Errors
    ///
    /// By row: an option whose surface is older than `max_age`, or could not be fitted, and whose volatility the file does not tell.
    pub fn at_market(&mut self, market: &Market, max_age: Duration) -> Result<Vec<String>, Vec<Wrong>> {
        let (mut wrong, mut kept, mut notes, mut aged) = (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
        let mut smiles = Smiles { surfaces: market.surfaces.clone(), on: Vec::new() };
        if self.time() > market.at {
            notes.push(format!(
                "the portfolio is of {}, after the market of {}: whether all of it was held then, nobody says",
                self.time(),
                market.at
            ));
        }
        self.set_time(market.at);
        // What is quoted in a stablecoin is worth as much as that.
        let stated: Vec<(Currency, f64)> = self.prices().map(|row| (row.currency, row.price)).collect();
        let mut pegs: Vec<(Currency, f64)> = Vec::new();
        let mut dollars = |of: Currency| match pegs.iter().find(|(known, _)| *known == of) {
            Some((_, price)) => *price,
            None => {
                let price = market.dollars(of, max_age, &stated);
                pegs.push((of, price));
                price
            }
        };
        for coin in self.coins() {
            match (market.coin(coin, max_age), market.forward(coin, max_age)) {
                (Some((price, quote)), _) => self.set_price(coin, price * dollars(quote)),
                (None, Some((forward, quote))) => {
                    self.set_price(coin, forward * dollars(quote));
                    notes.push(format!("the price of {coin} is its forward: the tapes have no perpetual or spot then"));
                }
                (None, None) if is_dollar(coin) => {}
                (None, None) if stated.iter().any(|(known, _)| *known == coin) => {
                    kept.push(format!("the price of {coin}"));
                }
                (None, None) => {
                    let what = format!(
                        "no tape tells a price of {coin} in the {:.1} hours before {}",
                        max_age.days() * 24.0,
                        market.at
                    );
                    let help = "name a tape of it with one more `--market`, or state its price under \"prices\"; an older one \
                                counts with `--max-age`";
                    wrong.push(Wrong::new("positions", what, help));
                }
            }
            let month = market.on(coin).and_then(|view| view.surface()?.tenor(MONTH / YEAR).ok());
            if let Some(month) = month {
                self.set_coin_vol(coin, month.atm());
            }
        }
        for (place, instrument) in self.held() {
            let symbol = instrument.symbol.clone();
            if let Some(expiry) = instrument.kind.expiry().filter(|expiry| *expiry <= market.at) {
                let what = format!("`{symbol}` was settled at {expiry}, and it is {}", market.at);
                wrong.push(Wrong::new(place, what, "leave it out: what it was worth is in the balance"));
                continue;
            }
            let told = market.catalogue.instrument_id(&symbol).map(|id| market.prices[id.index()]);
            let own = told.filter(|(at, _)| market.at.since(*at) <= max_age).map(|(_, price)| price);
            let expiry = instrument.kind.expiry();
            let view = market.of(&instrument).map(|at| (at, &market.surfaces[at]));
            match (instrument.kind.option(), expiry) {
                (Some((strike, right)), Some(expiry)) => {
                    let Some((surface, view)) = view else {
                        kept.push(format!("mark and volatility of {symbol}"));
                        continue;
                    };
                    let age = market.at.since(view.at);
                    if age > max_age {
                        let what = format!(
                            "the surface of {} at {} is of {}, {:.1} hours before {}",
                            view.underlying,
                            view.venue,
                            view.at,
                            age.days() * 24.0,
                            market.at
                        );
                        wrong.push(Wrong::new(
                            place,
                            what,
                            "ask about a time with quotes, or allow it with `--max-age`",
                        ));
                        continue;
                    }
                    // Since the quotes of the surface the coin may have moved, and forwards with it. Strikes keep their volatilities
                    // until others are quoted, as facts of a run have it.
                    let now = view.spot_of.as_ref().and_then(|source| market.last(source, max_age));
                    let moved = now.zip(view.spot).map_or(1.0, |(now, then)| now / then);
                    if age > Duration::ZERO {
                        aged.insert(format!(
                            "volatilities of {} at {} are of {}, {:.0} minutes before; forwards moved with the coin by {:+.2} % since",
                            view.underlying,
                            view.venue,
                            view.at,
                            age.days() * 1440.0,
                            (moved - 1.0) * 100.0
                        ));
                    }
                    let years = expiry.since(view.at).days() / YEAR;
                    let Some(tenor) = view.surface().and_then(|surface| surface.tenor(years).ok()) else {
                        let reason = view.refusal.clone().unwrap_or_else(|| "its expiry is too near".to_owned());
                        let what = format!("`{symbol}` has no volatility at {}: {reason}", view.at);
                        wrong.push(Wrong::new(place, what, "ask about another time"));
                        continue;
                    };
                    let per_dollar = dollars(priced_in(&instrument));
                    let forward = tenor.forward() * (dollars(quote_of(view)) / per_dollar) * moved;
                    let (at, strike) = (strike, strike.approximate());
                    let log_moved = units::math::ln(moved);
                    let fitted = tenor.vol(units::math::ln(strike / forward) + log_moved);
                    // What the tapes do not list stays as the file has it; of what they list they know better.
                    let same = |listed: &Instrument| {
                        listed.base == instrument.base
                            && (listed.kind.expiry(), listed.kind.option()) == (Some(expiry), Some((at, right)))
                    };
                    let is_listed = market.options.iter().any(same);
                    let stated = self.stated_vol(&symbol).filter(|_| !is_listed);
                    if !is_listed {
                        let whose = if stated.is_some() { "the portfolio states" } else { "the surface has there" };
                        let vol = stated.unwrap_or(fitted) * 100.0;
                        notes.push(format!(
                            "{symbol} is not listed on the tapes: worth what the volatility makes it that {whose}, {vol:.2} %"
                        ));
                    }
                    let vol = stated.unwrap_or(fitted);
                    let is_inverse = instrument.settle == instrument.base;
                    let left = expiry.since(market.at).days() / YEAR;
                    let inputs = Inputs { forward, strike, years: left, vol, discount: 1.0 };
                    let worth = EuropeanOption::new(right, inputs).ok().map(|option| option.greeks().price);
                    let worth = worth.map(|worth| if is_inverse { worth / forward } else { worth });
                    let mark = worth.and_then(|worth| Price::from_estimate(worth, Round::Nearest));
                    self.set_forward(instrument.base, expiry, forward * per_dollar);
                    self.set_market(&symbol, mark, Some(vol), view.at);
                    smiles.on.push((symbol, On { surface, years, moved: log_moved }));
                }
                (_, expiry) => {
                    let forward = expiry.and_then(|expiry| {
                        let (_, view) = view.filter(|(_, view)| market.at.since(view.at) <= max_age)?;
                        let tenor = view.surface()?.tenor(expiry.since(view.at).days() / YEAR).ok()?;
                        Some((tenor.forward(), quote_of(view)))
                    });
                    let coin =
                        market.coin(instrument.base, max_age).or_else(|| market.forward(instrument.base, max_age));
                    let coin = coin.filter(|_| expiry.is_none());
                    let per_dollar = dollars(priced_in(&instrument));
                    let from = forward.or(coin).map(|(price, quote)| price * (dollars(quote) / per_dollar));
                    let mark = own.or_else(|| Price::from_estimate(from?, Round::Nearest));
                    if let (Some(expiry), Some(mark)) = (expiry, mark) {
                        self.set_forward(instrument.base, expiry, mark.approximate() * per_dollar);
                    }
                    match mark {
                        Some(mark) => self.set_market(&symbol, Some(mark), None, market.at),
                        None => kept.push(format!("the mark of {symbol}")),
                    }
                }
            }
        }
        self.set_smiles(smiles);
        notes.extend(aged);
        let off = pegs.iter().filter(|(_, price)| *price != 1.0);
        notes.extend(off.map(|(of, price)| format!("what the tapes quote in {of} counts at {price} USD for each")));
        if !kept.is_empty() {
            let recent = show::duration(max_age, show::Style::Terminal);
            notes
                .push(format!("not on the tapes in the {recent} before, as the portfolio has it: {}", kept.join(", ")));
        }
        if wrong.is_empty() { Ok(notes) } else { Err(wrong) }
    }
}
