//! What most of these tests begin with: a bot with scripts that has joined a room of Ann's.

use crate::lab::{Bot, Chat, Event, Lab, Person, Plain, Room};

/// Answers `!echo 7` with `answer-7-end`, which nothing else says.
pub const ECHO: &str = r#"//! Echoes, to be counted.
alias("echo {n:int}", #{ help: "Say a number back" }, |a, msg| reply(`answer-${a.n}-end`));
"#;

/// What the bot says of an effect that may have happened or not.
pub const IN_DOUBT: &str = "do not know whether it was done";

/// A running bot and somebody to talk to it.
pub struct Scene<C> {
    pub bot: Bot<'static>,
    pub ann: C,
    pub room: String,
}

impl Scene<Plain> {
    /// In a room without encryption; `prepare` writes the scripts.
    pub fn plain(prepare: impl FnOnce(&Bot)) -> Scene<Plain> {
        Scene::plain_in(Lab::shared(), prepare)
    }

    /// The same in another lab.
    pub fn plain_in(lab: &'static Lab, prepare: impl FnOnce(&Bot)) -> Scene<Plain> {
        let mut ann = lab.plain("ann");
        let (bot, room) = joined(lab, &mut ann, false, prepare);
        Scene { bot, ann, room }
    }
}

impl Scene<Person<'static>> {
    /// In an encrypted room; `prepare` writes the scripts.
    pub fn encrypted(prepare: impl FnOnce(&Bot)) -> Scene<Person<'static>> {
        Scene::encrypted_in(Lab::shared(), prepare)
    }

    /// The same in another lab.
    pub fn encrypted_in(lab: &'static Lab, prepare: impl FnOnce(&Bot)) -> Scene<Person<'static>> {
        let mut ann = lab.person("ann");
        let (bot, room) = joined(lab, &mut ann.plain, true, prepare);
        ann.knows(&room, &bot.account.id);
        Scene { bot, ann, room }
    }
}

impl<C: Chat> Scene<C> {
    pub fn say(&mut self, body: &str) -> String {
        self.ann.say(&self.room, body)
    }

    /// Waits for a message or an edit of the bot that contains `part`.
    pub fn bot_says(&mut self, part: &str) -> Event {
        self.ann.hears(&self.room, &self.bot.account.id, part)
    }

    /// Waits for a message of the bot after event `after` that contains `part`, and returns what it says.
    pub fn bot_answers(&mut self, after: &str, part: &str) -> String {
        let bot = &self.bot.account.id;
        self.ann.until(&self.room, &format!("an answer of the bot with `{part}`"), |events| {
            let asked = events.iter().position(|event| event.event_id == after)?;
            let of_bot =
                events[asked..].iter().filter(|event| event.is_message() && event.sender == *bot);
            of_bot.map(Event::latest_body).find(|body| body.contains(part)).map(str::to_owned)
        })
    }

    /// Shows that the bot goes on: it still answers.
    pub fn bot_is_well(&mut self, n: u32) {
        self.say(&format!("!echo {n}"));
        self.bot_says(&answer(n));
    }
}

/// Logs a bot in, starts it, and lets `ann` invite it into a new room where it may run actions.
fn joined(
    lab: &'static Lab,
    ann: &mut Plain,
    encrypted: bool,
    prepare: impl FnOnce(&Bot),
) -> (Bot<'static>, String) {
    let mut bot = Bot::new(lab, lab.plain("beadle"));
    bot.script("echo.rhai", ECHO);
    prepare(&bot);
    let room = ann.create_room(&Room { name: "ops", encrypted, ..Room::default() });
    bot.configure(&[&bot.everybody()], &[&room]);
    bot.login(&ann.id);
    bot.start();
    ann.invite(&room, &bot.account.id);
    ann.sees_join(&room, &bot.account.id);
    (bot, room)
}

/// What the bot answers to `!echo n`.
pub fn answer(n: u32) -> String {
    format!("answer-{n}-end")
}

/// The numbers in the answers of `sender`, in their order; edits are no answers.
pub fn answers(events: &[Event], sender: &str) -> Vec<u32> {
    let said = events
        .iter()
        .filter(|event| event.is_message() && event.sender == sender && event.edits().is_none());
    said.filter_map(|event| {
        event.body().split_once("answer-")?.1.split_once("-end")?.0.parse().ok()
    })
    .collect()
}
