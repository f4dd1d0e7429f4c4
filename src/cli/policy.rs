//! `beadle policy`: whether the policies can be used, which there are, what they would decide, and what they can speak of.

use std::path::PathBuf;

use serde_json::json;

use super::style::out;
use super::{Context, Failure};
use crate::domain::id::{PersonId, RoomId, UserId};
use crate::domain::policy::{
    Compiled, Inputs, LOCAL, Names, Needs, OWNER, Permission, PolicyAction, PolicyProblem,
    PolicySet, Resource, ResourceKind, RoleHeld, SCHEMA, SHIPPED, Source, compile, unaskable,
    unknown,
};
use crate::domain::role::Standing;
use crate::domain::trigger::Trust;
use crate::domain::words::policy as words;
use crate::processor::policies::read_folder;
use crate::processor::scripts::catalog;
use crate::script::action::ActionDef;
use crate::script::load::{ScriptSet, load_folder_within};
use crate::script::problem::Problem;

/// What to look at.
#[derive(Debug, clap::Subcommand)]
pub enum PolicyCommand {
    /// Checks the policies: what cannot be used, and names that nothing has.
    #[command(after_help = "Example: beadle policy check --json")]
    Check,
    /// Shows the policies with their places and what they ask for.
    #[command(after_help = "Example: beadle policy show")]
    Show,
    /// Says what the policies decide about somebody, and from what; roles by rooms cannot be seen from here.
    #[command(
        after_help = "Example: beadle policy test @ann:example.org run deploy --room '!ops:example.org'"
    )]
    Test {
        /// The account: `@ann:example.org`, `cli:ann`.
        who: String,
        /// run, approve, silence, read_audit or manage.
        action: String,
        /// A command or an action by its name; or `log`, `bot`, `!room:example.org`.
        what: String,
        /// Where it is said.
        #[arg(long, value_name = "ROOM", default_value = "!room:example.org")]
        room: String,
        /// It is said in the management room.
        #[arg(long)]
        management: bool,
        /// How strongly it is proven who speaks: nothing, nick, identified, network, account or device.
        #[arg(long, value_name = "WORD", default_value = "account")]
        trust: String,
    },
    /// Prints what policies can speak of: Cedar's schema.
    #[command(after_help = "Example: beadle policy schema > beadle.cedarschema")]
    Schema,
}

/// Looks at it.
pub fn main(context: &Context, command: &PolicyCommand) -> Result<u8, Failure> {
    match command {
        PolicyCommand::Schema => {
            out!("{}", SCHEMA.trim_end());
            Ok(0)
        }
        PolicyCommand::Check => check(context),
        PolicyCommand::Show => {
            let set = usable(context)?;
            set.policies().iter().for_each(|policy| {
                let (cited, needs) = (&policy.cited, &policy.needs);
                match context.json() {
                    true => out!("{}", json!({ "policy": cited, "needs": needs })),
                    false => {
                        let asks = needs.as_ref().map_or(String::new(), asks);
                        out!(
                            "{} ({}:{}){asks}\n{}\n",
                            cited.id,
                            cited.file,
                            cited.line,
                            cited.text
                        );
                    }
                }
            });
            Ok(0)
        }
        PolicyCommand::Test { who, action, what, room, management, trust } => {
            let trust = proven(trust)?;
            let set = usable(context)?;
            let inputs = asked(context, (who, action, what), room, *management, trust)?;
            let permission = set.decide(&inputs);
            tell(context, &permission);
            Ok(0)
        }
    }
}

/// The folder of the policies, if there is one.
fn folder(context: &Context) -> Option<PathBuf> {
    let beside = context.scripts_given().with_file_name("policy");
    context.config.policy.clone().or_else(|| beside.is_dir().then_some(beside))
}

/// The policies as their folder holds them, without making one.
fn sources(context: &Context) -> Result<Vec<Source>, PolicyProblem> {
    match folder(context) {
        Some(folder) => read_folder(&folder),
        None => Ok(SHIPPED.iter().map(|(file, text)| Source::new(*file, *text)).collect()),
    }
}

/// What is wrong with the policies, held against the scripts.
pub(super) fn problems(context: &Context, scripts: &ScriptSet) -> (usize, Vec<Problem>) {
    let Compiled { set, mut problems } = match sources(context) {
        Ok(sources) => compile(sources),
        Err(problem) => Compiled { set: None, problems: vec![problem] },
    };
    let count = set.as_ref().map_or(0, |set| set.policies().len());
    if let Some(set) = &set {
        problems.extend(unknown(set, &names(context, scripts)));
        let tags = |def: &ActionDef| (def.name.clone(), def.tags.clone());
        let actions = scripts.actions.values().map(tags).collect();
        problems.extend(unaskable(set, &catalog(scripts).rules, &actions));
    }
    let anywhere = context.config.roles.by_power_anywhere();
    problems.extend(anywhere.map(|role| {
        let problem = PolicyProblem::file("", words::power_anywhere(role)).warning();
        problem.hinted(words::NAME_THE_ROOM)
    }));
    (count, problems.into_iter().map(shown).collect())
}

fn names(context: &Context, scripts: &ScriptSet) -> Names {
    let aliases = catalog(scripts).aliases;
    let tags = aliases.iter().flat_map(|alias| &alias.tags);
    let roles = context.config.roles.names().cloned();
    Names {
        tags: tags.chain(scripts.actions.values().flat_map(|def| &def.tags)).cloned().collect(),
        aliases: aliases.iter().map(|alias| alias.name.clone()).collect(),
        operations: scripts.actions.keys().cloned().collect(),
        roles: roles.chain([OWNER.to_owned(), LOCAL.to_owned()]).collect(),
    }
}

/// A problem of a policy as those of scripts are shown.
pub(super) fn shown(problem: PolicyProblem) -> Problem {
    let PolicyProblem { error, file, line, column, message, hint, text } = problem;
    let file = match file.as_str() {
        "" => "policy".to_owned(),
        // What cannot be read is named as it was looked for.
        path if path.contains('/') => path.to_owned(),
        name => format!("policy/{name}"),
    };
    let told = Problem { line, column, text, ..Problem::file(&file, message, hint) };
    let told = told.coded("policy");
    if error { told } else { told.warning() }
}

fn check(context: &Context) -> Result<u8, Failure> {
    let (scripts, _) = load_folder_within(&context.scripts()?, &context.config.budgets);
    let (count, problems) = problems(context, &scripts);
    super::script::tell(context, &problems);
    if folder(context).is_none() {
        eprintln!(
            "these are the policies that ship: there is no policy folder here; `beadle init` makes one"
        );
    }
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    if context.json() {
        out!("{}", json!({ "policies": count, "problems": errors, "warnings": warnings }));
    } else if problems.is_empty() {
        out!("{count} policies: no problems");
    } else {
        eprintln!("{errors} errors, {warnings} warnings");
    }
    Ok(if errors == 0 { 0 } else { 3 })
}

fn usable(context: &Context) -> Result<PolicySet, Failure> {
    let compiled = sources(context).map(compile);
    let first = |problems: &[PolicyProblem]| {
        let first = problems.iter().find(|problem| problem.error).cloned();
        first.map_or(String::new(), |problem| shown(problem).to_string())
    };
    let (set, told) = match compiled {
        Ok(Compiled { set, problems }) => (set, first(&problems)),
        Err(problem) => (None, first(&[problem])),
    };
    set.ok_or_else(|| {
        Failure::new(3, format!("the policies cannot be used\n{}", told.trim_end()))
            .hint("`beadle policy check` tells everything that is wrong")
    })
}

/// How strongly it is proven who speaks, by its word.
fn proven(word: &str) -> Result<Trust, Failure> {
    Trust::of_word(word).ok_or_else(|| {
        let words = Trust::ALL.map(Trust::word).join(", ");
        Failure::new(2, format!("there is no trust `{word}`")).hint(format!("there are {words}"))
    })
}

/// What somebody asks, as far as it can be seen from here.
fn asked(
    context: &Context,
    (who, action, what): (&str, &str, &str),
    room: &str,
    management: bool,
    trust: Trust,
) -> Result<Inputs, Failure> {
    let actions = [
        PolicyAction::Run,
        PolicyAction::Approve,
        PolicyAction::Silence,
        PolicyAction::ReadAudit,
        PolicyAction::Manage,
    ];
    let words = actions.map(PolicyAction::word).join(", ");
    let action = actions.into_iter().find(|it| it.word() == action);
    let action = action.ok_or_else(|| {
        Failure::new(2, "there is no such action").hint(format!("there are {words}"))
    })?;
    let account = UserId(who.to_owned());
    let room = RoomId(room.to_owned());
    let unseen = |_: &str| Standing::Unseen("who is in a room cannot be seen from here".to_owned());
    // What nothing proves holds no role at all.
    let held = match trust.proves_account() {
        true => context.config.roles.held(&account, &room, true, &unseen),
        false => Default::default(),
    };
    let mut roles = held.roles;
    let own = |role: &str, source: &str| RoleHeld { role: role.into(), source: source.into() };
    if management && trust.proves_account() {
        roles.push(own(OWNER, "it is said in the management room"));
    }
    if who.starts_with("cli:") && trust.proves_account() {
        roles.push(own(LOCAL, "the owner of the data directory"));
    }
    let now = jiff::Zoned::now();
    let resource = resource(context, what)?;
    let here = resource.rooms.is_empty() || resource.rooms.contains(&room.0);
    Ok(Inputs {
        person: PersonId(who.to_owned()),
        account,
        roles,
        unseen: held.unseen,
        trust,
        network: if who.starts_with("cli:") { "cli".into() } else { "matrix".into() },
        room,
        rooms: vec![],
        here,
        encrypted: false,
        direct: false,
        management,
        hour: u8::try_from(now.hour()).unwrap_or_default(),
        weekday: now.strftime("%A").to_string().to_lowercase(),
        action,
        resource,
        granted: None,
        set: String::new(),
    })
}

fn resource(context: &Context, what: &str) -> Result<Resource, Failure> {
    let (scripts, _) = load_folder_within(&context.scripts()?, &context.config.budgets);
    if let Some(alias) = catalog(&scripts).aliases.iter().find(|alias| alias.name == what) {
        return Ok(Resource::alias(alias));
    }
    if let Some(def) = scripts.actions.get(what) {
        return Ok(Resource::operation(&def.name, &def.tags, def.role.as_deref()));
    }
    match what {
        "log" => Ok(Resource::log()),
        "bot" => Ok(Resource::bot()),
        room if room.starts_with(['!', '#']) => Ok(Resource::of(ResourceKind::Room, room)),
        _ => Err(Failure::new(2, format!("no script offers a command or an action `{what}`"))
            .hint("there are also `log`, `bot` and rooms, `!abc:example.org`")),
    }
}

fn tell(context: &Context, permission: &Permission) {
    if context.json() {
        out!("{}", json!(permission));
        return;
    }
    let Inputs { roles, unseen, resource, room, weekday, hour, trust, .. } = &permission.inputs;
    out!("{}: {}", if permission.allowed() { "allowed" } else { "refused" }, permission.reason);
    if let Some(needs) = &permission.needs {
        out!("it needs{}", asks(needs));
    }
    for policy in &permission.policies {
        out!("policy {} ({}:{})\n{}", policy.id, policy.file, policy.line, policy.text);
    }
    for held in roles {
        out!("role {}: {}", held.role, held.source);
    }
    for held in unseen {
        out!("role {} is not counted: {}", held.role, held.source);
    }
    let tags = resource.tags.join(", ");
    out!("resource {} `{}`, tags [{tags}]", resource.kind.word(), resource.name);
    out!("trust {} (level {})", trust.word(), trust.level());
    out!("in {room}, {weekday}, {hour} o'clock");
}

/// What a policy asks for besides.
fn asks(needs: &Needs) -> String {
    let from = needs.from.as_ref().map_or(String::new(), |role| format!(" from the role `{role}`"));
    let device = if needs.device { ", on a device of their own" } else { "" };
    let reactions = if needs.reactions { ", a reaction is enough" } else { "" };
    format!(" {} approvals{from}{device}{reactions}", needs.count)
}
