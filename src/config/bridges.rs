//! The bridges that the configuration names, with the profiles of its folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::Value;

use super::ConfigError;
use crate::domain::alias::parse_duration;
use crate::domain::bridge::alive::{ASK_EVERY, Endpoint};
use crate::domain::bridge::profile::PROFILE_BYTES_MAX;
use crate::domain::bridge::{Bridges, NotAsked, PROFILES_MAX, Profile, ProfileError};

/// What a profile's file is called in the folder of its bridge.
pub const PROFILE_FILE: &str = "profile.toml";

/// Puts the profiles together: those that ship, those of the folder, and which of them count.
///
/// # Errors
/// [`ConfigError`] for the first profile that is wrong, and for a name that none has.
pub fn bridges(
    place: &str,
    folder: Option<&Path>,
    used: &[String],
    names: &[String],
    files: &[String],
) -> Result<Arc<Bridges>, ConfigError> {
    let mut bridges = (*Bridges::shipped()).clone();
    for profile in folder.map_or_else(|| Ok(vec![]), own)? {
        if !bridges.add(profile) {
            let place = format!("{place}: bridges.folder");
            let what = format!("it has more than {PROFILES_MAX} bridges");
            return Err(ConfigError {
                place,
                what,
                hint: "leave out those that you do not use".into(),
            });
        }
    }
    let known: Vec<String> = bridges.known().iter().map(|it| it.name.clone()).collect();
    let bridges = bridges.using(used, names).map_err(|name| ConfigError {
        place: format!("{place}: bridges.use"),
        what: format!("there is no bridge `{name}`"),
        hint: format!("there are {}; `bridges.folder` names a folder with more", known.join(", ")),
    })?;
    if let Some((one, other)) = bridges.meeting() {
        return Err(ConfigError {
            place: format!("{place}: bridges.use"),
            what: format!("an account could be of `{one}` and of `{other}`"),
            hint: "give one of them another `ghost` and other `bots`, in its registration and its profile"
                .into(),
        });
    }
    bridges.showing_files(files).map(Arc::new).map_err(|name| ConfigError {
        place: format!("{place}: bridges.files"),
        what: format!("`{name}` is not in use"),
        hint: "name it in `bridges.use` first".into(),
    })
}

/// Has the bridges asked whether they run that the configuration gives an address.
///
/// # Errors
/// [`ConfigError`] for one that is not in use or cannot be asked.
pub fn asked(
    place: &str,
    bridges: Arc<Bridges>,
    values: &BTreeMap<(&str, &str), Value>,
) -> Result<Arc<Bridges>, ConfigError> {
    let written = values.get(&("bridges", "at"));
    // What is wrong with an address was told before.
    let at = written.and_then(|it| addresses(it).ok()).unwrap_or_default();
    let every = values.get(&("bridges", "ask_every")).and_then(Value::as_str);
    let every = every.and_then(|it| u64::try_from(parse_duration(it).ok()?).ok());
    let every = every.map_or(ASK_EVERY, Duration::from_millis);
    let place = format!("{place}: bridges.at");
    (*bridges).clone().asked_at(at, every).map(Arc::new).map_err(|why| match why {
        NotAsked::Unused(name) => ConfigError {
            place,
            what: format!("`{name}` is not in use"),
            hint: "name it in `bridges.use` first".into(),
        },
        NotAsked::NoPath(name) => ConfigError {
            place,
            what: format!("the profile of `{name}` does not say what to ask"),
            hint: "it names the path that says whether the bridge runs: `[health] path = \"/_matrix/mau/live\"`"
                .into(),
        },
    })
}

/// The addresses of bridges, by name.
///
/// # Errors
/// What is wrong with the first that is none.
pub fn addresses(written: &Value) -> Result<BTreeMap<String, Endpoint>, String> {
    let all = written.as_table().into_iter().flatten();
    let read = all.map(|(name, text)| {
        let address = Endpoint::read(text.as_str().unwrap_or_default());
        Ok((name.clone(), address.map_err(|why| format!("the address of `{name}`: {why}"))?))
    });
    read.collect()
}

/// The profiles of a folder: `NAME/profile.toml`, by name.
fn own(folder: &Path) -> Result<Vec<Profile>, ConfigError> {
    let failed = |path: &Path, why: std::io::Error| ConfigError {
        place: path.display().to_string(),
        what: why.to_string(),
        hint: "`bridges.folder` names a folder with a folder for each bridge".into(),
    };
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).map_err(|why| failed(folder, why))? {
        let path = entry.map_err(|why| failed(folder, why))?.path();
        let file = path.join(PROFILE_FILE);
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !file.is_file() {
            continue;
        }
        let size = file.metadata().map_err(|why| failed(&file, why))?.len();
        let text = match size > PROFILE_BYTES_MAX as u64 {
            true => {
                return Err(of(
                    &path,
                    ProfileError {
                        place: name.into(),
                        what: format!("it has {size} bytes"),
                        hint: "a profile has few lines".into(),
                    },
                ));
            }
            false => std::fs::read_to_string(&file).map_err(|why| failed(&file, why))?,
        };
        found.push(Profile::parse(name, &text).map_err(|error| of(&path, error))?);
    }
    found.sort_by(|one: &Profile, other| one.name.cmp(&other.name));
    Ok(found)
}

/// A mistake in a profile, with where its file is.
fn of(folder: &Path, error: ProfileError) -> ConfigError {
    let above = folder.parent().unwrap_or(folder).display();
    ConfigError { place: format!("{above}/{}", error.place), what: error.what, hint: error.hint }
}
