//! What of a request, and of the moment it comes in, the routes look at.

use super::site::Site;

/// Which door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Port 80.
    Http,
    /// Port 443.
    Https,
}

/// What of a request matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// `GET`, `POST`, ...
    pub(super) method: &'a str,
    /// Without the query.
    pub(super) path: &'a str,
    /// What came after the question mark.
    pub(super) query: Option<&'a str>,
    /// The `Host` header, port and all; empty when there was none.
    pub(super) host: &'a str,
    /// Port 80 or 443.
    pub(super) door: Door,
    /// Whether the client is in the home network.
    pub(super) from_home: bool,
    /// Who reads the answer, as the `Accept` header has it.
    pub(super) reader: Form,
}

/// What the pages know.
pub(super) struct Told<'a> {
    pub(super) site: &'a Site,
    pub(super) status: pairing::Status,
}

/// Who reads the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// An app.
    Json,
    /// A person.
    Page,
}
