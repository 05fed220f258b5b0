//! The policy's lines, each with its reason, and the text that they make.

use super::{
    Basis, Bound, CALL_OFF, COVERED, FLOOR, GAP_DEVIATIONS, LIMIT_DEVIATIONS, Leverage, Proposal, RISE, STRANGLE_OFF,
    STRESS, down, fall, up,
};
use crate::metrics::YEAR;
use policy::objectives::{Objectives, Side, Style};
use policy::spec;
use serde::Serialize;
use units::math::sqrt;

/// Columns of the policy's text.
const WIDTH: usize = 110;
/// The range of a day over its deviation, on average, to a tenth: √(8 ÷ π) of Brownian motion (Feller 1951).
const RANGE: f64 = 1.6;

/// One section of the policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Its header; empty before the first one.
    pub header: String,
    /// Its keys.
    pub lines: Vec<Line>,
}

/// One key of the policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The key.
    pub key: &'static str,
    /// Its value, as TOML.
    pub value: String,
    /// Why it is that.
    pub because: String,
}

/// The numbers of the policy.
pub(super) struct Numbers {
    pub(super) target: f64,
    pub(super) floor: f64,
    /// × an instrument's part of equity.
    pub(super) exposure_cap: f64,
    pub(super) leverage: f64,
    pub(super) restore: f64,
    pub(super) first_level: f64,
    pub(super) last_level: f64,
    pub(super) daily: f64,
    pub(super) weekly: f64,
    /// What one unit of options loses at once, as a share of its coin.
    pub(super) jump_loss: f64,
}

impl Numbers {
    pub(super) fn of(basis: &Basis<'_>, target: f64) -> Self {
        let wanted = basis.wanted;
        let day = target / sqrt(YEAR);
        let worst = wanted.worst_drawdown;
        let floor = up(basis.calmest() * FLOOR, 2);
        let Leverage { most, headroom, .. } = basis.leverage();
        let work = basis.capital_at_work();
        let jump_loss = jump_loss(wanted);
        let (exposure_cap, leverage, restore) = if wanted.style.sells_options() {
            let most = if wanted.style == Style::CoveredCall { COVERED } else { 1.0 };
            let cap = down((worst / jump_loss).min(most), 2).max(0.01);
            // New options and the old ones beside them, for a moment.
            let leverage = up(2.0 * cap * work, 1);
            (cap, leverage, leverage)
        } else {
            let cap = down((target / floor).min(most / headroom / work), 2).max(0.01);
            let restore = up(cap * work, 2);
            (cap, down(restore * headroom, 2).max(restore), restore)
        };
        let daily = wanted.daily_loss.unwrap_or_else(|| up(LIMIT_DEVIATIONS * day, 3));
        Self {
            target,
            floor,
            exposure_cap,
            leverage,
            restore,
            first_level: up(worst / 2.0, 3),
            last_level: down((worst - GAP_DEVIATIONS * day / 2.0).max(0.75 * worst), 3),
            daily,
            weekly: up(LIMIT_DEVIATIONS * day * sqrt(7.0), 3).max(daily),
            jump_loss,
        }
    }
}

/// What options sold on one coin lose when it falls as in the stress, or rises by [`RISE`]: what they are exercised for.
fn jump_loss(wanted: &Objectives) -> f64 {
    let down_by = fall(wanted);
    let is_coin = wanted.chain.as_deref().is_some_and(|_| {
        let symbol = wanted.instruments.first().map_or("", String::as_str);
        spec::settlements(symbol).first() == spec::base(symbol).as_ref()
    });
    // In coin a loss is counted at the coin's price after the move.
    let after = |move_to: f64| if is_coin { move_to } else { 1.0 };
    let call = (1.0 + RISE - (1.0 + if wanted.style == Style::CoveredCall { CALL_OFF } else { STRANGLE_OFF }))
        / after(1.0 + RISE);
    let put = (down_by - STRANGLE_OFF).max(0.0) / after(1.0 - down_by).max(0.05);
    if wanted.style == Style::CoveredCall { call } else { call.max(put) }
}

fn line(key: &'static str, value: impl Into<String>, because: impl Into<String>) -> Line {
    Line { key, value: value.into(), because: because.into() }
}

fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}

/// The policy's sections.
pub(super) fn sections(basis: &Basis<'_>, bounds: &[Bound], numbers: &Numbers, chance: f64) -> Vec<Part> {
    let wanted = basis.wanted;
    let mut parts = vec![head(wanted)];
    let mut add = |header: &str, lines: Vec<Line>| {
        if !lines.is_empty() {
            parts.push(Part { header: header.to_owned(), lines });
        }
    };
    add("[structure]", structure(wanted));
    add("[allocation]", allocation(basis));
    for (venue, deposit) in &wanted.accounts {
        let paid = vec![
            line("venue", quoted(venue), ""),
            line("deposit", quoted(deposit), "as stated; drawdown and limits are counted in it"),
        ];
        add("[[accounts]]", paid);
    }
    add("[signal]", signal(wanted));
    add("[unit]", unit(wanted));
    add("[size]", size(basis, bounds, numbers, chance));
    add("[pyramid]", pyramid(wanted));
    add("[stop]", stop(basis, numbers));
    add("[ladder]", ladder(wanted));
    add("[caps]", caps(basis, numbers));
    if !is_frozen(wanted) {
        add("[trade]", vec![line("buffer", quoted("10%"), "smaller changes of the size are not worth their fee")]);
    }
    add("[backtest]", backtest(wanted));
    parts
}

fn head(wanted: &Objectives) -> Part {
    let mut lines = vec![line("policy", "1", ""), line("name", toml_string(&wanted.name), "")];
    match &wanted.instruments[..] {
        _ if wanted.chain.is_some() => {}
        [only] => lines.push(line("instrument", quoted(only), "")),
        several => {
            let list: Vec<String> = several.iter().map(quoted).collect();
            lines.push(line("instruments", format!("[{}]", list.join(", ")), ""));
        }
    }
    if wanted.capital < 1.0 {
        lines.push(line("capital", quoted(percent(wanted.capital)), "as stated: the rest is for other strategies"));
    }
    Part { header: String::new(), lines }
}

fn structure(wanted: &Objectives) -> Vec<Line> {
    let Some(chain) = &wanted.chain else { return Vec::new() };
    let (legs, roll) = match wanted.style {
        Style::CoveredCall => (
            line(
                "legs",
                "[{ right = \"call\", delta = 0.25, days = 30 }]",
                "a month out, where premium a day is most; delta 0.25 is exercised about one time in four",
            ),
            line("roll", quoted("3d"), "before the last days, in which delta jumps"),
        ),
        _ => (
            line(
                "legs",
                "[{ right = \"call\", delta = 0.15, days = 30 }, { right = \"put\", delta = 0.15, days = 30 }]",
                "a month out; each is exercised about one time in seven",
            ),
            line("roll", quoted("never"), "settled, and sold anew"),
        ),
    };
    vec![
        line("chain", quoted(chain), ""),
        legs,
        line("max_spread", quoted("30%"), "of the middle: what is wider costs more than it brings"),
        line("min_open_interest", "10", "what nobody holds cannot be bought back"),
        roll,
    ]
}

fn allocation(basis: &Basis<'_>) -> Vec<Line> {
    let count = basis.wanted.instruments.len();
    if count < 2 {
        return Vec::new();
    }
    let venues = basis.wanted.venues();
    let how = if basis.is_measured { "measured" } else { "assumed" };
    let mut because = format!(
        "equal risk: 1 / root of ((1 + (n - 1) x correlation) / n), the correlation {:.2} {how}",
        basis.correlation.max(0.0)
    );
    if venues.len() > 1 {
        because +=
            "; times instruments of all over those of the fullest account, each account having equity of its own";
    }
    vec![line("multiplier", plain(basis.multiplier(), 2), because)]
}

fn signal(wanted: &Objectives) -> Vec<Line> {
    let sides = match wanted.side() {
        Some(Side::Long) => Some("long"),
        Some(Side::Short) => Some("short"),
        _ => None,
    };
    let mut lines = match wanted.style {
        Style::Hold => {
            let strength = if wanted.side() == Some(Side::Short) { "-1.0" } else { "1.0" };
            vec![
                line("kind", quoted("constant"), ""),
                line("strength", strength, "the view's side; how much is the size's to say"),
                line("reentry", quoted("at_once"), "a constant signal is issued once"),
            ]
        }
        Style::CoveredCall | Style::ShortStrangle => vec![
            line("kind", quoted("constant"), ""),
            line("strength", "-1.0", "sells what the structure buys"),
            line("reentry", quoted("at_once"), "a constant signal is issued once"),
        ],
        Style::Trend => vec![
            line("kind", quoted("donchian"), ""),
            line("bar", quoted("1d"), ""),
            line("entry", "20", "the Turtles' first system: over the highest high of 20 days"),
            line("exit", "10", "until the lowest low of 10"),
        ],
        Style::Signal => vec![
            line("kind", quoted("series"), ""),
            line("series", quoted(wanted.series.as_deref().unwrap_or_default()), "your own convictions"),
        ],
    };
    if let (Style::Trend | Style::Signal, Some(side)) = (wanted.style, sides) {
        lines.push(line("sides", quoted(side), "the view's: the other side means flat"));
    }
    lines
}

fn has_stop(wanted: &Objectives) -> bool {
    !matches!(wanted.style, Style::Hold | Style::CoveredCall)
}

/// Whether the base is fixed at entry.
fn is_frozen(wanted: &Objectives) -> bool {
    matches!(wanted.style, Style::Trend | Style::ShortStrangle) || wanted.adds || wanted.ladder
}

fn unit(wanted: &Objectives) -> Vec<Line> {
    match wanted.style {
        Style::Hold | Style::CoveredCall => Vec::new(),
        Style::ShortStrangle => vec![line("n", quoted("of_price(100%)"), "one N is the premium of the decision")],
        Style::Trend | Style::Signal => {
            vec![line("n", quoted("atr(20, 1d)"), "the Turtles' N: what a day moves, frozen when a campaign opens")]
        }
    }
}

fn size(basis: &Basis<'_>, bounds: &[Bound], numbers: &Numbers, chance: f64) -> Vec<Line> {
    let wanted = basis.wanted;
    let bound = &bounds[0];
    let target = format!(
        "{} binds: {}. The drawdown of {} % has a probability of {} % at it",
        named(bound.objective),
        bound.because,
        plain(wanted.worst_drawdown * 100.0, 1),
        plain(chance * 100.0, 1)
    );
    let mut lines = vec![
        line("kind", quoted("volatility_target"), "the risk is held, not the quantity"),
        line("target", quoted(percent(numbers.target)), target),
    ];
    if wanted.style.sells_options() {
        let why = "of one structure in a day, not of the coin";
        lines.push(line("volatility", quoted("structure.volatility()"), why));
        let move_by =
            if wanted.style == Style::CoveredCall { plain(RISE * 100.0, 0) } else { plain(fall(wanted) * 100.0, 0) };
        let because = match wanted.style {
            Style::CoveredCall => format!(
                "a rise of {move_by} % costs {} % of a coin, and {} % is borne; never more than {} of it, for a tenth pays for buying back",
                plain(numbers.jump_loss * 100.0, 0),
                plain(wanted.worst_drawdown * 100.0, 1),
                plain(COVERED, 1)
            ),
            _ => format!(
                "the volatility of a day knows no jump: the fall of {STRESS}, {move_by} %, costs {} % of a coin, and {} % is borne",
                plain(numbers.jump_loss * 100.0, 0),
                plain(wanted.worst_drawdown * 100.0, 1)
            ),
        };
        lines.push(line("exposure_cap", plain(numbers.exposure_cap, 2), because));
    } else {
        lines.push(line(
            "volatility",
            quoted("ewma(10d, 1h)"),
            "what prices did; with tapes of them `series(dvol.{base}, 4d)` or `iv.atm({base}, 30d)` see ahead",
        ));
        let how = if basis.is_measured { "measured" } else { "assumed" };
        lines.push(line(
            "volatility_floor",
            quoted(percent(numbers.floor)),
            format!(
                "half of the lowest long-run volatility, {} % {how}: a calm market is no licence",
                plain(basis.calmest() * 100.0, 0)
            ),
        ));
        let because = match numbers.target / numbers.floor <= numbers.exposure_cap + 0.01 {
            true => "target / floor: what the calmest market makes of the size".to_owned(),
            false => format!("under target / floor, by caps.leverage: {}", basis.leverage().because),
        };
        lines.push(line("exposure_cap", plain(numbers.exposure_cap, 2), because));
    }
    let (resize, because) = match is_frozen(wanted) {
        true => ("entry", "fixed when a campaign opens, as its stop is"),
        false => ("continuous", "follows volatility and equity: what was lost is not bet again"),
    };
    lines.push(line("resize", quoted(resize), because));
    lines
}

fn pyramid(wanted: &Objectives) -> Vec<Line> {
    if !wanted.adds {
        return Vec::new();
    }
    vec![
        line("units", "4", "the Turtles': all four together are the full size, so adds cost no target"),
        line(
            "step",
            quoted("0.5N"),
            "the Turtles': half of what a day moves; full after 1.5N in favour, well before the stop's distance",
        ),
    ]
}

fn stop(basis: &Basis<'_>, numbers: &Numbers) -> Vec<Line> {
    let wanted = basis.wanted;
    if !has_stop(wanted) {
        return Vec::new();
    }
    if wanted.style == Style::ShortStrangle {
        return vec![
            line("initial", quoted("1N"), "bought back when it costs the premium once more"),
            line("trigger", quoted("synthetic"), "no venue has stops on two options"),
        ];
    }
    let distance = if wanted.style == Style::Trend { 2.0 } else { 3.0 };
    let count = wanted.instruments.len() as f64;
    let part = if wanted.instruments.len() > 1 { basis.multiplier() / count } else { 1.0 };
    let cost = distance * RANGE * numbers.target / sqrt(YEAR) * wanted.capital * part;
    let whose = if wanted.style == Style::Trend {
        "the Turtles'"
    } else {
        "wider than a breakout's: the series says when it is over"
    };
    let because = format!(
        "{whose}; a day moves {RANGE} deviations, so the full size loses about {} % of equity at it",
        plain(cost * 100.0, 1)
    );
    let mut lines = vec![line("initial", quoted(format!("{distance}N")), because)];
    if wanted.adds {
        lines.push(line("follow", quoted("last_fill"), "every add moves the stop of the whole position"));
    }
    lines
}

fn ladder(wanted: &Objectives) -> Vec<Line> {
    match (wanted.ladder, wanted.style) {
        (false, _) => Vec::new(),
        (true, Style::ShortStrangle) => vec![
            line("at", "[\"50%\"]", "half of the premium won: what is left pays less for the same jump"),
            line("fractions", "[0.5]", "half of the strangles bought back"),
            line("trigger", quoted("synthetic"), "watched by the engine, as the stop is"),
        ],
        (true, _) => vec![
            line(
                "at",
                "[\"2R\", \"4R\"]",
                "beyond the last add, where the stop's distance is won twice and four times",
            ),
            line("fractions", "[0.25, 0.25]", "half of the peak runs on until the signal ends"),
        ],
    }
}

fn caps(basis: &Basis<'_>, numbers: &Numbers) -> Vec<Line> {
    let wanted = basis.wanted;
    let worst = plain(wanted.worst_drawdown * 100.0, 1);
    let mut lines = Vec::new();
    if wanted.style.sells_options() {
        lines.push(line(
            "leverage",
            plain(numbers.leverage, 2),
            "twice the cap: when legs are replaced, old and new ones stand side by side",
        ));
    } else {
        let Leverage { because, headroom, .. } = basis.leverage();
        let percent = plain((headroom - 1.0) * 100.0, 0);
        lines.push(line(
            "leverage",
            plain(numbers.leverage, 2),
            format!("{percent} % over the full size, so that prices alone seldom trade; the most would be: {because}"),
        ));
        lines.push(line(
            "leverage_restore",
            plain(numbers.restore, 2),
            "the full size of all instruments of an account",
        ));
    }
    let (first, last) = (numbers.first_level, numbers.last_level);
    let level = |at: f64, restore: f64, factor: &str| {
        format!("    {{ at = \"{}\", restore = \"{}\", factor = {factor} }},\n", percent(at), percent(restore))
    };
    lines.push(line(
        "drawdown",
        format!("[\n{}{}]", level(first, down(first / 2.0, 3), "0.5"), level(last, down(last / 2.0, 3), "0.0")),
        format!(
            "half of the size from half of {worst} % on; flat {GAP_DEVIATIONS} deviations of a day at half size before {worst} %, for what \
             is lost until the order fills. No `rearm`: begun anew by itself it could lose it twice"
        ),
    ));
    if numbers.daily < last {
        let because = match wanted.daily_loss {
            Some(_) => "as stated".to_owned(),
            None => format!(
                "{LIMIT_DEVIATIONS} deviations of a day at the target: {} %",
                plain(numbers.target / sqrt(YEAR) * 100.0, 2)
            ),
        };
        lines.push(line("daily_loss", quoted(percent(numbers.daily)), because));
    }
    if numbers.weekly < last {
        lines.push(line(
            "weekly_loss",
            quoted(percent(numbers.weekly)),
            format!("{LIMIT_DEVIATIONS} deviations of a week, or a day's loss if that is more"),
        ));
    }
    if numbers.daily < last || numbers.weekly < last {
        lines.push(line(
            "on_loss",
            quoted("no_increase"),
            "nothing is added to a bad day; what is held has its own exits",
        ));
    }
    lines
}

fn backtest(wanted: &Objectives) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(deposit) = &wanted.deposit {
        lines.push(line("deposit", quoted(deposit), "as stated"));
    }
    let venue = wanted.chain.as_deref().map(spec::venue);
    if venue == Some("deribit") {
        lines.push(line("option_margin", quoted("venue"), "Deribit's standard margin, as trimtab margin has it"));
    }
    lines
}

/// An objective as a person calls it.
pub(super) fn named(objective: &str) -> &str {
    match objective {
        "view" => "the view",
        "margin" => "margin",
        "spot" => "spot",
        key => key,
    }
}

/// A share as a policy has it, to a tenth of a percent.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", plain(share * 100.0, 1))
}

/// So many decimals at most, zeros left out.
pub(super) fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Proposal {
    /// The policy with its reasons as comments; `trimtab check` has nothing to say of it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        text.push_str("# Made by `trimtab objectives`: every number has its reason beside it; docs/objectives.md derives them.\n#\n");
        let mut comment = |title: &str, sentences: &[String]| {
            for (at, sentence) in sentences.iter().enumerate() {
                let title = if at == 0 { title } else { "" };
                text.push_str(&wrapped(&format!("# {title:<12}"), "#             ", sentence));
            }
        };
        comment("asked", &self.asked);
        comment("follows", &self.follows);
        let bounds: Vec<String> = self
            .bounds
            .iter()
            .map(|bound| {
                let binds = if bound.binds { "BINDS: " } else { "" };
                format!("{binds}{} {} %: {}", named(bound.objective), plain(bound.target * 100.0, 1), bound.because)
            })
            .collect();
        comment("target by", &bounds);
        comment("based on", &self.based_on);
        comment("no promise", &self.cannot);
        if let Some(proof) = &self.proof {
            comment("on tapes", &proof.sentences());
        }
        for part in &self.sections {
            text.push('\n');
            if !part.header.is_empty() {
                text.push_str(&part.header);
                text.push('\n');
            }
            for Line { key, value, because } in &part.lines {
                let line = format!("{key} = {value}");
                if because.is_empty() {
                    text.push_str(&line);
                } else if !value.contains('\n') && line.chars().count() + because.chars().count() + 5 <= WIDTH {
                    text.push_str(&format!("{line} # {because}"));
                } else {
                    text.push_str(&wrapped("# ", "# ", because));
                    text.push_str(&line);
                }
                text.push('\n');
            }
        }
        policy::format(&text).unwrap_or(text)
    }
}

/// A sentence over several lines, each begun likewise.
fn wrapped(first: &str, next: &str, sentence: &str) -> String {
    let mut text = String::new();
    let mut line = first.to_owned();
    let mut is_begun = false;
    // A number stays with its percent.
    let glued = sentence.replace(" %", "\u{a0}%");
    for word in glued.split(' ') {
        if is_begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = next.to_owned();
            is_begun = false;
        }
        if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    text.push_str(line.trim_end());
    text.push('\n');
    text.replace('\u{a0}', " ")
}
