//! Epochs: spans between two changes of membership, each with a key that is sealed to those who are members in it.
//!
//! Two admins who are apart may begin two epochs. What is said then is sealed with the keys of both, so that neither of two
//! nodes that were removed at once can read it.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::EntryId;
use crate::{
    contact::SealKey,
    home::{HomeId, NodeNumber},
    letter::{Chance, SealSecret, Suite, WeakKey, public},
};

const BOX_DOMAIN: &[u8] = b"meerkat 2026-11 epoch key\0";
const FRAME_DOMAIN: &str = "meerkat 2026-11 household frame";
const KEY_BYTES: usize = 32;
/// An encapsulated key, the epoch's key, a tag.
const BOX_BYTES: usize = KEY_BYTES + KEY_BYTES + 16;
const NONCE_BYTES: usize = 24;
/// Names the key of a frame, so that who has another knows that the rosters differ.
const KEY_ID_BYTES: usize = 8;

/// The key of an epoch.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct EpochKey([u8; KEY_BYTES]);

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochKey(…)")
    }
}

/// The key of an epoch, sealed to one member.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochBox(ByteBuf);

impl fmt::Debug for EpochBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochBox({} bytes)", self.0.len())
    }
}

/// The box is not for this node, or was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the epoch's key is not sealed to this node")]
pub struct NotForUs;

fn info(home: HomeId, author: NodeNumber, to: NodeNumber) -> Vec<u8> {
    [BOX_DOMAIN, &home.0, &[author.0], &[to.0]].concat()
}

impl EpochKey {
    /// The key of these bytes, which must be new chance.
    #[must_use]
    pub fn of(chance: [u8; KEY_BYTES]) -> Self {
        Self(chance)
    }

    /// Seals it to a member. `chance` must be new for each box.
    ///
    /// # Errors
    /// [`WeakKey`] if nothing can be sealed to the member's key.
    pub fn seal(
        &self,
        home: HomeId,
        author: NodeNumber,
        (to, key): (NodeNumber, &SealKey),
        chance: [u8; 32],
    ) -> Result<EpochBox, WeakKey> {
        let sealing = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, Suite>(
            &OpModeS::Base,
            &public(key)?,
            &info(home, author, to),
            &mut Chance::of(chance),
        );
        let (encapsulated, mut context) = sealing.map_err(|_| WeakKey)?;
        let mut bytes = encapsulated.to_bytes().to_vec();
        bytes.extend(context.seal(&self.0, &[]).expect("the first of 2^96 under its key, and short"));
        Ok(EpochBox(ByteBuf::from(bytes)))
    }
}

impl EpochBox {
    /// Opens the box that `author` sealed to this node.
    ///
    /// # Errors
    /// [`NotForUs`].
    pub fn open(
        &self,
        secret: &SealSecret,
        home: HomeId,
        author: NodeNumber,
        to: NodeNumber,
    ) -> Result<EpochKey, NotForUs> {
        let (encapsulated, closed) =
            self.0.split_at_checked(KEY_BYTES).filter(|_| self.0.len() == BOX_BYTES).ok_or(NotForUs)?;
        let encapsulated = <Suite as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| NotForUs)?;
        let opening = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, Suite>(
            &OpModeR::Base,
            &secret.private(),
            &encapsulated,
            &info(home, author, to),
        );
        let open = opening.map_err(|_| NotForUs)?.open(closed, &[]).map_err(|_| NotForUs)?;
        open.try_into().map(EpochKey).map_err(|_| NotForUs)
    }
}

/// What frames between members are sealed with: it follows from the keys of all epochs that are the latest.
#[derive(Clone)]
pub struct FrameKey {
    id: [u8; KEY_ID_BYTES],
    cipher: XChaCha20Poly1305,
}

impl PartialEq for FrameKey {
    /// By what follows from the key as the key does: 64 bits, of which no two of a household's few are the same.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Debug for FrameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameKey(…)")
    }
}

impl FrameKey {
    /// The key that follows from these, whatever their order; `None` of none.
    #[must_use]
    pub fn of(home: HomeId, epochs: &[(EntryId, EpochKey)]) -> Option<Self> {
        let mut epochs: Vec<_> = epochs.iter().collect();
        epochs.sort_unstable_by_key(|(id, _)| *id);
        epochs.first()?;
        let mut hasher = blake3::Hasher::new_derive_key(FRAME_DOMAIN);
        hasher.update(&home.0);
        for (id, key) in epochs {
            hasher.update(&id.0).update(&key.0);
        }
        let mut derived = [0; KEY_BYTES + KEY_ID_BYTES];
        hasher.finalize_xof().fill(&mut derived);
        let (key, name) = derived.split_at(KEY_BYTES);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(name);
        let cipher = XChaCha20Poly1305::new_from_slice(key).expect("32 bytes");
        derived.zeroize();
        Some(Self { id, cipher })
    }

    /// Seals what one member says to another. `chance` must be new for each frame.
    #[must_use]
    pub fn seal(&self, from: NodeNumber, to: NodeNumber, plain: &[u8], chance: [u8; 32]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&chance[..NONCE_BYTES]);
        let payload = Payload { msg: plain, aad: &[from.0, to.0] };
        let closed = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("frames are far below 256 GiB");
        [&self.id[..], &nonce, &closed].concat()
    }

    /// Opens what that member said to this one; `None` if it was not sealed with this key, or altered.
    #[must_use]
    pub fn open(&self, from: NodeNumber, to: NodeNumber, frame: &[u8]) -> Option<Vec<u8>> {
        let rest = frame.strip_prefix(&self.id)?;
        let (nonce, closed) = rest.split_at_checked(NONCE_BYTES)?;
        let mut fixed = [0; NONCE_BYTES];
        fixed.copy_from_slice(nonce);
        self.cipher.decrypt(&XNonce::from(fixed), Payload { msg: closed, aad: &[from.0, to.0] }).ok()
    }
}
