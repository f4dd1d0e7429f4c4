//! Help: what a person may say to the bot where they are, by script; or what there is about some words, the best first.

mod short;

use std::collections::BTreeMap;

pub use self::short::SHORT_LINES_MAX;
use super::alias_index::damerau;
use super::catalog::Alias;
use super::message::Doc;
use super::own_command;
use super::route::{View, refusal};
use super::trigger::{Place, Speaker};
use super::words::policy as words;

/// Most lines of one page of help.
pub const HELP_LINES_MAX: usize = 40;
/// Most commands that are told of in full.
pub const TOLD_MAX: usize = 5;
/// Most words that are looked for.
pub const WORDS_MAX: usize = 8;

/// A command of the bot itself that may be said: how, and what it does.
type Offered = (&'static str, &'static str);

/// What follows `help`, if that is asked for.
pub fn help_word(text: &str) -> Option<&str> {
    let text = text.trim();
    let head = text.get(..4)?;
    let rest = &text[4..];
    let ends = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (head.eq_ignore_ascii_case("help") && ends).then_some(rest.trim())
}

/// What is asked for: some words, and which page.
fn asked(words: &str) -> (String, usize) {
    let lower = words.to_lowercase();
    let mut parts: Vec<&str> = lower.split_whitespace().collect();
    let number = |word: &str| word.parse::<usize>().ok().filter(|page| *page > 0);
    let page = match parts.as_slice() {
        [.., "more"] => Some((1, 2)),
        [.., "page", n] => number(n).map(|n| (2, n)),
        [n] => number(n).map(|n| (1, n)),
        _ => None,
    };
    let (taken, page) = page.unwrap_or((0, 1));
    parts.truncate(parts.len() - taken);
    (parts.join(" "), page)
}

/// What a person may say in a place, or what there is about some words. The bot's own commands stand last.
pub fn help(view: &View, who: &Speaker, place: &Place, words: &str) -> Doc {
    let (words, page) = asked(words);
    let may = |alias: &&Alias| refusal(alias, who, place, view).is_none();
    let asked = |action, resource| (view.may)(action, resource, who, place).allowed();
    let own = own_command::offered(view.places, &place.room, &asked);
    let (line_bytes, prefix) = ((view.caps)(place).line_bytes, view.prefix);
    let offered = || view.catalog.aliases.iter().filter(may);
    let lines = match (words.is_empty(), line_bytes) {
        (true, 0) => paged(everything(view, offered(), &own), "", page, HELP_LINES_MAX, prefix),
        (false, 0) => paged(about(view, &words, &may, &own), &words, page, HELP_LINES_MAX, prefix),
        (true, _) => {
            let offered: Vec<&Alias> = offered().collect();
            let first = nothing_there(view, offered.is_empty());
            let usages = offered.iter().filter_map(|alias| alias.usages.first());
            let usages = usages.map(String::as_str).chain(own.iter().map(|(usage, _)| *usage));
            let commands: Vec<String> = usages.map(|usage| format!("{prefix}{usage}")).collect();
            short::listed(first, &commands, (page, line_bytes), prefix)
        }
        (false, _) => {
            let lines = about(view, &words, &may, &own);
            short::told(&lines, &words, (page, line_bytes), prefix)
        }
    };
    Doc::text(&lines.join("\n"))
}

/// Why no command of a script is listed, if so.
fn nothing_there(view: &View, none: bool) -> Option<String> {
    match (view.safe, none) {
        (Some(why), _) => Some(words::nothing_now(why)),
        (None, true) => Some("No script offers a command yet.".to_owned()),
        (None, false) => None,
    }
}

/// Every command, by script.
fn everything<'a>(
    view: &View,
    offered: impl Iterator<Item = &'a Alias>,
    own: &[Offered],
) -> Vec<String> {
    let prefix = view.prefix;
    let mut scripts: BTreeMap<&str, Vec<&Alias>> = BTreeMap::new();
    for alias in offered {
        scripts.entry(&alias.file).or_default().push(alias);
    }
    // A script of one command says with it what it is for. Such commands come first: behind others they would look like theirs.
    let (lone, grouped): (Vec<_>, Vec<_>) =
        scripts.into_iter().partition(|(_, aliases)| aliases.len() == 1);
    let lone = lone.iter().flat_map(|(_, aliases)| aliases);
    let mut lines: Vec<String> = lone.filter_map(|alias| brief(alias, prefix)).collect();
    lines.extend(grouped.iter().flat_map(|(file, aliases)| group(file, aliases, prefix)));
    let known = || format!("I know these commands; {prefix}help WORD tells more:");
    lines.insert(0, nothing_there(view, lines.is_empty()).unwrap_or_else(known));
    lines.push("My own commands:".to_owned());
    lines.extend(own.iter().map(|own| of_own(*own, prefix)));
    lines
}

/// The commands of one script, under what it is for.
fn group(file: &str, aliases: &[&Alias], prefix: &str) -> Vec<String> {
    let about = aliases.first().map_or("", |alias| alias.about.as_str());
    let heading = if about.is_empty() { format!("{file}:") } else { about.to_owned() };
    let shown = aliases.iter().filter_map(|alias| match alias.help == alias.about {
        true => alias.usages.first().map(|usage| format!("• {prefix}{usage}")),
        false => brief(alias, prefix),
    });
    std::iter::once(heading).chain(shown).collect()
}

/// What there is about some words, the best first.
fn about(view: &View, words: &str, may: &dyn Fn(&&Alias) -> bool, own: &[Offered]) -> Vec<String> {
    let (prefix, all) = (view.prefix, &view.catalog.aliases);
    let found: Vec<&Alias> = ranked(all, words).into_iter().map(|at| &all[at]).collect();
    let (found, hidden): (Vec<&Alias>, Vec<&Alias>) = found.into_iter().partition(|it| may(it));
    let own: Vec<String> = own
        .iter()
        .filter(|(usage, help)| {
            words.split(' ').all(|word| format!("{usage} {help}").to_lowercase().contains(word))
        })
        .map(|own| of_own(*own, prefix))
        .collect();
    let mut lines = vec![];
    let detailed = found.len() <= TOLD_MAX;
    for alias in &found {
        match detailed {
            true => lines.extend(told(alias, prefix)),
            false => lines.extend(brief(alias, prefix)),
        }
    }
    lines.extend(own);
    match (lines.is_empty(), hidden.first()) {
        (false, _) => {}
        (true, Some(alias)) => {
            lines.extend(told(alias, prefix));
            let why = view.safe.map(words::nothing_now);
            lines
                .push(format!("  {}", why.unwrap_or_else(|| "you may not run it here".to_owned())));
        }
        (true, None) => lines.push(nothing(all, words, prefix, may)),
    }
    lines
}

/// That nothing is known, with what may have been meant.
fn nothing(all: &[Alias], words: &str, prefix: &str, may: &dyn Fn(&&Alias) -> bool) -> String {
    let known = all.iter().filter(|alias| may(alias)).flat_map(words_of);
    let own = own_command::WORDS.iter().map(|word| (*word).to_owned());
    let most = |word: &str| word.chars().count() / 4 + 1;
    let near = words.split(' ').filter(|word| word.chars().count() > 2).find_map(|typed| {
        // The word itself is there and is not for whoever asks.
        let known = known.clone().chain(own.clone()).filter(|word| word != typed);
        let close = known.map(|word| (damerau(typed, &word), word));
        close.filter(|(distance, _)| *distance <= most(typed)).min()
    });
    match near {
        Some((_, word)) => {
            format!("Nothing is known about “{words}”. Did you mean {prefix}help {word}?")
        }
        None => format!("Nothing is known about “{words}”. {prefix}help lists all commands."),
    }
}

/// The literal words of a command, and its tags.
fn words_of(alias: &Alias) -> Vec<String> {
    let usages = alias.usages.iter().flat_map(|usage| literals(usage));
    usages.chain(alias.tags.iter().map(|tag| tag.to_lowercase())).collect()
}

/// The words of a format outside of its parameters.
fn literals(usage: &str) -> Vec<String> {
    let mut bare = String::new();
    let mut depth = 0_usize;
    for c in usage.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '[' | ']' | '(' | ')' | '|' => bare.push(' '),
            c if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    bare.split_whitespace().map(str::to_lowercase).collect()
}

/// The commands that some words are about, the best first: every word is somewhere in what is said of a command.
pub fn ranked(aliases: &[Alias], words: &str) -> Vec<usize> {
    let lower = words.to_lowercase();
    let wanted: Vec<&str> = lower.split_whitespace().take(WORDS_MAX).collect();
    let score =
        |alias: &Alias| wanted.iter().map(|word| weight(alias, word)).collect::<Option<Vec<_>>>();
    let all = aliases.iter().enumerate();
    let mut found: Vec<(u32, usize)> =
        all.filter_map(|(at, alias)| Some((score(alias)?.iter().sum(), at))).collect();
    found.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    found.into_iter().map(|(_, at)| at).collect()
}

/// How much a word says of a command; none: it is nowhere in it.
fn weight(alias: &Alias, word: &str) -> Option<u32> {
    let has = |text: &str| text.to_lowercase().contains(word);
    let own = words_of(alias);
    let weights = [
        (16, own.iter().any(|known| known == word)),
        (8, own.iter().any(|known| known.starts_with(word))),
        (6, has(&alias.name)),
        (5, alias.usages.iter().any(|usage| has(usage))),
        (4, has(&alias.help)),
        (3, alias.example.as_deref().is_some_and(has)),
        (2, has(&alias.file)),
        (1, has(&alias.about)),
    ];
    weights.into_iter().find(|(_, holds)| *holds).map(|(weight, _)| weight)
}

/// A command in one line.
fn brief(alias: &Alias, prefix: &str) -> Option<String> {
    let text = if alias.help.is_empty() { String::new() } else { format!(" – {}", alias.help) };
    alias.usages.first().map(|usage| format!("• {prefix}{usage}{text}"))
}

/// A command with all that is known of it.
fn told(alias: &Alias, prefix: &str) -> Vec<String> {
    let mut lines: Vec<String> = brief(alias, prefix).into_iter().collect();
    lines.extend(alias.usages.iter().skip(1).map(|usage| format!("  or {prefix}{usage}")));
    lines.extend(alias.example.iter().map(|it| format!("  for example: {prefix}{it}")));
    lines.extend(alias.role.iter().map(|role| format!("  needs the role {role}")));
    if !alias.rooms.is_empty() {
        lines.push(format!("  in {}", alias.rooms.join(", ")));
    }
    lines
}

fn of_own((usage, help): (&str, &str), prefix: &str) -> String {
    format!("• {prefix}{usage} – {help}")
}

/// That there are not so many pages.
fn too_far(pages: usize) -> String {
    match pages {
        1 => "There is only one page of help.".to_owned(),
        pages => format!("There are only {pages} pages of help."),
    }
}

/// One page of so many lines, with how the next one is asked for.
fn paged(
    lines: Vec<String>,
    words: &str,
    page: usize,
    on_a_page: usize,
    prefix: &str,
) -> Vec<String> {
    let pages = lines.len().div_ceil(on_a_page);
    if page > pages {
        return vec![too_far(pages)];
    }
    let first = (page - 1) * on_a_page;
    let left = lines.len().saturating_sub(first + on_a_page);
    let mut shown: Vec<String> = lines.into_iter().skip(first).take(on_a_page).collect();
    if left > 0 {
        let words = if words.is_empty() { String::new() } else { format!(" {words}") };
        let how = if page == 1 { "more".to_owned() } else { format!("page {}", page + 1) };
        shown.push(format!("… and {left} more lines: {prefix}help{words} {how}"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::id::ScriptHash;
    use super::*;

    fn alias(name: &str, help: &str, tags: &[&str]) -> Alias {
        Alias {
            name: name.into(),
            usages: vec![format!("{name} {{what}}")],
            help: help.into(),
            about: String::new(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            example: None,
            role: None,
            rooms: vec![],
            context: Default::default(),
            file: "t.rhai".into(),
            line: 1,
            script: ScriptHash("0".into()),
        }
    }

    #[test]
    fn the_best_stands_first() {
        let all = [
            alias("graph", "Draw a picture of a host", &[]),
            alias("host show", "Show all about it", &["inventory"]),
            alias("paint", "Nicer than a graph", &["host"]),
            alias("reboot", "Start it again", &[]),
        ];
        for (words, want) in [
            ("graph", vec![0, 2]),
            ("host", vec![1, 2, 0]),
            ("host show", vec![1]),
            ("inven", vec![1]),
            ("START again", vec![3]),
            ("nothing", vec![]),
            ("t.rhai", vec![0, 1, 2, 3]),
        ] {
            assert_eq!(ranked(&all, words), want, "{words}");
        }
        let many = format!("{}nothing", "host ".repeat(WORDS_MAX));
        assert_eq!(ranked(&all, &many), [1, 2, 0], "only so many words are looked for");
    }

    #[test]
    fn pages_are_asked_for_by_word_or_number() {
        for (typed, want) in [
            ("", ("", 1)),
            ("more", ("", 2)),
            ("3", ("", 3)),
            ("page 3", ("", 3)),
            ("VM", ("vm", 1)),
            ("vm more", ("vm", 2)),
            ("vm page 4", ("vm", 4)),
            ("vm 4", ("vm 4", 1)),
            ("0", ("0", 1)),
        ] {
            assert_eq!(asked(typed), (want.0.to_owned(), want.1), "{typed:?}");
        }
        let lines = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
        let two = paged(lines(HELP_LINES_MAX + 2), "", 1, HELP_LINES_MAX, "!");
        assert_eq!(two.last().map(String::as_str), Some("… and 2 more lines: !help more"));
        assert_eq!(paged(lines(HELP_LINES_MAX + 2), "", 2, HELP_LINES_MAX, "!"), ["40", "41"]);
        assert_eq!(
            paged(lines(3), "vm", 2, HELP_LINES_MAX, "!"),
            ["There is only one page of help."]
        );
        let three = paged(lines(HELP_LINES_MAX * 3), "vm", 4, HELP_LINES_MAX, "!");
        assert_eq!(three, ["There are only 3 pages of help."]);
        let many = paged(lines(HELP_LINES_MAX * 3), "vm", 2, HELP_LINES_MAX, "!");
        assert_eq!(many.last().map(String::as_str), Some("… and 40 more lines: !help vm page 3"));
    }

    #[test]
    fn words_stand_outside_of_parameters() {
        let words =
            literals("create vm {host} on {cloud: aws | other} [size {n:int=2}] (now|later)");
        assert_eq!(words, ["create", "vm", "on", "size", "now", "later"]);
    }
}
