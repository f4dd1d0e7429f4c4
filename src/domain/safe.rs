//! Texts from outside made safe to show: what they hold is seen, they call nobody and link no person.

/// Breaks a word in two where no one sees it.
pub const WORD_JOINER: char = '\u{2060}';

/// Where a text stands: only a code block has lines and tabs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On a line.
    Line,
    /// In a block of code.
    Block,
}

/// A text that shows what it holds, calls nobody and links no person.
pub fn safe(text: &str, place: Place) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' if place == Place::Block && rest.as_str().starts_with('\n') => {}
            '\n' | '\t' if place == Place::Block => safe.push(c),
            '@' if calls_the_room(rest.as_str()) => safe.extend(['@', WORD_JOINER]),
            '/' if links_a_person(&safe, rest.as_str()) => safe.extend([WORD_JOINER, '/']),
            c => match picture(c) {
                Some(picture) => safe.push_str(&picture),
                None => safe.push(c),
            },
        }
    }
    if links_a_person(&safe, "") {
        safe.push(WORD_JOINER);
    }
    safe
}

/// Whether an `@` before this makes `@room`, also when the next piece of the line goes on with it.
pub fn calls_the_room(after: &str) -> bool {
    let next: String = after.chars().take(4).collect::<String>().to_ascii_lowercase();
    "room".starts_with(&next) && (next.len() == 4 || next.len() == after.len())
}

/// Whether a slash between these makes `matrix.to/#/`, also when the next piece of the line goes on with it.
fn links_a_person(before: &str, after: &str) -> bool {
    let host = before.len().checked_sub("matrix.to".len()).and_then(|at| before.get(at..));
    host.is_some_and(|host| host.eq_ignore_ascii_case("matrix.to"))
        && (after.is_empty() || after.starts_with('#'))
}

/// What is shown instead of a character that is invisible or turns others around.
pub fn picture(c: char) -> Option<String> {
    match c {
        '\0'..='\x1F' => char::from_u32(0x2400 + u32::from(c)).map(String::from),
        '\x7F' => Some('\u{2421}'.into()),
        '\u{80}'..='\u{9F}'
        | '\u{61C}'
        | '\u{200E}'
        | '\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}' => Some(format!("⟨U+{:04X}⟩", u32::from(c))),
        _ => None,
    }
}
