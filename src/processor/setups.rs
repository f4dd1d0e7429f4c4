//! Channels of other networks that the bot sets up by itself: one step after the other, each recorded when it is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::adapter::{Answer as Told, Order, RoomAct, RoomAnswer, SendError};
use crate::domain::bridge::identity::parts;
use crate::domain::bridge::setup::out::{Loss, channel};
use crate::domain::bridge::setup::{
    Act, Answer, Judged, Next, Own, ROOM_MS_MAX, SETUPS_MAX, Setup, Setups, Status, Step, called,
    judge, next, outage, quoted, refusal,
};
use crate::domain::event::{
    BridgeRemoved, BridgeStands, BridgeStep, BridgeWanted, Event, Meta, NewEvent,
};
use crate::domain::id::{EventId, RoomId, StreamName, UserId, Version};
use crate::domain::role::Standing;
use crate::domain::trigger::Speaker;
use crate::domain::words::setups as words;
use crate::query::stream_fold::StreamFold;
use crate::store::{Expected, ReadError};

/// How often something that may work later is tried before it counts as refused.
pub const TRIES_MAX: u32 = 5;
/// Longest wait between two of these.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long the bridge may take to say how a channel is.
pub const STATUS_MS_MAX: u64 = 10_000;

/// Gives the value of a variable of the bot's environment.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The fold, kept: it goes on where the log has moved on.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<StreamFold<Arc<Setups>>>);

/// What came of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wished {
    /// It is recorded, in its stream there.
    Recorded(Version),
    /// It was wished before, and is being worked on.
    UnderWay(Version),
    /// It is so already.
    There,
    /// Why not.
    Refused(String),
}

/// How a channel is now, as the bridge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// What the bot is called on the network; none: it is not connected.
    pub nick: Option<String>,
    /// Whether the channel is there.
    pub there: bool,
}

impl Kernel {
    /// The channels that are set up or being set up, with the version of their stream.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn setups(&self) -> Result<(Arc<Setups>, Option<Version>), ReadError> {
        let mut kept = self.setups.0.lock().expect("nobody panics with it");
        kept.go_on(self.store.as_ref(), &StreamName::setups(), |setups, recorded| {
            Arc::make_mut(setups).apply(recorded);
        })?;
        Ok((kept.folded.clone(), kept.version))
    }

    /// The room in which the bridge takes orders for a network, by the name that stands in the accounts of its people.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn network_room(&self, bridge: &str, network: &str) -> Result<Option<RoomId>, ReadError> {
        Ok(self.setups()?.0.network_room(bridge, network).cloned())
    }

    /// What the bot is called on the network that somebody is on: elsewhere such a nick may be a word like any other.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub(super) fn nicks_for(&self, who: &Speaker) -> Result<Vec<String>, ReadError> {
        let Some((_, network)) = who.account.as_deref().and_then(parts) else { return Ok(vec![]) };
        let (setups, _) = self.setups()?;
        let here = setups.standing_on(network);
        let mut nicks: Vec<String> = here.map(|it| it.nick.clone()).collect();
        nicks.dedup();
        Ok(nicks)
    }

    /// Records what somebody wishes of a channel, unless it is so already or cannot be.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn wish(&self, by: &UserId, wanted: &BridgeWanted) -> Result<Wished, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let (setups, version) = self.setups()?;
            if let Some(answer) = self.answered_at_once(&setups, wanted) {
                return Ok(answer);
            }
            let meta = Meta { actor: Some(by.clone()), ..Meta::default() };
            let expected = version.map_or(Expected::NoStream, Expected::Exact);
            let events = vec![NewEvent::with(&meta, wanted.clone())];
            let batch = vec![write(StreamName::setups(), expected, events)];
            match self.append(batch).await? {
                Tried::Done => {
                    return Ok(Wished::Recorded(version.map_or(Version::START, Version::next)));
                }
                Tried::TooMuch(why) => return Ok(Wished::Refused(why)),
                Tried::Moved => {}
            }
        }
        Ok(Wished::Refused(words::MOVED.to_owned()))
    }

    /// What is to be said to a wish without recording it.
    fn answered_at_once(&self, setups: &Setups, wanted: &BridgeWanted) -> Option<Wished> {
        let BridgeWanted { bridge, network, channel, want } = wanted;
        if let Some(why) = refusal(network, channel, want.as_ref()) {
            return Some(Wished::Refused(why));
        }
        if self.settings().bridges.provisioned(Some(bridge)).is_err() {
            return Some(Wished::Refused(words::not_in_use(bridge)));
        }
        if let Some(other) = setups.other_bridge(bridge, network) {
            return Some(Wished::Refused(words::of_other_bridge(network, other)));
        }
        // A bridge has one nick on a network: with another one the channels that stand would be called anew.
        let nick = want.as_ref().and_then(|want| want.nick.as_ref());
        let mut here = setups.standing_on(network);
        if let Some(other) = here.find(|it| !it.channel.eq_ignore_ascii_case(channel))
            && nick.is_some_and(|nick| !nick.eq_ignore_ascii_case(&other.nick))
        {
            return Some(Wished::Refused(words::called_otherwise(other)));
        }
        match setups.of(network, channel) {
            None if want.is_none() => Some(Wished::There),
            None if setups.all().count() >= SETUPS_MAX => {
                Some(Wished::Refused(words::too_many(SETUPS_MAX)))
            }
            Some(setup) if setup.want == *want && setup.is_open() => {
                Some(Wished::UnderWay(setup.wish))
            }
            Some(setup) if setup.is_up() && setup.want == *want => {
                let stands = setup.stands.as_ref()?;
                let lost = setups.lost_channel(stands, self.clock.now());
                Some(match lost.filter(|it| it.loss == Loss::Out) {
                    Some(lost) => Wished::Refused(words::out_now(stands, lost)),
                    None => Wished::There,
                })
            }
            Some(setup) if setup.is_up() && want.is_some() => {
                Some(Wished::Refused(words::otherwise(setup)))
            }
            _ => None,
        }
    }

    /// Takes in what a bridge says by itself: that a network is lost or there again is recorded, and told to the owner
    /// once for each change.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub(super) async fn bridge_said(
        &self,
        room: &RoomId,
        by: &UserId,
        text: &str,
    ) -> Result<(), Error> {
        if !self.is_bridge(by) {
            return Ok(());
        }
        // Several things that it says in a row come as one post.
        for line in text.lines() {
            self.bridge_said_line(room, line).await?;
        }
        Ok(())
    }

    async fn bridge_said_line(&self, room: &RoomId, line: &str) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let (setups, version) = self.setups()?;
            let meta = Meta { room: Some(room.clone()), ..Meta::default() };
            let event = outage(&setups, room, line);
            let event = event.or_else(|| channel(&setups, room, line, self.clock.now()));
            if event.is_none()
                && let Some(renamed) = called(&setups, room, line)
            {
                let expected = version.map_or(Expected::NoStream, Expected::Exact);
                let events = vec![NewEvent::with(&meta, renamed)];
                let batch = vec![write(StreamName::setups(), expected, events)];
                match self.append(batch).await? {
                    Tried::Moved => continue,
                    Tried::Done | Tried::TooMuch(_) => return Ok(()),
                }
            }
            let Some(event) = event else { return Ok(()) };
            let told = match &event {
                Event::BridgeLost(e) => words::lost(e),
                Event::BridgeBack(e) => words::back(e),
                Event::BridgeChannelLost(e) => {
                    let stands =
                        setups.of(&e.network, &e.channel).and_then(|it| it.stands.as_ref());
                    words::channel_lost_hint(e, stands.map_or("", |it| it.nick.as_str()))
                }
                Event::BridgeChannelBack(e) => words::channel_back(e),
                _ => return Ok(()),
            };
            let tried = self.tell_outage(&setups, version, event, &told, &meta).await?;
            if !matches!(tried, Tried::Moved) {
                return Ok(());
            }
        }
        tracing::warn!("the log moved on every time that an outage was recorded");
        Ok(())
    }

    /// Records what has changed behind this version of the stream, and tells the owner, and rooms what they may have missed.
    pub(super) async fn tell_outage(
        &self,
        setups: &Setups,
        version: Option<Version>,
        event: Event,
        told: &str,
        meta: &Meta,
    ) -> Result<Tried, Error> {
        let expected = version.map_or(Expected::NoStream, Expected::Exact);
        let next = version.map_or(Version::START, Version::next);
        let missed = self.told_missed(setups, &event, next)?;
        let events = vec![NewEvent::with(meta, event)];
        let mut batch = vec![write(StreamName::setups(), expected, events)];
        batch.extend(missed);
        let message = self.store.key().message("outage", &next.0.to_string());
        batch.extend(self.notice(message, meta, told)?);
        Ok(self.append(batch).await?)
    }

    /// Says something to the bridge in the room for a channel's network; none: it does not answer.
    pub(super) async fn tell_network(
        &self,
        stands: &BridgeStands,
        text: &str,
        ends: Vec<String>,
        within_ms: u64,
    ) -> Option<Told> {
        let setup = self.setups().ok()?.0.of(&stands.network, &stands.channel)?.clone();
        let to = self.own(&setup, &self.own_id())?.bridge;
        let (room, text) = (stands.network_room.clone(), text.to_owned());
        let order = Order { room, to, text, ends, within_ms };
        match self.chat.rooms(&RoomAct::Tell(order)).await {
            Ok(RoomAnswer::Told(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Asks the bridge how a channel is; none: it does not answer.
    pub async fn look_at_setup(&self, stands: &BridgeStands) -> Option<Now> {
        let ends = vec!["Current nickname:".into(), "Configured nickname:".into()];
        let answer = self.tell_network(stands, "STATUS", ends, STATUS_MS_MAX).await?;
        let status = Status::of(&answer.said.join("\n"));
        let channel = &stands.channel;
        let there = status.plumbed(channel) || status.joined(channel);
        answer.ended.then_some(Now { nick: status.nick, there })
    }

    /// Who is who for a setup; none: its bridge is not in use any more.
    fn own(&self, setup: &Setup, bot: &UserId) -> Option<Own> {
        let settings = self.settings();
        let profile = settings.bridges.used().find(|profile| profile.name == setup.bridge)?;
        let local = profile.own_accounts().next()?.to_owned();
        let (_, server) = bot.as_str().split_once(':')?;
        Some(Own { bot: bot.clone(), bridge: UserId(format!("@{local}:{server}")) })
    }

    /// Makes the next step of a setup, and records it.
    async fn advance(
        &self,
        setup: &Setup,
        bot: &UserId,
        variables: &Variables,
    ) -> Result<(), Error> {
        let (setups, version) = self.setups()?;
        let event: Event = match self.own(setup, bot) {
            None => words::bridge_gone(setup).into(),
            Some(own) => match next(setup, &setups, &own) {
                Next::Act(step, act) => {
                    let answer = self.do_outside(setup, &own, &act, variables).await;
                    made(setup, step, &act, judge(setup, step, &answer)).into()
                }
                Next::Stands(stands) => (*stands).into(),
                Next::Failed(failed) => failed.into(),
                Next::Removed => {
                    let (network, channel) = (setup.network.clone(), setup.channel.clone());
                    BridgeRemoved { network, channel }.into()
                }
                Next::Nothing => return Ok(()),
            },
        };
        let cause = EventId { stream: StreamName::setups(), version: setup.wish };
        let meta = Meta { cause: Some(cause), ..Meta::default() };
        let expected = version.map_or(Expected::NoStream, Expected::Exact);
        let events = vec![NewEvent::with(&meta, event)];
        // If somebody wished something meanwhile, it is decided anew.
        self.append(vec![write(StreamName::setups(), expected, events)]).await?;
        Ok(())
    }

    /// Does something outside; what may work later is tried a few times.
    async fn do_outside(
        &self,
        setup: &Setup,
        own: &Own,
        act: &Act,
        variables: &Variables,
    ) -> Answer {
        let act = match self.outside(setup, own, act, variables) {
            Ok(act) => act,
            Err(why) => return Answer::Never(why),
        };
        let mut tries = 1;
        loop {
            match self.chat.rooms(&act).await {
                Ok(answer) => return heard(answer),
                // What was left before is left.
                Err(SendError::Never { .. }) if matches!(act, RoomAct::Leave(_)) => {
                    return Answer::Done;
                }
                Err(SendError::Later { after, .. }) if tries < TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(after.unwrap_or(WAIT_MAX).min(WAIT_MAX)).await;
                }
                Err(error) => return Answer::Never(error.reason().to_owned()),
            }
        }
    }

    /// An act as the network takes it.
    fn outside(
        &self,
        setup: &Setup,
        own: &Own,
        act: &Act,
        variables: &Variables,
    ) -> Result<RoomAct, String> {
        let (user, within_ms) = (own.bridge.clone(), ROOM_MS_MAX);
        Ok(match act.clone() {
            Act::Come(room) => RoomAct::Join(room),
            Act::Direct(known) => RoomAct::Direct { user, known, within_ms },
            Act::Await(name) => RoomAct::MadeBy { user, name, within_ms },
            Act::Member(room) => RoomAct::Standing { user, room },
            Act::Invite(room) => RoomAct::Invite { user, room },
            Act::Leave(room) => RoomAct::Leave(room),
            Act::Tell { room, text, secret: None, ends, within_ms } => {
                RoomAct::Tell(Order { room, to: user, text, ends, within_ms })
            }
            Act::Tell { room, text, secret: Some(name), ends, within_ms } => {
                let value = variables(&name).ok_or_else(|| words::no_variable(&name))?;
                let word = quoted(&value).ok_or_else(|| words::bad_secret(&name))?;
                let text = format!("{text}{word}");
                let wish = format!("{}/{}", StreamName::setups(), setup.wish.0);
                let message = self.store.key().message("whispered", &wish);
                RoomAct::Whisper(Order { room, to: user, text, ends, within_ms }, message)
            }
        })
    }
}

/// What the network answered.
fn heard(answer: RoomAnswer) -> Answer {
    match answer {
        RoomAnswer::Room(info) => Answer::Room(info.room, info.encrypted),
        RoomAnswer::Found(Some(room)) => Answer::Room(room, false),
        RoomAnswer::Found(None) => Answer::NoRoom,
        RoomAnswer::Told(answer) => Answer::Said(answer.said, answer.ended),
        RoomAnswer::Standing(standing) => Answer::Member(standing != Standing::Stranger),
        RoomAnswer::Invited { there: true } => Answer::Member(true),
        RoomAnswer::Invited { there: false }
        | RoomAnswer::Left { .. }
        | RoomAnswer::Rooms { .. }
        | RoomAnswer::Manages(_) => Answer::Done,
    }
}

/// A step that is over, as it is recorded: a password stands in none of it.
fn made(setup: &Setup, step: Step, act: &Act, judged: Judged) -> BridgeStep {
    let told = match act {
        Act::Tell { text, secret: None, .. } => text.clone(),
        Act::Tell { text, secret: Some(name), .. } => format!("{text}${name}"),
        _ => String::new(),
    };
    let Judged { outcome, answer, room } = judged;
    let (network, channel) = (setup.network.clone(), setup.channel.clone());
    BridgeStep { network, channel, step, told, answer, outcome, room }
}

/// Works on what is wished until it is told to stop; what was begun before a restart goes on.
///
/// # Errors
/// [`Error`] if the log fails.
pub async fn run(
    kernel: Arc<Kernel>,
    bot: UserId,
    variables: Variables,
    stopping: watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut head = kernel.store.watch();
    let mut stop = stopping.clone();
    loop {
        head.borrow_and_update();
        let open = kernel.setups()?.0.open().cloned();
        let work = async {
            match &open {
                Some(setup) => kernel.advance(setup, &bot, &variables).await.map(|()| true),
                None => Ok(head.changed().await.is_ok()),
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            goes_on = work => {
                if !goes_on? {
                    return Ok(());
                }
            }
        }
    }
}
