//! `beadle bridge init`: the registration of a bridge, and the profile of a second one of its kind.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::super::Failure;
use super::super::style::out;
use crate::app::SystemEntropy;
use crate::config::PROFILE_FILE;
use crate::domain::bridge::alive::Endpoint;
use crate::domain::bridge::profile::is_network;
use crate::domain::words::setups::BRIDGE;
use crate::store::Entropy;

/// The registration that is written; what stands in capitals is replaced.
const REGISTRATION: &str = include_str!("../../../bridges/heisenbridge/registration.template");
/// How much randomness a token has.
const TOKEN_BYTES: usize = 32;

/// How the registration shall be.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// A second bridge beside the first, as a room on two networks needs: its account, what the accounts of its people
    /// begin with, and its profile, which is written, too.
    #[arg(long)]
    name: Option<String>,
    /// The folder for that profile: what `bridges.folder` names.
    #[arg(long, value_name = "FOLDER", default_value = "bridges", requires = "name")]
    profiles: PathBuf,
    /// Where the homeserver reaches the bridge.
    #[arg(long, default_value = "http://127.0.0.1:9898")]
    url: String,
    /// Where people on IRC fetch pictures and files: an address that leads to the bridge.
    #[arg(long, value_name = "URL")]
    media_url: Option<String>,
}

/// Writes it, and says what has to be told to whom.
///
/// # Errors
/// [`Failure`] if something is no name or address, or a file is there already.
pub fn write(bridge: &str, to: &Path, args: &InitArgs) -> Result<u8, Failure> {
    if bridge != BRIDGE {
        let hint = "a registration is written for heisenbridge; other bridges write their own";
        return Err(Failure::new(2, format!("no registration is known for `{bridge}`")).hint(hint));
    }
    for url in [Some(&args.url), args.media_url.as_ref()].into_iter().flatten() {
        if !is_address(url) {
            let hint = "write it as `http://127.0.0.1:9898`";
            return Err(Failure::new(2, format!("`{url}` is no address")).hint(hint));
        }
    }
    if let Some(name) = args.name.as_deref().filter(|name| !is_new(name)) {
        let hint = "small letters, digits and `-`; `irc` and `heisenbridge` are the first bridge's";
        return Err(Failure::new(2, format!("`{name}` is no name for a bridge")).hint(hint));
    }
    // What is there already is found before anything is written.
    let profile = args.name.as_deref().map(|name| args.profiles.join(name).join(PROFILE_FILE));
    if let Some(path) = profile.as_ref().filter(|path| path.exists()) {
        let failure = Failure::new(1, format!("`{}` is there already", path.display()));
        return Err(failure.hint("take another name, or move it away"));
    }
    put(to, 0o600, &registration(args))?;
    if let (Some(name), Some(path)) = (&args.name, &profile) {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        put(path, 0o644, &profile_of(name))?;
    }
    told(to, args, profile.as_deref())
}

/// Whether a second bridge can be called so.
fn is_new(name: &str) -> bool {
    is_network(name) && !["irc", BRIDGE].contains(&name)
}

fn registration(args: &InitArgs) -> String {
    let mut text = REGISTRATION
        .replacen("http://127.0.0.1:9898", &args.url, 1)
        .replacen("PUT-A-RANDOM-TEXT-HERE", &token(), 1)
        .replacen("PUT-ANOTHER-RANDOM-TEXT-HERE", &token(), 1);
    if let Some(name) = &args.name {
        text = text
            .replacen("id: heisenbridge", &format!("id: {name}"), 1)
            .replacen("localpart: heisenbridge", &format!("localpart: {name}"), 1)
            .replacen("'@irc_.*'", &format!("'@{name}_.*'"), 1);
    }
    if let Some(url) = &args.media_url {
        text.push_str(&format!("heisenbridge:\n    media_url: {url}\n"));
    }
    text
}

/// The profile of a second bridge: what differs from the one that ships.
fn profile_of(name: &str) -> String {
    format!(
        "# A second heisenbridge, for a network of its own.\nlike = \"{BRIDGE}\"\nnetwork = \"{name}\"\n\n[match]\n\
         ghost = \"{name}_{{network}}_{{native}}\"\nbots = [\"{name}\"]\n"
    )
}

fn put(to: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(to);
    let mut file = opened.map_err(|why| {
        let failure = Failure::new(1, format!("cannot write `{}`: {why}", to.display()));
        failure.hint("name another file with --to; one that is there is never replaced")
    })?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

fn told(to: &Path, args: &InitArgs, profile: Option<&Path>) -> Result<u8, Failure> {
    let path = std::path::absolute(to)?;
    out!("{} is written. Only the homeserver and the bridge may read it.", to.display());
    out!("Add this to the configuration of the homeserver, and restart it:");
    out!("app_service_config_files:");
    out!("  - {}", path.display());
    let name = args.name.as_deref().unwrap_or(BRIDGE);
    let beside = match profile {
        Some(profile) => {
            out!("{} is written: what the bot has to know of it.", profile.display());
            ", beside the bridges that it has"
        }
        None => "",
    };
    out!("Add this to the bot's configuration{beside}:");
    out!("[bridges]");
    if profile.is_some() {
        out!("folder = \"{}\"", args.profiles.display());
    }
    out!("use = [\"{name}\"]");
    // An address with a path leads to the bridge through something else.
    if let Ok(at) = Endpoint::read(&args.url) {
        out!("at = {{ {name} = \"{at}\" }}  # it is asked there whether it runs");
    }
    if args.media_url.is_some() {
        out!("files = [\"{name}\"]  # pictures and files are said there");
    }
    Ok(0)
}

/// Whether a text is an address that can stand in the registration as it is.
fn is_address(url: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":/.-_[]".contains(c);
    (url.starts_with("http://") || url.starts_with("https://")) && url.chars().all(plain)
}

fn token() -> String {
    let mut bytes = [0; TOKEN_BYTES];
    SystemEntropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
