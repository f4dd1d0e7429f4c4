//! Who somebody on IRC is by the account that their network's services know them by.

use super::scene;
use crate::lab::{Bot, Chat, Irc, IrcLab, Plain, Room};

/// What an approval is asked for.
const SCRIPT: &str = r#"//! What takes two persons.
alias("deploy {app}", #{ help: "Deploy" }, |a| {
    approve(`deploy ${a.app}`, #{ role: "release", count: 2 });
    reply(`${a.app} deployed`);
});
alias("wipe {db}", #{ help: "Wipe", role: "release" }, |a| {
    if confirm(`Wipe ${a.db}?`) { reply(`${a.db} is wiped`); } else { reply(`${a.db} is kept`); }
});
alias("provision {host}", #{ help: "Provision" }, |a| {
    let size = ask(`Which size for ${a.host}?`, #{ choices: ["small", "large"] });
    reply(`${a.host} is ${size}`);
});
alias("restart the fleet", #{ help: "Restart", role: "release" }, || reply("restarted"));
"#;

/// A bot that has set up its own connection to a network with accounts, in a plumbed channel.
struct Accounts {
    lab: &'static IrcLab,
    bot: Bot<'static>,
    ann: Plain,
    ben: Plain,
    room: String,
    erin: Irc,
}

impl Accounts {
    fn new() -> Accounts {
        let lab = IrcLab::shared();
        let (services, network) = lab.accounts();
        let (mut ann, ben) = (lab.lab.plain("ann"), lab.lab.plain("ben"));
        let mut bot = scene::configured(lab);
        let server = &lab.lab.server_name;
        let release = format!(
            "\n[roles]\nrelease = [\"{}\", \"@irc_{network}_diana:{server}\", \"@irc_{network}_opal:{server}\"]\n",
            ben.id
        );
        bot.append("beadle.toml", &release);
        bot.script("deploy.rhai", SCRIPT);
        bot.login(&ann.id);
        bot.start();
        lab.owner_says(&format!("ADDMASK --admin {}", bot.account.id), "Mask added");
        let room = ann.create_room(&Room {
            name: "prod",
            invite: &[&bot.account.id, &ben.id, &lab.bot()],
            ..Room::default()
        });
        ann.sees_join(&room, &bot.account.id);
        ben.join(&room);
        let mut erin = services.person("Erin");
        erin.raw("JOIN #prod");
        erin.wait(" 366 ");
        let at = format!("127.0.0.1:{}", services.port);
        let add = ["bridge", "add", "irc", "--network", network, "--server", &at];
        let to = ["--channel", "#prod", "--room", &room, "--nick", "acbot"];
        bot.run_expecting(0, &[&add[..], &to[..]].concat());
        erin.wait("acbot!");
        Accounts { lab, bot, ann, ben, room, erin }
    }

    /// Somebody in the channel, identified for an account if they have a password.
    fn comes(&self, nick: &str) -> Irc {
        let mut person = self.lab.accounts().0.person(nick);
        person.join("#prod");
        person
    }

    /// The checks of a nick that are recorded, as what they found.
    fn checks(&self, nick: &str) -> Vec<String> {
        let rows = self.bot.events();
        let of = |row: &&serde_json::Value| {
            row["type"] == "account_checked" && row["payload"]["nick"] == nick
        };
        rows.iter().filter(of).map(|row| row["payload"]["known"].to_string()).collect()
    }
}

#[test]
fn an_account_approves_from_irc_and_a_mere_nick_does_not() {
    let mut scene = Accounts::new();
    let (room, bot) = (scene.room.clone(), scene.bot.account.id.clone());
    let services = scene.lab.accounts().0;
    scene.ann.say(&room, "!deploy shop");
    scene.ann.hears(&room, &bot, "+1");
    scene.erin.hears("+1");
    scene.ben.say(&room, "+1");
    scene.ann.hears(&room, &bot, "one more person");

    // The nick of somebody who has an account, by somebody who is not identified for it.
    let diana = services.registers("diana", "secret-of-diana");
    diana.quit();
    let mut impostor = scene.comes("diana");
    impostor.say("#prod", "acbot: +1");
    impostor.hears("diana, I cannot tell who sent that");
    impostor.hears("nobody is identified as diana");
    assert_eq!(scene.checks("diana"), ["\"nobody\""]);
    impostor.quit();
    scene.erin.wait("QUIT");

    // Somebody who is identified, for another account than their nick says.
    let mut opal = services.registers("opal2", "secret-of-opal2");
    opal.join("#prod");
    opal.raw("NICK opal");
    opal.wait("NICK");
    opal.say("#prod", "acbot: +1");
    opal.hears("you are identified for the account opal2, not for opal");
    assert_eq!(scene.checks("opal"), ["\"other\""]);

    // Who is identified for the account of their nick.
    let mut diana = scene.comes("diana");
    diana.say("NickServ", "IDENTIFY secret-of-diana");
    diana.wait(" 900 ");
    diana.say("#prod", "acbot: +1");
    diana.hears("shop deployed");
    assert_eq!(scene.checks("diana"), ["\"nobody\"", "\"proven\""]);
    let rows = scene.bot.events();
    let votes: Vec<&serde_json::Value> =
        rows.iter().filter(|row| row["type"] == "approval_voted").collect();
    assert_eq!(votes.len(), 2, "{votes:#?}");
    assert_eq!(
        (&votes[1]["payload"]["network"], &votes[1]["payload"]["trust"]),
        (&"irc".into(), &"identified".into())
    );
    let called = votes[1]["payload"]["called"].as_str().unwrap_or_default();
    assert!(called.starts_with("diana (") && called.ends_with(')'), "{called}");

    // A role holds for as long as the services say so.
    diana.say("#prod", "!restart the fleet");
    diana.hears("restarted");
    diana.say("NickServ", "LOGOUT");
    diana.wait(" 901 ");
    diana.say("#prod", "!restart the fleet");
    let refused = diana.hears("role");
    assert!(!refused.text.contains("restarted"), "{refused:?}");
    diana.say("acbot", "!link");
    diana.hears("it cannot be linked");
    links(&mut scene, &mut diana);
    talks(&mut scene, &mut diana);
    is_not_answered_for(&mut scene, diana);
}

/// What an account was asked nobody answers who has the nick afterwards.
fn is_not_answered_for(scene: &mut Accounts, mut diana: Irc) {
    diana.say("#prod", "!wipe db1");
    diana.hears("Wipe db1?");
    diana.quit();
    scene.erin.wait("QUIT");
    let mut impostor = scene.comes("diana");
    impostor.say("#prod", "yes");
    impostor.hears("was asked of an account");
    impostor.hears("nobody is identified as diana");
    impostor.say("#prod", "!cancel");
    impostor.hears("nothing of yours runs or waits here");
    impostor.say("NickServ", "IDENTIFY secret-of-diana");
    impostor.wait(" 900 ");
    impostor.say("#prod", "yes");
    impostor.hears("db1 is wiped");
    let rows = scene.bot.events();
    let answered = rows.iter().filter(|row| row["type"] == "question_answered").count();
    assert_eq!(answered, 3, "by who was asked alone");
}

/// Diana and Ben turn out to be one person, who approves once.
fn links(scene: &mut Accounts, diana: &mut Irc) {
    let (room, bot) = (scene.room.clone(), scene.bot.account.id.clone());
    diana.say("NickServ", "IDENTIFY secret-of-diana");
    diana.wait(" 900 ");
    diana.say("acbot", "!link");
    let told = diana.hears("your code is");
    assert_eq!((told.to.as_str(), told.nick.as_str()), ("diana", "acbot"), "between the two");
    let code = told.text.split("your code is ").nth(1).and_then(|it| it.split(',').next());
    let code = code.expect(&told.text).to_owned();
    let id = format!("@irc_acc_diana:{}", scene.lab.lab.server_name);
    scene.ben.say(&room, &format!("!link {code} {id}"));
    diana.hears("Is that you?");
    diana.say("acbot", &format!("!link {code} yes"));
    diana.hears("one person now");
    scene.ann.say(&room, "!deploy site");
    scene.ann.hears(&room, &bot, "to deploy site");
    scene.ben.say(&room, "+1");
    diana.hears("to deploy site: approved by");
    diana.say("#prod", "acbot: +1");
    diana.hears("you have approved this one");
    assert!(!scene.bot.events().iter().any(|row| row.to_string().contains("site deployed")));
}

/// What was asked on IRC is answered in Matrix and the other way, by one person with an account on each.
fn talks(scene: &mut Accounts, diana: &mut Irc) {
    let (room, bot) = (scene.room.clone(), scene.bot.account.id.clone());
    diana.say("#prod", "!provision web1");
    diana.hears("Which size for web1?");
    scene.erin.say("#prod", "acbot: large");
    scene.erin.hears("Thanks Erin, but “Which size for web1?” is for");
    scene.ben.hears(&room, &bot, "Which size for web1?");
    scene.ben.say(&room, "large");
    diana.hears("web1 is large");

    scene.ben.say(&room, "!provision web2");
    diana.hears("Which size for web2?");
    diana.say("NickServ", "LOGOUT");
    diana.wait(" 901 ");
    diana.say("#prod", "acbot: small");
    diana.hears("“Which size for web2?” was asked of an account");
    diana.hears("nobody is identified as diana");
    diana.say("NickServ", "IDENTIFY secret-of-diana");
    diana.wait(" 900 ");
    diana.say("#prod", "acbot: small");
    scene.ben.hears(&room, &bot, "web2 is small");
    let rows = scene.bot.events();
    let answers: Vec<&serde_json::Value> =
        rows.iter().filter(|row| row["type"] == "question_answered").collect();
    let by: Vec<&str> = answers.iter().filter_map(|row| row["payload"]["by"].as_str()).collect();
    let diana = format!("@irc_acc_diana:{}", scene.lab.lab.server_name);
    assert_eq!(by, [scene.ben.id.as_str(), &diana], "{answers:#?}");
}
