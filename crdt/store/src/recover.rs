//! Starting anyway: a store that cannot be opened makes room for an empty one of the same node, and a store that went back
//! in time, because a disk said "written" and had not, goes on without using a number twice.
//!
//! For that a copy of what makes the node who it is lies beside the store, sealed with the data key, and in it how far the
//! event ids of the last start went. A store that knows of less is older than its own last start.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::UNIX_EPOCH,
};

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::Aead};
use meerkat_protocols::{cbor, home::NodeNumber, mesh::Peer, roster::SignedEntry, time::Day};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use crate::{
    DataKey, Folder, Keyring, Options, Store, backup,
    errors::{Damaged, Fault, OpenError},
    file::Next,
    schema::EVENT_FLOOR,
    tables::{HASH_BYTES, IDENTITY, META, PEERS, ROSTER, meta_key},
};

const COPY_FILE: &str = "identity.copy";
const COPY_DOMAIN: &str = "meerkat 2026-11 store identity copy";
const NONCE_BYTES: usize = 24;

/// What the copy holds: who the node is, to whom it belongs and where they are. Without those it would be alone, because of
/// nobody who is not in its roster a word is heard.
#[derive(Serialize, Deserialize)]
struct Copy {
    event_floor: u64,
    node: NodeNumber,
    rows: Vec<(String, ByteBuf)>,
    #[serde(default)]
    roster: Vec<SignedEntry>,
    #[serde(default)]
    peers: Vec<(Peer, Vec<String>)>,
}

/// What was lost at a start, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The store could not be opened and was moved aside; an empty one took its place.
    Everything {
        /// Where the old one is.
        aside: PathBuf,
        /// Whether the node is still who it was.
        same_node: bool,
    },
    /// The store is older than its own last start.
    Latest,
    /// Keys of the node were damaged and came back from their copy.
    Keys,
    /// Entries of the roster were damaged or missing and came back from their copy.
    Roster,
}

impl Lost {
    /// In words, for the person at the page.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Everything { aside, same_node } => format!(
                "what this node had saved could not be opened and was moved to {}. It begins with an empty store{}; lists, \
                 settings and logs come back from the other nodes of the household, if there are any, or from a backup",
                aside.display(),
                if *same_node { " as the node it was" } else { " as a new node, because its keys were lost too" }
            ),
            Self::Latest => {
                "the disk had not kept what it said was saved: the store is from before the last start. What is \
                             missing comes back from the other nodes of the household, if there are any"
                    .into()
            }
            Self::Keys => "some of this node's keys were damaged and were put back from their copy".into(),
            Self::Roster => {
                "some of what says which nodes belong to the household was damaged and was put back from its copy"
                    .into()
            }
        }
    }
}

impl Store {
    /// As [`Store::open`], but starts in any case: what cannot be opened is moved aside, never deleted.
    ///
    /// # Errors
    /// [`OpenError`] where a new store would not help: a folder in use, a key that does not fit, a newer version, a full
    /// disk.
    pub fn open_anyway(folder: &Folder, ring: &Keyring, options: Options) -> Result<(Self, Vec<Lost>), OpenError> {
        let copy = Copy::read(folder, ring);
        match Self::open(folder, ring, options) {
            Ok(store) => {
                let lost = store.compare(copy.as_ref(), options.wall).map_err(other)?;
                Ok((store, lost))
            }
            Err(OpenError::Damaged(why)) => {
                let last = last_day(folder);
                let aside = folder.set_aside()?;
                tracing::error!(why, aside = %aside.display(), "the store cannot be opened; an empty one takes its place");
                let store = Self::open(folder, ring, options)?;
                if let Some(copy) = &copy {
                    store.become_again(copy, last, options.wall).map_err(other)?;
                }
                Ok((store, vec![Lost::Everything { aside, same_node: copy.is_some() }]))
            }
            Err(why) => Err(why),
        }
    }

    /// Writes the copy by which this node is known again.
    ///
    /// # Errors
    /// Whatever keeps it from being read or written; the copy of before stays.
    pub(crate) fn copy_identity(&self, folder: &Folder, ring: &Keyring) -> Result<(), OpenError> {
        let (mut rows, mut roster, mut peers) = (vec![], vec![], vec![]);
        let event_floor = self.handle.read(|reading| {
            reading.each(&IDENTITY, [0; HASH_BYTES]..=[0xff; HASH_BYTES], |_, row: Result<_, Damaged>| {
                rows.extend(row.ok());
                Next::Go
            })?;
            reading.each(&ROSTER, [0; 32]..=[0xff; 32], |_, entry: Result<_, Damaged>| {
                roster.extend(entry.ok());
                Next::Go
            })?;
            reading.each(&PEERS, [0; HASH_BYTES]..=[0xff; HASH_BYTES], |_, peer: Result<_, Damaged>| {
                peers.extend(peer.ok());
                Next::Go
            })?;
            Ok(reading.get::<_, u64>(&META, &meta_key(EVENT_FLOOR)).unwrap_or(None).unwrap_or(0))
        });
        let event_floor = event_floor.map_err(other)?;
        let copy = Copy { event_floor, node: self.handle.node(), rows, roster, peers };
        copy.write(folder, ring).map_err(|e| OpenError::of_io(folder.path(), e))
    }

    /// Puts back what the copy has and the store has not, and goes on safely from an older state.
    fn compare(&self, copy: Option<&Copy>, wall: Option<i64>) -> Result<Vec<Lost>, Fault> {
        let Some(copy) = copy else { return Ok(vec![]) };
        let mut lost = vec![];
        let reader = self.reader();
        let damaged: Vec<_> = copy.rows.iter().filter(|(name, _)| reader.identity(name).is_err()).collect();
        if !damaged.is_empty() {
            self.put_identity(damaged.into_iter())?;
            lost.push(Lost::Keys);
        }
        if self.is_of(copy) && self.put_roster(copy)? {
            lost.push(Lost::Roster);
        }
        let floor = self.handle.read(|reading| reading.get::<_, u64>(&META, &meta_key(EVENT_FLOOR)))?.unwrap_or(0);
        if floor < copy.event_floor {
            backup::go_on(self, copy.node, &days(wall.and_then(Day::of_unix), wall))?;
            lost.push(Lost::Latest);
        }
        Ok(lost)
    }

    /// Whether a copy is of the node as it is: not of one that has moved to another home since.
    fn is_of(&self, copy: &Copy) -> bool {
        let reader = self.reader();
        let same = |(name, bytes): &(String, ByteBuf)| {
            reader.identity(name).is_ok_and(|found| found.is_some_and(|found| found.bytes() == bytes.as_slice()))
        };
        copy.rows.iter().all(same)
    }

    /// Puts entries of the roster back that cannot be read, and where peers are if nobody is known; `true` if any entry was
    /// put back.
    fn put_roster(&self, copy: &Copy) -> Result<bool, Fault> {
        let (lost, peers) = self.handle.read(|reading| {
            let is_lost = |entry: &&SignedEntry| {
                !matches!(reading.get::<_, SignedEntry>(&ROSTER, &entry.id().0), Ok(Some(kept)) if kept == **entry)
            };
            let mut peers = 0;
            reading.each(&PEERS, [0; HASH_BYTES]..=[0xff; HASH_BYTES], |_, _: Result<(Peer, Vec<String>), Damaged>| {
                peers += 1;
                Next::Stop
            })?;
            Ok((copy.roster.iter().filter(is_lost).collect::<Vec<_>>(), peers))
        })?;
        if lost.is_empty() {
            return Ok(false);
        }
        self.write(|writing| {
            for entry in &lost {
                writing.put(&ROSTER, &entry.id().0, *entry)?;
            }
            for known in copy.peers.iter().filter(|_| peers == 0) {
                writing.put(&PEERS, &writing.seal.hash("peer", &known.0.0), known)?;
            }
            Ok(())
        })?;
        Ok(true)
    }

    fn become_again(&self, copy: &Copy, last: Option<Day>, wall: Option<i64>) -> Result<(), Fault> {
        self.put_identity(copy.rows.iter())?;
        self.put_roster(copy)?;
        backup::go_on(self, copy.node, &days(last, wall))
    }

    fn put_identity<'a>(&self, rows: impl Iterator<Item = &'a (String, ByteBuf)>) -> Result<(), Fault> {
        self.write(|writing| {
            for (name, bytes) in rows {
                writing.put(&IDENTITY, &writing.seal.hash(IDENTITY.name, name.as_bytes()), &(name, bytes))?;
            }
            Ok(())
        })
    }
}

/// The days on which statements may have been made that the store does not know of. Only the places of days to come are ever
/// taken, so those from the last sign of life to today suffice.
fn days(last: Option<Day>, wall: Option<i64>) -> Vec<Day> {
    let today = wall.and_then(Day::of_unix);
    let (first, end) = match (last, today) {
        (Some(last), Some(today)) => (last.min(today), last.max(today)),
        (Some(day), None) | (None, Some(day)) => (day, day),
        (None, None) => return vec![],
    };
    // A clock that was years ahead must not make a list of years.
    (end.0.saturating_sub(MAX_DAYS).max(first.0)..=end.0).map(Day).collect()
}

const MAX_DAYS: u16 = 400;

/// The day on which the database was last written.
fn last_day(folder: &Folder) -> Option<Day> {
    let written = fs::metadata(folder.database()).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Day::of_unix(i64::try_from(written.as_secs()).ok()?)
}

fn other(error: impl std::fmt::Display) -> OpenError {
    OpenError::Other(error.to_string())
}

fn cipher(key: &DataKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*Zeroizing::new(blake3::derive_key(COPY_DOMAIN, key.bytes()))).into())
}

impl Copy {
    /// The copy, if it is there and whole.
    fn read(folder: &Folder, ring: &Keyring) -> Option<Self> {
        let bytes = fs::read(folder.path().join(COPY_FILE)).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce = XNonce::from(<[u8; NONCE_BYTES]>::try_from(nonce).ok()?);
        let (newest, earlier) = ring.newest_first();
        let open = |key: &DataKey| cipher(key).decrypt(&nonce, sealed).ok().map(Zeroizing::new);
        let plain = open(newest).or_else(|| open(earlier?))?;
        cbor::decode(&plain).ok()
    }

    fn write(&self, folder: &Folder, ring: &Keyring) -> io::Result<()> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let plain = Zeroizing::new(cbor::encode(self));
        let sealed = cipher(ring.newest_first().0).encrypt(&XNonce::from(nonce), plain.as_slice());
        let sealed = sealed.map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let (path, fresh) = (folder.path().join(COPY_FILE), folder.path().join("identity.copy.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&[nonce.as_slice(), &sealed].concat())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(folder.path())?.sync_all()
    }
}
