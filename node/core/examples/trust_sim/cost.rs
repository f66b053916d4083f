//! What weighing costs in a city: ten thousand homes, three hundred thousand reported numbers, and the worst number of
//! all, which every home in reach slanders.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use meerkat_core::{Command, CommandId, Engine, Identity, Input, Restored};
use meerkat_protocols::{
    contact::About,
    home::{Genesis, NodeNumber},
    number::E164,
    phone::{self, CallId, IdentitySource, Incoming, Line},
    statement::{Basis, Body, Category, Sealed, Statement},
    time::{Day, Now},
};

use crate::world::{Chance, World};

const HOMES: u32 = 10_000;
const REPORTS_EACH: u32 = 30;
const TODAY: u16 = 20_770;
/// The number that every home reports.
const SLANDERED: u64 = 4_930_901_820;
/// Where the other reported numbers begin.
const FIRST: u64 = 4_940_000_000;

/// What was measured.
pub(crate) struct Cost {
    pub(crate) statements: usize,
    pub(crate) restored: Duration,
    pub(crate) ranked: Duration,
    pub(crate) median_us: f64,
    pub(crate) most_ms: f64,
    pub(crate) slowest_ms: f64,
    pub(crate) slandered_ms: f64,
    pub(crate) check_ms: f64,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement, not the node")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let out = work();
    (out, start.elapsed())
}

fn key(home: u32) -> SigningKey {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&home.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

struct City {
    keys: Vec<SigningKey>,
    geneses: Vec<Genesis>,
}

impl City {
    fn say(&self, home: u32, day: u16, slot: u32, body: Body) -> Sealed {
        let slot = u8::try_from(slot).expect("a slot");
        let key = &self.keys[home as usize];
        let home = self.geneses[home as usize].home();
        Statement { home, node: NodeNumber(0), day: Day(day), slot, body }.sign(key)
    }

    fn report(&self, home: u32, nth: u32, digits: u64) -> Sealed {
        let number = E164::from_digits(digits).expect("a number");
        let body = Body::Report { number, category: Category::Scam, basis: Basis::Told };
        self.say(home, TODAY - u16::try_from(nth / 20).expect("in range"), nth % 20, body)
    }
}

fn incoming(n: u64, digits: u64) -> Input {
    Input::Phone(phone::Event::Incoming(Incoming {
        call: CallId(n),
        line: Line("home".into()),
        caller: format!("+{digits}"),
        anonymous: false,
        name: String::new(),
        source: IdentitySource::From,
        verstat: None,
        metadata: Vec::new(),
    }))
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

fn fill(engine: &mut Engine) -> Duration {
    let mut chance = Chance(99);
    let world = World::small(&mut chance, HOMES, 100);
    let keys: Vec<SigningKey> = (0..HOMES).map(key).collect();
    let geneses = keys.iter().map(|key| Genesis::new(&key.verifying_key())).collect();
    let city = City { keys, geneses };
    let mut took = Duration::ZERO;
    let mut restore = |sealed: &Sealed| took += timed(|| engine.restore(sealed)).1;
    for (home, vouches) in (0..).zip(&world.vouches) {
        for (slot, whom) in (0..).zip(vouches) {
            restore(&city.say(home, TODAY, slot, Body::Vouch(city.geneses[*whom as usize])));
        }
    }
    for home in 1..HOMES {
        restore(&city.report(home, 0, SLANDERED));
        for nth in 1..=REPORTS_EACH {
            restore(&city.report(home, nth, FIRST + u64::from((nth - 1) * HOMES + home)));
        }
    }
    took
}

/// Fills a node and calls it.
pub(crate) fn measure() -> Cost {
    let identity = Identity::alone(Genesis::new(&key(0).verifying_key()), About::default());
    let mut engine = Engine::new(identity, Restored::default());
    let now = Now { mono_ms: 0, wall: Some(Day(TODAY).begins()) };
    let restored = fill(&mut engine);
    let (_, ranked) = timed(|| engine.restored(now));
    let call = |engine: &mut Engine, n: u64, digits: u64| {
        let (_, took) = timed(|| engine.handle(now, incoming(n, digits)));
        while engine.poll_output().is_some() {}
        took
    };
    // The best of three, for other programs share the machine; the third of a number costs what the first does.
    let best = |engine: &mut Engine, n: u64, digits: u64| {
        (0..3).map(|again| call(engine, n * 3 + again, digits)).min().unwrap_or_default()
    };
    let mut calls: Vec<Duration> = (0..10_000u64).map(|n| best(&mut engine, n, FIRST + n * 29 + 1)).collect();
    calls.sort_unstable();
    let mut slandered: Vec<Duration> = (0..101u64).map(|n| call(&mut engine, 40_000 + n, SLANDERED)).collect();
    slandered.sort_unstable();
    let check = Command::Check(format!("+{SLANDERED}"));
    let (_, checked) = timed(|| engine.handle(now, Input::Command(CommandId(1), check)));
    Cost {
        statements: engine.snapshot(now).statements,
        restored,
        ranked,
        median_us: ms(calls[5_000]) * 1_000.0,
        most_ms: ms(calls[9_990]),
        slowest_ms: ms(calls[9_999]),
        slandered_ms: ms(slandered[50]),
        check_ms: ms(checked),
    }
}

impl Cost {
    pub(crate) fn table(&self) {
        println!("\nA city of {HOMES} homes, {} statements\n", self.statements);
        println!("| what | takes |\n|---|---|");
        println!("| taking the statements back | {:.2} s |", self.restored.as_secs_f64());
        println!("| walking and ranking the homes | {:.1} ms |", ms(self.ranked));
        println!("| a call, median of 10,000, the best of three each | {:.1} us |", self.median_us);
        println!("| a call, 99.9 % of 10,000 | {:.3} ms |", self.most_ms);
        println!("| a call, slowest of 10,000 | {:.3} ms |", self.slowest_ms);
        println!("| a call from a number that every home reports, median of 101 | {:.3} ms |", self.slandered_ms);
        println!("| the number page of that number | {:.1} ms |", self.check_ms);
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "homes": HOMES, "statements": self.statements, "restored_ms": ms(self.restored), "ranked_ms": ms(self.ranked),
            "call_median_us": self.median_us, "call_p999_ms": self.most_ms, "call_slowest_ms": self.slowest_ms, "slandered_call_ms": self.slandered_ms,
            "slandered_check_ms": self.check_ms,
        })
    }
}
