//! The bot as its service manager and its operator have it: signals, reloads, signs of life.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::invites::managed;
use super::scene::{Scene, answer};
use crate::lab::{Bot, Chat, Lab, Plain, Room};

/// How long the bot may take to stop in order.
const STOPS_WITHIN: Duration = Duration::from_secs(10);
/// How long the service manager waits for one message.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// An action that takes much longer than a stop may.
const LONG: &str = r#"//! Takes its time.
action("long", #{ run: ["./long.sh"], output: "text", timeout: "200s", effect: "once" });
alias("long", || { exec("long", #{}); reply("long-end"); });
"#;

/// An action, which may run in listed rooms only.
const TOUCH: &str = r#"//! Runs an action.
action("touch", #{ run: ["./touch.sh"], output: "text", effect: "read" });
alias("touch {n}", |a, msg| reply(`done-${a.n}-${exec("touch")}`));
"#;

/// Ann and a bot with an action that says in the file `began` that it began.
fn busy() -> Scene<Plain> {
    let mut scene = Scene::plain(|bot| {
        let began = bot.dir.join("began");
        bot.script("long.rhai", LONG);
        bot.executable(
            "long.sh",
            &format!("#!/bin/sh\necho >{}\nexec sleep 150\n", began.display()),
        );
    });
    scene.say("!long");
    let began = scene.bot.dir.join("began");
    let deadline = Instant::now() + TOLD_WITHIN;
    while !began.exists() {
        assert!(Instant::now() < deadline, "the action does not begin");
        scene.bot.runs_on_for(Duration::from_millis(20));
    }
    scene
}

#[test]
fn the_first_signal_stops_in_order_within_its_time() {
    let mut scene = busy();
    let begun = Instant::now();
    scene.bot.signal(Signal::SIGTERM);
    let status = scene.bot.ends_within(STOPS_WITHIN);
    println!("stopped in {:?} with an action under way", begun.elapsed());
    assert!(status.success(), "{status}");
    scene.bot.run_expecting(0, &["log", "verify"]);
}

#[test]
fn the_second_signal_stops_at_once() {
    let mut scene = busy();
    scene.bot.signal(Signal::SIGTERM);
    // The action keeps it from stopping at once by itself.
    scene.bot.runs_on_for(Duration::from_millis(300));
    let begun = Instant::now();
    scene.bot.signal(Signal::SIGTERM);
    let status = scene.bot.ends_within(Duration::from_secs(3));
    println!("stopped in {:?} after the second signal", begun.elapsed());
    assert_eq!(status.code(), Some(1), "{status}");
    scene.bot.start();
    scene.bot_says("do not know whether it was done");
}

#[test]
fn the_service_manager_hears_how_it_goes() {
    let mut scene = Scene::plain(|_| {});
    scene.bot.stop();
    let path = scene.bot.dir.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a short enough path");
    socket.set_read_timeout(Some(TOLD_WITHIN)).expect("a socket of ours");
    let hears = |wanted: &str| {
        let mut bytes = [0; 512];
        loop {
            let length = socket.recv(&mut bytes);
            let length = length.unwrap_or_else(|why| panic!("waiting for {wanted}: {why}"));
            let told = String::from_utf8_lossy(&bytes[..length]).into_owned();
            println!("{}", told.replace('\n', " "));
            if told.lines().any(|line| line.starts_with(wanted)) {
                return told;
            }
        }
    };
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    scene.bot.environment = vec![
        variable("NOTIFY_SOCKET", &path.display().to_string()),
        variable("WATCHDOG_USEC", "300000"),
    ];
    scene.bot.start();
    let ready = hears("READY=1");
    assert!(ready.contains(&format!("STATUS=Listening as {}", scene.bot.account.id)), "{ready}");
    hears("WATCHDOG=1");
    scene.bot.signal(Signal::SIGHUP);
    let reloading = hears("RELOADING=1");
    let usec = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(usec.is_some_and(|usec| usec.parse().is_ok_and(|usec: u64| usec > 0)), "{reloading}");
    hears("READY=1");
    hears("WATCHDOG=1");
    scene.bot.signal(Signal::SIGTERM);
    hears("STOPPING=1");
    assert!(scene.bot.ends_within(STOPS_WITHIN).success());
}

#[test]
fn a_hang_up_reloads_configuration_and_scripts() {
    let mut scene = Scene::plain(|_| {});
    let (bot, home) = (scene.bot.account.id.clone(), scene.bot.everybody());
    // A management room that a plain client can read.
    let (room, homeserver) = (scene.room.clone(), scene.bot.account.homeserver.clone());
    let policy = scene.bot.dir.join("policy");
    let configure = |scene: &Scene<Plain>, text: &str| {
        // Ann is faster than a person.
        let config = format!(
            "[limits]\nstop_rings = false\n\n[matrix]\nhomeserver = {homeserver:?}\nmanagement_room = {room:?}\n\n[invites]\nallow = [{home:?}]\n\n[policy]\nfolder = {policy:?}\n\n[web]\nlisten = \"127.0.0.1:0\"\n\n{text}"
        );
        scene.bot.write("beadle.toml", config);
    };
    let hears = |scene: &mut Scene<Plain>, part: &str| {
        let room = scene.room.clone();
        scene.ann.hears(&room, &bot, part)
    };
    // The bot has seen the room that it is to report to.
    scene.bot_is_well(0);
    // A new alias works, another prefix too, and the owner is told.
    configure(&scene, "[bot]\nprefix = \"?\"\n");
    scene.bot.script("new.rhai", "//! New.\nalias(\"novel\", || reply(\"brand-new\"));\n");
    scene.bot.signal(Signal::SIGHUP);
    hears(&mut scene, "Reloaded: 2 scripts, 2 commands. (");
    scene.say("?novel");
    hears(&mut scene, "brand-new");
    // A broken script stays as it was; the others are reloaded.
    scene.bot.script("echo.rhai", "alias(");
    scene.bot.script("new.rhai", "//! New.\nalias(\"novel\", || reply(\"even-newer\"));\n");
    scene.bot.signal(Signal::SIGHUP);
    let told = hears(&mut scene, "This one stays as it was.");
    assert!(told.body().contains("echo.rhai:1:"), "{}", told.body());
    scene.say("?novel");
    hears(&mut scene, "even-newer");
    scene.say("?echo 7");
    hears(&mut scene, &answer(7));
    // A bad configuration changes nothing.
    configure(&scene, "[bot]\nprefix = \"%\"\nprefx = \"%\"\n");
    scene.bot.signal(Signal::SIGHUP);
    let told = hears(&mut scene, "Not reloaded, all is as it was");
    assert!(told.body().contains("did you mean `prefix`?"), "{}", told.body());
    scene.say("?echo 8");
    hears(&mut scene, &answer(8));
    // What needs a restart is said.
    scene.bot.script("plenty.rhai", "alias(\"plenty\", || reply(\"plenty-of-it\"));\n");
    configure(&scene, "[bot]\nprefix = \"?\"\n[paths]\nscripts = \"elsewhere\"\n");
    scene.bot.signal(Signal::SIGHUP);
    hears(&mut scene, "These changes wait for a restart: paths.scripts.");
    scene.say("?plenty");
    hears(&mut scene, "plenty-of-it");
}

#[test]
fn a_name_that_is_taken_from_a_room_counts_no_more_after_a_reload() {
    let lab = Lab::shared();
    let mut ann = lab.plain("ann");
    let mut bot = Bot::new(lab, lab.plain("beadle"));
    bot.script("touch.rhai", TOUCH);
    bot.executable("touch.sh", "#!/bin/sh\necho touched\n");
    let boss = managed(&mut ann, &mut bot);
    let bot_id = bot.account.id.clone();
    let room = ann.create_room(&Room { name: "ops", invite: &[&bot_id], ..Room::default() });
    ann.sees_join(&room, &bot_id);
    let alias = ann.publish(&room, "ops");
    bot.configure(&[&ann.id], &[&alias]);
    bot.configure_more("matrix", &format!("management_room = {boss:?}"));
    bot.signal(Signal::SIGHUP);
    ann.hears(&boss, &bot_id, "Reloaded: 2 scripts");
    ann.say(&room, "!touch 1");
    ann.hears(&room, &bot_id, "done-1-touched");
    ann.unpublish(&alias);
    bot.script("one-more.rhai", "//! More.\nalias(\"more\", || reply(\"more\"));\n");
    bot.signal(Signal::SIGHUP);
    ann.hears(&boss, &bot_id, "Reloaded: 3 scripts");
    ann.say(&room, "!touch 2");
    ann.hears(&room, &bot_id, "policy `exec-rooms` forbids it");
}
