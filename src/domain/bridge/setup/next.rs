//! The next step of a setup, decided from what was wanted and what came of the steps before.

use super::answers::{CONNECTED, NOT_CONNECTED, ends, may_not};
use super::joined::{JOINED_ASKS_MAX, is_in, join_ends, who_ends};
use super::status::Status;
use super::{Mode, Outcome, STEPS_MAX, Setup, Setups, Step, Want};
use crate::domain::event::{BridgeFailed, BridgeStands, BridgeStep};
use crate::domain::id::{RoomId, UserId};
use crate::domain::words::setups as words;

/// How long the bridge may take to answer.
pub const TELL_MS_MAX: u64 = 15_000;
/// How long it may take to connect to the network.
pub const CONNECT_MS_MAX: u64 = 60_000;
/// How long it may take to come into a room, or to invite the bot into one.
pub const ROOM_MS_MAX: u64 = 30_000;
/// How often the bridge is asked to carry a channel that it holds for itself, before it counts as carried elsewhere.
pub const PLUMB_ASKS_MAX: usize = 3;
/// How long is waited for what a network says against joining a channel: it says nothing for it. What it says later is heard
/// while it is asked which channels it has the bot in.
pub const JOIN_MS_MAX: u64 = 1_000;

/// Who is who at the homeserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The bot.
    pub bot: UserId,
    /// The bridge.
    pub bridge: UserId,
}

/// Something to do outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// To come into a room.
    Come(RoomId),
    /// To have a room alone with the bridge: this one if it is one, or a new one.
    Direct(Option<RoomId>),
    /// To tell the bridge something.
    Tell {
        /// Where.
        room: RoomId,
        /// What; a password stands behind it.
        text: String,
        /// The variable of the password.
        secret: Option<String>,
        /// What ends its answer.
        ends: Vec<String>,
        /// How long it may take.
        within_ms: u64,
    },
    /// To be in the room of this name that the bridge makes.
    Await(String),
    /// Whether the bridge is in a room.
    Member(RoomId),
    /// To invite the bridge into a room.
    Invite(RoomId),
    /// To leave a room.
    Leave(RoomId),
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// To do this.
    Act(Step, Act),
    /// It stands.
    Stands(Box<BridgeStands>),
    /// It does not go on.
    Failed(BridgeFailed),
    /// It is gone.
    Removed,
    /// Nothing is to be done.
    Nothing,
}

/// Decides what comes next for a setup.
pub fn next(setup: &Setup, all: &Setups, own: &Own) -> Next {
    let at = At { setup, all, own };
    if !setup.is_open() {
        return Next::Nothing;
    }
    if let Some(step) = at.given_up() {
        return at.clean_up(step);
    }
    match &setup.want {
        Some(want) => at.put_up(want),
        None => at.take_down(),
    }
}

/// Where a setup is.
struct At<'a> {
    setup: &'a Setup,
    all: &'a Setups,
    own: &'a Own,
}

impl At<'_> {
    fn last(&self, step: Step) -> Option<&BridgeStep> {
        self.setup.steps.iter().rev().find(|it| it.step == step)
    }

    fn did(&self, step: Step) -> bool {
        self.last(step).is_some()
    }

    fn count(&self, step: Step) -> usize {
        self.setup.steps.iter().filter(|it| it.step == step).count()
    }

    fn came_to(&self, step: Step, outcome: Outcome) -> bool {
        self.last(step).is_some_and(|it| it.outcome == outcome)
    }

    fn room(&self, step: Step) -> Option<RoomId> {
        self.last(step).and_then(|it| it.room.clone())
    }

    fn tell(&self, step: Step, room: &RoomId, text: String) -> Next {
        let (done, there, refused) = ends(step);
        self.tell_until(step, room, text, &[done, there, refused].concat(), TELL_MS_MAX)
    }

    fn tell_until(
        &self,
        step: Step,
        room: &RoomId,
        text: String,
        ends: &[&str],
        within_ms: u64,
    ) -> Next {
        let ends = ends.iter().chain(may_not(step)).map(|end| (*end).to_owned()).collect();
        Next::Act(step, Act::Tell { room: room.clone(), text, secret: None, ends, within_ms })
    }

    /// The step at which it goes on no longer.
    fn given_up(&self) -> Option<&BridgeStep> {
        let mut steps = self.setup.steps.iter();
        let bad = steps.find(|it| {
            let mends = matches!(it.step, Step::Disconnect | Step::Unserver | Step::Forget);
            let wrong = matches!(it.outcome, Outcome::Refused | Outcome::Silent);
            // A room of people in which the bridge is already is carried somewhere else.
            let taken = it.step == Step::Invite && it.outcome == Outcome::There;
            let elsewhere = it.step == Step::Member && it.outcome == Outcome::Missing;
            !mends && (wrong || taken || elsewhere || self.is_out(it))
        });
        bad.or_else(|| self.setup.steps.last().filter(|_| self.setup.steps.len() >= STEPS_MAX))
    }

    /// Leaves nothing behind that keeps trying, then says why it is over.
    fn clean_up(&self, step: &BridgeStep) -> Next {
        let network_room = self.room(Step::NetworkRoom).or_else(|| self.room(Step::Open));
        let control = self.room(Step::Control);
        let may_not = may_not(step.step).iter().any(|it| step.answer.contains(it));
        if step.step == Step::Connect
            && let Some(room) = &network_room
        {
            if !self.did(Step::Disconnect) {
                return self.disconnect(room);
            }
            // The next try may name another server.
            if self.came_to(Step::Server, Outcome::Done)
                && !self.did(Step::Unserver)
                && let (Some(control), Some(want)) = (&control, &self.setup.want)
            {
                let text = format!(
                    "DELSERVER {} {} {}",
                    self.setup.network, want.server.host, want.server.port
                );
                let ends = ["Server deleted", "No such server", "does not exist"];
                return self.tell_until(Step::Unserver, control, text, &ends, TELL_MS_MAX);
            }
        }
        if step.step == Step::Joined
            && let Some(room) = &network_room
            && let Some(next) = self.draw_back(room)
        {
            return next;
        }
        // Which commands a room with the bridge has is decided when it is made; a room that nobody answers in is dead.
        let stale = match step.step {
            Step::Status if step.outcome == Outcome::Silent => network_room,
            _ if may_not || step.step == Step::Networks => control,
            _ => None,
        };
        if let Some(room) = stale.filter(|_| !self.did(Step::Forget)) {
            return Next::Act(Step::Forget, Act::Leave(room));
        }
        let (why, hint) = words::given_up(self.setup, step, self.own);
        let (network, channel) = (self.setup.network.clone(), self.setup.channel.clone());
        Next::Failed(BridgeFailed { network, channel, step: step.step, why, hint })
    }

    /// Has the bridge keep nothing that it would join again, where the network does not let the bot in.
    fn draw_back(&self, network: &RoomId) -> Option<Next> {
        let Setup { channel, want, .. } = self.setup;
        if want.as_ref().is_some_and(|want| want.room.is_some()) {
            let text = format!("UNPLUMB {channel}");
            return (!self.did(Step::Unplumb)).then(|| self.tell(Step::Unplumb, network, text));
        }
        // It has a room for a channel that the bot was in before.
        let status = self.last(Step::Status).map(|it| Status::of(&it.answer));
        if !status.is_some_and(|status| status.joined(channel)) || self.did(Step::Leave) {
            return None;
        }
        match self.own_room() {
            Ok(room) => Some(Next::Act(Step::Leave, Act::Leave(room))),
            Err(next) => (!self.did(Step::ChannelRoom)).then_some(next),
        }
    }

    fn disconnect(&self, room: &RoomId) -> Next {
        let ends = ["Disconnected", "Disconnecting", "Connection aborted"];
        self.tell_until(Step::Disconnect, room, "DISCONNECT".into(), &ends, TELL_MS_MAX)
    }

    fn put_up(&self, want: &Want) -> Next {
        let (network, control) = match self.desks(want) {
            Ok(desks) => desks,
            Err(next) => return next,
        };
        let Some(status) = self.last(Step::Status) else {
            return self.status(Step::Status, &network);
        };
        let status = Status::of(&status.answer);
        if let Some(next) = self.connect(&network, want, &status) {
            return next;
        }
        let Some(called) = self.last(Step::Called) else {
            return self.status(Step::Called, &network);
        };
        let called = Status::of(&called.answer);
        let nick = called.nick.unwrap_or(called.configured);
        let carried = match (&want.room, self.room(Step::Room)) {
            (Some(_), Some(room)) => self.plumb(&network, &control, &room, &status),
            _ => self.join(&network, &control, &status),
        };
        let carried = match carried {
            Some(next) => Err(next),
            None => self.come_in(&network, &nick).and_then(|()| self.carried_into(want)),
        };
        let room = match carried {
            Ok(room) => room,
            Err(next) => return next,
        };
        Next::Stands(Box::new(BridgeStands {
            network: self.setup.network.clone(),
            channel: self.setup.channel.clone(),
            network_room: network,
            room,
            nick,
            mode: if want.room.is_some() { Mode::Plumbed } else { Mode::Private },
        }))
    }

    /// The rooms in which the bridge takes orders: the one for the network, and the one alone with it.
    fn desks(&self, want: &Want) -> Result<(RoomId, RoomId), Next> {
        if let Some(room) = &want.room
            && !self.did(Step::Room)
        {
            return Err(Next::Act(Step::Room, Act::Come(room.clone())));
        }
        let Some(control) = self.room(Step::Control) else {
            let known = self.all.controls.get(&self.setup.bridge).cloned();
            return Err(Next::Act(Step::Control, Act::Direct(known)));
        };
        if let Some(next) = self.know(&control, want) {
            return Err(next);
        }
        if !self.did(Step::Open) {
            let text = format!("OPEN {}", self.setup.network);
            let ends = [
                "You have been invited to",
                "Inviting back to",
                "You are already in",
                "does not exist",
            ];
            return Err(self.tell_until(Step::Open, &control, text, &ends, TELL_MS_MAX));
        }
        match (self.network_room(), self.room(Step::Open)) {
            (Some(network), _) => Ok((network, control)),
            (None, Some(room)) => Err(Next::Act(Step::NetworkRoom, Act::Come(room))),
            (None, None) => {
                let name = self.setup.network.clone();
                Err(Next::Act(Step::NetworkRoom, Act::Await(name)))
            }
        }
    }

    /// The room for the network, once the bot is in it.
    fn network_room(&self) -> Option<RoomId> {
        let already = self.last(Step::Open).filter(|it| it.outcome == Outcome::There);
        self.room(Step::NetworkRoom).or_else(|| already.and_then(|it| it.room.clone()))
    }

    /// Has the bridge know the network and its server.
    fn know(&self, control: &RoomId, want: &Want) -> Option<Next> {
        let network = &self.setup.network;
        if !self.did(Step::Networks) {
            let ends = ["Configured networks"];
            let text = "NETWORKS".to_owned();
            return Some(self.tell_until(Step::Networks, control, text, &ends, TELL_MS_MAX));
        }
        if self.came_to(Step::Networks, Outcome::Missing) && !self.did(Step::Network) {
            return Some(self.tell(Step::Network, control, format!("ADDNETWORK {network}")));
        }
        if !self.did(Step::Servers) {
            let ends = ["Configured servers", "does not exist"];
            let text = format!("SERVERS {network}");
            return Some(self.tell_until(Step::Servers, control, text, &ends, TELL_MS_MAX));
        }
        if self.came_to(Step::Servers, Outcome::Missing) && !self.did(Step::Server) {
            let server = &want.server;
            let tls = if server.tls { " --tls" } else { "" };
            let text = format!("ADDSERVER {network} {} {}{tls}", server.host, server.port);
            return Some(self.tell(Step::Server, control, text));
        }
        None
    }

    fn status(&self, step: Step, network: &RoomId) -> Next {
        let ends = ["Current nickname:", "Configured nickname:"];
        let text = if step == Step::Called { "NICK" } else { "STATUS" };
        self.tell_until(step, network, text.into(), &ends, TELL_MS_MAX)
    }

    /// What the bot is to be called there; none: as it is called already.
    fn nick(&self, want: &Want, status: &Status) -> Option<String> {
        let local = || {
            let bot = self.own.bot.as_str().trim_start_matches('@');
            let local = bot.split(':').next().unwrap_or_default();
            local.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-', "_")
        };
        match (&want.nick, &status.nick) {
            (Some(nick), _) => Some(nick.clone()),
            // Others may go by the name that the network has for it.
            (None, Some(_)) => None,
            (None, None) => Some(local()),
        }
        .filter(|nick| *nick != status.configured)
    }

    /// Gets to the network under a nick.
    fn connect(&self, network: &RoomId, want: &Want, status: &Status) -> Option<Next> {
        let nick = self.nick(want, status);
        if let Some(nick) = nick.as_ref().filter(|_| !self.did(Step::Nick)) {
            return Some(self.tell(Step::Nick, network, format!("NICK {nick}")));
        }
        if let Some(name) = want.sasl_env.as_ref().filter(|_| !self.did(Step::Sasl)) {
            let account = nick.as_ref().unwrap_or(&status.configured);
            let text = format!("SASL --username {account} --password=");
            let (room, secret) = (network.clone(), Some(name.clone()));
            let ends = ends(Step::Sasl).0.iter().map(|&it| it.to_owned()).collect();
            let act = Act::Tell { room, text, secret, ends, within_ms: TELL_MS_MAX };
            return Some(Next::Act(Step::Sasl, act));
        }
        if status.nick.is_none() && !self.did(Step::Connect) {
            let ends = [CONNECTED, NOT_CONNECTED].concat();
            let text = "CONNECT".to_owned();
            return Some(self.tell_until(Step::Connect, network, text, &ends, CONNECT_MS_MAX));
        }
        None
    }

    /// Has the channel carried into a room of people; none: it is.
    fn plumb(
        &self,
        network: &RoomId,
        control: &RoomId,
        room: &RoomId,
        status: &Status,
    ) -> Option<Next> {
        let channel = &self.setup.channel;
        if self.came_to(Step::Plumb, Outcome::Done) {
            return None;
        }
        if status.plumbed(channel) || self.count(Step::Plumb) >= PLUMB_ASKS_MAX {
            // The bridge carries it already: it may be into another room.
            let member = || Next::Act(Step::Member, Act::Member(room.clone()));
            return (!self.did(Step::Member)).then(member);
        }
        // It joins all that it carries soon after it has connected, and goes on with that when it carries it no longer: what
        // it is on already may have come after it was asked how it stands.
        if self.setup.steps.last().is_some_and(|it| it.step == Step::Plumb) {
            return Some(self.status(Step::Status, network));
        }
        self.leave_alone(control, status).or_else(|| {
            Some(match self.did(Step::Invite) {
                true => self.tell(Step::Plumb, network, format!("PLUMB {room} {channel}")),
                false => Next::Act(Step::Invite, Act::Invite(room.clone())),
            })
        })
    }

    /// Leaves the room of its own that the channel is, if it is one: the bridge has one room for a channel.
    fn leave_alone(&self, control: &RoomId, status: &Status) -> Option<Next> {
        if !status.joined(&self.setup.channel) || self.did(Step::Leave) {
            return None;
        }
        if !self.did(Step::Recall) {
            return Some(self.tell(Step::Recall, control, "STATUS".into()));
        }
        Some(match self.own_room() {
            Ok(room) => Next::Act(Step::Leave, Act::Leave(room)),
            Err(next) => next,
        })
    }

    /// The room of its own that the channel is.
    fn own_room(&self) -> Result<RoomId, Next> {
        let name = format!("{} ({})", self.setup.channel, self.setup.network);
        self.room(Step::ChannelRoom).ok_or(Next::Act(Step::ChannelRoom, Act::Await(name)))
    }

    /// Joins the channel as the bot alone; none: that was said.
    fn join(&self, network: &RoomId, control: &RoomId, status: &Status) -> Option<Next> {
        match status.joined(&self.setup.channel) {
            true if self.did(Step::Recall) => None,
            true => Some(self.tell(Step::Recall, control, "STATUS".into())),
            false => (!self.did(Step::Join)).then(|| self.join_now(network)),
        }
    }

    fn join_now(&self, network: &RoomId) -> Next {
        let (room, text) = (network.clone(), format!("JOIN {}", self.setup.channel));
        let (secret, ends) = (None, join_ends(&self.setup.channel));
        Next::Act(Step::Join, Act::Tell { room, text, secret, ends, within_ms: JOIN_MS_MAX })
    }

    /// Has the network say that the bot is in the channel: the bridge says that it carries one before it is let in. The
    /// network keeps the order of what it is told, so its answer comes when it has decided.
    fn come_in(&self, network: &RoomId, nick: &str) -> Result<(), Next> {
        let asks = self.count(Step::Joined);
        match (self.last(Step::Joined), self.setup.steps.last()) {
            (Some(joined), _) if joined.outcome == Outcome::There => Ok(()),
            // It names others than those that stand, and says nothing against this one.
            _ if asks >= JOINED_ASKS_MAX => Ok(()),
            // If it is refused, it is said again why.
            (Some(_), Some(last)) if last.step == Step::Joined => Err(self.join_now(network)),
            _ => {
                let (room, text) = (network.clone(), "WHOAMI".to_owned());
                let (secret, ends) = (None, who_ends(nick));
                let act = Act::Tell { room, text, secret, ends, within_ms: TELL_MS_MAX };
                Err(Next::Act(Step::Joined, act))
            }
        }
    }

    /// Whether a step says for good that the network has the bot not in the channel.
    fn is_out(&self, it: &BridgeStep) -> bool {
        let asks = self.count(Step::Joined);
        it.step == Step::Joined
            && it.outcome == Outcome::Missing
            && asks >= JOINED_ASKS_MAX
            && !self.is_cut(&it.answer)
    }

    /// Whether a list of channels is only a part: the bridge passes on the last line of a long one.
    fn is_cut(&self, list: &str) -> bool {
        let Setup { network, channel, .. } = self.setup;
        let mut others = self.all.standing().filter(|it| {
            it.network.eq_ignore_ascii_case(network) && !it.channel.eq_ignore_ascii_case(channel)
        });
        others.any(|it| !is_in(list, &it.channel))
    }

    /// The room that the channel is.
    fn carried_into(&self, want: &Want) -> Result<RoomId, Next> {
        if want.room.is_some()
            && let Some(room) = self.room(Step::Room)
        {
            return Ok(room);
        }
        self.own_room()
    }

    fn take_down(&self) -> Next {
        let (setup, all) = (self.setup, self.all);
        let Some(stands) = &setup.stands else { return Next::Removed };
        let network = &stands.network_room;
        let Some(status) = self.last(Step::Status) else {
            return self.status(Step::Status, network);
        };
        let status = Status::of(&status.answer);
        match stands.mode {
            Mode::Plumbed if status.plumbed(&setup.channel) && !self.did(Step::Unplumb) => {
                return self.tell(Step::Unplumb, network, format!("UNPLUMB {}", setup.channel));
            }
            Mode::Private if !self.did(Step::Leave) => {
                return Next::Act(Step::Leave, Act::Leave(stands.room.clone()));
            }
            Mode::Plumbed | Mode::Private => {}
        }
        let alone = all.network_room(&setup.bridge, &setup.network).is_none()
            && !status.has_others(&setup.channel);
        match alone && status.nick.is_some() && !self.did(Step::Disconnect) {
            true => self.disconnect(network),
            false => Next::Removed,
        }
    }
}
