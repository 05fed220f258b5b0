//! A coin-settled perpetual through the whole path: the demo's market, quoted in dollars and owed in coin.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use backtest::{PolicyFile, Request, Run, demo, run, verify};
use market::InstrumentKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tape::{TapeHeader, TapeReader, TapeWriter};
use units::{Cash, Contract, Qty, Timestamp};

/// The demo's tapes with another kind of contract: of coin-settled ones one is one dollar, ten at least.
fn tapes(kind: InstrumentKind, folder: &Path) -> Vec<PathBuf> {
    let rewritten = |path: PathBuf| {
        let mut reader = TapeReader::open(&path).unwrap();
        let mut catalogue = reader.catalogue().clone();
        for instrument in &mut catalogue.instruments {
            instrument.kind = kind;
            if kind == InstrumentKind::Spot {
                continue;
            }
            (instrument.quote, instrument.settle) = ("USD".parse().unwrap(), "BTC".parse().unwrap());
            (instrument.lot, instrument.min_qty) = ("1".parse().unwrap(), "10".parse().unwrap());
        }
        let to = folder.join(format!("inverse-{}", path.file_name().unwrap().to_string_lossy()));
        let header = TapeHeader { catalogue, provenance: reader.info().provenance.clone() };
        let mut writer = TapeWriter::create(&to, &header).unwrap();
        while let Some((at, event)) = reader.next().unwrap() {
            writer.push(at, at, &event).unwrap();
        }
        writer.finish().unwrap();
        to
    };
    demo::market(7, folder).unwrap().into_iter().map(rewritten).collect()
}

/// The demo's policy with ten coins.
fn request(tapes: Vec<PathBuf>) -> Request {
    let is_own = |line: &&str| !line.starts_with("deposit") && !line.starts_with("min_order");
    let lines: Vec<&str> = demo::POLICY.lines().filter(is_own).collect();
    let policy_text = lines.join("\n").replace("[backtest]", "[backtest]\ndeposit = 10");
    Request { policies: vec![PolicyFile::new("demo.toml", policy_text)], tapes, program: "test".into(), seed: Some(7) }
}

fn done(folder: &Path) -> Run {
    let tapes = tapes(InstrumentKind::InversePerpetual, folder);
    run(&request(tapes), &mut |_| ControlFlow::Continue(())).unwrap()
}

/// As docs/run-folder.md tells a stranger.
#[test]
fn equity_is_recomputed_from_the_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = done(folder.path());
    assert!(run.tables.fills.len() > 20, "{} fills", run.tables.fills.len());
    assert_eq!((run.record.residual.as_str(), run.record.triggers.unexplained), ("0", 0));
    let until = |time: Timestamp, at: Timestamp| at <= time;
    for (row, held) in run.tables.equity.iter().zip(&run.tables.positions).step_by(97) {
        assert_eq!(row.time, held.time);
        let mut equity: Cash = "10".parse().unwrap();
        let mut position = Qty::ZERO;
        for fill in run.tables.fills.iter().filter(|fill| until(row.time, fill.time)) {
            let signed = if fill.side == "sell" { -fill.quantity } else { fill.quantity };
            position += signed;
            equity = equity - Contract::Inverse.value(fill.price, signed).cash() - fill.fee;
        }
        equity += run.tables.funding.iter().filter(|paid| until(row.time, paid.time)).map(|paid| paid.amount).sum();
        equity += Contract::Inverse.value(held.mark, position).cash();
        assert_eq!((equity, position), (row.equity, held.position), "at {}", row.time);
    }
}

#[test]
fn sizes_and_limits_are_in_coin() {
    let folder = tempfile::tempdir().unwrap();
    let run = done(folder.path());
    let limit = run.policy().caps.leverage.as_ref().unwrap().limit.declared().unwrap().get();
    let most = run.tables.equity.iter().map(|row| row.exposure.abs()).fold(0.0, f64::max);
    assert!(most > 0.2 && most < limit * 1.1, "{most} x equity, limit {limit}");
    assert!(run.tables.fills.iter().all(|fill| fill.quantity.raw() % Qty::ONE == 0 && fill.currency == "BTC"));
    assert!(run.tables.campaigns.iter().filter(|campaign| campaign.r.is_some()).count() > 3);
    let out = folder.path().join("run");
    run.write(&out, false).unwrap();
    assert_eq!(verify(&out, &mut |_| ControlFlow::Continue(())).unwrap().difference, None);
}

#[test]
fn a_dated_future_is_settled_and_nothing_follows() {
    let folder = tempfile::tempdir().unwrap();
    let whole = done(folder.path());
    let rows = &whole.tables.positions;
    let expiry = rows[rows.len() / 2..].iter().find(|row| !row.position.is_zero()).unwrap().time;
    let folder = tempfile::tempdir().unwrap();
    let kind = InstrumentKind::InverseFuture { expiry };
    let run = run(&request(tapes(kind, folder.path())), &mut |_| ControlFlow::Continue(())).unwrap();
    let last = run.tables.fills.last().unwrap();
    assert_eq!((last.purpose.as_str(), last.time), ("settlement", expiry));
    assert_eq!(run.tables.campaigns.last().unwrap().ended_by, "settlement");
    let (after, rejected) = (run.tables.positions.iter().filter(|row| row.time > expiry), run.record.rejected);
    assert!(after.clone().count() > 100 && after.into_iter().all(|row| row.position.is_zero() && row.stop.is_none()));
    assert_eq!((run.record.residual.as_str(), run.record.triggers.unexplained, rejected), ("0", 0, 0));
}

#[test]
fn spot_is_paid_in_full_and_never_short() {
    let folder = tempfile::tempdir().unwrap();
    let policies = vec![PolicyFile::new("demo.toml", demo::POLICY)];
    let tapes = tapes(InstrumentKind::Spot, folder.path());
    let request = Request { policies, ..request(tapes) };
    let run = run(&request, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(run.tables.fills.len() > 10 && run.tables.positions.iter().all(|row| row.position.raw() >= 0));
    let most = run.tables.equity.iter().map(|row| row.exposure).fold(0.0, f64::max);
    assert!(most > 0.2 && most <= 1.0, "{most} x equity");
    assert_eq!((run.record.residual.as_str(), run.record.rejected), ("0", 0));
    assert!(run.tables.plans.iter().any(|row| row.rule == "spot" && row.outcome == "cut"));
}
