//! Members greet: each says which entries of the roster it has and gives the other those that it lacks.

use meerkat_protocols::{
    home::NodeNumber,
    household::{Channel, ENTRIES_AT_ONCE, Hello},
    mesh::{Order, Peer, RequestRef},
    roster::{Change, EntryId, SignedEntry},
    time::Now,
};

use super::channel::{Asked, MemberInbound};
use crate::{event::Event, node::Node, output::Output, whereabouts::Whereabouts};

/// How often members greet again who have nothing to tell: a copy of a data folder is noticed by it.
const HELLO_MS: u64 = 60_000;

impl Node {
    /// A peer is connected: a member is greeted, one that was removed is told so.
    pub(crate) fn member_connected(&mut self, now: Now, peer: Peer) {
        if let Some(number) = self.member_of(peer) {
            self.greet_member(now, number);
        } else {
            self.tell_removal(peer);
        }
    }

    /// A peer is gone.
    pub(crate) fn member_disconnected(&mut self, now: Now, peer: Peer) {
        let Some(number) = self.member_of(peer) else { return };
        if self.household.there.remove(&number) {
            self.member_is_away(now, number);
        }
        self.put(Output::Event(Event::HouseholdChanged));
    }

    pub(super) fn greet_members(&mut self, now: Now) {
        let connected = |number: &NodeNumber| self.is_connected(*number);
        let numbers: Vec<NodeNumber> = self.others().map(|member| member.number).filter(connected).collect();
        numbers.into_iter().for_each(|number| self.greet_member(now, number));
    }

    fn is_connected(&self, number: NodeNumber) -> bool {
        self.household.roster.member(number).is_some_and(|member| self.mesh.peers.contains_key(&member.peer))
    }

    /// Says to a member what we know, unless that is on its way already.
    pub(super) fn greet_member(&mut self, now: Now, to: NodeNumber) {
        let greeting = |asked: &Asked| asked.to == to && asked.channel == Channel::Roster;
        if !self.is_connected(to) {
            return;
        }
        if self.household.asked.values().any(greeting) {
            self.household.again.insert(to);
            return;
        }
        let hello = self.hello(Vec::new()).encode();
        self.ask_member(to, Channel::Roster, &hello);
        self.household.hello_due_ms = Some(now.mono_ms + HELLO_MS);
    }

    fn hello(&self, entries: Vec<SignedEntry>) -> Hello {
        let Whereabouts { addresses, relays } = Whereabouts::of(&self.mesh.listening);
        Hello {
            run: self.household.run,
            heads: self.household.roster.heads(),
            entries,
            addresses: addresses.into_iter().chain(relays).collect(),
            twins: self.household.runs.twins(),
        }
    }

    pub(super) fn hello_asked(&mut self, now: Now, from: NodeNumber, inbound: MemberInbound, payload: &[u8]) {
        let Some(hello) = Hello::decode(payload) else { return self.refuse_member(inbound) };
        let missing = self.household.roster.missing(&hello.heads);
        let entries = missing.into_iter().take(ENTRIES_AT_ONCE).cloned().collect();
        let answer = self.hello(entries).encode();
        self.answer_member(inbound, &answer);
        if self.heard_hello(now, from, hello) {
            self.greet_member(now, from);
        }
    }

    pub(super) fn hello_answered(&mut self, now: Now, from: NodeNumber, payload: Option<&[u8]>) {
        let again = self.household.again.remove(&from);
        let Some(hello) = payload.and_then(Hello::decode) else { return };
        let came = !hello.entries.is_empty();
        // What it sent may be the first part of more.
        let lacking = self.heard_hello(now, from, hello);
        if again || (lacking && came) {
            self.greet_member(now, from);
        }
    }

    /// Takes in what a member says; `true` if it has entries that are not here.
    fn heard_hello(&mut self, now: Now, from: NodeNumber, hello: Hello) -> bool {
        let Hello { run, heads, entries, addresses, twins } = hello;
        self.keep_entries(now, entries);
        // It may have been removed by what it brought itself.
        let Some(peer) = self.household.roster.member(from).map(|member| member.peer) else { return false };
        self.found_at(from, &addresses);
        if !addresses.is_empty() {
            self.remember_member(now, peer, &addresses);
            self.put(Output::Order(Order::Dial { peer, addresses }));
        }
        self.saw_member(now, from);
        self.saw_run(now, from, run);
        self.heard_of_twins(now, &twins);
        if self.household.roster.heads() == heads {
            if self.household.frame.is_some() && self.household.there.insert(from) {
                self.put(Output::Event(Event::HouseholdChanged));
                self.member_came(now, from);
            }
            return false;
        }
        heads.iter().any(|head| !self.household.roster.holds(*head))
    }

    /// One who was removed learns it from the entries themselves, and nothing else; and one who left says so, for it may
    /// be the only one who knows.
    pub(super) fn tell_removal(&mut self, peer: Peer) {
        let roster = &self.household.roster;
        let removed = roster.removed().find(|member| member.peer == peer).map(|member| member.number);
        let left = self.household.expelled && roster.of_peer(peer).is_some();
        let Some(number) = removed.or(left.then_some(self.identity.node)) else { return };
        let Some(removal) = self.removal_of(number) else { return };
        let entries = self.household.roster.seen_by(removal);
        let skip = entries.len().saturating_sub(ENTRIES_AT_ONCE);
        let entries = entries.into_iter().skip(skip).cloned().collect();
        let hello = Hello { run: self.household.run, entries, ..Hello::default() };
        let request = self.next_request();
        let data = [&[Channel::Roster as u8], &hello.encode()[..]].concat();
        self.household.goodbyes.said(request);
        self.put(Output::Order(Order::AskMember { request, peer, data }));
    }

    fn removal_of(&self, number: NodeNumber) -> Option<EntryId> {
        let roster = &self.household.roster;
        let removes = |id: &EntryId| roster.entry(*id).is_some_and(|entry| entry.change == Change::Remove(number));
        roster.entries().map(|(id, _)| id).find(removes)
    }

    /// Whether a member that was removed said so itself.
    pub(super) fn has_left(&self, number: NodeNumber) -> bool {
        let removal = self.removal_of(number).and_then(|id| self.household.roster.entry(id));
        removal.is_some_and(|entry| entry.author == number)
    }

    /// Does what is due: greets again, and begins a new epoch where one is needed.
    pub(crate) fn mind_household(&mut self, now: Now) {
        if self.household.hello_due_ms.is_some_and(|due| due <= now.mono_ms) {
            self.household.hello_due_ms = None;
            self.greet_members(now);
        }
        self.rekey_if_due(now);
        self.mind_goodbyes(now);
        self.mind_about(now);
    }

    pub(super) fn next_request(&mut self) -> RequestRef {
        self.direct.next_request()
    }
}
