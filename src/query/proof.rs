//! What the audit room says of the log, and what came of comparing them, as JSON.

use serde_json::{Value, json};

use super::command::{Refusal, report};
use crate::adapter::matrix::Posts;
use crate::store::history::Outside;
use crate::store::proof::Key;
use crate::store::verify::Verified;

/// Takes the heads from what the bot said in a room.
///
/// # Errors
/// [`Refusal`] if there is none of this log.
pub fn gather(outside: &mut Outside, key: &Key, posts: &Posts, room: &str) -> Result<(), Refusal> {
    for post in &posts.texts {
        outside.add(&post.text, key, &format!("post {} in {room}", post.id));
    }
    outside.said.extend(posts.said(room));
    match outside.claims.is_empty() {
        true => Err(Refusal::NotFound(nothing(room))),
        false => Ok(()),
    }
}

/// What is said where there is nothing to compare with.
pub fn nothing(place: &str) -> String {
    format!("there is no head of this log in {place}: nothing was compared")
}

/// What a verification against heads from outside found.
pub fn report_against(verified: &Verified, outside: &Outside) -> Value {
    let mut row = report(verified);
    row["said"] = json!(outside.told());
    row
}
