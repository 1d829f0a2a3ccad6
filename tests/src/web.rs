//! The smallest reader of web pages: one request as it stands, and all of the answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// The longest silence of the server.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    head: String,
    /// The page.
    pub body: String,
}

impl Answer {
    /// The value of a header field, if it is there.
    #[must_use]
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    }

    /// The link in the page that brings an account into the app.
    pub fn login_link(&self) -> Result<String> {
        let link = self.body.split('"').find(|part| part.starts_with("dclogin:"));
        Ok(link.with_context(|| format!("no login link in: {}", self.body))?.replace("&amp;", "&"))
    }
}

/// The page at this path, as a browser on this machine asks for it.
pub fn get(port: u16, path: &str) -> Result<Answer> {
    get_from(Ipv4Addr::LOCALHOST, port, path)
}

/// The same from another machine.
pub fn get_from(host: Ipv4Addr, port: u16, path: &str) -> Result<Answer> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    );
    ask_at(host, port, &request)
}

/// The response to these very bytes, read until the server closes the connection.
pub fn ask(port: u16, request: &str) -> Result<Answer> {
    ask_at(Ipv4Addr::LOCALHOST, port, request)
}

fn ask_at(host: Ipv4Addr, port: u16, request: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no head in {answer:?}"))?;
    let status = head.split(' ').nth(1).with_context(|| format!("no status in {head:?}"))?.parse()?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
