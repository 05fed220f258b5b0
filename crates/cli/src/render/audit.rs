//! What an audit found.

use super::wrap;
use crate::terminal::{ERROR, Terminal};
use backtest::audit::{Audit, CapWorst, CheckCount, Finding, TimeIn};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use units::show::{self, Style};

const STYLE: Style = Style::Terminal;

/// One line a finding for programs, and one of all figures.
#[derive(Serialize)]
struct Line<'a> {
    run: &'a Path,
    check: &'a str,
    table: &'a str,
    row: Option<u64>,
    time: Option<String>,
    order: Option<&'a str>,
    plan: Option<u64>,
    finding: &'a str,
}

pub(crate) fn show(audit: &Audit, run: &Path, terminal: &Terminal) {
    for finding in &audit.findings {
        let Finding { check, table, row, time, order, plan, text } = finding;
        let time = time.map(|time| time.to_string());
        let (order, finding) = (order.as_deref(), text.as_str());
        terminal.json("audit_finding", &Line { run, check, table, row: *row, time, order, plan: *plan, finding });
    }
    terminal.json("audit", &figures(audit, run));
    terminal.result(triggers_told(audit, terminal.width()));
    for line in figures_told(audit) {
        terminal.result(wrap(&line, terminal.width(), 4));
    }
    if terminal.is_verbose() {
        for check in &audit.checks {
            let (made, failed) = (show::count(check.made, STYLE), show::count(check.failed, STYLE));
            terminal.result(format_args!("  {:<18} {made:>12} checked   {failed:>6} failed", check.check));
        }
    }
    for sentence in &audit.unchecked {
        terminal.result(wrap(&format!("  not checked: {sentence}"), terminal.width(), 4));
    }
    for finding in &audit.findings {
        terminal.product(wrap(&told(finding), terminal.width(), 4));
    }
    let failed = audit.failed();
    let more = failed.saturating_sub(audit.findings.len() as u64);
    if more > 0 {
        terminal.product(format_args!("  and {} more of these checks", show::count(more, STYLE)));
    }
    if failed == 0 {
        let made: u64 = audit.checks.iter().map(|check| check.made).sum();
        terminal.result(format_args!("  ok        {} checks of {}", show::count(made, STYLE), run.display()));
    } else {
        let (failed, s) = (show::count(failed, STYLE), if failed == 1 { "" } else { "s" });
        terminal.product(format_args!(
            "  {ERROR}failed{ERROR:#}    {failed} finding{s}; docs/audit.md says what each check means"
        ));
    }
}

/// Where, what is there, what was expected.
fn told(finding: &Finding) -> String {
    let Finding { check, table, row, time, order, plan, text } = finding;
    let mut place = vec![table.clone()];
    place.extend(row.map(|row| format!("row {row}")));
    place.extend(time.map(|time| time.to_string()));
    place.extend(order.as_ref().map(|order| format!("order {order}")));
    place.extend(plan.map(|plan| format!("plan {plan}")));
    format!("  {check}   {}: {text}", place.join(" · "))
}

/// What the market crossed, and what became of it.
fn triggers_told(audit: &Audit, width: usize) -> String {
    let triggers = &audit.triggers;
    let [crossed, acted, refusals, unexplained] =
        [triggers.crossed(), triggers.acted, triggers.refusals(), triggers.unexplained].map(count);
    let refused: Vec<String> =
        triggers.refused.iter().map(|(rule, times)| format!("{rule} {}", count(*times))).collect();
    let refused = if refused.is_empty() { String::new() } else { format!(" ({})", refused.join(", ")) };
    let told = wrap(&format!("  triggers crossed {crossed} = acted {acted} + refused {refusals}{refused}"), width, 4);
    let last = told.lines().last().map_or(0, |line| line.chars().count());
    let rest = format!("unexplained {unexplained}");
    let gap = if last + 4 + rest.len() <= width { "    " } else { "\n    " };
    format!("{told}{gap}{rest}")
}

fn count(number: u64) -> String {
    show::count(number, STYLE)
}

fn figures_told(audit: &Audit) -> Vec<String> {
    let mut lines = Vec::new();
    let hand = audit.overrides;
    let changes = hand.fills + hand.losers_held;
    lines.push(if changes == 0 {
        "  manual overrides 0: every order is one of the policy's plans".to_owned()
    } else {
        format!(
            "  manual overrides {}: winners cut {}, losers fed {}, exits moved or taken back {}, cost {} R",
            count(changes),
            count(hand.winners_cut),
            count(hand.losers_fed),
            count(hand.losers_held),
            show::ratio(hand.cost_r, STYLE)
        )
    });
    let of = audit.disposition;
    let part = |name: &str, share: Option<f64>, realised: u64, paper: u64| {
        let share = share.map_or_else(|| "–".to_owned(), |share| show::ratio(share, STYLE));
        format!("{name} {share} ({} of {})", count(realised), count(realised + paper))
    };
    lines.push(format!(
        "  disposition effect {}: {}, {}",
        of.effect().map_or_else(|| "–".to_owned(), |effect| show::ratio(effect, STYLE)),
        part("gains realised", of.pgr(), of.realised_gains, of.paper_gains),
        part("losses realised", of.plr(), of.realised_losses, of.paper_losses)
    ));
    if !audit.time.is_empty() {
        let part = |time: &TimeIn| {
            format!("{} {} % ({})", time.mode, show::percent(time.share, 1, STYLE), show::duration(time.lasted, STYLE))
        };
        let parts: Vec<String> = audit.time.iter().map(part).collect();
        lines.push(format!("  time: {}", parts.join(", ")));
    }
    lines.extend(audit.caps.iter().map(|cap| format!("  {}", cap_told(cap, audit))));
    lines.extend(audit.stopped_series.iter().map(|sentence| format!("  {sentence}")));
    lines.push(format!(
        "  {} bars, {} of them ambiguous: orders waited on both sides of the open, or came on the way",
        count(audit.bars),
        count(audit.ambiguous_bars)
    ));
    lines
}

fn cap_told(cap: &CapWorst, audit: &Audit) -> String {
    let CapWorst { cap: name, strategy, worst, limit, at } = cap;
    let figure = |value: f64| match name.as_str() {
        "leverage" | "account leverage" => format!("{} x", show::ratio(value, STYLE)),
        _ => format!("{} %", show::percent(value, 2, STYLE)),
    };
    let several = audit.caps.iter().any(|other| other.strategy != *strategy);
    let whose = if several { format!(" of {strategy}") } else { String::new() };
    let when = at.map_or_else(String::new, |at| format!(" at {at}"));
    let left = if worst <= limit {
        format!("headroom {}", figure(limit - worst))
    } else {
        format!("over by {}", figure(worst - limit))
    };
    format!("{name}{whose}: worst {}{when}, limit {}, {left}", figure(*worst), figure(*limit))
}

fn figures(audit: &Audit, run: &Path) -> Value {
    let (triggers, hand, of) = (&audit.triggers, audit.overrides, audit.disposition);
    let check = |of: &CheckCount| json!({ "check": of.check, "made": of.made, "failed": of.failed });
    let checks: Vec<Value> = audit.checks.iter().map(check).collect();
    let time =
        |of: &TimeIn| json!({ "mode": of.mode, "seconds": of.lasted.nanos() / 1_000_000_000, "share": of.share });
    let times: Vec<Value> = audit.time.iter().map(time).collect();
    json!({
        "run": run,
        "ok": audit.is_clean(),
        "findings": audit.failed(),
        "checks": checks,
        "triggers": {
            "crossed": triggers.crossed(),
            "acted": triggers.acted,
            "refused": triggers.refused,
            "unexplained": triggers.unexplained,
            "resting_levels_crossed": triggers.crossed_resting,
        },
        "overrides": {
            "fills": hand.fills,
            "winners_cut": hand.winners_cut,
            "losers_fed": hand.losers_fed,
            "exits_moved": hand.losers_held,
            "cost_r": hand.cost_r,
        },
        "disposition": {
            "effect": of.effect(),
            "pgr": of.pgr(),
            "plr": of.plr(),
            "realised_gains": of.realised_gains,
            "realised_losses": of.realised_losses,
            "paper_gains": of.paper_gains,
            "paper_losses": of.paper_losses,
        },
        "time": times,
        "caps": audit.caps.iter().map(|cap| json!({
            "cap": cap.cap,
            "strategy": cap.strategy,
            "worst": cap.worst,
            "limit": cap.limit,
            "at": cap.at.map(|at| at.to_string()),
        })).collect::<Vec<_>>(),
        "bars": audit.bars,
        "ambiguous_bars": audit.ambiguous_bars,
        "stopped_series": audit.stopped_series,
        "not_checked": audit.unchecked,
    })
}
