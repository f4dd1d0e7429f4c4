//! What is told at once of scripts and policies: read, and answered with the trigger's decision.

use std::collections::BTreeSet;

use super::can::Asker;
use super::dispatch::{Origin, Routed};
use super::scene::Scene;
use super::{Error, Kernel};
use crate::domain::event::Recorded;
use crate::domain::id::RoomId;
use crate::domain::listing::{self, Kind, Listed};
use crate::domain::message::{Doc, Span};
use crate::domain::policy::{PolicyAction, Resource};
use crate::domain::rule::Rule;
use crate::domain::tell_command::TellCommand;
use crate::domain::words::{can, grants, listing as say, rules};
use crate::store::ReadError;

impl Kernel {
    /// Answers one of these commands.
    pub(super) async fn tell_command(
        &self,
        recorded: &Recorded,
        origin: &Origin<'_>,
        scene: &Scene,
        command: &TellCommand,
    ) -> Result<Routed, Error> {
        let doc = match command {
            TellCommand::Catalog => self.offered_here(origin, scene).await?,
            TellCommand::Can { who, text } => {
                self.told_can(origin, scene, who.as_deref(), text).await?
            }
            TellCommand::WhoCan { text } => self.told_who_can(origin, scene, text).await?,
            TellCommand::Rules { about } => self.rules_told(origin, scene, Some(about)).await?,
            TellCommand::PostsHere => self.rules_told(origin, scene, None).await?,
            TellCommand::Automation => self.automation_told().await?,
            TellCommand::Grants => match self.grants_told()?.as_slice() {
                [] => Doc::text(grants::NONE),
                lines => Doc::text(&lines.join("\n")),
            },
        };
        Ok(self.told(recorded, origin, doc, "it is a command of the bot itself"))
    }

    /// Whether somebody may do something here.
    async fn told_can(
        &self,
        origin: &Origin<'_>,
        scene: &Scene,
        who: Option<&str>,
        text: &str,
    ) -> Result<Doc, Error> {
        let speaker = match who.map(str::to_owned) {
            None => Some(origin.speaker.clone()),
            Some(who) => {
                let asker = origin.speaker.clone();
                self.beside(move |me| me.speaker_called(&who, &asker)).await?
            }
        };
        let Some(speaker) = speaker else {
            return Ok(Doc::text(&can::nobody(who.unwrap_or_default())));
        };
        self.learn(&speaker, origin.place).await?;
        self.can(&asker(origin, scene), &speaker, text)
    }

    /// Who may do something here.
    async fn told_who_can(
        &self,
        origin: &Origin<'_>,
        scene: &Scene,
        text: &str,
    ) -> Result<Doc, Error> {
        let speaker = origin.speaker.clone();
        let (people, bounded) = self.beside(move |me| me.known_people(&speaker)).await?;
        self.who_can(&asker(origin, scene), (&people, bounded), text).await
    }

    /// Looks something up beside the other work: a long log takes a while.
    async fn beside<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let me = self.itself();
        let looked = tokio::task::spawn_blocking(move || look(&me)).await;
        looked.map_err(|why| ReadError::Store(why.to_string()))?
    }

    /// What somebody may use where they are.
    async fn offered_here(&self, origin: &Origin<'_>, scene: &Scene) -> Result<Doc, Error> {
        let listing = self.beside(|me| Ok(me.listing()?)).await?;
        let mut listing: Vec<Listed> =
            listing.into_iter().filter_map(|it| self.usable(it, origin, scene)).collect();
        let of_people = |kind| matches!(kind, Kind::Alias | Kind::Action | Kind::Rule);
        listing.retain(|it| of_people(it.kind));
        Ok(listing::doc(&listing, &self.settings().prefix, self.clock.now()))
    }

    /// The rules that words are about; none: those that speak here.
    async fn rules_told(
        &self,
        origin: &Origin<'_>,
        scene: &Scene,
        about: Option<&str>,
    ) -> Result<Doc, Error> {
        let (room, name) = (&origin.place.room, &origin.place.name);
        let here = |rule: &Rule| {
            let says = rule.speaks_in();
            says.contains(name)
                || self.listed(&says, room)
                || says.is_empty() && self.is_management(room)
        };
        let wanted = |rule: &Rule| match about {
            None => here(rule),
            Some(about) => rule.is_about(about),
        };
        let rules = scene.offered.catalog.rules.iter().filter(|rule| wanted(rule));
        let names: BTreeSet<String> = rules.map(|rule| rule.name.clone()).collect();
        let mut listing = self.beside(|me| Ok(me.listing()?)).await?;
        listing.retain(|it| it.kind == Kind::Rule && names.contains(&it.name));
        Ok(match (listing.is_empty(), about) {
            (false, _) => listing::doc(&listing, &self.settings().prefix, self.clock.now()),
            (true, None) => Doc::text(rules::NONE_HERE),
            (true, Some("")) => Doc::text(rules::NONE),
            (true, Some(about)) => Doc::text(&rules::none_about(about)),
        })
    }

    /// All that happens by itself, and how it is switched off.
    async fn automation_told(&self) -> Result<Doc, Error> {
        let mut listing = self.beside(|me| Ok(me.listing()?)).await?;
        let by_itself =
            |kind| matches!(kind, Kind::Rule | Kind::Schedule | Kind::Hook | Kind::Sensor);
        listing.retain(|it| by_itself(it.kind));
        if listing.is_empty() {
            return Ok(Doc::text(say::NO_AUTOMATION));
        }
        let prefix = self.settings().prefix.clone();
        let doc = listing::doc(&listing, &prefix, self.clock.now());
        Ok(doc.line([Span::Text(say::turn_off(&prefix))]))
    }

    /// Whether a room is the one in which those speak who have no other.
    fn is_management(&self, room: &RoomId) -> bool {
        self.management_room().is_ok_and(|management| management.as_ref() == Some(room))
    }

    /// Something that is offered, if they may use it here, with what it needs before it is done.
    fn usable(&self, mut listed: Listed, origin: &Origin<'_>, scene: &Scene) -> Option<Listed> {
        if listed.kind == Kind::Action {
            let def = scene.offered.set.actions.get(&listed.name)?;
            let may = self.may_operate(def, origin.speaker, origin.place);
            return may.allowed().then_some(listed);
        }
        if listed.kind != Kind::Alias {
            return Some(listed);
        }
        let aliases = &scene.offered.catalog.aliases;
        let alias = aliases.iter().find(|alias| alias.name == listed.name)?;
        let resource = Resource::alias(alias);
        let permission = self.may(PolicyAction::Run, resource, origin.speaker, origin.place);
        if !permission.allowed() {
            return None;
        }
        if let Some(needs) = &permission.needs {
            listed.who =
                format!("{}, {}", listed.who, say::needs(needs.count, needs.from.as_deref()));
        }
        Some(listed)
    }
}

fn asker(origin: &Origin<'_>, scene: &Scene) -> Asker {
    Asker { place: origin.place.clone(), offered: scene.offered.clone() }
}
