//! All aliases at once: which one a message means, or which ones its author may have meant.
//!
//! A format is found by the rarest of its literal words, so that a lookup takes as long among ten thousand as among ten.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::alias::{Beginnings, Clause, Format, Match, Partial, Problem, Text};
use super::typo::Typed;
pub use super::typo::damerau;

/// Most suggestions for a message that fits nothing.
pub const SUGGESTIONS_MAX: usize = 3;
/// Most aliases that a person is asked to choose from.
pub const TIES_MAX: usize = 8;
/// Most formats that are asked what is wrong with a message.
pub const NEAR_MAX: usize = 16;
/// Most words of a message that are looked at for suggestions.
pub const SUGGEST_WORDS_MAX: usize = 16;
/// Most formats that are compared for suggestions.
pub const COMPARED_MAX: usize = 1024;
/// Longest word that is compared for typing errors, in characters.
pub const TYPO_CHARS_MAX: usize = 32;

/// The number of an alias in its catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AliasId(pub usize);

/// Every format of every alias, ready for lookups.
#[derive(Debug, Default)]
pub struct AliasIndex {
    entries: Vec<Entry>,
    /// The entries to try for a word in a message.
    by_word: BTreeMap<String, Vec<usize>>,
    vocabulary: Vec<Word>,
}

#[derive(Debug)]
struct Entry {
    alias: AliasId,
    format: Format,
    clauses: Vec<Clause>,
}

/// A literal word, and the entries that need it.
#[derive(Debug)]
struct Word {
    word: String,
    chars: usize,
    letters: u64,
    entries: Vec<usize>,
}

/// A format that a message fits.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    /// The alias that the format belongs to.
    pub alias: AliasId,
    /// The format.
    pub format: &'a Format,
    /// The arguments.
    pub matched: Match,
}

/// What a message means.
#[derive(Debug, Clone)]
pub enum Found<'a> {
    /// This command.
    One(Hit<'a>),
    /// One of these, and nothing tells which; at most [`TIES_MAX`].
    Tie(Vec<Hit<'a>>),
    /// No command.
    None {
        /// How similar commands are written, the most similar first; at most [`SUGGESTIONS_MAX`].
        suggestions: Vec<String>,
        /// What is wrong, if the words of a command are all there.
        problem: Option<Misfit<'a>>,
        /// The only command that it begins, with what it lacks.
        begun: Option<Begun<'a>>,
    },
}

/// A command that a message begins.
#[derive(Debug, Clone)]
pub struct Begun<'a> {
    /// The alias that the format belongs to.
    pub alias: AliasId,
    /// The format.
    pub format: &'a Format,
    /// What the message says, and what it lacks.
    pub partial: Partial,
}

/// A format whose words are all in a message that does not fit it.
#[derive(Debug, Clone)]
pub struct Misfit<'a> {
    /// The alias that the format belongs to.
    pub alias: AliasId,
    /// The format.
    pub format: &'a Format,
    /// What is wrong.
    pub problem: Problem,
}

impl AliasIndex {
    /// Indexes formats; an alias may have several.
    pub fn new(formats: Vec<(AliasId, Format)>) -> Self {
        let entry =
            |(alias, format): (AliasId, Format)| Entry { alias, clauses: format.clauses(), format };
        let entries: Vec<_> = formats.into_iter().map(entry).collect();
        let mut needed_by: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            let words: BTreeSet<_> = entry.clauses.iter().flatten().flatten().collect();
            for word in words {
                needed_by.entry(word).or_default().push(at);
            }
        }
        let mut by_word: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, entry) in entries.iter().enumerate() {
            for key in keys(&entry.clauses, &needed_by) {
                by_word.entry(key.to_owned()).or_default().push(at);
            }
        }
        let vocabulary =
            needed_by.into_iter().map(|(word, entries)| Word::new(word, entries)).collect();
        AliasIndex { entries, by_word, vocabulary }
    }

    /// Says what a message means.
    pub fn lookup(&self, message: &str) -> Found<'_> {
        let Some(text) = Text::read(message) else {
            return Found::None { suggestions: Vec::new(), problem: None, begun: None };
        };
        let candidates = self.candidates(&text.words().collect());
        let mut hits = self.hits(&candidates, &text);
        match hits.len() {
            0 => self.nothing(&candidates, &text),
            1 => Found::One(hits.remove(0)),
            _ => Found::Tie(hits),
        }
    }

    /// The commands that a message fits: several where nothing tells which is meant.
    pub fn fitting(&self, message: &str) -> Vec<Hit<'_>> {
        let Some(text) = Text::read(message) else { return Vec::new() };
        self.hits(&self.candidates(&text.words().collect()), &text)
    }

    /// The entries whose every clause holds for these words, in order.
    fn candidates(&self, words: &BTreeSet<String>) -> BTreeSet<usize> {
        let holds =
            |clause: &Clause| clause.iter().any(|way| way.iter().all(|word| words.contains(word)));
        let listed = words.iter().filter_map(|word| self.by_word.get(word)).flatten();
        listed.copied().filter(|at| self.entries[*at].clauses.iter().all(holds)).collect()
    }

    /// The fitting formats with the most literal words, one an alias.
    fn hits(&self, candidates: &BTreeSet<usize>, text: &Text<'_>) -> Vec<Hit<'_>> {
        let mut hits: Vec<Hit<'_>> = Vec::new();
        for Entry { alias, format, .. } in candidates.iter().map(|at| &self.entries[*at]) {
            let Some(matched) = format.matches_text(text) else {
                continue;
            };
            let best = hits.first().map_or(0, |hit| hit.matched.literals);
            if matched.literals > best {
                hits.clear();
            }
            let known = hits.iter().any(|hit| hit.alias == *alias);
            if matched.literals >= best && !known && hits.len() < TIES_MAX {
                hits.push(Hit { alias: *alias, format, matched });
            }
        }
        hits
    }

    fn nothing(&self, candidates: &BTreeSet<usize>, text: &Text<'_>) -> Found<'_> {
        let misfit = |entry: &'_ usize| {
            let Entry { alias, format, clauses } = &self.entries[*entry];
            let problem = format.near_text(text)?;
            Some((
                rank(&problem),
                Reverse(clauses.len()),
                Misfit { alias: *alias, format, problem },
            ))
        };
        let near = candidates.iter().take(NEAR_MAX).filter_map(misfit);
        let problem =
            near.min_by_key(|(rank, words, _)| (*rank, *words)).map(|(_, _, misfit)| misfit);
        let wrong = problem.as_ref().is_some_and(|it| {
            matches!(
                it.problem,
                Problem::Unclosed { .. } | Problem::Wrong { .. } | Problem::Untimely { .. }
            )
        });
        let ranked = self.ranked_like(text);
        let begun = if wrong { None } else { self.begun(candidates, &ranked, text) };
        Found::None { suggestions: self.suggestions(ranked), problem, begun }
    }

    /// The only alias that a message begins, among those with its words and those most like it.
    fn begun(
        &self,
        candidates: &BTreeSet<usize>,
        ranked: &[Ranked],
        text: &Text<'_>,
    ) -> Option<Begun<'_>> {
        let exact = ranked.iter().filter(|(_, _, errors, ..)| *errors == 0).map(|(.., at)| *at);
        let (mut found, mut of): (Option<Begun<'_>>, _) = (None, Beginnings::of(text));
        for at in candidates.iter().copied().take(NEAR_MAX).chain(exact.take(NEAR_MAX)) {
            let Entry { alias, format, .. } = &self.entries[at];
            let Some(partial) = format.partial_among(text, &mut of) else { continue };
            match &found {
                Some(before) if before.alias != *alias => return None,
                // Of several formats of one alias the one that lacks least.
                Some(before) if before.partial.missing.len() <= partial.missing.len() => {}
                _ => found = Some(Begun { alias: *alias, format, partial }),
            }
        }
        found
    }

    /// The commands whose literal words are most like those of a message, the most similar first.
    fn ranked_like(&self, text: &Text<'_>) -> Vec<Ranked> {
        let (seen, entries) = self.similar(text);
        let mut ranked: Vec<_> =
            entries.into_iter().filter_map(|at| self.ranked(at, &seen)).collect();
        ranked.sort_unstable();
        ranked
    }

    /// How the most similar commands are written.
    fn suggestions(&self, mut ranked: Vec<Ranked>) -> Vec<String> {
        let fewest = ranked.first().map_or(0, |(missing, ..)| *missing);
        let mut aliases = BTreeSet::new();
        ranked.retain(|(missing, .., at)| {
            *missing == fewest && aliases.insert(self.entries[*at].alias)
        });
        ranked
            .iter()
            .take(SUGGESTIONS_MAX)
            .map(|(.., at)| self.entries[*at].format.usage())
            .collect()
    }

    /// The literal words that a message may hold, and the entries that need them: those of rare words first.
    fn similar(&self, text: &Text<'_>) -> (Seen<'_>, BTreeSet<usize>) {
        let mut seen = Seen::new();
        let mut needed: Vec<&Word> = Vec::new();
        for typed in text.words().take(SUGGEST_WORDS_MAX) {
            let ((chars, letters), ready) = (shape(&typed), Typed::of(&typed));
            let ready = ready.as_ref();
            for word in &self.vocabulary {
                let far = word.distance((&typed, ready), chars, letters);
                let Some(distance) = far else { continue };
                needed.push(word);
                let fewest = seen.entry(&word.word).or_insert(distance);
                *fewest = distance.min(*fewest);
            }
        }
        needed.sort_by_key(|word| word.entries.len());
        let entries =
            needed.iter().flat_map(|word| &word.entries).take(COMPARED_MAX).copied().collect();
        (seen, entries)
    }

    /// Clauses that do not hold even with typing errors, whether the first is one of them, the errors, clauses (more is
    /// better), and the entry.
    fn ranked(&self, at: usize, seen: &Seen<'_>) -> Option<Ranked> {
        let clauses = &self.entries[at].clauses;
        let way = |words: &Vec<String>| {
            words.iter().map(|word| seen.get(word.as_str())).sum::<Option<usize>>()
        };
        let fewest = |clause: &Clause| clause.iter().filter_map(way).min();
        let errors: Vec<_> = clauses.iter().filter_map(fewest).collect();
        let enough = !errors.is_empty() && errors.len() * 2 >= clauses.len();
        enough.then(|| {
            // What a command begins with says what it does: another verb is less like it than a slip in this one.
            let other = clauses.first().is_some_and(|first| fewest(first).is_none());
            let missing = clauses.len() - errors.len();
            (missing, other, errors.iter().sum(), Reverse(clauses.len()), at)
        })
    }
}

/// Clauses that do not hold, whether the first does not, typing errors, clauses (more is better), and the entry.
type Ranked = (usize, bool, usize, Reverse<usize>, usize);

/// The fewest typing errors with which each literal word may be in a message.
type Seen<'a> = BTreeMap<&'a str, usize>;

/// The words to list an entry under: the clause that the fewest entries share, one word for each of its ways.
fn keys<'a>(clauses: &'a [Clause], needed_by: &BTreeMap<&str, Vec<usize>>) -> BTreeSet<&'a str> {
    let uses = |word: &str| needed_by.get(word).map_or(0, Vec::len);
    let rarest =
        |way: &'a Vec<String>| way.iter().min_by_key(|word| uses(word)).map(String::as_str);
    let keys = |clause: &'a Clause| clause.iter().filter_map(rarest).collect::<BTreeSet<_>>();
    let total = |keys: &BTreeSet<&str>| keys.iter().map(|word| uses(word)).sum::<usize>();
    clauses.iter().map(keys).min_by_key(total).unwrap_or_default()
}

/// Which problem is told first.
fn rank(problem: &Problem) -> u8 {
    match problem {
        Problem::Unclosed { .. } => 0,
        Problem::Wrong { .. } | Problem::Untimely { .. } => 1,
        Problem::Missing { .. } => 2,
        Problem::Unexpected { .. } => 3,
    }
}

impl Word {
    fn new(word: &str, entries: Vec<usize>) -> Self {
        let (chars, letters) = shape(word);
        Word { word: word.to_owned(), chars, letters, entries }
    }

    /// How many typing errors lie between; nothing if too many. Most words are refused by their shape alone.
    fn distance(
        &self,
        (typed, ready): (&str, Option<&Typed>),
        chars: usize,
        letters: u64,
    ) -> Option<usize> {
        if self.word == typed {
            return Some(0);
        }
        let longer = self.chars.max(chars);
        let most = match longer {
            0..=2 => 0,
            3..=4 => 1,
            5..=8 => 2,
            _ => 3,
        };
        let differ = (self.letters ^ letters).count_ones() as usize;
        if self.chars.abs_diff(chars) > most || differ > 2 * most || longer > TYPO_CHARS_MAX {
            return None;
        }
        let far = ready.map(|ready| ready.distance(&self.word));
        far.filter(|distance| *distance <= most)
    }
}

/// The length of a word and the set of its letters.
fn shape(word: &str) -> (usize, u64) {
    word.chars().fold((0, 0), |(chars, letters), c| (chars + 1, letters | 1 << (u32::from(c) % 64)))
}

#[cfg(test)]
mod tests {
    use super::super::alias::TEXT_BYTES_MAX;
    use super::*;

    /// An index of formats that are separated by new lines; ` ~ ` separates the formats of one alias.
    fn index(formats: &str) -> AliasIndex {
        let aliases = formats.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
        let formats = |(at, line): (usize, &str)| {
            line.split(" ~ ")
                .map(|format| (AliasId(at), Format::parse(format).expect(format)))
                .collect::<Vec<_>>()
        };
        AliasIndex::new(aliases.flat_map(formats).collect())
    }

    fn shown(found: &Found<'_>) -> String {
        match found {
            Found::One(hit) => {
                let params = serde_json::to_string(&hit.matched.params).unwrap();
                format!("{} {params}", hit.alias.0)
            }
            Found::Tie(hits) => {
                format!("tie {:?}", hits.iter().map(|hit| hit.alias.0).collect::<Vec<_>>())
            }
            Found::None { suggestions, problem, .. } => {
                let problem = problem
                    .as_ref()
                    .map(|misfit| format!("{}: ", misfit.problem))
                    .unwrap_or_default();
                format!("none {problem}{}", suggestions.join(" / "))
            }
        }
    }

    const OPS: &str = "
        help [{topic:text}]
        create vm {hostname} on {provider: aws | rackspace} [size {size:int=2}]
        delete vm {hostname}
        (shut up|silence) {what} [for {time:duration=15m}] ~ be quiet about {what}
        show {what}
        show [all] alerts
        show {other}
        nagios ack {host}
    ";

    #[test]
    fn messages_are_looked_up() {
        let index = index(OPS);
        for (text, want) in [
            ("help", r#"0 {"topic":null}"#),
            ("create vm web1 on aws", r#"1 {"hostname":"web1","provider":"aws","size":2}"#),
            ("CREATE VM web1 ON AWS", r#"1 {"hostname":"web1","provider":"aws","size":2}"#),
            ("shut up twitter", r#"3 {"time":"15m","what":"twitter"}"#),
            ("silence twitter for 1 hour", r#"3 {"time":"1 hour","what":"twitter"}"#),
            ("be quiet about twitter", r#"3 {"what":"twitter"}"#),
            ("show graphs", "tie [4, 6]"),
            ("show alerts", "5 {}"),
            ("show all alerts", "5 {}"),
            ("hlep", "none help [{topic:text}]"),
            (
                "creat vm web1 on aws",
                "none create vm {hostname} on {provider: aws | rackspace} [size {size:int=2}]",
            ),
            (
                "create vm web1 on asw",
                "none `provider` must be `aws` or `rackspace`, not `asw`: \
                 create vm {hostname} on {provider: aws | rackspace} [size {size:int=2}]",
            ),
            (
                "create vm web1 on aws size big",
                "none `size` must be a whole number, not `big`: \
                 create vm {hostname} on {provider: aws | rackspace} [size {size:int=2}]",
            ),
            (
                "delete vm",
                "none `hostname` is missing: it must be one word, or several in quotes: delete vm {hostname}",
            ),
            ("nagois ack web1", "none nagios ack {host}"),
            ("shutup twitter", "none "),
            ("silense twitter", "none (shut up|silence) {what} [for {time:duration=15m}]"),
            ("good morning everyone", "none "),
            ("", "none "),
            ("   ", "none "),
        ] {
            let got = shown(&index.lookup(text));
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn the_most_literal_words_win() {
        for (formats, text, want) in [
            ("a {x}\na b", "a b", "1 {}"),
            ("a {x} [b]\na {x} {y}", "a q b", r#"0 {"x":"q"}"#),
            ("(a|a b) {x:text}\na {x} c", "a b c", "tie [0, 1]"),
            ("a {x} ~ a {y}", "a b", r#"0 {"x":"b"}"#),
            ("a {x}\na {y}", "a b", "tie [0, 1]"),
            ("a {x=1}\na", "a", "tie [0, 1]"),
            ("node-{x} up\n{x} up", "node-3 up", r#"0 {"x":"3"}"#),
        ] {
            assert_eq!(shown(&index(formats).lookup(text)), want, "{text:?} among {formats:?}");
        }
    }

    #[test]
    fn another_verb_is_less_like_a_command_than_a_slip() {
        let index = index("delete vm {name}\ncreate vm {name} on {cloud}\nrename vm {name}\n");
        let Found::None { suggestions, .. } = index.lookup("creat vm") else { panic!("found") };
        assert_eq!(suggestions[0], "create vm {name} on {cloud}", "{suggestions:?}");
    }

    #[test]
    fn bounds_hold() {
        let same = "a {x}\n".repeat(TIES_MAX + 5);
        let index_of_same = index(&same);
        let Found::Tie(hits) = index_of_same.lookup("a b") else { panic!("no tie") };
        assert_eq!(hits.len(), TIES_MAX);
        let similar: String = (0..20).map(|at| format!("restart {{x}} q{at}{at}{at}\n")).collect();
        let index = index(&similar);
        let Found::None { suggestions, .. } = index.lookup("restrat x") else { panic!("found") };
        assert_eq!(suggestions.len(), SUGGESTIONS_MAX);
        let long = "restart ".repeat(TEXT_BYTES_MAX);
        assert_eq!(shown(&index.lookup(&long)), "none ");
        assert_eq!(shown(&index.lookup(&"x".repeat(TEXT_BYTES_MAX))), "none ");
    }

    #[test]
    fn similar_commands_are_sought_within_bounds() {
        let many = "restart {host}\n".repeat(COMPARED_MAX + 5);
        let many = index(&many);
        let text = Text::read("restrat web1").unwrap();
        assert_eq!(many.similar(&text).1.len(), COMPARED_MAX);
        let one = index("restart {host}");
        for (words_before, found) in [(SUGGEST_WORDS_MAX - 1, 1), (SUGGEST_WORDS_MAX, 0)] {
            let typed = format!("{}restrat", "qq ".repeat(words_before));
            let text = Text::read(&typed).unwrap();
            assert_eq!(one.similar(&text).1.len(), found, "{words_before} words before it");
        }
        for (chars, found) in [(TYPO_CHARS_MAX, 1), (TYPO_CHARS_MAX + 1, 0)] {
            let word = "abcd".repeat(9)[..chars].to_owned();
            let long = index(&format!("{word} {{host}}"));
            let typed = format!("{}x web1", &word[..chars - 1]);
            let text = Text::read(&typed).unwrap();
            assert_eq!(long.similar(&text).1.len(), found, "{chars} characters");
        }
    }

    #[test]
    fn few_formats_are_asked_what_is_wrong() {
        for (before, seen) in [(NEAR_MAX - 1, true), (NEAR_MAX, false)] {
            let index = index(&format!("{}set {{a:int}} {{b}}", "set {n}\n".repeat(before)));
            let Found::None { problem, .. } = index.lookup("set x y") else { panic!("found") };
            let told = problem.expect("all words are there").alias;
            assert_eq!(told == AliasId(before), seen, "the worse fault is in number {before}");
        }
    }

    #[test]
    fn ten_thousand_aliases_leave_few_candidates() {
        let formats = (0..10_000).map(|at| {
            let format = format!("run {{what}} on {{target}} with plan{at} [size {{size:int=3}}]");
            (AliasId(at), Format::parse(&format).unwrap())
        });
        let index = AliasIndex::new(formats.collect());
        let text = Text::read("run job on db1 with plan9999 size 5").unwrap();
        assert_eq!(index.candidates(&text.words().collect()).len(), 1);
        assert_eq!(
            shown(&index.lookup("run job on db1 with plan9999 size 5")),
            r#"9999 {"size":5,"target":"db1","what":"job"}"#
        );
        let Found::None { suggestions, .. } = index.lookup("run job on db1 with paln9999") else {
            panic!("found")
        };
        assert_eq!(suggestions[0], "run {what} on {target} with plan9999 [size {size:int=3}]");
    }

    #[test]
    fn many_words_are_compared_as_each_of_them_is() {
        let words: Vec<String> =
            (0..400).map(|n| format!("plan{}{}", n % 7, "ab".repeat(n % 16))).collect();
        let index = index(&words.join("\n"));
        for typed in [
            "paln3ab",
            "plna",
            "pan6abab",
            "plan",
            "xlan1abababababababababababababab",
            "q",
            "pl\u{e4}n2",
        ] {
            let text = Text::read(typed).expect("a text");
            let (chars, letters) = shape(typed);
            let most = |word: &Word| match word.chars.max(chars) {
                0..=2 => 0,
                3..=4 => 1,
                5..=8 => 2,
                _ => 3,
            };
            let slow = index.vocabulary.iter().filter(|word| {
                let differ = (word.letters ^ letters).count_ones() as usize;
                let near = differ <= 2 * most(word) && word.chars.max(chars) <= TYPO_CHARS_MAX;
                word.word == typed || near && damerau(&word.word, typed) <= most(word)
            });
            let slow: Vec<&str> = slow.map(|word| word.word.as_str()).collect();
            let (seen, _) = index.similar(&text);
            assert_eq!(seen.keys().copied().collect::<Vec<_>>(), slow, "{typed}");
        }
    }
}
