//! `beadle bench ping`: how fast the bot answers a person, beside two plain clients that do the same and nothing else.
//!
//! The plain clients are the floor: one asks, the other sees it in its long poll and answers. They are measured before
//! and after the bot, in the same rooms at the same homeserver, so that only the ratio matters.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::accounts::Accounts;
use super::child::{Bot, prepare};
use super::meter::{Times, cpu_ms, resident_mib, rounded};
use crate::adapter::matrix::{PlainClient, PlainError};
use crate::cli::style::out;
use crate::cli::{Context, Failure};

/// How long a sync of the plain clients waits.
const POLL_MS: u64 = 20_000;
/// Longest wait for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Messages before each measurement that do not count.
const WARM_UP: usize = 10;
/// Most rooms, askers and messages of a measurement.
const ROOMS_MAX: usize = 50;
const SENDERS_MAX: usize = 1_000;
const MESSAGES_MAX: usize = 100_000;
/// What is asked, and said by the bot's script.
const QUESTION: &str = "!ping";
const ANSWER: &str = "pong";

/// What to measure, and where.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --accounts three accounts are registered, where everybody may do that.\n\nExample: beadle bench ping --homeserver http://127.0.0.1:8008 --messages 300"
)]
pub struct PingArgs {
    /// The homeserver's address.
    #[arg(long, value_name = "URL")]
    homeserver: Option<String>,
    /// A TOML file with [bot] and two [[plain]]: `user` and `password`, or `access_token`.
    #[arg(long, value_name = "FILE")]
    accounts: Option<PathBuf>,
    /// A room where all three accounts are; can be repeated; else rooms are made.
    #[arg(long, value_name = "ID")]
    room: Vec<String>,
    /// Rooms to make for the burst.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rooms: usize,
    /// Messages, one after another.
    #[arg(long, value_name = "N", default_value_t = 300)]
    messages: usize,
    /// Messages of the burst.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    burst: usize,
    /// How many ask at the same time in the burst.
    #[arg(long, value_name = "N", default_value_t = 20)]
    senders: usize,
}

/// What was measured of one answerer.
struct Measured {
    sequential: Times,
    burst: Times,
    burst_took: Duration,
}

impl Measured {
    fn answers_per_s(&self) -> f64 {
        self.burst.len() as f64 / self.burst_took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// What the bot used.
struct Used {
    sequential_cpu_ms: Option<f64>,
    burst_cpu_ms: Option<f64>,
    resident_mib: Option<(f64, f64)>,
    first_start: Duration,
    restart_to_answer: Duration,
}

/// Measures and prints.
pub fn main(context: &Context, args: &PingArgs) -> Result<(), Failure> {
    let bounds = [
        ("rooms", args.rooms.max(args.room.len()), ROOMS_MAX),
        ("messages", args.messages, MESSAGES_MAX),
        ("burst", args.burst, MESSAGES_MAX),
        ("senders", args.senders, SENDERS_MAX),
    ];
    for (name, given, max) in bounds {
        if given == 0 || given > max {
            return Err(Failure::new(2, format!("--{name} {given}: from 1 to {max}")));
        }
    }
    let figures = context.runtime()?.block_on(measure(args))?;
    match context.json() {
        true => out!("{figures}"),
        false => show(&figures),
    }
    Ok(())
}

async fn measure(args: &PingArgs) -> Result<Value, Failure> {
    let accounts = Accounts::open(args.homeserver.as_deref(), args.accounts.as_deref()).await?;
    let made = args.room.is_empty();
    let rooms = match made {
        true => make_rooms(&accounts, args.rooms).await.map_err(failure)?,
        false => args.room.clone(),
    };
    let measured = in_rooms(args, &accounts, &rooms).await;
    if made {
        leave_rooms(&accounts, &rooms).await;
    }
    accounts.close().await;
    measured
}

async fn in_rooms(
    args: &PingArgs,
    accounts: &Accounts,
    rooms: &[String],
) -> Result<Value, Failure> {
    let asker = Asker::listen(accounts.asker.clone(), rooms).await.map_err(failure)?;
    let before = floor(args, accounts, &asker).await?;
    let (bot, used) = bot(args, accounts, &asker).await?;
    let after = floor(args, accounts, &asker).await?;
    Ok(figures(args, accounts, &bot, &used, &[before, after]))
}

/// The plain clients alone: the second answers the first. Half of the messages, for it is done twice.
async fn floor(
    args: &PingArgs,
    accounts: &Accounts,
    asker: &Arc<Asker>,
) -> Result<Measured, Failure> {
    let answerer = accounts.answerer.clone();
    let (_, since) = answerer.sync(None, 0).await.map_err(failure)?;
    let asked_by = accounts.asker.user.clone();
    let answering = tokio::spawn(answer(answerer, since, asked_by));
    let half = |messages: usize| messages.div_ceil(2);
    let measured = measure_one(
        asker,
        &accounts.answerer.user,
        half(args.messages),
        half(args.burst),
        args.senders,
        || (),
    );
    let measured = measured.await;
    answering.abort();
    measured
}

/// The bot: its first start, its answers, and its start with a question waiting.
async fn bot(
    args: &PingArgs,
    accounts: &Accounts,
    asker: &Arc<Asker>,
) -> Result<(Measured, Used), Failure> {
    let dir = tempfile::tempdir()?;
    prepare(dir.path(), &accounts.bot).await?;
    let mut bot = Bot::start(dir.path())?;
    let first_start = bot.ready().await?;
    let pid = bot.pid;
    let mut cpu = Vec::new();
    let note = || cpu.push(cpu_ms(pid));
    let user = &accounts.bot.user;
    let measured = measure_one(asker, user, args.messages, args.burst, args.senders, note).await?;
    let resident_mib = resident_mib(pid);
    bot.stop().await?;
    let between = |from: usize, to: usize| {
        let (from, to) = (cpu.get(from).copied()??, cpu.get(to).copied()??);
        Some(to - from)
    };
    let question = asker.ask(0).await.map_err(failure)?;
    let mut bot = Bot::start(dir.path())?;
    let started = bot.started;
    let answered = asker.answered(&question, user).await?;
    bot.ready().await?;
    bot.stop().await?;
    let used = Used {
        sequential_cpu_ms: between(0, 1),
        burst_cpu_ms: between(1, 2),
        resident_mib,
        first_start,
        restart_to_answer: answered.saturating_duration_since(started),
    };
    Ok((measured, used))
}

/// One after another, and then many at once; `note` is called before, between and after.
async fn measure_one(
    asker: &Arc<Asker>,
    answerer: &str,
    messages: usize,
    burst: usize,
    senders: usize,
    mut note: impl FnMut(),
) -> Result<Measured, Failure> {
    for _ in 0..WARM_UP {
        asker.clone().round_trip(0, answerer).await?;
    }
    note();
    let mut sequential = Vec::with_capacity(messages);
    for _ in 0..messages {
        sequential.push(asker.clone().round_trip(0, answerer).await?);
    }
    note();
    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut sending = JoinSet::new();
    for sender in 0..senders {
        let (asker, next, answerer) = (asker.clone(), next.clone(), answerer.to_owned());
        sending.spawn(async move {
            let mut times = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < burst {
                times.push(asker.clone().round_trip(sender, &answerer).await?);
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut times = Vec::with_capacity(burst);
    while let Some(sent) = sending.join_next().await {
        times.extend(sent.map_err(|why| Failure::new(1, why))??);
    }
    let burst_took = begun.elapsed();
    note();
    Ok(Measured { sequential: Times::new(sequential), burst: Times::new(times), burst_took })
}

/// The plain client that asks, and listens for answers all the time.
struct Asker {
    client: PlainClient,
    rooms: Vec<String>,
    answers: Arc<Mutex<Answers>>,
    failed: watch::Receiver<Option<String>>,
    listening: JoinHandle<()>,
}

/// Who waits for the answer to which post, and answers that came before their question's own id.
#[derive(Default)]
struct Answers {
    waiting: HashMap<(String, String), oneshot::Sender<Instant>>,
    early: HashMap<(String, String), Instant>,
}

impl Asker {
    async fn listen(client: PlainClient, rooms: &[String]) -> Result<Arc<Self>, PlainError> {
        let (_, mut since) = client.sync(None, 0).await?;
        let answers = Arc::new(Mutex::new(Answers::default()));
        let (failing, failed) = watch::channel(None);
        let (listener, heard) = (client.clone(), answers.clone());
        let listening = tokio::spawn(async move {
            loop {
                let (said, next) = match listener.sync(Some(&since), POLL_MS).await {
                    Ok(synced) => synced,
                    Err(error) => {
                        failing.send_replace(Some(error.to_string()));
                        return;
                    }
                };
                let at = Instant::now();
                since = next;
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                for said in said {
                    let (Some(question), ANSWER) = (said.answers, said.body.as_str()) else {
                        continue;
                    };
                    let key = (question, said.sender);
                    match heard.waiting.remove(&key) {
                        Some(waiting) => drop(waiting.send(at)),
                        None => drop(heard.early.insert(key, at)),
                    }
                }
            }
        });
        Ok(Arc::new(Self { client, rooms: rooms.to_vec(), answers, failed, listening }))
    }

    /// Asks in a room; the post.
    async fn ask(&self, sender: usize) -> Result<String, PlainError> {
        let room = &self.rooms[sender % self.rooms.len()];
        self.client.say(room, QUESTION, None).await
    }

    /// Waits for somebody's answer to a post; when it came.
    async fn answered(&self, question: &str, answerer: &str) -> Result<Instant, Failure> {
        let key = (question.to_owned(), answerer.to_owned());
        let waiting = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = answers.early.remove(&key) {
                return Ok(at);
            }
            let (waiting, answer) = oneshot::channel();
            answers.waiting.insert(key, waiting);
            answer
        };
        let mut failed = self.failed.clone();
        tokio::select! {
            answer = tokio::time::timeout(ANSWER_WITHIN, waiting) => match answer {
                Ok(Ok(at)) => Ok(at),
                _ => Err(Failure::new(1, format!("{answerer} does not answer"))),
            },
            why = failed.wait_for(Option::is_some) => {
                let why = why.ok().and_then(|why| why.clone());
                let why = why.unwrap_or_else(|| "nobody listens".into());
                Err(Failure::new(5, why))
            }
        }
    }

    async fn round_trip(
        self: Arc<Self>,
        sender: usize,
        answerer: &str,
    ) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let question = self.ask(sender).await.map_err(failure)?;
        let answered = self.answered(&question, answerer).await?;
        Ok(answered.saturating_duration_since(begun))
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Answers every question of one person.
async fn answer(
    client: PlainClient,
    mut since: String,
    asked_by: String,
) -> Result<(), PlainError> {
    let mut answering = JoinSet::new();
    loop {
        let (said, next) = client.sync(Some(&since), POLL_MS).await?;
        since = next;
        for said in said.into_iter().filter(|said| said.sender == asked_by) {
            let client = client.clone();
            answering.spawn(async move { client.say(&said.room, ANSWER, Some(&said.event)).await });
        }
        while let Some(Ok(sent)) = answering.try_join_next() {
            sent?;
        }
    }
}

async fn make_rooms(accounts: &Accounts, count: usize) -> Result<Vec<String>, PlainError> {
    let others = [&accounts.bot, &accounts.answerer];
    let invited = others.map(|other| other.user.as_str());
    let mut rooms = Vec::new();
    for _ in 0..count {
        let room = accounts.asker.create_room(&invited).await?;
        for other in others {
            other.join(&room).await?;
        }
        rooms.push(room);
    }
    Ok(rooms)
}

/// Nothing stays behind in the accounts; what cannot be undone is no failure of the measurement.
async fn leave_rooms(accounts: &Accounts, rooms: &[String]) {
    for room in rooms {
        for client in [&accounts.bot, &accounts.answerer, &accounts.asker] {
            if let Err(error) = client.leave(room).await {
                tracing::warn!(%error, room, "still in a room");
            }
        }
    }
}

fn failure(error: PlainError) -> Failure {
    Failure::new(5, error)
}

fn figures(
    args: &PingArgs,
    accounts: &Accounts,
    bot: &Measured,
    used: &Used,
    floor: &[Measured; 2],
) -> Value {
    let both = |times: fn(&Measured) -> &Times| Times::joined(floor.iter().map(times));
    let (sequential, burst) = (both(|it| &it.sequential), both(|it| &it.burst));
    let floor_per_s = floor.iter().map(Measured::answers_per_s).sum::<f64>() / 2.0;
    let each = |ms: Option<f64>, count: usize| ms.map(|ms| rounded(ms / count as f64));
    let ms = |took: Duration| rounded(took.as_secs_f64() * 1_000.0);
    json!({
        "bench": "ping",
        "homeserver": accounts.bot.homeserver(),
        "messages": bot.sequential.len(),
        "bot": bot.sequential.shown(),
        "plain_clients": sequential.shown(),
        "of_plain_clients": bot.sequential.of(&sequential),
        "cpu_ms_per_message": each(used.sequential_cpu_ms, bot.sequential.len()),
        "burst": {
            "messages": bot.burst.len(),
            "senders": args.senders,
            "bot": bot.burst.shown(),
            "plain_clients": burst.shown(),
            "of_plain_clients": bot.burst.of(&burst),
            "answers_per_s": rounded(bot.answers_per_s()),
            "plain_clients_answers_per_s": rounded(floor_per_s),
            "cpu_ms_per_message": each(used.burst_cpu_ms, bot.burst.len()),
        },
        "resident_mib": used.resident_mib.map(|(now, _)| rounded(now)),
        "resident_most_mib": used.resident_mib.map(|(_, most)| rounded(most)),
        "first_start_to_ready_ms": ms(used.first_start),
        "restart_to_first_answer_ms": ms(used.restart_to_answer),
    })
}

/// The same for people.
fn show(figures: &Value) {
    let burst = &figures["burst"];
    let shown = |value: &Value| value.as_f64().map_or("?".into(), |it| format!("{it:.2}"));
    let row = |what: &str, of: &Value, unit: &str| {
        let at = |name: &str| shown(&of[format!("{name}{unit}")]);
        out!("{what:<34}{:>9}{:>9}{:>9}", at("p50"), at("p90"), at("p99"));
    };
    out!(
        "{:<34}{:>9}{:>9}{:>9}",
        format!("{} messages, one by one", figures["messages"]),
        "p50",
        "p90",
        "p99"
    );
    row("  plain clients, ms", &figures["plain_clients"], "_ms");
    row("  the bot, ms", &figures["bot"], "_ms");
    row("  times the plain clients'", &figures["of_plain_clients"], "");
    out!("  processor, ms a message {:>18}", shown(&figures["cpu_ms_per_message"]));
    out!("{} messages from {} senders at once", burst["messages"], burst["senders"]);
    row("  plain clients, ms", &burst["plain_clients"], "_ms");
    row("  the bot, ms", &burst["bot"], "_ms");
    row("  times the plain clients'", &burst["of_plain_clients"], "");
    out!("  processor, ms a message {:>18}", shown(&burst["cpu_ms_per_message"]));
    out!("  answers a second {:>25}", shown(&burst["answers_per_s"]));
    out!("  of the plain clients {:>21}", shown(&burst["plain_clients_answers_per_s"]));
    out!("memory, MiB {:>32}", shown(&figures["resident_mib"]));
    out!("  at its most {:>30}", shown(&figures["resident_most_mib"]));
    out!("first start until ready, ms {:>16}", shown(&figures["first_start_to_ready_ms"]));
    out!("start until first answer, ms {:>15}", shown(&figures["restart_to_first_answer_ms"]));
}
