//! Manners at work: a command that comes too fast and a conversation that goes round in a ring are not gone on with.

use super::dispatch::{Origin, Routed};
use super::scene::Scene;
use super::sheet::queued;
use super::{DAY_MS, Error, Kernel};
use crate::domain::ack::REFUSED;
use crate::domain::bridge::{Account, Bridges};
use crate::domain::event::{Event, MessageQueued, Recorded, Verdict};
use crate::domain::id::{StreamName, UserId, Version};
use crate::domain::loops::{self, Loop, MUTE_MS, SAME_LOOKED_AT_MAX, SAME_MS};
use crate::domain::message::Doc;
use crate::domain::order::NETWORK;
use crate::domain::pace::{self, NAMES_COMMANDS_PER_MINUTE, Pace};
use crate::domain::route::{Act, Decision};
use crate::domain::trigger::{Trigger, What};
use crate::domain::words::manners as words;
use crate::script::source::Ack;
use crate::store::{ReadError, Write};

impl Kernel {
    /// What is done instead of a decision, if it is not to be carried out now. Answers are always taken.
    pub(super) fn held_back(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        origin: &Origin,
        decision: &Decision,
    ) -> Result<Option<Routed>, Error> {
        let message = match &trigger.what {
            What::Message(message) => message,
            // An emoji that runs something is a command like any other.
            What::Reaction(_) if matches!(decision.act, Act::BuiltIn { .. } | Act::Run { .. }) => {
                return Ok(self.too_fast(recorded, origin));
            }
            _ => return Ok(None),
        };
        if message.command.is_none() || matches!(decision.act, Act::Answer { .. } | Act::Ignore) {
            return Ok(None);
        }
        if let Some(routed) = self.ring(recorded, origin, message.hops)? {
            return Ok(Some(routed));
        }
        match self.came_late(trigger) {
            // What was said long ago was not said in this minute, and is asked about anyway.
            true => Ok(None),
            false => Ok(self.too_fast(recorded, origin)),
        }
    }

    pub(super) fn too_fast(&self, recorded: &Recorded, origin: &Origin) -> Option<Routed> {
        let most = self.settings().limits.commands_per_minute?;
        let proven = origin.speaker.trust.proves_account();
        let most = if proven { most } else { most.min(NAMES_COMMANDS_PER_MINUTE) };
        let actor = recorded.actor.as_ref()?;
        let stream = &recorded.id.stream;
        let before = self.agenda(|agenda| agenda.manners.given_before(actor, stream));
        let Pace::Slow { tell, again_ms } = pace::judge(&before, recorded.wall, most) else {
            return None;
        };
        let considered = pace::CONSIDERED.to_owned();
        let reason = format!("more than {most} commands came in a minute");
        let (verdict, writes) = match tell {
            false => (Verdict::Ignored, vec![]),
            true => {
                let text = words::slow_down(&origin.speaker.name, most, again_ms);
                let (message, writes) = self.answer(recorded, origin, Doc::text(&text));
                (Verdict::Refused(message), writes)
            }
        };
        Some(Routed { considered, ..Routed::new(verdict, reason, writes) })
    }

    /// A conversation that goes round in a ring is not gone on with; the owner is told when that begins.
    fn ring(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        hops: u32,
    ) -> Result<Option<Routed>, Error> {
        if !self.settings().limits.stop_rings {
            return Ok(None);
        }
        if self.agenda(|agenda| agenda.manners.is_muted(recorded)) {
            let reason = "this conversation is not gone on with for a while";
            return Ok(Some(Routed::ignored(loops::MUTED, reason)));
        }
        let streams = self.agenda(|agenda| agenda.manners.at_once(recorded));
        let texts: Vec<String> =
            streams.iter().map(|stream| self.text_of(stream)).collect::<Result<_, _>>()?;
        let found = match loops::judge(hops, &texts) {
            Some(found) => Some(found),
            None => self.repeats(recorded, origin)?,
        };
        let Some(found) = found else { return Ok(None) };
        let mut routed = Routed::ignored(loops::CONSIDERED, found.reason());
        let told = matches!(found, Loop::Repeats | Loop::Long) && hops == 0;
        if told && self.may_be_a_person(&origin.speaker.id) {
            // It is said once: whatever comes of it is not answered.
            let text = words::muted(&origin.speaker.name, found, MUTE_MS / 60_000);
            let (message, writes) = self.answer(recorded, origin, Doc::text(&text));
            routed = Routed { verdict: Verdict::Refused(message), writes, ..routed };
        }
        let (who, room) = (origin.speaker.id.as_str(), &origin.place.name);
        let text = words::ring(who, room, found.reason(), MUTE_MS / 60_000);
        let day = (self.clock.now().0 / DAY_MS).to_string();
        let message = self.store.key().message("notice", &format!("{day} {text}"));
        // The same words are said once a day.
        if self.store.version(&StreamName::message(&message))?.is_none() {
            routed.writes.extend(self.notice(message, &origin.meta(recorded), &text)?);
        }
        Ok(Some(routed))
    }

    /// Whether an account is none of those that repeat what bots say, too.
    fn may_be_a_person(&self, id: &UserId) -> bool {
        let own = self.own_id();
        let server = own.as_str().split_once(':').map_or("", |(_, server)| server);
        match self.settings().bridges.account(id.as_str(), server) {
            Some(Account::Bot(_) | Account::Relay(_)) => false,
            Some(Account::Ghost(profile, native)) => !Bridges::is_program(profile, &native),
            None => true,
        }
    }

    /// Whether somebody behind a bridge goes round in a ring.
    fn repeats(&self, recorded: &Recorded, origin: &Origin) -> Result<Option<Loop>, ReadError> {
        if matches!(origin.speaker.network.as_str(), "matrix" | "terminal" | NETWORK) {
            return Ok(None);
        }
        let streams = self.agenda(|agenda| agenda.manners.lately(recorded, SAME_MS));
        let last = &streams[streams.len().saturating_sub(SAME_LOOKED_AT_MAX)..];
        let texts: Result<Vec<String>, _> =
            last.iter().map(|stream| self.text_of(stream)).collect();
        let long = self.agenda(|agenda| agenda.manners.long(recorded));
        Ok(loops::repeats(&texts?, long, origin.speaker.trust.proves_account()))
    }

    /// The emoji on a refused command, where its script wants to tell by emojis.
    pub(super) fn refusal_shown(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        scene: &Scene,
        considered: &str,
    ) -> Option<Write> {
        let name = considered.strip_prefix("alias ")?;
        let scripts = scene.offered.set.scripts.values();
        let alias = scripts.flat_map(|it| &it.aliases).find(|alias| alias.name == name)?;
        let shown = alias.ack == Ack::Reactions && self.caps(origin.place).reactions;
        let post = origin.post.filter(|_| shown)?;
        let message = MessageQueued {
            message: self.store.key().message(recorded.id.stream.as_str(), "refused"),
            place: origin.place.clone(),
            reply_to: Some(post.clone()),
            edits: None,
            doc: Doc::of_reaction(REFUSED),
            attachment: None,
            notify: vec![],
            execution: None,
            question: None,
        };
        Some(queued(&origin.meta(recorded), message))
    }

    /// What was said in a message, without its address.
    fn text_of(&self, stream: &StreamName) -> Result<String, ReadError> {
        let id = crate::domain::id::EventId { stream: stream.clone(), version: Version::START };
        Ok(match self.store.event(&id)?.as_ref().and_then(Recorded::event) {
            Some(Event::TriggerRecorded(e)) => match &e.trigger.what {
                What::Message(said) => said.text.trim().to_owned(),
                _ => String::new(),
            },
            _ => String::new(),
        })
    }
}
