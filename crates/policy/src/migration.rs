//! Policies of older versions of the language, rewritten as the present one, so that what a policy says stays the same though the
//! language changed.
//!
//! A version that renames a key, a section or a word, or drops a key, adds a [`Step`] to the table. A text goes through all steps from its
//! own version on; each changes it in place, so that comments and layout stay. What cannot be told from the text is no step: it needs a
//! new key, and the old one keeps its meaning. Version 1 is the first: the table is empty, and its tests bring one of their own.

use crate::diagnostic::quoted;
use crate::edit;
use crate::spec::VERSION;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What one version changed.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The version that it makes of the one before.
    pub to: u32,
    /// In this order.
    pub changes: &'static [Change],
}

/// One change of the language. A section is named as its header is, `backtest.flows`; what stands before the first one by nothing.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// A section has another name.
    Section {
        /// Its old name, without dots.
        from: &'static str,
        /// Its new one.
        to: &'static str,
    },
    /// A key has another name.
    Key {
        /// Its section.
        section: &'static str,
        /// Its old name.
        from: &'static str,
        /// Its new one.
        to: &'static str,
    },
    /// A word that a key takes is another.
    Word {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
        /// The old word.
        from: &'static str,
        /// The new one.
        to: &'static str,
    },
    /// A key has no meaning any more: it becomes a remark.
    Dropped {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
    },
}

/// The steps of this build, by version: none before version 1.
const STEPS: &[Step] = &[];

/// A text of the present version, and what was changed for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The whole text.
    pub text: String,
    /// The version that it had.
    pub from: u32,
    /// Each change as a line: `[size]: kind = "vol_target" is "volatility_target" now`.
    pub told: Vec<String>,
}

/// Why a text was not rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationError {
    /// It is no TOML.
    Text,
    /// It names no version.
    NoVersion,
    /// It was made for a newer trimtab.
    Newer(u64),
    /// No step begins there.
    TooOld(u64),
    /// The new name stands there already, or the old one in a place that cannot be rewritten.
    Unclear(String),
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => write!(f, "the text cannot be read as TOML"),
            Self::NoVersion => write!(f, "the text names no version: `policy = {VERSION}` is the present one"),
            Self::Newer(version) => {
                write!(f, "version {version} was made for a newer trimtab; this one reads {VERSION}")
            }
            Self::TooOld(version) => write!(f, "there never was a version {version} of the language"),
            Self::Unclear(what) => write!(f, "{what} cannot be rewritten: change it by hand"),
        }
    }
}

impl std::error::Error for MigrationError {}

/// A policy's text as the present version has it. One that is of it already comes back as it is.
///
/// ```
/// let text = "policy = 1   # the first\nname = \"x\"\n";
/// assert_eq!(policy::migration::migrate(text).unwrap().text, text);
/// assert!(policy::migration::migrate("policy = 9\n").is_err());
/// ```
///
/// # Errors
/// A text that is no TOML, without a version, or of one that this build does not know; a name that cannot be rewritten.
pub fn migrate(text: &str) -> Result<Migrated, MigrationError> {
    through(text, STEPS, VERSION)
}

/// The same by other steps, to another version.
fn through(text: &str, steps: &[Step], present: u32) -> Result<Migrated, MigrationError> {
    let found = version(text)?;
    if found > u64::from(present) {
        return Err(MigrationError::Newer(found));
    }
    let needed: Vec<&Step> = steps.iter().filter(|step| u64::from(step.to) > found && step.to <= present).collect();
    let from = u32::try_from(found).map_err(|_| MigrationError::Newer(found))?;
    // Each version makes the next one of the one before.
    let has_all = needed.iter().map(|step| step.to).eq(from + 1..=present);
    if !has_all {
        return Err(MigrationError::TooOld(found));
    }
    let mut migrated = Migrated { text: text.to_owned(), from, told: Vec::new() };
    for step in needed {
        for change in step.changes {
            apply(&mut migrated, change)?;
        }
        migrated.text = edit::set(&migrated.text, "policy", &step.to.to_string()).map_err(|_| MigrationError::Text)?;
    }
    Ok(migrated)
}

fn version(text: &str) -> Result<u64, MigrationError> {
    let root = DeTable::parse(text).map_err(|_| MigrationError::Text)?;
    match root.get_ref().get("policy").map(Spanned::get_ref) {
        Some(DeValue::Integer(version)) if version.radix() == 10 => {
            version.as_str().parse().map_err(|_| MigrationError::NoVersion)
        }
        _ => Err(MigrationError::NoVersion),
    }
}

/// One change, wherever it applies: a place at a time, because each moves those behind it.
fn apply(migrated: &mut Migrated, change: &Change) -> Result<(), MigrationError> {
    if let Change::Section { from, to } = change {
        return rename_section(migrated, from, to);
    }
    // A policy has no more places than bytes.
    for _ in 0..=migrated.text.len() {
        let Some((span, put)) = place(&migrated.text, change)? else { return Ok(()) };
        migrated.text.replace_range(span, &put);
        migrated.told.push(change.to_string());
    }
    Err(MigrationError::Unclear(change.to_string()))
}

/// The first place that a change applies to, and what is put there.
fn place(text: &str, change: &Change) -> Result<Option<(Range<usize>, String)>, MigrationError> {
    let root = DeTable::parse(text).map_err(|_| MigrationError::Text)?;
    let (section, name) = match change {
        Change::Section { .. } => return Ok(None),
        Change::Key { section, from, .. } => (section, from),
        Change::Word { section, key, .. } | Change::Dropped { section, key } => (section, key),
    };
    for table in tables(root.get_ref(), section) {
        let Some((key, value)) = table.get_key_value(*name) else { continue };
        match change {
            Change::Key { to, .. } if table.contains_key(*to) => {
                return Err(MigrationError::Unclear(format!("{}, beside {}", quoted(name), quoted(to))));
            }
            Change::Key { to, .. } => return Ok(Some((key.span(), (*to).to_owned()))),
            Change::Word { from, to, .. } if value.get_ref().as_str() == Some(*from) => {
                return Ok(Some((value.span(), format!("\"{to}\""))));
            }
            Change::Word { .. } | Change::Section { .. } => {}
            Change::Dropped { .. } => {
                let (begin, end) = (key.span().start, value.span().end);
                let is_line = text.get(begin..end).is_some_and(|line| !line.contains('\n'))
                    && text.get(..begin).is_some_and(|before| before.is_empty() || before.ends_with('\n'));
                if !is_line {
                    return Err(MigrationError::Unclear(quoted(name)));
                }
                return Ok(Some((begin..begin, "# ".to_owned())));
            }
        }
    }
    Ok(None)
}

/// All tables of a section's name.
fn tables<'a, 't>(root: &'a DeTable<'t>, section: &str) -> Vec<&'a DeTable<'t>> {
    let mut found = vec![root];
    for part in section.split('.').filter(|part| !part.is_empty()) {
        found = found
            .into_iter()
            .filter_map(|table| table.get(part))
            .flat_map(|value| match value.get_ref() {
                DeValue::Table(table) => vec![table],
                DeValue::Array(list) => list.iter().filter_map(|entry| entry.get_ref().as_table()).collect(),
                _ => Vec::new(),
            })
            .collect();
    }
    found
}

/// Rewrites the headers of a section and of those inside it.
fn rename_section(migrated: &mut Migrated, from: &str, to: &str) -> Result<(), MigrationError> {
    let root = DeTable::parse(&migrated.text).map_err(|_| MigrationError::Text)?;
    if !root.get_ref().contains_key(from) {
        return Ok(());
    }
    let unclear = || MigrationError::Unclear(format!("[{from}]"));
    if root.get_ref().contains_key(to) {
        return Err(unclear());
    }
    let mut renamed = String::with_capacity(migrated.text.len());
    for line in migrated.text.split_inclusive('\n') {
        let name = line.trim_start().trim_start_matches('[');
        let opens = line.trim_start().len() - name.len();
        let rest = name.strip_prefix(from).filter(|rest| (1..=2).contains(&opens) && rest.starts_with(['.', ']']));
        match rest {
            Some(rest) => {
                let indent = line.len() - line.trim_start().len();
                renamed += &format!("{}{}{to}{rest}", &line[..indent], &"[["[..opens]);
                migrated.told.push(format!("[{from}] is [{to}] now"));
            }
            None => renamed += line,
        }
    }
    // An inline table, or a header that is written in quotes, has no such line.
    let after = DeTable::parse(&renamed).map_err(|_| unclear())?;
    if after.get_ref().contains_key(from) || !after.get_ref().contains_key(to) {
        return Err(unclear());
    }
    migrated.text = renamed;
    Ok(())
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |section: &str| if section.is_empty() { String::new() } else { format!("[{section}]: ") };
        match self {
            Self::Section { from, to } => write!(f, "[{from}] is [{to}] now"),
            Self::Key { section, from, to } => write!(f, "{}`{from}` is `{to}` now", place(section)),
            Self::Word { section, key, from, to } => {
                write!(f, "{}{key} = \"{from}\" is \"{to}\" now", place(section))
            }
            Self::Dropped { section, key } => write!(f, "{}`{key}` has no meaning any more", place(section)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    /// A language that never was: version 0, which version 1 renamed a section, two keys and a word of, and dropped a key.
    const MADE_UP: &[Step] = &[Step {
        to: 1,
        changes: &[
            Change::Section { from: "sizing", to: "size" },
            Change::Key { section: "caps", from: "max_leverage", to: "leverage" },
            Change::Key { section: "limits", from: "above", to: "over" },
            Change::Key { section: "", from: "market", to: "instrument" },
            Change::Word { section: "size", key: "kind", from: "vol", to: "volatility_target" },
            Change::Dropped { section: "backtest", key: "random_seed" },
        ],
    }];

    const OLD: &str = "# mine\npolicy = 0   # made in spring\nname = \"x\"\nmarket = \"binance:BTCUSDT-PERP\"\n\n\
                       [signal]\nkind = \"constant\"\nstrength = 1.0\n\n\
                       [sizing]   # how large\nkind = \"vol\"\ntarget = \"40%\"\nvolatility = \"series(dvol.btc)\"\n\n\
                       [caps]\nmax_leverage = 2.5   # never more\n\n\
                       [[limits]]\nof = \"exposure\"\nabove = 2\nrestore = 1\n\n\
                       [[limits]]\nof = \"exposure\"\nabove = 3\nrestore = 1\n\n\
                       [backtest]\nrandom_seed = 7\ndeposit = \"1_000 USDT\"\n";

    /// What comes of it is what somebody would have written in version 1, comments in their places, and is a policy.
    #[test]
    fn an_older_policy_is_rewritten_and_says_the_same() {
        let migrated = through(OLD, MADE_UP, 1).unwrap();
        let expected = OLD
            .replace("policy = 0", "policy = 1")
            .replace("market =", "instrument =")
            .replace("[sizing]", "[size]")
            .replace("\"vol\"", "\"volatility_target\"")
            .replace("max_leverage", "leverage")
            .replace("above", "over")
            .replace("random_seed", "# random_seed");
        assert_eq!(migrated.text, expected);
        assert_eq!((migrated.from, migrated.told.len()), (0, 7), "{:?}", migrated.told);
        assert!(migrated.told.contains(&"[caps]: `max_leverage` is `leverage` now".to_owned()));
        let parsed = crate::parse(&migrated.text);
        let policy = parsed.policy.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
        assert_eq!((policy.limits.len(), policy.caps.leverage.is_some()), (2, true));
        // Once more changes nothing, and this build's own table leaves it alone too.
        assert_eq!(through(&migrated.text, MADE_UP, 1).unwrap().text, migrated.text);
        assert_eq!(migrate(&migrated.text).unwrap().told, Vec::<String>::new());
    }

    /// Steps follow each other: what the first renamed the second renames again.
    #[test]
    fn steps_follow_each_other() {
        const CHAIN: &[Step] = &[
            Step { to: 1, changes: &[Change::Key { section: "a", from: "x", to: "y" }] },
            Step { to: 2, changes: &[Change::Key { section: "a", from: "y", to: "z" }] },
        ];
        let from =
            |version: u32, key: &str| through(&format!("policy = {version}\n[a]\n{key} = 1\n"), CHAIN, 2).unwrap();
        assert_eq!(from(0, "x").text, "policy = 2\n[a]\nz = 1\n");
        assert_eq!(from(1, "y").text, "policy = 2\n[a]\nz = 1\n");
        assert_eq!(from(1, "x").text, "policy = 2\n[a]\nx = 1\n", "in version 1 an x meant nothing");
    }

    #[test]
    fn what_cannot_be_rewritten_is_refused() {
        let refused = |text: &str| through(text, MADE_UP, 1).unwrap_err();
        assert_eq!(refused("policy = 2\n"), MigrationError::Newer(2));
        assert_eq!(refused("name = \"x\"\n"), MigrationError::NoVersion);
        assert_eq!(refused("policy = \"one\"\n"), MigrationError::NoVersion);
        assert_eq!(refused("policy = \n"), MigrationError::Text);
        assert_eq!(migrate("policy = 0\n").unwrap_err(), MigrationError::TooOld(0));
        for unclear in [
            "policy = 0\nsizing = { kind = \"vol\" }\n",
            "policy = 0\n[sizing]\nkind = \"vol\"\n[size]\nkind = \"vol\"\n",
            "policy = 0\n[caps]\nmax_leverage = 2\nleverage = 2\n",
            "policy = 0\nbacktest = { random_seed = 7 }\n",
        ] {
            assert!(matches!(refused(unclear), MigrationError::Unclear(_)), "{unclear}");
        }
    }
}
