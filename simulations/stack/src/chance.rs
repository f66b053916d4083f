//! All chance of the process from one seed: libp2p, its handshakes and the order of the standard library's maps draw from the
//! system's `getrandom`, and this one is linked in its place.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

/// The bytes that follow from a seed.
struct Stream {
    hasher: blake3::OutputReader,
}

static STREAM: Mutex<Option<Stream>> = Mutex::new(None);
/// What was drawn before there was a seed could differ from run to run.
static DRAWN_UNSEEDED: AtomicBool = AtomicBool::new(false);

/// From now on all chance follows from this seed. Says whether anything was drawn before.
pub fn seed(seed: u64) -> bool {
    let mut hasher = blake3::Hasher::new_derive_key("meerkat 2026-11 chance of a simulated network");
    hasher.update(&seed.to_be_bytes());
    let mut stream = STREAM.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *stream = Some(Stream { hasher: hasher.finalize_xof() });
    DRAWN_UNSEEDED.load(Ordering::Relaxed)
}

/// The next bytes.
fn fill(bytes: &mut [u8]) {
    let mut stream = STREAM.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match stream.as_mut() {
        Some(stream) => stream.hasher.fill(bytes),
        None => {
            DRAWN_UNSEEDED.store(true, Ordering::Relaxed);
            bytes.fill(0);
        }
    }
}

/// Takes the place of the C library's function of this name (getrandom(2)).
///
/// # Safety
/// As the system's: `buffer` has room for `length` bytes.
#[expect(unsafe_code, reason = "the standard library asks for its random bytes by this symbol and nothing else")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    if length > 0 {
        // SAFETY: the caller's promise is that of the system's function.
        fill(unsafe { std::slice::from_raw_parts_mut(buffer, length) });
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}
