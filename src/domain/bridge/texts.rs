//! Networks that take only so much text in a post: what fits one, and how many lines of a long answer do.

use super::caps::Caps;
use super::lines::{shaped, words, wrapped};
use crate::domain::message::{Block, Doc};
use crate::domain::paging::{self, Part};

/// What a post has besides its text, in bytes: a name, an id, how it goes on, and the marks that a network puts around code.
pub const BESIDE_BYTES: usize = 200;

/// The longest text of a post; none: it is as long as it likes.
pub fn room_for_text(caps: &Caps) -> Option<usize> {
    (caps.text_bytes > 0).then(|| caps.text_bytes.saturating_sub(BESIDE_BYTES).max(1))
}

/// How many lines of these lengths can stand in each post, so that all of them fit.
pub fn lines_at_once(lengths: &[usize], caps: &Caps) -> usize {
    let Some(most) = room_for_text(caps) else { return caps.lines };
    let fits =
        |lines: &usize| lengths.chunks(*lines).all(|post| post.iter().sum::<usize>() <= most);
    (1..=caps.lines).rev().find(fits).unwrap_or(1)
}

/// Whether a document is more than one post.
pub fn is_long(doc: &Doc, caps: &Caps) -> bool {
    let most = room_for_text(caps).unwrap_or(usize::MAX);
    paging::is_long(doc, caps.lines) || lengths(doc, caps).iter().sum::<usize>() > most
}

/// A part of a document where formatted text is shown, counted from 1; none: it has no such part.
pub fn part(doc: &Doc, number: usize, caps: &Caps) -> Option<Part> {
    let Some(most) = room_for_text(caps) else { return paging::part(doc, number, caps.lines) };
    let doc =
        Doc { blocks: shaped(doc, caps).blocks.iter().flat_map(|it| cut(it, most)).collect() };
    paging::part(&doc, number, lines_at_once(&lengths(&doc, caps), caps))
}

/// How long each line of a document is, with what ends it.
fn lengths(doc: &Doc, caps: &Caps) -> Vec<usize> {
    let of_row = |row: &Vec<String>| row.iter().map(|cell| cell.len() + 1).sum();
    let mut lengths = vec![];
    for block in &shaped(doc, caps).blocks {
        match block {
            Block::Line(spans) => lengths.push(words(spans).len() + 1),
            Block::Code { text, .. } => {
                lengths.extend(text.trim_end_matches('\n').split('\n').map(|line| line.len() + 1));
            }
            Block::List(points) => {
                lengths.extend(points.iter().map(|point| words(point).len() + "- \n".len()));
            }
            // Its head stands above every part.
            Block::Table { head, rows } => {
                let head: usize = of_row(head);
                lengths.extend(rows.iter().map(|row| head + of_row(row)));
            }
            Block::Reaction(emoji) => lengths.push(emoji.len() + 1),
        }
    }
    lengths
}

/// A block whose every line fits: what is longer than that is several lines of plain words.
fn cut(block: &Block, most: usize) -> Vec<Block> {
    let most = most.saturating_sub("- \n".len()).max(1);
    match block {
        Block::Line(spans) if words(spans).len() > most => {
            let pieces = wrapped(&words(spans), most);
            pieces.into_iter().map(|piece| Block::Line(vec![piece.as_str().into()])).collect()
        }
        Block::List(points) if points.iter().any(|point| words(point).len() > most) => {
            let whole = |point: &Vec<_>| words(point).len() <= most;
            let pieces = points.iter().flat_map(|point| match whole(point) {
                true => vec![point.clone()],
                false => {
                    wrapped(&words(point), most).iter().map(|it| vec![it.as_str().into()]).collect()
                }
            });
            vec![Block::List(pieces.collect())]
        }
        Block::Code { text, lang } if text.lines().any(|line| line.len() > most) => {
            let pieces: Vec<String> = text.lines().flat_map(|line| in_pieces(line, most)).collect();
            vec![Block::Code { text: pieces.join("\n"), lang: lang.clone() }]
        }
        block => vec![block.clone()],
    }
}

/// A line of code in pieces that put together are the line.
fn in_pieces(line: &str, most: usize) -> Vec<String> {
    let (mut pieces, mut rest) = (vec![], line);
    while rest.len() > most {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(most.max(4)));
        pieces.push(piece.to_owned());
        rest = behind;
    }
    pieces.push(rest.to_owned());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bridge::Tables;
    use crate::domain::bridge::caps::{TEXT_BYTES_MAX, TEXT_BYTES_MIN};

    const SIGNAL: Caps = Caps { text_bytes: 2_000, tables: Tables::Code, ..Caps::WHOLE };

    /// All parts, each as long as it may be.
    fn parts(doc: &Doc, caps: &Caps) -> Vec<Doc> {
        let parts = (1..).map_while(|number| part(doc, number, caps)).map(|part| part.doc);
        let parts: Vec<Doc> = parts.collect();
        let length = |doc: &Doc| lengths(doc, caps).iter().sum::<usize>();
        let most = room_for_text(caps).expect("it has a bound");
        let longest = parts.iter().map(length).max().unwrap_or_default();
        assert!(longest <= most, "{longest} bytes of at most {most}");
        parts
    }

    #[test]
    fn what_fits_a_post_is_one() {
        let short = Doc::text(&"x".repeat(1_700));
        assert!(
            !is_long(&short, &SIGNAL) && !is_long(&Doc::text(&"x".repeat(9_000)), &Caps::WHOLE)
        );
        assert!(is_long(&Doc::text(&"x".repeat(1_801)), &SIGNAL));
        assert!(is_long(&Doc::text(&"x\n".repeat(64)), &Caps::WHOLE), "lines count as before");
        assert_eq!(lines_at_once(&[10; 100], &Caps::WHOLE), Caps::WHOLE.lines);
        assert_eq!(lines_at_once(&[100; 100], &SIGNAL), 18);
        assert_eq!(lines_at_once(&[9_000], &SIGNAL), 1);
        const { assert!(TEXT_BYTES_MIN > 2 * BESIDE_BYTES && TEXT_BYTES_MAX > TEXT_BYTES_MIN) };
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        let words = "word ".repeat(700);
        let code: String = (0..200).map(|n| format!("line {n} of code\n")).collect();
        let (long, row) = ("y".repeat(5_000), |n: usize| vec![format!("host{n}"), "up".repeat(20)]);
        let doc = Doc::text(&words)
            .code_block(code, None)
            .code_block(long, None)
            .list([vec!["a".into()], vec![words.as_str().into()]])
            .block(Block::Table {
                head: vec!["a".into(), "b".into()],
                rows: (0..90).map(row).collect(),
            });
        let parts = parts(&doc, &SIGNAL);
        let told: String = parts.iter().map(Doc::words).collect();
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(letters(&told), letters(&shaped(&doc, &SIGNAL).words()));
        assert_eq!(part(&doc, parts.len() + 1, &SIGNAL), None);
        assert_eq!(part(&doc, 0, &SIGNAL), None);
    }

    #[test]
    fn bytes_are_never_half_a_character() {
        let doc = Doc::text(&"ü".repeat(3_000)).code_block("€".repeat(3_000), None);
        let told: String = parts(&doc, &SIGNAL).iter().map(Doc::words).collect();
        assert_eq!((told.matches('ü').count(), told.matches('€').count()), (3_000, 3_000));
    }
}
