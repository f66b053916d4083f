//! A node leaves its home and becomes a member of another: one transaction, so that whatever happens it is wholly the one
//! or wholly the other.

use meerkat_protocols::{
    audit::Line,
    batch::Write,
    cbor,
    facts::{Body, Call, CallEnd, Fact, LogId, Seq, Stream},
    home::NodeNumber,
    wishes::DocumentId,
};
use serde_bytes::Bytes;

use crate::{
    Store, batch,
    errors::{CommitError, Fault},
    facts::{self, Logs},
    file::{Raw, Writing},
    tables::{
        CALL_DAYS, CALL_ENDS, CALLS, CALLS_BY_NUMBER, CALLS_BY_VERDICT, CONTACTS, DOCUMENTS, END_ORDER, ERASED, FACTS,
        IDENTITY, INVITES, LETTERS, LOGS, MARKS, NUMBERS, OWN_SLOTS, RELEASES, ROSTER, SYNC_STATES, Table, call_key,
        chunk_key, fact_key, seq_of,
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
        DocumentId::Lists | DocumentId::People => true,
        DocumentId::Settings
        | DocumentId::Neighbours
        | DocumentId::Index
        | DocumentId::Rules
        | DocumentId::Acknowledgements
        | DocumentId::Accounts
        | DocumentId::Nodes => false,
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
            let mut logs = Logs::new(new.number, None);
            new.writes.iter().try_for_each(|write| batch::apply(writing, &mut logs, write))?;
            logs.keep(writing)
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
    empty(writing, &RELEASES)?;
    empty(writing, &ROSTER)?;
    empty(writing, &SYNC_STATES)?;
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

/// Gives what this node noted to the number it has now, in logs that begin anew: an entry's link depends on the node. What
/// came from members of the home that is left goes. A damaged call is left out: under its old number it would pass for one
/// of the node that has that number in the other home.
fn renumber(writing: &Writing<'_>, old: NodeNumber, new: NodeNumber) -> Result<(), Fault> {
    let (first, last) = (call_key(old, Seq(0)), call_key(old, Seq(u64::MAX)));
    let calls = writing.keys(&CALLS, &(first..=last), usize::MAX)?;
    let ends = own_ends(writing, old)?;
    let facts = own_facts(writing, old)?;
    forget_logs(writing, old)?;
    let mut logs = Logs::new(new, None);
    for key in calls {
        let call = writing.get::<_, Call>(&CALLS, &key)?;
        writing.remove(&CALLS, &key)?;
        if let Some(call) = call {
            let call = Call { node: new, ..call };
            batch::put_call(writing, &mut logs, &call, &cbor::encode(&call))?;
        }
    }
    for seq in ends {
        let key = call_key(old, seq);
        let end = writing.get::<_, CallEnd>(&CALL_ENDS, &key)?;
        writing.remove(&CALL_ENDS, &key)?;
        end.map_or(Ok(()), |end| facts::put_end(writing, &mut logs, &end))?;
    }
    for (stream, seq) in facts {
        let key = fact_key(LogId { node: old, stream }, seq);
        let body = writing.get::<_, Body>(&FACTS, &key)?;
        writing.remove(&FACTS, &key)?;
        let log = LogId { node: new, stream };
        if let Some(deed) = body.as_ref().and_then(|body| deed(stream, body)) {
            // Each line names the link before it, which is another in the new log.
            facts::note(writing, &mut logs, &deed)?;
        } else if let Some(body) = body.filter(|body| matches!(body, Body::Whole(_)))
            && logs.append(writing, log, seq, &body.digest())?
        {
            writing.put(&FACTS, &fact_key(log, seq), &body)?;
        }
    }
    logs.keep(writing)
}

/// What a line of the audit log says, to be written anew.
fn deed(stream: Stream, body: &Body) -> Option<Fact> {
    let Body::Whole(bytes) = body else { return None };
    let Ok(Fact::Audit(dated)) = Fact::read(stream, bytes) else { return None };
    let line = Line::read(&dated.bytes)?;
    Some(Fact::audit(dated.at, cbor::encode(&line.deed)))
}

/// The calls whose ends this node noted, in the order of the ends.
fn own_ends(writing: &Writing<'_>, old: NodeNumber) -> Result<Vec<Seq>, Fault> {
    let range = call_key(old, Seq(0))..=call_key(old, Seq(u64::MAX));
    let places = writing.keys(&END_ORDER, &range, usize::MAX)?;
    let calls: Result<Vec<Option<Seq>>, Fault> = places.iter().map(|key| writing.get(&END_ORDER, key)).collect();
    Ok(calls?.into_iter().flatten().collect())
}

/// What else this node noted. Erasures were of the old home's calls, and are done.
fn own_facts(writing: &Writing<'_>, old: NodeNumber) -> Result<Vec<(Stream, Seq)>, Fault> {
    let mut all = Vec::new();
    let elsewhere = [Stream::Calls, Stream::CallEnds, Stream::Erasures];
    for stream in Stream::ALL.into_iter().filter(|stream| !elsewhere.contains(stream)) {
        let log = LogId { node: old, stream };
        let range = fact_key(log, Seq(0))..=fact_key(log, Seq(u64::MAX));
        all.extend(writing.keys(&FACTS, &range, usize::MAX)?.iter().map(|key| (stream, seq_of(key))));
    }
    Ok(all)
}

/// Leaves of the logs what this node itself noted, and nothing that follows from it.
fn forget_logs(writing: &Writing<'_>, own: NodeNumber) -> Result<(), Fault> {
    writing.txn.open_table(CALLS_BY_NUMBER)?.retain(|_, ()| false)?;
    writing.txn.open_table(CALLS_BY_VERDICT)?.retain(|_, ()| false)?;
    empty(writing, &CALL_DAYS)?;
    empty(writing, &NUMBERS)?;
    empty(writing, &LOGS)?;
    empty(writing, &ERASED)?;
    empty(writing, &END_ORDER)?;
    writing.txn.open_table(CALLS.definition())?.retain(|key, _| key[0] == own.0)?;
    writing.txn.open_table(CALL_ENDS.definition())?.retain(|key, _| key[0] == own.0)?;
    writing.txn.open_table(FACTS.definition())?.retain(|key, _| key[0] == own.0)?;
    Ok(())
}
