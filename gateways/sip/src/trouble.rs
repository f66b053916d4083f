//! What can keep the gateway from starting.

/// Why the gateway could not start: whose fault it is and what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Trouble {
    /// A setting is wrong.
    #[error("line `{line}`: `{field}` does not fit: {remedy}")]
    Setting {
        /// Which line.
        line: String,
        /// Which setting, as the file spells it.
        field: &'static str,
        /// What to write instead.
        remedy: String,
    },
    /// Two lines have one name.
    #[error("two lines are called `{0}`: give each a name of its own")]
    SameName(String),
}
