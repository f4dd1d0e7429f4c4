//! What the command line can ask for: the same answers from a running bot and from a log that no bot has open.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::adapter::matrix::Matrix;
use crate::control::Answers;
use crate::domain::id::{RoomId, UserId};
use crate::processor::{self, tree_head};
use crate::query::command::{self, Refusal, Request, Sink};
use crate::query::proof::{gather, report_against};
use crate::store::history::{Claim, Outside};
use crate::store::proof::Key;
use crate::store::sled::SledStore;
use crate::store::{Clock, EventStore};

/// Who answers, with all that an answer may need.
pub struct Desk {
    /// The log.
    pub store: Arc<SledStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The data directory.
    pub data: PathBuf,
    /// The connection of the running bot.
    pub matrix: Option<Arc<Matrix>>,
    /// Where waiting is done: an answer itself runs on a thread that may block.
    pub runtime: Handle,
    /// Where signed heads are published now.
    pub audit_room: Box<dyn Fn() -> Option<RoomId> + Send + Sync>,
}

impl Answers for Desk {
    fn answer(&self, _by: &UserId, request: &Request, sink: &mut dyn Sink) -> Result<(), Refusal> {
        match request {
            Request::LogHead => {
                let standing = self.head(sink)?;
                Ok(sink.row(shown(&standing))?)
            }
            Request::LogKey => Ok(sink.row(json!({ "key": self.store.verifier_key() }))?),
            Request::LogProve { event, without_payload } => {
                self.prove(event, !without_payload, sink)
            }
            Request::LogVerifyAgainst { claims, room } => {
                self.verify(claims, room.as_deref(), sink)
            }
            request => command::answer(&self.store, request, sink),
        }
    }
}

impl Desk {
    /// The head of the log as it is, made if there is none.
    fn head(&self, sink: &mut dyn Sink) -> Result<tree_head::Standing, Refusal> {
        let store: Arc<dyn EventStore> = self.store.clone();
        let (room, now) = ((self.audit_room)(), self.clock.now());
        // A reader that is gone does not keep a head from being made.
        let mut told = |done, total| {
            let _ = sink.progress("events hashed", done, total);
        };
        let made = tree_head::record(&store, room.as_ref(), now, &self.runtime, &mut told);
        let made = made.map_err(|error| match error {
            processor::Error::Read(error) => error.into(),
            processor::Error::Append(error) => Refusal::Unreadable(error.to_string()),
        })?;
        made.ok_or_else(|| Refusal::NotFound("this log keeps no heads".into()))
    }

    fn prove(&self, event: &str, with_payload: bool, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let position = command::find(&self.store, event)?.position;
        let (last, _) = tree_head::last(self.store.as_ref())?;
        let standing = match last.filter(|last| last.head.size > position.0) {
            Some(last) => last,
            None => self.head(sink)?,
        };
        if standing.head.size <= position.0 {
            let what = format!("event {position} is about the newest head: the next one signs it");
            return Err(Refusal::NotFound(what));
        }
        let mut told = |done, total| {
            let _ = sink.progress("events hashed", done, total);
        };
        let proof = self.store.prove(position, &standing.head, with_payload, &mut told)?;
        Ok(sink.row(serde_json::to_value(proof).unwrap_or_default())?)
    }

    fn verify(
        &self,
        claims: &[Claim],
        room: Option<&str>,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let mut outside = Outside { claims: claims.to_vec(), ..Outside::default() };
        if let Some(room) = room {
            let Some(matrix) = &self.matrix else {
                return Err(Refusal::Invalid("there is no connection to read a room with".into()));
            };
            let key = Key::parse(&self.store.verifier_key());
            let key = key.map_err(|error| Refusal::Unreadable(error.to_string()))?;
            let read = self.runtime.block_on(matrix.own_posts(room));
            gather(&mut outside, &key, &read.map_err(Refusal::NotFound)?, room)?;
        }
        let mut told = |done, total| {
            let _ = sink.progress("events checked", done, total);
        };
        let verified = self.store.verify_against(&outside.claims, &mut told);
        let verified = verified.map_err(|error| Refusal::Damaged(error.to_string()))?;
        Ok(sink.row(report_against(&verified, &outside))?)
    }
}

/// A head, as it is printed.
fn shown(standing: &tree_head::Standing) -> Value {
    let head = &standing.head;
    json!({
        "size": head.size, "root": head.root, "note": head.note, "key": head.key,
        "position": standing.position,
    })
}
