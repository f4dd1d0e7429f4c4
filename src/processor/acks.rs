//! `!ack`: somebody says that they look after an alert, in its thread or by its key.

use serde_json::{Value, json};

use super::alerts::Alerting;
use super::dispatch::{self, Origin, Routed};
use super::{Error, Kernel};
use crate::domain::alert::{Alert, State};
use crate::domain::event::Recorded;
use crate::domain::id::StreamName;
use crate::domain::near::nearest;
use crate::domain::words::alerts as words;
use crate::store::ReadError;

impl Kernel {
    /// Records that somebody looks after an alert, and answers.
    pub(super) fn ack(
        &self,
        recorded: &Recorded,
        origin: &Origin,
        key: Option<&str>,
    ) -> Result<Routed, Error> {
        let at = self.before_commands(origin.place);
        let found = match key {
            Some(key) => self.alert_named(key, &at)?,
            None => self.alert_here(origin)?.ok_or_else(|| words::which(&at)),
        };
        let (stream, alert) = match found {
            Ok(found) => found,
            Err(why) => return Ok(self.not_silenced(recorded, origin, &why)),
        };
        if alert.state != State::Firing {
            let why = words::not_firing(&alert);
            return Ok(self.not_silenced(recorded, origin, &why));
        }
        let who = origin.speaker;
        let in_thread = origin.place.thread.is_some()
            && self.alert_here(origin)?.is_some_and(|(it, _)| it == stream);
        let place = &alert.raised.place;
        let beside = origin.place.room == place.room && !self.caps(place).edits;
        let alerting = Alerting::new(self, origin.meta(recorded));
        let mut alerting = alerting.answered(in_thread || beside);
        alerting.acknowledge(&stream, Some(&who.id), &who.name)?;
        let text = words::acknowledged_by(&alert.raised.key, &who.name);
        Ok(self.done(recorded, origin, &text, alerting.finish()))
    }

    /// The handler's `msg`, with the alert in whose thread it was said.
    pub(super) fn msg_with_alert(
        &self,
        recorded: &Recorded,
        origin: &Origin,
    ) -> Result<Value, ReadError> {
        let mut msg = dispatch::msg(recorded, origin, &*self.people()?);
        msg["alert"] = match self.alert_here(origin)? {
            None => Value::Null,
            Some((_, alert)) => json!({
                "key": alert.raised.key,
                "state": alert.state.word(),
                "severity": alert.raised.facts.severity,
                "host": alert.raised.facts.host,
                "source": alert.raised.facts.source,
                "link": alert.raised.facts.link,
                "labels": alert.raised.facts.labels,
            }),
        };
        Ok(msg)
    }

    /// The alert in whose thread, or in answer to which, something is said.
    pub(super) fn alert_here(
        &self,
        origin: &Origin,
    ) -> Result<Option<(StreamName, Alert)>, ReadError> {
        for post in origin.place.thread.iter().chain(origin.target) {
            if let Some(found) = self.alert_of_post(&origin.place.room, post)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The open alert with a key, or about a host if that has one alone.
    fn alert_named(
        &self,
        name: &str,
        at: &str,
    ) -> Result<Result<(StreamName, Alert), String>, Error> {
        let open = self.open_alerts()?;
        let is = |it: &str| it.eq_ignore_ascii_case(name);
        let keyed = open.iter().find(|(_, alert)| is(&alert.raised.key));
        let hosted: Vec<&(StreamName, Alert)> =
            open.iter().filter(|(_, it)| is(&it.raised.facts.host)).collect();
        let found = match (keyed, hosted.as_slice()) {
            (Some(found), _) => Some(found.clone()),
            (None, [found]) => Some((*found).clone()),
            _ => None,
        };
        Ok(found.ok_or_else(|| {
            let keys = open.iter().map(|(_, alert)| alert.raised.key.as_str());
            words::unknown(name, nearest(name, keys), at)
        }))
    }
}
