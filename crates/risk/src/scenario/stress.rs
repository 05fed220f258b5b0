//! Named stresses: scenarios that happened, and a few that somebody fears, as dated files.

use super::{Move, Scenario, VolMove};
use market::{Currency, is_dollar};
use std::fmt;
use units::Timestamp;

/// What a number of a stress rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Taken from recorded data that the source names.
    Recorded,
    /// Told by the source.
    Reported,
    /// A guess.
    Assumed,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recorded => "recorded",
            Self::Reported => "reported",
            Self::Assumed => "assumed",
        })
    }
}

/// A number of a stress.
#[derive(Debug, Clone, PartialEq)]
pub struct StressNumber {
    /// What it rests on.
    pub basis: Basis,
    /// What it is: `spot`, `peg`, `vol.relative`, …
    pub field: String,
    /// Of what; empty if there is one only.
    pub subject: String,
    /// The number.
    pub value: f64,
}

/// A parameter of a venue's margin that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct MarginChange {
    /// Venue and parameter: `deribit.price_range`.
    pub parameter: String,
    /// Before.
    pub from: f64,
    /// After.
    pub to: f64,
}

impl MarginChange {
    /// What the parameter is multiplied by, wherever it stood.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.to / self.from
    }
}

/// A stress with its sources.
///
/// ```
/// use risk::scenario::{Basis, Move, NamedStress};
/// let crash = NamedStress::named("2025-10-10").unwrap();
/// assert_eq!(crash.scenario.spot.of("BTC".parse().unwrap()), Move::Return(-0.1713));
/// assert!(crash.numbers.iter().any(|number| number.basis == Basis::Recorded));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NamedStress {
    /// What it is called: `2020-03-12`, `vol-doubling`.
    pub name: String,
    /// What happened.
    pub title: String,
    /// When it happened; `None` of what is only feared.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Sources, each with the subject (or the field) that it is of.
    pub sources: Vec<(String, String)>,
    /// Every number with what it rests on, in the file's order.
    pub numbers: Vec<StressNumber>,
    /// The joint move.
    pub scenario: Scenario,
    /// What venues do to their margin meanwhile.
    pub margin: Vec<MarginChange>,
}

/// Why a file is no stress.
#[derive(Debug, Clone, PartialEq)]
pub enum StressError {
    /// A line that is not `basis,field,subject,value`.
    Line(usize),
    /// A basis that is none of `text`, `recorded`, `reported`, `assumed`.
    Basis(usize, String),
    /// A field that no stress has, or a text where a number belongs, or the other way.
    Field(usize, String),
    /// A currency code that cannot be.
    Subject(usize, String),
    /// A peg of what is not known for a stablecoin, nor called one by the file.
    Coin(usize, String),
    /// A coin that moves by a price of its own, called a stablecoin.
    NoStablecoin(usize, String),
    /// What a line gives a second time.
    Twice(usize, String),
    /// A value that is no number or time, or lies outside of what can be.
    Value(usize, String),
    /// A number that is recorded or reported, and no source names its subject or field.
    NoSource(usize, String),
    /// What every stress must have.
    Missing(&'static str),
    /// A window that ends before it begins.
    Window(Timestamp, Timestamp),
}

impl fmt::Display for StressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line} is not `basis,field,subject,value`"),
            Self::Basis(line, basis) => {
                write!(f, "line {line}: `{basis}` is no basis; write text, recorded, reported or assumed")
            }
            Self::Field(line, field) => write!(f, "line {line}: a stress has no `{field}` of that basis"),
            Self::Subject(line, subject) => {
                write!(
                    f,
                    "line {line}: `{subject}` is no subject of it; name a currency, a venue's parameter, or nothing"
                )
            }
            Self::Coin(line, coin) => {
                write!(
                    f,
                    "line {line}: {coin} is not known for a stablecoin, and a coin has no peg; move its price by `spot,{coin}`, or, if it \
                     is one, say so in a line `text,stablecoin,{coin},what it is held to`"
                )
            }
            Self::NoStablecoin(line, coin) => {
                write!(
                    f,
                    "line {line}: {coin} is no stablecoin: its price moves by itself (`spot`); leave the line out, and move it by \
                     `spot,{coin}`"
                )
            }
            Self::Twice(line, what) => write!(f, "line {line}: `{what}` is there already; leave one of them out"),
            Self::Value(line, value) => write!(f, "line {line}: `{value}` is no value that it can have"),
            Self::NoSource(line, what) => {
                write!(f, "line {line}: no source for `{what}`; add `text,source,{what},…` or call it assumed")
            }
            Self::Missing(what) => write!(f, "there is no `{what}`; every stress needs one"),
            Self::Window(from, to) => write!(f, "the window ends at {to}, before it begins at {from}"),
        }
    }
}

impl std::error::Error for StressError {}

/// The stresses that come with Trimtab, oldest first, then those without a date.
const FILES: [&str; 10] = [
    include_str!("../../data/stresses/2020-03-12.csv"),
    include_str!("../../data/stresses/2021-05-19.csv"),
    include_str!("../../data/stresses/2022-05-12.csv"),
    include_str!("../../data/stresses/2022-11-09.csv"),
    include_str!("../../data/stresses/2024-08-05.csv"),
    include_str!("../../data/stresses/2025-10-10.csv"),
    include_str!("../../data/stresses/correlations-to-one.csv"),
    include_str!("../../data/stresses/vol-doubling.csv"),
    include_str!("../../data/stresses/stablecoin-depeg.csv"),
    include_str!("../../data/stresses/deribit-margin-2023-10.csv"),
];

/// Whether the stresses that come with Trimtab move a coin by a price of its own: whoever calls it a stablecoin would have it stand still.
fn is_coin(code: &str) -> bool {
    let names = |line: &str| line.split(',').nth(2) == Some(code) && line.split(',').nth(1).is_some_and(is_spot);
    FILES.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')).any(names)
}

/// Texts that are there once at most.
const TEXTS: [&str; 4] = ["name", "title", "from", "to"];

impl NamedStress {
    /// The stresses that come with Trimtab.
    #[must_use]
    pub fn all() -> Vec<Self> {
        FILES
            .iter()
            .map(|text| Self::parse(text).expect("the stresses that come with the crate are read by its tests"))
            .collect()
    }

    /// The stress of that name among them.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|stress| stress.name == name)
    }

    /// Reads a stress file: `#` lines are comments, one header line, then `basis,field,subject,value`.
    ///
    /// # Errors
    ///
    /// The first line that cannot be, with what it lacks; a recorded or reported number without a source.
    pub fn parse(text: &str) -> Result<Self, StressError> {
        let mut file = File::default();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        for (index, line) in lines.skip(1) {
            file.read(index + 1, line)?;
        }
        file.finish()
    }

    /// The currencies that it takes for stablecoins: those whose peg it moves, and those that it calls so.
    pub fn stablecoins(&self) -> impl Iterator<Item = Currency> + '_ {
        self.scenario.dollars.iter().map(|(currency, _)| *currency)
    }
}

/// What has been read of a file.
#[derive(Default)]
struct File {
    texts: [Option<String>; TEXTS.len()],
    times: [Option<Timestamp>; 2],
    sources: Vec<(String, String)>,
    /// What it calls stablecoins, with their lines.
    stablecoins: Vec<(usize, String)>,
    /// With their lines.
    numbers: Vec<(usize, StressNumber)>,
}

impl File {
    fn read(&mut self, at: usize, line: &str) -> Result<(), StressError> {
        let mut parts = line.splitn(4, ',').map(str::trim);
        let mut next = || parts.next().ok_or(StressError::Line(at));
        let (basis, field, subject, value) = (next()?, next()?, next()?, next()?);
        let basis = match basis {
            "text" => return self.text(at, field, subject, value),
            "recorded" => Basis::Recorded,
            "reported" => Basis::Reported,
            "assumed" => Basis::Assumed,
            other => return Err(StressError::Basis(at, other.to_owned())),
        };
        let number: f64 = value.parse().map_err(|_| StressError::Value(at, value.to_owned()))?;
        let fits = match field {
            "spot" | "peg" => number > -1.0,
            // A volatility may go to nothing, and no further.
            "vol.relative" | "vol.short" => number >= -1.0,
            "vol.floor" => number >= 0.0,
            "vol.shortest_days" | "margin.from" | "margin.to" => number > 0.0,
            "deviations" | "funding" | "vol.absolute" | "vol.twist" | "vol.skew" | "vol.tilt" | "vol.short_power"
            | "vol.long_power" => true,
            _ => return Err(StressError::Field(at, field.to_owned())),
        };
        if !(fits && number.is_finite()) {
            return Err(StressError::Value(at, value.to_owned()));
        }
        let known = match field {
            "spot" | "deviations" => {
                subject == "others" || subject.parse::<Currency>().is_ok_and(|code| !is_dollar(code))
            }
            "peg" => subject.parse::<Currency>().is_ok_and(|code| code != Currency::USD),
            "margin.from" | "margin.to" => {
                subject.split_once('.').is_some_and(|(venue, parameter)| !venue.is_empty() && !parameter.is_empty())
            }
            _ => subject.is_empty(),
        };
        if !known {
            return Err(StressError::Subject(at, subject.to_owned()));
        }
        // A coin moves by a return or by deviations, not by both.
        let kind = |field: &str| if field == "deviations" { "spot".to_owned() } else { field.to_owned() };
        let same = |(_, other): &(usize, StressNumber)| kind(&other.field) == kind(field) && other.subject == subject;
        if self.numbers.iter().any(same) {
            return Err(StressError::Twice(at, format!("{field} {subject}").trim_end().to_owned()));
        }
        let (field, subject) = (field.to_owned(), subject.to_owned());
        self.numbers.push((at, StressNumber { basis, field, subject, value: number }));
        Ok(())
    }

    fn text(&mut self, at: usize, field: &str, subject: &str, value: &str) -> Result<(), StressError> {
        if value.is_empty() {
            return Err(StressError::Value(at, value.to_owned()));
        }
        if field == "source" {
            self.sources.push((subject.to_owned(), value.to_owned()));
            return Ok(());
        }
        if field == "stablecoin" {
            let code = subject.parse::<Currency>().map_err(|_| StressError::Subject(at, subject.to_owned()))?;
            if is_coin(code.as_str()) {
                return Err(StressError::NoStablecoin(at, code.to_string()));
            }
            self.stablecoins.push((at, code.to_string()));
            return Ok(());
        }
        let place = TEXTS.iter().position(|text| *text == field);
        let place = place.ok_or_else(|| StressError::Field(at, field.to_owned()))?;
        if !subject.is_empty() {
            return Err(StressError::Subject(at, subject.to_owned()));
        }
        if let Some(time) = place.checked_sub(2) {
            self.times[time] = Some(value.parse().map_err(|_| StressError::Value(at, value.to_owned()))?);
        }
        match self.texts[place].replace(value.to_owned()) {
            Some(_) => Err(StressError::Twice(at, field.to_owned())),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<NamedStress, StressError> {
        let Self { texts: [name, title, _, _], times, sources, stablecoins, numbers } = self;
        let (name, title) = (name.ok_or(StressError::Missing("name"))?, title.ok_or(StressError::Missing("title"))?);
        let window = match times {
            [None, None] => None,
            [Some(from), Some(to)] if from <= to => Some((from, to)),
            [Some(from), Some(to)] => return Err(StressError::Window(from, to)),
            [None, _] => return Err(StressError::Missing("from")),
            [_, None] => return Err(StressError::Missing("to")),
        };
        let mut scenario = Scenario::still(title.clone());
        let mut others = None;
        let mut margin: Vec<MarginChange> = Vec::new();
        let is_called = |subject: &str| stablecoins.iter().any(|(_, coin)| coin == subject);
        // What it moves by a price of its own is none: one of the two lines is wrong.
        let moves =
            |(_, coin): &&(usize, String)| numbers.iter().any(|(_, own)| is_spot(&own.field) && own.subject == *coin);
        if let Some((at, coin)) = stablecoins.iter().find(moves) {
            return Err(StressError::NoStablecoin(*at, coin.clone()));
        }
        for (at, StressNumber { basis, field, subject, value }) in &numbers {
            let of = if subject.is_empty() { field } else { subject };
            if *basis != Basis::Assumed && !sources.iter().any(|(named, _)| named == of) {
                return Err(StressError::NoSource(*at, of.clone()));
            }
            let by = if field == "deviations" { Move::Deviations(*value) } else { Move::Return(*value) };
            // Subjects were checked when they were read.
            match (field.as_str(), subject.parse::<Currency>()) {
                ("spot" | "deviations", _) if subject == "others" => others = Some(by),
                ("spot" | "deviations", Ok(coin)) => scenario.spot.each.push((coin, by)),
                ("peg", Ok(coin)) if is_dollar(coin) || is_called(subject) => {
                    scenario.dollars.push((coin, *value));
                }
                ("peg", _) => return Err(StressError::Coin(*at, subject.clone())),
                ("funding", _) => scenario.funding = *value,
                ("margin.from", _) => {
                    let to = numbers.iter().find(|(_, other)| other.field == "margin.to" && other.subject == *subject);
                    let to = to.ok_or(StressError::Missing("margin.to"))?.1.value;
                    margin.push(MarginChange { parameter: subject.clone(), from: *value, to });
                }
                ("margin.to", _) => {
                    let from =
                        |(_, other): &(usize, StressNumber)| other.field == "margin.from" && other.subject == *subject;
                    if !numbers.iter().any(from) {
                        return Err(StressError::Missing("margin.from"));
                    }
                }
                (field, _) => set_vol(&mut scenario.vol, field, *value),
            }
        }
        scenario.spot.others = others.ok_or(StressError::Missing("spot,others"))?;
        // What it calls a stablecoin and names no peg of stands still, as every stablecoin does.
        for coin in stablecoins.iter().filter_map(|(_, code)| code.parse::<Currency>().ok()) {
            if !is_dollar(coin) && !scenario.dollars.iter().any(|(pegged, _)| *pegged == coin) {
                scenario.dollars.push((coin, 0.0));
            }
        }
        let numbers = numbers.into_iter().map(|(_, number)| number).collect();
        Ok(NamedStress { name, title, window, sources, numbers, scenario, margin })
    }
}

fn is_spot(field: &str) -> bool {
    matches!(field, "spot" | "deviations")
}

fn set_vol(vol: &mut VolMove, field: &str, value: f64) {
    let place = match field {
        "vol.relative" => &mut vol.relative,
        "vol.absolute" => &mut vol.absolute,
        "vol.twist" => &mut vol.twist,
        "vol.short" => &mut vol.short,
        "vol.skew" => &mut vol.skew,
        "vol.tilt" => &mut vol.tilt,
        "vol.short_power" => &mut vol.short_power,
        "vol.long_power" => &mut vol.long_power,
        "vol.shortest_days" => &mut vol.shortest_days,
        _ => &mut vol.floor,
    };
    *place = value;
}
