//! Secrets that this node hands out: 256 random bits each, kept only as hashes. They are never guessed, so a fast hash
//! is right for them; passwords, which people choose, go through argon2id.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// The shortest password, in characters (NIST SP 800-63B, 5.1.1.2).
pub(crate) const MIN_PASSWORD_CHARS: usize = 8;
/// The longest password, in bytes: longer ones only cost hashing time.
pub(crate) const MAX_PASSWORD_BYTES: usize = 512;
/// The longest secret that is hashed at all; ours have 52 characters and a prefix.
const MAX_SECRET_BYTES: usize = 64;

/// What a secret is for, as the domain of its hash: a session's token never passes as an API key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The one-time link to the first admin.
    Claim,
    /// A browser's session.
    Session,
    /// The word a page sends along with changes.
    Csrf,
    /// A program's key.
    ApiKey,
}

impl Purpose {
    fn domain(self) -> &'static str {
        match self {
            Self::Claim => "meerkat 2026-11 claim token",
            Self::Session => "meerkat 2026-11 session token",
            Self::Csrf => "meerkat 2026-11 csrf token",
            Self::ApiKey => "meerkat 2026-11 api key",
        }
    }
}

/// A new secret: 52 characters of base32, 256 bits.
pub(crate) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(BASE32_NOPAD.encode(bytes.as_slice()).to_ascii_lowercase())
}

/// The hash under which a secret is kept. Compare these, never secrets: `blake3::Hash` compares in constant time.
pub(crate) fn hash(purpose: Purpose, secret: &str) -> Option<blake3::Hash> {
    (secret.len() <= MAX_SECRET_BYTES).then(|| blake3::derive_key(purpose.domain(), secret.as_bytes()).into())
}

/// The word that a page sends along with changes. It follows from the session's token, which scripts cannot read, and
/// leads nowhere back.
pub(crate) fn csrf(session_token: &str) -> String {
    let key = blake3::derive_key(Purpose::Csrf.domain(), session_token.as_bytes());
    BASE32_NOPAD.encode(&key).to_ascii_lowercase()
}

/// The mark of a password by the string that is kept for it: another password, or the same set anew, has another.
pub(crate) fn password_mark(kept: &str) -> Vec<u8> {
    blake3::derive_key("meerkat 2026-11 password mark", kept.as_bytes())[..16].to_vec()
}

/// argon2id with 19 MiB, two passes, one lane: the least that OWASP's password storage sheet names, and about 40 ms on
/// a small machine.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("these parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The string to keep for a password. Takes tens of milliseconds and 19 MiB: never on an async thread.
pub(crate) fn keep_password(password: &str) -> Result<String, argon2::password_hash::Error> {
    argon2().hash_password(password.as_bytes()).map(|h| h.to_string())
}

/// Whether the password is the kept one. For a user who does not exist, give `None`: it takes as long.
pub(crate) fn is_password(password: &str, kept: Option<&str>) -> bool {
    match kept.and_then(|k| PasswordHash::new(k).ok()) {
        Some(hash) => argon2().verify_password(password.as_bytes(), &hash).is_ok(),
        None => {
            let spent = argon2().hash_password_with_salt(password.as_bytes(), &[0; 16]).is_ok();
            std::hint::black_box(spent);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_256_bits_and_differ() {
        let (a, b) = (random().expect("entropy"), random().expect("entropy"));
        assert_ne!(a, b);
        assert_eq!(BASE32_NOPAD.decode(a.to_ascii_uppercase().as_bytes()).expect("base32").len(), 32);
    }

    #[test]
    fn a_secret_for_one_purpose_is_none_for_another() {
        let secret = random().expect("entropy");
        assert_ne!(hash(Purpose::Session, &secret), hash(Purpose::ApiKey, &secret));
        assert_ne!(hash(Purpose::Session, &secret).map(|h| h.to_string()), Some(csrf(&secret)));
        assert_eq!(hash(Purpose::Session, &"x".repeat(65)), None);
    }

    #[test]
    fn a_password_is_kept_as_argon2id_with_the_parameters_promised() {
        let kept = keep_password("correct horse").expect("hashed");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(is_password("correct horse", Some(&kept)));
        assert!(!is_password("correct hors", Some(&kept)));
        assert!(!is_password("correct horse", None));
    }
}
