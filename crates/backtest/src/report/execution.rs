//! Slippage by hour of day and by order size, and how much of a bar's volume orders were.

use super::markup::Markup;
use super::overview::labels;
use super::scale::{Axis, extent};
use super::summary::Execution;
use super::svg::{Anchor, Svg};
use super::view::{View, counted, or_missing};
use units::Duration;
use units::show::{self, Style};

/// Classes of order size, each with as many orders.
const SIZES: usize = 5;
/// Orders that a class needs to be one.
const LEAST: usize = 4;

/// A bar of a figure: its label, the orders in it.
struct Class<'a> {
    label: String,
    orders: Vec<&'a Execution>,
}

impl Class<'_> {
    /// Slippage over value, of all its orders together.
    fn slippage(&self) -> Option<f64> {
        let value: f64 = self.orders.iter().map(|order| order.value).sum();
        let paid: f64 = self.orders.iter().map(|order| order.slippage).sum();
        (value > 0.0).then(|| paid / value)
    }

    /// Shares of volume, smallest first.
    fn participation(&self) -> Vec<f64> {
        let mut shares: Vec<f64> = self.orders.iter().filter_map(|order| order.participation).collect();
        shares.sort_by(f64::total_cmp);
        shares
    }
}

/// The figures and their table. Empty where no order filled at the venue.
pub(super) fn part(view: &View<'_>) -> Markup {
    let mut page = Markup::new();
    let orders: Vec<&Execution> = view.run.executions.iter().filter(|order| order.value > 0.0).collect();
    if orders.is_empty() {
        return page;
    }
    let (hours, sizes) = (by_hour(&orders), by_size(view, orders.clone()));
    page.raw("<div class=\"pair\">");
    let titles = [
        ("Slippage by hour of day, UTC, bp of value", "When is trading dear?", &hours),
        ("Slippage by order size, bp of value", "Do large orders pay more?", &sizes),
    ];
    for (title, question, classes) in titles {
        let figure = bars(title, question, classes);
        page.raw("<div class=\"card fig\"><div class=\"plot\">").piece(&figure).raw("</div></div>");
    }
    page.raw("</div>");
    table(&mut page, view, &sizes, &orders);
    page
}

fn by_hour<'a>(orders: &[&'a Execution]) -> Vec<Class<'a>> {
    let hour = |order: &&&Execution| order.time.rem_euclid(Duration::DAY.nanos()) / Duration::HOUR.nanos();
    let of = |at: i64| Class {
        label: format!("{at:02}"),
        orders: orders.iter().filter(|order| hour(order) == at).copied().collect(),
    };
    (0..24).map(of).collect()
}

/// Classes of as many orders each, smallest first; fewer classes where there are few orders.
fn by_size<'a>(view: &View<'_>, mut orders: Vec<&'a Execution>) -> Vec<Class<'a>> {
    orders.sort_by(|a, b| a.value.total_cmp(&b.value));
    let count = (orders.len() / LEAST).clamp(1, SIZES);
    let class = |at: usize| {
        let own = &orders[orders.len() * at / count..orders.len() * (at + 1) / count];
        let ends = [own.first(), own.last()].map(|order| order.map_or(0.0, |order| order.value));
        Class { label: ends.map(|value| brief(view, value)).join(" – "), orders: own.to_vec() }
    };
    (0..count).map(class).collect()
}

/// An amount short enough to stand under a bar: of little coin three digits.
fn brief(view: &View<'_>, value: f64) -> String {
    if !(f64::MIN_POSITIVE..1.0).contains(&value) {
        return view.money(value);
    }
    let zeros = (1..7).take_while(|zeros| value < units::math::pow(10.0, -f64::from(*zeros))).count();
    show::number(value, zeros + 3, Style::Page)
}

fn points(value: f64) -> String {
    show::number(value * 1e4, 2, Style::Page)
}

fn bars(title: &str, question: &str, classes: &[Class<'_>]) -> Markup {
    let (left, right, top, bottom) = (58.0, 664.0, 40.0, 196.0);
    let told: Vec<String> =
        classes.iter().filter_map(|class| Some(format!("{}: {}", class.label, points(class.slippage()?)))).collect();
    let mut svg = Svg::new(680.0, 236.0, &format!("{title}. {}.", told.join("; ")), &[]);
    svg.title(left, 18.0, title, question);
    let values = classes.iter().filter_map(Class::slippage).map(|value| value * 1e4);
    let (low, high) = extent(values.chain([0.0])).unwrap_or((0.0, 1.0));
    let y = Axis::linear((low, if high > low { high * 1.12 } else { low + 1.0 }), (bottom, top));
    let (ticks, decimals) = y.ticks(4);
    svg.rows(&y, (left, right), &labels(&ticks, decimals));
    let slot = (right - left) / classes.len() as f64;
    let few = classes.len() <= SIZES;
    for (at, class) in classes.iter().enumerate() {
        let x = left + slot * at as f64;
        if few || at % 3 == 0 {
            svg.text("ax", x + slot / 2.0, bottom + 16.0, Anchor::Middle, &class.label);
        }
        let Some(value) = class.slippage() else { continue };
        let (from, to) = (y.at((value * 1e4).max(0.0)), y.at((value * 1e4).min(0.0)));
        svg.rect("wf-s hb", x + slot * 0.14, from, slot * 0.72, (to - from).max(1.0));
        if few {
            let label = format!("{}  n={}", points(value), show::count(class.orders.len() as u64, Style::Page));
            svg.text("lb ls hl", x + slot / 2.0, from - 5.0, Anchor::Middle, &label);
        }
    }
    svg.line("ze", (left, y.at(0.0)), (right, y.at(0.0)));
    svg.finish()
}

fn table(page: &mut Markup, view: &View<'_>, sizes: &[Class<'_>], orders: &[&Execution]) {
    let all = Class { label: "All".to_owned(), orders: orders.to_vec() };
    if all.participation().is_empty() {
        page.raw(
            "<p class=\"note\">Participation, an order's share of its bar's volume: the tapes have no volumes.</p>",
        );
        return;
    }
    page.raw("<div class=\"card scroll va\"><h3>Participation<span>")
        .raw("an order's quantity over the volume of its bars: could it have filled so?</span></h3>")
        .raw("<table class=\"sc\"><thead><tr>");
    page.element("th", &[("scope", "col")], &format!("Order value, {}", view.run.header.currency));
    for name in
        ["Orders", "Slippage, bp", "Median, % of volume", "9 of 10 under, %", "Largest, %", "Over 1 % of volume"]
    {
        page.element("th", &[("scope", "col")], name);
    }
    page.raw("</tr></thead><tbody>");
    let one = sizes.len() < 2;
    for class in sizes.iter().filter(|_| !one).chain([&all]) {
        let shares = class.participation();
        let at = |share: f64| shares.get((share * (shares.len().max(1) - 1) as f64).round() as usize).copied();
        let percent = |value: Option<f64>| or_missing(value, |value| show::percent(value, 3, Style::Page));
        page.raw("<tr>").element("th", &[("scope", "row")], &class.label);
        let over = shares.iter().filter(|share| **share > 0.01).count();
        for cell in [
            show::count(class.orders.len() as u64, Style::Page),
            or_missing(class.slippage(), points),
            percent(at(0.5)),
            percent(at(0.9)),
            percent(at(1.0)),
            show::count(over as u64, Style::Page),
        ] {
            page.element("td", &[], &cell);
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table>");
    let none = orders.iter().filter(|order| order.participation.is_none()).count();
    let mut note = String::from(
        "Fills are made without regard to volume: an order that is a large share of it would have moved the price.",
    );
    if none > 0 {
        note.push_str(&format!(" {} in bars without volume.", counted(none, "order", "orders")));
    }
    page.element("p", &[("class", "note")], &note).raw("</div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slippage_of_a_class_is_weighted_by_value() {
        let order = |value: f64, slippage: f64, participation| Execution { time: 0, value, slippage, participation };
        let orders = [order(100.0, 1.0, Some(0.2)), order(900.0, 0.0, None), order(0.0, 0.0, Some(0.1))];
        let class = Class { label: String::new(), orders: orders.iter().collect() };
        assert_eq!(class.slippage(), Some(0.001), "1 paid on 1,000");
        assert_eq!(class.participation(), [0.1, 0.2]);
        assert_eq!(Class { label: String::new(), orders: Vec::new() }.slippage(), None);
    }

    #[test]
    fn an_order_belongs_to_its_utc_hour() {
        let order =
            |hour: i64| Execution { time: hour * Duration::HOUR.nanos() + 5, value: 1.0, ..Execution::default() };
        let orders = [order(0), order(23), order(47), order(-1)];
        let hours = by_hour(&orders.iter().collect::<Vec<_>>());
        assert_eq!(hours.iter().map(|class| class.orders.len()).collect::<Vec<_>>()[22..], [0, 3]);
    }
}
