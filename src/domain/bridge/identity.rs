//! Whom the services of an IRC network know behind a nick: what is asked, what the answer says, and what that proves.
//!
//! A nick counts as an account only while the services say that whoever has it is identified for the account of that very
//! name. Who is identified for another one is known to be somebody, but not to be the one whose nick they show.

use serde::{Deserialize, Serialize};

use crate::domain::id::UserId;

/// How long the network may take to say who somebody is.
pub const WHOIS_MS_MAX: u64 = 8_000;
/// Longest nick that is asked for, in bytes.
pub const NICK_BYTES_MAX: usize = 64;

/// It was asked whom a network's services know behind a nick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChecked {
    /// The account of the homeserver that stands for the nick.
    pub who: UserId,
    /// The network.
    pub network: String,
    /// The nick there.
    pub nick: String,
    /// The account that they are identified for, if any.
    pub account: Option<String>,
    /// What that proves.
    pub known: Known,
}

/// What an answer about a nick proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Whoever has it is identified for the account of that name.
    Proven,
    /// They are identified for another account.
    Other,
    /// They are not identified.
    Nobody,
    /// Nobody has the nick any more.
    Gone,
    /// It could not be asked, for this reason.
    Unasked(String),
}

/// The nick and the network of a native name: `diana@lab`. None: it is none that could be asked for.
pub fn parts(native: &str) -> Option<(&str, &str)> {
    let (nick, network) = native.rsplit_once('@')?;
    // Only what nicks are made of: a bridge reads what it is told like a shell does.
    let fits = |c: char| c.is_ascii_alphanumeric() || "[]\\`_^{|}~-".contains(c);
    let is_nick = !nick.is_empty() && nick.len() <= NICK_BYTES_MAX && nick.chars().all(fits);
    (is_nick && !network.is_empty()).then_some((nick, network))
}

/// What the bridge is told, and what ends its answer.
pub fn whois(nick: &str) -> (String, Vec<String>) {
    let ends = [format!("nick: {nick}\n"), format!("{nick} no such nick")];
    (format!("WHOIS {nick}"), ends.into())
}

/// What a bridge's answer says about a nick: the account, and what it proves. `ended`: the answer came in time.
pub fn read(nick: &str, said: &[String], ended: bool) -> (Option<String>, Known) {
    if !ended {
        return (None, Known::Unasked("the bridge did not say in time who it is".into()));
    }
    let lines: Vec<&str> = said.iter().flat_map(|text| text.lines()).collect();
    let is_about =
        |line: &&str| field(line, "nick").is_some_and(|it| it.eq_ignore_ascii_case(nick));
    // The newest answer counts, up to where one about somebody else begins.
    let Some(at) = lines.iter().rposition(is_about) else { return (None, Known::Gone) };
    let about = lines[at + 1..].iter().take_while(|line| field(line, "nick").is_none());
    // What people write of themselves stands behind a name of the answer's, never at the beginning of a line.
    let accounts: Vec<&str> = about.filter_map(|line| field(line, "account")).collect();
    match accounts.as_slice() {
        [] => (None, Known::Nobody),
        [account] if account.eq_ignore_ascii_case(nick) => {
            (Some((*account).to_owned()), Known::Proven)
        }
        [account] => (Some((*account).to_owned()), Known::Other),
        _ => (None, Known::Unasked("the bridge named several accounts".into())),
    }
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicks_that_can_be_asked_for() {
        let long = "x".repeat(NICK_BYTES_MAX + 1);
        for (native, want) in [
            ("diana@lab", Some(("diana", "lab"))),
            ("v[x]|y_@lab", Some(("v[x]|y_", "lab"))),
            ("a@b@lab", None),
            ("diana", None),
            ("@lab", None),
            ("diana@", None),
            ("di ana@lab", None),
            ("diana;QUIT@lab", None),
            ("diana\nQUIT@lab", None),
            ("di\"ana@lab", None),
            (format!("{long}@lab").as_str(), None),
            (format!("{}@lab", &long[1..]).as_str(), Some((&long[1..], "lab"))),
        ] {
            assert_eq!(parts(native), want, "{native:?}");
        }
        assert_eq!(whois("diana").0, "WHOIS diana");
    }

    #[test]
    fn answers_prove_the_account_of_the_nick_alone() {
        let of = |lines: &str| vec![lines.to_owned()];
        let (_, ends) = whois("opal");
        for (said, account, known) in [
            (of("nick: Opal\nuser: o\nhost: h\naccount: Opal"), Some("Opal"), Known::Proven),
            (of("nick: opal\nuser: o\naccount: opal2"), Some("opal2"), Known::Other),
            (of("nick: opal\nuser: o\nhost: h"), None, Known::Nobody),
            (of("nick: opal\nrealname: account: opal"), None, Known::Nobody),
            (of("nick: opal\nrealname: x\nopal account: opal"), None, Known::Nobody),
            (of("opal No such nick"), None, Known::Gone),
            (of("connected\nnick: opal\nuser: o\naccount: opal"), Some("opal"), Known::Proven),
            (of("nick: opal\naccount: opal\nnick: opal\nuser: eve"), None, Known::Nobody),
            (of("nick: opal2\naccount: opal"), None, Known::Gone),
            (
                vec!["nick: opal\naccount: opal".into(), "nick: eve\nuser: e".into()],
                Some("opal"),
                Known::Proven,
            ),
            (
                of("nick: opal\naccount: eve\naccount: opal"),
                None,
                Known::Unasked("the bridge named several accounts".into()),
            ),
        ] {
            let got = read("opal", &said, true);
            assert_eq!(got, (account.map(str::to_owned), known), "{said:?}");
        }
        let (account, late) = read("opal", &of("nick: opal\naccount: opal"), false);
        assert!(account.is_none() && matches!(late, Known::Unasked(_)), "{late:?}");
        let ended = |text: &str| ends.iter().any(|end| text.contains(end.as_str()));
        assert!(ended("nick: opal\nuser: o") && ended("opal no such nick"));
        assert!(!ended("nick: opal2\nuser: o") && !ended("WHOIS"));
    }
}
