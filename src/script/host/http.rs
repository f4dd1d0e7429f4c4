//! Requests over HTTP: `http_get`, `http_post`, `http_put`, `http_delete`, and what they give.
//!
//! What is sent stands in the journal; of secrets the name and where it belongs. Whether the host may be reached is
//! asked when it is sent, by whoever sends it.

use std::collections::BTreeMap;

use rhai::{Array, Dynamic, Engine, Map, NativeCallContext};
use serde_json::{Value, json};

use super::super::context::{ARGS_BYTES_MAX, HostResult, effect, error, to_json};
use super::super::journal::Noted;
use super::super::shape::can_be_kept;
use super::data::parse_json;
use super::options::Options;
use super::secret::Secret;
use super::table::{HostFn, Kind, OPTIONS, Opt, Thrown, form, method, opt, p, thrown};
use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::http::{
    self, Body, HEADER_BYTES_MAX, METHODS, REQUEST_HEADERS_MAX, RETRIES, RETRIES_MAX, Request,
    SecretAt, Spot, TIMEOUT_MS, TIMEOUT_MS_MAX, TOO_LARGE, URL_BYTES_MAX,
};

/// Headers that belong to the connection and not to the script.
const NOT_THE_SCRIPTS: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "accept-encoding",
];

const HEADERS: Opt = opt(
    "headers",
    Kind::Map,
    "its headers; a value may be `secret(name)`: `#{ \"X-Api-Key\": secret(\"cloud/key\") }`",
);
const AUTH: Opt = opt(
    "auth",
    Kind::Any,
    "`secret(name)` for a bearer token, `#{ user: \"bot\", password: secret(name) }`, or `#{ scheme: \"Token\", token: secret(name) }`",
);
const TIMEOUT: Opt =
    opt("timeout", Kind::Duration, "how long it may take in all; half a minute without it");
const RETRY: Opt = opt(
    "retries",
    Kind::Int,
    "how often it is tried again if it failed for a while and may be repeated; 3 without it",
);
const JSON: Opt =
    opt("json", Kind::Any, "a value that is sent as JSON; a value inside may be `secret(name)`");
const BODY: Opt = opt("body", Kind::Text, "a text that is sent instead");
const EFFECT: Opt =
    opt("effect", Kind::Text, "whether it may be repeated: \"once\", \"idempotent\" or \"read\"");
const WITHOUT_BODY: &[Opt] = &[HEADERS, AUTH, TIMEOUT, RETRY, EFFECT];
const WITH_BODY: &[Opt] = &[JSON, BODY, HEADERS, AUTH, TIMEOUT, RETRY, EFFECT];

const ERRORS: &[Thrown] = &[
    thrown("not_allowed", "the host is not listed under [http], or leads to a private address"),
    thrown("not_started", "a secret is not there: nothing was sent"),
    thrown("unreachable", "there was no connection: nothing was sent"),
    thrown("timed_out", "it took too long and was broken off"),
    thrown("too_large", "the request is larger than the log takes, or the response than 4 MiB"),
    thrown("failed", "the connection broke, or what came back is no HTTP"),
    thrown("in_doubt", "the bot died while it ran, and it must not be repeated"),
];
const FORMS: &[super::table::Form] =
    &[form(&[p("url", Kind::Text)], Kind::Map), form(&[p("url", Kind::Text), OPTIONS], Kind::Map)];
const REQUESTS: HostFn = HostFn { forms: FORMS, errors: ERRORS, ..HostFn::WAITS };

/// How scripts make requests.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "http_get",
        options: WITHOUT_BODY,
        class: Some(EffectClass::Read),
        help: "Fetches a URL and gives `#{ status, ok, headers, body }`; a status such as 404 is no error, `ok` says whether it is from 200 to 299.",
        example: "let r = http_get(\"https://api.example.org/hosts/web001\", #{ auth: secret(\"cloud/token\") });\nif r.ok { reply(r.json().key); } else { reply(`no: ${r.status}`); }",
        ..REQUESTS
    },
    HostFn {
        name: "http_post",
        options: WITH_BODY,
        class: Some(EffectClass::Once),
        help: "Sends a value to a URL. It is done once: in doubt it is not repeated, unless `effect` says that it may be. It carries the header `Idempotency-Key`.",
        example: "let r = http_post(\"https://jira.example.org/issue\", #{ json: #{ title: \"disk full\" }, auth: #{ user: \"bot\", password: secret(\"jira/token\") } });\nreply(r.json().key);",
        ..REQUESTS
    },
    HostFn {
        name: "http_put",
        options: WITH_BODY,
        class: Some(EffectClass::Idempotent),
        help: "Puts a value to a URL; it may be repeated.",
        example: "http_put(\"https://api.example.org/lights/1\", #{ json: #{ on: true }, timeout: \"5s\" });",
        ..REQUESTS
    },
    HostFn {
        name: "http_delete",
        options: WITH_BODY,
        class: Some(EffectClass::Idempotent),
        help: "Deletes what is at a URL; it may be repeated.",
        example: "let r = http_delete(\"https://api.example.org/silences/7\");\nif r.status == 404 { reply(\"it was gone already\"); }",
        ..REQUESTS
    },
    HostFn {
        name: "json",
        forms: &[method(p("response", Kind::Map), &[], Kind::Any)],
        errors: &[thrown("", "its body is not JSON, or was cut off because it is too long")],
        help: "The body of a response, read as JSON.",
        example: "let r = http_get(\"https://api.example.org/status\");\nreply(r.json().key);",
        ..HostFn::PURE
    },
];

pub(super) fn register(engine: &mut Engine) {
    for (name, method, class) in METHODS.iter().copied() {
        engine
            .register_fn(name, move |call: NativeCallContext, url: &str| {
                send(&call, (name, method, class), url, &Map::new())
            })
            .register_fn(name, move |call: NativeCallContext, url: &str, options: Map| {
                send(&call, (name, method, class), url, &options)
            });
    }
    engine.register_fn("json", |call: NativeCallContext, response: &mut Map| read(&call, response));
}

fn send(
    call: &NativeCallContext,
    (name, method, class): (&'static str, &str, EffectClass),
    url: &str,
    options: &Map,
) -> HostResult {
    let options = Options::of(call, name, options)?;
    let class = match options.text("effect")?.as_deref() {
        None => class,
        Some("once") => EffectClass::Once,
        Some("idempotent") => EffectClass::Idempotent,
        Some("read") => EffectClass::Read,
        Some(_) => return Err(options.error("`effect` is \"once\", \"idempotent\" or \"read\"")),
    };
    let mut request = Request {
        action: http::action(method, url),
        method: method.to_owned(),
        url: checked(call, url)?,
        headers: BTreeMap::new(),
        body: None,
        secrets: vec![],
        timeout_ms: options.duration("timeout")?.unwrap_or(TIMEOUT_MS),
        retries: retries(&options)?,
    };
    if !(1..=TIMEOUT_MS_MAX).contains(&request.timeout_ms) {
        let most = TIMEOUT_MS_MAX / 60_000;
        return Err(
            options.error(format!("`timeout` is more than nothing and {most} minutes at most"))
        );
    }
    headers(&options, &mut request)?;
    auth(&options, &mut request)?;
    if name != "http_get" {
        body(call, &options, &mut request)?;
    }
    let args = json!(request);
    let bytes = args.to_string().len();
    effect(call, name, if bytes > ARGS_BYTES_MAX { short(&request) } else { args }, 1, |_, _| {
        match bytes > ARGS_BYTES_MAX {
            true => Noted::Done(EffectResult::Err(too_large(&request, bytes))),
            false => Noted::Waits { class, due: None },
        }
    })
}

/// What the journal keeps of a request that does not fit into it.
fn short(request: &Request) -> Value {
    json!({ "action": request.action, "method": request.method })
}

fn too_large(request: &Request, bytes: usize) -> Value {
    let what = format!(
        "{} would carry {bytes} bytes with its headers, and {ARGS_BYTES_MAX} at most are sent; an action can send more",
        request.action
    );
    http::error(TOO_LARGE, &request.action, &what)
}

/// A URL that can be asked for; whether its host may be reached is another question.
fn checked(call: &NativeCallContext, url: &str) -> HostResult<String> {
    let wrong = |what: String| Err(error(call, what));
    let scheme = url.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let Some((_, rest)) = scheme.filter(|(scheme, _)| scheme == "http" || scheme == "https") else {
        return wrong(format!(
            "`{}` is no URL: it begins with http:// or https://",
            super::super::run::shortened(url, 100)
        ));
    };
    if url.len() > URL_BYTES_MAX {
        return wrong(format!("a URL has {URL_BYTES_MAX} bytes at most, this one {}", url.len()));
    }
    if url.chars().any(|c| c.is_control() || c == ' ' || c == '\\') {
        return wrong(
            "a URL has no spaces and no control characters: `url_encode` what is put into it"
                .into(),
        );
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.contains('@') {
        true => wrong("a URL names no user and no password: give them as `auth`".into()),
        false => Ok(url.to_owned()),
    }
}

fn retries(options: &Options) -> HostResult<u32> {
    let Some(given) = options.int("retries")? else { return Ok(RETRIES) };
    u32::try_from(given)
        .ok()
        .filter(|given| *given <= RETRIES_MAX)
        .ok_or_else(|| options.error(format!("`retries` is a number from 0 to {RETRIES_MAX}")))
}

fn headers(options: &Options, request: &mut Request) -> HostResult<()> {
    let given = options.map("headers")?.unwrap_or_default();
    if given.len() > REQUEST_HEADERS_MAX {
        return Err(options.error(format!("a request has {REQUEST_HEADERS_MAX} headers at most")));
    }
    for (name, value) in given {
        let lower = name.to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(fits) {
            return Err(options.error(format!("`{name}` is no name of a header")));
        }
        if NOT_THE_SCRIPTS.contains(&lower.as_str()) || lower.starts_with("proxy-") {
            return Err(options.error(format!("the header `{name}` is not the script's to set")));
        }
        if let Some(secret) = value.clone().try_cast::<Secret>() {
            let at = Spot::Header(name.to_string());
            request.secrets.push(SecretAt { name: secret.name().to_owned(), at });
            continue;
        }
        let text = value.into_string().map_err(|_| {
            options.error(format!("the header `{name}` is a text, or `secret(name)`"))
        })?;
        if text.chars().any(char::is_control) || text.len() > HEADER_BYTES_MAX {
            let what = "has no control characters and no line breaks";
            return Err(options.error(format!(
                "the header `{name}` {what}, and {HEADER_BYTES_MAX} bytes at most"
            )));
        }
        request.headers.insert(name.to_string(), text);
    }
    Ok(())
}

fn auth(options: &Options, request: &mut Request) -> HostResult<()> {
    let Some(given) = options.get("auth") else { return Ok(()) };
    let wrong = || {
        options.error(
            "`auth` is secret(name), #{ user: \"bot\", password: secret(name) }, or #{ scheme: \"Token\", token: secret(name) }",
        )
    };
    let mut note = |secret: Secret, at: Spot| {
        request.secrets.push(SecretAt { name: secret.name().to_owned(), at });
    };
    if let Some(secret) = given.clone().try_cast::<Secret>() {
        note(secret, Spot::Scheme("Bearer".into()));
        return Ok(());
    }
    let map = given.clone().try_cast::<Map>().ok_or_else(wrong)?;
    let text = |name: &str| map.get(name).and_then(|it| it.clone().into_string().ok());
    let secret = |name: &str| map.get(name).and_then(|it| it.clone().try_cast::<Secret>());
    let word = |it: &String| !it.is_empty() && it.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    match (text("user"), secret("password"), text("scheme"), secret("token"), map.len()) {
        (Some(user), Some(password), None, None, 2) if !user.contains(':') => {
            note(password, Spot::Password(user));
        }
        (None, None, Some(scheme), Some(token), 2) if word(&scheme) => {
            note(token, Spot::Scheme(scheme));
        }
        (None, None, None, Some(token), 1) => note(token, Spot::Scheme("Bearer".into())),
        _ => return Err(wrong()),
    }
    Ok(())
}

fn body(call: &NativeCallContext, options: &Options, request: &mut Request) -> HostResult<()> {
    let text = options.text("body")?;
    let Some(value) = options.get("json") else {
        request.body = text.map(Body::Text);
        return Ok(());
    };
    if text.is_some() {
        return Err(options.error("a request carries `json` or `body`, not both"));
    }
    if !can_be_kept(value) {
        // Says so in the words of everything that is kept.
        return to_json(call, value).map(drop);
    }
    let mut found = vec![];
    let bare = without_secrets(value, &mut String::new(), &mut found);
    request.secrets.extend(found);
    request.body = Some(Body::Json(to_json(call, &bare)?));
    Ok(())
}

/// A value with nothing where secrets are, and where that is.
///
/// Its depth was looked at: it ends.
fn without_secrets(value: &Dynamic, at: &mut String, found: &mut Vec<SecretAt>) -> Dynamic {
    let value = value.flatten_clone();
    if let Some(secret) = value.clone().try_cast::<Secret>() {
        found.push(SecretAt { name: secret.name().to_owned(), at: Spot::Json(at.clone()) });
        return Dynamic::UNIT;
    }
    let inside = |name: &str, value: &Dynamic, at: &mut String, found: &mut Vec<SecretAt>| {
        let end = at.len();
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let bare = without_secrets(value, at, found);
        at.truncate(end);
        bare
    };
    if let Some(map) = value.read_lock::<Map>() {
        let bare = map.iter().map(|(name, it)| (name.clone(), inside(name, it, at, found)));
        return Dynamic::from_map(bare.collect());
    }
    if let Some(items) = value.read_lock::<Array>() {
        let bare = items.iter().enumerate();
        let bare = bare.map(|(nth, it)| inside(&nth.to_string(), it, at, found));
        return Dynamic::from_array(bare.collect());
    }
    value
}

fn read(call: &NativeCallContext, response: &Map) -> HostResult {
    let body = response.get("body").and_then(|it| it.clone().into_string().ok());
    let Some(body) = body else {
        return Err(error(call, "`json` reads what `http_get` and its like gave: it has no body"));
    };
    let cut = response.get("cut").and_then(|it| it.as_bool().ok()).unwrap_or(false);
    if cut {
        let what = "the body is too long to be kept as a whole, so it cannot be read as JSON: ask for less of it";
        return Err(error(call, what));
    }
    parse_json(call, &body)
}

#[cfg(test)]
mod tests {
    use super::super::trial;
    use super::*;
    use crate::script::run::End;

    fn asked(call: &str) -> Result<(String, Value), String> {
        let trial = trial::body(call);
        match (trial.end, trial.entries.first()) {
            (End::Failed(why), _) => Err(why.message),
            (_, Some(entry)) => Ok((entry.op.clone(), entry.args.clone())),
            (end, None) => Err(format!("{end:?}")),
        }
    }

    #[test]
    fn requests_name_their_secrets_and_where_they_belong() {
        let (op, args) = asked(
            r#"http_post("https://a.example/x?k=1", #{ json: #{ "a/b": [1, secret("in/json")], t: "x" },
                headers: #{ "X-Key": secret("in/header"), Accept: "y" }, auth: secret("token"), timeout: "5s", retries: 0 })"#,
        )
        .expect("it is right");
        assert_eq!(op, "http_post");
        let want = json!({
            "action": "POST https://a.example/x", "method": "POST", "url": "https://a.example/x?k=1",
            "headers": { "Accept": "y" }, "body": { "json": { "a/b": [1, null], "t": "x" } },
            "secrets": [
                { "name": "in/header", "at": { "header": "X-Key" } },
                { "name": "token", "at": { "scheme": "Bearer" } },
                { "name": "in/json", "at": { "json": "/a~1b/1" } },
            ],
            "timeout_ms": 5_000, "retries": 0,
        });
        assert_eq!(args, want);
        for (auth, at) in [
            (r#"#{ user: "ann", password: secret("token") }"#, json!({ "password": "ann" })),
            (
                r#"#{ scheme: "Token token=", token: secret("token") }"#,
                json!({ "scheme": "Token token=" }),
            ),
            (r#"#{ token: secret("token") }"#, json!({ "scheme": "Bearer" })),
        ] {
            let call = format!(r#"http_get("https://a.example", #{{ auth: {auth} }})"#);
            let (_, args) = asked(&call).expect("it is right");
            assert_eq!(args["secrets"][0]["at"], at, "{auth}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        for (call, want) in [
            (r#"http_get("ftp://a.example")"#, "begins with http:// or https://"),
            (r#"http_get("a.example")"#, "begins with http:// or https://"),
            (r#"http_get("https://ann:pw@a.example/")"#, "give them as `auth`"),
            (r#"http_get("https://a.example/a b")"#, "no spaces"),
            (r#"http_get("https://a.example\\@b.example/")"#, "no spaces"),
            (r#"http_get("https://a.example", #{ headers: #{ Host: "b" } })"#, "not the script's"),
            (
                r#"http_get("https://a.example", #{ headers: #{ "Proxy-Authorization": "b" } })"#,
                "not the script's",
            ),
            (
                r#"http_get("https://a.example", #{ headers: #{ "A b": "b" } })"#,
                "is no name of a header",
            ),
            (
                r#"http_get("https://a.example", #{ headers: #{ A: "b\r\nC: d" } })"#,
                "no line breaks",
            ),
            (
                r#"http_get("https://a.example", #{ headers: #{ A: 1 } })"#,
                "is a text, or `secret(name)`",
            ),
            (r#"http_get("https://a.example", #{ json: 1 })"#, "has no option `json`"),
            (r#"http_get("https://a.example", #{ auth: "token" })"#, "`auth` is secret(name)"),
            (
                r#"http_get("https://a.example", #{ auth: #{ user: "a:b", password: secret("token") } })"#,
                "`auth` is secret(name)",
            ),
            (
                r#"http_get("https://a.example", #{ auth: #{ user: "a", password: "b" } })"#,
                "`auth` is secret(name)",
            ),
            (r#"http_get("https://a.example", #{ timeout: "6m" })"#, "5 minutes at most"),
            (r#"http_get("https://a.example", #{ timeout: 0 })"#, "more than nothing"),
            (r#"http_get("https://a.example", #{ retries: 11 })"#, "from 0 to 10"),
            (r#"http_get("https://a.example", #{ effect: "twice" })"#, "`effect` is \"once\""),
            (r#"http_post("https://a.example", #{ json: 1, body: "1" })"#, "not both"),
            (
                r#"http_post("https://a.example", #{ body: secret("token") })"#,
                "`body` of `http_post` is a text",
            ),
            (r#"http_post(secret("token"))"#, "no form of `http_post`"),
            (r#"http_post("https://a.example/" + secret("token"))"#, "cannot be shown"),
            (r#"#{ body: "x", cut: true }.json()"#, "ask for less of it"),
            (r#"#{ status: 1 }.json()"#, "has no body"),
            (r#"#{ body: "<html>" }.json()"#, "JSON"),
        ] {
            let told = asked(call).expect_err(call);
            assert!(told.contains(want), "{call}: {told}");
        }
    }

    #[test]
    fn requests_are_bounded() {
        let headers = |n: usize| {
            let all: Vec<String> = (0..n).map(|n| format!("h{n}: \"x\"")).collect();
            format!(r#"http_get("https://a.example", #{{ headers: #{{ {} }} }})"#, all.join(", "))
        };
        let value = |n: usize| {
            format!(
                r#"http_get("https://a.example", #{{ headers: #{{ A: "{}" }} }})"#,
                "x".repeat(n)
            )
        };
        let url = |n: usize| {
            let start = "https://a.example/";
            format!(r#"http_get("{start}{}")"#, "x".repeat(n - start.len()))
        };
        for (make, most) in [
            (&headers as &dyn Fn(usize) -> String, REQUEST_HEADERS_MAX),
            (&value, HEADER_BYTES_MAX),
            (&url, URL_BYTES_MAX),
        ] {
            assert!(asked(&make(most)).is_ok(), "{most} fit");
            let told = asked(&make(most + 1)).expect_err("one more does not");
            assert!(told.contains("at most"), "{told}");
        }
        let retries =
            |n: u32| asked(&format!(r#"http_get("https://a.example", #{{ retries: {n} }})"#));
        assert!(retries(RETRIES_MAX).is_ok() && retries(RETRIES_MAX + 1).is_err());
    }

    #[test]
    fn what_the_log_does_not_take_is_an_error_of_its_own() {
        for (bytes, want) in [(90 * 1024, "ok"), (ARGS_BYTES_MAX, "too_large")] {
            let body = format!(
                r#"let t = "x"; t.pad({bytes}, 'x'); let got = "ok";
                try {{ http_post("https://a.example/x", #{{ body: t }}); }} catch (e) {{ got = e.kind; }}
                got"#
            );
            assert_eq!(trial::given(&body), format!("\"{want}\""), "{bytes}");
        }
    }
}
