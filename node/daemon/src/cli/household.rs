//! The nodes of one home: who is a member, who becomes one, who is one no more.

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

/// `household`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  meerkat household
  meerkat household invite --qr          on a node of the household
  meerkat household join 7K3MX-9QW2T     on the node that is to join
  meerkat household confirm 482913       on both, if both show these digits
  meerkat household remove garage

Whoever is let in sees everything that the household knows, and screens its calls.")]
pub struct Household {
    /// What to do; without it, the members are listed.
    #[command(subcommand)]
    pub deed: Option<Deed>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// What to do with the household.
#[derive(Debug, Clone, Subcommand)]
pub enum Deed {
    /// List the members, and who wants in
    List(Output),
    /// Make an invite for a node of this household: it works once, for ten minutes
    Invite {
        /// Also draw it as a QR code
        #[arg(long)]
        qr: bool,
        /// End the invite that is open
        #[arg(long, conflicts_with = "qr")]
        end: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Make this node a member of another household
    #[command(after_help = "\
Examples:
  meerkat household join 7K3MX-9QW2T --yes
  meerkat household join - < invite.txt

Calls and lists of this node come along. Its vouches, reports, messages and settings stay behind.
Ends with 0 once it is a member, 65 if it came to nothing.")]
    Join {
        /// The invite: its text, its short code, or - to read it from standard input
        invite: String,
        /// How this node is called there [default: its name in the settings]
        #[arg(long)]
        name: Option<String>,
        /// Leave behind what does not come along, without being asked
        #[arg(long)]
        yes: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Say that both nodes show these six digits; needed on both
    Confirm {
        /// The digits, as shown: 482913 or "482 913"
        digits: String,
        /// How the new node is called [default: as it calls itself]
        #[arg(long)]
        name: Option<String>,
        /// What the new node may do
        #[arg(long, value_name = "ROLE", default_value = "member")]
        role: RoleOf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Say that the digits differ, or that this node is not to come in
    Refuse {
        /// The digits of the node that wants in; without, this node's own joining is given up
        digits: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Name a member
    Name {
        /// Its name or number
        member: String,
        /// Its new name
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Say what a member may do
    Role {
        /// Its name or number
        member: String,
        /// An admin adds and removes members
        role: RoleOf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Remove a member for ever: it learns nothing new; what it has it keeps
    Remove {
        /// Its name or number
        member: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Draw a new key for what members say to each other
    Rekey(Output),
    /// Take this node out of its household: it starts anew as a home of its own
    Leave {
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleOf {
    /// Speaks, listens and agrees.
    Member,
    /// Adds and removes members too.
    Admin,
}
