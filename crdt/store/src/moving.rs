//! A node leaves its home and becomes a member of another: one transaction, so that whatever happens it is wholly the one
//! or wholly the other.

use meerkat_protocols::{
    batch::Write,
    facts::{Call, CallEnd, Seq},
    home::NodeNumber,
    wishes::DocumentId,
};
use redb::{ReadableTable, TableDefinition};
use serde_bytes::Bytes;

use crate::{
    Store, batch,
    errors::{CommitError, Fault},
    file::Writing,
    tables::{
        CALL_ENDS, CALL_KEY_BYTES, CALLS, CALLS_BY_NUMBER, CALLS_BY_VERDICT, CONTACTS, DOCUMENTS, IDENTITY, INVITES,
        LETTERS, MARKS, OWN_SLOTS, Table, by_number_key, by_verdict_key, call_key, chunk_key, seq_of,
    },
};

/// The home that a node moves to.
#[derive(Debug, Clone, Copy)]
pub struct NewHome<'a> {
    /// Records of who it is that are written, by name.
    pub identity: &'a [(&'a str, &'a [u8])],
    /// Records of who it was that go, by name.
    pub spent: &'a [&'a str],
    /// Its number in the other home.
    pub number: NodeNumber,
    /// What it was given: the roster of the other home, and where its nodes are called.
    pub writes: &'a [Write],
}

/// Whether a document comes along. What was decided about numbers does, and merges with what the other home decided; what
/// concerned the old home alone does not.
fn comes_along(document: DocumentId) -> bool {
    match document {
        DocumentId::Lists => true,
        DocumentId::Settings | DocumentId::Neighbours => false,
    }
}

impl Store {
    /// Moves this node to another home, or to a new one: all of it, or nothing. Its calls are those of its new number from then
    /// on; its lists stay; settings, neighbours' names, contacts, invites and letters go. What it signed stays as
    /// evidence.
    ///
    /// # Errors
    /// As [`Store::commit`]; the node is who it was then.
    pub fn move_to(&self, new: NewHome<'_>) -> Result<(), CommitError> {
        let old = self.handle.node();
        self.write(|writing| {
            for name in new.spent {
                writing.remove(&IDENTITY, &writing.seal.hash(IDENTITY.name, name.as_bytes()))?;
            }
            for (name, bytes) in new.identity {
                let key = writing.seal.hash(IDENTITY.name, name.as_bytes());
                writing.put(&IDENTITY, &key, &(name, Bytes::new(bytes)))?;
            }
            drop_old_home(writing)?;
            renumber(writing, old, new.number)?;
            new.writes.iter().try_for_each(|write| batch::apply(writing, new.number, write))
        })?;
        self.set_node(new.number);
        Ok(())
    }
}

fn drop_old_home(writing: &Writing<'_>) -> Result<(), Fault> {
    empty(writing, &CONTACTS)?;
    empty(writing, &INVITES)?;
    empty(writing, &LETTERS)?;
    empty(writing, &MARKS)?;
    empty(writing, &OWN_SLOTS)?;
    let mut documents = writing.txn.open_table(DOCUMENTS.definition())?;
    for document in DocumentId::ALL.into_iter().filter(|document| !comes_along(*document)) {
        let range = chunk_key(document, 0)..=chunk_key(document, u32::MAX);
        documents.retain_in::<&[u8; 5], _>(range.start()..=range.end(), |_, _| false)?;
    }
    Ok(())
}

fn empty<const K: usize>(writing: &Writing<'_>, table: &Table<K>) -> Result<(), Fault> {
    writing.txn.open_table(table.definition())?.retain(|_, _| false)?;
    Ok(())
}

/// The sequences of a node in a table of the log.
fn seqs(
    writing: &Writing<'_>,
    table: TableDefinition<'static, &'static [u8; CALL_KEY_BYTES], &'static [u8]>,
    node: NodeNumber,
) -> Result<Vec<Seq>, Fault> {
    let rows = writing.txn.open_table(table)?;
    let (first, last) = (call_key(node, Seq(0)), call_key(node, Seq(u64::MAX)));
    let found = rows.range::<&[u8; CALL_KEY_BYTES]>(&first..=&last)?.map(|row| Ok(seq_of(row?.0.value()))).collect();
    found
}

/// Gives the calls of a node to the number it has now. What is counted by day and number stays as it is. A damaged one is
/// left out: under its old number it would pass for a call of the node that has that number in the other home.
fn renumber(writing: &Writing<'_>, old: NodeNumber, new: NodeNumber) -> Result<(), Fault> {
    if old == new {
        return Ok(());
    }
    for seq in seqs(writing, CALLS.definition(), old)? {
        let (from, to) = (call_key(old, seq), call_key(new, seq));
        if let Some(mut call) = writing.get::<_, Call>(&CALLS, &from)? {
            writing.unindex(CALLS_BY_VERDICT, &by_verdict_key(call.verdict, old, seq))?;
            writing.index(CALLS_BY_VERDICT, &by_verdict_key(call.verdict, new, seq))?;
            if let Some(number) = call.number {
                let hash = writing.seal.hash("number", &number.digits().to_be_bytes());
                writing.unindex(CALLS_BY_NUMBER, &by_number_key(&hash, old, seq))?;
                writing.index(CALLS_BY_NUMBER, &by_number_key(&hash, new, seq))?;
            }
            call.node = new;
            writing.put(&CALLS, &to, &call)?;
        }
        writing.remove(&CALLS, &from)?;
    }
    for seq in seqs(writing, CALL_ENDS.definition(), old)? {
        let from = call_key(old, seq);
        if let Some(end) = writing.get::<_, CallEnd>(&CALL_ENDS, &from)? {
            writing.put(&CALL_ENDS, &call_key(new, seq), &end)?;
        }
        writing.remove(&CALL_ENDS, &from)?;
    }
    Ok(())
}
