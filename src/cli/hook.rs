//! `beadle hook`: which hooks there are, and a test delivery to one, signed as its sender would.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::ask::rows;
use super::style::{counted, out, plain};
use super::switch::{self, OffArgs, OnArgs};
use super::{Context, Failure};
use crate::app::{SystemEntropy, door, secrets, surroundings};
use crate::control;
use crate::domain::alias_index::damerau;
use crate::domain::hook::proof::prove;
use crate::domain::hook::{Auth, Hook};
use crate::domain::switch::Automation;
use crate::query::command::{Request, Rows};
use crate::store::Entropy;

/// How long the listener may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Most characters of a reason that are shown.
const SHOWN_CHARS: usize = 400;
/// How many letters may differ between a name and the one that is suggested for it.
const NEAR_MAX: usize = 3;

/// What to show or to send.
#[derive(Debug, clap::Subcommand)]
pub enum HookCommand {
    /// Lists the hooks of the configuration: address, proof, rate.
    #[command(after_help = "Example: beadle hook list --json")]
    List,
    /// Sends something to a hook of the running bot as its sender would, and says what became of it.
    #[command(after_help = "Example: beadle hook test nagios --body '{\"state\": \"CRITICAL\"}'")]
    Test(TestArgs),
    /// Switches it off, for a while or until it is switched on.
    #[command(after_help = "Example: beadle hook off github --for 2h")]
    Off(OffArgs),
    /// Switches it on again.
    #[command(after_help = "Example: beadle hook on github")]
    On(OnArgs),
}

/// What to send.
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// The hook.
    name: String,
    /// What is sent: JSON or a text; `@FILE` is a file.
    #[arg(long, value_name = "BODY", default_value = "{\"test\": true}")]
    body: String,
    /// A header, `Name: value`; may come several times.
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The delivery id, for a hook with `delivery_header`: the same id is the same delivery.
    #[arg(long, value_name = "ID")]
    delivery: Option<String>,
}

/// Lists or sends.
///
/// # Errors
/// [`Failure`] for a hook that is not there, or that does not take what is sent.
pub fn main(context: &Context, command: &HookCommand) -> Result<u8, Failure> {
    match command {
        HookCommand::List => list(context),
        HookCommand::Test(args) => test(context, args),
        HookCommand::Off(args) => switch::off(context, Automation::Hook, args),
        HookCommand::On(args) => switch::on(context, Automation::Hook, args),
    }
}

fn list(context: &Context) -> Result<u8, Failure> {
    let hooks = &context.config.web.hooks;
    let (running, off) = listener(context)?;
    let address = running.or(door::of_run(&context.config));
    let secrets = secrets(&context.config);
    for hook in hooks.values() {
        let wrong = hook.secret().and_then(|name| secrets.get(name).err());
        let off = off[hook.name.as_str()].as_str();
        show(context, hook, address, (wrong, off));
    }
    if !context.json() {
        let at = match (running, address) {
            (Some(address), _) => format!("the bot listens at {address}"),
            (None, Some(address)) => format!("no bot runs; it would listen at {address}"),
            (None, None) => "no bot listens: `[web] listen` is `none`".to_owned(),
        };
        out!("{}; {at}", counted(hooks.len() as u64, "hook"));
    }
    Ok(0)
}

/// One hook, with what is wrong with its secret and how it was switched off.
fn show(
    context: &Context,
    hook: &Hook,
    address: Option<SocketAddr>,
    (wrong, off): (Option<String>, Option<&str>),
) {
    let url = address.map(|address| format!("http://{address}/hooks/{}", hook.name));
    if context.json() {
        let row = json!({
            "name": hook.name, "url": url, "auth": hook.kind, "secret": hook.secret(),
            "problem": wrong, "off": off, "per_minute": hook.per_minute, "headers": hook.headers,
            "delivery_header": hook.delivery_header, "open": hook.open,
        });
        out!("{row}");
        return;
    }
    let url = url.unwrap_or_else(|| format!("/hooks/{}", hook.name));
    let open = if hook.auth == Auth::None && hook.open { ", open to all" } else { "" };
    out!("{}  {url}  {}{open}  {} a minute", hook.name, hook.kind, hook.per_minute);
    for told in wrong.as_deref().into_iter().chain(off) {
        out!("  {}", plain(told, SHOWN_CHARS));
    }
}

/// Where the running bot listens, and which hooks are off; none: no bot runs, or it listens nowhere.
fn listener(context: &Context) -> Result<(Option<SocketAddr>, Value), Failure> {
    let mut found = Rows::default();
    let answered = control::ask(&context.data()?, &Request::Listener, &mut found)?;
    let address = found.0.first().and_then(|row| row["address"].as_str()?.parse().ok());
    let off = found.0.first().map_or(Value::Null, |row| row["off"].clone());
    Ok((answered.and(address), off))
}

/// The hook of a name.
fn named<'a>(context: &'a Context, name: &str) -> Result<&'a Hook, Failure> {
    let hooks = &context.config.web.hooks;
    hooks.get(name).ok_or_else(|| {
        let near = hooks.keys().filter(|other| damerau(other, name) <= NEAR_MAX);
        let near = near.min_by_key(|other| damerau(other, name));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "a hook is a table [hooks.NAME] of the configuration".to_owned(),
        };
        Failure::new(1, format!("there is no hook named `{name}`")).hint(hint)
    })
}

fn test(context: &Context, args: &TestArgs) -> Result<u8, Failure> {
    let hook = named(context, &args.name)?;
    let address = listener(context)?.0.ok_or_else(|| {
        Failure::new(5, "no bot listens for webhooks with this data directory")
            .hint("start it with `beadle run`; `beadle hook list` says where it would listen")
    })?;
    let body = body(&args.body)?;
    let secret = match hook.secret() {
        Some(name) => Some(secrets(&context.config).get(name).map_err(|why| Failure::new(3, why))?),
        None => None,
    };
    let delivery = args.delivery.clone().unwrap_or_else(fresh_id);
    let now = surroundings().clock.now();
    let secret = secret.as_ref().map_or("", |secret| secret.expose());
    let mut headers = prove(hook, secret, &delivery, &body, now);
    headers.extend(given(&args.headers)?);
    let (status, answer) = post(address, &hook.name, &headers, &body)?;
    let answer: Value = serde_json::from_str(&answer).unwrap_or(Value::String(answer));
    if !matches!(status, 200 | 202) {
        let told = |key: &str| answer[key].as_str().map(|text| plain(text, SHOWN_CHARS));
        let what = told("error").unwrap_or_else(|| "it gave no reason".into());
        let failure = Failure::new(1, format!("the hook answered {status}: {what}"));
        return Err(match told("hint") {
            Some(hint) => failure.hint(hint),
            None => failure,
        });
    }
    became(context, status, &answer)
}

/// Says what became of what was accepted.
fn became(context: &Context, status: u16, answer: &Value) -> Result<u8, Failure> {
    let trigger = answer["trigger"].as_str().unwrap_or_default().to_owned();
    let decided = rows(context, &Request::TriggerDecided(trigger.clone()))?;
    let outcomes = decided.first().map_or(&Value::Null, |row| &row["outcomes"]);
    if context.json() {
        out!("{}", json!({ "status": status, "answer": answer, "outcomes": outcomes }));
        return Ok(0);
    }
    let again = if answer["duplicate"] == json!(true) { "; it came before" } else { "" };
    out!("{status}: recorded as {trigger}{again}");
    for outcome in outcomes.as_array().into_iter().flatten() {
        let text = |key: &str| plain(outcome[key].as_str().unwrap_or_default(), SHOWN_CHARS);
        let verdict = match &outcome["verdict"] {
            Value::String(word) => word.clone(),
            other => other.as_object().and_then(|it| it.keys().next().cloned()).unwrap_or_default(),
        };
        out!("  {}: {verdict}, {}", text("considered"), text("reason"));
    }
    Ok(0)
}

/// What is sent.
fn body(given: &str) -> Result<Vec<u8>, Failure> {
    match given.strip_prefix('@') {
        None => Ok(given.as_bytes().to_vec()),
        Some(file) => {
            std::fs::read(file).map_err(|why| Failure::new(1, format!("cannot read {file}: {why}")))
        }
    }
}

fn fresh_id() -> String {
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes);
    format!("test-{}", data_encoding::HEXLOWER.encode(&bytes))
}

/// The headers of the command line.
fn given(headers: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let read = |header: &String| {
        let (name, value) = header.split_once(':')?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let good = !name.is_empty() && name.chars().all(fits) && !value.contains(['\r', '\n']);
        good.then(|| (name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let wrong = |header: &String| {
        Failure::new(2, format!("`{header}` is no header")).hint("write `--header 'Name: value'`")
    };
    headers.iter().map(|header| read(header).ok_or_else(|| wrong(header))).collect()
}

/// Sends a request and gives status and body of the answer.
fn post(
    address: SocketAddr,
    name: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(u16, String), Failure> {
    // Who listens everywhere is reached here.
    let near = match address.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(near, address.port());
    let mut request =
        format!("POST /hooks/{name} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name == "content-type") {
        let json = serde_json::from_slice::<Value>(body).is_ok();
        let kind = if json { "application/json" } else { "text/plain; charset=utf-8" };
        request.push_str(&format!("content-type: {kind}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)
        .map_err(|why| Failure::new(5, format!("cannot connect to {address}: {why}")))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(request.as_bytes())?;
    // Who refuses early reads no further; the answer says why.
    let _ = stream.write_all(body);
    let mut answer = vec![];
    // The same end of a connection may cut the answer short; what came of it counts.
    let _ = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status = status.ok_or_else(|| Failure::new(5, format!("{address} gave no answer")))?;
    Ok((status, body.trim().to_owned()))
}
