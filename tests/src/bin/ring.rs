//! `ring PORT NUMBER`: calls a line on loopback of the machine it runs on, and prints the last answer. For machines that
//! are network namespaces.

use std::net::SocketAddr;

use meerkat_tests::caller::{From, Ring};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, number] = args.as_slice() else {
        eprintln!("usage: ring PORT NUMBER");
        std::process::exit(64);
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
    let answers = Ring::start(address, From::number(number)).finish();
    println!("{}", answers.last().expect("a final response").0);
}
