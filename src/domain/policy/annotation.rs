//! What stands above a policy: its name, and what it asks for when it permits.

use super::Needs;
use super::compile::Source;
use super::problem::PolicyProblem;
use crate::domain::near::nearest;

/// Most approvals that a policy can ask for.
pub const APPROVALS_MAX: u32 = 10;
/// Longest name of a policy or a role, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

const KNOWN: &[&str] = &["id", "approvals", "from", "device", "reactions"];

/// What the annotations of a policy say.
#[derive(Debug, Default)]
pub struct Annotated {
    /// Its name.
    pub id: Option<String>,
    /// What it asks for.
    pub needs: Option<Needs>,
    /// What is wrong with them.
    pub problems: Vec<PolicyProblem>,
}

/// Reads the annotations of a policy that begins at a byte of its file.
pub fn read(
    source: &Source,
    at: usize,
    text: &str,
    permits: bool,
    annotations: &[(String, String)],
) -> Annotated {
    let mut read = Annotated::default();
    let place = |key: &str| at + text.find(&format!("@{key}")).unwrap_or_default();
    let (mut count, mut from, mut device, mut reactions) = (None, None, None, None);
    for (key, value) in annotations {
        let result = match key.as_str() {
            "id" => name(value).map(|name| read.id = Some(name)),
            "approvals" => approvals(value).map(|number| count = Some(number)),
            "from" => name(value).map(|role| from = Some(role)),
            "device" => yes_or_no(value).map(|yes| device = Some(yes)),
            "reactions" => yes_or_no(value).map(|yes| reactions = Some(yes)),
            _ => Err(format!("there is no annotation `@{key}`")),
        };
        if let Err(what) = result {
            let hint = match nearest(key, KNOWN.iter().copied()) {
                Some(near) if near != key => format!("did you mean `@{near}`?"),
                _ => format!("there are @{}", KNOWN.join(", @")),
            };
            read.problems.push(PolicyProblem::at(source, place(key), what).hinted(hint));
        }
    }
    let extra = [
        ("from", from.is_some()),
        ("device", device.is_some()),
        ("reactions", reactions.is_some()),
    ];
    if !permits && count.is_some() {
        let what = "what is forbidden needs no approvals: `@approvals` stands above a `permit`";
        read.problems.push(PolicyProblem::at(source, place("approvals"), what));
    }
    for (key, _) in extra.iter().filter(|(_, given)| *given && count.is_none()) {
        let asks = annotations.iter().any(|(key, _)| key == "approvals");
        if !asks {
            let what = format!("`@{key}` says something of approvals, and none are asked for");
            let problem = PolicyProblem::at(source, place(key), what);
            read.problems.push(problem.hinted("add `@approvals(\"1\")`"));
        }
    }
    read.needs = count.map(|count| Needs {
        count,
        from,
        device: device.unwrap_or(false),
        reactions: reactions.unwrap_or(false),
    });
    read
}

fn name(value: &str) -> Result<String, String> {
    let fits = !value.trim().is_empty()
        && value.len() <= NAME_BYTES_MAX
        && !value.contains(|c: char| c.is_control() || c == '`');
    let value = fits.then(|| value.to_owned());
    value.ok_or_else(|| format!("a name has 1 to {NAME_BYTES_MAX} bytes in one line"))
}

fn approvals(value: &str) -> Result<u32, String> {
    let number = value.trim().parse().ok().filter(|number| (1..=APPROVALS_MAX).contains(number));
    number.ok_or_else(|| format!("`@approvals` is a number from 1 to {APPROVALS_MAX}, as text"))
}

fn yes_or_no(value: &str) -> Result<bool, String> {
    match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("that is \"yes\" or \"no\"".to_owned()),
    }
}
