//! `can` and `who can`: the same decision that would be made if somebody said it here, with the policies that make it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::scripts::Offered;
use super::sheet::full_id;
use super::{Error, Kernel};
use crate::domain::alias_index::Found;
use crate::domain::catalog::{Alias, Catalog};
use crate::domain::id::{PersonId, UserId};
use crate::domain::message::Doc;
use crate::domain::policy::{Cited, Permission, PolicyAction, Resource};
use crate::domain::trigger::{Place, Speaker};
use crate::domain::words::{can as say, listing, policy as policies, why};
use crate::query::command::Rows;
use crate::query::subjects::Subjects;
use crate::store::Subject;

/// Most people of whom it is looked whether they may do something.
pub const LOOKED_AT_MAX: usize = 1_000;
/// Most people who are named in one answer.
pub const NAMED_MAX: usize = 40;
/// Who was not heard of for so long is not looked at.
pub const SEEN_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// Where it is asked, and what was offered then.
pub(super) struct Asker {
    pub place: Place,
    pub offered: Arc<Offered>,
}

impl Kernel {
    /// Whether somebody may do what a text commands, here.
    pub(super) fn can(&self, asker: &Asker, speaker: &Speaker, text: &str) -> Result<Doc, Error> {
        let Some(alias) = meant(&asker.offered.catalog, text) else {
            return Ok(Doc::text(&say::no_command(text)));
        };
        let resource = Resource::alias(alias);
        let permission = self.may(PolicyAction::Run, resource, speaker, &asker.place);
        let texts = self.caps(&asker.place).html;
        Ok(Doc::text(&told(&speaker.name, &alias.name, &permission, texts)))
    }

    /// Who may do what a text commands, here.
    ///
    /// What each is in rooms is looked at just before they are decided on: of many people not all of it is remembered.
    pub(super) async fn who_can(
        &self,
        asker: &Asker,
        (people, bounded): (&[Speaker], bool),
        text: &str,
    ) -> Result<Doc, Error> {
        let Some(alias) = meant(&asker.offered.catalog, text) else {
            return Ok(Doc::text(&say::no_command(text)));
        };
        let resource = Resource::alias(alias);
        let mut lines: Vec<String> = vec![];
        for speaker in people {
            self.learn(speaker, &asker.place).await?;
            let may = self.may(PolicyAction::Run, resource.clone(), speaker, &asker.place);
            if may.allowed() {
                lines.push(format!("• {}", full_name(speaker)));
            }
        }
        let (count, looked) = (lines.len(), people.len());
        lines.truncate(NAMED_MAX);
        if count > NAMED_MAX {
            lines.push(say::more(count - NAMED_MAX));
        }
        lines.insert(
            0,
            match count {
                0 => say::nobody_can(&alias.name, looked),
                _ => say::who_can(&alias.name, count, looked),
            },
        );
        if bounded {
            lines.push(say::bounded(LOOKED_AT_MAX));
        }
        Ok(Doc::text(&lines.join("\n")))
    }

    /// Each person who was heard of lately or is named in the configuration, once; and whether there are more.
    pub(super) fn known_people(&self, asker: &Speaker) -> Result<(Vec<Speaker>, bool), Error> {
        let store = self.store.as_ref();
        let since = self.clock.now().plus_ms(-SEEN_MS);
        let subjects = Subjects::current(store, &mut Rows::default());
        let (seen, mut bounded) = match subjects {
            Ok(subjects) => subjects.seen_since(store, since, LOOKED_AT_MAX)?,
            Err(_) => (vec![], false),
        };
        let named = self.named_accounts().into_iter().map(|id| self.stranger(id, &asker.network));
        let people = self.people()?;
        let (mut known, mut found): (BTreeSet<PersonId>, Vec<Speaker>) = Default::default();
        for speaker in seen.into_iter().chain(named) {
            if found.len() >= LOOKED_AT_MAX {
                bounded = true;
                break;
            }
            if known.insert(people.person_of(&speaker.id)) {
                found.push(speaker);
            }
        }
        Ok((found, bounded))
    }

    /// Somebody by an account or a name, as they were heard of last; whose whole id is given need not be known.
    pub(super) fn speaker_called(
        &self,
        who: &str,
        asker: &Speaker,
    ) -> Result<Option<Speaker>, Error> {
        let store = self.store.as_ref();
        let account = full_id(who, &asker.id);
        let Ok(subjects) = Subjects::current(store, &mut Rows::default()) else {
            return Ok(None);
        };
        let bare = who.trim_start_matches('@');
        let known = store.pseudonym(&Subject::Person(account.0.clone()));
        let person = known.or_else(|| subjects.person(store, bare).ok());
        if let Some(person) = person
            && let Some(speaker) = subjects.speaker(store, &person)?
        {
            return Ok(Some(speaker));
        }
        let named = who.contains(':') || self.named_accounts().contains(&account);
        Ok(named.then(|| self.stranger(account, &asker.network)))
    }

    /// Whether somebody with this account was ever heard of or is named in the configuration.
    pub(super) fn has_heard_of(&self, account: &UserId) -> Result<bool, Error> {
        if self.named_accounts().contains(account) {
            return Ok(true);
        }
        let store = self.store.as_ref();
        let Some(person) = store.pseudonym(&Subject::Person(account.0.clone())) else {
            return Ok(false);
        };
        let Ok(subjects) = Subjects::current(store, &mut Rows::default()) else {
            return Ok(false);
        };
        Ok(subjects.speaker(store, &person)?.is_some())
    }

    /// The accounts that the configuration names.
    fn named_accounts(&self) -> Vec<UserId> {
        self.settings().roles.accounts().map(|id| UserId(id.clone())).collect()
    }
}

/// The command that a text means, also where it lacks something.
fn meant<'a>(catalog: &'a Catalog, text: &str) -> Option<&'a Alias> {
    let number = match catalog.index.lookup(text) {
        Found::One(hit) => Some(hit.alias.0),
        Found::Tie(hits) => hits.first().map(|hit| hit.alias.0),
        Found::None { begun, .. } => begun.map(|begun| begun.alias.0),
    };
    let lower = text.trim().to_lowercase();
    let named = || catalog.aliases.iter().find(|alias| alias.name.to_lowercase() == lower);
    number.and_then(|number| catalog.aliases.get(number)).or_else(named)
}

/// What was decided, with the policies that did and what must happen first; `texts`: they are told with their texts.
fn told(who: &str, alias: &str, permission: &Permission, texts: bool) -> String {
    let cite = |it: &Cited| match texts {
        true => why::cited(&it.id, policies::quoted(&it.text).trim_end_matches(';')),
        false => why::named(&it.id, &it.file, it.line),
    };
    let cited: Vec<String> = permission.policies.iter().map(cite).collect();
    let by = match cited.is_empty() {
        true => say::because(&permission.reason),
        false => say::by_policies(&cited.join(", ")),
    };
    match permission.allowed() {
        true => {
            let needs = permission.needs.as_ref();
            let needs = needs.map(|it| listing::needs(it.count, it.from.as_deref()));
            say::yes(who, alias, &by, needs.as_deref())
        }
        false if cited.is_empty() => {
            // Its name is said once.
            let named = policies::undecided(alias, "");
            let reason = permission.reason.as_str();
            say::no(who, alias, reason.strip_prefix(&named).unwrap_or(reason))
        }
        false => say::no(who, alias, &by),
    }
}

fn full_name(speaker: &Speaker) -> String {
    match speaker.id.as_str() {
        id if id.contains(&speaker.name) => id.to_owned(),
        id => format!("{} ({id})", speaker.name),
    }
}
