//! Wires the parts, starts them, and stops them in order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub use self::clock::{SystemClock, clock, keep_time_by};
use self::desk::Desk;
use self::orders::Hands;
use self::reload::Reload;
use self::tend::Tend;

use crate::adapter::http_client::{HttpClient, Proxies, Wiring};
use crate::adapter::matrix::{ConnectError, Matrix, Session, SyncError};
use crate::adapter::secrets::Secrets;
use crate::adapter::service::ServiceManager;
use crate::adapter::{Chat, Outgoing, RoomAct, RoomAnswer, SendError};
use crate::config::Config;
use crate::control;
use crate::domain::budget::Budgets;
use crate::domain::id::{PostId, RoomId, UserId};
use crate::domain::policy::SHIPPED as SHIPPED_POLICIES;
use crate::domain::words::notices::left_out;
use crate::processor::action::Processes;
use crate::processor::intake::Ear;
use crate::processor::pause::Guard;
use crate::processor::policies::PolicyFolder;
use crate::processor::scripts::Scripts;
use crate::processor::{
    self, Kernel, Settings, alive, nicks, schedule, sensors, setups, tree_head,
};
use crate::script::problem::Problem;
use crate::store::sled::SledStore;
use crate::store::space::{DiskOf, Reserve, Space};
use crate::store::{Entropy, EventStore, ReadError, Surroundings};
use crate::store::{OpenError, Opened, Opening, Options};
use crate::web::serve::ListenError;
use crate::web::{Bounds, Parts};

mod bridging;
mod clock;
pub mod desk;
pub mod door;
pub mod orders;
pub mod policies;
mod proofs;
mod reload;
mod rules;
pub mod saved;
mod tend;
mod timetable;
mod told;
pub mod trim;

pub use reload::Load;

/// The scripts that come with the program, by file name.
pub const SHIPPED: &[(&str, &str)] = &[
    ("graph.rhai", include_str!("../scripts/graph.rhai")),
    ("hello.rhai", include_str!("../scripts/hello.rhai")),
    ("host.rhai", include_str!("../scripts/host.rhai")),
    ("joke.rhai", include_str!("../scripts/joke.rhai")),
    ("notes.rhai", include_str!("../scripts/notes.rhai")),
    ("printers.rhai", include_str!("../scripts/printers.rhai")),
    ("reminders.rhai", include_str!("../scripts/reminders.rhai")),
    ("shields.rhai", include_str!("../scripts/shields.rhai")),
    ("vm.rhai", include_str!("../scripts/vm.rhai")),
    ("actions/cloud.py", include_str!("../scripts/actions/cloud.py")),
    ("actions/defence.py", include_str!("../scripts/actions/defence.py")),
    ("actions/metrics.py", include_str!("../scripts/actions/metrics.py")),
    ("actions/printers.py", include_str!("../scripts/actions/printers.py")),
];

/// How long the connection may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(7);

/// How often it is said how far a long opening is.
const OPENING_TOLD_EVERY: Duration = Duration::from_secs(5);

/// The system's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system gives randomness");
    }
}

/// The time of this process and real randomness.
pub fn surroundings() -> Surroundings {
    Surroundings { clock: clock(), entropy: Arc::new(SystemEntropy) }
}

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The data directory.
    pub data: PathBuf,
    /// The scripts folder.
    pub scripts: PathBuf,
    /// The policy folder.
    pub policy: PolicyFolder,
}

/// Opens the log of a data directory.
///
/// # Errors
/// [`OpenError`] if it is open elsewhere, damaged, or the system refuses.
pub fn open_log(data: &Path) -> Result<(SledStore, Opened), OpenError> {
    open_log_telling(data, Options::default().opening)
}

/// Opens the log of a data directory, and says how far it is.
///
/// # Errors
/// As [`open_log`].
pub fn open_log_telling(data: &Path, opening: Opening) -> Result<(SledStore, Opened), OpenError> {
    SledStore::open(data, surroundings(), Options { opening, ..Options::default() })
}

/// Writes the shipped scripts into a folder that is not there yet.
///
/// # Errors
/// What the system refuses.
pub fn unpack_scripts(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for (name, text) in SHIPPED {
        let path = folder.join(name);
        if path.exists() {
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(&path, text)?;
        if text.starts_with("#!") {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Writes the shipped policies into a folder that is not there yet.
///
/// # Errors
/// What the system refuses.
pub fn unpack_policies(folder: &Path) -> std::io::Result<()> {
    for (name, text) in SHIPPED_POLICIES {
        let path = folder.join(name);
        if !path.exists() {
            std::fs::create_dir_all(folder)?;
            std::fs::write(&path, text)?;
        }
    }
    Ok(())
}

/// Why the bot ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log failed.
    #[error(transparent)]
    Process(#[from] processor::Error),
    /// Nobody can be listened to.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection ended.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The log failed under the bot.
    #[error("the log has failed: {0}")]
    Log(String),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
    /// The socket cannot be made.
    #[error("cannot make `{}`: {source}", .path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes a kernel on an open log, with the scripts of a folder within their budgets, and says what is wrong with them.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn kernel(
    store: Arc<dyn EventStore>,
    scripts: (&Path, &Budgets),
    chat: Arc<dyn Chat>,
    settings: Settings,
    outside: Processes,
) -> Result<(Arc<Kernel>, Vec<Problem>), ReadError> {
    let (scripts, problems) = Scripts::folder_within(scripts.0, scripts.1);
    let kernel = Kernel::new(store, scripts, chat, Arc::new(outside), clock(), settings)?;
    Ok((kernel, problems))
}

/// What runs actions and sends requests: with the secrets and proxies of the configuration and the environment.
pub fn outside(config: &Config) -> Processes {
    let environment = environment();
    let proxies = match config.http_proxy {
        true => Proxies::of(&environment),
        false => Proxies::default(),
    };
    let wiring = Wiring { ca: config.http_ca.clone(), proxies, ..Wiring::default() };
    Processes { secrets: secrets(config), http: HttpClient::new(wiring) }
}

/// What asks the bridges whether they run: they are near, and no proxy stands between.
pub fn direct_client(config: &Config) -> HttpClient {
    HttpClient::new(Wiring { ca: config.http_ca.clone(), ..Wiring::default() })
}

/// Where the secrets of actions are.
pub fn secrets(config: &Config) -> Secrets {
    let environment = environment().into_iter();
    Secrets::new(config.secrets_folder.clone(), &config.secrets_prefix, environment)
}

/// What the configuration says to rooms in a terminal: all but the rooms of a network.
pub fn settings_of_rooms(config: &Config) -> Settings {
    let (settings, _) = reload::settings(config, None);
    Settings { management_room: None, audit_room: None, ..settings }
}

/// What of the environment is text.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Makes a kernel on an open log for what needs no network: nothing is sent.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn kernel_alone(
    store: Arc<dyn EventStore>,
    paths: &Paths,
    config: &Config,
) -> Result<Arc<Kernel>, ReadError> {
    let session = Session::load(&paths.data).ok().flatten();
    let of_login = session.and_then(|session| session.management_room);
    let (mut settings, _) = reload::settings(config, of_login.as_ref());
    settings.policy = Some(paths.policy.clone());
    let scripts = (paths.scripts.as_path(), &config.budgets);
    Ok(kernel(store, scripts, Arc::new(Line::default()), settings, outside(config))?.0)
}

/// What connects to the network when the connection is there: until then nothing can be sent.
#[derive(Default)]
struct Line(std::sync::OnceLock<Arc<Matrix>>);

impl Chat for Line {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        match self.0.get() {
            Some(matrix) => matrix.send(outgoing),
            None => Box::pin(async {
                let reason = "there is no connection yet".to_owned();
                Err(SendError::Later { reason, after: None })
            }),
        }
    }

    fn rooms<'a>(&'a self, act: &'a RoomAct) -> BoxFuture<'a, Result<RoomAnswer, SendError>> {
        match self.0.get() {
            Some(matrix) => matrix.rooms(act),
            None => Box::pin(async {
                let reason = "there is no connection yet".to_owned();
                Err(SendError::Later { reason, after: None })
            }),
        }
    }

    fn typing<'a>(&'a self, room: &'a RoomId, on: bool) -> BoxFuture<'a, ()> {
        match self.0.get() {
            Some(matrix) => matrix.typing(room, on),
            None => Box::pin(async {}),
        }
    }
}

/// Runs the bot on Matrix until it is told to stop.
///
/// # Errors
/// [`RunError`]; a supervisor starts it again.
pub async fn run(
    config: &Config,
    paths: &Paths,
    load: Load<'_>,
    mut ready: impl FnMut(&str, &[Problem]),
) -> Result<(), RunError> {
    let manager = Arc::new(ServiceManager::of_environment());
    let (stop, stopping) = watch::channel(false);
    // From here on no signal ends the process by itself.
    let signals = signals(stop.clone()).map_err(RunError::Signals)?;
    let hang_ups = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
    manager.status("Opening the log");
    if let Ok(room) = DiskOf(paths.data.clone()).room() {
        // A full disk must not keep the bot from saying so.
        let _ = Reserve::of(&paths.data).tend(room);
    }
    let (store, opened) = open_log_telling(&paths.data, opening(manager.clone()))?;
    told(&opened);
    let store = Arc::new(store);
    let line = Arc::new(Line::default());
    let session = Session::load(&paths.data).map_err(ConnectError::from)?;
    // Who is not logged in yet is told that before anything of addresses.
    let listens = session.as_ref().and_then(|_| door::of_run(config));
    let taken = door::take(listens).await?;
    let of_login = session.and_then(|session| session.management_room);
    let (mut settings, of_matrix) = reload::settings(config, of_login.as_ref());
    settings.policy = Some(paths.policy.clone());
    let (kernel, problems) = kernel(
        store.clone(),
        (&paths.scripts, &config.budgets),
        line.clone(),
        settings,
        outside(config),
    )?;
    let reserve = Some(Reserve::of(&paths.data));
    let guard = Guard::new(Arc::new(DiskOf(paths.data.clone())), reserve);
    let ear = Arc::new(Ear::new(kernel.clone()).guarded(guard));
    // Webhooks are recorded before there is a connection: nothing is lost while a homeserver is away.
    let door = taken.map(|taken| taken.open(parts(&ear, &kernel, config, paths), config));
    manager.status("Connecting to the homeserver");
    let matrix = tokio::select! {
        connected = Matrix::connect(&paths.data, of_matrix, ear.clone()) => match connected {
            Ok(matrix) => matrix,
            Err(error) => {
                close(door).await;
                return Err(error.into());
            }
        },
        () = stopped(&stopping) => {
            close(door).await;
            store.close();
            return Ok(());
        }
    };
    if let Some(door) = &door {
        door.web.connected(matrix.synced());
    }
    // The line is empty until here: nobody else fills it.
    let _ = line.0.set(matrix.clone());
    reload::resolve_rooms(&kernel, &matrix, config).await;
    kernel.note_policies().await?;
    for problem in &problems {
        kernel.notify(&left_out(&problem.to_string())).await?;
    }
    for problem in kernel.scripts.offered().set.wrong() {
        kernel.notify(&format!("{}\n{problem}", saved::AMONG_SCRIPTS)).await?;
    }
    let desk = Desk {
        store: store.clone(),
        clock: kernel.clock.clone(),
        data: paths.data.clone(),
        matrix: Some(matrix.clone()),
        runtime: tokio::runtime::Handle::current(),
        audit_room: {
            let kernel = kernel.clone();
            Box::new(move || kernel.settings().audit_room.clone())
        },
        followers: Default::default(),
        hands: Hands::Bot(kernel.clone()),
        web: door.as_ref().map(|door| door.address),
    };
    let socket = control::serve(Arc::new(desk), &paths.data, stopping.clone())
        .map_err(|source| RunError::Socket { path: control::path(&paths.data), source })?;
    let user = matrix.user_id();
    let mut first_sync = matrix.ready();
    let mut failure = store.failure();
    let mut work = tokio::spawn(schedule::run(kernel.clone(), stopping.clone()));
    let mut heads = tokio::spawn(tree_head::run(kernel.clone(), stopping.clone()));
    let mut sensing =
        tokio::spawn(sensors::run(kernel.clone(), ear.clone(), secrets(config), stopping.clone()));
    let variables = Arc::new(|name: &str| std::env::var(name).ok());
    let own = UserId(user.to_string());
    let (set, named) = (kernel.clone(), nicks::run(kernel.clone(), stopping.clone()));
    let set = setups::run(set, own, variables, stopping.clone());
    let mut setting_up = tokio::spawn(async { tokio::try_join!(set, named).map(|((), ())| ()) });
    let mut asking =
        tokio::spawn(alive::run(kernel.clone(), direct_client(config), stopping.clone()));
    let trimming = tokio::spawn(trim::run(store.clone(), kernel.clone(), stopping.clone()));
    let reader = matrix.clone();
    let mut sync = tokio::spawn(async move { reader.sync(stopping).await });
    let asked_to_stop = stop.subscribe();
    let after_saves = async {
        if !config.scripts_reload {
            return std::future::pending().await;
        }
        saved::follow(kernel.clone(), problems.clone(), async |text: Option<String>| {
            reload::resolve_rooms(&kernel, &matrix, config).await;
            if let Some(text) = text {
                reload::tell_owner(&kernel, &text).await;
            }
        })
        .await;
    };
    let after_policies = policies::follow(&kernel, |_| {});
    let tend = Tend {
        manager: &manager,
        hang_ups,
        reload: Reload {
            kernel: kernel.clone(),
            matrix: matrix.clone(),
            load,
            web: door.as_ref().map(|door| door.web.clone()),
            config: config.clone(),
            of_login,
        },
        alive: matrix.alive(),
        status: format!("Listening as {user}"),
    };
    let ended: Result<(), RunError> = tokio::select! {
        () = stopped(&asked_to_stop) => Ok(()),
        failed = failure.wait_for(Option::is_some) => {
            let reason = failed.ok().and_then(|reason| reason.clone());
            Err(RunError::Log(reason.unwrap_or_default()))
        }
        done = &mut work => flat(done).map_err(RunError::from),
        done = &mut heads => flat(done).map_err(RunError::from),
        done = &mut sensing => flat(done).map_err(RunError::from),
        done = &mut setting_up => flat(done).map_err(RunError::from),
        done = &mut asking => flat(done).map_err(RunError::from),
        done = &mut sync => flat(done).map_err(RunError::from),
        () = after_saves => Ok(()),
        failed = after_policies => Err(RunError::from(failed)),
        () = async {
            if first_sync.wait_for(|ready| *ready).await.is_ok() {
                ready(user.as_str(), &problems);
                tend.run().await;
            }
            std::future::pending::<()>().await;
        } => Ok(()),
    };
    manager.stopping();
    stop.send_replace(true);
    socket.abort();
    let rest = async {
        close(door).await;
        if !sync.is_finished() {
            flat((&mut sync).await)?;
        }
        if !work.is_finished() {
            flat((&mut work).await)?;
        }
        if !heads.is_finished() {
            flat((&mut heads).await)?;
        }
        if !sensing.is_finished() {
            flat((&mut sensing).await)?;
        }
        if !setting_up.is_finished() {
            flat((&mut setting_up).await)?;
        }
        if !asking.is_finished() {
            flat((&mut asking).await)?;
        }
        flat(trimming.await.map(Ok::<(), RunError>))?;
        Ok::<(), RunError>(())
    };
    let rest = tokio::time::timeout(STOP_WITHIN, rest).await.unwrap_or(Ok(()));
    let kept = match store.failure().borrow().is_some() {
        true => Ok(()),
        false => wind_up(&ear, &kernel).await,
    };
    control::remove(&paths.data);
    store.close();
    // Until here a second signal ends the process at once.
    signals.abort();
    ended.and(rest).and(kept.map_err(RunError::from))
}

/// What the web listener works with.
fn parts(ear: &Arc<Ear>, kernel: &Arc<Kernel>, config: &Config, paths: &Paths) -> Parts {
    Parts {
        ear: ear.clone(),
        kernel: kernel.clone(),
        secrets: secrets(config),
        entropy: Arc::new(SystemEntropy),
        data: Some(paths.data.clone()),
        connects: true,
        bounds: Bounds::default(),
    }
}

/// Ends the web listener, if there is one.
async fn close(door: Option<door::Door>) {
    if let Some(door) = door {
        door.close().await;
    }
}

/// Says how far a long opening is, and asks the service manager for the time that it takes.
fn opening(manager: Arc<ServiceManager>) -> Opening {
    let told = Mutex::new(Instant::now());
    Arc::new(move |done, total| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() < OPENING_TOLD_EVERY {
            return;
        }
        *told = Instant::now();
        tracing::info!(done, total, "the event store takes the journal in");
        let status = format!("The event store takes the journal in: {done} of {total} events");
        manager.starting(&status, OPENING_TOLD_EVERY * 10);
    })
}

/// What is recorded when everything has stopped.
async fn wind_up(ear: &Ear, kernel: &Arc<Kernel>) -> Result<(), processor::Error> {
    ear.flush().await?;
    tree_head::finish(kernel).await?;
    Ok(kernel.keep_agenda()?)
}

/// The result of a task, or its panic.
fn flat<T, E>(done: Result<Result<T, E>, tokio::task::JoinError>) -> Result<T, E> {
    match done {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Ends when the bot is asked to stop.
async fn stopped(stop: &watch::Receiver<bool>) {
    // Nobody is left to ask: that is an end too.
    let _ = stop.clone().wait_for(|stop| *stop).await;
}

/// The first signal asks the bot to stop; the second ends it at once.
fn signals(stop: watch::Sender<bool>) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(tokio::spawn(async move {
        for second in [false, true] {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            if second {
                std::process::exit(1);
            }
            tracing::info!("stopping");
            stop.send_replace(true);
        }
    }))
}

/// Says what was found when the log was opened.
pub fn told(opened: &Opened) {
    if let Some(reason) = &opened.rebuilt {
        tracing::warn!(
            reason,
            events = opened.replayed,
            "the event store was rebuilt from the journal"
        );
    }
    if opened.cut_bytes > 0 {
        tracing::warn!(
            bytes = opened.cut_bytes,
            "a write that was never acknowledged was cut off the journal"
        );
    }
}
