//! Which role each operation needs. What is not in this table is refused; the OpenAPI document takes its security from
//! here, and a test asks every operation as every role.

use crate::access::Role;

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: anybody who reaches the page.
    Public,
    /// At least this role.
    At(Role),
    /// The control socket.
    Socket,
}

use Need::{At, Public, Socket};
use Role::{Admin, Lookup, Member, Moderator, Viewer};

/// Method, path, need.
pub(crate) const TABLE: &[(&str, &str, Need)] = &[
    ("GET", "/health", Public),
    ("GET", "/api/v1/openapi.json", Public),
    ("GET", "/api/v1/session", Public),
    ("POST", "/api/v1/session", Public),
    ("DELETE", "/api/v1/session", At(Viewer)),
    ("POST", "/api/v1/claim", Public),
    ("GET", "/api/v1/summary", At(Viewer)),
    ("GET", "/api/v1/calls", At(Viewer)),
    ("GET", "/api/v1/calls/stats", At(Viewer)),
    ("GET", "/api/v1/calls/{seq}", At(Viewer)),
    ("GET", "/api/v1/numbers", At(Viewer)),
    ("GET", "/api/v1/numbers/{number}", At(Viewer)),
    ("DELETE", "/api/v1/numbers/{number}", At(Moderator)),
    ("GET", "/api/v1/numbers/{number}/record", At(Viewer)),
    ("GET", "/api/v1/imports", At(Viewer)),
    ("DELETE", "/api/v1/imports/{id}", At(Moderator)),
    ("POST", "/api/v1/imports/uploads", At(Moderator)),
    ("DELETE", "/api/v1/imports/uploads/{upload}", At(Moderator)),
    ("PUT", "/api/v1/imports/uploads/{upload}/{offset}", At(Moderator)),
    ("POST", "/api/v1/imports/uploads/{upload}/finish", At(Moderator)),
    ("PUT", "/api/v1/lists/{subject}", At(Member)),
    ("DELETE", "/api/v1/lists/{subject}", At(Member)),
    ("GET", "/api/v1/people", At(Viewer)),
    ("PUT", "/api/v1/people/{number}", At(Member)),
    ("DELETE", "/api/v1/people/{number}", At(Member)),
    ("GET", "/api/v1/rules", At(Viewer)),
    ("PUT", "/api/v1/rules", At(Moderator)),
    ("POST", "/api/v1/alarms/seen", At(Member)),
    ("POST", "/api/v1/reports", At(Member)),
    ("DELETE", "/api/v1/reports/{number}", At(Member)),
    ("GET", "/api/v1/peers", At(Viewer)),
    ("POST", "/api/v1/peers/{peer}/ping", At(Viewer)),
    ("GET", "/api/v1/neighbours", At(Viewer)),
    ("GET", "/api/v1/neighbourhood", At(Viewer)),
    ("POST", "/api/v1/vouches", At(Moderator)),
    ("DELETE", "/api/v1/vouches/{home}", At(Moderator)),
    ("GET", "/api/v1/messages", At(Member)),
    ("GET", "/api/v1/messages/{home}", At(Member)),
    ("POST", "/api/v1/messages/{home}", At(Member)),
    ("DELETE", "/api/v1/messages/{home}", At(Member)),
    ("PUT", "/api/v1/messages/{home}/read", At(Member)),
    ("DELETE", "/api/v1/messages/{home}/{id}", At(Member)),
    // An invite lets somebody in: who may not answer for neighbours does not see it.
    ("GET", "/api/v1/invites", At(Moderator)),
    ("POST", "/api/v1/invites", At(Moderator)),
    ("DELETE", "/api/v1/invites/{id}", At(Moderator)),
    ("GET", "/api/v1/joins", At(Viewer)),
    ("POST", "/api/v1/joins", At(Moderator)),
    ("GET", "/api/v1/nearby", At(Viewer)),
    ("POST", "/api/v1/meetings", At(Moderator)),
    ("POST", "/api/v1/meetings/{peer}", At(Moderator)),
    ("GET", "/api/v1/contacts", At(Viewer)),
    ("GET", "/api/v1/household", At(Viewer)),
    // An invite of the household lets a node see everything: only who may let it in sees it.
    ("GET", "/api/v1/household/enrolment", At(Admin)),
    ("POST", "/api/v1/household/invite", At(Admin)),
    ("DELETE", "/api/v1/household/invite", At(Admin)),
    ("POST", "/api/v1/household/join", At(Admin)),
    ("DELETE", "/api/v1/household/join", At(Admin)),
    ("POST", "/api/v1/household/confirm", At(Admin)),
    ("POST", "/api/v1/household/refuse", At(Admin)),
    ("PUT", "/api/v1/household/members/{number}", At(Admin)),
    ("DELETE", "/api/v1/household/members/{number}", At(Admin)),
    ("POST", "/api/v1/household/rekey", At(Admin)),
    ("POST", "/api/v1/household/leave", At(Admin)),
    ("GET", "/api/v1/node", At(Viewer)),
    ("GET", "/api/v1/settings", At(Viewer)),
    ("PUT", "/api/v1/settings", At(Moderator)),
    ("GET", "/api/v1/config", At(Admin)),
    ("PUT", "/api/v1/session/password", At(Viewer)),
    ("GET", "/api/v1/accounts", At(Admin)),
    ("POST", "/api/v1/accounts", At(Admin)),
    ("PUT", "/api/v1/accounts/{name}", At(Admin)),
    ("DELETE", "/api/v1/accounts/{name}", At(Admin)),
    ("GET", "/api/v1/api-keys", At(Admin)),
    ("POST", "/api/v1/api-keys", At(Admin)),
    ("DELETE", "/api/v1/api-keys/{id}", At(Admin)),
    ("GET", "/api/v1/audit", At(Admin)),
    ("GET", "/api/v1/audit/verified", At(Admin)),
    ("POST", "/api/v1/backups", At(Admin)),
    ("PUT", "/api/v1/backups/restored", At(Admin)),
    ("GET", "/api/v1/backups/plan", At(Admin)),
    ("PUT", "/api/v1/backups/plan", At(Admin)),
    ("POST", "/api/v1/backups/plan/made", At(Admin)),
    ("GET", "/api/v1/key", At(Admin)),
    ("PUT", "/api/v1/key", At(Admin)),
    ("POST", "/api/v1/key/rotation", At(Admin)),
    ("GET", "/api/v1/events", At(Viewer)),
    ("GET", "/api/v1/events/stream", At(Viewer)),
    ("GET", "/api/v1/events/ws", At(Viewer)),
    ("GET", "/api/num/{number}", At(Lookup)),
    ("GET", "/api/check", At(Lookup)),
    ("GET", "/api/check-prefix", At(Lookup)),
    ("GET", "/api/blocklist", At(Lookup)),
    ("POST", "/api/v1/local/claim", Socket),
];

/// What the operation needs; `None` is in no table and refused. HEAD asks as GET does.
pub(crate) fn need(method: &str, path: &str) -> Option<Need> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE.iter().find(|(m, p, _)| *m == method && *p == path).map(|(_, _, need)| *need)
}

/// The methods that a path knows, for `Allow`.
pub(crate) fn methods(path: &str) -> String {
    let of = TABLE.iter().filter(|(_, p, _)| *p == path).map(|(method, _, _)| *method);
    of.flat_map(|m| if m == "GET" { vec!["GET", "HEAD"] } else { vec![m] }).collect::<Vec<_>>().join(", ")
}
