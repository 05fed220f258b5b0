//! A run's summary: the scaled run beside its twin.

use super::sparkline::sparklines;
use crate::terminal::{HINT, Terminal, WARNING};
use backtest::Run;
use backtest::metrics::{Figure, Missing, SHORT, Scores};
use backtest::report::{Columns, Part, RunSummary};
use serde_json::{Value, json};
use std::path;
use units::Timestamp;
use units::show::{self, Style};

/// Lines of the profit by strategy and instrument.
const PARTS: usize = 6;

/// Signs of a sparkline.
const COLUMNS: usize = 24;

/// The first eight digits of a hash name what it is of.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

/// Prints the summary of a run.
pub(crate) fn show(run: &Run, folder: &path::Path, terminal: &Terminal) {
    let page = run.summary();
    let card = Card::of(&page);
    terminal.json("run", &card.json(run, folder));
    for line in card.lines(terminal.is_verbose()) {
        terminal.result(line);
    }
}

/// The three columns of every comparison.
pub(super) struct Card<'a> {
    page: &'a RunSummary,
    /// Of the scaled run and its twin, as if no money had been moved.
    worth: [Vec<f64>; 2],
    pub(super) scaled: Scores,
    pub(super) twin: Scores,
    equal: Result<Scores, Missing>,
}

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
    Neither,
}

pub(super) struct Row {
    pub(super) label: &'static str,
    /// The name in JSON, where values are fractions, not percent.
    pub(super) key: &'static str,
    better: Better,
    pub(super) times: f64,
    pub(super) decimals: usize,
    /// Shown with `--verbose` only.
    pub(super) detail: bool,
    pub(super) read: fn(&Scores) -> Figure,
}

pub(super) fn rows(short: bool) -> Vec<Row> {
    use Better::{Higher, Lower, Neither};
    let row =
        |label, key, better, times, decimals, read| Row { label, key, better, times, decimals, detail: false, read };
    let detail = |label, key, better, times, decimals, read| Row {
        detail: true,
        ..row(label, key, better, times, decimals, read)
    };
    let [cost, turnover] = if short {
        ["fees + funding %", "turnover, x equity"]
    } else {
        ["fees + funding, % a year", "turnover, x a year"]
    };
    vec![
        row("return %", "return", Higher, 100.0, 1, |s| s.total_return),
        detail("sharpe, 0 % rate", "sharpe", Higher, 1.0, 2, |s| s.sharpe),
        row("vol, % a year", "volatility", Neither, 100.0, 1, |s| s.volatility),
        row("vol of vol, pp", "volatility_of_volatility", Lower, 100.0, 1, |s| s.vol_of_vol.map(|vol| vol.spread)),
        row("worst drawdown %", "worst_drawdown", Higher, 100.0, 1, |s| {
            s.drawdown.map(|d| d.depth).ok_or(Missing::NeverMoved)
        }),
        detail("worst day %", "worst_day", Higher, 100.0, 2, |s| {
            s.worst_day.map(|day| day.value).ok_or(Missing::NeedsDays(1))
        }),
        detail("worst 2.5 % of days %", "shortfall", Higher, 100.0, 2, |s| s.shortfall),
        detail("days under water", "days_under_water", Lower, 1.0, 1, |s| Ok(s.under_water.days())),
        detail(turnover, "turnover", Lower, 1.0, 1, |s| s.turnover),
        row(cost, "fees_and_funding", Lower, 100.0, 2, |s| s.cost),
    ]
}

impl<'a> Card<'a> {
    pub(super) fn of(page: &'a RunSummary) -> Self {
        let Columns { scaled, twin, equal, equity, twin_equity, .. } = page.columns();
        Self { page, worth: [equity, twin_equity], scaled, twin, equal: equal.map(|(_, scores)| scores) }
    }

    pub(super) fn is_short(&self) -> bool {
        let start = Timestamp::from_nanos(self.page.header.start);
        let end = Timestamp::from_nanos(self.page.header.end);
        end.since(start).days() < f64::from(SHORT)
    }

    fn equal(&self, row: &Row) -> Figure {
        self.equal.as_ref().map_err(|why| *why).and_then(row.read)
    }

    fn lines(&self, verbose: bool) -> Vec<String> {
        let mut lines = self.names();
        lines.push(format!("  {:<24}{:>10}{:>10}{:>10}{:>11}", "", "scaled", "twin", "change", "twin=vol"));
        lines.extend(rows(self.is_short()).iter().filter(|row| verbose || !row.detail).map(|row| self.line(row)));
        let [scaled, twin] = sparklines([&self.worth[0], &self.worth[1]], COLUMNS);
        lines.push(format!("  equity   scaled {scaled}   twin {twin}"));
        lines.extend(self.parts());
        lines.push(format!("  trust    {}", self.trust()));
        let integrity = &self.page.integrity;
        if let (true, Some((inputs, quiet, evaluations))) = (verbose, integrity.quiet) {
            let share = show::percent(quiet as f64 / inputs.max(1) as f64, 1, Style::Terminal);
            let count = |count| show::count(count, Style::Terminal);
            lines.push(format!(
                "  quiet    {} of {} inputs asked no rule ({share} %); {} evaluations",
                count(quiet),
                count(inputs),
                count(evaluations)
            ));
        }
        for note in integrity.liquidations.iter().chain(&integrity.notes) {
            lines.push(format!("  {WARNING}note{WARNING:#}     {note}"));
        }
        lines
    }

    /// Who traded what, where that is more than one in one.
    fn names(&self) -> Vec<String> {
        if self.page.strategies.len() < 2 && self.page.instruments.len() < 2 {
            return Vec::new();
        }
        let (policies, instruments) = (self.page.policy_names(), self.page.instrument_names());
        vec![format!("  {policies} on {instruments}, in {}", self.page.header.currency)]
    }

    /// What each strategy made in each instrument, the largest gains and losses of many.
    fn parts(&self) -> Vec<String> {
        let net = |part: &Part| part.profit - part.fees + part.funding;
        let mut parts: Vec<&Part> = self.page.parts.iter().collect();
        if parts.len() < 2 {
            return Vec::new();
        }
        parts.sort_by(|a, b| net(b).abs().total_cmp(&net(a).abs()));
        let left = parts.len().saturating_sub(PARTS);
        let minor = show::minor_unit(&self.page.header.currency);
        let line = |(at, part): (usize, &&Part)| {
            let instrument = self.page.instruments.get(part.instrument).map_or("", |known| known.symbol.as_str());
            let name = match self.page.strategies.get(part.strategy) {
                Some(strategy) if self.page.strategies.len() > 1 => format!("{strategy} in {instrument}"),
                _ => instrument.to_owned(),
            };
            let money = show::money_estimate(net(part), minor, Style::Terminal);
            let campaigns = match part.campaigns {
                1 => "1 campaign".to_owned(),
                count => format!("{} campaigns", show::count(count, Style::Terminal)),
            };
            let head = if at == 0 { "profit" } else { "" };
            format!("  {head:<8} {name:<44}{money:>14}   {campaigns}")
        };
        let mut lines: Vec<String> = parts.iter().take(PARTS).enumerate().map(line).collect();
        if left > 0 {
            lines.push(format!("  {:<8} and {left} more", ""));
        }
        lines
    }

    fn line(&self, row: &Row) -> String {
        let (scaled, twin, equal) = ((row.read)(&self.scaled), (row.read)(&self.twin), self.equal(row));
        let shown = |figure: Figure| {
            figure.map_or(show::MISSING.to_owned(), |value| {
                show::number(value * row.times, row.decimals, Style::Terminal)
            })
        };
        let (change, word) = match (scaled, twin) {
            (Ok(after), Ok(before)) => {
                let (after, before) = (after * row.times, before * row.times);
                let sign = show::change_sign(after, before, row.decimals);
                let word = match (row.better, sign) {
                    (_, 0) if equal.is_err() => equal.err().map_or_else(String::new, |why| format!("twin=vol: {why}")),
                    (Better::Neither, _) | (_, 0) => String::new(),
                    (Better::Higher, 1) | (Better::Lower, -1) => format!("{HINT}better{HINT:#}"),
                    _ => format!("{WARNING}worse{WARNING:#}"),
                };
                (show::change(after, before, row.decimals, Style::Terminal), word)
            }
            (Err(why), _) | (_, Err(why)) => (show::MISSING.to_owned(), why.to_string()),
        };
        let line = format!(
            "  {:<24}{:>10}{:>10}{change:>10}{:>11}   {word}",
            row.label,
            shown(scaled),
            shown(twin),
            shown(equal)
        );
        line.trim_end().to_owned()
    }

    /// What the figures can and cannot carry.
    fn trust(&self) -> String {
        let integrity = &self.page.integrity;
        let counted = |count: u64, one: &str| {
            format!("{} {one}{}", show::count(count, Style::Terminal), if count == 1 { "" } else { "s" })
        };
        let gaps: usize = self.page.instruments.iter().map(|traded| traded.gaps.len()).sum();
        let mut parts = vec![counted(integrity.ambiguous_bars, "ambiguous bar"), counted(gaps as u64, "gap")];
        if integrity.unexplained > 0 {
            parts.push(counted(integrity.unexplained, "unexplained trigger"));
        }
        if integrity.unmet_caps > 0 {
            parts.push(format!("{} that could not be met", counted(integrity.unmet_caps, "cap")));
        }
        if integrity.unknown_limits > 0 {
            parts.push(format!("{} on what was not known while held", counted(integrity.unknown_limits, "limit")));
        }
        format!("{}; one path, {}: no claim on returns", parts.join(", "), counted(self.scaled.days as u64, "day"))
    }

    fn json(&self, run: &Run, folder: &path::Path) -> Value {
        let record = &run.record;
        let column = |read: &dyn Fn(&Row) -> Figure| -> Value {
            rows(self.is_short())
                .iter()
                .map(|row| (row.key.to_owned(), read(row).ok().map_or(Value::Null, Value::from)))
                .collect()
        };
        json!({
            "run": folder,
            "program": record.program,
            "policies": record.policies,
            "instruments": record.instruments,
            "currency": record.currency,
            "tapes": record.tapes,
            "seed": record.seed,
            "first": record.first,
            "last": record.last,
            "inputs": record.inputs,
            "evaluations": record.quiet.map(|quiet| quiet.evaluations),
            "quiet_inputs": record.quiet.map(|quiet| quiet.inputs),
            "quiet_share": record.quiet.map(|quiet| quiet.share(record.inputs)),
            "bars": record.bars,
            "gaps": record.gaps.len(),
            "chain": record.chain,
            "state": record.state,
            "days": self.scaled.days,
            "equity": run.tables.equity.last().map(|row| row.equity.to_string()),
            "twin_equity": run.tables.equity.last().map(|row| row.twin_equity.to_string()),
            "scaled": column(&|row| (row.read)(&self.scaled)),
            "twin": column(&|row| (row.read)(&self.twin)),
            "twin_at_equal_volatility": column(&|row| self.equal(row)),
            "fills": run.tables.fills.len(),
            "plans": run.tables.plans.chunk_by(|a, b| a.plan == b.plan).count(),
            "campaigns": run.tables.campaigns.len(),
            "ambiguous_bars": record.ambiguous_bars,
            "triggers": record.triggers,
            "residual": record.residual,
            "unknown_facts": record.unknown_facts,
        })
    }
}
