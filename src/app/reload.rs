//! SIGHUP: configuration and scripts are read again while the bot runs; what cannot be used stays as it was, and people are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::adapter::matrix::{Matrix, MatrixSettings};
use crate::config::{Config, ConfigErrors};
use crate::domain::id::RoomId;
use crate::domain::rule::Rule;
use crate::processor::progress::PROGRESS_EVERY;
use crate::processor::{Context, Kernel, Limits, Settings};
use crate::script::hot::HOT_FOR;
use crate::script::problem::Problem;
use crate::web::Web;

/// Reads the configuration again.
pub type Load<'a> = &'a (dyn Fn() -> Result<Config, ConfigErrors> + Sync);

/// What a reload works on.
pub(super) struct Reload<'a> {
    pub(super) kernel: Arc<Kernel>,
    pub(super) matrix: Arc<Matrix>,
    pub(super) load: Load<'a>,
    /// The web listener, if there is one.
    pub(super) web: Option<Arc<Web>>,
    /// As it was read at the start: what needs a restart is compared with it.
    pub(super) config: Config,
    /// The management room that the login made.
    pub(super) of_login: Option<RoomId>,
}

impl Reload<'_> {
    /// Reads everything again, uses what can be used, and tells the owner what came of it.
    pub(super) async fn run(&mut self) {
        let told = match (self.load)() {
            Ok(config) => self.take(config).await,
            Err(error) => {
                tracing::error!(%error, hint = error.hint(), "not reloaded");
                format!("Not reloaded, all is as it was: {error}\n{}", error.hint())
            }
        };
        tell_owner(&self.kernel, &told).await;
    }

    async fn take(&mut self, config: Config) -> String {
        let restart = config.needs_restart(&self.config);
        let (settings, of_matrix) = settings(&config, self.of_login.as_ref());
        self.kernel.behave(settings);
        self.matrix.reconfigure(of_matrix);
        self.kernel.scripts.allow(&config.budgets);
        if let Some(web) = &self.web {
            web.configure(config.web.clone());
        }
        let kernel = self.kernel.clone();
        let reloading = tokio::task::spawn_blocking(move || kernel.scripts.reload());
        let problems =
            reloading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        if let Err(error) = self.kernel.reload_policies().await {
            tracing::error!(%error, "the policies are not read again");
        }
        resolve_rooms(&self.kernel, &self.matrix, &config).await;
        let offered = self.kernel.scripts.offered();
        let (scripts, aliases) = (offered.set.scripts.len(), offered.catalog.aliases.len());
        tracing::info!(scripts, aliases, problems = problems.len(), ?restart, "reloaded");
        for problem in &problems {
            tracing::error!("a script stays as it was\n{problem}");
        }
        summary((scripts, aliases), &problems, &offered.set.wrong(), &restart)
    }
}

/// Tells the owner what came of a reload.
pub(super) async fn tell_owner(kernel: &Kernel, told: &str) {
    // The time makes each notice one of its own: the same words are said once a day only.
    let at = jiff::Timestamp::from_millisecond(kernel.clock.now().0).unwrap_or_default();
    let notice = format!("{} ({} UTC)", told, at.strftime("%H:%M:%S"));
    if let Err(error) = kernel.notify(&notice).await {
        tracing::error!(%error, "the owner is not told of the reload");
    }
}

/// What the owner reads.
fn summary(
    (scripts, aliases): (usize, usize),
    problems: &[Problem],
    among: &[Problem],
    restart: &[String],
) -> String {
    let mut told = format!("Reloaded: {scripts} scripts, {aliases} commands.");
    if !restart.is_empty() {
        told.push_str(&format!(" These changes wait for a restart: {}.", restart.join(", ")));
    }
    for problem in problems {
        told.push_str(&format!("\nThis one stays as it was.\n{problem}"));
    }
    if !among.is_empty() {
        let all: Vec<String> = among.iter().map(ToString::to_string).collect();
        told.push_str(&format!("\n{}\n{}", super::saved::AMONG_SCRIPTS, all.join("\n")));
    }
    told
}

/// What the configuration says to the processors and to the connection.
pub(super) fn settings(config: &Config, of_login: Option<&RoomId>) -> (Settings, MatrixSettings) {
    let management_room = config.management_room.clone().map(RoomId).or(of_login.cloned());
    let settings = Settings {
        prefix: config.prefix.clone(),
        roles: Arc::new(config.roles.clone()),
        policy: None,
        management_room: management_room.clone(),
        asking_room: None,
        zone: jiff::tz::TimeZone::system(),
        run_within_ms: config.catchup_run_within_ms,
        stale_after_ms: config.stale_after_ms,
        intro: config.intro.clone(),
        context: Context {
            within_ms: config.context_for_ms,
            turns_max: config.context_turns,
            rooms: config.context_rooms.clone(),
        },
        hot_for: HOT_FOR,
        head_every: config.head_every,
        keep: config.keep,
        audit_room: config.audit_room.clone().map(RoomId),
        progress_every: PROGRESS_EVERY,
        limits: Limits {
            commands_per_minute: Some(config.commands_per_minute),
            stop_rings: config.stop_rings,
        },
        alerts: config.alerts.clone(),
        http: Arc::new(config.http_allow.clone()),
        bridges: config.bridges.clone(),
        hooks: Arc::new(config.web.hooks.clone()),
    };
    let of_matrix = MatrixSettings {
        homeserver: config.homeserver.clone(),
        invites_allow: config.invites_allow.clone(),
        management_room,
        leave_alone_after: config.leave_alone_after,
        audit_room: config.audit_room.clone().map(RoomId),
        bridges: config.bridges.clone(),
        ..MatrixSettings::default()
    };
    (settings, of_matrix)
}

/// Asks the homeserver which rooms the names in the configuration and the scripts stand for.
pub(super) async fn resolve_rooms(kernel: &Kernel, matrix: &Matrix, config: &Config) {
    let offered = kernel.scripts.offered();
    let of_scripts = offered.catalog.aliases.iter().flat_map(|alias| &alias.rooms);
    let of_rules: Vec<String> = offered.catalog.rules.iter().flat_map(Rule::speaks_in).collect();
    let set = kernel.policies.in_force();
    let of_roles: Vec<String> = config.roles.rooms("").into_iter().map(str::to_owned).collect();
    let all = of_roles
        .iter()
        .chain(config.context_rooms.keys())
        .chain(config.alerts.quiet.keys())
        .chain(set.rooms())
        .chain(of_scripts)
        .chain(&of_rules);
    let names: BTreeSet<&String> = all.filter(|name| name.starts_with('#')).collect();
    for name in names {
        let answer = matrix.resolve(name).await;
        learn(&mut kernel.rooms.write().expect("nobody panics with them"), name, answer);
    }
}

/// Takes in what the homeserver says of a name; without an answer it stands for the room that it stood for.
fn learn(rooms: &mut BTreeMap<String, RoomId>, name: &str, answer: Result<Option<RoomId>, String>) {
    match answer {
        Ok(Some(room)) => {
            rooms.insert(name.to_owned(), room);
        }
        Ok(None) => {
            rooms.remove(name);
            tracing::warn!(name, "no room has this name: it counts as no room");
        }
        Err(reason) => match rooms.get(name) {
            Some(room) => tracing::warn!(
                name, reason, %room,
                "nobody can say which room has this name: it stays the one that had it"
            ),
            None => tracing::warn!(
                name,
                reason,
                "nobody can say which room has this name: it counts as no room"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_reads_what_came_of_it() {
        let problem = Problem::file("a.rhai", "no", None);
        for (problems, among, restart, want) in [
            (vec![], vec![], vec![], "Reloaded: 2 scripts, 3 commands."),
            (
                vec![],
                vec![],
                vec!["matrix.homeserver".to_owned()],
                "Reloaded: 2 scripts, 3 commands. These changes wait for a restart: matrix.homeserver.",
            ),
            (
                vec![problem.clone()],
                vec![],
                vec![],
                "Reloaded: 2 scripts, 3 commands.\nThis one stays as it was.\nerror: no\n  --> a.rhai\n",
            ),
            (
                vec![],
                vec![problem],
                vec![],
                "Reloaded: 2 scripts, 3 commands.\nThe scripts are used, but something is wrong among them.\nerror: no\n  --> a.rhai\n",
            ),
        ] {
            assert_eq!(summary((2, 3), &problems, &among, &restart), want);
        }
    }

    #[test]
    fn a_name_goes_by_the_last_answer() {
        let room = |room: &str| RoomId(room.into());
        for (before, answer, after) in [
            (None, Ok(Some("!new")), Some("!new")),
            (Some("!old"), Ok(Some("!new")), Some("!new")),
            (Some("!old"), Ok(None), None),
            (None, Ok(None), None),
            (Some("!old"), Err("unreachable"), Some("!old")),
            (None, Err("unreachable"), None),
        ] {
            let mut rooms: BTreeMap<String, RoomId> =
                before.into_iter().map(|before| ("#ops:hs".to_owned(), room(before))).collect();
            let told = answer.map(|answer| answer.map(room)).map_err(str::to_owned);
            learn(&mut rooms, "#ops:hs", told);
            assert_eq!(rooms.get("#ops:hs"), after.map(room).as_ref(), "{before:?} {answer:?}");
        }
    }

    #[test]
    fn the_configured_management_room_comes_first() {
        let config = |room: Option<&str>| Config {
            management_room: room.map(str::to_owned),
            ..Config::load(None, &Default::default()).expect("nothing is wrong with nothing")
        };
        let of_login = RoomId("!made".into());
        for (configured, want) in [(None, "!made"), (Some("!named"), "!named")] {
            let (settings, of_matrix) = settings(&config(configured), Some(&of_login));
            let rooms = [settings.management_room, of_matrix.management_room];
            assert_eq!(rooms, [Some(RoomId(want.into())), Some(RoomId(want.into()))]);
        }
    }
}
