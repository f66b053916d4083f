use meerkat_protocols::{number::E164, statement::Category};
use proptest::prelude::*;

use super::*;
use crate::Image;

fn region(code: &str) -> Region {
    code.parse().expect("a country")
}

fn read(text: &str, country: &str) -> Result<Outcome, Refused> {
    let mut intake = Intake::new(region(country));
    intake.feed(text.as_bytes())?;
    intake.finish("a list", Day(20_778))
}

fn numbers(outcome: &Outcome) -> Vec<String> {
    outcome.import.iter().map(E164::reveal).collect()
}

fn bad(outcome: &Outcome) -> Vec<(u64, Fault)> {
    outcome.bad_rows.iter().map(|b| (b.line, b.fault)).collect()
}

fn listing(outcome: &Outcome, digits: u64) -> (Category, u16) {
    let mut image = Image::default();
    image.add(outcome.import.clone()).expect("room");
    let listing = image.listings(E164::from_digits(digits).expect("a number")).next().expect("listed");
    (listing.category, listing.count)
}

const FTC: &str = "\u{feff}Company_Phone_Number,Created_Date,Violation_Date,Consumer_City,Consumer_State,Consumer_Area_Code,\
Subject,Recorded_Message_Or_Robocall\r\n\
4692576503,2025-11-14 00:01:05,2025-11-13 18:00:00,\"Dallas, North\",Texas,469,\"Reducing your debt\",Y\r\n\
2566445079,2025-11-14 00:01:07,2025-11-13 18:00:00,Mobile,Alabama,256,\"Calls pretending to be government\",N\r\n\
4692576503,2025-11-14 00:02:05,2025-11-13 18:00:00,Dallas,Texas,469,Other,Y\r\n\
,2025-11-14 00:03:05,2025-11-13 18:00:00,Dallas,Texas,469,Other,N\r\n\
1234567890,2025-11-14 00:03:05,2025-11-13 18:00:00,Dallas,Texas,469,Other,N\r\n";

#[test]
fn complaints_of_the_ftc_are_read_as_american_wherever_the_home_is() {
    let outcome = read(FTC, "DE").expect("read");
    assert!(outcome.layout.ftc && outcome.layout.header);
    assert_eq!(numbers(&outcome), ["+12566445079", "+14692576503"]);
    assert_eq!(bad(&outcome), [(5, Fault::NoNumber), (6, Fault::NotANumber)]);
    assert_eq!(listing(&outcome, 14_692_576_503), (Category::Robocall, 2));
    assert_eq!(listing(&outcome, 12_566_445_079), (Category::Scam, 1));
    let progress = Progress { bytes: FTC.len() as u64, good: 3, bad: 2 };
    assert_eq!((outcome.progress, outcome.import.name(), outcome.import.day()), (progress, "a list", Day(20_778)));
}

#[test]
fn one_column_needs_no_header_and_bad_rows_cost_only_themselves() {
    let text = "030 901820\n+4930901821\nnot a number\n\n110\n+4930*\n\"030 901822\n0049-30-901823\n030 901820";
    let outcome = read(text, "DE").expect("read");
    assert!(!outcome.layout.header);
    assert_eq!(numbers(&outcome), ["+4930901820", "+4930901821", "+4930901823"]);
    let expected = [(3, Fault::NotANumber), (5, Fault::Special), (6, Fault::Pattern), (7, Fault::OpenQuote)];
    assert_eq!(bad(&outcome), expected);
    assert_eq!(outcome.faults[&Fault::Special], 1);
    assert_eq!(listing(&outcome, 4_930_901_820).1, 2);
    assert_eq!(numbers(&read("pattern\r\n4692576503\r\n", "US").expect("read")), ["+14692576503"]);
}

#[test]
fn a_blocklist_with_ratings_and_votes_says_what_is_wanted() {
    let text = "phone;rating;votes;lastActivity\n\
        +4930901820;G_FRAUD;42;1710000000000\n\
        +4930901821;A_LEGITIMATE;3;1710000000000\n\
        +4930901822;E_ADVERTISING;0;1710000000000\n\
        +4930901823;D_POLL;7;1710000000000\n";
    let outcome = read(text, "DE").expect("read");
    assert_eq!(outcome.layout.delimiter, b';');
    assert_eq!(bad(&outcome), [(3, Fault::Legitimate), (4, Fault::Withdrawn)]);
    assert_eq!(listing(&outcome, 4_930_901_820), (Category::Scam, 42));
    assert_eq!(listing(&outcome, 4_930_901_823), (Category::Telemarketer, 7));
}

#[test]
fn the_column_of_numbers_is_found_without_a_known_name() {
    let text = "Firma\tAnschluss\nACME, Berlin\t030 901820\nOther\t030 901821\n";
    let outcome = read(text, "DE").expect("read");
    assert_eq!((outcome.layout.delimiter, outcome.layout.number, outcome.layout.header), (b'\t', 1, true));
    assert_eq!(numbers(&outcome), ["+4930901820", "+4930901821"]);
}

#[test]
fn letters_of_every_alphabet_and_star_codes_are_no_numbers() {
    let outcome = read("030901820\n\u{780}x\nпривет\n**622\n*21#\n^\\+49.*\n", "DE").expect("read");
    let faults: Vec<_> = bad(&outcome).into_iter().map(|(_, fault)| fault).collect();
    let expected = [Fault::NotANumber, Fault::NotANumber, Fault::Special, Fault::Special, Fault::Pattern];
    assert_eq!(faults, expected);
}

#[test]
fn what_is_no_list_is_refused_in_words() {
    assert_eq!(read("", "DE"), Err(Refused::NoNumbers));
    assert_eq!(read("a,b\nc,d\n", "DE"), Err(Refused::NoNumbers));
    assert_eq!(read("PK\u{3}\u{4}\0\0", "DE"), Err(Refused::NotText));
    // A header alone, and a list whose every number is impossible in the country.
    assert_eq!(read("phone,rating\n", "DE"), Err(Refused::NoNumbers));
    assert_eq!(read("phone\n123\n", "DE"), Err(Refused::NoNumbers));
    let mut intake = Intake::new(region("DE"));
    intake.feed(b"030901820\n").expect("text");
    assert_eq!(intake.finish(" \n", Day(0)), Err(Refused::NoName));
}

#[test]
fn dated_rows_warm_the_blocks_they_come_from() {
    let rows: String = (0..3).map(|n| format!("212555100{n},2026-11-{:02} 10:00:00\n", 19 + n)).collect();
    let text = format!("Company_Phone_Number,Created_Date\n{rows}2125552000,2026-11-01\n2125553000,2030-01-01\n");
    // 2026-11-21.
    let mut intake = Intake::new(region("US"));
    intake.feed(text.as_bytes()).expect("text");
    let import = intake.finish("FTC", Day(20_778)).expect("read").import;
    let asked = |digits| E164::from_digits(digits).expect("a number");
    assert!(import.is_hot(asked(12_125_551_999), Day(20_778)));
    assert!(!import.is_hot(asked(12_125_551_999), Day(20_780)), "it cools");
    assert_eq!(import.warm_blocks(), 1, "weeks ago is cold, and the future has not come");
    // A number that is repeated counts once, on its first day.
    let repeated = "number,date\n2125551000,2026-11-21\n".to_owned() + &"2125551000,2026-11-20\n".repeat(9);
    let mut intake = Intake::new(region("US"));
    intake.feed(repeated.as_bytes()).expect("text");
    let import = intake.finish("FTC", Day(20_778)).expect("read").import;
    assert!(!import.is_hot(asked(12_125_551_999), Day(20_778)));
}

#[test]
fn a_line_without_end_costs_its_line_and_no_memory() {
    let mut intake = Intake::new(region("DE"));
    intake.feed(b"+4930901820\n").expect("text");
    let piece = vec![b'4'; 1 << 20];
    // 64 MiB of one line; a line of 5 GB is the same 80 times over, and is refused at the door for its size.
    for _ in 0..64 {
        intake.feed(&piece).expect("text");
    }
    intake.feed(b"\n+4930901821\n").expect("text");
    let outcome = intake.finish("list", Day(0)).expect("read");
    assert_eq!(bad(&outcome), [(2, Fault::TooLong)]);
    assert_eq!(numbers(&outcome), ["+4930901820", "+4930901821"]);
}

#[test]
fn other_encodings_are_read_as_far_as_their_digits_are_ascii_and_archives_are_refused() {
    // Latin-1 beside the number does not matter.
    let mut latin = b"Name;Nummer\nM\xfcller;030 901820\n".to_vec();
    latin.extend(b"\xff\xfe\xfd\n");
    let mut intake = Intake::new(region("DE"));
    intake.feed(&latin).expect("text");
    let outcome = intake.finish("list", Day(0)).expect("read");
    assert_eq!((numbers(&outcome), bad(&outcome)), (vec!["+4930901820".to_owned()], vec![(3, Fault::NoNumber)]));
    // UTF-16 has zero bytes; a bomb of gzip is not unpacked, whether its head has zeros or not.
    let utf16: Vec<u8> = "030901820\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bomb = [b"\x1f\x8b\x08\x08\x01\x01\x01\x01\x02\x03".as_slice(), &b"\xed\xc1\x01\x01".repeat(50_000)].concat();
    for bytes in [utf16, bomb] {
        let mut intake = Intake::new(region("DE"));
        let fed = intake.feed(&bytes).map(|_| ());
        assert_eq!(fed.and_then(|()| intake.finish("list", Day(0)).map(|_| ())), Err(Refused::NotText));
    }
}

#[test]
fn only_the_first_bad_rows_are_told_but_all_are_counted() {
    let mut text = "+4930901820\n".to_owned();
    (0..MAX_BAD_ROWS + 5).for_each(|_| text += "x\n");
    let outcome = read(&text, "DE").expect("read");
    assert_eq!((outcome.bad_rows.len(), outcome.progress.bad), (MAX_BAD_ROWS, MAX_BAD_ROWS as u64 + 5));
}

#[test]
fn progress_counts_the_bytes_taken_in() {
    let mut intake = Intake::new(region("DE"));
    let rows = "030 901820\n".repeat(10_000);
    let mut told = vec![];
    for piece in rows.as_bytes().chunks(10_000) {
        told.push(intake.feed(piece).expect("text"));
    }
    assert!(told.windows(2).all(|w| w[0].bytes < w[1].bytes && w[0].good <= w[1].good));
    let outcome = intake.finish("list", Day(0)).expect("read");
    let expected = Progress { bytes: rows.len() as u64, good: 10_000, bad: 0 };
    assert_eq!((outcome.progress, outcome.import.numbers()), (expected, 1));
    assert_eq!(listing(&outcome, 4_930_901_820).1, 2_047);
}

#[test]
fn a_list_that_is_too_long_is_refused_while_it_is_read() {
    // Keys, not rows: a million rows of parsing would take seconds here.
    let mut taken = Taken::default();
    for n in 0..JOIN_AT as u64 + 1 {
        let number = E164::from_digits(4_930_000_000 + n).expect("in range");
        taken.take(n, Ok(Entry { number, category: Category::Spam, count: 1, day: None }));
    }
    assert!(taken.too_many);
    assert_eq!(taken.keys.len(), JOIN_AT, "what comes after the limit is dropped");
    let mut intake = Intake { taken, ..Intake::new(region("DE")) };
    assert_eq!(intake.feed(b"x"), Err(Refused::TooMany));
}

proptest! {
    #[test]
    fn any_text_in_any_pieces_is_read_the_same(
        rows in prop::collection::vec("([+0-9 ]{0,14}|[a-z,;\"]{0,8}|0309018[0-9]{2})", 0..60),
        cut in 0usize..600,
    ) {
        let text = rows.join("\n");
        let cut = cut.min(text.len());
        let mut intake = Intake::new(region("DE"));
        intake.feed(&text.as_bytes()[..cut]).expect("text");
        intake.feed(&text.as_bytes()[cut..]).expect("text");
        prop_assert_eq!(intake.finish("a list", Day(20_778)), read(&text, "DE"));
    }

    #[test]
    fn every_row_with_a_number_is_imported_whatever_stands_between(
        rows in prop::collection::vec(prop_oneof![
            (0u64..1_000_000).prop_map(Ok),
            "[a-z ,;\"*]{0,10}".prop_map(Err),
        ], 1..60),
    ) {
        let mut text = "phone,remark\n".to_owned();
        let mut expected = std::collections::BTreeSet::new();
        for row in &rows {
            match row {
                Ok(n) => {
                    expected.insert(format!("+4930{}", 1_000_000 + n));
                    text += &format!("+4930{},x\n", 1_000_000 + n);
                }
                // A stray quote may not reach over the next number either.
                Err(noise) => text += &format!("{}\n", noise.replace('"', "")),
            }
        }
        match read(&text, "DE") {
            Ok(outcome) => prop_assert_eq!(numbers(&outcome).into_iter().collect::<std::collections::BTreeSet<_>>(), expected),
            Err(e) => prop_assert!(expected.is_empty(), "{e}"),
        }
    }
}
