//! Which policies are in force: read from their folder, kept in the log, changed only by what can be used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use crate::domain::event::{Event, Meta, NewEvent, PolicyChanged, PolicyFile};
use crate::domain::id::{RoomId, StreamName, UserId, Version};
use crate::domain::policy::{Compiled, PolicyProblem, PolicySet, SET_BYTES_MAX, Source, compile};
use crate::domain::role::Standing;
use crate::domain::words::policy as words;
use crate::processor::{ATTEMPTS_MAX, Error, Kernel, Tried, write};
use crate::store::{Direction, EventStore, Expected, ReadError};

/// Most standings of people in rooms that are remembered; beyond that all are learnt anew.
pub const STANDINGS_MAX: usize = 10_000;

/// Where policies are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFolder {
    /// The folder.
    pub path: PathBuf,
    /// It holds the shipped policies, because nobody wrote others.
    pub shipped: bool,
}

/// The policies that are in force, and what was learnt of people for them.
pub struct Policies {
    folder: RwLock<Option<PolicyFolder>>,
    state: RwLock<State>,
    /// The trouble that was last told.
    told: Mutex<String>,
    standings: Mutex<BTreeMap<(UserId, RoomId), Standing>>,
}

#[derive(Debug, Clone)]
struct State {
    set: Arc<PolicySet>,
    /// What is wrong with what is in the folder, which is not in force for that.
    problems: Vec<PolicyProblem>,
    /// Where the log says so; none: it does not yet.
    at: Option<Version>,
}

/// Reads the policies of a folder: all its files that end in `.cedar`.
///
/// # Errors
/// The problem, if the folder or a file cannot be read.
pub fn read_folder(folder: &Path) -> Result<Vec<Source>, PolicyProblem> {
    let unreadable = |path: &Path, why: &std::io::Error| {
        PolicyProblem::file(&path.display().to_string(), words::unreadable(&why.to_string()))
    };
    let entries = std::fs::read_dir(folder).map_err(|why| unreadable(folder, &why))?;
    let (mut sources, mut bytes) = (vec![], 0);
    for entry in entries {
        let path = entry.map_err(|why| unreadable(folder, &why))?.path();
        if path.extension().is_none_or(|end| end != "cedar") {
            continue;
        }
        let about = std::fs::metadata(&path).map_err(|why| unreadable(&path, &why))?;
        bytes += about.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if bytes > SET_BYTES_MAX as u64 {
            return Err(PolicyProblem::file(&name, words::too_long(SET_BYTES_MAX)));
        }
        let text = std::fs::read_to_string(&path).map_err(|why| unreadable(&path, &why))?;
        sources.push(Source::new(name, text));
    }
    Ok(sources)
}

/// What a folder holds now.
fn look(folder: &Path) -> Compiled {
    match read_folder(folder) {
        Ok(sources) => compile(sources),
        Err(problem) => Compiled { set: None, problems: vec![problem] },
    }
}

fn errors(problems: Vec<PolicyProblem>) -> Vec<PolicyProblem> {
    problems.into_iter().filter(|problem| problem.error).collect()
}

impl Policies {
    /// The policies of a folder, or the shipped ones; what cannot be used leaves the bot in safe mode.
    pub fn open(folder: Option<PolicyFolder>, store: &dyn EventStore) -> Result<Self, ReadError> {
        let state = match &folder {
            None => State { set: PolicySet::shipped(), problems: vec![], at: None },
            Some(folder) => begin(folder, last(store)?.map(|(last, _)| last)),
        };
        let (folder, state) = (RwLock::new(folder), RwLock::new(state));
        Ok(Self { folder, state, told: Mutex::default(), standings: Mutex::default() })
    }

    /// Those that decide now.
    pub fn in_force(&self) -> Arc<PolicySet> {
        self.state.read().expect("nobody panics with them").set.clone()
    }

    /// What is wrong with what is in the folder now.
    pub fn problems(&self) -> Vec<PolicyProblem> {
        self.state.read().expect("nobody panics with them").problems.clone()
    }

    /// Where they are.
    pub fn folder(&self) -> Option<PolicyFolder> {
        self.folder.read().expect("nobody panics with it").clone()
    }

    /// Takes policies from another folder from the next reload on.
    pub fn follow(&self, folder: PolicyFolder) {
        *self.folder.write().expect("nobody panics with it") = Some(folder);
    }

    /// What would hold by what the folder holds now; what cannot be used changes nothing. It holds when the log says so.
    fn next(&self) -> State {
        let now = self.state.read().expect("nobody panics with them").clone();
        let Some(folder) = self.folder() else { return now };
        let Compiled { set, problems } = look(&folder.path);
        match set {
            Some(set) => State { set: Arc::new(set), problems: vec![], at: None },
            None => State { problems: errors(problems), at: None, ..now },
        }
    }

    /// Where the log says what is in force; none: it does not.
    pub(in crate::processor) fn recorded_at(&self) -> Option<Version> {
        self.state.read().expect("nobody panics with them").at
    }

    fn take(&self, state: State) {
        *self.state.write().expect("nobody panics with them") = state;
    }

    pub(super) fn learnt(&self, who: &UserId, room: &RoomId, standing: Standing) {
        let mut known = self.standings.lock().expect("nobody panics with them");
        if known.len() >= STANDINGS_MAX {
            known.clear();
        }
        known.insert((who.clone(), room.clone()), standing);
    }

    pub(super) fn standing(&self, who: &UserId, room: &RoomId) -> Standing {
        let known = self.standings.lock().expect("nobody panics with them");
        let standing = known.get(&(who.clone(), room.clone()));
        standing.cloned().unwrap_or_else(|| Standing::Unseen(words::not_learnt()))
    }
}

/// What is in force at a start: last-good is for a bot that runs, and what was in force before it may be what somebody took away.
fn begin(folder: &PolicyFolder, last: Option<PolicyChanged>) -> State {
    let Compiled { set, problems } = look(&folder.path);
    let gone = folder.shipped && last.is_some_and(|last| !last.shipped);
    match set {
        _ if gone => {
            let problem = PolicyProblem::file("", words::gone());
            State {
                set: Arc::new(PolicySet::safe(words::gone())),
                problems: vec![problem],
                at: None,
            }
        }
        Some(set) => State { set: Arc::new(set), problems: vec![], at: None },
        None => {
            let problems = errors(problems);
            let why = problems.first().map(words::problem).unwrap_or_default();
            State { set: Arc::new(PolicySet::safe(words::broken(&why))), problems, at: None }
        }
    }
}

/// What the log says was last in force, and where.
fn last(store: &dyn EventStore) -> Result<Option<(PolicyChanged, Version)>, ReadError> {
    let found = store.read(&StreamName::policies(), Version::END, Direction::Backward, 1)?;
    Ok(found.first().and_then(|recorded| match recorded.event() {
        Some(Event::PolicyChanged(changed)) => Some((changed.clone(), recorded.id.version)),
        _ => None,
    }))
}

impl Kernel {
    /// Takes the policies that the folder holds now, records what has changed, and tells the management room; gives what is told.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn reload_policies(&self) -> Result<Option<String>, Error> {
        let Some(me) = self.me.upgrade() else { return Ok(None) };
        let reading = tokio::task::spawn_blocking(move || me.policies.next());
        let next =
            reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.take_policies(next).await
    }

    /// Records which policies are in force, if the log does not say so already.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn note_policies(&self) -> Result<(), Error> {
        let now = self.policies.state.read().expect("nobody panics with them").clone();
        self.take_policies(now).await.map(|_| ())
    }

    /// Records policies and then lets them hold: nothing is decided by what the log does not know.
    async fn take_policies(&self, state: State) -> Result<Option<String>, Error> {
        let Some(folder) = self.policies.folder() else { return Ok(None) };
        let Some((at, told)) = self.record_policies(&folder, &state).await? else {
            return Ok(None);
        };
        self.policies.take(State { at: Some(at), ..state.clone() });
        let trouble = words::trouble(&changed(&state, folder.shipped)).unwrap_or_default();
        let before = std::mem::replace(
            &mut *self.policies.told.lock().expect("nobody panics with it"),
            trouble.clone(),
        );
        if trouble == before {
            return Ok(told);
        }
        match trouble.is_empty() {
            true => Ok(told.or_else(|| Some(words::GOOD_AGAIN.to_owned()))),
            false => self.notify(&trouble).await.map(|()| Some(trouble)),
        }
    }

    /// The place in their stream at which the log says that these hold, and what is told of that; none: it cannot be recorded.
    async fn record_policies(
        &self,
        folder: &PolicyFolder,
        state: &State,
    ) -> Result<Option<(Version, Option<String>)>, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let last = last(self.store.as_ref())?;
            let now = changed(state, folder.shipped);
            if let Some((_, at)) = last.as_ref().filter(|(last, _)| *last == now) {
                return Ok(Some((*at, None)));
            }
            let (expected, version) = match &last {
                Some((_, version)) => (Expected::Exact(*version), version.next()),
                None => (Expected::NoStream, Version::START),
            };
            let told = words::told(last.as_ref().map(|(last, _)| last), &now);
            let meta = Meta::default();
            let stream = StreamName::policies();
            let cause = format!("{stream}/{}", version.0);
            let mut batch = vec![write(stream, expected, vec![NewEvent::with(&meta, now.clone())])];
            if let Some(told) = &told {
                tracing::info!(set = now.set, "the policies have changed");
                let message = self.store.key().message(&cause, "told");
                batch.extend(self.notice(message, &meta, told)?);
            }
            match self.append(batch).await? {
                Tried::Done => return Ok(Some((version, told))),
                Tried::Moved => {}
                Tried::TooMuch(why) => {
                    tracing::error!(why, "the policies cannot be recorded");
                    return Ok(None);
                }
            }
        }
        tracing::warn!("the log moved on every time that the policies were recorded");
        Ok(None)
    }
}

fn changed(state: &State, shipped: bool) -> PolicyChanged {
    let file =
        |source: &Source| PolicyFile { file: source.file.clone(), text: source.text.clone() };
    PolicyChanged {
        set: state.set.hash.clone(),
        safe: state.set.unusable().map(str::to_owned),
        shipped,
        files: state.set.sources.iter().map(file).collect(),
        problems: state.problems.iter().map(words::problem).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::testing::surroundings;

    #[test]
    fn what_was_learnt_of_people_has_a_bound() {
        let store = MemoryStore::new(surroundings());
        let policies = Policies::open(None, store.as_ref()).expect("the log can be read");
        let (who, room) = (UserId("@ann:hs".into()), |nth: usize| RoomId(format!("!{nth}")));
        for nth in 0..STANDINGS_MAX {
            policies.learnt(&who, &room(nth), Standing::Member(0));
        }
        assert_eq!(policies.standing(&who, &room(0)), Standing::Member(0));
        policies.learnt(&who, &room(STANDINGS_MAX), Standing::Stranger);
        assert!(matches!(policies.standing(&who, &room(0)), Standing::Unseen(_)));
        assert_eq!(policies.standing(&who, &room(STANDINGS_MAX)), Standing::Stranger);
    }
}
