//! What the bot is called on a network: it may be another nick after it has connected again, or when the one that it wants is free.

use super::Setups;
use super::names::is_nick;
use crate::domain::event::{BridgeRenamed, Event};
use crate::domain::id::RoomId;

/// What the bridge says when its nick is another one.
const KNOWN_AS: &str = "You're now known as ";
/// How networks begin what they say to whoever has connected; its nick ends it, most often with where it comes from.
const WELCOME: &str = "Welcome to the ";

/// What changes when the bridge says this in the room for a network; none: the bot is called as before.
pub fn called(setups: &Setups, room: &RoomId, line: &str) -> Option<Event> {
    let stands = setups.standing().find(|it| it.network_room == *room)?;
    let nick = match (line.strip_prefix(KNOWN_AS), line.strip_prefix(WELCOME)) {
        (Some(nick), _) => nick.trim(),
        (None, Some(rest)) => {
            let word = rest.split_whitespace().last()?;
            let plain = |nick: &str| nick.trim_end_matches('_').to_ascii_lowercase();
            // A network may greet people in other words, too.
            match word.split_once('!').filter(|(_, from)| from.contains('@')) {
                Some((nick, _)) => nick,
                None => Some(word).filter(|word| plain(word) == plain(&stands.nick))?,
            }
        }
        (None, None) => return None,
    };
    let other = is_nick(nick) && stands.nick != nick;
    let network = stands.network.clone();
    other.then(|| BridgeRenamed { network, nick: nick.to_owned() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bridge::setup::tests::{FRESH, played, recorded, want, wish};

    #[test]
    fn the_bot_is_called_as_the_network_says_last() {
        let (mut events, _) = played(vec![wish("#ops", Some(want(None)))], "#ops", FRESH);
        let folded = |events: &[Event]| {
            let mut setups = Setups::default();
            for (nth, event) in events.iter().enumerate() {
                setups.apply(&recorded(nth, event.clone()));
            }
            setups
        };
        for (room, line, want) in [
            ("!lab", "You're now known as opsbot", "opsbot"),
            ("!lab", "You're now known as opsbot", "opsbot"),
            ("!else", "You're now known as eve", "opsbot"),
            ("!lab", "Welcome to the Internet Relay Network opsbot_!~b@host", "opsbot_"),
            ("!lab", "Welcome to the Libera.Chat Internet Relay Chat Network opsbot", "opsbot"),
            ("!lab", "Welcome to the network room for lab!", "opsbot"),
            ("!lab", "Welcome to the best chat", "opsbot"),
            ("!lab", "Message from eve: You're now known as eve", "opsbot"),
        ] {
            events.extend(called(&folded(&events), &RoomId(room.into()), line));
            let now = folded(&events);
            let nick = now.standing().next().map(|it| it.nick.clone());
            assert_eq!(nick.as_deref(), Some(want), "{line}");
        }
        let count = events.iter().filter(|it| matches!(it, Event::BridgeRenamed(_))).count();
        assert_eq!(count, 3);
    }
}
