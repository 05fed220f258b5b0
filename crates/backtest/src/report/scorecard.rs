//! The scorecard: Scaled, Twin, Change, Twin at equal volatility, always in this order.

use super::markup::Markup;
use super::view::View;
use crate::metrics::{Figure, Missing, SMALL, Scores};
use units::show::{self, Style};

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
    Neither,
}

/// A row: how a figure is read from a column and shown.
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) unit: &'static str,
    better: Better,
    /// Values are shown times this.
    pub(super) times: f64,
    pub(super) decimals: usize,
    pub(super) read: fn(&Scores) -> Figure,
}

fn depth(scores: &Scores) -> Figure {
    scores.drawdown.map(|worst| worst.depth).ok_or(Missing::NeverMoved)
}

fn worst_day(scores: &Scores) -> Figure {
    scores.worst_day.map(|worst| worst.value).ok_or(Missing::NeedsDays(1))
}

/// Groups and rows. A short run annualises nothing but volatility, and says so in its labels.
pub(super) fn groups(short: bool) -> [(&'static str, Vec<Row>); 4] {
    use Better::{Higher, Lower, Neither};
    let row = |label, unit, better, times, decimals, read| Row { label, unit, better, times, decimals, read };
    let earned = if short {
        row("Return", "%", Higher, 100.0, 1, |s: &Scores| s.total_return)
    } else {
        row("CAGR", "%", Higher, 100.0, 1, |s: &Scores| s.cagr)
    };
    let [turnover, cost] =
        if short { ["Turnover", "Fees and funding"] } else { ["Turnover a year", "Fees and funding a year"] };
    [
        ("Return", vec![earned, row("Sharpe, 0 % rate", "", Higher, 1.0, 2, |s| s.sharpe)]),
        (
            "Steadiness",
            vec![
                row("Volatility, a year", "%", Neither, 100.0, 1, |s| s.volatility),
                row("Volatility of volatility", "pp", Lower, 100.0, 1, |s| s.vol_of_vol.map(|vol| vol.spread)),
                row("… over mean volatility", "", Lower, 1.0, 2, |s| s.vol_of_vol.map(|vol| vol.of_mean)),
            ],
        ),
        (
            "Loss",
            vec![
                row("Worst drawdown", "%", Higher, 100.0, 1, depth),
                row("Longest under water", "d", Lower, 1.0, if short { 1 } else { 0 }, |s| Ok(s.under_water.days())),
                row("Mean of worst 2.5 % days", "%", Higher, 100.0, 2, |s| s.shortfall),
                row("Worst day", "%", Higher, 100.0, 2, worst_day),
            ],
        ),
        (
            "Price paid",
            vec![row(turnover, "× eq.", Lower, 1.0, 1, |s| s.turnover), row(cost, "%", Lower, 100.0, 2, |s| s.cost)],
        ),
    ]
}

/// The card.
pub(super) fn card(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"card\" aria-labelledby=\"t1\"><h2 id=\"t1\">Scaled beside its twin<span>");
    let days = view.scaled.days;
    page.text(&if days < SMALL as usize {
        format!("n={days} days")
    } else {
        format!("{} days", show::count(days as u64, Style::Page))
    });
    page.raw("</span></h2><table class=\"sc\"><thead><tr><th><span class=\"sr\">Measure</span></th>")
        .raw("<th scope=\"col\">Scaled</th><th scope=\"col\">Twin</th><th scope=\"col\">Change</th>")
        .raw("<th scope=\"col\">Twin at<br>equal vol</th></tr></thead>");
    for (name, rows) in groups(view.is_short()) {
        page.raw("<tbody><tr class=\"g\">")
            .element("th", &[("colspan", "5"), ("scope", "rowgroup")], name)
            .raw("</tr>");
        for row in rows {
            write_row(&mut page, view, &row);
        }
        page.raw("</tbody>");
    }
    page.raw("</table>");
    page.element("p", &[("class", "note")], &note(view)).raw("</section>");
    page
}

fn write_row(page: &mut Markup, view: &View<'_>, row: &Row) {
    let scaled = (row.read)(&view.scaled);
    let twin = (row.read)(&view.twin);
    let equal = view.equal.as_ref().map_err(|why| *why).and_then(|(_, scores)| (row.read)(scores));
    page.raw("<tr><th scope=\"row\">").text(row.label);
    if !row.unit.is_empty() {
        page.element("i", &[], row.unit);
    }
    page.raw("</th>");
    cell(page, "s", row, scaled);
    cell(page, "", row, twin);
    change(page, row, scaled, twin);
    cell(page, "m", row, equal);
    page.raw("</tr>");
}

fn cell(page: &mut Markup, class: &'static str, row: &Row, figure: Figure) {
    match figure {
        Ok(value) => {
            page.element("td", &[("class", class)], &show::number(value * row.times, row.decimals, Style::Page));
        }
        Err(why) => {
            let why = why.to_string();
            page.open("td", &[("class", class), ("title", &why)]).text(show::MISSING);
            page.element("span", &[("class", "sr")], &format!(" {why}")).close("td");
        }
    }
}

fn change(page: &mut Markup, row: &Row, scaled: Figure, twin: Figure) {
    let (Ok(scaled), Ok(twin)) = (scaled, twin) else {
        page.element("td", &[("class", "d nu")], show::MISSING);
        return;
    };
    let (scaled, twin) = (scaled * row.times, twin * row.times);
    let sign = show::change_sign(scaled, twin, row.decimals);
    let better = match row.better {
        Better::Higher => sign,
        Better::Lower => -sign,
        Better::Neither => 0,
    };
    let (class, arrow, word) = match better {
        1 => ("d up", "▲", " better"),
        -1 => ("d dn", "▼", " worse"),
        _ => ("d nu", "", ""),
    };
    page.open("td", &[("class", class)]);
    page.element("span", &[("aria-hidden", "true")], arrow);
    page.text(&show::change(scaled, twin, row.decimals, Style::Page));
    page.element("span", &[("class", "sr")], word).close("td");
}

fn note(view: &View<'_>) -> String {
    let mut text = String::from("Change is the difference of the displayed values; ▲ better, ▼ worse. ");
    match &view.equal {
        Ok((equal, _)) => text.push_str(&format!(
            "Equal vol: every equity step of the twin times {}, so that its whole-run volatility is the scaled run's; \
             computed after the fact, never tradable.",
            show::number(equal.constant, 3, Style::Page)
        )),
        Err(why) => text.push_str(&format!("No twin at equal vol: {why}.")),
    }
    text.push_str(" Volatility: UTC-day returns × √365.");
    if view.is_short() {
        text.push_str(" Under 90 days nothing else is annualised.");
    } else if let Err(why) = view.scaled.vol_of_vol {
        text.push_str(&format!(" Volatility of volatility (of the 63-day figure) {why}."));
    }
    text
}
