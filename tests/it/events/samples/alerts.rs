//! Events of automation that is switched off, of alerts and of silences.

use beadle::domain::alert_event::{AlertFacts, Escalation, Shown};
use beadle::domain::event::*;
use beadle::domain::id::{MessageId, StreamName, UserId};
use beadle::domain::message::Doc;
use beadle::domain::order::{Order, OrderKind};
use beadle::domain::silence::{Target, TargetKind};
use beadle::domain::switch::{AUTOMATIONS, Automation};
use beadle::domain::switch_command::SwitchCommand;
use serde_json::json;

use super::{NOW, SECOND, ann, place, user};

/// All of them.
pub fn all() -> Vec<Event> {
    [switches(), alerts(), rooms(), silences()].into_iter().flatten().collect()
}

fn switches() -> Vec<Event> {
    let switched = |kind: Automation, on: bool| AutomationSwitched {
        kind,
        name: "nagios to ops".into(),
        on,
        until: (!on).then(|| NOW.plus_ms(7_200 * SECOND)),
        by: (!on).then(ann),
        who: "ann".into(),
        reason: if on { String::new() } else { "we are moving".into() },
        place: place(),
    };
    let mut all: Vec<Event> =
        AUTOMATIONS.into_iter().map(|kind| switched(kind, false).into()).collect();
    all.push(switched(Automation::Rule, true).into());
    all.push(WakePlanned { due: Some(NOW) }.into());
    all.push(WakePlanned { due: None }.into());
    all.push(RuleFired { rule: "nagios to ops".into() }.into());
    let switch = OrderKind::Switch(SwitchCommand {
        kind: Automation::Rule,
        name: "nagios to ops".into(),
        on: false,
        for_ms: Some(7_200 * SECOND),
        reason: "we are moving".into(),
    });
    let trigger = Order::new(&UserId("cli:ann".into()), switch).trigger(NOW, "5f3a9c0d");
    all.push(TriggerRecorded { trigger }.into());
    all
}

fn alerts() -> Vec<Event> {
    let labels = json!({ "rack": "r7" });
    let raised = |shown: Shown, acknowledged: Option<&str>| AlertRaised {
        key: "nagios/web301".into(),
        place: place(),
        doc: Doc::text("Nagios alert on web301: CRITICAL, high CPU over 95%"),
        facts: AlertFacts {
            severity: "CRITICAL".into(),
            link: "https://nagios.example.org/web301".into(),
            host: "web301".into(),
            source: "nagios".into(),
            labels: labels.as_object().cloned().expect("a map"),
        },
        by: "rule nagios to ops".into(),
        count: 2,
        since: NOW,
        shown,
        acknowledged: acknowledged.map(str::to_owned),
        escalation: acknowledged.is_none().then(|| Escalation {
            after_ms: 600 * SECOND,
            due: NOW.plus_ms(600 * SECOND),
            then: Whom { people: vec![user("lead")], roles: vec!["ops".into()] },
        }),
    };
    let root = MessageId("7Q3M9X2K5V8B1N4C6Z0T".into());
    vec![
        raised(Shown::Alone(root), None).into(),
        raised(Shown::Grouped, None).into(),
        raised(Shown::HeldBack("4F7K2Q9AWXYZ0123".into()), Some("ann")).into(),
        AlertAcknowledged { by: Some(ann()), who: "ann".into() }.into(),
        AlertAcknowledged { by: None, who: "nagios".into() }.into(),
        AlertResolved { doc: Doc::text("load is 0.2") }.into(),
        AlertEscalated { due: NOW }.into(),
    ]
}

fn rooms() -> Vec<Event> {
    let alert = StreamName::parse("alert-5f3a9c0d1e2b4a6f8c7d9e0f1a2b3c4d").expect("a name");
    let placed =
        |digest, quiet| AlertPlaced { alert: alert.clone(), place: place(), digest, quiet };
    let message = MessageId("7Q3M9X2K5V8B1N4C6Z0T".into());
    vec![
        placed(None, false).into(),
        placed(Some(NOW), true).into(),
        DigestTold { message: message.clone(), next: Some(NOW) }.into(),
        DigestTold { message, next: None }.into(),
    ]
}

fn silences() -> Vec<Event> {
    let kinds = [
        TargetKind::Rule,
        TargetKind::Alert,
        TargetKind::Host,
        TargetKind::Source,
        TargetKind::Any,
    ];
    let silence = "4F7K2Q9AWXYZ0123".to_owned();
    let started = kinds.into_iter().map(|kind| SilenceStarted {
        silence: silence.clone(),
        target: Target { kind, name: "web301".into() },
        until: NOW.plus_ms(900 * SECOND),
        by: Some(ann()),
        who: "ann".into(),
        why: "a drill".into(),
        place: place(),
    });
    let mut all: Vec<Event> = started.map(Event::from).collect();
    let until = NOW.plus_ms(1_800 * SECOND);
    let (who, by) = ("ann".to_owned(), Some(ann()));
    all.push(SilenceExtended { silence: silence.clone(), until, by, who: who.clone() }.into());
    all.push(SilenceNoticed { silence: silence.clone() }.into());
    all.push(SilenceEnded { silence: silence.clone(), by: Some(ann()), who }.into());
    all.push(SilenceEnded { silence, by: None, who: String::new() }.into());
    all.push(SilenceHeld { what: "nagios/web301".into() }.into());
    all
}
