//! With which code the program ends.

use std::process::ExitCode;

/// How the program ends. The numbers above 63 are those of sysexits(3), which scripts and service managers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or the node is well.
    Ok = 0,
    /// The node runs, but something needs attention: `status`, and `config show` with mistakes in the settings.
    Degraded = 1,
    /// The node does not run, or does not work.
    Down = 2,
    /// The command line cannot be understood.
    Usage = 64,
    /// The node refused what was asked: no such number, entry, home or key.
    Refused = 65,
    /// A file that was named cannot be read.
    NoInput = 66,
    /// Something that is needed is taken or does not answer: a port, a busy node. Try again.
    Unavailable = 69,
    /// A fault of the program.
    Fault = 70,
    /// The data folder cannot be created or written to.
    CannotCreate = 73,
    /// Another daemon uses the data folder.
    InUse = 75,
    /// Another user's node, or one that asks for more rights.
    NotAllowed = 77,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// For `--help`.
pub(super) const EXITS: &str = "\
Exit codes:
   0  done; `status`: the node is well
   1  the node runs, but something needs attention
   2  the node does not run
  64  the command line cannot be understood
  65  the node refused what was asked, and says why
  66  a file that was named cannot be read
  69  something is taken or does not answer (a port, a busy node): try again
  70  a fault of the program
  73  the data folder cannot be created or written to
  75  another daemon uses the data folder
  77  the node belongs to another user

Settings are read from --config, else config.toml in the folder given with --data, /etc/meerkat (root), \
~/.config/meerkat or the data folder, whichever is found first. The environment (MEERKAT__WEB__LISTEN for [web] listen) \
overrides the file, flags override both: `meerkat config show --origin`.";
