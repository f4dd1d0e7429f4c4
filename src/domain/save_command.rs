//! `!save as NAME`: the last commands of a conversation become the proposal of a script, for a person to review. Pure text.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::builtin::Builtin;

/// Most commands of a proposal: the newest.
pub const SAVED_COMMANDS_MAX: usize = 20;
/// Most events that are looked at for them.
pub const SAVED_LOOKED_AT_MAX: usize = 2_048;
/// Outside of a thread, commands are of one conversation that are not older than this.
pub const SAVED_WITHIN_MS: i64 = 3_600_000;
/// Longest name, in characters.
pub const SAVED_NAME_CHARS_MAX: usize = 60;
/// Most parameters that are offered.
const PARAMETERS_MAX: usize = 5;

/// The command as help shows it.
pub const COMMANDS: &[(Builtin, &str, &str)] = &[(
    Builtin::Save,
    "save as {name}",
    "Propose a script that does again what was commanded in this thread, or what you commanded here in the last hour",
)];

/// Words that belong to the script language: no parameter can be called so.
pub const RESERVED: &[&str] = &[
    "as",
    "async",
    "await",
    "break",
    "call",
    "case",
    "catch",
    "const",
    "continue",
    "curry",
    "debug",
    "default",
    "do",
    "else",
    "export",
    "extra",
    "false",
    "fn",
    "for",
    "global",
    "go",
    "goto",
    "if",
    "import",
    "in",
    "is",
    "let",
    "loop",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "print",
    "private",
    "protected",
    "public",
    "return",
    "shared",
    "spawn",
    "static",
    "super",
    "switch",
    "sync",
    "this",
    "thread",
    "throw",
    "true",
    "try",
    "until",
    "use",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// What somebody commanded.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// In their words.
    pub command: String,
    /// What the command took from them.
    pub args: Value,
}

/// The proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What the file is called.
    pub file: String,
    /// What stands in it.
    pub source: String,
}

/// The name that is asked for, if it is this command.
pub fn parse(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [save, to, name @ ..] if save.to_lowercase() == "save" && to.to_lowercase() == "as" => {
            Some(name.join(" ").trim_matches(['"', '\'', '“', '”']).to_lowercase())
        }
        _ => None,
    }
}

/// What an execution of it is started with.
pub fn args(name: &str) -> Value {
    json!({ "name": name })
}

/// Why a command cannot have this name, if so.
pub fn refusal(name: &str) -> Option<String> {
    let chars = name.chars().count();
    let word = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let begins = name.starts_with(char::is_alphabetic);
    let good = (1..=SAVED_NAME_CHARS_MAX).contains(&chars) && name.chars().all(word) && begins;
    (!good).then(|| {
        format!(
            "say what the new command is to be called, in words of letters and digits ({SAVED_NAME_CHARS_MAX} characters at most): `save as set up web`."
        )
    })
}

/// The script that does again what was said, in order; a value that two commands share is offered as a parameter.
pub fn proposal(name: &str, said: &[Said], by: &str, room: &str, day: &str) -> Proposal {
    let shared = shared(said);
    let calls = said.iter().map(|said| format!("    run({});\n", call(&said.command, &shared)));
    let parameters: BTreeSet<&str> = shared.values().map(String::as_str).collect();
    let format = parameters.iter().map(|name| format!(" {{{name}}}")).collect::<String>();
    let takes = if parameters.is_empty() { "||" } else { "|args|" };
    let help = said.iter().map(|said| one_line(&said.command)).collect::<Vec<_>>().join(", then ");
    let source = format!(
        "//! Proposed from what was commanded in {} on {day}, for {}. Look it over, give it a test, and put it into the scripts folder.\n\n\
         alias({}, #{{ help: {} }}, {takes} {{\n{}}});\n",
        one_line(room),
        one_line(by),
        literal(&format!("{name}{format}")),
        literal(&shortened(&help)),
        calls.collect::<String>(),
    );
    Proposal { file: format!("{}.rhai", name.replace(' ', "-")), source }
}

/// The values that several commands share, and what their parameter is called.
fn shared(said: &[Said]) -> BTreeMap<String, String> {
    let mut first: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for said in said {
        let mut seen = BTreeSet::new();
        for (name, value) in values(&said.args) {
            let whole = said.command.split_whitespace().any(|word| word == value);
            if whole && seen.insert(value.to_owned()) {
                first.entry(value.to_owned()).or_insert_with(|| (parameter(name), 0)).1 += 1;
            }
        }
    }
    let mut named = BTreeMap::new();
    for (value, (name, _)) in first.into_iter().filter(|(_, (_, count))| *count > 1) {
        if named.len() < PARAMETERS_MAX {
            let free = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name}{n}") });
            let taken = |name: &String| named.values().any(|other| other == name);
            let name = free.into_iter().find(|name| !taken(name)).expect("there are many numbers");
            named.insert(value, name);
        }
    }
    named
}

/// The values of a command that are one plain word.
fn values(args: &Value) -> impl Iterator<Item = (&str, &str)> {
    let plain = |value: &str| {
        value.len() > 1 && value.chars().all(|c| c.is_alphanumeric() || "._:-".contains(c))
    };
    let args = args.as_object().into_iter().flat_map(Map::iter);
    let texts = args.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    texts.filter(move |(_, value)| plain(value))
}

fn parameter(name: &str) -> String {
    match RESERVED.contains(&name) {
        true => format!("the_{name}"),
        false => name.to_owned(),
    }
}

/// The text of one command, with its shared values taken from the parameters.
fn call(command: &str, shared: &BTreeMap<String, String>) -> String {
    let command = one_line(command);
    let known = |word: &str| shared.get(word).map(|name| format!("${{args.{name}}}"));
    let parted: Vec<(&str, Option<String>)> =
        command.split(' ').map(|word| (word, known(word))).collect();
    // Between backticks nothing can be escaped.
    let odd = command.contains('`') || command.contains("${");
    if odd || parted.iter().all(|(_, name)| name.is_none()) {
        return literal(&command);
    }
    let words: Vec<String> =
        parted.into_iter().map(|(word, name)| name.unwrap_or_else(|| word.to_owned())).collect();
    format!("`{}`", words.join(" "))
}

/// A text of the script language.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str) -> String {
    const SHOWN_CHARS: usize = 150;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(command: &str, args: Value) -> Said {
        Said { command: command.into(), args }
    }

    #[test]
    fn the_name_is_read() {
        for (text, want) in [
            ("save as deploy web", Some("deploy web")),
            ("Save  AS \"Deploy  Web\"", Some("deploy web")),
            ("save as", Some("")),
            ("save the whales", None),
            ("save", None),
        ] {
            assert_eq!(parse(text).as_deref(), want, "{text}");
        }
        let long = "x".repeat(SAVED_NAME_CHARS_MAX);
        for (name, good) in [
            ("deploy web-1", true),
            (long.as_str(), true),
            (&format!("{long}x"), false),
            ("", false),
            ("deploy {web}", false),
            ("../x", false),
            ("7 wonders", false),
        ] {
            assert_eq!(refusal(name).is_none(), good, "{name:?}");
        }
    }

    #[test]
    fn what_repeats_becomes_a_parameter() {
        let said = [
            said(
                "create vm web001 on aws",
                json!({ "hostname": "web001", "provider": "aws", "size": "small", "extra": {} }),
            ),
            said("watch  web001", json!({ "match": "web001" })),
            said("say \"`web001` is ${up}\" web001", json!({ "text": "web001" })),
            said("joke", json!({})),
        ];
        let proposal = proposal("set up web", &said, "ann", "#ops", "2026-03-02");
        assert_eq!(proposal.file, "set-up-web.rhai");
        let want = "//! Proposed from what was commanded in #ops on 2026-03-02, for ann. Look it over, give it a test, and put it into the scripts folder.\n\n\
            alias(\"set up web {hostname}\", #{ help: \"create vm web001 on aws, then watch web001, then say \\\"`web001` is ${up}\\\" web001, then joke\" }, |args| {\n    \
            run(`create vm ${args.hostname} on aws`);\n    \
            run(`watch ${args.hostname}`);\n    \
            run(\"say \\\"`web001` is ${up}\\\" web001\");\n    \
            run(\"joke\");\n});\n";
        assert_eq!(proposal.source, want);
    }

    #[test]
    fn parameters_have_names_of_their_own() {
        let args = |a: &str, b: &str| json!({ "match": a, "size": b });
        let said = [
            said("a one two", args("one", "two")),
            said("b two one", args("two", "one")),
            said("c solo", args("solo", "")),
        ];
        let source = proposal("x", &said, "ann", "#ops", "2026-03-02").source;
        assert!(source.contains("\"x {size} {the_match}\""), "{source}");
        assert!(source.contains("run(`b ${args.size} ${args.the_match}`)"), "{source}");
        assert!(source.contains("run(\"c solo\")"), "{source}");
        let many: Vec<String> = (0..9).map(|n| format!("v{n}")).collect();
        let line = many.join(" ");
        let all: Map<String, Value> =
            many.iter().map(|value| (format!("p{value}"), json!(value))).collect();
        let twice = vec![Said { command: line, args: json!(all) }; 2];
        let source = proposal("x", &twice, "ann", "#ops", "2026-03-02").source;
        assert_eq!(
            source.lines().nth(2).map(|line| line.matches('{').count()),
            Some(PARAMETERS_MAX + 2)
        );
    }
}
