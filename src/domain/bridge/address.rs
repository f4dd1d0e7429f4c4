//! Who is meant, and by whom it was said, where a bridge has changed the text.

/// Most lines of one message that are taken one by one; what is beyond stays with the last.
pub const MERGED_LINES_MAX: usize = 64;
/// Longest name that a relay puts before a text, in characters.
pub const RELAYED_CHARS_MAX: usize = 64;

/// What a relay repeats: the name that it gives, and the text. `<eva> hello`, `[irc] <eva> hello`.
pub fn relayed(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let inner = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.trim_start(),
        None => text,
    };
    let (name, said) = inner.strip_prefix('<')?.split_once('>')?;
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= RELAYED_CHARS_MAX;
    fits.then(|| (name.to_owned(), said.trim_start()))
}

/// The lines of a text that a bridge has put together, each a message of its own.
pub fn merged(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split('\n').filter(|line| !line.trim().is_empty()).collect();
    match lines.len() {
        0 => vec![text.to_owned()],
        count if count <= MERGED_LINES_MAX => lines.into_iter().map(str::to_owned).collect(),
        _ => {
            let (head, tail) = lines.split_at(MERGED_LINES_MAX - 1);
            let head = head.iter().map(|line| (*line).to_owned());
            head.chain([tail.join("\n")]).collect()
        }
    }
}

/// A text that begins with the name of whom it is for, unless it names them in its own words on its first line anyway; the name has a line of
/// its own before lines that stand below each other.
pub fn called(name: &str, text: &str, in_columns: bool) -> String {
    let first = own_words(text.lines().next().unwrap_or_default()).to_lowercase();
    let wanted = name.to_lowercase();
    let named = first.match_indices(&wanted).any(|(at, _)| {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        edge(first[..at].chars().next_back()) && edge(first[at + wanted.len()..].chars().next())
    });
    match (name.is_empty() || named, in_columns) {
        (true, _) => text.to_owned(),
        (false, true) => format!("{name}:\n{text}"),
        (false, false) => format!("{name}: {text}"),
    }
}

/// What is not quoted.
fn own_words(line: &str) -> String {
    let mut words = String::new();
    let mut rest = line;
    while let Some((own, quoted)) = rest.split_once('“') {
        words.push_str(own);
        rest = quoted.split_once('”').map_or("", |(_, behind)| behind);
    }
    words.push_str(rest);
    words
}
