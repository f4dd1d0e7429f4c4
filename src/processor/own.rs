//! `!executions`, `!cancel` and `!again` at work: they read the log and are decided at once, with their trigger.

use super::cancel::{Cancel, Cancelling};
use super::dispatch::{Late, Origin, Routed};
use super::{Error, Kernel};
use crate::domain::again::{self, Change, Changed};
use crate::domain::builtin::Builtin;
use crate::domain::event::{Event, Recorded, Verdict};
use crate::domain::execution::Execution;
use crate::domain::execution_command::{ExecutionCommand, LISTED_MAX, listing, which};
use crate::domain::id::{ExecutionId, Position};
use crate::domain::message::Doc;
use crate::domain::policy::{Permission, PolicyAction, Resource};
use crate::domain::route;
use crate::domain::trigger::{Place, Speaker, Trigger};
use crate::domain::words::{context, executions as words, to};
use crate::query::executions;
use crate::store::{By, Direction, READ_EVENTS_MAX, Subject};

/// Most open executions that `!executions` looks at: the newest.
pub const LOOKED_AT_MAX: usize = 1_000;
/// Events that are read at a time to find what somebody asked for last; `!again` looks at the newest 4,096 of theirs.
const PAGE: usize = 64;

/// An execution that somebody means, with what lets them manage it; or why not, with what decided that.
type Meant = Result<(Execution, Option<Permission>), (String, Option<Permission>)>;

impl Kernel {
    /// Does what one of these commands says.
    pub(super) async fn execution_command(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        late: Late,
        origin: &Origin<'_>,
        command: &ExecutionCommand,
    ) -> Result<Routed, Error> {
        match command {
            ExecutionCommand::List { all } => {
                let doc = self.running(origin, *all)?;
                Ok(self.told(recorded, origin, doc, "it is a command of the bot itself"))
            }
            ExecutionCommand::Cancel { execution, reason } => {
                let meant = match execution.as_deref() {
                    Some(prefix) => self.meant(origin, prefix)?,
                    None => self.own_open(origin)?,
                };
                self.cancel_command(recorded, origin, meant, reason)
            }
            ExecutionCommand::Again { execution, change } => {
                let earlier = self.earlier(recorded, origin, execution.as_deref())?;
                let (before, may) = match earlier {
                    Ok(found) => found,
                    Err((why, decision)) => {
                        return Ok(Routed { decision, ..self.refused(recorded, origin, &why) });
                    }
                };
                let text = &before.started.command;
                let again = Origin { post: origin.post, target: origin.target, text, ..*origin };
                let routed = match change {
                    _ if late == Late::Ask && self.came_late(trigger) => {
                        self.hold(recorded, trigger.at, &again)?
                    }
                    Some(change) => self.repeat_with(recorded, origin, &before, change).await?,
                    None => self.repeat(recorded, &again).await?,
                };
                // What runs again is decided on for itself; what lets them repeat it is kept where nothing is.
                Ok(Routed { decision: routed.decision.or(may), ..routed })
            }
        }
    }

    /// Does an earlier command with something else in it, if that is clear and who asks may do it now.
    async fn repeat_with(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        before: &Execution,
        change: &Change,
    ) -> Result<Routed, Error> {
        let scene = self.scene()?;
        let name = &before.started.handler.alias;
        let builtin = Builtin::of(&before.started.handler).is_some();
        let mut aliases = scene.offered.catalog.aliases.iter();
        let alias = aliases.find(|alias| alias.name == *name).filter(|_| !builtin);
        let Some(alias) = alias else {
            return Ok(self.refused(recorded, origin, context::NOT_WRITTEN_SO));
        };
        let (command, args) = (&before.started.command, &before.started.args);
        let (who, place, now) = (origin.speaker, origin.place, self.clock.now());
        match again::change(&alias.usages, command, args, change) {
            Changed::No(why) => Ok(self.refused(recorded, origin, &why)),
            Changed::One(again) => {
                let decision = self.decide(&scene, now, |view| {
                    route::chosen(name, again.args.clone(), who, place, view)
                });
                let origin = Origin { text: &again.command, ..*origin };
                Box::pin(self.act(recorded, &origin, &scene, decision)).await
            }
            Changed::Which(all) => {
                let decision = route::which_again(name, &all);
                Box::pin(self.act(recorded, origin, &scene, decision)).await
            }
        }
    }

    /// What runs or waits in a room, or anywhere.
    fn running(&self, origin: &Origin, all: bool) -> Result<Doc, Error> {
        let (ids, more) = self.agenda(|agenda| agenda.open_newest(LOOKED_AT_MAX));
        let (mut shown, mut rest) = (vec![], 0);
        for id in ids {
            let execution = executions::seen(self.store.as_ref(), &id)?;
            let here = |it: &Execution| all || it.started.place.room == origin.place.room;
            match execution.filter(here) {
                Some(_) if shown.len() == LISTED_MAX => rest += 1,
                found => shown.extend(found),
            }
        }
        let more = if all { more } else { 0 };
        Ok(listing(&shown, rest + more, all, self.clock.now()))
    }

    fn cancel_command(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        meant: Meant,
        reason: &str,
    ) -> Result<Routed, Error> {
        let (execution, decision) = match meant {
            Ok(found) => found,
            Err((why, decision)) => {
                return Ok(Routed { decision, ..self.refused(recorded, origin, &why) });
            }
        };
        let cancel =
            Cancel { by: origin.speaker.id.clone(), reason: reason.to_owned(), force: false };
        let meta = origin.meta(recorded);
        let cancelling = self.cancel(&execution.id, &cancel, &meta)?;
        match self.cancelled(&execution.id, cancelling) {
            Ok(mut routed) => {
                let here = execution.started.place.room == origin.place.room;
                let told = routed.writes.len() > 1 && execution.waits_for_approval();
                // What became of the approval is a line of its own here: that is the answer.
                if !(here && told) || self.caps(origin.place).edits {
                    let (command, id) = (&execution.started.command, execution.id.short());
                    let words = words::cancelling(command, id);
                    let (_, writes) = self.answer(recorded, origin, Doc::text(&words));
                    routed.writes.extend(writes);
                }
                Ok(Routed { decision, ..routed })
            }
            Err(why) => Ok(Routed { decision, ..self.refused(recorded, origin, &why) }),
        }
    }

    /// What is to be recorded of a cancel, or why there is nothing to cancel.
    pub(super) fn cancelled(
        &self,
        id: &ExecutionId,
        cancelling: Cancelling,
    ) -> Result<Routed, String> {
        let short = id.short();
        let (writes, reason) = match cancelling {
            Cancelling::Begun(writes) => (writes, "its script hears that it is cancelled"),
            Cancelling::Ended(writes) => (writes, "it ends where it stands"),
            Cancelling::Unknown => return Err(words::gone(short)),
            Cancelling::Over(status) => {
                return Err(words::has_ended(short, status.word()));
            }
            Cancelling::Already { by, until } => {
                let wait = until.0.saturating_sub(self.clock.now().0) / 60_000 + 1;
                return Err(words::cancelled_already(by.as_str(), short, wait));
            }
        };
        Ok(Routed::new(Verdict::Continued(id.clone()), reason, writes))
    }

    /// The execution that somebody means, if it is theirs or policies let them manage it; else why not.
    fn meant(&self, origin: &Origin, prefix: &str) -> Result<Meant, Error> {
        let found = match executions::resolve(self.store.as_ref(), prefix)? {
            Ok(id) => executions::seen(self.store.as_ref(), &id)?,
            Err(0) => None,
            Err(_) => {
                return Ok(Err((words::several_begin(prefix), None)));
            }
        };
        let Some(execution) = found else { return Ok(Err((words::none_of_yours(prefix), None))) };
        let decision = self.manages(origin.speaker, origin.place, &execution)?;
        let Some(permission) = &decision else { return Ok(Ok((execution, None))) };
        let here = execution.started.place.room == origin.place.room;
        let name = &execution.started.requester.name;
        Ok(match permission.at_once() {
            None => Ok((execution, decision)),
            Some(why) if permission.allowed() => Err((why, decision)),
            Some(_) if here => Err((words::of_somebody_else(name, execution.id.short()), decision)),
            // What is elsewhere reads as what does not exist.
            Some(_) => Err((words::none_of_yours(prefix), decision)),
        })
    }

    /// What is open of somebody in this room: the one that they point at, or the only one; else why it is not clear.
    fn own_open(&self, origin: &Origin) -> Result<Meant, Error> {
        let room = &origin.place.room;
        let (ids, _) = self.agenda(|agenda| agenda.open_newest(LOOKED_AT_MAX));
        let people = self.people()?;
        let own = |it: &Execution| {
            let gathers = Builtin::of(&it.started.handler).is_some_and(Builtin::gathers);
            let theirs = people.is_again(origin.speaker, &it.started.requester);
            theirs && !gathers && it.cancelled.is_none() && it.started.place.room == *room
        };
        let mut open = vec![];
        for id in ids {
            open.extend(executions::seen(self.store.as_ref(), &id)?.filter(own));
        }
        if let Some(post) = origin.target {
            let asked = self.question_of(room, post)?.map(|(id, _)| id);
            let pointed =
                |it: &&Execution| asked.as_ref() == Some(&it.id) || it.started.post == *post;
            if let Some(pointed) = open.iter().find(pointed) {
                return Ok(Ok((pointed.clone(), None)));
            }
        }
        let at = self.before_commands(origin.place);
        Ok(match open.len() {
            1 => {
                open.pop().map(|it| (it, None)).ok_or_else(|| (words::nothing_of_yours(&at), None))
            }
            0 => Err((words::nothing_of_yours(&at), None)),
            _ => Err((words::which_of_yours(&which(&open), &at), None)),
        })
    }

    /// What policies say of somebody who wants to cancel or repeat an execution; none: it is their own.
    fn manages(
        &self,
        who: &Speaker,
        place: &Place,
        execution: &Execution,
    ) -> Result<Option<Permission>, Error> {
        let own = self.people()?.is_again(who, &execution.started.requester);
        let resource = Resource::execution(&execution.id);
        Ok((!own).then(|| self.may(PolicyAction::Manage, resource, who, place)))
    }

    /// What somebody wants once more: what they name, or what they last asked for here; else why not.
    fn earlier(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        prefix: Option<&str>,
    ) -> Result<Meant, Error> {
        let found = match prefix {
            Some(prefix) => self.meant(origin, prefix)?,
            None => {
                let last = self.last_of(recorded, origin)?;
                last.map(|last| (last, None)).ok_or_else(|| (words::nothing_to_repeat(), None))
            }
        };
        let (execution, may) = match found {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        Ok(match Builtin::of(&execution.started.handler) {
            Some(builtin) if builtin.gathers() => {
                Err((words::began_by_itself(execution.id.short()), may))
            }
            _ => Ok((execution, may)),
        })
    }

    /// What somebody last asked for in this room or thread, before a trigger.
    fn last_of(&self, recorded: &Recorded, origin: &Origin) -> Result<Option<Execution>, Error> {
        let subject = Subject::Person(origin.speaker.id.0.clone());
        let Some(actor) = self.store.pseudonym(&subject) else { return Ok(None) };
        let before = Position(recorded.position.0.saturating_sub(1));
        let theirs = self.store.positions(
            &By::Actor(actor),
            before,
            Direction::Backward,
            READ_EVENTS_MAX,
        )?;
        for page in theirs.chunks(PAGE) {
            for event in self.store.read_at(page)? {
                let Some(Event::ExecutionStarted(started)) = event.event() else { continue };
                let place = &started.place;
                let thread = origin.place.thread.as_ref();
                let near = place.room == origin.place.room
                    && (place.thread.as_ref() == thread || Some(&started.post) == thread);
                let gathers = Builtin::of(&started.handler).is_some_and(Builtin::gathers);
                if near && !gathers && started.requester.id == origin.speaker.id {
                    let id = ExecutionId(event.id.stream.id().to_owned());
                    if let Some(execution) = executions::seen(self.store.as_ref(), &id)? {
                        return Ok(Some(execution));
                    }
                }
            }
        }
        Ok(None)
    }

    pub(super) fn told(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        doc: Doc,
        reason: &str,
    ) -> Routed {
        let (message, writes) = self.answer(recorded, origin, doc);
        Routed::new(Verdict::Said(message), reason, writes)
    }

    fn refused(&self, recorded: &Recorded, origin: &Origin, why: &str) -> Routed {
        let doc = Doc::text(&to(&origin.speaker.name, why));
        let (message, writes) = self.answer(recorded, origin, doc);
        Routed::new(Verdict::Refused(message), why, writes)
    }
}
