//! A vote as people say it: `+1`, `+1 4F7K2Q9A`, `-1 because it is late`, `deny 4F7K2Q9A too late`, a thumb.

use serde_json::{Value, json};

use super::approval::Vote;
use super::id::ExecutionId;

/// Fewest characters of an execution's id behind a vote.
pub const NAMED_CHARS_MIN: usize = 4;

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// For or against.
    pub vote: Vote,
    /// Why; empty: they did not say.
    pub reason: String,
    /// Whether it is a word that approves only what it clearly points at: `yes`.
    pub vague: bool,
}

/// The vote that a text is on the approval of an execution, if it is one.
pub fn read(text: &str, of: &ExecutionId) -> Option<Spoken> {
    let (vote, vague, rest) = begun(text)?;
    let (first, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let named = first.chars().count() >= NAMED_CHARS_MIN && of.starts_with(first);
    let rest = if named { behind.trim() } else { rest };
    let why = rest.split_once(char::is_whitespace);
    let reason = match why.filter(|(word, _)| word.eq_ignore_ascii_case("because")) {
        Some((_, reason)) => reason.trim(),
        None => rest,
    };
    // What follows an approval would be talk: only a denial has a reason.
    let whole = vote == Vote::Against || reason.is_empty();
    whole.then(|| Spoken { vote, reason: reason.to_owned(), vague })
}

/// Whether a text is a vote that points at nothing and means nothing else: `+1`, `-1 because it is late`.
pub fn is_bare(text: &str) -> bool {
    let why = |rest: &str| rest.split_whitespace().next().map(str::to_lowercase);
    begun(text)
        .is_some_and(|(_, vague, rest)| !vague && why(rest).is_none_or(|first| first == "because"))
}

/// The beginning of an execution's id that a vote names, if it names any.
pub fn named(text: &str) -> Option<&str> {
    let (_, vague, rest) = begun(text)?;
    let id = rest.split_whitespace().next()?;
    let plain =
        id.chars().count() >= NAMED_CHARS_MIN && id.chars().all(|c| c.is_ascii_alphanumeric());
    (plain && !vague && !id.eq_ignore_ascii_case("because")).then_some(id)
}

/// The vote that a text begins with, whether it is vague, and the rest.
fn begun(text: &str) -> Option<(Vote, bool, &str)> {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    // A thumb has the colour of its owner's skin, and may be marked as an emoji.
    let tone = |c: char| matches!(c, '\u{1f3fb}'..='\u{1f3ff}' | '\u{fe0f}');
    let plain: String = word.chars().filter(|c| !tone(*c)).collect();
    let plain = plain.to_lowercase();
    let (vote, vague) = match plain.trim_end_matches(['.', '!', ',', ':']) {
        "+1" | "👍" | "approve" | "approved" => (Vote::For, false),
        "yes" | "ok" | "okay" => (Vote::For, true),
        "-1" | "−1" | "👎" | "deny" | "denied" => (Vote::Against, false),
        _ => return None,
    };
    Some((vote, vague, rest.trim()))
}

impl Spoken {
    /// As it is handed on to the approval.
    pub fn value(&self) -> Value {
        json!({ "vote": self.vote, "reason": self.reason, "vague": self.vague })
    }

    /// What was handed on.
    pub fn of(value: &Value) -> Option<Self> {
        let vote = serde_json::from_value(value["vote"].clone()).ok()?;
        let reason = value["reason"].as_str().unwrap_or_default().to_owned();
        Some(Self { vote, reason, vague: value["vague"] == true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_read() {
        let id = ExecutionId("4F7K2Q9A00000000".into());
        for (text, want) in [
            ("+1", "for"),
            ("+1!", "for"),
            ("👍🏽", "for"),
            ("approve", "for"),
            ("+1 4f7k", "for"),
            ("+1 4F7K2Q9A", "for"),
            ("+1 4F7", "nothing"),
            ("+1 9999", "nothing"),
            ("+1 to that", "nothing"),
            ("+1 ben", "nothing"),
            ("<ben> +1", "nothing"),
            ("> <@ben:hs> +1", "nothing"),
            ("+11", "nothing"),
            ("yes", "vague for"),
            ("yes please do it", "nothing"),
            ("-1", "against"),
            ("−1", "against"),
            ("-1 because it is late", "against: it is late"),
            ("-1 too late", "against: too late"),
            ("deny 4F7K2Q9A too late", "against: too late"),
            ("deny 4F7K2Q9A because too late", "against: too late"),
            ("Deny", "against"),
            ("👎", "against"),
            ("no", "nothing"),
            ("", "nothing"),
        ] {
            let got = read(text, &id).map_or("nothing".into(), |spoken| {
                let vague = if spoken.vague { "vague " } else { "" };
                let vote = if spoken.vote == Vote::For { "for" } else { "against" };
                let reason = spoken.reason.as_str();
                let reason = if reason.is_empty() { "".into() } else { format!(": {reason}") };
                assert_eq!(Spoken::of(&spoken.value()), Some(spoken.clone()), "{text}");
                format!("{vague}{vote}{reason}")
            });
            assert_eq!(got, want, "{text:?}");
        }
        assert!("+1 4F7".len() < "+1 ".len() + NAMED_CHARS_MIN);
    }

    #[test]
    fn a_vote_may_name_an_execution() {
        for (text, want) in [
            ("+1 4F7K2Q9A", Some("4F7K2Q9A")),
            ("deny 4F7K2Q9A too late", Some("4F7K2Q9A")),
            ("-1 because it is late", None),
            ("+1", None),
            ("+1 4F7", None),
            ("yes 4F7K2Q9A", None),
            ("hello 4F7K2Q9A", None),
        ] {
            assert_eq!(named(text), want, "{text:?}");
        }
    }
}
