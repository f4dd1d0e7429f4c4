//! `beadle bridge add`, `remove` and `status` at the desk: wishes are recorded, and followed until they have come true.

use std::time::Duration;

use serde_json::{Value, json};

use super::desk::Desk;
use super::orders::Hands;
use crate::domain::bridge::setup::Setup;
use crate::domain::bridge::setup::out::Lost;
use crate::domain::event::{BridgeStands, BridgeWanted, Event};
use crate::domain::id::{StreamName, UserId, Version};
use crate::domain::words::setups as words;
use crate::processor::setups::{Now, Wished};
use crate::query::bridge_setups::{bridge_setups, was_wanted};
use crate::query::command::{Refusal, Sink};
use crate::store::{Direction, EventStore, READ_EVENTS_MAX};

/// How often it is looked whether somebody still waits.
const LOOKED_AFTER_EVERY: Duration = Duration::from_secs(2);

impl Desk {
    /// Has a channel set up or taken down, and tells the steps as they are made.
    pub(super) fn set_up(
        &self,
        by: &UserId,
        wanted: &BridgeWanted,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let Hands::Bot(kernel) = &self.hands else {
            return Err(Refusal::Invalid(words::NO_BOT.into()));
        };
        let secret = wanted.want.as_ref().and_then(|want| want.sasl_env.as_ref());
        if let Some(name) = secret.filter(|name| std::env::var(name).is_err()) {
            return Err(Refusal::Invalid(words::no_variable(name)));
        }
        let wished = self.runtime.block_on(kernel.wish(by, wanted));
        match wished.map_err(|error| Refusal::Unreadable(error.to_string()))? {
            Wished::Refused(why) => Err(Refusal::Invalid(why)),
            Wished::There => Ok(sink.row(self.as_it_is(wanted)?)?),
            Wished::Recorded(from) | Wished::UnderWay(from) => self.watch(wanted, from, sink),
        }
    }

    /// What there is to say where nothing had to be done.
    fn as_it_is(&self, wanted: &BridgeWanted) -> Result<Value, Refusal> {
        let BridgeWanted { network, channel, .. } = wanted;
        let setups = bridge_setups(self.store.as_ref())?;
        let stands = setups.of(network, channel).and_then(|it| it.stands.as_ref());
        Ok(match stands {
            Some(stands) => stood(wanted, stands, false),
            None if !was_wanted(self.store.as_ref(), network, channel)? => {
                let (why, hint) = words::never_wanted(network, channel, &setups);
                json!({ "state": "failed", "why": why, "hint": hint, "line": why })
            }
            None => {
                let line = words::removed(network, channel);
                json!({ "state": "removed", "changed": false, "line": line })
            }
        })
    }

    /// Tells the steps of a wish until it has come true or failed.
    fn watch(
        &self,
        wanted: &BridgeWanted,
        from: Version,
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let (stream, mut next) = (StreamName::setups(), from);
        let mut head = self.store.watch();
        loop {
            head.borrow_and_update();
            let page = self.store.read(&stream, next, Direction::Forward, READ_EVENTS_MAX)?;
            for recorded in &page {
                next = recorded.id.version.next();
                let Some(event) = recorded.event() else { continue };
                let Some((row, over)) = row(event, wanted) else { continue };
                sink.row(row)?;
                if over {
                    return Ok(());
                }
            }
            if page.is_empty() {
                let waiting =
                    async { tokio::time::timeout(LOOKED_AFTER_EVERY, head.changed()).await };
                match self.runtime.block_on(waiting) {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(Refusal::Unreadable("the log was closed".into())),
                    Err(_) => sink.progress("waiting for the bridge", 0, 0)?,
                }
            }
        }
    }

    /// Which bridges are silent, how each channel stands, and what the bridge says of it now, if a bot runs that can ask it.
    pub(super) fn bridge_status(&self, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let setups = bridge_setups(self.store.as_ref())?;
        for (bridge, silence) in setups.silent() {
            sink.row(json!({
                "bridge": bridge, "state": "silent", "since_ms": silence.since.0, "why": silence.why,
            }))?;
        }
        for setup in setups.all() {
            let now = match (&self.hands, &setup.stands) {
                (Hands::Bot(kernel), Some(stands)) => {
                    Some(self.runtime.block_on(kernel.look_at_setup(stands)))
                }
                _ => None,
            };
            let stands = setup.stands.as_ref();
            let lost = stands.and_then(|it| setups.lost_channel(it, self.clock.now()));
            sink.row(status(setup, lost, now))?;
        }
        Ok(())
    }
}

/// A channel that stands as a row, with the nick that it was to have and has not.
fn stood(wanted: &BridgeWanted, stands: &BridgeStands, changed: bool) -> Value {
    let asked = wanted.want.as_ref().and_then(|want| want.nick.as_deref());
    let instead = asked.and_then(|asked| words::called_instead(asked, stands));
    let line = words::stands(stands);
    let line = instead.map_or(line.clone(), |instead| format!("{line}. {instead}"));
    json!({ "state": "stands", "changed": changed, "stands": stands, "line": line })
}

/// An event of a setup as a row, and whether it is the last one; none: it is of another channel.
fn row(event: &Event, wanted: &BridgeWanted) -> Option<(Value, bool)> {
    let same = |network: &str, channel: &str| {
        network.eq_ignore_ascii_case(&wanted.network)
            && channel.eq_ignore_ascii_case(&wanted.channel)
    };
    match event {
        Event::BridgeStep(e) if same(&e.network, &e.channel) => {
            let row = json!({
                "step": e.step, "told": e.told, "answer": e.answer, "outcome": e.outcome,
                "line": words::line(e),
            });
            Some((row, false))
        }
        Event::BridgeStands(e) if same(&e.network, &e.channel) => {
            Some((stood(wanted, e, true), true))
        }
        Event::BridgeFailed(e) if same(&e.network, &e.channel) => {
            let line = words::failed(e);
            let row = json!({
                "state": "failed", "step": e.step, "why": e.why, "hint": e.hint, "line": line,
            });
            Some((row, true))
        }
        Event::BridgeRemoved(e) if same(&e.network, &e.channel) => {
            let line = words::removed(&e.network, &e.channel);
            Some((json!({ "state": "removed", "changed": true, "line": line }), true))
        }
        _ => None,
    }
}

/// A setup as a row; `lost` is how the channel is lost, `now` is what the bridge says, if it was asked.
fn status(setup: &Setup, lost: Option<&Lost>, now: Option<Option<Now>>) -> Value {
    let state = match (&setup.failed, &setup.stands) {
        (Some(_), _) => "failed",
        (None, Some(_)) if setup.want.is_some() => "stands",
        (None, _) if setup.want.is_some() => "under way",
        (None, _) => "going",
    };
    let now = now.map(|now| match now {
        None => json!({ "answers": false }),
        Some(now) => json!({
            "answers": true, "connected": now.nick.is_some(), "nick": now.nick, "there": now.there,
        }),
    });
    json!({
        "bridge": setup.bridge, "network": setup.network, "channel": setup.channel, "state": state,
        "since_ms": setup.since.0, "stands": setup.stands,
        "failed": setup.failed.as_ref().map(|it| json!({ "step": it.step, "why": it.why, "hint": it.hint })),
        "lost": lost.map(|it| json!({ "since_ms": it.since.0, "loss": it.loss, "why": it.why })),
        "now": now,
    })
}
