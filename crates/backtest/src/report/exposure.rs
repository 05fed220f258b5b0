//! The section "Exposure & vol": was the volatility input any good, and is risk steadier?

use super::markup::Markup;
use super::overview::{Realised, labels, realised};
use super::scale::{Axis, extent, time_ticks};
use super::svg::{Anchor, PathData, Svg, steps, thin_line, width_of};
use super::view::{Known, View};
use crate::metrics::{Path, rolling_volatility};
use units::show::{self, Style};
use units::{Duration, Timestamp};

/// Bars of the distribution, about.
const BINS: usize = 18;

pub(super) fn section(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    page.raw("<section class=\"sec\" id=\"exposure\" aria-labelledby=\"h-exposure\"><h2 id=\"h-exposure\">Exposure &amp; vol<span>")
        .raw("Was the volatility input any good? Is risk steadier?</span></h2>");
    match if view.instruments.len() > 1 { stacked(view) } else { held(view) } {
        Some(figure) => {
            page.raw("<div class=\"card fig wide\"><div class=\"plot\">").piece(&figure).raw("</div></div>");
        }
        None => {
            page.raw("<p class=\"note\">Nothing was held.</p>");
        }
    }
    let (forecast, distribution) = (forecast(view), realised(view).map(|realised| distribution(view, &realised)));
    let mut why = Vec::new();
    if forecast.is_none() {
        let mut known = view.instruments.iter().flat_map(|known| &known.traded.volatility).flatten();
        why.push(match known.next() {
            Some(_) if view.instruments.first().is_some_and(|main| main.traded.is_structure) => {
                "Forecast against what followed: the volatility of a structure is of what a unit stands for, and its price is \
                 that of other options after each expiry. The two do not compare."
            }
            None => "Forecast against what followed: the sizing rule reads no volatility.",
            Some(_) => "Forecast against what followed: needs 15 days of bars of an hour or less, or 124 days.",
        });
    }
    if distribution.is_none() {
        why.push("Distribution of realised volatility: needs 14 days of bars of an hour or less, or 95 days.");
    }
    if forecast.is_some() || distribution.is_some() {
        page.raw("<div class=\"pair\">");
        for figure in [forecast, distribution].into_iter().flatten() {
            page.raw("<div class=\"card fig\"><div class=\"plot\">").piece(&figure.0).raw("</div>").piece(&figure.1);
            page.raw("</div>");
        }
        page.raw("</div>");
    }
    for line in why {
        page.element("p", &[("class", "note")], line);
    }
    page.raw("</section>");
    page
}

/// Size asked for against size held. `None` where nothing was held.
fn held(view: &View<'_>) -> Option<Markup> {
    let bars = &view.run.bars;
    if bars.exposure.iter().all(|exposure| *exposure == 0.0) {
        return None;
    }
    let header = &view.run.header;
    let (left, right, top, bottom) = (72.0, 1252.0, 34.0, 224.0);
    let asked = || bars.asked.iter().flatten().copied();
    let (low, high) = extent(bars.exposure.iter().copied().chain(asked()).chain([0.0]))?;
    let share = ratio_of_asked(view);
    let told = share.map_or_else(String::new, |share| {
        format!(" On average {} % of what sizing asked for was held.", show::percent(share, 0, Style::Page))
    });
    let summary = format!(
        "Exposure held, between {} and {} times equity, against the full size that sizing asked for.{told}",
        show::ratio(low, Style::Page),
        show::ratio(high, Style::Page)
    );
    let mut svg = Svg::new(1340.0, 258.0, &summary, &[]);
    let question = if share.is_some() { "Was the size that sizing wants held?" } else { "How much was held?" };
    svg.title(left, 18.0, "Size asked for and size held, × equity", question);
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    let y = Axis::linear((low, high), (bottom - 3.0, top + 3.0));
    svg.columns(&x, (top, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    svg.gaps(&x, (top, bottom), &view.run.gaps);
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
    if bars.asked.len() == bars.time.len() {
        svg.path("tw", steps(&x, &y, &bars.time, &bars.asked, &view.run.gaps));
    }
    svg.path("sl", thin_line((&x, &y), &bars.time, &bars.exposure, &view.run.gaps, 2.0));
    if share.is_some() {
        svg.text("lb", right, 18.0, Anchor::End, "grey: full signal, all units, before caps; blue: held");
    }
    Some(svg.finish())
}

/// Shades of a stack, the darkest at zero; the last is all further instruments together.
const SHADES: [f64; 5] = [0.85, 0.62, 0.44, 0.29, 0.16];
/// Pixels a column of the stack is wide.
const COLUMN: f64 = 3.0;

/// What each instrument adds to the exposure, long upwards and short downwards, with net and gross over them. `None` where
/// nothing was held.
fn stacked(view: &View<'_>) -> Option<Markup> {
    let (bars, header) = (&view.run.bars, &view.run.header);
    if bars.gross.iter().all(|gross| *gross == 0.0) {
        return None;
    }
    let mean = |known: &Known<'_>| known.traded.exposure.iter().map(|held| held.abs()).sum::<f64>();
    let mut order: Vec<&Known<'_>> = view.instruments.iter().collect();
    order.sort_by(|a, b| mean(b).total_cmp(&mean(a)).then(a.at.cmp(&b.at)));
    let own = if order.len() > SHADES.len() { SHADES.len() - 1 } else { order.len() };

    let (left, right, top, bottom) = (72.0, 1252.0, 54.0, 284.0);
    let x = Axis::linear((header.start as f64, header.end as f64), (left, right));
    // The exposure of each layer at the last row of each column.
    let mut layers = vec![Vec::new(); if order.len() > own { own + 1 } else { own }];
    let mut columns: Vec<(f64, usize)> = Vec::new();
    for (at, time) in bars.time.iter().enumerate() {
        let column = ((x.at(*time as f64) - left) / COLUMN).floor() * COLUMN + left;
        match columns.last_mut().filter(|last| last.0 == column) {
            Some(last) => last.1 = at,
            None => columns.push((column, at)),
        }
    }
    for (layer, values) in layers.iter_mut().enumerate() {
        let members = if layer < own { &order[layer..=layer] } else { &order[own..] };
        *values =
            columns.iter().map(|(_, at)| members.iter().map(|known| held_at(known, bars.time[*at])).sum()).collect();
    }
    let (low, high) = extent(bars.exposure.iter().chain(&bars.gross).copied().chain([0.0]))?;
    let long = |at: usize| layers.iter().map(|values: &Vec<f64>| values[at].max(0.0)).sum::<f64>();
    let short = |at: usize| layers.iter().map(|values: &Vec<f64>| values[at].min(0.0)).sum::<f64>();
    let (deepest, highest) = extent((0..columns.len()).flat_map(|at| [long(at), short(at)]))?;
    let y = Axis::linear((low.min(deepest), high.max(highest)), (bottom - 3.0, top + 3.0));
    let average = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let summary = format!(
        "Exposure over equity by instrument, stacked. Gross {} on average and {} at most; net {} on average.",
        show::ratio(average(&bars.gross), Style::Page),
        show::ratio(largest(&bars.gross), Style::Page),
        show::ratio(average(&bars.exposure), Style::Page)
    );
    let mut svg = Svg::new(1340.0, bottom + 34.0, &summary, &[]);
    svg.title(left, 18.0, "Exposure by instrument, × equity", "What was held together?");
    svg.columns(&x, (top, bottom), bottom + 20.0, &time_ticks(header.start, header.end, 12));
    svg.gaps(&x, (top, bottom), &view.run.gaps);
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    let after_gap: Vec<bool> = (0..columns.len())
        .map(|at| {
            let times = at.checked_sub(1).map(|before| (bars.time[columns[before].1], bars.time[columns[at].1]));
            times.is_some_and(|(from, to)| view.run.gaps.iter().any(|gap| gap.from >= from && gap.to <= to))
        })
        .collect();
    let mut base = vec![(0.0, 0.0); columns.len()];
    let mut key = left;
    for (layer, values) in layers.iter().enumerate() {
        let mut path = PathData::default();
        for (is_long, sign) in [(true, 1.0), (false, -1.0)] {
            // A run of columns that hold something, out along its outer edge and back along the inner one.
            let part = |at: usize| (values[at] * sign).max(0.0);
            let level = |at: usize, outer: bool| {
                let inner: f64 = if is_long { base[at].0 } else { base[at].1 };
                y.at(inner + if outer { part(at) * sign } else { 0.0 })
            };
            let mut at = 0;
            while at < columns.len() {
                if part(at) == 0.0 {
                    at += 1;
                    continue;
                }
                let start = at;
                at += 1;
                while at < columns.len() && part(at) > 0.0 && !after_gap[at] {
                    at += 1;
                }
                path.move_to((columns[start].0, level(start, true)));
                for (column, (x, _)) in columns.iter().enumerate().take(at).skip(start) {
                    path.step_to((*x, level(column, true)));
                }
                path.line_to((columns[at - 1].0 + COLUMN, level(at - 1, true)));
                path.line_to((columns[at - 1].0 + COLUMN, level(at - 1, false)));
                for column in (start..at).rev() {
                    path.line_to((columns[column].0 + COLUMN, level(column, false)));
                    path.line_to((columns[column].0, level(column, false)));
                }
                path.close();
            }
        }
        for (at, value) in values.iter().enumerate() {
            if *value > 0.0 {
                base[at].0 += value;
            } else {
                base[at].1 += value;
            }
        }
        svg.shaded_path("wf-s", SHADES[layer], path);
        let name = match layer {
            layer if layer < own => order[layer].symbol().to_owned(),
            _ => format!("{} more", order.len() - own),
        };
        svg.shade("wf-s", SHADES[layer], (key, 30.0), (14.0, 10.0));
        svg.text("lb", key + 20.0, 39.0, Anchor::Start, &name);
        key += 40.0 + width_of(&name) * 1.1;
    }
    svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
    svg.path("tg", thin_line((&x, &y), &bars.time, &bars.gross, &view.run.gaps, COLUMN));
    svg.path("nt", thin_line((&x, &y), &bars.time, &bars.exposure, &view.run.gaps, COLUMN));
    svg.text("lb", right, 18.0, Anchor::End, "dashed: gross, all positions unsigned; line: net");
    Some(svg.finish())
}

/// An instrument's exposure at a moment: as after its last bar until then.
fn held_at(known: &Known<'_>, time: i64) -> f64 {
    let at = known.traded.time.partition_point(|bar| *bar <= time);
    at.checked_sub(1).and_then(|at| known.traded.exposure.get(at)).copied().unwrap_or_default()
}

/// Mean of held over asked, over bars where both are.
fn ratio_of_asked(view: &View<'_>) -> Option<f64> {
    let bars = &view.run.bars;
    let pairs = bars.exposure.iter().zip(&bars.asked).filter_map(|(held, asked)| Some(held / (*asked)?));
    let ratios: Vec<f64> = pairs.filter(|ratio| ratio.is_finite()).collect();
    (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
}

/// What was forecast at each day's end and what the market did in the window after it.
struct Forecast {
    /// Such as `the 30 days after`.
    window: &'static str,
    points: Vec<(f64, f64)>,
}

fn followed(view: &View<'_>) -> Option<Forecast> {
    // Of several instruments the main one stands for all.
    let bars = view.instruments.first()?.traded;
    if bars.is_structure {
        return None;
    }
    let times: Vec<Timestamp> = bars.time.iter().map(|time| Timestamp::from_nanos(*time)).collect();
    let path = Path { times: &times, equity: &bars.close };
    let daily = path.span().days() >= 124.0;
    let (step, count, window) = if daily {
        (Duration::DAY, 30, "the 30 days after")
    } else if view.run.header.bar <= Duration::HOUR.nanos() && path.span().days() >= 14.5 {
        (Duration::HOUR, 7 * 24, "the 7 days after")
    } else {
        return None;
    };
    let length = Duration::from_nanos(count as i64 * step.nanos());
    let mut points = Vec::new();
    for (end, after) in rolling_volatility(&path.returns(step), count, step) {
        let midnight = end.nanos().rem_euclid(Duration::DAY.nanos()) == 0;
        let decided = (end - length).nanos();
        let at = bars.time.partition_point(|time| *time <= decided);
        let known = at.checked_sub(1).and_then(|at| *bars.volatility.get(at)?);
        points.extend(known.filter(|_| midnight).map(|forecast| (forecast * 100.0, after * 100.0)));
    }
    (points.len() >= 5).then_some(Forecast { window, points })
}

fn forecast(view: &View<'_>) -> Option<(Markup, Markup)> {
    let forecast = followed(view)?;
    let points = &forecast.points;
    let (_, high) = extent(points.iter().flat_map(|(a, b)| [*a, *b]))?;
    let mean = |read: fn(&(f64, f64)) -> f64| points.iter().map(read).sum::<f64>() / points.len() as f64;
    let (told, came) = (mean(|point| point.0), mean(|point| point.1));
    let under = points.iter().filter(|(forecast, after)| after > forecast).count();
    let note = format!(
        "n={} days, windows overlap. Forecast {} % on average, {} % followed; on {} % of days more followed than was forecast{}.",
        points.len(),
        show::number(told, 1, Style::Page),
        show::number(came, 1, Style::Page),
        show::percent(under as f64 / points.len() as f64, 0, Style::Page),
        correlation(points).map_or_else(String::new, |rho| format!("; correlation {}", show::ratio(rho, Style::Page)))
    );
    let (left, right, top, bottom) = (58.0, 664.0, 34.0, 316.0);
    let summary = format!("Volatility forecast against realised volatility of {}. {note}", forecast.window);
    let mut svg = Svg::new(680.0, 354.0, &summary, &[]);
    let of = match view.instruments.as_slice() {
        [main, _, ..] => format!("Volatility of {}, % a year: forecast and followed", main.symbol()),
        _ => "Volatility, % a year: forecast and followed".to_owned(),
    };
    svg.title(left, 18.0, &of, "Was the input any good?");
    let x = Axis::linear((0.0, high * 1.04), (left, right));
    let y = Axis::linear((0.0, high * 1.04), (bottom, top));
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    for (tick, label) in labels(&ticks, decimals) {
        svg.line("gr", (x.at(tick), top), (x.at(tick), bottom));
        svg.text("ax", x.at(tick), bottom + 16.0, Anchor::Middle, &label);
    }
    svg.line("tg", (left, bottom), (right, top));
    svg.text("lb hl", left + 10.0, top + 14.0, Anchor::Start, "over the line: more came than was forecast");
    svg.dots("sd", 2.2, points.iter().map(|(forecast, after)| (x.at(*forecast), y.at(*after))));
    let axes = format!("across: forecast that sizing read; up: realised in {}", forecast.window);
    svg.text("lb", left, bottom + 33.0, Anchor::Start, &axes);
    let mut below = Markup::new();
    below.element("p", &[("class", "note")], &note);
    Some((svg.finish(), below))
}

fn correlation(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let sum = |read: &dyn Fn(f64, f64) -> f64| points.iter().map(|(x, y)| read(x - mean_x, y - mean_y)).sum::<f64>();
    let spread = sum(&|x, _| x * x) * sum(&|_, y| y * y);
    (spread > 0.0).then(|| sum(&|x, y| x * y) / units::math::sqrt(spread))
}

/// How often the rolling volatility stood where: scaled as bars, the twin as an outline.
fn distribution(view: &View<'_>, realised: &Realised) -> (Markup, Markup) {
    let percent = |rolling: &[(Timestamp, f64)]| -> Vec<f64> { rolling.iter().map(|(_, vol)| vol * 100.0).collect() };
    let (scaled, twin) = (percent(&realised.scaled), percent(&realised.twin));
    let target = view.run.method.target_vol.map(|target| target * 100.0);
    let (_, high) = extent(scaled.iter().chain(&twin).copied().chain(target)).unwrap_or((0.0, 1.0));
    let (left, right, top, bottom) = (58.0, 664.0, 34.0, 316.0);
    let ticks = Axis::linear((0.0, high.max(1e-6)), (left, right)).ticks(BINS).0;
    let width = ticks.get(1).copied().unwrap_or(high.max(1.0));
    let bins = (high / width).floor() as usize + 1;
    let shares = |values: &[f64]| -> Vec<f64> {
        let mut counts = vec![0.0; bins];
        for value in values {
            counts[((value / width) as usize).min(bins - 1)] += 100.0 / values.len().max(1) as f64;
        }
        counts
    };
    let (ours, theirs) = (shares(&scaled), shares(&twin));
    let middle = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted.get((share * (sorted.len().max(1) - 1) as f64) as usize).copied().unwrap_or(0.0);
        let [low, half, high] = [at(0.1), at(0.5), at(0.9)].map(|value| show::number(value, 1, Style::Page));
        format!("{half} in the middle, {low} to {high} in four of five")
    };
    let note = format!("Scaled {}; twin {}; n={} windows.", middle(&scaled), middle(&twin), scaled.len());
    let mut svg = Svg::new(680.0, 354.0, &format!("Distribution of {}. {note}", realised.name), &[]);
    svg.title(left, 18.0, "Realised volatility, share of time, %", "Is risk steadier?");
    let x = Axis::linear((0.0, bins as f64 * width), (left, right));
    let most = ours.iter().chain(&theirs).copied().fold(1.0, f64::max);
    let y = Axis::linear((0.0, most * 1.06), (bottom, top));
    let (ticks, decimals) = y.ticks(5);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    let (ticks, decimals) = x.ticks(8);
    for (tick, label) in labels(&ticks, decimals) {
        svg.text("ax", x.at(tick), bottom + 16.0, Anchor::Middle, &label);
    }
    let mut outline = PathData::default();
    outline.move_to((left, bottom));
    for at in 0..bins {
        let (from, to) = (x.at(at as f64 * width), x.at((at + 1) as f64 * width));
        if ours[at] > 0.0 {
            svg.rect("wf-s hb", from + 1.0, y.at(ours[at]), to - from - 2.0, bottom - y.at(ours[at]));
        }
        outline.line_to((from, y.at(theirs[at])));
        outline.line_to((to, y.at(theirs[at])));
    }
    outline.line_to((right, bottom));
    svg.path("tw tb", outline);
    svg.line("ze", (left, bottom), (right, bottom));
    if let Some(target) = target.filter(|target| x.contains(*target)) {
        svg.line("tg", (x.at(target), top), (x.at(target), bottom));
        let label = format!("target {}", show::number(target, 0, Style::Page));
        svg.text("lb hl", x.at(target) + 5.0, top + 12.0, Anchor::Start, &label);
    }
    let axes = format!("across: {}; filled: scaled, grey outline: twin", lower(&realised.name));
    svg.text("lb", left, bottom + 33.0, Anchor::Start, &axes);
    let mut below = Markup::new();
    below.element("p", &[("class", "note")], &note);
    (svg.finish(), below)
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}
