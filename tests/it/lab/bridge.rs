//! heisenbridge as an appservice of a homeserver of its own, with an IRC server behind it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::bot::binary;
use super::event::Chat;
use super::homeserver::{Lab, PYTHON, free_port};
use super::irc::{Irc, Ircd};
use super::plain::{Plain, Room};
use super::process::{Running, finish, told};
use super::services::Services;

/// What the bridge calls the network.
const NETWORK: &str = "lab";
/// What it calls the one with accounts.
const ACCOUNTS: &str = "acc";
/// The registration, in the lab's directory.
const REGISTRATION: &str = "heisenbridge.yaml";
/// How long the bridge may take to end.
const WITHIN: Duration = Duration::from_secs(60);

/// What the second bridge is called; its registration is a file of that name.
const SECOND: &str = "oftc";

/// A homeserver with a bridge to an IRC server.
pub struct IrcLab {
    pub lab: Lab,
    ircd: Mutex<Ircd>,
    /// Where the first bridge listens.
    pub listen: String,
    first: Bridge,
    second: OnceLock<Bridge>,
    services: OnceLock<Services>,
}

/// heisenbridge, running.
pub struct Bridge {
    /// Its own account.
    pub id: String,
    registration: &'static str,
    running: Mutex<Option<Running>>,
    /// Who owns it, and where they talk to it.
    owner: Mutex<(Plain, String)>,
}

impl IrcLab {
    /// The lab that all tests of IRC share.
    pub fn shared() -> &'static IrcLab {
        static SHARED: OnceLock<IrcLab> = OnceLock::new();
        SHARED.get_or_init(IrcLab::start)
    }

    /// Starts all three.
    pub fn start() -> IrcLab {
        let (port, listen) = (free_port(), free_port());
        let second = format!("{SECOND}.yaml");
        let both = json!({ "app_service_config_files": [REGISTRATION, second] });
        let lab = Lab::prepare(port, port, both);
        let registration = json!({
            "id": "heisenbridge", "url": format!("http://127.0.0.1:{listen}"),
            "as_token": "lab-as-token", "hs_token": "lab-hs-token", "rate_limited": false,
            "sender_localpart": "heisenbridge",
            "namespaces": {
                "users": [{ "regex": "@irc_.*", "exclusive": true }], "aliases": [], "rooms": [],
            },
            "heisenbridge": { "media_url": format!("http://127.0.0.1:{listen}") },
        });
        fs::write(lab.dir.join(REGISTRATION), registration.to_string()).expect("ours");
        // The homeserver has to know both when it starts.
        register_second(&lab, &second);
        lab.run();
        let ircd = Mutex::new(Ircd::start(&lab));
        let first = Bridge::start(&lab, "heisenbridge", REGISTRATION);
        let (second, services) = (OnceLock::new(), OnceLock::new());
        let listen = format!("http://127.0.0.1:{listen}");
        let made = IrcLab { lab, ircd, listen, first, second, services };
        let ircd_port = made.ircd.lock().expect("nobody panics with it").port;
        made.owner_says(&format!("ADDNETWORK {NETWORK}"), "Network added");
        made.owner_says(&format!("ADDSERVER {NETWORK} 127.0.0.1 {ircd_port}"), "Server added");
        made
    }

    /// The network with accounts, and what the bridge calls it; it is started for the first who asks.
    pub fn accounts(&self) -> (&Services, &'static str) {
        (self.services.get_or_init(|| Services::start(&self.lab)), ACCOUNTS)
    }

    /// A second bridge beside the first, as `beadle bridge init --name` registered it, and what it is called; it is started
    /// for the first who asks.
    pub fn second(&self) -> (&Bridge, &'static str) {
        (self.second.get_or_init(|| Bridge::start(&self.lab, SECOND, "oftc.yaml")), SECOND)
    }

    /// The bridge's own account.
    pub fn bot(&self) -> String {
        self.first.id.clone()
    }

    /// Where the IRC server listens.
    pub fn irc_port(&self) -> u16 {
        self.ircd.lock().expect("nobody panics with it").port
    }

    /// The owner tells the bridge something, which must be answered like this.
    pub fn owner_says(&self, command: &str, answer: &str) {
        self.first.owner_says(command, answer);
    }

    /// Has somebody open the network and connect under a nick; returns the room in which they talk to it.
    pub fn connect(&self, who: &mut Plain, nick: &str) -> String {
        self.owner_says(&format!("ADDMASK --admin {}", who.id), "Mask added");
        let control = direct(who, &self.bot());
        who.say(&control, &format!("OPEN {NETWORK}"));
        let room = who.is_invited_by(&self.bot());
        who.join(&room);
        tell(who, &room, &self.bot(), &format!("NICK {nick}"), "");
        tell(who, &room, &self.bot(), "CONNECT", "Welcome to the Internet");
        room
    }

    /// Has somebody who has connected join a channel; returns the room that it is then.
    pub fn join(&self, who: &mut Plain, network: &str, channel: &str) -> String {
        who.say(network, &format!("JOIN {channel}"));
        let room = who.is_invited_by(&self.bot());
        who.join(&room);
        room
    }

    /// Somebody comes to IRC with a nick.
    pub fn person(&self, nick: &str) -> Irc {
        self.ircd.lock().expect("nobody panics with it").person(nick)
    }

    /// Makes a room with the bridge and others in it, plumbed to a channel by who has connected in `network`.
    pub fn plumb(&self, who: &mut Plain, network: &str, channel: &str, invite: &[&str]) -> String {
        let bot = self.bot();
        let all: Vec<&str> = invite.iter().copied().chain([bot.as_str()]).collect();
        let room = who.create_room(&Room { name: channel, invite: &all, ..Room::default() });
        tell(who, network, &bot, &format!("PLUMB {room} {channel}"), "Plumbed");
        room
    }

    /// Kills the IRC server and starts it again: everybody on it is cut off.
    pub fn restart_ircd(&self) {
        self.ircd.lock().expect("nobody panics with it").restart(&self.lab);
    }

    /// Kills the bridge, as a power cut would, and starts it again.
    pub fn restart_bridge(&self) {
        self.kill_bridge();
        self.start_bridge();
    }

    /// Kills the bridge, as a power cut would.
    pub fn kill_bridge(&self) {
        self.first.kill(&self.lab);
    }

    /// Starts a bridge that was killed.
    pub fn start_bridge(&self) {
        self.first.begin(&self.lab);
    }
}

impl Bridge {
    /// Starts one whose account and registration these are.
    fn start(lab: &Lab, account: &str, registration: &'static str) -> Bridge {
        let id = format!("@{account}:{}", lab.server_name);
        let mut owner = lab.plain("owner");
        let running = Mutex::new(Some(run(lab, registration, &owner.id)));
        // The bridge makes a room with its owner as soon as it runs.
        let control = owner.is_invited_by(&id);
        owner.join(&control);
        Bridge { id, registration, running, owner: Mutex::new((owner, control)) }
    }

    /// The owner tells the bridge something, which must be answered like this.
    pub fn owner_says(&self, command: &str, answer: &str) {
        let mut owner = self.owner.lock().expect("nobody panics with it");
        let (owner, control) = &mut *owner;
        tell(owner, control, &self.id, command, answer);
    }

    /// Kills it, as a power cut would.
    fn kill(&self, lab: &Lab) {
        let mut bridge = self.running.lock().expect("nobody panics with it");
        let mut running = bridge.take().expect("the bridge runs");
        running.signal(Signal::SIGKILL);
        assert!(running.ends_within(WITHIN).is_some(), "heisenbridge is killed");
        lab.reaper.forget(running.pid);
    }

    /// Starts it again.
    fn begin(&self, lab: &Lab) {
        let mut bridge = self.running.lock().expect("nobody panics with it");
        assert!(bridge.is_none(), "it was killed");
        let owner = self.owner.lock().expect("nobody panics with it").0.id.clone();
        *bridge = Some(run(lab, self.registration, &owner));
    }
}

/// Has the bot write what the homeserver has to know of a second bridge, and what the bot has to.
fn register_second(lab: &Lab, file: &str) {
    let url = format!("http://127.0.0.1:{}", free_port());
    let arguments = ["bridge", "init", "heisenbridge", "--name", SECOND, "--to", file];
    let mut command = Command::new(binary());
    let written =
        finish(command.args(arguments).args(["--url", &url]).current_dir(&lab.dir), WITHIN);
    assert!(written.status.success(), "no registration: {}", told(&written));
}

fn run(lab: &Lab, registration: &str, owner: &str) -> Running {
    let log = registration.replace(".yaml", ".log");
    let log = File::options().create(true).append(true).open(lab.dir.join(log));
    let log = log.expect("the lab directory is ours");
    let child = Command::new(PYTHON)
        .args(["-m", "heisenbridge", "-v", "-c", registration, "-o", owner, &lab.homeserver])
        .current_dir(&lab.dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file of ours"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("heisenbridge is installed: run tools/install.sh once");
    lab.reaper.watch(child.id());
    Running::new(child)
}

/// A room alone with the bridge.
fn direct(who: &mut Plain, bot: &str) -> String {
    let room = who.create_room(&Room { direct: true, invite: &[bot], ..Room::default() });
    who.sees_join(&room, bot);
    room
}

/// Says something to the bridge, and waits for an answer with this in it.
fn tell(who: &mut Plain, room: &str, bot: &str, command: &str, answer: &str) -> String {
    let asked = who.say(room, command);
    who.until(room, &format!("`{answer}` to `{command}`"), |events| {
        let at = events.iter().position(|event| event.event_id == asked)?;
        let of_bot = events[at..].iter().filter(|event| event.sender == bot && event.is_message());
        of_bot.map(|event| event.body()).find(|body| body.contains(answer)).map(str::to_owned)
    })
}
