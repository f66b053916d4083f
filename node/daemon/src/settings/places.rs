//! Where settings and data are, unless told otherwise.

use std::{
    collections::BTreeMap,
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::Flags;

/// The variable that names the settings file.
pub(super) const CONFIG_VARIABLE: &str = "MEERKAT__CONFIG";

/// What the node finds around itself when it starts.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Whether it runs as root: then it is a service of the machine, else a program of a person.
    pub root: bool,
    /// The machine's name.
    pub host_name: String,
    /// The variables of the environment.
    pub variables: BTreeMap<String, String>,
    /// The folder of the machine's settings.
    pub etc: PathBuf,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            root: rustix::process::geteuid().is_root(),
            host_name: if host_name.is_empty() { "meerkat".into() } else { host_name },
            variables: env::vars_os().filter_map(text).collect(),
            etc: PathBuf::from("/etc"),
        }
    }

    /// A folder by the XDG base directory specification: the variable if it is an absolute path, else `below` the home.
    fn xdg(&self, variable: &str, below: &str) -> Option<PathBuf> {
        let absolute = |name: &str| self.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(variable).or_else(|| Some(absolute("HOME")?.join(below))).map(|folder| folder.join("meerkat"))
    }
}

/// Where the data is unless told otherwise: `/var/lib/meerkat` for root, `~/.local/share/meerkat` for a person.
pub(super) fn default_data(around: &Surroundings) -> PathBuf {
    let own = if around.root { None } else { around.xdg("XDG_DATA_HOME", ".local/share") };
    own.unwrap_or_else(|| PathBuf::from("/var/lib/meerkat"))
}

/// The settings file: the one that was named, whether it exists or not; else the first that exists.
///
/// A data folder that was named comes first, so that a second node on a machine can have settings of its own.
pub(super) fn config_file(flags: &Flags, around: &Surroundings) -> Option<PathBuf> {
    let variable = |name: &str| around.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = flags.config.clone().or_else(|| variable(CONFIG_VARIABLE)) {
        return Some(named);
    }
    let named_data = flags.data.clone().or_else(|| variable("MEERKAT__DATA"));
    let machine = around.root.then(|| around.etc.join("meerkat"));
    let own = around.xdg("XDG_CONFIG_HOME", ".config");
    let folders = [named_data, machine, own, Some(default_data(around))];
    // Links are followed; a file that exists but cannot be read is still the one meant.
    folders.into_iter().flatten().map(|folder| folder.join("config.toml")).find(|path| path.exists())
}

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the data folder {} cannot be {what} ({cause}): {remedy}", path.display())]
pub struct DataFault {
    /// Which folder.
    pub path: PathBuf,
    what: &'static str,
    cause: io::Error,
    remedy: &'static str,
}

/// Creates the data folder, for its owner's eyes only, and checks that one can write in it.
///
/// # Errors
/// [`DataFault`] says what is in the way and what to do; the program ends with
/// [`Exit::CannotCreate`](crate::cli::Exit::CannotCreate).
pub fn prepare_data(path: &Path) -> Result<(), DataFault> {
    let fault = |what, cause: io::Error| {
        let remedy = match cause.kind() {
            io::ErrorKind::PermissionDenied => "give it to the user that runs meerkat, or name another with --data",
            io::ErrorKind::StorageFull => "free some space on that disk, or name another folder with --data",
            io::ErrorKind::ReadOnlyFilesystem => "that disk is mounted read-only: name another folder with --data",
            _ => "name another folder with --data",
        };
        DataFault { path: path.to_owned(), what, cause, remedy }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|cause| fault("created", cause))?;
    let probe = path.join(format!(".writable-{}", std::process::id()));
    fs::write(&probe, b"").map_err(|cause| fault("written to", cause))?;
    fs::remove_file(&probe).map_err(|cause| fault("written to", cause))
}
