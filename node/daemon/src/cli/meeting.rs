//! How homes meet: invites, joins, and nodes on one network.

use clap::Args;

use super::Output;

/// `invite`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("instead").args(["list", "revoke"])))]
#[command(after_help = "\
Examples:
  meerkat invite --name Anna --qr
  meerkat invite --expires 2h --no-vouch
  meerkat invite --list
  meerkat invite --revoke 4ot2…

Who has an invite can use it, once: hand it over like a key.")]
pub struct Invite {
    /// What you call the neighbour it is for
    #[arg(long, conflicts_with = "instead")]
    pub name: Option<String>,
    /// Also draw it as a QR code for the neighbour's camera
    #[arg(long, conflicts_with = "instead")]
    pub qr: bool,
    /// Do not vouch for who uses it
    #[arg(long, conflicts_with = "instead")]
    pub no_vouch: bool,
    /// For how long it works: 5m to 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = lifetime, conflicts_with = "instead")]
    pub expires: u32,
    /// List the invites
    #[arg(long)]
    pub list: bool,
    /// Take an invite back
    #[arg(long, value_name = "ID")]
    pub revoke: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `90m`, `24h`, `7d`: in seconds.
fn lifetime(text: &str) -> Result<u32, String> {
    let wrong = || "give a time such as 90m, 24h or 7d".to_owned();
    let split = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let unit_s = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    number
        .checked_mul(unit_s)
        .filter(|s| (300..=604_800).contains(s))
        .ok_or_else(|| "an invite works for 5 minutes (5m) to 7 days (7d)".to_owned())
}

/// `join`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  meerkat join meerkat:qgaycwbavpah… --name Ben
  meerkat join 7K3MX-9QW2T

The short code works between nodes on one network.")]
pub struct Join {
    /// The invite: its text, its short code, or - to read it from standard input
    pub invite: String,
    /// What you call the neighbour
    #[arg(long)]
    pub name: Option<String>,
    /// Do not vouch for the neighbour
    #[arg(long)]
    pub no_vouch: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `meet`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  meerkat nearby
  meerkat meet 12D3KooW…
  meerkat meet 12D3KooW… --same --name Anna

Both nodes show four words. Read them to each other; confirm on both sides only if they are the same.")]
pub struct Meet {
    /// The node, as `meerkat nearby` lists it
    pub peer: String,
    /// The four words are the same on both screens
    #[arg(long, conflicts_with = "different")]
    pub same: bool,
    /// The four words differ
    #[arg(long)]
    pub different: bool,
    /// What you call the neighbour
    #[arg(long, requires = "same")]
    pub name: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_within_their_bounds() {
        assert_eq!((lifetime("5m"), lifetime("24h"), lifetime("7d")), (Ok(300), Ok(86_400), Ok(604_800)));
        for wrong in ["", "4m", "8d", "24", "h", "-1h", "24ä", "99999999999d"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
