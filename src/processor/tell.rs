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
use crate::domain::words::{grants, listing as say};
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
                let (who, text) = (who.clone(), text.clone());
                let told = move |me: &Self, asker: &Asker| me.can(asker, who.as_deref(), &text);
                self.beside(origin, scene, told).await?
            }
            TellCommand::WhoCan { text } => {
                let text = text.clone();
                let told = move |me: &Self, asker: &Asker| me.who_can(asker, &text);
                self.beside(origin, scene, told).await?
            }
            TellCommand::Grants => match self.grants_told()?.as_slice() {
                [] => Doc::text(grants::NONE),
                lines => Doc::text(&lines.join("\n")),
            },
        };
        Ok(self.told(recorded, origin, doc, "it is a command of the bot itself"))
    }

    /// Looks something up beside the other work: a long log takes a while.
    async fn beside(
        &self,
        origin: &Origin<'_>,
        scene: &Scene,
        told: impl FnOnce(&Self, &Asker) -> Result<Doc, Error> + Send + 'static,
    ) -> Result<Doc, Error> {
        let me = self.itself();
        let asker = Asker {
            speaker: origin.speaker.clone(),
            place: origin.place.clone(),
            offered: scene.offered.clone(),
        };
        let told = tokio::task::spawn_blocking(move || told(&me, &asker)).await;
        told.map_err(|why| ReadError::Store(why.to_string()))?
    }

    /// What somebody may use where they are.
    async fn offered_here(&self, origin: &Origin<'_>, scene: &Scene) -> Result<Doc, Error> {
        let me = self.itself();
        let listing = tokio::task::spawn_blocking(move || me.listing());
        let listing = listing.await.map_err(|why| ReadError::Store(why.to_string()))?;
        let listing = listing?;
        let mut listing: Vec<Listed> =
            listing.into_iter().filter_map(|it| self.usable(it, origin, scene)).collect();
        listing.retain(|it| it.kind != Kind::Script);
        Ok(listing::doc(&listing, &self.settings().prefix, self.clock.now()))
    }

    /// Something that is offered, if they may use it here, with what it needs before it is done.
    fn usable(&self, mut listed: Listed, origin: &Origin<'_>, scene: &Scene) -> Option<Listed> {
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
