//! Posts whose keys come late: they are fetched and tried again when a key arrives, soon after they came, and now and then.
//!
//! The log knows which posts wait; what is here is lost with the process and filled from the log at the start. A post that
//! can be read is handed over as a trigger of its own, in one write with the fact that it was read.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use matrix_sdk::Room;
use matrix_sdk::deserialized_responses::{
    TimelineEvent, TimelineEventKind, UnableToDecryptInfo, UnableToDecryptReason,
};
use matrix_sdk::ruma::{EventId, RoomId as MatrixRoomId};
use tokio::time::{Instant, sleep_until};

use super::client::Matrix;
use super::inbound;
use super::missing::{Missing, MissingPosts};
use super::pace::now;
use super::timeline::Seen;
use super::trouble::Trouble;
use crate::adapter::{Found, IntakeError, Reread, Unread};
use crate::domain::trigger::{Trigger, What};

/// How long after an unreadable post everything is tried: for keys that came beside the stream of keys, and for notices
/// that they are withheld.
pub const SWEEP_SOON_MS: u64 = 20_000;
/// How often everything is tried while nothing happens.
pub const SWEEP_EVERY_MS: u64 = 10 * 60_000;
/// How soon a post is tried again that was not decided on yet.
const SWEEP_UNDECIDED_MS: u64 = 1_000;
/// Longest code of a withheld key that is passed on, in characters.
const CODE_CHARS_MAX: usize = 64;

/// What a second look at a post showed.
#[derive(Debug, PartialEq)]
enum Look {
    /// It can be read.
    Read(Seen),
    /// It cannot be read yet.
    Still { session: Option<String>, withheld: Option<String> },
    /// It was deleted.
    Deleted,
    /// It could not be looked at.
    Nothing,
    /// The homeserver shows nothing just now.
    NotNow,
}

/// How soon something is to be tried again, if before the next sweep.
type Again = Option<Duration>;

/// The sooner of two.
fn sooner(one: Again, other: Again) -> Again {
    one.into_iter().chain(other).min()
}

/// The unreadable ones among a room's triggers, with the sessions that their events name.
pub(super) fn missing(triggers: &[Trigger], events: &[Seen]) -> Vec<Missing> {
    let of = |trigger: &Trigger| {
        let What::Undecryptable(event) = &trigger.what else { return None };
        let post = event.post.as_str();
        let seen = events.iter().find(|seen| seen.text("event_id") == post);
        let session = seen.and_then(|seen| seen.event["content"]["session_id"].as_str());
        let (key, room) = (trigger.key.clone(), event.place.room.clone());
        let unread = Unread { key, room, post: event.post.clone(), since: now() };
        Some(Missing { unread, session: session.map(str::to_owned) })
    };
    triggers.iter().filter_map(of).collect()
}

impl Matrix {
    /// Takes in posts whose keys are missing, when they are recorded.
    pub(super) fn miss(&self, missing: Vec<Missing>) {
        if missing.is_empty() {
            return;
        }
        for post in missing {
            self.miss_one(post);
        }
        self.missed.notify_one();
    }

    fn miss_one(&self, missing: Missing) {
        if let Some(oldest) = self.waiting().add(missing) {
            let (room, post) = (oldest.unread.room, oldest.unread.post);
            tracing::warn!(%room, %post, "too many posts cannot be read: the oldest is not tried again");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, MissingPosts> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries unreadable posts again whenever that may help; ends only when nothing can be recorded.
    pub(super) async fn watch_late_keys(&self) -> IntakeError {
        let waiting = match self.intake.unread() {
            Ok(waiting) => waiting,
            Err(error) => return error,
        };
        waiting.into_iter().for_each(|unread| self.miss_one(Missing { unread, session: None }));
        loop {
            // It ends if the SDK begins anew with its keys: then they are listened for anew.
            if let Some(keys) = self.client.encryption().room_keys_received_stream().await {
                let keys = keys.map(|keys| {
                    let keys = keys.ok()?.into_iter();
                    Some(keys.map(|key| (key.room_id.to_string(), key.session_id)).collect())
                });
                if let Err(error) = self.watch(Box::pin(keys)).await {
                    return error;
                }
            }
            tokio::time::sleep(Duration::from_millis(SWEEP_SOON_MS)).await;
        }
    }

    /// `keys` names the rooms and sessions of keys as they arrive; nothing: some were missed.
    async fn watch(
        &self,
        mut keys: impl Stream<Item = Option<Vec<(String, String)>>> + Unpin,
    ) -> Result<(), IntakeError> {
        let mut ready = self.ready();
        // The sender lives as long as this account.
        let _ = ready.wait_for(|ready| *ready).await;
        let mut next = Instant::now();
        loop {
            let again = tokio::select! {
                arrived = keys.next() => match arrived {
                    Some(Some(arrived)) => self.keys_arrived(&arrived).await?,
                    Some(None) => self.try_all().await?,
                    None => return Ok(()),
                },
                () = self.missed.notified() => Some(Duration::from_millis(SWEEP_SOON_MS)),
                () = sleep_until(next) => {
                    next = Instant::now() + Duration::from_millis(SWEEP_EVERY_MS);
                    self.try_all().await?
                }
            };
            next = again.map_or(next, |again| next.min(Instant::now() + again));
        }
    }

    /// Tries what these keys may open.
    async fn keys_arrived(&self, keys: &[(String, String)]) -> Result<Again, IntakeError> {
        if self.intake.closed().await?.is_some() {
            return Ok(not_now());
        }
        let mut posts: Vec<u64> = {
            let waiting = self.waiting();
            keys.iter().flat_map(|(room, session)| waiting.of_session(room, session)).collect()
        };
        posts.sort_unstable();
        posts.dedup();
        let mut again = None;
        for post in posts {
            again = sooner(again, self.try_one(post).await?);
        }
        Ok(again)
    }

    /// Tries everything, or as much as the homeserver shows.
    async fn try_all(&self) -> Result<Again, IntakeError> {
        if self.intake.closed().await?.is_some() {
            return Ok(not_now());
        }
        let groups = {
            let mut waiting = self.waiting();
            waiting.forget_old(now());
            waiting.groups()
        };
        let mut again = None;
        for group in groups {
            let Some(last) = group.last().and_then(|last| self.waiting().get(*last)) else {
                continue;
            };
            match self.look(&last.unread).await {
                Look::NotNow => return Ok(sooner(again, not_now())),
                Look::Nothing => {}
                Look::Still { session, withheld } => {
                    for post in group {
                        let still = self.still(post, session.as_deref(), withheld.clone());
                        again = sooner(again, still.await?);
                    }
                }
                // In their order: the oldest first.
                Look::Read(_) | Look::Deleted => {
                    for post in group {
                        again = sooner(again, self.try_one(post).await?);
                    }
                }
            }
        }
        Ok(again)
    }

    /// Tries one post.
    async fn try_one(&self, number: u64) -> Result<Again, IntakeError> {
        let Some(missing) = self.waiting().get(number) else { return Ok(None) };
        let found = match self.look(&missing.unread).await {
            Look::NotNow => return Ok(not_now()),
            Look::Nothing => return Ok(None),
            Look::Still { session, withheld } => {
                return self.still(number, session.as_deref(), withheld).await;
            }
            Look::Deleted => Found::Gone("it was deleted".into()),
            Look::Read(seen) => Found::Read(self.late(&missing.unread, seen).await),
        };
        let Unread { key, room, post, .. } = missing.unread;
        if !self.intake.reread(Reread { key, found }).await? {
            return Ok(undecided());
        }
        tracing::info!(%room, %post, "a post whose key was missing is settled");
        self.waiting().remove(number);
        Ok(None)
    }

    /// A post cannot be read yet; why its key is withheld is recorded.
    async fn still(
        &self,
        number: u64,
        session: Option<&str>,
        withheld: Option<String>,
    ) -> Result<Again, IntakeError> {
        let Some(missing) = self.waiting().get(number) else { return Ok(None) };
        if let Some(session) = session {
            self.waiting().note_session(number, session);
        }
        let Some(code) = withheld else { return Ok(None) };
        let reread = Reread { key: missing.unread.key, found: Found::Withheld(code) };
        let recorded = self.intake.reread(reread).await?;
        Ok(if recorded { None } else { undecided() })
    }

    /// The trigger that a post is now that it can be read, with a key of its own.
    async fn late(&self, unread: &Unread, seen: Seen) -> Option<Box<Trigger>> {
        let room = self.room(unread)?;
        let trigger = self.triggers(&room, &[seen]).await.pop()?;
        let (room, post) = (unread.room.as_str(), unread.post.as_str());
        let key = inbound::late_key(self.user.as_str(), room, post);
        Some(Box::new(Trigger { key, ..trigger }))
    }

    fn room(&self, unread: &Unread) -> Option<Room> {
        let id = <&MatrixRoomId>::try_from(unread.room.as_str()).ok()?;
        self.client.get_room(id)
    }

    /// Fetches a post and tries to read it.
    async fn look(&self, unread: &Unread) -> Look {
        let (Some(room), Ok(post)) =
            (self.room(unread), <&EventId>::try_from(unread.post.as_str()))
        else {
            return Look::Nothing;
        };
        match room.event(post, None).await {
            Ok(event) => look(&event),
            Err(error) => {
                let trouble = Trouble::from(&error);
                let reason = trouble.reason();
                tracing::debug!(room = %unread.room, post = %unread.post, reason, "post not fetched");
                if trouble.passes() { Look::NotNow } else { Look::Nothing }
            }
        }
    }
}

/// The decision on a post is under way.
fn undecided() -> Again {
    Some(Duration::from_millis(SWEEP_UNDECIDED_MS))
}

/// The homeserver may answer again, or the log take something in.
fn not_now() -> Again {
    Some(Duration::from_millis(SWEEP_SOON_MS))
}

/// What a fetched event shows.
fn look(event: &TimelineEvent) -> Look {
    if let TimelineEventKind::UnableToDecrypt { utd_info, .. } = &event.kind {
        let session = utd_info.session_id.clone();
        return Look::Still { session, withheld: withheld(utd_info) };
    }
    match Seen::read(event) {
        None => Look::Nothing,
        Some(seen) if seen.text("type") != "m.room.encrypted" => Look::Read(seen),
        Some(seen) if seen.event["content"]["algorithm"].is_string() => Look::Nothing,
        Some(_) => Look::Deleted,
    }
}

/// Matrix's code for why a key is kept back.
fn withheld(info: &UnableToDecryptInfo) -> Option<String> {
    match &info.reason {
        UnableToDecryptReason::MissingMegolmSession { withheld_code } => {
            withheld_code.as_ref().map(|code| code.as_str().chars().take(CODE_CHARS_MAX).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::deserialized_responses::WithheldCode;
    use matrix_sdk::ruma::serde::Raw;
    use serde_json::{Value, json};

    use super::*;

    fn plain(event: Value) -> TimelineEvent {
        TimelineEvent::from_plaintext(Raw::new(&event).expect("JSON").cast_unchecked())
    }

    fn sealed(reason: UnableToDecryptReason) -> TimelineEvent {
        let event = json!({"type": "m.room.encrypted", "event_id": "$1", "content": {}});
        let info = UnableToDecryptInfo { session_id: Some("S".into()), reason };
        TimelineEvent::from_utd(Raw::new(&event).expect("JSON").cast_unchecked(), info)
    }

    fn shown(event: &TimelineEvent) -> String {
        match look(event) {
            Look::Read(seen) => format!("read {}", seen.text("type")),
            Look::Still { session, withheld } => {
                format!("still {} {}", session.unwrap_or_default(), withheld.unwrap_or_default())
            }
            Look::Deleted => "deleted".into(),
            Look::Nothing | Look::NotNow => "nothing".into(),
        }
    }

    #[test]
    fn a_second_look_shows_what_became_of_a_post() {
        let missing = |withheld_code| UnableToDecryptReason::MissingMegolmSession { withheld_code };
        let long = WithheldCode::from("x".repeat(CODE_CHARS_MAX + 1));
        let cut = format!("still S {}", "x".repeat(CODE_CHARS_MAX));
        let encrypted = |content: Value| json!({"type": "m.room.encrypted", "content": content});
        for (event, want) in [
            (plain(json!({"type": "m.room.message"})), "read m.room.message"),
            (plain(encrypted(json!({}))), "deleted"),
            (plain(encrypted(json!({"algorithm": "m.megolm"}))), "nothing"),
            (sealed(missing(None)), "still S "),
            (sealed(missing(Some(WithheldCode::Unverified))), "still S m.unverified"),
            (sealed(missing(Some(long))), cut.as_str()),
            (sealed(UnableToDecryptReason::UnknownMegolmMessageIndex), "still S "),
        ] {
            assert_eq!(shown(&event), want);
        }
    }
}
