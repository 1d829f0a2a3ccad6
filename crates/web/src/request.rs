//! A request as the routes see it, and the values that its page is made from.

use crate::site::Site;

/// The scheme of a request's URI (RFC 9110 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear text, port 80.
    Http,
    /// Over TLS, port 443.
    Https,
}

/// The parts of a request's head that decide its answer.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, in capitals (RFC 9110 section 9).
    pub method: &'a str,
    /// The path, as it came: nothing is decoded.
    pub path: &'a str,
    /// The query, without its question mark.
    pub query: Option<&'a str>,
    /// The `Host` header with its port (RFC 9110 section 7.2); empty when there was none.
    pub host: &'a str,
    /// The scheme of the listener that took the connection.
    pub scheme: Scheme,
    /// True when the peer's address can only be one of the home network.
    pub from_home: bool,
    /// The format that the `Accept` header asks for.
    pub format: Format,
}

/// The values that pages are made from.
#[derive(Clone, Debug)]
pub struct PageContext<'a> {
    /// The settings of the server.
    pub site: &'a Site,
    /// The state of the box at the time of the request.
    pub status: pairing::DisplayStatus,
}

/// The format of an answer about an account (RFC 9110 section 12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For apps.
    Json,
    /// For browsers.
    Html,
}
