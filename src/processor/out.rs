//! Channels that the bot is out of: it tries to come back, less and less often.

use std::collections::BTreeMap;

use super::setups::STATUS_MS_MAX;
use super::{Error, Kernel};
use crate::domain::bridge::setup::out::{Loss, rejoin_after_ms};
use crate::domain::bridge::setup::{JOIN_MS_MAX, is_in_now, join_ends, who_ends};
use crate::domain::event::{BridgeChannelBack, BridgeStands, Meta};
use crate::domain::id::Timestamp;
use crate::domain::words::setups as words;

/// When each channel that the bot is out of is tried again, and how often that was done. A restart may forget it.
#[derive(Debug, Default)]
pub struct Tries(BTreeMap<(String, String), (Timestamp, u32)>);

impl Tries {
    /// Whether a channel that is lost since then is to be tried now; that counts as a try.
    fn is_due(&mut self, of: &BridgeStands, since: Timestamp, now: Timestamp) -> bool {
        let first = (since.plus_ms(rejoin_after_ms(0)), 0);
        let (due, tries) = self.0.entry((of.network.clone(), of.channel.clone())).or_insert(first);
        if now < *due {
            return false;
        }
        *tries = tries.saturating_add(1);
        *due = now.plus_ms(rejoin_after_ms(*tries));
        true
    }
}

impl Kernel {
    /// Tries again to come into the channels that the bot is out of, where it is time for that. That it is in one is heard when
    /// the bridge says so, and here if it has not been heard.
    ///
    /// # Errors
    /// [`Error`] if the log fails.
    pub async fn rejoin(&self, tries: &mut Tries) -> Result<(), Error> {
        let now = self.clock.now();
        let (setups, _) = self.setups()?;
        let lost: Vec<_> = setups.lost_channels(now).collect();
        tries.0.retain(|(network, channel), _| {
            lost.iter().any(|(it, _)| it.network == *network && it.channel == *channel)
        });
        for (stands, lost) in lost {
            if !tries.is_due(stands, lost.since, now) {
                continue;
            }
            let Some(nick) = self.look_at_setup(stands).await.and_then(|now| now.nick) else {
                continue;
            };
            let (join, ends) = (format!("JOIN {}", stands.channel), join_ends(&stands.channel));
            // It says nothing when it is in already; what it says otherwise is heard like all that it says.
            let _ = self.tell_network(stands, &join, ends, JOIN_MS_MAX).await;
            let who = self.tell_network(stands, "WHOAMI", who_ends(&nick), STATUS_MS_MAX).await;
            let is_in = who.is_some_and(|it| is_in_now(&nick, &stands.channel, &it.said));
            if is_in && lost.loss == Loss::Out {
                self.is_back(stands).await?;
            }
        }
        Ok(())
    }

    /// Records that the bot is in a channel again, unless the bridge has said so meanwhile.
    async fn is_back(&self, stands: &BridgeStands) -> Result<(), Error> {
        let (setups, version) = self.setups()?;
        if setups.lost_channel(stands, self.clock.now()).is_none() {
            return Ok(());
        }
        let (network, channel) = (stands.network.clone(), stands.channel.clone());
        let back = BridgeChannelBack { network, channel };
        let told = words::channel_back(&back);
        let meta = Meta { room: Some(stands.network_room.clone()), ..Meta::default() };
        // If something else was recorded meanwhile, the next try finds it.
        self.tell_outage(&setups, version, back.into(), &told, &meta).await?;
        Ok(())
    }
}
