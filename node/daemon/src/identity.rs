//! Who this node is: three keys, never equal, made at the first start and kept sealed in the store.

use ed25519_dalek::SigningKey;
use meerkat_core::{Becoming, Whose};
use meerkat_network::NetworkKey;
use meerkat_protocols::{
    batch::Write,
    cbor,
    contact::SealKey,
    home::{Genesis, NodeNumber},
    mesh::Peer,
    roster::SignedEntry,
};
use meerkat_store::{CommitError, NewHome, ReadError, Store};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

const NETWORK_KEY: &str = "network key";
const STATEMENT_KEY: &str = "statement key";
const GENESIS: &str = "genesis";
const SEAL_KEY: &str = "seal key";
/// The node's number in its home, one byte; nothing is number 0.
const NODE: &str = "node number";
/// The statement key of the home that the node is about to become a part of. It is saved before anybody is told of it, so
/// that a node that was let in and lost its power is known when it comes again.
const NEXT_KEY: &str = "next statement key";

/// The secrets of this node and the record that made its home.
pub struct Keys {
    /// Who we are to peers. It changes hands with every connection and says nothing about the home.
    pub network: NetworkKey,
    /// The public half of it.
    pub peer: Peer,
    /// Signs what the home says.
    pub statement: SigningKey,
    /// Opens what neighbours sealed to this node (RFC 7748).
    pub seal: StaticSecret,
    /// The record that made the home.
    pub genesis: Genesis,
    /// The node's number in it.
    pub node: NodeNumber,
}

/// Why the node does not know who it is.
#[derive(Debug, thiserror::Error)]
pub enum NoIdentity {
    /// The store does not give it.
    #[error(
        "this node's keys cannot be read: {0}. Restore the data folder from a backup, or start with an empty one to become a new home"
    )]
    Unreadable(#[from] ReadError),
    /// A key is not of its length, or the parts do not belong together.
    #[error(
        "this node's keys are damaged. Restore the data folder from a backup, or start with an empty one to become a new home"
    )]
    Damaged,
    /// New keys cannot be saved.
    #[error("this node's new keys cannot be saved: {0}")]
    NotSaved(#[from] CommitError),
    /// The system gives no randomness.
    #[error("the system gives no random numbers to make keys of: {0}")]
    NoRandomness(getrandom::Error),
}

impl Keys {
    /// The keys in the store; at the first start new ones, saved before anybody uses them.
    ///
    /// # Errors
    /// [`NoIdentity`]: a node that cannot read its keys must not become somebody else.
    pub fn load_or_create(store: &Store) -> Result<Self, NoIdentity> {
        let reader = store.reader();
        let (network, statement, genesis) =
            (reader.identity(NETWORK_KEY)?, reader.identity(STATEMENT_KEY)?, reader.identity(GENESIS)?);
        match (network, statement, genesis) {
            (Some(network), Some(statement), Some(genesis)) => {
                let genesis: Genesis = cbor::decode_strict(genesis.bytes()).map_err(|_| NoIdentity::Damaged)?;
                let statement = SigningKey::from_bytes(&*seed(statement.bytes())?);
                if genesis.key().is_none() {
                    return Err(NoIdentity::Damaged);
                }
                let network = seed(network.bytes())?;
                let seal = Self::seal_key(store, reader.identity(SEAL_KEY)?)?;
                let node = match reader.identity(NODE)?.as_ref().map(meerkat_store::Identity::bytes) {
                    None => NodeNumber(0),
                    Some([number]) => NodeNumber(*number),
                    Some(_) => return Err(NoIdentity::Damaged),
                };
                Ok(Self::of(&network, statement, &seal, (genesis, node)))
            }
            (None, None, None) => Self::create(store),
            _ => Err(NoIdentity::Damaged),
        }
    }

    fn create(store: &Store) -> Result<Self, NoIdentity> {
        let (network, statement, seal) = (random()?, random()?, random()?);
        let key = SigningKey::from_bytes(&statement);
        let genesis = Genesis::new(&key.verifying_key());
        store.set_identity(&[
            (NETWORK_KEY, network.as_slice()),
            (STATEMENT_KEY, statement.as_slice()),
            (GENESIS, &cbor::encode(&genesis)),
            (SEAL_KEY, seal.as_slice()),
        ])?;
        Ok(Self::of(&network, key, &seal, (genesis, NodeNumber(0))))
    }

    /// The public half of the statement key of the home to come: the kept one, or a new one that is kept first.
    ///
    /// # Errors
    /// [`NoIdentity`].
    pub fn next_key(store: &Store) -> Result<[u8; 32], NoIdentity> {
        Ok(Self::next_secret(store)?.verifying_key().to_bytes())
    }

    fn next_secret(store: &Store) -> Result<SigningKey, NoIdentity> {
        if let Some(kept) = store.reader().identity(NEXT_KEY)? {
            return Ok(SigningKey::from_bytes(&*seed(kept.bytes())?));
        }
        let key = random()?;
        store.set_identity(&[(NEXT_KEY, key.as_slice())])?;
        Ok(SigningKey::from_bytes(&key))
    }

    /// Makes this node a part of another home, or of a new one of its own, in one transaction: it is wholly the one or
    /// wholly the other, whenever the power goes.
    ///
    /// # Errors
    /// [`NoIdentity`]; the node is who it was then.
    pub fn become_part(store: &Store, becoming: &Becoming) -> Result<(), NoIdentity> {
        let next = Self::next_secret(store)?;
        let (genesis, number, entries): (Genesis, NodeNumber, &[SignedEntry]) = match &becoming.whose {
            Whose::Joined { genesis, number, entries } => (*genesis, *number, entries),
            Whose::Own => (Genesis::new(&next.verifying_key()), NodeNumber(0), &[]),
        };
        let mut writes: Vec<Write> =
            entries.iter().map(|entry| Write::RosterEntry(entry.id(), entry.clone())).collect();
        writes.extend(becoming.met.iter().map(|(peer, addresses)| Write::Peer(*peer, addresses.clone())));
        store.move_to(NewHome {
            identity: &[
                (STATEMENT_KEY, Zeroizing::new(next.to_bytes()).as_slice()),
                (GENESIS, &cbor::encode(&genesis)),
                (NODE, &[number.0]),
            ],
            spent: &[NEXT_KEY],
            number,
            writes: &writes,
        })?;
        Ok(())
    }

    /// The kept one, or a new one: homes from before there were messages have none.
    fn seal_key(store: &Store, kept: Option<meerkat_store::Identity>) -> Result<Zeroizing<[u8; 32]>, NoIdentity> {
        if let Some(kept) = kept {
            return seed(kept.bytes());
        }
        let key = random()?;
        store.set_identity(&[(SEAL_KEY, key.as_slice())])?;
        Ok(key)
    }

    /// To what neighbours seal messages for this node.
    #[must_use]
    pub fn seal_public(&self) -> SealKey {
        SealKey(PublicKey::from(&self.seal).to_bytes())
    }

    fn of(network: &[u8; 32], statement: SigningKey, seal: &[u8; 32], (genesis, node): (Genesis, NodeNumber)) -> Self {
        let peer = Peer(SigningKey::from_bytes(network).verifying_key().to_bytes());
        let seal = StaticSecret::from(*seal);
        Self { network: NetworkKey::new(*network), peer, statement, seal, genesis, node }
    }
}

fn seed(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, NoIdentity> {
    bytes.try_into().map(Zeroizing::new).map_err(|_| NoIdentity::Damaged)
}

fn random() -> Result<Zeroizing<[u8; 32]>, NoIdentity> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(NoIdentity::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use meerkat_store::{DataKey, Folder, Options};

    use super::*;

    #[test]
    fn the_keys_of_the_first_start_are_those_of_the_next_and_no_two_are_equal() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::take(dir.path()).expect("ours");
        let key = DataKey::from_bytes([1; 32]);
        let store = Store::open(&folder, &key, Options::default()).expect("a new store");
        let first = Keys::load_or_create(&store).expect("made");
        let again = Keys::load_or_create(&store).expect("kept");
        let public = |keys: &Keys| [keys.peer.0, keys.statement.verifying_key().to_bytes(), keys.seal_public().0];
        assert_eq!(public(&first), public(&again));
        let [peer, statement, seal] = public(&first);
        assert!(peer != statement && statement != seal && seal != peer);
    }

    #[test]
    fn a_node_becomes_a_part_of_another_home_and_then_of_its_own_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::take(dir.path()).expect("ours");
        let store = Store::open(&folder, &DataKey::from_bytes([1; 32]), Options::default()).expect("a new store");
        let first = Keys::load_or_create(&store).expect("made");
        let next = Keys::next_key(&store).expect("made");
        assert_eq!(Keys::next_key(&store).expect("kept"), next, "who asks again is told the same");
        let unmoved = Keys::load_or_create(&store).expect("kept");
        assert_eq!((unmoved.genesis, unmoved.node), (first.genesis, NodeNumber(0)));
        let genesis = Genesis::new(&SigningKey::from_bytes(&[2; 32]).verifying_key());
        let whose = Whose::Joined { genesis, number: NodeNumber(7), entries: Vec::new() };
        Keys::become_part(&store, &Becoming { whose, met: None }).expect("saved");
        let moved = Keys::load_or_create(&store).expect("kept");
        assert_eq!((moved.genesis, moved.node), (genesis, NodeNumber(7)));
        assert_eq!(moved.statement.verifying_key().to_bytes(), next);
        assert_eq!((moved.peer, moved.seal_public()), (first.peer, first.seal_public()), "these stay");
        assert_ne!(Keys::next_key(&store).expect("a new one"), next, "no key is used in two homes");
        Keys::become_part(&store, &Becoming { whose: Whose::Own, met: None }).expect("saved");
        let alone = Keys::load_or_create(&store).expect("kept");
        assert_eq!((alone.genesis, alone.node), (Genesis::new(&alone.statement.verifying_key()), NodeNumber(0)));
    }

    #[test]
    fn a_home_from_before_there_were_messages_gets_a_key_for_them_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::take(dir.path()).expect("ours");
        let store = Store::open(&folder, &DataKey::from_bytes([1; 32]), Options::default()).expect("a new store");
        let genesis = Genesis::new(&SigningKey::from_bytes(&[2; 32]).verifying_key());
        store
            .set_identity(&[(NETWORK_KEY, &[1; 32]), (STATEMENT_KEY, &[2; 32]), (GENESIS, &cbor::encode(&genesis))])
            .expect("kept");
        let first = Keys::load_or_create(&store).expect("a key is added");
        assert_eq!(first.genesis, genesis);
        assert_eq!(Keys::load_or_create(&store).expect("kept").seal_public(), first.seal_public());
    }
}
