//! Questions to people, as they are recorded: asked, asked again, answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{MessageId, PostId, Timestamp, UserId};

/// The execution asked people something and waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionAsked {
    /// Its place in the execution's journal; for a doubt, that of the effect.
    pub path: String,
    /// What kind of answer it wants.
    pub wants: Wants,
    /// The question.
    pub text: String,
    /// Who may answer.
    pub from: Vec<UserId>,
    /// The roles whose members may answer, too.
    pub roles: Vec<String>,
    /// The possible answers; none: any text.
    pub choices: Vec<String>,
    /// The message that asks.
    pub message: MessageId,
    /// The two words that name it: `pink martini`; empty: it has none.
    pub phrase: String,
    /// What stands for the phrase where nothing may be read in the clear.
    pub tag: String,
    /// The keyed hash of what an answer sets going.
    pub content: String,
    /// How people are reminded of it, if they are.
    pub remind: Option<Remind>,
}

/// How people are reminded of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remind {
    /// So long after the question; each further time takes twice as long.
    pub after_ms: i64,
    /// When the first time comes.
    pub due: Timestamp,
    /// Whom the question goes to as well the second time.
    pub then: Whom,
}

/// People, by account or by role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    /// Accounts.
    pub people: Vec<UserId>,
    /// Roles.
    pub roles: Vec<String>,
}

/// Nobody answered for a while, and those who were asked are reminded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionReminded {
    /// The question's place in the execution's journal.
    pub path: String,
    /// Counts from 1.
    pub nth: u32,
    /// Who is asked from now on, too.
    pub also: Whom,
    /// The message that reminds.
    pub message: MessageId,
    /// When the next time comes; none: this was the last.
    pub next: Option<Timestamp>,
}

/// What kind of answer a question wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// Any text, or one of the choices.
    Text,
    /// Yes or no.
    YesNo,
    /// What became of an effect in doubt.
    Doubt,
    /// That others approve it: how many and who stands in the approval that is recorded with the question.
    Approval,
}

/// Somebody answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionAnswered {
    /// The question's place in the execution's journal.
    pub path: String,
    /// The answer: a text, or true or false.
    pub answer: Value,
    /// Who.
    pub by: UserId,
    /// With which post.
    pub post: PostId,
}

impl QuestionAsked {
    /// A question that anybody may be asked, without anything beside it.
    pub fn plain(path: &str, wants: Wants, text: &str, message: MessageId) -> Self {
        Self {
            path: path.to_owned(),
            wants,
            text: text.to_owned(),
            from: vec![],
            roles: vec![],
            choices: vec![],
            message,
            phrase: String::new(),
            tag: String::new(),
            content: String::new(),
            remind: None,
        }
    }
}

impl Whom {
    /// Whether it is nobody.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && self.roles.is_empty()
    }
}
