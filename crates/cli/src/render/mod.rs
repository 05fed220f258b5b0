//! Results laid out for a terminal, and as values for JSON.

pub(crate) mod audit;
pub(crate) mod compare;
pub(crate) mod explanation;
pub(crate) mod margin;
pub(crate) mod next;
pub(crate) mod objectives;
pub(crate) mod pages;
pub(crate) mod plan;
pub(crate) mod risk;
pub(crate) mod rows;
pub(crate) mod ruin;
pub(crate) mod sparkline;
pub(crate) mod stress;
pub(crate) mod summary;
pub(crate) mod surface;
pub(crate) mod sweep;
pub(crate) mod variants;

/// A column, to its right edge; wider than it is, it moves those behind it and stays apart from the one before.
pub(crate) fn cell(text: &str, width: usize) -> String {
    let room = width.max(text.chars().count() + 1);
    format!("{text:>room$}")
}

/// Text in lines of at most `width` characters, all but the first behind `indent` spaces.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for (at, word) in text.split(' ').enumerate() {
        let length = columns(word);
        if at > 0 && column + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// How wide a text is on a terminal: colours take no room.
pub(crate) fn columns(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.chars().count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_edge_and_no_word_is_broken() {
        assert_eq!(wrap("one two three", 11, 4), "one two\n    three");
        assert_eq!(wrap("incomprehensible", 5, 2), "incomprehensible");
        assert_eq!(wrap("", 5, 2), "");
        assert_eq!(wrap("\x1b[1mone\x1b[0m two", 7, 0), "\x1b[1mone\x1b[0m two");
    }
}
