//! What beadle must do like a colleague: each sentence has a transcript that is named after it and begins with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The sentences: the topic's number, the transcript's name behind it, and the sentence in its first line.
///
/// The topics: 1 questions, 2 approvals, 3 context, 4 people, 5 policy, 6 why, 7 edits and deletions, 8 manners.
const SENTENCES: &[(u32, &str, &str)] = &[
    (1, "reply-or-thread-first", "A reply or a thread says which question is answered."),
    (
        1,
        "only-open-question",
        "The only open question to a person in a room is what a yes answers.",
    ),
    (
        1,
        "two-questions-ask-back",
        "With several open questions a yes asks back and lists each with its phrase.",
    ),
    (
        1,
        "only-a-name",
        "Whoever has the name of somebody answers nothing that was asked of their account.",
    ),
    (
        1,
        "other-network",
        "What was asked on one network is answered on another by the same person, and not by whoever bears the name there.",
    ),
    (1, "phrase-answers", "A two-word phrase answers exactly the question that it belongs to."),
    (
        1,
        "free-text",
        "A phrase alone is no answer where a text is asked for, and the bot says where the text goes.",
    ),
    (1, "pink-martini", "You mean yes to should I restart web301? If so, say pink martini."),
    (1, "stale-question-asks-back", "A stale question asks back even when it is alone."),
    (1, "choices", "A choice is answered by number, word, unique prefix or reaction."),
    (1, "pending", "What is pending is listed with whom it waits for, its age and its id."),
    (1, "cancel-question", "A question is cancelled by its id."),
    (1, "or-else", "A question that nobody answers in time has what else it is."),
    (1, "reminders", "A question reminds those whom it asked."),
    (1, "escalation", "A question that stays open goes to somebody else as well."),
    (1, "not-asked", "An answer from someone who was not asked is declined politely."),
    (1, "restarts", "A question survives restarts of the bot."),
    (1, "script-edits", "A question survives that its script is edited."),
    (2, "two-persons", "Two distinct persons approve what is critical."),
    (2, "not-the-requester", "The requester does not approve their own request."),
    (2, "requester-allowed", "The requester counts where a script allows it."),
    (2, "linked-account", "A second account of the requester does not approve their request."),
    (2, "role", "Only votes from a role count."),
    (2, "by-policy", "A policy asks for approvals and the script needs no change."),
    (2, "typed-votes", "A vote is typed with the id, by phrase or as a reply."),
    (2, "reactions", "A reaction is a vote where policy allows it."),
    (2, "script-changed", "An approval is void when its script was changed."),
    (2, "target-changed", "An approval is void when its parameters or its target were changed."),
    (2, "prompt-edited", "The prompt of an approval is edited to its outcome."),
    (
        2,
        "no-edits",
        "An approval on IRC names people with their network, and that it is cancelled is told once.",
    ),
    (2, "denied", "A denial has a reason that reaches the requester."),
    (
        2,
        "dangerous",
        "What is dangerous wants a typed phrase from a verified device in an encrypted room.",
    ),
    (2, "trust", "An approval says how strongly it must be proven who gives it."),
    (
        2,
        "which-approval",
        "With several open approvals the bot says who asked for each, and leaves out those that one cannot vote on.",
    ),
    (2, "timed-out", "An approval that nobody gives in time has timed out."),
    (
        3,
        "let-go",
        "Who answers what they half said, although a command of theirs has taken its place, is told that it is over.",
    ),
    (3, "last-mentioned", "A parameter is taken from what was mentioned last in the conversation."),
    (3, "room-default", "A parameter is taken from the defaults of the room."),
    (3, "only-with-context", "Nothing is assumed for an alias without context."),
    (3, "again", "What was done is done again, also on something else."),
    (3, "decay-by-time", "What was mentioned long ago is assumed no more."),
    (3, "decay-by-turns", "What was mentioned many turns ago is assumed no more."),
    (3, "missing-parameters", "Missing parameters are asked for one at a time with choices."),
    (3, "half-said", "A new command lets go of what its author half said before."),
    (3, "plain-answers", "The person asked for a parameter answers without a prefix."),
    (4, "link", "Two accounts are linked by a code that is said on both sides."),
    (4, "link-keeps-trust", "A link does not raise the trust of the account that is used now."),
    (4, "unlink", "A link is undone."),
    (4, "whoami", "A person is told who they are for the bot."),
    (4, "look-alike", "A look-alike id or a borrowed name is another person."),
    (5, "refusal-names-policy", "A refusal names the policy that decided with its text."),
    (5, "no-policy-allows", "What no policy allows is refused with that reason."),
    (5, "forbid-wins", "What a policy forbids stays forbidden."),
    (5, "roles", "Roles come from the configuration and are recorded with their source."),
    (5, "hot-reload", "A changed policy holds from then on and its change is recorded."),
    (5, "last-good", "A broken policy leaves the last good one in force."),
    (5, "safe-mode", "Without any good policy only the management room may act."),
    (5, "help-shows-what-is-allowed", "Help shows only what one may run here."),
    (5, "approvals-annotation", "A policy says how many approvals are needed and from which role."),
    (
        5,
        "gate-cancelled",
        "What a policy holds back is cancelled in one line where nothing can be changed.",
    ),
    (5, "can", "Can somebody do something is answered with the policy that decides."),
    (5, "who-can", "Who can do something is answered for each person who is known."),
    (5, "grant", "A grant allows something for a while and is itself approved."),
    (5, "grant-ends", "A grant ends by itself."),
    (
        5,
        "grant-never-more",
        "A grant gives neither approval nor management and a forbid still wins.",
    ),
    (5, "revoke", "A grant is revoked."),
    (
        5,
        "what-can-you-do",
        "The bot lists what it can do here, with where it is written and who may use it.",
    ),
    (6, "why-command", "Why as a reply tells what led to a message."),
    (6, "why-reaction", "A question mark as a reaction asks why."),
    (6, "why-id", "Why with an id tells of an execution or an event."),
    (6, "why-answers", "Why names who answered and who voted."),
    (6, "why-refusal", "Why tells which policy refused."),
    (6, "why-elsewhere", "Only those who could see a message may ask why it came."),
    (6, "what-did", "What somebody did today is told."),
    (7, "edit-never-twice", "An edited command never runs twice."),
    (
        7,
        "edit-mends",
        "An edit within two minutes of a command that was not understood is taken as the command.",
    ),
    (7, "edit-too-late", "An edit after two minutes is not taken as the command."),
    (7, "edited-vote", "An edited vote stays as it was said first, and that is told once."),
    (7, "deleted-waits", "A deleted command cancels what still waits."),
    (7, "deleted-runs", "A deleted command offers to stop what runs."),
    (
        7,
        "deleted-vote",
        "A vote that is deleted later still counts, and what others asked for goes on.",
    ),
    (7, "deleted-text", "The text of a deleted command is erased."),
    (8, "direct-chat", "In a direct chat no prefix is needed."),
    (8, "two-person-room", "In a room for two no prefix is needed."),
    (8, "mention", "The bot is addressed by pill, name or prefix."),
    (
        8,
        "unknown-command",
        "An unknown command gets one line with a suggestion, only when addressed.",
    ),
    (8, "acks", "Reactions tell what became of a command."),
    (8, "more", "A long answer is continued on demand."),
    (8, "rate-limit", "Who commands too much is told so in human words."),
    (8, "bots", "Two bots that answer each other are stopped."),
    (
        8,
        "repeats",
        "Behind a bridge nothing comes at once: who says the same three times is not answered for a while.",
    ),
];

const FOLDER: &str = "tests/transcripts/colleague";

fn written() -> BTreeSet<PathBuf> {
    let files = std::fs::read_dir(FOLDER).expect("the folder is there");
    let paths = files.map(|entry| entry.expect("it can be read").path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect()
}

fn path_of(topic: u32, slug: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("{topic}-{slug}.txt"))
}

#[test]
fn each_transcript_begins_with_its_sentence() {
    let listed: BTreeSet<PathBuf> =
        SENTENCES.iter().map(|(n, slug, _)| path_of(*n, slug)).collect();
    assert_eq!(listed.len(), SENTENCES.len(), "a name stands twice");
    let unlisted: Vec<_> = written().difference(&listed).cloned().collect();
    assert!(unlisted.is_empty(), "these have no row in SENTENCES: {unlisted:?}");
    for (topic, slug, sentence) in SENTENCES {
        let path = path_of(*topic, slug);
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        assert_eq!(text.lines().next(), Some(format!("# {sentence}").as_str()), "{path:?}");
        assert!(text.lines().any(|line| line.starts_with("< bot")), "{path:?} shows nothing");
    }
}

#[test]
fn each_sentence_has_a_transcript() {
    let written = written();
    let missing =
        SENTENCES.iter().filter(|(topic, slug, _)| !written.contains(&path_of(*topic, slug)));
    let missing: Vec<String> =
        missing.map(|(topic, slug, sentence)| format!("{topic}-{slug}.txt: {sentence}")).collect();
    assert!(missing.is_empty(), "not written yet:\n{}", missing.join("\n"));
}
