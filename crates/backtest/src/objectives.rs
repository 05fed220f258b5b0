//! What a participant wants, turned into a policy whose every number has its reason (docs/objectives.md).

mod measured;
mod proof;
mod text;

pub use measured::Measured;
pub use proof::{Futures, PATHS, Proof, prove};
pub use text::{Line, Part};

use crate::metrics::YEAR;
use policy::objectives::{Estimate, KnownBy, Measure, Objectives, Side, Style};
use policy::{Code, Diagnostic, Severity, spec};
use pricing::laws::{normal_distribution, normal_quantile};
use risk::growth::{GrowthError, Walk, kelly_shrinkage, volatility_of_drawdown};
use risk::scenario::{Move, NamedStress};
use serde::Serialize;
use text::{percent, plain};
use units::math::{pow, sqrt};

/// The most that a target may be, a year: that of the objectives' own key.
const TARGET_MOST: f64 = 2.0;
/// A target under this holds next to nothing.
const TARGET_LEAST: f64 = 0.005;
/// Long-run volatility that is assumed where no tape tells it: Binance's bars of 2017 to 2022 have 78 % for BTC and 98 % for ETH.
const ASSUMED_BTC: f64 = 0.8;
const ASSUMED_OTHERS: f64 = 1.0;
/// Correlation that is assumed: BTC and ETH had 0.79 by the day from 2017 to 2022 and 0.81 in 2023 and 2024, and falls move coins
/// as one.
const ASSUMED_CORRELATION: f64 = 0.9;
/// The share of the long-run volatility under which no size follows a calm market.
const FLOOR: f64 = 0.5;
/// How much more than its full size a position may grow to by prices alone before it is cut; of spot, what pays for fees and for prices
/// that move before an order fills.
const HEADROOM: f64 = 1.25;
const HEADROOM_SPOT: f64 = 1.05;
/// What venues ask to be left of a position's value, roughly: a twentieth.
const MAINTENANCE: f64 = 0.05;
/// The stress whose fall no leverage may be liquidated by.
const STRESS: &str = "2020-03-12";
/// A day's loss that is borne is the one that a normal day of the target stays within so often.
const DAY_WITHIN: f64 = 0.99;
/// Loss limits lie so many deviations of a day or a week away.
const LIMIT_DEVIATIONS: f64 = 3.0;
/// What one day may cost between the last level of drawdown and the order that closes: so many deviations.
const GAP_DEVIATIONS: f64 = 4.0;
/// How far options that are sold a month out stand off at 60 % of volatility, as a share of the forward: a call of delta 0.25; of a
/// strangle of 0.15 the put, which is the nearer one.
const CALL_OFF: f64 = 0.14;
const STRANGLE_OFF: f64 = 0.15;
/// The rise that options sold are looked at by, an assumption as the fall of the stress is a record.
const RISE: f64 = 0.5;
/// Calls on so much of the coin leave a tenth to pay for buying back.
const COVERED: f64 = 0.9;

/// What limits the volatility target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    /// The objective, as its key: `worst_drawdown`; of what no key says, `view`, `margin`, `spot`.
    pub objective: &'static str,
    /// The largest target that it allows, a year.
    pub target: f64,
    /// How it comes about.
    pub because: String,
    /// Whether it is the one that decides.
    pub binds: bool,
}

/// A policy made of objectives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proposal {
    /// Its name.
    pub name: String,
    /// What was asked, in sentences.
    pub asked: Vec<String>,
    /// What follows from it.
    pub follows: Vec<String>,
    /// Limits of the volatility target, the tightest first.
    pub bounds: Vec<Bound>,
    /// What was assumed or measured.
    pub based_on: Vec<String>,
    /// What the policy cannot promise.
    pub cannot: Vec<String>,
    /// The volatility target, a year.
    pub target: f64,
    /// The probability of the worst drawdown within the horizon by Brownian motion at the target, limits not counted on.
    pub chance: f64,
    /// The policy: its sections with their lines, each with its reason.
    pub sections: Vec<Part>,
    /// What its tapes say of it; none: no tape was given.
    pub proof: Option<Proof>,
}

/// What a view is worth after its uncertainty.
#[derive(Debug, Clone, Copy)]
struct Shrunk {
    /// As it was stated, over all instruments.
    sharpe: f64,
    /// Years of evidence, or what its error is worth in them.
    years: f64,
    /// The share of it that is counted on.
    share: f64,
}

impl Shrunk {
    /// What is counted on.
    fn sharpe(&self) -> f64 {
        self.sharpe * self.share
    }
}

/// Everything that numbers are made of.
struct Basis<'a> {
    wanted: &'a Objectives,
    /// Long-run volatility of each instrument.
    volatilities: Vec<f64>,
    correlation: f64,
    is_measured: bool,
    years: f64,
    view: Option<Shrunk>,
}

impl Basis<'_> {
    fn sharpe(&self) -> f64 {
        self.view.as_ref().map_or(0.0, Shrunk::sharpe)
    }

    /// The lowest long-run volatility.
    fn calmest(&self) -> f64 {
        self.volatilities.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// What so many instruments at equal risk carry more than one.
    fn diversification(&self, count: usize) -> f64 {
        let count = count as f64;
        1.0 / sqrt((1.0 + (count - 1.0) * self.correlation.max(0.0)) / count)
    }

    /// The multiplier: in no account is there more risk than the target, each instrument being sized on an equal part of its account.
    fn multiplier(&self) -> f64 {
        let count = self.wanted.instruments.len() as f64;
        let of = |own: usize| count / own as f64 * self.diversification(own);
        let least = self.wanted.venues().values().map(|own| of(*own)).fold(f64::INFINITY, f64::min);
        down(least, 2).clamp(0.01, 10.0)
    }

    /// What all instruments of the fullest account have of its equity to size on.
    fn capital_at_work(&self) -> f64 {
        let count = self.wanted.instruments.len();
        let fullest = self.wanted.venues().into_values().max().unwrap_or(count);
        let shared = if count > 1 { self.multiplier() * fullest as f64 / count as f64 } else { 1.0 };
        self.wanted.capital * shared
    }

    /// What limits exposure × equity, the tightest first.
    fn leverages(&self) -> Vec<Leverage> {
        let Jump { loss, said } = jump(self.wanted);
        let margin = down((1.0 - MAINTENANCE) / loss, 2);
        let because = format!("{said} must not liquidate: (1 - {MAINTENANCE} of maintenance) / {loss:.2}");
        let mut found = vec![Leverage { most: margin, objective: "margin", because, headroom: HEADROOM }];
        if let Some(most) = self.wanted.leverage {
            let because = format!("no more than {} x equity is borne", plain(most, 2));
            found.push(Leverage { most, objective: "leverage", because, headroom: HEADROOM });
        }
        if self.wanted.is_spot() {
            let because = "of spot no more is held than is paid for".to_owned();
            found.push(Leverage { most: 1.0, objective: "spot", because, headroom: HEADROOM_SPOT });
        }
        found.sort_by(|a, b| (a.most / a.headroom).total_cmp(&(b.most / b.headroom)));
        found
    }

    /// The tightest.
    fn leverage(&self) -> Leverage {
        self.leverages().swap_remove(0)
    }
}

struct Leverage {
    most: f64,
    objective: &'static str,
    because: String,
    headroom: f64,
}

/// Turns objectives into a policy. `measured` is what tapes tell of the instruments.
///
/// # Errors
///
/// Objectives that cannot all hold, each finding with its places in the text.
pub fn propose(wanted: &Objectives, measured: Option<&Measured>) -> Result<Proposal, Vec<Diagnostic>> {
    if let Some(found) = one_side(wanted) {
        return Err(vec![found]);
    }
    let assumed = |symbol: &String| if spec::base(symbol) == Some("BTC") { ASSUMED_BTC } else { ASSUMED_OTHERS };
    let volatilities: Vec<f64> = match measured {
        Some(measured) => measured.volatilities.clone(),
        None => wanted.instruments.iter().map(assumed).collect(),
    };
    let mut basis = Basis {
        wanted,
        correlation: measured.map_or(ASSUMED_CORRELATION, |measured| measured.correlation),
        is_measured: measured.is_some(),
        years: wanted.horizon.days() / YEAR,
        volatilities,
        view: None,
    };
    let internal = |error: GrowthError| {
        vec![refused(wanted, "worst_drawdown", None, error.to_string(), "no number follows", "change it")]
    };
    basis.view = view(&basis).map_err(internal)?;
    let bounds = bounds(&basis).map_err(internal)?;
    let allowed = bounds[0].target;
    let target = down(allowed, 3);
    if target < TARGET_LEAST {
        let key = key_of(wanted, bounds[0].objective);
        let other = if key == "worst_drawdown" { "horizon" } else { "worst_drawdown" };
        let label = format!("allows {} % of volatility a year", plain(allowed * 100.0, 2));
        let help = "allow more of it, or a shorter horizon";
        return Err(vec![refused(
            wanted,
            key,
            Some((other, "with this")),
            "next to nothing may be held".to_owned(),
            &label,
            help,
        )]);
    }
    out_of_reach(&basis, &bounds, target).map_err(internal)?.map_or(Ok(()), |found| Err(vec![found]))?;
    let walk = |target: f64| Walk::new(target * basis.sharpe() - target * target / 2.0, target);
    let chance = walk(target).and_then(|walk| walk.draws_down(wanted.worst_drawdown, basis.years)).map_err(internal)?;
    let numbers = text::Numbers::of(&basis, target);
    let flat = walk(target).and_then(|walk| walk.draws_down(numbers.last_level, basis.years)).map_err(internal)?;
    let sections = text::sections(&basis, &bounds, &numbers, chance);
    Ok(Proposal {
        name: wanted.name.clone(),
        asked: asked(wanted),
        follows: follows(&basis, &numbers, chance, flat),
        based_on: based_on(&basis, measured),
        cannot: cannot(&basis, &numbers),
        bounds,
        target,
        chance,
        sections,
        proof: None,
    })
}

/// What views are worth together: the mean over the instruments, those without one counted as nothing, diversification not counted on;
/// known as well as the one that is known least.
fn view(basis: &Basis<'_>) -> Result<Option<Shrunk>, GrowthError> {
    let wanted = basis.wanted;
    let mut sum = 0.0;
    let mut years = f64::INFINITY;
    for (symbol, volatility) in wanted.instruments.iter().zip(&basis.volatilities) {
        let own = wanted.views.iter().find(|view| view.instrument.as_ref() == Some(symbol));
        let all = wanted.views.iter().find(|view| view.instrument.is_none());
        let Some(Estimate { value, of, known_by }) =
            own.and_then(|view| view.estimate).or(all.and_then(|view| view.estimate))
        else {
            continue;
        };
        let unit = if of == Measure::Return { *volatility } else { 1.0 };
        sum += value / unit;
        years = years.min(match known_by {
            KnownBy::Evidence(span) => span.days() / YEAR,
            // The mean of so many years of noise one has this error.
            KnownBy::Error(error) => (unit / error) * (unit / error),
        });
    }
    if sum == 0.0 {
        return Ok(None);
    }
    let sharpe = sum / wanted.instruments.len() as f64;
    let days = (years * YEAR).clamp(1.0, 1e6) as u32;
    let share = kelly_shrinkage(sharpe / sqrt(YEAR), 1.0, days)?;
    Ok(Some(Shrunk { sharpe, years, share }))
}

/// What limits the target, the tightest first.
fn bounds(basis: &Basis<'_>) -> Result<Vec<Bound>, GrowthError> {
    let wanted = basis.wanted;
    let days = plain(wanted.horizon.days(), 1);
    let (drawdown, probability) = (plain(wanted.worst_drawdown * 100.0, 1), plain(wanted.probability * 100.0, 1));
    let sharpe = basis.sharpe();
    let most = volatility_of_drawdown(wanted.worst_drawdown, wanted.probability, basis.years, sharpe, TARGET_MOST)?;
    let drift = match basis.view {
        Some(_) => format!("with the shrunk Sharpe ratio {sharpe:.2}"),
        None => "without a view, so without drift".to_owned(),
    };
    let mut bounds = vec![Bound {
        objective: "worst_drawdown",
        target: most,
        because: format!(
            "a drawdown of {drawdown} % within {days} days has a probability of {probability} % there: Brownian motion {drift}"
        ),
        binds: false,
    }];
    if let Some(target) = wanted.target {
        bounds.push(Bound { objective: "target", target, because: "as stated".to_owned(), binds: false });
    }
    if let Some(view) = basis.view {
        let Shrunk { sharpe, years, share } = view;
        let because = format!(
            "Kelly's volatility is the Sharpe ratio, {sharpe:.2}; {} years of evidence leave {} % of it: S² / (S² + 1 / years)",
            plain(years, 1),
            plain(share * 100.0, 0)
        );
        bounds.push(Bound { objective: "view", target: view.sharpe(), because, binds: false });
    }
    if let Some(loss) = wanted.daily_loss {
        let because = format!(
            "a normal day stays within {} % in 99 of 100: loss x root of 365 / {:.2}",
            plain(loss * 100.0, 1),
            normal_quantile(DAY_WITHIN)
        );
        let target = loss * sqrt(YEAR) / normal_quantile(DAY_WITHIN);
        bounds.push(Bound { objective: "daily_loss", target, because, binds: false });
    }
    if !wanted.style.sells_options() {
        for Leverage { most, objective, because, headroom } in basis.leverages() {
            let target = most / headroom / basis.capital_at_work() * basis.calmest();
            let (size, volatility) = (plain(most / headroom, 2), plain(basis.calmest() * 100.0, 0));
            let because = format!("{because}; that is the volatility of {size} x at {volatility} % a year");
            bounds.push(Bound { objective, target, because, binds: false });
        }
    }
    bounds.sort_by(|a, b| a.target.total_cmp(&b.target));
    bounds[0].binds = true;
    Ok(bounds)
}

/// A return that what is allowed cannot be expected to earn.
fn out_of_reach(basis: &Basis<'_>, bounds: &[Bound], target: f64) -> Result<Option<Diagnostic>, GrowthError> {
    let (wanted, sharpe) = (basis.wanted, basis.sharpe());
    let Some(asked) = wanted.expected_return.filter(|asked| *asked > sharpe * target + 1e-9) else { return Ok(None) };
    let most = down(sharpe * target, 3);
    let key = key_of(wanted, bounds[0].objective);
    let label = format!(
        "{} % of volatility x a Sharpe ratio of {sharpe:.2}, shrunk, is {} %",
        plain(target * 100.0, 1),
        plain(most * 100.0, 1)
    );
    let lower = format!("lower `return` to {}", percent(most));
    let needed = asked / sharpe;
    let allows = |drawdown: f64| volatility_of_drawdown(drawdown, wanted.probability, basis.years, sharpe, TARGET_MOST);
    // In steps of a percent: it is a hint.
    let mut enough = None;
    for step in 1..=90 {
        let drawdown = f64::from(step) / 100.0;
        if allows(drawdown)? >= needed {
            enough = Some(drawdown);
            break;
        }
    }
    let next = bounds.get(1).is_none_or(|next| next.target >= needed);
    let help = match (bounds[0].objective, enough) {
        ("worst_drawdown", Some(drawdown)) if next => format!("{lower}, or bear a drawdown of {}", percent(drawdown)),
        ("view", _) => format!("{lower}, or bring longer evidence: more risk than the view bears earns less"),
        ("worst_drawdown", _) => format!("{lower}: no drawdown alone makes room for it"),
        (other, _) => format!("{lower}, or allow more by `{other}`"),
    };
    let message = "the return needs more risk than is allowed".to_owned();
    Ok(Some(refused(wanted, "return", Some((key, "this allows no more")), message, &label, &help)))
}

/// The key that states an objective.
fn key_of(wanted: &Objectives, objective: &'static str) -> &'static str {
    match objective {
        "view" if wanted.places.contains_key("views.0") => "views.0",
        "margin" | "spot" | "view" if wanted.places.contains_key("instruments") => "instruments",
        "margin" | "spot" | "view" => "instrument",
        key => key,
    }
}

fn refused(
    wanted: &Objectives,
    key: &str,
    other: Option<(&str, &str)>,
    message: String,
    label: &str,
    help: &str,
) -> Diagnostic {
    Diagnostic {
        code: Code::Contradiction,
        severity: Severity::Error,
        span: wanted.place(key),
        message,
        label: label.to_owned(),
        help: Some(help.to_owned()),
        also: other.map(|(key, said)| (wanted.place(key), said.to_owned())),
    }
}

/// The fall of the stress, of the coin that falls most.
fn fall(wanted: &Objectives) -> f64 {
    let Some(stress) = NamedStress::named(STRESS) else { return 1.0 };
    let of = |symbol: &String| {
        let coin = spec::base(symbol).and_then(|base| base.parse().ok());
        match coin.map_or(stress.scenario.spot.others, |coin| stress.scenario.spot.of(coin)) {
            Move::Return(by) => -by,
            Move::Deviations(_) => 1.0,
        }
    };
    wanted.instruments.iter().map(of).fold(0.0, f64::max).clamp(0.01, 1.0)
}

/// What one unit of exposure loses of its value in a jump against it.
struct Jump {
    loss: f64,
    said: String,
}

/// The worst of the sides that may be held: the fall of the stress for longs, a rise for shorts. A contract
/// that settles in coin loses coin,
/// of which a fall makes each worth less and a rise more; where the symbol does not tell, it may be one.
fn jump(wanted: &Objectives) -> Jump {
    let in_coin = wanted
        .instruments
        .iter()
        .any(|symbol| spec::base(symbol).is_some_and(|base| spec::settlements(symbol).contains(&base)));
    let down = fall(wanted);
    let mut jumps = Vec::new();
    if wanted.side() != Some(Side::Short) {
        let loss = if in_coin { down / (1.0 - down).max(0.05) } else { down };
        jumps.push((loss, format!("the fall of {STRESS}, {} %,", plain(down * 100.0, 0))));
    }
    if wanted.side() != Some(Side::Long) && !wanted.is_spot() {
        let loss = if in_coin { RISE / (1.0 + RISE) } else { RISE };
        jumps.push((loss, format!("a rise of {} %, ASSUMED,", plain(RISE * 100.0, 0))));
    }
    let worst = jumps.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
    let (loss, said) = worst.unwrap_or((1.0, "the loss of all".to_owned()));
    let said = if in_coin { format!("{said} counted in coin,") } else { said };
    Jump { loss, said }
}

/// One policy has one side: instruments that are seen differently need policies of their own.
fn one_side(wanted: &Objectives) -> Option<Diagnostic> {
    let side_of = |symbol: &String| {
        let own = wanted.views.iter().find(|view| view.instrument.as_ref() == Some(symbol));
        own.or(wanted.views.iter().find(|view| view.instrument.is_none())).map_or(Side::None, |view| view.side)
    };
    let first = wanted.instruments.first().map(side_of)?;
    let other = wanted.instruments.iter().find(|symbol| side_of(symbol) != first)?;
    (wanted.style == Style::Hold).then(|| {
        let message = format!("{other} is seen on another side than {}", wanted.instruments[0]);
        let help = "write objectives of their own for instruments of one side, or a view of all of them";
        refused(wanted, "instruments", None, message, "one policy holds all its instruments on one side", help)
    })
}

fn asked(wanted: &Objectives) -> Vec<String> {
    let mut asked = vec![format!(
        "a drawdown of {} % or more within {} days at most with a probability of {} %",
        plain(wanted.worst_drawdown * 100.0, 1),
        plain(wanted.horizon.days(), 1),
        plain(wanted.probability * 100.0, 1)
    )];
    asked.push(match wanted.target {
        Some(target) => format!("a volatility of {} % a year, no more", plain(target * 100.0, 1)),
        None => "as much volatility as that allows".to_owned(),
    });
    if let Some(mean) = wanted.expected_return {
        asked.push(format!("{} % a year over cash", plain(mean * 100.0, 1)));
    }
    if let Some(loss) = wanted.daily_loss {
        asked.push(format!("no day that loses more than {} %", plain(loss * 100.0, 1)));
    }
    if let Some(leverage) = wanted.leverage {
        asked.push(format!("no more exposure than {} x equity", plain(leverage, 2)));
    }
    asked
}

fn follows(basis: &Basis<'_>, numbers: &text::Numbers, chance: f64, flat: f64) -> Vec<String> {
    let target = numbers.target;
    let mut follows = vec![
        format!(
            "a target of {} % of volatility a year, {} % a day; at it the drawdown has a probability of {} %, limits not counted on",
            plain(target * 100.0, 1),
            plain(target / sqrt(YEAR) * 100.0, 2),
            plain(chance * 100.0, 1)
        ),
        format!(
            "half of the size from a drawdown of {} % on, flat from {} % on, which has a probability of {} % without the first cut",
            plain(numbers.first_level * 100.0, 1),
            plain(numbers.last_level * 100.0, 1),
            plain(flat * 100.0, 1)
        ),
    ];
    if let Some(view) = &basis.view {
        let mean = view.sharpe() * target;
        let deviation = target * sqrt(basis.years);
        let under = normal_distribution((target * target / 2.0 - mean) * basis.years / deviation);
        let mut line = format!(
            "{} % a year over cash are to be expected; the horizon ends under its start with a probability of {} %",
            plain(mean * 100.0, 1),
            plain(under * 100.0, 0)
        );
        if let Some(wanted) = basis.wanted.expected_return {
            let least = units::math::ln(1.0 + wanted) * basis.years;
            let reached = normal_distribution(((mean - target * target / 2.0) * basis.years - least) / deviation);
            line += &format!(", at {} % a year or over with {} %", plain(wanted * 100.0, 1), plain(reached * 100.0, 0));
        }
        follows.push(line);
    }
    follows
}

fn based_on(basis: &Basis<'_>, measured: Option<&Measured>) -> Vec<String> {
    if basis.wanted.style.sells_options() {
        return vec![format!(
            "the fall of {STRESS}, {} %, and a rise of {} %, ASSUMED; options as far off as at 60 % of volatility",
            plain(fall(basis.wanted) * 100.0, 0),
            plain(RISE * 100.0, 0)
        )];
    }
    let volatilities: Vec<String> = basis
        .wanted
        .instruments
        .iter()
        .zip(&basis.volatilities)
        .map(|(symbol, volatility)| format!("{symbol} {} %", plain(volatility * 100.0, 0)))
        .collect();
    let mut told = vec![match measured {
        Some(measured) => format!(
            "volatility a year measured by {} days, {} to {}: {}",
            measured.days,
            measured.from.date(),
            measured.to.date(),
            volatilities.join(", ")
        ),
        None => format!("volatility a year ASSUMED, no tape was given: {}", volatilities.join(", ")),
    }];
    if basis.wanted.instruments.len() > 1 {
        let how = if basis.is_measured { "measured by the same days" } else { "ASSUMED, as in falls" };
        told.push(format!("mean correlation {how}: {:.2}", basis.correlation));
    }
    told
}

fn cannot(basis: &Basis<'_>, numbers: &text::Numbers) -> Vec<String> {
    let wanted = basis.wanted;
    let mut cannot = Vec::new();
    if basis.view.is_none() {
        cannot.push("any return: no view says that there is one, and sizes earn nothing".to_owned());
    } else {
        cannot.push("the view: what is counted on of it is a guess by its evidence".to_owned());
    }
    cannot.push("normal days: coins have fatter tails and storms, and a volatility that is estimated late".to_owned());
    if wanted.style.sells_options() {
        cannot.push(format!(
            "a fill at the stop: where the coin {} % at once, the full size loses about {} %",
            match wanted.style {
                Style::CoveredCall => format!("rises by {}", plain(RISE * 100.0, 0)),
                _ => format!("falls by {}", plain(fall(wanted) * 100.0, 0)),
            },
            plain(numbers.exposure_cap * wanted.capital * numbers.jump_loss * 100.0, 0)
        ));
    } else {
        let Jump { loss, said } = jump(wanted);
        let most = numbers.exposure_cap * basis.capital_at_work();
        let full = (numbers.target / basis.calmest()).min(numbers.exposure_cap) * basis.capital_at_work();
        cannot.push(format!(
            "that nothing jumps: {said} at once costs about {} % at the size of usual volatility, {} % at the largest",
            plain(full * loss * 100.0, 0),
            plain(most * loss * 100.0, 0)
        ));
    }
    if wanted.venues().len() > 1 {
        cannot.push("the sum of accounts: each venue's drawdown is looked at by itself".to_owned());
    }
    if wanted.capital < 1.0 {
        let others = "what other strategies do: volatility is of this one's capital, drawdown and loss limits of the whole account";
        cannot.push(others.to_owned());
    }
    cannot
}

/// Rounded down to so many decimals; what is whole but for a rounding of the machine stays.
fn down(value: f64, decimals: i32) -> f64 {
    let scale = pow(10.0, f64::from(decimals)).round();
    (value * scale + 1e-9).floor() / scale
}

/// Rounded up likewise.
fn up(value: f64, decimals: i32) -> f64 {
    let scale = pow(10.0, f64::from(decimals)).round();
    (value * scale - 1e-9).ceil() / scale
}
