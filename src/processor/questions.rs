//! The questions that a message may answer.

use super::Kernel;
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::post_key;
use crate::domain::execution::{Execution, Step};
use crate::domain::id::{ExecutionId, MessageId, PostId, RoomId, StreamName, Version};
use crate::store::{Direction, ReadError, Subject};

/// Most open questions of one room that a message is held against: the newest.
pub const QUESTIONS_MAX: usize = 50;

impl Kernel {
    /// The open questions of a room, the newest first; one that is pointed at is among them, however old it is.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn questions(
        &self,
        room: &RoomId,
        pointed: Option<&PostId>,
    ) -> Result<Vec<OpenQuestion>, ReadError> {
        let Some(pseudonym) = self.store.pseudonym(&Subject::Room(room.0.clone())) else {
            return Ok(vec![]);
        };
        let mut places = self.agenda(|agenda| agenda.questions(&pseudonym, QUESTIONS_MAX));
        if let Some(post) = pointed
            && let Some(place) = self.question_of(room, post)?
            && !places.contains(&place)
        {
            places.push(place);
        }
        let mut open = vec![];
        for (id, path) in places {
            let execution = self.execution(&id)?;
            let asks = |execution: &Execution| execution.steps.get(&path).is_some_and(Step::asks);
            if let Some(execution) = execution.filter(asks) {
                open.extend(self.question(&execution, &path)?);
            }
        }
        Ok(open)
    }

    /// The question that a post of the bot asked, if nobody waits for its answer any more, although none came.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn withdrawn(
        &self,
        room: &RoomId,
        post: Option<&PostId>,
    ) -> Result<Option<OpenQuestion>, ReadError> {
        let Some(post) = post else { return Ok(None) };
        let Some((id, path)) = self.question_of(room, post)? else { return Ok(None) };
        let Some(execution) = self.execution(&id)? else { return Ok(None) };
        match execution.steps.get(&path).is_some_and(Step::is_withdrawn) {
            true => self.question(&execution, &path),
            false => Ok(None),
        }
    }

    /// The question that a post of the bot asks.
    fn question_of(
        &self,
        room: &RoomId,
        post: &PostId,
    ) -> Result<Option<(ExecutionId, String)>, ReadError> {
        let Some(sent) = self.store.find(&post_key(room, post))? else { return Ok(None) };
        let found = self.store.read_all(sent, Direction::Forward, 1)?;
        let Some(sent) = found.first() else { return Ok(None) };
        let queued = self.queued(&MessageId(sent.id.stream.id().to_owned()))?;
        Ok(queued.and_then(|queued| Some((queued.execution?, queued.question?))))
    }

    fn question(
        &self,
        execution: &Execution,
        path: &str,
    ) -> Result<Option<OpenQuestion>, ReadError> {
        let step = execution.steps.get(path);
        let Some(asked) = step.and_then(|step| step.question.as_ref()) else { return Ok(None) };
        let stream = StreamName::message(&asked.message);
        let found = self.store.read(&stream, Version::START, Direction::Forward, 1)?;
        let place = match self.queued(&asked.message)? {
            Some(queued) => queued.place,
            None => execution.started.place.clone(),
        };
        Ok(Some(OpenQuestion {
            execution: execution.id.clone(),
            path: path.to_owned(),
            wants: asked.wants,
            text: asked.text.clone(),
            from: asked.from.clone(),
            choices: asked.choices.clone(),
            place,
            post: self.post_of(&asked.message)?,
            origin: execution.started.post.clone(),
            asked_at: found.first().map_or(execution.touched, |recorded| recorded.wall),
        }))
    }
}
