//! The client of the control socket, for the commands that ask a running server.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use ipc::control::{LINE_LIMIT, Request, Response};
use ipc::lines::{self, Lines};

use crate::cli::{EXIT_CONFIGURATION, EXIT_NOT_RUNNING, EXIT_OK};

/// A server that has not answered by then will not.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the request to the server with this configuration, and prints its response by `show`.
pub(super) fn with_server(
    path: &Path,
    request: &Request,
    show: impl FnOnce(Response, &mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let response = match ask(path, request, RESPONSE_TIMEOUT)? {
        Ok(response) => response,
        Err(exit) => return Ok(exit),
    };
    show(response, &mut std::io::stdout().lock())?;
    Ok(ExitCode::from(EXIT_OK))
}

/// Sends the request to the server with this configuration, and returns its response; or the exit status, if there is
/// no server to ask, which has been said then.
pub(super) fn ask(
    path: &Path,
    request: &Request,
    patience: Duration,
) -> anyhow::Result<Result<Response, ExitCode>> {
    let config = match config::load(path) {
        Ok((config, _)) => config,
        Err(findings) => {
            config::print(&findings);
            return Ok(Err(ExitCode::from(EXIT_CONFIGURATION)));
        }
    };
    let socket = config.control_socket();
    let Ok(stream) = UnixStream::connect(&socket) else {
        let mut out = std::io::stderr().lock();
        let _ =
            writeln!(out, "hearth: no server answers at {}; is it running as this user?", socket.display());
        return Ok(Err(ExitCode::from(EXIT_NOT_RUNNING)));
    };
    let response = exchange(stream, request, patience);
    response.with_context(|| format!("asking the server at {}", socket.display())).map(Ok)
}

/// The error for a response that does not fit the request.
pub(super) fn unexpected(response: &Response) -> std::io::Result<()> {
    Err(std::io::Error::other(match response {
        Response::Refused(reason) => reason.clone(),
        _ => "the server answered something else; is it another version?".to_owned(),
    }))
}

fn exchange(mut stream: UnixStream, request: &Request, patience: Duration) -> anyhow::Result<Response> {
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&lines::encode(request)?)?;
    let mut lines = Lines::new(stream, LINE_LIMIT);
    let line = match (lines.next(), lines.into_error()) {
        (Some(line), _) => line,
        (None, Some(error)) => return Err(error).context("the server does not answer"),
        (None, None) => anyhow::bail!("the server closed the connection without an answer"),
    };
    line.decode().context("the answer is not understood; is the server another version?")
}
