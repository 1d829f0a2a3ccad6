//! The household chatmail server: `hearth init` is the box's first process, `hearth serve` the mail server; both are
//! this one binary. This file only chooses between them.

mod appliance;
mod check;
mod cli;
mod clock;
mod config;
mod entropy;
#[expect(dead_code, reason = "the server that opens the door to it is next")]
mod web;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, EXIT_TROUBLE};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check { config } => Ok(check::run(&config.path)),
        Command::Serve { .. } | Command::Status { .. } | Command::Pair { .. } | Command::Init => {
            Err(anyhow::anyhow!("this build has no such command yet"))
        }
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "hearth: {error:#}");
        ExitCode::from(EXIT_TROUBLE)
    })
}
