//! Help: what can be said to the bot, or what there is about a word.

use super::catalog::Alias;
use super::message::Doc;
use super::own_command;
use super::route::View;

/// Most lines of a help text.
pub const HELP_LINES_MAX: usize = 40;

/// What follows `help`, if that is asked for.
pub(super) fn help_word(text: &str) -> Option<&str> {
    let text = text.trim();
    let head = text.get(..4)?;
    let rest = &text[4..];
    let ends = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (head.eq_ignore_ascii_case("help") && ends).then_some(rest.trim())
}

/// What there is, or what there is about a word. The bot's own commands stand last.
pub fn help(view: &View, word: &str) -> Doc {
    let (catalog, prefix) = (view.catalog, view.prefix);
    let word = word.to_lowercase();
    let own = own_command::offered(view.places);
    let own = own.filter(|(usage, help)| format!("{usage} {help}").to_lowercase().contains(&word));
    let own: Vec<String> = own.map(|(usage, help)| format!("• {prefix}{usage} – {help}")).collect();
    let about = |alias: &&Alias| {
        let usage = alias.usages.iter().any(|usage| usage.to_lowercase().contains(&word));
        usage
            || alias.name.to_lowercase().contains(&word)
            || alias.help.to_lowercase().contains(&word)
    };
    let found: Vec<&Alias> = catalog.aliases.iter().filter(about).collect();
    let mut lines = match (word.is_empty(), found.len() + own.len()) {
        (true, 0) => vec!["No script offers a command yet.".to_owned()],
        (true, _) => vec![format!("I know these commands; {prefix}help WORD tells more:")],
        (false, 0) => {
            vec![format!("Nothing is known about “{word}”. {prefix}help lists all commands.")]
        }
        (false, _) => vec![],
    };
    let detailed = !word.is_empty() && found.len() <= 5;
    for alias in found.iter().take(HELP_LINES_MAX) {
        let text =
            if alias.help.is_empty() { String::new() } else { format!(" – {}", alias.help) };
        let Some((first, rest)) = alias.usages.split_first() else { continue };
        lines.push(format!("• {prefix}{first}{text}"));
        if detailed {
            lines.extend(rest.iter().map(|usage| format!("  or {prefix}{usage}")));
            lines.extend(
                alias.example.iter().map(|example| format!("  for example: {prefix}{example}")),
            );
            lines.extend(alias.role.iter().map(|role| format!("  needs the role {role}")));
        }
    }
    if found.len() > HELP_LINES_MAX {
        lines.push(format!("… and {} more: {prefix}help WORD", found.len() - HELP_LINES_MAX));
    }
    lines.extend(own);
    Doc::text(&lines.join("\n"))
}
