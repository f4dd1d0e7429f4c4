//! What is said to a message that runs nothing: it is not understood, not allowed, or too much.

use crate::domain::trigger::Address;

/// Most of a command that is quoted back, in characters.
const SHOWN_CHARS: usize = 60;

/// To what nobody can prove to have said.
pub fn unproven() -> String {
    "I cannot tell who sent that: it was not encrypted by the sender's own device.".into()
}

/// To a command that is too long.
pub fn too_long(is: usize, most: usize) -> String {
    format!("That command has {is} bytes; I read at most {most}.")
}

/// To a script that calls a command that there is not.
pub fn no_command(text: &str) -> String {
    format!("there is no command `{text}`")
}

/// To the choice of a command that has gone meanwhile.
pub fn no_longer_offered(name: &str) -> String {
    format!("No script offers `{name}` any more.")
}

/// To a command that could run, were there not so many.
pub fn too_many_open(most: usize, name: &str) -> String {
    format!("{most} executions are open, which is my limit; `{name}` was not started.")
}

/// To a text that leads to more than one append takes.
pub fn too_much_to_record(why: &str) -> String {
    format!("that leads to more than I can record ({why}).")
}

/// How commands are used; none: there are none.
pub fn used_as(prefix: &str, usages: &[&str]) -> Option<String> {
    let all: Vec<String> = usages.iter().map(|usage| format!("`{prefix}{usage}`")).collect();
    let (last, others) = all.split_last()?;
    Some(match others.is_empty() {
        true => format!("it is used as {last}."),
        false => format!("it is used as {} or {last}.", others.join(", ")),
    })
}

/// To a command that fits nothing: what is wrong with it and how it is used, or what may have been meant.
pub fn unknown(
    text: &str,
    near: &[String],
    problem: Option<(String, String)>,
    by: Address,
    prefix: &str,
) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let prefix = if by == Address::Prefix { prefix } else { "" };
    match (problem, near) {
        (Some((problem, usage)), _) => format!("{problem}. It is used as: {prefix}{usage}"),
        (None, []) => format!("I do not know “{shown}”. Try {prefix}help."),
        (None, [one]) => format!("I do not know “{shown}”. Did you mean {prefix}{one}?"),
        (None, [first @ .., last]) => {
            let first: Vec<String> = first.iter().map(|usage| format!("{prefix}{usage}")).collect();
            let first = first.join(", ");
            format!("I do not know “{shown}”. Did you mean {first} or {prefix}{last}?")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_nothing_gets_one_line() {
        let long = "x".repeat(SHOWN_CHARS + 1);
        let cut = format!("I do not know “{}…”. Try !help.", "x".repeat(SHOWN_CHARS));
        for (text, near, by, want) in [
            ("sing", "", Address::Prefix, "I do not know “sing”. Try !help."),
            ("sing", "", Address::Name, "I do not know “sing”. Try help."),
            ("pnig", "ping", Address::Prefix, "I do not know “pnig”. Did you mean !ping?"),
            (
                "pig",
                "ping pin",
                Address::Prefix,
                "I do not know “pig”. Did you mean !ping or !pin?",
            ),
            (
                "pig",
                "ping pin pi",
                Address::Name,
                "I do not know “pig”. Did you mean ping, pin or pi?",
            ),
            (&long, "", Address::Prefix, &cut),
        ] {
            let near: Vec<String> = near.split_whitespace().map(str::to_owned).collect();
            assert_eq!(unknown(text, &near, None, by, "!"), want);
        }
        let problem = Some(("`n` must be a number".to_owned(), "count to {n}".to_owned()));
        let told = unknown("count to x", &[], problem, Address::Prefix, "!");
        assert_eq!(told, "`n` must be a number. It is used as: !count to {n}");
    }
}
