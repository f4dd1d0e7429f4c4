//! The bot as a black box: its command line, its files, its exit status.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use beadle::domain::policy::SHIPPED;

use super::homeserver::Lab;
use super::plain::Plain;
use super::process::{Lines, Running, finish, told};

/// Those who speak in tests are faster than people, and answer at once.
const QUICK: &str = "[limits]\ncommands_per_minute = 6000\nstop_rings = false\n";

/// The longest a start, a stop or a subcommand may take; a debug build on a busy machine needs a part of it.
const WITHIN: Duration = Duration::from_secs(90);

/// Names the file that sets the clock of a bot in a test.
pub const CLOCK_FILE: &str = "CLOCK_FILE_OF_A_TEST";

/// A bot with an account, a directory and perhaps a process.
pub struct Bot<'lab> {
    pub account: Plain,
    pub dir: PathBuf,
    /// The folder given as `--scripts`; a file `scripts/x` of a test is in the one that was made for it.
    pub scripts: PathBuf,
    /// What its process finds in its environment besides that of the test.
    pub environment: Vec<(String, String)>,
    /// A file with how many milliseconds its clock is ahead of the system's, where it keeps time by one.
    pub clock: Option<PathBuf>,
    lab: &'lab Lab,
    running: Option<Running>,
}

impl<'lab> Bot<'lab> {
    /// A bot with an account and an empty scripts folder; nothing is started.
    pub fn new(lab: &'lab Lab, account: Plain) -> Bot<'lab> {
        let dir = lab.dir.join(&account.localpart);
        let scripts = dir.join("scripts");
        fs::create_dir_all(&scripts).expect("the lab directory is ours");
        let environment = vec![];
        let bot = Bot { account, dir, scripts, environment, clock: None, lab, running: None };
        bot.write("password", &bot.account.password);
        bot
    }

    /// Writes the configuration: whose invitations count, and the rooms in which scripts may run actions.
    pub fn configure(&self, allow: &[&str], exec: &[&str]) {
        self.configure_at(&self.lab.homeserver, allow, exec);
    }

    /// The same with another address of the homeserver.
    pub fn configure_at(&self, homeserver: &str, allow: &[&str], exec: &[&str]) {
        let policy = self.dir.join("policy");
        let config = format!(
            "[matrix]\nhomeserver = {homeserver:?}\n\n[invites]\nallow = {allow:?}\n\n[rooms]\n\n[policy]\nfolder = {policy:?}\n\n[web]\nlisten = \"127.0.0.1:0\"\n\n{QUICK}"
        );
        for (file, text) in SHIPPED {
            self.write(&format!("policy/{file}"), text);
        }
        let rooms = exec.iter().map(|room| format!(" || principal in Room::{room:?}"));
        let forbid = "@id(\"exec-rooms\")\nforbid (principal, action == Action::\"run\", resource is Operation)";
        let rooms = rooms.collect::<String>();
        self.write(
            "policy/50-exec.cedar",
            format!("{forbid}\nunless {{ context.network == Network::\"cli\"{rooms} }};\n"),
        );
        self.write("beadle.toml", &config);
    }

    /// Adds a line to a table of the configuration that [`Self::configure`] wrote.
    pub fn configure_more(&self, table: &str, line: &str) {
        let path = self.dir.join("beadle.toml");
        let config = fs::read_to_string(path).expect("it is configured");
        let header = format!("[{table}]\n");
        self.write("beadle.toml", config.replacen(&header, &format!("{header}{line}\n"), 1));
    }

    /// The events of the log, as `beadle log tail` shows them.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let told = self.run_expecting(0, &["log", "tail", "--json", "-n", "4096"]);
        let rows = told.lines().filter(|line| line.starts_with('{'));
        rows.map(|row| serde_json::from_str(row).expect("JSON")).collect()
    }

    /// Everybody on the homeserver of the lab.
    pub fn everybody(&self) -> String {
        format!("@*:{}", self.lab.server_name)
    }

    /// Writes a file of the scripts folder.
    pub fn script(&self, name: &str, text: &str) {
        self.write(&format!("scripts/{name}"), text);
    }

    /// Writes an executable file of the scripts folder.
    pub fn executable(&self, name: &str, text: &str) {
        let path = self.write(&format!("scripts/{name}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a file of ours");
    }

    /// Writes a file below the bot's directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().expect("a file is in a directory"))
            .expect("the lab directory is ours");
        fs::write(&path, content).expect("the lab directory is ours");
        path
    }

    /// Writes behind the end of a file below the bot's directory.
    pub fn append(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        let old = fs::read_to_string(&path).expect("a file of ours");
        fs::write(path, old + text).expect("a file of ours");
    }

    /// Runs a subcommand to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        finish(self.command().args(arguments), WITHIN)
    }

    /// Begins a subcommand that nobody waits for.
    pub fn begin(&self, arguments: &[&str]) -> Running {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running::new(command.spawn().expect("the bot's binary is built"))
    }

    /// Runs a subcommand that must end with `status`; returns what it wrote, output first.
    pub fn run_expecting(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "beadle {arguments:?}: {}", told(&output));
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }

    /// Logs the bot in, as its operator would.
    pub fn login(&self, owner: &str) {
        self.run_expecting(0, &self.login_arguments(&self.lab.homeserver, owner));
    }

    /// The arguments of `beadle login`; the password is in the file `password` of the bot's directory.
    pub fn login_arguments<'a>(&'a self, homeserver: &'a str, owner: &'a str) -> [&'a str; 9] {
        let user = &self.account.localpart;
        [
            "login",
            "--homeserver",
            homeserver,
            "--user",
            user,
            "--password-file",
            "password",
            "--owner",
            owner,
        ]
    }

    /// Starts `beadle run` and waits until it is ready.
    ///
    /// # Panics
    /// If it is not, with the end of what it wrote to stderr.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "the bot runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("the lab directory is ours");
        let mut command = match &self.clock {
            None => self.command(),
            Some(file) => self.clocked(file),
        };
        command.arg("run").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).process_group(0);
        let mut child = command.spawn().expect("the bot's binary is built");
        self.lab.reaper.watch(child.id());
        let output = Lines::of(child.stdout.take().expect("a pipe"));
        self.running = Some(Running::new(child));
        output.wait_for("ready", WITHIN).unwrap_or_else(|why| panic!("beadle run: {why}"));
    }

    /// Waits until the bot ends by itself; returns its status and what it has written since it was made.
    pub fn ends(&mut self) -> (ExitStatus, String) {
        let status = self.ends_within(WITHIN);
        (status, fs::read_to_string(self.log_path()).unwrap_or_default())
    }

    /// What the bot's login left behind.
    pub fn session(&self) -> serde_json::Value {
        let text = fs::read(self.dir.join("data/matrix/session.json")).expect("a session");
        serde_json::from_slice(&text).expect("it is JSON")
    }

    /// A field of what the bot's login left behind.
    pub fn session_text(&self, field: &str) -> String {
        self.session()[field].as_str().expect("a text").to_owned()
    }

    /// Kills the bot, as a power cut would.
    pub fn kill9(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// Asks the bot to stop, as a service manager would.
    pub fn stop(&mut self) {
        let status = self.end(Signal::SIGTERM);
        assert!(status.success(), "beadle run: {status} after SIGTERM");
    }

    /// Sends a signal to the bot, which runs on.
    pub fn signal(&mut self, signal: Signal) {
        self.running.as_mut().expect("the bot runs").signal(signal);
    }

    /// Waits for the end of a bot that was told to end.
    ///
    /// # Panics
    /// If it has not ended `within`.
    pub fn ends_within(&mut self, within: Duration) -> ExitStatus {
        let mut running = self.running.take().expect("the bot runs");
        let status = running.ends_within(within);
        self.lab.reaper.forget(running.pid);
        status.unwrap_or_else(|| {
            running.signal(Signal::SIGKILL);
            panic!("the bot still ran after {within:?}");
        })
    }

    /// Lets the bot run on for a time, in which it must not end.
    pub fn runs_on_for(&mut self, time: Duration) {
        let running = self.running.as_mut().expect("the bot runs");
        let ended = running.ends_within(time);
        assert!(ended.is_none(), "the bot ended by itself: {ended:?}");
    }

    /// Waits until the log of the running bot has so many events of a kind.
    pub fn records(&mut self, kind: &str, count: usize) {
        let deadline = Instant::now() + WITHIN;
        loop {
            let log = self.run_expecting(0, &["log", "tail", "-n", "4000"]);
            if log.matches(kind).count() >= count {
                return;
            }
            assert!(Instant::now() < deadline, "not {count} times `{kind}` in the log:\n{log}");
            self.runs_on_for(Duration::from_millis(100));
        }
    }

    pub fn log_path(&self) -> PathBuf {
        self.dir.join("stderr.log")
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.ends_within(WITHIN)
    }

    /// `beadle` with its files, in its directory, without the settings of the machine that could change what it does.
    fn command(&self) -> Command {
        self.at_home(Command::new(binary()))
    }

    /// The same program, built from the library into this test binary, with a clock that a file sets; the rest of its
    /// arguments stand behind `--`, where the test harness leaves them alone.
    fn clocked(&self, file: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("it is known"));
        command.args(["matrix::questions::child_is_a_bot_with_a_clock", "--exact", "--nocapture"]);
        command.arg("--").env(CLOCK_FILE, file);
        self.at_home(command)
    }

    fn at_home(&self, mut command: Command) -> Command {
        command
            .args(["--config", "beadle.toml", "--data", "data", "--scripts"])
            .arg(&self.scripts)
            .current_dir(&self.dir);
        for name in
            ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BEADLE_") {
                command.env_remove(name);
            }
        }
        command.env_remove("NOTIFY_SOCKET");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Bot<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ =
                nix::sys::signal::killpg(Pid::from_raw(running.pid.cast_signed()), Signal::SIGKILL);
            self.lab.reaper.forget(running.pid);
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log_path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(60)..];
            eprintln!(
                "--- the end of what {} wrote to stderr\n{}",
                self.account.id,
                last.join("\n")
            );
        }
    }
}

/// The bot: given by cargo to tests; beside the `examples` folder for the example.
pub(super) fn binary() -> PathBuf {
    if let Some(path) = option_env!("CARGO_BIN_EXE_beadle") {
        return path.into();
    }
    let exe = std::env::current_exe().expect("a running program has a path");
    let path =
        exe.parent().and_then(Path::parent).expect("examples are two folders deep").join("beadle");
    assert!(path.exists(), "{} is missing: run `make lab`, which builds it", path.display());
    path
}
