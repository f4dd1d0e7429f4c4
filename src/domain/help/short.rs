//! Help on a network with short lines: a few of them at once, and how to see more.

use crate::domain::bridge::identity::NICK_BYTES_MAX;

/// Most lines that are said at once, the one that says how to see more among them.
pub const SHORT_LINES_MAX: usize = 4;
/// What stands between two commands on a line.
const BETWEEN: &str = "; ";

/// How many bytes of a line are for what is told: whom it is for stands before it.
fn room_for(line_bytes: usize) -> usize {
    line_bytes.saturating_sub(NICK_BYTES_MAX + ": ".len()).max(line_bytes / 2)
}

/// A page of commands, put behind one another, below a first line.
pub fn listed(
    first: Option<String>,
    commands: &[String],
    (page, line_bytes): (usize, usize),
    prefix: &str,
) -> Vec<String> {
    let bytes = room_for(line_bytes);
    let lines = first.map(|line| cut(&line, bytes)).into_iter();
    let lines: Vec<String> = lines.chain(packed(commands, bytes)).collect();
    let on_a_page = SHORT_LINES_MAX - 1;
    let pages = lines.len().div_ceil(on_a_page).max(1);
    if page > pages {
        return vec![super::too_far(pages)];
    }
    let shown = lines.into_iter().skip((page - 1) * on_a_page).take(on_a_page);
    let more = match page < pages {
        true => format!("{prefix}help WORD tells more, {prefix}help {} goes on.", page + 1),
        false => format!("{prefix}help WORD tells more."),
    };
    shown.chain([more]).collect()
}

/// A page of what there is about some words.
pub fn told(
    lines: &[String],
    words: &str,
    (page, line_bytes): (usize, usize),
    prefix: &str,
) -> Vec<String> {
    let bytes = room_for(line_bytes);
    let lines = lines.iter().map(|line| cut(line, bytes)).collect::<Vec<_>>();
    // Without a line that says how to see more there is one more for what is told.
    let on_a_page =
        if lines.len() <= SHORT_LINES_MAX { SHORT_LINES_MAX } else { SHORT_LINES_MAX - 1 };
    super::paged(lines, words, page, on_a_page, prefix)
}

/// Texts on as few lines as they fit on in their order; one that is too long for a line is cut.
fn packed(texts: &[String], bytes: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for text in texts {
        let text = cut(text, bytes);
        match lines.last_mut() {
            Some(line) if line.len() + BETWEEN.len() + text.len() <= bytes => {
                line.push_str(BETWEEN);
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines
}

/// A text that fits on a line of so many bytes.
fn cut(text: &str, bytes: usize) -> String {
    const CUT: char = '…';
    if text.len() <= bytes {
        return text.to_owned();
    }
    let fits = |at: &usize| text.is_char_boundary(*at);
    let end = (0..=bytes.saturating_sub(CUT.len_utf8())).rev().find(fits).unwrap_or_default();
    format!("{}{CUT}", text[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(count: usize) -> Vec<String> {
        (0..count).map(|nth| format!("!command {nth:02} {{what}}")).collect()
    }

    #[test]
    fn many_commands_are_four_lines_and_the_rest_is_asked_for() {
        let (all, bytes) = (commands(60), 400);
        let mut seen = vec![];
        for page in 1..=3 {
            let lines = listed(None, &all, (page, bytes), "!");
            assert!(lines.len() <= SHORT_LINES_MAX, "{lines:#?}");
            assert!(lines.iter().all(|line| line.len() <= bytes - NICK_BYTES_MAX), "{lines:#?}");
            let (last, told) = lines.split_last().expect("it ends with how to see more");
            seen.extend(told.iter().flat_map(|line| line.split(BETWEEN)).map(str::to_owned));
            let goes_on = last.ends_with(&format!("!help {} goes on.", page + 1));
            assert!(last.starts_with("!help WORD tells more"), "{last}");
            if !goes_on {
                break;
            }
        }
        assert_eq!(seen, all, "each is on one of the pages");
        let few = listed(Some("Hello.".into()), &commands(2), (1, bytes), "!");
        assert_eq!(
            few,
            ["Hello.", "!command 00 {what}; !command 01 {what}", "!help WORD tells more."]
        );
        assert_eq!(
            listed(None, &commands(2), (2, bytes), "!"),
            ["There is only one page of help."]
        );
    }

    #[test]
    fn what_is_told_of_a_word_is_four_lines_at_once() {
        let lines = |count: usize| (0..count).map(|nth| nth.to_string()).collect::<Vec<_>>();
        assert_eq!(told(&lines(SHORT_LINES_MAX), "vm", (1, 400), "!"), lines(SHORT_LINES_MAX));
        let five = told(&lines(SHORT_LINES_MAX + 1), "vm", (1, 400), "!");
        assert_eq!(five, ["0", "1", "2", "… and 2 more lines: !help vm more"]);
        assert_eq!(told(&lines(SHORT_LINES_MAX + 1), "vm", (2, 400), "!"), ["3", "4"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        for (text, bytes, want) in [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc…"),
            ("äöüäöü", 8, "äö…"),
            ("ab cdef", 6, "ab…"),
        ] {
            assert_eq!(cut(text, bytes), want, "{text}");
        }
        assert_eq!((room_for(400), room_for(80)), (400 - NICK_BYTES_MAX - 2, 40));
    }
}
