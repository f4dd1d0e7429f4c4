//! What is said of channels that the bot sets up: how far it is, and what to do when it does not go on.

use crate::domain::bridge::setup::out::{Loss, Lost};
use crate::domain::bridge::setup::{Mode, Outcome, Own, Setup, Setups, Status, Step};
use crate::domain::event::{
    BridgeAnswers, BridgeBack, BridgeChannelBack, BridgeChannelLost, BridgeFailed, BridgeLost,
    BridgeRenamed, BridgeSilent, BridgeStands, BridgeStep, BridgeWanted,
};
use crate::domain::id::ExecutionId;

/// The bridge for IRC that is meant where none is named.
pub const BRIDGE: &str = "heisenbridge";
/// Most channels that are named where one is looked for in vain.
pub const NAMED_MAX: usize = 10;

/// What the bot needs to be allowed, in the words of the bridge.
pub fn add_mask(own: &Own) -> String {
    format!("ADDMASK --admin {}", own.bot)
}

/// A step as people read it.
pub fn step(step: Step) -> &'static str {
    match step {
        Step::Room => "the room",
        Step::Control => "a room alone with the bridge",
        Step::Networks => "whether the bridge knows the network",
        Step::Network => "the network",
        Step::Servers => "whether it knows the server",
        Step::Server => "the server",
        Step::Open => "opening the network",
        Step::NetworkRoom => "the network's room",
        Step::Status => "the network's status",
        Step::Nick => "the nick",
        Step::Sasl => "the password",
        Step::Connect => "connecting",
        Step::Invite => "inviting the bridge",
        Step::Plumb => "carrying the channel into the room",
        Step::Member => "whether the bridge is in the room",
        Step::Recall => "the rooms of the network",
        Step::Join => "joining the channel",
        Step::ChannelRoom => "the channel's room",
        Step::Called => "the nick on the network",
        Step::Joined => "whether the network lets it in",
        Step::Unplumb => "carrying the channel no longer",
        Step::Leave => "leaving the channel's room",
        Step::Disconnect => "disconnecting",
        Step::Unserver => "forgetting the server",
        Step::Forget => "leaving a room of no use",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::There => "there already",
        Outcome::Missing => "not yet",
        Outcome::Refused => "refused",
        Outcome::Silent => "no answer in time",
    }
}

/// A step in a line.
pub fn line(it: &BridgeStep) -> String {
    let line = format!("{}: {}", step(it.step), outcome(it.outcome));
    match (it.outcome, it.answer.as_str()) {
        (Outcome::Refused, answer) if !answer.is_empty() => format!("{line}: {answer}"),
        _ => line,
    }
}

/// What is recorded of a wish.
pub fn wanted(it: &BridgeWanted) -> String {
    let way = if it.want.is_some() { "up" } else { "down" };
    format!("{} of {} is to be set {way}", it.channel, it.network)
}

/// What is recorded of a step.
pub fn made(it: &BridgeStep) -> String {
    format!("{} of {}: {}", it.channel, it.network, line(it))
}

/// A channel that stands.
pub fn stands(it: &BridgeStands) -> String {
    let BridgeStands { network, channel, room, nick, mode, .. } = it;
    match mode {
        Mode::Plumbed => format!("{channel} of {network} is the room {room}; its relay is {nick}"),
        Mode::Private => format!("{channel} of {network} is the room {room}; the bot is {nick}"),
    }
}

/// That the bot is called otherwise on a network than it was to be; none: it is called so.
pub fn called_instead(asked: &str, stands: &BridgeStands) -> Option<String> {
    let BridgeStands { network, nick, .. } = stands;
    if nick.is_empty() || nick.eq_ignore_ascii_case(asked) {
        return None;
    }
    // The bridge puts a stroke behind a nick that somebody has.
    let in_use = nick.trim_end_matches('_').eq_ignore_ascii_case(asked.trim_end_matches('_'));
    Some(match in_use && nick.len() > asked.len() {
        true => format!("{asked} is in use on {network}: the bot is {nick}"),
        false => format!("{network} does not have the bot as {asked}: it is {nick}"),
    })
}

/// A channel that does not go on.
pub fn failed(it: &BridgeFailed) -> String {
    format!("{} of {} failed at {}: {}", it.channel, it.network, step(it.step), it.why)
}

/// Why a step ended it, and what to do about it.
pub fn given_up(setup: &Setup, at: &BridgeStep, own: &Own) -> (String, String) {
    let may_not =
        at.answer.contains("Unknown command") || at.answer.contains("reserved for admins");
    let hint = match at.step {
        _ if may_not => let_in(own),
        Step::Servers | Step::Server => other_server(setup, own),
        Step::Member => other_room(setup),
        Step::Joined => let_join(setup, at),
        _ => hint(at, own),
    };
    (why(setup, at, own), hint)
}

/// What ends a hint.
const AGAIN: &str = "then give the command again: it goes on where it stopped";

fn why(setup: &Setup, at: &BridgeStep, own: &Own) -> String {
    let bridge = &own.bridge;
    match (at.outcome, at.answer.as_str()) {
        _ if at.step == Step::Invite && at.outcome == Outcome::There => {
            format!("{bridge} is in the room already and carries something else into it")
        }
        _ if at.step == Step::Member => {
            format!("{} is carried into another room already", setup.channel)
        }
        _ if at.step == Step::Joined => not_in(setup, at),
        (Outcome::Refused, "") => "it was refused".to_owned(),
        (Outcome::Refused, answer) => answer.to_owned(),
        (Outcome::Silent, "") => format!("{bridge} did not answer in time"),
        (Outcome::Silent, answer) => format!("it took too long; the last answer was: {answer}"),
        (Outcome::Done | Outcome::There | Outcome::Missing, _) => "it went in circles".to_owned(),
    }
}

/// What the bot is called on the network, as far as it is known.
fn nick(setup: &Setup) -> String {
    let called = setup.steps.iter().rev().find(|it| it.step == Step::Called);
    let called = called.map(|it| Status::of(&it.answer)).unwrap_or_default();
    called.nick.unwrap_or(called.configured)
}

fn not_in(setup: &Setup, at: &BridgeStep) -> String {
    let (nick, Setup { network, channel, .. }) = (nick(setup), setup);
    match (at.outcome, at.answer.as_str()) {
        (Outcome::Refused, answer) => {
            let why = reason(answer, channel);
            format!("{network} does not let {nick} into {channel}: {why}")
        }
        (Outcome::Silent, _) => {
            format!("{network} did not say in time which channels it has {nick} in")
        }
        _ => format!("{network} has {nick} not in {channel}, and does not say why"),
    }
}

/// What a network says of a channel, without the server and the names that stand before it.
fn reason<'a>(line: &'a str, channel: &str) -> &'a str {
    let at = line.to_ascii_lowercase().find(&format!(" {} ", channel.to_ascii_lowercase()));
    at.map_or(line, |at| &line[at + channel.len() + 2..])
}

/// Whom to ask for what, by the reason that networks give in brackets.
fn let_join(setup: &Setup, at: &BridgeStep) -> String {
    let (nick, channel, answer) = (nick(setup), &setup.channel, at.answer.to_ascii_lowercase());
    let is = |parts: &[&str]| parts.iter().any(|part| answer.contains(part));
    let operator = format!("ask an operator of {channel}");
    let what = match at.outcome {
        Outcome::Silent => "see that the network can be reached and answers `WHOIS`".to_owned(),
        _ if is(&["inviteonlychan", "(+i)", "invite only"]) => {
            format!("{operator} to let everybody in (`MODE {channel} -i`), or to invite {nick}")
        }
        _ if is(&["bannedfromchan", "(+b)", "banned"]) => {
            format!("{operator} to lift the ban that {nick} falls under")
        }
        _ if is(&["(+k)", "channel key"]) => {
            format!("the bot gives no keys: {operator} to take the key away (`MODE {channel} -k`)")
        }
        _ if is(&["channelisfull", "(+l)"]) => {
            format!("{operator} to raise its limit (`MODE {channel} +l`)")
        }
        _ if is(&["(+r)", "registered", "identif"]) => format!(
            "it lets in only who is identified: register {nick} with the network's services, and name its password with \
             --sasl-env"
        ),
        _ => format!("{operator} to let {nick} in"),
    };
    format!("{what}; {AGAIN}")
}

fn let_in(own: &Own) -> String {
    let (bridge, mask, unmask) = (&own.bridge, add_mask(own), format!("DELMASK {}", own.bot));
    format!(
        "the bot is no admin of the bridge: its owner says to {bridge} `{mask}`, or `{unmask}` before it if the mask is \
         known; {AGAIN}"
    )
}

fn other_server(setup: &Setup, own: &Own) -> String {
    let server = setup.want.as_ref().map(|want| &want.server);
    let (host, port) = server.map_or(("", 0), |it| (it.host.as_str(), it.port));
    let (network, bridge) = (&setup.network, &own.bridge);
    format!(
        "with or without --tls as it stands there, or its owner says to {bridge} `DELSERVER {network} {host} {port}`; {AGAIN}"
    )
}

fn other_room(setup: &Setup) -> String {
    format!("`{}` first, or say `UNPLUMB {}` in the network's room", remove(setup), setup.channel)
}

/// The command that takes a channel down; the bridge that is meant anyway is not named.
fn remove(setup: &Setup) -> String {
    let Setup { network, channel, bridge, .. } = setup;
    let with = if bridge == BRIDGE { String::new() } else { format!(" --bridge {bridge}") };
    format!("beadle bridge remove irc --network {network} --channel '{channel}'{with}")
}

fn hint(at: &BridgeStep, own: &Own) -> String {
    let bridge = &own.bridge;
    match at.step {
        Step::Room if at.answer.contains("encrypted") => {
            "the bridge cannot read it: take a room without encryption".to_owned()
        }
        Step::Room if at.answer.contains("M_NOT_FOUND") => {
            format!("no room has that name: look at how it is written; {AGAIN}")
        }
        Step::Room => format!("invite the bot into the room; {AGAIN}"),
        Step::Control => format!(
            "see that the bridge runs, and that its owner has said to {bridge}: `{}`; {AGAIN}",
            add_mask(own)
        ),
        Step::Nick => format!("name another nick with --nick; {AGAIN}"),
        Step::Sasl | Step::Connect => format!(
            "see that the server and its port are right, whether it wants TLS, and the nick and password if there is one; \
             {AGAIN}"
        ),
        Step::Invite if at.outcome == Outcome::There => {
            "one room carries one channel: take another room, or have the bridge leave this one"
                .to_owned()
        }
        Step::Invite => {
            format!("invite {bridge} into the room, or let the bot invite people there; {AGAIN}")
        }
        Step::Join | Step::ChannelRoom => format!(
            "see that the bot may join the channel: it may be for invited people alone; {AGAIN}"
        ),
        _ => format!("see that the bridge runs; {AGAIN}"),
    }
}

/// A bridge that the configuration does not name.
pub fn not_in_use(bridge: &str) -> String {
    format!(
        "`{bridge}` is not in use: name it in the configuration, `[bridges] use = [\"{bridge}\"]`"
    )
}

/// A network of this name is another bridge's.
pub fn of_other_bridge(network: &str, bridge: &str) -> String {
    format!(
        "{network} is a network of the bridge `{bridge}`: say `--bridge {bridge}`, or call the network otherwise"
    )
}

/// It is not clear which bridge is to be told, or there is none; and what to do.
pub fn no_such_bridge(name: Option<&str>, names: &[&str]) -> (String, String) {
    let why = match name {
        Some(name) => format!("`{name}` is no bridge in use that can be told what to do"),
        None if names.is_empty() => "no bridge that can be told what to do is in use".into(),
        None => "several bridges can be told what to do".into(),
    };
    let hint = match names {
        [] => "name it in the configuration: `[bridges] use = [\"heisenbridge\"]`".into(),
        names => format!("write one of these: --bridge {}", names.join(", --bridge ")),
    };
    (why, hint)
}

/// There are too many.
pub fn too_many(max: usize) -> String {
    format!("there are {max} channels already, and there may be no more: remove one first")
}

/// It stands in another way.
pub fn otherwise(setup: &Setup) -> String {
    let Setup { network, channel, .. } = setup;
    let how = setup.stands.as_ref().map(|it| format!(" (in the room {}, as {})", it.room, it.nick));
    let (how, remove) = (how.unwrap_or_default(), remove(setup));
    format!("{channel} of {network} stands in another way{how}: remove it first, `{remove}`")
}

/// The bot has another nick on the network, where it carries another channel.
pub fn called_otherwise(other: &BridgeStands) -> String {
    let BridgeStands { network, channel, nick, .. } = other;
    format!(
        "the bot is {nick} on {network} already, where it carries {channel}: leave out --nick, or remove that channel first"
    )
}

/// A setup whose bridge is gone from the configuration.
pub fn bridge_gone(setup: &Setup) -> BridgeFailed {
    BridgeFailed {
        network: setup.network.clone(),
        channel: setup.channel.clone(),
        step: Step::Control,
        why: format!("`{}` is not in use any more", setup.bridge),
        hint: format!("name it in the configuration, `[bridges] use = [\"{}\"]`", setup.bridge),
    }
}

/// A variable that the bot does not have.
pub fn no_variable(name: &str) -> String {
    format!("the running bot has no variable {name} in its environment")
}

/// A password that cannot be said.
pub fn bad_secret(name: &str) -> String {
    format!(
        "{name} is no password for one line: not empty, at most 300 bytes, no control characters"
    )
}

/// Nobody is there who could do it.
pub const NO_BOT: &str =
    "no bot runs that could talk to the bridge: start `beadle run`, then give the command again";
/// The bridge says nothing.
pub const NOT_ANSWERING: &str = "it does not answer";

/// How a channel is that the bot is out of.
pub const NOT_IN: &str = "the bot is out of it and tries to come back";
/// How a channel is that takes nothing from the bot.
pub const NOT_TAKEN: &str = "what the bot says is not taken there";

/// A channel that is gone.
pub fn removed(network: &str, channel: &str) -> String {
    format!("{channel} of {network} is not set up any more")
}

/// A channel that nobody ever wanted, and which ones there are.
pub fn never_wanted(network: &str, channel: &str, setups: &Setups) -> (String, String) {
    let shown = |it: &Setup| format!("{} of {}", it.channel, it.network);
    let named: Vec<String> = setups.all().take(NAMED_MAX).map(shown).collect();
    let more = setups.all().count().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let hint = match named.is_empty() {
        true => "no channel is set up".to_owned(),
        false => format!("there are {}{more}: look at how it is written", named.join(", ")),
    };
    (format!("{channel} of {network} was never set up"), hint)
}

/// A network that is lost.
pub fn lost(it: &BridgeLost) -> String {
    format!("{} is lost: nobody there hears me, and I hear nobody. {}", it.network, it.why)
}

/// A channel that is lost although its network is there.
pub fn channel_lost(it: &BridgeChannelLost) -> String {
    let BridgeChannelLost { network, channel, .. } = it;
    let why = reason(&it.why, channel);
    match it.loss {
        Loss::Out => {
            format!(
                "I am out of {channel} of {network}: nobody there hears me, and I hear nobody. {why}"
            )
        }
        Loss::Muted => format!(
            "{channel} of {network} does not take what I say: what I said there just now has not arrived. {why}"
        ),
    }
}

/// The same for the owner, with what people there can do for whoever has this nick.
pub fn channel_lost_hint(it: &BridgeChannelLost, nick: &str) -> String {
    let (told, channel) = (channel_lost(it), &it.channel);
    let told = told.strip_suffix('.').unwrap_or(&told);
    match it.loss {
        Loss::Out => format!(
            "{told}. I try to come back, less and less often; an operator there can say `/invite {nick} {channel}`."
        ),
        Loss::Muted => format!("{told}. An operator there can say `/mode {channel} +v {nick}`."),
    }
}

/// A channel that the bot is in again.
pub fn channel_back(it: &BridgeChannelBack) -> String {
    let BridgeChannelBack { network, channel } = it;
    format!("I am in {channel} of {network} again. What was said there meanwhile I have not heard.")
}

/// A channel that stands and that the bot is out of is not set up anew.
pub fn out_now(stands: &BridgeStands, lost: &Lost) -> String {
    let BridgeStands { network, channel, nick, .. } = stands;
    format!(
        "{channel} of {network} stands, but {nick} is out of it, and tries to come back by itself: {}",
        reason(&lost.why, channel)
    )
}

/// What is lost of a network: one channel.
pub fn channel_of(stands: &BridgeStands) -> String {
    format!("{} of {}", stands.channel, stands.network)
}

/// Why a network was away of which the bridge said nothing.
pub const BRIDGE_BEGAN_ANEW: &str = "The bridge has begun anew.";

/// A bridge that does not say that it runs, and the networks that stand through it.
pub fn bridge_silent(it: &BridgeSilent, networks: &[String]) -> String {
    let heard = match networks {
        [] => String::new(),
        names => format!(" Until it runs again nobody on {} is heard.", names.join(", ")),
    };
    format!("The bridge {} is silent: {}.{heard}", it.bridge, it.why)
}

/// A bridge that was silent and says again that it runs.
pub fn bridge_answers(it: &BridgeAnswers) -> String {
    format!("The bridge {} answers again.", it.bridge)
}

/// A bridge that does not answer.
pub fn silent(bridge: &str, network: &str) -> String {
    format!(
        "{bridge} does not answer: I cannot ask {network} who is identified, and what is said there may not get through. See that it runs."
    )
}

/// Others recorded something each time that this was to be.
pub const MOVED: &str =
    "something else was recorded each time that this was to be: give the command again";

/// Why something is not said on a network that is lost.
pub fn lost_too_long(network: &str) -> String {
    format!("{network} has been lost for longer than a day")
}

/// How much may not have arrived on a network that was lost, and of which executions; none: nothing was said.
pub fn unsure(network: &str, messages: usize, executions: &[ExecutionId]) -> Option<String> {
    let ids: Vec<&str> = executions.iter().map(ExecutionId::short).collect();
    let of = match ids.as_slice() {
        [] => String::new(),
        [id] => format!(" (execution {id})"),
        ids => format!(" (executions {})", ids.join(", ")),
    };
    let what = match messages {
        0 => return None,
        1 => "one message from here".to_owned(),
        more => format!("{more} messages from here"),
    };
    Some(format!("{network} was lost for a while: {what} may not have arrived there{of}."))
}

/// The bot's name on a network.
pub fn renamed(it: &BridgeRenamed) -> String {
    format!("on {} the bot is {}", it.network, it.nick)
}

/// A network that is there again.
pub fn back(it: &BridgeBack) -> String {
    format!("{} is there again. What was said there meanwhile I have not heard.", it.network)
}
