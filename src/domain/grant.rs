//! Grants: that somebody may run a command for a while, given by one person to another, as a fold of the log.
//!
//! A grant is an input of a policy's decision and gives nothing by itself: what a policy forbids stays forbidden, and it
//! is never asked about anything but running. It ends by the time of the decision; nothing has to happen for that.

use std::collections::BTreeMap;

use super::event::{Event, GrantMade, Recorded};
use super::id::{Timestamp, UserId};

/// Most grants that may hold at once.
pub const GRANTS_MAX: usize = 500;
/// Longest time that a grant holds.
pub const GRANT_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;
/// Shortest time that a grant holds.
pub const GRANT_MS_MIN: i64 = 60 * 1000;

/// The grants that were not taken back, those that are over among them until another is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    made: BTreeMap<String, GrantMade>,
}

impl Grants {
    /// What one more event changes.
    pub fn apply(&mut self, recorded: &Recorded) {
        if let Some(event) = recorded.event() {
            self.take(event, recorded.wall);
        }
    }

    fn take(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::GrantMade(e) => {
                // What was over when this one was made is of no use any more, and neither is the same for less time.
                let less = |grant: &GrantMade| {
                    let same = (&grant.account, &grant.alias, &grant.file)
                        == (&e.account, &e.alias, &e.file);
                    same && grant.until <= e.until
                };
                self.made.retain(|_, grant| grant.until > at && !less(grant));
                self.made.insert(e.grant.clone(), e.clone());
            }
            Event::GrantRevoked(e) => {
                self.made.remove(&e.grant);
            }
            _ => {}
        }
    }

    /// The grants that hold at a time, by their ids.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &GrantMade> {
        self.made.values().filter(move |grant| grant.until > now)
    }

    /// The grant that lets an account run a command at a time.
    ///
    /// The command is one of a script: what another one offers by the same name is not granted.
    pub fn covering(
        &self,
        account: &UserId,
        (alias, file): (&str, &str),
        now: Timestamp,
    ) -> Option<&GrantMade> {
        let fits = |grant: &&GrantMade| {
            let script = grant.file.is_empty() || grant.file == file;
            script && grant.alias == alias && grant.account == *account
        };
        self.open(now).filter(fits).max_by_key(|grant| grant.until)
    }

    /// The grant of exactly this that holds longest at a time.
    pub fn same(
        &self,
        account: &UserId,
        (alias, file): (&str, &str),
        now: Timestamp,
    ) -> Option<&GrantMade> {
        let same = |grant: &&GrantMade| {
            grant.account == *account && grant.alias == alias && grant.file == file
        };
        self.open(now).filter(same).max_by_key(|grant| grant.until)
    }

    /// The grants that somebody means by the beginning of an id.
    pub fn meant(&self, prefix: &str, now: Timestamp) -> Vec<&GrantMade> {
        let typed = super::id::ExecutionId::typed(prefix);
        let fits = |grant: &&GrantMade| !typed.is_empty() && grant.grant.starts_with(&typed);
        self.open(now).filter(fits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::GrantRevoked;
    use super::*;

    fn grant(id: &str, account: &str, alias: &str, until: i64) -> GrantMade {
        GrantMade {
            grant: id.into(),
            account: UserId(account.into()),
            name: account.into(),
            alias: alias.into(),
            file: if account == "@bob:hs" { "shop.rhai".into() } else { String::new() },
            until: Timestamp(until),
            by: UserId("@ann:hs".into()),
            reason: "a test".into(),
        }
    }

    fn given(made: &[(&str, &str, &str, i64)], revoked: &[&str]) -> Grants {
        let mut grants = Grants::default();
        for (id, account, alias, until) in made {
            grants.take(&grant(id, account, alias, *until).into(), Timestamp(0));
        }
        for id in revoked {
            let (grant, by) = ((*id).to_owned(), UserId("@ann:hs".into()));
            grants.take(&GrantRevoked { grant, by, reason: String::new() }.into(), Timestamp(0));
        }
        grants
    }

    #[test]
    fn a_grant_holds_for_one_command_of_one_person_until_its_end() {
        let made = [("1A", "@bob:hs", "deploy", 100), ("2B", "@bob:hs", "deploy", 200)];
        for (revoked, account, alias, now, want) in [
            (&[][..], "@bob:hs", "deploy", 50, Some("2B")),
            (&[], "@bob:hs", "deploy", 199, Some("2B")),
            (&[], "@bob:hs", "deploy", 200, None),
            // The longer one stands for the shorter one as well.
            (&["2B"], "@bob:hs", "deploy", 50, None),
            (&["1A", "2B"], "@bob:hs", "deploy", 50, None),
            (&[], "@bob:hs", "restart", 50, None),
            (&[], "@eve:hs", "deploy", 50, None),
            (&[], "@Bob:hs", "deploy", 50, None),
        ] {
            let grants = given(&made, revoked);
            let account_id = UserId(account.into());
            let covering = |file| grants.covering(&account_id, (alias, file), Timestamp(now));
            assert_eq!(covering("other.rhai"), None, "{account} {alias}");
            let found = covering("shop.rhai").map(|grant| grant.grant.as_str());
            assert_eq!(found, want, "{revoked:?} {account} {alias} at {now}");
        }
    }

    #[test]
    fn what_is_over_is_forgotten_when_another_is_made() {
        let mut grants = given(&[("1A", "@bob:hs", "deploy", 100)], &[]);
        grants.take(&grant("2B", "@bob:hs", "deploy", 300).into(), Timestamp(150));
        assert_eq!(grants.made.len(), 1);
        assert_eq!(grants.meant("2b", Timestamp(150)).len(), 1);
        assert_eq!(grants.meant("", Timestamp(150)).len(), 0);
    }
}
