//! A venue's parameters: dated rows of names and values, each with what it is worth.

use super::MarginError;
use market::Currency;
use std::fmt;
use std::str::FromStr;
use units::Timestamp;

/// What a parameter's value is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Reproduced against numbers that the venue published: `V`.
    Verified,
    /// Read in documentation or code: `D`.
    Documented,
    /// Neither: `U`.
    Unverified,
    /// Replaced by the user.
    Replaced,
}

/// The parameters of one model over one span of time.
///
/// ```
/// use risk::venues::{Parameters, derive::Pmrm2Terms};
/// let mut parameters = Parameters::derive_pmrm2();
/// parameters.replace("vol_range_up", "0.6");
/// let terms = Pmrm2Terms::new(&parameters)?;
/// assert_eq!(terms.vol_range_up, 0.6);
/// assert!(parameters.notes().iter().any(|note| note == "set by the user: vol_range_up = 0.6"));
/// # Ok::<(), risk::venues::MarginError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    file: String,
    from: Timestamp,
    until: Option<Timestamp>,
    /// Whether it is known from when the values hold.
    known: bool,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    name: String,
    value: String,
    standing: Standing,
}

/// Why a text is no parameter file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// There is no `# name:` at its top.
    NoName,
    /// There is no `# valid_from:` with a time, or `# valid_until:` is none, or `# validity:` says something but `unverified`.
    Validity,
    /// A line, from 1, that is not `name,value,standing`.
    Line(usize),
    /// What has one value is set a second time.
    Twice {
        /// The name.
        name: String,
        /// The line, from 1.
        line: usize,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => write!(f, "a parameter file begins with `# name: …`"),
            Self::Validity => {
                write!(f, "a parameter file has `# valid_from: 2026-02-01`, and perhaps `# valid_until: …`")
            }
            Self::Twice { name, line } => {
                write!(f, "line {line} sets `{name}` a second time: it has one value; leave one of them out")
            }
            Self::Line(line) => write!(f, "line {line} is not `name,value,standing` with the standing V, D or U"),
        }
    }
}

impl std::error::Error for FileError {}

impl Parameters {
    /// Reads a file: `# name:`, `# valid_from:` and perhaps `# valid_until:` and `# validity: unverified` among its comments, one header
    /// line, then `name,value,standing`. A name may stand on several rows, whose order counts.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let comment = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix("# "));
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':').map(str::trim))
        };
        let file = comment("name").ok_or(FileError::NoName)?.to_owned();
        let time = |text: &str| text.parse::<Timestamp>().map_err(|_| FileError::Validity);
        let from = time(comment("valid_from").ok_or(FileError::Validity)?)?;
        let until = comment("valid_until").map(time).transpose()?;
        let known = match comment("validity") {
            None => true,
            Some("unverified") => false,
            Some(_) => return Err(FileError::Validity),
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let rows =
            lines.skip(1).map(|(at, line)| row(line).ok_or(FileError::Line(at + 1))).collect::<Result<_, _>>()?;
        Ok(Self { file, from, until, known, rows })
    }

    /// Derive's portfolio margin of the second generation, as it comes with Trimtab.
    #[must_use]
    pub fn derive_pmrm2() -> Self {
        Self::shipped(include_str!("../../data/derive-pmrm2.csv"))
    }

    /// Derive's standard margin, as it comes with Trimtab.
    #[must_use]
    pub fn derive_srm() -> Self {
        Self::shipped(include_str!("../../data/derive-srm.csv"))
    }

    /// Deribit's standard margin of 2022 to 2026, as it comes with Trimtab.
    #[must_use]
    pub fn deribit_standard() -> Self {
        Self::shipped(include_str!("../../data/deribit-standard.csv"))
    }

    /// Deribit's portfolio margin of BTC or ETH, as it comes with Trimtab; `None` of another coin.
    #[must_use]
    pub fn deribit_portfolio(coin: &str) -> Option<Self> {
        match coin {
            "BTC" => Some(Self::shipped(include_str!("../../data/deribit-portfolio-BTC.csv"))),
            "ETH" => Some(Self::shipped(include_str!("../../data/deribit-portfolio-ETH.csv"))),
            _ => None,
        }
    }

    /// Hyperliquid's tiers, as they come with Trimtab.
    #[must_use]
    pub fn hyperliquid() -> Self {
        Self::shipped(include_str!("../../data/hyperliquid.csv"))
    }

    /// dYdX v4's classes of markets, as they come with Trimtab.
    #[must_use]
    pub fn dydx() -> Self {
        Self::shipped(include_str!("../../data/dydx.csv"))
    }

    /// Binance's tiers of contracts margined in USDT, as they come with Trimtab: of BTCUSDT alone.
    #[must_use]
    pub fn binance() -> Self {
        Self::shipped(include_str!("../../data/binance.csv"))
    }

    /// Bybit's tiers, as they come with Trimtab: the first of BTCUSDT alone.
    #[must_use]
    pub fn bybit() -> Self {
        Self::shipped(include_str!("../../data/bybit.csv"))
    }

    /// OKX's tiers: a file without rows, to be filled in.
    #[must_use]
    pub fn okx() -> Self {
        Self::shipped(include_str!("../../data/okx.csv"))
    }

    fn shipped(text: &str) -> Self {
        Self::parse(text).expect("the files that come with the crate are read by its tests")
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file
    }

    /// Until when the file holds, if that is known.
    #[must_use]
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Refuses a time at which the file does not hold.
    pub fn check(&self, at: Timestamp) -> Result<(), MarginError> {
        if at >= self.from && self.until.is_none_or(|until| at < until) {
            return Ok(());
        }
        Err(MarginError::OutsideValidity { file: self.file.clone(), at, from: self.from, until: self.until })
    }

    /// Puts a value in place of all rows of this name, or adds one.
    pub fn replace(&mut self, name: &str, value: &str) {
        let row = Row { name: name.to_owned(), value: value.to_owned(), standing: Standing::Replaced };
        let at = self.rows.iter().position(|row| row.name == name).unwrap_or(self.rows.len());
        self.rows.retain(|row| row.name != name);
        self.rows.insert(at, row);
    }

    /// Puts rows `name,value` in place of all rows of the same names; what a third column says is not looked at. Lines that are empty or
    /// begin with `#` are left out, and so is a header `name,value…`.
    ///
    /// # Errors
    ///
    /// The first line that is no row, or that sets what has one value a second time. Nothing is replaced then.
    pub fn replace_rows(&mut self, text: &str) -> Result<(), FileError> {
        // Spreadsheets begin a file with a mark of byte order.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let mut rows: Vec<Row> = Vec::new();
        for (at, line) in lines.filter(|(_, line)| !line.starts_with("name,value")) {
            let mut fields = line.split(',').map(|field| field.trim().to_owned()).filter(|field| !field.is_empty());
            match (fields.next(), fields.next(), fields.count()) {
                (Some(name), ..) if !is_list(&name) && rows.iter().any(|row| row.name == name) => {
                    return Err(FileError::Twice { name, line: at + 1 });
                }
                (Some(name), Some(value), 0 | 1) => rows.push(Row { name, value, standing: Standing::Replaced }),
                _ => return Err(FileError::Line(at + 1)),
            }
        }
        for (at, row) in rows.iter().enumerate().filter(|(at, row)| !rows[..*at].iter().any(|had| had.name == row.name))
        {
            let place = self.rows.iter().position(|had| had.name == row.name).unwrap_or(self.rows.len());
            self.rows.retain(|had| had.name != row.name);
            let same = rows[at..].iter().filter(|more| more.name == row.name).cloned();
            self.rows.splice(place..place, same.collect::<Vec<_>>());
        }
        Ok(())
    }

    /// In which currency the venue's prices of linear contracts on a coin are: row `priced_in.COIN`, else `priced_in`. `None`: in what
    /// they are quoted in by name. It does not depend on when the parameters hold.
    ///
    /// # Errors
    ///
    /// A value that is no currency.
    pub fn priced_in(&self, coin: Currency) -> Result<Option<Currency>, MarginError> {
        let own = format!("priced_in.{coin}");
        let Some(row) =
            [own.as_str(), "priced_in"].iter().find_map(|name| self.rows.iter().find(|row| row.name == **name))
        else {
            return Ok(None);
        };
        row.value.parse().map(Some).map_err(|_| self.refuse(&row.name, &row.value, "a currency, such as USD or USDT"))
    }

    /// Every row's name and value, in order.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows.iter().map(|row| (row.name.as_str(), row.value.as_str()))
    }

    /// From when it holds, and until when, if that is known.
    #[must_use]
    pub fn validity(&self) -> (Timestamp, Option<Timestamp>) {
        (self.from, self.until)
    }

    /// Names what a result must be read with: from when the values hold if that is unverified, rows that are, and rows that were replaced.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let note = |row: &Row| match row.standing {
            Standing::Verified | Standing::Documented => None,
            Standing::Unverified => Some(format!("unverified: {} = {}", row.name, row.value)),
            Standing::Replaced => Some(format!("set by the user: {} = {}", row.name, row.value)),
        };
        let validity = (!self.known).then(|| format!("unverified: valid_from = {}", self.from));
        validity.into_iter().chain(self.rows.iter().filter_map(note)).collect()
    }

    /// The value of the first row of this name, as whatever it should be.
    pub(crate) fn get<T: FromStr>(&self, name: &str) -> Result<T, MarginError> {
        self.optional(name)?.ok_or_else(|| MarginError::NoParameter { file: self.file.clone(), name: name.to_owned() })
    }

    pub(crate) fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, MarginError> {
        let Some(row) = self.rows.iter().find(|row| row.name == name) else { return Ok(None) };
        row.value.parse().map(Some).map_err(|_| self.refuse(name, &row.value, "a number"))
    }

    /// A number between two bounds, both of them allowed.
    pub(crate) fn within(&self, name: &str, low: f64, high: f64) -> Result<f64, MarginError> {
        let value: f64 = self.get(name)?;
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(self.refuse(name, &value.to_string(), &format!("{low} to {high}")))
    }

    /// A share: 0 to 1.
    pub(crate) fn share(&self, name: &str) -> Result<f64, MarginError> {
        self.within(name, 0.0, 1.0)
    }

    /// The values of all rows whose name begins so, with what follows.
    pub(crate) fn each<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.rows.iter().filter_map(move |row| Some((row.name.strip_prefix(prefix)?, row.value.as_str())))
    }

    pub(crate) fn refuse(&self, name: &str, value: &str, allowed: &str) -> MarginError {
        let (name, value, allowed) = (name.to_owned(), value.to_owned(), allowed.to_owned());
        MarginError::Parameter { file: self.file.clone(), name, value, allowed }
    }
}

/// Whether a name has as many rows as there are values, in order.
fn is_list(name: &str) -> bool {
    name.starts_with("tier.") || ["extended_move", "scenario"].contains(&name)
}

fn row(line: &str) -> Option<Row> {
    let mut fields = line.split(',').map(str::trim);
    let (name, value) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    let standing = match fields.next()? {
        "V" => Standing::Verified,
        "D" => Standing::Documented,
        "U" => Standing::Unverified,
        _ => return None,
    };
    (fields.next().is_none() && !name.is_empty() && !value.is_empty()).then_some(Row { name, value, standing })
}
