//! How near a run came to each limit of its policy, from the rows of its folder.

use super::traded::Book;
use crate::bars::BarRow;
use crate::records::PlanRow;
use crate::report::{Headroom, LimitCut};
use crate::run::Run;
use market::Currency;
use policy::spec::{Breached, FloorOf, LeverageLimit, SizeKind};
use risk::{Size, TierTable};
use units::show::{self, Style};
use units::{Contract, Price};

/// One entry a declared limit, hard limits first.
pub(super) fn of(run: &Run, book: &Book<'_>, rows: &[BarRow<'_>]) -> Vec<Headroom> {
    let caps = &run.policy().caps;
    let each = |left: &dyn Fn(&BarRow<'_>) -> Option<f64>| each(rows, left);
    let drawdown = caps.drawdown.last().map(|last| {
        let levels = caps.drawdown.iter().rev().skip(1).rev();
        let words = caps.drawdown.iter().map(|level| format!("{} %", percent(level.at.get())));
        Headroom {
            name: "drawdown cap".to_owned(),
            limit: words.collect::<Vec<_>>().join(", "),
            left: each(&|row| Some(1.0 - row.drawdown.abs() / last.at.get())),
            levels: levels.map(|level| 1.0 - level.at.get() / last.at.get()).collect(),
            cuts: cuts(run, book, "drawdown_cap"),
        }
    });
    // What a limit was that is reckoned is told by the plans in which it cut.
    let leverage = caps.leverage.as_ref().and_then(LeverageLimit::declared).map(|cap| Headroom {
        name: "leverage cap".to_owned(),
        limit: format!("{} × equity", show::ratio(cap.limit.get(), Style::Page)),
        left: each(&|row| Some(1.0 - row.gross / cap.limit.get())),
        levels: vec![1.0 - cap.restore.get() / cap.limit.get()],
        cuts: cuts(run, book, "leverage_cap"),
    });
    let distance = caps.liquidation_distance.map(|distance| {
        let instrument = run.record.instrument();
        let contract = instrument.contract();
        let [base, settle] = [&instrument.base, &instrument.settle].map(|code| code.parse().unwrap_or(Currency::USD));
        let tiers = risk::venues::tiers_of(&instrument.symbol, contract, (base, settle));
        Headroom {
            name: "liquidation distance".to_owned(),
            limit: format!("{} % beyond the stop", percent(distance.get())),
            left: each(&|row| margin_left(row, distance.get(), &tiers, contract)),
            levels: Vec::new(),
            cuts: cuts(run, book, "liquidation_distance"),
        }
    });
    // Of its last change, which rows tell: what it lets be held follows equity from price to price.
    let floor = run.policy().floor.map(|floor| Headroom {
        name: "floor".to_owned(),
        limit: format!(
            "{} × what is above {} % of {}",
            show::ratio(floor.multiplier.get(), Style::Page),
            percent(floor.share.get()),
            if floor.of == FloorOf::Highest { "the highest equity" } else { "deposits" },
        ),
        left: vec![None; rows.len()],
        levels: Vec::new(),
        cuts: cuts(run, book, "floor"),
    });
    // What is usually traded is no column of rows either.
    let measure = if caps.depth.is_empty() { "volume" } else { "depth" };
    let participation =
        caps.participation.map(|cap| (cap.exit, format!("{} % of {measure}", percent(cap.share.get()))));
    let exit_time = participation.as_ref().and_then(|(exit, share)| {
        Some(Headroom {
            name: "exit time".to_owned(),
            limit: format!("{} at {share}", (*exit)?.limit),
            left: vec![None; rows.len()],
            levels: Vec::new(),
            cuts: cuts(run, book, "exit_time_cap"),
        })
    });
    let participation = participation.map(|(_, share)| Headroom {
        name: "participation".to_owned(),
        limit: share,
        left: vec![None; rows.len()],
        levels: Vec::new(),
        cuts: Vec::new(),
    });
    let caps =
        [drawdown, leverage, floor, distance, exit_time, participation, exposure_cap(run, rows)].into_iter().flatten();
    caps.chain(fact_limits(run, book, rows.len())).collect()
}

/// Limits on facts. What these were is told by the plans in which they cut, and not recorded between.
fn fact_limits(run: &Run, book: &Book<'_>, rows: usize) -> Vec<Headroom> {
    let limits = run.policy().limits.iter().enumerate();
    limits
        .map(|(index, limit)| {
            let name = limit.name.map_or_else(|| (index + 1).to_string(), |name| name.to_string());
            let said = format!("limit {name}: ");
            let side = if limit.breached == Breached::Over { "at most" } else { "at least" };
            let own = |row: &PlanRow| row.rule == "limit" && row.because.starts_with(&said);
            Headroom {
                name: format!("limit {name}"),
                limit: format!("{} {side} {}", limit.of, limit.limit),
                left: vec![None; rows],
                levels: Vec::new(),
                cuts: cuts_where(run, book, own),
            }
        })
        .collect()
}

/// The sizing rule's own ceiling: what it would ask for without it, against it.
fn exposure_cap(run: &Run, rows: &[BarRow<'_>]) -> Option<Headroom> {
    let SizeKind::VolatilityTarget { target, volatility_floor, exposure_cap: Some(cap), .. } = &run.policy().size.kind
    else {
        return None;
    };
    let (target, cap) = (target.declared()?, cap.declared()?);
    let floor = volatility_floor.map_or(0.0, units::Vol::get);
    let left = |row: &BarRow<'_>| Some((1.0 - target.get() / row.volatility?.max(floor) / cap.get()).max(0.0));
    Some(Headroom {
        name: "exposure cap".to_owned(),
        limit: format!("{} × equity", show::ratio(cap.get(), Style::Page)),
        left: each(rows, &left),
        levels: Vec::new(),
        cuts: Vec::new(),
    })
}

fn each(rows: &[BarRow<'_>], left: &dyn Fn(&BarRow<'_>) -> Option<f64>) -> Vec<Option<f64>> {
    rows.iter().map(|row| left(row).filter(|left| left.is_finite())).collect()
}

fn percent(fraction: f64) -> String {
    show::percent(fraction, 1, Style::Page)
}

/// The share of equity above maintenance margin at the guarded price beyond the stop. None while flat.
fn margin_left(row: &BarRow<'_>, distance: f64, tiers: &TierTable, contract: Contract) -> Option<f64> {
    if row.position.is_zero() {
        return None;
    }
    let beyond = if row.position.signum() >= 0 { 1.0 - distance } else { 1.0 + distance };
    let stop = row.stop.unwrap_or(row.mark);
    let guarded = Price::from_estimate(stop.approximate() * beyond, units::Round::TowardZero)?;
    let there = (row.equity + contract.profit(row.position, row.mark, guarded)).approximate();
    let margin = tiers.maintenance_margin(Size::at(contract, guarded, row.position)).approximate();
    Some(if there > 0.0 { 1.0 - margin / there } else { 0.0 })
}

/// Decisions in which a rule lowered the target.
fn cuts(run: &Run, book: &Book<'_>, rule: &str) -> Vec<LimitCut> {
    cuts_where(run, book, |row| row.rule == rule)
}

fn cuts_where(run: &Run, book: &Book<'_>, is_of: impl Fn(&PlanRow) -> bool) -> Vec<LimitCut> {
    let cut = |row: &&PlanRow| row.outcome == "cut" && is_of(row);
    let rows = run.tables.plans.iter().filter(cut);
    rows.map(|row| LimitCut {
        time: row.time.nanos(),
        instrument: book.instrument(&row.instrument),
        quantity: (row.before.approximate() - row.after.approximate()).abs(),
        exposure: book.exposure_cut(row),
        plan: row.plan,
    })
    .collect()
}
