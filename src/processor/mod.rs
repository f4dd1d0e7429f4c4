//! The acting: reads, asks a pure function, appends. One file for each kind of work; `schedule` runs them side by side.
//!
//! Every step can be stopped before its append and is then done again from the log; after its append it is never done again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::adapter::Chat;
use crate::domain::approval::Rules;
use crate::domain::bridge::Bridges;
pub use crate::domain::catch_up::RUN_WITHIN_MS;
use crate::domain::context::{CONTEXT_FOR_MS, CONTEXT_TURNS};
pub use crate::domain::conversation::STALE_AFTER_MS;
use crate::domain::event::{Event, MessageQueued, Meta, NewEvent, post_key};
use crate::domain::execution::Execution;
use crate::domain::hook::Hook;
use crate::domain::http_allow::Allow;
use crate::domain::id::{
    EventId, ExecutionId, MessageId, PostId, Pseudonym, RoomId, StreamName, Timestamp, UserId,
    Version,
};
use crate::domain::message::Doc;
use crate::domain::role::Roles;
use crate::domain::storm::Terms;
use crate::domain::trigger::Place;
use crate::domain::words::before_commands;
use crate::query::agenda::{Agenda, Budget, Task, Work};
use crate::script::hot::HOT_FOR;
use crate::store::{
    AppendError, Clock, Direction, EventStore, Expected, ReadError, Subject, Write,
};

mod acks;
pub mod action;
pub mod alerts;
pub mod alive;
pub mod alone;
pub mod approvals;
mod attach;
pub mod away;
pub mod bridges;
mod builtin;
pub mod can;
pub mod cancel;
mod compose;
pub mod content;
pub mod context;
pub mod deliver;
pub mod dispatch;
mod edit;
pub mod effect;
pub mod ended;
pub mod erasure;
pub mod execute;
mod folds;
mod grants;
mod held;
mod hot;
pub mod http;
pub mod identities;
pub mod intake;
pub mod listing;
mod lock;
mod manners;
mod more;
pub mod named;
pub mod nicks;
pub mod order;
pub mod out;
pub mod outbox;
pub mod own;
pub mod pacing;
pub mod pause;
mod people;
pub mod policies;
pub mod progress;
pub mod questions;
pub mod reread;
pub mod rooms;
mod rules;
mod scene;
pub mod schedule;
pub mod schedules;
pub mod scripts;
pub mod sensors;
pub mod setups;
mod sheet;
pub mod silences;
mod start;
mod stays;
mod switches;
mod tell;
pub mod timer;
pub mod tree_head;
pub mod upkeep;
mod wake;
mod windows;

use action::Actions;
use scripts::Scripts;

/// How often a step is decided again because its stream has moved on.
pub const ATTEMPTS_MAX: usize = 64;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// The agenda is kept after so many events.
const AGENDA_KEPT_EVERY: u64 = 5_000;

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing can be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Something cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How the bot behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The command prefix.
    pub prefix: String,
    /// Who holds which role.
    pub roles: Arc<Roles>,
    /// Where the policies are; none: the shipped ones decide.
    pub policy: Option<policies::PolicyFolder>,
    /// Where the bot tells its owner what they must know.
    pub management_room: Option<RoomId>,
    /// Where the log may be asked about, if that is not the management room.
    pub asking_room: Option<RoomId>,
    /// What clocks on the wall show where the bot is.
    pub zone: TimeZone,
    /// A command that comes later than this after it was said is asked about instead of run.
    pub run_within_ms: i64,
    /// So long after a question a bare answer is meant for it; later the bot asks back.
    pub stale_after_ms: i64,
    /// How long an event is without a signed head; none: heads are made for many events only, and when they are asked for.
    pub head_every: Option<Duration>,
    /// How long what is over is kept; none: for ever.
    pub keep: Option<Duration>,
    /// Where signed heads are published.
    pub audit_room: Option<RoomId>,
    /// How often it is recorded what a running action prints.
    pub progress_every: Duration,
    /// What the bot says when it comes into a room; empty: nothing. `{prefix}` stands for the command prefix.
    pub intro: String,
    /// What conversations are about.
    pub context: Context,
    /// How long a script that waits stays on its thread; zero: not at all.
    pub hot_for: Duration,
    /// What is too much from one account.
    pub limits: Limits,
    /// How alerts are told.
    pub alerts: Terms,
    /// The hosts that scripts may reach over HTTP.
    pub http: Arc<Allow>,
    /// The bridges to other networks.
    pub bridges: Arc<Bridges>,
    /// The webhooks that are configured.
    pub hooks: Arc<BTreeMap<String, Hook>>,
}

/// What is too much from one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// How many commands it may give in a minute; none: as many as it likes.
    pub commands_per_minute: Option<u32>,
    /// Whether a conversation is not gone on with that goes round in a ring.
    pub stop_rings: bool,
}

/// What conversations are about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Context {
    /// How long what was mentioned counts, in milliseconds.
    pub within_ms: i64,
    /// For how many recorded turns.
    pub turns_max: u32,
    /// The defaults of rooms, by id or name: a value for each parameter.
    pub rooms: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for Context {
    fn default() -> Self {
        Self { within_ms: CONTEXT_FOR_MS, turns_max: CONTEXT_TURNS, rooms: BTreeMap::new() }
    }
}

impl Settings {
    /// Settings for simulated rooms, where names are ids.
    pub fn simulated(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            roles: Arc::default(),
            policy: None,
            management_room: None,
            asking_room: None,
            zone: TimeZone::UTC,
            run_within_ms: RUN_WITHIN_MS,
            stale_after_ms: STALE_AFTER_MS,
            head_every: Some(tree_head::HEAD_EVERY),
            keep: None,
            audit_room: None,
            progress_every: progress::PROGRESS_EVERY,
            intro: String::new(),
            context: Context::default(),
            hot_for: HOT_FOR,
            // Nobody is too fast for a clock that is moved by hand.
            limits: Limits::default(),
            alerts: Terms::default(),
            http: Arc::default(),
            bridges: Bridges::shipped(),
            hooks: Arc::default(),
        }
    }
}

/// All that the processors work with.
pub struct Kernel {
    /// Itself, for what is asked of it while a script runs.
    me: std::sync::Weak<Self>,
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// The scripts.
    pub scripts: Scripts,
    /// The policies.
    pub policies: policies::Policies,
    /// Where the bot speaks.
    pub chat: Arc<dyn Chat>,
    /// What runs actions.
    pub actions: Arc<dyn Actions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    settings: RwLock<Arc<Settings>>,
    rules: RwLock<Rules>,
    /// What people call the bot.
    pub names: RwLock<Vec<String>>,
    /// The rooms behind names such as `#ops:example.org`, as the network resolved them.
    pub rooms: RwLock<BTreeMap<String, RoomId>>,
    agenda: Mutex<Agenda>,
    kept: Mutex<u64>,
    held: held::Held,
    running: cancel::Running,
    hot: hot::HotRuns,
    hashes: content::Hashes,
    folds: folds::Folds,
    schedules: schedules::Known,
    sensing: sensors::Board,
    known: people::Known,
    granted: grants::Known,
    switched: switches::Known,
    silent: silences::Known,
    alerting: alerts::Known,
    bridged: bridges::Known,
    setups: setups::Known,
    named: named::Known,
    asked: identities::Asked,
}

impl Kernel {
    /// Wires the processors to a log; the agenda is taken from where it was kept.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn new(
        store: Arc<dyn EventStore>,
        scripts: Scripts,
        chat: Arc<dyn Chat>,
        actions: Arc<dyn Actions>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Arc<Self>, ReadError> {
        let agenda = Agenda::kept(store.as_ref())?;
        let policies = policies::Policies::open(settings.policy.clone(), store.as_ref())?;
        let kernel = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            kept: Mutex::new(agenda.checkpoint.0),
            agenda: Mutex::new(agenda),
            names: RwLock::new(vec!["beadle".into()]),
            rooms: RwLock::default(),
            held: held::Held::default(),
            running: cancel::Running::default(),
            hot: hot::HotRuns::default(),
            hashes: content::Hashes::default(),
            folds: folds::Folds::default(),
            policies,
            schedules: schedules::Known::default(),
            sensing: sensors::Board::default(),
            known: people::Known::default(),
            granted: grants::Known::default(),
            switched: switches::Known::default(),
            silent: silences::Known::default(),
            alerting: alerts::Known::default(),
            bridged: bridges::Known::default(),
            setups: setups::Known::default(),
            named: named::Known::default(),
            asked: identities::Asked::default(),
            store,
            scripts,
            chat,
            actions,
            clock,
            settings: RwLock::new(Arc::new(settings)),
            rules: RwLock::new(Rules::STRICT),
        });
        kernel.catch_up()?;
        Ok(kernel)
    }

    /// The bot's own account, as far as it is known.
    fn own_id(&self) -> UserId {
        let names = self.names.read().expect("nobody panics with them");
        let id = names.iter().find(|name| name.starts_with('@') && name.contains(':'));
        UserId(id.cloned().unwrap_or_else(|| "@beadle".to_owned()))
    }

    /// Itself, for what goes on beside the step that asks.
    fn itself(&self) -> Arc<Self> {
        self.me.upgrade().expect("whoever calls this holds it")
    }

    /// How the bot behaves now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().expect("nobody panics with them").clone()
    }

    /// Behaves in another way from the next step on.
    pub fn behave(&self, settings: Settings) {
        *self.settings.write().expect("nobody panics with them") = Arc::new(settings);
        self.look_at_bridges_anew();
    }

    /// Brings the agenda to the head of the log.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn catch_up(&self) -> Result<(), ReadError> {
        let mut agenda = self.agenda.lock().expect("no step panics with the agenda");
        agenda.catch_up(self.store.as_ref())?;
        let mut kept = self.kept.lock().expect("no step panics with this");
        if agenda.checkpoint.0 >= *kept + AGENDA_KEPT_EVERY {
            *kept = agenda.checkpoint.0;
            agenda.keep(self.store.as_ref())?;
        }
        Ok(())
    }

    /// Keeps the agenda, so that the next start need not read the whole log.
    ///
    /// # Errors
    /// [`ReadError`] if the store fails.
    pub fn keep_agenda(&self) -> Result<(), ReadError> {
        self.catch_up()?;
        let mut agenda = self.agenda.lock().expect("no step panics with the agenda");
        agenda.keep(self.store.as_ref())
    }

    /// Looks at the agenda.
    pub fn agenda<T>(&self, look: impl FnOnce(&Agenda) -> T) -> T {
        look(&self.agenda.lock().expect("no step panics with the agenda"))
    }

    /// What can be done now in lanes that are not taken.
    pub fn tasks(&self, taken: &dyn Fn(&str) -> bool, budget: Budget) -> Vec<Task> {
        let now = self.clock.now();
        let away = self.lanes_away(now);
        let held =
            |lane: &str| taken(lane) || self.held.waits(lane, now) || away.contains_key(lane);
        let mut tasks = self.agenda(|agenda| agenda.tasks(now, &held, budget));
        let left = tasks.iter().fold(budget, |left, task| left.less(&task.work));
        tasks.extend(self.due_schedules(now, &held, left.steps));
        tasks
    }

    /// When something becomes due by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let agenda = self.agenda(|agenda| agenda.next_due(now));
        let away = self.lanes_away(now).into_values().min();
        let others = [self.held.next(now), self.next_schedule(now), away];
        agenda.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// Does one thing.
    ///
    /// # Errors
    /// [`Error`] if the log fails; everything else is an outcome that is recorded.
    pub async fn perform(&self, task: &Task) -> Result<(), Error> {
        match &task.work {
            Work::Dispatch(stream) => self.dispatch(stream).await,
            Work::Slice(id) => self.slice(id).await,
            Work::Effect(id, path) => self.effect(id, path).await,
            Work::Orphan(id, path) => self.orphan(id, path).await,
            Work::Delay(id, path, behind) => self.delay(id, path, behind).await,
            Work::Timer(id, path, due) => self.time(id, path, *due).await,
            Work::Wake(stream) => self.look(stream).await,
            Work::Return(caller, path, called) => self.returned(caller, path, called).await,
            Work::Send(id) => self.send(id, &task.lane).await,
            Work::Supersede(id, by) => self.supersede(id, by).await,
            Work::Occur(name) => self.occur(name).await,
        }
    }

    /// What the bot decided to say.
    fn queued(&self, id: &MessageId) -> Result<Option<MessageQueued>, ReadError> {
        Ok(self.queued_at(id)?.map(|(queued, _)| queued))
    }

    /// What the bot decided to say, and when.
    fn queued_at(&self, id: &MessageId) -> Result<Option<(MessageQueued, Timestamp)>, ReadError> {
        let found =
            self.store.read(&StreamName::message(id), Version::START, Direction::Forward, 1)?;
        Ok(found.first().and_then(|recorded| match recorded.event() {
            Some(Event::MessageQueued(queued)) => Some((queued.clone(), recorded.wall)),
            _ => None,
        }))
    }

    /// The post that a message of the bot became.
    fn post_of(&self, id: &MessageId) -> Result<Option<PostId>, ReadError> {
        let stream = StreamName::message(id);
        let found = self.store.read(&stream, Version(1), Direction::Forward, 1)?;
        Ok(match found.first().and_then(|recorded| recorded.event()) {
            Some(Event::MessageSent(sent)) => Some(sent.post.clone()),
            _ => None,
        })
    }

    /// Whether a post is one of the bot's.
    fn is_ours(&self, room: &RoomId, post: &PostId) -> Result<bool, ReadError> {
        Ok(self.store.find(&post_key(room, post))?.is_some())
    }

    /// An execution as it stands.
    fn execution(&self, id: &ExecutionId) -> Result<Option<Arc<Execution>>, ReadError> {
        self.folds.now(self.store.as_ref(), id)
    }

    /// What stands before a command in a place.
    fn before_commands(&self, place: &Place) -> String {
        before_commands(place, &self.settings().prefix).to_owned()
    }

    /// What stands for a room in the log; none: the log knows nothing of it.
    fn pseudonym_of(&self, room: &RoomId) -> Option<Pseudonym> {
        self.store.pseudonym(&Subject::Room(room.0.clone()))
    }

    /// A place in which the bot speaks by itself.
    fn alone(room: &RoomId, name: &str) -> Place {
        Place {
            network: "matrix".into(),
            name: name.into(),
            room: room.clone(),
            thread: None,
            direct: false,
            encrypted: true,
        }
    }

    /// Tells the owner something: the same words once a day.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn notify(&self, text: &str) -> Result<(), Error> {
        let day = (self.clock.now().0 / DAY_MS).to_string();
        let message = self.store.key().message("notice", &format!("{day} {text}"));
        let Some(notice) = self.notice(message, &Meta::default(), text)? else { return Ok(()) };
        self.append(vec![notice]).await?;
        Ok(())
    }

    /// The write that tells the owner something; none without a management room.
    fn notice(
        &self,
        message: MessageId,
        meta: &Meta,
        text: &str,
    ) -> Result<Option<Write>, ReadError> {
        let Some(room) = self.management_room()? else { return Ok(None) };
        let place = Self::alone(&room, "management");
        let notice = MessageQueued {
            message,
            place,
            reply_to: None,
            edits: None,
            doc: Doc::text(text),
            attachment: None,
            notify: vec![],
            execution: None,
            question: None,
        };
        Ok(Some(sheet::queued(meta, notice)))
    }

    /// Appends what was decided on; that it cannot be is an outcome too, which the caller records.
    async fn append(&self, batch: Vec<Write>) -> Result<Tried, AppendError> {
        let attached = attach::blobs(&batch);
        let tried = match self.store.append(batch).await {
            Ok(_) => return Ok(Tried::Done),
            Err(AppendError::WrongVersion { .. }) => Tried::Moved,
            Err(AppendError::Invalid(why)) => Tried::TooMuch(why),
            Err(error) => return Err(error),
        };
        self.discard(attached);
        Ok(tried)
    }
}

/// What came of trying to append.
enum Tried {
    /// It is on disk.
    Done,
    /// A stream has moved on: decide again.
    Moved,
    /// It does not fit into the log: decide something smaller.
    TooMuch(String),
}

/// Events for a stream at an exact version, without a dedupe key.
fn write(stream: StreamName, expected: Expected, events: Vec<NewEvent>) -> Write {
    Write { stream, expected, key: None, events }
}

/// What stands beside the events of an execution.
fn meta_of(execution: &Execution) -> Meta {
    let started = &execution.started;
    Meta {
        cause: Some(EventId {
            stream: StreamName::execution(&execution.id),
            version: execution.version,
        }),
        correlation: Some(started.trigger.stream.clone()),
        actor: Some(started.requester.id.clone()),
        room: Some(started.place.room.clone()),
        network: Some(started.place.network.clone()),
    }
}
