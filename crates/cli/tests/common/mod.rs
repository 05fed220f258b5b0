//! Running the built binary in a folder of its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A policy without a finding, on any market.
pub(crate) const POLICY: &str = "\
policy = 1
name = \"always-long\"
instrument = \"binance:BTCUSDT-PERP\"
[signal]
kind = \"constant\"
strength = 1.0
[size]
kind = \"fixed_fraction\"
fraction = 1.0
";

/// An empty folder that commands run in.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The binary, in this folder, with nothing of the developer's own settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command.args(args).current_dir(self.folder.path());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("TERM", "xterm-256color");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRIMTAB_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs the binary.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.command(args).output().unwrap().into()
    }

    /// Runs a command line as it stands in documents: words apart by spaces, quotes around words with spaces.
    pub(crate) fn line(&self, line: &str) -> Said {
        let words = words(line);
        assert_eq!(words.first().map(String::as_str), Some("trimtab"), "{line}");
        self.run(&words.iter().skip(1).map(String::as_str).collect::<Vec<_>>())
    }

    /// Every file below the folder with its content, and every folder.
    pub(crate) fn listing(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        collect(self.folder.path(), &mut found);
        found
    }

    /// Two days of hourly bars of a rising market, as a tape.
    pub(crate) fn bars(&self, tape: &str) {
        self.write("bars.csv", bars_csv(48));
        let args =
            ["import", "bars", "bars.csv", "--instrument", "binance:BTCUSDT-PERP", "--labelled", "open", "-o", tape];
        self.run(&args).ok();
        std::fs::remove_file(self.path("bars.csv")).unwrap();
    }
}

/// What command lines print, each with its name and its exit code, is what is kept in `tests/<folder>` and fits a terminal; `UPDATE` set
/// writes it there.
#[track_caller]
pub(crate) fn is_as_kept<'a>(
    sandbox: &Sandbox,
    folder: &str,
    printed: impl IntoIterator<Item = (&'a str, String, i32)>,
) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut stale = Vec::new();
    for (name, line, code) in printed {
        let said = sandbox.line(&line);
        assert_eq!(said.code, Some(code), "{line}: {said:?}");
        let path = kept.join(format!("{name}.txt"));
        let text = format!("$ {line}\n{}", said.stdout);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&kept).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(format!("{name} is now\n{text}"));
        }
        let is_long = |line: &&str| line.chars().count() > 80 && !line.starts_with("  next: ");
        let long: Vec<&str> = said.stdout.lines().filter(is_long).collect();
        assert!(long.is_empty(), "{name}: {long:#?}");
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

/// The examples of portfolios, in a folder of their own.
pub(crate) fn desk() -> Sandbox {
    let sandbox = Sandbox::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        sandbox.write(path.file_name().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap());
    }
    sandbox
}

/// Where the examples of portfolios are.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/margin")
}

/// Hourly bars that rise by 10 each.
pub(crate) fn bars_csv(bars: usize) -> String {
    let row = |hour: usize| {
        let (day, hour_of_day, open) = (1 + hour / 24, hour % 24, 60_000 + 10 * hour);
        format!("2025-01-{day:02} {hour_of_day:02}:00,{open},{},{},{},5\n", open + 15, open - 5, open + 10)
    };
    "date,open,high,low,close,volume\n".to_owned() + &(0..bars).map(row).collect::<String>()
}

/// A zip archive of files that stand in it as they are.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for word in [crc(text), text.len() as u32, text.len() as u32, name.len() as u32] {
            common.extend(word.to_le_bytes());
        }
        let start = bytes.len() as u32;
        bytes.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), text].concat());
        directory
            .extend([b"PK\x01\x02\x14\0", common.as_slice(), &[0; 10], &start.to_le_bytes(), name.as_bytes()].concat());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([files.len() as u8, 0, files.len() as u8, 0]);
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// The begin of a gzip file whose text is not packed: a block that ends before it was announced to.
pub(crate) fn gzip_start(text: &[u8]) -> Vec<u8> {
    let length = text.len() as u16;
    let block = [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), &text[..text.len() / 2]].concat();
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], block.as_slice()].concat()
}

fn crc(text: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !text.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), None);
            collect(&path, found);
        } else {
            found.insert(path.clone(), Some(std::fs::read(&path).unwrap()));
        }
    }
}

fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
