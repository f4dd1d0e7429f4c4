//! The command line: one file a subcommand; errors become text, a hint and an exit status here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::app::{Paths, RunError};
use crate::config::{Config, ConfigErrors};
use crate::processor::policies::PolicyFolder;
use crate::store::OpenError;
use crate::web::serve::ListenError;

mod action;
mod alias;
mod ask;
mod backup;
mod bench;
mod bridge;
mod bridge_setup;
mod catalog;
mod chat;
mod checkpoint;
mod doctor;
mod erase;
mod execution;
mod follow;
mod hook;
mod init;
mod log;
mod login;
mod policy;
mod progress;
mod proof;
mod query;
mod rule;
mod run;
mod schedule;
mod script;
mod sensor;
mod story;
mod style;
mod switch;
mod trigger;
mod trim;
mod why;

use style::out;

/// Most threads that the bot's own work is spread over; there is little of it, and each keeps memory of its own.
const WORKERS_MAX: usize = 4;

/// A Matrix-native ChatOps bot: it answers commands, asks people, runs actions, and keeps one event log of everything.
#[derive(Debug, Parser)]
#[command(name = "beadle", version, max_term_width = 110)]
#[command(
    after_help = "Without a subcommand it opens the terminal room, `beadle chat`.\n\nExample: beadle chat"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options that every subcommand takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The configuration file [default: $BEADLE_CONFIG, ./beadle.toml, ~/.config/beadle/beadle.toml].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory: the log, its keys, the Matrix session.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The scripts folder.
    #[arg(long, global = true, value_name = "DIR")]
    scripts: Option<PathBuf>,
    /// JSON, one object a line, instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Errors only.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// More of what happens; twice: everything, room texts too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Opens simulated rooms in the terminal, or plays a transcript.
    Chat(chat::ChatArgs),
    /// Logs in to Matrix once: makes the session, signs the device, makes the management room.
    Login(login::LoginArgs),
    /// Runs the bot on Matrix.
    #[command(after_help = "Example: beadle --config /etc/beadle.toml run")]
    Run(run::RunArgs),
    /// Writes a commented configuration, the shipped scripts and the shipped policies into a folder.
    Init(init::InitArgs),
    /// Looks for what is wrong, and says what to do about it.
    #[command(after_help = "Example: beadle doctor --json")]
    Doctor,
    /// Checks scripts.
    #[command(subcommand, after_help = "Example: beadle script check")]
    Script(script::ScriptCommand),
    /// Checks and shows the policies that say who may do what.
    #[command(subcommand, after_help = "Example: beadle policy check")]
    Policy(policy::PolicyCommand),
    /// Shows which actions there are, what they take, and what a call would run.
    #[command(subcommand, after_help = "Example: beadle action list")]
    Action(action::ActionCommand),
    /// Shows which commands there are and what a text would run.
    #[command(subcommand, after_help = "Example: beadle alias match -- create vm web001 on aws")]
    Alias(alias::AliasCommand),
    /// Shows what is done at times, and when.
    #[command(subcommand, after_help = "Example: beadle schedule next 'daily 09:00'")]
    Schedule(schedule::ScheduleCommand),
    /// Shows what watches for the bot: programs and files whose lines are triggers.
    #[command(subcommand, after_help = "Example: beadle sensor list")]
    Sensor(sensor::SensorCommand),
    /// Shows the rules: what runs when something happens, and why not; switches them off and on.
    #[command(subcommand, after_help = "Example: beadle rule list")]
    Rule(rule::RuleCommand),
    /// Lets something happen by hand.
    #[command(
        subcommand,
        after_help = "Example: beadle trigger emit deploy.finished '{\"app\": \"shop\"}'"
    )]
    Trigger(trigger::TriggerCommand),
    /// Shows the hooks for webhooks, and sends a test to one.
    #[command(subcommand, after_help = "Example: beadle hook list")]
    Hook(hook::HookCommand),
    /// Shows the bridges to other networks, and what was seen of them in a room.
    #[command(subcommand, after_help = "Example: beadle bridge list")]
    Bridge(bridge::BridgeCommand),
    /// Shows executions, cancels open ones and tries failed ones again.
    #[command(subcommand, after_help = "Example: beadle execution list")]
    Execution(execution::ExecutionCommand),
    /// Tells what led to a message, an execution or an event: who said what, which policy decided, who answered, what ran.
    Why(why::WhyArgs),
    /// Lists everything that the bot offers: where it is written, who may use it, when it was used last, on or off.
    #[command(after_help = "Example: beadle catalog --json")]
    Catalog,
    /// Reads and verifies the event log.
    #[command(subcommand, after_help = "Example: beadle log verify")]
    Log(Box<log::LogCommand>),
    /// Measures, each beside a baseline of the same run.
    #[command(subcommand, after_help = "Example: beadle bench append")]
    Bench(bench::BenchCommand),
}

/// What went wrong, and what to do; the exit status says what kind it is.
#[derive(Debug)]
pub struct Failure {
    /// 2 usage, 3 script or configuration, 4 damaged log, 5 cannot connect, 1 anything else.
    pub status: u8,
    /// What is wrong, with its place.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// Anything.
    pub fn new(status: u8, message: impl ToString) -> Self {
        Self { status, message: message.to_string(), hint: None }
    }

    /// With what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(3, &errors).hint(errors.hint())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match &error {
            OpenError::Damaged { .. } => Self::new(4, &error).hint(
                "nothing was changed; keep a copy of the data directory and restore a backup",
            ),
            OpenError::Locked { .. } => Self::new(1, &error)
                .hint("stop that process, or use another data directory with --data"),
            OpenError::Io { .. } | OpenError::Store(_) => Self::new(1, &error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Open(error) => error.into(),
            RunError::Listen(error) => error.into(),
            RunError::Connect(error) => {
                let hint = error.hint();
                Self::new(5, error).hint(hint)
            }
            RunError::Sync(error) => {
                let hint = error.hint();
                let failure = Self::new(5, error);
                match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
            error => Self::new(1, error),
        }
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let hint = error.hint();
        Self::new(1, error).hint(hint)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(1, error)
    }
}

/// What a subcommand works with.
#[derive(Clone)]
pub struct Context {
    /// Options that every subcommand takes.
    pub global: Global,
    /// The configuration.
    pub config: Config,
    /// The file that it came from.
    pub config_file: Option<PathBuf>,
}

impl Context {
    fn new(global: Global) -> Result<Self, Failure> {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        let config_file = config_file(&global, &environment);
        let config = Config::load(config_file.as_deref(), &environment)?;
        Ok(Self { global, config, config_file })
    }

    /// Reads the configuration again, from where it came.
    ///
    /// # Errors
    /// [`ConfigErrors`] with all that is wrong.
    pub fn read_config(&self) -> Result<Config, ConfigErrors> {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        Config::load(self.config_file.as_deref(), &environment)
    }

    /// Whether JSON is wanted.
    pub fn json(&self) -> bool {
        self.global.json
    }

    /// The data directory.
    ///
    /// # Errors
    /// [`Failure`] if there is no home directory to put it in.
    pub fn data(&self) -> Result<PathBuf, Failure> {
        let given = self.global.data.clone().or(self.config.data.clone());
        let shared = || {
            let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
            base.or(std::env::home_dir().map(|home| home.join(".local/share")))
        };
        let data = given.or_else(|| shared().map(|base| base.join("beadle")));
        data.ok_or_else(|| {
            Failure::new(2, "there is no home directory").hint("name a data directory with --data")
        })
    }

    /// The scripts folder: the given one, `./scripts`, or the shipped scripts in the data directory.
    ///
    /// # Errors
    /// [`Failure`] if the shipped scripts cannot be written.
    pub fn scripts(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = self.global.scripts.clone().or(self.config.scripts.clone()) {
            return Ok(folder);
        }
        let here = PathBuf::from("scripts");
        if here.is_dir() {
            return Ok(here);
        }
        let data = self.data()?;
        crate::store::disk::make_dir(&data)?;
        let shipped = data.join("scripts");
        crate::app::unpack_scripts(&shipped)?;
        Ok(shipped)
    }

    /// The scripts folder that is given, or the one that is looked for first.
    pub fn scripts_given(&self) -> PathBuf {
        let given = self.global.scripts.clone().or(self.config.scripts.clone());
        given.unwrap_or_else(|| PathBuf::from("scripts"))
    }

    /// Where everything is.
    ///
    /// # Errors
    /// [`Failure`] if a place is missing.
    pub fn paths(&self) -> Result<Paths, Failure> {
        Ok(Paths { data: self.data()?, scripts: self.scripts()?, policy: self.policy()? })
    }

    /// The policy folder: the configured one, `policy` beside the scripts folder, or the shipped policies in the data
    /// directory.
    ///
    /// # Errors
    /// [`Failure`] if the shipped policies cannot be written.
    pub fn policy(&self) -> Result<PolicyFolder, Failure> {
        if let Some(path) = self.config.policy.clone() {
            return Ok(PolicyFolder { path, shipped: false });
        }
        let shipped = self.data()?.join("policy");
        let beside = self.scripts()?.with_file_name("policy");
        if beside.is_dir() && beside != shipped {
            return Ok(PolicyFolder { path: beside, shipped: false });
        }
        crate::store::disk::make_dir(&self.data()?)?;
        crate::app::unpack_policies(&shipped)?;
        Ok(PolicyFolder { path: shipped, shipped: true })
    }

    /// An asynchronous runtime.
    ///
    /// # Errors
    /// [`Failure`] if the system has no threads for it.
    pub fn runtime(&self) -> Result<tokio::runtime::Runtime, Failure> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Ok(builder.worker_threads(threads.min(WORKERS_MAX)).enable_all().build()?)
    }
}

fn config_file(global: &Global, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let named = global.config.clone().or(environment.get("BEADLE_CONFIG").map(PathBuf::from));
    named.or_else(|| {
        let home = std::env::home_dir().map(|home| home.join(".config/beadle/beadle.toml"));
        let usual = [Some(PathBuf::from("beadle.toml")), home];
        usual.into_iter().flatten().find(|path| path.is_file())
    })
}

/// Sends what happens to standard error.
fn trace(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn,beadle=info",
        (false, 1) => "info,beadle=debug",
        (false, _) => "info,beadle=trace",
    };
    let quiet_sdk = "matrix_sdk::http_client=off,matrix_sdk_crypto=error,matrix_sdk_base=error";
    let filter = std::env::var("BEADLE_LOG").unwrap_or_else(|_| format!("{level},{quiet_sdk}"));
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let layer = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process is refused; the first one stays.
    let _ = layer.with_ansi(style::coloured()).with_target(false).try_init();
}

/// Parses, runs, and says what went wrong.
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// The same for a command line that a program built on this library gives.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let json = cli.global.json;
    trace(&cli.global);
    match dispatch(cli).and_then(|status| style::printed().map(|()| status)) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            style::report(&failure, json);
            ExitCode::from(failure.status)
        }
    }
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    if let Some(Command::Init(args)) = &cli.command {
        return init::main(args);
    }
    let context = Context::new(cli.global)?;
    match cli.command {
        None => {
            if let Some(homeserver) = &context.config.homeserver {
                let file = context
                    .config_file
                    .as_ref()
                    .map_or("the environment".into(), |f| f.display().to_string());
                out!("{file} names the homeserver {homeserver}: `beadle run` runs the bot there.");
                out!("`beadle chat` opens the terminal room.");
                return Ok(0);
            }
            chat::main(&context, &chat::ChatArgs::default())
        }
        Some(Command::Chat(args)) => chat::main(&context, &args),
        Some(Command::Login(args)) => login::main(&context, &args),
        Some(Command::Run(args)) => run::main(&context, &args),
        Some(Command::Init(args)) => init::main(&args),
        Some(Command::Doctor) => doctor::main(&context),
        Some(Command::Script(command)) => script::main(&context, &command),
        Some(Command::Policy(command)) => policy::main(&context, &command),
        Some(Command::Action(command)) => action::main(&context, &command),
        Some(Command::Alias(command)) => alias::main(&context, &command),
        Some(Command::Sensor(command)) => sensor::main(&context, &command),
        Some(Command::Rule(command)) => rule::main(&context, &command),
        Some(Command::Trigger(command)) => trigger::main(&context, &command),
        Some(Command::Schedule(command)) => schedule::main(&context, &command),
        Some(Command::Bridge(command)) => bridge::main(&context, &command),
        Some(Command::Hook(command)) => hook::main(&context, &command),
        Some(Command::Execution(command)) => execution::main(&context, &command),
        Some(Command::Why(args)) => why::main(&context, &args),
        Some(Command::Catalog) => catalog::main(&context),
        Some(Command::Log(command)) => log::main(&context, &command),
        Some(Command::Bench(command)) => bench::main(&context, &command),
    }
}

/// The command line as clap knows it, for the test that every subcommand has an example.
pub fn command() -> clap::Command {
    Cli::command()
}
