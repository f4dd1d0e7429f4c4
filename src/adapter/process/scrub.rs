//! Takes secrets out of what a program prints, before anybody sees or keeps it.
//!
//! They are found as they are, line by line, escaped for JSON and for URLs, and in base64 and hexadecimal digits.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::adapter::secrets::Secret;

/// Shortest piece of a secret that is looked for, in bytes.
const PIECE_BYTES_MIN: usize = 6;
/// How much of a secret must stand at the edge of what was cut off to be taken for it, in bytes.
const TORN_BYTES_MIN: usize = 4;

/// What must not be seen.
#[derive(Debug, Clone, Default)]
pub struct Scrub(Vec<Needle>);

#[derive(Clone)]
struct Needle {
    bytes: Vec<u8>,
    instead: Vec<u8>,
    /// Whether the characters of base64 before and behind it tell some bits of it.
    shared: (bool, bool),
}

/// A secret in one of its forms.
struct Disguise {
    bytes: Vec<u8>,
    shared: (bool, bool),
}

impl std::fmt::Debug for Needle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.instead))
    }
}

/// Where a text was cut off, so that a secret may be torn there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere.
    No,
    /// Its beginning is gone.
    Front,
    /// Its end is gone.
    Back,
}

impl Scrub {
    /// Looks for these.
    pub fn new(secrets: &[Secret]) -> Self {
        let mut needles = vec![];
        for secret in secrets {
            let instead = format!("[secret {}]", secret.name).into_bytes();
            for Disguise { bytes, shared } in disguises(secret.expose()) {
                if bytes.len() >= PIECE_BYTES_MIN {
                    needles.push(Needle { bytes, instead: instead.clone(), shared });
                }
            }
        }
        // What is longest goes first: a part of it must not hide the rest.
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.bytes.len()));
        needles.dedup_by(|a, b| a.bytes == b.bytes);
        Self(needles)
    }

    /// Bytes without secrets.
    pub fn bytes(&self, bytes: &[u8], cut: Cut) -> Vec<u8> {
        let mut clean = bytes.to_vec();
        for needle in &self.0 {
            clean = needle.replaced(clean);
        }
        for needle in &self.0 {
            needle.torn(&mut clean, cut);
        }
        clean
    }

    /// A text without secrets.
    pub fn text(&self, text: &str, cut: Cut) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        String::from_utf8_lossy(&self.bytes(text.as_bytes(), cut)).into_owned()
    }

    /// A value without secrets in its texts and names.
    pub fn value(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(&text, Cut::No)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => {
                let clean =
                    |(name, value): (String, Value)| (self.text(&name, Cut::No), self.value(value));
                Value::Object(map.into_iter().map(clean).collect())
            }
            Value::Number(number) => match self.text(&number.to_string(), Cut::No) {
                same if same == number.to_string() => Value::Number(number),
                clean => Value::String(clean),
            },
            other => other,
        }
    }
}

impl Needle {
    fn replaced(&self, bytes: Vec<u8>) -> Vec<u8> {
        if !bytes.windows(self.bytes.len()).any(|window| window == self.bytes) {
            return bytes;
        }
        let (mut clean, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            if bytes[at..].starts_with(&self.bytes) {
                if self.shared.0 {
                    clean.pop_if(|before| is_base64(*before));
                }
                clean.extend_from_slice(&self.instead);
                at += self.bytes.len();
                if self.shared.1 {
                    at += usize::from(bytes.get(at).is_some_and(|behind| is_base64(*behind)));
                    at += bytes[at..].iter().take(2).take_while(|it| **it == b'=').count();
                }
            } else {
                clean.push(bytes[at]);
                at += 1;
            }
        }
        clean
    }

    /// Takes out what stands of it at an edge.
    fn torn(&self, bytes: &mut Vec<u8>, cut: Cut) {
        let most = self.bytes.len().min(bytes.len());
        let mut lengths = (TORN_BYTES_MIN..=most).rev();
        match cut {
            Cut::No => {}
            Cut::Back => {
                if let Some(length) = lengths.find(|n| bytes.ends_with(&self.bytes[..*n])) {
                    bytes.truncate(bytes.len() - length);
                    bytes.extend_from_slice(&self.instead);
                }
            }
            Cut::Front => {
                let from = |n: &usize| &self.bytes[self.bytes.len() - n..];
                if let Some(length) = lengths.find(|n| bytes.starts_with(from(n))) {
                    bytes.splice(..length, self.instead.iter().copied());
                }
            }
        }
    }
}

/// A secret as it may be printed.
fn disguises(secret: &str) -> Vec<Disguise> {
    let mut found: Vec<Vec<u8>> =
        secret.lines().map(|line| line.trim().as_bytes().to_vec()).collect();
    found.push(secret.as_bytes().to_vec());
    let json = Value::from(secret).to_string();
    found.push(json.as_bytes()[1..json.len() - 1].to_vec());
    found.push(url_encoded(secret, "%20").into_bytes());
    found.push(url_encoded(secret, "+").into_bytes());
    found.push(data_encoding::HEXLOWER.encode(secret.as_bytes()).into_bytes());
    found.push(data_encoding::HEXUPPER.encode(secret.as_bytes()).into_bytes());
    let plain = found.into_iter().map(|bytes| Disguise { bytes, shared: (false, false) });
    let mut found: Vec<Disguise> = plain.collect();
    for shift in 0..3_usize {
        let shifted = [&vec![b'.'; shift][..], secret.as_bytes()].concat();
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            // The characters at the ends depend on what stands beside the secret, and go with it.
            let (from, to) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
            let shared = (!(shift * 8).is_multiple_of(6), !(shifted.len() * 8).is_multiple_of(6));
            let bytes = encoded.as_bytes()[from..to].to_vec();
            found.push(Disguise { bytes, shared });
        }
    }
    found
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

fn url_encoded(text: &str, space: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push_str(space),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    const VALUE: &str = "s3s/me \"open\" = ü\nsecond line of it";

    fn scrub() -> Scrub {
        let secrets = [("door", VALUE), ("other", "s3s/me")];
        Scrub::new(&secrets.map(|(name, value)| Secret::new(name, value.to_owned())))
    }

    #[test]
    fn secrets_are_found_in_every_disguise() {
        let base64 = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{VALUE}and more"));
        for printed in [
            VALUE.to_owned(),
            format!("a{VALUE}{VALUE}b"),
            json!({ "key": VALUE }).to_string(),
            url_encoded(VALUE, "+"),
            url_encoded(VALUE, "%20"),
            base64(""),
            base64("x"),
            base64("xy"),
            URL_SAFE_NO_PAD.encode(VALUE),
            data_encoding::HEXLOWER.encode(VALUE.as_bytes()),
            "second line of it".to_owned(),
            "  s3s/me \"open\" = ü".to_owned(),
        ] {
            let clean = scrub().text(&printed, Cut::No);
            assert!(clean.contains("[secret door]"), "{printed}: {clean}");
            let left = clean.replace("[secret door]", "");
            for piece in ["open", "second", "line", "c2Vjb25k", "6f70656e"] {
                assert!(!left.contains(piece), "{printed}: {clean}");
            }
        }
        assert_eq!(scrub().text("nothing of it, s3s/m", Cut::No), "nothing of it, s3s/m");
        assert_eq!(scrub().text("s3s/me", Cut::No), "[secret other]");
    }

    /// A character of base64 holds bits of two bytes: what it shares with a neighbour tells of the secret, too.
    #[test]
    fn nothing_of_a_secret_is_left_in_base64() {
        for length in 6..12 {
            let value = "sesame-sesame"[..length].to_owned();
            let scrub = Scrub::new(&[Secret::new("pin", value.clone())]);
            for padded in [STANDARD.encode(&value), STANDARD_NO_PAD.encode(&value)] {
                let printed = format!("key: {padded}.");
                assert_eq!(scrub.text(&printed, Cut::No), "key: [secret pin].", "{printed}");
            }
            for before in ["", "x", "xy"] {
                let printed = STANDARD.encode(format!("{before}{value}"));
                let clean = scrub.text(&printed, Cut::No);
                let rest = clean.replace("[secret pin]", "");
                assert_ne!(clean, rest, "{printed}: {clean}");
                // At most what stands for the bytes before it alone.
                let own = STANDARD_NO_PAD.encode(before).len();
                assert!(rest.len() < own.max(1), "{before}{value}: {printed}: {clean}");
            }
        }
    }

    #[test]
    fn what_is_torn_at_an_edge_is_found_too() {
        let line = "second line of it";
        for (text, cut, want) in [
            ("x second li", Cut::Back, "x [secret door]"),
            ("ne of it\nx", Cut::Front, "[secret door]\nx"),
            ("x second li", Cut::No, "x second li"),
            ("x sec", Cut::Back, "x sec"),
            (line, Cut::Back, "[secret door]"),
        ] {
            assert_eq!(scrub().text(text, cut), want, "{text} {cut:?}");
        }
    }

    #[test]
    fn values_are_cleaned_everywhere() {
        let scrub = Scrub::new(&[Secret::new("pin", "1234567".to_owned())]);
        let value = json!({ "a": ["x1234567", { "1234567": 1 }], "n": 1234567, "m": 12 });
        let want =
            json!({ "a": ["x[secret pin]", { "[secret pin]": 1 }], "n": "[secret pin]", "m": 12 });
        assert_eq!(scrub.value(value), want);
        assert!(!format!("{scrub:?}").contains("1234567"));
    }
}
