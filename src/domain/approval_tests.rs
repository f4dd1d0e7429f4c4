//! What one more vote does, row by row: who votes on what, and what comes of it.

use super::*;
use crate::domain::id::PostId;

const KEY: IdKey = IdKey([7; 32]);

fn user(name: &str) -> UserId {
    UserId(format!("@{name}:hs"))
}

/// What would run: the parts by name, with one of them as given.
fn basis(part: &str, value: &str) -> Content {
    let usual = [
        ("script deploy.rhai", "1"),
        ("action cloud.deploy", "1"),
        ("parameters", "{}"),
        ("room", "#ops"),
        ("requester", "@ann:hs"),
    ];
    let all = usual.iter().fold(Basis::default(), |all, (name, value)| all.with(*name, *value));
    let all = if part.is_empty() { all } else { all.with(part, value) };
    all.content(&KEY)
}

fn given(terms: &Terms, votes: Vec<ApprovalVoted>) -> Approval {
    let content = basis("", "");
    let requested = ApprovalRequested {
        path: "gate".into(),
        what: "deploy shop".into(),
        terms: terms.clone(),
        own: vec![user("ann"), user("ann_phone")],
        content: content.hash,
        parts: content.parts,
    };
    Approval { requested, votes }
}

/// `ben_irc` is ben, and `ann_new` was linked to ann after she asked.
fn person_of(account: &UserId) -> PersonId {
    PersonId(match account.as_str() {
        "@ben_irc:hs" => user("ben").0,
        "@ann_new:hs" => user("ann").0,
        other => other.to_owned(),
    })
}

/// A vote in words: `ben`, `ben role`, `ben device encrypted phrase`, `-ben`.
fn cast(approval: &Approval, words: &str, now: &Content, rules: &Rules) -> Decided {
    let mut words = words.split_whitespace();
    let name = words.next().expect("somebody votes");
    let (vote, name) = match name.strip_prefix('-') {
        Some(name) => (Vote::Against, name),
        None => (Vote::For, name),
    };
    let words: Vec<&str> = words.collect();
    let has = |word: &str| words.contains(&word);
    let id = if name.starts_with('@') { UserId(name.into()) } else { user(name) };
    let trust = match () {
        () if has("unproven") => Trust::Nothing,
        () if has("nick") => Trust::Nick,
        () if has("identified") => Trust::Identified,
        () if has("network") => Trust::Network,
        () if has("device") => Trust::Device,
        () => Trust::Account,
    };
    // Everybody shows the same name: it proves nothing.
    let (name, network, account) = ("ben".to_owned(), "matrix".to_owned(), None);
    let speaker = Speaker { id, name, network, account, trust, claims: vec![] };
    let role = Held { role: "release".into(), source: "config".into() };
    let voter = Voter {
        speaker: &speaker,
        encrypted: has("encrypted"),
        roles: if has("role") { vec![role] } else { vec![] },
        barred: has("barred").then(|| "policy `no` forbids it".into()),
    };
    let how = match () {
        () if has("reaction") => How::Reaction,
        () if has("phrase") => How::Phrase,
        () => How::Typed,
    };
    let (reason, post) = ("too late".to_owned(), PostId("$1".into()));
    let reason = if vote == Vote::Against { reason } else { String::new() };
    let ballot = Ballot { vote, how, reason, post, at: Timestamp(1) };
    super::vote(approval, &voter, &ballot, now, &person_of, rules)
}

fn shown(decided: &Decided) -> String {
    match decided {
        Decided::Voted(vote) => format!("{:?}", vote.outcome).to_lowercase(),
        Decided::Void(void) => format!("void: {}", void.changed.join(", ")),
        Decided::Refused(refusal) => format!("{refusal:?}"),
    }
}

/// Casts votes in a row, and shows what the last one came to.
fn last(terms: &Terms, votes: &[&str]) -> String {
    let mut approval = given(terms, vec![]);
    let mut told = String::new();
    for words in votes {
        let decided = cast(&approval, words, &basis("", ""), &Rules::STRICT);
        told = shown(&decided);
        if let Decided::Voted(vote) = decided {
            approval.votes.push(vote);
        }
    }
    told
}

#[test]
fn votes_are_judged() {
    let one = Terms::default();
    let two = Terms { count: 2, ..one.clone() };
    let role = Terms { role: Some("release".into()), ..one.clone() };
    let device = Terms { device: true, ..one.clone() };
    let emoji = Terms { reactions: true, ..one.clone() };
    let not = Terms { not: vec![user("ben")], ..one.clone() };
    let least = |trust| Terms { trust: Some(trust), ..one.clone() };
    let own = Terms { allow_requester: true, count: 2, ..one.clone() };
    for (terms, votes, want) in [
        (&one, &["ben"][..], "granted"),
        (&two, &["ben"], "open"),
        (&two, &["ben", "eva"], "granted"),
        (&two, &["ben", "ben"], "Twice"),
        (&two, &["ben", "ben_irc"], "Twice"),
        (&two, &["ben_irc", "ben"], "Twice"),
        (&two, &["ben", "-eva"], "denied"),
        (&two, &["ben", "-ben"], "denied"),
        (&one, &["ann"], "Own"),
        (&two, &["ben", "ann"], "Own"),
        (&one, &["ann_phone"], "Own"),
        (&one, &["ann_new"], "Own"),
        (&one, &["-ann"], "denied"),
        (&own, &["ann"], "open"),
        (&own, &["ann", "ann_phone"], "granted"),
        (&own, &["ann", "ann_new"], "Twice"),
        (&one, &["@\u{430}nn:hs"], "granted"),
        (&role, &["ben"], "Role(\"release\")"),
        (&role, &["@b\u{435}n:hs"], "Role(\"release\")"),
        (&role, &["-ben"], "Role(\"release\")"),
        (&role, &["ben role"], "granted"),
        (&one, &["ben unproven"], "Unproven"),
        (&one, &["ben nick"], "Unproven"),
        (&role, &["ben role unproven"], "Unproven"),
        (&one, &["ben reaction"], "Reaction"),
        (&one, &["-ben reaction"], "Reaction"),
        (&emoji, &["ben reaction"], "granted"),
        (&emoji, &["ben reaction unproven"], "Unproven"),
        (&not, &["ben"], "Excluded"),
        (&not, &["ben_irc"], "Excluded"),
        (&not, &["eva"], "granted"),
        (&one, &["ben barred"], "Policy(\"policy `no` forbids it\")"),
        (&device, &["ben"], "Device(Encryption)"),
        (&device, &["ben encrypted"], "Device(Verification)"),
        (&device, &["ben encrypted device"], "Device(Phrase)"),
        (&device, &["ben device phrase"], "Device(Encryption)"),
        (&device, &["ben encrypted phrase"], "Device(Verification)"),
        (&device, &["ben encrypted device phrase"], "granted"),
        (&device, &["-ben"], "denied"),
        (&one, &["ben identified"], "granted"),
        (&one, &["ben network"], "granted"),
        (&least(Trust::Identified), &["ben nick"], "Unproven"),
        (&least(Trust::Identified), &["ben identified"], "granted"),
        (&least(Trust::Network), &["ben identified"], "Trust { needs: Network, has: Identified }"),
        (&least(Trust::Network), &["ben network"], "granted"),
        (&least(Trust::Network), &["ben"], "granted"),
        (&least(Trust::Network), &["-ben identified"], "denied"),
        (&least(Trust::Network), &["-ben nick"], "Unproven"),
        (&least(Trust::Account), &["ben network"], "Trust { needs: Account, has: Network }"),
        (&least(Trust::Account), &["ben"], "granted"),
        (&least(Trust::Device), &["ben encrypted"], "Trust { needs: Device, has: Account }"),
        (&least(Trust::Device), &["ben encrypted device"], "granted"),
    ] {
        assert_eq!(last(terms, votes), want, "{terms:?}: {votes:?}");
    }
}

#[test]
fn what_nobody_can_give_in_the_clear_is_known() {
    let of = |device, reactions, trust| {
        let terms = Terms { device, reactions, trust, ..Terms::default() };
        (terms.takes_encryption(), terms.takes_clicks())
    };
    for (device, reactions, trust, want) in [
        (false, false, None, (false, false)),
        (false, true, None, (false, true)),
        (true, true, None, (true, false)),
        (false, true, Some(Trust::Account), (false, true)),
        (false, true, Some(Trust::Device), (true, false)),
        (true, false, Some(Trust::Network), (true, false)),
    ] {
        assert_eq!(of(device, reactions, trust), want, "{device} {reactions} {trust:?}");
    }
}

#[test]
fn terms_without_a_level_are_written_as_before_there_was_one() {
    let written = serde_json::to_value(Terms::default()).expect("terms are JSON");
    assert!(written.get("trust").is_none(), "{written}");
    let read: Terms = serde_json::from_value(written).expect("they are terms");
    assert_eq!(read, Terms::default());
    let network = Terms { trust: Some(Trust::Network), ..Terms::default() };
    let written = serde_json::to_value(&network).expect("terms are JSON");
    assert_eq!(written["trust"], "network");
    assert_eq!(serde_json::from_value::<Terms>(written).expect("they are terms"), network);
}

#[test]
fn a_vote_is_for_one_content() {
    let approval = given(&Terms::default(), vec![]);
    for (part, value, want) in [
        ("", "", "granted"),
        ("script deploy.rhai", "2", "void: script deploy.rhai"),
        ("action cloud.deploy", "2", "void: action cloud.deploy"),
        ("action cloud.other", "1", "void: action cloud.other"),
        ("parameters", "{\"env\":\"production\"}", "void: parameters"),
        ("room", "#other", "void: room"),
        ("requester", "@eva:hs", "void: requester"),
    ] {
        let now = basis(part, value);
        assert_eq!(shown(&cast(&approval, "ben", &now, &Rules::STRICT)), want, "{part}");
        // Who could not vote cannot end it either.
        for (words, refusal) in
            [("ben unproven", "Unproven"), ("ann", "Own"), ("ben barred", "Policy(")]
        {
            let told = shown(&cast(&approval, words, &now, &Rules::STRICT));
            assert!(told.starts_with(refusal), "{part} {words}: {told}");
        }
    }
}

#[test]
fn a_vote_on_another_content_is_not_counted_later() {
    let terms = Terms { count: 2, ..Terms::default() };
    let approval = given(&terms, vec![]);
    let Decided::Voted(mut vote) = cast(&approval, "ben", &basis("", ""), &Rules::STRICT) else {
        panic!("ben may vote");
    };
    vote.content = basis("script deploy.rhai", "0").hash;
    let approval = given(&terms, vec![vote]);
    assert_eq!(shown(&cast(&approval, "eva", &basis("", ""), &Rules::STRICT)), "open");
}

#[test]
fn accounts_that_were_linked_after_they_voted_are_one_person() {
    let terms = Terms { count: 3, ..Terms::default() };
    let mut approval = given(&terms, vec![]);
    for name in ["ben", "cat"] {
        let decided = cast(&approval, name, &basis("", ""), &Rules::STRICT);
        let Decided::Voted(mut vote) = decided else { panic!("{name} may vote") };
        if name == "cat" {
            // When it was said, nobody knew that this account is ben's; and one of ann's comes to light, too.
            vote.account = user("ben_irc");
        }
        approval.votes.push(vote);
    }
    assert_eq!(approvers(&approval, &person_of).len(), 1);
    assert_eq!(shown(&cast(&approval, "eva", &basis("", ""), &Rules::STRICT)), "open");
    approval.votes[1].account = user("ann_new");
    assert_eq!(approvers(&approval, &person_of), BTreeSet::from([PersonId(user("ben").0)]));
}

#[test]
fn mistakes_would_be_noticed() {
    let approval = given(&Terms::default(), vec![]);
    let (same, other) = (basis("", ""), basis("parameters", "x"));
    for (who, now, rules, want) in [
        ("ann", &same, Rules::STRICT, "Own"),
        ("ann", &same, Rules::COUNTS_REQUESTER, "granted"),
        ("ben", &other, Rules::STRICT, "void: parameters"),
        ("ben", &other, Rules::IGNORES_CONTENT, "granted"),
        ("ann", &other, Rules::IGNORES_CONTENT, "Own"),
    ] {
        assert_eq!(shown(&cast(&approval, who, now, &rules)), want, "{who} {rules:?}");
    }
}

#[test]
fn what_comes_of_votes_is_told() {
    let terms = Terms { count: 2, ..Terms::default() };
    for (votes, want_words, want_result) in [
        (
            &["ben"][..],
            "ann asks to deploy shop: approved by ben, it needs one more person.",
            "open",
        ),
        (
            &["ben", "@eva:irc.hs"],
            "ann asks to deploy shop: approved by ben and @eva:irc.hs.",
            r#"Ok {"by":["@ben:hs","@eva:irc.hs"],"names":"ben and @eva:irc.hs"}"#,
        ),
        (
            &["@b\u{435}n:hs", "ben"],
            "ann asks to deploy shop: approved by @b\\u{435}n:hs and ben.",
            r#"Ok {"by":["@bеn:hs","@ben:hs"],"names":"@b\\u{435}n:hs and ben"}"#,
        ),
        (
            &["ben", "-eva"],
            "ann asks to deploy shop: denied by eva: too late.",
            r#"Err {"kind":"denied","by":"@eva:hs","reason":"too late","message":"denied by eva: too late"}"#,
        ),
    ] {
        let mut approval = given(&terms, vec![]);
        for words in votes {
            let decided = cast(&approval, words, &basis("", ""), &Rules::STRICT);
            let Decided::Voted(vote) = decided else { panic!("{words}: {decided:?}") };
            approval.votes.push(vote);
        }
        assert_eq!(words::progress("ann", &approval), want_words);
        let result = match result(&approval) {
            None => "open".to_owned(),
            Some(EffectResult::Ok(value)) => format!("Ok {value}"),
            Some(EffectResult::Err(value)) => format!("Err {value}"),
        };
        assert_eq!(result, want_result);
    }
    let now = basis("script deploy.rhai", "2");
    let Decided::Void(void) = cast(&given(&terms, vec![]), "ben", &now, &Rules::STRICT) else {
        panic!("it is void");
    };
    let error = voided(&void);
    assert_eq!(error["kind"], VOID);
    assert_eq!(
        error["message"],
        "the approval is void, because deploy.rhai was changed; ask again"
    );
}

#[test]
fn a_long_reason_is_cut_where_a_letter_ends() {
    let long = "ä".repeat(REASON_BYTES_MAX);
    assert_eq!(kept(&long).len(), REASON_BYTES_MAX);
    assert_eq!(kept(&format!("x{long}")).len(), REASON_BYTES_MAX - 1);
    assert_eq!(kept("short"), "short");
}

#[test]
fn what_was_approved_for_less_or_by_fewer_does_not_cover_more() {
    let needs = |count, from: Option<&str>, device| Needs {
        count,
        from: from.map(str::to_owned),
        device,
        reactions: false,
    };
    let terms = Terms { count: 2, role: Some("release".into()), ..Terms::default() };
    let mut approval = given(&terms, vec![]);
    for words in ["ben role", "eva role"] {
        let Decided::Voted(vote) = cast(&approval, words, &basis("", ""), &Rules::STRICT) else {
            panic!("{words} may vote");
        };
        approval.votes.push(vote);
    }
    for (needs, want) in [
        (needs(1, None, false), true),
        (needs(2, Some("release"), false), true),
        (needs(3, None, false), false),
        (needs(2, Some("ops"), false), false),
        (needs(2, None, true), false),
    ] {
        assert_eq!(covers(&approval, &needs, &person_of), want, "{needs:?}");
    }
    // Who turns out to be one person is one approver.
    let one = |_: &UserId| PersonId("@one:hs".into());
    approval.requested.own.clear();
    assert!(!covers(&approval, &needs(2, None, false), &one));
}

#[test]
fn people_of_irc_are_named_with_their_network() {
    for (name, account, want) in [
        ("Tom", Some("tom@lab"), "Tom (lab)"),
        ("Tom (lab)", Some("tom@lab"), "Tom (lab)"),
        // A name that they chose to show is not theirs.
        ("admin", Some("tom@lab"), "tom (lab)"),
        ("tom (prod)", Some("tom@lab"), "tom (lab)"),
        ("Tom", Some("U0123"), "irc_tom"),
        ("Tom", Some("a b@lab"), "irc_tom"),
        ("Tom", None, "irc_tom"),
    ] {
        let (id, account) = (user("irc_tom"), account.map(str::to_owned));
        let (network, trust) = ("irc".to_owned(), Trust::Identified);
        let who = Speaker { id, name: name.into(), network, account, trust, claims: vec![] };
        let home = user("ann");
        assert_eq!(words::person(&who, Some(&home)), want, "{name} {:?}", who.account);
        let ballot = Ballot {
            vote: Vote::Against,
            how: How::Typed,
            reason: String::new(),
            post: PostId("$1".into()),
            at: Timestamp(1),
        };
        let voter = Voter { speaker: &who, encrypted: false, roles: vec![], barred: None };
        let (given, now) = (given(&Terms::default(), vec![]), basis("", ""));
        let decided = super::vote(&given, &voter, &ballot, &now, &person_of, &Rules::STRICT);
        let Decided::Voted(vote) = decided else { panic!("it counts: {decided:?}") };
        assert_eq!((&vote.account, words::voter(&vote, Some(&home))), (&who.id, want.to_owned()));
        let denied = result(&Approval { votes: vec![vote], ..given });
        let Some(EffectResult::Err(error)) = denied else { panic!("it is denied: {denied:?}") };
        assert_eq!(error["message"], format!("denied by {want}"));
        assert_eq!(error["by"], "@irc_tom:hs", "scripts get the account");
    }
}
