//! What people of the home ask of the node, and what it answers.

use std::sync::Arc;

use meerkat_numberlists::{Import, ImportId};
use meerkat_protocols::{
    facts::{Hundredths, Reason, Verdict},
    home::{Card, HomeId, NodeNumber},
    letter::{Content, LetterId},
    mail::{Kept, LetterNo},
    mesh::{Path, Peer},
    number::{Caller, E164},
    release::Entrusted,
    roster,
    statement::Category,
    ticket::{NotATicket, TicketId},
    time::Day,
    wishes::{Edit, MAX_ENTRIES},
};

use crate::{
    enrolling::{EnrolCommand, EnrolRefusal},
    joins::JoinId,
    releases::ReleaseCommand,
    vouch_graph::VouchGraph,
};

/// A question or order of a person, as numbered by whoever carries it in; the answer carries the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a person may ask. Reading lists and history is not in here: that goes past the node, to the store and the
/// snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// How would a call from this number be decided, and why? In any spelling.
    Check(String),
    /// Which numbers is there a word about? For those who keep a copy; each is then asked about by [`Command::Check`].
    KnownNumbers {
        /// Only those behind this one.
        after: Option<E164>,
        /// How many, at most [`Command::MAX_KNOWN_NUMBERS`].
        most: u16,
    },
    /// Who vouches for whom?
    VouchGraph {
        /// Of how many homes, the nearest; at most [`VouchGraph::MAX_HOMES`].
        most: u16,
    },
    /// Tell the neighbourhood what this number is.
    Report {
        /// In any spelling.
        number: String,
        /// What it is.
        category: Category,
    },
    /// Take back what this home told about the number.
    Retract {
        /// In any spelling.
        number: String,
    },
    /// Answer for a neighbour's home.
    Vouch {
        /// What the neighbour handed over.
        card: Card,
        /// How this home calls the neighbour.
        name: String,
    },
    /// No longer answer for a neighbour's home.
    Unvouch(HomeId),
    /// Make an invite to hand to a neighbour.
    Invite {
        /// How this home calls who is meant to use it; may be empty.
        name: String,
        /// Whether this home answers for who uses it.
        vouches: bool,
        /// For how long, in seconds.
        lifetime_s: u32,
    },
    /// Take an invite back.
    RevokeInvite(TicketId),
    /// Use an invite: its text, or its short code.
    Join {
        /// As it was handed over.
        text: String,
        /// How this home calls the neighbour; may be empty.
        name: String,
        /// Whether this home answers for the neighbour.
        vouches: bool,
    },
    /// Meet a node on the same network.
    Meet(Peer),
    /// The four words of a meeting were compared.
    ConfirmMeeting {
        /// With whom.
        peer: Peer,
        /// Whether they are the same on both screens.
        same: bool,
        /// How this home calls the neighbour; may be empty.
        name: String,
    },
    /// Does this peer answer, which way, and how fast?
    Ping(Peer),
    /// Write to a neighbour.
    WriteLetter {
        /// The neighbour's home.
        to: HomeId,
        /// The letter's name, drawn by chance.
        id: LetterId,
        /// What to say.
        content: Content,
    },
    /// Take back a letter that has not left.
    UndoLetter {
        /// To whom it was.
        to: HomeId,
        /// Which.
        id: LetterId,
    },
    /// The letters of a home were read.
    LettersRead {
        /// Whose.
        from: HomeId,
        /// The newest that was seen.
        up_to: LetterNo,
    },
    /// Drop all letters exchanged with a home.
    ForgetLetters(HomeId),
    /// Somebody has seen an alarm.
    Acknowledge {
        /// The alarm's key, as the page has it.
        key: String,
        /// Who.
        by: String,
    },
    /// Change a document: lists, settings, names, address book.
    Edit(Edit),
    /// Change the household: remove a member, call it otherwise, let it do more or less. Adding one takes both nodes.
    ChangeHousehold(roster::Change),
    /// Take another node into the household, or this one into another.
    Enrol(EnrolCommand),
    /// The key of this node's store, and the members that give it out.
    Release(ReleaseCommand),
    /// The node made a planned backup, or could not: then why.
    BackedUp {
        /// Its file, where there is one.
        file: String,
        /// What went wrong, in the store's words.
        problem: Option<String>,
    },
    /// Take in a list that somebody published.
    Import {
        /// The list, read.
        import: Box<Import>,
        /// The same as [`Import::to_bytes`] writes it, made where nobody waits: of a million numbers it takes too long here.
        kept: Arc<Vec<u8>>,
        /// Whether it takes the place of the one that has its name.
        replace: bool,
    },
    /// Take an imported list back, with all that it said.
    UndoImport(ImportId),
    /// Forget the calls from a number and what is counted about it. Its entry on the lists and the own report are other
    /// commands.
    Forget {
        /// In any spelling.
        number: String,
    },
}

impl Command {
    /// The most numbers of one [`Reply::KnownNumbers`]: finding them takes well under a millisecond.
    pub const MAX_KNOWN_NUMBERS: u16 = 500;

    /// Whether it changes nothing.
    pub(crate) fn only_asks(&self) -> bool {
        matches!(self, Self::Check(_) | Self::KnownNumbers { .. } | Self::VouchGraph { .. } | Self::Ping(_))
    }
}

/// One home's word on a number, as the number page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub home: HomeId,
    /// What it calls the number.
    pub category: Category,
    /// When it said so.
    pub day: Day,
    /// How many vouches away it is; 0 is this home.
    pub distance: u8,
    /// What its word can weigh here at most, by its age and distance: hundredths of a whole word.
    pub weight: u16,
    /// What of it is counted, in hundredths: where many words come by one way, the nearest fill it.
    pub counted: u16,
    /// Whether it is this home's own word.
    pub own: bool,
}

/// A home that this one answers for, and what of the words on a number comes through it, its own included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// Which.
    pub home: HomeId,
    /// Against the number, in hundredths of a word.
    pub against: u16,
    /// For the number, in hundredths of a word.
    pub legit: u16,
}

/// What would change a verdict that rests on evidence. Amounts are hundredths of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// More words against the number.
    Rises {
        /// To which verdict.
        to: Verdict,
        /// How much more.
        by: u32,
        /// Whether they must come through other neighbours than those that carry most now.
        elsewhere: bool,
    },
    /// Words for the number.
    Falls {
        /// To which verdict.
        to: Verdict,
        /// How much of them.
        by: u32,
    },
    /// No contradiction by others: it can at most halve the evidence. Only this home's own list can.
    Stands,
}

impl Change {
    /// As a sentence for the person whose phone it is.
    #[must_use]
    pub fn words(self) -> String {
        // A person counts neighbours, not weight; the word of one weighs a hundred hundredths.
        let neighbours = |by: u32| match by.div_ceil(100) {
            0 | 1 => "one more neighbour".to_owned(),
            n => format!("{n} more neighbours"),
        };
        match self {
            Self::Rises { to, by, elsewhere } => {
                let does = if to == Verdict::Block { "it would not ring" } else { "it would ring marked as suspicious" };
                let whom = if elsewhere { ", other than those through whom most of it comes," } else { "" };
                format!("If {} you vouched for{whom} reported it, {does}.", neighbours(by))
            }
            Self::Falls { to, by } => {
                let does = if to == Verdict::Allow { "it would ring unmarked" } else { "it would ring, marked" };
                format!("If {} you vouched for called it legitimate, {does}.", neighbours(by))
            }
            Self::Stands => "No contradiction by others changes this: it can at most halve what was reported. You can allow the number on your own list.".into(),
        }
    }
}

/// How a call from a number would be decided now, and all that is known about the number.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// What the text turned out to be.
    pub caller: Caller,
    /// The verdict.
    pub verdict: Verdict,
    /// Why; the deciding reason first.
    pub reasons: Vec<Reason>,
    /// Whether it is quiet, so that it would not ring now whatever the verdict.
    pub quiet: bool,
    /// How suspicious a call looks.
    pub risk: Hundredths,
    /// How good the number's name is: 50 when nothing is known.
    pub reputation: Hundredths,
    /// How many homes within reach of vouches report it as unwanted.
    pub confirmations: u16,
    /// The evidence against it, in hundredths: 100 marks a call, 300 over two neighbours keeps it from ringing.
    pub evidence: u16,
    /// Through which of the homes this one answers for the words come, the heaviest first.
    pub through: Vec<Through>,
    /// What would change the verdict; empty where the evidence does not decide.
    pub changes: Vec<Change>,
    /// Who says what, those that weigh first, then the newest. At most [`Assessment::MAX_CLAIMS`].
    pub claims: Vec<Claim>,
}

impl Assessment {
    /// The most claims that are listed; the counts cover all.
    pub const MAX_CLAIMS: usize = 100;

    /// What this home told about the number.
    #[must_use]
    pub fn own(&self) -> Option<&Claim> {
        self.claims.iter().find(|c| c.own)
    }
}

/// A command that was carried out. What it changed is saved.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The answer to [`Command::Check`].
    Checked(Box<Assessment>),
    /// Numbers about which somebody said something, in order; fewer than asked for at the end.
    KnownNumbers(Vec<E164>),
    /// The answer to [`Command::VouchGraph`].
    VouchGraph(Box<VouchGraph>),
    /// The report is signed and saved, and goes out now.
    Reported {
        /// About whom.
        number: E164,
        /// What was said.
        category: Category,
        /// The day it carries.
        day: Day,
        /// Its slot on that day.
        slot: u8,
    },
    /// The clock is not set, so nothing can be signed: the report waits in this node's memory until it is.
    Waiting,
    /// The report is taken back.
    Retracted(E164),
    /// This home answers for that one now.
    Vouched(HomeId),
    /// This home no longer answers for that one.
    Unvouched(HomeId),
    /// The invite is made and saved; the snapshot has it.
    Invited(TicketId),
    /// The join is under way; the snapshot shows how far it is.
    Joining(JoinId),
    /// The meeting is under way; the snapshot shows how far it is.
    Meeting(Peer),
    /// What came of [`Command::Ping`].
    Pinged {
        /// Whom.
        peer: Peer,
        /// There and back, in microseconds; `None`: no answer.
        rtt_us: Option<u64>,
        /// Which way.
        path: Path,
    },
    /// The letter is saved and waits for the neighbour.
    Queued(Box<Kept>),
    /// The letter has not left and will not.
    Undone,
    /// That the letters were read is known.
    Read,
    /// A member holds this on disk: the key file may be written with it.
    Entrusted(Box<Entrusted>),
    /// The change is made.
    Saved,
    /// The list is imported under this id.
    Imported(ImportId),
    /// The calls are forgotten.
    Forgotten(E164),
}

/// A command that was not carried out, and whose fault that is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The text is no subscriber's number.
    #[error("{0}")]
    NotANumber(String),
    /// All slots of the day are used.
    #[error(
        "{0} of these were made on this node today, which is all it may make: try again tomorrow (days change at midnight UTC)"
    )]
    NoSlotLeft(u8),
    /// What the home may say in a day is divided among its nodes, and none of this kind fell to this one.
    #[error(
        "the household's nodes share what a home may say to its neighbours in a day, and none of it is left for this one: do this on node {}", .0.0
    )]
    NotThisNode(NodeNumber),
    /// No other node of the home has told the neighbours yet that this one speaks for it.
    #[error(
        "this node is new in the household and neighbours do not know it yet: try again when it has been connected to the node that added it, tomorrow at the latest"
    )]
    NotNamedYet,
    /// There is nothing of this home to take back.
    #[error("this home has no report on that number to take back")]
    NothingToRetract,
    /// Twelve is the most.
    #[error("this home answers for {0} neighbours, which is all a home may: remove one first")]
    TooManyVouches(usize),
    /// It is vouched for already.
    #[error("this home already answers for that neighbour")]
    AlreadyVouched,
    /// The card is this home's own.
    #[error("this is your own home's card: ask your neighbour for theirs")]
    OwnCard,
    /// It is not vouched for.
    #[error("this home does not answer for that neighbour")]
    NotVouched,
    /// So many letters wait for the neighbour already.
    #[error("{0} messages wait for this neighbour, which is all that may: they go when the neighbour is there again")]
    TooManyLetters(usize),
    /// There is no such letter.
    #[error("there is no such message here")]
    NoSuchLetter,
    /// The letter has left, or there is none.
    #[error("this message has left already, so it cannot be undone")]
    LetterLeft,
    /// The lists are full.
    #[error("the lists hold {MAX_ENTRIES} entries, which is all they may: remove some first")]
    ListsFull,
    /// The setting is pinned in the configuration file.
    #[error("`{0}` is set in this node's configuration file and can only be changed there")]
    Pinned(String),
    /// A value is out of its range.
    #[error("{0}")]
    Invalid(String),
    /// Applied, but the disk does not take it.
    #[error(
        "the change works now but could not be saved yet: {0}. It is tried again until it is saved; if the node stops before, it is lost"
    )]
    NotSavedYet(String),
    /// Another import has the name.
    #[error("another imported list is called so: choose another name, or say that this is a newer version of it")]
    NameTaken,
    /// There is no room for another import.
    #[error("{0}")]
    ImportsFull(String),
    /// No such import.
    #[error("there is no such imported list")]
    NoSuchImport,
    /// More is asked at once than the node answers.
    #[error("the node is busy: try again in a moment")]
    Busy,
    /// Open invites hold back the vouches that are left.
    #[error(
        "the vouches that are left are held back for {0} open invites: revoke one, or wait until it is used or over"
    )]
    VouchesHeldBack(usize),
    /// Twelve is the most.
    #[error("{0} invites are open, which is all there may be: revoke one first")]
    TooManyInvites(usize),
    /// There is no such invite.
    #[error("there is no such invite: it was used, revoked, or is over")]
    NoSuchInvite,
    /// It cannot be read.
    #[error("{0}")]
    NotAnInvite(NotATicket),
    /// Its time is over.
    #[error("this invite has expired: ask your neighbour for a new one")]
    InviteExpired,
    /// It is this home's own.
    #[error("this is an invite of your own home: it is for your neighbour to use")]
    OwnInvite,
    /// Nobody could call this node.
    #[error("this node has no address at which a neighbour could call it: see that it is connected to a network")]
    NotReachable,
    /// The peer is not on the same network.
    #[error("that node is not on the same network, or is not connected: `meerkat nearby` lists those that are")]
    NotNearby,
    /// Nobody is being met.
    #[error("there is no meeting with that node: begin one first")]
    NoSuchMeeting,
    /// There is nobody to keep the key.
    #[error(
        "this home has no other node that could keep the key: invite one into the household first, or keep the key under a pass-phrase"
    )]
    NoMember,
    /// None of those who could is there.
    #[error(
        "no other node of the household is connected and took the key: start one, and try again. Nothing was changed"
    )]
    NoMemberThere,
    /// It is about enrolling.
    #[error(transparent)]
    Enrolment(EnrolRefusal),
    /// It is about an account.
    #[error(transparent)]
    Account(crate::accounts::AccountRefusal),
    /// The clock is not set, so nothing can be signed.
    #[error(
        "the clock of this node is not set, and without a date nothing can be signed: set the clock or connect to the internet once"
    )]
    ClockNotSet,
}
