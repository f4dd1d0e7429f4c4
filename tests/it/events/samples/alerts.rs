//! Events of automation that is switched off, of alerts and of silences.

use beadle::domain::event::*;
use beadle::domain::id::UserId;
use beadle::domain::order::{Order, OrderKind};
use beadle::domain::switch::{AUTOMATIONS, Automation};
use beadle::domain::switch_command::SwitchCommand;

use super::{NOW, SECOND, ann, place};

/// All of them.
pub fn all() -> Vec<Event> {
    [switches()].into_iter().flatten().collect()
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
