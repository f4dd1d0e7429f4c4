//! `beadle bridge`: which bridges there are, what was seen in a room, and whether one's own profiles are right.

mod init;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::ask::rows;
use super::bridge_setup::{self, AddArgs, ChannelArgs};
use super::style::{counted, out, plain};
use super::{Context, Failure};
use crate::domain::bridge::hint::{Hint, RoomHinted};
use crate::domain::bridge::{Bridges, Caps, Profile};
use crate::domain::id::RoomId;
use crate::domain::words::bridges as words;
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;
/// What to do where a name is no room's or several rooms'.
const WHICH_ROOM: &str = "a room has the name that it had when the bot last heard of it; its id always fits: a client shows it in \
     the settings of the room, `!Ab3dE:example.org`";

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub enum BridgeCommand {
    /// Lists the profiles: the network behind each, what it proves and shows, and whether it is in use.
    #[command(after_help = "Example: beadle bridge list")]
    List,
    /// Tells which bridges were seen in a room, what showed them, and how the bot speaks there.
    #[command(after_help = "Example: beadle bridge check '#ops:example.org'")]
    Check {
        /// The room's id or its name.
        room: String,
    },
    /// Writes the registration of a bridge with new random tokens, and says what the homeserver has to be told.
    #[command(
        after_help = "Example: beadle bridge init heisenbridge --to /etc/matrix-synapse/heisenbridge.yaml"
    )]
    Init {
        /// The bridge: `heisenbridge`.
        bridge: String,
        /// The file to write; it must not be there yet.
        #[arg(long, value_name = "FILE", default_value = "heisenbridge.yaml")]
        to: PathBuf,
        #[command(flatten)]
        more: init::InitArgs,
    },
    /// Has the running bot connect a channel of another network to a room; what is there already is left.
    #[command(
        after_help = "Example: beadle bridge add irc --network libera --server irc.libera.chat:6697 --tls --channel '#ops' --room '#ops:example.org'"
    )]
    Add(AddArgs),
    /// Has the running bot take such a channel down; the network goes with the last.
    #[command(after_help = "Example: beadle bridge remove irc --network libera --channel '#ops'")]
    Remove(ChannelArgs),
    /// Shows how these channels stand, and what the bridge says of them now.
    #[command(after_help = "Example: beadle bridge status")]
    Status,
    /// Reads all profiles, those of `bridges.folder` among them, and says what is wrong with one.
    #[command(after_help = "Example: beadle --config beadle.toml bridge verify")]
    Verify,
}

/// Shows it.
///
/// # Errors
/// [`Failure`] if there is no log.
pub fn main(context: &Context, command: &BridgeCommand) -> Result<u8, Failure> {
    let bridges = &context.config.bridges;
    match command {
        BridgeCommand::List => bridges.known().iter().for_each(|it| list(context, bridges, it)),
        BridgeCommand::Check { room } => return check(context, room),
        BridgeCommand::Add(args) => return bridge_setup::add(context, args),
        BridgeCommand::Remove(args) => return bridge_setup::remove(context, args),
        BridgeCommand::Status => return bridge_setup::status(context),
        BridgeCommand::Init { bridge, to, more } => return init::write(bridge, to, more),
        // What is wrong with one was told when the configuration was read.
        BridgeCommand::Verify if context.json() => {
            out!(
                "{}",
                json!({ "profiles": bridges.known().len(), "used": bridges.used().count() })
            );
        }
        BridgeCommand::Verify => {
            let count = counted(bridges.known().len() as u64, "profile");
            out!("{count} read, {} in use: nothing is wrong.", bridges.used().count());
        }
    }
    Ok(0)
}

fn list(context: &Context, bridges: &Bridges, profile: &Profile) {
    let used = bridges.used().any(|it| it.name == profile.name);
    let shows = words::shows(&profile.caps);
    if context.json() {
        let row = json!({
            "bridge": profile.name, "network": profile.network, "used": used,
            "trust": profile.trust, "shows": profile.caps,
        });
        return out!("{row}");
    }
    let state = if used { "in use" } else { "not in use" };
    out!("{:<16} {:<10} {state}", profile.name, profile.network);
    out!("  {}; {shows}", words::proves(profile.trust));
}

fn check(context: &Context, room: &str) -> Result<u8, Failure> {
    let told = rows(context, &Request::BridgeCheck(room.to_owned())).map_err(|failure| {
        let named = failure.status == 1 && failure.hint.is_none() && !room.starts_with('!');
        if named { failure.hint(WHICH_ROOM) } else { failure }
    })?;
    let (rooms, told): (Vec<Value>, Vec<Value>) =
        told.into_iter().partition(|row| row["room"].is_string());
    let room = rooms.first().and_then(|row| row["room"].as_str()).unwrap_or(room);
    let (hints, seen): (Vec<Value>, Vec<Value>) =
        told.into_iter().partition(|row| row["hint"].is_object());
    let hints: Vec<Hint> = hints
        .into_iter()
        .filter_map(|mut row| serde_json::from_value(row["hint"].take()).ok())
        .collect();
    let bridges = &context.config.bridges;
    let name = |row: &Value| row["profile"].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = seen.iter().map(name).collect();
    let here = bridges.used().filter(|profile| names.contains(&profile.name));
    let network = Bridges::network_of(here);
    let network = if network.is_empty() { "matrix".to_owned() } else { network };
    let hinted = RoomHinted { room: RoomId(room.to_owned()), hints };
    let caps: Caps = hinted.least(bridges, bridges.caps(&network));
    if context.json() {
        let hints = &hinted.hints;
        let row = json!({ "room": room, "network": network, "bridges": seen, "hints": hints, "shows": caps });
        out!("{row}");
        return Ok(0);
    }
    for row in &seen {
        let evidence = plain(row["evidence"].as_str().unwrap_or_default(), SHOWN_CHARS);
        let used = bridges.used().any(|profile| profile.name == name(row));
        let state = if used { "" } else { " (not in use: `bridges.use` does not name it)" };
        out!("{} was seen by {evidence}{state}", plain(&name(row), SHOWN_CHARS));
    }
    if seen.is_empty() {
        out!("No bridge was seen in it. One shows when it or somebody behind it is in the room.");
    }
    for hint in &hinted.hints {
        let (kind, by) = (plain(&hint.kind, SHOWN_CHARS), plain(hint.by.as_str(), SHOWN_CHARS));
        let protocol = plain(hint.protocol.as_deref().unwrap_or_default(), SHOWN_CHARS);
        out!(
            "Its state says: {kind} {protocol} by {by}. That is a hint for what it shows, and proves nothing."
        );
    }
    out!("Its network is {network}: {}", words::shows(&caps));
    Ok(0)
}
