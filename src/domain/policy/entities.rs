//! What somebody asks as Cedar takes it: everything that the request names is there, so that no policy is passed over.

use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression,
};

use super::Request;

/// A request with the entities that it names.
pub struct Asked {
    /// What is asked.
    pub request: cedar_policy::Request,
    /// Who and what it is about.
    pub entities: Entities,
}

/// Makes a request of Cedar's.
///
/// # Errors
/// Why it cannot be made, in words.
pub fn of(inputs: &Request) -> Result<Asked, String> {
    let resource = &inputs.resource;
    let who = uid(&TYPES.person, inputs.account.as_str());
    let room = uid(&TYPES.room, inputs.room.as_str());
    let network = uid(&TYPES.network, &inputs.network);
    let what = uid(TYPES.of(resource.kind.word()), &resource.name);
    let roles: Vec<EntityUid> =
        inputs.roles.iter().map(|held| uid(&TYPES.role, &held.role)).collect();
    let names: Vec<EntityUid> = inputs.rooms.iter().map(|name| uid(&TYPES.room, name)).collect();
    let tags: Vec<EntityUid> = resource.tags.iter().map(|tag| uid(&TYPES.tag, tag)).collect();
    let mut parents = roles.clone();
    parents.extend([network.clone(), room.clone()]);
    let account = text("account", inputs.account.as_str());
    let mut about = vec![];
    if matches!(resource.kind.word(), "Alias" | "Rule" | "Operation") {
        about.push(text("name", &resource.name));
        let role = resource.role.as_ref().map(|role| uid(&TYPES.role, role));
        about.extend(
            role.map(|role| ("role".to_owned(), RestrictedExpression::new_entity_uid(role))),
        );
    }
    let mut all = vec![entity(&who, vec![account], parents)?, entity(&what, about, tags.clone())?];
    if room != what {
        all.push(entity(&room, vec![], names.clone())?);
    }
    let plain = roles.into_iter().chain(tags).chain([network.clone()]).chain(names);
    let plain = plain.filter(|it| *it != room && *it != what);
    all.extend(plain.map(Entity::with_uid));
    all.sort_by_key(|entity| entity.uid().to_string());
    all.dedup_by_key(|entity| entity.uid());
    let entities = Entities::from_entities(all, None).map_err(|why| why.to_string())?;
    let action = uid(&TYPES.action, inputs.action.word());
    let context = context(inputs, room, network)?;
    let request = cedar_policy::Request::new(who, action, what, context, None);
    Ok(Asked { request: request.map_err(|why| why.to_string())?, entities })
}

fn context(inputs: &Request, room: EntityUid, network: EntityUid) -> Result<Context, String> {
    let yes = RestrictedExpression::new_bool;
    let pairs = [
        ("room", RestrictedExpression::new_entity_uid(room)),
        ("network", RestrictedExpression::new_entity_uid(network)),
        ("trust", RestrictedExpression::new_string(inputs.trust.word().to_owned())),
        ("trust_level", RestrictedExpression::new_long(i64::from(inputs.trust.level()))),
        ("encrypted", yes(inputs.encrypted)),
        ("direct", yes(inputs.direct)),
        ("management", yes(inputs.management)),
        ("hour", RestrictedExpression::new_long(i64::from(inputs.hour))),
        ("weekday", RestrictedExpression::new_string(inputs.weekday.clone())),
        ("granted", yes(inputs.granted.is_some())),
    ];
    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
    Context::from_pairs(pairs).map_err(|why| why.to_string())
}

fn text(name: &str, value: &str) -> (String, RestrictedExpression) {
    (name.to_owned(), RestrictedExpression::new_string(value.to_owned()))
}

fn entity(
    it: &EntityUid,
    attributes: Vec<(String, RestrictedExpression)>,
    parents: Vec<EntityUid>,
) -> Result<Entity, String> {
    let (attributes, parents) = (attributes.into_iter().collect(), parents.into_iter().collect());
    Entity::new(it.clone(), attributes, parents).map_err(|why| why.to_string())
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// The kinds of entities, read once.
struct Types {
    person: EntityTypeName,
    role: EntityTypeName,
    network: EntityTypeName,
    room: EntityTypeName,
    tag: EntityTypeName,
    action: EntityTypeName,
    resources: Vec<(&'static str, EntityTypeName)>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let kind = |name: &str| EntityTypeName::from_str(name).expect("our names are names");
    let resources = ["Alias", "Rule", "Operation", "Execution", "Log", "Bot"];
    Types {
        person: kind("Person"),
        role: kind("Role"),
        network: kind("Network"),
        room: kind("Room"),
        tag: kind("Tag"),
        action: kind("Action"),
        resources: resources.into_iter().map(|name| (name, kind(name))).collect(),
    }
});

impl Types {
    /// The kind of a resource; a room is one, too.
    fn of(&self, word: &str) -> &EntityTypeName {
        let found = self.resources.iter().find(|(name, _)| *name == word);
        found.map_or(&self.room, |(_, kind)| kind)
    }
}
