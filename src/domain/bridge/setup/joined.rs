//! Whether the network has let the bot into a channel: the bridge says that it carries one before the network has.

use super::names::has;

/// How often the network is asked for the channels that it has the bot in, before it counts as out.
pub const JOINED_ASKS_MAX: usize = 3;

/// What networks call their refusals to join, as the bridge passes them on.
pub(super) const REFUSED: &[&str] =
    &["inviteonlychan", "bannedfromchan", "channelisfull", "badchanmask"];
/// What stands in most of these refusals.
pub(super) const CANNOT: &str = "Cannot join channel";
/// What may stand before a channel in such a list: what the bot is there.
const PREFIXES: &[char] = &['~', '&', '@', '%', '+', '!', '*', '.'];

/// What ends the answer to the question who the bot is on the network.
pub fn who_ends(nick: &str) -> Vec<String> {
    vec![format!("nick: {nick}\n")]
}

/// What ends the answer to joining a channel, if there is one.
pub fn join_ends(channel: &str) -> Vec<String> {
    vec![channel.to_owned(), CANNOT.to_owned()]
}

/// Whether the network says that it has this nick in a channel.
pub fn is_in_now(nick: &str, channel: &str, posts: &[String]) -> bool {
    let lines: Vec<&str> = posts.iter().flat_map(|post| post.lines()).collect();
    channels(nick, &lines).is_some_and(|list| is_in(&list, channel))
}

/// The channels that the network has this nick in; none: it does not say. What counts is the newest answer about that nick:
/// the bridge may be asked for others at the same time.
pub(super) fn channels(nick: &str, lines: &[&str]) -> Option<String> {
    let about = |line: &&str| field(line, "nick").is_some_and(|it| it.eq_ignore_ascii_case(nick));
    let at = lines.iter().rposition(about)?;
    let answer = lines[at + 1..].iter().take_while(|line| field(line, "nick").is_none());
    let mut named = answer.filter_map(|line| field(line, "channels"));
    Some(named.next().unwrap_or_default().to_owned())
}

/// Whether a channel is in such a list.
pub(super) fn is_in(list: &str, channel: &str) -> bool {
    let names = list.split_whitespace().filter_map(|word| {
        let at = word.len().checked_sub(channel.len())?;
        let (before, name) = (word.get(..at)?, word.get(at..)?);
        before.chars().all(|c| PREFIXES.contains(&c)).then(|| name.to_owned())
    });
    has(&names.collect::<Vec<_>>(), channel)
}

/// The line with which the network refuses the channel, if there is one.
pub(super) fn refusal<'a>(lines: &[&'a str], channel: &str) -> Option<&'a str> {
    lines.iter().copied().find(|line| is_refusal(line, channel))
}

/// Whether a line refuses a channel. The bridge passes most refusals on with their names, some as the network words them, and
/// that a key is wrong it says in the channel's own room, without the channel.
pub(super) fn is_refusal(line: &str, channel: &str) -> bool {
    let is = |word: &str| word.eq_ignore_ascii_case(channel);
    let mut words = line.split_whitespace();
    let first = words.clone().next().is_some_and(is);
    let named = line.split_whitespace().any(is) && words.any(|word| REFUSED.contains(&word));
    first || named || starts_with(line, CANNOT)
}

pub(super) fn starts_with(line: &str, start: &str) -> bool {
    line.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_found_whatever_the_bot_is_there() {
        for (list, channel, want) in [
            ("#ops", "#ops", true),
            ("@#dev +#Ops", "#ops", true),
            ("~&@#ops", "#OPS", true),
            ("#ops2 #xops ##ops", "#ops", false),
            ("&&local", "&local", true),
            ("@&local", "&local", true),
            ("#größe", "#größe", true),
            ("#grö", "#ops", false),
            ("", "#ops", false),
        ] {
            assert_eq!(is_in(list, channel), want, "{channel} in {list:?}");
        }
    }

    #[test]
    fn the_newest_answer_about_the_bot_counts() {
        for (lines, want) in [
            ("nick: Bot\nuser: b\nchannels: #ops @#x \nserver: s", Some("#ops @#x")),
            ("nick: bot\nuser: b", Some("")),
            ("nick: eve\nchannels: #ops", None),
            (
                "nick: bot\nchannels: #a\nnick: bot\nchannels: #b\nnick: eve\nchannels: #c",
                Some("#b"),
            ),
            ("nick: bot\nrealname: channels: #ops", Some("")),
            ("Not connected to network.", None),
        ] {
            let lines: Vec<&str> = lines.lines().collect();
            assert_eq!(channels("bot", &lines).as_deref(), want, "{lines:?}");
        }
    }

    #[test]
    fn refusals_are_known_by_their_forms() {
        for (line, want) in [
            ("irc.lab.test inviteonlychan bot #Ops Cannot join channel (+i)", true),
            ("irc.lab.test bannedfromchan bot #ops Cannot join channel (+b)", true),
            ("irc.lab.test channelisfull bot #ops Cannot join channel (+l)", true),
            ("irc.lab.test inviteonlychan bot #dev Cannot join channel (+i)", false),
            ("Cannot join channel (+k) -- Wrong channel key", true),
            ("cannot join channel (+k)", true),
            ("#ops Cannot join channel (+r) - you need to be identified with services", true),
            ("#ops You have joined too many channels", true),
            ("#ops No such channel", true),
            ("#dev No such channel", false),
            ("Plumbed !r to #ops, to unplumb just kick me out.", false),
            ("eve has invited you to #ops", false),
            ("", false),
        ] {
            assert_eq!(is_refusal(line, "#ops"), want, "{line}");
        }
    }
}
