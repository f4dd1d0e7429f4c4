//! Attacks on the list of hosts, where secrets go, and what a redirect takes with it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::domain::http::SecretAt;

/// Names with addresses of their own, and how often each was looked up.
#[derive(Default)]
struct Book {
    addresses: BTreeMap<&'static str, Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Names for Arc<Book> {
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let found = self.addresses.get(name.as_str()).cloned();
        self.asked.lock().unwrap().push(name);
        Box::pin(
            async move { found.ok_or_else(|| std::io::Error::other("nobody knows this name")) },
        )
    }
}

fn book() -> Arc<Book> {
    let rows = [
        ("api.example.org", "127.0.0.1"),
        ("meta.example.org", "169.254.169.254"),
        ("mapped.example.org", "::ffff:10.0.0.1"),
        ("six.example.org", "fd00::1"),
        ("localhost", "127.0.0.1"),
    ];
    let addresses = rows.map(|(name, address)| (name, vec![address.parse().unwrap()])).into();
    Arc::new(Book { addresses, asked: Mutex::default() })
}

fn request(method: &str, url: &str) -> Request {
    Request {
        action: format!("{method} somewhere"),
        method: method.into(),
        url: url.into(),
        headers: BTreeMap::new(),
        body: None,
        secrets: vec![],
        timeout_ms: 5_000,
        retries: 0,
    }
}

fn allow(allow: &[&str]) -> Arc<Allow> {
    let list: Vec<String> = allow.iter().map(|it| (*it).to_owned()).collect();
    Arc::new(Allow::read(&list, &[]).unwrap())
}

async fn fetched(url: &str, proxies: Proxies) -> (Result<Answer, FetchError>, Vec<String>) {
    let names = book();
    let wiring = Wiring { ca: None, proxies, names: Arc::new(names.clone()) };
    let allow = allow(&["*.example.org", "203.0.113.7", "evil.example"]);
    let request = request("GET", url);
    let fetch = Fetch { request: &request, secrets: &[], effect: "e", allow: &allow };
    let answer = HttpClient::new(wiring).fetch(fetch).await;
    let asked = names.asked.lock().unwrap().clone();
    (answer, asked)
}

/// No form of a URL leads to an address that nobody has listed.
#[tokio::test]
async fn attacks_reach_nothing() {
    for (url, looked_up) in [
        ("http://127.0.0.1/", false),
        ("http://localhost/", false),
        ("http://2130706433/", false),
        ("http://0x7f000001/", false),
        ("http://0x7f.1/", false),
        ("http://017700000001/", false),
        ("http://127.1/", false),
        ("http://0/", false),
        ("http://[::1]/", false),
        ("http://[::ffff:127.0.0.1]/", false),
        ("http://[::ffff:7f00:1]/", false),
        ("http://[64:ff9b::7f00:1]/", false),
        ("http://[::]/", false),
        ("http://169.254.169.254/latest/meta-data/", false),
        ("http://①②⑦.⓪.⓪.①/", false),
        ("http://127。0。0。1/", false),
        ("http://evil.org/", false),
        ("http://api.example.org.evil.org/", false),
        ("http://api.example.org%2eevil.org/", false),
        ("http://evilexample.org/", false),
        ("http://example.org/", false),
        ("http://api.example.org:22/", false),
        ("http://api.example.org@127.0.0.1/", false),
        ("http://user:pw@api.example.org/", false),
        ("http:\\\\127.0.0.1/", false),
        ("file:///etc/passwd", false),
        ("gopher://api.example.org/", false),
        ("ftp://api.example.org/", false),
        ("http://", false),
        ("//api.example.org/", false),
        // Names that are allowed and lead inside.
        ("http://api.example.org/", true),
        ("https://API.example.org./", true),
        ("http://meta.example.org/", true),
        ("http://mapped.example.org/", true),
        ("http://six.example.org/", true),
    ] {
        let (answer, asked) = fetched(url, Proxies::default()).await;
        let refused = matches!(answer, Err(FetchError::NotAllowed(_) | FetchError::NotStarted(_)));
        // A name with a dot at its end is looked up with it, and unknown in this book.
        let unknown = url.contains("./") && matches!(answer, Err(FetchError::Unreachable(_)));
        assert!(refused || unknown, "{url}: {answer:?}");
        assert_eq!(!asked.is_empty(), looked_up, "{url}: {asked:?}");
    }
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_what_may_not_be_reached() {
    // Nobody listens there: whatever is given to it fails in another way.
    let environment = BTreeMap::from([("ALL_PROXY".to_owned(), "http://127.0.0.1:9".to_owned())]);
    let proxies = Proxies::of(&environment);
    for (url, refused) in [
        ("http://127.0.0.1/", true),
        ("http://evil.org/", true),
        ("http://api.example.org/", true),
        ("https://meta.example.org/", true),
        ("http://unknown.example.org/", false),
        ("http://203.0.113.7/", false),
    ] {
        let (answer, _) = fetched(url, proxies.clone()).await;
        let told = matches!(answer, Err(FetchError::NotAllowed(_)));
        assert_eq!(told, refused, "{url}: {answer:?}");
        assert!(refused || matches!(answer, Err(FetchError::Unreachable(_))), "{url}: {answer:?}");
    }
}

fn hop(method: &str, url: &str) -> Hop {
    let mut request = request(method, url);
    request.headers.insert("X-Plain".into(), "1".into());
    request.headers.insert("Cookie".into(), "a=b".into());
    request.body = (method != "GET").then(|| Body::Json(json!({ "a": null, "b": 1 })));
    let at = |name: &str, at: Spot| SecretAt { name: name.into(), at };
    request.secrets =
        vec![at("door", Spot::Scheme("Bearer".into())), at("key", Spot::Header("X-Key".into()))];
    if method == "PUT" {
        request.secrets.push(at("key", Spot::Json("/a".into())));
    }
    let secrets =
        [Secret::new("door", "open-sesame".into()), Secret::new("key", "sesame-key".into())];
    let allow = Arc::default();
    Hop::first(&Fetch { request: &request, secrets: &secrets, effect: "E-0", allow: &allow })
        .unwrap()
}

#[test]
fn secrets_stand_where_they_belong() {
    let hop = hop("PUT", "https://a.example/");
    assert_eq!(hop.headers["authorization"], "Bearer open-sesame");
    assert_eq!(hop.headers["x-key"], "sesame-key");
    assert!(hop.headers["x-key"].is_sensitive() && hop.headers["authorization"].is_sensitive());
    assert_eq!(hop.body.as_deref(), Some(br#"{"a":"sesame-key","b":1}"#.as_slice()));
    assert!(!hop.headers.contains_key(IDEMPOTENCY_KEY));
    let mut hop = Hop { headers: HeaderMap::new(), ..hop };
    let secret = Secret::new("door", "open-sesame".into());
    for (at, want) in [
        (Spot::Password("ann".into()), "Basic YW5uOm9wZW4tc2VzYW1l"),
        (Spot::Scheme("Token token=".into()), "Token token=open-sesame"),
        (Spot::Scheme("Bearer".into()), "Bearer open-sesame"),
    ] {
        hop.put(&at, &secret, &mut None).unwrap();
        assert_eq!(hop.headers["authorization"], want, "{at:?}");
    }
    let torn = Secret::new("torn", "two\nlines".into());
    let why = hop.put(&Spot::Header("X-Key".into()), &torn, &mut None).unwrap_err();
    assert!(!why.to_string().contains("lines"), "{why}");
}

#[test]
fn redirects_take_no_secret_to_another_host() {
    for (method, from, status, to, want) in [
        ("GET", "https://a.example/x", 301, "/y", "GET https://a.example/y with secrets"),
        (
            "GET",
            "https://a.example/x",
            302,
            "https://a.example:8443/",
            "GET https://a.example:8443/ bare",
        ),
        ("GET", "https://a.example/x", 307, "//b.example/", "GET https://b.example/ bare"),
        ("GET", "http://a.example/x", 307, "https://a.example/", "GET https://a.example/ bare"),
        ("GET", "https://a.example/x", 302, "http://a.example/", "from https to http"),
        ("GET", "https://a.example/x", 302, "http://[::1", "is no URL"),
        ("GET", "https://a.example/x", 304, "/y", "an answer"),
        ("GET", "https://a.example/x", 302, "", "an answer"),
        ("POST", "https://a.example/x", 302, "/y", "GET https://a.example/y with secrets"),
        ("POST", "https://a.example/x", 303, "/y", "GET https://a.example/y with secrets"),
        (
            "POST",
            "https://a.example/x",
            307,
            "/y",
            "POST https://a.example/y with secrets and a body",
        ),
        (
            "POST",
            "https://a.example/x",
            308,
            "https://b.example/",
            "POST https://b.example/ bare and a body",
        ),
        (
            "PUT",
            "https://a.example/x",
            301,
            "/y",
            "PUT https://a.example/y with secrets and a body",
        ),
        ("PUT", "https://a.example/x", 308, "https://b.example/", "with a secret in it"),
        ("PUT", "https://a.example/x", 303, "https://b.example/", "GET https://b.example/ bare"),
    ] {
        let mut headers = HeaderMap::new();
        if !to.is_empty() {
            headers.insert(LOCATION, HeaderValue::from_str(to).unwrap());
        }
        let told = match hop(method, from).redirected(status, &headers) {
            Err(why) => why.to_string(),
            Ok(None) => "an answer".into(),
            Ok(Some(next)) => {
                assert!(next.headers.contains_key("x-plain"), "what is no secret stays");
                let of = ["authorization", "x-key", "cookie"];
                let has = of.iter().filter(|name| next.headers.contains_key(**name)).count();
                let how = ["bare", "?", "?", "with secrets"][has];
                let body = if next.body.is_some() { " and a body" } else { "" };
                assert_eq!(next.body.is_some(), next.headers.contains_key(CONTENT_TYPE), "{to}");
                format!("{} {} {how}{body}", next.method, next.url)
            }
        };
        assert!(told.contains(want), "{method} {from} {status} {to}: {told}");
    }
}

#[test]
fn a_post_carries_what_makes_it_the_same_one() {
    let post = hop("POST", "https://a.example/");
    assert_eq!(post.headers[IDEMPOTENCY_KEY], "E-0");
    let mut own = request("POST", "https://a.example/");
    own.headers.insert("Idempotency-Key".into(), "mine".into());
    let allow = Arc::default();
    let fetch = Fetch { request: &own, secrets: &[], effect: "E-0", allow: &allow };
    assert_eq!(Hop::first(&fetch).unwrap().headers[IDEMPOTENCY_KEY], "mine");
}
