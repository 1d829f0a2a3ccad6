//! `hearth serve`: reads the configuration and runs the server with it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use server::Host;

use crate::cli::{EXIT_CONFIGURATION, EXIT_OK};

/// Runs the server until it is told to stop; findings about the configuration come first.
pub(crate) fn run(path: &Path, host: Host, owner_file: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let examined = config::load_base(path).and_then(|base| base.resolve().map(|resolved| (base, resolved)));
    match examined {
        Ok((base, (config, findings))) => {
            config::print(&findings);
            server::run(base, &config, host, owner_file)?;
            Ok(ExitCode::from(EXIT_OK))
        }
        Err(findings) => {
            config::print(&findings);
            Ok(ExitCode::from(EXIT_CONFIGURATION))
        }
    }
}
