//! The homeserver takes a message, and the bot never hears of it: it is said once all the same.

use super::scene::{Scene, answer, answers};
use super::session::{log_out, login_again};
use crate::lab::{Chat, Lab, Person, Plain, Proxy};

/// A bot that reaches its homeserver through a proxy.
fn through_a_proxy<C: Chat>(scene: &mut Scene<C>) -> Proxy {
    let proxy = Proxy::before(&Lab::shared().homeserver);
    scene.bot_is_well(1);
    scene.bot.stop();
    scene.bot.configure_at(&proxy.address, &[&scene.bot.everybody()], &[]);
    scene.bot.start();
    proxy
}

/// Has the bot say something that it does not know it has said.
fn says_unknowingly<C: Chat>(scene: &mut Scene<C>, proxy: &Proxy) {
    proxy.lose_answers_to_messages(true);
    scene.say("!echo 2");
    scene.bot_says(&answer(2));
    assert!(proxy.lost() > 0, "the answer was lost");
    scene.bot.kill9();
    proxy.lose_answers_to_messages(false);
}

/// Checks that everything was answered once.
fn answered_once<C: Chat>(scene: &mut Scene<C>) {
    scene.bot_is_well(3);
    let bot = scene.bot.account.id.clone();
    let got = scene.ann.until(&scene.room, "the answers", |events| Some(answers(events, &bot)));
    assert_eq!(got, [1, 2, 3]);
}

#[test]
fn an_answer_that_was_lost_is_not_said_again() {
    let mut scene = Scene::plain(|_| {});
    let proxy = through_a_proxy(&mut scene);
    says_unknowingly(&mut scene, &proxy);
    scene.bot.start();
    answered_once(&mut scene);
}

#[test]
fn what_a_lost_device_said_is_not_said_again() {
    let mut scene = Scene::plain(|_| {});
    lost_device(&mut scene, |_: &mut Scene<Plain>| {});
}

#[test]
fn what_a_lost_device_said_in_an_encrypted_room_is_not_said_again() {
    let mut scene = Scene::encrypted(|_| {});
    lost_device(&mut scene, |scene: &mut Scene<Person>| {
        let (bot, device) = (scene.bot.account.id.clone(), scene.bot.session_text("device_id"));
        scene.ann.knows_device(&scene.room, &bot, &device);
    });
}

/// The device that said it is gone, so the homeserver would take the message a second time.
fn lost_device<C: Chat>(scene: &mut Scene<C>, knows: impl FnOnce(&mut Scene<C>)) {
    let proxy = through_a_proxy(scene);
    says_unknowingly(scene, &proxy);
    log_out(&scene.bot);
    login_again(&scene.bot);
    scene.bot.start();
    knows(scene);
    answered_once(scene);
}
