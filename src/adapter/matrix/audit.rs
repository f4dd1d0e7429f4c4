//! Reading back what the bot itself said in a room: signed heads in the audit room are the log's witness.

use std::path::Path;

use matrix_sdk::Client;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::api::client::filter::RoomEventFilter;
use matrix_sdk::ruma::{OwnedUserId, RoomAliasId, RoomId as MatrixRoomId, UInt};

use super::client::{ConnectError, Matrix, connect_error, open, restore, store_is_there};
use super::session::{Session, matrix_dir, store_path};
use super::timeline::{Origin, Seen};
use super::tokens::Tokens;
use super::trouble::Trouble;

/// Most pages of a room that are read back.
pub const AUDIT_PAGES_MAX: usize = 1_000;
/// Own posts asked for in one page.
const PAGE_POSTS: u32 = 100;
/// Most redacted posts that are named one by one.
pub const REDACTED_NAMED_MAX: usize = 20;

/// A post of the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its id.
    pub id: String,
    /// What it says.
    pub text: String,
}

/// What the bot said in a room, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posts {
    /// What can be read.
    pub texts: Vec<Post>,
    /// Those that were redacted, and by whom.
    pub redacted: Vec<String>,
    /// How many more were redacted.
    pub redacted_more: u64,
    /// How many cannot be decrypted.
    pub unreadable: u64,
    /// There is more in the room than was read.
    pub cut: bool,
}

impl Posts {
    /// What is to be said of posts that tell nothing.
    pub fn said(&self, room: &str) -> Vec<String> {
        let mut said = self.redacted.clone();
        if self.redacted_more > 0 {
            said.push(format!(
                "{} more posts of the bot in {room} are redacted",
                self.redacted_more
            ));
        }
        if self.unreadable > 0 {
            said.push(format!(
                "{} posts of the bot in {room} cannot be decrypted",
                self.unreadable
            ));
        }
        if self.cut {
            said.push(format!("older posts in {room} were not read"));
        }
        said
    }

    fn take(&mut self, seen: &Seen, user: &str) {
        if seen.text("sender") != user {
            return;
        }
        let (id, unsigned) = (seen.text("event_id"), &seen.event["unsigned"]);
        let body = seen.event["content"]["body"].as_str();
        if let Some(because) = unsigned.get("redacted_because") {
            let by = because["sender"].as_str().unwrap_or("somebody");
            let named = format!("post {id} of the bot was redacted by {by}: what it said is gone");
            match self.redacted.len() < REDACTED_NAMED_MAX {
                true => self.redacted.push(named),
                false => self.redacted_more += 1,
            }
        } else if seen.origin == Origin::Undecryptable {
            self.unreadable += 1;
        } else if let Some(body) = body.filter(|_| seen.origin != Origin::Mismatched) {
            self.texts.push(Post { id: id.to_owned(), text: body.to_owned() });
        }
    }
}

impl Matrix {
    /// What the bot said in a room, by id or name.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub async fn own_posts(&self, room: &str) -> Result<Posts, String> {
        own_posts(&self.client, &self.user, room).await
    }
}

/// The same with the session of a data directory that no bot has open; the caller holds its lock.
///
/// # Errors
/// [`ConnectError`] if there is no connection; in words, why the room cannot be read.
pub async fn own_posts_of(
    data_dir: &Path,
    homeserver: Option<&str>,
    room: &str,
) -> Result<Result<Posts, String>, ConnectError> {
    let session = Session::load(data_dir)?.ok_or(ConnectError::NotLoggedIn)?;
    let homeserver = homeserver.unwrap_or(&session.homeserver).to_owned();
    let dir = matrix_dir(data_dir);
    let store = store_path(&dir);
    if !store_is_there(&store) {
        let reason = format!("`{}` is lost or not whole", store.display());
        return Err(ConnectError::Store { reason });
    }
    let failed = |trouble: Trouble| connect_error(&trouble, &session.user_id, &homeserver);
    let client = open(&homeserver, &store, &session.store_passphrase).await.map_err(failed)?;
    let Some(of_sdk) = session.to_sdk() else {
        return Err(ConnectError::Store { reason: "the session names no account".into() });
    };
    let user = of_sdk.meta.user_id.clone();
    let tokens = Tokens::of(session.clone(), dir);
    tokens.keep(&client).map_err(failed)?;
    restore(&client, of_sdk).await.map_err(failed)?;
    Ok(own_posts(&client, &user, room).await)
}

async fn own_posts(client: &Client, user: &OwnedUserId, room: &str) -> Result<Posts, String> {
    let id = match <&RoomAliasId>::try_from(room) {
        Ok(alias) => {
            let found = client.resolve_room_alias(alias).await;
            found.map_err(|error| Trouble::from(&error).reason())?.room_id
        }
        Err(_) => {
            let id = <&MatrixRoomId>::try_from(room);
            id.map_err(|_| format!("`{room}` is no room: write `#name:server` or `!id`"))?
                .to_owned()
        }
    };
    let room = client.get_room(&id).ok_or_else(|| format!("the bot is not in {room}"))?;
    let (mut posts, mut from) = (Posts::default(), None);
    for _ in 0..AUDIT_PAGES_MAX {
        let page = room.messages(options(user, from)).await;
        let page = page.map_err(|error| Trouble::from(&error).reason())?;
        let seen = page.chunk.iter().filter_map(Seen::read);
        seen.for_each(|seen| posts.take(&seen, user.as_str()));
        match page.end {
            Some(end) if end != page.start => from = Some(end),
            _ => return Ok(posts),
        }
    }
    posts.cut = true;
    Ok(posts)
}

/// Own messages only, newest first.
fn options(user: &OwnedUserId, from: Option<String>) -> MessagesOptions {
    let mut options = MessagesOptions::backward();
    options.from = from;
    options.limit = UInt::from(PAGE_POSTS);
    options.filter = RoomEventFilter::default();
    options.filter.senders = Some(vec![user.clone()]);
    options.filter.types = Some(vec!["m.room.message".into(), "m.room.encrypted".into()]);
    options
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::timeline::tests::plain;
    use super::*;

    #[test]
    fn only_what_the_bot_said_itself_counts() {
        let mut posts = Posts::default();
        let body = json!({ "body": "head" });
        let seen = |sender: &str, content: &serde_json::Value, unsigned: serde_json::Value| {
            plain(
                json!({ "sender": sender, "event_id": "$1", "content": content, "unsigned": unsigned }),
            )
        };
        posts.take(&seen("@bot:hs", &body, json!({})), "@bot:hs");
        posts.take(&seen("@eve:hs", &body, json!({})), "@bot:hs");
        let hidden = Seen { origin: Origin::Undecryptable, ..seen("@bot:hs", &body, json!({})) };
        posts.take(&hidden, "@bot:hs");
        let forged = Seen { origin: Origin::Mismatched, ..seen("@bot:hs", &body, json!({})) };
        posts.take(&forged, "@bot:hs");
        let redacted =
            seen("@bot:hs", &json!({}), json!({ "redacted_because": { "sender": "@eve:hs" } }));
        (0..REDACTED_NAMED_MAX + 3).for_each(|_| posts.take(&redacted, "@bot:hs"));
        assert_eq!(posts.texts, [Post { id: "$1".into(), text: "head".into() }]);
        assert_eq!(
            (posts.unreadable, posts.redacted.len(), posts.redacted_more),
            (1, REDACTED_NAMED_MAX, 3)
        );
        let said = posts.said("#audit:hs");
        assert_eq!(said[0], "post $1 of the bot was redacted by @eve:hs: what it said is gone");
        assert_eq!(said.len(), REDACTED_NAMED_MAX + 2);
    }
}
