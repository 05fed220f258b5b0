//! That a strategy's account lives while the price of its underlying stays in a corridor, and dies beyond it.
//!
//! How far liquidation is, and how likely, falls with where the corridor ends. Equity less maintenance margin is followed over cells of
//! it. What options of the coin need does not change between quotes: it is known at the ends of cells, from which calls only need more
//! as the price rises and puts as it falls. A tick changes futures and perpetuals alone, whose profit and margin are least and most at
//! the ends of a cell. So a box that was left is drawn anew without pricing an option.
//!
//! *Calls in coin* are worth B(F) ÷ F = N(d₁) − K N(d₂) ÷ F, whose slope is K N(d₂) ÷ F² > 0; puts have −K N(−d₂) ÷ F² < 0. Time only
//! takes from an undiscounted price: B grows with σ²T. So for as long as a corridor stands B lies between its values at both ends of
//! that time.

use super::Within;
use super::price_box::{PriceBox, ROUNDING, Sides, WIDTHS};
use crate::account_risk::edges::{Edges, REACH};
use crate::account_risk::liquidation::{Implied, implied};
use crate::account_risk::margins::{self, Pool, Row};
use crate::account_risk::portfolio::point;
use crate::account_risk::{AccountRisk, NEVER, YEAR};
use crate::engine::Engine;
use market::{Account, Currency, InstrumentKind};
use policy::RiskFact;
use policy::facts;
use pricing::options::{Batch, EuropeanOption, Inputs, Simd};
use risk::liquidation::{Drift, Path};
use std::ops::Range;
use units::math::{exp, ln, sqrt};
use units::{Contract, Duration, InstrumentId, OptionRight, Timestamp, Vol};

/// What a distance or a probability is off at most, which the search and its rounding leave.
const SLIP: f64 = 1e-9;
/// How often a cell is halved.
const DEPTH: u32 = 6;
/// Ends of cells that are looked at.
const NODES_MAX: usize = 96;
/// How much of the way to the boundary, in logarithms, is shown to be alive; and how much farther all is shown to be dead.
const SHARES: [f64; 4] = [0.5, 0.75, 0.9, 0.97];
const BEYOND: [f64; 4] = [1.5, 1.2, 1.05, 1.01];
/// Where no price liquidates, so far is shown to be alive.
const FAR: [f64; 3] = [4.0, 30.0, REACH];
/// By how much a volatility may change.
const VOLS: [f64; 3] = [0.1, 0.02, 0.0];

/// A range of prices as multiples of the present one.
type Cell = (f64, f64);

#[derive(Debug, Clone)]
pub(in crate::account_risk) struct Corridor {
    prices: PriceBox,
    /// By pool.
    options: Vec<Options>,
    /// Until when they are known.
    known_until: Timestamp,
    moves: u64,
    quotes: u64,
    claims: Claims,
    /// The strategy whose volatility a probability goes by, and between what that lies.
    vol: Option<(usize, f64, f64)>,
    /// The volatility and the room for which a probability's claims are enough.
    enough: Option<(f64, Within)>,
}

/// What is shown of a corridor.
#[derive(Debug, Clone, Default, PartialEq)]
struct Claims {
    /// All of it is alive.
    alive: Option<Cell>,
    /// In one of these lists, if there is any, each cell is dead in one of the pools.
    dead: Vec<Vec<Cell>>,
}

impl Corridor {
    #[inline]
    pub(in crate::account_risk) fn holds(&self, risk: &AccountRisk, engine: &Engine) -> bool {
        let known = |(scope, low, high): &(usize, f64, f64)| {
            let vol = engine.scopes[*scope].facts.get(facts::VOLATILITY).map(Vol::get);
            vol.is_some_and(|vol| (*low..=*high).contains(&vol))
        };
        self.prices.holds(risk, engine) && self.vol.as_ref().is_none_or(known)
    }

    pub(super) fn of(
        risk: &mut AccountRisk,
        engine: &Engine,
        scope: usize,
        fact: &RiskFact,
        within: Within,
        before: Option<Box<Self>>,
    ) -> Option<Box<Self>> {
        let own = &engine.scopes[scope];
        let (at, base) = (own.account.index(), engine.catalogue.instruments[own.instrument.index()].base);
        risk.update(engine, at).ok()?;
        let (moves, quotes) = (engine.books[at].moves, engine.structures.chains.changes());
        let (claims, vol, until, enough) = match fact {
            RiskFact::Probability { horizon } => {
                let Implied { vol, is_own, until } = implied(engine, scope, *horizon).ok()?;
                let path = Path { price: 1.0, vol, years: horizon.nanos() as f64 / YEAR, drift: Drift::Martingale };
                let asked = Some((vol, within));
                let vols = if is_own { &VOLS[..] } else { &[0.0] };
                match before.as_ref().filter(|before| before.enough == asked) {
                    Some(before) => (before.claims.clone(), before.vol, until, asked),
                    None => {
                        let spread = |claims: &Claims| claims.spread(path, within, vols);
                        // The boundaries are searched only where nothing is known of them.
                        let known = before.as_ref().map(|before| before.claims.clone());
                        let claims = match known.filter(|claims| spread(claims).is_some()) {
                            Some(known) => known,
                            None => Claims::of_probability(risk.edges(engine, scope).ok()?, path, within)?,
                        };
                        let spread = spread(&claims)?;
                        let own = is_own.then_some((scope, vol * (1.0 - spread), vol * (1.0 + spread)));
                        (claims, own, until, asked)
                    }
                }
            }
            _ => (Claims::of_distance(within)?, None, Timestamp::MAX, None),
        };
        // What options need stays until the next quote, whatever the price does.
        let kept =
            before.filter(|before| before.moves == moves && before.quotes == quotes && engine.now < before.known_until);
        let (mut options, known_until) = match kept {
            Some(kept) => (kept.options, kept.known_until),
            None => Options::of_pools(risk, engine, at, base)?,
        };
        for width in WIDTHS {
            let mut sides = Sides::new(risk, engine, width);
            let (account, held) = sides.account(at);
            sides.ends(known_until.min(until));
            let moved = held.pools.iter().zip(&mut options).map(|(pool, options)| {
                let futures = futures(&mut sides, (at, base), pool, account)?;
                Some(Moved { options, futures, pool, equity: pool.equity(account).approximate() })
            });
            let mut moved = moved.collect::<Option<Vec<Moved<'_>>>>()?;
            if claims.hold(&mut moved) {
                let prices = sides.drawn();
                return Some(Box::new(Self { prices, options, known_until, moves, quotes, claims, vol, enough }));
            }
        }
        None
    }
}

impl Claims {
    fn hold(&self, pools: &mut [Moved<'_>]) -> bool {
        let lives = |pool: &mut Moved<'_>, cell: Cell| pool.is_proved(cell, DEPTH, |(least, _)| least > 0.0);
        let dies = |pool: &mut Moved<'_>, cell: Cell| pool.is_proved(cell, DEPTH, |(_, most)| most < 0.0);
        self.alive.is_none_or(|cell| pools.iter_mut().all(|pool| lives(pool, cell)))
            && (self.dead.is_empty()
                || self.dead.iter().any(|all| all.iter().all(|cell| pools.iter_mut().any(|pool| dies(pool, *cell)))))
    }

    /// The nearest price that liquidates stays farther than `low` and nearer than `high`.
    fn of_distance((low, high): Within) -> Option<Self> {
        let mut claims = Self::default();
        if low >= 0.0 {
            let low = low + SLIP;
            claims.alive = Some(((1.0 - low).max(1.0 / REACH), (1.0 + low).min(REACH)));
        }
        if high <= NEVER {
            let high = high - SLIP;
            if high <= 0.0 {
                return None;
            }
            // One side is enough.
            let edges = [1.0 - high, 1.0 + high].into_iter().filter(|edge| (1.0 / REACH..REACH).contains(edge));
            claims.dead = edges.map(|edge| vec![dead_from(edge)]).collect();
        }
        Some(claims)
    }

    /// The probability stays over `low` and under `high`: it grows as a boundary comes nearer, and is more with either than without.
    fn of_probability(edges: Edges, path: Path, (low, high): Within) -> Option<Self> {
        let mut claims = Self::default();
        if edges.is_liquidated {
            return None;
        }
        let part = |edge: f64, share: f64| exp(ln(edge) * share);
        if high <= 1.0 {
            let cells = SHARES.into_iter().flat_map(|share| FAR.map(|far| (share, far)));
            let cell = |(share, far): (f64, f64)| {
                let below = edges.below.map_or(1.0 / far, |edge| part(edge, share));
                (below, edges.above.map_or(far, |edge| part(edge, share)))
            };
            claims.alive =
                Some(cells.map(cell).find(|cell| outside(path, *cell).is_some_and(|most| most < high - SLIP))?);
        }
        if low >= 0.0 {
            let lists = |beyond: f64| {
                let cell = |edge: Option<f64>| {
                    edge.map(|edge| part(edge, beyond)).filter(|edge| is_seen(*edge)).map(dead_from)
                };
                let (below, above) = (cell(edges.below), cell(edges.above));
                let lists = [vec![below], vec![above], vec![below, above]];
                let known = lists.into_iter().filter_map(|list| list.into_iter().collect::<Option<Vec<Cell>>>());
                let enough = |list: &Vec<Cell>| reaches(path, list).is_some_and(|least| least > low + SLIP);
                known.filter(enough).collect::<Vec<_>>()
            };
            claims.dead = BEYOND.into_iter().map(lists).find(|lists| !lists.is_empty())?;
        }
        Some(claims)
    }

    /// By how much the volatility may change, as a share, so that they still say as much of a probability.
    fn spread(&self, path: Path, (low, high): Within, vols: &[f64]) -> Option<f64> {
        let fits = |spread: &f64| {
            let (calm, wild) = (path.vol * (1.0 - spread), path.vol * (1.0 + spread));
            let (calm, wild) = (Path { vol: calm, ..path }, Path { vol: wild, ..path });
            let under = |cell| outside(wild, cell).is_some_and(|most| most < high - SLIP);
            let over = |list: &Vec<Cell>| reaches(calm, list).is_some_and(|least| least > low + SLIP);
            self.alive.map_or(high > 1.0, under) && (low < 0.0 || !self.dead.is_empty()) && self.dead.iter().all(over)
        };
        vols.iter().copied().find(fits)
    }
}

/// Whether a price is one that the search looks at.
fn is_seen(times: f64) -> bool {
    times > 1.0 / REACH && times < REACH
}

/// The probability that a path leaves a corridor, beyond whose ends it may be liquidated; beyond the end of the search nothing is.
fn outside(path: Path, (below, above): Cell) -> Option<f64> {
    path.touches(Some(below).filter(|end| is_seen(*end)), Some(above).filter(|end| is_seen(*end))).ok()
}

/// The probability that a path reaches what is dead: under the present all of a cell up to its higher end, over it from the lower on.
fn reaches(path: Path, cells: &[Cell]) -> Option<f64> {
    let below = cells.iter().find(|cell| cell.1 < 1.0).map(|cell| cell.1);
    let above = cells.iter().find(|cell| cell.0 > 1.0).map(|cell| cell.0);
    path.touches(below, above).ok()
}

/// From an edge to where the search, whose steps grow by three quarters, has looked for certain: it cannot miss what is dead until there.
fn dead_from(edge: f64) -> Cell {
    let far = ln(edge).abs() * 1.76 + 0.005;
    if edge < 1.0 { (exp(-far).max(1.0 / REACH), edge) } else { (edge, exp(far).min(REACH)) }
}

/// What options need at one price.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// As a multiple of the present one.
    at: f64,
    /// Least and most while the corridor stands.
    calls: (f64, f64),
    puts: (f64, f64),
}

/// Options of one expiry, moved together.
#[derive(Debug, Clone)]
struct Group {
    forward: f64,
    expiry: Timestamp,
    /// From now until the corridor ends.
    years: (f64, f64),
    range: Range<usize>,
}

/// An option that needs margin.
#[derive(Debug, Clone)]
struct Sold {
    /// In the pool.
    row: usize,
    right: OptionRight,
    mark: f64,
    /// In coin, at the end and at the beginning of that time.
    model: (f64, f64),
}

/// What a pool's options need over prices of the coin.
#[derive(Debug, Clone, Default)]
struct Options {
    batch: Batch,
    groups: Vec<Group>,
    sold: Vec<Sold>,
    /// In the order of their prices.
    nodes: Vec<Node>,
    /// What options of other coins need.
    still: f64,
    /// Everything that goes into the sums, for their rounding.
    all: f64,
    early: Vec<f64>,
    late: Vec<f64>,
}

impl Options {
    fn of_pools(risk: &AccountRisk, engine: &Engine, at: usize, base: Currency) -> Option<(Vec<Self>, Timestamp)> {
        let pools = &risk.held[at].pools;
        let is_sold = |row: &&Row| row.is_option && row.qty.signum() < 0;
        let of = |row: &Row| &engine.catalogue.instruments[row.instrument];
        let own = || pools.iter().flat_map(|pool| &pool.rows).filter(is_sold).filter(|row| of(row).base == base);
        let lives = own().filter_map(|row| of(row).kind.expiry()).map(|expiry| expiry.since(engine.now).nanos());
        let lasts = margins::lasts(lives);
        if lasts <= Duration::ZERO {
            return None;
        }
        let mut all = Vec::new();
        for pool in pools {
            let mut options = Self::default();
            for (row, held) in pool.rows.iter().enumerate().filter(|(_, row)| is_sold(row)) {
                if of(held).base == base {
                    options.push(engine, row, held, lasts.nanos())?;
                } else {
                    options.still += held.maintenance.approximate();
                }
                options.all += 2.0 * held.maintenance.approximate() + held.qty.abs().approximate();
            }
            options.model()?;
            all.push(options);
        }
        Some((all, engine.now + lasts))
    }

    fn push(&mut self, engine: &Engine, row: usize, held: &Row, lasts: i64) -> Option<()> {
        let kind = engine.catalogue.instruments[held.instrument].kind;
        // What is worth a share of the coin: of what pays in dollars a call needs more as the price falls, too.
        if !matches!(kind, InstrumentKind::InverseOption { .. }) {
            return None;
        }
        let ((strike, right), expiry, id) = (kind.option()?, kind.expiry()?, InstrumentId(held.instrument as u32));
        let chain = engine.structures.chains.chain_of(id)?;
        // Between smiles a volatility changes with the time.
        if !engine.surfaces.of(chain)?.has_smile(expiry) {
            return None;
        }
        let (point, forward) = point(engine, id)?;
        let years = |less: i64| (expiry.since(engine.now).nanos() - less) as f64 / YEAR;
        let years = (years(0), years(lasts));
        let inputs = Inputs { forward, strike: strike.approximate(), years: years.0, vol: point.vol, discount: 1.0 };
        let at = self.batch.len();
        self.batch.push(&EuropeanOption::new(right, inputs).ok()?);
        match self.groups.last_mut() {
            Some(known) if known.forward == forward && known.expiry == expiry => known.range.end += 1,
            _ => self.groups.push(Group { forward, expiry, years, range: at..at + 1 }),
        }
        self.sold.push(Sold { row, right, mark: held.mark.approximate(), model: (0.0, 0.0) });
        Some(())
    }

    /// Prices at a multiple of the present price, at both ends of the time.
    fn price(&mut self, times: f64) -> Option<()> {
        let Self { batch, groups, early, late, .. } = self;
        for group in groups.iter() {
            batch.set_forward(group.range.clone(), group.forward * times).ok()?;
        }
        for (years, prices) in [(0, early), (1, late)] {
            for group in groups.iter() {
                let years = if years == 0 { group.years.0 } else { group.years.1 };
                batch.set_years(group.range.clone(), years).ok()?;
            }
            batch.prices(Simd::best(), prices);
        }
        Some(())
    }

    fn model(&mut self) -> Option<()> {
        self.price(1.0)?;
        let Self { groups, sold, early, late, .. } = self;
        for group in groups.iter() {
            for at in group.range.clone() {
                sold[at].model = (late[at] / group.forward, early[at] / group.forward);
            }
        }
        Some(())
    }

    fn node(&mut self, pool: &Pool, times: f64) -> Option<Node> {
        let place = match self.nodes.binary_search_by(|node| node.at.total_cmp(&times)) {
            Ok(known) => return self.nodes.get(known).copied(),
            Err(place) => place,
        };
        let mut node = Node { at: times, calls: (0.0, 0.0), puts: (0.0, 0.0) };
        if !self.sold.is_empty() {
            self.price(times)?;
        }
        for group in &self.groups {
            let forward = group.forward * times;
            for at in group.range.clone() {
                let Sold { row, right, mark, model } = &self.sold[at];
                let row = &pool.rows[*row];
                let needed = |mark: f64| row.rule.maintenance_estimate(row.qty.approximate(), mark.max(0.0));
                let least = needed(mark + (self.late[at] / forward - model.1));
                let most = needed(mark + (self.early[at] / forward - model.0));
                let sum = if *right == OptionRight::Call { &mut node.calls } else { &mut node.puts };
                *sum = (sum.0 + least, sum.1 + most);
            }
        }
        self.nodes.insert(place, node);
        Some(node)
    }
}

/// A future or perpetual over a box.
struct Future<'a> {
    row: &'a Row,
    contract: Contract,
    qty: f64,
    mark: f64,
    marks: (f64, f64),
    /// It moves with the corridor.
    is_own: bool,
}

impl Future<'_> {
    /// Least and most of its profit since now, and of what it needs.
    fn over(&self, (a, b): Cell) -> (Cell, Cell) {
        let Self { qty, mark, .. } = *self;
        let (low, high) = self.marks;
        let marks = if self.is_own { (low * a, high * b) } else { (low, high) };
        let profit = |to: f64| match self.contract {
            Contract::Linear => qty * (to - mark),
            Contract::Inverse => qty * (1.0 / mark - 1.0 / to),
        };
        let needed = |mark: f64| self.row.rule.maintenance_estimate(qty, mark);
        let sorted = |a: f64, b: f64| (a.min(b), a.max(b));
        let profits = sorted(profit(marks.0), profit(marks.1));
        (profits, sorted(needed(marks.0), needed(marks.1)))
    }
}

fn futures<'a>(
    sides: &mut Sides<'a>,
    (at, base): (usize, Currency),
    pool: &'a Pool,
    account: &Account,
) -> Option<Vec<Future<'a>>> {
    let of = |row: &'a Row| {
        let (low, high) = sides.mark(at, row.instrument)?;
        // A size beyond the venue's last tier is refused somewhere in the box.
        for mark in [low, high] {
            row.rule.margins(row.qty, mark, None, 0).ok()?;
        }
        Some(Future {
            row,
            contract: account.contract(row.instrument),
            qty: row.qty.approximate(),
            mark: row.mark.approximate(),
            marks: (low.approximate(), high.approximate()),
            is_own: row.base == base,
        })
    };
    pool.futures().map(of).collect()
}

/// A pool over a box.
struct Moved<'a> {
    options: &'a mut Options,
    futures: Vec<Future<'a>>,
    pool: &'a Pool,
    equity: f64,
}

impl Moved<'_> {
    /// Between what equity less maintenance margin lies in a cell. `None`: it cannot be told.
    fn between(&mut self, (a, b): Cell) -> Option<(f64, f64)> {
        let (mut least, mut most, mut all) = (self.equity, self.equity, self.equity.abs());
        for future in &self.futures {
            let (profit, needed) = future.over((a, b));
            (least, most) = (least + profit.0 - needed.1, most + profit.1 - needed.0);
            all += profit.0.abs() + profit.1.abs() + needed.1;
        }
        let (low, high) = (self.options.node(self.pool, a)?, self.options.node(self.pool, b)?);
        least -= high.calls.1 + low.puts.1 + self.options.still;
        most -= low.calls.0 + high.puts.0 + self.options.still;
        all += high.calls.1 + low.puts.1 + self.options.all;
        let found = (least - ROUNDING * all, most + ROUNDING * all);
        (found.0.is_finite() && found.1.is_finite()).then_some(found)
    }

    fn is_proved(&mut self, cell: Cell, depth: u32, fits: fn((f64, f64)) -> bool) -> bool {
        if self.between(cell).is_some_and(fits) {
            return true;
        }
        if depth == 0 || self.options.nodes.len() >= NODES_MAX {
            return false;
        }
        let middle = sqrt(cell.0 * cell.1);
        // Where it does not hold at a place, it does not around it.
        self.between((middle, middle)).is_some_and(fits)
            && self.is_proved((cell.0, middle), depth - 1, fits)
            && self.is_proved((middle, cell.1), depth - 1, fits)
    }
}
