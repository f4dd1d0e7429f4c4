//! A message with a picture or a file: the file is uploaded, and the event that names it has the text as its caption.

use matrix_sdk::Room;
use serde_json::{Value, json};

use super::client::Matrix;
use super::outbound::{Said, content_with};
use super::oversize::{caption, fits};
use super::trouble::Trouble;
use crate::adapter::{Attached, Outgoing};
use crate::domain::id::PostId;

impl Matrix {
    /// Sends a message with what goes with it; a homeserver that refuses the file gets the text, and people are told.
    ///
    /// A message that is tried again is uploaded again: the room sees only the event that was sent first.
    pub(super) async fn put_attached(
        &self,
        room: &Room,
        outgoing: &Outgoing,
        attached: &Attached,
        encrypted: bool,
    ) -> Result<PostId, Trouble> {
        let kind = (attached.name.as_str(), attached.media_type.as_str());
        let said = match self.upload(&attached.bytes, kind, encrypted).await {
            Ok(source) => with_file(outgoing, attached, source),
            Err(Trouble::Refused { code, reason }) => {
                tracing::warn!(message = %outgoing.message, code, reason, "a file is refused");
                refused(outgoing, attached, &reason)
            }
            Err(trouble) => return Err(trouble),
        };
        let content = content_with(outgoing, &said);
        let content = match fits(&content, encrypted) {
            true => content,
            false => {
                let plain = caption(&outgoing.plain, "(The rest is left out.)");
                content_with(outgoing, &Said { plain, html: None, ..said })
            }
        };
        self.put_event(room, outgoing, content).await
    }
}

/// The event of an uploaded file, with the text as its caption.
fn with_file(outgoing: &Outgoing, attached: &Attached, source: Value) -> Said {
    let mut info = json!({ "mimetype": attached.media_type, "size": attached.bytes.len() });
    if let Some(picture) = &attached.picture {
        info["w"] = json!(picture.width);
        info["h"] = json!(picture.height);
    }
    let kind = if attached.picture.is_some() { "m.image" } else { "m.file" };
    let mut fields = json!({ "msgtype": kind, "filename": attached.name, "info": info });
    if let (Some(fields), Value::Object(source)) = (fields.as_object_mut(), source) {
        fields.extend(source);
    }
    let caption = match outgoing.plain.trim_end() {
        "" if attached.title.is_empty() => attached.name.clone(),
        "" => attached.title.clone(),
        text => text.to_owned(),
    };
    Said { plain: caption, html: outgoing.html.clone(), fields }
}

/// The text alone, and why there is no file.
fn refused(outgoing: &Outgoing, attached: &Attached, reason: &str) -> Said {
    let line = attached.line();
    let sketch = attached.picture.as_ref().map(|picture| format!("\n{}", picture.sketch));
    let note = format!("{line} (The homeserver takes no file: {reason}.)");
    let plain = format!("{}\n{note}{}", outgoing.plain.trim_end(), sketch.unwrap_or_default());
    Said { plain, html: None, ..Said::of(outgoing) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Relation;
    use crate::domain::event::Picture;
    use crate::domain::id::{MessageId, RoomId, Timestamp};

    fn outgoing(plain: &str) -> Outgoing {
        Outgoing {
            message: MessageId("M1".into()),
            room: RoomId("!room".into()),
            queued_at: Timestamp(0),
            relation: Relation::New,
            plain: plain.into(),
            whole: None,
            html: None,
            notice: true,
            mentions: vec![],
            attached: None,
            hops: 1,
        }
    }

    fn attached(title: &str, picture: bool) -> Attached {
        let picture = picture.then(|| Picture { width: 640, height: 320, sketch: "▁█".into() });
        let (name, media_type) = ("load.png".to_owned(), "image/png".to_owned());
        Attached { name, media_type, title: title.into(), picture, bytes: vec![7; 9] }
    }

    #[test]
    fn a_picture_has_its_size_and_a_caption() {
        let url = json!({ "url": "mxc://hs/1" });
        for (text, title, picture, want) in [
            (
                "here it is",
                "Load",
                true,
                json!({"msgtype": "m.image", "body": "here it is", "filename": "load.png", "url": "mxc://hs/1",
                       "info": {"mimetype": "image/png", "size": 9, "w": 640, "h": 320}}),
            ),
            (
                "",
                "Load",
                true,
                json!({"msgtype": "m.image", "body": "Load", "filename": "load.png", "url": "mxc://hs/1",
                       "info": {"mimetype": "image/png", "size": 9, "w": 640, "h": 320}}),
            ),
            (
                "",
                "",
                false,
                json!({"msgtype": "m.file", "body": "load.png", "filename": "load.png", "url": "mxc://hs/1",
                       "info": {"mimetype": "image/png", "size": 9}}),
            ),
        ] {
            let said = with_file(&outgoing(text), &attached(title, picture), url.clone());
            let mut got = said.fields;
            got["body"] = json!(said.plain);
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn a_refused_file_is_told_with_its_sketch() {
        let said = refused(&outgoing("here"), &attached("Load", true), "too large");
        let want = "here\n[picture: Load, 640×320] (The homeserver takes no file: too large.)\n▁█";
        assert_eq!(said.plain, want);
    }
}
