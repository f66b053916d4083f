//! Real parts around a telephone line: kamailio as the router, baresip as the phone, sipp as the caller.
//!
//! All of them are Debian packages; a test that misses one fails and names it. They listen on 127.0.0.1 at free ports,
//! keep their files in a temporary folder, and die with the value that started them.

mod baresip;
mod kamailio;
mod program;
mod sipp;

pub use baresip::{Phone, Seen};
pub use kamailio::{Fork, Kamailio, KamailioSetup, Member, User};
pub use sipp::{Call, Outcome, Sipp, Totals};

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// A port of 127.0.0.1 that is free for UDP and TCP.
///
/// # Panics
/// If the machine has none left.
#[must_use]
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free UDP port");
        let port = socket.local_addr().expect("a bound socket has an address").port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for both UDP and TCP");
}

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
