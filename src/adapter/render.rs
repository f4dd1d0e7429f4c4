//! From a document to what a room can show: plain text, HTML and the people it calls.
//!
//! Everything in a document is data from outside: it is escaped, makes no mention, and hides nothing.

use crate::domain::message::{Block, Doc, Span};
use crate::domain::safe::{Place, WORD_JOINER, calls_the_room, picture, safe};

/// Most bytes of plain text in a message, counted as JSON, which is how it travels.
pub const PLAIN_BYTES_MAX: usize = 16 * 1024;

/// Most bytes of plain text and HTML together, counted as JSON: an edit says both twice, encryption adds a third,
/// and Matrix refuses events above 65,536 bytes. Beyond it the HTML is left out.
pub const BODY_BYTES_MAX: usize = 22 * 1024;

/// Most characters of the name of a language.
const LANG_CHARS_MAX: usize = 32;

/// Link targets that are shown as links.
const SCHEMES: [&str; 4] = ["http://", "https://", "mailto:", "matrix:"];

/// What the room can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// Formatted text.
    pub html: bool,
}

impl Default for Show {
    fn default() -> Self {
        Show { html: true }
    }
}

/// A message ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// The text for every room, cut if it is too long for a message.
    pub plain: String,
    /// All of the text, if it was cut.
    pub whole: Option<String>,
    /// The formatted text, where it says more than the plain one and the room can show it.
    pub html: Option<String>,
    /// The Matrix ids of the people who are called, each once.
    pub mentions: Vec<String>,
}

/// Renders a document for a room.
pub fn render(doc: &Doc, show: &Show) -> Rendered {
    let mut pen = Pen::default();
    for block in &doc.blocks {
        pen.block(block);
    }
    let whole = pen.plain.clone();
    let cut = cut(&mut pen.plain);
    let fits = json_bytes(&pen.plain) + json_bytes(&pen.html) <= BODY_BYTES_MAX;
    let html = (show.html && pen.formatted && !cut && fits).then_some(pen.html);
    Rendered { plain: pen.plain, whole: cut.then_some(whole), html, mentions: pen.mentions }
}

/// Cuts a text that is too long at a character, and says how much is missing.
fn cut(plain: &mut String) -> bool {
    if json_bytes(plain) <= PLAIN_BYTES_MAX {
        return false;
    }
    let mut bytes = "… ( bytes more)".len() + plain.len().to_string().len();
    let fits = |(_, c): &(usize, char)| {
        bytes += json_char_bytes(*c);
        bytes > PLAIN_BYTES_MAX
    };
    let at = plain.char_indices().find(fits).map_or(plain.len(), |(at, _)| at);
    let missing = plain.len() - at;
    plain.truncate(at);
    plain.push_str(&format!("… ({missing} bytes more)"));
    true
}

fn json_bytes(text: &str) -> usize {
    text.chars().map(json_char_bytes).sum()
}

/// What is written never holds control characters but tab and newline.
fn json_char_bytes(c: char) -> usize {
    if matches!(c, '"' | '\\' | '\n' | '\t') { 2 } else { c.len_utf8() }
}

/// Writes plain text and HTML side by side.
#[derive(Default)]
struct Pen {
    plain: String,
    html: String,
    mentions: Vec<String>,
    /// The HTML says more than the plain text.
    formatted: bool,
    /// The HTML so far ends with a line, not with a block that breaks by itself.
    in_line: bool,
    begun: bool,
}

impl Pen {
    fn block(&mut self, block: &Block) {
        if std::mem::replace(&mut self.begun, true) {
            self.plain.push('\n');
        }
        match block {
            Block::Line(spans) => {
                if std::mem::replace(&mut self.in_line, true) {
                    self.html.push_str("<br>");
                }
                self.spans(spans);
            }
            Block::Code { text, lang } => self.code_block(text, lang.as_deref()),
            Block::List(points) => self.list(points),
            Block::Table { head, rows } => self.table(head, rows),
            Block::Reaction(emoji) => self.plain.push_str(&safe(emoji, Place::Line)),
        }
    }

    fn code_block(&mut self, text: &str, lang: Option<&str>) {
        let text = safe(text, Place::Block);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        self.plain.push_str(text);
        let class =
            lang.filter(|lang| is_language(lang)).map(|lang| format!(" class=\"language-{lang}\""));
        let code =
            format!("<pre><code{}>{}\n</code></pre>", class.unwrap_or_default(), escaped(text));
        self.html.push_str(&code);
        (self.formatted, self.in_line) = (true, false);
    }

    fn list(&mut self, points: &[Vec<Span>]) {
        self.html.push_str("<ul>");
        for (at, point) in points.iter().enumerate() {
            self.plain.push_str(if at == 0 { "- " } else { "\n- " });
            self.html.push_str("<li>");
            self.spans(point);
            self.html.push_str("</li>");
        }
        self.html.push_str("</ul>");
        (self.formatted, self.in_line) = (true, false);
    }

    /// A table in HTML; in plain text, columns as wide as their widest cell.
    fn table(&mut self, head: &[String], rows: &[Vec<String>]) {
        let lines: Vec<Vec<String>> = std::iter::once(head)
            .chain(rows.iter().map(Vec::as_slice))
            .map(|row| row.iter().map(|cell| safe(cell, Place::Line)).collect())
            .collect();
        let width = |at: usize| {
            lines.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..).map_while(width).collect();
        self.html.push_str("<table>");
        for (nth, row) in lines.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            self.plain.push_str(if nth == 0 { "" } else { "\n" });
            self.plain.push_str(line.trim_end());
            let tag = if nth == 0 { "th" } else { "td" };
            let cells = row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
            self.html.push_str(&format!("<tr>{}</tr>", cells.collect::<String>()));
        }
        self.html.push_str("</table>");
        (self.formatted, self.in_line) = (true, false);
    }

    fn spans(&mut self, spans: &[Span]) {
        for span in spans {
            self.formatted |= !matches!(span, Span::Text(_));
            match span {
                Span::Text(text) => self.words("", &safe(text, Place::Line), ""),
                Span::Bold(text) => self.words("<strong>", &safe(text, Place::Line), "</strong>"),
                Span::Code(text) => self.code(&safe(text, Place::Line)),
                Span::Link { url, text } => self.link(url, text),
                Span::Mention { id, name } => self.mention(id, name),
            }
        }
    }

    /// Writes safe text, with tags around it in the HTML.
    fn words(&mut self, open: &str, text: &str, close: &str) {
        self.plain.push_str(text);
        self.html.push_str(open);
        self.html.push_str(&escaped(text));
        self.html.push_str(close);
    }

    fn code(&mut self, text: &str) {
        self.plain.push('`');
        self.words("<code>", text, "</code>");
        self.plain.push('`');
    }

    fn link(&mut self, url: &str, text: &str) {
        let words = safe(text, Place::Line);
        if !is_link(url) {
            let shown = if url == text || url.is_empty() {
                words
            } else {
                format!("{words} ({})", safe(url, Place::Line))
            };
            return self.words("", &shown, "");
        }
        let url = without_room_mention(url);
        let words = if text.is_empty() { url.clone() } else { words };
        self.plain.push_str(&if url == text || text.is_empty() {
            url.clone()
        } else {
            format!("{words} ({url})")
        });
        self.html.push_str(&format!("<a href=\"{}\">{}</a>", escaped(&url), escaped(&words)));
    }

    fn mention(&mut self, id: &str, name: &str) {
        let name = safe(if name.is_empty() { id } else { name }, Place::Line);
        if !is_user_id(id) {
            return self.words("", &name, "");
        }
        if !self.mentions.iter().any(|known| known == id) {
            self.mentions.push(id.to_owned());
        }
        self.words(&format!("<a href=\"https://matrix.to/#/{}\">", escaped(id)), &name, "</a>");
    }
}

/// HTML that shows a text.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// Whether a target may be shown as a link: a known scheme, nothing hidden in it, and not a person.
fn is_link(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let known =
        SCHEMES.iter().any(|scheme| lower.starts_with(scheme) && lower.len() > scheme.len());
    let hidden = |c: char| {
        c.is_whitespace() || c == WORD_JOINER || picture(c).is_some() || "<>\"`\\".contains(c)
    };
    let person = ["matrix:u/", "matrix:user/"].iter().any(|person| lower.starts_with(person))
        || (lower.contains("matrix.to") && names_a_person(&lower));
    known && !url.contains(hidden) && !person
}

/// Whether a link to matrix.to leads to a person rather than a room.
fn names_a_person(lower: &str) -> bool {
    let target = lower.split_once('#').map_or("", |(_, target)| target).trim_start_matches(['/']);
    target.starts_with(['@', '%']) && !target.starts_with("%21") && !target.starts_with("%23")
}

/// A target that leads to the same place and does not hold `@room`.
fn without_room_mention(url: &str) -> String {
    let mut target = String::with_capacity(url.len());
    for (at, c) in url.char_indices() {
        match c {
            '@' if calls_the_room(&url[at + 1..]) => target.push_str("%40"),
            c => target.push(c),
        }
    }
    target
}

fn is_user_id(id: &str) -> bool {
    let hidden = |c: char| c.is_whitespace() || c == WORD_JOINER || picture(c).is_some();
    let parts = id.strip_prefix('@').and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(_, server)| !server.is_empty()) && !id.contains(hidden)
}

fn is_language(lang: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-_#.".contains(c);
    !lang.is_empty() && lang.len() <= LANG_CHARS_MAX && lang.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Span {
        text.into()
    }
    fn bold(text: &str) -> Span {
        Span::Bold(text.into())
    }
    fn code(text: &str) -> Span {
        Span::Code(text.into())
    }
    fn link(url: &str, text: &str) -> Span {
        Span::Link { url: url.into(), text: text.into() }
    }
    fn mention(id: &str, name: &str) -> Span {
        Span::Mention { id: id.into(), name: name.into() }
    }

    #[test]
    fn lines_are_safe() {
        for (spans, plain, html) in [
            (vec![text("hello & <b>you</b>")], "hello & <b>you</b>", None),
            (
                vec![text("<img src=x onerror='a'>"), bold("\"b\"")],
                "<img src=x onerror='a'>\"b\"",
                Some("&lt;img src=x onerror=&#39;a&#39;&gt;<strong>&quot;b&quot;</strong>"),
            ),
            (vec![code("</code>")], "`</code>`", Some("<code>&lt;/code&gt;</code>")),
            (vec![text("@room @ROOM @roOmy")], "@\u{2060}room @\u{2060}ROOM @\u{2060}roOmy", None),
            (
                vec![text("@"), bold("room")],
                "@\u{2060}room",
                Some("@\u{2060}<strong>room</strong>"),
            ),
            (vec![text("a@ro"), text("om")], "a@\u{2060}room", None),
            (vec![text("me@row.org @roo!")], "me@row.org @roo!", None),
            (
                vec![text("https://Matrix.TO/#/@ann:x.org")],
                "https://Matrix.TO\u{2060}/#/@ann:x.org",
                None,
            ),
            (vec![text("matrix.to/"), text("#/@a:b")], "matrix.to\u{2060}/#/@a:b", None),
            (vec![text("a\x1b[31mb\0c\x7f\rd\ne\tf")], "a␛[31mb␀c␡␍d␊e␉f", None),
            (
                vec![text("a\u{202E}b\u{2066}c\u{200F}d\u{61C}")],
                "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200F⟩d⟨U+061C⟩",
                None,
            ),
            (vec![text("\u{85}\u{2028}")], "⟨U+0085⟩⟨U+2028⟩", None),
            (vec![text("\u{FFFD} \\ud83d \u{1F600}")], "\u{FFFD} \\ud83d \u{1F600}", None),
        ] {
            let rendered = render(&Doc::default().line(spans.clone()), &Show::default());
            assert_eq!(rendered.plain, plain, "{spans:?}");
            assert_eq!(rendered.html.as_deref(), html, "{spans:?}");
            assert!(rendered.mentions.is_empty(), "{spans:?}");
        }
    }

    #[test]
    fn links_and_mentions() {
        let ann = r#"<a href="https://matrix.to/#/@ann:x.org">Ann</a>"#;
        let event = "https://matrix.to/#/!r:x.org/$e";
        for (span, plain, html, mentions) in [
            (mention("@ann:x.org", "Ann"), "Ann", ann, &["@ann:x.org"][..]),
            (
                mention("@ann:x.org", ""),
                "@ann:x.org",
                r#"<a href="https://matrix.to/#/@ann:x.org">@ann:x.org</a>"#,
                &["@ann:x.org"],
            ),
            (
                mention("@a\"b:x", "<i>"),
                "<i>",
                r#"<a href="https://matrix.to/#/@a&quot;b:x">&lt;i&gt;</a>"#,
                &["@a\"b:x"],
            ),
            (
                mention("@ann:x.org", "@room"),
                "@\u{2060}room",
                "<a href=\"https://matrix.to/#/@ann:x.org\">@\u{2060}room</a>",
                &["@ann:x.org"],
            ),
            (mention("ann", "Ann"), "Ann", "Ann", &[]),
            (mention("@ann: x", "Ann"), "Ann", "Ann", &[]),
            (mention("@ann:", "Ann"), "Ann", "Ann", &[]),
            (
                link("https://x.org/?a=1&b='2'", "x"),
                "x (https://x.org/?a=1&b='2')",
                r#"<a href="https://x.org/?a=1&amp;b=&#39;2&#39;">x</a>"#,
                &[],
            ),
            (
                link("https://x.org", "https://x.org"),
                "https://x.org",
                r#"<a href="https://x.org">https://x.org</a>"#,
                &[],
            ),
            (
                link("https://x.org", ""),
                "https://x.org",
                r#"<a href="https://x.org">https://x.org</a>"#,
                &[],
            ),
            (
                link("HTTPS://x.org", "x"),
                "x (HTTPS://x.org)",
                r#"<a href="HTTPS://x.org">x</a>"#,
                &[],
            ),
            (
                link("https://x.org/@room", "x"),
                "x (https://x.org/%40room)",
                r#"<a href="https://x.org/%40room">x</a>"#,
                &[],
            ),
            (
                link("mailto:a@x.org", "a"),
                "a (mailto:a@x.org)",
                r#"<a href="mailto:a@x.org">a</a>"#,
                &[],
            ),
            (
                link(event, "post"),
                "post (https://matrix.to/#/!r:x.org/$e)",
                r#"<a href="https://matrix.to/#/!r:x.org/$e">post</a>"#,
                &[],
            ),
            (
                link("https://matrix.to/#/@a:x", "A"),
                "A (https://matrix.to\u{2060}/#/@a:x)",
                "A (https://matrix.to\u{2060}/#/@a:x)",
                &[],
            ),
            (
                link("https://matrix.to/#/%40a:x", "A"),
                "A (https://matrix.to\u{2060}/#/%40a:x)",
                "A (https://matrix.to\u{2060}/#/%40a:x)",
                &[],
            ),
            (link("matrix:u/a:x", "A"), "A (matrix:u/a:x)", "A (matrix:u/a:x)", &[]),
            (
                link("javascript:alert(1)", "x"),
                "x (javascript:alert(1))",
                "x (javascript:alert(1))",
                &[],
            ),
            (
                link("data:text/html,<b>", "x"),
                "x (data:text/html,<b>)",
                "x (data:text/html,&lt;b&gt;)",
                &[],
            ),
            (
                link("https://x.org/\"onclick=\"a", "x"),
                "x (https://x.org/\"onclick=\"a)",
                "x (https://x.org/&quot;onclick=&quot;a)",
                &[],
            ),
            (
                link("https://x.org/\u{202E}gpj", "x"),
                "x (https://x.org/⟨U+202E⟩gpj)",
                "x (https://x.org/⟨U+202E⟩gpj)",
                &[],
            ),
            (link("https://", "x"), "x (https://)", "x (https://)", &[]),
            (link("", "x"), "x", "x", &[]),
        ] {
            let rendered = render(&Doc::default().line([span.clone()]), &Show::default());
            assert_eq!(rendered.plain, plain, "{span:?}");
            assert_eq!(rendered.html.as_deref(), Some(html), "{span:?}");
            assert_eq!(rendered.mentions, mentions, "{span:?}");
        }
        let twice =
            Doc::default().line([mention("@ann:x.org", "Ann"), mention("@ann:x.org", "Ann")]);
        assert_eq!(render(&twice, &Show::default()).mentions, ["@ann:x.org"]);
    }

    #[test]
    fn blocks_are_laid_out() {
        let points = || [vec![text("one")], vec![bold("two")]];
        for (doc, plain, html) in [
            (Doc::default(), "", None),
            (Doc::text("a\n\nb"), "a\n\nb", None),
            (Doc::text("a").line([bold("b")]), "a\nb", Some("a<br><strong>b</strong>")),
            (
                Doc::text("a").code_block("x <y>\r\n\tz\r@room\n", Some("sh")).line([text("b")]),
                "a\nx <y>\n\tz␍@\u{2060}room\nb",
                Some(
                    "a<pre><code class=\"language-sh\">x &lt;y&gt;\n\tz␍@\u{2060}room\n</code></pre>b",
                ),
            ),
            (
                Doc::default().code_block("</code></pre><b>\x1b", Some("\"><b>")),
                "</code></pre><b>␛",
                Some("<pre><code>&lt;/code&gt;&lt;/pre&gt;&lt;b&gt;␛\n</code></pre>"),
            ),
            (
                Doc::text("a").list(points()),
                "a\n- one\n- two",
                Some("a<ul><li>one</li><li><strong>two</strong></li></ul>"),
            ),
        ] {
            let rendered = render(&doc, &Show::default());
            assert_eq!(rendered.plain, plain, "{doc:?}");
            assert_eq!(rendered.html.as_deref(), html, "{doc:?}");
            assert_eq!(render(&doc, &Show { html: false }).html, None, "{doc:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_is_safe(words in "(@|[rR]oom|matrix\\.to|/#/|<b>|[\\x00-\\x1F\u{202A}-\u{202E}]|\\PC){0,12}", url in "(https://|@room|matrix.to/#/|\\PC){0,6}") {
            let doc = Doc::text(&words).line([bold(&words), link(&url, &words), mention("nobody", &words), code(&words)]);
            let rendered = render(&doc.code_block(&words, Some(&words)), &Show::default());
            let html = rendered.html.unwrap_or_default();
            for text in [&rendered.plain, &html] {
                assert!(!text.to_ascii_lowercase().contains("@room"), "{text}");
                assert!(!text.contains(|c| picture(c).is_some() && !matches!(c, '\n' | '\t')), "{text}");
                assert!(!text.to_ascii_lowercase().contains("matrix.to/#/@"), "{text}");
            }
            assert!(!html.contains("<b>"), "{html}");
        }
    }

    #[test]
    fn long_documents_are_cut() {
        for (piece, count) in [
            ("ü", 20_000),
            ("\\", 9_000),
            ("\"", 9_000),
            ("\x1b", 9_000),
            ("a", PLAIN_BYTES_MAX + 1),
        ] {
            let rendered =
                render(&Doc::default().line([bold(&piece.repeat(count))]), &Show::default());
            assert!(
                serde_json::to_string(&rendered.plain).unwrap().len() <= PLAIN_BYTES_MAX + 2,
                "{piece:?}"
            );
            assert_eq!(rendered.html, None, "{piece:?}");
            let whole = safe(&piece.repeat(count), Place::Line);
            assert_eq!(rendered.whole.as_deref(), Some(whole.as_str()), "{piece:?}");
            let (kept, mark) = rendered.plain.rsplit_once("… (").expect("the mark");
            let missing: usize = mark.strip_suffix(" bytes more)").unwrap().parse().unwrap();
            assert_eq!(
                kept.len() + missing,
                safe(&piece.repeat(count), Place::Line).len(),
                "{piece:?}"
            );
            assert!(missing > 0);
        }
        let fits = render(&Doc::text(&"a".repeat(PLAIN_BYTES_MAX)), &Show::default());
        assert_eq!((fits.plain.len(), fits.whole), (PLAIN_BYTES_MAX, None));
        let much_html = render(&Doc::default().line([bold(&"<".repeat(8_000))]), &Show::default());
        assert_eq!((much_html.plain.len(), much_html.html), (8_000, None));
    }
}
