//! A list of numbers as anybody may hand it in. What is read from it does not depend on how its bytes were cut; every row
//! is told once, in order, and every number that is taken is found again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_numberlists::{Image, Intake, Outcome, Refused};
use meerkat_protocols::time::Day;

fn read(pieces: &[&[u8]]) -> Result<Outcome, Refused> {
    let mut intake = Intake::new("DE".parse().expect("a country"));
    for piece in pieces {
        intake.feed(piece)?;
    }
    intake.finish("list", Day(20_000))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, list)) = bytes.split_first() else { return };
    let (head, tail) = list.split_at(usize::from(*cut).min(list.len()));
    let whole = read(&[list]);
    assert_eq!(read(&[head, tail]), whole, "where the bytes were cut must not matter");
    let Ok(outcome) = whole else { return };
    assert!(outcome.bad_rows.windows(2).all(|w| w[0].line < w[1].line), "a row was told twice or out of order");
    assert_eq!(outcome.faults.values().sum::<u64>(), outcome.progress.bad);
    assert!(outcome.import.numbers() as u64 <= outcome.progress.good);
    let numbers: Vec<_> = outcome.import.iter().collect();
    let mut image = Image::default();
    let id = image.add(outcome.import).expect("there is room for one");
    assert!(numbers.iter().all(|n| image.listings(*n).next().is_some_and(|l| l.import == id)));
});
