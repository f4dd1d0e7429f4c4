//! `beadle chat`: simulated rooms on a real log, or a transcript.

use std::io::{IsTerminal, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::ask::open_log;
use super::run::listening;
use super::style::out;
use super::{Context, Failure};
use crate::adapter::terminal::{Printer, SERVER, Terminal};
use crate::app::desk::Desk;
use crate::app::door;
use crate::app::orders::Hands;
use crate::app::{SystemEntropy, kernel, outside, secrets, settings_of_rooms, told};
use crate::config::Config;
use crate::control;
use crate::domain::event::Event;
use crate::domain::id::{MessageId, Position, RoomId};
use crate::play::bot::BotError;
use crate::play::child::{ChildBot, serve};
use crate::play::parse::{Transcript, parse};
use crate::play::runner::{self, Setup};
use crate::play::stops;
use crate::play::world::{HandClock, World};
use crate::processor::intake::Ear;
use crate::processor::pause::Guard;
use crate::processor::{Kernel, Settings, schedule, sensors, tree_head};
use crate::store::sled::SledStore;
use crate::store::space::{DiskOf, Reserve};
use crate::store::{Clock, Direction, EventStore, READ_EVENTS_MAX, Surroundings};
use crate::store::{OpenError, Options};
use crate::web::{Bounds, Parts};

mod typed;

use typed::{prints_lines, read_lines, talk};

/// The demonstration that is played where there is no terminal.
const DEMO: &str = include_str!("../../scripts/demo.txt");

/// The room in which the terminal begins.
const FIRST_ROOM: &str = "#ops";

/// What to open or play.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Example: beadle chat --play scripts/demo.txt --stops")]
pub struct ChatArgs {
    /// Plays a transcript, `-` from standard input, and compares.
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Plays it in memory, and again with a stop at every append.
    #[arg(long, requires = "play")]
    stops: bool,
    /// Where to listen for webhooks: an address with a port; without it `[web] listen` says so, else nowhere.
    #[arg(long, value_name = "ADDR", conflicts_with = "play")]
    listen: Option<String>,
    /// Serves a player through standard input and output.
    #[arg(long, hide = true)]
    child: bool,
}

/// Opens the rooms, or plays.
pub fn main(context: &Context, args: &ChatArgs) -> Result<u8, Failure> {
    if args.child {
        return child(context);
    }
    match &args.play {
        Some(file) => play_file(context, file, args.stops),
        None if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() => {
            rooms(context, args)
        }
        None => {
            let transcript = transcript("scripts/demo.txt", DEMO)?;
            let shipped = tempfile::Builder::new().prefix("beadle-").tempdir()?;
            crate::app::unpack_scripts(shipped.path())?;
            let scripts = shipped.path().to_owned();
            play(
                context,
                &transcript,
                runner::setup(&transcript, Path::new("."), &scripts),
                Path::new("."),
            )
        }
    }
}

fn transcript(name: &str, text: &str) -> Result<Transcript, Failure> {
    let hint = "a line is `> name: text`, `< bot: text`, `(directive …)` or `# comment`";
    parse(name, text).map_err(|error| Failure::new(3, error).hint(hint))
}

fn play_file(context: &Context, file: &Path, with_stops: bool) -> Result<u8, Failure> {
    let (name, text) = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            ("standard input".to_owned(), text)
        }
        _ => {
            let text = std::fs::read_to_string(file);
            let unreadable =
                |why| Failure::new(1, format!("cannot read {}: {why}", file.display()));
            (file.display().to_string(), text.map_err(unreadable)?)
        }
    };
    let transcript = transcript(&name, &text)?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let setup = runner::setup(&transcript, &folder, &context.scripts()?);
    if !with_stops {
        return play(context, &transcript, setup, &folder);
    }
    let entropy = Arc::new(SystemEntropy);
    let mut print = |line: &str| out!("{line}");
    let run = stops::all(&transcript, &folder, &setup, entropy, &mut print);
    let done =
        context.runtime()?.block_on(run).map_err(|difference| Failure::new(1, difference))?;
    match context.json() {
        true => out!(
            "{}",
            json!({ "transcript": name, "appends": done.appends, "in_doubt_runs": done.in_doubt })
        ),
        false => out!(
            "# as written, and with a stop at each of {} appends; in doubt in {} runs",
            done.appends,
            done.in_doubt
        ),
    }
    Ok(0)
}

/// Plays a transcript on a log on disk; every `(restart)` is a SIGKILL.
fn play(
    context: &Context,
    transcript: &Transcript,
    setup: Setup,
    folder: &Path,
) -> Result<u8, Failure> {
    let given = data_of_play(context)?;
    let fresh = tempfile::Builder::new().prefix("beadle-").tempdir()?;
    let data = given.unwrap_or_else(|| fresh.path().to_owned());
    if !context.json() {
        out!("# {} on the log in {}", transcript.name, data.display());
    }
    let world = World::new();
    let program = std::env::current_exe()?.display().to_string();
    let data = data.display().to_string();
    let command = [program.as_str(), "chat", "--child", "--quiet", "--data", data.as_str()];
    let mut bot = ChildBot::new(world.clone(), command.map(str::to_owned).to_vec());
    bot.start(&setup).map_err(|error| match error {
        BotError::Damaged(_) => Failure::new(4, error)
            .hint("nothing was changed; keep a copy of the data directory and restore a backup"),
        error => Failure::new(1, error),
    })?;
    let as_json = context.json();
    let mut print = |line: &str| match as_json {
        true => out!("{}", json!({ "line": line })),
        false => out!("{line}"),
    };
    let run = runner::play(transcript, folder, setup, &world, &mut bot, false, &mut print);
    context.runtime()?.block_on(run).map_err(|difference| Failure::new(1, difference))?;
    Ok(0)
}

/// The bot's side of a transcript that is played on disk.
fn child(context: &Context) -> Result<u8, Failure> {
    let data = context.data()?;
    let clock = HandClock::new();
    let open = |clock: Arc<dyn Clock>| -> Result<Arc<dyn EventStore>, BotError> {
        let surroundings = Surroundings { clock, entropy: Arc::new(SystemEntropy) };
        let opened = SledStore::open(&data, surroundings, Options::default());
        let (store, _) = opened.map_err(|error| match error {
            OpenError::Damaged { .. } => BotError::Damaged(error.to_string()),
            error => BotError::Process(error.to_string()),
        })?;
        Ok(Arc::new(store))
    };
    let served = context.runtime()?.block_on(serve(clock, open));
    served.map(|()| 0).map_err(|error| Failure::new(1, error))
}

/// Where the terminal room has its log: never in that of a bot on Matrix, whose record it would falsify.
fn data_of_rooms(context: &Context) -> Result<PathBuf, Failure> {
    let data = context.data()?;
    match (of_matrix(&data), &context.global.data) {
        (false, _) => Ok(data),
        (true, None) => Ok(data.join("terminal")),
        (true, Some(_)) => Err(belongs_to_matrix(&data)),
    }
}

/// Where a transcript that is played has its log, if somebody says where.
fn data_of_play(context: &Context) -> Result<Option<PathBuf>, Failure> {
    match &context.global.data {
        Some(data) if of_matrix(data) => Err(belongs_to_matrix(data)),
        given => Ok(given.clone()),
    }
}

fn of_matrix(data: &Path) -> bool {
    data.join("matrix").exists()
}

fn belongs_to_matrix(data: &Path) -> Failure {
    let what = format!("{} belongs to a bot on Matrix", data.display());
    Failure::new(2, what).hint("name another directory with --data")
}

/// The terminal room.
fn rooms(context: &Context, args: &ChatArgs) -> Result<u8, Failure> {
    let config = listening(context.config.clone(), args.listen.as_deref())?;
    let data = data_of_rooms(context)?;
    crate::store::disk::make_dir(&data)?;
    let (store, opened) = open_log(context, &data)?;
    told(&opened);
    let store = Arc::new(store);
    let mut editor = rustyline::DefaultEditor::new().map_err(|why| Failure::new(1, why))?;
    let terminal = Arc::new(Terminal::new(printer(&mut editor)));
    remember_posts(store.as_ref(), &terminal)?;
    // Everything here is one person's own; the log is asked about where the prompt begins.
    let asking_room = Some(RoomId(FIRST_ROOM.to_owned()));
    let policy = Some(context.policy()?);
    let settings = Settings { asking_room, policy, ..settings_of_rooms(&context.config) };
    let scripts = context.scripts()?;
    let runtime = context.runtime()?;
    let _guard = runtime.enter();
    let opened = kernel(
        store.clone(),
        (&scripts, &context.config.budgets),
        terminal.clone(),
        settings,
        outside(&context.config),
    );
    let (kernel, problems) = opened.map_err(|why| Failure::new(4, why))?;
    let among = kernel.scripts.offered().set.wrong();
    for problem in kernel.policies.problems() {
        eprintln!("{}", super::policy::shown(problem));
    }
    problems.iter().chain(&among).for_each(|problem| eprintln!("{problem}"));
    *kernel.names.write().expect("nobody panics with them") =
        vec!["beadle".into(), "bot".into(), format!("@beadle:{SERVER}")];
    let taken = runtime.block_on(door::take(door::of_chat(&config)))?;
    let (stop, stopping) = watch::channel(false);
    let address = taken.as_ref().map(|taken| taken.address);
    let socket = answering(&store, &kernel, (&data, address), stopping.clone());
    out!("beadle, the terminal room. Log: {}. Scripts: {}.", data.display(), scripts.display());
    let prefix = &context.config.prefix;
    out!("Try  {prefix}help   ·   {prefix}create vm web001 on aws   ·   {prefix}delete vm web001");
    out!("/as ben   /room #dev   /reply yes   /thread yes   /react 👍   /edit   /delete   /quit");
    if let Some(address) = address {
        out!("webhooks: http://{address}/hooks/NAME");
    }
    let ear = Arc::new(ear(&kernel, &data));
    let opened = taken.map(|taken| taken.open(parts(&ear, &kernel, &config, &data), &config));
    let (lines, typed) = mpsc::channel(16);
    let plain = prints_lines(std::env::var("TERM").ok().as_deref());
    let reader = std::thread::spawn(move || read_lines(&mut editor, &lines, plain));
    let ended = runtime.block_on(async {
        let work = tokio::spawn(schedule::run(kernel.clone(), stopping.clone()));
        let heads = tokio::spawn(tree_head::run(kernel.clone(), stopping.clone()));
        let known = secrets(&context.config);
        let sensing = tokio::spawn(sensors::run(kernel.clone(), ear.clone(), known, stopping));
        let after_saves = async {
            if context.config.scripts_reload {
                let shown = terminal.clone();
                crate::app::saved::follow(
                    kernel.clone(),
                    problems,
                    async |text: Option<String>| {
                        text.into_iter().for_each(|text| shown.print(text));
                    },
                )
                .await;
            }
            std::future::pending::<Result<(), Failure>>().await
        };
        let talked = tokio::select! {
            talked = talk(&ear, &store, &terminal, typed) => talked,
            never = after_saves => never,
            failed = crate::app::policies::follow(&kernel, |told| terminal.print(told)) => {
                Err(Failure::new(1, failed))
            }
        };
        stop.send_replace(true);
        if let Some(door) = opened {
            door.close().await;
        }
        if let Some(socket) = socket {
            socket.abort();
            control::remove(&data);
        }
        let worked =
            work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let signed =
            heads.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let sensed =
            sensing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        let last = tree_head::finish(&kernel).await;
        talked.and(worked.and(signed).and(sensed).and(last).map_err(|why| Failure::new(1, why)))
    });
    kernel.keep_agenda().map_err(|why| Failure::new(1, why))?;
    store.close();
    drop(reader);
    ended.map(|()| 0)
}

/// Prints above the prompt where the terminal can do that, else below what is being typed.
fn printer(editor: &mut rustyline::DefaultEditor) -> Printer {
    match editor.create_external_printer() {
        Ok(mut printer) => Box::new(move |line: String| {
            use rustyline::ExternalPrinter;
            // A terminal that is gone ends the input as well.
            let _ = printer.print(format!("{line}\n"));
        }),
        Err(_) => Box::new(|line: String| out!("{line}")),
    }
}

/// Takes in what happens in these rooms and what is posted.
fn ear(kernel: &Arc<Kernel>, data: &Path) -> Ear {
    let reserve = Some(Reserve::of(data));
    Ear::new(kernel.clone()).guarded(Guard::new(Arc::new(DiskOf(data.to_owned())), reserve))
}

/// What the web listener works with.
fn parts(ear: &Arc<Ear>, kernel: &Arc<Kernel>, config: &Config, data: &Path) -> Parts {
    Parts {
        ear: ear.clone(),
        kernel: kernel.clone(),
        secrets: secrets(config),
        entropy: Arc::new(SystemEntropy),
        data: Some(data.to_owned()),
        connects: false,
        bounds: Bounds::default(),
    }
}

/// Answers the command line while the rooms are open; none: they are open all the same.
fn answering(
    store: &Arc<SledStore>,
    kernel: &Arc<Kernel>,
    (data, web): (&Path, Option<SocketAddr>),
    stopping: watch::Receiver<bool>,
) -> Option<JoinHandle<()>> {
    let desk = Desk {
        store: store.clone(),
        clock: kernel.clock.clone(),
        data: data.to_owned(),
        matrix: None,
        runtime: tokio::runtime::Handle::current(),
        audit_room: Box::new(|| None),
        followers: Default::default(),
        hands: Hands::Bot(kernel.clone()),
        web,
    };
    let served = control::serve(Arc::new(desk), data, stopping);
    served.inspect_err(|why| eprintln!("the command line cannot reach these rooms: {why}")).ok()
}

/// Finds the bot's last message in each room of an earlier visit, for reactions.
fn remember_posts(store: &dyn EventStore, terminal: &Terminal) -> Result<(), Failure> {
    let page = store.read_all(Position::END, Direction::Backward, READ_EVENTS_MAX);
    let page = page.map_err(|why| Failure::new(4, why))?;
    let mut sent: std::collections::BTreeMap<MessageId, crate::domain::id::PostId> =
        Default::default();
    let mut last = vec![];
    for recorded in &page {
        match recorded.event() {
            Some(Event::MessageSent(event)) => {
                sent.insert(MessageId(recorded.id.stream.id().to_owned()), event.post.clone());
            }
            Some(Event::MessageQueued(event)) if event.edits.is_none() => {
                let post = sent.get(&event.message).cloned();
                last.extend(post.map(|post| (event.place.room.clone(), post)));
            }
            _ => {}
        }
    }
    last.into_iter().rev().for_each(|(room, post)| terminal.remember(room, post));
    Ok(())
}
