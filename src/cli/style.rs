//! How the command line looks: colour where it is wanted, errors with a hint, times that people read.

use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use serde_json::json;

use super::Failure;

/// Prints a line to standard output; ends quietly when nobody reads it any more, as `head` does. [`printed`] knows of one that
/// was lost.
macro_rules! out {
    ($($words:tt)*) => { $crate::cli::style::line(format_args!($($words)*)) };
}
pub(super) use out;

/// What [`out`] does.
pub fn line(words: Arguments) {
    let mut out = std::io::stdout().lock();
    let written = out.write_fmt(words).and_then(|()| out.write_all(b"\n"));
    match written {
        Err(why) if why.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        // What is under way goes on to a safe end.
        Err(why) => drop(UNWRITTEN.set(why)),
        Ok(()) => {}
    }
}

/// Why the first line was lost that could not be printed.
static UNWRITTEN: OnceLock<std::io::Error> = OnceLock::new();

/// Whether everything was printed so far.
///
/// # Errors
/// [`Failure`] if something was lost, as on a full disk.
pub fn printed() -> Result<(), Failure> {
    match UNWRITTEN.get() {
        None => Ok(()),
        Some(why) => Err(Failure::new(1, format!("cannot write to standard output: {why}"))),
    }
}

/// A number of things in words: `1 error`, `2 errors`.
pub fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Whether standard error may have colours.
pub fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && std::io::stderr().is_terminal()
}

/// Says what went wrong.
pub fn report(failure: &Failure, as_json: bool) {
    if as_json {
        let (message, hint, status) = (&failure.message, &failure.hint, failure.status);
        eprintln!("{}", json!({ "error": message, "hint": hint, "status": status }));
        return;
    }
    let (red, plain) = if coloured() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    match failure.message.strip_prefix("error: ") {
        Some(message) => eprintln!("{red}error{plain}: {message}"),
        None => eprintln!("{red}error{plain}: {}", failure.message),
    }
    if let Some(hint) = &failure.hint {
        eprintln!("hint: {hint}");
    }
}

/// A text from chat on one line of the operator's terminal: nothing in it can move the cursor or hide what follows.
pub fn plain(text: &str, chars_max: usize) -> String {
    let shown = |c: char| match c {
        '\n' => '⏎',
        '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    crate::script::run::shortened(text, chars_max).chars().map(shown).collect()
}

/// A time of the log, `2026-11-20T14:02:03Z`.
pub fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}
