//! What the bot is expected to say: text in which `*` is anything and `{x}` is one word, the same each time.

use std::collections::BTreeMap;

use regex::Regex;

/// The words that were captured so far.
pub type Words = BTreeMap<String, String>;

/// Whether a text is what was expected; new words are noted.
pub fn matches(pattern: &str, text: &str, words: &mut Words) -> bool {
    let mut regex = String::from("(?s)^");
    let mut names: Vec<String> = vec![];
    let mut rest = pattern;
    while let Some(at) = rest.find(['*', '{']) {
        regex.push_str(&regex::escape(&rest[..at]));
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('*') {
            regex.push_str(".*");
            rest = after;
            continue;
        }
        let name = rest[1..].split('}').next().unwrap_or_default();
        let is_word =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_word || rest.len() < name.len() + 2 {
            regex.push_str("\\{");
            rest = &rest[1..];
            continue;
        }
        match (words.get(name), names.iter().any(|known| known == name)) {
            (Some(word), _) => regex.push_str(&regex::escape(word)),
            (None, true) => regex.push_str("\\S+?"),
            (None, false) => {
                regex.push_str(&format!("(?P<{name}>\\S+?)"));
                names.push(name.to_owned());
            }
        }
        rest = &rest[name.len() + 2..];
    }
    regex.push_str(&regex::escape(rest));
    regex.push('$');
    let Some(found) = Regex::new(&regex).ok().and_then(|regex| regex.captures(text)) else {
        return false;
    };
    for name in names {
        if let Some(word) = found.name(&name) {
            words.insert(name, word.as_str().to_owned());
        }
    }
    true
}

/// A text with the words that were captured so far in place of their names.
pub fn fill(text: &str, words: &Words) -> String {
    let put =
        |text: String, (name, word): (&String, &String)| text.replace(&format!("{{{name}}}"), word);
    words.iter().fold(text.to_owned(), put)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (pattern, text, want) in [
            ("hello", "hello", true),
            ("hello", "hello!", false),
            ("h*o", "hell\no", true),
            ("id {id}.", "id 01AB.", true),
            ("id {id}", "id 01 AB", false),
            ("{p: a | b}", "{p: a | b}", true),
            ("(x) [y] {id} {id}", "(x) [y] 1 1", true),
            ("a {", "a {", true),
        ] {
            assert_eq!(matches(pattern, text, &mut Words::new()), want, "{pattern:?} on {text:?}");
        }
        let mut words = Words::new();
        assert!(matches("execution {id}", "execution 01AB", &mut words));
        assert!(matches("*{id}*", "it is 01AB!", &mut words));
        assert!(!matches("*{id}*", "it is 02AB!", &mut words));
    }

    #[test]
    fn what_the_bot_said_is_said_again() {
        let words = Words::from([("id".to_owned(), "01AB".to_owned())]);
        assert_eq!(fill("!cancel {id} of {x}", &words), "!cancel 01AB of {x}");
    }
}
