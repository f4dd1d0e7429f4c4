//! Plays a transcript against a bot and finds the first difference.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::bot::BotError;
use super::parse::{Does, Form, LINE_BREAK, Step, Transcript, quiet_of, role_entries};
use super::pattern::{Words, fill, matches};
use super::world::{FakeExec, Heard, Person, Room, World};
use crate::adapter::{Redaction, Relation, Reread};
use crate::domain::alias::parse_duration;
use crate::domain::id::{DedupeKey, Position, RoomId};
use crate::domain::named::NamedEvent;
use crate::domain::quiet::Quiet;
use crate::domain::trigger::Trigger;
use crate::processor::policies::PolicyFolder;
use crate::processor::{RUN_WITHIN_MS, STALE_AFTER_MS, Settings};
use crate::store::Clock;
use serde_json::Value;

/// A bot that can be killed and started again on the same log.
pub trait Driver: Send {
    /// Something happens outside; returns when it is recorded.
    fn deliver(&mut self, trigger: Trigger) -> BoxFuture<'_, Result<(), BotError>>;
    /// The keys of a post have come; returns when that is recorded.
    fn reread(&mut self, reread: Reread) -> BoxFuture<'_, Result<(), BotError>>;
    /// A post was deleted; returns when what follows at once is recorded.
    fn redact(&mut self, redaction: Redaction) -> BoxFuture<'_, Result<(), BotError>>;
    /// Does everything that can be done now.
    fn settle(&mut self) -> BoxFuture<'_, Result<(), BotError>>;
    /// The policies are those of another folder from now on; says whether they came into force.
    fn reload<'a>(&'a mut self, policy: &'a Path) -> BoxFuture<'a, Result<bool, BotError>>;
    /// Ends the bot without warning and starts it on what is on disk.
    fn restart<'a>(&'a mut self, setup: &'a Setup) -> BoxFuture<'a, Result<(), BotError>>;
    /// The types of the events from a position on.
    fn log(&mut self, from: Position) -> BoxFuture<'_, Result<(Vec<String>, Position), BotError>>;
    /// Whether the last failure was a planned stop, after which the bot is started again.
    fn stopped(&self) -> bool;
}

/// What a bot is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The scripts folder.
    pub scripts: PathBuf,
    /// How it behaves.
    pub settings: Settings,
}

/// What playing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Played {
    /// Everything was as written.
    AsWritten,
    /// An effect came in doubt, and a person was asked; the rest cannot be compared.
    InDoubt,
}

/// The first difference.
#[derive(Debug, thiserror::Error)]
#[error("{name}:{line}: {what}")]
pub struct Difference {
    /// The transcript.
    pub name: String,
    /// The line.
    pub line: usize,
    /// What is different.
    pub what: String,
}

/// Told what is said, as it is said.
pub type Listener<'a> = &'a mut (dyn FnMut(&str) + Send);

struct Player<'a> {
    transcript: &'a Transcript,
    world: &'a Arc<World>,
    driver: &'a mut dyn Driver,
    setup: Setup,
    folder: PathBuf,
    room: Room,
    words: Words,
    heard: VecDeque<Heard>,
    log_from: Position,
    doubt_allowed: bool,
    listener: Listener<'a>,
}

/// Where a transcript's own directives lead before anything happens: its scripts and settings.
pub fn setup(transcript: &Transcript, folder: &Path, scripts: &Path) -> Setup {
    let mut setup = Setup { scripts: scripts.to_owned(), settings: Settings::simulated("!") };
    for (_, step) in &transcript.steps {
        match step {
            Step::Scripts(path) => setup.scripts = folder.join(path),
            Step::Config { key, value } => configure(&mut setup.settings, key, value),
            Step::Policy(path) => setup.settings.policy = policies(folder, path),
            Step::Room { .. } | Step::Power(..) => {}
            _ => break,
        }
    }
    setup
}

fn configure(settings: &mut Settings, key: &str, value: &str) {
    match key {
        "bot.prefix" => settings.prefix = value.to_owned(),
        "context.rooms" => {
            let (room, pair) = value.split_once(' ').unwrap_or((value, ""));
            let (name, default) = pair.split_once('=').unwrap_or((pair, ""));
            let defaults = settings.context.rooms.entry(room.to_owned()).or_default();
            defaults.insert(name.trim().to_owned(), default.trim().to_owned());
        }
        "matrix.management_room" => settings.management_room = Some(RoomId(value.to_owned())),
        "limits.commands_per_minute" => settings.limits.commands_per_minute = value.parse().ok(),
        "alerts.quiet" => {
            let (room, hours) = quiet_of(value);
            let hours = Quiet::parse(hours).expect("the line was read");
            settings.alerts.quiet.insert(room.to_owned(), hours);
        }
        "alerts.group_at" => settings.alerts.group_at = value.parse().expect("the line was read"),
        "alerts.rejoin_within" | "alerts.group_wait" | "alerts.group_interval" => {
            let ms = parse_duration(value).expect("the line was read");
            match key {
                "alerts.rejoin_within" => settings.alerts.rejoin_within_ms = ms,
                "alerts.group_wait" => settings.alerts.group_wait_ms = ms,
                _ => settings.alerts.group_interval_ms = ms,
            }
        }
        "limits.stop_rings" => settings.limits.stop_rings = value == "true",
        "catchup.run_within" => {
            settings.run_within_ms = parse_duration(value).unwrap_or(RUN_WITHIN_MS);
        }
        "conversation.stale_after" => {
            settings.stale_after_ms = parse_duration(value).unwrap_or(STALE_AFTER_MS);
        }
        key => {
            if let Some(role) = key.strip_prefix("roles.") {
                let roles = Arc::make_mut(&mut settings.roles);
                roles.add(role, &role_entries(value)).expect("the line was read");
            }
        }
    }
}

/// The policies of a folder beside a transcript.
fn policies(folder: &Path, path: &str) -> Option<PolicyFolder> {
    Some(PolicyFolder { path: folder.join(path), shipped: false })
}

/// Plays a transcript to its end or to the first difference.
///
/// # Errors
/// [`Difference`].
pub async fn play(
    transcript: &Transcript,
    folder: &Path,
    setup: Setup,
    world: &Arc<World>,
    driver: &mut dyn Driver,
    doubt_allowed: bool,
    listener: Listener<'_>,
) -> Result<Played, Difference> {
    let mut player = Player {
        transcript,
        world,
        driver,
        setup,
        folder: folder.to_owned(),
        room: Room { name: "#room".into(), network: None, encrypted: false },
        words: Words::new(),
        heard: VecDeque::new(),
        log_from: Position::START,
        doubt_allowed,
        listener,
    };
    player.begin().await.map_err(|what| player.difference(0, what))?;
    for (at, (line, step)) in transcript.steps.iter().enumerate() {
        if let Some(Played::InDoubt) =
            player.step(at, *line, step).await.map_err(|what| player.difference(*line, what))?
        {
            return Ok(Played::InDoubt);
        }
    }
    let end = transcript.steps.last().map_or(0, |(line, _)| *line);
    player.nothing_left().map_err(|what| player.difference(end, what))?;
    Ok(Played::AsWritten)
}

impl Player<'_> {
    fn difference(&self, line: usize, what: String) -> Difference {
        Difference { name: self.transcript.name.clone(), line, what }
    }

    async fn begin(&mut self) -> Result<(), String> {
        let (_, next) = self.driver.log(Position::START).await.map_err(|why| why.to_string())?;
        self.world.name_run(next.0);
        self.world.manage(self.setup.settings.management_room.clone());
        // What begins with the bot, such as its schedules, begins before anything happens.
        self.rest().await?;
        let (_, next) = self.driver.log(next).await.map_err(|why| why.to_string())?;
        self.log_from = next;
        Ok(())
    }

    /// Does one line. With a result, the rest is not to be compared.
    async fn step(
        &mut self,
        at: usize,
        line: usize,
        step: &Step,
    ) -> Result<Option<Played>, String> {
        match step {
            Step::Config { .. } => {}
            Step::Scripts(path) => self.setup.scripts = self.folder.join(path),
            Step::Policy(path) => self.setup.settings.policy = policies(&self.folder, path),
            Step::Power(name, power) => self.world.empower(name, &self.room, *power),
            Step::Room { name, network, encrypted } => {
                let (name, network) = (name.clone(), network.clone());
                self.room = Room { name: name.clone(), network, encrypted: *encrypted };
                (self.listener)(&format!("(room {name})"));
            }
            Step::Person { name, network, account, shown, trust, ago_ms, does } => {
                self.nothing_left()?;
                self.world.expect_execs(self.execs_after(at));
                let does = &filled(does, &self.words);
                (self.listener)(&spoken(name, does));
                let (network, account) = (network.clone(), account.clone());
                let (name, shown, trust) = (name.clone(), shown.clone(), *trust);
                let person = Person { name, network, account, shown, trust, ago_ms: *ago_ms };
                if let Does::Deletes(whose) = does {
                    let redaction = self.world.delete(&person, &self.room, whose)?;
                    self.redact(redaction).await?;
                    return self.rest().await;
                }
                let trigger = self.world.act(&person, &self.room, does)?;
                self.deliver(trigger).await?;
                return self.rest().await;
            }
            Step::Advance(ms) => {
                self.nothing_left()?;
                self.world.expect_execs(self.execs_after(at));
                (self.listener)(&format!("(advance {} s)", *ms as f64 / 1000.0));
                self.world.clock.advance(*ms);
                return self.rest().await;
            }
            Step::KeysArrive => {
                self.nothing_left()?;
                self.world.expect_execs(self.execs_after(at));
                (self.listener)("(keys arrive)");
                for reread in self.world.keys_arrive() {
                    self.reread(reread).await?;
                }
                return self.rest().await;
            }
            Step::Trigger { name, fields } => {
                self.nothing_left()?;
                self.world.expect_execs(self.execs_after(at));
                (self.listener)(&format!("({name} {})", Value::Object(fields.clone())));
                let key = DedupeKey::new(&["played", &line.to_string()]);
                let (name, fields) = (name.clone(), fields.clone());
                let event = NamedEvent { name, fields, source: "transcript".to_owned() };
                let trigger = Trigger::event(key, self.world.clock.now(), event);
                self.deliver(trigger).await?;
                return self.rest().await;
            }
            Step::Restart => {
                (self.listener)("(restart)");
                self.world.expect_execs(self.execs_after(at));
                self.restart().await?;
                return self.rest().await;
            }
            Step::Reload(path) => {
                self.nothing_left()?;
                self.world.expect_execs(self.execs_after(at));
                (self.listener)(&format!("(reload {path})"));
                self.reload(path).await?;
                return self.rest().await;
            }
            Step::Members(count) => {
                self.world.has_members(RoomId(self.room.name.clone()), *count);
            }
            Step::Bot { form, text } => self.expect(*form, text)?,
            Step::Quiet => self.nothing_left()?,
            Step::Exec { action, .. } if !self.world.exec_used(line) => {
                return Err(format!("the action {action} was not run"));
            }
            Step::Exec { .. } => {}
            Step::Log(kinds) => self.expect_log(kinds).await?,
        }
        Ok(None)
    }

    async fn deliver(&mut self, trigger: Trigger) -> Result<(), String> {
        loop {
            match self.driver.deliver(trigger.clone()).await {
                Ok(()) => return Ok(()),
                Err(_) if self.driver.stopped() => self.restart().await?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    /// A bot that dies then finds the last policies that could be used: somebody has put them back.
    async fn reload(&mut self, path: &str) -> Result<(), String> {
        let folder = self.folder.join(path);
        loop {
            match self.driver.reload(&folder).await {
                Ok(true) => {
                    self.setup.settings.policy = policies(&self.folder, path);
                    return Ok(());
                }
                Ok(false) => return Ok(()),
                Err(_) if self.driver.stopped() => self.restart().await?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    async fn redact(&mut self, redaction: Redaction) -> Result<(), String> {
        loop {
            match self.driver.redact(redaction.clone()).await {
                Ok(()) => return Ok(()),
                Err(_) if self.driver.stopped() => self.restart().await?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    async fn reread(&mut self, reread: Reread) -> Result<(), String> {
        loop {
            match self.driver.reread(reread.clone()).await {
                Ok(()) => return Ok(()),
                Err(_) if self.driver.stopped() => self.restart().await?,
                Err(why) => return Err(why.to_string()),
            }
        }
    }

    async fn restart(&mut self) -> Result<(), String> {
        self.driver.restart(&self.setup).await.map_err(|why| why.to_string())
    }

    /// Lets the bot come to rest, however often it is stopped.
    async fn rest(&mut self) -> Result<Option<Played>, String> {
        loop {
            match self.driver.settle().await {
                Ok(()) => break,
                Err(_) if self.driver.stopped() => self.restart().await?,
                Err(why) => return Err(why.to_string()),
            }
        }
        if let Some(wrong) = self.world.take_wrong().first() {
            return Err(wrong.clone());
        }
        while let Some(heard) = self.world.next_heard() {
            (self.listener)(&said(&heard));
            self.heard.push_back(heard);
        }
        match self.doubt_allowed && self.in_doubt().await? {
            true => self.asked_about_doubt().map(Some),
            false => Ok(None),
        }
    }

    async fn in_doubt(&mut self) -> Result<bool, String> {
        let (kinds, _) = self.driver.log(Position::START).await.map_err(|why| why.to_string())?;
        Ok(kinds.iter().any(|kind| kind == "effect_in_doubt"))
    }

    /// An effect in doubt is told to somebody: by the bot's question, or by the script that caught it.
    fn asked_about_doubt(&self) -> Result<Played, String> {
        match self.heard.is_empty() {
            false => Ok(Played::InDoubt),
            true => Err("an effect is in doubt, and nobody was told".into()),
        }
    }

    fn execs_after(&self, at: usize) -> Vec<FakeExec> {
        let stops = |step: &Step| {
            matches!(
                step,
                Step::Person { .. }
                    | Step::Trigger { .. }
                    | Step::Advance(_)
                    | Step::Restart
                    | Step::Reload(_)
                    | Step::KeysArrive
            )
        };
        let after = self.transcript.steps[at + 1..].iter().take_while(|(_, step)| !stops(step));
        let fake = |(line, step): &(usize, Step)| match step {
            Step::Exec { action, args, result } => Some(FakeExec {
                line: *line,
                action: action.clone(),
                args: args.clone(),
                result: result.clone(),
                used: false,
            }),
            _ => None,
        };
        after.filter_map(fake).collect()
    }

    fn expect(&mut self, form: Form, text: &str) -> Result<(), String> {
        let room = RoomId(self.room.name.clone());
        let at = self.heard.iter().position(|heard| heard.room == room);
        let Some(heard) = at.and_then(|at| self.heard.remove(at)) else {
            return Err(format!("the bot said nothing, expected: {}", one_line(text)));
        };
        let formed = match form {
            Form::Any => true,
            Form::Room => matches!(heard.relation, Relation::New | Relation::Reply(_)),
            Form::Reply => matches!(heard.relation, Relation::Reply(_)),
            Form::Thread => matches!(heard.relation, Relation::Thread(_)),
            Form::Edit => matches!(heard.relation, Relation::Edit(_)),
            Form::Reaction => matches!(heard.relation, Relation::Reaction(_)),
        };
        if formed && matches(text, &heard.text, &mut self.words) {
            return Ok(());
        }
        Err(format!("\n  expected {form:?}: {}\n  but got  {}", one_line(text), said(&heard)))
    }

    fn nothing_left(&self) -> Result<(), String> {
        match self.heard.front() {
            None => Ok(()),
            Some(heard) => Err(format!("the bot also said in {}: {}", heard.room, said(heard))),
        }
    }

    async fn expect_log(&mut self, kinds: &[String]) -> Result<(), String> {
        let (got, next) = self.driver.log(self.log_from).await.map_err(|why| why.to_string())?;
        self.log_from = next;
        match log_fits(kinds, &got) {
            true => Ok(()),
            false => Err(format!("\n  expected {}\n  but got  {}", kinds.join(" "), got.join(" "))),
        }
    }
}

/// Whether the types are those that were expected; `…` skips any number.
fn log_fits(want: &[String], got: &[String]) -> bool {
    match want.split_first() {
        None => got.is_empty(),
        Some((skip, rest)) if skip == "…" => (0..=got.len()).any(|n| log_fits(rest, &got[n..])),
        Some((first, rest)) => got.first() == Some(first) && log_fits(rest, &got[1..]),
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.replace('\n', LINE_BREAK)
}

pub(super) fn spoken(name: &str, does: &super::parse::Does) -> String {
    use super::parse::Does;
    match does {
        Does::Says(text) => format!("> {name}: {}", one_line(text)),
        Does::SaysUnreadable(text) => format!("> {name} (unreadable): {}", one_line(text)),
        Does::SaysInThread(text) => format!("> {name} (in thread): {}", one_line(text)),
        Does::Replies(text) => format!("> {name} (reply): {}", one_line(text)),
        Does::Reacts(key) => format!("> {name} reacts {key}"),
        Does::Edits(text) => format!("> {name} edits: {}", one_line(text)),
        Does::Deletes(whose) if whose == name => format!("> {name} deletes"),
        Does::Deletes(whose) => format!("> {name} deletes of {whose}"),
    }
}

/// What somebody says, with the words that the bot said before.
fn filled(does: &Does, words: &Words) -> Does {
    match does {
        Does::Says(text) => Does::Says(fill(text, words)),
        Does::SaysUnreadable(text) => Does::SaysUnreadable(fill(text, words)),
        Does::SaysInThread(text) => Does::SaysInThread(fill(text, words)),
        Does::Replies(text) => Does::Replies(fill(text, words)),
        Does::Reacts(key) => Does::Reacts(key.clone()),
        Does::Edits(text) => Does::Edits(fill(text, words)),
        Does::Deletes(whose) => Does::Deletes(whose.clone()),
    }
}

pub(super) fn said(heard: &Heard) -> String {
    let how = match heard.relation {
        Relation::New => ":",
        Relation::Reply(_) => " (reply):",
        Relation::Thread(_) => " (in thread):",
        Relation::Edit(_) => " edits:",
        Relation::Reaction(_) => " reacts",
    };
    format!("< bot{how} {}", one_line(&heard.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_skip_with_an_ellipsis() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (want, got, fits) in [
            ("a b", "a b", true),
            ("a", "a b", false),
            ("a …", "a b c", true),
            ("… c", "a b c", true),
            ("a … c d", "a b c", false),
            ("…", "", true),
        ] {
            assert_eq!(log_fits(&list(want), &list(got)), fits, "{want} on {got}");
        }
    }
}
