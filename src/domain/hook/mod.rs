//! Hooks: named doors through which other programs post what happened; who may, and how they prove it (pure).

pub mod body;
pub mod proof;
pub mod rate;

use serde_json::{Map, Value};

use super::id::DedupeKey;
use super::named::NamedEvent;

/// Most hooks of a configuration.
pub const HOOKS_MAX: usize = 256;
/// Longest name of a hook in bytes.
pub const HOOK_NAME_BYTES_MAX: usize = 60;
/// Most headers that a hook takes over.
pub const HEADERS_TAKEN_MAX: usize = 16;
/// Longest delivery id in bytes.
pub const DELIVERY_BYTES_MAX: usize = 200;
/// What the name of a hook's trigger begins with.
pub const TRIGGER: &str = "webhook.";
/// Headers that are never taken over: they hold what proves who somebody is.
pub const HEADERS_NEVER: [&str; 4] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// A hook as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name, the end of its address.
    pub name: String,
    /// The word for how senders prove who they are.
    pub kind: &'static str,
    /// How senders prove who they are.
    pub auth: Auth,
    /// The header that names a delivery: the same name is the same delivery.
    pub delivery_header: Option<String>,
    /// The headers that rules get to see, in small letters.
    pub headers: Vec<String>,
    /// How many deliveries it takes in a minute.
    pub per_minute: u32,
    /// Without a proof it is open to other machines too.
    pub open: bool,
}

/// How senders prove who they are; secrets by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// They do not.
    None,
    /// A header holds the secret.
    Bearer {
        /// The secret.
        secret: String,
        /// The header.
        header: String,
        /// What stands before the secret.
        prefix: String,
    },
    /// A user and the secret as the password.
    Basic {
        /// The secret.
        secret: String,
        /// The user.
        user: String,
    },
    /// The secret signs what is sent.
    Signed(Signature),
}

/// How what is sent is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The secret.
    pub secret: String,
    /// The header that holds the signature.
    pub header: String,
    /// What stands before it.
    pub prefix: String,
    /// The hash in it.
    pub algorithm: Algorithm,
    /// How its bytes are written.
    pub encoding: Encoding,
    /// What is signed: `{body}`, `{timestamp}.{body}`.
    pub content: String,
    /// When it was signed, if that is signed too.
    pub stamp: Option<Stamp>,
}

/// The time in a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The header that holds it.
    pub header: String,
    /// How far it may be from now.
    pub window_ms: i64,
}

/// The hash of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Sha256,
    /// HMAC with SHA-384.
    Sha384,
    /// HMAC with SHA-512.
    Sha512,
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Two digits a byte.
    Hex,
    /// Base64.
    Base64,
}

/// The headers of a request, by their names in small letters.
pub type Head<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

impl Hook {
    /// The name of the secret that it needs.
    pub fn secret(&self) -> Option<&str> {
        match &self.auth {
            Auth::None => None,
            Auth::Bearer { secret, .. } | Auth::Basic { secret, .. } => Some(secret),
            Auth::Signed(signature) => Some(&signature.secret),
        }
    }

    /// The header in which the secret, or what is made with it, comes.
    pub fn proof_header(&self) -> Option<&str> {
        match &self.auth {
            Auth::None => None,
            Auth::Bearer { header, .. } => Some(header),
            Auth::Basic { .. } => Some("authorization"),
            Auth::Signed(signature) => Some(&signature.header),
        }
    }

    /// Whether a form may hold the whole event as JSON in its one field `payload`, as GitHub sends it.
    pub fn payload_in_form(&self) -> bool {
        self.kind == "github"
    }

    /// The id of a delivery, if the sender named it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn delivery(&self, head: Head) -> Result<Option<String>, String> {
        let Some(header) = &self.delivery_header else { return Ok(None) };
        let Some(id) = head(header).map(str::trim).filter(|id| !id.is_empty()) else {
            return Ok(None);
        };
        match id.len() {
            0..=DELIVERY_BYTES_MAX => Ok(Some(id.to_owned())),
            _ => Err(format!(
                "the delivery id in `{header}` has more than {DELIVERY_BYTES_MAX} bytes"
            )),
        }
    }

    /// What makes a delivery the same one when it comes again: its id; else, where the time is signed, what was signed, so
    /// that a recorded request cannot be played again within the window. Without either each delivery is one of its own:
    /// two equal alerts are two alerts.
    pub fn dedupe(
        &self,
        delivery: Option<&str>,
        head: Head,
        body: &[u8],
        nonce: &str,
    ) -> DedupeKey {
        let signed = match &self.auth {
            Auth::Signed(signature) => proof::signed_once(signature, head, body),
            _ => None,
        };
        match (delivery, signed) {
            (Some(delivery), _) => DedupeKey::new(&["hook", &self.name, "delivery", delivery]),
            (None, Some(signed)) => DedupeKey::new(&["hook", &self.name, "signed", &signed]),
            (None, None) => DedupeKey::new(&["hook", &self.name, "once", nonce]),
        }
    }

    /// What happened: the members of the body are the fields, and what else there is stands beside them with an
    /// underscore, always, so that no body can forge it.
    pub fn event(
        &self,
        mut fields: Map<String, Value>,
        head: Head,
        query: Map<String, Value>,
        delivery: Option<&str>,
    ) -> NamedEvent {
        let taken = self.headers.iter().filter_map(|name| {
            let value = head(name)?;
            Some((name.clone(), Value::String(value.to_owned())))
        });
        fields.insert("_headers".into(), Value::Object(taken.collect()));
        fields.insert("_query".into(), Value::Object(query));
        fields.insert("_delivery".into(), delivery.map_or(Value::Null, Value::from));
        NamedEvent {
            name: format!("{TRIGGER}{}", self.name),
            fields,
            source: format!("hook {}", self.name),
        }
    }
}

/// Why a name cannot be that of a hook, if so.
pub fn bad_hook_name(name: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let good = starts && name.len() <= HOOK_NAME_BYTES_MAX && name.chars().all(fits);
    (!good).then(|| {
        format!("a hook's name has 1 to {HOOK_NAME_BYTES_MAX} letters, digits and `._-`, and begins with a letter or digit")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A hook without a proof.
    fn hook() -> Hook {
        Hook {
            name: "ci".into(),
            kind: "none",
            auth: Auth::None,
            delivery_header: Some("x-id".into()),
            headers: vec!["x-event".into(), "x-none".into()],
            per_minute: 60,
            open: false,
        }
    }

    #[test]
    fn names_of_hooks_are_parts_of_an_address() {
        let (longest, long) =
            ("x".repeat(HOOK_NAME_BYTES_MAX), "x".repeat(HOOK_NAME_BYTES_MAX + 1));
        for (name, good) in [
            ("nagios", true),
            ("a.b_c-1", true),
            ("", false),
            (".hidden", false),
            ("a/b", false),
            ("ä", false),
            ("two words", false),
            (longest.as_str(), true),
            (long.as_str(), false),
        ] {
            assert_eq!(bad_hook_name(name).is_none(), good, "{name:?}");
        }
    }

    #[test]
    fn a_delivery_is_the_same_by_its_id_or_by_its_signature() {
        let (id, other) = ("d-1".to_owned(), "x".repeat(DELIVERY_BYTES_MAX + 1));
        let of = |header: &str, value: &str| {
            let (header, value) = (header.to_owned(), value.to_owned());
            move |name: &str| (name == header).then(|| value.clone())
        };
        for (header, value, want) in [
            ("x-id", id.as_str(), Ok(Some("d-1"))),
            ("x-id", "  ", Ok(None)),
            ("x-other", "d-1", Ok(None)),
            ("x-id", other.as_str(), Err(())),
        ] {
            let held = of(header, value);
            let value = held("x-id");
            let head = |name: &str| if name == "x-id" { value.as_deref() } else { None };
            let got = hook().delivery(&head);
            assert_eq!(
                got.as_ref().map(Option::as_deref).map_err(|_| ()),
                want,
                "{header} {value:?}"
            );
        }
        let signed = Hook {
            auth: Auth::Signed(Signature {
                secret: "s".into(),
                header: "x-sig".into(),
                prefix: String::new(),
                algorithm: Algorithm::Sha256,
                encoding: Encoding::Hex,
                content: "{timestamp}.{body}".into(),
                stamp: Some(Stamp { header: "x-at".into(), window_ms: 1 }),
            }),
            delivery_header: None,
            ..hook()
        };
        for (hook, delivery, want) in [
            (hook(), Some("d-1"), "hook|ci|delivery|d-1"),
            (hook(), None, "hook|ci|once|n"),
            (signed.clone(), Some("d-1"), "hook|ci|delivery|d-1"),
        ] {
            assert_eq!(hook.dedupe(delivery, &|_| None, b"{}", "n"), DedupeKey::new(&[want]));
        }
        let once = |signatures: &'static str, at: &'static str, body: &[u8]| {
            let head = move |name: &str| Some(if name == "x-sig" { signatures } else { at });
            signed.dedupe(None, &head, body, "n")
        };
        let first = once("abc", "1", b"{}");
        assert_eq!(once("00, ABC", "1", b"{}"), first, "more signatures make no other delivery");
        assert_ne!(once("abc", "2", b"{}"), first);
        assert_ne!(once("abc", "1", b"[]"), first);
    }

    #[test]
    fn what_stands_beside_the_body_cannot_be_forged() {
        let body =
            json!({ "state": "down", "_headers": { "x-event": "forged" }, "_delivery": "forged" });
        let body = body.as_object().expect("a map").clone();
        let head = |name: &str| (name == "x-event").then_some("push");
        let query = json!({ "a": "1" }).as_object().expect("a map").clone();
        let event = hook().event(body, &head, query, None);
        assert_eq!((event.name.as_str(), event.source.as_str()), ("webhook.ci", "hook ci"));
        let want = json!({
            "state": "down", "_headers": { "x-event": "push" }, "_query": { "a": "1" }, "_delivery": null,
        });
        assert_eq!(Value::Object(event.fields), want);
    }
}
