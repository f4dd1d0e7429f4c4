//! `beadle doctor`: one finding for each thing that was looked at, each failure with its remedy.

use serde_json::json;

use super::style::out;
use super::{Context, Failure};
use crate::adapter::matrix::{MatrixSettings, check};
use crate::domain::id::RoomId;
use crate::script::load::load_folder;
use crate::store::OpenError;

struct Found {
    name: String,
    ok: bool,
    detail: String,
    remedy: Option<String>,
}

/// Looks at everything; the status is 0 only if all of it is as it should be.
pub fn main(context: &Context) -> Result<u8, Failure> {
    let mut found = vec![scripts(context)?, log(context)?];
    let settings = MatrixSettings {
        homeserver: context.config.homeserver.clone(),
        invites_allow: context.config.invites_allow.clone(),
        management_room: context.config.management_room.clone().map(RoomId),
        ..MatrixSettings::default()
    };
    let matrix = context.runtime()?.block_on(check(&context.data()?, &settings));
    found.extend(matrix.into_iter().map(|finding| Found {
        name: finding.name.into(),
        ok: finding.ok,
        detail: finding.detail,
        remedy: finding.remedy,
    }));
    for Found { name, ok, detail, remedy } in &found {
        if context.json() {
            out!("{}", json!({ "name": name, "ok": ok, "detail": detail, "remedy": remedy }));
            continue;
        }
        out!("{} {name}: {detail}", if *ok { "ok  " } else { "FAIL" });
        if let Some(remedy) = remedy {
            out!("     {remedy}");
        }
    }
    Ok(u8::from(found.iter().any(|found| !found.ok)))
}

fn scripts(context: &Context) -> Result<Found, Failure> {
    let folder = context.scripts()?;
    let (set, problems) = load_folder(&folder);
    let detail = format!(
        "{} loaded from {}, {} with problems",
        set.scripts.len(),
        folder.display(),
        problems.len()
    );
    let remedy = (!problems.is_empty()).then(|| "`beadle script check` shows them".into());
    Ok(Found { name: "scripts".into(), ok: problems.is_empty(), detail, remedy })
}

fn log(context: &Context) -> Result<Found, Failure> {
    let data = context.data()?;
    let name = "log".to_owned();
    if !data.join("log").is_dir() {
        let detail = format!("there is none yet in {}", data.display());
        return Ok(Found { name, ok: true, detail, remedy: None });
    }
    Ok(match crate::app::open_log(&data) {
        Ok(_) => Found { name, ok: true, detail: "it can be opened".into(), remedy: None },
        Err(OpenError::Locked { .. }) => {
            Found { name, ok: true, detail: "a running bot has it".into(), remedy: None }
        }
        Err(error) => Found {
            name,
            ok: false,
            detail: error.to_string(),
            remedy: Some("`beadle log verify` says more; restore a backup if it is damaged".into()),
        },
    })
}
