//! What is typed in the terminal rooms: who says what where, and the commands that begin with a slash.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{FIRST_ROOM, Failure};
use crate::adapter::terminal::{Terminal, To};
use crate::adapter::{Incoming, Intake};
use crate::app::surroundings;
use crate::cli::style::out;
use crate::processor::intake::Ear;
use crate::store::EventStore;
use crate::store::sled::SledStore;

/// What is said about a command that there is not.
const COMMANDS: &str = "there are /as NAME, /room #NAME or @NAME, /reply TEXT, /thread TEXT, /react EMOJI, /edit TEXT, /delete and /quit";

/// What was typed, by whom, in which room.
#[derive(Debug, PartialEq)]
pub(super) struct Typed {
    who: String,
    room: String,
    does: Does,
}

/// What somebody does in a room.
#[derive(Debug, PartialEq)]
enum Does {
    Says(String, To),
    Reacts(String),
    Deletes,
}

/// Who sits at the keyboard, and in which room.
#[derive(Debug)]
struct Seat {
    who: String,
    room: String,
}

/// What a line is.
#[derive(Debug, PartialEq)]
enum Line {
    /// Nothing is done.
    Nothing,
    /// There is no such command.
    Unknown,
    /// The rooms are closed.
    Quit,
    /// It is done in the room.
    Typed(Typed),
}

impl Seat {
    /// Takes a line: somebody else sits down, they go elsewhere, or do something.
    fn take(&mut self, line: &str) -> Line {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let text = || rest.to_owned();
        let does = match word {
            "" => return Line::Nothing,
            "/quit" => return Line::Quit,
            "/as" if !rest.is_empty() => {
                self.who = rest.trim_start_matches('@').to_owned();
                return Line::Nothing;
            }
            "/room" if !rest.is_empty() => {
                let named = rest.starts_with('@');
                let name = rest.trim_start_matches('#');
                self.room = if named { rest.to_owned() } else { format!("#{name}") };
                return Line::Nothing;
            }
            "/react" if !rest.is_empty() => Does::Reacts(text()),
            "/reply" if !rest.is_empty() => Does::Says(text(), To::Last),
            "/thread" if !rest.is_empty() => Does::Says(text(), To::Thread),
            "/edit" if !rest.is_empty() => Does::Says(text(), To::Own),
            "/delete" if rest.is_empty() => Does::Deletes,
            command if command.starts_with('/') => return Line::Unknown,
            _ => Does::Says(line.to_owned(), To::Room),
        };
        let (who, room) = (self.who.clone(), self.room.clone());
        Line::Typed(Typed { who, room, does })
    }
}

/// Whether a terminal can do nothing but print lines: a prompt would stand before what others say.
pub(super) fn prints_lines(term: Option<&str>) -> bool {
    matches!(term, Some("dumb" | "cons25" | "emacs"))
}

/// Reads what is typed until the end of the input or `/quit`; the prompt says who speaks where. Where a terminal only
/// prints lines there is none, and it is told when that changes.
pub(super) fn read_lines(
    editor: &mut rustyline::DefaultEditor,
    lines: &mpsc::Sender<Typed>,
    plain: bool,
) {
    let mut seat = Seat { who: "ann".to_owned(), room: FIRST_ROOM.to_owned() };
    let mut told = String::new();
    loop {
        let place = format!("{} {}: ", seat.room, seat.who);
        if plain && place != told {
            out!("you are {} in {}", seat.who, seat.room);
            told.clone_from(&place);
        }
        let Ok(line) = editor.readline(if plain { "" } else { &place }) else { return };
        // A history that cannot take a line loses that line only.
        let _ = editor.add_history_entry(&line);
        match seat.take(&line) {
            Line::Nothing => {}
            Line::Unknown => out!("{COMMANDS}"),
            Line::Quit => return,
            Line::Typed(typed) => {
                if lines.blocking_send(typed).is_err() {
                    return;
                }
            }
        }
    }
}

/// Takes in what is typed, until nobody types any more.
pub(super) async fn talk(
    ear: &Ear,
    store: &Arc<SledStore>,
    terminal: &Terminal,
    mut typed: mpsc::Receiver<Typed>,
) -> Result<(), Failure> {
    while let Some(Typed { who, room, does }) = typed.recv().await {
        let now = surroundings().clock.now();
        let number = store.next_position().0;
        let incoming = match &does {
            Does::Says(text, to) => of(terminal.says(&who, &room, text, *to, number, now)),
            Does::Reacts(emoji) => of(terminal.reacts(&who, &room, emoji, number, now)),
            Does::Deletes => terminal
                .deletes(&who, &room)
                .map(|it| Incoming { redactions: vec![it], ..Incoming::default() }),
        };
        let Some(incoming) = incoming else {
            let own = matches!(does, Does::Deletes | Does::Says(_, To::Own));
            let whose = if own { who.as_str() } else { "beadle" };
            terminal.print(format!("{whose} has said nothing here yet"));
            continue;
        };
        ear.record(incoming).await.map_err(|why| Failure::new(1, why))?;
    }
    Ok(())
}

fn of(trigger: Option<crate::domain::trigger::Trigger>) -> Option<Incoming> {
    trigger.map(|trigger| Incoming { triggers: vec![trigger], ..Incoming::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_who_does_what_where() {
        let mut seat = Seat { who: "ann".into(), room: FIRST_ROOM.into() };
        for (line, want) in [
            ("  ", "Nothing"),
            ("!ping", "ann in #ops Says(\"!ping\", Room)"),
            ("/as @ben", "Nothing"),
            ("/room dev", "Nothing"),
            ("/reply yes, do", "ben in #dev Says(\"yes, do\", Last)"),
            ("/thread no", "ben in #dev Says(\"no\", Thread)"),
            ("/room @ann", "Nothing"),
            ("ping", "ben in @ann Says(\"ping\", Room)"),
            ("/react 👍", "ben in @ann Reacts(\"👍\")"),
            ("/edit !pong", "ben in @ann Says(\"!pong\", Own)"),
            ("/delete", "ben in @ann Deletes"),
            ("/delete all", "Unknown"),
            ("/edit", "Unknown"),
            ("/nonsense", "Unknown"),
            ("/quit", "Quit"),
        ] {
            let got = match seat.take(line) {
                Line::Typed(Typed { who, room, does }) => format!("{who} in {room} {does:?}"),
                other => format!("{other:?}"),
            };
            assert_eq!(got, want, "{line:?}");
        }
    }
}
