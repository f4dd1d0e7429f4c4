//! What asks others to approve something, and what is said where nothing was run.

use super::talk::full_id;
use super::{Sheet, failure_message};
use crate::domain::approval::{ApprovalRequested, Terms};
use crate::domain::event::{Ending, Failure, MessageQueued, QuestionAsked, Wants};
use crate::domain::id::{MessageId, PostId};
use crate::domain::message::Doc;
use crate::domain::phrase;
use crate::domain::words::approvals as words;
use crate::processor::approvals::requester;
use crate::script::journal::Entry;
use crate::store::ReadError;

impl Sheet<'_> {
    /// A script asks others to approve something.
    pub(super) fn approve(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let what = entry.args["question"].as_str().unwrap_or_default().to_owned();
        let mut terms: Terms =
            serde_json::from_value(entry.args["terms"].clone()).unwrap_or_default();
        let asker = &self.asker();
        terms.not.iter_mut().for_each(|name| *name = full_id(name.as_str(), asker));
        self.request(&entry.path, &what, terms)
    }

    /// Asks others to approve something.
    pub(in crate::processor) fn request(
        &mut self,
        path: &str,
        what: &str,
        terms: Terms,
    ) -> Result<(), ReadError> {
        let (kernel, execution) = (self.kernel, self.execution);
        let started = &execution.started;
        let content = kernel.content(execution, what, &terms)?;
        let message = self.message_id(path);
        let id = execution.id.short();
        let key = kernel.store.key();
        let phrase = self.phrase(&content.hash);
        let clicks = terms.takes_clicks() && kernel.caps(&started.place).reactions;
        let text = words::asked(&requester(execution), what, &terms, id, &phrase, clicks);
        let (path, what, prompt) = (path.to_owned(), what.to_owned(), message.clone());
        self.event(QuestionAsked {
            path: path.clone(),
            wants: Wants::Approval,
            text: what.clone(),
            from: vec![],
            roles: terms.role.iter().cloned().collect(),
            choices: vec![],
            message: message.clone(),
            tag: phrase::tag(key, &phrase),
            phrase,
            content: content.hash.clone(),
            remind: None,
        });
        self.event(ApprovalRequested {
            path: path.clone(),
            what,
            terms,
            own: kernel.accounts_of(&started.requester.id)?,
            content: content.hash,
            parts: content.parts,
        });
        self.queue(MessageQueued {
            message,
            place: started.place.clone(),
            reply_to: Some(started.post.clone()),
            edits: None,
            doc: Doc::text(&text),
            attachment: None,
            notify: vec![],
            execution: Some(execution.id.clone()),
            question: Some(path),
        });
        if clicks {
            self.offer_clicks(&prompt);
        }
        Ok(())
    }

    /// Puts the emojis below a prompt by which one can vote on it.
    fn offer_clicks(&mut self, prompt: &MessageId) {
        for (nth, emoji) in words::CLICKED.into_iter().enumerate() {
            let message = self.message_id(&format!("{prompt}-click-{nth}"));
            self.queue(MessageQueued {
                message,
                place: self.execution.started.place.clone(),
                reply_to: Some(PostId::of_message(prompt)),
                edits: None,
                doc: Doc::of_reaction(emoji),
                attachment: None,
                notify: vec![],
                execution: Some(self.execution.id.clone()),
                question: None,
            });
        }
    }

    /// The execution ends before anything of it ran; `tell`: who asked has not heard of it.
    pub(in crate::processor) fn not_run(&mut self, kind: String, message: String, tell: bool) {
        let started = &self.execution.started;
        let (who, id) = (&started.requester.name, self.execution.id.short());
        let told = words::not_run(who, &started.command, &message, id);
        let failure =
            Failure { kind, message, file: started.handler.file.clone(), line: 0, column: 0 };
        if tell {
            let id = self.message_id("failure");
            let queued = failure_message(self.execution, &failure.message, Some(&failure));
            self.queue(MessageQueued { message: id, doc: Doc::text(&told), ..queued });
        }
        self.finished(Ending::Failed(failure));
    }
}
