//! Emojis that tell what became of a command, where the network has them.

/// It is being worked on.
pub const WORKS: &str = "👀";
/// It waits for a time, or for what others do.
pub const WAITS: &str = "⏳";
/// It is done.
pub const DONE: &str = "✅";
/// It failed.
pub const FAILED: &str = "❌";
/// It was refused.
pub const REFUSED: &str = "🚫";

/// The host functions that say something to people.
const SPEAKING: &[&str] = &[
    "say", "reply", "tell", "progress", "update", "done", "fail", "edit", "react", "ask",
    "confirm", "approve",
];

/// Whether a host function says something to people.
pub fn speaks(op: &str) -> bool {
    SPEAKING.contains(&op)
}
