//! What the bot says of people: their accounts, codes that join them, who somebody is.

use super::super::id::UserId;
use super::super::message::Doc;
use super::super::trigger::{Place, Speaker, Trust};
use super::before_commands;

/// An account with what people call it; letters that may be taken for others are named by their number.
pub fn who(speaker: &Speaker) -> String {
    format!("{} ({})", speaker.name, account(&speaker.id))
}

/// An account's id; letters that may be taken for others are named by their number.
pub fn account(id: &UserId) -> String {
    let letter = |c: char| match c.is_ascii_graphic() {
        true => c.to_string(),
        false => format!("[U+{:04X}]", u32::from(c)),
    };
    id.as_str().chars().map(letter).collect()
}

/// How it is known that it is this account.
pub fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Nothing => "nothing proves that it is you",
        Trust::Nick => "nothing but a name that anybody could take",
        Trust::Identified => "the network's services know you as this account just now",
        Trust::Network => "the network gives this account to nobody else",
        Trust::Account => "your homeserver says that it is this account",
        Trust::Device => "your own device signed it",
    }
}

/// What somebody does to have a level of proof.
pub fn to_reach(trust: Trust) -> &'static str {
    match trust {
        Trust::Nothing => "say it",
        Trust::Nick => "say it with a device of your own",
        Trust::Identified => {
            "identify for the account of your nick (`/msg NickServ IDENTIFY …`) on a network that I can ask, or say it on Matrix"
        }
        Trust::Network => {
            "say it on Matrix, or on a network that gives your account to nobody else"
        }
        Trust::Account => "say it with your Matrix account",
        Trust::Device => "type it on a verified device, in an encrypted room",
    }
}

/// The level of proof with its number, and what would prove more.
fn level(trust: Trust) -> String {
    let more = Trust::ALL.into_iter().find(|it| *it > trust);
    let more = more.map_or(String::new(), |it| format!(" More would: {}.", to_reach(it)));
    format!("`{}`, level {} of 5.{more}", trust.word(), trust.level())
}

/// Here is a code.
pub fn code(who: &Speaker, code: &str, prefix: &str, minutes: i64) -> String {
    let (name, id) = (&who.name, &who.id);
    format!(
        "{name}: your code is {code}, for {minutes} minutes. Say it to me with your other account: `{prefix}link {code} {id}`. Then I ask you here whether that was you."
    )
}

/// Whose code it is, for who has not said so.
pub fn code_of(of: &Speaker, code: &str, prefix: &str) -> String {
    format!("That is the code of {}. If that is you, say `{prefix}link {code} {}`.", who(of), of.id)
}

/// The code was right: now the other side is asked.
pub fn claimed(of: &Speaker) -> String {
    format!(
        "That is right. {} is asked now, where the code was given, whether you are the same person.",
        who(of)
    )
}

/// Asks the account that got the code; a plain answer is enough where it is asked.
pub fn same_person(
    of: &Speaker,
    by: &Speaker,
    (code, prefix): (&str, &str),
    direct: bool,
) -> String {
    let bare = if direct { "" } else { prefix };
    format!(
        "{}: {} on {} says your code. Is that you? Then say `{bare}yes` here, or `{prefix}link {code} yes`, and what one of you is asked the other may answer. If not: `{bare}no`.",
        of.name,
        who(by),
        by.network
    )
}

/// A plain answer may be meant for a question, too.
pub fn which_answer(prefix: &str) -> String {
    format!(
        "is that for the other account, or for a question? Say `{prefix}link CODE yes` or `{prefix}link CODE no` with your code, or reply to the question."
    )
}

/// Both sides have said it.
pub fn linked(with: &Speaker, accounts: usize, at: &str) -> String {
    format!(
        "You and {} are one person now, with {accounts} accounts. Each keeps what proves it: nothing more is allowed to the account that you use. `{at}unlink` parts them.",
        who(with)
    )
}

/// One side has said no.
pub fn declined(by: &Speaker) -> String {
    format!("{} says no: nothing was linked, and the code is no longer good.", who(by))
}

/// They are one person already.
pub fn linked_before(with: &Speaker) -> String {
    format!("you and {} are one person already.", who(with))
}

/// It is no code, or not any more, or not of this account.
pub fn no_code(prefix: &str) -> String {
    format!("that is not a code that I gave in the last minutes. `{prefix}link` gives a new one.")
}

/// Nobody has said it with another account.
pub fn not_claimed(code: &str, id: &UserId, prefix: &str) -> String {
    format!("nobody has said that code yet. Your other account says: `{prefix}link {code} {id}`.")
}

/// Somebody else has said it.
pub fn claimed_before(prefix: &str) -> String {
    format!("another account has said that code. `{prefix}link` gives a new one.")
}

/// A name that others may have tomorrow is nobody's account.
pub const NAMES_ONLY: &str =
    "nothing but a name tells who you are here, and anybody could take it: it cannot be linked.";

/// It has to be said with the other account.
pub const OTHER_ACCOUNT: &str = "say it with your other account, not with the one that got it.";

/// Only the account that got the code says yes.
pub fn not_yours(of: &Speaker) -> String {
    format!("it is {} who has to say yes to it.", who(of))
}

/// Too many wrong codes came from one account.
pub fn too_many_tries(minutes: i64) -> String {
    format!("you have said too many wrong codes. Try again in {minutes} min.")
}

/// Too many codes are open, or are being tried.
pub const TOO_MANY_CODES: &str = "too many codes are about just now. Try again in some minutes.";

/// No more accounts fit.
pub fn too_many_accounts(most: usize, at: &str) -> String {
    format!("a person has at most {most} accounts. `{at}unlink` parts one.")
}

/// An account is a person of its own again.
pub fn unlinked(account_id: &UserId) -> String {
    format!(
        "{} is a person of its own again. For what was asked for until now it still counts as the same one.",
        account(account_id)
    )
}

/// There is nothing to part.
pub const NOT_LINKED: &str = "no other account is linked with this one.";

/// It is not an account of theirs.
pub fn not_your_account(id: &UserId) -> String {
    format!("{} is no account of yours.", account(id))
}

/// A role with what gives it.
pub fn role(role: &str, source: &str) -> String {
    format!("{role} ({source})")
}

/// Who somebody is for the bot; `others` are their other accounts, `roles` what they hold, with its source.
pub fn you_are(
    who: &Speaker,
    (place, prefix): (&Place, &str),
    others: &[UserId],
    roles: &[String],
) -> Doc {
    let native = who.account.as_ref().filter(|account| account.as_str() != who.id.as_str());
    let native = native.map_or(String::new(), |account| format!(", there {account}"));
    let mut lines = vec![
        format!("You are {} on {}{native}.", self::who(who), who.network),
        format!("What proves it: {} – {}", trust(who.trust), level(who.trust)),
        match place.direct {
            true => "We are alone here.".to_owned(),
            false => format!("This room is {}.", place.name),
        },
    ];
    lines.push(match others {
        [] => {
            let at = before_commands(place, prefix);
            format!("No other account is linked with this one; `{at}link` links one.")
        }
        others => {
            let others: Vec<String> = others.iter().map(account).collect();
            format!("Your other accounts: {}.", others.join(", "))
        }
    });
    lines.push(match roles {
        [] => "You hold no role here.".to_owned(),
        roles => format!("Your roles here: {}.", roles.join(", ")),
    });
    Doc::text(&lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_says_what_would_prove_more() {
        for (trust, want) in [
            (
                Trust::Nothing,
                "`nothing`, level 0 of 5. More would: say it with a device of your own.",
            ),
            (
                Trust::Nick,
                "`nick`, level 1 of 5. More would: identify for the account of your nick",
            ),
            (
                Trust::Identified,
                "`identified`, level 2 of 5. More would: say it on Matrix, or on a",
            ),
            (
                Trust::Network,
                "`network`, level 3 of 5. More would: say it with your Matrix account.",
            ),
            (Trust::Account, "`account`, level 4 of 5. More would: type it on a verified device,"),
            (Trust::Device, "`device`, level 5 of 5."),
        ] {
            let got = level(trust);
            assert!(got.starts_with(want), "{got}");
        }
    }

    #[test]
    fn letters_that_may_be_taken_for_others_are_named() {
        for (id, want) in [
            ("@ann:hs.org", "@ann:hs.org"),
            ("@аnn:hs.org", "@[U+0430]nn:hs.org"),
            ("@ann:hs.org\u{200B}", "@ann:hs.org[U+200B]"),
            ("@a n:hs", "@a[U+0020]n:hs"),
        ] {
            assert_eq!(account(&UserId(id.into())), want, "{id:?}");
        }
    }
}
