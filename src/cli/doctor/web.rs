//! What is looked at of the web listener: whether its address can be had, who reaches it, whether its secrets are there.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use crate::adapter::matrix::Finding;
use crate::app::{door, secrets};
use crate::config::Config;
use crate::control;
use crate::domain::hook::{Auth, Hook};
use crate::query::command::{Request, Rows};
use crate::web::serve::ListenError;

/// Looks at the listener and its hooks.
pub(super) fn web(config: &Config, data: &Path) -> Vec<Finding> {
    let Some(address) = door::of_run(config) else {
        return vec![Finding::good("webhooks", "nobody is listened to: `[web] listen` is `none`")];
    };
    let mut found = vec![];
    match running(data).map_or_else(|| free(address), Ok) {
        Ok(address) => found.push(reached(config, address)),
        Err(error) => {
            let hint = error.hint();
            found.push(Finding::bad("webhooks", error.to_string(), hint));
        }
    }
    let secrets = secrets(config);
    let wrong = |hook: &Hook| Some((hook.name.clone(), secrets.get(hook.secret()?).err()?));
    found.extend(config.web.hooks.values().filter_map(wrong).map(|(name, why)| {
        let remedy = "until then every delivery to it is answered with 500";
        Finding::bad("hook", format!("{name}: {why}"), remedy)
    }));
    found
}

/// Where the running bot listens.
fn running(data: &Path) -> Option<SocketAddr> {
    let mut rows = Rows::default();
    control::ask(data, &Request::Listener, &mut rows).ok()??.ok()?;
    rows.0.first()?["address"].as_str()?.parse().ok()
}

/// Whether the address can be had now.
fn free(address: SocketAddr) -> Result<SocketAddr, ListenError> {
    let taken = TcpListener::bind(address).map(|_| address);
    taken.map_err(|source| ListenError { address, source })
}

/// Who reaches it.
fn reached(config: &Config, address: SocketAddr) -> Finding {
    let hooks = config.web.hooks.len();
    let detail = format!("{hooks} hooks at {address}");
    let open: Vec<&str> = config
        .web
        .hooks
        .values()
        .filter(|hook| hook.auth == Auth::None && hook.open)
        .map(|hook| hook.name.as_str())
        .collect();
    let public = !address.ip().to_canonical().is_loopback();
    match (public, open.is_empty()) {
        (_, false) => {
            let detail = format!("{detail}; anybody may post to {}", open.join(", "));
            Finding::warning("webhooks", detail, "give them `auth` and a secret")
        }
        (true, true) => {
            let detail =
                format!("{detail}: other machines reach it, `/metrics` too, without encryption");
            let remedy =
                "listen at 127.0.0.1 and put a proxy with TLS before it (docs/webhooks.md)";
            Finding::warning("webhooks", detail, remedy)
        }
        (false, true) => Finding::good("webhooks", detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::matrix::Level;
    use crate::config::Listen;

    #[test]
    fn who_reaches_the_hooks_is_told() {
        let config = |open: bool, listen: &str| {
            let mut config =
                Config::load(None, &Default::default()).expect("nothing is wrong with nothing");
            config.web.listen = Listen::read(listen).expect("it is right");
            let hook = Hook {
                name: "ci".into(),
                kind: "none",
                auth: Auth::None,
                delivery_header: None,
                headers: vec![],
                per_minute: 1,
                open,
            };
            config.web.hooks.insert("ci".into(), hook);
            config
        };
        for (open, listen, want, detail) in [
            (false, "127.0.0.1:1", Level::Good, "1 hooks at 127.0.0.1:1"),
            (true, "127.0.0.1:1", Level::Warning, "anybody may post to ci"),
            (false, "0.0.0.0:1", Level::Warning, "other machines reach it"),
        ] {
            let address = listen.parse().expect("an address");
            let finding = reached(&config(open, listen), address);
            assert!(finding.level == want && finding.detail.contains(detail), "{finding:?}");
        }
        let nowhere = web(&config(false, "none"), Path::new("/nonexistent"));
        assert!(nowhere.len() == 1 && nowhere[0].is_good(), "{nowhere:?}");
    }

    #[test]
    fn an_address_that_is_taken_is_told_with_what_to_do() {
        let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut config =
            Config::load(None, &Default::default()).expect("nothing is wrong with nothing");
        config.web.listen = Listen::At(held.local_addr().expect("it has an address"));
        let found = web(&config, Path::new("/nonexistent"));
        assert_eq!(found[0].level, Level::Bad, "{found:?}");
        assert!(
            found[0].remedy.as_ref().is_some_and(|it| it.contains("another program")),
            "{found:?}"
        );
    }
}
