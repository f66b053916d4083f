//! Whom a locked node asks for its key: the other members' network keys and addresses, in plain beside the shut store.
//!
//! Who has the memory card can read from it that this home has so many nodes, and where they are called. It is written only
//! while members keep the key, and a copy that is old or damaged costs at most that the members are found on the local
//! network instead.

use std::{
    fs::{self, File},
    io::{self, Read},
};

use meerkat_protocols::{cbor, contact::is_address, mesh::Peer, roster::MAX_MEMBERS};

use crate::{Folder, keyfile::write_file};

const FILE: &str = "members.ask";
const FRESH_FILE: &str = "members.ask.new";
const CHECK_BYTES: usize = 8;
const CHECK_DOMAIN: &str = "meerkat 2026-11 store members to ask";
/// Addresses of a member: those that it says it has, and the one at which it was last reached.
const MAX_ADDRESSES: usize = 8;
/// Twenty members with eight addresses of 160 bytes each, and their frame.
const MAX_FILE_BYTES: u64 = 32 << 10;

/// Members with their addresses.
pub type Whom = Vec<(Peer, Vec<String>)>;

impl Folder {
    /// Whom to ask; `None` if that is not known, or cannot be read any more.
    #[must_use]
    pub fn whom_to_ask(&self) -> Option<Whom> {
        let file = File::open(self.path().join(FILE)).ok()?;
        let mut bytes = vec![];
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).ok()?;
        understood(&bytes)
    }

    /// Notes whom to ask.
    ///
    /// # Errors
    /// Whatever keeps the file from being written; the one of before stays.
    pub fn note_whom_to_ask(&self, whom: &[(Peer, Vec<String>)]) -> io::Result<()> {
        let short = |(peer, addresses): &(Peer, Vec<String>)| {
            let addresses = addresses.iter().filter(|text| is_address(text)).take(MAX_ADDRESSES).cloned();
            (*peer, addresses.collect::<Vec<_>>())
        };
        let mut bytes = cbor::encode(&whom.iter().take(MAX_MEMBERS).map(short).collect::<Vec<_>>());
        bytes.extend_from_slice(&check(&bytes));
        write_file(self.path(), FRESH_FILE, FILE, &bytes)
    }

    /// Removes the note: the key is kept in another way.
    ///
    /// # Errors
    /// Whatever keeps the file from being removed.
    pub fn forget_whom_to_ask(&self) -> io::Result<()> {
        match fs::remove_file(self.path().join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn understood(bytes: &[u8]) -> Option<Whom> {
    let (content, found) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_BYTES)?)?;
    if *found != check(content) {
        return None;
    }
    cbor::decode_strict(content).ok()
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::derive_key(CHECK_DOMAIN, bytes);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_ask_is_noted_bounded_and_a_damaged_note_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        assert_eq!(folder.whom_to_ask(), None);
        let address = |n: usize| format!("/ip4/192.0.2.{n}/tcp/4787");
        let whom: Whom = (0..30).map(|n| (Peer([n; 32]), (0..12).map(address).collect())).collect();
        folder.note_whom_to_ask(&whom).unwrap();
        let noted = folder.whom_to_ask().unwrap();
        assert_eq!((noted.len(), noted[0].1.len()), (MAX_MEMBERS, MAX_ADDRESSES));
        let path = dir.path().join(FILE);
        let good = fs::read(&path).unwrap();
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert_eq!(folder.whom_to_ask(), None, "byte {at}");
        }
        fs::write(&path, b"short").unwrap();
        assert_eq!(folder.whom_to_ask(), None);
        folder.forget_whom_to_ask().unwrap();
        folder.forget_whom_to_ask().unwrap();
        assert!(!path.exists());
    }
}
