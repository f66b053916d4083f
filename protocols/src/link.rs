//! A ticket as people pass it on: a scheme and its bytes in base32 (RFC 4648, 6), without padding.

use data_encoding::BASE32_NOPAD;
use serde_bytes::ByteBuf;

use crate::address;

/// Why a text is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotALink {
    /// It begins otherwise.
    Scheme,
    /// It is longer than any.
    TooLong,
    /// A letter is missing or wrong.
    Damaged,
}

/// The text for these bytes, in small letters.
pub(crate) fn text(scheme: &str, bytes: &[u8]) -> String {
    format!("{scheme}{}", BASE32_NOPAD.encode(bytes).to_ascii_lowercase())
}

/// The bytes of a text in any case, and broken into lines as messengers do.
pub(crate) fn bytes(scheme: &str, text: &str, most_bytes: usize) -> Result<Vec<u8>, NotALink> {
    let text = text.trim();
    let given = text.get(..scheme.len()).ok_or(NotALink::Scheme)?;
    if !given.eq_ignore_ascii_case(scheme) {
        return Err(NotALink::Scheme);
    }
    if text.len() > most_bytes {
        return Err(NotALink::TooLong);
    }
    let letters: Vec<u8> =
        text.bytes().skip(scheme.len()).filter(|b| !b.is_ascii_whitespace()).map(|b| b.to_ascii_uppercase()).collect();
    BASE32_NOPAD.decode(&letters).map_err(|_| NotALink::Damaged)
}

/// The addresses in a ticket, at most so many.
pub(crate) fn addresses(packed: &[ByteBuf], most: usize) -> Option<Vec<String>> {
    let texts: Option<Vec<String>> = packed.iter().map(|bytes| address::unpack(bytes)).collect();
    texts.filter(|texts| texts.len() <= most)
}
