//! Which posts wait for keys, and which of them to try again when something happens.

use std::collections::BTreeMap;

use crate::adapter::Unread;
use crate::domain::id::Timestamp;
use crate::domain::unreadable::{UNREADABLE_MAX, UNREADABLE_MS_MAX};

/// A post whose key is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The post.
    pub unread: Unread,
    /// The Megolm session that its key opens; learnt from the post itself.
    pub session: Option<String>,
}

/// Everything that waits, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct MissingPosts {
    posts: BTreeMap<u64, Missing>,
    next: u64,
}

impl MissingPosts {
    /// Takes a post in, unless it waits already. Gives back the oldest one if there is no room for it.
    pub fn add(&mut self, missing: Missing) -> Option<Missing> {
        if self.posts.values().any(|known| known.unread.key == missing.unread.key) {
            return None;
        }
        self.posts.insert(self.next, missing);
        self.next += 1;
        match self.posts.len() > UNREADABLE_MAX {
            true => self.posts.pop_first().map(|(_, oldest)| oldest),
            false => None,
        }
    }

    /// A post, if it waits still.
    pub fn get(&self, number: u64) -> Option<Missing> {
        self.posts.get(&number).cloned()
    }

    /// Notes the session of a post.
    pub fn note_session(&mut self, number: u64, session: &str) {
        if let Some(missing) = self.posts.get_mut(&number) {
            missing.session = Some(session.to_owned());
        }
    }

    /// A post need not be tried again.
    pub fn remove(&mut self, number: u64) {
        self.posts.remove(&number);
    }

    /// Forgets what has waited too long.
    pub fn forget_old(&mut self, now: Timestamp) {
        self.posts.retain(|_, missing| missing.unread.since.plus_ms(UNREADABLE_MS_MAX) > now);
    }

    /// The posts that the key of a session may open, in their order.
    pub fn of_session(&self, room: &str, session: &str) -> Vec<u64> {
        let fits = |missing: &Missing| {
            missing.unread.room.as_str() == room
                && missing.session.as_ref().is_none_or(|known| known == session)
        };
        self.posts.iter().filter(|(_, it)| fits(it)).map(|(number, _)| *number).collect()
    }

    /// All posts, in groups that one key opens, each in its order: if the last of a group cannot be read, none can.
    pub fn groups(&self) -> Vec<Vec<u64>> {
        let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut groups: Vec<Vec<u64>> = vec![];
        for (number, missing) in &self.posts {
            let room = missing.unread.room.as_str();
            let place = missing.session.as_deref().map(|session| {
                *places.entry((room, session)).or_insert_with(|| {
                    groups.push(vec![]);
                    groups.len() - 1
                })
            });
            match place {
                Some(place) => groups[place].push(*number),
                None => groups.push(vec![*number]),
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{DedupeKey, PostId, RoomId};

    /// `room/session/post`, `-` for a session that is not known.
    fn missing(text: &str) -> Missing {
        let parts: Vec<&str> = text.split('/').collect();
        let unread = Unread {
            key: DedupeKey::new(&["matrix", parts[0], parts[2]]),
            room: RoomId(parts[0].into()),
            post: PostId(parts[2].into()),
            since: Timestamp(0),
        };
        Missing { unread, session: Some(parts[1].to_owned()).filter(|session| session != "-") }
    }

    fn all(texts: &[&str]) -> MissingPosts {
        let mut posts = MissingPosts::default();
        texts.iter().for_each(|text| assert_eq!(posts.add(missing(text)), None));
        posts
    }

    #[test]
    fn a_key_concerns_the_posts_of_its_session() {
        let posts = all(&["a/s/1", "b/s/2", "a/t/3", "a/-/4", "a/s/5"]);
        for (room, session, want) in [
            ("a", "s", vec![0, 3, 4]),
            ("a", "t", vec![2, 3]),
            ("a", "u", vec![3]),
            ("b", "s", vec![1]),
            ("c", "s", vec![]),
        ] {
            assert_eq!(posts.of_session(room, session), want, "{room} {session}");
        }
    }

    #[test]
    fn groups_are_what_one_key_opens() {
        let mut posts = all(&["a/s/1", "b/s/2", "a/t/3", "a/-/4", "a/s/5", "a/-/6"]);
        let want = vec![vec![0, 4], vec![1], vec![2], vec![3], vec![5]];
        assert_eq!(posts.groups(), want);
        posts.note_session(3, "t");
        posts.remove(0);
        assert_eq!(posts.groups(), [vec![1], vec![2, 3], vec![4], vec![5]]);
    }

    #[test]
    fn a_post_waits_once_and_not_for_ever() {
        let mut posts = all(&["a/s/1"]);
        assert_eq!(posts.add(missing("a/-/1")), None);
        assert_eq!(posts.groups(), [[0]]);
        posts.forget_old(Timestamp(UNREADABLE_MS_MAX - 1));
        assert_eq!(posts.groups(), [[0]]);
        posts.forget_old(Timestamp(UNREADABLE_MS_MAX));
        assert_eq!(posts.groups(), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut posts = MissingPosts::default();
        for n in 0..UNREADABLE_MAX {
            assert_eq!(posts.add(missing(&format!("a/s/{n}"))), None, "{n}");
        }
        assert_eq!(posts.add(missing("a/s/one-more")), Some(missing("a/s/0")));
        assert_eq!(posts.groups().concat().len(), UNREADABLE_MAX);
    }
}
