//! Proofs of senders: what is believed, and what is not.

use std::collections::BTreeMap;

use super::*;

/// 2 March 2026, 09:00 UTC.
const NOW: Timestamp = Timestamp(1_772_442_000_000);
const SECRET: &str = "It's a Secret to Everybody";

fn hook(auth: Auth) -> Hook {
    Hook {
        name: "h".into(),
        kind: "hmac",
        auth,
        delivery_header: Some("x-id".into()),
        headers: vec![],
        per_minute: 60,
        open: false,
    }
}

fn signature(content: &str, stamp: Option<i64>) -> Signature {
    Signature {
        secret: "name".into(),
        header: "x-hub-signature-256".into(),
        prefix: "sha256=".into(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        content: content.into(),
        stamp: stamp.map(|window_ms| Stamp { header: "x-at".into(), window_ms }),
    }
}

fn told(hook: &Hook, headers: &[(&str, &str)], body: &str) -> String {
    let headers: BTreeMap<&str, &str> = headers.iter().copied().collect();
    let head = |name: &str| headers.get(name).copied();
    match check(hook, SECRET, &head, body.as_bytes(), NOW) {
        Ok(()) => "believed".into(),
        Err(denied) => {
            assert!(!format!("{denied:?}").contains(SECRET), "{denied:?}");
            denied.what
        }
    }
}

/// The example of GitHub's documentation, "Validating webhook deliveries".
#[test]
fn the_documented_signature_is_believed_and_no_other() {
    const GOOD: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let hook = hook(Auth::Signed(signature("{body}", None)));
    let wrong = "the signature does not fit what was sent";
    for (given, body, want) in [
        (format!("sha256={GOOD}"), "Hello, World!", "believed"),
        (format!("sha256={}", GOOD.to_uppercase()), "Hello, World!", "believed"),
        (format!("sha256=00, sha256={GOOD}"), "Hello, World!", "believed"),
        (format!("sha256={GOOD}"), "Hello, world!", wrong),
        (format!("sha256={}6", &GOOD[..63]), "Hello, World!", wrong),
        (format!("sha256={}", &GOOD[..62]), "Hello, World!", wrong),
        (GOOD.to_owned(), "Hello, World!", wrong),
        (String::new(), "Hello, World!", wrong),
    ] {
        assert_eq!(told(&hook, &[("x-hub-signature-256", &given)], body), want, "{given} {body}");
    }
    assert_eq!(told(&hook, &[], "Hello, World!"), "there is no header `x-hub-signature-256`");
    let most = format!("{}sha256={GOOD}", "sha256=00,".repeat(SIGNATURES_MAX - 1));
    assert_eq!(told(&hook, &[("x-hub-signature-256", &most)], "Hello, World!"), "believed");
    let more = format!("sha256=00,{most}");
    assert_eq!(told(&hook, &[("x-hub-signature-256", &more)], "Hello, World!"), wrong);
}

#[test]
fn what_was_signed_long_ago_or_in_the_future_is_refused() {
    let hook = hook(Auth::Signed(signature("{timestamp}.{body}", Some(300_000))));
    for (off_s, want) in [
        (0, "believed"),
        (-300, "believed"),
        (300, "believed"),
        (-301, "the time in `x-at` is 301 s from now"),
        (301, "the time in `x-at` is 301 s from now"),
    ] {
        let headers = prove(&hook, SECRET, "d", b"body", NOW.plus_ms(off_s * 1000));
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told(&hook, &headers, "body"), want, "{off_s}");
        // The time is signed with the rest.
        let moved: Vec<(&str, &str)> = headers
            .iter()
            .map(
                |(name, value)| {
                    if *name == "x-at" { (*name, "1772442001") } else { (*name, *value) }
                },
            )
            .collect();
        assert_eq!(told(&hook, &moved, "body"), "the signature does not fit what was sent");
    }
}

#[test]
fn times_are_read_as_senders_write_them() {
    for (text, want) in [
        ("1772442000", Some(1_772_442_000_000)),
        ("1772442000123", Some(1_772_442_000_123)),
        (" 2026-03-02T09:00:00Z ", Some(1_772_442_000_000)),
        ("2026-03-02T10:00:00+01:00", Some(1_772_442_000_000)),
        ("-5", None),
        ("", None),
        ("soon", None),
    ] {
        assert_eq!(read_stamp(text).map(|at| at.0), want, "{text:?}");
    }
}

#[test]
fn every_way_to_prove_is_believed_and_nothing_else() {
    let signed = |algorithm, encoding, prefix: &str, content: &str| {
        let stamp = content.contains("{timestamp}").then_some(1_000);
        let usual = signature(content, stamp);
        Auth::Signed(Signature { algorithm, encoding, prefix: prefix.into(), ..usual })
    };
    let bearer = |header: &str, prefix: &str| Auth::Bearer {
        secret: "name".into(),
        header: header.into(),
        prefix: prefix.into(),
    };
    for auth in [
        bearer("authorization", "Bearer "),
        bearer("x-gitlab-token", ""),
        Auth::Basic { secret: "name".into(), user: "alert:manager".replace(':', "") },
        signed(Algorithm::Sha256, Encoding::Base64, "", "{body}"),
        signed(Algorithm::Sha384, Encoding::Hex, "sha384=", "{body}"),
        signed(Algorithm::Sha512, Encoding::Base64, "v1,", "{delivery}.{timestamp}.{body}"),
        signed(Algorithm::Sha256, Encoding::Hex, "v0=", "v0:{timestamp}:{body}"),
    ] {
        let hook = hook(auth);
        let good = prove(&hook, SECRET, "d-1", b"{}", NOW);
        let bad = prove(&hook, "another secret", "d-1", b"{}", NOW);
        let borrowed = |headers: &[(String, String)]| -> Vec<(String, String)> { headers.to_vec() };
        for (headers, want) in [(borrowed(&good), true), (borrowed(&bad), false), (vec![], false)] {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(told(&hook, &headers, "{}") == "believed", want, "{hook:?} {headers:?}");
        }
    }
}

#[test]
fn only_whole_secrets_open() {
    let bearer = hook(Auth::Bearer {
        secret: "name".into(),
        header: "authorization".into(),
        prefix: "Bearer ".into(),
    });
    let basic = hook(Auth::Basic { secret: "name".into(), user: "ann".into() });
    let coded = |text: &str| format!("Basic {}", BASE64.encode(text));
    let with_more = format!("Bearer {SECRET}x");
    for (hook, given, want) in [
        (&bearer, format!("bearer {SECRET}"), true),
        (&bearer, with_more, false),
        (&bearer, format!("Bearer {}", &SECRET[1..]), false),
        (&bearer, SECRET.to_owned(), false),
        (&bearer, "Bearer ".to_owned(), false),
        (&bearer, "B\u{e4}".to_owned(), false),
        (&basic, coded(&format!("ann:{SECRET}")), true),
        (&basic, coded(&format!("ben:{SECRET}")), false),
        (&basic, coded("ann:"), false),
        (&basic, coded("ann"), false),
        (&basic, "Basic %%%".to_owned(), false),
        (&basic, format!("Bearer {SECRET}"), false),
    ] {
        let got = told(hook, &[("authorization", &given)], "") == "believed";
        assert_eq!(got, want, "{given}");
    }
}

#[test]
fn names_in_what_is_signed_stand_for_what_was_sent() {
    for (template, want) in [
        ("{body}", "B{timestamp}"),
        ("{timestamp}.{body}", "T.B{timestamp}"),
        ("v0:{timestamp}:{body}", "v0:T:B{timestamp}"),
        ("{delivery}.{timestamp}.{body}", "D.T.B{timestamp}"),
        ("{other}{body", "{other}{body"),
    ] {
        let got = content(template, "T", "D", b"B{timestamp}");
        assert_eq!(String::from_utf8(got).unwrap(), want, "{template}");
    }
}
