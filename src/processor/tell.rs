//! What is told at once of scripts and policies: read, and answered with the trigger's decision.

use super::can::Asker;
use super::dispatch::{Origin, Routed};
use super::scene::Scene;
use super::{Error, Kernel};
use crate::domain::event::Recorded;
use crate::domain::listing::{self, Kind, Listed};
use crate::domain::message::Doc;
use crate::domain::policy::{PolicyAction, Resource};
use crate::domain::tell_command::TellCommand;
use crate::domain::words::{can, grants, listing as say};
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
        listing.retain(|it| !matches!(it.kind, Kind::Script | Kind::Schedule));
        Ok(listing::doc(&listing, &self.settings().prefix, self.clock.now()))
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
