//! What a bridge says in words.

use std::borrow::Cow;

/// Signs that stand for others where something is written for browsers; the one that stands for itself is the last.
const WRITTEN: &[(&str, &str)] = &[
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#x27;", "'"),
    ("&#39;", "'"),
    ("&amp;", "&"),
];

/// What a bridge said as words. heisenbridge makes the words from what it wrote for browsers, and leaves signs written as there.
pub fn words<'a>(body: &'a str, formatted: Option<&str>) -> Cow<'a, str> {
    if formatted.is_none() || !body.contains('&') {
        return Cow::Borrowed(body);
    }
    let words = WRITTEN.iter().fold(body.to_owned(), |text, (from, to)| text.replace(from, to));
    Cow::Owned(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_were_written_for_browsers_are_words() {
        let html = Some("<b>irc</b> you&#x27;re banned");
        for (body, formatted, want) in [
            ("irc you&#x27;re banned", html, "irc you're banned"),
            ("a &lt;b&gt; &amp; &quot;c&#39;", html, "a <b> & \"c'"),
            ("&amp;lt;", html, "&lt;"),
            ("a & b", html, "a & b"),
            ("you&#x27;re", None, "you&#x27;re"),
        ] {
            assert_eq!(words(body, formatted), want, "{body}");
        }
    }
}
