//! Whether the bridges run: each that the configuration gives an address is asked in turn, and what changes is recorded and
//! told to the owner. What a network is to a bridge that goes on without having been restarted, the bridge is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::out::Tries;
use super::{ATTEMPTS_MAX, Error, Kernel, Tried};
use crate::adapter::alive::alive;
use crate::adapter::http_client::HttpClient;
use crate::domain::bridge::alive::asked;
use crate::domain::bridge::setup::Setups;
use crate::domain::event::{BridgeBack, Event, Meta};
use crate::domain::words::setups as words;

/// How often a bridge that answers again is asked for a network that it has not told to be back: whatever it does later it
/// says by itself.
pub const LOOKS_MAX: u32 = 5;

/// What is kept between two rounds; a restart may forget it.
#[derive(Debug, Default)]
pub struct Rounds {
    /// How often in a row a bridge has not answered.
    failures: BTreeMap<String, u32>,
    /// How often it was asked for a network since it answers again.
    looks: BTreeMap<String, u32>,
}

impl Kernel {
    /// Asks every bridge once, and records what changes.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn ask_bridges(&self, client: &HttpClient, rounds: &mut Rounds) -> Result<(), Error> {
        let bridges = self.settings().bridges.clone();
        for (profile, at, path) in bridges.asked() {
            let answer = alive(client, at, path).await;
            let failures = rounds.failures.entry(profile.name.clone()).or_default();
            self.was_asked(&profile.name, failures, &answer).await?;
        }
        let is_asked = |name: &str| bridges.asked().any(|(profile, ..)| profile.name == name);
        rounds.failures.retain(|name, _| is_asked(name));
        let setups = self.setups()?.0;
        // A bridge that nobody asks any more is taken at its word.
        let answers = |name: &str| !is_asked(name) || !setups.silent().contains_key(name);
        self.look_at_unheard(&setups, answers, rounds).await
    }

    /// Takes in what came of asking a bridge.
    async fn was_asked(
        &self,
        bridge: &str,
        failures: &mut u32,
        answer: &Result<(), String>,
    ) -> Result<(), Error> {
        let before = *failures;
        for _ in 0..ATTEMPTS_MAX {
            *failures = before;
            let (setups, version) = self.setups()?;
            let is_silent = setups.silent().contains_key(bridge);
            let Some(event) = asked(bridge, is_silent, failures, answer.clone()) else {
                return Ok(());
            };
            let told = match &event {
                Event::BridgeSilent(e) => words::bridge_silent(e, &setups.networks_of(bridge)),
                Event::BridgeAnswers(e) => words::bridge_answers(e),
                _ => return Ok(()),
            };
            let tried = self.tell_outage(&setups, version, event, &told, &Meta::default()).await?;
            if !matches!(tried, Tried::Moved) {
                return Ok(());
            }
        }
        tracing::warn!("the log moved on every time that a bridge was asked");
        Ok(())
    }

    /// Asks the bridges that answer for the networks that count as lost only because they were silent.
    async fn look_at_unheard(
        &self,
        setups: &Setups,
        answers: impl Fn(&str) -> bool,
        rounds: &mut Rounds,
    ) -> Result<(), Error> {
        let unheard = setups.unheard(answers);
        rounds.looks.retain(|network, _| unheard.iter().any(|it| it.network == *network));
        for stands in unheard {
            let looks = rounds.looks.entry(stands.network.clone()).or_default();
            if *looks >= LOOKS_MAX {
                continue;
            }
            *looks += 1;
            let now = self.look_at_setup(stands).await;
            if now.is_none_or(|now| now.nick.is_none()) {
                continue;
            }
            let (now, version) = self.setups()?;
            // The bridge may have said it by itself meanwhile.
            if !now.unheard(|_| true).iter().any(|it| it.network == stands.network) {
                continue;
            }
            let back = BridgeBack { network: stands.network.clone() };
            let told = words::back(&back);
            let meta = Meta { room: Some(stands.network_room.clone()), ..Meta::default() };
            // If something else was recorded meanwhile, the next round looks again.
            self.tell_outage(&now, version, back.into(), &told, &meta).await?;
        }
        Ok(())
    }
}

/// Asks them again and again, and tries to come back where the bot was thrown out, until it is told to stop.
///
/// # Errors
/// [`Error`] if the log fails.
pub async fn run(
    kernel: Arc<Kernel>,
    client: HttpClient,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Error> {
    let (mut rounds, mut tries) = (Rounds::default(), Tries::default());
    loop {
        let every = kernel.settings().bridges.ask_every();
        let round = async {
            kernel.ask_bridges(&client, &mut rounds).await?;
            kernel.rejoin(&mut tries).await?;
            tokio::time::sleep(every).await;
            Ok::<(), Error>(())
        };
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return Ok(()),
            done = round => done?,
        }
    }
}
