//! What the daemon prints for the person who started it: where the page is, and once the link that makes the first admin.

use std::io::{IsTerminal, Write};

use fast_qr::QRBuilder;

/// Prints the claim link with a QR code for the telephone's camera.
///
/// The token stands in the fragment of the URL, which browsers never send (RFC 9110, 4.2.5): it reaches no log.
pub(crate) fn claim(out: &mut impl Write, page: &str, fragment: &str) -> std::io::Result<()> {
    let link = format!("{page}/{fragment}");
    writeln!(out, "\nThis node has no admin yet. Open this link once to become it:\n\n  {link}\n")?;
    if std::io::stdout().is_terminal()
        && let Ok(code) = QRBuilder::new(link).build()
    {
        writeln!(out, "{}", code.to_str())?;
    }
    writeln!(out, "The link works once. `meerkat admin claim` makes a new one.\n")
}

/// Prints that everything runs. Programs that start a daemon wait for this line.
pub(crate) fn ready(out: &mut impl Write, page: &str, safe_mode: bool) -> std::io::Result<()> {
    if safe_mode {
        writeln!(out, "Some settings are wrong; the page says which and how to mend them.")?;
    }
    writeln!(out, "Meerkat is ready. Its page: {page}/")?;
    out.flush()
}

/// Prints that the node waits for its key, and where it is given.
pub(crate) fn locked(out: &mut impl Write, page: &str) -> std::io::Result<()> {
    writeln!(out, "Meerkat is locked: every call rings. Unlock it at {page}/ or with `meerkat unlock`.")?;
    out.flush()
}
