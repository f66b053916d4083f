//! The OpenAPI document, made from the code. Security and the errors that operations share come from the table of
//! roles, so the document cannot promise what the door does not keep.

use std::sync::OnceLock;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, LicenseBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema, Tag,
        path::Operation,
        schema::Components,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    access::{Need, TABLE},
    problem::Problem,
};

/// The name of the cookie's scheme.
const COOKIE: &str = "session";
/// The name of the API keys' scheme.
const BEARER: &str = "api_key";
/// Schemas with fields that need not be there.
const MAY_LACK_FIELDS: [&str; 4] = ["Problem", "EntryBody", "MessageBody", "HouseholdMemberBody"];
/// What operations are grouped by.
const TAGS: [(&str, &str); 11] = [
    ("access", "Signing in, the claim, API keys"),
    ("calls", "The call log"),
    ("numbers", "The home's lists and what is known about numbers"),
    ("imports", "Lists of numbers that others published"),
    ("reports", "Telling the neighbourhood"),
    ("mesh", "Peers and neighbours"),
    ("household", "The nodes of this home, and who becomes one"),
    ("messages", "Messages between neighbours' nodes, end to end"),
    ("system", "The node itself"),
    (
        "lookup",
        "Numbers for phone apps, in the form of the PhoneBlock API; keys of the role `lookup` reach nothing else",
    ),
    ("events", "What happens, through three doors"),
];

/// The document as it is served and committed: JSON, two spaces, a line break at the end.
///
/// # Panics
/// Never: the document is plain data.
#[must_use]
pub fn openapi_document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut text = complete(crate::routes::described()).to_pretty_json().expect("the document is plain data");
        text.push('\n');
        text
    })
}

fn complete(mut api: OpenApi) -> OpenApi {
    api.info.title = "Meerkat".into();
    api.info.description = Some(
        "The API of one node, as its page and programs use it. Errors are `application/problem+json` (RFC 9457). \
         Browsers sign in and send `X-CSRF-Token` with changes; programs send an API key."
            .into(),
    );
    api.info.version = "1".into();
    api.info.contact = None;
    api.info.license = Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build());
    api.tags = Some(TAGS.iter().map(|(name, words)| tag(name, words)).collect());
    let components = api.components.get_or_insert_with(Components::new);
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let cookie = ApiKeyValue::with_description("meerkat_session", "With HTTPS its name is `__Host-meerkat_session`.");
    components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    for (name, schema) in &mut components.schemas {
        if !MAY_LACK_FIELDS.contains(&name.as_str()) {
            require_all(schema);
        }
    }
    for (path, item) in &mut api.paths.paths {
        let operations =
            [("GET", &mut item.get), ("PUT", &mut item.put), ("POST", &mut item.post), ("DELETE", &mut item.delete)];
        for (method, operation) in operations {
            let need = TABLE.iter().find(|(m, p, _)| *m == method && p == path).map(|(_, _, need)| *need);
            if let Some((operation, need)) = operation.as_mut().zip(need) {
                finish(operation, method, need);
            }
        }
    }
    api
}

/// A field that may be null is written all the same: who reads it need not ask whether it is there.
fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => object.required = object.properties.keys().cloned().collect(),
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_all),
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(require_all),
        _ => {}
    }
}

fn tag(name: &str, words: &str) -> Tag {
    let mut tag = Tag::new(name);
    tag.description = Some(words.to_owned());
    tag
}

/// Adds what follows from the need: security, the role in words, the errors of the door.
fn finish(operation: &mut Operation, method: &str, need: Need) {
    let mut error = |status: &str, words: &str| {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| problem(words).into());
    };
    error("421", "`unknown_host`");
    error("429", "`too_many_requests`: `Retry-After` says when to try again");
    error("500", "`fault`, `unreadable_store`");
    error("503", "`unavailable`, `timeout`, `checking`");
    if method == "POST" || method == "PUT" {
        error("400", "`not_json`, `unreadable`");
        error("413", "`too_large`: a request may hold 64 KiB");
        error("415", "`not_json`");
        error("422", "A value is not possible; `field` names it");
    }
    let words = match need {
        Need::Public => {
            if method != "GET" {
                error("403", "`cross_site`");
            }
            operation.security = Some(vec![]);
            "Public.".to_owned()
        }
        Need::Socket => return,
        Need::At(role) => {
            error("401", "`signed_out`, `unknown_key`");
            error("403", "`role`, `cross_site`, `csrf`");
            let none: [String; 0] = [];
            operation.security =
                Some(vec![SecurityRequirement::new(COOKIE, none.clone()), SecurityRequirement::new(BEARER, none)]);
            format!("Needs the role `{}` or a higher one.", role.word())
        }
    };
    operation.description = Some(match operation.description.take().filter(|d| !d.is_empty()) {
        Some(text) => format!("{text}\n\n{words}"),
        None => words,
    });
}

fn problem(words: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    ResponseBuilder::new().description(words).content("application/problem+json", content).build()
}
