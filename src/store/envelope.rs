//! Envelope version 1: one line of JSON for an event, its payload in the clear or sealed with a key of its own.
//!
//! This shape is final. What stands before the payload is the canonical clear part: sealing is bound to it, and it is
//! what a hash tree over the log takes in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload as Sealing};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde::{Deserialize, Serialize};

use super::keys::{SlotKey, hmac};
use crate::domain::id::{EventId, Position, Pseudonym, StreamName, Tag, Timestamp, Version};

/// The version of this shape.
pub(crate) const ENVELOPE_VERSION: u32 = 1;
/// Longest line; a payload of 256 KiB grows by a third when it is sealed.
pub(crate) const LINE_BYTES_MAX: usize = 512 * 1024;
/// What most lines fit into.
const LINE_BYTES_USUAL: usize = 1_024;
/// Longest clear part: three stream names and the fields that have a size.
const CLEAR_BYTES_MAX: usize = 2_048;
/// Bytes of a nonce, which stands before what it sealed.
pub(crate) const NONCE_BYTES: usize = 12;

/// Everything of an event but its payload, in the order in which it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clear {
    pub(crate) v: u32,
    pub(crate) position: Position,
    pub(crate) stream: StreamName,
    pub(crate) version: Version,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) schema: u32,
    pub(crate) ts: Timestamp,
    pub(crate) wall: Timestamp,
    pub(crate) epoch: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) correlation: Option<StreamName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<Pseudonym>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<Pseudonym>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<Pseudonym>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slot: Option<u64>,
    pub(crate) commitment: String,
}

/// The payload as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// JSON.
    Open(Vec<u8>),
    /// A nonce and what it sealed.
    Sealed(Vec<u8>),
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) clear: Clear,
    pub(crate) body: Body,
}

impl Clear {
    /// The canonical bytes: everything except the payload.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LINE_BYTES_USUAL);
        serde_json::to_writer(&mut bytes, self)
            .expect("an envelope has text keys and whole numbers only");
        bytes
    }
}

impl Envelope {
    /// The line, without its end.
    #[cfg(test)]
    pub(crate) fn line(&self) -> Vec<u8> {
        let (Body::Open(payload) | Body::Sealed(payload)) = &self.body;
        line_of(self.clear.bytes(), matches!(self.body, Body::Open(_)), payload)
    }

    /// Reads a line. It must be exactly what [`line_of`] writes.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let (at, open) = split(line).ok_or("it is no envelope: it has no payload")?;
        let mut clear = line[..at].to_vec();
        clear.push(b'}');
        let parsed: Clear = serde_json::from_slice(&clear)
            .map_err(|error| format!("it is no envelope: {error}"))?;
        if parsed.v != ENVELOPE_VERSION {
            return Err(format!("envelope version {} is not known", parsed.v));
        }
        if parsed.bytes() != clear {
            return Err("its fields are not written as this program writes them".into());
        }
        let end = line.strip_suffix(b"}").ok_or("its end is missing")?;
        let body = match open {
            true => Body::Open(end[at + br#","open":"#.len()..].to_vec()),
            false => Body::Sealed(sealed(&end[at + br#","sealed":"#.len()..])?),
        };
        if matches!(body, Body::Sealed(_)) != parsed.slot.is_some() {
            return Err("a sealed payload has a key slot, an open one has none".into());
        }
        Ok(Self { clear: parsed, body })
    }
}

/// The line of an event, without its end: its clear part, and its payload open or sealed.
pub(crate) fn line_of(mut clear: Vec<u8>, open: bool, payload: &[u8]) -> Vec<u8> {
    clear.pop();
    if open {
        clear.extend_from_slice(br#","open":"#);
        clear.extend_from_slice(payload);
    } else {
        clear.extend_from_slice(br#","sealed":""#);
        let start = clear.len();
        let length = base64::encoded_len(payload.len(), true).expect("a payload fits in memory");
        clear.resize(start + length, 0);
        let encoded = STANDARD.encode_slice(payload, &mut clear[start..]);
        encoded.expect("as much room as it takes was made for it");
        clear.push(b'"');
    }
    clear.push(b'}');
    clear
}

/// Where the payload begins, and whether it is open. No field before it can hold a quotation mark.
fn split(line: &[u8]) -> Option<(usize, bool)> {
    let head = &line[..line.len().min(CLEAR_BYTES_MAX)];
    let find = |name: &[u8]| head.windows(name.len()).position(|window| window == name);
    let (open, sealed) = (find(br#","open":"#), find(br#","sealed":"#));
    let (open, sealed) = (open.map(|at| (at, true)), sealed.map(|at| (at, false)));
    open.into_iter().chain(sealed).min()
}

/// The canonical clear bytes of a line, as they stand there; none if it has no payload.
pub(crate) fn clear_bytes(line: &[u8]) -> Option<Vec<u8>> {
    let (at, _) = split(line)?;
    Some([&line[..at], b"}"].concat())
}

fn sealed(quoted: &[u8]) -> Result<Vec<u8>, String> {
    let text = quoted.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let text = text.ok_or("its sealed payload is no text")?;
    STANDARD.decode(text).map_err(|error| format!("its sealed payload is not base64: {error}"))
}

/// Seals a payload, bound to what stands before it in the clear.
pub(crate) fn seal(
    key: &SlotKey,
    nonce: [u8; NONCE_BYTES],
    clear: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let sealing = Sealing { msg: plaintext, aad: clear };
    let sealed = cipher(key).encrypt(Nonce::from_slice(&nonce), sealing);
    let sealed = sealed.expect("ChaCha20-Poly1305 seals anything that fits in memory");
    [&nonce[..], &sealed].concat()
}

/// Reads what [`seal`] sealed; none if the key, the clear part or the payload is another one.
pub(crate) fn unseal(key: &SlotKey, clear: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let sealing = Sealing { msg: sealed, aad: clear };
    cipher(key).decrypt(Nonce::from_slice(nonce), sealing).ok()
}

fn cipher(key: &SlotKey) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(Key::from_slice(&hmac(&**key, b"seal")))
}

#[cfg(test)]
mod tests {
    use super::super::keys::{commitment, digest};
    use super::*;

    const OPEN: &str = concat!(
        r#"{"v":1,"position":7,"stream":"sync-matrix","version":3,"type":"sync_advanced","schema":1,"#,
        r#""ts":1700000000123,"wall":1700000000120,"epoch":0,"#,
        r#""commitment":"9e8dc7e29f8cfd85a4b76bd9a6b0f9fb2b7c7ff3f5a4a1d3a7d6a1d4a7a6d2aa","#,
        r#""open":{"token":"s72594_4483"}}"#
    );
    const SEALED: &str = concat!(
        r#"{"v":1,"position":8,"stream":"execution-0123456789ABCDEF","version":0,"#,
        r#""type":"execution_yielded","schema":1,"ts":1700000000123,"wall":1700000000121,"epoch":2,"#,
        r#""cause":"trigger-00ff/1","correlation":"trigger-00ff","#,
        r#""actor":"000102030405060708090a0b0c0d0e0f","room":"101112131415161718191a1b1c1d1e1f","#,
        r#""network":"202122232425262728292a2b2c2d2e2f","key":"303132333435363738393a3b3c3d3e3f","#,
        r#""slot":42,"commitment":"","#,
        r#""sealed":"AQEBAQEBAQEBAQEB"}"#
    );

    fn clear(line: &str) -> Clear {
        Envelope::parse(line.as_bytes()).expect("parses").clear
    }

    #[test]
    fn the_shape_is_final() {
        for line in [OPEN, SEALED] {
            let envelope = Envelope::parse(line.as_bytes()).expect("parses");
            assert_eq!(String::from_utf8(envelope.line()).expect("is text"), line);
        }
        let want = OPEN.replace(r#","open":{"token":"s72594_4483"}"#, "");
        assert_eq!(String::from_utf8(clear(OPEN).bytes()).expect("is text"), want);
        for line in [OPEN, SEALED] {
            assert_eq!(clear_bytes(line.as_bytes()), Some(clear(line).bytes()), "{line}");
        }
    }

    #[test]
    fn the_longest_clear_part_fits() {
        let name = StreamName::parse(&format!("a-{}", "x".repeat(253))).expect("parses");
        let long = Clear {
            position: Position::END,
            stream: name.clone(),
            version: Version::END,
            cause: Some(EventId { stream: name.clone(), version: Version::END }),
            correlation: Some(name),
            commitment: "f".repeat(64),
            ..clear(SEALED)
        };
        assert!(long.bytes().len() < CLEAR_BYTES_MAX, "{}", long.bytes().len());
        let envelope = Envelope { clear: long, body: Body::Sealed(vec![0; 256 * 1024 + 28]) };
        assert!(envelope.line().len() < LINE_BYTES_MAX);
        assert_eq!(Envelope::parse(&envelope.line()), Ok(envelope));
    }

    #[test]
    fn anything_else_is_no_envelope() {
        for (from, to, want) in [
            (r#""v":1"#, r#""v":2"#, "envelope version 2 is not known"),
            (r#","epoch":0"#, "", "missing field `epoch`"),
            (r#","epoch":0"#, r#","epoch":0,"extra":1"#, "unknown field `extra`"),
            (r#""v":1,"#, r#""v": 1,"#, "not written as this program"),
            (r#","open":{"token":"s72594_4483"}"#, "", "it has no payload"),
            (r#""s72594_4483"}}"#, r#""s72594_4483""#, "its end is missing"),
            (r#","open":{"token":"s72594_4483"}"#, r#","sealed":"AAAA""#, "has a key slot"),
            ("sync-matrix", "sync", "not a stream name"),
        ] {
            let line = OPEN.replace(from, to);
            let error = Envelope::parse(line.as_bytes()).expect_err("is refused");
            assert!(error.contains(want), "{line}: {error}, not {want}");
        }
    }

    #[test]
    fn a_seal_holds_only_where_it_was_put() {
        let (key, other) = (SlotKey::new([1; 32]), SlotKey::new([2; 32]));
        let sealed = seal(&key, [3; 12], b"clear", b"secret");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&sealed),
            "030303030303030303030303cab52bad6d733733fb39bebb1bd3f6d6d27d89bc6535",
            "what is sealed today is read in ten years"
        );
        assert_eq!(unseal(&key, b"clear", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(unseal(&key, b"cleas", &sealed), None);
        assert_eq!(unseal(&other, b"clear", &sealed), None);
        assert_eq!(unseal(&key, b"clear", &sealed[..20]), None);
        assert_eq!(unseal(&key, b"clear", b"short"), None);
    }

    #[test]
    fn commitments_are_keyed_for_what_is_sealed() {
        assert_eq!(
            digest(b"{}"),
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(
            commitment(&[1; 32], b"{}"),
            "194654572204e84cae356a80506050efc766bf713bd25a988db66dea5960a49e"
        );
    }
}
