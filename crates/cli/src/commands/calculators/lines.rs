//! Lines of standard input, each of a bounded length.

use crate::failure::{Failure, Kind};
use crate::files::STDIN;
use std::io::{self, BufRead, BufReader, Read, StdinLock};

/// No row is longer.
pub(super) const LINE_BYTES_MAX: usize = 1 << 14;

/// One line and its number, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end.
    Bytes(usize, Vec<u8>),
    /// Longer than any row; passed over.
    TooLong(usize),
    /// There are no more.
    End,
}

/// The lines, as they come.
pub(super) struct Lines<R = StdinLock<'static>> {
    reader: BufReader<R>,
    number: usize,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, from), number: 0 }
    }

    pub(super) fn next_line(&mut self) -> io::Result<Line> {
        let mut bytes = Vec::new();
        let most = LINE_BYTES_MAX as u64 + 1;
        if (&mut self.reader).take(most).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            return Ok(Line::Bytes(self.number, bytes));
        }
        if bytes.len() <= LINE_BYTES_MAX {
            return Ok(Line::Bytes(self.number, bytes));
        }
        self.reader.skip_until(b'\n')?;
        Ok(Line::TooLong(self.number))
    }

    /// Whether the next line is not here yet: what is known should be answered before.
    pub(super) fn must_wait(&self) -> bool {
        !self.reader.buffer().contains(&b'\n')
    }
}

pub(super) fn failure(error: &io::Error) -> Failure {
    Failure::new(Kind::Outside, format_args!("cannot read `{STDIN}`: {error}"))
}
