//! What happens in a room of a real homeserver is a trigger for rules: people who come and go, topics, reactions.

use super::scene::Scene;
use crate::lab::{Chat, Lab, reaction};

/// Says of each happening what it is told.
const RULES: &str = r#"//! What happens in rooms.
rule("comes", "room.joined", |e| say(e.room, `heard: ${e.user_name} came (${e.how})`));
rule("goes", "room.left", |e| say(e.room, `heard: ${e.user_name} went (${e.how})`));
rule("is about", "room.topic", |e| say(e.room, `heard: the topic is ${e.topic}`));
rule("feels", "room.reaction", |e| say(e.room, `heard: ${e.reaction} on ${e.post}`));
"#;

#[test]
fn rules_hear_who_comes_and_goes_topics_and_reactions() {
    let mut scene = Scene::plain(|bot| bot.script("happenings.rhai", RULES));
    let ben = Lab::shared().plain("ben");
    scene.ann.invite(&scene.room, &ben.id);
    ben.join(&scene.room);
    scene.bot_says("heard: ben came (invited)");
    ben.leave(&scene.room);
    scene.bot_says("heard: ben went (left)");
    scene.ann.invite(&scene.room, &ben.id);
    ben.join(&scene.room);
    scene.ann.remove(&scene.room, "kick", &ben.id, "enough");
    scene.bot_says("heard: ben went (kicked)");
    scene.ann.topic(&scene.room, "web301 and its friends");
    scene.bot_says("heard: the topic is web301 and its friends");
    let post = scene.say("lunch?");
    scene.ann.send(&scene.room, "m.reaction", reaction(&post, "🍜"));
    scene.bot_says(&format!("heard: 🍜 on {post}"));
    scene.bot_is_well(7);
}
