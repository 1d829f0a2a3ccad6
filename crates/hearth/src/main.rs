//! The household chatmail server: `hearth init` is the box's first process, `hearth serve` the mail server; both are
//! this one binary. This file only chooses between them.

mod appliance;
mod check;
mod cli;
mod clock;
mod config;
mod control;
mod entropy;
mod serve;
mod web;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, EXIT_TROUBLE};
use serve::Host;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check { config } => Ok(check::run(&config.path)),
        Command::Serve { config, appliance } => {
            serve::run(&config.path, if appliance { Host::Appliance } else { Host::Machine })
        }
        Command::Status { config, json } => control::status(&config.path, json),
        Command::Pair { config } => control::pair(&config.path),
        Command::Init => Err(anyhow::anyhow!("this build has no init yet")),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "hearth: {error:#}");
        ExitCode::from(EXIT_TROUBLE)
    })
}
