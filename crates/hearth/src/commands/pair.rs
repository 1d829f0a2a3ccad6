//! `hearth pair`: opens the pairing window of the running server, and shows the code.

use std::path::Path;
use std::process::ExitCode;

use ipc::control::{Request, Response};

use super::control_client::{unexpected, with_server};

/// `hearth pair`
pub(crate) fn run(config: &Path) -> anyhow::Result<ExitCode> {
    with_server(config, &Request::Pair, |response, out| match response {
        Response::Pairing { link, closes } => {
            let code = pairing::half_blocks(&link).map_err(std::io::Error::other)?;
            writeln!(out, "Scan with Delta Chat; the window closes {closes}.\n\n{code}")?;
            writeln!(out, "{}{link}", pairing::PAIRING_LINK_LABEL)
        }
        other => unexpected(&other),
    })
}
