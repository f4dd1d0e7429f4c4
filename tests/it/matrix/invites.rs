//! Whose invitations the bot accepts.

use super::scene::{ECHO, answer};
use crate::lab::{Bot, Chat, Lab, Room};

#[test]
fn only_those_on_the_list_can_invite_the_bot() {
    let lab = Lab::shared();
    let (mut ann, mallory, mut bot) =
        (lab.plain("ann"), lab.plain("mallory"), Bot::new(lab, lab.plain("beadle")));
    bot.script("echo.rhai", ECHO);
    bot.configure(&[&ann.id], &[]);
    bot.login(&ann.id);
    assert!(!ann.invitations().is_empty(), "the owner is not invited into the management room");
    bot.start();
    let invite = [bot.account.id.as_str()];
    let trap = mallory.create_room(&Room { name: "trap", invite: &invite, ..Room::default() });
    let ops = ann.create_room(&Room { name: "ops", invite: &invite, ..Room::default() });
    ann.sees_join(&ops, &bot.account.id);
    ann.say(&ops, "!echo 1");
    ann.hears(&ops, &bot.account.id, &answer(1));
    let membership = mallory.membership(&trap, &bot.account.id);
    assert!(matches!(membership.as_deref(), Some("invite" | "leave")), "{membership:?}");
}
