//! Lists that others published, and what is kept about one number.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

/// `import`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Examples:
  meerkat import complaints.csv --name FTC --replace
  meerkat import list
  meerkat import undo FTC

A list is CSV in plain text: the FTC's complaints, one number a row, or a blocklist with ratings. Its numbers ring marked \
as suspicious and are blocked by no list alone. Bad rows are told by their line; the others are imported.")]
pub struct Import {
    /// What to do instead of importing a file.
    #[command(subcommand)]
    pub what: Option<Imports>,
    /// The file
    #[arg(required = true)]
    pub file: Option<PathBuf>,
    /// What to call the list [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// The country by which its numbers without country code are read, two letters [default: the home's]
    #[arg(long)]
    pub region: Option<String>,
    /// It is a newer version of the list that has this name
    #[arg(long)]
    pub replace: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// What to do with imported lists.
#[derive(Debug, Clone, Subcommand)]
pub enum Imports {
    /// List the imported lists
    List(Output),
    /// Take an imported list back, with all that it said
    Undo {
        /// Its name, as `import list` shows it
        name: String,
    },
}

/// `number`.
#[derive(Debug, Clone, Subcommand)]
#[command(after_help = "\
Examples:
  meerkat number export +4930901820 --json > record.json
  meerkat number erase +4930901820")]
pub enum Number {
    /// Print all that this home keeps about a number
    Export {
        /// The number, in any spelling
        number: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Erase its calls and its entry with label and notes, and take your report back
    Erase {
        /// The number, in any spelling
        number: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}
