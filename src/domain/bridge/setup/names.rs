//! Names as the bridge's chat commands take them: its shell-like reader must find one word in each.

use super::Want;

/// Longest name of a network, channel, server or nick, in characters.
pub const NAME_CHARS_MAX: usize = 64;
/// Longest password, in bytes: it has to go into one line.
pub const SECRET_BYTES_MAX: usize = 300;

/// Why something cannot be set up, if so.
pub fn refusal(network: &str, channel: &str, want: Option<&Want>) -> Option<String> {
    // In the accounts of its people the network's name ends at the first underscore.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !fits(network, plain) {
        return Some(format!("`{network}` is no name for a network: letters, digits, `-` and `.`"));
    }
    let part = |c: char| !c.is_whitespace() && !c.is_control() && !",;:\"'\\`".contains(c);
    let named = channel.strip_prefix(['#', '&']).is_some_and(|name| fits(name, part));
    if !named {
        return Some(format!("`{channel}` is no channel: write it as `#ops`"));
    }
    let want = want?;
    let host = |c: char| plain(c) || c == ':' || c == '_';
    if !fits(&want.server.host, host) || want.server.host.starts_with('-') || want.server.port == 0
    {
        return Some(format!("`{}` is no server: write HOST:PORT", want.server.host));
    }
    if let Some(nick) = want.nick.as_ref().filter(|nick| !is_nick(nick)) {
        return Some(format!(
            "`{nick}` is no nick: letters, digits and `[]_^{{|}}-`, no digit first"
        ));
    }
    let room = want.room.as_ref().filter(|room| !room.as_str().starts_with(['!', '#']));
    room.map(|room| format!("`{room}` is no room: `!Ab3dE:example.org` or `#ops:example.org`"))
}

/// Whether a name has letters, only those that are allowed, and not too many.
pub fn fits(name: &str, allowed: impl Fn(char) -> bool) -> bool {
    !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && name.chars().all(allowed)
}

/// Whether the bot can be called so on a network.
pub(super) fn is_nick(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "[]_^{|}-".contains(c);
    fits(name, letter) && !name.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

/// A password as one word for the bridge; none: it cannot be said in one line.
pub fn quoted(secret: &str) -> Option<String> {
    if secret.is_empty() || secret.len() > SECRET_BYTES_MAX || secret.chars().any(char::is_control)
    {
        return None;
    }
    Some(format!("\"{}\"", secret.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Whether a channel is among these: networks of IRC tell no cases apart.
pub(super) fn has(list: &[String], channel: &str) -> bool {
    list.iter().any(|it| it.eq_ignore_ascii_case(channel))
}
