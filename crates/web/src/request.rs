//! A request as the routes see it, and the values that its page is made from.

use std::net::IpAddr;

use ipc::control::NamingStatus;

use crate::local::is_local;
use crate::site::Site;

/// The scheme of a request's URI (RFC 9110 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In clear text, port 80.
    Http,
    /// Over TLS, port 443.
    Https,
}

/// The client of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, as it is seen here.
    pub address: IpAddr,
    /// The way on which its connection came.
    pub way: Way,
}

/// The way of a connection to the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a network that the box is in.
    Direct,
    /// Through the tunnel to a public address: from the internet, even if the other end puts an address of its own in the
    /// place of the client's, which may be a private one.
    Tunnel,
}

impl Client {
    /// True when it can only be one of the home network.
    pub(crate) fn is_at_home(self) -> bool {
        self.way == Way::Direct && is_local(self.address)
    }
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
    /// True when the client can only be one of the home network (`Client::is_at_home`).
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
    /// The state of its name, for the home network only; none without a name on the internet.
    pub naming: Option<NamingStatus>,
}

/// The format of an answer about an account (RFC 9110 section 12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For apps.
    Json,
    /// For browsers.
    Html,
}

#[cfg(test)]
mod tests {
    use super::{Client, Way};

    #[test]
    fn nobody_is_at_home_who_came_through_the_tunnel() {
        let address = [10, 8, 0, 1].into();
        assert!(Client { address, way: Way::Direct }.is_at_home());
        assert!(!Client { address, way: Way::Tunnel }.is_at_home());
    }
}
