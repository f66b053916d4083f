//! What of gossip this node hears live, and on which topic it says what.

use meerkat_protocols::{mesh::Order, statement::Statement, topic::Topic};

use crate::{node::Node, output::Output};

impl Node {
    /// Tells the network what to hear: after the start, and when the home's country is another.
    pub(crate) fn hear(&mut self) {
        let topics = Topic::heard_in(self.region);
        if self.mesh.heard != topics {
            self.mesh.heard.clone_from(&topics);
            self.put(Output::Order(Order::Hear { topics }));
        }
    }

    /// Where a statement goes: what takes another back, to where that went. If that is not known, to everybody.
    pub(crate) fn topic(&self, statement: &Statement) -> Topic {
        self.evidence.subject(statement).map_or(Topic::Vouches, |number| Topic::of_report(self.region, number))
    }
}
