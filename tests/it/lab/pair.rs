//! Two homeservers that talk with each other over links that can be cut.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::homeserver::{Lab, PYTHON, free_port};
use super::process::{finish, told};
use super::relay::Relay;

/// How long making the certificates may take.
const CERTIFICATES: Duration = Duration::from_secs(60);

/// Two homeservers; the bot of a test lives at the near one.
pub struct Pair {
    pub near: Lab,
    pub far: Lab,
    links: [Relay; 2],
}

impl Pair {
    /// The pair of this binary, started when it is first asked for; one test at a time has it, whole.
    pub fn shared() -> MutexGuard<'static, Pair> {
        static SHARED: OnceLock<Mutex<Pair>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Mutex::new(Pair::start()));
        let pair = shared.lock().unwrap_or_else(PoisonError::into_inner);
        pair.mend();
        pair.near.run();
        pair.far.run();
        pair
    }

    fn start() -> Pair {
        let names = [(); 2].map(|()| free_port());
        let certificates = tempfile::tempdir().expect("a directory");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/lab/certificates.py");
        let made =
            finish(Command::new(PYTHON).arg(script).current_dir(certificates.path()), CERTIFICATES);
        assert!(made.status.success(), "no certificates: {}", told(&made));
        let [near, far] = names.map(|name| {
            let (client, federation) = (free_port(), free_port());
            let lab = Lab::prepare(client, name, federating(client, federation, names));
            for file in ["ca.crt", "server.crt", "server.key"] {
                std::fs::copy(certificates.path().join(file), lab.dir.join(file))
                    .expect("the lab directory is ours");
            }
            lab.run();
            (lab, Relay::start(name, federation))
        });
        Pair { near: near.0, far: far.0, links: [near.1, far.1] }
    }

    /// Cuts both directions.
    pub fn cut(&self) {
        self.links.iter().for_each(Relay::cut);
    }

    /// Mends both directions.
    pub fn mend(&self) {
        self.links.iter().for_each(Relay::mend);
    }
}

/// What differs for homeservers that talk with each other and with nobody else, and that try again soon.
fn federating(client: u16, federation: u16, names: [u16; 2]) -> Value {
    let listener = |port: u16, tls: bool, resource: &str| {
        let resources = json!([{ "names": [resource], "compress": false }]);
        json!({ "port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "tls": tls, "resources": resources })
    };
    json!({
        "listeners": [listener(client, false, "client"), listener(federation, true, "federation")],
        "tls_certificate_path": "server.crt",
        "tls_private_key_path": "server.key",
        "federation_custom_ca_list": ["ca.crt"],
        "federation_domain_whitelist": names.map(|name| format!("localhost:{name}")),
        "ip_range_blacklist": [],
        "federation": {
            "destination_min_retry_interval": "1s",
            "destination_retry_multiplier": 2,
            "destination_max_retry_interval": "2s",
        },
        "rc_federation": {
            "window_size": 1000,
            "sleep_limit": 100_000,
            "sleep_delay": 1,
            "reject_limit": 100_000,
            "concurrent": 100,
        },
    })
}
