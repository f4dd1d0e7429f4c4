//! What the bot says, as a small document tree that every room can show in its own way.
//!
//! All text in it is data: what shows it escapes it, and only [`Span::Mention`] calls a person.

use serde::{Deserialize, Serialize};

/// Most bytes that a document may hold; every piece counts one byte more.
pub const DOC_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Largest document in an event, in bytes of JSON: far more than any room shows of one message.
pub const DOC_JSON_BYTES_MAX: usize = 160 * 1024;

/// Most cells of a table, those of its head among them.
pub const TABLE_CELLS_MAX: usize = 2_000;

/// A document: blocks from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Doc {
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// A part of a document that stands on lines of its own. Variants are never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Block {
    /// One line.
    Line(Vec<Span>),
    /// Lines that are shown as they are.
    Code {
        /// The lines.
        text: String,
        /// The language they are in, for colours.
        lang: Option<String>,
    },
    /// Points, each on a line.
    List(Vec<Vec<Span>>),
    /// Rows below a head.
    Table {
        /// What stands above the columns.
        head: Vec<String>,
        /// The cells, row by row.
        rows: Vec<Vec<String>>,
    },
    /// An emoji on the post that the message replies to; it is the only block then.
    Reaction(String),
}

/// A part of a line. Variants are never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Span {
    /// Plain words.
    Text(String),
    /// Words that stand out.
    Bold(String),
    /// Words to be typed or copied.
    Code(String),
    /// Words that lead somewhere.
    Link {
        /// Where to.
        url: String,
        /// The words.
        text: String,
    },
    /// A person, who is told.
    Mention {
        /// Their Matrix id.
        id: String,
        /// What people call them.
        name: String,
    },
}

impl Doc {
    /// A document of plain text, a line for each of its lines.
    pub fn text(text: &str) -> Self {
        Doc { blocks: text.lines().map(|line| Block::Line(vec![line.into()])).collect() }
    }

    /// Adds a line.
    #[must_use]
    pub fn line(self, spans: impl IntoIterator<Item = Span>) -> Self {
        self.block(Block::Line(spans.into_iter().collect()))
    }

    /// Adds lines that are shown as they are.
    #[must_use]
    pub fn code_block(self, text: impl Into<String>, lang: Option<&str>) -> Self {
        self.block(Block::Code { text: text.into(), lang: lang.map(str::to_owned) })
    }

    /// Adds a list of points.
    #[must_use]
    pub fn list(self, points: impl IntoIterator<Item = Vec<Span>>) -> Self {
        self.block(Block::List(points.into_iter().collect()))
    }

    /// Adds a block.
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// Adds the blocks of another document.
    #[must_use]
    pub fn then(mut self, other: Doc) -> Self {
        self.blocks.extend(other.blocks);
        self
    }

    /// Adds another document: its first line goes on with the last.
    #[must_use]
    pub fn joined(mut self, other: Doc) -> Self {
        let mut rest = other.blocks.into_iter();
        let first = rest.next();
        match (self.blocks.last_mut(), first) {
            (Some(Block::Line(line)), Some(Block::Line(more))) => line.extend(more),
            // A block begins on a line of its own anyway.
            (Some(Block::Line(line)), Some(block))
                if line.iter().all(|it| it.words().is_empty()) =>
            {
                self.blocks.pop();
                self.blocks.push(block);
            }
            (_, first) => self.blocks.extend(first),
        }
        self.blocks.extend(rest);
        self
    }

    /// An emoji on the post that the message replies to.
    pub fn of_reaction(emoji: &str) -> Self {
        Self::default().block(Block::Reaction(emoji.to_owned()))
    }

    /// The emoji, if it is one.
    pub fn reaction(&self) -> Option<&str> {
        match self.blocks.as_slice() {
            [Block::Reaction(emoji)] => Some(emoji),
            _ => None,
        }
    }

    /// Its words without their looks.
    pub fn words(&self) -> String {
        self.blocks.iter().map(Block::words).collect::<Vec<_>>().join("\n")
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How much of [`DOC_TEXT_BYTES_MAX`] the document takes.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::bytes).sum()
    }

    /// Cut so that it fits into an event, however its characters are written there; what is cut is counted.
    pub fn stored(self) -> Self {
        let bytes = |block: &Block| serde_json::to_string(block).map_or(0, |json| json.len() + 1);
        let mut left = DOC_JSON_BYTES_MAX;
        let mut fits = |block: &&Block| match left.checked_sub(bytes(block)) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        let kept = self.blocks.iter().take_while(&mut fits).count();
        let cut = self.blocks.len() - kept;
        if cut == 0 {
            return self;
        }
        let mut blocks = self.blocks;
        blocks.truncate(kept);
        blocks.push(Block::Line(vec![Span::Text(format!("… ({cut} lines more)"))]));
        Self { blocks }
    }

    /// The document within [`DOC_TEXT_BYTES_MAX`]: what is beyond is left out, and a last line says how much that is.
    #[must_use]
    pub fn bounded(self) -> Self {
        let whole = self.bytes();
        if whole <= DOC_TEXT_BYTES_MAX {
            return self;
        }
        let mut left = DOC_TEXT_BYTES_MAX - MARK_BYTES;
        let cut = Doc { blocks: kept(self.blocks, &mut left, Block::bytes, Block::cut) };
        let missing = whole - cut.bytes();
        cut.line([Span::Text(format!("… ({missing} bytes more)"))])
    }
}

/// Room for the line that says how much was left out.
const MARK_BYTES: usize = 64;

/// The pieces that fit, and the part of the first that does not.
fn kept<T>(
    pieces: Vec<T>,
    left: &mut usize,
    bytes: fn(&T) -> usize,
    cut: fn(T, &mut usize) -> Option<T>,
) -> Vec<T> {
    let mut kept = Vec::new();
    for piece in pieces {
        match left.checked_sub(bytes(&piece)) {
            Some(after) => {
                *left = after;
                kept.push(piece);
            }
            None => {
                kept.extend(cut(piece, left));
                break;
            }
        }
    }
    kept
}

impl Block {
    fn bytes(&self) -> usize {
        1 + match self {
            Block::Line(spans) => line_bytes(spans),
            Block::Code { text, lang } => text.len() + lang.as_ref().map_or(0, String::len),
            Block::List(points) => points.iter().map(|point| point_bytes(point)).sum(),
            Block::Table { head, rows } => {
                row_bytes(head) + rows.iter().map(|row| row_bytes(row)).sum::<usize>()
            }
            Block::Reaction(emoji) => emoji.len(),
        }
    }

    fn words(&self) -> String {
        let line = |spans: &Vec<Span>| spans.iter().map(Span::words).collect::<String>();
        match self {
            Block::Line(spans) => line(spans),
            Block::Code { text, .. } => text.clone(),
            Block::List(points) => points.iter().map(line).collect::<Vec<_>>().join("\n"),
            Block::Table { head, rows } => {
                let rows = std::iter::once(head).chain(rows).map(|row| row.join(" "));
                rows.collect::<Vec<_>>().join("\n")
            }
            Block::Reaction(emoji) => emoji.clone(),
        }
    }

    fn cut(self, left: &mut usize) -> Option<Self> {
        *left = left.checked_sub(1)?;
        Some(match self {
            Block::Line(spans) => Block::Line(kept(spans, left, Span::bytes, Span::cut)),
            Block::Code { text, .. } => Block::Code { text: head(text, *left), lang: None },
            Block::List(points) => {
                Block::List(kept(points, left, |point| point_bytes(point), cut_point))
            }
            // Half a row is worse than none.
            Block::Table { head, rows } => {
                *left = left.checked_sub(row_bytes(&head))?;
                let rows = kept(rows, left, |row| row_bytes(row), |_, _| None);
                Block::Table { head, rows }
            }
            Block::Reaction(_) => return None,
        })
    }
}

fn row_bytes(cells: &[String]) -> usize {
    1 + cells.iter().map(|cell| 1 + cell.len()).sum::<usize>()
}

fn line_bytes(spans: &[Span]) -> usize {
    spans.iter().map(Span::bytes).sum()
}

fn point_bytes(spans: &[Span]) -> usize {
    1 + line_bytes(spans)
}

fn cut_point(point: Vec<Span>, left: &mut usize) -> Option<Vec<Span>> {
    *left = left.checked_sub(1)?;
    Some(kept(point, left, Span::bytes, Span::cut))
}

impl Span {
    fn words(&self) -> &str {
        match self {
            Span::Text(text) | Span::Bold(text) | Span::Code(text) => text,
            Span::Link { text, .. } => text,
            Span::Mention { name, .. } => name,
        }
    }

    fn bytes(&self) -> usize {
        1 + match self {
            Span::Text(text) | Span::Bold(text) | Span::Code(text) => text.len(),
            Span::Link { url, text } => url.len() + text.len(),
            Span::Mention { id, name } => id.len() + name.len(),
        }
    }

    /// Half a link or half a name is worse than none.
    fn cut(self, left: &mut usize) -> Option<Self> {
        let left = left.checked_sub(1)?;
        match self {
            Span::Text(text) => Some(Span::Text(head(text, left))),
            Span::Bold(text) => Some(Span::Bold(head(text, left))),
            Span::Code(text) => Some(Span::Code(head(text, left))),
            Span::Link { .. } | Span::Mention { .. } => None,
        }
    }
}

fn head(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        Span::Text(text.to_owned())
    }
}

impl From<String> for Span {
    fn from(text: String) -> Self {
        Span::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_shape_is_for_ever() {
        let doc = Doc::text("one\ntwo")
            .line([
                Span::Bold("b".into()),
                Span::Code("c".into()),
                Span::Link { url: "https://x.org".into(), text: "x".into() },
                Span::Mention { id: "@ann:x.org".into(), name: "Ann".into() },
            ])
            .code_block("ls", Some("sh"))
            .list([vec!["p".into()]])
            .block(Block::Table { head: vec!["h".into()], rows: vec![vec!["v".into()]] })
            .block(Block::Reaction("+1".into()));
        let stored = serde_json::json!({ "blocks": [
            { "kind": "line", "value": [{ "kind": "text", "value": "one" }] },
            { "kind": "line", "value": [{ "kind": "text", "value": "two" }] },
            { "kind": "line", "value": [
                { "kind": "bold", "value": "b" },
                { "kind": "code", "value": "c" },
                { "kind": "link", "value": { "url": "https://x.org", "text": "x" } },
                { "kind": "mention", "value": { "id": "@ann:x.org", "name": "Ann" } },
            ] },
            { "kind": "code", "value": { "text": "ls", "lang": "sh" } },
            { "kind": "list", "value": [[{ "kind": "text", "value": "p" }]] },
            { "kind": "table", "value": { "head": ["h"], "rows": [["v"]] } },
            { "kind": "reaction", "value": "+1" },
        ] });
        assert_eq!(serde_json::to_value(&doc).unwrap(), stored);
        assert_eq!(serde_json::from_value::<Doc>(stored).unwrap(), doc);
    }

    #[test]
    fn text_is_split_into_lines() {
        for (text, lines) in
            [("", 0), ("a", 1), ("a\n", 1), ("a\r\nb", 2), ("a\n\nb", 3), ("a\rb", 1)]
        {
            assert_eq!(Doc::text(text).blocks.len(), lines, "{text:?}");
        }
    }

    #[test]
    fn long_documents_are_cut_and_say_so() {
        let long = "ü".repeat(DOC_TEXT_BYTES_MAX);
        let link = Span::Link { url: long.clone(), text: "x".into() };
        for (doc, blocks) in [
            (Doc::text(&long), 2),
            (Doc::text(&"\n".repeat(DOC_TEXT_BYTES_MAX)), DOC_TEXT_BYTES_MAX / 2 - 31),
            (Doc::default().code_block(&long, None), 2),
            (Doc::default().line(["a".into(), link]), 2),
            (Doc::default().list([vec!["a".into()], vec![Span::Bold(long.clone())]]), 2),
            (Doc::text("a").line([Span::Code(long.clone())]), 3),
            (
                Doc::default().block(Block::Table {
                    head: vec!["a".into()],
                    rows: vec![vec!["b".into()], vec![long.clone()]],
                }),
                2,
            ),
        ] {
            let whole = doc.bytes();
            let cut = doc.bounded();
            assert_eq!(cut.blocks.len(), blocks);
            assert!(cut.bytes() <= DOC_TEXT_BYTES_MAX);
            let Some(Block::Line(last)) = cut.blocks.last() else { panic!("no last line") };
            let missing = whole - Doc { blocks: cut.blocks[..blocks - 1].to_vec() }.bytes();
            assert_eq!(last, &[format!("… ({missing} bytes more)")].map(Span::Text));
        }
        let short = Doc::text("a");
        assert_eq!(short.clone().bounded(), short);
    }
}
