//! What a script attaches to a message: a picture of numbers, or a file; what the journal keeps of it, and how it is named.

use serde::{Deserialize, Serialize};

use super::plot::Plot;

/// Largest file that a script can attach, in bytes.
pub const FILE_BYTES_MAX: usize = 200 * 1024;
/// Longest name of a file, in characters.
pub const FILE_NAME_CHARS_MAX: usize = 80;

/// Media types by the end of a file's name.
const TYPES: &[(&str, &str)] = &[
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("rhai", "text/plain"),
    ("toml", "text/plain"),
    ("txt", "text/plain"),
    ("yaml", "text/plain"),
    ("yml", "text/plain"),
];

/// What the arguments of an effect say of an attachment. Variants are never renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// Numbers: the picture is drawn from them when the message is decided on.
    Plot(Box<Plot>),
    /// A file: its bytes stand beside the log only, so here it is told apart by their hash.
    File {
        /// What it is called.
        name: String,
        /// How many bytes it has.
        bytes: usize,
        /// The hash of its bytes, in hexadecimal.
        sha256: String,
    },
}

/// The name of the file that a picture becomes.
pub fn picture_name(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars().flat_map(char::to_lowercase).take(FILE_NAME_CHARS_MAX / 2) {
        match c.is_ascii_alphanumeric() {
            true => name.push(c),
            false if name.ends_with('-') || name.is_empty() => {}
            false => name.push('-'),
        }
    }
    let name = name.trim_end_matches('-');
    format!("{}.png", if name.is_empty() { "picture" } else { name })
}

/// The media type of a file, by the end of its name.
pub fn media_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end).to_lowercase();
    let known = TYPES.iter().find(|(known, _)| *known == end);
    known.map_or("application/octet-stream", |(_, media_type)| media_type)
}

/// Why a file cannot have this name, if so: it must name a file wherever somebody keeps it.
pub fn bad_name(name: &str) -> Option<String> {
    let chars = name.chars().count();
    if chars == 0 || chars > FILE_NAME_CHARS_MAX {
        return Some(format!("the name of a file has 1 to {FILE_NAME_CHARS_MAX} characters"));
    }
    let odd = |c: &char| c.is_control() || r#"/\:*?"<>|"#.contains(*c);
    match name.chars().find(odd) {
        Some(c) => Some(format!("the name of a file cannot hold {c:?}")),
        None if name.starts_with(['.', ' ', '-']) || name.ends_with([' ', '.']) => {
            Some("the name of a file begins and ends with a letter or a digit".into())
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_named_for_what_they_show() {
        for (title, want) in [
            ("Load of web1, today", "load-of-web1-today.png"),
            ("", "picture.png"),
            ("../Ü", "picture.png"),
            ("a/../b", "a-b.png"),
        ] {
            assert_eq!(picture_name(title), want);
            assert_eq!(bad_name(&picture_name(title)), None);
        }
        let long = picture_name(&"x".repeat(500));
        assert_eq!(bad_name(&long), None, "{long}");
    }

    #[test]
    fn names_lead_nowhere_else() {
        let long = "x".repeat(FILE_NAME_CHARS_MAX);
        for (name, good) in [
            ("notes.txt", true),
            ("Monday's notes.csv", true),
            (long.as_str(), true),
            (&format!("{long}x"), false),
            ("", false),
            ("../x", false),
            ("a\\b", false),
            (".bashrc", false),
            ("-rf", false),
            ("a\nb", false),
            ("a.", false),
        ] {
            assert_eq!(bad_name(name).is_none(), good, "{name:?}");
        }
    }

    #[test]
    fn types_follow_from_names() {
        for (name, want) in [
            ("a.txt", "text/plain"),
            ("a.b.CSV", "text/csv"),
            ("a", "application/octet-stream"),
            ("csv", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), want, "{name}");
        }
    }
}
