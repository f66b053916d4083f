//! Writes the OpenAPI document to `web/openapi.json`: `cargo run -p meerkat-web --example openapi`. The page's types are
//! made from that file, and a test compares it with the code.

fn main() -> std::io::Result<()> {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), meerkat_web::openapi_document())
}
