//! How the stored data is kept: its key.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

/// `unlock`.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
Examples:
  meerkat unlock
  pass show meerkat | meerkat unlock

The pass-phrase is asked for, or read from standard input: never given as an argument, which others could see.")]
pub struct Unlock {
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `key`.
#[derive(Debug, Clone, Subcommand)]
pub enum Key {
    /// Say how the key of the stored data is kept, and what that protects from
    Status(Output),
    /// Keep the key in another way
    #[command(after_help = "\
Examples:
  meerkat key mode pass-phrase
  meerkat key mode member
  meerkat key mode beside

beside       the key lies beside the data: no protection from theft of the memory card
pass-phrase  somebody gives it after each start; until then every call rings
member       other nodes of the household give it out after each start, until this node is removed; until then every
             call rings")]
    Mode {
        /// In which way
        mode: KeyModeWord,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Replace the data key: all values are sealed anew, while calls are screened
    Rotate {
        /// Return at once instead of showing how far it is
        #[arg(long)]
        no_wait: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// `backup`.
#[derive(Debug, Clone, Subcommand)]
pub enum Backup {
    /// Write everything this node has saved into one file, which only the pass-phrase opens
    #[command(after_help = "\
Examples:
  meerkat backup create attic.age
  pass show meerkat-backup | meerkat backup create --to /mnt/usb

The file is in the age format: `age -d` opens it too. Nobody can get the pass-phrase back for you.")]
    #[command(group(clap::ArgGroup::new("where").required(true).args(["file", "to"])))]
    Create {
        /// The file to write
        file: Option<PathBuf>,
        /// A folder to write a file into that is named by the moment
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Say which backups the node makes by itself, or plan them
    #[command(after_help = "\
Examples:
  meerkat backup plan
  meerkat backup plan --every week --to /mnt/usb/meerkat --keep 8
  meerkat backup plan --every never

The pass-phrase is asked for the first time, and with --pass-phrase. It is not kept: what is kept opens these files alone.
A missed time is made up for; the oldest backup makes room once the newest was read back whole.")]
    Plan {
        /// How often
        #[arg(long)]
        every: Option<EveryWord>,
        /// The folder, its whole path; its disk is to be there now
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        /// How many are kept
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=52))]
        keep: Option<u8>,
        /// Ask for a new pass-phrase
        #[arg(long)]
        pass_phrase: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Make the planned backup now
    Now(Output),
    /// Put a backup in the place of what this node has saved; what was there is moved aside
    #[command(after_help = "\
Examples:
  meerkat backup restore attic.age --as same
  meerkat backup restore attic.age --as new

same  the node that made the backup goes on here. Only if that one is gone for good: two of one node are noticed and shut out
new   this node keeps keys of its own and takes over calls, lists and settings

A wrong pass-phrase or a damaged file changes nothing.")]
    Restore {
        /// The file
        file: PathBuf,
        /// As whom the node goes on
        #[arg(long = "as", value_name = "WHO")]
        as_whom: RestoreAsWord,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// How often a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EveryWord {
    /// Never by itself.
    Never,
    /// Once a day.
    Day,
    /// Once a week.
    Week,
    /// Once in thirty days.
    Month,
}

/// As whom a node goes on with a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestoreAsWord {
    /// The node that made it.
    Same,
    /// A new node.
    New,
}

/// `audit`.
#[derive(Debug, Clone, Subcommand)]
pub enum Audit {
    /// List what people and nodes changed, newest first
    List {
        /// How many lines
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Another node's log, by the node's number
        #[arg(long)]
        node: Option<u8>,
        /// Only what this person, key or node did: a part of the name
        #[arg(long)]
        who: Option<String>,
        /// Only what begins so: `lists`, `key.release`
        #[arg(long)]
        what: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Go through the logs of all nodes and find the first line that is not as it was written; ends with 1 if one is
    Verify(Output),
}

/// In which way the key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyModeWord {
    /// Beside the data.
    Beside,
    /// Under a pass-phrase.
    PassPhrase,
    /// With other nodes of the household.
    Member,
}
