//! Who this node is: two keys, never equal, made at the first start and kept sealed in the store.

use ed25519_dalek::SigningKey;
use meerkat_network::NetworkKey;
use meerkat_protocols::{cbor, home::Genesis, mesh::Peer};
use meerkat_store::{CommitError, ReadError, Store};
use zeroize::Zeroizing;

const NETWORK_KEY: &str = "network key";
const STATEMENT_KEY: &str = "statement key";
const GENESIS: &str = "genesis";

/// The secrets of this node and the record that made its home.
pub struct Keys {
    /// Who we are to peers. It changes hands with every connection and says nothing about the home.
    pub network: NetworkKey,
    /// The public half of it.
    pub peer: Peer,
    /// Signs what the home says.
    pub statement: SigningKey,
    /// The record that made the home.
    pub genesis: Genesis,
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
                Ok(Self::of(&network, statement, genesis))
            }
            (None, None, None) => Self::create(store),
            _ => Err(NoIdentity::Damaged),
        }
    }

    fn create(store: &Store) -> Result<Self, NoIdentity> {
        let (network, statement) = (random()?, random()?);
        let key = SigningKey::from_bytes(&statement);
        let genesis = Genesis::new(&key.verifying_key());
        store.set_identity(&[
            (NETWORK_KEY, network.as_slice()),
            (STATEMENT_KEY, statement.as_slice()),
            (GENESIS, &cbor::encode(&genesis)),
        ])?;
        Ok(Self::of(&network, key, genesis))
    }

    fn of(network: &[u8; 32], statement: SigningKey, genesis: Genesis) -> Self {
        let peer = Peer(SigningKey::from_bytes(network).verifying_key().to_bytes());
        Self { network: NetworkKey::new(*network), peer, statement, genesis }
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
