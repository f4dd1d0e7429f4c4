//! The bot is killed at random moments of a burst: everything is answered once, no effect happens twice.
//!
//! `make torture` does many more kills; `BEADLE_SEED=n` repeats the moments of a run.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::scene::{IN_DOUBT, Scene, answers};
use crate::lab::{Bot, Chat, Event, Lab};

/// How hard a run is.
struct Size {
    commands: u32,
    kills: u32,
    within: Duration,
}

const NORMAL: Size = Size { commands: 100, kills: 5, within: Duration::from_secs(240) };
const NORMAL_ENCRYPTED: Size = Size { commands: 40, kills: 2, within: Duration::from_secs(240) };
/// Four bursts of a hundred, and twenty kills in them.
const TORTURE: Size = Size { commands: 400, kills: 20, within: Duration::from_secs(1200) };

/// The longest between the answer that starts a kill and the kill.
const JITTER_MS: u64 = 400;

/// Every second command has an effect that must not happen twice.
const COUNT: &str = r#"//! Counts in a file.
action("count", #{ run: ["./count.sh", "{n}"], params: #{ n: "string" }, output: "text", timeout: "30s", effect: "once" });
alias("count {n}", |a, msg| {
    exec("count", #{ n: a.n });
    reply(`answer-${a.n}-end`);
});
"#;

#[test]
fn killed_in_a_burst_the_bot_answers_all_and_does_nothing_twice() {
    let scene = Scene::plain(prepare);
    let sender = scene.ann.clone();
    killed_in_a_burst(scene, sender, &size(NORMAL));
}

#[test]
fn killed_in_a_burst_in_an_encrypted_room_the_bot_answers_all_and_does_nothing_twice() {
    let mut scene = Scene::encrypted(prepare);
    // A client is one person's: while Ann listens, Bea speaks.
    let mut bea = Lab::shared().person("bea");
    scene.ann.plain.invite(&scene.room, &bea.plain.id);
    bea.plain.join(&scene.room);
    bea.knows(&scene.room, &scene.bot.account.id);
    scene.ann.knows(&scene.room, &bea.plain.id);
    killed_in_a_burst(scene, bea, &size(NORMAL_ENCRYPTED));
}

fn size(normal: Size) -> Size {
    if std::env::var_os("BEADLE_TORTURE").is_some() { TORTURE } else { normal }
}

fn prepare(bot: &Bot) {
    bot.script("count.rhai", COUNT);
    bot.executable("count.sh", &count_sh(bot));
}

/// `sender` says everything, and Ann listens.
fn killed_in_a_burst<C: Chat>(mut scene: Scene<C>, sender: impl Chat + Send, size: &Size) {
    let seed = seed();
    println!("BEADLE_SEED={seed}");
    let begun = Instant::now();
    burst(&mut scene, sender, size, Random(seed));
    let doubts = settle(&mut scene, size);
    let effects = fs::read_to_string(scene.bot.dir.join("effects")).unwrap_or_default();
    println!(
        "{} commands, {} kills, {} effects, in doubt: {doubts:?}, {:.0} s",
        size.commands,
        size.kills,
        effects.lines().count(),
        begun.elapsed().as_secs_f32()
    );
    happened_once(&effects, &doubts, size);
    scene.bot.stop();
    scene.bot.run_expecting(0, &["log", "verify"]);
}

/// The action notes what it did for which effect.
fn count_sh(bot: &Bot) -> String {
    format!("#!/bin/sh\necho \"$1 $BEADLE_EFFECT_ID\" >>{}\n", bot.dir.join("effects").display())
}

/// Sends all commands, killing and starting the bot between answers.
fn burst<C: Chat>(
    scene: &mut Scene<C>,
    mut sender: impl Chat + Send,
    size: &Size,
    mut random: Random,
) {
    let (bot, room) = (scene.bot.account.id.clone(), scene.room.clone());
    let said = room.clone();
    std::thread::scope(|scope| {
        scope.spawn(move || (0..size.commands).for_each(|n| drop(sender.say(&said, &command(n)))));
        for kill in 0..size.kills {
            // Part of the burst is always still to come, and every kill comes after some progress.
            let from = size.commands * kill / (size.kills + 1);
            let answered =
                from + random.below(u64::from(size.commands / (size.kills + 1)).max(1)) + 1;
            scene.ann.until_within(&room, &format!("{answered} answers"), size.within, |events| {
                (settled(events, &bot) >= answered).then_some(())
            });
            scene.bot.runs_on_for(Duration::from_millis(random.below(JITTER_MS).into()));
            scene.bot.kill9();
            scene.bot.start();
        }
    });
}

fn command(n: u32) -> String {
    if n.is_multiple_of(2) { format!("!echo {n}") } else { format!("!count {n}") }
}

/// How many commands have an answer or are said to be in doubt.
fn settled(events: &[Event], bot: &str) -> u32 {
    let mut settled = doubtful(events, bot);
    settled.extend(answers(events, bot));
    u32::try_from(settled.len()).expect("few")
}

/// The commands of which the bot says honestly that it does not know whether they were done.
fn doubtful(events: &[Event], bot: &str) -> BTreeSet<u32> {
    let said = events.iter().filter(|e| e.is_message() && e.sender == bot && e.edits().is_none());
    let honest = said.map(Event::body).filter(|body| body.contains(IN_DOUBT));
    let command = |body: &str| {
        let number = body.split_once("“count ").expect("it names the command").1;
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        number.parse().expect("it names the command")
    };
    honest.map(command).collect()
}

/// Waits until everything is settled, checks that it is so once, and returns the commands in doubt.
fn settle<C: Chat>(scene: &mut Scene<C>, size: &Size) -> BTreeSet<u32> {
    let bot = scene.bot.account.id.clone();
    scene.ann.until_within(&scene.room, "all answers", size.within, |events| {
        (settled(events, &bot) >= size.commands).then_some(())
    });
    // What would be said twice has been said before the answer to this.
    scene.bot_is_well(size.commands);
    let (got, doubts) = scene.ann.until(&scene.room, "the answers", |events| {
        Some((answers(events, &bot), doubtful(events, &bot)))
    });
    let mut missing: BTreeSet<u32> = (0..=size.commands).filter(|n| !doubts.contains(n)).collect();
    let surplus: Vec<u32> = got.into_iter().filter(|n| !missing.remove(n)).collect();
    assert!(surplus.is_empty(), "answered again, or answered and in doubt: {surplus:?}");
    assert!(missing.is_empty(), "not answered: {missing:?}");
    doubts
}

/// Checks the file that the action wrote: no number twice, none missing but those in doubt, all with an effect id.
fn happened_once(effects: &str, doubts: &BTreeSet<u32>, size: &Size) {
    let mut numbers = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for line in effects.lines() {
        let (n, id) = line.split_once(' ').expect("number and effect id");
        assert!(
            numbers.insert(n.parse::<u32>().expect("a number")),
            "done twice: {n} in\n{effects}"
        );
        assert!(!id.is_empty() && ids.insert(id), "no effect id of its own: {line} in\n{effects}");
    }
    let missing =
        (1..size.commands).step_by(2).find(|n| !numbers.contains(n) && !doubts.contains(n));
    assert_eq!(missing, None, "answered, but not done:\n{effects}");
}

fn seed() -> u64 {
    let given = std::env::var("BEADLE_SEED")
        .ok()
        .map(|seed| seed.parse().expect("BEADLE_SEED is a number"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    given.unwrap_or_else(now)
}

/// SplitMix64: the same moments for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed ^ (mixed >> 31)) % bound).expect("a small bound")
    }
}
