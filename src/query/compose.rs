//! What executions wait for from one another: named triggers, by keyed tags, and commands that they called.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::id::{ExecutionId, Position, StreamName};

/// An execution and a place of its journal.
type Wait = (ExecutionId, String);

/// The open waits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Compose {
    /// Who waits for a named trigger, by its tag, in the order in which they began to.
    waits: BTreeMap<String, BTreeSet<(Position, ExecutionId, String)>>,
    tags: BTreeMap<ExecutionId, BTreeMap<String, (String, Position)>>,
    /// Calls whose execution has not begun, by their trigger.
    calling: BTreeMap<StreamName, Wait>,
    /// Who called an open execution.
    callers: BTreeMap<ExecutionId, Wait>,
    /// Who waits for the end of an open execution that they did not call.
    watched: BTreeMap<ExecutionId, BTreeSet<Wait>>,
    /// Who has not been told yet that what they called has ended.
    returns: BTreeSet<(ExecutionId, String, ExecutionId)>,
}

impl Compose {
    /// An execution waits for a named trigger.
    pub fn wait(&mut self, id: &ExecutionId, path: &str, tag: &str, at: Position) {
        let waits = self.waits.entry(tag.to_owned()).or_default();
        waits.insert((at, id.clone(), path.to_owned()));
        let tags = self.tags.entry(id.clone()).or_default();
        tags.insert(path.to_owned(), (tag.to_owned(), at));
    }

    /// Who has waited for a named trigger since before it happened, the first to wait first.
    pub fn waiting(&self, tag: &str, happened: Position) -> Vec<Wait> {
        let waits = self.waits.get(tag).into_iter().flatten();
        let waits = waits.filter(|(since, ..)| *since < happened);
        waits.map(|(_, id, path)| (id.clone(), path.clone())).collect()
    }

    /// Whether anybody waits for a named trigger.
    pub fn awaits(&self, tag: &str) -> bool {
        self.waits.contains_key(tag)
    }

    /// A call is on its way.
    pub fn call(&mut self, trigger: &StreamName, id: &ExecutionId, path: &str) {
        self.calling.insert(trigger.clone(), (id.clone(), path.to_owned()));
    }

    /// A call was refused.
    pub fn refused(&mut self, trigger: &StreamName) {
        self.calling.remove(trigger);
    }

    /// An execution has begun: if it was called, its caller is told when it ends.
    pub fn began(&mut self, trigger: &StreamName, id: &ExecutionId) {
        if let Some(caller) = self.calling.remove(trigger) {
            self.callers.insert(id.clone(), caller);
        }
    }

    /// An execution waits for the end of another one, which may be over already.
    pub fn watch(&mut self, of: &ExecutionId, id: &ExecutionId, path: &str, open: bool) {
        let wait = (id.clone(), path.to_owned());
        match open {
            true => drop(self.watched.entry(of.clone()).or_default().insert(wait)),
            false => drop(self.returns.insert((wait.0, wait.1, of.clone()))),
        }
    }

    /// A place of a journal has its result, or waits for none any more.
    pub fn done(&mut self, id: &ExecutionId, path: &str) {
        if let Some(tags) = self.tags.get_mut(id)
            && let Some((tag, at)) = tags.remove(path)
        {
            if tags.is_empty() {
                self.tags.remove(id);
            }
            if let Some(waits) = self.waits.get_mut(&tag) {
                waits.remove(&(at, id.clone(), path.to_owned()));
                if waits.is_empty() {
                    self.waits.remove(&tag);
                }
            }
        }
        let mine = |(caller, at): &Wait| caller == id && at == path;
        self.calling.retain(|_, wait| !mine(wait));
        self.callers.retain(|_, wait| !mine(wait));
        self.watched.retain(|_, waits| {
            waits.retain(|wait| !mine(wait));
            !waits.is_empty()
        });
        self.returns.retain(|(caller, at, _)| !(caller == id && at == path));
    }

    /// An execution has ended; `open` says whether another is still there.
    pub fn ended(&mut self, id: &ExecutionId, open: impl Fn(&ExecutionId) -> bool) {
        let paths = self.tags.get(id).map(|tags| tags.keys().cloned().collect::<Vec<_>>());
        paths.unwrap_or_default().iter().for_each(|path| self.done(id, path));
        self.returns.retain(|(caller, _, _)| caller != id);
        self.watched.retain(|_, waits| {
            waits.retain(|(watcher, _)| watcher != id);
            !waits.is_empty()
        });
        for (watcher, path) in self.watched.remove(id).into_iter().flatten() {
            if open(&watcher) {
                self.returns.insert((watcher, path, id.clone()));
            }
        }
        if let Some((caller, path)) = self.callers.remove(id).filter(|(caller, _)| open(caller)) {
            self.returns.insert((caller, path, id.clone()));
        }
    }

    /// Who is to be told that what they called has ended.
    pub fn returns(&self) -> impl Iterator<Item = &(ExecutionId, String, ExecutionId)> {
        self.returns.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExecutionId {
        ExecutionId(name.into())
    }

    #[test]
    fn waits_end_with_their_result_or_their_execution() {
        let mut all = Compose::default();
        all.wait(&id("B"), "1", "t", Position(1));
        all.wait(&id("A"), "1", "t", Position(2));
        all.wait(&id("A"), "2", "u", Position(3));
        let late = Position(9);
        assert_eq!(all.waiting("t", late), [(id("B"), "1".into()), (id("A"), "1".into())]);
        assert_eq!(all.waiting("t", Position(2)), [(id("B"), "1".into())], "A began later");
        all.done(&id("B"), "1");
        all.done(&id("B"), "1");
        assert_eq!(all.waiting("t", late), [(id("A"), "1".into())]);
        all.ended(&id("A"), |_| true);
        assert_eq!(all, Compose::default(), "nothing is left of it");
    }

    #[test]
    fn who_waits_for_an_end_is_told_once() {
        for (open_then, watcher_open, told) in [(true, true, 1), (true, false, 0), (false, true, 1)]
        {
            let mut all = Compose::default();
            all.watch(&id("A"), &id("W"), "0", open_then);
            if open_then {
                all.ended(&id("A"), |_| watcher_open);
            }
            assert_eq!(all.returns().count(), told);
            all.done(&id("W"), "0");
            assert_eq!(all, Compose::default());
        }
        let mut all = Compose::default();
        all.watch(&id("A"), &id("W"), "0", true);
        all.ended(&id("W"), |_| true);
        assert_eq!(all, Compose::default(), "who has ended waits for nothing");
    }

    #[test]
    fn a_caller_is_told_once_and_only_while_it_waits() {
        let trigger = StreamName::parse("trigger-1").expect("a name");
        for (open, told) in [(true, 1), (false, 0)] {
            let mut all = Compose::default();
            all.call(&trigger, &id("P"), "0");
            all.began(&trigger, &id("C"));
            all.ended(&id("C"), |_| open);
            assert_eq!(all.returns().count(), told);
            all.done(&id("P"), "0");
            assert_eq!(all, Compose::default());
        }
        let mut all = Compose::default();
        all.call(&trigger, &id("P"), "0");
        all.began(&trigger, &id("C"));
        all.done(&id("P"), "0");
        all.ended(&id("C"), |_| true);
        assert_eq!(all, Compose::default(), "the caller does not wait for it any more");
        let mut all = Compose::default();
        all.call(&trigger, &id("P"), "0");
        all.refused(&trigger);
        assert_eq!(all, Compose::default());
    }
}
