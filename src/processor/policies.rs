//! Who may do what where, asked of the policies that are in force: what is asked is gathered here, with its sources.

use std::sync::{Arc, Mutex};

use super::rooms::UPGRADES_MAX;
use super::{Error, Kernel};
use crate::adapter::{RoomAct, RoomAnswer};
use crate::domain::approval::{self, Approval};
use crate::domain::conversation::OpenQuestion;
use crate::domain::event::{EffectResult, Event, ExecutionStarted, GrantMade, Recorded};
use crate::domain::execution::Execution;
use crate::domain::id::{PersonId, RoomId, UserId};
use crate::domain::order::NETWORK;
use crate::domain::path::GATE;
use crate::domain::policy::{
    Inputs, LOCAL, Needs, OWNER, Permission, PolicyAction, PolicySet, Resource, ResourceKind,
    RoleHeld,
};
use crate::domain::role::{Held, Standing};
use crate::domain::trigger::{Place, Speaker};
use crate::domain::words::policy as words;
use crate::script::context::{May, Permit};
use crate::script::journal::Entry;
use crate::script::source::ActionDef;
use crate::store::ReadError;

mod force;

pub use force::{Policies, PolicyFolder, read_folder};

impl Kernel {
    /// Whether somebody may do something with something in a place.
    ///
    /// What they are in rooms is what was last learnt of it.
    pub fn may(
        &self,
        action: PolicyAction,
        resource: Resource,
        who: &Speaker,
        place: &Place,
    ) -> Permission {
        self.judge().may(action, resource, who, place)
    }

    /// The policies as they are now, for several questions of one moment.
    pub(super) fn judge(&self) -> Judge<'_> {
        Judge { kernel: self, set: self.policies.in_force(), asked: Mutex::default() }
    }

    /// The roles that somebody holds in a place, and what gives them.
    pub fn roles(&self, who: &Speaker, place: &Place) -> Vec<RoleHeld> {
        self.held(who, place).roles
    }

    /// The roles that somebody holds or may hold in a place: before anybody has looked, they may hold all that are asked for.
    /// What is recorded for that is decided on when it was looked.
    pub(super) fn roles_perhaps(
        &self,
        who: &Speaker,
        place: &Place,
        questions: &[OpenQuestion],
    ) -> Vec<String> {
        let asked = || questions.iter().flat_map(|question| &question.roles);
        let who = &self.at_best(who);
        if asked().next().is_none() || !who.trust.proves_account() {
            return vec![];
        }
        let Held { roles, unseen } = self.held(who, place);
        let management = self.management_room().ok().flatten();
        let standing = |room: &RoomId| self.policies.standing(&who.id, room);
        let not_seen = |room: &RoomId| matches!(standing(room), Standing::Unseen(_));
        let open = !unseen.is_empty() || management.as_ref().is_some_and(not_seen);
        let perhaps = asked().filter(|_| open).cloned();
        roles.into_iter().map(|held| held.role).chain(perhaps).collect()
    }

    /// Looks what somebody is in the rooms that roles ask about, before it is decided on what they say.
    pub(super) async fn learn(&self, who: &Speaker, place: &Place) -> Result<(), Error> {
        if !who.trust.proves_account() || !who.id.as_str().starts_with('@') {
            return Ok(());
        }
        let settings = self.settings();
        let mut rooms: Vec<RoomId> = vec![];
        for name in settings.roles.rooms(place.room.as_str()) {
            rooms.push(self.room_named(name)?);
        }
        // Whoever speaks in the management room is in it.
        rooms.extend(self.management_room()?.filter(|room| *room != place.room));
        rooms.sort();
        rooms.dedup();
        for room in rooms {
            let act = RoomAct::Standing { user: who.id.clone(), room: room.clone() };
            let standing = match self.chat.rooms(&act).await {
                Ok(RoomAnswer::Standing(standing)) => standing,
                Ok(_) => Standing::Unseen("nobody can say".into()),
                Err(error) => Standing::Unseen(error.reason().to_owned()),
            };
            self.policies.learnt(&who.id, &room, standing);
        }
        Ok(())
    }

    /// The room that a name of the configuration or of a policy stands for today.
    fn room_named(&self, name: &str) -> Result<RoomId, Error> {
        let known = self.rooms.read().expect("nobody panics with them").get(name).cloned();
        Ok(self.current_room(&known.unwrap_or_else(|| RoomId(name.to_owned())))?)
    }

    /// What somebody is in a room, as far as that was learnt.
    fn seen_in(&self, who: &UserId, name: &str) -> Standing {
        match self.room_named(name) {
            Ok(room) => self.policies.standing(who, &room),
            Err(error) => Standing::Unseen(error.to_string()),
        }
    }

    /// The roles that somebody holds in a place, and those of which it cannot be said.
    fn held(&self, who: &Speaker, place: &Place) -> Held {
        // What anybody could have said is said by nobody in particular.
        if !who.trust.proves_account() {
            return Held::default();
        }
        let settings = self.settings();
        let standing = |name: &str| self.seen_in(&who.id, name);
        let known = self.is_known(place);
        let mut held = settings.roles.held(&who.id, &place.room, known, &standing);
        let role = |role: &str, source: &str| RoleHeld { role: role.into(), source: source.into() };
        if let Some(source) = self.owns(who, place) {
            held.roles.push(role(OWNER, source));
        }
        if place.network == NETWORK && who.id.as_str().starts_with("cli:") {
            held.roles.push(role(LOCAL, "the owner of the data directory"));
        }
        held
    }

    /// Whether power in a place means anything: somebody who looks after the bot named that room, or had the bot come there.
    ///
    /// Whoever opens a chat with the bot, or a room of their own, has all the power there.
    fn is_known(&self, place: &Place) -> bool {
        let settings = self.settings();
        if place.direct || settings.roles.by_power_anywhere().next().is_none() {
            return false;
        }
        let given = settings.roles.rooms("").into_iter().filter(|name| !name.is_empty());
        let mut named: Vec<String> = given.map(str::to_owned).collect();
        named.extend(settings.context.rooms.keys().cloned());
        let own = [&settings.management_room, &settings.audit_room, &settings.asking_room];
        named.extend(own.into_iter().flatten().map(|room| room.0.clone()));
        self.listed(&named, &place.room) || self.was_fetched(&place.room)
    }

    /// Whether the bot is in a room because it was told in the management room to come, or in one that replaces such a room.
    fn was_fetched(&self, room: &RoomId) -> bool {
        let mut room = room.clone();
        for _ in 0..UPGRADES_MAX {
            let last = self.standing(&room).unwrap_or_else(|error| {
                tracing::error!(%error, "the stays in rooms cannot be read");
                None
            });
            match last.as_ref().and_then(Recorded::event) {
                Some(Event::RoomJoined(_)) => return true,
                Some(Event::RoomFollowed(followed)) => room = followed.from.clone(),
                _ => return false,
            }
        }
        false
    }

    /// What makes somebody one of those who look after the bot, if anything does.
    fn owns(&self, who: &Speaker, place: &Place) -> Option<&'static str> {
        if self.settings().asking_room.as_ref() == Some(&place.room) {
            return Some("it is said in the terminal room");
        }
        let management = self.management_room().ok().flatten()?;
        if management == place.room {
            return Some("it is said in the management room");
        }
        let there = matches!(self.policies.standing(&who.id, &management), Standing::Member(_));
        there.then_some("a member of the management room")
    }

    /// The person that an account belongs to; where the log cannot be read, it stands alone.
    fn person(&self, account: &UserId) -> PersonId {
        match self.people() {
            Ok(people) => people.person_of(account),
            Err(error) => {
                tracing::error!(%error, "the accounts of persons cannot be read");
                PersonId(account.0.clone())
            }
        }
    }

    /// The other accounts of whoever has this one, with the roles that their ids give them.
    fn others(&self, who: &Speaker) -> Vec<(UserId, Vec<RoleHeld>)> {
        let roles = self.settings().roles.clone();
        let accounts = self.accounts_of(&who.id).unwrap_or_else(|error| {
            tracing::error!(%error, "the accounts of persons cannot be read");
            vec![]
        });
        let others = accounts.into_iter().filter(|other| *other != who.id);
        let held = |other: &UserId| -> Vec<RoleHeld> {
            let source = words::ANOTHER_ACCOUNT.to_owned();
            let held = roles.of_account(other).into_iter();
            // Which account that is, is no matter of who asks why.
            held.map(|held| RoleHeld { source: source.clone(), ..held }).collect()
        };
        others.map(|other| (other.clone(), held(&other))).collect()
    }

    /// Everything that a decision on somebody in a place is made from, but what they want.
    fn inputs(&self, names: &[String], who: &Speaker, place: &Place) -> Inputs {
        let settings = self.settings();
        let now = jiff::Timestamp::from_millisecond(self.clock.now().0).unwrap_or_default();
        let now = now.to_zoned(settings.zone.clone());
        let Held { roles, unseen } = self.held(who, place);
        let of_room = |name: &&String| {
            name.as_str() != place.room.as_str() && self.listed(&[(*name).clone()], &place.room)
        };
        let management = self.management_room().ok().flatten();
        let asking = settings.asking_room.as_ref() == Some(&place.room);
        Inputs {
            person: self.person(&who.id),
            account: who.id.clone(),
            roles,
            unseen,
            trust: who.trust,
            network: who.network.clone(),
            room: place.room.clone(),
            rooms: names.iter().filter(of_room).cloned().collect(),
            here: true,
            encrypted: place.encrypted,
            direct: place.direct,
            management: asking || management.as_ref() == Some(&place.room),
            hour: u8::try_from(now.hour()).unwrap_or_default(),
            weekday: now.strftime("%A").to_string().to_lowercase(),
            action: PolicyAction::Run,
            resource: Resource::bot(),
            granted: None,
            set: String::new(),
        }
    }
}

/// The policies at one moment: who asks and where is looked at once, however much they ask.
pub(super) struct Judge<'a> {
    kernel: &'a Kernel,
    set: Arc<PolicySet>,
    asked: Mutex<Option<Asked>>,
}

/// Who asked last and where, with what is decided from.
#[derive(Clone)]
struct Asked {
    who: Speaker,
    place: Place,
    inputs: Inputs,
    others: Vec<(UserId, Vec<RoleHeld>)>,
}

impl Judge<'_> {
    /// Why no policies can be used, if so.
    pub(super) fn unusable(&self) -> Option<&str> {
        self.set.unusable()
    }

    /// Whether somebody may do something with something in a place.
    pub(super) fn may(
        &self,
        action: PolicyAction,
        resource: Resource,
        who: &Speaker,
        place: &Place,
    ) -> Permission {
        let here = resource.rooms.is_empty() || self.kernel.listed(&resource.rooms, &place.room);
        let granted = self.kernel.grant_for(action, &resource, who);
        let asked = self.asked(who, place);
        let inputs = Inputs { action, resource, here, granted, ..asked.inputs };
        self.set.decide_for(&inputs, &asked.others)
    }

    fn asked(&self, who: &Speaker, place: &Place) -> Asked {
        let mut asked = self.asked.lock().expect("nobody panics with it");
        match asked.as_ref() {
            Some(known) if known.who == *who && known.place == *place => known.clone(),
            _ => {
                let inputs = self.kernel.inputs(self.set.rooms(), who, place);
                let others = self.kernel.others(who);
                let (who, place) = (who.clone(), place.clone());
                asked.insert(Asked { who, place, inputs, others }).clone()
            }
        }
    }
}

impl Kernel {
    /// Answers a script that asks who may run what here.
    pub(super) fn answers(&self, started: &ExecutionStarted) -> May {
        let (kernel, started) = (self.me.clone(), started.clone());
        Arc::new(move |who, what| {
            kernel.upgrade().is_some_and(|kernel| kernel.permits(who, what, &started))
        })
    }

    /// Whether a person may run an alias or an action where an execution runs.
    fn permits(&self, who: &str, what: &str, started: &ExecutionStarted) -> bool {
        let offered = self.scripts.offered();
        let place = &started.place;
        let who = match &started.requester {
            asks if asks.id.as_str() == who => asks.clone(),
            _ => self.stranger(UserId(who.to_owned()), "matrix"),
        };
        if let Some(alias) = offered.catalog.aliases.iter().find(|alias| alias.name == what) {
            return self.may(PolicyAction::Run, Resource::alias(alias), &who, place).allowed();
        }
        let def = offered.set.actions.get(what);
        def.is_some_and(|def| self.may_operate(def, &who, place).allowed())
    }

    /// Says why an action may not run for an execution, if so: it goes by who asked for that, and where.
    ///
    /// What an action needs is met when the execution was approved for as much before it began, by enough persons: by the
    /// terms of that approval, whatever policies ask for now.
    pub(super) fn permit(&self, execution: &Execution) -> Permit {
        let (kernel, started) = (self.me.clone(), execution.started.clone());
        let gate = execution.steps.get(GATE);
        let granted = gate.filter(|gate| matches!(gate.result, Some(EffectResult::Ok(_))));
        let approval = granted.and_then(|gate| gate.approval.clone());
        Arc::new(move |def| {
            let Some(kernel) = kernel.upgrade() else { return Some(words::stopping()) };
            let permission = kernel.may_operate(def, &started.requester, &started.place);
            if let Some(why) = permission.refusal() {
                return Some(why.to_owned());
            }
            let needs = permission.needs?;
            let met = approval.as_ref().is_some_and(|approval| kernel.met(approval, &needs));
            (!met).then(|| words::operation_needs(&def.name, &needs))
        })
    }

    /// What lets an action run that an execution asks for now.
    pub(super) fn decided_on(
        &self,
        execution: &Execution,
        entry: &Entry,
    ) -> Result<Option<Permission>, ReadError> {
        if !["exec", "action"].contains(&entry.op.as_str()) {
            return Ok(None);
        }
        let (started, def) = (&execution.started, self.declared(execution, &entry.args)?);
        Ok(def.map(|def| self.may_operate(&def, &started.requester, &started.place)))
    }

    /// Whether an approval that was given is enough for what is needed now.
    pub(super) fn met(&self, approval: &Approval, needs: &Needs) -> bool {
        let people = self.people().unwrap_or_else(|error| {
            tracing::error!(%error, "the accounts of persons cannot be read");
            Arc::default()
        });
        approval::covers(approval, needs, &|account| people.voter_of(account))
    }

    /// The grant that covers what somebody wants to run; it is asked about nothing but running.
    fn grant_for(
        &self,
        action: PolicyAction,
        resource: &Resource,
        who: &Speaker,
    ) -> Option<String> {
        let proven = who.trust.proves_account();
        if !proven || action != PolicyAction::Run || resource.kind != ResourceKind::Alias {
            return None;
        }
        let covering = || -> Result<Option<String>, ReadError> {
            let (grants, _) = self.grants()?;
            let offered = self.scripts.offered();
            let alias = offered.catalog.aliases.iter().find(|alias| alias.name == resource.name);
            let file = alias.map_or("", |alias| alias.file.as_str());
            let grant = grants.covering(&who.id, (&resource.name, file), self.clock.now());
            Ok(grant.map(GrantMade::fact))
        };
        covering().unwrap_or_else(|error| {
            tracing::error!(%error, "the grants cannot be read: none holds");
            None
        })
    }

    /// Whether somebody may have an action run in a place.
    pub(super) fn may_operate(&self, def: &ActionDef, who: &Speaker, place: &Place) -> Permission {
        let resource = Resource::operation(&def.name, &def.tags, def.role.as_deref());
        self.may(PolicyAction::Run, resource, who, place)
    }
}
