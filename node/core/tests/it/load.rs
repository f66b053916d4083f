//! What many statements cost. Run it alone and optimised: `cargo test --release -p meerkat-core --test it -- --ignored --nocapture`.

use std::time::Duration;

use meerkat_core::{Engine, Identity, Input, Restored};
use meerkat_protocols::{
    contact::About,
    phone::{self, CallId},
    statement::Category,
    time::{Day, Now},
};

use crate::world::*;

const STATEMENTS: u32 = 300_000;
/// Each with as many reports as count.
const HOMES: u16 = 1_500;

fn resident_kib() -> u64 {
    let status =
        std::io::read_to_string(std::fs::OpenOptions::new().read(true).open("/proc/self/status").expect("Linux"));
    let status = status.expect("readable");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a line for it");
    line.trim().trim_end_matches(" kB").parse().expect("a figure")
}

#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement, not the node")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let out = work();
    (out, start.elapsed())
}

#[test]
#[ignore = "a measurement of several minutes in a debug build"]
fn three_hundred_thousand_statements() {
    let identity = Identity::alone(genesis(0), About::default());
    let mut engine = Engine::new(identity, Restored::default());
    let now = Now { mono_ms: 0, wall: Some(Day(TODAY).begins()) };
    // A tree: each home answers for the next twelve.
    for n in 1..=HOMES {
        engine.restore(&vouch((n - 1) / 12, TODAY, u8::try_from((n - 1) % 12).expect("a slot"), n));
    }
    let before = resident_kib();
    let mut restoring = Duration::ZERO;
    for n in 0..STATEMENTS {
        // Every home fills its slots day by day, as the quota allows; each report is on a number of its own.
        let home = 1 + u16::try_from(n % u32::from(HOMES)).expect("small");
        let nth = n / u32::from(HOMES);
        let (day, slot) = (TODAY - u16::try_from(nth / 20).expect("in range"), u8::try_from(nth % 20).expect("a slot"));
        let digits = 4_930_000_000 + u64::from(n.wrapping_mul(2_654_435_761) % 90_000_000);
        let sealed = report(home, day, slot, digits, Category::Spam);
        restoring += timed(|| engine.restore(&sealed)).1;
    }
    let (_, walking) = timed(|| engine.restored(now));
    let held = resident_kib() - before;
    let statements = engine.snapshot(now).statements;
    let mut slowest = Duration::ZERO;
    let mut total = Duration::ZERO;
    for n in 0..10_000u64 {
        let event = phone::Event::Incoming(incoming(CallId(n), &format!("+{}", 4_930_000_000 + n * 8_999)));
        let (_, took) = timed(|| engine.handle(now, Input::Phone(event)));
        while engine.poll_output().is_some() {}
        slowest = slowest.max(took);
        total += took;
    }
    let (_, snapshot) = timed(|| (0..100).map(|_| engine.snapshot(now).statements).sum::<usize>());
    println!("{statements} statements: {held} KiB ({} bytes each)", held * 1024 / u64::from(STATEMENTS));
    println!("restored in {restoring:?}, then {walking:?}");
    println!("a call is decided in {:?} (slowest of 10,000: {slowest:?})", total / 10_000);
    println!("a snapshot takes {:?}", snapshot / 100);
    assert!(statements > 299_000);
}
