//! What can be attached to a message: `plot` describes a picture of numbers, `file` is a file. Neither does anything by itself.

use std::sync::Arc;

use rhai::{Blob, Dynamic, Engine, Map, NativeCallContext};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::context::{HostResult, Run, error, to_json};
use super::options::Options;
use super::table::{HostFn, Kind, OPTIONS, form, opt, p};
use crate::domain::attachment::{Attach, FILE_BYTES_MAX, bad_name};
use crate::domain::plot::{PLOT_OPTIONS, Plot};

/// A picture of numbers, as a script holds it.
#[derive(Debug, Clone)]
struct Picture(Arc<Plot>);

/// A file, as a script holds it.
#[derive(Debug, Clone)]
struct File {
    name: String,
    bytes: Arc<Vec<u8>>,
}

/// What a script can attach.
pub const ROWS: &[HostFn] = &[
    HostFn {
        name: "plot",
        forms: &[form(&[OPTIONS], Kind::Type("Picture"))],
        options: &[
            opt("title", Kind::Text, "what stands above it"),
            opt(
                "lines",
                Kind::List,
                "lists of numbers, or `#{ name, values }`, or `#{ name, points: [[x, y]] }`",
            ),
            opt("x", Kind::Texts, "what stands below: a word, or a name for each place"),
            opt("y", Kind::Text, "what stands at the side"),
            opt("kind", Kind::Text, "`lines`, `points` or `bars`"),
            opt("width", Kind::Int, "in pixels; 640 without it"),
            opt("height", Kind::Int, "in pixels; 320 without it"),
        ],
        help: "A picture of numbers, for `attach`.",
        example: "reply(\"the load\", #{ attach: plot(#{ title: \"Load\", lines: [[1, 4, 2]] }) });",
        ..HostFn::PURE
    },
    HostFn {
        name: "file",
        forms: &[form(&[p("name", Kind::Text), p("content", Kind::Any)], Kind::Type("File"))],
        help: "A file of a text or of bytes, for `attach`.",
        example: "reply(\"the list\", #{ attach: file(\"list.csv\", \"name,size\\nweb1,3\\n\") });",
        ..HostFn::PURE
    },
];

/// Something to attach: what the journal keeps of it, and what only the blob has.
pub(super) struct Attachment {
    args: Value,
    bytes: Option<Arc<Vec<u8>>>,
}

pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Picture>("Picture")
        .register_type_with_name::<File>("File")
        .register_fn("plot", |call: NativeCallContext, described: Map| -> HostResult<Picture> {
            let options = Options::of(&call, "plot", &described)?;
            let mut described = serde_json::Map::new();
            for name in PLOT_OPTIONS {
                if let Some(value) = options.get(name) {
                    described.insert((*name).to_owned(), to_json(&call, value)?);
                }
            }
            let plot = Plot::read(&Value::Object(described)).map_err(|why| error(&call, why))?;
            Ok(Picture(Arc::new(plot)))
        })
        .register_fn("file", |call: NativeCallContext, name: &str, text: &str| {
            file(&call, name, text.as_bytes().to_vec())
        })
        .register_fn("file", |call: NativeCallContext, name: &str, bytes: Blob| {
            file(&call, name, bytes)
        })
        .register_fn("to_string", |picture: &mut Picture| format!("[{}]", picture.0.title))
        .register_fn("to_string", |file: &mut File| format!("[{}]", file.name));
}

fn file(call: &NativeCallContext, name: &str, bytes: Vec<u8>) -> HostResult<File> {
    if let Some(why) = bad_name(name) {
        return Err(error(call, why));
    }
    if bytes.len() > FILE_BYTES_MAX {
        let is = bytes.len();
        let why = format!("a file may have {FILE_BYTES_MAX} bytes, this one has {is}");
        return Err(error(call, why));
    }
    Ok(File { name: name.to_owned(), bytes: Arc::new(bytes) })
}

/// The attachment that an option names.
pub(super) fn attachment(call: &NativeCallContext, value: &Dynamic) -> HostResult<Attachment> {
    let wrong = "`attach` takes what `plot(..)` or `file(..)` gives";
    if let Some(Picture(plot)) = value.clone().try_cast::<Picture>() {
        let args = json!(Attach::Plot(Box::new(Plot::clone(&plot))));
        return Ok(Attachment { args, bytes: None });
    }
    let file = value.clone().try_cast::<File>().ok_or_else(|| error(call, wrong))?;
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(file.bytes.as_slice()));
    let bytes = file.bytes.len();
    let args = json!(Attach::File { name: file.name, bytes, sha256 });
    Ok(Attachment { args, bytes: Some(file.bytes) })
}

impl Attachment {
    /// What the arguments of the effect say of it.
    pub(super) fn args(&self) -> Value {
        self.args.clone()
    }

    /// Hands its bytes to the run, for the effect at a place of the journal.
    pub(super) fn keep(&self, run: &mut Run, path: &str) {
        if let Some(bytes) = &self.bytes {
            // A copy that is not counted as the script's own: it leaves this thread.
            run.files.insert(path.to_owned(), Arc::new(bytes.to_vec()));
        }
    }
}
