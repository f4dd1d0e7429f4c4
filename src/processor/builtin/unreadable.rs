//! Posts whose keys are missing: gathered for each room, told of once a day, and given up at last.

use std::sync::Arc;

use serde_json::{Value, json};

use super::noted;
use crate::domain::builtin::Builtin;
use crate::domain::event::{
    EffectClass, EffectRequested, Ending, Event, EventGivenUp, ExecutionStarted,
    ExecutionSuspended, ExecutionYielded, MessageQueued, Meta, NewEvent, Recorded, Verdict,
    Versions,
};
use crate::domain::execution::Execution;
use crate::domain::id::{StreamName, Timestamp, UserId, Version};
use crate::domain::lost_keys::{
    self, GIVE_UP, LOSE, Next, POST, POSTS_MAX, SETTLE_MS, Sealed, TELL, WAIT, count, path,
};
use crate::domain::message::Doc;
use crate::domain::trigger::{Place, Trigger, Undecryptable};
use crate::domain::unreadable::{Standing, TRIGGER_EVENTS_MAX, standing};
use crate::processor::dispatch::{Origin, RHAI_VERSION, Routed, msg};
use crate::processor::reread::beside;
use crate::processor::sheet::{Prepared, Sheet};
use crate::processor::{Error, Kernel, write};
use crate::script::host::HOST_VERSION;
use crate::store::{Direction, Expected, ReadError, Write};

/// What stands in the place of a command.
const COMMAND: &str = "(unreadable)";
/// Why a post is given up.
const GIVEN_UP: &str = "its keys have not come within 24 hours";

impl Kernel {
    /// Gathers a post that cannot be read: with others of its room, or as the first of them.
    pub(in crate::processor) fn keep_sealed(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        event: &Undecryptable,
    ) -> Result<Routed, Error> {
        let origin = Origin {
            place: &event.place,
            speaker: &event.speaker,
            post: Some(&event.post),
            target: None,
            text: COMMAND,
        };
        let post = Sealed {
            trigger: recorded.id.stream.clone(),
            at: trigger.at,
            since: recorded.wall,
            by: event.speaker.id.clone(),
            name: event.speaker.name.clone(),
        };
        let meta = origin.meta(recorded);
        let mut routed = Routed::ignored("encrypted message", "its keys have not arrived");
        let (id, expected, events) = match self.gathering_sealed(&event.place)? {
            Some(open) if !lost_keys::takes_more(&open) => {
                routed.reason = format!(
                    "its keys have not arrived, and {POSTS_MAX} such posts of this room are known"
                );
                return Ok(routed);
            }
            Some(open) => {
                let step = noted(path(POST, count(&open, POST)), POST, post.args(), Value::Null);
                routed.verdict = Verdict::Continued(open.id.clone());
                (open.id.clone(), Expected::Exact(open.version), vec![NewEvent::with(&meta, step)])
            }
            None => {
                let id = self.execution_id(&recorded.id.stream, &Builtin::Unreadable.handler());
                routed.verdict = Verdict::Started(id.clone());
                (id, Expected::NoStream, self.begin_sealed(recorded, &origin, &post, &meta)?)
            }
        };
        routed.writes = vec![write(StreamName::execution(&id), expected, events)];
        Ok(routed)
    }

    /// The execution that gathers the unreadable posts of a room.
    fn gathering_sealed(&self, place: &Place) -> Result<Option<Arc<Execution>>, ReadError> {
        let room = self.pseudonym_of(&place.room);
        let id =
            self.agenda(|agenda| agenda.gathers(Builtin::Unreadable, room.as_ref(), None).cloned());
        let Some(id) = id else { return Ok(None) };
        Ok(self.execution(&id)?.filter(|execution| execution.ending.is_none()))
    }

    fn begin_sealed(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        post: &Sealed,
        meta: &Meta,
    ) -> Result<Vec<NewEvent>, ReadError> {
        let started = ExecutionStarted {
            trigger: recorded.id.clone(),
            handler: Builtin::Unreadable.handler(),
            args: json!({}),
            msg: msg(recorded, origin, &*self.people()?),
            command: origin.text.to_owned(),
            place: Place { thread: None, ..origin.place.clone() },
            requester: origin.speaker.clone(),
            post: origin.post.cloned().expect("an unreadable post has an id"),
            versions: Versions { host: HOST_VERSION, rhai: RHAI_VERSION.into() },
        };
        let step = noted(path(POST, 0), POST, post.args(), Value::Null);
        let wait = wait(0, post.since.plus_ms(SETTLE_MS));
        let events: [Event; 4] =
            [started.into(), step.into(), wait.into(), ExecutionSuspended {}.into()];
        Ok(events.into_iter().map(|event| NewEvent::with(meta, event)).collect())
    }

    /// Does one thing: waits, tells, gives up or ends.
    pub(super) fn unreadable_slice(&self, execution: &Execution) -> Result<Prepared, Error> {
        let now = self.clock.now();
        let posts = lost_keys::sealed(execution);
        let mut found = vec![];
        for post in &posts {
            found.push(self.trigger_events(&post.trigger)?);
        }
        let standings: Vec<Standing> = found.iter().map(|events| standing(events)).collect();
        let mut sheet = Sheet::new(self, execution);
        match lost_keys::next(execution, &standings, now) {
            Next::Sleep => sheet.event(ExecutionSuspended {}),
            Next::Wait(due) => {
                sheet.event(wait(count(execution, WAIT), due));
                sheet.event(ExecutionSuspended {});
            }
            Next::Tell(numbers, text) => {
                say(&mut sheet, execution, TELL, (&numbers, now), &text, vec![]);
                // A key that comes just now is seen: then this is decided anew.
                sheet.write(unmoved(&posts, &standings, &numbers, |_| vec![]));
            }
            Next::Lose(numbers, text, by) => {
                say(&mut sheet, execution, LOSE, (&numbers, now), &text, by);
                sheet.write(unmoved(&posts, &standings, &numbers, |_| vec![]));
            }
            Next::GiveUp(numbers) => {
                let event = |n: usize| {
                    let meta = beside(&posts[n].trigger, &found[n]);
                    vec![NewEvent::with(&meta, EventGivenUp { reason: GIVEN_UP.into() })]
                };
                let args = json!({ "posts": numbers });
                let step = path(GIVE_UP, count(execution, GIVE_UP));
                sheet.event(noted(step, GIVE_UP, args, Value::Null));
                sheet.event(ExecutionYielded {});
                sheet.write(unmoved(&posts, &standings, &numbers, event));
            }
            Next::Done => sheet.finished(Ending::Succeeded(json!({ "posts": posts.len() }))),
        }
        Ok(sheet.finish())
    }

    /// The first events of a trigger's stream.
    fn trigger_events(&self, stream: &StreamName) -> Result<Vec<Recorded>, ReadError> {
        self.store.read(stream, Version::START, Direction::Forward, TRIGGER_EVENTS_MAX)
    }
}

/// A step that waits until a time.
fn wait(n: usize, due: Timestamp) -> EffectRequested {
    EffectRequested {
        path: path(WAIT, n),
        op: "sleep".into(),
        args: json!({ "until": due.0 }),
        line: 0,
        class: EffectClass::Log,
        due: Some(due),
        decision: None,
    }
}

/// Writes to the streams of posts that must not have moved on.
fn unmoved(
    posts: &[Sealed],
    standings: &[Standing],
    numbers: &[usize],
    events: impl Fn(usize) -> Vec<NewEvent>,
) -> Vec<Write> {
    let one = |n: &usize| match &standings[*n] {
        Standing::Waiting { version, .. } => {
            Some(write(posts[*n].trigger.clone(), Expected::Exact(*version), events(*n)))
        }
        Standing::Undecided | Standing::Over => None,
    };
    numbers.iter().filter_map(one).collect()
}

/// Says something in the room, and notes of which posts and when.
fn say(
    sheet: &mut Sheet,
    execution: &Execution,
    kind: &str,
    (posts, at): (&[usize], Timestamp),
    text: &str,
    notify: Vec<UserId>,
) {
    let step = path(kind, count(execution, kind));
    let message = sheet.message_id(&step);
    sheet.event(noted(step, kind, json!({ "posts": posts, "at": at.0 }), json!(message)));
    sheet.event(ExecutionYielded {});
    sheet.queue(MessageQueued {
        message,
        place: execution.started.place.clone(),
        reply_to: None,
        edits: None,
        doc: Doc::text(text),
        attachment: None,
        notify,
        execution: Some(execution.id.clone()),
        question: None,
    });
}
