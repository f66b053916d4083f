//! The file of the data key, `seal.key`, and the ways in which it is wrapped.
//!
//! | way | what opens it | who holds the memory card |
//! |---|---|---|
//! | beside | the file itself | reads everything |
//! | pass-phrase | what a person types at each start | has to guess it, at 64 MiB and some tenths of a second a guess |
//! | member | what another node of the household gives out at each start | reads everything until the node is removed |
//!
//! The first versions of Meerkat wrote the bare key with a check behind it. That is read as `beside` and written anew with
//! the first change.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use meerkat_protocols::{
    cbor,
    release::{AskingKey, Entrusted, ReleaseId, ReleaseSecret},
};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{DataKey, Folder, Keyring, errors::OpenError};

pub(crate) const KEY_FILE: &str = "seal.key";
const FRESH_FILE: &str = "seal.key.new";
/// What the file begins with; its last byte is the version of what follows.
const MAGIC: &[u8; 8] = b"MKEYFIL\x01";
/// The hash behind everything, which tells a decayed file from a wrong pass-phrase.
const CHECK_BYTES: usize = 8;
const CHECK_DOMAIN: &str = "meerkat 2026-11 store key file check";
/// The check of the first versions' bare key.
const BARE_CHECK_BYTES: usize = 4;
const BARE_CHECK_DOMAIN: &str = "meerkat 2026-11 store seal.key check";
/// Twice what the largest file has.
const MAX_FILE_BYTES: u64 = 1_024;

/// The parameters of argon2id that a new pass-phrase is stretched with: the second choice of RFC 9106, 4, for machines
/// with little memory: 3 passes over 64 MiB in 4 lanes. A Raspberry Pi with 1 GiB can do it while calls ring.
const PASSES: u32 = 3;
const MEMORY_KIB: u32 = 64 * 1_024;
const LANES: u32 = 4;
/// A file that asks for more was not written by us: it would only keep the node from starting.
const MAX_MEMORY_KIB: u32 = 256 * 1_024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// The shortest pass-phrase, in characters. It has to withstand guessing on other people's machines, which a password of the
/// page, guessed only through us, has not.
pub const MIN_PASS_PHRASE_CHARS: usize = 12;
/// The longest, in bytes.
pub const MAX_PASS_PHRASE_BYTES: usize = 512;

/// In which way the data key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyMode {
    /// Beside the data.
    Beside,
    /// Under a pass-phrase.
    PassPhrase,
    /// Given out by another member of the household.
    Member,
}

impl KeyMode {
    /// The word used in every interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Beside => "beside",
            Self::PassPhrase => "pass-phrase",
            Self::Member => "member",
        }
    }
}

/// The key that the data key is wrapped with.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct WrapKey([u8; 32]);

impl std::fmt::Debug for WrapKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrapKey(…)")
    }
}

impl WrapKey {
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// How the wrap key is come by, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Beside(ByteArray<32>),
    PassPhrase {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        salt: ByteArray<16>,
    },
    /// Under which members keep it, and the key with which they are asked.
    Member(ReleaseId, AskingKey),
}

impl Way {
    fn mode(&self) -> KeyMode {
        match self {
            Self::Beside(_) => KeyMode::Beside,
            Self::PassPhrase { .. } => KeyMode::PassPhrase,
            Self::Member(..) => KeyMode::Member,
        }
    }

    fn is_within_bounds(&self) -> bool {
        match self {
            Self::PassPhrase { memory_kib, passes, lanes, .. } => {
                *memory_kib <= MAX_MEMORY_KIB && (1..=MAX_PASSES).contains(passes) && (1..=MAX_LANES).contains(lanes)
            }
            Self::Beside(_) | Self::Member(..) => true,
        }
    }
}

/// The file: what it says in plain is bound to what it wraps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content(Way, ByteArray<24>, ByteBuf);

/// What is wrapped: data key, the one that follows it, key of the hashed keys.
#[derive(Serialize, Deserialize)]
struct Wrapped(ByteArray<32>, Option<ByteArray<32>>, ByteArray<32>);

/// Why a key file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// What was given does not open it.
    #[error("this is not the pass-phrase")]
    Wrong,
    /// The file opens in another way.
    #[error("this key is not opened in that way, but: {}", .0.word())]
    OtherMode(KeyMode),
    /// This machine cannot stretch the pass-phrase.
    #[error("this machine cannot work out the key from the pass-phrase: {0}")]
    TooDear(String),
}

/// A key file as it was found.
#[derive(Clone)]
pub struct KeyFile(Found);

#[derive(Clone)]
enum Found {
    Bare(DataKey),
    Wrapped(Content),
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyFile({})", self.mode().word())
    }
}

impl KeyFile {
    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// [`OpenError::KeyDamaged`] if it holds no key, otherwise whatever keeps it from being read.
    pub fn read(folder: &Folder) -> Result<Option<Self>, OpenError> {
        let path = folder.path().join(KEY_FILE);
        match File::open(&path) {
            Ok(file) => read_file(&path, file).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(OpenError::of_io(&path, e)),
        }
    }

    /// In which way it is opened.
    #[must_use]
    pub fn mode(&self) -> KeyMode {
        match &self.0 {
            Found::Bare(_) => KeyMode::Beside,
            Found::Wrapped(Content(way, ..)) => way.mode(),
        }
    }

    /// Under which members keep what opens it, and with what they are asked.
    #[must_use]
    pub fn release(&self) -> Option<(ReleaseId, AskingKey)> {
        match &self.0 {
            Found::Wrapped(Content(Way::Member(id, asking), ..)) => Some((*id, asking.clone())),
            Found::Bare(_) | Found::Wrapped(_) => None,
        }
    }

    /// Opens a file that opens itself.
    ///
    /// # Errors
    /// [`UnlockError::OtherMode`] if it does not.
    pub fn open(&self, folder: &Folder) -> Result<KeyCase, UnlockError> {
        match &self.0 {
            Found::Bare(key) => {
                let wrap = WrapKey::random().map_err(|e| UnlockError::TooDear(e.to_string()))?;
                let way = Way::Beside(ByteArray::new(*wrap.bytes()));
                Ok(KeyCase { folder: folder.clone(), ring: Keyring::from(key), way, wrap })
            }
            Found::Wrapped(Content(Way::Beside(key), ..)) => self.unwrap(folder, WrapKey(**key)),
            Found::Wrapped(Content(way, ..)) => Err(UnlockError::OtherMode(way.mode())),
        }
    }

    /// Opens it with a pass-phrase. Takes some tenths of a second and 64 MiB.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub fn open_with_pass_phrase(&self, folder: &Folder, words: &str) -> Result<KeyCase, UnlockError> {
        match &self.0 {
            Found::Wrapped(Content(Way::PassPhrase { memory_kib, passes, lanes, salt }, ..)) => {
                if words.len() > MAX_PASS_PHRASE_BYTES {
                    return Err(UnlockError::Wrong);
                }
                self.unwrap(folder, stretched(words, *memory_kib, *passes, *lanes, salt)?)
            }
            Found::Bare(_) | Found::Wrapped(_) => Err(UnlockError::OtherMode(self.mode())),
        }
    }

    /// Opens it with what a member gave out.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub fn open_with(&self, folder: &Folder, secret: &ReleaseSecret) -> Result<KeyCase, UnlockError> {
        match &self.0 {
            Found::Wrapped(Content(Way::Member(..), ..)) => self.unwrap(folder, WrapKey(*secret.bytes())),
            Found::Bare(_) | Found::Wrapped(_) => Err(UnlockError::OtherMode(self.mode())),
        }
    }

    fn unwrap(&self, folder: &Folder, wrap: WrapKey) -> Result<KeyCase, UnlockError> {
        let Found::Wrapped(Content(way, nonce, sealed)) = &self.0 else { return Err(UnlockError::Wrong) };
        let payload = Payload { msg: sealed, aad: &bound(way) };
        let plain = XChaCha20Poly1305::new(wrap.bytes().into()).decrypt(&XNonce::from(**nonce), payload);
        let plain = Zeroizing::new(plain.map_err(|_| UnlockError::Wrong)?);
        let Wrapped(data, next, index) = cbor::decode(&plain).map_err(|_| UnlockError::Wrong)?;
        let ring = Keyring::of(DataKey::from_bytes(*data), next.map(|next| DataKey::from_bytes(*next)), *index);
        Ok(KeyCase { folder: folder.clone(), ring, way: way.clone(), wrap })
    }
}

/// An opened key file: the keys, and what it takes to write the file anew.
#[derive(Clone)]
pub struct KeyCase {
    folder: Folder,
    ring: Keyring,
    way: Way,
    wrap: WrapKey,
}

impl std::fmt::Debug for KeyCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyCase({})", self.mode().word())
    }
}

impl KeyCase {
    /// A new data key, kept beside the data, in a folder that has neither.
    ///
    /// # Errors
    /// [`OpenError::KeyMissing`] if there is data, whose key is another; otherwise whatever keeps the file from being
    /// written.
    pub fn create(folder: &Folder) -> Result<Self, OpenError> {
        let path = folder.path().join(KEY_FILE);
        if fs::metadata(folder.database()).is_ok_and(|m| m.len() > 0) {
            return Err(OpenError::KeyMissing(path));
        }
        let key = DataKey::random().map_err(|e| OpenError::Other(e.to_string()))?;
        let case = Self::beside(folder, Keyring::from(&key))?;
        case.save()?;
        Ok(case)
    }

    /// These keys, to be kept beside the data. Nothing is written.
    pub(crate) fn beside(folder: &Folder, ring: Keyring) -> Result<Self, OpenError> {
        let wrap = WrapKey::random().map_err(|e| OpenError::Other(e.to_string()))?;
        Ok(Self { folder: folder.clone(), ring, way: Way::Beside(ByteArray::new(*wrap.bytes())), wrap })
    }

    /// Whose keys they are.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The keys.
    #[must_use]
    pub fn ring(&self) -> &Keyring {
        &self.ring
    }

    /// In which way the file is opened.
    #[must_use]
    pub fn mode(&self) -> KeyMode {
        self.way.mode()
    }

    /// What members give out to open the file, if they do.
    #[must_use]
    pub fn release(&self) -> Option<Entrusted> {
        match &self.way {
            Way::Member(id, asking) => {
                let secret = ReleaseSecret::from_bytes(*self.wrap.bytes());
                Some(Entrusted { id: *id, asking: asking.clone(), secret })
            }
            Way::Beside(_) | Way::PassPhrase { .. } => None,
        }
    }

    /// From now on the key lies beside the data.
    ///
    /// # Errors
    /// Whatever keeps the file from being written; then everything is as before.
    pub fn keep_beside(&mut self) -> Result<(), OpenError> {
        let wrap = WrapKey::random().map_err(|e| OpenError::Other(e.to_string()))?;
        self.become_(Way::Beside(ByteArray::new(*wrap.bytes())), wrap)
    }

    /// From now on the key is under this pass-phrase. Takes some tenths of a second and 64 MiB.
    ///
    /// # Errors
    /// As [`KeyCase::keep_beside`].
    pub fn keep_under_pass_phrase(&mut self, words: &str) -> Result<(), OpenError> {
        let other = |e: String| OpenError::Other(e);
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|e| other(e.to_string()))?;
        let wrap = stretched(words, MEMORY_KIB, PASSES, LANES, &salt).map_err(|e| other(e.to_string()))?;
        let salt = ByteArray::new(salt);
        self.become_(Way::PassPhrase { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt }, wrap)
    }

    /// From now on members give out what opens the file. They must have it, durably, before this is called.
    ///
    /// # Errors
    /// As [`KeyCase::keep_beside`].
    pub fn keep_with_members(&mut self, entrusted: &Entrusted) -> Result<(), OpenError> {
        let way = Way::Member(entrusted.id, entrusted.asking.clone());
        self.become_(way, WrapKey(*entrusted.secret.bytes()))
    }

    /// Other keys, opened in the same way as these: for restored data, which has a data key of its own.
    pub(crate) fn in_this_way(&self, folder: &Folder, ring: Keyring) -> Self {
        Self { folder: folder.clone(), ring, way: self.way.clone(), wrap: self.wrap.clone() }
    }

    fn become_(&mut self, way: Way, wrap: WrapKey) -> Result<(), OpenError> {
        let changed = Self { way, wrap, ..self.clone() };
        changed.save()?;
        *self = changed;
        Ok(())
    }

    /// Writes the file with a second key in it, with which values are sealed from then on.
    pub(crate) fn begin_rotation(&mut self) -> Result<(), OpenError> {
        let mut changed = self.clone();
        changed.ring.begin_rotation(DataKey::random().map_err(|e| OpenError::Other(e.to_string()))?);
        changed.save()?;
        *self = changed;
        Ok(())
    }

    /// Writes the file without the key that no value is sealed with any more.
    pub(crate) fn end_rotation(&mut self) -> Result<(), OpenError> {
        let mut changed = self.clone();
        changed.ring.end_rotation();
        changed.save()?;
        *self = changed;
        Ok(())
    }

    /// A power cut leaves the file of before or the new one.
    pub(crate) fn save(&self) -> Result<(), OpenError> {
        let path = self.folder.path().join(KEY_FILE);
        let bytes = self.bytes().map_err(|e| OpenError::Other(e.to_string()))?;
        write_file(self.folder.path(), FRESH_FILE, KEY_FILE, &bytes).map_err(|e| OpenError::of_io(&path, e))
    }

    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, getrandom::Error> {
        let plain = |key: &DataKey| ByteArray::new(*key.bytes());
        let wrapped = Wrapped(plain(self.ring.data()), self.ring.next().map(plain), ByteArray::new(*self.ring.index()));
        let wrapped = Zeroizing::new(cbor::encode(&wrapped));
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: &wrapped, aad: &bound(&self.way) };
        let sealed = XChaCha20Poly1305::new(self.wrap.bytes().into()).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a hundred bytes are not too many to seal");
        let content = Content(self.way.clone(), ByteArray::new(nonce), ByteBuf::from(sealed));
        let mut out = Zeroizing::new(MAGIC.to_vec());
        out.extend_from_slice(&Zeroizing::new(cbor::encode(&content)));
        let check = check(&out);
        out.extend_from_slice(&check);
        Ok(out)
    }
}

impl DataKey {
    /// The keys of a folder whose key file opens itself, or new ones if there is neither key nor data. The folder must be
    /// ours, or two that start at once would each make a key.
    ///
    /// # Errors
    /// [`OpenError::KeyMissing`] if there is data but no key, [`OpenError::KeyDamaged`] if the file holds no key,
    /// [`OpenError::Locked`] if it does not open itself, otherwise whatever keeps it from being read or written.
    pub fn load_or_create(folder: &Folder) -> Result<Keyring, OpenError> {
        let case = match KeyFile::read(folder)? {
            Some(file) => file.open(folder).map_err(|_| OpenError::Locked)?,
            None => KeyCase::create(folder)?,
        };
        Ok(case.ring)
    }
}

fn read_file(path: &Path, file: File) -> Result<KeyFile, OpenError> {
    let at_path = |e: io::Error| OpenError::of_io(path, e);
    let mode = file.metadata().map_err(at_path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!("seal.key could be read by other users of this machine: taking that right away");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(at_path)?;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(at_path)?;
    understood(&bytes).map(KeyFile).ok_or_else(|| OpenError::KeyDamaged(path.to_owned()))
}

/// What a file's bytes say. It never panics, whatever they are.
fn understood(bytes: &[u8]) -> Option<Found> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else { return bare(bytes) };
    let (content, found) = rest.split_at_checked(rest.len().checked_sub(CHECK_BYTES)?)?;
    if *found != check(&bytes[..MAGIC.len() + content.len()]) {
        return None;
    }
    let content: Content = cbor::decode_strict(content).ok()?;
    content.0.is_within_bounds().then_some(Found::Wrapped(content))
}

fn bare(bytes: &[u8]) -> Option<Found> {
    let (key, found) = bytes.split_at_checked(32)?;
    let key = Zeroizing::new(<[u8; 32]>::try_from(key).ok()?);
    let hash = blake3::derive_key(BARE_CHECK_DOMAIN, &*key);
    (*found == hash[..BARE_CHECK_BYTES]).then(|| Found::Bare(DataKey::from_bytes(*key)))
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::derive_key(CHECK_DOMAIN, bytes);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    check
}

/// What the wrapped keys are bound to: the way in which they are opened, so that none is put in the place of another.
fn bound(way: &Way) -> Vec<u8> {
    // The wrap key itself stands in the file when it lies beside; it is bound all the same.
    [MAGIC.as_slice(), &cbor::encode(way)].concat()
}

fn stretched(words: &str, memory_kib: u32, passes: u32, lanes: u32, salt: &[u8; 16]) -> Result<WrapKey, UnlockError> {
    let dear = |e: argon2::Error| UnlockError::TooDear(e.to_string());
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(dear)?;
    let mut key = WrapKey([0; 32]);
    let stretching = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    stretching.hash_password_into(words.as_bytes(), salt, &mut key.0).map_err(dear)?;
    Ok(key)
}

/// Written beside, synced, then renamed, and the folder synced.
pub(crate) fn write_file(folder: &Path, fresh: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = folder.join(fresh);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
