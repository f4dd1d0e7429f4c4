//! Everything that the bot offers, in one list: what it is, where it is written, who may use it, when it was used last, on or off.
//!
//! Another kind of thing is another [`Kind`] and its rows; nothing else changes.

use serde::Serialize;

use super::catch_up::ago;
use super::id::Timestamp;
use super::message::{Doc, Span};
use super::words::listing as say;

/// Most things that one answer in chat tells of; of the others it says how many there are.
pub const TOLD_MAX: usize = 400;

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A command that people give.
    Alias,
    /// An operation that scripts run.
    Action,
    /// Something that runs when something happens.
    Rule,
    /// Something that is done at times.
    Schedule,
    /// A door for what other systems post.
    Hook,
    /// Something that is watched.
    Sensor,
    /// A file of scripts of which nothing is offered.
    Script,
}

/// Every kind with its head in a list.
pub const KINDS: &[(Kind, &str)] = &[
    (Kind::Alias, "Commands"),
    (Kind::Action, "Actions"),
    (Kind::Rule, "Rules"),
    (Kind::Schedule, "Schedules"),
    (Kind::Hook, "Webhooks"),
    (Kind::Sensor, "Sensors"),
    (Kind::Script, "Scripts"),
];

/// Whether something works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    On,
    /// In an older version: the newer one has a problem.
    Older(String),
    /// It does not, for this reason.
    Off(String),
}

/// One thing that is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How it is written.
    pub usage: String,
    /// What it is for.
    pub help: String,
    /// Its file, from the scripts folder; empty for what the configuration has.
    pub file: String,
    /// The line of that; 0: the whole file.
    pub line: u32,
    /// Its labels.
    pub tags: Vec<String>,
    /// Who may use it, in words.
    pub who: String,
    /// When it was used last, as far as that was looked at.
    pub used: Option<Timestamp>,
    /// Whether it works.
    pub state: State,
}

impl Listed {
    /// Where it is written: `shop.rhai:5`.
    pub fn place(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }

    /// All of it in one line, for somebody who reads it now.
    pub fn line(&self, now: Timestamp) -> String {
        let used = self.used.map(|at| ago(now.0.saturating_sub(at.0)));
        let state = match &self.state {
            State::On => say::ON.to_owned(),
            State::Older(why) => say::older(why),
            State::Off(why) => say::off(why),
        };
        let used = match self.kind {
            // Whether something came through them is not looked at here.
            Kind::Script | Kind::Hook | Kind::Sensor => None,
            Kind::Alias | Kind::Action | Kind::Rule | Kind::Schedule => {
                Some(say::used(used.as_deref()))
            }
        };
        let facts = [Some(self.place()), Some(self.who.clone()), used, Some(state)];
        let facts: Vec<String> =
            facts.into_iter().flatten().filter(|fact| !fact.is_empty()).collect();
        match self.help.as_str() {
            "" => format!("{} ({})", self.usage, facts.join("; ")),
            help => format!("{} – {help} ({})", self.usage, facts.join("; ")),
        }
    }
}

/// The list for chat: what is not told of is counted.
pub fn doc(listed: &[Listed], prefix: &str, now: Timestamp) -> Doc {
    if listed.is_empty() {
        return Doc::text(say::NOTHING);
    }
    let mut doc = Doc::default();
    let mut left = TOLD_MAX;
    for (kind, head) in KINDS {
        let of_kind = listed.iter().filter(|it| it.kind == *kind);
        let prefix = if *kind == Kind::Alias { prefix } else { "" };
        let points: Vec<Vec<Span>> = of_kind
            .take(left)
            .map(|it| vec![Span::Text(format!("{prefix}{}", it.line(now)))])
            .collect();
        if !points.is_empty() {
            left -= points.len();
            doc = doc.line([Span::Text(format!("{head}:"))]).list(points);
        }
    }
    match listed.len().saturating_sub(TOLD_MAX) {
        0 => doc,
        more => doc.line([Span::Text(say::more(more))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(kind: Kind, name: &str, state: State, used: Option<Timestamp>) -> Listed {
        Listed {
            kind,
            name: name.into(),
            usage: name.into(),
            help: String::new(),
            file: "t.rhai".into(),
            line: 3,
            tags: vec![],
            who: "everyone".into(),
            used,
            state,
        }
    }

    #[test]
    fn a_line_says_where_who_when_and_whether() {
        let now = Timestamp(7_200_000);
        for (kind, state, used, want) in [
            (Kind::Alias, State::On, None, "x (t.rhai:3; everyone; not used yet; on)"),
            (
                Kind::Alias,
                State::On,
                Some(Timestamp(0)),
                "x (t.rhai:3; everyone; last used 2 h ago; on)",
            ),
            (
                Kind::Action,
                State::Off("it leaks".into()),
                None,
                "x (t.rhai:3; everyone; not used yet; off: it leaks)",
            ),
            (
                Kind::Script,
                State::Off("no `(`".into()),
                None,
                "x (t.rhai:3; everyone; off: no `(`)",
            ),
        ] {
            assert_eq!(listed(kind, "x", state, used).line(now), want);
        }
    }

    #[test]
    fn what_is_not_told_of_is_counted() {
        let many: Vec<Listed> = (0..TOLD_MAX + 3)
            .map(|n| listed(Kind::Alias, &format!("a{n}"), State::On, None))
            .chain([listed(Kind::Action, "b", State::On, None)])
            .collect();
        let words = doc(&many, "!", Timestamp(0)).words();
        assert_eq!(words.lines().count(), TOLD_MAX + 2);
        assert!(words.ends_with("… and 4 more: `beadle catalog` lists all"), "{words}");
        let few =
            [listed(Kind::Action, "b", State::On, None), listed(Kind::Alias, "a", State::On, None)];
        let words = doc(&few, "!", Timestamp(0)).words();
        let heads: Vec<&str> = words.lines().filter(|line| line.ends_with(':')).collect();
        assert_eq!(heads, ["Commands:", "Actions:"]);
        assert_eq!(doc(&[], "!", Timestamp(0)).words(), say::NOTHING);
    }

    #[test]
    fn every_kind_has_a_head() {
        for kind in [
            Kind::Alias,
            Kind::Action,
            Kind::Rule,
            Kind::Schedule,
            Kind::Hook,
            Kind::Sensor,
            Kind::Script,
        ] {
            assert!(KINDS.iter().any(|(known, _)| *known == kind), "{kind:?}");
        }
    }
}
