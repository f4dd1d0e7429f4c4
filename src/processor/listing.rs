//! The list of everything that is offered, with what the log knows of its use.

use super::Kernel;
use crate::domain::catalog::Alias;
use crate::domain::listing::{Kind, Listed, State};
use crate::domain::policy::GUARDED;
use crate::domain::words::listing as say;
use crate::processor::scripts::Offered;
use crate::query::uses::{Uses, uses};
use crate::script::engine::budgets;
use crate::script::leaks;
use crate::script::source::Script;
use crate::store::ReadError;

impl Kernel {
    /// Everything that is offered, by kind and name.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn listing(&self) -> Result<Vec<Listed>, ReadError> {
        let uses = uses(self.store.as_ref())?;
        let offered = self.scripts.offered();
        let mut listed: Vec<Listed> = offered
            .catalog
            .aliases
            .iter()
            .map(|alias| self.listed_alias(alias, &offered, &uses))
            .collect();
        for script in offered.set.scripts.values() {
            for action in script.actions.values() {
                listed.push(Listed {
                    kind: Kind::Action,
                    name: action.name.clone(),
                    usage: action.name.clone(),
                    help: action.help.clone(),
                    file: script.file.clone(),
                    line: action.line,
                    tags: vec![],
                    who: say::BY_SCRIPTS.to_owned(),
                    used: uses.actions.get(&action.name).copied(),
                    state: self.state(script, &offered),
                });
            }
        }
        for standing in self.schedules()? {
            let Some(script) = offered.set.scripts.get(&standing.def.file) else { continue };
            let off = self.schedule_off(&standing.def)?.map(|off| self.off_reason(&off));
            let name = standing.def.name;
            listed.push(Listed {
                kind: Kind::Schedule,
                usage: format!("{name} ({})", standing.def.spec),
                name,
                help: standing.def.help,
                file: script.file.clone(),
                line: standing.def.line,
                tags: vec![],
                who: String::new(),
                used: standing.stands.and_then(|stands| stands.last),
                state: off.map_or_else(|| self.state(script, &offered), State::Off),
            });
        }
        let left_out =
            offered.problems.iter().filter(|(file, _)| !offered.set.scripts.contains_key(*file));
        listed.extend(left_out.map(|(file, problem)| Listed {
            kind: Kind::Script,
            name: file.clone(),
            usage: file.clone(),
            help: String::new(),
            file: file.clone(),
            line: 0,
            tags: vec![],
            who: String::new(),
            used: None,
            state: State::Off(problem.clone()),
        }));
        listed.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Ok(listed)
    }

    fn listed_alias(&self, alias: &Alias, offered: &Offered, uses: &Uses) -> Listed {
        let key = (alias.file.clone(), alias.name.clone());
        let script = offered.set.scripts.get(&alias.file);
        Listed {
            kind: Kind::Alias,
            name: alias.name.clone(),
            usage: alias.usages.first().cloned().unwrap_or_default(),
            help: alias.help.clone(),
            file: alias.file.clone(),
            line: alias.line,
            tags: alias.tags.clone(),
            who: who(alias),
            used: uses.aliases.get(&key).copied(),
            state: script.map_or(State::On, |script| self.state(script, offered)),
        }
    }

    fn state(&self, script: &Script, offered: &Offered) -> State {
        let budgets = budgets(&self.scripts.engine());
        match (leaks::refusal(&script.hash, &budgets), offered.problems.get(&script.file)) {
            (Some(why), _) => State::Off(why),
            (None, Some(problem)) => State::Older(problem.clone()),
            (None, None) => State::On,
        }
    }
}

/// Who may use a command, in words.
fn who(alias: &Alias) -> String {
    let guarded = alias.tags.iter().any(|tag| tag == GUARDED).then(|| say::GUARDED.to_owned());
    let role = alias.role.as_deref().map(say::role).or(guarded);
    let rooms = (!alias.rooms.is_empty()).then(|| say::rooms(&alias.rooms));
    let words: Vec<String> = role.into_iter().chain(rooms).collect();
    if words.is_empty() { say::EVERYONE.to_owned() } else { words.join(", ") }
}
