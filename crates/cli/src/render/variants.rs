//! The policy with each technique switched off, in the terminal.

use crate::terminal::Terminal;
use backtest::Run;
use units::show::{self, Style};

/// Prints the table; nothing where the runs were not made.
pub(crate) fn show(run: &Run, terminal: &Terminal) {
    for row in &run.variants {
        terminal.json(
            "variant",
            &serde_json::json!({
                "variant": row.variant,
                "instead": row.instead,
                "return": row.total_return,
                "sharpe": row.sharpe,
                "volatility": row.volatility,
                "volatility_of_volatility": row.vol_of_vol,
                "worst_drawdown": row.drawdown,
                "worst_day": row.worst_day,
                "fees_and_funding": row.cost,
                "turnover": row.turnover,
                "fills": row.fills,
                "campaigns": row.campaigns,
            }),
        );
    }
    if run.variants.is_empty() {
        return;
    }
    let head = ["return%", "sharpe", "vol%", "v.of.v.", "drawd.%", "cost%", "fills"];
    let cells = |texts: [String; 7]| texts.iter().map(|text| format!("{text:>8}")).collect::<String>();
    terminal.result(format_args!("  {:<29}{}", "each technique switched off", cells(head.map(str::to_owned))));
    for row in &run.variants {
        let shown = |value: Option<f64>, times: f64, decimals| {
            let number = |value: f64| show::number(value * times, decimals, Style::Terminal);
            value.map_or_else(|| show::MISSING.to_owned(), number)
        };
        let is_twin = row.variant == "twin";
        let fills = if is_twin { show::MISSING.to_owned() } else { show::count(row.fills, Style::Terminal) };
        let texts = [
            shown(row.total_return, 100.0, 1),
            shown(row.sharpe, 1.0, 2),
            shown(row.volatility, 100.0, 1),
            shown(row.vol_of_vol, 100.0, 1),
            shown(row.drawdown, 100.0, 1),
            shown(row.cost, 100.0, 2),
            fills,
        ];
        terminal.result(format_args!("  {:<29}{}", row.variant, cells(texts)));
    }
}
