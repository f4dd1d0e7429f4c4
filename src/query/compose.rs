//! What executions wait for from one another: named triggers, by keyed tags, and commands that they called.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::id::{ExecutionId, Position, StreamName};

/// An execution and a place of its journal.
type Wait = (ExecutionId, String);

/// The open waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Compose {
    /// Who waits for a named trigger, by its tag, in the order in which they began to.
    waits: BTreeMap<String, BTreeSet<(Position, ExecutionId, String)>>,
    tags: BTreeMap<ExecutionId, BTreeMap<String, (String, Position)>>,
    /// What each execution waits for of another one. The four that follow tell the same from the other side.
    links: BTreeMap<ExecutionId, BTreeMap<String, Link>>,
    /// Calls whose execution has not begun, by their trigger.
    calling: BTreeMap<StreamName, Wait>,
    /// Who called an open execution.
    callers: BTreeMap<ExecutionId, Wait>,
    /// Who waits for the end of an open execution that they did not call.
    watched: BTreeMap<ExecutionId, BTreeSet<Wait>>,
    /// Who has not been told yet that what they called has ended.
    returns: BTreeSet<(ExecutionId, String, ExecutionId)>,
}

/// What a place of a journal waits for of another execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Link {
    /// It called, and what it called has not begun.
    Calls(StreamName),
    /// It called this one.
    Called(ExecutionId),
    /// It waits for the end of this one.
    Watches(ExecutionId),
    /// This one has ended, and it has not been told.
    Untold(ExecutionId),
}

/// What one execution waits for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Waits {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, (String, Position)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    links: BTreeMap<String, Link>,
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
        self.link(id, path, Some(Link::Calls(trigger.clone())));
    }

    /// A call was refused. Gives who called.
    pub fn refused(&mut self, trigger: &StreamName) -> Option<ExecutionId> {
        let (caller, path) = self.calling.get(trigger).cloned()?;
        self.link(&caller, &path, None);
        Some(caller)
    }

    /// An execution has begun: if it was called, its caller is told when it ends. Gives who called.
    pub fn began(&mut self, trigger: &StreamName, id: &ExecutionId) -> Option<ExecutionId> {
        let (caller, path) = self.calling.get(trigger).cloned()?;
        self.link(&caller, &path, Some(Link::Called(id.clone())));
        Some(caller)
    }

    /// An execution waits for the end of another one, which may be over already.
    pub fn watch(&mut self, of: &ExecutionId, id: &ExecutionId, path: &str, open: bool) {
        let link = if open { Link::Watches } else { Link::Untold };
        self.link(id, path, Some(link(of.clone())));
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
        self.link(id, path, None);
    }

    /// An execution has ended; `open` says whether another is still there. Gives who waited for that.
    pub fn ended(
        &mut self,
        id: &ExecutionId,
        open: impl Fn(&ExecutionId) -> bool,
    ) -> Vec<ExecutionId> {
        let Waits { tags, links } = self.of(id);
        tags.keys().chain(links.keys()).for_each(|path| self.done(id, path));
        let watchers = self.watched.get(id).cloned().unwrap_or_default();
        let waited = watchers.into_iter().chain(self.callers.get(id).cloned());
        let mut told = vec![];
        for (waiter, path) in waited.collect::<Vec<_>>() {
            let link = open(&waiter).then(|| Link::Untold(id.clone()));
            self.link(&waiter, &path, link);
            told.push(waiter);
        }
        told
    }

    /// What a place of a journal waits for of another execution from now on.
    fn link(&mut self, id: &ExecutionId, path: &str, link: Option<Link>) {
        let wait = (id.clone(), path.to_owned());
        let links = self.links.entry(id.clone()).or_default();
        let before = links.remove(path);
        links.extend(link.clone().map(|link| (path.to_owned(), link)));
        if links.is_empty() {
            self.links.remove(id);
        }
        match before {
            Some(Link::Calls(trigger)) => drop(self.calling.remove(&trigger)),
            Some(Link::Called(called)) => drop(self.callers.remove(&called)),
            Some(Link::Watches(of)) => {
                if let Some(waits) = self.watched.get_mut(&of) {
                    waits.remove(&wait);
                    if waits.is_empty() {
                        self.watched.remove(&of);
                    }
                }
            }
            Some(Link::Untold(of)) => drop(self.returns.remove(&(id.clone(), path.to_owned(), of))),
            None => {}
        }
        match link {
            Some(Link::Calls(trigger)) => drop(self.calling.insert(trigger, wait)),
            Some(Link::Called(called)) => drop(self.callers.insert(called, wait)),
            Some(Link::Watches(of)) => drop(self.watched.entry(of).or_default().insert(wait)),
            Some(Link::Untold(of)) => drop(self.returns.insert((wait.0, wait.1, of))),
            None => {}
        }
    }

    /// What an execution waits for.
    pub fn of(&self, id: &ExecutionId) -> Waits {
        Waits {
            tags: self.tags.get(id).cloned().unwrap_or_default(),
            links: self.links.get(id).cloned().unwrap_or_default(),
        }
    }

    /// An execution waits for what it waited for when that was kept.
    pub fn take_back(&mut self, id: &ExecutionId, waits: Waits) {
        for (path, (tag, at)) in waits.tags {
            self.wait(id, &path, &tag, at);
        }
        for (path, link) in waits.links {
            self.link(id, &path, Some(link));
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

    #[test]
    fn what_each_waits_for_is_all_there_is() {
        let trigger = |n| StreamName::parse(&format!("trigger-{n}")).expect("a name");
        let mut all = Compose::default();
        all.wait(&id("A"), "0", "t", Position(1));
        all.watch(&id("B"), &id("A"), "1", true);
        all.watch(&id("C"), &id("A"), "2", false);
        all.call(&trigger(1), &id("B"), "0");
        all.call(&trigger(2), &id("C"), "0");
        assert_eq!(all.began(&trigger(2), &id("D")), Some(id("C")));
        let mut again = Compose::default();
        for name in ["A", "B", "C", "D"] {
            again.take_back(&id(name), all.of(&id(name)));
        }
        assert_eq!(again, all);
        assert_eq!(all.refused(&trigger(1)), Some(id("B")));
        assert_eq!(all.ended(&id("B"), |_| true), [id("A")]);
        assert_eq!(all.ended(&id("D"), |_| true), [id("C")]);
        assert_eq!(all.returns().count(), 3);
        assert_eq!(all.ended(&id("A"), |_| true), []);
        assert_eq!(all.ended(&id("C"), |_| true), []);
        assert_eq!(all, Compose::default());
    }
}
