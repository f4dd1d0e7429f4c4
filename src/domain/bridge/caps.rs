//! What a room can show, and the least of what several networks can.

use serde::{Deserialize, Serialize};

use crate::domain::paging::{LINES_MAX, PLAIN_LINES_MAX};

/// Shortest line that a profile may ask for, in bytes.
pub const LINE_BYTES_MIN: usize = 80;
/// Longest line that a profile may ask for.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Most lines of one message that a profile may ask for.
pub const SHOWN_LINES_MAX: usize = 200;
/// Shortest text of a post that counts, in bytes: a network that takes less puts it into several.
pub const TEXT_BYTES_MIN: usize = 480;
/// Longest text of a post that a profile may name.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Slowest network: the time of one line.
pub const LINE_MS_MAX: u32 = 60_000;

/// What a room can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Formatted text.
    pub html: bool,
    /// Notices: elsewhere what the bot says is an ordinary text.
    pub notices: bool,
    /// Changes of what was said.
    pub edits: bool,
    /// Emojis on posts.
    pub reactions: bool,
    /// Threads.
    pub threads: bool,
    /// What a post answers: elsewhere it begins with a name.
    pub replies: bool,
    /// Pictures and files.
    pub files: bool,
    /// The text that goes with a picture or file: elsewhere it is said before.
    pub captions: bool,
    /// How tables are shown.
    pub tables: Tables,
    /// Where each line is a post of its own: how long it may be, in bytes; 0: a post has as many lines as it likes.
    pub line_bytes: usize,
    /// How long the text of a post may be, in bytes; 0: as long as it likes.
    pub text_bytes: usize,
    /// Most lines that are said at once.
    pub lines: usize,
    /// How long a line takes on its way once some have gone, in milliseconds.
    pub line_ms: u32,
}

/// How tables are shown; the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tables {
    /// `name: value` for each cell, a line for each row.
    Pairs,
    /// Columns of text, where a row is not too long for that.
    Aligned,
    /// Columns of text as code.
    Code,
    /// As tables.
    Html,
}

impl Caps {
    /// Everything that Matrix has.
    pub const WHOLE: Self = Self {
        html: true,
        notices: true,
        edits: true,
        reactions: true,
        threads: true,
        replies: true,
        files: true,
        captions: true,
        tables: Tables::Html,
        line_bytes: 0,
        text_bytes: 0,
        lines: LINES_MAX,
        line_ms: 0,
    };

    /// What any network has: a text.
    pub const PLAIN: Self = Self {
        html: false,
        notices: false,
        edits: false,
        reactions: false,
        threads: false,
        replies: false,
        files: false,
        captions: false,
        tables: Tables::Aligned,
        line_bytes: 0,
        text_bytes: 0,
        lines: PLAIN_LINES_MAX,
        line_ms: 0,
    };

    /// What both can show.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        let shorter = |one: usize, other: usize| match (one, other) {
            (0, bytes) | (bytes, 0) => bytes,
            (one, other) => one.min(other),
        };
        Self {
            html: self.html && other.html,
            notices: self.notices && other.notices,
            edits: self.edits && other.edits,
            reactions: self.reactions && other.reactions,
            threads: self.threads && other.threads,
            replies: self.replies && other.replies,
            files: self.files && other.files,
            captions: self.captions && other.captions,
            tables: self.tables.min(other.tables),
            line_bytes: shorter(self.line_bytes, other.line_bytes),
            text_bytes: shorter(self.text_bytes, other.text_bytes),
            lines: self.lines.min(other.lines),
            line_ms: self.line_ms.max(other.line_ms),
        }
    }
}
