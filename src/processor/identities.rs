//! Who somebody behind a bridge is at the moment that it matters: before the bot acts on what a mere nick says, it asks the
//! network for which account they are identified, and decides on that. What was said before an answer was asked for needs no
//! question of its own; for anything later it counts for nothing: a nick may be somebody else's a moment later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;

use super::dispatch::{Did, Late, Origin, Routed};
use super::{Error, Kernel, write};
use crate::adapter::{Order, RoomAct, RoomAnswer, SendError};
use crate::domain::bridge::Account;
use crate::domain::bridge::identity::{AccountChecked, Known, WHOIS_MS_MAX, parts, read, whois};
use crate::domain::event::{Event, Meta, NewEvent, Recorded, Verdict};
use crate::domain::id::{DedupeKey, RoomId, StreamName, Timestamp, UserId};
use crate::domain::role::Standing;
use crate::domain::route::Act;
use crate::domain::trigger::{Claim, Message, Speaker, Trigger, Trust};
use crate::domain::words::{bridges as words, setups};
use crate::store::{Expected, ReadError};

/// Most accounts of which it is kept what was asked of them last.
pub const ASKED_MAX: usize = 256;

/// For which account somebody is identified, and what that proves.
type Answered = (Option<String>, Known);

/// What was asked of accounts last, and when: lines that were said before that need no question of their own.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<BTreeMap<UserId, (Timestamp, Answered)>>);

impl Asked {
    /// What was answered, if that was asked after something was said.
    fn since(&self, who: &UserId, said: Timestamp) -> Option<Answered> {
        let kept = self.0.lock().expect("nobody panics with it");
        kept.get(who).filter(|(at, _)| *at > said).map(|(_, answer)| answer.clone())
    }

    fn keep(&self, who: &UserId, at: Timestamp, answer: &Answered) {
        let mut kept = self.0.lock().expect("nobody panics with it");
        if kept.len() >= ASKED_MAX {
            kept.clear();
        }
        kept.insert(who.clone(), (at, answer.clone()));
    }
}

/// Where the accounts of a network are asked for.
struct Desk<'a> {
    nick: &'a str,
    network: &'a str,
    /// The room in which the bot talks to the network.
    room: RoomId,
    /// The bridge's own account.
    bridge: UserId,
}

impl Kernel {
    /// A message by who its speaker is proven to be, if the bot would act on it; and what was asked for that.
    pub(super) async fn identified<'a>(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        message: &'a Message,
    ) -> Result<(Cow<'a, Message>, Option<AccountChecked>), Error> {
        let as_it_is = Cow::Borrowed(message);
        let Some(desk) = self.desk(&message.speaker)? else { return Ok((as_it_is, None)) };
        let best = Message { speaker: self.at_best(&message.speaker), ..message.clone() };
        if !self.would_act(recorded, trigger, &best).await? {
            return Ok((as_it_is, None));
        }
        let who = &message.speaker.id;
        let (account, mut known) = match self.asked.since(who, recorded.wall) {
            Some(answer) => answer,
            None => {
                let now = self.clock.now();
                let answer = self.ask_who(&desk).await;
                if !matches!(answer.1, Known::Unasked(_)) {
                    self.asked.keep(who, now, &answer);
                }
                answer
            }
        };
        if known == Known::Proven && !self.is_still_there(message).await {
            known = Known::Gone;
        }
        let who = message.speaker.id.clone();
        let (network, nick) = (desk.network.to_owned(), desk.nick.to_owned());
        let checked = AccountChecked { who, network, nick, account, known };
        Ok((as_known(message, best, &checked), Some(checked)))
    }

    /// Somebody as they may turn out to be: with an account, where their network can be asked for it.
    pub(super) fn at_best(&self, who: &Speaker) -> Speaker {
        let asked = self.desk(who).unwrap_or_else(|error| {
            tracing::error!(%error, "it cannot be read where accounts are asked for");
            None
        });
        let trust = if asked.is_some() { Trust::Identified } else { who.trust };
        Speaker { trust, ..who.clone() }
    }

    /// Somebody of whom nothing is known but their account: as well proven as they could be, on the network of their bridge
    /// or else on this one.
    pub(super) fn stranger(&self, id: UserId, network: &str) -> Speaker {
        let name = id.as_str().trim_start_matches('@').split(':').next().unwrap_or_default();
        let own = self.own_id();
        let server = own.as_str().split_once(':').map_or("", |(_, server)| server);
        let bridges = &self.settings().bridges;
        let (network, account, trust) = match bridges.account(id.as_str(), server) {
            Some(Account::Ghost(it, native)) => (it.network.clone(), Some(native), it.trust),
            Some(Account::Relay(it) | Account::Bot(it)) => (it.network.clone(), None, it.trust),
            None => (network.to_owned(), None, Trust::Account),
        };
        let name = name.to_owned();
        self.at_best(&Speaker { id, name, network, account, trust, claims: vec![] })
    }

    /// Where it is asked who somebody is; none: they are proven already, or nobody could say.
    fn desk<'a>(&self, who: &'a Speaker) -> Result<Option<Desk<'a>>, ReadError> {
        let Some((nick, network)) = who.account.as_deref().and_then(parts) else {
            return Ok(None);
        };
        if who.trust != Trust::Nick {
            return Ok(None);
        }
        let (bridges, own) = (self.settings().bridges.clone(), self.own_id());
        let Some((_, server)) = own.as_str().split_once(':') else { return Ok(None) };
        let Some(Account::Ghost(profile, _)) = bridges.account(who.id.as_str(), server) else {
            return Ok(None);
        };
        let bridge = profile.own_accounts().next().filter(|_| profile.whois);
        let (Some(bridge), Some(room)) = (bridge, self.network_room(&profile.name, network)?)
        else {
            return Ok(None);
        };
        let bridge = UserId(format!("@{bridge}:{server}"));
        Ok(Some(Desk { nick, network, room, bridge }))
    }

    /// Whether the bot would do anything about a message, if it were proven who says it.
    async fn would_act(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        message: &Message,
    ) -> Result<bool, Error> {
        let (who, place) = (&message.speaker, &message.place);
        self.learn(who, place).await?;
        let origin = Origin::of(message);
        let did = Did::Message(message);
        let mut scene = self.with_questions(self.scene()?, &place.room, origin.target)?;
        scene.roles = self.role_names(who, place);
        scene.ended = self.just_ended(&did, recorded.position)?;
        let decision = self.decide(&scene, trigger.at, |view| did.decide(view));
        let acts = !matches!(decision.act, Act::Ignore);
        Ok(acts && self.held_back(recorded, trigger, &origin, &decision)?.is_none())
    }

    async fn ask_who(&self, desk: &Desk<'_>) -> Answered {
        let (text, ends) = whois(desk.nick);
        let (room, to) = (desk.room.clone(), desk.bridge.clone());
        let order = Order { room, to, text, ends, within_ms: WHOIS_MS_MAX };
        match self.chat.rooms(&RoomAct::Tell(order)).await {
            Ok(RoomAnswer::Told(answer)) => {
                if answer.said.is_empty()
                    && let Err(error) =
                        self.notify(&setups::silent(desk.bridge.as_str(), desk.network)).await
                {
                    tracing::error!(%error, "nobody can be told that a bridge does not answer");
                }
                read(desk.nick, &answer.said, answer.ended)
            }
            Ok(_) => (None, Known::Unasked("nobody takes the question".into())),
            Err(
                SendError::Later { reason, .. }
                | SendError::Stuck { reason }
                | SendError::Never { reason },
            ) => (None, Known::Unasked(reason)),
        }
    }

    /// Whether whoever said something is still in its room: a nick that was given up is anybody's.
    async fn is_still_there(&self, message: &Message) -> bool {
        let (user, room) = (message.speaker.id.clone(), message.place.room.clone());
        let standing = self.chat.rooms(&RoomAct::Standing { user, room }).await;
        matches!(standing, Ok(RoomAnswer::Standing(Standing::Member(_))))
    }

    /// Whether somebody would not be refused as whoever has their nick, or under the nick of the account that they have.
    pub(super) async fn would_let(
        &self,
        recorded: &Recorded,
        trigger: &Trigger,
        late: Late,
        best: &Message,
        checked: &AccountChecked,
    ) -> Result<bool, Error> {
        for best in [best, &as_account(best, checked)] {
            let routed = self.heard(recorded, trigger, late, best).await?;
            if !matches!(routed.verdict, Verdict::Refused(_)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records what was asked. Who was refused, and would not have been as the account, is told what they lack.
    pub(super) fn tell_of(
        &self,
        routed: &mut Routed,
        checked: AccountChecked,
        lets: bool,
        meta: &Meta,
    ) {
        if let (Verdict::Refused(message), Some(lacks)) =
            (&routed.verdict, words::not_identified(&checked).filter(|_| lets))
        {
            let events = routed.writes.iter_mut().flat_map(|write| &mut write.events);
            for event in events {
                if let Event::MessageQueued(queued) = &mut event.event
                    && queued.message == *message
                {
                    queued.doc = std::mem::take(&mut queued.doc).line([lacks.as_str().into()]);
                }
            }
        }
        let key = DedupeKey::new(&["account", checked.who.as_str()]);
        let stream = StreamName::identity(&self.store.key().dedupe(&key));
        let event = NewEvent::with(meta, checked);
        routed.writes.push(write(stream, Expected::Any, vec![event]));
    }
}

/// A message as it would be under the nick of the account that its speaker is identified for, if that is another one.
fn as_account(best: &Message, checked: &AccountChecked) -> Message {
    let other = || {
        let account = checked.account.as_ref().filter(|_| checked.known == Known::Other)?;
        let (nick, native) = (checked.nick.to_ascii_lowercase(), account.to_ascii_lowercase());
        let (local, server) = best.speaker.id.as_str().split_once(':')?;
        let id = UserId(format!("{}{native}:{server}", local.strip_suffix(nick.as_str())?));
        let account = Some(format!("{account}@{}", checked.network));
        Some(Speaker { id, account, ..best.speaker.clone() })
    };
    let speaker = other().unwrap_or_else(|| best.speaker.clone());
    Message { speaker, ..best.clone() }
}

/// A message by who its speaker turned out to be, with what the services said of them, whether it proves anything or not.
fn as_known<'a>(message: &'a Message, best: Message, checked: &AccountChecked) -> Cow<'a, Message> {
    let Some(account) = &checked.account else { return Cow::Borrowed(message) };
    let proven = checked.known == Known::Proven;
    let mut message = if proven { best } else { message.clone() };
    Claim::services_account(account).add_to(&mut message.speaker.claims);
    Cow::Owned(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::PostId;
    use crate::domain::trigger::Place;

    fn said(trust: Trust) -> Message {
        let speaker = Speaker {
            id: UserId("@irc_lab_opal:hs".into()),
            name: "opal".into(),
            network: "irc".into(),
            account: Some("opal@lab".into()),
            trust,
            claims: vec![],
        };
        let place = Place {
            network: "irc".into(),
            room: RoomId("!ops".into()),
            name: "#ops".into(),
            thread: None,
            direct: false,
            encrypted: false,
        };
        Message {
            place,
            speaker,
            post: PostId("$1".into()),
            text: "!ping".into(),
            command: None,
            reply_to: None,
            edits: None,
            mentioned: false,
            hops: 0,
        }
    }

    #[test]
    fn who_is_identified_for_another_nick_is_taken_as_that_one() {
        for (nick, account, known, want) in [
            ("opal", Some("Diana"), Known::Other, "@irc_lab_diana:hs Diana@lab"),
            ("opal", Some("opal"), Known::Proven, "@irc_lab_opal:hs opal@lab"),
            ("opal", None, Known::Nobody, "@irc_lab_opal:hs opal@lab"),
            ("op[l", Some("diana"), Known::Other, "@irc_lab_opal:hs opal@lab"),
        ] {
            let checked = AccountChecked {
                who: UserId("@irc_lab_opal:hs".into()),
                network: "lab".into(),
                nick: nick.into(),
                account: account.map(str::to_owned),
                known,
            };
            let speaker = as_account(&said(Trust::Identified), &checked).speaker;
            let account = speaker.account.unwrap_or_default();
            assert_eq!(format!("{} {account}", speaker.id), want, "{checked:?}");
        }
    }

    #[test]
    fn an_answer_counts_for_what_was_said_before_it_was_asked_for() {
        let asked = Asked::default();
        let who = UserId("@irc_lab_opal:hs".into());
        let answer = (Some("opal".to_owned()), Known::Proven);
        asked.keep(&who, Timestamp(10), &answer);
        for (said, want) in [(9, Some(&answer)), (10, None), (11, None)] {
            assert_eq!(asked.since(&who, Timestamp(said)).as_ref(), want, "said at {said}");
        }
        assert_eq!(asked.since(&UserId("@irc_lab_eve:hs".into()), Timestamp(0)), None);
        for nth in 0..ASKED_MAX {
            asked.keep(&UserId(format!("@{nth}:hs")), Timestamp(10), &answer);
        }
        assert!(asked.0.lock().expect("nobody panics with it").len() <= ASKED_MAX);
    }

    #[test]
    fn what_the_services_say_is_claimed_and_counts_only_where_it_proves_the_nick() {
        let (message, best) = (said(Trust::Nick), said(Trust::Identified));
        let unasked = Known::Unasked("the bridge did not say in time who it is".into());
        for (account, known, trust) in [
            (Some("opal"), Known::Proven, Trust::Identified),
            (Some("opal2"), Known::Other, Trust::Nick),
            (Some("opal"), Known::Gone, Trust::Nick),
            (None, Known::Gone, Trust::Nick),
            (None, Known::Nobody, Trust::Nick),
            (None, unasked, Trust::Nick),
        ] {
            let checked = AccountChecked {
                who: message.speaker.id.clone(),
                network: "lab".into(),
                nick: "opal".into(),
                account: account.map(str::to_owned),
                known,
            };
            let speaker = as_known(&message, best.clone(), &checked).into_owned().speaker;
            let claims: Vec<Claim> = account.map(Claim::services_account).into_iter().collect();
            assert_eq!((speaker.trust, speaker.claims), (trust, claims), "{checked:?}");
        }
    }
}
