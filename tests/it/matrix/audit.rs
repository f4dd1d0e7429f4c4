//! The audit room as the log's witness: what was rewritten is found against it, and nowhere else.

use std::fs;
use std::path::Path;

use beadle::app::open_log;
use beadle::store::Expected;

use super::scene::Scene;
use crate::lab::{Chat, Room};
use crate::proof_world::copy;
use crate::store_world::put;

/// The files of the log, apart from the Matrix session.
const LOG: [&str; 6] = ["log", "store", "keys.bin", "subjects.bin", "blobs", "tree.bin"];

/// Puts the log of one data directory into the place of another's.
fn replace(from: &Path, to: &Path) {
    for name in LOG {
        let (from, to) = (from.join(name), to.join(name));
        match to.is_dir() {
            true => {
                fs::remove_dir_all(&to).expect("ours");
                copy(&from, &to);
            }
            false => drop(fs::copy(from, to).expect("ours")),
        }
    }
}

fn verify<C>(scene: &Scene<C>, status: i32, against: &[&str]) -> String {
    scene.bot.run_expecting(status, &[&["log", "verify"], against].concat())
}

#[test]
fn a_rewritten_tail_is_found_by_the_heads_in_the_room() {
    let mut scene = Scene::plain(|_| {});
    let bot = scene.bot.account.id.clone();
    let audit = scene.ann.create_room(&Room { name: "audit", invite: &[&bot], ..Room::default() });
    scene.ann.sees_join(&audit, &bot);
    let alias = scene.ann.publish(&audit, "audit");
    witnessed(&mut scene, &audit, &alias);
}

/// Whether the bot runs or not, it reads with its own keys what it said there.
#[test]
fn a_rewritten_tail_is_found_by_the_heads_in_an_encrypted_room() {
    let mut scene = Scene::encrypted(|_| {});
    let bot = scene.bot.account.id.clone();
    let wanted = Room { name: "audit", invite: &[&bot], encrypted: true, ..Room::default() };
    let audit = scene.ann.plain.create_room(&wanted);
    scene.ann.plain.sees_join(&audit, &bot);
    scene.ann.knows(&audit, &bot);
    let alias = scene.ann.plain.publish(&audit, "audit");
    witnessed(&mut scene, &audit, &alias);
    let head = scene.ann.hears(&audit, &bot, "this signs all of them");
    assert!(head.decrypted, "a head stands there for everybody to read: {head:?}");
}

/// The log is signed into a room; then its last part is made anew by whoever has its keys.
fn witnessed<C: Chat>(scene: &mut Scene<C>, audit: &str, alias: &str) {
    let bot = scene.bot.account.id.clone();
    let log = format!("\n[log]\naudit_room = {alias:?}\nhead_every = \"1s\"\n");
    scene.bot.append("beadle.toml", &log);
    scene.bot.signal(nix::sys::signal::Signal::SIGHUP);
    scene.bot_is_well(1);
    scene.ann.hears(audit, &bot, "this signs all of them");
    let told = verify(scene, 0, &["--against", alias]);
    assert!(told.contains("heads from outside, up to event"), "{told}");
    // The log as it was once, and how it went on.
    scene.bot.stop();
    let (data, old) = (scene.bot.dir.join("data"), scene.bot.dir.join("old"));
    copy(&data, &old);
    scene.bot.start();
    scene.bot_is_well(2);
    let head = scene.bot.run_expecting(0, &["log", "head"]);
    let size = head.lines().nth(1).expect("a head has a size").to_owned();
    scene.ann.hears(audit, &bot, &size);
    scene.bot.stop();
    verify(scene, 0, &["--against", alias]);
    // It went on in another way, as whoever has its keys can make it.
    let store = open_log(&old).expect("opens").0;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for _ in 0..100 {
        runtime.block_on(put(&store, "test-a", Expected::Any, &["forged"])).expect("appends");
    }
    drop(store);
    replace(&old, &data);
    scene.bot.run_expecting(0, &["log", "head"]);
    let sound = verify(scene, 0, &[]);
    assert!(sound.contains("0 findings"), "{sound}");
    let found = verify(scene, 4, &["--against", alias]);
    assert!(found.contains("was signed over another history"), "{found}");
    let room = scene.room.clone();
    let nowhere = verify(scene, 1, &["--against", &room]);
    assert!(nowhere.contains("nothing was compared"), "{nowhere}");
}
