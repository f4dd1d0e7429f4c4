//! Proof of history: an RFC 9162 hash tree over the clear parts of events, and signed heads of it. Pure.
//!
//! A leaf is what stands of an event before its payload: it holds the payload's commitment, so an erased payload breaks
//! no proof. A head is a C2SP checkpoint, a signed note: it names the log, its size and its root.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use regex::Regex;
use signed_note::{Note, StandardSigner, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error as TreeError, HashReader, check_tree, prove_tree, stored_hash_index,
    stored_hashes_for_record_hash, sub_tree_index, tree_hash,
};
use zeroize::Zeroizing;

pub(crate) use tlog_tiles::{Hash, record_hash};

/// The type of key in a signed note: ed25519.
const ALGORITHM: u8 = 1;

/// Why something proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is no verifier key.
    #[error("`{0}` is no verifier key: one is `name+id+key`, as `beadle log head` prints it")]
    Key(String),
    /// The text is no signed head.
    #[error("this is no signed head of a log")]
    Malformed,
    /// It is about another log.
    #[error("it is a head of `{0}`")]
    OtherLog(String),
    /// Its signature is not that of the key.
    #[error("this log's key did not sign it")]
    Signature,
}

/// The name of a log in its heads.
pub(crate) fn origin(log: &str) -> String {
    format!("beadle/{log}")
}

/// What a head says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    /// How many events.
    pub(crate) size: u64,
    /// The root of the tree over them.
    pub(crate) root: Hash,
}

/// Signs heads of one log.
pub(crate) struct Signing {
    signer: StandardSigner,
    origin: String,
    key: String,
}

impl Signing {
    /// With the seed of an ed25519 key.
    pub(crate) fn new(log: &str, seed: &[u8; 32]) -> Self {
        let origin = origin(log);
        let public = SigningKey::from_bytes(seed).verifying_key();
        let key = signed_note::new_ed25519_verifier_key(&origin, &public);
        let id = key.split('+').nth(1).expect("a verifier key is name, id and key");
        let secret = Zeroizing::new([&[ALGORITHM], &seed[..]].concat());
        let secret = Zeroizing::new(STANDARD.encode(&*secret));
        let text = Zeroizing::new(format!("PRIVATE+KEY+{origin}+{id}+{}", *secret));
        let signer = StandardSigner::new(&text).expect("it is written as a signer key is");
        Self { signer, origin, key }
    }

    /// The key that verifies its heads, as a C2SP verifier key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A signed head.
    pub(crate) fn sign(&self, head: &Head) -> String {
        let checkpoint = Checkpoint::new(&self.origin, head.size, head.root, "");
        let checkpoint = checkpoint.expect("the name of a log is not empty");
        let mut note = Note::new(&checkpoint.to_bytes(), &[]).expect("a checkpoint is text");
        note.add_sigs(&[&self.signer]).expect("ed25519 signs any text");
        String::from_utf8(note.to_bytes()).expect("a note is text")
    }
}

/// Verifies heads of one log.
#[derive(Clone)]
pub struct Key {
    verifier: StandardVerifier,
    text: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Key {
    /// Reads a verifier key.
    ///
    /// # Errors
    /// [`ProofError::Key`] if it is none.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let text = text.trim();
        let bad = |_| ProofError::Key(text.chars().take(120).collect());
        Ok(Self { verifier: StandardVerifier::new(text).map_err(bad)?, text: text.to_owned() })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads a head, if this key signed it.
    pub(crate) fn read(&self, note: &str) -> Result<Head, ProofError> {
        let note = Note::from_bytes(note.as_bytes()).map_err(|_| ProofError::Malformed)?;
        let head = Checkpoint::from_bytes(note.text()).map_err(|_| ProofError::Malformed)?;
        if head.origin() != self.verifier.name() {
            return Err(ProofError::OtherLog(head.origin().to_owned()));
        }
        let known = VerifierList::new(vec![Box::new(self.verifier.clone())]);
        note.verify(&known).map_err(|_| ProofError::Signature)?;
        Ok(Head { size: head.size(), root: *head.hash() })
    }
}

/// A head as it stands in any text: pages, exports and quotes put marks, tags or escaped ends of lines between its lines.
static NOTES: LazyLock<Regex> = LazyLock::new(|| {
    let gap = r"(?:[>\s]|\\+[nr]|<br\s*/?>)+";
    let dash = r"(?:—|&mdash;|&#8212;|\\+u2014)";
    let text = format!(
        r"(beadle/[0-9a-f]{{32}}){gap}([0-9]{{1,20}}){gap}([A-Za-z0-9+/]{{43}}=){gap}{dash}\s(beadle/[0-9a-f]{{32}})\s([A-Za-z0-9+/]{{90,}}={{0,2}})"
    );
    Regex::new(&text).expect("it is a regular expression")
});

/// The heads that stand in a text, whatever is around them, each once.
pub fn notes(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let found = NOTES.captures_iter(text).map(|parts| {
        let [origin, size, root, name, signature] = parts.extract().1;
        format!("{origin}\n{size}\n{root}\n\n— {name} {signature}\n")
    });
    found.filter(|note| seen.insert(note.clone())).collect()
}

/// Reads the root of a head as it is written.
pub(crate) fn parse_root(text: &str) -> Option<Hash> {
    Hash::parse_hash(text).ok()
}

/// That the tree of a head contains that of an earlier one: checked, not only computed.
pub(crate) fn follows(
    tree: &impl HashReader,
    earlier: &Head,
    later: &Head,
) -> Result<(), TreeError> {
    if earlier.size == 0 || earlier == later {
        return Ok(());
    }
    let proof = prove_tree(later.size, earlier.size, tree)?;
    check_tree(&proof, later.size, later.root, earlier.size, earlier.root)
}

/// The right edge of a growing tree: all that its root and its next leaf need.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peaks {
    size: u64,
    peaks: Vec<(u64, Hash)>,
}

impl HashReader for Peaks {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let find = |index: &u64| self.peaks.iter().find(|(at, _)| at == index);
        let found = indexes.iter().map(|index| find(index).map(|(_, hash)| *hash));
        found.collect::<Option<_>>().ok_or(TreeError::IndexesNotInTree)
    }
}

impl Peaks {
    /// The edge of the first `size` leaves of a stored tree.
    pub(crate) fn of(size: u64, tree: &impl HashReader) -> Result<Self, TreeError> {
        let indexes = if size == 0 { vec![] } else { sub_tree_index(0, size, vec![]) };
        let hashes = tree.read_hashes(&indexes)?;
        Ok(Self { size, peaks: indexes.into_iter().zip(hashes).collect() })
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    pub(crate) fn root(&self) -> Hash {
        tree_hash(self.size, self).expect("the root needs the peaks and nothing else")
    }

    /// Adds a leaf; gives the hashes that are to be stored for it, in their order.
    pub(crate) fn push(&mut self, leaf: Hash) -> Vec<Hash> {
        let first = stored_hash_index(0, self.size);
        let stored = stored_hashes_for_record_hash(self.size, leaf, self);
        let stored = stored.expect("a leaf is merged with peaks and nothing else");
        let merged = stored.len() - 1;
        self.peaks.truncate(self.peaks.len() - merged);
        self.peaks.push((first + merged as u64, stored[merged]));
        self.size += 1;
        stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "65a64d0f371610e27d7686ca9ad896d0";
    /// What is signed today verifies in ten years.
    const NOTE: &str = "beadle/65a64d0f371610e27d7686ca9ad896d0\n1234\nKuHBnAy9N45GySep82EZI+wHzBrjV1AqCVNtRVJ1zyE=\n\n— beadle/65a64d0f371610e27d7686ca9ad896d0 xU7b9cHgtscBzfjeL9HtRjYKcDKKbFXlGpngeciKVd58QtFVE3aaJhxKcCv+wl5Hgv/cmkTJA2A8R4lBThA9HDXiuQU=\n";

    fn signing() -> Signing {
        Signing::new(LOG, &[7; 32])
    }

    fn leaf(nth: u64) -> Hash {
        record_hash(&nth.to_be_bytes())
    }

    /// The root by the book: the largest power of two on the left.
    fn by_the_book(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => tlog_tiles::EMPTY_HASH,
            [leaf] => *leaf,
            leaves => {
                let left = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(left);
                tlog_tiles::node_hash(by_the_book(left), by_the_book(right))
            }
        }
    }

    #[test]
    fn the_edge_of_a_tree_gives_its_roots() {
        let (mut peaks, mut stored, mut leaves) = (Peaks::default(), vec![], vec![]);
        struct Stored<'a>(&'a [Hash]);
        impl HashReader for Stored<'_> {
            fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
                let at = |index: &u64| usize::try_from(*index).ok().and_then(|at| self.0.get(at));
                let found = indexes.iter().map(|index| at(index).copied());
                found.collect::<Option<_>>().ok_or(TreeError::IndexesNotInTree)
            }
        }
        for nth in 0..70 {
            assert_eq!((peaks.size(), peaks.root()), (nth, by_the_book(&leaves)), "{nth}");
            let again = Peaks::of(nth, &Stored(&stored)).expect("all is stored");
            assert_eq!(again.peaks, peaks.peaks, "{nth}");
            stored.extend(peaks.push(leaf(nth)));
            leaves.push(leaf(nth));
        }
        let head = |size: usize| Head { size: size as u64, root: by_the_book(&leaves[..size]) };
        for (earlier, later) in [(0, 1), (1, 1), (1, 70), (33, 70), (64, 65)] {
            let (earlier, later) = (head(earlier), head(later));
            follows(&Stored(&stored), &earlier, &later).expect("it follows");
            let other = Head { root: leaf(99), ..earlier.clone() };
            let forged = follows(&Stored(&stored), &other, &later);
            assert_eq!(forged.is_err(), earlier.size > 0, "{earlier:?} {later:?}");
        }
    }

    #[test]
    fn a_head_is_a_signed_checkpoint() {
        let head = Head { size: 1_234, root: leaf(1) };
        let note = signing().sign(&head);
        assert_eq!(note, NOTE);
        let key = Key::parse(signing().key()).expect("is a key");
        assert_eq!(key.read(&note), Ok(head));
        let other = Key::parse(Signing::new(LOG, &[8; 32]).key()).expect("is a key");
        assert_eq!(other.read(&note), Err(ProofError::Signature));
        let log = "0".repeat(32);
        let other = Key::parse(Signing::new(&log, &[7; 32]).key()).expect("is a key");
        assert_eq!(other.read(&note), Err(ProofError::OtherLog(origin(LOG))));
        for (from, to, want) in [
            ("\n1234\n", "\n1235\n", ProofError::Signature),
            ("\n1234\n", "\n01234\n", ProofError::Malformed),
            ("— ", "- ", ProofError::Malformed),
        ] {
            assert_eq!(key.read(&note.replace(from, to)), Err(want), "{from:?} to {to:?}");
        }
        assert!(Key::parse("beadle+x").is_err());
    }

    #[test]
    fn heads_are_found_in_any_text() {
        let note = signing().sign(&Head { size: 7, root: leaf(7) });
        let other = signing().sign(&Head { size: 8, root: leaf(8) });
        let json = serde_json::json!({ "body": note, "formatted_body": format!("<pre><code>{note}</code></pre>") });
        let quoted: String = note.lines().map(|line| format!("> {line}\n")).collect();
        for (what, text, want) in [
            ("itself", note.clone(), 1),
            ("two", format!("{note}\n\n{other}"), 2),
            ("twice", format!("{note}\n{note}"), 1),
            ("ends of lines of another system", note.replace('\n', "\r\n"), 1),
            ("JSON", json.to_string(), 1),
            ("JSON in JSON", serde_json::json!(json.to_string()).to_string(), 1),
            ("a quote", quoted, 1),
            ("a page", note.replace('\n', "<br/>").replace('—', "&mdash;"), 1),
            ("words", "beadle/65a64d0f 7 is a head".to_owned(), 0),
        ] {
            let found = notes(&text);
            assert_eq!(found.len(), want, "{what}: {text}");
            assert!(want == 0 || found[0] == note, "{what}: {found:?}");
        }
    }
}
