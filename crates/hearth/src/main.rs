//! The household chatmail server: `hearth init` is the box's first process, `hearth serve` the mail server; both are
//! this one binary. This file only chooses between them.

mod cli;
mod commands;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use server::Host;

use cli::{Cli, Command, EXIT_TROUBLE};
use commands::{check, dns, invite, name, network_check, owner_file, pair, queue, serve, status, store};

fn main() -> ExitCode {
    let outcome = match command() {
        Command::Check { config, network: false, .. } => Ok(check::run(&config.path)),
        Command::Check { config, network: true, relay, json } => {
            network_check::run(&config.path, relay, json)
        }
        Command::Dns(arguments) => dns::run(&arguments),
        Command::Serve { config, appliance, owner_file } => {
            serve::run(&config.path, if appliance { Host::Appliance } else { Host::Machine }, owner_file)
        }
        Command::Status { config, json } => status::run(&config.path, json),
        Command::Pair { config } => pair::run(&config.path),
        Command::Invite(command) => invite::run(&command),
        Command::Name(command) => name::run(&command),
        Command::Queue(command) => queue::run(&command),
        Command::Store(command) => store::run(&command),
        Command::Init => init::run().map(|never| match never {}),
        Command::OwnerFile(command) => owner_file::run(&command),
        Command::Network { role, name, time } => {
            let roots = time.date_roots();
            let dates = |servers: &[_]| https_client::dates::dates(servers, roots.as_ref());
            init::run_network(role, &name, time.into(), dates).map(|never| match never {})
        }
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "hearth: {error:#}");
        ExitCode::from(EXIT_TROUBLE)
    })
}

/// The command to run: by name, or `init` when the kernel starts this binary under that name.
fn command() -> Command {
    let name = std::env::args_os().next();
    match name.as_deref().map(Path::new).and_then(Path::file_name) {
        Some(name) if name == "init" => Command::Init,
        _ => Cli::parse().command,
    }
}
