//! `make lab`: a homeserver, two people, two rooms and the bot, to try it by hand. Ctrl-C leaves nothing behind.

#[expect(dead_code, unused_imports, reason = "the tests ask more of the lab than a person does")]
#[path = "../tests/it/lab/mod.rs"]
mod lab;

use std::error::Error;

use lab::{Bot, Lab, Plain, Room};

/// The scripts that ship with the bot; the lab's bot runs them where they are, so that an edit is seen at once.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");

fn main() -> Result<(), Box<dyn Error>> {
    println!("lab: starting a homeserver …");
    let lab = Lab::start();
    let register = |name| Plain::register(&lab.homeserver, name, name);
    let (mut ann, ben) = (register("ann"), register("ben"));
    let bot_account = register("beadle");
    let members = [ben.id.as_str(), bot_account.id.as_str()];
    let ops = ann.create_room(&Room {
        name: "ops",
        encrypted: true,
        invite: &members,
        ..Room::default()
    });
    let dev = ann.create_room(&Room {
        name: "dev",
        encrypted: false,
        invite: &members,
        ..Room::default()
    });
    [&ops, &dev].into_iter().for_each(|room| ben.join(room));

    println!("lab: starting the bot …");
    let mut bot = Bot::new(&lab, bot_account);
    bot.scripts = SCRIPTS.into();
    bot.configure(&[&bot.everybody()], &[&ops, &dev]);
    bot.login(&ann.id);
    bot.start();
    [&ops, &dev].into_iter().for_each(|room| ann.sees_join(room, &bot.account.id));

    println!(
        "
The lab is ready. With any Matrix client on this machine:

  homeserver  {homeserver}
  users       {ann}  password {ann_password}
              {ben}  password {ben_password}
  rooms       #ops (encrypted), #dev, and the bot's own management room, into which ann is invited
  bot         {bot}
  type        !help

  its files   {dir}  (scripts: {SCRIPTS})

Ctrl-C ends all of it and removes its files.",
        homeserver = lab.homeserver,
        ann = ann.id,
        ann_password = ann.password,
        ben = ben.id,
        ben_password = ben.password,
        bot = bot.account.id,
        dir = bot.dir.display(),
    );
    wait_for_the_end()?;
    println!("\nlab: stopping …");
    bot.stop();
    Ok(())
}

/// Waits for Ctrl-C or a request to stop.
fn wait_for_the_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut stop) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! { _ = interrupt.recv() => {}, _ = stop.recv() => {} }
        Ok(())
    })
}
