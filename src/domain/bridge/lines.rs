//! A document as lines of text, for networks on which every line is a message of its own.

use super::caps::{Caps, Tables};
use super::texts::{lines_at_once, room_for_text};
use crate::domain::message::{Block, Doc, Span};
use crate::domain::safe::{Place, safe};

/// Widest row that is shown in columns where there is no other way to keep it together, in characters.
pub const ROW_CHARS_MAX: usize = 100;
/// One line more than fits is said at once: to ask for it would take as long.
pub const SHOWN_SLACK: usize = 1;

/// The lines of a document: none is empty, none is longer than the network takes.
pub fn lines(doc: &Doc, caps: &Caps) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for block in &doc.blocks {
        match block {
            Block::Line(spans) => lines.push(words(spans)),
            Block::Code { text, .. } => lines.extend(code(text)),
            Block::List(points) => {
                lines.extend(points.iter().map(|point| format!("- {}", words(point))));
            }
            Block::Table { head, rows } => lines.extend(table(head, rows, caps.tables)),
            Block::Reaction(emoji) => lines.push(safe(emoji, Place::Line)),
        }
    }
    let most = if caps.line_bytes == 0 { usize::MAX } else { caps.line_bytes };
    let most = room_for_text(caps).map_or(most, |text| most.min(text - 1));
    let seen = |line: &String| !line.trim().is_empty();
    lines.into_iter().filter(seen).flat_map(|line| wrapped(&line, most)).collect()
}

/// A part of a document in lines, counted from 1, and how many lines come behind it; none: there is no such part.
pub fn part(doc: &Doc, number: usize, caps: &Caps) -> Option<(Vec<String>, usize)> {
    let all = lines(doc, caps);
    // Where each line is a post of its own their lengths do not add up.
    let (at_once, slack) = match (caps.line_bytes, caps.text_bytes) {
        (0, 1..) => {
            let lengths: Vec<usize> = all.iter().map(|line| line.len() + 1).collect();
            (lines_at_once(&lengths, caps), 0)
        }
        _ => (caps.lines, SHOWN_SLACK),
    };
    let before = number.checked_sub(1)?.checked_mul(at_once)?;
    if before >= all.len() {
        return None;
    }
    let most = at_once + slack;
    let take = if all.len() - before <= most { most } else { at_once };
    let left = all.len().saturating_sub(before + take);
    Some((all.into_iter().skip(before).take(take).collect(), left))
}

/// Whether the first lines of a document are to stand below each other.
pub fn begins_in_columns(doc: &Doc, caps: &Caps) -> bool {
    match doc.blocks.first() {
        Some(Block::Table { head, rows }) => {
            caps.tables != Tables::Pairs && table(head, rows, caps.tables).len() > rows.len()
        }
        Some(Block::Code { text, .. }) => code(text).len() > 1,
        _ => false,
    }
}

/// A document that formatted text can show where there are no tables.
pub fn shaped(doc: &Doc, caps: &Caps) -> Doc {
    let shaped = |block: &Block| match block {
        Block::Table { head, rows } if caps.tables != Tables::Html => {
            let rows = table(head, rows, caps.tables.min(Tables::Aligned));
            Block::Code { text: rows.join("\n"), lang: None }
        }
        block => block.clone(),
    };
    Doc { blocks: doc.blocks.iter().map(shaped).collect() }
}

/// A line as plain words.
pub(super) fn words(spans: &[Span]) -> String {
    spans.iter().map(span).collect()
}

fn span(span: &Span) -> String {
    match span {
        Span::Text(text) | Span::Bold(text) => safe(text, Place::Line),
        Span::Code(text) => format!("`{}`", safe(text, Place::Line)),
        Span::Link { url, text } if text.is_empty() || url == text => safe(url, Place::Line),
        Span::Link { url, text } if url.is_empty() => safe(text, Place::Line),
        Span::Link { url, text } => {
            format!("{} ({})", safe(text, Place::Line), safe(url, Place::Line))
        }
        Span::Mention { id, name } => safe(if name.is_empty() { id } else { name }, Place::Line),
    }
}

fn code(text: &str) -> Vec<String> {
    let seen = |line: &&str| !line.trim().is_empty();
    let shown = |line: &str| format!("`{}`", safe(line.trim_end(), Place::Line));
    text.lines().filter(seen).map(shown).collect()
}

/// Rows in columns, or cell by cell where a row is too wide.
fn table(head: &[String], rows: &[Vec<String>], how: Tables) -> Vec<String> {
    let cells = |row: &[String]| -> Vec<String> {
        row.iter().map(|cell| safe(cell, Place::Line)).collect()
    };
    let (head, rows) = (cells(head), rows.iter().map(|row| cells(row)).collect::<Vec<_>>());
    let all = || std::iter::once(&head).chain(&rows);
    let width = |at: usize| all().filter_map(|row| row.get(at)).map(|it| it.chars().count()).max();
    let widths: Vec<usize> = (0..).map_while(width).collect();
    let wide = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    if how == Tables::Pairs || wide > ROW_CHARS_MAX {
        return rows.iter().map(|row| pairs(&head, row)).collect();
    }
    let aligned = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(aligned).collect()
}

fn pairs(head: &[String], row: &[String]) -> String {
    let pair = |(at, cell): (usize, &String)| match head.get(at).filter(|name| !name.is_empty()) {
        Some(name) => format!("{name}: {cell}"),
        None => cell.clone(),
    };
    row.iter().enumerate().map(pair).collect::<Vec<_>>().join(", ")
}

/// A line in pieces of at most so many bytes: cut between words, and within a word that is longer than that.
pub(super) fn wrapped(line: &str, bytes_max: usize) -> Vec<String> {
    let (mut pieces, mut rest) = (vec![], line);
    while rest.len() > bytes_max {
        let most = rest.floor_char_boundary(bytes_max.max(4));
        let word_at = rest[..most].rfind(' ').filter(|at| *at > 0);
        // A word that fits a line goes to the next one; one that fits none is cut.
        let fits =
            |at: &usize| rest[at + 1..].find(' ').unwrap_or(rest.len() - at - 1) <= bytes_max;
        let at = match word_at {
            _ if rest[most..].starts_with(' ') => most,
            Some(at) if fits(&at) => at,
            _ => most,
        };
        pieces.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start_matches(' ');
    }
    if !rest.is_empty() {
        pieces.push(rest.trim_end().to_owned());
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
