//! Who is one person: the accounts that were joined by a code said on both sides, as a fold of the log.
//!
//! An account that nobody joined is a person of its own. What counts is the account's id: names prove nothing.

use std::collections::BTreeMap;

pub use super::id::PersonId;

use super::event::{Event, Recorded};
use super::id::UserId;
use super::trigger::Speaker;

/// Most accounts of one person.
pub const ACCOUNTS_MAX: usize = 10;

/// The accounts that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// The accounts of each person who has several, in the order in which they were joined.
    groups: BTreeMap<PersonId, Vec<UserId>>,
    /// Whose an account is, for those in a group.
    of: BTreeMap<UserId, PersonId>,
    /// The first account of all that were ever joined, directly or not.
    ever: BTreeMap<UserId, PersonId>,
}

impl People {
    /// What one more event changes.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::AccountsLinked(e) => self.link(&e.first.id, &e.second.id),
            Event::AccountsUnlinked(e) => self.unlink(&e.account),
            _ => {}
        }
    }

    /// The person that an account belongs to: the first account of its group, or the account itself.
    pub fn person_of(&self, account: &UserId) -> PersonId {
        self.of.get(account).cloned().unwrap_or_else(|| alone(account))
    }

    /// The accounts of a person, the first one first.
    pub fn accounts_of(&self, person: &PersonId) -> Vec<UserId> {
        let itself = || vec![UserId(person.0.clone())];
        self.groups.get(person).cloned().unwrap_or_else(itself)
    }

    /// The person as whom an account votes. It stays the same when accounts part: who asked for something does not become
    /// somebody else by `!unlink`.
    pub fn voter_of(&self, account: &UserId) -> PersonId {
        self.ever.get(account).cloned().unwrap_or_else(|| alone(account))
    }

    /// Whether two accounts belong to one person now.
    pub fn same(&self, one: &UserId, other: &UserId) -> bool {
        self.person_of(one) == self.person_of(other)
    }

    /// Whether somebody who speaks is the person who spoke before. Who is a mere name is nobody's other account, and not
    /// whoever was proven before under that name.
    pub fn is_again(&self, who: &Speaker, before: &Speaker) -> bool {
        match who.trust.proves_account() {
            true => self.same(&who.id, &before.id),
            false => who.id == before.id && before.trust <= who.trust,
        }
    }

    /// The accounts as whose somebody who speaks counts: all of the person, or for a mere name that one.
    pub fn accounts_for(&self, who: &Speaker) -> Vec<UserId> {
        match who.trust.proves_account() {
            true => self.accounts_of(&self.person_of(&who.id)),
            false => vec![who.id.clone()],
        }
    }

    /// Whether one of these accounts belongs to the person whose account this is.
    pub fn are_among(&self, account: &UserId, accounts: &[UserId]) -> bool {
        accounts.iter().any(|other| self.same(account, other))
    }

    fn link(&mut self, first: &UserId, second: &UserId) {
        let (into, from) = (self.person_of(first), self.person_of(second));
        if into != from {
            let moved = self.accounts_of(&from);
            self.groups.remove(&from);
            let mut group = self.accounts_of(&into);
            group.extend(moved);
            for account in &group {
                self.of.insert(account.clone(), into.clone());
            }
            self.groups.insert(into, group);
        }
        let (into, from) = (self.voter_of(first), self.voter_of(second));
        self.ever.insert(first.clone(), into.clone());
        self.ever.insert(second.clone(), into.clone());
        for voter in self.ever.values_mut().filter(|voter| **voter == from) {
            *voter = into.clone();
        }
    }

    fn unlink(&mut self, account: &UserId) {
        let Some(person) = self.of.remove(account) else { return };
        let mut group = self.groups.remove(&person).unwrap_or_default();
        group.retain(|other| other != account);
        match group.as_slice() {
            [] => {}
            [last] => drop(self.of.remove(last)),
            [first, ..] => {
                let person = alone(first);
                for other in &group {
                    self.of.insert(other.clone(), person.clone());
                }
                self.groups.insert(person, group);
            }
        }
    }
}

/// Whether one name may be taken for another: the same letters, or letters that look like them.
pub fn looks_like(one: &str, other: &str) -> bool {
    skeleton(one) == skeleton(other)
}

/// A name in the letters that it looks like; what is not seen is left out.
fn skeleton(name: &str) -> String {
    const ALIKE: &[(&str, char)] = &[
        ("аα", 'a'),
        ("вβ", 'b'),
        ("сϲ", 'c'),
        ("ԁ", 'd'),
        ("еєε", 'e'),
        ("ɡ", 'g'),
        ("һн", 'h'),
        ("іıι|l1", 'i'),
        ("јʝ", 'j'),
        ("кκ", 'k'),
        ("м", 'm'),
        ("пη", 'n'),
        ("оοσ0", 'o'),
        ("рρ", 'p'),
        ("ԛ", 'q'),
        ("ѕ", 's'),
        ("тτ", 't'),
        ("υ", 'u'),
        ("νѵ", 'v'),
        ("ԝω", 'w'),
        ("хχ", 'x'),
        ("уγ", 'y'),
    ];
    let seen = |c: &char| !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}' | '\u{300}'..='\u{36F}');
    let plain = |c: char| {
        let found = ALIKE.iter().find(|(letters, _)| letters.contains(c));
        found.map_or(c, |(_, plain)| *plain)
    };
    name.trim().to_lowercase().chars().filter(seen).map(plain).collect()
}

/// The first part of an account's id: what people call it.
pub fn local(account: &UserId) -> &str {
    account.as_str().trim_start_matches('@').split(':').next().unwrap_or_default()
}

/// Whether somebody may be taken for one of these, by what they call themselves or by their id.
pub fn may_be_taken_for(who: &Speaker, accounts: &[UserId]) -> bool {
    let alike = |account: &UserId| {
        looks_like(&who.name, local(account)) || looks_like(local(&who.id), local(account))
    };
    accounts.iter().any(|account| *account != who.id && alike(account))
}

/// Whether an event says who is one person: that holds however old it is, until one of them is erased.
pub fn joins(recorded: &Recorded) -> bool {
    matches!(recorded.event(), Some(Event::AccountsLinked(_) | Event::AccountsUnlinked(_)))
}

fn alone(account: &UserId) -> PersonId {
    PersonId(account.0.clone())
}

#[cfg(test)]
mod tests {
    use super::super::event::{AccountsLinked, AccountsUnlinked};
    use super::super::trigger::Trust;
    use super::*;

    #[test]
    fn a_mere_name_is_nobodys_other_account() {
        let people = given("ann+ann_");
        let as_proven = |name: &str, trust: Trust| Speaker { trust, ..speaker(name) };
        for (who, trust, before, then, want) in [
            ("ann", Trust::Account, "ann_", Trust::Account, true),
            ("ann_", Trust::Account, "ann", Trust::Device, true),
            ("ann_", Trust::Account, "ann_", Trust::Nick, true),
            ("ann_", Trust::Nick, "ann", Trust::Account, false),
            ("ann_", Trust::Nick, "ann", Trust::Nick, false),
            ("ann_", Trust::Nick, "ann_", Trust::Account, false),
            ("ann_", Trust::Nick, "ann_", Trust::Nick, true),
            ("ann_", Trust::Nothing, "ann_", Trust::Nick, false),
            ("eva", Trust::Device, "ann", Trust::Device, false),
        ] {
            let got = people.is_again(&as_proven(who, trust), &as_proven(before, then));
            assert_eq!(got, want, "{who} {trust:?} after {before} {then:?}");
        }
        let of = |trust| people.accounts_for(&as_proven("ann_", trust));
        assert_eq!(of(Trust::Account), [user("ann"), user("ann_")]);
        assert_eq!(of(Trust::Nick), [user("ann_")]);
    }

    fn user(name: &str) -> UserId {
        UserId(format!("@{name}:hs"))
    }

    fn speaker(name: &str) -> Speaker {
        Speaker {
            id: user(name),
            name: "the same name".into(),
            network: "matrix".into(),
            account: None,
            trust: Trust::Account,
            claims: vec![],
        }
    }

    /// `a+b` joins two accounts, `-a` takes one out.
    fn given(history: &str) -> People {
        let mut people = People::default();
        for step in history.split_whitespace() {
            let event: Event = match (step.split_once('+'), step.strip_prefix('-')) {
                (Some((first, second)), _) => {
                    let (first, second) = (speaker(first), speaker(second));
                    AccountsLinked { first, second }.into()
                }
                (_, Some(account)) => {
                    AccountsUnlinked { account: user(account), by: user(account) }.into()
                }
                _ => panic!("{step}"),
            };
            people.apply(&event);
        }
        people
    }

    fn short(id: &str) -> String {
        id.trim_start_matches('@').trim_end_matches(":hs").to_owned()
    }

    #[test]
    fn accounts_are_joined_and_part() {
        for (history, account, accounts, voter) in [
            ("", "a", "a", "a"),
            ("a+b", "a", "a b", "a"),
            ("a+b", "b", "a b", "a"),
            ("a+b", "c", "c", "c"),
            ("a+b a+c", "c", "a b c", "a"),
            ("a+b c+d b+c", "d", "a b c d", "a"),
            ("a+b c+d c+a", "b", "c d a b", "c"),
            ("a+b a+b", "b", "a b", "a"),
            ("a+b -b", "b", "b", "a"),
            ("a+b -b", "a", "a", "a"),
            ("a+b a+c -a", "b", "b c", "a"),
            ("a+b a+c -a", "a", "a", "a"),
            ("a+b -b c+b", "b", "c b", "c"),
            ("a+b -b c+b", "a", "a", "c"),
            ("a+b -c", "b", "a b", "a"),
        ] {
            let people = given(history);
            let person = people.person_of(&user(account));
            let found: Vec<String> =
                people.accounts_of(&person).iter().map(|id| short(id.as_str())).collect();
            assert_eq!(found.join(" "), accounts, "{account} after {history:?}");
            assert_eq!(person.as_str(), people.accounts_of(&person)[0].as_str(), "{history:?}");
            let votes = people.voter_of(&user(account));
            assert_eq!(short(votes.as_str()), voter, "the vote of {account} after {history:?}");
        }
    }

    #[test]
    fn names_and_look_alikes_prove_nothing() {
        let people = given("ann+work");
        for (other, same) in [("work", true), ("аnn", false), ("Ann", false), ("ann ", false)] {
            assert_eq!(people.same(&user("ann"), &user(other)), same, "{other:?}");
        }
        assert!(people.are_among(&user("work"), &[user("ben"), user("ann")]));
        assert!(!people.are_among(&user("аnn"), &[user("ben"), user("ann")]));
    }

    #[test]
    fn some_may_be_taken_for_others() {
        for (name, id, want) in [
            ("ann", "@eve:evil", true),
            ("Ann ", "@eve:evil", true),
            ("eve", "@ann:evil", true),
            ("аnn", "@eve:evil", true),
            ("a\u{200B}nn", "@eve:evil", true),
            ("eve", "@аnn:hs", true),
            ("eve", "@eve:evil", false),
            ("anna", "@anna:hs", false),
            ("ann", "@ann:hs", false),
        ] {
            let who = Speaker { id: UserId(id.into()), name: name.into(), ..speaker("x") };
            assert_eq!(may_be_taken_for(&who, &[user("ann")]), want, "{name:?} {id:?}");
        }
    }
}
