//! Words between this node and one peer: a request's first byte says what it is about.

use std::collections::BTreeMap;

use meerkat_protocols::{
    mesh::{InboundRef, Order, Path, Peer, RequestKind, RequestRef},
    time::Now,
};

use crate::{
    command::{CommandId, Refusal, Reply},
    node::Node,
    output::{Output, Promise},
};

/// Pings that people wait for. The network answers each within ten seconds.
const MAX_PINGS: usize = 16;

/// What is under way. The network answers each request within seconds, if only to say that there is no answer.
#[derive(Default)]
pub(crate) struct Direct {
    next: u64,
    asked: BTreeMap<RequestRef, (Peer, RequestKind)>,
    pings: BTreeMap<Peer, Vec<CommandId>>,
}

impl Direct {
    /// A number for the next request.
    pub(crate) fn next_request(&mut self) -> RequestRef {
        self.next += 1;
        RequestRef(self.next - 1)
    }
}

impl Node {
    /// Asks a peer. What comes back, or that nothing does, goes to the part that the kind names.
    pub fn ask(&mut self, peer: Peer, kind: RequestKind, payload: &[u8]) -> RequestRef {
        let (request, order) = self.request(peer, kind, payload);
        self.put(Output::Order(order));
        request
    }

    /// As [`Self::ask`], but only once all that was written before is on disk.
    pub(crate) fn ask_when_saved(&mut self, peer: Peer, kind: RequestKind, payload: &[u8]) -> RequestRef {
        let (request, order) = self.request(peer, kind, payload);
        self.put(Output::AfterCommit(Promise::Order(order)));
        request
    }

    fn request(&mut self, peer: Peer, kind: RequestKind, payload: &[u8]) -> (RequestRef, Order) {
        let request = self.direct.next_request();
        self.direct.asked.insert(request, (peer, kind));
        let data = [&[kind.byte()], payload].concat();
        (request, Order::Request { request, peer, data })
    }

    /// A peer asks. Each part answers by [`Self::respond`], at once or later.
    pub(crate) fn asked(&mut self, now: Now, from: Peer, inbound: InboundRef, data: &[u8]) {
        let kind = data.split_first().and_then(|(kind, payload)| Some((RequestKind::from_byte(*kind)?, payload)));
        match kind {
            Some((RequestKind::Record, payload)) => self.record_asked(now, from, inbound, payload),
            Some((RequestKind::Heartbeat, payload)) => self.beat_asked(now, from, inbound, payload),
            Some((RequestKind::Join, payload)) => self.join_asked(now, from, inbound, payload),
            Some((RequestKind::Meet, payload)) => self.meet_asked(now, from, inbound, payload),
            Some((RequestKind::Message, payload)) => self.letter_asked(now, from, inbound, payload),
            Some((RequestKind::Peers, payload)) => self.peers_asked(now, from, inbound, payload),
            Some((RequestKind::Release, payload)) => self.release_asked(now, from, inbound, payload),
            Some((RequestKind::Enrol, payload)) => self.enrol_asked(now, from, inbound, payload),
            None => self.respond(inbound, vec![RequestKind::NOT_UNDERSTOOD]),
        }
    }

    /// The answer to a peer's request.
    pub(crate) fn respond(&mut self, inbound: InboundRef, data: Vec<u8>) {
        self.put(Output::Order(Order::Respond { inbound, data }));
    }

    /// A request of ours was answered, or has no answer. An answer of the one byte [`RequestKind::NOT_UNDERSTOOD`] is none:
    /// the other program is older than the question.
    pub(crate) fn answered(&mut self, now: Now, request: RequestRef, data: Option<&[u8]>) {
        if self.member_answered(now, request, data) {
            return;
        }
        let Some((peer, kind)) = self.direct.asked.remove(&request) else { return };
        let data = data.filter(|data| *data != [RequestKind::NOT_UNDERSTOOD]);
        match (kind, data) {
            (RequestKind::Record, Some(data)) => self.record_answered(now, peer, data),
            (RequestKind::Heartbeat, Some(data)) => drop(self.beat_heard(now, peer, data)),
            (RequestKind::Join, data) => self.join_answered(now, peer, data),
            (RequestKind::Meet, data) => self.meet_answered(peer, data),
            (RequestKind::Message, data) => self.letter_answered(now, request, data),
            (RequestKind::Enrol, data) => self.enrol_answered(now, peer, data),
            (RequestKind::Peers, Some(data)) => self.peers_answered(now, data),
            // A running node does not ask for its key.
            (RequestKind::Release, _) | (RequestKind::Record | RequestKind::Heartbeat | RequestKind::Peers, None) => {}
        }
    }

    /// A person wants to know whether a peer answers.
    pub(crate) fn ping(&mut self, id: CommandId, peer: Peer) {
        if self.direct.pings.values().map(Vec::len).sum::<usize>() >= MAX_PINGS {
            return self.put(Output::Reply(id, Err(Refusal::Busy)));
        }
        let waiting = self.direct.pings.entry(peer).or_default();
        waiting.push(id);
        if waiting.len() == 1 {
            self.put(Output::Order(Order::Ping { peer }));
        }
    }

    pub(crate) fn pinged(&mut self, peer: Peer, rtt_us: Option<u64>, path: Path) {
        for id in self.direct.pings.remove(&peer).unwrap_or_default() {
            self.put(Output::Reply(id, Ok(Reply::Pinged { peer, rtt_us, path })));
        }
    }
}
