//! The network of a locked node whose key other members give out: it lives under the asking key, speaks to the members
//! alone, and ends when the key is there. What is asked and when is decided in `meerkat_core::Unlocking`.

use std::time::Duration;

use meerkat_core::{UnlockStep, Unlocking};
use meerkat_network::{Network, NetworkKey, RelayFor};
use meerkat_protocols::release::ReleaseSecret;
use meerkat_store::{Folder, KeyFile, UnlockError};
use meerkat_web::Waiting;

use crate::{clock::Clock, settings::Loaded, signals::STOP_WITHIN};

/// It calls and is not called: the node's own port stays free for what starts once it is unlocked.
const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
/// How long nothing is done when nothing is due: whatever happens on the network ends it.
const IDLE: Duration = Duration::from_secs(60);

/// A locked node that asks, or one that does not: then it waits for ever.
pub(crate) struct Asking {
    clock: Clock,
    under_way: Option<(Network, Unlocking)>,
}

impl Asking {
    /// Begins to ask, if members give out the key of this file.
    pub(crate) fn start(loaded: &Loaded, folder: &Folder, file: &KeyFile, clock: Clock) -> Self {
        let under_way = file.release().and_then(|(id, asking)| {
            let whom = folder.whom_to_ask();
            if whom.is_none() {
                tracing::warn!("where the household's nodes are found is not known: those on this network are asked");
            }
            let settings = meerkat_network::Settings {
                secret: NetworkKey::new(*asking.bytes()),
                listen: vec![LISTEN.to_owned()],
                peers: loaded.settings.network.peers.clone(),
                remembered: Vec::new(),
                mdns: loaded.settings.network.mdns,
                relay: RelayFor::Nobody,
            };
            let network = meerkat_network::start(&settings);
            let mut network = network.inspect_err(|why| tracing::error!(%why, "no member can be asked")).ok()?;
            network.exchanges = None;
            Some((network, Unlocking::new(id, whom)))
        });
        Self { clock, under_way }
    }

    /// The next secret that a member gives. Nothing is lost when it is cancelled.
    pub(crate) async fn next(&mut self, waiting: &Waiting) -> ReleaseSecret {
        let Some((network, unlocking)) = &mut self.under_way else { return std::future::pending().await };
        loop {
            while let Some(step) = unlocking.poll() {
                match step {
                    UnlockStep::Try(secret) => return secret,
                    UnlockStep::Order(order) => {
                        if network.orders.try_send(order).is_err() {
                            tracing::warn!("the network takes no orders now: a member is asked later");
                        }
                    }
                }
            }
            waiting.say(&unlocking.words());
            let now_ms = self.clock.mono_ms();
            let pause = unlocking.due_ms().map(|due| Duration::from_millis(due.saturating_sub(now_ms)));
            tokio::select! {
                event = network.events.recv() => match event {
                    Some(event) => unlocking.handle(self.clock.mono_ms(), &event),
                    None => return std::future::pending().await,
                },
                () = tokio::time::sleep(pause.unwrap_or(IDLE).min(IDLE)) => unlocking.mind(self.clock.mono_ms()),
            }
        }
    }

    /// What a member gave does not open the file.
    pub(crate) fn wrong(&mut self, why: &UnlockError) {
        tracing::warn!(%why, "what a member gave does not open the key");
        if let Some((_, unlocking)) = &mut self.under_way {
            unlocking.wrong();
        }
    }

    /// Ends it.
    pub(crate) async fn close(self) {
        if let Some((network, unlocking)) = self.under_way {
            if let Some(peer) = unlocking.giver() {
                tracing::info!(%peer, "a member gave the key");
            }
            network.shutdown(STOP_WITHIN).await;
        }
    }
}
