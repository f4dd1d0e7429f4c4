//! What the owner is told in the management room.

/// That nothing can be said in a room for now.
pub fn stuck(room: &str, reason: &str) -> String {
    format!(
        "I cannot speak in {room} now: {reason}. I go on trying; what is to be said there waits."
    )
}

/// That something could not be said.
pub fn not_said(room: &str, reason: &str, message: &str, execution: Option<&str>) -> String {
    let execution = execution.map(|id| format!(", execution {id}")).unwrap_or_default();
    format!("I could not say something in {room}: {reason} (message {message}{execution})")
}

/// That a script has problems and is left out.
pub fn left_out(problem: &str) -> String {
    format!("A script is left out.\n{problem}")
}
