//! A CBOR array with an Ed25519 signature (RFC 8032) behind it: the form of what a node says of itself and of what it
//! hands over. Signed and verified over the bytes as they are, each kind under a domain of its own.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// The bytes with their signature behind them.
pub(crate) fn sign(domain: &[u8], mut said: Vec<u8>, key: &SigningKey) -> Vec<u8> {
    let signature = key.sign(&[domain, &said].concat());
    said.extend_from_slice(&signature.to_bytes());
    said
}

/// What stands before the signature; `None` if not even that fits.
pub(crate) fn said(bytes: &[u8]) -> Option<&[u8]> {
    bytes.len().checked_sub(SIGNATURE_BYTES).map(|split| &bytes[..split])
}

/// Whether `key` signed these bytes, with the strict checks against small-order points.
pub(crate) fn holds(domain: &[u8], bytes: &[u8], key: &VerifyingKey) -> bool {
    let Some(said) = said(bytes) else { return false };
    Signature::from_slice(&bytes[said.len()..])
        .is_ok_and(|signature| key.verify_strict(&[domain, said].concat(), &signature).is_ok())
}

/// Whether a later version wrote these bytes: an array (RFC 8949, 3.1: up to 23 items) that begins with a version above
/// ours.
pub(crate) fn is_newer(bytes: &[u8], version: u8) -> bool {
    matches!(bytes, [0x81..=0x97, found @ 0x02..=0x17, ..] if *found > version)
}
