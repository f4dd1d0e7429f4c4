//! Long answers in parts: as much as a room takes at once, then the rest on demand.

use super::message::{Block, Doc};

/// Most lines of one message where people see formatted text and can scroll.
pub const LINES_MAX: usize = 60;
/// Most lines of one message where every line is a post of its own.
pub const PLAIN_LINES_MAX: usize = 10;
/// So many lines beyond the bound are not worth a part of their own.
pub const LINES_SLACK: usize = 3;
/// A part of a long answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it says.
    pub doc: Doc,
    /// How many lines come behind it.
    pub left: usize,
}

/// Whether a document is too long to be said at once.
pub fn is_long(doc: &Doc, lines_max: usize) -> bool {
    lines(doc) > lines_max + LINES_SLACK
}

/// A part of a document, counted from 1; none: it has no such part.
pub fn part(doc: &Doc, number: usize, lines_max: usize) -> Option<Part> {
    let all = lines(doc);
    let before = number.checked_sub(1)?.checked_mul(lines_max)?;
    if before >= all {
        return None;
    }
    let (mut skip, mut take) = (before, lines_max);
    let blocks = doc.blocks.iter().filter_map(|block| cut(block, &mut skip, &mut take)).collect();
    Some(Part { doc: Doc { blocks }, left: all - (before + lines_max).min(all) })
}

/// How many lines a document has.
pub fn lines(doc: &Doc) -> usize {
    doc.blocks.iter().map(lines_of).sum()
}

/// The head of a table stands above every part of it, and is no line of its own.
fn lines_of(block: &Block) -> usize {
    match block {
        Block::Line(_) | Block::Reaction(_) => 1,
        Block::Code { text, .. } => text.trim_end_matches('\n').split('\n').count(),
        Block::List(points) => points.len(),
        Block::Table { rows, .. } => rows.len().max(1),
    }
}

/// What of a block is left when lines are skipped, and only so many are taken.
fn cut(block: &Block, skip: &mut usize, take: &mut usize) -> Option<Block> {
    let all = lines_of(block);
    let from = (*skip).min(all);
    *skip -= from;
    let count = (all - from).min(*take);
    *take -= count;
    if count == 0 {
        return None;
    }
    Some(match block {
        Block::Line(_) | Block::Reaction(_) => block.clone(),
        Block::Code { text, lang } => {
            let lines = text.trim_end_matches('\n').split('\n').skip(from).take(count);
            Block::Code { text: lines.collect::<Vec<_>>().join("\n"), lang: lang.clone() }
        }
        Block::List(points) => Block::List(points.iter().skip(from).take(count).cloned().collect()),
        Block::Table { head, rows } => Block::Table {
            head: head.clone(),
            rows: rows.iter().skip(from).take(count).cloned().collect(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long() -> Doc {
        Doc::text("a\nb")
            .code_block("c\nd\ne\n", None)
            .list([vec!["f".into()], vec!["g".into()]])
            .block(Block::Table {
                head: vec!["H".into()],
                rows: vec![vec!["h".into()], vec!["i".into()]],
            })
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        for lines_max in 1..=10 {
            let (mut told, mut number) = (String::new(), 1);
            while let Some(part) = part(&long(), number, lines_max) {
                assert!(lines(&part.doc) <= lines_max, "part {number} of {lines_max} lines");
                let words = part.doc.words().replace(['\n', 'H'], "");
                told.push_str(&words);
                assert_eq!(part.left, 9 - told.len(), "part {number} of {lines_max} lines");
                number += 1;
            }
            assert_eq!(told, "abcdefghi", "{lines_max} lines");
        }
        assert_eq!(part(&long(), 0, 5), None);
        assert_eq!(part(&long(), usize::MAX, 5), None);
    }

    #[test]
    fn a_few_lines_more_are_said_at_once() {
        let of = |lines: usize| Doc::text(&vec!["x"; lines].join("\n"));
        for most in [LINES_MAX, PLAIN_LINES_MAX] {
            assert!(!is_long(&of(most + LINES_SLACK), most), "{most}");
            assert!(is_long(&of(most + LINES_SLACK + 1), most), "{most}");
        }
    }
}
