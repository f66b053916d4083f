//! The program `meerkat`: starts the daemon, or asks the running one.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use meerkat::{
    cli::{self, Cli, Command, Exit},
    commands, run,
};

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    match &cli.command {
        Command::Up(up) => start(&cli, up),
        _ => commands::execute(&cli).into(),
    }
}

/// Runs the daemon on two threads: everything that computes has threads of its own.
fn start(cli: &Cli, up: &cli::Up) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("meerkat: the system gives the node no threads: {why}");
            return Exit::Fault.into();
        }
    };
    match runtime.block_on(run::up(&up.flags(&cli.which))) {
        Ok(()) => Exit::Ok.into(),
        Err(why) => {
            eprintln!("meerkat: {why}");
            why.exit().into()
        }
    }
}
