//! The task's part in gossip: what is said, heard, and passed on.

use libp2p::PeerId;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, MessageId, PublishError, TopicHash};
use meerkat_protocols::mesh::{Event, MAX_GOSSIP_BYTES, MessageRef, Validation};
use meerkat_protocols::topic::Topic;
use tokio::time::Instant;

use crate::address::peer_of;
use crate::behaviour;
use crate::task::Task;

impl Task {
    pub(crate) fn publish(&mut self, topic: Topic, data: Vec<u8>) {
        let bytes = data.len();
        self.pace.spend();
        match self.swarm.behaviour_mut().gossip.publish(IdentTopic::new(topic.to_string()), data.clone()) {
            // Neighbours have it, or hear of it by IHAVE: with all queues full it still is in the history.
            Ok(_) | Err(PublishError::Duplicate | PublishError::AllQueuesFull(_)) => {}
            Err(PublishError::NoPeersSubscribedToTopic) => self.unsent.keep(topic, data, Instant::now()),
            Err(error) => self.outlet.send(Event::Trouble(format!(
                "a statement of {bytes} bytes could not be sent, {MAX_GOSSIP_BYTES} are allowed ({error}); please \
                 report this mistake of ours"
            ))),
        }
    }

    /// What is no longer heard is not published to either: nobody we know hears it from us.
    pub(crate) fn hear(&mut self, topics: &[Topic]) {
        let topic = |text: &str| IdentTopic::new(text);
        let hashes: Vec<TopicHash> = topics.iter().map(|t| topic(&t.to_string()).hash()).collect();
        let (new, old) = self.heard.set(&hashes);
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        for left in old {
            gossip.unsubscribe(&topic(left.as_str()));
        }
        for joined in new {
            let joined = topic(joined.as_str());
            let scored = gossip.set_topic_params(joined.clone(), behaviour::topic_score());
            let subscribed = gossip.subscribe(&joined).map_err(|error| error.to_string());
            if let Err(error) = scored.map_err(str::to_owned).and(subscribed.map(drop)) {
                self.outlet.send(Event::Trouble(format!(
                    "{joined} cannot be heard: {error}; please report this mistake of ours"
                )));
            }
        }
    }

    /// The node's word on a message.
    pub(crate) fn word_on(&mut self, message: MessageRef, validation: Validation) {
        let acceptance = match validation {
            Validation::Accept => MessageAcceptance::Accept,
            Validation::Ignore => MessageAcceptance::Ignore,
            Validation::Reject => MessageAcceptance::Reject,
        };
        match self.judging.take(message) {
            Some(waiting) => self.judge(&waiting.id, &waiting.from, acceptance),
            None => tracing::debug!(?message, "judged too late"),
        }
    }

    fn judge(&mut self, id: &MessageId, from: &PeerId, acceptance: MessageAcceptance) {
        if matches!(acceptance, MessageAcceptance::Accept) {
            self.pace.spend();
        }
        self.swarm.behaviour_mut().gossip.report_message_validation_result(id, from, acceptance);
    }

    pub(crate) fn forget_unjudged(&mut self, now: Instant) {
        while let Some(waiting) = self.judging.expired(now) {
            self.judge(&waiting.id, &waiting.from, MessageAcceptance::Ignore);
        }
    }

    pub(crate) fn gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.message(propagation_source, &message_id, message.data);
            }
            gossipsub::Event::Subscribed { .. } => {
                for (topic, data) in self.unsent.take(Instant::now()) {
                    self.publish(topic, data);
                }
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                tracing::debug!(%peer_id, "speaks no gossip");
                // An error means that it has left already.
                let _ = self.swarm.disconnect_peer_id(peer_id);
            }
            gossipsub::Event::Unsubscribed { .. } | gossipsub::Event::SlowPeer { .. } => {}
        }
    }

    fn message(&mut self, source: PeerId, id: &MessageId, data: Vec<u8>) {
        let taken = peer_of(&source).and_then(|from| {
            let message = self.judging.add(id.clone(), source, Instant::now())?;
            let taken = self.outlet.offer(Event::Gossip { message, from, data });
            if !taken {
                self.judging.take(message);
            }
            taken.then_some(())
        });
        if taken.is_none() {
            self.judge(id, &source, MessageAcceptance::Ignore);
        }
    }
}
