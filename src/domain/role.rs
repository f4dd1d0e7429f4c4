//! Who holds a role: accounts by their ids, members of a room, and those with enough power in one (pure).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::id::{RoomId, UserId};
use super::policy::{LOCAL, OWNER, RoleHeld};

/// Most roles that can be configured.
pub const ROLES_MAX: usize = 100;
/// Most entries of one role.
pub const ENTRIES_MAX: usize = 1_000;
/// Longest name of a role, in bytes.
pub const ROLE_BYTES_MAX: usize = 100;
/// How entries are written.
pub const HOW: &str = "an entry is an account `@ann:example.org`, accounts `@*:example.org`, `member of #room:example.org`, `power>=50`, or `power>=50 in #room:example.org`";

/// Accounts that have nothing in common: who fits both fits everybody.
const ANYWHERE: [&str; 2] = ["@a:one.example", "@b:two.example"];
/// What is wrong with an entry that fits everybody.
const EVERYBODY: &str = "it gives the role to everybody on every server";
/// What is wrong with an entry that fits nobody.
const NOBODY: &str = "it fits no account, because an account has a server, as in `@*:example.org`";

/// What gives a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Giver {
    /// An account, or those that a pattern fits; `*` stands for anything without a colon.
    Account(String),
    /// To be in this room.
    Member(String),
    /// To have at least this power in a room; none: where it is said.
    Power(i64, Option<String>),
}

/// What somebody is in a room, as far as that can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// They are in it, with this power.
    Member(i64),
    /// They are not in it.
    Stranger,
    /// It cannot be seen, for this reason.
    Unseen(String),
}

/// The roles that are configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<String, Vec<(String, Giver)>>);

/// The roles that somebody holds, and those of which that cannot be said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// With what gives them.
    pub roles: Vec<RoleHeld>,
    /// With why it cannot be said.
    pub unseen: Vec<RoleHeld>,
}

impl Roles {
    /// Reads the entries of one more role.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn add(&mut self, role: &str, entries: &[String]) -> Result<(), String> {
        if [OWNER, LOCAL].contains(&role) {
            return Err(format!("the role `{role}` is given by the bot itself"));
        }
        let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        if role.is_empty() || role.len() > ROLE_BYTES_MAX || !role.chars().all(fits) {
            return Err(format!(
                "a role is a word of letters, digits, `-`, `_` and `.`, of at most {ROLE_BYTES_MAX} bytes"
            ));
        }
        if self.0.len() >= ROLES_MAX && !self.0.contains_key(role) {
            return Err(format!("{ROLES_MAX} roles are the most"));
        }
        if entries.len() > ENTRIES_MAX {
            return Err(format!("a role has at most {ENTRIES_MAX} entries"));
        }
        let read = entries.iter().map(|entry| Ok((entry.clone(), giver(entry)?)));
        self.0.insert(role.to_owned(), read.collect::<Result<_, String>>()?);
        Ok(())
    }

    /// Reads all roles with their entries.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn read(all: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut roles = Self::default();
        for (role, entries) in all {
            roles.add(role, entries)?;
        }
        Ok(roles)
    }

    /// All roles with their entries, as they are written.
    pub fn entries(&self) -> BTreeMap<String, Vec<String>> {
        let written = |entries: &Vec<(String, Giver)>| {
            entries.iter().map(|(written, _)| written.clone()).collect()
        };
        self.0.iter().map(|(role, entries)| (role.clone(), written(entries))).collect()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// The accounts that are named for roles, each as it is written.
    pub fn accounts(&self) -> impl Iterator<Item = &String> {
        self.givers().filter_map(|giver| match giver {
            Giver::Account(pattern) if !pattern.contains('*') => Some(pattern),
            _ => None,
        })
    }

    /// The entries that give a role to whoever opens an account anywhere, or to nobody, each with what is wrong with it.
    pub fn doubtful(&self) -> Vec<(&str, &str, &'static str)> {
        let of = |pattern: &str| match ANYWHERE.map(|account| matches(pattern, account)) {
            [true, true] => Some(EVERYBODY),
            // An account has a server, and `*` ends before it.
            _ if pattern.starts_with('@') && !pattern.contains(':') => Some(NOBODY),
            _ => None,
        };
        let entries = self.0.iter().flat_map(|(role, entries)| {
            entries.iter().map(move |(written, giver)| (role.as_str(), written.as_str(), giver))
        });
        let doubt = |(role, written, giver): (_, _, &Giver)| match giver {
            Giver::Account(pattern) => Some((role, written, of(pattern)?)),
            Giver::Member(_) | Giver::Power(..) => None,
        };
        entries.filter_map(doubt).collect()
    }

    /// The rooms that somebody's standing must be known in for what they say in a room.
    pub fn rooms<'a>(&'a self, here: &'a str) -> Vec<&'a str> {
        let mut rooms: Vec<&str> = self.givers().filter_map(|giver| giver.room(here)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    /// The roles that are given by power in whatever room somebody speaks.
    pub fn by_power_anywhere(&self) -> impl Iterator<Item = &String> {
        let anywhere = |(_, giver): &(String, Giver)| matches!(giver, Giver::Power(_, None));
        let roles = self.0.iter().filter(move |(_, entries)| entries.iter().any(anywhere));
        roles.map(|(role, _)| role)
    }

    fn givers(&self) -> impl Iterator<Item = &Giver> {
        self.0.values().flatten().map(|(_, giver)| giver)
    }

    /// The roles of somebody by the account that they use now.
    ///
    /// Power in the room where they speak counts where that room is `known`: in a room of their own everybody has it all.
    pub fn held(
        &self,
        account: &UserId,
        here: &RoomId,
        known: bool,
        standing: &dyn Fn(&str) -> Standing,
    ) -> Held {
        let mut held = Held::default();
        for (role, entries) in &self.0 {
            let mut unseen = None;
            let given = entries.iter().find_map(|(written, giver)| match giver {
                Giver::Account(pattern) => {
                    matches(pattern, account.as_str()).then(|| written.clone())
                }
                Giver::Member(room) | Giver::Power(_, Some(room)) => {
                    given(giver, written, standing(room), &mut unseen)
                }
                Giver::Power(_, None) if !known => None,
                Giver::Power(_, None) => {
                    let written = format!("{written} in {here}");
                    given(giver, &written, standing(here.as_str()), &mut unseen)
                }
            });
            let role = |source| RoleHeld { role: role.clone(), source };
            match (given, unseen) {
                (Some(source), _) => held.roles.push(role(source)),
                (None, Some(why)) => held.unseen.push(role(why)),
                (None, None) => {}
            }
        }
        held
    }

    /// The roles that an account is given by its id alone.
    pub fn of_account(&self, account: &UserId) -> Vec<RoleHeld> {
        let nowhere = |_: &str| Standing::Stranger;
        self.held(account, &RoomId(String::new()), false, &nowhere).roles
    }
}

impl Giver {
    /// The room that it is about.
    fn room<'a>(&'a self, here: &'a str) -> Option<&'a str> {
        match self {
            Self::Account(_) => None,
            Self::Member(room) | Self::Power(_, Some(room)) => Some(room),
            Self::Power(_, None) => Some(here),
        }
    }
}

/// Whether somebody's standing gives a role, and by what.
fn given(
    giver: &Giver,
    written: &str,
    standing: Standing,
    unseen: &mut Option<String>,
) -> Option<String> {
    match (giver, standing) {
        (_, Standing::Unseen(why)) => {
            *unseen = Some(format!("{written}: {why}"));
            None
        }
        (_, Standing::Stranger) | (Giver::Account(_), _) => None,
        (Giver::Member(_), Standing::Member(_)) => Some(written.to_owned()),
        (Giver::Power(least, _), Standing::Member(power)) => {
            (power >= *least).then(|| format!("{written}: {power}"))
        }
    }
}

fn giver(entry: &str) -> Result<Giver, String> {
    let wrong = || format!("`{entry}`: {HOW}");
    let room = |text: &str| {
        let text = text.trim();
        let fits = text.len() > 1 && text.starts_with(['#', '!']) && !text.contains(' ');
        fits.then(|| text.to_owned()).ok_or_else(wrong)
    };
    if let Some(rest) = entry.strip_prefix("member of ") {
        return room(rest).map(Giver::Member);
    }
    if let Some(rest) = entry.strip_prefix("power>=") {
        let (least, of) = match rest.split_once(" in ") {
            Some((least, of)) => (least, Some(room(of)?)),
            None => (rest, None),
        };
        let least = least.trim().parse().map_err(|_| wrong())?;
        return Ok(Giver::Power(least, of));
    }
    let account = (entry.starts_with('@') || entry.starts_with("cli:"))
        && entry.len() > 1
        && !entry.contains(char::is_whitespace);
    account.then(|| Giver::Account(entry.to_owned())).ok_or_else(wrong)
}

/// Whether a pattern fits a whole account: `*` stands for anything without a colon, so that it ends at the server's name.
fn matches(pattern: &str, account: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == account;
    };
    let Some(rest) = account.strip_prefix(head) else { return false };
    let stop = rest.find(':').unwrap_or(rest.len());
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.take_while(|at| *at <= stop).any(|at| matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(role: &str, entries: &[&str]) -> Result<Roles, String> {
        let mut roles = Roles::default();
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        roles.add(role, &entries).map(|()| roles)
    }

    #[test]
    fn entries_for_everybody_and_for_nobody_are_doubtful() {
        for (entry, want) in [
            ("@*:*", Some(EVERYBODY)),
            ("@*", Some(NOBODY)),
            ("@ann", Some(NOBODY)),
            ("@*:example.org", None),
            ("@ann:example.org", None),
            ("@a:*", None),
            ("cli:ann", None),
            ("power>=50", None),
            ("member of #ops:example.org", None),
        ] {
            let roles = read("ops", &[entry]).unwrap();
            let want: Vec<_> = want.iter().map(|why| ("ops", entry, *why)).collect();
            assert_eq!(roles.doubtful(), want, "{entry}");
        }
    }

    fn shown(held: &Held) -> String {
        let row = |mark: &str, it: &RoleHeld| format!("{mark}{} by {}", it.role, it.source);
        let held_by = held.roles.iter().map(|it| row("", it));
        held_by.chain(held.unseen.iter().map(|it| row("?", it))).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn roles_are_held_by_account_room_and_power() {
        let standing = |room: &str| match room {
            "#release:hs" => Standing::Member(0),
            "!ops:hs" => Standing::Member(50),
            "#dark:hs" => Standing::Unseen("I am not in that room".into()),
            _ => Standing::Stranger,
        };
        for (entries, account, want) in [
            (&["@ann:hs"][..], "@ann:hs", "r by @ann:hs"),
            (&["@ann:hs"], "@Ann:hs", ""),
            (&["@ann:hs"], "@аnn:hs", ""),
            (&["@ann:hs"], "@ann:hs.evil.org", ""),
            (&["@*:hs"], "@ann:hs", "r by @*:hs"),
            (&["@*:hs"], "@ann:evil.org:hs", ""),
            (&["@irc_*:hs"], "@irc_ann:hs", "r by @irc_*:hs"),
            (&["@irc_*:hs"], "@ann:hs", ""),
            (&["member of #release:hs"], "@x:hs", "r by member of #release:hs"),
            (&["member of #other:hs"], "@x:hs", ""),
            (&["power>=50"], "@x:hs", "r by power>=50 in !ops:hs: 50"),
            (&["power>=51"], "@x:hs", ""),
            (&["power>=0 in #other:hs"], "@x:hs", ""),
            (&["power>=0 in #release:hs"], "@x:hs", "r by power>=0 in #release:hs: 0"),
            (&["member of #dark:hs"], "@x:hs", "?r by member of #dark:hs: I am not in that room"),
            (&["member of #dark:hs", "@x:hs"], "@x:hs", "r by @x:hs"),
            (&["cli:ann"], "cli:ann", "r by cli:ann"),
        ] {
            let roles = read("r", entries).expect("they are entries");
            let here = RoomId("!ops:hs".into());
            let held = roles.held(&UserId(account.into()), &here, true, &standing);
            assert_eq!(shown(&held), want, "{entries:?} {account:?}");
            let by_id = roles.of_account(&UserId(account.into()));
            assert_eq!(by_id.is_empty(), !want.starts_with("r by @") && !want.contains("cli:"));
        }
    }

    #[test]
    fn power_counts_in_rooms_that_are_known() {
        let standing = |_: &str| Standing::Member(100);
        for (entry, known, want) in [
            ("power>=50", true, "r by power>=50 in !own:hs: 100"),
            ("power>=50", false, ""),
            ("power>=50 in #ops:hs", false, "r by power>=50 in #ops:hs: 100"),
        ] {
            let roles = read("r", &[entry]).expect("it is an entry");
            let here = RoomId("!own:hs".into());
            let held = roles.held(&UserId("@eve:hs".into()), &here, known, &standing);
            assert_eq!(shown(&held), want, "{entry} {known}");
            let anywhere = roles.by_power_anywhere().count() == 1;
            assert_eq!(anywhere, entry == "power>=50", "{entry}");
        }
    }

    #[test]
    fn what_is_no_role_is_refused() {
        let many: Vec<&str> = vec!["@a:hs"; ENTRIES_MAX + 1];
        let long = "x".repeat(ROLE_BYTES_MAX + 1);
        for (role, entries, want) in [
            ("owner", &[][..], "the role `owner` is given by the bot itself"),
            ("local", &[], "the role `local` is given by the bot itself"),
            ("a b", &[], "a role is a word"),
            (&long, &[], "a role is a word"),
            ("ops", &["ann"], "`ann`: an entry is"),
            ("ops", &["member of release"], "`member of release`: an entry is"),
            ("ops", &["power>=high"], "`power>=high`: an entry is"),
            ("ops", &["power>=50 in ops"], "`power>=50 in ops`: an entry is"),
            ("ops", &many, "a role has at most 1000 entries"),
        ] {
            let why = read(role, entries).expect_err("it is no role");
            assert!(why.starts_with(want), "{role}: {why}");
        }
        assert!(read(&long[1..], &many[1..]).is_ok());
        let mut roles = Roles::default();
        for nth in 0..ROLES_MAX {
            roles.add(&format!("r{nth}"), &[]).expect("it is not too many");
        }
        assert!(roles.add("r0", &[]).is_ok());
        assert!(roles.add("one-more", &[]).is_err());
    }
}
