//! A kernel on a log in memory, with a chat that refuses what the test wants and a clock that is moved by hand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use beadle::adapter::{Chat, Incoming, Intake, Outgoing, RoomAct, RoomAnswer, SendError};
use beadle::domain::event::{MessageQueued, Meta, NewEvent};
use beadle::domain::id::{MessageId, PostId, RoomId, StreamName};
use beadle::domain::message::Doc;
use beadle::domain::trigger::Trigger;
use beadle::play::parse::Does;
use beadle::play::world::{HandClock, Person, Room, World, place};
use beadle::processor::action::Actions;
use beadle::processor::intake::Ear;
use beadle::processor::scripts::Scripts;
use beadle::processor::{Error, Kernel, Settings};
use beadle::query::agenda::Budget;
use beadle::store::memory::MemoryStore;
use beadle::store::{EventStore, Expected, Surroundings, Write};
use futures_util::future::BoxFuture;

use crate::store_world::{everything, surroundings};

/// Most steps until a test's kernel must have come to rest.
const STEPS_MAX: usize = 10_000;

/// A chat that takes everything, except what a test makes it refuse.
pub struct Moody {
    world: Arc<World>,
    refusals: Mutex<BTreeMap<RoomId, VecDeque<SendError>>>,
    sent: Mutex<Vec<String>>,
    outgoing: Mutex<Vec<Outgoing>>,
    /// The rooms behind names; none: no room has it. What is not here nobody can say.
    names: Mutex<BTreeMap<String, Option<RoomId>>>,
    asked: AtomicUsize,
}

impl Chat for Moody {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        Box::pin(async move {
            let mut refusals = self.refusals.lock().expect("nobody panics with them");
            if let Some(refusal) = refusals.get_mut(&outgoing.room).and_then(VecDeque::pop_front) {
                return Err(refusal);
            }
            let said = format!("{}: {}", outgoing.room, outgoing.plain);
            self.sent.lock().expect("nobody panics with them").push(said);
            self.outgoing.lock().expect("nobody panics with them").push(outgoing.clone());
            Ok(self.world.take(outgoing))
        })
    }

    fn rooms<'a>(&'a self, act: &'a RoomAct) -> BoxFuture<'a, Result<RoomAnswer, SendError>> {
        let RoomAct::Named(name) = act else { return self.world.rooms(act) };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let known = self.names.lock().expect("nobody panics with them").get(name.as_str()).cloned();
        let later = || SendError::Later { reason: "unreachable".into(), after: None };
        Box::pin(async move { known.map(RoomAnswer::Found).ok_or_else(later) })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

/// A kernel and everything around it.
pub struct Desk {
    pub kernel: Arc<Kernel>,
    pub ear: Ear,
    pub world: Arc<World>,
    pub clock: Arc<HandClock>,
    chat: Arc<Moody>,
}

impl Desk {
    /// With one script; `#boss` is the management room.
    pub fn new(script: &str) -> Self {
        Self::on(script, |surroundings| MemoryStore::new(surroundings))
    }

    /// The same on another store.
    pub fn on(script: &str, store: impl FnOnce(Surroundings) -> Arc<dyn EventStore>) -> Self {
        let world = World::new();
        let entropy = surroundings(1).0.entropy;
        let store = store(Surroundings { clock: world.clock.clone(), entropy });
        Self::over(&world, store, world.clone(), script)
    }

    /// On a log of its own, with what runs actions.
    pub fn over(
        world: &Arc<World>,
        store: Arc<dyn EventStore>,
        actions: Arc<dyn Actions>,
        script: &str,
    ) -> Self {
        let (scripts, problems) = Scripts::sources(vec![("t.rhai".to_owned(), script.to_owned())]);
        assert!(problems.is_empty(), "{problems:?}");
        Self::offering(world, store, actions, scripts)
    }

    /// The same with scripts that are loaded already.
    pub fn offering(
        world: &Arc<World>,
        store: Arc<dyn EventStore>,
        actions: Arc<dyn Actions>,
        scripts: Scripts,
    ) -> Self {
        let (world, clock) = (world.clone(), world.clock.clone());
        let (refusals, sent, outgoing, names) = Default::default();
        let asked = AtomicUsize::new(0);
        let chat = Arc::new(Moody { world: world.clone(), refusals, sent, outgoing, names, asked });
        let settings = Settings {
            management_room: Some(RoomId("#boss".into())),
            intro: "Hello. Say {prefix}help.".into(),
            ..Settings::simulated("!")
        };
        let kernel = Kernel::new(store, scripts, chat.clone(), actions, clock.clone(), settings)
            .expect("the log can be read");
        Self { ear: Ear::new(kernel.clone()), kernel, world, clock, chat }
    }

    /// What a person said in a room, as the network brings it.
    pub fn says(&self, who: &str, room: &str, text: &str) -> Trigger {
        let person = Person::named(who);
        let room = Room::named(room);
        self.world.act(&person, &room, &Does::Says(text.into())).expect("they can say it")
    }

    /// Hands over triggers and a position.
    pub async fn hand_over(&self, triggers: Vec<Trigger>, sync: Option<&str>) {
        let sync = sync.map(str::to_owned);
        let incoming = Incoming { triggers, sync, ..Incoming::default() };
        self.ear.record(incoming).await.expect("the log works");
    }

    /// Does everything that can be done now.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn settle(&self) -> Result<(), Error> {
        for _ in 0..STEPS_MAX {
            self.kernel.catch_up()?;
            let tasks = self.kernel.tasks(&|_| false, Budget { steps: 1, effects: 1, sends: 1 });
            let Some(task) = tasks.first() else { return Ok(()) };
            self.kernel.perform(task).await?;
        }
        panic!("it never comes to rest");
    }

    /// Makes the next sends to a room fail, in this order.
    pub fn refuse(&self, room: &str, refusals: Vec<SendError>) {
        let mut all = self.chat.refusals.lock().expect("nobody panics with them");
        all.entry(RoomId(room.into())).or_default().extend(refusals);
    }

    /// From now on a name stands for this room, or for none.
    pub fn name(&self, name: &str, room: Option<&str>) {
        let room = room.map(|room| RoomId(room.into()));
        self.chat.names.lock().expect("nobody panics with them").insert(name.into(), room);
    }

    /// How often it was asked which room a name stands for.
    pub fn names_asked(&self) -> usize {
        self.chat.asked.load(Ordering::Relaxed)
    }

    /// What was said since the last look: `room: text`.
    pub fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.chat.sent.lock().expect("nobody panics with them"))
    }

    /// Everything that was handed to the chat and taken by it.
    pub fn outgoing(&self) -> Vec<Outgoing> {
        self.chat.outgoing.lock().expect("nobody panics with them").clone()
    }

    /// Queues a message, or an edit of an earlier one.
    pub async fn queue(&self, room: &str, text: &str, edits: Option<&MessageId>) -> MessageId {
        let message = self.kernel.store.key().message("test", text);
        let place = place(&Room::named(room), None);
        let meta = Meta { room: Some(place.room.clone()), ..Meta::default() };
        let queued = MessageQueued {
            message: message.clone(),
            place,
            reply_to: None,
            edits: edits.cloned(),
            doc: Doc::text(text),
            attachment: None,
            notify: vec![],
            execution: None,
            question: None,
        };
        let (stream, events) = (StreamName::message(&message), vec![NewEvent::with(&meta, queued)]);
        let write = Write { stream, expected: Expected::NoStream, key: None, events };
        self.kernel.store.append(vec![write]).await.expect("it is a new message");
        message
    }

    /// The types of the events of a stream, or of the whole log.
    pub fn kinds(&self, stream: Option<&StreamName>) -> Vec<String> {
        let store: &dyn EventStore = self.kernel.store.as_ref();
        let all = everything(store).into_iter();
        let wanted = all.filter(|it| stream.is_none_or(|stream| it.id.stream == *stream));
        wanted.map(|it| it.kind).collect()
    }

    /// How many events of a type the log has.
    pub fn count(&self, kind: &str) -> usize {
        self.kinds(None).iter().filter(|it| *it == kind).count()
    }
}
