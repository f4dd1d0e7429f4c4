//! Texts: patterns, durations, times, encodings. Nothing here takes longer than its text is long.

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::{Regex, RegexBuilder};
use rhai::{Array, Dynamic, Engine, Map, NativeCallContext};
use sha2::{Digest, Sha256};

use super::super::context::{HostResult, error};
use super::super::engine::ARRAY_ITEMS_MAX;
use super::super::memory::uncounted;
use super::data::fitting;
use super::milliseconds;
use super::table::{HostFn, Kind, form, p, thrown};

/// Longest pattern in bytes.
pub const PATTERN_BYTES_MAX: usize = 1_000;
/// Longest text that is looked through with a pattern, in bytes.
pub const SEARCHED_BYTES_MAX: usize = 64 * 1024;
/// Largest compiled pattern in bytes.
const COMPILED_BYTES_MAX: usize = 128 * 1024;
/// Most compiled patterns that a thread keeps.
const COMPILED_MAX: usize = 16;

const PATTERN: &[super::table::Thrown] =
    &[thrown("", "the pattern is wrong or too large, or the text is too long")];

/// What a script can do with texts.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "matches",
        forms: &[form(&[p("regex", Kind::Text), p("text", Kind::Text)], Kind::Bool)],
        errors: PATTERN,
        help: "Whether a regular expression fits somewhere in a text; `^` and `$` tie it to the ends.",
        example: "if matches(`^web\\d+$`, args.name) { reply(\"a web server\"); }",
        ..HostFn::PURE
    },
    HostFn {
        name: "captures",
        forms: &[form(&[p("regex", Kind::Text), p("text", Kind::Text)], Kind::Any)],
        errors: PATTERN,
        help: "What the groups of a regular expression hold: a map by their names, else a list with the whole match first; () if it does not fit.",
        example: "let found = captures(`(?<kind>[a-z]+)(?<number>\\d+)`, args.name);\nif found != () { reply(found.number); }",
        ..HostFn::PURE
    },
    HostFn {
        name: "glob",
        forms: &[form(&[p("pattern", Kind::Text), p("text", Kind::Text)], Kind::Bool)],
        errors: PATTERN,
        help: "Whether a text fits a pattern of words, `*` for any text and `?` for one character.",
        example: "if glob(\"web*\", args.name) { reply(\"a web server\"); }",
        ..HostFn::PURE
    },
    HostFn {
        name: "duration",
        forms: &[form(&[p("text", Kind::Duration)], Kind::Number)],
        errors: &[thrown("", "it is no duration")],
        help: "A duration in seconds.",
        example: "sleep(duration(\"1m30s\") * 2);",
        ..HostFn::PURE
    },
    HostFn {
        name: "base64",
        forms: &[form(&[p("text", Kind::Text)], Kind::Text)],
        help: "A text in base64.",
        example: "reply(base64(\"ann:secret\"));",
        ..HostFn::PURE
    },
    HostFn {
        name: "base64_decode",
        forms: &[form(&[p("text", Kind::Text)], Kind::Text)],
        errors: &[thrown("", "it is not base64, or holds no text")],
        help: "The text that base64 holds.",
        example: "reply(base64_decode(\"aGVsbG8=\"));",
        ..HostFn::PURE
    },
    HostFn {
        name: "sha256",
        forms: &[form(&[p("text", Kind::Text)], Kind::Text)],
        help: "The SHA-256 of a text, in hexadecimal.",
        example: "reply(sha256(\"hello\"));",
        ..HostFn::PURE
    },
    HostFn {
        name: "url_encode",
        forms: &[form(&[p("text", Kind::Text)], Kind::Text)],
        help: "A text as a part of an address.",
        example: "reply(`https://example.org/search?q=${url_encode(\"a b & c\")}`);",
        ..HostFn::PURE
    },
    HostFn {
        name: "lines",
        forms: &[form(&[p("text", Kind::Text)], Kind::List)],
        errors: &[thrown("", "there are too many")],
        help: "The lines of a text.",
        example: "for line in lines(\"one\\ntwo\") { reply(line); }",
        ..HostFn::PURE
    },
];

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("matches", |call: NativeCallContext, pattern: &str, text: &str| {
            with_regex(&call, pattern, text, |regex| uncounted(|| regex.is_match(text)))
        })
        .register_fn("captures", |call: NativeCallContext, pattern: &str, text: &str| {
            with_regex(&call, pattern, text, |regex| captures(regex, text))
        })
        .register_fn("glob", |call: NativeCallContext, pattern: &str, text: &str| {
            bounded(&call, pattern, text).map(|()| glob(pattern, text))
        })
        .register_fn("duration", |call: NativeCallContext, text: Dynamic| {
            let ms = milliseconds(&text).map_err(|why| error(&call, why))?;
            Ok::<Dynamic, Box<rhai::EvalAltResult>>(match ms % 1000 {
                0 => (ms / 1000).into(),
                _ => (ms as f64 / 1000.0).into(),
            })
        })
        .register_fn("base64", |call: NativeCallContext, text: &str| {
            fitting(&call, STANDARD.encode(text))
        })
        .register_fn("base64_decode", |call: NativeCallContext, text: &str| {
            let bytes = STANDARD.decode(text.trim());
            let bytes = bytes.map_err(|why| error(&call, format!("this is not base64: {why}")))?;
            String::from_utf8(bytes).map_err(|_| error(&call, "this base64 holds no text"))
        })
        .register_fn("sha256", |text: &str| {
            data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
        })
        .register_fn("url_encode", |call: NativeCallContext, text: &str| {
            fitting(&call, url_encode(text))
        })
        .register_fn("lines", |call: NativeCallContext, text: &str| lines(&call, text));
}

fn bounded(call: &NativeCallContext, pattern: &str, text: &str) -> HostResult<()> {
    match (pattern.len() > PATTERN_BYTES_MAX, text.len() > SEARCHED_BYTES_MAX) {
        (true, _) => Err(error(call, format!("a pattern may have {PATTERN_BYTES_MAX} bytes"))),
        (_, true) => Err(error(
            call,
            format!(
                "a text to look through may have {SEARCHED_BYTES_MAX} bytes: take `lines` of it"
            ),
        )),
        _ => Ok(()),
    }
}

thread_local! {
    static COMPILED: RefCell<BTreeMap<String, Regex>> = const { RefCell::new(BTreeMap::new()) };
}

/// Uses a pattern, compiled once for a while: scripts use the same one in a loop.
fn with_regex<T>(
    call: &NativeCallContext,
    pattern: &str,
    text: &str,
    take: impl FnOnce(&Regex) -> T,
) -> HostResult<T> {
    bounded(call, pattern, text)?;
    COMPILED.with(|slot| {
        let mut compiled = slot.borrow_mut();
        // They are the thread's and not the script's: they stay for the next one.
        let made = uncounted(|| known(&mut compiled, pattern));
        if let Err(why) = made {
            let told = error(call, why.as_str());
            uncounted(|| drop(why));
            return Err(told);
        }
        Ok(take(&compiled[pattern]))
    })
}

/// Compiles a pattern that is not known yet.
fn known(compiled: &mut BTreeMap<String, Regex>, pattern: &str) -> Result<(), String> {
    if compiled.contains_key(pattern) {
        return Ok(());
    }
    let made = built(pattern)?;
    if compiled.len() >= COMPILED_MAX {
        compiled.clear();
    }
    compiled.insert(pattern.to_owned(), made);
    Ok(())
}

/// Whether a pattern can be used, or why not.
///
/// # Errors
/// What is wrong with it, in words.
pub fn compiled(pattern: &str) -> Result<(), String> {
    match pattern.len() > PATTERN_BYTES_MAX {
        true => Err(format!("a pattern may have {PATTERN_BYTES_MAX} bytes")),
        false => built(pattern).map(drop),
    }
}

fn built(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|why| {
        let why = why.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("the pattern `{pattern}` cannot be used: {why}")
    })
}

fn captures(regex: &Regex, text: &str) -> Dynamic {
    // What a search works with is kept with the pattern, for the next search.
    let Some(found) = uncounted(|| regex.captures(text)) else { return Dynamic::UNIT };
    let value = |found: Option<regex::Match>| found.map_or(Dynamic::UNIT, |it| it.as_str().into());
    let named: Map = regex
        .capture_names()
        .flatten()
        .map(|name| (name.into(), value(found.name(name))))
        .collect();
    let groups = match named.is_empty() {
        true => found.iter().map(value).collect::<Array>().into(),
        false => named.into(),
    };
    uncounted(|| drop(found));
    groups
}

/// Fits a text to a pattern; only the last `*` has to be tried again, so this ends soon.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut on, mut star) = (0, 0, None);
    while on < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, on));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[on] => (at, on) = (at + 1, on + 1),
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, on) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn lines(call: &NativeCallContext, text: &str) -> HostResult<Array> {
    let lines: Array =
        text.lines().take(ARRAY_ITEMS_MAX + 1).map(|line| line.to_owned().into()).collect();
    match lines.len() > ARRAY_ITEMS_MAX {
        true => Err(error(call, format!("a list may have {ARRAY_ITEMS_MAX} items"))),
        false => Ok(lines),
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::given;
    use super::*;

    #[test]
    fn texts_are_looked_at() {
        let mut wrong = vec![];
        for (expression, want) in [
            (r"matches(`^web\d+$`, `web001`)", "true"),
            (r"matches(`^web\d+$`, `web`)", "false"),
            (r"matches(`(`, `web`)", "the pattern `(` cannot be used: unclosed group"),
            (r"captures(`(\w)(\d)?`, `a`)", r#"["a","a",null]"#),
            (r"captures(`(?<k>\w+)-(?<n>\d+)`, `web-1`)", r#"{"k":"web","n":"1"}"#),
            (r"captures(`x`, `web`)", "null"),
            (r#"glob("web*.e?.org", "web1.a.eu.org")"#, "true"),
            (r#"glob("web*.e?.org", "web1.e.org")"#, "false"),
            (r#"glob("*", "")"#, "true"),
            (r#"glob("a*b*c", "aXbYbZc")"#, "true"),
            (r#"glob("?", "")"#, "false"),
            (r#"duration("1m30s")"#, "90"),
            ("duration(0.25)", "0.25"),
            (
                r#"duration("soon")"#,
                "`soon` is not a duration: it has no number where one should be; write for example `15m` or `2h30m`",
            ),
            (r#"base64("ü")"#, "\"w7w=\""),
            (r#"base64_decode("w7w=")"#, "\"ü\""),
            (r#"base64_decode("/w==")"#, "this base64 holds no text"),
            (
                r#"sha256("")"#,
                "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
            ),
            (r#"url_encode("a b/ü~")"#, "\"a%20b%2F%C3%BC~\""),
            (r#"lines("a\nb\r\n")"#, r#"["a","b"]"#),
        ] {
            let is = given(expression);
            if is != want {
                wrong.push(format!("{expression}: {is}, not {want}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn patterns_have_bounds() {
        let engine = super::super::super::engine::engine();
        let eval = |expression: &str, pattern: &str, text: &str| {
            let mut scope = rhai::Scope::new();
            scope.push("pattern", pattern.to_owned()).push("text", text.to_owned());
            engine.eval_with_scope::<Dynamic>(&mut scope, expression).is_ok()
        };
        let tried = |pattern: &str, text: &str| eval("matches(pattern, text)", pattern, text);
        for (pattern, text, fits) in [
            ("x".repeat(PATTERN_BYTES_MAX), String::new(), true),
            ("x".repeat(PATTERN_BYTES_MAX + 1), String::new(), false),
            ("(x+x+)+y".to_owned(), "x".repeat(SEARCHED_BYTES_MAX), true),
            ("x".to_owned(), "x".repeat(SEARCHED_BYTES_MAX + 1), false),
            ("((x{100}){100}){100}".to_owned(), String::new(), false),
        ] {
            assert_eq!(tried(&pattern, &text), fits, "{} {}", pattern.len(), text.len());
        }
        (0..2 * COMPILED_MAX).for_each(|n| assert!(tried(&format!("x{n}"), "x")));
        assert!(COMPILED.with(|slot| slot.borrow().len()) <= COMPILED_MAX);
        for (count, fits) in [(ARRAY_ITEMS_MAX, true), (ARRAY_ITEMS_MAX + 1, false)] {
            assert_eq!(eval("lines(text)", "", &"\n".repeat(count)), fits);
        }
    }
}
