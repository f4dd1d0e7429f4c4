//! Asking about the log: of the running bot through its socket, or of the log itself when no bot runs.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::follow::without_waiting;
use super::progress::Bar;
use super::proof::as_it_is;
use super::{Context, Failure};
use crate::app::desk::Desk;
use crate::app::orders::Hands;
use crate::app::{SystemClock, kernel_alone};
use crate::control::{self, Answers};
use crate::domain::id::RoomId;
use crate::query::command::{Gone, Refusal, Request, Sink};
use crate::query::question::Ask;
use crate::store::sled::SledStore;
use crate::store::{OpenError, Opened};

/// Takes the rows of an answer as they come, and shows how far a long one is.
struct Shown<'a> {
    take: &'a mut dyn FnMut(Value) -> Result<(), Failure>,
    failed: Option<Failure>,
    bar: Bar,
}

impl Sink for Shown<'_> {
    fn row(&mut self, row: Value) -> Result<(), Gone> {
        let taken = self.bar.aside(|| (self.take)(row));
        taken.map_err(|failure| {
            self.failed = Some(failure);
            Gone
        })
    }

    fn progress(&mut self, what: &str, done: u64, total: u64) -> Result<(), Gone> {
        self.bar.step(what, done, total);
        Ok(())
    }
}

/// Asks, and hands out the rows of the answer as they come.
///
/// # Errors
/// [`Failure`] if there is no log or no answer, or what `take` says.
pub fn ask(
    context: &Context,
    request: &Request,
    take: &mut dyn FnMut(Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let data = context.data()?;
    if !data.join("log").is_dir() {
        let what = format!("there is no log in {}", data.display());
        return Err(Failure::new(1, what).hint("name the data directory with --data"));
    }
    let mut sink = Shown { take, failed: None, bar: Bar::new(context.global.quiet) };
    let answered = match control::ask(&data, request, &mut sink)? {
        Some(answered) => answered,
        None => ask_log(context, &data, request, &mut sink)?,
    };
    sink.bar.end();
    if let Some(failure) = sink.failed {
        return Err(failure);
    }
    answered.map_err(refused)
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Damaged(what) => Failure::new(4, what),
        Refusal::NotFound(what) | Refusal::Unreadable(what) | Refusal::Invalid(what) => {
            Failure::new(1, what)
        }
        Refusal::Gone => Failure::new(1, "nobody reads the answer any more"),
    }
}

/// Asks a running bot for events and for those to come, until it ends; without one, and only if `alone`, for what is
/// there.
///
/// # Errors
/// As [`ask`].
pub fn ask_live(
    context: &Context,
    question: Ask,
    alone: bool,
    take: &mut dyn FnMut(Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let data = context.data()?;
    let mut failed = None;
    let mut sink = Shown { take, failed: None, bar: Bar::new(true) };
    let answered = control::ask(&data, &Request::LogQuery(Box::new(question.clone())), &mut sink);
    std::mem::swap(&mut failed, &mut sink.failed);
    match (failed, answered) {
        (Some(failure), _) => Err(failure),
        // The bot has ended: it is waited for.
        (None, Err(_)) => Ok(()),
        (None, Ok(Some(answered))) => answered.map_err(refused),
        (None, Ok(None)) if !alone => Ok(()),
        (None, Ok(None)) => ask(context, &without_waiting(question), take),
    }
}

/// Asks, and gives all rows of the answer. For answers that are short.
///
/// # Errors
/// As [`ask`].
pub fn rows(context: &Context, request: &Request) -> Result<Vec<Value>, Failure> {
    let mut rows = vec![];
    ask(context, request, &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// Opens a log, with a bar if its event store is made anew.
///
/// # Errors
/// [`OpenError`] if it cannot be opened.
pub fn open_log(context: &Context, data: &Path) -> Result<(SledStore, Opened), OpenError> {
    let bar = Arc::new(Mutex::new(Bar::new(context.global.quiet)));
    let shown = bar.clone();
    let locked = |bar: &Mutex<Bar>, act: &dyn Fn(&mut Bar)| {
        act(&mut bar.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let step = move |done, total| {
        locked(&shown, &|bar| bar.step("events taken into the event store", done, total));
    };
    let opened = crate::app::open_log_telling(data, Arc::new(step));
    locked(&bar, &Bar::end);
    opened
}

/// Who does without a bot what is ordered.
fn hands(context: &Context) -> Hands {
    let context = context.clone();
    Hands::Later(Box::new(move |store| match context.paths() {
        Ok(paths) => Ok(kernel_alone(store, &paths, &context.config)?),
        Err(failure) => Err(Refusal::Unreadable(failure.message)),
    }))
}

/// No bot runs: the log is opened for this one question.
fn ask_log(
    context: &Context,
    data: &Path,
    request: &Request,
    sink: &mut dyn Sink,
) -> Result<Result<(), Refusal>, Failure> {
    match request {
        Request::LogVerify => return as_it_is(context, data, &[], None, sink),
        Request::LogVerifyAgainst { claims, room } => {
            return as_it_is(context, data, claims, room.as_deref(), sink);
        }
        Request::LogKey => {
            let key = crate::store::verify::key_of(data, &crate::app::surroundings())?;
            return Ok(sink.row(json!({ "key": key.as_str() })).map_err(Refusal::from));
        }
        _ => {}
    }
    let (store, opened) = open_log(context, data).map_err(|error| match error {
        OpenError::Locked { .. } => Failure::new(5, &error).hint(
            "the process that has it does not answer; if that is a bot that hangs, restart it",
        ),
        error => error.into(),
    })?;
    crate::app::told(&opened);
    let runtime = context.runtime()?;
    let desk = Desk {
        store: Arc::new(store),
        clock: Arc::new(SystemClock),
        data: data.to_owned(),
        matrix: None,
        runtime: runtime.handle().clone(),
        audit_room: {
            let room = context.config.audit_room.clone().map(RoomId);
            Box::new(move || room.clone())
        },
        followers: Default::default(),
        hands: hands(context),
        web: None,
    };
    let answered = desk.answer(&control::unix_user(nix::unistd::geteuid()), request, sink);
    desk.store.close();
    Ok(answered)
}
