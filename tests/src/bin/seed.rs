//! `seed FOLDER STATEMENTS CALLS VOUCHED`: fills a data folder for benchmarks.

use meerkat_protocols::time::Day;
use meerkat_tests::seed::{REPORTS_A_HOME, Seed, fill};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, statements, calls, vouched] = args.as_slice() else {
        eprintln!("usage: seed FOLDER STATEMENTS CALLS VOUCHED");
        std::process::exit(64);
    };
    let number = |text: &String| text.parse().expect("a number");
    let seconds = std::time::UNIX_EPOCH.elapsed().expect("a clock that is set").as_secs();
    let day = Day::of_unix(i64::try_from(seconds).expect("our century")).expect("our century");
    let vouched = u8::try_from(number(vouched)).expect("at most 12");
    fill(
        folder.as_ref(),
        Seed {
            statements: number(statements),
            calls: number(calls),
            vouched,
            day,
            per_home: REPORTS_A_HOME,
            tree: false,
        },
    );
}
