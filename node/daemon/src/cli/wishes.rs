//! What the people of a home share on all of its nodes: the address book, the accounts of the page, alarms and quiet hours.

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

/// `people`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  meerkat people
  meerkat people set \"030 901820\" \"Aunt Ana\"
  meerkat people remove \"030 901820\"

Whoever is in the address book always rings, on every node of the home.")]
pub struct People {
    /// What to do; without it, the address book is listed.
    #[command(subcommand)]
    pub deed: Option<PeopleDeed>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// What to do with the address book.
#[derive(Debug, Clone, Subcommand)]
pub enum PeopleDeed {
    /// List it
    List {
        /// Only names and numbers that hold this
        #[arg(long)]
        find: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Put a number under a name
    Set {
        /// The number, in any spelling
        number: String,
        /// Whose it is
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Take a number out
    Remove {
        /// The number, in any spelling
        number: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// `account`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = "\
Examples:
  meerkat account list
  meerkat account add Ana --role member
  pass show ana | meerkat account password Ana

Accounts are the same on all nodes of the home. A password is asked for, or read from standard input.")]
pub enum Account {
    /// List the accounts of the page
    List(Output),
    /// Make an account
    Add {
        /// Whose
        name: String,
        /// What it may do
        #[arg(long, value_name = "ROLE", default_value = "member")]
        role: AccountRole,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Say what an account may do
    Role {
        /// Whose
        name: String,
        /// What it may do
        role: AccountRole,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give an account a new password: its sessions end, on every node
    Password {
        /// Whose
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Take an account away: its sessions end, on every node
    Remove {
        /// Whose
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccountRole {
    /// Read.
    Viewer,
    /// Also report callers and change the lists.
    Member,
    /// Also vouch and change the home's settings.
    Moderator,
    /// Everything.
    Admin,
}

/// `alarms`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  meerkat alarms
  meerkat alarms seen failed_open@0
  meerkat alarms tell line_failing off")]
pub struct Alarms {
    /// What to do; without it, the alarms that stand are listed.
    #[command(subcommand)]
    pub deed: Option<AlarmsDeed>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// What to do about alarms.
#[derive(Debug, Clone, Subcommand)]
pub enum AlarmsDeed {
    /// List the alarms that stand, and who has seen them
    List(Output),
    /// Say that an alarm was seen; every node of the home shows it so
    Seen {
        /// As the list names it
        key: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Say whether alarms of a kind are told
    Tell {
        /// The kind, as the list names it
        kind: String,
        /// Whether
        told: Switch,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// `quiet`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  meerkat quiet
  meerkat quiet from 22:00 to 07:00
  meerkat quiet off

In quiet hours only callers you know ring: the address book, numbers you allowed, emergency and internal numbers, and
whoever calls again within a quarter of an hour. The hours go by the clock of this machine, or by `node.zone`.")]
pub struct Quiet {
    /// What to do; without it, the hours are shown.
    #[command(subcommand)]
    pub deed: Option<QuietDeed>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// What to do about quiet hours.
#[derive(Debug, Clone, Subcommand)]
pub enum QuietDeed {
    /// Show them
    Show(Output),
    /// Set them
    From {
        /// When they begin: 22:00
        from: String,
        /// `to`
        #[arg(value_parser = ["to"], hide_possible_values = true)]
        word: String,
        /// When they end: 07:00
        to: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Have none
    Off(Output),
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}
