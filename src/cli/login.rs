//! `beadle login`: once, and again after a logout, with a password that is not kept.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use super::style::out;
use super::{Context, Failure};
use crate::adapter::matrix::{LoginError, LoginRequest, Made, Secret, Session, login};
use crate::domain::id::UserId;
use crate::store::{OpenError, lock};

/// Who logs in, and where.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: beadle login --homeserver https://matrix.example.org --user beadle --owner @ann:example.org"
)]
pub struct LoginArgs {
    /// A server name or an address; else the configured one.
    #[arg(long, value_name = "URL")]
    homeserver: Option<String>,
    /// The bot's account, `beadle` or `@beadle:example.org`; else the configured one.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A file with the password; else it is asked for, or read from standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Who is invited to the management room.
    #[arg(long, value_name = "@USER:SERVER")]
    owner: Option<String>,
    /// A file with the account's recovery key, if it already has encrypted secrets and no login before left it here.
    #[arg(long, value_name = "FILE")]
    recovery_key_file: Option<PathBuf>,
}

/// Logs in and says what was made.
pub fn main(context: &Context, args: &LoginArgs) -> Result<u8, Failure> {
    let missing = |what: &str| {
        Failure::new(2, format!("which {what}?")).hint(format!("add --{what}, or configure it"))
    };
    let homeserver = args.homeserver.clone().or(context.config.homeserver.clone());
    let user = args.user.clone().or(context.config.user.clone());
    let recovery_key = args.recovery_key_file.as_deref().map(secret_file).transpose()?;
    let data_dir = context.data()?;
    // Held until the end: no bot starts while its session is replaced.
    let held = match Session::load(&data_dir) {
        Ok(None) => None,
        Ok(Some(_)) | Err(_) => Some(lock(&data_dir)),
    };
    let in_use = matches!(held, Some(Err(OpenError::Locked { .. })));
    let request = LoginRequest {
        data_dir,
        homeserver: homeserver.ok_or_else(|| missing("homeserver"))?,
        user: user.ok_or_else(|| missing("user"))?,
        password: password(args)?,
        owner: args.owner.clone().map(UserId),
        device_name: "beadle".into(),
        recovery_key,
        in_use,
    };
    crate::store::disk::make_dir(&request.data_dir)?;
    let report = context.runtime()?.block_on(login(request)).map_err(failure)?;
    if context.json() {
        out!(
            "{}",
            serde_json::json!({
                "user": report.user_id, "device": report.device_id, "cross_signed": report.cross_signed,
                "management_room": report.management_room,
                "old_folder": match &report.made {
                    Made::NewDevice { old } => Some(old),
                    Made::First | Made::SameDevice => None,
                },
                "recovery_key_file": report.recovery_key_path,
            })
        );
        return Ok(0);
    }
    out!("logged in as {} (device {})", report.user_id, report.device_id);
    match &report.made {
        Made::First => {}
        Made::SameDevice => out!("the device of the login before goes on"),
        Made::NewDevice { old } => {
            out!(
                "a new device takes the place of the one before; its folder is now {}",
                old.display()
            );
            out!("what was said to the bot in encrypted rooms meanwhile has to be said again");
        }
    }
    match report.cross_signed {
        true => out!("the device is signed by its owner"),
        false => out!("the device is NOT signed: `beadle doctor` says more"),
    }
    match &report.management_room {
        Some(room) => out!("management room: {room}; its members may invite the bot elsewhere"),
        None => out!("there is no management room: log in with --owner to have one"),
    }
    out!("recovery key: {}; keep a copy in a safe place", report.recovery_key_path.display());
    out!("next: beadle run");
    Ok(0)
}

fn failure(error: LoginError) -> Failure {
    let status = match &error {
        LoginError::Unreachable { .. }
        | LoginError::WrongPassword
        | LoginError::RateLimited { .. } => 5,
        LoginError::AlreadyLoggedIn { .. }
        | LoginError::OtherAccount { .. }
        | LoginError::InUse
        | LoginError::NeedsRecoveryKey
        | LoginError::WrongRecoveryKey
        | LoginError::BadOwner { .. } => 2,
        _ => 1,
    };
    let hint = match &error {
        LoginError::NeedsRecoveryKey => {
            format!("give it with --recovery-key-file; {}", error.hint())
        }
        _ => error.hint().to_owned(),
    };
    Failure::new(status, error).hint(hint)
}

fn password(args: &LoginArgs) -> Result<Secret, Failure> {
    if let Some(file) = &args.password_file {
        return secret_file(file);
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return hidden_input("Password: ").map(Secret::new);
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(Secret::new(line.trim_end_matches(['\n', '\r'])))
}

fn secret_file(path: &std::path::Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path);
    let text =
        text.map_err(|why| Failure::new(1, format!("cannot read {}: {why}", path.display())))?;
    Ok(Secret::new(text.trim_end_matches(['\n', '\r'])))
}

/// Reads a line from the terminal without showing it.
fn hidden_input(prompt: &str) -> Result<String, Failure> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    print!("{prompt}");
    std::io::stdout().flush()?;
    let shown = tcgetattr(&stdin).map_err(std::io::Error::from)?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSANOW, &hidden).map_err(std::io::Error::from)?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, SetArg::TCSANOW, &shown).map_err(std::io::Error::from)?;
    out!("");
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
