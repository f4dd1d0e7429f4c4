//! The infrastructure speaks first, and is spoken with, on IRC: an alert, silence, an acknowledgement, a picture.

use super::scene::Scene;
use crate::lab::{Chat, fetch};

/// Who speaks and what can be asked; the room's id is put in.
const SCRIPT: &str = r#"//! What speaks first.
rule(#{ name: "nagios", room: "ROOM" }, "webhook.nagios", |e| {
    alert(`nagios/${e.host}`, `Nagios alert on ${e.host}: ${e.state}, ${e.output}`, #{ severity: e.state, host: e.host, source: "nagios" });
});
alias("graph me {name} on {host}", #{ help: "A picture", ack: false }, |a, msg| {
    let picture = plot(#{ title: `${a.name} on ${a.host}`, lines: [#{ name: a.name, points: [[-2, 20], [-1, 35.5], [0, 31]] }] });
    reply(`${a.name} on ${a.host}`, #{ attach: picture });
});
"#;

#[test]
fn an_alert_is_talked_about_on_irc() {
    let mut scene = Scene::plumbed("duplex");
    let name = scene.ann.publish(&scene.room, "duplex");
    scene.bot.stop();
    scene.bot.configure_more("bridges", "files = [\"heisenbridge\"]");
    scene.bot.script("duplex.rhai", &SCRIPT.replace("ROOM", &name));
    scene.bot.start();
    let down = |scene: &Scene, host: &str| {
        let event =
            format!(r#"{{"host":"{host}","state":"CRITICAL","output":"high CPU over 95%"}}"#);
        scene.bot.run_expecting(0, &["trigger", "emit", "webhook.nagios", &event]);
    };
    down(&scene, "web301");
    let alert = texts(&mut scene, "firing");
    assert_eq!(
        alert,
        ["Nagios alert on web301: CRITICAL, high CPU over 95%", "firing, CRITICAL"],
        "an alert without edits and threads"
    );
    scene.says("!shut up web301 for 15m");
    let silenced = texts(&mut scene, "silenced");
    assert!(silenced[0].starts_with("Erinduplex: web301 silenced for 15 min."), "{silenced:?}");
    down(&scene, "web301");
    scene.says("!ack nagios/web301");
    let acknowledged = texts(&mut scene, "acknowledged by");
    let want = ["nagios/web301 acknowledged by Erinduplex"];
    assert_eq!(acknowledged, want, "said once, and what fired meanwhile is silenced");

    scene.says("!graph me io on web301");
    let shown = texts(&mut scene, "http://");
    let [caption, link] = shown.as_slice() else { panic!("a caption and a link: {shown:?}") };
    assert_eq!(caption, "Erinduplex: io on web301");
    let room = scene.room.clone();
    let picture = scene.ann.until(&room, "the picture", |events| {
        let is_picture = |event: &&crate::lab::Event| event.content["msgtype"] == "m.image";
        let url = events.iter().find(is_picture)?.content["url"].as_str()?.to_owned();
        Some(url)
    });
    let link = link.split_whitespace().find(|word| word.starts_with("http://")).expect(link);
    let of_irc = fetch(link, None);
    assert_eq!(of_irc, scene.ann.download(&picture), "byte for byte");
    assert!(of_irc.starts_with(b"\x89PNG"), "it is a picture");
}

/// What is said in the channel until `part`, line by line.
fn texts(scene: &mut Scene, part: &str) -> Vec<String> {
    scene.hears_all(part).into_iter().map(|said| said.text).collect()
}
