//! One room on two networks: two bridges carry it, each to an IRC network of its own.

use super::scene;
use crate::lab::{Bot, Chat, Event, Irc, IrcLab, Plain, Room, Said};

/// What an approval is asked for.
const SCRIPT: &str = r#"//! What takes two persons.
alias("deploy {app}", #{ help: "Deploy" }, |a| {
    approve(`deploy ${a.app}`, #{ role: "release", count: 2 });
    reply(`${a.app} deployed`);
});
"#;
/// What the second bridge calls its network.
const FAR: &str = "far";
/// The channel, on both.
const CHANNEL: &str = "#both";

/// A bot in a room that two bridges carry, its owner, and somebody on each network.
struct Both {
    lab: &'static IrcLab,
    bot: Bot<'static>,
    ann: Plain,
    ben: Plain,
    room: String,
    erin: Irc,
    dora: Irc,
}

impl Both {
    fn new() -> Both {
        let lab = IrcLab::shared();
        let (ann, ben) = (lab.lab.plain("ann"), lab.lab.plain("ben"));
        let bot = Both::bot(lab, &ann, &ben);
        let dora = lab.accounts().0.registers("Dora", "secret-of-dora");
        let room = String::new();
        let mut both = Both { erin: lab.person("Erin"), lab, bot, ann, ben, room, dora };
        both.carry();
        both
    }

    /// A bot that knows both bridges; what the second one shows is less.
    fn bot(lab: &'static IrcLab, ann: &Plain, ben: &Plain) -> Bot<'static> {
        let (second, name) = lab.second();
        let mut bot = scene::configured(lab);
        let profile = std::fs::read_to_string(lab.lab.dir.join("bridges/oftc/profile.toml"));
        let profile = profile.expect("it was written with the registration");
        bot.write("bridges/oftc/profile.toml", format!("{profile}\n[show]\nlines = 2\n"));
        let bridges = format!(
            "[bridges]\nfolder = {:?}\nuse = [\"heisenbridge\", \"{name}\"]",
            bot.dir.join("bridges")
        );
        let config = std::fs::read_to_string(bot.dir.join("beadle.toml")).expect("it is ours");
        let config = config.replace("[bridges]\nuse = [\"heisenbridge\"]", &bridges);
        let server = &lab.lab.server_name;
        let release = [
            ben.id.clone(),
            format!("@irc_lab_dora:{server}"),
            format!("@{name}_{FAR}_dora:{server}"),
        ];
        bot.write("beadle.toml", format!("{config}\n[roles]\nrelease = {release:?}\n"));
        bot.script("deploy.rhai", SCRIPT);
        bot.login(&ann.id);
        bot.start();
        let mask = format!("ADDMASK --admin {}", bot.account.id);
        lab.owner_says(&mask, "Mask added");
        second.owner_says(&mask, "Mask added");
        bot
    }

    /// Has both channels carried into one room.
    fn carry(&mut self) {
        let invite = [self.bot.account.id.as_str(), self.ben.id.as_str()];
        let room = Room { name: "both", invite: &invite, ..Room::default() };
        self.room = self.ann.create_room(&room);
        self.ann.sees_join(&self.room, &self.bot.account.id);
        self.ben.join(&self.room);
        self.erin.join(CHANNEL);
        self.dora.join(CHANNEL);
        let (near, far) = (self.lab.irc_port(), self.lab.accounts().0.port);
        let name = self.lab.second().1;
        for (bridge, network, port, nick) in
            [("heisenbridge", "lab", near, "nearbot"), (name, FAR, far, "farbot")]
        {
            let server = format!("127.0.0.1:{port}");
            let add = ["bridge", "add", "irc", "--bridge", bridge, "--network", network];
            let to = ["--server", &server, "--channel", CHANNEL, "--room", &self.room];
            let told = self.bot.run_expecting(0, &[&add[..], &to, &["--nick", nick]].concat());
            assert!(told.contains(&format!("its relay is {nick}")), "{told}");
        }
        self.erin.wait("nearbot!");
        self.dora.wait("farbot!");
    }

    /// What the log has of a kind.
    fn count(&self, kind: &str) -> usize {
        self.bot.events().iter().filter(|row| row["type"] == kind).count()
    }
}

/// What the relay says in a channel, up to `part`.
fn relayed(person: &mut Irc, part: &str) -> Vec<String> {
    let all: Vec<Said> = person.hears_all(part);
    let channel = all.iter().filter(|said| said.to == CHANNEL);
    channel.map(|said| said.text.clone()).collect()
}

#[test]
fn each_network_is_answered_once() {
    let mut both = Both::new();
    let checked = both.bot.run_expecting(0, &["bridge", "check", &both.room]);
    assert!(checked.contains("Its network is irc+oftc"), "{checked}");
    let status = both.bot.run_expecting(0, &["bridge", "status"]);
    assert!(status.contains("#both of lab: stands") && status.contains("#both of far: stands"));
    assert_eq!(status.matches("and the channel is there").count(), 2, "{status}");
    commands(&mut both);
    shown(&mut both);
    votes(&mut both);
}

/// A command of each: its network hears the answer, the other one the command and the answer, each once.
fn commands(both: &mut Both) {
    let (room, bot) = (both.room.clone(), both.bot.account.id.clone());
    both.erin.say(CHANNEL, "!ping");
    assert_eq!(relayed(&mut both.erin, "pong"), ["<beadle> Erin (lab): pong"]);
    assert_eq!(relayed(&mut both.dora, "pong"), ["<Erin> !ping", "<beadle> Erin (lab): pong"]);
    both.dora.say(CHANNEL, "!ping");
    assert_eq!(relayed(&mut both.dora, "pong"), ["<beadle> Dora (far): pong"]);
    assert_eq!(relayed(&mut both.erin, "pong"), ["<Dora> !ping", "<beadle> Dora (far): pong"]);
    both.ann.say(&room, "!ping");
    let want = ["<ann> !ping".to_owned(), "<beadle> ann: pong".to_owned()];
    assert_eq!(relayed(&mut both.erin, "pong"), want);
    assert_eq!(relayed(&mut both.dora, "pong"), want);
    let heard = |events: &[Event]| {
        let of_bot = events.iter().filter(|it| it.sender == bot && it.is_message());
        let answers = of_bot.map(|it| it.body().to_owned()).filter(|it| it.ends_with("pong"));
        let said: Vec<String> = answers.collect();
        said.last().is_some_and(|it| it == "ann: pong").then_some(said)
    };
    let said = both.ann.until(&room, "three answers", heard);
    assert_eq!(said, ["Erin (lab): pong", "Dora (far): pong", "ann: pong"], "each once");
    assert_eq!(both.count("execution_started"), 3, "what a bridge repeats is no command");
}

/// A long answer and many messages: both get what is recorded as said, in the least that both can show.
fn shown(both: &mut Both) {
    let (room, bot) = (both.room.clone(), both.bot.account.id.clone());
    both.erin.say(CHANNEL, "!count to 9");
    let near = relayed(&mut both.erin, "more lines");
    let more = near.last().expect("it ends with it").clone();
    assert!(more.starts_with("… 7 more lines: "), "{near:?}");
    let first = "<beadle> Erin (lab): line 1";
    assert_eq!(near, [first, "line 2", &more], "two lines, as the second profile says");
    assert_eq!(relayed(&mut both.dora, "more lines")[1..], near, "behind the command");
    both.dora.say(CHANNEL, "!say 6 times");
    let near = relayed(&mut both.erin, "message 6 of 6");
    let far = relayed(&mut both.dora, "message 6 of 6");
    let (asked, near) = near.split_first().expect("somebody asked for it");
    assert_eq!((asked.as_str(), near), ("<Dora> !say 6 times", far.as_slice()));
    let events = both.ann.until(&room, "what was said", |events| {
        let of_bot = events.iter().filter(|it| it.sender == bot && it.is_message());
        let said: Vec<String> = of_bot.map(|it| format!("<beadle> {}", it.body())).collect();
        said.last().is_some_and(|it| it.ends_with("message 6 of 6")).then_some(said)
    });
    assert_eq!(events[events.len() - 6..], far, "what the room has is what both networks have");
    let sent = both.bot.events();
    let of = |kind: &str| sent.iter().filter(|row| row["type"] == kind).count();
    assert_eq!((of("message_sent"), of("message_failed")), (events.len(), 0));
}

/// A vote from each network, under the same nick: only who is proven there has one.
fn votes(both: &mut Both) {
    let (room, bot) = (both.room.clone(), both.bot.account.id.clone());
    both.ann.say(&room, "!deploy shop");
    both.ann.hears(&room, &bot, "+1");
    both.erin.hears("+1");
    both.dora.hears("+1");
    // Nothing on the first network says who that is, whatever they are called.
    let mut other = both.lab.person("Dora");
    other.join(CHANNEL);
    other.say(CHANNEL, "nearbot: +1");
    other.hears("Dora (lab), I cannot tell who sent that");
    assert_eq!(both.count("approval_voted"), 0);
    both.dora.say(CHANNEL, "farbot: +1");
    both.dora.hears("one more person");
    both.ben.say(&room, "+1");
    for person in [&mut both.dora, &mut both.erin] {
        person.hears("shop deployed");
    }
    let rows = both.bot.events();
    let votes: Vec<&serde_json::Value> =
        rows.iter().filter(|row| row["type"] == "approval_voted").collect();
    let how: Vec<(&str, &str)> = votes
        .iter()
        .map(|row| (row["payload"]["network"].as_str(), row["payload"]["trust"].as_str()))
        .map(|(network, trust)| (network.unwrap_or_default(), trust.unwrap_or_default()))
        .collect();
    assert_eq!(how, [("oftc", "identified"), ("matrix", "account")], "{votes:#?}");
}
