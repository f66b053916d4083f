use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::{meeting::Nonce, mesh::Peer};

fn ends() -> Ends {
    Ends { guest: Peer([1; 32]), host: Peer([2; 32]), way: Way::Text, key: [5; 32] }
}

fn own(n: u8) -> Own {
    Own::of([n; 32], [n; 16])
}

fn offer() -> Offer {
    let statement = SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes();
    Offer { name: "garage".into(), statement, seal: SealKey([9; 32]) }
}

fn session(ends: &Ends, own: &Own, guest: &Own, host: &Own) -> Session {
    ends.session(own, &guest.drawn(), &host.drawn()).expect("honest keys")
}

#[test]
fn every_word_reads_back_and_fits_its_bound() {
    let proof = Proof([1; 32]);
    let mut words = vec![
        Word::Nothing,
        Word::Begin(Way::Code, proof, proof),
        Word::Drawn(own(3).drawn(), proof),
        Word::Reveal(own(3).drawn(), proof, vec![7; MAX_OFFER_BYTES + TAG_BYTES]),
        Word::Ask(u16::MAX),
        Word::Pending,
        Word::Part(7, 8, vec![7; PART_BYTES + TAG_BYTES]),
        Word::Cancel,
    ];
    words.extend(No::ALL.map(Word::Denied));
    for word in words {
        let bytes = word.encode();
        assert!(bytes.len() <= MAX_ENROL_BYTES && bytes.len() < crate::mesh::MAX_DIRECT_BYTES);
        assert_eq!(Word::decode(&bytes), Ok(word));
        assert_eq!(Word::decode(&[&bytes[..], &[0]].concat()), Err(NotAWord), "something follows");
    }
    assert_eq!(Word::decode(&cbor::encode(&(7u8, 200u8))), Ok(Word::Denied(No::NotNow)));
    let beyond = |number: u16, of: u16| Word::decode(&Word::Part(number, of, vec![]).encode());
    assert_eq!(beyond(8, 8), Err(NotAWord));
    assert_eq!(beyond(0, u16::MAX), Err(NotAWord), "a guest is not made to gather gigabytes");
    assert_eq!(Word::decode(&cbor::encode(&(1u8, 2u8, proof, proof))), Err(NotAWord), "no such way");
}

#[test]
fn both_ends_come_to_the_same_and_say_the_rest_to_each_other_alone() {
    let (guest, host) = (own(3), own(4));
    let (at_guest, at_host) = (session(&ends(), &guest, &guest, &host), session(&ends(), &host, &guest, &host));
    assert!(at_guest == at_host);
    assert_eq!(at_guest.digits(), at_host.digits());
    assert_eq!(Offer::open(&at_host, &offer().seal(&at_guest)), Some(offer()));
    let other = session(&ends(), &own(6), &own(6), &host);
    assert_eq!(Offer::open(&other, &offer().seal(&at_guest)), None);
    let mut sealed = offer().seal(&at_guest);
    sealed[3] ^= 1;
    assert_eq!(Offer::open(&at_host, &sealed), None, "altered");
    assert_eq!(at_host.open_part(0, &offer().seal(&at_guest)), None, "the way there is not the way back");
}

#[test]
fn whoever_stands_between_or_knows_another_secret_has_other_digits_and_proofs() {
    let (guest, host, between) = (own(3), own(4), own(5));
    let honest = session(&ends(), &guest, &guest, &host);
    let other_peer = Ends { host: Peer([7; 32]), ..ends() };
    let other_key = Ends { key: [6; 32], ..ends() };
    let other_way = Ends { way: Way::Code, ..ends() };
    for ends in [other_peer, other_key, other_way] {
        assert_ne!(session(&ends, &guest, &guest, &host).digits(), honest.digits());
        let commitment = ends.commitment(&guest.drawn());
        assert_ne!(ends.begin(&commitment), super::session::Ends::begin(&self::ends(), &commitment));
        assert_ne!(ends.reveal(&guest.drawn(), &host.drawn()), self::ends().reveal(&guest.drawn(), &host.drawn()));
    }
    assert_ne!(session(&ends(), &guest, &guest, &between).digits(), honest.digits());
    assert_ne!(session(&ends(), &between, &between, &host).digits(), honest.digits());
    assert_ne!(ends().commitment(&guest.drawn()), ends().commitment(&between.drawn()));
}

#[test]
fn a_key_that_shares_the_same_with_everybody_is_refused() {
    let (guest, nobody) = (own(3), Drawn { key: [0; 32], nonce: Nonce([1; 16]) });
    assert!(ends().session(&guest, &guest.drawn(), &nobody).is_none());
}

#[test]
fn digits_are_read_as_people_say_and_write_them() {
    let digits: Digits = "042 007".parse().expect("six digits");
    assert_eq!(digits.to_string(), "042 007");
    assert_eq!(("042007".parse(), "042-007".parse()), (Ok(digits), Ok(digits)));
    for wrong in ["", "12345", "1234567", "12345a", "+12345", "0x1234", &" ".repeat(40)] {
        assert_eq!(wrong.parse::<Digits>(), Err(NotDigits), "{wrong}");
    }
}

#[test]
fn digits_are_spread_over_the_million() {
    let mut buckets = [0; 10];
    for n in 0..2_000_u16 {
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        let guest = Own::of(seed, [1; 16]);
        let shown = session(&ends(), &guest, &guest, &own(4)).digits().to_string();
        buckets[usize::from(shown.as_bytes()[0] - b'0')] += 1;
    }
    // Two hundred each; five deviations of 13.4 are 67.
    assert!(buckets.iter().all(|count| (133..=267).contains(count)), "{buckets:?}");
}

#[test]
fn a_long_roster_goes_in_parts_and_comes_together() {
    let entries: Vec<SignedEntry> = (0..20).map(|n| SignedEntry(ByteBuf::from(vec![n; 2_000]))).collect();
    let genesis = Genesis::new(&SigningKey::from_bytes(&[1; 32]).verifying_key());
    let welcome = Welcome { genesis, number: NodeNumber(7), entries };
    let session = session(&ends(), &own(3), &own(3), &own(4));
    let parts = welcome.seal(&session);
    assert_eq!(parts.len(), 4);
    let opened: Option<Vec<Vec<u8>>> =
        (0u16..).zip(&parts).map(|(number, part)| session.open_part(number, part)).collect();
    assert_eq!(Welcome::read(&opened.expect("ours").concat()), Some(welcome));
    assert_eq!(session.open_part(1, &parts[0]), None, "in another's place");
    const { assert!(MAX_PARTS < 200) };
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_have_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(word) = Word::decode(&bytes) {
            prop_assert!(word.encode() == bytes || matches!(word, Word::Denied(_)));
        }
        prop_assert!(Welcome::read(&bytes).is_none());
    }
}
