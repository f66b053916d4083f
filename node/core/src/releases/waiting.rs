//! How a locked node asks the members of its household for what opens its store. It is alone here: no store, no roster, no
//! engine; whoever carries orders and events for it has a network under its asking key.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meerkat_protocols::{
    mesh::{Event, Order, Peer, RequestKind, RequestRef},
    release::{Answer, Question, ReleaseId, ReleaseSecret},
};

/// How soon a member is asked again that did not answer, or knows nothing of us yet.
const AGAIN_MS: u64 = 10_000;
/// How soon one that said that we were removed: it may have been a mistake that is mended.
const REFUSED_AGAIN_MS: u64 = 60_000;
/// Peers that are asked at most: all members, and others nearby while it is not known who the members are.
const MAX_ASKED: usize = 64;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnlockStep {
    /// Tell the network.
    Order(Order),
    /// Try whether this opens the store; if not, say so by [`Unlocking::wrong`].
    Try(ReleaseSecret),
}

/// What a peer said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Unknown,
    Removed,
    Runs,
    TooOften(u32),
    Wrong,
}

struct Asked {
    connected: bool,
    under_way: Option<RequestRef>,
    said: Said,
    again_ms: u64,
}

/// A locked node that asks.
pub struct Unlocking {
    id: ReleaseId,
    /// The members, if they are known; otherwise everybody near is asked.
    members: Option<BTreeSet<Peer>>,
    asked: BTreeMap<Peer, Asked>,
    /// Who gave what is being tried.
    tried: Option<Peer>,
    next: u64,
    steps: VecDeque<UnlockStep>,
}

impl Unlocking {
    /// Begins to look for the members.
    #[must_use]
    pub fn new(id: ReleaseId, whom: Option<Vec<(Peer, Vec<String>)>>) -> Self {
        let members = whom.as_ref().map(|whom| whom.iter().map(|(peer, _)| *peer).collect());
        let dial = |(peer, addresses)| UnlockStep::Order(Order::Dial { peer, addresses });
        let steps = whom.unwrap_or_default().into_iter().map(dial).collect();
        Self { id, members, asked: BTreeMap::new(), tried: None, next: 0, steps }
    }

    /// Takes in what the network reports.
    pub fn handle(&mut self, now_ms: u64, event: &Event) {
        match event {
            Event::Connected { peer, .. } => self.connected(now_ms, *peer),
            Event::Disconnected { peer } => {
                if let Some(asked) = self.asked.get_mut(peer) {
                    asked.connected = false;
                }
            }
            Event::Response { request, data } => self.answered(now_ms, *request, Some(data)),
            Event::Unanswered { request } => self.answered(now_ms, *request, None),
            _ => {}
        }
        self.mind(now_ms);
    }

    fn connected(&mut self, now_ms: u64, peer: Peer) {
        let is_asked = self.members.as_ref().map_or(self.asked.len() < MAX_ASKED, |members| members.contains(&peer));
        if is_asked {
            let new = Asked { connected: true, under_way: None, said: Said::Nothing, again_ms: now_ms };
            let asked = self.asked.entry(peer).or_insert(new);
            asked.connected = true;
            if asked.said != Said::Removed {
                asked.again_ms = now_ms;
            }
        }
    }

    /// Asks those whose turn it is.
    pub fn mind(&mut self, now_ms: u64) {
        let data = [&[RequestKind::Release.byte()][..], &Question(self.id).encode()].concat();
        for (peer, asked) in &mut self.asked {
            if asked.connected && asked.under_way.is_none() && asked.again_ms <= now_ms {
                let request = RequestRef(self.next);
                self.next += 1;
                asked.under_way = Some(request);
                self.steps.push_back(UnlockStep::Order(Order::Request { request, peer: *peer, data: data.clone() }));
            }
        }
    }

    /// When [`Self::mind`] is due.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        self.asked.values().filter(|asked| asked.connected && asked.under_way.is_none()).map(|a| a.again_ms).min()
    }

    fn answered(&mut self, now_ms: u64, request: RequestRef, data: Option<&[u8]>) {
        let found = self.asked.iter_mut().find(|(_, asked)| asked.under_way == Some(request));
        let Some((peer, asked)) = found else { return };
        asked.under_way = None;
        let (said, pause_ms) = match data.and_then(Answer::decode) {
            Some(Answer::Given(secret)) => {
                self.tried = Some(*peer);
                self.steps.push_back(UnlockStep::Try(secret));
                (Said::Nothing, AGAIN_MS)
            }
            Some(Answer::Unknown) => (Said::Unknown, AGAIN_MS),
            Some(Answer::Removed) => (Said::Removed, REFUSED_AGAIN_MS),
            Some(Answer::Runs(seconds)) => (Said::Runs, u64::from(seconds.max(1)) * 1_000),
            Some(Answer::TooOften(seconds)) => (Said::TooOften(seconds), u64::from(seconds.max(1)) * 1_000),
            None => (Said::Nothing, AGAIN_MS),
        };
        asked.said = said;
        asked.again_ms = now_ms + pause_ms;
    }

    /// What was tried did not open the store: the member holds something else.
    pub fn wrong(&mut self) {
        if let Some(asked) = self.tried.take().and_then(|peer| self.asked.get_mut(&peer)) {
            asked.said = Said::Wrong;
        }
    }

    /// Who gave what was tried last.
    #[must_use]
    pub fn giver(&self) -> Option<Peer> {
        self.tried
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<UnlockStep> {
        self.steps.pop_front()
    }

    /// How it stands, for the person who waits.
    #[must_use]
    pub fn words(&self) -> String {
        let said: BTreeSet<u8> =
            self.asked.values().filter(|asked| asked.connected).map(|asked| rank(asked.said)).collect();
        let wait =
            self.asked.values().filter_map(|a| if let Said::TooOften(s) = a.said { Some(s) } else { None }).min();
        match said.first() {
            Some(0) => "This node was removed from its household, so the other nodes do not give out its key. If that was a \
                        mistake: what it keeps cannot be read here any more; start it with an empty data folder, invite \
                        it again, and restore a backup."
                .to_owned(),
            Some(1) => format!(
                "The other nodes gave out this key very often in the last hour and wait now: up to {} min.",
                wait.unwrap_or(0).div_ceil(60)
            ),
            Some(2) => "Another node says that this one is connected already. If it was just switched off and on, this takes a \
                        minute; if not, a copy of its memory card runs elsewhere: stop that one first."
                .to_owned(),
            Some(3) => "Another node answers, but does not have the key of this one. It waits for one that does: start the \
                        other nodes of your household."
                .to_owned(),
            Some(_) => "Another node of the household was reached and is asked for the key.".to_owned(),
            None => "It waits for another node of the household, which has the key, and reaches none yet. Start one, and see \
                     that both are on the network."
                .to_owned(),
        }
    }
}

/// What a person needs to know first.
fn rank(said: Said) -> u8 {
    match said {
        Said::Removed => 0,
        Said::TooOften(_) => 1,
        Said::Runs => 2,
        Said::Unknown | Said::Wrong => 3,
        Said::Nothing => 4,
    }
}
