//! Events in words, for people; and the text in them that people search.

use regex::bytes::{Regex as BytesRegex, RegexBuilder as BytesBuilder};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::domain::approval::Vote;
use crate::domain::event::{
    Advance, AutomationSwitched, EffectResult, Ending, Event, MessageQueued, Outcome, Payload,
    Recorded, Resolution, ScheduleAdvanced, Verdict,
};
use crate::domain::id::UserId;
use crate::domain::message::Doc;
use crate::domain::trigger::{Trigger, What};
use crate::domain::words::{policy as words, setups};

/// Longest piece of somebody's text in one line, in characters.
pub const QUOTED_CHARS_MAX: usize = 200;
/// Deepest value that is searched.
pub const DEPTH_MAX: usize = 32;
/// Most words of a search.
pub const WORDS_MAX: usize = 32;

/// What stands for something that cannot be read any more.
pub const ERASED: &str = "erased";

/// An event in words.
pub fn words(recorded: &Recorded) -> String {
    match &recorded.payload {
        Payload::Erased => format!("{} ({ERASED})", plain_kind(&recorded.kind)),
        Payload::Unknown(_) => format!("{} (of a type that I do not know)", recorded.kind),
        Payload::Event(event) => of_event(event),
    }
}

fn plain_kind(kind: &str) -> String {
    kind.replace('_', " ")
}

fn of_event(event: &Event) -> String {
    match event {
        Event::TriggerRecorded(e) => of_trigger(&e.trigger),
        Event::TriggerRouted(e) => e.outcomes.iter().map(of_outcome).collect::<Vec<_>>().join("; "),
        Event::ExecutionStarted(e) => {
            format!("began {} for “{}”", e.handler.alias, quoted(&e.command))
        }
        Event::ExecutionFinished(e) => match &e.ending {
            Ending::Succeeded(Value::Null) => "succeeded".into(),
            Ending::Succeeded(value) => format!("succeeded: {}", value_words(value)),
            Ending::Failed(failure) => format!("failed: {}", quoted(&failure.message)),
            Ending::Diverged(how) => format!("diverged: {}", quoted(how)),
            Ending::Cancelled { by, reason } => cancelled(by, reason),
        },
        Event::ExecutionCancelled(e) => cancelled(&e.by, &e.reason),
        Event::EffectRecorded(_)
        | Event::EffectRequested(_)
        | Event::EffectStarted(_)
        | Event::EffectCompleted(_)
        | Event::EffectInDoubt(_)
        | Event::EffectCancelled(_)
        | Event::GroupDecided(_)
        | Event::EffectResolved(_)
        | Event::LockRequested(_)
        | Event::EffectDelayed(_)
        | Event::EffectProgressed(_)
        | Event::AttemptFailed(_) => of_effect(event),
        Event::QuestionAsked(e) => format!("asked “{}”", quoted(&e.text)),
        Event::QuestionReminded(e) => format!("reminded of the question of step {}", e.path),
        Event::QuestionAnswered(e) => format!("{} answered {}", e.by, value_words(&e.answer)),
        Event::ApprovalRequested(_) | Event::ApprovalVoted(_) | Event::ApprovalVoided(_) => {
            of_approval(event)
        }
        Event::TimerFired(e) => format!("the time of step {} came", e.path),
        Event::MemoryWritten(e) => {
            format!("remembered {} = {}", quoted(&e.key), value_words(&e.value))
        }
        Event::MessageQueued(e) => of_message(e),
        Event::MessageFailed(e) => format!("could not say it: {}", quoted(&e.reason)),
        Event::RoomJoined(_)
        | Event::RoomLeft(_)
        | Event::RoomFollowed(_)
        | Event::InviteDecided(_) => of_room(event),
        Event::LinkOffered(_)
        | Event::LinkClaimed(_)
        | Event::LinkMissed(_)
        | Event::LinkDeclined(_)
        | Event::AccountsLinked(_)
        | Event::AccountsUnlinked(_) => of_people(event),
        Event::GrantMade(e) => format!("{} let {} run {}", e.by, e.account, quoted(&e.alias)),
        Event::GrantRevoked(e) => format!("{} ended the grant {}", e.by, e.grant),
        Event::ScheduleAdvanced(e) => of_schedule(e),
        Event::AutomationSwitched(e) => switched(e),
        Event::BridgeWanted(e) => setups::wanted(e),
        Event::BridgeStep(e) => setups::made(e),
        Event::BridgeStands(e) => setups::stands(e),
        Event::BridgeFailed(e) => setups::failed(e),
        Event::BridgeChannelLost(e) => setups::channel_lost(e),
        Event::BridgeChannelBack(e) => setups::channel_back(e),
        Event::BridgeRenamed(e) => setups::renamed(e),
        Event::BridgeLost(e) => setups::lost(e),
        Event::BridgeBack(e) => setups::back(e),
        Event::BridgeSilent(e) => setups::bridge_silent(e, &[]),
        Event::BridgeAnswers(e) => setups::bridge_answers(e),
        Event::BridgeRemoved(e) => format!("{} of {} is gone", e.channel, e.network),
        Event::ClockStepped(_) => "the clock went back".into(),
        Event::ScriptKept(e) => format!("kept the script {}", e.file),
        Event::PolicyChanged(e) => words::recorded(e),
        other => plain_kind(other.kind()),
    }
}

fn of_schedule(advanced: &ScheduleAdvanced) -> String {
    let ScheduleAdvanced { name, spec, fired, skipped, how, .. } = advanced;
    match how {
        Advance::Began => format!("the schedule {} began: {}", quoted(name), quoted(spec)),
        Advance::Came if *skipped > 0 => {
            format!("the schedule {} came {fired} times, {skipped} were missed", quoted(name))
        }
        Advance::Came => format!("the schedule {} came", quoted(name)),
        Advance::Off => format!("the schedule {} came while it was off", quoted(name)),
        Advance::ClockBack => format!("the schedule {} goes on by an earlier clock", quoted(name)),
        Advance::Ended => format!("the schedule {} ended", quoted(name)),
    }
}

fn switched(switch: &AutomationSwitched) -> String {
    let by = switch.by.as_ref().map_or("its time", |by| by.as_str());
    let way = if switch.on { "on" } else { "off" };
    format!("{by} switched {way} the {} {}", switch.kind.word(), quoted(&switch.name))
}

fn cancelled(by: &UserId, reason: &str) -> String {
    match reason {
        "" => format!("{by} cancelled it"),
        reason => format!("{by} cancelled it: {}", quoted(reason)),
    }
}

fn of_outcome(outcome: &Outcome) -> String {
    let verdict = match &outcome.verdict {
        Verdict::Started(id) => format!("started {}", id.short()),
        Verdict::Continued(id) => format!("went on with {}", id.short()),
        Verdict::Said(_) => "answered".into(),
        Verdict::Refused(_) => "refused".into(),
        Verdict::Ignored => "ignored".into(),
    };
    format!("{}: {verdict}, {}", outcome.considered, quoted(&outcome.reason))
}

fn of_approval(event: &Event) -> String {
    match event {
        Event::ApprovalRequested(e) => {
            let role = e.terms.role.as_ref().map_or(String::new(), |role| format!(" from {role}"));
            format!("asked for {} approvals{role} to “{}”", e.terms.count, quoted(&e.what))
        }
        Event::ApprovalVoted(e) => {
            let vote = match e.vote {
                Vote::For => "approved it",
                Vote::Against => "denied it",
            };
            let reason = if e.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", quoted(&e.reason))
            };
            format!("{} {vote}{reason}", e.account)
        }
        Event::ApprovalVoided(e) => format!("the approval is void: {}", e.changed.join(", ")),
        other => plain_kind(other.kind()),
    }
}

fn of_effect(event: &Event) -> String {
    match event {
        Event::EffectRecorded(e) => {
            // What a script says has a text; its result is only the name of the message.
            match e.args["text"].as_str() {
                Some(text) => format!("{} “{}”", e.op, quoted(text)),
                None => format!("{} {}: {}", e.op, value_words(&e.args), result(&e.result)),
            }
        }
        Event::EffectRequested(e) => format!("asked for {} {}", e.op, value_words(&e.args)),
        Event::EffectStarted(e) => format!("attempt {} of step {} began", e.attempt, e.path),
        Event::EffectCompleted(e) => {
            format!("step {} took {} ms: {}", e.path, e.took_ms, result(&e.result))
        }
        Event::EffectInDoubt(e) => format!("nobody knows whether step {} was done", e.path),
        Event::LockRequested(e) => format!("step {} needs the lock {}", e.path, quoted(&e.lock)),
        Event::EffectDelayed(e) => format!("step {} waits for {}", e.path, e.behind.short()),
        Event::EffectProgressed(e) => {
            let last = e.lines.last().map_or("", String::as_str);
            format!("step {} printed “{}”", e.path, quoted(last))
        }
        Event::AttemptFailed(e) => format!(
            "attempt {} of step {} failed and is followed by another: {}",
            e.attempt,
            e.path,
            value_words(&e.error)
        ),
        Event::EffectCancelled(e) => {
            format!("attempt {} of step {} was stopped", e.attempt, e.path)
        }
        Event::GroupDecided(e) => match &e.result {
            EffectResult::Ok(value) if value["branch"].is_null() => {
                format!("all branches of step {} are done", e.path)
            }
            EffectResult::Ok(value) => format!("branch {} of step {} won", value["branch"], e.path),
            EffectResult::Err(error) => {
                format!("branch {} of step {} failed", error["branch"], e.path)
            }
        },
        Event::EffectResolved(e) => {
            let said = match e.resolution {
                Resolution::Done => "it was done",
                Resolution::Repeat => "it was not done",
                Resolution::GiveUp => "give it up",
            };
            format!("{} said of step {}: {said}", e.by, e.path)
        }
        other => plain_kind(other.kind()),
    }
}

fn of_room(event: &Event) -> String {
    match event {
        Event::RoomJoined(e) => format!("came into {} as {} asked", e.name, e.by),
        Event::RoomLeft(e) => format!("left {}", e.name),
        Event::RoomFollowed(e) => format!("followed {} to its new room", e.name),
        Event::InviteDecided(e) => {
            let done = if e.accepted { "accepted" } else { "declined" };
            format!("{done} the invitation of {}: {}", e.inviter, quoted(&e.reason))
        }
        other => plain_kind(other.kind()),
    }
}

fn of_people(event: &Event) -> String {
    match event {
        Event::LinkOffered(e) => format!("gave {} a code to join another account", e.by.id),
        Event::LinkClaimed(e) => format!("{} said the code of {}", e.by.id, e.of),
        Event::LinkMissed(e) => format!("{} said a code that joins nothing", e.by),
        Event::LinkDeclined(e) => format!("{} said no to the code of {}", e.by, e.of),
        Event::AccountsLinked(e) => {
            format!("{} and {} are one person", e.first.id, e.second.id)
        }
        Event::AccountsUnlinked(e) => format!("{} parted {} from its person", e.by, e.account),
        other => plain_kind(other.kind()),
    }
}

fn of_trigger(trigger: &Trigger) -> String {
    match &trigger.what {
        What::Message(message) if message.edits.is_some() => {
            format!("edited: “{}”", quoted(&message.text))
        }
        What::Message(message) => format!("said “{}”", quoted(&message.text)),
        What::Reaction(reaction) => format!("reacted {}", quoted(&reaction.key)),
        What::Timer(timer) => format!("a time of {} came", timer.execution.short()),
        What::Undecryptable(_) => "said something that could not be read".into(),
        What::Deleted(_) => "deleted a command".into(),
        What::Order(order) => format!("ordered: {}", order.words()),
        What::Event(event) => format!("{} happened", event.name),
        What::Call(call) => {
            format!("{} called “{}”", call.execution.short(), quoted(&call.command))
        }
    }
}

fn of_message(queued: &MessageQueued) -> String {
    let verb = if queued.edits.is_some() { "changed it to" } else { "said" };
    format!("{verb} “{}”", quoted(&doc_text(&queued.doc)))
}

/// The text of a document, a line for each of its lines.
pub fn doc_text(doc: &Doc) -> String {
    doc.words()
}

pub fn result(result: &EffectResult) -> String {
    match result {
        EffectResult::Ok(value) => value_words(value),
        EffectResult::Err(value) => {
            let message =
                value["message"].as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("failed: {}", quoted(&message))
        }
    }
}

pub fn value_words(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => format!("“{}”", quoted(text)),
        other => quoted(&other.to_string()),
    }
}

pub fn quoted(text: &str) -> String {
    crate::script::run::shortened(text, QUOTED_CHARS_MAX)
}

/// What looks for a text: the words of it in their order, whatever stands for the spaces between them, in any case.
#[derive(Debug, Clone)]
pub struct Needle {
    phrase: Regex,
    words: Vec<BytesRegex>,
}

impl Needle {
    /// For a text; none if there is nothing in it to look for, or too much.
    pub fn new(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() || words.len() > WORDS_MAX {
            return None;
        }
        let phrase = words.iter().map(|word| regex::escape(word)).collect::<Vec<_>>().join(r"\s+");
        let phrase = RegexBuilder::new(&phrase).case_insensitive(true).build().ok()?;
        let stored = |word: &&str| {
            let json = Value::from(*word).to_string();
            let word = regex::escape(json.get(1..json.len() - 1)?);
            BytesBuilder::new(&word).case_insensitive(true).build().ok()
        };
        let words = words.iter().map(stored).collect::<Option<_>>()?;
        Some(Self { phrase, words })
    }

    /// Whether a payload as it is stored may hold it: quick, and never no for one that does.
    pub fn may_be_in(&self, json: &[u8]) -> bool {
        self.words.iter().all(|word| word.is_match(json))
    }

    /// Whether an event holds it in what was asked, done or answered.
    pub fn is_in(&self, recorded: &Recorded) -> bool {
        let value = match &recorded.payload {
            Payload::Event(event) => event.encode(),
            Payload::Unknown(value) => value.clone(),
            Payload::Erased => return false,
        };
        self.phrase.is_match(&text_of(&value))
    }
}

/// The fields whose values are names for the program, not words of people.
const NO_WORDS: &[&str] = &[
    "id",
    "kind",
    "class",
    "trust",
    "post",
    "room",
    "origin",
    "script",
    "hash",
    "source",
    "path",
    "network",
    "thread",
    "rhai",
    "wants",
    "commitment",
    "target",
    "person",
    "execution",
];

/// All that people wrote or read in a payload.
pub fn text_of(value: &Value) -> String {
    let mut text = String::new();
    gather(value, 0, &mut text);
    text
}

fn gather(value: &Value, depth: usize, into: &mut String) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) => {
            into.push_str(text);
            into.push('\n');
        }
        Value::Number(number) => {
            into.push_str(&number.to_string());
            into.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, depth + 1, into)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if !NO_WORDS.contains(&name.as_str()) || value.is_object() || value.is_array() {
                    gather(value, depth + 1, into);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// The fields whose values hold no name of a person, beside those of [`NO_WORDS`].
const NO_NAMES: &[&str] = &["by", "op", "scope", "file", "lang", "action", "resolution", "type"];
/// The fields that hold nothing of the kind however deep.
const NAMELESS: &[&str] = &["outcomes", "handler", "versions", "room"];
/// The fields below which scripts and people choose the names of fields.
const FREE: &[&str] = &["args", "answer", "value", "ok"];
/// What is technical there too.
const NO_NAMES_IN_FREE: &[&str] = &["kind", "lang", "action"];

/// Whether one of the texts in a payload that people wrote, or are called by, is as `wanted`.
pub fn any_named(value: &Value, wanted: &dyn Fn(&str) -> bool) -> bool {
    named(value, false, wanted)
}

fn named(value: &Value, free: bool, wanted: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Array(items) => items.iter().any(|item| named(item, free, wanted)),
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let name = name.as_str();
            // A room is called what it likes, but one for two is called like one of them.
            let elsewhere = name == "place" && value["direct"] != true;
            // What a trigger is told apart by begins with the network's name.
            let dedupe = name == "key" && fields.contains_key("what");
            let technical = match free {
                true => NO_NAMES_IN_FREE.contains(&name),
                false => {
                    let leaf = !value.is_object() && !value.is_array();
                    NAMELESS.contains(&name)
                        || elsewhere
                        || dedupe
                        || leaf && (NO_NAMES.contains(&name) || NO_WORDS.contains(&name))
                }
            };
            !technical && named(value, free || FREE.contains(&name), wanted)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The types of event that hold no words of people: a search for a text passes them over unread.
pub const WORDLESS: &[&str] = &[
    "clock_stepped",
    "sync_advanced",
    "intake_paused",
    "intake_resumed",
    "effect_started",
    "effect_in_doubt",
    "effect_cancelled",
    "effect_resolved",
    "execution_yielded",
    "execution_suspended",
    "message_sent",
    "message_superseded",
    "event_decrypted",
    "script_kept",
    "tree_head",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_found_in_any_case_and_over_line_ends() {
        let found = |needle: &str, value: &Value| {
            let needle = Needle::new(needle).expect("there is something to look for");
            let exact = needle.phrase.is_match(&text_of(value));
            let json = value.to_string();
            assert!(!exact || needle.may_be_in(json.as_bytes()), "the quick look misses {json}");
            exact
        };
        for (needle, value, want) in [
            ("disk full", json!({ "text": "The Disk  FULL again" }), true),
            ("disk full", json!({ "text": "the disk\nfull" }), true),
            ("disk full", json!({ "text": "full disk" }), false),
            ("disk full", json!({ "blocks": [{ "value": ["disk ", "full"] }] }), true),
            ("straße", json!({ "text": "STRASSE Straße" }), true),
            ("ÄRGER", json!({ "text": "ärger" }), true),
            ("a\"b", json!({ "text": "x a\"B y" }), true),
            (r"c:\x", json!({ "text": r"C:\X" }), true),
            (".*", json!({ "text": "anything" }), false),
            ("ops", json!({ "room": "!ops:hs", "id": "ops" }), false),
            ("line", json!({ "kind": "line", "value": "x" }), false),
            ("42", json!({ "args": { "n": 42 } }), true),
        ] {
            assert_eq!(found(needle, &value), want, "{needle} in {value}");
        }
    }

    #[test]
    fn names_stand_in_what_people_wrote_and_are_called() {
        for (value, want) in [
            (json!({ "text": "ask mary" }), true),
            (json!({ "speaker": { "name": "Mary" , "id": "x" } }), true),
            (json!({ "args": { "person": "mary" } }), true),
            (json!({ "value": [{ "kind": "text", "value": "mary" }] }), true),
            (json!({ "place": { "direct": true, "name": "mary" } }), true),
            (json!({ "place": { "direct": false, "name": "mary" } }), false),
            (json!({ "mary": 1 }), false),
            (json!({ "value": { "kind": "mary", "lang": "mary" } }), false),
            (json!({ "command": { "by": "mary" } }), false),
            (json!({ "handler": { "alias": "mary {mary}" } }), false),
            (json!({ "outcomes": [{ "considered": "mary", "reason": "mary" }] }), false),
            (json!({ "room": { "name": "mary" } }), false),
            (json!({ "network": "mary" }), false),
        ] {
            let found = any_named(&value, &|text| text.to_lowercase().contains("mary"));
            assert_eq!(found, want, "{value}");
        }
    }

    #[test]
    fn a_search_has_bounds() {
        let most = "x ".repeat(WORDS_MAX);
        assert!(Needle::new(&most).is_some() && Needle::new(&format!("{most} x")).is_none());
        assert!(Needle::new("  ").is_none());
        let nested = |depth: usize| (0..depth).fold(json!("deep"), |value, _| json!([value]));
        for (depth, want) in [(DEPTH_MAX, "deep\n"), (DEPTH_MAX + 1, "")] {
            assert_eq!(text_of(&nested(depth)), want, "{depth}");
        }
        let long = quoted(&"x".repeat(QUOTED_CHARS_MAX + 1));
        assert_eq!(long.chars().count(), QUOTED_CHARS_MAX + 1, "cut, and an ellipsis");
    }

    #[test]
    fn wordless_types_exist() {
        // A type that no program writes any more is no harm here, but a misspelt one would be.
        for kind in WORDLESS.iter().filter(|kind| **kind != "tree_head") {
            assert!(Event::KINDS.iter().any(|(known, _)| known == kind), "{kind}");
        }
    }
}
