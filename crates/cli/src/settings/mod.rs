//! Settings: what a flag says, else the environment, else the project file, else the default; each with where it came from.
//!
//! A setting says where things are and how they are shown. None changes what a policy means or how a run is computed.

mod file;

pub(crate) use file::{FILE, Finding};

use crate::args::Global;
use crate::failure::Failure;
use clap::ValueEnum;
use file::ProjectFile;
use policy::nearest;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// The variable that names the project file, as `--config` does.
const CONFIG_VARIABLE: &str = "TRIMTAB_CONFIG";
/// Columns of a terminal: the least that anything is laid out for, and more than any screen has.
pub(crate) const WIDTHS: std::ops::RangeInclusive<i64> = 80..=1000;
/// Threads of a sweep.
pub(crate) const THREADS: std::ops::RangeInclusive<i64> = 1..=1024;

/// What a setting's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// One of some words.
    Word,
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Number,
    /// A folder.
    Path,
    /// Files.
    Paths,
}

/// One setting as it can be given.
#[derive(Debug)]
pub(crate) struct Definition {
    /// In the project file.
    pub(crate) key: &'static str,
    /// On the command line.
    pub(crate) flag: &'static str,
    /// In the environment.
    pub(crate) variable: &'static str,
    /// What its value looks like.
    pub(crate) takes: Takes,
    /// What it does, in a line.
    pub(crate) about: &'static str,
}

macro_rules! definitions {
    ($($name:ident: $key:literal, $flag:literal, $variable:literal, $takes:ident, $about:literal;)*) => {
        $(const $name: Definition =
            Definition { key: $key, flag: $flag, variable: $variable, takes: Takes::$takes, about: $about };)*
        /// Every setting, in the order in which they are shown.
        pub(crate) const DEFINITIONS: &[Definition] = &[$($name),*];
    };
}

definitions! {
    COLOR: "color", "--color", "TRIMTAB_COLOR", Word, "when to use colours: auto, always, never";
    JSON: "json", "--json", "TRIMTAB_JSON", Switch, "results as JSON, one object a line";
    VERBOSITY: "verbosity", "--verbose, --quiet", "TRIMTAB_VERBOSITY", Word, "how much is said: quiet, normal, verbose";
    PROGRESS: "progress", "--progress", "TRIMTAB_PROGRESS", Word, "how long work shows its progress: auto, lines, never";
    WIDTH: "width", "--width", "TRIMTAB_WIDTH", Number, "columns that text is laid out for, 80 to 1000";
    THREADS_OF_SWEEPS: "threads", "--threads", "TRIMTAB_THREADS", Number, "threads of a sweep or an ablation, 1 to 1024";
    TAPES: "tapes", "--tape", "TRIMTAB_TAPES", Paths, "the tapes that a backtest or a sweep runs on";
    RUNS: "runs", "--out", "TRIMTAB_RUNS", Path, "the folder in which runs are made: there `backtest POLICY` writes POLICY's name";
    LOG_LEVEL: "log.level", "--log-level", "TRIMTAB_LOG", Word, "what is logged to stderr: off, error, warn, info, debug, trace";
    LOG_FORMAT: "log.format", "--log-format", "TRIMTAB_LOG_FORMAT", Word, "how it is logged: text, json";
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The command line.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A line of the project file.
    File { path: PathBuf, line: usize },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl ColorChoice {
    /// Whether a stream gets colours.
    pub(crate) fn wants(self, is_terminal: bool) -> bool {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
        }
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// How long work shows how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    /// A bar where a person watches, else a line now and then.
    Auto,
    /// A line now and then.
    Lines,
    /// Not at all.
    Never,
}

/// What is logged: this and all that is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Every setting with its value.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) color: Setting<ColorChoice>,
    pub(crate) json: Setting<bool>,
    pub(crate) verbosity: Setting<Verbosity>,
    pub(crate) progress: Setting<ProgressChoice>,
    pub(crate) width: Setting<Option<u16>>,
    pub(crate) threads: Setting<Option<u16>>,
    pub(crate) tapes: Setting<Vec<PathBuf>>,
    pub(crate) runs: Setting<Option<PathBuf>>,
    pub(crate) log_level: Setting<LogLevel>,
    pub(crate) log_format: Setting<LogFormat>,
    /// The project file, if there is one.
    pub(crate) file: Option<PathBuf>,
}

/// Settings that cannot be used: what could be read of them, to say the rest with, and what is wrong.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) readable: Box<Settings>,
    pub(crate) wrong: Vec<Wrong>,
}

/// One thing that is wrong with settings.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// At a place of the project file.
    InFile(Finding),
    /// With a variable, or with the file as a whole.
    Elsewhere(Failure),
}

impl Settings {
    /// Reads all of them.
    pub(crate) fn read(flags: &Global) -> Result<Self, Refused> {
        let mut wrong = Vec::new();
        let file = match project_file(flags) {
            Ok(Some(path)) => match ProjectFile::read(&path) {
                Ok((file, findings)) => {
                    wrong.extend(findings.into_iter().map(Wrong::InFile));
                    file
                }
                Err(failure) => {
                    wrong.push(Wrong::Elsewhere(failure));
                    ProjectFile::none()
                }
            },
            Ok(None) => ProjectFile::none(),
            Err(failure) => {
                wrong.push(Wrong::Elsewhere(failure));
                ProjectFile::none()
            }
        };
        let mut sources = Sources { file, wrong };
        let settings = sources.all(flags);
        if sources.wrong.is_empty() {
            return Ok(settings);
        }
        Err(Refused { readable: Box::new(settings), wrong: sources.wrong })
    }

    /// The tapes to run on: those of the command line, else those of the settings.
    pub(crate) fn tapes_for(&self, named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        let tapes = if named.is_empty() { &self.tapes.value } else { named };
        if tapes.is_empty() {
            return Err(Failure::input("no tape to run on").hint(format_args!(
                "name each with `--tape TAPE` (`trimtab import` makes them), or list them as `tapes` in {FILE}"
            )));
        }
        Ok(tapes.to_vec())
    }

    /// The folder to write: that of the command line, else one named for the policy among the runs.
    pub(crate) fn out_for(&self, named: Option<&PathBuf>, policy: &Path, suffix: &str) -> Result<PathBuf, Failure> {
        match (named, &self.runs.value, policy.file_stem()) {
            (Some(out), ..) => Ok(out.clone()),
            (None, Some(runs), Some(stem)) if stem != "-" => {
                Ok(runs.join(format!("{}{suffix}", stem.to_string_lossy())))
            }
            _ => Err(Failure::input("no folder to write was named")
                .hint(format_args!("name it with `--out DIR`, or say in {FILE} where runs belong: `runs = \"runs\"`"))),
        }
    }

    /// Threads for work on many cores.
    pub(crate) fn threads_for(&self, named: Option<u16>) -> usize {
        named.or(self.threads.value).map_or_else(backtest::cores, usize::from)
    }

    /// Each setting's value in words, for `trimtab config`; in the order of [`DEFINITIONS`].
    pub(crate) fn shown(&self) -> Vec<(&'static Definition, Shown, &Origin)> {
        let number = |value: Option<u16>| value.map_or(Shown::Nothing, |value| Shown::Number(value.into()));
        let path = |path: &PathBuf| path.display().to_string();
        let values = [
            (word(self.color.value), &self.color.origin),
            (Shown::Switch(self.json.value), &self.json.origin),
            (word(self.verbosity.value), &self.verbosity.origin),
            (word(self.progress.value), &self.progress.origin),
            (number(self.width.value), &self.width.origin),
            (number(self.threads.value), &self.threads.origin),
            (Shown::List(self.tapes.value.iter().map(path).collect()), &self.tapes.origin),
            (self.runs.value.as_ref().map_or(Shown::Nothing, |runs| Shown::Text(path(runs))), &self.runs.origin),
            (word(self.log_level.value), &self.log_level.origin),
            (word(self.log_format.value), &self.log_format.origin),
        ];
        DEFINITIONS.iter().zip(values).map(|(definition, (value, origin))| (definition, value, origin)).collect()
    }
}

/// A value in words; in JSON as what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Shown {
    Nothing,
    Switch(bool),
    Number(u64),
    Text(String),
    List(Vec<String>),
}

fn word<T: ValueEnum>(value: T) -> Shown {
    let name = value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    Shown::Text(name)
}

/// The project file to read: the one that is named, else the nearest of the working folder and those above it.
fn project_file(flags: &Global) -> Result<Option<PathBuf>, Failure> {
    let named = match (&flags.config, std::env::var_os(CONFIG_VARIABLE)) {
        (Some(path), _) => Some((path.clone(), "--config")),
        (None, Some(path)) if !path.is_empty() => Some((path.into(), CONFIG_VARIABLE)),
        _ => None,
    };
    if let Some((path, by)) = named {
        if path.is_file() {
            return Ok(Some(path));
        }
        let what = if path.exists() { "is no file" } else { "does not exist" };
        return Err(Failure::input(format_args!("the settings file `{}` {what}", path.display()))
            .hint(format_args!("`{by}` names a file like {FILE}; without it the nearest {FILE} is read")));
    }
    let levels = std::env::current_dir().map_or(1, |folder| folder.components().count());
    // Named from here, so that no message shows where on the machine this is.
    let candidates = (0..levels).map(|level| std::iter::repeat_n("..", level).collect::<PathBuf>().join(FILE));
    Ok(candidates.into_iter().find(|path| path.is_file()))
}

/// Why a text is no value of a setting.
#[derive(Debug)]
struct Unfit {
    why: String,
    help: String,
}

/// The words of a value: one, but for lists; and the folder that its paths count from.
#[derive(Debug)]
struct Given<'a> {
    words: Vec<String>,
    base: &'a Path,
}

impl Given<'_> {
    fn first(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// All but the flags.
struct Sources {
    file: ProjectFile,
    wrong: Vec<Wrong>,
}

impl Sources {
    fn all(&mut self, flags: &Global) -> Settings {
        let logged = match flags.verbose {
            0 | 1 => None,
            2 => Some(LogLevel::Info),
            _ => Some(LogLevel::Debug),
        };
        let said = match (flags.quiet, flags.verbose) {
            (true, _) => Some(Verbosity::Quiet),
            (false, 1..) => Some(Verbosity::Verbose),
            (false, 0) => None,
        };
        let mut verbosity = self.pick(&VERBOSITY, said, choice, Verbosity::Normal);
        if let Origin::Flag(flag) = &mut verbosity.origin {
            *flag = if flags.quiet { "--quiet" } else { "--verbose" };
        }
        let mut log_level = self.pick(&LOG_LEVEL, flags.log_level.or(logged), choice, LogLevel::Warn);
        if let (Origin::Flag(flag), None) = (&mut log_level.origin, flags.log_level) {
            *flag = "-vv";
        }
        Settings {
            color: self.pick(&COLOR, flags.color, choice, ColorChoice::Auto),
            json: self.pick(&JSON, flags.json, switch, false),
            verbosity,
            progress: self.pick(&PROGRESS, flags.progress, choice, ProgressChoice::Auto),
            width: self.pick(&WIDTH, flags.width.map(Some), |given| number(given, WIDTHS), None),
            threads: self.pick(&THREADS_OF_SWEEPS, None, |given| number(given, THREADS), None),
            tapes: self.pick(&TAPES, None, paths, Vec::new()),
            runs: self.pick(&RUNS, None, path, None),
            log_level,
            log_format: self.pick(&LOG_FORMAT, flags.log_format, choice, LogFormat::Text),
            file: self.file.path.clone(),
        }
    }

    /// The first of flag, environment and file that says something; what cannot be read is recorded.
    fn pick<T>(
        &mut self,
        definition: &'static Definition,
        flag: Option<T>,
        parse: impl Fn(&Given<'_>) -> Result<T, Unfit>,
        default: T,
    ) -> Setting<T> {
        let in_file = self.said_in_file(definition, &parse);
        let in_environment = self.said_in_environment(definition, &parse);
        let said = flag.map(|value| Setting { value, origin: Origin::Flag(definition.flag) });
        // What is overridden is still read, so that a mistake does not hide until the flag is left out.
        said.or(in_environment).or(in_file).unwrap_or(Setting { value: default, origin: Origin::Default })
    }

    fn said_in_environment<T>(
        &mut self,
        definition: &'static Definition,
        parse: &impl Fn(&Given<'_>) -> Result<T, Unfit>,
    ) -> Option<Setting<T>> {
        let variable = definition.variable;
        let text = std::env::var_os(variable).filter(|text| !text.is_empty())?;
        let words = match definition.takes {
            Takes::Paths => std::env::split_paths(&text).map(|path| path.to_string_lossy().into_owned()).collect(),
            _ => vec![text.to_string_lossy().into_owned()],
        };
        match parse(&Given { words, base: Path::new("") }) {
            Ok(value) => Some(Setting { value, origin: Origin::Environment(variable) }),
            Err(Unfit { why, help }) => {
                let message = format!("the variable `{variable}` is `{}`: {why}", text.to_string_lossy());
                let message = message.replace(char::is_control, "\u{fffd}");
                self.wrong.push(Wrong::Elsewhere(Failure::input(message).hint(format_args!("{help}, or unset it"))));
                None
            }
        }
    }

    fn said_in_file<T>(
        &mut self,
        definition: &'static Definition,
        parse: &impl Fn(&Given<'_>) -> Result<T, Unfit>,
    ) -> Option<Setting<T>> {
        let entry = self.file.entries.get(definition.key)?;
        match parse(&Given { words: entry.words.clone(), base: &self.file.base() }) {
            Ok(value) => Some(Setting { value, origin: self.file.origin(entry) }),
            Err(Unfit { why, help }) => {
                let finding =
                    self.file.finding(entry.span.clone(), format!("`{}` has no such value", definition.key), why, help);
                self.wrong.push(Wrong::InFile(finding));
                None
            }
        }
    }
}

fn choice<T: ValueEnum>(given: &Given<'_>) -> Result<T, Unfit> {
    let given = given.first();
    T::from_str(given, false).map_err(|_| {
        let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        let help = match nearest(given, names.iter().map(String::as_str)) {
            Some(near) => format!("write `{near}`"),
            None => format!("take one of {}", names.join(", ")),
        };
        Unfit { why: format!("not one of {}", names.join(", ")), help }
    })
}

fn switch(given: &Given<'_>) -> Result<bool, Unfit> {
    given.first().parse().map_err(|_| Unfit {
        why: "not a switch".to_owned(),
        help: "write `true` or `false`, in lower case".to_owned(),
    })
}

fn number(given: &Given<'_>, range: std::ops::RangeInclusive<i64>) -> Result<Option<u16>, Unfit> {
    let (least, most) = (range.start(), range.end());
    let value = given.first().parse::<i64>();
    let fits = value.as_ref().ok().filter(|value| range.contains(value)).and_then(|value| u16::try_from(*value).ok());
    fits.map(Some).ok_or_else(|| Unfit {
        why: match value {
            Ok(value) if value < *least => format!("less than {least}"),
            Ok(_) => format!("more than {most}"),
            Err(_) => "not a whole number of a usual size".to_owned(),
        },
        help: format!("take a number from {least} to {most}"),
    })
}

fn path(given: &Given<'_>) -> Result<Option<PathBuf>, Unfit> {
    if given.first().is_empty() {
        let help = "name a folder, or leave the setting out".to_owned();
        return Err(Unfit { why: "no name of a folder".to_owned(), help });
    }
    Ok(Some(given.base.join(given.first())))
}

fn paths(given: &Given<'_>) -> Result<Vec<PathBuf>, Unfit> {
    if given.words.iter().any(String::is_empty) {
        let help = "name each tape once, without empty entries".to_owned();
        return Err(Unfit { why: "an entry is empty".to_owned(), help });
    }
    Ok(given.words.iter().map(|word| given.base.join(word)).collect())
}

/// Variables that look like ours and are none, each with the one that may have been meant. Their values are not looked at.
pub(crate) fn unknown_variables() -> Vec<(String, Option<&'static str>)> {
    let known = || DEFINITIONS.iter().map(|definition| definition.variable).chain([CONFIG_VARIABLE]);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<_> = names
        .filter(|name| name.starts_with("TRIMTAB_") && !known().any(|known| known == name))
        .map(|name| {
            let near = known().map(|known| (strsim::osa_distance(&name, known), known));
            let near = near.filter(|(distance, _)| *distance <= 2).min_by_key(|(distance, _)| *distance);
            (name, near.map(|(_, known)| known))
        })
        .collect();
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_setting_has_names_of_its_own() {
        let of = |name: fn(&Definition) -> &'static str| DEFINITIONS.iter().map(name).collect::<BTreeSet<_>>().len();
        assert_eq!(
            (of(|d| d.key), of(|d| d.flag), of(|d| d.variable)),
            (DEFINITIONS.len(), DEFINITIONS.len(), DEFINITIONS.len())
        );
        assert!(DEFINITIONS.iter().all(|d| d.variable.starts_with("TRIMTAB_")));
    }

    #[test]
    fn names_that_are_near_are_found() {
        assert_eq!(nearest("nevr", ["auto", "always", "never"]), Some("never"));
        assert_eq!(nearest("Auto", ["auto", "always"]), Some("auto"));
        assert_eq!(nearest("blue", ["auto", "always", "never"]), None);
    }
}
