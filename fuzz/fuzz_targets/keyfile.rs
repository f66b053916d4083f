//! The file of the data key, as it lies on a card that anybody may have had.

#![no_main]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::OnceLock};

use libfuzzer_sys::fuzz_target;
use meerkat_store::{Folder, KeyFile};

static FOLDER: OnceLock<(Folder, PathBuf)> = OnceLock::new();

fn folder() -> (Folder, PathBuf) {
    let path = std::env::temp_dir().join(format!("meerkat-fuzz-{}", std::process::id()));
    let folder = Folder::take(&path).expect("a folder of our own");
    (folder, path.join("seal.key"))
}

/// What the file ends with: a fuzzer does not find a hash by itself.
fn ended(bytes: &[u8]) -> Vec<u8> {
    let hash = blake3::derive_key("meerkat 2026-11 store key file check", bytes);
    [bytes, &hash[..CHECK_BYTES]].concat()
}

const CHECK_BYTES: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let (folder, path) = FOLDER.get_or_init(folder);
    for bytes in [bytes.to_vec(), ended(bytes)] {
        fs::write(path, &bytes).expect("a file of our own");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file of our own");
        let Ok(Some(file)) = KeyFile::read(folder) else { continue };
        let _ = (file.mode(), file.release());
        // What opens itself is opened; a pass-phrase would be stretched for half a second.
        let _ = file.open(folder);
    }
});
