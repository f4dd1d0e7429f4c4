//! Who somebody on IRC is: a nick, which is whoever has it at the moment.

use super::scene::Scene;

#[test]
fn a_nick_holds_no_role_whoever_has_it() {
    let mut scene = Scene::with("who", |server| {
        // What an operator might write who takes a nick for an account.
        format!("\n[roles]\nops = [\"@irc_lab_victor:{server}\"]\n")
    });
    for turn in 0..2 {
        // The second one has only taken the nick of the first, and has the same account at the homeserver.
        let mut victor = scene.lab.person("victor");
        victor.join("#who");
        victor.say("#who", "!restart everything");
        let refused = scene.erin.hears("victor: ");
        assert!(!refused.text.contains("restarted"), "{turn}: {refused:?}");
        assert!(refused.text.contains("role"), "{turn}: {refused:?}");
        victor.quit();
        scene.erin.wait("QUIT");
    }
    let rows = scene.bot.events();
    let refused = |row: &&serde_json::Value| {
        row["type"] == "trigger_routed" && row.to_string().contains("refused")
    };
    assert_eq!(rows.iter().filter(refused).count(), 2, "both are recorded: {rows:#?}");
    assert!(!rows.iter().any(|row| row["type"] == "execution_started"));
}
