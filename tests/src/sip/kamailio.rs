//! kamailio as the router of a home: a registrar with digest logins and a number that rings several members.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::program::Program;
use super::{free_port, local};

/// An account at the router.
#[derive(Debug, Clone)]
pub struct User {
    /// The user of its address.
    pub name: String,
    /// The name it logs in with.
    pub login: String,
    /// Its password.
    pub password: String,
}

impl User {
    /// An account whose login equals its name.
    #[must_use]
    pub fn new(name: &str, password: &str) -> User {
        User { name: name.into(), login: name.into(), password: password.into() }
    }
}

/// Who rings when the house is called.
#[derive(Debug, Clone)]
pub enum Member {
    /// A user, wherever it has registered.
    User(String),
    /// A fixed address.
    Fixed(SocketAddr),
}

/// How the members are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// All at once.
    Parallel,
    /// One after the other; a 6xx ends the search.
    Serial,
}

/// What the router knows.
#[derive(Debug, Clone)]
pub struct KamailioSetup {
    /// The accounts.
    pub users: Vec<User>,
    /// Who rings when `house` is called.
    pub house: Vec<Member>,
    /// How.
    pub fork: Fork,
    /// The longest registration granted, in seconds.
    pub max_expires_s: u32,
}

impl KamailioSetup {
    /// A parallel fork of `house` to the users given, each with the password `NAME-secret`.
    #[must_use]
    pub fn ringing(users: &[&str]) -> KamailioSetup {
        KamailioSetup {
            users: users.iter().map(|name| User::new(name, &format!("{name}-secret"))).collect(),
            house: users.iter().map(|name| Member::User((*name).to_owned())).collect(),
            fork: Fork::Parallel,
            max_expires_s: 600,
        }
    }
}

/// A running router.
#[derive(Debug)]
pub struct Kamailio {
    setup: KamailioSetup,
    port: u16,
    folder: TempDir,
    program: Option<Program>,
}

impl Kamailio {
    /// Starts a router and waits until it answers.
    ///
    /// # Panics
    /// If kamailio is missing or does not start.
    #[must_use]
    pub fn start(setup: KamailioSetup) -> Kamailio {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut kamailio = Kamailio { setup, port: free_port(), folder, program: None };
        kamailio.resume();
        kamailio
    }

    /// Where it listens, for UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        local(self.port)
    }

    /// What it knows.
    #[must_use]
    pub fn setup(&self) -> &KamailioSetup {
        &self.setup
    }

    /// Kills it, as a power cut does: every registration is forgotten.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// Starts it again at the same address.
    ///
    /// # Panics
    /// If it does not start.
    pub fn resume(&mut self) {
        let file = self.folder.path().join("kamailio.cfg");
        std::fs::write(&file, configuration(&self.setup, self.port, self.folder.path())).expect("a configuration file");
        let file = file.display().to_string();
        let folder = self.folder.path().display().to_string();
        let arguments = ["-f", &file, "-DD", "-E", "-m", "32", "-M", "8", "-Y", &folder, "-w", &folder];
        let mut program = Program::start("kamailio", "kamailio", arguments);
        self.wait_ready(&mut program);
        self.program = Some(program);
    }

    /// All it has logged since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::text).unwrap_or_default()
    }

    /// Asks with OPTIONS until there is an answer.
    fn wait_ready(&self, program: &mut Program) {
        let socket = UdpSocket::bind(local(0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let own = socket.local_addr().expect("an address");
        let (router, mut number, mut buffer) = (self.address(), 0, [0; 2_048]);
        crate::wait::until("kamailio to answer", || {
            assert_eq!(program.ended(), None, "kamailio ended:\n{}", program.text());
            number += 1;
            let ask = format!(
                "OPTIONS sip:{router} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKready{number}\r\n\
                 From: <sip:test@{own}>;tag=ready\r\nTo: <sip:{router}>\r\nCall-ID: ready-{number}\r\n\
                 CSeq: {number} OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(ask.as_bytes(), router).ok()?;
            let length = socket.recv(&mut buffer).ok()?;
            buffer[..length].starts_with(b"SIP/2.0 200").then_some(())
        });
    }
}

fn configuration(setup: &KamailioSetup, port: u16, folder: &Path) -> String {
    let address = local(port);
    let mut logins = String::new();
    for user in &setup.users {
        let _ = writeln!(
            logins,
            "    if ($au == \"{}\" && $tU == \"{}\") {{ $var(password) = \"{}\"; }}",
            user.login, user.name, user.password
        );
    }
    let fork = match setup.fork {
        Fork::Parallel => parallel(&setup.house, address),
        Fork::Serial => serial(&setup.house, address),
    };
    HEAD.replace("ADDRESS", &address.to_string())
        .replace("FOLDER", &folder.display().to_string())
        .replace("MAX_EXPIRES", &setup.max_expires_s.to_string())
        + &ROUTES.replace("LOGINS", &logins)
        + &fork
}

fn uri(member: &Member, router: SocketAddr) -> String {
    match member {
        Member::User(name) => format!("sip:{name}@{router}"),
        Member::Fixed(address) => format!("sip:house@{address}"),
    }
}

fn parallel(house: &[Member], router: SocketAddr) -> String {
    let mut route = String::from("route[HOUSE] {\n");
    for (at, member) in house.iter().enumerate() {
        let uri = uri(member, router);
        let _ = match at {
            0 => writeln!(route, "    $ru = \"{uri}\";"),
            _ => writeln!(route, "    append_branch(\"{uri}\");"),
        };
    }
    route + "    lookup_branches(\"location\");\n    t_relay();\n    exit;\n}\n"
}

fn serial(house: &[Member], router: SocketAddr) -> String {
    let mut routes = String::from("route[HOUSE] {\n    route(STEP0);\n}\n");
    for (at, member) in house.iter().enumerate() {
        let (uri, next) = (uri(member, router), at + 1);
        let look = match member {
            Member::User(_) => format!("    if (!lookup(\"location\")) {{ route(STEP{next}); exit; }}\n"),
            Member::Fixed(_) => String::new(),
        };
        let _ = write!(
            routes,
            "route[STEP{at}] {{\n    $ru = \"{uri}\";\n{look}    t_on_failure(\"AFTER{at}\");\n    t_relay();\n    exit;\n}}\n\
             failure_route[AFTER{at}] {{\n    if (t_is_canceled() || t_check_status(\"6[0-9][0-9]\")) {{ exit; }}\n    \
             route(STEP{next});\n}}\n"
        );
    }
    let _ = write!(routes, "route[STEP{}] {{\n    t_reply(\"480\", \"Nobody Home\");\n    exit;\n}}\n", house.len());
    routes
}

const HEAD: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
listen=udp:ADDRESS
listen=tcp:ADDRESS
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "xlog.so"
loadmodule "corex.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_expires", MAX_EXPIRES)
modparam("registrar", "min_expires", 1)
modparam("auth", "nonce_expire", 30)
modparam("auth", "qop", "auth")
modparam("rr", "enable_full_lr", 1)
modparam("tm", "fr_timer", 3000)
modparam("tm", "fr_inv_timer", 60000)
"#;

const ROUTES: &str = r#"
request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("OPTIONS") && uri == myself) { sl_send_reply("200", "OK"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
        # A request to ourselves must not go round in circles.
        if (uri == myself) { sl_send_reply("404", "Not Here"); exit; }
        t_relay();
        exit;
    }
    if (is_method("REGISTER")) { route(REGISTER); }
    t_check_trans();
    if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
    record_route();
    if ($rU == "house") { route(HOUSE); }
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
    t_relay();
}

route[REGISTER] {
    $var(password) = "";
LOGINS
    if ($var(password) == "") {
        if ($au != $null) { sl_send_reply("403", "Forbidden"); exit; }
        www_challenge("$td", "1");
        exit;
    }
    if (!pv_www_authenticate("$td", "$var(password)", "0")) {
        www_challenge("$td", "1");
        exit;
    }
    # 0x00: every contact of a user is kept.
    save("location", "0x00");
    exit;
}
"#;
