//! What somebody may have meant: the known word that is most like a mistyped one.

use super::alias_index::damerau;

/// The known word that is most like another, if it is like it enough to be a typing error; the first of several.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).clamp(1, 3);
    let distance = |other: &&str| damerau(word, other);
    known.into_iter().filter(|other| distance(other) <= most).min_by_key(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word() {
        let known = ["say", "saga", "ask", "exec", "remember", "confirm"];
        for (word, want) in [
            ("sya", Some("say")),
            ("exce", Some("exec")),
            ("remebmer", Some("remember")),
            ("confrim", Some("confirm")),
            ("asl", Some("ask")),
            ("deploy", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), want, "{word}");
        }
    }
}
