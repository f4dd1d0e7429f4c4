//! What these tests begin with: a bot in a room that is a channel on IRC, and somebody there.

use crate::lab::{Bot, Irc, IrcLab, Plain, Said};

/// What the scripts of these tests offer.
const SCRIPT: &str = r#"//! What IRC has to show.
action("cloud.create_vm", #{
    run: ["./create_vm.py"], params: #{ hostname: "string" }, output: "json", timeout: "30s",
});
alias("create vm {hostname} on {provider: aws | rackspace}", #{ help: "Create a machine" }, |vm, msg| {
    let status = progress(`on it, execution ${execution()}`);
    let made = exec("cloud.create_vm", #{ hostname: vm.hostname });
    status.update(`${made.id} is booting`, 40);
    status.done(`${vm.hostname} is up (${made.id})`);
});
alias("count to {n:int}", #{ help: "Count" }, |a, msg| {
    let lines = [];
    for i in 1..=a.n { lines.push(`line ${i}`); }
    reply(lines.reduce(|all, line| if all == () { line } else { all + "\n" + line }));
});
alias("long word", #{ help: "A long word" }, || {
    let word = "x";
    word.pad(1199, "x");
    reply(word + "z");
});
alias("states", #{ help: "A table" }, || {
    reply(table([["service", "state"], ["web", "up"], ["database", "down"]]));
});
alias("show code", #{ help: "Code" }, || reply(code("let a = 1;\nlet b = 2;", "rust")));
alias("say {n:int} times", #{ help: "Many messages" }, |a| {
    for i in 1..=a.n { say(`message ${i} of ${a.n}`); }
});
alias("restart everything", #{ help: "Restart", role: "ops" }, || reply("restarted"));
alias("ping", #{ help: "Ping" }, || reply("pong"));
"#;

const CREATE_VM: &str = r#"#!/usr/bin/env python3
import json, sys
asked = json.load(sys.stdin)
json.dump({"id": "vm-of-" + asked["hostname"]}, sys.stdout)
"#;

/// A running bot in a plumbed room, its owner there, and Erin in the channel.
pub struct Scene {
    pub lab: &'static IrcLab,
    pub bot: Bot<'static>,
    pub ann: Plain,
    pub room: String,
    pub channel: String,
    pub erin: Irc,
}

impl Scene {
    /// In a channel of this name; the relay and Erin have nicks of the same name.
    pub fn plumbed(name: &str) -> Scene {
        Scene::with(name, |_| String::new())
    }

    /// With servers of its own, which nobody else misses when they are killed.
    pub fn apart(name: &str) -> Scene {
        Scene::in_lab(Box::leak(Box::new(IrcLab::start())), name, "")
    }

    /// The same with more in the bot's configuration, which knows the homeserver's name.
    pub fn with(name: &str, config: impl Fn(&str) -> String) -> Scene {
        let lab = IrcLab::shared();
        Scene::in_lab(lab, name, &config(&lab.lab.server_name))
    }

    fn in_lab(lab: &'static IrcLab, name: &str, config: &str) -> Scene {
        let mut ann = lab.lab.plain("ann");
        let mut bot = configured(lab);
        bot.append("beadle.toml", config);
        bot.login(&ann.id);
        bot.start();
        let relay = format!("rl{name}");
        let network = lab.connect(&mut ann, &relay);
        let channel = format!("#{name}");
        let mut erin = lab.person(&format!("Erin{name}"));
        erin.join(&channel);
        let room = lab.plumb(&mut ann, &network, &channel, &[&bot.account.id]);
        ann.sees_join(&room, &bot.account.id);
        bot.records("room_bridged", 1);
        erin.wait(&format!("{relay}!"));
        Scene { lab, bot, ann, room, channel, erin }
    }

    /// Erin says something in the channel.
    pub fn says(&mut self, text: &str) {
        self.erin.say(&self.channel, text);
    }

    /// What is said in the channel until `part`, without what the bridge puts before it.
    pub fn hears_all(&mut self, part: &str) -> Vec<Said> {
        let mut all = self.erin.hears_all(part);
        for said in &mut all {
            said.text = said.text.strip_prefix("<beadle> ").unwrap_or(&said.text).to_owned();
        }
        all
    }
}

/// A bot that is started and belongs to somebody.
pub fn bot(lab: &'static IrcLab, owner: &Plain) -> Bot<'static> {
    let mut bot = configured(lab);
    bot.login(&owner.id);
    bot.start();
    bot
}

/// A bot that is not started, with the scripts of these tests.
pub fn configured(lab: &'static IrcLab) -> Bot<'static> {
    let bot = Bot::new(&lab.lab, lab.lab.plain("beadle"));
    bot.script("irc.rhai", SCRIPT);
    bot.executable("create_vm.py", CREATE_VM);
    bot.configure(&[&bot.everybody()], &[]);
    // Here whoever is in the channel may run what is harmless.
    bot.write("policy/50-exec.cedar", "");
    bot.append("beadle.toml", "\n[bridges]\nuse = [\"heisenbridge\"]\nnames = [\"opsbot\"]\n");
    bot
}
