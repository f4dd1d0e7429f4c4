//! Channels that the bot sets up, with a bridge that is played: kills anywhere, bounds, passwords.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beadle::adapter::{
    Answer, Chat, Intake, Invite, Outgoing, RoomAct, RoomAnswer, RoomInfo, SendError,
};
use beadle::domain::bridge::setup::{ROOM_MS_MAX, SETUPS_MAX, Server, Want};
use beadle::domain::bridge::{Bridges, Profile};
use beadle::domain::event::BridgeWanted;
use beadle::domain::id::{PostId, RoomId, UserId};
use beadle::domain::role::Standing;
use beadle::domain::words::setups::{NAMED_MAX, never_wanted};
use beadle::processor::intake::Ear;
use beadle::processor::setups::{self, Now, STATUS_MS_MAX, TRIES_MAX, Variables, Wished};
use beadle::processor::{Kernel, Settings};
use beadle::query::bridge_setups::{bridge_setups, was_wanted};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::desk::Desk;

/// The acts of a channel that is carried into a room, from nothing.
const ACTS: usize = 14;

/// A bridge that does as it is told, and keeps what it was told.
#[derive(Default)]
pub struct Played {
    acts: Mutex<Vec<RoomAct>>,
    /// The first so many acts cannot be done yet.
    later: usize,
    /// From this act on nothing is answered.
    hangs_at: Option<usize>,
    begun: AtomicUsize,
    /// It is connected to the network.
    pub connected: AtomicBool,
    /// What the bot is called there; none: `beadle`.
    nick: Option<&'static str>,
    /// Why no room can be joined; none: each can.
    shut: Option<&'static str>,
}

impl Played {
    pub fn acts(&self) -> Vec<RoomAct> {
        self.acts.lock().expect("nobody panics with it").clone()
    }

    fn answer(&self, act: &RoomAct) -> RoomAnswer {
        let room = |name: &str| RoomId(format!("!{name}"));
        match act {
            RoomAct::Tell(order) | RoomAct::Whisper(order, _) => {
                let said = match order.text.split(' ').next().unwrap_or_default() {
                    "NETWORKS" => "Configured networks:",
                    "ADDNETWORK" => "Network added.",
                    "SERVERS" => "Configured servers for lab:",
                    "ADDSERVER" => "Server added.",
                    "OPEN" => "You have been invited to lab",
                    "STATUS" if self.connected.load(Ordering::SeqCst) => {
                        "Current nickname: beadle (configured: beadle)"
                    }
                    "STATUS" => "Not connected to server.\nConfigured nickname: beadle",
                    "SASL" => "SASL credentials updated.",
                    "CONNECT" => "End of MOTD command",
                    // What goes well is not answered.
                    "JOIN" => "",
                    "PLUMB" => "Plumbed !ops to #ops, to unplumb just kick me out.",
                    "NICK" if order.text.contains(' ') => "Nickname set to it",
                    "NICK" => "Current nickname: beadle (configured: beadle)",
                    "WHOAMI" => "nick: beadle\nuser: beadle\nchannels: #ops\nserver: lab",
                    other => panic!("nobody says {other}"),
                };
                let said =
                    said.replace(": beadle", &format!(": {}", self.nick.unwrap_or("beadle")));
                RoomAnswer::Told(Answer { asked: None, said: vec![said], ended: true })
            }
            RoomAct::Direct { .. } => RoomAnswer::Found(Some(room("control"))),
            RoomAct::MadeBy { name, .. } => RoomAnswer::Found(Some(room(name))),
            RoomAct::Invite { .. } => RoomAnswer::Invited { there: false },
            RoomAct::Standing { .. } => RoomAnswer::Standing(Standing::Member(0)),
            RoomAct::Join(id) => RoomAnswer::Room(RoomInfo {
                room: id.clone(),
                name: "ops".into(),
                encrypted: false,
                members: 2,
                network: "matrix".into(),
            }),
            other => panic!("nobody asks for {other:?}"),
        }
    }
}

impl Chat for Played {
    fn send<'a>(&'a self, outgoing: &'a Outgoing) -> BoxFuture<'a, Result<PostId, SendError>> {
        Box::pin(async move { Ok(PostId(format!("${}", outgoing.message))) })
    }

    fn rooms<'a>(&'a self, act: &'a RoomAct) -> BoxFuture<'a, Result<RoomAnswer, SendError>> {
        Box::pin(async move {
            let nth = self.begun.fetch_add(1, Ordering::SeqCst);
            self.acts.lock().expect("nobody panics with it").push(act.clone());
            if self.hangs_at.is_some_and(|at| nth >= at) {
                std::future::pending::<()>().await;
            }
            if nth < self.later {
                let (reason, after) = ("not yet".to_owned(), Some(Duration::ZERO));
                return Err(SendError::Later { reason, after });
            }
            match (act, self.shut) {
                (RoomAct::Join(_), Some(why)) => Err(SendError::Never { reason: why.to_owned() }),
                _ => Ok(self.answer(act)),
            }
        })
    }

    fn typing<'a>(&'a self, _: &'a RoomId, _: bool) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

/// A bot on the log of the desk that talks to this bridge.
pub fn bot(desk: &Desk, chat: &Arc<Played>) -> Arc<Kernel> {
    let (scripts, _) = beadle::processor::scripts::Scripts::sources(vec![]);
    let mut bridges = Bridges::default();
    let second =
        "like = \"heisenbridge\"\n[match]\nghost = \"second_{native}\"\nbots = [\"second\"]";
    assert!(bridges.add(Profile::parse("second", second).expect("it is right")));
    let used =
        bridges.using(&["heisenbridge".into(), "second".into()], &[]).expect("they are known");
    let settings = Settings { bridges: Arc::new(used), ..Settings::simulated("!") };
    let (store, clock) = (desk.kernel.store.clone(), desk.clock.clone());
    let kernel = Kernel::new(store, scripts, chat.clone(), desk.world.clone(), clock, settings);
    let kernel = kernel.expect("the log can be read");
    *kernel.names.write().expect("nobody panics with it") = vec!["@beadle:local".into()];
    kernel
}

pub fn wanted(channel: &str, sasl: Option<&str>) -> BridgeWanted {
    let server = Server { host: "127.0.0.1".into(), port: 6_667, tls: false };
    let room = sasl.is_none().then(|| RoomId("!ops".into()));
    let want = Want { server, room, nick: None, sasl_env: sasl.map(str::to_owned) };
    let (bridge, network) = ("heisenbridge".into(), "lab".into());
    BridgeWanted { bridge, network, channel: channel.into(), want: Some(want) }
}

pub async fn wish(kernel: &Kernel, wanted: &BridgeWanted) -> Wished {
    kernel.wish(&UserId("cli:ann".into()), wanted).await.expect("the log works")
}

pub fn nothing() -> Variables {
    Arc::new(|_| None)
}

/// Works until a setup has come to an end, or to the act at which the bridge says nothing any more.
pub async fn work(kernel: &Arc<Kernel>, chat: &Played, variables: Variables) {
    let (_stop, stopping) = watch::channel(false);
    let user = UserId("@beadle:local".into());
    let work = tokio::spawn(setups::run(kernel.clone(), user, variables, stopping));
    let over = || {
        let open = kernel.setups().expect("the log can be read").0.open().is_some();
        let hangs = chat.hangs_at.is_some_and(|at| chat.begun.load(Ordering::SeqCst) > at);
        !open || hangs
    };
    while !over() {
        tokio::task::yield_now().await;
    }
    work.abort();
}

#[tokio::test]
async fn a_kill_at_any_step_changes_nothing() {
    let whole = Arc::new(Played::default());
    let desk = Desk::new("");
    let kernel = bot(&desk, &whole);
    assert!(matches!(wish(&kernel, &wanted("#ops", None)).await, Wished::Recorded(_)));
    assert!(matches!(wish(&kernel, &wanted("#ops", None)).await, Wished::UnderWay(_)));
    work(&kernel, &whole, nothing()).await;
    let acts = whole.acts();
    assert_eq!(acts.len(), ACTS, "{acts:#?}");
    assert_eq!(wish(&kernel, &wanted("#ops", None)).await, Wished::There);
    assert_eq!(
        kernel.network_room("heisenbridge", "lab").expect("reads"),
        Some(RoomId("!lab".into()))
    );
    for at in 0..ACTS {
        let desk = Desk::new("");
        let cut = Arc::new(Played { hangs_at: Some(at), ..Played::default() });
        let kernel = bot(&desk, &cut);
        wish(&kernel, &wanted("#ops", None)).await;
        work(&kernel, &cut, nothing()).await;
        assert_eq!(cut.acts(), acts[..=at]);
        let rest = Arc::new(Played::default());
        let kernel = bot(&desk, &rest);
        work(&kernel, &rest, nothing()).await;
        assert_eq!(rest.acts(), acts[at..], "killed in act {at}, it is done again, and no other");
        let stands = bridge_setups(kernel.store.as_ref()).expect("reads");
        assert_eq!((stands.standing().count(), desk.count("bridge_stands")), (1, 1));
    }
}

#[tokio::test]
async fn what_may_work_later_is_tried_so_often() {
    for (later, stands) in [(TRIES_MAX - 1, 1), (TRIES_MAX, 0)] {
        let desk = Desk::new("");
        let chat = Arc::new(Played { later: later as usize, ..Played::default() });
        let kernel = bot(&desk, &chat);
        wish(&kernel, &wanted("#ops", None)).await;
        work(&kernel, &chat, nothing()).await;
        assert_eq!(desk.count("bridge_stands"), stands, "{later} times not yet");
        assert_eq!(desk.count("bridge_failed"), 1 - stands);
    }
}

#[tokio::test]
async fn rooms_and_questions_have_their_time() {
    let desk = Desk::new("");
    let chat = Arc::new(Played::default());
    let kernel = bot(&desk, &chat);
    wish(&kernel, &wanted("#ops", None)).await;
    work(&kernel, &chat, nothing()).await;
    let limits: Vec<u64> = chat
        .acts()
        .iter()
        .filter_map(|act| match act {
            RoomAct::Direct { within_ms, .. } | RoomAct::MadeBy { within_ms, .. } => {
                Some(*within_ms)
            }
            _ => None,
        })
        .collect();
    assert_eq!(limits, [ROOM_MS_MAX, ROOM_MS_MAX]);
    let setups = kernel.setups().expect("reads").0;
    let stands = setups.standing().next().expect("it stands").clone();
    let now = kernel.look_at_setup(&stands).await;
    assert_eq!(now, Some(Now { nick: None, there: false }), "it says so");
    let Some(RoomAct::Tell(asked)) = chat.acts().pop() else { panic!("it is asked") };
    assert_eq!((asked.text.as_str(), asked.within_ms), ("STATUS", STATUS_MS_MAX));
}

#[tokio::test]
async fn nobody_is_greeted_in_a_room_of_the_bridge() {
    for (inviter, greetings) in [("@heisenbridge:local", 0), ("@ann:local", 1)] {
        let desk = Desk::new("");
        let used = Bridges::default().using(&["heisenbridge".into()], &[]).expect("it ships");
        let settings = (*desk.kernel.settings()).clone();
        desk.kernel.behave(Settings { bridges: Arc::new(used), ..settings });
        desk.ear.names(vec!["@beadle:local".into()]);
        let invite = Invite {
            room: RoomId("!lab".into()),
            inviter: UserId(inviter.into()),
            accepted: true,
            reason: "the inviter is on the allow-list".into(),
            name: "lab".into(),
            encrypted: false,
            post: None,
        };
        desk.ear.invite(invite).await.expect("the log works");
        assert_eq!(desk.count("message_queued"), greetings, "{inviter}");
    }
}

#[tokio::test]
async fn that_a_network_is_lost_is_told_once() {
    let desk = Desk::new("");
    let chat = Arc::new(Played::default());
    let kernel = bot(&desk, &chat);
    kernel.behave(Settings {
        management_room: Some(RoomId("#boss".into())),
        ..(*kernel.settings()).clone()
    });
    wish(&kernel, &wanted("#ops", None)).await;
    work(&kernel, &chat, nothing()).await;
    let (lost, back) = ("Disconnected, reconnecting in 5 seconds...", "End of MOTD command");
    let (bridge, eve) = ("@heisenbridge:local", "@eve:local");
    for (by, text, told) in [
        (eve, lost, (0, 0, 0)),
        (bridge, back, (0, 0, 0)),
        (bridge, lost, (1, 0, 1)),
        (bridge, lost, (1, 0, 1)),
        (eve, back, (1, 0, 1)),
        (bridge, back, (1, 1, 2)),
        (bridge, back, (1, 1, 2)),
        (bridge, lost, (2, 1, 3)),
    ] {
        // What is told is what the log says, whoever reads it.
        let restarted = bot(&desk, &chat);
        restarted.behave((*kernel.settings()).clone());
        let ear = Ear::new(restarted);
        let room = RoomId("!lab".into());
        ear.bridge_said(&room, &UserId(by.into()), text).await.expect("the log works");
        let counts = ["bridge_lost", "bridge_back", "message_queued"].map(|kind| desk.count(kind));
        assert_eq!((counts[0], counts[1], counts[2]), told, "{by}: {text}");
    }
}

#[tokio::test]
async fn there_are_only_so_many_channels() {
    let desk = Desk::new("");
    let kernel = bot(&desk, &Arc::default());
    for nth in 0..SETUPS_MAX {
        let wished = wish(&kernel, &wanted(&format!("#c{nth}"), None)).await;
        assert!(matches!(wished, Wished::Recorded(_)), "{wished:?}");
    }
    let one_more = wish(&kernel, &wanted("#more", None)).await;
    assert!(matches!(&one_more, Wished::Refused(why) if why.contains("remove one first")));
    let gone = BridgeWanted { want: None, ..wanted("#more", None) };
    assert_eq!(wish(&kernel, &gone).await, Wished::There, "it is gone already");
    let unused = BridgeWanted { bridge: "relay".into(), ..wanted("#ops", None) };
    let refused = wish(&kernel, &unused).await;
    assert!(matches!(&refused, Wished::Refused(why) if why.contains("not in use")));
}

#[tokio::test]
async fn the_bot_has_one_nick_on_a_network() {
    let (desk, chat) = (Desk::new(""), Arc::new(Played::default()));
    let kernel = bot(&desk, &chat);
    wish(&kernel, &wanted("#ops", None)).await;
    work(&kernel, &chat, nothing()).await;
    let setups = bridge_setups(kernel.store.as_ref()).expect("reads");
    let nick = setups.standing().next().map(|it| it.nick.clone()).expect("it stands");
    let called = |nick: Option<&str>| {
        let BridgeWanted { want, .. } = wanted("#dev", None);
        let want = want.map(|want| Want { nick: nick.map(str::to_owned), ..want });
        BridgeWanted { want, ..wanted("#dev", None) }
    };
    let refused = wish(&kernel, &called(Some("other"))).await;
    let says = |why: &str| why.contains(&format!("the bot is {nick} on lab already"));
    assert!(matches!(&refused, Wished::Refused(why) if says(why)), "{refused:?}");
    let same = nick.to_ascii_uppercase();
    assert!(matches!(wish(&kernel, &called(Some(&same))).await, Wished::Recorded(_)));
}

#[tokio::test]
async fn another_nick_than_the_wanted_one_is_told_once_for_each_wish() {
    for (nick, told) in [("tom_", Some("tom is in use on lab: the bot is tom_")), ("Tom", None)] {
        let desk = Desk::new("");
        let chat = Arc::new(Played { nick: Some(nick), ..Played::default() });
        let BridgeWanted { want, .. } = wanted("#ops", None);
        let want = want.map(|want| Want { nick: Some("tom".into()), ..want });
        let tom = BridgeWanted { want, ..wanted("#ops", None) };
        let boss = Some(RoomId("#boss".into()));
        // A restart tells nothing again.
        for _ in 0..2 {
            let kernel = bot(&desk, &chat);
            let management_room = boss.clone();
            kernel.behave(Settings { management_room, ..(*kernel.settings()).clone() });
            wish(&kernel, &tom).await;
            work(&kernel, &chat, nothing()).await;
            let (setups, _) = kernel.setups().expect("reads");
            assert_eq!(setups.standing().next().map(|it| it.nick.as_str()), Some(nick));
            kernel.tell_nicks(&setups).await.expect("the log works");
        }
        assert_eq!(desk.count("message_queued"), usize::from(told.is_some()), "{nick}");
        desk.settle().await.expect("the log works");
        let said = desk.said();
        assert_eq!(
            said.first().is_some_and(|it| told.is_some_and(|told| it.ends_with(told))),
            told.is_some(),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn what_was_removed_is_known_and_what_never_was_is_not() {
    let (desk, chat) = (Desk::new(""), Arc::new(Played::default()));
    let kernel = bot(&desk, &chat);
    let known = |network: &str, channel: &str| {
        was_wanted(kernel.store.as_ref(), network, channel).expect("reads")
    };
    assert!(!known("lab", "#ops"));
    wish(&kernel, &wanted("#ops", None)).await;
    work(&kernel, &chat, nothing()).await;
    wish(&kernel, &BridgeWanted { want: None, ..wanted("#ops", None) }).await;
    work(&kernel, &chat, nothing()).await;
    assert_eq!(desk.count("bridge_removed"), 1);
    let setups = kernel.setups().expect("reads").0;
    let (why, hint) = never_wanted("lab", "#op", &setups);
    assert_eq!(
        (why.as_str(), hint.as_str()),
        ("#op of lab was never set up", "no channel is set up")
    );
    for count in [NAMED_MAX, 2] {
        for nth in 0..count {
            wish(&kernel, &wanted(&format!("#{count:02}-{nth}"), None)).await;
        }
        let (_, hint) = never_wanted("lab", "#op", &kernel.setups().expect("reads").0);
        assert_eq!(hint.matches(" of lab").count(), NAMED_MAX, "{hint}");
        assert_eq!(hint.contains(" and 2 more: look at how it is written"), count == 2, "{hint}");
    }
    for (network, channel, want) in
        [("lab", "#ops", true), ("LAB", "#Ops", true), ("lab", "#op", false), ("la", "#ops", false)]
    {
        assert_eq!(known(network, channel), want, "{channel} of {network}");
    }
}

#[tokio::test]
async fn why_a_room_cannot_be_joined_says_what_to_do() {
    for (why, hint) in [
        ("[404 / M_NOT_FOUND] Room alias #opps:local not found", "no room has that name: look at"),
        ("[403 / M_FORBIDDEN] You are not invited to this room.", "invite the bot into the room;"),
    ] {
        let (desk, chat) =
            (Desk::new(""), Arc::new(Played { shut: Some(why), ..Played::default() }));
        let kernel = bot(&desk, &chat);
        wish(&kernel, &wanted("#ops", None)).await;
        work(&kernel, &chat, nothing()).await;
        let (setups, _) = kernel.setups().expect("reads");
        let failed = setups.of("lab", "#ops").and_then(|it| it.failed.as_ref()).expect("it failed");
        assert_eq!((failed.why.as_str(), failed.hint.starts_with(hint)), (why, true), "{failed:?}");
    }
}

#[tokio::test]
async fn a_network_is_one_bridges() {
    let desk = Desk::new("");
    let kernel = bot(&desk, &Arc::default());
    wish(&kernel, &wanted("#ops", None)).await;
    let second = |want| BridgeWanted { bridge: "second".into(), want, ..wanted("#ops", None) };
    for wanted in [second(wanted("#ops", None).want), second(None)] {
        let refused = wish(&kernel, &wanted).await;
        let says = |why: &str| why.contains("of the bridge `heisenbridge`: say `--bridge heise");
        assert!(matches!(&refused, Wished::Refused(why) if says(why)), "{refused:?}");
    }
    let elsewhere = BridgeWanted { network: "other".into(), ..second(wanted("#ops", None).want) };
    assert!(matches!(wish(&kernel, &elsewhere).await, Wished::Recorded(_)));
}

#[tokio::test]
async fn a_password_goes_to_the_bridge_and_nowhere_else() {
    for (secret, told) in [(Some("a b"), 1), (Some("two\nlines"), 0), (None, 0)] {
        let desk = Desk::new("");
        let chat = Arc::new(Played::default());
        let kernel = bot(&desk, &chat);
        wish(&kernel, &wanted("#ops", Some("PASSWORD"))).await;
        let variables: Variables = Arc::new(move |name| {
            assert_eq!(name, "PASSWORD");
            secret.map(str::to_owned)
        });
        work(&kernel, &chat, variables).await;
        let whispered: Vec<String> = chat
            .acts()
            .iter()
            .filter_map(|act| match act {
                RoomAct::Whisper(order, _) => Some(order.text.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(whispered.len(), told, "{secret:?}");
        if let Some(text) = whispered.first() {
            assert_eq!(text, "SASL --username beadle --password=\"a b\"");
        }
        let setups = bridge_setups(kernel.store.as_ref()).expect("reads");
        let setup = setups.of("lab", "#ops").expect("it is wanted");
        let recorded = format!("{:?} {:?}", setup.steps, setup.failed);
        assert!(recorded.contains("--password=$PASSWORD"), "{recorded}");
        assert!(!recorded.contains("a b") && !recorded.contains("lines"), "{recorded}");
        assert_eq!(setup.failed.is_some(), told == 0);
    }
}
