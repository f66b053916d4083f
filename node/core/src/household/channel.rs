//! The member channel: words to members, sealed, and their answers, each handed to the part that its channel names.

use meerkat_protocols::{
    home::NodeNumber,
    household::{Channel, Status},
    mesh::{InboundRef, MAX_MEMBER_BYTES, Order, Peer, RequestRef},
    time::Now,
};

use crate::{
    node::Node,
    output::{Output, Promise},
};

/// What sealing and heads add to a word: a channel, the name of the key, a nonce, a tag.
const OVERHEAD_BYTES: usize = 64;
/// The longest payload of a word, and of an answer.
pub(crate) const MAX_PAYLOAD_BYTES: usize = MAX_MEMBER_BYTES - OVERHEAD_BYTES;

/// A word of ours that waits for its answer.
pub(super) struct Asked {
    pub(super) to: NodeNumber,
    pub(super) channel: Channel,
}

/// A member's word that waits for our answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberInbound {
    from: NodeNumber,
    channel: Channel,
    inbound: InboundRef,
}

impl Node {
    /// Says something to a member. `None` if it is not there, or there is no key yet: it will be said to have come.
    pub(crate) fn ask_member(&mut self, to: NodeNumber, channel: Channel, payload: &[u8]) -> Option<RequestRef> {
        let (request, order) = self.member_request(to, channel, payload)?;
        self.put(Output::Order(order));
        Some(request)
    }

    /// As [`Self::ask_member`], but only once all that was written before is on disk.
    pub(crate) fn ask_member_when_saved(
        &mut self,
        to: NodeNumber,
        channel: Channel,
        payload: &[u8],
    ) -> Option<RequestRef> {
        let (request, order) = self.member_request(to, channel, payload)?;
        self.put(Output::AfterCommit(Promise::Order(order)));
        Some(request)
    }

    fn member_request(&mut self, to: NodeNumber, channel: Channel, payload: &[u8]) -> Option<(RequestRef, Order)> {
        if channel.is_sealed() && !self.is_member_there(to) {
            return None;
        }
        let peer = self.household.roster.member(to)?.peer;
        let body = self.closed(channel, to, payload)?;
        let request = self.next_request();
        self.household.asked.insert(request, Asked { to, channel });
        Some((request, Order::AskMember { request, peer, data: [&[channel as u8], &body[..]].concat() }))
    }

    fn closed(&mut self, channel: Channel, to: NodeNumber, payload: &[u8]) -> Option<Vec<u8>> {
        debug_assert!(payload.len() <= MAX_PAYLOAD_BYTES, "whoever makes it keeps to the limit");
        if !channel.is_sealed() {
            return Some(payload.to_vec());
        }
        let chance = self.chance.draw();
        Some(self.household.frame.as_ref()?.seal(self.identity.node, to, payload, chance))
    }

    fn unsealed(&self, channel: Channel, from: NodeNumber, body: &[u8]) -> Option<Vec<u8>> {
        if !channel.is_sealed() {
            return Some(body.to_vec());
        }
        self.household.frame.as_ref()?.open(from, self.identity.node, body)
    }

    /// Answers a member.
    pub(crate) fn answer_member(&mut self, to: MemberInbound, payload: &[u8]) {
        let order = self.member_response(to, payload);
        self.put(Output::Order(order));
    }

    /// As [`Self::answer_member`], but only once all that was written before is on disk.
    pub(crate) fn answer_member_when_saved(&mut self, to: MemberInbound, payload: &[u8]) {
        let order = self.member_response(to, payload);
        self.put(Output::AfterCommit(Promise::Order(order)));
    }

    fn member_response(&mut self, to: MemberInbound, payload: &[u8]) -> Order {
        let data = match self.closed(to.channel, to.from, payload) {
            Some(body) => [&[Status::Answered as u8], &body[..]].concat(),
            // The key is gone since the word came: the roster has changed.
            None => vec![Status::OtherEpoch as u8],
        };
        Order::Respond { inbound: to.inbound, data }
    }

    /// Says that a word makes no sense here.
    pub(crate) fn refuse_member(&mut self, to: MemberInbound) {
        self.put(Output::Order(Order::Respond { inbound: to.inbound, data: vec![Status::NotUnderstood as u8] }));
    }

    /// A peer says something over the member channel. Of one that is no member nothing is read.
    pub(crate) fn member_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, data: &[u8]) {
        let refusal = |status: Status| Output::Order(Order::Respond { inbound, data: vec![status as u8] });
        let Some(number) = self.member_of(from) else { return self.put(refusal(Status::NotUnderstood)) };
        let channel = data.split_first().and_then(|(byte, body)| Some((Channel::from_byte(*byte)?, body)));
        let Some((channel, body)) = channel else { return self.put(refusal(Status::NotUnderstood)) };
        let Some(payload) = self.unsealed(channel, number, body) else {
            self.put(refusal(Status::OtherEpoch));
            return self.greet_member(now, number);
        };
        let inbound = MemberInbound { from: number, channel, inbound };
        match channel {
            Channel::Roster => self.hello_asked(now, number, inbound, &payload),
            Channel::Facts => self.facts_asked(now, number, inbound, &payload),
            Channel::Documents => self.documents_asked(number, inbound, &payload),
            Channel::About => self.about_asked(now, number, inbound, &payload),
            Channel::Keys => self.releases_asked(number, inbound, &payload),
            Channel::Speech => self.refuse_member(inbound),
        }
    }

    /// A word of ours was answered, or has no answer; `false` if the request was not one to a member.
    pub(crate) fn member_answered(&mut self, now: Now, request: RequestRef, data: Option<&[u8]>) -> bool {
        if self.goodbye_answered(now, request) {
            return true;
        }
        let Some(Asked { to, channel }) = self.household.asked.remove(&request) else { return false };
        let answer = data.and_then(|data| data.split_first());
        let status = answer.and_then(|(status, _)| Status::from_byte(*status));
        let payload = match (status, answer) {
            (Some(Status::Answered), Some((_, body))) => self.unsealed(channel, to, body),
            _ => None,
        };
        if status == Some(Status::OtherEpoch) {
            self.greet_member(now, to);
        }
        match channel {
            Channel::Roster => self.hello_answered(now, to, payload.as_deref()),
            Channel::Facts => self.facts_answered(now, to, request, payload.as_deref()),
            Channel::Documents => self.documents_answered(now, request, payload.as_deref()),
            Channel::About => self.about_answered(now, to, payload.as_deref()),
            Channel::Keys => self.releases_answered(to, request, payload.as_deref()),
            Channel::Speech => {}
        }
        true
    }

    /// A member is there with the same roster: what waits for it can go.
    pub(super) fn member_came(&mut self, now: Now, number: NodeNumber) {
        self.tell_about(number);
        self.facts_member_came(now, number);
        self.documents_came(now, number);
        self.releases_member_came(now, number);
    }

    /// A member is not there any more, or not in step.
    pub(super) fn member_is_away(&mut self, now: Now, number: NodeNumber) {
        self.saw_member(now, number);
        self.facts_member_went(number);
        self.documents_went(number);
    }
}
