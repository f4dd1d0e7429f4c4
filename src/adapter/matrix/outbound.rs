//! A rendered message → the event it becomes, sent once however often it is tried.

use std::time::Duration;

use futures_util::future::BoxFuture;
use matrix_sdk::ruma::TransactionId;
use matrix_sdk::{Room, RoomState};
use serde_json::{Value, json};

use super::client::{Matrix, request_config};
use super::lookup::is_doubtful;
use super::oversize::fits;
use super::pace::now;
use super::trouble::{TOO_LARGE, Trouble};
use crate::adapter::{Chat, Outgoing, Relation, RoomAct, RoomAnswer, SendError};
use crate::domain::id::{PostId, RoomId};

/// Longest time for one attempt to send, with everything that encryption needs.
pub const SEND_MS_MAX: u64 = 120_000;
/// Longest time to say that the bot is typing.
const TYPING_MS_MAX: u64 = 5_000;
/// Where a message carries its id, so that it can be found when the homeserver has forgotten the transaction.
pub const KEY_FIELD: &str = "dev.beadle.key";

/// Where a message says how many bots have passed it on, so that bots which answer each other find out.
pub const HOPS_FIELD: &str = "dev.beadle.hops";

impl Chat for Matrix {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        Box::pin(async move {
            let limit = Duration::from_millis(SEND_MS_MAX);
            match tokio::time::timeout(limit, self.send_once(outgoing)).await {
                Ok(result) => result,
                // Each request has a bound of its own: many of them took too long, for the keys of this room's devices.
                Err(_) => {
                    Err(SendError::Stuck { reason: "it takes too long to send there".into() })
                }
            }
        })
    }

    fn rooms<'a>(&'a self, act: &'a RoomAct) -> BoxFuture<'a, Result<RoomAnswer, SendError>> {
        Box::pin(self.visit(act))
    }

    fn typing<'a>(&'a self, room: &'a RoomId, on: bool) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Ok(room) = self.joined(room) else { return };
            let limit = Duration::from_millis(TYPING_MS_MAX);
            let sent = tokio::time::timeout(limit, room.typing_notice(on)).await;
            if !matches!(sent, Ok(Ok(()))) {
                tracing::debug!(room = %room.room_id(), on, "typing not shown");
            }
        })
    }
}

impl Matrix {
    /// One try: inside the SDK a rate limit would be waited out, for minutes and without a word.
    async fn send_once(&self, outgoing: &Outgoing) -> Result<PostId, SendError> {
        let room = match outgoing.room.as_str().chars().next() {
            Some('#') => self.joined(&self.named(&outgoing.room).await?)?,
            Some('@') => self.direct(&outgoing.room).await?,
            _ => self.joined(&outgoing.room)?,
        };
        if is_doubtful(outgoing.queued_at, now(), self.created)
            && let Some(post) = self.said_before(&room, outgoing).await?
        {
            return Ok(post);
        }
        self.put(&room, outgoing).await.map_err(|trouble| {
            if let Trouble::Limited(_) = trouble {
                self.limits.count();
            }
            send_error(&trouble)
        })
    }

    /// Sends the event, or a file if the text does not fit into one.
    async fn put(&self, room: &Room, outgoing: &Outgoing) -> Result<PostId, Trouble> {
        let state = room.latest_encryption_state().await.map_err(|error| Trouble::from(&error))?;
        let encrypted = state.is_encrypted();
        if let Some(attached) = &outgoing.attached {
            return self.put_attached(room, outgoing, attached, encrypted).await;
        }
        let content = content(outgoing);
        if let Relation::Reaction(_) = outgoing.relation {
            return self.put_event(room, outgoing, content).await;
        }
        if outgoing.whole.is_none() && fits(&content, encrypted) {
            match self.put_event(room, outgoing, content).await {
                Err(Trouble::Refused { code, .. }) if code == TOO_LARGE => {}
                sent => return sent,
            }
        }
        let content = self.as_file(outgoing, encrypted).await?;
        self.put_event(room, outgoing, content).await
    }

    pub(super) async fn put_event(
        &self,
        room: &Room,
        outgoing: &Outgoing,
        content: Value,
    ) -> Result<PostId, Trouble> {
        let transaction = <&TransactionId>::from(outgoing.message.as_str());
        let kind = match outgoing.relation {
            Relation::Reaction(_) => "m.reaction",
            _ => "m.room.message",
        };
        let sending = room
            .send_raw(kind, content)
            .with_transaction_id(transaction)
            .with_request_config(request_config().disable_retry());
        match sending.await {
            Ok(sent) => Ok(PostId(sent.response.event_id.to_string())),
            Err(error) => Err((&error).into()),
        }
    }

    /// The room that a script named.
    async fn named(&self, name: &RoomId) -> Result<RoomId, SendError> {
        let reason = || format!("the homeserver knows no room `{name}`");
        let known = self.look_up(name.as_str()).await.map_err(|trouble| send_error(&trouble))?;
        known.ok_or_else(|| SendError::Never { reason: reason() })
    }

    /// The room where the bot is alone with a person: the one that there is, or a new one.
    async fn direct(&self, person: &RoomId) -> Result<Room, SendError> {
        let user = <&matrix_sdk::ruma::UserId>::try_from(person.as_str());
        let user = user
            .map_err(|_| SendError::Never { reason: format!("`{person}` is no Matrix account") })?;
        if let Some(room) = self.client.get_dm_room(user) {
            return Ok(room);
        }
        let made = self.client.create_dm(user).await;
        made.map_err(|error| send_error(&Trouble::from(&error)))
    }

    /// The room, if the bot can speak there.
    pub(super) fn joined(&self, id: &RoomId) -> Result<Room, SendError> {
        let never = |reason: &str| SendError::Never { reason: reason.into() };
        let parsed = <&matrix_sdk::ruma::RoomId>::try_from(id.as_str());
        let parsed = parsed.map_err(|_| never("this is no Matrix room"))?;
        let room = self.client.get_room(parsed);
        let room = room.ok_or_else(|| never("the bot does not know this room"))?;
        match room.state() {
            RoomState::Joined => Ok(room),
            RoomState::Invited | RoomState::Knocked => {
                Err(never("the bot has not joined this room"))
            }
            RoomState::Left => Err(never("the bot is no longer in this room")),
            RoomState::Banned => Err(never("the bot is banned from this room")),
        }
    }
}

/// What a failure means for the message.
pub(super) fn send_error(trouble: &Trouble) -> SendError {
    match trouble {
        Trouble::Refused { code, reason } => SendError::Never {
            reason: match code.as_str() {
                "M_FORBIDDEN" => format!("the bot may not speak in this room: {reason}"),
                TOO_LARGE => "the message is too large for Matrix".into(),
                "M_NOT_FOUND" => "the homeserver does not know this room".into(),
                _ => trouble.reason(),
            },
        },
        Trouble::Local(reason) => SendError::Stuck { reason: reason.clone() },
        trouble => SendError::Later { reason: trouble.reason(), after: trouble.after() },
    }
}

/// What an event says, apart from where it stands.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// Its text.
    pub plain: String,
    /// Its text in HTML.
    pub html: Option<String>,
    /// What else its kind of message has, `msgtype` among it.
    pub fields: Value,
}

impl Said {
    /// What a message says as a notice.
    pub fn of(outgoing: &Outgoing) -> Self {
        Self {
            plain: outgoing.plain.clone(),
            html: outgoing.html.clone(),
            fields: json!({ "msgtype": if outgoing.notice { "m.notice" } else { "m.text" } }),
        }
    }
}

/// The content of the event that a message becomes.
pub fn content(outgoing: &Outgoing) -> Value {
    content_with(outgoing, &Said::of(outgoing))
}

/// The content of an event that says something in the place of a message.
pub(super) fn content_with(outgoing: &Outgoing, what: &Said) -> Value {
    let mut content = said(outgoing, what, "");
    content[KEY_FIELD] = json!(outgoing.message);
    content[HOPS_FIELD] = json!(outgoing.hops);
    match &outgoing.relation {
        Relation::New => {}
        Relation::Reply(post) => {
            content["m.relates_to"] = json!({"m.in_reply_to": {"event_id": post}})
        }
        Relation::Thread(root) => {
            content["m.relates_to"] = json!({
                "rel_type": "m.thread",
                "event_id": root,
                "is_falling_back": true,
                "m.in_reply_to": {"event_id": root},
            });
        }
        Relation::Reaction(post) => {
            let relation =
                json!({"rel_type": "m.annotation", "event_id": post, "key": outgoing.plain});
            content = json!({ KEY_FIELD: outgoing.message, "m.relates_to": relation });
        }
        Relation::Edit(post) => {
            let new = said(outgoing, what, "");
            content = said(outgoing, what, "* ");
            content[KEY_FIELD] = json!(outgoing.message);
            content[HOPS_FIELD] = json!(outgoing.hops);
            content["m.new_content"] = new;
            content["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": post});
        }
    }
    content
}

/// The text with its mentions, after a mark.
fn said(outgoing: &Outgoing, what: &Said, mark: &str) -> Value {
    let mut content = what.fields.clone();
    content["body"] = json!(format!("{mark}{}", what.plain));
    content["m.mentions"] = mentions(outgoing);
    if let Some(html) = &what.html {
        content["format"] = json!("org.matrix.custom.html");
        content["formatted_body"] = json!(format!("{mark}{html}"));
    }
    content
}

/// Who is notified; always there, or clients guess from the text.
fn mentions(outgoing: &Outgoing) -> Value {
    match outgoing.mentions.is_empty() {
        true => json!({}),
        false => json!({"user_ids": outgoing.mentions}),
    }
}

#[cfg(test)]
mod tests {
    use super::super::trouble::Logout;
    use super::*;
    use crate::domain::id::{MessageId, Timestamp, UserId};

    fn outgoing(relation: Relation, html: Option<&str>, mentions: &[&str]) -> Outgoing {
        Outgoing {
            message: MessageId("M1".into()),
            room: RoomId("!room".into()),
            queued_at: Timestamp(0),
            relation,
            plain: "done".into(),
            whole: None,
            html: html.map(Into::into),
            notice: true,
            mentions: mentions.iter().map(|user| UserId((*user).into())).collect(),
            attached: None,
            hops: 1,
        }
    }

    #[test]
    fn messages_become_content() {
        let post = || PostId("$p".into());
        for (relation, html, mentions, want) in [
            (
                Relation::New,
                None,
                &[][..],
                json!({"msgtype": "m.notice", "body": "done", "m.mentions": {}}),
            ),
            (
                Relation::Reply(post()),
                Some("<b>done</b>"),
                &["@ana:hs"],
                json!({"msgtype": "m.notice", "body": "done", "format": "org.matrix.custom.html",
                       "formatted_body": "<b>done</b>", "m.mentions": {"user_ids": ["@ana:hs"]},
                       "m.relates_to": {"m.in_reply_to": {"event_id": "$p"}}}),
            ),
            (
                Relation::Thread(post()),
                None,
                &[],
                json!({"msgtype": "m.notice", "body": "done", "m.mentions": {},
                       "m.relates_to": {"rel_type": "m.thread", "event_id": "$p",
                       "is_falling_back": true, "m.in_reply_to": {"event_id": "$p"}}}),
            ),
            (
                Relation::Reaction(post()),
                None,
                &[],
                json!({"m.relates_to": {"rel_type": "m.annotation", "event_id": "$p", "key": "done"}}),
            ),
            (
                Relation::Edit(post()),
                Some("<b>done</b>"),
                &[],
                json!({"msgtype": "m.notice", "body": "* done", "format": "org.matrix.custom.html",
                       "formatted_body": "* <b>done</b>", "m.mentions": {},
                       "m.new_content": {"msgtype": "m.notice", "body": "done",
                       "format": "org.matrix.custom.html", "formatted_body": "<b>done</b>",
                       "m.mentions": {}},
                       "m.relates_to": {"rel_type": "m.replace", "event_id": "$p"}}),
            ),
        ] {
            let mut want = want;
            want[KEY_FIELD] = json!("M1");
            let outgoing = outgoing(relation, html, mentions);
            if !matches!(outgoing.relation, Relation::Reaction(_)) {
                want[HOPS_FIELD] = json!(1);
            }
            assert_eq!(content(&outgoing), want, "{:?}", outgoing.relation);
        }
    }

    #[test]
    fn failures_are_for_now_or_for_ever() {
        let refused = |code: &str| Trouble::Refused { code: code.into(), reason: "no".into() };
        let wait = Some(Duration::from_secs(7));
        for (trouble, later) in [
            (Trouble::Limited(wait), Some(wait)),
            (Trouble::Limited(None), Some(None)),
            (Trouble::Unreachable("down".into()), Some(None)),
            (Trouble::Server("502".into()), Some(None)),
            (Trouble::Local("no keys".into()), Some(None)),
            (Trouble::LoggedOut(Logout::Soft), Some(None)),
            (refused("M_FORBIDDEN"), None),
            (refused(TOO_LARGE), None),
            (refused("M_NOT_FOUND"), None),
            (refused("M_BAD_JSON"), None),
        ] {
            let got = match send_error(&trouble) {
                SendError::Later { after, .. } => Some(after),
                SendError::Stuck { .. } => Some(None),
                SendError::Never { .. } => None,
            };
            assert_eq!(got, later, "{trouble:?}");
        }
    }
}
