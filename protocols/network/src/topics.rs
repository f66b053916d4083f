//! The topics we hear, and what of others' subscriptions and messages is let in.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::gossipsub::{
    DataTransform, MaxCountSubscriptionFilter, Message, RawMessage, TopicHash, TopicSubscriptionFilter,
};
use meerkat_protocols::mesh::MAX_GOSSIP_BYTES;
use meerkat_protocols::topic::Topic;

/// Topics we hear: those of one country are five, and a home on a border may come to hear another's.
pub(crate) const MAX_HEARD: usize = 8;
/// Topics of one peer that we remember, and changes of them in one message: twice what it hears.
const MAX_OF_PEER: usize = 2 * MAX_HEARD;

/// Which subscriptions of peers are remembered.
pub(crate) type Filter = MaxCountSubscriptionFilter<OfOurKind>;

pub(crate) fn filter() -> Filter {
    Filter { filter: OfOurKind, max_subscribed_topics: MAX_OF_PEER, max_subscriptions_per_request: 2 * MAX_OF_PEER }
}

/// Those that may be topics of somebody's like us, in another country too.
pub(crate) struct OfOurKind;

impl TopicSubscriptionFilter for OfOurKind {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        topic.as_str().parse::<Topic>().is_ok()
    }
}

/// The topics we hear, shared by the task and gossipsub.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<HashSet<TopicHash>>>);

impl Heard {
    /// Hears these. Returns what is new, and what is heard no longer.
    pub(crate) fn set(&self, topics: &[TopicHash]) -> (Vec<TopicHash>, Vec<TopicHash>) {
        let mut heard = self.topics();
        let wanted: HashSet<TopicHash> = topics.iter().take(MAX_HEARD).cloned().collect();
        let mut new: Vec<TopicHash> = wanted.difference(&heard).cloned().collect();
        let mut old: Vec<TopicHash> = heard.difference(&wanted).cloned().collect();
        new.sort_unstable();
        old.sort_unstable();
        *heard = wanted;
        (new, old)
    }

    fn topics(&self) -> MutexGuard<'_, HashSet<TopicHash>> {
        // Whatever panicked while it held the lock had changed the set as a whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what is not ours before gossipsub remembers it: a message of a foreign topic would fill the cache unjudged.
    fn check(&self, topic: &TopicHash, bytes: usize) -> io::Result<()> {
        if !self.topics().contains(topic) {
            return Err(io::Error::other("not a topic that is heard here"));
        }
        if bytes > MAX_GOSSIP_BYTES {
            return Err(io::Error::other("longer than a message can be"));
        }
        Ok(())
    }
}

impl DataTransform for Heard {
    fn inbound_transform(&self, raw: RawMessage) -> io::Result<Message> {
        self.check(&raw.topic, raw.data.len())?;
        Ok(Message { source: raw.source, data: raw.data, sequence_number: raw.sequence_number, topic: raw.topic })
    }

    fn outbound_transform(&self, topic: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        self.check(topic, data.len())?;
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(topic: &str, bytes: usize) -> RawMessage {
        RawMessage {
            source: None,
            data: vec![7; bytes],
            sequence_number: None,
            topic: TopicHash::from_raw(topic),
            signature: None,
            key: None,
            validated: false,
        }
    }

    #[test]
    fn only_topics_that_are_heard_and_sizes_that_are_allowed_come_in() {
        let (ours, vouches) = (Heard::default(), Topic::Vouches.to_string());
        assert!(ours.inbound_transform(raw(&vouches, 10)).is_err(), "nothing is heard yet");
        ours.set(&[TopicHash::from_raw(&vouches)]);
        assert_eq!(ours.inbound_transform(raw(&vouches, MAX_GOSSIP_BYTES)).expect("ours").data.len(), MAX_GOSSIP_BYTES);
        assert!(ours.inbound_transform(raw(&vouches, MAX_GOSSIP_BYTES + 1)).is_err());
        assert!(ours.inbound_transform(raw("/somewhere/else", 10)).is_err());
        assert!(ours.outbound_transform(&TopicHash::from_raw("/somewhere/else"), vec![7]).is_err());
    }

    #[test]
    fn what_is_heard_changes_as_a_whole_and_stays_small() {
        let topic = |n: usize| TopicHash::from_raw(n.to_string());
        let heard = Heard::default();
        assert_eq!(heard.set(&[topic(1), topic(2)]), (vec![topic(1), topic(2)], vec![]));
        assert_eq!(heard.set(&[topic(2), topic(3)]), (vec![topic(3)], vec![topic(1)]));
        assert_eq!(heard.set(&(0..100).map(topic).collect::<Vec<_>>()).0.len(), MAX_HEARD - 2);
    }

    #[test]
    fn peers_may_hear_what_is_of_our_kind() {
        for (topic, allowed) in [
            ("/meerkat/1/vouch", true),
            ("/meerkat/1/report/at/2", true),
            ("/meerkat/1/report/at/9", false),
            ("x", false),
        ] {
            assert_eq!(OfOurKind.can_subscribe(&TopicHash::from_raw(topic)), allowed, "{topic}");
        }
    }
}
