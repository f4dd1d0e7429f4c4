//! What goes with messages: pictures are drawn and files kept beside the log before the message that names them is appended.

use std::collections::BTreeMap;

use super::{Error, Kernel};
use crate::adapter::{self, picture};
use crate::domain::attachment::{Attach, media_type, picture_name};
use crate::domain::event::{Attachment, BlobRef, MessageQueued, Picture};
use crate::script::journal::Entry;
use crate::script::run::Slice;
use crate::store::{ReadError, Write};

/// What is attached to a message, or why it cannot be, in words for the room.
pub(super) type Attached = Result<Attachment, String>;

/// The key of a kept value is overwritten.
pub(super) struct Erased;

/// A file before it is kept.
struct Made {
    name: String,
    title: String,
    picture: Option<Picture>,
    bytes: Vec<u8>,
}

impl Kernel {
    /// Keeps what a slice attached to its messages, by the effect's place in the journal.
    pub(super) async fn attachments(
        &self,
        slice: &Slice,
    ) -> Result<BTreeMap<String, Attached>, Error> {
        let mut kept = BTreeMap::new();
        for entry in &slice.entries {
            let Some(made) = made(entry, slice).await else { continue };
            let attached = match made {
                Ok(made) => Ok(self.keep_attached(made)?),
                Err(why) => {
                    tracing::error!(step = entry.path, why, "an attachment was not made");
                    Err(why)
                }
            };
            kept.insert(entry.path.clone(), attached);
        }
        Ok(kept)
    }

    fn keep_attached(&self, made: Made) -> Result<Attachment, Error> {
        let Made { name, title, picture, bytes } = made;
        let media_type = media_type(&name).to_owned();
        let content = self.store.put_blob(&bytes)?;
        Ok(Attachment { name, media_type, title, picture, content })
    }

    /// Keeps a file that a built-in handler attaches to a message.
    pub(super) fn attach_text(&self, name: &str, text: &str) -> Result<Attachment, Error> {
        let bytes = text.as_bytes().to_vec();
        self.keep_attached(Made {
            name: name.to_owned(),
            title: String::new(),
            picture: None,
            bytes,
        })
    }

    /// What goes with a message on its way.
    pub(super) fn attached(
        &self,
        queued: &MessageQueued,
    ) -> Result<Result<Option<adapter::Attached>, Erased>, ReadError> {
        let Some(attachment) = &queued.attachment else { return Ok(Ok(None)) };
        let Attachment { name, media_type, title, picture, content } = attachment.clone();
        Ok(match self.store.blob(&content)? {
            None => Err(Erased),
            Some(bytes) => Ok(Some(adapter::Attached { name, media_type, title, picture, bytes })),
        })
    }

    /// Drops what was kept for messages that were not appended: they are decided on anew.
    pub(super) fn discard(&self, blobs: Vec<BlobRef>) {
        for blob in blobs {
            if let Err(why) = self.store.discard_blob(&blob) {
                // It is sealed and nothing names it: it takes room, and no more.
                tracing::warn!(%why, "what no event names was not dropped");
            }
        }
    }
}

/// The kept values that a batch's messages name.
pub(super) fn blobs(batch: &[Write]) -> Vec<BlobRef> {
    let events = batch.iter().flat_map(|write| &write.events);
    let messages = events.filter(|new| new.event.kind() == "message_queued");
    messages.filter_map(|new| new.event.blob().cloned()).collect()
}

/// What an effect attaches; none: nothing.
async fn made(entry: &Entry, slice: &Slice) -> Option<Result<Made, String>> {
    let attach = entry.args.get("attach")?;
    let lost = |why: String| Err(format!("what belongs here is lost: {why}"));
    match serde_json::from_value::<Attach>(attach.clone()) {
        Err(why) => Some(lost(why.to_string())),
        Ok(Attach::File { name, .. }) => Some(match slice.files.get(&entry.path) {
            Some(bytes) => {
                let bytes = bytes.to_vec();
                Ok(Made { name, title: String::new(), picture: None, bytes })
            }
            None => lost("the run did not keep it".into()),
        }),
        Ok(Attach::Plot(plot)) => {
            let (width, height, sketch) = (plot.width, plot.height, plot.sketch());
            let (title, name) = (plot.title.clone(), picture_name(&plot.title));
            // Drawing takes a while, and others want to be answered meanwhile.
            let drawn = tokio::task::spawn_blocking(move || picture::draw(&plot)).await;
            Some(match drawn {
                Ok(Ok(bytes)) => {
                    let picture = Some(Picture { width, height, sketch });
                    Ok(Made { name, title, picture, bytes })
                }
                Ok(Err(why)) => Err(why.to_string()),
                Err(why) => Err(format!("the picture was not drawn: {why}")),
            })
        }
    }
}
