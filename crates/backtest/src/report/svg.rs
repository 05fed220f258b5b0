//! The drawing half: figures as compact SVG. Colours are classes, so that one drawing serves both themes and print.

use super::markup::{Attributes, Markup};
use super::scale::{Axis, TimeTick};
use super::summary::Gap;
use std::ops::Range;

/// What colours stand for, in light and in dark, as the page's style sheet has them.
const TOKENS: [(&str, &str, &str); 10] = [
    ("bg", "#fff", "#11161D"),
    ("ink", "#16202B", "#E6EBF1"),
    ("mute", "#5B6672", "#98A2AE"),
    ("grid", "#EBEEF2", "#1B222B"),
    ("scaled", "#0B62A8", "#5AA9F0"),
    ("twin", "#808893", "#8D97A3"),
    ("loss", "#B83A00", "#F0703C"),
    ("b", "#BF8500", "#F2CC60"),
    ("c", "#A8207A", "#F09AD0"),
    ("d", "#007A65", "#2FC4A8"),
];

/// What the page's style sheet says, as far as a picture alone needs it; [`themed`] puts in the colours.
const STANDALONE: &str = "\
svg{font-family:Inter,system-ui,sans-serif;font-variant-numeric:tabular-nums}.bg{fill:var(--bg)}.ax,.lb{font-size:11.5px;fill:var(--mute)}\
.ti{font-size:13px;font-weight:640;fill:var(--ink)}.qu{font-weight:400;fill:var(--mute)}.in{font-size:12px;fill:var(--ink)}\
.gr,.yr{stroke:var(--grid);fill:none}.ze{stroke:var(--mute);fill:none}.up{fill:var(--scaled)}.dn{fill:var(--loss)}\
.best{fill:none;stroke:var(--ink);stroke-width:1.6}.tw{stroke:var(--twin);stroke-width:1.1;fill:none}\
.sl{stroke:var(--scaled);stroke-width:1.9;fill:none;stroke-linejoin:round}.bs,.bt{stroke:var(--scaled);stroke-linecap:round;fill:none}\
.bt{stroke:var(--twin)}.lq{stroke:var(--loss);fill:none}\
.r0,.r1,.r2,.r3{stroke-width:1.8;fill:none;stroke-linejoin:round}.r0{stroke:var(--scaled)}.r1{stroke:var(--b)}.r2{stroke:var(--c)}\
.r3{stroke:var(--d)}.t0{fill:var(--scaled)}.t1{fill:var(--b)}.t2{fill:var(--c)}.t3{fill:var(--d)}\
.pc{stroke:var(--twin);stroke-opacity:.75;fill:none}.risk{fill:var(--loss);opacity:.08}.rf,.ra,.rl{stroke:var(--b);fill:none}\
.ra{stroke-dasharray:5 3}.rl{stroke-opacity:.45;stroke-dasharray:2 3}.p1,.p5,.p6,.p7{stroke:var(--bg);paint-order:stroke}\
.p1{fill:var(--scaled)}.p2,.p3{fill:var(--bg);stroke:var(--d);stroke-width:1.6}.p3{stroke:var(--b)}\
.p4{stroke:var(--loss);stroke-width:2;fill:none}.p5{fill:var(--loss)}.p6{fill:var(--c)}.p7{fill:var(--ink)}";

/// Rules of style with colours written out: light ones as they are, and behind them those of a dark theme for who asks for it. Viewers that
/// know no variables of style (librsvg, Inkscape, `ImageMagick`) would draw them black.
fn themed(rules: &str) -> String {
    let written = |text: &str, of: fn(&(&str, &'static str, &'static str)) -> &'static str| {
        let put = |text: String, token: &(&'static str, &'static str, &'static str)| {
            text.replace(&format!("var(--{})", token.0), of(token))
        };
        TOKENS.iter().fold(text.to_owned(), put)
    };
    let mut dark = String::new();
    for rule in rules.split_inclusive('}') {
        let Some((selector, declared)) = rule.strip_suffix('}').and_then(|rule| rule.split_once('{')) else { continue };
        let coloured: Vec<&str> = declared.split(';').filter(|one| one.contains("var(")).collect();
        if !coloured.is_empty() {
            let coloured = written(&coloured.join(";"), |token| token.2);
            dark.push_str(&format!("{selector}{{{coloured}}}"));
        }
    }
    format!("{}@media(prefers-color-scheme:dark){{{dark}}}", written(rules, |token| token.1))
}

/// Where a text stands against its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A figure under construction.
#[derive(Debug, Default)]
pub(super) struct Svg(Markup);

impl Svg {
    /// Opens a figure of so many pixels with a text summary for those who cannot see it.
    pub(super) fn new(width: f64, height: f64, summary: &str, more: Attributes<'_>) -> Self {
        Self::opened("img", width, height, summary, more)
    }

    /// A picture that stands alone: it carries its own colours, for both themes.
    pub(super) fn standalone(width: f64, height: f64, summary: &str) -> Self {
        let mut svg = Self::opened("img", width, height, summary, &[("xmlns", "http://www.w3.org/2000/svg")]);
        svg.0.raw("<style>").text(&themed(STANDALONE)).raw("</style>");
        svg.rect("bg", 0.0, 0.0, width, height);
        svg
    }

    /// Rules of style that one picture alone needs, behind those that all have.
    pub(super) fn style(&mut self, rules: &'static str) {
        self.0.raw("<style>").text(&themed(rules)).raw("</style>");
    }

    /// A rectangle of a given opacity.
    pub(super) fn shade(&mut self, class: &'static str, opacity: f64, corner: (f64, f64), size: (f64, f64)) {
        let numbers = [corner.0, corner.1, size.0, size.1].map(pixels);
        let [x, y, width, height] = &numbers;
        let opacity = format!("{opacity:.2}");
        let place = [("x", x.as_str()), ("y", y), ("width", width), ("height", height)];
        let mut attributes = vec![("class", class), ("fill-opacity", opacity.as_str())];
        attributes.extend(place);
        self.0.empty("rect", &attributes);
    }

    /// A path of a given opacity.
    pub(super) fn shaded_path(&mut self, class: &'static str, opacity: f64, data: PathData) {
        if !data.text.is_empty() {
            let opacity = format!("{opacity:.2}");
            self.0.empty("path", &[("class", class), ("fill-opacity", &opacity), ("d", &data.text)]);
        }
    }

    /// A figure with links in it: to a reader of the screen an image is one thing, a group is walked through.
    pub(super) fn with_links(width: f64, height: f64, summary: &str, more: Attributes<'_>) -> Self {
        Self::opened("group", width, height, summary, more)
    }

    fn opened(role: &str, width: f64, height: f64, summary: &str, more: Attributes<'_>) -> Self {
        let view = format!("0 0 {} {}", pixels(width), pixels(height));
        let mut attributes = vec![("viewBox", view.as_str()), ("role", role), ("aria-label", summary)];
        attributes.extend_from_slice(more);
        let mut markup = Markup::new();
        markup.open("svg", &attributes);
        Self(markup)
    }

    pub(super) fn finish(mut self) -> Markup {
        self.0.close("svg");
        self.0
    }

    pub(super) fn text(&mut self, class: &'static str, x: f64, y: f64, anchor: Anchor, text: &str) {
        let (x, y) = (pixels(x), pixels(y));
        let mut attributes = vec![("class", class), ("x", x.as_str()), ("y", y.as_str())];
        if anchor != Anchor::Start {
            attributes.push(("text-anchor", anchor.name()));
        }
        self.0.element("text", &attributes, text);
    }

    /// What a plot shows, with its unit, and the question that it answers.
    pub(super) fn title(&mut self, x: f64, y: f64, title: &str, question: &str) {
        let (x, y) = (pixels(x), pixels(y));
        self.0.open("text", &[("class", "ti"), ("x", &x), ("y", &y)]).text(title);
        self.0.element("tspan", &[("class", "qu"), ("dx", "10")], question).close("text");
    }

    pub(super) fn rect(&mut self, class: &'static str, x: f64, y: f64, width: f64, height: f64) {
        let numbers = [x, y, width.max(0.0), height.max(0.0)].map(pixels);
        let [x, y, width, height] = &numbers;
        self.0.empty("rect", &[("class", class), ("x", x), ("y", y), ("width", width), ("height", height)]);
    }

    pub(super) fn circle(&mut self, class: &'static str, x: f64, y: f64, radius: f64) {
        let [x, y, radius] = &[x, y, radius].map(pixels);
        self.0.empty("circle", &[("class", class), ("cx", x), ("cy", y), ("r", radius)]);
    }

    pub(super) fn line(&mut self, class: &'static str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, PathData::default().moved(from).lined(to));
    }

    pub(super) fn path(&mut self, class: &'static str, data: PathData) {
        if !data.text.is_empty() {
            self.0.empty("path", &[("class", class), ("d", &data.text)]);
        }
    }

    /// A path of a given line width.
    pub(super) fn stroke(&mut self, class: &'static str, width: f64, data: PathData) {
        if !data.text.is_empty() {
            self.0.empty("path", &[("class", class), ("stroke-width", &pixels(width)), ("d", &data.text)]);
        }
    }

    /// Many dots as one path of round, zero-length strokes: a tenth of as many circles.
    pub(super) fn dots(&mut self, class: &'static str, radius: f64, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut data = PathData::default();
        for point in points {
            data.move_to(point);
            data.dot();
        }
        self.stroke(class, radius * 2.0, data);
    }

    /// Names a rectangle for [`Self::open_clipped`].
    pub(super) fn clip(&mut self, id: &str, x: (f64, f64), y: (f64, f64)) {
        let [left, top, width, height] = &[x.0, y.0.min(y.1), x.1 - x.0, (y.1 - y.0).abs()].map(pixels);
        self.0.open("clipPath", &[("id", id)]);
        self.0.empty("rect", &[("x", left), ("y", top), ("width", width), ("height", height)]).close("clipPath");
    }

    /// A mark from the page's shared shapes, linking to a plan where there is one, with its story on hover.
    pub(super) fn mark(&mut self, shape: &str, x: f64, y: f64, link: Option<&str>, story: &str) {
        let (x, y, shape) = (pixels(x), pixels(y), format!("#m-{shape}"));
        match link {
            Some(link) => self.0.open("a", &[("href", link)]),
            None => self.0.open("g", &[]),
        };
        self.0.element("title", &[], story);
        self.0.empty("use", &[("href", &shape), ("x", &x), ("y", &y)]);
        self.0.close(if link.is_some() { "a" } else { "g" });
    }

    /// Opens a group of a class; what moves with the time axis when the script zooms has the class `z`.
    pub(super) fn open(&mut self, class: &'static str) {
        self.0.open("g", &[("class", class)]);
    }

    /// Opens a group that the script moves as a whole with a point of the time axis: marks and their labels.
    pub(super) fn open_at(&mut self, x: f64) {
        self.0.open("g", &[("class", "zt"), ("data-x", &pixels(x))]);
    }

    /// Opens a clipped group with the group that moves in it: `z` along time, `z zy` along prices too.
    pub(super) fn open_clipped(&mut self, clip: &str, class: &'static str) {
        let clip = format!("url(#{clip})");
        self.0.open("g", &[("clip-path", &clip)]).open("g", &[("class", class)]);
    }

    /// Closes so many groups.
    pub(super) fn close(&mut self, groups: usize) {
        for _ in 0..groups {
            self.0.close("g");
        }
    }

    /// The empty path that the script moves to where the reader points.
    pub(super) fn reading_line(&mut self) {
        self.0.empty("path", &[("class", "rd"), ("d", "")]);
    }

    /// Horizontal grid with labels left of it.
    pub(super) fn rows(&mut self, y: &Axis, x: (f64, f64), ticks: &[(f64, String)]) {
        for (value, label) in ticks {
            let at = y.at(*value);
            self.line("gr", (x.0, at), (x.1, at));
            self.text("ax", x.0 - 8.0, at + 4.0, Anchor::End, label);
        }
    }

    /// Vertical grid with labels under it, at `label_y`.
    pub(super) fn columns(&mut self, x: &Axis, y: (f64, f64), label_y: f64, ticks: &[TimeTick]) {
        let (left, right) = x.range();
        for tick in ticks {
            let at = x.at(tick.time as f64);
            self.line(if tick.major { "yr" } else { "gr" }, (at, y.0), (at, y.1));
            let half = width_of(&tick.label) / 2.0;
            let anchor = match at {
                at if at - half < left => Anchor::Start,
                at if at + half > right => Anchor::End,
                _ => Anchor::Middle,
            };
            self.text("ax", at, label_y, anchor, &tick.label);
        }
    }

    /// Hatches the holes of the tape.
    pub(super) fn gaps(&mut self, x: &Axis, y: (f64, f64), gaps: &[Gap]) {
        let (left, right) = x.range();
        for gap in gaps {
            let (from, to) = (x.at(gap.from as f64).max(left), x.at(gap.to as f64).min(right));
            if to > from {
                self.rect("gap", from, y.0, (to - from).max(1.5), y.1 - y.0);
            }
        }
    }
}

/// Estimated width of a text at the axis' type size.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.3
}

/// A coordinate with one decimal place at most.
pub(super) fn pixels(value: f64) -> String {
    tenths((value * 10.0).round() as i64)
}

fn tenths(value: i64) -> String {
    let (sign, size) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    match (size / 10, size % 10) {
        (whole, 0) if whole > 0 || value == 0 => format!("{sign}{whole}"),
        (0, part) => format!("{sign}.{part}"),
        (whole, part) => format!("{sign}{whole}.{part}"),
    }
}

/// The `d` of a path: relative coordinates in tenths of a pixel, so that ten thousand points stay small.
#[derive(Debug, Default)]
pub(super) struct PathData {
    text: String,
    at: (i64, i64),
    start: (i64, i64),
    last: char,
}

impl PathData {
    pub(super) fn moved(mut self, to: (f64, f64)) -> Self {
        self.move_to(to);
        self
    }

    pub(super) fn lined(mut self, to: (f64, f64)) -> Self {
        self.line_to(to);
        self
    }

    pub(super) fn move_to(&mut self, to: (f64, f64)) {
        let to = snap(to);
        if self.text.is_empty() {
            self.command('M', &[to.0, to.1]);
        } else {
            self.command('m', &[to.0 - self.at.0, to.1 - self.at.1]);
        }
        (self.at, self.start) = (to, to);
    }

    pub(super) fn line_to(&mut self, to: (f64, f64)) {
        let to = snap(to);
        match (to.0 - self.at.0, to.1 - self.at.1) {
            (0, 0) => {}
            (0, dy) => self.command('v', &[dy]),
            (dx, 0) => self.command('h', &[dx]),
            (dx, dy) => self.command('l', &[dx, dy]),
        }
        self.at = to;
    }

    /// Right, then up or down: a value that held until it changed.
    pub(super) fn step_to(&mut self, to: (f64, f64)) {
        let level = self.at.1 as f64 / 10.0;
        self.line_to((to.0, level));
        self.line_to(to);
    }

    /// A stroke of no length: with round ends, a dot.
    fn dot(&mut self) {
        self.command('h', &[0]);
    }

    pub(super) fn close(&mut self) {
        self.text.push('z');
        (self.last, self.at) = ('z', self.start);
    }

    fn command(&mut self, name: char, numbers: &[i64]) {
        if name != self.last {
            self.text.push(name);
        }
        for (at, number) in numbers.iter().enumerate() {
            let text = tenths(*number);
            if (at > 0 || name == self.last) && !text.starts_with('-') {
                self.text.push(' ');
            }
            self.text.push_str(&text);
        }
        // What follows a move without a letter would be a line.
        self.last = if matches!(name, 'M' | 'm') { ' ' } else { name };
    }
}

fn snap(point: (f64, f64)) -> (i64, i64) {
    ((point.0 * 10.0).round() as i64, (point.1 * 10.0).round() as i64)
}

/// Index ranges of `times` that no gap interrupts.
pub(super) fn unbroken(times: &[i64], gaps: &[Gap]) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    starts.extend(gaps.iter().map(|gap| times.partition_point(|time| *time < gap.to)));
    starts.push(times.len());
    starts.sort_unstable();
    starts.windows(2).map(|pair| pair[0]..pair[1]).filter(|range| !range.is_empty()).collect()
}

/// Keeps the lowest and the highest point of each column of so many pixels, in order of time: a line looks the same as with all.
pub(super) fn decimate(points: &[(f64, f64)], width: f64) -> Vec<(f64, f64)> {
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| (a.0 / width).floor() == (b.0 / width).floor()) {
        let order = |a: &(usize, &(f64, f64)), b: &(usize, &(f64, f64))| a.1.1.total_cmp(&b.1.1);
        let low = column.iter().enumerate().min_by(order).map_or(0, |(at, _)| at);
        let high = column.iter().enumerate().max_by(order).map_or(0, |(at, _)| at);
        kept.push(column[low.min(high)]);
        if low != high {
            kept.push(column[low.max(high)]);
        }
    }
    // The end is what the label at the line's end names.
    if let Some(last) = points.last().filter(|last| kept.last() != Some(last)) {
        kept.push(*last);
    }
    kept
}

/// A line through a series, broken at gaps, thinned to pixel columns. Points that are not finite are left out.
pub(super) fn line(x: &Axis, y: &Axis, times: &[i64], values: &[f64], gaps: &[Gap]) -> PathData {
    thin_line((x, y), times, values, gaps, 1.0)
}

/// The same thinned to columns of so many pixels: for what needs no more.
pub(super) fn thin_line((x, y): (&Axis, &Axis), times: &[i64], values: &[f64], gaps: &[Gap], width: f64) -> PathData {
    let mut path = PathData::default();
    for range in unbroken(times, gaps) {
        let run = range.filter(|at| values[*at].is_finite());
        let points: Vec<_> = run.map(|at| (x.at(times[at] as f64), y.at(values[at]))).collect();
        for (at, point) in decimate(&points, width).into_iter().enumerate() {
            if at == 0 { path.move_to(point) } else { path.line_to(point) }
        }
    }
    path
}

/// A value that holds until it changes, broken where there is none and at gaps, thinned to changes that can be seen.
pub(super) fn steps(x: &Axis, y: &Axis, times: &[i64], values: &[Option<f64>], gaps: &[Gap]) -> PathData {
    let mut path = PathData::default();
    for range in unbroken(times, gaps) {
        let mut level: Option<f64> = None;
        let mut end = 0.0;
        for at in range {
            let px = x.at(times[at] as f64);
            match (values[at].filter(|value| value.is_finite()), level) {
                (Some(value), None) => {
                    path.move_to((px, y.at(value)));
                    level = Some(y.at(value));
                }
                (Some(value), Some(drawn)) => {
                    // A change under a third of a pixel, or within one column, would only lengthen the page.
                    if (y.at(value) - drawn).abs() > 0.3 && (px - end > 0.4 || (y.at(value) - drawn).abs() > 4.0) {
                        path.step_to((px, y.at(value)));
                        (level, end) = (Some(y.at(value)), px);
                    }
                }
                (None, Some(drawn)) => {
                    path.line_to((px, drawn));
                    level = None;
                }
                (None, None) => {}
            }
            if at + 1 == times.len()
                && let Some(drawn) = level
            {
                path.line_to((px, drawn));
            }
        }
    }
    path
}

/// The area between a series and a level, thinned as [`line`] is.
pub(super) fn area(x: &Axis, y: &Axis, times: &[i64], values: &[f64], gaps: &[Gap], level: f64) -> PathData {
    let mut path = PathData::default();
    for range in unbroken(times, gaps) {
        let points: Vec<_> = range.map(|at| (x.at(times[at] as f64), y.at(values[at]))).collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
        path.move_to((first.0, y.at(level)));
        for point in decimate(&points, 1.0) {
            path.line_to(point);
        }
        path.line_to((last.0, y.at(level)));
        path.close();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short_and_right() {
        let mut path = PathData::default().moved((10.0, 20.0)).lined((10.5, 19.5)).lined((11.5, 20.25));
        path.line_to((11.5, 30.0));
        path.line_to((9.0, 30.0));
        path.move_to((0.0, 0.0));
        path.line_to((1.0, -1.0));
        assert_eq!(path.text, "M10 20l.5-.5 1 .8v9.7h-2.5m-9-30l1-1");
    }

    /// Every colour is written out, dark ones in the same order behind, and the tokens are those of the page.
    #[test]
    fn pictures_need_no_variables_of_style() {
        let style = themed(STANDALONE);
        assert!(!style.contains("var(") && !style.contains("--"), "{style}");
        assert_eq!(
            themed(".a{fill:var(--bg);opacity:.5}.b{r:1}"),
            ".a{fill:#fff;opacity:.5}.b{r:1}@media(prefers-color-scheme:dark){.a{fill:#11161D}}"
        );
        let page = include_str!("../../assets/report.css").replace(' ', "");
        for (name, light, dark) in TOKENS {
            let there = match name {
                "bg" => "card",
                "b" => "warn",
                "c" => "hedge",
                "d" => "gain",
                same => same,
            };
            let has = |colour: &str| page.contains(&format!("--{there}:{colour}"));
            assert!(has(light) && has(dark), "{name} is {there} of the page: {light}, {dark}");
        }
    }

    #[test]
    fn a_thinned_line_keeps_extremes_and_its_end() {
        let points: Vec<_> = (0..10_000).map(|at| (f64::from(at) / 100.0, f64::from((at * 7919) % 1000))).collect();
        let kept = decimate(&points, 1.0);
        assert!(kept.len() <= 201, "{}", kept.len());
        assert!(kept.iter().any(|point| point.1 == 999.0) && kept.iter().any(|point| point.1 == 0.0));
        assert_eq!(kept.last(), points.last());
        assert!(kept.windows(2).all(|pair| pair[0].0 <= pair[1].0), "in order of time");
    }

    #[test]
    fn lines_break_at_gaps() {
        let gaps = [Gap { from: 2, to: 5 }];
        assert_eq!(unbroken(&[1, 2, 5, 6], &gaps), [0..2, 2..4]);
        assert_eq!(unbroken(&[1, 2], &[]), vec![0..2]);
        assert!(unbroken(&[], &gaps).is_empty());
        let axis = Axis::linear((0.0, 10.0), (0.0, 10.0));
        assert_eq!(line(&axis, &axis, &[1, 2, 5, 6], &[1.0; 4], &gaps).text, "M1 1h1m3 0h1");
    }
}
