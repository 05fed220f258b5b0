//! A run's ruin, growth and floors in a terminal.

use super::wrap;
use crate::terminal::Terminal;
use backtest::bet::BetView;
use backtest::ruin::{Chance, FloorView, KellyView, RuinView};
use units::show::{self, Style};

/// Prints the probabilities, what Kelly makes of the returns, and exposures under a floor.
pub(crate) fn show(view: &RuinView, terminal: &Terminal) {
    terminal.json("ruin", view);
    terminal.result(format_args!(
        "  {}   {} .. {}   {} returns of {}",
        view.policies.join(" + "),
        view.first.date(),
        view.last.date(),
        show::count(view.returns as u64, Style::Terminal),
        show::duration(view.step, Style::Terminal),
    ));
    let how = if view.is_block_ruled { "by Politis and White's rule" } else { "as asked for" };
    let drawn = format!(
        "{} futures of {} d, drawn in blocks of {} returns on average ({how}), seed {}",
        show::count(view.paths, Style::Terminal),
        number(view.horizon_days),
        show::number(view.block, 1, Style::Terminal),
        view.seed
    );
    terminal.result(format_args!("  {}", wrap(&drawn, terminal.width(), 4)));
    chances(view, terminal);
    kelly(&view.kelly, view.twin_kelly.as_ref(), terminal);
    if let Some(floor) = &view.floor {
        self::floor(floor, view.horizon_days, terminal);
    }
    for note in &view.notes {
        terminal.result(format_args!("  {}", wrap(note, terminal.width(), 4)));
    }
}

/// Prints what comes of a bet.
pub(crate) fn bet(view: &BetView, terminal: &Terminal) {
    terminal.json("bet", view);
    let exact = |value: f64| show::percent(value, 2, Style::Terminal);
    terminal.result(format_args!(
        "  a bet that is won with {} %, and pays {} for one",
        exact(view.win),
        number(view.odds)
    ));
    let line = |name: &str, value: String| terminal.result(format_args!("  {name:<46}{value:>10}"));
    let if_any = |value: Option<f64>| value.map_or_else(|| show::MISSING.to_owned(), exact);
    line("gained on average, % of what is staked", exact(view.mean));
    line("Kelly's fraction of capital, %", if_any(view.kelly));
    line("  growth of a bet at it, %", if_any(view.growth));
    if let Some(bets) = view.bets {
        let bets = show::count(u64::from(bets), Style::Terminal);
        line("  standard error of the probability, %", if_any(view.win_error));
        line(&format!("  what {bets} bets leave of the fraction, %"), if_any(view.shrinkage));
        line("Kelly's fraction, shrunk by that, %", if_any(view.shrunk));
    }
    if view.kelly.is_none() {
        terminal.result(format_args!("  nothing is gained on average: no fraction of capital grows"));
    }
    let Some(stake) = view.stake else { return };
    terminal.result(format_args!("\n  {} % of the first capital staked each time", exact(stake)));
    let before = match view.target {
        Some(target) => format!("before {} % is won", number(target * 100.0)),
        None => "before as much is won".to_owned(),
    };
    terminal
        .result(format_args!("  {:<16}{:>10}{before:>22}{:>8}{:>18}", "loss", "stakes", "ever", "bets until either"));
    for row in &view.ruin {
        terminal.result(format_args!(
            "  {:<16}{:>10}{:>22}{:>8}{:>18}",
            format!("{} %", number(row.level * 100.0)),
            show::count(u64::from(row.stakes), Style::Terminal),
            exact(row.before_gain),
            exact(row.ever),
            show::number(row.rounds, 1, Style::Terminal)
        ));
    }
    let said = "the gambler's ruin (Feller): the same stake each time, independent bets; a loss that is no whole number of \
                stakes is one more";
    terminal.result(format_args!("  {}", wrap(said, terminal.width(), 4)));
}

fn chances(view: &RuinView, terminal: &Terminal) {
    terminal.result(format_args!(
        "\n  {:<26}{:>8}{:>8}{:>8}{:>10}{:>10}{:>8}",
        format!("within {} d, %", number(view.horizon_days)),
        "drawn",
        "± s.e.",
        "twin",
        "mean-s.e.",
        "Brownian",
        "ever"
    ));
    let line = |what: &str, chance: &Chance| {
        terminal.result(format_args!(
            "  {:<26}{:>8}{:>8}{:>8}{:>10}{:>10}{}",
            format!("{what} {} %", show::percent(chance.level, 0, Style::Terminal)),
            percent(chance.drawn),
            show::percent(chance.error, 2, Style::Terminal),
            optional(chance.twin, percent),
            percent(chance.lowered),
            percent(chance.brownian),
            chance.ever.map_or_else(String::new, |ever| format!("{:>8}", percent(ever))),
        ));
    };
    view.losses.iter().for_each(|chance| line("start down by", chance));
    view.drawdowns.iter().for_each(|chance| line("drawdown of", chance));
    let said = "mean-s.e.: were the mean return lower by its standard error. Brownian: normal, independent returns of the \
                same mean and volatility, watched at every moment; ever: the same without end";
    terminal.result(format_args!("  {}", wrap(said, terminal.width(), 4)));
}

fn kelly(scaled: &KellyView, twin: Option<&KellyView>, terminal: &Terminal) {
    terminal.result(format_args!("\n  {:<46}{:>12}{:>12}", "growth", "scaled", "twin"));
    let line = |name: &str, value: &dyn Fn(&KellyView) -> Option<String>| {
        let shown = |of: Option<&KellyView>| of.and_then(value).unwrap_or_else(|| show::MISSING.to_owned());
        terminal.result(format_args!("  {name:<46}{:>12}{:>12}", shown(Some(scaled)), shown(twin)));
    };
    let ratio = |value: f64| show::ratio(value, Style::Terminal);
    line("mean return, % a year", &|kelly| Some(percent(kelly.mean)));
    line("  its standard error", &|kelly| Some(percent(kelly.mean_error)));
    line("volatility, % a year", &|kelly| Some(percent(kelly.volatility)));
    line("Kelly's multiple of this exposure", &|kelly| kelly.empirical.map(ratio));
    line("  of normal returns: mean / variance", &|kelly| Some(ratio(kelly.normal)));
    line("  what uncertainty of the mean leaves of it, %", &|kelly| Some(percent(kelly.shrinkage)));
    line("Kelly's multiple, shrunk by that", &|kelly| kelly.shrunk.map(ratio));
    line("used of Kelly's multiple, %", &|kelly| kelly.used.map(percent));
    line("used of the shrunk one, %", &|kelly| kelly.used_of_shrunk.map(percent));
    for (whose, absent) in [("", Some(scaled)), ("twin: ", twin)] {
        if let Some(absent) = absent.and_then(|kelly| kelly.absent.as_deref()) {
            terminal.result(format_args!("  {}", wrap(&format!("{whose}{absent}"), terminal.width(), 4)));
        }
    }
}

fn floor(view: &FloorView, days: f64, terminal: &Terminal) {
    terminal.result(format_args!(
        "\n  floor {} %, {} times what is over it at risk, never more than the run had",
        show::percent(view.floor, 0, Style::Terminal),
        show::ratio(view.multiple, Style::Terminal)
    ));
    terminal.result(format_args!(
        "  {:<16}{:>10}{:>12}{:>12}{:>12}{:>8}{:>8}",
        format!("after {} d", number(days)),
        "now, x run",
        "growth 50 %",
        "growth 5 %",
        "in cash, %",
        "± s.e.",
        "idle, %"
    ));
    for row in &view.rows {
        let ratio = |value: f64| show::ratio(value, Style::Terminal);
        terminal.result(format_args!(
            "  {:<16}{:>10}{:>12}{:>12}{:>12}{:>8}{:>8}",
            row.rule,
            ratio(row.exposure),
            ratio(row.median),
            ratio(row.low),
            optional(row.locked, percent),
            optional(row.locked_error, |error| show::percent(error, 2, Style::Terminal)),
            optional(row.idle, percent)
        ));
    }
    let said = "floor: of capital now (CPPI), of the highest so far (Grossman and Zhou). In cash: at or under the floor, \
                nothing can win it back. Idle: exposure ends under a tenth of its first";
    terminal.result(format_args!("  {}", wrap(said, terminal.width(), 4)));
}

fn percent(value: f64) -> String {
    show::percent(value, 1, Style::Terminal)
}

fn optional(value: Option<f64>, shown: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| show::MISSING.to_owned(), shown)
}

/// A count of days: whole where it is.
fn number(value: f64) -> String {
    show::number(value, if value.fract() == 0.0 { 0 } else { 2 }, Style::Terminal)
}
