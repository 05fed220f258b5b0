//! HTML and SVG text with one door for everything that was not written in this crate.
//!
//! Literals go in through `&'static str`; every other text through [`Markup::text`] or an attribute value, which escape.
//! There is no third way.

/// A piece of a page.
#[derive(Debug, Default, Clone)]
pub(super) struct Markup(String);

/// Attributes: a name written here, a value from anywhere.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Markup {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Markup as written in this crate.
    pub(super) fn raw(&mut self, literal: &'static str) -> &mut Self {
        self.0.push_str(literal);
        self
    }

    /// Any text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    /// Another piece.
    pub(super) fn piece(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// An opening tag.
    pub(super) fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(tag, attributes);
        self.0.push('>');
        self
    }

    /// A tag that closes itself, of SVG.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: Attributes<'_>) -> &mut Self {
        self.tag(tag, attributes);
        self.0.push_str("/>");
        self
    }

    /// A closing tag.
    pub(super) fn close(&mut self, tag: &'static str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        self
    }

    /// An element with a text in it.
    pub(super) fn element(&mut self, tag: &'static str, attributes: Attributes<'_>, text: &str) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// JSON for a `<script type="application/json">`: `<` would end the element, so it is written as its escape.
    pub(super) fn json(&mut self, json: &str) -> &mut Self {
        self.0.push_str(&json.replace('<', "\\u003c"));
        self
    }

    /// A script as written in this crate, without what is for its reader: comments on lines of their own, spaces outside of
    /// quotes that part no two words, and ends of lines after which a statement goes on anyway.
    pub(super) fn script(&mut self, source: &'static str) -> &mut Self {
        for line in source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
            let goes_on = self.0.ends_with([';', '{', ',', '=', '(', '>']) || line.starts_with(['}', ')', ']', '.']);
            if !goes_on {
                self.0.push('\n');
            }
            self.squeezed(line);
        }
        self
    }

    fn squeezed(&mut self, line: &'static str) {
        let is_word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '$');
        let (mut quote, mut escaped) = (None, false);
        let mut chars = line.chars().peekable();
        while let Some(char) = chars.next() {
            match quote {
                Some(open) => {
                    quote = Some(open).filter(|open| escaped || *open != char);
                    escaped = char == '\\' && !escaped;
                }
                None if char == ' ' => {
                    let before = self.0.ends_with(is_word);
                    if !(before && chars.peek().is_some_and(|next| is_word(*next))) {
                        continue;
                    }
                }
                None => quote = Some(char).filter(|char| matches!(char, '\'' | '"')),
            }
            self.0.push(char);
        }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn tag(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(value, &mut self.0);
            self.0.push('"');
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters are not allowed in a document.
            char if char.is_control() && !matches!(char, '\n' | '\t') => out.push('\u{fffd}'),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_the_same_in_less() {
        let mut page = Markup::new();
        page.script("  // For the reader.\n  var a = 'x  \\' y', b = 1;\n\n  if (a) {\n    return b;\n  }\n  var c = a\n    .d;\n  else c");
        assert_eq!(page.into_string(), "\nvar a='x  \\' y',b=1;if(a){return b;}\nvar c=a.d;else c");
    }

    #[test]
    fn nothing_leaves_its_place() {
        let mut page = Markup::new();
        page.element("b", &[("title", "\"><script>")], "</b><script>alert('x')&\u{0}");
        page.json("{\"a\":\"</script>\"}");
        assert_eq!(
            page.into_string(),
            "<b title=\"&quot;&gt;&lt;script&gt;\">&lt;/b&gt;&lt;script&gt;alert(&#39;x&#39;)&amp;\u{fffd}</b>\
             {\"a\":\"\\u003c/script>\"}"
        );
    }
}
