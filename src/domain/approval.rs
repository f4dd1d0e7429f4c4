//! Approvals: whose votes one takes, what exactly it approves, and what one more vote does to it.
//!
//! Persons are counted, never accounts; the requester never counts unless that is allowed; and a vote counts for one
//! content only: what would have run at that moment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use super::approval_event::{
    ApprovalRequested, ApprovalVoided, ApprovalVoted, Held, How, Tally, Vote,
};
use super::event::EffectResult;
use super::id::{IdKey, PersonId, PostId, Timestamp, UserId};
use super::policy::{Needs, RoleHeld};
use super::trigger::{Speaker, Trust};
use super::words::approvals as words;

/// Most persons whose approval can be asked for.
pub const APPROVERS_MAX: u32 = 10;
/// Most persons who can be kept from approving by name.
pub const BARRED_MAX: usize = 20;
/// Longest reason of a vote that is kept, in bytes.
pub const REASON_BYTES_MAX: usize = 1_000;
/// So long an approval that a policy demands may take; then it is asked for again or not at all.
pub const GATE_MS: i64 = 24 * 60 * 60 * 1_000;
/// The kind of the error that a denial is to the script.
pub const DENIED: &str = "denied";
/// The kind of the error that a script meets when what was to be approved is not what would run now.
pub const VOID: &str = "void";

/// The kind of the error that a script meets when nobody could approve it where it would be asked for.
pub const NEVER_HERE: &str = "never_here";

/// Whose votes an approval takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How many different persons must approve.
    pub count: u32,
    /// The role that each of them must hold; none: anybody.
    pub role: Option<String>,
    /// Whose vote does not count.
    pub not: Vec<UserId>,
    /// Whether the requester may be one of them.
    pub allow_requester: bool,
    /// Whether it takes the typed phrase, from a verified device in an encrypted room.
    pub device: bool,
    /// Whether a reaction is enough.
    pub reactions: bool,
    /// How strongly it must be proven who approves it; none: as for every vote. It is left out where it is none: its
    /// terms are a part of what is approved, and those that were asked for before there was this must stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            count: 1,
            role: None,
            not: vec![],
            allow_requester: false,
            device: false,
            reactions: false,
            trust: None,
        }
    }
}

impl Terms {
    /// Whether nobody can give it in a room that is not encrypted: only there a device signs what is said.
    pub fn takes_encryption(&self) -> bool {
        self.device || self.trust == Some(Trust::Device)
    }

    /// Whether a reaction can be a vote on it: reactions are never encrypted, and no device signs them.
    pub fn takes_clicks(&self) -> bool {
        self.reactions && !self.takes_encryption()
    }
}

impl From<Needs> for Terms {
    fn from(needs: Needs) -> Self {
        let Needs { count, from, device, reactions } = needs;
        Self { count, role: from, device, reactions, ..Self::default() }
    }
}

impl From<RoleHeld> for Held {
    fn from(RoleHeld { role, source }: RoleHeld) -> Self {
        Self { role, source }
    }
}

/// All that decides what would run, by what people call it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Basis(BTreeMap<String, String>);

impl Basis {
    /// With one more part.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Hashed under the log's key: as a whole, and each part for itself.
    pub fn content(&self, key: &IdKey) -> Content {
        let part = |(name, value): (&String, &String)| {
            (name.clone(), key.tag("approval part", &[name, value]).to_string())
        };
        let parts: BTreeMap<String, String> = self.0.iter().map(part).collect();
        let all: Vec<&str> =
            parts.iter().flat_map(|(name, hash)| [name.as_str(), hash.as_str()]).collect();
        Content { hash: key.tag("approval", &all).to_string(), parts }
    }
}

/// What would run, as keyed hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Of all of it.
    pub hash: String,
    /// Of each part.
    pub parts: BTreeMap<String, String>,
}

/// An approval with the votes that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// What was asked for.
    pub requested: ApprovalRequested,
    /// The votes, the oldest first.
    pub votes: Vec<ApprovalVoted>,
}

/// Who votes, as things stand at that moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Voter<'a> {
    /// The account that speaks.
    pub speaker: &'a Speaker,
    /// Whether they speak in an encrypted room.
    pub encrypted: bool,
    /// The roles that the person holds.
    pub roles: Vec<Held>,
    /// Why a policy does not let them approve this, if so.
    pub barred: Option<String>,
}

/// What they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ballot {
    /// For or against.
    pub vote: Vote,
    /// How they said it.
    pub how: How,
    /// Why; empty: they did not say.
    pub reason: String,
    /// With which post.
    pub post: PostId,
    /// When.
    pub at: Timestamp,
}

/// Why a vote does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is the requester's own vote.
    Own,
    /// They have voted.
    Twice,
    /// The approval names them as one whose vote does not count.
    Excluded,
    /// They do not hold this role.
    Role(String),
    /// Nothing proves who they are.
    Unproven,
    /// It takes more than a reaction.
    Reaction,
    /// It takes the typed phrase, from a verified device in an encrypted room; what was lacking.
    Device(Lacking),
    /// It takes more proof of who speaks than there is.
    Trust {
        /// What it takes.
        needs: Trust,
        /// What there is.
        has: Trust,
    },
    /// A policy does not let them.
    Policy(String),
}

/// What a vote lacked that takes a verified device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// The room is not encrypted.
    Encryption,
    /// The device is not verified.
    Verification,
    /// It was not the phrase.
    Phrase,
}

/// What a vote comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It counts.
    Voted(ApprovalVoted),
    /// What was to be approved is not what would run now.
    Void(ApprovalVoided),
    /// It does not count.
    Refused(Refusal),
}

/// By what votes are judged. There is one way in the product: tests make others to show that they would be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    counts_requester: bool,
    ignores_content: bool,
}

impl Rules {
    /// As they are.
    pub const STRICT: Self = Self { counts_requester: false, ignores_content: false };

    /// Whether what would run is not looked at: a mistake that tests make.
    pub fn ignore_content(&self) -> bool {
        self.ignores_content
    }

    /// A mistake: the requester counts.
    #[cfg(test)]
    pub const COUNTS_REQUESTER: Self = Self { counts_requester: true, ..Self::STRICT };

    /// A mistake: a vote counts for whatever would run.
    #[cfg(test)]
    pub const IGNORES_CONTENT: Self = Self { ignores_content: true, ..Self::STRICT };
}

/// Why a vote does not count, whatever would run: this is looked at first, so that only who counts finds it void.
pub fn refused(
    approval: &Approval,
    voter: &Voter,
    ballot: &Ballot,
    person_of: &dyn Fn(&UserId) -> PersonId,
    rules: &Rules,
) -> Option<Refusal> {
    let person = person_of(&voter.speaker.id);
    let own = is_own(&approval.requested, &voter.speaker.id, person_of);
    refusal(approval, voter, ballot, own, &person, person_of, rules)
}

/// Decides what one more vote does to an approval; `now` is what would run at this moment, and `person_of` says to
/// whom an account belongs.
pub fn vote(
    approval: &Approval,
    voter: &Voter,
    ballot: &Ballot,
    now: &Content,
    person_of: &dyn Fn(&UserId) -> PersonId,
    rules: &Rules,
) -> Decided {
    let requested = &approval.requested;
    if let Some(refusal) = refused(approval, voter, ballot, person_of, rules) {
        return Decided::Refused(refusal);
    }
    if now.hash != requested.content && !rules.ignores_content {
        return Decided::Void(void(requested, now));
    }
    let person = person_of(&voter.speaker.id);
    let voters = counted(approval, person_of, rules);
    let complete = 1 + voters.len() >= requested.terms.count as usize;
    let outcome = match ballot.vote {
        Vote::Against => Tally::Denied,
        Vote::For if complete => Tally::Granted,
        Vote::For => Tally::Open,
    };
    Decided::Voted(ApprovalVoted {
        path: requested.path.clone(),
        vote: ballot.vote,
        how: ballot.how,
        reason: kept(&ballot.reason),
        person,
        account: voter.speaker.id.clone(),
        called: words::called(voter.speaker),
        network: voter.speaker.network.clone(),
        trust: voter.speaker.trust,
        encrypted: voter.encrypted,
        roles: voter.roles.clone(),
        post: ballot.post.clone(),
        at: ballot.at,
        content: now.hash.clone(),
        outcome,
    })
}

/// Why a vote does not count, if so.
fn refusal(
    approval: &Approval,
    voter: &Voter,
    ballot: &Ballot,
    own: bool,
    person: &PersonId,
    person_of: &dyn Fn(&UserId) -> PersonId,
    rules: &Rules,
) -> Option<Refusal> {
    let terms = &approval.requested.terms;
    if !voter.speaker.trust.proves_account() {
        return Some(Refusal::Unproven);
    }
    if ballot.how == How::Reaction && !terms.reactions {
        return Some(Refusal::Reaction);
    }
    // Who asked may always say that they do not want it any more.
    if own && ballot.vote == Vote::Against {
        return None;
    }
    if own && !terms.allow_requester && !rules.counts_requester {
        return Some(Refusal::Own);
    }
    if terms.not.iter().any(|not| person_of(not) == *person) {
        return Some(Refusal::Excluded);
    }
    let votes = approval.votes.iter();
    let mut earlier = votes.flat_map(|vote| [vote.person.clone(), person_of(&vote.account)]);
    if ballot.vote == Vote::For && earlier.any(|earlier| earlier == *person) {
        return Some(Refusal::Twice);
    }
    if let Some(role) = &terms.role
        && !voter.roles.iter().any(|held| held.role == *role)
    {
        return Some(Refusal::Role(role.clone()));
    }
    if let Some(why) = &voter.barred {
        return Some(Refusal::Policy(why.clone()));
    }
    let lacking = lacking(terms, voter, ballot).map(Refusal::Device);
    lacking.or_else(|| too_weak(terms, voter, ballot))
}

/// What is lacking to a vote that is proven too weakly; to deny something takes less than to approve it.
fn too_weak(terms: &Terms, voter: &Voter, ballot: &Ballot) -> Option<Refusal> {
    let (needs, has) = (terms.trust?, voter.speaker.trust);
    (ballot.vote == Vote::For && has < needs).then_some(Refusal::Trust { needs, has })
}

/// What a vote lacks that must come from a verified device; to deny something takes less than to approve it.
fn lacking(terms: &Terms, voter: &Voter, ballot: &Ballot) -> Option<Lacking> {
    match () {
        () if !terms.device || ballot.vote == Vote::Against => None,
        () if !voter.encrypted => Some(Lacking::Encryption),
        () if voter.speaker.trust != Trust::Device => Some(Lacking::Verification),
        () if ballot.how != How::Phrase => Some(Lacking::Phrase),
        () => None,
    }
}

/// Whether an account is the requester's: it was when they asked, or it is now.
fn is_own(
    requested: &ApprovalRequested,
    account: &UserId,
    person_of: &dyn Fn(&UserId) -> PersonId,
) -> bool {
    let person = person_of(account);
    requested.own.iter().any(|own| own == account || person_of(own) == person)
}

/// The persons who approve it. Accounts that were linked after they voted are one person, and one that turns out to be
/// the requester's counts no more.
pub fn approvers(
    approval: &Approval,
    person_of: &dyn Fn(&UserId) -> PersonId,
) -> BTreeSet<PersonId> {
    counted(approval, person_of, &Rules::STRICT)
}

/// Whether what was approved covers what is needed now: by the terms that were asked for then, and by the persons who
/// approved it.
pub fn covers(approval: &Approval, needs: &Needs, person_of: &dyn Fn(&UserId) -> PersonId) -> bool {
    let Terms { count, role, device, reactions, .. } = approval.requested.terms.clone();
    let met = Needs { count, from: role, device, reactions };
    met.cover(needs) && approvers(approval, person_of).len() >= needs.count as usize
}

fn counted(
    approval: &Approval,
    person_of: &dyn Fn(&UserId) -> PersonId,
    rules: &Rules,
) -> BTreeSet<PersonId> {
    let requested = &approval.requested;
    let allowed = requested.terms.allow_requester || rules.counts_requester;
    let counts = |vote: &&ApprovalVoted| {
        let content = vote.content == requested.content || rules.ignores_content;
        let own = is_own(requested, &vote.account, person_of) && !allowed;
        vote.vote == Vote::For && content && !own
    };
    let votes = approval.votes.iter().filter(counts);
    votes.map(|vote| person_of(&vote.account)).collect()
}

/// What is recorded where something else would run now than what was to be approved.
pub fn differs(requested: &ApprovalRequested, now: &Content) -> Option<ApprovalVoided> {
    (now.hash != requested.content).then(|| void(requested, now))
}

/// That what was to be approved is not what would run now.
fn void(requested: &ApprovalRequested, now: &Content) -> ApprovalVoided {
    let names: BTreeSet<&String> = requested.parts.keys().chain(now.parts.keys()).collect();
    let differs = |name: &&&String| requested.parts.get(**name) != now.parts.get(**name);
    let changed = names.iter().filter(differs).map(|name| (**name).clone()).collect();
    ApprovalVoided { path: requested.path.clone(), changed, content: now.hash.clone() }
}

/// What the script gets, or the error that it meets, once a vote has closed an approval.
pub fn result(approval: &Approval) -> Option<EffectResult> {
    let last = approval.votes.last()?;
    match last.outcome {
        Tally::Open => None,
        Tally::Granted => {
            let by: Vec<&UserId> = approvals(approval).map(|vote| &vote.account).collect();
            let names = words::voters(approvals(approval), words::home(approval));
            Some(EffectResult::Ok(json!({ "by": by, "names": names })))
        }
        Tally::Denied => Some(EffectResult::Err(json!({
            "kind": DENIED, "by": last.account, "reason": last.reason,
            "message": words::denied(&words::voter(last, words::home(approval)), &last.reason),
        }))),
    }
}

/// The votes for it.
pub fn approvals(approval: &Approval) -> impl Iterator<Item = &ApprovalVoted> {
    approval.votes.iter().filter(|vote| vote.vote == Vote::For)
}

/// The error that the script meets when an approval is void.
pub fn voided(void: &ApprovalVoided) -> Value {
    let message = words::void(&void.changed);
    json!({ "kind": VOID, "changed": void.changed, "message": message })
}

/// The error that the script meets when nobody could approve it where it would be asked for.
pub fn never_here() -> Value {
    json!({ "kind": NEVER_HERE, "message": words::NEVER_HERE })
}

fn kept(reason: &str) -> String {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
