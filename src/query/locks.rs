//! Who holds a lock and who waits for it, as a fold of the log: by keyed tags, in the order of the requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::id::{ExecutionId, Position};

/// The locks that are held or waited for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Locks {
    /// By tag: the first in the queue holds it.
    queues: BTreeMap<String, BTreeMap<Position, Waiter>>,
    /// By execution: the locks of its effects that are not over.
    requests: BTreeMap<ExecutionId, BTreeMap<String, Request>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Waiter {
    execution: ExecutionId,
    path: String,
    /// Whether its asker knows that it waits.
    told: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Request {
    tag: String,
    at: Position,
}

/// The lock of an effect, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    tag: String,
    at: Position,
    /// Whether its asker knows that it waits; none: it neither holds it nor waits for it, for now.
    told: Option<bool>,
}

impl Locks {
    /// An effect wants a lock.
    pub fn request(&mut self, tag: &str, at: Position, id: &ExecutionId, path: &str) {
        let request = Request { tag: tag.to_owned(), at };
        self.requests.entry(id.clone()).or_default().insert(path.to_owned(), request);
        let waiter = Waiter { execution: id.clone(), path: path.to_owned(), told: false };
        self.queues.entry(tag.to_owned()).or_default().insert(at, waiter);
    }

    /// An effect whose outcome was in doubt is done again: it goes to the end of the queue.
    pub fn again(&mut self, at: Position, id: &ExecutionId, path: &str) {
        if let Some(tag) = self.requested(id, path).map(|request| request.tag.clone()) {
            self.request(&tag, at, id, path);
        }
    }

    /// The asker knows that an effect waits.
    pub fn told(&mut self, id: &ExecutionId, path: &str) {
        let Some(Request { tag, at }) = self.requested(id, path).cloned() else { return };
        if let Some(waiter) = self.queues.get_mut(&tag).and_then(|queue| queue.get_mut(&at)) {
            waiter.told = true;
        }
    }

    /// An effect neither holds a lock nor waits for it, for now.
    pub fn release(&mut self, id: &ExecutionId, path: &str) {
        let Some(Request { tag, at }) = self.requested(id, path).cloned() else { return };
        let Some(queue) = self.queues.get_mut(&tag) else { return };
        queue.remove(&at);
        if queue.is_empty() {
            self.queues.remove(&tag);
        }
    }

    /// An effect is over.
    pub fn forget(&mut self, id: &ExecutionId, path: &str) {
        self.release(id, path);
        let Some(paths) = self.requests.get_mut(id) else { return };
        paths.remove(path);
        if paths.is_empty() {
            self.requests.remove(id);
        }
    }

    /// Who holds the lock that an effect waits for; none: it waits for none.
    pub fn before(&self, id: &ExecutionId, path: &str) -> Option<&ExecutionId> {
        let request = self.requested(id, path)?;
        let queue = self.queues.get(&request.tag)?;
        queue.get(&request.at)?;
        let (first, holder) = queue.first_key_value()?;
        (*first != request.at).then_some(&holder.execution)
    }

    /// The effects that wait for another execution and whose askers do not know it, with who holds the lock.
    pub fn untold(&self) -> impl Iterator<Item = (&ExecutionId, &str, &ExecutionId)> {
        self.queues.values().flat_map(|queue| {
            let mut waiters = queue.values();
            let holder = waiters.next();
            let untold = waiters.filter(|waiter| !waiter.told);
            untold.filter_map(move |waiter| {
                let holder = &holder?.execution;
                (*holder != waiter.execution).then_some((
                    &waiter.execution,
                    waiter.path.as_str(),
                    holder,
                ))
            })
        })
    }

    /// The locks that the effects of an execution want.
    pub fn of(&self, id: &ExecutionId) -> BTreeMap<String, Wanted> {
        let requests = self.requests.get(id).into_iter().flatten();
        let wanted = |(path, request): (&String, &Request)| {
            let Request { tag, at } = request.clone();
            let told = self.queues.get(&tag).and_then(|queue| queue.get(&at));
            let told = told.map(|waiter| waiter.told);
            (path.clone(), Wanted { tag, at, told })
        };
        requests.map(wanted).collect()
    }

    /// The effects of an execution want what they wanted when that was kept.
    pub fn take_back(&mut self, id: &ExecutionId, wanted: BTreeMap<String, Wanted>) {
        for (path, Wanted { tag, at, told }) in wanted {
            self.request(&tag, at, id, &path);
            match told {
                Some(true) => self.told(id, &path),
                Some(false) => {}
                None => self.release(id, &path),
            }
        }
    }

    fn requested(&self, id: &ExecutionId, path: &str) -> Option<&Request> {
        self.requests.get(id)?.get(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ExecutionId {
        ExecutionId(name.into())
    }

    /// Who waits for whom, and who does not know it.
    fn shown(locks: &Locks) -> String {
        let mut shown = vec![];
        for (execution, paths) in &locks.requests {
            for path in paths.keys() {
                let before = locks.before(execution, path).map_or("-", |before| before.as_str());
                shown.push(format!("{execution}{path}:{before}"));
            }
        }
        shown.extend(locks.untold().map(|(id, path, _)| format!("{id}{path}?")));
        shown.join(" ")
    }

    #[test]
    fn locks_are_given_in_the_order_of_the_requests() {
        let mut locks = Locks::default();
        type Step = fn(&mut Locks);
        let steps: &[(Step, &str)] = &[
            (|it| it.request("t", Position(5), &id("B"), "0"), "B0:-"),
            (|it| it.request("u", Position(6), &id("C"), "0"), "B0:- C0:-"),
            (|it| it.request("t", Position(7), &id("A"), "3"), "A3:B B0:- C0:- A3?"),
            (|it| it.told(&id("A"), "3"), "A3:B B0:- C0:-"),
            (|it| it.request("t", Position(8), &id("B"), "1"), "A3:B B0:- B1:B C0:-"),
            (|it| it.forget(&id("B"), "0"), "A3:- B1:A C0:- B1?"),
            // In doubt: it lets the others pass, and comes back behind them.
            (|it| it.release(&id("A"), "3"), "A3:- B1:- C0:-"),
            (|it| it.again(Position(9), &id("A"), "3"), "A3:B B1:- C0:- A3?"),
            (|it| it.forget(&id("B"), "1"), "A3:- C0:-"),
            (|it| it.forget(&id("A"), "3"), "C0:-"),
            (|it| it.forget(&id("C"), "0"), ""),
        ];
        for (nth, (step, want)) in steps.iter().enumerate() {
            step(&mut locks);
            assert_eq!(shown(&locks), *want, "step {nth}");
            let mut again = Locks::default();
            for id in ["A", "B", "C"].map(id) {
                again.take_back(&id, locks.of(&id));
            }
            assert_eq!(again, locks, "step {nth} as it is kept");
        }
        assert_eq!(locks, Locks::default(), "nothing is left");
    }
}
