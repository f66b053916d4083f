//! The page's files, compressed when the program was built: compressing while answering is 77 times slower.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::problem::Problem;

/// One file of the page.
pub(crate) struct Asset {
    /// Below `/`, without leading slash.
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    /// With its quotes.
    pub(crate) etag: &'static str,
    /// Whether its name changes whenever its content does.
    pub(crate) immutable: bool,
    pub(crate) identity: &'static [u8],
    pub(crate) gzip: Option<&'static [u8]>,
    pub(crate) brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The page itself, which shows whatever its own router makes of the path.
const INDEX: &str = "index.html";
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// Answers with a file of the page, or with the page itself for the addresses inside it.
pub(crate) fn serve(method: &Method, path: &str, headers: &HeaderMap) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Files can only be read.");
        return ([(header::ALLOW, "GET, HEAD")], problem).into_response();
    }
    let name = path.trim_start_matches('/');
    // Addresses inside the page have no dot in their last part; a missing file does.
    let in_page = !name.rsplit('/').next().unwrap_or(name).contains('.');
    let found = find(name).or_else(|| in_page.then(|| find(INDEX)).flatten());
    match found {
        Some(asset) => answer(asset, headers),
        None => Problem::not_found("There is no such file.").into_response(),
    }
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let keep = if asset.immutable { IMMUTABLE } else { REVALIDATE };
    let about = [
        (header::ETAG, HeaderValue::from_static(asset.etag)),
        (header::CACHE_CONTROL, keep),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    if knows(headers, asset.etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let (bytes, encoding) = choose(asset, headers);
    // For HEAD axum drops the body and keeps its length.
    let mut response = (about, Body::from(bytes)).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// Whether the browser holds this very content (RFC 9110 13.1.2: compared weakly).
fn knows(headers: &HeaderMap, etag: &str) -> bool {
    let held = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|h| h.to_str().ok());
    held.flat_map(|h| h.split(',')).map(str::trim).any(|h| h == "*" || h.trim_start_matches("W/") == etag)
}

/// The smallest form that the browser reads: brotli, gzip, as it is (RFC 9110 12.5.3).
fn choose(asset: &Asset, headers: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
    let forms = [("br", asset.brotli), ("gzip", asset.gzip)];
    let best = forms.into_iter().find_map(|(name, bytes)| bytes.filter(|_| accepts(headers, name)).map(|b| (b, name)));
    best.map_or((asset.identity, None), |(bytes, name)| (bytes, Some(name)))
}

fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|h| h.to_str().ok());
    codings.flat_map(|h| h.split(',')).any(|part| {
        let mut params = part.split(';').map(str::trim);
        let named = params.next().is_some_and(|name| name.eq_ignore_ascii_case(coding) || name == "*");
        let refused =
            params.any(|p| p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset() -> Asset {
        Asset {
            path: "a.js",
            content_type: "text/javascript",
            etag: "\"x\"",
            immutable: true,
            identity: b"identity",
            gzip: Some(b"gzip"),
            brotli: Some(b"br"),
        }
    }

    fn chosen(accept: &'static str) -> &'static [u8] {
        let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
        choose(&asset(), &headers).0
    }

    #[test]
    fn the_smallest_form_that_is_read_is_sent() {
        assert_eq!(chosen("gzip, deflate, br, zstd"), b"br");
        assert_eq!(chosen("gzip;q=1.0, br;q=0"), b"gzip");
        assert_eq!(chosen("identity"), b"identity");
        assert_eq!(chosen("*"), b"br");
        assert_eq!(choose(&asset(), &HeaderMap::new()).0, b"identity");
    }
}
