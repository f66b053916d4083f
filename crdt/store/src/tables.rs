//! Every table of the store. What a later version changes in here needs a migration in `schema.rs`.
//!
//! Keys are fixed runs of bytes, numbers in them big endian so that their order is the order of the bytes. Values are
//! sealed CBOR (`seal.rs`), but for the schema's version and for indexes, which have none. A key that names a person, a
//! peer or an account is a keyed hash of 16 bytes.

use meerkat_protocols::{
    facts::{LogId, Seq, Stream, Verdict},
    home::NodeNumber,
    mail::LetterNo,
    release::ReleaseId,
    statement::Kind,
    time::Day,
    wishes::DocumentId,
};
use redb::TableDefinition;

use crate::rows::Rows;

/// Bytes of a keyed hash in a key: an accidental match of two among a million takes 2^88 such stores.
pub(crate) const HASH_BYTES: usize = 16;
/// A keyed hash that stands for a person, peer or account.
pub(crate) type Hash16 = [u8; HASH_BYTES];
/// Bytes of the key of a call: node, sequence.
pub(crate) const CALL_KEY_BYTES: usize = 9;

/// Bytes of the key of a fact: node, stream, sequence.
pub(crate) const FACT_KEY_BYTES: usize = 10;

/// Bytes of the key of a letter: hash of the home, number.
pub(crate) const LETTER_KEY_BYTES: usize = HASH_BYTES + 8;

/// A table of sealed values under keys of `K` bytes.
pub(crate) struct Table<const K: usize> {
    /// Its name in the file, bound into every value.
    pub(crate) name: &'static str,
    /// The version of its values that is written, bound into every value.
    pub(crate) version: u8,
}

impl<const K: usize> Table<K> {
    const fn new(name: &'static str) -> Self {
        Self { name, version: 1 }
    }

    pub(crate) const fn definition(&self) -> TableDefinition<'static, &'static [u8; K], &'static [u8]> {
        TableDefinition::new(self.name)
    }
}

/// A table of keys alone. What an index says is believed only if the call it leads to says the same.
pub(crate) type Index<const K: usize> = TableDefinition<'static, &'static [u8; K], ()>;

/// Name padded with zeros ([`meta_key`]) -> the store's own records. `schema` is the one value that is not sealed: four
/// bytes of version, big endian, and eight of their hash, so that a program without the key can refuse a later file.
pub(crate) const META: Table<16> = Table::new("meta");
/// Hash of a name -> (name, bytes): keys of the node, the home's genesis.
pub(crate) const IDENTITY: Table<HASH_BYTES> = Table::new("identity");
/// Node, sequence -> call.
pub(crate) const CALLS: Table<CALL_KEY_BYTES> = Table::new("calls");
/// Node, sequence -> how the call ended.
pub(crate) const CALL_ENDS: Table<CALL_KEY_BYTES> = Table::new("call_ends");
/// Hash of the number, node, sequence.
pub(crate) const CALLS_BY_NUMBER: Index<{ HASH_BYTES + CALL_KEY_BYTES }> = TableDefinition::new("calls_by_number");
/// Node, place of the end in its log -> sequence of the call it is about.
pub(crate) const END_ORDER: Table<CALL_KEY_BYTES> = Table::new("end_order");
/// Node, stream, sequence -> body of a fact that has no table of its own: all but calls and their ends, and what is left
/// of those that were erased.
pub(crate) const FACTS: Table<FACT_KEY_BYTES> = Table::new("facts");
/// Node, stream -> what is held of that log.
pub(crate) const LOGS: Table<2> = Table::new("logs");
/// Hash of an erased number -> what its erasures cover.
pub(crate) const ERASED: Table<HASH_BYTES> = Table::new("erased");
/// Verdict, node, sequence.
pub(crate) const CALLS_BY_VERDICT: Index<{ 1 + CALL_KEY_BYTES }> = TableDefinition::new("calls_by_verdict");
/// Day -> calls by verdict. Day 0 holds the calls that came while the clock was not set.
pub(crate) const CALL_DAYS: Table<2> = Table::new("call_days");
/// Hash of the number -> (number, calls, last call).
pub(crate) const NUMBERS: Table<HASH_BYTES> = Table::new("numbers");
/// Id of a statement -> its signed bytes.
pub(crate) const STATEMENTS: Table<32> = Table::new("statements");
/// Kind, day -> the next free slot of ours.
pub(crate) const OWN_SLOTS: Table<3> = Table::new("own_slots");
/// Document, number of the chunk -> the chunk.
pub(crate) const DOCUMENTS: Table<5> = Table::new("documents");
/// Member, document -> how far this node is with it.
pub(crate) const SYNC_STATES: Table<2> = Table::new("sync_states");
/// Hash of the peer -> (peer, addresses).
pub(crate) const PEERS: Table<HASH_BYTES> = Table::new("peers");
/// Hash of the peer -> (signed record, since when).
pub(crate) const CONTACTS: Table<HASH_BYTES> = Table::new("contacts");
/// Hash of the home, number -> letter.
pub(crate) const LETTERS: Table<LETTER_KEY_BYTES> = Table::new("letters");
/// Hash of the home -> (home, what is kept beside its letters).
pub(crate) const MARKS: Table<HASH_BYTES> = Table::new("letter_marks");
/// Import, number of the piece -> a piece of the import's bytes.
pub(crate) const IMPORTS: Table<8> = Table::new("imports");
/// Hash of the ticket's id -> invite.
pub(crate) const INVITES: Table<HASH_BYTES> = Table::new("invites");
/// Id of an entry -> the entry, as signed.
pub(crate) const ROSTER: Table<32> = Table::new("roster");
/// Node, id -> what opens that node's store, held for it.
pub(crate) const RELEASES: Table<17> = Table::new("releases");
/// Hash of the caller's key -> (key, value).
pub(crate) const ACCESS_USERS: Table<HASH_BYTES> = Table::new("access_users");
/// As [`ACCESS_USERS`].
pub(crate) const ACCESS_SESSIONS: Table<HASH_BYTES> = Table::new("access_sessions");
/// As [`ACCESS_USERS`].
pub(crate) const ACCESS_API_KEYS: Table<HASH_BYTES> = Table::new("access_api_keys");

/// All tables with sealed values: what is made in a new file, sealed anew by a rotation and carried by a backup.
pub(crate) const ALL: &[&dyn Rows] = &[
    &META,
    &IDENTITY,
    &CALLS,
    &CALL_ENDS,
    &END_ORDER,
    &FACTS,
    &LOGS,
    &ERASED,
    &CALL_DAYS,
    &NUMBERS,
    &STATEMENTS,
    &OWN_SLOTS,
    &DOCUMENTS,
    &SYNC_STATES,
    &PEERS,
    &CONTACTS,
    &INVITES,
    &LETTERS,
    &MARKS,
    &IMPORTS,
    &ROSTER,
    &RELEASES,
    &ACCESS_USERS,
    &ACCESS_SESSIONS,
    &ACCESS_API_KEYS,
];

/// Makes the tables that are missing, so that no reader meets a missing one.
pub(crate) fn create_all(txn: &redb::WriteTransaction) -> Result<(), redb::TableError> {
    txn.open_table(CALLS_BY_NUMBER)?;
    txn.open_table(CALLS_BY_VERDICT)?;
    ALL.iter().try_for_each(|table| table.create(txn))
}

/// The key of a record in [`META`].
pub(crate) const fn meta_key(name: &str) -> [u8; 16] {
    let name = name.as_bytes();
    let mut key = [0; 16];
    let mut i = 0;
    while i < name.len() {
        key[i] = name[i];
        i += 1;
    }
    key
}

/// The key of a fact.
pub(crate) fn fact_key(log: LogId, seq: Seq) -> [u8; FACT_KEY_BYTES] {
    concat(&[log.node.0, log.stream as u8], &seq.0.to_be_bytes())
}

/// The key of what is held of a log.
pub(crate) fn log_key(log: LogId) -> [u8; 2] {
    [log.node.0, log.stream as u8]
}

/// The log of a key of [`LOGS`].
pub(crate) fn log_of(key: [u8; 2]) -> Option<LogId> {
    Some(LogId { node: NodeNumber(key[0]), stream: Stream::try_from(key[1]).ok()? })
}

/// The key of a call and of its end.
pub(crate) fn call_key(node: NodeNumber, seq: Seq) -> [u8; CALL_KEY_BYTES] {
    concat(&[node.0], &seq.0.to_be_bytes())
}

/// The sequence in the last eight bytes of a key.
pub(crate) fn seq_of(key: &[u8]) -> Seq {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key[key.len() - 8..]);
    Seq(u64::from_be_bytes(bytes))
}

/// The key of a call in [`CALLS_BY_NUMBER`].
pub(crate) fn by_number_key(number: &Hash16, node: NodeNumber, seq: Seq) -> [u8; HASH_BYTES + CALL_KEY_BYTES] {
    concat(number, &call_key(node, seq))
}

/// The key of a call in [`CALLS_BY_VERDICT`].
pub(crate) fn by_verdict_key(verdict: Verdict, node: NodeNumber, seq: Seq) -> [u8; 1 + CALL_KEY_BYTES] {
    concat(&[verdict as u8], &call_key(node, seq))
}

/// The key of a day in [`CALL_DAYS`].
pub(crate) fn day_key(day: Day) -> [u8; 2] {
    day.0.to_be_bytes()
}

/// The day of a key of [`CALL_DAYS`].
pub(crate) fn day_of(key: [u8; 2]) -> Day {
    Day(u16::from_be_bytes(key))
}

/// The key of a day's slots of one kind in [`OWN_SLOTS`].
pub(crate) fn slot_key(kind: Kind, day: Day) -> [u8; 3] {
    concat(&[kind as u8], &day.0.to_be_bytes())
}

/// The kind and the day of a key of [`OWN_SLOTS`].
pub(crate) fn slot_of(key: [u8; 3]) -> Option<(Kind, Day)> {
    let kind = Kind::ALL.into_iter().find(|k| *k as u8 == key[0])?;
    Some((kind, Day(u16::from_be_bytes([key[1], key[2]]))))
}

/// The key of a chunk in [`DOCUMENTS`].
pub(crate) fn chunk_key(document: DocumentId, n: u32) -> [u8; 5] {
    concat(&[document as u8], &n.to_be_bytes())
}

/// The key in [`SYNC_STATES`].
pub(crate) fn sync_key(member: NodeNumber, document: DocumentId) -> [u8; 2] {
    [member.0, document as u8]
}

/// The member and document of a key of [`SYNC_STATES`].
pub(crate) fn sync_of(key: [u8; 2]) -> Option<(NodeNumber, DocumentId)> {
    Some((NodeNumber(key[0]), DocumentId::from_number(key[1])?))
}

/// The document and number of a key of [`DOCUMENTS`].
pub(crate) fn chunk_of(key: [u8; 5]) -> Option<(DocumentId, u32)> {
    let document = DocumentId::ALL.into_iter().find(|d| *d as u8 == key[0])?;
    Some((document, u32::from_be_bytes([key[1], key[2], key[3], key[4]])))
}

/// The key of a letter.
pub(crate) fn letter_key(home: &Hash16, no: LetterNo) -> [u8; LETTER_KEY_BYTES] {
    concat(home, &no.0.to_be_bytes())
}

/// The key in [`RELEASES`].
pub(crate) fn release_key(owner: NodeNumber, id: ReleaseId) -> [u8; 17] {
    concat(&[owner.0], &id.0)
}

/// The key of a piece in [`IMPORTS`].
pub(crate) fn piece_key(import: u32, n: u32) -> [u8; 8] {
    concat(&import.to_be_bytes(), &n.to_be_bytes())
}

/// The import and number of a key of [`IMPORTS`].
pub(crate) fn piece_of(key: [u8; 8]) -> (u32, u32) {
    let word = u64::from_be_bytes(key);
    (u32::try_from(word >> 32).unwrap_or(u32::MAX), u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX))
}

/// `a` and `b` as one key; their lengths add up to `N`.
fn concat<const N: usize>(a: &[u8], b: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    let (left, right) = key.split_at_mut(a.len());
    left.copy_from_slice(a);
    right.copy_from_slice(b);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_and_read_back() {
        let keys = [(0, 1), (0, 255), (0, 256), (0, u64::MAX), (1, 0)].map(|(n, s)| call_key(NodeNumber(n), Seq(s)));
        assert!(keys.is_sorted());
        assert_eq!(seq_of(&keys[2]), Seq(256));
        assert_eq!(slot_of(slot_key(Kind::Vouch, Day(700))), Some((Kind::Vouch, Day(700))));
        assert_eq!(chunk_of(chunk_key(DocumentId::Lists, 70_000)), Some((DocumentId::Lists, 70_000)));
        assert_eq!(piece_of(piece_key(7, 70_000)), (7, 70_000));
        assert_eq!(slot_of([9, 0, 0]), None);
        assert_eq!(chunk_of([99, 0, 0, 0, 0]), None);
        assert_eq!(sync_of(sync_key(NodeNumber(3), DocumentId::Nodes)), Some((NodeNumber(3), DocumentId::Nodes)));
        assert_eq!(sync_of([0, 99]), None);
        assert_eq!(&meta_key("schema")[..7], b"schema\0");
    }
}
