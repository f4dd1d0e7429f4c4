//! Who may do what where, asked of the policies that are in force.

use std::sync::{Arc, RwLock};

use super::Kernel;
use crate::domain::event::{ExecutionStarted, GrantMade};
use crate::domain::id::{PersonId, UserId};
use crate::domain::policy::{
    Inputs, Permission, PolicyAction, PolicySet, Resource, ResourceKind, RoleHeld,
};
use crate::domain::trigger::{Place, Speaker, Trust};
use crate::script::context::May;
use crate::store::ReadError;

/// The policies that are in force.
#[derive(Default)]
pub struct Policies {
    current: RwLock<Arc<PolicySet>>,
}

impl Policies {
    /// Those that decide now.
    pub fn in_force(&self) -> Arc<PolicySet> {
        self.current.read().expect("nobody panics with them").clone()
    }
}

impl Kernel {
    /// Whether somebody may do something with something in a place.
    pub fn may(
        &self,
        action: PolicyAction,
        resource: Resource,
        who: &Speaker,
        place: &Place,
    ) -> Permission {
        let inputs = self.inputs(action, resource, who, place);
        self.policies.in_force().decide(&inputs)
    }

    /// The roles that somebody holds in a place, and what gives them.
    pub fn roles(&self, _who: &Speaker, _place: &Place) -> Vec<RoleHeld> {
        vec![]
    }

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
            _ => account(who),
        };
        if let Some(alias) = offered.catalog.aliases.iter().find(|alias| alias.name == what) {
            return self.may(PolicyAction::Run, Resource::alias(alias), &who, place).allowed();
        }
        offered.set.actions.contains_key(what) && self.exec_refusal(&place.room).is_none()
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

    /// The grant that covers what somebody wants to run; it is asked about nothing but running.
    fn grant_for(
        &self,
        action: PolicyAction,
        resource: &Resource,
        who: &Speaker,
    ) -> Option<String> {
        if action != PolicyAction::Run || resource.kind != ResourceKind::Alias {
            return None;
        }
        let covering = || -> Result<Option<String>, ReadError> {
            let (grants, people) = (self.grants()?.0, self.people()?);
            let accounts = people.accounts_of(&people.person_of(&who.id));
            let grant = grants.covering(&accounts, &resource.name, self.clock.now());
            Ok(grant.map(GrantMade::fact))
        };
        covering().unwrap_or_else(|error| {
            tracing::error!(%error, "the grants cannot be read: none holds");
            None
        })
    }

    fn inputs(
        &self,
        action: PolicyAction,
        resource: Resource,
        who: &Speaker,
        place: &Place,
    ) -> Inputs {
        let settings = self.settings();
        let now = jiff::Timestamp::from_millisecond(self.clock.now().0).unwrap_or_default();
        let now = now.to_zoned(settings.zone.clone());
        let management = self.management_room().ok().flatten();
        let here = resource.rooms.is_empty() || self.listed(&resource.rooms, &place.room);
        let granted = self.grant_for(action, &resource, who);
        Inputs {
            person: self.person(&who.id),
            account: who.id.clone(),
            roles: self.roles(who, place),
            trust: who.trust,
            network: who.network.clone(),
            room: place.room.clone(),
            rooms: vec![],
            here,
            encrypted: place.encrypted,
            direct: place.direct,
            management: management.as_ref() == Some(&place.room),
            hour: u8::try_from(now.hour()).unwrap_or_default(),
            weekday: now.strftime("%A").to_string().to_lowercase(),
            action,
            resource,
            granted,
            set: String::new(),
        }
    }
}

/// Somebody of whom nothing is known but their account.
fn account(id: &str) -> Speaker {
    let name = id.trim_start_matches('@').split(':').next().unwrap_or(id).to_owned();
    let (id, network) = (UserId(id.to_owned()), "matrix".to_owned());
    Speaker { id, name, network, account: None, trust: Trust::Account }
}
