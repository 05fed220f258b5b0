//! A policy as it is read: its file, and those that it includes, as one text.
//!
//! `include = ["caps.toml"]` at the top brings the sections of other files in, behind its own. The text of each stands in the whole letter
//! for letter, but that keys which only the first file has (`include`, and `policy` of the others) become remarks: a finding's place in the
//! whole is a place in one of the files.

use crate::failure::Failure;
use crate::files;
use policy::{Code, Diagnostic, Severity};
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
    /// The same files as the system finds them.
    paths: Vec<PathBuf>,
    /// What of its files cannot be put together: there is no text then.
    pub(crate) fault: Option<Box<Fault>>,
}

/// What is wrong with an `include`, in which file.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) diagnostic: Diagnostic,
}

/// Why a file was not added.
enum Stop {
    /// The policy's own file cannot be read.
    Failed(Failure),
    Found(Box<Fault>),
}

/// Where a file says that another is included.
#[derive(Clone)]
struct Place<'a> {
    file: &'a str,
    text: &'a str,
    span: Range<usize>,
}

impl Place<'_> {
    fn stop(&self, code: Code, message: impl std::fmt::Display, label: &str, help: impl std::fmt::Display) -> Stop {
        let diagnostic = Diagnostic {
            code,
            severity: Severity::Error,
            span: self.span.clone(),
            message: message.to_string(),
            label: label.to_owned(),
            help: Some(help.to_string()),
            also: None,
        };
        Stop::Found(Box::new(Fault { file: self.file.to_owned(), text: self.text.to_owned(), diagnostic }))
    }
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
        Self {
            text: text.to_owned(),
            read: text.to_owned(),
            files: vec![(shown(path), 0)],
            put: Vec::new(),
            paths: Vec::new(),
            fault: None,
        }
    }

    /// Reads a file and all that it includes. What is wrong with an include is its [`Self::fault`].
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let (text, read, files, put) = (String::new(), String::new(), Vec::new(), Vec::new());
        let mut whole = Self { text, read, files, put, paths: Vec::new(), fault: None };
        match whole.add(path, &mut Vec::new(), None) {
            Ok(()) => {}
            Err(Stop::Failed(failure)) => return Err(failure),
            Err(Stop::Found(fault)) => whole.fault = Some(fault),
        }
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

    fn add(&mut self, path: &Path, above: &mut Vec<Above>, from: Option<Place<'_>>) -> Result<(), Stop> {
        const PATHS: &str = "paths are relative to the file that they stand in: name a file that is there";
        // A device or a pipe may have no end.
        if let Some(from) = from.as_ref().filter(|_| path.metadata().is_ok_and(|file| !file.is_file())) {
            let message = format_args!("`{}` is no file", shown(path));
            return Err(from.stop(Code::IncludeRead, message, "is included here", "include files only"));
        }
        // As long in bytes, so that places stay.
        let text = read(path).map_err(|failure| match &from {
            None => Stop::Failed(failure),
            Some(from) if path.exists() => {
                let help = failure.hint.as_deref().unwrap_or("save it as UTF-8 where it can be read");
                from.stop(Code::IncludeRead, failure.message, "is included here", help)
            }
            Some(from) => from.stop(Code::IncludeRead, failure.message, "is included here", PATHS),
        })?;
        let text = if above.is_empty() { text } else { text.replacen('\u{feff}', "   ", 1) };
        // What stdin includes is found from where the command runs.
        let own = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let (Some(first), Some(from)) = (above.iter().position(|file| file.path == own), &from) {
            let around = &above[first..];
            let names = around.iter().skip(1).map(|file| file.name.as_str()).chain([around[0].name.as_str()]);
            let links = around.iter().zip(names);
            let links = links.map(|(Above { name, line, .. }, next)| format!("{name} includes {next} in line {line}"));
            let message = format!("`{}` includes itself: {}", shown(path), links.collect::<Vec<_>>().join(", "));
            return Err(from.stop(Code::IncludeCycle, message, "closes the circle", "take one of these includes out"));
        }
        // Each of its keys would be set twice.
        if let (true, Some(from)) = (self.paths.contains(&own), &from) {
            let message = format!("`{}` is included twice", shown(path));
            return Err(from.stop(Code::Duplicate, message, "is included here again", "keep one of the two includes"));
        }
        let full = |from: &Place<'_>| {
            let message = format_args!("`{}` is one include too many", shown(path));
            let help = format_args!("a policy has at most {FILES_MAX} files, {DEPTH_MAX} deep");
            from.stop(Code::IncludeLimits, message, "is included here", help)
        };
        if let Some(from) = from.as_ref().filter(|_| above.len() >= DEPTH_MAX || self.files.len() >= FILES_MAX) {
            return Err(full(from));
        }
        let name = shown(path);
        let (kept, included) = taken_out(&name, &text, above.is_empty())?;
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.files.push((name.clone(), self.text.len()));
        self.text.push_str(&kept);
        if let Some(from) = from.as_ref().filter(|_| self.text.len() > policy::TEXT_BYTES_MAX) {
            let message = format_args!("with `{name}` the policy has over {} KiB", policy::TEXT_BYTES_MAX >> 10);
            return Err(from.stop(Code::IncludeLimits, message, "is included here", "is it the right file?"));
        }
        let (files, line) = included;
        self.paths.push(own.clone());
        above.push(Above { path: own, name: files::name(path), line });
        let folder = path.parent().unwrap_or(Path::new(""));
        for (file, span) in files {
            self.add(&folder.join(file), above, Some(Place { file: &name, text: &text, span }))?;
        }
        above.pop();
        Ok(())
    }
}

/// Files that a text includes, each with its place, and the line that says so.
type Included = (Vec<(String, Range<usize>)>, usize);

/// A text in which what only one file may have is a remark, and what it includes.
fn taken_out(name: &str, text: &str, is_first: bool) -> Result<(String, Included), Stop> {
    let (root, faults) = DeTable::parse_recoverable(text);
    let refused = |span: Range<usize>, what: String, label: &str, help: &str| {
        let span = span.start.min(text.len())..span.end.min(text.len());
        Err(Place { file: name, text, span }.stop(Code::IncludeForm, what, label, help))
    };
    let (mut kept, mut included, mut included_in) = (text.to_owned(), Vec::new(), 0);
    let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    // Two broken texts may make one that is not.
    if let Some(fault) = faults.first().filter(|_| !is_first || root.get_ref().contains_key("include")) {
        let span = fault.span().unwrap_or(0..0);
        let what = format!("line {} is no TOML: {}", line_of(span.start), fault.message());
        return refused(span, what, "here", "mend it first: each file is read by itself");
    }
    for (key, value) in root.get_ref() {
        let is_section = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_)) && key.get_ref() != "include";
        match &**key.get_ref() {
            "include" => {
                const EXAMPLE: &str =
                    "write for example `include = [\"caps.toml\"]`, relative to the file it stands in";
                let no_list =
                    |span| refused(span, "`include` is a list of files".to_owned(), "is no file name", EXAMPLE);
                let DeValue::Array(list) = value.get_ref() else {
                    return no_list(value.span());
                };
                for entry in list.iter() {
                    match entry.get_ref() {
                        DeValue::String(file) if !file.trim().is_empty() => {
                            included.push((file.to_string(), entry.span()));
                        }
                        _ => return no_list(entry.span()),
                    }
                }
                if text.get(key.span().start..value.span().end).is_none_or(|line| line.contains('\n')) {
                    let what = "`include` goes over several lines".to_owned();
                    return refused(key.span(), what, "begins here", "write the list on one line");
                }
                included_in = line_of(key.span().start);
            }
            "policy" if !is_first => {}
            _ if is_section || is_first => continue,
            other => {
                let what = format!("`{other}` stands before the first section of an included file");
                let help = "leave it to the file that includes this one: only sections are brought in";
                return refused(key.span(), what, "is of the first file only", help);
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

    /// What a policy of these files is refused for: its code, what it says, and the line and text that it points to.
    fn fault(files: &[(&str, &str)]) -> (&'static str, String, String) {
        let folder = folder(files);
        let fault = Whole::read(&folder.path().join("first.toml")).unwrap().fault.unwrap();
        let Fault { file, text, diagnostic } = *fault;
        let line = text[..diagnostic.span.start].matches('\n').count() + 1;
        assert!(diagnostic.help.is_some() && diagnostic.is_error());
        let place = format!("{}:{line} {}", file.rsplit('/').next().unwrap(), &text[diagnostic.span.clone()]);
        let without = |text: &str| text.replace(&folder.path().display().to_string(), "");
        (diagnostic.code.name(), without(&diagnostic.message), place)
    }

    fn refused(files: &[(&str, &str)]) -> String {
        fault(files).1
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
        assert!(refused(&[("first.toml", FIRST)]).contains("there is no such file"));
        let chain: Vec<(String, String)> =
            (0..12).map(|at| (format!("{at}.toml"), format!("include = [\"{}.toml\"]\n", at + 1))).collect();
        let mut files: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        files.push(("first.toml", "include = [\"0.toml\"]\n"));
        assert!(refused(&files).contains("one include too many"));
        assert_eq!(fault(&files).0, "P085");
    }

    /// Each has a code, and its place is the entry of the `include` or what stands wrong in the included file.
    #[test]
    fn what_cannot_be_included_has_a_code_and_a_place() {
        let place = |files: &[(&str, &str)]| {
            let (code, _, place) = fault(files);
            format!("{code} {place}")
        };
        let both = |caps: &str| place(&[("first.toml", FIRST), ("sub/size.toml", SIZE), ("caps.toml", caps)]);
        assert_eq!(place(&[("first.toml", FIRST)]), "P083 first.toml:4 \"sub/size.toml\"");
        assert_eq!(place(&[("first.toml", FIRST), ("sub/size.toml", SIZE)]), "P083 first.toml:4 \"caps.toml\"");
        assert_eq!(both("policy = 1\ninclude = [\"first.toml\"]\n"), "P084 caps.toml:2 \"first.toml\"");
        assert_eq!(both("include = [\"sub\"]\n"), "P083 caps.toml:1 \"sub\"");
        assert_eq!(both("include = [\"sub/size.toml\"]\n"), "P002 caps.toml:1 \"sub/size.toml\"");
        assert_eq!(both("name = \"y\"\n[caps]\n"), "P086 caps.toml:1 name");
        assert_eq!(both("include = \"first.toml\"\n"), "P086 caps.toml:1 \"first.toml\"");
        let large = format!("# {}\n", "x".repeat(policy::TEXT_BYTES_MAX));
        assert_eq!(both(&large), "P083 first.toml:4 \"caps.toml\"");
        let folder = folder(&[("first.toml", FIRST), ("sub/size.toml", SIZE)]);
        std::fs::write(folder.path().join("caps.toml"), [b'#', 0xff, 0xfe]).unwrap();
        let fault = Whole::read(&folder.path().join("first.toml")).unwrap().fault.unwrap();
        assert_eq!(fault.diagnostic.code, Code::IncludeRead);
        assert!(fault.diagnostic.message.contains("byte 2 is not UTF-8"), "{}", fault.diagnostic.message);
        assert!(fault.diagnostic.help.as_deref().is_some_and(|help| help.contains("Save it as UTF-8")));
    }
}
