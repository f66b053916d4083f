//! CBOR (RFC 8949) the way statements and stored values use it. What strangers sign is arrays only, and has exactly one
//! encoding for one value.

use serde::{Serialize, de::DeserializeOwned};

/// Why bytes were not read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not CBOR, or not of the shape expected.
    #[error("these bytes are not of the expected form: {0}")]
    Shape(String),
    /// Readable, but not the one encoding that its value has (RFC 8949, 4.2).
    #[error("these bytes are not the canonical encoding of what they say")]
    NotCanonical,
}

/// Writes a value. Statements are tuple structs and become arrays; stored records become maps keyed by the position of
/// each field, so a record's fields may be added to at the end (with `#[serde(default)]`) and never reordered.
///
/// # Panics
/// Only if a type of ours cannot be written at all, which its tests would show: no type in here has a fallible
/// `Serialize`.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_cbor::ser::to_vec_packed(value).expect("plain data is always encodable")
}

/// Reads a value that a node of ours wrote for itself.
///
/// # Errors
/// [`Error::Shape`] if the bytes are not such a value or if bytes follow it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_cbor::from_slice(bytes).map_err(|e| Error::Shape(e.to_string()))
}

/// Reads a value that a stranger wrote: refuses every encoding but the one [`encode`] gives.
///
/// Without this a statement could be written in many ways, each with an id of its own.
///
/// # Errors
/// [`Error::Shape`] as [`decode`]; [`Error::NotCanonical`] if it does not encode to itself.
pub fn decode_strict<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let value: T = decode(bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(Error::NotCanonical) }
}
