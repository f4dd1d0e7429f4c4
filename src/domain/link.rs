//! How accounts become one person: one gets a code, the other says it and names the first, the first says yes.
//!
//! Neither side alone is enough, nor a code that somebody overheard: who says it is shown to the account that got it, and
//! only that very account can agree. Codes are kept as keyed hashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::{
    AccountsLinked, AccountsUnlinked, Event, LinkClaimed, LinkDeclined, LinkMissed, LinkOffered,
};
use super::id::{IdKey, Timestamp, UserId};
use super::message::Doc;
use super::people_command::{PeopleCommand, shown};
use super::person::{ACCOUNTS_MAX, People};
use super::route::{Act, Decision, NO_ALIAS};
use super::trigger::{Place, Speaker};
use super::words::{before_commands, people as words, to};

/// How long a code is good.
pub const CODE_MS: i64 = 10 * 60 * 1000;
/// Most codes that are good at the same time; each account has one.
pub const CODES_MAX: usize = 100;
/// Most wrong codes that one account may say within [`CODE_MS`].
pub const TRIES_MAX: usize = 5;
/// So many wrong codes from anybody, while a code is good, end it.
pub const CODE_MISSES_MAX: usize = 20;
/// Most accounts whose wrong codes are counted; while there are so many, no other account may say a code.
pub const TRIERS_MAX: usize = 1_000;

/// Who is one person, and the codes that are on their way.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// The accounts that belong together.
    pub people: Arc<People>,
    /// The codes, by the account that got them.
    offers: BTreeMap<UserId, Offer>,
    /// When accounts said wrong codes.
    missed: BTreeMap<UserId, Vec<Timestamp>>,
}

#[derive(Debug, Clone)]
struct Offer {
    by: Speaker,
    place: Place,
    code: String,
    until: Timestamp,
    misses: usize,
    claim: Option<(Speaker, Place)>,
    /// When its owner was asked whether that is them.
    asked_at: Option<Timestamp>,
}

/// Who says something, where and when, with what codes are made from.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Who.
    pub who: &'a Speaker,
    /// Where.
    pub place: &'a Place,
    /// When.
    pub now: Timestamp,
    /// The log's secret: a code derives from it and from what asked for the code, so that it is the same when the
    /// decision is made again.
    pub key: &'a IdKey,
    /// What asked.
    pub cause: &'a str,
    /// The command prefix.
    pub prefix: &'a str,
}

/// What follows from a command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What is recorded.
    pub events: Vec<Event>,
    /// What the person is told.
    pub answer: Doc,
    /// Whether it was refused, and why.
    pub refused: Option<String>,
    /// What the other account is told, and where.
    pub tell: Option<(UserId, Place, String)>,
}

impl Links {
    /// What one more event changes.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::LinkOffered(e) => {
                self.offers.retain(|_, offer| offer.until > at);
                let (by, place) = (e.by.clone(), e.place.clone());
                let (code, until) = (e.code.clone(), e.until);
                let offer =
                    Offer { by, place, code, until, misses: 0, claim: None, asked_at: None };
                self.offers.insert(e.by.id.clone(), offer);
            }
            Event::LinkClaimed(e) => {
                if let Some(offer) = self.offers.get_mut(&e.of) {
                    offer.claim = Some((e.by.clone(), e.place.clone()));
                    offer.asked_at = Some(at);
                }
            }
            Event::LinkMissed(e) => {
                self.missed.retain(|_, times| times.iter().any(|time| recent(*time, at)));
                let times = self.missed.entry(e.by.clone()).or_default();
                times.retain(|time| recent(*time, at));
                times.push(at);
                self.offers.values_mut().for_each(|offer| offer.misses += 1);
            }
            Event::LinkDeclined(e) => drop(self.offers.remove(&e.of)),
            Event::AccountsLinked(e) => {
                self.offers.remove(&e.first.id);
                Arc::make_mut(&mut self.people).apply(event);
            }
            Event::AccountsUnlinked(_) => Arc::make_mut(&mut self.people).apply(event),
            _ => {}
        }
    }

    /// What follows from a command; none: it only asks.
    pub fn decide(&self, command: &PeopleCommand, scene: &Scene) -> Option<Outcome> {
        let names_only = !scene.who.trust.proves_account() && *command != PeopleCommand::WhoAmI;
        let decided = match command {
            PeopleCommand::WhoAmI => return None,
            // Whoever has the name tomorrow would be this person.
            _ if names_only => Err(words::NAMES_ONLY.into()),
            PeopleCommand::Link => self.offer(scene),
            PeopleCommand::Claim { code, of } => self.claim(code, of.as_ref(), scene),
            PeopleCommand::Answer { code, yes } => self.answer(code, *yes, scene),
            PeopleCommand::Plain { yes } => self.answer_here(*yes, scene),
            PeopleCommand::Unlink { account } => self.unlink(account.as_ref(), scene),
        };
        Some(decided.unwrap_or_else(|why| {
            let answer = Doc::text(&to(&scene.who.name, &why));
            Outcome { answer, refused: Some(why), ..Outcome::default() }
        }))
    }

    fn offer(&self, scene: &Scene) -> Result<Outcome, String> {
        let others =
            |(id, offer): &(&UserId, &Offer)| offer.until > scene.now && **id != scene.who.id;
        if self.offers.iter().filter(others).count() >= CODES_MAX {
            return Err(words::TOO_MANY_CODES.into());
        }
        let code = scene.key.code(scene.cause);
        let offered = LinkOffered {
            by: scene.who.clone(),
            place: scene.place.clone(),
            code: hashed(scene.key, &code),
            until: scene.now.plus_ms(CODE_MS),
        };
        let told = words::code(scene.who, &shown(&code), scene.prefix, CODE_MS / 60_000);
        Ok(done(vec![offered.into()], &told))
    }

    /// The code that somebody says, if it is one that is good.
    fn good(&self, code: &str, scene: &Scene) -> Option<&Offer> {
        let hash = hashed(scene.key, code);
        let good = |offer: &&Offer| offer.until > scene.now && offer.misses < CODE_MISSES_MAX;
        self.offers.values().filter(good).find(|offer| offer.code == hash)
    }

    /// Why somebody may not try a code now, if so.
    fn tried_out(&self, scene: &Scene) -> Option<String> {
        let recently = |times: &Vec<Timestamp>| {
            let recent = times.iter().filter(|time| recent(**time, scene.now));
            (recent.clone().count(), recent.min().copied())
        };
        match self.missed.get(&scene.who.id).map(recently) {
            Some((tries, Some(first))) if tries >= TRIES_MAX => {
                let left = first.plus_ms(CODE_MS).0.saturating_sub(scene.now.0);
                let wait = (left + 59_999) / 60_000;
                Some(words::too_many_tries(wait))
            }
            Some((1.., _)) => None,
            _ => {
                let trying = self.missed.values().filter(|times| recently(times).0 > 0).count();
                (trying >= TRIERS_MAX).then(|| words::TOO_MANY_CODES.to_owned())
            }
        }
    }

    fn claim(&self, code: &str, of: Option<&UserId>, scene: &Scene) -> Result<Outcome, String> {
        if let Some(why) = self.tried_out(scene) {
            return Err(why);
        }
        let good = self.good(code, scene).filter(|offer| of.is_none_or(|of| *of == offer.by.id));
        let Some(offer) = good else {
            let why = words::no_code(scene.prefix);
            let answer = Doc::text(&to(&scene.who.name, &why));
            let missed = LinkMissed { by: scene.who.id.clone() };
            let events = vec![missed.into()];
            return Ok(Outcome { events, answer, refused: Some(why), tell: None });
        };
        if offer.by.id == scene.who.id {
            return Err(words::OTHER_ACCOUNT.into());
        }
        if self.people.same(&offer.by.id, &scene.who.id) {
            return Err(words::linked_before(&offer.by));
        }
        if offer.claim.as_ref().is_some_and(|(by, _)| by.id != scene.who.id) {
            return Err(words::claimed_before(scene.prefix));
        }
        if of.is_none() {
            let told = words::code_of(&offer.by, &shown(code), scene.prefix);
            return Ok(done(vec![], &told));
        }
        self.room_for(&offer.by.id, &scene.who.id, scene)?;
        let (of, by) = (offer.by.id.clone(), scene.who.clone());
        let claimed = LinkClaimed { of, by, place: scene.place.clone() };
        let code = (shown(code), scene.prefix);
        let asks = words::same_person(&offer.by, scene.who, (&code.0, code.1), offer.place.direct);
        let mut outcome = done(vec![claimed.into()], &words::claimed(&offer.by));
        outcome.tell = Some((offer.by.id.clone(), offer.place.clone(), asks));
        Ok(outcome)
    }

    fn answer(&self, code: &str, yes: bool, scene: &Scene) -> Result<Outcome, String> {
        if let Some(why) = self.tried_out(scene) {
            return Err(why);
        }
        let sides = |offer: &&Offer| {
            let claims = offer.claim.as_ref().is_some_and(|(by, _)| by.id == scene.who.id);
            offer.by.id == scene.who.id || claims
        };
        // Who is neither of the two learns nothing of it.
        let Some(offer) = self.good(code, scene).filter(sides) else {
            return Err(words::no_code(scene.prefix));
        };
        self.agreed(offer, yes, (&shown(code), scene))
    }

    /// The owner of a code answers where they are asked, without the code.
    fn answer_here(&self, yes: bool, scene: &Scene) -> Result<Outcome, String> {
        match self.asked_here(&scene.who.id, scene.place, scene.now) {
            Some(offer) => self.agreed(offer, yes, ("", scene)),
            None => Err(words::no_code(scene.prefix)),
        }
    }

    /// Whether an account was asked in a place, before something was said there, if it is the same person as another.
    pub fn asks(&self, who: &UserId, place: &Place, said: Timestamp, now: Timestamp) -> bool {
        let asked = self.asked_here(who, place, now).and_then(|offer| offer.asked_at);
        asked.is_some_and(|asked| asked <= said)
    }

    fn asked_here(&self, who: &UserId, place: &Place, now: Timestamp) -> Option<&Offer> {
        let there = |offer: &Place| offer.room == place.room && offer.thread == place.thread;
        self.offers.get(who).filter(|offer| {
            let good = offer.until > now && offer.misses < CODE_MISSES_MAX;
            good && offer.claim.is_some() && there(&offer.place)
        })
    }

    /// What follows from the answer of one of the two sides.
    fn agreed(
        &self,
        offer: &Offer,
        yes: bool,
        (code, scene): (&str, &Scene),
    ) -> Result<Outcome, String> {
        let mine = offer.by.id == scene.who.id;
        let other = match (&offer.claim, mine) {
            (Some((by, place)), true) => Some((by.id.clone(), place.clone())),
            (_, false) => Some((offer.by.id.clone(), offer.place.clone())),
            (None, true) => None,
        };
        if !yes {
            let declined = LinkDeclined { of: offer.by.id.clone(), by: scene.who.id.clone() };
            let told = words::declined(scene.who);
            let mut outcome = done(vec![declined.into()], &told);
            outcome.tell = other.map(|(id, place)| (id, place, told));
            return Ok(outcome);
        }
        if !mine {
            return Err(words::not_yours(&offer.by));
        }
        let Some((second, place)) = offer.claim.clone() else {
            return Err(words::not_claimed(code, &offer.by.id, scene.prefix));
        };
        let accounts = self.room_for(&offer.by.id, &second.id, scene)?;
        let first = scene.who.clone();
        let told = words::linked(&first, accounts, before_commands(&place, scene.prefix));
        let at = before_commands(scene.place, scene.prefix);
        let answer = words::linked(&second, accounts, at);
        let to = second.id.clone();
        let mut outcome = done(vec![AccountsLinked { first, second }.into()], &answer);
        outcome.tell = Some((to, place, told));
        Ok(outcome)
    }

    /// How many accounts two persons have together, if that is not too many.
    fn room_for(&self, one: &UserId, other: &UserId, scene: &Scene) -> Result<usize, String> {
        let of = |id: &UserId| self.people.accounts_of(&self.people.person_of(id)).len();
        match of(one) + of(other) {
            many if many > ACCOUNTS_MAX => {
                let at = before_commands(scene.place, scene.prefix);
                Err(words::too_many_accounts(ACCOUNTS_MAX, at))
            }
            fitting => Ok(fitting),
        }
    }

    fn unlink(&self, account: Option<&UserId>, scene: &Scene) -> Result<Outcome, String> {
        let who = &scene.who.id;
        let account = account.unwrap_or(who);
        if !self.people.same(account, who) {
            return Err(words::not_your_account(account));
        }
        if self.people.accounts_of(&self.people.person_of(who)).len() < 2 {
            return Err(words::NOT_LINKED.into());
        }
        let unlinked = AccountsUnlinked { account: account.clone(), by: who.clone() };
        Ok(done(vec![unlinked.into()], &words::unlinked(account)))
    }
}

/// A plain yes or no of somebody who is asked whether they are the same person as another account. Where it may as well
/// answer a question, it is asked which; where it is a command, it is that.
pub fn answered_plainly(decision: Decision, yes: bool, who: &Speaker, prefix: &str) -> Decision {
    let act = match &decision.act {
        Act::Say(_) if decision.reason == NO_ALIAS => Act::People(PeopleCommand::Plain { yes }),
        Act::Answer { .. } | Act::AskBack { .. } | Act::Unclear { .. } => {
            Act::Say(Doc::text(&to(&who.name, &words::which_answer(prefix))))
        }
        _ => return decision,
    };
    let considered = format!("command {}", PeopleCommand::Link.name());
    let reason = "a plain answer to whether two accounts are one person".to_owned();
    Decision { considered, act, reason, permission: None }
}

fn done(events: Vec<Event>, told: &str) -> Outcome {
    Outcome { events, answer: Doc::text(told), ..Outcome::default() }
}

fn recent(time: Timestamp, now: Timestamp) -> bool {
    time.plus_ms(CODE_MS) > now
}

fn hashed(key: &IdKey, code: &str) -> String {
    let hash = key.hash("link code", &[code]);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
