//! Where an account stops being able to bear what it holds, as the price of one coin moves and nothing else does.

use super::margins::{Pool, Row};
use super::portfolio::point;
use super::{RiskRefusal, YEAR};
use crate::engine::Engine;
use market::{Account, Currency, Position};
use pricing::options::{Batch, EuropeanOption, Inputs, Simd};
use risk::liquidation::{Search, boundaries};
use risk::venues::{MarginError, Place, refused};
use std::ops::Range;
use units::{Cash, Contract, Duration, InstrumentId};

/// What is looked at: prices from a thousandth to a thousandfold of the present one.
pub(super) const REACH: f64 = 1_000.0;
/// Before its expiry, an option's value bends so much at the strike that the search looks there in any case.
const KINKED: Duration = Duration::from_nanos(2 * Duration::DAY.nanos());

/// The nearest prices at which an account is liquidated, as multiples of the present price of a coin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Edges {
    /// It is liquidated where it is.
    pub(super) is_liquidated: bool,
    /// Under 1.
    pub(super) below: Option<f64>,
    /// Over 1.
    pub(super) above: Option<f64>,
}

/// An option of the coin in the search.
struct Moved<'a> {
    row: &'a Row,
    mark: f64,
    /// What the model makes of it now: it moves the mark by what it changes.
    model: f64,
}

impl Edges {
    /// The nearer of both on each side.
    pub(super) fn nearer(self, other: Self) -> Self {
        let pick = |a: Option<f64>, b: Option<f64>, of: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(of(a, b)),
            (a, b) => a.or(b),
        };
        Self {
            is_liquidated: self.is_liquidated || other.is_liquidated,
            below: pick(self.below, other.below, f64::max),
            above: pick(self.above, other.above, f64::min),
        }
    }

    /// How far the nearer one is, as a fraction of the price. `None`: there is none.
    pub(super) fn distance(self) -> Option<f64> {
        if self.is_liquidated {
            return Some(0.0);
        }
        let (below, above) = (self.below.map(|below| 1.0 - below), self.above.map(|above| above - 1.0));
        [below, above].into_iter().flatten().reduce(f64::min)
    }

    /// Of what settles in one currency. All contracts on the coin move with it in proportion; its options are priced again, each at its
    /// own volatility and forward, and their marks move by what that changes.
    pub(super) fn of(engine: &Engine, account: &Account, pool: &Pool, base: Currency) -> Result<Self, RiskRefusal> {
        let on = |row: &&Row| engine.catalogue.instruments[row.instrument].base == base;
        let (equity, maintenance) = (pool.equity(account), pool.maintenance);
        if equity < maintenance {
            return Ok(Self { is_liquidated: true, ..Self::default() });
        }
        let mut rows = pool.rows.iter().filter(on);
        let Some(first) = rows.next() else { return Ok(Self::default()) };
        if let (None, Some(tiers)) = (rows.next(), first.rule.tiers()) {
            return Ok(Self::exact(account, first, (equity, maintenance), tiers));
        }
        let rows: Vec<&Row> = pool.rows.iter().filter(on).collect();
        let own: Cash = rows.iter().map(|row| row.maintenance).sum();
        let fixed = (equity - (maintenance - own)).approximate();
        let (mut batch, mut moved, mut groups) = (Batch::default(), Vec::new(), Vec::<(f64, Range<usize>)>::new());
        let mut kinks = Vec::new();
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| row.is_option) {
            let of = &engine.catalogue.instruments[row.instrument];
            let (Some((strike, right)), Some(expiry)) = (of.kind.option(), of.kind.expiry()) else { continue };
            let id = InstrumentId(row.instrument as u32);
            let no_vol = || MarginError::NoVol { row: number, symbol: of.symbol.clone() };
            let (point, forward) = point(engine, id).ok_or_else(no_vol)?;
            let (strike, left) = (strike.approximate(), expiry.since(engine.now));
            let years = left.nanos().max(0) as f64 / YEAR;
            let inputs = Inputs { forward, strike, years, vol: point.vol, discount: 1.0 };
            let option = EuropeanOption::new(right, inputs);
            let option = option.map_err(|refusal| refused(Place::Position(number), &of.symbol, refusal))?;
            match groups.last_mut() {
                Some((known, range)) if *known == forward => range.end += 1,
                _ => groups.push((forward, batch.len()..batch.len() + 1)),
            }
            if left < KINKED {
                kinks.push(strike / forward);
            }
            batch.push(&option);
            moved.push(Moved { row, mark: row.mark.approximate(), model: 0.0 });
        }
        let (simd, mut prices) = (Simd::best(), Vec::new());
        batch.prices(simd, &mut prices);
        for (forward, range) in &groups {
            for at in range.clone() {
                moved[at].model = prices[at] / forward;
            }
        }
        let others: Vec<&Row> = rows.iter().copied().filter(|row| !row.is_option).collect();
        let slack = |times: f64| {
            let mut left = fixed;
            for row in &others {
                let (qty, mark) = (row.qty.approximate(), row.mark.approximate());
                left += match account.contract(row.instrument) {
                    Contract::Linear => qty * mark * (times - 1.0),
                    Contract::Inverse => qty / mark * (1.0 - 1.0 / times),
                };
                left -= row.rule.maintenance_estimate(qty, mark * times);
            }
            for (forward, range) in &groups {
                // A forward out of range makes no price, and the search says so.
                if batch.set_forward(range.clone(), forward * times).is_err() {
                    return f64::NAN;
                }
            }
            batch.prices(simd, &mut prices);
            for (forward, range) in &groups {
                let unit = 1.0 / (forward * times);
                for at in range.clone() {
                    let Moved { row, mark, model } = &moved[at];
                    let mark = (mark + (prices[at] * unit - model)).max(0.0);
                    left -= row.rule.maintenance_estimate(row.qty.approximate(), mark);
                }
            }
            left
        };
        let search = Search { from: 1.0, lowest: 1.0 / REACH, highest: REACH, kinks: &kinks };
        let found = boundaries(&search, slack).map_err(RiskRefusal::Boundaries)?;
        Ok(Self {
            is_liquidated: found.is_liquidated(),
            below: found.below.map(|boundary| boundary.dead.0),
            above: found.above.map(|boundary| boundary.dead.0),
        })
    }

    /// Of one position margined by tiers: the venue's own price of liquidation, to its last digit.
    fn exact(account: &Account, row: &Row, (equity, maintenance): (Cash, Cash), tiers: &risk::TierTable) -> Self {
        let (contract, held) = (account.contract(row.instrument), account.position(row.instrument));
        // Less than is held is carried at its mark: what was made with the rest is in the balance.
        let at_mark = || Position { qty: row.qty, cost: contract.value(row.mark, row.qty) };
        let position = if held.qty == row.qty { held } else { at_mark() };
        let others = equity - position.profit(contract, row.mark) - (maintenance - row.maintenance);
        let edge = risk::liquidation_price(contract, position, others, tiers);
        let times = edge.map(|edge| edge.approximate() / row.mark.approximate());
        let times = times.filter(|times| (1.0 / REACH..=REACH).contains(times));
        let (below, above) = if position.qty.signum() > 0 { (times, None) } else { (None, times) };
        Self { is_liquidated: false, below, above }
    }
}
