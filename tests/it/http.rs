//! Requests of scripts against real servers on loopback: redirects, slow and large answers, TLS with an own CA, proxies.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beadle::adapter::http_client::{
    HttpClient, Names, Proxies, REDIRECTS_MAX, RESPONSE_BYTES_MAX, Wiring,
};
use beadle::adapter::secrets::Secrets;
use beadle::domain::event::{EffectClass, EffectResult};
use beadle::domain::http::{Body, Request, SecretAt, Spot};
use beadle::domain::http_allow::Allow;
use beadle::play::world::World;
use beadle::processor::Settings;
use beadle::processor::action::{Actions, Processes};
use beadle::processor::http::HttpCall;
use beadle::store::Surroundings;
use beadle::store::memory::MemoryStore;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::desk::Desk;
use crate::store_world::surroundings;

/// Longer than anything here takes on a busy machine.
const AMPLE: Duration = Duration::from_secs(60);

/// What a server does with a request: what it answers, and whether it then holds the line.
type Answers = Arc<dyn Fn(&str) -> (Vec<u8>, bool) + Send + Sync>;

/// A server on loopback that has seen these requests.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn new(answers: impl Fn(&str) -> (Vec<u8>, bool) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, answers): (_, Answers) = (seen.clone(), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), noted.clone()));
            }
        });
        Self { port, seen }
    }

    /// One that answers everybody the same.
    async fn saying(answer: String) -> Self {
        Self::new(move |_| (answer.clone().into_bytes(), false)).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics with it").clone()
    }
}

async fn serve(mut stream: TcpStream, answers: Answers, seen: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    seen.lock().expect("nobody panics with it").push(request.clone());
    let (answer, hold) = answers(&request);
    // Who has hung up needs no answer.
    let _ = stream.write_all(&answer).await;
    if hold {
        // Until the other side hangs up.
        let _ = stream.read(&mut [0; 1]).await;
    }
}

/// The head of a request and its body.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let (mut read, mut part) = (vec![], [0; 4096]);
    loop {
        let n = stream.read(&mut part).await.ok().filter(|n| *n > 0)?;
        read.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text);
        }
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

fn request(method: &str, url: &str) -> Request {
    Request {
        action: beadle::domain::http::action(method, url),
        method: method.into(),
        url: url.into(),
        headers: BTreeMap::new(),
        body: None,
        secrets: vec![],
        timeout_ms: 30_000,
        retries: 0,
    }
}

/// What runs requests, with one secret.
fn outside(wiring: Wiring) -> Processes {
    let door = [("S_DOOR".to_owned(), "open-sesame".to_owned())];
    let secrets = Secrets::new(None, "S_", door.into_iter());
    Processes { secrets, http: HttpClient::new(wiring) }
}

fn private(hosts: &[String]) -> Arc<Allow> {
    Arc::new(Allow::read(&[], hosts).expect("they are hosts"))
}

fn at(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port)
}

async fn sent(processes: &Processes, request: Request, allow: &Arc<Allow>) -> EffectResult {
    let (effect, class, allow) = ("E-0.1".to_owned(), EffectClass::Read, allow.clone());
    let call = HttpCall { effect, class, request, allow };
    tokio::time::timeout(AMPLE, processes.fetch(call)).await.expect("it ends").result
}

/// A request that must be answered.
async fn answered(processes: &Processes, request: Request, allow: &Arc<Allow>) -> Value {
    match sent(processes, request, allow).await {
        EffectResult::Ok(value) => value,
        EffectResult::Err(error) => panic!("{error}"),
    }
}

/// A request that must fail: the kind and the message.
async fn failed(processes: &Processes, request: Request, allow: &Arc<Allow>) -> (String, String) {
    match sent(processes, request, allow).await {
        EffectResult::Ok(value) => panic!("{value}"),
        EffectResult::Err(error) => {
            let text = |name: &str| error[name].as_str().expect("a text").to_owned();
            (text("kind"), text("message"))
        }
    }
}

#[tokio::test]
async fn what_is_sent_and_what_comes_back() {
    let server = Server::new(|request| {
        let body = format!("you said: {request}");
        (ok(&body).into_bytes(), false)
    })
    .await;
    let (processes, allow) = (outside(Wiring::default()), private(&[at(&server)]));
    let mut post = request("POST", &server.url("/issue?x=1"));
    post.body = Some(Body::Json(json!({ "title": "disk full", "key": null })));
    let secret = |at: Spot| SecretAt { name: "door".into(), at };
    post.secrets = vec![secret(Spot::Scheme("Bearer".into())), secret(Spot::Json("/key".into()))];
    let answer = answered(&processes, post, &allow).await;
    assert_eq!((&answer["status"], &answer["ok"]), (&json!(200), &json!(true)));
    let seen = server.seen().concat().to_lowercase();
    for line in [
        "post /issue?x=1 http/1.1\r\n",
        "authorization: bearer open-sesame\r\n",
        "content-type: application/json\r\n",
        "idempotency-key: e-0.1\r\n",
        concat!("user-agent: beadle/", env!("CARGO_PKG_VERSION"), "\r\n"),
        r#""key":"open-sesame""#,
    ] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    assert!(!seen.contains("accept-encoding"), "nothing compressed is asked for: {seen}");
    let shown = answer.to_string();
    assert!(shown.contains("[secret door]") && !shown.contains("open-sesame"), "{shown}");
}

#[tokio::test]
async fn redirects_are_looked_at_anew() {
    let inner = Server::saying(ok("the inside")).await;
    let to_inner = inner.url("/secret");
    let outer = Server::new(move |request| {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = match path.as_str() {
            "/in" => redirect(302, &to_inner),
            "/meta" => redirect(307, "http://169.254.169.254/latest/meta-data/"),
            "/file" => redirect(302, "file:///etc/passwd"),
            "/round" => redirect(302, "/round"),
            "/twice" => redirect(302, "/once"),
            "/once" => redirect(301, "/end"),
            _ => ok("the end"),
        };
        (answer.into_bytes(), false)
    })
    .await;
    let (processes, allow) = (outside(Wiring::default()), private(&[at(&outer)]));
    for (path, kind, told) in [
        ("/in", "not_allowed", "scripts may not reach"),
        ("/meta", "not_allowed", "169.254.169.254"),
        ("/file", "not_started", "only http:// and https://"),
        ("/round", "failed", "more than 5 times"),
    ] {
        let (got, message) = failed(&processes, request("GET", &outer.url(path)), &allow).await;
        assert!(got == kind && message.contains(told), "{path}: {got} {message}");
    }
    assert!(inner.seen().is_empty(), "nothing went inside");
    let rounds = outer.seen().iter().filter(|it| it.starts_with("GET /round ")).count();
    assert_eq!(rounds, REDIRECTS_MAX + 1);
    let answer = answered(&processes, request("GET", &outer.url("/twice")), &allow).await;
    assert_eq!(answer["body"], "the end");
    let both = private(&[at(&outer), at(&inner)]);
    let mut known = request("GET", &outer.url("/in"));
    known.secrets = vec![SecretAt { name: "door".into(), at: Spot::Scheme("Bearer".into()) }];
    let answer = answered(&processes, known, &both).await;
    assert_eq!(answer["body"], "the inside", "what is allowed is followed");
    let seen = inner.seen().concat().to_lowercase();
    assert!(!seen.contains("authorization"), "the other server gets no secret: {seen}");
}

#[tokio::test]
async fn slow_answers_are_broken_off() {
    let silent = Server::new(|_| (vec![], true)).await;
    let halting = Server::new(|_| {
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it".to_vec(), true)
    })
    .await;
    let (processes, allow) = (outside(Wiring::default()), private(&[at(&silent), at(&halting)]));
    for server in [&silent, &halting] {
        let slow = Request { timeout_ms: 200, ..request("GET", &server.url("/")) };
        let (kind, message) = failed(&processes, slow, &allow).await;
        assert!(kind == "timed_out" && message.contains("longer than 0.2 s"), "{message}");
    }
}

#[tokio::test]
async fn broken_answers_are_told() {
    let torn = Server::new(|_| {
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it".to_vec(), false)
    })
    .await;
    let other = Server::saying("SSH-2.0-OpenSSH_9.9\r\n\r\n".into()).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = nobody.local_addr().expect("it is bound").port();
    drop(nobody);
    let allow = private(&[at(&torn), at(&other), format!("127.0.0.1:{port}")]);
    let processes = outside(Wiring::default());
    let gone = format!("http://127.0.0.1:{port}/?key=sesame");
    for (url, kind, told) in [
        (torn.url("/?key=sesame"), "failed", "broke off"),
        (other.url("/?key=sesame"), "failed", "broke off"),
        (gone, "unreachable", "refused"),
    ] {
        let (got, message) = failed(&processes, request("GET", &url), &allow).await;
        assert!(got == kind && message.contains(told), "{url}: {got} {message}");
        assert!(!message.contains("sesame"), "keys in URLs are not told: {message}");
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let server = Server::new(|request| {
        let head = "HTTP/1.1 200 OK\r\n";
        let body = "x".repeat(RESPONSE_BYTES_MAX);
        let answer = match request.split(' ').nth(1).unwrap_or_default() {
            "/fits" => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
            "/long" => format!("{head}Content-Length: {}\r\n\r\n{body}x", body.len() + 1),
            // Nobody says how long it is.
            _ => format!("{head}Connection: close\r\n\r\n{body}x"),
        };
        (answer.into_bytes(), false)
    })
    .await;
    let (processes, allow) = (outside(Wiring::default()), private(&[at(&server)]));
    let answer = answered(&processes, request("GET", &server.url("/fits")), &allow).await;
    assert_eq!(answer["cut"], true, "a script sees the beginning");
    for path in ["/long", "/endless"] {
        let (kind, message) = failed(&processes, request("GET", &server.url(path)), &allow).await;
        assert!(kind == "too_large" && message.contains("4 MiB"), "{path}: {message}");
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_not_sent() {
    let server = Server::saying(ok("the inside")).await;
    let processes = outside(Wiring::default());
    let (kind, message) =
        failed(&processes, request("GET", &server.url("/")), &Arc::default()).await;
    assert_eq!(kind, "not_allowed");
    assert!(message.contains(&format!("allow = [\"127.0.0.1:{}\"]", server.port)), "{message}");
    let mut secret = request("GET", &server.url("/"));
    secret.secrets = vec![SecretAt { name: "none".into(), at: Spot::Scheme("Bearer".into()) }];
    let (kind, message) = failed(&processes, secret, &private(&[at(&server)])).await;
    assert!(kind == "not_started" && message.contains("there is no secret `none`"), "{message}");
    assert!(server.seen().is_empty());
}

/// Names with addresses of their own, and how often they were looked up.
struct Book(BTreeMap<String, IpAddr>, Arc<AtomicUsize>);

impl Names for Book {
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let found = self.0.get(&name).copied();
        Box::pin(async move {
            found.map(|it| vec![it]).ok_or_else(|| std::io::Error::other("nobody knows this name"))
        })
    }
}

fn book(names: &[&str]) -> (Arc<dyn Names>, Arc<AtomicUsize>) {
    let here: IpAddr = "127.0.0.1".parse().expect("an address");
    let count: Arc<AtomicUsize> = Arc::default();
    let rows = names.iter().map(|name| ((*name).to_owned(), here)).collect();
    (Arc::new(Book(rows, count.clone())), count)
}

/// Between the look at an address and the connection nothing is asked again that could have changed meanwhile.
#[tokio::test]
async fn a_name_is_looked_up_once_for_a_connection() {
    let server = Server::saying(ok("hello")).await;
    let (names, count) = book(&["own.example", "other.example"]);
    let processes = outside(Wiring { names, ..Wiring::default() });
    let (own, other) =
        (format!("own.example:{}", server.port), format!("other.example:{}", server.port));
    let allow = Allow::read(std::slice::from_ref(&other), std::slice::from_ref(&own))
        .expect("they are hosts");
    let allow = Arc::new(allow);
    let url = |host: &str| format!("http://{host}/");
    assert_eq!(answered(&processes, request("GET", &url(&own)), &allow).await["body"], "hello");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let (kind, message) = failed(&processes, request("GET", &url(&other)), &allow).await;
    assert!(kind == "not_allowed" && message.contains("private = ["), "{kind} {message}");
    assert_eq!((count.load(Ordering::SeqCst), server.seen().len()), (2, 1));
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used() {
    let proxy = Server::new(|request| {
        let first = request.lines().next().unwrap_or_default();
        (ok(&format!("by way of the proxy: {first}")).into_bytes(), false)
    })
    .await;
    let direct = Server::saying(ok("directly")).await;
    let (names, _) = book(&[]);
    let environment = BTreeMap::from([
        ("http_proxy".to_owned(), format!("http://ann:pass@127.0.0.1:{}", proxy.port)),
        ("NO_PROXY".to_owned(), "127.0.0.1".to_owned()),
    ]);
    let processes = outside(Wiring { names, proxies: Proxies::of(&environment), ca: None });
    let allow = Allow::read(&["far.example".into()], &[at(&direct)]).expect("they are hosts");
    let allow = Arc::new(allow);
    let answer = answered(&processes, request("GET", "http://far.example/x"), &allow).await;
    let body = answer["body"].as_str().expect("a text");
    assert_eq!(body, "by way of the proxy: GET http://far.example/x HTTP/1.1");
    assert!(proxy.seen().concat().to_lowercase().contains("proxy-authorization: basic"));
    let answer = answered(&processes, request("GET", &direct.url("/")), &allow).await;
    assert_eq!(answer["body"], "directly");
}

/// A server with a certificate, which ends with the test.
struct Tls {
    child: Child,
    port: u16,
}

impl Drop for Tls {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(dir: &Path, args: &[&str]) {
    let done = Command::new("openssl").args(args).current_dir(dir).output();
    let done = done.expect("tools/install.sh installs openssl");
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A CA in `ca.pem`, and a server with a certificate of it for `secure.example` and this machine.
fn tls(dir: &Path) -> (Tls, PathBuf) {
    let new =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let ca = ["-days", "2", "-subj", "/CN=beadle test CA", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(dir, &[&new[..], &ca[..]].concat());
    let of_ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-subj", "/CN=secure.example"];
    let names = "subjectAltName=DNS:secure.example,IP:127.0.0.1";
    let leaf = [
        "-addext",
        names,
        "-addext",
        "basicConstraints=CA:FALSE",
        "-keyout",
        "own.key",
        "-out",
        "own.pem",
    ];
    openssl(dir, &[&new[..], &of_ca[..], &leaf[..]].concat());
    fs::write(dir.join("hello"), "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello")
        .expect("ours");
    let mut child = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "own.pem",
            "-key",
            "own.key",
            "-HTTP",
        ])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tools/install.sh installs openssl");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let address = line.strip_prefix("ACCEPT ")?;
        address.rsplit(':').next()?.trim().parse().ok()
    });
    (Tls { child, port: port.expect("it says where it listens") }, dir.join("ca.pem"))
}

#[tokio::test]
async fn an_own_ca_is_trusted_if_it_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, ca) = tls(dir.path());
    let allow = private(&[format!("127.0.0.1:{}", server.port)]);
    let url = format!("https://127.0.0.1:{}/hello", server.port);
    let (kind, message) = failed(&outside(Wiring::default()), request("GET", &url), &allow).await;
    assert!(kind == "unreachable" && message.contains("`ca` under [http]"), "{kind} {message}");
    let processes = outside(Wiring { ca: Some(ca), ..Wiring::default() });
    let answer = answered(&processes, request("GET", &url), &allow).await;
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("hello")));
}

/// A proxy that connects everybody to one port, and has seen whom they asked for.
async fn tunnel(to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let noted = noted.clone();
            tokio::spawn(async move {
                let Some(request) = read_request(&mut client).await else { return };
                let first = request.lines().next().unwrap_or_default().to_owned();
                noted.lock().expect("nobody panics with it").push(first);
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.expect("it listens");
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("it listens");
                // One of them hangs up in the end.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, asked)
}

#[tokio::test]
async fn https_goes_through_a_proxy_unread() {
    let dir = tempfile::tempdir().expect("a directory");
    let (server, ca) = tls(dir.path());
    let (port, asked) = tunnel(server.port).await;
    let (names, _) = book(&[]);
    let environment =
        BTreeMap::from([("HTTPS_PROXY".to_owned(), format!("http://127.0.0.1:{port}"))]);
    let proxies = Proxies::of(&environment);
    let processes = outside(Wiring { names, proxies, ca: Some(ca) });
    let allow = Arc::new(Allow::read(&["secure.example".into()], &[]).expect("a host"));
    let url = "https://secure.example/hello";
    let answer = answered(&processes, request("GET", url), &allow).await;
    assert_eq!(answer["body"], "hello");
    let asked = asked.lock().expect("nobody panics with it").clone();
    assert_eq!(asked, ["CONNECT secure.example:443 HTTP/1.1"]);
}

/// From the command to the server and back: an answer of 429 is waited for as long as the server asks.
#[tokio::test]
async fn a_script_asks_again_when_the_server_says_so() {
    let asked = AtomicUsize::new(0);
    let server = Server::new(move |_| {
        let answer = match asked.fetch_add(1, Ordering::SeqCst) {
            0 => "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".into(),
            _ => ok(r#"{"sky":"blue"}"#),
        };
        (answer.into_bytes(), false)
    })
    .await;
    let script = format!(
        r#"alias("weather", #{{ ack: false }}, || reply(http_get("{}", #{{ auth: secret("door") }}).json().sky));"#,
        server.url("/today")
    );
    let world = World::new();
    let entropy = surroundings(7).0.entropy;
    let store = MemoryStore::new(Surroundings { clock: world.clock.clone(), entropy });
    let desk = Desk::over(&world, store, Arc::new(outside(Wiring::default())), &script);
    let settings = Settings::clone(&desk.kernel.settings());
    desk.kernel.behave(Settings { http: private(&[at(&server)]), ..settings });
    desk.hand_over(vec![desk.says("ann", "#ops", "!weather")], None).await;
    let settle = || tokio::time::timeout(AMPLE, desk.settle());
    settle().await.expect("it ends").expect("the log works");
    assert_eq!((server.seen().len(), desk.count("attempt_failed")), (1, 1));
    desk.clock.advance(6_999);
    settle().await.expect("it ends").expect("the log works");
    assert_eq!(server.seen().len(), 1);
    desk.clock.advance(1);
    settle().await.expect("it ends").expect("the log works");
    assert_eq!(desk.said(), ["#ops: blue"]);
    assert_eq!((server.seen().len(), desk.count("effect_completed")), (2, 1));
}
