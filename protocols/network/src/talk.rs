//! The task's part in requests between two nodes.

use libp2p::PeerId;
use libp2p::request_response::{Event as DirectEvent, Message};
use libp2p::swarm::ConnectionId;
use meerkat_protocols::mesh::{Event, InboundRef, MAX_DIRECT_BYTES, MAX_MEMBER_BYTES, Peer, RequestRef};
use tokio::time::Duration;

use crate::address::{peer_id, peer_of};
use crate::direct::{Answer, Asked};
use crate::members::News;
use crate::task::Task;

impl Task {
    pub(crate) fn request(&mut self, request: RequestRef, peer: Peer, data: Vec<u8>) {
        let fits = (1..=MAX_DIRECT_BYTES).contains(&data.len());
        if !fits || !self.ask(peer, data, Asked::Request(request)) {
            self.outlet.send(Event::Unanswered { request });
        }
    }

    pub(crate) fn ping(&mut self, peer: Peer) {
        if !self.ask(peer, Vec::new(), Asked::Ping(peer)) {
            self.outlet.send(Event::Pinged { peer, rtt_us: None, path: self.paths.of(peer) });
        }
    }

    /// Whether it could be sent. Nobody is called for a request: whom we call is the book's to decide.
    fn ask(&mut self, peer: Peer, data: Vec<u8>, asked: Asked) -> bool {
        let Some(id) = peer_id(peer).filter(|id| self.swarm.is_connected(id)) else { return false };
        if !self.under_way.has_room() {
            return false;
        }
        let request = self.swarm.behaviour_mut().direct.send_request(&id, data);
        self.under_way.asked(request, asked);
        true
    }

    pub(crate) fn ask_member(&mut self, request: RequestRef, peer: Peer, data: Vec<u8>) {
        let fits = (1..=MAX_MEMBER_BYTES).contains(&data.len());
        let connected = peer_id(peer).is_some_and(|id| self.swarm.is_connected(&id));
        if !fits || !connected || !self.members.ask(request, peer, data) {
            self.outlet.send(Event::Unanswered { request });
        }
    }

    pub(crate) fn member_news(&mut self, news: News) {
        match news {
            News::Asked { from, data, answer } => {
                let inbound = self.members.wait(answer);
                if !self.outlet.offer(Event::MemberAsks { from, inbound, data }) {
                    // A node too slow to listen refuses.
                    self.members.forget(inbound);
                }
            }
            News::Answered { request, data: Some(data) } => self.outlet.send(Event::Response { request, data }),
            News::Answered { request, data: None } => self.outlet.send(Event::Unanswered { request }),
        }
    }

    pub(crate) fn respond(&mut self, inbound: InboundRef, data: Vec<u8>) {
        if self.members.is_members(inbound) {
            return self.members.answer(inbound, data);
        }
        // An error means that the peer waits no longer; one that is too long is dropped, which the peer sees as a refusal.
        if let Some(channel) = self.under_way.answer(inbound)
            && data.len() <= MAX_DIRECT_BYTES
        {
            let answer = Answer { data, after: Duration::ZERO };
            let _ = self.swarm.behaviour_mut().direct.send_response(channel, answer);
        }
    }

    pub(crate) fn direct(&mut self, event: DirectEvent<Vec<u8>, Answer>) {
        match event {
            DirectEvent::Message { peer, connection_id, message } => self.said(&peer, connection_id, message),
            DirectEvent::OutboundFailure { connection_id, request_id, error, .. } => {
                tracing::debug!(%error, "no answer");
                match self.under_way.take(request_id) {
                    Some(Asked::Request(request)) => self.outlet.send(Event::Unanswered { request }),
                    Some(Asked::Ping(peer)) => self.pinged(peer, connection_id, None),
                    None => {}
                }
            }
            DirectEvent::InboundFailure { request_id, .. } => self.under_way.gone(request_id),
            DirectEvent::ResponseSent { .. } => {}
        }
    }

    fn said(&mut self, id: &PeerId, connection: ConnectionId, message: Message<Vec<u8>, Answer>) {
        match message {
            Message::Request { channel, request, .. } if request.is_empty() => {
                let answer = Answer { data: Vec::new(), after: Duration::ZERO };
                let _ = self.swarm.behaviour_mut().direct.send_response(channel, answer);
            }
            Message::Request { request_id, request: data, channel } => {
                let Some(from) = peer_of(id) else { return };
                let Some(inbound) = self.under_way.came(from, request_id, channel) else { return };
                if !self.outlet.offer(Event::Request { from, inbound, data }) {
                    // A node too slow to listen refuses.
                    drop(self.under_way.answer(inbound));
                }
            }
            Message::Response { request_id, response: Answer { data, after } } => match self.under_way.take(request_id)
            {
                Some(Asked::Request(request)) => self.outlet.send(Event::Response { request, data }),
                Some(Asked::Ping(peer)) => self.pinged(peer, connection, Some(after)),
                None => {}
            },
        }
    }

    fn pinged(&mut self, peer: Peer, connection: ConnectionId, after: Option<Duration>) {
        // 10 s at most.
        let rtt_us = after.map(|after| u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
        let path = self.paths.of_connection(peer, connection);
        self.outlet.send(Event::Pinged { peer, rtt_us, path });
    }

    /// For now and for each connection to come.
    pub(crate) fn trust(&mut self, peer: Peer, score: i16) {
        self.trusted.set(peer, score);
        self.score(peer);
    }

    /// gossipsub knows peers from their first connection on.
    pub(crate) fn score(&mut self, peer: Peer) {
        if let Some(id) = peer_id(peer) {
            self.swarm.behaviour_mut().gossip.set_application_score(&id, self.trusted.for_gossip(peer));
        }
    }
}
