//! The command line: what can be typed, and with which code the program ends.

mod exit;
mod household;
mod keeping;
mod meeting;
mod numbers;
mod wishes;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::settings::Flags;

use exit::EXITS;
pub use exit::Exit;
pub use household::{Deed, Household, RoleOf};
pub use keeping::{Audit, Backup, EveryWord, Key, KeyModeWord, RestoreAsWord, Unlock};
pub use meeting::{Invite, Join, Meet};
pub use numbers::{Import, Imports, Number};
pub use wishes::{Account, AccountRole, Alarms, AlarmsDeed, People, PeopleDeed, Quiet, QuietDeed, Switch};

/// Screens calls before they ring and learns from neighbours.
#[derive(Debug, Parser)]
#[command(name = "meerkat", version, after_help = EXITS, propagate_version = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// Which node is meant.
    #[command(flatten)]
    pub which: Which,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which node is meant.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
    /// The folder with everything the node keeps [default: ~/.local/share/meerkat, for root /var/lib/meerkat]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The settings file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The control socket of the running node [default: meerkat.sock in the data folder]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the node and keep it running
    Up(Up),
    /// Say how the node is
    Status(Output),
    /// List the nodes that this one is connected to
    Peers(Output),
    /// Ask a neighbour's node whether it is there, which way, and how fast
    Ping(Ping),
    /// List the last calls, newest first
    Calls(Calls),
    /// Say what would happen if a number called, and why
    Check {
        /// The number, in any spelling
        number: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Tell neighbours what a caller is, or take it back
    Report(Report),
    /// Show and change the numbers you allow and block
    #[command(subcommand)]
    List(List),
    /// The address book: who is in it always rings
    People(People),
    /// Quiet hours, in which only callers you know ring
    Quiet(Quiet),
    /// Import a list of unwanted numbers that others published
    Import(Import),
    /// Print or erase what is kept about a number
    #[command(subcommand)]
    Number(Number),
    /// Vouch for a neighbour's home, so that its reports count here
    Vouch(Vouch),
    /// Invite a neighbour's home: by text, QR code or short code
    Invite(Invite),
    /// Join a neighbour's home by its invite
    Join(Join),
    /// The nodes of this home: show them, let one in, take one out
    Household(Household),
    /// List the nodes on this network
    Nearby(Output),
    /// Meet a node on this network by comparing four words
    Meet(Meet),
    /// Write to a neighbour: `meerkat message Anna "The parcel is with us."`
    Message(Message),
    /// Show the messages exchanged with neighbours
    Messages(Messages),
    /// About this node
    #[command(subcommand)]
    Node(Node),
    /// About the people who may use the page
    #[command(subcommand)]
    Admin(Admin),
    /// The accounts of the page, the same on all nodes of the home
    #[command(subcommand)]
    Account(Account),
    /// What needs attention, and who has seen it
    Alarms(Alarms),
    /// Keys for programs that use the API
    #[command(subcommand)]
    ApiKey(ApiKey),
    /// Give a locked node the pass-phrase of its data
    Unlock(Unlock),
    /// The key of the stored data: how it is kept, and replacing it
    #[command(subcommand)]
    Key(Key),
    /// Everything the node has saved, in one file, and back
    #[command(subcommand)]
    Backup(Backup),
    /// What people and nodes changed
    #[command(subcommand)]
    Audit(Audit),
    /// About the settings
    #[command(subcommand)]
    Config(Config),
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Output {
    /// Print JSON, as the API gives it
    #[arg(long)]
    pub json: bool,
}

/// `up`.
#[derive(Debug, Clone, Default, Args)]
pub struct Up {
    /// Where the page is served [default: 127.0.0.1:8780]
    #[arg(long, value_name = "ADDR:PORT")]
    pub web: Option<SocketAddr>,
    /// An address to await peers at, instead of those in the settings; may be repeated
    #[arg(long, value_name = "MULTIADDR", value_parser = listen)]
    pub listen: Vec<String>,
    /// A peer to connect to, instead of those in the settings; may be repeated
    #[arg(long, value_name = "MULTIADDR", value_parser = peer)]
    pub peer: Vec<String>,
}

fn listen(text: &str) -> Result<String, meerkat_network::BadAddress> {
    meerkat_network::check_listen(text).map(|()| text.to_owned())
}

fn peer(text: &str) -> Result<String, meerkat_network::BadAddress> {
    meerkat_network::check_peer(text).map(|()| text.to_owned())
}

/// `ping`.
#[derive(Debug, Clone, Args)]
#[command(after_help = PINGS)]
pub struct Ping {
    /// What you call the neighbour, or the beginning of the home's name or of the node's id
    pub peer: String,
    /// How often, a second apart; 60 with --until-direct
    #[arg(
        long,
        default_value_t = 1,
        default_value_if("until_direct", "true", "60"),
        value_parser = clap::value_parser!(u32).range(1..=3_600)
    )]
    pub count: u32,
    /// Stop as soon as it answers directly, without a relay
    #[arg(long)]
    pub until_direct: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// For `ping --help`.
const PINGS: &str = "\
Examples:
  meerkat ping Ana
  meerkat ping Ana --until-direct

Ends with 0 after an answer, 69 if there was none, 1 if --until-direct was not reached.";

/// `calls`.
#[derive(Debug, Clone, Args)]
pub struct Calls {
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only calls from this number
    #[arg(long)]
    pub number: Option<String>,
    /// Only calls that this node screened, by its number in the home
    #[arg(long)]
    pub node: Option<u8>,
    /// Only calls that were decided so
    #[arg(long)]
    pub verdict: Option<VerdictWord>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerdictWord {
    /// It rang.
    Allow,
    /// It rang, marked as suspicious.
    Challenge,
    /// It did not ring.
    Block,
}

/// `report`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["category", "retract"])))]
pub struct Report {
    /// The number, in any spelling
    pub number: String,
    /// What the caller is
    #[arg(long = "as", value_name = "CATEGORY")]
    pub category: Option<CategoryWord>,
    /// Take your report back
    #[arg(long)]
    pub retract: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CategoryWord {
    /// Unwanted.
    Spam,
    /// Fraud.
    Scam,
    /// A recording.
    Robocall,
    /// Sells something.
    Telemarketer,
    /// Wrongly suspected.
    Legit,
}

/// `list`.
#[derive(Debug, Clone, Subcommand)]
pub enum List {
    /// Show all entries
    Show {
        /// Only entries of this standing
        #[arg(long)]
        standing: Option<StandingWord>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Always let a number ring
    Allow(Entry),
    /// Never let a number ring
    Block(Entry),
    /// Change the label or notes of an entry
    Label(Entry),
    /// Remove an entry
    Remove {
        /// The number, or a pattern such as +4930*
        subject: String,
    },
}

/// What a list says about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StandingWord {
    /// Nothing.
    Unknown,
    /// Let it ring.
    Allow,
    /// Do not let it ring.
    Block,
}

/// An entry of the lists.
#[derive(Debug, Clone, Args)]
pub struct Entry {
    /// The number in any spelling, or a pattern such as +4930*
    pub subject: String,
    /// A name for it; what is not given stays as it is
    #[arg(long)]
    pub label: Option<String>,
    /// Anything else
    #[arg(long)]
    pub notes: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `vouch`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["card", "remove", "list"])))]
pub struct Vouch {
    /// The card that the neighbour's `meerkat node info` shows
    #[arg(requires = "name")]
    pub card: Option<String>,
    /// What you call the neighbour
    #[arg(long, requires = "card")]
    pub name: Option<String>,
    /// No longer vouch for this home
    #[arg(long, value_name = "HOME")]
    pub remove: Option<String>,
    /// List the homes you vouch for
    #[arg(long)]
    pub list: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `message`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["text", "undo"])))]
pub struct Message {
    /// What you call the neighbour, or the beginning of the home's own name
    pub neighbour: String,
    /// What to say, at most 2,000 bytes; only that neighbour's node can read it
    pub text: Option<String>,
    /// Take back a message that has not left yet
    #[arg(long, value_name = "ID")]
    pub undo: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `messages`.
#[derive(Debug, Clone, Args)]
pub struct Messages {
    /// Show those with this neighbour, and count them as read (not with --json)
    #[arg(long, value_name = "NEIGHBOUR")]
    pub with: Option<String>,
    /// How many, the newest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=2_000), requires = "with")]
    pub limit: u32,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `node`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Node {
    /// Show identity, card, platform and capabilities
    Info(Output),
}

/// `admin`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Admin {
    /// Print a link by which the page's first, or a forgetful, admin gets in; it works once
    Claim(Output),
}

/// `api-key`.
#[derive(Debug, Clone, Subcommand)]
pub enum ApiKey {
    /// Make a key; it is shown this once
    Create {
        /// What the key is for
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long)]
        role: RoleWord,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// List the keys, without their secrets
    List(Output),
    /// Withdraw a key
    Delete {
        /// The key's id, as `api-key list` shows it
        id: String,
    },
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// Look numbers up, for phone apps.
    Lookup,
    /// Read.
    Viewer,
    /// Also report callers and change the lists.
    Member,
    /// Also vouch and change the home's settings.
    Moderator,
    /// Everything.
    Admin,
}

/// `config`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Config {
    /// Show the settings in force, and the mistakes in them
    Show {
        /// Also show where each value comes from
        #[arg(long)]
        origin: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// The word of a value as the API spells it.
pub(crate) fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl Which {
    /// What the command line says about settings, for commands other than `up`.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags { data: self.data.clone(), config: self.config.clone(), ..Flags::default() }
    }
}

impl Up {
    /// What the command line says about settings.
    #[must_use]
    pub fn flags(&self, which: &Which) -> Flags {
        Flags { web: self.web, listen: self.listen.clone(), peers: self.peer.clone(), ..which.flags() }
    }
}

/// Reads the command line. Help and version are printed and end well; anything that cannot be understood is said on
/// stderr.
///
/// # Errors
/// The code to end with.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    Cli::try_parse_from(arguments).map_err(|error| {
        // A closed pipe behind `--help` is nobody's fault.
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

#[cfg(test)]
mod tests;
