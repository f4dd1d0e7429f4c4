//! Reads from the log whether everything that ran was decided on and approved, in its own simple way.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::{Event, Recorded, Verdict};
use crate::domain::id::{ExecutionId, Position, StreamName};
use crate::domain::trigger::{Trust, What};
use crate::store::{Direction, EventStore};

/// How many persons must have approved, by the command's name.
fn needed(alias: &str) -> Option<usize> {
    match alias {
        "one" => Some(1),
        "two" => Some(2),
        _ => None,
    }
}

/// Everything in a log.
fn all(store: &dyn EventStore) -> Result<Vec<Recorded>, String> {
    let mut events: Vec<Recorded> = vec![];
    loop {
        let from = events.last().map_or(Position::START, |last| last.position.next());
        let page = store.read_all(from, Direction::Forward, 512).map_err(|why| why.to_string())?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// The executions of a log.
pub fn executions(store: &dyn EventStore) -> Result<Vec<ExecutionId>, String> {
    let begun = |recorded: &Recorded| matches!(recorded.event(), Some(Event::ExecutionStarted(_)));
    let events = all(store)?;
    let ids = events.iter().filter(|event| begun(event));
    Ok(ids.map(|event| ExecutionId(event.id.stream.id().to_owned())).collect())
}

/// What is known of one execution.
#[derive(Default)]
struct Known {
    alias: String,
    requester: String,
    asked_at: Option<Position>,
    /// Who voted for it, where.
    votes: Vec<(Position, String)>,
    sure: bool,
}

/// Checks every effect that began; gives how many did.
pub fn check(store: &dyn EventStore, offered: &[(Position, usize)]) -> Result<usize, String> {
    let events = all(store)?;
    let mut known: BTreeMap<StreamName, Known> = BTreeMap::new();
    let mut decided: BTreeSet<String> = BTreeSet::new();
    let mut said: BTreeMap<String, (String, Trust)> = BTreeMap::new();
    let mut links: Vec<(String, String)> = vec![];
    let mut began = 0;
    for recorded in &events {
        let stream = recorded.id.stream.clone();
        match recorded.event().ok_or("an event cannot be read")? {
            Event::TriggerRecorded(e) => {
                let who = e.trigger.speaker();
                let post = match &e.trigger.what {
                    What::Message(message) => message.post.0.clone(),
                    What::Reaction(reaction) => reaction.post.0.clone(),
                    _ => continue,
                };
                let who = who.ok_or("a message has a speaker")?;
                said.insert(post, (who.id.0.clone(), who.trust));
            }
            Event::TriggerRouted(e) => {
                for outcome in &e.outcomes {
                    if let Verdict::Started(id) = &outcome.verdict
                        && outcome.decision.as_ref().is_some_and(|it| it.allowed())
                    {
                        decided.insert(id.0.clone());
                    }
                }
            }
            Event::AccountsLinked(e) => links.push((e.first.id.0.clone(), e.second.id.0.clone())),
            Event::ExecutionStarted(e) => {
                let known = known.entry(stream).or_default();
                known.alias.clone_from(&e.handler.alias);
                known.requester = e.requester.id.0.clone();
            }
            Event::ApprovalRequested(_) => {
                known.entry(stream).or_default().asked_at = Some(recorded.position);
            }
            Event::ApprovalVoted(e) => {
                let (who, trust) = said.get(e.post.as_str()).ok_or("nobody said this vote")?;
                if *who != e.account.0 || *trust == Trust::Nothing {
                    return Err(format!("{who} did not prove the vote of {}", e.account));
                }
                if e.vote == crate::domain::approval::Vote::For {
                    known.entry(stream).or_default().votes.push((recorded.position, who.clone()));
                }
            }
            Event::QuestionAnswered(e) => {
                let known = known.entry(stream).or_default();
                known.sure = e.answer == true && same(&links, e.by.as_str(), &known.requester);
            }
            Event::EffectStarted(_) => {
                began += 1;
                let id = stream.id().to_owned();
                let known = known.get(&stream).ok_or("an effect of nothing")?;
                if !decided.contains(&id) {
                    return Err(format!("{id} runs something and nobody allowed it"));
                }
                approved(known, &links, offered).map_err(|why| format!("{id}: {why}"))?;
            }
            _ => {}
        }
    }
    Ok(began)
}

fn approved(
    known: &Known,
    links: &[(String, String)],
    offered: &[(Position, usize)],
) -> Result<(), String> {
    let Some(needed) = needed(&known.alias) else {
        let sure = known.sure.then_some(());
        return sure.ok_or_else(|| "it runs something and who asked is not sure".to_owned());
    };
    let asked_at = known.asked_at.ok_or("nobody was asked to approve it")?;
    let version = |at: Position| offered.iter().rev().find(|(from, _)| *from <= at).map(|it| it.1);
    let edits =
        |at: Position| offered.iter().filter(|(from, _)| *from > asked_at && *from <= at).count();
    let mut persons: Vec<&String> = vec![];
    for (at, who) in &known.votes {
        // Edited there and back is the same again.
        if version(*at) != version(asked_at) && edits(*at) > 0 {
            return Err(format!("{who} approved another version"));
        }
        let counted = persons.iter().any(|other| same(links, other, who));
        if !same(links, who, &known.requester) && !counted {
            persons.push(who);
        }
    }
    match persons.len() >= needed {
        true => Ok(()),
        false => Err(format!("only {} of {needed} distinct persons approved", persons.len())),
    }
}

/// Whether two accounts belong to one person, as far as links are known.
fn same(links: &[(String, String)], one: &str, other: &str) -> bool {
    let mut reached = BTreeSet::from([one]);
    loop {
        let more = links.iter().flat_map(|(a, b)| {
            match (reached.contains(a.as_str()), reached.contains(b.as_str())) {
                (true, false) => Some(b.as_str()),
                (false, true) => Some(a.as_str()),
                _ => None,
            }
        });
        let more: Vec<&str> = more.collect();
        if more.is_empty() {
            return reached.contains(other);
        }
        reached.extend(more);
    }
}
