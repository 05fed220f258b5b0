//! Why a command could not do what it was asked to.

use std::fmt;
use std::io;
use std::path::Path;

/// Who has to act; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was handed in is wrong: exit 2, nothing was written.
    Input,
    /// Disk, network, system: exit 3.
    Outside,
    /// Stopped by the user: exit 130.
    Interrupted,
}

impl Kind {
    /// The word in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Outside => "outside",
            Self::Interrupted => "interrupted",
        }
    }

    /// Of an error that only knows whether its input was at fault.
    pub(crate) fn of(is_input: bool) -> Self {
        if is_input { Self::Input } else { Self::Outside }
    }
}

/// One message: what happened, where, what the value was, what is allowed; and the one thing to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The reason in words that stay the same, where there are some.
    pub(crate) code: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), hint: None, code: None }
    }

    pub(crate) fn input(message: impl fmt::Display) -> Self {
        Self::new(Kind::Input, message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted; nothing was written")
    }

    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// What the system said about a file; `doing` is a verb such as `read`.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind::{AlreadyExists, InvalidInput, IsADirectory, NotADirectory, NotFound};
        let (kind, said) = match error.kind() {
            _ if is_loop(error) => (
                Kind::Input,
                "it is a link in a loop of links, which lead to no file: `ls -l` tells where each points".to_owned(),
            ),
            NotFound => (Kind::Input, "there is no such file or folder".to_owned()),
            IsADirectory => (Kind::Input, "it is a folder".to_owned()),
            NotADirectory => (Kind::Input, "a part of the path is a file, not a folder".to_owned()),
            AlreadyExists => (Kind::Input, "it exists already".to_owned()),
            InvalidInput => (Kind::Input, error.to_string()),
            _ => (Kind::Outside, error.to_string()),
        };
        Self::new(kind, format_args!("cannot {doing} `{}`: {said}", path.display()))
    }
}

/// Links that lead to each other: `ELOOP` of Linux and of macOS and the BSDs, for which the standard library has no stable kind.
fn is_loop(error: &io::Error) -> bool {
    let code = if cfg!(target_os = "linux") { 40 } else { 62 };
    cfg!(unix) && error.raw_os_error() == Some(code)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn a_loop_of_links_is_told() {
        let home = tempfile::tempdir().unwrap();
        let [one, other] = ["one.toml", "other.toml"].map(|name| home.path().join(name));
        std::os::unix::fs::symlink(&one, &other).unwrap();
        std::os::unix::fs::symlink(&other, &one).unwrap();
        let failure = Failure::io("read", &one, &std::fs::read(&one).unwrap_err());
        assert_eq!(failure.kind, Kind::Input);
        assert!(failure.message.contains("a loop of links"), "{}", failure.message);
    }
}
