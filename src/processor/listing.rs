//! The list of everything that is offered, with what the log knows of its use.

use super::Kernel;
use crate::domain::catalog::Alias;
use crate::domain::hook::Hook;
use crate::domain::listing::{Kind, Listed, State};
use crate::domain::policy::GUARDED;
use crate::domain::rule::Rule;
use crate::domain::switch::Automation;
use crate::domain::words::{listing as say, rules, switches};
use crate::processor::scripts::Offered;
use crate::processor::sensors::Doing;
use crate::query::uses::{Uses, uses};
use crate::script::engine::budgets;
use crate::script::leaks;
use crate::script::sensor::Feed;
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
        listed.extend(self.listed_schedules(&offered)?);
        listed.extend(self.listed_hooks()?);
        listed.extend(self.listed_sensors(&offered)?);
        for rule in &offered.catalog.rules {
            listed.push(self.listed_rule(rule, &offered, &uses)?);
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

    fn listed_rule(
        &self,
        rule: &Rule,
        offered: &Offered,
        uses: &Uses,
    ) -> Result<Listed, ReadError> {
        let key = (rule.file.clone(), rule.name.clone());
        let script = offered.set.scripts.get(&rule.file);
        let off = self.kept_from(rule)?;
        Ok(Listed {
            kind: Kind::Rule,
            name: rule.name.clone(),
            usage: rule.name.clone(),
            help: rule.help.clone(),
            file: rule.file.clone(),
            line: rule.line,
            tags: rule.tags.clone(),
            who: rules::facts(rule),
            used: uses.aliases.get(&key).copied(),
            state: match (off, script) {
                (Some(why), _) => State::Off(why),
                (None, Some(script)) => self.state(script, offered),
                (None, None) => State::On,
            },
        })
    }

    /// Schedules, and the polls, which are sensors that come at times.
    fn listed_schedules(&self, offered: &Offered) -> Result<Vec<Listed>, ReadError> {
        let mut listed = vec![];
        for standing in self.schedules()? {
            let Some(script) = offered.set.scripts.get(&standing.def.file) else { continue };
            let off = self.schedule_off(&standing.def)?.map(|off| self.off_reason(&off));
            let name = standing.def.name;
            listed.push(Listed {
                kind: if standing.def.polls { Kind::Sensor } else { Kind::Schedule },
                usage: format!("{name} ({})", standing.def.spec),
                name,
                help: standing.def.help,
                file: script.file.clone(),
                line: standing.def.line,
                tags: vec![],
                who: String::new(),
                used: standing.stands.and_then(|stands| stands.last),
                state: off.map_or_else(|| self.state(script, offered), State::Off),
            });
        }
        Ok(listed)
    }

    fn listed_hooks(&self) -> Result<Vec<Listed>, ReadError> {
        let settings = self.settings();
        let listed = |(name, hook): (&String, &Hook)| {
            let off = self.switched_off(Automation::Hook, name)?;
            Ok(Listed {
                kind: Kind::Hook,
                name: name.clone(),
                usage: format!("{name} (POST /hooks/{name})"),
                help: String::new(),
                file: String::new(),
                line: 0,
                tags: vec![],
                who: switches::hook_facts(hook.kind),
                used: None,
                state: off.map_or(State::On, |off| State::Off(self.off_reason(&off))),
            })
        };
        settings.hooks.iter().map(listed).collect()
    }

    fn listed_sensors(&self, offered: &Offered) -> Result<Vec<Listed>, ReadError> {
        let (mut listed, doing) = (vec![], self.sensors_doing());
        for script in offered.set.scripts.values() {
            for def in &script.sensors {
                let off = self.switched_off(Automation::Sensor, &def.name)?;
                let what = match &def.feed {
                    Feed::Program(action) => action.run.join(" "),
                    Feed::File { path, .. } => path.clone(),
                };
                listed.push(Listed {
                    kind: Kind::Sensor,
                    name: def.name.clone(),
                    usage: format!("{} ({what})", def.name),
                    help: def.help.clone(),
                    file: script.file.clone(),
                    line: def.line,
                    tags: vec![],
                    who: String::new(),
                    used: None,
                    state: match (off, doing.get(&def.name)) {
                        (Some(off), _) => State::Off(self.off_reason(&off)),
                        (None, Some(Doing::Ended(ends, why, _))) => {
                            State::Off(switches::ended(*ends, why))
                        }
                        (None, _) => self.state(script, offered),
                    },
                });
            }
        }
        Ok(listed)
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
