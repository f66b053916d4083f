use super::*;

fn folder() -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::take(dir.path()).unwrap();
    (dir, folder)
}

fn read(folder: &Folder) -> KeyFile {
    KeyFile::read(folder).unwrap().unwrap()
}

#[test]
fn a_key_is_made_once_and_is_its_owners_alone() {
    let (_dir, folder) = folder();
    let made = DataKey::load_or_create(&folder).unwrap();
    let path = folder.path().join(KEY_FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(DataKey::load_or_create(&folder).unwrap(), made);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(DataKey::load_or_create(&folder).unwrap(), made);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn no_second_key_is_made_for_data_that_has_lost_its_own() {
    let (_dir, folder) = folder();
    fs::write(folder.database(), b"data").unwrap();
    let error = DataKey::load_or_create(&folder).unwrap_err();
    assert!(matches!(error, OpenError::KeyMissing(_)), "{error}");
    assert!(!folder.path().join(KEY_FILE).exists());
}

#[test]
fn a_decayed_key_is_told_from_a_foreign_one() {
    let (_dir, folder) = folder();
    let mut case = KeyCase::create(&folder).unwrap();
    let path = folder.path().join(KEY_FILE);
    for mode in [KeyMode::Beside, KeyMode::PassPhrase] {
        if mode == KeyMode::PassPhrase {
            case.keep_under_pass_phrase("correct horse battery").unwrap();
        }
        let good = fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(understood(&bad).is_none(), "bit {bit}");
        }
        for bad in [good[..20].to_vec(), vec![], [good, vec![0]].concat()] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(KeyFile::read(&folder), Err(OpenError::KeyDamaged(_))));
        }
    }
}

#[test]
fn the_bare_key_of_the_first_versions_opens_and_becomes_a_file_of_today() {
    let (_dir, folder) = folder();
    let key = [7; 32];
    let check = blake3::derive_key(BARE_CHECK_DOMAIN, &key);
    fs::write(folder.path().join(KEY_FILE), [key.as_slice(), &check[..4]].concat()).unwrap();
    let mut case = read(&folder).open(&folder).unwrap();
    assert_eq!((case.mode(), case.ring()), (KeyMode::Beside, &Keyring::from(&DataKey::from_bytes(key))));
    case.keep_beside().unwrap();
    assert!(fs::read(folder.path().join(KEY_FILE)).unwrap().starts_with(MAGIC));
    assert_eq!(DataKey::load_or_create(&folder).unwrap(), Keyring::from(&DataKey::from_bytes(key)));
}

#[test]
fn each_way_of_keeping_opens_by_its_own_secret_alone() {
    let (_dir, folder) = folder();
    let mut case = KeyCase::create(&folder).unwrap();
    let ring = case.ring().clone();
    case.keep_under_pass_phrase("correct horse battery").unwrap();
    let file = read(&folder);
    assert_eq!(file.mode(), KeyMode::PassPhrase);
    assert!(matches!(file.open(&folder), Err(UnlockError::OtherMode(KeyMode::PassPhrase))));
    assert!(matches!(file.open_with_pass_phrase(&folder, "correct horse"), Err(UnlockError::Wrong)));
    assert!(matches!(file.open_with_pass_phrase(&folder, &"x".repeat(600)), Err(UnlockError::Wrong)));
    assert!(matches!(DataKey::load_or_create(&folder), Err(OpenError::Locked)));
    let mut case = file.open_with_pass_phrase(&folder, "correct horse battery").unwrap();
    assert_eq!(case.ring(), &ring);

    let (asking, secret) = (AskingKey::from_bytes([4; 32]), ReleaseSecret::from_bytes([5; 32]));
    let entrusted = Entrusted { id: ReleaseId([3; 16]), asking, secret };
    case.keep_with_members(&entrusted).unwrap();
    let file = read(&folder);
    assert_eq!(file.release(), Some((entrusted.id, entrusted.asking.clone())));
    assert_eq!(case.release().as_ref(), Some(&entrusted));
    assert!(matches!(file.open_with(&folder, &ReleaseSecret::from_bytes([6; 32])), Err(UnlockError::Wrong)));
    let mut case = file.open_with(&folder, &entrusted.secret).unwrap();
    assert_eq!(case.ring(), &ring);
    case.keep_beside().unwrap();
    assert_eq!(DataKey::load_or_create(&folder).unwrap(), ring);
}

#[test]
fn the_file_shows_no_key_and_debug_shows_none() {
    let (_dir, folder) = folder();
    let mut case = KeyCase::create(&folder).unwrap();
    case.keep_under_pass_phrase("correct horse battery").unwrap();
    let bytes = fs::read(folder.path().join(KEY_FILE)).unwrap();
    let secrets = [case.ring().data().bytes(), case.ring().index(), case.wrap.bytes()];
    assert!(secrets.iter().all(|secret| !bytes.windows(32).any(|window| window == secret.as_slice())));
    let shown = format!("{case:?} {:?} {:?} {:?}", case.ring(), case.wrap, read(&folder));
    assert_eq!(shown, "KeyCase(pass-phrase) Keyring(…) WrapKey(…) KeyFile(pass-phrase)");
}

#[test]
fn a_file_that_asks_for_more_memory_than_there_is_is_none_of_ours() {
    let (_dir, folder) = folder();
    let mut case = KeyCase::create(&folder).unwrap();
    case.way = Way::PassPhrase { memory_kib: MAX_MEMORY_KIB + 1, passes: 1, lanes: 1, salt: ByteArray::new([0; 16]) };
    case.save().unwrap();
    assert!(matches!(KeyFile::read(&folder), Err(OpenError::KeyDamaged(_))));
}

#[test]
fn a_file_that_cannot_be_written_leaves_everything_as_it_was() {
    let (_dir, folder) = folder();
    let mut case = KeyCase::create(&folder).unwrap();
    // A folder in the way of the fresh file: what a full or read-only disk does too.
    fs::create_dir(folder.path().join(FRESH_FILE)).unwrap();
    assert!(case.keep_under_pass_phrase("correct horse battery").is_err());
    assert!(case.begin_rotation().is_err());
    assert_eq!((case.mode(), case.ring().is_rotating()), (KeyMode::Beside, false));
    assert_eq!(&DataKey::load_or_create(&folder).unwrap(), case.ring());
}
