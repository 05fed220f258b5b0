//! What a venue's rules make of an account, as a reader reconciles it with the venue's screen.

use super::book::{Book, Group};
use super::liquidation::{Elsewhere, LiquidationView, VolView};
use super::shape::Wrong;
use super::venue::{Own, Request, orders_beside, parameters, unchecked};
use market::{Currency, is_dollar};
use pricing::options::{EuropeanOption, Inputs, Simd};
use risk::liquidation::{ExitError, Exposed, LeverageRatio, time_to_exit};
use risk::venues::{
    Figure, Margin, MarginError, Parameters, Portfolio, Position, TieredPosition, VenueRules, marginal,
};
use serde::Serialize;
use units::{Cash, Contract, Duration, Qty, Round, Timestamp};

/// Reasons that are told in more than one place.
pub(super) struct Absence;

impl Absence {
    pub(super) const NO_VOL: &'static str = "no volatility of the coin is stated: add `vol` to its row under `prices`";
}

/// An amount, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureView {
    /// The amount.
    pub value: Option<f64>,
    /// The same as an exact decimal, where the venue's rule makes it of exact numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

impl From<&Figure> for FigureView {
    fn from(figure: &Figure) -> Self {
        match figure {
            Figure::Owed(cash) => Self { value: Some(cash.approximate()), exact: Some(cash.to_string()), absent: None },
            Figure::Estimated(value) => Self { value: Some(*value), exact: None, absent: None },
            Figure::Absent(reason) => Self { value: None, exact: None, absent: Some(reason.to_string()) },
        }
    }
}

impl From<Option<f64>> for FigureView {
    fn from(value: Option<f64>) -> Self {
        let absent = value.is_none().then(|| "a part of it is absent".to_owned());
        Self { value, exact: None, absent }
    }
}

/// A part of a margin, by the venue's name for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentView {
    /// Its name.
    pub name: String,
    /// The position's symbol, if it is one position's.
    pub position: Option<String>,
    /// How much.
    #[serde(flatten)]
    pub figure: FigureView,
}

/// A scenario of the venue's rules.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScenarioView {
    /// Its name.
    pub name: String,
    /// What it does, with its weight.
    pub profit: f64,
}

/// Which parameters were used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParametersView {
    /// The file's name.
    pub file: String,
    /// From when it holds.
    #[serde(serialize_with = "as_text")]
    pub from: Timestamp,
    /// Until when, if that is known.
    pub until: Option<String>,
}

/// What one more unit of a position needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Marginal {
    /// The unit, signed as the position: one coin, or a coin's worth of an inverse contract.
    pub quantity: String,
    /// More initial margin.
    pub initial: FigureView,
    /// More maintenance margin.
    pub maintenance: FigureView,
}

/// Assets over equity, and how they change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeverageView {
    /// What positions are worth without sign: futures at their marks, options at their deltas, and at Derive coin that bears margin.
    pub assets: Option<f64>,
    /// Assets over equity.
    pub ratio: Option<f64>,
    /// Change of the ratio for one more borrowed unit that is invested: 1 ÷ equity.
    pub per_borrowed: Option<f64>,
    /// Change of the ratio with a return of all prices, per 100 % but of a small one.
    pub per_return: Option<f64>,
    /// Why there is none.
    pub absent: Option<String>,
}

impl LeverageView {
    fn new(exposed: Result<Exposed, String>, equity: Option<f64>) -> Self {
        let none = |assets, absent: &str| Self {
            assets,
            ratio: None,
            per_borrowed: None,
            per_return: None,
            absent: Some(absent.to_owned()),
        };
        match (exposed, equity) {
            (Err(reason), _) => none(None, &reason),
            (Ok(exposed), None) => none(Some(exposed.assets), "the equity is absent"),
            (Ok(exposed), Some(equity)) => match LeverageRatio::of(exposed, equity) {
                None => none(Some(exposed.assets), "equity is not over zero"),
                Some(LeverageRatio { ratio, per_borrowed, per_return }) => Self {
                    assets: Some(exposed.assets),
                    ratio: Some(ratio),
                    per_borrowed: Some(per_borrowed),
                    per_return: Some(per_return),
                    absent: None,
                },
            },
        }
    }
}

/// How long it takes to get out of a position, or of all of them side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExitView {
    /// The share of what is traded that the exit takes part in.
    pub participation: f64,
    /// What is traded in a day, in the unit of the quantity; of an account none.
    pub volume: Option<f64>,
    /// How long, in seconds.
    pub seconds: Option<f64>,
    /// Why that is not told.
    pub absent: Option<String>,
}

/// A position.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PositionView {
    /// Its symbol.
    pub instrument: String,
    /// Row under `positions` of the file; `None`: only orders are in it.
    pub row: Option<usize>,
    /// How much is held.
    pub quantity: String,
    /// The mark, if there is one.
    pub price: Option<String>,
    /// What was set aside for it with its profit, if it is isolated.
    pub isolated_equity: Option<String>,
    /// Whether that is under its own maintenance margin, if it is isolated.
    pub is_liquidated: Option<bool>,
    /// Its value over that, if it is isolated.
    pub leverage: Option<LeverageView>,
    /// Mark at which it is liquidated while nothing else moves, of margin by tiers.
    pub liquidation: Option<FigureView>,
    /// Another one on the other side of the mark, where that side liquidates too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beyond: Option<f64>,
    /// One unit more.
    pub one_more: Option<Marginal>,
    /// Why that is not told.
    pub one_more_absent: Option<String>,
    /// How long it takes to get out, if that was asked.
    pub exit: Option<ExitView>,
}

/// What open orders need.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrdersView {
    /// How many there are.
    pub count: usize,
    /// More initial margin if the worst of them fill; part of the initial margin where the model counts orders itself.
    pub needed: FigureView,
    /// Whether that is part of the initial margin told.
    pub is_in_initial: bool,
    /// Rows under `orders` that fill in the worst case, where the model does not count orders itself.
    pub filled: Option<Vec<usize>>,
}

/// An account's margin.
#[derive(Debug, Clone, Serialize)]
pub struct MarginView {
    /// The venue.
    pub venue: String,
    /// Whose rules.
    pub model: String,
    /// The account.
    pub account: String,
    /// When it held.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// In what all amounts are.
    pub currency: String,
    /// Which parameters.
    pub parameters: ParametersView,
    /// What balances count that bear the margin, after haircuts.
    pub collateral: FigureView,
    /// What bears the margin.
    pub equity: FigureView,
    /// Needed to open or to add.
    pub initial: FigureView,
    /// Under which it is liquidated.
    pub maintenance: FigureView,
    /// Maintenance over equity: liquidated at 1.
    pub ratio: FigureView,
    /// Equity less initial margin.
    pub free: FigureView,
    /// Equity less maintenance margin.
    pub headroom: FigureView,
    /// Assets over equity; isolated positions have their own.
    pub leverage: LeverageView,
    /// How long it takes to get out of all positions side by side, if that was asked.
    pub exit: Option<ExitView>,
    /// Every part.
    pub components: Vec<ComponentView>,
    /// Every scenario of the venue's rules.
    pub scenarios: Vec<ScenarioView>,
    /// Which of them is the worst.
    pub worst: Option<usize>,
    /// Every position.
    pub positions: Vec<PositionView>,
    /// Open orders, if there are some.
    pub orders: Option<OrdersView>,
    /// Over prices: coin by coin, then, of several, all by one factor, then each isolated position by itself.
    pub liquidation: Vec<LiquidationView>,
    /// Over all volatilities, where options are held.
    pub volatility: Option<VolView>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// Equity and maintenance margin over prices, for the picture.
    #[serde(skip)]
    pub curves: Vec<Curve>,
}

/// Equity and maintenance margin over the price of a coin.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The coin; all coins by one factor if there is none.
    pub coin: Option<String>,
    /// The isolated position, if it is one's.
    pub position: Option<String>,
    /// The price now.
    pub price: f64,
    /// Price, equity, maintenance margin; ascending.
    pub points: Vec<(f64, f64, f64)>,
    /// Places of liquidation.
    pub edges: Vec<f64>,
}

pub(super) fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// What a venue asks of every account that a portfolio has there, its own words for the parts included.
///
/// ```
/// use backtest::portfolio::{Book, Request, margin};
/// let portfolio = Book::read(
///     r#"{ "schema": "trimtab.portfolio/3", "time": "2025-10-10T16:00:00Z",
///          "accounts": [{ "name": "main", "venue": "hyperliquid", "balances": [{ "currency": "USDC", "amount": "20000" }] }],
///          "instruments": [{ "symbol": "hyperliquid:BTCUSDC-PERP", "price": "100000" }],
///          "positions": [{ "account": "main", "instrument": "hyperliquid:BTCUSDC-PERP", "quantity": "1", "entry": "100000" }] }"#,
/// )
/// .unwrap();
/// let account = &margin(&portfolio, "hyperliquid", &Request::default()).unwrap()[0];
/// assert_eq!(account.maintenance.exact.as_deref(), Some("1250"));
/// ```
///
/// # Errors
///
/// Everything that stands in the way, each with its place in the file and what to do.
pub fn margin(book: &Book, venue: &str, request: &Request) -> Result<Vec<MarginView>, Vec<Wrong>> {
    let groups = book.groups(venue, request.max_age)?;
    let asked: Vec<_> = groups.iter().map(|group| (group.rules, group.coin)).collect();
    let own = Own::new(request, &asked, book.time())?;
    let (mut views, mut wrong) = (Vec::new(), Vec::new());
    for group in &groups {
        match view(book, group, request, own.as_ref()) {
            Ok(view) => views.push(view),
            Err(refused) => wrong.extend(refused),
        }
    }
    if wrong.is_empty() { Ok(views) } else { Err(wrong) }
}

fn view(book: &Book, group: &Group, request: &Request, own: Option<&Own<'_>>) -> Result<MarginView, Vec<Wrong>> {
    let path = group.rows.first();
    let parameters = parameters((group.rules, group.coin), &path, own).map_err(|wrong| vec![wrong])?;
    let simd = Simd::best();
    let all_wrong = |first| {
        let checked = |portfolio: &Portfolio| group.margin(portfolio, &parameters, simd).map(|_| ());
        group.rows.all_wrong(&group.portfolio, first, checked)
    };
    let (margin, tiered) = group.margin(&group.portfolio, &parameters, simd).map_err(all_wrong)?;
    let elsewhere = Elsewhere { group, parameters: &parameters, simd };
    let symbol = |row: usize| group.portfolio.positions[row].instrument.symbol.clone();
    let mut notes = group.notes.clone();
    notes.extend(margin.notes.iter().cloned());
    notes.extend(unchecked(group.rules).map(str::to_owned));
    let has_options = group.portfolio.positions.iter().any(|position| position.instrument.kind.is_option());
    let (from, until) = parameters.validity();
    let mut view = MarginView {
        venue: group.rules.venue().to_owned(),
        model: margin.model.to_owned(),
        account: group.account.clone(),
        time: group.portfolio.at,
        currency: margin.currency.to_string(),
        parameters: ParametersView {
            file: parameters.name().to_owned(),
            from,
            until: until.map(|until| until.to_string()),
        },
        collateral: (&group.collateral(&parameters).map_err(all_wrong)?).into(),
        equity: (&margin.equity).into(),
        initial: (&margin.initial).into(),
        maintenance: (&margin.maintenance).into(),
        ratio: (&margin.ratio()).into(),
        free: (&margin.initial_excess()).into(),
        headroom: (&margin.maintenance_excess()).into(),
        leverage: LeverageView::new(exposed(group), margin.equity.value()),
        exit: None,
        components: margin
            .components
            .iter()
            .map(|component| ComponentView {
                name: component.name.clone(),
                position: component.position.map(symbol),
                figure: (&component.figure).into(),
            })
            .collect(),
        scenarios: margin
            .scenarios
            .iter()
            .map(|row| ScenarioView { name: row.name.clone(), profit: row.profit })
            .collect(),
        worst: margin.worst,
        positions: positions(book, group, &parameters, &tiered, request),
        orders: orders(group, &parameters, &margin, simd),
        liquidation: Vec::new(),
        volatility: has_options.then(|| elsewhere.over_vol()),
        notes,
        curves: Vec::new(),
    };
    let coins = coins(book, group);
    view.liquidation = coins.iter().map(|(coin, price, vol)| elsewhere.over_price(*coin, *price, *vol)).collect();
    let mut places: Vec<Place<'_>> = coins.iter().map(|(coin, ..)| Place { coin: *coin, alone: None }).collect();
    for (at, held) in group.portfolio.positions.iter().enumerate() {
        if let (Some(mark), true) = (held.mark, held.isolated.is_some() && !held.quantity.is_zero()) {
            let vol = book.prices().find(|row| row.currency == held.instrument.base).and_then(|row| row.vol);
            view.liquidation.push(elsewhere.alone(at, mark.approximate(), vol));
            places.push(Place { coin: Some(held.instrument.base), alone: Some((at, held.instrument.symbol.as_str())) });
        }
    }
    view.curves = view.liquidation.iter().zip(&places).map(|(found, place)| curve(&elsewhere, place, found)).collect();
    view.exit = request.participation.map(|participation| {
        let exits = || view.positions.iter().filter_map(|position| position.exit.as_ref());
        let absent = exits().find_map(|exit| exit.absent.clone());
        let longest = exits().filter_map(|exit| exit.seconds).fold(0.0, f64::max);
        ExitView { participation, volume: None, seconds: absent.is_none().then_some(longest), absent }
    });
    Ok(view)
}

/// Coins that the account depends on with price and volatility, and all of them together where there are several.
fn coins(book: &Book, group: &Group) -> Vec<(Option<Currency>, f64, Option<f64>)> {
    // Isolated positions stand apart; each has its own price of liquidation.
    let is_shared = |position: &&Position| !position.quantity.is_zero() && position.isolated.is_none();
    let held = group.portfolio.positions.iter().filter(is_shared);
    let mut names: Vec<Currency> = held.map(|position| position.instrument.base).collect();
    let balances = group.portfolio.balances.iter().filter(|balance| !balance.amount.is_zero());
    // Coin that bears margin beside the account's own currency is worth what its price says.
    let bears = matches!(group.rules, VenueRules::DeriveStandard | VenueRules::DerivePortfolio);
    let balances = balances.filter(|_| bears);
    names.extend(balances.map(|balance| balance.currency).filter(|coin| !is_dollar(*coin) && *coin != group.settle));
    names.sort_unstable();
    names.dedup();
    let mut found: Vec<(Option<Currency>, f64, Option<f64>)> = Vec::new();
    for coin in names {
        let stated = book.prices().find(|row| row.currency == coin);
        let mut on_it = group.portfolio.positions.iter().filter(|held| held.instrument.base == coin);
        // Of one contract alone its own mark is what its holder watches; of several, the index.
        let mark = match (on_it.next(), on_it.next()) {
            (Some(only), None) if !only.instrument.kind.is_option() => only.mark.map(|mark| mark.approximate()),
            _ => None,
        };
        let vol = stated.and_then(|row| row.vol);
        if let Some(price) = mark.or(stated.map(|row| row.price)) {
            found.push((Some(coin), price, vol));
        }
    }
    if found.len() > 1 {
        found.push((None, 1.0, None));
    }
    found
}

fn positions(
    book: &Book,
    group: &Group,
    parameters: &Parameters,
    tiered: &[TieredPosition],
    request: &Request,
) -> Vec<PositionView> {
    let simd = Simd::best();
    let model = |portfolio: &Portfolio| Ok(group.margin(portfolio, parameters, simd)?.0);
    let view = |(at, held): (usize, &Position)| {
        let own = tiered.iter().find(|own| own.row == at);
        let more = one_more(held).ok_or_else(|| "it has no mark".to_owned()).and_then(|quantity| {
            let more = match own.filter(|own| own.equity.is_some()) {
                Some(own) => more_alone(group, parameters, own, quantity),
                None => marginal(&group.portfolio, at, quantity, model).map(|more| (more.initial, more.maintenance)),
            };
            more.map(|more| (quantity, more)).map_err(|error: MarginError| group.rows.in_file(error).what)
        });
        let figure = |liquidation: &Result<units::Price, risk::venues::Absent>| match liquidation {
            Ok(price) => FigureView::from(&Figure::Estimated(price.approximate())),
            Err(reason) => FigureView::from(&Figure::Absent(*reason)),
        };
        let (one_more, one_more_absent) = match more {
            Ok((quantity, (initial, maintenance))) => {
                let marginal = Marginal {
                    quantity: quantity.to_string(),
                    initial: initial.into(),
                    maintenance: maintenance.into(),
                };
                (Some(marginal), None)
            }
            Err(reason) => (None, Some(reason)),
        };
        PositionView {
            instrument: held.instrument.symbol.clone(),
            row: group.rows.position(at),
            quantity: held.quantity.to_string(),
            price: held.mark.map(|mark| mark.to_string()),
            isolated_equity: own.and_then(|own| own.equity).map(|equity| equity.to_string()),
            is_liquidated: own.and_then(|own| own.equity.map(|equity| equity < own.maintenance)),
            leverage: own
                .and_then(|own| Some(LeverageView::new(Ok(alone(held, own.value)), Some(own.equity?.approximate())))),
            liquidation: own.map(|own| figure(&own.liquidation)),
            beyond: own.and_then(|own| own.beyond).map(|price| price.approximate()),
            one_more,
            one_more_absent,
            exit: request.participation.map(|participation| exit(book, held, participation)),
        }
    };
    group.portfolio.positions.iter().enumerate().map(view).collect()
}

/// What more of an isolated position needs of its own money: initial and maintenance.
fn more_alone(
    group: &Group,
    parameters: &Parameters,
    own: &TieredPosition,
    quantity: Qty,
) -> Result<(Option<f64>, Option<f64>), MarginError> {
    let mut changed = group.portfolio.clone();
    let held = &mut changed.positions[own.row];
    let too_large = MarginError::TooLarge { place: risk::venues::Place::Position(own.row) };
    held.quantity = held.quantity.checked_add(quantity).ok_or(too_large)?;
    let (_, after) = group.margin(&changed, parameters, Simd::best())?;
    let after = after.iter().find(|after| after.row == own.row);
    let more = |part: fn(&TieredPosition) -> units::Cash| Some((part(after?) - part(own)).approximate());
    Ok((more(|own| own.initial), more(|own| own.maintenance)))
}

/// How long it takes to get out of a position at a share of what is traded, day by day as the file says.
fn exit(book: &Book, held: &Position, participation: f64) -> ExitView {
    let volume = book.volume(&held.instrument.symbol);
    let found = match volume {
        None if held.quantity.is_zero() => Ok(Duration::ZERO),
        None => Err("no `volume` is stated: add what is traded in a day under `instruments`".to_owned()),
        Some(volume) => {
            let days = std::iter::repeat_n(volume, EXIT_DAYS);
            time_to_exit(held.quantity.approximate(), participation, Duration::DAY, days).map_err(|error| match error {
                ExitError::Left(_) => format!("more than {EXIT_DAYS} days"),
                other => other.to_string(),
            })
        }
    };
    let (seconds, absent) = match found {
        Ok(time) => (Some(time.nanos() as f64 / 1e9), None),
        Err(reason) => (None, Some(reason)),
    };
    ExitView { participation, volume, seconds, absent }
}

/// No exit is looked for beyond so many days.
const EXIT_DAYS: usize = 3_650;

/// What the positions that share the equity are worth without sign, in what they settle in; or what is missing.
fn exposed(group: &Group) -> Result<Exposed, String> {
    let portfolio = &group.portfolio;
    let mut sum = Exposed::default();
    for held in portfolio.positions.iter().filter(|held| held.isolated.is_none() && !held.quantity.is_zero()) {
        let (instrument, quantity) = (&held.instrument, held.quantity.approximate());
        let Some(((strike, right), expiry)) = instrument.kind.option().zip(instrument.kind.expiry()) else {
            let mark = held.mark.ok_or_else(|| format!("{} has no mark", instrument.symbol))?;
            let own = alone(held, instrument.kind.contract().exposure(mark, held.quantity).cash());
            (sum.assets, sum.moved, sum.earned) =
                (sum.assets + own.assets, sum.moved + own.moved, sum.earned + own.earned);
            continue;
        };
        let term = portfolio.expiries.iter().find(|term| term.underlying == instrument.base && term.expiry == expiry);
        let forward = term.map(|term| term.forward);
        let years = expiry.since(portfolio.at).days() / 365.0;
        let (Some(forward), Some(vol)) = (forward, held.vol) else {
            return Err(format!(
                "no delta of {}: it needs a volatility and the forward of its expiry",
                instrument.symbol
            ));
        };
        let inputs = Inputs { forward, strike: strike.approximate(), years, vol, discount: 1.0 };
        let option =
            EuropeanOption::new(right, inputs).map_err(|refusal| format!("{}: {refusal}", instrument.symbol))?;
        let (greeks, bends) = (option.greeks(), quantity.abs() * option.greeks().gamma * forward);
        // A put's delta is under zero, and rises to it as prices do.
        let (delta, bends) = (greeks.delta.abs() * quantity.abs(), if greeks.delta < 0.0 { -bends } else { bends });
        if instrument.settle == instrument.base {
            // In coin its value is the price over the forward.
            sum.assets += delta;
            sum.moved += bends;
            sum.earned += quantity * (greeks.delta - greeks.price / forward);
        } else {
            sum.assets += delta * forward;
            sum.moved += (delta + bends) * forward;
            sum.earned += quantity * greeks.delta * forward;
        }
    }
    if matches!(group.rules, VenueRules::DeriveStandard | VenueRules::DerivePortfolio) {
        let price =
            |currency| portfolio.underlyings.iter().find(|known| known.currency == currency).map(|known| known.index);
        for held in portfolio.balances.iter().filter(|held| !is_dollar(held.currency)) {
            let (price, settle) = (price(held.currency), price(group.settle));
            let missing = || format!("{} has no price", held.currency);
            let worth = held.amount.approximate() * price.ok_or_else(missing)? / settle.unwrap_or(1.0);
            sum.assets += worth.abs();
            sum.moved += worth.abs();
            sum.earned += worth;
        }
    }
    Ok(sum)
}

/// A position in anything but an option, by its value at the mark.
fn alone(held: &Position, value: Cash) -> Exposed {
    let assets = value.approximate().abs();
    let moved = if held.instrument.kind.contract() == Contract::Inverse { -assets } else { assets };
    Exposed { assets, moved, earned: if held.quantity < Qty::ZERO { -assets } else { assets } }
}

/// One unit more in the position's own direction: one coin, or what a coin is worth of an inverse contract.
fn one_more(held: &Position) -> Option<Qty> {
    let unit = match held.instrument.kind.contract() {
        Contract::Linear => Qty::from_raw(Qty::ONE),
        Contract::Inverse => Qty::from_estimate(held.mark?.approximate(), Round::Nearest)?,
    };
    Some(if held.quantity < Qty::ZERO { -unit } else { unit })
}

fn orders(group: &Group, parameters: &Parameters, margin: &Margin, simd: Simd) -> Option<OrdersView> {
    let count = group.portfolio.orders.len();
    if count == 0 {
        return None;
    }
    Some(match orders_beside(group, parameters, simd) {
        None => {
            let of_orders = |name: &str| name.starts_with("open orders");
            let parts = margin.components.iter().filter(|component| of_orders(&component.name));
            let needed: f64 = parts.filter_map(|component| component.figure.value()).sum();
            OrdersView { count, needed: Some(needed).into(), is_in_initial: true, filled: None }
        }
        Some(Ok((needed, filled))) => OrdersView {
            count,
            needed: Some(needed).into(),
            is_in_initial: false,
            filled: Some(group.rows.of_orders(&filled)),
        },
        Some(Err(error)) => {
            let absent = Some(group.rows.in_file(error).what);
            let needed = FigureView { value: None, exact: None, absent };
            OrdersView { count, needed, is_in_initial: false, filled: None }
        }
    })
}

/// Points of a curve.
const POINTS: usize = 121;

/// Over what a curve runs: a coin, all of them, or the mark of a position that is margined by itself.
struct Place<'a> {
    coin: Option<Currency>,
    alone: Option<(usize, &'a str)>,
}

fn curve(elsewhere: &Elsewhere<'_>, place: &Place<'_>, found: &LiquidationView) -> Curve {
    let price = found.price;
    let edges: Vec<f64> = [&found.below, &found.above].into_iter().filter_map(|edge| edge.at).collect();
    // Half of the price on either side, and what it takes to show the edges.
    let reach = |share: f64, edge: Option<f64>| edge.map_or(share, |edge| edge / price);
    let low = reach(0.5, found.below.at).min(0.5) * 0.95;
    let high = reach(1.5, found.above.at).clamp(1.5, 5.0) * 1.02;
    let step = (high - low) / (POINTS - 1) as f64;
    let point = |at: usize| {
        let factor = low + step * at as f64;
        let there = match place.alone {
            None => elsewhere.at(place.coin, factor, 1.0),
            Some((row, _)) => elsewhere.alone_at(row, factor),
        };
        there.ok().map(|(equity, maintenance)| (factor * price, equity, maintenance))
    };
    let points = (0..POINTS).filter_map(point).collect();
    let coin = place.coin.map(|coin| coin.to_string());
    Curve { coin, position: place.alone.map(|(_, symbol)| symbol.to_owned()), price, points, edges }
}
