use super::*;
use proptest::prelude::*;

fn secret(n: u8) -> SealSecret {
    SealSecret::from_bytes([n; 32])
}

fn address(n: u8) -> Address {
    Address { home: HomeId([n; 16]), node: NodeNumber(n % 3) }
}

fn end(n: u8) -> Correspondent {
    Correspondent { address: address(n), key: secret(n).key() }
}

fn letter(content: Content) -> Letter {
    Letter { id: LetterId(*b"\x01\x02\x03\x04\x05\x06\x07\x08"), seq: 7, created: Some(1_795_000_000), content }
}

fn text(words: &str) -> Letter {
    letter(Content::text(words).expect("a text"))
}

fn seal(letter: &Letter, from: u8, to: u8) -> (SealedLetter, Receipt) {
    SealedLetter::seal(letter, &secret(from), &address(from), &end(to), [9; 32]).expect("a usable key")
}

#[test]
fn only_the_receiver_opens_it_and_knows_who_wrote_it() {
    let sent = text("The parcel is with us.");
    let (sealed, receipt) = seal(&sent, 1, 2);
    assert_eq!(sealed.open(&secret(2), &end(1), &address(2)), Ok((sent, receipt)));
    assert_eq!(sealed.open(&secret(3), &end(1), &address(2)), Err(NotOpened::Unsealed));
    assert_eq!(sealed.open(&secret(3), &end(1), &address(3)), Err(NotOpened::Elsewhere));
    assert_eq!(sealed.open(&secret(2), &end(3), &address(2)), Err(NotOpened::Elsewhere));
    // Another home whose name begins alike, and whose record names another key.
    let mut twin = end(1);
    twin.address.home.0[15] ^= 1;
    assert_eq!(sealed.open(&secret(2), &twin, &address(2)), Err(NotOpened::Unsealed));
    let other_key = Correspondent { key: secret(4).key(), ..end(1) };
    assert_eq!(sealed.open(&secret(2), &other_key, &address(2)), Err(NotOpened::Unsealed));
}

#[test]
fn who_does_not_hold_the_senders_key_cannot_write_in_its_name() {
    let forged = SealedLetter::seal(&text("Open the door."), &secret(5), &address(1), &end(2), [1; 32]);
    let (sealed, _) = forged.expect("sealing itself works");
    assert_eq!(sealed.open(&secret(2), &end(1), &address(2)), Err(NotOpened::Unsealed));
}

#[test]
fn each_sealing_is_new_and_has_a_receipt_of_its_own() {
    let sent = text("twice");
    let once = SealedLetter::seal(&sent, &secret(1), &address(1), &end(2), [1; 32]).expect("sealed");
    let again = SealedLetter::seal(&sent, &secret(1), &address(1), &end(2), [2; 32]).expect("sealed");
    assert_ne!(once.0, again.0);
    assert_ne!(once.1, again.1);
}

#[test]
fn a_hundred_letters_of_text_fit_a_radio_frame() {
    let (sealed, _) = seal(&text(&"x".repeat(100)), 1, 2);
    assert_eq!(sealed.0.len(), SEAL_BYTES + 19 + 100);
    assert!(sealed.0.len() <= 200, "{}", sealed.0.len());
}

#[test]
fn the_longest_letter_has_the_bound_that_readers_enforce() {
    let data = Content::data(Media::Octets, vec![0xff; MAX_DATA_BYTES]).expect("at the bound");
    let longest = Letter { id: LetterId([0xff; 8]), seq: u64::MAX, created: Some(i64::MIN), content: data };
    let (sealed, _) = seal(&longest, 1, 2);
    assert!(sealed.0.len() <= MAX_SEALED_BYTES, "{}", sealed.0.len());
    assert!(sealed.open(&secret(2), &end(1), &address(2)).is_ok());
    let mut longer = sealed;
    longer.0.resize(MAX_SEALED_BYTES + 1, 0);
    assert_eq!(longer.open(&secret(2), &end(1), &address(2)), Err(NotOpened::Malformed));
}

#[test]
fn what_a_newer_program_writes_is_nobodys_fault() {
    let (mut sealed, _) = seal(&text("x"), 1, 2);
    sealed.0[0] = VERSION + 1;
    assert_eq!(sealed.open(&secret(2), &end(1), &address(2)), Err(NotOpened::Newer));
    let unknown = cbor::encode(&Inner(LetterId([0; 8]), 0, None, 200, ByteBuf::from(b"?".as_slice())));
    assert_eq!(Letter::decode(&unknown), Err(NotOpened::Newer));
}

#[test]
fn nothing_is_said_in_too_many_bytes_or_none() {
    assert_eq!(Content::text(" \u{200b}\n"), Err(Unsayable::Empty));
    assert_eq!(Content::text(&"ä".repeat(1_001)), Err(Unsayable::TextTooLong(2_002)));
    assert!(Content::text(&"ä".repeat(1_000)).is_ok());
    assert_eq!(
        Content::data(Media::Json, vec![0; MAX_DATA_BYTES + 1]),
        Err(Unsayable::DataTooLong(MAX_DATA_BYTES + 1))
    );
    assert_eq!(Content::data(Media::Json, vec![]), Err(Unsayable::Empty));
}

#[test]
fn personal_words_and_secrets_show_in_no_log() {
    let shown = format!("{:?} {:?} {:?}", text("Grandmother's key"), secret(1), seal(&text("Grandmother's key"), 1, 2));
    assert!(!shown.contains("Grandmother"), "{shown}");
    assert!(!shown.contains("1, 1"), "{shown}");
}

#[test]
fn a_key_of_small_order_is_refused() {
    let weak = Correspondent { key: SealKey([0; 32]), ..end(2) };
    let sealed = SealedLetter::seal(&text("x"), &secret(1), &address(1), &weak, [0; 32]);
    assert_eq!(sealed.map(|(sealed, _)| sealed.0.len()), Err(WeakKey));
    let (sealed, _) = seal(&text("x"), 1, 2);
    let weak_sender = Correspondent { key: SealKey([0; 32]), ..end(1) };
    assert_eq!(sealed.open(&secret(2), &weak_sender, &address(2)), Err(NotOpened::Unsealed));
}

#[test]
fn media_types_and_ids_read_back() {
    for media in Media::ALL {
        assert_eq!(Media::from_mime(media.mime()), Some(media));
        let sent = letter(Content::data(media, b"{}".to_vec()).expect("data"));
        let (sealed, receipt) = seal(&sent, 1, 2);
        assert_eq!(sealed.open(&secret(2), &end(1), &address(2)), Ok((sent, receipt)));
    }
    assert_eq!(Media::from_mime("text/html"), None);
    let id = LetterId([0, 1, 2, 3, 4, 5, 6, 255]);
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!("zz".parse::<LetterId>(), Err(NotALetterId));
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let sealed = SealedLetter(ByteBuf::from(bytes));
        prop_assert!(sealed.open(&secret(2), &end(1), &address(2)).is_err());
    }

    #[test]
    fn any_bytes_inside_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(read) = Letter::decode(&bytes) {
            prop_assert!(!read.content.is_empty());
        }
    }

    #[test]
    fn a_changed_bit_is_noticed(at in 0usize..400, bit in 0u8..8) {
        let (mut sealed, _) = seal(&text("The parcel is with us, come by when you like."), 1, 2);
        let at = at % sealed.0.len();
        sealed.0[at] ^= 1 << bit;
        let opened = sealed.open(&secret(2), &end(1), &address(2));
        // X25519 ignores the highest bit of a key (RFC 7748, 5), but HPKE binds the bytes as they came.
        prop_assert!(opened.is_err());
    }

    #[test]
    fn what_was_sealed_opens(words in "(\\PC|\n){1,400}", seq in any::<u64>(), created in any::<Option<i64>>()) {
        prop_assume!(Content::text(&words).is_ok());
        let sent = Letter { seq, created, ..text(&words) };
        let (sealed, receipt) = seal(&sent, 1, 2);
        prop_assert_eq!(sealed.open(&secret(2), &end(1), &address(2)), Ok((sent, receipt)));
    }
}
