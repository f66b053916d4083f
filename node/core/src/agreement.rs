//! The documents of the home agree between its members.
//!
//! When a member comes, the one with the lower number greets: the answer tells which documents differ, and about each of
//! these the two talk in turn until neither has more to say. An edit is offered to all members that are there as soon as
//! it is on disk. What the words mean is known to whoever holds the documents; in here is when they are said, how many at
//! most, and what the node does with what came of them.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    batch::Write, home::NodeNumber, household::Channel, mesh::RequestRef, time::Now, wishes::DocumentId,
};

use crate::{
    alarms::Alarm,
    household::MemberInbound,
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
    shared::Changed,
};

/// How often documents are compared while nothing happens. Words that were not answered are followed up long before; this
/// finds what a fault left different.
const GREET_MS: u64 = 3_600_000;
/// How soon a word that was not answered is followed by the next; doubled each time.
const RETRY_MS: u64 = 2_000;
/// Words about one document in one go. A thousand pieces of 160 kB are more than any document of ours.
const MAX_ROUNDS: u16 = 1_000;
/// Words of one member worked on at once.
const MAX_ANSWERING: u8 = 12;
/// How often one document is founded anew, so that a member that contradicts itself keeps nobody busy.
const FOUNDING_MS: u64 = 600_000;
/// How long a note of how far two members are may wait for other writes: without it they compare a little more.
const NOTE_MS: u32 = 60_000;

/// Work on the documents for the sake of members.
#[derive(Debug)]
pub enum Agree {
    /// Say how all documents stand.
    Greet,
    /// Say what is to be said to a member about a document; `fresh` if what was said before may be lost.
    Offer {
        /// To whom.
        member: NodeNumber,
        /// About what.
        document: DocumentId,
        /// Whether to begin again.
        fresh: bool,
    },
    /// Take in a word of a member.
    Take {
        /// Whose.
        member: NodeNumber,
        /// The word.
        word: Vec<u8>,
        /// Whether the member waits for an answer.
        waits: bool,
    },
    /// Found a document anew, without its past.
    Found(DocumentId),
    /// A member is none any more.
    Forget(NodeNumber),
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub struct Agreed {
    /// What to say to the member.
    pub word: Option<Vec<u8>>,
    /// What to write before it is said.
    pub writes: Vec<Write>,
    /// How far this node is with the member, by document.
    pub states: Vec<(DocumentId, Vec<u8>)>,
    /// Documents that say something new.
    pub changed: Vec<Changed>,
    /// Documents that differ from the member's.
    pub differ: BTreeSet<DocumentId>,
    /// Members that are not believed any more about a document, and why.
    pub suspicions: Vec<(NodeNumber, DocumentId, String)>,
    /// A document that should be founded anew.
    pub to_found: Option<DocumentId>,
}

/// How things are with a member that is there.
#[derive(Debug, Default)]
struct With {
    /// Documents that are talked about.
    busy: BTreeMap<DocumentId, u16>,
    /// Documents about which there is something to say.
    pending: BTreeSet<DocumentId>,
    /// Documents about which what was said may be lost.
    fresh: BTreeSet<DocumentId>,
    greeting: bool,
    greet_due_ms: u64,
    retry_ms: u64,
}

/// What a job under way is for.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Greet(NodeNumber),
    Offer(NodeNumber, DocumentId),
    Answered(NodeNumber, Option<DocumentId>),
    Asked(NodeNumber, MemberInbound),
    Other,
}

/// The agreement of documents between members.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    there: BTreeMap<NodeNumber, With>,
    jobs: BTreeMap<JobId, Doing>,
    asked: BTreeMap<RequestRef, (NodeNumber, Option<DocumentId>)>,
    /// Words of each member that are worked on.
    answering: BTreeMap<NodeNumber, u8>,
    founded_ms: BTreeMap<DocumentId, u64>,
}

impl Agreement {
    /// When something is to be done, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let due = self.there.values().filter(|with| !with.greeting).map(|with| with.greet_due_ms);
        due.min().filter(|due| *due < u64::MAX)
    }
}

impl Node {
    /// A member is there.
    pub(crate) fn documents_came(&mut self, now: Now, member: NodeNumber) {
        // One of the two greets.
        let greet_due_ms = if self.identity.node < member { now.mono_ms } else { u64::MAX };
        let fresh = DocumentId::ALL.into_iter().collect();
        let with = With { fresh, greet_due_ms, retry_ms: RETRY_MS, ..With::default() };
        self.agreement.there.insert(member, with);
        self.mind_agreement(now);
    }

    /// A member is not there any more, or none any more.
    pub(crate) fn documents_went(&mut self, member: NodeNumber) {
        self.agreement.there.remove(&member);
        if !self.others().any(|other| other.number == member) {
            self.agree(Doing::Other, Agree::Forget(member));
            self.put(Output::Write(Write::DropSyncStates(member), Urgency::Within(NOTE_MS)));
        }
    }

    /// Greets whom it is time to greet.
    pub(crate) fn mind_agreement(&mut self, now: Now) {
        let due = |(member, with): (&NodeNumber, &mut With)| {
            let due = !with.greeting && with.greet_due_ms <= now.mono_ms;
            with.greeting |= due;
            due.then_some(*member)
        };
        let due: Vec<NodeNumber> = self.agreement.there.iter_mut().filter_map(due).collect();
        for member in due {
            self.agree(Doing::Greet(member), Agree::Greet);
        }
    }

    /// How the household calls a node.
    fn member_name(&self, number: NodeNumber) -> String {
        let member = self.others().find(|member| member.number == number);
        member.map_or_else(|| format!("number {}", number.0), |member| format!("“{}”", member.name))
    }

    fn agree(&mut self, doing: Doing, work: Agree) {
        let job = self.start(Job::Agree(work));
        self.agreement.jobs.insert(job, doing);
    }

    /// A document was changed here or by a member: the others hear it.
    pub(crate) fn document_changed(&mut self, document: DocumentId, by: Option<NodeNumber>) {
        let members: Vec<NodeNumber> = self.agreement.there.keys().copied().filter(|n| Some(*n) != by).collect();
        for member in members {
            if let Some(with) = self.agreement.there.get_mut(&member) {
                with.pending.insert(document);
            }
            self.offer_pending(member);
        }
    }

    fn offer_pending(&mut self, member: NodeNumber) {
        let Some(with) = self.agreement.there.get_mut(&member) else { return };
        let free: Vec<DocumentId> =
            DocumentId::ALL.into_iter().filter(|id| with.pending.contains(id) && !with.busy.contains_key(id)).collect();
        let mut offers = Vec::new();
        for document in free {
            with.pending.remove(&document);
            with.busy.insert(document, 0);
            offers.push((document, with.fresh.remove(&document)));
        }
        for (document, fresh) in offers {
            self.agree(Doing::Offer(member, document), Agree::Offer { member, document, fresh });
        }
    }

    /// A member says something about documents and waits for an answer.
    pub(crate) fn documents_asked(&mut self, from: NodeNumber, inbound: MemberInbound, payload: &[u8]) {
        let answering = self.agreement.answering.entry(from).or_default();
        if *answering >= MAX_ANSWERING {
            return self.refuse_member(inbound);
        }
        *answering += 1;
        let word = payload.to_vec();
        self.agree(Doing::Asked(from, inbound), Agree::Take { member: from, word, waits: true });
    }

    /// A word of ours about documents was answered, or has no answer.
    pub(crate) fn documents_answered(&mut self, now: Now, request: RequestRef, payload: Option<&[u8]>) {
        let Some((member, document)) = self.agreement.asked.remove(&request) else { return };
        match payload {
            Some(word) => {
                let take = Agree::Take { member, word: word.to_vec(), waits: false };
                self.agree(Doing::Answered(member, document), take);
            }
            None => self.unheard(now, member, document),
        }
    }

    /// What was said was not heard: it is said again later, from the beginning.
    fn unheard(&mut self, now: Now, member: NodeNumber, document: Option<DocumentId>) {
        let Some(with) = self.agreement.there.get_mut(&member) else { return };
        match document {
            Some(document) => {
                with.busy.remove(&document);
                with.fresh.insert(document);
            }
            None => with.greeting = false,
        }
        with.greet_due_ms = now.mono_ms + with.retry_ms;
        with.retry_ms = (2 * with.retry_ms).min(GREET_MS);
    }

    /// Work on the documents is done.
    pub(crate) fn agreed(&mut self, now: Now, job: JobId, agreed: Agreed) {
        let Some(doing) = self.agreement.jobs.remove(&job) else { return };
        let Agreed { word, writes, states, changed, differ, suspicions, to_found } = agreed;
        let member = match &doing {
            Doing::Greet(n) | Doing::Offer(n, _) | Doing::Answered(n, _) | Doing::Asked(n, _) => Some(*n),
            Doing::Other => None,
        };
        for write in writes {
            self.put(Output::Write(write, Urgency::Now));
        }
        for (document, state) in states {
            let member = member.unwrap_or(self.identity.node);
            self.put(Output::Write(Write::SyncState(member, document, state), Urgency::Within(NOTE_MS)));
        }
        let documents: Vec<DocumentId> = changed.iter().map(Changed::document).collect();
        for event in changed.into_iter().flat_map(|changed| self.use_changed(changed)).collect::<Vec<_>>() {
            self.put(Output::AfterCommit(Promise::Event(event)));
        }
        self.say_agreed(now, doing, word, differ);
        documents.into_iter().for_each(|document| self.document_changed(document, member));
        for (suspect, document, why) in suspicions {
            let member = self.member_name(suspect);
            self.raise(now, Alarm::MemberDistrusted { member, document, why });
        }
        if let Some(document) = to_found {
            self.found_anew(now, document);
        }
    }

    fn found_anew(&mut self, now: Now, document: DocumentId) {
        let last = self.agreement.founded_ms.get(&document);
        if last.is_none_or(|last| now.mono_ms >= last + FOUNDING_MS) {
            self.agreement.founded_ms.insert(document, now.mono_ms);
            self.log_act(now, "documents.found", document.word(), "done");
            self.agree(Doing::Other, Agree::Found(document));
        }
    }

    /// Says what came of a job to the member it was for.
    fn say_agreed(&mut self, now: Now, doing: Doing, word: Option<Vec<u8>>, differ: BTreeSet<DocumentId>) {
        match doing {
            Doing::Greet(member) => {
                let request = word.and_then(|word| self.ask_member(member, Channel::Documents, &word));
                match request {
                    Some(request) => drop(self.agreement.asked.insert(request, (member, None))),
                    None => self.unheard(now, member, None),
                }
            }
            Doing::Answered(member, None) => {
                let Some(with) = self.agreement.there.get_mut(&member) else { return };
                (with.greeting, with.retry_ms) = (false, RETRY_MS);
                with.greet_due_ms = if self.identity.node < member { now.mono_ms + GREET_MS } else { u64::MAX };
                with.fresh.extend(&differ);
                with.pending.extend(differ);
                self.offer_pending(member);
            }
            Doing::Offer(member, document) | Doing::Answered(member, Some(document)) => {
                self.go_on(now, member, document, word);
            }
            Doing::Asked(member, inbound) => {
                if let Some(answering) = self.agreement.answering.get_mut(&member) {
                    *answering = answering.saturating_sub(1);
                }
                match word {
                    Some(word) => self.answer_member_when_saved(inbound, &word),
                    None => self.refuse_member(inbound),
                }
            }
            Doing::Other => {}
        }
    }

    /// Says the next word about a document, or ends the talk.
    fn go_on(&mut self, now: Now, member: NodeNumber, document: DocumentId, word: Option<Vec<u8>>) {
        let Some(rounds) = self.agreement.there.get_mut(&member).and_then(|with| with.busy.get_mut(&document)) else {
            return;
        };
        *rounds += 1;
        let Some(word) = word.filter(|_| *rounds <= MAX_ROUNDS) else {
            if let Some(with) = self.agreement.there.get_mut(&member) {
                with.busy.remove(&document);
            }
            return self.offer_pending(member);
        };
        match self.ask_member_when_saved(member, Channel::Documents, &word) {
            Some(request) => drop(self.agreement.asked.insert(request, (member, Some(document)))),
            None => self.unheard(now, member, Some(document)),
        }
    }
}
