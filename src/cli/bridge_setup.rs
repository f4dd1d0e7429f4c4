//! `beadle bridge add`, `remove` and `status`: channels that the running bot connects to rooms by itself.

use serde_json::Value;

use super::ask::ask;
use super::style::{out, plain, time};
use super::{Context, Failure};
use crate::domain::bridge::setup::{Server, Want, refusal};
use crate::domain::event::BridgeWanted;
use crate::domain::id::RoomId;
use crate::domain::words::setups as words;
use crate::query::command::Request;

/// Most characters of a line.
const SHOWN_CHARS: usize = 2_000;

/// Which channel.
#[derive(Debug, clap::Args)]
pub struct ChannelArgs {
    /// The kind of network: `irc`.
    kind: String,
    /// The network, as the bridge shall call it.
    #[arg(long)]
    network: String,
    /// The channel: `#ops`.
    #[arg(long)]
    channel: String,
    /// The bridge, by its profile; needed where several in use can be told what to do.
    #[arg(long)]
    bridge: Option<String>,
}

/// A channel to set up.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    #[command(flatten)]
    of: ChannelArgs,
    /// A server of the network.
    #[arg(long, value_name = "HOST:PORT")]
    server: String,
    /// It is spoken to through TLS.
    #[arg(long)]
    tls: bool,
    /// The room that the channel is carried into, by id or name; without it the bot joins the channel alone.
    #[arg(long)]
    room: Option<String>,
    /// What the bot is called there; without it as its account is called.
    #[arg(long)]
    nick: Option<String>,
    /// The variable of the running bot's environment that holds the password of the nick.
    #[arg(long, value_name = "VARIABLE")]
    sasl_env: Option<String>,
}

/// Has a channel set up.
///
/// # Errors
/// [`Failure`] if something is no name, no bot runs, or it does not go on.
pub fn add(context: &Context, args: &AddArgs) -> Result<u8, Failure> {
    let want = Want {
        server: server(&args.server, args.tls)?,
        room: args.room.clone().map(RoomId),
        nick: args.nick.clone(),
        sasl_env: args.sasl_env.clone(),
    };
    order(context, &args.of, Some(want))
}

/// Has a channel taken down.
///
/// # Errors
/// As [`add`].
pub fn remove(context: &Context, args: &ChannelArgs) -> Result<u8, Failure> {
    order(context, args, None)
}

fn server(text: &str, tls: bool) -> Result<Server, Failure> {
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = parts else {
        let failure = Failure::new(2, format!("`{text}` is no server"));
        return Err(failure.hint("write it as `irc.libera.chat:6697`"));
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Server { host, port, tls })
}

fn order(context: &Context, of: &ChannelArgs, want: Option<Want>) -> Result<u8, Failure> {
    if of.kind != "irc" {
        let failure = Failure::new(2, format!("no bridge for `{}` can be set up", of.kind));
        return Err(failure.hint("the bot sets up channels of `irc`"));
    }
    if let Some(why) = refusal(&of.network, &of.channel, want.as_ref()) {
        return Err(Failure::new(2, why));
    }
    let (network, channel) = (of.network.clone(), of.channel.clone());
    let bridge = match context.config.bridges.provisioned(of.bridge.as_deref()) {
        Ok(profile) => profile.name.clone(),
        Err(names) => {
            let (why, hint) = words::no_such_bridge(of.bridge.as_deref(), &names);
            return Err(Failure::new(2, why).hint(hint));
        }
    };
    let wanted = BridgeWanted { bridge, network, channel, want };
    let mut failed = None;
    ask(context, &Request::BridgeSetUp(Box::new(wanted)), &mut |row| {
        let line = plain(row["line"].as_str().unwrap_or_default(), SHOWN_CHARS);
        if row["state"] == "failed" {
            let hint = plain(row["hint"].as_str().unwrap_or_default(), SHOWN_CHARS);
            failed = Some(Failure::new(1, &line).hint(hint));
        }
        match context.json() {
            true => out!("{row}"),
            false if row["state"] == "failed" => {}
            false if row["state"].is_string() => out!("{line}{}", unchanged(&row)),
            false => out!("  {line}"),
        }
        Ok(())
    })?;
    failed.map_or(Ok(0), Err)
}

fn unchanged(row: &Value) -> &'static str {
    if row["changed"] == false { " (nothing had to be done)" } else { "" }
}

/// Shows how all channels stand.
///
/// # Errors
/// [`Failure`] if there is no log.
pub fn status(context: &Context) -> Result<u8, Failure> {
    let mut any = false;
    ask(context, &Request::BridgeStatus, &mut |row| {
        any |= row["channel"].is_string();
        match context.json() {
            true => out!("{row}"),
            false if row["channel"].is_null() => tell_silent(&row),
            false => tell(&row),
        }
        Ok(())
    })?;
    if !any && !context.json() {
        out!("No channel is set up. `beadle bridge add irc` does it.");
    }
    Ok(0)
}

fn tell_silent(row: &Value) {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default(), SHOWN_CHARS);
    let since = time(row["since_ms"].as_i64().unwrap_or_default());
    out!("the bridge {}: silent since {since}: {}", text(&row["bridge"]), text(&row["why"]));
}

fn tell(row: &Value) {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default(), SHOWN_CHARS);
    let since = time(row["since_ms"].as_i64().unwrap_or_default());
    let (state, channel, network) =
        (text(&row["state"]), text(&row["channel"]), text(&row["network"]));
    out!("{channel} of {network}: {state} since {since}");
    let stands = &row["stands"];
    if !stands.is_null() {
        let (mode, room) = (text(&stands["mode"]), text(&stands["room"]));
        out!("  {mode}, in {room}; the network's room is {}", text(&stands["network_room"]));
    }
    if !row["failed"].is_null() {
        out!("  {}", text(&row["failed"]["why"]));
        out!("  {}", text(&row["failed"]["hint"]));
    }
    let lost = &row["lost"];
    if !lost.is_null() {
        let since = time(lost["since_ms"].as_i64().unwrap_or_default());
        let how = if lost["loss"] == "muted" { words::NOT_TAKEN } else { words::NOT_IN };
        out!("  since {since} {how}: {}", text(&lost["why"]));
    }
    let now = &row["now"];
    let said = match (now["answers"].as_bool(), now["connected"].as_bool(), now["there"].as_bool())
    {
        (None, _, _) => return,
        (Some(false), _, _) => words::NOT_ANSWERING.to_owned(),
        (_, Some(true), Some(true)) => {
            format!("connected as {}, and the channel is there", text(&now["nick"]))
        }
        (_, Some(true), _) => {
            format!("connected as {}, but the channel is not there", text(&now["nick"]))
        }
        _ => "not connected to the network".to_owned(),
    };
    out!("  the bridge: {said}");
}
