//! Rows of Greeks and surfaces as a page shows them.

use crate::records::{GreekRow, SmileRow, SurfaceRow};
use crate::report::{GreekCell, GreekPart, GreekPath, SmileCurve, SurfacePath};
use crate::surface::QuoteView;
use units::Timestamp;

/// By underlying.
pub(super) fn paths(rows: &[GreekRow]) -> Vec<GreekPath> {
    let mut paths: Vec<GreekPath> = Vec::new();
    for row in rows {
        let at = paths.iter().position(|path| row.underlying == *path.underlying).unwrap_or_else(|| {
            paths.push(GreekPath { underlying: row.underlying.to_string(), ..GreekPath::default() });
            paths.len() - 1
        });
        let path = &mut paths[at];
        if let (Some(expiry), Some(strike)) = (row.expiry, row.strike) {
            path.cells.push(GreekCell { expiry: expiry.nanos(), strike: strike.approximate(), ..cell(row) });
            continue;
        }
        let is_strategy = !row.strategy.is_empty();
        if is_strategy || !row.venue.is_empty() {
            let name = if is_strategy { &row.strategy } else { &row.venue };
            path.parts.push(GreekPart { name: name.to_string(), is_strategy, sums: cell(row) });
            continue;
        }
        path.unpriced += u64::from(row.unpriced > 0);
        if row.unpriced >= row.options {
            continue;
        }
        path.time.push(row.time.nanos());
        path.price.push(row.price);
        path.options.push(row.options);
        path.delta.push(row.delta);
        path.skew_delta.push(row.skew_delta);
        path.premium.push(row.premium);
        path.hedge.push(row.hedge);
        path.cash_gamma.push(row.cash_gamma);
        path.vega.push(row.vega);
        path.theta.push(row.theta);
    }
    // Where nothing ever had a volatility there is nothing to draw.
    paths.retain(|path| !path.time.is_empty());
    paths
}

fn cell(row: &GreekRow) -> GreekCell {
    GreekCell {
        time: row.time.nanos(),
        expiry: 0,
        strike: 0.0,
        options: row.options,
        delta: row.delta,
        skew_delta: row.skew_delta,
        premium: row.premium,
        hedge: row.hedge,
        cash_gamma: row.cash_gamma,
        vega: row.vega,
        theta: row.theta,
    }
}

/// By chain.
pub(super) fn surfaces(rows: &[SurfaceRow], smiles: &[SmileRow]) -> Vec<SurfacePath> {
    let mut paths: Vec<SurfacePath> = Vec::new();
    for row in rows {
        let is_its = |path: &SurfacePath| {
            row.venue == *path.venue && row.underlying == *path.underlying && row.settle == *path.settle
        };
        let at = paths.iter().position(is_its).unwrap_or_else(|| {
            let own = |smile: &&SmileRow| {
                (&smile.venue, &smile.underlying, &smile.settle) == (&row.venue, &row.underlying, &row.settle)
            };
            let own: Vec<&SmileRow> = smiles.iter().filter(own).collect();
            paths.push(SurfacePath {
                venue: row.venue.to_string(),
                underlying: row.underlying.to_string(),
                settle: row.settle.to_string(),
                smiles_at: own.first().map_or(0, |smile| smile.time.nanos()),
                smiles: own.chunk_by(|a, b| a.expiry == b.expiry).map(curve).collect(),
                ..SurfacePath::default()
            });
            paths.len() - 1
        });
        let path = &mut paths[at];
        path.time.push(row.time.nanos());
        path.atm_7d.push(row.atm_7d);
        path.atm_30d.push(row.atm_30d);
        path.atm_90d.push(row.atm_90d);
        path.risk_reversal_30d.push(row.risk_reversal_30d);
        path.butterfly_30d.push(row.butterfly_30d);
    }
    paths
}

fn curve(rows: &[&SmileRow]) -> SmileCurve {
    let quote = |row: &&SmileRow| QuoteView {
        log_moneyness: row.log_moneyness,
        bid: row.bid,
        mid: row.mid,
        ask: row.ask,
        fitted: row.fitted,
    };
    SmileCurve {
        expiry: rows.first().map_or(Timestamp::MIN, |row| row.expiry).nanos(),
        forward: rows.first().map_or(0.0, |row| row.forward),
        quotes: rows.iter().map(quote).collect(),
    }
}
