//! Who may run what: the one place that policies will decide in. Until there are policies, roles refuse and rooms are listed.

use super::catalog::Alias;

/// Why a person may not run an alias in a room, if so; `here` says whether a list of rooms has that room.
pub fn refusal(alias: &Alias, who: &str, here: impl FnOnce(&[String]) -> bool) -> Option<String> {
    let name = &alias.name;
    if let Some(role) = &alias.role {
        return Some(format!(
            "`{name}` needs the role `{role}`, and nobody has been given roles: there is no policy yet. {who} may not run it."
        ));
    }
    (!alias.rooms.is_empty() && !here(&alias.rooms))
        .then(|| format!("`{name}` can only be used in {}.", alias.rooms.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::id::ScriptHash;
    use super::*;

    #[test]
    fn roles_refuse_and_rooms_are_listed() {
        for (role, rooms, here, allowed) in [
            (None, vec![], false, true),
            (None, vec!["#ops"], true, true),
            (None, vec!["#ops"], false, false),
            (Some("ops"), vec![], true, false),
        ] {
            let alias = Alias {
                name: "deploy".into(),
                usages: vec![],
                help: String::new(),
                example: None,
                role: role.map(str::to_owned),
                rooms: rooms.iter().map(|room| (*room).to_owned()).collect(),
                file: "t.rhai".into(),
                script: ScriptHash("0".into()),
            };
            let why = refusal(&alias, "ann", |_| here);
            assert_eq!(why.is_none(), allowed, "{role:?} {rooms:?} {here}: {why:?}");
        }
    }
}
