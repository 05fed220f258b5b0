//! What a tape says about itself: catalogue, provenance, spans.

use market::{Catalogue, Event, Instrument, InstrumentKind};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use units::{OptionRight, Price, Timestamp};

/// What a writer is told before the first row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TapeHeader {
    /// What the ids in the rows mean.
    pub catalogue: Catalogue,
    /// Where the rows come from.
    pub provenance: Provenance,
}

/// Where a tape's rows come from, and what was done to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the source file, without its folder.
    pub source: String,
    /// BLAKE3 hash of the source file, hexadecimal.
    pub source_blake3: String,
    /// The program that made the tape.
    pub importer: String,
    /// The options it was given.
    pub options: BTreeMap<String, String>,
    /// The repairs asked for, each with the rows that it touched.
    pub repairs: Vec<AppliedRepair>,
    /// Counts of the quality report.
    pub quality: BTreeMap<String, u64>,
    /// Its warnings.
    pub warnings: Vec<String>,
}

/// A repair that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRepair {
    /// The rule, as written on the command line.
    pub rule: String,
    /// The rows that it touched; zero when it was not needed.
    pub rows: u64,
}

/// The kinds of event that a tape records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A bar that has closed.
    Bar = 0,
    /// A funding rate that falls due.
    Funding = 1,
    /// A value of a series.
    Series = 2,
    /// The venue's mark price.
    Mark = 4,
    /// What is quoted for an option.
    Quote = 5,
}

impl Kind {
    /// All of them, in the order of their numbers in the file.
    pub const ALL: [Self; 5] = [Self::Bar, Self::Funding, Self::Series, Self::Mark, Self::Quote];

    /// Its number in the file.
    pub(crate) const fn number(self) -> i32 {
        self as i32
    }

    /// Its place in [`Kind::ALL`].
    pub(crate) const fn place(self) -> usize {
        match self {
            Self::Bar => 0,
            Self::Funding => 1,
            Self::Series => 2,
            Self::Mark => 3,
            Self::Quote => 4,
        }
    }

    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Bar(_) => Some(Self::Bar),
            Event::Funding(_) => Some(Self::Funding),
            Event::Series(_) => Some(Self::Series),
            Event::Mark(_) => Some(Self::Mark),
            Event::OptionQuote(_) => Some(Self::Quote),
            Event::Trade(_) | Event::Order(_) | Event::Cash(_) | Event::Settlement(_) => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bar => "bar",
            Self::Funding => "funding",
            Self::Series => "series",
            Self::Mark => "mark",
            Self::Quote => "quote",
        })
    }
}

/// The rows of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSpan {
    /// How many.
    pub rows: u64,
    /// Receipt time of the first.
    #[serde(with = "time_text")]
    pub first: Timestamp,
    /// Receipt time of the last.
    #[serde(with = "time_text")]
    pub last: Timestamp,
}

impl KindSpan {
    /// Extends the span by a row.
    pub(crate) fn add(span: &mut Option<Self>, at: Timestamp) {
        match span {
            Some(span) => {
                span.rows += 1;
                span.last = at;
            }
            None => *span = Some(Self { rows: 1, first: at, last: at }),
        }
    }
}

/// Spans by kind.
pub(crate) type Spans = [Option<KindSpan>; Kind::ALL.len()];

/// What a reader knows before the first row. Serialises to what `trimtab tape info --json` shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TapeInfo {
    /// The file.
    #[serde(skip)]
    pub path: PathBuf,
    /// Version of the format.
    pub version: u32,
    /// What the ids in the rows mean.
    #[serde(serialize_with = "serialize_catalogue")]
    pub catalogue: Catalogue,
    /// Where the rows come from.
    pub provenance: Provenance,
    /// Rows of all kinds.
    pub rows: u64,
    /// Rows and span of each kind that occurs.
    pub kinds: BTreeMap<Kind, KindSpan>,
}

impl TapeInfo {
    /// Rows and span of a kind; `None` where the tape has none of it.
    #[must_use]
    pub fn span(&self, kind: Kind) -> Option<KindSpan> {
        self.kinds.get(&kind).copied()
    }
}

/// A row group's end in the file, and the hash of its bytes and metadata.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupSeal {
    pub(crate) end: u64,
    pub(crate) blake3: String,
}

/// The header as it stands in the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    catalogue: CatalogueText,
    provenance: Provenance,
    pub(crate) rows: u64,
    pub(crate) kinds: BTreeMap<Kind, KindSpan>,
    pub(crate) groups: Vec<GroupSeal>,
}

impl Document {
    pub(crate) fn new(header: &TapeHeader, spans: &Spans, groups: Vec<GroupSeal>) -> Self {
        let kinds: BTreeMap<_, _> =
            Kind::ALL.into_iter().zip(spans).filter_map(|(kind, span)| span.map(|span| (kind, span))).collect();
        Self {
            catalogue: CatalogueText::of(&header.catalogue),
            provenance: header.provenance.clone(),
            rows: kinds.values().map(|span| span.rows).sum(),
            kinds,
            groups,
        }
    }

    /// The catalogue and provenance, or what is wrong with them.
    pub(crate) fn header(&self) -> Result<TapeHeader, String> {
        Ok(TapeHeader { catalogue: self.catalogue.parse()?, provenance: self.provenance.clone() })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct CatalogueText {
    instruments: Vec<InstrumentText>,
    series: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct InstrumentText {
    symbol: String,
    kind: String,
    /// Of dated futures and options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiry: Option<String>,
    /// Of options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strike: Option<String>,
    /// Of options: `call` or `put`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    right: Option<String>,
    base: String,
    quote: String,
    settle: String,
    tick: String,
    lot: String,
    min_qty: String,
}

impl CatalogueText {
    fn of(catalogue: &Catalogue) -> Self {
        Self {
            instruments: catalogue.instruments.iter().map(InstrumentText::of).collect(),
            series: catalogue.series.clone(),
        }
    }

    fn parse(&self) -> Result<Catalogue, String> {
        let mut names = self.instruments.iter().map(|instrument| &instrument.symbol).chain(&self.series);
        // They are shown on terminals, which obey control characters.
        if names.any(|name| name.is_empty() || name.chars().any(char::is_control)) {
            return Err("a name in its catalogue is not printable".to_owned());
        }
        let instruments = self.instruments.iter().map(InstrumentText::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Catalogue { instruments, series: self.series.clone() })
    }
}

impl InstrumentText {
    fn of(instrument: &Instrument) -> Self {
        let kind = match instrument.kind {
            InstrumentKind::Spot => "spot",
            InstrumentKind::LinearPerpetual => "linear-perpetual",
            InstrumentKind::InversePerpetual => "inverse-perpetual",
            InstrumentKind::LinearFuture { .. } => "linear-future",
            InstrumentKind::InverseFuture { .. } => "inverse-future",
            InstrumentKind::LinearOption { .. } => "linear-option",
            InstrumentKind::InverseOption { .. } => "inverse-option",
            // No tape has one: whoever reads this refuses it.
            InstrumentKind::Structure => "structure",
        };
        let option = instrument.kind.option();
        Self {
            symbol: instrument.symbol.clone(),
            kind: kind.to_owned(),
            expiry: instrument.kind.expiry().map(|expiry| expiry.to_string()),
            strike: option.map(|(strike, _)| strike.to_string()),
            right: option.map(|(_, right)| right.to_string()),
            base: instrument.base.to_string(),
            quote: instrument.quote.to_string(),
            settle: instrument.settle.to_string(),
            tick: instrument.tick.to_string(),
            lot: instrument.lot.to_string(),
            min_qty: instrument.min_qty.to_string(),
        }
    }

    fn parse(&self) -> Result<Instrument, String> {
        let refuse = |field: &str| format!("the {field} of instrument `{}` cannot be read", self.symbol);
        let expiry = self.expiry.as_deref().map(str::parse::<Timestamp>).transpose().map_err(|_| refuse("expiry"))?;
        let kind = match (self.kind.as_str(), expiry, self.option(refuse)?) {
            ("spot", None, None) => InstrumentKind::Spot,
            ("linear-perpetual", None, None) => InstrumentKind::LinearPerpetual,
            ("inverse-perpetual", None, None) => InstrumentKind::InversePerpetual,
            ("linear-future", Some(expiry), None) => InstrumentKind::LinearFuture { expiry },
            ("inverse-future", Some(expiry), None) => InstrumentKind::InverseFuture { expiry },
            ("linear-option", Some(expiry), Some((strike, right))) => {
                InstrumentKind::LinearOption { expiry, strike, right }
            }
            ("inverse-option", Some(expiry), Some((strike, right))) => {
                InstrumentKind::InverseOption { expiry, strike, right }
            }
            ("linear-option" | "inverse-option", Some(_), None)
            | ("spot" | "linear-perpetual" | "inverse-perpetual" | "linear-future" | "inverse-future", _, Some(_)) => {
                return Err(refuse("strike"));
            }
            (
                "spot" | "linear-perpetual" | "inverse-perpetual" | "linear-future" | "inverse-future"
                | "linear-option" | "inverse-option",
                ..,
            ) => return Err(refuse("expiry")),
            _ => return Err(refuse("kind")),
        };
        let instrument = Instrument {
            symbol: self.symbol.clone(),
            kind,
            base: self.base.parse().map_err(|_| refuse("base"))?,
            quote: self.quote.parse().map_err(|_| refuse("quote"))?,
            settle: self.settle.parse().map_err(|_| refuse("settle"))?,
            tick: self.tick.parse().map_err(|_| refuse("tick"))?,
            lot: self.lot.parse().map_err(|_| refuse("lot"))?,
            min_qty: self.min_qty.parse().map_err(|_| refuse("min_qty"))?,
        };
        if instrument.tick.raw() <= 0 {
            return Err(refuse("tick"));
        }
        if instrument.lot.raw() <= 0 || instrument.min_qty.raw() < 0 {
            return Err(refuse("lot"));
        }
        Ok(instrument)
    }

    /// Strike and right, where they are told; one does not come without the other.
    fn option(&self, refuse: impl Fn(&str) -> String) -> Result<Option<(Price, OptionRight)>, String> {
        let (strike, right) = match (&self.strike, &self.right) {
            (None, None) => return Ok(None),
            (Some(strike), Some(right)) => (strike, right.as_str()),
            (Some(_), None) => return Err(refuse("right")),
            (None, Some(_)) => return Err(refuse("strike")),
        };
        let strike = strike.parse().ok().filter(|strike| *strike > Price::ZERO).ok_or_else(|| refuse("strike"))?;
        match right {
            "call" => Ok(Some((strike, OptionRight::Call))),
            "put" => Ok(Some((strike, OptionRight::Put))),
            _ => Err(refuse("right")),
        }
    }
}

fn serialize_catalogue<S: Serializer>(catalogue: &Catalogue, serializer: S) -> Result<S::Ok, S::Error> {
    CatalogueText::of(catalogue).serialize(serializer)
}

/// Times as ISO 8601 text.
mod time_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use units::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
