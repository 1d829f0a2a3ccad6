//! HTTPS delivery at both ends: as much of HTTP/1.1 (RFC 9112) as `POST /mxdeliv` needs.

use std::io;

use anyhow::{Result, ensure};
use test_support::Lines;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::taken::Taken;

/// The most bytes of one message that the sink takes.
const LIMIT: u64 = 64 << 20;

/// The sink: accepts each request whose body's length is known.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, taken: &Taken) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(32 * 1024, stream);
    loop {
        let (mut length, mut recipients, mut line) = (0, 0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.split_once(':') else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                "x-mail-to" => recipients += 1,
                _ => {}
            }
        }
        tokio::io::copy(&mut (&mut stream).take(LIMIT.min(length)), &mut tokio::io::sink()).await?;
        let answer = if length == 0 { "411 Length Required" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).await?;
        stream.get_mut().flush().await?;
        taken.add(recipients);
    }
}

/// Posts a message, which must be accepted.
pub(super) async fn post<S: AsyncRead + AsyncWrite + Unpin>(
    lines: &mut Lines<S>,
    host: &str,
    (from, to): (&str, &str),
    message: &str,
) -> Result<()> {
    let head = format!(
        "POST /mxdeliv HTTP/1.1\r\nHost: {host}\r\nX-MAIL-FROM: {from}\r\nX-MAIL-TO: {to}\r\nContent-Length: {}\r\n\r\n",
        message.len()
    );
    lines.send([head.as_str(), message].concat()).await?;
    let status = lines.line().await?;
    let mut length = 0;
    loop {
        let line = lines.line().await?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse()?
            }
            Some(_) => {}
            None => break,
        }
    }
    let body = lines.exactly(length).await?;
    ensure!(status.contains(" 200 "), "the server said: {status} {}", String::from_utf8_lossy(&body));
    Ok(())
}
