//! What a decision is made from: the scripts, questions and settings of one moment.

use std::sync::Arc;

use super::scripts::Offered;
use super::{Error, Kernel, Settings};
use crate::domain::conversation::OpenQuestion;
use crate::domain::id::{PostId, RoomId, Timestamp};
use crate::domain::own_command::Where;
use crate::domain::person::People;
use crate::domain::route::{Decision, View};
use crate::domain::trigger::{Place, Speaker};

/// All that a decision about one room may look at.
pub(super) struct Scene {
    pub questions: Vec<OpenQuestion>,
    pub offered: Arc<Offered>,
    withdrawn: Option<OpenQuestion>,
    /// What became of an approval that has just ended here, for a vote that comes too late.
    pub ended: Option<String>,
    settings: Arc<Settings>,
    management: Option<RoomId>,
    pub people: Arc<People>,
    /// The roles that who speaks holds here.
    pub roles: Vec<String>,
}

impl Kernel {
    /// What there is now, without what is asked.
    pub(super) fn scene(&self) -> Result<Scene, Error> {
        Ok(Scene {
            questions: vec![],
            withdrawn: None,
            ended: None,
            offered: self.scripts.offered(),
            settings: self.settings(),
            management: self.management_room()?,
            people: self.people()?,
            roles: vec![],
        })
    }

    /// Adds what is asked in a room, for what was said there about a post. Each question is read from the log, so that
    /// this is left out for what can answer nothing.
    pub(super) fn with_questions(
        &self,
        scene: Scene,
        room: &RoomId,
        target: Option<&PostId>,
    ) -> Result<Scene, Error> {
        let (questions, withdrawn) = (self.questions(room, target)?, self.withdrawn(room, target)?);
        Ok(Scene { questions, withdrawn, ..scene })
    }

    /// The names of the roles that somebody holds in a place.
    pub(super) fn role_names(&self, who: &Speaker, place: &Place) -> Vec<String> {
        self.roles(who, place).into_iter().map(|held| held.role).collect()
    }

    /// Decides from what there is.
    pub(super) fn decide(
        &self,
        scene: &Scene,
        at: Timestamp,
        decide: impl FnOnce(&View) -> Decision,
    ) -> Decision {
        let management = scene.management.as_ref();
        let judge = self.judge();
        decide(&View {
            catalog: &scene.offered.catalog,
            questions: &scene.questions,
            prefix: &scene.settings.prefix,
            open_executions: self.agenda(|agenda| agenda.open_executions()),
            at,
            may: &|action, resource, who, place| judge.may(action, resource, who, place),
            places: Where {
                management,
                audited: scene.settings.asking_room.as_ref().or(management),
            },
            withdrawn: scene.withdrawn.as_ref(),
            ended: scene.ended.as_deref(),
            people: &scene.people,
            roles: &scene.roles,
            stale_after_ms: scene.settings.stale_after_ms,
            safe: judge.unusable(),
            caps: &|place| self.caps(place),
        })
    }
}
