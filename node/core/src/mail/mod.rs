//! Mail: letters to and from neighbours. What is written here is kept until the neighbour has it, and what came is
//! kept before anybody hears that it did.
//!
//! - A letter is *queued* until it leaves, and can be undone until then: that it leaves is on disk before it does.
//! - It is *delivered* when the other node proved that it read it and has it on disk. Until then it is sent again.
//! - Doubles are known by (home, id). The ids of the letters kept are remembered; of those dropped to make room, the newest
//!   date is, and nothing as old comes in again.

mod inbox;
mod outbox;
mod pace;
mod wire;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use meerkat_protocols::{
    contact::Contact,
    home::HomeId,
    letter::{Address, Correspondent, LetterId},
    mail::{Kept, LetterNo, Marks, Way},
    mesh::Peer,
};

use crate::{input::JobId, node::Node};
use inbox::Opening;
use outbox::{Attempt, Pause};
use pace::Pace;

/// The most letters that wait for one neighbour: what a family writes in two weeks.
const MAX_QUEUED: usize = 200;
/// The most bytes of them. All twelve neighbours' are 3 MB of memory.
const MAX_QUEUED_BYTES: usize = 256 * 1024;
/// The most letters that are kept of those sent to one home, and as many of those received.
const MAX_KEPT: usize = 1_000;
/// The most bytes of them: a thousand of the longest texts are 2 MB, and few are that long.
const MAX_KEPT_BYTES: usize = 1024 * 1024;
/// The most homes whose letters are kept: twelve neighbours of today, and those of earlier years.
const MAX_THREADS: usize = 64;

/// Why letters to a neighbour wait although its node is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldUp {
    /// The neighbour does not vouch for this home, so its node takes nothing from here.
    NotAccepted,
    /// The neighbour's node takes no more for now.
    Busy,
    /// The neighbour's node could not read what it got, or answers in a way that proves nothing.
    Unproved,
}

impl HeldUp {
    /// The name of it in every interface.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAccepted => "not_accepted",
            Self::Busy => "busy",
            Self::Unproved => "unproved",
        }
    }

    /// What it means and what to do.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotAccepted => {
                "This neighbour does not vouch for your home, so messages are not accepted there. Ask them to vouch for you; it is tried again every hour."
            }
            Self::Busy => "This neighbour has had many messages at once and takes the next ones in a few minutes.",
            Self::Unproved => {
                "This neighbour's node could not read the message. If its Meerkat was set up anew, vouch for its new card."
            }
        }
    }
}

/// The letters exchanged with one home, as a list shows them. What they say is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// With whom.
    pub home: HomeId,
    /// Received and not read.
    pub unread: u32,
    /// Ours that have not been delivered.
    pub undelivered: u32,
    /// Why they wait, if not only for the neighbour to be there.
    pub held_up: Option<HeldUp>,
    /// The newest letter, either way.
    pub last: Option<LetterNo>,
}

/// A letter that is kept on disk and not here: its place and its length.
#[derive(Debug, Clone, Copy)]
struct Shelved {
    no: LetterNo,
    bytes: usize,
}

/// A received letter, as far as it must be remembered.
#[derive(Debug, Clone, Copy)]
struct Seen {
    shelved: Shelved,
    id: LetterId,
    /// What is remembered of its date once it is dropped.
    date: Option<i64>,
}

/// What is known of the letters exchanged with one home.
#[derive(Debug, Default)]
struct Correspondence {
    /// Ours that are open, in the order in which they were written.
    queue: VecDeque<Kept>,
    /// Ours that are not.
    done: VecDeque<Shelved>,
    inbox: VecDeque<Seen>,
    marks: Marks,
    next_seq: u64,
    attempt: Option<Attempt>,
    pause: Pause,
    held_up: Option<HeldUp>,
    pace: Pace,
}

impl Correspondence {
    fn thread(&self, home: HomeId) -> Thread {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let newest = [
            self.queue.back().map(|kept| kept.no),
            self.done.iter().map(|shelved| shelved.no).max(),
            self.inbox.back().map(|seen| seen.shelved.no),
        ];
        Thread {
            home,
            unread: count(self.inbox.iter().filter(|seen| seen.shelved.no > self.marks.read).count()),
            undelivered: count(self.queue.len()),
            held_up: self.held_up,
            last: newest.into_iter().flatten().max(),
        }
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.done.is_empty() && self.inbox.is_empty()
    }
}

/// All mail of this node.
#[derive(Default)]
pub(crate) struct Mail {
    with: BTreeMap<HomeId, Correspondence>,
    opening: BTreeMap<JobId, Opening>,
    next: LetterNo,
    /// When something is to be tried again, in milliseconds of the monotonic clock.
    due_ms: Option<u64>,
    listed: Option<Arc<Vec<Thread>>>,
}

impl Mail {
    /// With what the store kept beside the letters; these follow by [`Mail::restore`].
    pub(crate) fn with_marks(marks: Vec<(HomeId, Marks)>) -> Self {
        let mut mail = Self::default();
        for (home, marks) in marks {
            mail.take_number(marks.read);
            mail.with.entry(home).or_default().marks = marks;
        }
        mail
    }

    /// Takes back a letter that the store kept; those of one home come in their order.
    pub(crate) fn restore(&mut self, kept: Kept) {
        self.take_number(kept.no);
        let with = self.with.entry(kept.home).or_default();
        match kept.way {
            Way::Out(progress) => {
                with.next_seq = with.next_seq.max(kept.letter.seq.saturating_add(1));
                if progress.is_open() {
                    with.queue.push_back(kept);
                } else {
                    with.done.push_back(shelved(&kept));
                }
            }
            Way::In(_) => with.inbox.push_back(seen(&kept)),
        }
    }

    /// A number that was given once is given again only if nothing kept or read has it or a higher one.
    fn take_number(&mut self, taken: LetterNo) {
        self.next = self.next.max(LetterNo(taken.0.saturating_add(1)));
    }

    fn number(&mut self) -> LetterNo {
        let number = self.next.max(LetterNo(1));
        self.next = LetterNo(number.0 + 1);
        number
    }

    /// When something is to be tried again.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// The list for those who look.
    pub(crate) fn threads(&mut self) -> Arc<Vec<Thread>> {
        let with = &self.with;
        let list = || with.iter().filter(|(_, with)| !with.is_empty()).map(|(home, with)| with.thread(*home)).collect();
        Arc::clone(self.listed.get_or_insert_with(|| Arc::new(list())))
    }
}

impl Node {
    /// The node of a neighbour's home behind a peer. Homes that this one does not answer for are not written to and not
    /// listened to.
    fn correspondent(&self, peer: Peer) -> Option<Correspondent> {
        let record = &self.contacts.of_peer(peer)?.record;
        let address = Address { home: record.home(), node: record.node };
        self.answers_for(address.home).then_some(Correspondent { address, key: record.about.seal_key })
    }

    /// A node of a home to which a letter can go now.
    fn reachable(&self, home: HomeId) -> Option<(Peer, Correspondent)> {
        let connected =
            self.contacts.of_home(home).map(Contact::peer).filter(|peer| self.mesh.peers.contains_key(peer));
        connected.filter_map(|peer| Some((peer, self.correspondent(peer)?))).next()
    }

    /// The letters with a home, which begin now if there were none. Those of the home that is a neighbour no more and was
    /// written with least lately make room.
    fn begin_with(&mut self, home: HomeId) -> &mut Correspondence {
        if !self.mail.with.contains_key(&home) && self.mail.with.len() >= MAX_THREADS {
            let strangers = self.mail.with.iter().filter(|(home, _)| !self.answers_for(**home));
            let oldest = strangers.min_by_key(|(home, with)| with.thread(**home).last).map(|(home, _)| *home);
            if let Some(oldest) = oldest {
                self.drop_letters(oldest);
                self.mail.with.remove(&oldest);
            }
        }
        self.mail.with.entry(home).or_default()
    }
}

fn shelved(kept: &Kept) -> Shelved {
    Shelved { no: kept.no, bytes: kept.letter.content.len() }
}

/// A date ahead of ours is taken for ours: a neighbour whose clock once ran ahead must not shut itself out.
fn seen(kept: &Kept) -> Seen {
    let date = kept.letter.created.and_then(|created| kept.at.map(|at| created.min(at)));
    Seen { shelved: shelved(kept), id: kept.letter.id, date }
}
