//! Events of approvals: what was asked for, each way to vote, and one that is void.

use beadle::domain::approval::{self, Held, How, Terms, Vote};
use beadle::domain::event::*;
use beadle::domain::id::{PersonId, UserId};
use beadle::domain::trigger::Trust;

use super::{NOW, SECOND, ann, post};

/// All of them.
pub fn all() -> Vec<Event> {
    let content = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let parts = [
        ("parameters", "11111111111111111111111111111111"),
        ("script deploy.rhai", "22222222222222222222222222222222"),
    ];
    let terms = Terms {
        count: 2,
        role: Some("release".into()),
        not: vec![UserId("@eva:example.org".into())],
        allow_requester: false,
        device: true,
        reactions: false,
        trust: None,
    };
    let requested = ApprovalRequested {
        path: "gate".into(),
        what: "deploy shop 1.2 to production".into(),
        terms: terms.clone(),
        own: vec![ann()],
        content: content.into(),
        parts: parts.map(|(name, hash)| (name.to_owned(), hash.to_owned())).into(),
    };
    let simple = Terms { role: None, not: vec![], ..terms };
    let network = Terms { device: false, trust: Some(Trust::Network), ..simple.clone() };
    let voted = |vote: Vote, how: How, trust: Trust, reason: &str, outcome: approval::Tally| {
        ApprovalVoted {
            path: "gate".into(),
            vote,
            how,
            reason: reason.into(),
            person: PersonId("@ben:example.org".into()),
            account: UserId("@irc_ben:example.org".into()),
            called: None,
            network: "irc".into(),
            trust,
            encrypted: true,
            roles: vec![Held { role: "release".into(), source: "@*:example.org".into() }],
            post: post("$vote"),
            at: NOW.plus_ms(60 * SECOND),
            content: content.into(),
            outcome,
        }
    };
    let (phrase, open) = (How::Phrase, approval::Tally::Open);
    vec![
        requested.clone().into(),
        ApprovalRequested { terms: simple, path: "3".into(), ..requested.clone() }.into(),
        ApprovalRequested { terms: network, path: "4".into(), ..requested }.into(),
        voted(Vote::For, phrase, Trust::Device, "", open).into(),
        voted(Vote::For, How::Typed, Trust::Account, "", approval::Tally::Granted).into(),
        voted(Vote::For, How::Typed, Trust::Identified, "", open).into(),
        voted(Vote::For, How::Typed, Trust::Network, "", open).into(),
        voted(Vote::Against, How::Reply, Trust::Account, "too late", approval::Tally::Denied)
            .into(),
        ApprovalVoted {
            roles: vec![],
            ..voted(Vote::For, How::Reaction, Trust::Nothing, "", open)
        }
        .into(),
        ApprovalVoted {
            account: UserId("@irc_lab_ben:example.org".into()),
            called: Some("Ben (lab)".into()),
            ..voted(Vote::For, How::Typed, Trust::Identified, "", open)
        }
        .into(),
        ApprovalVoided {
            path: "gate".into(),
            changed: vec!["script deploy.rhai".into()],
            content: "33333333333333333333333333333333".into(),
        }
        .into(),
    ]
}
