//! The web listener in the life of the bot: its address is taken before anything else begins, it answers as soon as the
//! log takes something, and it ends before the log is closed.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::desk::Desk;
use super::orders::Hands;
use crate::config::{Config, LISTEN, Listen};
use crate::domain::switch::Automation;
use crate::query::command::{Refusal, Sink};
use crate::web::serve::{ListenError, bind, serve};
use crate::web::{Parts, Web};

/// An address that is taken, and nobody is answered yet.
pub struct Taken {
    listener: TcpListener,
    /// Where: a port that was left open is a number now.
    pub address: SocketAddr,
}

/// A listener at work.
pub struct Door {
    /// What answers.
    pub web: Arc<Web>,
    /// Where.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    work: JoinHandle<()>,
}

/// Where `beadle run` listens; none: nowhere.
pub fn of_run(config: &Config) -> Option<SocketAddr> {
    let usual = || LISTEN.parse().expect("the usual address is one");
    match config.web.listen {
        Listen::Usual => Some(usual()),
        Listen::Nowhere => None,
        Listen::At(address) => Some(address),
    }
}

/// Where `beadle chat` listens: only where it is told to.
pub fn of_chat(config: &Config) -> Option<SocketAddr> {
    match config.web.listen {
        Listen::Usual | Listen::Nowhere => None,
        Listen::At(address) => Some(address),
    }
}

/// Takes an address, if there is to be one.
///
/// # Errors
/// [`ListenError`] if it cannot be had.
pub async fn take(address: Option<SocketAddr>) -> Result<Option<Taken>, ListenError> {
    let Some(address) = address else { return Ok(None) };
    let listener = bind(address).await?;
    let address = listener.local_addr().map_err(|source| ListenError { address, source })?;
    Ok(Some(Taken { listener, address }))
}

impl Taken {
    /// Begins to answer.
    pub fn open(self, parts: Parts, config: &Config) -> Door {
        let web = Web::new(parts, config.web.clone());
        let (stop, stopping) = watch::channel(false);
        let work = tokio::spawn(serve(self.listener, web.clone(), stopping));
        let address = self.address;
        tracing::info!(%address, hooks = config.web.hooks.len(), "listening for webhooks");
        Door { web, address, stop, work }
    }
}

impl Desk {
    /// Says where webhooks are listened for, and which hooks are switched off.
    pub(super) fn listener(&self, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let mut off = serde_json::Map::new();
        if let Hands::Bot(kernel) = &self.hands {
            let switches = kernel.switches()?.0;
            let hooks = switches.all_off(self.clock.now()).filter(|it| it.kind == Automation::Hook);
            off.extend(hooks.map(|it| (it.name.clone(), kernel.off_reason(it).into())));
        }
        Ok(sink.row(json!({ "address": self.web, "off": off }))?)
    }
}

impl Door {
    /// Ends: nobody is accepted any more, and what is at work has a short time.
    pub async fn close(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.work.await {
            tracing::error!(%error, "the web listener ended by a fault of this program");
        }
    }
}
