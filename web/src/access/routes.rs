//! Signing in and out, and the claim.

use axum::{
    Extension,
    extract::State,
    http::{Extensions, HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use meerkat_protocols::wishes::{Account, person_name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

use crate::{
    Wiring,
    access::{
        Role,
        accounts::{account_name, set_account},
        book::Access,
        door::{Caller, address, within},
        secrets::{self, MAX_PASSWORD_BYTES},
        sessions::Opened,
    },
    extract::Body,
    problem::Problem,
};

const COOKIE: &str = "meerkat_session";
/// Browsers accept this name only with Secure, Path=/ and no Domain (RFC 6265bis, 4.1.3.2).
const SECURE_COOKIE: &str = "__Host-meerkat_session";

/// How a browser stands with this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionState {
    /// There is no admin yet: the link on the node's terminal makes one.
    Unclaimed,
    SignedOut,
    SignedIn,
}

/// How a browser stands with this node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct SessionView {
    pub(crate) state: SessionState,
    pub(crate) name: Option<String>,
    pub(crate) role: Option<Role>,
    /// To be sent as `X-CSRF-Token` with every change.
    pub(crate) csrf: Option<String>,
    /// What this node is called.
    pub(crate) node_name: String,
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    #[schema(max_length = 40)]
    pub(crate) name: String,
    #[schema(format = Password, max_length = 512)]
    pub(crate) password: String,
}

/// The one-time token from the terminal, and who the first admin shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    pub(crate) token: String,
    /// 1 to 40 characters.
    #[schema(min_length = 1, max_length = 40)]
    pub(crate) name: String,
    /// At least 8 characters.
    #[schema(format = Password, min_length = 8, max_length = 512)]
    pub(crate) password: String,
}

/// A new claim link, for the control socket.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ClaimLink {
    /// To be appended to the page's address: `#claim=` and the token.
    pub(crate) url_fragment: String,
}

/// The session token among a request's cookies.
pub(crate) fn cookie_token(headers: &HeaderMap, https: bool) -> Option<&str> {
    let wanted = if https { SECURE_COOKIE } else { COOKIE };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|h| h.to_str().ok());
    cookies.flat_map(|h| h.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then_some(value)
    })
}

fn set_cookie(token: &str, https: bool) -> HeaderValue {
    let (name, secure) = if https { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
    let value = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&value).expect("a token is base32 text")
}

fn clear_cookie(https: bool) -> HeaderValue {
    let (name, secure) = if https { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
    let value = format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}");
    HeaderValue::from_str(&value).expect("plain text")
}

impl Access {
    /// Hashes on a thread of its own, one password at a time.
    pub(super) async fn hashed<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let _one_at_a_time = self.0.hashing.acquire().await.map_err(|_| Problem::unavailable())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::fault("password hashing stopped"))
    }

    /// Checks name and password and opens a session.
    async fn sign_in(&self, given: Credentials, replaces: Option<[u8; 32]>) -> Result<Opened, Problem> {
        let password = Zeroizing::new(given.password);
        let wrong =
            || Problem::new(StatusCode::UNAUTHORIZED, "wrong_credentials", "The name or the password is not right.");
        self.accounts_came().await;
        let user = self.user(&given.name)?;
        let counted = *blake3::hash(person_name(&given.name).to_lowercase().as_bytes()).as_bytes();
        let now_ms = || (self.0.clock)().mono_ms;
        self.0.limits.account_waits(&counted, now_ms()).map_err(Problem::too_many)?;
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(wrong());
        }
        let kept = user.as_ref().map(|user| user.password.clone());
        let right = self.hashed(move || secrets::is_password(&password, kept.as_deref())).await?;
        let Some(user) = user.filter(|_| right) else {
            self.0.limits.account_failed(counted, now_ms());
            return Err(wrong());
        };
        self.0.limits.account_succeeded(&counted);
        self.open_session(&user.name, replaces)
    }

    /// Checks the password of somebody who is signed in, under the same limit as at the door: a browser left open must
    /// not be a place to guess it.
    pub(super) async fn check_own(&self, given: Zeroizing<String>, name: &str, kept: String) -> Result<(), Problem> {
        let counted = *blake3::hash(name.to_lowercase().as_bytes()).as_bytes();
        let now_ms = || (self.0.clock)().mono_ms;
        self.0.limits.account_waits(&counted, now_ms()).map_err(Problem::too_many)?;
        let short = given.len() <= MAX_PASSWORD_BYTES;
        if short && self.hashed(move || secrets::is_password(&given, Some(&kept))).await? {
            self.0.limits.account_succeeded(&counted);
            return Ok(());
        }
        self.0.limits.account_failed(counted, now_ms());
        let detail = "This is not the password until now.";
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_password", detail).field("old"))
    }

    /// Makes the admin that the token's holder asks for. With an account of that name the password becomes the new one,
    /// and every session of it ends.
    async fn claim(&self, wiring: &Wiring, given: Claim) -> Result<Opened, Problem> {
        let password = Zeroizing::new(given.password);
        self.with(|_| ())?;
        if !self.is_claim(&given.token) {
            let detail = "This link does not count any more. `meerkat admin claim` on the node prints a new one.";
            return Err(Problem::forbidden("claim_token", detail));
        }
        let name = account_name(&given.name)?;
        let hash = self.kept_password(password).await?;

        let _one_at_a_time = self.0.changing.lock().await;
        let name = self.user(&name)?.map_or(name, |user| user.name);
        // Used up before it is written: two who hold the link at once are not both let in.
        if !self.use_claim(&given.token) {
            return Err(Problem::forbidden("claim_token", "Somebody else has just used this link."));
        }
        let account = Account { role: Role::Admin.word().to_owned(), hash };
        if let Err(problem) = set_account(wiring, &name, account).await {
            // It was not done, so the link still counts.
            *self.claim_slot() = secrets::hash(secrets::Purpose::Claim, &given.token);
            return Err(problem);
        }
        self.open_session(&name, None)
    }
}

pub(super) fn signed_in(wiring: &Wiring, status: StatusCode, opened: &Opened) -> Response {
    let view = SessionView {
        state: SessionState::SignedIn,
        name: Some(opened.name.clone()),
        role: Some(opened.role),
        csrf: Some(secrets::csrf(&opened.token)),
        node_name: wiring.machine.node_name.clone(),
    };
    let cookie = set_cookie(&opened.token, wiring.machine.https);
    let mut response = (status, [(header::SET_COOKIE, cookie)], Body(view)).into_response();
    response.extensions_mut().insert(crate::audit::TurnedOut(opened.name.clone()));
    response
}

/// The operations around sessions.
pub(crate) fn session_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(session, sign_in, sign_out)).routes(routes!(claim))
}

/// Who is signed in here.
#[utoipa::path(get, path = "/api/v1/session", tag = "access", responses((status = 200, body = SessionView)))]
async fn session(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Body<SessionView>, Problem> {
    let claimed = wiring.access.is_claimed().ok_or_else(Problem::checking)?;
    let node_name = wiring.machine.node_name.clone();
    let state = if claimed { SessionState::SignedOut } else { SessionState::Unclaimed };
    let out = SessionView { state, name: None, role: None, csrf: None, node_name };
    Ok(Body(match caller {
        Caller::Session { name, role, .. } => SessionView {
            state: SessionState::SignedIn,
            name: Some(name),
            role: Some(role),
            csrf: cookie_token(&headers, wiring.machine.https).map(secrets::csrf),
            ..out
        },
        Caller::Key { role, .. } => SessionView { state: SessionState::SignedIn, role: Some(role), ..out },
        Caller::Socket => SessionView { state: SessionState::SignedIn, role: Some(Role::Admin), ..out },
        Caller::Nobody => out,
    }))
}

/// Signs in and sets the session cookie. At most 5 attempts a minute from one address.
#[utoipa::path(post, path = "/api/v1/session", tag = "access", request_body = Credentials, responses(
    (status = 200, body = SessionView, headers(("Set-Cookie" = String))),
    (status = 401, description = "`wrong_credentials`", body = Problem, content_type = "application/problem+json"),
))]
async fn sign_in(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    extensions: Extensions,
    Body(given): Body<Credentials>,
) -> Result<Response, Problem> {
    within(&wiring, address(&extensions))?;
    let replaces = if let Caller::Session { hash, .. } = caller { Some(hash) } else { None };
    let opened = wiring.access.sign_in(given, replaces).await?;
    Ok(signed_in(&wiring, StatusCode::OK, &opened))
}

/// Signs out: the session ends.
#[utoipa::path(delete, path = "/api/v1/session", tag = "access",
    responses((status = 204, description = "Signed out.")))]
async fn sign_out(State(wiring): State<Wiring>, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    if let Caller::Session { hash, .. } = caller {
        wiring.access.close_session(&hash)?;
    }
    let cookie = clear_cookie(wiring.machine.https);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Makes the first admin by the one-time token that the node's terminal shows, and signs them in.
#[utoipa::path(post, path = "/api/v1/claim", tag = "access", request_body = Claim, responses(
    (status = 201, body = SessionView, headers(("Set-Cookie" = String))),
    (status = 403, description = "`claim_token`: used, replaced or never issued; `cross_site`", body = Problem,
        content_type = "application/problem+json"),
    (status = 409, description = "`too_many_accounts`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn claim(
    State(wiring): State<Wiring>,
    extensions: Extensions,
    Body(given): Body<Claim>,
) -> Result<Response, Problem> {
    within(&wiring, address(&extensions))?;
    let opened = wiring.access.claim(&wiring, given).await?;
    Ok(signed_in(&wiring, StatusCode::CREATED, &opened))
}

/// A new claim link, for the control socket alone.
pub(crate) async fn claim_by_socket(State(wiring): State<Wiring>) -> Result<(StatusCode, Body<ClaimLink>), Problem> {
    wiring.access.with(|_| ())?;
    let token = wiring.access.issue_claim().map_err(|_| Problem::fault("the operating system gives no randomness"))?;
    Ok((StatusCode::CREATED, Body(ClaimLink { url_fragment: token.url_fragment() })))
}
