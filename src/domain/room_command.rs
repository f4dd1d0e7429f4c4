//! `!rooms`, `!join` and `!leave`: who may say them where, what is done for them step by step, and what is answered.

use serde_json::{Value, json};

use super::builtin::Builtin;
use super::event::{EffectClass, EffectResult};
use super::execution::Execution;
use super::id::RoomId;

/// Most rooms that an answer lists; of the others it says how many there are.
pub const ROOMS_LISTED_MAX: usize = 50;
/// Longest name or id of a room in a command, in bytes; Matrix allows 255.
const ROOM_BYTES_MAX: usize = 255;

/// The step that asked whether somebody is in the management room, before policies decided that.
pub const MANAGES: &str = "manages";
/// The step that lists, joins or leaves.
pub const ACT: &str = "act";

/// The commands as help shows them.
pub const COMMANDS: &[(Builtin, &str, &str)] = &[
    (Builtin::Rooms, "rooms", "List the rooms that I am in; in the management room"),
    (
        Builtin::Join,
        "join {room}",
        "Come into a room, `#name:server` or `!id`; in the management room",
    ),
    (
        Builtin::Leave,
        "leave {room?}",
        "Leave this room, or in the management room the one that is named",
    ),
];

/// A command about rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomCommand {
    /// Which.
    pub builtin: Builtin,
    /// The room that it names.
    pub room: Option<String>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask the network for this.
    Do {
        /// The step.
        path: &'static str,
        /// What is done.
        op: &'static str,
        /// With what.
        args: Value,
        /// Whether it may be repeated.
        class: EffectClass,
    },
    /// It is under way.
    Wait,
    /// Answer who asked: that is the end.
    Answer(String),
    /// It was done where no answer can be heard any more: the management room hears it.
    Report(String),
}

/// The command that a text is, if it is one.
pub fn parse(text: &str) -> Option<RoomCommand> {
    let mut words = text.split_whitespace();
    let first = words.next()?.to_lowercase();
    let builtin = match first.as_str() {
        "rooms" => Builtin::Rooms,
        "join" => Builtin::Join,
        "leave" => Builtin::Leave,
        _ => return None,
    };
    let room = words.next().map(str::to_owned);
    words.next().is_none().then_some(RoomCommand { builtin, room })
}

impl RoomCommand {
    /// What an execution of it is started with.
    pub fn args(&self) -> Value {
        json!({ "room": self.room })
    }

    /// Whether it is about the room that it is said in.
    pub fn leaves_here(&self) -> bool {
        self.builtin == Builtin::Leave && self.room.is_none()
    }

    /// What is wrong with it as it was said here, if anything is.
    pub fn refusal(&self, here: &RoomId, management: Option<&RoomId>) -> Option<String> {
        let name = self.builtin.name();
        let Some(management) = management else {
            return Some(format!("`{name}` needs a management room, and I have none."));
        };
        let managed = here == management;
        let named = self.room.as_deref();
        let why = match (self.builtin, named) {
            (Builtin::Rooms, Some(_)) => "`rooms` stands alone.".to_owned(),
            (Builtin::Join, None) => {
                "say which room: `join #name:server` or `join !id`.".to_owned()
            }
            (Builtin::Leave, None) if managed => {
                "say which room, `leave #name:server` or `leave !id`. This one I do not leave."
                    .to_owned()
            }
            (Builtin::Leave, None) => return None,
            (Builtin::Leave, Some(room)) if room == management.as_str() => {
                "that is the management room: I do not leave it.".to_owned()
            }
            (_, Some(room)) if !is_room(room) => {
                "a room is written `#name:server` or `!id`.".to_owned()
            }
            _ => return None,
        };
        Some(why)
    }
}

/// Whether a text can be a room's name or id.
fn is_room(text: &str) -> bool {
    let bare = text.strip_prefix('#').or_else(|| text.strip_prefix('!'));
    let visible = |bare: &str| !bare.is_empty() && !bare.contains(char::is_control);
    text.len() <= ROOM_BYTES_MAX && bare.is_some_and(visible)
}

/// What an execution of one of the commands does next.
pub fn next(builtin: Builtin, execution: &Execution) -> Next {
    let started = &execution.started;
    let result = |path: &str| execution.steps.get(path).map(|step| step.result.as_ref());
    let user = &started.requester.id;
    let named = started.args["room"].as_str();
    let here = builtin == Builtin::Leave && named.is_none();
    // Whether somebody may send the bot away is decided before it begins; until that was so it was asked here, and what
    // began then goes by the answer.
    if here {
        match result(MANAGES) {
            None => {}
            Some(None) => return Next::Wait,
            Some(Some(EffectResult::Ok(Value::Bool(true)))) => {}
            Some(Some(EffectResult::Ok(_))) => {
                let name = &started.requester.name;
                return Next::Answer(format!(
                    "{name}: I leave a room only when somebody says so who is in my management room."
                ));
            }
            Some(Some(EffectResult::Err(error))) => {
                return Next::Answer(format!(
                    "I cannot see who may tell me to leave: {}.",
                    why(error)
                ));
            }
        }
    }
    let room = named.unwrap_or(started.place.room.as_str());
    match result(ACT) {
        None => {
            let (args, class) = match builtin {
                Builtin::Rooms => (json!({}), EffectClass::Read),
                _ => (json!({ "room": room }), EffectClass::Idempotent),
            };
            Next::Do { path: ACT, op: builtin.name(), args, class }
        }
        Some(None) => Next::Wait,
        Some(Some(EffectResult::Err(error))) => {
            Next::Answer(format!("I cannot {}: {}.", intent(builtin, room), why(error)))
        }
        Some(Some(EffectResult::Ok(value))) => match builtin {
            Builtin::Join => Next::Answer(format!("I am in {}.", called(value, room))),
            Builtin::Leave if here => {
                Next::Report(format!("I left {}, as {user} asked there.", called(value, room)))
            }
            Builtin::Leave => Next::Answer(format!("I left {}.", called(value, room))),
            _ => Next::Answer(listing(value)),
        },
    }
}

fn intent(builtin: Builtin, room: &str) -> String {
    match builtin {
        Builtin::Join => format!("join {room}"),
        Builtin::Leave => format!("leave {room}"),
        _ => "list my rooms".into(),
    }
}

/// A room by its name and id, as an effect gives it.
fn called(value: &Value, asked: &str) -> String {
    let id = value["room"].as_str().unwrap_or(asked);
    match value["name"].as_str() {
        Some(name) if !name.is_empty() && name != id => format!("{name} ({id})"),
        _ if asked != id && !asked.is_empty() => format!("{asked} ({id})"),
        _ => id.to_owned(),
    }
}

fn why(error: &Value) -> &str {
    error["message"].as_str().unwrap_or("nobody knows why").trim_end_matches('.')
}

/// The rooms, one a line.
fn listing(value: &Value) -> String {
    let rooms = value["rooms"].as_array().map_or(&[][..], Vec::as_slice);
    let total = value["total"].as_u64().unwrap_or(0);
    let mut lines = vec![match total {
        0 => "I am in no room.".to_owned(),
        1 => "I am in 1 room:".to_owned(),
        total => format!("I am in {total} rooms:"),
    }];
    lines.extend(rooms.iter().take(ROOMS_LISTED_MAX).map(|room| {
        let encrypted = if room["encrypted"] == true { "encrypted" } else { "not encrypted" };
        let members = match room["members"].as_u64() {
            Some(1) => "1 member".to_owned(),
            members => format!("{} members", members.unwrap_or(0)),
        };
        let (network, why) = (room["network"].as_str(), room["why"].as_str());
        let (network, why) = (network.unwrap_or("matrix"), why.unwrap_or_default());
        format!("• {}: {encrypted}, {members}, {network}; {why}", called(room, ""))
    }));
    let more = total.saturating_sub(rooms.len().min(ROOMS_LISTED_MAX) as u64);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, here: &str, management: Option<&str>) -> String {
        let command = parse(text).expect("it is a command");
        let management = management.map(|room| RoomId(room.into()));
        let why = command.refusal(&RoomId(here.into()), management.as_ref());
        why.unwrap_or_else(|| "no".into())
    }

    #[test]
    fn commands_are_read() {
        for (text, want) in [
            ("rooms", Some((Builtin::Rooms, None))),
            ("  Leave ", Some((Builtin::Leave, None))),
            ("leave #ops:hs", Some((Builtin::Leave, Some("#ops:hs")))),
            ("JOIN !id", Some((Builtin::Join, Some("!id")))),
            ("join", Some((Builtin::Join, None))),
            ("join the party now", None),
            ("roomsy", None),
            ("", None),
        ] {
            let want = want.map(|(builtin, room)| (builtin, room.map(str::to_owned)));
            assert_eq!(parse(text).map(|it| (it.builtin, it.room)), want, "{text:?}");
        }
    }

    #[test]
    fn commands_are_refused_with_a_reason() {
        let boss = Some("!boss");
        for (text, here, management, want) in [
            ("rooms", "!boss", boss, "no"),
            ("rooms now", "!boss", boss, "`rooms` stands alone"),
            ("rooms", "!ops", None, "`rooms` needs a management room"),
            ("join #dev:hs", "!boss", boss, "no"),
            ("join !dev", "!boss", boss, "no"),
            ("join", "!boss", boss, "say which room"),
            ("join dev", "!boss", boss, "a room is written"),
            ("join #", "!boss", boss, "a room is written"),
            ("leave", "!ops", boss, "no"),
            ("leave", "!ops", None, "`leave` needs a management room"),
            ("leave", "!boss", boss, "say which room"),
            ("leave !boss", "!boss", boss, "that is the management room"),
            ("leave !ops", "!boss", boss, "no"),
        ] {
            let got = refused(text, here, management);
            assert!(got.starts_with(want), "{text:?} in {here}: {got}");
        }
        let long = format!("join #{}", "x".repeat(ROOM_BYTES_MAX));
        assert!(refused(&long, "!boss", boss).starts_with("a room is written"));
    }

    #[test]
    fn rooms_are_called_by_name_and_id() {
        for (name, asked, want) in [
            ("ops", "!1", "ops (!1)"),
            ("ops", "#ops:hs", "ops (!1)"),
            ("", "#ops:hs", "#ops:hs (!1)"),
            ("", "!1", "!1"),
            ("!1", "", "!1"),
        ] {
            assert_eq!(called(&json!({ "room": "!1", "name": name }), asked), want, "{name:?}");
        }
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let room = |n: usize| {
            json!({ "room": format!("!{n}"), "name": "ops", "encrypted": n == 0, "members": n,
                    "network": "matrix", "why": "@ann:hs invited me" })
        };
        for (total, lines, last) in [
            (0, 1, "I am in no room."),
            (1, 2, "• ops (!0): encrypted, 0 members, matrix; @ann:hs invited me"),
            (2, 3, "• ops (!1): not encrypted, 1 member, matrix; @ann:hs invited me"),
            (80, 2 + ROOMS_LISTED_MAX, "… and 30 more"),
        ] {
            let rooms: Vec<Value> = (0..total).map(room).collect();
            let text = listing(&json!({ "total": total, "rooms": rooms }));
            assert_eq!((text.lines().count(), text.lines().last()), (lines, Some(last)), "{text}");
        }
    }
}
