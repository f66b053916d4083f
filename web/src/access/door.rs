//! What every request passes before it is heard: the host it names, who sends it, how often, and whether they may.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    Wiring,
    access::{
        Role,
        limits::{Counted, Network},
        roles::{Need, methods, need},
        routes::cookie_token,
        secrets,
    },
    audit,
    problem::Problem,
};

/// By which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The TCP listener of the page.
    Page,
    /// The control socket: the operating system vouches for the other end.
    Socket,
}

/// What the doors need.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) wiring: Wiring,
    pub(crate) door: Door,
}

/// Who asks. Handlers find it among the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody without credentials.
    Nobody,
    /// A signed-in browser.
    Session {
        /// The hash of its token.
        hash: [u8; 32],
        /// The user's name.
        name: String,
        role: Role,
    },
    /// A program.
    Key { hash: [u8; 32], role: Role },
    /// The control socket.
    Socket,
}

impl Caller {
    fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::Session { role, .. } | Self::Key { role, .. } => Some(*role),
            Self::Socket => Some(Role::Admin),
        }
    }
}

/// The address of the other end; without one (the control socket, tests) all count as one.
pub(crate) fn address(request: &axum::http::Extensions) -> IpAddr {
    request.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |c| c.0.ip())
}

/// Refuses requests that name a host that is not this one. A page of somebody else whose name was made to lead here
/// (DNS rebinding) names its own host. An address names no one: whoever uses it has typed it.
pub(crate) async fn hosts(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if gate.door == Door::Socket || names_us(&request, &gate.wiring.machine.allowed_hosts) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        "This page does not answer to that name. Use its address, or add the name to `web.hosts` in the configuration.",
    )
    .into_response()
}

/// Whether the request names this host.
pub(crate) fn names_us(request: &Request, names: &[String]) -> bool {
    host(request).as_deref().is_some_and(|host| is_ours(host, names))
}

/// Whether a browser says that the request comes from a page of ours.
pub(crate) fn from_this_page(request: &Request) -> bool {
    match (fetch_site(request.headers()), origin_is_host(request)) {
        (None, None) => false,
        (site, origin) => site.unwrap_or(true) && origin.unwrap_or(true),
    }
}

/// The host and port that the request names: the `Host` header, or the authority of the request's target.
fn host(request: &Request) -> Option<String> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let header = headers.next().and_then(|h| h.to_str().ok()).map(ToOwned::to_owned);
    if headers.next().is_some() {
        return None;
    }
    header.or_else(|| request.uri().authority().map(ToString::to_string))
}

fn is_ours(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => return v6.split_once(']').is_some_and(|(ip, _)| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok()
        || names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// Lets a request through to its operation, or says why not.
pub(crate) async fn enter(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let known = methods(path);
    if need(request.method().as_str(), path).is_none() && !known.is_empty() {
        let detail = format!("This address knows {known}.");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        return ([(header::ALLOW, known)], problem).into_response();
    }
    match admit(&gate, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            audit::answered(&gate, &caller, request, next).await
        }
        Err(problem) => {
            let unauthorized = problem.status == StatusCode::UNAUTHORIZED.as_u16();
            let mut response = problem.into_response();
            if unauthorized {
                // RFC 9110 11.6.1 asks for it; browsers show no dialog for Bearer.
                let bearer = header::HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
            }
            response
        }
    }
}

fn admit(gate: &Gate, request: &Request) -> Result<Caller, Problem> {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let needs =
        need(request.method().as_str(), path).ok_or_else(|| Problem::forbidden("forbidden", "Nobody may do this."))?;
    let caller = identify(gate, request, needs)?;
    limit(gate, request, &caller)?;
    permit(&caller, needs)?;
    if gate.door == Door::Page {
        same_site(request, &caller, gate.wiring.machine.https)?;
    }
    Ok(caller)
}

fn identify(gate: &Gate, request: &Request, needs: Need) -> Result<Caller, Problem> {
    if gate.door == Door::Socket {
        return Ok(Caller::Socket);
    }
    let access = &gate.wiring.access;
    if let Some(authorization) = request.headers().get(header::AUTHORIZATION) {
        let key = authorization.to_str().ok().and_then(|a| a.strip_prefix("Bearer ")).unwrap_or("");
        let Some((hash, role)) = access.key(key.trim())? else {
            limit(gate, request, &Caller::Nobody)?;
            let detail = "This API key is unknown or was withdrawn.";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "unknown_key", detail));
        };
        return Ok(Caller::Key { hash, role });
    }
    let Some(token) = cookie_token(request.headers(), gate.wiring.machine.https) else { return Ok(Caller::Nobody) };
    match access.session(token) {
        Ok(Some(s)) => Ok(Caller::Session { hash: s.hash, name: s.name, role: s.role }),
        Ok(None) => Ok(Caller::Nobody),
        // The records have not come yet: what is public needs none.
        Err(_) if needs == Need::Public => Ok(Caller::Nobody),
        Err(problem) => Err(problem),
    }
}

fn limit(gate: &Gate, request: &Request, caller: &Caller) -> Result<(), Problem> {
    let who = match caller {
        Caller::Socket => return Ok(()),
        Caller::Nobody => Counted::Address(Network::of(address(request.extensions()))),
        Caller::Session { hash, .. } | Caller::Key { hash, .. } => {
            let mut beginning = [0; 16];
            beginning.copy_from_slice(&hash[..16]);
            Counted::Credential(beginning)
        }
    };
    let now = (gate.wiring.clock)();
    gate.wiring
        .access
        .0
        .limits
        .take(who, gate.wiring.machine.requests_per_minute, now.mono_ms)
        .map_err(Problem::too_many)
}

fn permit(caller: &Caller, needs: Need) -> Result<(), Problem> {
    match (needs, caller.role()) {
        (Need::Public, _) => Ok(()),
        (Need::Socket, _) if *caller == Caller::Socket => Ok(()),
        (Need::At(least), Some(role)) if role >= least => Ok(()),
        (_, None) => Err(Problem::signed_out()),
        (Need::At(least), Some(role)) => Err(Problem::forbidden(
            "role",
            format!("This needs the role {}; yours is {}. An admin of this home can do it.", least.word(), role.word()),
        )),
        (Need::Socket, Some(_)) => Err(Problem::forbidden("forbidden", "This works only on the node itself.")),
    }
}

/// Refuses what another site made a browser send. Programs with a key are no browsers.
fn same_site(request: &Request, caller: &Caller, https: bool) -> Result<(), Problem> {
    let headers = request.headers();
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let opens_socket = headers.contains_key(header::SEC_WEBSOCKET_KEY);
    if matches!(caller, Caller::Key { .. } | Caller::Socket) || (safe && !opens_socket) {
        return Ok(());
    }
    let cross = || Problem::forbidden("cross_site", "This request did not come from this page, so it was not done.");
    let from_here = match (fetch_site(headers), origin_is_host(request)) {
        // A WebSocket always carries its origin (RFC 6455 10.2).
        (_, None) if opens_socket => false,
        (None, None) => false,
        (site, origin) => site.unwrap_or(true) && origin.unwrap_or(true),
    };
    if !from_here {
        return Err(cross());
    }
    let Caller::Session { .. } = caller else { return Ok(()) };
    if safe || has_csrf(headers, https) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "csrf",
        "The word that proves this request comes from this page is missing or old: load the page again.",
    ))
}

/// What the browser says about where the request comes from (Fetch Metadata, W3C).
fn fetch_site(headers: &HeaderMap) -> Option<bool> {
    let site = headers.get("sec-fetch-site")?;
    Some(site == "same-origin" || site == "none")
}

/// Whether the origin is the host that the request names, which [`hosts`] has found to be ours.
fn origin_is_host(request: &Request) -> Option<bool> {
    let origin = request.headers().get(header::ORIGIN)?;
    let origin = origin.to_str().ok().and_then(|o| o.strip_prefix("http://").or_else(|| o.strip_prefix("https://")));
    Some(origin.zip(host(request)).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(&host)))
}

fn has_csrf(headers: &HeaderMap, https: bool) -> bool {
    let given = headers.get("x-csrf-token").and_then(|t| t.to_str().ok());
    let token = cookie_token(headers, https);
    given.zip(token).is_some_and(|(given, token)| {
        // Hashes compare in constant time, strings do not.
        blake3::hash(given.as_bytes()) == blake3::hash(secrets::csrf(token).as_bytes())
    })
}

/// The limit for attempts to sign in, by the address they come from.
pub(crate) fn within(gate: &Wiring, address: IpAddr) -> Result<(), Problem> {
    let now = (gate.clock)();
    let who = Counted::Login(Network::of(address));
    gate.access.0.limits.take(who, crate::access::limits::LOGINS_PER_MINUTE, now.mono_ms).map_err(Problem::too_many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_ours() {
        let names = ["meerkat.local".to_owned()];
        for ours in [
            "localhost",
            "LOCALHOST:8780",
            "127.0.0.1:8780",
            "[::1]:8780",
            "[::1]",
            "192.168.1.2",
            "Meerkat.local:80",
            "meerkat.local.",
        ] {
            assert!(is_ours(ours, &names), "{ours}");
        }
        for other in [
            "evil.example",
            "localhost.evil.example:8780",
            "[::1.evil.example]",
            "",
            "127.0.0.1.evil.example",
            "[",
            "meerkat.local.evil",
        ] {
            assert!(!is_ours(other, &names), "{other}");
        }
    }
}
