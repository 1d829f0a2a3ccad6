//! `hearth serve`: reads the configuration and runs the server with it.

use std::path::Path;
use std::process::ExitCode;

use server::Host;

use crate::cli::{EXIT_CONFIGURATION, EXIT_OK};

/// Runs the server until it is told to stop; findings about the configuration come first.
pub(crate) fn run(path: &Path, host: Host) -> anyhow::Result<ExitCode> {
    match config::load(path) {
        Ok((config, findings)) => {
            config::print(&findings);
            server::run(config, host)?;
            Ok(ExitCode::from(EXIT_OK))
        }
        Err(findings) => {
            config::print(&findings);
            Ok(ExitCode::from(EXIT_CONFIGURATION))
        }
    }
}
