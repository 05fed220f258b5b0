//! A policy as it is read: its file, and those that it includes, as one text.
//!
//! `include = ["caps.toml"]` at the top brings the sections of other files in, behind its own. The text of each stands in the whole letter
//! for letter, but that keys which only the first file has (`include`, and `policy` of the others) become remarks: a finding's place in the
//! whole is a place in one of the files.

use crate::failure::Failure;
use crate::files;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Files of a policy at most.
const FILES_MAX: usize = 32;
/// Includes inside includes.
const DEPTH_MAX: usize = 8;

/// A policy's whole text, and which part of it stands in which file.
pub(crate) struct Whole {
    /// With the values that were put in.
    pub(crate) text: String,
    /// As the files have it.
    read: String,
    /// Name and beginning of each file, in the order of the text.
    files: Vec<(String, usize)>,
    /// Values that were put in, in that order.
    put: Vec<Put>,
}

/// A value that was put into the text.
struct Put {
    /// Where the text is another from here on, how many bytes of it made way, and for how many.
    at: usize,
    old: usize,
    new: usize,
    /// As it was asked for: `caps.leverage=3`, and where in that the value begins.
    said: String,
    value: usize,
}

/// A file on the way to another that it includes.
struct Above {
    path: PathBuf,
    name: String,
    /// Where it says so.
    line: usize,
}

impl Whole {
    /// One file that includes no other.
    pub(crate) fn of(path: &Path, text: &str) -> Self {
        Self { text: text.to_owned(), read: text.to_owned(), files: vec![(shown(path), 0)], put: Vec::new() }
    }

    /// Reads a file and all that it includes.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let mut whole = Self { text: String::new(), read: String::new(), files: Vec::new(), put: Vec::new() };
        whole.add(path, &mut Vec::new())?;
        whole.read.clone_from(&whole.text);
        Ok(whole)
    }

    /// Puts a value in, wherever its key stands.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), policy::edit::SetError> {
        let changed = policy::edit::set(&self.text, key, value)?;
        // One place has changed: what stands before it and behind it is as it was.
        let (before, after) = (self.text.as_bytes(), changed.as_bytes());
        let at = before.iter().zip(after).take_while(|(old, new)| old == new).count();
        let (old, new) = (&before[at..], &after[at..]);
        let rest = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
        let (old, new) = (old.len() - rest, new.len() - rest);
        self.put.push(Put { at, old, new, said: format!("{key}={value}"), value: key.len() + 1 });
        self.text = changed;
        Ok(())
    }

    /// The file that a place is in: its name, its text as it was read, and the place there; or what was put in there.
    pub(crate) fn place(&self, span: &Range<usize>) -> (&str, &str, Range<usize>) {
        let mut span = span.clone();
        for Put { at, old, new, said, value } in self.put.iter().rev() {
            if span.start >= at + new {
                span = span.start - new + old..span.end - new + old;
            } else if span.end > *at {
                return ("--set", said, *value..said.len());
            }
        }
        let at = self.files.iter().rposition(|(_, begin)| *begin <= span.start).unwrap_or(0);
        let (name, begin) = self.files.get(at).map_or(("", 0), |(name, begin)| (name, *begin));
        let end = self.files.get(at + 1).map_or(self.read.len(), |(_, begin)| *begin);
        let text = self.read.get(begin..end).unwrap_or(&self.read);
        (name, text, span.start - begin..span.end.min(end) - begin)
    }

    fn add(&mut self, path: &Path, above: &mut Vec<Above>) -> Result<(), Failure> {
        // A device or a pipe may have no end.
        if !above.is_empty() && path.metadata().is_ok_and(|file| !file.is_file()) {
            return Err(Failure::input(format_args!("`{}` is no file", shown(path))).hint("include files only"));
        }
        // As long in bytes, so that places stay.
        let text = read(path).map_err(|failure| match above.last() {
            Some(Above { name, line, .. }) => {
                let message = format!("{}, which {name} includes in line {line}", failure.message);
                Failure { message, ..failure }.hint("mend the name in `include`, relative to the file it stands in")
            }
            None => failure,
        })?;
        let text = if above.is_empty() { text } else { text.replacen('\u{feff}', "   ", 1) };
        // What stdin includes is found from where the command runs.
        let own = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Some(first) = above.iter().position(|file| file.path == own) {
            let around = &above[first..];
            let names = around.iter().skip(1).map(|file| file.name.as_str()).chain([around[0].name.as_str()]);
            let links = around.iter().zip(names);
            let links = links.map(|(Above { name, line, .. }, next)| format!("{name} includes {next} in line {line}"));
            let message = format_args!("`{}` includes itself: {}", shown(path), links.collect::<Vec<_>>().join(", "));
            return Err(Failure::input(message).hint("take one of these includes out"));
        }
        if above.len() >= DEPTH_MAX || self.files.len() >= FILES_MAX {
            let message = format_args!("`{}` is one include too many", shown(path));
            return Err(
                Failure::input(message).hint(format_args!("a policy has at most {FILES_MAX} files, {DEPTH_MAX} deep"))
            );
        }
        let (kept, included) = taken_out(path, &text, above.is_empty())?;
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.files.push((shown(path), self.text.len()));
        self.text.push_str(&kept);
        if self.text.len() > policy::TEXT_BYTES_MAX {
            let message =
                format_args!("with `{}` the policy has over {} KiB", shown(path), policy::TEXT_BYTES_MAX >> 10);
            return Err(Failure::input(message).hint("is it the right file?"));
        }
        let (files, line) = included;
        above.push(Above { path: own, name: files::name(path), line });
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in files {
            self.add(&folder.join(file), above)?;
        }
        above.pop();
        Ok(())
    }
}

/// A text in which what only one file may have is a remark, and what it includes, with the line that says so.
fn taken_out(path: &Path, text: &str, is_first: bool) -> Result<(String, (Vec<String>, usize)), Failure> {
    let (root, faults) = DeTable::parse_recoverable(text);
    let refused = |what: &str, hint: &str| Err(Failure::input(format_args!("`{}`: {what}", shown(path))).hint(hint));
    let (mut kept, mut included, mut included_in) = (text.to_owned(), Vec::new(), 0);
    let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    // Two broken texts may make one that is not.
    if let Some(fault) = faults.first().filter(|_| !is_first || root.get_ref().contains_key("include")) {
        let line = line_of(fault.span().map_or(0, |span| span.start));
        return refused(
            &format!("line {line} is no TOML: {}", fault.message()),
            "mend it first: each file is read by itself",
        );
    }
    for (key, value) in root.get_ref() {
        let is_section = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_)) && key.get_ref() != "include";
        match &**key.get_ref() {
            "include" => {
                const EXAMPLE: &str =
                    "write for example `include = [\"caps.toml\"]`, relative to the file it stands in";
                let DeValue::Array(list) = value.get_ref() else {
                    return refused("`include` is a list of files", EXAMPLE);
                };
                for entry in list.iter() {
                    match entry.get_ref() {
                        DeValue::String(file) if !file.trim().is_empty() => included.push(file.to_string()),
                        _ => return refused("`include` is a list of files", EXAMPLE),
                    }
                }
                if text.get(key.span().start..value.span().end).is_none_or(|line| line.contains('\n')) {
                    return refused("`include` goes over several lines", "write the list on one line");
                }
                included_in = line_of(key.span().start);
            }
            "policy" if !is_first => {}
            _ if is_section || is_first => continue,
            other => {
                let what = format!("`{other}` stands before the first section of an included file");
                return refused(&what, "leave it to the file that includes this one: only sections are brought in");
            }
        }
        // As long as before, so that all places stay: the first letter makes way.
        let at = key.span().start;
        kept.replace_range(at..at + 1, "#");
    }
    Ok((kept, (included, included_in)))
}

/// One file's text.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        return files::read_stdin(policy::TEXT_BYTES_MAX, "policy");
    }
    files::read_text(path, policy::TEXT_BYTES_MAX, "policy").map_err(|failure| match failure.hint {
        None => failure.hint("`trimtab init DIR` makes a policy to start from"),
        Some(_) => failure,
    })
}

/// What a policy file is called in messages and records.
pub(crate) fn shown(path: &Path) -> String {
    if path == Path::new("-") { files::STDIN.to_owned() } else { path.display().to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "a test may fail by panicking, and writes files"
    )]
    use super::*;

    const FIRST: &str = "policy = 1\nname = \"x\"\ninstrument = \"binance:BTCUSDT-PERP\"\ninclude = [\"sub/size.toml\", \"caps.toml\"]\n\
                         [signal]\nkind = \"constant\"\nstrength = 1.0";
    const SIZE: &str = "policy = 1\n[size]\nkind = \"fixed_fraction\"\nfraction = 1.0\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn refused(files: &[(&str, &str)]) -> String {
        let folder = folder(files);
        Whole::read(&folder.path().join("first.toml"))
            .err()
            .unwrap()
            .message
            .replace(&folder.path().display().to_string(), "")
    }

    #[test]
    fn several_files_are_one_policy_and_places_are_in_their_files() {
        let folder = folder(&[
            ("first.toml", FIRST),
            ("sub/size.toml", SIZE),
            ("caps.toml", "[caps]\nleverage = 200\nleverage_restore = 1\n"),
        ]);
        let mut whole = Whole::read(&folder.path().join("first.toml")).unwrap();
        let found = policy::parse(&whole.text).diagnostics;
        assert_eq!(found.len(), 1, "{found:?}");
        let placed = |whole: &Whole, wanted: &str| {
            let found = policy::parse(&whole.text).diagnostics;
            let (name, text, span) = whole.place(&found[0].span);
            assert!(name.ends_with("caps.toml") && text.starts_with("[caps]"), "{name}");
            assert_eq!(&text[span], wanted);
        };
        placed(&whole, "200");
        // Values put in before and behind it move nothing in the file.
        whole.set("signal.sides", "long").unwrap();
        whole.set("size.fraction", "\"100%\"").unwrap();
        whole.set("trade.buffer", "10%").unwrap();
        whole.set("name", "\"another\"").unwrap();
        placed(&whole, "200");
        whole.set("caps.leverage", "150").unwrap();
        whole.set("size.resize", "continuous").unwrap();
        let found = policy::parse(&whole.text).diagnostics;
        let (name, text, span) = whole.place(&found[0].span);
        assert_eq!((name, text, &text[span]), ("--set", "caps.leverage=150", "150"));
        whole.set("caps.leverage", "3").unwrap();
        let policy = policy::parse(&whole.text).policy.unwrap();
        assert_eq!((policy.name.as_str(), policy.caps.leverage.is_some()), ("another", true));
    }

    #[test]
    fn what_cannot_be_included_is_refused() {
        let both = |caps: &str| refused(&[("first.toml", FIRST), ("sub/size.toml", SIZE), ("caps.toml", caps)]);
        let around = both("policy = 1\ninclude = [\"first.toml\"]\n");
        let links = "includes itself: first.toml includes caps.toml in line 4, caps.toml includes first.toml in line 2";
        assert!(around.contains(links), "{around}");
        assert!(both("name = \"y\"\n[caps]\n").contains("`name` stands before the first section of an included file"));
        assert!(both("include = \"first.toml\"\n").contains("`include` is a list of files"));
        assert!(both("[caps]\ndrawdown = [\n").contains("line 2 is no TOML"), "{}", both("[caps]\ndrawdown = [\n"));
        assert!(both("include = [\"a.toml\"] x = 3\n").contains("line 1 is no TOML"));
        let missing = refused(&[("first.toml", FIRST)]);
        assert!(
            missing.contains("there is no such file") && missing.contains("which first.toml includes in line "),
            "{missing}"
        );
        let chain: Vec<(String, String)> =
            (0..12).map(|at| (format!("{at}.toml"), format!("include = [\"{}.toml\"]\n", at + 1))).collect();
        let mut files: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        files.push(("first.toml", "include = [\"0.toml\"]\n"));
        assert!(refused(&files).contains("one include too many"));
    }
}
