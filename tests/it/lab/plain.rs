//! A person with a plain client: no encryption, but fast.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use matrix_sdk::reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::event::{Chat, Event, give_up, text};

/// The tests are plain threads; this runs their requests.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});
static HTTP: LazyLock<Client> = LazyLock::new(|| {
    Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client")
});

/// The longest of one `/sync`.
const POLL_MS_MAX: u64 = 20_000;
/// How long a homeserver may be gone.
const WAIT_FOR_SERVER: Duration = Duration::from_secs(60);

/// A registered person and what their client has seen, by room.
#[derive(Clone)]
pub struct Plain {
    pub id: String,
    pub localpart: String,
    pub password: String,
    pub homeserver: String,
    token: String,
    since: Option<String>,
    seen: HashMap<String, Vec<Event>>,
    /// The invitations that nobody has asked for yet: who invites into which room.
    invited: Vec<(String, String)>,
}

/// What a new room is like.
#[derive(Default)]
pub struct Room<'a> {
    pub name: &'a str,
    pub encrypted: bool,
    /// It is meant for the two of them.
    pub direct: bool,
    pub invite: &'a [&'a str],
    /// Anybody may come in.
    pub public: bool,
    /// The homeserver's own choice if there is none.
    pub version: &'a str,
}

impl Plain {
    /// Registers a person; the homeserver of the lab asks for nothing.
    pub fn register(homeserver: &str, localpart: &str, display_name: &str) -> Plain {
        let password = format!("{localpart}-password");
        let body = json!({ "username": localpart, "password": password, "auth": { "type": "m.login.dummy" } });
        let made = request(
            Method::POST,
            &format!("{homeserver}/_matrix/client/v3/register"),
            None,
            Some(&body),
        );
        let text = |field: &str| made[field].as_str().expect("register gives strings").to_owned();
        let person = Plain {
            id: text("user_id"),
            localpart: localpart.to_owned(),
            password,
            homeserver: homeserver.to_owned(),
            token: text("access_token"),
            since: None,
            seen: HashMap::new(),
            invited: vec![],
        };
        let name = json!({ "displayname": display_name });
        person.call(
            Method::PUT,
            &format!("/profile/{}/displayname", quoted(&person.id)),
            Some(&name),
        );
        person
    }

    /// Logs in on one more device: its id and its token.
    pub fn another_device(&self) -> (String, String) {
        let user = json!({ "type": "m.id.user", "user": self.id });
        let body =
            json!({ "type": "m.login.password", "identifier": user, "password": self.password });
        let made = self.call(Method::POST, "/login", Some(&body));
        let text = |field: &str| made[field].as_str().expect("login gives strings").to_owned();
        (text("device_id"), text("access_token"))
    }

    /// Ends the login that has a token.
    pub fn log_out(&self, token: &str) {
        let url = format!("{}/_matrix/client/v3/logout", self.homeserver);
        request(Method::POST, &url, Some(token), Some(&json!({})));
    }

    pub fn create_room(&self, room: &Room) -> String {
        let encryption = json!({ "type": "m.room.encryption", "content": { "algorithm": "m.megolm.v1.aes-sha2" } });
        let state = if room.encrypted { vec![encryption] } else { vec![] };
        let preset = if room.public { "public_chat" } else { "private_chat" };
        let mut body = json!({ "preset": preset, "name": room.name, "invite": room.invite, "is_direct": room.direct, "initial_state": state });
        if !room.version.is_empty() {
            body["room_version"] = room.version.into();
        }
        let made = self.call(Method::POST, "/createRoom", Some(&body));
        made["room_id"].as_str().expect("createRoom gives an id").to_owned()
    }

    pub fn join(&self, room: &str) {
        self.call(Method::POST, &format!("/join/{}", quoted(room)), Some(&json!({})));
    }

    /// Replaces a room by one of another version; returns the new one.
    pub fn upgrade(&self, room: &str, version: &str) -> String {
        let path = format!("/rooms/{}/upgrade", quoted(room));
        let made = self.call(Method::POST, &path, Some(&json!({ "new_version": version })));
        made["replacement_room"].as_str().expect("upgrade gives an id").to_owned()
    }

    /// Changes what is true of a room.
    pub fn set_state(&self, room: &str, kind: &str, content: &Value) {
        self.call(Method::PUT, &format!("/rooms/{}/state/{kind}/", quoted(room)), Some(content));
    }

    /// Says something while the homeserver may be gone: as often as it takes, and once.
    pub fn say_at_last(&self, room: &str, body: &str) {
        let url = format!(
            "{}/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
            self.homeserver,
            quoted(room),
            transaction()
        );
        let deadline = Instant::now() + WAIT_FOR_SERVER;
        while let Err(why) = try_request(Method::PUT, &url, Some(&self.token), Some(&text(body))) {
            assert!(Instant::now() < deadline, "{why}");
            // Nothing can be waited for: nobody says when the homeserver is back.
            std::thread::yield_now();
        }
    }

    pub fn invite(&self, room: &str, user: &str) {
        self.call(
            Method::POST,
            &format!("/rooms/{}/invite", quoted(room)),
            Some(&json!({ "user_id": user })),
        );
    }

    /// Makes a room that says it replaces another, and invites somebody into it.
    pub fn forge_successor(&self, old: &str, invite: &str) -> String {
        let predecessor = json!({ "room_id": old, "event_id": "$forged" });
        let body = json!({ "preset": "private_chat", "invite": [invite], "creation_content": { "predecessor": predecessor } });
        let made = self.call(Method::POST, "/createRoom", Some(&body));
        made["room_id"].as_str().expect("createRoom gives an id").to_owned()
    }

    /// Gives a room a name by which anybody can join it; returns it.
    pub fn publish(&self, room: &str, name: &str) -> String {
        let server = self.id.split_once(':').expect("an account has a server").1;
        let alias = format!("#{name}-{}:{server}", self.localpart);
        let body = json!({ "room_id": room });
        self.call(Method::PUT, &format!("/directory/room/{}", quoted(&alias)), Some(&body));
        let rule = format!("/rooms/{}/state/m.room.join_rules", quoted(room));
        self.call(Method::PUT, &rule, Some(&json!({ "join_rule": "public" })));
        alias
    }

    /// Takes a name from its room.
    pub fn unpublish(&self, alias: &str) {
        self.call(Method::DELETE, &format!("/directory/room/{}", quoted(alias)), None);
    }

    /// Says what a room is about.
    pub fn topic(&self, room: &str, topic: &str) {
        let state = format!("/rooms/{}/state/m.room.topic", quoted(room));
        self.call(Method::PUT, &state, Some(&json!({ "topic": topic })));
    }

    pub fn leave(&self, room: &str) {
        self.call(Method::POST, &format!("/rooms/{}/leave", quoted(room)), Some(&json!({})));
    }

    /// Removes somebody from a room: `how` is `kick` or `ban`.
    pub fn remove(&self, room: &str, how: &str, user: &str, reason: &str) {
        let body = json!({ "user_id": user, "reason": reason });
        self.call(Method::POST, &format!("/rooms/{}/{how}", quoted(room)), Some(&body));
    }

    /// The rooms this person is in.
    pub fn rooms(&self) -> Vec<String> {
        let joined = self.call(Method::GET, "/joined_rooms", None);
        let rooms = joined["joined_rooms"].as_array().expect("a list").iter();
        rooms.filter_map(|room| room.as_str().map(str::to_owned)).collect()
    }

    /// `invite`, `join`, `leave`, or nothing if the user was never in the room.
    pub fn membership(&self, room: &str, user: &str) -> Option<String> {
        let members = self.call(Method::GET, &format!("/rooms/{}/members", quoted(room)), None);
        let members = members["chunk"].as_array().expect("members");
        let of_user = members.iter().find(|event| event["state_key"] == user)?;
        of_user["content"]["membership"].as_str().map(str::to_owned)
    }

    /// Waits until a user that was invited into a room is in it.
    pub fn sees_join(&mut self, room: &str, user: &str) {
        self.until(room, &format!("{user} joining"), |events| {
            let joins = |e: &Event| {
                e.kind == "m.room.member" && e.sender == user && e.content["membership"] == "join"
            };
            events.iter().any(joins).then_some(())
        });
    }

    /// The bytes of a file in the homeserver's media store.
    pub fn download(&self, mxc: &str) -> Vec<u8> {
        let id = mxc.strip_prefix("mxc://").expect("an address of a file");
        let url = format!("{}/_matrix/client/v1/media/download/{id}", self.homeserver);
        fetch(&url, Some(&self.token))
    }

    /// The rooms this person is invited to.
    pub fn invitations(&self) -> Vec<String> {
        let synced = self.call(Method::GET, "/sync?timeout=0", None);
        let rooms = synced["rooms"]["invite"].as_object();
        rooms.map(|rooms| rooms.keys().cloned().collect()).unwrap_or_default()
    }

    /// Waits for an invitation of somebody, and returns its room.
    ///
    /// # Panics
    /// If none comes.
    pub fn is_invited_by(&mut self, who: &str) -> String {
        let deadline = Instant::now() + WAIT_FOR_SERVER;
        loop {
            if let Some(at) = self.invited.iter().position(|(inviter, _)| inviter == who) {
                return self.invited.remove(at).1;
            }
            assert!(Instant::now() < deadline, "{who} does not invite {}", self.id);
            self.sync(POLL_MS_MAX);
        }
    }

    /// One `/sync` of at most `timeout_ms`.
    fn sync(&mut self, timeout_ms: u64) {
        let filter = quoted(r#"{"room":{"timeline":{"limit":100}},"presence":{"types":[]}}"#);
        let since = self.since.as_ref().map(|token| format!("&since={token}")).unwrap_or_default();
        let synced = self.call(
            Method::GET,
            &format!("/sync?timeout={timeout_ms}&filter={filter}{since}"),
            None,
        );
        let invited = synced["rooms"]["invite"].as_object().into_iter().flatten();
        for (room, invitation) in invited {
            let state = invitation["invite_state"]["events"].as_array().into_iter().flatten();
            let mut own = state.filter(|event| event["state_key"] == self.id.as_str());
            let inviter = own.find_map(|event| event["sender"].as_str()).unwrap_or_default();
            self.invited.push((inviter.to_owned(), room.clone()));
        }
        for (room, news) in synced["rooms"]["join"].as_object().into_iter().flatten() {
            if news["timeline"]["limited"] == true {
                self.seen.insert(room.clone(), self.messages(room));
            } else {
                // What `messages` already gave may come again in the next sync.
                let seen = self.seen.entry(room.clone()).or_default();
                for event in news["timeline"]["events"].as_array().expect("a timeline") {
                    let event = parsed(event);
                    if seen.iter().all(|known| known.event_id != event.event_id) {
                        seen.push(event);
                    }
                }
            }
        }
        self.since = Some(synced["next_batch"].as_str().expect("next_batch").to_owned());
    }

    /// The last thousand events of a room, oldest first: more than any test makes.
    fn messages(&self, room: &str) -> Vec<Event> {
        let page = self.call(
            Method::GET,
            &format!("/rooms/{}/messages?dir=b&limit=1000", quoted(room)),
            None,
        );
        page["chunk"].as_array().expect("a page").iter().rev().map(parsed).collect()
    }

    /// Deletes a post.
    pub fn redact(&self, room: &str, event: &str, reason: &str) {
        let path = format!("/rooms/{}/redact/{}/{}", quoted(room), quoted(event), transaction());
        self.call(Method::PUT, &path, Some(&json!({ "reason": reason })));
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/_matrix/client/v3{path}", self.homeserver);
        request(method, &url, Some(&self.token), body)
    }
}

impl Chat for Plain {
    fn send(&mut self, room: &str, kind: &str, content: Value) -> String {
        let path = format!("/rooms/{}/send/{kind}/{}", quoted(room), transaction());
        let sent = self.call(Method::PUT, &path, Some(&content));
        sent["event_id"].as_str().expect("send gives an id").to_owned()
    }

    fn until_within<T>(
        &mut self,
        room: &str,
        what: &str,
        within: Duration,
        mut found: impl FnMut(&[Event]) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + within;
        loop {
            let seen = self.seen.get(room).map_or(&[][..], Vec::as_slice);
            if let Some(found) = found(seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                give_up(what, within, seen);
            }
            self.sync(u64::try_from(left.as_millis()).unwrap_or(POLL_MS_MAX).min(POLL_MS_MAX));
        }
    }
}

/// The bytes behind an address.
pub fn fetch(url: &str, token: Option<&str>) -> Vec<u8> {
    let mut request = HTTP.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    RUNTIME.block_on(async {
        let answer = request.send().await.unwrap_or_else(|why| panic!("{url}: {why:?}"));
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
        answer.bytes().await.unwrap_or_else(|why| panic!("{url}: {why:?}")).to_vec()
    })
}

/// Asks the homeserver for something that must work.
pub fn request(method: Method, url: &str, token: Option<&str>, body: Option<&Value>) -> Value {
    try_request(method, url, token, body).unwrap_or_else(|why| panic!("{why}"))
}

/// Asks the homeserver for something; the error says what it answered, if it did.
fn try_request(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Value, String> {
    match answer(method, url, token, body)? {
        (200..300, text) => {
            serde_json::from_str(&text).map_err(|error| format!("{url}: {error}: {text}"))
        }
        (status, text) => Err(format!("{url}: {status} {text}")),
    }
}

/// Asks the homeserver for something, and returns its status and what it says; the error is that it said nothing.
pub fn answer(
    method: Method,
    url: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<(u16, String), String> {
    let mut request = HTTP.request(method, url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = RUNTIME.block_on(async {
        let response = request.send().await?;
        Ok::<_, matrix_sdk::reqwest::Error>((response.status().as_u16(), response.text().await?))
    });
    answer.map_err(|error| format!("{url}: {error:?}"))
}

/// A transaction id that no other has.
fn transaction() -> String {
    static SENT: AtomicU64 = AtomicU64::new(0);
    format!("lab{}", SENT.fetch_add(1, Ordering::Relaxed))
}

fn parsed(event: &Value) -> Event {
    serde_json::from_value(event.clone()).unwrap_or_else(|error| panic!("{error}: {event}"))
}

/// Percent-encodes what is not plain in an URL.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
