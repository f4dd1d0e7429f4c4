//! `beadle bridge add`, `status` and `remove`: the bot sets its own channels up, on real servers.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::scene;
use crate::lab::{Bot, Chat, IrcLab, Plain, Room, free_port};

/// How long a command that was broken off may take to end.
const WITHIN: Duration = Duration::from_secs(60);

/// Speaks for a while.
const FIVE: &str = r#"//! Something that takes a while.
alias("five", #{ help: "Five steps", ack: false }, || {
    for i in 1..=5 {
        say(`step ${i} of 5`);
        sleep("3s");
    }
});
"#;

/// A bot, its owner, and what their channel is called.
struct Place {
    lab: &'static IrcLab,
    bot: Bot<'static>,
    ann: Plain,
    network: String,
    channel: String,
}

impl Place {
    fn new(name: &str) -> Place {
        Place::in_lab(IrcLab::shared(), name)
    }

    fn in_lab(lab: &'static IrcLab, name: &str) -> Place {
        Place::with(lab, name, "")
    }

    /// With more under `[bridges]` in the bot's configuration.
    fn with(lab: &'static IrcLab, name: &str, config: &str) -> Place {
        let ann = lab.lab.plain("ann");
        let mut bot = scene::configured(lab);
        bot.append("beadle.toml", config);
        bot.login(&ann.id);
        bot.start();
        Place { lab, bot, ann, network: format!("net{name}"), channel: format!("#{name}") }
    }

    /// The bridge lets the bot do everything.
    fn admitted(name: &str) -> Place {
        let place = Place::new(name);
        place.lab.owner_says(&place.mask(), "Mask added");
        place
    }

    fn mask(&self) -> String {
        format!("ADDMASK --admin {}", self.bot.account.id)
    }

    /// A room of people with the bot in it.
    fn room(&mut self) -> String {
        let (name, id) = (self.channel.clone(), self.bot.account.id.clone());
        let room = self.ann.create_room(&Room { name: &name, invite: &[&id], ..Room::default() });
        self.ann.sees_join(&room, &id);
        room
    }

    fn add(&self, port: u16, more: &[&str]) -> Vec<String> {
        let server = format!("127.0.0.1:{port}");
        let mut all = self.of("add");
        all.extend(["--server".into(), server]);
        all.extend(more.iter().map(|&it| it.to_owned()));
        all
    }

    fn of(&self, command: &str) -> Vec<String> {
        let words =
            ["bridge", command, "irc", "--network", &self.network, "--channel", &self.channel];
        words.map(str::to_owned).to_vec()
    }

    fn told(&self, status: i32, arguments: &[String]) -> String {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.bot.run_expecting(status, &arguments)
    }

    /// How many events there are of setting up.
    fn recorded(&self) -> usize {
        let rows = self.bot.events();
        let of = |row: &&Value| row["type"].as_str().is_some_and(|it| it.starts_with("bridge_"));
        rows.iter().filter(of).count()
    }
}

#[test]
fn a_channel_is_set_up_from_nothing_and_taken_down() {
    let mut place = Place::admitted("setup");
    let room = place.room();
    let mut erin = place.lab.person("Erinsetup");
    erin.join("#setup");
    let port = place.lab.irc_port();
    let add = place.add(port, &["--room", &room, "--nick", "rlsetup"]);
    let told = place.told(0, &add);
    let stands = format!("#setup of netsetup is the room {room}; its relay is rlsetup");
    assert!(told.contains(&stands), "{told}");
    erin.wait("rlsetup!");
    erin.say("#setup", "!ping");
    assert!(erin.hears("pong").text.ends_with("Erinsetup: pong"));

    let checked = place.told(0, &["bridge".into(), "check".into(), "#setup".into()]);
    assert!(checked.contains("heisenbridge was seen by"), "the room has this name: {checked}");

    let recorded = place.recorded();
    let again = place.told(0, &add);
    assert!(again.contains(&stands) && again.contains("nothing had to be done"), "{again}");
    assert_eq!(place.recorded(), recorded, "nothing is changed");
    let other = place.told(1, &place.add(port, &["--nick", "other"]));
    assert!(other.contains("remove it first"), "{other}");

    let status = place.told(0, &["bridge".into(), "status".into()]);
    assert!(status.contains("#setup of netsetup: stands since 20"), "{status}");
    assert!(status.contains("connected as rlsetup, and the channel is there"), "{status}");
    let status = place.told(0, &["--json".into(), "bridge".into(), "status".into()]);
    let row: Value = serde_json::from_str(&status).expect(&status);
    assert_eq!(row["stands"]["mode"], "plumbed", "{status}");
    assert_eq!((&row["now"]["connected"], &row["now"]["there"]), (&true.into(), &true.into()));

    for (word, wrong) in [("#setup", "#stup"), ("netsetup", "netstup")] {
        let of =
            place.of("remove").into_iter().map(|it| if it == word { wrong.into() } else { it });
        let told = place.told(1, &of.collect::<Vec<_>>());
        assert!(told.contains("was never set up"), "{told}");
        assert!(told.contains("there are #setup of netsetup: look at how"), "{told}");
    }
    assert_eq!(place.recorded(), recorded, "a name that is written wrongly is not recorded");
    // What it hears of a channel that is carried the bridge says in the room for the network.
    erin.raw("KICK #setup rlsetup :enough");
    place.bot.records("bridge_channel_lost", 1);
    erin.raw("INVITE rlsetup #setup");
    erin.wait(" JOIN :#setup");
    place.bot.records("bridge_channel_back", 1);

    let removed = place.told(0, &place.of("remove"));
    assert!(removed.contains("#setup of netsetup is not set up any more"), "{removed}");
    let line = erin.wait(":rlsetup!");
    let gone = line.contains("PART #setup") || line.contains(" QUIT ");
    assert!(gone, "it is gone from the channel: {line}");
    let again = place.told(0, &place.of("remove"));
    assert!(again.contains("nothing had to be done"), "{again}");
    let status = place.told(0, &["bridge".into(), "status".into()]);
    assert!(status.contains("No channel is set up"), "{status}");
}

#[test]
fn alone_the_bot_has_a_nick_of_its_own() {
    let place = Place::admitted("alone");
    let mut erin = place.lab.person("Erinalone");
    erin.join("#alone");
    let told = place.told(0, &place.add(place.lab.irc_port(), &["--nick", "alonebot"]));
    assert!(told.contains("; the bot is alonebot"), "{told}");
    erin.wait("alonebot!");
    erin.say("#alone", "!ping");
    let answer = erin.hears("pong");
    assert_eq!((answer.nick.as_str(), answer.text.as_str()), ("alonebot", "Erinalone: pong"));
    let status = place.told(0, &["bridge".into(), "status".into()]);
    assert!(
        status.contains("private, in !") && status.contains("connected as alonebot"),
        "{status}"
    );
    place.told(0, &place.of("remove"));
    let line = erin.wait(":alonebot!");
    // It leaves the channel, and the network with its last channel: which line comes first is the bridge's.
    assert!(line.contains("PART #alone") || line.contains(" QUIT "), "{line}");
}

#[test]
fn a_nick_that_somebody_has_is_told_with_the_one_instead() {
    let mut place = Place::admitted("taken");
    let mut tom = place.lab.person("takenbot");
    tom.join("#taken");
    let add = place.add(place.lab.irc_port(), &["--nick", "takenbot"]);
    let instead = "takenbot is in use on nettaken: the bot is takenbot_";
    let told = place.told(0, &add);
    assert!(told.contains("; the bot is takenbot_. ") && told.contains(instead), "{told}");
    let again = place.told(0, &add);
    assert!(again.contains(instead) && again.contains("nothing had to be done"), "{again}");
    place.bot.records("message_queued", 1);
    let rows = place.bot.events();
    let is = |row: &&Value| row["type"] == "message_queued" && row.to_string().contains(instead);
    assert_eq!(rows.iter().filter(is).count(), 1, "the owner is told once");
}

#[test]
fn a_wrong_port_is_told_in_time_and_the_right_one_mends_it() {
    let mut place = Place::admitted("wrong");
    let room = place.room();
    let more = ["--room", room.as_str(), "--nick", "rlwrong"];
    let began = Instant::now();
    let told = place.told(1, &place.add(free_port(), &more));
    assert!(began.elapsed() < Duration::from_secs(75), "{:?}", began.elapsed());
    assert!(told.contains("failed at connecting") && told.contains("Failed to connect"), "{told}");
    assert!(told.contains("see that the server and its port are right"), "{told}");
    let status = place.told(0, &["bridge".into(), "status".into()]);
    assert!(status.contains("#wrong of netwrong: failed"), "{status}");
    let told = place.told(0, &place.add(place.lab.irc_port(), &more));
    assert!(told.contains("its relay is rlwrong"), "{told}");
}

#[test]
fn a_channel_that_lets_nobody_in_is_told_and_tried_no_more() {
    for carried in [true, false] {
        let name = if carried { "shut" } else { "shutalone" };
        let mut place = Place::admitted(name);
        let (channel, nick) = (place.channel.clone(), format!("rl{name}"));
        let mut erin = place.lab.person(&format!("Erin{name}"));
        erin.join(&channel);
        erin.raw(&format!("MODE {channel} +i"));
        erin.wait(&format!("MODE {channel} +i"));
        let mut more = vec!["--nick".to_owned(), nick.clone()];
        if carried {
            more.extend(["--room".to_owned(), place.room()]);
        }
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let add = place.add(place.lab.irc_port(), &more);
        let told = place.told(1, &add);
        assert!(told.contains("failed at whether the network lets it in"), "{told}");
        assert!(told.contains(&format!("into {channel}: Cannot join channel (+i)")), "{told}");
        assert!(told.contains(&format!("MODE {channel} -i")) && told.contains(&nick), "{told}");
        let rows = place.bot.events();
        let left = rows.iter().any(|row| row["payload"]["told"] == format!("UNPLUMB {channel}"));
        assert_eq!(left, carried, "nothing is left that would join again");
        erin.raw(&format!("MODE {channel} -i"));
        erin.wait(&format!("MODE {channel} -i"));
        let told = place.told(0, &add);
        assert!(told.contains(" is the room !") && told.contains(&nick), "{told}");
        // It stands only when the network has let it in: she need not wait.
        erin.say(&channel, "!ping");
        assert!(erin.hears("pong").text.ends_with(&format!("Erin{name}: pong")));
    }
}

#[test]
fn who_may_not_is_told_what_the_owner_has_to_say() {
    let mut place = Place::new("mask");
    let room = place.room();
    let add = place.add(place.lab.irc_port(), &["--room", &room, "--nick", "rlmask"]);
    let told = place.told(1, &add);
    assert!(told.contains(&format!("`{}`", place.mask())), "{told}");
    // As somebody who may only open networks the bot still cannot make one known.
    let id = place.bot.account.id.clone();
    place.lab.owner_says(&format!("ADDMASK {id}"), "Mask added");
    let told = place.told(1, &add);
    assert!(told.contains(&format!("`DELMASK {id}`")), "{told}");
    place.lab.owner_says(&format!("DELMASK {id}"), "Mask removed");
    place.lab.owner_says(&place.mask(), "Mask added");
    let told = place.told(0, &add);
    assert!(told.contains("its relay is rlmask"), "{told}");
}

#[test]
fn a_kill_in_the_middle_does_not_end_it() {
    let mut place = Place::admitted("kill");
    let room = place.room();
    let mut erin = place.lab.person("Erinkill");
    erin.join("#kill");
    // A server that lets nobody in until the bot is dead.
    let door = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = door.local_addr().expect("it has one").port();
    let add = place.add(port, &["--room", &room, "--nick", "rlkill"]);
    let add: Vec<&str> = add.iter().map(String::as_str).collect();
    let mut begun = place.bot.begin(&add);
    let (first, _) = door.accept().expect("the bridge connects");
    place.bot.kill9();
    assert!(begun.ends_within(WITHIN).is_some_and(|status| !status.success()));
    let told = place.told(1, &add.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
    assert!(told.contains("start `beadle run`"), "{told}");
    let server = place.lab.irc_port();
    thread::spawn(move || {
        let later = door.incoming().map_while(Result::ok);
        std::iter::once(first).chain(later).for_each(|client| pass_on(client, server));
    });
    place.bot.start();
    place.bot.records("bridge_stands", 1);
    erin.say("#kill", "!ping");
    assert!(erin.hears("pong").text.ends_with("Erinkill: pong"));
}

/// Passes on what a client and a server say to each other, until one of them goes.
fn pass_on(client: TcpStream, port: u16) {
    let server = TcpStream::connect(("127.0.0.1", port)).expect("the server runs");
    let again = |stream: &TcpStream| stream.try_clone().expect("a socket of ours");
    let ways = [(again(&client), again(&server)), (server, client)];
    for (mut from, mut to) in ways {
        thread::spawn(move || {
            // Whichever way ends first ends the other.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

#[test]
fn a_password_is_deleted_behind_it_and_recorded_nowhere() {
    const SECRET: &str = "correct;horse \"battery";
    let mut place = Place::admitted("secret");
    let more = ["--nick", "secretbot", "--sasl-env", "IRC_PASSWORD"];
    let add = place.add(place.lab.irc_port(), &more);
    let told = place.told(1, &add);
    assert!(told.contains("no variable IRC_PASSWORD"), "{told}");
    place.bot.stop();
    place.bot.environment.push(("IRC_PASSWORD".into(), SECRET.into()));
    place.bot.start();
    // This server knows no passwords: that the bridge tries it shows that it has one.
    let told = place.told(1, &add);
    assert!(told.contains("SASL requested but server does not support it"), "{told}");
    let rows = place.bot.events();
    let step = |step: &str| rows.iter().find(|row| row["payload"]["step"] == step);
    let sasl = step("sasl").expect("it was told");
    assert_eq!(sasl["payload"]["outcome"], "done", "{sasl}");
    assert!(!rows.iter().any(|row| row.to_string().contains("horse")), "the log has it");
    let stderr = std::fs::read_to_string(place.bot.log_path()).expect("it has one");
    assert!(!stderr.contains("horse") && !told.contains("horse"));
    let network = step("network_room").and_then(|row| row["payload"]["room"].as_str());
    let network = network.expect("it was made").to_owned();
    let bot = place.bot.account.id.clone();
    let texts = place.bot.account.until(&network, "what was said there", |events| {
        let connected = events.iter().any(|it| it.sender == bot && it.body() == "CONNECT");
        connected.then(|| events.iter().map(|it| it.content.to_string()).collect::<Vec<_>>())
    });
    assert!(!texts.iter().any(|it| it.contains("horse")), "{texts:#?}");
    assert!(texts.iter().any(|it| it.contains("SASL credentials updated")), "{texts:#?}");
}

#[test]
fn a_network_that_is_lost_and_comes_back_is_told_to_the_owner() {
    // Servers of its own, which nobody else misses when they are killed.
    let mut place = Place::in_lab(Box::leak(Box::new(IrcLab::start())), "lost");
    place.lab.owner_says(&place.mask(), "Mask added");
    let room = place.room();
    let more = ["--room", room.as_str(), "--nick", "rllost"];
    place.told(0, &place.add(place.lab.irc_port(), &more));
    place.lab.restart_ircd();
    place.bot.records("bridge_lost", 1);
    place.bot.records("bridge_back", 1);
    // A bridge that is killed cannot say so; that it begins anew does.
    place.lab.restart_bridge();
    place.bot.records("bridge_lost", 2);
    place.bot.records("bridge_back", 2);
    let rows = place.bot.events();
    let said = |part: &str| {
        let is = |row: &&Value| row["type"] == "message_queued" && row.to_string().contains(part);
        rows.iter().filter(is).count()
    };
    assert_eq!((said("netlost is lost"), said("netlost is there again")), (2, 2));
    assert_eq!(said("The bridge has begun anew"), 1);
}

#[test]
fn a_bridge_that_dies_is_told_at_once_and_each_change_once() {
    let lab: &'static IrcLab = Box::leak(Box::new(IrcLab::start()));
    let at = format!("at = {{ heisenbridge = \"{}\" }}\nask_every = \"1s\"\n", lab.listen);
    let mut place = Place::with(lab, "dead", &at);
    place.lab.owner_says(&place.mask(), "Mask added");
    let room = place.room();
    let more = ["--room", room.as_str(), "--nick", "rldead"];
    place.told(0, &place.add(place.lab.irc_port(), &more));
    let mut erin = place.lab.person("Erindead");
    erin.join("#dead");
    place.lab.kill_bridge();
    erin.wait(" QUIT ");
    // Nobody starts it again: the bot finds out by itself.
    place.bot.records("bridge_silent", 1);
    let status = place.told(0, &["bridge".into(), "status".into()]);
    assert!(status.contains("the bridge heisenbridge: silent since 20"), "{status}");
    place.bot.stop();
    place.bot.start();
    place.lab.start_bridge();
    place.bot.records("bridge_answers", 1);
    place.bot.records("bridge_back", 1);
    erin.wait(" JOIN ");
    erin.say("#dead", "!create vm web1 on aws");
    erin.hears("web1 is up");
    let rows = place.bot.events();
    let count = |kind: &str| rows.iter().filter(|row| row["type"] == kind).count();
    let kinds = ["bridge_silent", "bridge_answers", "bridge_lost", "bridge_back", "effect_started"];
    assert_eq!(kinds.map(count), [1, 1, 0, 1, 1], "each once");
    let said = |part: &str| {
        let is = |row: &&Value| row["type"] == "message_queued" && row.to_string().contains(part);
        rows.iter().filter(is).count()
    };
    assert_eq!(said("heisenbridge is silent: no connection"), 1);
    assert_eq!(said("Until it runs again nobody on netdead is heard"), 1);
    assert_eq!((said("heisenbridge answers again"), said("netdead is there again")), (1, 1));
}

#[test]
fn what_is_said_while_a_network_is_lost_arrives_once() {
    let mut place = Place::in_lab(Box::leak(Box::new(IrcLab::start())), "five");
    place.lab.owner_says(&place.mask(), "Mask added");
    place.bot.stop();
    place.bot.script("five.rhai", FIVE);
    place.bot.start();
    place.told(0, &place.add(place.lab.irc_port(), &["--nick", "fivebot"]));
    let mut erin = place.lab.person("Erinfive");
    erin.join("#five");
    erin.say("#five", "!five");
    erin.hears_all("step 1 of 5");
    place.lab.restart_ircd();
    let mut erin = place.lab.person("Erinfive");
    erin.join("#five");
    place.bot.records("bridge_lost", 1);
    let said = erin.hears_all("step 5 of 5");
    let steps: Vec<&str> = said.iter().map(|it| it.text.as_str()).collect();
    let steps: Vec<&str> = steps.into_iter().filter(|it| it.starts_with("step ")).collect();
    assert_eq!(steps, ["step 2 of 5", "step 3 of 5", "step 4 of 5", "step 5 of 5"]);
    place.bot.records("bridge_back", 1);
}

#[test]
fn who_is_thrown_out_waits_and_comes_back() {
    let mut place = Place::admitted("kicked");
    place.bot.script("five.rhai", FIVE);
    let mut erin = place.lab.person("Erinkicked");
    erin.join("#kicked");
    place.told(0, &place.add(place.lab.irc_port(), &["--nick", "kickedbot"]));
    erin.wait("kickedbot!");
    erin.say("#kicked", "!five");
    erin.hears("step 1 of 5");
    erin.raw("KICK #kicked kickedbot :enough");
    place.bot.records("bridge_channel_lost", 1);
    let status = place.told(0, &["bridge".into(), "status".into()]);
    assert!(status.contains("out of it and tries to come back: You were kicked"), "{status}");
    let told = place.told(1, &place.add(place.lab.irc_port(), &["--nick", "kickedbot"]));
    assert!(told.contains("kickedbot is out of it"), "{told}");
    erin.raw("INVITE kickedbot #kicked");
    place.bot.records("bridge_channel_back", 1);
    let mut steps = vec![];
    for step in 2..=5 {
        steps.push(erin.hears(&format!("step {step} of 5")).text);
    }
    assert_eq!(steps.len(), 4, "{steps:?}");
    // Nobody without voice is heard.
    erin.raw("MODE #kicked +m");
    erin.wait("MODE #kicked +m");
    erin.say("#kicked", "!ping");
    place.bot.records("bridge_channel_lost", 2);
    let status = place.told(0, &["bridge".into(), "status".into()]);
    assert!(status.contains("what the bot says is not taken there"), "{status}");
    let rows = place.bot.events();
    let said = |part: &str| {
        let is = |row: &&Value| row["type"] == "message_queued" && row.to_string().contains(part);
        rows.iter().filter(is).count()
    };
    assert_eq!(said("I am out of #kicked of netkicked"), 1);
    assert_eq!(said("I am in #kicked of netkicked again"), 1);
    assert_eq!(said("#kicked of netkicked does not take what I say"), 1);
}

#[test]
fn what_is_lost_of_several_rooms_at_once_is_told() {
    const LINES: usize = 12;
    let mut place = Place::in_lab(Box::leak(Box::new(IrcLab::start())), "twelve");
    place.lab.owner_says(&place.mask(), "Mask added");
    let script = format!(
        "//! Much at once.\nalias(\"much\", #{{ help: \"Much\", ack: false }}, || {{\n    for i in 1..={LINES} {{ say(`part ${{i}} of it`); }}\n}});\n"
    );
    place.bot.script("much.rhai", &script);
    let channels = ["#twelve", "#dozen"];
    for channel in channels {
        let of = place.add(place.lab.irc_port(), &["--nick", "muchbot"]);
        let of = of.into_iter().map(|it| if it == "#twelve" { channel.to_owned() } else { it });
        place.told(0, &of.collect::<Vec<_>>());
    }
    let mut erin = place.lab.person("Erinmuch");
    for channel in channels {
        erin.join(channel);
    }
    // Of each channel: the parts that were heard there, in their order.
    let mut heard: [Vec<usize>; 2] = [vec![], vec![]];
    let mut missed = [0, 0];
    let mut take = |said: &[crate::lab::Said]| {
        for it in said {
            let Some(at) = channels.iter().position(|channel| it.to == **channel) else { continue };
            let number = it.text.split_whitespace().find_map(|word| word.parse::<usize>().ok());
            match (it.text.starts_with("part "), it.text.contains("may not have arrived")) {
                (true, _) => heard[at].push(number.expect("it has one")),
                (_, true) => missed[at] += number.unwrap_or(1),
                _ => {}
            }
        }
    };
    for channel in channels {
        erin.say(channel, "!much");
    }
    take(&erin.hears_all("part 4 of it"));
    place.lab.restart_ircd();
    take(&erin.rest());
    let mut erin = place.lab.person("Erinmuch");
    for channel in channels {
        erin.join(channel);
    }
    // It stands behind what waited.
    take(&erin.hears_all("may not have arrived"));
    take(&erin.hears_all("may not have arrived"));
    place.bot.records("bridge_back", 1);
    for (heard, missed) in heard.iter().zip(missed) {
        assert!(heard.is_sorted(), "{heard:?}");
        let lost = LINES - heard.len();
        assert_eq!(heard.last(), Some(&LINES), "{heard:?}");
        assert!(lost <= missed, "{lost} are lost, of {missed} it is told: {heard:?}");
    }
}
