//! `[listen]`: the addresses of the listeners.

use std::net::SocketAddr;

use mail_types::Domain;

use crate::defaults;
use crate::finding::Severity;
use crate::model::Listen;
use crate::public;
use crate::reader::Reader;
use crate::values::socket_addresses;

/// Other servers find a box by its domain: where that means nothing outside of the house, none would come, and another
/// mail server of the machine may have the port.
pub(crate) fn listen(table: &mut Reader, domain: &Domain) -> Listen {
    let smtp = if public::is_public(domain) { defaults::everywhere(defaults::SMTP_PORT) } else { Vec::new() };
    let mut addresses = |key, port| table.take_with(key, defaults::everywhere(port), socket_addresses);
    let listen = Listen {
        imaps: addresses("imaps", defaults::IMAPS_PORT),
        imap: addresses("imap", defaults::IMAP_PORT),
        submissions: addresses("submissions", defaults::SUBMISSIONS_PORT),
        submission: addresses("submission", defaults::SUBMISSION_PORT),
        https: addresses("https", defaults::HTTPS_PORT),
        http: addresses("http", defaults::HTTP_PORT),
        smtp: table.take_with("smtp", smtp, socket_addresses),
    };
    let none = |lists: [&Vec<SocketAddr>; 3]| lists.into_iter().all(Vec::is_empty);
    if none([&listen.imaps, &listen.imap, &listen.https]) {
        let advice = "Give at least one address to imaps, imap or https.";
        table.report("imaps", Severity::Warning, "No client can read mail: IMAP listens nowhere.", advice);
    }
    if none([&listen.submissions, &listen.submission, &listen.https]) {
        let advice = "Give at least one address to submissions, submission or https.";
        table.report(
            "submissions",
            Severity::Warning,
            "No client can send mail: submission listens nowhere.",
            advice,
        );
    }
    listen
}
