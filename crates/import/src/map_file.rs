//! The column map as a file beside the tape, so that the next file of the same kind is read the same way.

use crate::cell::printable;
use crate::{ColumnMap, ImportError};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use units::Timestamp;

/// The version of the file that this crate writes, and the latest that it reads.
const VERSION: u32 = 1;

/// Larger than any map.
const BYTES_MAX: u64 = 64 << 10;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_header: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    only: Option<Only>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    column: String,
    text: String,
}

impl ColumnMap {
    /// Where the map of a tape stands: `btc.tape.columns.toml` for `btc.tape`.
    #[must_use]
    pub fn beside(tape: &Path) -> PathBuf {
        let mut name = tape.as_os_str().to_owned();
        name.push(".columns.toml");
        name.into()
    }

    /// Reads a map that [`to_toml`](Self::to_toml) wrote, or that a person did.
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let mut text = String::new();
        let file = File::open(path).map_err(ImportError::io(path))?;
        let refuse = |what: String| ImportError::source(path, "column-map", what);
        file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => refuse("is no column map: it is not UTF-8 text".to_owned()),
            _ => ImportError::io(path)(error),
        })?;
        if text.len() as u64 > BYTES_MAX {
            return Err(refuse("is no column map: it is larger than 64 KiB".to_owned()));
        }
        Self::parse(&text).map_err(refuse)
    }

    fn parse(text: &str) -> Result<Self, String> {
        // The version alone first: a later one may have keys that this one does not know.
        let table: toml::Table = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
        match table.get("version").and_then(toml::Value::as_integer) {
            Some(1) => {}
            Some(newer) if newer > i64::from(VERSION) => {
                return Err(format!(
                    "was made by a newer trimtab (column map {newer}, this one reads up to {VERSION}); update trimtab"
                ));
            }
            _ => return Err("is no column map: it begins with `version = 1`".to_owned()),
        }
        let file: MapFile = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
        let day =
            |day: String| day.parse().map_err(|_| format!("says `day = \"{}\"`, which is no date", printable(&day)));
        Ok(Self {
            time: file.time,
            open: file.open,
            high: file.high,
            low: file.low,
            close: file.close,
            volume: file.volume,
            rate: file.rate,
            value: file.value,
            only: file.only.map(|only| (only.column, only.text)),
            no_header: file.no_header,
            day: file.day.map(day).transpose()?,
        })
    }

    /// The map as a file's text; `source` is what it was used for.
    #[must_use]
    pub fn to_toml(&self, source: &Path) -> String {
        let day = |day: &Timestamp| day.to_string().trim_end_matches("T00:00:00Z").to_owned();
        let file = MapFile {
            version: VERSION,
            time: self.time.clone(),
            open: self.open.clone(),
            high: self.high.clone(),
            low: self.low.clone(),
            close: self.close.clone(),
            volume: self.volume.clone(),
            rate: self.rate.clone(),
            value: self.value.clone(),
            no_header: self.no_header,
            day: self.day.as_ref().map(day),
            only: self.only.clone().map(|(column, text)| Only { column, text }),
        };
        let source = printable(&source.file_name().unwrap_or_default().to_string_lossy());
        // Text and flags: there is nothing in a map that TOML cannot hold.
        let text = toml::to_string(&file).unwrap_or_default();
        format!(
            "# Which columns of `{source}` were read. `trimtab import … --columns THIS_FILE` reads others like it.\n{text}"
        )
    }

    /// This map, and what `other` names where this one names nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            time: self.time.or(other.time),
            open: self.open.or(other.open),
            high: self.high.or(other.high),
            low: self.low.or(other.low),
            close: self.close.or(other.close),
            volume: self.volume.or(other.volume),
            rate: self.rate.or(other.rate),
            value: self.value.or(other.value),
            only: self.only.or(other.only),
            no_header: self.no_header || other.no_header,
            day: self.day.or(other.day),
        }
    }
}

/// One line of what TOML says, and where.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| 1 + text.get(..span.start).unwrap_or_default().matches('\n').count());
    let said = printable(error.message().lines().next().unwrap_or_default());
    format!("is no column map: line {line}: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_reads_back_as_it_was() {
        let map = ColumnMap {
            time: Some("Date (\"UTC\")".to_owned()),
            open: Some("O".to_owned()),
            only: Some(("venue".to_owned(), "a = b".to_owned())),
            no_header: true,
            day: "2022-12-13".parse().ok(),
            ..ColumnMap::default()
        };
        let text = map.to_toml(Path::new("x/btc.csv"));
        assert!(
            text.starts_with("# Which columns of `btc.csv` were read.") && text.contains("day = \"2022-12-13\""),
            "{text}"
        );
        assert_eq!(ColumnMap::parse(&text), Ok(map.clone()));
        assert_eq!(ColumnMap { open: Some("P".to_owned()), ..ColumnMap::default() }.or(map.clone()).time, map.time);
        assert_eq!(ColumnMap::beside(Path::new("a/btc.tape")), Path::new("a/btc.tape.columns.toml"));
    }

    #[test]
    fn what_is_no_map_says_so() {
        let refused = |text: &str| ColumnMap::parse(text).unwrap_err();
        assert!(refused("version = 2\nspread = 1").contains("column map 2, this one reads up to 1); update trimtab"));
        for text in ["", "time = \"x\"", "version = 0", "version = \"1\""] {
            assert!(refused(text).contains("begins with `version = 1`"), "{text}");
        }
        assert!(refused("version = 1\ntmie = \"x\"").contains("line 2: unknown field `tmie`"));
        assert!(refused("version = 1\ntime = 5").contains("line 2"));
        assert!(refused("version = 1\nday = \"noon\"").contains("no date"));
    }
}
