//! Files as commands read and write them.

use crate::failure::{Failure, Kind};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// A text file of at most `bytes_max`; `what` names its kind in messages.
pub(crate) fn read_text(path: &Path, bytes_max: usize, what: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::io(&format!("read the {what}"), path, &error);
    // A pipe that nobody writes to would be waited for. What a shell hands over as `<(…)` has a writer.
    let is_handed_over = path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd");
    if !is_handed_over && path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir()) {
        let message = format_args!("cannot read the {what} `{}`: it is a pipe or a device, not a file", path.display());
        return Err(Failure::input(message).hint("save it as a file first, or hand it in as `-` where that is taken"));
    }
    let file = File::open(path).map_err(failed)?;
    let text = text(file, path, bytes_max, what, failed)?;
    tracing::info!(file = %path.display(), bytes = text.len(), "{what} read");
    Ok(text)
}

/// Standard input, as a text file of at most `bytes_max`.
pub(crate) fn read_stdin(bytes_max: usize, what: &str) -> Result<String, Failure> {
    let path = Path::new(STDIN);
    text(std::io::stdin().lock(), path, bytes_max, what, |error| Failure::io(&format!("read the {what}"), path, &error))
}

/// What standard input is called in messages.
pub(crate) const STDIN: &str = "<stdin>";

fn text(
    from: impl Read,
    path: &Path,
    bytes_max: usize,
    what: &str,
    failed: impl Fn(std::io::Error) -> Failure,
) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    from.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        let message = format_args!("`{}` is larger than {} KiB, which no {what} is", path.display(), bytes_max >> 10);
        return Err(Failure::input(message).hint("is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format_args!("`{}` is no text: byte {} is not UTF-8", path.display(), at + 1);
        Failure::input(message).hint(format_args!("is it a {what}? Save it as UTF-8"))
    })
}

/// Refuses to touch what is there, unless told to; before any long work.
pub(crate) fn refuse_existing(path: &Path, force: bool) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::input(format_args!("`{}` is a folder", path.display())).hint("name a file"));
    }
    if !force && path.symlink_metadata().is_ok() {
        return Err(Failure::input(format_args!("`{}` exists already", path.display()))
            .hint("choose another name, or replace it with `--force`"));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Failure::input(format_args!("there is no folder `{}` to write into", folder.display()))
                .hint("make it first, or choose another place"))
        }
        _ => Ok(()),
    }
}

/// Refuses a folder that nothing can be written into; before any long work. Nothing of the try is left.
pub(crate) fn refuse_unwritable(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match tempfile::Builder::new().prefix(".trimtab-").tempfile_in(folder) {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = std::io::Error::from(error.kind());
            Err(Failure::io("write into", folder, &error).hint("name a file in a folder that you may write into"))
        }
    }
}

/// Writes a file whole or not at all: beside its place, then renamed.
pub(crate) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    refuse_existing(path, force)?;
    let failed = |error: std::io::Error| Failure::io("write", path, &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".trimtab-").suffix(".partial");
    // As any file that a program makes, not only for its owner, as a temporary file would be.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The name of what is beside it is nobody's business.
    let plain = |error: std::io::Error| std::io::Error::from(error.kind());
    let mut file = builder.tempfile_in(folder).map_err(|error| failed(plain(error)))?;
    file.write_all(bytes).map_err(failed)?;
    if force { file.persist(path) } else { file.persist_noclobber(path) }.map_err(|error| failed(error.error))?;
    tracing::info!(file = %path.display(), bytes = bytes.len(), "file written");
    Ok(())
}

/// A folder to write into that is new or empty. Makes it, with its parents.
pub(crate) fn make_empty_folder(path: &Path) -> Result<(), Failure> {
    match path.read_dir().map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(Failure::input(format_args!("`{}` is not empty", path.display())).hint("choose another folder"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(path).map_err(|error| Failure::io("make the folder", path, &error))
        }
        Err(_) if path.is_file() => {
            Err(Failure::input(format_args!("`{}` is a file, not a folder", path.display()))
                .hint("choose another name"))
        }
        Err(error) => Err(Failure::new(Kind::Outside, format_args!("cannot read `{}`: {error}", path.display()))),
    }
}

/// A path's last part, for lines where the whole would not fit.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A path as a word of a command line that can be copied: in quotes where a shell would take it apart.
pub(crate) fn word(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/\\._-+=:,@%".contains(character);
    match text.is_empty() || !text.chars().all(plain) {
        true if cfg!(windows) => format!("\"{text}\""),
        true => format!("'{}'", text.replace('\'', "'\\''")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn words_survive_a_shell() {
        assert_eq!(word("runs/oct-2025_1.tape"), "runs/oct-2025_1.tape");
        assert_eq!(word("my runs/$a"), "'my runs/$a'");
        assert_eq!(word("it's"), r"'it'\''s'");
        assert_eq!(word(""), "''");
    }
}
