//! What a person typed, made comparable: white space, quotes and dashes folded, with the way back to every byte as written.

use super::TEXT_BYTES_MAX;

/// Stands in the plain text for the code block at the end; cannot be typed.
pub(super) const CODE_MARK: char = '\0';

const FENCE: &str = "```";

/// A message ready to be matched.
#[derive(Debug)]
pub struct Text<'a> {
    written: &'a str,
    /// One space before every word, also before the first; no other white space.
    plain: String,
    /// Where each byte of `plain` comes from, and the end.
    from: Vec<usize>,
    code: Option<&'a str>,
}

impl<'a> Text<'a> {
    /// Reads a message; nothing if it is longer than [`TEXT_BYTES_MAX`].
    pub fn read(written: &'a str) -> Option<Self> {
        if written.len() > TEXT_BYTES_MAX {
            return None;
        }
        let fenced = fenced_end(written);
        let head = &written[..fenced.map_or(written.len(), |(at, _)| at)];
        let mut text = Text {
            written,
            plain: String::from(" "),
            from: vec![0],
            code: fenced.map(|(_, code)| code),
        };
        for (at, c) in head.char_indices() {
            text.push(at, c);
        }
        if let Some((at, _)) = fenced {
            text.push(at, ' ');
            text.put(at, CODE_MARK);
        }
        if text.plain.ends_with(' ') {
            text.plain.pop();
            text.from.pop();
        }
        text.from.push(written.trim_end().len());
        Some(text)
    }

    fn push(&mut self, at: usize, c: char) {
        match plain_char(c) {
            Some(' ') if self.plain.ends_with(' ') => {}
            Some(c) => self.put(at, c),
            None => {}
        }
    }

    fn put(&mut self, at: usize, c: char) {
        self.plain.push(c);
        self.from.extend(std::iter::repeat_n(at, c.len_utf8()));
    }

    /// The comparable form that patterns run on.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }

    /// The bytes as they were typed behind a range of the plain form.
    pub(super) fn written(&self, plain: std::ops::Range<usize>) -> &'a str {
        &self.written[self.from[plain.start]..self.from[plain.end]]
    }

    /// The content of the code block at the end.
    pub(super) fn code(&self) -> Option<&'a str> {
        self.code
    }

    /// The words in the order typed, folded for comparison.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.plain.split(' ').filter(|word| !word.is_empty()).map(fold)
    }
}

/// One character as it counts in a comparison; nothing for an invisible one.
pub(super) fn plain_char(c: char) -> Option<char> {
    Some(match c {
        '\u{200B}' | '\u{2060}' | '\u{FEFF}' => return None,
        '\0' => ' ',
        '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}' => '\'',
        '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{201F}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    })
}

/// A text as it counts in a comparison.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter_map(plain_char).collect()
}

/// A word under which it is indexed: no case, and a run of dashes is one (phones turn two into one long one).
pub(super) fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for c in word.chars().filter_map(plain_char) {
        if c != '-' || !folded.ends_with('-') {
            folded.extend(c.to_uppercase().flat_map(char::to_lowercase));
        }
    }
    folded
}

/// Where the code block at the end of a message begins, and its content.
fn fenced_end(written: &str) -> Option<(usize, &str)> {
    let whole = written.trim_end();
    let mut at = 0;
    while let Some(open) = whole[at..].find(FENCE).map(|found| at + found) {
        let body = open + FENCE.len();
        let close = closing(whole, body)?;
        at = close + FENCE.len();
        if at == whole.len() {
            return Some((open, content(&whole[body..close])));
        }
    }
    None
}

/// Where the fence that closes a block begins: on the same line, else alone on a line, else at the very end.
fn closing(whole: &str, body: usize) -> Option<usize> {
    let rest = &whole[body..];
    let line_end = rest.find('\n').unwrap_or(rest.len());
    if let Some(found) = rest[..line_end].find(FENCE) {
        return Some(body + found);
    }
    let mut at = body;
    for line in rest.split_inclusive('\n') {
        if line.trim() == FENCE {
            return Some(at + (line.len() - line.trim_start().len()));
        }
        at += line.len();
    }
    (rest.ends_with(FENCE)).then(|| whole.len() - FENCE.len())
}

/// A block without the name of its language and the line breaks next to its fences.
fn content(block: &str) -> &str {
    let Some((language, lines)) = block.split_once('\n') else {
        return block;
    };
    let named = !language.trim().contains(char::is_whitespace);
    let lines = if named { lines } else { block };
    let lines = lines.trim_end_matches([' ', '\t']);
    let lines = lines.strip_suffix('\n').unwrap_or(lines);
    lines.strip_suffix('\r').unwrap_or(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_block_at_the_end_is_found() {
        for (written, head, code) in [
            ("run ```ls -l```", "run ", Some("ls -l")),
            ("run\n```\nls\n\tpwd\n```\n", "run\n", Some("ls\n\tpwd")),
            ("run ```sh\nls\n```", "run ", Some("ls")),
            ("run ```not a language\nls\n```", "run ", Some("not a language\nls")),
            ("run ```sh\r\nls\r\n```", "run ", Some("ls")),
            ("run ```\nls```", "run ", Some("ls")),
            ("run ```\na\n  ```\n```", "run ", None),
            ("run ```a``` then ```b```", "run ```a``` then ", Some("b")),
            ("run ```a``` then", "", None),
            ("run ```\necho '```'\n```", "run ", Some("echo '```'")),
            ("run ``````", "run ", Some("")),
            ("```", "", None),
            ("run ```ls", "", None),
        ] {
            let found = fenced_end(written);
            assert_eq!(found.map(|(_, code)| code), code, "{written:?}");
            if let Some((at, _)) = found {
                assert_eq!(&written[..at], head, "{written:?}");
            }
        }
    }

    #[test]
    fn the_way_back_is_kept() {
        let text = Text::read(" a\u{00A0}\u{00A0}\u{201C}b \u{2013} c\u{201D}  ").unwrap();
        assert_eq!(text.plain(), " a \"b - c\"");
        let start = text.plain().find('"').unwrap();
        assert_eq!(text.written(start..text.plain().len()), "\u{201C}b \u{2013} c\u{201D}");
        assert_eq!(text.written(1..2), "a");
        assert!(text.words().eq(["a", "\"b", "-", "c\""]));
    }

    #[test]
    fn words_are_folded() {
        for (word, want) in [
            ("Stra\u{00DF}e", "strasse"),
            ("\u{2014}Force", "-force"),
            ("--force", "-force"),
            ("\u{039F}\u{0394}\u{039F}\u{03A3}", "\u{03BF}\u{03B4}\u{03BF}\u{03C3}"),
            ("\u{03BF}\u{03B4}\u{03BF}\u{03C2}", "\u{03BF}\u{03B4}\u{03BF}\u{03C3}"),
            ("zero\u{200B}width", "zerowidth"),
        ] {
            assert_eq!(fold(word), want, "{word:?}");
        }
    }
}
