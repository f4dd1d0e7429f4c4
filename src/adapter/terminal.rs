//! The simulated rooms of `beadle chat`: what the bot says is printed, what is typed becomes a trigger.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::{Chat, Outgoing, Relation, SendError};
use crate::domain::id::{DedupeKey, PostId, RoomId, Timestamp, UserId};
use crate::domain::trigger::{Message, Place, Reaction, Speaker, Trigger, Trust, What};

/// The server that everyone in the terminal belongs to.
const SERVER: &str = "terminal";

/// Prints a line above the prompt.
pub type Printer = Box<dyn FnMut(String) + Send>;

/// The rooms of one terminal.
pub struct Terminal {
    printer: Mutex<Printer>,
    last: Mutex<BTreeMap<RoomId, PostId>>,
}

impl Terminal {
    /// Prints with this.
    pub fn new(printer: Printer) -> Self {
        Self { printer: Mutex::new(printer), last: Mutex::default() }
    }

    /// Prints a line.
    pub fn print(&self, line: String) {
        (self.printer.lock().expect("nobody panics while printing"))(line);
    }

    /// Notes a post that was made earlier, so that it can be reacted to.
    pub fn remember(&self, room: RoomId, post: PostId) {
        self.last.lock().expect("nobody panics with it").insert(room, post);
    }

    /// Somebody says something in a room; `number` makes it another message than every earlier one.
    pub fn says(&self, who: &str, room: &str, text: &str, number: u64, at: Timestamp) -> Trigger {
        let (place, speaker, post) = (place(room), speaker(who), post(number));
        let key = key(&place, &post);
        let (text, command, reply_to, edits) = (text.to_owned(), None, None, None);
        let what = What::Message(Message { place, speaker, post, text, command, reply_to, edits });
        Trigger { key, at, late: false, what }
    }

    /// Somebody reacts to the bot's last message in a room; none: it has said nothing there.
    pub fn reacts(
        &self,
        who: &str,
        room: &str,
        emoji: &str,
        number: u64,
        at: Timestamp,
    ) -> Option<Trigger> {
        let (place, speaker, post) = (place(room), speaker(who), post(number));
        let target = self.last.lock().expect("nobody panics with it").get(&place.room).cloned()?;
        let key = key(&place, &post);
        let what = What::Reaction(Reaction { place, speaker, post, target, key: emoji.to_owned() });
        Some(Trigger { key, at, late: false, what })
    }
}

/// The room of a person is called by their name.
fn direct(room: &RoomId) -> RoomId {
    let bare = room.as_str().strip_suffix(&format!(":{SERVER}"));
    bare.filter(|bare| bare.starts_with('@')).map_or_else(|| room.clone(), |it| RoomId(it.into()))
}

fn post(number: u64) -> PostId {
    PostId(format!("$terminal-{number}"))
}

fn key(place: &Place, post: &PostId) -> DedupeKey {
    DedupeKey::new(&["terminal", place.room.as_str(), post.as_str()])
}

fn place(room: &str) -> Place {
    Place {
        network: "terminal".into(),
        room: RoomId(room.to_owned()),
        name: room.to_owned(),
        thread: None,
        direct: false,
        encrypted: false,
    }
}

fn speaker(who: &str) -> Speaker {
    Speaker {
        id: UserId(format!("@{who}:{SERVER}")),
        name: who.to_owned(),
        network: "terminal".into(),
        account: None,
        trust: Trust::Account,
    }
}

impl Chat for Terminal {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        Box::pin(async move {
            let mark = match outgoing.relation {
                Relation::Edit(_) => "beadle (edited)",
                Relation::Reaction(_) => "beadle reacts",
                Relation::New | Relation::Reply(_) | Relation::Thread(_) => "beadle",
            };
            for line in outgoing.plain.lines() {
                self.print(format!("{} {mark}: {line}", direct(&outgoing.room)));
            }
            let post = PostId(format!("${}", outgoing.message));
            if !matches!(outgoing.relation, Relation::Edit(_) | Relation::Reaction(_)) {
                self.remember(direct(&outgoing.room), post.clone());
            }
            Ok(post)
        })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}
