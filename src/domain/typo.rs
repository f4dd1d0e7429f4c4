//! How many typing errors lie between two words; and between one typed word and many others, a column at a time (pure).
//!
//! There each letter of the typed word is a bit; a column of the usual table is two words of bits, which say where it grows and
//! where it falls. After H. Hyyrö, who also has the step for two neighbours that are swapped.

use std::collections::BTreeMap;

use super::alias::TEXT_BYTES_MAX;

/// Longest typed word, in characters: one bit each.
pub const TYPED_CHARS_MAX: usize = 64;

/// A typed word, ready to be compared.
#[derive(Debug)]
pub struct Typed {
    chars: usize,
    /// Where each letter stands in it.
    ascii: [u64; 128],
    others: BTreeMap<char, u64>,
}

impl Typed {
    /// Makes one ready; none: it is empty, or too long.
    pub fn of(word: &str) -> Option<Self> {
        let chars = word.chars().count();
        if !(1..=TYPED_CHARS_MAX).contains(&chars) {
            return None;
        }
        let mut typed = Self { chars, ascii: [0; 128], others: BTreeMap::new() };
        for (at, letter) in word.chars().enumerate() {
            let places = match typed.ascii.get_mut(letter as usize) {
                Some(places) => places,
                None => typed.others.entry(letter).or_default(),
            };
            *places |= 1 << at;
        }
        Some(typed)
    }

    fn places(&self, letter: char) -> u64 {
        let known = self.ascii.get(letter as usize).copied();
        known.unwrap_or_else(|| self.others.get(&letter).copied().unwrap_or_default())
    }

    /// How many typing errors lie between it and another word.
    pub fn distance(&self, other: &str) -> usize {
        let last = 1_u64 << (self.chars - 1);
        // Where a column grows and falls, where the diagonal stays, and where the letter before stands.
        let (mut grows, mut falls, mut stays, mut before) = (u64::MAX, 0_u64, 0_u64, 0_u64);
        let mut errors = self.chars;
        for letter in other.chars() {
            let here = self.places(letter);
            let swapped = ((!stays & here) << 1) & before;
            let carried = (here & grows).wrapping_add(grows) ^ grows;
            stays = carried | here | falls | swapped;
            let (up, down) = (falls | !(stays | grows), stays & grows);
            errors += usize::from(up & last != 0);
            errors -= usize::from(down & last != 0);
            let (up, down) = ((up << 1) | 1, down << 1);
            grows = down | !(stays | up);
            falls = up & stays;
            before = here;
        }
        errors
    }
}

/// How many typing errors lie between two words: a letter more, less, changed, or two neighbours swapped.
///
/// This is the optimal string alignment form of the Damerau-Levenshtein distance, over characters; texts longer
/// than [`TEXT_BYTES_MAX`] count as wholly different.
pub fn damerau(a: &str, b: &str) -> usize {
    if a.len().max(b.len()) > TEXT_BYTES_MAX {
        return if a == b { 0 } else { a.chars().count().max(b.chars().count()) };
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut older: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(older[j - 2] + 1);
            }
            row.push(best);
        }
        older = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_have_a_longest_length() {
        let word = "x".repeat(TYPED_CHARS_MAX);
        assert_eq!(Typed::of(&word).expect("it fits").distance(&word), 0);
        assert!(Typed::of(&format!("{word}x")).is_none() && Typed::of("").is_none());
    }

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("help", "hlep", 1),
            ("creat", "create", 1),
            ("say", "sya", 1),
            ("saga", "sya", 2),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(damerau(a, b), want, "{a:?} {b:?}");
            assert_eq!(damerau(b, a), want, "{b:?} {a:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        /// Few letters, so that words are alike, and two that are no ASCII.
        #[test]
        fn the_distance_is_that_of_the_table(a in "[abc\u{f6}\u{1f600}]{1,12}", b in "[abc\u{f6}\u{1f600}]{0,12}") {
            let typed = Typed::of(&a).expect("it fits");
            prop_assert_eq!(typed.distance(&b), damerau(&a, &b), "{:?} {:?}", a, b);
        }

        #[test]
        fn the_distance_of_long_words_is_that_of_the_table(a in "[ab]{40,64}", b in "[ab]{30,70}") {
            let typed = Typed::of(&a).expect("it fits");
            prop_assert_eq!(typed.distance(&b), damerau(&a, &b), "{:?} {:?}", a, b);
        }
    }
}
