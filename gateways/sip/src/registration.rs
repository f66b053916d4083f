//! Registering at the router and staying registered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meerkat_protocols::phone::LineState;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::registration::Registration;
use rsipstack::sip::{
    Auth, HeadersExt, HostWithPort, Param, Response, Scheme, StatusCode, Transport as SipTransport, Uri, typed,
};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::SipAddr;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::line::Line;
use crate::settings::{Registered, Transport};
use crate::stream::{self, Stream};

/// How long a router may take: five datagrams, at 0, 0.5, 1.5, 3.5 and 7.5 s (RFC 3261 17.1.2.1).
const ATTEMPT: Duration = Duration::from_secs(8);
/// How often the way through firewalls is kept open (RFC 5626 recommends below 30 s for UDP).
const KEEPALIVE: Duration = Duration::from_secs(29);
/// The pause after the first failure and after many.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The least pause after a refused password: routers lock accounts that are tried too often.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Pauses that double, spread by a quarter so that a street's nodes do not all knock at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: FIRST_PAUSE }
    }
}

impl Backoff {
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        // Without randomness, without spread.
        let chance = getrandom::u32().unwrap_or(u32::MAX / 2);
        pause.mul_f64(0.75 + 0.5 * f64::from(chance) / f64::from(u32::MAX))
    }

    fn at_least(&mut self, least: Duration) -> &mut Self {
        self.next = self.next.max(least);
        self
    }
}

/// Why an attempt failed.
struct Failure {
    words: String,
    least: Duration,
}

impl Failure {
    fn new(words: impl Into<String>) -> Self {
        Failure { words: words.into(), least: FIRST_PAUSE }
    }
}

/// Keeps the line registered until it is stopped, then gives the registration back.
pub(crate) async fn keep(line: &Arc<Line>, endpoint: &EndpointInnerRef, account: &Registered) {
    line.set_state(LineState::Registering).await;
    let mut account = Account::new(line, endpoint, account);
    let mut backoff = Backoff::default();
    loop {
        let attempt = tokio::select! {
            attempt = account.register() => attempt,
            () = line.stop.cancelled() => break,
        };
        let pause = match attempt {
            Ok(granted) => {
                backoff = Backoff::default();
                line.set_state(LineState::Ready).await;
                account.refresh_after(granted)
            }
            Err(failure) => {
                let pause = backoff.at_least(failure.least).pause();
                let text = format!("{}; next attempt in {} s", failure.words, pause.as_secs_f32().ceil());
                line.set_state(LineState::Failing(text)).await;
                pause
            }
        };
        tokio::select! {
            lost = account.rest(pause) => if lost {
                line.set_state(LineState::Registering).await;
            },
            () = line.stop.cancelled() => break,
        }
    }
    account.leave().await;
}

/// The account and how it stands.
struct Account<'a> {
    line: &'a Arc<Line>,
    endpoint: &'a EndpointInnerRef,
    settings: &'a Registered,
    registration: Registration,
    /// The address to send to, once known.
    registrar: Option<SocketAddr>,
    stream: Option<Stream>,
    expires_s: u32,
    registered: bool,
}

impl<'a> Account<'a> {
    fn new(line: &'a Arc<Line>, endpoint: &'a EndpointInnerRef, settings: &'a Registered) -> Self {
        let credential = Credential {
            username: settings.user.clone(),
            password: settings.password.reveal().to_owned(),
            realm: None,
            auth_username: settings.auth_user.clone(),
        };
        Account {
            line,
            endpoint,
            settings,
            registration: Registration::new(Arc::clone(endpoint), Some(credential)),
            registrar: None,
            stream: None,
            expires_s: settings.expires_s,
            registered: false,
        }
    }

    /// Registers once; how long the router grants.
    async fn register(&mut self) -> Result<Duration, Failure> {
        let was = std::mem::take(&mut self.registered);
        let mut response = self.ask(self.expires_s).await?;
        if response.status_code.code() == 423 {
            // Interval Too Brief: the router names the least it takes (RFC 3261 10.2.8).
            let least = response.min_expires_header().and_then(|header| header.value().trim().parse().ok());
            self.expires_s = least.unwrap_or(3_600_u32).clamp(self.expires_s, 86_400);
            response = self.ask(self.expires_s).await?;
        }
        match response.status_code.code() {
            200..=299 => {
                self.registered = true;
                Ok(Duration::from_secs(self.registration.expires().into()))
            }
            code => Err(self.refused(code, was)),
        }
    }

    fn refused(&self, code: u16, was_registered: bool) -> Failure {
        let router = &self.settings.registrar;
        let user = "`user`, `auth_user` and `password`";
        match code {
            401 | 403 | 407 => Failure {
                words: format!(
                    "the router at {router} refuses the login of this line ({code}): compare {user} in the settings \
                     with what the router shows for this phone"
                ),
                // What was good a minute ago is likely good again after the router's restart.
                least: if was_registered { FIRST_PAUSE } else { REFUSED_PAUSE },
            },
            404 | 604 => Failure {
                words: format!("the router at {router} knows no such phone ({code}): compare {user} in the settings"),
                least: REFUSED_PAUSE,
            },
            408 | 503 => Failure::new(self.silence()),
            _ => Failure::new(format!("the router at {router} does not register this line now ({code})")),
        }
    }

    fn silence(&self) -> String {
        format!(
            "the router at {} does not answer: it may be restarting, or `registrar` or `transport` may be wrong",
            self.settings.registrar
        )
    }

    async fn ask(&mut self, expires_s: u32) -> Result<Response, Failure> {
        let registrar = self.find().await?;
        self.connect(registrar).await?;
        self.registration.outbound_proxy = Some(registrar);
        self.registration.contact = Some(self.contact());
        let asked = self.registration.register(self.server(), Some(expires_s));
        match tokio::time::timeout(ATTEMPT, asked).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(trouble)) => {
                tracing::debug!(line = %self.line.name.0, %trouble, "registration failed");
                Err(Failure::new(self.silence()))
            }
            Err(_) => Err(Failure::new(self.silence())),
        }
    }

    /// Looks the registrar up, anew each time: home routers change their addresses.
    async fn find(&mut self) -> Result<SocketAddr, Failure> {
        let (host, port) = host_and_port(&self.settings.registrar);
        let found = tokio::time::timeout(ATTEMPT, tokio::net::lookup_host((host, port))).await;
        let addresses: Vec<SocketAddr> = match found {
            Ok(Ok(addresses)) => {
                addresses.filter(|address| address.is_ipv4() == self.line.settings.bind.is_ipv4()).collect()
            }
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let Some(first) = addresses.first() else {
            return Err(Failure::new(format!(
                "nobody in this network is called {host}: check `registrar`, or write the router's address there"
            )));
        };
        self.line.sources.set_registrar(addresses.iter().map(SocketAddr::ip));
        self.line.face(*first);
        self.registrar = Some(*first);
        Ok(*first)
    }

    /// Opens the stream of a line that needs one.
    async fn connect(&mut self, registrar: SocketAddr) -> Result<(), Failure> {
        let open = self.stream.as_ref().is_some_and(|stream| !stream.is_closed());
        if open || self.line.settings.transport == Transport::Udp {
            return Ok(());
        }
        let opened = tokio::time::timeout(ATTEMPT, TcpStream::connect(registrar)).await;
        let Ok(Ok(stream)) = opened else { return Err(Failure::new(self.silence())) };
        // The router may be silent as long as it likes: keepalives tell when it is gone.
        let attached = stream::attach(self.line, self.endpoint, stream, None).await;
        self.stream = Some(attached.map_err(|_| Failure::new(self.silence()))?);
        Ok(())
    }

    fn tcp(&self) -> Vec<Param> {
        match self.line.settings.transport {
            Transport::Udp => Vec::new(),
            Transport::Tcp => vec![Param::Transport(SipTransport::Tcp)],
        }
    }

    fn contact(&self) -> typed::Contact {
        let uri = Uri {
            scheme: Some(Scheme::Sip),
            auth: Some(Auth { user: self.settings.user.clone(), password: None }),
            host_with_port: self.line.address().into(),
            params: self.tcp(),
            headers: Vec::new(),
        };
        typed::Contact { display_name: None, uri, params: Vec::new() }
    }

    fn server(&self) -> Uri {
        let host = self.settings.domain.as_deref().unwrap_or_else(|| host_and_port(&self.settings.registrar).0);
        Uri {
            scheme: Some(Scheme::Sip),
            // Validated settings are plain text; what is no host at all is then refused by the router, in words.
            host_with_port: HostWithPort::try_from(host).unwrap_or_default(),
            params: self.tcp(),
            ..Uri::default()
        }
    }

    /// Half of what is granted, so that one lost attempt costs nothing, and no longer than the settings want.
    fn refresh_after(&self, granted: Duration) -> Duration {
        (granted / 2).clamp(Duration::from_secs(1), Duration::from_secs(self.settings.refresh_s.into()))
    }

    /// Waits, keeping the way open; returns early, with `true`, when the stream to the router is lost.
    async fn rest(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let broken = async {
            match self.stream.as_ref().filter(|_| self.registered) {
                Some(stream) => stream.closed().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(broken);
        loop {
            let next = end.min(Instant::now() + KEEPALIVE);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = &mut broken => return true,
            }
            if next == end {
                return false;
            }
            self.keep_alive().await;
        }
    }

    async fn keep_alive(&self) {
        if let Some(stream) = &self.stream {
            return stream.keep_alive().await;
        }
        let Some(registrar) = self.registrar.map(SipAddr::from) else { return };
        let Ok((rsipstack::transport::SipConnection::Udp(socket), _)) =
            self.endpoint.transport_layer.lookup(&registrar, None).await
        else {
            return;
        };
        // A datagram that cannot be sent is noticed at the next registration.
        let _ = socket.send_raw(b"\r\n\r\n", &registrar).await;
    }

    /// Gives the registration back, so that the router does not wait for us at the next call.
    async fn leave(&mut self) {
        if !self.registered {
            return;
        }
        let answer = self.ask(0).await;
        let gone = answer.is_ok_and(|response| response.status_code == StatusCode::OK);
        tracing::debug!(line = %self.line.name.0, gone, "registration given back");
    }
}

/// Splits `host[:port]`, brackets around an IPv6 address included.
fn host_and_port(registrar: &str) -> (&str, u16) {
    let split = match registrar.rfind(':') {
        Some(at) if registrar.ends_with(']') || registrar[..at].contains(':') && !registrar[..at].ends_with(']') => {
            None
        }
        other => other,
    };
    let (host, port) = match split {
        Some(at) => (&registrar[..at], registrar[at + 1..].parse().unwrap_or(5_060)),
        None => (registrar, 5_060),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrars_are_split() {
        for (text, expected) in [
            ("fritz.box", ("fritz.box", 5_060)),
            ("192.168.178.1:5070", ("192.168.178.1", 5_070)),
            ("[fd00::1]:5070", ("fd00::1", 5_070)),
            ("[fd00::1]", ("fd00::1", 5_060)),
            ("fd00::1", ("fd00::1", 5_060)),
        ] {
            assert_eq!(host_and_port(text), expected, "{text}");
        }
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_spread_by_a_quarter() {
        let mut backoff = Backoff::default();
        let mut expected = 1.0_f64;
        for _ in 0..12 {
            let pause = backoff.pause().as_secs_f64();
            assert!((0.75 * expected..=1.25 * expected).contains(&pause), "{pause} for {expected}");
            expected = (expected * 2.0).min(300.0);
        }
        assert!(Backoff::default().at_least(REFUSED_PAUSE).pause() >= Duration::from_secs(45));
    }
}
