//! What the two ends of an enrolment compute: proofs that they know the invite's secret, six digits to compare, and the key
//! under which they say the rest.
//!
//! The guest stands by its key and nonce before it sees the host's (commit, then reveal), so that nobody who knows the
//! secret can try values until its digits are those of another screen: each try is one in a million, and shows.

use std::{fmt, str::FromStr};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    meeting::{Nonce, Proof},
    mesh::Peer,
};

const BEGIN_DOMAIN: &str = "meerkat 2026-11 enrolment begin";
const COMMIT_DOMAIN: &str = "meerkat 2026-11 enrolment commitment";
const DRAWN_DOMAIN: &str = "meerkat 2026-11 enrolment drawn";
const REVEAL_DOMAIN: &str = "meerkat 2026-11 enrolment reveal";
const SESSION_DOMAIN: &str = "meerkat 2026-11 enrolment session";
const DIGITS_DOMAIN: &str = "meerkat 2026-11 enrolment digits";
const OFFER_DOMAIN: &str = "meerkat 2026-11 enrolment offer";
const WELCOME_DOMAIN: &str = "meerkat 2026-11 enrolment welcome";
const NONCE_BYTES: usize = 24;

/// By what the guest was invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Way {
    /// The text, or its QR code: 128 bits.
    Text = 0,
    /// The short code, on one network: 50 bits.
    Code = 1,
}

impl Way {
    /// The way of this number.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        [Self::Text, Self::Code].into_iter().find(|way| *way as u8 == n)
    }
}

/// The two ends and what both know.
#[derive(Clone, Copy)]
pub struct Ends {
    /// Who wants in.
    pub guest: Peer,
    /// Who invited.
    pub host: Peer,
    /// By what.
    pub way: Way,
    /// The key of the invite's secret, or of its short code.
    pub key: [u8; 32],
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ends").field("guest", &self.guest).field("host", &self.host).finish_non_exhaustive()
    }
}

/// The public half of what one end drew for this enrolment alone (RFC 7748), and its nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// An X25519 key.
    #[serde(with = "serde_bytes")]
    pub key: [u8; 32],
    /// 128 bits of chance.
    pub nonce: Nonce,
}

/// The same with its secret half.
#[derive(Clone)]
pub struct Own {
    secret: StaticSecret,
    nonce: Nonce,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own(…)")
    }
}

impl Own {
    /// Of new chance.
    #[must_use]
    pub fn of(secret: [u8; 32], nonce: [u8; 16]) -> Self {
        Self { secret: StaticSecret::from(secret), nonce: Nonce(nonce) }
    }

    /// What the other is told of it.
    #[must_use]
    pub fn drawn(&self) -> Drawn {
        Drawn { key: PublicKey::from(&self.secret).to_bytes(), nonce: self.nonce }
    }
}

impl Ends {
    fn bytes(&self) -> Vec<u8> {
        [&[self.way as u8][..], &self.guest.0, &self.host.0].concat()
    }

    fn keyed(&self, domain: &str, about: &[&[u8]]) -> Proof {
        let key = blake3::derive_key(domain, &self.key);
        Proof(*blake3::keyed_hash(&key, &[self.bytes(), about.concat()].concat()).as_bytes())
    }

    /// What the guest says of its own before it has seen the host's.
    #[must_use]
    pub fn commitment(&self, guest: &Drawn) -> Proof {
        Proof(blake3::derive_key(COMMIT_DOMAIN, &[&self.bytes()[..], &guest.key, &guest.nonce.0].concat()))
    }

    /// The guest's proof that it knows the secret, with its commitment.
    #[must_use]
    pub fn begin(&self, commitment: &Proof) -> Proof {
        self.keyed(BEGIN_DOMAIN, &[&commitment.0])
    }

    /// The host's proof that it knows the secret too.
    #[must_use]
    pub fn answer(&self, commitment: &Proof, host: &Drawn) -> Proof {
        self.keyed(DRAWN_DOMAIN, &[&commitment.0, &host.key, &host.nonce.0])
    }

    /// The guest's proof over all that was said.
    #[must_use]
    pub fn reveal(&self, guest: &Drawn, host: &Drawn) -> Proof {
        self.keyed(REVEAL_DOMAIN, &[&host.key, &host.nonce.0, &guest.key, &guest.nonce.0])
    }

    /// What both share now; `None` if the other's key is one with which everybody shares the same.
    #[must_use]
    pub fn session(&self, own: &Own, guest: &Drawn, host: &Drawn) -> Option<Session> {
        let ours = own.drawn();
        let other = if ours == *guest { host } else { guest };
        let shared = own.secret.diffie_hellman(&PublicKey::from(other.key));
        if !shared.was_contributory() {
            return None;
        }
        let said = [&guest.key[..], &guest.nonce.0, &host.key, &host.nonce.0].concat();
        let mut all = [&shared.as_bytes()[..], &self.key, &self.bytes(), &said].concat();
        let session = Session(blake3::derive_key(SESSION_DOMAIN, &all));
        all.zeroize();
        Some(session)
    }
}

/// What the two ends of one enrolment share.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Session([u8; 32]);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(…)")
    }
}

impl Session {
    /// What both screens show.
    #[must_use]
    pub fn digits(&self) -> Digits {
        let hash = blake3::derive_key(DIGITS_DOMAIN, &self.0);
        let mut number = [0; 16];
        number.copy_from_slice(&hash[..16]);
        // Of 2^128 values the remainder favours none of a million by more than 2^-108.
        Digits(u32::try_from(u128::from_be_bytes(number) % 1_000_000).expect("below a million"))
    }

    /// Seals what the guest says of itself; once in a session.
    #[must_use]
    pub fn seal_offer(&self, offer: &[u8]) -> Vec<u8> {
        self.seal(OFFER_DOMAIN, 0, offer)
    }

    /// Opens what the guest says of itself.
    #[must_use]
    pub fn open_offer(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open(OFFER_DOMAIN, 0, sealed)
    }

    /// Seals a part of the welcome. The same part is the same bytes: what is sealed under one number never differs.
    #[must_use]
    pub fn seal_part(&self, number: u16, part: &[u8]) -> Vec<u8> {
        self.seal(WELCOME_DOMAIN, number, part)
    }

    /// Opens a part of the welcome.
    #[must_use]
    pub fn open_part(&self, number: u16, sealed: &[u8]) -> Option<Vec<u8>> {
        self.open(WELCOME_DOMAIN, number, sealed)
    }

    fn cipher(&self, domain: &str, number: u16) -> (XChaCha20Poly1305, XNonce) {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..2].copy_from_slice(&number.to_be_bytes());
        (XChaCha20Poly1305::new(&blake3::derive_key(domain, &self.0).into()), nonce.into())
    }

    fn seal(&self, domain: &str, number: u16, open: &[u8]) -> Vec<u8> {
        let (cipher, nonce) = self.cipher(domain, number);
        cipher.encrypt(&nonce, Payload { msg: open, aad: &[] }).expect("shorter than a cipher takes")
    }

    fn open(&self, domain: &str, number: u16, sealed: &[u8]) -> Option<Vec<u8>> {
        let (cipher, nonce) = self.cipher(domain, number);
        cipher.decrypt(&nonce, Payload { msg: sealed, aad: &[] }).ok()
    }
}

/// Six digits that two people compare, or one person on two screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digits(u32);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// The text is not six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are not the six digits that both nodes show, such as 482 913")]
pub struct NotDigits;

impl FromStr for Digits {
    type Err = NotDigits;

    fn from_str(text: &str) -> Result<Self, NotDigits> {
        let digits: String = text.chars().take(16).filter(|c| !matches!(c, ' ' | '-')).collect();
        let six = digits.len() == 6 && text.len() <= 16 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| six).map(Digits).ok_or(NotDigits)
    }
}
