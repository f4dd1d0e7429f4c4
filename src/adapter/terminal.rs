//! The simulated rooms of `beadle chat`: what the bot says is printed, what is typed becomes a trigger.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::{Attached, Chat, Outgoing, Redaction, Relation, SendError};
use crate::domain::id::{DedupeKey, MessageId, PostId, RoomId, Timestamp, UserId};
use crate::domain::trigger::{Message, Place, Reaction, Speaker, Trigger, Trust, What};

/// The server that everyone in the terminal belongs to.
pub const SERVER: &str = "terminal";
/// How much of a message's id stands before the name of its file.
const MESSAGE_CHARS_SHOWN: usize = 8;

/// Prints a line above the prompt.
pub type Printer = Box<dyn FnMut(String) + Send>;

/// What something is said to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The room.
    Room,
    /// The bot's last message there, as a reply.
    Last,
    /// The thread on that message.
    Thread,
    /// The speaker's own last message there, as a correction.
    Own,
}

/// The rooms of one terminal.
pub struct Terminal {
    printer: Mutex<Printer>,
    last: Mutex<BTreeMap<RoomId, PostId>>,
    /// What each said last in each room.
    own: Mutex<BTreeMap<(RoomId, UserId), PostId>>,
    /// Where pictures and files are put to be looked at, once there is one.
    shown: Mutex<Option<PathBuf>>,
}

impl Terminal {
    /// Prints with this.
    pub fn new(printer: Printer) -> Self {
        Self {
            printer: Mutex::new(printer),
            last: Mutex::default(),
            own: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// Prints a line.
    pub fn print(&self, line: String) {
        (self.printer.lock().expect("nobody panics while printing"))(line);
    }

    /// Shows what goes with a message: a line for it, the file to be opened, and a sketch of a picture.
    fn show(&self, attached: &Attached, message: &MessageId) -> Vec<String> {
        let mut lines = match self.put(attached, message) {
            Ok(path) => vec![format!("{} {}", attached.line(), path.display())],
            Err(why) => vec![format!("{} (it cannot be put anywhere: {why})", attached.line())],
        };
        let sketch = attached.picture.as_ref().map(|picture| picture.sketch.lines());
        lines.extend(sketch.into_iter().flatten().map(str::to_owned));
        lines
    }

    /// Puts a file into a folder of its own outside of the data directory: what is said leaves the log's keeping.
    fn put(&self, attached: &Attached, message: &MessageId) -> io::Result<PathBuf> {
        let mut shown = self.shown.lock().expect("nobody panics with it");
        let folder = match &*shown {
            Some(folder) => folder.clone(),
            None => tempfile::Builder::new().prefix("beadle-shown-").tempdir()?.keep(),
        };
        *shown = Some(folder.clone());
        let start: String = message.as_str().chars().take(MESSAGE_CHARS_SHOWN).collect();
        let path = folder.join(format!("{start}-{}", attached.name));
        std::fs::write(&path, &attached.bytes)?;
        Ok(path)
    }

    /// Notes a post that was made earlier, so that it can be reacted to.
    pub fn remember(&self, room: RoomId, post: PostId) {
        self.last.lock().expect("nobody panics with it").insert(direct(&room), post);
    }

    /// Somebody says something in a room; `number` makes it another message than every earlier one. None: it is meant for
    /// the bot's last message there, and the bot has said nothing.
    pub fn says(
        &self,
        who: &str,
        room: &str,
        text: &str,
        to: To,
        number: u64,
        at: Timestamp,
    ) -> Option<Trigger> {
        let (mut place, speaker, post) = (place(room), speaker(who), post(number));
        let last = || self.last_in(&place.room);
        let (mut reply_to, mut thread, mut edits) = (None, None, None);
        match to {
            To::Room => {}
            To::Last => reply_to = Some(last()?),
            To::Thread => thread = Some(last()?),
            To::Own => edits = Some(self.own_in(&place.room, &speaker.id)?),
        }
        if edits.is_none() {
            let mut own = self.own.lock().expect("nobody panics with it");
            own.insert((place.room.clone(), speaker.id.clone()), post.clone());
        }
        place.thread = thread;
        let key = key(&place, &post);
        let (text, command) = (text.to_owned(), None);
        let (mentioned, hops) = (false, 0);
        let what = What::Message(Message {
            place,
            speaker,
            post,
            text,
            command,
            reply_to,
            edits,
            mentioned,
            hops,
        });
        Some(Trigger { key, at, late: false, what })
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
        let target = self.last_in(&place.room)?;
        let key = key(&place, &post);
        let what = What::Reaction(Reaction { place, speaker, post, target, key: emoji.to_owned() });
        Some(Trigger { key, at, late: false, what })
    }

    /// Somebody deletes what they said last in a room; none: they have said nothing there.
    pub fn deletes(&self, who: &str, room: &str) -> Option<Redaction> {
        let (place, by) = (place(room), speaker(who).id);
        let mut own = self.own.lock().expect("nobody panics with it");
        let post = own.remove(&(place.room.clone(), by.clone()))?;
        let keys = vec![key(&place, &post)];
        Some(Redaction { keys, room: place.room, post, by, reason: None })
    }

    /// The bot's last message in a room.
    fn last_in(&self, room: &RoomId) -> Option<PostId> {
        self.last.lock().expect("nobody panics with it").get(&direct(room)).cloned()
    }

    fn own_in(&self, room: &RoomId, who: &UserId) -> Option<PostId> {
        let own = self.own.lock().expect("nobody panics with it");
        own.get(&(room.clone(), who.clone())).cloned()
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

/// A room; `@ann` is the direct chat with ann.
fn place(room: &str) -> Place {
    let direct = room.starts_with('@');
    Place {
        network: "terminal".into(),
        room: RoomId(if direct { format!("{room}:{SERVER}") } else { room.to_owned() }),
        name: room.to_owned(),
        thread: None,
        direct,
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
        claims: vec![],
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
            let shown = outgoing.attached.as_ref().map(|it| self.show(it, &outgoing.message));
            let lines = outgoing.plain.lines().map(str::to_owned);
            for line in lines.chain(shown.into_iter().flatten()) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::event::Picture;

    #[test]
    fn replies_and_threads_are_about_the_last_message() {
        let terminal = Terminal::new(Box::new(|_| {}));
        let said = |to| terminal.says("ann", "#ops", "yes", to, 7, Timestamp(0));
        assert_eq!((said(To::Last), said(To::Thread)), (None, None), "nothing was said yet");
        terminal.remember(RoomId("#ops".into()), PostId("$bot".into()));
        for (to, reply, thread) in [
            (To::Room, None, None),
            (To::Last, Some("$bot"), None),
            (To::Thread, None, Some("$bot")),
        ] {
            let Some(Trigger { what: What::Message(message), .. }) = said(to) else {
                panic!("{to:?}");
            };
            assert_eq!(message.reply_to.as_ref().map(PostId::as_str), reply, "{to:?}");
            assert_eq!(message.place.thread.as_ref().map(PostId::as_str), thread, "{to:?}");
        }
    }

    #[test]
    fn what_is_corrected_and_deleted_is_ones_own() {
        let terminal = Terminal::new(Box::new(|_| {}));
        let said = |who, to, number| {
            let said = terminal.says(who, "@ann", "ping", to, number, Timestamp(0));
            match said?.what {
                What::Message(message) => Some(message),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(said("ann", To::Own, 1), None);
        assert_eq!(terminal.deletes("ann", "@ann").map(|it| it.post), None);
        let first = said("ann", To::Room, 2).expect("it is said");
        assert!(first.place.direct, "{first:?}");
        assert_eq!(first.place.room.as_str(), "@ann:terminal");
        said("ben", To::Room, 3).expect("it is said");
        let edit = said("ann", To::Own, 4).expect("there is something to correct");
        assert_eq!(edit.edits, Some(first.post.clone()));
        let deleted = terminal.deletes("ann", "@ann").expect("there is something to delete");
        assert_eq!((deleted.post, deleted.by), (first.post, first.speaker.id));
        assert_eq!(terminal.deletes("ann", "@ann").map(|it| it.post), None, "it is gone");
    }

    #[test]
    fn pictures_are_put_where_they_can_be_opened() {
        let printed = Arc::new(Mutex::new(vec![]));
        let out = printed.clone();
        let terminal = Terminal::new(Box::new(move |line| out.lock().unwrap().push(line)));
        let picture = Some(Picture { width: 640, height: 320, sketch: "▁█\n█▁".into() });
        let attached = Attached {
            name: "load.png".into(),
            media_type: "image/png".into(),
            title: "Load".into(),
            picture,
            bytes: b"PNG".to_vec(),
        };
        let outgoing = Outgoing {
            message: MessageId("ABCDEFGHIJ".into()),
            room: RoomId("#ops".into()),
            queued_at: Timestamp(0),
            relation: Relation::New,
            plain: "here".into(),
            whole: None,
            html: None,
            notice: true,
            mentions: vec![],
            attached: Some(attached),
            hops: 1,
        };
        let sent = tokio::runtime::Builder::new_current_thread().build().unwrap();
        sent.block_on(terminal.send(&outgoing)).expect("it is printed");
        let lines = printed.lock().unwrap().clone();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[0], "#ops beadle: here");
        let path =
            lines[1].strip_prefix("#ops beadle: [picture: Load, 640×320] ").expect(&lines[1]);
        assert!(path.ends_with("ABCDEFGH-load.png"), "{path}");
        assert_eq!(std::fs::read(path).expect("it is there"), b"PNG");
        assert_eq!(lines[2..], ["#ops beadle: ▁█", "#ops beadle: █▁"]);
        std::fs::remove_dir_all(PathBuf::from(path).parent().unwrap()).expect("it was ours");
    }
}
