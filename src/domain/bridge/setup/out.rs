//! Channels that stand, and that the bot is out of: thrown out, not let in again, or not heard, as the bridge says.

use serde::{Deserialize, Serialize};

use super::joined::{CANNOT, REFUSED, starts_with};
use super::{Mode, Setups, key};
use crate::domain::event::{BridgeChannelBack, BridgeChannelLost, BridgeStands, Event};
use crate::domain::id::{RoomId, Timestamp};

/// When a channel that the bot is out of is tried again first; each later time is twice as long.
pub const REJOIN_AFTER_MS: i64 = 60_000;
/// The longest time between two tries.
pub const REJOIN_AFTER_MS_MAX: i64 = 16 * REJOIN_AFTER_MS;
/// That a channel does not take what the bot says is told again after this time, if it still is so: nobody tells when it does.
pub const MUTED_MS: i64 = 600_000;
/// Longest reason that is recorded, in characters.
const WHY_CHARS_MAX: usize = 300;

/// What the bridge says in a channel that it is out of; before it stands the name of the channel, unless it is a room of its own.
const THROWN_OUT: &[&str] = &["You were kicked from the channel by ", "You left the channel."];
/// What it says when it is let in.
const LET_IN: &str = "Joined ";
/// How networks begin when they do not take what somebody says in a channel.
const NOT_TAKEN: &[&str] =
    &["cannot send", "you cannot send", "you can't send", "you need voice", "no external channel"];
/// What networks say of one channel too many.
const TOO_MANY: &str = "too many channels";

/// How a channel is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The bot is not in it: it hears nobody there, and nobody hears it.
    Out,
    /// It is in it, but what it says is not taken.
    Muted,
}

/// Since when a channel is lost, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Since when.
    pub since: Timestamp,
    /// How.
    pub loss: Loss,
    /// What the bridge said.
    pub why: String,
}

/// What changes for a channel when the bridge says this line in a room; none: it stays as it is.
pub fn channel(setups: &Setups, room: &RoomId, line: &str, now: Timestamp) -> Option<Event> {
    let (stands, said) = setups.standing().find_map(|it| Some((it, said(it, room, line)?)))?;
    let BridgeStands { network, channel, .. } = stands.clone();
    let known = setups.lost_channel(stands, now).map(|it| it.loss);
    match (said, known) {
        (Said::In, Some(_)) => Some(BridgeChannelBack { network, channel }.into()),
        (Said::Lost(loss, _), Some(known)) if known == loss || known == Loss::Out => None,
        (Said::Lost(loss, why), _) => {
            let why = why.chars().take(WHY_CHARS_MAX).collect();
            Some(BridgeChannelLost { network, channel, loss, why }.into())
        }
        (Said::In, None) => None,
    }
}

/// What a line says of a channel.
enum Said<'a> {
    In,
    Lost(Loss, &'a str),
}

fn said<'a>(stands: &BridgeStands, room: &RoomId, line: &'a str) -> Option<Said<'a>> {
    let line = line.trim();
    if *room == stands.room && stands.mode == Mode::Private {
        return of_channel(line);
    }
    if *room != stands.network_room {
        return None;
    }
    let named = |word: &str| word.eq_ignore_ascii_case(&stands.channel);
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    // What is said in a room of people the bridge says here instead.
    if first.strip_suffix(':').is_some_and(named) {
        return of_channel(rest);
    }
    if named(first) && (starts_with(rest, CANNOT) || rest.contains(TOO_MANY)) {
        return Some(Said::Lost(Loss::Out, rest));
    }
    // Server, reply, nick, channel: words of people stand behind what the bridge puts before them.
    let mut words = rest.splitn(4, ' ');
    let (reply, channel) = (words.next()?, words.nth(1)?);
    (REFUSED.contains(&reply) && named(channel)).then_some(Said::Lost(Loss::Out, line))
}

fn of_channel(line: &str) -> Option<Said<'_>> {
    if line.starts_with(LET_IN) {
        return Some(Said::In);
    }
    if THROWN_OUT.iter().any(|it| line.starts_with(it)) || starts_with(line, CANNOT) {
        return Some(Said::Lost(Loss::Out, line));
    }
    let not_taken = NOT_TAKEN.iter().any(|it| starts_with(line, it));
    not_taken.then_some(Said::Lost(Loss::Muted, line))
}

impl Setups {
    /// Since when and why a channel is lost; none: it is not.
    pub fn lost_channel(&self, stands: &BridgeStands, now: Timestamp) -> Option<&Lost> {
        let lost = self.out.get(&key(&stands.network, &stands.channel))?;
        let over = lost.loss == Loss::Muted && now.0 - lost.since.0 >= MUTED_MS;
        (!over).then_some(lost)
    }

    /// The channels that the bot is not heard in although their networks are there.
    pub fn lost_channels(&self, now: Timestamp) -> impl Iterator<Item = (&BridgeStands, &Lost)> {
        let there = self.standing().filter(|it| !self.is_away(&it.network));
        there.filter_map(move |it| Some((it, self.lost_channel(it, now)?)))
    }

    pub(super) fn channel_lost(&mut self, it: &BridgeChannelLost, since: Timestamp) {
        let lost = Lost { since, loss: it.loss, why: it.why.clone() };
        self.out.insert(key(&it.network, &it.channel), lost);
    }

    pub(super) fn channel_back(&mut self, network: &str, channel: &str) {
        self.out.remove(&key(network, channel));
    }
}

/// How long after a try the next one comes: `tries` were made before.
pub fn rejoin_after_ms(tries: u32) -> i64 {
    REJOIN_AFTER_MS.saturating_mul(1 << tries.min(16)).min(REJOIN_AFTER_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bridge::setup::Step;
    use crate::domain::bridge::setup::tests::{FRESH, but, played, recorded, want, wish};

    /// `#ops` of `lab` stands: in the room of people `!r`, or alone in `!#ops (lab)`.
    fn standing(room: Option<&str>) -> Vec<Event> {
        let script = but(&[(Step::Plumb, "Plumbed !r to #ops")]);
        let (events, _) = played(vec![wish("#ops", Some(want(room)))], "#ops", &script);
        assert!(matches!(events.last(), Some(Event::BridgeStands(_))), "{FRESH:?}");
        events
    }

    fn folded(events: &[Event]) -> Setups {
        let mut setups = Setups::default();
        for (nth, event) in events.iter().enumerate() {
            setups.apply(&recorded(nth, event.clone()));
        }
        setups
    }

    fn change(event: Option<Event>) -> String {
        match event {
            Some(Event::BridgeChannelLost(it)) => format!("{:?}: {}", it.loss, it.why),
            Some(Event::BridgeChannelBack(it)) => format!("back: {}", it.channel),
            other => other.map_or_else(String::new, |it| format!("{it:?}")),
        }
    }

    #[test]
    fn what_the_bridge_says_of_a_channel_is_known_by_where_it_says_it() {
        let (people, alone) = (folded(&standing(Some("!r"))), folded(&standing(None)));
        let kick = "You were kicked from the channel by eve: out";
        let refused = "irc.example.org inviteonlychan bot #Ops Cannot join channel (+i)";
        for (setups, room, line, want) in [
            (&people, "!lab", "#ops: You were kicked from the channel by eve: out", format!("Out: {kick}")),
            (&people, "!lab", "#OPS: Cannot join channel (+k)", "Out: Cannot join channel (+k)".into()),
            (&people, "!lab", "#ops: Cannot send to channel", "Muted: Cannot send to channel".into()),
            (&people, "!lab", refused, format!("Out: {refused}")),
            (&alone, "!lab", refused, format!("Out: {refused}")),
            (&alone, "!lab", "#ops Cannot join channel (+r)", "Out: Cannot join channel (+r)".into()),
            (&alone, "!lab", "#ops You have joined too many channels", "Out: You have joined too many channels".into()),
            (&alone, "!#ops (lab)", kick, format!("Out: {kick}")),
            (&alone, "!#ops (lab)", "You left the channel. To rejoin, type JOIN", "Out: You left the channel. To rejoin, type JOIN".into()),
            (
                &alone,
                "!#ops (lab)",
                "You cannot send messages to this channel whilst the +m (moderated) mode is set.",
                "Muted: You cannot send messages to this channel whilst the +m (moderated) mode is set.".into(),
            ),
            // Of another channel, in another room, of people, or in their words.
            (&people, "!lab", "#dev: You were kicked from the channel by eve", String::new()),
            (&people, "!r", kick, String::new()),
            (&people, "!lab", kick, String::new()),
            (&alone, "!else", kick, String::new()),
            (&people, "!lab", "irc inviteonlychan bot #dev Cannot join channel (+i)", String::new()),
            (&people, "!lab", "Message from eve: #ops: Cannot send to channel", String::new()),
            (&people, "!lab", "Notice from eve: inviteonlychan bot #ops Cannot join channel", String::new()),
            (&people, "!lab", "eve has kicked bob from #ops: Cannot send", String::new()),
            (&people, "!lab", "#ops: Users: cannot send, eve", String::new()),
            (&alone, "!#ops (lab)", "Message from eve: You were kicked from the channel by", String::new()),
            (&people, "!lab", "#ops: Joined #ops as bot (b@h)", String::new()),
            (&people, "!lab", "", String::new()),
        ] {
            let got = channel(setups, &RoomId(room.into()), line, Timestamp(0));
            assert_eq!(change(got), want, "{room}: {line}");
        }
    }

    #[test]
    fn each_change_is_one() {
        let mut events = standing(Some("!r"));
        let mut at = |line: &str, now: i64| {
            let got = channel(&folded(&events), &RoomId("!lab".into()), line, Timestamp(now));
            events.extend(got.clone());
            change(got)
        };
        let (muted, kicked) = ("Cannot send to channel", "You were kicked from the channel by eve");
        let (joined, muted_line, kicked_line) =
            ("#ops: Joined #ops as b (b@h)", format!("#ops: {muted}"), format!("#ops: {kicked}"));
        for (line, now, want) in [
            (joined, 0, String::new()),
            (&muted_line, 0, format!("Muted: {muted}")),
            (&muted_line, MUTED_MS - 1, String::new()),
            // Nobody tells that it is heard again: after a while it counts as heard.
            (&muted_line, MUTED_MS, format!("Muted: {muted}")),
            (&kicked_line, 0, format!("Out: {kicked}")),
            (&kicked_line, 0, String::new()),
            (&muted_line, MUTED_MS * 9, String::new()),
            (joined, MUTED_MS * 9, "back: #ops".into()),
            (joined, MUTED_MS * 9, String::new()),
        ] {
            assert_eq!(at(line, now), want, "{line} at {now}");
        }
    }

    #[test]
    fn who_is_out_tries_less_and_less_often() {
        let waits: Vec<i64> = (0..6).map(|it| rejoin_after_ms(it) / REJOIN_AFTER_MS).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 16]);
        assert_eq!(rejoin_after_ms(u32::MAX), REJOIN_AFTER_MS_MAX);
    }

    #[test]
    fn a_channel_that_is_set_up_anew_or_gone_is_not_lost() {
        let mut events = standing(Some("!r"));
        let line = "#ops: You left the channel.";
        events.extend(channel(&folded(&events), &RoomId("!lab".into()), line, Timestamp(0)));
        let lost = |events: &[Event]| folded(events).lost_channels(Timestamp(0)).count();
        assert_eq!(lost(&events), 1);
        let anew = [events.clone(), standing(Some("!r"))].concat();
        assert_eq!(lost(&anew), 0);
        let (network, why) = ("lab".to_owned(), "Disconnected".to_owned());
        events.push(crate::domain::event::BridgeLost { network, why }.into());
        assert_eq!(lost(&events), 0, "the network is lost, and with it all its channels");
    }
}
