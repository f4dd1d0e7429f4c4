//! Whether a sender proved who they are: secrets in headers and signatures, compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::{Algorithm, Auth, Encoding, Head, Hook, Signature, Stamp};
use crate::domain::id::Timestamp;

/// Most signatures in one header that are looked at: senders put several there while a secret changes.
pub const SIGNATURES_MAX: usize = 8;

/// Why a sender is not believed; nothing of the secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

fn denied(what: impl Into<String>, hint: impl Into<String>) -> Denied {
    Denied { what: what.into(), hint: hint.into() }
}

/// Whether the proof of a hook stands in the headers alone, so that a stranger's body need not be read.
pub fn needs_no_body(auth: &Auth) -> bool {
    !matches!(auth, Auth::Signed(_))
}

/// Looks whether a sender knows the secret of a hook.
///
/// # Errors
/// [`Denied`] if they do not, or if what they signed is too old.
pub fn check(
    hook: &Hook,
    secret: &str,
    head: Head,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Denied> {
    match &hook.auth {
        Auth::None => Ok(()),
        Auth::Bearer { header, prefix, .. } => bearer(secret, header, prefix, head),
        Auth::Basic { user, .. } => basic(secret, user, head),
        Auth::Signed(signature) => {
            let delivery = hook.delivery_header.as_deref().and_then(head).unwrap_or_default();
            signed(signature, secret, head, (body, delivery), now)
        }
    }
}

/// Whether two texts are equal; it takes the same time wherever they differ, and says nothing of their lengths.
fn same(one: &[u8], other: &[u8]) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

fn bearer(secret: &str, header: &str, prefix: &str, head: Head) -> Result<(), Denied> {
    let hint = format!("send the secret of this hook: `{header}: {prefix}…`");
    let Some(given) = head(header) else {
        return Err(denied(format!("there is no header `{header}`"), hint));
    };
    // The word before the secret is no secret, and is written in large and small letters.
    let fits = given.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    let given = if fits { given[prefix.len()..].trim() } else { "" };
    match same(given.as_bytes(), secret.as_bytes()) {
        true => Ok(()),
        false => Err(denied(format!("`{header}` does not hold the secret of this hook"), hint)),
    }
}

fn basic(secret: &str, user: &str, head: Head) -> Result<(), Denied> {
    let hint = "send the user and the password of this hook: `curl --user name:password`";
    let Some(given) = head("authorization") else {
        return Err(denied("there is no header `authorization`", hint));
    };
    let fits = given.get(..6).is_some_and(|it| it.eq_ignore_ascii_case("basic "));
    let coded = if fits { given[6..].trim() } else { "" };
    let decoded = BASE64.decode(coded).unwrap_or_default();
    let split = decoded.iter().position(|byte| *byte == b':').unwrap_or(decoded.len());
    let (name, password) = decoded.split_at(split);
    let password = password.get(1..).unwrap_or_default();
    // Both are compared in any case: that the name is right must not be heard.
    let (name, password) = (same(name, user.as_bytes()), same(password, secret.as_bytes()));
    match name & password {
        true => Ok(()),
        false => Err(denied("user and password are not those of this hook", hint)),
    }
}

fn signed(
    signature: &Signature,
    secret: &str,
    head: Head,
    (body, delivery): (&[u8], &str),
    now: Timestamp,
) -> Result<(), Denied> {
    let header = &signature.header;
    let hint =
        format!("sign the body exactly as it is sent, with the secret of this hook, in `{header}`");
    let Some(given) = head(header) else {
        return Err(denied(format!("there is no header `{header}`"), hint));
    };
    let given_at = |header: &str| head(header).unwrap_or_default();
    let stamp = signature.stamp.as_ref().map(|stamp| (stamp, given_at(&stamp.header)));
    let at = stamp.map_or("", |(_, at)| at);
    let content = content(&signature.content, at, delivery, body);
    let between = |c: char| c == ' ' || (c == ',' && !signature.prefix.contains(','));
    let given =
        given.split(between).map(str::trim).filter_map(|one| one.strip_prefix(&*signature.prefix));
    let mut given = given.take(SIGNATURES_MAX);
    if !given.any(|one| fits(signature, secret, &content, one)) {
        return Err(denied("the signature does not fit what was sent", hint));
    }
    stamp.map_or(Ok(()), |(stamp, at)| fresh(stamp, at, now))
}

/// Only who signed it is told how old it is.
fn fresh(stamp: &Stamp, at: &str, now: Timestamp) -> Result<(), Denied> {
    let header = &stamp.header;
    let Some(at) = read_stamp(at) else {
        let hint = "seconds or milliseconds since 1970, or a time such as 2026-03-02T09:00:00Z";
        return Err(denied(format!("`{header}` does not hold a time"), hint));
    };
    let off_ms = now.0.abs_diff(at.0);
    match off_ms <= stamp.window_ms.unsigned_abs() {
        true => Ok(()),
        false => Err(denied(
            format!("the time in `{header}` is {} s from now", off_ms / 1000),
            format!("it may be {} s; are both clocks right?", stamp.window_ms / 1000),
        )),
    }
}

/// Reads a time as senders write it.
fn read_stamp(text: &str) -> Option<Timestamp> {
    /// A number that is larger counts milliseconds: as seconds it would be the year 5138.
    const SECONDS_MAX: i64 = 100_000_000_000;
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(number) if (0..=SECONDS_MAX).contains(&number) => Some(Timestamp(number * 1000)),
        Ok(number) if number > SECONDS_MAX => Some(Timestamp(number)),
        Ok(_) => None,
        Err(_) => Some(Timestamp(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())),
    }
}

/// What is signed, with what was sent put into the places of its names.
fn content(template: &str, timestamp: &str, delivery: &str, body: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(template.len() + body.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        content.extend(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let names: [(&str, &[u8]); 3] = [
            ("{body}", body),
            ("{timestamp}", timestamp.as_bytes()),
            ("{delivery}", delivery.as_bytes()),
        ];
        let known = names.iter().find(|(name, _)| rest.starts_with(name));
        let (length, bytes) = known.map_or((1, &b"{"[..]), |(name, bytes)| (name.len(), bytes));
        content.extend(bytes);
        rest = &rest[length..];
    }
    content.extend(rest.as_bytes());
    content
}

/// What tells one signed request from every other, if the time is signed: what was signed, not how the signature was
/// written, which whoever plays it again could change.
pub(super) fn signed_once(signature: &Signature, head: Head, body: &[u8]) -> Option<String> {
    let at = head(&signature.stamp.as_ref()?.header).unwrap_or_default();
    Some(HEXLOWER.encode(&Sha256::digest(content(&signature.content, at, "", body))))
}

/// Whether one written signature is that of the content.
fn fits(signature: &Signature, secret: &str, content: &[u8], written: &str) -> bool {
    let bytes = match signature.encoding {
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(written.as_bytes()).ok(),
        Encoding::Base64 => BASE64.decode(written).ok(),
    };
    let Some(bytes) = bytes else { return false };
    let key = secret.as_bytes();
    match signature.algorithm {
        Algorithm::Sha256 => keyed::<Hmac<Sha256>>(key, content).verify_slice(&bytes).is_ok(),
        Algorithm::Sha384 => keyed::<Hmac<Sha384>>(key, content).verify_slice(&bytes).is_ok(),
        Algorithm::Sha512 => keyed::<Hmac<Sha512>>(key, content).verify_slice(&bytes).is_ok(),
    }
}

fn keyed<M: Mac + hmac::digest::KeyInit>(key: &[u8], content: &[u8]) -> M {
    let mut mac = <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(content);
    mac
}

/// The headers that prove to a hook that somebody knows its secret, for what they send now.
pub fn prove(
    hook: &Hook,
    secret: &str,
    delivery: &str,
    body: &[u8],
    now: Timestamp,
) -> Vec<(String, String)> {
    let mut headers = vec![];
    headers.extend(hook.delivery_header.clone().map(|name| (name, delivery.to_owned())));
    match &hook.auth {
        Auth::None => {}
        Auth::Bearer { header, prefix, .. } => {
            headers.push((header.clone(), format!("{prefix}{secret}")));
        }
        Auth::Basic { user, .. } => {
            let coded = BASE64.encode(format!("{user}:{secret}"));
            headers.push(("authorization".into(), format!("Basic {coded}")));
        }
        Auth::Signed(signature) => {
            let at = (now.0 / 1000).to_string();
            let content = content(&signature.content, &at, delivery, body);
            let key = secret.as_bytes();
            let bytes = match signature.algorithm {
                Algorithm::Sha256 => made::<Hmac<Sha256>>(key, &content),
                Algorithm::Sha384 => made::<Hmac<Sha384>>(key, &content),
                Algorithm::Sha512 => made::<Hmac<Sha512>>(key, &content),
            };
            let written = match signature.encoding {
                Encoding::Hex => HEXLOWER.encode(&bytes),
                Encoding::Base64 => BASE64.encode(&bytes),
            };
            headers.extend(signature.stamp.as_ref().map(|stamp| (stamp.header.clone(), at)));
            headers.push((signature.header.clone(), format!("{}{written}", signature.prefix)));
        }
    }
    headers
}

fn made<M: Mac + hmac::digest::KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
    keyed::<M>(key, content).finalize().into_bytes().to_vec()
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
