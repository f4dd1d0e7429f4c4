//! A room's event → the trigger it is, if it is one.

use serde_json::Value;

use super::outbound::HOPS_FIELD;
use super::timeline::{Origin, Seen};
use crate::adapter::Redaction;
use crate::domain::bridge::address::{merged, relayed};
use crate::domain::bridge::{Account, Bridges};
use crate::domain::id::{DedupeKey, PostId, RoomId, Timestamp, UserId};
use crate::domain::trigger::{
    Claim, MESSAGE_BYTES_MAX, Message, Place, Reaction, Speaker, Trigger, Trust, Undecryptable,
    What,
};

/// Longest name of a person or room that is kept, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest key of a reaction that is kept, in characters; longer ones are no reaction.
pub const REACTION_CHARS_MAX: usize = 64;
/// Where a bridge says that a person wrote on the other network what comes from their account here.
const PUPPET_FIELD: &str = "fi.mau.double_puppet_source";
/// The network of everything that is not behind a bridge.
pub(super) const NETWORK: &str = "matrix";

/// What is known beside the event itself.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    /// Our own account.
    pub account: &'a str,
    /// Where it was said; the thread is filled in from the event.
    pub place: &'a Place,
    /// What its sender is called.
    pub name: &'a str,
    /// When it came.
    pub now: Timestamp,
    /// The bridges of the homeserver.
    pub bridges: &'a Bridges,
}

impl Facts<'_> {
    /// What an account is to a bridge.
    fn bridged(&self, id: &str) -> Option<Account<'_>> {
        let (_, server) = self.account.split_once(':')?;
        self.bridges.account(id, server)
    }

    /// Whether an account is a bridge itself or a program behind one: neither is listened to.
    pub fn is_of_bridge(&self, id: &str) -> bool {
        match self.bridged(id) {
            Some(Account::Bot(_)) => true,
            Some(Account::Ghost(profile, native)) => Bridges::is_program(profile, &native),
            Some(Account::Relay(_)) | None => false,
        }
    }

    /// Who speaks: what a network proves of them is all that is known, however well the bridge's own account is proven.
    fn speaker(&self, id: &str, proven: Trust) -> Speaker {
        let name = name(self.name, id);
        let (network, account, trust) = match self.bridged(id) {
            Some(Account::Ghost(it, native)) => (it.network.clone(), Some(native), it.trust),
            Some(Account::Relay(it) | Account::Bot(it)) => (it.network.clone(), None, it.trust),
            None => (NETWORK.to_owned(), None, Trust::Device),
        };
        let named = match self.bridged(id) {
            Some(Account::Ghost(it, native)) if it.names_network => {
                native.rsplit_once('@').map(|(_, network)| network.to_owned())
            }
            _ => None,
        };
        let several = self.place.network.contains('+') && network != NETWORK;
        let of = named.as_ref().unwrap_or(&network);
        let name = if several { format!("{name} ({of})") } else { name };
        Speaker {
            id: UserId(id.to_owned()),
            name,
            network,
            account,
            trust: trust.min(proven),
            claims: vec![],
        }
    }
}

/// The triggers that an event is: more than one where a bridge has put several lines of a person together.
pub(super) fn triggers(seen: &Seen, facts: &Facts) -> Vec<Trigger> {
    let Some(trigger) = trigger(seen, facts) else { return vec![] };
    let merges = |account: Account| match account {
        Account::Ghost(profile, _) => profile.merges_lines,
        Account::Bot(_) | Account::Relay(_) => false,
    };
    let What::Message(message) = &trigger.what else { return vec![trigger] };
    if !facts.bridged(seen.text("sender")).is_some_and(merges) {
        return vec![trigger];
    }
    let lines = merged(&message.text).into_iter().enumerate();
    let line = |(at, text): (usize, String)| {
        let number = format!("line {at}");
        let all = [&parts(seen, facts)[..], &[number.as_str()]].concat();
        let key = if at == 0 { trigger.key.clone() } else { DedupeKey::new(&all) };
        let what = What::Message(Message { text, ..message.clone() });
        Trigger { key, what, ..trigger.clone() }
    };
    lines.map(line).collect()
}

/// What makes a post the same when it comes again.
fn parts<'a>(seen: &'a Seen, facts: &Facts<'a>) -> [&'a str; 4] {
    [NETWORK, facts.account, facts.place.room.as_str(), seen.text("event_id")]
}

/// The trigger that an event is: a message, a reaction or something unreadable, of anybody but us.
pub(super) fn trigger(seen: &Seen, facts: &Facts) -> Option<Trigger> {
    let (sender, post) = (seen.text("sender"), seen.text("event_id"));
    if sender.is_empty() || post.is_empty() || sender == facts.account || facts.is_of_bridge(sender)
    {
        return None;
    }
    let mut speaker = facts.speaker(sender, trust(seen.origin));
    if let Some(source) = seen.event["content"][PUPPET_FIELD].as_str() {
        Claim::double_puppet(source).add_to(&mut speaker.claims);
    }
    let what = match seen.text("type") {
        "m.room.message" => message(&seen.event["content"], speaker, facts, post)?,
        "m.reaction" => reaction(&seen.event["content"], speaker, facts, post)?,
        "m.room.encrypted" if seen.origin != Origin::Undecryptable || !facts.place.encrypted => {
            return None;
        }
        "m.room.encrypted" if may_be_for_us(&seen.event["content"]) => {
            let place = place(&seen.event["content"], facts);
            What::Undecryptable(Undecryptable { place, speaker, post: PostId(post.to_owned()) })
        }
        _ => return None,
    };
    let key = DedupeKey::new(&parts(seen, facts));
    let at = seen.sent_at(facts.now);
    Some(Trigger { key, at, late: false, what })
}

/// The post that an event deletes, by all the keys that it may have been recorded with.
///
/// Deletions are never encrypted: what says inside that it is one could come from anybody, and deletes nothing.
pub(super) fn redaction(seen: &Seen, account: &str, room: &str) -> Option<Redaction> {
    let content = &seen.event["content"];
    // Before room version 11 the target stood beside the content. The homeserver has judged only that of the room's
    // version, and servers copy it to the other place: where they differ, one of them may be forged.
    let target = match (content.get("redacts"), seen.event.get("redacts")) {
        (Some(inside), Some(beside)) if inside != beside => None,
        (inside, beside) => inside.or(beside)?.as_str(),
    }?;
    let sender = seen.text("sender");
    let plain = seen.origin == Origin::Plain && seen.event.get("state_key").is_none();
    if seen.text("type") != "m.room.redaction" || !plain || sender.is_empty() {
        return None;
    }
    let heard = [NETWORK, account, room, target];
    let keys = vec![DedupeKey::new(&heard), late_key(account, room, target)];
    let reason = content["reason"].as_str().map(str::to_owned);
    let (room, post) = (RoomId(room.to_owned()), PostId(target.to_owned()));
    Some(Redaction { keys, room, post, by: UserId(sender.to_owned()), reason })
}

/// The key of a post that could be read only later.
pub(super) fn late_key(account: &str, room: &str, post: &str) -> DedupeKey {
    DedupeKey::new(&[NETWORK, account, room, post, "decrypted"])
}

/// Whether an encrypted event could be for the bot: what is deleted or an edit is not, and both show without the key.
fn may_be_for_us(content: &Value) -> bool {
    let edit = relation_of(&content["m.relates_to"], "m.replace").is_some();
    content["algorithm"].is_string() && !edit
}

/// A message of a person; what bots say (`m.notice`) is none.
fn message(content: &Value, mut speaker: Speaker, facts: &Facts, post: &str) -> Option<What> {
    let relation = &content["m.relates_to"];
    let edits = relation_of(relation, "m.replace");
    let said = if edits.is_some() { &content["m.new_content"] } else { content };
    if said["msgtype"] != "m.text" {
        return None;
    }
    let answered = post_id(&relation["m.in_reply_to"]["event_id"]);
    let body = said["body"].as_str()?;
    let text = if answered.is_some() { without_quote(body) } else { body };
    let profile = &said["com.beeper.per_message_profile"];
    let text = without_name(text, profile);
    if let Some(name) = profile["displayname"].as_str() {
        Claim::per_message_name(name).add_to(&mut speaker.claims);
    }
    if profile.is_object() && facts.bridged(speaker.id.as_str()).is_some() {
        // An app that speaks under whatever name it likes speaks for nobody.
        speaker.trust = speaker.trust.min(Trust::Nick);
    }
    let text = match facts.bridged(speaker.id.as_str()) {
        // What it does not repeat it says of itself, and nobody has asked it.
        Some(Account::Relay(_)) => {
            let (name, text) = relayed(text)?;
            speaker.name = short_name(&name);
            text
        }
        _ => text,
    };
    let falls_back = relation["is_falling_back"] == true;
    Some(What::Message(Message {
        place: place(content, facts),
        speaker,
        post: PostId(post.to_owned()),
        text: cut(text, MESSAGE_BYTES_MAX).to_owned(),
        command: None,
        reply_to: answered.filter(|_| !falls_back),
        edits,
        mentioned: mentions(said, facts.account),
        hops: hops(content),
    }))
}

/// Whether a post calls an account, or begins with a link to it as clients that name nobody write one.
fn mentions(said: &Value, account: &str) -> bool {
    let called = said["m.mentions"]["user_ids"].as_array().into_iter().flatten();
    let pill = |html: &str| {
        let link = html.trim_start().strip_prefix("<a href=\"https://matrix.to/#/");
        link.is_some_and(|rest| {
            let rest = rest.strip_prefix(account);
            rest.is_some_and(|rest| rest.starts_with('"'))
        })
    };
    called.filter_map(Value::as_str).any(|id| id == account)
        || said["formatted_body"].as_str().is_some_and(pill)
}

/// How many bots say that they have passed a post on.
fn hops(content: &Value) -> u32 {
    content[HOPS_FIELD].as_u64().map_or(0, |hops| u32::try_from(hops).unwrap_or(u32::MAX))
}

/// A reaction to a post.
fn reaction(content: &Value, speaker: Speaker, facts: &Facts, post: &str) -> Option<What> {
    let relation = &content["m.relates_to"];
    let target = relation_of(relation, "m.annotation")?;
    let key = relation["key"].as_str()?;
    let short = !key.is_empty() && key.chars().count() <= REACTION_CHARS_MAX;
    short.then(|| {
        let place = facts.place.clone();
        What::Reaction(Reaction {
            place,
            speaker,
            post: PostId(post.to_owned()),
            target,
            key: key.to_owned(),
        })
    })
}

/// The place, with the thread that the event stands in.
fn place(content: &Value, facts: &Facts) -> Place {
    let thread = relation_of(&content["m.relates_to"], "m.thread");
    Place { thread, ..facts.place.clone() }
}

/// The post that an event is related to in a certain way.
fn relation_of(relation: &Value, kind: &str) -> Option<PostId> {
    (relation["rel_type"] == kind).then(|| post_id(&relation["event_id"]))?
}

/// A post's id.
fn post_id(value: &Value) -> Option<PostId> {
    value.as_str().filter(|id| !id.is_empty()).map(|id| PostId(id.to_owned()))
}

/// How strongly the way an event came proves its sender.
fn trust(origin: Origin) -> Trust {
    match origin {
        Origin::SignedDevice => Trust::Device,
        Origin::Plain | Origin::OtherDevice | Origin::Undecryptable => Trust::Account,
        Origin::Mismatched => Trust::Nothing,
    }
}

/// A person's name, or what stands between `@` and `:` in the account.
pub(super) fn name(name: &str, account: &str) -> String {
    let named = short_name(name);
    let localpart = account.strip_prefix('@').unwrap_or(account).split(':').next();
    if named.is_empty() { short_name(localpart.unwrap_or(account)) } else { named }
}

/// A name on one line and of bounded length.
pub(super) fn short_name(name: &str) -> String {
    let visible = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.collect::<String>().trim().chars().take(NAME_CHARS_MAX).collect()
}

/// The text without the quotation that older clients put before a reply.
fn without_quote(body: &str) -> &str {
    if !(body.starts_with("> <@") || body.starts_with("> * <@")) {
        return body;
    }
    let mut rest = body;
    while rest.starts_with('>') {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest.strip_prefix('\n').unwrap_or(rest)
}

/// The text without the name that clients are shown which know no names of single messages.
fn without_name<'a>(text: &'a str, profile: &Value) -> &'a str {
    let name = profile["displayname"].as_str().filter(|_| profile["has_fallback"] == true);
    let rest = name.and_then(|name| text.strip_prefix(name)?.strip_prefix(": "));
    rest.unwrap_or(text)
}

/// The beginning of a text, whole characters only.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
