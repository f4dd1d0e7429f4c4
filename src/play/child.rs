//! A bot in a process of its own, on the log on disk, so that `(restart)` is a real SIGKILL.
//!
//! The parent is the world: it hands over triggers and the time, and answers when the child sends a message or runs an
//! action. One JSON object a line in both directions; the child asks only while it works on a request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::bot::{Bot, BotError};
use super::runner::{Driver, Setup};
use super::world::{HandClock, World};
use crate::adapter::{Chat, Outgoing, Redaction, Reread, RoomAct, RoomAnswer, SendError};
use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::http;
use crate::domain::id::{Position, PostId, RoomId, Timestamp};
use crate::domain::role::Roles;
use crate::domain::storm::Terms;
use crate::domain::trigger::Trigger;
use crate::processor::action::{ActionCall, ActionDone, Actions};
use crate::processor::http::HttpCall;
use crate::processor::policies::PolicyFolder;
use crate::processor::{Context, Limits, Settings};
use crate::store::{Clock, EventStore};

/// The parent asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Open {
        scripts: PathBuf,
        prefix: String,
        roles: BTreeMap<String, Vec<String>>,
        policy: Option<PathBuf>,
        management_room: Option<RoomId>,
        limits: Limits,
        context: Context,
        alerts: Box<Terms>,
        stale_after_ms: i64,
        now: Timestamp,
    },
    Deliver {
        trigger: Box<Trigger>,
        now: Timestamp,
    },
    Reread {
        reread: Box<Reread>,
        now: Timestamp,
    },
    Reload {
        policy: PathBuf,
        now: Timestamp,
    },
    Redact {
        redaction: Box<Redaction>,
        now: Timestamp,
    },
    Settle {
        now: Timestamp,
    },
    Log {
        from: Position,
    },
}

/// The child answers, or asks in turn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Response {
    Done,
    Reloaded { taken: bool },
    Failed { damaged: bool, why: String },
    Log { kinds: Vec<String>, next: Position },
    Send(Box<Outgoing>),
    Rooms(RoomAct),
    Exec { effect: String, class: EffectClass, action: String, args: Value },
    Http { effect: String, class: EffectClass, request: Box<http::Request> },
}

/// The parent answers what the child asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Sent(PostId),
    Rooms(Result<RoomAnswer, String>),
    Executed(EffectResult),
}

/// The parent's side.
pub struct ChildBot {
    world: Arc<World>,
    command: Vec<String>,
    running: Option<Running>,
}

struct Running {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; then there is nobody to kill and nothing to wait for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn broken(why: impl ToString) -> BotError {
    BotError::Process(why.to_string())
}

impl ChildBot {
    /// A bot that is started with this command line.
    pub fn new(world: Arc<World>, command: Vec<String>) -> Self {
        Self { world, command, running: None }
    }

    /// Starts it; the log is opened before this returns.
    ///
    /// # Errors
    /// [`BotError`] if it cannot be started or cannot open its log.
    pub fn start(&mut self, setup: &Setup) -> Result<(), BotError> {
        let (program, args) = self.command.split_first().ok_or_else(|| broken("no program"))?;
        let mut process = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(broken)?;
        let to = process.stdin.take().ok_or_else(|| broken("no standard input"))?;
        let from = process.stdout.take().ok_or_else(|| broken("no standard output"))?;
        self.running = Some(Running { process, to, from: BufReader::new(from) });
        let (roles, policy) = (setup.settings.roles.entries(), setup.settings.policy.clone());
        let policy = policy.map(|folder| folder.path);
        let (scripts, prefix) = (setup.scripts.clone(), setup.settings.prefix.clone());
        let now = self.world.clock.now();
        let management_room = setup.settings.management_room.clone();
        let limits = setup.settings.limits;
        let context = setup.settings.context.clone();
        let alerts = setup.settings.alerts.clone();
        let stale_after_ms = setup.settings.stale_after_ms;
        let open = Request::Open {
            scripts,
            prefix,
            roles,
            policy,
            management_room,
            limits,
            context,
            alerts: Box::new(alerts),
            stale_after_ms,
            now,
        };
        self.ask(&open).map(|_| ())
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.running = None;
    }

    fn ask(&mut self, request: &Request) -> Result<Response, BotError> {
        let world = self.world.clone();
        let running = self.running.as_mut().ok_or_else(|| broken("it is not running"))?;
        put(&mut running.to, request)?;
        loop {
            match take(&mut running.from)? {
                Response::Failed { damaged: true, why } => return Err(BotError::Damaged(why)),
                Response::Failed { damaged: false, why } => return Err(broken(why)),
                Response::Send(outgoing) => {
                    put(&mut running.to, &Reply::Sent(world.take(&outgoing)))?
                }
                Response::Rooms(act) => {
                    put(&mut running.to, &Reply::Rooms(world.visit(&act)))?;
                }
                Response::Http { effect, class, request } => {
                    let result = world.answer(&effect, class, &request);
                    put(&mut running.to, &Reply::Executed(result))?;
                }
                Response::Exec { effect, class, action, args } => {
                    let result = world.call(&effect, class, &action, &args);
                    put(&mut running.to, &Reply::Executed(result))?;
                }
                done => return Ok(done),
            }
        }
    }
}

fn put(to: &mut impl Write, value: &impl Serialize) -> Result<(), BotError> {
    let mut line = serde_json::to_vec(value).map_err(broken)?;
    line.push(b'\n');
    to.write_all(&line).and_then(|()| to.flush()).map_err(broken)
}

fn take<T: DeserializeOwned>(from: &mut impl BufRead) -> Result<T, BotError> {
    let mut line = String::new();
    match from.read_line(&mut line).map_err(broken)? {
        0 => Err(broken("it has ended")),
        _ => serde_json::from_str(&line).map_err(|why| broken(format!("{why} in {line:?}"))),
    }
}

impl Driver for ChildBot {
    fn deliver(&mut self, trigger: Trigger) -> BoxFuture<'_, Result<(), BotError>> {
        let now = self.world.clock.now();
        let trigger = Box::new(trigger);
        Box::pin(async move { self.ask(&Request::Deliver { trigger, now }).map(|_| ()) })
    }

    fn reread(&mut self, reread: Reread) -> BoxFuture<'_, Result<(), BotError>> {
        let now = self.world.clock.now();
        let reread = Box::new(reread);
        Box::pin(async move { self.ask(&Request::Reread { reread, now }).map(|_| ()) })
    }

    fn redact(&mut self, redaction: Redaction) -> BoxFuture<'_, Result<(), BotError>> {
        let now = self.world.clock.now();
        let redaction = Box::new(redaction);
        Box::pin(async move { self.ask(&Request::Redact { redaction, now }).map(|_| ()) })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<(), BotError>> {
        let now = self.world.clock.now();
        Box::pin(async move { self.ask(&Request::Settle { now }).map(|_| ()) })
    }

    fn reload<'a>(&'a mut self, policy: &'a Path) -> BoxFuture<'a, Result<bool, BotError>> {
        Box::pin(async move {
            let (policy, now) = (policy.to_owned(), self.world.clock.now());
            match self.ask(&Request::Reload { policy, now })? {
                Response::Reloaded { taken } => Ok(taken),
                other => Err(broken(format!("{other:?} is no reload"))),
            }
        })
    }

    fn restart<'a>(&'a mut self, setup: &'a Setup) -> BoxFuture<'a, Result<(), BotError>> {
        Box::pin(async move {
            self.kill();
            self.start(setup)
        })
    }

    fn log(&mut self, from: Position) -> BoxFuture<'_, Result<(Vec<String>, Position), BotError>> {
        Box::pin(async move {
            match self.ask(&Request::Log { from })? {
                Response::Log { kinds, next } => Ok((kinds, next)),
                other => Err(broken(format!("{other:?} is no log"))),
            }
        })
    }

    fn stopped(&self) -> bool {
        false
    }
}

/// The child's line to its parent: only one thing happens at a time, so answers follow questions.
struct Wire {
    input: Mutex<BufReader<std::io::Stdin>>,
}

impl Wire {
    fn ask(&self, question: &Response) -> Result<Reply, BotError> {
        put(&mut std::io::stdout().lock(), question)?;
        take(&mut *self.input.lock().expect("nobody panics with the line"))
    }
}

impl Chat for Wire {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        Box::pin(async move {
            match self.ask(&Response::Send(Box::new(outgoing.clone()))) {
                Ok(Reply::Sent(post)) => Ok(post),
                other => Err(SendError::Never { reason: format!("the parent said {other:?}") }),
            }
        })
    }

    fn rooms<'a>(&'a self, act: &'a RoomAct) -> BoxFuture<'a, Result<RoomAnswer, SendError>> {
        Box::pin(async move {
            match self.ask(&Response::Rooms(act.clone())) {
                Ok(Reply::Rooms(done)) => done.map_err(|reason| SendError::Never { reason }),
                other => Err(SendError::Never { reason: format!("the parent said {other:?}") }),
            }
        })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

impl Actions for Wire {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move {
            let (effect, class) = (call.effect, call.def.effect);
            let question = Response::Exec { effect, class, action: call.def.name, args: call.args };
            let result = match self.ask(&question) {
                Ok(Reply::Executed(result)) => result,
                other => EffectResult::Err(Value::String(format!("the parent said {other:?}"))),
            };
            ActionDone { result, whole: None, took: Duration::ZERO }
        })
    }

    fn fetch(&self, call: HttpCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move {
            let (effect, class, request) = (call.effect, call.class, Box::new(call.request));
            let result = match self.ask(&Response::Http { effect, class, request }) {
                Ok(Reply::Executed(result)) => result,
                other => EffectResult::Err(Value::String(format!("the parent said {other:?}"))),
            };
            ActionDone { result, whole: None, took: Duration::ZERO }
        })
    }
}

/// The child's side: serves its parent until the line is closed.
///
/// # Errors
/// [`BotError`] if the line or the log fails.
pub async fn serve(
    clock: Arc<HandClock>,
    open: impl FnOnce(Arc<dyn Clock>) -> Result<Arc<dyn EventStore>, BotError>,
) -> Result<(), BotError> {
    let wire = Arc::new(Wire { input: Mutex::new(BufReader::new(std::io::stdin())) });
    let mut open = Some(open);
    let mut bot = None;
    loop {
        let request = {
            let mut input = wire.input.lock().expect("nobody panics with the line");
            match input.fill_buf().map_err(broken)?.is_empty() {
                true => return Ok(()),
                false => take::<Request>(&mut *input)?,
            }
        };
        let done: Result<Response, BotError> = match request {
            Request::Open {
                scripts,
                prefix,
                roles,
                policy,
                management_room,
                limits,
                context,
                alerts,
                stale_after_ms,
                now,
            } => {
                clock.set(now);
                let open = open.take().ok_or_else(|| broken("it is open already"))?;
                let roles = Arc::new(Roles::read(&roles).map_err(broken)?);
                let policy = policy.map(|path| PolicyFolder { path, shipped: false });
                let settings = Settings {
                    roles,
                    policy,
                    management_room,
                    limits,
                    context,
                    alerts: *alerts,
                    stale_after_ms,
                    ..Settings::simulated(&prefix)
                };
                let opened = open(clock.clone()).and_then(|store| {
                    Bot::open(store, &scripts, wire.clone(), wire.clone(), clock.clone(), settings)
                });
                opened.map(|opened| {
                    bot = Some(opened);
                    Response::Done
                })
            }
            request => match &bot {
                None => Err(broken("it is not open")),
                Some(bot) => serve_one(bot, &clock, request).await,
            },
        };
        let response = done.unwrap_or_else(|error| match error {
            BotError::Damaged(why) => Response::Failed { damaged: true, why },
            BotError::Process(why) => Response::Failed { damaged: false, why },
            other => Response::Failed { damaged: false, why: other.to_string() },
        });
        put(&mut std::io::stdout().lock(), &response)?;
    }
}

async fn serve_one(bot: &Bot, clock: &HandClock, request: Request) -> Result<Response, BotError> {
    match request {
        Request::Deliver { trigger, now } => {
            clock.set(now);
            bot.deliver(*trigger).await.map(|()| Response::Done)
        }
        Request::Reread { reread, now } => {
            clock.set(now);
            bot.reread(*reread).await.map(|()| Response::Done)
        }
        Request::Reload { policy, now } => {
            clock.set(now);
            bot.reload(&policy).await.map(|taken| Response::Reloaded { taken })
        }
        Request::Redact { redaction, now } => {
            clock.set(now);
            bot.redact(*redaction).await.map(|()| Response::Done)
        }
        Request::Settle { now } => {
            clock.set(now);
            bot.settle().await.map(|()| Response::Done)
        }
        Request::Log { from } => {
            let (kinds, next) = bot.log(from)?;
            Ok(Response::Log { kinds, next })
        }
        Request::Open { .. } => Err(broken("it is open already")),
    }
}
