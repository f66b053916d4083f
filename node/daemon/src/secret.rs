//! Secrets that a person types: without showing them, and never as an argument.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    process::{Command, Stdio},
};

use zeroize::Zeroizing;

/// Asks on the terminal; what is piped in is taken as it is.
pub(crate) fn ask(prompt: &str) -> io::Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        let mut words = Zeroizing::new(String::new());
        io::stdin().lock().take(1_024).read_to_string(&mut words)?;
        return Ok(trimmed(&words));
    }
    eprint!("{prompt}");
    io::stderr().flush()?;
    let _hidden = Hidden::new()?;
    let mut words = Zeroizing::new(String::new());
    io::stdin().lock().take(1_024).read_line(&mut words)?;
    eprintln!();
    Ok(trimmed(&words))
}

/// Asks twice on the terminal, so that nobody locks a door with a mistyped key.
pub(crate) fn ask_twice(prompt: &str) -> io::Result<Zeroizing<String>> {
    let words = ask(prompt)?;
    if io::stdin().is_terminal() && *ask("The same again: ")? != *words {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the two are not the same"));
    }
    Ok(words)
}

fn trimmed(words: &str) -> Zeroizing<String> {
    Zeroizing::new(words.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden;

impl Hidden {
    fn new() -> io::Result<Self> {
        echo("-echo")?;
        Ok(Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = echo("echo");
    }
}

/// Has `stty` (POSIX) change the terminal: the part of a binding that would be used here is these two words.
fn echo(word: &str) -> io::Result<()> {
    let ended = Command::new("stty").arg(word).stdin(Stdio::inherit()).status()?;
    if ended.success() { Ok(()) } else { Err(io::Error::other("the terminal cannot hide what is typed")) }
}
