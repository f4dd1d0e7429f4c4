//! Answers of a store that are remembered until what they are about changes.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use matrix_sdk::ruma::{OwnedRoomId, RoomId};

/// Most items in remembered answers; one more and all are forgotten, which costs no more than asking again.
pub const ANSWERS_ITEMS_MAX: usize = 20_000;

/// Answers by their question.
type Known = HashMap<String, Arc<dyn Any + Send + Sync>>;

/// What the store said, by room and question.
#[derive(Default)]
pub(super) struct Answers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Grows with everything that is forgotten: an answer that was asked for before is not kept after.
    changes: u64,
    items: usize,
    everywhere: Known,
    rooms: HashMap<OwnedRoomId, Known>,
}

impl Answers {
    /// The remembered answer, or the one that the store gives now. `items` says how much there is to remember.
    ///
    /// # Errors
    /// What the store says; nothing is remembered then.
    pub async fn or_ask<T, E>(
        &self,
        room: Option<&RoomId>,
        question: String,
        items: impl FnOnce(&T) -> usize,
        ask: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        let changes = {
            let inner = self.inner();
            if let Some(answer) = inner.known(room).and_then(|known| known.get(&question))
                && let Some(answer) = answer.downcast_ref::<T>()
            {
                return Ok(answer.clone());
            }
            inner.changes
        };
        let answer = ask.await?;
        let mut inner = self.inner();
        if inner.changes == changes {
            inner.remember(room, question, items(&answer).max(1), Arc::new(answer.clone()));
        }
        Ok(answer)
    }

    /// Forgets everything about some rooms, and if so, about what belongs to none.
    pub fn forget<'a>(&self, rooms: impl Iterator<Item = &'a RoomId>, everywhere: bool) {
        let mut inner = self.inner();
        inner.changes += 1;
        for room in rooms {
            inner.rooms.remove(room);
        }
        if everywhere {
            inner.everywhere.clear();
        }
    }

    /// Nobody panics while holding it.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn known(&self, room: Option<&RoomId>) -> Option<&Known> {
        match room {
            Some(room) => self.rooms.get(room),
            None => Some(&self.everywhere),
        }
    }

    fn remember(
        &mut self,
        room: Option<&RoomId>,
        question: String,
        items: usize,
        answer: Arc<dyn Any + Send + Sync>,
    ) {
        // What is forgotten is not counted down: at worst everything is asked for again a little early.
        if self.items + items > ANSWERS_ITEMS_MAX {
            self.rooms.clear();
            self.everywhere.clear();
            self.items = 0;
        }
        self.items += items;
        let known = match room {
            Some(room) => self.rooms.entry(room.to_owned()).or_default(),
            None => &mut self.everywhere,
        };
        known.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;
    use matrix_sdk::ruma::room_id;

    use super::*;

    /// Asks, and says whether the store was asked.
    fn asked(answers: &Answers, room: Option<&RoomId>, question: &str, items: usize) -> bool {
        let asked = Cell::new(false);
        let ask = async {
            asked.set(true);
            Ok::<_, ()>(question.len())
        };
        let answer = answers.or_ask(room, question.into(), |_| items, ask);
        assert_eq!(answer.now_or_never(), Some(Ok(question.len())));
        asked.get()
    }

    #[test]
    fn the_store_is_asked_once_until_something_changes() {
        let answers = Answers::default();
        let (here, there) = (room_id!("!here:hs"), room_id!("!there:hs"));
        let ask_all =
            || [Some(here), Some(there), None].map(|room| asked(&answers, room, "who is there", 1));
        assert_eq!(ask_all(), [true; 3]);
        assert_eq!(ask_all(), [false; 3]);
        for (rooms, everywhere, want) in [
            (vec![], false, [false, false, false]),
            (vec![here], false, [true, false, false]),
            (vec![here, there], false, [true, true, false]),
            (vec![], true, [false, false, true]),
        ] {
            answers.forget(rooms.iter().copied(), everywhere);
            assert_eq!(ask_all(), want, "{rooms:?} {everywhere}");
        }
    }

    #[test]
    fn an_answer_that_was_overtaken_is_not_remembered() {
        let answers = Answers::default();
        let room = room_id!("!here:hs");
        let ask = async {
            answers.forget(std::iter::once(room), false);
            Ok::<_, ()>(7_usize)
        };
        let got = answers.or_ask(Some(room), "q".into(), |_| 1, ask).now_or_never();
        assert_eq!(got, Some(Ok(7)), "it is still the answer to that question at that time");
        assert!(asked(&answers, Some(room), "q", 1), "the next one asks again");
    }

    #[test]
    fn remembered_answers_are_bounded() {
        let answers = Answers::default();
        assert!(asked(&answers, None, "a", ANSWERS_ITEMS_MAX));
        assert!(!asked(&answers, None, "a", 1));
        assert!(asked(&answers, None, "b", 1));
        assert!(asked(&answers, None, "a", 1), "all was forgotten to make room");
    }
}
