//! A bot that is driven step by step: nothing happens by itself, and each step is done before the next.

use std::path::Path;
use std::sync::Arc;

use super::world::BOT;
use crate::adapter::{Chat, Incoming, Intake, Redaction, Reread};
use crate::domain::id::{Position, Timestamp};
use crate::domain::trigger::Trigger;
use crate::processor::action::Actions;
use crate::processor::intake::Ear;
use crate::processor::policies::PolicyFolder;
use crate::processor::scripts::Scripts;
use crate::processor::{Error, Kernel, Settings};
use crate::query::agenda::Budget;
use crate::script::problem::Problem;
use crate::store::{Clock, Direction, EventStore, READ_EVENTS_MAX};

/// Most steps until everything is done that one thing leads to.
pub const STEPS_MAX: usize = 100_000;

/// Only the first thing is done, then the agenda is looked at again.
const ONE_OF_EACH: Budget = Budget { steps: 1, effects: 1, sends: 1 };

/// A bot on a log.
pub struct Bot {
    kernel: Arc<Kernel>,
    ear: Ear,
}

/// Why a bot cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BotError {
    /// The log has failed, or was stopped for the sake of a test.
    #[error(transparent)]
    Log(#[from] Error),
    /// The scripts have problems.
    #[error("the scripts cannot be loaded:\n{}", .0.iter().map(ToString::to_string).collect::<String>())]
    Scripts(Vec<Problem>),
    /// It never comes to rest.
    #[error("after {STEPS_MAX} steps there is still something to do")]
    Restless,
    /// The log is damaged.
    #[error("{0}")]
    Damaged(String),
    /// The child process is gone or speaks nonsense.
    #[error("the bot's process: {0}")]
    Process(String),
}

impl Bot {
    /// Opens a bot on a log with the scripts of a folder.
    ///
    /// # Errors
    /// [`BotError`] for problems in the scripts, and if the log cannot be read.
    pub fn open(
        store: Arc<dyn EventStore>,
        scripts: &Path,
        chat: Arc<dyn Chat>,
        actions: Arc<dyn Actions>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, BotError> {
        let (scripts, problems) = Scripts::folder(scripts);
        if !problems.is_empty() {
            return Err(BotError::Scripts(problems));
        }
        Self::with(store, scripts, chat, actions, clock, settings)
    }

    /// Opens a bot on a log with scripts that are loaded already.
    ///
    /// # Errors
    /// [`BotError`] if the log cannot be read.
    pub fn with(
        store: Arc<dyn EventStore>,
        scripts: Scripts,
        chat: Arc<dyn Chat>,
        actions: Arc<dyn Actions>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, BotError> {
        let kernel = Kernel::new(store, scripts, chat, actions, clock, settings);
        let kernel = kernel.map_err(Error::from)?;
        *kernel.names.write().expect("nobody panics with them") =
            vec!["beadle".into(), "bot".into(), BOT.into()];
        Ok(Self { ear: Ear::new(kernel.clone()), kernel })
    }

    /// Something happens outside; returns when it is recorded.
    ///
    /// # Errors
    /// [`BotError`] if it could not be recorded.
    pub async fn deliver(&self, trigger: Trigger) -> Result<(), BotError> {
        let incoming = Incoming { triggers: vec![trigger], ..Incoming::default() };
        self.ear.record(incoming).await.map_err(|why| BotError::Process(why.to_string()))
    }

    /// A post was deleted; returns when what follows at once is recorded.
    ///
    /// # Errors
    /// [`BotError`] if it could not be recorded.
    pub async fn redact(&self, redaction: Redaction) -> Result<(), BotError> {
        let incoming = Incoming { redactions: vec![redaction], ..Incoming::default() };
        self.ear.record(incoming).await.map_err(|why| BotError::Process(why.to_string()))
    }

    /// The keys of a post have come; returns when that is recorded.
    ///
    /// # Errors
    /// [`BotError`] if it could not be recorded.
    pub async fn reread(&self, reread: Reread) -> Result<(), BotError> {
        let done = self.ear.reread(reread).await;
        match done.map_err(|why| BotError::Process(why.to_string()))? {
            true => Ok(()),
            false => Err(BotError::Process("the post was not decided on".into())),
        }
    }

    /// The policies are those of another folder from now on; says whether they came into force.
    ///
    /// # Errors
    /// [`BotError`] if the log fails.
    pub async fn reload(&self, policy: &Path) -> Result<bool, BotError> {
        let policies = &self.kernel.policies;
        policies.follow(PolicyFolder { path: policy.to_owned(), shipped: false });
        self.kernel.reload_policies().await?;
        Ok(policies.problems().is_empty())
    }

    /// Does everything that can be done now.
    ///
    /// # Errors
    /// [`BotError`] if the log fails.
    pub async fn settle(&self) -> Result<(), BotError> {
        self.kernel.note_policies().await?;
        for _ in 0..STEPS_MAX {
            self.kernel.catch_up().map_err(Error::from)?;
            let tasks = self.kernel.tasks(&|_| false, ONE_OF_EACH);
            let Some(task) = tasks.first() else { return Ok(()) };
            self.kernel.perform(task).await?;
        }
        Err(BotError::Restless)
    }

    /// Tells whether anything of it is left.
    #[cfg(test)]
    pub(super) fn left(&self) -> std::sync::Weak<Kernel> {
        Arc::downgrade(&self.kernel)
    }

    /// When something becomes due by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.kernel.next_due()
    }

    /// The types of the events from a position on, and the position behind them.
    ///
    /// # Errors
    /// [`BotError`] if the log cannot be read.
    pub fn log(&self, from: Position) -> Result<(Vec<String>, Position), BotError> {
        let (mut kinds, mut next) = (vec![], from);
        loop {
            let page = self.kernel.store.read_all(next, Direction::Forward, READ_EVENTS_MAX);
            let page = page.map_err(Error::from)?;
            let Some(last) = page.last() else { return Ok((kinds, next)) };
            next = last.position.next();
            kinds.extend(page.into_iter().map(|recorded| recorded.kind));
        }
    }
}
