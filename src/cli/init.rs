//! `beadle init`: a commented configuration, the shipped scripts and policies.

use std::path::PathBuf;

use super::Failure;
use super::style::out;

/// Where to.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: beadle init /etc/beadle")]
pub struct InitArgs {
    /// The folder; what is there already is left as it is.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// Writes what is not there yet.
pub fn main(args: &InitArgs) -> Result<u8, Failure> {
    let file = args.folder.join("beadle.toml");
    let made = std::fs::create_dir_all(&args.folder);
    made.map_err(|why| {
        Failure::new(1, format!("cannot make {}: {why}", args.folder.display()))
            .hint("name a folder that is yours: `beadle init ~/beadle`")
    })?;
    match file.exists() {
        true => out!("{} is there already; it is left as it is", file.display()),
        false => {
            std::fs::write(&file, crate::config::template())?;
            out!("wrote {}", file.display());
        }
    }
    let scripts = args.folder.join("scripts");
    crate::app::unpack_scripts(&scripts)?;
    out!("scripts are in {}", scripts.display());
    let policy = args.folder.join("policy");
    crate::app::unpack_policies(&policy)?;
    out!("policies are in {}", policy.display());
    out!(
        "next: set `homeserver` in {}, then `beadle login --user NAME --owner @you:example.org`",
        file.display()
    );
    Ok(0)
}
