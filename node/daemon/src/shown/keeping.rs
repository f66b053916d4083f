//! How the stored data is kept.

use serde_json::Value;

use super::{fields, long, number, text};

/// `key status` and `key mode`.
#[must_use]
pub(crate) fn key(key: &Value) -> String {
    let mut rows = vec![("Kept", text(key, "mode"))];
    if key.get("rotation").is_some_and(|rotation| !rotation.is_null()) {
        rows.push(("Replacing", rotation(key)));
    }
    format!("{}\n{}\n", fields(&rows), long(key, "words"))
}

/// How far a rotation is.
#[must_use]
pub(crate) fn rotation(key: &Value) -> String {
    let rotation = key.get("rotation").cloned().unwrap_or_default();
    format!("{} of {} values sealed anew", number(&rotation, "rows"), number(&rotation, "of"))
}

/// `key rotate`.
#[must_use]
pub(crate) fn rotated(key: &Value) -> String {
    if key.get("rotation").is_some_and(|rotation| !rotation.is_null()) {
        return format!("The key is being replaced: {}. `meerkat key status` says how far.\n", rotation(key));
    }
    "All values are sealed with a new key; the old one is gone.\n".into()
}
