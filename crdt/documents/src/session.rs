//! How far this node and one member are with one document.

use std::borrow::Cow;

use automerge::{
    ActorId, Automerge, Change, ChangeHash,
    sync::{Message, MessageVersion, State, SyncDoc},
};
use meerkat_protocols::{cbor, wishes::Generation};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    document::{Document, Fault, caught},
    message::{self, MAX_MESSAGE_BYTES},
};

/// What is sent of changes at once: with heads and filter it stays under [`MAX_MESSAGE_BYTES`].
const MAX_CHANGE_BYTES_SENT: usize = 160 << 10;
/// The most changes kept that build on missing ones. A false positive of a filter leaves a few behind each time.
const MAX_WAITING: usize = 20_000;

/// How far this node and one member are with one document.
#[derive(Default)]
pub(crate) struct Session {
    /// What the session is about.
    pub(crate) generation: Generation,
    state: State,
    /// As the store has it.
    kept: Vec<u8>,
    /// Changes that build on missing ones.
    waiting: Vec<Change>,
    /// A later generation while it comes in.
    pub(crate) awaited: Option<Box<Document>>,
    /// What the member did that nobody honest does. Nothing more is taken from it about this document.
    pub(crate) quarantined: Option<Fault>,
}

/// What the store keeps of a session: count of foundings, founding, Automerge's state.
#[derive(Serialize, Deserialize)]
struct Kept(u32, ByteBuf, ByteBuf);

impl Session {
    /// Takes back what the store kept.
    pub(crate) fn restore(&mut self, bytes: &[u8]) {
        let Ok(Kept(count, founding, state)) = cbor::decode::<Kept>(bytes) else { return };
        let Ok(founding) = founding.as_slice().try_into() else { return };
        let state = caught(|| State::decode(&state).map_err(|_| automerge::AutomergeError::Fail));
        if let Ok(state) = state {
            self.generation = Generation { count, founding };
            self.state = state;
            self.kept = bytes.to_vec();
        }
    }

    /// What is to be kept, if it differs from what is.
    pub(crate) fn unsaved(&mut self) -> Option<Vec<u8>> {
        if self.awaited.is_some() {
            return None;
        }
        let Generation { count, founding } = self.generation;
        let state = ByteBuf::from(self.state.encode());
        let bytes = cbor::encode(&Kept(count, ByteBuf::from(founding.to_vec()), state));
        (bytes != self.kept).then(|| {
            self.kept.clone_from(&bytes);
            bytes
        })
    }

    /// Forgets what was sent and not acknowledged: it may be lost.
    pub(crate) fn begin_again(&mut self) {
        let shared = std::mem::take(&mut self.state.shared_heads);
        self.state = State::default();
        self.state.shared_heads = shared;
        self.waiting.clear();
    }

    /// Begins with another generation of the document, of which this node has `ours`.
    pub(crate) fn begin_with(&mut self, generation: Generation, ours: Generation) {
        let arrived = self.awaited.is_some() && ours >= generation;
        if arrived || self.generation != generation {
            (self.state, self.awaited, self.generation) = (State::default(), None, generation);
            self.waiting.clear();
        }
    }

    /// Takes in a message about `document`, or about the awaited generation of it. Gives whether it changed.
    ///
    /// # Errors
    /// The first fault; with the actor of the change that has it, if one has.
    pub(crate) fn receive(&mut self, document: &mut Document, bytes: &[u8]) -> Result<bool, (Fault, Option<ActorId>)> {
        let mut message = message::read(bytes).map_err(|why| (why.into(), None))?;
        for chunk in message.changes.iter() {
            self.waiting.extend(document.changes_in(chunk).map_err(|fault| (fault, None))?);
        }
        if self.waiting.len() > MAX_WAITING {
            self.waiting.clear();
            return Err((Fault::Incomplete, None));
        }
        let brought = !message.changes.is_empty();
        let taken = document.take_changes(&mut self.waiting).map_err(|(fault, actor)| (fault, Some(actor)))?;
        message.changes = Vec::<Vec<u8>>::new().into();
        let sent = self.state.last_sent_heads.clone();
        let state = &mut self.state;
        // Without changes the document stays as it is.
        caught(|| document.doc.receive_sync_message(state, message)).map_err(|fault| (fault, None))?;
        if brought {
            // They are to hear that it has come.
            self.state.last_sent_heads = sent;
            self.share(&taken);
        }
        Ok(!taken.is_empty())
    }

    /// Both have these changes now, which came from the member.
    fn share(&mut self, taken: &[(ChangeHash, Vec<ChangeHash>)]) {
        let all_theirs = self.state.their_heads.as_ref().is_some_and(|heads| *heads == self.state.shared_heads);
        if all_theirs {
            return;
        }
        let mut shared: std::collections::BTreeSet<ChangeHash> = self.state.shared_heads.iter().copied().collect();
        shared.extend(taken.iter().map(|(hash, _)| *hash));
        for dep in taken.iter().flat_map(|(_, deps)| deps) {
            shared.remove(dep);
        }
        self.state.shared_heads = shared.into_iter().collect();
    }

    /// Whether everything the member has is here.
    pub(crate) fn is_complete(&self, document: &Document) -> bool {
        let heads = self.state.their_heads.as_deref().unwrap_or_default();
        let there = |head: &ChangeHash| document.doc.get_change_meta_by_hash(head).is_some();
        !heads.is_empty() && self.waiting.is_empty() && heads.iter().all(there)
    }

    /// They have nothing more to say.
    pub(crate) fn is_over(&mut self) {
        self.state.in_flight = false;
    }

    /// The next message about the document.
    ///
    /// # Errors
    /// When it cannot be made, or a single change is larger than a message.
    pub(crate) fn generate(&mut self, document: &Document) -> Result<Option<Vec<u8>>, Fault> {
        let doc = self.with_waiting(document)?;
        let before = self.state.clone();
        let Some(message) = next(&doc, &mut self.state)? else { return Ok(None) };
        if message.changes.iter().map(<[u8]>::len).sum::<usize>() <= MAX_CHANGE_BYTES_SENT {
            return bounded(message).map(Some);
        }
        // Too much for one message: as many changes as fit, one by one, and the rest after they have come.
        let mut state = before.clone();
        let able = state.their_capabilities.take();
        let Some(mut message) = next(&doc, &mut state)? else { return Ok(None) };
        let (mut kept, mut bytes) = (Vec::new(), 0);
        state.sent_hashes = before.sent_hashes;
        for chunk in message.changes.iter() {
            bytes += chunk.len();
            if bytes > MAX_CHANGE_BYTES_SENT {
                break;
            }
            let change = Change::from_bytes(chunk.to_vec()).map_err(|_| Fault::Contradiction)?;
            state.sent_hashes.insert(change.hash());
            kept.push(chunk.to_vec());
        }
        if kept.is_empty() {
            return Err(Fault::Unsafe(crate::guard::Unsafe::TooLarge));
        }
        state.their_capabilities = able;
        self.state = state;
        (message.changes, message.version) = (kept.into(), MessageVersion::V1);
        bounded(message).map(Some)
    }

    /// The document as Automerge has to see it to ask for what is missing.
    fn with_waiting<'a>(&self, document: &'a Document) -> Result<Cow<'a, Automerge>, Fault> {
        if self.waiting.is_empty() {
            return Ok(Cow::Borrowed(&document.doc));
        }
        caught(|| {
            let mut copy = document.doc.clone();
            copy.apply_changes(self.waiting.iter().cloned())?;
            Ok(Cow::Owned(copy))
        })
    }
}

fn next(doc: &Automerge, state: &mut State) -> Result<Option<Message>, Fault> {
    caught(|| Ok(doc.generate_sync_message(state)))
}

fn bounded(message: Message) -> Result<Vec<u8>, Fault> {
    let bytes = message.encode();
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(Fault::Unsafe(crate::guard::Unsafe::TooLarge));
    }
    Ok(bytes)
}
