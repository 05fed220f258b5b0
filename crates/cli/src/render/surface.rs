//! A volatility surface in a terminal.

use crate::terminal::{HINT, Terminal, WARNING};
use backtest::surface::{
    ChangeView, ExpiryView, ForwardView, PARITY_TOLERANCE, ReachView, SLOPE, SinceView, SmileView, SurfaceView,
    SviView, TenorView,
};
use units::Duration;
use units::show::{self, Style};

/// Quotes that came so long before the moment asked about are told to be old.
const OLD: Duration = Duration::from_nanos(Duration::HOUR.nanos());

/// A price of the underlying so much older than the quotes is told to be old where forwards follow from it: as old as quotes may be.
const OLD_SPOT: Duration = Duration::from_nanos(15 * Duration::MINUTE.nanos());

/// Prints one surface: forwards and smiles by expiry, how well they fit, fixed tenors, and whether arbitrage is left.
pub(crate) fn show(view: &SurfaceView, terminal: &Terminal) {
    terminal.json("surface", view);
    let SurfaceView { venue, underlying, settle, .. } = view;
    let spot = view.spot.map_or(String::new(), |spot| format!("   {underlying} {}", number(spot, 1)));
    let (quoted, used) = view.expiries.iter().fold((0, 0), |(q, u), expiry| (q + expiry.quoted, u + expiry.used));
    terminal.result(format_args!(
        "  {underlying} options at {venue}, in {settle}   {}{spot}   {used} of {quoted} quotes fitted",
        show::time(view.at.floor(Duration::SECOND)),
    ));
    let age = view.asked.since(view.at);
    if age >= OLD {
        terminal.note(format_args!(
            "{WARNING}warning{WARNING:#}: the last quotes came {} before {}",
            show::duration(age, Style::Terminal),
            show::time(view.asked.floor(Duration::SECOND))
        ));
    }
    let ended: Vec<String> =
        view.expiries.iter().filter(|of| of.expiry <= view.asked).map(|of| show::day(of.expiry)).collect();
    if !ended.is_empty() {
        let (ended, last) = (ended.join(", "), show::time(view.at.floor(Duration::SECOND)));
        terminal.note(format_args!(
            "{WARNING}warning{WARNING:#}: expired since the last quotes, and shown as of {last}: {ended}"
        ));
    }
    let spot_age = view.spot_at.map(|at| view.at.since(at)).filter(|age| *age >= OLD_SPOT);
    if let Some(age) = spot_age.filter(|_| view.needs_spot()) {
        terminal.note(format_args!(
            "{WARNING}warning{WARNING:#}: the price of {underlying} that interpolated forwards follow from is {} older than the quotes",
            show::duration(age, Style::Terminal)
        ));
    }
    smiles(view, terminal);
    for expiry in &view.expiries {
        for warning in &expiry.warnings {
            terminal.note(format_args!("{WARNING}warning{WARNING:#}: {}: {warning}", show::day(expiry.expiry)));
        }
    }
    if let Some(refusal) = &view.refusal {
        terminal.note(format_args!("{WARNING}warning{WARNING:#}: no surface: {refusal}"));
        terminal.note(format_args!(
            "{HINT}hint{HINT:#}: ask for another moment with `--at`; `--verbose` and `--json` tell of each expiry what of its quotes \
             was left out, and why"
        ));
        if let Some(since) = &view.since {
            changes(since, terminal);
        }
        return;
    }
    reaches(view, terminal);
    fits(view, terminal);
    tenors(view, terminal);
    if let Some(since) = &view.since {
        changes(since, terminal);
    }
    if let Some(arbitrage) = &view.arbitrage {
        let found = if arbitrage.free { "none" } else { "FOUND" };
        terminal.result(format_args!(
            "\n  arbitrage   {found}   lowest density {:.1e}, lowest rise of variance {:.1e}\n              {} of {} neighbouring \
             expiries crossed before the repair",
            arbitrage.lowest_density, arbitrage.lowest_rise, arbitrage.crossed_before_repair, arbitrage.pairs
        ));
    }
    terminal.result("  ATM, var sw: % a year, ACT/365; RR, BF, errors: volatility points; skew:");
    terminal.result("  points for each 1 of ln(strike) at the forward, so a tenth of it for 10 %;");
    terminal.result("  RR and BF at a forward delta of 0.25, not premium-adjusted; quoted: deltas of");
    terminal.result("  the outermost strikes, and the variance swap of those between and beyond");
}

/// Forwards and the shape of each smile.
fn smiles(view: &SurfaceView, terminal: &Terminal) {
    terminal.result(format_args!(
        "\n  {:<12}{:>7}{:>12} {:<12} {:>7} {:>7} {:>7} {:>7}",
        "expiry", "days", "forward", "from", "ATM", "RR 25", "BF 25", "var sw"
    ));
    for expiry in &view.expiries {
        let (forward, from) = expiry
            .forward
            .as_ref()
            .map_or((show::MISSING.to_owned(), String::new()), |forward| (number(forward.price, 2), source(forward)));
        let head = format!("  {:<12}{:>7}{forward:>12} {from:<12}", show::day(expiry.expiry), number(expiry.days, 2));
        terminal.result(match &expiry.smile {
            Some(smile) => format!(
                "{head} {:>7} {:>7} {:>7} {:>7}",
                marked(starred(points(smile.atm), smile.atm_extrapolated), smile.none_inside),
                starred(told(smile.risk_reversal), smile.wings_extrapolated),
                starred(told(smile.butterfly), smile.wings_extrapolated),
                points(smile.variance_swap)
            ),
            None => format!("{head}  {}", expiry.refusal.as_deref().unwrap_or_default()),
        });
        if expiry.smile.is_none() && terminal.is_verbose() {
            left_out(expiry, terminal);
        }
    }
    let refused = view.expiries.iter().filter_map(|expiry| expiry.forward.as_ref().filter(|of| of.refused.is_some()));
    let over = refused.filter_map(|forward| forward.over_parity).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    if let Some(over) = over {
        let (over, most) = (number(over * 100.0, 2), number(PARITY_TOLERANCE * 100.0, 1));
        terminal
            .result(format_args!("  * the recorded forward, up to {over} % off, is not taken: it lies over {most} %"));
        terminal.result("    beyond what the bids and asks of calls and puts allow");
    }
}

/// Where a forward is from; with a star where what was recorded was refused.
fn source(forward: &ForwardView) -> String {
    format!("{}{}", forward.source, if forward.refused.is_some() { "*" } else { "" })
}

/// How far the quotes of each smile reach, and what of a variance swap lies beyond.
fn reaches(view: &SurfaceView, terminal: &Terminal) {
    terminal.result(format_args!(
        "\n  {:<12}{:>11}{:>12}{:>14}{:>14}{:>13}",
        "quoted", "put delta", "call delta", "deviations", "var sw there", "beyond %"
    ));
    for expiry in &view.expiries {
        let Some(smile) = &expiry.smile else { continue };
        let ReachView { from_deviations, to_deviations, put_delta, call_delta, .. } = smile.reach;
        let (from, to) = (number(from_deviations, 1), number(to_deviations, 1));
        terminal.result(format_args!(
            "  {:<12}{:>11}{:>12}{:>14}{:>14}{:>13}",
            show::day(expiry.expiry),
            number(put_delta, 3),
            number(call_delta, 3),
            format!("{from} to {to}"),
            points(smile.variance_swap_quoted),
            number(smile.variance_swap_beyond * 100.0, 1),
        ));
    }
    if view.expiries.iter().filter_map(|expiry| expiry.smile.as_ref()).any(|smile| smile.wings_extrapolated) {
        terminal.result("  * beyond the quoted strikes: extrapolated");
    }
}

/// A number that is extrapolated has a star.
fn starred(number: String, extrapolated: bool) -> String {
    if extrapolated { number + "*" } else { number }
}

/// A number that no quote bears out has an exclamation mark.
fn marked(number: String, is_doubtful: bool) -> String {
    if is_doubtful { number + "!" } else { number }
}

/// How well each smile says what is quoted.
fn fits(view: &SurfaceView, terminal: &Terminal) {
    terminal.result(format_args!(
        "\n  {:<12}{:>7}{:>8}{:>10} {:>8} {:>8} {:>8}  {}",
        "fit", "quotes", "fitted", "inside %", "median", "90 %", "largest", "repair"
    ));
    for expiry in &view.expiries {
        let Some(smile) = &expiry.smile else { continue };
        let inside = smile.inside as f64 / smile.points.max(1) as f64;
        terminal.result(format_args!(
            "  {:<12}{:>7}{:>8}{:>10} {:>8} {:>8} {:>8}  {}",
            show::day(expiry.expiry),
            expiry.quoted,
            smile.points,
            marked(number(inside * 100.0, 0), is_doubtful(smile)),
            points(smile.median_error),
            points(smile.ninetieth_error),
            points(smile.largest_error),
            smile.repair
        ));
        if terminal.is_verbose() {
            parameters(smile, terminal);
            left_out(expiry, terminal);
        }
    }
    let smiles = || view.expiries.iter().filter_map(|expiry| expiry.smile.as_ref());
    if smiles().any(is_doubtful) {
        let none = if smiles().any(|smile| smile.none_inside) { "; beside ATM: none does" } else { "" };
        terminal.result(format_args!("  ! under 85 % lie between bid and ask{none}"));
    }
}

/// Whether so much of a smile lies outside of bid and ask that a warning says so.
fn is_doubtful(smile: &SmileView) -> bool {
    smile.inside * 100 < smile.points * 85
}

/// The hyperbola that the curve of a smile is drawn to, and how many knots the curve has; `--json` has all of them.
fn parameters(smile: &SmileView, terminal: &Terminal) {
    let SviView { level, slope, skew, centre, width } = smile.svi;
    let [level, slope, skew, centre, width] =
        [level, slope, skew, centre, width].map(|value| show::significant(value, 4, Style::Terminal));
    let knots = smile.knots.len();
    terminal.result(format_args!(
        "    SVI: level {level}, slope {slope}, skew {skew}, centre {centre}, width {width}; {knots} knots"
    ));
}

/// What cleaning dropped, and why.
fn left_out(expiry: &ExpiryView, terminal: &Terminal) {
    if !expiry.dropped.is_empty() {
        let dropped = expiry.dropped.iter().map(|(reason, count)| format!("{count} {reason}"));
        terminal.result(format_args!("    left out: {}", dropped.collect::<Vec<_>>().join(", ")));
    }
}

/// At fixed tenors.
fn tenors(view: &SurfaceView, terminal: &Terminal) {
    let cells = |label: &str, cell: &dyn Fn(&TenorView) -> String| {
        let cells: String = view.tenors.iter().map(|tenor| format!(" {:>8}", cell(tenor))).collect();
        terminal.result(format_args!("  {label:<12}{cells}"));
    };
    terminal.result("");
    cells("tenor", &|tenor| format!("{} d{}", tenor.days, if tenor.extrapolated { "*" } else { "" }));
    cells("ATM", &|tenor| points(tenor.atm));
    cells("RR 25", &|tenor| told(tenor.risk_reversal));
    cells("BF 25", &|tenor| told(tenor.butterfly));
    cells("skew", &|tenor| points(tenor.skew));
    cells("var sw", &|tenor| points(tenor.variance_swap));
    if view.tenors.iter().any(|tenor| tenor.extrapolated) {
        terminal.result("  * before the first or behind the last expiry, or beside one of narrow quotes");
    }
}

/// What changed since an earlier moment.
fn changes(since: &SinceView, terminal: &Terminal) {
    let asked = show::time(since.asked.floor(Duration::SECOND));
    if let Some(refusal) = &since.refusal {
        terminal.note(format_args!("{WARNING}warning{WARNING:#}: no changes since {asked}: {refusal}"));
        return;
    }
    let last = since.at.filter(|at| since.asked.since(*at) >= Duration::SECOND).map_or(String::new(), |at| {
        format!("   its last quotes {} before", show::duration(since.asked.since(at), Style::Terminal))
    });
    terminal.result(format_args!("\n  changes since {asked}{last}"));
    let cells = |label: &str, cell: &dyn Fn(&ChangeView) -> String| {
        let cells: String = since.tenors.iter().map(|tenor| format!(" {:>8}", cell(tenor))).collect();
        terminal.result(format_args!("  {label:<12}{cells}"));
    };
    cells("tenor", &|tenor| format!("{} d{}", tenor.days, if tenor.extrapolated { "*" } else { "" }));
    cells("forward, %", &|tenor| signed(tenor.forward));
    cells("ATM", &|tenor| signed(tenor.atm));
    let maybe = |value: Option<f64>| value.map_or_else(|| show::MISSING.to_owned(), signed);
    cells("RR 25", &|tenor| maybe(tenor.risk_reversal));
    cells("BF 25", &|tenor| maybe(tenor.butterfly));
    let (short, long) = SLOPE;
    terminal.result(format_args!("  {long} d less {short} d at the money: {}", maybe(since.term_slope)));
    if since.tenors.iter().any(|tenor| tenor.extrapolated) {
        terminal.result("  * extrapolated now or then");
    }
}

/// A change in hundredths, with its sign.
fn signed(share: f64) -> String {
    show::change(share * 100.0, 0.0, 2, Style::Terminal)
}

fn number(value: f64, decimals: usize) -> String {
    show::number(value, decimals, Style::Terminal)
}

/// A share in hundredths.
fn points(share: f64) -> String {
    number(share * 100.0, 2)
}

fn told(share: Option<f64>) -> String {
    share.map_or_else(|| show::MISSING.to_owned(), points)
}
