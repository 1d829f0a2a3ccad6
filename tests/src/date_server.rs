//! A web server with a certificate, whose clock a test chooses.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use host::clock::since_1970;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::internet::{Files, server_config};

/// Answers each connection at the standard port of an address, until the test's end, by a redirection with the date of a
/// clock that is ahead of this machine's by so many seconds, or behind.
pub fn start(address: Ipv4Addr, certificate: &Files, ahead: i64) -> Result<()> {
    let settings = server_config(certificate)?;
    let listener = TcpListener::bind((address, 443)).context("binding port 443")?;
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            // Who refuses the certificate goes away in the middle.
            let _ = answer(&settings, stream, ahead);
        }
    });
    Ok(())
}

fn answer(settings: &Arc<ServerConfig>, stream: TcpStream, ahead: i64) -> Result<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(settings))?, stream);
    let length = stream.read(&mut [0; 1024])?;
    anyhow::ensure!(length > 0, "a request");
    let date = UNIX_EPOCH + Duration::from_secs(since_1970().as_secs().saturating_add_signed(ahead));
    let date = httpdate::fmt_http_date(date);
    let head = format!("HTTP/1.1 302 Found\r\nDate: {date}\r\nLocation: https://elsewhere.test/\r\n\r\n");
    Ok(stream.write_all(head.as_bytes())?)
}
