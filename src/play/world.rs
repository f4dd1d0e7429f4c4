//! What is outside of the bot in a transcript: rooms and people on a simulated homeserver, fake actions, a clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::parse::Does;
use super::pattern::{Words, matches};
use super::people::full_id;
pub use super::people::{place, speaker};
use super::responses::{passes, responded};
use crate::adapter::{
    Attached, Chat, Found, Outgoing, Redaction, Relation, Reread, RoomAct, RoomAnswer, RoomInfo,
    SendError,
};
use crate::domain::event::{EffectClass, EffectResult};
use crate::domain::http::Request;
use crate::domain::id::{DedupeKey, PostId, RoomId, Timestamp, UserId};
use crate::domain::role::Standing;
use crate::domain::trigger::{Message, Reaction, Trigger, Trust, Undecryptable, What};
use crate::processor::action::{ActionCall, ActionDone, Actions};
use crate::processor::http::HttpCall;
use crate::store::Clock;

/// When transcripts begin: 2026-03-02 09:00 UTC, a Monday.
pub const BEGINNING: Timestamp = Timestamp(1_772_442_000_000);
/// The simulated bot's own account.
pub const BOT: &str = "@beadle:local";

/// A clock that is moved by hand.
pub struct HandClock(AtomicI64);

impl HandClock {
    /// At the beginning.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(BEGINNING.0)))
    }

    /// Moves on.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// How the bot said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The post.
    pub post: PostId,
    /// In which room.
    pub room: RoomId,
    /// What it was to other posts.
    pub relation: Relation,
    /// The text.
    pub text: String,
}

/// A result that a fake action gives.
#[derive(Debug, Clone)]
pub struct FakeExec {
    /// The line of the transcript.
    pub line: usize,
    /// The action.
    pub action: String,
    /// What it must be called with; of a request the JSON that it carries.
    pub args: Option<Value>,
    /// What it gives.
    pub result: EffectResult,
    /// Whether it was called.
    pub used: bool,
}

/// What an action gives for its parameters.
pub type Fake = Arc<dyn Fn(&Value) -> EffectResult + Send + Sync>;

/// Everything outside.
pub struct World {
    /// The clock.
    pub clock: Arc<HandClock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    run: u64,
    next_post: u64,
    posts: Vec<Post>,
    transactions: BTreeMap<(RoomId, String), PostId>,
    heard: VecDeque<Heard>,
    execs: Vec<FakeExec>,
    fakes: BTreeMap<String, Fake>,
    calls: Vec<(String, Value)>,
    ran: BTreeMap<String, EffectResult>,
    wrong: Vec<String>,
    unread: Vec<Reread>,
    management: Option<RoomId>,
    power: BTreeMap<(RoomId, UserId), i64>,
    /// How many are in a room, where a transcript says so.
    members: BTreeMap<RoomId, u64>,
    /// Every room that anybody has spoken in, and whether the bot is in it.
    rooms: BTreeMap<RoomId, bool>,
}

struct Post {
    id: PostId,
    room: RoomId,
    by: String,
    thread: Option<PostId>,
}

/// A room as the transcript names it.
#[derive(Debug, Clone)]
pub struct Room {
    /// `#ops`.
    pub name: String,
    /// What is behind it.
    pub network: Option<String>,
    /// Whether it is end-to-end encrypted.
    pub encrypted: bool,
}

/// A person as the transcript names them.
#[derive(Debug, Clone)]
pub struct Person {
    /// `ann`, or `@ann:example.org`.
    pub name: String,
    /// The network they are native to.
    pub network: Option<String>,
    /// Their account there.
    pub account: Option<String>,
    /// What they call themselves; none: their name.
    pub shown: Option<String>,
    /// How strongly the network proves that it is them; none: it knows the account.
    pub trust: Option<Trust>,
    /// How long ago they did it.
    pub ago_ms: i64,
}

impl Room {
    /// An ordinary room.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), network: None, encrypted: false }
    }
}

impl Person {
    /// An ordinary person.
    pub fn named(name: impl Into<String>) -> Self {
        let (network, account, shown, trust) = (None, None, None, None);
        Self { name: name.into(), network, account, shown, trust, ago_ms: 0 }
    }
}

impl World {
    /// Empty rooms.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { clock: HandClock::new(), state: Mutex::default() })
    }

    /// Names this run, so that its posts are other posts than those of an earlier run on the same log.
    pub fn name_run(&self, run: u64) {
        self.state().run = run;
    }

    /// Gives somebody power in a room; they are in it then.
    pub fn empower(&self, name: &str, room: &Room, power: i64) {
        let who = (RoomId(room.name.clone()), UserId(full_id(name)));
        self.state().power.insert(who, power);
    }

    /// Says which room is the management room; who speaks there is in it.
    pub fn manage(&self, room: Option<RoomId>) {
        self.state().management = room;
    }

    /// Says how many are in a room: where there are two, the bot is alone with somebody.
    pub fn has_members(&self, room: RoomId, count: u64) {
        self.state().members.insert(room, count);
    }

    /// Does what the bot asks about rooms: it can come back into one that it has left, and into no other.
    ///
    /// # Errors
    /// Why not.
    pub fn visit(&self, act: &RoomAct) -> Result<RoomAnswer, String> {
        let mut state = self.state();
        let (room, there) = match act {
            RoomAct::List => {
                let joined = state.rooms.iter().filter(|(_, there)| **there);
                let rooms: Vec<RoomInfo> = joined.map(|(room, _)| state.info(room)).collect();
                return Ok(RoomAnswer::Rooms { total: rooms.len(), rooms });
            }
            RoomAct::Standing { user, room } => {
                let there = state.people(room).contains(user.as_str());
                let power = state.power.get(&(room.clone(), user.clone())).copied();
                return Ok(RoomAnswer::Standing(match (power, there) {
                    (Some(power), _) => Standing::Member(power),
                    (None, true) => Standing::Member(0),
                    (None, false) => Standing::Stranger,
                }));
            }
            RoomAct::Manages(user) => {
                let members = state.management.as_ref().map(|room| state.people(room));
                let manages = members.is_some_and(|members| members.contains(user.as_str()));
                return Ok(RoomAnswer::Manages(manages));
            }
            RoomAct::Join(room) => (room, true),
            RoomAct::Leave(room) => (room, false),
            _ => return Err("nobody takes orders here".into()),
        };
        let known = state.rooms.get_mut(room).ok_or("there is no such room")?;
        let was = std::mem::replace(known, there);
        let info = state.info(room);
        Ok(match there {
            true => RoomAnswer::Room(info),
            false => RoomAnswer::Left { room: info, now: was },
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the world")
    }

    /// A person deletes the last message of somebody in a room, with what it was corrected to.
    ///
    /// # Errors
    /// They have said nothing there.
    pub fn delete(&self, person: &Person, room: &Room, whose: &str) -> Result<Redaction, String> {
        let mut state = self.state();
        let id = RoomId(room.name.clone());
        let post = state.last(&id, whose).ok_or("they have said nothing here yet")?;
        state.posts.retain(|known| known.id != post);
        let heard = ["matrix", BOT, id.as_str(), post.as_str()];
        let late = [heard.as_slice(), &["decrypted"]].concat();
        let keys = vec![DedupeKey::new(&heard), DedupeKey::new(&late)];
        let by = speaker(person, room).id;
        Ok(Redaction { keys, room: id, post, by, reason: None })
    }

    /// A person does something; the trigger that a homeserver would bring.
    ///
    /// # Errors
    /// What is missing: a message to react to or to change.
    pub fn act(&self, person: &Person, room: &Room, does: &Does) -> Result<Trigger, String> {
        let mut state = self.state();
        let id = RoomId(room.name.clone());
        let post = state.post_id();
        let thread = match does {
            Does::SaysInThread(_) => {
                Some(state.thread(&id).ok_or("there is no message to begin a thread on")?)
            }
            _ => None,
        };
        let mut place = place(room, thread.clone());
        place.direct |= state.members.get(&id) == Some(&2);
        let speaker = speaker(person, room);
        let of_bot = state.last(&id, "bot");
        let own = state.last(&id, &person.name);
        let message = |text: &str, reply_to: Option<PostId>, edits: Option<PostId>| {
            let (place, speaker) = (place.clone(), speaker.clone());
            // A client that calls the bot by a pill puts its name there, in brackets here.
            let pill = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let text = pill.map_or_else(|| text.to_owned(), |(name, rest)| [name, rest].concat());
            What::Message(Message {
                place,
                speaker,
                post: post.clone(),
                text,
                command: None,
                reply_to,
                edits,
                mentioned: pill.is_some(),
                hops: 0,
            })
        };
        let nothing = "the bot has said nothing here yet";
        let what = match does {
            Does::Says(text) | Does::SaysInThread(text) | Does::SaysUnreadable(text) => {
                message(text, None, None)
            }
            Does::Replies(text) => message(text, Some(of_bot.ok_or(nothing)?), None),
            Does::Edits(text) => {
                message(text, None, Some(own.ok_or("they have said nothing here yet")?))
            }
            Does::Reacts(key) => What::Reaction(Reaction {
                place: place.clone(),
                speaker: speaker.clone(),
                post: post.clone(),
                target: of_bot.ok_or(nothing)?,
                key: key.clone(),
            }),
            Does::Deletes(_) => return Err("what is deleted is no trigger".into()),
        };
        state.rooms.insert(id.clone(), true);
        // An edit is no post of its own: whoever edits again edits the first one.
        if !matches!(does, Does::Reacts(_) | Does::Edits(_)) {
            state.posts.push(Post {
                id: post.clone(),
                room: id.clone(),
                by: person.name.clone(),
                thread,
            });
        }
        let key = DedupeKey::new(&["matrix", BOT, id.as_str(), post.as_str()]);
        let at = self.clock.now().plus_ms(-person.ago_ms);
        if !matches!(does, Does::SaysUnreadable(_)) {
            return Ok(Trigger { key, at, late: false, what });
        }
        let late = DedupeKey::new(&["matrix", BOT, id.as_str(), post.as_str(), "decrypted"]);
        let read = Trigger { key: late, at, late: false, what };
        let found = Found::Read(Some(Box::new(read)));
        state.unread.push(Reread { key: key.clone(), found });
        let what = What::Undecryptable(Undecryptable { place, speaker, post });
        Ok(Trigger { key, at, late: false, what })
    }

    /// Everything that could not be read can be read now, in the order in which it was said.
    pub fn keys_arrive(&self) -> Vec<Reread> {
        std::mem::take(&mut self.state().unread)
    }

    /// The next thing that the bot said and nobody has looked at.
    pub fn next_heard(&self) -> Option<Heard> {
        self.state().heard.pop_front()
    }

    /// What fake actions give until the next time somebody does something.
    pub fn expect_execs(&self, execs: Vec<FakeExec>) {
        self.state().execs = execs;
    }

    /// A request is answered by who was told what it gives: by its method and URL, or a pattern of them.
    pub fn answer(&self, effect: &str, class: EffectClass, request: &Request) -> EffectResult {
        let (called, seen) = (request.called(), request.seen());
        let name = self.state().fake_of(&called);
        match self.call_as(effect, class, (&called, &name), &seen, &|want| seen["json"] == *want) {
            EffectResult::Ok(given) => EffectResult::Ok(responded(&given)),
            EffectResult::Err(error) => EffectResult::Err(error),
        }
    }

    /// From here on an action gives this, as often as it is called.
    pub fn fake(&self, action: &str, gives: Fake) {
        self.state().fakes.insert(action.to_owned(), gives);
    }

    /// The actions that were called, each effect once, with their parameters.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.state().calls.clone()
    }

    /// Whether the fake action of a line was called.
    pub fn exec_used(&self, line: usize) -> bool {
        self.state().execs.iter().any(|exec| exec.line == line && exec.used)
    }

    /// What went wrong outside: unexpected or repeated actions.
    pub fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.state().wrong)
    }

    /// The simulated homeserver takes a message; a repeated transaction is the first one again.
    pub fn take(&self, outgoing: &Outgoing) -> PostId {
        let mut state = self.state();
        let room = direct(&outgoing.room);
        let key = (room.clone(), outgoing.message.0.clone());
        state.wrong.extend(outgoing.attached.as_ref().and_then(misdrawn));
        if let Some(post) = state.transactions.get(&key) {
            return post.clone();
        }
        let post = state.post_id();
        state.transactions.insert(key, post.clone());
        let thread = match &outgoing.relation {
            Relation::Thread(root) => Some(root.clone()),
            _ => None,
        };
        if !matches!(outgoing.relation, Relation::Edit(_) | Relation::Reaction(_)) {
            let (id, room) = (post.clone(), room.clone());
            state.posts.push(Post { id, room, by: "bot".into(), thread });
        }
        state.heard.push_back(Heard {
            post: post.clone(),
            room,
            relation: outgoing.relation.clone(),
            text: said(outgoing),
        });
        post
    }

    /// A fake action is called.
    pub fn call(
        &self,
        effect: &str,
        class: EffectClass,
        action: &str,
        args: &Value,
    ) -> EffectResult {
        self.call_as(effect, class, (action, action), args, &|want| want == args)
    }

    /// The same for what its fake has by another name, and of whose arguments a part counts.
    fn call_as(
        &self,
        effect: &str,
        class: EffectClass,
        (action, fake): (&str, &str),
        args: &Value,
        same: &dyn Fn(&Value) -> bool,
    ) -> EffectResult {
        let mut state = self.state();
        let fits = |exec: &&mut FakeExec| {
            !exec.used && exec.action == action && exec.args.as_ref().is_none_or(same)
        };
        if let Some(result) = state.ran.get(effect) {
            let result = result.clone();
            // After an error it may be tried again, and the transcript has a line for each attempt.
            let failed = matches!(result, EffectResult::Err(_)) || passes(&result);
            if !failed || !state.execs.iter_mut().any(|exec| fits(&exec)) {
                if class == EffectClass::Once {
                    state.wrong.push(format!("{action} is of class `once` and was run twice"));
                }
                return result;
            }
        }
        let scripted = state.execs.iter_mut().find(fits).map(|exec| {
            exec.used = true;
            exec.result.clone()
        });
        let fake = state.fakes.get(fake).cloned();
        state.calls.push((action.to_owned(), args.clone()));
        let result = match (scripted, fake) {
            (Some(result), _) => result,
            (None, Some(fake)) => {
                // A fake may take its time, and must not find the world locked.
                drop(state);
                let result = fake(args);
                state = self.state();
                result
            }
            (None, None) => {
                let line = if args["method"].is_string() { "http" } else { "exec" };
                let what = format!("nobody expects ({line} {action} {args} …)");
                state.wrong.push(what);
                EffectResult::Err(
                    json!({ "kind": "failed", "action": action, "message": "unexpected" }),
                )
            }
        };
        state.ran.insert(effect.to_owned(), result.clone());
        result
    }
}

impl State {
    /// The fake that a request is answered by: its own, or one whose pattern fits.
    fn fake_of(&self, called: &str) -> String {
        if self.fakes.contains_key(called) {
            return called.to_owned();
        }
        let fits = |pattern: &&String| {
            pattern.contains('*') && matches(pattern, called, &mut Words::new())
        };
        self.fakes.keys().find(fits).cloned().unwrap_or_else(|| called.to_owned())
    }

    fn post_id(&mut self) -> PostId {
        self.next_post += 1;
        PostId(format!("${}-{}", self.run, self.next_post))
    }

    /// Who has spoken in a room, without the bot.
    fn people(&self, room: &RoomId) -> BTreeSet<String> {
        let here = self.posts.iter().filter(|post| post.room == *room && post.by != "bot");
        here.map(|post| full_id(&post.by)).collect()
    }

    fn info(&self, room: &RoomId) -> RoomInfo {
        RoomInfo {
            room: room.clone(),
            name: room.0.clone(),
            encrypted: false,
            members: 1 + self.people(room).len() as u64,
            network: "matrix".into(),
        }
    }

    fn last(&self, room: &RoomId, by: &str) -> Option<PostId> {
        let mut posts = self.posts.iter().rev();
        posts.find(|post| post.room == *room && post.by == by).map(|post| post.id.clone())
    }

    /// The thread that goes on: that of the last message, or a new one on it.
    fn thread(&self, room: &RoomId) -> Option<PostId> {
        let last = self.posts.iter().rev().find(|post| post.room == *room)?;
        Some(last.thread.clone().unwrap_or_else(|| last.id.clone()))
    }
}

/// What a room shows of a message: its text, and a line for what goes with it.
fn said(outgoing: &Outgoing) -> String {
    let line = outgoing.attached.as_ref().map(Attached::line);
    match (outgoing.plain.trim_end(), line) {
        (_, None) => outgoing.plain.clone(),
        ("", Some(line)) => line,
        (text, Some(line)) => format!("{text}\n{line}"),
    }
}

/// What is wrong with a picture: it must be a PNG file of the size that the message says.
fn misdrawn(attached: &Attached) -> Option<String> {
    let picture = attached.picture.as_ref()?;
    let number = |at: usize| {
        let bytes = attached.bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().expect("these are four bytes")))
    };
    let is_png = attached.bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    let fits = (number(16), number(20)) == (Some(picture.width), Some(picture.height));
    (!is_png || !fits).then(|| format!("{} is not what it says", attached.line()))
}

/// The room of a person is called by their name.
fn direct(room: &RoomId) -> RoomId {
    let bare = room.as_str().strip_suffix(":local").filter(|bare| bare.starts_with('@'));
    bare.map_or_else(|| room.clone(), |bare| RoomId(bare.to_owned()))
}

impl Chat for World {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        Box::pin(async move { Ok(self.take(outgoing)) })
    }

    fn rooms<'a>(&'a self, act: &'a RoomAct) -> BoxFuture<'a, Result<RoomAnswer, SendError>> {
        Box::pin(async move { self.visit(act).map_err(|reason| SendError::Never { reason }) })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

impl Actions for World {
    fn run(&self, call: ActionCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move {
            let result = self.call(&call.effect, call.def.effect, &call.def.name, &call.args);
            ActionDone { result, whole: None, took: Duration::ZERO }
        })
    }

    fn fetch(&self, call: HttpCall) -> BoxFuture<'_, ActionDone> {
        Box::pin(async move {
            let result = self.answer(&call.effect, call.class, &call.request);
            ActionDone { result, whole: None, took: Duration::ZERO }
        })
    }
}
