//! `!grant` and `!revoke` at work: what is given is decided on the grants that hold, and recorded with the answer.

use serde_json::{Value, json};

use super::answer;
use crate::domain::alias_index::Found;
use crate::domain::builtin::Builtin;
use crate::domain::catalog::Catalog;
use crate::domain::event::{Ending, Event, Failure, GrantMade, GrantRevoked};
use crate::domain::execution::Execution;
use crate::domain::grant::{GRANT_MS_MAX, GRANT_MS_MIN, GRANTS_MAX, Grants};
use crate::domain::id::{StreamName, UserId, Version};
use crate::domain::path::GATE;
use crate::domain::words::{grants as say, to};
use crate::processor::dispatch::Origin;
use crate::processor::sheet::{Prepared, Sheet, full_id};
use crate::processor::{Error, Kernel};
use crate::query::when::Here;

/// The path of the message that tells of it.
const TOLD: &str = "told";
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is to be recorded and said, or only said.
type Made = Result<(Event, String), String>;

impl Kernel {
    /// Gives a grant or takes it back.
    pub(super) fn grant_slice(
        &self,
        builtin: Builtin,
        execution: &Execution,
    ) -> Result<Prepared, Error> {
        let mut sheet = Sheet::new(self, execution);
        let (grants, version) = self.grants()?;
        let made = match builtin {
            Builtin::Revoke => self.revoked(execution, &grants),
            _ => self.granted(execution, &grants)?,
        };
        let name = &execution.started.requester.name;
        match made {
            Ok((event, words)) => {
                self.note(&mut sheet, version, event);
                answer(&mut sheet, execution, TOLD, &words);
                sheet.finished(Ending::Succeeded(json!(words)));
            }
            Err(why) => {
                answer(&mut sheet, execution, TOLD, &to(name, &why));
                let file = execution.started.handler.file.clone();
                let kind = "refused".to_owned();
                let failure = Failure { kind, message: why, file, line: 0, column: 0 };
                sheet.finished(Ending::Failed(failure));
            }
        }
        Ok(sheet.finish())
    }

    /// Writes an event of the grants, which have not moved on since they were looked at.
    fn note(&self, sheet: &mut Sheet, version: Option<Version>, event: Event) {
        sheet.also(StreamName::grants(), version, event);
    }

    /// What a built-in command is given: what is granted is exactly what is asked about.
    pub(in crate::processor) fn exact_args(
        &self,
        builtin: Builtin,
        origin: &Origin,
        args: Value,
    ) -> Result<Result<Value, String>, Error> {
        match builtin {
            Builtin::Grant => self.resolved_grant(origin, &args),
            _ => Ok(Ok(args)),
        }
    }

    /// What a grant is exactly: the account, the command, the script that offers it in its version; or why there is none.
    fn resolved_grant(
        &self,
        origin: &Origin,
        args: &Value,
    ) -> Result<Result<Value, String>, Error> {
        let text = |name: &str| args[name].as_str().unwrap_or_default();
        let account = full_id(text("who"), &origin.speaker.id);
        let people = self.people()?;
        if people.voter_of(&account) == people.voter_of(&origin.speaker.id) {
            return Ok(Err(say::to_yourself()));
        }
        if !text("who").contains(':') && !self.has_heard_of(&account)? {
            return Ok(Err(say::nobody_called(text("who"), account.as_str())));
        }
        let ms = args["ms"].as_i64().unwrap_or(0);
        if !(GRANT_MS_MIN..=GRANT_MS_MAX).contains(&ms) {
            return Ok(Err(say::too_long(GRANT_MS_MAX / DAY_MS)));
        }
        let offered = self.scripts.offered();
        let name = match command(&offered.catalog, text("what")) {
            Ok(name) => name,
            Err(why) => return Ok(Err(why)),
        };
        let alias = offered.catalog.aliases.iter().find(|alias| alias.name == name);
        let Some(alias) = alias else { return Ok(Err(say::no_command(text("what")))) };
        let mut args = args.clone();
        args["account"] = json!(account);
        args["alias"] = json!(alias.name);
        args["file"] = json!(alias.file);
        args["script"] = json!(alias.script);
        Ok(Ok(args))
    }

    fn granted(&self, execution: &Execution, grants: &Grants) -> Result<Made, Error> {
        let (args, now) = (&execution.started.args, self.clock.now());
        let asker = &execution.started.requester;
        let origin = Origin {
            place: &execution.started.place,
            speaker: asker,
            post: None,
            target: None,
            text: &execution.started.command,
        };
        // What holds of it now, also where it was begun before the command was looked up at once.
        let resolved = match self.resolved_grant(&origin, args)? {
            Ok(resolved) => resolved,
            Err(why) => return Ok(Err(why)),
        };
        let same = |name: &str| args[name].is_null() || args[name] == resolved[name];
        if !["account", "alias", "file", "script"].iter().all(|name| same(name)) {
            return Ok(Err(say::not_made(say::ANOTHER_COMMAND)));
        }
        if let Some(why) = self.grant_stopped(execution) {
            return Ok(Err(say::not_made(&why)));
        }
        if grants.open(now).count() >= GRANTS_MAX {
            return Ok(Err(say::too_many(GRANTS_MAX)));
        }
        let text = |name: &str| resolved[name].as_str().unwrap_or_default().to_owned();
        let (account, alias) = (UserId(text("account")), text("alias"));
        let until = now.plus_ms(resolved["ms"].as_i64().unwrap_or(0));
        let name = called(&account);
        let file = text("file");
        let same = grants.same(&account, (&alias, &file), now);
        if let Some(longer) = same.filter(|grant| grant.until >= until) {
            let (id, ends) = (short(&longer.grant), self.clock_at(longer.until));
            return Ok(Err(say::holds_already(&name, &alias, &ends, id)));
        }
        let at = self.before_commands(&execution.started.place);
        let words = say::made(&name, &alias, &self.clock_at(until), execution.id.short(), &at);
        let words = match same {
            Some(before) => format!("{words} {}", say::instead(short(&before.grant))),
            None => words,
        };
        let grant = GrantMade {
            grant: execution.id.to_string(),
            account,
            name,
            alias,
            file,
            until,
            by: asker.id.clone(),
            reason: text("reason"),
        };
        Ok(Ok((grant.into(), words)))
    }

    /// Why a grant is not made by what policies say now, if so: who gives it may not any more, or it takes more approvals.
    fn grant_stopped(&self, execution: &Execution) -> Option<String> {
        let permission = self.permission(execution)?;
        if let Some(why) = permission.refusal() {
            return Some(why.to_owned());
        }
        let needs = permission.needs?;
        let approval = execution.steps.get(GATE).and_then(|gate| gate.approval.as_ref());
        let met = approval.is_some_and(|approval| self.met(approval, &needs));
        (!met).then(|| say::NEEDS_MORE.to_owned())
    }

    fn revoked(&self, execution: &Execution, grants: &Grants) -> Made {
        let args = &execution.started.args;
        let at = self.before_commands(&execution.started.place);
        let prefix = args["grant"].as_str().unwrap_or_default();
        let grant = match grants.meant(prefix, self.clock.now()).as_slice() {
            [one] => (*one).clone(),
            [] => return Err(say::unknown(prefix, &at)),
            _ => return Err(say::unclear(prefix)),
        };
        let words = say::revoked(&grant.name, &grant.alias, short(&grant.grant));
        let reason = args["reason"].as_str().unwrap_or_default().to_owned();
        let by = execution.started.requester.id.clone();
        Ok((GrantRevoked { grant: grant.grant, by, reason }.into(), words))
    }

    /// The grants that hold, for people.
    pub(in crate::processor) fn grants_told(&self) -> Result<Vec<String>, Error> {
        let (grants, _) = self.grants()?;
        let line = |grant: &GrantMade| {
            let (id, until) = (short(&grant.grant), self.clock_at(grant.until));
            let by = called(&grant.by);
            say::line(id, &grant.name, &grant.alias, &until, &by, &grant.reason)
        };
        Ok(grants.open(self.clock.now()).map(line).collect())
    }

    fn clock_at(&self, at: crate::domain::id::Timestamp) -> String {
        let here = Here { now: self.clock.now(), zone: self.settings().zone.clone() };
        here.shown(at).chars().take("2026-11-20 14:02".len()).collect()
    }
}

/// The command that somebody means: by its name, by the beginning of it, or by what would run it.
fn command(catalog: &Catalog, text: &str) -> Result<String, String> {
    let lower = text.to_lowercase();
    let names = || catalog.aliases.iter().map(|alias| alias.name.clone());
    if let Some(exact) = names().find(|name| name.to_lowercase() == lower) {
        return Ok(exact);
    }
    let words = format!("{lower} ");
    let begun: Vec<String> =
        names().filter(|name| format!("{} ", name.to_lowercase()).starts_with(&words)).collect();
    match (begun.as_slice(), catalog.index.lookup(text)) {
        ([one], _) => Ok(one.clone()),
        (_, Found::One(hit)) => Ok(catalog.aliases[hit.alias.0].name.clone()),
        ([], _) => Err(say::no_command(text)),
        (several, _) => Err(say::several(text, several)),
    }
}

fn called(account: &UserId) -> String {
    account.as_str().trim_start_matches('@').split(':').next().unwrap_or_default().to_owned()
}

/// As much of an id as people are shown.
fn short(id: &str) -> &str {
    id.get(..crate::domain::id::EXECUTION_ID_SHOWN).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::scripts::Scripts;

    #[test]
    fn a_command_is_meant_by_its_name_or_its_beginning() {
        let script = r#"
            alias("deploy {app} to {env}", |a| reply("x"));
            alias("restart {host}", |a| reply("x"));
            alias("restart all", |a| reply("x"));
        "#;
        let (scripts, problems) = Scripts::sources(vec![("t.rhai".into(), script.into())]);
        assert!(problems.is_empty(), "{problems:?}");
        let offered = scripts.offered();
        for (text, want) in [
            ("deploy", Ok("deploy to")),
            ("Deploy To", Ok("deploy to")),
            ("restart", Ok("restart")),
            ("restart all", Ok("restart all")),
            ("restart web1", Ok("restart")),
            ("deploy shop to production", Ok("deploy to")),
            ("dep", Err("I know no command `dep`")),
        ] {
            let got = command(&offered.catalog, text);
            match want {
                Ok(name) => assert_eq!(got.as_deref(), Ok(name), "{text}"),
                Err(why) => assert!(got.is_err_and(|got| got.starts_with(why)), "{text}"),
            }
        }
    }
}
