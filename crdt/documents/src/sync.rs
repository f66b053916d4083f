//! Documents become equal between two members: Automerge's sync protocol, carried in words, for documents that may be
//! of different generations.
//!
//! Which documents differ is told by a greeting of a few bytes each. For each that does, one side offers a sync message and
//! both answer in turn. A member whose generation is older is given the newer one as a document that it has nothing of;
//! when it is there, what only that member knew is brought into it.

use std::collections::{BTreeMap, BTreeSet};

use automerge::ActorId;
use meerkat_protocols::{
    home::NodeNumber,
    wishes::{DocumentId, Generation},
};

use crate::{
    Shelf,
    content::Content,
    document::{Document, Edited, Fault, Refused},
    guard::Unsafe,
    owner::owner,
    reading, schema,
    session::Session,
    word::{DIGEST_BYTES, Digest, Word},
};

/// How many foundings a member may be ahead: a founding a day for ten years, so that nobody uses up the counts.
const MAX_FOUNDINGS_AHEAD: u32 = 4_000;

/// A member whose words on a document are not taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// Who.
    pub member: NodeNumber,
    /// On which document.
    pub document: DocumentId,
    /// What it did.
    pub fault: Fault,
}

/// What came of a word, or what is to be said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What to say to the member.
    pub word: Option<Vec<u8>>,
    /// What the store writes before it is said.
    pub writes: Vec<Edited>,
    /// How far this node is with the member, for the store to keep, by document.
    pub states: Vec<(DocumentId, Vec<u8>)>,
    /// Documents that say something new.
    pub changed: BTreeSet<DocumentId>,
    /// Documents that differ from the member's.
    pub differ: BTreeSet<DocumentId>,
    /// Members that are not believed any more.
    pub suspicions: Vec<Suspicion>,
    /// A document that should be founded anew: its past holds a contradiction, or has outgrown it.
    pub to_found: Option<DocumentId>,
}

impl Shelf {
    /// How all documents stand, for a member to compare.
    #[must_use]
    pub fn greet(&self) -> Vec<u8> {
        Word::Greeting(self.documents.iter().map(|(id, document)| (*id as u8, digest(document))).collect()).to_bytes()
    }

    /// A member is there, or there again: what was sent to it before may be lost.
    pub fn begin_again(&mut self, member: NodeNumber) {
        let sessions = self.sessions.range_mut((member, DocumentId::Lists)..=(member, DocumentId::Nodes));
        sessions.for_each(|(_, session)| session.begin_again());
    }

    /// A member is none any more.
    pub fn forget_member(&mut self, member: NodeNumber) {
        self.sessions.retain(|(other, _), _| *other != member);
    }

    /// Takes back what the store kept of being in step with a member.
    pub fn restore_session(&mut self, member: NodeNumber, document: DocumentId, bytes: &[u8]) {
        self.sessions.entry((member, document)).or_default().restore(bytes);
    }

    /// What to say to a member about a document. `fresh`: what was said before may be lost.
    pub fn offer(&mut self, member: NodeNumber, id: DocumentId, fresh: bool) -> Said {
        let mut said = Said::default();
        let generation = self.generation(id);
        let session = self.sessions.entry((member, id)).or_default();
        if session.quarantined.is_none() {
            session.begin_with(generation, generation);
            if fresh {
                session.begin_again();
            }
            self.say(member, id, fresh, &mut said);
        }
        said
    }

    /// Takes in a word of a member, who may wait for an answer. What comes back is said to it.
    pub fn take(&mut self, member: NodeNumber, bytes: &[u8], waits: bool) -> Said {
        let mut said = Said::default();
        match Word::from_bytes(bytes) {
            Some(Word::Greeting(theirs)) => {
                said.differ = self.differing(&theirs);
                said.word = waits.then(|| self.greet());
            }
            Some(Word::Sync { document, generation, message, fresh }) => match Word::known(document) {
                Some(id) => self.take_sync(member, id, generation, (&message, fresh), &mut said),
                None => said.word = Some(Word::TurnedAway(document).to_bytes()),
            },
            Some(Word::Done(document)) => {
                let session = Word::known(document).and_then(|id| self.sessions.get_mut(&(member, id)));
                session.into_iter().for_each(Session::is_over);
            }
            Some(Word::TurnedAway(_)) => {}
            None => said.word = Some(Word::TurnedAway(0).to_bytes()),
        }
        said.writes.extend(self.along());
        said.writes.retain(|edited| !edited.change.is_empty());
        if !waits && said.word.as_deref().and_then(Word::from_bytes).is_some_and(|word| word.is_last()) {
            said.word = None;
        }
        said
    }

    fn differing(&self, theirs: &[(u8, Digest)]) -> BTreeSet<DocumentId> {
        let theirs: BTreeMap<u8, Digest> = theirs.iter().copied().collect();
        let differs = |(id, document): (&DocumentId, &Document)| {
            theirs.get(&(*id as u8)).is_some_and(|other| *other != digest(document)).then_some(*id)
        };
        self.documents.iter().filter_map(differs).collect()
    }

    fn take_sync(
        &mut self,
        member: NodeNumber,
        id: DocumentId,
        theirs: Generation,
        (message, fresh): (&[u8], bool),
        said: &mut Said,
    ) {
        let ours = self.generation(id);
        let session = self.sessions.entry((member, id)).or_default();
        if session.quarantined.is_some() {
            said.word = Some(Word::TurnedAway(id as u8).to_bytes());
            return;
        }
        if theirs.count > ours.count.saturating_add(MAX_FOUNDINGS_AHEAD) {
            return self.suspect(member, id, (Unsafe::TooFarAhead.into(), None), said);
        }
        session.begin_with(ours.max(theirs), ours);
        if fresh {
            session.begin_again();
        }
        // Who is behind hears what holds, whatever it said.
        if theirs >= ours
            && let Err(fault) = self.receive(member, id, theirs, message, said)
        {
            return self.suspect(member, id, fault, said);
        }
        self.say(member, id, false, said);
        if said.word.is_none() {
            said.word = Some(Word::Done(id as u8).to_bytes());
        }
    }

    fn receive(
        &mut self,
        member: NodeNumber,
        id: DocumentId,
        theirs: Generation,
        message: &[u8],
        said: &mut Said,
    ) -> Result<(), (Fault, Option<ActorId>)> {
        let (Some(document), Some(session)) = (self.documents.get_mut(&id), self.sessions.get_mut(&(member, id)))
        else {
            return Ok(());
        };
        if theirs == document.generation {
            let changed = session.receive(document, message)?;
            let healed = session.is_complete(document).then(|| document.heal()).flatten();
            if changed || healed.is_some() {
                said.writes.push(healed.unwrap_or_else(|| document.taken()));
                said.changed.insert(id);
                if document.has_outgrown() {
                    said.to_found = Some(id);
                }
                self.read(id);
            }
            return Ok(());
        }
        let actor = document.next_actor();
        let mut awaited = session.awaited.take().unwrap_or_else(|| Box::new(Document::awaited(id, &actor, theirs)));
        let received = session.receive(&mut awaited, message);
        let complete = received.is_ok() && session.is_complete(&awaited);
        if !complete {
            session.awaited = Some(awaited);
            return received.map(drop);
        }
        self.adopt(id, &awaited, said).map_err(|fault| (fault, None))
    }

    /// Takes the later generation that has come for ours.
    fn adopt(&mut self, id: DocumentId, later: &Document, said: &mut Said) -> Result<(), Fault> {
        if schema::version(&later.doc).is_some_and(|version| version > schema::VERSION) {
            // A later program founded it. What is here goes on as it is until this one is updated.
            return Ok(());
        }
        let (edited, again) = self.document(id).adopt(later)?;
        said.writes.push(edited);
        said.changed.insert(id);
        self.read(id);
        if again {
            // What was erased here is in the past of what came: that past is not kept either.
            let content = self.document(id).content();
            if let Ok(edited) = self.found_with(id, &content) {
                said.writes.push(edited);
            }
        }
        Ok(())
    }

    /// Founds a document anew, because its past has outgrown it or holds a contradiction.
    ///
    /// # Errors
    /// [`Refused`] when the document cannot be edited.
    pub fn found_anew(&mut self, id: DocumentId) -> Result<Edited, Refused> {
        let content = self.document(id).content();
        self.found_with(id, &content)
    }

    pub(crate) fn found_with(&mut self, id: DocumentId, content: &Content) -> Result<Edited, Refused> {
        let edited = self.document(id).found_anew(content)?;
        self.read(id);
        let text = reading::generation_text(self.generation(id));
        let named = self.write(DocumentId::Index, &[(schema::GENERATION, id.word(), &text)]);
        // An index that cannot be written names an older founding; members still compare the documents themselves.
        if let Ok(named) = named {
            self.read(DocumentId::Index);
            self.along.push(named);
        }
        Ok(edited)
    }

    /// Says what is to be said about a document that the session is about, and notes how far it is.
    fn say(&mut self, member: NodeNumber, id: DocumentId, fresh: bool, said: &mut Said) {
        let generation = self.generation(id);
        let (Some(document), Some(session)) = (self.documents.get(&id), self.sessions.get_mut(&(member, id))) else {
            return;
        };
        session.begin_with(session.generation.max(generation), generation);
        let about = session.awaited.take();
        let message = session.generate(about.as_deref().unwrap_or(document));
        session.awaited = about;
        let generation = session.generation;
        match message {
            Ok(Some(message)) => {
                let word = Word::Sync { document: id as u8, generation, message, fresh };
                said.word = Some(word.to_bytes());
            }
            Ok(None) => {}
            // A change larger than a message, or heads without end: founded anew, it has neither.
            Err(_) => said.to_found = Some(id),
        }
        said.states.extend(session.unsaved().map(|bytes| (id, bytes)));
    }

    /// A fault in what a member sent. If the change is another's, that other has said one thing to one and another to
    /// the other: then the member that told us is not to blame, and the document is founded anew without its past.
    fn suspect(
        &mut self,
        member: NodeNumber,
        id: DocumentId,
        (fault, actor): (Fault, Option<ActorId>),
        said: &mut Said,
    ) {
        let author = actor.as_ref().and_then(owner).filter(|author| *author != member);
        let suspect = author.unwrap_or(member);
        let session = self.sessions.entry((suspect, id)).or_default();
        if session.quarantined.is_none() {
            session.quarantined = Some(fault);
            session.awaited = None;
            said.suspicions.push(Suspicion { member: suspect, document: id, fault });
        }
        let word = if author.is_some() {
            said.to_found = Some(id);
            Word::Done(id as u8)
        } else {
            Word::TurnedAway(id as u8)
        };
        // What was sound in the message has been taken in.
        let edited = self.document(id).taken();
        if !edited.change.is_empty() {
            said.writes.push(edited);
            said.changed.insert(id);
            self.read(id);
        }
        said.word = Some(word.to_bytes());
    }
}

/// How a document stands, in a few bytes.
fn digest(document: &Document) -> Digest {
    let mut hash = blake3::Hasher::new_derive_key("meerkat 2026-11 document digest");
    hash.update(&document.generation.count.to_le_bytes()).update(&document.generation.founding);
    for head in document.doc.get_heads() {
        hash.update(head.as_ref());
    }
    let mut digest = [0; DIGEST_BYTES];
    hash.finalize_xof().fill(&mut digest);
    digest
}
