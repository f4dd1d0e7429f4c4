//! A message that does not fit into an event is sent as a file, with its beginning as a caption.

use std::io::Cursor;
use std::time::Duration;

use matrix_sdk::ruma::api::client::media::create_content::v3::Request as Upload;
use serde_json::{Value, json};

use super::client::{Matrix, REQUEST_MS_MAX, request_config};
use super::outbound::{Said, content_with};
use super::trouble::Trouble;
use crate::adapter::Outgoing;

/// The largest event that Matrix allows, with everything that belongs to it.
pub const EVENT_BYTES_MAX: usize = 65_536;
/// What homeservers add to the content: ids, relations to earlier events, hashes, signatures.
const ENVELOPE_BYTES: usize = 6 * 1024;
/// What encryption adds to the content before it is written in base64.
const PAYLOAD_BYTES: usize = 512;
/// Longest beginning of a text that stands beside its file, in characters.
pub const CAPTION_CHARS_MAX: usize = 1_000;
/// What the file is called.
const FILE_NAME: &str = "message.txt";
/// Its type.
const FILE_TYPE: &str = "text/plain";

/// Whether content makes an event that is not too large.
pub(super) fn fits(content: &Value, encrypted: bool) -> bool {
    let bytes = content.to_string().len();
    let sent = if encrypted { (bytes + PAYLOAD_BYTES).div_ceil(3) * 4 } else { bytes };
    sent + ENVELOPE_BYTES <= EVENT_BYTES_MAX
}

impl Matrix {
    /// The content that shows a message as a file; one that the homeserver refuses leaves the beginning and says so.
    ///
    /// A message that is tried again is uploaded again: the room sees only the event that was sent first.
    pub(super) async fn as_file(
        &self,
        outgoing: &Outgoing,
        encrypted: bool,
    ) -> Result<Value, Trouble> {
        let max = self.client.load_or_fetch_max_upload_size().await;
        let max = max.ok().and_then(|max| usize::try_from(u64::from(max)).ok());
        let all = outgoing.whole.as_ref().unwrap_or(&outgoing.plain);
        let text = cut(all, max.unwrap_or(usize::MAX));
        let (whole, size) = (text.len() == all.len(), text.len());
        match self.upload(text.as_bytes(), (FILE_NAME, FILE_TYPE), encrypted).await {
            Ok(source) => {
                let note = if whole { WHOLE.to_owned() } else { part(size) };
                let said = filed(outgoing, source, size, &note);
                Ok(content_with(outgoing, &said))
            }
            Err(Trouble::Refused { code, reason }) => {
                tracing::warn!(message = %outgoing.message, code, reason, "a file is refused");
                let note = format!(
                    "(The rest is left out: the homeserver takes no file of it, {reason}.)"
                );
                let said = Said { plain: caption(&outgoing.plain, &note), ..Said::of(outgoing) };
                Ok(content_with(outgoing, &Said { html: None, ..said }))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Uploads a file of a name and a type, and returns where it is: the fields `url` or `file` of an event.
    pub(super) async fn upload(
        &self,
        bytes: &[u8],
        (name, media_type): (&str, &str),
        encrypted: bool,
    ) -> Result<Value, Trouble> {
        if encrypted {
            let mut bytes = Cursor::new(bytes);
            let uploading = self.client.upload_encrypted_file(&mut bytes);
            let file = uploading.with_request_config(request_config().disable_retry()).await;
            let file = file.map_err(|error| Trouble::from(&error))?;
            return Ok(json!({ "file": file }));
        }
        let mut request = Upload::new(bytes.to_vec());
        request.content_type = Some(media_type.into());
        request.filename = Some(name.into());
        let config = request_config().disable_retry();
        let config = config.timeout(Duration::from_millis(2 * REQUEST_MS_MAX));
        let uploaded = self.client.send(request).with_request_config(config).await;
        let uploaded = uploaded.map_err(|error| Trouble::from(&error))?;
        Ok(json!({ "url": uploaded.content_uri }))
    }
}

/// What stands below the beginning of a text.
const WHOLE: &str = "(The whole is in the file.)";

fn part(bytes: usize) -> String {
    format!("(The file has the first {bytes} bytes: the homeserver takes no larger one.)")
}

/// A file with a caption.
fn filed(outgoing: &Outgoing, source: Value, bytes: usize, note: &str) -> Said {
    let mut fields = json!({
        "msgtype": "m.file",
        "filename": FILE_NAME,
        "info": { "mimetype": FILE_TYPE, "size": bytes },
    });
    if let (Some(fields), Value::Object(source)) = (fields.as_object_mut(), source) {
        fields.extend(source);
    }
    Said { plain: caption(&outgoing.plain, note), html: None, fields }
}

/// The beginning of a text and a note.
pub(super) fn caption(text: &str, note: &str) -> String {
    let end = text.char_indices().nth(CAPTION_CHARS_MAX).map_or(text.len(), |(end, _)| end);
    let begin = text[..end].trim_end();
    let more = if begin.len() < text.trim_end().len() { " …" } else { "" };
    format!("{begin}{more}\n{note}")
}

/// The beginning of a text, whole characters only.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_depends_on_encryption() {
        let content = |bytes: usize| json!("x".repeat(bytes - 2));
        for (bytes, encrypted, want) in [
            (10, false, true),
            (EVENT_BYTES_MAX - ENVELOPE_BYTES, false, true),
            (EVENT_BYTES_MAX - ENVELOPE_BYTES + 1, false, false),
            (EVENT_BYTES_MAX - ENVELOPE_BYTES, true, false),
            (44_000, true, true),
            (45_000, true, false),
        ] {
            assert_eq!(fits(&content(bytes), encrypted), want, "{bytes} {encrypted}");
        }
        assert!(!fits(&json!("\u{1}".repeat(15_000)), false), "escapes count");
    }

    #[test]
    fn captions_are_the_beginning() {
        assert_eq!(caption("short", WHOLE), format!("short\n{WHOLE}"));
        let long = caption(&"ä".repeat(5_000), WHOLE);
        assert_eq!(long, format!("{} …\n{WHOLE}", "ä".repeat(CAPTION_CHARS_MAX)));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, max, want) in [("äb", 9, "äb"), ("äb", 2, "ä"), ("äb", 1, ""), ("äb", 0, "")]
        {
            assert_eq!(cut(text, max), want, "{text} {max}");
        }
    }
}
