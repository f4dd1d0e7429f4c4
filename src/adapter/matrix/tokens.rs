//! Keeps new tokens, where the homeserver lets the old ones expire: on disk before they are used.
//!
//! A process that dies between the answer and the disk loses nothing: the homeserver takes the old refresh token again
//! for as long as the new tokens were not used.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use matrix_sdk::Client;

use super::session::{Secret, Session, SessionError};
use super::trouble::Trouble;

/// The session file of a running bot.
#[derive(Debug)]
pub(super) struct Tokens {
    session: Mutex<Session>,
    dir: PathBuf,
    unsaved: AtomicBool,
}

impl Tokens {
    /// Those of a session in a matrix folder.
    pub fn of(session: Session, dir: PathBuf) -> Arc<Self> {
        Arc::new(Self { session: Mutex::new(session), dir, unsaved: AtomicBool::new(false) })
    }

    /// Has the SDK bring every new token here.
    pub fn keep(self: &Arc<Self>, client: &Client) -> Result<(), Trouble> {
        let data_dir = self.dir.parent().map(Path::to_path_buf).unwrap_or_default();
        let reload = move |_| {
            let session = Session::load(&data_dir)?.and_then(|session| session.to_sdk());
            Ok(session.ok_or("the session file is gone")?.tokens)
        };
        let tokens = self.clone();
        let save = move |client: Client| Ok(tokens.save(&client)?);
        let kept = client.set_session_callbacks(Box::new(reload), Box::new(save));
        kept.map_err(|error| (&error).into())
    }

    /// Tries again to keep what could not be kept when it came: until then a restart would be a logout.
    pub fn keep_unsaved(&self, client: &Client) {
        if self.unsaved.load(Ordering::Relaxed)
            && let Err(error) = self.save(client)
        {
            tracing::error!(%error, "the new access token cannot be kept: a restart would need a new login");
        }
    }

    fn save(&self, client: &Client) -> Result<(), SessionError> {
        let Some(tokens) = client.session_tokens() else { return Ok(()) };
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.access_token = Secret::new(tokens.access_token);
        session.refresh_token = tokens.refresh_token.map(Secret::new);
        let saved = session.save(&self.dir);
        self.unsaved.store(saved.is_err(), Ordering::Relaxed);
        saved
    }
}
