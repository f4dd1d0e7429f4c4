//! The bridge and the IRC server go away and come back: nothing is run twice, and the bot is heard again.

use super::scene::Scene;

#[test]
fn what_is_killed_comes_back_and_nothing_is_run_twice() {
    let mut scene = Scene::apart("trouble");
    scene.says("!ping");
    scene.hears_all("pong");
    scene.lab.restart_bridge();
    // It connects again by itself, and is in the channel when its relay joins.
    scene.erin.wait("rltrouble!");
    scene.erin.wait("JOIN");
    create(&mut scene, "web001");

    scene.lab.restart_ircd();
    scene.erin = scene.lab.person("Erintrouble");
    scene.erin.join("#trouble");
    // The relay comes back by itself, and joins behind her.
    scene.erin.wait("rltrouble!");
    create(&mut scene, "web002");
    let ran = scene.bot.events().iter().filter(|row| row["type"] == "effect_started").count();
    assert_eq!(ran, 2, "each once");
}

fn create(scene: &mut Scene, host: &str) {
    scene.says(&format!("!create vm {host} on aws"));
    let all = scene.hears_all(&format!("{host} is up"));
    assert_eq!(all.len(), 2, "an ack and a result: {all:#?}");
}
