//! Who speaks in the samples, with all that can be claimed of somebody.

use beadle::domain::trigger::{Claim, Speaker, Trust};

use super::{ann, user};

/// Ann, on Matrix.
pub fn speaker(trust: Trust) -> Speaker {
    Speaker {
        id: ann(),
        name: "ann".into(),
        network: "matrix".into(),
        account: None,
        trust,
        claims: vec![],
    }
}

/// Eva on IRC, as anybody could be.
pub fn bridged() -> Speaker {
    Speaker {
        id: user("_irc_eva"),
        name: "eva".into(),
        network: "irc".into(),
        account: Some("eva".into()),
        trust: Trust::Nothing,
        claims: vec![],
    }
}

/// Ann on IRC, as the network's services know her.
pub fn identified() -> Speaker {
    Speaker {
        id: user("irc_ann"),
        name: "ann_".into(),
        network: "irc".into(),
        account: Some("ann".into()),
        trust: Trust::Identified,
        claims: vec![Claim::ServicesAccount { name: "ann".into() }],
    }
}

/// An account of Slack that shows another name.
pub fn slack() -> Speaker {
    Speaker {
        id: user("slack_t0123-u0789"),
        name: "Eva".into(),
        network: "slack".into(),
        account: Some("u0789@t0123".into()),
        trust: Trust::Network,
        claims: vec![Claim::PerMessageName { name: "Eva of ops".into() }],
    }
}

/// Ann, who wrote it on another network.
pub fn puppet() -> Speaker {
    let claims = vec![Claim::DoublePuppet { source: "mautrix-slack".into() }];
    Speaker { claims, ..speaker(Trust::Account) }
}
