//! What is switched off, as the log says now, and what people say about it: `!rule off`, `!rule on`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::dispatch::{Origin, Routed};
use super::sheet::queued;
use super::{Error, Kernel, write};
use crate::domain::event::{
    AutomationSwitched, Event, MessageQueued, Meta, NewEvent, Recorded, Verdict,
};
use crate::domain::id::{StreamName, Timestamp, Version};
use crate::domain::message::Doc;
use crate::domain::near::nearest;
use crate::domain::order::NETWORK;
use crate::domain::policy::{Permission, PolicyAction};
use crate::domain::rule::On;
use crate::domain::switch::{Automation, SWITCHED_OFF_MAX, Switches};
use crate::domain::switch_command::SwitchCommand;
use crate::domain::trigger::{Place, Speaker};
use crate::domain::wake::with_plan;
use crate::domain::words::policy as policy_words;
use crate::domain::words::switches as words;
use crate::domain::words::to;
use crate::query::stream_fold::StreamFold;
use crate::store::{Expected, ReadError, Write};

/// What the names of triggers of webhooks begin with.
const HOOKED: &str = "webhook.";

/// The fold, kept: it goes on where the log has moved on.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<StreamFold<Arc<Switches>>>);

/// What came of a wish to switch something: an answer, and what is recorded.
struct Switched {
    answer: String,
    writes: Vec<Write>,
    refused: bool,
}

impl Kernel {
    /// What is switched off, with the version of its stream.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn switches(&self) -> Result<(Arc<Switches>, Option<Version>), ReadError> {
        let mut kept = self.switched.0.lock().expect("nobody panics with it");
        kept.go_on(self.store.as_ref(), &StreamName::switches(), |switches, recorded| {
            Arc::make_mut(switches).apply(recorded);
        })?;
        Ok((kept.folded.clone(), kept.version))
    }

    /// How a rule, schedule, hook or sensor was switched off, if it is off now.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn switched_off(
        &self,
        kind: Automation,
        name: &str,
    ) -> Result<Option<AutomationSwitched>, ReadError> {
        Ok(self.switches()?.0.off(kind, name, self.clock.now()).cloned())
    }

    /// Why something that is switched off does not happen, as it is recorded and told.
    pub fn off_reason(&self, switch: &AutomationSwitched) -> String {
        words::reason(switch, self.clock.now(), &self.settings().zone)
    }

    /// Does what somebody says about what is on and off, if policies let them.
    pub(super) fn switch_command(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        command: &SwitchCommand,
    ) -> Result<Routed, Error> {
        let permission = self.may_switch(command, origin.speaker, origin.place);
        let name = &origin.speaker.name;
        if !permission.allowed() {
            let said = format!("{} {}", command.kind.word(), if command.on { "on" } else { "off" });
            let why = policy_words::own_command(
                &said,
                &permission,
                policy_words::MANAGEMENT,
                words::CONCERNS,
            );
            let (message, writes) = self.answer(recorded, origin, Doc::text(&to(name, &why)));
            let routed = Routed::new(Verdict::Refused(message), why, writes);
            return Ok(Routed { decision: Some(permission), ..routed });
        }
        let meta = origin.meta(recorded);
        let switched = self.switch(command, origin.speaker, origin.place, &meta)?;
        let answer = match switched.refused {
            true => to(name, &switched.answer),
            false => switched.answer.clone(),
        };
        let (message, mut writes) = self.answer(recorded, origin, Doc::text(&answer));
        writes.extend(switched.writes);
        let (verdict, reason) = match switched.refused {
            true => (Verdict::Refused(message), switched.answer),
            false => (Verdict::Said(message), "it is a command of the bot itself".into()),
        };
        Ok(Routed { decision: Some(permission), ..Routed::new(verdict, reason, writes) })
    }

    /// The same from the command line, where who ordered is shown what came of it.
    pub(super) fn switch_ordered(
        &self,
        command: &SwitchCommand,
        (who, place): (&Speaker, &Place),
        meta: &Meta,
    ) -> Result<Routed, Error> {
        if let Some(why) = command.refusal() {
            return Ok(Routed::ignored("", &why));
        }
        let switched = self.switch(command, who, place, meta)?;
        if switched.refused {
            return Ok(Routed::ignored("", &switched.answer));
        }
        let message = self.store.key().message("switched", &switched.answer);
        Ok(Routed::new(Verdict::Said(message), switched.answer, switched.writes))
    }

    /// Whether somebody may switch something.
    pub(super) fn may_switch(
        &self,
        command: &SwitchCommand,
        who: &Speaker,
        place: &Place,
    ) -> Permission {
        let resource = match command.kind {
            Automation::Rule => self.rule_resource(&command.name),
            kind => SwitchCommand::resource(kind, &command.name),
        };
        self.may(PolicyAction::Manage, resource, who, place)
    }

    /// What is recorded and said of a wish to switch something.
    fn switch(
        &self,
        command: &SwitchCommand,
        who: &Speaker,
        place: &Place,
        meta: &Meta,
    ) -> Result<Switched, Error> {
        let (switches, version) = self.switches()?;
        let (now, zone) = (self.clock.now(), self.settings().zone.clone());
        let (kind, name) = (command.kind, command.name.as_str());
        let refused = |answer: String| Ok(Switched { answer, writes: vec![], refused: true });
        let off = switches.off(kind, name, now);
        // What was taken away while it was off can still be switched on.
        if off.is_none()
            && let Some(near) = self.unknown_automation(kind, name)
        {
            return refused(words::unknown(kind, name, near.as_deref()));
        }
        if command.on && off.is_none() {
            return refused(words::is_on(kind, name));
        }
        if !command.on && off.is_none() && switches.all_off(now).count() >= SWITCHED_OFF_MAX {
            return refused(words::too_many(SWITCHED_OFF_MAX));
        }
        let switch = AutomationSwitched {
            kind,
            name: name.to_owned(),
            on: command.on,
            until: command.for_ms.filter(|_| !command.on).map(|ms| now.plus_ms(ms)),
            by: Some(who.id.clone()),
            who: who.name.clone(),
            reason: command.reason.clone(),
            place: place.clone(),
        };
        let answer = match command.on {
            true => words::on(kind, name),
            false => words::off(&switch, now, &zone, &self.before_commands(place)),
        };
        let events = with_plan(&*switches, vec![switch.into()], now);
        let events = events.into_iter().map(|event| NewEvent::with(meta, event)).collect();
        let expected = version.map_or(Expected::NoStream, Expected::Exact);
        let writes = vec![write(StreamName::switches(), expected, events)];
        Ok(Switched { answer, writes, refused: false })
    }

    /// What may have been meant by a name that nothing of this kind has; none: there is such a thing.
    fn unknown_automation(&self, kind: Automation, name: &str) -> Option<Option<String>> {
        let names = self.automations(kind);
        let near = || nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        (!names.contains(name)).then(near)
    }

    /// The names of what can be switched. A poll is a schedule as well as a sensor; a webhook is one that the
    /// configuration has, or that a rule listens to.
    fn automations(&self, kind: Automation) -> BTreeSet<String> {
        let offered = self.scripts.offered();
        let catalog = &offered.catalog;
        match kind {
            Automation::Rule => catalog.rules.iter().map(|rule| rule.name.clone()).collect(),
            Automation::Schedule => catalog.schedules.iter().map(|it| it.name.clone()).collect(),
            Automation::Hook => {
                let heard = catalog.rules.iter().filter_map(|rule| match &rule.on {
                    On::Trigger { name, .. } => name.strip_prefix(HOOKED).map(str::to_owned),
                    On::Talk { .. } => None,
                });
                heard.chain(self.settings().hooks.keys().cloned()).collect()
            }
            Automation::Sensor => {
                let polls = catalog.schedules.iter().filter(|it| it.polls);
                polls.map(|it| it.name.clone()).chain(self.sensors().into_keys()).collect()
            }
        }
    }

    /// What comes back because its time is over, told where it was switched off.
    pub(super) fn switches_due(&self, now: Timestamp) -> Result<Vec<Write>, Error> {
        let (switches, version) = self.switches()?;
        let (mut events, mut others) = (vec![], vec![]);
        for switch in switches.back(now) {
            let text = words::back(&switch);
            let cause = format!("{} {}", StreamName::switches(), version.map_or(0, |it| it.0));
            let place = format!("{} {}", switch.kind.word(), switch.name);
            let message = self.store.key().message(&cause, &place);
            if switch.place.network == NETWORK {
                others.extend(self.notice(message, &Meta::default(), &text)?);
            } else {
                let told = MessageQueued::plain(message, switch.place.clone(), Doc::text(&text));
                others.push(queued(&Meta::default(), told));
            }
            let reason = String::new();
            let on = AutomationSwitched { on: true, until: None, by: None, reason, ..switch };
            events.push(Event::from(on));
        }
        if events.is_empty() {
            return Ok(vec![]);
        }
        let events = with_plan(&*switches, events, now).into_iter().map(NewEvent::bare).collect();
        let expected = version.map_or(Expected::NoStream, Expected::Exact);
        let mut writes = vec![write(StreamName::switches(), expected, events)];
        writes.extend(others);
        Ok(writes)
    }
}
